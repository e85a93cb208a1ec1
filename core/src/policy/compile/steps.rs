//! Steps as written, with flows put in place of `use`, to steps that can be walked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    attribute::Cost,
    diagnostic::Diagnostic,
    expr::{Named, Names},
    facts::SlotId,
    policy::{
        Arm, Gate, Mode, Rule, Split, Step, StepKind, Then,
        compile::{
            Context, Place, Source,
            conditions::{Builder, span_of},
            outcomes::{self, Demand},
            suggest,
        },
        document::{self, Event, Flow},
    },
    yaml::Spanned,
};

/// Most steps of a policy, flows put in: analysis looks at every way through them.
const STEPS_MAX: usize = 256;

/// The steps of an event in one row, each with the file it stands in.
pub(super) struct Placed<'a> {
    steps: Vec<(&'a Source, &'a Spanned<document::Step>)>,
    /// The flows that are used, once each.
    pub(super) flows: Vec<(&'a Source, &'a Flow)>,
}

/// Where the parts of a step stand.
pub(super) struct StepPlace {
    /// Its name.
    pub(super) name: Place,
    /// The conditions of its rules.
    pub(super) rules: Vec<RulePlace>,
}

/// Where the parts of a rule stand.
pub(super) struct RulePlace {
    pub(super) name: Place,
    pub(super) then: Place,
}

/// Puts the steps of flows in place of `use`.
pub(super) fn place<'a>(
    source: &'a Source,
    event: &'a Event,
    context: &Context<'a>,
    found: &mut Vec<Diagnostic>,
) -> Placed<'a> {
    let mut placed = Placed { steps: Vec::new(), flows: Vec::new() };
    for step in &event.steps {
        let document::Step::Use(name) = &step.value else {
            placed.steps.push((source, step));
            continue;
        };
        let Some((flow_source, flow)) = context.flows.get(name.value.as_str()) else {
            let error =
                Place::of(source, &name.span).error("flow.unknown", format!("there is no flow `{}`", name.value));
            found.push(suggest(error, name, context.flows.keys().copied()));
            continue;
        };
        if !placed.flows.iter().any(|(_, used)| std::ptr::eq(*used, *flow)) {
            placed.flows.push((flow_source, flow));
        }
        for inner in &flow.steps {
            if let document::Step::Use(inner) = &inner.value {
                let message = "a flow cannot use another flow";
                found.push(Place::of(flow_source, &inner.span).error("flow.nested", message));
            } else {
                placed.steps.push((flow_source, inner));
            }
        }
    }
    if placed.steps.len() > STEPS_MAX {
        let message = format!("{} steps; a policy has at most {STEPS_MAX}", placed.steps.len());
        found.push(Place::of(source, &event.event.span).error("steps.too_many", message));
        placed.steps.truncate(STEPS_MAX);
    }
    placed
}

impl<'a> Builder<'a> {
    /// The steps, and where they stand.
    pub(super) fn steps(&mut self, placed: &Placed<'a>) -> (Vec<Step>, Vec<StepPlace>) {
        let home = self.source;
        let labels = self.labels(placed);
        let mut steps = Vec::with_capacity(placed.steps.len());
        let mut places = Vec::with_capacity(placed.steps.len());
        for (at, (source, step)) in placed.steps.iter().enumerate() {
            self.source = source;
            let targets = Targets { labels: &labels, from: at };
            if let Some((step, place)) = self.step(&step.value, &targets) {
                steps.push(step);
                places.push(place);
            }
        }
        self.source = home;
        (steps, places)
    }

    /// Where each label is; every label and id is used once in a policy.
    fn labels(&mut self, placed: &Placed<'_>) -> BTreeMap<String, usize> {
        let mut labels = BTreeMap::new();
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for (at, (source, step)) in placed.steps.iter().enumerate() {
            let (name, id) = name_and_id(&step.value);
            if labels.insert(name.value.clone(), at).is_some() {
                let message = format!("two steps are called `{}`", name.value);
                self.found.push(Place::of(source, &name.span).error("label.duplicate", message));
            }
            names.extend(id);
            if let document::Step::Decide(_, decide) = &step.value {
                for rule in &decide.rules {
                    let repeated = !names.insert(&rule.name.value);
                    names.extend(rule.body.id.as_deref());
                    if repeated {
                        let message = format!("two rules are called `{}`", rule.name.value);
                        let place = Place::of(source, &rule.name.span);
                        self.found
                            .push(place.error("label.duplicate", message).help("names tell rules apart in statistics"));
                    }
                }
            }
        }
        labels
    }

