//! Recovery codes: ten at a time, 80 random bits each, good once.
//!
//! A code is never kept. Its HMAC under a key outside the store is the id of an entry in the account's drawer; using it
//! takes the entry out, which succeeds for exactly one caller (NIST SP 800-63B §5.1.2).

use data_encoding::BASE32_NOPAD;
use stepward_core::session::Method;

use crate::{
    challenges::{Challenges, authenticators, authenticators::Kept},
    clock,
    store::{Drawer, Id, StateStore, Stored},
};

const CODES: usize = 10;
const BYTES: usize = 10;
const LETTERS: usize = 16;

/// A typed code in its one spelling: upper case, no spaces or dashes, letters for the digits that look like them.
pub fn canonical(typed: &str) -> Option<String> {
    let skipped = |it: &char| it.is_whitespace() || matches!(it, '-' | '\u{2010}'..='\u{2015}');
    let letters = typed.chars().filter(|it| !skipped(it)).take(LETTERS + 1).map(|it| match it.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        other => other,
    });
    let code: String = letters.collect();
    let is_code = code.chars().count() == LETTERS && code.chars().all(|it| matches!(it, 'A'..='Z' | '2'..='7'));
    is_code.then_some(code)
}

/// Makes a new set and voids the old one. The codes, as people read them, exist only in what is returned.
pub async fn renew(challenges: &Challenges, tenant: &str, account: Id) -> Stored<Vec<String>> {
    let kept = Kept::Recovery { added_ms: challenges.clock.now_ms() };
    let mut codes = Vec::with_capacity(CODES);
    let mut own = Vec::with_capacity(CODES);
    for _ in 0..CODES {
        let code = BASE32_NOPAD.encode(&clock::random_bytes::<BYTES>());
        let id = id(challenges, tenant, account, &code);
        authenticators::add(challenges, tenant, account, id, &kept).await?;
        own.push(id);
        codes.push(code);
    }
    // Looked at afterwards: of two sets that are made at once, neither outlives the other.
    let all = authenticators::all(challenges, tenant, account).await?;
    for other in all.iter().filter(|it| it.method() == Method::RecoveryCode && !own.contains(&it.id)) {
        challenges.store.retire(account, Drawer::Authenticators, other.id).await?;
    }
    Ok(codes.iter().map(|code| grouped(code)).collect())
}

/// Uses a code up: true for exactly one caller.
pub async fn spend(challenges: &Challenges, tenant: &str, account: Option<Id>, code: &str) -> Stored<bool> {
    match account {
        Some(account) => {
            let id = id(challenges, tenant, account, code);
            challenges.store.retire(account, Drawer::Authenticators, id).await
        }
        None => Ok(false),
    }
}

fn id(challenges: &Challenges, tenant: &str, account: Id, code: &str) -> Id {
    challenges.keys.pseudonym(tenant, "recovery", &format!("{} {code}", data_encoding::HEXLOWER.encode(&account)))
}

fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_codes_have_one_spelling() {
        for typed in ["ABCD-EFGH-IJKL-MNOP", "abcd efgh ijkl mnop", " abcdefgh1jklmn0p "] {
            assert_eq!(canonical(typed).as_deref(), Some("ABCDEFGHIJKLMNOP"), "{typed:?}");
        }
        for typed in ["", "ABCD", "ABCD-EFGH-IJKL-MNOPQ", "ABCD-EFGH-IJKL-MNO9", "ABCDEFGHIJKLMNÖP"] {
            assert_eq!(canonical(typed), None, "{typed:?}");
        }
        assert_eq!(grouped("ABCDEFGHIJKLMNOP"), "ABCD-EFGH-IJKL-MNOP");
    }
}
