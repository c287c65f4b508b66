//! The intents of one partition, in order, waiting for their verdicts.
