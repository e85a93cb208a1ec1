//! What operators and back ends ask of a running gateway, and that its answers are what requests meet.

pub(crate) mod evaluate;
mod operate;
mod setup;
pub(crate) mod world;
