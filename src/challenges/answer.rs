//! An answer to a challenge: counted first, then looked at, then, if it is right, recorded as a proof.
//!
//! Everything that a wrong answer can be (another length, an old code, a used one, an account that has nothing set up)
//! looks the same from outside and costs the same try.

use std::{collections::BTreeMap, sync::Arc};

use stepward_core::session::{CLOCK_SKEW_MS, Method, Proof};

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges, approval,
        attempts::{Aim, Lane, Made, Try},
        authenticators::{self, Authenticator},
        captcha::{self, Looked},
        code::{Asked, Expected, Sent},
        contacts::Reach,
        issued::{self, Issued},
        oidc, passkey, pow, problem, recovery, totp, verification,
    },
    clock,
    sessions::SessionHandle,
    store::{Drawer, Enrolment, Id, Once, StateStore, Stored},
};

/// What a client typed or chose.
#[derive(Debug, Default)]
pub struct Answer {
    /// The method it answers by.
    pub method: Option<Method>,
    /// What was typed.
    pub code: String,
    /// Whether a code is wanted.
    pub send: bool,
    /// The connector whose test it is.
    pub vendor: String,
    /// Every field, for those that vendors name.
    pub fields: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Debug)]
pub enum Came {
    /// It is proven; the session holds the proof, not written yet, and what is due to its owner is not forgiven yet.
    Proven(Method, Option<Due>),
    /// It was wrong and may be tried again.
    Wrong(Method),
    /// It was wrong, and the last try.
    Spent(Method),
    /// The method is closed until then.
    Closed(Method, i64),
    /// A code was asked for.
    Mailed(Sent),
    /// The vendor of the test, this connector, does not say; it costs no try.
    Unheard(String),
    /// The user has to go there, and will come back with an answer.
    Away(String),
    /// The user came back and nothing is proven; it costs no try.
    Undone(oidc::Trouble),
    /// A vendor has begun it; where the user goes, if anywhere.
    Begun(Option<Arc<str>>),
    /// Nothing was begun, or nothing came of it; it costs no try.
    Unverified(verification::Trouble),
    /// Nothing that could be an answer; it costs no try.
    Nothing,
}

/// A try that was right, to be taken back once the proof is recorded: see [`settle`].
#[derive(Debug)]
pub struct Due {
    lane: Lane,
    aim: Aim,
    made: Made,
}

/// Takes back what a right answer was counted as, and the slips of its own session before it.
///
/// # Errors
/// When the state store does not answer.
pub async fn settle(challenges: &Challenges, due: Option<&Due>) -> Stored<()> {
    match due {
        Some(due) => challenges.forgive(&due.lane, &due.aim, &due.made).await,
        None => Ok(()),
    }
}

impl Answer {
    /// Reads a form or a JSON object. A field given twice, or a body of another kind, is no answer.
    pub fn read(arrival: &Arrival) -> Self {
        let body = arrival.body.as_deref().unwrap_or_default();
        let kind = arrival.request.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fields = match kind.as_str() {
            "application/x-www-form-urlencoded" => form(body),
            "application/json" => json(body),
            _ => None,
        };
        let fields = fields.unwrap_or_default();
        let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
        Answer {
            method: Method::named(&get("method")),
            // A program sends an assertion as it is.
            code: fields.get("assertion").cloned().unwrap_or_else(|| get("code")),
            send: matches!(get("send").as_str(), "1" | "true"),
            vendor: get("vendor"),
            fields,
        }
    }
}

fn form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn json(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let serde_json::Value::Object(object) = serde_json::from_slice(body).ok()? else { return None };
    let text = |name: &str, value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        serde_json::Value::Object(_) if name == "assertion" => Some(value.to_string()),
        _ => None,
    };
    Some(
        object
            .into_iter()
            .filter_map(|(name, value)| {
                let text = text(&name, value)?;
                Some((name, text))
            })
            .collect(),
    )
}

