//! What a 7z archive says about itself.
//!
//! Owns the format of the front (signature, place of the directory) and of the directory (packed stretches, how each is
//! packed, names). Each file must be packed alone, as the kernel does; an archive that packs several together ("solid")
//! cannot be read in the order of a log without unpacking it over and over, and is refused.
//!
//! Numbers are one to nine bytes: the leading ones of the first byte tell how many follow, low first, and its other bits
//! are the highest. The directory is sections with an id each, closed by id 0.

use super::checksum::Crc32;
use super::lzma::lzma2_dictionary;
use super::unpack::Unpacker;
use crate::limits::RCRS_ARCHIVE_ENTRIES_MAX;
use crate::rcrs::Error;

const DAMAGED: Error = Error::Malformed("the directory of the archive");
const METHOD: Error = Error::Unsupported("an archive packed in another way than LZMA or LZMA2");
const SOLID: Error = Error::Unsupported("an archive that packs several records together");
const TOO_MANY: Error = Error::TooLarge("the number of records in the archive");

/// Bytes before the first packed stretch.
pub(super) const FRONT_BYTES: u64 = 32;

const END: u64 = 0x00;
const HEADER: u64 = 0x01;
const ARCHIVE_PROPERTIES: u64 = 0x02;
const ADDITIONAL_STREAMS: u64 = 0x03;
const MAIN_STREAMS: u64 = 0x04;
const FILES: u64 = 0x05;
const PACK_INFO: u64 = 0x06;
const UNPACK_INFO: u64 = 0x07;
const SUBSTREAMS_INFO: u64 = 0x08;
const SIZE: u64 = 0x09;
const CRC: u64 = 0x0a;
const FOLDER: u64 = 0x0b;
const UNPACK_SIZE: u64 = 0x0c;
const UNPACK_STREAMS: u64 = 0x0d;
const EMPTY_STREAM: u64 = 0x0e;
const NAMES: u64 = 0x11;
const ENCODED_HEADER: u64 = 0x17;

/// Coders a folder may name, and bytes of one coder's properties, before it is absurd.
const PROPERTIES_MAX: u64 = 64;

/// How a stretch is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Plain,
    Lzma { properties: u8, dictionary: u32 },
    Lzma2 { dictionary: u32 },
}

impl Method {
    /// A decoder for a stretch that unpacks to `size` bytes; no dictionary need be larger than that.
    pub(super) fn unpacker(self, size: u64) -> Result<Unpacker, Error> {
        let enough = u32::try_from(size).unwrap_or(u32::MAX).max(4096);
        match self {
            Self::Plain => Ok(Unpacker::Plain),
            Self::Lzma { properties, dictionary } => Unpacker::lzma(size, properties, dictionary.min(enough)),
            Self::Lzma2 { dictionary } => Unpacker::lzma2(dictionary.min(enough)),
        }
    }
}

/// A packed stretch of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    pub(super) offset: u64,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    pub(super) method: Method,
    pub(super) crc: Option<u32>,
}

/// Where a record belongs in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Start,
    Initial,
    Config,
    Step { time: i32, part: StepPart },
    End,
}

/// Where a record belongs in its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StepPart {
    Perception,
    Commands,
    Updates,
}

impl Place {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "START_OF_LOG" => return Some(Self::Start),
            "INITIAL_CONDITIONS" => return Some(Self::Initial),
            "CONFIG" => return Some(Self::Config),
            "END_OF_LOG" => return Some(Self::End),
            _ => {}
        }
        let (time, rest) = name.split_once('/')?;
        let part = match rest {
            "COMMANDS" => StepPart::Commands,
            "UPDATES" => StepPart::Updates,
            _ => rest.starts_with("PERCEPTION/").then_some(StepPart::Perception)?,
        };
        Some(Self::Step { time: time.parse().ok()?, part })
    }

    /// The time, if these are the updates of a step.
    pub(super) const fn updates_time(self) -> Option<i32> {
        match self {
            Self::Step { time, part: StepPart::Updates } => Some(time),
            Self::Start | Self::Initial | Self::Config | Self::Step { .. } | Self::End => None,
        }
    }
}

/// One record of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) packing: Packing,
}

/// What a directory turned out to be.
#[derive(Debug)]
pub(super) enum Contents {
    /// The real directory is packed there.
    Packed(Packing),
    /// The records, in the order of the archive; files that are no records are left out.
    Entries(Vec<Entry>),
}

