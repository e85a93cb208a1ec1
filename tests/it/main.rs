#[test]
fn t() {}
//! One integration-test binary: it links once.

mod layering;
mod subject;
//! One integration-test binary: it links once.

mod edge;
mod layering;
mod origin;
