//! Reading the rules of one `decide` step: which one speaks, which could not be decided, and what is worth asking.

use crate::{
    decide::strictness,
    decision::Verb,
    expr::{SlotSet, Truth},
    facts::{Facts, Reading},
    policy::{Policy, Rule},
};

/// What the rules of a step come to.
pub(super) struct Read<'a> {
    /// The first rule that is true.
    pub(super) fired: Option<&'a Rule>,
    /// The strictest rule before it that is unknown, and how strict it is.
    pub(super) undecided: Option<(Verb, &'a Rule)>,
    /// What to learn before any of this holds; every slot in it is pending.
    pub(super) needed: SlotSet,
}

/// A rule that is neither true nor false, and what would settle it: nothing where it is unknown for good.
struct Unsettled<'a> {
    rule: &'a Rule,
    slots: SlotSet,
}

/// Reads rules top to bottom, up to the first that is true.
pub(super) fn read<'a>(policy: &Policy, rules: &'a [Rule], facts: &Facts) -> Read<'a> {
    let mut fired = None;
    let mut unsettled: Vec<Unsettled> = Vec::new();
    for rule in rules {
        let mut wanted = SlotSet::default();
        match rule.when.eval(facts, &mut wanted) {
            Truth::False => {}
            Truth::True => {
                fired = Some(rule);
                break;
            }
            Truth::Unknown => unsettled.push(Unsettled { rule, slots: SlotSet::default() }),
            // A rule that waits for nothing that could be learnt is unknown, or waiting for it would never end.
            Truth::Pending => unsettled.push(Unsettled { rule, slots: pending(facts, wanted) }),
        }
    }
    Read { fired, undecided: strictest(policy, &unsettled, fired), needed: worth_asking(&unsettled, fired) }
}

/// The strictest of the unknown rules. One that leads where the fired rule leads changes nothing, whatever it is.
fn strictest<'a>(policy: &Policy, unsettled: &[Unsettled<'a>], fired: Option<&Rule>) -> Option<(Verb, &'a Rule)> {
    let mut strictest: Option<(Verb, &Rule)> = None;
    for Unsettled { rule, slots } in unsettled {
        if !slots.is_empty() || fired.is_some_and(|fired| fired.then == rule.then) {
            continue;
        }
        let rank = strictness::of_then(policy, &rule.then);
        if strictest.is_none_or(|(known, _)| known < rank) {
            strictest = Some((rank, rule));
        }
    }
    strictest
}

/// What open rules could use. The last ones before the fired rule are left out where they do just what it does.
fn worth_asking(unsettled: &[Unsettled], fired: Option<&Rule>) -> SlotSet {
    let same =
        |rule: &Rule| fired.is_some_and(|fired| rule.then == fired.then && rule.obligations == fired.obligations);
    let mut needed = SlotSet::default();
    for Unsettled { slots, .. } in unsettled.iter().rev().skip_while(|it| same(it.rule)) {
        needed.extend(*slots);
    }
    needed
}

fn pending(facts: &Facts, wanted: SlotSet) -> SlotSet {
    let mut pending = SlotSet::default();
    for slot in wanted.iter().filter(|slot| *facts.reading(*slot) == Reading::Pending) {
        pending.insert(slot);
    }
    pending
}
