//! `sessiongate completions`.

use super::{SUCCESS, args::Arguments};
use clap::CommandFactory;
use clap_complete::Shell;

pub(super) fn print(shell: Shell) -> u8 {
    clap_complete::generate(shell, &mut Arguments::command(), "sessiongate", &mut std::io::stdout());
    SUCCESS
}
