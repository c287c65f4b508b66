//! What can be typed after `sessiongate`.

use super::dead_letter::args::DeadLetterCommand;
use super::explain::args::ExplainArguments;
use crate::core::ids::Channel;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

/// One verdict per message: session send or template required, exactly once, between Kafka topics.
#[derive(Parser, Clone, PartialEq, Debug)]
#[command(name = "sessiongate", version, about, max_term_width = 100, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file [default: sessiongate.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "SESSIONGATE_CONFIG")]
    pub config: Option<PathBuf>,

    /// How much to log: error, warn, info, debug, trace, or a filter such as `info,sessiongate::shard=debug`
    #[arg(long, global = true, value_name = "LEVEL", env = "SESSIONGATE_LOG", default_value = "info",
          value_parser = crate::telemetry::checked_filter)]
    pub log: String,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum Command {
    /// Read messages and intents, and give every intent its verdict, until SIGTERM
    Run,
    /// Show it at work in this terminal, without a Kafka or a Redis
    Demo(DemoArguments),
    /// Check the configuration, and that Kafka and Redis are as the worker needs them
    Check(CheckArguments),
    /// Show how far the worker is: lag, frontiers and waiting intents of every partition
    Status(StatusArguments),
    /// The Kafka topics that the worker reads and writes
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// The session windows in Redis
    #[command(subcommand)]
    Window(WindowCommand),
    /// Say in words why a verdict or a dead letter is what it is
    Explain(ExplainArguments),
    /// What could not be used: look at it, and send it back after a fix
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// The formats of all topics as JSON Schemas and an AsyncAPI document
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Decide files of messages and intents, each intent at its own time, without Kafka or Redis
    Replay(ReplayArguments),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Of the demo.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct DemoArguments {
    /// Stop after this time, such as 30s [default: at Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    pub duration: Option<Duration>,

    /// Plain lines instead of a moving picture, as when the output is not a terminal
    #[arg(long)]
    pub plain: bool,

    /// Leave the console's page closed; it is opened where there is a display
    #[arg(long)]
    pub no_browser: bool,
}

/// Of the check.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct CheckArguments {
    /// Print every key with its value in effect and where it comes from, secrets hidden
    #[arg(long)]
    pub print: bool,
}

/// Of the status.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct StatusArguments {
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of the replay.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ReplayArguments {
    /// Files of one record a line, whole documents, or folders of them; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Say what happened, and of every verdict which event opened the window and how much of it was left
    #[arg(long)]
    pub explain: bool,

    /// How to print it [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ReplayFormat>,
}

/// How a replay is printed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayFormat {
    /// A line for a person.
    Text,
    /// One object a line; verdicts exactly as in their topics.
    Json,
}

/// What to do with topics.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum TopicsCommand {
    /// Create the configured topics that do not exist yet
    Create(CreateTopicsArguments),
}

/// Of new topics.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct CreateTopicsArguments {
    /// Partitions of each topic: also the most shards that can work side by side
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,

    /// Copies of each partition [default: the cluster's]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=100))]
    pub replication_factor: Option<i32>,

    /// Only say what would be created
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do with windows.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum WindowCommand {
    /// Show one customer's window
    Get(GetWindowArguments),
    /// List open windows
    List(ListWindowsArguments),
    /// Erase a customer's windows
    Delete(DeleteWindowsArguments),
}

/// Which window.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct GetWindowArguments {
    /// The business's address: for WhatsApp the phone number id
    pub business: String,

    /// The customer's address: for WhatsApp the wa_id or the BSUID
    pub customer: String,

    /// The channel
    #[arg(long, value_name = "NAME", default_value = Channel::DEFAULT)]
    pub channel: String,
}

/// Which windows.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ListWindowsArguments {
    /// Only this business's
    #[arg(long)]
    pub business: Option<String>,

    /// Only this channel's
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Whose windows.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct DeleteWindowsArguments {
    /// The customer's address: for WhatsApp the wa_id or the BSUID. Who has both is erased under each
    pub customer: String,

    /// Only with this business
    #[arg(long)]
    pub business: Option<String>,

    /// Only on this channel
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,

    /// Show what would be erased, and erase nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do with schemas.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum SchemaCommand {
    /// Name them
    List,
    /// Print one
    Show(ShowSchemaArguments),
    /// Write them all as files
    Write(WriteSchemasArguments),
}

/// Which schema.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ShowSchemaArguments {
    /// Its name, such as session-send or asyncapi
    pub name: String,
}

