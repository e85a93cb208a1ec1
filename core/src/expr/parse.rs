//! CEL text to its syntax tree, by the `cel` crate, within limits. Positions are byte offsets into the text.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators as op};

use crate::expr::Fault;

/// Longest condition, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Deepest nesting.
const DEPTH_MAX: u16 = 32;

/// A parsed condition and where its parts are.
pub(crate) struct Parsed {
    pub(crate) root: IdedExpr,
    info: SourceInfo,
}

/// Parses a condition.
pub(crate) fn parse(text: &str) -> Result<Parsed, Vec<Fault>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a condition of {} bytes; at most {TEXT_BYTES_MAX} are read", text.len());
        return Err(vec![Fault::error("condition.too_long", 0..text.len(), message).help("split it into several rules")]);
    }
    if text.trim().is_empty() {
        return Err(vec![Fault::error("condition.empty", 0..text.len(), "an empty condition")]);
    }
    // No macros: `has` and `exists` stay plain calls, which `check` reads.
    let parser = cel::Env::default().parser().max_recursion_depth(DEPTH_MAX);
    match parser.parse_with_source_info(text) {
        Ok((root, info)) => Ok(Parsed { root, info }),
        Err(errors) => Err(errors.errors.iter().take(1).map(|error| syntax(text, error.pos, &error.msg)).collect()),
    }
}

/// The parser's complaint in our words: its own lists every token it would have liked.
fn syntax(text: &str, (line, column): (isize, isize), message: &str) -> Fault {
    let at = byte_at(text, line, column);
    let found = text.get(at..).and_then(|rest| rest.split_whitespace().next()).unwrap_or("");
    if message.contains("recursion") || message.contains("depth") {
        return Fault::error("condition.too_deep", at..at, format!("nested more than {DEPTH_MAX} deep"));
    }
    let single = ["=", "&", "|"].iter().find(|sign| text.get(at..).is_some_and(|rest| rest.starts_with(**sign)));
    let fault = match found {
        "" => Fault::error("condition.syntax", text.len()..text.len(), "the condition ends too early"),
        _ => Fault::error("condition.syntax", at..at + found.len(), format!("`{found}` cannot stand here")),
    };
    let words = [(" and ", "&&"), (" or ", "||"), ("not ", "!")];
    match (single, words.iter().find(|(word, _)| text.contains(word))) {
        (Some(sign), _) => fault.help(format!("did you mean `{sign}{sign}`?")),
        (None, Some((word, sign))) => fault.help(format!("write `{sign}` for `{}`", word.trim())),
        (None, None) => fault,
    }
}

fn byte_at(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let column = usize::try_from(column - 1).unwrap_or(0);
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

impl Parsed {
    /// Where the sub-expression begins and, as far as the parser remembers, ends.
    pub(crate) fn span(&self, of: &IdedExpr) -> Range<usize> {
        let mut found = self.own(of);
        let mut pending = children(of);
        while let Some(node) = pending.pop() {
            let own = self.own(node);
            found = found.start.min(own.start)..found.end.max(own.end);
            pending.extend(children(node));
        }
        found
    }

    /// Where the parser says the node itself stands: an operator's sign, a select's dot, a literal's text.
    fn own(&self, of: &IdedExpr) -> Range<usize> {
        let (start, stop) = self.info.offset_for(of.id).unwrap_or((0, 0));
        let start = self.byte(start as usize);
        let stop = self.byte(stop as usize + 1);
        match &of.expr {
            Expr::Ident(name) => start..start + name.len(),
            Expr::Select(select) => start..start + 1 + select.field.len(),
            _ => start..stop.max(start),
        }
    }

    /// The parser counts characters.
    fn byte(&self, characters: usize) -> usize {
        let text = &self.info.source;
        text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
    }

    /// Where a called function's name stands.
    pub(crate) fn function(&self, call: &CallExpr, of: &IdedExpr) -> Range<usize> {
        let span = self.span(of);
        let paren = self.own(of).start;
        let before = self.info.source.get(..paren).unwrap_or("");
        let around = before.rfind(&call.func_name).or_else(|| self.info.source.find(&call.func_name));
        around.map_or(span, |at| at..at + call.func_name.len())
    }
}

fn children(of: &IdedExpr) -> Vec<&IdedExpr> {
    match &of.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Unspecified | Expr::Comprehension(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) => {
            Vec::new()
        }
    }
}

/// The dotted name an expression spells: `a.b.c`, also `a["b"].c`.
pub(crate) fn path(of: &IdedExpr) -> Option<Vec<&str>> {
    match &of.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        Expr::Call(call) if call.func_name == op::INDEX => {
            let [of, key] = call.args.as_slice() else { return None };
            let Expr::Literal(LiteralValue::String(key)) = &key.expr else { return None };
            let mut path = path(of)?;
            path.push(key.inner());
            Some(path)
        }
        _ => None,
    }
}
