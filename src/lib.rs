//! The shell of Stepward: everything that touches the world. `core/` decides; this fetches, applies and tells.

pub mod actions;
pub mod api;
pub mod arrival;
pub mod bodies;
pub mod challenges;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod edge;
pub mod gateway;
pub mod inquiry;
pub mod journey;
pub mod keys;
pub mod locale;
pub mod mail;
pub mod outcomes;
pub mod registry;
pub mod render;
pub mod reply;
pub mod sessions;
pub mod settings;
pub mod signals;
pub mod store;
pub mod subject;
pub mod telemetry;
pub mod vendors;
