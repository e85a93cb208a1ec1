//! Everything secret that is derived: seals, pseudonyms and signatures, all from one ring of root keys.
//!
//! Roots never leave this module except into the ring file. What does not open is refused without saying why.
//! Pseudonyms come from a root of their own that is not rotated: counters and enrolments are found by them.

use std::{fmt, sync::Arc};

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit as _, Nonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{clock, keys::ring::Ring, settings::Mailboxes};

mod canonical;
mod memo;
pub mod ring;
mod signature;

/// First byte of everything sealed here.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
/// Version, key id, nonce.
const HEAD_BYTES: usize = 1 + 2 + NONCE_BYTES;
/// By how much something sealed is longer than it was: its head, and the tag of RFC 8452.
pub const SEAL_BYTES: usize = HEAD_BYTES + 16;

/// What a sealed thing is for; one never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A session record in the store.
    Session,
    /// A challenge in the store.
    Challenge,
    /// A parked request or a withheld answer.
    Parked,
    /// A piece of a body that is kept in a file.
    Spooled,
    /// A TOTP secret, a passkey, recovery codes.
    Authenticator,
    /// An e-mail address or a telephone number.
    Contact,
    /// A device on which a proof was given.
    Device,
    /// A value of a fact with `remember: subject`.
    Remembered,
    /// A last place, and the like.
    Trace,
    /// The device cookie.
    DeviceCookie,
    /// A token in a URL or a form: resume, invitation, CSRF.
    Token,
    /// A copy of a session in its browser.
    Snapshot,
}

impl Purpose {
    const ALL: [Purpose; 12] = [
        Purpose::Session,
        Purpose::Challenge,
        Purpose::Parked,
        Purpose::Spooled,
        Purpose::Authenticator,
        Purpose::Contact,
        Purpose::Device,
        Purpose::Remembered,
        Purpose::Trace,
        Purpose::DeviceCookie,
        Purpose::Token,
        Purpose::Snapshot,
    ];

    /// Part of every derivation; never changed.
    fn name(self) -> &'static str {
        match self {
            Purpose::Session => "session",
            Purpose::Challenge => "challenge",
            Purpose::Parked => "parked",
            Purpose::Spooled => "spooled",
            Purpose::Authenticator => "authenticator",
            Purpose::Contact => "contact",
            Purpose::Device => "device",
            Purpose::Remembered => "remembered",
            Purpose::Trace => "trace",
            Purpose::DeviceCookie => "device-cookie",
            Purpose::Token => "token",
            Purpose::Snapshot => "snapshot",
        }
    }
}

/// It does not open: another key, tenant, owner or purpose, or it was changed. Which, nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open")]
pub struct Refused;

/// What a sealed thing held.
pub struct Opened {
    /// The plain bytes; wiped when dropped.
    pub plain: Zeroizing<Vec<u8>>,
    /// It was sealed with a key that is no longer current: seal it again when it is written next.
    pub reseal: bool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes, reseal: {})", self.plain.len(), self.reseal)
    }
}

/// The keys of a process. Cheap to clone; unchangeable: rotation makes new ones from a changed ring.
#[derive(Clone)]
pub struct Keys(Arc<Inner>, Arc<Mailboxes>);

struct Inner {
    current: Derived,
    /// Readable, but nothing new is made with them.
    others: Vec<Derived>,
    pseudonyms: Hmac<Sha256>,
    memo: memo::Memo,
    ring: Ring,
}

/// What one root key gives.
struct Derived {
    kid: u16,
    seals: [Zeroizing<[u8; 32]>; Purpose::ALL.len()],
    signature: signature::Signer,
    fingerprint: [u8; 16],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<u16> = self.0.others.iter().map(|key| key.kid).collect();
        write!(f, "Keys(current: {}, readable: {others:?})", self.0.current.kid)
    }
}

/// The one spelling of a subject's name under which it is listed: see [`Keys::account`].
pub fn spelling(subject: &str) -> String {
    canonical::subject(subject)
}

/// Which key sealed this, if it was sealed here at all: its id stands in front, in clear.
pub fn sealed_by(sealed: &[u8]) -> Option<u16> {
    let (version, rest) = sealed.split_first()?;
    let (kid, _) = rest.split_first_chunk::<2>()?;
    (*version == VERSION && sealed.len() > HEAD_BYTES).then(|| u16::from_be_bytes(*kid))
}

impl Keys {
    /// Keys of this process only: for the `proxy` command and for tests. Nothing they sealed opens after a restart.
    pub fn ephemeral() -> Keys {
        Keys::of(Ring::fresh(0))
    }

