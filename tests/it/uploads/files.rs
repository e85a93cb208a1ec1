//! Where uploads wait, and how they come back or do not.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use futures_util::stream;
use http::StatusCode;

use crate::{
    uploads::world::{MIB, UPLOAD, ada, files, multipart, received, send, town},
    world::{LOGIN, World},
};

#[tokio::test]
async fn an_upload_waits_sealed_in_a_file_and_reaches_the_app_once_as_it_was() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let body = multipart(5 * MIB);
    let asked = send(&mut ada, "/upload?folder=taxes", body.clone()).await;
    assert_eq!(town.app.count("POST /upload"), 0);
    let [file] = &files(&town)[..] else { panic!("one file: {:?}", files(&town)) };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = fs::read(file).unwrap();
    assert!(sealed.len() > body.len() && !sealed.windows(10).any(|it| it == b"plain-note"), "it is sealed");
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let done = ada.post(&resume, &[]).await;
    assert_eq!((done.status, &*done.text), (StatusCode::OK, "app"));
    assert!(received(&town, "POST /upload?folder=taxes") == body, "byte for byte");
    let head = town.app.last("POST /upload").to_lowercase();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())) && head.contains("boundary=limit"));
    assert!(files(&town).is_empty(), "{:?}", files(&town));
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "once");
    assert_eq!(town.app.count("POST /upload"), 1);
}

#[tokio::test]
async fn an_upload_that_does_not_tell_its_length_is_kept_as_well() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    for (size, in_files) in [(MIB / 2, 0), (3 * MIB, 1)] {
        let body = multipart(size);
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> = body.chunks(100_000).map(|it| Ok(it.to_vec())).collect();
        let asked = send(&mut ada, "/upload", reqwest::Body::wrap_stream(stream::iter(chunks))).await;
        assert_eq!(files(&town).len(), in_files, "{size}");
        let resume = town.prove(&mut ada, &asked, &secret).await;
        assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
        assert!(received(&town, "POST /upload") == body, "{size}: byte for byte");
        town.wait_ms(6 * 60_000);
    }
    assert_eq!(town.app.count("POST /upload"), 2);
}

#[tokio::test]
async fn an_upload_that_needs_no_proof_is_passed_on_without_being_kept() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = send(&mut ada, "/upload", multipart(10)).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    ada.post(&resume, &[]).await;
    let body = multipart(3 * MIB);
    let passed = send(&mut ada, "/upload", body.clone()).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text);
    assert!(received(&town, "POST /upload") == body && files(&town).is_empty());
}

#[tokio::test]
async fn what_finds_no_room_is_asked_about_all_the_same_and_said_not_to_be_kept() {
    for (what, spool, policy) in [
        ("a full spool", "{ max: 2MiB }", UPLOAD.to_string()),
        ("more than the policy keeps", "{ max: 1GiB }", UPLOAD.replace("100MiB", "2MiB")),
    ] {
        let state = format!("state: {{ store: embedded, path: state, wait: 60s, spool: {spool} }}");
        let town = World::new().policy(LOGIN).policy(&policy).settings(&state).start().await;
        let (mut ada, secret) = ada(&town).await;
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
            multipart(3 * MIB).chunks(100_000).map(|it| Ok(it.to_vec())).collect();
        let asked = send(&mut ada, "/upload", reqwest::Body::wrap_stream(stream::iter(chunks))).await;
        assert!(files(&town).is_empty(), "{what}: {:?}", files(&town));
        let challenge = asked.location().to_string();
        assert!(challenge.starts_with("/.stepward/c/"), "{what}: {} {}", asked.status, asked.text);
        let code = town.code(&secret);
        let proven = ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
        let told = ada.get(proven.location()).await;
        assert!(told.text.contains("could not be kept") && !told.text.contains("<form"), "{what}: {}", told.text);
        assert_eq!(town.app.count("POST /upload"), 0);
        // And the second time it goes straight to the app.
        assert_eq!(send(&mut ada, "/upload", multipart(MIB / 2)).await.status, StatusCode::OK, "{what}");
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_loses_nothing_in_silence() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    fs::remove_dir_all(town.folder.path().join("state/spool")).unwrap();
    let asked = send(&mut ada, "/upload", multipart(3 * MIB)).await;
    let challenge = asked.location().to_string();
    let code = town.code(&secret);
    let proven = ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
    let told = ada.get(proven.location()).await;
    assert!(told.text.contains("could not be kept"), "{}", told.text);
    assert_eq!(town.app.count("POST /upload"), 0);
}

#[tokio::test]
async fn one_session_keeps_a_few_uploads_and_no_more() {
    let town = town().await;
    let (mut ada, _) = ada(&town).await;
    for kept in [1, 2, 3, 4, 4, 4] {
        let asked = send(&mut ada, "/upload", multipart(MIB + 1)).await;
        assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
        assert_eq!(files(&town).len(), kept);
    }
}

#[tokio::test]
async fn a_damaged_file_is_never_sent() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = send(&mut ada, "/upload", multipart(3 * MIB)).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let file = &files(&town)[0];
    let mut sealed = fs::read(file).unwrap();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    fs::write(file, sealed).unwrap();
    let seen = ada.post(&resume, &[]).await;
    assert_eq!(seen.status, StatusCode::GONE, "{}", seen.text);
    assert_eq!(town.app.count("POST /upload"), 0, "not even its beginning");
}

