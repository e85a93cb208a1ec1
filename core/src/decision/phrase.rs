//! Outcomes in the words of the policy language, for people: `challenge passkey or totp`, `lock_out subject for 15m`.

use std::fmt::{self, Display, Formatter};

use crate::decision::{Forward, Outcome, Rate, Reroute, Scope};

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb().name())?;
        match self {
            Outcome::Forward(how) => forward(how, f),
            Outcome::Throttle(pace) => write!(f, " {} per {}", pace.rate, pace.per),
            Outcome::Challenge(demand) => {
                for (at, method) in demand.methods.iter().enumerate() {
                    write!(f, "{}{method}", if at == 0 { " " } else { " or " })?;
                }
                Ok(())
            }
            Outcome::Reroute(Reroute::Path(to) | Reroute::Upstream(to)) => write!(f, " {to}"),
            Outcome::Block => Ok(()),
            Outcome::LockOut(lock) => write!(f, " {} for {}", lock.what, Span(lock.for_ms)),
        }
    }
}

fn forward(how: &Forward, f: &mut Formatter<'_>) -> fmt::Result {
    if !how.narrow_scopes.is_empty() {
        write!(f, " narrowed to {}", how.narrow_scopes.join(", "))?;
    }
    if let Some(rate) = how.max_rate {
        write!(f, " at most {rate}")?;
    }
    for (at, (name, value)) in how.headers.iter().enumerate() {
        write!(f, "{}{name}: {value}", if at == 0 { " with " } else { ", " })?;
    }
    Ok(())
}

impl Scope {
    /// The word as policies write it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Subject => "subject",
            Scope::Session => "session",
            Scope::Ip => "ip",
            Scope::Device => "device",
            Scope::Pair => "pair",
        }
    }
}

impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.window_ms {
            1_000 => write!(f, "{}/s", self.count),
            60_000 => write!(f, "{}/min", self.count),
            3_600_000 => write!(f, "{}/h", self.count),
            86_400_000 => write!(f, "{}/day", self.count),
            window_ms => write!(f, "{}/{}", self.count, Span(window_ms)),
        }
    }
}

/// A length of time in milliseconds, in the largest unit that loses nothing: `20s`, `15m`, `24h`.
pub(crate) struct Span(pub(crate) u64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        match units
            .into_iter()
            .find(|(unit, ms)| self.0 >= *ms && self.0.is_multiple_of(*ms) && !(*unit == "d" && self.0 == *ms))
        {
            Some((unit, ms)) => write!(f, "{}{unit}", self.0 / ms),
            None => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Challenge, LockOut, Throttle};
    use crate::session::Method;

    #[test]
    fn outcomes_read_as_policies_write_them() {
        let challenge = Outcome::Challenge(Challenge {
            methods: vec![Method::Passkey, Method::Totp],
            fresh_for_ms: 0,
            binding: None,
            attempts: 3,
            on_fail: Box::new(Outcome::Block),
            enrol_allowed: false,
            approval: None,
        });
        let rate = Rate { count: 5, window_ms: 60_000 };
        let narrowed = Forward { narrow_scopes: vec!["orders:read".into()], max_rate: Some(rate), headers: Vec::new() };
        let headed = Forward { headers: vec![("X-Risk".into(), "reviewed".into())], ..Forward::default() };
        for (outcome, expected) in [
            (Outcome::Forward(Forward::default()), "forward"),
            (Outcome::Forward(narrowed), "forward narrowed to orders:read at most 5/min"),
            (Outcome::Forward(headed), "forward with X-Risk: reviewed"),
            (Outcome::Throttle(Throttle { rate, per: Scope::Subject }), "throttle 5/min per subject"),
            (challenge, "challenge passkey or totp"),
            (Outcome::Reroute(Reroute::Path("/reset".into())), "reroute /reset"),
            (Outcome::Block, "block"),
            (Outcome::LockOut(LockOut { what: Scope::Ip, for_ms: 900_000 }), "lock_out ip for 15m"),
        ] {
            assert_eq!(outcome.to_string(), expected);
        }
    }

    #[test]
    fn spans_use_the_largest_unit_that_loses_nothing() {
        for (ms, expected) in [(0, "0ms"), (80, "80ms"), (1_500, "1500ms"), (20_000, "20s"), (86_400_000, "24h")] {
            assert_eq!(Span(ms).to_string(), expected);
        }
        assert_eq!(Span(7 * 86_400_000).to_string(), "7d");
        assert_eq!(Rate { count: 10, window_ms: 300_000 }.to_string(), "10/5m");
    }
}
