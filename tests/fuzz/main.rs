//! Random and mutated bytes through every decoder: none panics, none keeps much more than it was given, and whatever
//! comes out obeys the contract.
//!
//! `make fuzz FUZZ_SECONDS=60` runs it for that long with another seed each time, `make fuzz FUZZ_BYTES=100000000` for
//! that many bytes; without either it is short and always the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mutate;
#[path = "../simulation/rng.rs"]
mod rng;

use bytes::Bytes;
use mutate::{Input, Mutator};
use peak_alloc::PeakAlloc;
use rng::Rng;
use sessiongate::core::decoded::{DecodedInbound, DecodedIntent};
use sessiongate::core::ids::{Channel, Offset, Partition};
use sessiongate::core::policy::{ChannelPolicy, Policy};
use sessiongate::core::record::{Header, Record, Reject, Stream};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::WindowRules;
use sessiongate::io::redis::text::{decode_frontier, decode_window};
use sessiongate::wire::decoder::{Decoder, Format, Formats};
use sessiongate::wire::time;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// So many bytes are read when nothing else is asked for.
const SHORT_BYTES: u64 = 1_000_000;
/// What a decoder may have allocated at once for a byte of its input, and whatever the input is.
const MOST_BYTES_PER_BYTE: usize = 64;
const MOST_BYTES_IN_ANY_CASE: usize = 64 * 1024;

/// What came of the inputs, all together.
#[derive(Default)]
struct Totals {
    inputs: u64,
    bytes: u64,
    largest: usize,
    events: usize,
    deliveries: usize,
    templates: usize,
    intents: usize,
    rejects: usize,
    most_per_byte: f64,
}

#[test]
fn random_and_mutated_bytes_are_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seconds = number("SESSIONGATE_TEST_FUZZ_SECONDS").map(Duration::from_secs);
    let bytes = number("SESSIONGATE_TEST_FUZZ_BYTES").or(seconds.is_none().then_some(SHORT_BYTES));
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let is_asked_for = seconds.is_some() || bytes != Some(SHORT_BYTES);
    let seed = number("SESSIONGATE_TEST_FUZZ_SEED").unwrap_or_else(|| if is_asked_for { by_clock() } else { 1 });
    println!("seed {seed} (SESSIONGATE_TEST_FUZZ_SEED={seed} does the same again)");

    let mut mutator = Mutator::new(Rng::new(seed), seeds());
    let decoders = decoders();
    let mut totals = Totals::default();
    let begun = Instant::now();
    while bytes.is_none_or(|bytes| totals.bytes < bytes) && seconds.is_none_or(|seconds| begun.elapsed() < seconds) {
        let input = mutator.next_input();
        let decoded = catch_unwind(AssertUnwindSafe(|| feed(&decoders, &input, &mut totals)));
        if let Err(panic) = decoded {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-failure");
            std::fs::write(&path, &input.value).expect("the failing input can be kept");
            println!("seed {seed}, input {}, headers {:?}: kept as {}", totals.inputs, input.headers, path.display());
            std::panic::resume_unwind(panic);
        }
    }
    let Totals { inputs, bytes, largest, events, deliveries, templates, intents, rejects, most_per_byte } = totals;
    println!("{bytes} bytes in {inputs} inputs (the largest {largest}) in {:.1} s", begun.elapsed().as_secs_f64());
    println!(
        "{events} events, {deliveries} refused sends, {templates} template changes, {intents} intents, {rejects} refusals"
    );
    println!("at most {most_per_byte:.1} bytes allocated for a byte of input of a kilobyte or more");
    assert!(events > 0 && deliveries > 0 && templates > 0 && intents > 0 && rejects > 0, "the seeds no longer lead in");
}

/// A decoder for each format: the recognition, and each reader without it.
fn decoders() -> Vec<Decoder> {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let policy = Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]);
    let decoder = |format| {
        let formats = Formats { inbound_message: format, delivery_status: format, template_status: format };
        Decoder::new(formats, policy.clone())
    };
    [Format::Auto, Format::Canonical, Format::Meta, Format::Bird, Format::Twilio].map(decoder).into()
}

fn feed(decoders: &[Decoder], input: &Input, totals: &mut Totals) {
    let size = input.value.len() + input.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    totals.inputs += 1;
    totals.bytes += input.value.len() as u64;
    totals.largest = totals.largest.max(input.value.len());
    let record = record(input);
    // Each topic has a canonical form of its own; what providers send is read alike on all of them.
    let topics: [fn(&Decoder, &Record) -> DecodedInbound; 3] =
        [Decoder::decode_inbound, Decoder::decode_delivery_status, Decoder::decode_template_status];
    for (number, decoder) in decoders.iter().enumerate() {
        for read in topics.iter().take(if number == 0 { topics.len() } else { 1 }) {
            check_inbound(&measured(size, totals, || read(decoder, &record)), totals);
        }
    }
    check_intent(measured(size, totals, || decoders[0].decode_intent(&record)), totals);
    let text = String::from_utf8_lossy(&input.value[..input.value.len().min(64)]).into_owned();
    let _ = (time::parse(&text), decode_window(Some(&input.value)), decode_frontier(Some(&input.value)));
}

