//! The bound on guessing (DESIGN §8): ≤ 3·10⁻⁵ an hour and ≤ 3·10⁻⁴ ever per account, whoever guesses from wherever.
//!
//! By default each of a few accounts is guessed at a thousand times. `STEPWARD_GUESSES=10000000` takes as many accounts as
//! that needs; `cargo bench --bench guessing` does the same in a build that is fast enough for it.

use stepward::challenges::totp;

use self::bank::{Bank, FALSE_ALARM, Ground, Random, accounts, are_guessed_at_for_days, in_memory, most};
use crate::redis_server::Server;

pub(crate) mod bank;

#[tokio::test]
async fn guessing_for_days_over_two_nodes_and_restarts_stays_within_the_bound() {
    let mut bank = Bank::open(Ground::File(in_memory())).await;
    are_guessed_at_for_days(&mut bank, accounts(8)).await;
}

#[tokio::test]
async fn guessing_over_two_nodes_on_redis_stays_within_the_bound() {
    let server = Server::start().await;
    let mut bank = Bank::open(Ground::Redis(server.settings())).await;
    are_guessed_at_for_days(&mut bank, 4).await;
}

#[test]
fn the_bound_on_luck_is_that_of_the_binomial_distribution() {
    // Of 10,000 accounts three are expected: more than ten are seen once in 3,400 runs, twenty of no bound at all never.
    assert_eq!(most(3.0, 1e-3), 10);
    assert_eq!(most(3.0, FALSE_ALARM), 14);
    assert_eq!(most(0.0024, 1e-6), 2);
}

/// The probability that one guess is right is what the arithmetic takes it to be.
#[test]
fn two_of_a_million_codes_fit_at_a_time() {
    let secret = b"12345678901234567890";
    let now_ms = 1_111_111_111_000;
    let fitting: Vec<String> = ["050471", "081804"]
        .into_iter()
        .filter(|it| totp::step_of(secret, it, now_ms).is_some())
        .map(String::from)
        .collect();
    assert_eq!(fitting.len(), 2, "this step's and the one before's (RFC 6238 appendix B)");
    let mut random = Random(1);
    let others = (0..2000).map(|_| random.six_digits()).filter(|it| !fitting.contains(it));
    assert_eq!(others.filter(|it| totp::step_of(secret, it, now_ms).is_some()).count(), 0);
}
