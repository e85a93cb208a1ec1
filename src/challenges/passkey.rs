//! Passkeys (WebAuthn Level 3): what a browser is asked, and whether what it says is a proof.
//!
//! A challenge is made here, good once, and covers what is confirmed: a nonce, and a MAC over the nonce, the challenge that
//! was issued, its account and the digest of the values it is bound to. Nothing has to be kept for that, so that looking at
//! a page changes nothing and any node can check what another asked. The nonce is used up before an answer is looked at.
//!
//! `webauthn-rs` does the cryptography and most of WebAuthn §7.2. What it leaves to its caller is here: the origin to the
//! letter, no other page around ours, whose credential it is, and the signature counter, which the store moves forward.
//! What cannot be verified proves nothing; why is logged without a name.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    AuthenticationResult, CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::{
    challenges::{
        Challenges, Trouble,
        authenticators::{self, Authenticator, Kept},
        issued::Issued,
    },
    clock, settings,
    store::{Drawer, Id, Once, StateStore, Stored},
};

/// How long a browser may take over an answer, in milliseconds (WebAuthn §15.1 recommends five to ten minutes).
const TIMEOUT_MS: u32 = 300_000;
/// Scope of one-time nonces in the store.
const NONCES: &str = "passkey";
/// Credential ids of this length are what most people's authenticators make.
const DECOY_BYTES: [usize; 4] = [16, 20, 32, 32];

/// This gateway as a relying party.
pub struct Party {
    webauthn: Webauthn,
    rp_id: Arc<str>,
    origins: Arc<[Arc<str>]>,
}

/// What an answer confirms, and whose it has to be.
#[derive(Clone, Copy)]
pub struct Confirmed<'a> {
    /// What kind of thing is confirmed: an answer to one kind is none to another.
    kind: &'static str,
    /// Which one.
    id: Id,
    /// Whose passkey it has to be.
    account: Option<Id>,
    /// Whether that is who is there.
    is_verified: bool,
    /// Digest of everything else that it covers.
    covers: Option<[u8; 32]>,
    decision_id: &'a str,
    /// When it ends, and no answer counts any more.
    expires_ms: i64,
}

impl<'a> Confirmed<'a> {
    /// A challenge that was issued.
    pub fn challenge(id: Id, issued: &'a Issued) -> Self {
        let (account, is_verified, covers) = (issued.account, issued.is_verified, issued.bound_to);
        let (decision_id, expires_ms) = (&*issued.decision_id, issued.expires_ms);
        Confirmed { kind: "passkey challenge", id, account, is_verified, covers, decision_id, expires_ms }
    }

    /// Consent, by this account that is signed in, to what somebody else asks for.
    pub fn consent(id: Id, account: Id, covers: [u8; 32], decision_id: &'a str, expires_ms: i64) -> Self {
        let (kind, account, covers) = ("passkey consent", Some(account), Some(covers));
        Confirmed { kind, id, account, is_verified: true, covers, decision_id, expires_ms }
    }
}

/// What the browser says about where it was asked (WebAuthn §5.8.1), as far as `webauthn-rs` does not look at it.
#[derive(Deserialize)]
struct ClientData {
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

impl Party {
    /// Ready to run with these settings.
    ///
    /// # Errors
    /// When an origin does not belong to the domain; settings that were checked have none.
    pub fn new(passkeys: &settings::Passkeys, service: &str) -> Result<Self, Trouble> {
        let bad = |what: String| Trouble::Passkeys(what);
        let urls = passkeys.origins.iter().map(|it| Url::parse(it).map_err(|error| bad(format!("`{it}`: {error}"))));
        let urls = urls.collect::<Result<Vec<_>, _>>()?;
        let (first, others) = urls.split_first().ok_or_else(|| bad("no origin".into()))?;
        let builder = WebauthnBuilder::new(&passkeys.rp_id, first).map_err(|error| bad(error.to_string()))?;
        let builder = others.iter().fold(builder.rp_name(service), |it, origin| it.append_allowed_origin(origin));
        let webauthn = builder.build().map_err(|error| bad(error.to_string()))?;
        Ok(Party { webauthn, rp_id: passkeys.rp_id.clone(), origins: passkeys.origins.clone() })
    }

