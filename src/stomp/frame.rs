//! The frames of a client, one after another. Fed with a contiguous buffer, the machine says what the buffer begins with.
//!
//! The caller keeps the bytes, takes away those of each [`Step`] and asks again until it is [`Step::Need`]. A frame is shown when it is whole;
//! what has been looked at before is not looked at again.

use std::borrow::Cow;

use super::command::Command;
use super::fault::Fault;
use super::version::Version;
use crate::limits::{STOMP_COMMAND_BYTES_MAX, STOMP_HEAD_BYTES_MAX, STOMP_HEADERS_MAX};

/// What the buffer begins with.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// At least this many more bytes are needed.
    Need(usize),
    /// `len` bytes of line ends between frames: a sign of life.
    Skip {
        /// Bytes to take away from the front.
        len: usize,
    },
    /// A whole frame.
    Frame {
        /// Bytes to take away from the front.
        len: usize,
        /// The frame, in these bytes.
        frame: Frame<'a>,
    },
}

/// A frame that has been checked. It borrows the bytes that it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it asks for.
    pub command: Command,
    /// What it carries.
    pub body: &'a [u8],
    lines: &'a str,
    version: Version,
}

impl<'a> Frame<'a> {
    /// The headers in their order, unescaped. Lines without a colon are none; one blank behind the colon is not part of the value.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        let version = self.version;
        self.lines.lines().filter_map(move |line| {
            let (name, value) = pair(line)?;
            Some((version.plain(name), version.plain(value)))
        })
    }

    /// The value of a header: the first, if there are several of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.headers().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Name and value of a header line. The value may have colons of its own.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    Some((name, value.strip_prefix(' ').unwrap_or(value)))
}

/// What is known of a frame whose body is coming.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// Bytes before the body.
    len: usize,
    /// The length that the client says, if it does.
    length: Option<u64>,
}

/// The machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    version: Version,
    command: Option<Command>,
    lines: usize,
    /// Where the line that is being read begins.
    line: usize,
    /// Bytes at the front of the buffer in which the frame does not end.
    scanned: usize,
    length: Option<u64>,
    head: Option<Head>,
}

impl Frames {
    /// Says what has been agreed upon, behind CONNECT and before the next frame is read.
    pub const fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// Whether a part of a frame has come.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.scanned > 0
    }

    /// Judges what `buffer`, the unconsumed bytes of the connection, begins with. A body may have `body_bytes_max` bytes.
    ///
    /// # Errors
    /// The [`Fault`] that ends the connection.
    pub fn next<'a>(&mut self, buffer: &'a [u8], body_bytes_max: usize) -> Result<Step<'a>, Fault> {
        if self.scanned == 0 {
            match line_ends(buffer) {
                0 if matches!(buffer, [] | [b'\r']) => return Ok(Step::Need(1)),
                0 => {}
                len => return Ok(Step::Skip { len }),
            }
        }
        let head = match self.head {
            Some(head) => head,
            None => match self.head(buffer)? {
                Some(head) => head,
                None => return Ok(Step::Need(1)),
            },
        };
        self.head = Some(head);
        let body = buffer.get(head.len..).unwrap_or_default();
        let Some(end) = self.end(body, head, body_bytes_max)? else {
            let least = head.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
            return Ok(Step::Need((least + 1).saturating_sub(body.len()).max(1)));
        };
        let command = self.command.ok_or(Fault::Command)?;
        let lines = buffer.get(..head.len).and_then(|lines| core::str::from_utf8(lines).ok()).ok_or(Fault::Text)?;
        let lines = lines.split_once('\n').map_or("", |(_, lines)| lines);
        // These two are read before a version is agreed upon, and may stand in later frames by mistake.
        let version = if command == Command::Connect { Version::V1_0 } else { self.version };
        *self = Self { version: self.version, ..Self::default() };
        let frame = Frame { command, body: body.get(..end).unwrap_or_default(), lines, version };
        Ok(Step::Frame { len: head.len + end + 1, frame })
    }

    /// Where the body ends. A length that ends before a zero byte counts letters, not bytes, as some clients do: the zero byte decides.
    fn end(&mut self, body: &[u8], head: Head, body_bytes_max: usize) -> Result<Option<usize>, Fault> {
        let least = usize::try_from(head.length.unwrap_or(0)).unwrap_or(usize::MAX);
        if least > body_bytes_max {
            return Err(Fault::BodyTooLong);
        }
        let within = body.get(..=body_bytes_max).unwrap_or(body);
        let from = least.max(self.scanned - head.len);
        let end = within.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == 0));
        if end.is_none() && body.len() > body_bytes_max {
            return Err(Fault::BodyTooLong);
        }
        self.scanned = self.scanned.max(head.len + within.len());
        Ok(end.map(|more| from + more))
    }

    /// Reads on in command and headers.
    fn head(&mut self, buffer: &[u8]) -> Result<Option<Head>, Fault> {
        let within = buffer.get(..STOMP_HEAD_BYTES_MAX).unwrap_or(buffer);
        while let Some(more) = within.get(self.scanned..).unwrap_or_default().iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + more;
            let line = within.get(self.line..end).unwrap_or_default();
            let is_over = self.take_line(line)?;
            (self.scanned, self.line) = (end + 1, end + 1);
            if is_over {
                return Ok(Some(Head { len: end + 1, length: self.length }));
            }
        }
        // The line that is not whole yet may be wrong already.
        let begun = within.get(self.line..).unwrap_or_default();
        match self.command {
            None => check_command(begun)?,
            Some(_) if begun.contains(&0) => return Err(Fault::Unfinished),
            Some(_) => {}
        }
        self.scanned = within.len();
        if within.len() == STOMP_HEAD_BYTES_MAX { Err(Fault::HeadTooLarge) } else { Ok(None) }
    }

    /// One line, without its end; `true` for the empty one.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, Fault> {
        if self.command.is_none() {
            check_command(line)?;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(command) = self.command else {
            self.command = Some(Command::of(line).ok_or(Fault::Command)?);
            return Ok(false);
        };
        if line.is_empty() {
            return Ok(true);
        }
        if line.contains(&0) {
            return Err(Fault::Unfinished);
        }
        let line = core::str::from_utf8(line).map_err(|_| Fault::Text)?;
        self.lines += 1;
        if self.lines > STOMP_HEADERS_MAX {
            return Err(Fault::TooManyHeaders);
        }
        if command != Command::Connect && !self.version.is_escaped_well(line) {
            return Err(Fault::Escape);
        }
        if let Some(("content-length", value)) = pair(line)
            && self.length.is_none()
        {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            // One that does not fit is too long everywhere.
            self.length = Some(if is_number { value.parse().unwrap_or(u64::MAX) } else { return Err(Fault::Length) });
        }
        Ok(false)
    }
}

