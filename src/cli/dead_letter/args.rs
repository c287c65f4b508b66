//! What can be typed after `sessiongate dead-letter`.

use crate::core::record::ReasonCode;
use crate::core::time::{Span, Timestamp};
use crate::wire::time;
use clap::{Args, Subcommand, ValueEnum};

/// What to do with dead letters.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum DeadLetterCommand {
    /// Count them by topic and reason, or list each
    List(ListArguments),
    /// Send their originals back to where they were refused, after a fix
    Redrive(RedriveArguments),
}

/// Which dead letters.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Filter {
    /// Only of this reason, such as unknown_channel
    #[arg(long, value_name = "CODE", value_parser = reason)]
    pub reason: Option<String>,

    /// Only those whose original lies in this topic
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
}

/// How they are listed.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ListArguments {
    /// Which.
    #[command(flatten)]
    pub filter: Filter,

    /// Only originals since then: a time such as 2026-11-23T07:00:00Z, or so long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,

    /// Each by itself, and not only how many
    #[arg(long)]
    pub each: bool,

    /// With --each, at most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,

    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// What is redriven.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct RedriveArguments {
    /// Which.
    #[command(flatten)]
    pub filter: Filter,

    /// At most so many; the others the next time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,

    /// Only say what would be sent back
    #[arg(long)]
    pub dry_run: bool,
}

/// How a list is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For a person.
    Table,
    /// One object a line.
    Json,
}

/// A point in time, or how long ago it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// That time.
    At(Timestamp),
    /// So long before now.
    Ago(Span),
}

impl Since {
    /// The time that it means.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Since::At(time) => time,
            Since::Ago(span) => now - span,
        }
    }
}

fn reason(text: &str) -> Result<String, String> {
    let codes = ReasonCode::ALL.map(ReasonCode::as_str);
    if codes.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("there is no such reason; the reasons are {}", codes.join(", ")))
}

fn since(text: &str) -> Result<Since, String> {
    if let Some(time) = time::parse(text) {
        return Ok(Since::At(time));
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| i64::try_from(ago.as_millis()).ok());
    let wrong = "give a time such as 2026-11-23T07:00:00Z, or how long ago, such as 2h";
    ago.map(|ms| Since::Ago(Span::from_millis(ms))).ok_or_else(|| wrong.to_owned())
}
