//! The shell of Stepward: everything that touches the world. `core/` decides; this fetches, applies and tells.


pub mod arrival;
pub mod challenges;
pub mod clock;
pub mod keys;
pub mod locale;
pub mod mail;
pub mod outcomes;
pub mod render;
pub mod reply;
pub mod sessions;
pub mod settings;
pub mod signals;
pub mod store;
pub mod subject;
pub mod telemetry;
pub mod vendors;
