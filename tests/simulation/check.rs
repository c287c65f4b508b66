//! The invariants, checked from what was written and what came out, by code that knows nothing of the engine.

use crate::log::{Output, Upstream};
use crate::world::{Asked, DEDUP_RECORDS, GUARD_MS, InstanceId, LENGTH_MS, Said, World};
use serde_json::Value;
use sessiongate::core::ids::{Offset, Partition, Position};
use sessiongate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An output, read as a consumer would.
struct Seen {
    topic: String,
    ce_id: Option<String>,
    instance: InstanceId,
    written_at: i64,
    source: Position,
    from_inbound: bool,
    reason: String,
    value: Value,
}

fn header(output: &Output, name: &str) -> Option<String> {
    let header = output.record.headers().find(|header| header.name == name.as_bytes())?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}

fn see(output: &Output) -> Result<Seen, String> {
    let topic = output.record.topic.to_string();
    let number =
        |text: Option<String>| text.and_then(|text| text.parse::<i64>().ok()).ok_or("no position in a dead letter");
    let bytes = output.record.value().unwrap_or_default();
    let (instance, written_at, ce_id) = (output.instance, output.written_at, header(output, "ce_id"));
    if topic == "dead-letter" {
        let partition = Partition(number(header(output, "sessiongate.error.partition"))? as i32);
        let offset = Offset(number(header(output, "sessiongate.error.offset"))?);
        let from_inbound = header(output, "sessiongate.error.topic").as_deref() == Some("inbound-message");
        let reason = header(output, "sessiongate.error.reason").unwrap_or_default();
        let source = Position { partition, offset };
        return Ok(Seen { topic, ce_id, instance, written_at, source, from_inbound, reason, value: Value::Null });
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("an output is no JSON: {error}"))?;
    let at = |field: &str| value["source"][field].as_i64().ok_or(format!("no source.{field} in {value}"));
    let source = Position { partition: Partition(at("partition")? as i32), offset: Offset(at("offset")?) };
    let reason = value["reason"].as_str().unwrap_or_default().to_owned();
    let from_inbound = topic == "window-event";
    Ok(Seen { from_inbound, topic, ce_id, instance, written_at, source, reason, value })
}

fn time(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or("a time is missing")?;
    sessiongate::wire::time::parse(text).map(|time| time.as_millis()).ok_or(format!("{text} is no time"))
}

fn is_visible(world: &World, transaction: Option<usize>) -> bool {
    transaction.is_none_or(|id| world.upstream[id] == Upstream::Committed)
}

/// F1: a frontier says that every window of a record below it is in the store.
pub fn frontiers_hold(world: &World) -> Result<(), String> {
    for (partition, frontier) in &world.redis.state.frontiers {
        if frontier.topic_id != world.inbound.id {
            continue;
        }
        for said in below(world, *partition, frontier.next) {
            let ended = said.at + LENGTH_MS <= world.latest_redis_clock;
            let reaches = frontier.speaks_for(&world.inbound.id, Timestamp::from_millis(said.written_at));
            for customer in said.opens.iter().filter(|_| !ended && reaches) {
                let key = format!("whatsapp:106:{customer}");
                let window = world.redis.state.windows.iter().find(|(k, _)| k.as_str() == key);
                if window.is_none_or(|(_, (window, _))| window.last_inbound_at.as_millis() < said.at) {
                    return Err(format!("F1: frontier {} of {partition} lacks {said:?}", frontier.next));
                }
            }
        }
    }
    Ok(())
}

fn below(world: &World, partition: Partition, end: Offset) -> impl Iterator<Item = &Said> {
    world.said.iter().filter(move |said| {
        said.topic == world.inbound.id
            && said.position.partition == partition
            && said.position.offset < end
            && is_visible(world, said.transaction)
    })
}

/// Whether everything that was written has come out.
pub fn is_settled(world: &World) -> bool {
    let done: BTreeSet<_> = world
        .outputs
        .iter()
        .filter_map(|output| see(output).ok())
        .collect::<Vec<_>>()
        .iter()
        .filter(|seen| !seen.from_inbound)
        .map(|seen| seen.source)
        .collect();
    let asked = world.asked.iter().filter(|asked| is_visible(world, asked.transaction));
    let frontiers = world.inbound.partitions.iter().enumerate().all(|(partition, log)| {
        let frontier = world.redis.state.frontiers.get(&Partition(partition as i32));
        frontier.is_some_and(|f| f.topic_id == world.inbound.id && f.next.0 >= log.high())
    });
    frontiers && world.downstream.is_empty() && asked.into_iter().all(|asked| done.contains(&asked.position))
}