    /// Derives everything from a ring.
    pub fn of(ring: Ring) -> Keys {
        let derived = |(kid, root): (u16, &[u8; 32])| Derived {
            kid,
            seals: Purpose::ALL.map(|purpose| derive(root, "seal", purpose.name())),
            signature: signature::Signer::new(kid, &derive(root, "sign", "assertion")),
            fingerprint: fingerprint(root),
        };
        let current = derived(ring.current());
        let others = ring.others().map(derived).collect();
        let pseudonyms = keyed(&derive(ring.pseudonym_root(), "pseudonym", ""));
        let inner = Inner { current, others, pseudonyms, memo: memo::Memo::default(), ring };
        Keys(Arc::new(inner), Arc::default())
    }

    /// The same keys, which take such mailboxes' spellings for one account.
    pub fn with_mailboxes(self, mailboxes: Mailboxes) -> Keys {
        Keys(self.0, Arc::new(mailboxes))
    }

    /// Seals for a purpose, a tenant and an owner (an account, a session, a host): it opens for exactly these.
    /// `version(1) | key id(2) | nonce(12) | ciphertext and tag`, AES-256-GCM-SIV (RFC 8452).
    pub fn seal(&self, purpose: Purpose, tenant: &str, owner: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = &self.0.current;
        encrypt(key.kid, key.seal_key(purpose), purpose, tenant, owner, plain)
    }

    /// Opens what [`Keys::seal`] sealed.
    ///
    /// # Errors
    /// [`Refused`] for anything else.
    pub fn open(&self, purpose: Purpose, tenant: &str, owner: &[u8], sealed: &[u8]) -> Result<Opened, Refused> {
        let key = self.key_of(sealed)?;
        self.opened(key, key.seal_key(purpose), purpose, tenant, owner, sealed)
    }

    /// Seals so that our keys alone do not open it: half of the key is a secret that only the browser keeps.
    pub fn seal_split(&self, purpose: Purpose, tenant: &str, owner: &[u8], half: &[u8; 16], plain: &[u8]) -> Vec<u8> {
        let key = &self.0.current;
        encrypt(key.kid, &split(key.seal_key(purpose), half), purpose, tenant, owner, plain)
    }

    /// Opens what [`Keys::seal_split`] sealed with the same half.
    ///
    /// # Errors
    /// [`Refused`] for anything else.
    pub fn open_split(
        &self,
        purpose: Purpose,
        tenant: &str,
        owner: &[u8],
        half: &[u8; 16],
        sealed: &[u8],
    ) -> Result<Opened, Refused> {
        let key = self.key_of(sealed)?;
        self.opened(key, &split(key.seal_key(purpose), half), purpose, tenant, owner, sealed)
    }

    /// The name under which something personal is kept: HMAC-SHA-256 over length-prefixed fields, cut to 128 bits.
    pub fn pseudonym(&self, tenant: &str, kind: &str, value: &str) -> [u8; 16] {
        self.pseudonym_of(&[tenant.as_bytes(), kind.as_bytes(), value.as_bytes()])
    }

    /// The account of a subject: one for all spellings that people and apps take for the same
    /// (surrounding space, case, Unicode compatibility forms, invisible characters; dots and `+` in mailboxes where the
    /// settings say so).
    pub fn account(&self, tenant: &str, subject: &str) -> [u8; 16] {
        self.pseudonym(tenant, "account", &canonical::account(subject, &self.1))
    }

    /// The same pseudonym as [`Keys::pseudonym_of`] gives, of what comes with one request after another: remembered for
    /// a while. Not for names of people.
    pub(crate) fn recurring(&self, fields: &[&[u8]]) -> [u8; 16] {
        let mut known = [0; memo::FIELDS_BYTES_MAX];
        match written(fields, &mut known) {
            Some(known) => self.0.memo.of(known, || self.pseudonym_of(fields)),
            None => self.pseudonym_of(fields),
        }
    }

    pub(crate) fn pseudonym_of(&self, fields: &[&[u8]]) -> [u8; 16] {
        let mut mac = self.0.pseudonyms.clone();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        front(&mac.finalize().into_bytes())
    }

    /// Signs claims as a compact JWS (RFC 7515) with Ed25519; the header names the key.
    ///
    /// # Errors
    /// The claims cannot be written as JSON.
    pub fn sign(&self, claims: &impl serde::Serialize) -> Result<String, serde_json::Error> {
        self.0.current.signature.sign(claims)
    }

