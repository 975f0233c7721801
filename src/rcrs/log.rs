//! The logs kernels write, read record by record.
//!
//! Owns recognising a log by its content and [`Reader`], which unpacks and decodes in slices. Must not know files: a log
//! is anything that reads and seeks. Never holds more than one record and the dictionary of the packing.
//!
//! A run writes Start, Initial, Config, then for each step one Perception an agent, Commands and Updates, and End. Five ways:
//! * binary records of the 1.x encoding (`.log`);
//! * frames of protobuf records, plain or in LZMA without any container (`.xz`, against its name);
//! * protobuf records as entries of a 7z archive (`.7z`), the usual one;
//! * any of the first two packed again by people, as gzip or real xz.
//!
//! The kernel buffers what it packs, so a killed one leaves a log that stops inside a record: all whole records are given,
//! then [`Ending::Truncated`].

mod archive;
mod checksum;
mod directory;
mod gzip;
mod stream;
mod unpack;
mod xz;

use std::io::{Read, Seek, SeekFrom};

use self::archive::Archive;
use self::gzip::Gzip;
use self::stream::Stream;
use self::unpack::Unpacker;
use self::xz::Xz;
use super::message::{Record, RecordKind};
use super::{Error, legacy, proto};
use crate::limits::RCRS_SLICE_BYTES_MAX;

/// The type number of the record that starts a binary log.
const BINARY_START: u32 = 0xe542_d585;

/// The content of the frame that starts a framed log.
const FRAME_START: &[u8; 2] = &[0x0a, 0];

/// How many of a file's first bytes [`Kind::recognise`] looks at.
pub const HEAD_BYTES: usize = 32;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Binary records.
    Binary,
    /// Plain frames.
    Frames,
    /// Frames in LZMA without a container.
    Lzma,
    /// A 7z archive with an entry for each record.
    SevenZip,
    /// A real xz file, with a log inside.
    Xz,
    /// A gzip file, with a log inside.
    Gzip,
    /// A viewer's recording, a MsgPack map, which is none of the simulator's own logs.
    Viewer,
}

impl Kind {
    /// Judges a file by its first [`HEAD_BYTES`], or all it has.
    #[must_use]
    pub fn recognise(head: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| head.starts_with(magic);
        match head.first()? {
            0xe5 if starts(&BINARY_START.to_be_bytes()) => Some(Self::Binary),
            0x37 if starts(b"7z\xbc\xaf\x27\x1c") => Some(Self::SevenZip),
            0x5d if starts(&[0x5d, 0, 0]) && head.get(5..13) == Some(&[0xff; 8]) => Some(Self::Lzma),
            0xfd if starts(b"\xfd7zXZ\0") => Some(Self::Xz),
            0x1f if starts(&[0x1f, 0x8b]) => Some(Self::Gzip),
            0x00 if starts(&[0, 0, 0, 2, 0x0a, 0]) => Some(Self::Frames),
            // The front of an archive is written last, over zeros.
            0x00 if starts(&[0; HEAD_BYTES]) => Some(Self::SevenZip),
            0x80..=0x8f | 0xde | 0xdf => Some(Self::Viewer),
            _ => None,
        }
    }

    /// A short name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary records",
            Self::Frames => "plain frames",
            Self::Lzma => "frames in LZMA",
            Self::SevenZip => "7z archive",
            Self::Xz => "log packed with xz",
            Self::Gzip => "log packed with gzip",
            Self::Viewer => "viewer recording",
        }
    }
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last record.
    Whole,
    /// Without one: the kernel was stopped, or the file was cut.
    Truncated,
}

/// What [`Reader::advance`] got to.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// The next record; call again.
    Record(Record),
    /// None yet; call again when other work had its turn.
    Working,
    /// There are no more, now and ever.
    Ended(Ending),
}

/// How a record is encoded.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Proto,
    Legacy(RecordKind),
}

/// What one piece of reading gave.
#[derive(Debug)]
enum Fetched {
    Record { bytes: Vec<u8>, encoding: Encoding },
    Working { bytes: usize },
    Ended,
}

#[derive(Debug)]
enum Body {
    Stream(Box<Stream>),
    Archive(Archive),
}

#[derive(Debug)]
enum Decoder {
    Proto(proto::Decoder),
    Legacy(legacy::Decoder, RecordKind),
}

/// Reads a log.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    kind: Kind,
    body: Body,
    decoding: Option<(Vec<u8>, Decoder)>,
    time_reached: i32,
    outcome: Option<Result<Ending, Error>>,
}

