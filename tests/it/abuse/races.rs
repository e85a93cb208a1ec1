//! What is good once is good for one of 64 who use it at once, round after round; and each of 64 wrong answers counts
//! (G6, F9). `STEPWARD_RACE_ROUNDS` asks for more rounds than the few of every run.

use futures_util::future::join_all;
use stepward::challenges::{Served, recovery};
use stepward_core::{decision::Challenge, session::Method};

use crate::stepup::world::{Browser, World, demand, text};

const AT_ONCE: usize = 64;

fn rounds() -> usize {
    std::env::var("STEPWARD_RACE_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(6)
}

fn patient(method: Method) -> Challenge {
    Challenge { attempts: 10, ..demand(&[method]) }
}

/// Eight browsers of one person, each with a challenge of its own.
async fn browsers<'w>(world: &'w World, name: &str, method: Method) -> Vec<(Browser<'w>, String)> {
    let mut all = Vec::new();
    for _ in 0..8 {
        let mut browser = world.browser().signed_in(name);
        let page = browser.challenged(&patient(method)).await;
        all.push((browser, page));
    }
    all
}

/// How many of 64 answers at once pass.
async fn passing(racers: &[(Browser<'_>, String)], form: &str) -> usize {
    let answers = (0..AT_ONCE).map(|at| {
        let (mut browser, page) = racers[at % racers.len()].clone();
        async move { matches!(browser.post(&page, form).await, Served::Passed { .. }) }
    });
    join_all(answers).await.into_iter().filter(|passed| *passed).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_of_64_at_once_one_uses_each_kind_of_secret_up_round_after_round() {
    let world = World::new().await;
    for round in 0..rounds() {
        let name = format!("user{round}");
        let secret = world.totp(&name).await;
        let racers = browsers(&world, &name, Method::Totp).await;
        assert_eq!(passing(&racers, &format!("method=totp&code={}", world.code(&secret))).await, 1, "totp, {round}");

        let codes = recovery::renew(&world.challenges, "default", world.account(&name)).await.unwrap();
        let racers = browsers(&world, &name, Method::RecoveryCode).await;
        let form = format!("method=recovery_code&code={}", codes[round % codes.len()]);
        assert_eq!(passing(&racers, &form).await, 1, "a recovery code, {round}");

        world.address(&name, &format!("{name}@mail.example")).await;
        let mut ada = world.browser().signed_in(&name);
        let page = ada.challenged(&patient(Method::EmailCode)).await;
        let code = world.mailbox.code(round + 1).await;
        let form = format!("method=email_code&code={code}");
        assert_eq!(passing(&[(ada.clone(), page.clone())], &form).await, 1, "a mailed code, {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_of_64_at_once_one_gets_what_was_parked_round_after_round() {
    let world = World::new().await;
    for round in 0..rounds() {
        let name = format!("user{round}");
        let secret = world.totp(&name).await;
        let mut ada = world.browser().signed_in(&name);
        let page = ada.challenged(&demand(&[Method::Totp])).await;
        assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
        let next = text(&ada.get(&format!("{page}/continue")).await);
        let id = next.split("stepward_resume=").nth(1).unwrap().split('"').next().unwrap().to_string();
        let arrival = ada.request("POST", "/transfer", &[], "");
        let taken = join_all((0..AT_ONCE).map(|_| ada.take(&arrival, &id))).await;
        assert_eq!(taken.iter().flatten().count(), 1, "round {round}");
    }
}

/// No wrong answer slips past the count by coming together with others, for any kind of code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_of_64_wrong_answers_at_once_as_many_are_looked_at_as_there_are_tries() {
    let world = World::new().await;
    for (round, method) in [Method::Totp, Method::RecoveryCode, Method::EmailCode].into_iter().enumerate() {
        let name = format!("user{round}");
        world.totp(&name).await;
        recovery::renew(&world.challenges, "default", world.account(&name)).await.unwrap();
        world.address(&name, &format!("{name}@mail.example")).await;
        let mut racers = Vec::new();
        for _ in 0..8 {
            let mut browser = world.browser().signed_in(&name);
            let page = browser.challenged(&demand(&[method])).await;
            racers.push((browser, page));
        }
        let answers = (0..AT_ONCE).map(|at| {
            let (mut browser, page) = racers[at % 8].clone();
            let form = format!("method={}&code=000000", method.name());
            async move { browser.post(&page, &form).await }
        });
        let came = join_all(answers).await;
        let looked_at = came.iter().filter(|it| matches!(it, Served::Failed { .. } | Served::Spent { .. })).count();
        assert_eq!(looked_at, 3, "{method}: {came:?}");
        assert!(came.iter().all(|it| !matches!(it, Served::Passed { .. })), "{method}");
    }
}