/// Takes an answer to the challenge `word`; `ahead` is what was read already.
pub async fn take(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    word: &str,
    issued: &Issued,
    answer: &Answer,
    ahead: Ahead,
) -> Stored<Came> {
    let offered = answer.method.filter(|method| issued.methods.contains(method));
    let (Some(method), Some(id)) = (offered, issued::id_of(word)) else { return Ok(Came::Nothing) };
    let lane = Lane::of(challenges, arrival, session, issued, method);
    let (tenant, host) = (&*arrival.route.tenant, &*arrival.request.host);
    let asked = Asked { tenant, host, method, id, issued, lane: &lane };
    let is_letter = answer.send && Reach::of(method).is_some();
    let typed = if method == Method::Captcha { captcha::token(challenges, answer) } else { answer.code.clone() };
    let is_begun_elsewhere = method == Method::Oidc || verification::is_one(method);
    if !is_letter && !is_begun_elsewhere && typed.trim().is_empty() {
        return Ok(Came::Nothing);
    }
    if is_letter || is_begun_elsewhere {
        if let Some(until) = challenges.closed_until(&lane).await? {
            return Ok(Came::Closed(method, until));
        }
        if method == Method::Oidc {
            return oidc::leave(challenges, arrival, session, word, issued).await;
        }
        if method == Method::Approval && answer.fields.get("withdraw").is_some_and(|it| it == "1") {
            approval::withdraw(challenges, arrival, word, issued).await?;
            return Ok(Came::Nothing);
        }
        if verification::is_one(method) {
            return verification::begin(challenges, arrival, session, word, &asked).await;
        }
        return Ok(Came::Mailed(challenges.send_code(&asked, &problem::locale(challenges, arrival)).await?));
    }
    let target = Target::read(challenges, &asked, ahead).await?;
    let aim = target.aim(method);
    let made = match challenges.count_try(&lane, issued.attempts, &aim, issued.is_verified).await? {
        Try::Closed(until) => return Ok(Came::Closed(method, until)),
        Try::Counted(made) => made,
    };
    let target = if made.is_compared { target } else { Target::SetUp(Vec::new()) };
    let looked = match method {
        Method::Captcha => captcha::check(challenges, arrival, &asked, &answer.vendor, &typed).await?,
        _ if is_right(challenges, &asked, word, &target, &typed).await? => Looked::Passed,
        _ => Looked::Failed,
    };
    if looked == Looked::Unknown {
        challenges.forgive(&lane, &aim, &made).await?;
        return Ok(Came::Unheard(answer.vendor.clone()));
    }
    if looked == Looked::Failed {
        return match made.left {
            0 => challenges.close(&lane).await.map(|_| Came::Spent(method)),
            _ => Ok(Came::Wrong(method)),
        };
    }
    prove(challenges, session, issued, method, None);
    Ok(Came::Proven(method, Some(Due { lane, aim, made })))
}

/// Records that a challenge was met, and by whom where that is somebody else.
pub fn prove(challenges: &Challenges, session: &mut SessionHandle, issued: &Issued, method: Method, by: Option<Id>) {
    let proof = Proof {
        method,
        at_ms: moment(challenges.clock.now_ms(), issued.issued_ms),
        event: issued.event.clone(),
        bound_to: issued.binds(method),
        by,
    };
    session.change().prove(proof, issued.account.filter(|_| method.strength() > 0));
}

/// What was read before it was known whose it is; nothing of it counts before that is known.
#[derive(Debug, Default)]
pub struct Ahead {
    /// The challenge that the address names, sealed.
    pub(super) challenge: Option<(Id, Option<Vec<u8>>)>,
    /// What lies in a drawer of the account that the request's ticket names, sealed.
    pub(super) authenticators: Option<(Id, Vec<Enrolment>)>,
}

/// What an answer is compared with, read once.
enum Target {
    /// What the account has set up.
    SetUp(Vec<Authenticator>),
    /// A code that was sent.
    Code(Expected),
    /// Nothing that an account has.
    Nobody,
}

impl Target {
    async fn read(challenges: &Challenges, asked: &Asked<'_>, ahead: Ahead) -> Stored<Target> {
        match asked.method {
            Method::EmailCode | Method::SmsCode | Method::VoiceCode => {
                challenges.expected(asked).await.map(Target::Code)
            }
            Method::Totp | Method::Passkey | Method::RecoveryCode => {
                let Some(account) = asked.issued.account else { return Ok(Target::nothing(challenges, asked)) };
                let entries = match ahead.authenticators.filter(|(of, _)| *of == account) {
                    Some((_, entries)) => entries,
                    None => challenges.store.enrolments(account, Drawer::Authenticators).await?,
                };
                Ok(Target::SetUp(match asked.issued.is_verified {
                    true => authenticators::opened(challenges, asked.tenant, account, entries),
                    false => authenticators::opened_evenly(challenges, asked.tenant, account, entries),
                }))
            }
            Method::Pow | Method::Push | Method::Captcha | Method::Oidc | Method::IdDocument | Method::Approval => {
                Ok(Target::Nobody)
            }
        }
    }

