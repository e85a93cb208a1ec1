//! Now, and fresh randomness: the only place that reads either. Tests substitute the time, never the randomness.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::{Encoding, Specification};

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

/// A fresh name for a request or a decision: 26 characters that nobody can guess, so that quoting one gives nothing away.
/// From a generator that the operating system seeds and that lives in this process (`rand`'s ChaCha12): a name guards
/// nothing, and a call to the system for each costs more than it.
pub fn fresh_name() -> Arc<str> {
    let mut text = [0; 26];
    BASE32_LOWER.encode_mut(&rand::random::<[u8; 16]>(), &mut text);
    std::str::from_utf8(&text).unwrap_or_default().into()
}

/// RFC 4648 base32 without padding, in lower case.
static BASE32_LOWER: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Carrying on would mean guessable sessions and codes.
        std::process::abort();
    }
    bytes
}
