//! Documents to policies, or every diagnostic at once.
//!
//! A policy comes out only if nothing in it, or in a flow it uses, is an error; whoever loads a release decides what
//! an error elsewhere means. Nothing here looks at a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use crate::{
    attribute::Catalogue,
    diagnostic::{self, Diagnostic, Severity},
    policy::{
        Policy,
        document::{Document, Event, Flow},
    },
    session::Method,
    yaml,
};

mod across;
mod analyse;
mod conditions;
mod event;
mod names;
mod outcomes;
mod steps;

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file as the user names it.
    pub file: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// What the gateway that will run the policies can do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Methods this build can run; a policy that names another does not load.
    pub methods: BTreeSet<Method>,
    /// Names of upstreams that a request can be rerouted to; `None` where they are not known (`check` of a folder).
    pub upstreams: Option<BTreeSet<Arc<str>>>,
    /// Groups of people who may approve; `None` where they are not known (`check` of a folder).
    pub approvers: Option<BTreeSet<Arc<str>>>,
    /// Whether it can send mail, so that `notify` reaches somebody.
    pub can_mail: bool,
}

impl Default for Options {
    /// Every method, upstreams not known, mail.
    fn default() -> Self {
        Options { methods: Method::ALL.into_iter().collect(), upstreams: None, approvers: None, can_mail: true }
    }
}

/// Where something stands.
#[derive(Clone, Debug)]
struct Place {
    file: Arc<str>,
    span: Range<usize>,
}

impl Place {
    fn of(source: &Source, span: &Range<usize>) -> Self {
        Place { file: source.file.clone(), span: span.clone() }
    }

    fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.file, self.span.clone(), message)
    }

    fn warning(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(code, &self.file, self.span.clone(), message)
    }
}

/// What every event is compiled with.
struct Context<'a> {
    catalogue: &'a Catalogue,
    options: &'a Options,
    flows: BTreeMap<&'a str, (&'a Source, &'a Flow)>,
}

/// Compiles every event of these files; the policies are in the order of the files.
pub fn compile(sources: &[Source], catalogue: &Catalogue, options: &Options) -> (Vec<Policy>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut events: Vec<(&Source, Box<Event>)> = Vec::new();
    let mut flows: Vec<(&Source, Flow)> = Vec::new();
    for source in sources {
        match yaml::parse::<Document>(&source.file, &source.text) {
            Ok(Document::Event(event)) => events.push((source, event)),
            Ok(Document::Flow(flow)) => flows.push((source, flow)),
            Err(diagnostics) => found.extend(diagnostics),
        }
    }
    let flows = flows_by_name(&flows, &mut found);
    let context = Context { catalogue, options, flows };
    let mut used_flows: BTreeSet<&str> = BTreeSet::new();
    let mut policies = Vec::with_capacity(events.len());
    for (source, event) in &events {
        let (policy, diagnostics, flows) = event::compile(source, event, &context);
        found.extend(diagnostics);
        policies.extend(policy);
        used_flows.extend(flows);
    }
    for (name, (source, flow)) in context.flows.iter().filter(|(name, _)| !used_flows.contains(**name)) {
        found.push(
            Place::of(source, &flow.flow.span).warning("flow.unused", format!("no policy uses the flow `{name}`")),
        );
    }
    found.extend(across::check(&events));
    found.extend(across::never_raised(sources, &policies));
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let broken: BTreeSet<&str> = errors.map(|it| &*it.file).collect();
    policies.retain(|policy| !broken.contains(&*policy.file));
    (policies, in_order(found))
}

fn flows_by_name<'a>(
    flows: &'a [(&'a Source, Flow)],
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a str, (&'a Source, &'a Flow)> {
    let mut by_name = BTreeMap::new();
    for (source, flow) in flows {
        if by_name.insert(flow.flow.value.as_str(), (*source, flow)).is_some() {
            let message = format!("two flows are called `{}`", flow.flow.value);
            found.push(Place::of(source, &flow.flow.span).error("label.duplicate", message));
        }
    }
    by_name
}

/// By file and place, each finding once: a flow is compiled for every policy that uses it.
fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |it: &Diagnostic| (it.file.clone(), it.span.start, it.code);
    found.sort_by_cached_key(place);
    let mut once: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for diagnostic in found {
        let mut beside = once.iter().rev().take_while(|it| place(it) == place(&diagnostic));
        if !beside.any(|it| *it == diagnostic) {
            once.push(diagnostic);
        }
    }
    once
}

fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Advice that names what was probably meant.
fn suggest<'a>(diagnostic: Diagnostic, written: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    match diagnostic::nearest(written, known) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a step that asks for an approval, where these groups are known.
    fn said_of(groups: &[&str], step: &str) -> Vec<String> {
        let text = format!(
            "event: e\ncovers: [POST /e]\nfacts: {{ sum: {{ from: body.sum, type: number }} }}\nwhen_unsure: block\notherwise: forward\nsteps:\n  - {{ {step} }}\n"
        );
        let approvers = (!groups.is_empty()).then(|| groups.iter().map(|it| Arc::from(*it)).collect());
        let options = Options { approvers, ..Options::default() };
        let source = Source { file: "e.yaml".into(), text: text.as_str().into() };
        let (_, found) = compile(&[source], &Catalogue::builtin(), &options);
        found
            .iter()
            .map(|it| format!("{} {} {}", it.code, &text[it.span.clone()], it.help.clone().unwrap_or_default()))
            .collect()
    }

    #[test]
    fn an_approval_is_somebodys_and_of_something() {
        let bound = "require: a, proof: [approval], bind_to: [event.sum], approvers: payments";
        assert!(said_of(&["payments"], bound).is_empty(), "{:?}", said_of(&["payments"], bound));
        assert!(said_of(&[], bound).is_empty(), "where no groups are known any may be one");
        for (step, code) in [
            (
                "require: a, proof: [approval], bind_to: [event.sum], approvers: paymnets",
                "approvers.unknown paymnets did you mean `payments`?",
            ),
            (
                "require: a, proof: [approval], bind_to: [event.sum]",
                "approvers.missing approval add `approvers: <group>`; the groups are payments",
            ),
            ("require: a, proof: [totp], approvers: payments", "approvers.unused payments"),
            ("require: a, proof: [approval], approvers: payments", "approval.unbound approval"),
            ("finish: a, then: { challenge: [approval] }", "approvers.missing approval ask for it in a step `require`"),
        ] {
            let said = said_of(&["payments"], step);
            assert!(said.iter().any(|it| it.starts_with(code)), "{step}: {said:?}");
        }
    }

    fn said(options: &Options) -> Vec<String> {
        let text = "event: e\ncovers: [POST /e]\nwhen_unsure: { challenge: [push, totp] }\notherwise: { reroute: restricted }\n";
        let source = Source { file: "e.yaml".into(), text: text.into() };
        let (_, found) = compile(&[source], &Catalogue::builtin(), options);
        found.into_iter().map(|it| format!("{}: {} {}", it.code, it.message, it.help.unwrap_or_default())).collect()
    }

    #[test]
    fn methods_that_this_gateway_cannot_run_do_not_load() {
        let methods = [Method::Totp, Method::EmailCode].into();
        let found = said(&Options { methods, ..Options::default() });
        assert_eq!(found, ["method.not_built: this gateway cannot run `push` it can run totp, email_code"]);
    }

    #[test]
    fn upstreams_are_checked_where_they_are_known() {
        assert_eq!(said(&Options::default()), Vec::<String>::new());
        let upstreams = Some(["bank-restricted".into(), "restrictd".into()].into());
        let found = said(&Options { upstreams, ..Options::default() });
        assert_eq!(found, ["upstream.unknown: there is no upstream `restricted` did you mean `restrictd`?"]);
    }

    /// What is wrong with a policy that has these lines besides.
    fn codes(lines: &str) -> Vec<&'static str> {
        let text = format!(
            "event: e\ncovers: [POST /e]\nsucceeded: response.status == 200\nwhen_unsure: block\notherwise: block\n{lines}\n"
        );
        let source = Source { file: "e.yaml".into(), text: text.into() };
        let (policies, found) = compile(&[source], &Catalogue::builtin(), &Options::default());
        assert_eq!(policies.is_empty(), has_errors(&found), "{found:?}");
        found.into_iter().map(|it| it.code).collect()
    }

    #[test]
    fn only_whom_this_gateway_can_write_to_can_be_notified() {
        let finish = |notify: &str| codes(&format!("steps:\n  - finish: f\n    then: forward\n    notify: {notify}"));
        assert_eq!(finish("subject"), Vec::<&str>::new());
        assert_eq!(finish("[subject]"), Vec::<&str>::new());
        assert_eq!(finish("[subject, security]"), ["notify.not_built"]);
        assert_eq!(finish("soc"), ["notify.not_built"]);
    }

    #[test]
    fn an_answer_that_is_held_cannot_end_the_session() {
        assert_eq!(codes("ends_session: true"), Vec::<&str>::new());
        assert_eq!(codes("apply: after_success\nends_session: false"), Vec::<&str>::new());
        assert_eq!(codes("apply: after_success\nends_session: true"), ["ends_session.held"]);
    }

    #[test]
    fn what_lies_in_the_store_cannot_tell_which_event_a_request_is() {
        for name in ["device.is_known", "subject.age_days < 3.0"] {
            assert_eq!(codes(&format!("only_if: {name}")), ["only_if.cost"], "{name}");
        }
        assert_eq!(codes("only_if: device.age_days < 3.0"), Vec::<&str>::new());
    }
}
