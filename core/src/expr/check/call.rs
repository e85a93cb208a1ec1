//! Operators and functions: what they take, what they give.

use std::sync::Arc;

use ipnet::IpNet;

use crate::{
    diagnostic,
    expr::{
        Fault,
        check::{Checker, adapt, comparable, truth},
        print,
        syntax::{self, Ast, Call, Expr, Infix, Name},
        tree::{Node, Op, TextTest},
    },
    value::{Type, Value},
    yaml::units,
};

/// Largest compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Every function, for suggestions.
const FUNCTIONS: [&str; 12] = [
    "has",
    "default",
    "duration",
    "in_cidr",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "lowerAscii",
    "size",
    "exists",
    "all",
];

impl Checker<'_> {
    pub(super) fn call(&mut self, of: &Ast, call: &Call) -> Option<Node> {
        match (&call.name, call.args.as_slice()) {
            (Name::And, parts) => self.joined(parts).map(|parts| truth(Op::All(parts))),
            (Name::Or, parts) => self.joined(parts).map(|parts| truth(Op::Any(parts))),
            (Name::Not, [inner]) => Some(truth(Op::Not(Box::new(self.truth(inner)?)))),
            (Name::Minus, [inner]) => self.negate(of, inner),
            (Name::Choose, [condition, first, second]) => self.choose(of, condition, first, second),
            (Name::In, [element, list]) => self.element_of(of, element, list),
            (Name::Index, [list, at]) => self.index(of, list, at),
            (Name::Infix(Infix::Compare(relation)), _) => self.compare(of, *relation, call),
            (Name::Infix(Infix::Arithmetic(sign)), _) => self.arithmetic(of, *sign, call),
            (Name::Function(name), _) => self.function(of, name, call),
            (Name::Not | Name::Minus | Name::Choose | Name::In | Name::Index, _) => None,
        }
    }

    /// The operands of `&&` and `||`; every one is checked before giving up.
    fn joined(&mut self, parts: &[Ast]) -> Option<Vec<Node>> {
        let parts: Vec<Option<Node>> = parts.iter().map(|part| self.truth(part)).collect();
        parts.into_iter().collect()
    }

    fn function(&mut self, of: &Ast, name: &str, call: &Call) -> Option<Node> {
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("has", None, [attribute]) => Some(truth(Op::Has(self.slot(attribute)?))),
            ("default", None, [value, instead]) => self.default(of, value, instead),
            ("duration", None, [text]) => self.duration(text),
            ("in_cidr", None, [address, networks]) => self.in_networks(address, networks),
            ("size", None, [value]) | ("size", Some(value), []) => self.size(of, value),
            ("startsWith", Some(text), [part]) => self.text_test(TextTest::StartsWith, text, part),
            ("endsWith", Some(text), [part]) => self.text_test(TextTest::EndsWith, text, part),
            ("contains", Some(text), [part]) => self.text_test(TextTest::Contains, text, part),
            ("lowerAscii", Some(text), []) => {
                let text = self.text(text)?;
                Some(Node { op: Op::Lower(Box::new(text)), kind: Type::Text, text: Arc::default() })
            }
            ("matches", Some(text), [pattern]) => self.matches(text, pattern),
            ("exists", Some(list), [item, test]) => Some(truth(Op::Exists(self.over_list(list, item, test)?))),
            ("all", Some(list), [item, test]) => Some(truth(Op::Every(self.over_list(list, item, test)?))),
            _ => self.unknown_function(call, name),
        }
    }

    fn unknown_function(&mut self, call: &Call, name: &str) -> Option<Node> {
        let span = call.at.clone();
        let known = FUNCTIONS.contains(&name);
        let fault = if known {
            Fault::error("function.arguments", span, format!("`{name}` does not take these arguments"))
                .help(usage(name))
        } else {
            Fault::error("function.unknown", span, format!("unknown function `{name}`"))
        };
        match diagnostic::nearest(name, FUNCTIONS) {
            Some(near) if !known => self.fault(fault.help(format!("did you mean `{near}`?"))),
            Some(_) => self.fault(fault),
            None => self.fault(fault.help(format!("functions are {}", FUNCTIONS.join(", ")))),
        }
    }

    fn negate(&mut self, of: &Ast, inner: &Ast) -> Option<Node> {
        let inner = self.node(inner)?;
        match inner.kind {
            Type::Int | Type::Number | Type::Duration => {
                Some(Node { kind: inner.kind, op: Op::Negate(Box::new(inner)), text: Arc::default() })
            }
            kind @ (Type::Bool | Type::Text | Type::Time | Type::Ip | Type::List) => {
                self.error("type.mismatch", of, format!("`-` cannot stand before {kind}"))
            }
        }
    }

    fn choose(&mut self, of: &Ast, condition: &Ast, first: &Ast, second: &Ast) -> Option<Node> {
        let condition = self.truth(condition);
        let (first, second) = (self.node(first), self.node(second));
        let (condition, first, second) = (condition?, first?, second?);
        if let Some(Value::Bool(holds)) = condition.as_constant() {
            return Some(if *holds { first } else { second });
        }
        let kind = self.one_kind(of, &first, &second)?;
        Some(Node { op: Op::Choose(Box::new([condition, first, second])), kind, text: Arc::default() })
    }

    /// The type that both have, where a whole number widens to a number.
    fn one_kind(&mut self, of: &Ast, first: &Node, second: &Node) -> Option<Type> {
        match (first.kind, second.kind) {
            (first, second) if first == second => Some(first),
            (first, second) if comparable(first, second) => Some(Type::Number),
            (first, second) => self.error("type.mismatch", of, format!("one is {first}, the other is {second}")),
        }
    }

    fn default(&mut self, of: &Ast, value: &Ast, instead: &Ast) -> Option<Node> {
        let (value, instead) = (self.node(value), self.node(instead));
        let (value, mut instead) = (value?, instead?);
        adapt(&mut instead, value.kind);
        let kind = self.one_kind(of, &value, &instead)?;
        Some(Node { op: Op::Default(Box::new([value, instead])), kind, text: Arc::default() })
    }

    fn element_of(&mut self, of: &Ast, element: &Ast, list: &Ast) -> Option<Node> {
        let (list_at, element_at) = (list, element);
        let (element, list) = (self.node(element), self.node(list));
        let (element, mut list) = (element?, list?);
        if list.kind != Type::List {
            let message = format!("`in` takes a list, `{}` is {}", print::print(list_at), list.kind);
            return self.error("type.mismatch", list_at, message);
        }
        if let Some(Value::List(values)) = list.as_constant().cloned() {
            let wanted = if element.kind == Type::Ip { cast_all(&values, Type::Ip) } else { Some(values.to_vec()) };
            let values = wanted.unwrap_or_else(|| values.to_vec());
            if let Some(other) = values.iter().find(|value| !comparable(value.kind(), element.kind)) {
                let message =
                    format!("`{}` is {}, the list holds {}", print::print(element_at), element.kind, other.kind());
                return self.error("type.mismatch", of, message);
            }
            let places: Vec<&Ast> = match &list_at.expr {
                Expr::List(elements) => elements.iter().collect(),
                _ => Vec::new(),
            };
            for (index, value) in values.iter().enumerate() {
                self.check_one_of(&element, value, places.get(index).unwrap_or(&list_at))?;
            }
            list = Node::constant(Value::List(values.into()));
        } else if element.kind == Type::List {
            return self.error("type.mismatch", of, "a list is no element of a list");
        }
        Some(truth(Op::In(Box::new([element, list]))))
    }

    fn index(&mut self, of: &Ast, list: &Ast, at: &Ast) -> Option<Node> {
        if syntax::path(of).is_some() {
            return self.name(of);
        }
        let (list, at) = (self.node(list), self.node(at));
        let (list, at) = (list?, at?);
        match (list.kind, at.kind) {
            (Type::List, Type::Int) => {
                let kind = element_kind(&list);
                Some(Node { op: Op::Index(Box::new([list, at])), kind, text: Arc::default() })
            }
            (kind, at) => self.error("type.mismatch", of, format!("{kind} cannot be indexed by {at}")),
        }
    }

    fn duration(&mut self, of: &Ast) -> Option<Node> {
        let text = self.node(of)?;
        let help = "write \"80ms\", \"30s\", \"5m\", \"24h\" or \"7d\"".to_owned();
        match text.as_constant() {
            Some(Value::Text(text)) => match units::duration_ms(text) {
                Some(span) => Some(Node::constant(Value::Duration(span))),
                None => self.error_with_help("duration.malformed", of, format!("{text:?} is no length of time"), help),
            },
            _ => self.error_with_help("duration.malformed", of, "`duration` takes a constant text".into(), help),
        }
    }

    fn in_networks(&mut self, address_at: &Ast, list_at: &Ast) -> Option<Node> {
        let (address, list) = (self.node(address_at), self.node(list_at));
        let (mut address, list) = (address?, list?);
        adapt(&mut address, Type::Ip);
        if address.kind != Type::Ip {
            let message = format!("`in_cidr` takes an ip address first, this is {}", address.kind);
            return self.error("type.mismatch", address_at, message);
        }
        let texts: Vec<Value> = match list.as_constant() {
            Some(Value::List(values)) => values.to_vec(),
            Some(text @ Value::Text(_)) => vec![text.clone()],
            _ => return self.error("type.mismatch", list_at, "`in_cidr` takes a constant list of networks"),
        };
        let mut networks = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let at = match &list_at.expr {
                Expr::List(elements) => elements.get(index).unwrap_or(list_at),
                _ => list_at,
            };
            match network(text) {
                Some(network) => networks.push(network),
                None => {
                    let help = "write a network as \"10.0.0.0/8\" or \"2001:db8::/32\"".to_owned();
                    return self.error_with_help("network.malformed", at, format!("{text} is no network"), help);
                }
            }
        }
        Some(truth(Op::InNetworks(Box::new(address), networks.into())))
    }

    fn size(&mut self, of: &Ast, value: &Ast) -> Option<Node> {
        let value = self.node(value)?;
        match value.kind {
            Type::Text | Type::List => {
                Some(Node { op: Op::Size(Box::new(value)), kind: Type::Int, text: Arc::default() })
            }
            kind @ (Type::Bool | Type::Int | Type::Number | Type::Time | Type::Duration | Type::Ip) => {
                self.error("type.mismatch", of, format!("`size` takes text or a list, this is {kind}"))
            }
        }
    }

    fn text(&mut self, of: &Ast) -> Option<Node> {
        let node = self.node(of)?;
        if node.kind == Type::Text {
            return Some(node);
        }
        self.error("type.mismatch", of, format!("`{}` is {}, text is needed here", print::print(of), node.kind))
    }

    fn text_test(&mut self, by: TextTest, text: &Ast, part: &Ast) -> Option<Node> {
        let (text, part) = (self.text(text), self.text(part));
        Some(truth(Op::Text(by, Box::new([text?, part?]))))
    }

    fn matches(&mut self, text: &Ast, pattern_at: &Ast) -> Option<Node> {
        let (text, pattern) = (self.text(text), self.text(pattern_at));
        let (text, pattern) = (text?, pattern?);
        let Some(Value::Text(pattern)) = pattern.as_constant() else {
            return self.error("pattern.malformed", pattern_at, "a pattern has to be a constant");
        };
        match regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build() {
            Ok(pattern) => Some(truth(Op::Matches(Box::new(text), pattern))),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                self.error("pattern.malformed", pattern_at, format!("not a pattern: {why}"))
            }
        }
    }

    /// The list and the test of `exists` and `all`.
    fn over_list(&mut self, list_at: &Ast, item: &Ast, test: &Ast) -> Option<Box<[Node; 2]>> {
        let list = self.node(list_at)?;
        if list.kind != Type::List {
            return self.error("type.mismatch", list_at, format!("a list is needed here, this is {}", list.kind));
        }
        let Expr::Ident(name) = &item.expr else {
            return self.error(
                "function.arguments",
                item,
                "the first argument names the element, as in `exists(it, it == \"x\")`",
            );
        };
        if self.item.is_some() {
            return self.error("condition.nested", test, "`exists` and `all` cannot stand inside each other");
        }
        self.item = Some((name.clone(), element_kind(&list)));
        let test = self.truth(test);
        self.item = None;
        Some(Box::new([list, test?]))
    }
}

