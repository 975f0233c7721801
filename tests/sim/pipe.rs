//! One direction of a connection: bytes in order, handed on in pieces, late, or not at all.

use std::collections::VecDeque;

use crate::rng::Rng;
use crate::swarm::Swarm;

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) bytes: VecDeque<u8>,
    /// Bytes that the two operating systems hold together.
    pub(crate) capacity: usize,
    chunk_max: u64,
    delay_ms: u64,
    /// The reader takes nothing until then.
    pub(crate) stalled_until: u64,
    /// A delivery is on the agenda.
    pub(crate) scheduled: bool,
    /// The writer has been told that the pipe is full.
    pub(crate) choked: bool,
    /// The writer has ended the stream in order: the end comes behind the bytes.
    pub(crate) ended: bool,
    /// The reader is to hear that the connection broke.
    pub(crate) broken: bool,
}

impl Pipe {
    pub(crate) fn new(rng: &mut Rng, swarm: &Swarm) -> Self {
        let chunk_max = if rng.one_in(swarm.single_bytes_one_in) { 1 } else { rng.pick(&[200, 3000, 100_000]) };
        Self {
            bytes: VecDeque::new(),
            capacity: rng.pick(&[700, 8 << 10, 128 << 10]),
            chunk_max,
            // Slow in one way, not in both: a byte at a time comes without delay.
            delay_ms: swarm.delay_ms.min(chunk_max / 64),
            stalled_until: 0,
            scheduled: false,
            choked: false,
            ended: false,
            broken: false,
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> u64 {
        rng.below(self.delay_ms + 1)
    }

    /// Takes the next piece out, at most `budget` bytes.
    pub(crate) fn piece(&mut self, rng: &mut Rng, budget: usize) -> Vec<u8> {
        let whole = if rng.one_in(2) { self.chunk_max } else { rng.between(1, self.chunk_max) };
        let n = (whole as usize).min(budget).min(self.bytes.len());
        self.bytes.drain(..n).collect()
    }
}