    /// The public keys of all readable roots as a JSON Web Key Set (RFC 7517, RFC 8037), the current one first.
    pub fn jwks(&self) -> serde_json::Value {
        let all = std::iter::once(&self.0.current).chain(&self.0.others);
        serde_json::json!({ "keys": all.map(|key| key.signature.jwk()).collect::<Vec<_>>() })
    }

    /// What a store remembers of the ring it belongs to: says nothing about the keys.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            kid: self.0.current.kid,
            key: self.0.current.fingerprint,
            pseudonyms: fingerprint(self.0.ring.pseudonym_root()),
        }
    }

    /// Whether everything written by a node with that fingerprint can be read with these keys.
    pub fn covers(&self, theirs: &Fingerprint) -> bool {
        let mut all = std::iter::once(&self.0.current).chain(&self.0.others);
        let has_key = all.any(|key| key.kid == theirs.kid && key.fingerprint == theirs.key);
        has_key && self.fingerprint().pseudonyms == theirs.pseudonyms
    }

    /// The ring these keys were derived from, to make a changed one.
    pub fn ring(&self) -> &Ring {
        &self.0.ring
    }

    /// Keys with a new current one; whatever the old ones sealed still opens. On several nodes use
    /// [`Ring::prepared`] and [`Ring::promoted`] instead, so that no node meets a key it does not have.
    ///
    /// # Errors
    /// Key ids are used up (65,535 rotations).
    pub fn rotate(&self, now_ms: i64) -> Result<Keys, ring::RingError> {
        let ring = self.0.ring.prepared(now_ms)?;
        let newest = ring.newest_kid();
        ring.promoted(newest).map(Keys::of)
    }

    fn key_of(&self, sealed: &[u8]) -> Result<&Derived, Refused> {
        let (version, rest) = sealed.split_first().ok_or(Refused)?;
        let (kid, _) = rest.split_first_chunk::<2>().ok_or(Refused)?;
        let kid = u16::from_be_bytes(*kid);
        let mut all = std::iter::once(&self.0.current).chain(&self.0.others);
        all.find(|key| key.kid == kid && *version == VERSION).ok_or(Refused)
    }

    fn opened(
        &self,
        key: &Derived,
        seal_key: &[u8; 32],
        purpose: Purpose,
        tenant: &str,
        owner: &[u8],
        sealed: &[u8],
    ) -> Result<Opened, Refused> {
        let plain = decrypt(key.kid, seal_key, purpose, tenant, owner, sealed)?;
        Ok(Opened { plain: Zeroizing::new(plain), reseal: key.kid != self.0.current.kid })
    }
}

impl Derived {
    fn seal_key(&self, purpose: Purpose) -> &[u8; 32] {
        &self.seals[purpose as usize]
    }
}

/// What a store remembers of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    kid: u16,
    key: [u8; 16],
    pseudonyms: [u8; 16],
}

impl Fingerprint {
    /// Id of the key that was current; ids only rise.
    pub fn kid(self) -> u16 {
        self.kid
    }

    /// As bytes for a store.
    pub fn to_bytes(self) -> Vec<u8> {
        [&self.kid.to_be_bytes()[..], &self.key, &self.pseudonyms].concat()
    }

    /// From what [`Fingerprint::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Option<Fingerprint> {
        let (kid, rest) = bytes.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_first_chunk::<16>()?;
        let pseudonyms = rest.try_into().ok()?;
        Some(Fingerprint { kid: u16::from_be_bytes(*kid), key: *key, pseudonyms })
    }
}

/// HKDF-SHA-256 (RFC 5869) with what the key is for as its info.
fn derive(root: &[u8; 32], what: &str, purpose: &str) -> Zeroizing<[u8; 32]> {
    expand(&Hkdf::new(None, root), &[b"stepward/1/", what.as_bytes(), b"/", purpose.as_bytes()])
}

/// Mixes the browser's half into a key: neither half says anything without the other.
fn split(key: &[u8; 32], half: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    expand(&Hkdf::new(Some(half), key), &[b"stepward/1/split"])
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    if hkdf.expand_multi_info(info, &mut *key).is_err() {
        // Only lengths above 8,160 bytes fail; a known key in place of a secret one must never be used.
        std::process::abort();
    }
    key
}

