//! What vendors begin and end minutes later: a look at an identity document, a push to somebody's device.
//!
//! Who begins is the first of the route that takes it; from then on that vendor alone is asked how it stands. What nobody
//! answered, or was answered oddly, is unknown: it neither passes nor fails. An answer about another reference than the one
//! that was asked about says nothing.

use std::{sync::Arc, time::Duration};

use stepward_core::{
    connector::{
        Class, Connector, Named, Operation, Page,
        answer::{Handed, Interpreted},
        document::{Network, operation::Kind},
        receive::{Message, Received, Refused},
    },
    session::Method,
    value::Value,
};
use tokio::time::Instant;

use crate::vendors::{
    Vendors,
    deeds::told,
    runner::{Act, Purse},
    walk::{Line, Place},
};

/// The capability whose route looks at identity documents.
pub const IDENTIFYING: &str = "idv";
/// The capability whose route sends pushes.
pub const PUSHING: &str = "push_mfa";
/// How long beginning may take with every vendor of the route together.
const START_WAIT: Duration = Duration::from_secs(10);
/// Longest reference, and longest of what is kept beside it, in bytes.
const KEPT_BYTES_MAX: usize = 1024;
/// Longest address to which a user is sent, in bytes.
const ADDRESS_BYTES_MAX: usize = 4096;
/// Longest number that a user compares, in characters.
const NUMBER_CHARS_MAX: usize = 12;

/// What is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The connector that began it.
    pub connector: Arc<str>,
    /// What it calls it.
    pub reference: Arc<str>,
    /// What asking how it stands needs besides.
    pub state: Vec<(Arc<str>, Arc<str>)>,
    /// What it was begun with, but for what is secret.
    pub inputs: Vec<(Arc<str>, Arc<str>)>,
    /// What the user is given.
    pub handed: Handed,
    /// How long it may take, in milliseconds.
    pub good_for_ms: u64,
}

/// How it stands, in a vendor's words; what it does not say, or says oddly, is no standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The user has not finished, or the vendor has not.
    Pending,
    /// A person at the vendor looks at it.
    Review,
    /// Passed.
    Approved,
    /// Not passed.
    Declined,
    /// The user says that it was somebody else who asked.
    Fraud,
    /// It ended without anybody having said anything.
    Over,
}

/// The capability whose route makes this method possible.
pub fn capability(method: Method) -> Option<&'static str> {
    match method {
        Method::IdDocument => Some(IDENTIFYING),
        Method::Push => Some(PUSHING),
        Method::Passkey
        | Method::Totp
        | Method::EmailCode
        | Method::SmsCode
        | Method::VoiceCode
        | Method::RecoveryCode
        | Method::Pow
        | Method::Captcha
        | Method::Oidc
        | Method::Approval => None,
    }
}

/// The method that this connector makes possible on a route of this capability.
pub fn method_of(route: &str, connector: &Connector) -> Option<Method> {
    let start = connector.first(Kind::Start)?;
    let method = [Method::IdDocument, Method::Push].into_iter().find(|it| capability(*it) == Some(route))?;
    match method {
        Method::IdDocument => (start.hands_redirect() || start.hands_embed() && embeds(connector)).then_some(method),
        _ => Some(method),
    }
}

/// Whether a page has what it takes to show the vendor's part.
fn embeds(connector: &Connector) -> bool {
    connector.page.as_ref().is_some_and(|it| it.script.is_some() && it.snippet.is_some())
}

impl Vendors {
    fn verifiers(&self, method: Method) -> impl Iterator<Item = (&Line, &Place, &Arc<Operation>)> {
        let lines = self.lines.iter().filter(move |line| capability(method) == Some(&*line.route.capability));
        let places = lines.flat_map(|line| line.members.iter().map(move |place| (line, place)));
        places.filter_map(move |(line, place)| {
            let connector = &place.runner.connector;
            method_of(&line.route.capability, connector).filter(|it| *it == method)?;
            Some((line, place, connector.first(Kind::Start)?))
        })
    }

    fn verifier(&self, connector: &str) -> Option<(&Line, &Place)> {
        let mut all = self.lines.iter().flat_map(|line| line.members.iter().map(move |place| (line, place)));
        all.find(|(_, place)| *place.runner.connector.id == *connector)
    }

    /// Whether somebody could begin it at the moment.
    pub fn begins(&self, method: Method) -> bool {
        self.verifiers(method).any(|(_, place, _)| place.runner.may_be_asked())
    }

