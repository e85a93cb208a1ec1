//! The policies at work: read as one set, compiled as one set, swapped as one set.
//!
//! A set with an error changes nothing: the last good release keeps running, and the error is logged once with its
//! position, counted, and shown by `/readyz?verbose` and the API until a good set comes. A request that has begun
//! keeps the release it began with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use stepward_core::{
    attribute::Catalogue,
    decision::Outcome,
    diagnostic::{Diagnostic, Severity},
    event::matcher::Matcher,
    policy::{
        Policy, StepKind, Then,
        compile::{self, Options, Source},
    },
    request::names,
    session::Method,
};

use crate::{
    clock::Clock,
    registry::lacking::Lacking,
    render::{self, Texts},
    settings::Settings,
    signals::plan::{Common, Plan},
    telemetry::Metrics,
};

pub mod folder;
pub mod lacking;
pub mod watch;

/// Every method that this build can run, given the settings it needs; a policy that names another does not load.
pub const METHODS_BUILT: [Method; 12] = [
    Method::Passkey,
    Method::Totp,
    Method::EmailCode,
    Method::SmsCode,
    Method::VoiceCode,
    Method::RecoveryCode,
    Method::Pow,
    Method::Captcha,
    Method::Oidc,
    Method::IdDocument,
    Method::Push,
    Method::Approval,
];

/// Those of them that only a vendor makes possible: a policy that names one loads only where a route provides it.
pub const BY_VENDORS: [Method; 5] =
    [Method::SmsCode, Method::VoiceCode, Method::Captcha, Method::IdDocument, Method::Push];

/// Where the texts of policies come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A folder, read again on reload.
    Folder(PathBuf),
    /// Texts that were made here (`stepward proxy`).
    Texts(Texts),
}

/// What policies are compiled for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The attributes that can be asked for here.
    pub catalogue: Catalogue,
    /// What this process can do.
    pub options: Options,
    /// What policies may name although nothing here provides it: they load, and are warned about.
    pub lacking: Lacking,
}

impl Target {
    /// What policies can name where these settings run; `told` says which attributes some vendor tells, `routed` are the
    /// methods that routes make possible.
    pub fn of(
        settings: &Settings,
        catalogue: Catalogue,
        told: impl Fn(&str) -> bool,
        routed: &BTreeSet<Method>,
    ) -> Target {
        let upstreams = Some(settings.upstreams.keys().cloned().collect());
        let lacking = Lacking::of(settings, &catalogue, told, routed);
        let is_there = |method: &Method| match method {
            Method::Passkey => settings.passkeys.is_some(),
            Method::Approval => settings.approvals.is_some(),
            method => !BY_VENDORS.contains(method) || routed.contains(method),
        };
        let methods = METHODS_BUILT.into_iter().filter(is_there).collect();
        let approvers = settings.approvals.iter().flat_map(|it| it.groups.keys().cloned()).collect();
        let options = Options { methods, upstreams, approvers: Some(approvers), can_mail: true };
        Target { catalogue, options, lacking }
    }

    /// The same where these attributes are lost, each for want of a file that is refused.
    pub fn without(mut self, settings: &Settings, lost: &BTreeMap<Arc<str>, Arc<str>>) -> Target {
        self.lacking.lose(settings, lost);
        self
    }
}

/// An immutable set of policies with a number of its own.
#[derive(Debug)]
pub struct Release {
    /// Rises by one with every set that is put to work in this process, from 1.
    pub number: u64,
    /// Hash of the texts; the same on every node with the same texts.
    pub hash: Arc<str>,
    /// The policies, in the order of their files; other indices refer to this order.
    pub policies: Vec<Arc<Policy>>,
    /// Recognises their events.
    pub matcher: Matcher,
    /// What each of them asks of counters and traces.
    pub plans: Vec<Plan>,
    /// Names of the headers that some of them set towards the app.
    pub sets_headers: Arc<[Arc<str>]>,
    /// The texts they were made from.
    pub texts: Texts,
    /// Warnings and notes about them.
    pub found: Vec<Diagnostic>,
    /// When it was put to work, in milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// A set that was not put to work.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Hash of its texts.
    pub hash: Arc<str>,
    /// What is wrong; at least one error.
    pub found: Vec<Diagnostic>,
    /// The texts, for showing findings.
    pub texts: Texts,
    /// When it was refused, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Refusal {
    /// The errors, one line each, with their positions.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let errors = self.found.iter().filter(|it| it.severity == Severity::Error);
        errors.map(|it| render::line(it, &self.texts))
    }
}

