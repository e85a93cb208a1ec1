//! Records of sessions that were opened lately: a session's requests come one after another, and until something is
//! written the store gives the same bytes for each.
//!
//! What a record opens to is a function of the keys, which [`super::Sessions`] never change, of its tenant and reference
//! and of its sealed bytes. It is given from here only where all of these are the same, byte for byte; a record that was
//! written again, sealed with another key, or belongs to another ticket or tenant is opened anew, and other sessions
//! (after a key was retired) remember nothing of these. Nothing that depends on time, host or store is answered here:
//! whether a session is still there, has run out or is used on its own host is asked with every request, of whoever
//! knows.
//!
//! It keeps plainly, for as long as its place is not taken, what the process could open at any time with the keys that it
//! has in memory anyway; never in a log, and never more than [`RECORDS_MAX`] records.

use std::{
    fmt, iter,
    sync::{Arc, Mutex, OnceLock},
};

use crate::{sessions::record::Record, store::SessionRef};

/// How many records are kept at most.
const RECORDS_MAX: usize = 1_024;
/// Larger ones, in sealed bytes, are opened every time.
const SEALED_BYTES_MAX: usize = 4 * 1_024;

/// One opened record.
struct Kept {
    reference: SessionRef,
    sealed: Box<[u8]>,
    record: Record,
    reseal: bool,
}

type Place = Mutex<Option<Kept>>;

/// The newest record of each place; a session always has the same place. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<OnceLock<Box<[Place]>>>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}

impl Opened {
    /// What these bytes open to, and whether they are to be sealed again; by `open` where that is not known. Never waits.
    pub(super) fn of(
        &self,
        tenant: &str,
        reference: &SessionRef,
        sealed: &[u8],
        open: impl FnOnce() -> Option<(Record, bool)>,
    ) -> Option<(Record, bool)> {
        // Made when first needed: most commands open no session.
        let places = self.0.get_or_init(|| iter::repeat_with(Mutex::default).take(RECORDS_MAX).collect());
        // The id is an HMAC: its first bytes are as good as random.
        let at = usize::from(u16::from_be_bytes([reference.id[0], reference.id[1]])) % RECORDS_MAX;
        let Some(mut place) = places.get(at).and_then(|place| place.try_lock().ok()) else { return open() };
        let is_same =
            |kept: &&Kept| kept.reference == *reference && *kept.sealed == *sealed && *kept.record.tenant == *tenant;
        if let Some(kept) = place.as_ref().filter(is_same) {
            return Some((kept.record.clone(), kept.reseal));
        }
        let (record, reseal) = open()?;
        if sealed.len() <= SEALED_BYTES_MAX {
            *place = Some(Kept { reference: *reference, sealed: sealed.into(), record: record.clone(), reseal });
        }
        Some((record, reseal))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::*;
    use crate::{
        keys::Keys,
        sessions::{DEFAULT_LIMITS, Sessions},
        store::Session,
    };

    const NOW: i64 = 1_780_000_000_000;

    fn reference(id: u32) -> SessionRef {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        SessionRef { home: bytes, id: bytes }
    }

    #[test]
    fn a_record_is_given_only_for_the_same_tenant_reference_and_bytes() {
        let (opened, times) = (Opened::default(), Cell::new(0));
        let of = |tenant: &str, reference: SessionRef, sealed: &[u8]| {
            let open = || {
                times.set(times.get() + 1);
                Some((Record::new(tenant.into(), "host".into(), NOW), false))
            };
            let (record, _) = opened.of(tenant, &reference, sealed, open).unwrap();
            assert_eq!(&*record.tenant, tenant);
            times.replace(0)
        };
        let home = SessionRef { home: [9; 16], ..reference(1) };
        assert_eq!((of("bank", reference(1), b"sealed"), of("bank", reference(1), b"sealed")), (1, 0));
        assert_eq!(of("shop", reference(1), b"sealed"), 1, "another tenant");
        assert_eq!(of("shop", home, b"sealed"), 1, "another home");
        assert_eq!(of("shop", home, b"Sealed"), 1, "written again");
        assert_eq!((of("shop", reference(1 << 16), b"Sealed"), of("shop", home, b"Sealed")), (1, 0), "another place");
        let large = vec![0; SEALED_BYTES_MAX + 1];
        assert_eq!((of("bank", reference(1), &large), of("bank", reference(1), &large)), (1, 1), "too large");
    }

    #[test]
    fn what_does_not_open_is_not_remembered_and_pushes_nothing_out() {
        let opened = Opened::default();
        let record = Record::new("bank".into(), "host".into(), NOW);
        assert!(opened.of("bank", &reference(1), b"a", || Some((record.clone(), true))).is_some());
        assert!(opened.of("bank", &reference(1), b"b", || None).is_none());
        assert_eq!(opened.of("bank", &reference(1), b"a", || None), Some((record, true)));
    }

    #[test]
    fn records_are_bounded() {
        let opened = Opened::default();
        for id in 0..4 * RECORDS_MAX as u32 {
            let record = Record::new("bank".into(), "host".into(), i64::from(id));
            let (given, _) = opened.of("bank", &reference(id << 16), b"a", || Some((record.clone(), false))).unwrap();
            assert_eq!(given.started_ms, i64::from(id));
        }
        assert_eq!(opened.0.get().map(|places| places.len()), Some(RECORDS_MAX));
    }

    #[test]
    fn a_session_that_ran_out_moved_host_or_lost_its_key_is_not_answered_from_memory() {
        let keys = Keys::ephemeral();
        let sessions = Sessions::new(keys.clone(), DEFAULT_LIMITS);
        let handle = sessions.start(NOW, &"bank".into(), &"host".into());
        let stored = Session { version: 1, sealed: sessions.sealed(&handle.reference, &handle.record) };
        let resume = |sessions: &Sessions, now_ms: i64, tenant: &str, host: &str, stored: &Session| {
            sessions.resume(now_ms, tenant, host, handle.ticket, stored).is_some()
        };
        let hour_ms = Duration::from_secs(3_600).as_millis() as i64;
        for _ in 0..2 {
            assert!(resume(&sessions, NOW, "bank", "host", &stored));
            assert!(!resume(&sessions, NOW + hour_ms, "bank", "host", &stored), "nobody used it for an hour");
            assert!(!resume(&sessions, NOW, "bank", "other", &stored), "another host");
            assert!(!resume(&sessions, NOW, "shop", "host", &stored), "another tenant");
            let mut changed = stored.clone();
            changed.sealed[20] ^= 1;
            assert!(!resume(&sessions, NOW, "bank", "host", &changed), "changed");
        }
        let rotated = keys.rotate(NOW).unwrap();
        let rotated_sessions = Sessions::new(rotated.clone(), DEFAULT_LIMITS);
        let again = rotated_sessions.resume(NOW, "bank", "host", handle.ticket, &stored).unwrap();
        assert!(again.is_changed(), "with the new key it is sealed anew");
        let retired = Sessions::new(Keys::of(rotated.ring().retired(1).unwrap()), DEFAULT_LIMITS);
        assert!(!resume(&retired, NOW, "bank", "host", &stored), "its key is retired");
    }
}
