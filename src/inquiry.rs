//! What would be decided, and why: for `stepward explain` and for back ends that ask through the API.
//!
//! It reads the request, recognises its event and runs the same core as the gateway. It counts, records and changes
//! nothing. What the question does not give and nobody here provides is unknown.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use stepward_core::{
    decide::{self, Answer},
    decision::{Decision, Reason},
    diagnostic,
    explain::{self, Explanation},
    expr::{Condition, SlotSet, Truth},
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::{Mode, Origin, Policy},
    request::{
        Body, Request, content, fields,
        head::{Head, Limits, Parts, Version},
        json, read,
    },
    session::{Method, Proof},
};

use crate::{
    arrival::{Arrival, Client},
    keys::Keys,
    registry::Release,
    settings::Route,
    signals::{
        self, Who,
        free::{self, Free},
    },
    subject::Identified,
};

pub mod given;

/// Largest batch that is decided element by element.
const BATCH_MAX: usize = 64;

/// A request and what is known of it.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Method.
    #[serde(default = "Question::method")]
    pub method: String,
    /// `https://host/path?query`.
    pub url: String,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    #[serde(default)]
    pub body: Option<String>,
    /// The client's address.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub client_ip: Option<IpAddr>,
    /// The tenant.
    #[serde(default = "Question::tenant")]
    pub tenant: String,
    /// Values of attributes; `unavailable` for one that nobody answers.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub given: BTreeMap<String, serde_json::Value>,
    /// Proofs of this session by method, each with its age, such as `20s`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub proofs: BTreeMap<Method, String>,
}

impl Question {
    fn method() -> String {
        "GET".into()
    }

    fn tenant() -> String {
        "default".into()
    }
}

/// A question that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Senseless(pub String);

/// What a question comes to.
#[derive(Debug)]
pub enum Conclusion {
    /// It is no event.
    NoEvent,
    /// It is refused before any policy.
    Refused(Reason),
    /// Policies decide it; of a batch the strictest element counts.
    Event(Box<Concluded>),
}

/// What policies make of a question.
#[derive(Debug)]
pub struct Concluded {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What it was decided on.
    pub facts: Facts,
    /// What happens.
    pub decision: Decision,
    /// Why.
    pub explanation: Explanation,
    /// Events in shadow that cover it too, and what they would have decided.
    pub shadows: Vec<(Arc<Policy>, Decision)>,
}

/// What an explanation says, for scripts.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    /// `event`, `no_event` or `refused`.
    pub recognised: &'static str,
    /// Why it was refused before any policy.
    pub refused: Option<Reason>,
    /// The file of the policy.
    pub policy: Option<&'a str>,
    /// The explanation.
    pub explanation: Option<&'a Explanation>,
}

impl Conclusion {
    /// The same for scripts.
    pub fn told(&self) -> Told<'_> {
        let empty = |recognised, refused| Told { recognised, refused, policy: None, explanation: None };
        match self {
            Conclusion::NoEvent => empty("no_event", None),
            Conclusion::Refused(reason) => empty("refused", Some(*reason)),
            Conclusion::Event(it) => Told {
                recognised: "event",
                refused: None,
                policy: Some(&it.policy.file),
                explanation: Some(&it.explanation),
            },
        }
    }
}

/// Answers a question under this release.
///
/// # Errors
/// The question names an attribute that does not exist, or gives a value of the wrong type.
pub fn answer(release: &Release, question: &Question, now_ms: i64) -> Result<Conclusion, Senseless> {
    let heard = match hear(question)? {
        Ok(heard) => heard,
        Err(reason) => return Ok(Conclusion::Refused(reason)),
    };
    let methods: Vec<_> = heard.methods.iter().map(String::as_str).collect();
    let Ok(candidates) = release.matcher.candidates(&methods, &heard.arrival.request.host, &heard.arrival.request.path)
    else {
        return Ok(Conclusion::Refused(Reason::PathAmbiguous));
    };
    let mut concluded: Option<Concluded> = None;
    let mut shadows = Vec::new();
    for element in elements(&heard.arrival.request) {
        for candidate in &candidates {
            let Some(policy) = release.policies.get(candidate.policy) else { continue };
            if policy.reads_body
                && let Some(reason) = heard.body_refused
            {
                return Ok(Conclusion::Refused(reason));
            }
            let arrival = Arrival { request: element.clone(), ..heard.arrival.clone() };
            let mut facts = known(policy, &arrival, &candidate.parameters, question, now_ms)?;
            let matches = policy.covers.get(candidate.cover).and_then(|cover| cover.matches.as_ref());
            if !may_hold(matches, &facts) || !may_hold(policy.only_if.as_ref(), &facts) {
                continue;
            }
            let decision = settle(policy, &mut facts);
            match policy.mode {
                Mode::Shadow => shadows.push((policy.clone(), decision)),
                Mode::Off => {}
                Mode::Enforce => {
                    keep_stricter(&mut concluded, policy, facts, decision);
                    break;
                }
            }
        }
    }
    Ok(match concluded {
        None => Conclusion::NoEvent,
        Some(concluded) => Conclusion::Event(Box::new(Concluded { shadows, ..concluded })),
    })
}

