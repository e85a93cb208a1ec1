//! The bound on guessing, with as many guesses as the issue asks for: `STEPWARD_GUESSES=10000000 cargo bench --bench guessing`.
//!
//! What is played is `tests/it/guessing/bank.rs`, as in the tests; a hundred thousand guesses unless told otherwise. It ends in a
//! panic where the bound does not hold.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run should stop")]

#[expect(dead_code, reason = "the tests play it on Redis, too")]
#[path = "../tests/it/guessing/bank.rs"]
mod bank;

const ACCOUNTS: usize = 100;

fn main() {
    let began = std::time::Instant::now();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut bank = bank::Bank::open(bank::Ground::File(bank::in_memory())).await;
        bank::are_guessed_at_for_days(&mut bank, bank::accounts(ACCOUNTS)).await;
    });
    println!("took {:?}", began.elapsed());
}
