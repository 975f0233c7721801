//! One connection's machine: request after request. Fed with a contiguous buffer, it says what the buffer begins with.
//!
//! The caller keeps the bytes. It calls [`Requests::next`] with everything that has not been consumed, acts on the [`Step`], takes the step's
//! bytes away, and calls again until the step is [`Step::Need`]. Every request is a [`Step::Head`] and then one [`Step::Body`] or more, the last
//! of which says so, also where there is no body. Behind that one the caller does not call before the answer is on its way.

use memchr::memchr;

use super::chunks::{Chunks, Found};
use super::head::{Head, Length};
use super::refusal::Refusal;
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_EMPTY_LINES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_METHOD_BYTES_MAX};

/// What the buffer begins with.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// At least this many more bytes are needed.
    Need(usize),
    /// `len` bytes mean nothing to the caller.
    Skip {
        /// Bytes to take away from the front.
        len: usize,
    },
    /// A head. The caller may now say how long the body may be ([`Requests::admit`]).
    Head {
        /// Bytes to take away from the front.
        len: usize,
        /// The head, in these bytes.
        head: Head<'a>,
    },
    /// A piece of the body, perhaps an empty one.
    Body {
        /// Bytes to take away from the front.
        len: usize,
        /// How many of them, at their beginning, are none of the body; all the others are.
        at: usize,
        /// The request is whole. If this is its first piece too, the body lies here in one piece and need not be copied.
        is_last: bool,
    },
    /// `len` bytes, with which a body has been passed over: time to close.
    Passed {
        /// Bytes to take away from the front.
        len: usize,
    },
}

/// How far a request has come. The caller has a deadline for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of it has come: [`crate::limits::HTTP_IDLE_MS`].
    Idle,
    /// A part of its head: [`crate::limits::HTTP_HEAD_MS`] from the first byte on.
    Head,
    /// Its head and perhaps a part of its body: [`crate::limits::HTTP_STALL_MS`] from one byte to the next.
    Body,
    /// What comes is dropped: [`crate::limits::HTTP_DROP_MS`] in all.
    PassingOver,
}

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// So many bytes.
    Fixed(u64),
    /// As the chunks say.
    Chunked(Chunks),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    /// A body that may have so many bytes, which have been admitted; none if nobody has said yet.
    Body {
        rest: Rest,
        admitted: Option<u64>,
    },
    /// A body that is dropped, and how many bytes more may come for that.
    Over {
        rest: Rest,
        left: u64,
    },
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    state: State,
    /// Bytes at the front of the buffer in which the head does not end.
    scanned: usize,
    /// Where among them the last line begins.
    line: usize,
    /// Empty lines since the last request.
    empty_lines: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