#[tokio::test]
async fn an_upload_survives_a_restart_and_ends_with_its_time_or_its_refusal() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let body = multipart(2 * MIB);
    let asked = send(&mut ada, "/upload", body.clone()).await;
    let town = town.restarted().await;
    ada.goes_to(town.address());
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    assert!(received(&town, "POST /upload") == body);

    town.wait_ms(6 * 60_000);
    send(&mut ada, "/upload", body.clone()).await;
    assert_eq!(files(&town).len(), 1);
    town.wait_ms(12 * 60_000);
    let town = town.restarted().await;
    assert!(files(&town).is_empty(), "its time was over when the process began: {:?}", files(&town));

    ada.goes_to(town.address());
    send(&mut ada, "/upload", body.clone()).await;
    town.wait_ms(12 * 60_000);
    for _ in 0..200 {
        if files(&town).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(files(&town).is_empty(), "a running process sweeps as well");

    // A refusal drops what waits, with its file.
    let (mut ada, secret) = (ada, secret);
    town.sign_in(&mut ada, "ada").await;
    let asked = send(&mut ada, "/upload", body).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(files(&town).len(), 1);
    town.write_policy(1, &UPLOAD.replace("  - require: a code\n    proof: [totp]\n    fresh_for: 5m\n    attempts: 3\n  - finish: take it\n    then: forward\n", "  - finish: no more\n    then: block\n"));
    town.gateway.reload();
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::FORBIDDEN);
    assert!(files(&town).is_empty(), "{:?}", files(&town));
}

/// As two nodes behind a balancer: the store is one, the folders are two.
#[tokio::test]
async fn a_node_that_does_not_hold_the_file_says_so_and_loses_nothing() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    let body = multipart(2 * MIB);
    let asked = send(&mut ada, "/upload", body.clone()).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let other = "state: { store: embedded, path: state, wait: 60s, spool: { path: other } }";
    let town = town.elsewhere(other, async |_, _| {}).await;
    ada.goes_to(town.address());
    let seen = ada.post(&resume, &[]).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{}", seen.text);
    assert!(seen.headers.contains_key("retry-after") && seen.text.contains("is not lost"), "{}", seen.text);
    let reason = town.decisions().last().unwrap()["reason"].clone();
    assert_eq!(reason, "resume.elsewhere");
    let own = "state: { store: embedded, path: state, wait: 60s }";
    let town = town.elsewhere(own, async |_, _| {}).await;
    ada.goes_to(town.address());
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK, "the node that holds it sends it");
    assert!(received(&town, "POST /upload") == body);
}
