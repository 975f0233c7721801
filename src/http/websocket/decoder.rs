//! What a client sends, taken apart. Fed with a contiguous buffer, it says what the buffer begins with.
//!
//! As with requests the caller keeps the bytes, takes away those of each [`Step`] and asks again until it is [`Step::Need`]. What a message
//! carries is handed on as it comes, unmasked and checked: nobody waits for the end of a frame, and no more is held here than a frame's
//! header in the caller's buffer. So messages may be kept whole by the caller, or read on as a stream of bytes.

use super::fault::Fault;
use super::frame::{BINARY, CLOSE, CONTINUATION, CONTROL_BYTES_MAX, Kind, LAST, PING, PONG, Payload, TEXT};
use super::utf8::Check;
use crate::limits::WEBSOCKET_FRAMES_MAX;

/// What the buffer begins with; `len` bytes of it are to be taken away.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// At least this many more bytes are needed.
    Need(usize),
    /// They mean nothing: they lie behind CLOSE.
    Skip {
        /// Bytes to take away from the front.
        len: usize,
    },
    /// A piece of a message, perhaps an empty one. What it carries has been handed on.
    Message {
        /// Bytes to take away from the front.
        len: usize,
        /// What the message is made of.
        kind: Kind,
        /// The message is whole.
        is_last: bool,
    },
    /// To be answered by [`super::frame::Control::pong`], perhaps between the pieces of a message.
    Ping {
        /// Bytes to take away from the front.
        len: usize,
        /// What the answer is to carry.
        payload: Payload,
    },
    /// A sign of life.
    Pong {
        /// Bytes to take away from the front.
        len: usize,
    },
    /// To be answered by [`super::frame::Control::closed`] if we have not sent CLOSE ourselves; then the connection ends.
    Close {
        /// Bytes to take away from the front.
        len: usize,
        /// Why, if the client says so.
        code: Option<u16>,
        /// The same in words, which are UTF-8.
        reason: Payload,
    },
}

/// A frame of a message whose payload is coming.
#[derive(Clone, Copy, Debug)]
struct Frame {
    left: u64,
    mask: [u8; 4],
    ends: bool,
}

/// A message that has begun.
#[derive(Clone, Copy, Debug)]
struct Message {
    kind: Kind,
    bytes: u64,
    frames: u32,
    text: Check,
}

/// The machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    message: Option<Message>,
    frame: Option<Frame>,
    is_closed: bool,
}

/// The first bytes of a frame.
struct Head {
    opcode: u8,
    ends: bool,
    mask: [u8; 4],
    payload: u64,
    len: usize,
}

impl Decoder {
    /// Judges what `buffer`, the unconsumed bytes of the connection, begins with. What a message of at most `message_bytes_max` bytes carries
    /// goes to `take`, in pieces of any size.
    ///
    /// # Errors
    /// The [`Fault`] that ends the connection.
    pub fn next(&mut self, buffer: &[u8], message_bytes_max: u64, take: impl FnMut(&[u8])) -> Result<Step, Fault> {
        if self.is_closed && !buffer.is_empty() {
            return Ok(Step::Skip { len: buffer.len() });
        }
        if self.frame.is_some() {
            return self.payload(buffer, 0, take);
        }
        let head = match head(buffer)? {
            Ok(head) => head,
            Err(missing) => return Ok(Step::Need(missing)),
        };
        if head.opcode >= CLOSE {
            return self.control(buffer, &head);
        }
        self.begin(&head, message_bytes_max)?;
        self.payload(buffer, head.len, take)
    }

    /// A frame of a message begins.
    fn begin(&mut self, head: &Head, message_bytes_max: u64) -> Result<(), Fault> {
        let new = |kind| Message { kind, bytes: 0, frames: 0, text: Check::default() };
        let mut message = match (head.opcode, self.message) {
            (CONTINUATION, Some(message)) => message,
            (TEXT, None) => new(Kind::Text),
            (BINARY, None) => new(Kind::Binary),
            _ => return Err(Fault::Continuation),
        };
        message.bytes = message.bytes.saturating_add(head.payload);
        message.frames += 1;
        if message.bytes > message_bytes_max {
            return Err(Fault::TooLarge);
        }
        if message.frames > WEBSOCKET_FRAMES_MAX {
            return Err(Fault::TooManyFrames);
        }
        self.message = Some(message);
        self.frame = Some(Frame { left: head.payload, mask: head.mask, ends: head.ends });
        Ok(())
    }

