//! Snapshots: a sealed copy of a session in its browser, which may answer for a store that is far away.
//!
//! It holds what the session proved and when, never anything that can be used up. Under one ticket a session only gains:
//! whatever takes something from it ends the ticket, and so says the revocation log. So an older copy that is sent again
//! tells at most what was true, and less than what is. A copy can be relied on only while the log vouches for it
//! ([`crate::recalls::Recalls::vouches`]): for the session, for its account, and for everybody whose lock-outs were looked at when it
//! was made. That is for the journey to ask; here a copy is made, and told from what is none: sealed by another key, for
//! another tenant, host or ticket, too old, changed. Such a one is no copy and nothing else.

use std::{fmt, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use stepward_core::{request::Request, session::CLOCK_SKEW_MS};

use crate::{
    keys::Purpose,
    sessions::{
        SessionHandle, Sessions, Ticket,
        cookies::{self, Cookie, Scope},
        record::Record,
    },
    store::{Counted, Id, Kind, LogPlace, SessionRef},
};

/// First byte of a copy.
const VERSION: u8 = 1;
/// The longest copy that is given to a browser, as text: it comes with every request, and a browser keeps 4096 bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// What a copy says besides the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where the log stood before the session and the lock-outs were read.
    pub place: LogPlace,
    /// When they were read, by the clock of the node that did, in milliseconds since the Unix epoch.
    pub read_ms: i64,
    /// Whose lock-outs were read, and none held: [`digest`].
    pub whom: Id,
}

/// A copy that is genuine and not too old.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it says besides the session.
    pub taken: Taken,
    version: u64,
    record: Record,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({:?})", self.taken)
    }
}

/// These, as one number.
pub fn digest(whom: &[Counted]) -> Id {
    let mut hash = Sha256::new();
    for who in whom {
        let kind: u8 = match who.kind {
            Kind::Account => 1,
            Kind::Ip => 2,
            Kind::Device => 3,
            Kind::Pair => 4,
            Kind::Session => 5,
        };
        hash.update([kind]);
        hash.update(who.id);
    }
    hash.finalize().first_chunk().copied().unwrap_or_default()
}

/// What the log names when a session was replaced by another one: nobody listens for it, because what is open goes on.
/// No session has this id but by a chance of 2⁻¹²⁸.
pub fn succession(session: &SessionRef) -> Counted {
    Counted { kind: Kind::Session, id: session.id.map(|byte| !byte) }
}

/// Whom the log must not have named for a copy of this session to hold, besides those whose lock-outs were read.
pub fn rests_on(session: &SessionRef) -> [Counted; 3] {
    let own = |kind, id| Counted { kind, id };
    [own(Kind::Session, session.id), own(Kind::Account, session.home), succession(session)]
}

/// Whether copies are made of such a session. Others are replaced at the next sign-in, which the log would have to tell.
pub(super) fn is_worth_one(record: &Record) -> bool {
    record.subject.is_some() || !record.proofs.is_empty()
}

impl Sessions {
    /// Whether this node makes and believes snapshots.
    pub fn has_snapshots(&self) -> bool {
        !self.snapshots.is_zero()
    }

    /// The copy that comes with a ticket, if it is one.
    pub fn snapshot(&self, now_ms: i64, tenant: &str, request: &Request, session: &SessionRef) -> Option<Snapshot> {
        if !self.has_snapshots() {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(cookies::read(request, Cookie::Snapshot)?.as_bytes()).ok()?;
        let opened = self.keys.open(Purpose::Snapshot, tenant, &owner(&request.host, session), &sealed).ok()?;
        let snapshot = Snapshot::from_bytes(&opened.plain)?;
        let age_ms = now_ms.saturating_sub(snapshot.taken.read_ms);
        let is_fresh = (-CLOCK_SKEW_MS..millis(self.snapshots)).contains(&age_ms);
        (is_fresh && *snapshot.record.tenant == *tenant && snapshot.record.host == request.host).then_some(snapshot)
    }

    /// The session of a copy that can be relied on. `None`: it has ended by itself.
    pub fn copied(&self, now_ms: i64, ticket: Ticket, session: SessionRef, copy: &Snapshot) -> Option<SessionHandle> {
        let is_live = self.expires_ms(&copy.record) > now_ms;
        // INVARIANT: not later than the copy was read by any clock, so that what is written is void if it was revoked since.
        let begun_ms = copy.taken.read_ms.min(now_ms).saturating_sub(CLOCK_SKEW_MS);
        is_live.then(|| SessionHandle::of(copy.record.clone(), ticket, session, copy.version, begun_ms))
    }
}

impl SessionHandle {
    /// The `Set-Cookie` value that gives the browser a copy of this session as it is in the store. `None` where there is
    /// nothing to gain by one, or it would be too long.
    pub fn snapshot_cookie(&self, sessions: &Sessions, scope: Scope, taken: Taken) -> Option<String> {
        let is_kept = self.version > 0 && !self.is_changed && !self.is_over;
        if !sessions.has_snapshots() || !is_kept || !is_worth_one(&self.record) {
            return None;
        }
        let copy = Snapshot { taken, version: self.version, record: self.record.clone() };
        let owner = owner(&self.record.host, &self.reference);
        let sealed = sessions.keys.seal(Purpose::Snapshot, &self.record.tenant, &owner, &copy.to_bytes());
        let text = BASE64URL_NOPAD.encode(&sealed);
        (text.len() <= TEXT_BYTES_MAX).then(|| cookies::set(Cookie::Snapshot, scope, &text, sessions.snapshots))
    }
}

impl Snapshot {
    fn to_bytes(&self) -> Vec<u8> {
        let Taken { place, read_ms, whom } = self.taken;
        let mut bytes = vec![VERSION];
        bytes.extend(place.life);
        bytes.extend(place.position.to_be_bytes());
        bytes.extend(read_ms.to_be_bytes());
        bytes.extend(whom);
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.record.to_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Snapshot> {
        let ([version], rest) = bytes.split_first_chunk()?;
        let (life, rest) = rest.split_first_chunk()?;
        let (position, rest) = rest.split_first_chunk()?;
        let (read, rest) = rest.split_first_chunk()?;
        let (whom, rest) = rest.split_first_chunk()?;
        let (session_version, record) = rest.split_first_chunk()?;
        let place = LogPlace { life: *life, position: u64::from_be_bytes(*position) };
        let taken = Taken { place, read_ms: i64::from_be_bytes(*read), whom: *whom };
        let record = Record::from_bytes(record).filter(|_| *version == VERSION)?;
        Some(Snapshot { taken, version: u64::from_be_bytes(*session_version), record })
    }
}

/// Bound into the seal: a copy opens on its own host and with its own ticket only.
fn owner(host: &str, session: &SessionRef) -> Vec<u8> {
    [&session.home[..], &session.id, host.as_bytes()].concat()
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
