//! Windows that were in Redis before.

use crate::contender::Names;
use crate::site::Services;
use crate::traffic::{Customer, HOUR_MS, now_ms};
use sessiongate::core::ids::{Offset, Partition, Position};
use sessiongate::core::time::Timestamp;
use sessiongate::core::window::Window;
use sessiongate::io::redis::text::{self, Keys};

/// Writes the windows of all customers who have one. Gives the bytes that one takes.
pub fn write(services: &Services, names: &Names, customers: u64) -> f64 {
    let keys = Keys::new("", &names.inbound);
    let opened_at = Timestamp::from_millis(now_ms() - 10 * HOUR_MS);
    let window =
        text::encode_window(&Window::opened_by(opened_at, Position { partition: Partition(0), offset: Offset(0) }));
    let ends_at_ms = opened_at.as_millis() + 24 * HOUR_MS;
    let before = services.redis_bytes();
    let mut redis = services.redis();
    let open: Vec<u64> = (0..customers).filter(|customer| Customer(*customer).has_open_window()).collect();
    for batch in open.chunks(10_000) {
        let mut pipeline = redis::pipe();
        for customer in batch {
            let key = keys.window(&Customer(*customer).window_key());
            pipeline.cmd("SET").arg(key).arg(&window).arg("PXAT").arg(ends_at_ms).ignore();
        }
        pipeline.exec(&mut redis).unwrap();
    }
    (services.redis_bytes() - before) as f64 / open.len() as f64
}
