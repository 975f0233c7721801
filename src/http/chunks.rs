//! Bodies in chunks (RFC 9112, 7.1): each has its length before it, in hexadecimal digits; an empty one is the last.

use super::refusal::Refusal;
use crate::limits::{HTTP_ASIDE_BYTES_MAX, HTTP_CHUNK_BYTES_MAX, HTTP_CHUNK_LINE_BYTES_MAX};

/// What the bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// At least so many more bytes are needed.
    Need(usize),
    /// So many bytes are none of the body.
    Skip(usize),
    /// `len` bytes of the body lie behind `at` others.
    Data { at: usize, len: usize },
    /// So many bytes, and the body is over.
    End(usize),
}

/// Where in a body of chunks the bytes go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The line with a length.
    #[default]
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of line behind a chunk.
    DataEnd,
    /// Lines behind the last chunk.
    Trailer,
}

/// One body of chunks, as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes of the chunks, the one at hand included.
    announced: u64,
    /// Bytes of extensions and trailers, which mean nothing to us.
    aside: usize,
}

impl Chunks {
    /// Judges what `buffer` begins with. What is announced beyond `bytes_max` bytes of body is refused, and can be passed over afterwards
    /// with a larger bound: nothing is changed by it.
    pub(super) fn next(&mut self, buffer: &[u8], bytes_max: u64) -> Result<Found, Refusal> {
        let (mut ahead, mut at) = (*self, 0);
        let found = loop {
            let rest = buffer.get(at..).unwrap_or_default();
            match ahead.place {
                Place::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if len == 0 {
                        break Found::Need(usize::try_from(left).unwrap_or(usize::MAX));
                    }
                    let left = left - len as u64;
                    ahead.place = if left == 0 { Place::DataEnd } else { Place::Data(left) };
                    break Found::Data { at, len };
                }
                Place::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        ahead.place = Place::Size;
                        at += 2;
                    }
                    [] => break Found::Need(2),
                    [b'\r'] => break Found::Need(1),
                    _ => return Err(Refusal::Chunk),
                },
                Place::Size | Place::Trailer => {
                    let Some(line) = line(rest)? else { break Found::Need(1) };
                    at += line.len();
                    if ahead.place == Place::Size {
                        ahead.begin(line, bytes_max)?;
                    } else if matches!(line, b"\r\n" | b"\n") {
                        ahead = Self::default();
                        break Found::End(at);
                    } else {
                        ahead.put_aside(line.len())?;
                    }
                }
            }
        };
        *self = ahead;
        Ok(if at > 0 && matches!(found, Found::Need(_)) { Found::Skip(at) } else { found })
    }

    fn begin(&mut self, line: &[u8], bytes_max: u64) -> Result<(), Refusal> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = match httparse::parse_chunk_size(line) {
            Ok(httparse::Status::Complete((len, size))) if len == line.len() && digits > 0 => size,
            _ => return Err(Refusal::Chunk),
        };
        self.put_aside(line.len() - digits - 2)?;
        self.announced = self.announced.saturating_add(size);
        if self.announced > bytes_max {
            return Err(Refusal::BodyTooLong);
        }
        self.place = if size == 0 { Place::Trailer } else { Place::Data(size) };
        Ok(())
    }

    fn put_aside(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.aside += bytes;
        if self.aside > HTTP_ASIDE_BYTES_MAX { Err(Refusal::Chunk) } else { Ok(()) }
    }
}

/// The line at the front, with its end; none while that has not come.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let within = bytes.get(..HTTP_CHUNK_LINE_BYTES_MAX).unwrap_or(bytes);
    match within.iter().position(|byte| *byte == b'\n') {
        Some(end) => Ok(bytes.get(..=end)),
        None if within.len() == HTTP_CHUNK_LINE_BYTES_MAX => Err(Refusal::Chunk),
        None => Ok(None),
    }
}

/// What stands before and behind a chunk that we send.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    bytes: [u8; 18],
    start: usize,
}

