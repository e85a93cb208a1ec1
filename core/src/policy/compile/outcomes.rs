//! Outcomes as written to outcomes that can be carried out.

use std::sync::Arc;

use crate::{
    decision::{Challenge, Forward, LockOut, Notified, Obligations, Outcome, Rate, Reroute, Scope, Throttle},
    policy::{
        compile::{Place, conditions::Builder, suggest},
        document::{self, Enrol, Words},
    },
    session::Method,
    yaml::{Spanned, units},
};

/// Defaults of `fresh_for` and `attempts`.
pub(super) const FRESH_MS: u64 = 300_000;
const ATTEMPTS: u32 = 5;

/// Most wrong answers that may be allowed; the rest is guessing (NIST SP 800-63B §5.2.2).
const ATTEMPTS_MAX: u32 = 100;

/// Longest lock-out, in milliseconds: 30 days.
const LOCK_MS_MAX: u64 = 30 * 86_400_000;

/// Methods that somebody who is merely signed in could set up on the spot.
const SET_UP_ON_THE_SPOT: [Method; 6] =
    [Method::Passkey, Method::Totp, Method::RecoveryCode, Method::Push, Method::Pow, Method::Captcha];

/// What `proof`, `challenge` and an arm's `require` have in common.
pub(super) struct Demand<'a> {
    pub(super) methods: &'a [Spanned<Method>],
    /// Who may approve; `None` where no such key can stand.
    pub(super) approvers: Option<Option<&'a Spanned<String>>>,
    pub(super) phishing_resistant: Option<&'a Spanned<bool>>,
    pub(super) fresh_for: Option<&'a Spanned<units::Duration>>,
    pub(super) attempts: Option<&'a Spanned<u32>>,
    pub(super) on_fail: Option<&'a Spanned<document::Outcome>>,
    pub(super) enrol: Option<&'a Spanned<Enrol>>,
}

/// A demand that can be made.
pub(super) struct Demanded {
    pub(super) methods: Vec<Method>,
    pub(super) fresh_for_ms: i64,
    pub(super) attempts: u32,
    pub(super) on_fail: Outcome,
    pub(super) enrol_allowed: bool,
    pub(super) approvers: Option<Arc<str>>,
}

