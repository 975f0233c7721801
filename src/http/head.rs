//! The head of a request: a line with method, target and version, then fields, then an empty line (RFC 9112, 2 to 6).

use core::mem::MaybeUninit;

use memchr::{memchr, memchr_iter};

use super::method::Method;
use super::refusal::Refusal;
use super::target::Target;
use crate::limits::HTTP_FIELDS_MAX;

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes. None, for most requests.
    Fixed(u64),
    /// In chunks, the last of which is empty.
    Chunked,
}

/// What a request lets its answer be, to be kept until there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The answer has no body, though its head tells of one.
    pub is_head: bool,
    /// The client does not know chunks: HTTP/1.0.
    pub is_old: bool,
    /// The connection stays open behind the answer.
    pub keeps_alive: bool,
}

impl Terms {
    /// Of a request that could not be read: whole, plain, and the last on its connection.
    pub const LAST: Self = Self { is_head: false, is_old: false, keeps_alive: false };
}

/// A head that has been checked. It borrows the bytes that it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub target: Target<'a>,
    /// How the body comes.
    pub length: Length,
    /// What the answer may be.
    pub terms: Terms,
    /// The client waits for `100 Continue` before it sends the body. Never so in HTTP/1.0.
    pub expects_continue: bool,
    /// The lines of the fields.
    fields: &'a [u8],
    names: Names,
}

/// The names of a head's fields, each as one bit of a few: most that are asked for are not there, and are not looked for then.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u64);

impl Names {
    /// The bit of a name, in any case.
    fn bit(name: &[u8]) -> u64 {
        let letter = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(byte | 0x20));
        1 << ((7 * name.len() + 3 * letter(name.first()) + letter(name.last())) % 64)
    }

    fn add(&mut self, name: &[u8]) {
        self.0 |= Self::bit(name);
    }

    fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name.as_bytes()) != 0
    }
}

/// The fields that are judged before anything else, as they are being gathered.
#[derive(Debug, Default)]
struct Known<'a> {
    host: Option<&'a [u8]>,
    hosts: usize,
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
    expects_continue: bool,
}

impl<'a> Known<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("host") {
            self.host = Some(value);
            self.hosts += 1;
        } else if is("content-length") {
            let length = number(value).ok_or(Refusal::Length)?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(Refusal::Length);
            }
        } else if is("transfer-encoding") {
            // Twice chunked is not what anybody means.
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            self.is_chunked = true;
        } else if is("content-encoding") {
            if !value.eq_ignore_ascii_case(b"identity") {
                return Err(Refusal::ContentEncoding);
            }
        } else if is("connection") {
            self.closes |= words(value).any(|word| word.eq_ignore_ascii_case(b"close"));
            self.keeps_alive |= words(value).any(|word| word.eq_ignore_ascii_case(b"keep-alive"));
        } else if is("expect") {
            self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
        }
        Ok(())
    }
}

