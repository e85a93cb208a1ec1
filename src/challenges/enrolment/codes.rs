//! Handing out recovery codes: they are shown once.

use http::StatusCode;
use minijinja::context;

use crate::{
    challenges::{
        enrolment::{BASE, Change, PENDING_MS, Visitor},
        issued, problem, recovery,
    },
    clock,
    keys::Purpose,
    reply::Reply,
    store::{StateStore, Stored},
};

impl Visitor<'_> {
    pub(super) async fn renew_recovery(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        // Codes are never the first: an invitation would not be used up by them.
        if self.authenticators().await?.is_empty() {
            return Ok(self.forbidden());
        }
        self.hand_out_recovery().await
    }

    /// Makes new codes and sends the browser to the page that shows them, once.
    pub(super) async fn hand_out_recovery(&mut self) -> Stored<Reply> {
        let codes = recovery::renew(self.challenges, self.tenant(), self.subject.account).await?;
        self.changed(Change::Renewed).await?;
        let word = issued::fresh_id();
        let Some(id) = issued::id_of(&word) else { return Ok(self.gone()) };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&codes).unwrap_or_default());
        let sealed = self.challenges.keys.seal(Purpose::Authenticator, self.tenant(), &self.own(id), &plain);
        let expires_ms = self.challenges.clock.now_ms() + PENDING_MS;
        self.challenges.store.park(id, id, sealed, expires_ms).await?;
        Ok(self.to(&format!("/recovery/{word}")))
    }

    pub(super) async fn recovery(&mut self, word: &str) -> Stored<Reply> {
        let Some(id) = issued::id_of(word) else { return Ok(self.gone()) };
        let owner = self.own(id);
        let now_ms = self.challenges.clock.now_ms();
        let open = |sealed: Vec<u8>| {
            let opened = self.challenges.keys.open(Purpose::Authenticator, self.tenant(), &owner, &sealed).ok()?;
            serde_json::from_slice::<Vec<String>>(&opened.plain).ok()
        };
        // Only its own browser may use the one time up.
        if self.challenges.store.peek_parked(now_ms, id, id).await?.and_then(open).is_none() {
            return Ok(self.gone());
        }
        let taken = self.challenges.store.take_parked(now_ms, id, id, clock::random_id()).await?;
        let Some(codes) = taken.and_then(open) else { return Ok(self.gone()) };
        let locale = &problem::locale(self.challenges, self.arrival);
        let content = context! { codes, next => format!("{BASE}{}", self.suffix()) };
        let title = locale.text("title_recovery");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "recovery.html", &title, content))
    }
}
