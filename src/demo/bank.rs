//! Tiny Bank: an ordinary app that knows nothing of Stepward. Forms, one page with fetch, an API for agents.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use minijinja::{Environment, Value, context, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    clock,
    demo::{controls::Controls, mailbox::Mailbox},
};

#[derive(rust_embed::RustEmbed)]
#[folder = "src/demo/pages"]
struct PageFiles;

/// The bank's books.
#[derive(Clone)]
pub struct Bank {
    accounts: Arc<Mutex<BTreeMap<String, Account>>>,
    sessions: Arc<Mutex<BTreeMap<String, String>>>,
    pages: Arc<Environment<'static>>,
    mailbox: Mailbox,
    controls: Controls,
}

struct Account {
    password: &'static str,
    email: String,
    cents: i64,
    movements: Vec<Movement>,
}

#[derive(Clone, Serialize)]
struct Movement {
    payee: String,
    amount: String,
}

impl Bank {
    /// A bank with two customers.
    pub fn new(mailbox: Mailbox, controls: Controls) -> anyhow::Result<Bank> {
        let customer = |password: &'static str, email: &str| Account {
            password,
            email: email.to_string(),
            cents: 5_000_000,
            movements: Vec::new(),
        };
        let accounts = BTreeMap::from([
            ("ada@example.com".to_string(), customer("ada", "ada@example.com")),
            ("bob@example.com".to_string(), customer("bob", "bob@example.com")),
        ]);
        Ok(Bank {
            accounts: Arc::new(Mutex::new(accounts)),
            sessions: Arc::default(),
            pages: Arc::new(pages()?),
            mailbox,
            controls,
        })
    }

    /// Its pages and its API.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", get(login_page).post(login))
            .route("/logout", get(logout).post(logout))
            .route("/transfer", get(transfer_page).post(transfer))
            .route("/api/transfers", post(transfer_by_fetch))
            .route("/account/email", get(email_page).post(change_email))
            .route("/mailbox", get(mailbox_page))
            .route("/agent-token", get(agent_page))
            .route("/agent/balance", get(agent_balance))
            .route("/agent/transfer", post(agent_transfer))
            .route("/demo/network", post(demo_network))
            .route("/demo/device", post(demo_device))
            .route("/demo/vendor", post(demo_vendor))
            .route("/demo/shadow", post(demo_shadow))
            .route("/demo/invite", post(demo_invite))
            .route("/bank.css", get(|| file("bank.css", "text/css; charset=utf-8")))
            .route("/bank.js", get(|| file("bank.js", "text/javascript; charset=utf-8")))
            .with_state(self)
    }

    fn user(&self, headers: &HeaderMap) -> Option<String> {
        let session = session_cookie(headers)?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    fn page(&self, name: &str, title: &str, user: Option<&str>, extra: Value) -> Response {
        let controls = self.controls.state();
        let values = context! {
            title, user, bad_network => controls.bad_network, vendor_broken => controls.vendor_broken,
            shadow => controls.shadow, ..extra
        };
        match self.pages.get_template(name).and_then(|page| page.render(values)) {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, page = name, "a page of the demo does not render");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// Moves money and tells the new balance, or why not.
    fn pay(&self, user: &str, payee: &str, amount: &str) -> Result<String, &'static str> {
        let cents = cents(amount).filter(|cents| *cents > 0).ok_or("That is not an amount.")?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.get_mut(user).ok_or("No such account.")?;
        if cents > account.cents {
            return Err("Not enough money.");
        }
        account.cents -= cents;
        account.movements.push(Movement { payee: payee.to_string(), amount: euros(cents) });
        Ok(euros(account.cents))
    }
}

fn pages() -> anyhow::Result<Environment<'static>> {
    let mut pages = Environment::new();
    for name in PageFiles::iter().filter(|name| name.ends_with(".html")) {
        if let Some(file) = PageFiles::get(&name) {
            pages.add_template_owned(name.into_owned(), String::from_utf8_lossy(&file.data).into_owned())?;
        }
    }
    Ok(pages)
}

async fn file(name: &'static str, media_type: &'static str) -> Response {
    match PageFiles::get(name) {
        Some(file) => ([(header::CONTENT_TYPE, media_type)], file.data.into_owned()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|it| it.trim().strip_prefix("sessionid=")).map(str::to_string)
}

fn cents(amount: &str) -> Option<i64> {
    let euros: f64 = amount.trim().replace(',', ".").parse().ok()?;
    (euros.is_finite() && euros.abs() < 1e9).then(|| (euros * 100.0).round() as i64)
}

fn euros(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, (cents % 100).abs())
}