impl Builder<'_> {
    /// An outcome that ends the flow; `None` where it has errors, which are noted.
    pub(super) fn outcome(&mut self, written: &Spanned<document::Outcome>) -> Option<Outcome> {
        let place = Place::of(self.source, &written.span);
        Some(match &written.value {
            document::Outcome::Forward(forward) => Outcome::Forward(self.forward(forward)?),
            document::Outcome::Throttle(throttle) => {
                Outcome::Throttle(Throttle { rate: rate(throttle.rate), per: throttle.per.unwrap_or(Scope::Subject) })
            }
            document::Outcome::Challenge(challenge) => Outcome::Challenge(self.challenge(challenge, &place)?),
            document::Outcome::Reroute(target) => Outcome::Reroute(self.reroute(target)?),
            document::Outcome::Block => Outcome::Block,
            document::Outcome::LockOut(lock) => Outcome::LockOut(self.lock_out(lock, &place)?),
            document::Outcome::GoTo(_) => {
                let message = "`go_to` is for rules and arms; an outcome is needed here";
                self.found.push(place.error("go_to.misplaced", message));
                return None;
            }
        })
    }

    fn challenge(&mut self, written: &document::Challenge, place: &Place) -> Option<Challenge> {
        let demand = Demand {
            methods: &written.challenge,
            approvers: None,
            phishing_resistant: written.phishing_resistant.as_ref(),
            fresh_for: written.fresh_for.as_ref(),
            attempts: written.attempts.as_ref(),
            on_fail: written.on_fail.as_deref(),
            enrol: written.enrol.as_ref(),
        };
        let demanded = self.demand(&demand, place)?;
        Some(Challenge {
            methods: demanded.methods,
            fresh_for_ms: demanded.fresh_for_ms,
            binding: None,
            attempts: demanded.attempts,
            on_fail: Box::new(demanded.on_fail),
            enrol_allowed: demanded.enrol_allowed,
            approval: None,
        })
    }

    /// Checks a demand for a proof.
    pub(super) fn demand(&mut self, demand: &Demand<'_>, place: &Place) -> Option<Demanded> {
        let before = self.found.len();
        let mut methods = Vec::with_capacity(demand.methods.len());
        for method in demand.methods {
            let at = Place::of(self.source, &method.span);
            if methods.contains(&method.value) {
                self.found.push(at.warning("method.repeated", format!("`{}` is listed twice", method.value)));
                continue;
            }
            if !self.context.options.methods.contains(&method.value) {
                let able: Vec<&str> = self.context.options.methods.iter().map(|it| it.name()).collect();
                let message = format!("this gateway cannot run `{}`", method.value);
                let able = format!("it can run {}", able.join(", "));
                let help = needed_by(method.value).map_or(able, str::to_owned);
                self.found.push(at.error("method.not_built", message).help(help));
            }
            methods.push(method.value);
        }
        if methods.is_empty() {
            self.found.push(place.error("method.none", "at least one method is needed"));
        }
        if let Some(at) = demand.phishing_resistant.filter(|it| it.value) {
            self.keep_phishing_resistant(&mut methods, demand.methods, &at.span);
        }
        if let Some(enrol) = demand.enrol
            && methods.iter().all(|method| SET_UP_ON_THE_SPOT.contains(method))
        {
            let at = Place::of(self.source, &enrol.span);
            let message = "every method listed could be set up on the spot, so anybody signed in would pass";
            let help = "leave `enrol` out, or list a method that has to be there before, such as `email_code`";
            self.found.push(at.error("enrol.all_on_the_spot", message).help(help));
        }
        self.check_approvers(demand);
        let attempts = demand.attempts.map_or(ATTEMPTS, |it| it.value);
        if let Some(at) = demand.attempts.filter(|it| !(1..=ATTEMPTS_MAX).contains(&it.value)) {
            let message = format!("`attempts` is between 1 and {ATTEMPTS_MAX}, not {attempts}");
            self.found.push(Place::of(self.source, &at.span).error("value.range", message));
        }
        if let Some(at) = demand.fresh_for.filter(|it| it.ms == 0) {
            self.found
                .push(Place::of(self.source, &at.span).error("value.range", "a proof that may not age is never there"));
        }
        let on_fail = match demand.on_fail {
            Some(written) => self.on_fail(written),
            None => Some(Outcome::Block),
        };
        let sound = self.found.iter().skip(before).all(|it| it.severity != crate::diagnostic::Severity::Error);
        Some(Demanded {
            methods,
            fresh_for_ms: i64::try_from(demand.fresh_for.map_or(FRESH_MS, |it| it.ms)).unwrap_or(i64::MAX),
            attempts,
            on_fail: on_fail?,
            enrol_allowed: demand.enrol.is_some(),
            approvers: demand.approvers.flatten().map(|it| it.value.as_str().into()),
        })
        .filter(|_| sound)
    }

    /// An approval is somebody's: a group is named, and is one that there is.
    fn check_approvers(&mut self, demand: &Demand<'_>) {
        let approval = demand.methods.iter().find(|it| it.value == Method::Approval);
        let groups = self.context.options.approvers.as_ref();
        match (approval, demand.approvers) {
            (None, None | Some(None)) | (Some(_), Some(Some(_))) => {}
            (None, Some(Some(written))) => {
                let place = Place::of(self.source, &written.span);
                let message = "nobody is asked for an `approval` here, so `approvers` says nothing";
                self.found.push(place.warning("approvers.unused", message).help("list `approval`, or leave it out"));
            }
            (Some(at), Some(None)) => {
                let place = Place::of(self.source, &at.span);
                let known: Vec<&str> = groups.into_iter().flatten().map(|name| &**name).collect();
                let help = match known[..] {
                    [] => "add `approvers: <group>`, a group of `approvals.groups` in `stepward.yaml`".to_owned(),
                    _ => format!("add `approvers: <group>`; the groups are {}", known.join(", ")),
                };
                self.found.push(place.error("approvers.missing", "nobody is named who could approve").help(help));
            }
            (Some(at), None) => {
                let message = "an approval has to say by whom and for what, which `challenge` cannot";
                let help = "ask for it in a step `require`, with `approvers` and `bind_to`";
                self.found.push(Place::of(self.source, &at.span).error("approvers.missing", message).help(help));
            }
        }
        if let (Some(Some(written)), Some(groups)) = (demand.approvers, groups)
            && !groups.is_empty()
            && !groups.contains(written.value.as_str())
        {
            let message = format!("there is no group of approvers `{}`", written.value);
            let error = Place::of(self.source, &written.span).error("approvers.unknown", message);
            let error = error.help("name it under `approvals.groups` in `stepward.yaml`");
            self.found.push(suggest(error, written, groups.iter().map(|name| &**name)));
        }
    }

    /// Warns where somebody would consent to nothing in particular.
    pub(super) fn unbound_approval(&mut self, demand: &Demand<'_>) {
        for method in demand.methods.iter().filter(|it| it.value == Method::Approval) {
            let place = Place::of(self.source, &method.span);
            let message = "whoever approves consents to nothing in particular: no values are bound";
            let help = "add `bind_to` with what is to be approved, such as `[event.amount, event.payee]`";
            self.found.push(place.warning("approval.unbound", message).help(help));
        }
    }

    /// Leaves out what can be phished. A proof by it could be older than the demand, and would meet it.
    fn keep_phishing_resistant(
        &mut self,
        methods: &mut Vec<Method>,
        written: &[Spanned<Method>],
        flag: &std::ops::Range<usize>,
    ) {
        let resists = methods.iter().any(|method| method.is_phishing_resistant());
        for method in written.iter().filter(|it| resists && !it.value.is_phishing_resistant()) {
            let at = Place::of(self.source, &method.span);
            let message = format!("`{}` can be phished: it does not count here", method.value);
            self.found
                .push(at.warning("method.phishable", message).help("leave it out, or leave out `phishing_resistant`"));
        }
        if !resists && !methods.is_empty() {
            let at = Place::of(self.source, flag);
            let message = "every method listed can be phished, so nobody could pass";
            self.found.push(at.error("method.all_phishable", message).help("list `passkey`"));
        }
        methods.retain(|method| method.is_phishing_resistant());
    }

    /// What happens when wrong answers are spent: never milder than asking again.
    fn on_fail(&mut self, written: &Spanned<document::Outcome>) -> Option<Outcome> {
        let outcome = self.outcome(written)?;
        match outcome {
            Outcome::Forward(_) | Outcome::Throttle(_) => {
                let message =
                    format!("`on_fail: {}` would let in whoever guesses wrong often enough", outcome.verb().name());
                let place = Place::of(self.source, &written.span);
                self.found.push(
                    place
                        .error("on_fail.weak", message)
                        .help("use `block`, `lock_out`, `reroute` or a stronger challenge"),
                );
                None
            }
            Outcome::Challenge(_) | Outcome::Reroute(_) | Outcome::Block | Outcome::LockOut(_) => Some(outcome),
        }
    }

    /// Whom `notify` writes to; nobody else can be written to yet.
    pub(super) fn notified(&mut self, written: Option<&Spanned<Words>>) -> Vec<Notified> {
        let Some(written) = written else { return Vec::new() };
        let place = Place::of(self.source, &written.span);
        for word in written.value.0.iter().filter(|word| *word != "subject") {
            let message = format!("this gateway cannot notify `{word}`");
            self.found.push(place.error("notify.not_built", message).help("it can notify `subject`, by mail"));
        }
        if !self.context.options.can_mail {
            self.found.push(place.error("notify.needs_mail", "this gateway cannot send mail"));
        }
        vec![Notified::Subject]
    }

    fn forward(&mut self, written: &document::Forward) -> Option<Forward> {
        let mut headers = Vec::with_capacity(written.headers.0.len());
        for (name, value) in &written.headers.0 {
            match header_fault(name, value) {
                Some(message) => self.found.push(Place::of(self.source, &name.span).error("header.refused", message)),
                None => headers.push((Arc::from(name.value.as_str()), Arc::from(value.value.as_str()))),
            }
        }
        (headers.len() == written.headers.0.len()).then(|| Forward {
            headers,
            narrow_scopes: written.narrow_scopes.iter().map(|scope| scope.as_str().into()).collect(),
            max_rate: written.max_rate.map(rate),
        })
    }

    /// A path begins with one slash: two would be another host (RFC 3986 §4.2).
    fn reroute(&mut self, target: &Spanned<String>) -> Option<Reroute> {
        let place = Place::of(self.source, &target.span);
        if target.starts_with('/') {
            let clean = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
            if target.starts_with("//") || !clean {
                let message = format!("`{}` is no path on the same host", target.value);
                self.found.push(place.error("reroute.target", message).help("write `/path`, percent-encoded"));
                return None;
            }
            return Some(Reroute::Path(target.value.as_str().into()));
        }
        if let Some(upstreams) = &self.context.options.upstreams
            && !upstreams.contains(target.value.as_str())
        {
            let message = format!("there is no upstream `{}`", target.value);
            let error = place.error("upstream.unknown", message);
            self.found.push(suggest(error, target, upstreams.iter().map(|name| &**name)));
            return None;
        }
        Some(Reroute::Upstream(target.value.as_str().into()))
    }

    fn lock_out(&mut self, written: &document::LockOut, place: &Place) -> Option<LockOut> {
        if written.time.ms == 0 || written.time.ms > LOCK_MS_MAX {
            self.found.push(place.error("value.range", "a lock-out lasts longer than nothing and at most 30 days"));
            return None;
        }
        Some(LockOut { what: written.lock_out.value, for_ms: written.time.ms })
    }
}

