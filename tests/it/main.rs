//! One integration-test binary: it links once.

mod browser;
mod cli;
mod demo;
mod deploy;
mod docs;
mod edge;
mod layering;
mod mailbox;
mod origin;
mod schema;
mod settings;
mod signals;
mod stepup;
mod store_contract;
mod store_crash;
mod subject;
mod supply;
mod vendors;
mod visitor;
