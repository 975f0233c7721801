//! Viewer recordings (`.vlog`): records as viewers were sent them, kept in a file to be played again.
//!
//! Owns the file's form, both ways, as bytes. Must not know files or clocks: the writer's bytes are to be appended as they come, and
//! the reader is given bytes from any source.
//!
//! # The form
//! 1. One MsgPack map, the *heading*: `{version: 1, maxTimeStep, mapName, ends: true, map, config}`, with no length header.
//! 2. Then any number of records, each a length header (as [`super::framing`] writes it) and a record map `{time, ...}`.
//! 3. The *end*: a length header and an empty map. Where the heading says that it `ends`, a file without it was cut off, or is still
//!    written; recordings from before say nothing of that, and have none.
//!
//! A record counts once all of it is in the file, so a recording cut off anywhere is good up to its last whole record. Nothing
//! is written twice or patched afterwards. The length headers let a player find every record without looking into one. `maxTimeStep` is
//! what was planned when the recording began; what was reached is the time of the last record.
//!
//! The older form is the heading alone, with one pair more: `log`, a map of timestep to record, its keys integers or their
//! decimal text. It could be written only when all was over. The reader makes no difference: it reports the pairs of the heading
//! and records in the order the bytes have them. A record that says what changes, of an earlier timestep than the one before it, ends it: that would
//! change another world than it is meant for. In both forms a file starts with a map head (`8x`, `de` or `df`), and usually only
//! the first record has a world.

use super::Error;
use super::framing::{self, Frame};
use super::pack::Pack;
use super::replay::Record;
use super::section::{Section, record_head};
use super::value::{Reader, Skim, Token};
use crate::limits::CONTROL_RESULT_BYTES_MAX;

/// The version of the form.
pub const VERSION: i64 = 1;

/// What the end is instead of a record: a map of nothing.
const END: &[u8] = &[0x80];

const NO_LOG: Error = Error::BadField { field: "log", problem: "is not a map" };

/// Bytes of a key in the heading or in `log`. Ours have at most 11.
const KEY_BYTES_MAX: usize = 256;

/// What a recording says of itself before its first record.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// The last timestep that is planned; 0 when that is not known.
    pub max_time_step: i64,
    /// The name of the map (the simulator's `gis.map.dir`).
    pub map_name: &'a str,
    /// The map section as [`super::section::map`] made it, or empty.
    pub map: &'a [u8],
    /// The config section as [`super::section::config`] made it, or empty.
    pub config: &'a [u8],
}

/// Appends the beginning of a recording.
pub fn write_heading(out: &mut Vec<u8>, heading: Heading<'_>) {
    let sections = [heading.map, heading.config];
    out.map(4 + sections.iter().filter(|section| !section.is_empty()).count());
    out.text("version");
    out.int(VERSION);
    out.text("maxTimeStep");
    out.int(heading.max_time_step);
    out.text("mapName");
    out.text(heading.map_name);
    out.text("ends");
    out.bool(true);
    for section in sections {
        out.extend_from_slice(section);
    }
}

/// Appends the length header and all of a record up to its sections, which must follow as they are: those that viewers were
/// sent. Empty ones are not counted. Says how many bytes the whole record takes.
pub fn write_prelude(out: &mut Vec<u8>, time: i64, sections: &[&[u8]]) -> usize {
    let start = out.len();
    record_head(out, time, sections.iter().filter(|section| !section.is_empty()).count());
    let shared: usize = sections.iter().map(|section| section.len()).sum();
    framing::insert_header(out, start, shared);
    out.len() - start + shared
}

/// Appends the end of a recording, behind which nothing comes.
pub fn write_end(out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(END);
    framing::insert_header(out, start, 0);
}

