//! A syntax tree to nodes: every name, function and number of arguments is known, or it is a fault with its place.

use std::ops::Range;

use crate::{
    connector::mapping::{
        EXPRESSION_BYTES_MAX, LOOPS_MAX, Names,
        data::Data,
        library::Function,
        node::{Node, Over, Root, Step},
    },
    diagnostic,
    expr::{
        Fault, parse,
        syntax::{self, Ast, Call, Expr, Infix, Literal, Name},
    },
};

/// Parses and checks.
pub(super) fn expression(text: &str, names: &Names) -> Result<Node, Fault> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("the expression has {} bytes; at most {EXPRESSION_BYTES_MAX} are read", text.len());
        return Err(fault(&(0..0), message));
    }
    let ast = parse::parse(text).map_err(|it| Fault { code: "expression", ..it })?;
    Checker { names, locals: Vec::new(), loops: 0 }.node(&ast)
}

fn fault(span: &Range<usize>, message: impl Into<String>) -> Fault {
    Fault::error("expression", span.clone(), message.into())
}

fn near<'n>(fault: Fault, written: &str, known: impl IntoIterator<Item = &'n str>) -> Fault {
    match diagnostic::nearest(written, known) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault,
    }
}

struct Checker<'n> {
    names: &'n Names,
    /// Names of the loops that are open, outermost first.
    locals: Vec<String>,
    loops: usize,
}

