//! A vendor's test against robots, shown by whichever vendor of the route `bot_verify` answers.
//!
//! It says nothing about a person. A token counts once, on the host it was made for, and for this event where the vendor
//! says for what it was made; only the vendor's own word that it was passed counts. While a vendor does not say, nothing
//! is passed and no try is lost: the page shows the next vendor's test, and where there is none, another way.

use std::sync::Arc;

use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{Challenges, answer::Answer, code::Asked},
    clock,
    store::{Once, StateStore, Stored},
    vendors::deeds::Test,
};

/// Stands for what the test is for in a connector's `snippet`.
const ACTION: &str = "{action}";
/// Longest action that every vendor takes, in characters.
const ACTION_MAX: usize = 32;
/// How long a token is remembered. Vendors forget theirs after minutes.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;

/// A test as a page shows it.
#[derive(Debug)]
pub struct Widget {
    /// The connector whose test it is.
    pub vendor: Arc<str>,
    /// The vendor's script.
    pub script: String,
    /// The vendor's own markup.
    pub snippet: String,
    /// What the page has to allow besides its own, by directive.
    pub csp: Vec<(String, Vec<String>)>,
    /// Whether another vendor's can be shown in its place.
    pub has_other: bool,
}

/// What came of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The vendor says that the test was passed.
    Passed,
    /// It was not, or is no token of this challenge.
    Failed,
    /// The vendor does not say.
    Unknown,
}

/// Whether any test can be shown at the moment.
pub fn is_there(challenges: &Challenges) -> bool {
    !challenges.vendors().tests().is_empty()
}

/// The test to show: the first of the route, or the one after the test that was of no use.
pub fn widget(challenges: &Challenges, event: &str, not: Option<&str>) -> Option<Widget> {
    let tests = challenges.vendors().tests();
    let after = not.and_then(|not| tests.iter().position(|it| *it.connector == *not)).map_or(0, |at| at + 1);
    let has_other = tests.len() > 1;
    let count = tests.len().max(1);
    let Test { connector, page } = tests.into_iter().nth(after % count)?;
    let snippet = page.snippet?.replace(ACTION, &action(event));
    Some(Widget { vendor: connector, script: page.script?, snippet, csp: page.csp, has_other })
}

/// The token of an answer: in the vendor's own field, as its script writes it, or in `code`, as programs send it.
pub fn token(challenges: &Challenges, answer: &Answer) -> String {
    let field = challenges.vendors().token_field(&answer.vendor);
    let typed = field.and_then(|field| answer.fields.get(&field).cloned()).filter(|it| !it.is_empty());
    typed.unwrap_or_else(|| answer.code.clone())
}

/// What the vendor says of a token; whatever it says, the token is used up.
pub async fn check(
    challenges: &Challenges,
    arrival: &Arrival,
    asked: &Asked<'_>,
    vendor: &str,
    token: &str,
) -> Stored<Looked> {
    let vendors = challenges.vendors();
    let Some(test) = vendors.tests().into_iter().find(|it| *it.connector == *vendor) else {
        return Ok(if vendors.token_field(vendor).is_some() { Looked::Unknown } else { Looked::Failed });
    };
    let now_ms = challenges.clock.now_ms();
    let id = challenges.keys.pseudonym(asked.tenant, Method::Captcha.name(), &format!("{vendor} {token}"));
    let once = challenges.store.claim(now_ms, "captcha", id, clock::random_id(), now_ms + REMEMBERED_MS).await?;
    if once == Once::Replay {
        return Ok(Looked::Failed);
    }
    let ip = arrival.request.client_ip.to_canonical().to_string();
    let says_action = test.page.snippet.as_ref().is_some_and(|it| it.contains(ACTION));
    let action = says_action.then(|| action(&asked.issued.event));
    let agent = arrival.request.header("user-agent");
    let named = [("token", Some(token)), ("ip", Some(&*ip)), ("action", action.as_deref()), ("user_agent", agent)];
    let inputs: Vec<(Arc<str>, Arc<str>)> =
        named.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
    let verdict = vendors.verify(asked.tenant, vendor, &inputs).await;
    let is_elsewhere = verdict.hostname.as_ref().is_some_and(|it| !it.eq_ignore_ascii_case(asked.host));
    let is_for_other = action.is_some() && verdict.action.is_some() && verdict.action.as_deref() != action.as_deref();
    Ok(match verdict.passed {
        None => Looked::Unknown,
        Some(true) if !is_elsewhere && !is_for_other => Looked::Passed,
        Some(_) => Looked::Failed,
    })
}

/// What a test is for, in letters that every vendor takes: the event.
fn action(event: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' };
    event.chars().map(plain).take(ACTION_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_an_action_that_every_vendor_takes() {
        assert_eq!(action("transfer money"), "transfer_money");
        assert_eq!(action("\"><script>"), "___script_");
        assert_eq!(action(&"ü".repeat(80)).len(), ACTION_MAX);
    }
}
