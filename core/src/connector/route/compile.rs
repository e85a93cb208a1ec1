//! From a route's file to a route, or to everything that is wrong with it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde_json::Value as Json;

use crate::{
    attribute::{Attribute, Catalogue},
    connector::{
        Connector,
        answer::raw,
        compile,
        route::{
            Breaker, Hedge, Member, Route, Shadow, WITHOUT,
            document::{self, Combine, Document, OnUnavailable, Strategy},
        },
    },
    diagnostic::{self, Diagnostic, Severity},
    value::{Type, Value},
    yaml::Spanned,
};

/// The words of a level, least first.
const LEVELS: [&str; 5] = ["none", "low", "medium", "high", "critical"];
/// The share of calls that may be hedged if the file does not say, in millionths.
const EXTRA_MILLIONTHS: u32 = 50_000;
/// Longest window of a breaker, in calls.
const WINDOW_MAX: u32 = 64;
/// Shortest one.
const WINDOW_MIN: u32 = 4;

/// Compiles a route.
pub(super) fn route(
    file: &Arc<str>,
    document: Document,
    connectors: &[Connector],
    refused: &[Arc<str>],
    catalogue: &Catalogue,
) -> Result<Route, Vec<Diagnostic>> {
    let mut compiler = Compiler {
        file,
        capability: &document.capability,
        connectors,
        refused,
        catalogue,
        serving: Vec::new(),
        found: Vec::new(),
    };
    let members = compiler.members(&document.connectors);
    let mut combine = compiler.combine(&document);
    let (assumed, levels) = (compiler.assumed(&document), compiler.levels(&document));
    let shadows = compiler.shadows(&document.shadow);
    let (hedge, breaker) = (compiler.hedge(&document), compiler.breaker(document.breaker.as_ref()));
    compiler.tests(&document);
    compiler.time(&document, &members);
    let (warnings, errors): (Vec<_>, Vec<_>) = compiler.found.into_iter().partition(|it| it.severity < Severity::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Route {
        combine_others: combine.remove("*").unwrap_or_default(),
        capability: document.capability.value.into(),
        strategy: document.strategy,
        members,
        time_ms: document.budget.and_then(|it| it.time).map(|it| it.ms),
        spend_micros_per_day: document.budget.and_then(|it| it.spend_per_day).map(compile::micros),
        hedge,
        breaker,
        combine,
        levels,
        stale_if_error_ms: document.stale_if_error.map(|it| it.ms),
        assumed,
        shadows,
        tests: document.tests,
        warnings,
    })
}

