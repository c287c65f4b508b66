//! `sessiongate topics create`.

use super::args::CreateTopicsArguments;
use super::{FAILURE, SUCCESS};
use crate::app::preflight;
use crate::config::Config;
use crate::core::time::Span;
use crate::io::kafka::admin::{self, Creation, TopicSpec};
use std::collections::BTreeMap;

/// Outputs hold their input and the verdict: their topics take a little more than Kafka's default.
const OUTPUT_MAX_MESSAGE_BYTES: i64 = 1_048_588 + 64 * 1024;
/// Inbound records are kept at least so long: webhooks are retried for up to seven days.
const WEEK: Span = Span::from_hours(7 * 24);

pub(super) fn create(config: &Config, arguments: &CreateTopicsArguments) -> anyhow::Result<u8> {
    let specs = specs(config, arguments);
    if arguments.dry_run {
        for spec in &specs {
            println!("{}: {} partitions, {}", spec.name, spec.partitions, shown(&spec.configs));
        }
        return Ok(SUCCESS);
    }
    let mut code = SUCCESS;
    for (name, creation) in admin::create_topics(&preflight::admin_settings(config), &specs)? {
        match creation {
            Creation::Created => println!("{name}: created"),
            Creation::Existed => println!("{name}: was there before, left as it is"),
            Creation::Failed(why) => {
                println!("{name}: not created: {why}");
                code = FAILURE;
            }
        }
    }
    Ok(code)
}

fn shown(configs: &BTreeMap<String, String>) -> String {
    configs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn specs(config: &Config, arguments: &CreateTopicsArguments) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let needed = config.policy().longest() + config.window.reapply_margin;
    let inbound_retention = needed.max(WEEK).as_millis().to_string();
    let spec = |name: &str, configs: &[(&str, &str)]| TopicSpec {
        name: name.to_owned(),
        partitions: arguments.partitions,
        replication: arguments.replication_factor.unwrap_or(-1),
        configs: configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let output_bytes = OUTPUT_MAX_MESSAGE_BYTES.to_string();
    let delete = ("cleanup.policy", "delete");
    let mut specs = vec![
        spec(&topics.inbound_message, &[delete, ("retention.ms", &inbound_retention), ("retention.bytes", "-1")]),
        spec(&topics.outbound_intent, &[delete]),
    ];
    for output in [&topics.session_send, &topics.template_required, &topics.window_event, &topics.dead_letter] {
        specs.push(spec(output, &[delete, ("max.message.bytes", &output_bytes)]));
    }
    if let Some(delivery_status) = &topics.delivery_status {
        specs.push(spec(delivery_status, &[delete]));
    }
    if let Some(template_status) = &topics.template_status {
        // The last status of each template is kept, however old it is.
        specs.push(spec(template_status, &[("cleanup.policy", "compact")]));
    }
    specs
}
