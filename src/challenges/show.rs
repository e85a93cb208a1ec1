//! The pages of a challenge: asking, and what follows. Looking at one changes nothing.

use fluent_bundle::FluentArgs;
use http::StatusCode;
use minijinja::{Value, context};
use stepward_core::session::Method;

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Challenges,
        attempts::Lane,
        begin,
        captcha::{self, Widget},
        code::{Asked, Post},
        contacts::Reach,
        issued::{self, Afterwards, Issued},
        oidc, origin, page, parking, pow, problem,
    },
    locale::Locale,
    reply::Reply,
    sessions::SessionHandle,
    store::Stored,
};

/// What the address of a page says: which method, and which message. Both are closed lists.
#[derive(Debug, Default)]
pub struct View {
    method: Option<Method>,
    error: Option<String>,
    /// The connector whose test was of no use.
    not: Option<String>,
}

impl View {
    /// Of a request's query.
    pub fn of(arrival: &Arrival) -> Self {
        let mut view = View::default();
        for (name, value) in form_urlencoded::parse(arrival.request.query.as_deref().unwrap_or_default().as_bytes()) {
            match &*name {
                "m" => view.method = Method::named(&value),
                "e" => view.error = Some(value.into_owned()),
                "x" => view.not = Some(value.into_owned()),
                _ => {}
            }
        }
        view
    }
}

/// The page that asks, or its state for a program.
pub async fn challenge(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    is_verified: bool,
    word: &str,
    issued: &Issued,
) -> Stored<Reply> {
    if arrival.client != Client::Page {
        return Ok(state(challenges, arrival, "open", issued));
    }
    let locale = problem::locale(challenges, arrival);
    let view = View::of(arrival);
    let method = match view.method.filter(|it| issued.methods.contains(it)) {
        Some(method) => method,
        None => begin::first_method(challenges, arrival, session, issued, is_verified).await?,
    };
    let lane = Lane::of(challenges, arrival, session, issued, method);
    let closed = challenges.closed_until(&lane).await?;
    let now_ms = challenges.clock.now_ms();
    let error =
        closed.map(|until| problem::minutes(locale, "locked_method", ((until - now_ms).max(0) / 1000).unsigned_abs()));
    let post = match issued::id_of(word).filter(|_| Reach::of(method).is_some()) {
        Some(id) => {
            let (tenant, host) = (&*arrival.route.tenant, &*arrival.request.host);
            let asked = Asked { tenant, host, method, id, issued, lane: &lane };
            challenges.code_is_out(&asked).await?
        }
        None => None,
    };
    let undelivered = post == Some(Post::Silent);
    let is_test = method == Method::Captcha;
    let widget = is_test.then(|| captcha::widget(challenges, &issued.event, view.not.as_deref())).flatten();
    let is_missing = is_test && widget.is_none();
    let trouble = |key: &str| match issued.methods.len() {
        0 | 1 => locale.text(key),
        _ => format!("{} {}", locale.text(key), locale.text("email_trouble_other")),
    };
    let error = error.or_else(|| is_missing.then(|| trouble("captcha_trouble")));
    let unreachable = oidc::Trouble::Unreachable.word();
    let is_silent = method == Method::Oidc && challenges.is_provider_silent();
    let is_told = view.error.as_deref().is_none_or(|it| it == unreachable);
    let error = error.or_else(|| (is_silent && is_told).then(|| trouble(unreachable)));
    let error = error.or_else(|| message(locale, view.error.as_deref()));
    let error = error.or_else(|| undelivered.then(|| trouble("email_trouble")));
    let shows = |it: &Widget| {
        let other = it.has_other.then(|| without(&address(arrival, word, Some(method), None), &it.vendor));
        context! { vendor => &*it.vendor, script => it.script.clone(), snippet => it.snippet.clone(), other }
    };
    let content = context! {
        error, undelivered, sent => post.is_some(), method => method.name(), action => address(arrival, word, Some(method), None),
        why => problem::say(challenges, locale, "why"), event => problem::event_name(locale, &issued.event),
        tell => issued.tell.as_deref().and_then(|key| locale.perhaps(&crate::locale::key("tell", key))),
        shown => pairs(locale, &issued.shown), others => others(locale, arrival, word, issued, method), reference => issued.reference(),
        seed => word, bits => pow::BITS, enrol => issued.enrol_allowed, captcha => widget.as_ref().map(shows),
    };
    let title = locale.text("title_confirm");
    let mut page = challenges.pages.render(locale, StatusCode::OK, "challenge.html", &title, content);
    if let Some(widget) = widget {
        page::allow(&mut page, &widget.csp);
    }
    Ok(page)
}

