//! Evaluates nodes over what is given, borrowing wherever it can.
//!
//! `&&`, `||`, `exists` and `all` absorb what is unknown as CEL does with errors; everything else passes it on.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    ops::Deref,
};

use crate::{
    connector::mapping::{
        Scope, Stop,
        data::{Data, ELEMENTS_MAX},
        node::{Node, Over, Root, Step},
    },
    expr::tree::{Relation, Sign},
};

/// Most nodes that one evaluation visits: some milliseconds.
const STEPS_MAX: u32 = 100_000;

/// A value that is given, or made.
#[derive(Debug)]
pub(super) enum Got<'e> {
    Given(&'e Data<'e>),
    Made(Data<'e>),
}

impl<'e> Deref for Got<'e> {
    type Target = Data<'e>;

    fn deref(&self) -> &Data<'e> {
        match self {
            Got::Given(data) => data,
            Got::Made(data) => data,
        }
    }
}

impl<'e> Got<'e> {
    pub(super) fn into_data(self) -> Data<'e> {
        match self {
            Got::Given(data) => data.clone(),
            Got::Made(data) => data,
        }
    }

    fn step(self, step: &Step) -> Result<Got<'e>, Stop> {
        match step {
            Step::Field(name) => self.field(name),
            Step::At(at) => self.at(*at),
        }
    }

    fn field(self, name: &str) -> Result<Got<'e>, Stop> {
        let found = match self {
            Got::Given(data @ (Data::Map(_) | Data::Null)) => data.field(name).map(Got::Given),
            Got::Made(Data::Map(fields)) => {
                fields.into_iter().find(|(it, _)| it == name).map(|(_, value)| Got::Made(value))
            }
            Got::Made(Data::Null) => None,
            Got::Given(_) | Got::Made(_) => return Err(Stop::Mistyped),
        };
        found.ok_or(Stop::Missing)
    }

    fn at(self, at: usize) -> Result<Got<'e>, Stop> {
        let found = match self {
            Got::Given(Data::List(items)) => items.get(at).map(Got::Given),
            Got::Made(Data::List(items)) => items.into_iter().nth(at).map(Got::Made),
            Got::Given(Data::Null) | Got::Made(Data::Null) => None,
            Got::Given(_) | Got::Made(_) => return Err(Stop::Mistyped),
        };
        found.ok_or(Stop::Missing)
    }
}

/// What an evaluation comes to.
pub(super) type Outcome<'e> = Result<Got<'e>, Stop>;

/// One evaluation.
pub(super) struct Machine<'e> {
    scope: &'e Scope<'e>,
    left: Cell<u32>,
    locals: RefCell<Vec<Got<'e>>>,
}

impl<'e> Machine<'e> {
    pub(super) fn new(scope: &'e Scope<'e>) -> Self {
        Machine { scope, left: Cell::new(STEPS_MAX), locals: RefCell::default() }
    }

