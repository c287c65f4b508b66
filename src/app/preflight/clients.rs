//! Can the Kafka clients be made, and do the brokers let them in?

use super::{Problem, Severity};
use crate::config::Config;
use crate::io::kafka::{KafkaSettings, Unanswered, Unmakeable};

/// Whether clients can be made of the properties; else adds why not.
pub(super) fn can_be_made(settings: &KafkaSettings, problems: &mut Vec<Problem>) -> bool {
    let unmakeable = settings.unmakeable();
    problems.extend(unmakeable.iter().map(no_client));
    unmakeable.is_empty()
}

fn no_client(Unmakeable { client, reason }: &Unmakeable) -> Problem {
    let variable = format!("SESSIONGATE_{}", client.to_uppercase().replace('.', "_"));
    let what = format!("no client can be made of {client}: {reason}");
    let remedy = format!("correct the properties that it names, in {client} ({variable})");
    Problem::new(Severity::Misconfigured, what, remedy)
}

/// Why there is no answer.
pub(super) fn unanswered(config: &Config, error: &Unanswered) -> Problem {
    let what = format!("Kafka at {} cannot be asked: {error}", config.kafka.brokers);
    let (severity, remedy) = match error {
        Unanswered::NoClient(unmakeable) => return no_client(unmakeable),
        Unanswered::TurnedAway { client, .. } => {
            (Severity::Misconfigured, format!("correct security.protocol, sasl.* and ssl.* in {client}"))
        }
        Unanswered::NoToken { client, .. } => {
            (Severity::Waits, format!("put a token there, or correct sasl.oauthbearer.config in {client}"))
        }
        Unanswered::NotGranted(_) => (Severity::Waits, "grant the worker's user what deploy/kafka-acls.sh says".into()),
        Unanswered::Away(_) => {
            (Severity::Waits, "start it, or correct kafka.brokers (SESSIONGATE_KAFKA_BROKERS)".into())
        }
    };
    Problem::new(severity, what, remedy)
}
