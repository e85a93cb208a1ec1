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

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// `test-key-ed25519` of RFC 9421 §B.1.4.
    const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";

    #[test]
    fn ed25519_signatures_are_those_of_rfc_9421_b_2_6() {
        let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
            \"content-type\": application/json\n\"content-length\": 18\n\
            \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        let signed = sign_bytes(SignatureAlgorithm::Ed25519, ED25519_KEY, base.as_bytes()).unwrap();
        assert_eq!(
            data_encoding::BASE64.encode(&signed),
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
        );
        let public = data_encoding::BASE64.decode(b"JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=").unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(base.as_bytes(), &signed).unwrap();
    }

    #[test]
    fn made_up_keys_sign_for_their_algorithm_and_no_other() {
        let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let signed = sign_bytes(SignatureAlgorithm::EcdsaP256Sha256, &p256.serialize_pem(), b"message").unwrap();
        let public = UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, p256.public_key_raw());
        public.verify(b"message", &signed).unwrap();
        assert!(public.verify(b"massage", &signed).is_err());
        for algorithm in
            [SignatureAlgorithm::Ed25519, SignatureAlgorithm::RsaPssSha512, SignatureAlgorithm::RsaV15Sha256]
        {
            assert_eq!(sign_bytes(algorithm, &p256.serialize_pem(), b"message"), Err(BAD_KEY), "{algorithm:?}");
        }
        assert_eq!(sign_bytes(SignatureAlgorithm::Ed25519, "no key", b"message"), Err(BAD_KEY));
    }
}
