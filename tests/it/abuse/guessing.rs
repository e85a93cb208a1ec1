//! Codes and other secrets that are good once: what guessers, thieves of used ones and stopped clocks gain (class G).

use std::{fs, path::Path};

use http::StatusCode;
use stepward::challenges::{Served, attempts};
use stepward_core::{decision::Challenge, session::Method};

use crate::{
    abuse::whole,
    mailbox::Mailbox,
    stepup::{
        self,
        world::{demand, location, reply},
    },
    world::{LOGIN, World},
};

const STEP_MS: i64 = 30_000;

#[tokio::test]
async fn g3_a_used_code_stays_used_for_as_long_as_it_would_count_and_looks_like_a_wrong_one() {
    let world = stepup::world::World::new().await;
    let secret = world.totp("ada").await;
    let patient = Challenge { attempts: 10, ..demand(&[Method::Totp]) };
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&patient).await;
    let code = world.code(&secret);
    assert!(ada.passes(&page, Method::Totp, &code).await);
    // The proof is a moment older than what is asked now.
    world.wait(1);
    let page = ada.challenged(&patient).await;
    let wrong = whole(&reply(ada.post(&page, "method=totp&code=000000").await), &[]);
    let mut at_ms = 1;
    for until_ms in [2, STEP_MS - 1, STEP_MS, STEP_MS + 1, 2 * STEP_MS - 1] {
        world.wait(until_ms - at_ms);
        at_ms = until_ms;
        let used = ada.post(&page, &format!("method=totp&code={code}")).await;
        assert!(matches!(used, Served::Failed { .. }), "after {until_ms} ms: {used:?}");
        assert_eq!(whole(&reply(used), &[]), wrong, "after {until_ms} ms");
    }
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await, "the code of now is none of these");
    let validity = std::time::Duration::from_millis(2 * STEP_MS.unsigned_abs());
    assert!(attempts::ATTEMPTS_WINDOW >= validity, "tries are counted for longer than a code counts");
}

/// Tries at a password are the app's to count, and tries at a code close that one way: neither takes anything from a
/// person who has another way.
#[tokio::test]
async fn g5_g8_guesses_at_one_thing_close_no_other() {
    let pay = |event: &str, fact: &str| {
        format!(
            "event: {event}\ncovers: [POST /{event}]\n{fact}when_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp, email_code]\n    fresh_for: 1m\n    attempts: 3\n  - finish: go on\n    then: forward\n"
        )
    };
    let claims = "facts:\n  username: { from: body.username, type: text, identifies: subject }\n";
    let mailbox = Mailbox::open().await;
    let world = World::new().policy(LOGIN).policy(&pay("pay", "")).policy(&pay("recover", claims));
    let town = world.mail(mailbox.address).start().await;
    let secret = town.totp("ada").await;
    town.email("ada", "ada@mail.example").await;
    let mut mallory = town.visitor();
    town.app.says("POST /login", 401, "no");
    for _ in 0..12 {
        let seen = mallory.post("/login", &[("username", "ada"), ("password", "guess")]).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "the app's own answer: {}", seen.text);
    }
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    town.prove(&mut ada, &asked, &secret).await;

    town.wait_ms(61_000);
    let asked = mallory.post("/recover", &[("username", "ada")]).await;
    let page = asked.location().to_string();
    for _ in 0..3 {
        mallory.post(&page, &[("method", "totp"), ("code", "000000")]).await;
    }
    let asked = ada.post("/pay", &[]).await;
    let page = asked.location().to_string();
    let closed = ada.post(&page, &[("method", "totp"), ("code", &town.code(&secret))]).await;
    assert!(closed.location().contains("e=closed"), "the guesser has closed the app: {}", closed.location());
    // One was mailed with the challenge, whose first way it is by now; another half a minute later.
    mailbox.wait_for(1).await;
    ada.post(&page, &[("method", "email_code"), ("send", "1")]).await;
    let code = mailbox.code(2).await;
    let proven = ada.post(&page, &[("method", "email_code"), ("code", &code)]).await;
    assert!(proven.location().ends_with("/continue"), "the other way is open: {}", proven.location());
    town.sign_in(&mut ada, "ada").await;
}

