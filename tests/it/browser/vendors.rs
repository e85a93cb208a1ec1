//! What vendors carry, show or look at, in Chromium: codes by telephone, a test against robots, an identity document, a
//! push. `tests/browser/vendors.mjs` plays the vendors and the user; each on a page with and without scripts, and in the
//! dialog of a call by script.

use std::sync::Arc;

use stepward::challenges::contacts::Reach;

use crate::{
    browser::{self, spa},
    world::{LOGIN, Town, World},
};

/// Carries codes; what comes in is what the script reads.
const OTP: &str = "
connector: otp
capability: otp
network: internal
data: { sends: [phone, message, channel] }
inputs: { phone: { required: true }, message: { required: true }, channel: { type: string, required: true } }
operations:
  send:
    kind: send
    request: { method: POST, url: \"http://VENDOR/send\", json: { to: \"${input.phone}\", text: \"${input.message}\", by: \"${input.channel}\" } }
    response: { map: { otp.state: \"pick(body.status, {'pending': 'sent'}, 'failed')\" }, required: [otp.state] }
";

const ROBOTS: &str = "
connector: robots
capability: bot_verify
network: internal
data: { sends: [token, ip] }
inputs: { token: { required: true, max_len: 96 }, action: {}, ip: {} }
operations:
  verify:
    kind: verify
    request: { method: POST, url: \"http://VENDOR/verify\", form: { response: \"${input.token}\" } }
    response:
      map: { bot.challenge_passed: body.success, bot.challenge_hostname: body.hostname, bot.challenge_action: body.action }
      required: [bot.challenge_passed]
client:
  script: \"http://VENDOR/api.js\"
  csp: { script-src: [\"http://VENDOR\"] }
  token_field: robots-response
  snippet: '<div id=\"robots\" data-action=\"{action}\"></div>'
";

const IDV: &str = "
connector: papers
capability: idv
network: internal
data: { sends: [user_ref, return_url] }
inputs: { user_ref: { required: true }, return_url: { required: true } }
operations:
  start:
    kind: start
    request: { method: POST, url: \"http://VENDOR/start\", json: { back: \"${input.return_url}\" } }
    response: { keep_state: { reference: body.id }, redirect: body.url }
  ask:
    kind: poll
    request: { method: GET, url: \"http://VENDOR/state/${state.reference}\" }
    response:
      outcome: [{ when: body.status == 'processing', then: pending }]
      map: { idv.status: body.status, idv.reference: body.id }
      required: [idv.status]
";

const PUSH: &str = "
connector: push
capability: push_mfa
network: internal
data: { sends: [user_id] }
inputs: { user_id: { required: true } }
operations:
  send:
    kind: start
    request: { method: POST, url: \"http://VENDOR/push\", json: { who: \"${input.user_id}\" } }
    response: { keep_state: { reference: body.id }, number: body.number }
  ask:
    kind: poll
    request: { method: GET, url: \"http://VENDOR/push/${state.reference}\" }
    response: { map: { push.state: body.state, push.reason: body.reason }, required: [push.state] }
";

const METHODS: [&str; 5] = ["sms_code", "voice_code", "captcha", "id_document", "push"];
/// A user for each method and client: what one did is not what another is asked.
const USERS: std::ops::Range<u32> = 0..15;

/// A payment that this method confirms, for this very value.
fn pay(method: &str) -> String {
    format!(
        "event: pay by {method}\ncovers: [POST /pay/{method}]\nfacts: {{ n: {{ from: body.n, type: text }} }}\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a proof\n    proof: [{method}]\n    bind_to: [event.n]\n  - finish: pay\n    then: forward\n"
    )
}

/// Everything that these vendors do, with a script that is at this port.
fn world(port: u16) -> World {
    let mut world = World::new().policy(LOGIN).settings("connectors: connectors");
    for (id, capability, text) in
        [("otp", "otp", OTP), ("robots", "bot_verify", ROBOTS), ("papers", "idv", IDV), ("push", "push_mfa", PUSH)]
    {
        let text = text.replace("VENDOR", &format!("127.0.0.1:{port}"));
        let route = format!("capability: {capability}\nconnectors:\n  - {{ connector: {id} }}\n");
        world = world.file(&format!("connectors/{id}/connector.yaml"), &text);
        world = world.file(&format!("connectors/routes/{capability}.yaml"), &route);
    }
    METHODS.into_iter().fold(world, |world, method| world.policy(&pay(method)))
}

/// An app with a form for each user and each payment, and what it answers.
async fn furnish(town: &Town) {
    let parts = town.gateway.journeys.parts();
    let form = |action: &str, id: &str, field: &str, value: &str| {
        format!(
            "<form id={id} method=post action={action}><input name={field} value={value}><button>Go</button></form>"
        )
    };
    let mut shop =
        String::from("<!doctype html><html lang=en><title>App</title><script src=/.stepward/stepward.js></script>");
    for user in USERS {
        let name = format!("user{user}");
        let account = parts.sessions.account("default", &name);
        let number = format!("+4477009001{user:02}");
        parts.challenges.contacts().learn_of(Reach::Phone, "default", account, &number).await.unwrap();
        shop += &form(&format!("/login?{name}."), &name, "username", &name);
        let answer = format!(
            "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid={name}; Path=/\r\nContent-Length: 0\r\n\r\n"
        );
        town.app.answers(&format!("POST /login?{name}."), &answer);
    }
    shop.extend(METHODS.map(|method| form(&format!("/pay/{method}"), method, "n", "9")));
    for (request, body) in [("GET / ", shop.as_str()), ("POST /pay/", "<title>Paid</title><p id=paid>Paid</p>")] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len());
        town.app.answers(request, &(head + body));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vendors_carry_show_or_look_at_confirms_a_payment_in_chromium() {
    let port = spa::free_port();
    let town = Arc::new(world(port).start().await);
    let clock = tokio::spawn(spa::keep_time(town.clone()));
    furnish(&town).await;
    let settings = [("BASE", format!("http://localhost:{}", town.address().port())), ("VENDOR", port.to_string())];
    browser::drive("vendors.mjs", &settings).await;
    clock.abort();
    for method in METHODS {
        // Without scripts nobody passes a test against robots.
        let clients = if method == "captcha" { 2 } else { 3 };
        assert_eq!(town.app.count(&format!("POST /pay/{method}")), clients, "{method}: once for each client");
    }
}