    /// Hands on what is there of a frame's payload, which begins `at` bytes behind the front.
    fn payload(&mut self, buffer: &[u8], at: usize, mut take: impl FnMut(&[u8])) -> Result<Step, Fault> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else { return Ok(Step::Need(1)) };
        let rest = buffer.get(at..).unwrap_or_default();
        let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(rest.len());
        if at + len == 0 && frame.left > 0 {
            return Ok(Step::Need(usize::try_from(frame.left).unwrap_or(usize::MAX)));
        }
        // A multiple of four, so that each block begins with the first byte of the mask.
        let mut block = [0; 256];
        for masked in rest.get(..len).unwrap_or_default().chunks(block.len()) {
            let plain = block.get_mut(..masked.len()).unwrap_or_default();
            plain.copy_from_slice(masked);
            unmask(plain, frame.mask);
            if message.kind == Kind::Text && !message.text.push(plain) {
                return Err(Fault::Text);
            }
            take(plain);
        }
        frame.left -= len as u64;
        frame.mask.rotate_left(len % 4);
        let (kind, is_over) = (message.kind, frame.left == 0);
        let is_last = is_over && frame.ends;
        if is_last && !message.text.is_whole() {
            return Err(Fault::Text);
        }
        if is_over {
            self.frame = None;
        }
        if is_last {
            self.message = None;
        }
        Ok(Step::Message { len: at + len, kind, is_last })
    }

    fn control(&mut self, buffer: &[u8], head: &Head) -> Result<Step, Fault> {
        let len = head.len + usize::try_from(head.payload).unwrap_or(CONTROL_BYTES_MAX);
        let Some(masked) = buffer.get(head.len..len) else { return Ok(Step::Need(len - buffer.len())) };
        let mut payload = Payload::of(&[masked]);
        unmask(payload.bytes_mut(), head.mask);
        match head.opcode {
            PING => return Ok(Step::Ping { len, payload }),
            PONG => return Ok(Step::Pong { len }),
            _ => {}
        }
        let (code, reason) = match payload.bytes() {
            [] => (None, payload),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !is_sent(code) {
                    return Err(Fault::CloseCode);
                }
                if core::str::from_utf8(reason).is_err() {
                    return Err(Fault::Text);
                }
                (Some(code), Payload::of(&[reason]))
            }
            _ => return Err(Fault::CloseCode),
        };
        self.is_closed = true;
        Ok(Step::Close { len, code, reason })
    }
}

