//! One connection: its machine, and the request that it is in the middle of.

use crate::http::answer::Answer;
use crate::http::head::{Head, Terms};
use crate::http::origin::Access;
use crate::http::requests::{Phase, Requests};
use crate::store::pool::Pool;
use crate::time::Tick;

use super::route::Route;

/// A request, from its head to its answer.
#[derive(Debug)]
pub(in crate::hub) struct Asked {
    pub(in crate::hub) route: Route,
    pub(in crate::hub) body: Vec<u8>,
    pub(super) terms: Terms,
    /// The fields by which a page of another server may read the answer, or ask at all.
    pub(super) fields: Vec<u8>,
    /// All of it has come.
    pub(super) is_whole: bool,
}

impl Asked {
    pub(super) fn new(route: Route, head: &Head<'_>, access: Access<'_>) -> Self {
        let mut fields = Vec::new();
        Answer::aside(&mut fields, |answer| access.tell(head, answer));
        Self { route, body: Vec::new(), terms: head.terms, fields, is_whole: false }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) requests: Requests,
    pub(super) at_hand: Option<Box<Asked>>,
    /// When it came, or was last answered.
    pub(super) since: Tick,
    /// What its deadline is for.
    pub(super) waits_for: Option<Phase>,
}

impl Connection {
    pub(super) const fn new(now: Tick) -> Self {
        Self { requests: Requests::new(), at_hand: None, since: now, waits_for: None }
    }

    /// How far its request has come.
    pub(super) fn phase(&self) -> Phase {
        match self.requests.phase() {
            Phase::Idle if self.at_hand.is_some() => Phase::Body,
            phase @ (Phase::Idle | Phase::Head | Phase::Body | Phase::PassingOver) => phase,
        }
    }

    /// Whether it waits for us.
    pub(super) fn is_answering(&self) -> bool {
        self.at_hand.as_ref().is_some_and(|asked| asked.is_whole)
    }

    /// One more piece of the body. Whether there is room for it.
    pub(super) fn add(&mut self, piece: &[u8], is_last: bool, pool: &mut Pool) -> bool {
        let Some(asked) = &mut self.at_hand else { return true };
        if !pool.charge(piece.len()) {
            return false;
        }
        asked.body.extend_from_slice(piece);
        asked.is_whole = is_last;
        true
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.at_hand.as_ref().map_or(0, |asked| asked.body.len())
    }
}
