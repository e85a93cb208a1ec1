//! CEL text to its syntax tree, within limits. Descends by precedence; neither it nor what walks its tree goes deeper
//! than [`DEPTH_MAX`], so that no policy can exhaust a thread's stack.

use std::ops::Range;

use crate::expr::{
    Fault,
    lex::{self, Kind, Token},
    syntax::{Ast, Call, Expr, Infix, Literal, Name},
    tree::{Relation, Sign},
};

/// Longest condition, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Deepest nesting of brackets, and deepest tree.
const DEPTH_MAX: u16 = 32;

/// Words that CEL keeps for other languages.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Parses a condition.
pub(crate) fn parse(text: &str) -> Result<Ast, Fault> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a condition of {} bytes; at most {TEXT_BYTES_MAX} are read", text.len());
        return Err(Fault::error("condition.too_long", 0..0, message).help("split it into several rules"));
    }
    if text.trim().is_empty() {
        return Err(Fault::error("condition.empty", 0..text.len(), "an empty condition"));
    }
    let mut parser = Parser { tokens: lex::tokens(text)?, next: 0, depth: 0 };
    let root = parser.expression()?;
    match parser.peek().kind {
        Kind::End => Ok(root),
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: u16,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.next).or(self.tokens.last()).cloned().unwrap_or(Token { kind: Kind::End, span: 0..0 })
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Takes this sign if it is next.
    fn taken(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().kind, Kind::Sign(it) if it == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<Range<usize>, Fault> {
        let span = self.peek().span;
        if self.taken(sign) { Ok(span) } else { Err(self.unexpected()) }
    }

    /// The next token cannot stand where it does.
    fn unexpected(&self) -> Fault {
        let Token { kind, span } = self.peek();
        let fault = |message: String| Fault::error("condition.syntax", span.clone(), message);
        match kind {
            Kind::End => fault("the condition ends too early".to_owned()),
            Kind::Word(word) => {
                let fault = fault(format!("`{word}` cannot stand here"));
                match word.as_str() {
                    "and" | "AND" => fault.help("write `&&`"),
                    "or" | "OR" => fault.help("write `||`"),
                    "is" => fault.help("write `==`"),
                    _ => fault,
                }
            }
            Kind::Sign("=") => fault("`=` cannot stand here".to_owned()).help("did you mean `==`?"),
            Kind::Sign(sign) => fault(format!("`{sign}` cannot stand here")),
            Kind::Int(number) => fault(format!("`{number}` cannot stand here")),
            Kind::Number(number) => fault(format!("`{number}` cannot stand here")),
            Kind::Text(text) => fault(format!("{text:?} cannot stand here")),
        }
    }

    /// An expression inside brackets or at the top, one level deeper.
    fn expression(&mut self) -> Result<Ast, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(self.peek().span));
        }
        let condition = self.binary(1)?;
        let ast = if self.taken("?") {
            let first = self.binary(1)?;
            self.expect(":")?;
            let second = self.expression()?;
            node(Name::Choose, None, vec![condition, first, second])?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(ast)
    }

    /// Operators of at least this rank, from the left. `&&` and `||` gather all their operands in one node.
    fn binary(&mut self, least: u8) -> Result<Ast, Fault> {
        let mut left = self.unary()?;
        loop {
            let Some((name, rank)) = infix(&self.peek().kind).filter(|(_, rank)| *rank >= least) else {
                return Ok(left);
            };
            self.next += 1;
            let right = self.binary(rank + 1)?;
            left = match (&mut left.expr, &name) {
                (Expr::Call(call), Name::And | Name::Or) if call.name == name => {
                    let span = left.span.start..right.span.end;
                    let depth = left.depth.max(right.depth + 1);
                    call.args.push(right);
                    bounded(Ast { span, depth, ..left })?
                }
                _ => node(name, None, vec![left, right])?,
            };
        }
    }

    fn unary(&mut self) -> Result<Ast, Fault> {
        let token = self.peek();
        let Kind::Sign(sign @ ("!" | "-")) = token.kind else { return self.member() };
        self.next += 1;
        if sign == "-"
            && let Kind::Int(number) = self.peek().kind
        {
            // The lowest whole number has no positive twin.
            let end = self.take().span.end;
            let value = 0i64.checked_sub_unsigned(number).ok_or_else(|| too_large(token.span.start..end))?;
            let literal = leaf(Expr::Literal(Literal::Int(value)), token.span.start..end);
            return self.members_of(literal);
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(token.span));
        }
        let inner = self.unary()?;
        self.depth -= 1;
        let name = if sign == "!" { Name::Not } else { Name::Minus };
        let ast = node(name, None, vec![inner])?;
        Ok(Ast { span: token.span.start..ast.span.end, ..ast })
    }

    fn member(&mut self) -> Result<Ast, Fault> {
        let primary = self.primary()?;
        self.members_of(primary)
    }

    /// What follows a value: `.field`, `.method(…)`, `[index]`.
    fn members_of(&mut self, mut of: Ast) -> Result<Ast, Fault> {
        loop {
            if self.taken(".") {
                let maybe = self.taken("?");
                let field = self.take();
                let Kind::Word(name) = field.kind else {
                    self.next -= 1;
                    return Err(self.unexpected());
                };
                let start = of.span.start;
                if maybe {
                    let depth = of.depth + 1;
                    of = bounded(Ast { expr: Expr::Maybe(Box::new(of), name), span: start..field.span.end, depth })?;
                } else if self.taken("(") {
                    let (args, end) = self.list_until(")")?;
                    let mut call = node(Name::Function(name), Some(of), args)?;
                    set_place(&mut call, field.span);
                    of = Ast { span: start..end, ..call };
                } else {
                    let depth = of.depth + 1;
                    of = bounded(Ast { expr: Expr::Select(Box::new(of), name), span: start..field.span.end, depth })?;
                }
            } else if self.taken("[") {
                let at = self.expression()?;
                let end = self.expect("]")?.end;
                let start = of.span.start;
                let index = node(Name::Index, None, vec![of, at])?;
                of = Ast { span: start..end, ..index };
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Result<Ast, Fault> {
        let token = self.take();
        let literal = |literal| Ok(leaf(Expr::Literal(literal), token.span.clone()));
        match token.kind {
            Kind::Int(number) => {
                let number = i64::try_from(number).map_err(|_| too_large(token.span.clone()))?;
                literal(Literal::Int(number))
            }
            Kind::Number(number) => literal(Literal::Number(number)),
            Kind::Text(text) => literal(Literal::Text(text)),
            Kind::Word(word) => match word.as_str() {
                "true" => literal(Literal::Bool(true)),
                "false" => literal(Literal::Bool(false)),
                "null" => literal(Literal::Null),
                "in" => self.refuse(),
                "not" | "NOT" => self.refuse().map_err(|fault: Fault| fault.help("write `!`")),
                _ if RESERVED.contains(&word.as_str()) => self.refuse(),
                _ => self.named(word, token.span),
            },
            Kind::Sign("(") => {
                let inner = self.expression()?;
                let end = self.expect(")")?.end;
                Ok(Ast { span: token.span.start..end, ..inner })
            }
            Kind::Sign("[") => {
                let (elements, end) = self.list_until("]")?;
                let depth = 1 + elements.iter().map(|element| element.depth).max().unwrap_or(0);
                bounded(Ast { expr: Expr::List(elements), span: token.span.start..end, depth })
            }
            Kind::Sign("{") => self.map(token.span),
            Kind::Sign(_) | Kind::End => self.refuse(),
        }
    }

    /// The entries of a map whose `{` was taken.
    fn map(&mut self, open: Range<usize>) -> Result<Ast, Fault> {
        let mut entries = Vec::new();
        loop {
            let end = self.peek().span.end;
            if self.taken("}") {
                let depth = entries.iter().map(|(key, value): &(Ast, Ast)| key.depth.max(value.depth)).max();
                let depth = 1 + depth.unwrap_or(0);
                return bounded(Ast { expr: Expr::Map(entries), span: open.start..end, depth });
            }
            if !entries.is_empty() {
                self.expect(",")?;
                if matches!(self.peek().kind, Kind::Sign("}")) {
                    continue;
                }
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
        }
    }

    /// The token that was just taken cannot stand where it does.
    fn refuse<T>(&mut self) -> Result<T, Fault> {
        self.next -= 1;
        Err(self.unexpected())
    }

    /// A name, or a call of the function of that name.
    fn named(&mut self, word: String, span: Range<usize>) -> Result<Ast, Fault> {
        if !self.taken("(") {
            return Ok(leaf(Expr::Ident(word), span));
        }
        let (args, end) = self.list_until(")")?;
        let mut call = node(Name::Function(word), None, args)?;
        set_place(&mut call, span.clone());
        Ok(Ast { span: span.start..end, ..call })
    }

    /// Expressions between commas up to the closing sign, and where that ends.
    fn list_until(&mut self, close: &str) -> Result<(Vec<Ast>, usize), Fault> {
        let mut found = Vec::new();
        loop {
            let span = self.peek().span;
            if self.taken(close) {
                return Ok((found, span.end));
            }
            if !found.is_empty() {
                self.expect(",")?;
                // A comma may follow the last element of a list, as in CEL.
                if close == "]" && matches!(self.peek().kind, Kind::Sign("]")) {
                    continue;
                }
            }
            found.push(self.expression()?);
        }
    }
}

fn leaf(expr: Expr, span: Range<usize>) -> Ast {
    Ast { expr, span, depth: 1 }
}

/// A call, from the first of its operands to the last.
fn node(name: Name, target: Option<Ast>, args: Vec<Ast>) -> Result<Ast, Fault> {
    let operands = || target.iter().chain(&args);
    let start = operands().map(|operand| operand.span.start).min().unwrap_or(0);
    let end = operands().map(|operand| operand.span.end).max().unwrap_or(0);
    let depth = 1 + operands().map(|operand| operand.depth).max().unwrap_or(0);
    let call = Call { name, at: start..end, target: target.map(Box::new), args };
    bounded(Ast { expr: Expr::Call(call), span: start..end, depth })
}

fn set_place(call: &mut Ast, place: Range<usize>) {
    if let Expr::Call(call) = &mut call.expr {
        call.at = place;
    }
}

fn bounded(ast: Ast) -> Result<Ast, Fault> {
    if ast.depth > DEPTH_MAX { Err(too_deep(ast.span)) } else { Ok(ast) }
}

fn too_deep(span: Range<usize>) -> Fault {
    let message = format!("nested more than {DEPTH_MAX} deep");
    Fault::error("condition.too_deep", span, message).help("split it into several rules")
}

fn too_large(span: Range<usize>) -> Fault {
    Fault::error("condition.syntax", span, "a number beyond 64 bits")
}

/// The operator a token is, and how tightly it binds.
fn infix(kind: &Kind) -> Option<(Name, u8)> {
    let compare = |relation| Some((Name::Infix(Infix::Compare(relation)), 3));
    let arithmetic = |sign, rank| Some((Name::Infix(Infix::Arithmetic(sign)), rank));
    match kind {
        Kind::Word(word) if word == "in" => Some((Name::In, 3)),
        Kind::Sign(sign) => match *sign {
            "||" => Some((Name::Or, 1)),
            "&&" => Some((Name::And, 2)),
            "==" => compare(Relation::Equal),
            "!=" => compare(Relation::NotEqual),
            "<" => compare(Relation::Less),
            "<=" => compare(Relation::AtMost),
            ">" => compare(Relation::Greater),
            ">=" => compare(Relation::AtLeast),
            "+" => arithmetic(Sign::Plus, 4),
            "-" => arithmetic(Sign::Minus, 4),
            "*" => arithmetic(Sign::Times, 5),
            "/" => arithmetic(Sign::Divide, 5),
            "%" => arithmetic(Sign::Remainder, 5),
            _ => None,
        },
        Kind::Word(_) | Kind::Int(_) | Kind::Number(_) | Kind::Text(_) | Kind::End => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::print::print;

    #[test]
    fn operators_bind_as_in_cel() {
        let cases = [
            ("a||b&&c", "a || b && c"),
            ("(a||b)&&c", "(a || b) && c"),
            ("a && b && c", "a && b && c"),
            ("a && (b && c)", "a && (b && c)"),
            ("1+2*3 - 4 > x", "1 + 2 * 3 - 4 > x"),
            ("1-(2-3)", "1 - (2 - 3)"),
            ("!a.b && !(c)", "!a.b && !c"),
            ("a ? b : c ? d : e", "a ? b : c ? d : e"),
            ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
            ("x.y[0].z(1,'a')", "x.y[0].z(1, \"a\")"),
            ("a in [1, 2,]", "a in [1, 2]"),
            ("-1 < - a", "-1 < -a"),
            ("f(a)(b)", ""),
            ("has(a.b) // why", "has(a.b)"),
            (r#"a == "\u00e9\n" "#, r#"a == "é\n""#),
            ("a == r'\\d'", r#"a == "\\d""#),
            ("0x10 == 1e3", "16 == 1000.0"),
        ];
        for (text, expected) in cases {
            let printed = parse(text).map(|ast| print(&ast)).unwrap_or_default();
            assert_eq!(printed, expected, "{text}");
        }
    }

    #[test]
    fn every_part_knows_where_it_stands() {
        let text = "é_x.y";
        assert!(parse(text).is_err(), "names are ASCII");
        let text = "\"é\" == a.b && f(c, d)";
        let Expr::Call(and) = parse(text).unwrap().expr else { unreachable!("`&&` is on top") };
        assert_eq!(&text[and.args[0].span.clone()], "\"é\" == a.b");
        assert_eq!(&text[and.args[1].span.clone()], "f(c, d)");
        let Expr::Call(call) = &and.args[1].expr else { unreachable!("a call") };
        assert_eq!(&text[call.at.clone()], "f");
    }

    #[test]
    fn nothing_exhausts_the_stack() {
        let shapes: [(&str, &str, &str); 9] = [
            ("(", "a", ")"),
            ("!", "a", ""),
            ("-", "a", ""),
            ("a ? b : ", "a", ""),
            ("a + ", "a", ""),
            ("a < ", "a", ""),
            ("[", "a", "]"),
            ("f(", "a", ")"),
            ("a[", "0", "]"),
        ];
        for (open, middle, close) in shapes {
            let text = |times: usize| format!("{}{middle}{}", open.repeat(times), close.repeat(times));
            assert!(parse(&text(20)).is_ok(), "{open} 20 times");
            for times in [40, 400] {
                assert_eq!(parse(&text(times)).unwrap_err().code, "condition.too_deep", "{open} {times} times");
            }
        }
        assert_eq!(parse(&format!("a{}", ".b".repeat(500))).unwrap_err().code, "condition.too_deep");
        assert!(parse(&format!("a{}", " || a".repeat(500))).is_ok(), "a long list of alternatives is not deep");
    }

    #[test]
    fn every_prefix_of_a_condition_is_read_or_refused() {
        let text = r#"!(a.b[0] >= 1.5e3 || "x\n" in [c, 'd']) ? f(x, -1) : g.h("é") && r'\' != 0x1f // end"#;
        for (at, _) in text.char_indices() {
            if let Err(fault) = parse(&text[..at]) {
                assert!(
                    fault.span.end <= at && text.is_char_boundary(fault.span.start),
                    "{fault:?} in {}",
                    &text[..at]
                );
            }
        }
    }

    #[test]
    fn mistakes_are_met_with_advice() {
        let help = |text: &str| parse(text).unwrap_err().help.unwrap_or_default();
        assert_eq!(help("a = b"), "did you mean `==`?");
        assert_eq!(help("a & b"), "did you mean `&&`?");
        assert_eq!(help("a and b"), "write `&&`");
        assert_eq!(help("not a"), "write `!`");
        assert_eq!(help("session.age > 5m"), "write a length of time as `duration(\"5m\")`");
    }
}
