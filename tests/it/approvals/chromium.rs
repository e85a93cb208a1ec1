//! Two people in two Chromiums, by `tests/browser/approvals.mjs`.

use super::{Bank, World};
use crate::browser;

const FORMS: &str = "<!doctype html><html lang=en><title>Bank</title><h1>Bank</h1>
<form id=login method=post action=/login><input name=username><button>Sign in</button></form>
<form id=transfer method=post action=/transfer><input name=payee value=DE02><input name=amount value=900><button>Send</button></form></html>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_approves_and_refuses_in_chromium() {
    let bank = Bank::with(|world: World| world).await;
    let page = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let app = &bank.town.app;
    app.answers("GET / ", &page("200 OK", FORMS));
    app.answers("POST /login", &page("303 See Other\r\nLocation: /\r\nSet-Cookie: sid=1; Path=/", ""));
    app.answers("POST /transfer", &page("200 OK", "<title>Paid</title><p id=paid>Paid</p>"));
    let parts = bank.town.gateway.journeys.parts();
    let invitation = parts.challenges.invite("default", parts.sessions.account("default", "carol"));
    let mut settings = vec![("BASE", format!("http://localhost:{}", bank.port)), ("INVITATION", invitation)];
    if std::env::var_os("PICTURES").is_some() {
        let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/approval.png");
        settings.push(("PICTURE", picture.to_string()));
    }
    browser::drive("approvals.mjs", &settings).await;
    assert_eq!(bank.paid(), 1, "exactly once");
}
