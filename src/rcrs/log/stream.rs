//! Logs that are one run of bytes, packed or not: records one after another.
//!
//! Owns where one record ends and the next begins. Records are either frames (four bytes of length, then protobuf) or the
//! binary ones of 1.x (type and size, four bytes each, then the old encoding); the first bytes say which.

use std::io::Read;

use super::format::{BINARY_START, FRAME_START};
use super::pieces::{Encoding, Fetched};
use super::unpack::{Feed, Unpacker};
use crate::limits::{RCRS_PACKING_BYTES_MAX, RCRS_RECORD_BYTES_MAX, RCRS_SLICE_BYTES_MAX, RCRS_UNPACKED_BYTES_MAX};
use crate::rcrs::Error;
use crate::rcrs::message::RecordKind;

const TOO_LONG: Error = Error::TooLarge("one record of the log");

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Frames,
    Binary,
}

impl Framing {
    const fn header_bytes(self) -> usize {
        match self {
            Self::Frames => 4,
            Self::Binary => 8,
        }
    }
}

/// The record that is being collected.
#[derive(Debug)]
struct Open {
    encoding: Encoding,
    length: usize,
    held: Vec<u8>,
}

/// The state of reading such a log.
#[derive(Debug)]
pub(super) struct Stream {
    feed: Feed,
    unpacker: Unpacker,
    unpacked: u64,
    window: Vec<u8>,
    start: usize,
    end: usize,
    framing: Option<Framing>,
    open: Option<Open>,
}

impl Stream {
    pub(super) fn new(unpacker: Unpacker) -> Self {
        Self {
            feed: Feed::new(u64::MAX),
            unpacker,
            unpacked: 0,
            window: vec![0; RCRS_SLICE_BYTES_MAX],
            start: 0,
            end: 0,
            framing: None,
            open: None,
        }
    }

    /// Bytes unpacked so far.
    pub(super) const fn unpacked_bytes(&self) -> u64 {
        self.unpacked
    }

    /// Goes on towards the next record, with one bounded piece of work.
    pub(super) fn fetch(&mut self, source: &mut impl Read) -> Result<Fetched, Error> {
        let Some(open) = self.open.as_mut() else {
            let opened = self.open_record()?;
            return if opened { Ok(Fetched::Working { bytes: 0 }) } else { self.fill(source) };
        };
        let waiting = self.window.get(self.start..self.end).unwrap_or_default();
        let part = waiting.get(..open.length - open.held.len()).unwrap_or(waiting);
        open.held.extend_from_slice(part);
        self.start += part.len();
        if open.held.len() < open.length {
            return self.fill(source);
        }
        let whole = self.open.take().map(|open| Fetched::Record { bytes: open.held, encoding: open.encoding });
        Ok(whole.unwrap_or(Fetched::Ended))
    }

    /// Reads a record's header if it is there; says so.
    fn open_record(&mut self) -> Result<bool, Error> {
        let waiting = self.window.get(self.start..self.end).unwrap_or_default();
        let Some((first, rest)) = waiting.split_first_chunk::<4>() else { return Ok(false) };
        let first = u32::from_be_bytes(*first);
        let framing = match self.framing {
            Some(framing) => framing,
            None => {
                let frame = rest.split_first_chunk::<2>().is_some_and(|(start, _)| start == FRAME_START);
                match (first, frame) {
                    (BINARY_START, _) => Framing::Binary,
                    (2, true) => Framing::Frames,
                    (2, false) if rest.len() < 2 => return Ok(false),
                    _ => return Err(Error::Malformed("the file packs something else than a log")),
                }
            }
        };
        let (encoding, length) = match framing {
            Framing::Frames => (Encoding::Proto, first),
            Framing::Binary => {
                let Some((size, _)) = rest.split_first_chunk::<4>() else { return Ok(false) };
                let kind = match first {
                    BINARY_START => RecordKind::Start,
                    0 => RecordKind::End,
                    1 => RecordKind::Initial,
                    2 => RecordKind::Perception,
                    3 => RecordKind::Commands,
                    4 => RecordKind::Updates,
                    5 => RecordKind::Config,
                    _ => return Err(Error::Malformed("a log record is of no known kind")),
                };
                (Encoding::Legacy(kind), u32::from_be_bytes(*size))
            }
        };
        let length = usize::try_from(length).map_err(|_| TOO_LONG)?;
        if length > RCRS_RECORD_BYTES_MAX {
            return Err(TOO_LONG);
        }
        self.framing = Some(framing);
        self.start += framing.header_bytes();
        self.open = Some(Open { encoding, length, held: Vec::new() });
        Ok(true)
    }

    /// Unpacks some more, behind what may wait of a header.
    fn fill(&mut self, source: &mut impl Read) -> Result<Fetched, Error> {
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let place = self.window.get_mut(self.end..).unwrap_or_default();
        let step = self.feed.unpack(source, &mut self.unpacker, place)?;
        self.end += step.made;
        self.unpacked = self.unpacked.saturating_add(u64::try_from(step.made).unwrap_or_default());
        if self.unpacked > RCRS_UNPACKED_BYTES_MAX {
            return Err(Error::TooLarge("the unpacked log"));
        }
        if self.feed.total() > self.unpacked.saturating_mul(2).saturating_add(RCRS_PACKING_BYTES_MAX) {
            return Err(Error::TooLarge("the packing around the log"));
        }
        Ok(if step.ended && step.made == 0 {
            Fetched::Ended
        } else {
            Fetched::Working { bytes: step.made + step.taken }
        })
    }
}
