//! ZMTP and LECO as a component speaks them, written down a second time so that the hub is not checked against its own code.

/// A component's greeting (ZMTP 3.`minor`, NULL) and READY.
pub(crate) fn opening(minor: u8) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[11] = minor;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes.extend_from_slice(b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER");
    bytes
}

/// The same of a socket of another type.
pub(crate) fn opening_as(minor: u8, socket_type: &str) -> Vec<u8> {
    let mut bytes = opening(minor);
    bytes.truncate(64);
    let mut body = b"\x05READY\x0bSocket-Type\x00\x00\x00".to_vec();
    body.push(socket_type.len() as u8);
    body.extend_from_slice(socket_type.as_bytes());
    bytes.extend([4, body.len() as u8]);
    bytes.extend(body);
    bytes
}

/// The frames of a message as they travel.
pub(crate) fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        let more = u8::from(n + 1 < frames.len());
        if frame.len() < 256 {
            bytes.extend_from_slice(&[more, frame.len() as u8]);
        } else {
            bytes.push(more | 2);
            bytes.extend_from_slice(&(frame.len() as u64).to_be_bytes());
        }
        bytes.extend_from_slice(frame);
    }
    bytes
}

/// What a stream brings after the greeting.
#[derive(Debug)]
pub(crate) enum Unit {
    Command(Vec<u8>),
    Message(Vec<Vec<u8>>),
}

/// Takes a stream apart, however it is cut.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    greeted: bool,
    frames: Vec<Vec<u8>>,
}

impl Reader {
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Unit> {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        let mut units = Vec::new();
        if !self.greeted {
            if self.bytes.len() < 64 {
                return units;
            }
            self.greeted = true;
            at = 64;
        }
        while let Some((flags, body, end)) = frame_at(&self.bytes, at) {
            let frame = self.bytes[body..end].to_vec();
            at = end;
            if flags & 4 != 0 {
                units.push(Unit::Command(frame));
                continue;
            }
            self.frames.push(frame);
            if flags & 1 == 0 {
                units.push(Unit::Message(std::mem::take(&mut self.frames)));
            }
        }
        self.bytes.drain(..at);
        units
    }
}

/// Flags, start and end of the body of a whole frame at `at`.
fn frame_at(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let flags = *bytes.get(at)?;
    let (body, len) = if flags & 2 == 0 {
        (at + 2, usize::from(*bytes.get(at + 1)?))
    } else {
        let size = bytes.get(at + 1..at + 9)?;
        (at + 9, u64::from_be_bytes(size.try_into().ok()?) as usize)
    };
    (bytes.len() >= body + len).then_some((flags, body, body + len))
}

const MARK: &[u8; 8] = b"SIMULATE";

/// A header whose conversation id carries the message's number.
pub(crate) fn header(number: u64, content_type: u8) -> Vec<u8> {
    let mut header = number.to_be_bytes().to_vec();
    header.extend_from_slice(MARK);
    header.extend_from_slice(&[0, 0, 0, content_type]);
    header
}

/// The number in a header that one of us made.
pub(crate) fn number(header: &[u8]) -> Option<u64> {
    let (number, rest) = header.split_first_chunk::<8>()?;
    rest.starts_with(MARK).then(|| u64::from_be_bytes(*number))
}

/// Splits a full name at its last dot.
pub(crate) fn split(name: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => (Some(&name[..dot]), &name[dot + 1..]),
        None => (None, name),
    }
}
