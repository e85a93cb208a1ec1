//! One walk through a policy's steps, top to bottom. `go_to` only goes forward, so every walk ends.

use std::sync::Arc;

use crate::{
    attribute::Cost,
    decide::{
        Answer,
        door::{self, Door},
        rules, strictness,
    },
    decision::{Came, Challenge, Decision, Forward, Obligations, Outcome, Reason, Scope, Trace, Verb},
    expr::SlotSet,
    facts::Facts,
    policy::{Arm, Gate, Mode, Policy, Rule, Slot, Split, Step, StepKind, Then},
    session::Method,
    split,
};

/// Where a step leads. The other way out of a step is a question: `Err(slots)`.
#[expect(clippy::large_enum_variant, reason = "one lives at a time, for the length of a call")]
enum Turn {
    Next,
    GoTo(usize),
    End(Decision),
}

/// The strictest rule that was reached and could not be decided.
struct Undecided<'a> {
    rank: Verb,
    step: &'a Arc<str>,
    rule: &'a Arc<str>,
}

pub(super) struct Walk<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    trace: Vec<Trace>,
    arms: Vec<(Arc<str>, Arc<str>)>,
    undecided: Option<Undecided<'a>>,
    /// What shadow steps would like to know: asked along with what matters, never paid for.
    observed: SlotSet,
}

impl<'a> Walk<'a> {
    pub(super) fn new(policy: &'a Policy, facts: &'a Facts) -> Self {
        Walk {
            policy,
            facts,
            trace: Vec::with_capacity(policy.steps.len()),
            arms: Vec::new(),
            undecided: None,
            observed: SlotSet::default(),
        }
    }

    pub(super) fn run(mut self) -> Answer {
        match self.flow().and_then(|spoken| self.conclude(spoken)) {
            Err(mut needed) => {
                needed.extend(self.observed);
                Answer::Needs(needed)
            }
            Ok(_) if !self.observed.is_empty() => Answer::Needs(self.observed),
            Ok(decision) => Answer::Decided(Decision { arms: self.arms, trace: self.trace, ..decision }),
        }
    }

    fn flow(&mut self) -> Result<Decision, SlotSet> {
        let mut at = 0;
        while let Some(step) = self.policy.steps.get(at) {
            at = match self.step(at, step)? {
                Turn::Next => at + 1,
                Turn::GoTo(later) if later > at && later < self.policy.steps.len() => later,
                Turn::GoTo(_) => return Ok(Decision::refused(Reason::Internal)),
                Turn::End(decision) => return Ok(decision),
            };
        }
        Ok(said(self.policy.otherwise.clone(), Reason::Otherwise))
    }

    fn step(&mut self, at: usize, step: &'a Step) -> Result<Turn, SlotSet> {
        match step.mode {
            Mode::Off => Ok(Turn::Next),
            Mode::Shadow => {
                self.observe(at, step);
                Ok(Turn::Next)
            }
            Mode::Enforce => match &step.kind {
                StepKind::Decide(rules) => self.rules(step, rules),
                StepKind::Require(gate) => self.gate(step, gate),
                StepKind::Split(split) => self.split(at, step, split),
                StepKind::Finish(then, obligations) => Ok(self.finish(step, then, obligations)),
            },
        }
    }

    fn rules(&mut self, step: &'a Step, rules: &'a [Rule]) -> Result<Turn, SlotSet> {
        let read = rules::read(self.policy, rules, self.facts);
        if !read.needed.is_empty() {
            return Err(self.cheap_first(read.needed));
        }
        if let Some((rank, rule)) = read.undecided {
            self.note(step, Some(&rule.label), Came::Undecided);
            if self.undecided.as_ref().is_none_or(|known| known.rank < rank) {
                self.undecided = Some(Undecided { rank, step: &step.label, rule: &rule.label });
            }
        }
        match read.fired {
            Some(rule) => {
                self.note(step, Some(&rule.label), Came::Fired);
                Ok(turn(&rule.then, Reason::Rule, step, Some(&rule.label), &rule.obligations))
            }
            None => {
                if read.undecided.is_none() {
                    self.note(step, None, Came::Silent);
                }
                Ok(Turn::Next)
            }
        }
    }