/// `rand` makes names that guard nothing; whatever guards something comes from the operating system.
#[test]
fn g10_secrets_come_from_the_operating_system_only() {
    const NAMES_ONLY: [&str; 3] = ["src/clock.rs", "src/vendors/client.rs", "src/vendors/shadow.rs"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "core/src"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 200, "{} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        for weak in ["fastrand", "oorandom", "thread_rng", "SmallRng", "StdRng", "seed_from_u64"] {
            assert!(!text.contains(weak), "{name} uses {weak}");
        }
        let calls = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        let rand = calls.filter(|line| line.contains("rand::random")).count();
        assert!(rand == 0 || NAMES_ONLY.contains(&name), "{name} takes randomness from `rand`");
    }
    let clock = fs::read_to_string(root.join("src/clock.rs")).unwrap();
    let secrets = clock.split("pub fn random_bytes").nth(1).unwrap().split("\n}").next().unwrap();
    assert!(secrets.contains("getrandom::fill") && secrets.contains("abort()"), "{secrets}");
    let ids: std::collections::BTreeSet<_> = (0..10_000).map(|_| stepward::clock::random_id()).collect();
    assert_eq!(ids.len(), 10_000);
}

fn rust_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => rust_files(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
            false => {}
        }
    }
}

#[tokio::test]
async fn g11_a_used_code_is_used_after_a_reload_and_after_a_restart() {
    let pay = "event: pay\ncovers: [POST /pay]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n    attempts: 9\n  - finish: pay\n    then: forward\n";
    let town = World::new().policy(LOGIN).policy(pay).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let page = ada.post("/pay", &[]).await.location().to_string();
    let code = town.code(&secret);
    let form = [("method", "totp"), ("code", &*code)];
    assert!(ada.post(&page, &form).await.location().ends_with("/continue"));

    let replayed = async |town: &crate::world::Town| {
        let mut other = town.visitor();
        town.sign_in(&mut other, "ada").await;
        let page = other.post("/pay", &[]).await.location().to_string();
        other.post(&page, &form).await.location().to_string()
    };
    assert!(replayed(&town).await.contains("e=wrong"));
    let before = town.release();
    town.write_policy(1, &pay.replace("attempts: 9", "attempts: 8"));
    assert!(town.gateway.journeys.parts().registry.reload().is_ok());
    assert!(!std::sync::Arc::ptr_eq(&before, &town.release()));
    assert!(replayed(&town).await.contains("e=wrong"), "after a reload");
    let town = town.restarted().await;
    assert!(replayed(&town).await.contains("e=wrong"), "after a restart");
    let mut later = town.visitor();
    town.sign_in(&mut later, "ada").await;
    let page = later.post("/pay", &[]).await.location().to_string();
    let fresh = town.code(&secret);
    assert!(later.post(&page, &[("method", "totp"), ("code", &fresh)]).await.location().ends_with("/continue"));
}

/// Everything that runs out lies there a moment longer: were it the cleaner who ended it, going back by that moment would
/// not bring it back.
#[tokio::test]
async fn g12_what_has_run_out_is_over_by_the_clock_and_not_by_a_cleaner() {
    let world = stepup::world::World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    for (wait_ms, status) in
        [(599_999, StatusCode::OK), (1, StatusCode::GONE), (-1, StatusCode::OK), (1, StatusCode::GONE)]
    {
        world.wait(wait_ms);
        assert_eq!(ada.get(&page).await.status, status, "a challenge");
        if status == StatusCode::GONE {
            assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await, "and it takes no right answer");
        }
    }
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let next = crate::stepup::world::text(&ada.get(&format!("{page}/continue")).await);
    let id = next.split("stepward_resume=").nth(1).unwrap().split('"').next().unwrap().to_string();
    let arrival = ada.request("POST", "/transfer", &[], "");
    for (wait_ms, is_there) in [(599_999, true), (1, false), (-1, true), (1, false)] {
        world.wait(wait_ms);
        assert_eq!(ada.peek(&arrival, &id).await.is_some(), is_there, "a parked request");
    }

    let link = world.challenges.invite("default", world.account("bob"));
    let start = link.replace("methods?", "methods/totp?");
    for (wait_ms, is_good) in [(72 * 3_600_000 - 1, true), (1, false), (-1, true), (1, false)] {
        world.wait(wait_ms);
        let mut bob = world.browser().signed_in("bob");
        let status = reply(bob.post(&start, "").await).status;
        assert_eq!(status == StatusCode::SEE_OTHER, is_good, "an invitation: {status}");
    }
    let mut bob = world.browser().signed_in("bob");
    world.wait(-1);
    let pending = location(&reply(bob.post(&start, "").await));
    for (wait_ms, status) in [(599_999, StatusCode::OK), (1, StatusCode::GONE), (-1, StatusCode::OK)] {
        world.wait(wait_ms);
        assert_eq!(bob.get(&pending).await.status, status, "a secret that waits for its first code");
    }
}
