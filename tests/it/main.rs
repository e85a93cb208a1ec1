#[test]
fn t() {}
//! One integration-test binary: it links once.

mod layering;
mod subject;
