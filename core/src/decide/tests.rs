//! The sentences of DESIGN §3 and §9 about deciding, as tests.

#![expect(clippy::panic, reason = "a decision of another kind than the test is about should stop it")]

mod build;
mod laziness;
mod outcomes;
mod proofs;
mod properties;
