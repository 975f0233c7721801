//! One connection: its machine, and what was agreed upon.

use crate::stomp::connect::Agreed;
use crate::stomp::frame::Frames;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// By which the client may call it.
    pub(super) number: u64,
    pub(super) frames: Frames,
    /// What was agreed upon, once CONNECT has come.
    pub(super) agreed: Option<Agreed>,
    /// The names of its subscriptions; several may have the same.
    pub(super) subscriptions: Vec<Box<str>>,
    /// The receipt that is wanted for what waits.
    pub(super) receipt: Option<Box<str>>,
}

impl Connection {
    pub(super) fn new(number: u64) -> Self {
        Self { number, frames: Frames::default(), agreed: None, subscriptions: Vec::new(), receipt: None }
    }
}
