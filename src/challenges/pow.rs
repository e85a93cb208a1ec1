//! Proof of work (hashcash over SHA-256): slows robots, says nothing about a person.
//!
//! The seed is the challenge's id, so that a solution is worth nothing anywhere else; that it is worth something only
//! once is the caller's claim in the store.

use sha2::{Digest, Sha256};

/// Zero bits that a solution's hash begins with: about 260,000 hashes, a third of a second on a laptop, two on a
/// slow telephone.
pub const BITS: u32 = 18;

/// No solution counts sooner than this after the challenge was issued, by the server's clock. Finding one takes
/// longer than that for nearly everyone; who did not need to compute at all is caught.
pub const SOLVE_MS_MIN: i64 = 300;

/// Whether a solution is one: a decimal number of at most twelve digits, so that there is one way to write it.
pub fn is_solution(seed: &str, typed: &str) -> bool {
    let canonical = typed.len() <= 12 && typed.parse::<u64>().is_ok_and(|number| number.to_string() == typed);
    canonical && zero_bits(&Sha256::digest(format!("{seed}.{typed}"))) >= BITS
}

fn zero_bits(hash: &[u8]) -> u32 {
    let whole = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole).unwrap_or(0) * 8 + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_is_one_for_its_own_seed_and_spelling_only() {
        let number = (0..u64::MAX).find(|number| is_solution("seed", &number.to_string())).expect("a solution");
        assert!(!is_solution("other", &number.to_string()));
        for typed in [format!("0{number}"), format!("+{number}"), format!(" {number}"), String::new(), "x".into()] {
            assert!(!is_solution("seed", &typed), "{typed:?}");
        }
    }
}
