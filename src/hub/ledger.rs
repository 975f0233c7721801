//! What the heart wants kept beyond the end of the process, and how it asks for that.
//!
//! Owns the words of the bargain: writes, tickets, and the promise that a commit is kept whole or not at all. It must not know what
//! a key or a value means, nor where they are kept: `net` keeps them in a file, a test in memory.
//!
//! The heart never waits. It hands over a commit with a ticket and goes on; the outcome comes back later through
//! [`super::Hub::handle_committed`]. What must not be said before it is kept waits in the heart until then.

use core::fmt::Debug;

use crate::store::shared::SharedBytes;

/// One change of what is kept: a key is written, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Under which key.
    pub key: Vec<u8>,
    /// The new value, in place of any earlier one; `None`: the key goes.
    pub value: Option<Bytes>,
}

/// The bytes of a value, kept alive as long as somebody has them. A document is never copied for the ledger: the heart holds the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(SharedBytes);

impl Bytes {
    pub(super) const fn of(bytes: SharedBytes) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// Which commit, or which piece of a recording, an outcome belongs to. The heart chooses it and gives no number twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// Draws the ticket behind this one, which becomes it.
    pub(super) const fn draw(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A place where keys and values outlive the process.
pub trait Ledger: Send + Debug {
    /// Begins to make `writes`, all or none, in their order; returns at once. The outcome comes through
    /// [`super::Hub::handle_committed`], once for each ticket. Commits become durable in the order of the calls: when one is, all
    /// earlier ones that succeeded are.
    fn commit(&mut self, ticket: Ticket, writes: Vec<Write>);

    /// Everything that is kept, in the order of the keys' bytes; asked once at the start, before any commit.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn load(&mut self) -> Result<Vec<Entry>, String>;
}
