//! One integration-test binary: it links once.

mod demo;
mod deploy;
mod docs;
mod layering;
mod mailbox;
mod schema;
mod signals;
mod stepup;
mod store_contract;
mod store_crash;
mod subject;
mod visitor;
