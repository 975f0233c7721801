//! For one who can tell what comes more cheaply than [`Machine::handle_bytes`], such as a load generator that knows each byte beforehand.

use super::Machine;
use crate::zmtp::Fault;
use crate::zmtp::link::Link;

impl Machine {
    /// Hands out the reading side: the link, and what has come and is no whole message yet. The machine goes on with whatever is
    /// fed to it later, from the beginning of a message.
    pub fn release(&mut self) -> (Link, Vec<u8>) {
        (self.link.release(), core::mem::take(&mut self.buffer))
    }

    /// Takes back what has come meanwhile and is no whole message.
    pub fn take_back(&mut self, rest: &[u8]) {
        self.buffer = rest.to_vec();
    }

    /// Whether all on its connection is sealed: what comes has to be opened, and what goes to be sealed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.link.is_sealed()
    }

    /// Opens what has come, and puts that behind what is in `out`; sealed frames that have not come whole are kept.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    pub fn open(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.link.take(bytes, out)
    }

    /// Seals whole frames, and puts them behind what is in `out`.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    pub fn seal_frames(&mut self, clear: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.outbox.seal_into(clear, out)
    }
}
