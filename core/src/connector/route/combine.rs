//! Several answers about one attribute become one. Who did not answer, or does not know, has no vote.

use std::sync::Arc;

use crate::{
    connector::route::document::Combine,
    value::{Type, Value},
};

/// A value and what it weighs.
pub type Vote<'a> = (&'a Value, f64);

impl Combine {
    /// The word for it, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Combine::First => "first",
            Combine::Any => "any",
            Combine::All => "all",
            Combine::Majority => "majority",
            Combine::Max => "max",
            Combine::Min => "min",
            Combine::Average => "average",
            Combine::WeightedAverage => "weighted_average",
            Combine::Median => "median",
            Combine::NoisyOr => "noisy_or",
            Combine::Union => "union",
        }
    }

    /// Whether values of this type can be combined so.
    pub fn takes(self, kind: Type) -> bool {
        match self {
            Combine::First | Combine::Majority => true,
            Combine::Any | Combine::All => kind == Type::Bool,
            Combine::Max | Combine::Min => matches!(kind, Type::Int | Type::Number),
            Combine::Average | Combine::WeightedAverage | Combine::Median | Combine::NoisyOr => kind == Type::Number,
            Combine::Union => kind == Type::List,
        }
    }

    /// The one value of several votes, best connector first; `None` where there is none, or they cannot be combined so.
    pub fn of(self, votes: &[Vote<'_>]) -> Option<Value> {
        let first = votes.first()?.0;
        match self {
            Combine::First => Some(first.clone()),
            Combine::Any => bools(votes).map(|mut said| Value::Bool(said.any(|it| it))),
            Combine::All => bools(votes).map(|mut said| Value::Bool(said.all(|it| it))),
            Combine::Majority => majority(votes),
            Combine::Max => numbers(votes)?.into_iter().reduce(f64::max).and_then(|it| of_kind(it, first)),
            Combine::Min => numbers(votes)?.into_iter().reduce(f64::min).and_then(|it| of_kind(it, first)),
            Combine::Average => {
                let all = numbers(votes)?;
                Some(Value::Number(all.iter().sum::<f64>() / all.len() as f64))
            }
            Combine::WeightedAverage => {
                let all = numbers(votes)?;
                let total: f64 = votes.iter().map(|(_, weight)| weight).sum();
                let sum: f64 = all.iter().zip(votes).map(|(number, (_, weight))| number * weight).sum();
                (total > 0.0).then(|| Value::Number(sum / total))
            }
            Combine::Median => numbers(votes).and_then(median),
            Combine::NoisyOr => {
                let spared: f64 = numbers(votes)?.iter().map(|it| 1.0 - (it / 100.0).clamp(0.0, 1.0)).product();
                Some(Value::Number(100.0 * (1.0 - spared)))
            }
            Combine::Union => union(votes),
        }
    }
}

fn bools<'a>(votes: &'a [Vote<'a>]) -> Option<impl Iterator<Item = bool> + 'a> {
    let read = |value: &Value| if let Value::Bool(it) = value { Some(*it) } else { None };
    let all_are = votes.iter().all(|(value, _)| read(value).is_some());
    all_are.then(|| votes.iter().filter_map(move |(value, _)| read(value)))
}

fn numbers(votes: &[Vote<'_>]) -> Option<Vec<f64>> {
    let read = |value: &Value| match value.clone().cast(Type::Number) {
        Some(Value::Number(it)) => Some(it),
        Some(_) | None => None,
    };
    votes.iter().map(|(value, _)| read(value)).collect()
}

/// A number as the type that the votes have.
fn of_kind(number: f64, first: &Value) -> Option<Value> {
    Value::Number(number).cast(first.kind())
}

/// The value that most have; between equals the one that was said first.
fn majority(votes: &[Vote<'_>]) -> Option<Value> {
    let count = |value: &Value| votes.iter().filter(|(other, _)| *other == value).count();
    let most = votes.iter().map(|(value, _)| count(value)).max()?;
    votes.iter().map(|(value, _)| *value).find(|value| count(value) == most).cloned()
}

fn median(mut numbers: Vec<f64>) -> Option<Value> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = *numbers.get((numbers.len() - 1) / 2)?;
    Some(Value::Number(f64::midpoint(lower, upper)))
}

/// At most as many elements as a list may have.
fn union(votes: &[Vote<'_>]) -> Option<Value> {
    const ELEMENTS_MAX: usize = 256;
    let mut all: Vec<Value> = Vec::new();
    for (value, _) in votes {
        let Value::List(items) = value else { return None };
        for item in items.iter() {
            if all.len() < ELEMENTS_MAX && !all.contains(item) {
                all.push(item.clone());
            }
        }
    }
    Some(Value::List(Arc::from(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(combine: Combine, values: &[Value], expected: Option<Value>) {
        let votes: Vec<Vote<'_>> = values.iter().zip([1.0, 3.0, 1.0, 1.0]).collect();
        assert_eq!(combine.of(&votes), expected, "{combine:?} of {values:?}");
    }

    #[test]
    fn several_answers_become_one_as_the_route_says() {
        let (t, f) = (Value::Bool(true), Value::Bool(false));
        let number = Value::Number;
        let scores = [number(20.0), number(60.0), number(100.0)];
        for (combine, values, expected) in [
            (Combine::First, &scores[..], number(20.0)),
            (Combine::Max, &scores, number(100.0)),
            (Combine::Min, &scores, number(20.0)),
            (Combine::Average, &scores, number(60.0)),
            (Combine::WeightedAverage, &scores, number(60.0)),
            (Combine::WeightedAverage, &scores[..2], number(50.0)),
            (Combine::Median, &scores, number(60.0)),
            (Combine::Median, &scores[..2], number(40.0)),
            (Combine::NoisyOr, &scores[..2], number(68.0)),
            (Combine::NoisyOr, &scores, number(100.0)),
            (Combine::Max, &[Value::Int(3), Value::Int(7)], Value::Int(7)),
            (Combine::Any, &[f.clone(), t.clone()], t.clone()),
            (Combine::Any, std::slice::from_ref(&f), f.clone()),
            (Combine::All, &[f.clone(), t.clone()], f.clone()),
            (Combine::All, &[t.clone(), t.clone()], t.clone()),
            (Combine::Majority, &[f.clone(), t.clone(), t.clone()], t.clone()),
            (Combine::Majority, &[f.clone(), t.clone()], f.clone()),
            (Combine::Majority, &[Value::text("NL"), Value::text("DE"), Value::text("DE")], Value::text("DE")),
        ] {
            check(combine, values, Some(expected));
        }
        let list = |words: &[&str]| Value::List(words.iter().map(|it| Value::text(*it)).collect());
        check(Combine::Union, &[list(&["a", "b"]), list(&["b", "c"])], Some(list(&["a", "b", "c"])));
    }

    #[test]
    fn no_vote_and_votes_of_another_type_make_no_value() {
        let all = [
            Combine::Any,
            Combine::All,
            Combine::Max,
            Combine::Min,
            Combine::Average,
            Combine::WeightedAverage,
            Combine::Median,
            Combine::NoisyOr,
            Combine::Union,
        ];
        for combine in all {
            check(combine, &[], None);
            check(combine, &[Value::text("high")], None);
        }
        check(Combine::First, &[], None);
        check(Combine::Majority, &[], None);
    }
}
