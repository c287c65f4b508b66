//! Rows as a person reads them.

use super::rows::{Cell, InboundRow, IntentRow};
use std::time::Duration;

/// The inbound table, each line ended.
pub(super) fn inbound(rows: &[InboundRow]) -> String {
    let lines = rows.iter().map(|row| {
        let InboundRow { partition, committed, frontier, end, lag, state } = row;
        let numbers = [*committed, *frontier, *end, *lag].map(number);
        [vec![partition.to_string()], numbers.to_vec(), vec![state.to_string()]].concat()
    });
    aligned(&["PARTITION", "COMMITTED", "FRONTIER", "END", "LAG", "STATE"], lines.collect())
}

/// The table of intents, each line ended.
pub(super) fn intents(rows: &[IntentRow]) -> String {
    let lines = rows.iter().map(|row| {
        let IntentRow { partition, committed, end, lag, waiting, oldest_ms } = row;
        let numbers = [*committed, *end, *lag, *waiting].map(number);
        [vec![partition.to_string()], numbers.to_vec(), vec![span(*oldest_ms)]].concat()
    });
    aligned(&["PARTITION", "COMMITTED", "END", "LAG", "WAITING", "OLDEST"], lines.collect())
}

fn number(cell: Cell) -> String {
    match cell {
        Cell::Number(number) => number.to_string(),
        Cell::Nothing => "-".to_owned(),
        Cell::Unknown => "?".to_owned(),
    }
}

fn span(cell: Cell) -> String {
    match cell {
        Cell::Number(ms) => humantime::format_duration(Duration::from_millis(ms.unsigned_abs())).to_string(),
        Cell::Nothing | Cell::Unknown => number(cell),
    }
}

/// Numbers to the right; the last column holds words and stays at the left.
fn aligned(heads: &[&str], lines: Vec<Vec<String>>) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all: Vec<&Vec<String>> = [&heads].into_iter().chain(&lines).collect();
    let widths: Vec<usize> =
        (0..heads.len()).map(|column| all.iter().map(|line| line[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in all {
        for (column, word) in line.iter().enumerate() {
            match column + 1 == heads.len() {
                true => text.push_str(word),
                false => text.push_str(&format!("{word:>width$}  ", width = widths[column])),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::rows::State;
    use super::*;

    #[test]
    fn numbers_stand_under_each_other() {
        let row = |partition, committed, frontier, end, lag, state| InboundRow {
            partition,
            committed,
            frontier,
            end: Cell::Number(end),
            lag: Cell::Number(lag),
            state,
        };
        let rows = [
            row(0, Cell::Number(12), Cell::Number(1_234_567_890), 12, 0, State::Behind { records: 5 }),
            row(11, Cell::Nothing, Cell::Unknown, 7, 7, State::Unknown),
        ];
        let expected = [
            "PARTITION  COMMITTED    FRONTIER  END  LAG  STATE",
            "        0         12  1234567890   12    0  5 records behind",
            "       11          -           ?    7    7  ?",
            "",
        ];
        assert_eq!(inbound(&rows), expected.join("\n"));
    }

    #[test]
    fn the_oldest_is_a_time() {
        let row = |waiting, oldest_ms| IntentRow {
            partition: 0,
            committed: Cell::Number(3),
            end: Cell::Number(5),
            lag: Cell::Number(2),
            waiting,
            oldest_ms,
        };
        let rows = [
            row(Cell::Number(2), Cell::Number(61_500)),
            row(Cell::Number(0), Cell::Nothing),
            row(Cell::Unknown, Cell::Unknown),
        ];
        let expected = [
            "PARTITION  COMMITTED  END  LAG  WAITING  OLDEST",
            "        0          3    5    2        2  1m 1s 500ms",
            "        0          3    5    2        0  -",
            "        0          3    5    2        ?  ?",
            "",
        ];
        assert_eq!(intents(&rows), expected.join("\n"));
    }
}
