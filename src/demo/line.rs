//! Lines of the picture: pieces of text, each in a tone.

/// How a piece of text looks; what it means never hangs on that alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Plain,
    Faint,
    Strong,
    Good,
    Careful,
    Bad,
}

/// One line. Every character takes one column.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Line(pub(super) Vec<(Tone, String)>);

impl Line {
    pub(super) fn of(tone: Tone, text: impl Into<String>) -> Line {
        Line::default().and(tone, text)
    }

    pub(super) fn and(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.0.push((tone, text.into()));
        self
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// At most so many columns of it.
    pub(super) fn cut(self, width: usize) -> Line {
        let mut left = width;
        let pieces = self.0.into_iter().map(|(tone, text)| {
            let text: String = text.chars().take(left).collect();
            left -= text.chars().count();
            (tone, text)
        });
        Line(pieces.filter(|(_, text)| !text.is_empty()).collect())
    }

    /// Exactly so many columns.
    pub(super) fn fit(self, width: usize) -> Line {
        let missing = width.saturating_sub(self.width());
        self.cut(width).and(Tone::Plain, " ".repeat(missing))
    }

    /// The other line behind this one.
    pub(super) fn join(mut self, other: Line) -> Line {
        self.0.extend(other.0);
        self
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        let text: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_and_filled_by_columns() {
        let line = Line::of(Tone::Good, "██").and(Tone::Plain, "abc");
        assert_eq!(line.width(), 5);
        assert_eq!(line.clone().cut(3), Line::of(Tone::Good, "██").and(Tone::Plain, "a"));
        assert_eq!(line.clone().cut(1), Line::of(Tone::Good, "█"));
        assert_eq!(line.clone().fit(7).width(), 7);
        assert_eq!(line.fit(4).width(), 4);
    }
}
