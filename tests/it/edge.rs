//! The edge over real sockets.

mod event;
mod guard;
mod http2;
mod lasting;
mod plain;
mod slow;
mod tls;
mod world;