pub fn outcome(world: &World) -> Result<(), String> {
    let seen = world.outputs.iter().map(see).collect::<Result<Vec<_>, _>>()?;
    let mut by_source: BTreeMap<Position, Vec<&Seen>> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| !seen.from_inbound) {
        by_source.entry(seen.source).or_default().push(seen);
    }
    let duplicates = duplicates(world);
    for asked in world.asked.iter().filter(|asked| is_visible(world, asked.transaction)) {
        let answers = by_source.remove(&asked.position).unwrap_or_default();
        once(world, &answers).map_err(|error| format!("V1: {error} for {asked:?}"))?;
        for answer in answers {
            answer_fits(world, asked, answer, duplicates.contains(&asked.position))?;
        }
    }
    if let Some(position) = by_source.keys().next() {
        return Err(format!("V1: an answer to {position:?}, which nobody asked"));
    }
    order_is_kept(world, &seen)?;
    inbound_is_told(world, &seen)?;
    frontiers_hold(world)
}

/// Nobody had to wait in vain.
pub fn every_negative_is_proven(world: &World) -> Result<(), String> {
    for output in &world.outputs {
        let seen = see(output)?;
        if seen.value["basis"] == "timeout" {
            return Err(format!("without proof: {}", seen.value));
        }
    }
    Ok(())
}

/// Exactly once; with the weaker guarantee at least once, and the same id each time.
fn once(world: &World, answers: &[&Seen]) -> Result<(), String> {
    match answers {
        [] => Err("no answer".into()),
        [_] => Ok(()),
        [first, others @ ..] if world.at_least_once => {
            let same = others.iter().all(|other| {
                other.ce_id == first.ce_id || first.topic == "dead-letter" || other.topic == "dead-letter"
            });
            if same { Ok(()) } else { Err("two answers that a consumer cannot tell for one".into()) }
        }
        _ => Err(format!("{} answers", answers.len())),
    }
}

/// D1 as a function of the log alone. For what was redriven, only what was redriven as often counts.
fn duplicates(world: &World) -> BTreeSet<Position> {
    let mut duplicates = BTreeSet::new();
    let visible: Vec<&Asked> = world.asked.iter().filter(|asked| is_visible(world, asked.transaction)).collect();
    for asked in &visible {
        let earlier = visible.iter().any(|other| {
            other.id.is_some()
                && other.id == asked.id
                && (asked.redriven.is_none() || asked.redriven == other.redriven)
                && other.position.partition == asked.position.partition
                && other.position.offset < asked.position.offset
                && other.position.offset.0 >= asked.position.offset.0 - i64::from(DEDUP_RECORDS)
        });
        if earlier {
            duplicates.insert(asked.position);
        }
    }
    duplicates
}

fn answer_fits(world: &World, asked: &Asked, answer: &Seen, is_duplicate: bool) -> Result<(), String> {
    let expected = match (asked.is_garbage, is_duplicate) {
        (true, _) => Some("not_json"),
        (_, true) => Some("duplicate_intent"),
        _ => None,
    };
    let wrong = |rule: &str| Err(format!("{rule}: {asked:?} got {} {} {}", answer.topic, answer.reason, answer.value));
    if let Some(expected) = expected {
        let fits = answer.topic == "dead-letter" && answer.reason == expected;
        return if fits { Ok(()) } else { wrong("D1/V4") };
    }
    match answer.topic.as_str() {
        "dead-letter" if answer.reason == "expired" && asked.expires_at.is_some() => Ok(()),
        "session-send" if asked.is_template_only => wrong("template only"),
        "session-send" if is_justified(world, asked, answer)? => Ok(()),
        "session-send" => wrong("V3"),
        "template-required" if asked.is_template_only && answer.reason == "template_requested" => Ok(()),
        "template-required" if asked.is_template_only => wrong("template only"),
        "template-required" if answer.value["basis"] == "timeout" => Ok(()),
        "template-required" if answer.reason == "provider_refused" => match is_refused(world, asked, answer)? {
            true => Ok(()),
            false => wrong("nobody refused"),
        },
        "template-required" => match false_negative(world, asked, answer)? {
            Some(said) => wrong(&format!("V2: {said:?} holds it open")),
            None => Ok(()),
        },
        _ => wrong("an unexpected answer"),
    }
}

/// The provider's word counts while the customer has done nothing since, as far as the log showed it.
fn is_refused(world: &World, asked: &Asked, answer: &Seen) -> Result<bool, String> {
    let last_inbound_at = time(&answer.value["window"]["last_inbound_at"])?;
    let refusals = world.refused.iter().filter(|refused| refused.customer == asked.customer);
    let stands = refusals.into_iter().any(|refused| refused.at >= last_inbound_at);
    Ok(stands && answer.value["basis"] == "advisory")
}

/// V3: some record holds the window open at the time of the decision.
fn is_justified(world: &World, asked: &Asked, answer: &Seen) -> Result<bool, String> {
    let decided_at = time(&answer.value["decided_at"])?;
    let last = time(&answer.value["window"]["last_inbound_at"])?;
    Ok(world.said.iter().any(|said| {
        said.opens.contains(&asked.customer)
            && said.at == last
            && is_visible(world, said.transaction)
            && decided_at < said.at + LENGTH_MS - GUARD_MS
    }))
}

