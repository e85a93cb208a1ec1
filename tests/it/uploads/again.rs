//! Requests of every kind that come back after a proof: once, to whoever sent them, whatever happened meanwhile.

use http::StatusCode;

use crate::{
    uploads::world::{MIB, UPLOAD, ada, files, multipart, received, send, town},
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

/// A call of a page's script, with a body of JSON.
async fn call(visitor: &mut Visitor, method: &str, path: &str, json: &str, resume: Option<&str>) -> Seen {
    let (url, origin) = (visitor.url(path), visitor.url(""));
    let pages = std::mem::replace(
        &mut visitor.headers,
        vec![("sec-fetch-mode", "cors".to_string()), ("accept", "application/json".to_string())],
    );
    let mut request = visitor
        .client()
        .request(method.parse().unwrap(), url)
        .header("origin", origin)
        .header("sec-fetch-site", "same-origin");
    request = match resume {
        Some(id) => request.header("stepward-resume", id),
        None => request.header("content-type", "application/json").body(json.to_string()),
    };
    let seen = visitor.send(request).await;
    visitor.headers = pages;
    seen
}

async fn proves(town: &Town, visitor: &mut Visitor, challenge: &str, secret: &[u8]) {
    let code = town.code(secret);
    let proven = visitor.post(challenge, &[("method", "totp"), ("code", &code)]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
}

#[tokio::test]
async fn calls_with_json_of_every_method_come_back_once_as_they_were() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let json = format!("{{\"by\":  \"{method}\", \"n\": 1.50}}");
        let path = format!("/upload?folder={method}");
        let asked = call(&mut ada, method, &path, &json, None).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{method}: {}", asked.text);
        let told = asked.json();
        let resume = told["resume"].as_str().unwrap().to_string();
        proves(&town, &mut ada, told["challenge_url"].as_str().unwrap(), &secret).await;
        let done = call(&mut ada, method, &path, "", Some(&resume)).await;
        assert_eq!(done.status, StatusCode::OK, "{method}: {}", done.text);
        assert_eq!(received(&town, &format!("{method} {path}")), json.as_bytes());
        let again = call(&mut ada, method, &path, "", Some(&resume)).await;
        assert_eq!(again.status, StatusCode::GONE, "{method}: {}", again.text);
        assert_eq!(town.app.count(&format!("{method} {path}")), 1);
        town.wait_ms(6 * 60_000);
    }
}

#[tokio::test]
async fn several_tabs_wait_at_once_and_one_proof_lets_each_send_its_own_once() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let bodies = [multipart(100), multipart(2 * MIB), multipart(3 * MIB)];
    let mut challenges = Vec::new();
    for (tab, body) in bodies.iter().enumerate() {
        let asked = send(&mut ada, &format!("/upload?folder={tab}"), body.clone()).await;
        challenges.push(asked.location().to_string());
    }
    assert_eq!(files(&town).len(), 2);
    proves(&town, &mut ada, &challenges[1], &secret).await;
    for tab in [2, 0, 1] {
        let passed = ada.get(&format!("{}/continue", challenges[tab])).await;
        // The other tabs were asked before the proof was given, so it counts for them as well.
        let resume = passed.after("action=\"");
        assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK, "tab {tab}");
        assert!(received(&town, &format!("POST /upload?folder={tab}")) == bodies[tab], "tab {tab} sent its own");
        let back = ada.get(&format!("{}/continue", challenges[tab])).await;
        assert!(back.text.contains("already confirmed") && !back.text.contains("<form"), "Back: {}", back.text);
        assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "and again");
    }
    assert_eq!(town.app.count("POST /upload"), 3);
    assert!(files(&town).is_empty());
}