    fn step(&mut self, step: &document::Step, targets: &Targets<'_>) -> Option<(Step, StepPlace)> {
        let (name, id) = name_and_id(step);
        let label: Arc<str> = name.value.as_str().into();
        let mut place = StepPlace { name: Place::of(self.source, &name.span), rules: Vec::new() };
        let (mode, kind) = match step {
            document::Step::Decide(_, decide) => {
                let built = decide.rules.iter().map(|rule| self.rule(rule, targets)).collect::<Vec<_>>();
                let mut rules = Vec::with_capacity(built.len());
                for (rule, at) in built.into_iter().flatten() {
                    rules.push(rule);
                    place.rules.push(at);
                }
                if decide.rules.is_empty() {
                    self.found.push(place.name.error("rules.empty", format!("`{label}` has no rules")));
                }
                (decide.mode, StepKind::Decide(rules))
            }
            document::Step::Require(_, require) => {
                let demand = Demand {
                    methods: &require.proof,
                    approvers: Some(require.approvers.as_ref()),
                    phishing_resistant: require.phishing_resistant.as_ref(),
                    fresh_for: require.fresh_for.as_ref(),
                    attempts: require.attempts.as_ref(),
                    on_fail: require.on_fail.as_ref(),
                    enrol: require.enrol.as_ref(),
                };
                (require.mode, StepKind::Require(self.gate(&demand, &require.bind_to, &place.name)?))
            }
            document::Step::Split(_, split) => (split.mode, StepKind::Split(self.split(split, targets, &place.name)?)),
            document::Step::Finish(_, finish) => {
                let then = self.then(&finish.then, targets)?;
                let notify = self.notified(finish.notify.as_ref());
                let with = outcomes::obligations(finish.tell.as_ref(), notify, &finish.tag, &finish.count);
                (finish.mode, StepKind::Finish(then, with))
            }
            document::Step::Use(_) => return None,
        };
        Some((Step { id: id.map_or_else(|| label.clone(), Arc::from), label, mode, kind }, place))
    }

    fn rule(&mut self, rule: &document::Rule, targets: &Targets<'_>) -> Option<(Rule, RulePlace)> {
        let place = RulePlace {
            name: Place::of(self.source, &rule.name.span),
            then: Place::of(self.source, &rule.body.then.span),
        };
        let (when, then) = (self.condition(&rule.body.when), self.then(&rule.body.then, targets));
        let label: Arc<str> = rule.name.value.as_str().into();
        let body = &rule.body;
        if body.when_is_empty() {
            let at = Place::of(self.source, &span_of(&body.when));
            self.found
                .push(Place { span: place.name.span.clone(), ..at }.error("condition.empty", "an empty condition"));
        }
        let notify = self.notified(body.notify.as_ref());
        let rule = Rule {
            id: body.id.as_deref().map_or_else(|| label.clone(), Arc::from),
            label,
            when: when?,
            then: then?,
            obligations: outcomes::obligations(body.tell.as_ref(), notify, &body.tag, &body.count),
        };
        Some((rule, place))
    }

    fn then(&mut self, written: &Spanned<document::Outcome>, targets: &Targets<'_>) -> Option<Then> {
        match &written.value {
            document::Outcome::GoTo(label) => self.target(label, targets).map(Then::GoTo),
            _ => self.outcome(written).map(Then::Outcome),
        }
    }

    /// The step that a `go_to` names: a later one, so that every policy ends.
    fn target(&mut self, label: &Spanned<String>, targets: &Targets<'_>) -> Option<usize> {
        let place = Place::of(self.source, &label.span);
        match targets.labels.get(&label.value) {
            Some(step) if *step > targets.from => Some(*step),
            Some(_) => {
                let message = format!("`{}` is not a later step", label.value);
                self.found
                    .push(place.error("go_to.backward", message).help("a flow goes forward only, so that it ends"));
                None
            }
            None => {
                let error = place.error("go_to.unknown", format!("there is no step `{}`", label.value));
                self.found.push(suggest(error, label, targets.labels.keys().map(String::as_str)));
                None
            }
        }
    }

    fn gate(&mut self, demand: &Demand<'_>, bind_to: &[Spanned<String>], place: &Place) -> Option<Gate> {
        let bound: Vec<Option<SlotId>> = bind_to.iter().map(|name| self.bound(name)).collect();
        if bind_to.is_empty() {
            self.unbound_approval(demand);
        }
        let demanded = self.demand(demand, place)?;
        Some(Gate {
            methods: demanded.methods,
            fresh_for_ms: demanded.fresh_for_ms,
            bind_to: bound.into_iter().collect::<Option<_>>()?,
            attempts: demanded.attempts,
            on_fail: demanded.on_fail,
            enrol_allowed: demanded.enrol_allowed,
            approvers: demanded.approvers,
        })
    }