/// Whether a code may stand in a CLOSE: those that are registered for it, and those left to libraries and applications.
const fn is_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// The header at the front, or how many bytes are missing.
fn head(buffer: &[u8]) -> Result<Result<Head, usize>, Fault> {
    let Some(first) = buffer.first() else { return Ok(Err(2)) };
    let (opcode, ends) = (first & 0x0f, first & LAST != 0);
    if first & 0x70 != 0 {
        return Err(Fault::Reserved);
    }
    if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
        return Err(Fault::Opcode);
    }
    let Some(second) = buffer.get(1) else { return Ok(Err(1)) };
    if second & 0x80 == 0 {
        return Err(Fault::Unmasked);
    }
    let short = second & 0x7f;
    if opcode >= CLOSE && (!ends || usize::from(short) > CONTROL_BYTES_MAX) {
        return Err(Fault::Control);
    }
    let (behind, least) = match short {
        126 => (2, 126),
        127 => (8, 1 << 16),
        _ => (0, 0),
    };
    let len = 2 + behind + 4;
    let Some([digits @ .., a, b, c, d]) = buffer.get(2..len) else { return Ok(Err(len - buffer.len())) };
    let long = digits.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    let payload = if behind == 0 { u64::from(short) } else { long };
    if payload < least || payload > u64::MAX >> 1 {
        return Err(Fault::Length);
    }
    Ok(Ok(Head { opcode, ends, mask: [*a, *b, *c, *d], payload, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a client: first byte, payload, and a mask of its own.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, first];
        let len = u64::try_from(payload.len()).unwrap().to_be_bytes();
        let mut out = match payload.len() {
            0..=125 => vec![first, 0x80 | len[7]],
            126..=0xffff => [&[first, 0xfe], &len[6..]].concat(),
            _ => [&[first, 0xff], &len[..]].concat(),
        };
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    /// What is heard of bytes that come so many at a time, messages whole; a message may have 70,000 bytes.
    fn hear(bytes: &[u8], step: usize) -> Vec<String> {
        let (mut decoder, mut buffer, mut heard, mut held) = (Decoder::default(), Vec::new(), Vec::new(), Vec::new());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            loop {
                let len = match decoder.next(&buffer, 70_000, |piece| held.extend_from_slice(piece)) {
                    Err(fault) => {
                        heard.push(format!("{fault:?}"));
                        return heard;
                    }
                    Ok(Step::Need(n)) => {
                        assert!(
                            n > 0 && buffer.len() < 14 + CONTROL_BYTES_MAX,
                            "only a header or a control frame is held"
                        );
                        break;
                    }
                    Ok(Step::Skip { len }) => len,
                    Ok(Step::Message { len, kind, is_last }) => {
                        if is_last {
                            let message = std::mem::take(&mut held);
                            let label = if message.len() < 100 { text(&message) } else { message.len().to_string() };
                            heard.push(format!("{kind:?} {label}"));
                        }
                        len
                    }
                    Ok(Step::Ping { len, payload }) => {
                        heard.push(format!("ping {}", text(payload.bytes())));
                        len
                    }
                    Ok(Step::Pong { len }) => {
                        heard.push("pong".to_owned());
                        len
                    }
                    Ok(Step::Close { len, code, reason }) => {
                        heard.push(format!("close {code:?} {}", text(reason.bytes())));
                        len
                    }
                };
                assert!(len > 0);
                buffer.drain(..len);
            }
        }
        heard
    }

    fn hear_alike(frames: &[Vec<u8>]) -> Vec<String> {
        let bytes = frames.concat();
        let whole = hear(&bytes, bytes.len());
        for step in 1..bytes.len().min(40) {
            assert_eq!(hear(&bytes, step), whole, "{step} bytes at a time");
        }
        whole
    }

    #[test]
    fn messages_come_through_with_control_frames_between_them() {
        let heard = hear_alike(&[
            frame(0x81, "häh".as_bytes()),
            frame(0x82, b""),
            frame(0x01, b"a\xe2"),
            frame(0x89, b"are you there"),
            frame(0x00, b"\x82"),
            frame(0x8a, b"yes"),
            frame(0x00, b""),
            frame(0x80, b"\xacz"),
            frame(0x02, b""),
            frame(0x80, b"\xff"),
            frame(0x88, b"\x03\xe8bye"),
            frame(0x81, b"nobody hears this"),
        ]);
        assert_eq!(
            heard,
            [
                "Text häh",
                "Binary ",
                "ping are you there",
                "pong",
                "Text a€z",
                "Binary \u{fffd}",
                "close Some(1000) bye"
            ]
        );
    }

    #[test]
    fn lengths_of_every_class_are_read() {
        for len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000] {
            let heard = hear_alike(&[frame(0x82, &vec![b'x'; len]), frame(0x89, b"")]);
            assert_eq!(heard.len(), 2, "{len}");
            assert!(len < 100 || heard[0] == format!("Binary {len}"));
        }
    }

    #[test]
    fn what_is_against_the_rules_ends_the_connection() {
        let masked = |bytes: &[u8]| [bytes, &[0; 4]].concat();
        for (bytes, fault, code) in [
            (frame(0xc1, b""), "Reserved", 1002),
            (frame(0x91, b""), "Reserved", 1002),
            (frame(0x83, b""), "Opcode", 1002),
            (frame(0x8b, b""), "Opcode", 1002),
            (vec![0x81, 0], "Unmasked", 1002),
            (masked(b"\x82\xfe\x00\x7d"), "Length", 1002),
            (masked(b"\x82\xff\0\0\0\0\0\0\xff\xff"), "Length", 1002),
            (masked(b"\x82\xff\x80\0\0\0\0\0\0\0"), "Length", 1002),
            (frame(0x09, b""), "Control", 1002),
            (masked(b"\x89\xfe\x00\x7e"), "Control", 1002),
            (frame(0x80, b""), "Continuation", 1002),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), "Continuation", 1002),
            (frame(0x88, b"\x03"), "CloseCode", 1002),
            (frame(0x88, b"\x03\xed"), "CloseCode", 1002),
            (frame(0x88, b"\x03\xe8\xff"), "Text", 1007),
            (frame(0x81, b"\xff"), "Text", 1007),
            (frame(0x81, b"a\xe2\x82"), "Text", 1007),
            ([frame(0x01, b"\xe2"), frame(0x80, b"a")].concat(), "Text", 1007),
            (masked(b"\x82\xff\0\0\0\0\0\x01\x11\x71"), "TooLarge", 1009),
            (masked(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "TooLarge", 1009),
            ([frame(0x02, &[0; 60_000]), frame(0x80, &[0; 10_001])].concat(), "TooLarge", 1009),
        ] {
            assert_eq!(hear_alike(&[bytes]), [fault]);
            let all = [
                Fault::Reserved,
                Fault::Opcode,
                Fault::Unmasked,
                Fault::Length,
                Fault::Control,
                Fault::Continuation,
                Fault::CloseCode,
                Fault::Text,
                Fault::TooLarge,
            ];
            assert_eq!(all.iter().find(|known| format!("{known:?}") == fault).unwrap().code(), code, "{fault}");
        }
    }

    #[test]
    fn codes_that_must_not_be_sent_are_not_taken() {
        for (code, is_good) in [
            (0, false),
            (999, false),
            (1000, true),
            (1003, true),
            (1004, false),
            (1006, false),
            (1007, true),
            (1014, true),
            (1015, false),
            (2999, false),
            (3000, true),
            (4999, true),
            (5000, false),
        ] {
            let heard = hear_alike(&[frame(0x88, &u16::to_be_bytes(code))]);
            assert_eq!(heard[0].starts_with("close"), is_good, "{code}: {heard:?}");
        }
        assert_eq!(hear_alike(&[frame(0x88, b"")]), ["close None "]);
    }

    #[test]
    fn a_message_has_so_many_frames_and_no_more() {
        let frames = |count: u32| {
            let middle = frame(0x00, b"").repeat(count as usize - 2);
            hear(&[frame(0x02, b""), middle, frame(0x80, b"")].concat(), 1 << 20)
        };
        assert_eq!(frames(WEBSOCKET_FRAMES_MAX), ["Binary "]);
        assert_eq!(frames(WEBSOCKET_FRAMES_MAX + 1), ["TooManyFrames"]);
        assert_eq!(Fault::TooManyFrames.code(), 1009);
    }
}
