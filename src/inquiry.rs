//! A question: a request as someone describes it, and what would be decided about it.
//!
//! The gateway answers questions by the journey itself (`journey::inquire`), over its live state. Where no gateway
//! runs, `stepward explain` has [`answer`], which reads the same request and runs the same core over what the question
//! gives; everything else is unknown there. Asking counts, records and changes nothing.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use stepward_core::{
    decide::{self, Answer},
    decision::{Decision, Reason, Verb},
    diagnostic,
    explain::{self, Explanation},
    expr::{Condition, SlotSet, Truth},
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::{Gate, Mode, Origin, Policy},
    request::{
        Body, Request, fields,
        head::{Head, Limits, Parts, Version},
        read,
    },
    session::{Method, Proof},
};

use crate::{
    arrival::{Arrival, Client},
    bodies,
    keys::Keys,
    registry::Release,
    sessions::record::SubjectKind,
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
    /// Name of the subject that whoever asks has verified. A session comes with its cookies, under `headers`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub subject: Option<Arc<str>>,
    /// What kind that subject is.
    #[serde(default = "Question::human")]
    #[schema(value_type = Option<String>)]
    pub subject_kind: SubjectKind,
    /// Whether vendors are asked, and paid; otherwise what only they could tell is unknown.
    #[serde(default)]
    pub ask_vendors: bool,
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

    fn human() -> SubjectKind {
        SubjectKind::Human
    }

    /// A request of which only the address is known.
    pub fn bare(url: String) -> Question {
        Question {
            method: Question::method(),
            url,
            headers: BTreeMap::new(),
            body: None,
            client_ip: None,
            tenant: Question::tenant(),
            subject: None,
            subject_kind: Question::human(),
            ask_vendors: false,
            given: BTreeMap::new(),
            proofs: BTreeMap::new(),
        }
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
    /// What happens; a lock-out comes before the steps that are explained.
    pub outcome: Option<Verb>,
    /// Why.
    pub reason: Option<Reason>,
    /// The explanation.
    pub explanation: Option<&'a Explanation>,
    /// The explanation in words.
    pub text: Option<String>,
}

impl Conclusion {
    /// The same for scripts.
    pub fn told(&self) -> Told<'_> {
        let empty = |recognised, refused| Told {
            recognised,
            refused,
            policy: None,
            outcome: None,
            reason: None,
            explanation: None,
            text: None,
        };
        match self {
            Conclusion::NoEvent => empty("no_event", None),
            Conclusion::Refused(reason) => empty("refused", Some(*reason)),
            Conclusion::Event(it) => Told {
                recognised: "event",
                refused: None,
                policy: Some(&it.policy.file),
                outcome: Some(it.decision.outcome.verb()),
                reason: Some(it.decision.reason),
                explanation: Some(&it.explanation),
                text: Some(it.explanation.text()),
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
    let supposed = Supposed::of(question, now_ms)?;
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
            let mut facts = known(policy, &arrival, &candidate.parameters, question, &supposed, now_ms)?;
            let matches = policy.covers.get(candidate.cover).and_then(|cover| cover.matches.as_ref());
            if !may_hold(matches, &facts) || !may_hold(policy.only_if.as_ref(), &facts) {
                continue;
            }
            let decision = settle(policy, &supposed, &mut facts);
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
pub struct Heard {
    /// The request.
    pub arrival: Arrival,
    /// All methods that an app may take it for.
    pub methods: Vec<String>,
    /// Why its body cannot be read; counts only at an event that reads it.
    pub body_refused: Option<Reason>,
}

/// Reads the request that a question describes as the edge would read it: one that the edge refuses is refused here.
///
/// # Errors
/// It is not written as a request can be.
pub fn hear(question: &Question) -> Result<Result<Heard, Reason>, Senseless> {
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
    let headers = header_map(&request);
    let bytes = Bytes::from(question.body.clone().unwrap_or_default());
    // It is all here already, so that reading it waits for nobody.
    let body = bodies::parse(&headers, &bytes).now_or_never().unwrap_or(Err(Reason::BodyMalformed));
    let body_refused = body.as_ref().err().copied();
    request.body = body.unwrap_or_default();
    let mut methods = vec![head.method.to_string()];
    methods.extend(head.overrides.iter().cloned());
    methods.extend(fields::method_overrides(&request));
    Ok(Ok(Heard { arrival: arrival(request, headers, bytes, question), methods, body_refused }))
}

fn header_map(request: &Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::try_from(&**value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn arrival(request: Request, headers: HeaderMap, body: Bytes, question: &Question) -> Arrival {
    let route = Route {
        host: None,
        path: "/".into(),
        upstream: "app".into(),
        tenant: question.tenant.as_str().into(),
        inject_script: false,
        app_may_ask: false,
    };
    Arrival {
        id: "inquiry".into(),
        route: Arc::new(route),
        client: Client::of(&headers),
        headers,
        body: Some(body),
        upload: None,
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
    supposed: &Supposed,
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
    supposed.check(policy)?;
    facts.proofs = supposed.proofs.clone();
    facts.units = Units { session: Some("inquiry".into()), ..Units::default() };
    let keys = Keys::ephemeral();
    let who = Who::at(&question.tenant, arrival.request.client_ip, now_ms, &keys);
    let proofs = facts.proofs.clone();
    let identified = Identified::default();
    let free = Free {
        arrival,
        who: &who,
        identified: &identified,
        kind: None,
        session: None,
        proofs: &proofs,
        device_since_ms: None,
        keys: &keys,
    };
    free::learn_all(&mut facts, policy, &free);
    supposed.learn(policy, &mut facts);
    Ok(facts)
}

/// What whoever asks supposes: it counts more than what is known.
#[derive(Clone, Debug, Default)]
pub struct Supposed {
    given: BTreeMap<String, serde_json::Value>,
    /// Proofs as if they had been made by this very session.
    pub proofs: Vec<Proof>,
    /// Whether vendors are asked.
    pub asks_vendors: bool,
    now_ms: i64,
}

impl Supposed {
    /// What a question supposes.
    ///
    /// # Errors
    /// An age is none.
    pub fn of(question: &Question, now_ms: i64) -> Result<Supposed, Senseless> {
        let mut proofs = Vec::new();
        for (method, age) in &question.proofs {
            let age_ms = given::age_ms(age).ok_or_else(|| Senseless(format!("`{age}` is not an age such as `20s`")))?;
            proofs.push(Proof {
                method: *method,
                at_ms: now_ms - age_ms,
                event: "inquiry".into(),
                bound_to: None,
                by: None,
            });
        }
        Ok(Supposed { given: question.given.clone(), proofs, asks_vendors: question.ask_vendors, now_ms })
    }

    /// Whether what is given can be what this policy reads.
    ///
    /// # Errors
    /// A value of the wrong type, or a name that looks like a slip of the finger.
    pub fn check(&self, policy: &Policy) -> Result<(), Senseless> {
        self.given.iter().try_for_each(|(name, value)| reading_of(policy, name, value, self.now_ms).map(|_| ()))
    }

    /// Takes in what is given.
    pub fn learn(&self, policy: &Policy, facts: &mut Facts) {
        for (name, value) in &self.given {
            if let Ok(Some((slot, reading))) = reading_of(policy, name, value, self.now_ms) {
                signals::learn(facts, policy, slot, reading, "given");
            }
        }
    }

    /// Binds supposed proofs to this very request: what would happen had the challenge been met for it.
    pub fn bind(&self, policy: &Policy, facts: &mut Facts) {
        let Ok(binding) = decide::binding(policy, &policy.binds, facts) else { return };
        let bound = (!policy.binds.is_empty()).then_some(binding.digest);
        let (supposed, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut facts.proofs).into_iter().partition(|proof| self.proofs.contains(proof));
        facts.proofs = others;
        for proof in supposed {
            let bindings = match proof.method {
                Method::Approval => approvals(policy, facts),
                _ => vec![bound],
            };
            facts.proofs.extend(bindings.into_iter().map(|bound_to| Proof { bound_to, ..proof.clone() }));
        }
    }
}

/// What approvals are bound to at each gate of a policy that takes one.
fn approvals(policy: &Policy, facts: &Facts) -> Vec<Option<[u8; 32]>> {
    let digest = |gate: &Gate| {
        let binding = decide::binding(policy, &gate.bind_to, facts).ok()?;
        let bound = Some(&binding).filter(|_| !gate.bind_to.is_empty());
        Some(decide::approval(policy, gate.approvers.as_deref()?, bound))
    };
    policy.gates().map(digest).filter(Option::is_some).collect()
}

fn reading_of(
    policy: &Policy,
    name: &str,
    value: &serde_json::Value,
    now_ms: i64,
) -> Result<Option<(SlotId, Reading)>, Senseless> {
    let Some((at, slot)) = policy.slots.iter().enumerate().find(|(_, slot)| *slot.name == *name) else {
        // What this policy does not read cannot matter; only a slip of the finger is worth telling.
        let names = policy.slots.iter().map(|slot| &*slot.name);
        return match diagnostic::nearest(name, names) {
            Some(near) => Err(Senseless(format!("the policy does not read `{name}`; did you mean `{near}`?"))),
            None => Ok(None),
        };
    };
    let reading = given::reading(value, slot.kind, now_ms)
        .ok_or_else(|| Senseless(format!("`{name}` is {}, not `{value}`", slot.kind)))?;
    Ok(u16::try_from(at).ok().map(|at| (SlotId(at), reading)))
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
fn settle(policy: &Policy, supposed: &Supposed, facts: &mut Facts) -> Decision {
    supposed.bind(policy, facts);
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
