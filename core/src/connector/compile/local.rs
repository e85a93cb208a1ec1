//! Data that is looked up: what it is, where it comes from, and how old it may be.

use std::{ops::Range, path::Path, sync::Arc};

use regex::{Regex, RegexBuilder};

use crate::{
    connector::{
        compile::{Compiler, request::Within},
        document::{
            local::{self, Entries, LocalFormat, LocalKind},
            operation::{Method, Request},
        },
        local::{Downloads, Home, Local},
        request::Outgoing,
    },
    yaml::{Spanned, units},
};

/// Largest data if the file does not say, and the most it can say, in bytes.
const BYTES: u64 = 64 << 20;
const DATABASE_BYTES: u64 = 1 << 30;
const BYTES_MAX: u64 = 4 << 30;
/// How often it is downloaded if the file does not say, and at most, in milliseconds.
const REFRESH_MS: u64 = 24 * 3_600_000;
const REFRESH_MS_MIN: u64 = 60_000;
/// How old what is downloaded may be if the file does not say, in milliseconds.
const STALE_AFTER_MS: u64 = 7 * 24 * 3_600_000;
/// How long a download may take if the file does not say, and at most, in milliseconds.
const TIMEOUT_MS: u64 = 60_000;
const TIMEOUT_MS_MAX: u64 = 600_000;
/// Most memory that an expression may compile to, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// Most parts.
const PARTS_MAX: usize = 16;

