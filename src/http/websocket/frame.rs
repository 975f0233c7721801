//! The frames that we send: whole messages in one frame each, and control frames. Ours are not masked.

/// The most that a control frame carries.
pub const CONTROL_BYTES_MAX: usize = 125;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
/// Set in the first byte of the last frame of a message.
pub(super) const LAST: u8 = 0x80;

/// What stands before the payload of a message. The same one goes before it to every receiver.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; 10],
    len: usize,
}

impl Header {
    /// Of a message of `len` bytes.
    #[must_use]
    pub fn of(kind: Kind, len: usize) -> Self {
        let opcode = match kind {
            Kind::Text => TEXT,
            Kind::Binary => BINARY,
        };
        let mut header = Self { bytes: [0; 10], len: 0 };
        let mut put = |bytes: &[&[u8]]| {
            header.bytes.iter_mut().zip(bytes.iter().copied().flatten()).for_each(|(place, byte)| *place = *byte);
            header.len = bytes.iter().map(|part| part.len()).sum();
        };
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(tiny @ 0..=125), _) => put(&[&[LAST | opcode, tiny]]),
            (_, Ok(short)) => put(&[&[LAST | opcode, 126], &short.to_be_bytes()]),
            _ => put(&[&[LAST | opcode, 127], &(len as u64).to_be_bytes()]),
        }
        header
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The payload of a control frame.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: usize,
}

impl Payload {
    /// The first bytes of these, as many as a control frame carries.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut payload = Self { bytes: [0; CONTROL_BYTES_MAX], len: 0 };
        for byte in parts.iter().copied().flatten() {
            if let Some(place) = payload.bytes.get_mut(payload.len) {
                *place = *byte;
                payload.len += 1;
            }
        }
        payload
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

/// A whole control frame.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    head: [u8; 2],
    payload: Payload,
}

impl Control {
    fn of(opcode: u8, payload: Payload) -> Self {
        Self { head: [LAST | opcode, u8::try_from(payload.len).unwrap_or(0)], payload }
    }

    /// Asks for a sign of life.
    #[must_use]
    pub fn ping() -> Self {
        Self::of(PING, Payload::of(&[]))
    }

    /// The answer to a PING with this payload.
    #[must_use]
    pub fn pong(payload: Payload) -> Self {
        Self::of(PONG, payload)
    }

    /// Says why it is over. Nothing may be sent behind it. The reason is cut where a control frame ends, not within a letter.
    #[must_use]
    pub fn close(code: u16, reason: &str) -> Self {
        let reason = reason.get(..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)).unwrap_or_default();
        Self::of(CLOSE, Payload::of(&[&code.to_be_bytes(), reason.as_bytes()]))
    }

    /// The answer to a CLOSE: the same code, or none.
    #[must_use]
    pub fn closed(code: Option<u16>) -> Self {
        code.map_or_else(|| Self::of(CLOSE, Payload::of(&[])), |code| Self::close(code, ""))
    }

    /// What is to be sent.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.head, self.payload.bytes()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_short_as_can_be() {
        for (len, bytes) in [
            (0, &b"\x81\x00"[..]),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            assert_eq!(Header::of(Kind::Text, len).bytes(), bytes);
        }
        assert_eq!(Header::of(Kind::Binary, 1).bytes(), b"\x82\x01");
    }

    #[test]
    fn control_frames_are_whole() {
        let bytes = |control: Control| control.parts().concat();
        assert_eq!(bytes(Control::ping()), b"\x89\x00");
        assert_eq!(bytes(Control::pong(Payload::of(&[b"a", b"b"]))), b"\x8a\x02ab");
        assert_eq!(bytes(Control::close(1012, "bye")), b"\x88\x05\x03\xf4bye");
        assert_eq!(
            [bytes(Control::closed(None)), bytes(Control::closed(Some(1000)))],
            [&b"\x88\x00"[..], b"\x88\x02\x03\xe8"]
        );
    }

    #[test]
    fn a_reason_is_cut_between_letters() {
        for (reason, len) in
            [("x".repeat(123), 123), ("x".repeat(124), 123), ("ä".repeat(70), 122), ("€".repeat(41), 123)]
        {
            let close = Control::close(1011, &reason).parts().concat();
            assert_eq!((close.len(), usize::from(close[1])), (len + 4, len + 2));
            assert!(reason.starts_with(core::str::from_utf8(&close[4..]).unwrap()));
        }
    }
}
