use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use stepward_core::{
    attribute::Cost,
    decision::{Decision, Outcome, Reason},
    facts::{Facts, Path as Way, Provenance, Reading, SlotId, Why},
    policy::{Apply, Budget, Mode, OnStateLoss, Origin, Policy, Slot},
    value::{Type, Value as CoreValue},
};

use super::*;

/// Everything that a hostile client may put into a field: it must stay inside one line, inside one string.
const HOSTILE: &str = "a\r\nb\u{1b}[2J\",\"outcome\":\"forward\u{2028}\u{0}";
const CANARY: &str = "DE02120300000000202051-CANARY";

fn slot(name: &str, kind: Type, pii: bool) -> Slot {
    Slot { name: name.into(), kind, cost: Cost::Free, origin: Origin::Catalogue, pii }
}

fn policy() -> Arc<Policy> {
    Arc::new(Policy {
        event: "transfer money".into(),
        file: "policies/transfer.yaml".into(),
        journey: Some("payments".into()),
        after: Vec::new(),
        about: None,
        owner: None,
        mode: Mode::Enforce,
        apply: Apply::Before,
        covers: Vec::new(),
        only_if: None,
        settings: Default::default(),
        facts: Vec::new(),
        succeeded: None,
        failed: None,
        ends_session: false,
        budget: Budget { time_ms: 900, paid_calls: 1 },
        when_unsure: Outcome::Block,
        otherwise: Outcome::Block,
        steps: Vec::new(),
        slots: vec![
            slot("event.payee", Type::Text, true),
            slot("event.note", Type::Text, false),
            slot("request.ip", Type::Ip, false),
            slot("fraud.risk_score", Type::Number, false),
            slot("email.risk_score", Type::Number, false),
        ],
        binds: Vec::new(),
        recheck_ms: 300_000,
        on_state_loss: OnStateLoss::Deny,
        reads_body: true,
        inspect_bytes_max: 1024,
        park_bytes_max: 1024,
        park_ms: 1_000,
        allowed_origins: Vec::new(),
    })
}

fn record(log: &DecisionLog, id: &str) {
    record_of(log, id, "default");
}

fn record_of(log: &DecisionLog, id: &str, tenant: &str) {
    let policy = policy();
    let mut facts = Facts::unasked(1_800_000_000_123, policy.slots.len());
    let live = |source: &str| Some(Provenance { source: source.into(), age_ms: 7, path: Way::Live });
    facts.learn(SlotId(0), Reading::Known(CoreValue::text(CANARY)), live("request"));
    facts.learn(SlotId(1), Reading::Known(CoreValue::text(HOSTILE)), live("request"));
    facts.learn(SlotId(2), Reading::Known(CoreValue::Ip([203, 0, 113, 77].into())), None);
    facts.learn(SlotId(3), Reading::Unknown(Why::Unavailable), None);
    log.record(&Record {
        id,
        tenant,
        policy: Some(&policy),
        release: 3,
        release_hash: "abc",
        mode: Mode::Enforce,
        facts: &facts,
        decision: &Decision::refused(Reason::BindingUnknown),
        calls: &[],
        took: Duration::from_micros(42),
    });
}

fn open(path: &Path) -> (DecisionLog, Metrics) {
    let metrics = Metrics::new();
    let pseudonym: Pseudonym = Arc::new(|_, value| [value.len() as u8; 16]);
    (
        DecisionLog::open(&LogTarget::File(path.to_path_buf()), pseudonym, Sinks::default(), metrics.clone()).unwrap(),
        metrics,
    )
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_decision_is_one_line_with_enough_to_replay_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let (log, _) = open(&path);
    record(&log, "D1");
    assert!(log.flush(Duration::from_secs(5)));
    let line = &lines(&path)[0];
    assert_eq!(line["time"], "2027-01-15T08:00:00.123Z");
    assert_eq!(line["event"], "transfer money");
    assert_eq!((&line["outcome"], &line["reason"]), (&"block".into(), &"binding.unknown".into()));
    assert_eq!(line["attributes"]["fraud.risk_score"]["unknown"], "unavailable");
    assert_eq!(line["attributes"]["event.note"]["value"], HOSTILE);
    assert_eq!(line["attributes"]["event.note"]["source"], "request");
    assert!(line["attributes"].get("email.risk_score").is_none(), "what nobody asked for is not there");
    assert_eq!(line["latency_us"], 42);
    assert_eq!(log.recent(10, |_| true)[0], *line, "the API tells the same as the file");
}

