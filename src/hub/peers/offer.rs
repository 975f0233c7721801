//! Messages for whoever takes them: a subscriber that has no room goes without, and nobody waits for it.

use crate::limits::{
    CHANNEL_MEMORY_SHARE, FANOUT_BYTES, FANOUT_BYTES_PER_TURN, MOVED_BYTES_PER_TURN, SEALED_FRAME_BYTES_MAX,
};
use crate::store::pool::{Pool, Use};
use crate::store::ring::NoRoom;
use crate::zmtp::frame;
use crate::zmtp::subscription::message_len;

use super::sealed::Sealed;
use super::{Flush, Peer, Peers};
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
        let pushed = if lacks_memory(&self.pool, self.config.memory_max, peer, wire.len()) {
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

    /// Takes out as many of the oldest messages that wait for a subscriber as it takes for one of so many bytes, as far as none of them has begun to
    /// leave. Answers how many those are; none, where that would not do.
    #[cold]
    pub(in crate::hub) fn drop_oldest(&mut self, to: PeerKey, bytes: usize) -> u32 {
        let Some(peer) = self.get(to).filter(|peer| peer.is_open()) else { return 0 };
        if peer.sealed().is_some() && bytes > SEALED_FRAME_BYTES_MAX {
            // It can never leave there.
            return 0;
        }
        let (len, ring) = (peer.ring.len(), peer.ring.unsent());
        let most = self.config.ring_bytes_max + peer.left;
        let lacks_memory = lacks_memory(&self.pool, self.config.memory_max, peer, bytes);
        let most = if lacks_memory { most.min(peer.ring.block_bytes()) } else { most };
        let begun = peer.left + peer.sealed().map_or(0, Sealed::ahead);
        let mut kept = usize::from(peer.opening);
        while kept < begun {
            let Some((end, _)) = frame::whole_at(ring, kept, len) else { return 0 };
            kept = end;
        }
        // One that is larger than a ring has it for itself.
        let would_do = kept + bytes <= most || (kept == 0 && !lacks_memory);
        let Some(lack) = (len + bytes).checked_sub(most).filter(|lack| *lack > 0 && would_do) else { return 0 };
        // What is moved for it is worth so much at least.
        let wanted = lack.max(kept.min(most / 8));
        let Some(peer) = self.table.get_mut(to) else { return 0 };
        let (mut freed, mut drops) = (0, 0);
        while freed < wanted && self.moved_in_turn + kept <= MOVED_BYTES_PER_TURN {
            let (mut end, len) = (kept, peer.ring.len());
            while freed + end - kept < wanted
                && let Some((next, false)) = frame::whole_at(peer.ring.unsent(), end, len)
            {
                end = next;
                drops += 1;
            }
            if end > kept {
                peer.ring.remove(kept, end - kept);
                self.moved_in_turn += kept;
                freed += end - kept;
            }
            // A command stays.
            match frame::whole_at(peer.ring.unsent(), kept, peer.ring.len()) {
                Some((next, true)) => kept = next,
                Some(_) | None => break,
            }
        }
        self.fanned_out =
            self.fanned_out.saturating_add(FANOUT_BYTES.saturating_mul(usize::try_from(drops).unwrap_or(0)));
        let just_now = drops.min(peer.put_in);
        peer.put_in -= just_now;
        peer.messages_out = peer.messages_out.saturating_sub(u64::from(drops - just_now));
        drops
    }

    /// What came for a subscriber whose oldest messages were taken out found no room all the same.
    pub(in crate::hub) fn rest_ring(&mut self, to: PeerKey) {
        if let Some(peer) = self.table.get_mut(to).filter(|peer| peer.ring.is_empty()) {
            peer.ring.clear(&mut self.pool);
            self.unstage(to);
        }
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

/// Whether the ring of a subscriber would have to grow for so many bytes more, and may not as those of all have their share.
#[inline]
fn lacks_memory(pool: &Pool, memory_max: usize, peer: &Peer, bytes: usize) -> bool {
    peer.ring.len() + bytes > peer.ring.block_bytes()
        && pool.room(Use::Ring) < bytes + memory_max / CHANNEL_MEMORY_SHARE
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
