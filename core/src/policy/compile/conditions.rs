//! What is at hand while one event is compiled, and how its conditions are.

use crate::{
    diagnostic::{Diagnostic, Severity},
    expr::{self, Checked, Condition},
    policy::{
        compile::{
            Context, Place, Source,
            names::{self, Vocabulary},
        },
        document::{When, WhenLists},
    },
    yaml::{self, Spanned},
};

/// What is at hand while one event is compiled.
pub(super) struct Builder<'a> {
    pub(super) context: &'a Context<'a>,
    /// The file being read: the event's own, or that of a flow it uses.
    pub(super) source: &'a Source,
    pub(super) names: Vocabulary<'a>,
    pub(super) found: Vec<Diagnostic>,
}

impl Builder<'_> {
    /// A condition that may be absent, outside the steps.
    pub(super) fn condition_in(&mut self, place: names::Place, when: Option<&When>) -> Option<Condition> {
        self.names.place = place;
        let condition = when.and_then(|when| self.condition(when));
        self.names.place = names::Place::Step;
        condition
    }

    /// A condition; `None` where it has errors, which are noted.
    pub(super) fn condition(&mut self, when: &When) -> Option<Condition> {
        let checked = match when {
            When::One(text) => self.checked(text),
            When::Lists(lists) => self.lists(lists),
        }?;
        if let Some(always) = checked.constant() {
            let place = Place::of(self.source, &span_of(when));
            let message = format!("this is always {always}, whatever is known");
            self.found.push(place.warning("condition.constant", message));
        }
        Some(checked.compile())
    }

    fn lists(&mut self, lists: &WhenLists) -> Option<Checked> {
        let mut checked = |texts: &[Spanned<String>]| -> Vec<Option<Checked>> {
            texts.iter().map(|text| self.checked(text)).collect()
        };
        let (all, any, none) = (checked(&lists.all), checked(&lists.any), checked(&lists.none));
        let mut parts: Vec<Checked> = all.into_iter().collect::<Option<_>>()?;
        let any: Vec<Checked> = any.into_iter().collect::<Option<_>>()?;
        let none: Vec<Checked> = none.into_iter().collect::<Option<_>>()?;
        if !any.is_empty() {
            parts.push(Checked::any(any));
        }
        if !none.is_empty() {
            parts.push(Checked::none(none));
        }
        Some(Checked::all(parts))
    }

    fn checked(&mut self, text: &Spanned<String>) -> Option<Checked> {
        let (checked, faults) = expr::check(text, &mut self.names);
        for fault in faults {
            let span = yaml::inside(&self.source.text, &text.span, text, &fault.span);
            let diagnostic = match fault.severity {
                Severity::Error => Diagnostic::error(fault.code, &self.source.file, span, fault.message),
                Severity::Warning | Severity::Note => {
                    Diagnostic::warning(fault.code, &self.source.file, span, fault.message)
                }
            };
            self.found.push(Diagnostic { help: fault.help, ..diagnostic });
        }
        checked
    }
}

/// Where a condition stands; the first of its parts for lists.
pub(super) fn span_of(when: &When) -> std::ops::Range<usize> {
    match when {
        When::One(text) => text.span.clone(),
        When::Lists(lists) => {
            let first = lists.all.iter().chain(&lists.any).chain(&lists.none).next();
            first.map_or(0..0, |text| text.span.clone())
        }
    }
}
