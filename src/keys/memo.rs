//! Pseudonyms that were computed lately: one client's address, session and pair come with each of its requests.
//!
//! A pseudonym is a function of its fields and of a root that keys never change, so what is kept here may be pushed out
//! but cannot be wrong, and nothing ever has to be voided: other keys have a memo of their own. The fields themselves are
//! not kept, only 128 bits of SipHash over them, under keys that are random in each process: to be given another's
//! pseudonym takes a collision there, which is no easier to come by than one of the pseudonyms, of as many bits.
//!
//! Names of people never come here: how long an answer takes must not tell who was here before.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    iter,
    sync::{Mutex, OnceLock},
};

/// How many pseudonyms are kept at most, 40 bytes each.
const PSEUDONYMS_MAX: usize = 4_096;
/// Longer fields, altogether and with their lengths, are not kept.
pub(super) const FIELDS_BYTES_MAX: usize = 192;

type Slot = Mutex<([u64; 2], [u8; 16])>;

/// The newest pseudonym of each place; a value always has the same place.
#[derive(Default)]
pub(super) struct Memo {
    hashers: [RandomState; 2],
    /// Made when first needed: most commands need none.
    slots: OnceLock<Box<[Slot]>>,
}

impl Memo {
    /// The pseudonym of these fields (with their lengths, so that no two lists read alike), by `compute` where it is not
    /// known. Never waits.
    pub(super) fn of(&self, fields: &[u8], compute: impl FnOnce() -> [u8; 16]) -> [u8; 16] {
        let mark = self.mark(fields);
        let slots = self.slots.get_or_init(|| iter::repeat_with(Slot::default).take(PSEUDONYMS_MAX).collect());
        let place = usize::try_from(mark[0] % PSEUDONYMS_MAX as u64).unwrap_or_default();
        let Some(mut slot) = slots.get(place).and_then(|slot| slot.try_lock().ok()) else { return compute() };
        if slot.0 != mark {
            *slot = (mark, compute());
        }
        slot.1
    }

    fn mark(&self, fields: &[u8]) -> [u64; 2] {
        let of = |hasher: &RandomState| {
            let mut hash = hasher.build_hasher();
            hash.write(fields);
            hash.finish()
        };
        // An empty place has a mark of zeroes.
        [of(&self.hashers[0]), of(&self.hashers[1]).max(1)]
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_was_computed_is_not_computed_again_and_nothing_is_given_for_something_else() {
        let memo = Memo::default();
        let computed = Cell::new(0);
        let of = |value: u32| {
            let compute = || {
                computed.set(computed.get() + 1);
                [value as u8; 16]
            };
            memo.of(&value.to_be_bytes(), compute)
        };
        assert_eq!((of(1), of(1)), ([1; 16], [1; 16]));
        assert_eq!(computed.get(), 1);
        for value in (0..20_000).chain(0..20_000) {
            assert_eq!(of(value), [value as u8; 16], "more than fit push each other out, never in");
        }
        assert_eq!(memo.slots.get().map(|slots| slots.len()), Some(PSEUDONYMS_MAX));
    }
}
