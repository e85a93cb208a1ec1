//! What vendors do rather than tell: they carry a code to a telephone, say whether a test against robots was passed, or
//! look at somebody's identity document.
//!
//! Nothing of it is ever kept or asked a second time for another request. Whoever sends is asked in the order of the
//! route until one has taken the message; a test is checked by the vendor whose test it was, and by no other. What nobody
//! answered is unknown: no message was sent, and nothing was passed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use stepward_core::{
    connector::{Class, Connector, Named, Page, answer::Interpreted, document::operation::Kind},
    session::Method,
    value::Value,
};
use tokio::time::Instant;

use crate::vendors::{
    Vendors,
    runner::{Begun, Purse},
    walk::{Line, Place},
};

pub mod verification;

/// The capability whose route carries codes.
pub const CARRYING: &str = "otp";
/// The capability whose route checks tests against robots.
pub const TESTING: &str = "bot_verify";
/// How long carrying a message may take with every vendor of the route together.
const CARRY_WAIT: Duration = Duration::from_secs(30);
/// How long checking a test may take.
const TEST_WAIT: Duration = Duration::from_secs(5);

/// The connectors that are at work now, whenever it is asked.
#[derive(Clone)]
pub struct Live(Arc<ArcSwap<Vendors>>);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A vendor has taken it.
    Taken,
    /// A vendor says that this number is not to be written to.
    Refused,
    /// Nobody took it.
    Nobody,
}

/// A test that a page can show.
#[derive(Clone, Debug)]
pub struct Test {
    /// The connector whose test it is.
    pub connector: Arc<str>,
    /// What the page needs.
    pub page: Page,
}

/// What a vendor said of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was passed; `None` where the vendor did not say.
    pub passed: Option<bool>,
    /// On which host, where the vendor says so.
    pub hostname: Option<Arc<str>>,
    /// For what, where the vendor says so.
    pub action: Option<Arc<str>>,
}

impl Live {
    /// Over what is swapped when connectors are loaded again.
    pub fn over(vendors: Arc<ArcSwap<Vendors>>) -> Self {
        Live(vendors)
    }

    /// No vendors at all.
    pub fn none() -> Self {
        Live(Arc::new(ArcSwap::from_pointee(Vendors::none())))
    }

    /// Those of this moment.
    pub fn now(&self) -> Arc<Vendors> {
        self.0.load_full()
    }
}

/// The methods that this connector makes possible on a route of this capability.
pub fn methods_of(capability: &str, connector: &Connector) -> impl Iterator<Item = Method> {
    let carries = capability == CARRYING && carries(connector);
    let speaks = carries && connector.served().is_some_and(|it| it.takes("channel"));
    let tests = capability == TESTING && shown(connector).is_some();
    [(carries, Method::SmsCode), (speaks, Method::VoiceCode), (tests, Method::Captcha)]
        .into_iter()
        .filter_map(|(is_so, method)| is_so.then_some(method))
        .chain(verification::method_of(capability, connector))
}

/// Whether it carries what we made: one that makes codes of its own does not.
fn carries(connector: &Connector) -> bool {
    let sends = connector.served().filter(|it| it.kind == Kind::Send);
    sends.is_some_and(|it| it.takes("phone") && (it.takes("code") || it.takes("message")))
}

/// What a page needs to show its test, if it has one that a form can be sent with.
fn shown(connector: &Connector) -> Option<&Page> {
    connector.served().filter(|it| it.kind == Kind::Verify && it.takes("token"))?;
    connector.page.as_ref().filter(|it| it.script.is_some() && it.token_field.is_some() && it.snippet.is_some())
}

impl Vendors {
    /// The methods that routes make possible here.
    pub fn methods(&self) -> BTreeSet<Method> {
        let places = self.lines.iter().flat_map(|line| line.members.iter().map(move |place| (line, place)));
        places.flat_map(|(line, place)| methods_of(&line.route.capability, &place.runner.connector)).collect()
    }

    fn line(&self, capability: &str) -> Option<&Line> {
        self.lines.iter().find(|line| *line.route.capability == *capability)
    }

