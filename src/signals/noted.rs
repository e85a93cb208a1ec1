//! Accounts whose first day is known to be written, so that it is not asked for after every event.
//!
//! It forgets: what it does not hold is read from the store again, and nothing but a read follows.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use crate::store::Id;

/// Accounts held at once; one more empties it.
const ACCOUNTS_MAX: usize = 16_384;

/// See the module.
#[derive(Debug, Default)]
pub struct Noted(Mutex<HashSet<Id>>);

impl Noted {
    /// Whether this account was noted.
    pub fn holds(&self, account: &Id) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(account)
    }

    /// Notes an account.
    pub fn note(&self, account: Id) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= ACCOUNTS_MAX {
            held.clear();
        }
        held.insert(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let noted = Noted::default();
        let id = |number: usize| (number as u128).to_be_bytes();
        (0..=ACCOUNTS_MAX).for_each(|number| noted.note(id(number)));
        assert!(noted.holds(&id(ACCOUNTS_MAX)) && !noted.holds(&id(0)));
        assert_eq!(noted.0.lock().unwrap().len(), 1);
    }
}
