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
enum Part {
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
    part: Part,
    flags: u8,
    size: usize,
    crc: Crc32,
    crc_given: [u8; 4],
    state: Box<InflateState>,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            part: Part::Head { at: 0 },
            flags: 0,
            size: 0,
            crc: Crc32::new(),
            crc_given: [0; 4],
            state: InflateState::new_boxed(DataFormat::Raw),
        }
    }

    pub(super) fn process(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, Error> {
        let mut taken = 0;
        while self.part != Part::Body && self.part != Part::Ended {
            let Some(&byte) = input.get(taken) else { break };
            taken += 1;
            let next = self.take(byte)?;
            self.part = self.skip_empty(next);
        }
        if self.part != Part::Body {
            return Ok(Unpacked { taken, made: 0, ended: self.part == Part::Ended });
        }
        let rest = input.get(taken..).unwrap_or_default();
        let result = inflate(&mut self.state, rest, output, MZFlush::None);
        self.crc.add(output.get(..result.bytes_written).unwrap_or_default());
        match result.status {
            Ok(MZStatus::StreamEnd) => self.part = Part::Tail { at: 0 },
            // "Buffer" only means that it wants more of either.
            Ok(MZStatus::Ok) | Err(MZError::Buf) => {}
            Ok(MZStatus::NeedDict) | Err(_) => return Err(DAMAGED),
        }
        Ok(Unpacked { taken: taken + result.bytes_consumed, made: result.bytes_written, ended: false })
    }

    /// Takes one byte around the body; gives where the next one belongs.
    fn take(&mut self, byte: u8) -> Result<Part, Error> {
        let next = match self.part {
            Part::Head { at } => {
                match (at, byte) {
                    (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => {}
                    (3, flags) => self.flags = flags,
                    _ => return Err(DAMAGED),
                }
                if at < 9 { Part::Head { at: at + 1 } } else { Part::ExtraSize { at: 0 } }
            }
            Part::ExtraSize { at: 0 } => {
                self.size = usize::from(byte);
                Part::ExtraSize { at: 1 }
            }
            Part::ExtraSize { .. } => Part::Extra { left: self.size + 256 * usize::from(byte) },
            Part::Extra { left } => Part::Extra { left: left - 1 },
            Part::Name if byte == 0 => Part::Comment,
            Part::Comment if byte == 0 => Part::HeaderCrc { left: 2 },
            Part::HeaderCrc { left } => Part::HeaderCrc { left: left - 1 },
            Part::Tail { at } => {
                if let Some(place) = self.crc_given.get_mut(at) {
                    *place = byte;
                }
                if at == 3 && u32::from_le_bytes(self.crc_given) != self.crc.value() {
                    return Err(Error::Malformed("the checksum of the packed data does not fit"));
                }
                if at < 7 { Part::Tail { at: at + 1 } } else { Part::Ended }
            }
            part @ (Part::Name | Part::Comment | Part::Body | Part::Ended) => part,
        };
        Ok(next)
    }

    /// Passes over the parts of the header that this file does not have.
    fn skip_empty(&self, mut part: Part) -> Part {
        loop {
            part = match part {
                Part::ExtraSize { at: 0 } if self.flags & HAS_EXTRA == 0 => Part::Name,
                Part::Extra { left: 0 } => Part::Name,
                Part::Name if self.flags & HAS_NAME == 0 => Part::Comment,
                Part::Comment if self.flags & HAS_COMMENT == 0 => Part::HeaderCrc { left: 2 },
                Part::HeaderCrc { left: 2 } if self.flags & HAS_HEADER_CRC == 0 => Part::Body,
                Part::HeaderCrc { left: 0 } => Part::Body,
                part @ (Part::Head { .. }
                | Part::ExtraSize { .. }
                | Part::Extra { .. }
                | Part::Name
                | Part::Comment
                | Part::HeaderCrc { .. }
                | Part::Body
                | Part::Tail { .. }
                | Part::Ended) => return part,
            };
        }
    }
}
