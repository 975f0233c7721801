//! Records of an archive without its directory: whatever lies behind the front, one LZMA2 stream after another.
//!
//! Owns the walk from stream to stream. A record that is not whole ends it, as does what is none: the rest of a directory, or zeros.

use std::io::{Read, Seek, SeekFrom};

use super::directory::FRONT_BYTES;
use super::format::FRAME_START;
use super::pieces::{Encoding, Fetched};
use super::unpack::{Feed, Unpacker};
use crate::limits::{RCRS_ARCHIVE_ENTRIES_MAX, RCRS_DICTIONARY_BYTES_MAX, RCRS_RECORD_BYTES_MAX, RCRS_SLICE_BYTES_MAX};
use crate::rcrs::Error;

const NO_DIRECTORY: Error = Error::Malformed("the archive has no directory: its writer was stopped before the end");

/// The state of reading such records.
#[derive(Debug)]
pub(super) struct Loose {
    feed: Feed,
    unpacker: Unpacker,
    held: Vec<u8>,
    records: usize,
    unpacked: u64,
}

impl Loose {
    /// Begins at the first record.
    pub(super) fn open(source: &mut impl Seek) -> Result<Self, Error> {
        source.seek(SeekFrom::Start(FRONT_BYTES)).map_err(|error| Error::Read(error.kind()))?;
        Ok(Self { feed: Feed::new(u64::MAX), unpacker: unpacker()?, held: Vec::new(), records: 0, unpacked: 0 })
    }

    /// Bytes of the records given so far.
    pub(super) const fn unpacked_bytes(&self) -> u64 {
        self.unpacked
    }

    /// Goes on towards the next record, with one bounded piece of work.
    pub(super) fn fetch(&mut self, source: &mut impl Read) -> Result<Fetched, Error> {
        let before = self.held.len();
        self.held.resize(before + RCRS_SLICE_BYTES_MAX, 0);
        let place = self.held.get_mut(before..).unwrap_or_default();
        let step = match self.feed.unpack_one(source, &mut self.unpacker, place) {
            Ok(step) => step,
            Err(error @ Error::Read(_)) => return Err(error),
            Err(_) => return self.end(),
        };
        self.held.truncate(before + step.made);
        if self.held.len() > RCRS_RECORD_BYTES_MAX {
            return Err(Error::TooLarge("one record of the log"));
        }
        if step.ended {
            return self.record();
        }
        // The file ends within a record, or behind the last.
        if step.made == 0 && self.feed.is_empty() {
            return Ok(Fetched::Ended);
        }
        Ok(Fetched::Working { bytes: step.made + step.taken })
    }

    /// A stream is whole: the next record, if there can be one.
    fn record(&mut self) -> Result<Fetched, Error> {
        let held = core::mem::take(&mut self.held);
        if held.is_empty() || self.records == 0 && held != FRAME_START {
            return self.end();
        }
        self.records += 1;
        if self.records > RCRS_ARCHIVE_ENTRIES_MAX {
            return Err(Error::TooLarge("the number of records in the archive"));
        }
        self.unpacker = unpacker()?;
        self.unpacked = self.unpacked.saturating_add(u64::try_from(held.len()).unwrap_or_default());
        Ok(Fetched::Record { bytes: held, encoding: Encoding::Proto })
    }

    /// What follows is no record.
    const fn end(&self) -> Result<Fetched, Error> {
        if self.records == 0 { Err(NO_DIRECTORY) } else { Ok(Fetched::Ended) }
    }
}

/// For a record of any size: the dictionary grows with what is unpacked.
fn unpacker() -> Result<Unpacker, Error> {
    Unpacker::lzma2(u32::try_from(RCRS_DICTIONARY_BYTES_MAX).unwrap_or(u32::MAX))
}
