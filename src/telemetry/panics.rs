//! A panic is told: where it was, in the log and in the numbers. What it ended is one task; the process goes on.
//!
//! Its message is not told: it may quote what a client sent.

use std::panic;

use crate::telemetry::Metrics;

/// From now on every panic of this process is told. A second call replaces the first.
pub fn tell(metrics: &Metrics) {
    let metrics = metrics.clone();
    panic::set_hook(Box::new(move |panicked| {
        metrics.panicked();
        let place = panicked.location().map(ToString::to_string);
        tracing::error!(place, "a panic ended what was being done; the process goes on");
    }));
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_panic_is_counted() {
        let metrics = Metrics::new();
        tell(&metrics);
        let panicked = thread::spawn(|| panic!("what a client sent")).join();
        // Other tests of this process keep their own words.
        drop(panic::take_hook());
        assert!(panicked.is_err());
        assert!(!metrics.text().contains("stepward_panics_total 0"), "{}", metrics.text());
    }
}