fn fingerprint(root: &[u8; 32]) -> [u8; 16] {
    front(&*derive(root, "fingerprint", ""))
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // A full block: keys shorter than one are padded with zeroes by HMAC itself.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

/// Fields with their lengths, if there is room.
fn written<'r>(fields: &[&[u8]], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let mut end = 0;
    for field in fields {
        for part in [&(field.len() as u64).to_be_bytes()[..], field] {
            let next = end + part.len();
            room.get_mut(end..next)?.copy_from_slice(part);
            end = next;
        }
    }
    room.get(..end)
}

fn front(bytes: &[u8]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    id
}

/// Length-prefixed, so that no two sets of values read alike.
fn associated(kid: u16, purpose: Purpose, tenant: &str, owner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for field in [purpose.name().as_bytes(), &kid.to_be_bytes(), tenant.as_bytes(), owner] {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    bytes
}

fn encrypt(kid: u16, key: &[u8; 32], purpose: Purpose, tenant: &str, owner: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = clock::random_bytes();
    let payload = Payload { msg: plain, aad: &associated(kid, purpose, tenant, owner) };
    let mut sealed = Vec::with_capacity(HEAD_BYTES + plain.len() + 16);
    sealed.push(VERSION);
    sealed.extend(kid.to_be_bytes());
    sealed.extend(nonce);
    match Aes256GcmSiv::new(key.into()).encrypt(&Nonce::from(nonce), payload) {
        Ok(ciphertext) => sealed.extend(ciphertext),
        // Above 64 GiB (RFC 8452 §6). A head alone opens nowhere, so what could not be sealed is lost, not exposed.
        Err(_) => tracing::error!(bytes = plain.len(), "too large to be sealed"),
    }
    sealed
}

fn decrypt(
    kid: u16,
    key: &[u8; 32],
    purpose: Purpose,
    tenant: &str,
    owner: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, Refused> {
    let (head, ciphertext) = sealed.split_first_chunk::<HEAD_BYTES>().ok_or(Refused)?;
    let (_, nonce) = head.split_last_chunk::<NONCE_BYTES>().ok_or(Refused)?;
    let payload = Payload { msg: ciphertext, aad: &associated(kid, purpose, tenant, owner) };
    Aes256GcmSiv::new(key.into()).decrypt(&Nonce::from(*nonce), payload).map_err(|_| Refused)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::{Fingerprint, Keys, Purpose, Refused};

    const HALF: [u8; 16] = [9; 16];

    #[test]
    fn what_is_sealed_opens_for_its_purpose_tenant_and_owner_only() {
        let keys = Keys::ephemeral();
        for purpose in Purpose::ALL {
            let sealed = keys.seal(purpose, "bank", b"alice", b"secret");
            let opened = keys.open(purpose, "bank", b"alice", &sealed).unwrap();
            assert_eq!((&opened.plain[..], opened.reseal), (&b"secret"[..], false));
            for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
                assert_eq!(
                    keys.open(other, "bank", b"alice", &sealed).unwrap_err(),
                    Refused,
                    "{purpose:?} as {other:?}"
                );
            }
            for (tenant, owner) in
                [("bank2", &b"alice"[..]), ("bank", b"bob"), ("ban", b"kalice"), ("", b""), ("bankalice", b"")]
            {
                assert_eq!(keys.open(purpose, tenant, owner, &sealed).unwrap_err(), Refused, "{tenant} {owner:?}");
            }
            assert_eq!(
                Keys::ephemeral().open(purpose, "bank", b"alice", &sealed).unwrap_err(),
                Refused,
                "another ring"
            );
        }
    }

    #[test]
    fn a_split_seal_opens_only_with_the_browsers_half() {
        let keys = Keys::ephemeral();
        let sealed = keys.seal_split(Purpose::Parked, "bank", b"alice", &HALF, b"body");
        assert_eq!(&keys.open_split(Purpose::Parked, "bank", b"alice", &HALF, &sealed).unwrap().plain[..], b"body");
        for bit in 0..128 {
            let mut other = HALF;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open_split(Purpose::Parked, "bank", b"alice", &other, &sealed).unwrap_err(), Refused);
        }
        assert_eq!(keys.open(Purpose::Parked, "bank", b"alice", &sealed).unwrap_err(), Refused, "our half alone");
    }

    #[test]
    fn old_keys_open_after_rotation_and_ask_for_a_new_seal_until_they_are_retired() {
        let old = Keys::ephemeral();
        let sealed = old.seal(Purpose::Contact, "bank", b"alice", b"a@example.com");
        let account = old.account("bank", "alice");
        let new = old.rotate(1).unwrap();
        assert!(new.open(Purpose::Contact, "bank", b"alice", &sealed).unwrap().reseal);
        assert_eq!(new.account("bank", "alice"), account, "pseudonyms outlive rotation");
        let fresh = new.seal(Purpose::Contact, "bank", b"alice", b"a@example.com");
        assert_eq!(
            old.open(Purpose::Contact, "bank", b"alice", &fresh).unwrap_err(),
            Refused,
            "a node without the key"
        );
        let retired = Keys::of(new.ring().retired(1).unwrap());
        assert_eq!(retired.open(Purpose::Contact, "bank", b"alice", &sealed).unwrap_err(), Refused);
        assert!(!retired.open(Purpose::Contact, "bank", b"alice", &fresh).unwrap().reseal);
    }

    #[test]
    fn a_ring_covers_a_store_only_if_it_has_the_stores_key_and_pseudonyms() {
        let old = Keys::ephemeral();
        let new = old.rotate(1).unwrap();
        let stored = Fingerprint::from_bytes(&old.fingerprint().to_bytes()).unwrap();
        assert!(old.covers(&stored) && new.covers(&stored));
        assert!(!old.covers(&new.fingerprint()), "the store has moved on to a key this ring lacks");
        assert!(!Keys::ephemeral().covers(&stored), "a ring of another installation with the same key id");
    }

    #[test]
    fn what_recurs_has_the_pseudonym_that_it_always_has() {
        let (keys, other) = (Keys::ephemeral(), Keys::ephemeral());
        let long = [7; 500];
        for fields in [&[b"bank", &b"ip"[..], b"10.0.0.1"][..], &[b"bankip", b"10.0.0.1"], &[], &[b""], &[&long, b"x"]]
        {
            for _ in 0..2 {
                assert_eq!(keys.recurring(fields), keys.pseudonym_of(fields), "{fields:?}");
                assert_ne!(other.recurring(fields), keys.recurring(fields), "of another ring: {fields:?}");
            }
        }
        assert_eq!(keys.rotate(1).unwrap().recurring(&[b"a"]), keys.recurring(&[b"a"]), "outlives rotation");
    }

    #[test]
    fn accounts_of_different_tenants_and_kinds_do_not_meet() {
        let keys = Keys::ephemeral();
        let all = [
            keys.account("bank", "alice"),
            keys.account("bank2", "alice"),
            keys.pseudonym("bank", "ip", "alice"),
            keys.pseudonym("ban", "kip", "alice"),
            keys.pseudonym("bank", "ipalice", ""),
            Keys::ephemeral().account("bank", "alice"),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn an_assertion_verifies_with_the_published_key_and_not_when_changed() {
        use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
        let keys = Keys::ephemeral().rotate(1).unwrap();
        let token = keys.sign(&json!({ "sub": "alice", "aud": "bank", "exp": 9_999_999_999u64 })).unwrap();
        let published: JwkSet = serde_json::from_value(keys.jwks()).unwrap();
        let kid = decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(published.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["bank"]);
        let claims = decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "alice");
        let (head, signature) = token.rsplit_once('.').unwrap();
        let changed = format!("{}.{signature}", head.replace(&head[head.len() - 8..], "AAAAAAAA"));
        assert!(decode::<serde_json::Value>(&changed, &key, &validation).is_err());
        assert_eq!(published.keys.len(), 2, "the key before is published until it is retired");
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = Keys::ephemeral();
        let opened =
            keys.open(Purpose::Session, "t", b"o", &keys.seal(Purpose::Session, "t", b"o", b"hidden")).unwrap();
        assert_eq!(format!("{keys:?} {opened:?}"), "Keys(current: 1, readable: []) Opened(6 bytes, reseal: false)");
    }

    proptest! {
        #[test]
        fn whatever_is_changed_in_a_sealed_value_it_does_not_open(
            plain in prop::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            change in 1u8..,
            cut in any::<prop::sample::Index>(),
        ) {
            let keys = Keys::ephemeral();
            let sealed = keys.seal(Purpose::Session, "bank", b"alice", &plain);
            let mut changed = sealed.clone();
            changed[place.index(sealed.len())] ^= change;
            prop_assert_eq!(keys.open(Purpose::Session, "bank", b"alice", &changed).unwrap_err(), Refused);
            let short = &sealed[..cut.index(sealed.len())];
            prop_assert_eq!(keys.open(Purpose::Session, "bank", b"alice", short).unwrap_err(), Refused);
        }

        #[test]
        fn noise_does_not_open(noise in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Keys::ephemeral().open(Purpose::Session, "t", b"o", &noise).unwrap_err(), Refused);
        }
    }
}
