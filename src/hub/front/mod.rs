//! The front: requests that are not answered yet.
//!
//! Owns their text and their order; who deals with them, and what they wait for, is decided by others, who name them by key. It must not
//! know any other owner.

mod calls;
mod requests;

use std::collections::VecDeque;

pub(super) use calls::{Call, Calls};
pub(super) use requests::{Asked, Part, Request};

use super::keys::{OfRequests, PeerKey, RequestKey};
use crate::limits::REQUESTS_MAX;
use crate::store::sorted::Sorted;
use crate::store::table::Table;

/// Requests on their way. See the module's documentation.
#[derive(Debug)]
pub(super) struct Front {
    waiting: Table<Request, OfRequests>,
    /// Batches that were too long for the last turn.
    next_turn: VecDeque<Request>,
    /// Calls of clients of HTTP to Components.
    pub(super) calls: Calls,
    /// What there is to remark on requests of controllers that wait.
    remarks: Sorted<PeerKey, Box<str>>,
    /// Scratch for answers to controllers.
    pub(super) reply: Vec<u8>,
}

impl Front {
    pub(super) const fn new() -> Self {
        Self {
            waiting: Table::new(REQUESTS_MAX),
            next_turn: VecDeque::new(),
            calls: Calls::new(),
            remarks: Sorted::new(),
            reply: Vec::new(),
        }
    }

    /// Keeps a request until it may go on, if there is room.
    pub(super) fn keep(&mut self, request: Request) -> Option<RequestKey> {
        self.waiting.insert(request).ok()
    }

    /// Keeps what there is to remark on the request of a controller, which waits for its answer.
    pub(super) fn keep_remark(&mut self, controller: PeerKey, remark: &str) {
        self.remarks.insert(controller, remark.into());
    }

    /// The remark that belongs to the answer of this controller's request; empty where there is none.
    pub(super) fn take_remark(&mut self, controller: PeerKey) -> String {
        self.remarks.remove(&controller).unwrap_or_default().into()
    }

    /// Whether one more request can be kept.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < REQUESTS_MAX
    }

    /// A request that goes on.
    pub(super) fn take(&mut self, key: RequestKey) -> Option<Request> {
        self.waiting.remove(key)
    }

    pub(super) fn get(&self, key: RequestKey) -> Option<&Request> {
        self.waiting.get(key)
    }

    /// The rest of a batch is done in the next turn of the loop.
    pub(super) fn put_off(&mut self, request: Request) {
        self.next_turn.push_back(request);
    }

    /// The next of the batches that were put off.
    pub(super) fn take_put_off(&mut self) -> Option<Request> {
        self.next_turn.pop_front()
    }

    /// How many batches were put off.
    pub(super) fn put_off_len(&self) -> usize {
        self.next_turn.len()
    }

    /// Whether a batch goes on in the next turn.
    pub(super) fn has_put_off(&self) -> bool {
        !self.next_turn.is_empty()
    }
}

#[cfg(test)]
mod tests;