    pub(super) fn run(&self, node: &'e Node) -> Outcome<'e> {
        self.left.set(self.left.get().checked_sub(1).ok_or(Stop::TooLong)?);
        match node {
            Node::Literal(data) => Ok(Got::Given(data)),
            Node::Path(root, steps) => self.path(*root, steps),
            Node::Of(of, step) => self.run(of)?.step(step),
            Node::Index(of, at) => match &*self.run(at)? {
                Data::Text(name) => self.run(of)?.field(name),
                Data::Int(at) => self.run(of)?.at(usize::try_from(*at).map_err(|_| Stop::Missing)?),
                Data::Null => Err(Stop::Missing),
                Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => Err(Stop::Mistyped),
            },
            Node::OrValue(of, otherwise) => match self.run(of) {
                Err(Stop::Missing) => self.run(otherwise),
                other => other,
            },
            Node::List(nodes) => {
                let items = nodes.iter().map(|node| self.copy(self.run(node)?));
                Ok(Got::Made(Data::List(items.collect::<Result<_, _>>()?)))
            }
            Node::Map(entries) => {
                let fields = entries.iter().map(|(name, node)| Ok(((&**name).into(), self.copy(self.run(node)?)?)));
                Ok(Got::Made(Data::Map(fields.collect::<Result<_, _>>()?)))
            }
            Node::Not(of) => self.truth(of).map(|it| made(!it)),
            Node::Minus(of) => match &*self.run(of)? {
                Data::Int(it) => it.checked_neg().map(|it| Got::Made(Data::Int(it))).ok_or(Stop::Mistyped),
                Data::Number(it) => Ok(Got::Made(Data::Number(-it))),
                other => Err(why(other)),
            },
            Node::All(nodes) => self.absorb(nodes.iter().map(|node| self.truth(node)), false),
            Node::Any(nodes) => self.absorb(nodes.iter().map(|node| self.truth(node)), true),
            Node::Choose(three) => {
                let [when, then, otherwise] = &**three;
                self.run(if self.truth(when)? { then } else { otherwise })
            }
            Node::In(two) => {
                let [item, list] = &**two;
                let (item, list) = (self.run(item)?, self.run(list)?);
                match (&*item, &*list) {
                    (item, Data::List(items)) => {
                        self.spend(items.len())?;
                        Ok(made(items.iter().any(|it| equal(it, item))))
                    }
                    (Data::Text(name), map @ Data::Map(fields)) => {
                        self.spend(fields.len() / 16)?;
                        Ok(made(map.field(name).is_some()))
                    }
                    (_, other) => Err(why(other)),
                }
            }
            Node::Compare(relation, two) => {
                let [one, two] = &**two;
                let (one, two) = (self.run(one)?, self.run(two)?);
                compare(*relation, &one, &two).map(made)
            }
            Node::Arithmetic(sign, two) => {
                let [one, two] = &**two;
                let made = arithmetic(*sign, self.run(one)?, self.run(two)?)?;
                self.spend(weight(&made))?;
                Ok(Got::Made(made))
            }
            Node::Has(of) => match self.run(of) {
                Ok(_) => Ok(made(true)),
                Err(Stop::Missing) => Ok(made(false)),
                Err(other) => Err(other),
            },
            Node::Matches(of, pattern) => match &*self.run(of)? {
                Data::Text(text) => Ok(made(pattern.is_match(text))),
                other => Err(why(other)),
            },
            Node::Loop(over, list, body) => self.each(*over, list, body),
            Node::Call(function, args) => {
                let args: Vec<Got<'e>> = args.iter().map(|arg| self.run(arg)).collect::<Result<_, _>>()?;
                let got = function.call(args, self.scope.now_ms)?;
                if let Got::Made(made) = &got {
                    self.spend(weight(made))?;
                }
                Ok(got)
            }
        }
    }

    fn spend(&self, steps: usize) -> Result<(), Stop> {
        let steps = u32::try_from(steps).map_err(|_| Stop::TooLong)?;
        self.left.set(self.left.get().checked_sub(steps).ok_or(Stop::TooLong)?);
        Ok(())
    }

    /// A value of its own; copying costs steps, so that no expression can make much out of little.
    fn copy(&self, got: Got<'e>) -> Result<Data<'e>, Stop> {
        self.spend(weight(&got))?;
        Ok(got.into_data())
    }

    fn path(&self, root: Root, steps: &[Step]) -> Outcome<'e> {
        let scope = self.scope;
        let mut got = match root {
            Root::Body => Got::Given(&scope.body),
            Root::Status => Got::Given(&scope.status),
            Root::Headers => Got::Given(&scope.headers),
            Root::Input => Got::Given(&scope.input),
            Root::Config => Got::Given(scope.config),
            Root::Derived => Got::Given(&scope.derived),
            Root::Local(at) => match self.locals.borrow().get(at) {
                Some(Got::Given(data)) => Got::Given(data),
                Some(Got::Made(data)) => Got::Made(data.clone()),
                None => return Err(Stop::Missing),
            },
        };
        for step in steps {
            got = got.step(step)?;
        }
        Ok(got)
    }

    fn truth(&self, node: &'e Node) -> Result<bool, Stop> {
        match &*self.run(node)? {
            Data::Bool(it) => Ok(*it),
            other => Err(why(other)),
        }
    }

    /// `decides` if any is; what cannot be told if none is and one cannot; else the opposite.
    fn absorb(&self, truths: impl Iterator<Item = Result<bool, Stop>>, decides: bool) -> Outcome<'e> {
        let mut unknown = None;
        for truth in truths {
            match truth {
                Ok(it) if it == decides => return Ok(made(decides)),
                Ok(_) => {}
                Err(Stop::TooLong) => return Err(Stop::TooLong),
                Err(stop) => unknown = Some(stop),
            }
        }
        unknown.map_or(Ok(made(!decides)), Err)
    }

    fn each(&self, over: Over, list: &'e Node, body: &'e Node) -> Outcome<'e> {
        let items: Vec<Got<'e>> = match self.run(list)? {
            Got::Given(Data::List(items)) => items.iter().map(Got::Given).collect(),
            Got::Made(Data::List(items)) => items.into_iter().map(Got::Made).collect(),
            Got::Given(Data::Map(fields)) => fields.iter().map(|(name, _)| Got::Made(Data::text(&**name))).collect(),
            Got::Made(Data::Map(fields)) => fields.into_iter().map(|(name, _)| Got::Made(Data::Text(name))).collect(),
            other => return Err(why(&other)),
        };
        self.spend(items.len())?;
        let with = |item: Got<'e>| -> (Outcome<'e>, Option<Got<'e>>) {
            self.locals.borrow_mut().push(item);
            let got = self.run(body);
            (got, self.locals.borrow_mut().pop())
        };
        let truth = |item: Got<'e>| -> (Result<bool, Stop>, Option<Got<'e>>) {
            let (got, item) = with(item);
            let truth = got.and_then(|got| match &*got {
                Data::Bool(it) => Ok(*it),
                other => Err(why(other)),
            });
            (truth, item)
        };
        match over {
            Over::Map => {
                let items = items.into_iter().map(|item| self.copy(with(item).0?));
                Ok(Got::Made(Data::List(items.collect::<Result<_, _>>()?)))
            }
            Over::Filter => {
                let mut kept = Vec::new();
                for item in items {
                    let (truth, item) = truth(item);
                    if let (true, Some(item)) = (truth?, item) {
                        kept.push(self.copy(item)?);
                    }
                }
                Ok(Got::Made(Data::List(kept)))
            }
            Over::Exists => self.absorb(items.into_iter().map(|item| truth(item).0), true),
            Over::All => self.absorb(items.into_iter().map(|item| truth(item).0), false),
            Over::ExistsOne => {
                let mut count = 0;
                for item in items {
                    count += u32::from(truth(item).0?);
                }
                Ok(made(count == 1))
            }
        }
    }
}

