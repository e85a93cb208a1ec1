//! One operation: its request, who vouches for it, how its answer is read, and how often it may be sent.

use std::{ops::Range, sync::Arc};

use crate::{
    attribute::Catalogue,
    connector::{
        Asking, Caching, DECISION, DECISIONS, Limits, Operation, Retry,
        compile::{Compiler, auth::Access, request::Within},
        document::operation::{self, CacheScope, Cause, Kind, Method},
        local::Means,
        template::{Name, Part, Template},
    },
    yaml::Spanned,
};

/// How long a call may take if the file does not say, and at most, in milliseconds.
const TIMEOUT_MS: u64 = 1000;
const TIMEOUT_MS_MAX: u64 = 60_000;
/// Most calls at once if the file does not say.
const CONCURRENCY: u32 = 64;
/// Most repetitions.
const RETRIES_MAX: u32 = 5;
/// The capability of vendors that send pushes.
const PUSHES: &str = "push_mfa";
/// How long what is begun may take: a look at a document and a push if the file does not say, and the bounds.
const GOOD_FOR_MS: u64 = 30 * 60 * 1000;
const PUSH_MS: u64 = 5 * 60 * 1000;
const GOOD_FOR_MS_MIN: u64 = 60 * 1000;
const GOOD_FOR_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How long to wait before the first repetition if the file does not say, in milliseconds.
const BACKOFF_MS: u64 = 50;

