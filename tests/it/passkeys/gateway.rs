//! The whole gateway and Chromium with an authenticator of its own (`WebAuthn.addVirtualAuthenticator`), by
//! `tests/browser/passkeys.mjs`.

use std::net::TcpListener;

use crate::{
    browser,
    world::{LOGIN, World},
};

const TRANSFER: &str = "
event: transfer money
covers: [POST /transfer]
facts:
  payee: { from: body.payee, type: text }
  amount: { from: body.amount, type: number }
when_unsure: block
otherwise: block
steps:
  - require: a proof of this payment
    proof: [passkey]
    phishing_resistant: true
    bind_to: [event.payee, event.amount]
  - finish: pay
    then: forward
";

/// Where a code can be typed as well: the browser offers the passkey at its field.
const ORDER: &str = "
event: order
covers: [POST /order]
facts: { what: { from: body.what, type: text } }
when_unsure: block
otherwise: block
steps:
  - require: a proof of this order
    proof: [recovery_code, passkey]
    bind_to: [event.what]
  - finish: order
    then: forward
";

const FORMS: &str = "<!doctype html><html lang=en><title>Bank</title><script src=/.stepward/stepward.js></script><h1>Bank</h1>
<form id=login method=post action=/login><input name=username value=ada><button>Sign in</button></form>
<form id=transfer method=post action=/transfer><input name=payee value=DE02><input name=amount value=900><button>Send</button></form>
<form id=order method=post action=/order><input name=what value=tea><button>Order</button></form></html>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_made_and_confirms_a_transfer_in_chromium() {
    // Passkeys are tied to an origin, so the port has to be known before.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let town = World::new()
        .listen(&format!("[{{ address: \"127.0.0.1:{port}\" }}]"))
        .settings(&format!("passkeys: {{ rp_id: localhost, origins: [\"http://localhost:{port}\"] }}"))
        .policy(LOGIN)
        .policy(TRANSFER)
        .policy(ORDER)
        .start()
        .await;
    let page = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    town.app.answers("GET / ", &page("200 OK", FORMS));
    town.app.answers("POST /login", &page("303 See Other\r\nLocation: /\r\nSet-Cookie: sid=ada; Path=/", ""));
    town.app.answers("POST /transfer", &page("200 OK", "<title>Paid</title><p id=paid>Paid</p>"));
    town.app.answers("POST /order", &page("200 OK", "<title>Ordered</title><p id=ordered>Ordered</p>"));
    let parts = town.gateway.journeys.parts();
    let invitation = parts.challenges.invite("default", parts.sessions.account("default", "ada"));
    let settings = [("BASE", format!("http://localhost:{port}")), ("INVITATION", invitation)];
    browser::drive("passkeys.mjs", &settings).await;
    assert_eq!(town.app.count("POST /transfer"), 1, "exactly once");
    assert_eq!(town.app.count("POST /order"), 2, "by the passkey that was filled in, and in a dialog");
    let sent = town.app.last("POST /transfer");
    assert!(sent.ends_with("payee=DE02&amount=900"), "as it was: {sent}");
}
