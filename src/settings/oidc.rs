//! The section `oidc`: the identity provider at which users of the method `oidc` sign in anew.
//!
//! Only what is written and what it means. Nothing is fetched here: the provider is asked when it is first needed, and
//! one that is dead at start stops nothing.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use stepward_core::yaml::units;

use crate::settings::{self, document};

/// The scope without which a sign-in is none of OpenID Connect (OpenID Connect Core §3.1.2.1).
const OPENID: &str = "openid";

/// An identity provider of yours, for the method `oidc`: users sign in there anew and come back with a signed proof.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Oidc")]
pub struct Document {
    /// The provider's issuer, exactly as it writes itself: `https://idp.example.com/realms/bank`. Its endpoints and keys are read from `/.well-known/openid-configuration` under it.
    #[schemars(extend("format" = "issuer"))]
    pub issuer: String,
    /// The name under which Stepward is registered there, with `https://<your host>/.stepward/oidc/callback` as redirect URI.
    pub client_id: String,
    /// What proves to the provider that it is Stepward; a public client, by PKCE alone, without it.
    #[serde(default)]
    pub client_secret: Option<document::Secret>,
    /// How strong the sign-in has to be: one of these has to come back as `acr`. Any sign-in counts if left out.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// How old the sign-in at the provider may be; `0s` asks for a new one every time.
    #[serde(default = "Document::max_age")]
    #[schemars(extend("format" = "age"))]
    pub max_age: String,
    /// What the provider is asked to do whether or not somebody is signed in there: for providers that overlook `max_age`.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// Whether the provider is told whom we expect. It spares typing, and puts the subject's name into an address.
    #[serde(default)]
    pub login_hint: bool,
    /// The claim that is compared with the subject who is challenged: the name by which your app knows its users.
    #[serde(default = "Document::subject_claim")]
    pub subject_claim: String,
    /// Which scopes are asked for, besides `openid`: those that make the provider tell `subject_claim`.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl Document {
    fn max_age() -> String {
        "0s".into()
    }

    fn subject_claim() -> String {
        "sub".into()
    }

    /// The settings that this text means, with its secret.
    pub(super) fn ready(&self, client_secret: Option<settings::Secret>) -> Oidc {
        let more = self.scopes.iter().filter(|scope| *scope != OPENID);
        Oidc {
            issuer: self.issuer.as_str().into(),
            client_id: self.client_id.as_str().into(),
            client_secret,
            acr_values: self.acr_values.iter().map(|it| Arc::from(it.as_str())).collect(),
            max_age: age(&self.max_age).unwrap_or_default(),
            asks_login: matches!(self.prompt, Some(Prompt::Login)),
            tells_subject: self.login_hint,
            subject_claim: self.subject_claim.as_str().into(),
            scopes: [OPENID].into_iter().chain(more.map(String::as_str)).map(Arc::from).collect(),
        }
    }

    /// What the forms alone do not show: key, what is wrong, what to do.
    pub(super) fn faults(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let is_word = |text: &String| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
        let mut faults = Vec::new();
        if self.client_id.trim().is_empty() {
            faults.push(("client_id", "the provider knows nobody without a name", "write the client id of Stepward"));
        }
        if self.subject_claim.trim().is_empty() {
            faults.push(("subject_claim", "a claim has a name", "write `sub`, or leave it out"));
        }
        if !self.acr_values.iter().all(is_word) {
            faults.push(("acr_values", "a class of sign-in is one word", "write `acr_values: [phr, mfa]`"));
        }
        if !self.scopes.iter().all(is_word) {
            faults.push(("scopes", "a scope is one word", "write `scopes: [profile]`"));
        }
        faults
    }
}

/// What a provider may be asked to do (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Ask for the user's credentials again.
    Login,
}

/// Where and how users sign in anew.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// `iss`, exactly; its metadata is found from it (OpenID Connect Discovery §4).
    pub issuer: Arc<str>,
    /// Who Stepward is there.
    pub client_id: Arc<str>,
    /// What proves it; `None` for a public client.
    pub client_secret: Option<settings::Secret>,
    /// One of these has to be the `acr` of a sign-in; any will do where there is none.
    pub acr_values: Vec<Arc<str>>,
    /// How old a sign-in may be when the user is sent there; nothing: it has to come after the challenge.
    pub max_age: Duration,
    /// Whether `prompt=login` is sent.
    pub asks_login: bool,
    /// Whether the subject's name is sent as `login_hint`.
    pub tells_subject: bool,
    /// The claim that has to name the challenged subject.
    pub subject_claim: Arc<str>,
    /// What is asked for, `openid` first.
    pub scopes: Vec<Arc<str>>,
}

/// `0s`, `5m`: how old something may be.
pub(super) fn age(text: &str) -> Option<Duration> {
    units::duration_ms(text).and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis)
}

