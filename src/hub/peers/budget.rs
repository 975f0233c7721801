//! How much of our own work fits into one turn of the loop: calls, and the time that they are estimated to take.
//!
//! The same type bounds what one peer has done for it, what all have together, and what is kept for those who ask for little. The hub
//! has no clock, so time is estimated from what is known to cost it: calls, bytes of documents and of answers, members told.

use crate::limits::{
    ANSWER_BYTES_PER_MICRO, CALL_MICROS, COPIED_BYTES_PER_MICRO, DOCUMENT_BYTES_PER_MICRO, LISTED_PER_MICRO,
    NOTICES_PER_MICRO, OWN_MICROS_OF_ALL, OWN_MICROS_OF_LIGHT, OWN_MICROS_OF_PEER, OWN_PER_TURN,
};

/// What a piece of our own work costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Work {
    /// A call, whatever it is.
    Call,
    /// So many bytes of a request are read.
    Document(usize),
    /// So many bytes of an answer are put together.
    Answer(usize),
    /// So many members are told of an event.
    Notices(usize),
    /// So many bytes of a message are copied for several receivers.
    Copied(usize),
    /// So many names of a node's list are taken or forgotten.
    Listed(usize),
}

impl Work {
    /// Microseconds that it takes, about.
    pub(super) fn micros(self) -> u64 {
        let micros = match self {
            Self::Call => return CALL_MICROS,
            Self::Document(bytes) => bytes / DOCUMENT_BYTES_PER_MICRO,
            Self::Answer(bytes) => bytes / ANSWER_BYTES_PER_MICRO,
            Self::Notices(members) => members / NOTICES_PER_MICRO,
            Self::Copied(bytes) => bytes / COPIED_BYTES_PER_MICRO,
            Self::Listed(names) => names / LISTED_PER_MICRO,
        };
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

/// What is left of a turn. Work that has begun is done, so the last of it may take more than there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Budget {
    calls: u32,
    micros: u64,
}

impl Budget {
    /// What one peer may have done in a turn.
    pub(in crate::hub) const ONE_PEER: Self = Self { calls: OWN_PER_TURN, micros: OWN_MICROS_OF_PEER };
    /// What all may have done together.
    pub(in crate::hub) const ALL_PEERS: Self = Self { calls: u32::MAX, micros: OWN_MICROS_OF_ALL };
    /// What those who ask for little may have done on top.
    pub(in crate::hub) const LIGHT_PEERS: Self = Self { calls: u32::MAX, micros: OWN_MICROS_OF_LIGHT };

    /// Whether another piece of work may be begun.
    pub(in crate::hub) const fn is_left(self) -> bool {
        self.calls > 0 && self.micros > 0
    }

    /// Takes away what a piece of work costs.
    pub(super) fn spend(&mut self, work: Work) {
        self.calls = self.calls.saturating_sub(u32::from(work == Work::Call));
        self.micros = self.micros.saturating_sub(work.micros());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_begun_while_something_is_left_of_everything() {
        let mut budget = Budget { calls: 2, micros: 100 };
        budget.spend(Work::Call);
        assert!(budget.is_left());
        budget.spend(Work::Document(100 * DOCUMENT_BYTES_PER_MICRO));
        assert!(!budget.is_left(), "no time");
        let mut budget = Budget { calls: 1, micros: 100 };
        budget.spend(Work::Call);
        assert!(!budget.is_left(), "no calls");
        assert!([Budget::ONE_PEER, Budget::ALL_PEERS, Budget::LIGHT_PEERS].into_iter().all(Budget::is_left));
    }

    #[test]
    fn what_is_large_costs_by_its_size() {
        assert_eq!(Work::Answer(ANSWER_BYTES_PER_MICRO * 7).micros(), 7);
        assert_eq!(Work::Notices(NOTICES_PER_MICRO * 1000).micros(), 1000);
        assert!(Work::Document(1 << 20).micros() > OWN_MICROS_OF_ALL, "a mebibyte is more than a turn's share");
    }
}