    fn gate(&mut self, step: &'a Step, gate: &'a Gate) -> Result<Turn, SlotSet> {
        let outcome = match self.look(gate)? {
            Door::Open(method) => {
                self.note(step, Some(&method_name(method)), Came::Passed);
                return Ok(Turn::Next);
            }
            Door::Shut(binding, approval) => Ok(Challenge {
                methods: gate.methods.clone(),
                fresh_for_ms: gate.fresh_for_ms,
                binding,
                attempts: gate.attempts,
                on_fail: Box::new(gate.on_fail.clone()),
                enrol_allowed: gate.enrol_allowed,
                approval,
            }),
            Door::Unbindable => Err(Reason::BindingUnknown),
        };
        self.note(step, None, Came::Shut);
        let decision = match outcome {
            Ok(challenge) => said(Outcome::Challenge(challenge), Reason::ProofRequired),
            Err(reason) => Decision::refused(reason),
        };
        Ok(Turn::End(Decision { step: Some(step.label.clone()), ..decision }))
    }

    fn split(&mut self, at: usize, step: &'a Step, split: &'a Split) -> Result<Turn, SlotSet> {
        let Some(arm) = self.assigned(split) else {
            return self.unassigned(at, step, split);
        };
        self.note(step, Some(&arm.name), Came::Assigned);
        self.arms.push((split.experiment.clone(), arm.name.clone()));
        self.arm(step, arm)
    }

    /// Nothing to stick to, so nobody to count: the strictest arm, outside the experiment.
    fn unassigned(&mut self, at: usize, step: &'a Step, split: &'a Split) -> Result<Turn, SlotSet> {
        match strictness::strictest_arm(self.policy, at, split) {
            Some(arm) => self.arm(step, arm),
            None => Ok(Turn::Next),
        }
    }

    fn arm(&mut self, step: &'a Step, arm: &'a Arm) -> Result<Turn, SlotSet> {
        let passed = match &arm.gate {
            Some(gate) => self.gate(step, gate)?,
            None => Turn::Next,
        };
        Ok(match (passed, arm.go_to) {
            (Turn::Next, Some(later)) => Turn::GoTo(later),
            (turn, _) => turn,
        })
    }

