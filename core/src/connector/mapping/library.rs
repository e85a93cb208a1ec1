//! The functions of the mapping language. Each gives a value or says why there is none; none reads a clock.

use std::{cmp::Ordering, ops::RangeInclusive};

use crate::connector::{
    is_private,
    mapping::{
        Stop,
        data::{Data, ELEMENTS_MAX},
        dates,
        eval::{Got, Outcome, why},
        text,
    },
};

/// Longest text that joining makes, in bytes.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// Declares the functions: name in the language, how many arguments, and what it does.
macro_rules! functions {
    ($($name:ident $written:literal $least:literal..=$most:literal),* $(,)?) => {
        /// A function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($name),* }

        impl Function {
            /// The function of this name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($written => Some(Function::$name),)* _ => None }
            }

            /// The names of all functions.
            pub(super) fn all() -> impl Iterator<Item = &'static str> {
                [$($written),*].into_iter()
            }

            /// How many arguments it takes; what a method is called on is the first.
            pub(super) fn takes(self) -> RangeInclusive<usize> {
                match self { $(Function::$name => $least..=$most),* }
            }
        }
    };
}

functions! {
    Score "score" 3..=3,
    Num "num" 1..=1,
    Truthy "truthy" 1..=1,
    Pick "pick" 2..=3,
    Lower "lower" 1..=1,
    Upper "upper" 1..=1,
    Trim "trim" 1..=1,
    Slice "slice" 2..=3,
    Split "split" 2..=2,
    Join "join" 2..=2,
    After "after" 2..=2,
    LastSegment "last_segment" 1..=1,
    Asn "asn" 1..=1,
    AgeDays "age_days" 1..=1,
    Now "now" 0..=0,
    Keys "keys" 1..=1,
    MaxOf "max_of" 1..=8,
    MinOf "min_of" 1..=8,
    First "first" 1..=1,
    Md5Hex "md5_hex" 1..=1,
    Sha1Hex "sha1_hex" 1..=1,
    Sha256Hex "sha256_hex" 1..=1,
    Sha512Hex "sha512_hex" 1..=1,
    B64 "b64" 1..=1,
    B64d "b64d" 1..=1,
    UrlEncode "urlencode" 1..=1,
    IsPrivateIp "is_private_ip" 1..=1,
    DomainOf "domain_of" 1..=1,
    NormalizeEmail "normalize_email" 1..=1,
    E164 "e164" 1..=1,
    XmlText "xml_text" 1..=1,
    Size "size" 1..=1,
    Contains "contains" 2..=2,
    StartsWith "startsWith" 2..=2,
    EndsWith "endsWith" 2..=2,
    String "string" 1..=1,
    Int "int" 1..=1,
    Double "double" 1..=1,
}

