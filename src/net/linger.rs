//! Sockets whose connection the hub has ended and whose peer has still to read what was written to it.
//!
//! A socket that is closed while bytes still come in is reset by the system, and with the reset goes what lies in its buffer unread by
//! the peer. So it is only half closed, what comes in is read away, and it is let go of when the peer ends its side, when time is
//! up, or when too many wait. Whether all has arrived is only certain in the first case; the others are counted.

use std::io::{self, Read as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::token::FIRST_LINGER;
use crate::limits::{LAST_LINGER_MS, LINGER_MS, LINGERS_MAX};
use crate::store::table::Table;
use crate::time::{Span, Tick};

/// Reads from one socket in a turn, and from all of them: what still comes is of no use to anybody.
const READS_PER_TURN: usize = 4;
const READS_OF_ALL: usize = 64;
/// Bytes of one of these reads.
const READ_BYTES: usize = 32 << 10;

#[derive(Debug)]
struct Lingering {
    stream: TcpStream,
    until: Tick,
    /// There may be bytes to read away.
    is_ready: bool,
}

/// What has become of a lingering socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Not,
    /// The peer has ended its side.
    Orderly,
    /// It is not known what the peer has read.
    Unknown,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Lingers {
    all: Table<Lingering>,
    /// Ends of which it is not known whether all has arrived, not yet told.
    unknown: u64,
    /// The slot that is read first in the next turn.
    next: usize,
}

impl Lingers {
    pub(super) const fn new() -> Self {
        Self { all: Table::new(LINGERS_MAX), unknown: 0, next: 0 }
    }

    /// Half closes a socket and keeps it.
    pub(super) fn add(&mut self, stream: TcpStream, now: Tick, registry: &Registry) {
        if stream.shutdown(Shutdown::Write).is_err() {
            // The peer has hung up already.
            return;
        }
        if self.all.len() >= LINGERS_MAX
            && let Some(oldest) = self.all.iter().min_by_key(|(_, one)| one.until).map(|(key, _)| key)
        {
            self.all.remove(oldest);
            self.unknown += 1;
        }
        let lingering = Lingering { stream, until: now + Span(LINGER_MS), is_ready: true };
        let Ok(key) = self.all.insert(lingering) else { return };
        let token = Token(FIRST_LINGER + key.slot());
        let watched = self.all.get_mut(key).map(|one| registry.reregister(&mut one.stream, token, Interest::READABLE));
        if let Some(Err(error)) = watched {
            log::debug!("a socket cannot be watched to its end: {error}");
            self.all.remove(key);
            self.unknown += 1;
        }
    }

    /// An event of one of them.
    pub(super) fn wake(&mut self, n: usize) {
        if let Some(one) = self.all.key_at(n).and_then(|key| self.all.get_mut(key)) {
            one.is_ready = true;
        }
    }

    /// Whether one of them has something to be read away at once.
    pub(super) fn is_ready(&self) -> bool {
        self.all.iter().any(|(_, one)| one.is_ready)
    }

    /// When the first of them has waited long enough.
    pub(super) fn soonest(&self) -> Option<Tick> {
        self.all.iter().map(|(_, one)| one.until).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The process ends: none of them may take long any more.
    pub(super) fn hurry(&mut self, now: Tick) {
        for (_, one) in self.all.iter_mut() {
            one.until = one.until.min(now + Span(LAST_LINGER_MS));
        }
    }

    /// Reads away what has come in, and lets go of those that have ended or waited long enough. Says of how many it is not known whether all has
    /// arrived.
    pub(super) fn turn(&mut self, now: Tick, scratch: &mut [u8]) -> u64 {
        let slots = self.all.slots_end();
        let scratch = scratch.get_mut(..READ_BYTES).unwrap_or_default();
        let mut left = READS_OF_ALL;
        let first = self.next;
        for slot in (first.min(slots)..slots).chain(0..first.min(slots)) {
            let Some(key) = self.all.key_at(slot) else { continue };
            let Some(one) = self.all.get_mut(key) else { continue };
            let mut end = End::Not;
            if one.is_ready && left > 0 {
                end = one.read_away(scratch, &mut left);
                self.next = slot + 1;
            }
            let end = if end == End::Not && one.until <= now { End::Unknown } else { end };
            self.unknown += u64::from(end == End::Unknown);
            if end != End::Not {
                self.all.remove(key);
            }
        }
        core::mem::take(&mut self.unknown)
    }
}

impl Lingering {
    /// Reads some of what has come in, with so many reads `left`.
    fn read_away(&mut self, scratch: &mut [u8], left: &mut usize) -> End {
        for _ in 0..READS_PER_TURN.min(*left) {
            *left -= 1;
            match self.stream.read(scratch) {
                Ok(0) => return End::Orderly,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_ready = false;
                    return End::Not;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return End::Unknown,
            }
        }
        End::Not
    }
}
