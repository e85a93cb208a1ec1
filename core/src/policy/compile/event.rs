//! One event file to one policy.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    diagnostic::Diagnostic,
    event::{self, Cover, Segment},
    expr::Names as _,
    facts::SlotId,
    policy::{
        Apply, Budget, FactSource, Gate, OnStateLoss, Origin, Policy, Source as RequestSource, Step, StepKind,
        compile::{
            Context, Place, Source, analyse,
            conditions::Builder,
            names::{self, Vocabulary},
            steps,
        },
        document::{self, Event, Flow, Setting},
    },
    value::Value,
    yaml::Spanned,
};

/// Defaults of `budget`, `recheck`, `inspect_max`, `park_max` and `park_for`.
const TIME_MS: u64 = 1_000;
const PAID_CALLS: u32 = 3;
const RECHECK_MS: u64 = 300_000;
const INSPECT_BYTES: u64 = 256 << 10;
const PARK_BYTES: u64 = 1 << 20;
const PARK_MS: u64 = 600_000;

/// Largest `inspect_max` and `park_max`, in bytes, and longest `park_for`, in milliseconds. What is inspected is held in
/// memory; what is parked waits on disk.
const BODY_BYTES_MAX: u64 = 64 << 20;
const PARKED_BYTES_MAX: u64 = 1 << 30;
const PARK_MS_MAX: u64 = 3_600_000;

/// Compiles one event; no policy where anything is an error.
pub(super) fn compile<'a>(
    source: &'a Source,
    event: &'a Event,
    context: &'a Context<'a>,
) -> (Option<Policy>, Vec<Diagnostic>, Vec<&'a str>) {
    let mut found: Vec<Diagnostic> = name_fault(source, &event.event).into_iter().collect();
    let facts = facts(source, event, context, &mut found);
    let placed = steps::place(source, event, context, &mut found);
    let settings = Settings::of(source, event, &placed.flows, &mut found);
    let names = Vocabulary::new(context.catalogue, facts.clone(), settings.values.clone());
    let mut builder = Builder { context, source, names, found };
    let covers = builder.covers(event, &facts);
    let only_if = builder.condition_in(names::Place::OnlyIf, event.only_if.as_ref());
    let succeeded = builder.condition_in(names::Place::Response, event.succeeded.as_ref());
    let failed = builder.condition_in(names::Place::Response, event.failed.as_ref());
    let when_unsure = builder.outcome(&event.when_unsure);
    let otherwise = builder.outcome(&event.otherwise);
    let (steps, places) = builder.steps(&placed);
    builder.learning(event);
    builder.keep_facts(&facts);
    let Builder { names, mut found, .. } = builder;
    settings.report_unused(&names.settings_used, &mut found);
    let used_flows = placed.flows.iter().map(|(_, flow)| flow.flow.value.as_str()).collect();
    let (Some(when_unsure), Some(otherwise)) = (when_unsure, otherwise) else { return (None, found, used_flows) };
    let policy = Policy {
        event: event.event.value.trim().into(),
        file: source.file.clone(),
        journey: event.journey.as_deref().map(Arc::from),
        after: event.after.iter().map(|name| name.value.as_str().into()).collect(),
        about: event.about.as_deref().map(Arc::from),
        owner: event.owner.as_deref().map(Arc::from),
        mode: event.mode,
        apply: event.apply,
        covers,
        only_if,
        settings: settings.values,
        succeeded,
        failed,
        ends_session: event.ends_session.as_ref().is_some_and(|it| it.value),
        budget: Budget {
            time_ms: event.budget.time.map_or(TIME_MS, |time| time.ms),
            paid_calls: event.budget.paid_calls.unwrap_or(PAID_CALLS),
        },
        when_unsure,
        otherwise,
        binds: binds(&steps),
        steps,
        recheck_ms: event.recheck.map_or(RECHECK_MS, |every| every.ms.max(1_000)),
        on_state_loss: on_state_loss(source, event.on_state_loss.as_ref(), &mut found),
        reads_body: reads_body(&facts, &names),
        facts,
        slots: names.slots,
        inspect_bytes_max: bounded(
            source,
            "inspect_max",
            event.inspect_max.as_ref().map(|it| (it.bytes, it)),
            INSPECT_BYTES,
            BODY_BYTES_MAX,
            &mut found,
        ),
        park_bytes_max: bounded(
            source,
            "park_max",
            event.park_max.as_ref().map(|it| (it.bytes, it)),
            PARK_BYTES,
            PARKED_BYTES_MAX,
            &mut found,
        ),
        park_ms: bounded(
            source,
            "park_for",
            event.park_for.as_ref().map(|it| (it.ms, it)),
            PARK_MS,
            PARK_MS_MAX,
            &mut found,
        ) as u64,
        allowed_origins: event.allow_origins.iter().filter_map(|it| origin(source, it, &mut found)).collect(),
    };
    found.extend(analyse::analyse(&policy, &Place::of(source, &event.when_unsure.span), &places));
    let policy = (!super::has_errors(&found)).then_some(policy);
    (policy, found, used_flows)
}

