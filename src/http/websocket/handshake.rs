//! The opening handshake: an HTTP request that asks for another protocol, and the answer that grants it (RFC 6455, 4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;

use crate::http::answer::{Answer, Date, Transfer};
use crate::http::credentials::{GRANTED, offers_granted};
use crate::http::head::{Head, Length, Terms};
use crate::http::method::Method;

/// What every server puts behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Letters of a key: 16 bytes in base64.
const KEY_LETTERS: usize = 24;

/// Why a request for WebSocket is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It does not ask for WebSocket: 426.
    NotAsked,
    /// It asks for another version than 13: 426.
    Version,
    /// It is no GET, has a body, or has no key of 16 bytes in base64: 400.
    Malformed,
}

impl Denial {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotAsked | Self::Version => 426,
            Self::Malformed => 400,
        }
    }

    /// Writes the whole answer.
    pub fn answer(self, out: &mut Vec<u8>, terms: Terms, date: &Date) {
        let reason = format!("{self}\n");
        let answer = Answer::begin(out, self.status(), terms, date);
        let answer = match self {
            Self::NotAsked | Self::Version => {
                let answer = answer.field("Upgrade", "websocket").field("Sec-WebSocket-Version", "13");
                // Names the field that is for this hop alone.
                if terms.keeps_alive { answer.field("Connection", "Upgrade") } else { answer }
            }
            Self::Malformed => answer,
        };
        answer.body("text/plain", Transfer::Fixed(reason.len()));
        if !terms.is_head {
            out.extend_from_slice(reason.as_bytes());
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "this is a WebSocket",
            Self::Version => "only WebSocket version 13 is spoken here",
            Self::Malformed => "malformed WebSocket handshake",
        })
    }
}

impl core::error::Error for Denial {}

/// The proof that we know what we grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    letters: [u8; 28],
    /// It offers the subprotocol that stands beside a token.
    is_ours: bool,
}

impl Accept {
    /// Judges a request, whose body is over. Extensions are not granted, and no subprotocol but the one that stands beside a token.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(head: &Head<'_>) -> Result<Self, Denial> {
        if head.terms.is_old || !head.lists("Upgrade", "websocket") || !head.lists("Connection", "upgrade") {
            return Err(Denial::NotAsked);
        }
        if head.method != Method::Get || head.length != Length::Fixed(0) {
            return Err(Denial::Malformed);
        }
        if head.field("Sec-WebSocket-Version") != Some("13") {
            return Err(Denial::Version);
        }
        let mut keys = head.all("Sec-WebSocket-Key");
        match (keys.next(), keys.next()) {
            (Some(key), None) => {
                let accept = Self::of(key).ok_or(Denial::Malformed)?;
                Ok(Self { is_ours: offers_granted(head), ..accept })
            }
            _ => Err(Denial::Malformed),
        }
    }

    /// The answer to a key, if that is one.
    fn of(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; KEY_LETTERS / 4 * 3];
        if key.len() != KEY_LETTERS || STANDARD.decode_slice(key, &mut bytes).ok() != Some(16) {
            return None;
        }
        let mut hash = sha1_smol::Sha1::new();
        hash.update(key);
        hash.update(GUID);
        let mut letters = [0; 28];
        STANDARD.encode_slice(hash.digest().bytes(), &mut letters).ok().map(|_| Self { letters, is_ours: false })
    }

    /// Writes the answer. Frames may follow at once.
    pub fn answer(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&self.letters);
        if self.is_ours {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(GRANTED.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /ws?clientId=a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nHost: h\r\n\r\n";

    fn judge(text: &str) -> Result<Accept, Denial> {
        Accept::judge(&Head::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn the_handshake_of_the_document_is_granted() {
        let mut out = Vec::new();
        judge(GOOD).unwrap().answer(&mut out);
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), answer);
        let loose = GOOD
            .replace("Connection: Upgrade", "connection:keep-alive, UPGRADE")
            .replace("websocket\r", "h2c, WebSocket\r");
        assert_eq!(judge(&loose), judge(GOOD));
        let offers = GOOD.replace(
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: x\r\n\r\n",
        );
        assert_eq!(judge(&offers), judge(GOOD));
    }

    #[test]
    fn what_asks_otherwise_is_told_how_to() {
        for (from, to, denial) in [
            ("Upgrade: websocket\r\n", "", Denial::NotAsked),
            ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", Denial::NotAsked),
            ("Connection: Upgrade", "Connection: close", Denial::NotAsked),
            ("HTTP/1.1", "HTTP/1.0", Denial::NotAsked),
            ("GET", "POST", Denial::Malformed),
            ("Host", "Content-Length: 1\r\nHost", Denial::Malformed),
            ("Version: 13", "Version: 8", Denial::Version),
            ("Sec-WebSocket-Version: 13\r\n", "", Denial::Version),
            ("ZQ==", "ZQ=", Denial::Malformed),
            ("ZQ==", "ZWE=", Denial::Malformed),
            ("dGhl", "d Gl", Denial::Malformed),
            ("Sec-WebSocket-Key", "Key", Denial::Malformed),
            ("Host: h", "Host: h\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", Denial::Malformed),
        ] {
            assert_eq!(judge(&GOOD.replacen(from, to, 1)), Err(denial), "{from} {to}");
        }
    }

    #[test]
    fn a_denial_says_which_version_is_spoken() {
        let mut out = Vec::new();
        Denial::Version.answer(&mut out, Terms::LAST, &Date::of(0));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 426 Upgrade Required\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: 41\r\n\r\n\
             only WebSocket version 13 is spoken here\n"
        );
        let (mut out, terms) = (Vec::new(), Terms { is_head: true, keeps_alive: true, ..Terms::LAST });
        Denial::Malformed.answer(&mut out, terms, &Date::of(0));
        assert!(out.starts_with(b"HTTP/1.1 400 ") && out.ends_with(b"Content-Length: 30\r\n\r\n"));
    }
}