    /// Whether passkeys can be used on this host.
    pub fn serves(&self, host: &str) -> bool {
        self.origin_of(host).is_some()
    }

    /// The origin of this host: its address as the settings have it, which no request can choose. Of several the one with
    /// this port, if it is written in `Host`.
    pub fn origin_of(&self, host: &str) -> Option<&Arc<str>> {
        let rest = |origin: &str| origin.split_once("://").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let named = host.split(':').next();
        let of_host = || self.origins.iter().filter(|origin| rest(origin).split(':').next() == named);
        of_host().find(|origin| rest(origin) == host).or_else(|| of_host().next())
    }

    /// Whether a page of ours on an origin of ours asked, with no other site's page around it.
    fn is_ours(&self, client: &ClientData) -> bool {
        let is_own = self.origins.iter().any(|origin| **origin == *client.origin);
        is_own && !client.is_cross_origin && client.top_origin.is_none()
    }

    /// What a browser is asked to make a passkey, and what its answer is compared with.
    pub fn invite(
        &self,
        handle: Id,
        name: &str,
        there: &[Authenticator],
    ) -> Result<(CreationChallengeResponse, PasskeyRegistration), WebauthnError> {
        let exclude = there.iter().filter_map(|it| it.passkey().map(|passkey| passkey.cred_id().clone())).collect();
        let user = Uuid::from_bytes(handle);
        self.webauthn.start_passkey_registration(user, name, name, Some(exclude))
    }

    /// The new passkey, if the answer is sound (WebAuthn §7.1).
    pub fn welcome(&self, answer: &str, state: &PasskeyRegistration) -> Option<Passkey> {
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).ok()?;
        let client: ClientData = serde_json::from_slice(&answer.response.client_data_json).ok()?;
        if !self.is_ours(&client) {
            tracing::info!("a passkey is not taken: it was made for another page");
            return None;
        }
        let made = self.webauthn.finish_passkey_registration(&answer, state);
        made.inspect_err(|error| tracing::info!(%error, "a passkey is not taken")).ok()
    }

    /// What is to be known of an answer to these challenge bytes, if this passkey signed it.
    fn verify(
        &self,
        passkey: &Passkey,
        counter: u64,
        challenge: &str,
        answer: &PublicKeyCredential,
    ) -> Result<AuthenticationResult, WebauthnError> {
        let state = state(passkey, counter, challenge).ok_or(WebauthnError::CredentialNotFound)?;
        self.webauthn.finish_passkey_authentication(answer, &state)
    }
}

/// What `webauthn-rs` compares an answer with. It makes challenges of random bytes only, and keeps counters inside a
/// credential; ours say what is confirmed, and the store keeps the counters.
fn state(passkey: &Passkey, counter: u64, challenge: &str) -> Option<PasskeyAuthentication> {
    let mut credential = serde_json::to_value(passkey).ok()?;
    let credential = credential.get_mut("cred")?;
    *credential.get_mut("counter")? = counter.into();
    let ast = json!({
        "credentials": [credential], "policy": "required", "challenge": challenge, "appid": null,
        "allow_backup_eligible_upgrade": false,
    });
    serde_json::from_value(json!({ "ast": ast })).ok()
}

