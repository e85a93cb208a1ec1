//! What operators do with what accounts have set up: look at it, take all of it away, and bring in what another system had.
//!
//! Nothing here asks the owner, so nothing here is reachable from the data plane. What cannot be used as it is (another
//! algorithm, a key of another kind) is refused and named, never bent. Secrets that were brought in are sealed like all
//! others and never told again.

use serde::{Deserialize, Serialize};
use serde_json::json;
use stepward_core::session::Method;
use webauthn_rs::prelude::{Passkey, WebauthnError};

use crate::{
    challenges::{
        Challenges,
        authenticators::{self, Authenticator, Kept},
        change::Change,
        enrolment::{
            apps::APPS_MAX,
            passkeys::{self, PASSKEYS_MAX},
        },
        passkey, totp,
    },
    clock,
    store::{Drawer, Id, StateStore, Stored},
};

/// Bytes of an app's secret: RFC 4226 §4 (R6) asks for sixteen, and shorter ones prove nothing here.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// What precedes the coordinates in a COSE key of P-256 (RFC 9053 §7.1.1: kty EC2, alg ES256, crv P-256, x of 32 bytes).
const COSE_P256: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// What stands between them (y of 32 bytes).
const COSE_Y: [u8; 3] = [0x22, 0x58, 0x20];
/// What precedes an uncompressed point in a SubjectPublicKeyInfo of P-256 (RFC 5480 §2).
const SPKI_P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Something that an account has set up, as an operator sees it.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// How it proves.
    pub method: Method,
    /// What its owner calls it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub label: String,
    /// When it was set up, in milliseconds since the Unix epoch.
    pub added_ms: i64,
}

/// An authenticator of another system.
#[derive(Clone, Copy, Debug)]
pub enum Brought<'a> {
    /// An authenticator app.
    App(&'a BroughtApp),
    /// A passkey.
    Passkey(&'a BroughtPasskey),
}

/// An authenticator app of another system (RFC 6238).
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BroughtApp {
    /// The shared secret in base32, 16 to 64 bytes.
    secret: String,
    /// Only `SHA1`.
    algorithm: Option<String>,
    /// Only 6.
    digits: Option<u8>,
    /// Only 30, in seconds.
    period: Option<u16>,
}

/// A passkey of another system, for the same `rp_id`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BroughtPasskey {
    /// The credential id, in base64url.
    credential_id: String,
    /// The public key of kind ES256 as COSE_Key or SubjectPublicKeyInfo, in base64url.
    public_key: String,
    /// The last signature counter.
    #[serde(default)]
    sign_count: u32,
    /// The user handle under which it was made, in base64url. Default: whatever it shows.
    user_handle: Option<String>,
    /// Whether it can be synced (flag BE).
    #[serde(default)]
    backup_eligible: bool,
    /// Whether it is (flag BS).
    #[serde(default)]
    backed_up: bool,
    /// What its owner calls it.
    #[serde(default)]
    label: String,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It proves from now on.
    Imported,
    /// It is there already.
    Known,
    /// It is not taken, and why.
    Refused(&'static str),
}

impl std::fmt::Debug for BroughtApp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("BroughtApp").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BroughtPasskey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("BroughtPasskey").finish_non_exhaustive()
    }
}

impl Challenges {
    /// What an account has set up, oldest first; recovery codes one by one.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn listed(&self, tenant: &str, account: Id) -> Stored<Vec<Listed>> {
        let all = authenticators::all(self, tenant, account).await?;
        let listed = |it: &Authenticator| {
            let label = match &it.kept {
                Kept::Passkey { label, .. } => label.clone(),
                Kept::Totp { .. } | Kept::Recovery { .. } => String::new(),
            };
            Listed { method: it.method(), label, added_ms: it.added_ms() }
        };
        Ok(all.iter().map(listed).collect())
    }

    /// Takes away everything that an account has set up and tells its owner; how much it was. What does not open any more
    /// goes as well.
    ///
    /// # Errors
    /// When the state store does not answer; parts may be gone then, and it can be asked again.
    pub async fn reset(&self, tenant: &str, account: Id) -> Stored<usize> {
        let all = self.store.enrolments(account, Drawer::Authenticators).await?;
        if !all.is_empty() {
            // Before it: a reset that breaks off is told as well.
            self.tell_of(tenant, account, Change::Reset).await;
        }
        for passkey in authenticators::all(self, tenant, account).await?.iter().filter_map(Authenticator::passkey) {
            passkey::forget(self, tenant, account, passkey).await?;
        }
        for it in &all {
            self.store.retire(account, Drawer::Authenticators, it.id).await?;
        }
        Ok(all.len())
    }

    /// Takes an authenticator over from another system, and tells its owner. The same one is taken once. A code of an app
    /// is used that its owner could have used elsewhere in this half minute.
    ///
    /// # Errors
    /// When the state store does not answer; it can be asked again.
    pub async fn import(&self, tenant: &str, account: Id, brought: Brought<'_>) -> Stored<Came> {
        let came = self.take_over(tenant, account, brought).await?;
        if came == Came::Imported {
            let method = match brought {
                Brought::App(_) => Method::Totp,
                Brought::Passkey(_) => Method::Passkey,
            };
            self.tell_of(tenant, account, Change::Added(method)).await;
        }
        Ok(came)
    }

    async fn take_over(&self, tenant: &str, account: Id, brought: Brought<'_>) -> Stored<Came> {
        let there = authenticators::all(self, tenant, account).await?;
        let has_room = |method: Method| there.iter().filter(|it| it.method() == method).count();
        match brought {
            Brought::App(app) => match app.secret() {
                Err(why) => Ok(Came::Refused(why)),
                Ok(secret) if let Some(known) = there.iter().find(|it| it.is_app_with(&secret)) => {
                    self.known(account, known.id, totp::step_at(self.clock.now_ms())).await
                }
                Ok(_) if has_room(Method::Totp) >= APPS_MAX => Ok(Came::Refused("the account has five apps")),
                Ok(secret) => self.take_app(tenant, account, secret).await,
            },
            Brought::Passkey(passkey) => match passkey.made() {
                Err(why) => Ok(Came::Refused(why)),
                Ok((made, _)) if let Some(known) = there.iter().find(|it| it.passkey() == Some(&made)) => {
                    self.known(account, known.id, passkey.sign_count.into()).await
                }
                Ok(_) if has_room(Method::Passkey) >= PASSKEYS_MAX => Ok(Came::Refused("the account has ten passkeys")),
                Ok((made, handle)) => {
                    let label = passkeys::label(&passkey.label);
                    let id = clock::random_id();
                    Ok(match passkey::keep(self, tenant, account, id, made, label, Some(handle)).await? {
                        true => Came::Imported,
                        false => Came::Refused("another account has this credential"),
                    })
                }
            },
        }
    }

    /// One that is there already; what an import that broke off had still to count is counted.
    async fn known(&self, account: Id, id: Id, counter: u64) -> Stored<Came> {
        self.store.advance(account, Drawer::Authenticators, id, counter).await?;
        Ok(Came::Known)
    }

    async fn take_app(&self, tenant: &str, account: Id, secret: Vec<u8>) -> Stored<Came> {
        let (id, now_ms) = (clock::random_id(), self.clock.now_ms());
        authenticators::add(self, tenant, account, id, &Kept::Totp { secret, added_ms: now_ms }).await?;
        self.store.advance(account, Drawer::Authenticators, id, totp::step_at(now_ms)).await?;
        Ok(Came::Imported)
    }
}

