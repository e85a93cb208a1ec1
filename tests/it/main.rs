//! One integration-test binary: it links once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose world cannot be set up, or whose promise is broken, should stop"
)]

mod browser;
mod bypass;
mod cli;
mod concurrency;
mod demo;
mod deploy;
mod docs;
mod edge;
mod every_outcome;
mod faults;
mod handover;
mod invitation;
mod layering;
mod logs;
mod mailbox;
mod notify;
mod origin;
mod plane;
mod process;
mod reload;
mod schema;
mod settings;
mod sign_out;
mod signals;
mod state_loss;
mod stepup;
mod store_contract;
mod store_crash;
mod story;
mod subject;
mod supply;
mod vendors;
mod visitor;
mod world;