    fn assigned(&self, split: &'a Split) -> Option<&'a Arm> {
        let units = &self.facts.units;
        let wanted = match split.stick_to {
            Scope::Subject => &units.subject,
            Scope::Device => &units.device,
            Scope::Session | Scope::Ip | Scope::Pair => &units.session,
        };
        let unit = wanted.as_ref().or(units.session.as_ref())?;
        let arm = split::assign(&split.experiment, unit, split.arms.iter().map(|arm| arm.share))?;
        split.arms.get(arm)
    }

    fn finish(&mut self, step: &'a Step, then: &'a Then, obligations: &'a Obligations) -> Turn {
        self.note(step, None, Came::Fired);
        turn(then, Reason::Finish, step, None, obligations)
    }

    /// A shadow step: what it would have done goes into the trace, and nowhere else.
    fn observe(&mut self, at: usize, step: &'a Step) {
        let (label, came) = match &step.kind {
            StepKind::Decide(rules) => self.observe_rules(rules),
            StepKind::Require(gate) => self.observe_gate(gate),
            StepKind::Split(split) => {
                let arm = self.assigned(split).or_else(|| strictness::strictest_arm(self.policy, at, split));
                (arm.map(|arm| arm.name.clone()), Came::WouldHave)
            }
            StepKind::Finish(..) => (None, Came::WouldHave),
        };
        self.note(step, label.as_ref(), came);
    }

    fn observe_rules(&mut self, rules: &'a [Rule]) -> (Option<Arc<str>>, Came) {
        let read = rules::read(self.policy, rules, self.facts);
        if !read.needed.is_empty() {
            self.observed.extend(self.unpaid(read.needed));
            return (None, Came::Undecided);
        }
        match (read.fired, read.undecided) {
            (Some(rule), _) => (Some(rule.label.clone()), Came::WouldHave),
            (None, Some((_, rule))) => (Some(rule.label.clone()), Came::Undecided),
            (None, None) => (None, Came::Silent),
        }
    }

    fn look(&self, gate: &Gate) -> Result<Door, SlotSet> {
        let (methods, bind_to) = (&gate.methods, &gate.bind_to);
        door::look(self.policy, self.facts, methods, gate.fresh_for_ms, bind_to, gate.approvers.as_ref())
    }

    fn observe_gate(&mut self, gate: &'a Gate) -> (Option<Arc<str>>, Came) {
        match self.look(gate) {
            Err(needed) => {
                self.observed.extend(self.unpaid(needed));
                (None, Came::Undecided)
            }
            Ok(Door::Open(method)) => (Some(method_name(method)), Came::Passed),
            Ok(Door::Shut(..) | Door::Unbindable) => (None, Came::WouldHave),
        }
    }

    /// The stricter of what was spoken and, where a stricter rule could not be decided, `when_unsure`.
    /// Of two challenges the one that was spoken comes first; once it is met, the other is asked for.
    fn conclude(&self, spoken: Decision) -> Result<Decision, SlotSet> {
        let spoken = self.meet(spoken)?;
        let Some(undecided) = self.undecided.as_ref().filter(|it| it.rank > spoken.outcome.verb()) else {
            return Ok(spoken);
        };
        let unsure = self.meet(Decision {
            step: Some(undecided.step.clone()),
            rule: Some(undecided.rule.clone()),
            ..said(self.policy.when_unsure.clone(), Reason::WhenUnsure)
        })?;
        if unsure.outcome.verb() > spoken.outcome.verb() {
            return Ok(unsure);
        }
        match spoken.outcome.verb() {
            Verb::Forward => Ok(Decision { reason: unsure.reason, ..spoken }),
            Verb::Throttle | Verb::Challenge | Verb::Reroute | Verb::Block | Verb::LockOut => Ok(spoken),
        }
    }

    /// A challenge that a recorded proof meets already counts as `forward`; another one learns what it is bound to.
    fn meet(&self, decision: Decision) -> Result<Decision, SlotSet> {
        let challenge = match decision.outcome {
            // A gate that is shut was looked at a moment ago, with its own binding.
            Outcome::Challenge(challenge) if decision.reason != Reason::ProofRequired => challenge,
            outcome => return Ok(Decision { outcome, ..decision }),
        };
        let (outcome, reason) = match door::look(
            self.policy,
            self.facts,
            &challenge.methods,
            challenge.fresh_for_ms,
            &self.policy.binds,
            None,
        )? {
            Door::Open(_) => (Outcome::Forward(Forward::default()), Reason::ProofAccepted),
            Door::Shut(binding, _) => (Outcome::Challenge(Challenge { binding, ..challenge }), decision.reason),
            Door::Unbindable => (Outcome::Block, Reason::BindingUnknown),
        };
        Ok(Decision { outcome, reason, ..decision })
    }

    /// What of `needed` to ask for now. What the gateway knows by itself may settle it, so nobody outside is asked yet;
    /// what costs nothing may settle it, so what is paid for waits.
    fn cheap_first(&self, needed: SlotSet) -> SlotSet {
        let own = self.among(needed, Slot::is_own);
        if !own.is_empty() {
            return own;
        }
        let unpaid = self.unpaid(needed);
        if unpaid.is_empty() { needed } else { unpaid }
    }

    fn unpaid(&self, slots: SlotSet) -> SlotSet {
        self.among(slots, |slot| match slot.cost {
            Cost::Free | Cost::Cheap => true,
            Cost::Paid => false,
        })
    }

    fn among(&self, slots: SlotSet, wanted: impl Fn(&Slot) -> bool) -> SlotSet {
        let mut among = SlotSet::default();
        for at in slots.iter() {
            if self.policy.slots.get(usize::from(at.0)).is_some_and(&wanted) {
                among.insert(at);
            }
        }
        among
    }

    fn note(&mut self, step: &Step, label: Option<&Arc<str>>, came: Came) {
        self.trace.push(Trace { step: step.label.clone(), label: label.cloned(), came });
    }
}

fn turn(then: &Then, reason: Reason, step: &Step, rule: Option<&Arc<str>>, obligations: &Obligations) -> Turn {
    match then {
        Then::GoTo(later) => Turn::GoTo(*later),
        Then::Outcome(outcome) => Turn::End(Decision {
            step: Some(step.label.clone()),
            rule: rule.cloned(),
            obligations: obligations.clone(),
            ..said(outcome.clone(), reason)
        }),
    }
}

fn said(outcome: Outcome, reason: Reason) -> Decision {
    Decision { outcome, ..Decision::refused(reason) }
}

fn method_name(method: Method) -> Arc<str> {
    Arc::from(method.name())
}