/// Where the directory is, from the first bytes of the file; nothing if it was never written.
pub(super) fn front(bytes: &[u8]) -> Option<Packing> {
    let rest = bytes.get(8..32)?;
    let (crc, place) = rest.split_first_chunk::<4>()?;
    let (offset, place_rest) = place.split_first_chunk::<8>()?;
    let (size, crc_rest) = place_rest.split_first_chunk::<8>()?;
    let directory_crc = crc_rest.first_chunk::<4>()?;
    let size = u64::from_le_bytes(*size);
    if u32::from_le_bytes(*crc) != Crc32::of(place) || size == 0 {
        return None;
    }
    Some(Packing {
        offset: FRONT_BYTES.checked_add(u64::from_le_bytes(*offset))?,
        packed: size,
        unpacked: size,
        method: Method::Plain,
        crc: Some(u32::from_le_bytes(*directory_crc)),
    })
}

/// Reads a whole directory.
pub(super) fn parse(bytes: &[u8]) -> Result<Contents, Error> {
    let mut reader = Reader { rest: bytes };
    match reader.number()? {
        ENCODED_HEADER => {
            let packings = streams(&mut reader)?;
            packings.first().copied().map(Contents::Packed).ok_or(DAMAGED)
        }
        HEADER => header(&mut reader).map(Contents::Entries),
        _ => Err(DAMAGED),
    }
}

fn header(reader: &mut Reader<'_>) -> Result<Vec<Entry>, Error> {
    let mut packings = Vec::new();
    loop {
        match reader.number()? {
            END => return Ok(Vec::new()),
            ARCHIVE_PROPERTIES => reader.skip_properties()?,
            ADDITIONAL_STREAMS => drop(streams(reader)?),
            MAIN_STREAMS => packings = streams(reader)?,
            FILES => return files(reader, packings),
            _ => return Err(DAMAGED),
        }
    }
}

/// The packed stretches and how each is packed; one stretch for each folder.
fn streams(reader: &mut Reader<'_>) -> Result<Vec<Packing>, Error> {
    let mut offset = 0;
    let mut sizes = Vec::new();
    let mut packings = Vec::new();
    loop {
        match reader.number()? {
            END => break,
            PACK_INFO => (offset, sizes) = pack_info(reader)?,
            UNPACK_INFO => packings = unpack_info(reader)?,
            SUBSTREAMS_INFO => substreams_info(reader, &mut packings)?,
            _ => return Err(DAMAGED),
        }
    }
    if sizes.len() != packings.len() {
        return Err(METHOD);
    }
    let mut offset = FRONT_BYTES.checked_add(offset).ok_or(DAMAGED)?;
    for (packing, size) in packings.iter_mut().zip(sizes) {
        (packing.offset, packing.packed) = (offset, size);
        offset = offset.checked_add(size).ok_or(DAMAGED)?;
    }
    Ok(packings)
}

fn pack_info(reader: &mut Reader<'_>) -> Result<(u64, Vec<u64>), Error> {
    let offset = reader.number()?;
    let count = reader.count()?;
    let mut sizes = Vec::new();
    loop {
        match reader.number()? {
            END => return Ok((offset, sizes)),
            SIZE => {
                for _ in 0..count {
                    sizes.push(reader.number()?);
                }
            }
            CRC => drop(reader.checksums(count)?),
            _ => return Err(DAMAGED),
        }
    }
}

fn unpack_info(reader: &mut Reader<'_>) -> Result<Vec<Packing>, Error> {
    let mut packings: Vec<Packing> = Vec::new();
    loop {
        match reader.number()? {
            END => return Ok(packings),
            FOLDER => {
                let count = reader.count()?;
                if reader.byte()? != 0 {
                    return Err(DAMAGED);
                }
                packings.clear();
                for _ in 0..count {
                    let method = folder(reader)?;
                    packings.push(Packing { offset: 0, packed: 0, unpacked: 0, method, crc: None });
                }
            }
            UNPACK_SIZE => {
                for packing in &mut packings {
                    packing.unpacked = reader.number()?;
                }
            }
            CRC => {
                let checksums = reader.checksums(packings.len())?;
                for (packing, crc) in packings.iter_mut().zip(checksums) {
                    packing.crc = crc;
                }
            }
            _ => return Err(DAMAGED),
        }
    }
}

/// One folder: here always a single, simple coder.
fn folder(reader: &mut Reader<'_>) -> Result<Method, Error> {
    if reader.number()? != 1 {
        return Err(METHOD);
    }
    let flags = reader.byte()?;
    if flags & 0xd0 != 0 {
        return Err(METHOD);
    }
    let id = reader.take(u64::from(flags & 0x0f))?;
    let properties = if flags & 0x20 == 0 {
        &[]
    } else {
        let size = reader.number()?;
        if size > PROPERTIES_MAX {
            return Err(METHOD);
        }
        reader.take(size)?
    };
    match (id, properties) {
        ([0], _) => Ok(Method::Plain),
        ([0x21], &[code]) => Ok(Method::Lzma2 { dictionary: lzma2_dictionary(code)? }),
        ([3, 1, 1], &[properties, a, b, c, d]) => {
            Ok(Method::Lzma { properties, dictionary: u32::from_le_bytes([a, b, c, d]) })
        }
        _ => Err(METHOD),
    }
}

