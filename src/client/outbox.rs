//! Bytes that wait for the connection to take them, sealed where all is.

use crate::limits::CLIENT_UNSENT_BYTES_MAX;
use crate::zmtp::Fault;
use crate::zmtp::mechanism::session::{Sealed, Sealer};

/// An empty buffer that is larger goes back to the system.
const KEPT_BYTES: usize = 1 << 20;

/// What is to be sent, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// So many of them have left.
    sent: usize,
    /// What seals, and what is to be sealed.
    sealer: Option<Sealer>,
    clear: Vec<u8>,
}

impl Outbox {
    /// What waits.
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Whether so many bytes more are to be taken; one answer, command or sign of life more always fits.
    pub(super) fn has_room(&self, more: usize) -> bool {
        more.saturating_add(self.unsent().len()) <= CLIENT_UNSENT_BYTES_MAX
    }

    /// Where to append whole messages and commands, each to be followed by [`Outbox::seal`].
    pub(super) const fn end(&mut self) -> &mut Vec<u8> {
        if self.sealer.is_some() { &mut self.clear } else { &mut self.bytes }
    }

    /// All that is appended from here on is sealed.
    pub(super) fn seal_by(&mut self, sealer: Sealer) {
        self.sealer = Some(sealer);
    }

    /// Whether it is.
    pub(super) const fn is_sealed(&self) -> bool {
        self.sealer.is_some()
    }

    /// Seals what was appended, if anything is.
    pub(super) fn seal(&mut self) -> Result<(), Fault> {
        let Some(sealer) = &mut self.sealer else { return Ok(()) };
        seal(sealer, &self.clear, &mut self.bytes)?;
        drained(&mut self.clear);
        Ok(())
    }

    /// The same for one who sends by itself: whole frames, which are put sealed behind what is in `out`.
    #[cfg(feature = "internals")]
    pub(super) fn seal_into(&mut self, clear: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.sealer {
            Some(sealer) => seal(sealer, clear, out),
            None => {
                out.extend_from_slice(clear);
                Ok(())
            }
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.bytes.len() {
            self.sent = 0;
            drained(&mut self.bytes);
        }
    }

    /// The connection is gone.
    pub(super) fn clear(&mut self) {
        self.sent = 0;
        self.sealer = None;
        drained(&mut self.bytes);
        drained(&mut self.clear);
    }
}

fn drained(bytes: &mut Vec<u8>) {
    if bytes.capacity() > KEPT_BYTES {
        *bytes = Vec::new();
    } else {
        bytes.clear();
    }
}

fn seal(sealer: &mut Sealer, mut clear: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    while !clear.is_empty() {
        let filled = out.len();
        let sealed = match sealer.seal([clear, &[]], &mut []) {
            Sealed::NoRoom(needed) if needed > 0 => {
                out.resize(filled + needed, 0);
                sealer.seal([clear, &[]], out.get_mut(filled..).unwrap_or_default())
            }
            other @ (Sealed::Frame { .. } | Sealed::NoRoom(_) | Sealed::OutOfNumbers) => other,
        };
        let Sealed::Frame { clear: taken, .. } = sealed else { return Err(Fault::SealNumber) };
        clear = clear.get(taken..).unwrap_or_default();
    }
    Ok(())
}