/// Where to.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct WriteSchemasArguments {
    /// The folder
    #[arg(default_value = "schemas")]
    pub folder: PathBuf,
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("give more than no time, such as 30s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; give a number with a unit, such as 30s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::dead_letter::args::{Filter, Format, ListArguments, RedriveArguments, Since};
    use crate::core::time::Span;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_is_understood() {
        let create = |partitions, replication_factor, dry_run| {
            Command::Topics(TopicsCommand::Create(CreateTopicsArguments { partitions, replication_factor, dry_run }))
        };
        let get = |channel: &str| {
            let (business, customer) = ("106".to_owned(), "5511".to_owned());
            Command::Window(WindowCommand::Get(GetWindowArguments { business, customer, channel: channel.to_owned() }))
        };
        let list = |business: Option<&str>, channel: Option<&str>, limit| {
            let (business, channel) = (business.map(str::to_owned), channel.map(str::to_owned));
            Command::Window(WindowCommand::List(ListWindowsArguments { business, channel, limit }))
        };
        let delete = |business: Option<&str>, dry_run| {
            let (customer, business) = ("5511".to_owned(), business.map(str::to_owned));
            Command::Window(WindowCommand::Delete(DeleteWindowsArguments {
                customer,
                business,
                channel: None,
                dry_run,
            }))
        };
        let demo = |duration, plain| Command::Demo(DemoArguments { duration, plain, no_browser: false });
        let table = [
            ("run", Command::Run),
            ("demo", demo(None, false)),
            ("demo --duration 30s --plain", demo(Some(Duration::from_secs(30)), true)),
            ("check", Command::Check(CheckArguments { print: false })),
            ("check --print", Command::Check(CheckArguments { print: true })),
            ("status", Command::Status(StatusArguments { json: false })),
            ("status --json", Command::Status(StatusArguments { json: true })),
            ("topics create", create(8, None, false)),
            ("topics create --partitions 12 --replication-factor 3 --dry-run", create(12, Some(3), true)),
            ("window get 106 5511", get("whatsapp")),
            ("window get 106 5511 --channel messenger", get("messenger")),
            ("window list", list(None, None, 100)),
            ("window list --business 106 --channel tiktok --limit 5", list(Some("106"), Some("tiktok"), 5)),
            ("window delete 5511", delete(None, false)),
            ("window delete 5511 --business 106 --dry-run", delete(Some("106"), true)),
            ("explain a", {
                let file = PathBuf::from("a");
                Command::Explain(ExplainArguments { file, topic: None, partition: None, offset: None })
            }),
            ("explain --topic t --partition 1 --offset 2", {
                let (file, topic) = (PathBuf::from("-"), Some("t".to_owned()));
                Command::Explain(ExplainArguments { file, topic, partition: Some(1), offset: Some(2) })
            }),
            ("dead-letter redrive --reason not_json --limit 5 --dry-run", {
                let filter = Filter { reason: Some("not_json".to_owned()), topic: None };
                let redrive = RedriveArguments { filter, limit: Some(5), dry_run: true };
                Command::DeadLetter(DeadLetterCommand::Redrive(redrive))
            }),
            ("dead-letter list --since 2h --topic t --each --format json", {
                let filter = Filter { reason: None, topic: Some("t".to_owned()) };
                let since = Some(Since::Ago(Span::from_hours(2)));
                let list = ListArguments { filter, since, each: true, limit: 100, format: Format::Json };
                Command::DeadLetter(DeadLetterCommand::List(list))
            }),
            ("schema list", Command::Schema(SchemaCommand::List)),
            ("schema show a", Command::Schema(SchemaCommand::Show(ShowSchemaArguments { name: "a".to_owned() }))),
            ("schema write", Command::Schema(SchemaCommand::Write(WriteSchemasArguments { folder: "schemas".into() }))),
            ("replay a.ndjson b --explain --format text", {
                let files = ["a.ndjson", "b"].map(PathBuf::from).to_vec();
                Command::Replay(ReplayArguments { files, explain: true, format: Some(ReplayFormat::Text) })
            }),
            ("completions zsh", Command::Completions { shell: Shell::Zsh }),
        ];
        for (line, command) in table {
            let arguments = parse(&format!("sessiongate {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(arguments.command, command, "{line}");
        }
    }

    #[test]
    fn global_options_may_stand_before_or_behind_the_command() {
        for line in ["sessiongate --config a.toml --log debug run", "sessiongate run --config a.toml --log debug"] {
            let arguments = parse(line).unwrap();
            assert_eq!((arguments.config, arguments.log.as_str()), (Some(PathBuf::from("a.toml")), "debug"), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let table = [
            "sessiongate demo --duration 0s",
            "sessiongate demo --duration 30",
            "sessiongate topics create --partitions 0",
            "sessiongate topics create --replication-factor 0",
            "sessiongate replay",
            "sessiongate explain --topic t --offset 2",
            "sessiongate explain a --topic t --partition 1 --offset 2",
            "sessiongate dead-letter list --reason because",
            "sessiongate dead-letter list --since yesterday",
            "sessiongate replay a --format xml",
            "sessiongate window get 106",
            "sessiongate window list --limit 0",
            "sessiongate completions emacs",
            "sessiongate restart",
            "sessiongate --log verbose run",
            "sessiongate --log info,=debug run",
        ];
        for line in table {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
