//! The threads of a process beside its shards: the one that reads reports, and the one that keeps the registry of
//! templates.

use super::feedback::{Feedback, ReportSource};
use super::preflight::Found;
use super::template_reader::TemplateReader;
use super::{PANICKED, StoreMaker, format, settings};
use crate::config::Config;
use crate::core::routing::{ReportTopic, ReportTopics};
use crate::shard::aside::{AsideBoard, FeedbackTally};
use crate::shard::codec::Codec;
use crate::shard::templates::Templates;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc;

/// The threads beside the shards, at work.
pub struct Aside {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    broken: mpsc::UnboundedReceiver<String>,
    templates: Arc<Templates>,
}

impl Aside {
    /// The registry of templates, which shards look statuses up in.
    pub fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }

    /// Waits until one of them cannot go on, and says why; for ever when all can.
    pub async fn broken(&mut self) -> String {
        match self.broken.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Asks them to leave, and waits until they have.
    pub fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has left too.
            let _ = thread.join();
        }
    }
}

/// Starts what the configured topics ask for; without any, nothing.
pub fn start(config: &Config, found: &Found, store: StoreMaker) -> anyhow::Result<(Aside, AsideBoard)> {
    let templates = Arc::new(Templates::new(format::accounts(config)));
    let (tell, broken) = mpsc::unbounded_channel();
    let stop = Arc::new(AtomicBool::new(false));
    let mut aside = Aside { stop: stop.clone(), threads: Vec::new(), broken, templates: templates.clone() };
    let mut board = AsideBoard { templates: None, feedback: None };
    match &config.topics.template_status {
        None => templates.set_ready(),
        Some(topic) => {
            board.templates = Some(templates.clone());
            let kafka = settings::kafka(config, "templates", 0);
            let reader = TemplateReader { kafka, topic: topic.clone(), codec: codec(config, found, topic), templates };
            let stop = stop.clone();
            aside.threads.push(spawn("templates", tell.clone(), move || reader.run(&stop))?);
        }
    }
    let feedback = feedback(config, found);
    if !feedback.sources.is_empty() {
        let tally = Arc::new(FeedbackTally::new(feedback.sources.iter().map(|source| source.name.clone())));
        board.feedback = Some(tally.clone());
        aside.threads.push(spawn("feedback", tell, move || feedback.run(&store, &tally, &stop))?);
    }
    Ok((aside, board))
}

/// Says why it cannot go on, should it come to that.
fn spawn(
    name: &'static str,
    tell: mpsc::UnboundedSender<String>,
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let span = tracing::info_span!("aside", name);
        let _entered = span.enter();
        let ended = panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(PANICKED.to_owned()));
        if let Err(why) = ended {
            // Nobody listens any more only when the process is ending anyway.
            let _ = tell.send(why);
        }
    })
}

fn feedback(config: &Config, found: &Found) -> Feedback {
    let named = [
        (&config.topics.delivery_status, ReportTopic::DeliveryStatus),
        (&config.topics.template_status, ReportTopic::TemplateStatus),
    ];
    let sources = named.into_iter().filter_map(|(name, topic)| {
        let name = name.as_ref()?;
        Some(ReportSource { name: name.clone(), topic, codec: codec(config, found, name) })
    });
    Feedback {
        kafka: settings::kafka(config, "feedback", 0),
        sources: sources.collect(),
        topics: ReportTopics {
            delivery_status: config.topics.delivery_status.is_some(),
            template_status: config.topics.template_status.is_some(),
        },
        policy: config.policy(),
    }
}

/// The formats for records of that topic.
fn codec(config: &Config, found: &Found, topic: &str) -> Codec {
    Codec::with_formats(settings::formats(config), config.policy(), format::encoder_of(config, found, topic))
}
