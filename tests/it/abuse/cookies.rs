//! Cookies that somebody made up, cut, repeated or sent by the thousand (J5), and a browser that asks for much at once
//! while its cookie changes (J2).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::io::AsyncWriteExt;

use crate::{
    origin,
    world::{LOGIN, Town, World, status},
};

const PAY: &str = "event: pay\ncovers: [POST /pay]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n    fresh_for: 5m\n    attempts: 3\n  - finish: pay\n    then: forward\n";

/// Cookie lines as no browser sends them.
fn hostile(ticket: &str) -> Vec<Vec<String>> {
    let many = |count: usize, name: &str| (0..count).map(|at| format!("{name}{at}=x")).collect::<Vec<_>>().join("; ");
    let one = |line: &str| vec![line.to_string()];
    let mut all: Vec<Vec<String>> = [
        ";;;",
        "=",
        "==",
        ";",
        " ",
        ",",
        "=;=;=",
        "stepward",
        "stepward=",
        "stepward==",
        "=stepward",
        "stepward=;",
        "\"",
        "\\",
        "stepward=\"",
        "stepward= ",
        "stepward=%00",
        "stepward=\u{e9}",
        "$Version=1; stepward=x",
        "stepward=x, stepward=y",
        "__Host-stepward=x",
        "__Secure-stepward=x",
        "stepward-park=x; stepward-device=x; stepward-snapshot=x",
        "STEPWARD=x",
        "stepward[]=x",
        "stepward.0=x; stepward.1=y; stepward.count=99999999999",
    ]
    .map(one)
    .into();
    all.push(one(&many(1000, "__Host-stepward_")));
    all.push(one(&many(1000, "stepward_")));
    all.push(one(&many(1000, "stepward-park.")));
    all.push(one(&";".repeat(16_000)));
    all.push(one(&"=".repeat(16_000)));
    all.push(one(&"a;".repeat(4096)));
    all.push(one(&"a=;".repeat(4096)));
    all.push(one(&format!("stepward={}", "A".repeat(16_000))));
    all.push(one(&vec![format!("stepward={ticket}"); 2].join("; ")));
    all.push(one(&vec![format!("stepward={ticket}"); 300].join("; ")));
    all.push((0..60).map(|at| format!("c{at}=x")).collect());
    all.push(vec![format!("stepward={ticket}"), format!("stepward={ticket}")]);
    for cut in 1..ticket.len() {
        all.push(one(&format!("stepward={}", &ticket[..cut])));
    }
    for odd in [" ", "\t", "\"", "=", "%3D", ",", "==", "\u{a0}"] {
        all.push(one(&format!("stepward={ticket}{odd}x")));
        all.push(one(&format!("stepward={odd}x{ticket}")));
    }
    all
}

async fn send(town: &Town, lines: &[String], more: &str) -> String {
    let cookies: String = lines.iter().map(|line| format!("Cookie: {line}\r\n")).collect();
    let head = format!("POST /pay HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookies}{more}Content-Length: 0\r\n\r\n");
    let mut tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
    tcp.write_all(head.as_bytes()).await.unwrap();
    origin::answer(&mut tcp).await
}

#[tokio::test]
async fn j5_no_made_up_cookie_lets_in_breaks_or_delays_anything() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    let paid = town.app.count("POST /pay");
    let ticket = ada.cookies["stepward"].clone();
    let begun = Instant::now();
    let all = hostile(&ticket);
    assert!(all.len() > 80, "{}", all.len());
    for lines in &all {
        let told = format!("{:.80}", lines.join(" | "));
        let answer = send(&town, lines, "").await;
        assert!(!answer.is_empty(), "no answer to {told}");
        assert!(!(status(&answer) == 200 || status(&answer) >= 500), "{told}: {answer}");
        // Beside the app's own cookie, which alone proves nothing to us.
        let with_app = [lines.clone(), vec!["sid=ada".into()]].concat();
        assert!(status(&send(&town, &with_app, "").await) != 200, "{told}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(town.app.count("POST /pay"), paid, "none of these reached the app");
    assert_eq!(ada.post("/pay", &[]).await.status, StatusCode::OK, "and the real one still does");

    // What is no event goes on with the app's cookies as they were and without ours.
    let line = format!("a=1; stepward={ticket}; b=2; __Host-stepward=x; c==;;d; stepward_0=theirs");
    let head = format!("GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {line}\r\n\r\n");
    assert_eq!(status(&town.raw(&head).await), 200);
    let seen = town.app.last("GET /page");
    assert!(!seen.contains(&ticket) && !seen.contains("stepward=") && seen.contains("stepward_0=theirs"), "{seen}");
}

/// Pictures, scripts and calls that set out with the old cookie and arrive around the proof: whatever they are told, the
/// browser, which keeps the cookies that came last, is asked once more at most.
#[tokio::test]
async fn j2_whatever_is_under_way_during_a_proof_makes_no_loop() {
    let area = PAY.replace("pay", "area").replace("POST", "GET");
    let town = World::new().policy(LOGIN).policy(&area).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.get("/area").await;
    let before = ada.cookies.clone();
    under_way(&town, &before).await;
    town.prove(&mut ada, &asked, &secret).await;
    for (path, cookies) in under_way(&town, &before).await {
        assert!(path == "/area" || cookies.is_empty(), "{path} touches our cookies: {cookies:?}");
        for line in cookies {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            ada.cookies.insert(name.into(), value.into());
        }
    }
    let mut asked_again = 0;
    while ada.get("/area").await.status != StatusCode::OK {
        asked_again += 1;
        assert!(asked_again <= 1, "asked again and again");
        town.sign_in(&mut ada, "ada").await;
        let asked = ada.get("/area").await;
        if asked.status == StatusCode::SEE_OTHER {
            town.prove(&mut ada, &asked, &secret).await;
        }
    }
    println!("after 20 late subresources: asked {asked_again} more times");
}

/// What 20 requests at once with these cookies are given to keep.
async fn under_way(town: &Town, cookies: &BTreeMap<String, String>) -> Vec<(String, Vec<String>)> {
    let mut requests = tokio::task::JoinSet::new();
    for at in 0..20 {
        let mut tab = town.visitor();
        tab.cookies = cookies.clone();
        tab.headers = vec![("sec-fetch-mode", "no-cors".into()), ("accept", "*/*".into())];
        // Some are no event at all, some are the very thing that is protected.
        let path = if at % 2 == 0 { format!("/picture{at}.png") } else { "/area".to_string() };
        requests.spawn(async move {
            let seen = tab.get(&path).await;
            let set = seen.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap().to_string());
            (path, set.collect())
        });
    }
    requests.join_all().await
}

/// A call that set out with the old ticket and arrives after the proof must not take the session away that the proof gave:
/// the browser keeps whichever cookie came last.
#[tokio::test]
async fn j2_a_call_that_comes_late_does_not_take_the_fresh_session_away() {
    let area = PAY.replace("pay", "area").replace("POST", "GET");
    let town = World::new().policy(LOGIN).policy(&area).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.get("/area").await;
    let before = ada.cookies.clone();
    town.prove(&mut ada, &asked, &secret).await;
    for (_, cookies) in under_way(&town, &before).await {
        for line in cookies {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            ada.cookies.insert(name.into(), value.into());
        }
    }
    let seen = ada.get("/area").await;
    assert_eq!(seen.status, StatusCode::OK, "signed in, proven, and asked again: {}", seen.location());
}