impl<'a> Head<'a> {
    /// Reads a whole head: `bytes` begin with the request line and end with the empty line.
    ///
    /// # Errors
    /// The [`Refusal`] that says what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = [const { MaybeUninit::uninit() }; HTTP_FIELDS_MAX];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Ok(_) => return Err(Refusal::Field),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(Refusal::Field),
            Err(httparse::Error::Version) if names_a_version(bytes) => return Err(Refusal::Version),
            Err(
                httparse::Error::Token | httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Version,
            ) => {
                return Err(Refusal::RequestLine);
            }
        }
        let is_old = request.version == Some(0);
        let method = request.method.and_then(Method::of).ok_or(Refusal::Method)?;
        let (mut known, mut names) = (Known::default(), Names::default());
        for field in request.headers.iter() {
            names.add(field.name.as_bytes());
            known.take(field.name, field.value)?;
        }
        let length = match (known.length, known.is_chunked) {
            (None, true) if !is_old => Length::Chunked,
            (length, false) => Length::Fixed(length.unwrap_or(0)),
            (_, true) => return Err(Refusal::LengthAndCoding),
        };
        if known.hosts > 1 || (known.hosts == 0 && !is_old) {
            return Err(Refusal::Host);
        }
        let host = known.host.and_then(|host| core::str::from_utf8(host).ok()).unwrap_or_default();
        let target = Target::parse(request.path.unwrap_or_default(), host, method).ok_or(Refusal::Target)?;
        let line = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        Ok(Self {
            method,
            target,
            length,
            terms: Terms {
                is_head: method == Method::Head,
                is_old,
                keeps_alive: !known.closes && (!is_old || known.keeps_alive),
            },
            expects_continue: known.expects_continue && !is_old && length != Length::Fixed(0),
            fields: bytes.get(line..).unwrap_or_default(),
            names,
        })
    }

    /// All fields in their order, without the blanks around their values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.lines().filter_map(|line| {
            let colon = memchr(b':', line)?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            Some((core::str::from_utf8(name).ok()?, value.trim_ascii()))
        })
    }

    /// The same as they stand there.
    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        let (fields, mut start) = (self.fields, 0);
        memchr_iter(b'\n', fields).filter_map(move |end| fields.get(core::mem::replace(&mut start, end + 1)..end))
    }

    /// Whether there is a field of one of these names.
    #[must_use]
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.all(name).next().is_some())
    }

    /// The values of all fields of that name; it may be written in any case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.names.may_have(name).then(|| self.lines());
        lines.into_iter().flatten().filter_map(move |line| {
            // No name has a colon in it.
            let (known, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(b":")?;
            known.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    /// The value of the first field of that name, if it is text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.all(name).next().and_then(|value| core::str::from_utf8(value).ok())
    }

    /// The value of the fields of that name, if it is text and the same in all of them.
    #[must_use]
    pub fn sole(&self, name: &str) -> Option<&'a str> {
        let value = self.field(name)?;
        self.all(name).all(|other| other == value.as_bytes()).then_some(value)
    }

    /// Whether the client takes an answer in this coding (RFC 9110, 12.5.3).
    #[must_use]
    pub fn takes(&self, coding: &str) -> bool {
        self.all("Accept-Encoding").flat_map(words).any(|known| {
            let end = known.iter().position(|byte| *byte == b';').unwrap_or(known.len());
            let (name, parameters) = known.split_at(end);
            name.trim_ascii().eq_ignore_ascii_case(coding.as_bytes()) && !is_forbidden(parameters)
        })
    }

    /// Whether one of the fields of that name has `word` in its list, in any case: `Connection: keep-alive, Upgrade`.
    #[must_use]
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).any(|value| words(value).any(|known| known.eq_ignore_ascii_case(word.as_bytes())))
    }
}

/// Whether what is behind a word of a list, `;q=0.000`, forbids it.
fn is_forbidden(parameters: &[u8]) -> bool {
    parameters.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).any(|parameter| {
        let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
        weight.is_some_and(|weight| weight.starts_with(b"0") && weight.iter().all(|digit| b"0.".contains(digit)))
    })
}

/// Whether the first line has three words, the last of which is some version of HTTP. A fourth comes of a blank in the target.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    words.next().is_some_and(|version| version.starts_with(b"HTTP/")) && words.next().is_none()
}