/// What a client needs to answer by passkey: `PublicKeyCredentialRequestOptions` as JSON (WebAuthn §5.5). An account that
/// is merely claimed, and one that has none, gets ids that nobody has and that stay the same: what somebody has set up is
/// shown to nobody but them.
pub async fn options(challenges: &Challenges, tenant: &str, it: &Confirmed<'_>) -> Stored<Option<Value>> {
    let Some(party) = &challenges.passkeys else { return Ok(None) };
    let kept = match it.account.filter(|_| it.is_verified) {
        Some(account) => authenticators::all(challenges, tenant, account).await?,
        None => Vec::new(),
    };
    let own = kept.iter().filter_map(|it| Some(data_encoding::BASE64URL_NOPAD.encode(it.passkey()?.cred_id())));
    let mut ids: Vec<String> = own.collect();
    if ids.is_empty() {
        ids.push(decoy(challenges, tenant, it.account.unwrap_or(it.id)));
    }
    let allowed: Vec<Value> = ids.iter().map(|id| json!({ "type": "public-key", "id": id })).collect();
    Ok(Some(json!({
        "challenge": fresh(challenges, tenant, it), "timeout": TIMEOUT_MS, "rpId": &*party.rp_id,
        "allowCredentials": allowed, "userVerification": "required",
    })))
}

