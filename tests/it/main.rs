//! One integration-test binary: it links once.

mod browser;
mod bypass;
mod cli;
mod demo;
mod deploy;
mod docs;
mod edge;
mod invitation;
mod layering;
mod mailbox;
mod origin;
mod plane;
mod schema;
mod settings;
mod signals;
mod stepup;
mod store_contract;
mod store_crash;
mod story;
mod subject;
mod supply;
mod vendors;
mod visitor;
mod world;
