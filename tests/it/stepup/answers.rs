//! What an answer can and cannot do.

use http::StatusCode;
use stepward::challenges::{Begun, Served};
use stepward_core::{
    decision::{LockOut, Outcome, Scope},
    session::Method,
};

use crate::stepup::world::{Browser, World, bound, demand, location, policy, reply, text, value};

const MINUTE_MS: i64 = 60_000;

/// Whether an answer was refused without passing.
fn is_refused(served: &Served) -> bool {
    !matches!(served, Served::Passed { .. })
}

#[tokio::test]
async fn a_code_from_an_app_passes_once_and_the_browser_goes_on() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let shown = ada.get(&page).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(text(&shown).contains("authenticator app"), "{}", text(&shown));
    assert!(!ada.passes(&page, Method::Totp, "000000").await);
    let Served::Passed { reply, method, .. } =
        ada.post(&page, &format!("method=totp&code={}", world.code(&secret))).await
    else {
        panic!("the right code passes")
    };
    assert_eq!(method, Method::Totp);
    assert_eq!(location(&reply), format!("{page}/continue"));
    let next = ada.get(&format!("{page}/continue")).await;
    assert!(text(&next).contains("action=\"/transfer?stepward_resume="), "{}", text(&next));
    assert_eq!(location(&ada.get(&page).await), format!("{page}/continue"), "Back leads on, not into the form");
    let again = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(!ada.passes(&again, Method::Totp, &world.code(&secret)).await, "a used code is used");
}

#[tokio::test]
async fn a_mailed_code_passes_once_and_the_letter_says_what_it_is_for() {
    let world = World::new().await;
    world.address("ada", "ada@mail.example").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&bound(&[Method::EmailCode], 1)).await;
    let code = world.mailbox.code(1).await;
    let letter = world.mailbox.letters().remove(0);
    assert_eq!(letter.to, "ada@mail.example");
    for said in ["Transfer of money", "Payee: DE02 <b>Mallory</b>", "Amount: 900", "Tiny Bank"] {
        assert!(letter.text.contains(said), "{said} in {}", letter.text);
    }
    assert!(ada.passes(&page, Method::EmailCode, &format!("{} {}", &code[..3], &code[3..])).await);
    let again = ada.challenged(&demand(&[Method::EmailCode])).await;
    assert!(!ada.passes(&again, Method::EmailCode, &code).await);
}

#[tokio::test]
async fn a_mailed_code_ends_after_three_wrong_tries_or_ten_minutes() {
    let world = World::new().await;
    world.address("ada", "ada@mail.example").await;
    let patient = stepward_core::decision::Challenge { attempts: 9, ..demand(&[Method::EmailCode]) };
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&patient).await;
    let code = world.mailbox.code(1).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert!(!ada.passes(&page, Method::EmailCode, wrong).await);
    }
    assert!(!ada.passes(&page, Method::EmailCode, &code).await, "three tries a code");
    world.wait(MINUTE_MS);
    assert!(is_refused(&ada.post(&page, "method=email_code&send=1").await));
    let second = world.mailbox.code(2).await;
    world.wait(10 * MINUTE_MS);
    assert!(!ada.passes(&page, Method::EmailCode, &second).await, "g12: the clock ends it, no sweeper");
}

#[tokio::test]
async fn another_letter_has_to_wait_and_voids_the_code_before() {
    let world = World::new().await;
    world.address("ada", "ada@mail.example").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::EmailCode])).await;
    let first = world.mailbox.code(1).await;
    let early = reply(ada.post(&page, "method=email_code&send=1").await);
    assert!(location(&early).contains("e=wait-30"), "{}", location(&early));
    let told = ada.get(&location(&early)).await;
    assert!(text(&told).contains("wait 30 seconds"), "{}", text(&told));
    world.wait(31_000);
    assert!(!location(&reply(ada.post(&page, "method=email_code&send=1").await)).contains("wait"));
    let second = world.mailbox.code(2).await;
    if first != second {
        assert!(!ada.passes(&page, Method::EmailCode, &first).await, "only the newest counts");
    }
    assert!(ada.passes(&page, Method::EmailCode, &second).await);
}

