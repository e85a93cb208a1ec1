//! What a vendor sends by itself: what vouches for it is whole, or the file is refused.

use std::{ops::Range, sync::Arc};

use crate::{
    connector::{
        compile::{Compiler, request::Within},
        document::{
            operation::{Kind, Operation},
            receive::{self, Proof, Unit},
        },
        receive::{Receiving, Signed, Stamp, StampPlace, Verify},
        template::{Name, Part, Piece, Template},
    },
    yaml::Spanned,
};

/// How far a timestamp may be off if the file does not say, and at most, in milliseconds.
const TOLERANCE_MS: u64 = 5 * 60 * 1000;
const TOLERANCE_MS_MAX: u64 = 60 * 60 * 1000;

impl Compiler<'_> {
    pub(super) fn receive(&mut self, operation: &Spanned<Operation>) -> Option<Receiving> {
        let written = operation.receive.as_ref()?;
        let span = &written.span;
        let told = operation.retry.is_some() || operation.cache.is_some() || operation.limits.is_some();
        if operation.kind != Kind::Inbound || told || operation.timeout.is_some() || operation.auth.is_some() {
            let message = "with `receive` an operation is `kind: inbound` and asks nobody: no `auth`, `retry`, `cache`, \
                `limits` or `timeout`";
            self.fault("receive.operation", span, message);
        }
        let headers: Vec<Arc<str>> =
            operation.response.headers.iter().map(|it| it.to_ascii_lowercase().into()).collect();
        let names = self.names(&headers);
        let reference = self.expression(&written.reference, &names);
        let event = written.event.as_ref().and_then(|text| self.expression(text, &names));
        let verify = self.verify(&written.verify);
        Some(Receiving { verify: verify?, reference: reference?, event })
    }

    fn verify(&mut self, written: &Spanned<receive::Verify>) -> Option<Verify> {
        self.only_its_own(written);
        let span = &written.span;
        let own = |compiler: &mut Self, text: &Option<Spanned<String>>, what: &str| match text {
            Some(text) => compiler.template(text, &text.span, Within::TokenRequest),
            None => {
                compiler.fault("receive.incomplete", span, format!("`{}` needs `{what}`", written.kind.name()));
                None
            }
        };
        match written.kind {
            Proof::Basic => {
                let username = own(self, &written.username, "username");
                let password = own(self, &written.password, "password");
                self.holds_secret(password.as_ref(), "password", span);
                Some(Verify::Basic { username: username?, password: password? })
            }
            Proof::Token => {
                let value = own(self, &written.value.value, "value");
                self.holds_secret(value.as_ref(), "value", span);
                let header = self.header_of(written)?;
                Some(Verify::Token { header, value: value? })
            }
            Proof::Hmac => {
                let key = own(self, &written.key, "key");
                self.holds_secret(key.as_ref(), "key", span);
                let string_to_sign = match &written.string_to_sign {
                    Some(text) => self.template(text, &text.span, Within::Received),
                    None => Some(Template { parts: vec![Part::Value(Name::Request(Piece::Body), None)] }),
                };
                let timestamp = written.timestamp.as_ref().and_then(|it| self.stamp(it, written));
                let signs = |piece: &Piece| {
                    string_to_sign
                        .as_ref()
                        .is_none_or(|it| it.names().any(|name| *name == Name::Request(piece.clone())))
                };
                if !signs(&Piece::Body) {
                    self.fault("receive.unsigned", span, "`string_to_sign` leaves out `${req.body}`");
                }
                if signs(&Piece::Timestamp) != timestamp.is_some() && string_to_sign.is_some() {
                    let message = "`timestamp` says when it was sent, and `${req.timestamp}` is part of `string_to_sign`: \
                        one needs the other";
                    self.fault("receive.unsigned", span, message);
                }
                let header = self.header_of(written);
                let text = |text: &Option<Spanned<String>>| text.as_ref().map(|it| it.value.clone());
                Some(Verify::Hmac(Box::new(Signed {
                    header: header?,
                    field: text(&written.field).map(Arc::from),
                    prefix: text(&written.prefix).unwrap_or_default(),
                    algorithm: written.algorithm,
                    key: key?,
                    key_encoding: written.key_encoding,
                    encoding: written.encoding,
                    string_to_sign: string_to_sign?,
                    timestamp,
                })))
            }
        }
    }

    /// What belongs to another way of vouching says nothing here, and whoever wrote it believes that it does.
    fn only_its_own(&mut self, written: &Spanned<receive::Verify>) {
        let (hmac, basic, token) = (Proof::Hmac, Proof::Basic, Proof::Token);
        let given: [(&str, bool, &[Proof]); 9] = [
            ("header", written.header.is_some(), &[hmac, token]),
            ("field", written.field.is_some(), &[hmac]),
            ("prefix", written.prefix.is_some(), &[hmac]),
            ("key", written.key.is_some(), &[hmac]),
            ("string_to_sign", written.string_to_sign.is_some(), &[hmac]),
            ("timestamp", written.timestamp.is_some(), &[hmac]),
            ("username", written.username.is_some(), &[basic]),
            ("password", written.password.is_some(), &[basic]),
            ("value", written.value.value.is_some(), &[token]),
        ];
        for (name, is_there, kinds) in given {
            if is_there && !kinds.contains(&written.kind) {
                let owners: Vec<String> = kinds.iter().map(|it| format!("`type: {}`", it.name())).collect();
                let message = format!("`{name}` belongs to {}", owners.join(" and "));
                self.fault("receive.strange", &written.span, message);
            }
        }
    }

    fn header_of(&mut self, written: &Spanned<receive::Verify>) -> Option<Arc<str>> {
        let Some(header) = &written.header else {
            let message = format!("`{}` needs `header`", written.kind.name());
            self.fault("receive.incomplete", &written.span, message);
            return None;
        };
        self.header_name(header, &header.span);
        Some(header.as_str().into())
    }

    /// What everybody knows vouches for nothing.
    fn holds_secret(&mut self, template: Option<&Template>, what: &str, span: &Range<usize>) {
        if template.is_some_and(|it| !it.names().any(|name| matches!(name, Name::Secret(_)))) {
            self.fault("receive.public", span, format!("`{what}` holds no secret, so anybody could send it"));
        }
    }

    fn stamp(&mut self, stamp: &Spanned<receive::Timestamp>, verify: &receive::Verify) -> Option<Stamp> {
        let tolerance_ms = stamp.tolerance.map_or(TOLERANCE_MS, |it| it.ms);
        if !(1000..=TOLERANCE_MS_MAX).contains(&tolerance_ms) {
            self.fault("receive.tolerance", &stamp.span, "`tolerance` is 1s to 1h");
        }
        let place = match (&stamp.header, &stamp.field) {
            (Some(header), None) => {
                self.header_name(header, &header.span);
                StampPlace::Header(header.as_str().into())
            }
            (None, Some(field)) if verify.field.is_some() => StampPlace::Field(field.as_str().into()),
            (Some(_) | None, _) => {
                let message = "a timestamp is in a `header`, or is a `field` where the signature is one too";
                self.fault("receive.timestamp", &stamp.span, message);
                return None;
            }
        };
        let tolerance_ms = i64::try_from(tolerance_ms.min(TOLERANCE_MS_MAX)).unwrap_or(i64::MAX);
        Some(Stamp { place, is_ms: stamp.unit == Unit::Milliseconds, tolerance_ms })
    }
}
