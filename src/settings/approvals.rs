//! The section `approvals`: who may consent to what somebody else asks for, and how long a request for it waits.
//!
//! Only what is written and what it means. Names of people stay as they are written here: which account a name is, depends
//! on the tenant, and is found where it is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::format;

/// How short and how long a request may wait.
const WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(24 * 60 * 60)];
/// People in one group; each of them may be written to about each request.
const MEMBERS_MAX: usize = 50;

/// Who may approve what others ask for, for the method `approval`. Approvers confirm by passkey, so `passkeys` is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Approvals")]
pub struct Document {
    /// How long a request for approval waits, from `1m` to `24h`.
    #[serde(default = "Document::waits")]
    #[schemars(extend("format" = "duration"))]
    pub waits: String,
    /// People by group, as your app names its users: `payments: [carol, dave]`. A policy names a group as `approvers`. Nobody ever approves what they ask for themselves. At most 50 in one group.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl Document {
    fn waits() -> String {
        "15m".into()
    }

    /// The settings that this text means.
    pub(super) fn ready(&self) -> Approvals {
        let group = |(name, members): (&String, &Vec<String>)| {
            (Arc::from(name.as_str()), members.iter().map(|it| Arc::from(it.as_str())).collect())
        };
        Approvals {
            waits: format::duration(&self.waits).unwrap_or_default(),
            groups: self.groups.iter().map(group).collect(),
        }
    }

    /// What the forms alone do not show: where, what is wrong, what to do.
    pub(super) fn faults(&self) -> Vec<(Vec<&str>, String, &'static str)> {
        let mut faults = Vec::new();
        let [shortest, longest] = WAITS;
        if format::duration(&self.waits).is_some_and(|it| it < shortest || it > longest) {
            faults.push((vec!["waits"], "`approvals.waits` is from `1m` to `24h`".into(), "write `15m`, the default"));
        }
        if self.groups.is_empty() {
            faults.push((vec!["groups"], "nobody could approve anything".into(), "write `payments: [carol, dave]`"));
        }
        for (name, members) in &self.groups {
            let distinct: BTreeSet<&str> = members.iter().map(|it| it.trim()).collect();
            let fault = match members.len() {
                0 => Some((format!("nobody is in `{name}`"), "name people as your app names its users")),
                more if more > MEMBERS_MAX => {
                    Some((format!("{more} people in `{name}`, more than {MEMBERS_MAX}"), "make several groups"))
                }
                _ if distinct.contains("") => Some((format!("somebody in `{name}` has no name"), "leave it out")),
                all if all > distinct.len() => Some((format!("somebody is in `{name}` twice"), "leave one out")),
                _ => None,
            };
            faults.extend(fault.map(|(what, help)| (vec!["groups", name.as_str()], what, help)));
        }
        faults
    }
}

/// Who may approve, and for how long a request waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// How long a request waits.
    pub waits: Duration,
    /// People by group, as the app names them.
    pub groups: BTreeMap<Arc<str>, Arc<[Arc<str>]>>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::settings::{self, Presence};

    const SMALL: &str = "listen: [{ address: 127.0.0.1:8080 }]\nupstreams: { bank: { url: http://127.0.0.1:8081 } }\nroutes: [{ upstream: bank }]\n";
    const PASSKEYS: &str = "passkeys: { rp_id: bank.example, origins: [\"https://bank.example\"] }\n";

    fn found(text: &str) -> Vec<String> {
        let read = settings::read(&"stepward.yaml".into(), text, Path::new(""), Presence::Advised);
        let found = match read {
            Ok(loaded) => loaded.found,
            Err(rejected) => rejected.found,
        };
        found.iter().map(|it| format!("{} {}", it.code, text.get(it.span.clone()).unwrap_or_default())).collect()
    }

    #[test]
    fn groups_of_people_are_read_as_they_are_written() {
        let text = format!("{SMALL}{PASSKEYS}approvals: {{ groups: {{ payments: [carol, dave] }} }}\n");
        let loaded = settings::read(&"stepward.yaml".into(), &text, Path::new(""), Presence::Advised).unwrap();
        let approvals = loaded.settings.approvals.unwrap();
        assert_eq!(approvals.waits.as_secs(), 900);
        assert_eq!(approvals.groups["payments"].iter().map(|it| &**it).collect::<Vec<_>>(), ["carol", "dave"]);
    }

    #[test]
    fn what_cannot_be_meant_is_told_at_its_place() {
        for (approvals, code, place) in [
            ("{ groups: {} }", "value.malformed", "{}"),
            ("{ groups: { payments: [] } }", "value.malformed", "[]"),
            ("{ groups: { payments: [carol, \" \"] } }", "value.malformed", "[carol, \" \"]"),
            ("{ groups: { payments: [carol, carol] } }", "value.malformed", "[carol, carol]"),
            ("{ waits: 30s, groups: { payments: [carol] } }", "value.malformed", "30s"),
            ("{ waits: 25h, groups: { payments: [carol] } }", "value.malformed", "25h"),
            ("{ wait: 15m, groups: { payments: [carol] } }", "key.unknown", "wait"),
            ("{ waits: 15m }", "key.missing", "{ waits: 15m }"),
        ] {
            let found = found(&format!("{SMALL}{PASSKEYS}approvals: {approvals}\n"));
            // Of what stands in brackets, the first is where it is told.
            let is_told = |it: &String| it.strip_prefix(code).is_some_and(|at| place.starts_with(at.trim_start()));
            assert!(found.iter().any(is_told), "{approvals}: {found:?}");
        }
        let many: Vec<String> = (0..51).map(|it| format!("p{it}")).collect();
        let found_many =
            found(&format!("{SMALL}{PASSKEYS}approvals: {{ groups: {{ all: [{}] }} }}\n", many.join(", ")));
        assert!(found_many[0].starts_with("value.malformed"), "{found_many:?}");
        let bare = found(&format!("{SMALL}approvals: {{ groups: {{ payments: [carol] }} }}\n"));
        assert!(bare[0].starts_with("approvals.passkeys"), "{bare:?}");
    }
}
