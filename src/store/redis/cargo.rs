//! Everything that lies in Redis, read out; and everything of another store, written in.
//!
//! Names are found by scanning each master (`SCAN`), so nothing may work on this state meanwhile. Writing is safe to do
//! twice: every key is set as a whole, and hits of a counter have names that follow from what they are.

use std::collections::HashMap;

use ::redis::Value;
use tokio::time::Instant;

use crate::store::{
    Counted, Drawer, Id, Kind, Meter, Revocation, Session, SessionRef, Shape, StateStore, Stored,
    carried::{Cargo, Carried, Hits, NOBODY, PIECE, Packer, Unwanted},
    redis::{
        Redis,
        fleet::Order,
        link::Manner,
        log,
        meters::SKEW_MS,
        names::{Held, Key},
        reply, scripts,
        standing::{self, Kept, MARK_KEPT_MS},
        step_field,
    },
};

/// How many names a server looks through in one step.
const SCAN_STEP: usize = 1_000;

impl Redis {
    /// Everything that is carried, from a task of its own.
    pub(in crate::store) fn cargo(self) -> Cargo {
        let (mut packer, cargo) = Packer::new();
        tokio::spawn(async move {
            let end = match self.unload(&mut packer).await {
                Ok(()) | Err(Stop::Unwanted) => Ok(()),
                Err(Stop::Broken(error)) => Err(error),
            };
            packer.end(end).await;
        });
        cargo
    }