/// What follows a challenge that is met.
pub async fn afterwards(challenges: &Challenges, arrival: &Arrival, issued: &Issued) -> Stored<Reply> {
    let waiting = match issued.afterwards.parked() {
        Some(parked) => parking::is_waiting(challenges, parked).await?,
        None => false,
    };
    if arrival.client != Client::Page {
        return Ok(state(challenges, arrival, "passed", issued));
    }
    let resume = |target: &str, parked: &str| origin::with_parameter(target, "stepward_resume", parked);
    Ok(match &issued.afterwards {
        Afterwards::Fetch { target } => match origin::local(target) {
            Some(target) => page::harden(Reply::see_other(&target)),
            None => confirmed(challenges, arrival, issued, "confirmed_again", None, false),
        },
        Afterwards::Send { target, parked } if waiting => {
            confirmed(challenges, arrival, issued, "confirmed_go_on", resume(target, parked), false)
        }
        Afterwards::Release { target, parked } if waiting => match resume(target, parked) {
            Some(target) => page::harden(Reply::see_other(&target)),
            None => confirmed(challenges, arrival, issued, "confirmed_again", None, false),
        },
        Afterwards::Send { .. } | Afterwards::Release { .. } => {
            confirmed(challenges, arrival, issued, "already_confirmed", None, false)
        }
        Afterwards::Repeat { .. } => confirmed(challenges, arrival, issued, "confirmed_close", None, true),
        Afterwards::Again => confirmed(challenges, arrival, issued, "confirmed_again", None, false),
    })
}

/// A challenge that is not there: never was, ended, or someone else's. Which, nobody is told.
pub fn gone(challenges: &Challenges, arrival: &Arrival) -> Reply {
    let locale = problem::locale(challenges, arrival);
    let title = locale.text("title_gone");
    if arrival.client != Client::Page {
        let problem = serde_json::json!({
            "type": "urn:stepward:problem:gone", "title": title, "status": 410, "detail": locale.text("gone"),
        });
        return problem::document(locale, StatusCode::GONE, &problem);
    }
    let content = context! { text => locale.text("gone"), home => problem::say(challenges, locale, "back_to_service") };
    challenges.pages.render(locale, StatusCode::GONE, "notice.html", &title, content)
}

/// How a challenge stands, for a program that asks or polls.
pub fn state(challenges: &Challenges, arrival: &Arrival, status: &str, issued: &Issued) -> Reply {
    let _ = arrival;
    state_with(challenges, status, issued, None)
}

/// The same, with the address at which its user has to sign in.
pub fn state_with(challenges: &Challenges, status: &str, issued: &Issued, authorization_url: Option<&str>) -> Reply {
    let methods: Vec<&str> = issued.methods.iter().map(|it| it.name()).collect();
    let left_ms = (issued.expires_ms - challenges.clock.now_ms()).max(0);
    let mut state = serde_json::json!({
        "status": status, "methods": methods, "expires_in": left_ms / 1000,
        "decision_id": issued.decision_id, "resume": issued.afterwards.parked(),
    });
    if let (Some(address), Some(fields)) = (authorization_url, state.as_object_mut()) {
        fields.insert("authorization_url".into(), address.into());
    }
    page::harden(Reply::new(StatusCode::OK, "application/json", state.to_string()))
}

/// The address of a challenge's page; a language that was asked for stays.
pub fn address(arrival: &Arrival, word: &str, method: Option<Method>, error: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(method.map(|it| ("m", it.name())));
    query.extend_pairs(error.map(|it| ("e", it)));
    query.extend_pairs(problem::asked_language(arrival).map(|it| ("lang", it)));
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/.stepward/c/{word}{mark}{query}")
}

/// The same address, for the page with another vendor's test.
pub fn without(address: &str, vendor: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("x", vendor).finish();
    format!("{address}&{query}")
}

fn confirmed(
    challenges: &Challenges,
    arrival: &Arrival,
    issued: &Issued,
    key: &str,
    target: Option<String>,
    passed: bool,
) -> Reply {
    let locale = problem::locale(challenges, arrival);
    let home = (target.is_none() && !passed).then(|| problem::say(challenges, locale, "back_to_service"));
    let content = context! {
        text => locale.text(key), target, passed, home, resume => issued.afterwards.parked(),
        go_on => problem::say(challenges, locale, "continue_to"), reference => issued.reference(),
    };
    challenges.pages.render(locale, StatusCode::OK, "confirmed.html", &locale.text("title_confirmed"), content)
}

/// Links to the other methods; the same for everyone.
fn others(locale: &Locale, arrival: &Arrival, word: &str, issued: &Issued, shown: Method) -> Vec<Value> {
    let others = issued.methods.iter().filter(|method| **method != shown);
    let link = |method: &Method| {
        let label = locale.text(&format!("way_{}", method.name()));
        context! { href => address(arrival, word, Some(*method), None), label }
    };
    others.map(link).collect()
}

/// The message that an address names: `wrong`, `unheard`, `wait-<seconds>`, or one of `oidc`'s. Anything else is none.
fn message(locale: &Locale, error: Option<&str>) -> Option<String> {
    let error = error?;
    if error == "wrong" {
        return Some(locale.text("wrong"));
    }
    if error == "unheard" {
        return Some(locale.text("captcha_unheard"));
    }
    if let Some(key) = oidc::message(error) {
        return Some(locale.text(key));
    }
    let seconds: u16 = error.strip_prefix("wait-")?.parse().ok()?;
    let mut args = FluentArgs::new();
    args.set("seconds", seconds);
    Some(locale.say("email_wait", &args))
}

fn pairs(locale: &Locale, shown: &[(String, String)]) -> Vec<Value> {
    shown.iter().map(|(name, value)| Value::from(vec![problem::fact_name(locale, name), value.clone()])).collect()
}
