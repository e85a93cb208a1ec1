//! The `stepward` command.

use std::process::ExitCode;

use clap::Parser;

/// The bars of DESIGN §8 compare with a proxy built with it (`research/pingora.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The error says that a provider is there already; there is only this one in the tree.
    let _ = rustls::crypto::ring::default_provider().install_default();
    stepward::cli::run(stepward::cli::Arguments::parse())
}
