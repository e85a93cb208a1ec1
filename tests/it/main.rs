//! One integration-test binary: it links once.

mod layering;
mod signals;
mod subject;