fn on_state_loss(
    source: &Source,
    written: Option<&Spanned<document::OnStateLoss>>,
    found: &mut Vec<Diagnostic>,
) -> OnStateLoss {
    let Some(written) = written else { return OnStateLoss::Deny };
    match written.value {
        document::OnStateLoss::Deny => OnStateLoss::Deny,
        document::OnStateLoss::Degrade => OnStateLoss::Degrade,
        document::OnStateLoss::Allow => OnStateLoss::Allow,
        document::OnStateLoss::StepUpLocal => {
            let fault = Place::of(source, &written.span)
                .error("state_loss.not_built", "`on_state_loss: step_up_local` is not built yet")
                .help(
                    "every proof is kept in the store; use `deny`, or `degrade` where a minute without it is harmless",
                );
            found.push(fault);
            OnStateLoss::Deny
        }
    }
}

/// Most bytes of an event's name: it travels in a header and in every record.
const NAME_BYTES_MAX: usize = 100;

fn name_fault(source: &Source, name: &Spanned<String>) -> Option<Diagnostic> {
    let clean = !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    (!clean).then(|| {
        let message = format!("an event's name has 1 to {NAME_BYTES_MAX} bytes on one line");
        Place::of(source, &name.span).error("event.name", message)
    })
}

/// The facts as declared; a name that would hide an attribute is refused.
fn facts(source: &Source, event: &Event, context: &Context<'_>, found: &mut Vec<Diagnostic>) -> Vec<FactSource> {
    let mut facts = Vec::with_capacity(event.facts.0.len());
    for (name, fact) in &event.facts.0 {
        let place = Place::of(source, &name.span);
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') || name.is_empty() {
            let message = format!("`{}` cannot be a fact's name", name.value);
            found.push(place.error("fact.name", message).help("use letters, digits and `_`"));
        }
        if fact.remember.is_some() && !context.catalogue.members(name).is_empty() {
            let message =
                format!("a remembered fact cannot be called `{0}`: `{0}.…` is a group of attributes", name.value);
            found.push(place.error("fact.name", message).help("give it another name"));
        }
        match names::source(&fact.from) {
            Ok(source) => facts.push(FactSource {
                name: name.value.as_str().into(),
                source,
                kind: fact.kind.kind(),
                pii: fact.pii,
                identifies_subject: fact.identifies.is_some(),
                remembered: fact.remember.is_some(),
                contact: fact.contact,
            }),
            Err(message) => found.push(
                Place::of(source, &fact.from.span)
                    .error("fact.source", message)
                    .help("write `body.a.b`, `query.x`, `header.x`, `cookie.x` or `path.x`"),
            ),
        }
    }
    if let Some((name, _)) = event.facts.0.iter().filter(|(_, fact)| fact.identifies.is_some()).nth(1) {
        found.push(Place::of(source, &name.span).error("fact.identifies", "only one fact can name the subject"));
    }
    facts
}

