//! Clients of C2SIM over HTTP for `instep bench c2sim`: requests and their answers, streams and their documents.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use super::super::credentials;
use super::super::failure::{Failure, in_words};
use super::progress::PATIENCE;

/// The most that the head of an answer has.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where an answer ends, and its status; `None` while it has not all come.
pub(super) fn answer_end(bytes: &[u8]) -> Result<Option<(usize, u16)>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        let is_short = bytes.len() < HEAD_BYTES_MAX;
        return if is_short { Ok(None) } else { Err("what came is no answer of HTTP".to_owned()) };
    };
    let head = core::str::from_utf8(bytes.get(..end).unwrap_or_default()).map_err(|error| error.to_string())?;
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("an answer without a status")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let whole = end + 4 + length.unwrap_or(0);
    Ok((bytes.len() >= whole).then_some((whole, status)))
}

/// A connection of one client, for as long as it asks one thing after the other.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) stream: TcpStream,
    address: String,
    pub(super) client: String,
    /// The header that shows the token, if there is one.
    shown: String,
}

impl Asking {
    pub(super) fn connect(address: &str, client: String) -> Result<Self, Failure> {
        let stream = connected(address)?;
        let shown = credentials::token()?.map(|token| format!("Authorization: Bearer {token}\r\n"));
        Ok(Self { stream, address: address.to_owned(), client, shown: shown.unwrap_or_default() })
    }

    /// The bytes of a request.
    fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
        let (address, client, shown) = (&self.address, &self.client, &self.shown);
        let head = format!(
            "{method} /api/c2sim/session/{path} HTTP/1.1\r\nHost: {address}\r\nclientId: {client}\r\n{shown}Content-Type: {media_type}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// The bytes of a request that brings a document.
    pub(super) fn sending(&self, session: &str, document: &[u8]) -> Vec<u8> {
        self.request("POST", &format!("{session}/send"), "application/xml", document)
    }

    /// Asks, waits for the answer, and wants it to be a good one.
    pub(super) fn ask(&mut self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Result<(), Failure> {
        let request = self.request(method, path, media_type, body);
        let answer = self.exchange(&request)?;
        let text = String::from_utf8_lossy(&answer);
        if text.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        let reason = text.split("\r\n\r\n").nth(1).filter(|body| !body.is_empty()).unwrap_or(&text).trim();
        Err(Failure::other(format!("{method} {path}: {reason}")))
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        self.stream.write_all(request).map_err(Failure::other)?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some((end, _)) = answer_end(&answer).map_err(Failure::other)? {
                answer.truncate(end);
                return Ok(answer);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Failure::other(format!("{}: the connection was closed", self.address))),
                Ok(got) => answer.extend_from_slice(piece.get(..got).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Failure::nobody(format!("{}: no answer in time", self.address)));
                }
                Err(error) => return Err(Failure::other(error)),
            }
        }
    }

    /// Becomes the stream of a session.
    pub(super) fn into_stream(mut self, session: &str) -> Result<TcpStream, Failure> {
        let request = format!(
            "GET /api/c2sim/session/{session}/ws?clientId={} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             {}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.client, self.address, self.shown
        );
        let answer = self.exchange(request.as_bytes())?;
        if answer.starts_with(b"HTTP/1.1 101 ") {
            return Ok(self.stream);
        }
        Err(Failure::other(format!("{}: no WebSocket: {}", self.address, String::from_utf8_lossy(&answer).trim())))
    }
}

/// A connection that hears a session's topic over STOMP.
pub(super) fn subscribed(address: &str, session: &str) -> Result<TcpStream, Failure> {
    let mut stream = connected(address)?;
    let shown = credentials::token()?.map(|token| format!("login:?\npasscode:{token}\n")).unwrap_or_default();
    let words = format!(
        "CONNECT\naccept-version:1.2\nhost:bench\n{shown}\n\0SUBSCRIBE\nid:1\ndestination:/topic/C2SIM.{session}\nreceipt:r\n\n\0"
    );
    stream.write_all(words.as_bytes()).map_err(Failure::other)?;
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    // CONNECTED and RECEIPT.
    while heard.iter().filter(|byte| **byte == 0).count() < 2 {
        match stream.read(&mut piece) {
            Ok(got) if got > 0 => heard.extend_from_slice(piece.get(..got).unwrap_or_default()),
            _ => return Err(Failure::nobody(format!("{address}: no answer in time"))),
        }
        if heard.windows(5).any(|word| word == b"ERROR") {
            return Err(Failure::other(format!(
                "{address}: {}",
                String::from_utf8_lossy(&heard).trim_matches(['\0', '\n'])
            )));
        }
    }
    Ok(stream)
}