impl BroughtApp {
    fn secret(&self) -> Result<Vec<u8>, &'static str> {
        let is_ours = self.algorithm.as_deref().is_none_or(|it| it.eq_ignore_ascii_case("SHA1"))
            && self.digits.is_none_or(|it| usize::from(it) == totp::DIGITS)
            && self.period.is_none_or(|it| u64::from(it) == totp::STEP_SECONDS);
        if !is_ours {
            return Err("only apps with SHA1, six digits and 30 seconds are taken");
        }
        let plain: String = self.secret.chars().filter(|it| !it.is_whitespace() && !matches!(it, '=' | '-')).collect();
        let secret = data_encoding::BASE32_NOPAD.decode(plain.to_ascii_uppercase().as_bytes());
        let secret = secret.map_err(|_| "the secret is not base32")?;
        if SECRET_BYTES.contains(&secret.len()) {
            Ok(secret)
        } else {
            Err("the secret is not 16 to 64 bytes long (RFC 4226 §4)")
        }
    }
}

impl BroughtPasskey {
    /// As `webauthn-rs` keeps one, and the user handle that it shows.
    fn made(&self) -> Result<(Passkey, Vec<u8>), &'static str> {
        let bytes = |text: &str| data_encoding::BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok();
        if self.backed_up && !self.backup_eligible {
            return Err("`backed_up` needs `backup_eligible` (WebAuthn §6.1.3)");
        }
        let id = bytes(&self.credential_id).filter(|it| (16..=1023).contains(&it.len()));
        let id = id.ok_or("the credential id is not 16 to 1,023 bytes in base64url")?;
        let key = bytes(&self.public_key).ok_or("the public key is not base64url")?;
        let (x, y) = coordinates(&key).ok_or("the public key is not of kind ES256 (P-256)")?;
        let handle = match &self.user_handle {
            None => Vec::new(),
            Some(handle) => {
                let handle = bytes(handle).filter(|it| (1..=64).contains(&it.len()));
                handle.ok_or("the user handle is not 1 to 64 bytes in base64url")?
            }
        };
        let text = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let credential = json!({ "cred": {
            "cred_id": text(&id),
            "cred": { "type_": "ES256", "key": { "EC_EC2": { "curve": "SECP256R1", "x": text(x), "y": text(y) } } },
            "counter": self.sign_count, "transports": null, "user_verified": true,
            "backup_eligible": self.backup_eligible, "backup_state": self.backed_up,
            "registration_policy": "required",
            "extensions": { "cred_protect": "NotRequested", "hmac_create_secret": "NotRequested", "appid": "NotRequested", "cred_props": "Ignored" },
            "attestation": { "data": "None", "metadata": "None" }, "attestation_format": "none",
        }});
        let made: Passkey = serde_json::from_value(credential).map_err(|_| "the passkey cannot be kept")?;
        // The point is looked at before the signature is.
        if matches!(made.get_public_key().verify_signature(&[], &[]), Err(WebauthnError::EcdsaPointInvalid)) {
            return Err("the public key is no point of P-256");
        }
        Ok((made, handle))
    }
}

/// The coordinates of a public key of P-256.
fn coordinates(key: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(point) = key.strip_prefix(&SPKI_P256) {
        return (point.len() == 64).then(|| point.split_at(32));
    }
    let (x, rest) = key.strip_prefix(&COSE_P256)?.split_at_checked(32)?;
    let y = rest.strip_prefix(&COSE_Y)?;
    (y.len() == 32).then_some((x, y))
}

impl Authenticator {
    fn is_app_with(&self, secret: &[u8]) -> bool {
        match &self.kept {
            Kept::Totp { secret: own, .. } => bool::from(subtle::ConstantTimeEq::ct_eq(&own[..], secret)),
            Kept::Passkey { .. } | Kept::Recovery { .. } => false,
        }
    }
}
