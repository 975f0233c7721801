//! What goes back: the head of an answer, and its body as it is or in chunks (RFC 9112, 4; RFC 9110, 15).

use super::head::Terms;
use super::refusal::Refusal;
use crate::time::Utc;

/// What a client that expects it waits for before it sends its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A moment as HTTP writes it (RFC 9110, 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date([u8; 29]);

impl Date {
    /// The moment so many milliseconds after 1970 began, to the second.
    #[must_use]
    pub fn of(unix_ms: u64) -> Self {
        const MONTHS: [&[u8; 3]; 12] =
            [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
        const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
        let utc = Utc::of(unix_ms);
        let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
        let mut put = |at: usize, bytes: &[u8]| {
            text.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
        };
        let digit = |number: u64, ten: u64| b'0' + u8::try_from(number / ten % 10).unwrap_or(0);
        let two = |number: u64| [digit(number, 10), digit(number, 1)];
        let name = |names: &[&'static [u8; 3]], n: u64| usize::try_from(n).ok().and_then(|n| names.get(n).copied());
        put(0, name(&DAYS, unix_ms / 86_400_000 % 7).unwrap_or(b"Thu"));
        put(5, &two(utc.day));
        put(8, name(&MONTHS, utc.month - 1).unwrap_or(b"Jan"));
        put(12, &two(utc.year / 100));
        put(14, &two(utc.year));
        put(17, &two(utc.hour));
        put(20, &two(utc.minute));
        put(23, &two(utc.second));
        Self(text)
    }

    /// The letters.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The words behind a status.
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes, as they are.
    Fixed(usize),
    /// As [`super::chunks::pieces`] cuts it.
    Chunked,
    /// As it comes, until the connection ends.
    UntilClose,
}

impl Transfer {
    /// How a body of `len` bytes is sent: in chunks if it has more than `whole_bytes_max` bytes and the client knows them.
    #[must_use]
    pub const fn of(len: usize, whole_bytes_max: usize, terms: Terms) -> Self {
        if len > whole_bytes_max && !terms.is_old { Self::Chunked } else { Self::Fixed(len) }
    }
}

/// The head of an answer while it is being written. [`Answer::body`] or [`Answer::nothing`] ends it.
#[must_use = "a head has an end"]
#[derive(Debug)]
pub struct Answer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Answer<'a> {
    /// Begins a head behind what `out` has: status, date, and whether the connection closes.
    pub fn begin(out: &'a mut Vec<u8>, status: u16, terms: Terms, date: &Date) -> Self {
        out.extend_from_slice(b"HTTP/1.1 ");
        digits(out, usize::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date.bytes());
        out.extend_from_slice(b"\r\n");
        let answer = Self { out };
        match terms {
            Terms { keeps_alive: false, .. } => answer.field("Connection", "close"),
            Terms { is_old: true, .. } => answer.field("Connection", "keep-alive"),
            _ => answer,
        }
    }

    /// Writes fields only, to be put into a head by [`Answer::fields`] when there is one.
    pub fn aside(out: &'a mut Vec<u8>, write: impl FnOnce(Self) -> Self) {
        let Self { .. } = write(Self { out });
    }

    /// The fields that were written [`Answer::aside`].
    pub fn fields(self, aside: &[u8]) -> Self {
        self.out.extend_from_slice(aside);
        self
    }

    /// One more field. What a value must not have, control characters, becomes a blank.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        self.out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the head of an answer with a body. The body itself comes next, but not where the request was HEAD ([`Terms::is_head`]).
    pub fn body(self, media_type: &str, transfer: Transfer) {
        let Self { out } = self.field("Content-Type", media_type);
        match transfer {
            Transfer::Fixed(len) => {
                // In these letters: there is a client that looks for them.
                out.extend_from_slice(b"Content-Length: ");
                digits(out, len);
                out.extend_from_slice(b"\r\n");
            }
            Transfer::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Transfer::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Ends the head of an answer without a body.
    pub fn nothing(self) {
        self.out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// Ends a head that nothing can follow: with status 101 or 204.
    pub fn bare(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The whole answer to a request that cannot be read. The connection is closed behind it.
pub fn refuse(out: &mut Vec<u8>, refusal: Refusal, date: &Date) {
    let reason = format!("{refusal}\n");
    Answer::begin(out, refusal.status(), Terms::LAST, date).body("text/plain", Transfer::Fixed(reason.len()));
    out.extend_from_slice(reason.as_bytes());
}

fn digits(out: &mut Vec<u8>, number: usize) {
    let start = out.len();
    let mut left = number;
    loop {
        out.push(b'0' + u8::try_from(left % 10).unwrap_or(0));
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { is_head: false, is_old: false, keeps_alive: true };

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_as_they_should_be() {
        for (unix_ms, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_795_990_268_000, "Sun, 29 Nov 2026 22:11:08 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ] {
            assert_eq!(core::str::from_utf8(Date::of(unix_ms).bytes()), Ok(date));
        }
    }

    #[test]
    fn an_answer_has_its_fields_in_their_order() {
        let date = Date::of(0);
        let answer = text(|out| {
            Answer::begin(out, 200, TERMS, &date)
                .field("X-A", "b\r\nc: d")
                .body("application/json", Transfer::Fixed(120));
        });
        assert_eq!(
            answer,
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-A: b  c: d\r\nContent-Type: application/json\r\n\
             Content-Length: 120\r\n\r\n"
        );
        let old = Terms { is_old: true, ..TERMS };
        assert!(text(|out| Answer::begin(out, 404, old, &date).nothing()).ends_with(
            "404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(text(|out| Answer::begin(out, 204, Terms::LAST, &date).bare()).ends_with("Connection: close\r\n\r\n"));
    }

    #[test]
    fn a_long_body_goes_in_chunks_to_those_who_know_them() {
        assert_eq!(Transfer::of(8192, 8192, TERMS), Transfer::Fixed(8192));
        assert_eq!(Transfer::of(8193, 8192, TERMS), Transfer::Chunked);
        assert_eq!(Transfer::of(8193, 8192, Terms { is_old: true, ..TERMS }), Transfer::Fixed(8193));
        let head = text(|out| Answer::begin(out, 200, TERMS, &Date::of(0)).body("a/b", Transfer::Chunked));
        assert!(head.ends_with("Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn a_refusal_says_why_and_closes() {
        let answer = text(|out| refuse(out, Refusal::RequestLine, &Date::of(0)));
        assert_eq!(
            answer,
            "HTTP/1.1 400 Bad Request\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n\
             Content-Type: text/plain\r\nContent-Length: 23\r\n\r\nmalformed request line\n"
        );
        let slow = text(|out| refuse(out, Refusal::TooSlow, &Date::of(0)));
        assert!(
            slow.starts_with("HTTP/1.1 408 Request Timeout\r\n")
                && slow.ends_with("\r\n\r\nthe request did not come in time\n")
        );
        assert!(!reason(Refusal::HeadTooLarge.status()).is_empty() && !reason(Refusal::Version.status()).is_empty());
    }
}