async fn home(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    let books = {
        let accounts = bank.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&user).map(|it| (euros(it.cents), it.email.clone(), it.movements.clone()))
    };
    let Some((balance, email, movements)) = books else { return Redirect::to("/login").into_response() };
    bank.page(
        "home.html",
        "Balance",
        Some(&user),
        context! { balance, email, movements => Value::from(Serde(&movements)) },
    )
}

async fn login_page(State(bank): State<Bank>) -> Response {
    bank.page("login.html", "Sign in", None, context! {})
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn login(State(bank): State<Bank>, Form(form): Form<Login>) -> Response {
    let user = form.username.trim().to_lowercase();
    let right = {
        let accounts = bank.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&user).is_some_and(|account| account.password == form.password)
    };
    if !right {
        let page = bank.page("login.html", "Sign in", None, context! { error => "Wrong address or password." });
        return (StatusCode::UNAUTHORIZED, page).into_response();
    }
    let session = data_encoding::HEXLOWER.encode(&clock::random_id());
    bank.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone(), user);
    with_cookie(Redirect::to("/").into_response(), &format!("sessionid={session}; Path=/; HttpOnly; SameSite=Lax"))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn logout(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    if let Some(session) = session_cookie(&headers) {
        bank.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
    }
    with_cookie(Redirect::to("/login").into_response(), "sessionid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

async fn transfer_page(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    bank.page("transfer.html", "Transfer", Some(&user), context! {})
}

#[derive(Deserialize)]
struct Transfer {
    payee: String,
    amount: String,
}

async fn transfer(State(bank): State<Bank>, headers: HeaderMap, Form(form): Form<Transfer>) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    match bank.pay(&user, &form.payee, &form.amount) {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => {
            let page = bank.page("transfer.html", "Transfer", Some(&user), context! { error });
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}

#[derive(Deserialize)]
struct TransferByFetch {
    payee: String,
    amount: f64,
}

async fn transfer_by_fetch(
    State(bank): State<Bank>,
    headers: HeaderMap,
    Json(body): Json<TransferByFetch>,
) -> Response {
    let Some(user) = bank.user(&headers) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "title": "Not signed in" }))).into_response();
    };
    match bank.pay(&user, &body.payee, &body.amount.to_string()) {
        Ok(balance) => Json(json!({ "balance": balance })).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "title": error }))).into_response(),
    }
}

async fn email_page(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    bank.page("email.html", "E-mail", Some(&user), context! {})
}

#[derive(Deserialize)]
struct NewEmail {
    email: String,
}

async fn change_email(State(bank): State<Bank>, headers: HeaderMap, Form(form): Form<NewEmail>) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    if let Some(account) = bank.accounts.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&user) {
        account.email = form.email;
    }
    Redirect::to("/").into_response()
}

async fn mailbox_page(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let letters = bank.mailbox.letters();
    bank.page(
        "mailbox.html",
        "Mailbox",
        bank.user(&headers).as_deref(),
        context! { letters => Value::from(Serde(&letters)) },
    )
}

async fn agent_page(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    let origin = headers.get(header::HOST).and_then(|it| it.to_str().ok()).map(|host| format!("http://{host}"));
    let token = bank.controls.agent_token(&user);
    bank.page("agent.html", "Agents", Some(&user), context! { token, origin })
}

/// Agents are known by what Stepward tells, never by the token itself: the app needs no code for it.
async fn agent_balance(headers: HeaderMap) -> Response {
    let told = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("").to_string();
    Json(json!({ "balance": "50000.00", "you_are": told("stepward-subject"), "event": told("stepward-event") }))
        .into_response()
}

async fn agent_transfer() -> Response {
    Json(json!({ "paid": true })).into_response()
}

fn back(headers: &HeaderMap) -> Response {
    let from = headers.get(header::REFERER).and_then(|it| it.to_str().ok());
    let path =
        from.and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    Redirect::to(path.filter(|path| !path.starts_with("//")).unwrap_or("/")).into_response()
}

/// A clerk of the bank asks Stepward's operators for an invitation.
async fn demo_invite(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    let Some(user) = bank.user(&headers) else { return Redirect::to("/login").into_response() };
    match bank.controls.invite(&user).await {
        Ok(path) => Redirect::to(&path).into_response(),
        Err(error) => {
            tracing::error!(%error, "no invitation could be had");
            bank.page("email.html", "E-mail", Some(&user), context! { error => "No invitation could be had." })
        }
    }
}

async fn demo_network(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    bank.controls.toggle_network();
    back(&headers)
}

async fn demo_device(headers: HeaderMap) -> Response {
    with_cookie(back(&headers), "stepward-device=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

async fn demo_vendor(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    bank.controls.toggle_vendor();
    back(&headers)
}

async fn demo_shadow(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    bank.controls.toggle_shadow();
    back(&headers)
}