struct Compiler<'a> {
    file: &'a Arc<str>,
    capability: &'a Spanned<String>,
    connectors: &'a [Connector],
    /// Those whose files are refused.
    refused: &'a [Arc<str>],
    catalogue: &'a Catalogue,
    /// The members that are there.
    serving: Vec<&'a Connector>,
    found: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    fn fault(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, self.file, span.clone(), message));
    }

    fn warn(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>, help: &str) {
        self.found.push(Diagnostic::warning(code, self.file, span.clone(), message).help(help));
    }

    /// The connector of this id, if it is there and serves this capability.
    fn connector(&mut self, id: &str, span: &Range<usize>) -> Option<&'a Connector> {
        let connectors = self.connectors;
        match connectors.iter().find(|it| &*it.id == id) {
            None if self.is_refused(id) => {
                let message = format!("`{id}` is refused, so this route goes on without it");
                self.warn(WITHOUT, span, message, "mend the connector, or take it out of the route");
                None
            }
            None => {
                let near = diagnostic::nearest(id, connectors.iter().map(|it| &*it.id));
                let fault = Diagnostic::error(
                    "connector.unknown",
                    self.file,
                    span.clone(),
                    format!("there is no connector `{id}`"),
                );
                self.found.push(near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?"))));
                None
            }
            Some(it) if *it.capability != *self.capability.value => {
                self.fault("connector.capability", span, format!("`{id}` serves `{}`", it.capability));
                None
            }
            Some(it) => Some(it),
        }
    }

    fn is_refused(&self, id: &str) -> bool {
        self.refused.iter().any(|it| **it == *id)
    }

    fn members(&mut self, documents: &[Spanned<document::Member>]) -> Vec<Member> {
        if documents.is_empty() {
            let span = self.capability.span.clone();
            self.fault("route.empty", &span, "a route needs a connector");
        }
        let mut members: Vec<Member> = Vec::new();
        for document in documents {
            let Some(connector) = self.connector(&document.connector, &document.span) else { continue };
            if members.iter().any(|it| it.connector == connector.id) {
                self.fault("connector.twice", &document.span, format!("`{}` is listed twice", connector.id));
                continue;
            }
            let weight = document.weight.unwrap_or(1.0);
            if !(weight > 0.0 && weight.is_finite()) {
                self.fault("route.weight", &document.span, "a weight is a number above 0");
            }
            self.serving.push(connector);
            let timeout_ms = document.timeout.map(|it| it.ms);
            members.push(Member { connector: connector.id.clone(), timeout_ms, weight });
        }
        if members.is_empty() && documents.iter().any(|it| self.is_refused(&it.connector)) {
            let span = self.capability.span.clone();
            self.fault("route.lost", &span, "all connectors of this route are refused, so nothing is left of it");
        }
        members
    }

    /// The attribute of this name, if the catalogue has it.
    fn attribute(&mut self, name: &str, span: &Range<usize>) -> Option<&'a Attribute> {
        let found = self.catalogue.find(name);
        if found.is_none() {
            let near = diagnostic::nearest(name, self.catalogue.all().map(|it| &*it.name));
            let fault = Diagnostic::error(
                "attribute.unknown",
                self.file,
                span.clone(),
                format!("there is no attribute `{name}`"),
            );
            self.found.push(near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?"))));
        }
        found
    }

    /// Whether a member tells this attribute; what nobody tells is a slip of the pen.
    fn is_told(&mut self, name: &str, span: &Range<usize>) -> bool {
        let told = self.serving.iter().flat_map(|it| it.provides()).any(|it| &*it.name == name);
        let may_be_lost = self.found.iter().any(|it| it.code == WITHOUT);
        if !told && !may_be_lost {
            self.fault("route.attribute", span, format!("no connector of this route tells `{name}`"));
        }
        told
    }

    fn combine(&mut self, document: &Document) -> BTreeMap<Arc<str>, Combine> {
        let mut made = BTreeMap::new();
        for (name, combine) in &document.combine {
            if document.strategy != Strategy::All {
                self.fault("route.combine", &combine.span, "`combine` goes with `strategy: all` only");
            }
            if name == "*" {
                if !matches!(combine.value, Combine::First | Combine::Majority) {
                    self.fault(
                        "route.combine",
                        &combine.span,
                        "`\"*\"` takes `first` or `majority`: they fit any type",
                    );
                }
                made.insert(name.as_str().into(), combine.value);
                continue;
            }
            let Some(attribute) = self.attribute(name, &combine.span) else { continue };
            if self.is_told(name, &combine.span) && !combine.takes(attribute.kind) {
                let message = format!("`{}` does not combine `{name}`, which is {}", combine.name(), attribute.kind);
                self.fault("route.combine", &combine.span, message);
            }
            made.insert(attribute.name.clone(), combine.value);
        }
        made
    }

    fn levels(&mut self, document: &Document) -> Vec<(Attribute, document::Level)> {
        let mut made = Vec::new();
        for (name, level) in &document.levels {
            let Some(attribute) = self.attribute(name, &level.span) else { continue };
            if !attribute.one_of.iter().map(|it| &**it).eq(LEVELS) {
                self.fault("route.level", &level.span, format!("`{name}` is no level"));
            }
            let is_number = self.attribute(&level.from, &level.span).is_some_and(|it| Combine::Max.takes(it.kind));
            if self.is_told(&level.from, &level.span) && !is_number {
                self.fault("route.level", &level.span, format!("`{}` is no score", level.from));
            }
            if ![level.low, level.medium, level.high, level.critical].is_sorted() {
                self.fault("route.level", &level.span, "the steps of a level go up: low, medium, high, critical");
            }
            // What only a refused connector tells makes no level.
            if self.serving.iter().flat_map(|it| it.provides()).any(|it| *it.name == *level.from) {
                made.push((attribute.clone(), level.value.clone()));
            }
        }
        made
    }

    fn assumed(&mut self, document: &Document) -> BTreeMap<Arc<str>, Value> {
        let mut made = BTreeMap::new();
        match (document.on_unavailable, &document.assume) {
            (OnUnavailable::Unknown, None) => {}
            (OnUnavailable::Unknown, Some(assume)) => {
                self.fault("route.assume", &assume.span, "`assume` goes with `on_unavailable: assume` only");
            }
            (OnUnavailable::Assume, None) => {
                let span = self.capability.span.clone();
                self.fault(
                    "route.assume",
                    &span,
                    "`on_unavailable: assume` needs `assume` with `because` and `values`",
                );
            }
            (OnUnavailable::Assume, Some(assume)) => {
                for (name, json) in &assume.values {
                    let is_level = document.levels.contains_key(name);
                    let Some(attribute) = self.attribute(name, &json.span) else { continue };
                    if !is_level && !self.is_told(name, &json.span) {
                        continue;
                    }
                    match value(json, attribute) {
                        Some(value) => drop(made.insert(attribute.name.clone(), value)),
                        None => self.fault(
                            "route.assume",
                            &json.span,
                            format!("`{}` is no value of `{name}`, which is {}", json.value, attribute.kind),
                        ),
                    }
                    self.warn(
                        "route.assumes",
                        &json.span,
                        format!("when nobody answers, `{name}` is taken to be `{}`", json.value),
                        "a value can let in whom `unknown` would not: `when_unsure` no longer speaks for it",
                    );
                }
            }
        }
        made
    }

    fn shadows(&mut self, documents: &[Spanned<document::Shadow>]) -> Vec<Shadow> {
        let mut made: Vec<Shadow> = Vec::new();
        for document in documents {
            let span = &document.span;
            let Some(connector) = self.connector(&document.connector, span) else { continue };
            let id = &connector.id;
            if self.serving.iter().any(|it| it.id == *id) || made.iter().any(|it| it.connector == *id) {
                self.fault("connector.twice", span, format!("`{id}` is listed twice"));
            }
            if connector.is_paid && document.spend_per_day.is_none() {
                self.fault("shadow.spend", span, format!("`{id}` costs money; say how much with `spend_per_day`"));
            }
            if connector.asks_secrets() {
                self.fault("shadow.secret", span, format!("`{id}` is asked about a secret, which is never tried out"));
            }
            let primary = self.serving.first().map_or(&[][..], |it| &it.sends);
            let more: Vec<&str> = connector.sends.iter().filter(|it| !primary.contains(it)).map(|it| &**it).collect();
            if !more.is_empty() && !document.may_send_more {
                let message = format!("`{id}` is sent `{}`, which the first connector is not", more.join("`, `"));
                let fault = Diagnostic::error("shadow.sends", self.file, span.clone(), message);
                self.found.push(fault.help("add `may_send_more: true` if it may know"));
            }
            made.push(Shadow {
                connector: id.clone(),
                sample_millionths: document.sample.millionths,
                spend_micros_per_day: document.spend_per_day.map(compile::micros),
                until_ms: document.until.begin_ms.saturating_add(86_400_000),
            });
        }
        made
    }

    fn hedge(&mut self, document: &Document) -> Option<Hedge> {
        let hedge = document.hedge.as_ref()?;
        if document.strategy == Strategy::All {
            self.fault("route.hedge", &hedge.span, "with `strategy: all` everybody is asked already");
        }
        if document.connectors.len() < 2 {
            self.fault("route.hedge", &hedge.span, "a hedge needs a second connector");
        }
        let extra_millionths = hedge.max_extra.map_or(EXTRA_MILLIONTHS, |it| it.millionths);
        Some(Hedge { after_ms: hedge.after.ms, extra_millionths })
    }

    fn breaker(&mut self, document: Option<&Spanned<document::Breaker>>) -> Breaker {
        let Some(document) = document else { return Breaker::default() };
        let usual = Breaker::default();
        let share = |share: Option<crate::yaml::units::Share>, usual| share.map_or(usual, |it| it.millionths);
        let length = |it: Option<crate::yaml::units::Duration>, usual: i64| {
            it.map_or(usual, |it| i64::try_from(it.ms).unwrap_or(i64::MAX))
        };
        let made = Breaker {
            failures: document.failures.unwrap_or(usual.failures),
            window: document.window.unwrap_or(usual.window),
            failure_millionths: share(document.failure_rate, usual.failure_millionths),
            slow_call_ms: document.slow_call.map(|it| it.ms),
            slow_millionths: share(document.slow_rate, usual.slow_millionths),
            open_ms: length(document.open_for, usual.open_ms),
            open_ms_max: length(document.open_at_most, usual.open_ms_max),
        };
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&made.window) {
            self.fault("route.breaker", &document.span, format!("`window` is {WINDOW_MIN} to {WINDOW_MAX} calls"));
        }
        if made.failures == 0 || made.failure_millionths == 0 || made.slow_millionths == 0 || made.open_ms == 0 {
            self.fault("route.breaker", &document.span, "a breaker that opens at 0, or for 0, is always or never open");
        }
        if document.slow_rate.is_some() && document.slow_call.is_none() {
            self.fault("route.breaker", &document.span, "`slow_rate` needs `slow_call`: from when on is a call slow?");
        }
        Breaker { open_ms_max: made.open_ms_max.max(made.open_ms), ..made }
    }

    /// Members whose turn never comes, because those before use up the time of the route.
    fn time(&mut self, document: &Document, members: &[Member]) {
        let Some(time_ms) = document.budget.and_then(|it| it.time).map(|it| it.ms) else { return };
        if document.strategy == Strategy::All {
            return;
        }
        let times = members.iter().zip(&self.serving);
        let times: Vec<u64> =
            times.map(|(member, it)| member.timeout_ms.unwrap_or(u64::MAX).min(it.timeout_ms())).collect();
        let before_last: u64 = times.iter().rev().skip(1).sum();
        if members.len() > 1 && before_last >= time_ms {
            let span = self.capability.span.clone();
            self.warn(
                "route.time",
                &span,
                format!("while the others stall ({before_last} ms) the route's {time_ms} ms are over before the last connector is asked"),
                "give the others shorter timeouts",
            );
        }
    }

    fn tests(&mut self, document: &Document) {
        let span = self.capability.span.clone();
        for test in &document.tests {
            if test.input.is_empty() && test.given.values().all(|it| it.fixture.is_none()) {
                self.fault("route.test", &span, format!("`{}`: say with `input` what is asked about", test.name));
            }
            for (id, given) in &test.given {
                if self.is_refused(id) {
                    continue;
                }
                let Some(connector) = self.serving.iter().copied().find(|it| *it.id == **id) else {
                    self.fault("route.test", &span, format!("`{}`: `{id}` is not in this route", test.name));
                    continue;
                };
                match (&given.fixture, given.fail) {
                    (Some(fixture), None) if connector.fixtures.iter().any(|it| *it.name == **fixture) => {}
                    (Some(fixture), None) => {
                        self.fault("route.test", &span, format!("`{}`: `{id}` has no fixture `{fixture}`", test.name));
                    }
                    (None, Some(_)) => {}
                    (Some(_), Some(_)) | (None, None) => {
                        self.fault(
                            "route.test",
                            &span,
                            format!("`{}`: give `{id}` a `fixture` or a `fail`", test.name),
                        );
                    }
                }
            }
        }
    }
}

/// A value that the attribute can have.
fn value(json: &Json, attribute: &Attribute) -> Option<Value> {
    let read = raw::plain(json)?.cast(attribute.kind)?;
    let allowed = match &read {
        Value::Text(text) => attribute.one_of.is_empty() || attribute.one_of.contains(text),
        Value::Int(_) | Value::Number(_) => attribute.range.is_none_or(|(low, high)| {
            matches!(read.clone().cast(Type::Number), Some(Value::Number(it)) if (low..=high).contains(&it))
        }),
        Value::Bool(_) | Value::Time(_) | Value::Duration(_) | Value::Ip(_) | Value::List(_) => true,
    };
    allowed.then_some(read)
}
