//! Every outcome that a policy can write, as whoever meets it sees it.

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// One event whose query says what happens to it.
fn acts(rules: &str) -> String {
    format!(
        "
event: act
covers: [GET /act]
facts:
  how: {{ from: query.how, type: text }}
  amount: {{ from: query.amount, type: number }}
when_unsure: block
otherwise: forward
steps:
  - decide: as asked
    rules:
{rules}
  - decide: late
    rules:
      - rule: sent here
        when: event.how == \"jump\"
        then: {{ forward: {{ headers: {{ X-Way: late }} }} }}
"
    )
}

fn rule(how: &str, then: &str) -> String {
    format!("      - rule: {how}\n        when: event.how == \"{how}\"\n        then: {then}\n")
}

async fn town(rules: &[(&str, &str)]) -> Town {
    let rules: String = rules.iter().map(|(how, then)| rule(how, then)).collect();
    World::new().policy(LOGIN).policy(&acts(&rules)).start().await
}

async fn signed_in(town: &Town, name: &str) -> Visitor {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, name).await;
    visitor
}

#[tokio::test]
async fn forward_sets_the_policys_headers_and_go_to_finds_its_step() {
    let town = town(&[("mark", "{ forward: { headers: { X-Risk: reviewed } } }"), ("jump", "{ go_to: late }")]).await;
    let mut visitor = town.visitor();
    assert_eq!(visitor.get("/act?how=mark").await.status, StatusCode::OK);
    let seen = town.app.last("GET /act?how=mark").to_lowercase();
    assert!(seen.contains("x-risk: reviewed\r\n") && seen.contains("stepward-event: act\r\n"), "{seen}");
    visitor.get("/act?how=jump").await;
    assert!(town.app.last("GET /act?how=jump").to_lowercase().contains("x-way: late\r\n"));
    visitor.get("/act?how=else").await;
    let seen = town.app.last("GET /act?how=else").to_lowercase();
    assert!(!seen.contains("x-way") && !seen.contains("x-risk"), "{seen}");
}

#[tokio::test]
async fn throttles_let_the_rate_through_and_tell_when_to_come_back() {
    let town = town(&[
        ("subject", "{ throttle: { rate: 2/min, per: subject } }"),
        ("ip", "{ throttle: { rate: 3/min, per: ip } }"),
        ("rate", "{ forward: { max_rate: 1/min } }"),
    ])
    .await;
    let (mut ada, mut bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
    for (how, rate) in [("subject", 2), ("rate", 1)] {
        let path = format!("/act?how={how}");
        for _ in 0..rate {
            assert_eq!(ada.get(&path).await.status, StatusCode::OK, "{how}");
        }
        let over = ada.get(&path).await;
        assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS, "{how}");
        assert_eq!(over.headers["retry-after"], "60", "{how}");
        assert_eq!(over.headers["stepward-outcome"], "throttle", "{how}");
        town.wait_ms(61_000);
        assert_eq!(ada.get(&path).await.status, StatusCode::OK, "{how}: a minute later");
    }
    assert_eq!(bob.get("/act?how=subject").await.status, StatusCode::OK, "another subject has a rate of his own");
    for visitor in [&mut ada, &mut bob] {
        assert_eq!(visitor.get("/act?how=ip").await.status, StatusCode::OK);
    }
    assert_eq!(town.visitor().get("/act?how=ip").await.status, StatusCode::OK);
    assert_eq!(bob.get("/act?how=ip").await.status, StatusCode::TOO_MANY_REQUESTS, "all of one address count together");
}

#[tokio::test]
async fn block_and_reroute_say_only_what_the_policy_tells() {
    let town = town(&[
        ("refuse", "block\n        tell: transfer.refused"),
        ("path", "{ reroute: /elsewhere }"),
        ("app", "{ reroute: other }"),
    ])
    .await;
    let (mut visitor, mut program) = (town.visitor(), town.program());
    let blocked = visitor.get("/act?how=refuse").await;
    assert_eq!(blocked.status, StatusCode::FORBIDDEN);
    assert_eq!(blocked.headers["stepward-outcome"], "block");
    assert!(blocked.text.contains("This transfer was not carried out. Please call us."), "{}", blocked.text);
    assert!(!blocked.text.contains("as asked"), "the rule is not told: {}", blocked.text);
    let blocked = program.get("/act?how=refuse").await;
    assert_eq!(blocked.headers["content-type"], "application/problem+json");
    assert_eq!(blocked.json()["status"], 403);
    assert!(blocked.json()["decision_id"].is_string(), "{}", blocked.text);

    let sent = visitor.get("/act?how=path").await;
    assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, "/elsewhere"), "{}", sent.text);
    town.other.says("GET /act", 200, "restricted");
    let elsewhere = visitor.get("/act?how=app").await;
    assert_eq!((elsewhere.status, &*elsewhere.text), (StatusCode::OK, "restricted"));
    assert!(town.other.last("GET /act").to_lowercase().contains("stepward-event: act\r\n"));
    assert_eq!(town.app.count("GET /act"), 0);
}

