//! How a connector proves who is calling. Several ways may be listed: `auth: [{ type: mtls, … }, { type: hmac, … }]`.

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    connector::document::operation::Request,
    first_key,
    yaml::{
        Spanned,
        first_key::{refuse, unknown},
        units::Duration,
    },
};

/// One way or a list of them.
#[derive(Clone, Debug, Default)]
pub struct Auths(pub Vec<Auth>);

impl<'de> Deserialize<'de> for Auths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Auths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping that begins with `type`, or a list of such")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Auths, M::Error> {
                Auth::deserialize(MapAccessDeserializer::new(map)).map(|one| Auths(vec![one]))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Auths, S::Error> {
                let mut ways = Vec::new();
                while let Some(way) = list.next_element()? {
                    ways.push(way);
                }
                Ok(Auths(ways))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Auths {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Auths".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Auth>();
        let many = generator.subschema_for::<Vec<Auth>>();
        schemars::json_schema!({ "anyOf": [one, many] })
    }
}

/// How a caller proves who it is; `type` comes first.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// Not at all.
    None,
    /// A key in a header, the query or the body.
    ApiKey(ApiKey),
    /// A name and a password (RFC 7617).
    Basic(Basic),
    /// A token in `Authorization: Bearer` (RFC 6750).
    Bearer(Bearer),
    /// A token got with the client's own credentials (RFC 6749 §4.4).
    Oauth2ClientCredentials(ClientCredentials),
    /// A token got with a signed assertion (RFC 7523 §2.1), as Google's service accounts do.
    Oauth2JwtBearer(JwtBearer),
    /// A token got by logging in with a request of the vendor's own.
    SessionToken(Box<SessionToken>),
    /// A keyed hash over parts of the request.
    Hmac(Hmac),
    /// AWS Signature Version 4.
    AwsSigv4(AwsSigv4),
    /// HTTP message signatures (RFC 9421).
    HttpMessageSignature(MessageSignature),
    /// A client certificate.
    Mtls(Mtls),
}

/// The types, as written.
const TYPES: [&str; 11] = [
    "none",
    "api_key",
    "basic",
    "bearer",
    "oauth2_client_credentials",
    "oauth2_jwt_bearer",
    "session_token",
    "hmac",
    "aws_sigv4",
    "http_message_signature",
    "mtls",
];

first_key!(Auth, "`auth`", |key, map| {
    if key != "type" {
        return Err(unknown("`auth`", &key, &["type"]));
    }
    let kind: String = map.next_value()?;
    let rest = MapAccessDeserializer::new(map);
    match kind.as_str() {
        "none" => Nothing::deserialize(rest).map(|_| Auth::None),
        "api_key" => ApiKey::deserialize(rest).map(Auth::ApiKey),
        "basic" => Basic::deserialize(rest).map(Auth::Basic),
        "bearer" => Bearer::deserialize(rest).map(Auth::Bearer),
        "oauth2_client_credentials" => ClientCredentials::deserialize(rest).map(Auth::Oauth2ClientCredentials),
        "oauth2_jwt_bearer" => JwtBearer::deserialize(rest).map(Auth::Oauth2JwtBearer),
        "session_token" => SessionToken::deserialize(rest).map(|it| Auth::SessionToken(Box::new(it))),
        "hmac" => Hmac::deserialize(rest).map(Auth::Hmac),
        "aws_sigv4" => AwsSigv4::deserialize(rest).map(Auth::AwsSigv4),
        "http_message_signature" => MessageSignature::deserialize(rest).map(Auth::HttpMessageSignature),
        "mtls" => Mtls::deserialize(rest).map(Auth::Mtls),
        other => {
            let near = crate::diagnostic::nearest(other, TYPES).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("there are {}", TYPES.join(", ")));
            Err(refuse("value.unknown", format!("`{other}` is no type of `auth`"), help))
        }
    }
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A key in a header, the query or the body.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Where it goes.
    #[serde(rename = "in")]
    pub place: Place,
    /// The name of the header, parameter or field.
    pub name: Spanned<String>,
    /// A template with the secret.
    pub value: Spanned<String>,
}

/// Where a key or a signature goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A header.
    #[default]
    Header,
    /// A query parameter.
    Query,
    /// A field of the form or a top-level field of the JSON body.
    Body,
    /// For `hmac`: the password of `Authorization: Basic`, after `username`.
    Basic,
}

/// A name and a password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The name: a template. Empty if not given.
    #[serde(default)]
    pub username: Spanned<String>,
    /// The password: a template. Empty if not given.
    #[serde(default)]
    pub password: Spanned<String>,
}

/// A token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    /// A template with the secret.
    pub token: Spanned<String>,
    /// The word before it, where the vendor wants another than `Bearer`: `Token`, `SSWS`, `Splunk`.
    pub scheme: Option<Spanned<String>>,
}

/// Client credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// Where the token comes from; its host is fixed as that of a request is.
    pub token_url: Spanned<String>,
    /// How the client proves itself there.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The client's id: a template.
    pub client_id: Spanned<String>,
    /// The client's secret, for `basic` and `body`: a template.
    pub client_secret: Option<Spanned<String>>,
    /// For `private_key_jwt`: a PEM private key, as a template.
    pub private_key: Option<Spanned<String>>,
    /// For `private_key_jwt`: the key's id.
    pub key_id: Option<Spanned<String>>,
    /// For `private_key_jwt`: the algorithm.
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// What the token is for.
    pub scope: Option<Spanned<String>>,
    /// Further form fields, such as `audience`: templates.
    #[serde(default)]
    pub fields: IndexMap<String, Spanned<String>>,
    /// How long before its end it is renewed. Default `60s`.
    pub refresh_before: Option<Duration>,
}

