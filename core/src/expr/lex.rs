//! CEL text to tokens (<https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>).

use std::ops::Range;

use crate::expr::Fault;

/// A token and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Word(String),
    Int(u64),
    Number(f64),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// The tokens of a text, `End` last.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = token(rest).map_err(|mistake| mistake.at(text, at))?;
        if let Some(kind) = kind {
            found.push(Token { kind, span: at..at + length });
        }
        at += length;
    }
    found.push(Token { kind: Kind::End, span: text.len()..text.len() });
    Ok(found)
}

/// What stands in the way of a token.
struct Mistake {
    length: usize,
    message: String,
    help: Option<String>,
}

impl Mistake {
    fn new(length: usize, message: impl Into<String>) -> Self {
        Mistake { length, message: message.into(), help: None }
    }

    fn at(self, text: &str, at: usize) -> Fault {
        let fault = Fault::error("condition.syntax", at..(at + self.length).min(text.len()), self.message);
        Fault { help: self.help, ..fault }
    }
}

/// The token at the front and its length; none for white space and comments.
fn token(rest: &str) -> Result<(Option<Kind>, usize), Mistake> {
    let first = rest.chars().next().unwrap_or(' ');
    let second = rest.chars().nth(1).unwrap_or(' ');
    if first.is_whitespace() {
        return Ok((None, first.len_utf8()));
    }
    if rest.starts_with("//") {
        return Ok((None, rest.find('\n').unwrap_or(rest.len())));
    }
    if first == '"' || first == '\'' || (matches!(first, 'r' | 'R') && matches!(second, '"' | '\'')) {
        return text_literal(rest);
    }
    if matches!(first, 'b' | 'B') && matches!(second, '"' | '\'') {
        return Err(Mistake::new(1, "bytes are not part of the language"));
    }
    if first.is_ascii_digit() || (first == '.' && second.is_ascii_digit()) {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        return Ok((Some(Kind::Word(rest.get(..length).unwrap_or("").to_owned())), length));
    }
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Some(Kind::Sign(sign)), sign.len()));
    }
    let mistake = Mistake::new(first.len_utf8(), format!("`{first}` cannot stand here"));
    Err(match first {
        '=' | '&' | '|' => Mistake { help: Some(format!("did you mean `{first}{first}`?")), ..mistake },
        _ => mistake,
    })
}

fn number(rest: &str) -> Result<(Option<Kind>, usize), Mistake> {
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let length = hex.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(hex.len());
        let value = u64::from_str_radix(hex.get(..length).unwrap_or(""), 16);
        return value
            .map(|value| (Some(Kind::Int(value)), length + 2))
            .map_err(|_| Mistake::new(length + 2, "this is no number"));
    }
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or("");
        from + tail.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tail.len())
    };
    let mut end = digits(0);
    let mut whole = true;
    let next_is_digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if rest.as_bytes().get(end) == Some(&b'.') && next_is_digit(end + 1) {
        whole = false;
        end = digits(end + 1);
    }
    if matches!(rest.as_bytes().get(end), Some(b'e' | b'E')) {
        let signed = matches!(rest.as_bytes().get(end + 1), Some(b'+' | b'-'));
        let exponent = end + 1 + usize::from(signed);
        if next_is_digit(exponent) {
            whole = false;
            end = digits(exponent);
        }
    }
    let written = rest.get(..end).unwrap_or("");
    if rest
        .get(end..)
        .is_some_and(|tail| tail.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_'))
    {
        let unit = rest.get(end..).and_then(|tail| tail.split(|letter: char| !letter.is_ascii_alphanumeric()).next());
        let whole_word = format!("{written}{}", unit.unwrap_or(""));
        let mistake = Mistake::new(whole_word.len(), format!("`{whole_word}` is no number"));
        let help = crate::yaml::units::duration_ms(&whole_word)
            .map(|_| format!("write a length of time as `duration(\"{whole_word}\")`"));
        return Err(Mistake { help, ..mistake });
    }
    let kind = if whole { written.parse().ok().map(Kind::Int) } else { written.parse().ok().map(Kind::Number) };
    kind.map(|kind| (Some(kind), end)).ok_or_else(|| Mistake::new(end, format!("`{written}` is too large")))
}

fn text_literal(rest: &str) -> Result<(Option<Kind>, usize), Mistake> {
    let raw = rest.starts_with(['r', 'R']);
    let start = usize::from(raw);
    let body = rest.get(start..).unwrap_or("");
    let quote = if body.starts_with("\"\"\"") || body.starts_with("'''") { body.get(..3) } else { body.get(..1) };
    let quote = quote.unwrap_or("\"");
    let mut value = String::new();
    let mut at = start + quote.len();
    loop {
        let tail = rest.get(at..).unwrap_or("");
        if tail.starts_with(quote) {
            return Ok((Some(Kind::Text(value)), at + quote.len()));
        }
        match tail.chars().next() {
            None => return Err(Mistake::new(rest.len(), format!("a text without its closing {quote}"))),
            Some('\n' | '\r') if quote.len() == 1 => {
                return Err(Mistake::new(at, format!("a text without its closing {quote}")));
            }
            Some('\\') if !raw => {
                let unknown = at + tail.chars().take(2).map(char::len_utf8).sum::<usize>();
                let (letter, length) =
                    escape(tail).ok_or_else(|| Mistake::new(unknown, "an unknown escape in a text"))?;
                value.push(letter);
                at += length;
            }
            Some(letter) => {
                value.push(letter);
                at += letter.len_utf8();
            }
        }
    }
}

/// The letter that an escape stands for, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let letter = text.chars().nth(1)?;
    let simple = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '"' | '\'' | '`' | '?' => letter,
        'x' | 'X' => return coded(text, 2, 2, 16),
        'u' => return coded(text, 2, 4, 16),
        'U' => return coded(text, 2, 8, 16),
        '0'..='3' => return coded(text, 1, 3, 8),
        _ => return None,
    };
    Some((simple, 2))
}

fn coded(text: &str, from: usize, digits: usize, radix: u32) -> Option<(char, usize)> {
    let written = text.get(from..from + digits)?;
    let plain = written.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(written, radix).ok().filter(|_| plain)?;
    char::from_u32(code).map(|letter| (letter, from + digits))
}
