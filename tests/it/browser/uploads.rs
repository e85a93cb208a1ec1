//! Two tabs that send files, one proof, and the button Back, in Chromium.

use crate::{
    browser,
    uploads::world::{MIB, received, town},
};

const FORM: &str = "<!doctype html><html lang=en><title>App</title><h1>Send a scan</h1>\
    <form method=post enctype=multipart/form-data><input name=note value=plain-note>\
    <input type=file name=file id=file><button>Send</button></form>\
    <script>document.forms[0].action = '/upload?folder=' + location.hash.slice(1)</script>";
const LOGIN: &str = "<!doctype html><html lang=en><title>App</title><form method=post action=/login>\
    <input name=username id=username><button>Sign in</button></form>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_sent_in_two_tabs_arrive_once_each_whatever_back_and_reload_do() {
    let town = town().await;
    let secret = town.totp("ada").await;
    for (path, page) in [("/form", FORM), ("/login", LOGIN)] {
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        town.app.answers(&format!("GET {path}"), &answer);
    }
    town.app.answers(
        "POST /login",
        "HTTP/1.1 303 See Other\r\nLocation: /form\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n",
    );
    town.app.answers(
        "POST /upload",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 29\r\n\r\n<h1 id=done>It has come.</h1>",
    );
    let settings = [
        ("BASE", format!("http://localhost:{}", town.address().port())),
        ("CODE", town.code(&secret)),
        ("BYTES", (3 * MIB).to_string()),
    ];
    browser::drive("uploads.mjs", &settings).await;
    for (folder, byte) in [("one", b'1'), ("two", b'2')] {
        let line = format!("POST /upload?folder={folder}");
        assert_eq!(town.app.count(&line), 1, "{folder}");
        let body = received(&town, &line);
        let own = body.iter().filter(|it| **it == byte).count();
        assert!(own >= 3 * MIB, "{folder} sent its own file: {own} of {}", body.len());
    }
}
