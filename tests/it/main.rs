//! One integration-test binary: it links once.

mod bypass;
mod cli;
mod concurrency;
mod demo;
mod deploy;
mod docs;
mod edge;
mod every_outcome;
mod faults;
mod layering;
mod mailbox;
mod origin;
mod reload;
mod schema;
mod settings;
mod signals;
mod state_loss;
mod stepup;
mod store_contract;
mod store_crash;
mod subject;
mod supply;
mod vendors;
mod visitor;
mod world;
