//! Properties of the rules that the promise rests on, for any input.

use proptest::prelude::*;
use sessiongate::core::ids::{Offset, Partition, Position};
use sessiongate::core::intent::IntentHash;
use sessiongate::core::noted::NotedIds;
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::{Window, WindowRules, WindowState};
use std::collections::BTreeMap;

const LENGTH: Span = Span::from_millis(1_000);
const RULES: WindowRules = WindowRules { length: LENGTH, guard: Span::from_millis(60) };

/// Acts that lie close together, so that ties, touching and separate sessions all occur.
fn act() -> impl Strategy<Value = Window> {
    (0_i64..5_000, 0_i32..3, 0_i64..20).prop_map(|(at, partition, offset)| {
        let position = Position { partition: Partition(partition), offset: Offset(offset) };
        Window::opened_by(Timestamp::from_millis(at), position)
    })
}

fn fold(acts: impl IntoIterator<Item = Window>) -> Option<Window> {
    acts.into_iter().reduce(|a, b| a.merge(b, LENGTH))
}

/// What verdicts hang on, and which act it was.
fn essence(window: Option<Window>) -> Option<(Timestamp, Position)> {
    window.map(|window| (window.last_inbound_at, window.position))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn w1_order_and_grouping_of_acts_do_not_matter(
        acts in prop::collection::vec(act(), 1..12),
        seed in any::<u64>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut shuffled = acts.clone();
        let count = shuffled.len() as u64;
        for i in 0..shuffled.len() {
            shuffled.swap(i, (seed.rotate_left(i as u32 * 7) % count) as usize);
        }
        let (left, right) = shuffled.split_at(cut.index(shuffled.len()));
        let grouped = fold([fold(left.iter().copied()), fold(right.iter().copied())].into_iter().flatten());
        prop_assert_eq!(essence(fold(acts.clone())), essence(fold(shuffled.clone())));
        prop_assert_eq!(essence(fold(acts)), essence(grouped));
    }

    #[test]
    fn w1_an_act_that_is_applied_twice_changes_nothing(acts in prop::collection::vec(act(), 1..12), again in any::<prop::sample::Index>()) {
        let once = fold(acts.clone());
        let twice = once.map(|window| window.merge(acts[again.index(acts.len())], LENGTH));
        prop_assert_eq!(essence(once), essence(twice));
    }

    #[test]
    fn w1_the_last_act_never_moves_back(acts in prop::collection::vec(act(), 2..12)) {
        let mut window = acts[0];
        for act in &acts[1..] {
            let merged = window.merge(*act, LENGTH);
            prop_assert!(merged.last_inbound_at >= window.last_inbound_at);
            prop_assert!(merged.opened_at <= merged.last_inbound_at);
            window = merged;
        }
    }

    #[test]
    fn v3_open_ends_exactly_at_the_guard(act in act(), now in 0_i64..8_000) {
        let now = Timestamp::from_millis(now);
        let open = RULES.state(&act, now) == WindowState::Open;
        prop_assert_eq!(open, now < act.last_inbound_at + LENGTH - RULES.guard);
    }

    #[test]
    fn d1_a_duplicate_is_a_function_of_the_preceding_offsets_alone(
        ids in prop::collection::vec((0_u128..12, 1_i64..4), 1..80),
        reach in 1_u32..20,
        start in any::<prop::sample::Index>(),
    ) {
        // Offsets with gaps, as markers leave them.
        let mut offset = 0;
        let log: Vec<(i64, u128)> = ids.into_iter().map(|(id, step)| { offset += step; (offset, id) }).collect();
        let mut latest = BTreeMap::new();
        let expected: Vec<bool> = log.iter().map(|(offset, id)| {
            let before: Option<i64> = latest.insert(*id, *offset);
            before.is_some_and(|before| before >= offset - i64::from(reach))
        }).collect();
        let mut whole = NotedIds::new(reach);
        let found: Vec<bool> = log.iter().map(|(at, id)| whole.note(Offset(*at), IntentHash(*id))).collect();
        prop_assert_eq!(&found, &expected);

        // A restart notes the preceding offsets again and then gives the same answers.
        let from = start.index(log.len());
        let mut restarted = NotedIds::new(reach);
        let oldest = log[from].0 - i64::from(reach);
        for (at, id) in log[..from].iter().filter(|(at, _)| *at >= oldest) {
            restarted.note(Offset(*at), IntentHash(*id));
        }
        let again: Vec<bool> = log[from..].iter().map(|(at, id)| restarted.note(Offset(*at), IntentHash(*id))).collect();
        prop_assert_eq!(&again[..], &expected[from..]);
    }
}
