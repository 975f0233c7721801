//! Bytes as a peer writes them, and a reader that shares no code with the crate.

use serde_json::Value;

/// A ZMTP greeting of version 3.`minor` with NULL.
pub(crate) fn greeting(minor: u8) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0] = 0xff;
    bytes[8] = 1;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[11] = minor;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

/// One frame.
pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = if body.len() > 255 {
        let mut head = vec![flags | 2];
        head.extend_from_slice(&(body.len() as u64).to_be_bytes());
        head
    } else {
        vec![flags, body.len() as u8]
    };
    bytes.extend_from_slice(body);
    bytes
}

/// A command frame.
pub(crate) fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let body = [&[name.len() as u8], name.as_bytes(), data].concat();
    frame(4, &body)
}

/// One property of a READY command.
pub(crate) fn property(name: &str, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &(value.len() as u32).to_be_bytes()[..], value].concat()
}

/// READY as libzmq sends it.
pub(crate) fn ready(socket_type: &str, identity: &[u8]) -> Vec<u8> {
    command("READY", &[property("Socket-Type", socket_type.as_bytes()), property("Identity", identity)].concat())
}

/// Greeting and READY of a DEALER that speaks ZMTP 3.`minor`.
pub(crate) fn opening(minor: u8) -> Vec<u8> {
    [greeting(minor), ready("DEALER", b"")].concat()
}

/// A multipart message.
pub(crate) fn message(frames: &[&[u8]]) -> Vec<u8> {
    let last = frames.len() - 1;
    frames.iter().enumerate().flat_map(|(n, body)| frame(u8::from(n < last), body)).collect()
}

/// A LECO header of conversation `n`.
pub(crate) fn header(n: u64, kind: u8) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[8..16].copy_from_slice(&n.to_be_bytes());
    bytes[19] = kind;
    bytes
}

/// A LECO message of conversation `n` with any payload frames.
pub(crate) fn leco(receiver: &[u8], sender: &[u8], n: u64, payload: &[&[u8]]) -> Vec<u8> {
    let header = header(n, 1);
    let mut frames: Vec<&[u8]> = vec![&[0], receiver, sender, &header];
    frames.extend_from_slice(payload);
    message(&frames)
}

/// A JSON-RPC request without parameters.
pub(crate) fn request(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)
}

/// What was sent by the other end, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The body of a command.
    Command(Vec<u8>),
    /// The frames of a message.
    Message(Vec<Vec<u8>>),
}

/// Takes the first whole thing off `bytes`; `None` if there is none yet.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Heard> {
    let mut at = 0;
    let mut frames = Vec::new();
    loop {
        let flags = *bytes.get(at)?;
        assert!(flags < 8, "reserved flags from the server: {flags:#x}");
        let (head, body) = if flags & 2 == 0 {
            (2, usize::from(*bytes.get(at + 1)?))
        } else {
            let size: [u8; 8] = bytes.get(at + 1..at + 9)?.try_into().unwrap();
            let size = usize::try_from(u64::from_be_bytes(size)).unwrap();
            assert!(size > 255, "the server writes small sizes short");
            (9, size)
        };
        let content = bytes.get(at + head..at + head + body)?.to_vec();
        at += head + body;
        if flags & 4 != 0 {
            assert!(frames.is_empty() && flags & 1 == 0, "the server never cuts a message with a command");
            bytes.drain(..at);
            return Some(Heard::Command(content));
        }
        frames.push(content);
        if flags & 1 == 0 {
            bytes.drain(..at);
            return Some(Heard::Message(frames));
        }
    }
}

/// The JSON in the first payload frame.
pub(crate) fn json(frames: &[Vec<u8>]) -> Value {
    serde_json::from_slice(&frames[4]).unwrap_or_else(|error| panic!("no JSON in {frames:?}: {error}"))
}

/// The error code in a message, if it is an error.
pub(crate) fn code(frames: &[Vec<u8>]) -> Option<i64> {
    json(frames).get("error")?.get("code")?.as_i64()
}

/// A small seeded generator (SplitMix64) for hostile bytes.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.roll() as u8).collect()
    }
}

/// Hides in the opening of a connection that it is an instep's.
pub(crate) fn disguise(bytes: &mut [u8]) {
    const NAME: &[u8] = b"X-Instep-Node";
    if let Some(at) = bytes.windows(NAME.len()).position(|window| window == NAME) {
        bytes[at..at + NAME.len()].copy_from_slice(b"X-Nobody-Node");
    }
}