/// How a client proves itself to a token endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `Authorization: Basic` (RFC 6749 §2.3.1).
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
    /// A signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt,
}

/// Algorithms of signed assertions (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// A token for a signed assertion.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtBearer {
    /// Where the token comes from.
    pub token_url: Spanned<String>,
    /// Who asserts: a template; for a service account, its e-mail address.
    pub issuer: Spanned<String>,
    /// Who it is about, where that is somebody else.
    pub subject: Option<Spanned<String>>,
    /// Who is to believe it; `token_url` if not given.
    pub audience: Option<Spanned<String>>,
    /// What the token is for.
    pub scope: Option<Spanned<String>>,
    /// A PEM private key, as a template.
    pub private_key: Spanned<String>,
    /// The key's id.
    pub key_id: Option<Spanned<String>>,
    /// The algorithm.
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// How long before its end it is renewed. Default `60s`.
    pub refresh_before: Option<Duration>,
}

/// A token got by logging in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionToken {
    /// The request that logs in.
    pub login: Request,
    /// CEL over `body`: the token. Default `body.access_token`.
    pub token: Option<Spanned<String>>,
    /// CEL over `body`: for how many seconds it is good. Default `body.expires_in`.
    pub expires_in: Option<Spanned<String>>,
    /// For how long it is good where the answer does not say. Default `5m`.
    pub good_for: Option<Duration>,
    /// The header it is sent in. Default `Authorization`.
    pub header: Option<Spanned<String>>,
    /// What is sent in it. Default `Bearer ${token}`.
    pub value: Option<Spanned<String>>,
    /// How long before its end it is renewed. Default `60s`.
    pub refresh_before: Option<Duration>,
}

/// A keyed hash over parts of the request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The hash.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// The key: a template with the secret.
    pub key: Spanned<String>,
    /// How the key is written.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// What is hashed: a template that may also use `${req.method}`, `${req.host}`, `${req.path}`, `${req.query}`,
    /// `${req.path_query}`, `${req.params}` (query and form, sorted), `${req.body}`, `${req.header.<name>}`,
    /// `${now.http}`, `${now.unix}`, `${now.unix_ms}`, `${now.iso}`, `${uuid}` and, round any of these, `sha256_hex(…)`,
    /// `sha512_hex(…)`, `sha1_hex(…)`, `md5_hex(…)`, `lower(…)`, `upper(…)`, `b64(…)`.
    pub string_to_sign: Spanned<String>,
    /// How the hash is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Where the hash goes.
    #[serde(rename = "in", default)]
    pub place: Place,
    /// The header's, parameter's or field's name.
    pub name: Option<Spanned<String>>,
    /// What is put there: a template with `${signature}`. Default `${signature}`.
    pub value: Option<Spanned<String>>,
    /// For `in: basic`: the name before it.
    pub username: Option<Spanned<String>>,
    /// Header fields that belong to the signature, such as `Date: "${now.http}"`.
    #[serde(default)]
    pub headers: IndexMap<String, Spanned<String>>,
}

/// Hashes of `hmac`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    /// SHA-1, where a vendor knows nothing better.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyEncoding {
    /// As it is.
    #[default]
    Text,
    /// In hexadecimal.
    Hex,
    /// In Base64.
    Base64,
}

/// How a hash is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// In lower-case hexadecimal.
    #[default]
    Hex,
    /// In Base64.
    Base64,
}

/// AWS Signature Version 4.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsSigv4 {
    /// The region: a template.
    pub region: Spanned<String>,
    /// The service: a template.
    pub service: Spanned<String>,
    /// The access key's id: a template.
    pub access_key: Spanned<String>,
    /// The secret access key: a template.
    pub secret_key: Spanned<String>,
    /// The token of temporary credentials: a template.
    pub session_token: Option<Spanned<String>>,
}

/// HTTP message signatures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageSignature {
    /// The key: PEM, or Base64 for `hmac-sha256`, as a template.
    pub key: Spanned<String>,
    /// The key's id as the vendor knows it.
    pub key_id: Spanned<String>,
    /// The algorithm.
    pub algorithm: SignatureAlgorithm,
    /// What is signed. Default `@method`, `@target-uri`, and with a body `content-digest`.
    #[serde(default)]
    pub components: Vec<Spanned<String>>,
    /// The signature's label. Default `sig1`.
    pub label: Option<Spanned<String>>,
    /// For how long it is good. Default `5m`.
    pub ttl: Option<Duration>,
}

/// Algorithms of RFC 9421 §3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// Ed25519.
    Ed25519,
    /// ECDSA with P-256 and SHA-256.
    EcdsaP256Sha256,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "rsa-v1_5-sha256")]
    RsaV15Sha256,
}

/// A client certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    /// The certificate chain in PEM: a template with the secret.
    pub cert: Spanned<String>,
    /// Its private key in PEM: a template with the secret.
    pub key: Spanned<String>,
    /// The authorities that may vouch for the vendor, in PEM, instead of the public ones: a template.
    pub ca: Option<Spanned<String>>,
}
