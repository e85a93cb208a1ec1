//! What is begun and takes a while: one operation begins it, others tell what came of it, and a reference binds them.

use crate::connector::{compile::Compiler, document::operation::Kind};

/// What `start` keeps, by which all that comes later finds what was begun.
const REFERENCE: &str = "reference";
/// Attributes that tell how it stands.
const STATES: [&str; 2] = ["idv.status", "push.state"];

impl Compiler<'_> {
    /// What is begun is told by somebody, and belongs to one reference.
    pub(super) fn begun(&mut self) {
        let document = self.document;
        let of = |kind: Kind| document.operations.iter().filter(move |(_, it)| it.kind == kind);
        for kind in [Kind::Find, Kind::Start, Kind::Poll, Kind::Inbound] {
            for (name, operation) in of(kind).skip(1) {
                let message = format!("`{name}` is the second `kind: {}`; a connector has one", kind.name());
                self.fault("operation.twice", &operation.span, message);
            }
        }
        let is_told = of(Kind::Poll).chain(of(Kind::Inbound)).next().is_some();
        for (name, start) in of(Kind::Start) {
            if !is_told {
                let message = format!("nothing tells what came of `{name}`: add a `kind: poll` or a `kind: inbound`");
                self.fault("operation.untold", &start.span, message);
            }
            if !start.response.keep_state.contains_key(REFERENCE) {
                let message = format!("`{name}` keeps no reference: write `keep_state: {{ reference: body.id }}`");
                self.fault("operation.reference", &start.span, message);
            }
        }
        for (name, find) in of(Kind::Find) {
            if of(Kind::Start).next().is_none() {
                let message = format!("`{name}` finds what nothing needs: add a `kind: start`");
                self.fault("operation.unbegun", &find.span, message);
            }
            if find.response.keep_state.is_empty() {
                let message = format!("`{name}` finds nothing: say under `keep_state` what `start` needs");
                self.fault("operation.silent", &find.span, message);
            }
        }
        for (name, told) in of(Kind::Poll).chain(of(Kind::Inbound)) {
            if !STATES.iter().any(|state| told.response.map.contains_key(*state)) {
                let message = format!("`{name}` does not say how it stands: map `{}` or `{}`", STATES[0], STATES[1]);
                self.fault("operation.silent", &told.span, message);
            }
            if of(Kind::Start).next().is_none() {
                let message = format!("`{name}` tells of something that nothing began: add a `kind: start`");
                self.fault("operation.unbegun", &told.span, message);
            }
        }
        for (name, operation) in &document.operations {
            let response = &operation.response;
            for text in [&response.redirect, &response.embed, &response.number].into_iter().flatten() {
                if operation.kind != Kind::Start {
                    let message = format!("`{name}` begins nothing; what a user is given belongs to `kind: start`");
                    self.fault("response.handed", &text.span, message);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{attribute::Catalogue, connector::compile};

    const WHOLE: &str = r#"
connector: acme
capability: push_mfa
data: { sends: [user_id] }
inputs: { user_id: { required: true } }
operations:
  send:
    kind: start
    good_for: 2m
    request: { method: POST, url: "https://api.example/push", json: { user: "${input.user_id}" } }
    response: { keep_state: { reference: body.id }, number: body.number }
  ask:
    kind: poll
    request: { method: GET, url: "https://api.example/push/${state.reference}" }
    response: { map: { push.state: body.state }, required: [push.state] }
"#;

    fn found(text: &str) -> Vec<String> {
        let made = compile::connector(&"acme.yaml".into(), text, &Catalogue::builtin());
        made.err().unwrap_or_default().into_iter().map(|it| format!("{}: {}", it.code, it.message)).collect()
    }

    #[test]
    fn what_is_begun_has_one_beginning_an_end_and_a_reference() {
        assert_eq!(found(WHOLE), [""; 0], "a whole file");
        for (from, to, code, part) in [
            ("kind: poll", "kind: lookup", "operation.untold", "`kind: poll`"),
            ("reference: body.id", "id: body.id", "operation.reference", "keep_state"),
            (
                "push.state: body.state }, required: [push.state]",
                "push.reason: body.state }",
                "operation.silent",
                "push.state",
            ),
            ("kind: start", "kind: send", "operation.unbegun", "`kind: start`"),
            ("good_for: 2m", "good_for: 2s", "operation.good_for", "24h"),
            ("  ask:\n    kind: poll", "  ask:\n    kind: find", "operation.silent", "keep_state"),
            ("kind: poll\n", "kind: poll\n    good_for: 2m\n", "operation.good_for", "belongs"),
            ("response: { map", "response: { redirect: body.url, map", "response.handed", "begins nothing"),
            ("  ask:\n    kind: poll", "  ask:\n    kind: start", "operation.twice", "second"),
            ("  ask:\n    kind: poll", "  ask:\n    kind: inbound", "operation.means", "receive"),
        ] {
            let changed = WHOLE.replacen(from, to, 1);
            assert_ne!(changed, WHOLE, "`{from}` is not in the file");
            let found = found(&changed);
            assert!(found.iter().any(|it| it.starts_with(code) && it.contains(part)), "{to}: {found:?}");
        }
    }
}
