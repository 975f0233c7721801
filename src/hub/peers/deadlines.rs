//! Deadlines of peers and of the process, by kind.

use crate::time::Span;

/// How long a link that is to be closed may take for what still waits in its ring.
pub(in crate::hub) const FAREWELL: Span = Span(2000);

/// Deadlines of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum PeerTimer {
    /// The handshake, the last words before a close, or the tarpit: whichever part of its life the peer is in.
    Life,
    /// A half-sent message must have gone on.
    Half,
    /// The ring must have made progress.
    Slow,
    /// The peer has been held long enough for room in a ring.
    Stall,
    /// The peer must have given a sign of life, as its name is claimed.
    Takeover,
    /// The peer should have said something since its handshake, and may not know that it has to.
    Hint,
}

impl PeerTimer {
    pub(in crate::hub) const KINDS: usize = 6;

    pub(super) const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Life,
            1 => Self::Half,
            2 => Self::Slow,
            3 => Self::Stall,
            4 => Self::Takeover,
            5 => Self::Hint,
            _ => return None,
        })
    }
}

/// Deadlines of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum ProcessTimer {
    /// The directory is cleaned, and silent peers are asked for a sign of life.
    Clean,
    /// The directory is sent to the other Coordinators.
    SendDirectory,
    /// Readers have waited long enough for memory.
    Memory,
    /// Everybody is told goodbye.
    Goodbye,
    /// What was taken in has been dealt with, or has taken long enough: the peers are told goodbye.
    SeeOff,
    /// The last words have taken long enough.
    Stop,
}

impl ProcessTimer {
    pub(in crate::hub) const KINDS: usize = 6;

    pub(super) const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Clean,
            1 => Self::SendDirectory,
            2 => Self::Memory,
            3 => Self::Goodbye,
            4 => Self::SeeOff,
            5 => Self::Stop,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_deadline_comes_back_from_its_index() {
        for n in 0..PeerTimer::KINDS {
            assert_eq!(PeerTimer::from_index(n).map(|kind| kind as usize), Some(n));
        }
        for n in 0..ProcessTimer::KINDS {
            assert_eq!(ProcessTimer::from_index(n).map(|kind| kind as usize), Some(n));
        }
        assert_eq!((PeerTimer::from_index(PeerTimer::KINDS), ProcessTimer::from_index(9)), (None, None));
    }
}

/// A deadline of the process that others must deal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Due {
    /// The directory is cleaned, silent peers are asked for a sign of life.
    Clean,
    /// The directory is sent to the other Coordinators.
    SendDirectory,
    /// Everybody is told goodbye.
    Goodbye,
    /// What was taken in has been dealt with, or has taken long enough.
    SeeOff,
    /// The last words have taken long enough.
    Stop,
}