impl Function {
    /// What it comes to. `now_ms` is the time of the event.
    pub(super) fn call<'e>(self, args: Vec<Got<'e>>, now_ms: i64) -> Outcome<'e> {
        if self == Function::Now {
            return made(Data::Int(now_ms.div_euclid(1000)));
        }
        let Some(first) = args.first() else { return Err(Stop::Mistyped) };
        match self {
            Function::Pick => return pick(args),
            Function::First => return self::first(args),
            Function::XmlText => return xml_text(args),
            Function::MaxOf => return most(args, Ordering::Greater),
            Function::MinOf => return most(args, Ordering::Less),
            _ => {}
        }
        let second = args.get(1);
        let changed = |change: &dyn Fn(&str) -> Option<String>| {
            change(said(first)?).map(|it| Got::Made(Data::text(it))).ok_or(Stop::Mistyped)
        };
        match self {
            Function::Score => score(&args),
            Function::Num | Function::Double => made(Data::number(number(first)?)),
            Function::Int => match number(first)? {
                it if it.abs() < 9e15 => made(Data::Int(it as i64)),
                _ => Err(Stop::Mistyped),
            },
            Function::Truthy => made(Data::Bool(truthy(first)?)),
            Function::Lower => changed(&|it| Some(it.to_lowercase())),
            Function::Upper => changed(&|it| Some(it.to_uppercase())),
            Function::Trim => changed(&|it| Some(it.trim().to_owned())),
            Function::Md5Hex => changed(&|it| Some(text::md5_hex(it.as_bytes()))),
            Function::Sha1Hex => changed(&|it| Some(text::sha1_hex(it.as_bytes()))),
            Function::Sha256Hex => changed(&|it| Some(text::sha256_hex(it.as_bytes()))),
            Function::Sha512Hex => changed(&|it| Some(text::sha512_hex(it.as_bytes()))),
            Function::B64 => changed(&|it| Some(data_encoding::BASE64.encode(it.as_bytes()))),
            Function::B64d => changed(&text::from_base64),
            Function::UrlEncode => changed(&|it| Some(text::percent_encoded(it))),
            Function::DomainOf => changed(&text::domain_of),
            Function::NormalizeEmail => changed(&text::normalized_email),
            Function::E164 => changed(&text::e164),
            Function::LastSegment => changed(&|it| it.trim_end_matches('/').rsplit('/').next().map(str::to_owned)),
            Function::After => {
                let found = said(first)?.split_once(said(second.ok_or(Stop::Missing)?)?);
                found.map(|(_, after)| Got::Made(Data::text(after.to_owned()))).ok_or(Stop::Missing)
            }
            Function::Slice => slice(first, &args),
            Function::Split => split(said(first)?, said(second.ok_or(Stop::Missing)?)?),
            Function::Join => join(first, said(second.ok_or(Stop::Missing)?)?),
            Function::Asn => asn(first),
            Function::AgeDays => {
                let then_ms = match &**first {
                    Data::Int(it) => dates::of_number(*it as f64),
                    Data::Number(it) => dates::of_number(*it),
                    other => dates::of_text(said(other)?),
                };
                let age_ms = now_ms.saturating_sub(then_ms.ok_or(Stop::Mistyped)?).max(0);
                made(Data::Number(age_ms as f64 / dates::DAY_MS as f64))
            }
            Function::Keys => match &**first {
                Data::Map(fields) => {
                    made(Data::List(fields.iter().map(|(name, _)| Data::text(name.to_string())).collect()))
                }
                other => Err(why(other)),
            },
            Function::IsPrivateIp => {
                said(first)?.parse().map(|ip| Got::Made(Data::Bool(is_private(ip)))).map_err(|_| Stop::Mistyped)
            }
            Function::Size => made(Data::Int(match &**first {
                Data::Text(it) => it.chars().count() as i64,
                Data::List(it) => it.len() as i64,
                Data::Map(it) => it.len() as i64,
                other => return Err(why(other)),
            })),
            Function::Contains => match (&**first, &**second.ok_or(Stop::Missing)?) {
                (Data::List(items), wanted) => made(Data::Bool(items.contains(wanted))),
                (one, two) => made(Data::Bool(said(one)?.contains(said(two)?))),
            },
            Function::StartsWith => made(Data::Bool(said(first)?.starts_with(said(second.ok_or(Stop::Missing)?)?))),
            Function::EndsWith => made(Data::Bool(said(first)?.ends_with(said(second.ok_or(Stop::Missing)?)?))),
            Function::String => match &**first {
                Data::Text(it) => made(Data::text(it.to_string())),
                it @ (Data::Bool(_) | Data::Int(_) | Data::Number(_)) => made(Data::text(it.to_json().to_string())),
                other => Err(why(other)),
            },
            Function::Pick
            | Function::First
            | Function::XmlText
            | Function::MaxOf
            | Function::MinOf
            | Function::Now => Err(Stop::Mistyped),
        }
    }
}

fn made<'e>(data: Data<'e>) -> Outcome<'e> {
    Ok(Got::Made(data))
}

fn said<'d>(data: &'d Data<'_>) -> Result<&'d str, Stop> {
    match data {
        Data::Text(it) => Ok(it),
        other => Err(why(other)),
    }
}

fn number(data: &Data<'_>) -> Result<f64, Stop> {
    match data {
        Data::Int(it) => Ok(*it as f64),
        Data::Number(it) => Ok(*it),
        Data::Text(it) => it.trim().parse().ok().filter(|it: &f64| it.is_finite()).ok_or(Stop::Mistyped),
        other => Err(why(other)),
    }
}

/// `score(x, lo, hi)`: where x stands between harmless (0) and worst (100); `lo` may be above `hi` for trust scores.
fn score<'e>(args: &[Got<'e>]) -> Outcome<'e> {
    let [value, low, high] = args else { return Err(Stop::Mistyped) };
    let (value, low, high) = (number(value)?, number(low)?, number(high)?);
    let share = (value - low) / (high - low);
    if share.is_finite() { made(Data::Number((share * 100.0).clamp(0.0, 100.0))) } else { Err(Stop::Mistyped) }
}

/// `true`, `1`, `"true"`, `"yes"`, `"y"`, `"1"` and their opposites; anything else is unknown.
fn truthy(data: &Data<'_>) -> Result<bool, Stop> {
    match data {
        Data::Bool(it) => Ok(*it),
        Data::Int(it @ (0 | 1)) => Ok(*it == 1),
        Data::Text(it) => match it.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => Ok(true),
            "false" | "no" | "n" | "0" => Ok(false),
            _ => Err(Stop::Mistyped),
        },
        other => Err(why(other)),
    }
}

