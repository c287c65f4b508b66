//! What every store must do, as a table that runs against any of them.

use crate::core::advice::Advice;
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Offset, Partition, Position, TopicId, WindowKey};
use crate::core::time::{Span, Timestamp};
use crate::core::window::Window;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, StoreError, WindowStore, WindowWrite,
};
use std::fmt::Debug;

const LENGTH: Span = Span::from_hours(24);

type Rule = fn(&mut Bench<'_>) -> Result<(), String>;

const RULES: [(&str, Rule); 15] = [
    ("an empty request reads the clock alone", an_empty_request_reads_the_clock_alone),
    ("a merge without a frontier is refused and changes nothing", a_merge_without_a_frontier_is_refused),
    ("a merge from the frontier on writes its windows and advances it", a_merge_writes_and_advances),
    ("a merge made twice is as one", a_merge_made_twice_is_as_one),
    ("an older act never shortens a window, and may begin its session", an_older_act_never_shortens_a_window),
    ("a session that began after the end of another is a new one", a_session_after_the_end_is_a_new_one),
    ("of two acts at one instant the higher position is kept", of_two_acts_the_higher_position_is_kept),
    ("one key twice in a merge is merged twice", one_key_twice_in_a_merge),
    ("a frontier never goes back", a_frontier_never_goes_back),
    ("a range beyond the frontier is refused, and so is the one after it", a_range_beyond_the_frontier_is_refused),
    ("a range that follows another in one round trip is merged", ranges_follow_each_other),
    ("a frontier of another topic is not advanced", a_foreign_topic_is_refused),
    ("a window that has ended is not written", a_window_that_has_ended_is_not_written),
    ("a frontier starts only where the stored one is as seen", a_frontier_starts_only_where_it_is_as_seen),
    ("of all advice the latest that has not expired is kept, beside the window", the_latest_advice_is_kept),
];

/// Runs every rule on a store that holds nothing of this key prefix, each on a partition of its own. Says which rule
/// is broken, and how.
pub fn check(store: &mut dyn WindowStore) -> Result<(), String> {
    for (number, (name, rule)) in (0..).zip(RULES) {
        let now = now(store).map_err(|error| format!("{name}: {error}"))?;
        let mut bench = Bench { store, partition: Partition(number), now };
        rule(&mut bench).map_err(|broken| format!("{name}: {broken}"))?;
    }
    Ok(())
}

fn now(store: &mut dyn WindowStore) -> Result<Timestamp, StoreError> {
    Ok(store.read(&ReadRequest::default())?.clock)
}

fn an_empty_request_reads_the_clock_alone(bench: &mut Bench<'_>) -> Result<(), String> {
    let snapshot = bench.store.read(&ReadRequest::default()).map_err(told)?;
    same("frontiers and windows", (snapshot.frontiers, snapshot.windows), (vec![], vec![]))?;
    let mut times = 0;
    let beside = bench.store.read_beside(&ReadRequest::default(), &mut || times += 1).map_err(told)?;
    same("the same beside something else", (beside.frontiers, beside.windows, times), (vec![], vec![], 1))?;
    same("the clock goes on", snapshot.clock >= bench.now, true)?;
    same("no merges", bench.store.merge(&[]).map_err(told)?, vec![])?;
    same("no starts", bench.store.start_frontiers(&[]).map_err(told)?, vec![])
}

fn a_merge_without_a_frontier_is_refused(bench: &mut Bench<'_>) -> Result<(), String> {
    let window = bench.window(0, 0);
    bench.merge(0, 1, &[window], MergeOutcome::Refused)?;
    bench.holds(Stored::Missing, Stored::Missing)
}

fn a_merge_writes_and_advances(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(5)?;
    bench.holds(Stored::Known(bench.frontier(5)), Stored::Missing)?;
    let window = bench.window(0, 5);
    bench.merge(5, 9, &[window], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(9)), Stored::Known(window))
}

fn a_merge_made_twice_is_as_one(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let window = bench.window(0, 3);
    for _ in 0..2 {
        bench.merge(0, 4, &[window], MergeOutcome::Merged)?;
        bench.holds(Stored::Known(bench.frontier(4)), Stored::Known(window))?;
    }
    Ok(())
}

