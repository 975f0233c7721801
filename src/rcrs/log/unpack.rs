//! Unpacking in slices: so many packed bytes in, so many plain bytes out, and the state in between.
//!
//! Owns the choice of packing and its limits. Must not know records. The decoders of `lzma_rust2` and `miniz_oxide` used here
//! take lent buffers and never read by themselves, so no call does more work than its buffers allow. The dictionary of
//! the LZMA family grows with what was unpacked, never at once to what is announced.

use std::io::{self, ErrorKind, Read};

use lzma_rust2::{Action, Lzma2Stream, LzmaStream, Status};

use super::gzip::Gzip;
use super::xz::Xz;
use crate::limits::RCRS_DICTIONARY_BYTES_MAX;
use crate::rcrs::Error;

/// Packed bytes read from the file at a time.
const INPUT_BYTES: usize = 4096;

/// What a decoder needs beyond its dictionary, in KiB: the largest literal tables LZMA allows.
const MODEL_KIB: usize = 8192;

pub(super) const DAMAGED: Error = Error::Malformed("the packed data cannot be unpacked");
pub(super) const DICTIONARY: Error = Error::TooLarge("the dictionary of the packed data");

/// What one call did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) made: usize,
    pub(super) ended: bool,
}

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
    pub(super) fn process(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Error> {
        let step = match self {
            Self::Plain => copy(input, output),
            Self::Lzma(stream) => step_of(stream.process(input, output, Action::Run))?,
            Self::Lzma2(stream) => step_of(stream.process(input, output, Action::Run))?,
            Self::Xz(xz) => xz.process(input, output)?,
            Self::Gzip(gzip) => gzip.process(input, output)?,
        };
        // No decoder may sit still with work before it, or the caller would turn for ever.
        let still = step.taken == 0 && step.made == 0 && !step.ended;
        if still && !input.is_empty() && !output.is_empty() { Err(DAMAGED) } else { Ok(step) }
    }
}

/// The LZMA2 decoder alone, for the containers made of it.
pub(super) fn lzma2(dictionary: u32) -> Result<Lzma2Stream, Error> {
    check_dictionary(dictionary)?;
    Ok(Lzma2Stream::new_mem_limit(dictionary, memory_kib()))
}

/// The size a dictionary byte of LZMA2 stands for.
pub(super) fn lzma2_dictionary(code: u8) -> Result<u32, Error> {
    match code {
        0..40 => (2 | u32::from(code & 1)).checked_shl(u32::from(code / 2) + 11).ok_or(DAMAGED),
        40 => Ok(u32::MAX),
        _ => Err(DAMAGED),
    }
}

/// What the LZMA decoders say in our words.
pub(super) fn step_of(result: io::Result<lzma_rust2::StreamResult>) -> Result<Step, Error> {
    match result {
        Ok(result) => Ok(Step {
            taken: result.bytes_consumed,
            made: result.bytes_produced,
            ended: result.status == Status::StreamEnd,
        }),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Err(DICTIONARY),
        Err(_) => Err(DAMAGED),
    }
}

fn check_dictionary(bytes: u32) -> Result<(), Error> {
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= RCRS_DICTIONARY_BYTES_MAX) { Ok(()) } else { Err(DICTIONARY) }
}

fn memory_kib() -> u32 {
    u32::try_from(RCRS_DICTIONARY_BYTES_MAX / 1024 + MODEL_KIB).unwrap_or(u32::MAX)
}

fn copy(input: &[u8], output: &mut [u8]) -> Step {
    let count = input.len().min(output.len());
    for (to, from) in output.iter_mut().zip(input) {
        *to = *from;
    }
    Step { taken: count, made: count, ended: false }
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
    ) -> Result<Step, Error> {
        if self.start == self.end && self.left > 0 {
            self.refill(source)?;
        }
        let input = self.buffer.get(self.start..self.end).unwrap_or_default();
        let mut step = unpacker.process(input, output)?;
        self.start += step.taken;
        step.ended |= self.left == 0 && self.start == self.end && step.made == 0;
        Ok(step)
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