/// A request as it would arrive.
struct Heard {
    arrival: Arrival,
    methods: Vec<String>,
    /// Why its body cannot be read; counts only at an event that reads it.
    body_refused: Option<Reason>,
}

fn hear(question: &Question) -> Result<Result<Heard, Reason>, Senseless> {
    let (scheme, rest) =
        question.url.split_once("://").ok_or_else(|| Senseless("write the URL as `https://host/path`".into()))?;
    let (authority, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let target = if target.starts_with('/') { target.to_string() } else { format!("/{target}") };
    let mut lines: Vec<(&[u8], &[u8])> = vec![(b"host", authority.as_bytes())];
    let others = question.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
    lines.extend(others.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let parts = Parts {
        method: question.method.as_bytes(),
        target: target.as_bytes(),
        version: Version::Http11,
        authority: None,
        fields: lines.iter().copied(),
    };
    let head = match Head::of(parts, &Limits::default()) {
        Ok(head) => head,
        Err(refusal) => return Ok(Err(refusal.reason)),
    };
    let client_ip = question.client_ip.unwrap_or(IpAddr::from([192, 0, 2, 1]));
    let mut request = head.request(lines.iter().copied(), client_ip, scheme == "https", false);
    let body = body(&request, question.body.as_deref());
    let body_refused = body.as_ref().err().copied();
    request.body = body.unwrap_or_default();
    let mut methods = vec![head.method.to_string()];
    methods.extend(head.overrides.iter().cloned());
    methods.extend(fields::method_override(&request));
    Ok(Ok(Heard { arrival: arrival(request, question), methods, body_refused }))
}

fn body(request: &Request, text: Option<&str>) -> Result<Body, Reason> {
    let Some(text) = text.filter(|it| !it.is_empty()) else { return Ok(Body::Empty) };
    let kind = content::kind(request.header("content-type"), request.header("content-encoding"));
    let read = match kind.map_err(|refusal| refusal.reason)? {
        content::Kind::Json => json::parse(text.as_bytes()),
        content::Kind::Form => fields::form(text.as_bytes()),
        content::Kind::Multipart | content::Kind::Untyped => return Err(Reason::BodyUnsupported),
    };
    read.map_err(|refusal| refusal.reason)
}

fn arrival(request: Request, question: &Question) -> Arrival {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::try_from(&**value)) {
            headers.append(name, value);
        }
    }
    let route = Route { host: None, path: "/".into(), upstream: "app".into(), tenant: question.tenant.as_str().into() };
    Arrival {
        id: "inquiry".into(),
        route: Arc::new(route),
        client: Client::of(&headers),
        headers,
        body: question.body.clone().map(Bytes::from),
        trusted_peer: false,
        request,
    }
}

/// Facts of the request, what comes for nothing, proofs, and whatever is given, which counts most.
fn known(
    policy: &Policy,
    arrival: &Arrival,
    parameters: &[(Arc<str>, Arc<str>)],
    question: &Question,
    now_ms: i64,
) -> Result<Facts, Senseless> {
    let mut facts = Facts::unasked(now_ms, policy.slots.len());
    for (at, slot) in policy.slots.iter().enumerate() {
        let source = match &slot.origin {
            Origin::Fact(index) => policy.facts.get(*index).map(|fact| &fact.source),
            Origin::Request(source) => Some(source),
            Origin::Catalogue | Origin::Remembered(_) | Origin::Response(_) => None,
        };
        if let (Some(source), Ok(id)) = (source, u16::try_from(at).map(SlotId)) {
            let reading = read::read(&arrival.request, source, parameters, slot.kind);
            signals::learn(&mut facts, policy, id, reading, "request");
        }
    }
    facts.proofs = proofs(policy, question, now_ms)?;
    facts.units = Units { session: Some("inquiry".into()), ..Units::default() };
    let keys = Keys::ephemeral();
    let who = Who::at(&question.tenant, arrival.request.client_ip, now_ms, &keys);
    let proofs = facts.proofs.clone();
    let identified = Identified::default();
    let free =
        Free { arrival, who: &who, identified: &identified, kind: None, session: None, proofs: &proofs, keys: &keys };
    free::learn_all(&mut facts, policy, &free);
    for (name, value) in &question.given {
        learn_given(policy, &mut facts, name, value, now_ms)?;
    }
    Ok(facts)
}