fn an_older_act_never_shortens_a_window(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let (later, older) = (bench.window(0, 0), bench.window(-1_000, 1));
    bench.merge(0, 1, &[later], MergeOutcome::Merged)?;
    bench.merge(1, 2, &[older], MergeOutcome::Merged)?;
    let merged = Window { opened_at: older.opened_at, ..later };
    bench.holds(Stored::Known(bench.frontier(2)), Stored::Known(merged))?;
    let refreshed = bench.window(1_000, 2);
    bench.merge(2, 3, &[refreshed], MergeOutcome::Merged)?;
    let merged = Window { opened_at: older.opened_at, ..refreshed };
    bench.holds(Stored::Known(bench.frontier(3)), Stored::Known(merged))
}

fn a_session_after_the_end_is_a_new_one(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    // An hour from its end, so that it is still there; the other begins ten hours after that end.
    let first = bench.window(-23 * 3_600_000, 0);
    let second = Window { opened_at: first.last_inbound_at + LENGTH, ..bench.window(11 * 3_600_000, 1) };
    bench.merge(0, 1, &[first], MergeOutcome::Merged)?;
    bench.merge(1, 2, &[second], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(2)), Stored::Known(second))?;
    bench.merge(0, 1, &[first], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(2)), Stored::Known(second))
}

fn of_two_acts_the_higher_position_is_kept(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let (higher, lower) = (bench.window(0, 9), bench.window(0, 3));
    for windows in [[lower], [higher], [lower]] {
        bench.merge(0, 1, &windows, MergeOutcome::Merged)?;
    }
    bench.holds(Stored::Known(bench.frontier(1)), Stored::Known(higher))?;
    let mut elsewhere = lower;
    elsewhere.position.partition = Partition(bench.partition.0 + 1);
    bench.merge(0, 1, &[elsewhere], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(1)), Stored::Known(elsewhere))
}

fn one_key_twice_in_a_merge(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let (later, older) = (bench.window(0, 1), bench.window(-1_000, 0));
    bench.merge(0, 2, &[later, older], MergeOutcome::Merged)?;
    let merged = Window { opened_at: older.opened_at, ..later };
    bench.holds(Stored::Known(bench.frontier(2)), Stored::Known(merged))
}

fn a_frontier_never_goes_back(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(10)?;
    let window = bench.window(0, 3);
    bench.merge(2, 4, &[window], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(10)), Stored::Known(window))
}

fn a_range_beyond_the_frontier_is_refused(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(5)?;
    let calls = [bench.call(6, 8, &[bench.window(0, 6)]), bench.call(8, 9, &[bench.window(0, 8)])];
    let outcomes = bench.store.merge(&calls).map_err(told)?;
    same("outcomes", outcomes, vec![MergeOutcome::Refused, MergeOutcome::Refused])?;
    bench.holds(Stored::Known(bench.frontier(5)), Stored::Missing)
}

fn ranges_follow_each_other(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let last = bench.window(2_000, 2);
    let calls = [
        bench.call(0, 2, &[bench.window(0, 0)]),
        bench.call(2, 3, &[last]),
        bench.call(4, 5, &[bench.window(3_000, 4)]),
    ];
    let outcomes = bench.store.merge(&calls).map_err(told)?;
    same("outcomes", outcomes, vec![MergeOutcome::Merged, MergeOutcome::Merged, MergeOutcome::Refused])?;
    let merged = Window { opened_at: bench.now, ..last };
    bench.holds(Stored::Known(bench.frontier(3)), Stored::Known(merged))
}

fn a_foreign_topic_is_refused(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let mut call = bench.call(0, 1, &[bench.window(0, 0)]);
    call.topic_id = TopicId::new("topic-made-anew");
    same("outcomes", bench.store.merge(&[call]).map_err(told)?, vec![MergeOutcome::Refused])?;
    bench.holds(Stored::Known(bench.frontier(0)), Stored::Missing)
}

fn a_window_that_has_ended_is_not_written(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let ended = bench.window(-LENGTH.as_millis(), 0);
    bench.merge(0, 1, &[ended], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(1)), Stored::Missing)?;
    let live = bench.window(0, 1);
    bench.merge(1, 2, &[live, ended], MergeOutcome::Merged)?;
    bench.holds(Stored::Known(bench.frontier(2)), Stored::Known(live))
}

