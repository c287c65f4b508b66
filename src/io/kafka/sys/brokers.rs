//! The brokers that a client can have inside its own process.

use super::{Handle, ffi, millis};
use std::time::Duration;

/// How long the first members of a group wait for others, where the client has such brokers.
pub(in super::super) fn set_first_rebalance_delay(owner: &Handle, delay: Duration) {
    // SAFETY: the client is alive, and its brokers live as long as it does; without any the pointer is null.
    unsafe {
        let brokers = ffi::rd_kafka_handle_mock_cluster(owner.native());
        if !brokers.is_null() {
            ffi::rd_kafka_mock_group_initial_rebalance_delay_ms(brokers, millis(delay));
        }
    }
}
