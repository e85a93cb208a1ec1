//! What a vendor's answer means: its class, the attributes it tells, what is kept of it, and how much of it is read.

use std::sync::Arc;

use crate::{
    attribute::Catalogue,
    connector::{
        answer::{
            Answer, Handing, Mapped,
            raw::{self, Raw},
        },
        compile::Compiler,
        document::response::{Format, Response},
        mapping::{Names, data::Data},
    },
    value::Type,
    yaml::Spanned,
};

/// Body limit if the file does not say, and the highest it can say, in bytes.
const BODY_BYTES: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 256 * 1024;
/// Raw data kept if the file does not say, and the most it can say, in bytes.
const RAW_BYTES: u64 = 8 * 1024;
const RAW_BYTES_MAX: u64 = 64 * 1024;

/// Groups that no vendor may speak for: a connector never tells who asks or what was proved.
const OWNED: [&str; 8] = ["request.", "subject.", "actor.", "token.", "proof.", "journey.", "time.", "device.is_known"];

/// Header fields that say nothing about the answer and much about the connection.
const HEADERS_HIDDEN: [&str; 3] = ["set-cookie", "authorization", "www-authenticate"];

impl Compiler<'_> {
    /// `is_asked` is whether somebody wants to know something of the vendor.
    pub(super) fn answer(&mut self, response: &Response, is_asked: bool, catalogue: &Catalogue) -> Answer {
        let headers = self.read_headers(response);
        let names = self.names(&headers);
        let outcomes = response.outcome.iter().filter_map(|rule| {
            let message = rule.message.as_ref().map(|message| Arc::from(message.as_str()));
            Some((self.expression(&rule.when, &names)?, rule.then, message))
        });
        let outcomes = outcomes.collect();
        let map = self.map(response, catalogue, &names);
        // Nothing made of a secret is kept for later.
        let public = Names { derived: Vec::new(), ..names };
        let state = response.keep_state.iter();
        let state = state.filter_map(|(name, text)| Some((name.as_str().into(), self.expression(text, &public)?)));
        let state = state.collect();
        let mut handed = |text: &Option<Spanned<String>>| text.as_ref().and_then(|text| self.expression(text, &public));
        let handed = Handing {
            redirect: handed(&response.redirect),
            embed: handed(&response.embed),
            number: handed(&response.number),
        };
        Answer {
            format: response.format,
            separator: self.separator(response),
            select: response.select.as_ref().and_then(|pointer| self.pointer(pointer)),
            nullif: response.nullif.iter().map(Data::of).collect(),
            headers,
            outcomes,
            required: self.required(response, &map),
            map,
            state,
            handed,
            raw: self.raw(response),
            is_read: is_asked || !response.map.is_empty() || !response.keep_state.is_empty(),
        }
    }

    fn read_headers(&mut self, response: &Response) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for name in &response.headers {
            let lower = name.to_ascii_lowercase();
            let token = !lower.is_empty() && lower.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
            if !token || HEADERS_HIDDEN.contains(&lower.as_str()) {
                self.fault("response.header", &name.span, format!("`{}` cannot be read", name.value));
            }
            names.push(lower.into());
        }
        names
    }

    fn separator(&mut self, response: &Response) -> String {
        let usual = if response.format == Format::KvLines { ":" } else { "," };
        let Some(separator) = &response.separator else { return usual.to_owned() };
        let takes = matches!(response.format, Format::KvLines | Format::Csv);
        let one = separator.chars().count() == 1 && !separator.contains(['"', '\r', '\n']);
        if !takes || separator.is_empty() || (response.format == Format::Csv && !one) {
            self.fault(
                "response.separator",
                &separator.span,
                "one letter, or more with `kv_lines`; only there and for `csv`",
            );
        }
        separator.value.clone()
    }

    fn pointer(&mut self, pointer: &Spanned<String>) -> Option<String> {
        if !pointer.starts_with('/') {
            self.fault("response.select", &pointer.span, "a JSON pointer begins with `/`, as in `/data/0`");
            return None;
        }
        Some(pointer.value.clone())
    }

    fn map(&mut self, response: &Response, catalogue: &Catalogue, names: &Names) -> Vec<Mapped> {
        let mut map = Vec::new();
        for (name, text) in &response.map {
            let Some(attribute) = catalogue.find(name) else {
                let message = format!("unknown attribute `{name}`");
                self.unknown("attribute.unknown", &text.span, message, catalogue.nearest(name));
                continue;
            };
            if OWNED.iter().any(|group| name.starts_with(group)) {
                self.fault("attribute.owned", &text.span, format!("`{name}` is what the gateway sees for itself"));
                continue;
            }
            let calibration = self.calibration(response, name, attribute.kind);
            if let Some(expression) = self.expression(text, names) {
                map.push(Mapped { attribute: attribute.clone(), expression, calibration });
            }
        }
        for (name, points) in &response.calibration {
            if !response.map.contains_key(name) {
                self.fault("attribute.unmapped", &points.span, format!("`{name}` is not in `map`"));
            }
        }
        map
    }

    /// Points of a line that never falls.
    fn calibration(&mut self, response: &Response, name: &str, kind: Type) -> Vec<(f64, f64)> {
        let Some(points) = response.calibration.get(name) else { return Vec::new() };
        let rising = points.windows(2).all(|two| matches!(two, [(x0, y0), (x1, y1)] if x0 < x1 && y0 <= y1));
        if points.len() < 2 || !rising || points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            let message = "two points or more, `[vendor's, ours]`, the first numbers rising and the second not falling";
            self.fault("calibration.points", &points.span, message);
        }
        if kind != Type::Number {
            self.fault("calibration.type", &points.span, format!("`{name}` is {kind}; only numbers are calibrated"));
        }
        points.value.clone()
    }

    fn required(&mut self, response: &Response, map: &[Mapped]) -> Vec<usize> {
        let mut required = Vec::new();
        for name in &response.required {
            match map.iter().position(|mapped| *mapped.attribute.name == *name.value) {
                Some(at) => required.push(at),
                None => self.fault("attribute.unmapped", &name.span, format!("`{}` is not in `map`", name.value)),
            }
        }
        required
    }

    fn raw(&mut self, response: &Response) -> Option<Raw> {
        let wanted = response.raw.as_ref()?;
        let mut paths = |texts: &[Spanned<String>]| {
            let mut paths = Vec::new();
            for text in texts {
                match raw::path(text) {
                    Some(path) => paths.push(path),
                    None => {
                        self.fault("raw.path", &text.span, format!("`{}` is no path such as `a.b[].c`", text.value))
                    }
                }
            }
            paths
        };
        let (keep, drop) = (paths(&wanted.keep), paths(&wanted.drop));
        let bytes_max = wanted.max_bytes.as_ref().map_or(RAW_BYTES, |limit| limit.bytes);
        if let Some(limit) = wanted.max_bytes.as_ref().filter(|limit| limit.bytes > RAW_BYTES_MAX) {
            self.fault("raw.too_large", &limit.span, "at most 64KiB are kept");
        }
        Some(Raw { keep, drop, bytes_max: bytes_max.min(RAW_BYTES_MAX) as usize, ttl_ms: wanted.ttl.map(|ttl| ttl.ms) })
    }

    pub(super) fn body_limit(&mut self, response: &Response) -> usize {
        let Some(limit) = &response.max_bytes else { return BODY_BYTES as usize };
        if limit.bytes > BODY_BYTES_MAX {
            self.fault("response.too_large", &limit.span, "at most 256KiB of an answer are read");
        }
        limit.bytes.min(BODY_BYTES_MAX) as usize
    }
}