    /// Has a message carried: `phone`, `message`, and where it is a code `code`; `channel` is `sms` or `voice`.
    pub async fn carry(&self, tenant: &str, inputs: &Named) -> Carried {
        let Some(line) = self.line(CARRYING) else { return Carried::Nobody };
        let deadline = Instant::now() + CARRY_WAIT;
        let given = |name: &str| inputs.iter().any(|(it, _)| **it == *name);
        let speaks = inputs.iter().any(|(name, value)| &**name == "channel" && &**value == "voice");
        for place in line.members.iter().filter(|place| carries(&place.runner.connector)) {
            let Some(operation) = place.runner.connector.served() else { continue };
            let says = operation.takes("message") || operation.takes("code") && given("code");
            if !says || speaks && !operation.takes("channel") {
                continue;
            }
            let Some(answer) = self.done(line, place, tenant, inputs, deadline).await else { continue };
            let state = told(operation, &answer, "otp.state");
            match (answer.class, state.as_deref()) {
                (Class::Success | Class::Pending, Some("blocked" | "locked")) => return Carried::Refused,
                (Class::Success | Class::Pending, Some("failed" | "expired")) => {}
                (Class::Success | Class::Pending, _) => return Carried::Taken,
                (Class::InvalidInput | Class::NotFound, _) => return Carried::Refused,
                (Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError, _) => {}
            }
        }
        Carried::Nobody
    }

    /// The tests that pages can show, in the order of the route; those whose vendor does not answer at the moment are not
    /// among them.
    pub fn tests(&self) -> Vec<Test> {
        let Some(line) = self.line(TESTING) else { return Vec::new() };
        let answers = |place: &&Place| place.runner.may_be_asked();
        let test = |place: &Place| {
            let connector = &place.runner.connector;
            Some(Test { connector: connector.id.clone(), page: shown(connector)?.clone() })
        };
        line.members.iter().filter(answers).filter_map(test).collect()
    }

    /// The field in which a connector's test puts its token.
    pub fn token_field(&self, connector: &str) -> Option<String> {
        shown(&self.tester(connector)?.1.runner.connector)?.token_field.clone()
    }

    /// What the vendor of a test says of a token.
    pub async fn verify(&self, tenant: &str, connector: &str, inputs: &Named) -> Verdict {
        let Some((line, place)) = self.tester(connector) else { return Verdict::default() };
        let Some(operation) = place.runner.connector.served() else { return Verdict::default() };
        if operation.declared(inputs).is_none() {
            // No token that this vendor can have made.
            return Verdict { passed: Some(false), ..Verdict::default() };
        }
        let deadline = Instant::now() + TEST_WAIT;
        let Some(answer) = self.done(line, place, tenant, inputs, deadline).await else { return Verdict::default() };
        let passed = operation.provides.iter().position(|it| &*it.name == "bot.challenge_passed");
        let passed = passed.and_then(|at| answer.values.get(at).cloned().flatten());
        let passed = match (answer.class, passed) {
            (Class::Success, Some(Value::Bool(passed))) => Some(passed),
            (Class::InvalidInput | Class::NotFound, _) => Some(false),
            (Class::Success | Class::Pending, _) => None,
            (Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError, _) => None,
        };
        let told = |name: &str| told(operation, &answer, name);
        Verdict { passed, hostname: told("bot.challenge_hostname"), action: told("bot.challenge_action") }
    }

    fn tester(&self, connector: &str) -> Option<(&Line, &Place)> {
        let line = self.line(TESTING)?;
        Some((line, line.members.iter().find(|place| *place.runner.connector.id == *connector)?))
    }

    /// Has one connector do it; `None` where it was not asked or has not answered in time.
    async fn done(
        &self,
        line: &Line,
        place: &Place,
        tenant: &str,
        inputs: &Named,
        deadline: Instant,
    ) -> Option<Arc<Interpreted>> {
        let nothing_left = std::sync::atomic::AtomicU32::new(0);
        let question = super::Question { tenant, inputs, deadline, paid_left: &nothing_left };
        // No event pays for it: what it may cost is the route's `budget`.
        let purse = Purse { calls_left: None, spend: &line.spend, cap_micros: line.route.spend_micros_per_day };
        match place.runner.begin(&question, purse, place.limit, &self.metrics) {
            Begun::Skipped | Begun::Refused(_) => None,
            Begun::Kept(answer, _) => Some(answer),
            // Looked up, not asked: nothing was done.
            Begun::Found(..) => None,
            Begun::Flying(mut flying) => tokio::time::timeout_at(deadline, flying.answer()).await.ok(),
        }
    }
}

fn told(operation: &stepward_core::connector::Operation, answer: &Interpreted, name: &str) -> Option<Arc<str>> {
    let at = operation.provides.iter().position(|it| &*it.name == name)?;
    match answer.values.get(at)?.as_ref()? {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}
