//! The commands, one file each.

pub mod args;
mod check;
mod completions;
pub mod dead_letter;
pub mod explain;
mod replay;
mod run;
mod schema;
mod status;
mod topics;
mod window;

use crate::app::preflight;
use crate::config::{self, Config};
use args::{Arguments, Command, TopicsCommand, WindowCommand};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Everything went well.
const SUCCESS: u8 = 0;
/// Something that a restart, or somebody's hand outside, may heal.
const FAILURE: u8 = 1;
/// Something in the configuration is wrong (EX_USAGE of sysexits).
const MISCONFIGURED: u8 = 64;

/// Runs a command.
pub fn main(arguments: Arguments) -> ExitCode {
    crate::telemetry::init(match &arguments.command {
        Command::Demo(demo) => crate::demo::log_filter(demo, &arguments.log),
        _ => &arguments.log,
    });
    if !matches!(arguments.command, Command::Run | Command::Demo(_)) {
        // `sessiongate window list | head` ends quietly. A worker must not: its sockets would end it the same way.
        sigpipe::reset();
    }
    let code = match &arguments.command {
        Command::Completions { shell } => completions::print(*shell),
        Command::Demo(demo) => crate::demo::run(demo),
        Command::Replay(replay) => with_config(&arguments, |config| replay::replay(&config, replay)),
        Command::Run => with_config(&arguments, |config| run::run(&config)),
        Command::Check(check) => check::check(&arguments, check),
        Command::Status(status) => with_config(&arguments, |config| status::status(&config, status)),
        Command::Explain(explain) => match explain.topic {
            None => explain::explain_text(explain),
            Some(_) => with_config(&arguments, |config| explain::explain_record(&config, explain)),
        },
        Command::DeadLetter(command) => with_config(&arguments, |config| dead_letter::dead_letter(&config, command)),
        Command::Schema(command) => schema::schema(command),
        Command::Topics(TopicsCommand::Create(create)) => {
            with_config(&arguments, |config| topics::create(&config, create))
        }
        Command::Window(WindowCommand::Get(get)) => with_config(&arguments, |config| window::get(&config, get)),
        Command::Window(WindowCommand::List(list)) => with_config(&arguments, |config| window::list(&config, list)),
        Command::Window(WindowCommand::Delete(delete)) => {
            with_config(&arguments, |config| window::delete(&config, delete))
        }
    };
    ExitCode::from(code)
}

/// A line on standard error. One that cannot be written changes nothing: neither what is done nor the exit code.
fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Everything that is wrong with the configuration is told at once.
fn with_config(arguments: &Arguments, command: impl FnOnce(Config) -> anyhow::Result<u8>) -> u8 {
    match config::process::load(arguments.config.as_deref()) {
        Err(errors) => {
            complain(&errors);
            // A variable that nobody knows is often the mistyped name of one that is missing.
            let rest = config::remainder::without(arguments.config.as_deref(), &errors);
            let warnings = rest.map(|(_, warnings)| warnings).unwrap_or_default();
            warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
            MISCONFIGURED
        }
        Ok((config, warnings)) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let refused = preflight::admin_settings(&config).refused();
            if !refused.is_empty() {
                complain(refused.join("\n"));
                return MISCONFIGURED;
            }
            command(config).unwrap_or_else(|error| {
                complain(format_args!("sessiongate: {error:#}"));
                FAILURE
            })
        }
    }
}
