//! Hostile text on every page in a real browser; the script is `tests/browser/abuse.mjs` (I3).

use crate::{
    abuse::pages::{HOSTILE, town},
    browser,
    mailbox::Mailbox,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_no_script_runs_on_any_page_in_chromium() {
    let mailbox = Mailbox::open().await;
    let town = town(&mailbox, "[totp, email_code, recovery_code]").await;
    let html = |body: &str| {
        let page = format!("<!doctype html><meta charset=utf-8><title>App</title>{body}");
        format!(
            "HTTP/1.1 200 So\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        )
    };
    let typed = HOSTILE.replace('&', "&amp;").replace('<', "&lt;");
    town.app.answers(
        "GET /sign-in",
        &html("<form method=post action=/login><input name=username value=ada><button>In</button></form>"),
    );
    town.app.answers(
        "GET /form",
        &html(&format!("<form method=post action=/pay><textarea name=payee>{typed}</textarea><textarea name=amount>{typed}</textarea><button>Pay</button></form>")),
    );
    town.app.answers(
        "POST /login",
        "HTTP/1.1 303 So\r\nLocation: /\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n",
    );
    let secret = town.totp("ada").await;
    let settings = [
        ("BASE", format!("http://{}", town.address())),
        ("HOSTILE", HOSTILE.to_string()),
        ("CODE", town.code(&secret)),
    ];
    browser::drive("abuse.mjs", &settings).await;
    assert_eq!(town.app.count("POST /pay"), 1, "what was held went on once");
}
