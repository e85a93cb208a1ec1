//! What only shows when all events are seen together.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use crate::{
    attribute::counter::{Counted, Counter},
    diagnostic::Diagnostic,
    event::{self, Host, Segment},
    policy::{
        Mode, Policy, RESERVED_EVENT, Step, StepKind,
        compile::{Place, Source, suggest},
        document::Event,
    },
};

/// Findings about several events.
pub(super) fn check(events: &[(&Source, Box<Event>)]) -> Vec<Diagnostic> {
    let mut found = duplicates(events);
    found.extend(reserved(events));
    found.extend(shadowed(events));
    let names: BTreeSet<&str> = events.iter().map(|(_, event)| event.event.value.as_str()).collect();
    for (source, event) in events {
        for after in event.after.iter().filter(|after| !names.contains(after.value.as_str())) {
            let message = format!("there is no event `{}`, so `journey.out_of_order` is always true", after.value);
            let warning = Place::of(source, &after.span).warning("event.unknown", message);
            found.push(suggest(warning, after, names.iter().copied()));
        }
    }
    found
}

/// Names that more than one event has.
fn repeated(events: &[(&Source, Box<Event>)]) -> BTreeSet<Arc<str>> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, event) in events {
        *count.entry(event.event.value.trim()).or_default() += 1;
    }
    count.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name.into()).collect()
}

fn duplicates(events: &[(&Source, Box<Event>)]) -> Vec<Diagnostic> {
    let repeated = repeated(events);
    let named = events.iter().filter(|(_, event)| repeated.contains(event.event.value.trim()));
    named
        .map(|(source, event)| {
            let message = format!("more than one event is called `{}`", event.event.value);
            Place::of(source, &event.event.span).error("event.duplicate", message)
        })
        .collect()
}

/// Events with the name under which an app's own demands are logged.
fn reserved(events: &[(&Source, Box<Event>)]) -> Vec<Diagnostic> {
    let named = events.iter().filter(|(_, event)| event.event.value.trim() == RESERVED_EVENT);
    let message = format!("`{RESERVED_EVENT}` stands for requests about which an app asks; no event has that name");
    named.map(|(source, event)| Place::of(source, &event.event.span).error("event.reserved", message.clone())).collect()
}

/// Counters that conditions read and no rule raises.
pub(super) fn never_raised(sources: &[Source], policies: &[Policy]) -> Vec<Diagnostic> {
    let raised: BTreeSet<&str> =
        policies.iter().flat_map(|policy| &policy.steps).flat_map(counts).map(|it| &**it).collect();
    let sources: BTreeMap<&str, &Source> = sources.iter().map(|source| (&*source.file, source)).collect();
    let mut found = Vec::new();
    for policy in policies {
        for slot in &policy.slots {
            let Some(Counter { counted: Counted::Named(name), .. }) = Counter::named(&slot.name) else { continue };
            let source = sources.get(&*policy.file);
            if let (false, Some(source)) = (raised.contains(&*name), source) {
                let at = source.text.find(&*slot.name).unwrap_or(0);
                let message = format!("`{}` is always 0: no rule says `count: {name}`", slot.name);
                let warning = Place::of(source, &(at..at + slot.name.len())).warning("counter.never_raised", message);
                found.push(suggest(warning, &name, raised.iter().copied()));
            }
        }
    }
    found
}

/// The counters that a step raises.
fn counts(step: &Step) -> Vec<&Arc<str>> {
    match &step.kind {
        StepKind::Decide(rules) => rules.iter().flat_map(|rule| &rule.obligations.count).collect(),
        StepKind::Finish(_, obligations) => obligations.count.iter().collect(),
        StepKind::Require(_) | StepKind::Split(_) => Vec::new(),
    }
}

/// Covers that are never tried, because an event before accepts all they accept. Where patterns are equally specific,
/// those with a condition come first, then the order of the files decides.
fn shadowed(events: &[(&Source, Box<Event>)]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // Who takes a pattern first and for certain, because nothing but the pattern decides.
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (index, (source, event)) in events.iter().enumerate().filter(|(_, (_, event))| event.mode == Mode::Enforce) {
        let mut dead = 0;
        for cover in event.covers.iter().filter(|cover| event.only_if.is_none() && cover.also.is_none()) {
            let Ok((method, host, path)) = event::parse_cover(&cover.request.value) else { continue };
            let earlier = match taken.entry(key(method.as_deref(), &host, &path)) {
                Entry::Occupied(earlier) => *earlier.get(),
                Entry::Vacant(free) => {
                    free.insert(index);
                    continue;
                }
            };
            dead += 1;
            let other = events.get(earlier).map_or("", |(_, event)| event.event.value.as_str());
            let message = if earlier == index {
                format!("`{}` is listed twice", cover.request.value)
            } else {
                format!("`{}` is taken by the event `{other}`, which is tried first", cover.request.value)
            };
            found.push(Place::of(source, &cover.span).warning("covers.shadowed", message));
        }
        if dead > 0 && dead == event.covers.len() {
            let message = format!("no request is ever `{}`: other events take all it covers", event.event.value);
            found.push(Place::of(source, &event.event.span).error("event.unreachable", message));
        }
    }
    found
}

/// Equal for patterns that accept the same.
fn key(method: Option<&str>, host: &Host, path: &[Segment]) -> String {
    let mut key = String::from(method.unwrap_or("*"));
    let (sign, name) = match host {
        Host::Any => (" ", ""),
        Host::Under(name) => (" *.", &**name),
        Host::Exactly(name) => (" ", &**name),
    };
    key.extend([sign, name]);
    for segment in path {
        // No text has a control character; a slash it may have.
        key.push('\u{0}');
        match segment {
            Segment::Literal(text) => key.push_str(text),
            Segment::Affixed(it) => key.extend([&*it.prefix, "\u{1}", &*it.suffix]),
            Segment::Parameter(_) | Segment::One => key.push('\u{2}'),
            Segment::Rest => key.push('\u{3}'),
        }
    }
    key
}