#[test]
fn hostile_text_stays_inside_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let (log, _) = open(&path);
    record_of(&log, HOSTILE, HOSTILE);
    record(&log, "D2");
    assert!(log.flush(Duration::from_secs(5)));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2, "one record, one line:\n{text}");
    assert!(!text.contains(['\u{1b}', '\r', '\u{0}']), "nothing in it steers a terminal");
    assert_eq!(lines(&path)[0]["outcome"], "block", "no field was added");
}

#[test]
fn personal_values_leave_as_pseudonyms_and_addresses_as_networks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let (log, _) = open(&path);
    record(&log, "D1");
    assert!(log.flush(Duration::from_secs(5)));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("CANARY"), "{text}");
    assert!(!text.contains("203.0.113.77") && text.contains("203.0.113.0/24"), "{text}");
    assert!(!log.recent(10, |_| true)[0].to_string().contains("CANARY"), "nor through the API");
    assert_eq!(lines(&path)[0]["attributes"]["event.payee"]["pseudonym"], "1d".repeat(16));
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the log is its owner's only");
}

#[test]
fn a_full_disk_is_counted_told_and_healed_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let (log, metrics) = open(&path);
    record(&log, "lost");
    assert!(log.flush(Duration::from_secs(5)));
    assert!(log.trouble().unwrap().contains("decisions log cannot be written"), "{:?}", log.trouble());
    assert_eq!(metrics.lines_dropped(), 1);

    fs::remove_file(&path).unwrap();
    record(&log, "kept");
    assert!(log.flush(Duration::from_secs(5)));
    assert_eq!(log.trouble(), None, "it healed by itself");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"kept\""), "{text}");
    assert_eq!(log.recent(10, |_| true).len(), 2, "the API has seen both");
}

#[test]
fn a_queue_that_is_full_loses_lines_and_never_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow");
    let metrics = Metrics::new();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let slow = move |_: &[u8]| {
        // The first batch waits until the test has filled the queue.
        let _ = gate.recv();
    };
    let writer = writer::Writer::open(Log::Access, &LogTarget::File(path), slow, metrics.clone()).unwrap();
    for at in 0..10_000 {
        writer.write(at.to_string().as_bytes());
    }
    assert!(metrics.lines_dropped() > 1_000, "10,000 lines do not fit into the queue");
    drop(go);
}

#[test]
fn rotation_moves_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("d.jsonl"), folder.path().join("d.jsonl.1"));
    let (log, _) = open(&path);
    record(&log, "before");
    assert!(log.flush(Duration::from_secs(5)));
    fs::rename(&path, &moved).unwrap();
    log.reopen();
    record(&log, "after");
    assert!(log.flush(Duration::from_secs(5)));
    assert_eq!(lines(&moved)[0]["id"], "before");
    assert_eq!(lines(&path)[0]["id"], "after");
}

#[test]
fn the_newest_decisions_are_kept_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("d.jsonl"));
    for at in 0..RECENT_MAX + 5 {
        record(&log, &at.to_string());
    }
    assert!(log.flush(Duration::from_secs(10)));
    let recent = log.recent(usize::MAX, |_| true);
    assert_eq!(recent.len(), RECENT_MAX);
    assert_eq!(recent[0]["id"], (RECENT_MAX + 4).to_string());
    assert_eq!(log.recent(5, |line| line["id"] == "7").len(), 1);
}

#[test]
fn a_refusal_before_any_policy_is_logged_too() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("d.jsonl"));
    log.refused("R1", "default", Reason::PathAmbiguous, 0);
    assert!(log.flush(Duration::from_secs(5)));
    let line = &log.recent(1, |_| true)[0];
    assert_eq!((&line["event"], &line["reason"]), (&Value::Null, &"path.ambiguous".into()));
    assert_eq!(line["time"], "1970-01-01T00:00:00.000Z");
}
