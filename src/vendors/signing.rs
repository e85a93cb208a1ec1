//! Signatures with private keys: of HTTP messages (RFC 9421 §3.3) and of assertions (RFC 7523).
//!
//! Keys are PEM texts from the operator's secrets; what is wrong with one is said in fixed words.

use ring::{rand::SystemRandom, signature};
use rustls::pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use stepward_core::connector::{
    auth::{message::Unsigned, token::Claims},
    document::auth::{JwtAlgorithm, SignatureAlgorithm},
};

const BAD_KEY: &str = "its private key cannot be read";

/// Signs a message.
///
/// # Errors
/// A key that does not fit its algorithm.
pub(super) fn sign(unsigned: &Unsigned) -> Result<Vec<u8>, &'static str> {
    sign_bytes(unsigned.algorithm, &unsigned.key, unsigned.base.as_bytes())
}

fn sign_bytes(algorithm: SignatureAlgorithm, key: &str, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let random = SystemRandom::new();
    let pkcs8 = || PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(|_| BAD_KEY);
    match algorithm {
        SignatureAlgorithm::Ed25519 => {
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8()?.secret_pkcs8_der());
            Ok(pair.map_err(|_| BAD_KEY)?.sign(bytes).as_ref().to_vec())
        }
        SignatureAlgorithm::EcdsaP256Sha256 => {
            let fixed = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = signature::EcdsaKeyPair::from_pkcs8(fixed, pkcs8()?.secret_pkcs8_der(), &random);
            let signed = pair.map_err(|_| BAD_KEY)?.sign(&random, bytes).map_err(|_| "it cannot be signed")?;
            Ok(signed.as_ref().to_vec())
        }
        SignatureAlgorithm::RsaPssSha512 => rsa(key, &signature::RSA_PSS_SHA512, bytes, &random),
        SignatureAlgorithm::RsaV15Sha256 => rsa(key, &signature::RSA_PKCS1_SHA256, bytes, &random),
        SignatureAlgorithm::HmacSha256 => Err("it was signed already"),
    }
}

fn rsa(
    key: &str,
    padding: &'static dyn signature::RsaEncoding,
    bytes: &[u8],
    random: &SystemRandom,
) -> Result<Vec<u8>, &'static str> {
    let pair = match PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()) {
        Ok(pkcs8) => signature::RsaKeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()),
        Err(_) => {
            let pkcs1 = PrivatePkcs1KeyDer::from_pem_slice(key.as_bytes()).map_err(|_| BAD_KEY)?;
            signature::RsaKeyPair::from_der(pkcs1.secret_pkcs1_der())
        }
    };
    let pair = pair.map_err(|_| BAD_KEY)?;
    let mut signed = vec![0; pair.public().modulus_len()];
    pair.sign(padding, random, bytes, &mut signed).map_err(|_| "it cannot be signed")?;
    Ok(signed)
}

/// A signed assertion (RFC 7515 §3.1).
///
/// # Errors
/// A key that does not fit its algorithm.
pub(super) fn jwt(claims: &Claims) -> Result<String, &'static str> {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let pem = claims.private_key.as_bytes();
    let (algorithm, key) = match claims.algorithm {
        JwtAlgorithm::RS256 => (Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
        JwtAlgorithm::ES256 => (Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
        JwtAlgorithm::EdDSA => (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem)),
    };
    let header = Header { kid: claims.key_id.clone(), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims.claims, &key.map_err(|_| BAD_KEY)?).map_err(|_| "it cannot be signed")
}