/// Line ends at the front.
fn line_ends(buffer: &[u8]) -> usize {
    let mut len = 0;
    loop {
        match buffer.get(len..).unwrap_or_default() {
            [b'\n', ..] => len += 1,
            [b'\r', b'\n', ..] => len += 2,
            _ => return len,
        }
    }
}

/// Refuses what cannot become a command, whole or not, at the first byte that says so: the other end of a wrong port waits for an answer.
fn check_command(line: &[u8]) -> Result<(), Fault> {
    let name = line.strip_suffix(b"\r").unwrap_or(line);
    let is_good = name.len() <= STOMP_COMMAND_BYTES_MAX && name.iter().all(u8::is_ascii_uppercase);
    if is_good { Ok(()) } else { Err(Fault::Command) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of bytes that come so many at a time; a body may have 20 bytes.
    fn hear(bytes: &[u8], step: usize, version: Version) -> Vec<String> {
        let (mut frames, mut buffer, mut heard) = (Frames::default(), Vec::new(), Vec::new());
        frames.speak(version);
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                let len = match frames.next(&buffer, 20) {
                    Err(fault) => {
                        heard.push(format!("{fault:?}"));
                        return heard;
                    }
                    Ok(Step::Need(n)) => {
                        assert!(n > 0);
                        break;
                    }
                    Ok(Step::Skip { len }) => len,
                    Ok(Step::Frame { len, frame }) => {
                        let headers: Vec<String> =
                            frame.headers().map(|(name, value)| format!("{name}={value}")).collect();
                        heard.push(format!(
                            "{:?} {headers:?} {:?}",
                            frame.command,
                            String::from_utf8_lossy(frame.body)
                        ));
                        len
                    }
                };
                assert!(len > 0);
                buffer.drain(..len);
            }
        }
        if frames.has_begun() {
            heard.push("begun".to_owned());
        }
        heard
    }

    fn hear_alike(bytes: &[u8], version: Version) -> Vec<String> {
        let whole = hear(bytes, bytes.len(), version);
        for step in 1..bytes.len().min(50) {
            assert_eq!(hear(bytes, step, version), whole, "{step} bytes at a time");
        }
        whole
    }

    #[test]
    fn the_frames_of_real_clients_are_read() {
        let bytes = b"CONNECT\nlogin:\npasscode:\n\n\0SUBSCRIBE\ndestination: /topic/C2SIM\nid: Sun Nov 29 22:12:02 UTC 2026\n\n\0\n\
                      STOMP\r\naccept-version:1.2\r\nno colon here\r\n\r\n\0\r\n\n\nDISCONNECT\n\n\0\n";
        assert_eq!(
            hear_alike(bytes, Version::V1_0),
            [
                r#"Connect ["login=", "passcode="] """#,
                r#"Subscribe ["destination=/topic/C2SIM", "id=Sun Nov 29 22:12:02 UTC 2026"] """#,
                r#"Connect ["accept-version=1.2"] """#,
                r#"Disconnect [] """#,
            ]
        );
    }

    #[test]
    fn bodies_end_at_their_length_or_at_a_zero_byte() {
        for (frame, body) in [
            (&b"SEND\n\nabc\0"[..], "abc"),
            (b"SEND\ncontent-length:3\n\nabc\0", "abc"),
            (b"SEND\ncontent-length:5\n\na\0b\0c\0", "a\\0b\\0c"),
            (b"SEND\ncontent-length: 2\ncontent-length:x\n\nabcd\0", "abcd"),
            (b"SEND\ncontent-length:0\n\n\0", ""),
            (b"SEND\n\n\n\0", "\\n"),
            (b"SEND\n\n01234567890123456789\0", "01234567890123456789"),
        ] {
            let heard = hear_alike(frame, Version::V1_2);
            assert!(heard.len() == 1 && heard[0].ends_with(&format!("] \"{body}\"")), "{heard:?}");
        }
        assert_eq!(hear_alike(b"SEND\ncontent-length:5\n\nabc\0", Version::V1_2), ["begun"]);
    }

    #[test]
    fn headers_are_unescaped_as_the_version_says() {
        let bytes = br"SEND
a\cb:c\nd\\
a:1
a:2

";
        let bytes = [&bytes[..], b"\0"].concat();
        assert_eq!(hear_alike(&bytes, Version::V1_1), [r#"Send ["a:b=c\nd\\", "a=1", "a=2"] """#]);
        assert_eq!(hear_alike(&bytes, Version::V1_0), [r#"Send ["a\\cb=c\\nd\\\\", "a=1", "a=2"] """#]);
        assert_eq!(hear_alike(b"CONNECT\npasscode:a\\tb\n\n\0", Version::V1_2), [r#"Connect ["passcode=a\\tb"] """#]);
        let mut frames = Frames::default();
        let Ok(Step::Frame { frame, .. }) = frames.next(b"SEND\na:1\na:2\n\n\0", 0) else { panic!("a frame") };
        assert_eq!((frame.header("a").as_deref(), frame.header("b")), (Some("1"), None));
    }

    #[test]
    fn what_is_no_frame_ends_the_connection() {
        let long = format!("SEND\na:{}\n\n\0", "x".repeat(STOMP_HEAD_BYTES_MAX));
        let many = format!("SEND\n{}\n\0", "a:b\n".repeat(STOMP_HEADERS_MAX + 1));
        for (bytes, fault) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "Command"),
            (b"\x16\x03\x01", "Command"),
            (b"SENT\n\n\0", "Command"),
            (b"send\n\n\0", "Command"),
            (b"SUBSCRIBESUBSCRIBESUBSCRIBE\n", "Command"),
            (b"\0", "Command"),
            (b"\r\r", "Command"),
            (b"SEND\0", "Command"),
            (b"SEND\n\0", "Unfinished"),
            (b"SEND\na:b\0\n", "Unfinished"),
            (b"SEND\na:\xff\n", "Text"),
            (b"SEND\na:\\t\n", "Escape"),
            (b"SEND\ncontent-length:-1\n", "Length"),
            (b"SEND\ncontent-length:\n", "Length"),
            (b"SEND\ncontent-length:21\n\n", "BodyTooLong"),
            (b"SEND\ncontent-length:99999999999999999999999\n\n", "BodyTooLong"),
            (b"SEND\n\n012345678901234567890", "BodyTooLong"),
            (long.as_bytes(), "HeadTooLarge"),
            (many.as_bytes(), "TooManyHeaders"),
        ] {
            let short = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            assert_eq!(hear_alike(bytes, Version::V1_2), [fault], "{short:?}");
        }
        assert_eq!(
            hear_alike(format!("SEND\n{}\n\0", "a:b\n".repeat(STOMP_HEADERS_MAX)).as_bytes(), Version::V1_2).len(),
            1
        );
    }
}