/// An issuer: an address by https, or by http on this machine, without query and fragment (OpenID Connect Discovery §3).
pub(super) fn is_issuer(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    is_plain && is_safe(&url)
}

/// Whether nobody on the way can change what is exchanged: https, or http that stays on this machine.
pub fn is_safe(url: &reqwest::Url) -> bool {
    let bare = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    let is_here = |host: &str| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => bare.is_some(),
        "http" => bare.is_some_and(is_here),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_by_https_or_on_this_machine_and_is_nothing_but_an_address() {
        for good in
            ["https://idp.example", "https://idp.example:8443/realms/bank", "http://127.0.0.1:1/x", "http://[::1]:1"]
        {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "http://idp.example",
            "http://127.0.0.1.evil.example",
            "https://idp.example/?a=b",
            "https://idp.example/#a",
            "https://user@idp.example",
            "file:///etc/passwd",
            "idp.example",
            "",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    const SMALL: &str = "listen: [{ address: 127.0.0.1:8080 }]\nupstreams: { bank: { url: http://127.0.0.1:8081 } }\nroutes: [{ upstream: bank }]\n";

    /// What is found in this section, one line each.
    fn found(section: &str) -> Vec<String> {
        let (file, text) = ("stepward.yaml".into(), format!("{SMALL}oidc: {section}\n"));
        let read = settings::read(&file, &text, std::path::Path::new("/nowhere"), settings::Presence::Advised);
        let (found, texts) = match read {
            Ok(loaded) => (loaded.found, loaded.texts),
            Err(rejected) => (rejected.found, rejected.texts),
        };
        found.iter().map(|it| crate::render::line(it, &texts)).collect()
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_with_what_to_write() {
        let good = "issuer: \"https://idp.example\", client_id: stepward";
        let mut missing = Vec::new();
        for (section, expected) in [
            (
                "{ isuer: \"https://idp.example\" }".into(),
                "stepward.yaml:4:9: unknown key `isuer`; did you mean `issuer`?",
            ),
            ("{ client_id: stepward }".into(), "`issuer` is missing here"),
            (
                "{ issuer: \"http://idp.example\", client_id: a }".into(),
                "4:17: `http://idp.example` cannot be `issuer`",
            ),
            (format!("{{ {good}, client_secret: s3cret }}"), "is not one of `{ env: … }`, `{ file: … }`"),
            (format!("{{ {good}, client_secret: \"${{SECRET}}\" }}"), "is not one of `{ env: … }`, `{ file: … }`"),
            (format!("{{ {good}, client_secret: {{ env: STEPWARD_NO_SUCH }} }}"), "[secret.missing]"),
            (format!("{{ {good}, acr_values: [\"phr mfa\"] }}"), "a class of sign-in is one word"),
            (format!("{{ {good}, scopes: [\"\"] }}"), "a scope is one word"),
            (format!("{{ {good}, subject_claim: \"\" }}"), "a claim has a name"),
            (
                "{ issuer: \"https://idp.example\", client_id: \" \" }".into(),
                "the provider knows nobody without a name",
            ),
            (format!("{{ {good}, max_age: 5 }}"), "`max_age` takes text"),
            (format!("{{ {good}, max_age: soon }}"), "`0s` for none"),
            (format!("{{ {good}, prompt: none }}"), "`none` is not one of `login`"),
            (format!("{{ {good} }}"), "stepward.yaml:4:7: a sign-in of any strength counts"),
        ] {
            let found = found(&section);
            if !found.iter().any(|it| it.contains(expected)) {
                missing.push(format!("{section}: {expected} is missing from {found:#?}"));
            }
        }
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        let found = found(&format!("{{ {good}, acr_values: [phr], max_age: 0s, prompt: login, login_hint: true }}"));
        assert!(found.iter().all(|it| !it.contains("stepward.yaml:4:")), "{found:#?}");
    }

    #[test]
    fn openid_is_asked_for_first_and_once() {
        let document: Document = serde_json::from_value(serde_json::json!({
            "issuer": "https://idp.example", "client_id": "stepward", "scopes": ["profile", "openid", "email"],
        }))
        .expect("a section");
        let ready = document.ready(None);
        assert_eq!(ready.scopes.iter().map(|it| &**it).collect::<Vec<_>>(), ["openid", "profile", "email"]);
        assert_eq!((ready.max_age, &*ready.subject_claim, ready.tells_subject), (Duration::ZERO, "sub", false));
    }

    #[test]
    fn no_age_is_an_age() {
        assert_eq!(age("0s"), Some(Duration::ZERO));
        assert_eq!(age("5m"), Some(Duration::from_secs(300)));
        assert_eq!(age("5"), None);
    }
}
