//! The one way in which clients are made: each tells its errors and logs, and has its token before it connects.

use super::context::Events;
use super::oauth;
use super::settings::SettingsError;
use super::sys::Native;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use std::sync::Arc;
use std::time::Duration;

/// A client that is connected to nobody yet.
pub(super) fn start<C, Part>(config: &ClientConfig, events: Events<Part>) -> Result<Arc<C>, SettingsError>
where
    C: FromClientConfigAndContext<Events<Part>> + Native,
    Events<Part>: ClientContext,
{
    let client: C = config.create_with_context(events)?;
    oauth::give_token(&client, config)?;
    Ok(Arc::new(client))
}

/// Adds what a consumer that nobody polls last complained of.
pub(super) fn explain<Part>(client: &BaseConsumer<Events<Part>>, what: &str) -> String
where
    Events<Part>: ConsumerContext,
{
    while client.poll(Duration::ZERO).is_some() {}
    client.context().reports.explain(what)
}
