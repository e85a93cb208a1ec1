//! Setting up a passkey: the browser is asked for one, and its answer is good once.

use http::StatusCode;
use minijinja::context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepward_core::session::Method;
use webauthn_rs::prelude::PasskeyRegistration;

use crate::{
    challenges::{
        answer::Answer,
        enrolment::{BASE, May, Visitor},
        issued, passkey, problem,
    },
    clock,
    reply::Reply,
    store::{Id, Once, StateStore, Stored},
};

/// Passkeys of one account: a page lists them all.
pub(in crate::challenges) const PASSKEYS_MAX: usize = 10;
/// Characters of a passkey's name.
const LABEL_MAX: usize = 40;

/// A passkey that was asked for.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: Id,
    /// What the browser is asked (`PublicKeyCredentialCreationOptions`).
    options: Value,
    /// What its answer is compared with.
    state: PasskeyRegistration,
}

impl Visitor<'_> {
    /// Sends the browser to the page that makes a passkey.
    pub(super) async fn start_passkey(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        let there = self.authenticators().await?;
        let is_full = there.iter().filter(|it| it.method() == Method::Passkey).count() >= PASSKEYS_MAX;
        let (challenges, account) = (self.challenges, self.subject.account);
        let Some(party) = challenges.passkeys.as_ref().filter(|_| self.can_have_passkeys() && !is_full) else {
            return Ok(self.forbidden());
        };
        let handle = passkey::handle(challenges, self.tenant(), account);
        let (options, state) = match party.invite(handle, &self.subject.name, &there) {
            Ok(both) => both,
            Err(error) => {
                tracing::error!(%error, "a passkey cannot be asked for");
                return Ok(self.forbidden());
            }
        };
        self.begun("passkey", 1, &Pending { account, options: wanted(&options), state }).await
    }

    pub(super) async fn show_passkey(&mut self, word: &str) -> Stored<Reply> {
        let Some(pending) = self.pending_passkey(word).await? else { return Ok(self.gone()) };
        let locale = &problem::locale(self.challenges, self.arrival);
        let content = context! {
            options => pending.options.to_string(), label_max => LABEL_MAX,
            action => format!("{BASE}/passkey/{word}{}", self.suffix()), back => format!("{BASE}{}", self.suffix()),
        };
        let title = locale.text("add_passkey");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "passkey.html", &title, content))
    }

    /// Takes what the browser made. What it was asked is used up before the answer is looked at.
    pub(super) async fn finish_passkey(&mut self, word: &str) -> Stored<Reply> {
        let (Some(pending), Some(id)) = (self.pending_passkey(word).await?, issued::id_of(word)) else {
            return Ok(self.gone());
        };
        let may = self.may().await?;
        if matches!(may, May::No | May::AfterProof) {
            return Ok(self.refused().await?.unwrap_or_else(|| self.gone()));
        }
        if self.count(Method::Passkey).await? >= PASSKEYS_MAX {
            return Ok(self.forbidden());
        }
        let (challenges, now_ms) = (self.challenges, self.challenges.clock.now_ms());
        if challenges.store.spend_challenge(now_ms, id, id, clock::random_id()).await? == Once::Replay {
            return Ok(self.gone());
        }
        let answer = Answer::read(self.arrival);
        let made = challenges.passkeys.as_ref().and_then(|party| party.welcome(&answer.code, &pending.state));
        let Some(made) = made else { return Ok(self.again("", "passkey")) };
        if !self.admit(&may, id).await? {
            return Ok(self.forbidden());
        }
        let name = label(answer.fields.get("label").map_or("", String::as_str));
        if !passkey::keep(challenges, self.tenant(), self.subject.account, id, made, name, None).await? {
            return Ok(self.again("", "passkey"));
        }
        self.added(Method::Passkey).await
    }

    async fn pending_passkey(&self, word: &str) -> Stored<Option<Pending>> {
        let pending: Option<Pending> = self.pending(word).await?;
        Ok(pending.filter(|it| it.account == self.subject.account))
    }
}

/// What the browser is asked: a discoverable passkey where the authenticator has room for one, so that people find it
/// among their passwords (WebAuthn §5.4.6 `preferred`, which `webauthn-rs` does not offer).
fn wanted(options: &impl Serialize) -> Value {
    let mut options = serde_json::to_value(options).unwrap_or_default();
    let mut options = options.get_mut("publicKey").map(Value::take).unwrap_or_default();
    if let Some(selection) = options.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
        selection.insert("residentKey".into(), json!("preferred"));
    }
    options
}

/// A name as it can be shown: one line, not long.
pub(in crate::challenges) fn label(typed: &str) -> String {
    let clean: String = typed.trim().chars().filter(|it| !it.is_control()).take(LABEL_MAX).collect();
    clean.trim_end().to_string()
}