#[tokio::test]
async fn f1_nothing_but_the_proof_itself_advances_a_challenge() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    world.address("ada", "ada@mail.example").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp, Method::Pow])).await;
    world.wait(1000);
    let code = world.code(&secret);
    for form in ["", "method=totp", "code=", "method=totp&code=", "method=pow&code=", "method=email_code&send=1"] {
        assert!(is_refused(&ada.post(&page, form).await), "{form:?}");
    }
    let other = [
        format!("method=email_code&code={code}"),
        format!("method=passkey&code={code}"),
        format!("method=pow&code={code}"),
    ];
    let twice = [format!("method=totp&code={code}&code={code}"), format!("method=totp&method=totp&code={code}")];
    for form in other.iter().chain(&twice) {
        assert!(is_refused(&ada.post(&page, form).await), "{form:?}");
    }
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/jsonx", ""] {
        let arrival = ada.request("POST", &page, &[("content-type", kind)], &format!("method=totp&code={code}"));
        assert!(is_refused(&ada.serve(&arrival).await), "{kind:?}");
    }
    let asked = ada.get(&format!("{page}?method=totp&code={code}")).await;
    assert_eq!(asked.status, StatusCode::OK, "GET answers nothing");
    assert_eq!(location(&ada.get(&format!("{page}/continue")).await), page, "nothing to continue yet");
    assert!(ada.passes(&page, Method::Totp, &code).await);
}

#[tokio::test]
async fn f5_a_planted_ticket_is_worth_nothing_after_the_proof() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let mut attacker = ada.clone();
    let planted = ada.cookies["__Host-stepward"].clone();
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    assert_ne!(ada.cookies["__Host-stepward"], planted, "the proof comes with a new ticket");
    let arrival = attacker.request("GET", "/", &[], "");
    assert!(attacker.session(&arrival).await.record.proofs.is_empty());
    assert_eq!(attacker.get(&format!("{page}/continue")).await.status, StatusCode::GONE);
    let arrival = ada.request("GET", "/", &[], "");
    assert_eq!(ada.session(&arrival).await.record.proofs.len(), 1, "its owner goes on");
}

#[tokio::test]
async fn f7_a_challenge_belongs_to_its_session_subject_host_and_tenant() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&bound(&[Method::Totp], 7)).await;
    let code = world.code(&secret);

    let mut elsewhere = world.browser().signed_in("ada");
    elsewhere.challenged(&demand(&[Method::Totp])).await;
    assert_eq!(elsewhere.get(&page).await.status, StatusCode::GONE, "the same user in another browser");
    assert!(!elsewhere.passes(&page, Method::Totp, &code).await);

    let mut bob = ada.clone().signed_in("bob");
    assert_eq!(bob.get(&page).await.status, StatusCode::GONE, "another subject in the same browser");
    assert!(!bob.passes(&page, Method::Totp, &code).await);

    let mut request = ada.request("GET", &page, &[], "");
    request.request.host = "other.example".into();
    assert_eq!(reply(ada.serve(&request).await).status, StatusCode::GONE, "another host");
    let mut request = ada.request("GET", &page, &[], "");
    let mut route = (*request.route).clone();
    route.tenant = "other".into();
    request.route = route.into();
    assert_eq!(reply(ada.serve(&request).await).status, StatusCode::GONE, "another tenant");

    assert!(ada.passes(&page, Method::Totp, &code).await);
    let arrival = ada.request("GET", "/", &[], "");
    let proven = ada.session(&arrival).await.record.proofs.remove(0);
    assert_eq!(proven.proof.bound_to, Some([7; 32]), "the proof is for these values");
    let other = ada.challenged(&bound(&[Method::Totp], 8)).await;
    assert_eq!(ada.get(&other).await.status, StatusCode::OK, "another amount is asked again");
    assert_eq!(location(&ada.get(&format!("{other}/continue")).await), other);
}

