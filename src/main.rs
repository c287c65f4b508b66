//! The `sessiongate` command.

use clap::Parser;
use std::process::ExitCode;

/// librdkafka allocates on one thread and frees on another, which costs the system's allocator about ten times as
/// much; this one serves the C code too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // TLS needs to be told whose cryptography to use; a second telling would change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    sessiongate::cli::main(sessiongate::cli::args::Arguments::parse())
}
