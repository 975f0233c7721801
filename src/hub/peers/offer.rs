//! Messages for whoever takes them: a subscriber that has no room goes without, and nobody waits for it.

use crate::limits::{CHANNEL_MEMORY_SHARE, FANOUT_BYTES, FANOUT_BYTES_PER_TURN};
use crate::store::pool::Use;
use crate::store::ring::NoRoom;
use crate::zmtp::frame;
use crate::zmtp::subscription::message_len;

use super::{Flush, Peers};
use crate::hub::keys::PeerKey;

impl Peers {
    /// Queues the wire bytes of so many messages for a subscriber, all of them or none. One by itself may be larger than a ring, if nothing else waits.
    /// Who is not there any more takes everything.
    #[inline]
    pub(in crate::hub) fn offer(&mut self, to: PeerKey, wire: &[u8], count: u32) -> Result<(), NoRoom> {
        let Some(peer) = self.table.get_mut(to).filter(|peer| peer.is_open()) else { return Ok(()) };
        if peer.beside.is_some() {
            self.stage(to, frame::largest(wire), wire.len())?;
        }
        let Some(peer) = self.table.get_mut(to) else { return Ok(()) };
        let most = self.config.ring_bytes_max + peer.left;
        let grows = peer.ring.len() + wire.len() > peer.ring.block_bytes();
        let pushed = if grows && self.pool.room(Use::Ring) < wire.len() + self.config.memory_max / CHANNEL_MEMORY_SHARE
        {
            Err(NoRoom::Memory)
        } else if count == 1 {
            peer.ring.push(&[wire], most, &mut self.pool)
        } else {
            peer.ring.push_within(&[wire], most, &mut self.pool)
        };
        if let Err(full) = pushed {
            self.unstage(to);
            return Err(full);
        }
        peer.put_in += count;
        if peer.flush == Flush::None {
            peer.flush = Flush::Queued;
            self.flushes.push_back(to);
        }
        self.fanned_out += wire.len() + FANOUT_BYTES;
        Ok(())
    }

    /// Bytes of published messages that may still be copied in this turn.
    #[inline]
    pub(in crate::hub) const fn fanout_left(&self) -> usize {
        FANOUT_BYTES_PER_TURN.saturating_sub(self.fanned_out)
    }

    /// So much of that was used up for something else than a copy.
    #[inline]
    pub(in crate::hub) const fn spend_fanout(&mut self, bytes: usize) {
        self.fanned_out = self.fanned_out.saturating_add(bytes);
    }
}

/// How many messages these bytes are, which are whole ones and commands.
pub(super) fn messages_in(mut bytes: &[u8]) -> u64 {
    let mut messages = 0;
    while let Some(len) = message_len(bytes) {
        messages += u64::from(bytes.first().is_some_and(|flags| flags & frame::COMMAND == 0));
        bytes = bytes.get(len..).unwrap_or_default();
    }
    messages
}
