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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stepward_core::{
        request::Body,
        session::{Method, Proof},
    };

    use super::*;
    use crate::{
        keys::Keys,
        sessions::{
            Committed, DEFAULT_LIMITS,
            record::{Subject, SubjectKind, VerifiedBy},
        },
        store::{Revocation, StateStore, embedded::Embedded},
    };

    const NOW: i64 = 1_780_000_000_000;
    const HOST: &str = "bank.example.com";
    const TTL: Duration = Duration::from_secs(30);
    const TAKEN: Taken = Taken { place: LogPlace { life: [1; 16], position: 7 }, read_ms: NOW, whom: [2; 16] };

    fn sessions(keys: &Keys) -> Sessions {
        Sessions::new(keys.clone(), DEFAULT_LIMITS).with_snapshots(TTL)
    }

    async fn signed_in(sessions: &Sessions, store: &Embedded) -> SessionHandle {
        let mut session = sessions.start(NOW, &"bank".into(), &HOST.into());
        let name: Arc<str> = "ada".into();
        let account = sessions.account("bank", &name);
        let (kind, verified_by) = (SubjectKind::Human, VerifiedBy::Login);
        session.sign_in(sessions, NOW, Subject { name, account, kind, verified_by, since_ms: NOW }, false);
        assert_eq!(session.commit(sessions, store).await, Ok(Committed::Done));
        session
    }

    fn request(host: &str, copy: &str) -> Request {
        Request {
            method: "GET".into(),
            host: host.into(),
            path: "/".into(),
            query: None,
            headers: Vec::new(),
            cookies: vec![("__Host-stepward-snapshot".into(), copy.into())],
            client_ip: [127, 0, 0, 1].into(),
            secure: true,
            body: Body::Empty,
        }
    }

    fn value(set_cookie: &str) -> String {
        set_cookie.split_once(';').unwrap().0.split_once('=').unwrap().1.to_string()
    }

    #[tokio::test]
    async fn a_copy_opens_under_its_keys_tenant_host_and_ticket_until_it_is_too_old() {
        let (keys, store) = (Keys::ephemeral(), Embedded::in_memory().unwrap());
        let sessions = sessions(&keys);
        let session = signed_in(&sessions, &store).await;
        let line = session.snapshot_cookie(&sessions, Scope::Https, TAKEN).unwrap();
        assert!(line.starts_with("__Host-stepward-snapshot="), "{line}");
        assert!(line.ends_with("; Max-Age=30; Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");
        let copy = value(&line);
        let own = session.reference();
        let read = |sessions: &Sessions, now_ms, tenant, host, session: &SessionRef| {
            sessions.snapshot(now_ms, tenant, &request(host, &copy), session)
        };
        let opened = read(&sessions, NOW, "bank", HOST, &own).unwrap();
        assert_eq!((opened.taken, &opened.record, opened.version), (TAKEN, &session.record, 1));
        assert!(!format!("{opened:?}").contains("ada"), "{opened:?}");
        for (what, now_ms, expected) in [
            ("its last millisecond", NOW + 29_999, true),
            ("too old", NOW + 30_000, false),
            ("made by a clock that is ahead", NOW - 30_000, true),
            ("made too far ahead", NOW - 30_001, false),
        ] {
            assert_eq!(read(&sessions, now_ms, "bank", HOST, &own).is_some(), expected, "{what}");
        }
        let other = signed_in(&sessions, &store).await.reference();
        assert_eq!(read(&sessions, NOW, "shop", HOST, &own), None, "another tenant");
        assert_eq!(read(&sessions, NOW, "bank", "shop.example.com", &own), None, "another host");
        assert_eq!(read(&sessions, NOW, "bank", HOST, &other), None, "another ticket");
        let rotated = keys.rotate(1).unwrap();
        assert!(read(&self::sessions(&rotated), NOW, "bank", HOST, &own).is_some(), "a key that is still live");
        assert_eq!(read(&self::sessions(&Keys::ephemeral()), NOW, "bank", HOST, &own), None, "a key that is not");
        assert_eq!(read(&sessions.with_snapshots(Duration::ZERO), NOW, "bank", HOST, &own), None, "switched off");
    }

    #[tokio::test]
    async fn no_changed_copy_opens() {
        let (keys, store) = (Keys::ephemeral(), Embedded::in_memory().unwrap());
        let sessions = sessions(&keys);
        let session = signed_in(&sessions, &store).await;
        let copy = value(&session.snapshot_cookie(&sessions, Scope::Https, TAKEN).unwrap());
        let reference = session.reference();
        let opens = |text: &str| sessions.snapshot(NOW, "bank", &request(HOST, text), &reference).is_some();
        assert!(opens(&copy));
        for at in 0..copy.len() {
            let other = if copy.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &copy[..at], &copy[at + 1..]);
            assert!(!opens(&changed), "{at}");
            assert!(!opens(&copy[..at]), "cut at {at}");
        }
    }

    #[tokio::test]
    async fn no_copy_is_made_of_what_is_not_in_the_store_tells_nothing_or_is_too_long() {
        let (keys, store) = (Keys::ephemeral(), Embedded::in_memory().unwrap());
        let sessions = sessions(&keys);
        let copied = |session: &SessionHandle| session.snapshot_cookie(&sessions, Scope::Https, TAKEN);
        let mut stranger = sessions.start(NOW, &"bank".into(), &HOST.into());
        assert_eq!(stranger.commit(&sessions, &store).await, Ok(Committed::Done));
        assert_eq!(copied(&stranger), None, "nobody has signed in");
        let mut session = signed_in(&sessions, &store).await;
        session.change().succeed("basket".into(), NOW);
        assert_eq!(copied(&session), None, "changed, not written");
        assert_eq!(session.commit(&sessions, &store).await, Ok(Committed::Done));
        let mut longest = 0;
        for number in 0..64 {
            let Some(line) = copied(&session) else { break };
            assert!(line.len() < 4096, "a browser would not keep it");
            longest = line.len();
            let (at_ms, event) = (NOW + number, format!("an event of the journey number {number}"));
            let proof = Proof { method: Method::Totp, at_ms, event: event.into(), bound_to: Some([200; 32]), by: None };
            session.change().prove(proof, None);
            assert_eq!(session.commit(&sessions, &store).await, Ok(Committed::Done));
        }
        assert!(longest > 1_500 && copied(&session).is_none(), "{longest}");
        session.end(&store).await.unwrap();
        assert_eq!(copied(&session), None, "ended");
    }

    #[tokio::test]
    async fn what_is_written_on_a_copy_does_not_bring_back_what_was_revoked_or_ended_since() {
        let (keys, store) = (Keys::ephemeral(), Embedded::in_memory().unwrap());
        let sessions = sessions(&keys);
        for is_ended in [true, false] {
            let mut session = signed_in(&sessions, &store).await;
            let copy = value(&session.snapshot_cookie(&sessions, Scope::Https, TAKEN).unwrap());
            let reference = session.reference();
            let later = NOW + 20_000;
            let copy = sessions.snapshot(later, "bank", &request(HOST, &copy), &reference).unwrap();
            let ticket = session.ticket;
            if is_ended {
                session.end(&store).await.unwrap();
            } else {
                let target = Counted { kind: Kind::Account, id: reference.home };
                store.revoke(Revocation { target, before_ms: NOW + 10_000 }).await.unwrap();
            }
            let mut amended = sessions.copied(later, ticket, reference, &copy).unwrap();
            let mut renewed = amended.clone();
            amended.change().succeed("transfer".into(), later);
            assert_eq!(amended.commit(&sessions, &store).await, Ok(Committed::Gone), "ended: {is_ended}");
            renewed.renew(&sessions);
            assert_eq!(renewed.commit(&sessions, &store).await, Ok(Committed::Gone), "ended: {is_ended}");
        }
    }

    #[tokio::test]
    async fn a_session_that_has_ended_by_itself_is_none_in_its_copy_either() {
        let (keys, store) = (Keys::ephemeral(), Embedded::in_memory().unwrap());
        let sessions = sessions(&keys);
        let session = signed_in(&sessions, &store).await;
        let copy = value(&session.snapshot_cookie(&sessions, Scope::Https, TAKEN).unwrap());
        let (ticket, reference) = (session.ticket, session.reference());
        let copy = sessions.snapshot(NOW, "bank", &request(HOST, &copy), &reference).unwrap();
        assert!(sessions.copied(NOW, ticket, reference, &copy).is_some());
        assert!(sessions.copied(NOW + 3_600_000, ticket, reference, &copy).is_none(), "an hour without a request");
    }

    #[test]
    fn the_digest_tells_kinds_ids_and_numbers_apart() {
        let who = |kind, byte| Counted { kind, id: [byte; 16] };
        let lists = [
            vec![],
            vec![who(Kind::Ip, 1)],
            vec![who(Kind::Account, 1)],
            vec![who(Kind::Ip, 2)],
            vec![who(Kind::Ip, 1), who(Kind::Ip, 1)],
            vec![who(Kind::Ip, 1), who(Kind::Device, 1)],
        ];
        let digests: std::collections::BTreeSet<_> = lists.iter().map(|list| digest(list)).collect();
        assert_eq!(digests.len(), lists.len());
        let session = SessionRef { home: [1; 16], id: [2; 16] };
        assert_eq!(rests_on(&session), [who(Kind::Session, 2), who(Kind::Account, 1), who(Kind::Session, 253)]);
    }
}