    /// How long what is begun by this method may take at most, in milliseconds; 0 where nobody begins it.
    pub fn longest_ms(&self, method: Method) -> u64 {
        self.verifiers(method).map(|(_, _, start)| start.good_for_ms).max().unwrap_or(0)
    }

    /// Has it begun by the first of the route that takes it. Nothing of it was shown to anybody before this returns.
    pub async fn start(&self, method: Method, inputs: &Named) -> Option<Started> {
        let deadline = Instant::now() + START_WAIT;
        for (line, place, operation) in self.verifiers(method) {
            let runner = &place.runner;
            let Some(mine) = operation.inputs(inputs, runner.now_ms()) else { continue };
            let found = tokio::time::timeout_at(deadline, self.found(place, &mine));
            let Ok(Some(state)) = found.await else { continue };
            // No event pays for it: what it may cost is the route's `budget`.
            let purse = Purse { calls_left: None, spend: &line.spend, cap_micros: line.route.spend_micros_per_day };
            let act = Act { operation: operation.clone(), inputs: mine, state: state.clone() };
            let asked = tokio::time::timeout_at(deadline, runner.act(act, Some(purse), &self.metrics));
            let Ok(Ok(answer)) = asked.await else { continue };
            if let Some(mut started) = started(&runner.connector, operation, inputs, &answer) {
                let is_new = |(name, _): &(Arc<str>, Arc<str>)| started.state.iter().all(|(it, _)| it != name);
                let earlier: Vec<_> = state.into_iter().filter(is_new).collect();
                started.state.extend(earlier);
                return Some(started);
            }
            if answer.class == Class::Success {
                let connector = &*runner.connector.id;
                tracing::warn!(connector, "a vendor began nothing that could be used");
            }
        }
        None
    }

    /// What `start` needs and has to be found first; `None` where it is not found.
    async fn found(&self, place: &Place, inputs: &Named) -> Option<Vec<(Arc<str>, Arc<str>)>> {
        let Some(operation) = place.runner.connector.first(Kind::Find) else { return Some(Vec::new()) };
        let act = Act { operation: operation.clone(), inputs: inputs.to_vec(), state: Vec::new() };
        let answer = place.runner.act(act, None, &self.metrics).await.ok()?;
        (answer.class == Class::Success && !answer.state.is_empty()).then_some(answer.state)
    }

    /// How it stands, by the word of the vendor that began it; `None` where that does not say.
    pub async fn poll(&self, started: &Started) -> Option<Standing> {
        let (_, place) = self.verifier(&started.connector)?;
        let operation = place.runner.connector.first(Kind::Poll)?;
        let inputs = operation.declared(&started.inputs)?;
        let act = Act { operation: operation.clone(), inputs, state: started.state.clone() };
        let answer = place.runner.act(act, None, &self.metrics).await.ok()?;
        standing(operation, &answer, &started.reference)
    }

    /// Whether the vendor that began it is asked how it stands; else it tells by itself.
    pub fn polls(&self, connector: &str) -> bool {
        self.verifier(connector).is_some_and(|(_, place)| place.runner.connector.first(Kind::Poll).is_some())
    }

    /// What the page needs to show the vendor's part.
    pub fn embedded(&self, connector: &str) -> Option<Page> {
        let (_, place) = self.verifier(connector)?;
        place.runner.connector.page.clone().filter(|it| it.script.is_some() && it.snippet.is_some())
    }

    /// Reads what a vendor sent by itself, and how what it is about stands.
    ///
    /// # Errors
    /// [`Refused`] where it does not come from that vendor, or where nothing is expected of it.
    pub fn receive(
        &self,
        connector: &str,
        message: &Message<'_>,
        now_ms: i64,
    ) -> Result<(Received, Option<Standing>), Refused> {
        let (_, place) = self.verifier(connector).ok_or(Refused::Unexpected)?;
        let operation = place.runner.connector.first(Kind::Inbound).ok_or(Refused::Unexpected)?;
        let received = operation.receive(message, place.runner.secrets(), now_ms)?;
        let standing = received.reference.as_ref().and_then(|it| standing(operation, &received.answer, it));
        Ok((received, standing))
    }
}

