use super::*;

const LONGEST: Span = Span::from_hours(24);

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn judging() -> Judging {
    Judging { now: now(), longest: LONGEST }
}

fn topic(partitions: Vec<PartitionPosition>) -> TopicPositions {
    TopicPositions { topic_id: TopicId::new("ours"), partitions, problems: Vec::new() }
}

/// A partition whose log goes from 100 to 1,000; what matters begins at 200.
fn position(committed: Committed) -> PartitionPosition {
    let offset = |offset| Some(Offset(offset));
    let (low, high, history) = (offset(100), offset(1_000), offset(200));
    PartitionPosition { partition: Partition(3), committed: Some(committed), low, high, history }
}

fn frontier(next: i64, reapply_to: i64) -> Frontier {
    Frontier {
        next: Offset(next),
        topic_id: TopicId::new("ours"),
        reaches_back_to: Timestamp::MIN,
        reapply_to: Offset(reapply_to),
    }
}

fn since(ago: Span) -> Stored<Frontier> {
    Stored::Known(Frontier { reaches_back_to: now() - ago, ..frontier(1_000, 0) })
}

#[test]
fn every_state_of_a_partition_has_its_words() {
    let known = |next, reapply_to| Stored::Known(frontier(next, reapply_to));
    let foreign = Frontier { topic_id: TopicId::new("theirs"), ..frontier(1_000, 0) };
    let matters_for = LONGEST + FUTURE_TOLERANCE;
    let table = [
        (known(1_000, 0), "applied"),
        (known(1_000, 1_000), "applied"),
        (known(999, 0), "1 record behind"),
        (known(600, 600), "400 records behind"),
        (known(200, 1_000), "filling Redis: 0 of 800 (0 %)"),
        (known(599, 1_000), "filling Redis: 399 of 800 (49 %)"),
        (known(999, 1_000), "filling Redis: 799 of 800 (99 %)"),
        // It began when more of the log mattered.
        (known(150, 1_000), "filling Redis: 0 of 850 (0 %)"),
        (known(100, 150), "filling Redis: 0 of 50 (0 %)"),
        (Stored::Known(foreign), "foreign topic"),
        (Stored::Missing, "missing"),
        (Stored::Newer, "written by a newer version"),
        (Stored::Damaged("what".into()), "damaged"),
        (known(99, 0), "outside of the log"),
        (known(1_001, 0), "outside of the log"),
        (known(1_001, 2_000), "outside of the log"),
        (since(matters_for), "applied"),
        (since(matters_for - Span::from_secs(1)), "history incomplete until 2023-11-14T22:13:21.000Z"),
        (since(LONGEST + LONGEST), "applied"),
    ];
    for (stored, words) in table {
        let frontiers = Frontiers::from([(Partition(3), stored.clone())]);
        let topic = topic(vec![position(Committed::At(Offset(1_000)))]);
        let rows = inbound(&topic, Some(&frontiers), judging());
        assert_eq!(rows[0].state.to_string(), words, "{stored:?}");
    }
}

#[test]
fn the_end_of_an_incomplete_history_is_when_its_last_window_must_have_ended() {
    let ago = Span::from_hours(23);
    let now = now();
    let stored = Stored::Known(Frontier { reaches_back_to: now - ago, ..frontier(1_000, 0) });
    let position = position(Committed::Nowhere);
    let state = state(&stored, &position, &TopicId::new("ours"), Judging { now, longest: LONGEST });
    assert_eq!(state, State::HistoryIncomplete { until: now + Span::from_hours(1) + FUTURE_TOLERANCE });
}

#[test]
fn the_lag_counts_from_where_the_worker_would_go_on() {
    let table = [
        (Committed::At(Offset(1_000)), Cell::Number(1_000), 0),
        (Committed::At(Offset(900)), Cell::Number(900), 100),
        (Committed::At(Offset(100)), Cell::Number(100), 900),
        (Committed::Nowhere, Cell::Nothing, 900),
        // Of a log whose records were deleted, or of one that was made anew.
        (Committed::At(Offset(50)), Cell::Number(50), 900),
        (Committed::At(Offset(1_001)), Cell::Number(1_001), 900),
    ];
    for (committed, shown, lag) in table {
        let rows = intents(&topic(vec![position(committed)]), None);
        assert_eq!((rows[0].committed, rows[0].end), (shown, Cell::Number(1_000)), "{committed:?}");
        assert_eq!(rows[0].lag, Cell::Number(lag), "{committed:?}");
    }
}

#[test]
fn what_could_not_be_read_is_not_guessed() {
    let unread = PartitionPosition { partition: Partition(0), committed: None, low: None, high: None, history: None };
    let frontiers = Frontiers::from([(Partition(0), Stored::Known(frontier(5, 0)))]);
    let rows = inbound(&topic(vec![unread]), Some(&frontiers), judging());
    let row = |frontier| InboundRow {
        partition: 0,
        committed: Cell::Unknown,
        frontier,
        end: Cell::Unknown,
        lag: Cell::Unknown,
        state: State::Unknown,
    };
    assert_eq!(rows, [row(Cell::Number(5))]);
    assert_eq!(inbound(&topic(vec![unread]), None, judging()), [row(Cell::Unknown)]);
}

#[test]
fn a_lane_that_the_worker_does_not_have_is_unknown_and_an_empty_one_has_no_oldest() {
    let partitions = (0..3)
        .map(|number| PartitionPosition { partition: Partition(number), ..position(Committed::At(Offset(1_000))) });
    let topic = topic(partitions.collect());
    let lane = |waiting| Lane { waiting, oldest_ms: 1_500 };
    let waiting = Waiting::from([(Partition(0), lane(2)), (Partition(1), lane(0))]);
    let cells = |rows: Vec<IntentRow>| rows.into_iter().map(|row| (row.waiting, row.oldest_ms)).collect::<Vec<_>>();
    let expected =
        [(Cell::Number(2), Cell::Number(1_500)), (Cell::Number(0), Cell::Nothing), (Cell::Unknown, Cell::Unknown)];
    assert_eq!(cells(intents(&topic, Some(&waiting))), expected);
    assert_eq!(cells(intents(&topic, None)), [(Cell::Unknown, Cell::Unknown); 3]);
}

#[test]
fn a_state_lies_beside_its_numbers_in_json() {
    let row = InboundRow {
        partition: 0,
        committed: Cell::Number(10),
        frontier: Cell::Nothing,
        end: Cell::Unknown,
        lag: Cell::Number(2),
        state: State::Filling { filled: 1, to_fill: 4 },
    };
    let expected = serde_json::json!({
        "partition": 0, "committed": 10, "frontier": null, "end": null, "lag": 2,
        "state": "filling", "filled": 1, "to_fill": 4,
    });
    assert_eq!(serde_json::to_value(row).unwrap(), expected);
    let until = serde_json::to_value(State::HistoryIncomplete { until: Timestamp::from_millis(0) }).unwrap();
    assert_eq!(until, serde_json::json!({ "state": "history_incomplete", "until": "1970-01-01T00:00:00.000Z" }));
}
