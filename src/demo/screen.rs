//! The terminal: borrowed while the picture moves, and given back however the demo ends.

use super::line::{Line, Tone};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The terminal with a picture on it.
pub(super) struct Screen {
    coloured: bool,
    size: (u16, u16),
    given_back: Arc<AtomicBool>,
}

/// Whether there is a terminal that a picture can be drawn on.
pub(super) fn is_there() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Screen> {
        let given_back = Arc::new(AtomicBool::new(false));
        give_back_before_a_panic_speaks(given_back.clone());
        let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let screen = Screen { coloured, size: (0, 0), given_back };
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        (usize::from(columns), usize::from(rows))
    }

    /// Draws over what was there.
    pub(super) fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        queue!(out, BeginSynchronizedUpdate)?;
        let size = terminal::size().unwrap_or_default();
        if size != self.size {
            self.size = size;
            queue!(out, Clear(ClearType::All))?;
        }
        for (row, line) in (0_u16..).zip(lines) {
            queue!(out, MoveTo(0, row))?;
            for (tone, text) in &line.0 {
                self.tone(&mut out, *tone)?;
                queue!(out, Print(text), ResetColor, SetAttribute(Attribute::Reset))?;
            }
            // A line that fills its row leaves the cursor on its last column, which must stay.
            if line.width() < usize::from(size.0) {
                queue!(out, Clear(ClearType::UntilNewLine))?;
            }
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    fn tone(&self, out: &mut impl Write, tone: Tone) -> io::Result<()> {
        // The dark ones are those that every theme keeps readable on its own background.
        let colour = match tone {
            Tone::Plain => return Ok(()),
            Tone::Strong => return queue!(out, SetAttribute(Attribute::Bold)),
            Tone::Faint => return queue!(out, SetAttribute(Attribute::Dim)),
            Tone::Good => Color::DarkGreen,
            Tone::Careful => Color::DarkYellow,
            Tone::Bad => Color::DarkRed,
        };
        if self.coloured { queue!(out, SetForegroundColor(colour)) } else { Ok(()) }
    }

    /// Whether somebody has typed q or Ctrl-C.
    pub(super) fn is_asked_to_end(&self) -> bool {
        // Without a keyboard there are still signals.
        while event::poll(Duration::ZERO).unwrap_or(false) {
            if let Ok(Event::Key(key)) = event::read()
                && ends(&key)
            {
                return true;
            }
        }
        false
    }

    /// Whether a thread has broken; the terminal was given back for its last words.
    pub(super) fn has_panicked(&self) -> bool {
        self.given_back.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&self.given_back);
    }
}

fn ends(key: &KeyEvent) -> bool {
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release
        && match key.code {
            KeyCode::Char('c' | 'd') => with_control,
            KeyCode::Char('q') | KeyCode::Esc => true,
            _ => false,
        }
}

/// Once only: a second time would put the cursor back to where it was before the demo.
fn give_back(given_back: &AtomicBool) {
    if !given_back.swap(true, Ordering::Relaxed) {
        // A terminal that went away needs nothing back.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, ResetColor, Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

fn give_back_before_a_panic_speaks(given_back: Arc<AtomicBool>) {
    let speak = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        give_back(&given_back);
        speak(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_end_the_demo() {
        let plain = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        for key in [plain('q'), control('c'), control('d'), KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)] {
            assert!(ends(&key), "{key:?}");
        }
        for key in [plain('c'), plain('x'), control('l')] {
            assert!(!ends(&key), "{key:?}");
        }
    }
}
