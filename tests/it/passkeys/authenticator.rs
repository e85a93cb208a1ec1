//! An authenticator in software (WebAuthn §6), and the browser's part in it. It does as it is told, also what no honest one
//! would.

use data_encoding::BASE64URL_NOPAD;
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::stepup::world::HOST;

/// One passkey and its private key.
pub(crate) struct Authenticator {
    pair: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    pub(crate) counter: u32,
    pub(crate) user: Vec<u8>,
}

/// How an answer is made: everything that can be wrong.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) origin: String,
    pub(crate) rp_id: String,
    /// `type` of the client data; the right one without it.
    pub(crate) kind: Option<&'static str>,
    /// The challenge; the one that was asked without it.
    pub(crate) challenge: Option<String>,
    pub(crate) is_present: bool,
    pub(crate) is_verified: bool,
    pub(crate) is_eligible: bool,
    pub(crate) is_synced: bool,
    pub(crate) cross_origin: Option<bool>,
    pub(crate) top_origin: Option<String>,
    /// The user handle; the right one without it.
    pub(crate) user: Option<Vec<u8>>,
    /// Says whose it is not at all.
    pub(crate) is_anonymous: bool,
    /// A bit of the signature is turned.
    pub(crate) is_tampered: bool,
    /// The signature counter; one more than before without it.
    pub(crate) counter: Option<u32>,
}

impl How {
    pub(crate) fn right() -> How {
        How {
            origin: format!("https://{HOST}"),
            rp_id: HOST.into(),
            kind: None,
            challenge: None,
            is_present: true,
            is_verified: true,
            is_eligible: false,
            is_synced: false,
            cross_origin: Some(false),
            top_origin: None,
            user: None,
            is_anonymous: false,
            is_tampered: false,
            counter: None,
        }
    }

    fn flags(&self, has_credential: bool) -> u8 {
        let bits = [
            (self.is_present, 0x01),
            (self.is_verified, 0x04),
            (self.is_eligible, 0x08),
            (self.is_synced, 0x10),
            (has_credential, 0x40),
        ];
        bits.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum()
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = self.challenge.clone().unwrap_or_else(|| options["challenge"].as_str().unwrap().to_string());
        let mut data = json!({ "type": self.kind.unwrap_or(kind), "challenge": challenge, "origin": self.origin });
        if let Some(cross_origin) = self.cross_origin {
            data["crossOrigin"] = cross_origin.into();
        }
        if let Some(top_origin) = &self.top_origin {
            data["topOrigin"] = top_origin.as_str().into();
        }
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, counter: u32, credential: Option<&[u8]>) -> Vec<u8> {
        let mut data = digest::digest(&digest::SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(self.flags(credential.is_some()));
        data.extend(counter.to_be_bytes());
        data.extend(credential.unwrap_or_default());
        data
    }
}

impl Authenticator {
    pub(crate) fn new(name: &str) -> Authenticator {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.as_ref(), &random).unwrap();
        let id = digest::digest(&digest::SHA256, name.as_bytes()).as_ref()[..20].to_vec();
        Authenticator { pair, id, counter: 0, user: Vec::new() }
    }

    /// What a browser gives back of `navigator.credentials.create`.
    pub(crate) fn make(&mut self, options: &Value, how: &How) -> Value {
        self.user = BASE64URL_NOPAD.decode(options["user"]["id"].as_str().unwrap().as_bytes()).unwrap();
        self.counter = how.counter.unwrap_or(self.counter);
        // An uncompressed point: 4, x, y.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let key = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat();
        let credential = [&[0; 16][..], &length, &self.id, &key].concat();
        let data = how.authenticator_data(self.counter, Some(&credential));
        let object = [
            &[0xa3][..],
            b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58",
            &[u8::try_from(data.len()).unwrap()],
            &data,
        ]
        .concat();
        json!({
            "id": BASE64URL_NOPAD.encode(&self.id), "rawId": BASE64URL_NOPAD.encode(&self.id), "type": "public-key",
            "response": {
                "attestationObject": BASE64URL_NOPAD.encode(&object),
                "clientDataJSON": BASE64URL_NOPAD.encode(&how.client_data("webauthn.create", options)),
            },
        })
    }

    /// The public key as another system keeps it: a COSE key, or a SubjectPublicKeyInfo.
    pub(crate) fn public_key(&self, is_cose: bool) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let key = match is_cose {
            true => [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat(),
            false => {
                let prefix = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
                [&data_encoding::HEXLOWER.decode(prefix.as_bytes()).unwrap(), x, y].concat()
            }
        };
        BASE64URL_NOPAD.encode(&key)
    }

    /// Its credential id.
    pub(crate) fn credential_id(&self) -> String {
        BASE64URL_NOPAD.encode(&self.id)
    }

    /// What a browser gives back of `navigator.credentials.get`.
    pub(crate) fn sign(&mut self, options: &Value, how: &How) -> Value {
        self.counter = how.counter.unwrap_or_else(|| self.counter + 1);
        let client = how.client_data("webauthn.get", options);
        let data = how.authenticator_data(self.counter, None);
        let signed = [&data[..], digest::digest(&digest::SHA256, &client).as_ref()].concat();
        let mut signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
        if how.is_tampered {
            *signature.last_mut().unwrap() ^= 1;
        }
        let user = how.user.as_ref().unwrap_or(&self.user);
        let user = (!how.is_anonymous).then(|| BASE64URL_NOPAD.encode(user));
        json!({
            "id": BASE64URL_NOPAD.encode(&self.id), "rawId": BASE64URL_NOPAD.encode(&self.id), "type": "public-key",
            "response": {
                "authenticatorData": BASE64URL_NOPAD.encode(&data), "clientDataJSON": BASE64URL_NOPAD.encode(&client),
                "signature": BASE64URL_NOPAD.encode(&signature), "userHandle": user,
            },
        })
    }
}