/// The words of a list with commas.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// A number of digits alone; one that does not fit is as long as can be, which is too long everywhere.
fn number(digits: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |sum: u64, byte: &u8| Some(sum.saturating_mul(10).saturating_add(digit(byte)?));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<Head<'_>, Refusal> {
        Head::parse(lines.as_bytes())
    }

    #[test]
    fn a_head_has_its_parts() {
        let text = "POST /C2SIMServer/c2sim?submitterID=A HTTP/1.1\r\nContent-Type:application/xml\r\nHost:h:8080\r\n\
                    Connection:.keep-alive\r\nContent-Length:69\r\nX:  a b \r\nx:c\r\n\r\n";
        let head = head(text).unwrap();
        assert_eq!((head.method, head.length), (Method::Post, Length::Fixed(69)));
        assert_eq!(
            (head.target.path, head.target.query, head.target.host),
            ("/C2SIMServer/c2sim", "submitterID=A", "h:8080")
        );
        assert_eq!(head.terms, Terms { is_head: false, is_old: false, keeps_alive: true });
        assert_eq!(head.field("content-type"), Some("application/xml"));
        assert_eq!(head.all("x").collect::<Vec<_>>(), [&b"a b"[..], b"c"]);
        assert_eq!((head.fields().count(), head.field("y")), (6, None));
    }

    #[test]
    fn a_coding_is_taken_if_it_is_listed_and_not_forbidden() {
        for (listed, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, gzip ; q=1.0", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("x-gzip, br", false),
            ("", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {listed}\r\n\r\n");
            assert_eq!(head(&text).unwrap().takes("gzip"), takes, "{listed}");
        }
    }

    #[test]
    fn the_connection_stays_open_as_the_version_and_the_client_say() {
        for (version, connection, keeps_alive) in [
            ("1.1", "x", true),
            ("1.1", "a, Close", false),
            ("1.1", "keep-alive, close", false),
            ("1.0", "x", false),
            ("1.0", "Keep-Alive", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: {connection}\r\n\r\n");
            assert_eq!(head(&text).unwrap().terms.keeps_alive, keeps_alive, "{version} {connection}");
        }
        assert!(
            head("GET / HTTP/1.1\r\nHost: h\r\nConnection: a\r\nConnection: b, Upgrade\r\n\r\n")
                .unwrap()
                .lists("connection", "upgrade")
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (lines, refusal) in [
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Refusal::Length),
            ("Content-Length: 5, 5\r\n", Refusal::Length),
            ("Content-Length: +5\r\n", Refusal::Length),
            ("Content-Length:\r\n", Refusal::Length),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndCoding),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::TransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::TransferEncoding),
            ("Content-Encoding: gzip\r\n", Refusal::ContentEncoding),
            ("A: b\r\n c\r\n", Refusal::Field),
            ("A : b\r\n", Refusal::Field),
            ("A\r\n", Refusal::Field),
            (": b\r\n", Refusal::Field),
            ("A: b\rc: d\r\n", Refusal::Field),
            ("A: \0\r\n", Refusal::Field),
            ("Host: b\r\n", Refusal::Host),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            assert_eq!(head(&text).unwrap_err(), refusal, "{lines:?}");
        }
        for (text, refusal) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
            ("GET / HTTP/2.0\r\n\r\n", Refusal::Version),
            ("GET / HTTP/1.10\r\n\r\n", Refusal::RequestLine),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::LengthAndCoding),
            ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Method),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Method),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET /a HTTP/b HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET /a FTP/1.1\r\n\r\n", Refusal::RequestLine),
            ("GET /a HTTP/3\r\n\r\n", Refusal::Version),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
            ("GET\r\n\r\n", Refusal::RequestLine),
        ] {
            assert_eq!(head(text).unwrap_err(), refusal, "{text:?}");
        }
    }

    #[test]
    fn a_length_may_be_said_twice_or_be_beyond_all_numbers() {
        let text = "POST / HTTP/1.0\nContent-Length: 5\nContent-Length: 05\n\n";
        assert_eq!(head(text).unwrap().length, Length::Fixed(5));
        let text = format!("POST / HTTP/1.0\r\nContent-Length: 9{}\r\n\r\n", "0".repeat(40));
        assert_eq!(head(&text).unwrap().length, Length::Fixed(u64::MAX));
    }

    #[test]
    fn continue_is_expected_where_a_body_follows() {
        let expects = |version: &str, length: &str| {
            let text = format!("POST / HTTP/{version}\r\nHost: h\r\nExpect: 100-Continue\r\n{length}\r\n\r\n");
            head(&text).unwrap().expects_continue
        };
        assert!(expects("1.1", "Content-Length: 1") && expects("1.1", "Transfer-Encoding: chunked"));
        assert!(!expects("1.1", "A: b") && !expects("1.0", "Content-Length: 1"));
    }

    #[test]
    fn a_field_that_says_two_things_says_nothing() {
        let sole = |fields: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            Head::parse(text.as_bytes()).unwrap().sole("clientId").map(str::to_owned)
        };
        assert_eq!(sole("ClientID: a\r\nclientid:  a \r\n").as_deref(), Some("a"));
        for fields in ["", "clientId: a\r\nclientId: b\r\n", "clientId: \u{ff}\r\nclientId: a\r\n"] {
            assert_eq!(sole(fields), None, "{fields}");
        }
    }

    /// The values of the fields of a name, line by line: the slow twin.
    fn values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
        let fields = text.split('\n').skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_ascii()).collect()
    }

    #[test]
    fn a_field_is_found_by_its_name_among_any_others() {
        const NAMES: [&str; 8] = ["Host", "host", "Hoot", "A", "Ab", "X-Forwarded-For", "x-forwarded-host", "clientId"];
        let mut found = 0;
        for picked in 0..1 << NAMES.len() {
            let fields = NAMES.iter().enumerate().filter(|(n, _)| picked & 1 << n != 0);
            let lines: String = fields.map(|(n, name)| format!("{name}: \tv{n}:\r\n{name}:w \r\n")).collect();
            let text = format!("GET / HTTP/1.0\r\n{lines}\r\n").replace("Host:w", "Most:w").replace("host:w", "most:w");
            let Ok(head) = head(&text) else { continue };
            for name in NAMES.map(str::to_ascii_uppercase).iter().chain(&["Most", "b", "", "v1"].map(str::to_owned)) {
                let wanted = values(&text, name);
                assert_eq!(head.all(name).collect::<Vec<_>>(), wanted.iter().map(|v| v.as_bytes()).collect::<Vec<_>>());
                assert_eq!((head.field(name), head.has(&["z", name])), (wanted.first().copied(), !wanted.is_empty()));
                found += wanted.len();
            }
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn there_are_so_many_fields_and_no_more() {
        let text = |count: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(head(&text(HTTP_FIELDS_MAX)).unwrap().fields().count(), HTTP_FIELDS_MAX);
        assert_eq!(head(&text(HTTP_FIELDS_MAX + 1)).unwrap_err(), Refusal::TooManyFields);
    }
}