fn learn_given(
    policy: &Policy,
    facts: &mut Facts,
    name: &str,
    value: &serde_json::Value,
    now_ms: i64,
) -> Result<(), Senseless> {
    let Some(at) = policy.slots.iter().position(|slot| *slot.name == *name) else {
        // What this policy does not read cannot matter; only a slip of the finger is worth telling.
        let names = policy.slots.iter().map(|slot| &*slot.name);
        return match diagnostic::nearest(name, names) {
            Some(near) => Err(Senseless(format!("the policy does not read `{name}`; did you mean `{near}`?"))),
            None => Ok(()),
        };
    };
    let Some(slot) = policy.slots.get(at) else { return Ok(()) };
    let reading = given::reading(value, slot.kind, now_ms)
        .ok_or_else(|| Senseless(format!("`{name}` is {}, not `{value}`", slot.kind)))?;
    if let Ok(id) = u16::try_from(at) {
        signals::learn(facts, policy, SlotId(id), reading, "given");
    }
    Ok(())
}

/// Proofs are bound to this very request: a question asks what would happen had the challenge been met for it.
fn proofs(policy: &Policy, question: &Question, now_ms: i64) -> Result<Vec<Proof>, Senseless> {
    let mut proofs = Vec::new();
    for (method, age) in &question.proofs {
        let age_ms = given::age_ms(age).ok_or_else(|| Senseless(format!("`{age}` is not an age such as `20s`")))?;
        proofs.push(Proof { method: *method, at_ms: now_ms - age_ms, event: policy.event.clone(), bound_to: None });
    }
    Ok(proofs)
}

fn elements(request: &Request) -> Vec<Request> {
    match &request.body {
        Body::Batch(elements) => {
            let element = |it: &serde_json::Value| Request { body: Body::Fields(it.clone()), ..request.clone() };
            elements.iter().take(BATCH_MAX).map(element).collect()
        }
        Body::Unread | Body::Empty | Body::Fields(_) => vec![request.clone()],
    }
}

fn may_hold(condition: Option<&Condition>, facts: &Facts) -> bool {
    match condition.map(|it| it.eval(facts, &mut SlotSet::default())) {
        Some(Truth::False) => false,
        Some(Truth::True | Truth::Unknown | Truth::Pending) | None => true,
    }
}

/// Decides; what is asked for and was not given is not provided. Binds proofs to what is known by then.
fn settle(policy: &Policy, facts: &mut Facts) -> Decision {
    if let Ok(binding) = decide::binding(policy, &policy.binds, facts) {
        let bound = (!policy.binds.is_empty()).then_some(binding.digest);
        facts.proofs.iter_mut().for_each(|proof| proof.bound_to = bound);
    }
    for _ in 0..=policy.slots.len() {
        match decide::decide(policy, facts) {
            Answer::Decided(decision) => return decision,
            Answer::Needs(wanted) => {
                for slot in wanted.iter() {
                    facts.learn(slot, Reading::Unknown(Why::NotProvided), None);
                }
            }
        }
    }
    Decision::refused(Reason::Internal)
}

fn keep_stricter(kept: &mut Option<Concluded>, policy: &Arc<Policy>, facts: Facts, decision: Decision) {
    let stricter = kept.as_ref().is_none_or(|kept| decision.outcome.verb() > kept.decision.outcome.verb());
    if stricter {
        let explanation = explain::explain(policy, &facts);
        *kept = Some(Concluded { policy: policy.clone(), facts, decision, explanation, shadows: Vec::new() });
    }
}

#[cfg(test)]
mod tests;
