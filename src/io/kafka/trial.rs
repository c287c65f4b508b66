//! The clients of a worker, made once and dropped: only then does librdkafka look at files, and at how properties go
//! together.

use super::context::{Events, ProducerEvents};
use super::settings::{Guarantee, KafkaSettings, SettingsError};
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;

/// Properties that no client can be made with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmakeable {
    /// The table that they stand in.
    pub client: &'static str,
    /// Why, in librdkafka's words.
    pub reason: String,
}

impl KafkaSettings {
    /// What librdkafka has against making the clients. No group is joined, no transactional id is taken over, and no
    /// answer waited for. A client that needs a token is not given one: that it lacks is no property's fault.
    pub fn unmakeable(&self) -> Vec<Unmakeable> {
        let refused = |client, made: Result<(), SettingsError>| {
            made.err().map(|error| Unmakeable { client, reason: error.to_string() })
        };
        let consumer = refused("kafka.consumer", self.make_consumer());
        let producer = refused("kafka.producer", self.make_producer());
        consumer.into_iter().chain(producer).collect()
    }

    fn make_consumer(&self) -> Result<(), SettingsError> {
        let _: BaseConsumer<Events> = self.consumer_config()?.create_with_context(Events::alone("consumer"))?;
        Ok(())
    }

    /// The producer of a shard. Those for lookups, reports and administration have less that could be refused.
    fn make_producer(&self) -> Result<(), SettingsError> {
        let transactional_id = match self.guarantee {
            Guarantee::ExactlyOnce => Some(self.transactional_id.as_str()),
            Guarantee::AtLeastOnce => None,
        };
        let config = self.producer_config(transactional_id)?;
        let _: BaseProducer<ProducerEvents> = config.create_with_context(ProducerEvents::new())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::kafka::Topics;
    use std::time::{Duration, Instant};

    fn settings(consumer: &[(&str, &str)], producer: &[(&str, &str)]) -> KafkaSettings {
        let topics = Topics { inbound: "inbound".into(), intent: "intent".into() };
        let table = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let nobody = KafkaSettings::new("127.0.0.1:9", "group", "id", topics);
        KafkaSettings { consumer: table(consumer), producer: table(producer), ..nobody }
    }

    fn assert_refused(settings: &KafkaSettings, client: &str, words: &str) {
        let refused = settings.unmakeable();
        let [Unmakeable { client: named, reason }] = refused.as_slice() else {
            panic!("{client} {words}: {refused:?}")
        };
        assert!(*named == client && reason.contains(words), "{refused:?}");
        assert!(settings.refused().is_empty(), "this shows without a client: {:?}", settings.refused());
    }

    #[test]
    fn what_shows_only_when_a_client_is_made_is_told_of_the_right_one() {
        let no_authority = [("security.protocol", "ssl"), ("ssl.ca.location", "/nonexistent/ca.pem")];
        let too_long = [("session.timeout.ms", "400000")];
        assert_refused(&settings(&no_authority, &[]), "kafka.consumer", "ssl.ca.location");
        assert_refused(&settings(&[], &no_authority), "kafka.producer", "ssl.ca.location");
        assert_refused(&settings(&too_long, &[]), "kafka.consumer", "max.poll.interval.ms");
        assert_eq!(settings(&too_long, &no_authority).unmakeable().len(), 2);
    }

    #[test]
    fn the_producer_is_made_as_the_guarantee_asks_for() {
        for property in ["socket.timeout.ms", "message.timeout.ms"] {
            let transactional = settings(&[], &[(property, "20000")]);
            assert_refused(&transactional, "kafka.producer", "`transaction.timeout.ms`");
            let plain = KafkaSettings { guarantee: Guarantee::AtLeastOnce, ..transactional };
            assert_eq!(plain.unmakeable(), [], "{property}");
        }
        let plain = settings(&[], &[("max.in.flight", "6")]);
        assert_refused(
            &KafkaSettings { guarantee: Guarantee::AtLeastOnce, ..plain },
            "kafka.producer",
            "max.in.flight",
        );
    }

    #[test]
    fn a_token_that_is_not_there_and_brokers_that_are_away_refuse_no_client() {
        let login = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.config", "token_file=/nonexistent/token"),
        ];
        let before = Instant::now();
        assert_eq!(settings(&login, &login).unmakeable(), []);
        assert_eq!(settings(&[], &[]).unmakeable(), []);
        assert!(before.elapsed() < Duration::from_secs(2), "it waits for somebody");
    }
}
