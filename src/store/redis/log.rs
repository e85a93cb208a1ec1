//! The revocation log: a stream, read by each node on a connection of its own.
//!
//! Places are the servers' moments, so that they go on rising after a fail-over that lost the newest entries. A reader
//! that hears nothing within its wait knows that there is nothing newer: on the server that has the log now. A connection
//! to one that had it before a fail-over would hear nothing for ever, so it ends with the life it was made in.

use std::{sync::Arc, time::Duration};

use ::redis::{Value, aio::MultiplexedConnection};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use crate::store::{
    Counted, LOG_READ_MAX, LogPosition, Revocation, StateError, Stored,
    redis::{
        fleet::{Fleet, Order},
        link::{Manner, Up},
        names::{self, Names},
        reply,
    },
};

/// How many entries are kept, about.
const KEPT: u32 = 100_000;
/// Bits of a place that number the entries of one millisecond.
const WITHIN_BITS: u32 = 20;
/// How long one blocking read may take: what is not back long after is a dead connection.
const SLICE: Duration = Duration::from_millis(200);
const SLACK: Duration = Duration::from_millis(300);

/// Reads the log.
#[derive(Default)]
pub(super) struct Reader {
    /// Whose turn it is to block.
    connection: Mutex<Option<Listening>>,
}

/// A connection that may block, and the standing of the server it was made in.
struct Listening {
    connection: MultiplexedConnection,
    up: Arc<Up>,
}

/// What adds to the log; the answer is its place.
pub(super) fn add(names: &Names, revocation: &Revocation) -> Order {
    let Revocation { target, before_ms } = revocation;
    Order::new(&names.log(), "XADD", |cmd| {
        cmd.arg("MAXLEN").arg("~").arg(KEPT).arg("*");
        cmd.arg("k").arg(names::number(target.kind)).arg("i").arg(&target.id).arg("b").arg(*before_ms)
    })
}

impl Reader {
    /// Entries after a place, oldest first; waits for one.
    pub(super) async fn after(
        &self,
        fleet: &Fleet,
        names: &Names,
        position: LogPosition,
        wait: Duration,
        until: Instant,
    ) -> Stored<Vec<(LogPosition, Revocation)>> {
        let read = |block: Option<Duration>| {
            let mut command = ::redis::cmd("XREAD");
            command.arg("COUNT").arg(LOG_READ_MAX);
            if let Some(block) = block {
                command.arg("BLOCK").arg(block.as_millis().max(1) as u64);
            }
            command.arg("STREAMS").arg(names.log().name).arg(text(position));
            command
        };
        let there = fleet.run(vec![Order::raw(&names.log(), read(None))], Manner::Beside, until).await?;
        let there = entries(there.into_iter().next().unwrap_or(Value::Nil))?;
        if !there.is_empty() || wait.is_zero() {
            return Ok(there);
        }
        let end = Instant::now() + wait;
        let Ok(mut connection) = timeout_at(end, self.connection.lock()).await else { return Ok(Vec::new()) };
        loop {
            // Every slice is heard to its end, so that the connection can be used again.
            let slice = SLICE.min(end.saturating_duration_since(Instant::now()));
            if slice.is_zero() {
                return Ok(Vec::new());
            }
            let answer = self::ask(&mut connection, fleet, names, &read(Some(slice)), slice + SLACK).await?;
            let found = entries(answer)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// One blocking read; a connection that does not answer as it should is not used again.
async fn ask(
    connection: &mut Option<Listening>,
    fleet: &Fleet,
    names: &Names,
    command: &::redis::Cmd,
    wait: Duration,
) -> Stored<Value> {
    let link = fleet.link(names.log().slot)?;
    let up = link.up().ok_or(StateError::Unavailable)?;
    let mut live = match connection.take().filter(|live| Arc::ptr_eq(&live.up, &up)) {
        Some(live) => live,
        None => Listening { connection: link.another(&up).await?, up },
    };
    match timeout(wait, live.connection.send_packed_command(command)).await {
        Ok(Ok(Value::ServerError(_)) | Err(_)) => Err(StateError::Unavailable),
        Ok(Ok(answer)) => {
            *connection = Some(live);
            Ok(answer)
        }
        Err(_) => Err(StateError::Indeterminate),
    }
}

/// `XREAD`: one stream with its entries, or nothing.
fn entries(answer: Value) -> Stored<Vec<(LogPosition, Revocation)>> {
    let Some(stream) = reply::list(answer)?.into_iter().next() else { return Ok(Vec::new()) };
    let mut stream = reply::list(stream)?.into_iter();
    reply::next(&mut stream)?;
    reply::list(reply::next(&mut stream)?)?.into_iter().map(entry).collect()
}

fn entry(entry: Value) -> Stored<(LogPosition, Revocation)> {
    let mut entry = reply::list(entry)?.into_iter();
    let position = place(&reply::bytes(reply::next(&mut entry)?)?)?;
    let fields = reply::list(reply::next(&mut entry)?)?;
    let [_, kind, _, Value::BulkString(id), _, before] = &fields[..] else { return Err(reply::odd("a revocation")) };
    let kind = names::numbered(reply::number(kind)?).ok_or_else(|| reply::odd("a kind"))?;
    let id = id[..].try_into().map_err(|_| reply::odd("a pseudonym"))?;
    let target = Counted { kind, id };
    Ok((position, Revocation { target, before_ms: reply::number(before)? }))
}

/// `milliseconds-number` as one number.
pub(super) fn place(text: &[u8]) -> Stored<LogPosition> {
    let parts = || {
        let (ms, within) = std::str::from_utf8(text).ok()?.split_once('-')?;
        let (ms, within): (u64, u64) = (ms.parse().ok()?, within.parse().ok()?);
        (within < 1 << WITHIN_BITS).then_some(ms << WITHIN_BITS | within)
    };
    parts().ok_or_else(|| reply::odd("a place in the log"))
}

fn text(position: LogPosition) -> String {
    format!("{}-{}", position >> WITHIN_BITS, position & ((1 << WITHIN_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::{place, text};

    #[test]
    fn places_read_back_and_rise_with_the_log() {
        let ids = ["0-1", "1780000000000-0", "1780000000000-7", "1780000000001-0"];
        let places: Vec<_> = ids.iter().map(|id| place(id.as_bytes()).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(places.iter().map(|it| text(*it)).collect::<Vec<_>>(), ids);
        assert_eq!(text(0), "0-0");
        assert!(place(b"x").is_err());
    }
}
