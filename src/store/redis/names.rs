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

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A session.
    Session(SessionRef),
    /// Until when somebody is locked out.
    Lock(Counted),
    /// A one-time token that was used.
    Claim(Id),
    /// An account's drawer.
    Drawer(Id, Drawer),
    /// A counter; the letter says how it is kept.
    Counter { who: Counted, name: u64, window_ms: i64, letter: char },
    /// Which life of its data a server is in.
    Epoch,
    /// Nothing that is carried to another store by its key: challenges, parked requests, marks, the log.
    Void,
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

    /// A one-time token that was used, by what scope and token are together.
    pub(super) fn claimed(&self, token: &Id) -> Key {
        self.key(token, "j")
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

    /// A pattern that all names fit, and no others' names.
    pub(super) fn all(&self) -> String {
        let special = |letter: char| matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\').then_some('\\');
        let prefix: String = self.prefix.chars().flat_map(|it| special(it).into_iter().chain([it])).collect();
        format!("{prefix}:{{*}}:*")
    }

    /// What the key of that name holds; `None` for a name that is not ours.
    pub(super) fn held(&self, name: &[u8]) -> Option<(Key, Held)> {
        let name = std::str::from_utf8(name).ok()?;
        let (tag, what) = name.strip_prefix(&*self.prefix)?.strip_prefix(":{")?.split_once("}:")?;
        let key = self.tagged(tag, what);
        if tag.starts_with("epoch") && what == "e" {
            return Some((key, Held::Epoch));
        }
        if tag == "log" {
            return Some((key, Held::Void));
        }
        let id = id(tag)?;
        let (letter, rest) = what.split_at_checked(1)?;
        let kind = |digit: &str| digit.parse().ok().and_then(numbered);
        let held = match letter {
            "s" => Held::Session(SessionRef { home: self::id(rest.strip_prefix(':')?)?, id }),
            "l" => Held::Lock(Counted { kind: kind(rest)?, id }),
            "j" => Held::Claim(id),
            "d" => Held::Drawer(id, drawer(rest)?),
            "m" => {
                let (head, rest) = rest.split_once(':')?;
                let (name, window_ms) = rest.split_once(':')?;
                let name = BASE64URL_NOPAD.decode(name.as_bytes()).ok()?;
                let (digit, letter) = head.split_at_checked(1)?;
                Held::Counter {
                    who: Counted { kind: kind(digit)?, id },
                    name: u64::from_be_bytes(name.try_into().ok()?),
                    window_ms: window_ms.parse().ok()?,
                    letter: letter.chars().next()?,
                }
            }
            // Challenges, parked requests, marks.
            "c" | "p" | "v" => Held::Void,
            _ => return None,
        };
        Some((key, held))
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

fn id(text: &str) -> Option<Id> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
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

fn drawer(number: &str) -> Option<Drawer> {
    let all = [Drawer::Authenticators, Drawer::Contacts, Drawer::Devices, Drawer::Remembered, Drawer::Traces];
    all.into_iter().find(|drawer| drawer_number(*drawer).to_string() == number)
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

    use super::{Held, Names, SLOTS, crc16};
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
    fn a_name_tells_what_its_key_holds() {
        let names = Names::new("state[1]".into());
        let who = Counted { kind: Kind::Pair, id: [7; 16] };
        let meter = Meter { name: 9 << 40, window: Duration::from_secs(60), shape: Shape::Buckets };
        let session = SessionRef { home: [7; 16], id: [8; 16] };
        let counter = Held::Counter { who, name: 9 << 40, window_ms: 60_000, letter: 'b' };
        for (key, held) in [
            (names.session(&session), Held::Session(session)),
            (names.lock(&who), Held::Lock(who)),
            (names.claimed(&[3; 16]), Held::Claim([3; 16])),
            (names.drawer(&[7; 16], Drawer::Traces), Held::Drawer([7; 16], Drawer::Traces)),
            (names.meter(&who, &meter, 60_000), counter),
            (names.epoch(|_| true), Held::Epoch),
            (names.log(), Held::Void),
            (names.mark(&who), Held::Void),
            (names.challenge(&[1; 16], &[2; 16]), Held::Void),
            (names.parked(&[1; 16], &[2; 16]), Held::Void),
        ] {
            assert_eq!(names.held(key.name.as_bytes()), Some((key, held)));
        }
        for foreign in ["state[1]2:{x}:e", "other:{epoch0}:e", "state[1]:{epoch0}", "state[1]:{AAAA}:s:AAAA", ""] {
            assert_eq!(names.held(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(names.all(), "state\\[1\\]:{*}:*");
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