/// What accompanies an outcome.
pub(super) fn obligations(tell: Option<&String>, notify: Vec<Notified>, tag: &Words, count: &Words) -> Obligations {
    let words = |words: &Words| words.0.iter().map(|word| Arc::from(word.as_str())).collect();
    Obligations { tell: tell.map(|key| key.as_str().into()), notify, tag: words(tag), count: words(count) }
}

fn rate(written: units::Rate) -> Rate {
    Rate { count: written.count, window_ms: written.window_ms }
}

/// Why a header cannot be set towards the app (RFC 9110 §5), if it cannot.
fn header_fault(name: &str, value: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let ours = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive"];
    if name.is_empty() || !name.bytes().all(token) {
        return Some(format!("`{name}` is no header name"));
    }
    if lower.starts_with("stepward-") || ours.contains(&lower.as_str()) {
        return Some(format!("`{name}` is set by the gateway"));
    }
    let plain = value.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic());
    (!plain).then(|| format!("the value of `{name}` has characters that a header cannot hold"))
}

/// What has to be there for a method that vendors have a part in.
fn needed_by(method: Method) -> Option<&'static str> {
    match method {
        Method::SmsCode => {
            Some("add `connectors/routes/otp.yaml` with a connector that sends and takes `code` or `message`")
        }
        Method::VoiceCode => Some(
            "add `connectors/routes/otp.yaml` with a connector that sends, takes `code` or `message`, and takes `channel`",
        ),
        Method::Captcha => Some(
            "add `connectors/routes/bot_verify.yaml` with a connector whose `client` has `script`, `token_field` and `snippet`",
        ),
        Method::Passkey => Some(
            "add `passkeys: { rp_id: …, origins: [https://…] }` to `stepward.yaml`: the domain and the origins of the app",
        ),
        Method::Approval => Some(
            "add `approvals: { groups: { payments: [carol, dave] } }` and `passkeys` to `stepward.yaml`: approvers confirm by passkey",
        ),
        Method::Totp
        | Method::EmailCode
        | Method::Push
        | Method::RecoveryCode
        | Method::Pow
        | Method::Oidc
        | Method::IdDocument => None,
    }
}
