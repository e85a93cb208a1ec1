//! The edge over real sockets.

mod event;
mod guard;
mod health;
mod http2;
mod lasting;
mod plain;
mod slow;
mod tls;
pub(crate) mod world;
