//! The picture as lines of a terminal: a function of what was seen, the time, and the room there is.

use super::cast;
use super::invite;
use super::line::{Line, Tone};
use super::picture::{Counts, Kind, Phase, Picture, Told, WindowSeen, seconds};
use crate::core::time::{Span, Timestamp};
use crate::demo::cast::name;
use crate::demo::observation::Ends;

/// From this width on, verdicts and windows stand side by side.
const WIDE: usize = 80;
const LEFT_COLUMN: usize = 39;
/// What stands behind a bar.
const TAIL_COLUMNS: usize = 14;
/// No more of the story than this, and no less if there is any room.
const MOST_EVENTS: usize = 10;
const FEWEST_EVENTS: usize = 4;
/// A terminal of so many rows has one for the console's address.
const LINES_WITH_CONSOLE: usize = 16;

/// Draws it for that many columns and rows. Never gives more of either.
pub(super) fn draw(picture: &Picture, now: Timestamp, width: usize, height: usize) -> Vec<Line> {
    let invitation = invitation(picture, width, height);
    let room = height.saturating_sub(1 + invitation.len());
    let fewest = 1 + FEWEST_EVENTS;
    let below = if width >= WIDE { 0 } else { 1 + picture.windows.len() };
    let mut verdicts = detailed_verdicts(picture);
    if verdicts.len() + below + fewest > room {
        verdicts = brief_verdicts(picture);
    }
    let mut lines = vec![header(picture, now)];
    if width >= WIDE {
        let rows = room.saturating_sub(fewest).max(verdicts.len()).min(room);
        let windows = windows(picture, now, width - LEFT_COLUMN, rows);
        lines.extend(side_by_side(verdicts, windows));
    } else {
        let rows = room.saturating_sub(verdicts.len() + fewest);
        lines.extend(verdicts);
        lines.extend(windows(picture, now, width, rows));
    }
    let room = height.saturating_sub(lines.len() + invitation.len());
    lines.extend(events(picture, room));
    lines.resize(height.saturating_sub(invitation.len()), Line::default());
    lines.extend(invitation);
    lines.truncate(height);
    lines.into_iter().map(|line| line.cut(width)).collect()
}

fn header(picture: &Picture, now: Timestamp) -> Line {
    let (length, guard) = (seconds(picture.length), seconds(picture.guard));
    let line =
        Line::of(Tone::Strong, "sessiongate demo").and(Tone::Faint, format!("  {}", clock(now - picture.started_at)));
    match picture.ready {
        true => line.and(Tone::Faint, format!("  a day takes {length} s here, its guard {guard} s")),
        false => line.and(Tone::Careful, "  the worker is joining its consumer group"),
    }
}