/// The settings that an event and its flows have; the event's own win.
struct Settings {
    values: BTreeMap<String, Value>,
    places: Vec<(String, Place)>,
}

impl Settings {
    fn of(source: &Source, event: &Event, flows: &[(&Source, &Flow)], found: &mut Vec<Diagnostic>) -> Self {
        let mut settings = Settings { values: BTreeMap::new(), places: Vec::new() };
        for (source, flow) in flows {
            for (name, setting) in &flow.settings.0 {
                settings.take(source, name, setting, found);
            }
        }
        for (name, setting) in &event.settings.0 {
            settings.take(source, name, setting, found);
        }
        settings
    }

    fn take(&mut self, source: &Source, name: &Spanned<String>, setting: &Setting, found: &mut Vec<Diagnostic>) {
        let place = Place::of(source, &name.span);
        match value(setting) {
            Some(value) => {
                self.values.insert(name.value.clone(), value);
                self.places.push((name.value.clone(), place));
            }
            None => found.push(place.error("setting.mixed", "a list holds values of one type, at most 256")),
        }
    }

    fn report_unused(&self, used: &BTreeSet<String>, found: &mut Vec<Diagnostic>) {
        for (name, place) in self.places.iter().filter(|(name, _)| !used.contains(name)) {
            found.push(place.warning("setting.unused", format!("no condition uses the setting `{name}`")));
        }
    }
}

fn value(setting: &Setting) -> Option<Value> {
    Some(match setting {
        Setting::Bool(it) => Value::Bool(*it),
        Setting::Int(it) => Value::Int(*it),
        Setting::Number(it) => Value::Number(*it),
        Setting::Text(it) => Value::Text(it.clone()),
        Setting::List(list) => {
            let values: Vec<Value> = list.iter().map(value).collect::<Option<_>>()?;
            let flat = |value: &Value| !matches!(value, Value::List(_));
            let alike = values.windows(2).all(|two| matches!(two, [a, b] if a.kind() == b.kind()));
            if values.len() > 256 || !alike || !values.iter().all(flat) {
                return None;
            }
            Value::List(values.into())
        }
    })
}

impl Builder<'_> {
    /// The patterns, with their predicates.
    /// Every fact has a slot, also one that no condition reads: the subject is told by it, its values are remembered,
    /// and a record without it could not be replayed.
    fn keep_facts(&mut self, facts: &[FactSource]) {
        for fact in facts {
            // Running out of slots was reported where a condition did; one more fact says nothing new.
            let _ = self.names.resolve(&["event", &fact.name], None);
        }
    }

    fn covers(&mut self, event: &Event, facts: &[FactSource]) -> Vec<Cover> {
        let mut covers: Vec<Cover> = Vec::with_capacity(event.covers.len());
        if event.covers.is_empty() {
            let place = Place::of(self.source, &event.event.span);
            self.found.push(place.error("covers.empty", "an event covers at least one request"));
        }
        for entry in &event.covers {
            let span = if entry.request.span.is_empty() { &entry.span } else { &entry.request.span };
            let text = &entry.request.value;
            let (method, host, path) = match event::parse_cover(text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    let part = error.offset..error.offset + error.len;
                    let span = crate::yaml::inside(&self.source.text, span, text, &part);
                    let diagnostic = Place::of(self.source, &span).error("covers.malformed", error.message);
                    self.found.push(Diagnostic { help: error.help, ..diagnostic });
                    continue;
                }
            };
            for fact in facts {
                if let RequestSource::Path(name) = &fact.source
                    && !parameters(&path).any(|parameter| parameter == &**name)
                {
                    let message =
                        format!("`{text}` has no parameter `{{{name}}}`, so `event.{}` is unknown there", fact.name);
                    self.found.push(Place::of(self.source, span).warning("fact.no_parameter", message));
                }
            }
            let also = entry.also.as_ref();
            let matches = self.condition_in(names::Place::Where, also);
            if matches.is_some() || also.is_none() {
                covers.push(Cover { text: text.as_str().into(), method, host, path, matches });
            }
        }
        covers
    }

    /// What is learnt from responses needs to be told which responses mean success.
    fn learning(&mut self, event: &Event) {
        if let Some(ends) = event.ends_session.as_ref().filter(|it| it.value && event.apply == Apply::AfterSuccess) {
            let message = "an answer that is held back cannot end the session that has to prove something for it";
            let place = Place::of(self.source, &ends.span);
            self.found.push(place.error("ends_session.held", message).help("leave `apply: after_success` out"));
        }
        if event.succeeded.is_some() {
            return;
        }
        let help = "add `succeeded: response.status in [200, 303]`";
        if event.apply == Apply::AfterSuccess {
            let place = Place::of(self.source, &event.event.span);
            self.found.push(
                place.error("succeeded.missing", "`apply: after_success` needs to know what success is").help(help),
            );
        }
        for (name, fact) in &event.facts.0 {
            // A claim alone is useful for counting; what is remembered or trusted is so only after success.
            if fact.remember.is_some() || fact.contact.is_some() {
                let message =
                    format!("the values of `{}` are kept once the event succeeded, which it never does", name.value);
                let place = Place::of(self.source, &name.span);
                self.found.push(place.error("succeeded.missing", message).help(help));
            }
        }
    }
}

