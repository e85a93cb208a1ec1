//! The statistics by which two sources are compared. Pure; what cannot be told from so few values is `None`.

/// How two sources said yes or no about the same things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// Both said yes.
    pub both: u64,
    /// Only the first did.
    pub only_first: u64,
    /// Only the second did.
    pub only_second: u64,
    /// Neither did.
    pub neither: u64,
}

impl Agreement {
    /// Counts one more pair.
    pub fn add(&mut self, first: bool, second: bool) {
        match (first, second) {
            (true, true) => self.both += 1,
            (true, false) => self.only_first += 1,
            (false, true) => self.only_second += 1,
            (false, false) => self.neither += 1,
        }
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> u64 {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// The share of pairs in which both said the same.
    pub fn share(&self) -> Option<f64> {
        share(self.both + self.neither, self.pairs())
    }

    /// Agreement beyond what chance would give: Cohen's κ (Cohen 1960). `None` where chance alone explains all, as when
    /// both sources always said the same word.
    pub fn kappa(&self) -> Option<f64> {
        let pairs = self.pairs() as f64;
        let observed = self.share()?;
        let yes = ((self.both + self.only_first) as f64 / pairs) * ((self.both + self.only_second) as f64 / pairs);
        let no = ((self.only_second + self.neither) as f64 / pairs) * ((self.only_first + self.neither) as f64 / pairs);
        let chance = yes + no;
        (chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
    }

    /// How likely a difference this large in how often each says yes is, were there none: McNemar's test (McNemar 1947),
    /// exact and two-sided up to 1,000 disagreements, beyond by χ² with Edwards' correction.
    pub fn mcnemar(&self) -> Option<f64> {
        let (fewer, more) = (self.only_first.min(self.only_second), self.only_first.max(self.only_second));
        let differing = fewer + more;
        match differing {
            0 => None,
            1..=1000 => Some((2.0 * binomial_tail(differing, fewer)).min(1.0)),
            _ => {
                let distance = (more - fewer) as f64 - 1.0;
                let chi_squared = distance * distance / differing as f64;
                Some(complementary_error((chi_squared / 2.0).sqrt()))
            }
        }
    }
}

/// `part` of `whole`.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Where a share probably lies, with 95 % confidence (Wilson 1927).
pub fn wilson(part: u64, whole: u64) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    let observed = share(part, whole)?;
    let n = whole as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (observed + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (observed * (1.0 - observed) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

/// The value below which this share of them lies, by linear interpolation (Hyndman and Fan 1996, type 7).
pub fn quantile(values: &[f64], at: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, at)
}

fn quantile_of_sorted(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (*sorted.get(place.floor() as usize)?, *sorted.get(place.ceil() as usize)?);
    Some(low + (high - low) * place.fract())
}

/// How well the order of one source is the order of the other: Spearman's ρ, equal values sharing their rank. `None`
/// for fewer than three pairs, or where one source always says the same.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let first = ranks(pairs.iter().map(|it| it.0).collect());
    let second = ranks(pairs.iter().map(|it| it.1).collect());
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let (mut product, mut spread_first, mut spread_second) = (0.0, 0.0, 0.0);
    for (a, b) in first.iter().zip(&second) {
        let (a, b) = (a - mean, b - mean);
        product += a * b;
        spread_first += a * a;
        spread_second += b * b;
    }
    let spread = (spread_first * spread_second).sqrt();
    (spread > 0.0).then(|| product / spread)
}

/// Ranks from 1; equal values have the mean of theirs.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let value = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| value(*a) == value(*b)) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        before += equal.len();
        for at in equal {
            if let Some(place) = ranks.get_mut(*at) {
                *place = rank;
            }
        }
    }
    ranks
}

/// A table that turns the second source's scores into the first's, so that equal quantiles meet: `[x, y]` with rising
/// x, at most `points` of them. `None` for fewer than twenty pairs, which would only fit noise.
pub fn quantile_table(pairs: &[(f64, f64)], points: usize) -> Option<Vec<[f64; 2]>> {
    if pairs.len() < 20 || points < 2 {
        return None;
    }
    let sorted = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values
    };
    let first = sorted(pairs.iter().map(|it| it.0).collect());
    let second = sorted(pairs.iter().map(|it| it.1).collect());
    let round = |it: f64| (it * 10.0).round() / 10.0;
    let mut table: Vec<[f64; 2]> = Vec::new();
    for step in 0..points {
        let at = step as f64 / (points - 1) as f64;
        let (x, y) = (round(quantile_of_sorted(&second, at)?), round(quantile_of_sorted(&first, at)?));
        match table.last_mut() {
            // Many with the same score: the highest quantile speaks for them.
            Some(last) if last[0] >= x => last[1] = y,
            Some(_) | None => table.push([x, y]),
        }
    }
    (table.len() >= 2).then_some(table)
}

/// The probability of at most `up_to` heads in `throws` of a fair coin.
fn binomial_tail(throws: u64, up_to: u64) -> f64 {
    // In logarithms: 0.5^1000 alone would still be a number, its coefficients would not.
    let half = (throws as f64) * 0.5_f64.ln();
    let mut coefficient = 0.0;
    let mut sum = half.exp();
    for heads in 1..=up_to {
        coefficient += ((throws - heads + 1) as f64).ln() - (heads as f64).ln();
        sum += (coefficient + half).exp();
    }
    sum
}