impl Compiler<'_> {
    pub(super) fn operation(
        &mut self,
        name: &str,
        operation: &Spanned<operation::Operation>,
        asking: &Arc<Asking>,
        catalogue: &Catalogue,
    ) -> Option<Operation> {
        let span = &operation.span;
        let (means, access) = self.means(operation);
        let retry = self.retry(operation);
        let cache = self.cache(operation);
        let limits = self.limits(operation.limits.as_ref());
        let is_asked = matches!(operation.kind, Kind::Lookup | Kind::Verify | Kind::Find | Kind::Poll | Kind::Inbound);
        let answer = self.answer(&operation.response, is_asked, catalogue);
        if operation.kind == Kind::Sink && !asking.inputs.iter().any(|it| matches!(&*it.name, DECISION | DECISIONS)) {
            self.fault(
                "operation.sink",
                span,
                format!("`{name}` takes nothing: a sink has an input `decision` or `decisions`"),
            );
        }
        let timeout_ms = operation.timeout.map_or(TIMEOUT_MS, |timeout| timeout.ms);
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
            self.fault("operation.timeout", span, "`timeout` is 1ms to 60s");
        }
        let body_bytes_max = self.body_limit(&operation.response);
        let mut means = means?;
        if let Means::Request(request) = &mut means
            && let Some(header) = operation.retry.as_ref().and_then(|retry| retry.idempotency_header.as_ref())
        {
            let uuid = Template { parts: vec![Part::Value(Name::Uuid, None)] };
            request.headers.push((header.as_str().into(), uuid));
        }
        Some(Operation {
            connector: self.document.connector.value.as_str().into(),
            name: name.into(),
            kind: operation.kind,
            timeout_ms,
            good_for_ms: self.good_for(operation),
            connect_timeout_ms: operation.connect_timeout.map(|timeout| timeout.ms),
            retry,
            cache,
            limits,
            body_bytes_max,
            provides: answer.map.iter().map(|mapped| mapped.attribute.clone()).collect(),
            token: access.token.map(Arc::new),
            certificate: access.certificate.map(Arc::new),
            asking: asking.clone(),
            means,
            credentials: access.credentials,
            answer,
        })
    }

    /// How long what it begins may take.
    fn good_for(&mut self, operation: &Spanned<operation::Operation>) -> u64 {
        let is_push = self.document.capability.as_ref().is_some_and(|it| it.value == PUSHES);
        let usual = if is_push { PUSH_MS } else { GOOD_FOR_MS };
        match (operation.kind, operation.good_for) {
            (Kind::Start, None) => usual,
            (Kind::Start, Some(given)) if (GOOD_FOR_MS_MIN..=GOOD_FOR_MS_MAX).contains(&given.ms) => given.ms,
            (Kind::Start, Some(_)) => {
                self.fault("operation.good_for", &operation.span, "`good_for` is 1m to 24h");
                usual
            }
            (_, None) => 0,
            (_, Some(_)) => {
                self.fault("operation.good_for", &operation.span, "`good_for` belongs to `kind: start`");
                0
            }
        }
    }

    /// A request, a look-up, or what the vendor sends: one of them.
    fn means(&mut self, operation: &Spanned<operation::Operation>) -> (Option<Means>, Access) {
        match (&operation.request, &operation.local, &operation.receive) {
            (Some(request), None, None) if operation.kind != Kind::Inbound => {
                let means = self.request(request, Within::Request).map(|it| Means::Request(Box::new(it)));
                (means, self.access(operation.auth.as_ref(), request))
            }
            (None, None, Some(_)) => {
                (self.receive(operation).map(|it| Means::Receive(Box::new(it))), Access::default())
            }
            (None, Some(local), None) => {
                let access = self.download_access(operation);
                let told = operation.retry.is_some() || operation.cache.is_some() || operation.limits.is_some();
                if operation.kind != Kind::Lookup || told || operation.timeout.is_some() {
                    let message = "with `local` a `lookup` asks nobody: no other `kind`, no `retry`, `cache`, `limits` or \
                        `timeout`";
                    self.fault("local.operation", &local.span, message);
                }
                (self.local(local).map(|it| Means::Local(Box::new(it))), access)
            }
            (_, _, _) => {
                let message = "an operation has a `request` or a `local`, or is `kind: inbound` and has a `receive`";
                self.fault("operation.means", &operation.span, message);
                (None, Access::default())
            }
        }
    }

    /// Sending again is safe where nothing was done, or where the vendor knows that it is the same.
    fn retry(&mut self, operation: &operation::Operation) -> Retry {
        let Some(Spanned { value: retry, span }) = &operation.retry else { return Retry::default() };
        if retry.max > RETRIES_MAX {
            self.fault("retry.max", span, format!("at most {RETRIES_MAX} times"));
        }
        if let Some(header) = &retry.idempotency_header {
            self.header_name(header, &header.span);
        }
        let method = operation.request.as_ref().map_or(Method::Get, |request| request.method);
        let repeatable = matches!(method, Method::Get | Method::Put | Method::Delete);
        let only_before = retry.on.iter().all(|cause| *cause == Cause::ConnectError);
        if retry.max > 0 && !repeatable && !only_before && retry.idempotency_header.is_none() {
            let method = method.name();
            let message = format!(
                "a {method} may do something twice: name an `idempotency_header`, or write `on: [connect_error]`"
            );
            self.fault("retry.twice", span, message);
        }
        if retry.max > 0 && operation.kind == Kind::Verify && !only_before {
            self.fault("retry.twice", span, "what is verified is good once: write `on: [connect_error]`");
        }
        Retry {
            max: retry.max.min(RETRIES_MAX),
            on: retry.on.clone(),
            backoff_ms: retry.backoff.map_or(BACKOFF_MS, |backoff| backoff.ms),
            respects_retry_after: retry.respect_retry_after,
        }
    }

    /// A key that leaves out an input would give one person's answer to another.
    fn cache(&mut self, operation: &operation::Operation) -> Caching {
        let Some(Spanned { value: cache, span }) = &operation.cache else { return Caching::default() };
        if operation.kind != Kind::Lookup {
            self.fault("cache.kind", span, "only what a `lookup` tells is kept");
        }
        let document = self.document;
        let secret = document.inputs.keys().any(|name| self.is_secret_input(name));
        let key = cache.key.as_ref().and_then(|key| self.template(key, &key.span, Within::CacheKey));
        match (cache.scope, &cache.key, &key) {
            (CacheScope::Response, None, _) => {
                self.fault("cache.key", span, "`scope: response` needs a `key`: what the whole answer is about");
            }
            (CacheScope::Attributes, _, _) if secret => {
                let message = "what is told about a `secret_string` is not kept; only `scope: response` can be";
                self.fault("cache.secret", span, message);
            }
            (CacheScope::Attributes, Some(written), Some(template)) => {
                let named =
                    |input: &str| template.names().any(|it| matches!(it, Name::Input(name) if **name == *input));
                let left_out: Vec<&String> = document.inputs.keys().filter(|name| !named(name)).collect();
                for name in left_out {
                    self.fault("cache.incomplete", &written.span, format!("the key leaves out `${{input.{name}}}`"));
                }
            }
            (CacheScope::Attributes | CacheScope::Response, _, _) => {}
        }
        Caching {
            scope: cache.scope,
            ttl_ms: cache.ttl.ms,
            negative_ttl_ms: cache.negative_ttl.map_or(0, |ttl| ttl.ms),
            stale_if_error_ms: cache.stale_if_error.map_or(0, |ttl| ttl.ms),
            key: key.filter(|_| cache.scope == CacheScope::Response),
        }
    }

    fn limits(&mut self, limits: Option<&operation::Limits>) -> Limits {
        let Some(limits) = limits else { return Limits { concurrency: Some(CONCURRENCY), ..Limits::default() } };
        for name in [&limits.remaining_header, &limits.reset_header].into_iter().flatten() {
            self.header_name(name, &name.span);
        }
        let lower = |name: &Option<Spanned<String>>| name.as_ref().map(|it| it.to_ascii_lowercase().into());
        Limits {
            rate: limits.rate,
            concurrency: Some(limits.concurrency.unwrap_or(CONCURRENCY).max(1)),
            quota: limits.quota,
            remaining_header: lower(&limits.remaining_header),
            reset_header: lower(&limits.reset_header),
        }
    }

    pub(super) fn header_name(&mut self, name: &str, span: &Range<usize>) {
        if name.is_empty() || !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_') {
            self.fault("header.name", span, format!("`{name}` is no header"));
        }
    }
}
