//! Names of keys in Redis, and the slot each lies in.
//!
//! The part in braces decides the slot (Redis Cluster specification, "Hash tags"): whatever is kept about one session, one
//! account, one address or one challenge lies in one slot. No name holds more than pseudonyms.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use crate::store::{Counted, Drawer, Id, Kind, Meter, SessionRef, Shape};

/// How many slots a Redis Cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) slot: u16,
}

/// Makes the names of one deployment.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Arc<str>,
}

impl Names {
    pub(super) fn new(prefix: Arc<str>) -> Self {
        Self { prefix }
    }

    pub(super) fn session(&self, session: &SessionRef) -> Key {
        self.key(&session.id, &format!("s:{}", text(&session.home)))
    }

    /// Until when somebody is locked out.
    pub(super) fn lock(&self, who: &Counted) -> Key {
        self.key(&who.id, &format!("l{}", number(who.kind)))
    }

    /// Before which moment an account's sessions, or a session, are void.
    pub(super) fn mark(&self, who: &Counted) -> Key {
        self.key(&who.id, &format!("v{}", number(who.kind)))
    }

    /// A counter whose shape or window was changed is another one.
    pub(super) fn meter(&self, who: &Counted, meter: &Meter, window_ms: i64) -> Key {
        let shape = match meter.shape {
            Shape::Exact { .. } => 'e',
            Shape::Guarded { .. } => 'g',
            Shape::Buckets => 'b',
            Shape::Distinct => 'd',
        };
        let name = BASE64URL_NOPAD.encode(&meter.name.to_be_bytes());
        self.key(&who.id, &format!("m{}{shape}:{name}:{window_ms}", number(who.kind)))
    }

    pub(super) fn challenge(&self, home: &Id, challenge: &Id) -> Key {
        self.key(home, &format!("c:{}", text(challenge)))
    }

    pub(super) fn parked(&self, home: &Id, parked: &Id) -> Key {
        self.key(home, &format!("p:{}", text(parked)))
    }

    pub(super) fn claim(&self, scope: &str, token: &Id) -> Key {
        self.key(token, &format!("j:{scope}"))
    }

    /// A drawer's entries: ciphertext by id, and counters by `n` and id.
    pub(super) fn drawer(&self, account: &Id, drawer: Drawer) -> Key {
        self.key(account, &format!("d{}", drawer_number(drawer)))
    }

    /// The revocation log.
    pub(super) fn log(&self) -> Key {
        self.tagged("log", "rev")
    }

    /// Where one server keeps which life of its data it is in: the first tag whose slot the server has.
    pub(super) fn epoch(&self, has: impl Fn(u16) -> bool) -> Key {
        let all = (0..u32::from(SLOTS) * 16).map(|number| self.tagged(&format!("epoch{number}"), "e"));
        all.into_iter().find(|key| has(key.slot)).unwrap_or_else(|| self.tagged("epoch0", "e"))
    }

    fn key(&self, tag: &Id, what: &str) -> Key {
        self.tagged(&text(tag), what)
    }

    fn tagged(&self, tag: &str, what: &str) -> Key {
        Key { name: format!("{}:{{{tag}}}:{what}", self.prefix), slot: crc16(tag.as_bytes()) % SLOTS }
    }
}

fn text(id: &Id) -> String {
    BASE64URL_NOPAD.encode(id)
}

/// The number a kind has in names and in the revocation log; never reused.
pub(super) fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Account => 1,
        Kind::Ip => 2,
        Kind::Device => 3,
        Kind::Pair => 4,
        Kind::Session => 5,
    }
}

/// The kind a number stands for.
pub(super) fn numbered(number: i64) -> Option<Kind> {
    [Kind::Account, Kind::Ip, Kind::Device, Kind::Pair, Kind::Session]
        .into_iter()
        .find(|kind| i64::from(self::number(*kind)) == number)
}

fn drawer_number(drawer: Drawer) -> u8 {
    match drawer {
        Drawer::Authenticators => 1,
        Drawer::Contacts => 2,
        Drawer::Devices => 3,
        Drawer::Remembered => 4,
        Drawer::Traces => 5,
    }
}

/// CRC16-CCITT (XMODEM), as the Redis Cluster specification names it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Names, SLOTS, crc16};
    use crate::store::{Counted, Drawer, Kind, Meter, SessionRef, Shape};

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b"foo") % SLOTS, 12_182);
    }

    #[test]
    fn whatever_is_kept_about_one_account_lies_in_one_slot() {
        let names = Names::new("stepward".into());
        let account = Counted { kind: Kind::Account, id: [7; 16] };
        let meter = Meter { name: 9, window: Duration::from_secs(60), shape: Shape::Buckets };
        let keys = [
            names.lock(&account),
            names.mark(&account),
            names.meter(&account, &meter, 60_000),
            names.drawer(&account.id, Drawer::Devices),
        ];
        assert!(keys.iter().all(|key| key.slot == keys[0].slot), "{keys:?}");
        let session = SessionRef { home: [7; 16], id: [8; 16] };
        let itself = Counted { kind: Kind::Session, id: session.id };
        let keys = [names.session(&session), names.lock(&itself), names.mark(&itself)];
        assert!(keys.iter().all(|key| key.slot == keys[0].slot), "{keys:?}");
    }

    #[test]
    fn every_server_has_a_place_for_its_epoch() {
        let names = Names::new("stepward".into());
        for first in (0..SLOTS).step_by(64) {
            let has = |slot| (first..first + 64).contains(&slot);
            assert!(has(names.epoch(has).slot), "none for {first}");
        }
    }
}