#[tokio::test]
async fn another_site_cannot_have_it_sent_nor_use_it_up() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = send(&mut ada, "/upload", multipart(2 * MIB)).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site"), ("https://evil.example", "")]
    {
        let mut forged = ada.client().post(ada.url(&resume)).header("origin", origin);
        if !site.is_empty() {
            forged = forged.header("sec-fetch-site", site);
        }
        let seen = ada.send(forged).await;
        assert_eq!(seen.status, StatusCode::GONE, "{origin} {site}: {}", seen.text);
    }
    assert_eq!((town.app.count("POST /upload"), files(&town).len()), (0, 1));
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_signed_out_meanwhile_sends_nothing_and_the_file_ends_with_its_time() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = send(&mut ada, "/upload", multipart(2 * MIB)).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let kept = ada.cookies.clone();
    town.app
        .answers("POST /logout", "HTTP/1.1 200 OK\r\nSet-Cookie: sid=; Max-Age=0; Path=/\r\nContent-Length: 0\r\n\r\n");
    ada.post("/logout", &[]).await;
    ada.cookies = kept;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE);
    assert_eq!(town.app.count("POST /upload"), 0);
    town.wait_ms(12 * 60_000);
    let town = town.restarted().await;
    assert!(files(&town).is_empty());
}

#[tokio::test]
async fn a_policy_that_was_reloaded_meanwhile_is_the_one_that_counts() {
    let reads = UPLOAD.replace("from: query.folder", "from: body.note");
    let small =
        UPLOAD.replace("from: query.folder", "from: body.note").replace("park_max", "inspect_max: 512KiB\npark_max");
    let large = reads.replace("park_max", "inspect_max: 8MiB\npark_max");
    let only_plain = "  - decide: the note counts\n    rules:\n      - rule: another note\n        when: event.folder != \"plain-note\"\n        then: block\n";
    let large = large.replace("steps:\n", &format!("steps:\n{only_plain}"));
    let elsewhere = UPLOAD.replace("/upload", "/elsewhere").replace("event: upload", "event: elsewhere");
    let open = UPLOAD.replace("  - require: a code\n    proof: [totp]\n    fresh_for: 5m\n    attempts: 3\n", "");
    for (what, policy, expected, count) in [
        ("its event is gone, so it is no event", &elsewhere, StatusCode::OK, 1),
        ("it needs no proof any more", &open, StatusCode::OK, 1),
        ("it is read now, and too large for that", &small, StatusCode::PAYLOAD_TOO_LARGE, 0),
        ("it is read now, from its file", &large, StatusCode::OK, 1),
    ] {
        let town = town().await;
        let (mut ada, secret) = ada(&town).await;
        let body = multipart(2 * MIB);
        let asked = send(&mut ada, "/upload", body.clone()).await;
        let resume = town.prove(&mut ada, &asked, &secret).await;
        town.write_policy(1, policy);
        town.gateway.reload();
        let seen = ada.post(&resume, &[]).await;
        assert_eq!(seen.status, expected, "{what}: {}", seen.text);
        assert_eq!(town.app.count("POST /upload"), count, "{what}");
        if count == 1 {
            assert!(received(&town, "POST /upload") == body, "{what}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_a_new_event_of_its_path_could_be_meant_by_is_not_waved_through() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let mut body = b"--limit\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n".to_vec();
    body.extend(multipart(2 * MIB));
    let asked = send(&mut ada, "/upload", body).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    town.write_policy(1, &UPLOAD.replace("PUT /upload, PATCH /upload, DELETE /upload", "PUT /upload"));
    town.write_policy(2, "event: remove\ncovers: [DELETE /upload]\nwhen_unsure: block\notherwise: block\n");
    town.gateway.reload();
    let seen = ada.post(&resume, &[]).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", seen.text);
    assert_eq!(town.app.count("POST /upload"), 0);
}

#[tokio::test]
async fn an_app_that_breaks_off_over_an_upload_leaves_the_outcome_unknown_and_is_not_sent_it_again() {
    let town = World::new().policy(LOGIN).policy(UPLOAD).start().await;
    for broken in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let (mut ada, secret) = ada(&town).await;
        let before = town.app.count("POST /upload");
        let asked = send(&mut ada, "/upload", multipart(2 * MIB)).await;
        let resume = town.prove(&mut ada, &asked, &secret).await;
        town.app.breaks_off_after("POST /upload", broken);
        let told = ada.post(&resume, &[]).await;
        assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{broken:?}: {}", told.text);
        assert!(told.text.contains("unknown whether your request was carried out"), "{broken:?}: {}", told.text);
        town.app.says("POST /upload", 200, "took it");
        assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE);
        assert_eq!(town.app.count("POST /upload"), before + 1);
        assert!(files(&town).is_empty());
    }
}