    /// Whether nothing of ours lies there, but for what every connection writes.
    pub(in crate::store) async fn is_empty(&self) -> Stored<bool> {
        let mut scan = self.fleet.scan(&self.names.all(), SCAN_STEP);
        while let Some(keys) = scan.next(self.patience()).await? {
            if keys.iter().any(|key| !matches!(self.names.held(key), Some((_, Held::Epoch)))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes everything of ours, but for what every connection writes.
    pub(in crate::store) async fn clear(&self) -> Stored<()> {
        let mut scan = self.fleet.scan(&self.names.all(), SCAN_STEP);
        while let Some(keys) = scan.next(self.patience()).await? {
            let ours = keys.iter().filter_map(|key| self.names.held(key));
            let removals: Vec<_> =
                ours.filter(|(_, held)| *held != Held::Epoch).map(|(key, _)| Order::unlink(&key)).collect();
            if !removals.is_empty() {
                self.fleet.run(removals, Manner::Beside, self.patience()).await?;
            }
        }
        Ok(())
    }

    /// Writes what another store held.
    pub(in crate::store) async fn adopt(&self, piece: Vec<Carried>) -> Stored<()> {
        let orders: Vec<_> = piece.into_iter().flat_map(|carried| self.orders(carried)).collect();
        match orders.is_empty() {
            true => Ok(()),
            false => self.fleet.run(orders, Manner::Durable, self.patience()).await.map(drop),
        }
    }

    /// The end of a step of something that is in no hurry.
    fn patience(&self) -> Instant {
        Instant::now() + self.wait
    }

    fn orders(&self, carried: Carried) -> Vec<Order> {
        match carried {
            Carried::Session { session, begun_ms, expires_ms, version, sealed } => {
                let kept = Kept {
                    begun_ms: self.theirs(begun_ms),
                    expires_ms: self.theirs(expires_ms),
                    session: Session { version, sealed },
                };
                let key = self.names.session(&session);
                vec![Order::new(&key, "SET", |cmd| cmd.arg(kept.write()).arg("PX").arg(self.ttl(expires_ms)))]
            }
            Carried::Claim { token, nonce, expires_ms } => {
                let value = [&nonce[..], self.theirs(expires_ms).to_string().as_bytes()].concat();
                let key = self.names.claimed(&token);
                vec![Order::new(&key, "SET", |cmd| cmd.arg(value).arg("PX").arg(self.ttl(expires_ms)))]
            }
            Carried::Entry { account, drawer, id, counter, sealed } => {
                let step = (counter > 0).then(|| format!("{counter:020}"));
                vec![Order::new(&self.names.drawer(&account, drawer), "HSET", |cmd| {
                    cmd.arg(&id).arg(sealed);
                    step.iter().fold(cmd, |cmd, step| cmd.arg(step_field(&id)).arg(step))
                })]
            }
            Carried::Lock { who, until_ms } => {
                let key = self.names.lock(&who);
                let value = self.theirs(until_ms);
                vec![Order::new(&key, "SET", |cmd| cmd.arg(value).arg("PX").arg(self.ttl(until_ms)))]
            }
            Carried::Revocation(revocation) => self.revoked(&revocation),
            Carried::Counter { who, name, window_ms, hits } => self.counter(&who, name, window_ms, hits),
        }
    }

    /// The entry of the log, and the mark that keeps late writes out.
    fn revoked(&self, revocation: &Revocation) -> Vec<Order> {
        let Revocation { target, before_ms } = *revocation;
        let before_ms = self.theirs(before_ms);
        let add = log::add(&self.names, &Revocation { target, before_ms });
        match target.kind {
            Kind::Account | Kind::Session => {
                let key = self.names.mark(&target);
                let mark = Order::script(scripts::RAISE, &[&key], |cmd| cmd.arg(before_ms).arg(MARK_KEPT_MS + SKEW_MS));
                vec![mark, add]
            }
            Kind::Ip | Kind::Device | Kind::Pair => vec![add],
        }
    }

    fn counter(&self, who: &Counted, name: u64, window_ms: i64, hits: Hits) -> Vec<Order> {
        let shape = match hits {
            Hits::Exact(_) => Shape::Exact { keep: 0 },
            Hits::Guarded(_) => Shape::Guarded { keep: 0, limit: 0 },
            Hits::Buckets(_) => Shape::Buckets,
            Hits::Distinct(_) => Shape::Distinct,
        };
        let meter = Meter { name, window: std::time::Duration::from_millis(window_ms.unsigned_abs()), shape };
        let key = self.names.meter(who, &meter, window_ms);
        let put = match hits {
            Hits::Exact(moments) | Hits::Guarded(moments) if !moments.is_empty() => Order::new(&key, "ZADD", |cmd| {
                moments.iter().enumerate().fold(cmd, |cmd, (at, ms)| {
                    // Unlike any other of the same counter, and the same if it is written again.
                    cmd.arg(self.theirs(*ms)).arg(&(*ms << 8 | at as i64).to_be_bytes())
                })
            }),
            Hits::Distinct(values) if !values.is_empty() => Order::new(&key, "ZADD", |cmd| {
                values.iter().fold(cmd, |cmd, (value, ms)| cmd.arg(self.theirs(*ms)).arg(&value.to_be_bytes()))
            }),
            Hits::Buckets(tenths) if !tenths.is_empty() => {
                let later = self.tenths_later(window_ms);
                Order::new(&key, "HSET", |cmd| {
                    tenths.iter().fold(cmd, |cmd, (tenth, hits)| cmd.arg(tenth.saturating_add(later)).arg(*hits))
                })
            }
            Hits::Exact(_) | Hits::Guarded(_) | Hits::Distinct(_) | Hits::Buckets(_) => return Vec::new(),
        };
        vec![put, Order::new(&key, "PEXPIRE", |cmd| cmd.arg(window_ms + window_ms / 5 + SKEW_MS))]
    }

    /// By how many tenths of a window the servers' clock is ahead, rounded so that hits count longer rather than shorter.
    fn tenths_later(&self, window_ms: i64) -> i64 {
        let (tenth_ms, add_ms) = ((window_ms / 10).max(1), self.skew.add_ms());
        add_ms.div_euclid(tenth_ms) + i64::from(add_ms.rem_euclid(tenth_ms) > 0)
    }

    async fn unload(&self, packer: &mut Packer) -> Result<(), Stop> {
        let mut position = 0;
        loop {
            let entries = self.revocations_after(position, std::time::Duration::ZERO).await?;
            let Some((newest, _)) = entries.last() else { break };
            position = *newest;
            let told = entries.iter().map(|it| it.1).filter(|it| it.before_ms > i64::MIN / 2);
            packer.put(told.map(Carried::Revocation).collect()).await?;
        }
        let mut scan = self.fleet.scan(&self.names.all(), SCAN_STEP);
        while let Some(keys) = scan.next(self.patience()).await? {
            let held: Vec<_> = keys.iter().filter_map(|key| self.names.held(key)).collect();
            for piece in held.chunks(PIECE) {
                packer.put(self.read(piece).await?).await?;
            }
        }
        Ok(())
    }

    /// What some keys hold.
    async fn read(&self, keys: &[(Key, Held)]) -> Stored<Vec<Carried>> {
        let mut orders = Vec::new();
        for (key, held) in keys {
            match held {
                Held::Session(session) => {
                    orders.push(Order::get(key));
                    orders.extend(standing::marks(&self.names, session).iter().map(Order::get));
                }
                Held::Lock(_) | Held::Claim(_) => orders.push(Order::get(key)),
                Held::Drawer(..) => orders.push(Order::new(key, "HGETALL", |cmd| cmd)),
                Held::Counter { letter: 'b', .. } => orders.push(Order::new(key, "HGETALL", |cmd| cmd)),
                Held::Counter { .. } => {
                    orders.push(Order::new(key, "ZRANGE", |cmd| cmd.arg(0).arg(-1).arg("WITHSCORES")));
                }
                Held::Epoch | Held::Void => {}
            }
        }
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers = self.fleet.run(orders, Manner::Beside, self.patience()).await?.into_iter();
        let mut all = Vec::with_capacity(keys.len());
        for (_, held) in keys {
            match held {
                Held::Session(session) => all.extend(self.session(session, &mut answers)?),
                Held::Lock(who) => {
                    let until_ms = reply::maybe_number(&reply::next(&mut answers)?)?;
                    all.extend(until_ms.map(|it| Carried::Lock { who: *who, until_ms: self.ours(it) }));
                }
                Held::Claim(token) => {
                    let there = reply::maybe_bytes(reply::next(&mut answers)?)?;
                    all.extend(there.map(|it| self.claimed(token, &it)).transpose()?);
                }
                Held::Drawer(account, drawer) => all.extend(entries(account, *drawer, reply::next(&mut answers)?)?),
                Held::Counter { who, name, window_ms, letter } => {
                    let hits = self.hits(*letter, *window_ms, reply::next(&mut answers)?)?;
                    all.push(Carried::Counter { who: *who, name: *name, window_ms: *window_ms, hits });
                }
                Held::Epoch | Held::Void => {}
            }
        }
        Ok(all)
    }

    /// A session, unless it is void.
    fn session(&self, session: &SessionRef, answers: &mut impl Iterator<Item = Value>) -> Stored<Option<Carried>> {
        let there = reply::maybe_bytes(reply::next(answers)?)?;
        let mut void_ms = i64::MIN;
        for _ in 0..2 {
            void_ms = void_ms.max(reply::maybe_number(&reply::next(answers)?)?.unwrap_or(i64::MIN));
        }
        let Some(kept) = there.map(Kept::read).transpose()? else { return Ok(None) };
        let (begun_ms, expires_ms) = (self.ours(kept.begun_ms), self.ours(kept.expires_ms));
        let live = kept.live(self.theirs(self.clock.now_ms()), void_ms);
        Ok(live.map(|Session { version, sealed }| Carried::Session {
            session: *session,
            begun_ms,
            expires_ms,
            version,
            sealed,
        }))
    }

    fn claimed(&self, token: &Id, value: &[u8]) -> Stored<Carried> {
        let parts = value.split_first_chunk::<16>();
        let (nonce, expires) = parts.ok_or_else(|| reply::odd("a claim"))?;
        let expires_ms = reply::number(&Value::BulkString(expires.to_vec()))?;
        Ok(Carried::Claim { token: *token, nonce: *nonce, expires_ms: self.ours(expires_ms) })
    }

    fn hits(&self, letter: char, window_ms: i64, answer: Value) -> Stored<Hits> {
        let pairs = reply::pairs(answer)?;
        if letter == 'b' {
            let later = self.tenths_later(window_ms);
            let tenth = |(tenth, hits): (Value, Value)| -> Stored<_> {
                let hits = u32::try_from(reply::number(&hits)?.max(0)).unwrap_or(u32::MAX);
                Ok((reply::number(&tenth)?.saturating_sub(later), hits))
            };
            return Ok(Hits::Buckets(pairs.into_iter().map(tenth).collect::<Stored<_>>()?));
        }
        let mut values = Vec::with_capacity(pairs.len());
        for (value, score) in pairs {
            let value = reply::bytes(value)?;
            let front = value.first_chunk::<8>().copied().ok_or_else(|| reply::odd("a hit"))?;
            values.push((u64::from_be_bytes(front), self.ours(score_ms(&score)?)));
        }
        let moments = || values.iter().map(|(_, ms)| *ms).collect();
        match letter {
            'e' => Ok(Hits::Exact(moments())),
            'g' => Ok(Hits::Guarded(moments())),
            _ => Ok(Hits::Distinct(values)),
        }
    }

    /// A moment by the servers' clock as callers know it.
    fn ours(&self, ms: i64) -> i64 {
        ms.saturating_sub(self.skew.add_ms())
    }
}

/// Scores are doubles; those of moments are whole.
fn score_ms(score: &Value) -> Stored<i64> {
    match score {
        Value::Double(ms) => Ok(*ms as i64),
        Value::BulkString(bytes) => {
            let ms: Option<f64> = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            ms.map(|ms| ms as i64).ok_or_else(|| reply::odd("a score"))
        }
        other => reply::number(other),
    }
}

/// What a drawer's hash holds, but for what the store notes of itself.
fn entries(account: &Id, drawer: Drawer, answer: Value) -> Stored<Vec<Carried>> {
    let mut steps = HashMap::new();
    let mut found = Vec::new();
    for (field, value) in reply::pairs(answer)? {
        let field = reply::bytes(field)?;
        match (<Id>::try_from(&field[..]), field.split_first_chunk::<1>()) {
            (Ok(id), _) => found.push((id, reply::bytes(value)?)),
            (Err(_), Some((b"n", id))) => drop(steps.insert(id.to_vec(), reply::number(&value)?.unsigned_abs())),
            (Err(_), _) => return Err(reply::odd("an entry of a drawer")),
        }
    }
    let entry = |(id, sealed): (Id, Vec<u8>)| {
        let counter = steps.get(&id[..]).copied().unwrap_or(0);
        Carried::Entry { account: *account, drawer, id, counter, sealed }
    };
    Ok(found.into_iter().filter(|(id, _)| (*account, *id) != (NOBODY, NOBODY)).map(entry).collect())
}

/// Why reading out ended early.
enum Stop {
    Unwanted,
    Broken(crate::store::StateError),
}

impl From<crate::store::StateError> for Stop {
    fn from(error: crate::store::StateError) -> Self {
        Stop::Broken(error)
    }
}

impl From<Unwanted> for Stop {
    fn from(Unwanted: Unwanted) -> Self {
        Stop::Unwanted
    }
}
