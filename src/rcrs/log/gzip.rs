//! A gzip file around a log: a header of optional parts, one run of deflate, a checksum.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::checksum::Crc32;
use super::pieces::{DAMAGED, Unpacked};
use crate::rcrs::Error;

const HAS_HEADER_CRC: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;

/// Where in the file the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Ten bytes, the fourth with the flags.
    Head {
        at: usize,
    },
    /// Two bytes, low first: how long the extra part is.
    ExtraSize {
        at: usize,
    },
    Extra {
        left: usize,
    },
    Name,
    Comment,
    HeaderCrc {
        left: usize,
    },
    Body,
    /// Four bytes of checksum, four of size.
    Tail {
        at: usize,
    },
    Ended,
}

pub(super) struct Gzip {
    stage: Stage,
    flags: u8,
    size: usize,
    crc: Crc32,
    crc_given: [u8; 4],
    state: Box<InflateState>,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Head { at: 0 },
            flags: 0,
            size: 0,
            crc: Crc32::new(),
            crc_given: [0; 4],
            state: InflateState::new_boxed(DataFormat::Raw),
        }
    }

    pub(super) fn process(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, Error> {
        let mut taken = 0;
        while self.stage != Stage::Body && self.stage != Stage::Ended {
            let Some(&byte) = input.get(taken) else { break };
            taken += 1;
            let next = self.take(byte)?;
            self.stage = self.skip_empty(next);
        }
        if self.stage != Stage::Body {
            return Ok(Unpacked { taken, made: 0, ended: self.stage == Stage::Ended });
        }
        let rest = input.get(taken..).unwrap_or_default();
        let result = inflate(&mut self.state, rest, output, MZFlush::None);
        self.crc.add(output.get(..result.bytes_written).unwrap_or_default());
        match result.status {
            Ok(MZStatus::StreamEnd) => self.stage = Stage::Tail { at: 0 },
            // "Buffer" only means that it wants more of either.
            Ok(MZStatus::Ok) | Err(MZError::Buf) => {}
            Ok(MZStatus::NeedDict) | Err(_) => return Err(DAMAGED),
        }
        Ok(Unpacked { taken: taken + result.bytes_consumed, made: result.bytes_written, ended: false })
    }

    /// Takes one byte around the body; gives where the next one belongs.
    fn take(&mut self, byte: u8) -> Result<Stage, Error> {
        let next = match self.stage {
            Stage::Head { at } => {
                match (at, byte) {
                    (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => {}
                    (3, flags) => self.flags = flags,
                    _ => return Err(DAMAGED),
                }
                if at < 9 { Stage::Head { at: at + 1 } } else { Stage::ExtraSize { at: 0 } }
            }
            Stage::ExtraSize { at: 0 } => {
                self.size = usize::from(byte);
                Stage::ExtraSize { at: 1 }
            }
            Stage::ExtraSize { .. } => Stage::Extra { left: self.size + 256 * usize::from(byte) },
            Stage::Extra { left } => Stage::Extra { left: left - 1 },
            Stage::Name if byte == 0 => Stage::Comment,
            Stage::Comment if byte == 0 => Stage::HeaderCrc { left: 2 },
            Stage::HeaderCrc { left } => Stage::HeaderCrc { left: left - 1 },
            Stage::Tail { at } => {
                if let Some(place) = self.crc_given.get_mut(at) {
                    *place = byte;
                }
                if at == 3 && u32::from_le_bytes(self.crc_given) != self.crc.value() {
                    return Err(Error::Malformed("the checksum of the packed data does not fit"));
                }
                if at < 7 { Stage::Tail { at: at + 1 } } else { Stage::Ended }
            }
            stage @ (Stage::Name | Stage::Comment | Stage::Body | Stage::Ended) => stage,
        };
        Ok(next)
    }

    /// Passes over the parts of the header that this file does not have.
    fn skip_empty(&self, mut stage: Stage) -> Stage {
        loop {
            stage = match stage {
                Stage::ExtraSize { at: 0 } if self.flags & HAS_EXTRA == 0 => Stage::Name,
                Stage::Extra { left: 0 } => Stage::Name,
                Stage::Name if self.flags & HAS_NAME == 0 => Stage::Comment,
                Stage::Comment if self.flags & HAS_COMMENT == 0 => Stage::HeaderCrc { left: 2 },
                Stage::HeaderCrc { left: 2 } if self.flags & HAS_HEADER_CRC == 0 => Stage::Body,
                Stage::HeaderCrc { left: 0 } => Stage::Body,
                stage @ (Stage::Head { .. }
                | Stage::ExtraSize { .. }
                | Stage::Extra { .. }
                | Stage::Name
                | Stage::Comment
                | Stage::HeaderCrc { .. }
                | Stage::Body
                | Stage::Tail { .. }
                | Stage::Ended) => return stage,
            };
        }
    }
}
