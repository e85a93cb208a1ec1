//! The assertion to the app: Ed25519 (RFC 8032, RFC 8037), so that apps need a public key only.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// 64 bytes in base64url without padding.
const SIGNATURE_CHARS: usize = 86;

/// One signing key; the library wipes it when it is dropped.
pub(super) struct Signer {
    kid: String,
    /// The header of every token, encoded, with its dot.
    header: String,
    key: SigningKey,
}

impl Signer {
    pub(super) fn new(kid: u16, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = BASE64URL_NOPAD.encode(&key.verifying_key().to_bytes()[..6]);
        // Rings of two installations both begin at 1: part of the key tells them apart in a shared key set.
        let kid = format!("{kid}-{public}");
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid }).to_string();
        Self { header: BASE64URL_NOPAD.encode(header.as_bytes()) + ".", kid, key }
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        let claims = serde_json::to_vec(claims)?;
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 4 + SIGNATURE_CHARS + 1);
        token.push_str(&self.header);
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature.to_bytes(), &mut token);
        Ok(token)
    }

    pub(super) fn jwk(&self) -> Json {
        let public = BASE64URL_NOPAD.encode(&self.key.verifying_key().to_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": public })
    }
}
