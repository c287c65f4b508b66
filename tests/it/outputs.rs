//! How outputs look to those who read them: CloudEvents, keys, partitions, trace contexts.

use crate::support::site::{BUSINESS, DEAD, EVENT, INBOUND, INTENTS, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{inbound, intent, key, now_ms};
use crate::support::worker::Worker;
use sessiongate::core::partitioner::murmur2_partition;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PARTITIONS: i32 = 5;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Half of the customers write; each is asked for once.
fn site_with_traffic(name: &str) -> Site {
    let site = Site::new(name, PARTITIONS);
    let now = now_ms();
    for number in 0..40 {
        let customer = format!("55119{number:08}");
        let headers = [("traceparent", TRACE), ("tracestate", "vendor=1"), ("x-own", "stays behind")];
        if number % 2 == 0 {
            let text = inbound(&format!("wamid.{number}"), &customer, now - 1_000);
            site.write(INBOUND, Some(&key(&customer)), text.as_bytes(), &headers);
        }
        let headers = if number % 4 < 2 { &headers[..] } else { &[] };
        site.write(INTENTS, Some(&key(&customer)), intent(&format!("intent-{number}"), &customer).as_bytes(), headers);
    }
    site.flush();
    site
}

#[test]
fn every_output_is_a_cloud_event_with_an_id_that_follows_from_its_source() {
    let site = site_with_traffic("cloud-events");
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    let mut ids = BTreeSet::new();
    for (topic, count, kind, suffix) in [
        (SEND, 20, "sessiongate.session-send.v1", "verdict"),
        (TEMPLATE, 20, "sessiongate.template-required.v1", "verdict"),
        (EVENT, 20, "sessiongate.window-event.v1", "0/0/opened"),
    ] {
        let seen = site.read(topic);
        assert_eq!(seen.len(), count, "{topic}");
        for output in seen {
            let json = output.json();
            let source = &json["source"];
            let id = format!(
                "{}/{}/{}/{suffix}",
                source["topic"].as_str().unwrap(),
                source["partition"].as_i64().unwrap(),
                source["offset"].as_i64().unwrap()
            );
            let customer = json["customer_id"].as_str().unwrap();
            let (header, key) = (|name| output.header(name).unwrap_or_default(), key(customer));
            assert_eq!(header("ce_id"), id, "{topic}");
            assert_eq!(header("ce_specversion"), "1.0");
            assert_eq!(header("ce_type"), kind);
            assert_eq!(header("ce_source"), format!("/sessiongate/{}", site.group()));
            assert_eq!(header("ce_subject"), key);
            let time = if topic == EVENT { &json["occurred_at"] } else { &json["decided_at"] };
            assert_eq!(header("ce_time"), time.as_str().unwrap());
            assert_eq!(header("content-type"), "application/json");
            assert_eq!(output.key.as_deref(), Some(key.as_bytes()));
            assert!(ids.insert(id));
        }
    }
    assert_eq!(site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn the_trace_context_of_an_input_is_carried_on_and_no_other_header() {
    let site = site_with_traffic("trace-context");
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    let traced = |seen: &Seen| (seen.header("traceparent"), seen.header("tracestate"), seen.header("x-own"));
    let carried = (Some(TRACE.to_owned()), Some("vendor=1".to_owned()), None);
    for output in [SEND, TEMPLATE].iter().flat_map(|topic| site.read(topic)) {
        let number: usize = output.json()["intent_id"].as_str().unwrap().trim_start_matches("intent-").parse().unwrap();
        let expected = if number % 4 < 2 { carried.clone() } else { (None, None, None) };
        assert_eq!(traced(&output), expected, "{number}");
    }
    site.read(EVENT).iter().for_each(|event| assert_eq!(traced(event), carried));
    assert!(worker.stop().success());
}

#[test]
fn an_output_lies_in_the_partition_that_its_key_hashes_to_like_its_input() {
    let site = site_with_traffic("partitions");
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    let inputs = site.read(INTENTS).into_iter();
    let inputs: BTreeMap<_, _> = inputs.map(|seen| (seen.key.unwrap(), (seen.partition, seen.offset))).collect();
    let used: BTreeSet<i32> = inputs.values().map(|(partition, _)| *partition).collect();
    assert!(used.len() > 1, "the customers lie in several partitions");
    let outputs: Vec<Seen> = [SEND, TEMPLATE, EVENT].iter().flat_map(|topic| site.read(topic)).collect();
    assert_eq!(outputs.len(), 60);
    for output in outputs {
        let source = &output.json()["source"];
        let key = output.key.unwrap();
        assert!(key.starts_with(BUSINESS.as_bytes()));
        assert_eq!(output.partition, murmur2_partition(&key, PARTITIONS));
        let (partition, offset) = inputs[&key];
        assert_eq!(output.partition, partition, "as another client's murmur2 has it");
        if source["topic"] == site.topic(INTENTS) {
            assert_eq!((&source["partition"], &source["offset"]), (&partition.into(), &offset.into()));
        }
    }
    assert!(worker.stop().success());
}
