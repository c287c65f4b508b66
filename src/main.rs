//! The `sessiongate` command.

mod allocator;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // TLS needs to be told whose cryptography to use; a second telling would change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    sessiongate::cli::main(sessiongate::cli::args::Arguments::parse())
}
