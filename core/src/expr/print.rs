//! A syntax tree back to text, with only the parentheses it needs.

use crate::expr::{
    syntax::{Ast, Call, Expr, Infix, Literal, Name},
    tree::{Relation, Sign},
};

/// How tightly names, calls and literals bind.
const TIGHTEST: u8 = 8;

/// The text of an expression.
pub(crate) fn print(of: &Ast) -> String {
    match &of.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(operand, field) => format!("{}.{field}", inside(operand, TIGHTEST)),
        Expr::Literal(Literal::Bool(it)) => it.to_string(),
        Expr::Literal(Literal::Int(it)) => it.to_string(),
        Expr::Literal(Literal::Number(it)) => format!("{it:?}"),
        Expr::Literal(Literal::Text(it)) => format!("{it:?}"),
        Expr::Literal(Literal::Null) => "null".to_owned(),
        Expr::Maybe(operand, field) => format!("{}.?{field}", inside(operand, TIGHTEST)),
        Expr::List(elements) => format!("[{}]", side_by_side(elements)),
        Expr::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", print(key), print(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Expr::Call(call) => print_call(call),
    }
}

fn print_call(call: &Call) -> String {
    match (&call.name, call.args.as_slice()) {
        (Name::Choose, [condition, first, second]) => {
            format!("{} ? {} : {}", inside(condition, 1), inside(first, 1), print(second))
        }
        (Name::Not, [inner]) => format!("!{}", inside(inner, 7)),
        (Name::Minus, [inner]) => format!("-{}", inside(inner, 7)),
        (Name::Index, [list, at]) => format!("{}[{}]", inside(list, TIGHTEST), print(at)),
        (Name::And, parts) => parts.iter().map(|part| inside(part, 3)).collect::<Vec<_>>().join(" && "),
        (Name::Or, parts) => parts.iter().map(|part| inside(part, 2)).collect::<Vec<_>>().join(" || "),
        (Name::In, [left, right]) => format!("{} in {}", inside(left, 3), inside(right, 4)),
        (Name::Infix(infix), [left, right]) => {
            let rank = rank(&call.name);
            format!("{} {} {}", inside(left, rank), symbol(*infix), inside(right, rank + 1))
        }
        (Name::Function(name), arguments) => match &call.target {
            Some(target) => format!("{}.{name}({})", inside(target, TIGHTEST), side_by_side(arguments)),
            None => format!("{name}({})", side_by_side(arguments)),
        },
        (Name::Choose | Name::Not | Name::Minus | Name::Index | Name::In | Name::Infix(_), arguments) => {
            side_by_side(arguments)
        }
    }
}

/// An operand of an operator of this rank, in parentheses if it binds more loosely.
fn inside(of: &Ast, least: u8) -> String {
    let text = print(of);
    let own = match &of.expr {
        Expr::Call(call) => rank(&call.name),
        Expr::Literal(_) | Expr::Ident(_) | Expr::Select(..) | Expr::Maybe(..) | Expr::List(_) | Expr::Map(_) => {
            TIGHTEST
        }
    };
    if own < least { format!("({text})") } else { text }
}

fn rank(name: &Name) -> u8 {
    match name {
        Name::Choose => 0,
        Name::Or => 1,
        Name::And => 2,
        Name::In | Name::Infix(Infix::Compare(_)) => 3,
        Name::Infix(Infix::Arithmetic(Sign::Plus | Sign::Minus)) => 4,
        Name::Infix(Infix::Arithmetic(Sign::Times | Sign::Divide | Sign::Remainder)) => 5,
        Name::Not | Name::Minus => 7,
        Name::Index | Name::Function(_) => TIGHTEST,
    }
}

fn symbol(infix: Infix) -> &'static str {
    match infix {
        Infix::Compare(Relation::Equal) => "==",
        Infix::Compare(Relation::NotEqual) => "!=",
        Infix::Compare(Relation::Less) => "<",
        Infix::Compare(Relation::AtMost) => "<=",
        Infix::Compare(Relation::Greater) => ">",
        Infix::Compare(Relation::AtLeast) => ">=",
        Infix::Arithmetic(sign) => sign.symbol(),
    }
}

fn side_by_side(elements: &[Ast]) -> String {
    elements.iter().map(print).collect::<Vec<_>>().join(", ")
}
