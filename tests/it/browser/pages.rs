//! Stepward's own pages in Chromium: a small server around challenges and an app that echoes, driven by
//! `tests/browser/pages.mjs`. The gateway's own way through is driven by the demo's story.

use std::sync::Arc;

use axum::{
    body::{Body as Payload, to_bytes},
    extract::{Request as Call, State},
    http::{HeaderMap, Response, StatusCode, header},
};
use stepward::{
    arrival::{Arrival, Client},
    challenges::{Begun, Demand, Refused, Served, answer::Ahead},
    reply::Reply,
    sessions::{
        SessionHandle,
        cookies::{self, Scope},
        record::{Subject, SubjectKind, VerifiedBy},
    },
    store::{Begin, Drawer, StateStore},
};
use stepward_core::{
    decision::{Reason, Verb},
    request::{Body, Request},
    session::Method,
};

use crate::{
    browser::{self, kinds::Kinds},
    stepup::world::{World, bound, policy},
};

/// An app's page with a form and a call, as the tests use them.
const SHOP: &str = r#"<!doctype html><html lang="en"><title>App</title><script src="/.stepward/stepward.js"></script>
<h1>App</h1><form method="post" action="/transfer"><input name="memo" value="rent &amp; ü"><button>Send</button></form>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_work_and_are_accessible_in_chromium() {
    let world = Arc::new(World::by_the_clock().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(handle).with_state(world);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    browser::drive("pages.mjs", &[("BASE", format!("http://{address}"))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_page_is_accessible_in_every_language_scheme_and_width() {
    let address = kinds_served().await;
    browser::drive("kinds.mjs", &[("BASE", format!("http://{address}"))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes the pictures of the docs anew: cargo test --test it pictures_of_the_docs -- --ignored"]
async fn pictures_of_the_docs() {
    let address = kinds_served().await;
    browser::drive("pictures.mjs", &[("BASE", format!("http://{address}"))]).await;
}

/// Pages as they stand: `/kinds`, and `/kind/<tenant>/<language>/<name>`.
async fn kinds_served() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(kind).with_state(Arc::new(Kinds::new()));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn kind(State(kinds): State<Arc<Kinds>>, call: Call) -> Response<Payload> {
    let plain = |status, text: String| Reply::new(status, "text/plain; charset=utf-8", text);
    let parts: Vec<&str> = call.uri().path().split('/').collect();
    let reply = match parts[..] {
        ["", "kinds"] => Some(plain(StatusCode::OK, kinds.list())),
        ["", "kind", tenant, tag, name] => kinds.show(tenant, tag, name),
        ["", ".stepward", name] => kinds.file(name),
        // Forms go here: a page that is looked at stays.
        ["", "nowhere"] => Some(plain(StatusCode::NO_CONTENT, String::new())),
        _ => None,
    };
    respond(reply.unwrap_or_else(|| plain(StatusCode::NOT_FOUND, String::new())))
}

fn respond(reply: Reply) -> Response<Payload> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Payload::from(reply.body)).unwrap()
}

async fn handle(State(world): State<Arc<World>>, call: Call) -> Response<Payload> {
    let (parts, body) = call.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let arrival = arrival(&world, &parts.method, &parts.uri, &parts.headers, body);
    let mut session = session(&world, &arrival).await;
    let subject = subject(&world, &arrival);
    let reply = answer(&world, &arrival, &mut session, subject.as_ref()).await;
    respond(reply)
}

async fn answer(world: &World, arrival: &Arrival, session: &mut SessionHandle, subject: Option<&Subject>) -> Reply {
    let path = arrival.request.path.to_string();
    if let Some(rest) = path.strip_prefix("/test/") {
        return support(world, arrival, subject, rest).await;
    }
    if path.starts_with("/.stepward/") {
        return match world.challenges.serve(arrival, session, subject, Ahead::default()).await.unwrap() {
            Served::Answer(reply) | Served::Passed { reply, .. } | Served::Failed { reply, .. } => reply,
            Served::Spent { decision_id, .. } => refusal(world, arrival, &decision_id),
        };
    }
    let query = arrival.request.query.clone().unwrap_or_default();
    let field =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(it, _)| it == name).map(|(_, it)| it.into_owned());
    let resumed = field("stepward_resume").or_else(|| arrival.request.header("stepward-resume").map(str::to_string));
    if let Some(id) = resumed {
        return match world.challenges.take(arrival, session, subject, &id, None).await.unwrap() {
            Some(parked) => {
                let body = data_encoding::BASE64.decode(parked.body.as_bytes()).unwrap();
                echo(&parked.method, &parked.target, &String::from_utf8(body).unwrap())
            }
            None => refusal(world, arrival, "01JGONE0000"),
        };
    }
    match path.as_str() {
        "/" => Reply::new(StatusCode::OK, "text/html; charset=utf-8", SHOP),
        "/refused" => refusal(world, arrival, "01JREFUSED0"),
        _ => hold(world, arrival, session, subject, field("ways")).await,
    }
}

/// Every request to the app is an event that wants a proof.
async fn hold(
    world: &World,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
    ways: Option<String>,
) -> Reply {
    let ways = ways.unwrap_or_else(|| "totp,email_code,recovery_code".into());
    let methods: Vec<Method> = ways.split(',').filter_map(Method::named).collect();
    let proven = session.record.proofs_for(subject.map(|it| it.account)).any(|it| methods.contains(&it.method));
    if proven {
        return echo(&arrival.request.method, &arrival.request.path, "");
    }
    let mut challenge = bound(&methods, 9);
    challenge.attempts = 10;
    let demand = Demand {
        arrival,
        policy: &policy("transfer money"),
        challenge: &challenge,
        decision_id: "01JDECISION000000000000000",
        tell: Some("login.unusual"),
        shown: vec![
            ("payee".into(), "<script>document.title='owned'</script>".into()),
            ("amount".into(), "9 000 €".into()),
        ],
        session,
        subject,
        claimed: None,
        withheld: None,
        resuming: None,
        asked: None,
        ways: None,
    };
    match world.challenges.begin(demand).await.unwrap() {
        Begun::Asked(reply) => reply,
        Begun::Refused(_) | Begun::Spent(_) => refusal(world, arrival, "01JSPENT000"),
    }
}

/// What a test needs and a user has in a pocket: an account with an app, its code, the mailbox, a known device.
async fn support(world: &World, arrival: &Arrival, subject: Option<&Subject>, rest: &str) -> Reply {
    let plain = |text: String| Reply::new(StatusCode::OK, "text/plain; charset=utf-8", text);
    match rest.split('/').collect::<Vec<_>>()[..] {
        ["as", name] => {
            let account = world.account(name);
            let scope = Scope::of(&arrival.request).unwrap();
            let (device, cookie) =
                cookies::make_device(&world.keys, world.now_ms(), "default", &arrival.request.host, scope);
            world.store.enrol(account, Drawer::Devices, device, Vec::new()).await.unwrap();
            let mut reply = plain(String::new());
            reply.set(header::SET_COOKIE, &format!("user={name}; Path=/"));
            reply.set(header::SET_COOKIE, &cookie);
            reply
        }
        ["totp"] => plain(data_encoding::HEXLOWER.encode(&world.totp(&subject.unwrap().name).await)),
        ["code", secret] => plain(world.code(&data_encoding::HEXLOWER.decode(secret.as_bytes()).unwrap())),
        ["address"] => {
            let name = &subject.unwrap().name;
            world.address(name, &format!("{name}@mail.example")).await;
            plain(String::new())
        }
        ["mail"] => {
            let to = format!("{}@mail.example", subject.unwrap().name);
            let letters = world.mailbox.letters();
            let last = letters.iter().rev().find(|it| it.to == to).map(|it| crate::mailbox::code_in(&it.text));
            plain(last.unwrap_or_default())
        }
        _ => Reply::new(StatusCode::NOT_FOUND, "text/plain", ""),
    }
}

fn echo(method: &str, target: &str, body: &str) -> Reply {
    let body = body.replace('&', "&amp;").replace('<', "&lt;");
    let html =
        format!("<!doctype html><html lang=\"en\"><title>Done</title><pre id=\"echo\">{method} {target} {body}</pre>");
    Reply::new(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn refusal(world: &World, arrival: &Arrival, decision_id: &str) -> Reply {
    let refused = Refused {
        status: StatusCode::FORBIDDEN,
        outcome: Verb::LockOut,
        reason: Reason::AttemptsSpent,
        tell: None,
        decision_id,
        retry_after: Some(900),
    };
    world.challenges.refusal(arrival, &refused)
}

fn arrival(
    world: &World,
    method: &axum::http::Method,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Arrival {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_string();
    let cookies = headers.get_all(header::COOKIE).iter().map(text).collect::<Vec<_>>().join("; ");
    let cookies = cookies.split("; ").filter_map(|it| it.split_once('='));
    let host = headers.get(header::HOST).map(text).unwrap_or_default();
    let request = Request {
        method: method.as_str().into(),
        host: host.split(':').next().unwrap_or_default().into(),
        path: uri.path().into(),
        query: uri.query().map(Into::into),
        headers: headers.iter().map(|(name, value)| (name.as_str().into(), text(value).into())).collect(),
        cookies: cookies.map(|(name, value)| (name.into(), value.into())).collect(),
        client_ip: "127.0.0.1".parse().unwrap(),
        secure: false,
        body: Body::Unread,
    };
    Arrival {
        id: "01JREQUEST00000000000000AA".into(),
        route: world.route(),
        client: Client::of(headers),
        request,
        headers: headers.clone(),
        body: Some(body),
        upload: None,
        trusted_peer: false,
    }
}

fn subject(world: &World, arrival: &Arrival) -> Option<Subject> {
    let name = arrival.request.cookie("user")?;
    Some(Subject {
        name: name.into(),
        account: world.account(name),
        kind: SubjectKind::Human,
        verified_by: VerifiedBy::Login,
        since_ms: world.now_ms(),
    })
}

async fn session(world: &World, arrival: &Arrival) -> SessionHandle {
    let (tenant, host, now_ms) = (&arrival.route.tenant, &arrival.request.host, world.now_ms());
    if let Some(ticket) = world.sessions.ticket(&arrival.request) {
        let session = Some(world.sessions.reference(tenant, &ticket));
        let standing = world.store.begin(now_ms, Begin { session, ..Begin::default() }).await.unwrap();
        let resumed = standing.session.as_ref().and_then(|it| world.sessions.resume(now_ms, tenant, host, ticket, it));
        if let Some(session) = resumed {
            return session;
        }
    }
    world.sessions.start(now_ms, tenant, host)
}
