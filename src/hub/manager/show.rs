//! What the Manager knows of a session: who provides what it shows, who watches, and how its time goes.

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::hub::keys::{PeerKey, ProviderKey, SessionKey};

/// A session that has a provider, or had, as the Manager sees it. Its state and speed are what it said last.
#[derive(Debug)]
pub(super) struct Show {
    pub(super) provider: Option<ProviderKey>,
    /// The session was made for its provider, and ends with it.
    pub(super) is_of_provider: bool,
    pub(super) viewers: Vec<PeerKey>,
    /// Somebody has said that it is to run: a log plays on without viewers.
    pub(super) runs_unseen: bool,
    pub(super) state: State,
    /// Simulated seconds in one of ours.
    pub(super) multiple: f64,
}

impl Show {
    /// Nothing is shown yet.
    pub(super) const fn new(state: State, multiple: f64) -> Self {
        Self { provider: None, is_of_provider: false, viewers: Vec::new(), runs_unseen: true, state, multiple }
    }
}

/// Why a provider cannot be that of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Unfit {
    /// There is none of this id.
    Unknown,
    /// It is that of another session.
    InSession(SessionKey),
    /// The session has another one.
    HasAnother,
}

/// What the Manager has to say of a session.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) struct Shown {
    /// Id of the provider.
    pub(in crate::hub) provider: Option<i64>,
    /// Ids of the viewers.
    pub(in crate::hub) viewers: Vec<i64>,
    /// How it is doing: as its provider does.
    pub(in crate::hub) status: Status,
}