impl Compiler<'_> {
    pub(super) fn local(&mut self, local: &Spanned<local::Local>) -> Option<Local> {
        let Spanned { value: local, span } = local;
        let key = self.template(&local.key, &local.key.span, Within::CacheKey);
        let home = self.home(local, span);
        let stale_after_ms = self.time(local.stale_after.as_ref());
        let stale_after_ms = match &home {
            Some(Home::Downloads(downloads)) => {
                let stale_ms = stale_after_ms.unwrap_or(STALE_AFTER_MS.max(downloads.refresh_ms.saturating_mul(3)));
                if stale_ms <= downloads.refresh_ms {
                    self.fault(
                        "local.stale",
                        span,
                        "`stale_after` is longer than `refresh`, or the list is never there",
                    );
                }
                Some(stale_ms)
            }
            Some(Home::File(_)) | None => stale_after_ms,
        };
        self.form(local, span);
        let separator = self.field_separator(local);
        Some(Local {
            kind: local.kind,
            home: home?,
            entries: local.entries,
            parents: local.parents,
            format: local.format,
            separator,
            pattern: local.pattern.as_ref().and_then(|pattern| self.pattern(pattern)),
            column: local.column.as_ref().map(|column| Arc::from(column.as_str())),
            entries_min: local.entries_min.map_or(1, |least| least.max(1) as usize),
            stale_after_ms,
            bytes_max: self.bytes_max(local),
            key: key?,
        })
    }

    /// What does not go together is a mistake that would otherwise never find anything.
    fn form(&mut self, local: &local::Local, span: &Range<usize>) {
        let with_columns = match local.format {
            LocalFormat::Lines => false,
            LocalFormat::Csv | LocalFormat::Jsonl | LocalFormat::Json => true,
        };
        let mut rule = |broken: bool, message: &str| {
            if broken {
                self.fault("local.form", span, message);
            }
        };
        match local.kind {
            LocalKind::Mmdb => {
                let told =
                    with_columns || local.pattern.is_some() || local.column.is_some() || local.entries_min.is_some();
                rule(told, "an `mmdb` has no `format`, `pattern`, `column` or `entries_min`");
            }
            LocalKind::Table => rule(!with_columns, "a `table` is `csv`, `jsonl` or `json`"),
            LocalKind::List | LocalKind::Cidr => {}
        }
        let by_address = matches!(local.kind, LocalKind::Mmdb | LocalKind::Cidr);
        rule(by_address && local.entries != Entries::Text, "`entries` belongs to `list` and `table`");
        rule(local.parents && local.entries != Entries::Domain, "`parents` belongs to `entries: domain`");
        rule(local.pattern.is_some() && with_columns, "`pattern` belongs to `format: lines`");
        rule(local.column.is_some() && !with_columns, "`column` belongs to `csv`, `jsonl` and `json`");
        let by_column = matches!(local.format, LocalFormat::Csv | LocalFormat::Jsonl) || local.kind == LocalKind::Table;
        rule(with_columns && by_column && local.column.is_none(), "name the `column` that holds the entry");
        let asks = local.url.is_some() || !local.urls.is_empty();
        rule(!asks && (local.refresh.is_some() || local.timeout.is_some()), "`refresh` and `timeout` belong to `url`");
    }

    fn home(&mut self, local: &local::Local, span: &Range<usize>) -> Option<Home> {
        let urls: Vec<&Spanned<String>> = local.url.iter().chain(&local.urls).collect();
        match (&local.path, urls.as_slice()) {
            (Some(path), []) => self.file(path).map(Home::File),
            (None, [_, ..]) if urls.len() <= PARTS_MAX && (local.url.is_none() || local.urls.is_empty()) => {
                let parts: Option<Vec<Outgoing>> = urls.into_iter().map(|url| self.part(url)).collect();
                Some(Home::Downloads(Downloads {
                    refresh_ms: self.refresh(local, span),
                    timeout_ms: self.download_time(local),
                    parts: parts?,
                }))
            }
            (Some(_) | None, _) => {
                self.fault("local.home", span, format!("one of `path`, `url` and `urls` (at most {PARTS_MAX})"));
                None
            }
        }
    }

    /// A connector's file is only half trusted: it names files below its own folder. Any other is named by the operator,
    /// in `stepward.yaml`.
    fn file(&mut self, path: &Spanned<String>) -> Option<String> {
        let document = self.document;
        let setting = path.strip_prefix("${config.").and_then(|it| it.strip_suffix('}'));
        let chosen = setting.and_then(|name| document.config.get(name)).is_some_and(|it| it.default.is_none());
        let written = self.own_text(path)?;
        let below = Path::new(&written).components().all(|it| matches!(it, std::path::Component::Normal(_)));
        if written.is_empty() || !(chosen || below) {
            let message = "a file outside the folder of connectors is named by a setting without a default: \
                `path: \"${config.path}\"`";
            self.fault("local.path", &path.span, message);
            return None;
        }
        Some(written)
    }

    fn part(&mut self, url: &Spanned<String>) -> Option<Outgoing> {
        let request = Request {
            method: Method::Get,
            url: url.clone(),
            query: Default::default(),
            headers: Default::default(),
            json: None,
            jsonl: None,
            form: None,
            xml: None,
            text: None,
            content_type: None,
        };
        self.request(&request, Within::TokenRequest)
    }

    fn refresh(&mut self, local: &local::Local, span: &Range<usize>) -> u64 {
        let refresh_ms = self.time(local.refresh.as_ref()).unwrap_or(REFRESH_MS);
        if refresh_ms < REFRESH_MS_MIN {
            self.fault("local.refresh", span, "`refresh` is 1m or more");
        }
        refresh_ms.max(REFRESH_MS_MIN)
    }

    fn download_time(&mut self, local: &local::Local) -> u64 {
        let Some(timeout) = &local.timeout else { return TIMEOUT_MS };
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout.ms) {
            self.fault("local.timeout", &timeout.span, "`timeout` is 1ms to 10m");
        }
        timeout.ms.clamp(1, TIMEOUT_MS_MAX)
    }

    /// A length of time that may come from a setting.
    fn time(&mut self, text: Option<&Spanned<String>>) -> Option<u64> {
        let text = text?;
        let written = self.own_text(text)?;
        let time = units::duration_ms(&written).and_then(|ms| u64::try_from(ms).ok());
        if time.is_none() {
            self.fault("local.time", &text.span, format!("`{written}` is no length of time, such as `12h`"));
        }
        time
    }

    fn field_separator(&mut self, local: &local::Local) -> char {
        let Some(separator) = &local.separator else { return ',' };
        let mut letters = separator.chars();
        let (letter, more) = (letters.next().unwrap_or('"'), letters.next().is_some());
        if more || matches!(letter, '"' | '\r' | '\n') || local.format != LocalFormat::Csv {
            self.fault("local.form", &separator.span, "one letter, and only for `csv`");
        }
        letter
    }

    fn pattern(&mut self, pattern: &Spanned<String>) -> Option<Regex> {
        match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build() {
            Ok(regex) if regex.captures_len() >= 2 => Some(regex),
            Ok(_) => {
                self.fault("local.pattern", &pattern.span, "a group says which part is the entry: `^Address (\\S+)`");
                None
            }
            Err(_) => {
                self.fault("local.pattern", &pattern.span, "this is no regular expression, or one that is too large");
                None
            }
        }
    }

    fn bytes_max(&mut self, local: &local::Local) -> u64 {
        let usual = if local.kind == LocalKind::Mmdb { DATABASE_BYTES } else { BYTES };
        let Some(limit) = &local.max_bytes else { return usual };
        if !(1..=BYTES_MAX).contains(&limit.bytes) {
            self.fault("local.too_large", &limit.span, "`max_bytes` is 1B to 4GiB");
        }
        limit.bytes.clamp(1, BYTES_MAX)
    }
}
