//! How a connector says who it is to its vendor. Secrets are named here and filled in by the shell.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{
    connector::{
        auth::{
            Certificate, Credential,
            hmac::{HmacRule, Put},
            message::MessageRule,
            sigv4::SigV4Rule,
            token::{Assertion, TokenSource},
        },
        compile::{Compiler, request::Within},
        document::{
            auth::{
                Auth, Auths, ClientAuth, ClientCredentials, Hmac, JwtBearer, MessageSignature, Place, SessionToken,
            },
            operation::{Method, Operation, Request},
        },
        mapping::{Expression, Names},
        template::{Name, Piece, Template},
    },
    yaml::Spanned,
};

/// How long before its end a token is renewed if the file does not say, in milliseconds.
const REFRESH_BEFORE_MS: u64 = 60_000;
/// For how long a token is good where nobody says, in milliseconds.
const GOOD_FOR_MS: u64 = 300_000;
/// For how long a message signature is good if the file does not say, in milliseconds.
const SIGNATURE_MS: u64 = 300_000;

/// What an operation needs to be let in.
#[derive(Default)]
pub(super) struct Access {
    pub(super) credentials: Vec<Credential>,
    pub(super) token: Option<TokenSource>,
    pub(super) certificate: Option<Certificate>,
}

impl Compiler<'_> {
    pub(super) fn access(&mut self, own: Option<&Spanned<Auths>>, request: &Request) -> Access {
        let mut access = Access::default();
        let Some(auths) = own.or(self.document.auth.as_ref()) else { return access };
        for auth in &auths.0 {
            // What is wrong with it was told; what is right about it is kept, so that the rest is told too.
            if self.way(auth, request, &mut access).is_none() && self.found.is_empty() {
                self.fault("auth.incomplete", &auths.span, "this `auth` cannot be used");
            }
        }
        access
    }

    /// Who vouches for a download: something that is the same each time. A file on disk needs nobody.
    pub(super) fn download_access(&mut self, operation: &Operation) -> Access {
        let Some(auths) = operation.auth.as_ref().or(self.document.auth.as_ref()) else { return Access::default() };
        let is_file = operation.local.as_ref().is_some_and(|local| local.path.is_some());
        let fits = auths.0.iter().all(|auth| match auth {
            Auth::None | Auth::ApiKey(_) | Auth::Basic(_) | Auth::Bearer(_) | Auth::Mtls(_) => true,
            Auth::Oauth2ClientCredentials(_)
            | Auth::Oauth2JwtBearer(_)
            | Auth::SessionToken(_)
            | Auth::Hmac(_)
            | Auth::AwsSigv4(_)
            | Auth::HttpMessageSignature(_) => false,
        });
        if is_file || !fits {
            let message = "a download takes `api_key`, `basic`, `bearer` or `mtls`, a file nothing; `auth` may stand in \
                each operation instead";
            self.fault("local.auth", &auths.span, message);
            return Access::default();
        }
        let nothing = Request {
            method: Method::Get,
            url: Spanned { value: String::new(), span: auths.span.clone() },
            query: IndexMap::new(),
            headers: IndexMap::new(),
            json: None,
            jsonl: None,
            form: None,
            xml: None,
            text: None,
            content_type: None,
        };
        self.access(operation.auth.as_ref(), &nothing)
    }

    fn way(&mut self, auth: &Auth, request: &Request, access: &mut Access) -> Option<()> {
        let text = |compiler: &mut Self, text: &Spanned<String>| compiler.template(text, &text.span, Within::Request);
        match auth {
            Auth::None => {}
            Auth::ApiKey(key) => {
                let (name, value) = (Arc::from(key.name.as_str()), text(self, &key.value)?);
                access.credentials.push(match key.place {
                    Place::Header => {
                        self.header_name(&key.name, &key.name.span);
                        Credential::Header(name, value)
                    }
                    Place::Query => Credential::Query(name, value),
                    Place::Body => {
                        self.takes_fields(&key.name, request);
                        Credential::Body(name, value)
                    }
                    Place::Basic => {
                        self.fault(
                            "auth.place",
                            &key.name.span,
                            "a key goes into a `header`, the `query` or the `body`",
                        );
                        return None;
                    }
                });
            }
            Auth::Basic(basic) => {
                let basic = Credential::Basic(text(self, &basic.username)?, text(self, &basic.password)?);
                access.credentials.push(basic);
            }
            Auth::Bearer(bearer) => {
                let scheme = bearer.scheme.as_ref().map_or("Bearer", |scheme| scheme.as_str());
                let value = format!("{scheme} {}", bearer.token.value);
                let template = self.template(&value, &bearer.token.span, Within::Request)?;
                access.credentials.push(Credential::Header("authorization".into(), template));
            }
            Auth::Oauth2ClientCredentials(source) => access.token = Some(self.client_credentials(source)?),
            Auth::Oauth2JwtBearer(source) => access.token = Some(self.jwt_bearer(source)?),
            Auth::SessionToken(source) => access.token = Some(self.session_token(source)?),
            Auth::Hmac(hmac) => {
                let rule = self.hmac(hmac, request)?;
                access.credentials.push(Credential::Hmac(Box::new(rule)));
            }
            Auth::AwsSigv4(aws) => {
                let rule = SigV4Rule {
                    region: text(self, &aws.region)?,
                    service: text(self, &aws.service)?,
                    access_key: text(self, &aws.access_key)?,
                    secret_key: text(self, &aws.secret_key)?,
                    session_token: aws.session_token.as_ref().and_then(|token| text(self, token)),
                };
                access.credentials.push(Credential::SigV4(Box::new(rule)));
            }
            Auth::HttpMessageSignature(signature) => {
                let rule = self.message(signature)?;
                access.credentials.push(Credential::Message(Box::new(rule)));
            }
            Auth::Mtls(mtls) => {
                let mut pem = |text: &Spanned<String>| self.template(text, &text.span, Within::TokenRequest);
                let (cert, key) = (pem(&mtls.cert)?, pem(&mtls.key)?);
                access.certificate = Some(Certificate { cert, key, ca: mtls.ca.as_ref().and_then(&mut pem) });
            }
        }
        Some(())
    }

    /// A field can be put into a form or a JSON object, and nowhere else.
    fn takes_fields(&mut self, name: &Spanned<String>, request: &Request) {
        let takes = request.form.is_some() || request.json.as_ref().is_some_and(serde_json::Value::is_object);
        if !takes {
            self.fault("auth.place", &name.span, "`in: body` needs a `form` or a JSON object as body");
        }
    }

    fn hmac(&mut self, hmac: &Hmac, request: &Request) -> Option<HmacRule> {
        let to_sign = &hmac.string_to_sign;
        let string_to_sign = self.template(to_sign, &to_sign.span, Within::Signing)?;
        let key = self.template(&hmac.key, &hmac.key.span, Within::Request)?;
        let value = match &hmac.value {
            Some(value) => self.template(value, &value.span, Within::Signed)?,
            None => Template { parts: vec![crate::connector::template::Part::Value(Name::Signature, None)] },
        };
        if !value.names().any(|name| *name == Name::Signature) {
            self.fault("auth.unsigned", &to_sign.span, "`value` leaves out `${signature}`");
        }
        let missing = |compiler: &mut Self, what: &str| {
            compiler.fault("auth.incomplete", &to_sign.span, format!("this `in` needs `{what}`"));
            None
        };
        let put = match (hmac.place, &hmac.name, &hmac.username) {
            (Place::Basic, _, Some(user)) => Put::Basic(self.template(user, &user.span, Within::Request)?),
            (Place::Basic, _, None) => return missing(self, "username"),
            (_, None, _) => return missing(self, "name"),
            (Place::Header, Some(name), _) => {
                self.header_name(name, &name.span);
                Put::Header(name.as_str().into())
            }
            (Place::Query, Some(name), _) => Put::Query(name.as_str().into()),
            (Place::Body, Some(name), _) => {
                self.takes_fields(name, request);
                let signs_body = |it: &Name| matches!(it, Name::Request(Piece::Body | Piece::Params));
                if string_to_sign.names().any(signs_body) {
                    self.fault("auth.circular", &to_sign.span, "a body that holds the signature cannot be signed");
                }
                Put::Body(name.as_str().into())
            }
        };
        self.header_names(&hmac.headers);
        Some(HmacRule {
            algorithm: hmac.algorithm,
            key,
            key_encoding: hmac.key_encoding,
            string_to_sign,
            encoding: hmac.encoding,
            put,
            value,
            headers: self.templates(&hmac.headers, Within::Request),
        })
    }

    fn message(&mut self, signature: &MessageSignature) -> Option<MessageRule> {
        const DERIVED: [&str; 7] =
            ["@method", "@authority", "@scheme", "@target-uri", "@request-target", "@path", "@query"];
        for component in &signature.components {
            let lower = component.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
            if !DERIVED.contains(&component.as_str()) && (!lower || component.is_empty()) {
                let message = format!(
                    "`{}` is no component; there are header names in lower case and {}",
                    component.value,
                    DERIVED.join(", ")
                );
                self.fault("auth.component", &component.span, message);
            }
        }
        Some(MessageRule {
            key: self.template(&signature.key, &signature.key.span, Within::Request)?,
            key_id: self.template(&signature.key_id, &signature.key_id.span, Within::Request)?,
            algorithm: signature.algorithm,
            components: signature.components.iter().map(|it| it.as_str().into()).collect(),
            label: signature.label.as_ref().map_or("sig1".into(), |label| label.as_str().into()),
            ttl_ms: signature.ttl.map_or(SIGNATURE_MS, |ttl| ttl.ms),
        })
    }

    fn client_credentials(&mut self, source: &ClientCredentials) -> Option<TokenSource> {
        let text =
            |compiler: &mut Self, text: &Spanned<String>| compiler.template(text, &text.span, Within::TokenRequest);
        let mut form = IndexMap::from([("grant_type".to_owned(), plain("client_credentials"))]);
        form.extend(source.scope.clone().map(|scope| ("scope".to_owned(), scope)));
        form.extend(source.fields.clone());
        let missing = |compiler: &mut Self, what: &str| {
            let message = format!("this `client_auth` needs `{what}`");
            compiler.fault("auth.incomplete", &source.token_url.span, message);
            None
        };
        let (mut credentials, mut assertion) = (Vec::new(), None);
        match (source.client_auth, &source.client_secret, &source.private_key) {
            (ClientAuth::Basic, Some(secret), _) => {
                credentials.push(Credential::Basic(text(self, &source.client_id)?, text(self, secret)?));
            }
            (ClientAuth::Body, Some(secret), _) => {
                form.insert("client_id".into(), source.client_id.clone());
                form.insert("client_secret".into(), secret.clone());
            }
            (ClientAuth::Basic | ClientAuth::Body, None, _) => return missing(self, "client_secret"),
            (ClientAuth::PrivateKeyJwt, _, None) => return missing(self, "private_key"),
            (ClientAuth::PrivateKeyJwt, _, Some(private_key)) => {
                form.insert("client_id".into(), source.client_id.clone());
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.insert("client_assertion_type".into(), plain(kind));
                let client = text(self, &source.client_id)?;
                assertion = Some(Assertion {
                    field: "client_assertion".into(),
                    issuer: client.clone(),
                    subject: Some(client),
                    audience: text(self, &source.token_url)?,
                    scope: None,
                    private_key: text(self, private_key)?,
                    key_id: source.key_id.as_ref().and_then(|it| text(self, it)),
                    algorithm: source.algorithm,
                });
            }
        }
        let request = form_request(&source.token_url, form);
        self.token_source(&request, credentials, assertion, source.refresh_before.map(|it| it.ms))
    }

    fn jwt_bearer(&mut self, source: &JwtBearer) -> Option<TokenSource> {
        let text =
            |compiler: &mut Self, text: &Spanned<String>| compiler.template(text, &text.span, Within::TokenRequest);
        let grant = plain("urn:ietf:params:oauth:grant-type:jwt-bearer");
        let assertion = Assertion {
            field: "assertion".into(),
            issuer: text(self, &source.issuer)?,
            subject: source.subject.as_ref().and_then(|it| text(self, it)),
            audience: text(self, source.audience.as_ref().unwrap_or(&source.token_url))?,
            scope: source.scope.as_ref().and_then(|it| text(self, it)),
            private_key: text(self, &source.private_key)?,
            key_id: source.key_id.as_ref().and_then(|it| text(self, it)),
            algorithm: source.algorithm,
        };
        let request = form_request(&source.token_url, IndexMap::from([("grant_type".to_owned(), grant)]));
        self.token_source(&request, Vec::new(), Some(assertion), source.refresh_before.map(|it| it.ms))
    }

    fn session_token(&mut self, source: &SessionToken) -> Option<TokenSource> {
        let names = Names { has_answer: true, ..Names::default() };
        let token = source.token.as_ref().map(|text| self.expression(text, &names));
        let expires_in = source.expires_in.as_ref().map(|text| self.expression(text, &names));
        let value = source.value.as_ref().map(|text| self.template(text, &text.span, Within::TokenHeader));
        if let Some(header) = &source.header {
            self.header_name(header, &header.span);
        }
        let mut made = self.token_source(&source.login, Vec::new(), None, source.refresh_before.map(|it| it.ms))?;
        if let Some(token) = token {
            made.token = token?;
        }
        if let Some(expires_in) = expires_in {
            made.expires_in = expires_in?;
        }
        if let Some(value) = value {
            made.value = value?;
        }
        if let Some(header) = &source.header {
            made.header = header.as_str().into();
        }
        made.good_for_ms = source.good_for.map_or(GOOD_FOR_MS, |it| it.ms);
        Some(made)
    }

    fn token_source(
        &mut self,
        request: &Request,
        credentials: Vec<Credential>,
        assertion: Option<Assertion>,
        refresh_before_ms: Option<u64>,
    ) -> Option<TokenSource> {
        let names = Names { has_answer: true, ..Names::default() };
        let request = self.request(request, Within::TokenRequest)?;
        let span = &self.document.connector.span;
        let mut usual = |text: &str| match Expression::parse(text, &names) {
            Ok(expression) => Some(expression),
            Err(fault) => {
                self.fault(fault.code, span, fault.message);
                None
            }
        };
        let (token, expires_in) = (usual("body.access_token")?, usual("body.expires_in")?);
        Some(TokenSource {
            request,
            credentials,
            assertion,
            token,
            expires_in,
            good_for_ms: GOOD_FOR_MS,
            refresh_before_ms: refresh_before_ms.unwrap_or(REFRESH_BEFORE_MS),
            header: "authorization".into(),
            value: self.template("Bearer ${token}", span, Within::TokenHeader)?,
        })
    }
}

/// A text that stands nowhere in the file.
fn plain(text: &str) -> Spanned<String> {
    Spanned { value: text.to_owned(), span: 0..0 }
}

fn form_request(url: &Spanned<String>, form: IndexMap<String, Spanned<String>>) -> Request {
    Request {
        method: Method::Post,
        url: url.clone(),
        query: IndexMap::new(),
        headers: IndexMap::from([("accept".to_owned(), plain("application/json"))]),
        jsonl: None,
        json: None,
        form: Some(form),
        xml: None,
        text: None,
        content_type: None,
    }
}
