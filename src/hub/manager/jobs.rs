//! Work that does not fit one turn: which pieces of it wait, in order, each of them once.

use std::collections::VecDeque;

use crate::hub::keys::{PeerKey, ProviderKey};

/// A piece of work that waits for the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Read on in a log that is played.
    Play(ProviderKey),
    /// Encode what a provider is shown with at first.
    Load(ProviderKey),
    /// Go on with a provider's timestep in the making.
    Step(ProviderKey),
    /// Go on with a world that a kernel was asked for once more.
    Look(ProviderKey),
    /// Read on in a log for somebody who wants an old timestep.
    Seek(ProviderKey),
    /// Lead an old world of a live kernel on, for somebody who wants it.
    Past(ProviderKey),
    /// Let go of a world that nobody needs any more.
    LetGo,
    /// Go on decoding what a kernel sent.
    Kernel(PeerKey),
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    queue: VecDeque<Job>,
}

impl Jobs {
    /// Puts a job behind the others, unless it waits already.
    pub(super) fn add(&mut self, job: Job) {
        if !self.queue.contains(&job) {
            self.queue.push_back(job);
        }
    }

    pub(super) fn next(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
