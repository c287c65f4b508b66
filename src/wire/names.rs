//! The names of the members that somebody watches for.

/// The place of a name that nobody watches for.
pub(super) const NOBODY: usize = usize::MAX;
/// No name that somebody watches for is as long.
const LENGTHS: usize = 24;
/// A name's quotes and the colon.
const AROUND: usize = 3;

/// Names in the order in which they mostly come.
pub(super) struct Names<const N: usize> {
    names: [&'static str; N],
    starts: [Start; N],
    by_length: [u32; LENGTHS],
}

/// A name as it mostly stands in a text: in quotes, with the colon behind it.
#[derive(Clone, Copy)]
struct Start {
    words: [u64; 2],
    /// Which of the bytes belong to it.
    masks: [u64; 2],
    bytes: usize,
}

impl Start {
    const fn of(name: &str) -> Start {
        let (name, mut start, mut mask, mut at) = (name.as_bytes(), [0; 16], [0; 16], 0);
        let bytes = name.len() + AROUND;
        if bytes > start.len() {
            // It equals nothing: one of so long a name is found as those are that stand elsewhere.
            return Start { words: [1, 0], masks: [0, 0], bytes };
        }
        while at < bytes {
            start[at] = if at == 0 || at == bytes - 2 {
                b'"'
            } else if at == bytes - 1 {
                b':'
            } else {
                name[at - 1]
            };
            mask[at] = 0xff;
            at += 1;
        }
        Start { words: halves(start), masks: halves(mask), bytes }
    }
}

const fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(bytes);
    [both as u64, (both >> 64) as u64]
}

impl<const N: usize> Names<N> {
    /// Prepares them.
    pub(super) const fn of(names: [&'static str; N]) -> Names<N> {
        assert!(N <= 32);
        let (mut starts, mut by_length, mut at) = ([Start::of(""); N], [0; LENGTHS], 0);
        while at < N {
            starts[at] = Start::of(names[at]);
            by_length[names[at].len()] |= 1 << at;
            at += 1;
        }
        Names { names, starts, by_length }
    }

    /// The names alone.
    pub(super) const fn all(&self) -> &[&'static str; N] {
        &self.names
    }

    /// Whether an object begins with one of them, with no blank anywhere.
    #[inline]
    pub(super) fn begin(&self, text: &str) -> bool {
        text.starts_with('{') && self.watched().expected(text.as_bytes(), 1, 0).is_some()
    }

    /// As they are looked for.
    #[inline]
    pub(super) fn watched(&self) -> Watched<'_> {
        Watched { names: &self.names, starts: &self.starts, by_length: &self.by_length }
    }
}

/// Names to look for.
#[derive(Clone, Copy)]
pub(super) struct Watched<'n> {
    names: &'n [&'n str],
    starts: &'n [Start],
    /// For each length, one bit for each name that is so long. Empty if nobody has looked.
    by_length: &'n [u32],
}

impl<'n> Watched<'n> {
    /// Names that nothing has been prepared for.
    #[inline]
    pub(super) fn unordered(names: &'n [&'n str]) -> Watched<'n> {
        Watched { names, starts: &[], by_length: &[] }
    }

    /// Passes over a name with its quotes and the colon, if it is one of those from `next` on and does not stand at the
    /// very end: which one, and the place behind it.
    #[inline(always)]
    pub(super) fn expected(&self, bytes: &[u8], at: usize, next: usize) -> Option<(usize, usize)> {
        let mut index = next;
        let [low, high] = halves(*bytes.get(at..)?.first_chunk()?);
        loop {
            let Start { words, masks, bytes } = self.starts.get(index)?;
            if low & masks[0] == words[0] && high & masks[1] == words[1] {
                return Some((index, at + bytes));
            }
            index += 1;
        }
    }

    /// Which one a name is, looked for from `next` on first; [`NOBODY`] if it is none.
    pub(super) fn index_of(&self, name: &[u8], next: usize) -> usize {
        self.found(name, next).unwrap_or(NOBODY)
    }

    fn found(&self, name: &[u8], next: usize) -> Option<usize> {
        match self.by_length {
            // Many are equally long: one look at the first letter spares most comparisons.
            [] => {
                let is_it = |watched: &&str| {
                    let watched = watched.as_bytes();
                    watched.len() == name.len() && watched.first() == name.first() && watched == name
                };
                let (before, after) = self.names.split_at_checked(next)?;
                after.iter().position(is_it).map(|index| next + index).or_else(|| before.iter().position(is_it))
            }
            by_length => {
                let mut candidates = by_length.get(name.len()).copied().unwrap_or(0);
                while candidates != 0 {
                    let index = candidates.trailing_zeros() as usize;
                    if self.names.get(index)?.as_bytes() == name {
                        return Some(index);
                    }
                    candidates &= candidates - 1;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<5> = Names::of(["id", "name", "nama", "requested_at", "customer_aliases"]);

    #[test]
    fn an_expected_name_is_passed_over_and_no_other() {
        let expected = |text: &str, next| NAMES.watched().expected(text.as_bytes(), 0, next);
        assert_eq!(expected(r#""id":1,"name":2}"#, 0), Some((0, 5)));
        assert_eq!(expected(r#""nama":"x","y":1}"#, 0), Some((2, 7)), "further on");
        assert_eq!(expected(r#""requested_at":"x","y":1}"#, 1), Some((3, 15)));
        for (text, next) in [
            (r#""id":1,"name":2}"#, 1),
            (r#""id" :1,"name":2}"#, 0),
            (r#""i":1,"name":22}"#, 0),
            (r#""ide":1,"name":2}"#, 0),
            (r#""id"#, 0),
            (r#""customer_aliases":[]}"#, 0),
            (r#""id":1,"name":2}"#, 5),
            (r#""id":1,"name":2}"#, 6),
        ] {
            assert_eq!(expected(text, next), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        for watched in [NAMES.watched(), Watched::unordered(NAMES.all())] {
            for next in 0..=5 {
                for (index, name) in NAMES.all().iter().enumerate() {
                    assert_eq!(watched.index_of(name.as_bytes(), next), index, "{name}");
                }
                for name in ["", "i", "nam", "namo", "customer_aliasez", "customer_aliases_of_somebody"] {
                    assert_eq!(watched.index_of(name.as_bytes(), next), NOBODY, "{name}");
                }
            }
        }
    }
}
