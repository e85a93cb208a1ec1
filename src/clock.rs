//! Now, and fresh randomness: the only place that reads either. Tests substitute the time, never the randomness.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// A source of time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that tests move, in milliseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
            Clock::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }
}

/// 128 random bits from the operating system. Without them nothing secret can be made, so their lack ends the process.
pub fn random_id() -> [u8; 16] {
    random_bytes()
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Carrying on would mean guessable sessions and codes.
        std::process::abort();
    }
    bytes
}
