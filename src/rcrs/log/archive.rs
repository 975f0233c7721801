//! Logs that are a 7z archive: one entry for each record, put in order by name.
//!
//! Owns the walk over the entries; [`super::directory`] reads what the archive says about itself. Names are
//! START_OF_LOG, INITIAL_CONDITIONS, CONFIG, `<time>/PERCEPTION/<agent>`, `<time>/COMMANDS`, `<time>/UPDATES`, END_OF_LOG;
//! the content of each is a bare protobuf record.
//!
//! The directory stands at the end of the file and its place at the front, written last: a run that was killed leaves zeros there, and a
//! file of which the end is missing has none either. Then the records are taken as they lie behind the front, each of them an LZMA2 stream
//! of its own that says where it ends: [`super::loose`].

use std::io::{Read, Seek, SeekFrom};

use super::checksum::Crc32;
use super::directory::{self, Contents, Entry, FRONT_BYTES, Packing};
use super::loose::Loose;
use super::pieces::{Encoding, Fetched};
use super::unpack::{Feed, Unpacker};
use crate::limits::{RCRS_ARCHIVE_HEADER_BYTES_MAX, RCRS_RECORD_BYTES_MAX, RCRS_SLICE_BYTES_MAX};
use crate::rcrs::Error;
use crate::store::order;

const SHORT: Error = Error::Malformed("an archive entry ends too early");
const CHECKSUM: Error = Error::Malformed("the checksum of an archive entry does not fit");

/// Work counted for opening an entry, in bytes.
const OPENING_BYTES: usize = 1024;

/// One stretch of the file being unpacked into memory.
#[derive(Debug)]
struct Fetch {
    feed: Feed,
    unpacker: Unpacker,
    length: usize,
    held: Vec<u8>,
    crc: Crc32,
    crc_given: Option<u32>,
}

impl Fetch {
    fn record(source: &mut impl Seek, packing: &Packing) -> Result<Self, Error> {
        Self::new(source, packing, RCRS_RECORD_BYTES_MAX, "one record of the log")
    }

    fn directory(source: &mut impl Seek, packing: &Packing) -> Result<Self, Error> {
        Self::new(source, packing, RCRS_ARCHIVE_HEADER_BYTES_MAX, "the directory of the archive")
    }

    fn new(source: &mut impl Seek, packing: &Packing, length_max: usize, what: &'static str) -> Result<Self, Error> {
        let length = usize::try_from(packing.unpacked).ok().filter(|&length| length <= length_max);
        let length = length.ok_or(Error::TooLarge(what))?;
        source.seek(SeekFrom::Start(packing.offset)).map_err(|error| Error::Read(error.kind()))?;
        Ok(Self {
            feed: Feed::new(packing.packed),
            unpacker: packing.method.unpacker(packing.unpacked)?,
            length,
            held: Vec::new(),
            crc: Crc32::new(),
            crc_given: packing.crc,
        })
    }

    /// Unpacks some more; says how much work it was, and whether all is there.
    fn step(&mut self, source: &mut impl Read) -> Result<(usize, bool), Error> {
        let before = self.held.len();
        let room = (self.length - before).min(RCRS_SLICE_BYTES_MAX);
        if room == 0 {
            return if self.crc_given.is_some_and(|crc| crc != self.crc.value()) {
                Err(CHECKSUM)
            } else {
                Ok((0, true))
            };
        }
        self.held.resize(before + room, 0);
        let place = self.held.get_mut(before..).unwrap_or_default();
        let step = self.feed.unpack(source, &mut self.unpacker, place)?;
        self.held.truncate(before + step.made);
        self.crc.add(self.held.get(before..).unwrap_or_default());
        if step.ended && step.made == 0 { Err(SHORT) } else { Ok((step.made + step.taken, false)) }
    }
}

#[derive(Debug)]
enum Stage {
    Front {
        held: Vec<u8>,
    },
    Directory(Fetch),
    Records {
        entries: std::vec::IntoIter<Entry>,
        open: Option<Fetch>,
    },
    /// There is no directory.
    Loose(Loose),
}

/// The state of reading such a log.
#[derive(Debug)]
pub(super) struct Archive {
    stage: Stage,
    time_max: Option<i32>,
    unpacked: u64,
}

impl Archive {
    pub(super) const fn new() -> Self {
        Self { stage: Stage::Front { held: Vec::new() }, time_max: None, unpacked: 0 }
    }

    /// The highest time that has updates, once the directory is read.
    pub(super) const fn time_max(&self) -> Option<i32> {
        self.time_max
    }

    /// Bytes of the records given so far.
    pub(super) const fn unpacked_bytes(&self) -> u64 {
        match &self.stage {
            Stage::Loose(loose) => loose.unpacked_bytes(),
            Stage::Front { .. } | Stage::Directory(_) | Stage::Records { .. } => self.unpacked,
        }
    }

    /// Goes on towards the next record, with one bounded piece of work.
    pub(super) fn fetch(&mut self, source: &mut (impl Read + Seek)) -> Result<Fetched, Error> {
        match &mut self.stage {
            Stage::Front { held } => {
                source.by_ref().take(FRONT_BYTES).read_to_end(held).map_err(|error| Error::Read(error.kind()))?;
                self.stage = match directory::front(held) {
                    Some(packing) => Stage::Directory(Fetch::directory(source, &packing)?),
                    None => Stage::Loose(Loose::open(source)?),
                };
                Ok(Fetched::Working { bytes: OPENING_BYTES })
            }
            Stage::Directory(fetch) => {
                let (bytes, whole) = match fetch.step(source) {
                    // What was to come last has not come, or room was made for it and no more.
                    Err(SHORT | CHECKSUM) => {
                        self.stage = Stage::Loose(Loose::open(source)?);
                        return Ok(Fetched::Working { bytes: OPENING_BYTES });
                    }
                    stepped => stepped?,
                };
                if whole {
                    let held = core::mem::take(&mut fetch.held);
                    self.open_directory(source, &held)?;
                }
                Ok(Fetched::Working { bytes })
            }
            Stage::Loose(loose) => loose.fetch(source),
            Stage::Records { entries, open: open @ None } => {
                let Some(entry) = entries.next() else { return Ok(Fetched::Ended) };
                *open = Some(Fetch::record(source, &entry.packing)?);
                Ok(Fetched::Working { bytes: OPENING_BYTES })
            }
            Stage::Records { open: open @ Some(_), .. } => {
                let Some(fetch) = open.as_mut() else { return Ok(Fetched::Ended) };
                let (bytes, whole) = fetch.step(source)?;
                if !whole {
                    return Ok(Fetched::Working { bytes });
                }
                let held = open.take().map(|fetch| fetch.held).unwrap_or_default();
                self.unpacked = self.unpacked.saturating_add(u64::try_from(held.len()).unwrap_or_default());
                Ok(Fetched::Record { bytes: held, encoding: Encoding::Proto })
            }
        }
    }

    fn open_directory(&mut self, source: &mut impl Seek, held: &[u8]) -> Result<(), Error> {
        self.stage = match directory::parse(held)? {
            Contents::Packed(packing) => Stage::Directory(Fetch::directory(source, &packing)?),
            Contents::Entries(mut entries) => {
                // Stable: entries of one place keep the order they were written in.
                order::sort_by_key(&mut entries, |entry| entry.place);
                self.time_max = entries.iter().filter_map(|entry| entry.place.updates_time()).max();
                Stage::Records { entries: entries.into_iter(), open: None }
            }
        };
        Ok(())
    }
}