fn connected(address: &str) -> Result<TcpStream, Failure> {
    let unreachable = |error: std::io::Error| {
        let why = in_words(&error);
        Failure::nobody(format!(
            "no server of HTTP at {address}: {why} (start one: instep; or say where: ADDRESS, its http_bind)"
        ))
    };
    let stream = TcpStream::connect(address).map_err(unreachable)?;
    let set =
        [stream.set_nodelay(true), stream.set_read_timeout(Some(PATIENCE)), stream.set_write_timeout(Some(PATIENCE))];
    set.into_iter().collect::<Result<(), _>>().map_err(unreachable)?;
    Ok(stream)
}

/// How a hearer is told: texts are counted, each a document.
#[derive(Debug)]
pub(super) enum Ear {
    Stream(Frames),
    /// Frames of STOMP end in a zero byte.
    Topic,
}

impl Ear {
    /// How many documents have come with these bytes.
    pub(super) fn documents(&mut self, bytes: &[u8]) -> Result<u64, String> {
        match self {
            Self::Stream(frames) => frames.texts(bytes),
            Self::Topic => Ok(bytes.iter().filter(|byte| **byte == 0).count() as u64),
        }
    }
}

/// The client's end of a WebSocket, as far as it matters here: frames are told apart, documents counted.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame that has not all come.
    head: Vec<u8>,
    /// Bytes of the frame at hand that are still to come.
    left: u64,
}

impl Frames {
    /// How many texts begin in what has come. The rest of each is passed over.
    pub(super) fn texts(&mut self, mut bytes: &[u8]) -> Result<u64, String> {
        let mut texts = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = bytes.get(passed..).unwrap_or_default();
                self.left -= passed as u64;
                continue;
            }
            let [byte, rest @ ..] = bytes else { break };
            self.head.push(*byte);
            bytes = rest;
            let Some(left) = length(&self.head) else { continue };
            match self.head.first() {
                Some(0x81) => texts += 1,
                Some(0x88) => return Err("its stream was closed".to_owned()),
                _ => {}
            }
            self.left = left;
            self.head.clear();
        }
        Ok(texts)
    }
}

/// The length that a frame's head tells, once it is whole.
fn length(head: &[u8]) -> Option<u64> {
    match *head {
        [_, 126, a, b] => Some(u64::from(u16::from_be_bytes([a, b]))),
        [_, 126 | 127] | [] | [_] => None,
        [_, 127, ref long @ ..] => long.first_chunk().map(|long| u64::from_be_bytes(*long)),
        [_, 126, ..] => None,
        [_, short, ..] => Some(u64::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP";
        assert_eq!(answer_end(answer), Ok(Some((answer.len() - 4, 200))));
        assert_eq!(answer_end(&answer[..answer.len() - 5]), Ok(None));
        assert_eq!(answer_end(b"HTTP/1.1 101 X\r\n\r\nrest"), Ok(Some((18, 101))));
        assert!(answer_end(&vec![b'x'; HEAD_BYTES_MAX]).is_err());
    }

    #[test]
    fn texts_are_counted_however_they_are_cut() {
        let long = [&[0x81, 126, 0, 200][..], &[7; 200]].concat();
        let all = [&b"\x81\x02hi"[..], b"\x89\x00", &long, b"\x81\x7f\0\0\0\0\0\0\0\x01x"].concat();
        for piece in 1..all.len() {
            let mut frames = Frames::default();
            let texts: u64 = all.chunks(piece).map(|bytes| frames.texts(bytes).unwrap()).sum();
            assert_eq!(texts, 3, "{piece}");
        }
        assert!(Frames::default().texts(b"\x88\x00").is_err());
    }
}
