//! Two vendors over the same questions: who knows more, whether they agree, and what one says in the other's scale.
//!
//! Equal scales do not make equal thresholds: a score of 20 of one vendor may be as rare as 70 of another. The proposed
//! `calibration` maps equal quantiles on each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value as Json;

use crate::quality::{
    calls::{self, Calls},
    line::{Beside, Call, Line, Log, Seen, Shadow},
    statistics::{self, Agreement},
};

/// What one call to each vendor costs, in millionths of the operator's currency; who is not there is free.
pub type Prices = BTreeMap<Arc<str>, u64>;

/// Points of a proposed calibration.
const POINTS: usize = 11;

/// What one vendor answered to one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    /// What came of it: an outcome class, or `cached`.
    pub class: Arc<str>,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// What it cost, in millionths of the operator's currency.
    pub price_micros: u64,
    /// What it said; a missing name is unknown.
    pub values: BTreeMap<Arc<str>, Json>,
}

/// Two vendors over the same questions.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// The first.
    pub first: Arc<str>,
    /// The second.
    pub second: Arc<str>,
    /// Questions that both were asked.
    pub questions: u64,
    /// How the first answers.
    pub first_calls: Calls,
    /// How the second answers.
    pub second_calls: Calls,
    /// Every attribute that either told.
    pub attributes: Vec<Compared>,
}

/// One attribute of two vendors.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Compared {
    /// Its name.
    pub attribute: Arc<str>,
    /// The share of questions to which the first knew it.
    pub first_coverage: Option<f64>,
    /// The share of questions to which the second knew it.
    pub second_coverage: Option<f64>,
    /// How often both knew it.
    pub both_known: u64,
    /// The share of these in which both said the same.
    pub agreement: Option<f64>,
    /// The interval in which that share lies with 95 % confidence.
    pub agreement_interval: Option<(f64, f64)>,
    /// For `true` and `false`.
    pub flags: Option<Flags>,
    /// For numbers.
    pub scores: Option<Scores>,
}

/// How two vendors say yes and no.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Flags {
    /// How often which of them said yes.
    pub counts: Agreement,
    /// Agreement beyond chance, from -1 to 1.
    pub kappa: Option<f64>,
    /// The probability of such a difference between their rates of yes, were there none.
    pub mcnemar_p: Option<f64>,
}

/// How two vendors count.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Scores {
    /// Whether they put things in the same order, from -1 to 1.
    pub spearman: Option<f64>,
    /// How far they are apart on average.
    pub mean_distance: f64,
    /// What the second says, in the scale of the first: a table for `calibration`.
    pub calibration: Option<Vec<[f64; 2]>>,
}

/// Compares two vendors by what they answered to the same questions, in order.
pub fn compare(names: (&Arc<str>, &Arc<str>), answers: &[(Answered, Answered)]) -> Comparison {
    let calls = |side: fn(&(Answered, Answered)) -> &Answered| {
        let mut calls = Calls::default();
        for it in answers.iter().map(side) {
            let call = Call { connector: Arc::default(), outcome: it.class.clone(), ms: it.ms };
            calls.add(&call, it.price_micros);
        }
        calls.summed()
    };
    let told: BTreeSet<&Arc<str>> =
        answers.iter().flat_map(|(first, second)| first.values.keys().chain(second.values.keys())).collect();
    Comparison {
        first: names.0.clone(),
        second: names.1.clone(),
        questions: answers.len() as u64,
        first_calls: calls(|it| &it.0),
        second_calls: calls(|it| &it.1),
        attributes: told.into_iter().map(|name| attribute(name, answers)).collect(),
    }
}

fn attribute(name: &Arc<str>, answers: &[(Answered, Answered)]) -> Compared {
    let pairs = answers.iter().map(|(first, second)| (first.values.get(name), second.values.get(name)));
    let known =
        |side: usize| pairs.clone().filter(|it| if side == 0 { it.0.is_some() } else { it.1.is_some() }).count();
    let both: Vec<(&Json, &Json)> = pairs.clone().filter_map(|(first, second)| first.zip(second)).collect();
    let same = both.iter().filter(|(first, second)| is_same(first, second)).count() as u64;
    let questions = answers.len() as u64;
    Compared {
        attribute: name.clone(),
        first_coverage: statistics::share(known(0) as u64, questions),
        second_coverage: statistics::share(known(1) as u64, questions),
        both_known: both.len() as u64,
        agreement: statistics::share(same, both.len() as u64),
        agreement_interval: statistics::wilson(same, both.len() as u64),
        flags: flags(&both),
        scores: scores(&both),
    }
}

