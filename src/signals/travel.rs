//! Whether the same account could have been at both places: great-circle distance over time.
//!
//! It never judges without two places: a missing database, a missing entry or a first visit is unknown. Databases are
//! wrong by their stated accuracy, so that much is taken off the distance before it counts.

/// A place on earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// By how much it may be wrong, in kilometres.
    accuracy_km: f64,
}

/// A place and when the account was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// Where.
    pub place: Place,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What two visits say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Journey {
    /// The slowest speed that explains both visits, in kilometres an hour; at most [`SPEED_KMH_MAX`].
    pub speed_kmh: f64,
    /// Whether that is faster than an airliner.
    pub impossible: bool,
}

/// Mean radius of the earth (IUGG), in kilometres.
const EARTH_RADIUS_KM: f64 = 6371.0088;
/// Faster than an airliner flies, in kilometres an hour.
const AIRLINER_KMH: f64 = 1000.0;
/// Below this distance databases cannot tell two places apart, in kilometres.
const SAME_PLACE_KM: f64 = 100.0;
/// Highest speed that is told.
pub const SPEED_KMH_MAX: f64 = 1_000_000.0;

impl Place {
    /// A place; `None` where the numbers name none.
    pub fn new(latitude: f64, longitude: f64, accuracy_km: f64) -> Option<Self> {
        let sound = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude) && accuracy_km >= 0.0;
        sound.then_some(Place { latitude, longitude, accuracy_km })
    }

    /// Great-circle distance by the haversine formula, in kilometres.
    pub fn distance_km(&self, other: &Place) -> f64 {
        let (here, there) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_chord = ((there - here) / 2.0).sin().powi(2)
            + here.cos() * there.cos() * ((other.longitude - self.longitude).to_radians() / 2.0).sin().powi(2);
        2.0 * EARTH_RADIUS_KM * half_chord.sqrt().clamp(0.0, 1.0).asin()
    }
}

impl Visit {
    /// What it takes to be here now after being there then. A clock that went backwards counts as no time at all.
    pub fn after(&self, earlier: &Visit) -> Journey {
        let apart = self.place.distance_km(&earlier.place) - self.place.accuracy_km - earlier.place.accuracy_km;
        if apart < SAME_PLACE_KM {
            return Journey { speed_kmh: 0.0, impossible: false };
        }
        let hours = (self.at_ms.saturating_sub(earlier.at_ms).max(1)) as f64 / 3_600_000.0;
        let speed_kmh = (apart / hours).min(SPEED_KMH_MAX);
        Journey { speed_kmh, impossible: speed_kmh > AIRLINER_KMH }
    }

    /// The visit as kept under the account; 32 bytes, sealed by the caller.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let parts = [
            self.place.latitude.to_le_bytes(),
            self.place.longitude.to_le_bytes(),
            self.place.accuracy_km.to_le_bytes(),
            self.at_ms.to_le_bytes(),
        ];
        for (slot, part) in bytes.chunks_exact_mut(8).zip(parts) {
            slot.copy_from_slice(&part);
        }
        bytes
    }

    /// The visit that was kept; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        let mut parts = bytes.chunks_exact(8).filter_map(|part| <[u8; 8]>::try_from(part).ok());
        let (latitude, longitude) = (f64::from_le_bytes(parts.next()?), f64::from_le_bytes(parts.next()?));
        let accuracy_km = f64::from_le_bytes(parts.next()?);
        let at_ms = i64::from_le_bytes(parts.next()?);
        Some(Visit { place: Place::new(latitude, longitude, accuracy_km)?, at_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(latitude: f64, longitude: f64, minutes: i64) -> Visit {
        Visit { place: Place::new(latitude, longitude, 10.0).unwrap(), at_ms: minutes * 60_000 }
    }

    #[test]
    fn distances_agree_with_known_city_pairs() {
        for (from, to, km) in [
            ((51.5074, -0.1278), (40.7128, -74.0060), 5570.0),
            ((48.8566, 2.3522), (52.5200, 13.4050), 878.0),
            ((-17.7, 178.0), (-17.7, -178.0), 424.0),
        ] {
            let [from, to] = [from, to].map(|(latitude, longitude)| Place::new(latitude, longitude, 0.0).unwrap());
            assert!((from.distance_km(&to) - km).abs() < 5.0, "{from:?} to {to:?}: {}", from.distance_km(&to));
        }
    }

    #[test]
    fn london_to_new_york_in_an_hour_is_impossible_and_in_a_day_is_not() {
        let london = visit(51.5074, -0.1278, 0);
        let fast = visit(40.7128, -74.0060, 60).after(&london);
        assert!(fast.impossible && (fast.speed_kmh - 5550.0).abs() < 10.0, "{fast:?}");
        assert!(!visit(40.7128, -74.0060, 24 * 60).after(&london).impossible);
    }

    #[test]
    fn neighbouring_places_and_backward_clocks_do_not_panic_or_accuse() {
        let here = visit(51.5, -0.1, 10);
        assert_eq!(visit(51.6, -0.1, 0).after(&here).speed_kmh, 0.0, "a few kilometres");
        assert!(visit(-33.9, 151.2, 0).after(&here).impossible, "Sydney, by a clock that went back");
    }

    #[test]
    fn a_kept_visit_reads_back_and_a_damaged_one_does_not() {
        let here = visit(51.5, -0.1, 10);
        assert_eq!(Visit::from_bytes(&here.to_bytes()), Some(here));
        assert_eq!(Visit::from_bytes(&[0xff; 32]), None);
        assert_eq!(Visit::from_bytes(&here.to_bytes()[..31]), None);
    }
}