/// The only place that swaps policies.
pub struct Registry {
    origin: Origin,
    target: ArcSwap<Target>,
    /// Whether the target changed since the last load.
    is_stale: AtomicBool,
    clock: Clock,
    metrics: Metrics,
    current: ArcSwap<Release>,
    refused: ArcSwapOption<Refusal>,
    last_number: AtomicU64,
    /// One reload at a time, so that an older set cannot overtake a newer one.
    reloading: Mutex<()>,
}

impl Registry {
    /// Loads the first set; without a good one there is no registry.
    pub fn open(origin: Origin, target: Target, clock: Clock, metrics: Metrics) -> Result<Self, Refusal> {
        let set = read(&origin);
        let release = load(set, &target, 1, clock.now_ms())?;
        metrics.reloaded(1);
        release.warn();
        Ok(Registry {
            origin,
            target: ArcSwap::from_pointee(target),
            is_stale: AtomicBool::new(false),
            clock,
            metrics,
            current: ArcSwap::from_pointee(release),
            refused: ArcSwapOption::empty(),
            last_number: AtomicU64::new(1),
            reloading: Mutex::new(()),
        })
    }

    /// The release at work. Load it once a request and keep it.
    pub fn current(&self) -> Arc<Release> {
        self.current.load_full()
    }

    /// The newest set that was refused, while no good one has come after it.
    pub fn refused(&self) -> Option<Arc<Refusal>> {
        self.refused.load_full()
    }

    /// From the next reload on, policies are compiled for this.
    pub fn retarget(&self, target: Target) {
        self.target.store(Arc::new(target));
        self.is_stale.store(true, Ordering::Release);
    }