/// erfc(x) for x ≥ 0, to 1.2·10⁻⁷ (Press et al., Numerical Recipes, §6.2).
fn complementary_error(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x);
    const TERMS: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * t + term);
    t * (-x * x + series).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, known: f64) -> bool {
        found.is_some_and(|it| (it - known).abs() < 5e-5)
    }

    #[test]
    fn agreement_is_what_the_literature_says_it_is() {
        // both, only first, only second, neither; κ; p of McNemar's test
        for (table, kappa, p) in [
            // The example of Wikipedia's "Cohen's kappa".
            ([20, 5, 10, 15], Some(0.4), Some(0.301_758)),
            ([45, 15, 25, 15], Some(0.130_434), Some(0.153_860)),
            // R: mcnemar.exact / binom.test(1, 10).
            ([30, 1, 9, 60], Some(0.781_755), Some(0.021_484)),
            ([10, 0, 0, 0], None, None),
            ([5, 0, 0, 5], Some(1.0), None),
            ([0, 5, 5, 0], Some(-1.0), Some(1.0)),
            // R: mcnemar.test(matrix(c(100, 600, 700, 100), 2)), χ² = 7.5392.
            ([100, 700, 600, 100], Some(-0.725_664), Some(0.006_037)),
        ] {
            let [both, only_first, only_second, neither] = table;
            let it = Agreement { both, only_first, only_second, neither };
            match kappa {
                Some(known) => assert!(near(it.kappa(), known), "{table:?}: κ {:?}", it.kappa()),
                None => assert_eq!(it.kappa(), None, "{table:?}"),
            }
            match p {
                Some(known) => assert!(near(it.mcnemar(), known), "{table:?}: p {:?}", it.mcnemar()),
                None => assert_eq!(it.mcnemar(), None, "{table:?}"),
            }
        }
    }

    #[test]
    fn order_is_compared_by_rank_and_equals_share_theirs() {
        // The example of Wikipedia's "Spearman's rank correlation coefficient".
        let iq: Vec<(f64, f64)> = [
            (106.0, 7.0),
            (100.0, 27.0),
            (86.0, 2.0),
            (101.0, 50.0),
            (99.0, 28.0),
            (103.0, 29.0),
            (97.0, 20.0),
            (113.0, 12.0),
            (112.0, 6.0),
            (110.0, 17.0),
        ]
        .to_vec();
        assert!(near(spearman(&iq), -29.0 / 165.0));
        assert!(near(spearman(&[(1.0, 10.0), (2.0, 20.0), (3.0, 1000.0)]), 1.0));
        // R: cor(c(1,2,2,3), c(1,3,2,4), method = "spearman")
        assert!(near(spearman(&[(1.0, 1.0), (2.0, 3.0), (2.0, 2.0), (3.0, 4.0)]), 0.948_683));
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None, "no order at all");
        assert_eq!(spearman(&[(1.0, 1.0), (2.0, 2.0)]), None, "too few");
    }

    #[test]
    fn quantiles_and_intervals_are_those_of_r() {
        for (values, at, known) in [
            (&[4.0, 1.0, 3.0, 2.0][..], 0.25, 1.75),
            (&[1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
            (&[1.0, 2.0, 3.0, 4.0], 0.95, 3.85),
            (&[7.0], 0.99, 7.0),
            (&[0.0, 100.0], 1.0, 100.0),
        ] {
            assert!(near(quantile(values, at), known), "{values:?} at {at}: {:?}", quantile(values, at));
        }
        assert_eq!(quantile(&[], 0.5), None);
        let (low, high) = wilson(8, 10).unwrap();
        assert!(near(Some(low), 0.490_162) && near(Some(high), 0.943_318), "{low} {high}");
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(0, 10).unwrap().0, 0.0);
    }

    #[test]
    fn a_table_turns_one_scale_into_the_other_and_never_falls() {
        let pairs: Vec<(f64, f64)> = (0..=100).map(|it| (f64::from(it), f64::from(it * it) / 100.0)).collect();
        let table = quantile_table(&pairs, 11).unwrap();
        assert_eq!(table.first(), Some(&[0.0, 0.0]));
        assert_eq!(table.last(), Some(&[100.0, 100.0]));
        assert!(table.contains(&[25.0, 50.0]), "{table:?}");
        let rising = |at: usize| table.windows(2).all(|two| two[0][at] <= two[1][at]);
        assert!(rising(0) && rising(1), "{table:?}");
        let often_zero: Vec<(f64, f64)> = (0..40).map(|it| (f64::from(it), if it < 30 { 0.0 } else { 50.0 })).collect();
        let table = quantile_table(&often_zero, 11).unwrap();
        assert!(table.windows(2).all(|two| two[0][0] < two[1][0]), "x rises: {table:?}");
        assert_eq!(quantile_table(&pairs[..19], 11), None, "too few to say anything");
    }
}
