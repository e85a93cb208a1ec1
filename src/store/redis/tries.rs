//! Tries at what somebody guards, each in one step on one slot: counted before any answer is looked at, taken back after a
//! right one.
//!
//! Run late or twice, a try counts once: its name is in the counter of its own session, which forgiving leaves alone. What
//! is written again after a fail-over counts as often as it did.

use ::redis::{Cmd, Value};

use crate::store::{
    Drawer, Ever, Lasting, Meter, Shape, Stored, Tried, Trying,
    redis::{Redis, fleet::Order, meters, names::Key, reply, scripts, step_field},
};

/// A place in a drawer where nothing is counted.
const NOWHERE: Lasting = Lasting { made: [0; 16], forgiven: [0; 16], by: 0, most: 0 };

/// How it is counted for ever, in the words of the scripts; by what, and when that ends.
fn ever<'a>(trying: &Trying<'a>) -> (&'static str, Lasting, i64) {
    match trying.ever {
        Ever::Unbounded => ("", NOWHERE, 0),
        Ever::SetUp(lasting) => ("s", *lasting, 0),
        Ever::Nobody { most, expires_ms } => ("n", Lasting { most, ..NOWHERE }, expires_ms),
    }
}

fn fields<'c>(cmd: &'c mut Cmd, lasting: &Lasting) -> &'c mut Cmd {
    let [made, forgiven] = [lasting.made, lasting.forgiven].map(|id| (id, step_field(&id)));
    cmd.arg(&made.0).arg(made.1).arg(&forgiven.0).arg(forgiven.1)
}

impl Redis {
    fn counters(&self, trying: &Trying<'_>) -> [Key; 3] {
        let [first, second] = &trying.windows;
        [first, second, &trying.own].map(|meter| meters::key(&self.names, &trying.who, meter))
    }

    /// What is presumed beside what is counted, because hits may have been lost.
    fn presumed(&self, key: &Key, meter: &Meter) -> u64 {
        if self.fleet.may_have_lost(key.slot, meter.window) { meters::presumed(meter, 0) } else { 0 }
    }

    pub(super) async fn count(&self, now_ms: i64, trying: &Trying<'_>) -> Stored<Tried> {
        let who = &trying.who;
        let (word, lasting, expires_ms) = ever(trying);
        let lock = self.names.lock(who);
        let drawer = self.names.drawer(&who.id, Drawer::Traces);
        let nobody = self.names.challenge(&who.id, &who.id);
        let [first, second, own] = self.counters(trying);
        let count = Order::script(scripts::COUNT_TRY, &[&lock, &drawer, &nobody, &first, &second, &own], |cmd| {
            cmd.arg(self.theirs(now_ms)).arg(self.theirs(trying.closed_until_ms)).arg(self.ttl(trying.closed_until_ms));
            cmd.arg(&trying.nonce).arg(word).arg(lasting.by).arg(lasting.most);
            fields(cmd, &lasting).arg(self.theirs(expires_ms)).arg(self.ttl(expires_ms));
            let meters = [(&first, &trying.windows[0]), (&second, &trying.windows[1]), (&own, &trying.own)];
            meters.into_iter().fold(cmd, |cmd, (key, meter)| {
                let (presumed, kept) = (self.presumed(key, meter), kept(meter));
                cmd.arg(meters::window_ms(meter)).arg(meter.bound()).arg(presumed).arg(kept)
            })
        });
        let answer = reply::list(self.durably(count.kept(), self.later()).await?)?;
        let numbers: Vec<i64> = answer.iter().map(reply::number).collect::<Stored<_>>()?;
        match numbers[..] {
            [-1, until_ms] => Ok(Tried::Closed(until_ms.saturating_sub(self.skew.add_ms()))),
            [first, second, ever] => {
                let in_windows = [first, second].map(i64::unsigned_abs);
                Ok(Tried::Counted { in_windows, ever: ever.unsigned_abs() })
            }
            _ => Err(reply::odd("a try")),
        }
    }

    pub(super) async fn forgive(&self, now_ms: i64, trying: &Trying<'_>, slips_max: u64) -> Stored<Value> {
        let (word, lasting, _) = ever(trying);
        let drawer = self.names.drawer(&trying.who.id, Drawer::Traces);
        let [first, second, own] = self.counters(trying);
        let forgive = Order::script(scripts::FORGIVE_TRY, &[&drawer, &first, &second, &own], |cmd| {
            cmd.arg(self.theirs(now_ms)).arg(&trying.nonce).arg(word).arg(lasting.by).arg(slips_max);
            fields(cmd, &lasting).arg(meters::window_ms(&trying.own))
        });
        self.durably(forgive.kept(), self.later()).await
    }
}

fn kept(meter: &Meter) -> u16 {
    match meter.shape {
        Shape::Exact { keep } | Shape::Guarded { keep, .. } => meters::keep(keep),
        Shape::Buckets | Shape::Distinct => meters::keep(u16::MAX),
    }
}
