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
//! The kernel buffers what it packs, so a killed one leaves a log that stops inside a record, and an archive without its directory: all whole
//! records are given, then [`Ending::Truncated`].

mod archive;
mod checksum;
mod directory;
mod format;
mod gzip;
mod loose;
mod lzma;
mod pieces;
mod stream;
mod unpack;
mod xz;

use std::io::{Read, Seek, SeekFrom};

use self::archive::Archive;
pub use self::format::{HEAD_BYTES, LogFormat};
use self::gzip::Gzip;
use self::pieces::{Encoding, Fetched};
use self::stream::Stream;
use self::unpack::Unpacker;
use self::xz::Xz;
use super::message::{Record, RecordKind};
use super::{Error, legacy, proto};
use crate::limits::RCRS_SLICE_BYTES_MAX;

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
    format: LogFormat,
    body: Body,
    decoding: Option<(Vec<u8>, Decoder)>,
    time_reached: i32,
    /// The numbers of kinds lack their high byte, as the first world shows.
    short: bool,
    outcome: Option<Result<Ending, Error>>,
}

impl<R: Read + Seek> Reader<R> {
    /// Looks at the first bytes of a log; everything else is left to [`Self::advance`].
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Unrecognised`], [`Error::Unsupported`] for a viewer's recording and for the logs of the league's own viewer,
    /// [`Error::Read`].
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
        let format = LogFormat::recognise(&head).ok_or_else(|| unknown(&head))?;
        let body = match format {
            LogFormat::Binary | LogFormat::Frames => Self::stream(Unpacker::Plain),
            LogFormat::Lzma => Self::stream(Unpacker::lzma_alone()),
            LogFormat::Xz => Self::stream(Unpacker::Xz(Box::new(Xz::new()))),
            LogFormat::Gzip => Self::stream(Unpacker::Gzip(Box::new(Gzip::new()))),
            LogFormat::SevenZip => Body::Archive(Archive::new()),
            LogFormat::Viewer => return Err(Error::Unsupported("a viewer's recording")),
        };
        Ok(Self { source, format, body, decoding: None, time_reached: 0, short: false, outcome: None })
    }

    /// What the file is.
    #[must_use]
    pub const fn format(&self) -> LogFormat {
        self.format
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
                        Encoding::Proto => Decoder::Proto(proto::Decoder::record(bytes.len(), self.short)),
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
            Decoder::Proto(decoder) => {
                self.short = decoder.is_short();
                decoder.into_record().map(Some)
            }
            Decoder::Legacy(decoder, kind) => decoder.into_record(kind).map(Some),
        }
    }
}

/// What is said of a file that begins so and is none of ours: people have logs of the league's own viewer, too.
fn unknown(head: &[u8]) -> Error {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'P') if head.starts_with(b"PK\x03\x04") => Error::Unsupported(
            "a zip archive, as the league's own viewer reads it (.jlog.zip); open what the kernel wrote of the run, .7z, .xz or .log",
        ),
        Some(b'{' | b'[') => Error::Unsupported(
            "text in JSON, as the league's own viewer reads it (.jlog); open what the kernel wrote of the run, .7z, .xz or .log",
        ),
        _ => Error::Unrecognised,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn logs_of_another_viewer_are_refused_by_name() {
        let said = |bytes: &[u8]| Reader::open(Cursor::new(bytes.to_vec())).unwrap_err().to_string();
        for (bytes, word) in
            [(&b"PK\x03\x04\x14\0"[..], "(.jlog.zip)"), (b"\n {\"time\": 1}", "(.jlog)"), (b"[1]", "(.jlog)")]
        {
            assert!(said(bytes).contains(word), "{}", said(bytes));
        }
        assert_eq!(said(b"PKzip"), Error::Unrecognised.to_string());
        assert_eq!(said(b"hello"), Error::Unrecognised.to_string());
    }
}
