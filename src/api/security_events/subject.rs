//! Whom an event is about: a subject identifier (RFC 9493) as the name by which the app knows its users.
//!
//! Only ways of naming somebody that the settings list name an account: an identifier of another issuer, or of a way that
//! nobody chose, names nobody, for two directories may call different people by one name.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::{
    settings::security_events::{Format, Transmitter},
    subject::{self, jwt},
};

/// How many identifiers of one subject are looked at.
const ALIASES_MAX: usize = 16;

/// The name of the account that an identifier names, if it names one here.
pub(super) fn name(identifier: &Json, from: &Transmitter) -> Option<Arc<str>> {
    let identifier = identifier.as_object()?;
    match &*format(identifier)? {
        // Of a device or session of somebody all of the account is meant: too much rather than too little.
        "complex" => of_one(identifier.get("user")?.as_object()?, from),
        "aliases" => {
            let all = identifier.get("identifiers")?.as_array()?;
            all.iter().take(ALIASES_MAX).find_map(|one| of_one(one.as_object()?, from))
        }
        _ => of_one(identifier, from),
    }
}

/// What the identifier says it is; `subject_type: iss-sub` before RFC 9493, and a complex one without saying so.
fn format(identifier: &Map<String, Json>) -> Option<String> {
    let said = jwt::text(identifier, "format").or_else(|| jwt::text(identifier, "subject_type"));
    match said {
        Some(said) => Some(said.replace('-', "_")),
        None => identifier.contains_key("user").then(|| "complex".to_owned()),
    }
}

fn of_one(identifier: &Map<String, Json>, from: &Transmitter) -> Option<Arc<str>> {
    let (is, value) = match &*format(identifier)? {
        "iss_sub" | "id_token_claims" => {
            let issuer = jwt::text(identifier, "iss")?;
            (Format::IssSub, jwt::text(identifier, "sub").filter(|_| issuer == from.subject_issuer)?)
        }
        "email" => (Format::Email, jwt::text(identifier, "email").filter(|it| subject::is_email(it))?),
        "opaque" => (Format::Opaque, jwt::text(identifier, "id")?),
        "account" => (Format::Account, jwt::text(identifier, "uri")?.strip_prefix("acct:").map(Arc::from)?),
        _ => return None,
    };
    Some(value).filter(|name| from.subjects.contains(&is) && subject::is_name(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn transmitter(subjects: &[Format]) -> Transmitter {
        Transmitter {
            name: "idp".into(),
            issuer: "https://idp.example".into(),
            audience: "bank".into(),
            jwks: "keys.json".into(),
            token: None,
            tenant: "default".into(),
            subjects: subjects.to_vec(),
            subject_issuer: "https://idp.example".into(),
            kinds: [].into(),
        }
    }

    #[test]
    fn an_identifier_names_an_account_only_in_a_way_that_was_chosen() {
        let all = [Format::IssSub, Format::Email, Format::Opaque, Format::Account];
        let iss_sub = json!({ "format": "iss_sub", "iss": "https://idp.example", "sub": "ada" });
        let email = json!({ "format": "email", "email": "ada@bank.example" });
        for (chosen, identifier, expected) in [
            (&all[..], iss_sub.clone(), Some("ada")),
            (&all, json!({ "subject_type": "iss-sub", "iss": "https://idp.example", "sub": "ada" }), Some("ada")),
            (&all, json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "ada" }), None),
            (&all, json!({ "format": "iss_sub", "sub": "ada" }), None),
            (&all[..1], email.clone(), None),
            (&all, email.clone(), Some("ada@bank.example")),
            (&all, json!({ "format": "email", "email": "no address" }), None),
            (&all, json!({ "format": "opaque", "id": "4711" }), Some("4711")),
            (&all, json!({ "format": "account", "uri": "acct:ada@bank.example" }), Some("ada@bank.example")),
            (&all, json!({ "format": "account", "uri": "https://bank.example/ada" }), None),
            (
                &all,
                json!({ "format": "complex", "user": iss_sub, "session": { "format": "opaque", "id": "s" } }),
                Some("ada"),
            ),
            (&all, json!({ "user": iss_sub, "device": { "format": "opaque", "id": "d" } }), Some("ada")),
            (&all, json!({ "format": "complex", "session": { "format": "opaque", "id": "s" } }), None),
            (&all[..1], json!({ "format": "aliases", "identifiers": [email, iss_sub] }), Some("ada")),
            (&all, json!({ "format": "did", "url": "did:example:1" }), None),
            (&all, json!({ "format": "opaque", "id": "a\u{0}b" }), None),
            (&all, json!({ "format": "opaque", "id": 7 }), None),
            (&all, json!("ada"), None),
        ] {
            let named = name(&identifier, &transmitter(chosen));
            assert_eq!(named.as_deref(), expected, "{identifier} by {chosen:?}");
        }
    }
}
