//! The edge over real sockets.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test whose world cannot be set up should stop"
)]

mod event;
mod guard;
mod http2;
mod lasting;
mod plain;
mod slow;
mod tls;
mod world;
