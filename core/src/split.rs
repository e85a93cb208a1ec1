//! Which arm of an experiment a unit belongs to: a pure function of two names, so it needs no memory and never moves.
//!
//! It draws no random number and keeps no table. Where nothing can be assigned the answer is `None`; the caller names
//! what happens then.

use sha2::{Digest, Sha256};

/// The index of the arm that `unit` has in `experiment`, given the arms' shares in order.
///
/// Shares are weights; policies make them total 100. An arm with share 0 is never chosen, and `None` comes only when
/// all are 0. Adding an experiment moves nobody in another one, because the experiment's name seeds the draw.
pub fn assign(experiment: &str, unit: &str, shares: impl Iterator<Item = u8> + Clone) -> Option<usize> {
    let total: u64 = shares.clone().map(u64::from).sum();
    let drawn = (u128::from(position(experiment, unit)) * u128::from(total)) >> 64;
    let mut upto = 0;
    shares.enumerate().find_map(|(arm, share)| {
        upto += u128::from(share);
        (drawn < upto).then_some(arm)
    })
}

/// Where a unit stands between 0 and 2⁶⁴, evenly spread.
fn position(experiment: &str, unit: &str) -> u64 {
    let mut hash = Sha256::new_with_prefix(b"stepward split 1\0");
    hash.update((experiment.len() as u64).to_be_bytes());
    hash.update(experiment);
    hash.update(unit);
    hash.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm_of(unit: &str, shares: &[u8]) -> Option<usize> {
        assign("second-factor-2027-01", unit, shares.iter().copied())
    }

    #[test]
    fn shares_are_kept_within_one_percent_over_a_hundred_thousand_units() {
        for shares in [&[50, 50][..], &[90, 10], &[1, 99], &[20, 30, 0, 50]] {
            let mut counted = vec![0u32; shares.len()];
            for unit in 0..100_000 {
                counted[arm_of(&format!("subject-{unit}"), shares).unwrap()] += 1;
            }
            for (count, share) in counted.iter().zip(shares) {
                let percent = f64::from(*count) / 1000.0;
                assert!((percent - f64::from(*share)).abs() < 1.0, "{shares:?} came out as {counted:?}");
            }
        }
    }

    #[test]
    fn a_unit_keeps_its_arm_and_the_draw_is_pinned() {
        // These are part of the contract: if they change, every running experiment is reshuffled by an upgrade.
        let arms: Vec<_> = ["alice", "bob", "carol", "dave"].iter().map(|it| arm_of(it, &[25, 25, 25, 25])).collect();
        assert_eq!(arms, [Some(1), Some(2), Some(2), Some(3)]);
        assert_eq!(arm_of("alice", &[50, 50]), arm_of("alice", &[50, 50]));
    }

    #[test]
    fn growing_the_first_arm_moves_nobody_out_of_it() {
        for unit in (0..10_000).map(|it| it.to_string()) {
            if arm_of(&unit, &[10, 90]) == Some(0) {
                assert_eq!(arm_of(&unit, &[30, 70]), Some(0), "unit {unit}");
            }
        }
    }

    #[test]
    fn two_experiments_are_independent() {
        let both = (0..10_000).map(|it| it.to_string());
        let same = both.filter(|it| assign("a", it, [50, 50].into_iter()) == assign("b", it, [50, 50].into_iter()));
        let same = same.count();
        assert!((4_700..5_300).contains(&same), "{same} of 10000 units have the same arm in both");
    }

    #[test]
    fn no_share_no_arm() {
        assert_eq!(arm_of("alice", &[]), None);
        assert_eq!(arm_of("alice", &[0, 0]), None);
        assert_eq!(arm_of("alice", &[0, 100, 0]), Some(1));
    }
}