fn solve(seed: &str) -> String {
    (0..u64::MAX)
        .map(|it| it.to_string())
        .find(|it| stepward::challenges::pow::is_solution(seed, it))
        .expect("a solution")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_solved_puzzle_is_redeemed_once_of_64_at_a_time() {
    let world = World::new().await;
    let mut nobody = world.browser();
    let page = nobody.challenged(&demand(&[Method::Pow])).await;
    world.wait(1000);
    let form = format!("method=pow&code={}", solve(page.rsplit('/').next().expect("an id")));
    let answers = (0..64).map(|_| {
        let (mut racer, page, form) = (nobody.clone(), page.clone(), form.clone());
        async move { matches!(racer.post(&page, &form).await, Served::Passed { .. }) }
    });
    let passed = futures_util::future::join_all(answers).await;
    assert_eq!(passed.iter().filter(|it| **it).count(), 1);
    let other = nobody.challenged(&demand(&[Method::Pow])).await;
    world.wait(1000);
    assert!(is_refused(&nobody.post(&other, &form).await), "it is worth nothing for another challenge");
}

#[tokio::test]
async fn f10_no_puzzle_is_solved_sooner_than_it_can_be_by_the_servers_clock() {
    let world = World::new().await;
    let mut nobody = world.browser();
    let page = nobody.challenged(&demand(&[Method::Pow])).await;
    let solution = solve(page.rsplit('/').next().expect("an id"));
    assert!(!nobody.passes(&page, Method::Pow, &solution).await);
    world.wait(299);
    assert!(!nobody.passes(&page, Method::Pow, &solution).await);
    world.wait(1);
    assert!(nobody.passes(&page, Method::Pow, &solution).await);
}

#[tokio::test]
async fn f13_a_changed_cookie_is_no_cookie() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let next = text(&ada.get(&format!("{page}/continue")).await);
    let id = next.split("stepward_resume=").nth(1).and_then(|it| it.split('"').next()).expect("an id").to_string();
    for name in ["__Host-stepward", "__Host-stepward-park"] {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(ada.cookies[name].as_bytes()).expect("base64url");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut thief = ada.clone();
            thief.cookies.insert(name.into(), data_encoding::BASE64URL_NOPAD.encode(&changed));
            let arrival = thief.request("POST", "/transfer", &[], "");
            assert!(thief.peek(&arrival, &id).await.is_none(), "{name} bit {bit}");
        }
    }
    let arrival = ada.request("POST", "/transfer", &[], "");
    assert!(ada.peek(&arrival, &id).await.is_some());
}

#[tokio::test]
async fn g1_guesses_are_counted_per_account_across_sessions() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut looked_at = 0;
    for guess in 0..200 {
        let mut attacker = world.browser();
        let arrival = attacker.request("POST", "/login", &[], "user=ada");
        let names = [" ADA ", "ada", "Ada"];
        let begun =
            attacker.demanded(&arrival, &policy("login"), &demand(&[Method::Totp]), Some(names[guess % 3]), None).await;
        if let Begun::Asked(reply) = begun {
            let page = location(&reply);
            match attacker.post(&page, "method=totp&code=000000").await {
                Served::Failed { .. } | Served::Spent { .. } => looked_at += 1,
                Served::Answer(_) => {}
                Served::Passed { .. } => panic!("a guess passed"),
            }
        }
        world.wait(18_000);
    }
    assert!(looked_at <= 10, "{looked_at} of 200 guesses in an hour were looked at");
    assert!(looked_at >= 3, "{looked_at}");
    world.wait(60 * MINUTE_MS);
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await, "its owner gets in again");
}

#[tokio::test]
async fn g1_a_hundred_wrong_answers_in_a_row_end_an_authenticator() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut wrong = 0;
    for _ in 0..60 {
        let mut attacker = world.browser().signed_in("ada");
        let page = attacker.challenged(&demand(&[Method::Totp])).await;
        while let Served::Failed { .. } | Served::Spent { .. } = attacker.post(&page, "method=totp&code=000000").await {
            wrong += 1;
        }
        world.wait(16 * MINUTE_MS);
    }
    assert_eq!(wrong, 100);
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp, Method::EmailCode])).await;
    assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await);
}

#[tokio::test]
async fn g2_and_g3_spellings_of_a_used_code_are_used_and_look_wrong() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let patient = stepward_core::decision::Challenge { attempts: 10, ..demand(&[Method::Totp]) };
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&patient).await;
    let code = world.code(&secret);
    assert!(ada.passes(&page, Method::Totp, &code).await);
    let again = ada.challenged(&patient).await;
    let wrong = location(&reply(ada.post(&again, "method=totp&code=000000").await));
    let wide: String = code.bytes().filter_map(|it| char::from_u32(0xff10 + u32::from(it - b'0'))).collect();
    for typed in [code.clone(), format!("%20{code}"), format!("{code}%C2%A0"), wide] {
        let answered = reply(ada.post(&again, &format!("method=totp&code={typed}")).await);
        assert_eq!(location(&answered), wrong, "one error for all: {typed:?}");
    }
    world.wait(29_000);
    assert!(!ada.passes(&again, Method::Totp, &code).await, "g3: remembered for as long as it would count");
}