impl Requests {
    /// A connection on which nothing has come yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Head, scanned: 0, line: 0, empty_lines: 0 }
    }

    /// How far the request at hand has come.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Head if self.scanned == 0 => Phase::Idle,
            State::Head => Phase::Head,
            State::Body { .. } => Phase::Body,
            State::Over { .. } => Phase::PassingOver,
        }
    }

    /// Judges what `buffer`, the unconsumed bytes of the connection, begins with.
    ///
    /// # Errors
    /// The [`Refusal`] that is the answer to this request and ends the connection. Only after [`Refusal::BodyTooLong`] may anything else be
    /// asked, once [`Requests::pass_over`] was called.
    pub fn next<'a>(&mut self, buffer: &'a [u8]) -> Result<Step<'a>, Refusal> {
        match &mut self.state {
            State::Head => self.head(buffer),
            State::Body { admitted: None, .. } => {
                self.admit(HTTP_BODY_BYTES_MAX)?;
                self.next(buffer)
            }
            State::Body { rest, admitted: Some(bytes_max) } => {
                let step = rest.next(buffer, *bytes_max)?;
                if matches!(step, Step::Body { is_last: true, .. }) {
                    self.state = State::Head;
                }
                Ok(step)
            }
            State::Over { rest, left } => {
                let step = rest.next(buffer, u64::MAX)?;
                let (Step::Skip { len } | Step::Body { len, .. }) = step else { return Ok(step) };
                *left = left.checked_sub(len as u64).ok_or(Refusal::BodyTooLong)?;
                let is_last = matches!(step, Step::Body { is_last: true, .. });
                Ok(if is_last { Step::Passed { len } } else { Step::Skip { len } })
            }
        }
    }

    /// Behind a head: says that its body may have `bytes_max` bytes, and whether it will by its own account. Where nobody says, it may have
    /// [`HTTP_BODY_BYTES_MAX`]. Where the client expects `100 Continue`, now is the time.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLong`]. The answer may be any, but is the last on this connection; see [`Requests::pass_over`].
    pub fn admit(&mut self, bytes_max: u64) -> Result<(), Refusal> {
        if let State::Body { rest, admitted } = &mut self.state {
            if matches!(rest, Rest::Fixed(length) if *length > bytes_max) {
                return Err(Refusal::BodyTooLong);
            }
            *admitted = Some(bytes_max);
        }
        Ok(())
    }

    /// Drops what comes of the body from here on, but no more than `bytes_max` bytes, chunk lines included: then [`Refusal::BodyTooLong`] comes
    /// again. For a client that reads no answer before it has sent all; the answer should be on its way already.
    pub const fn pass_over(&mut self, bytes_max: u64) {
        if let State::Body { rest, .. } = self.state {
            self.state = State::Over { rest, left: bytes_max };
        }
    }

    fn head<'a>(&mut self, buffer: &'a [u8]) -> Result<Step<'a>, Refusal> {
        if let Some(step) = self.empty_line(buffer)? {
            return Ok(step);
        }
        check_method(buffer)?;
        let within = buffer.get(..HTTP_HEAD_BYTES_MAX).unwrap_or(buffer);
        while let Some(more) = memchr(b'\n', within.get(self.scanned..).unwrap_or_default()) {
            let end = self.scanned + more;
            let is_empty = matches!(within.get(self.line..end), Some(b"" | b"\r"));
            (self.scanned, self.line) = (end + 1, end + 1);
            if is_empty {
                return self.end_head(within.get(..=end).unwrap_or_default());
            }
        }
        self.scanned = within.len();
        if within.len() == HTTP_HEAD_BYTES_MAX { Err(Refusal::HeadTooLarge) } else { Ok(Step::Need(1)) }
    }

    fn end_head<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Refusal> {
        let head = Head::parse(bytes)?;
        let rest = match head.length {
            Length::Fixed(length) => Rest::Fixed(length),
            Length::Chunked => Rest::Chunked(Chunks::default()),
        };
        *self = Self { state: State::Body { rest, admitted: None }, ..Self::new() };
        Ok(Step::Head { len: bytes.len(), head })
    }

    /// Passes over an empty line before a request: some clients send one behind a body.
    fn empty_line(&mut self, buffer: &[u8]) -> Result<Option<Step<'static>>, Refusal> {
        let len = match buffer {
            [] | [b'\r'] => return Ok(Some(Step::Need(1))),
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return Ok(None),
        };
        self.empty_lines += 1;
        if self.empty_lines > HTTP_EMPTY_LINES_MAX {
            return Err(Refusal::RequestLine);
        }
        Ok(Some(Step::Skip { len }))
    }
}

impl Rest {
    fn next(&mut self, buffer: &[u8], bytes_max: u64) -> Result<Step<'static>, Refusal> {
        match self {
            Self::Fixed(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                if len == 0 && *left > 0 {
                    return Ok(Step::Need(usize::try_from(*left).unwrap_or(usize::MAX)));
                }
                *left -= len as u64;
                Ok(Step::Body { len, at: 0, is_last: *left == 0 })
            }
            Self::Chunked(chunks) => Ok(match chunks.next(buffer, bytes_max)? {
                Found::Need(n) => Step::Need(n),
                Found::Skip(len) => Step::Skip { len },
                Found::Data { at, len } => Step::Body { len: at + len, at, is_last: false },
                Found::End(len) => Step::Body { len, at: len, is_last: true },
            }),
        }
    }
}