fn usage(name: &str) -> &'static str {
    match name {
        "has" => "`has(attribute)`",
        "default" => "`default(value, instead)`",
        "duration" => "`duration(\"5m\")`",
        "in_cidr" => "`in_cidr(request.ip, [\"10.0.0.0/8\"])`",
        "startsWith" => "`text.startsWith(\"a\")`",
        "endsWith" => "`text.endsWith(\"a\")`",
        "contains" => "`text.contains(\"a\")`",
        "matches" => "`text.matches(\"^a\")`",
        "lowerAscii" => "`text.lowerAscii()`",
        "size" => "`size(list)`",
        "exists" => "`list.exists(it, it == \"a\")`",
        "all" => "`list.all(it, it == \"a\")`",
        _ => "see the list of functions",
    }
}

/// What an element of a list is taken to be: what constants are, else text.
fn element_kind(list: &Node) -> Type {
    match list.as_constant() {
        Some(Value::List(values)) => values.first().map_or(Type::Text, Value::kind),
        _ => Type::Text,
    }
}

fn cast_all(values: &[Value], kind: Type) -> Option<Vec<Value>> {
    values.iter().map(|value| value.clone().cast(kind)).collect()
}

/// A network, or a single address as the network of itself.
fn network(text: &Value) -> Option<IpNet> {
    let Value::Text(text) = text else { return None };
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}
