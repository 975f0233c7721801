//! What a WebSocket client sends and takes, written without the room that does the same on the other side.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A frame: its first byte (0x80 for the last of a message, and what it is), then the payload under a mask.
pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    if let Ok(len @ 0..=125) = u8::try_from(payload.len()) {
        frame.push(0x80 | len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        frame.push(0xfe);
        frame.extend(len.to_be_bytes());
    } else {
        frame.push(0xff);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]));
    frame
}

/// The other end of a WebSocket, as far as a viewer needs one: what has come and is no whole frame yet.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    raw: Vec<u8>,
    /// The code that CLOSE came with.
    pub(crate) closed: Option<u16>,
    /// What the PONGs had in them.
    pub(crate) pongs: Vec<Vec<u8>>,
}

impl Socket {
    /// Asks for a WebSocket at a path.
    pub(crate) fn open(address: SocketAddr, path: &str) -> (Self, TcpStream) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        (Self::default(), stream)
    }

    /// Takes what has come; the binary messages that are whole.
    pub(crate) fn messages(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.raw.extend_from_slice(bytes);
        let (mut messages, mut used) = (Vec::new(), 0);
        while let Some((first, payload, len)) = server_frame(&self.raw[used..]) {
            assert_eq!(self.closed, None, "nothing comes behind CLOSE");
            match first {
                0x82 => messages.push(payload.to_vec()),
                0x88 => self.closed = Some(payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))),
                0x89 => {}
                0x8a => self.pongs.push(payload.to_vec()),
                other => panic!("{other:#x}"),
            }
            used += len;
        }
        self.raw.drain(..used);
        messages
    }
}

/// The frame of a server that bytes begin with: its first byte, its payload and its length.
fn server_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [first, short, rest @ ..] = bytes else { return None };
    assert_eq!(short & 0x80, 0, "a server does not mask");
    let digits = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let long = rest.get(..digits)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let len = if digits == 0 { usize::from(*short) } else { long };
    Some((*first, rest.get(digits..digits + len)?, 2 + digits + len))
}