/// One thing found in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// The last timestep that was planned or, in the older form, reached.
    MaxTimeStep(i64),
    /// The name of the map.
    MapName(&'a str),
    /// The value of the map or config section, to be decoded by [`super::replay`].
    Static(Section, &'a [u8]),
    /// A record: its timestep and the whole of its map, to be taken apart by [`Record::read`].
    Record {
        /// The timestep, by the key in the older form, by the record itself otherwise.
        time: i64,
        /// The record map.
        bytes: &'a [u8],
    },
    /// Bytes that bring nothing to know: heads, and what the form does not name.
    Nothing,
}

/// What one step over a recording found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// The bytes do not hold the next item yet. Call again with the same bytes and more behind them.
    More,
    /// An item, and how many bytes to drop before the next call.
    Took(usize, Item<'a>),
}

/// A reader over a recording that is given its bytes piece by piece. An item is at most [`CONTROL_RESULT_BYTES_MAX`] bytes, and the
/// caller must be able to hold one whole.
#[derive(Debug)]
pub struct Player {
    place: Place,
    /// Its heading says that it has an end.
    ends: bool,
    /// The timestep of the last record.
    last: Option<i64>,
    /// Where the end of the value at the front has been looked for so far.
    skim: Skim,
}

/// Where the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the heading.
    Start,
    /// At a key of the heading, of which this many are left.
    Heading(u32),
    /// At a key of `log`.
    Log {
        /// Records left in `log`.
        records: u32,
        /// Pairs left in the heading after `log`.
        pairs: u32,
    },
    /// At a length header.
    Records,
    /// Behind the end.
    End,
}

