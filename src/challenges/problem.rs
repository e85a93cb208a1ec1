//! Refusals and demands as clients read them: a page for people, `application/problem+json` (RFC 9457) for programs.
//!
//! They say what to do next and a reference; never a signal, a rule or whether an account exists.

use fluent_bundle::FluentArgs;
use http::{HeaderName, StatusCode, header};
use minijinja::context;
use stepward_core::decision::{Reason, Verb};

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Challenges, Demand, Refused,
        issued::{self, Issued},
        page,
    },
    locale::{self, Locale},
    reply::Reply,
};

const OUTCOME: HeaderName = HeaderName::from_static("stepward-outcome");

/// See [`Challenges::refusal`].
pub fn refusal(challenges: &Challenges, arrival: &Arrival, refused: &Refused<'_>) -> Reply {
    let locale = &locale(challenges, arrival);
    let told = refused.tell.and_then(|key| locale.perhaps(&locale::key("tell", key)));
    let text = told.unwrap_or_else(|| say(challenges, locale, general(refused)));
    let title = locale.text(title(refused));
    let mut reply = match arrival.client {
        Client::Page => {
            let detail = refused.retry_after.map(|seconds| minutes(locale, "retry_in", seconds));
            let home = say(challenges, locale, "back_to_service");
            let content = context! { text, detail, home, reference => issued::reference(refused.decision_id) };
            challenges.pages.render(locale, refused.status, "notice.html", &title, content)
        }
        Client::Fetch | Client::Api => {
            let problem = serde_json::json!({
                "type": kind(refused), "title": title, "status": refused.status.as_u16(), "detail": text,
                "instance": instance(refused.decision_id), "decision_id": refused.decision_id,
                "reference": issued::reference(refused.decision_id),
            });
            document(locale, refused.status, &problem)
        }
    };
    if let Some(seconds) = refused.retry_after {
        reply.set(header::RETRY_AFTER, &seconds.to_string());
    }
    reply.set(OUTCOME, refused.outcome.name());
    reply
}

/// Sends a browser to the page of a challenge.
pub fn to_challenge(id: &str) -> Reply {
    let mut reply = Reply::see_other(&format!("/.stepward/c/{id}"));
    reply.set(OUTCOME, Verb::Challenge.name());
    page::harden(reply)
}

/// 401 with everything a program needs to have the challenge met: by its user (`challenge_url`), or by itself.
pub fn challenge(challenges: &Challenges, demand: &mut Demand<'_>, issued: &Issued, id: &str) -> Reply {
    let arrival = demand.arrival;
    let locale = &locale(challenges, arrival);
    let address = format!("/.stepward/c/{id}");
    let methods: Vec<&str> = issued.methods.iter().map(|it| it.name()).collect();
    let mut problem = serde_json::json!({
        "type": "urn:stepward:problem:challenge", "title": locale.text("title_confirm"), "status": 401,
        "detail": say_event(challenges, locale, issued), "instance": instance(demand.decision_id),
        "decision_id": demand.decision_id, "reference": issued.reference(), "challenge_url": address,
        "methods": methods, "expires_in": (issued.expires_ms - issued.issued_ms) / 1000, "close": locale.text("cancel"),
    });
    if let (Some(parked), Some(fields)) = (issued.afterwards.parked(), problem.as_object_mut()) {
        fields.insert("resume".into(), parked.into());
    }
    let mut reply = document(locale, StatusCode::UNAUTHORIZED, &problem);
    reply.set(OUTCOME, Verb::Challenge.name());
    reply.set(header::WWW_AUTHENTICATE, &authenticate(arrival, demand.challenge.fresh_for_ms, &methods, &address));
    reply
}

/// RFC 9470 for bearer tokens; others are told where to go, for a 401 needs this field (RFC 9110 §15.5.2).
fn authenticate(arrival: &Arrival, fresh_for_ms: i64, methods: &[&str], address: &str) -> String {
    let authorization = arrival.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_bearer = authorization.get(..7).is_some_and(|it| it.eq_ignore_ascii_case("bearer "));
    if !is_bearer {
        return format!("Stepward challenge=\"{address}\"");
    }
    let wanted: Vec<String> = methods.iter().map(|it| format!("urn:stepward:method:{it}")).collect();
    let (wanted, age) = (wanted.join(" "), fresh_for_ms / 1000);
    format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"a fresh proof is needed\", \
         acr_values=\"{wanted}\", max_age=\"{age}\""
    )
}

/// A problem document.
pub fn document(locale: &Locale, status: StatusCode, problem: &serde_json::Value) -> Reply {
    let mut reply = Reply::new(status, "application/problem+json", problem.to_string());
    reply.set(header::CONTENT_LANGUAGE, &locale.tag);
    page::harden(reply)
}

