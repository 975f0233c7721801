//! How much of our own work fits into one turn of the loop: calls, and bytes that they bring.
//!
//! The same type bounds what one peer has done for it and what all have together.

use crate::limits::{OWN_BYTES_PER_TURN, OWN_PER_TURN};

/// What is left of a turn. Work that has begun is done, so the last of it may take more than there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Budget {
    calls: u32,
    bytes: usize,
}

impl Budget {
    /// What one peer may have done in a turn.
    pub(in crate::hub) const ONE_PEER: Self = Self { calls: OWN_PER_TURN, bytes: OWN_BYTES_PER_TURN };
    /// What all may have done together.
    pub(in crate::hub) const ALL_PEERS: Self = Self { calls: u32::MAX, bytes: OWN_BYTES_PER_TURN };

    /// Whether another piece of work may be begun.
    pub(in crate::hub) const fn is_left(self) -> bool {
        self.calls > 0 && self.bytes > 0
    }

    /// Takes away what a piece of work costs.
    pub(in crate::hub) const fn spend(&mut self, calls: u32, bytes: usize) {
        self.calls = self.calls.saturating_sub(calls);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_begun_while_something_is_left_of_everything() {
        let mut budget = Budget { calls: 2, bytes: 10 };
        budget.spend(1, 9);
        assert!(budget.is_left());
        budget.spend(0, 9);
        assert!(!budget.is_left(), "no bytes");
        let mut budget = Budget { calls: 2, bytes: 10 };
        budget.spend(7, 1);
        assert!(!budget.is_left(), "no calls");
        assert!(Budget::ONE_PEER.is_left() && Budget::ALL_PEERS.is_left());
    }
}
