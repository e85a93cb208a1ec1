//! Uploads that are held for a proof: sealed in files of their own, sent on once, and never lost in silence
//! (DESIGN §4 *Resume*).

mod again;
mod files;
mod memory;
mod trips;
mod ways;
pub(crate) mod world;
