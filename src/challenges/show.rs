//! The pages of a challenge: asking, and what follows. Looking at one changes nothing.

use fluent_bundle::FluentArgs;
use futures_util::future::try_join_all;
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
        oidc, origin, page, parking, passkey, pow, problem,
        verification::{self, Progress},
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
    progress: &Progress,
) -> Stored<Reply> {
    if arrival.client != Client::Page {
        let passkey = passkey_options(challenges, arrival, word, issued).await?;
        return Ok(standing(challenges, issued, progress, passkey));
    }
    let locale = &problem::locale(challenges, arrival);
    let view = View::of(arrival);
    let open = match progress {
        Progress::Open { method, .. } => Some(*method),
        Progress::None | Progress::Ended(..) => None,
    };
    let named = view.method.filter(|it| issued.methods.contains(it)).or(open);
    let may_be_shown = |method: Method| named.is_none_or(|named| named == method);
    // What is set up matters where it is not said which method is shown.
    let is_verified = is_verified && named.is_none();
    let asker = begin::Asker { arrival, session: Some(session), account: issued.account, is_verified };
    // One wait for the store: which method is shown follows from it, and everything is asked that any of them needs.
    let (ways, posts, passkey) = tokio::try_join!(
        begin::ways(challenges, &asker, &issued.methods),
        posts(challenges, arrival, session, word, issued, may_be_shown),
        async {
            match may_be_shown(Method::Passkey) {
                true => passkey_options(challenges, arrival, word, issued).await,
                false => Ok(None),
            }
        },
    )?;
    let method = named.unwrap_or_else(|| ways.first(challenges, issued));
    let passkey = passkey.filter(|_| method == Method::Passkey);
    let now_ms = challenges.clock.now_ms();
    let error = ways
        .closed_until(method)
        .map(|until| problem::minutes(locale, "locked_method", ((until - now_ms).max(0) / 1000).unsigned_abs()));
    let post = posts.into_iter().find(|(of, _)| *of == method).and_then(|(_, post)| post);
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
    let verified = verification::is_one(method).then(|| verification::shown(challenges, method, progress));
    let is_vendors = method != Method::Approval;
    let is_start = verified.as_ref().is_some_and(|it| it.stage == "start");
    let nobody_begins = is_vendors && is_start && !challenges.vendors().begins(method);
    let error = error.or_else(|| nobody_begins.then(|| trouble(verification::Trouble::Unreachable.word())));
    let error = error.or_else(|| message(locale, method, view.error.as_deref()));
    let error = error.or_else(|| undelivered.then(|| trouble("email_trouble")));
    let shows = |it: &Widget| {
        let other = it.has_other.then(|| without(&address(arrival, word, Some(method), None), &it.vendor));
        context! { vendor => &*it.vendor, script => it.script.clone(), snippet => Value::from_safe_string(it.snippet.clone()), other }
    };
    let content = context! {
        error, passkey => passkey.map(|it| it.to_string()), undelivered, sent => post.is_some(), method => method.name(), action => address(arrival, word, Some(method), None),
        why => problem::say(challenges, locale, "why"), event => problem::event_name(locale, &issued.event),
        tell => issued.tell.as_deref().and_then(|key| locale.perhaps(&crate::locale::key("tell", key))),
        shown => pairs(locale, issued), others => others(locale, arrival, word, issued, method), reference => issued.reference(),
        verification => verified.as_ref().map(|it| verifies(it, &address(arrival, word, Some(method), None))),
        autofill => offers_passkey(challenges, issued, method, post.is_some()).then(|| address(arrival, word, Some(Method::Passkey), None)),
        seed => word, bits => pow::BITS, enrol => issued.enrol_allowed, captcha => widget.as_ref().map(shows),
    };
    let title = locale.text("title_confirm");
    let mut page = challenges.pages.render(locale, StatusCode::OK, "challenge.html", &title, content);
    if let Some(widget) = widget {
        page::allow(&mut page, &widget.csp);
    }
    if let Some((_, _, csp)) = verified.and_then(|it| it.embed) {
        page::allow(&mut page, &csp);
    }
    Ok(page)
}

/// What became of the newest code by each method that may be shown.
async fn posts(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
    issued: &Issued,
    may_be_shown: impl Fn(Method) -> bool,
) -> Stored<Vec<(Method, Option<Post>)>> {
    let Some(id) = issued::id_of(word) else { return Ok(Vec::new()) };
    let (tenant, host) = (&*arrival.route.tenant, &*arrival.request.host);
    let post = async |method: Method| {
        let lane = Lane::of(challenges, arrival, session, issued, method);
        let asked = Asked { tenant, host, method, id, issued, lane: &lane };
        challenges.code_is_out(&asked).await.map(|post| (method, post))
    };
    let sent = issued.methods.iter().copied().filter(|method| Reach::of(*method).is_some() && may_be_shown(*method));
    try_join_all(sent.map(post)).await
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
        // Whether it was sent in time or kept too long ago, nobody knows any more.
        Afterwards::Send { .. } | Afterwards::Release { .. } if challenges.clock.now_ms() >= issued.parked_until_ms => {
            confirmed(challenges, arrival, issued, "confirmed_late", None, false)
        }
        Afterwards::Send { .. } | Afterwards::Release { .. } => {
            confirmed(challenges, arrival, issued, "already_confirmed", None, false)
        }
        Afterwards::Repeat { .. } => confirmed(challenges, arrival, issued, "confirmed_close", None, true),
        Afterwards::Again => confirmed(challenges, arrival, issued, "confirmed_again", None, false),
    })
}