/// A credential id that looks like any other and belongs to nobody.
fn decoy(challenges: &Challenges, tenant: &str, account: Id) -> String {
    let account = data_encoding::HEXLOWER.encode(&account);
    let part = |what: &str| challenges.keys.pseudonym(tenant, what, &account);
    let (first, second) = (part("passkey decoy 1"), part("passkey decoy 2"));
    let [choice, ..] = part("passkey decoy length");
    let length = DECOY_BYTES[usize::from(choice) % DECOY_BYTES.len()];
    let bytes: Vec<u8> = first.into_iter().chain(second).take(length).collect();
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

/// A challenge for one answer, in base64url: a nonce, and what ties it to what is confirmed.
fn fresh(challenges: &Challenges, tenant: &str, it: &Confirmed<'_>) -> String {
    let nonce = clock::random_id();
    data_encoding::BASE64URL_NOPAD.encode(&[nonce, seal(challenges, tenant, it, nonce)].concat())
}

/// The nonce of a challenge that was made for this and nothing else.
fn nonce(challenges: &Challenges, tenant: &str, it: &Confirmed<'_>, challenge: &str) -> Option<Id> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(challenge.as_bytes()).ok()?;
    let (nonce, mac) = bytes.split_first_chunk::<16>()?;
    let right = seal(challenges, tenant, it, *nonce);
    bool::from(subtle::ConstantTimeEq::ct_eq(&right[..], mac)).then_some(*nonce)
}

/// The MAC over everything that an answer confirms. Each part has a fixed length but the last.
fn seal(challenges: &Challenges, tenant: &str, it: &Confirmed<'_>, nonce: Id) -> Id {
    let covered = [
        &nonce[..],
        &it.id,
        &it.account.unwrap_or_default(),
        &it.covers.unwrap_or_default(),
        it.decision_id.as_bytes(),
    ];
    challenges.keys.pseudonym(tenant, it.kind, &data_encoding::HEXLOWER.encode(&covered.concat()))
}

/// Whether an answer is a proof (WebAuthn §7.2); if so its challenge has been used up and is good for nobody else.
/// `all` is what the account has set up.
pub async fn check(
    challenges: &Challenges,
    tenant: &str,
    it: &Confirmed<'_>,
    all: &[Authenticator],
    typed: &str,
) -> Stored<bool> {
    let refused = |why: &str| {
        tracing::info!(decision = it.decision_id, why, "an answer by passkey is refused");
        Ok(false)
    };
    let Some(party) = &challenges.passkeys else { return Ok(false) };
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(typed) else { return refused("it cannot be read") };
    let client = serde_json::from_slice::<ClientData>(&answer.response.client_data_json);
    let Ok(client) = client else { return refused("its client data cannot be read") };
    let Some(nonce) = nonce(challenges, tenant, it, &client.challenge) else {
        return refused("it answers something else");
    };
    let now_ms = challenges.clock.now_ms();
    // INVARIANT: used up before it is looked at, so that no challenge is ever answered twice.
    if challenges.store.claim(now_ms, NONCES, nonce, clock::random_id(), it.expires_ms).await? == Once::Replay {
        return refused("its challenge was answered before");
    }
    if !party.is_ours(&client) {
        return refused("another page asked for it");
    }
    let Some(account) = it.account else { return refused("nobody is asked for") };
    let is_it =
        |kept: &&Authenticator| kept.passkey().is_some_and(|it| it.cred_id().as_slice() == answer.get_credential_id());
    let Some((kept, passkey)) = all.iter().find(is_it).and_then(|it| Some((it, it.passkey()?))) else {
        return refused("the account has no such passkey");
    };
    if answer.get_user_unique_id().is_some_and(|it| !kept.is_known_as(it, &handle(challenges, tenant, account))) {
        return refused("it is somebody else's");
    }
    match party.verify(passkey, kept.counter, &client.challenge, &answer) {
        Ok(result) => count(challenges, it, account, kept, result.counter()).await,
        Err(WebauthnError::CredentialPossibleCompromise) => {
            tracing::warn!(decision = it.decision_id, "a passkey's counter went back: there may be a copy of it");
            Ok(false)
        }
        Err(error) => refused(&error.to_string()),
    }
}

/// Moves the signature counter forward (WebAuthn §6.1.1); an authenticator that counts never shows a number twice, one
/// that does not count shows nothing but zero.
async fn count(
    challenges: &Challenges,
    it: &Confirmed<'_>,
    account: Id,
    kept: &Authenticator,
    counter: u32,
) -> Stored<bool> {
    if counter == 0 && kept.counter == 0 {
        return Ok(true);
    }
    let is_first = challenges.store.advance(account, Drawer::Authenticators, kept.id, counter.into()).await?;
    if !is_first {
        tracing::warn!(decision = it.decision_id, "a passkey's counter came twice: there may be a copy of it");
    }
    Ok(is_first)
}

/// What authenticators know an account by: it says nothing about who that is (WebAuthn §14.6.1).
pub fn handle(challenges: &Challenges, tenant: &str, account: Id) -> Id {
    challenges.keys.pseudonym(tenant, "passkey user", &data_encoding::HEXLOWER.encode(&account))
}

/// Keeps a passkey for an account, with the user handle under which another system made it, if one did; false where another account has the same credential id already (WebAuthn §7.1 step 26).
pub async fn keep(
    challenges: &Challenges,
    tenant: &str,
    account: Id,
    id: Id,
    passkey: Passkey,
    label: String,
    handle: Option<Vec<u8>>,
) -> Stored<bool> {
    let credential = credential(challenges, tenant, &passkey);
    challenges.store.enrol(credential, Drawer::Traces, account, Vec::new()).await?;
    // Of two accounts that come at once neither gets it.
    if challenges.store.enrolments(credential, Drawer::Traces).await?.iter().any(|it| it.id != account) {
        challenges.store.retire(credential, Drawer::Traces, account).await?;
        return Ok(false);
    }
    let counter = about(&passkey, "counter").and_then(|it| it.as_u64()).unwrap_or(0);
    let kept = Kept::Passkey { passkey: Box::new(passkey), label, added_ms: challenges.clock.now_ms(), handle };
    authenticators::add(challenges, tenant, account, id, &kept).await?;
    if counter > 0 {
        challenges.store.advance(account, Drawer::Authenticators, id, counter).await?;
    }
    Ok(true)
}

/// Lets another account have the credential again; before it is taken away from this one.
pub async fn forget(challenges: &Challenges, tenant: &str, account: Id, passkey: &Passkey) -> Stored<()> {
    let held = credential(challenges, tenant, passkey);
    challenges.store.retire(held, Drawer::Traces, account).await.map(|_| ())
}

/// Where it is kept whose a credential is.
fn credential(challenges: &Challenges, tenant: &str, passkey: &Passkey) -> Id {
    challenges.keys.pseudonym(tenant, "passkey credential", &data_encoding::HEXLOWER.encode(passkey.cred_id()))
}

/// Something that `webauthn-rs` keeps of a passkey and tells nobody.
fn about(passkey: &Passkey, what: &str) -> Option<Value> {
    serde_json::to_value(passkey).ok()?.get("cred")?.get(what).cloned()
}
