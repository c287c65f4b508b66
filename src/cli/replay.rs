//! `sessiongate replay`.

use super::args::{ReplayArguments, ReplayFormat};
use super::{FAILURE, SUCCESS, complain};
use crate::app::format;
use crate::config::Config;
use crate::core::registry::TemplateRegistry;
use crate::replay::input::{self, TopicNames};
use crate::replay::story::Story;
use crate::replay::tell::{Manner, Words, refusal};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Below, it is over before anybody looks.
const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// Reads files, and writes what their intents would be answered. What cannot be used is told at the end of the reading
/// and makes the command fail; the rest is told all the same.
pub(super) fn replay(config: &Config, arguments: &ReplayArguments) -> anyhow::Result<u8> {
    let policy = config.policy();
    let codec = format::codec(config);
    let dedup_records = u32::try_from(config.worker.dedup_records).unwrap_or(u32::MAX);
    let mut story = Story::new(&codec, &policy, dedup_records);
    let refused = read(config, &arguments.files, &mut story)?;

    let format = arguments.format.unwrap_or_else(|| match std::io::stdout().is_terminal() {
        true => ReplayFormat::Text,
        false => ReplayFormat::Json,
    });
    let manner = Manner {
        as_json: format == ReplayFormat::Json,
        explains: arguments.explain,
        // Without intents, what happened is all that there is to tell.
        tells_events: arguments.explain || !story.has_intents(),
    };
    let encoder = format::encoder(config);
    let words = Words { manner, encoder: &encoder, policy: &policy };
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    story.tell(TemplateRegistry::new(format::accounts(config)), &mut |happening, told, templates| {
        if let (Ok(()), Some(text)) = (&written, words.say(happening, &told, templates)) {
            written = output.write_all(text.as_bytes());
        }
    });
    written.and_then(|()| output.flush()).context("standard output")?;
    Ok(if refused == 0 { SUCCESS } else { FAILURE })
}

/// Reads all files into the story; how many parts of them could not be used, or not be read.
fn read(config: &Config, paths: &[PathBuf], story: &mut Story<'_>) -> anyhow::Result<usize> {
    let topics = TopicNames {
        inbound_message: config.topics.inbound_message.clone(),
        outbound_intent: config.topics.outbound_intent.clone(),
        delivery_status: config.topics.delivery_status.clone().unwrap_or_else(|| "delivery-status".to_owned()),
        template_status: config.topics.template_status.clone().unwrap_or_else(|| "template-status".to_owned()),
    };
    let files = input::files(paths)?;
    let bytes = files.iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum();
    let bar = progress(bytes);
    let mut refused = 0;
    for (number, path) in files.iter().enumerate() {
        let read = input::read(path, number, &topics, &mut |line, bytes| {
            for unusable in story.take(line) {
                refused += 1;
                bar.suspend(|| complain(refusal(&unusable.place, &unusable.reject)));
            }
            bar.inc(bytes as u64 + 1);
        });
        if let Err(error) = read {
            refused += 1;
            bar.suspend(|| complain(format_args!("sessiongate: {error:#}")));
        }
    }
    bar.finish_and_clear();
    Ok(refused)
}

/// A bar for what takes a while, where somebody looks.
fn progress(bytes: u64) -> ProgressBar {
    if bytes < LONG_BYTES || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(bytes);
    match ProgressStyle::with_template("{bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
