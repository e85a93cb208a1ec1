//! Recognising an event: which requests a policy covers, and which of several is the most specific.

use std::{borrow::Cow, sync::Arc};

use crate::expr::Condition;

pub mod matcher;
pub mod pattern;
pub mod readings;
pub mod trie;

/// Reads the text of a cover: `METHOD host/path`. See [`pattern`].
pub fn parse_cover(text: &str) -> Result<pattern::Parsed, pattern::PatternError> {
    pattern::parse(text)
}

/// One entry of `covers`.
#[derive(Debug)]
pub struct Cover {
    /// As written: `POST bank.example.com/api/transfers`.
    pub text: Arc<str>,
    /// The method, or `None` for `ANY`.
    pub method: Option<Method>,
    /// The host.
    pub host: Host,
    /// The path, segment by segment; the matcher shares it.
    pub path: Arc<[Segment]>,
    /// A predicate on body, header or query.
    pub matches: Option<Condition>,
}

/// An HTTP method, upper case. The usual ones take no memory of their own.
pub type Method = Cow<'static, str>;

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Any host.
    Any,
    /// Any name under this suffix, without the `*.`: `*.example.com` is `example.com`.
    Under(Arc<str>),
    /// Just this one, lower case.
    Exactly(Arc<str>),
}

/// One segment of a path pattern, after percent-decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Just this text.
    Literal(Arc<str>),
    /// `prefix{name}suffix`: text with a parameter inside.
    Affixed(Box<Affixed>),
    /// `{name}`: any one segment, kept as a parameter.
    Parameter(Arc<str>),
    /// `*`: any one segment.
    One,
    /// `**`: any number of segments, also none; only at the end.
    Rest,
}

/// Text with a parameter inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affixed {
    /// What it begins with.
    pub prefix: Arc<str>,
    /// The parameter's name.
    pub name: Arc<str>,
    /// What it ends with.
    pub suffix: Arc<str>,
}
