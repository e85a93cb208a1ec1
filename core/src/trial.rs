//! The runner of `*.test.yaml`: tests of a policy, written like the policy.
//!
//! A case says what is true of a request, and what must come of it. It is decided by [`crate::decide::decide`] like a
//! real request, attribute by attribute, so that what was asked, and of whom, is part of what is tested. Nothing is
//! fetched: an attribute that a case does not mention is unknown. A file that cannot be used gives diagnostics, all at
//! once, and the cases that make sense are run all the same.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use serde::Serialize;

use crate::{
    attribute::Catalogue,
    decision::Came,
    diagnostic::{self, Diagnostic, Severity},
    explain::{self, Explanation},
    policy::{Policy, StepKind},
    trial::{
        document::{Case, Document},
        given::Names,
        play::Played,
    },
    yaml,
};

pub mod document;
mod expect;
mod given;
mod moment;
mod play;
#[cfg(test)]
mod tests;

/// What came of a file of tests.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The event that is tested, as written; empty where the file could not be read.
    pub event: Arc<str>,
    /// The cases that were run, in order.
    pub cases: Vec<CaseReport>,
    /// How many rules the policy has.
    pub rules: usize,
    /// Rules that fired in none of the cases, by label.
    pub never_fired: Vec<Arc<str>>,
    /// What is wrong with the file; a case that it concerns was not run.
    pub diagnostics: Vec<Diagnostic>,
}

/// What came of one case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// What it says about the policy.
    pub name: String,
    /// Whether that is so.
    pub passed: bool,
    /// The outcome it expects, as written.
    pub expected: String,
    /// The outcome that came, in the same words.
    pub got: String,
    /// Everything that is not as it expects; empty if it passed.
    pub faults: Vec<String>,
    /// Why it came out so.
    pub explanation: Explanation,
    /// Where the case stands in the file.
    pub span: Range<usize>,
}

impl Report {
    /// Whether the file is sound and every case passed.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.passed) && self.diagnostics.iter().all(|it| it.severity != Severity::Error)
    }
}

/// The JSON Schema of a file of tests.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Document)
}

/// Runs a file of tests against the policy of the event it names.
pub fn run(policies: &[Arc<Policy>], catalogue: &Catalogue, file: &Arc<str>, text: &str) -> Report {
    let document: Document = match yaml::parse(file, text) {
        Ok(document) => document,
        Err(diagnostics) => return unread("", diagnostics),
    };
    match policies.iter().find(|policy| *policy.event == **document.tests) {
        Some(policy) => run_all(policy, catalogue, file, &document),
        None => unread(&document.tests, vec![no_such_event(policies, file, &document)]),
    }
}

fn run_all(policy: &Policy, catalogue: &Catalogue, file: &Arc<str>, document: &Document) -> Report {
    let names = Names::new(policy, catalogue, file);
    let mut diagnostics = names.check_all(&document.usually);
    let mut fired = BTreeSet::new();
    let mut cases = Vec::new();
    for case in &document.cases {
        match play::play(&names, &document.usually, case) {
            Ok(played) => {
                fired.extend(rules_that_fired(&played));
                cases.push(judged(policy, case, case.span.clone(), played));
            }
            Err(faults) => diagnostics.extend(faults),
        }
    }
    let rules = rules_of(policy);
    let never_fired = rules.iter().filter(|label| !fired.contains(*label)).cloned().collect();
    Report { event: policy.event.clone(), cases, rules: rules.len(), never_fired, diagnostics }
}

fn judged(policy: &Policy, case: &Case, span: Range<usize>, played: Played) -> CaseReport {
    let faults = expect::faults(policy, case, &played);
    CaseReport {
        name: case.it.value.clone(),
        passed: faults.is_empty(),
        expected: case.expect.value.clone(),
        got: expect::got(&played),
        faults,
        explanation: explain::explain(policy, &played.facts),
        span,
    }
}

fn rules_that_fired(played: &Played) -> impl Iterator<Item = Arc<str>> + '_ {
    let trace = played.decision.iter().flat_map(|it| &it.trace);
    trace.filter(|it| matches!(it.came, Came::Fired | Came::WouldHave)).filter_map(|it| it.label.clone())
}

fn rules_of(policy: &Policy) -> Vec<Arc<str>> {
    let rules = policy.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Decide(rules) => Some(rules),
        StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => None,
    });
    rules.flatten().map(|rule| rule.label.clone()).collect()
}

fn unread(event: &str, diagnostics: Vec<Diagnostic>) -> Report {
    Report { event: event.into(), cases: Vec::new(), rules: 0, never_fired: Vec::new(), diagnostics }
}

fn no_such_event(policies: &[Arc<Policy>], file: &Arc<str>, document: &Document) -> Diagnostic {
    let message = format!("no policy is for the event `{}`", document.tests.value);
    let fault = Diagnostic::error("event.unknown", file, document.tests.span.clone(), message);
    let events: Vec<&str> = policies.iter().map(|policy| &*policy.event).collect();
    match diagnostic::nearest(&document.tests, events.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None if events.is_empty() => fault,
        None => fault.help(format!("the events are {}", events.join(", "))),
    }
}
