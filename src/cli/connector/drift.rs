//! `stepward connector drift`

use serde_json::{Value as Json, json};
use stepward_core::{
    connector::{
        Class, Connector,
        answer::Reply,
        document::fixture::{ExpectedOutcome, Fixture},
    },
    value::Value,
};

use crate::{
    cli::{
        Came, Exit,
        connector::{
            Shape, document, inputs, live,
            shape::{self, Difference},
        },
        say,
    },
    vendors::{fixtures, single::Called},
};

/// Call a vendor once and tell whether it still answers as recorded.
///
/// A path that every recorded success has and the answer has not, or one of another type, is a finding (exit code 1); a
/// new path is only told. So a changed format is noticed before it is a `contract_error` in production.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Drift {
    /// Its id
    id: String,
    /// What to ask about: `ip=62.4.31.7`
    #[arg(short, long, value_name = "NAME=VALUE", required = true)]
    input: Vec<String>,
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    format: Shape,
    #[command(flatten)]
    live: live::Live,
}

/// What was found.
#[derive(Debug)]
struct Found {
    class: Class,
    difference: Difference,
    /// Attributes that every recorded success tells and this answer does not.
    silent: Vec<String>,
    recorded: usize,
}

impl Drift {
    pub(super) fn run(self) -> Came {
        let given = inputs(&self.input)?;
        let opened = match self.live.open(&[&self.id]) {
            Ok(opened) => opened,
            Err(came) => return came,
        };
        let (_, connector) = opened.all.find(&self.id)?;
        let caller = opened.caller(&self.id)?;
        opened.check(&self.id, &given)?;
        let called = live::runtime()?.block_on(live::ask(&caller, &self.id, &given))?;
        if let Err(why) = called.reply() {
            say::talk(&format!("error: `{}`: {why}", self.id));
            return Ok(Exit::CannotReach);
        }
        let found = found(connector, &called);
        match self.format {
            Shape::Human => self.human(&found),
            Shape::Json => document(&json!({
                "schema": "stepward.connector-drift/1", "connector": self.id, "outcome": found.class.name(),
                "recorded": found.recorded, "difference": found.difference, "silent": found.silent,
                "drifted": found.is_drift(),
            })),
        }
        Ok(if found.is_drift() { Exit::Findings } else { Exit::Ok })
    }

    fn human(&self, found: &Found) {
        say::data(&format!("{}: {}\n", self.id, found.class.name()));
        let each = |word: &str, paths: &[String]| {
            paths.iter().for_each(|path| say::data(&format!("  {word:<8} {path}\n")));
        };
        each("missing", &found.difference.missing);
        for it in &found.difference.retyped {
            say::data(&format!("  retyped  {}: was {:?}, is {:?}\n", it.path, it.was, it.is));
        }
        each("new", &found.difference.extra);
        each("silent", &found.silent);
        let told = match (found.recorded, found.is_drift()) {
            (0, _) => "no recorded success to hold it against; `stepward connector record` makes one",
            (_, true) => "it no longer answers as recorded",
            (_, false) => "it answers as recorded",
        };
        say::talk(told);
    }
}

impl Found {
    fn is_drift(&self) -> bool {
        let changed = !self.difference.missing.is_empty() || !self.difference.retyped.is_empty();
        match self.class {
            Class::Success => changed || self.recorded == 0,
            Class::NotFound | Class::Pending | Class::InvalidInput | Class::RateLimited => false,
            Class::Unavailable | Class::ConfigError | Class::ContractError => true,
        }
    }
}

fn found(connector: &Connector, called: &Called) -> Found {
    let is_recorded = |it: &&Fixture| {
        let asked = fixtures::operation(connector, it).zip(connector.asked());
        it.expect.outcome == ExpectedOutcome::Success && asked.is_some_and(|(one, other)| one.name == other.name)
    };
    let recorded: Vec<(Json, &Fixture)> = connector
        .fixtures
        .iter()
        .filter(is_recorded)
        .filter_map(|it| Some((serde_json::from_slice(&fixtures::body(it.response.as_ref()?)).ok()?, it)))
        .collect();
    let shapes: Vec<_> = recorded.iter().map(|(json, it)| shape::of(json, &fixtures::given(it))).collect();
    let answer = &called.heard.answer;
    let live = called.reply().ok().and_then(|it| serde_json::from_slice::<Json>(&it.body).ok());
    let is_comparable = matches!(answer.class, Class::Success | Class::ContractError) && !shapes.is_empty();
    let difference = match live.filter(|_| is_comparable) {
        Some(live) => shape::difference(&shapes, &shape::of(&live, &called.inputs)),
        None => Difference::default(),
    };
    let meanings: Vec<_> = recorded.iter().map(|(_, it)| told(connector, it)).collect();
    let silent = connector.provides().iter().enumerate().filter(|(at, _)| {
        let knows = |values: &[Option<Value>]| values.get(*at).is_some_and(Option::is_some);
        is_comparable && meanings.iter().all(|it| knows(it)) && !knows(&answer.values)
    });
    Found {
        class: answer.class,
        difference,
        silent: silent.map(|(_, it)| it.name.to_string()).collect(),
        recorded: recorded.len(),
    }
}

/// What a recorded answer tells.
fn told(connector: &Connector, fixture: &Fixture) -> Vec<Option<Value>> {
    let parts = || {
        let (operation, recorded) = (connector.asked()?, fixture.response.as_ref()?);
        let (now_ms, given) = (fixtures::now_ms(fixture)?, fixtures::given(fixture));
        let (headers, body) = (fixtures::headers(recorded), fixtures::body(recorded));
        let reply = Reply { status: recorded.status, headers: &headers, body: &body };
        Some(operation.interpret(&reply, &operation.inputs(&given, now_ms)?, now_ms).values)
    };
    parts().unwrap_or_default()
}