/// `pick(x, {…}, otherwise)`: the entry for x; `otherwise` if there is none, unknown if x is.
fn pick(args: Vec<Got<'_>>) -> Outcome<'_> {
    let mut args = args.into_iter();
    let (Some(value), Some(entries)) = (args.next(), args.next()) else { return Err(Stop::Mistyped) };
    let name = match &*value {
        Data::Text(it) => it.to_string(),
        Data::Int(it) => it.to_string(),
        Data::Bool(it) => it.to_string(),
        other => return Err(why(other)),
    };
    let Data::Map(fields) = entries.into_data() else { return Err(Stop::Mistyped) };
    match fields.into_iter().find(|(it, _)| *it == name) {
        Some((_, found)) => made(found),
        None => args.next().ok_or(Stop::Missing),
    }
}

fn first(args: Vec<Got<'_>>) -> Outcome<'_> {
    match args.into_iter().next() {
        Some(Got::Given(Data::List(items))) => items.first().map(Got::Given).ok_or(Stop::Missing),
        Some(Got::Made(Data::List(items))) => items.into_iter().next().map(Got::Made).ok_or(Stop::Missing),
        Some(other) => Err(why(&other)),
        None => Err(Stop::Missing),
    }
}

/// The text of an element, whether or not it has attributes.
fn xml_text(args: Vec<Got<'_>>) -> Outcome<'_> {
    match args.into_iter().next() {
        Some(Got::Given(data @ Data::Map(_))) => data.field("$").map(Got::Given).ok_or(Stop::Missing),
        Some(Got::Made(Data::Map(fields))) => {
            let text = fields.into_iter().find(|(name, _)| name == "$");
            text.map(|(_, it)| Got::Made(it)).ok_or(Stop::Missing)
        }
        Some(got) if matches!(*got, Data::Text(_)) => Ok(got),
        Some(other) => Err(why(&other)),
        None => Err(Stop::Missing),
    }
}

/// The highest or lowest of a list, or of the arguments: numbers among numbers, texts among texts; nulls do not count.
fn most(args: Vec<Got<'_>>, wanted: Ordering) -> Outcome<'_> {
    let items = match args.as_slice() {
        [Got::Given(Data::List(items))] => items.to_vec(),
        [Got::Made(Data::List(items))] => items.clone(),
        _ => args.into_iter().map(Got::into_data).collect(),
    };
    let mut best: Option<Data<'_>> = None;
    for item in items {
        let order = match (&item, &best) {
            (Data::Null, _) => continue,
            (Data::Int(_) | Data::Number(_) | Data::Text(_), None) => Some(wanted),
            (Data::Text(one), Some(Data::Text(two))) => Some(one.cmp(two)),
            (Data::Int(_) | Data::Number(_), Some(two @ (Data::Int(_) | Data::Number(_)))) => {
                number(&item)?.partial_cmp(&number(two)?)
            }
            _ => return Err(Stop::Mistyped),
        };
        if order == Some(wanted) {
            best = Some(item);
        }
    }
    best.map(Got::Made).ok_or(Stop::Missing)
}

/// `slice(x, from, to)`: letters or elements; beyond the end there are none.
fn slice<'e>(of: &Data<'_>, args: &[Got<'e>]) -> Outcome<'e> {
    let bound = |at: usize| match args.get(at).map(|it| &**it) {
        Some(Data::Int(it)) => usize::try_from(*it).map_err(|_| Stop::Mistyped),
        Some(other) => Err(why(other)),
        None => Ok(usize::MAX),
    };
    let (from, to) = (bound(1)?, bound(2)?);
    let length = to.saturating_sub(from);
    match of {
        Data::Text(text) => made(Data::text(text.chars().skip(from).take(length).collect::<std::string::String>())),
        Data::List(items) => {
            made(Data::List(items.iter().skip(from).take(length).map(|it| Data::of(&it.to_json())).collect()))
        }
        other => Err(why(other)),
    }
}

fn split<'e>(text: &str, separator: &str) -> Outcome<'e> {
    if separator.is_empty() {
        return Err(Stop::Mistyped);
    }
    let parts: Vec<Data<'e>> =
        text.split(separator).take(ELEMENTS_MAX + 1).map(|it| Data::text(it.to_owned())).collect();
    if parts.len() > ELEMENTS_MAX { Err(Stop::TooLong) } else { made(Data::List(parts)) }
}

fn join<'e>(list: &Data<'_>, separator: &str) -> Outcome<'e> {
    let Data::List(items) = list else { return Err(why(list)) };
    let items: Vec<&str> = items.iter().map(said).collect::<Result<_, _>>()?;
    let bytes = items.iter().map(|it| it.len() + separator.len()).sum::<usize>();
    if bytes > JOINED_BYTES_MAX { Err(Stop::TooLong) } else { made(Data::text(items.join(separator))) }
}

/// `asn(x)`: the number of `AS64500`, `64500` or `"64500"`.
fn asn<'e>(of: &Data<'_>) -> Outcome<'e> {
    let number = match of {
        Data::Int(it) => u32::try_from(*it).ok(),
        Data::Number(it) => (it.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(it)).then_some(*it as u32),
        Data::Text(it) => {
            let bare = it.trim_start_matches("AS").trim_start_matches("as");
            bare.split_whitespace().next().and_then(|it| it.parse().ok())
        }
        other => return Err(why(other)),
    };
    number.map(|it| Got::Made(Data::Int(it.into()))).ok_or(Stop::Mistyped)
}