/// About how much memory a value takes, in units of 64 bytes.
fn weight(data: &Data<'_>) -> usize {
    match data {
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Number(_) => 1,
        Data::Text(text) => 1 + text.len() / 64,
        Data::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Data::Map(fields) => 1 + fields.iter().map(|(_, value)| 1 + weight(value)).sum::<usize>(),
    }
}

fn made<'e>(truth: bool) -> Got<'e> {
    Got::Made(Data::Bool(truth))
}

/// Why a value does not do: null is nothing, anything else is of another type.
pub(super) fn why(data: &Data<'_>) -> Stop {
    if matches!(data, Data::Null) { Stop::Missing } else { Stop::Mistyped }
}

fn equal(one: &Data<'_>, two: &Data<'_>) -> bool {
    match (one, two) {
        (Data::Int(one), Data::Number(two)) | (Data::Number(two), Data::Int(one)) => *one as f64 == *two,
        (Data::List(one), Data::List(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| equal(one, two))
        }
        _ => one == two,
    }
}

fn compare(relation: Relation, one: &Data<'_>, two: &Data<'_>) -> Result<bool, Stop> {
    match relation {
        Relation::Equal => return Ok(equal(one, two)),
        Relation::NotEqual => return Ok(!equal(one, two)),
        Relation::Less | Relation::AtMost | Relation::Greater | Relation::AtLeast => {}
    }
    let order: Option<Ordering> = match (one, two) {
        (Data::Int(one), Data::Int(two)) => Some(one.cmp(two)),
        (Data::Number(one), Data::Number(two)) => one.partial_cmp(two),
        (Data::Int(one), Data::Number(two)) => (*one as f64).partial_cmp(two),
        (Data::Number(one), Data::Int(two)) => one.partial_cmp(&(*two as f64)),
        (Data::Text(one), Data::Text(two)) => Some(one.cmp(two)),
        (Data::Bool(one), Data::Bool(two)) => Some(one.cmp(two)),
        (Data::Null, _) | (_, Data::Null) => return Err(Stop::Missing),
        _ => None,
    };
    order.map(|order| relation.holds(order)).ok_or(Stop::Mistyped)
}

fn arithmetic<'e>(sign: Sign, one: Got<'e>, two: Got<'e>) -> Result<Data<'e>, Stop> {
    let number = |it: f64| if it.is_finite() { Ok(Data::Number(it)) } else { Err(Stop::Mistyped) };
    let apart = |one: f64, two: f64| match sign {
        Sign::Plus => number(one + two),
        Sign::Minus => number(one - two),
        Sign::Times => number(one * two),
        Sign::Divide => number(one / two),
        Sign::Remainder => Err(Stop::Mistyped),
    };
    match (&*one, &*two) {
        (Data::Int(one), Data::Int(two)) => match sign {
            Sign::Plus => one.checked_add(*two),
            Sign::Minus => one.checked_sub(*two),
            Sign::Times => one.checked_mul(*two),
            Sign::Divide => one.checked_div(*two),
            Sign::Remainder => one.checked_rem(*two),
        }
        .map(Data::Int)
        .ok_or(Stop::Mistyped),
        (Data::Number(one), Data::Number(two)) => apart(*one, *two),
        (Data::Int(one), Data::Number(two)) => apart(*one as f64, *two),
        (Data::Number(one), Data::Int(two)) => apart(*one, *two as f64),
        (Data::Text(one), Data::Text(two)) if sign == Sign::Plus => Ok(Data::text(format!("{one}{two}"))),
        (Data::List(first), Data::List(second)) if sign == Sign::Plus => {
            if first.len() + second.len() > ELEMENTS_MAX {
                return Err(Stop::TooLong);
            }
            Ok(Data::List(first.iter().chain(second).cloned().collect()))
        }
        (Data::Null, _) | (_, Data::Null) => Err(Stop::Missing),
        _ => Err(Stop::Mistyped),
    }
}