impl Line {
    /// The line before a chunk of `size` bytes; for 0 the end of the body.
    fn before(size: usize) -> Self {
        let mut line = Self { bytes: *b"0000000000000000\r\n", start: 16 };
        let mut left = size;
        for (n, place) in line.bytes.iter_mut().enumerate().take(16).rev() {
            let digit = b"0123456789abcdef".get(left % 16).copied().unwrap_or(b'0');
            (*place, line.start) = (digit, n);
            left /= 16;
            if left == 0 {
                break;
            }
        }
        line
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// What ends a line, and a chunk.
const LINE_END: &[u8] = b"\r\n";

/// What ends a body of chunks, behind the [`pieces`].
pub const END: &[u8] = b"0\r\n\r\n";

/// Cuts a body into the chunks that it is sent in, of at most [`HTTP_CHUNK_BYTES_MAX`] bytes: for each its line, itself, and `\r\n`.
/// [`END`] comes behind the last.
pub fn pieces(body: &[u8]) -> impl Iterator<Item = (Line, &[u8], &'static [u8])> {
    body.chunks(HTTP_CHUNK_BYTES_MAX).map(|piece| (Line::before(piece.len()), piece, LINE_END))
}

/// A body that somebody keeps, and that is sent in chunks: what [`pieces`] comes to, never put together.
#[derive(Debug)]
pub struct Chunked {
    full: Line,
    last: Line,
    len: usize,
}

impl Chunked {
    /// Of a body of `len` bytes.
    #[must_use]
    pub fn of(len: usize) -> Self {
        Self { full: Line::before(HTTP_CHUNK_BYTES_MAX), last: Line::before(len % HTTP_CHUNK_BYTES_MAX), len }
    }

    /// Bytes of a chunk of the most that it may have.
    fn full_bytes(&self) -> usize {
        self.full.bytes().len() + HTTP_CHUNK_BYTES_MAX + LINE_END.len()
    }

    /// Bytes of all chunks.
    #[must_use]
    pub fn sent_bytes(&self) -> usize {
        let last = match self.len % HTTP_CHUNK_BYTES_MAX {
            0 => 0,
            rest => self.last.bytes().len() + rest + LINE_END.len(),
        };
        self.len / HTTP_CHUNK_BYTES_MAX * self.full_bytes() + last
    }

    /// What is to be sent next of `body` when `sent` bytes have been, in two slices; there may be more.
    #[must_use]
    pub fn next<'a>(&'a self, body: &'a [u8], sent: usize) -> [&'a [u8]; 2] {
        let (number, at) = (sent / self.full_bytes(), sent % self.full_bytes());
        let rest = body.get(number * HTTP_CHUNK_BYTES_MAX..).unwrap_or_default();
        if rest.is_empty() {
            return [&[], &[]];
        }
        let (line, piece) = match rest.get(..HTTP_CHUNK_BYTES_MAX) {
            Some(piece) => (self.full.bytes(), piece),
            None => (self.last.bytes(), rest),
        };
        match line.get(at..).filter(|line| !line.is_empty()) {
            Some(line) => [line, piece],
            None => match piece.get(at - line.len()..).filter(|piece| !piece.is_empty()) {
                Some(piece) => [piece, LINE_END],
                None => [LINE_END.get(at - line.len() - piece.len()..).unwrap_or_default(), &[]],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and how many bytes it took, fed so many bytes at a time; what is behind the end is left.
    fn hear(bytes: &[u8], step: usize, bytes_max: u64) -> Result<(Vec<u8>, usize), Refusal> {
        let (mut chunks, mut body, mut buffer, mut taken) = (Chunks::default(), Vec::new(), Vec::new(), 0);
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                let cut = match chunks.next(&buffer, bytes_max)? {
                    Found::Need(n) => {
                        assert!(n > 0);
                        break;
                    }
                    Found::Skip(len) => len,
                    Found::Data { at, len } => {
                        body.extend_from_slice(&buffer[at..at + len]);
                        at + len
                    }
                    Found::End(len) => return Ok((body, taken + len)),
                };
                assert!(cut > 0);
                taken += cut;
                buffer.drain(..cut);
            }
        }
        panic!("the body does not end");
    }

    #[test]
    fn chunks_make_a_body_however_they_are_cut() {
        let bytes = b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n1\r\n\n\r\n0\r\nA: b\r\n\r\nGET";
        for step in 1..=bytes.len() {
            assert_eq!(hear(bytes, step, 14), Ok((b"abc0123456789\n".to_vec(), bytes.len() - 3)), "{step}");
            assert_eq!(hear(bytes, step, 13), Err(Refusal::BodyTooLong), "{step}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(HTTP_CHUNK_LINE_BYTES_MAX));
        let aside = format!("1;{}\r\na\r\n", "x".repeat(HTTP_CHUNK_LINE_BYTES_MAX - 8)).repeat(40);
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(HTTP_ASIDE_BYTES_MAX / 6 + 1));
        for wrong in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "1\r\nab\r\n",
            "1\r\na\nb",
            "10000000000000000\r\n",
            "1\na",
            &long,
            &aside,
            &trailers,
        ] {
            for step in [1, wrong.len()] {
                let short = &wrong[..wrong.len().min(20)];
                assert_eq!(hear(wrong.as_bytes(), step, 1 << 20), Err(Refusal::Chunk), "{short:?}");
            }
        }
        assert_eq!(hear(b"ffffffffffffffff\r\n", 1, u64::MAX - 1), Err(Refusal::BodyTooLong));
    }

    #[test]
    fn what_was_refused_can_still_be_passed_over() {
        let mut chunks = Chunks::default();
        let bytes = b"5\r\nabcde\r\n0\r\n\r\n";
        assert_eq!(chunks.next(bytes, 4), Err(Refusal::BodyTooLong));
        assert_eq!(chunks.next(bytes, 5), Ok(Found::Data { at: 3, len: 5 }));
        assert_eq!(chunks.next(&bytes[8..], 5), Ok(Found::End(7)));
    }

    #[test]
    fn what_is_sent_in_chunks_is_what_is_read() {
        for size in [0, 1, 15, 16, 255, 4096, HTTP_CHUNK_BYTES_MAX, HTTP_CHUNK_BYTES_MAX + 1, 3 * HTTP_CHUNK_BYTES_MAX]
        {
            let body: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let mut sent = Vec::new();
            for (line, piece, end) in pieces(&body) {
                assert!(piece.len() <= HTTP_CHUNK_BYTES_MAX && !line.bytes().starts_with(b"0"));
                sent.extend([line.bytes(), piece, end].concat());
            }
            sent.extend(END);
            assert_eq!(hear(&sent, 1000, size as u64), Ok((body, sent.len())));
        }
    }

    #[test]
    fn a_body_that_is_kept_comes_to_the_same_chunks_wherever_it_is_cut() {
        for len in
            [1, HTTP_CHUNK_BYTES_MAX - 1, HTTP_CHUNK_BYTES_MAX, HTTP_CHUNK_BYTES_MAX + 1, 5 * HTTP_CHUNK_BYTES_MAX]
        {
            let body: Vec<u8> = b"abcdefg".iter().copied().cycle().take(len).collect();
            let wanted: Vec<u8> =
                pieces(&body).flat_map(|(line, piece, end)| [line.bytes(), piece, end].concat()).collect();
            let chunked = Chunked::of(len);
            assert_eq!(chunked.sent_bytes(), wanted.len());
            for step in [1, 2, 3, 1000, usize::MAX] {
                let mut sent = Vec::new();
                while sent.len() < wanted.len() {
                    let next = chunked.next(&body, sent.len()).concat();
                    assert!(!next.is_empty(), "{len} {}", sent.len());
                    sent.extend_from_slice(&next[..next.len().min(step)]);
                }
                assert!(sent == wanted, "{len} {step}");
                assert!(chunked.next(&body, sent.len()).concat().is_empty());
            }
        }
    }
}