fn is_same(first: &Json, second: &Json) -> bool {
    match (first.as_f64(), second.as_f64()) {
        (Some(first), Some(second)) => (first - second).abs() < 1e-9,
        (None, _) | (_, None) => first == second,
    }
}

fn flags(both: &[(&Json, &Json)]) -> Option<Flags> {
    let mut counts = Agreement::default();
    both.iter().filter_map(|(a, b)| a.as_bool().zip(b.as_bool())).for_each(|(a, b)| counts.add(a, b));
    (counts.pairs() > 0).then(|| Flags { counts, kappa: counts.kappa(), mcnemar_p: counts.mcnemar() })
}

fn scores(both: &[(&Json, &Json)]) -> Option<Scores> {
    let pairs: Vec<(f64, f64)> = both.iter().filter_map(|(a, b)| a.as_f64().zip(b.as_f64())).collect();
    if pairs.is_empty() {
        return None;
    }
    let mean_distance = pairs.iter().map(|(a, b)| (a - b).abs()).sum::<f64>() / pairs.len() as f64;
    let calibration = statistics::quantile_table(&pairs, POINTS);
    Some(Scores { spearman: statistics::spearman(&pairs), mean_distance, calibration })
}

/// What both vendors said about the same decisions of a log, by the decision's own signals or as a shadow. Only what was
/// asked of both is compared: a policy asks for some of what a vendor knows.
pub fn from_log(log: &Log, first: &str, second: &str, prices: &Prices) -> Vec<(Answered, Answered)> {
    let mut shadows: BTreeMap<&str, Vec<&Shadow>> = BTreeMap::new();
    log.shadows.iter().for_each(|it| shadows.entry(&it.decision).or_default().push(it));
    let pair = |line: &Line| {
        let aside = shadows.get(&*line.id).map_or(&[][..], Vec::as_slice);
        let of = |name: &str| {
            let shadow = || aside.iter().find(|it| *it.connector == *name).map(|it| tried(it, prices));
            served(line, name, prices).or_else(shadow)
        };
        let (mut one, mut other) = of(first).zip(of(second))?;
        let asked = |name: &Arc<str>| {
            let beside = |it: &&Shadow| it.attributes.iter().any(|it| it.attribute == *name);
            line.attributes.contains_key(name) && aside.iter().any(beside)
        };
        one.values.retain(|name, _| asked(name));
        other.values.retain(|name, _| asked(name));
        Some((one, other))
    };
    log.decisions.iter().filter_map(pair).collect()
}

fn tried(shadow: &Shadow, prices: &Prices) -> Answered {
    let said = |it: &Beside| Some((it.attribute.clone(), it.shadow.clone()?));
    let price_micros = if is_made(&shadow.outcome) { prices.get(&shadow.connector).copied().unwrap_or(0) } else { 0 };
    let values = shadow.attributes.iter().filter_map(said).collect();
    Answered { class: shadow.outcome.clone(), ms: shadow.ms, price_micros, values }
}

/// What a vendor said for a decision; `None` if it was not asked.
fn served(line: &Line, name: &str, prices: &Prices) -> Option<Answered> {
    let call =
        line.calls.iter().find(|it| *it.connector == *name && (is_made(&it.outcome) || &*it.outcome == "cached"))?;
    let told = |(attribute, seen): (&Arc<str>, &Seen)| {
        let mine = seen.source.as_deref() == Some(name);
        seen.value.clone().filter(|_| mine).map(|value| (attribute.clone(), value))
    };
    let price_micros = if is_made(&call.outcome) { prices.get(name).copied().unwrap_or(0) } else { 0 };
    let values = line.attributes.iter().filter_map(told).collect();
    Some(Answered { class: call.outcome.clone(), ms: call.ms, price_micros, values })
}

fn is_made(outcome: &str) -> bool {
    calls::is_answer(outcome) || calls::is_failure(outcome)
}

/// A vendor against everyone who was tried out in its shadow.
pub fn shadows(log: &Log, connector: &Arc<str>, prices: &Prices) -> Vec<Comparison> {
    let others: BTreeSet<&Arc<str>> =
        log.shadows.iter().map(|it| &it.connector).filter(|it| *it != connector).collect();
    let against = |other: &Arc<str>| {
        let answers = from_log(log, connector, other, prices);
        (!answers.is_empty()).then(|| compare((connector, other), &answers))
    };
    others.into_iter().filter_map(against).collect()
}