impl Player {
    /// A reader at the first byte of a recording.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: Place::Start, ends: false, last: None, skim: Skim::new() }
    }

    /// Takes the next item from the front of `buf`.
    ///
    /// # Errors
    /// Whatever makes the rest of the bytes useless; what was found before stays good.
    pub fn step<'a>(&mut self, buf: &'a [u8]) -> Result<Progress<'a>, Error> {
        let step = match self.place {
            Place::Start => self.start(buf),
            Place::Heading(0) => {
                self.place = Place::Records;
                self.record(buf)
            }
            Place::Heading(pairs) => self.heading(buf, pairs - 1),
            Place::Log { records: 0, pairs } => {
                self.place = Place::Heading(pairs);
                Ok(Progress::Took(0, Item::Nothing))
            }
            Place::Log { records, pairs } => self.logged(buf, records - 1, pairs),
            Place::Records => self.record(buf),
            Place::End if buf.is_empty() => Ok(Progress::More),
            Place::End => Err(Error::Malformed("goes on behind its end")),
        }?;
        if let Progress::Took(_, item) = step {
            self.skim = Skim::new();
            if let Item::Record { time, bytes } = item {
                self.follow(time, bytes)?;
            }
        }
        Ok(step)
    }

    /// Each record says what has changed since the one before: only a world begins anew.
    fn follow(&mut self, time: i64, bytes: &[u8]) -> Result<(), Error> {
        if let Some(behind) = self.last.filter(|last| time < *last)
            && Record::read(bytes)?.section(Section::World).is_none()
        {
            return Err(Error::Disordered { time, behind });
        }
        self.last = Some(time);
        Ok(())
    }

    /// True when a recording may end here with `left` bytes not taken: nothing is torn. A recording that stops elsewhere was cut off,
    /// and every record found so far is good.
    #[must_use]
    pub const fn may_end(&self, left: usize) -> bool {
        let is_between =
            matches!(self.place, Place::Records | Place::Heading(0) | Place::Log { records: 0, pairs: 0 } | Place::End);
        left == 0 && is_between
    }

    /// True while a recording that says that it has an end has not come to it: one that stops here was cut off between two records.
    #[must_use]
    pub fn lacks_end(&self) -> bool {
        self.ends && self.place != Place::End
    }

    fn start<'a>(&mut self, buf: &'a [u8]) -> Result<Progress<'a>, Error> {
        let mut reader = Reader::new(buf);
        match reader.token()? {
            None => Ok(Progress::More),
            Some(Token::Map(pairs)) => {
                self.place = Place::Heading(pairs);
                Ok(Progress::Took(buf.len() - reader.rest().len(), Item::Nothing))
            }
            Some(_) => Err(Error::Malformed("does not begin with a map")),
        }
    }

    fn heading<'a>(&mut self, buf: &'a [u8], left: u32) -> Result<Progress<'a>, Error> {
        let Some((key, mut reader)) = key(buf)? else {
            return Ok(Progress::More);
        };
        if key == Token::Text(b"log") {
            return Ok(match reader.token()? {
                None => Progress::More,
                Some(head) => {
                    let records = match head {
                        Token::Map(records) => records,
                        Token::Nil => 0,
                        Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => {
                            return Err(NO_LOG);
                        }
                        Token::Text(_) | Token::Array(_) | Token::Ext(_) => return Err(NO_LOG),
                    };
                    self.place = Place::Log { records, pairs: left };
                    Progress::Took(buf.len() - reader.rest().len(), Item::Nothing)
                }
            });
        }
        let Some((used, value)) = self.pair(buf, reader)? else {
            return Ok(Progress::More);
        };
        self.place = Place::Heading(left);
        let mut at = Reader::new(value);
        let nil = at.peek() == Ok(Token::Nil);
        let name = if let Token::Text(name) = key { name } else { b"" };
        let item = match name {
            b"version" => match at.int() {
                Ok(None | Some(VERSION)) => None,
                Ok(Some(_)) | Err(_) => {
                    return Err(Error::BadField {
                        field: "version",
                        problem: "is not 1: another instep has written it",
                    });
                }
            },
            b"maxTimeStep" => at.int().map_err(|error| error.in_field("maxTimeStep"))?.map(Item::MaxTimeStep),
            b"mapName" => at.text().map_err(|error| error.in_field("mapName"))?.map(Item::MapName),
            b"ends" => {
                self.ends = at.bool().map_err(|error| error.in_field("ends"))?.unwrap_or(false);
                None
            }
            b"map" => (!nil).then_some(Item::Static(Section::Map, value)),
            b"config" => (!nil).then_some(Item::Static(Section::Config, value)),
            _ => None,
        };
        Ok(Progress::Took(used, item.unwrap_or(Item::Nothing)))
    }

    fn logged<'a>(&mut self, buf: &'a [u8], records: u32, pairs: u32) -> Result<Progress<'a>, Error> {
        let Some((key, reader)) = key(buf)? else {
            return Ok(Progress::More);
        };
        let time = match key {
            Token::Int(time) => Some(time),
            Token::Text(digits) => core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
            Token::Nil | Token::Bool(_) | Token::Huge(_) | Token::Float(_) => None,
            Token::Array(_) | Token::Map(_) | Token::Ext(_) => None,
        };
        let time = time.ok_or(Error::BadField { field: "log", problem: "has a key that is not a timestep" })?;
        let Some((used, bytes)) = self.pair(buf, reader)? else {
            return Ok(Progress::More);
        };
        self.place = Place::Log { records, pairs };
        Ok(Progress::Took(used, Item::Record { time, bytes }))
    }

    /// One record of the appended form, or the end.
    fn record<'a>(&mut self, buf: &'a [u8]) -> Result<Progress<'a>, Error> {
        let Frame::Whole { header_len, body_len } = framing::scan(buf, CONTROL_RESULT_BYTES_MAX)? else {
            return Ok(Progress::More);
        };
        let used = header_len + body_len;
        let Some(bytes) = buf.get(header_len..used) else {
            return Ok(Progress::More);
        };
        if self.ends && bytes == END {
            self.place = Place::End;
            return Ok(Progress::Took(used, Item::Nothing));
        }
        let time = Record::read(bytes)?.time.ok_or(Error::BadField { field: "time", problem: "is missing" })?;
        Ok(Progress::Took(used, Item::Record { time, bytes }))
    }

    /// The value behind a key, `reader` being at it, and the bytes of both; `None` while it has not all come.
    fn pair<'a>(&mut self, buf: &'a [u8], reader: Reader<'a>) -> Result<Option<(usize, &'a [u8])>, Error> {
        let Some(len) = self.skim.run(reader.rest())? else {
            return if reader.rest().len() < CONTROL_RESULT_BYTES_MAX {
                Ok(None)
            } else {
                Err(too_long(reader.rest().len()))
            };
        };
        if len > CONTROL_RESULT_BYTES_MAX {
            return Err(too_long(len));
        }
        let used = buf.len() - reader.rest().len() + len;
        Ok(reader.rest().get(..len).map(|value| (used, value)))
    }
}

impl Default for Player {
    fn default() -> Self {
        Self::new()
    }
}

fn too_long(len: usize) -> Error {
    Error::TooLong { announced: u64::try_from(len).unwrap_or(u64::MAX), cap: CONTROL_RESULT_BYTES_MAX }
}

/// The key at the front, with a cursor behind it; `None` while it has not all come.
fn key(buf: &[u8]) -> Result<Option<(Token<'_>, Reader<'_>)>, Error> {
    let mut reader = Reader::new(buf);
    match reader.token()? {
        None if buf.len() > KEY_BYTES_MAX => Err(Error::Malformed("has a key that is too long")),
        None => Ok(None),
        Some(Token::Array(_) | Token::Map(_)) => Err(Error::Malformed("has a key that is neither text nor a number")),
        Some(key) => Ok(Some((key, reader))),
    }
}
