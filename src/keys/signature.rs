//! The assertion to the app: Ed25519 (RFC 8032, RFC 8037), so that apps need a public key only.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// One signing key; the library wipes it when it is dropped.
pub(super) struct Signer {
    kid: String,
    key: SigningKey,
}

impl Signer {
    pub(super) fn new(kid: u16, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = BASE64URL_NOPAD.encode(&key.verifying_key().to_bytes()[..6]);
        // Rings of two installations both begin at 1: part of the key tells them apart in a shared key set.
        Self { kid: format!("{kid}-{public}"), key }
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        let header = serde_json::to_vec(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid }))?;
        let claims = serde_json::to_vec(claims)?;
        let input = format!("{}.{}", BASE64URL_NOPAD.encode(&header), BASE64URL_NOPAD.encode(&claims));
        let signature = self.key.sign(input.as_bytes());
        Ok(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes())))
    }

    pub(super) fn jwk(&self) -> Json {
        let public = BASE64URL_NOPAD.encode(&self.key.verifying_key().to_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": public })
    }
}
