//! What can be typed after `sessiongate explain`.

use clap::Args;
use std::path::PathBuf;

/// What to explain.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct ExplainArguments {
    /// A file with a verdict, a window event, or a record with its headers as JSON (also as kcat -J prints it); - is
    /// standard input
    #[arg(default_value = "-", value_name = "FILE", conflicts_with = "topic")]
    pub file: PathBuf,

    /// The topic of a record in Kafka
    #[arg(long, requires_all = ["partition", "offset"])]
    pub topic: Option<String>,

    /// Its partition
    #[arg(long, requires = "topic", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,

    /// Its offset
    #[arg(long, requires = "topic", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: Option<i64>,
}
