//! Unpacking in slices: so many packed bytes in, so many plain bytes out, and the state in between.
//!
//! Owns the choice of packing and its limits. Must not know records. The decoders of `lzma_rust2` and `miniz_oxide` used here
//! take lent buffers and never read by themselves, so no call does more work than its buffers allow. The dictionary of
//! the LZMA family grows with what was unpacked, never at once to what is announced.

use std::io::{ErrorKind, Read};

use lzma_rust2::{Action, Lzma2Stream, LzmaStream};

use super::gzip::Gzip;
use super::lzma::{check_dictionary, lzma2, memory_kib, unpacked_by};
use super::pieces::{DAMAGED, Unpacked};
use super::xz::Xz;
use crate::rcrs::Error;

/// Packed bytes read from the file at a time.
const INPUT_BYTES: usize = 4096;

/// A way of packing, and how far it has got.
pub(super) enum Unpacker {
    Plain,
    Lzma(Box<LzmaStream>),
    Lzma2(Box<Lzma2Stream>),
    Xz(Box<Xz>),
    Gzip(Box<Gzip>),
}

impl core::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Lzma(_) => "Lzma",
            Self::Lzma2(_) => "Lzma2",
            Self::Xz(_) => "Xz",
            Self::Gzip(_) => "Gzip",
        })
    }
}

impl Unpacker {
    /// LZMA behind its own 13-byte header, as the kernel writes it.
    pub(super) fn lzma_alone() -> Self {
        Self::Lzma(Box::new(LzmaStream::new_mem_limit(memory_kib(), None)))
    }

    /// LZMA whose properties stand elsewhere.
    pub(super) fn lzma(size: u64, properties: u8, dictionary: u32) -> Result<Self, Error> {
        check_dictionary(dictionary)?;
        let stream = LzmaStream::new_with_props(size, properties, dictionary, None).map_err(|_| DAMAGED)?;
        Ok(Self::Lzma(Box::new(stream)))
    }

    /// LZMA2 with this dictionary.
    pub(super) fn lzma2(dictionary: u32) -> Result<Self, Error> {
        lzma2(dictionary).map(|stream| Self::Lzma2(Box::new(stream)))
    }

    /// Unpacks what fits.
    pub(super) fn process(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, Error> {
        let step = match self {
            Self::Plain => copy(input, output),
            Self::Lzma(stream) => unpacked_by(stream.process(input, output, Action::Run))?,
            Self::Lzma2(stream) => unpacked_by(stream.process(input, output, Action::Run))?,
            Self::Xz(xz) => xz.process(input, output)?,
            Self::Gzip(gzip) => gzip.process(input, output)?,
        };
        // No decoder may sit still with work before it, or the caller would turn for ever.
        let still = step.taken == 0 && step.made == 0 && !step.ended;
        if still && !input.is_empty() && !output.is_empty() { Err(DAMAGED) } else { Ok(step) }
    }
}

fn copy(input: &[u8], output: &mut [u8]) -> Unpacked {
    let count = input.len().min(output.len());
    for (to, from) in output.iter_mut().zip(input) {
        *to = *from;
    }
    Unpacked { taken: count, made: count, ended: false }
}

/// Packed bytes on their way from a source to an unpacker.
#[derive(Debug)]
pub(super) struct Feed {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Packed bytes still to be read from the source.
    left: u64,
    total: u64,
}

impl Feed {
    /// Reads at most `bytes` from where the source stands.
    pub(super) fn new(bytes: u64) -> Self {
        Self { buffer: vec![0; INPUT_BYTES], start: 0, end: 0, left: bytes, total: 0 }
    }

    /// Packed bytes read so far.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Unpacks some more; `ended` if nothing more will come, be it the proper end or not.
    pub(super) fn unpack(
        &mut self,
        source: &mut impl Read,
        unpacker: &mut Unpacker,
        output: &mut [u8],
    ) -> Result<Unpacked, Error> {
        let mut step = self.unpack_one(source, unpacker, output)?;
        step.ended |= self.is_empty() && step.made == 0;
        Ok(step)
    }

    /// Unpacks some more of one of several streams that follow one another; `ended` at the proper end of that stream alone.
    pub(super) fn unpack_one(
        &mut self,
        source: &mut impl Read,
        unpacker: &mut Unpacker,
        output: &mut [u8],
    ) -> Result<Unpacked, Error> {
        if self.start == self.end && self.left > 0 {
            self.refill(source)?;
        }
        let input = self.buffer.get(self.start..self.end).unwrap_or_default();
        let step = unpacker.process(input, output)?;
        self.start += step.taken;
        Ok(step)
    }

    /// Whether all packed bytes were given to an unpacker.
    pub(super) const fn is_empty(&self) -> bool {
        self.left == 0 && self.start == self.end
    }

    fn refill(&mut self, source: &mut impl Read) -> Result<(), Error> {
        let want = usize::try_from(self.left).map_or(INPUT_BYTES, |left| left.min(INPUT_BYTES));
        let place = self.buffer.get_mut(..want).unwrap_or_default();
        let read = loop {
            match source.read(place) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error.kind())),
                Ok(read) => break read,
            }
        };
        (self.start, self.end) = (0, read.min(want));
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = if read == 0 { 0 } else { self.left.saturating_sub(count) };
        self.total = self.total.saturating_add(count);
        Ok(())
    }
}
