//! An xz file around a log.
//!
//! A stream header (magic, kind of check), then blocks: a header (size, flags, optional sizes, filters, CRC-32), LZMA2 data,
//! padding to four bytes, the check. The index that follows ends what is read: a log says itself where it ends.

use lzma_rust2::{Action, Lzma2Stream};

use super::checksum::{Crc32, Crc64};
use super::lzma::{lzma2, lzma2_dictionary, unpacked_by};
use super::pieces::{DAMAGED, Unpacked};
use crate::rcrs::Error;

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const CHECK_CRC32: u8 = 1;
const CHECK_CRC64: u8 = 4;
const FILTER_LZMA2: u64 = 0x21;
const CHECKSUM: Error = Error::Malformed("the checksum of the packed data does not fit");

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    StreamHeader,
    BlockSize,
    BlockHeader {
        size: usize,
    },
    Body,
    /// Padding and check together.
    BlockTail {
        padding: usize,
    },
    Ended,
}

pub(super) struct Xz {
    stage: Stage,
    /// Bytes of the part before they are whole; at most a block header of 1 KiB.
    held: Vec<u8>,
    check: u8,
    packed: u64,
    crc_32: Crc32,
    crc_64: Crc64,
    body: Option<Lzma2Stream>,
}

impl Xz {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::StreamHeader,
            held: Vec::new(),
            check: 0,
            packed: 0,
            crc_32: Crc32::new(),
            crc_64: Crc64::new(),
            body: None,
        }
    }

    pub(super) fn process(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, Error> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            if self.stage == Stage::Ended {
                return Ok(Unpacked { taken, made: 0, ended: true });
            }
            if self.stage == Stage::Body {
                let step = self.unpack(rest, output)?;
                return Ok(Unpacked { taken: taken + step.taken, made: step.made, ended: false });
            }
            let missing = self.want().saturating_sub(self.held.len());
            let part = rest.get(..missing).unwrap_or(rest);
            self.held.extend_from_slice(part);
            taken += part.len();
            if part.len() < missing {
                return Ok(Unpacked { taken, made: 0, ended: false });
            }
            self.stage = self.take()?;
            self.held.clear();
        }
    }

    fn unpack(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, Error> {
        let body = self.body.as_mut().ok_or(DAMAGED)?;
        let step = unpacked_by(body.process(input, output, Action::Run))?;
        self.packed += u64::try_from(step.taken).unwrap_or_default();
        let made = output.get(..step.made).unwrap_or_default();
        match self.check {
            CHECK_CRC32 => self.crc_32.add(made),
            CHECK_CRC64 => self.crc_64.add(made),
            _ => {}
        }
        if step.ended {
            self.body = None;
            let padding = usize::try_from(self.packed.wrapping_neg() & 3).unwrap_or_default();
            self.stage = Stage::BlockTail { padding };
        }
        Ok(step)
    }

    fn want(&self) -> usize {
        match self.stage {
            Stage::StreamHeader => 12,
            Stage::BlockSize => 1,
            Stage::BlockHeader { size } => size - 1,
            Stage::BlockTail { padding } => padding + check_bytes(self.check),
            Stage::Body | Stage::Ended => 0,
        }
    }

    /// Takes a part that is whole; gives the next one.
    fn take(&mut self) -> Result<Stage, Error> {
        match self.stage {
            Stage::StreamHeader => {
                let (magic, rest) = self.held.split_at_checked(MAGIC.len()).ok_or(DAMAGED)?;
                let &[0, check @ 0..=15, ref crc @ ..] = rest else { return Err(DAMAGED) };
                if magic != MAGIC || *crc != Crc32::of(&[0, check]).to_le_bytes() {
                    return Err(DAMAGED);
                }
                self.check = check;
                Ok(Stage::BlockSize)
            }
            Stage::BlockSize => Ok(match self.held.first() {
                None | Some(0) => Stage::Ended,
                Some(&code) => Stage::BlockHeader { size: (usize::from(code) + 1) * 4 },
            }),
            Stage::BlockHeader { size } => {
                self.open_block(size)?;
                Ok(Stage::Body)
            }
            Stage::BlockTail { padding } => {
                let check = self.held.get(padding..).unwrap_or_default();
                let fits = match self.check {
                    CHECK_CRC32 => *check == self.crc_32.value().to_le_bytes(),
                    CHECK_CRC64 => *check == self.crc_64.value().to_le_bytes(),
                    // Other kinds are rare; the data is taken as it is.
                    _ => true,
                };
                if fits { Ok(Stage::BlockSize) } else { Err(CHECKSUM) }
            }
            stage @ (Stage::Body | Stage::Ended) => Ok(stage),
        }
    }

    fn open_block(&mut self, size: usize) -> Result<(), Error> {
        let (header, crc) = self.held.split_last_chunk::<4>().ok_or(DAMAGED)?;
        let mut sum = Crc32::new();
        sum.add(&[u8::try_from(size / 4 - 1).map_err(|_| DAMAGED)?]);
        sum.add(header);
        if sum.value().to_le_bytes() != *crc {
            return Err(CHECKSUM);
        }
        let (&flags, mut rest) = header.split_first().ok_or(DAMAGED)?;
        for has_size in [flags & 0x40, flags & 0x80] {
            if has_size != 0 {
                number(&mut rest)?;
            }
        }
        let (filter, properties) = (number(&mut rest)?, number(&mut rest)?);
        if flags & 0x3f != 0 || filter != FILTER_LZMA2 || properties != 1 {
            return Err(Error::Unsupported("an xz file with filters"));
        }
        let code = rest.first().copied().ok_or(DAMAGED)?;
        self.body = Some(lzma2(lzma2_dictionary(code)?)?);
        (self.packed, self.crc_32, self.crc_64) = (0, Crc32::new(), Crc64::new());
        Ok(())
    }
}

/// How many bytes a kind of check has.
const fn check_bytes(kind: u8) -> usize {
    match kind {
        0 => 0,
        1..=3 => 4,
        4..=6 => 8,
        7..=9 => 16,
        10..=12 => 32,
        _ => 64,
    }
}

/// A number of up to nine bytes, seven bits each, low first.
fn number(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(DAMAGED)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DAMAGED)
}