#[tokio::test]
async fn g4_a_restart_forgives_nothing() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    for _ in 0..3 {
        assert!(!ada.passes(&page, Method::Totp, "000000").await);
    }
    let cookies = ada.cookies.clone();
    drop(ada);
    let world = world.restarted();
    let mut ada = Browser { cookies, ..world.browser().signed_in("ada") };
    assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await, "still closed");
    let arrival = ada.request("POST", "/transfer", &[], "");
    let begun = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await;
    assert!(matches!(begun, Begun::Spent(Outcome::Block)), "{begun:?}");
}

#[tokio::test]
async fn a_method_is_spent_alone_and_the_policy_says_what_follows() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    world.address("ada", "ada@mail.example").await;
    let lock = LockOut { what: Scope::Session, for_ms: 900_000 };
    let asked = stepward_core::decision::Challenge {
        on_fail: Box::new(Outcome::LockOut(lock.clone())),
        ..demand(&[Method::Totp, Method::EmailCode])
    };
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&asked).await;
    for _ in 0..2 {
        assert!(matches!(ada.post(&page, "method=totp&code=000000").await, Served::Failed { .. }));
    }
    let Served::Spent { on_fail, method, .. } = ada.post(&page, "method=totp&code=000000").await else {
        panic!("spent")
    };
    assert_eq!((on_fail, method), (Outcome::LockOut(lock), Method::Totp));
    let page = ada.challenged(&asked).await;
    assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await, "closed for a right code too");
    let told = ada.get(&format!("{page}?m=totp")).await;
    assert!(text(&told).contains("closed until 15 minutes"), "{}", text(&told));
    ada.post(&page, "method=email_code&send=1").await;
    let code = world.mailbox.code(1).await;
    assert!(ada.passes(&page, Method::EmailCode, &code).await, "g8: the other way stays open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_of_64_right_answers_at_once_one_passes() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let patient = stepward_core::decision::Challenge { attempts: 10, ..demand(&[Method::Totp, Method::RecoveryCode]) };
    let mut racers = Vec::new();
    for _ in 0..8 {
        let mut browser = world.browser().signed_in("ada");
        let page = browser.challenged(&patient).await;
        racers.push((browser, page));
    }
    let form = format!("method=totp&code={}", world.code(&secret));
    let answers = (0..64).map(|at| {
        let (browser, page) = &racers[at % 8];
        let (mut browser, form) = (browser.clone(), form.clone());
        async move { matches!(browser.post(page, &form).await, Served::Passed { .. }) }
    });
    let passed = futures_util::future::join_all(answers).await;
    assert_eq!(passed.iter().filter(|it| **it).count(), 1);
}

#[tokio::test]
async fn g13_a_clock_that_steps_back_accepts_no_code_twice() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    world.wait(120_000);
    let code = world.code(&secret);
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &code).await);
    world.wait(-60_000);
    let earlier = world.code(&secret);
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(!ada.passes(&page, Method::Totp, &earlier).await, "an earlier step is over");
    world.wait(60_000);
    assert!(!ada.passes(&page, Method::Totp, &code).await);
    world.wait(30_000);
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await, "the next one is new");
}