/// Refuses at its first bytes what is no request at all: the other end of a wrong port waits for an answer, and would wait long.
fn check_method(buffer: &[u8]) -> Result<(), Refusal> {
    let name = buffer.get(..=HTTP_METHOD_BYTES_MAX).unwrap_or(buffer);
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
    match name.get(letters) {
        None if letters > HTTP_METHOD_BYTES_MAX => Err(Refusal::RequestLine),
        Some(byte) if letters == 0 || *byte != b' ' => Err(Refusal::RequestLine),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection says about bytes that come so many at a time, each body whole; every body may have 20 bytes.
    fn hear(bytes: &[u8], step: usize) -> Vec<String> {
        let (mut requests, mut buffer, mut heard, mut body) = (Requests::new(), Vec::new(), Vec::new(), Vec::new());
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                let cut = match requests.next(&buffer) {
                    Err(refusal) => {
                        heard.push(format!("{refusal:?}"));
                        return heard;
                    }
                    Ok(Step::Need(n)) => {
                        assert!(n > 0);
                        break;
                    }
                    Ok(Step::Skip { len }) => len,
                    Ok(Step::Head { len, head }) => {
                        heard.push(format!("{:?} {}", head.method, head.target.path));
                        if let Err(refusal) = requests.admit(20) {
                            heard.push(format!("{refusal:?}, passing over"));
                            requests.pass_over(40);
                        }
                        len
                    }
                    Ok(Step::Body { len, at, is_last }) => {
                        body.extend_from_slice(&buffer[at..len]);
                        if is_last {
                            heard.push(format!("{:?}", String::from_utf8_lossy(&std::mem::take(&mut body))));
                        }
                        len
                    }
                    Ok(Step::Passed { .. }) => {
                        heard.push("passed".to_owned());
                        return heard;
                    }
                };
                buffer.drain(..cut);
            }
        }
        heard.push(format!("{:?}", requests.phase()));
        heard
    }

    /// The same at every split.
    fn hear_alike(bytes: &[u8]) -> Vec<String> {
        let whole = hear(bytes, bytes.len());
        for step in 1..bytes.len() {
            assert_eq!(hear(bytes, step), whole, "{step} bytes at a time");
        }
        whole
    }

    #[test]
    fn requests_follow_one_another() {
        let bytes = b"\r\nPOST /a HTTP/1.1\r\nHost:h\r\nContent-Length:3\r\n\r\nabc\r\n\nGET /b HTTP/1.1\nHost: h\n\n\
                      PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\nDELETE /";
        assert_eq!(hear_alike(bytes), ["Post /a", "\"abc\"", "Get /b", "\"\"", "Put /c", "\"abc\"", "Head"]);
        assert_eq!(hear(b"\r\n", 2), ["Idle"]);
        assert_eq!(hear(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\na", 99), ["Post /", "Body"]);
    }

    #[test]
    fn what_is_no_request_is_refused_at_once() {
        for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"SSH-2.0-x\r\n", b"\r\r", b"\xff\0\0\0", b" GET", b"GET\t/"] {
            assert_eq!(hear_alike(bytes), ["RequestLine"], "{bytes:?}");
        }
        assert_eq!(hear_alike(&[b'A'; 40]), ["RequestLine"]);
        assert_eq!(hear_alike("\r\n".repeat(HTTP_EMPTY_LINES_MAX + 1).as_bytes()), ["RequestLine"]);
        assert_eq!(hear_alike(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ["Version"]);
    }

    #[test]
    fn a_head_has_so_many_bytes_and_no_more() {
        let head = |bytes: usize| {
            let begin = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
            format!("{begin}{}\r\n\r\n", "x".repeat(bytes - begin.len() - 4))
        };
        for step in [1000, 1 << 20] {
            assert_eq!(hear(head(HTTP_HEAD_BYTES_MAX).as_bytes(), step), ["Get /", "\"\"", "Idle"]);
            assert_eq!(hear(head(HTTP_HEAD_BYTES_MAX + 1).as_bytes(), step), ["HeadTooLarge"]);
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_refused_at_the_head_and_passed_over() {
        let post = |length: u64, body: &str| {
            hear_alike(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
        };
        let passing = ["Post /", "BodyTooLong, passing over"];
        assert_eq!(post(20, &"x".repeat(20))[1..], [format!("{:?}", "x".repeat(20)), "Idle".to_owned()]);
        assert_eq!(post(21, &"x".repeat(21)), [passing[0], passing[1], "passed"]);
        assert_eq!(post(2 << 30, &"x".repeat(30)), [passing[0], passing[1], "PassingOver"]);
        assert_eq!(post(2 << 30, &"x".repeat(41)), [passing[0], passing[1], "BodyTooLong"]);
    }

    #[test]
    fn chunks_that_are_too_long_are_refused_where_they_say_so() {
        let bytes = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n";
        assert_eq!(hear_alike(bytes), ["Post /", "BodyTooLong"]);
    }

    #[test]
    fn where_nobody_says_how_long_a_body_may_be_there_is_a_bound() {
        for (length, good) in [(HTTP_BODY_BYTES_MAX, true), (HTTP_BODY_BYTES_MAX + 1, false)] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            let mut requests = Requests::new();
            assert!(matches!(requests.next(text.as_bytes()), Ok(Step::Head { .. })));
            assert_eq!(requests.next(b"").is_ok(), good);
        }
    }
}
