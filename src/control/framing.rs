//! The length header in front of every message of both doors, and of every record of a recording.
//!
//! Owns the header alone. Must not know what the body is.
//!
//! The document asks for a MsgPack integer of 3, 5 or 9 bytes, and the one old client that survives sends the shortest form it
//! can. So every integer form of zero or more is read; what is written is always uint16, uint32 or uint64 (`cd`, `ce`, `cf`).

use super::Error;
use super::value::{Reader, Token};

/// What the start of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Not a whole message yet: at least this many more bytes must come.
    Need(usize),
    /// A whole message: its body lies behind its header.
    Whole {
        /// Bytes of the length header, 1 to 9.
        header_len: usize,
        /// Bytes of the body.
        body_len: usize,
    },
}

/// Looks for one message at the start of `buf`, with at most `cap` bytes of body. Nothing is remembered between calls.
///
/// # Errors
/// [`Error::BadLength`] when there is no integer of zero or more, [`Error::TooLong`] when it is over `cap`.
pub fn scan(buf: &[u8], cap: usize) -> Result<Frame, Error> {
    let Some(marker) = buf.first() else {
        return Ok(Frame::Need(1));
    };
    let header_len: usize = match marker {
        0x00..=0x7f => 1,
        0xcc | 0xd0 => 2,
        0xcd | 0xd1 => 3,
        0xce | 0xd2 => 5,
        0xcf | 0xd3 => 9,
        _ => return Err(Error::BadLength),
    };
    let Some((header, rest)) = buf.split_at_checked(header_len) else {
        return Ok(Frame::Need(header_len - buf.len()));
    };
    let announced = match Reader::new(header).pull() {
        Ok(Token::Int(length)) => u64::try_from(length).map_err(|_| Error::BadLength)?,
        Ok(Token::Huge(length)) => length,
        Ok(
            Token::Nil
            | Token::Bool(_)
            | Token::Float(_)
            | Token::Text(_)
            | Token::Array(_)
            | Token::Map(_)
            | Token::Ext(_),
        )
        | Err(_) => {
            return Err(Error::BadLength);
        }
    };
    let body_len = usize::try_from(announced)
        .ok()
        .filter(|len| *len <= cap)
        .ok_or(Error::TooLong { announced, cap })?;
    Ok(match body_len.checked_sub(rest.len()) {
        None | Some(0) => Frame::Whole {
            header_len,
            body_len,
        },
        Some(missing) => Frame::Need(missing),
    })
}

/// Appends the length header of a body of `len` bytes.
pub fn write_header(out: &mut Vec<u8>, len: usize) {
    let (bytes, used) = header(len);
    out.extend(bytes.into_iter().take(used));
}

/// Leaves room for the header of a message about to be written, and says where; [`end`] fills it in.
#[must_use]
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    write_header(out, 0);
    start
}

/// Fills in the header of the message begun at `start`. The body moves by two bytes if it outgrew the short header.
pub(super) fn end(out: &mut Vec<u8>, start: usize) {
    let body = start + SHORT;
    let (bytes, used) = header(out.len().saturating_sub(body));
    out.splice(start..body, bytes.into_iter().take(used));
}

/// Puts a header in front of the bytes from `start` on, which it counts together with `more` bytes that come later.
pub(super) fn insert_header(out: &mut Vec<u8>, start: usize, more: usize) {
    let (bytes, used) = header((out.len() - start).saturating_add(more));
    out.splice(start..start, bytes.into_iter().take(used));
}

/// Bytes of the header most messages have.
const SHORT: usize = 3;

/// The header for `len` and how many of its bytes count.
fn header(len: usize) -> ([u8; 9], usize) {
    let mut bytes = [0; 9];
    let mut fill = |marker: u8, length: &[u8]| {
        for (place, byte) in bytes.iter_mut().zip([marker].iter().chain(length)) {
            *place = *byte;
        }
        1 + length.len()
    };
    let used = if let Ok(short) = u16::try_from(len) {
        fill(0xcd, &short.to_be_bytes())
    } else if let Ok(middle) = u32::try_from(len) {
        fill(0xce, &middle.to_be_bytes())
    } else {
        fill(0xcf, &u64::try_from(len).unwrap_or(u64::MAX).to_be_bytes())
    };
    (bytes, used)
}