fn a_frontier_starts_only_where_it_is_as_seen(bench: &mut Bench<'_>) -> Result<(), String> {
    let (first, mut second) = (bench.frontier(5), bench.frontier(3));
    second.reaches_back_to = bench.now;
    let known = Stored::Known(first.clone());
    let rows = [
        (known.clone(), &first, false, Stored::Missing),
        (Stored::Damaged("no frontier".to_owned()), &first, false, Stored::Missing),
        (Stored::Newer, &first, false, Stored::Missing),
        (Stored::Missing, &first, true, known.clone()),
        (Stored::Missing, &second, false, known.clone()),
        (Stored::Known(second.clone()), &second, false, known.clone()),
        (Stored::Newer, &second, false, known.clone()),
        (known.clone(), &second, true, Stored::Known(second.clone())),
    ];
    for (seen, frontier, starts, then) in rows {
        let start = FrontierStart { partition: bench.partition, seen, frontier: frontier.clone() };
        let starts_now = bench.store.start_frontiers(std::slice::from_ref(&start)).map_err(told)?;
        same(&format!("{start:?}"), starts_now, vec![starts])?;
        bench.holds(then, Stored::Missing)?;
    }
    Ok(())
}

fn the_latest_advice_is_kept(bench: &mut Bench<'_>) -> Result<(), String> {
    bench.start(0)?;
    let key = bench.key();
    let advice = |after_now_ms| Advice { refused_at: bench.now + Span::from_millis(after_now_ms) };
    // What is written, and what is there then.
    let rows = [
        (advice(-LENGTH.as_millis()), Stored::Missing),
        (advice(-2_000), Stored::Known(advice(-2_000))),
        (advice(-3_000), Stored::Known(advice(-2_000))),
        (advice(-1_000), Stored::Known(advice(-1_000))),
        (advice(-1_000), Stored::Known(advice(-1_000))),
    ];
    for (advice, then) in rows {
        bench.store.advise(&[AdviceWrite { key: key.clone(), advice, length: LENGTH }]).map_err(told)?;
        let request = ReadRequest { windows: vec![key.clone()], advice: vec![key.clone()], ..ReadRequest::default() };
        let snapshot = bench.store.read(&request).map_err(told)?;
        same("the advice", (snapshot.windows, snapshot.advice), (vec![Stored::Missing], vec![then]))?;
    }
    bench.store.advise(&[]).map_err(told)
}

/// A store, and what one rule uses of it.
struct Bench<'a> {
    store: &'a mut dyn WindowStore,
    partition: Partition,
    now: Timestamp,
}

impl Bench<'_> {
    fn key(&self) -> WindowKey {
        use crate::core::ids::{BusinessId, Channel, CustomerId};
        let customer = CustomerId::new(format!("customer-{}", self.partition));
        WindowKey::new(&Channel::new("whatsapp"), &BusinessId::new("106"), &customer)
    }

    fn window(&self, after_now_ms: i64, offset: i64) -> Window {
        let position = Position { partition: self.partition, offset: Offset(offset) };
        Window::opened_by(self.now + Span::from_millis(after_now_ms), position)
    }

    fn frontier(&self, next: i64) -> Frontier {
        Frontier {
            next: Offset(next),
            topic_id: TopicId::new("topic"),
            reaches_back_to: Timestamp::MIN,
            reapply_to: Offset(7),
        }
    }

    fn start(&mut self, next: i64) -> Result<(), String> {
        let start = FrontierStart { partition: self.partition, seen: Stored::Missing, frontier: self.frontier(next) };
        same("the frontier starts", self.store.start_frontiers(&[start]).map_err(told)?, vec![true])
    }

    fn call(&self, from: i64, to: i64, windows: &[Window]) -> MergeCall {
        let write = |window: &Window| WindowWrite { key: self.key(), window: *window, length: LENGTH };
        MergeCall {
            partition: self.partition,
            from: Offset(from),
            to: Offset(to),
            topic_id: TopicId::new("topic"),
            windows: windows.iter().map(write).collect(),
        }
    }

    fn merge(&mut self, from: i64, to: i64, windows: &[Window], outcome: MergeOutcome) -> Result<(), String> {
        let call = self.call(from, to, windows);
        same("the outcome", self.store.merge(&[call]).map_err(told)?, vec![outcome])
    }

    fn holds(&mut self, frontier: Stored<Frontier>, window: Stored<Window>) -> Result<(), String> {
        let request = ReadRequest { frontiers: vec![self.partition], windows: vec![self.key()], advice: vec![] };
        let snapshot = self.store.read(&request).map_err(told)?;
        same("the store", (snapshot.frontiers, snapshot.windows), (vec![frontier], vec![window]))
    }
}

fn told(error: StoreError) -> String {
    error.to_string()
}

fn same<T: PartialEq + Debug>(what: &str, actual: T, expected: T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?}, not {expected:?}")) }
}
