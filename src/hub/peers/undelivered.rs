//! Rings of receivers that have left: their messages wait here to be returned to their senders.

use crate::store::pool::Pool;
use crate::store::ring::Ring;

/// The ring of a receiver that has left.
#[derive(Debug)]
pub(in crate::hub) struct Undelivered {
    pub(in crate::hub) ring: Ring,
}

impl Undelivered {
    /// `opening` bytes at the front are no message.
    pub(super) fn new(mut ring: Ring, opening: usize, pool: &mut Pool) -> Self {
        ring.consume(opening, pool);
        Self { ring }
    }
}