impl<R: Read + Seek> Reader<R> {
    /// Looks at the first bytes of a log; everything else is left to [`Self::advance`].
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Unrecognised`], [`Error::Unsupported`] for a viewer's recording, [`Error::Read`].
    pub fn open(mut source: R) -> Result<Self, Error> {
        let read = |error: std::io::Error| Error::Read(error.kind());
        source.seek(SeekFrom::Start(0)).map_err(read)?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
        source.by_ref().take(limit).read_to_end(&mut head).map_err(read)?;
        source.seek(SeekFrom::Start(0)).map_err(read)?;
        if head.is_empty() {
            return Err(Error::Empty);
        }
        let kind = Kind::recognise(&head).ok_or(Error::Unrecognised)?;
        let body = match kind {
            Kind::Binary | Kind::Frames => Self::stream(Unpacker::Plain),
            Kind::Lzma => Self::stream(Unpacker::lzma_alone()),
            Kind::Xz => Self::stream(Unpacker::Xz(Box::new(Xz::new()))),
            Kind::Gzip => Self::stream(Unpacker::Gzip(Box::new(Gzip::new()))),
            Kind::SevenZip => Body::Archive(Archive::new()),
            Kind::Viewer => return Err(Error::Unsupported("a viewer's recording")),
        };
        Ok(Self { source, kind, body, decoding: None, time_reached: 0, outcome: None })
    }

    /// What the file is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The highest time whose updates were read.
    #[must_use]
    pub const fn time_reached(&self) -> i32 {
        self.time_reached
    }

    /// Bytes that have been unpacked so far: of an archive those of its records, else of the whole stream.
    #[must_use]
    pub const fn unpacked_bytes(&self) -> u64 {
        match &self.body {
            Body::Stream(stream) => stream.unpacked_bytes(),
            Body::Archive(archive) => archive.unpacked_bytes(),
        }
    }

    /// The highest time of the log, if it is known yet: from an archive's directory, else when the end was reached.
    #[must_use]
    pub const fn time_max(&self) -> Option<i32> {
        match (&self.body, self.outcome) {
            (_, Some(_)) => Some(self.time_reached),
            (Body::Archive(archive), None) => archive.time_max(),
            (Body::Stream(_), None) => None,
        }
    }

    /// Unpacks and decodes about `budget` bytes (at most [`RCRS_SLICE_BYTES_MAX`]), or up to the next record.
    ///
    /// # Errors
    /// What makes the log unusable from here on; it is repeated by every later call.
    pub fn advance(&mut self, budget: usize) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome {
            return outcome.map(Progress::Ended);
        }
        let result = self.work(budget.clamp(1, RCRS_SLICE_BYTES_MAX));
        match &result {
            Ok(Progress::Ended(ending)) => self.outcome = Some(Ok(*ending)),
            Ok(Progress::Record(Record::End)) => self.outcome = Some(Ok(Ending::Whole)),
            Ok(Progress::Record(Record::Updates { time, .. })) => self.time_reached = self.time_reached.max(*time),
            Ok(Progress::Record(_) | Progress::Working) => {}
            Err(error) => self.outcome = Some(Err(*error)),
        }
        result
    }

    fn stream(unpacker: Unpacker) -> Body {
        Body::Stream(Box::new(Stream::new(unpacker)))
    }

    fn work(&mut self, budget: usize) -> Result<Progress, Error> {
        let mut spent = 0;
        while spent < budget {
            if let Some((bytes, decoder)) = self.decoding.take() {
                // The sizes of records are small against the budget but for a few, so each counts in full.
                spent += bytes.len();
                if let Some(record) = self.decode(bytes, decoder, budget)? {
                    return Ok(Progress::Record(record));
                }
                continue;
            }
            let fetched = match &mut self.body {
                Body::Stream(stream) => stream.fetch(&mut self.source)?,
                Body::Archive(archive) => archive.fetch(&mut self.source)?,
            };
            match fetched {
                Fetched::Record { bytes, encoding } => {
                    let decoder = match encoding {
                        Encoding::Proto => Decoder::Proto(proto::Decoder::record(bytes.len())),
                        Encoding::Legacy(kind) => Decoder::Legacy(legacy::Decoder::record(kind, bytes.len()), kind),
                    };
                    self.decoding = Some((bytes, decoder));
                }
                // Even a piece without bytes is some work.
                Fetched::Working { bytes } => spent += bytes.max(16),
                Fetched::Ended => return Ok(Progress::Ended(Ending::Truncated)),
            }
        }
        Ok(Progress::Working)
    }

    /// Decodes on; gives the record once it is done, else keeps it for the next slice.
    fn decode(&mut self, bytes: Vec<u8>, mut decoder: Decoder, budget: usize) -> Result<Option<Record>, Error> {
        let done = match &mut decoder {
            Decoder::Proto(decoder) => decoder.step(&bytes, budget)?,
            Decoder::Legacy(decoder, _) => decoder.step(&bytes, budget)?,
        };
        if !done {
            self.decoding = Some((bytes, decoder));
            return Ok(None);
        }
        match decoder {
            Decoder::Proto(decoder) => decoder.into_record().map(Some),
            Decoder::Legacy(decoder, kind) => Ok(Some(decoder.into_record(kind))),
        }
    }
}