#[tokio::test]
async fn nobody_learns_whether_an_account_exists_or_what_it_has() {
    let world = World::new().await;
    world.totp("ada").await;
    world.address("ada", "ada@mail.example").await;
    let ways = [Method::EmailCode, Method::Totp, Method::RecoveryCode];
    let mut seen = Vec::new();
    for name in ["ada", "nobody"] {
        let mut stranger = world.browser();
        let arrival = stranger.request("POST", "/login", &[], "user=x");
        let begun = stranger.demanded(&arrival, &policy("login"), &demand(&ways), Some(name), None).await;
        let Begun::Asked(asked) = begun else { panic!("asked") };
        let page = location(&asked);
        let id = page.rsplit('/').next().expect("an id").to_string();
        let mut views = vec![text(&stranger.get(&page).await)];
        for way in ways {
            views.push(text(&stranger.get(&format!("{page}?m={}", way.name())).await));
            views.push(location(&reply(stranger.post(&page, &format!("method={}&code=123456", way.name())).await)));
        }
        views.push(location(&reply(stranger.post(&page, "method=email_code&send=1").await)));
        seen.push(views.into_iter().map(|it| it.replace(&id, "ID")).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(world.mailbox.wait_for(1).await.len(), 1, "the one letter goes to the one address");
}

#[tokio::test]
async fn a_program_is_told_what_to_do_and_can_do_it() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut agent = world.browser().signed_in("ada");
    let headers = [("accept", "application/json"), ("sec-fetch-mode", ""), ("sec-fetch-site", ""), ("origin", "")];
    let call = [&headers[..], &[("authorization", "Bearer abc"), ("content-type", "application/json")]].concat();
    let arrival = agent.request("POST", "/api/transfers", &call, "{}");
    let Begun::Asked(told) = agent.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await else {
        panic!("asked")
    };
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    assert_eq!(value(&told, "content-type"), "application/problem+json");
    assert_eq!(value(&told, "stepward-outcome"), "challenge");
    let authenticate = value(&told, "www-authenticate");
    assert!(authenticate.starts_with("Bearer error=\"insufficient_user_authentication\""), "{authenticate}");
    assert!(authenticate.contains("max_age=\"300\""), "{authenticate}");
    let problem: serde_json::Value = serde_json::from_slice(&told.body).expect("json");
    for member in
        ["type", "title", "status", "detail", "instance", "decision_id", "challenge_url", "methods", "expires_in"]
    {
        assert!(problem.get(member).is_some(), "{member} in {problem}");
    }
    assert_eq!(problem["status"], 401);
    let page = problem["challenge_url"].as_str().expect("an address").to_string();
    let json = [&headers[..], &[("content-type", "application/json")]].concat();
    let state = agent.request("GET", &page, &headers, "");
    assert!(text(&reply(agent.serve(&state).await)).contains("\"open\""));
    let wrong = agent.request("POST", &page, &json, r#"{"method":"totp","code":"000000"}"#);
    assert_eq!(reply(agent.serve(&wrong).await).status, StatusCode::UNAUTHORIZED);
    let right =
        agent.request("POST", &page, &json, &format!(r#"{{"method":"totp","code":"{}"}}"#, world.code(&secret)));
    assert!(text(&reply(agent.serve(&right).await)).contains("\"passed\""));
    let state = agent.request("GET", &page, &headers, "");
    assert!(text(&reply(agent.serve(&state).await)).contains("\"passed\""));
}

#[tokio::test]
async fn i3_what_is_confirmed_is_shown_and_stays_text() {
    let world = World::new().await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&bound(&[Method::Totp], 1)).await;
    let shown = ada.get(&page).await;
    let html = text(&shown);
    assert!(html.contains("DE02 &lt;b&gt;Mallory&lt;/b&gt;") && html.contains("900"), "{html}");
    let hostile = ada.get(&format!("{page}?e=%3Cscript%3E&m=%22%3E&lang=%3Cb%3E")).await;
    assert!(!text(&hostile).contains("<script>") && !text(&hostile).contains("<b>"));
    let policy = value(&shown, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("form-action"), "{policy}");
    for (name, expected) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(value(&shown, name), expected);
    }
}

#[tokio::test]
async fn j1_another_site_can_neither_answer_nor_begin() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let form = format!("method=totp&code={}", world.code(&secret));
    let foreign: [&[(&str, &str)]; 5] = [
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "")],
        &[("origin", "null"), ("sec-fetch-site", "")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", ""), ("sec-fetch-site", ""), ("sec-fetch-mode", "")],
    ];
    for headers in foreign {
        let arrival = ada.request("POST", &page, headers, &form);
        assert_eq!(reply(ada.serve(&arrival).await).status, StatusCode::FORBIDDEN, "{headers:?}");
        let arrival = ada.request("POST", "/transfer", headers, "amount=1");
        let begun = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await;
        assert!(matches!(begun, Begun::Refused(stepward_core::decision::Reason::CrossSite)), "{headers:?} {begun:?}");
    }
    let allowed = [("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")];
    let arrival = ada.request("POST", "/transfer", &allowed, "amount=1");
    let begun = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await;
    assert!(matches!(begun, Begun::Asked(_)), "an origin that the policy allows: {begun:?}");
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
}