/// Runs a decoder and holds what it allocates against the size of what it was given.
fn measured<T>(size: usize, totals: &mut Totals, decode: impl FnOnce() -> T) -> T {
    let before = PeakAlloc.current_usage();
    PeakAlloc.reset_peak_usage();
    let decoded = decode();
    let peak = PeakAlloc.peak_usage().saturating_sub(before);
    assert!(
        peak <= size * MOST_BYTES_PER_BYTE + MOST_BYTES_IN_ANY_CASE,
        "{peak} bytes were allocated at once for an input of {size}"
    );
    if size >= 1024 {
        totals.most_per_byte = totals.most_per_byte.max(peak as f64 / size as f64);
    }
    decoded
}

fn record(input: &Input) -> Record {
    let header =
        |(name, value): &(String, Vec<u8>)| Header { name: name.as_str().into(), value: Some(value.clone().into()) };
    Record {
        stream: Stream::Inbound,
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp::from_millis(1_773_480_000_000),
        key: Some(Bytes::from_static(b"106:491")),
        value: Some(Bytes::from(input.value.clone())),
        headers: input.headers.iter().map(header).collect(),
    }
}

fn check_inbound(decoded: &DecodedInbound, totals: &mut Totals) {
    for event in &decoded.events {
        check_ids(event.channel.as_str(), event.business_id.as_str(), event.customer_id.as_str());
        event.customer_aliases.iter().for_each(|alias| check_id(alias.as_str()));
        check_id(event.message_id.as_str());
        assert!(event.customer_aliases.len() <= 16 && !event.kind.is_empty());
    }
    for delivery in &decoded.deliveries {
        check_ids(delivery.channel.as_str(), delivery.business_id.as_str(), delivery.customer_id.as_str());
        assert!(delivery.is_outside_window());
    }
    for update in &decoded.templates {
        [&update.id.name, &update.id.language].into_iter().for_each(|text| check_id(text));
        assert!(!update.status.as_str().is_empty());
    }
    decoded.rejects.iter().for_each(check_reject);
    assert!(decoded.rejects.len() <= 16 && decoded.ignored.len() <= 16);
    totals.events += decoded.events.len();
    totals.deliveries += decoded.deliveries.len();
    totals.templates += decoded.templates.len();
    totals.rejects += decoded.rejects.len();
}

fn check_intent(decoded: DecodedIntent, totals: &mut Totals) {
    match decoded.intent {
        Ok(intent) => {
            check_ids(intent.channel.as_str(), intent.business_id.as_str(), intent.customer_id.as_str());
            assert!(decoded.hash.is_some() && (intent.message.is_some() || intent.template.is_some()));
            for content in [intent.message, intent.template].into_iter().flatten() {
                let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(&content);
                assert!(content.starts_with(b"{") && parsed.is_ok(), "content is a JSON object as it stands");
            }
            totals.intents += 1;
        }
        Err(reject) => check_reject(&reject),
    }
}

fn check_ids(channel: &str, business: &str, customer: &str) {
    [channel, business, customer].into_iter().for_each(check_id);
    assert!(!channel.contains(':') && !business.contains(':'), "a part of a key holds a colon");
}

fn check_id(id: &str) {
    assert!((1..=256).contains(&id.len()), "an id of {} bytes", id.len());
    assert!(!id.chars().any(|c| c.is_control() || c.is_whitespace()), "an id with whitespace in it");
}

fn check_reject(reject: &Reject) {
    assert!(!reject.detail.is_empty() && reject.detail.len() < 512, "a detail of {} bytes", reject.detail.len());
}

/// The project's own webhooks, and one canonical record of each topic.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "tsv"));
    paths.sort();
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 50, "the fixtures have moved");
    let canonical = [
        r#"{"message_id":"m","channel":"whatsapp","business_id":"106","customer_id":"491","customer_aliases":["DE.1"],"type":"text","occurred_at":"2026-03-14T09:20:00Z"}"#,
        r#"{"business_id":"106","customer_id":"491","error_code":131047,"occurred_at":"2026-03-14T09:20:00Z"}"#,
        r#"{"account_id":"7","name":"spring_sale","language":"de","status":"APPROVED","occurred_at":"2026-03-14T09:20:00Z"}"#,
        r#"{"intent_id":"i","business_id":"106","customer_id":"491","expires_at":"2026-03-14T09:20:00Z","message":{"type":"text"},"template":{"name":"hello"}}"#,
    ];
    // As often as the webhooks, of which there are many more.
    seeds.extend(std::iter::repeat_n(canonical, 10).flatten().map(|text| text.as_bytes().to_vec()));
    seeds
}
