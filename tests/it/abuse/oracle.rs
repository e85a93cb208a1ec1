//! Whether a stranger learns from an answer, or from how long it took, that an account exists, what it has set up or that
//! it is closed (G9, ASVS 6.3.8). Answers are compared whole: status, every field, body.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use stepward::challenges::{Begun, Served, recovery, totp};
use stepward_core::{decision::Challenge, session::Method};

use crate::{
    mailbox::Mailbox,
    stepup::world::{Browser, World as Steps, demand, location, policy},
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

const RECOVER: &str = "event: recover\ncovers: [POST /recover]\nfacts:\n  username: { from: body.username, type: text, identifies: subject }\n\
     when_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [email_code, totp, recovery_code]\n    attempts: 3\n    on_fail: block\n  - finish: go on\n    then: forward\n";

async fn town(mailbox: &Mailbox) -> Town {
    World::new().policy(LOGIN).policy(RECOVER).mail(mailbox.address).start().await
}

/// Text between two marks blotted out, wherever it stands.
fn without(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let first = parts.next().unwrap().to_string();
    parts.fold(first, |all, part| {
        let rest = part.find(to).map_or("", |at| &part[at..]);
        all + from + "*" + rest
    })
}

/// Everything of an answer but what is new in each: ids of challenges, decisions and requests, tickets, the date.
fn seen_by_a_stranger(seen: &Seen) -> String {
    let mut text = format!("{}\n", seen.status);
    for (name, value) in seen.headers.iter().filter(|(name, _)| *name != "date") {
        let value = value.to_str().unwrap();
        let value = if name == "set-cookie" { without(value, "=", ";") } else { value.to_string() };
        writeln!(text, "{name}: {value}").unwrap();
    }
    text.push_str(&seen.text);
    let text = text.replace("&#x2f;", "/");
    let (ids, references) =
        (challenges(&text), ["<code>", "\"decision_id\":\"", "\"reference\":\"", "urn:stepward:decision:"]);
    let text = ids.iter().fold(text, |text, id| text.replace(id, "ID"));
    let text =
        references.iter().fold(text, |text, mark| without(&text, mark, if *mark == "<code>" { "<" } else { "\"" }));
    without(&text, "\"resume\":\"", "\"")
}

/// Ids of challenges that a text names.
fn challenges(text: &str) -> Vec<String> {
    let id = |part: &str| part.get(..22).map(str::to_string);
    text.split("/.stepward/c/").skip(1).filter_map(id).collect()
}

/// Everything that a stranger can try at a name, and what came of it.
async fn tries(town: &Town, name: &str, is_program: bool) -> Vec<String> {
    let mut stranger = if is_program { town.program() } else { town.visitor() };
    let mut all = Vec::new();
    let asked = stranger.post("/recover", &[("username", name)]).await;
    let page = match challenges(&format!("{} {}", asked.location(), asked.text)).pop() {
        Some(id) => format!("/.stepward/c/{id}"),
        None => "/.stepward/c/none".into(),
    };
    all.push(seen_by_a_stranger(&asked));
    let mut note = async |stranger: &mut Visitor, what: &str, form: Option<&[(&str, &str)]>| {
        let seen = match form {
            Some(form) => stranger.post(&format!("{page}{what}"), form).await,
            None => stranger.get(&format!("{page}{what}")).await,
        };
        let spent: String = seen_by_a_stranger(&seen);
        all.push(format!("{what} {form:?}\n{}", spent.replace(&page, "PAGE")));
    };
    for view in ["", "?m=email_code", "?m=totp", "?m=recovery_code", "/continue"] {
        note(&mut stranger, view, None).await;
    }
    note(&mut stranger, "", Some(&[("method", "email_code"), ("send", "1")])).await;
    for (method, code) in [("totp", "000000"), ("email_code", "000000"), ("recovery_code", "AAAA-AAAA-AAAA-AAAA")] {
        for _ in 0..4 {
            note(&mut stranger, "", Some(&[("method", method), ("code", code)])).await;
        }
        note(&mut stranger, &format!("?m={method}"), None).await;
    }
    note(&mut stranger, "", Some(&[("method", "email_code"), ("send", "1")])).await;
    let again = stranger.post("/recover", &[("username", name)]).await;
    all.push(seen_by_a_stranger(&again));
    all
}

/// Sets up what each of these names has.
async fn people(town: &Town) {
    for name in ["enrolled", "mailed"] {
        town.email(name, &format!("{name}@mail.example")).await;
    }
    for name in ["enrolled", "app"] {
        town.totp(name).await;
    }
    let parts = town.gateway.journeys.parts();
    let account = parts.sessions.account("default", "enrolled");
    recovery::renew(&parts.challenges, "default", account).await.unwrap();
    let mut bare = town.visitor();
    town.sign_in(&mut bare, "bare").await;
}

#[tokio::test]
async fn g9_whole_answers_are_the_same_whether_or_not_an_account_exists_and_whatever_it_has() {
    for is_program in [false, true] {
        let mailbox = Mailbox::open().await;
        let town = town(&mailbox).await;
        people(&town).await;
        let expected = tries(&town, "nobody", is_program).await;
        assert!(expected.len() > 20 && expected.iter().any(|it| it.starts_with("403")), "{expected:#?}");
        for name in ["enrolled", "mailed", "app", "bare", "nobody@else.example"] {
            for (at, (seen, expected)) in tries(&town, name, is_program).await.iter().zip(&expected).enumerate() {
                assert_eq!(seen, expected, "{name}, program: {is_program}, answer {at}");
            }
        }
        // And once more for names whose ways are closed by now, and an hour of tries later.
        for wait_ms in [0, 15 * 60_000 + 1, 15 * 60_000 + 1, 15 * 60_000 + 1, 60 * 60_000] {
            town.wait_ms(wait_ms);
            let expected = tries(&town, "nobody", is_program).await;
            for name in ["enrolled", "mailed", "app", "bare"] {
                let seen = tries(&town, name, is_program).await;
                assert_eq!(seen, expected, "{name}, program: {is_program}, {wait_ms} ms later");
            }
        }
    }
}

/// Welch's t of two samples, without the slowest twentieth of each: those are the machine's.
fn welch(a: &mut [f64], b: &mut [f64]) -> (f64, f64, f64) {
    let trimmed = |all: &mut [f64]| {
        all.sort_by(f64::total_cmp);
        let kept = &all[..all.len() - all.len() / 20];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (trimmed(a), trimmed(b));
    ((mean_a - mean_b) / (error_a + error_b).sqrt(), mean_a, mean_b)
}

fn samples(usual: usize) -> usize {
    std::env::var("STEPWARD_TIMING_SAMPLES").ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

/// How long a wrong answer takes for an account that has what is asked for, and for a name that nobody has. Prints
/// Welch's t; beyond 4.5 the two can be told apart (Reparaz and others, dudect, 2017).
#[tokio::test]
#[ignore = "measures time: run it alone, on a quiet machine, and read what it prints"]
async fn g9_how_long_a_wrong_answer_takes_with_and_without_an_account() {
    let world = Steps::new().await;
    let count = samples(1000);
    for method in [Method::Totp, Method::RecoveryCode, Method::EmailCode] {
        let mut taken: [[Vec<f64>; 2]; 3] = Default::default();
        let is_known = |sample: usize| (sample / 2 + sample).is_multiple_of(2);
        let name = |sample: usize| format!("{method} {sample}");
        for sample in (0..2 * count).filter(|it| is_known(*it)) {
            world.totp(&name(sample)).await;
            let account = world.account(&name(sample));
            recovery::renew(&world.challenges, "default", account).await.unwrap();
            world.address(&name(sample), &format!("user{sample}@mail.example")).await;
        }
        for sample in 0..2 * count {
            let (name, is_known) = (name(sample), is_known(sample));
            let mut stranger = world.browser();
            let arrival = stranger.request("POST", "/login", &[], "user=x");
            let begun = Instant::now();
            let asked = stranger.demanded(&arrival, &policy("login"), &demand(&[method]), Some(&name), None).await;
            let mut times = vec![begun.elapsed()];
            let Begun::Asked(asked) = asked else { panic!("asked") };
            let page = location(&asked);
            for _ in 0..2 {
                let code = if method == Method::RecoveryCode { "AAAAAAAAAAAAAAAA" } else { "000000" };
                let begun = Instant::now();
                stranger.post(&page, &format!("method={}&code={code}", method.name())).await;
                times.push(begun.elapsed());
            }
            for (step, time) in times.into_iter().enumerate() {
                taken[step][usize::from(is_known)].push(time.as_secs_f64() * 1e6);
            }
        }
        for (step, [unknown, known]) in taken.iter_mut().enumerate() {
            let what = ["asking", "first wrong answer", "second wrong answer"][step];
            let (t, known, unknown) = welch(known, unknown);
            println!("{method}, {what}: known {known:.1} µs, unknown {unknown:.1} µs, t = {t:.2} of {count} each");
        }
    }
}

/// How long a code is compared that has five digits right, and one that has none.
#[test]
#[ignore = "measures time: run it alone, on a quiet machine, and read what it prints"]
fn g9_how_long_a_code_is_compared_with_most_or_no_digits_right() {
    let (secret, now_ms) = (b"12345678901234567890", 1_111_111_111_000);
    assert!(totp::step_of(secret, "050471", now_ms).is_some());
    let mut taken: [Vec<f64>; 2] = Default::default();
    let count = samples(200_000);
    for sample in 0..2 * count {
        let is_near = (sample / 2 + sample).is_multiple_of(2);
        let code = if is_near { "050472" } else { "949528" };
        let begun = Instant::now();
        std::hint::black_box(totp::step_of(secret, std::hint::black_box(code), now_ms));
        let time: Duration = begun.elapsed();
        taken[usize::from(is_near)].push(time.as_nanos() as f64);
    }
    let [far, near] = &mut taken;
    let (t, near, far) = welch(near, far);
    println!("five digits right {near:.1} ns, none {far:.1} ns, t = {t:.2} of {count} each");
}

/// Each try costs as many as an account has apps. Whoever counts how many there are until the way closes must not learn
/// from it that there is more than one, and so that the account exists.
#[tokio::test]
async fn g9_how_many_apps_an_account_has_cannot_be_told_from_how_many_tries_there_are() {
    let mailbox = Mailbox::open().await;
    let town = town(&mailbox).await;
    for _ in 0..2 {
        town.totp("two").await;
    }
    for wait_ms in [0, 15 * 60_000 + 1, 15 * 60_000 + 1] {
        town.wait_ms(wait_ms);
        let expected = tries(&town, "nobody", false).await;
        assert_eq!(tries(&town, "two", false).await, expected, "{wait_ms} ms later");
    }
}

/// The bound on guessing is shared among the apps all the same: above it even a right code is a wrong one.
#[tokio::test]
async fn g9_above_its_share_of_tries_a_right_code_is_wrong_for_who_merely_claims_a_name_with_two_apps() {
    let world = Steps::new().await;
    world.totp("two").await;
    let secret = world.totp("two").await;
    let patient = Challenge { attempts: 5, ..demand(&[Method::Totp]) };
    let mut stranger = world.browser();
    let page = async |stranger: &mut Browser<'_>| {
        let arrival = stranger.request("POST", "/login", &[], "user=two");
        match stranger.demanded(&arrival, &policy("login"), &patient, Some("two"), None).await {
            Begun::Asked(asked) => location(&asked),
            other => panic!("{other:?}"),
        }
    };
    let asked = page(&mut stranger).await;
    for wrong in 0..4 {
        let seen = stranger.post(&asked, "method=totp&code=000000").await;
        assert!(matches!(seen, Served::Failed { .. }), "{wrong}: {seen:?}");
    }
    assert!(matches!(stranger.post(&asked, "method=totp&code=000000").await, Served::Spent { .. }));
    world.wait(15 * 60_000 + 1);
    let asked = page(&mut stranger).await;
    let seen = stranger.post(&asked, &format!("method=totp&code={}", world.code(&secret))).await;
    assert!(matches!(seen, Served::Failed { .. }), "the sixth in an hour, with two apps: {seen:?}");
    world.wait(60 * 60_000);
    let asked = page(&mut stranger).await;
    assert!(stranger.passes(&asked, Method::Totp, &world.code(&secret)).await, "an hour later");
}
