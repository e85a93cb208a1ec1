//! The mapping language: CEL over `body`, `status`, `headers`, `input`, `config` and `derived`.
//!
//! A key that is missing, a null and any error of evaluation are unknown, never false and never 0. Secrets are no
//! names here. What an expression can cost is bounded at load (length, depth, loops) and while it runs (steps). Names,
//! functions and how many arguments they take are checked at load; a path costs no more than following it.

use std::sync::Arc;

use crate::{
    connector::mapping::{data::Data, eval::Machine, node::Node},
    expr::Fault,
    value::{Type, Value},
};

mod check;
pub mod data;
pub(crate) mod dates;
mod eval;
mod library;
mod node;
pub(crate) mod text;

/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 2048;
/// Most loops (`map`, `filter`, `exists`, `all`, `exists_one`) of an expression.
pub const LOOPS_MAX: usize = 3;
/// Most elements of a list that becomes an attribute.
const LIST_MAX: usize = 256;

/// What an expression may speak of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Whether there is an answer: `body`, `status`, `headers`.
    pub has_answer: bool,
    /// Names under `input`.
    pub inputs: Vec<Arc<str>>,
    /// Names under `config`.
    pub config: Vec<Arc<str>>,
    /// Names under `derived`.
    pub derived: Vec<Arc<str>>,
    /// Names under `headers`, lower case.
    pub headers: Vec<Arc<str>>,
}

/// The values that expressions are evaluated over.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub(crate) body: Data<'a>,
    pub(crate) status: Data<'a>,
    pub(crate) headers: Data<'a>,
    pub(crate) input: Data<'a>,
    pub(crate) config: &'a Data<'static>,
    pub(crate) derived: Data<'a>,
    pub(crate) now_ms: i64,
}

impl<'a> Scope<'a> {
    /// Before there is an answer. `now_ms` is the time of the event.
    pub fn asking(input: Data<'a>, config: &'a Data<'static>, derived: Data<'a>, now_ms: i64) -> Self {
        Scope { body: Data::Null, status: Data::Null, headers: Data::Map(Vec::new()), input, config, derived, now_ms }
    }

    /// The same with an answer.
    pub fn answered(self, status: u16, headers: Data<'a>, body: Data<'a>) -> Self {
        Scope { status: Data::Int(status.into()), headers, body, ..self }
    }
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something it reads is not there, or null.
    Missing,
    /// Something it reads is of another type.
    Mistyped,
    /// It took too many steps.
    TooLong,
}

/// A checked expression.
pub struct Expression {
    node: Node,
    text: Arc<str>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

impl Expression {
    /// Parses and checks an expression.
    pub fn parse(text: &str, names: &Names) -> Result<Self, Fault> {
        check::expression(text, names).map(|node| Expression { node, text: text.into() })
    }

    /// Its text as written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether it is a path, or one function of a path: no variable, no loop, nothing to branch on.
    pub fn is_simple(&self) -> bool {
        self.node.is_simple()
    }

    /// Whether its value comes from `==` or `!=` between a part of the answer and a constant. A null is no constant, so
    /// that what the vendor left open comes out as false.
    pub fn compares_bare(&self) -> bool {
        self.node.compares_bare()
    }

    /// The names of inputs and derived values that it reads.
    pub fn reads(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.node.reads(&mut found);
        found
    }

    /// What it comes to; never null.
    pub fn eval<'e>(&'e self, scope: &'e Scope<'e>) -> Result<Data<'e>, Stop> {
        match Machine::new(scope).run(&self.node)?.into_data() {
            Data::Null => Err(Stop::Missing),
            data => Ok(data),
        }
    }

    /// Whether it holds; unknown does not.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        matches!(self.eval(scope), Ok(Data::Bool(true)))
    }

    /// Whether it certainly does not hold.
    pub fn denies(&self, scope: &Scope<'_>) -> bool {
        matches!(self.eval(scope), Ok(Data::Bool(false)))
    }

    /// Its value as an attribute of a type.
    pub fn attribute(&self, scope: &Scope<'_>, kind: Type) -> Result<Value, Stop> {
        plain(&self.eval(scope)?).and_then(|value| value.cast(kind)).ok_or(Stop::Mistyped)
    }

    /// Its value as text: numbers and truth values as they are written in JSON.
    pub fn plain_text(&self, scope: &Scope<'_>) -> Option<String> {
        match self.eval(scope).ok()? {
            Data::Text(text) => Some(text.into_owned()),
            it @ (Data::Bool(_) | Data::Int(_) | Data::Number(_)) => Some(it.to_json().to_string()),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }
}

/// Data as a value of ours. A list is taken as a whole or not at all; nulls in it say nothing.
fn plain(data: &Data<'_>) -> Option<Value> {
    Some(match data {
        Data::Bool(it) => Value::Bool(*it),
        Data::Int(it) => Value::Int(*it),
        Data::Number(it) => Value::Number(*it),
        Data::Text(it) => Value::text(&**it),
        Data::List(items) => {
            let items = items.iter().filter(|item| !matches!(item, Data::Null));
            let items = items.map(|item| match item {
                Data::List(_) | Data::Map(_) => None,
                scalar => plain(scalar),
            });
            let items: Vec<Value> = items.collect::<Option<_>>()?;
            (items.len() <= LIST_MAX).then(|| Value::List(items.into()))?
        }
        Data::Null | Data::Map(_) => return None,
    })
}

#[cfg(test)]
mod tests;
