//! The syntax tree of a condition. Every node knows where it stands in the text.

use std::ops::Range;

/// A sub-expression and its bytes in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ast {
    pub(crate) expr: Expr,
    pub(crate) span: Range<usize>,
    /// Levels of nodes in it, 1 for a leaf.
    pub(crate) depth: u16,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    Ident(String),
    /// `operand.field`.
    Select(Box<Ast>, String),
    /// `operand.?field`; only mappings of connectors know it.
    Maybe(Box<Ast>, String),
    List(Vec<Ast>),
    /// `{key: value}`; only mappings of connectors know it.
    Map(Vec<(Ast, Ast)>),
    /// An operator or a function.
    Call(Call),
}

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    Null,
}

/// An operator or a function with what it is applied to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: Name,
    /// Where the name of a function stands.
    pub(crate) at: Range<usize>,
    /// What a method is called on.
    pub(crate) target: Option<Box<Ast>>,
    pub(crate) args: Vec<Ast>,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `&&`, with two operands or more.
    And,
    /// `||`, with two operands or more.
    Or,
    Not,
    Minus,
    Choose,
    In,
    Index,
    /// Any other operator between two operands.
    Infix(Infix),
    Function(String),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Infix {
    Compare(super::tree::Relation),
    Arithmetic(super::tree::Sign),
}

/// The dotted name an expression spells: `a.b.c`, also `a["b"].c`.
pub(crate) fn path(of: &Ast) -> Option<Vec<&str>> {
    match &of.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(operand, field) => {
            let mut path = path(operand)?;
            path.push(field);
            Some(path)
        }
        Expr::Call(Call { name: Name::Index, args, .. }) => {
            let [of, key] = args.as_slice() else { return None };
            let Expr::Literal(Literal::Text(key)) = &key.expr else { return None };
            let mut path = path(of)?;
            path.push(key);
            Some(path)
        }
        Expr::Literal(_) | Expr::Maybe(..) | Expr::List(_) | Expr::Map(_) | Expr::Call(_) => None,
    }
}
