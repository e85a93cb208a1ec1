//! A checked expression, ready to be evaluated.

use crate::{
    connector::mapping::{data::Data, library::Function},
    expr::tree::{Relation, Sign},
};

/// One node.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Data<'static>),
    /// A place in what is given: followed, never copied.
    Path(Root, Vec<Step>),
    /// A step from something that was made.
    Of(Box<Node>, Step),
    /// `a[b]`, where `b` is not written out.
    Index(Box<Node>, Box<Node>),
    /// `a.?b….orValue(c)`.
    OrValue(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Box<str>, Node)>),
    Not(Box<Node>),
    Minus(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Choose(Box<[Node; 3]>),
    In(Box<[Node; 2]>),
    Compare(Relation, Box<[Node; 2]>),
    Arithmetic(Sign, Box<[Node; 2]>),
    Has(Box<Node>),
    Matches(Box<Node>, Box<regex::Regex>),
    /// Over each element, kept in a local variable.
    Loop(Over, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Body,
    Status,
    Headers,
    Input,
    Config,
    Derived,
    /// A loop's element, by how many loops are outside of its own.
    Local(usize),
}

/// One step of a path.
#[derive(Debug)]
pub(super) enum Step {
    Field(Box<str>),
    At(usize),
}

/// What a loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Map,
    Filter,
    Exists,
    ExistsOne,
    All,
}

impl Node {
    pub(super) fn is_simple(&self) -> bool {
        let bare = |node: &Node| matches!(node, Node::Path(..) | Node::Literal(_));
        match self {
            Node::Path(..) | Node::Literal(_) => true,
            Node::Call(_, args) => args.iter().all(|arg| {
                bare(arg) || matches!(arg, Node::Map(entries) if entries.iter().all(|(_, value)| bare(value)))
            }),
            _ => false,
        }
    }

    /// Whether it holds an answer's own value against a constant by `==` or `!=`, itself or a part that counts.
    pub(super) fn compares_bare(&self) -> bool {
        let is_told = |node: &Node| matches!(node, Node::Path(Root::Body | Root::Headers, _));
        let is_constant = |node: &Node| matches!(node, Node::Literal(data) if !matches!(data, Data::Null));
        match self {
            Node::Compare(Relation::Equal | Relation::NotEqual, two) => {
                let [one, other] = &**two;
                (is_told(one) && is_constant(other)) || (is_constant(one) && is_told(other))
            }
            Node::Not(of) => of.compares_bare(),
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(Node::compares_bare),
            _ => false,
        }
    }

    /// The first names after `input` and `derived`; a root alone reads them all, as `*`.
    pub(super) fn reads<'n>(&'n self, found: &mut Vec<&'n str>) {
        match self {
            Node::Literal(_) => {}
            Node::Path(Root::Input | Root::Derived, steps) => found.push(match steps.first() {
                Some(Step::Field(name)) => name,
                Some(Step::At(_)) | None => "*",
            }),
            Node::Path(Root::Body | Root::Status | Root::Headers | Root::Config | Root::Local(_), _) => {}
            Node::Of(of, _) | Node::Not(of) | Node::Minus(of) | Node::Has(of) | Node::Matches(of, _) => of.reads(found),
            Node::Index(one, two) | Node::OrValue(one, two) | Node::Loop(_, one, two) => {
                one.reads(found);
                two.reads(found);
            }
            Node::List(nodes) | Node::All(nodes) | Node::Any(nodes) | Node::Call(_, nodes) => {
                nodes.iter().for_each(|node| node.reads(found));
            }
            Node::Map(entries) => entries.iter().for_each(|(_, node)| node.reads(found)),
            Node::Choose(three) => three.iter().for_each(|node| node.reads(found)),
            Node::In(two) | Node::Compare(_, two) | Node::Arithmetic(_, two) => {
                two.iter().for_each(|node| node.reads(found));
            }
        }
    }
}