    /// What an answer is compared with that must not be right.
    fn nothing(challenges: &Challenges, asked: &Asked<'_>) -> Target {
        let nobody = asked.issued.account.unwrap_or_default();
        Target::SetUp(authenticators::opened_evenly(challenges, asked.tenant, nobody, Vec::new()))
    }

    fn aim(&self, method: Method) -> Aim {
        match self {
            Target::SetUp(all) => authenticators::aim(all, method),
            Target::Code(expected) => expected.aim,
            Target::Nobody => Aim::NOTHING,
        }
    }
}

/// Whether the answer is right; if so it has been used up and is right for nobody else.
async fn is_right(
    challenges: &Challenges,
    asked: &Asked<'_>,
    word: &str,
    target: &Target,
    typed: &str,
) -> Stored<bool> {
    let (tenant, account) = (asked.tenant, asked.issued.account);
    match (asked.method, target) {
        (Method::Totp, Target::SetUp(all)) => match (totp::digits(typed), account) {
            (Some(code), Some(account)) => authenticators::check_totp(challenges, account, all, &code).await,
            (_, None) | (None, _) => Ok(false),
        },
        (Method::EmailCode | Method::SmsCode | Method::VoiceCode, Target::Code(expected)) => {
            match totp::digits(typed) {
                Some(code) => challenges.check_code(asked, expected, &code).await,
                None => Ok(false),
            }
        }
        (Method::RecoveryCode, Target::SetUp(_)) => match recovery::canonical(typed) {
            Some(code) => recovery::spend(challenges, tenant, account, &code).await,
            None => Ok(false),
        },
        (Method::Passkey, Target::SetUp(all)) => {
            let confirmed = passkey::Confirmed::challenge(asked.id, asked.issued);
            passkey::check(challenges, tenant, &confirmed, all, typed).await
        }
        (Method::Pow, _) => is_solved(challenges, asked, word, typed).await,
        // `runnable` never offers these, or they are looked at elsewhere: an answer here proves nothing.
        (
            Method::Totp
            | Method::EmailCode
            | Method::SmsCode
            | Method::VoiceCode
            | Method::RecoveryCode
            | Method::Passkey
            | Method::Push
            | Method::Captcha
            | Method::Oidc
            | Method::IdDocument
            | Method::Approval,
            _,
        ) => Ok(false),
    }
}

/// When something was proved. The node that asked may be ahead of this one: what meets its challenge came after it.
fn moment(now_ms: i64, issued_ms: i64) -> i64 {
    now_ms.max(issued_ms.min(now_ms.saturating_add(CLOCK_SKEW_MS)))
}

/// Whether it is a solution, not sooner than one can be found, and the first for this challenge.
async fn is_solved(challenges: &Challenges, asked: &Asked<'_>, word: &str, typed: &str) -> Stored<bool> {
    let now_ms = challenges.clock.now_ms();
    let age_ms = now_ms.saturating_sub(asked.issued.issued_ms);
    // Asked by a node that is ahead of this one, nobody knows how long it took.
    let is_unknown = (-CLOCK_SKEW_MS..0).contains(&age_ms);
    if !(is_unknown || age_ms >= pow::SOLVE_MS_MIN) || !pow::is_solution(word, typed) {
        return Ok(false);
    }
    let once = challenges.store.claim(now_ms, "pow", asked.id, clock::random_id(), asked.issued.expires_ms).await?;
    Ok(once == Once::First)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_never_comes_before_its_challenge_unless_the_clocks_differ_by_more_than_they_may() {
        for (now_ms, issued_ms, expected) in [
            (100_000, 90_000, 100_000),
            (100_000, 100_001, 100_001),
            (100_000, 130_000, 130_000),
            (100_000, 200_000, 130_000),
        ] {
            assert_eq!(moment(now_ms, issued_ms), expected, "{issued_ms}");
        }
    }

    #[test]
    fn a_form_field_given_twice_is_no_answer() {
        assert!(form(b"method=totp&code=1&code=2").is_none());
        assert_eq!(form(b"method=totp&code=1+2").and_then(|it| it.get("code").cloned()).as_deref(), Some("1 2"));
        assert!(json(b"[1]").is_none() && json(b"").is_none());
        assert_eq!(json(br#"{"code":"1","x":{}}"#).map(|it| it.len()), Some(1));
    }
}
