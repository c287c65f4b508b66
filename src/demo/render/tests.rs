use super::*;
use crate::demo::observation::Observation;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn ends(business: &str, customer: &str) -> Ends {
    Ends { business: business.into(), customer: customer.into() }
}

/// A minute of a demo, in a few strokes.
fn picture() -> Picture {
    let mut picture = Picture::new("127.0.0.1:9092", Span::from_secs(20), Span::from_secs(3), at(0));
    picture.ready = true;
    let window = |business, customer, ms| Observation::Window {
        ends: ends(business, customer),
        opened: true,
        last_inbound_at: at(ms),
        expires_at: at(ms + 20_000),
    };
    let required = |reason: &str| Observation::TemplateRequired {
        ends: ends("bakery", "12025550104"),
        reason: reason.into(),
        basis: "complete".into(),
        ready: true,
    };
    let letter = Observation::DeadLetter {
        topic: "inbound-message".into(),
        reason: "not_json".into(),
        detail: "expected value at line 1 column 1".into(),
    };
    let sent = Observation::SessionSend { ends: ends("bakery", "12025550101"), expires_at: at(52_000) };
    let story = [
        (14_000, window("clinic", "4915", 14_000)),
        (24_000, window("bookshop", "12025550102", 24_000)),
        (32_000, window("bakery", "12025550101", 32_000)),
        (33_000, sent),
        (34_000, required("no_open_window")),
        (35_000, required("window_closing")),
        (36_000, letter),
    ];
    for (now, observation) in story {
        picture.advance(at(now));
        picture.observe(observation, at(now));
    }
    picture
}

fn text(width: usize, height: usize) -> String {
    let lines: Vec<String> = draw(&picture(), at(42_000), width, height).iter().map(Line::text).collect();
    format!("\n{}\n", lines.join("\n"))
}

#[test]
fn a_usual_terminal_shows_it_all() {
    let expected = r#"
sessiongate demo  00:42  a day takes 20 s here, its guard 3 s
VERDICTS                               WINDOWS  1 open, 1 closing, 1 closed
 session send                       1   bakery   Ana   ▒▒████·····  10 s open
 template required                  2   bookshop Ben   ▒▒·········   2 s closing
   no_open_window, complete         1   clinic   4915  ···········      closed
   window_closing, complete         1
 dead letter                        1
   not_json                         1
LATEST
 00:36 dead letter       from inbound-message: not_json, expected value at line
 00:35 template required bakery -> Dev: the window closes in a moment, too late
 00:34 template required bakery -> Dev: no window is open
 00:34 window closed     4915 -> clinic has been silent for 20 s
 00:33 session send      bakery -> Ana: sent freely, the window is open for 19 s
 00:32 window opened     Ana wrote to bakery: services may write freely for 20 s
"#;
    let drawn = text(80, 24);
    assert!(drawn.starts_with(expected.trim_end()), "{drawn}");
    assert!(drawn.contains("TAKE PART  broker 127.0.0.1:9092   q or Ctrl-C ends the demo\n"), "{drawn}");
    assert!(drawn.contains("-t inbound-message -k bakery:12025550199"), "{drawn}");
}

#[test]
fn a_narrow_terminal_shows_one_column() {
    let expected = r#"
sessiongate demo  00:42  a day takes 20
VERDICTS
 session send                       1
 template required                  2
   no_open_window, complete         1
   window_closing, complete         1
 dead letter                        1
   not_json                         1
WINDOWS  1 open, 1 closing, 1 closed
 bakery   Ana   ▒▒███·····  10 s open
 bookshop Ben   ▒·········   2 s closing
 clinic   4915  ··········      closed
LATEST
 00:36 dead letter       from inbound-me
"#;
    let drawn = text(40, 40);
    assert!(drawn.starts_with(expected.trim_end()), "{drawn}");
}

#[test]
fn where_there_is_little_room_reasons_give_way_to_windows() {
    let expected = r#"
sessiongate demo  00:42  a day takes 20 s her
VERDICTS
 session send                       1
 template required                  2
 dead letter                        1
WINDOWS  1 open, 1 closing, 1 closed
 bakery   Ana   ▒▒▒█████·······  10 s open
 bookshop Ben   ▒▒·············   2 s closing
 clinic   4915  ···············      closed
LATEST
 00:36 dead letter       from inbound-message
 00:35 template required bakery -> Dev: the w
 00:34 template required bakery -> Dev: no wi
 00:34 window closed     4915 -> clinic has b
 00:33 session send      bakery -> Ana: sent
TAKE PART  broker 127.0.0.1:9092   q or Ctrl-
"#;
    assert_eq!(text(45, 16), expected);
}

#[test]
fn it_never_takes_more_room_than_there_is() {
    for width in (0..200).step_by(7) {
        for height in 0..60 {
            let lines = draw(&picture(), at(42_000), width, height);
            assert!(lines.len() <= height, "{width}x{height}: {} lines", lines.len());
            assert!(lines.iter().all(|line| line.width() <= width), "{width}x{height}");
        }
    }
}

#[test]
fn windows_that_closed_give_way_to_those_that_are_open() {
    let shown: Vec<String> = windows(&picture(), at(42_000), 60, 3).iter().map(Line::text).collect();
    assert!(shown[1].contains("Ana") && shown[2].contains("Ben") && shown.len() == 3, "{shown:#?}");
}

#[test]
fn a_bar_runs_out_and_leaves_the_guard_for_last() {
    let window = &picture().windows[&ends("bakery", "12025550101")];
    let bar = |now| {
        let line = countdown(&ends("bakery", "12025550101"), window, Span::from_secs(3), at(now), 55);
        line.text().chars().skip(22).collect::<String>()
    };
    let table = [
        (32_000, "▒▒▒████████████████  20 s open"),
        (42_000, "▒▒▒███████·········  10 s open"),
        (49_000, "▒▒▒················   3 s closing"),
        (51_999, "▒··················   1 s closing"),
        (52_000, "···················      closed"),
    ];
    for (now, expected) in table {
        assert_eq!(bar(now), expected, "{now}");
    }
}
