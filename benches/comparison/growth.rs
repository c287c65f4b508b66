//! What an event costs as everything around it grows.

use crate::contender::{Contender, Work};
use crate::drain::{self, Drained, Shape};
use crate::machine;
use crate::site::Services;
use std::fmt::Write;

/// Everybody has a window.
fn windows(windows: u64, shape: Shape) -> Shape {
    Shape { customers: windows * 10 / 7, windows_before: true, ..shape }
}

fn shapes(events: u64) -> Vec<(String, Shape)> {
    let shape = Shape::of(events);
    let (few, many, most) = (events / 200, events / 2, events * 5);
    let mut shapes = vec![("as it is elsewhere".to_owned(), shape)];
    for count in [few, many, most] {
        shapes.push((format!("{} windows", short(count)), windows(count, shape)));
    }
    shapes.push(("64 partitions".to_owned(), Shape { partitions: 64, ..shape }));
    for (bytes, share) in [(200, 1), (2_000, 4), (20_000, 20)] {
        let name = format!("texts of {} bytes", short(bytes));
        shapes.push((name, Shape { body_bytes: Some(bytes as usize), ..Shape::of(events / share) }));
    }
    for shards in [1, 2] {
        shapes.push((format!("shards: {shards}"), Shape { shards: Some(shards), ..shape }));
    }
    shapes.push(("every record twice".to_owned(), Shape { is_repeated: true, ..shape }));
    let refreshing = Shape { intents_percent: 10, customers: few, ..shape };
    shapes.push((format!("nine inbound to one intent, {} customers", short(few)), refreshing));
    for count in [events / 20, most] {
        let name = format!("{0} windows and a backlog of {0}", short(count));
        shapes.push((name, windows(count, Shape::of(count))));
    }
    shapes
}

fn short(count: u64) -> String {
    match count {
        _ if count >= 1_000_000 && count.is_multiple_of(1_000_000) => format!("{} M", count / 1_000_000),
        _ if count >= 1_000 && count.is_multiple_of(1_000) => format!("{} k", count / 1_000),
        _ => count.to_string(),
    }
}

/// Measures each once, prints the table and writes the page; only lines with that text in their names, if there is one, of
/// which no page is made.
pub fn measure(services: &Services, events: u64, wanted: &str) {
    let mut page = format!(
        "# Growth\n\nWritten by `make bench-growth`; not edited by hand.\n\n\
         - Machine: {}; it also hosts the broker, Redis and the load.\n\
         - A backlog of {events} records, as in [benchmarks](benchmarks.md), or fewer where they are large; taken once by \
         a worker, exactly-once, with one thing changed in each line. CPU is per event, in microseconds. Keys of windows have 45 bytes.\n\n\
         | | records | events/s | CPU | CPU Kafka | CPU Redis | peak MB | Redis, bytes a window | lost, duplicate, false | without proof | dead letters |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        machine::description()
    );
    for (name, shape) in shapes(events).into_iter().filter(|(name, _)| name.contains(wanted)) {
        eprintln!("{name}: preloading {} records", shape.events);
        let inputs = drain::preload(services, shape);
        let drained = drain::run(services, &inputs, Contender::Worker(Work::EXACTLY_ONCE));
        inputs.delete(services);
        eprintln!("{name}: {drained}");
        row(&mut page, &name, &shape, &drained);
    }
    println!("{page}");
    let page_of_all = wanted.is_empty().then(|| "docs/benchmarks-growth.md".to_owned());
    let Some(path) = crate::text("BENCH_REPORT").or(page_of_all) else { return };
    std::fs::write(&path, &page).unwrap();
    println!("written to {path}");
}

fn row(page: &mut String, name: &str, shape: &Shape, drained: &Drained) {
    let Drained { events_a_second, worker_us, kafka_us, redis_us, peak_mb, start_s: _, window_bytes, counts } = drained;
    let window_bytes = window_bytes.map_or_else(String::new, |bytes| format!("{bytes:.0}"));
    writeln!(
        page,
        "| {name} | {} | {:.0} k | {worker_us:.2} | {kafka_us:.2} | {redis_us:.2} | {peak_mb:.0} | {window_bytes} | {} | {} | {} |",
        shape.events,
        events_a_second / 1000.0,
        counts.lost + counts.duplicate + counts.wrong,
        counts.without_proof,
        counts.dead_letters,
    )
    .unwrap();
}
