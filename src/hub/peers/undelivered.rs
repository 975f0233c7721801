//! Rings of receivers that have left: their whole messages wait here to be returned to their senders.

use crate::store::pool::Pool;
use crate::store::ring::Ring;

/// The ring of a receiver that has left.
#[derive(Debug)]
pub(in crate::hub) struct Undelivered {
    pub(in crate::hub) ring: Ring,
}

impl Undelivered {
    /// `begun` bytes at the front belong to a message whose beginning has been sent.
    pub(super) fn new(mut ring: Ring, begun: usize, pool: &mut Pool) -> Self {
        ring.consume(begun, pool);
        Self { ring }
    }
}
