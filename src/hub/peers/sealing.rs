//! Connections on which all is sealed: what there must be room for, and when their frames are sealed.

use crate::limits::{HEAVY_SHAKES_PER_TURN, SEALED_BYTES_PER_TURN, SEALED_FRAME_BYTES_MAX};
use crate::store::pool::{Pool, Use};
use crate::store::ring::{NoRoom, first, skip};

use super::peer::{Beside, Peer};
use super::sealed::Sealed;
use super::{Flush, Peers};
use crate::hub::cause::Cause;
use crate::hub::keys::PeerKey;

impl Peer {
    /// What it has as a link on which all is sealed, if it is one.
    pub(in crate::hub) fn sealed_mut(&mut self) -> Option<&mut Sealed> {
        if let Some(Beside::Sealed(sealed)) = self.beside.as_deref_mut() { Some(sealed) } else { None }
    }

    /// The same.
    pub(in crate::hub) fn sealed(&self) -> Option<&Sealed> {
        if let Some(Beside::Sealed(sealed)) = self.beside.as_deref() { Some(sealed) } else { None }
    }

    /// From here on all on it is sealed, but for what waits of its handshake.
    pub(in crate::hub) fn begin_seal(&mut self, sealed: Sealed) {
        debug_assert!(self.beside.is_none(), "nothing waits for who has just come");
        self.beside = Some(Box::new(Beside::Sealed(sealed)));
    }

    /// Whether nothing that is sealed waits for it, and something may that is not.
    pub(super) fn wants_seal(&self) -> bool {
        self.opening == 0 && self.sealed().is_some_and(|sealed| sealed.unsent().is_empty())
    }

    /// Bytes of the blocks that hold what has come in and cannot be dealt with yet.
    pub(super) fn partial_bytes(&self) -> usize {
        self.tail.block_bytes() + self.sealed().map_or(0, |sealed| sealed.raw.block_bytes())
    }

    /// Lets go of what has come in and was not dealt with. Of a handshake, that may be a part of a password.
    pub(super) fn drop_input(&mut self, pool: &mut Pool) {
        if self.guard.is_some() {
            self.tail.clear_secret(pool);
        } else {
            self.tail.clear(pool);
        }
        if let Some(sealed) = self.sealed_mut() {
            sealed.raw.clear(pool);
        }
    }

    /// Whether all on it is sealed.
    pub(in crate::hub) fn is_sealed(&self) -> bool {
        self.sealed().is_some()
    }

    /// Bytes that may be appended to what has come in, given so much room in the pool.
    #[inline]
    pub(super) fn room(&self, pool: &Pool) -> usize {
        if self.beside.is_none() { self.tail.room(pool) } else { self.room_beside(pool) }
    }

    #[inline(never)]
    fn room_beside(&self, pool: &Pool) -> usize {
        let room = self.tail.room(pool);
        let Some(sealed) = self.sealed() else { return room };
        // What has come may have to be kept twice: sealed, and opened.
        let of_pool = pool.room(Use::Partial);
        let mut room = room.min(sealed.raw.room(pool));
        while room > 0 && self.growth(room) > of_pool {
            room /= 2;
        }
        room
    }

    /// Bytes that the pool must have left so that so many can be kept.
    #[inline]
    pub(in crate::hub) fn growth(&self, more: usize) -> usize {
        if self.beside.is_none() { self.tail.growth(more) } else { self.growth_beside(more) }
    }

    #[inline(never)]
    fn growth_beside(&self, more: usize) -> usize {
        match self.sealed() {
            None => self.tail.growth(more),
            Some(sealed) => sealed.raw.growth(more) + self.tail.growth(sealed.raw.len() + more),
        }
    }
}

impl Peers {
    /// Takes the room that a message of so many bytes will need when it leaves, if it is sealed then; `largest` are the bytes of its largest frame.
    #[cold]
    pub(super) fn stage(&mut self, to: PeerKey, largest: usize, bytes: usize) -> Result<(), NoRoom> {
        let Some(peer) = self.table.get_mut(to) else { return Ok(()) };
        let waiting = peer.ring.len() + bytes;
        let Some(Beside::Sealed(sealed)) = peer.beside.as_deref_mut() else { return Ok(()) };
        if largest > SEALED_FRAME_BYTES_MAX {
            return Err(NoRoom::Full);
        }
        sealed.make_room(largest, waiting, &mut self.pool)
    }

    /// A message found no room: nor does it need any now to be sealed.
    #[cold]
    pub(super) fn unstage(&mut self, to: PeerKey) {
        let Some(peer) = self.table.get_mut(to).filter(|peer| peer.is_drained()) else { return };
        if let Some(sealed) = peer.sealed_mut() {
            sealed.rest(&mut self.pool);
        }
    }

    /// Queues bytes of a handshake, before any message is.
    pub(in crate::hub) fn say_raw(&mut self, key: PeerKey, bytes: &[u8]) {
        if bytes.is_empty() || !self.is_open(key) {
            return;
        }
        let Some(peer) = self.table.get_mut(key) else { return };
        if peer.ring.push(&[bytes], self.config.ring_bytes_max, &mut self.pool).is_err() {
            self.close(key, Cause::Memory);
            return;
        }
        peer.opening = peer.opening.saturating_add(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.want_flush(key);
    }

    /// Whether one more command of a handshake may be answered in this turn that takes public-key cryptography.
    pub(in crate::hub) const fn may_shake(&mut self) -> bool {
        let may = self.heavy_shakes < HEAVY_SHAKES_PER_TURN;
        self.heavy_shakes += may as u32;
        may
    }

    /// Whether a message of so many bytes, which fits no ring, can be handed over to this peer.
    pub(in crate::hub) fn takes_large(&self, to: PeerKey, bytes: usize) -> bool {
        self.get(to).is_some_and(|peer| peer.takes_passage() && (bytes <= SEALED_FRAME_BYTES_MAX || !peer.is_sealed()))
    }

    /// Seals what is to leave next for a peer, if it is on a sealed link; in one of the next turns, where enough was sealed in this one.
    #[cold]
    pub(super) fn seals_later(&mut self, key: PeerKey) -> bool {
        let is_later = self.seal(key);
        if is_later && let Some(peer) = self.table.get_mut(key) {
            peer.flush = Flush::None;
            self.want_flush_later(key);
        }
        is_later
    }

    /// Seals what is to leave next for a peer. Answers whether it has to wait for the next turn, as enough was sealed in this one.
    fn seal(&mut self, key: PeerKey) -> bool {
        let Some(peer) = self.table.get_mut(key) else { return false };
        let Some(Beside::Sealed(sealed)) = peer.beside.as_deref_mut() else { return false };
        if peer.opening > 0 || !sealed.unsent().is_empty() {
            return false;
        }
        if self.sealed_in_turn >= SEALED_BYTES_PER_TURN {
            return true;
        }
        let passage = sealed.passage.take();
        let filled = match &passage {
            None => sealed.fill_lent(peer.ring.unsent_mut(), peer.left),
            Some(passage) if passage.behind() > 0 => {
                sealed.fill(skip(first(peer.ring.unsent(), passage.behind()), peer.left))
            }
            Some(passage) => sealed.fill(passage.all_unsent()),
        };
        sealed.passage = passage;
        match filled {
            Ok(bytes) => self.sealed_in_turn += bytes,
            Err(fault) => self.close(key, Cause::Zmtp(fault)),
        }
        false
    }
}
