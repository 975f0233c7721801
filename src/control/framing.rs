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
    let body_len =
        usize::try_from(announced).ok().filter(|len| *len <= cap).ok_or(Error::TooLong { announced, cap })?;
    Ok(match body_len.checked_sub(rest.len()) {
        None | Some(0) => Frame::Whole { header_len, body_len },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::hex;

    const CAP: usize = 100_000;

    #[test]
    fn every_integer_form_of_zero_or_more_is_a_length() {
        let cases = [
            ("00", 0),
            ("05", 5),
            ("7f", 127),
            ("cc80", 128),
            ("cc05", 5),
            ("cd0005", 5),
            ("cdffff", 65535),
            ("ce00010000", 65536),
            ("ce00000005", 5),
            ("cf0000000000000005", 5),
            ("d005", 5),
            ("d10005", 5),
            ("d200000005", 5),
            ("d30000000000000005", 5),
        ];
        for (header, length) in cases {
            let header = hex(header);
            for cut in 0..header.len() {
                let Ok(Frame::Need(more)) = scan(&header[..cut], CAP) else { panic!("{header:?} cut at {cut}") };
                assert!((1..=header.len() - cut).contains(&more));
            }
            let need = if length == 0 { Frame::Whole { header_len: 1, body_len: 0 } } else { Frame::Need(length) };
            assert_eq!(scan(&header, CAP), Ok(need), "{header:?}");
            let whole = [header.clone(), vec![0; length + 3]].concat();
            assert_eq!(
                scan(&whole, CAP),
                Ok(Frame::Whole { header_len: header.len(), body_len: length }),
                "{header:?}"
            );
        }
    }

    #[test]
    fn what_is_no_length_is_refused_at_its_first_byte_or_when_its_sign_is_known() {
        for header in
            ["e0", "ff", "c0", "c2", "c3", "ca", "cb", "a0", "d9", "c4", "80", "90", "dc", "de", "d4", "c7", "c1"]
        {
            assert_eq!(scan(&hex(header), CAP), Err(Error::BadLength), "{header}");
        }
        for header in ["d0ff", "d1ffff", "d280000000", "d3ffffffffffffffff"] {
            assert_eq!(scan(&hex(header), CAP), Err(Error::BadLength), "{header}");
        }
    }

    #[test]
    fn a_length_over_the_cap_is_refused_before_any_of_its_body_comes() {
        assert_eq!(scan(&hex("cd0064"), 100), Ok(Frame::Need(100)));
        assert_eq!(scan(&hex("cd0065"), 100), Err(Error::TooLong { announced: 101, cap: 100 }));
        let most = Err(Error::TooLong { announced: u64::MAX, cap: CAP });
        assert_eq!(scan(&hex("cfffffffffffffffff"), CAP), most);
        assert_eq!(scan(&hex("ceffffffff"), CAP), Err(Error::TooLong { announced: u64::from(u32::MAX), cap: CAP }));
    }

    #[test]
    fn messages_are_found_one_after_another_when_they_come_byte_by_byte() {
        let mut stream = Vec::new();
        let bodies = [vec![1; 3], vec![], vec![2; 300]];
        for body in &bodies {
            write_header(&mut stream, body.len());
            stream.extend_from_slice(body);
        }
        let (mut held, mut found) = (Vec::new(), Vec::new());
        for byte in stream {
            held.push(byte);
            while let Frame::Whole { header_len, body_len } = scan(&held, CAP).unwrap() {
                found.push(held[header_len..header_len + body_len].to_vec());
                held.drain(..header_len + body_len);
            }
        }
        assert_eq!((found.as_slice(), held.len()), (bodies.as_slice(), 0));
    }

    #[test]
    fn headers_are_written_in_three_five_or_nine_bytes_and_never_shorter() {
        let cases =
            [(0, "cd0000"), (5, "cd0005"), (65535, "cdffff"), (65536, "ce00010000"), (1 << 32, "cf0000000100000000")];
        for (length, bytes) in cases {
            let mut out = Vec::new();
            write_header(&mut out, length);
            assert_eq!(out, hex(bytes));
        }
    }
}
