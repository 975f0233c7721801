//! How far a client has come.

use super::error::Stage;
use super::message::Conversation;
use crate::time::Tick;

/// The states. All but the last are gone through from the first on, for each connection anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Connects at that moment.
    Resting(Tick),
    /// The owner connects.
    Connecting,
    /// The handshake must end until then.
    Shaking(Tick),
    /// Who we are and may be must be answered until then.
    LookingIn(Conversation, Tick),
    /// The sign-in must be answered until then.
    SigningIn(Conversation, Tick),
    /// The name that we had is still somebody's, perhaps our own lost connection's: signs in again at that moment.
    Taken(Tick),
    /// Signed in.
    In,
    /// The sign-out may be answered until then.
    SigningOut(Conversation, Tick),
    /// Nothing will happen any more.
    Ended,
}

impl State {
    /// The same for the owner.
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::Resting(_) | Self::Connecting | Self::Ended => Stage::Connecting,
            Self::Shaking(_) => Stage::Handshake,
            Self::LookingIn(..) | Self::SigningIn(..) | Self::Taken(_) => Stage::SigningIn,
            Self::In | Self::SigningOut(..) => Stage::SignedIn,
        }
    }

    /// When something is to be done about it, whatever else happens.
    pub(super) const fn deadline(self) -> Option<Tick> {
        match self {
            Self::Resting(at) | Self::Taken(at) => Some(at),
            Self::Shaking(until)
            | Self::LookingIn(_, until)
            | Self::SigningIn(_, until)
            | Self::SigningOut(_, until) => Some(until),
            Self::Connecting | Self::In | Self::Ended => None,
        }
    }

    /// Whether the answer to our sign-in is waited for in this conversation.
    pub(super) fn is_signing_in(self, conversation: Conversation) -> bool {
        matches!(self, Self::SigningIn(ours, _) if ours == conversation)
    }

    /// Whether the answer to who we are is waited for in this conversation.
    pub(super) fn is_looking_in(self, conversation: Conversation) -> bool {
        matches!(self, Self::LookingIn(ours, _) if ours == conversation)
    }

    /// Whether the answer to our sign-out is waited for in this conversation.
    pub(super) fn is_signing_out(self, conversation: Conversation) -> bool {
        matches!(self, Self::SigningOut(ours, _) if ours == conversation)
    }
}
