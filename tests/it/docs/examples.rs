//! Every YAML example says in its first line what it is, and is loaded by what loads such files.

use std::{path::Path, sync::Arc};

use stepward::{
    registry::{self, Release, Target, folder},
    render::{self, Texts},
    settings::{self, Presence},
    vendors::fixtures,
};
use stepward_core::{
    attribute::Catalogue,
    connector,
    diagnostic::{Diagnostic, Severity},
    policy::compile::Options,
    trial,
};

use super::{Block, blocks, pages, root};

/// What an example of settings does not show.
const SETTINGS: &str = "listen: [{ address: 127.0.0.1:8080 }]\nupstreams: { app: { url: http://127.0.0.1:3000 } }\nroutes: [{ upstream: app }]\n";
/// What an example of steps does not show.
const AROUND_STEPS: &str = "event: example\ncovers: [POST /example]\n\
    facts: { amount: { from: body.amount, type: number }, payee: { from: body.payee, type: text, remember: subject } }\n\
    succeeded: response.status == 200\nwhen_unsure: block\notherwise: forward\nsteps:\n";
/// An example may name events of the reader's app.
const ALLOWED: [&str; 1] = ["event.unknown"];

fn one(name: &str, text: &str) -> Texts {
    Texts::from([(Arc::from(name), Arc::from(text))])
}

fn release(texts: Texts) -> Result<Release, String> {
    let target = Target {
        catalogue: Catalogue::builtin(),
        options: Options {
            methods: registry::METHODS_BUILT.into_iter().collect(),
            upstreams: None,
            approvers: None,
            can_mail: true,
        },
        lacking: Default::default(),
    };
    match registry::load(folder::Set { texts, found: Vec::new() }, &target, 1, 0) {
        Ok(release) => told(&release.found, &release.texts, Severity::Warning).map(|()| release),
        Err(refusal) => Err(refusal.lines().collect::<Vec<_>>().join("\n")),
    }
}

fn told(found: &[Diagnostic], texts: &Texts, from: Severity) -> Result<(), String> {
    let counts = |it: &&Diagnostic| it.severity >= from && !ALLOWED.contains(&it.code);
    let lines: Vec<_> = found.iter().filter(counts).map(|it| render::line(it, texts)).collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

fn settings(text: &str) -> Result<(), String> {
    let says = |key: &str| text.lines().any(|line| line.starts_with(key) && line[key.len()..].starts_with(':'));
    let usual = SETTINGS.lines().filter(|line| !says(line.split(':').next().unwrap_or_default()));
    let whole = usual.map(|line| format!("{line}\n")).collect::<String>() + text;
    match settings::read(&"stepward.yaml".into(), &whole, Path::new("/nowhere"), Presence::Advised) {
        Ok(_) => Ok(()),
        Err(rejected) => told(&rejected.found, &rejected.texts, Severity::Error),
    }
}

/// A test file is run against the policies that its page shows, else against those that are shipped.
fn tests(text: &str, shown: &Texts) -> Result<(), String> {
    let policies = match shown.is_empty() {
        true => folder::read(&root().join("policies")).texts,
        false => shown.clone(),
    };
    let release = release(policies)?;
    let report = trial::run(&release.policies, &Catalogue::builtin(), &"test".into(), text);
    let failed: Vec<_> = report.cases.iter().filter(|it| !it.passed).map(|it| it.faults.join("; ")).collect();
    told(&report.diagnostics, &one("test", text), Severity::Warning)?;
    if report.passed() && !report.cases.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn vendor(text: &str) -> Result<(), String> {
    let source = connector::compile::source::Source::read(&"connector.yaml".into(), text, &|_| None);
    let checked = source.and_then(|source| fixtures::check(&source, &Catalogue::builtin()));
    let checked = checked.map_err(|found| format!("{found:#?}"))?;
    let problems: Vec<_> = checked.cases.into_iter().flat_map(|case| case.problems).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn route(text: &str) -> Result<(), String> {
    // Those that are shipped, and the one that the page about routes shows.
    let catalogue = Catalogue::builtin();
    let (mut there, _) = stepward::vendors::load::read(&root().join("connectors"), &catalogue).unwrap();
    let page = std::fs::read_to_string(root().join("docs/guides/connectors.md")).unwrap();
    let shown = blocks(&page).into_iter().find(|block| block.text.starts_with("# connector\n")).unwrap();
    there.push(connector::compile::connector(&"connector.yaml".into(), &shown.text, &catalogue).unwrap());
    match connector::route::compile(&"ip_reputation.yaml".into(), text, &there, &catalogue) {
        Ok(route) if route.warnings.is_empty() => Ok(()),
        Ok(route) => Err(format!("{:#?}", route.warnings)),
        Err(found) => Err(format!("{found:#?}")),
    }
}

fn load(block: &Block<'_>, shown: &mut Texts) -> Result<(), String> {
    let kind = block.text.lines().next().unwrap().trim_start_matches('#').trim();
    match kind {
        "policy" => {
            let name: Arc<str> = format!("line-{}.yaml", block.line).into();
            shown.insert(name.clone(), block.text.as_str().into());
            release(one(&name, &block.text)).map(|_| ())
        }
        "steps" => {
            let steps: String = block.text.lines().map(|line| format!("  {line}\n")).collect();
            release(one("steps.yaml", &format!("{AROUND_STEPS}{steps}"))).map(|_| ())
        }
        "test" => tests(&block.text, shown),
        "stepward.yaml" => settings(&block.text),
        "connector" => vendor(&block.text),
        "route" => route(&block.text),
        other => Err(format!(
            "`{other}` is no kind of example: begin with `# policy`, `# steps`, `# test`, `# stepward.yaml`, `# connector` or `# route`"
        )),
    }
}

#[test]
fn every_yaml_example_loads() {
    let (mut tried, mut faults) = (0, Vec::new());
    for (path, text) in pages() {
        let mut shown = Texts::new();
        for block in blocks(&text).iter().filter(|it| it.language == "yaml") {
            tried += 1;
            if let Err(fault) = load(block, &mut shown) {
                faults.push(format!("{}:{}: {fault}", path.display(), block.line));
            }
        }
    }
    assert!(tried > 15, "only {tried} examples were found");
    assert!(faults.is_empty(), "\n{}", faults.join("\n\n"));
}

#[test]
fn an_example_that_does_not_load_is_noticed() {
    let block = |text: &str| Block { line: 1, language: "yaml", text: text.into() };
    for text in [
        "# policy\nevent: x\ncovers: [POST /x]\nwhen_unsure: forward\notherwise: forward\n",
        "# steps\n- decide: x\n  rules: [{ rule: y, when: ip.riskk > 3, then: block }]\n",
        "# test\ntests: login\ncases: [{ it: lets everybody in, given: { ip.subjects_1h: 40 }, expect: forward }]\n",
        "# stepward.yaml\nmial: { smtp: x }\n",
        "# connector\nconnector: x\n",
        "# route\ncapability: ip_reputation\nconnectors: [{ connector: nobody }]\n",
        "# something else\n",
    ] {
        assert!(load(&block(text), &mut Texts::new()).is_err(), "{text}");
    }
}