/// V2: a record that lay in the log when the intent was read, and holds the window open.
fn false_negative<'a>(world: &'a World, asked: &Asked, answer: &Seen) -> Result<Option<&'a Said>, String> {
    let decided_at = time(&answer.value["decided_at"])?;
    let key = (answer.instance, world.intents.id.clone(), asked.position);
    let Some((topic, highs)) = world.reads.get(&key) else { return Err("an answer without a reading".into()) };
    Ok(world.said.iter().find(|said| {
        said.opens.contains(&asked.customer)
            && said.topic == *topic
            && said.topic == world.inbound.id
            // A partition that was added since held nothing then.
            && highs.get(said.position.partition.0 as usize).is_some_and(|high| said.position.offset.0 < *high)
            && is_visible(world, said.transaction)
            && decided_at < said.at + LENGTH_MS - GUARD_MS
    }))
}

/// The answers of one partition come in its order.
fn order_is_kept(world: &World, seen: &[Seen]) -> Result<(), String> {
    let mut last: BTreeMap<Partition, Offset> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| !seen.from_inbound && !world.at_least_once) {
        let before = last.insert(seen.source.partition, seen.source.offset);
        if before.is_some_and(|before| before > seen.source.offset) {
            return Err(format!("order: {:?} after {before:?}", seen.source));
        }
    }
    Ok(())
}

/// V4 and E1 for inbound: garbage is a dead letter once, and nobody gets a session send out of a window whose
/// opening was never told.
fn inbound_is_told(world: &World, seen: &[Seen]) -> Result<(), String> {
    let mut letters: BTreeMap<Position, usize> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.from_inbound && seen.topic == "dead-letter") {
        *letters.entry(seen.source).or_default() += 1;
    }
    let anew = world.inbound.id.as_str() != "inbound-1";
    for said in world.said.iter().filter(|said| said.is_garbage && is_visible(world, said.transaction) && !anew) {
        match letters.get(&said.position).copied().unwrap_or(0) {
            1 => {}
            0 => return Err(format!("V4: {said:?} is nowhere")),
            _ if world.at_least_once => {}
            count => return Err(format!("V4: {count} dead letters of {said:?}")),
        }
    }
    let mut told: BTreeSet<(String, i64)> = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for event in seen.iter().filter(|seen| seen.topic == "window-event") {
        let customer = event.value["customer_id"].as_str().unwrap_or_default().to_owned();
        told.insert((customer, time(&event.value["opened_at"])?));
        if !ids.insert(event.ce_id.clone()) && !world.at_least_once && !anew {
            return Err(format!("E1: {:?} was told twice", event.ce_id));
        }
        if !world.at_least_once && !anew {
            session_was_not_open(world, event)?;
        }
    }
    for send in seen.iter().filter(|seen| seen.topic == "session-send" && !anew) {
        let customer = send.value["customer_id"].as_str().unwrap_or_default();
        let last = time(&send.value["window"]["last_inbound_at"])?;
        if began_untold(world, customer, time(&send.value["window"]["opened_at"])?) {
            continue;
        }
        // Not before the act: of two acts that arrive out of order, the later one may be the one that was told.
        if !told.iter().any(|(who, opened_at)| who == customer && (opened_at - last).abs() < 10 * LENGTH_MS) {
            return Err(format!("E1: nobody was told of the window behind {}", send.value));
        }
    }
    Ok(())
}

/// Nobody is told that a session began which an earlier record of the same partition holds open. Close to the end of that
/// session its window may have expired in the store by the time of the later act.
fn session_was_not_open(world: &World, event: &Seen) -> Result<(), String> {
    let customer = event.value["customer_id"].as_str().unwrap_or_default();
    let at = time(&event.value["occurred_at"])?;
    let holds = |said: &&Said| {
        said.topic == world.inbound.id
            && said.position.partition == event.source.partition
            && said.position.offset < event.source.offset
            && !is_purged(world, said)
            && is_visible(world, said.transaction)
            && said.opens.iter().any(|id| id == customer)
            && (said.at..said.at + LENGTH_MS).contains(&at)
            && event.written_at < said.at + LENGTH_MS - 2 * GUARD_MS
    };
    match world.said.iter().find(holds) {
        Some(said) => Err(format!("E1: {} began within the session of {said:?}", event.value)),
        None => Ok(()),
    }
}

/// What was deleted before its window ended is not applied again to a store that lost it.
fn is_purged(world: &World, said: &Said) -> bool {
    let log = world.inbound.partitions.get(said.position.partition.0 as usize);
    log.is_some_and(|log| said.position.offset.0 < log.purged_to)
}

/// Whether an old act still opens anything hangs on the store's clock. When that was set back, an act may have been too
/// late to be told when it was committed, and in time when its record was applied again: then those that follow it
/// within its window only refresh what nobody was told of.
fn began_untold(world: &World, customer: &str, opened_at: i64) -> bool {
    let acts = || world.said.iter().filter(|said| said.opens.iter().any(|id| id == customer));
    let mut start = opened_at;
    while let Some(earlier) = acts().map(|said| said.at).find(|at| *at < start && start < *at + LENGTH_MS) {
        start = earlier;
    }
    let was_late = |said: &Said| world.committed_late.contains(&(said.topic.clone(), said.position));
    acts().any(|said| (start..=opened_at).contains(&said.at) && was_late(said))
}