/// What an answer to `start` began; nothing where it cannot be found again, or where the vendor says that it began nothing.
fn started(connector: &Connector, operation: &Operation, given: &Named, answer: &Interpreted) -> Option<Started> {
    let (_, reference) = answer.state.iter().find(|(name, _)| &**name == "reference")?;
    let is_short = answer.state.iter().all(|(_, value)| value.len() <= KEPT_BYTES_MAX) && !reference.is_empty();
    let said = |name: &str| told(operation, answer, name);
    let ended = match (said("push.state").as_deref(), said("idv.status").as_deref()) {
        (Some("not_enrolled" | "denied" | "failed" | "expired"), _) => true,
        (_, Some("declined" | "abandoned" | "expired" | "error")) => true,
        (_, _) => false,
    };
    if answer.class != Class::Success || !is_short || ended {
        return None;
    }
    let handed = Handed {
        redirect: answer.handed.redirect.clone().filter(|it| is_address(it, connector.network)),
        embed: answer.handed.embed.clone().filter(|it| it.len() <= ADDRESS_BYTES_MAX && embeds(connector)),
        number: answer.handed.number.clone().filter(|it| is_number(it)),
    };
    let leads_nowhere = operation.hands_redirect() && handed.redirect.is_none() && handed.embed.is_none();
    if leads_nowhere || operation.hands_embed() && handed.embed.is_none() && handed.redirect.is_none() {
        return None;
    }
    Some(Started {
        connector: connector.id.clone(),
        reference: reference.clone(),
        state: answer.state.clone(),
        inputs: operation.memorable(given),
        handed,
        good_for_ms: operation.good_for_ms,
    })
}

/// An address by https, or by http where the vendor is the operator's own.
fn is_address(text: &str, network: Network) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && network == Network::Internal;
    is_safe && url.host_str().is_some() && url.username().is_empty() && text.len() <= ADDRESS_BYTES_MAX
}

fn is_number(text: &str) -> bool {
    (1..=NUMBER_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(|it| it.is_ascii_alphanumeric())
}

/// How it stands, if the answer is about this reference and says so in the words of the catalogue.
fn standing(operation: &Operation, answer: &Interpreted, reference: &str) -> Option<Standing> {
    match answer.class {
        Class::Success => {}
        Class::Pending => return Some(Standing::Pending),
        // It is known to no one any more, so nobody will say anything.
        Class::NotFound => return Some(Standing::Over),
        Class::InvalidInput | Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError => {
            return None;
        }
    }
    let said = |name: &str| told(operation, answer, name);
    let about = [said("idv.reference"), said("push.reference")];
    if about.iter().flatten().any(|it| **it != *reference) {
        tracing::warn!(connector = %operation.connector, "a vendor answered about something else than was asked");
        return None;
    }
    let is_unverified = value(operation, answer, "push.verified") == Some(Value::Bool(false));
    match (said("idv.status").as_deref(), said("push.state").as_deref()) {
        (Some(status), None) => Some(match status {
            "pending" => Standing::Pending,
            "review" => Standing::Review,
            "approved" => Standing::Approved,
            "declined" => Standing::Declined,
            "abandoned" | "expired" | "error" => Standing::Over,
            _ => return None,
        }),
        (None, Some(state)) => Some(match state {
            "available" | "pending" => Standing::Pending,
            "approved" if is_unverified => return None,
            "approved" => Standing::Approved,
            "denied" if said("push.reason").as_deref() == Some("fraud") => Standing::Fraud,
            "denied" => Standing::Declined,
            "expired" | "failed" | "not_enrolled" => Standing::Over,
            _ => return None,
        }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn value(operation: &Operation, answer: &Interpreted, name: &str) -> Option<Value> {
    let at = operation.provides.iter().position(|it| &*it.name == name)?;
    answer.values.get(at)?.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_sent_to_a_safe_address_and_shown_a_short_number() {
        for (text, network, expected) in [
            ("https://verify.example/x?y=1", Network::Internet, true),
            ("http://verify.example/", Network::Internet, false),
            ("http://127.0.0.1:1/", Network::Internal, true),
            ("javascript:alert(1)", Network::Internal, false),
            ("https://bank.example@evil.example/", Network::Internet, false),
            ("//verify.example/", Network::Internet, false),
            ("", Network::Internet, false),
        ] {
            assert_eq!(is_address(text, network), expected, "{text}");
        }
        assert!(!is_address(&format!("https://a.example/{}", "x".repeat(ADDRESS_BYTES_MAX)), Network::Internet));
        assert!(
            is_number("42") && is_number("7") && !is_number("") && !is_number("<b>") && !is_number(&"1".repeat(13))
        );
    }
}