    /// Reads the set again and puts it to work if it is good. The same set as at work changes nothing.
    pub fn reload(&self) -> Result<Arc<Release>, Arc<Refusal>> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let set = read(&self.origin);
        let hash = set.hash();
        let current = self.current();
        let is_stale = self.is_stale.swap(false, Ordering::AcqRel);
        if hash == current.hash && !is_stale {
            self.refused.store(None);
            return Ok(current);
        }
        if let Some(refused) = self.refused().filter(|refused| refused.hash == hash && !is_stale) {
            return Err(refused);
        }
        let number = self.last_number.load(Ordering::Relaxed) + 1;
        match load(set, &self.target.load(), number, self.clock.now_ms()) {
            Ok(release) => Ok(self.put_to_work(release)),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    fn put_to_work(&self, release: Release) -> Arc<Release> {
        let release = Arc::new(release);
        self.last_number.store(release.number, Ordering::Relaxed);
        self.current.store(release.clone());
        self.refused.store(None);
        self.metrics.reloaded(release.number);
        tracing::info!(
            release = release.number,
            hash = &*release.hash,
            policies = release.policies.len(),
            "policies loaded"
        );
        release.warn();
        release
    }

    fn refuse(&self, refusal: Refusal) -> Arc<Refusal> {
        let refusal = Arc::new(refusal);
        self.refused.store(Some(refusal.clone()));
        self.metrics.reload_failed();
        let release = self.current().number;
        for line in refusal.lines() {
            tracing::error!(release, "policies not loaded, the last good release keeps running: {line}");
        }
        refusal
    }
}

/// The texts of a set and what is wrong with where they are.
pub fn read(origin: &Origin) -> folder::Set {
    match origin {
        Origin::Folder(path) => folder::read(path),
        Origin::Texts(texts) => folder::Set { texts: texts.clone(), found: Vec::new() },
    }
}

/// A set compiled, or everything that is wrong with it.
pub fn load(set: folder::Set, target: &Target, number: u64, now_ms: i64) -> Result<Release, Refusal> {
    let hash = set.hash();
    let sources: Vec<_> =
        set.texts.iter().map(|(file, text)| Source { file: file.clone(), text: text.clone() }).collect();
    let (policies, diagnostics) = compile::compile(&sources, &target.catalogue, &target.options);
    let mut found = set.found;
    found.extend(diagnostics);
    found.extend(lacking::lost(&sources, &policies, &target.lacking));
    if set.texts.is_empty() && found.is_empty() {
        // An unmounted volume looks like this, and would let every event through.
        let finding = Diagnostic::error("policies.none", &Arc::from("policies"), 0..0, "there is no policy here");
        found.push(finding.help("put one into the folder that `policies` names; `stepward init` makes a first one"));
    }
    if found.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Refusal { hash, found, texts: set.texts, at_ms: now_ms });
    }
    found.extend(lacking::warnings(&sources, &policies, target));
    let policies: Vec<_> = policies.into_iter().map(Arc::new).collect();
    let common = Common::of(&policies).hearing(!target.lacking.attributes.contains("push_event.types"));
    Ok(Release {
        number,
        hash,
        matcher: Matcher::build(policies.iter().map(|policy| policy.recognised())),
        plans: policies.iter().map(|policy| Plan::of(policy, &common)).collect(),
        sets_headers: policies
            .iter()
            .flat_map(|policy| set_by(policy))
            .filter(|it| is_ours(it))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        policies,
        texts: set.texts,
        found,
        since_ms: now_ms,
    })
}

/// Fields that clients have a word of their own to say in, although a policy may set another towards the app.
const CLIENTS_OWN: [&str; 12] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "cookie",
    "origin",
    "range",
    "referer",
    "user-agent",
];

/// The headers that a policy sets towards the app on any way through it, and that are nobody else's to set.
fn set_by(policy: &Policy) -> impl Iterator<Item = Arc<str>> {
    let of_steps = policy.steps.iter().flat_map(|step| -> Vec<&Then> {
        match &step.kind {
            StepKind::Decide(rules) => rules.iter().map(|rule| &rule.then).collect(),
            StepKind::Finish(then, _) => vec![then],
            StepKind::Require(_) | StepKind::Split(_) => Vec::new(),
        }
    });
    let outcomes = of_steps.filter_map(|then| match then {
        Then::Outcome(outcome) => Some(outcome),
        Then::GoTo(_) => None,
    });
    outcomes.chain([&policy.otherwise, &policy.when_unsure]).flat_map(|outcome| match outcome {
        Outcome::Forward(forward) => forward.headers.iter().map(|(name, _)| name.clone()).collect(),
        Outcome::Throttle(_) | Outcome::Challenge(_) | Outcome::Reroute(_) | Outcome::Block | Outcome::LockOut(_) => {
            Vec::new()
        }
    })
}

fn is_ours(header: &str) -> bool {
    !names::is_forwarding_header(header) && !CLIENTS_OWN.iter().any(|it| it.eq_ignore_ascii_case(header))
}

impl Release {
    /// Says once what is doubtful about it.
    fn warn(&self) {
        for finding in &self.found {
            tracing::warn!(code = finding.code, "{}", render::line(finding, &self.texts));
        }
    }

    /// Indices of policies by their events' names.
    pub fn by_event(&self) -> BTreeMap<&str, usize> {
        self.policies.iter().enumerate().map(|(at, policy)| (&*policy.event, at)).collect()
    }

    /// The policy of an event.
    pub fn policy(&self, event: &str) -> Option<&Arc<Policy>> {
        self.policies.iter().find(|policy| &*policy.event == event)
    }
}

#[cfg(test)]
mod tests;
