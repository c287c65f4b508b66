//! The demo.

use crate::cli::args::DemoArguments;

/// Runs it.
pub fn run(_arguments: &DemoArguments) -> u8 {
    0
}