impl Checker<'_> {
    fn node(&mut self, of: &Ast) -> Result<Node, Fault> {
        match &of.expr {
            Expr::Literal(literal) => Ok(Node::Literal(match literal {
                Literal::Bool(it) => Data::Bool(*it),
                Literal::Int(it) => Data::Int(*it),
                Literal::Number(it) => Data::number(*it),
                Literal::Text(it) => Data::text(it.clone()),
                Literal::Null => Data::Null,
            })),
            Expr::Ident(name) => self.root(name, &of.span).map(|root| Node::Path(root, Vec::new())),
            Expr::Select(operand, field) | Expr::Maybe(operand, field) => {
                let operand = self.node(operand)?;
                self.step(operand, Step::Field(field.as_str().into()), &of.span)
            }
            Expr::List(items) => self.nodes(items).map(Node::List),
            Expr::Map(entries) => self.map(entries),
            Expr::Call(call) => self.call(of, call),
        }
    }

    fn nodes(&mut self, of: &[Ast]) -> Result<Vec<Node>, Fault> {
        of.iter().map(|it| self.node(it)).collect()
    }

    fn two(&mut self, of: &Ast, args: &[Ast]) -> Result<Box<[Node; 2]>, Fault> {
        let [one, two] = args else { return Err(fault(&of.span, "two operands are needed")) };
        Ok(Box::new([self.node(one)?, self.node(two)?]))
    }

    fn root(&self, name: &str, span: &Range<usize>) -> Result<Root, Fault> {
        if let Some(at) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Root::Local(at));
        }
        if self.names.is_about_decision {
            let message = || format!("`{name}` is not known here; write `decision.{name}`");
            return if name == "decision" { Ok(Root::Body) } else { Err(fault(span, message())) };
        }
        Ok(match name {
            "body" if self.names.has_answer => Root::Body,
            "status" if self.names.has_answer => Root::Status,
            "headers" if self.names.has_answer => Root::Headers,
            "input" => Root::Input,
            "config" => Root::Config,
            "derived" => Root::Derived,
            "secret" => return Err(fault(span, "secrets cannot be read here; only `auth` and `request` may use them")),
            _ => {
                let answer: &[&str] = if self.names.has_answer { &["body", "status", "headers"] } else { &[] };
                let known: Vec<&str> = answer.iter().copied().chain(["input", "config", "derived"]).collect();
                let message = format!("`{name}` is not known here; there are {}", known.join(", "));
                return Err(near(fault(span, message), name, known));
            }
        })
    }

    /// A step from a node; the names right under `input`, `config`, `derived` and `headers` are those of the file.
    fn step(&self, from: Node, step: Step, span: &Range<usize>) -> Result<Node, Fault> {
        let Node::Path(root, mut steps) = from else { return Ok(Node::Of(Box::new(from), step)) };
        if let (true, Step::Field(name)) = (steps.is_empty(), &step) {
            let known = match root {
                Root::Input => Some(("input", &self.names.inputs)),
                Root::Config => Some(("config", &self.names.config)),
                Root::Derived => Some(("derived", &self.names.derived)),
                Root::Headers => Some(("headers", &self.names.headers)),
                Root::Body | Root::Status | Root::Local(_) => None,
            };
            if let Some((group, known)) = known.filter(|(_, known)| known.iter().all(|it| **it != **name)) {
                let message = format!("there is no `{group}.{name}`");
                return Err(near(fault(span, message), name, known.iter().map(|it| &**it)));
            }
        }
        steps.push(step);
        Ok(Node::Path(root, steps))
    }

    fn map(&mut self, entries: &[(Ast, Ast)]) -> Result<Node, Fault> {
        let mut made: Vec<(Box<str>, Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name: Box<str> = match &key.expr {
                Expr::Literal(Literal::Text(it)) => it.as_str().into(),
                Expr::Literal(Literal::Int(it)) => it.to_string().into(),
                Expr::Literal(Literal::Bool(it)) => it.to_string().into(),
                _ => return Err(fault(&key.span, "the keys of a map are written out")),
            };
            if made.iter().any(|(it, _)| *it == name) {
                return Err(fault(&key.span, format!("`{name}` stands twice")));
            }
            made.push((name, self.node(value)?));
        }
        Ok(Node::Map(made))
    }

    fn call(&mut self, of: &Ast, call: &Call) -> Result<Node, Fault> {
        match &call.name {
            Name::And => self.nodes(&call.args).map(Node::All),
            Name::Or => self.nodes(&call.args).map(Node::Any),
            Name::Not | Name::Minus => {
                let [operand] = call.args.as_slice() else { return Err(fault(&of.span, "one operand is needed")) };
                let operand = Box::new(self.node(operand)?);
                Ok(if call.name == Name::Not { Node::Not(operand) } else { Node::Minus(operand) })
            }
            Name::Choose => {
                let [when, then, otherwise] = call.args.as_slice() else {
                    return Err(fault(&of.span, "three operands are needed"));
                };
                Ok(Node::Choose(Box::new([self.node(when)?, self.node(then)?, self.node(otherwise)?])))
            }
            Name::In => self.two(of, &call.args).map(Node::In),
            Name::Index => {
                let [list, at] = call.args.as_slice() else { return Err(fault(&of.span, "an index is needed")) };
                let list = self.node(list)?;
                match &at.expr {
                    Expr::Literal(Literal::Text(name)) => self.step(list, Step::Field(name.as_str().into()), &of.span),
                    Expr::Literal(Literal::Int(it)) => match usize::try_from(*it) {
                        Ok(it) => self.step(list, Step::At(it), &of.span),
                        Err(_) => Err(fault(&at.span, "lists begin at 0")),
                    },
                    _ => Ok(Node::Index(Box::new(list), Box::new(self.node(at)?))),
                }
            }
            Name::Infix(Infix::Compare(relation)) => self.two(of, &call.args).map(|two| Node::Compare(*relation, two)),
            Name::Infix(Infix::Arithmetic(sign)) => self.two(of, &call.args).map(|two| Node::Arithmetic(*sign, two)),
            Name::Function(name) => self.function(name, call),
        }
    }

    fn function(&mut self, name: &str, call: &Call) -> Result<Node, Fault> {
        if let Some(over) = over(name) {
            return self.looped(over, call);
        }
        match (name, &call.target, call.args.as_slice()) {
            ("has", None, [of]) => {
                return match &of.expr {
                    Expr::Select(..) => Ok(Node::Has(Box::new(self.node(of)?))),
                    _ if syntax::path(of).is_some_and(|path| path.len() > 1) => Ok(Node::Has(Box::new(self.node(of)?))),
                    _ => Err(fault(&of.span, "`has` takes a field, as in `has(body.x)`")),
                };
            }
            ("orValue", Some(of), [otherwise]) => {
                return Ok(Node::OrValue(Box::new(self.node(of)?), Box::new(self.node(otherwise)?)));
            }
            ("matches", Some(of), [pattern_at]) => {
                let Expr::Literal(Literal::Text(text)) = &pattern_at.expr else {
                    return Err(fault(&pattern_at.span, "the pattern is written out"));
                };
                let pattern = regex::RegexBuilder::new(text).size_limit(1 << 18).build();
                let pattern = pattern.map_err(|_| fault(&pattern_at.span, "this is no pattern, or too large a one"))?;
                return Ok(Node::Matches(Box::new(self.node(of)?), Box::new(pattern)));
            }
            _ => {}
        }
        let Some(function) = Function::named(name) else {
            let message = format!("there is no function `{name}`");
            return Err(near(fault(&call.at, message), name, Function::all()));
        };
        let mut args = Vec::new();
        for arg in call.target.as_deref().into_iter().chain(&call.args) {
            args.push(self.node(arg)?);
        }
        let takes = function.takes();
        if !takes.contains(&args.len()) {
            let message = match (takes.start(), takes.end()) {
                (least, most) if least == most => format!("`{name}` takes {least} arguments, not {}", args.len()),
                (least, most) => format!("`{name}` takes {least} to {most} arguments, not {}", args.len()),
            };
            return Err(fault(&call.at, message));
        }
        Ok(Node::Call(function, args))
    }

    fn looped(&mut self, over: Over, call: &Call) -> Result<Node, Fault> {
        let (Some(list), [item, body]) = (&call.target, call.args.as_slice()) else {
            return Err(fault(&call.at, "a loop is written `list.map(item, …)`"));
        };
        let Expr::Ident(name) = &item.expr else { return Err(fault(&item.span, "a loop names its element here")) };
        self.loops += 1;
        if self.loops > LOOPS_MAX {
            return Err(fault(&call.at, format!("more than {LOOPS_MAX} loops in one expression")));
        }
        let list = self.node(list)?;
        self.locals.push(name.clone());
        let body = self.node(body);
        self.locals.pop();
        Ok(Node::Loop(over, Box::new(list), Box::new(body?)))
    }
}

fn over(name: &str) -> Option<Over> {
    Some(match name {
        "map" => Over::Map,
        "filter" => Over::Filter,
        "exists" => Over::Exists,
        "exists_one" => Over::ExistsOne,
        "all" => Over::All,
        _ => return None,
    })
}