/// A challenge that is not there: never was, ended, or someone else's. Which, nobody is told.
pub fn gone(challenges: &Challenges, arrival: &Arrival) -> Reply {
    let locale = &problem::locale(challenges, arrival);
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
    described(challenges, status, issued, &[])
}

/// How a verification stands, for a program that polls; where nothing is begun, what it needs to answer by passkey.
fn standing(
    challenges: &Challenges,
    issued: &Issued,
    progress: &Progress,
    passkey: Option<serde_json::Value>,
) -> Reply {
    let passkey = passkey.map(|options| serde_json::json!({ "publicKey": options }));
    let Progress::Open { is_reviewed, details, .. } = progress else {
        return described(challenges, "open", issued, &[("passkey", passkey)]);
    };
    let details = details.as_deref();
    let fields = [
        ("redirect_url", details.and_then(|it| it.redirect.as_deref()).map(Into::into)),
        ("number", details.and_then(|it| it.number.as_deref()).map(Into::into)),
        ("passkey", passkey),
    ];
    described(challenges, if *is_reviewed { "review" } else { "pending" }, issued, &fields)
}

/// The part of a page that is about a verification.
fn verifies(shown: &verification::Shown, again: &str) -> Value {
    let embed = shown.embed.as_ref().map(|(script, snippet, _)| {
        // The connector's own element; the vendor's token in it is escaped.
        context! { script, snippet => Value::from_safe_string(snippet.clone()) }
    });
    let number = shown.number.as_deref();
    context! { stage => shown.stage, leads_away => shown.leads_away, number, embed, again }
}

/// Whether the browser is to offer a passkey at the field for a code: an account that is merely claimed has none that would
/// be shown, and where no code is typed there is no field to offer it at.
fn offers_passkey(challenges: &Challenges, issued: &Issued, method: Method, is_sent: bool) -> bool {
    let is_typed = match method {
        Method::Totp | Method::RecoveryCode => true,
        Method::EmailCode | Method::SmsCode | Method::VoiceCode => is_sent,
        Method::Passkey | Method::Pow | Method::Captcha => false,
        Method::Oidc | Method::IdDocument | Method::Push | Method::Approval => false,
    };
    is_typed && issued.is_verified && challenges.passkeys.is_some() && issued.methods.contains(&Method::Passkey)
}

/// The same, with what else the program needs to know: where its user has to go.
pub fn state_with(challenges: &Challenges, status: &str, issued: &Issued, more: &[(&str, Option<&str>)]) -> Reply {
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.map(Into::into))).collect();
    described(challenges, status, issued, &more)
}

/// What the browser, or a program, needs to answer by passkey, where that is a way.
async fn passkey_options(
    challenges: &Challenges,
    arrival: &Arrival,
    word: &str,
    issued: &Issued,
) -> Stored<Option<serde_json::Value>> {
    match issued::id_of(word).filter(|_| issued.methods.contains(&Method::Passkey)) {
        Some(id) => {
            let confirmed = passkey::Confirmed::challenge(id, issued);
            passkey::options(challenges, &arrival.route.tenant, &confirmed).await
        }
        None => Ok(None),
    }
}

/// How a challenge stands, and what more a program has to know.
fn described(
    challenges: &Challenges,
    status: &str,
    issued: &Issued,
    more: &[(&str, Option<serde_json::Value>)],
) -> Reply {
    let methods: Vec<&str> = issued.methods.iter().map(|it| it.name()).collect();
    let left_ms = (issued.expires_ms - challenges.clock.now_ms()).max(0);
    let mut state = serde_json::json!({
        "status": status, "methods": methods, "expires_in": left_ms / 1000,
        "decision_id": issued.decision_id, "resume": issued.afterwards.parked(),
    });
    for (name, value) in more {
        if let (Some(value), Some(fields)) = (value, state.as_object_mut()) {
            fields.insert((*name).into(), value.clone());
        }
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
    let locale = &problem::locale(challenges, arrival);
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
fn message(locale: &Locale, method: Method, error: Option<&str>) -> Option<String> {
    let error = error?;
    if error == "wrong" {
        return Some(locale.text(if method == Method::Passkey { "passkey_wrong" } else { "wrong" }));
    }
    if error == "unheard" {
        return Some(locale.text("captcha_unheard"));
    }
    if let Some(key) = oidc::message(error).or_else(|| verification::message(error)) {
        return Some(locale.text(key));
    }
    let seconds: u16 = error.strip_prefix("wait-")?.parse().ok()?;
    let mut args = FluentArgs::new();
    args.set("seconds", seconds);
    Some(locale.say("email_wait", &args))
}

fn pairs(locale: &Locale, issued: &Issued) -> Vec<Value> {
    let pair = |(name, value): &(String, String)| {
        Value::from(vec![problem::fact_name(locale, name), problem::fact_value(locale, issued, name, value)])
    };
    issued.shown.iter().map(pair).collect()
}
