//! Setting up an authenticator app: a secret is shown, and counts once its first code was typed.

use http::StatusCode;
use minijinja::context;
use serde::{Deserialize, Serialize};
use stepward_core::session::Method;

use crate::{
    challenges::{
        answer::Answer,
        authenticators::{self, Kept},
        enrolment::{BASE, May, Visitor},
        issued, page, problem, totp,
    },
    clock,
    reply::Reply,
    store::{Attempt, Drawer, Id, Once, StateStore, Stored},
};

const PENDING_TRIES: u32 = 10;
/// Apps of one account: every answer is compared with all of them, so each makes guessing easier.
pub(in crate::challenges) const APPS_MAX: usize = 5;

/// A secret that was shown and waits for its first code.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: Id,
    secret: Vec<u8>,
}

impl Visitor<'_> {
    /// Makes a secret and sends the browser to the page that shows it.
    pub(super) async fn start_app(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        if self.count(Method::Totp).await? >= APPS_MAX {
            return Ok(self.forbidden());
        }
        let secret: [u8; totp::SECRET_BYTES] = clock::random_bytes();
        let pending = Pending { account: self.subject.account, secret: secret.to_vec() };
        self.begun("totp", PENDING_TRIES, &pending).await
    }

    pub(super) async fn show_app(&mut self, word: &str) -> Stored<Reply> {
        let Some(pending) = self.pending_app(word).await? else { return Ok(self.gone()) };
        let locale = &problem::locale(self.challenges, self.arrival);
        let content = context! {
            picture => format!("{BASE}/totp/{word}.svg"), key => totp::key(&pending.secret),
            action => format!("{BASE}/totp/{word}{}", self.suffix()),
            error => self.asks("e=wrong").then(|| locale.text("wrong")),
        };
        let title = locale.text("title_add_totp");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "enrol.html", &title, content))
    }

    pub(super) async fn picture(&mut self, word: &str) -> Stored<Reply> {
        let Some(pending) = self.pending_app(word).await? else { return Ok(self.gone()) };
        let address = totp::address(&pending.secret, &self.challenges.pages.service, &self.subject.name);
        Ok(address.and_then(|it| totp::picture(&it)).map_or_else(|| self.gone(), page::picture))
    }

    /// Takes the first code: the app is set up when it is right.
    pub(super) async fn finish_app(&mut self, word: &str) -> Stored<Reply> {
        let (Some(pending), Some(id)) = (self.pending_app(word).await?, issued::id_of(word)) else {
            return Ok(self.gone());
        };
        let may = self.may().await?;
        if matches!(may, May::No | May::AfterProof) {
            return Ok(self.refused().await?.unwrap_or_else(|| self.gone()));
        }
        if self.count(Method::Totp).await? >= APPS_MAX {
            return Ok(self.forbidden());
        }
        let now_ms = self.challenges.clock.now_ms();
        let Attempt::Granted { .. } = self.challenges.store.attempt_challenge(now_ms, id, id).await? else {
            return Ok(self.gone());
        };
        let code = totp::digits(&Answer::read(self.arrival).code);
        let Some(step) = code.and_then(|code| totp::step_of(&pending.secret, &code, now_ms)) else {
            return Ok(self.again(&format!("/totp/{word}"), "wrong"));
        };
        if !self.admit(&may, id).await? {
            return Ok(self.forbidden());
        }
        if self.challenges.store.spend_challenge(now_ms, id, id, clock::random_id()).await? == Once::Replay {
            return Ok(self.gone());
        }
        let account = self.subject.account;
        let kept = Kept::Totp { secret: pending.secret, added_ms: now_ms };
        authenticators::add(self.challenges, self.tenant(), account, id, &kept).await?;
        // The code that was just typed is a used one.
        self.challenges.store.advance(account, Drawer::Authenticators, id, step).await?;
        self.added(Method::Totp).await
    }

    async fn pending_app(&self, word: &str) -> Stored<Option<Pending>> {
        let pending: Option<Pending> = self.pending(word).await?;
        Ok(pending.filter(|it| it.account == self.subject.account))
    }
}