fn clock(elapsed: Span) -> String {
    let seconds = elapsed.as_millis().max(0) / 1_000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn title(text: &str) -> Line {
    Line::of(Tone::Strong, text)
}

fn verdict(tone: Tone, name: &str, count: u64) -> Line {
    Line::of(tone, format!(" {name:<29}{count:>7}"))
}

fn brief_verdicts(picture: &Picture) -> Vec<Line> {
    let counts = &picture.counts;
    vec![
        title("VERDICTS"),
        verdict(Tone::Good, Kind::SessionSend.title(), counts.session_sends),
        verdict(Tone::Careful, Kind::TemplateRequired.title(), counts.all_templates()),
        verdict(Tone::Bad, Kind::DeadLetter.title(), counts.all_dead_letters()),
    ]
}

/// With the reasons below each verdict.
fn detailed_verdicts(picture: &Picture) -> Vec<Line> {
    let detail = |name: &str, count: u64| verdict(Tone::Faint, &format!("  {name}"), count);
    let Counts { templates, dead_letters, .. } = &picture.counts;
    let mut lines = brief_verdicts(picture);
    lines.extend(dead_letters.iter().map(|(reason, count)| detail(reason, *count)));
    let templates = templates.iter().map(|((reason, basis), count)| detail(&format!("{reason}, {basis}"), *count));
    lines.splice(3..3, templates);
    lines
}

/// Those that are open before those that closed, as far as there is room.
fn windows(picture: &Picture, now: Timestamp, width: usize, rows: usize) -> Vec<Line> {
    if rows == 0 {
        return Vec::new();
    }
    let [open, closing, closed] = picture.phases(now);
    let counts = format!("  {open} open, {closing} closing, {closed} closed");
    let mut lines = vec![title("WINDOWS").and(Tone::Faint, counts)];
    let is_closed = |window: &WindowSeen| window.phase(now, picture.guard) == Phase::Closed;
    let mut shown: Vec<(&Ends, &WindowSeen)> = picture.windows.iter().collect();
    let mut surplus = shown.len().saturating_sub(rows - 1);
    shown.retain(|(_, window)| {
        let goes = surplus > 0 && is_closed(window);
        surplus -= usize::from(goes);
        !goes
    });
    shown.truncate(rows - 1);
    lines.extend(shown.into_iter().map(|(ends, window)| countdown(ends, window, picture.guard, now, width)));
    lines
}

/// A window as a bar that runs out; its last part is the guard.
fn countdown(ends: &Ends, window: &WindowSeen, guard: Span, now: Timestamp, width: usize) -> Line {
    // A number is longer than the names of the cast; what it loses in a narrow column is the country.
    let name_columns = if width >= 48 { 11 } else { 5 };
    let who = format!(" {:<8.8} {:<name_columns$.name_columns$} ", ends.business, name(&ends.customer));
    let phase = window.phase(now, guard);
    let (tone, state) = match phase {
        Phase::Open => (Tone::Good, "open"),
        Phase::Closing => (Tone::Careful, "closing"),
        Phase::Closed => (Tone::Faint, "closed"),
    };
    let left = window.expires_at - now;
    let tail = match phase {
        Phase::Closed => format!("      {state}"),
        _ => format!(" {:>3} s {state}", (left.as_millis() + 999) / 1_000),
    };
    let columns = width.saturating_sub(who.len() + TAIL_COLUMNS).min(30) as i64;
    let length_ms = (window.expires_at - window.last_inbound_at).as_millis().max(1);
    let part = |span: Span| (span.as_millis().clamp(0, length_ms) * columns + length_ms - 1) / length_ms;
    let (filled, guarded) = (part(left), part(guard).min(part(left)));
    let repeat = |c: &str, times: i64| c.repeat(usize::try_from(times).unwrap_or(0));
    let who_tone = if phase == Phase::Closed { Tone::Faint } else { Tone::Plain };
    Line::of(who_tone, who)
        .and(Tone::Careful, repeat("▒", guarded))
        .and(Tone::Good, repeat("█", filled - guarded))
        .and(Tone::Faint, repeat("·", columns - filled))
        .and(tone, tail)
}

fn events(picture: &Picture, room: usize) -> Vec<Line> {
    if room == 0 {
        return Vec::new();
    }
    let shown = picture.events.iter().take(MOST_EVENTS.min(room - 1));
    let mut lines = vec![title("LATEST")];
    lines.extend(shown.map(event));
    lines
}

fn event(told: &Told) -> Line {
    let tone = match told.kind {
        Kind::SessionSend | Kind::Opened | Kind::Refreshed => Tone::Good,
        Kind::TemplateRequired => Tone::Careful,
        Kind::Closed => Tone::Faint,
        Kind::DeadLetter => Tone::Bad,
    };
    Line::of(Tone::Faint, format!(" {} ", clock(told.after)))
        .and(tone, format!("{:<18}", told.kind.title()))
        .and(Tone::Plain, told.text.clone())
}

/// How to take part, as far as there is room for it.
fn invitation(picture: &Picture, width: usize, height: usize) -> Vec<Line> {
    let heading = Line::of(Tone::Strong, "TAKE PART")
        .and(Tone::Plain, format!("  broker {}", picture.brokers))
        .and(Tone::Faint, "   q or Ctrl-C ends the demo");
    let mut lines = Vec::new();
    if let Some(url) = picture.console.as_ref().filter(|_| height >= LINES_WITH_CONSOLE) {
        let console = Line::of(Tone::Strong, "WATCH").and(Tone::Plain, format!("  {url}"));
        lines.push(console.and(Tone::Faint, format!("   look up {} and {}", cast::YOU.business, cast::ANA)));
    }
    lines.push(heading);
    let commands = [
        ("you write to the bakery:", invite::message(&picture.brokers)),
        ("the bakery writes to you:", invite::intent(&picture.brokers)),
    ];
    // What does not leave three quarters of the rows to the picture itself is left out, and so is what would be cut.
    for (title, command) in commands {
        let command = invite::wrap(&command, width);
        let fits = command.iter().all(|line| line.len() <= width);
        if fits && lines.len() + command.len() <= height / 4 {
            if height >= 36 {
                lines.push(Line::of(Tone::Faint, title));
            }
            lines.extend(command.into_iter().map(|text| Line::of(Tone::Plain, text)));
        }
    }
    lines
}

fn side_by_side(left: Vec<Line>, right: Vec<Line>) -> Vec<Line> {
    let rows = left.len().max(right.len());
    let mut right = right.into_iter();
    let left = left.into_iter().chain(std::iter::repeat(Line::default())).take(rows);
    left.map(|line| line.fit(LEFT_COLUMN).join(right.next().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests;
