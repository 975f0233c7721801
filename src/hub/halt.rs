//! How far a walk through a peer's bytes has come, and why no further.

use super::keys::PeerKey;
use super::peers::Outcome;

/// Why a walk through input stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The rest is no whole message; at least so many bytes are missing.
    Need(usize),
    /// The sender is held.
    Held,
    /// The peer is closed or only being flushed.
    Gone,
    /// A command lay inside a message and has been dealt with; it must be cut out.
    Hole { at: usize, len: usize },
    /// The next so many bytes are a message that is handed over with the block that it lies in.
    Large { len: usize, to: PeerKey, forwarded: bool },
    /// The next so many bytes are a document for a session, which takes it with the block that it lies in.
    Document { len: usize },
}

impl Halt {
    /// A message of `len` bytes does not go the way of the others.
    pub(super) const fn set_apart(outcome: Outcome, len: usize) -> Self {
        match outcome {
            Outcome::Large { to, forwarded } => Self::Large { len, to, forwarded },
            Outcome::Document => Self::Document { len },
            Outcome::Done | Outcome::Queued { .. } | Outcome::Held => Self::Held,
        }
    }
}