#[tokio::test]
async fn a_lock_out_holds_whom_it_names_until_its_time_is_over() {
    let lock = |what: &str| format!("{{ lock_out: {what}, for: 10m }}");
    for (what, same_browser, other_browser, other_person) in
        [("session", 403, 200, 200), ("subject", 403, 403, 200), ("ip", 403, 403, 403)]
    {
        let town = town(&[("lock", &lock(what))]).await;
        let mut ada = signed_in(&town, "ada").await;
        let (mut ada_again, mut bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
        let locked = ada.get("/act?how=lock").await;
        assert_eq!(locked.status, StatusCode::FORBIDDEN, "{what}");
        assert_eq!(
            (&locked.headers["stepward-outcome"], &locked.headers["retry-after"]),
            (&"lock_out".parse().unwrap(), &"600".parse().unwrap())
        );
        assert_eq!(ada.get("/act?how=fine").await.status, same_browser, "{what}");
        assert_eq!(ada_again.get("/act?how=fine").await.status, other_browser, "{what}");
        assert_eq!(bob.get("/act?how=fine").await.status, other_person, "{what}");
        assert_eq!(ada.get("/no-event").await.status, StatusCode::OK, "{what}: checked at events and nowhere else");
        town.wait_ms(599_000);
        assert_eq!(ada.get("/act?how=fine").await.status, StatusCode::FORBIDDEN, "{what}: a second too early");
        let town = town.restarted().await;
        let mut late = town.visitor();
        late.cookies = ada.cookies.clone();
        assert_eq!(late.get("/act?how=fine").await.status, StatusCode::FORBIDDEN, "{what}: a restart forgets nothing");
        town.wait_ms(2_000);
        assert_eq!(late.get("/act?how=fine").await.status, StatusCode::OK, "{what}: its time is over");
    }
}

#[tokio::test]
async fn a_lock_out_of_a_device_leaves_other_devices_alone() {
    let town = town(&[("lock", "{ lock_out: device, for: 10m }"), ("prove", "{ challenge: [totp] }")]).await;
    let mut ada = signed_in(&town, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.get("/act?how=prove").await;
    let challenge = asked.location().to_string();
    ada.get(&challenge).await;
    let code = town.code(&secret);
    ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
    assert!(ada.cookies.contains_key("stepward-device"), "a proven device is known: {:?}", ada.cookies.keys());
    let mut other = signed_in(&town, "ada").await;
    assert_eq!(ada.get("/act?how=lock").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.get("/act?how=fine").await.status, StatusCode::FORBIDDEN);
    assert_eq!(other.get("/act?how=fine").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_challenge_in_a_rule_is_met_once_and_then_forwards() {
    let town = town(&[("prove", "{ challenge: [totp] }")]).await;
    let mut ada = signed_in(&town, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.get("/act?how=prove").await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert_eq!(asked.headers["stepward-outcome"], "challenge");
    let challenge = asked.location().to_string();
    let page = ada.get(&challenge).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let code = town.code(&secret);
    let proven = ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
    assert_eq!(town.app.count("GET /act"), 0);
    assert_eq!(ada.get("/act?how=prove").await.status, StatusCode::OK);
    assert!(town.app.last("GET /act").to_lowercase().contains("stepward-assurance: aal"), "the app is told");
    town.wait_ms(6 * 60_000);
    assert_eq!(ada.get("/act?how=prove").await.status, StatusCode::SEE_OTHER, "the proof has aged");
    let program = town.program().get("/act?how=prove").await;
    assert_eq!(program.status, StatusCode::UNAUTHORIZED);
    assert!(program.json()["challenge_url"].is_string() && program.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn what_cannot_be_decided_is_when_unsure_and_never_forward() {
    let large = "      - rule: large\n        when: event.amount > 1000\n        then: block\n";
    let town = World::new().policy(&acts(large)).start().await;
    let mut visitor = town.visitor();
    assert_eq!(visitor.get("/act?amount=5&how=x").await.status, StatusCode::OK);
    for amount in ["", "&amount=", "&amount=lots", "&amount=5&amount=6"] {
        let seen = visitor.get(&format!("/act?how=x{amount}")).await;
        assert!(seen.status.is_client_error(), "{amount}: {}", seen.status);
    }
    assert_eq!(town.app.count("GET /act"), 1);
}

#[tokio::test]
async fn shadow_causes_nothing_but_a_line_and_off_not_even_that() {
    let shadow =
        "event: shade\nmode: shadow\ncovers: [GET /page]\nwhen_unsure: block\notherwise: { lock_out: ip, for: 10m }\n";
    let off = "event: nothing\nmode: off\ncovers: [GET /page]\nwhen_unsure: block\notherwise: block\n";
    let town = World::new().policy(LOGIN).policy(shadow).policy(off).policy(&acts(&rule("x", "block"))).start().await;
    let mut visitor = town.visitor();
    for _ in 0..2 {
        assert_eq!(visitor.get("/page").await.status, StatusCode::OK);
    }
    assert_eq!(visitor.get("/act?how=fine").await.status, StatusCode::OK, "no lock was set");
    assert!(!town.app.last("GET /page").to_lowercase().contains("stepward-"), "{}", town.app.last("GET /page"));
    assert!(visitor.cookies.is_empty(), "{:?}", visitor.cookies);
    let lines = town.decisions();
    let of = |event: &str| lines.iter().filter(|it| it["event"] == event).count();
    assert_eq!((of("shade"), of("nothing")), (2, 0), "{lines:?}");
    let line = lines.iter().find(|it| it["event"] == "shade").unwrap();
    assert_eq!((&line["mode"], line.to_string().contains("lock_out")), (&"shadow".into(), true), "{line}");
}

#[tokio::test]
async fn only_if_falls_through_to_the_next_event_that_covers() {
    let deleting = "event: deleting\ncovers: [ANY /thing]\nonly_if: request.method == \"DELETE\"\nwhen_unsure: block\notherwise: block\n";
    let touching = "event: touching\ncovers: [ANY /thing]\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(deleting).policy(touching).start().await;
    let mut visitor = town.visitor();
    assert_eq!(visitor.get("/thing").await.status, StatusCode::OK);
    assert!(town.app.last("GET /thing").to_lowercase().contains("stepward-event: touching\r\n"));
    let request = visitor.client().delete(visitor.url("/thing"));
    assert_eq!(visitor.send(request).await.status, StatusCode::FORBIDDEN);
    assert_eq!(town.app.count("DELETE"), 0);
}

#[tokio::test]
async fn an_event_before_its_time_is_out_of_order() {
    let pay = "
event: pay
after: [login]
covers: [GET /pay]
when_unsure: block
otherwise: forward
steps:
  - decide: order
    rules:
      - rule: skipped the login
        when: journey.out_of_order
        then: block
";
    let town = World::new().policy(LOGIN).policy(pay).start().await;
    assert_eq!(town.visitor().get("/pay").await.status, StatusCode::FORBIDDEN);
    let mut ada = signed_in(&town, "ada").await;
    let paid = ada.get("/pay").await;
    assert_eq!(paid.status, StatusCode::OK, "{}", paid.text);
}

#[tokio::test]
async fn what_rules_count_is_read_again_for_the_same_subject_only() {
    let rules = "      - rule: too often
        when: subject.counted.oops_24h >= 2
        then: block
      - rule: noted
        when: event.how == \"oops\"
        then: forward
        count: [oops]
";
    let town = World::new().policy(LOGIN).policy(&acts(rules)).start().await;
    let (mut ada, mut bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
    for _ in 0..2 {
        assert_eq!(ada.get("/act?how=oops").await.status, StatusCode::OK);
    }
    assert_eq!(ada.get("/act?how=fine").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bob.get("/act?how=fine").await.status, StatusCode::OK);
    town.wait_ms(25 * 3_600_000);
    let mut ada = signed_in(&town, "ada").await;
    assert_eq!(ada.get("/act?how=fine").await.status, StatusCode::OK, "a day later");
}

#[tokio::test]
async fn a_remembered_value_is_known_after_success_and_to_its_subject_only() {
    let pay = "
event: pay
covers: [POST /pay]
facts:
  payee: { from: body.payee, type: text, pii: true, remember: subject }
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: forward
steps:
  - decide: payee
    rules:
      - rule: known
        when: payee.is_known
        then: { forward: { headers: { X-Payee: known } } }
";
    let town = World::new().policy(LOGIN).policy(pay).start().await;
    let (mut ada, mut bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
    let known = |town: &Town| town.app.last("POST /pay").to_lowercase().contains("x-payee: known");
    town.app.says("POST /pay", 402, "no");
    ada.post("/pay", &[("payee", "DE1")]).await;
    town.app.says("POST /pay", 200, "paid");
    ada.post("/pay", &[("payee", "DE1")]).await;
    assert!(!known(&town), "a failed payment is not remembered");
    ada.post("/pay", &[("payee", "DE1")]).await;
    assert!(known(&town), "the second after a success");
    bob.post("/pay", &[("payee", "DE1")]).await;
    assert!(!known(&town), "Ada's payee is not Bob's");
    ada.post("/pay", &[("payee", "DE2")]).await;
    assert!(!known(&town), "another payee");
}

#[tokio::test]
async fn arms_of_a_split_keep_whom_they_got() {
    let trial = "
event: trial
covers: [GET /trial]
when_unsure: block
otherwise: block
steps:
  - split: second factor
    experiment: second-factor-1
    stick_to: subject
    arms:
      - { arm: ask, share: 50, require: [totp] }
      - { arm: do not, share: 50 }
  - finish: in
    then: forward
";
    let town = World::new().policy(LOGIN).policy(trial).start().await;
    let mut arms = Vec::new();
    for person in 0..16 {
        let name = format!("person-{person}");
        let first = signed_in(&town, &name).await.get("/trial").await.status;
        let again = signed_in(&town, &name).await.get("/trial").await.status;
        assert_eq!(first, again, "{name} changed arms");
        arms.push(first);
    }
    assert!(arms.contains(&StatusCode::OK) && arms.contains(&StatusCode::SEE_OTHER), "{arms:?}");
}

#[tokio::test]
async fn a_flow_is_used_as_if_it_stood_in_the_policy() {
    let flow = "
flow: no strangers
steps:
  - decide: strangers
    rules:
      - rule: a stranger
        when: subject.kind != \"human\"
        then: block
";
    let page =
        "event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: forward\nsteps:\n  - use: no strangers\n";
    let town = World::new().policy(LOGIN).policy(flow).policy(page).start().await;
    assert_eq!(town.visitor().get("/page").await.status, StatusCode::FORBIDDEN);
    assert_eq!(signed_in(&town, "ada").await.get("/page").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_challenge_that_nobody_here_can_meet_is_a_block_for_the_client_the_log_and_the_numbers() {
    let town = town(&[("mail", "{ challenge: [email_code] }"), ("either", "{ challenge: [email_code, totp] }")]).await;
    let mut ada = signed_in(&town, "ada").await;
    let refused = ada.get("/act?how=mail").await;
    assert_eq!(
        (refused.status, &refused.headers["stepward-outcome"]),
        (StatusCode::FORBIDDEN, &"block".parse().unwrap())
    );
    assert_eq!(ada.get("/act?how=either").await.status, StatusCode::SEE_OTHER, "what can be met is asked for");
    let lines = town.decisions();
    let of = |rule: &str| lines.iter().find(|it| it["rule"] == rule).unwrap_or_else(|| panic!("{lines:?}"));
    let (mail, either) = (of("mail"), of("either"));
    assert_eq!((&mail["outcome"], &mail["reason"]), (&"block".into(), &"challenge.impossible".into()), "{mail}");
    assert_eq!((&either["outcome"], &either["reason"]), (&"challenge".into(), &"rule".into()), "{either}");
    let numbers = town.gateway.journeys.parts().metrics.text();
    let counted = |line: &&str| line.contains("event=\"act\"") && line.contains("outcome=\"block\"");
    assert!(numbers.lines().any(|line| counted(&line) && line.ends_with(" 1")), "{numbers}");
}

#[tokio::test]
async fn a_challenge_whose_tries_are_spent_is_what_follows_for_the_client_the_log_and_the_numbers() {
    let event = |name: &str, more: &str| {
        format!(
            "event: {name}\ncovers: [POST /{name}]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n    attempts: 2\n{more}"
        )
    };
    let locked = event("lock", "    on_fail: { lock_out: session, for: 15m }\n");
    let town = World::new().policy(LOGIN).policy(&event("pay", "")).policy(&locked).start().await;
    let mut ada = signed_in(&town, "ada").await;
    let secret = town.totp("ada").await;
    let page = ada.post("/pay", &[]).await.location().to_string();
    for _ in 0..2 {
        ada.post(&page, &[("method", "totp"), ("code", "000000")]).await;
    }
    for (path, outcome) in [("pay", "block"), ("lock", "lock_out")] {
        let refused = ada.post(&format!("/{path}"), &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text);
        assert_eq!(refused.headers["stepward-outcome"], outcome, "{path}");
        let line = town.decisions().pop().unwrap();
        assert_eq!((&line["event"], &line["outcome"]), (&path.into(), &outcome.into()), "{line}");
        assert_eq!(line["reason"], "attempts.spent", "{line}");
        let numbers = town.gateway.journeys.parts().metrics.text();
        let counted = format!("event=\"{path}\"");
        let lines: Vec<_> = numbers.lines().filter(|it| it.contains(&counted)).collect();
        let outcome = format!("outcome=\"{outcome}\"");
        assert!(lines.iter().any(|it| it.contains(&outcome) && it.ends_with(" 1")), "{lines:?}");
    }
    town.wait_ms(16 * 60_000);
    let asked = ada.post("/pay", &[]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "open again: {}", asked.text);
    town.prove(&mut ada, &asked, &secret).await;
}
