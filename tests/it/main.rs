//! One integration-test binary: it links once.

mod layering;
mod mailbox;
mod stepup;
mod store_contract;
mod store_crash;
mod signals;
mod subject;
//! One integration-test binary: it links once.

mod edge;
mod layering;
mod origin;
mod signals;
mod store_contract;
mod store_crash;
mod subject;
