//! A syntax tree back to text, with only the parentheses it needs.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};

/// The text of an expression.
pub(crate) fn print(of: &IdedExpr) -> String {
    match &of.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", inside(&select.operand, 8), select.field),
        Expr::Literal(literal) => print_literal(literal),
        Expr::List(list) => format!("[{}]", list_of(&list.elements)),
        Expr::Call(call) => print_call(call),
        Expr::Unspecified | Expr::Comprehension(_) | Expr::Map(_) | Expr::Struct(_) => "…".to_owned(),
    }
}

fn print_call(call: &CallExpr) -> String {
    match (call.func_name.as_str(), call.args.as_slice()) {
        (op::CONDITIONAL, [condition, first, second]) => {
            format!("{} ? {} : {}", inside(condition, 1), inside(first, 1), print(second))
        }
        (op::LOGICAL_NOT, [inner]) => format!("!{}", inside(inner, 7)),
        (op::NEGATE, [inner]) => format!("-{}", inside(inner, 7)),
        (op::INDEX, [list, at]) => format!("{}[{}]", inside(list, 8), print(at)),
        (operator, [left, right]) if infix(operator).is_some() => {
            let (sign, rank) = infix(operator).unwrap_or(("?", 0));
            format!("{} {sign} {}", inside(left, rank), inside(right, rank + 1))
        }
        (name, arguments) => match &call.target {
            Some(target) => format!("{}.{name}({})", inside(target, 8), list_of(arguments)),
            None => format!("{name}({})", list_of(arguments)),
        },
    }
}

/// An operand of an operator of this rank, in parentheses if it binds more loosely.
fn inside(of: &IdedExpr, rank: u8) -> String {
    let text = print(of);
    if own_rank(of) < rank { format!("({text})") } else { text }
}

fn own_rank(of: &IdedExpr) -> u8 {
    match &of.expr {
        Expr::Call(call) => match call.func_name.as_str() {
            op::CONDITIONAL => 0,
            op::LOGICAL_NOT | op::NEGATE => 7,
            operator => infix(operator).map_or(8, |(_, rank)| rank),
        },
        _ => 8,
    }
}

fn infix(operator: &str) -> Option<(&'static str, u8)> {
    Some(match operator {
        op::LOGICAL_OR => ("||", 1),
        op::LOGICAL_AND => ("&&", 2),
        op::EQUALS => ("==", 3),
        op::NOT_EQUALS => ("!=", 3),
        op::LESS => ("<", 3),
        op::LESS_EQUALS => ("<=", 3),
        op::GREATER => (">", 3),
        op::GREATER_EQUALS => (">=", 3),
        op::IN => ("in", 3),
        op::ADD => ("+", 4),
        op::SUBSTRACT => ("-", 4),
        op::MULTIPLY => ("*", 5),
        op::DIVIDE => ("/", 5),
        op::MODULO => ("%", 5),
        _ => return None,
    })
}

fn list_of(elements: &[IdedExpr]) -> String {
    elements.iter().map(print).collect::<Vec<_>>().join(", ")
}

fn print_literal(literal: &LiteralValue) -> String {
    match literal {
        LiteralValue::Boolean(it) => it.inner().to_string(),
        LiteralValue::Int(it) => it.inner().to_string(),
        LiteralValue::UInt(it) => it.inner().to_string(),
        LiteralValue::Double(it) => format!("{:?}", it.inner()),
        LiteralValue::String(it) => format!("{:?}", it.inner()),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::Bytes(_) => "b\"…\"".to_owned(),
    }
}
