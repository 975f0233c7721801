//! Bytes that wait for the connection to take them.

use crate::limits::CLIENT_UNSENT_BYTES_MAX;

/// An empty buffer that is larger goes back to the system.
const KEPT_BYTES: usize = 1 << 20;

/// What is to be sent, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// So many of them have left.
    sent: usize,
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

    /// Where to append whole messages and commands.
    pub(super) const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.bytes.len() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.sent = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}
