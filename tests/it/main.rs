//! One integration-test binary: it links once.

mod edge;
mod layering;
mod origin;
mod signals;
mod store_contract;
mod store_crash;
mod subject;
