//! What a subscriber wants (RFC 37, "Subscribe and Cancel"): a set of topics, each of which stands for all messages whose first frame begins with it.
//!
//! ZMTP 3.0 says so in messages of one frame, `01` or `00` and the topic; 3.1 in commands. libzmq takes either from everybody, and so do
//! we. To a publisher the set goes as its version has it when it comes, and what changes goes as messages to all.

use super::command::SUBSCRIBE;
use super::frame::{self, Bounds, LONG_HEAD, Message, push_command, push_frame};

/// That something is wanted from here on, or is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Whether it is wanted.
    pub is_wanted: bool,
    /// What the first frame begins with.
    pub topic: &'a [u8],
}

impl<'a> Subscription<'a> {
    /// The one that a subscriber's message is; any other message is its own.
    #[must_use]
    pub fn of_message(message: &Message, wire: &'a [u8]) -> Option<Self> {
        if message.frames != 1 {
            return None;
        }
        match message.part(wire, 0)?.split_first()? {
            (0, topic) => Some(Self { is_wanted: false, topic }),
            (1, topic) => Some(Self { is_wanted: true, topic }),
            _ => None,
        }
    }

    /// Appends it as a message.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut head = [0; LONG_HEAD];
        let n = frame::write_head(&mut head, false, 1 + self.topic.len());
        out.extend_from_slice(head.get(..n).unwrap_or_default());
        out.push(u8::from(self.is_wanted));
        out.extend_from_slice(self.topic);
    }
}

/// Appends that a topic is wanted, as a publisher is told it that has just come and speaks this minor version.
pub fn write_wanted(out: &mut Vec<u8>, minor: u8, topic: &[u8]) {
    if minor == 0 {
        return Subscription { is_wanted: true, topic }.write(out);
    }
    let mut body = Vec::with_capacity(1 + SUBSCRIBE.len() + topic.len());
    body.push(u8::try_from(SUBSCRIBE.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(SUBSCRIBE);
    body.extend_from_slice(topic);
    push_command(out, &body);
}

/// Appends a message of two frames: a topic, and content behind it.
pub fn write_message(out: &mut Vec<u8>, topic: &[u8], content: &[u8]) {
    push_frame(out, true, topic);
    push_frame(out, false, content);
}

/// Counts the whole messages at the start of `buffer` whose first frame, with its header, is `front`: how many bytes they have, at most `most`, and how
/// many they are. What exceeds a bound, or is no message, is left to [`frame::Scan::next`].
#[must_use]
#[inline]
pub fn run(front: &[u8], buffer: &[u8], most: usize, bounds: &Bounds) -> (usize, u32) {
    let (mut whole, mut count) = (0, 0);
    while let Some(len) = message_behind(front, buffer.get(whole..).unwrap_or_default(), bounds)
        && whole + len <= most
    {
        whole += len;
        count += 1;
    }
    (whole, count)
}

/// Bytes of the message at the start of `buffer`, if it begins with `front` and is whole. Of a message of one frame `front` is all.
#[inline]
fn message_behind(front: &[u8], buffer: &[u8], bounds: &Bounds) -> Option<usize> {
    let mut rest = buffer.strip_prefix(front)?;
    let mut goes_on = front.first()? & frame::MORE != 0;
    let mut frames = 1;
    while goes_on {
        let head = frame::head(rest).ok()?;
        if head.flags & !(frame::MORE | frame::LONG) != 0 || head.body > bounds.frame_bytes_max {
            return None;
        }
        frames += 1;
        if frames > crate::limits::FRAMES_MAX {
            return None;
        }
        rest = rest.get(head.bytes + usize::try_from(head.body).ok()?..)?;
        goes_on = head.flags & frame::MORE != 0;
    }
    let len = buffer.len() - rest.len();
    (len as u64 <= bounds.message_bytes_max).then_some(len)
}

/// The last of so many whole messages.
#[must_use]
pub fn last_message(wire: &[u8], count: u32) -> &[u8] {
    let mut last = wire;
    for _ in 1..count {
        last = message_len(last).and_then(|len| last.get(len..)).unwrap_or_default();
    }
    last
}

/// Bytes of the message at the start of `buffer`, if it is whole.
#[must_use]
pub fn message_len(buffer: &[u8]) -> Option<usize> {
    const ANY: Bounds = Bounds { frame_bytes_max: u64::MAX, message_bytes_max: u64::MAX };
    let head = frame::head(buffer).ok()?;
    let front = buffer.get(..head.bytes.checked_add(usize::try_from(head.body).ok()?)?)?;
    message_behind(front, buffer, &ANY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::frame::{Found, Scan};

    const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 16, message_bytes_max: 1 << 16 };

    fn read(wire: &[u8]) -> Option<(bool, Vec<u8>)> {
        let Ok(Found::Message(message)) = Scan::default().next(wire, &BOUNDS) else { panic!("a message: {wire:?}") };
        Subscription::of_message(&message, wire).map(|found| (found.is_wanted, found.topic.to_vec()))
    }

    #[test]
    fn both_versions_are_written_as_libzmq_writes_them() {
        let mut out = Vec::new();
        write_wanted(&mut out, 1, b"N1.x");
        assert_eq!(out, b"\x04\x0e\x09SUBSCRIBEN1.x");
        out.clear();
        write_wanted(&mut out, 0, b"N1.x");
        assert_eq!(out, b"\x00\x05\x01N1.x");
        out.clear();
        Subscription { is_wanted: false, topic: b"" }.write(&mut out);
        assert_eq!(out, b"\x00\x01\x00");
    }

    #[test]
    fn what_is_written_reads_back_and_other_messages_are_no_subscriptions() {
        for topic in [&b""[..], b"N1.x", &[7; 256]] {
            for is_wanted in [true, false] {
                let mut out = Vec::new();
                Subscription { is_wanted, topic }.write(&mut out);
                assert_eq!(read(&out), Some((is_wanted, topic.to_vec())));
            }
        }
        for other in [&b"\x00\x00"[..], b"\x00\x02\x02x", b"\x01\x02\x01a\x00\x01b"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn messages_of_the_same_first_frame_make_a_run_and_no_others_do() {
        let same = b"\x01\x01a\x01\x00\x00\x02hi";
        let front = b"\x01\x01a";
        let len = same.len();
        for (behind, expected) in [
            (&b""[..], 2),
            (b"\x01\x01b\x00\x00", 2),
            (b"\x01\x01a\x00", 2),
            (b"\x01\x01a\x04\x00", 2),
            (b"\x01\x01a\x00\x01x", 3),
            (b"\x00\x01a", 2),
        ] {
            let bytes = [&same[..], same, behind].concat();
            let (used, count) = run(front, &bytes, usize::MAX, &BOUNDS);
            assert_eq!(count, expected, "{behind:?}");
            assert_eq!(used, if expected == 3 { bytes.len() } else { 2 * len });
        }
        let three = [&same[..], same, same].concat();
        assert_eq!(last_message(&three, 3), same);
        assert_eq!(last_message(same, 1), same);
        assert_eq!(run(front, &three, 2 * len + 1, &BOUNDS), (2 * len, 2), "no more than there is time for");
        assert_eq!(
            run(front, &three, usize::MAX, &Bounds { frame_bytes_max: 1, ..BOUNDS }),
            (0, 0),
            "too large a frame is somebody else's"
        );
        assert_eq!(run(b"\x00\x01a", b"\x00\x01a\x00\x01a\x00\x01b", usize::MAX, &BOUNDS), (6, 2));
    }
}