fn parameters(path: &[Segment]) -> impl Iterator<Item = &str> {
    path.iter().filter_map(|segment| match segment {
        Segment::Parameter(name) => Some(&**name),
        Segment::Affixed(it) => Some(&*it.name),
        Segment::Literal(_) | Segment::One | Segment::Rest => None,
    })
}

fn reads_body(facts: &[FactSource], names: &Vocabulary<'_>) -> bool {
    let by_where = |origin: &Origin| matches!(origin, Origin::Request(RequestSource::Body(_)));
    facts.iter().any(|fact| matches!(fact.source, RequestSource::Body(_)))
        || names.slots.iter().any(|slot| by_where(&slot.origin))
}

/// Every value that any gate binds to, once.
fn binds(steps: &[Step]) -> Vec<SlotId> {
    let mut binds = Vec::new();
    for slot in steps.iter().flat_map(gates).flat_map(|gate| &gate.bind_to) {
        if !binds.contains(slot) {
            binds.push(*slot);
        }
    }
    binds
}

/// The gates of a step.
pub(super) fn gates(step: &Step) -> Vec<&Gate> {
    match &step.kind {
        StepKind::Require(gate) => vec![gate],
        StepKind::Split(split) => split.arms.iter().filter_map(|arm| arm.gate.as_ref()).collect(),
        StepKind::Decide(_) | StepKind::Finish(..) => Vec::new(),
    }
}

fn bounded<T>(
    source: &Source,
    key: &str,
    given: Option<(u64, &Spanned<T>)>,
    default: u64,
    most: u64,
    found: &mut Vec<Diagnostic>,
) -> usize {
    let Some((value, at)) = given else { return usize::try_from(default).unwrap_or(usize::MAX) };
    if value == 0 || value > most {
        let message = format!("`{key}` is more than 0 and at most {most}, not {value}");
        found.push(Place::of(source, &at.span).error("value.range", message));
    }
    usize::try_from(value.clamp(1, most)).unwrap_or(usize::MAX)
}

/// An origin as RFC 6454 writes it: scheme and host, no path.
fn origin(source: &Source, written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<Arc<str>> {
    let host = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    if host.is_some_and(|host| !host.is_empty() && host.chars().all(plain)) {
        return Some(written.to_ascii_lowercase().into());
    }
    let place = Place::of(source, &written.span);
    let message = format!("`{}` is no origin", written.value);
    found.push(place.error("origin.malformed", message).help("write scheme and host: `https://shop.example.com`"));
    None
}
