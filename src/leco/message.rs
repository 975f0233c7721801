//! A LECO message: a checked view over its frames, and a builder for our own.

use crate::limits::FULL_NAME_BYTES_MAX;

/// The id of a conversation: the same in a message and in its answer.
pub type Conversation = [u8; 16];

/// The only version of the protocol.
pub const VERSION: &[u8] = &[0];
/// Bytes of the header frame.
pub const HEADER_BYTES: usize = 20;
/// Header type: undefined content.
pub const TYPE_UNDEFINED: u8 = 0;
/// Header type: the first payload frame is JSON.
pub const TYPE_JSON: u8 = 1;
/// Header type: the first payload frame is a C2SIM document (the first of the types that are free for use).
pub const TYPE_C2SIM: u8 = 128;

/// The fixed frames of a message; payload beyond the first frame is forwarded unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Receiver as given: full name or component name.
    pub receiver: &'a [u8],
    /// Sender as given.
    pub sender: &'a [u8],
    /// Conversation id, message id, type.
    pub header: &'a [u8; HEADER_BYTES],
    /// First payload frame, if there is one.
    pub payload: Option<&'a [u8]>,
}

/// Why frames are not a LECO message. They are dropped and counted, and answered with an error where they name a sender; the stream
/// itself is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer than four frames.
    Frames,
    /// The version frame is not one zero byte.
    Version,
    /// The header frame does not have 20 bytes.
    Header,
    /// Receiver or sender is empty or longer than any full name.
    Name,
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Frames => "a message needs four frames",
            Self::Version => "unknown protocol version",
            Self::Header => "the header frame needs 20 bytes",
            Self::Name => "receiver or sender is empty or too long",
        })
    }
}

impl<'a> View<'a> {
    /// Checks the first frames of a message.
    ///
    /// # Errors
    /// [`Malformed`] says what no LECO message has.
    #[inline(always)]
    pub fn new(
        version: Option<&'a [u8]>,
        receiver: Option<&'a [u8]>,
        sender: Option<&'a [u8]>,
        header: Option<&'a [u8]>,
        payload: Option<&'a [u8]>,
    ) -> Result<Self, Malformed> {
        let (Some(version), Some(receiver), Some(sender), Some(header)) = (version, receiver, sender, header) else {
            return Err(Malformed::Frames);
        };
        Self::of([version, receiver, sender, header], payload)
    }

    /// The same of the four frames that every message has, and the first of its payload.
    ///
    /// # Errors
    /// [`Malformed`] as above.
    #[inline(always)]
    pub fn of(
        [version, receiver, sender, header]: [&'a [u8]; 4],
        payload: Option<&'a [u8]>,
    ) -> Result<Self, Malformed> {
        if version != VERSION {
            return Err(Malformed::Version);
        }
        let header = header.try_into().map_err(|_| Malformed::Header)?;
        let named = |name: &[u8]| !name.is_empty() && name.len() <= FULL_NAME_BYTES_MAX;
        if !named(receiver) || !named(sender) {
            return Err(Malformed::Name);
        }
        Ok(Self { receiver, sender, header, payload })
    }

    /// The type of the content.
    #[must_use]
    pub fn content_type(&self) -> u8 {
        self.header[HEADER_BYTES - 1]
    }
}

/// The conversation that a header names.
#[must_use]
#[inline]
pub fn conversation(header: &[u8; HEADER_BYTES]) -> Conversation {
    header.first_chunk().copied().unwrap_or_default()
}

/// A header for an answer: the conversation of `original`, message id zero, content JSON.
#[must_use]
pub fn answer_header(original: &[u8; HEADER_BYTES]) -> [u8; HEADER_BYTES] {
    let mut header = *original;
    header[16] = 0;
    header[17] = 0;
    header[18] = 0;
    header[19] = TYPE_JSON;
    header
}

/// A header for a conversation that we begin: a UUID version 7 (RFC 9562) of `unix_ms` and random bits, content JSON.
#[must_use]
pub fn new_header(unix_ms: u64, random: u128) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let stamp = unix_ms.to_be_bytes();
    let noise = random.to_be_bytes();
    header[..6].copy_from_slice(&stamp[2..]);
    header[6..16].copy_from_slice(&noise[6..]);
    header[6] = 0x70 | (header[6] & 0x0f);
    header[8] = 0x80 | (header[8] & 0x3f);
    header[19] = TYPE_JSON;
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = &[7; 20];

    #[test]
    fn a_view_needs_every_fixed_frame() {
        let good = View::new(Some(VERSION), Some(b"R"), Some(b"S"), Some(HEADER), None).unwrap();
        assert_eq!((good.receiver, good.sender, good.payload), (&b"R"[..], &b"S"[..], None));
        let view = |version, receiver, sender, header| View::new(version, receiver, sender, header, None).unwrap_err();
        assert_eq!(view(Some(VERSION), Some(b"R"), Some(b"S"), None), Malformed::Frames);
        assert_eq!(view(Some(b"\x01"), Some(b"R"), Some(b"S"), Some(HEADER)), Malformed::Version);
        assert_eq!(view(Some(b""), Some(b"R"), Some(b"S"), Some(HEADER)), Malformed::Version);
        assert_eq!(view(Some(VERSION), Some(b"R"), Some(b"S"), Some(&[7; 19])), Malformed::Header);
        assert_eq!(view(Some(VERSION), Some(b""), Some(b"S"), Some(HEADER)), Malformed::Name);
        assert_eq!(view(Some(VERSION), Some(b"R"), Some(&[b'x'; 600]), Some(HEADER)), Malformed::Name);
    }

    #[test]
    fn headers_keep_the_conversation_or_begin_one() {
        let answer = answer_header(&[7; 20]);
        assert_eq!(answer[..16], [7; 16]);
        assert_eq!(answer[16..], [0, 0, 0, TYPE_JSON]);
        let fresh = new_header(0x0190_c0de_0001, u128::MAX);
        assert_eq!(fresh[..6], [0x01, 0x90, 0xc0, 0xde, 0x00, 0x01]);
        assert_eq!((fresh[6] >> 4, fresh[8] >> 6), (7, 2));
        assert_eq!(fresh[16..], [0, 0, 0, TYPE_JSON]);
    }
}
