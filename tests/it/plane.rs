//! What operators and back ends ask of a running gateway, and that its answers are what requests meet.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a gateway that does not start should stop its test")]

mod evaluate;
mod operate;
mod setup;
mod world;