/// How many files each folder holds; only one each is read. Their checksums may stand here instead of with the folders.
fn substreams_info(reader: &mut Reader<'_>, packings: &mut [Packing]) -> Result<(), Error> {
    loop {
        match reader.number()? {
            END => return Ok(()),
            UNPACK_STREAMS => {
                for _ in 0..packings.len() {
                    if reader.number()? != 1 {
                        return Err(SOLID);
                    }
                }
            }
            CRC => {
                let without = packings.iter().filter(|packing| packing.crc.is_none()).count();
                let checksums = reader.checksums(without)?;
                for (packing, crc) in packings.iter_mut().filter(|packing| packing.crc.is_none()).zip(checksums) {
                    packing.crc = crc;
                }
            }
            // With one file in each folder there is no size to give.
            SIZE => {}
            _ => return Err(DAMAGED),
        }
    }
}

fn files(reader: &mut Reader<'_>, packings: Vec<Packing>) -> Result<Vec<Entry>, Error> {
    let count = reader.count()?;
    let mut empty = Vec::new();
    let mut names: &[u8] = &[];
    loop {
        let section = reader.number()?;
        if section == END {
            break;
        }
        let size = reader.number()?;
        let mut content = Reader { rest: reader.take(size)? };
        match section {
            EMPTY_STREAM => empty = content.bits(count)?,
            NAMES if content.byte()? == 0 => names = content.rest,
            _ => {}
        }
    }
    let mut names = names.as_chunks::<2>().0.split(|unit| *unit == [0, 0]);
    let mut packings = packings.into_iter();
    let mut entries = Vec::new();
    for index in 0..count {
        let name = names.next().ok_or(DAMAGED)?;
        if empty.get(index).copied().unwrap_or(false) {
            continue;
        }
        let packing = packings.next().ok_or(DAMAGED)?;
        if let Some(place) = place(name) {
            entries.push(Entry { place, packing });
        }
    }
    Ok(entries)
}

/// The place a name in UTF-16 stands for; a record's name is short and plain ASCII.
fn place(name: &[[u8; 2]]) -> Option<Place> {
    let mut text = [0; 48];
    let text = text.get_mut(..name.len())?;
    for (to, &[low, high]) in text.iter_mut().zip(name) {
        *to = (high == 0).then_some(low)?;
    }
    Place::from_name(core::str::from_utf8(text).ok()?)
}

/// A stretch of the directory, read in order.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (&byte, rest) = self.rest.split_first().ok_or(DAMAGED)?;
        self.rest = rest;
        Ok(byte)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Error> {
        let count = usize::try_from(count).map_err(|_| DAMAGED)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DAMAGED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Error> {
        let first = self.byte()?;
        let more = first.leading_ones();
        let mut value = 0;
        for index in 0..more {
            value |= u64::from(self.byte()?) << (8 * index);
        }
        // Below seven leading ones the bits behind the first zero are the highest.
        let high = u64::from(first & 0x7f_u8.checked_shr(more).unwrap_or(0));
        Ok(value | high.checked_shl(8 * more).unwrap_or(0))
    }

    fn count(&mut self) -> Result<usize, Error> {
        let count = usize::try_from(self.number()?).map_err(|_| TOO_MANY)?;
        if count > RCRS_ARCHIVE_ENTRIES_MAX { Err(TOO_MANY) } else { Ok(count) }
    }

    fn bits(&mut self, count: usize) -> Result<Vec<bool>, Error> {
        let mut bits = Vec::new();
        let mut byte = 0;
        for index in 0..count {
            if index % 8 == 0 {
                byte = self.byte()?;
            }
            bits.push(byte & 0x80 != 0);
            byte <<= 1;
        }
        Ok(bits)
    }

    fn checksums(&mut self, count: usize) -> Result<Vec<Option<u32>>, Error> {
        let given = if self.byte()? == 0 { self.bits(count)? } else { vec![true; count] };
        let mut checksums = Vec::new();
        for given in given {
            let crc = if given { Some(self.take(4)?) } else { None };
            checksums.push(crc.and_then(|crc| crc.try_into().ok()).map(u32::from_le_bytes));
        }
        Ok(checksums)
    }

    fn skip_properties(&mut self) -> Result<(), Error> {
        while self.number()? != END {
            let size = self.number()?;
            self.take(size)?;
        }
        Ok(())
    }
}
