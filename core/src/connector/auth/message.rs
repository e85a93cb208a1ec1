//! HTTP message signatures (RFC 9421): what is signed, and the header fields that say so.
//!
//! Keyed hashes are made here. Signatures with a private key are made by the shell, which has random numbers.

use std::sync::Arc;

use crate::connector::{
    Origin,
    auth::hmac,
    document::auth::{HmacAlgorithm, SignatureAlgorithm},
    mapping::text,
    request::{Draft, Values},
    template::{Place, Template, Unfilled},
};

/// A compiled `http_message_signature`.
#[derive(Debug)]
pub(crate) struct MessageRule {
    pub(crate) key: Template,
    pub(crate) key_id: Template,
    pub(crate) algorithm: SignatureAlgorithm,
    /// Lower case; empty for the usual ones.
    pub(crate) components: Vec<Arc<str>>,
    pub(crate) label: Arc<str>,
    pub(crate) ttl_ms: u64,
}

/// What the shell has to sign. It holds a private key, so it has no `Debug`.
pub struct Unsigned {
    /// The signature base (RFC 9421 §2.5).
    pub base: String,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// The private key in PEM.
    pub key: String,
    /// The header fields are completed by [`Unsigned::header`].
    label: Arc<str>,
}

impl Unsigned {
    /// The `Signature` header field for a signature.
    pub fn header(&self, signature: &[u8]) -> (Arc<str>, String) {
        signature_header(&self.label, signature)
    }
}

fn signature_header(label: &str, signature: &[u8]) -> (Arc<str>, String) {
    ("signature".into(), format!("{label}=:{}:", text::base64(signature)))
}

impl MessageRule {
    /// Adds `Content-Digest`, `Signature-Input` and, where that can be done here, `Signature`.
    pub(crate) fn sign(
        &self,
        draft: &mut Draft,
        origin: &Origin,
        values: &Values<'_>,
    ) -> Result<Option<Unsigned>, Unfilled> {
        let (key, key_id) = (values.fill(&self.key, Place::Plain)?, values.fill(&self.key_id, Place::Header)?);
        let body = draft.bytes();
        if !body.is_empty() {
            draft.headers.push(("content-digest".into(), digest(&body)));
        }
        let usual = ["@method", "@target-uri", "content-digest"].into_iter();
        let usual = usual.filter(|name| *name != "content-digest" || !body.is_empty());
        let components: Vec<&str> = match self.components.is_empty() {
            true => usual.collect(),
            false => self.components.iter().map(|it| &**it).collect(),
        };
        let created_s = values.asked.moment.now_ms.div_euclid(1000);
        let expires_s = created_s.saturating_add_unsigned(self.ttl_ms / 1000);
        let list = components.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
        let key_id = key_id.replace('\\', "\\\\").replace('"', "\\\"");
        let algorithm = name_of(self.algorithm);
        let params = format!("({list});created={created_s};expires={expires_s};keyid=\"{key_id}\";alg=\"{algorithm}\"");
        let base = base(draft, origin, &components, &params).ok_or(Unfilled::Refused)?;
        draft.headers.push(("signature-input".into(), format!("{}={params}", self.label)));
        if self.algorithm == SignatureAlgorithm::HmacSha256 {
            let key = text::base64_bytes(&key).ok_or(Unfilled::Refused)?;
            let hash = hmac::hash(HmacAlgorithm::Sha256, &key, base.as_bytes()).ok_or(Unfilled::Refused)?;
            draft.headers.push(signature_header(&self.label, &hash));
            return Ok(None);
        }
        Ok(Some(Unsigned { base, algorithm: self.algorithm, key, label: self.label.clone() }))
    }
}

/// The registered name of an algorithm (RFC 9421 §6.2.2).
fn name_of(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::HmacSha256 => "hmac-sha256",
        SignatureAlgorithm::Ed25519 => "ed25519",
        SignatureAlgorithm::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        SignatureAlgorithm::RsaPssSha512 => "rsa-pss-sha512",
        SignatureAlgorithm::RsaV15Sha256 => "rsa-v1_5-sha256",
    }
}

/// `Content-Digest` (RFC 9530 §2).
fn digest(body: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha-256=:{}:", text::base64(&sha2::Sha256::digest(body)))
}

/// The signature base; `None` where a component is not in the request.
fn base(draft: &Draft, origin: &Origin, components: &[&str], params: &str) -> Option<String> {
    let mut base = String::new();
    let target = draft.target();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    for name in components {
        let value = match *name {
            "@method" => draft.method.name().to_owned(),
            "@authority" => origin.authority(),
            "@scheme" => if origin.secure { "https" } else { "http" }.to_owned(),
            "@target-uri" => format!("{origin}{target}"),
            "@request-target" => target.clone(),
            "@path" => path.to_owned(),
            "@query" => format!("?{query}"),
            "content-length" => draft.bytes().len().to_string(),
            field => draft.header(field)?.trim().to_owned(),
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    Some(format!("{base}\"@signature-params\": {params}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{document::operation::Method, request::Body};

    /// The request of RFC 9421 §B.2.
    fn request() -> (Draft, Origin) {
        let query = vec![("param".into(), "Value".to_owned()), ("Pet".into(), "dog".to_owned())];
        let headers =
            vec![("Date".into(), "Tue, 20 Apr 2021 02:07:55 GMT".to_owned()), ("Content-Digest".into(), String::new())];
        let body = Body::Text("", "{\"hello\": \"world\"}".into());
        let content_type = Some("application/json".to_owned());
        let draft = Draft { method: Method::Post, path: "/foo".into(), query, headers, body, content_type };
        (draft, Origin { secure: true, host: "example.com".into(), port: 443 })
    }

    #[test]
    fn keyed_hashes_are_those_of_rfc_9421_b_2_5() {
        let (draft, origin) = request();
        let params = r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
        let base = base(&draft, &origin, &["date", "@authority", "content-type"], params).unwrap();
        let expected = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\
            \"content-type\": application/json\n\
            \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
        assert_eq!(base, expected);
        let key = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
        let hash = hmac::hash(HmacAlgorithm::Sha256, &text::base64_bytes(key).unwrap(), base.as_bytes()).unwrap();
        assert_eq!(signature_header("sig-b25", &hash).1, "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:");
    }

    #[test]
    fn bases_are_those_of_rfc_9421_b_2_6() {
        let (draft, origin) = request();
        let components = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
        let params = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        let expected = format!(
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
            \"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": {params}"
        );
        assert_eq!(base(&draft, &origin, &components, params).unwrap(), expected);
        assert_eq!(base(&draft, &origin, &["x-missing"], params), None, "what is not sent cannot be signed");
        let more = base(&draft, &origin, &["@target-uri", "@query", "@scheme", "@request-target"], "()").unwrap();
        assert_eq!(
            more,
            "\"@target-uri\": https://example.com/foo?param=Value&Pet=dog\n\"@query\": ?param=Value&Pet=dog\n\
            \"@scheme\": https\n\"@request-target\": /foo?param=Value&Pet=dog\n\"@signature-params\": ()"
        );
    }

    #[test]
    fn the_body_is_digested_as_in_rfc_9530() {
        assert_eq!(digest(b"{\"hello\": \"world\"}"), "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
    }
}
