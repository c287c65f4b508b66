//! Random ids of traces and spans.

/// Randomness is fetched in blocks: asking the system for each id would cost more than all else of a span.
const BLOCK_BYTES: usize = 4_096;

/// Random bytes in stock.
pub(super) struct Ids {
    block: Box<[u8; BLOCK_BYTES]>,
    used: usize,
}

impl Default for Ids {
    fn default() -> Ids {
        Ids { block: Box::new([0; BLOCK_BYTES]), used: BLOCK_BYTES }
    }
}

impl Ids {
    /// The id of a trace, never zero; none while the system has no randomness.
    pub(super) fn trace_id(&mut self) -> Option<u128> {
        self.take().map(u128::from_le_bytes).filter(|id| *id != 0)
    }

    /// The same of a span.
    pub(super) fn span_id(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes).filter(|id| *id != 0)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.used + N > BLOCK_BYTES {
            getrandom::fill(&mut self.block[..]).ok()?;
            self.used = 0;
        }
        let bytes = self.block.get(self.used..self.used + N)?.try_into().ok()?;
        self.used += N;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_comes_twice_across_blocks() {
        let mut ids = Ids::default();
        let spans: HashSet<u64> = (0..2_000).map(|_| ids.span_id().unwrap()).collect();
        let traces: HashSet<u128> = (0..2_000).map(|_| ids.trace_id().unwrap()).collect();
        assert_eq!((spans.len(), traces.len()), (2_000, 2_000));
    }
}
