//! A Kafka and a Redis of a test's own, for tests that break them.