    /// The attribute that a proof is bound to: one that is known with the request.
    fn bound(&mut self, name: &Spanned<String>) -> Option<SlotId> {
        let place = Place::of(self.source, &name.span);
        let path: Vec<&str> = name.split('.').collect();
        match self.names.resolve(&path, None) {
            Ok(Named::Slot { slot, .. }) if self.names.slot(slot).is_some_and(|slot| slot.cost == Cost::Free) => {
                Some(slot)
            }
            Ok(Named::Slot { .. }) => {
                let message = format!("a proof cannot be bound to `{}`, which has to be asked for", name.value);
                self.found.push(place.error("binding.cost", message));
                None
            }
            Ok(Named::Constant(_)) => {
                let message = format!("a proof cannot be bound to `{}`, which never changes", name.value);
                self.found.push(place.error("binding.constant", message));
                None
            }
            Err(unresolved) => {
                self.found
                    .push(Diagnostic { help: unresolved.help, ..place.error(unresolved.code, unresolved.message) });
                None
            }
        }
    }

    fn split(&mut self, split: &document::Split, targets: &Targets<'_>, place: &Place) -> Option<Split> {
        let arms: Vec<Option<Arm>> = split.arms.iter().map(|arm| self.arm(arm, targets)).collect();
        let total: u32 = split.arms.iter().map(|arm| u32::from(arm.share)).sum();
        if total != 100 {
            self.found.push(place.error("split.shares", format!("the shares total {total}, not 100")));
        }
        for (at, arm) in split.arms.iter().enumerate() {
            if split.arms.iter().take(at).any(|earlier| earlier.arm == arm.arm) {
                let message = format!("two arms are called `{}`", arm.arm);
                self.found.push(Place::of(self.source, &arm.span).error("label.duplicate", message));
            }
        }
        let stick_to = split.stick_to.value;
        if matches!(stick_to, crate::decision::Scope::Ip | crate::decision::Scope::Pair) {
            let message = "an arm sticks to a `subject`, a `session` or a `device`";
            self.found.push(Place::of(self.source, &split.stick_to.span).error("split.stick_to", message));
        }
        Some(Split {
            experiment: split.experiment.as_str().into(),
            stick_to,
            goal: split.goal.as_deref().map(Arc::from),
            guardrails: split.guardrails.iter().map(|it| it.as_str().into()).collect(),
            arms: arms.into_iter().collect::<Option<_>>()?,
        })
    }

    fn arm(&mut self, arm: &Spanned<document::Arm>, targets: &Targets<'_>) -> Option<Arm> {
        let place = Place::of(self.source, &arm.span);
        let gate = match &arm.require {
            Some(methods) => {
                let demand = Demand {
                    methods,
                    approvers: Some(arm.approvers.as_ref()),
                    phishing_resistant: arm.phishing_resistant.as_ref(),
                    fresh_for: arm.fresh_for.as_ref(),
                    attempts: arm.attempts.as_ref(),
                    on_fail: arm.on_fail.as_ref(),
                    enrol: arm.enrol.as_ref(),
                };
                Some(self.gate(&demand, &arm.bind_to, &place)?)
            }
            None => None,
        };
        let go_to = match &arm.go_to {
            Some(label) => Some(self.target(label, targets)?),
            None => None,
        };
        Some(Arm { name: arm.arm.as_str().into(), share: arm.share, gate, go_to })
    }
}

/// Where a `go_to` may lead.
pub(super) struct Targets<'a> {
    labels: &'a BTreeMap<String, usize>,
    from: usize,
}

fn name_and_id(step: &document::Step) -> (&Spanned<String>, Option<&str>) {
    match step {
        document::Step::Decide(name, it) => (name, it.id.as_deref()),
        document::Step::Require(name, it) => (name, it.id.as_deref()),
        document::Step::Split(name, it) => (name, it.id.as_deref()),
        document::Step::Finish(name, it) => (name, it.id.as_deref()),
        document::Step::Use(name) => (name, None),
    }
}

impl document::RuleBody {
    fn when_is_empty(&self) -> bool {
        match &self.when {
            document::When::One(_) => false,
            document::When::Lists(lists) => lists.all.is_empty() && lists.any.is_empty() && lists.none.is_empty(),
        }
    }
}

/// Whether a step has any effect.
pub(super) fn is_live(step: &Step) -> bool {
    match step.mode {
        Mode::Enforce => true,
        Mode::Shadow | Mode::Off => false,
    }
}
