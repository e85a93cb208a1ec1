//! The `stepward` command.

use std::process::ExitCode;

use clap::Parser;

/// The bars of DESIGN §8 compare with a proxy built with it (`research/pingora.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // An allocator spreads sizes over its arena, so that pages of 2 MiB are mostly air: an idle gateway took 10 MiB more
    // with them, and no request took less time (docs/performance.md). Where a kernel refuses, it runs all the same.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // The error says that a provider is there already; there is only this one in the tree.
    let _ = rustls::crypto::ring::default_provider().install_default();
    stepward::cli::run(stepward::cli::Arguments::parse())
}
