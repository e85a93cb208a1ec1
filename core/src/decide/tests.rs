//! The sentences of DESIGN §3 and §9 about deciding, as tests.

mod build;
mod laziness;
mod outcomes;
mod proofs;
mod properties;