/// The language of a request, and how its tenant's pages look.
pub fn locale(challenges: &Challenges, arrival: &Arrival) -> page::Voice {
    let accepted = arrival.headers.get(header::ACCEPT_LANGUAGE).and_then(|it| it.to_str().ok());
    let (tenant, asked) = (&arrival.route.tenant, asked_language(arrival));
    challenges.pages.voice(tenant, challenges.locales.load().choose(tenant, asked.as_deref(), accepted))
}

/// `?lang=` on Stepward's own pages; elsewhere the query is the app's.
pub fn asked_language(arrival: &Arrival) -> Option<String> {
    let query = arrival.request.query.as_deref().filter(|_| arrival.request.path.starts_with(super::PREFIX))?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang").map(|(_, value)| value.into_owned())
}

/// A message that may name the service.
pub fn say(challenges: &Challenges, locale: &Locale, key: &str) -> String {
    challenges.pages.say(locale, key)
}

/// A message about a time to come, in whole minutes, at least one.
pub fn minutes(locale: &Locale, key: &str, seconds: u64) -> String {
    let mut args = FluentArgs::new();
    args.set("minutes", seconds.div_ceil(60).max(1));
    locale.say(key, &args)
}

/// What an event is called in a language: a message of the operator's, or its name in the policy.
pub fn event_name(locale: &Locale, event: &str) -> String {
    locale.perhaps(&locale::key("event", event)).unwrap_or_else(|| event.to_string())
}

/// What a bound value is called: `fact_<name>` in this language, else its name in the policy.
pub fn fact_name(locale: &Locale, fact: &str) -> String {
    locale.perhaps(&locale::key("fact", fact)).unwrap_or_else(|| fact.to_string())
}

/// A bound value for people: amounts as their language writes them, everything else as it came.
pub fn fact_value(locale: &Locale, issued: &Issued, fact: &str, value: &str) -> String {
    if issued.numbers.iter().any(|it| it == fact) { locale.number(value) } else { value.to_string() }
}

fn say_event(challenges: &Challenges, locale: &Locale, issued: &Issued) -> String {
    format!("{} {}", say(challenges, locale, "why"), event_name(locale, &issued.event))
}

fn instance(decision_id: &str) -> String {
    format!("urn:stepward:decision:{decision_id}")
}

fn general(refused: &Refused<'_>) -> &'static str {
    match refused.reason {
        Reason::LockedOut | Reason::AttemptsSpent => "refused_locked",
        Reason::RateExceeded => "refused_rate",
        Reason::StateUnavailable | Reason::Internal => "refused_unavailable",
        Reason::CrossSite => "refused_cross_site",
        Reason::TransportInsecure => "refused_insecure",
        Reason::ResumeGone => "refused_resume",
        Reason::ResumeElsewhere => "refused_elsewhere",
        Reason::PathAmbiguous
        | Reason::RequestMalformed
        | Reason::BodyTooLarge
        | Reason::BodyMalformed
        | Reason::BodyUnsupported
        | Reason::HostUnknown => "refused_malformed",
        Reason::Rule
        | Reason::ProofRequired
        | Reason::Finish
        | Reason::Otherwise
        | Reason::WhenUnsure
        | Reason::ProofAccepted
        | Reason::BindingUnknown
        | Reason::AppAsked
        | Reason::AppAskedAgain
        | Reason::AppMalformed
        | Reason::ChallengeImpossible => match refused.outcome {
            Verb::LockOut => "refused_locked",
            Verb::Throttle => "refused_rate",
            Verb::Forward | Verb::Challenge | Verb::Reroute | Verb::Block => "refused",
        },
    }
}

fn title(refused: &Refused<'_>) -> &'static str {
    match (refused.outcome, refused.reason) {
        (_, Reason::StateUnavailable | Reason::ResumeElsewhere | Reason::Internal) => "title_unavailable",
        (_, Reason::ResumeGone) => "title_gone",
        (Verb::LockOut, _) | (_, Reason::LockedOut | Reason::AttemptsSpent) => "title_locked",
        (Verb::Throttle, _) => "title_busy",
        (Verb::Forward | Verb::Challenge | Verb::Reroute | Verb::Block, _) => "title_refused",
    }
}

/// A closed list of types, by what the client can do about it.
fn kind(refused: &Refused<'_>) -> &'static str {
    match title(refused) {
        "title_unavailable" => "urn:stepward:problem:unavailable",
        "title_gone" => "urn:stepward:problem:gone",
        "title_locked" => "urn:stepward:problem:locked",
        "title_busy" => "urn:stepward:problem:too-many-requests",
        _ => "urn:stepward:problem:refused",
    }
}
