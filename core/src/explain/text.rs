//! An explanation as lines of text. What did not matter is left out: steps that were not reached are one line each.

use std::fmt::Write;

use crate::{
    decision::{Came, Decision, Reason, phrase::Span},
    explain::{AttributeExplained, Explanation, Part, RuleExplained, StepExplained},
    facts::{Path, Why},
    policy::{Mode, Policy},
};

/// See [`Explanation::text`].
pub(super) fn text(explanation: &Explanation) -> String {
    let mut lines = Lines { out: String::new(), attributes: &explanation.attributes };
    for step in &explanation.steps {
        lines.step(step);
    }
    if !explanation.needs.is_empty() {
        lines.line(0, &format!("… needs {}", explanation.needs.join(", ")));
    }
    if let Some(decision) = &explanation.decision {
        for (experiment, arm) in &decision.arms {
            lines.line(0, &format!("⑂ `{arm}` of experiment {experiment}"));
        }
        lines.line(0, &format!("⇒ {} ({})", decision.outcome, decision.reason));
        lines.line(0, &format!("  {}", decision.because));
    }
    lines.sources();
    lines.out
}

/// One sentence on what decided.
pub(super) fn because(policy: &Policy, decision: &Decision) -> String {
    let step = decision.step.as_deref().unwrap_or("the steps");
    let rule = decision.rule.as_deref().unwrap_or(step);
    match decision.reason {
        Reason::Rule => format!("rule `{rule}` in `{step}` is the first that holds"),
        Reason::ProofRequired => format!("`{step}` has no proof that is fresh and bound to these values"),
        Reason::Finish => format!("the flow ended in `{step}`"),
        Reason::Otherwise => "no step spoke, so `otherwise` holds".to_string(),
        Reason::WhenUnsure => {
            format!("`{rule}` could not be decided and is stricter, so `when_unsure` applies: {}", policy.when_unsure)
        }
        Reason::ProofAccepted => match decision.rule.as_deref().or(decision.step.as_deref()) {
            Some(by) => format!("the challenge of `{by}` was met by a recorded proof"),
            None => "the challenge was met by a recorded proof".to_string(),
        },
        Reason::BindingUnknown => format!("a value that the proof for `{rule}` would be bound to is unknown"),
        Reason::AttemptsSpent => format!("the attempts at `{rule}` are spent"),
        Reason::ChallengeImpossible
        | Reason::LockedOut
        | Reason::RateExceeded
        | Reason::PathAmbiguous
        | Reason::RequestMalformed
        | Reason::BodyTooLarge
        | Reason::BodyMalformed
        | Reason::BodyUnsupported
        | Reason::HostUnknown
        | Reason::TransportInsecure
        | Reason::CrossSite
        | Reason::StateUnavailable
        | Reason::ResumeGone
        | Reason::AppAsked
        | Reason::AppAskedAgain
        | Reason::AppMalformed
        | Reason::ResumeElsewhere
        | Reason::Internal => format!("refused before the policy was asked: {}", decision.reason.code()),
    }
}

struct Lines<'a> {
    out: String,
    attributes: &'a [AttributeExplained],
}

impl Lines<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn step(&mut self, step: &StepExplained) {
        let mode = match step.mode {
            Mode::Enforce => "",
            Mode::Shadow => " (shadow)",
            Mode::Off => " (off)",
        };
        if !step.reached {
            return self.line(0, &format!("- {} {}{mode}: not reached", step.kind, step.label));
        }
        self.line(0, &format!("{} {}{mode}", step.kind, step.label));
        for rule in &step.rules {
            self.rule(rule);
        }
        for trace in &step.came {
            let label = trace.label.as_deref().unwrap_or("");
            match trace.came {
                Came::Passed => self.line(1, &format!("✔ {label}")),
                Came::Shut => self.line(1, &format!("✘ no {}", step.demand.as_deref().unwrap_or("proof"))),
                Came::Assigned => self.line(1, &format!("⑂ arm `{label}`")),
                Came::WouldHave => self.line(1, &format!("~ would have spoken {label}")),
                Came::Silent | Came::Fired | Came::Undecided => {}
            }
        }
    }

    fn rule(&mut self, rule: &RuleExplained) {
        let sign = match (rule.read, rule.when.truth) {
            (false, _) => "-",
            (true, "true") => "✔",
            (true, "false") => "·",
            (true, _) => "?",
        };
        let values = if rule.when.parts.is_empty() && rule.read { self.values(&rule.when) } else { String::new() };
        let fired = if sign == "✔" { format!(" → {}", rule.then) } else { String::new() };
        self.line(1, &format!("{sign} {}{fired}  {values}", rule.label));
        if rule.read {
            rule.when.parts.iter().for_each(|it| self.part(3, it));
        }
    }

    fn part(&mut self, depth: usize, part: &Part) {
        let values = if part.parts.is_empty() { self.values(part) } else { String::new() };
        self.line(depth, &format!("{:<9} {}  {values}", part.truth.replace('_', " "), part.text));
        part.parts.iter().for_each(|it| self.part(depth + 1, it));
    }

    /// `[ip.is_tor false, event.amount not asked]`
    fn values(&self, part: &Part) -> String {
        let of = |name| self.attributes.iter().find(|it| it.name == name);
        let known = part.attributes.iter().filter_map(|name| of(name.clone()));
        let values: Vec<String> = known.map(|it| format!("{} {}", it.name, value(it))).collect();
        if values.is_empty() { String::new() } else { format!("[{}]", values.join(", ")) }
    }

    /// Where the values came from that did not come with the request.
    fn sources(&mut self) {
        for attribute in self.attributes {
            if let Some(from) = &attribute.provenance {
                let path = match from.path {
                    Path::Live => "",
                    Path::Cache => ", from the cache",
                    Path::FailOver => ", by fail-over",
                    Path::Hedge => ", asked because another was slow",
                    Path::Fill => ", which others did not tell",
                    Path::Combined => ", of several",
                    Path::Stale => ", from the cache, past its time",
                    Path::Default => ", the route's default",
                };
                let mut line = format!("  {} {} from {}", attribute.name, value(attribute), from.source);
                // Writing to a String cannot fail.
                let _ = write!(line, ", {} old{path}", Span(from.age_ms));
                self.line(0, &line);
            }
        }
        let not_asked: Vec<&str> = self.attributes.iter().filter(|it| it.not_asked).map(|it| &*it.name).collect();
        if !not_asked.is_empty() {
            self.line(0, &format!("  not asked: {}", not_asked.join(", ")));
        }
    }
}

fn value(attribute: &AttributeExplained) -> String {
    match (&attribute.value, attribute.unknown) {
        (Some(value), _) => value.clone(),
        (None, Some(Why::Absent)) => "absent".to_string(),
        (None, Some(Why::Mistyped)) => "mistyped".to_string(),
        (None, Some(Why::Unavailable)) => "unavailable".to_string(),
        (None, Some(Why::OverBudget)) => "over budget".to_string(),
        (None, Some(Why::NotProvided)) => "not provided".to_string(),
        (None, None) => "not asked".to_string(),
    }
}
