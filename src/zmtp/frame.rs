//! Frames and the scan that finds whole multipart messages in a contiguous buffer.
//!
//! The scan never copies and never reserves: it walks frame headers and says either "a message ends here", "a command
//! lies here", or "at least n more bytes are needed". It remembers how far it came, so bytes that trickle in are
//! walked once.

use super::Fault;
use crate::limits::{COMMAND_BYTES_MAX, FRAMES_MAX};

/// Flag: more frames of this message follow.
pub const MORE: u8 = 1;
/// Flag: the size takes eight bytes.
pub const LONG: u8 = 2;
/// Flag: a command, not part of a message.
pub const COMMAND: u8 = 4;

/// Bytes of the header of a frame whose size takes one byte: a frame has no fewer.
pub const SHORT_HEAD: usize = 2;
/// Bytes of the header of a frame whose size takes eight bytes.
pub const LONG_HEAD: usize = 9;

/// Frames of a message whose place is kept: as many as those who read messages look at one by one.
pub const PARTS: usize = 5;

/// Bounds that the scan holds messages to; both at most [`crate::limits::MESSAGE_BYTES_CEILING`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of one frame's body.
    pub frame_bytes_max: u64,
    /// Bytes of a whole message on the wire.
    pub message_bytes_max: u64,
}

/// A whole multipart message that starts at the buffer's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Bytes of the message on the wire.
    pub len: usize,
    /// Frames it has.
    pub frames: u32,
    parts: [(u32, u32); PARTS],
}

impl Message {
    /// Bytes before the body of the last frame but one, where the message has exactly [`PARTS`]: what a run of messages between the
    /// same two ends has in common. See [`run`].
    #[must_use]
    #[inline]
    pub fn front(&self) -> Option<usize> {
        if self.frames as usize != PARTS {
            return None;
        }
        self.parts.get(PARTS - 2).map(|(start, _)| *start as usize)
    }

    /// Where frame [`PARTS`] begins, header first, in a message that has more than so many frames.
    #[must_use]
    pub fn rest(&self) -> Option<usize> {
        let (_, end) = self.parts.last().filter(|_| self.frames as usize > PARTS)?;
        Some(*end as usize)
    }

    /// Where frame `n` (from 0, below [`PARTS`]) ends.
    #[must_use]
    pub fn end_of(&self, n: usize) -> Option<usize> {
        let &(_, end) = self.parts.get(n).filter(|_| n < self.frames as usize)?;
        Some(end as usize)
    }

    /// The bodies of the first four frames in the buffer that was scanned, if the message has so many.
    #[must_use]
    #[inline(always)]
    pub fn first_four<'a>(&self, buffer: &'a [u8]) -> Option<[&'a [u8]; 4]> {
        if self.frames < 4 {
            return None;
        }
        let [a, b, c, d, _] = self.parts;
        let body = |(start, end): (u32, u32)| buffer.get(start as usize..end as usize);
        Some([body(a)?, body(b)?, body(c)?, body(d)?])
    }

    /// The body of frame `n` (from 0, below [`PARTS`]) in the buffer that was scanned.
    #[must_use]
    #[inline]
    pub fn part<'a>(&self, buffer: &'a [u8], n: usize) -> Option<&'a [u8]> {
        if n >= self.frames as usize {
            return None;
        }
        let &(start, end) = self.parts.get(n)?;
        buffer.get(start as usize..end as usize)
    }
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// At least this many more bytes are needed; a message cannot end before them.
    Need(usize),
    /// The buffer begins with this whole message.
    Message(Message),
    /// A command frame at `at`: its header has `head` bytes, its body `body`. Frames of an unfinished message may lie before it;
    /// the caller takes the command's bytes out of the stream and goes on.
    Command {
        /// Offset of the frame.
        at: usize,
        /// Bytes of its header.
        head: usize,
        /// Bytes of its body.
        body: usize,
    },
}

/// How far the walk through the current message came.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    at: usize,
    frames: u32,
    parts: [(u32, u32); PARTS],
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Flags as sent.
    pub flags: u8,
    /// Bytes of the header itself: 2 or 9.
    pub bytes: usize,
    /// Bytes of the body, up to 2^64-1 as announced.
    pub body: u64,
}

/// Reads the frame header at the start of `bytes`; `Err` holds how many bytes are missing at least.
#[inline(always)]
pub const fn head(bytes: &[u8]) -> Result<Head, usize> {
    match bytes {
        [flags, size, ..] if *flags & LONG == 0 => Ok(Head { flags: *flags, bytes: SHORT_HEAD, body: *size as u64 }),
        [flags, a, b, c, d, e, f, g, h, ..] => {
            Ok(Head { flags: *flags, bytes: LONG_HEAD, body: u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) })
        }
        [flags, ..] if *flags & LONG != 0 => Err(LONG_HEAD - bytes.len()),
        _ => Err(SHORT_HEAD - bytes.len()),
    }
}

/// Counts the whole messages at the start of `buffer` that begin with the bytes `front`, go on with `middle` bytes of anything
/// and end with one more frame. Says how many bytes they have, and how many they are.
///
/// Such messages differ from the one that `front` was taken from in the body of its fourth frame and in its fifth frame only, so they go
/// where that one went. Whatever is not of this form, or exceeds a bound, is left to [`Scan::next`].
#[inline(always)]
#[must_use]
pub fn run(front: &[u8], middle: usize, buffer: &[u8], bounds: &Bounds) -> (usize, u64) {
    let mut rest = buffer;
    let mut count = 0;
    // What the last frame may have: with it, neither the frame nor the message is too large.
    let around = front.len() + middle + LONG_HEAD;
    let most = bounds.frame_bytes_max.min(bounds.message_bytes_max.saturating_sub(around as u64));
    while let Some(last) = rest.strip_prefix(front).and_then(|after| after.get(middle..))
        && let Ok(head) = head(last)
        && head.flags & !LONG == 0
        && head.body <= most
        && let Ok(body) = usize::try_from(head.body)
        && let Some(next) = last.get(head.bytes + body..)
    {
        rest = next;
        count += 1;
    }
    (buffer.len() - rest.len(), count)
}

impl Scan {
    /// Whether frames of an unfinished message have been walked.
    #[must_use]
    pub const fn inside_message(&self) -> bool {
        self.at > 0
    }

    /// The frames of an unfinished message that have been walked, with their places in the buffer that was scanned.
    #[must_use]
    pub const fn front(&self) -> Message {
        Message { len: self.at, frames: self.frames, parts: self.parts }
    }

    /// Goes on through `buffer`, which must begin with the same unfinished message as the last time.
    ///
    /// # Errors
    /// A [`Fault`] when flags are reserved ones or a bound is exceeded; the announced size is judged before a byte of the body is
    /// there.
    #[inline(always)]
    pub fn next(&mut self, buffer: &[u8], bounds: &Bounds) -> Result<Found, Fault> {
        let mut rest = buffer.get(self.at..).unwrap_or_default();
        // Both stay in registers as long as whole frames come.
        let (mut at, mut frames) = (self.at, self.frames);
        let stopped = loop {
            let head = match head(rest) {
                Ok(head) => head,
                // Even an incomplete header shows its flags.
                Err(_) if rest.first().is_some_and(|flags| flags & !(MORE | LONG | COMMAND) != 0) => {
                    break Err(Fault::Flags);
                }
                Err(missing) => break Ok(Found::Need(missing)),
            };
            if head.flags & !(MORE | LONG) != 0 {
                break command(head, rest, at);
            }
            if head.body > bounds.frame_bytes_max {
                break Err(Fault::FrameTooLarge);
            }
            // Both summands are bounded now: the body by the configured bound, the rest by what is in memory.
            let Ok(body) = usize::try_from(head.body) else { break Err(Fault::FrameTooLarge) };
            let start = at + head.bytes;
            let end = start + body;
            if end as u64 > bounds.message_bytes_max {
                break Err(Fault::MessageTooLarge);
            }
            let next = rest.get(head.bytes + body..);
            match (self.parts.get_mut(frames as usize), next) {
                (None, _) if frames >= FRAMES_MAX => break Err(Fault::TooManyFrames),
                (_, None) => break Ok(Found::Need(end - buffer.len())),
                (part, Some(next)) => {
                    if let Some(part) = part {
                        #[expect(clippy::cast_possible_truncation, reason = "message_bytes_max is at most 2^30")]
                        let range = (start as u32, end as u32);
                        *part = range;
                    }
                    rest = next;
                }
            }
            frames += 1;
            at = end;
            if head.flags & MORE == 0 {
                (self.at, self.frames) = (0, 0);
                return Ok(Found::Message(Message { len: end, frames, parts: self.parts }));
            }
        };
        (self.at, self.frames) = (at, frames);
        stopped
    }
}

#[cold]
fn command(head: Head, rest: &[u8], at: usize) -> Result<Found, Fault> {
    if head.flags & !LONG != COMMAND {
        return Err(Fault::Flags);
    }
    let body = usize::try_from(head.body).map_err(|_| Fault::CommandTooLarge)?;
    if body > COMMAND_BYTES_MAX {
        return Err(Fault::CommandTooLarge);
    }
    let whole = head.bytes + body;
    if rest.len() < whole {
        return Ok(Found::Need(whole - rest.len()));
    }
    Ok(Found::Command { at, head: head.bytes, body })
}

/// Writes the header of a message frame of `body` bytes into `out`; returns how many of its bytes count.
#[must_use]
pub const fn write_head(out: &mut [u8; 9], more: bool, body: usize) -> usize {
    let flags = if more { MORE } else { 0 };
    if body <= 255 {
        out[0] = flags;
        #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
        {
            out[1] = body as u8;
        }
        2
    } else {
        let size = (body as u64).to_be_bytes();
        *out = [flags | LONG, size[0], size[1], size[2], size[3], size[4], size[5], size[6], size[7]];
        9
    }
}

/// Writes the header of a last frame of `body` bytes at the front of `place`, which has room for it; returns how many bytes it has.
#[inline(always)]
pub fn write_head_at(place: &mut [u8], body: usize) -> usize {
    let mut head = [0; LONG_HEAD];
    let n = write_head(&mut head, false, body);
    for (place, byte) in place.iter_mut().zip(head.get(..n).unwrap_or_default()) {
        *place = *byte;
    }
    n
}

/// Appends one message frame to `out`.
pub fn push_frame(out: &mut Vec<u8>, more: bool, body: &[u8]) {
    let mut head = [0; 9];
    let n = write_head(&mut head, more, body.len());
    out.extend_from_slice(head.get(..n).unwrap_or_default());
    out.extend_from_slice(body);
}

/// Appends one command to `out`, in a frame.
pub fn push_command(out: &mut Vec<u8>, body: &[u8]) {
    let start = out.len();
    push_frame(out, false, body);
    if let Some(flags) = out.get_mut(start) {
        *flags |= COMMAND;
    }
}

/// Bytes of the body of the largest frame in these, which are whole frames.
#[must_use]
pub fn largest(mut frames: &[u8]) -> usize {
    let mut largest = 0;
    while let Ok(head) = head(frames) {
        let body = usize::try_from(head.body).unwrap_or(usize::MAX);
        largest = largest.max(body);
        frames = frames.get(head.bytes.saturating_add(body)..).unwrap_or_default();
    }
    largest
}

/// How many of the first `n` bytes are whole messages, given that the first begins at `start`; with `start` itself where none is whole.
#[must_use]
pub fn whole_before(unsent: [&[u8]; 2], start: usize, n: usize) -> usize {
    let mut whole = start;
    while let Some((end, _)) = whole_at(unsent, whole, n) {
        whole = end;
    }
    whole
}

/// Where the message ends, or the command, that begins at `at`, if that is within the first `n` bytes; and whether it is a command.
#[must_use]
#[inline]
pub fn whole_at([first, second]: [&[u8]; 2], mut at: usize, n: usize) -> Option<(usize, bool)> {
    let byte = |at: usize| match first.get(at) {
        Some(byte) => *byte,
        None => second.get(at - first.len()).copied().unwrap_or(0),
    };
    loop {
        let flags = byte(at);
        let (head, body) = if flags & LONG == 0 {
            (2, usize::from(byte(at + 1)))
        } else {
            let size: [u8; 8] = core::array::from_fn(|i| byte(at + 1 + i));
            (9, usize::try_from(u64::from_be_bytes(size)).unwrap_or(usize::MAX / 2))
        };
        at = at.saturating_add(head + body);
        if at > n {
            return None;
        }
        // A command has no MORE.
        if flags & MORE == 0 || flags & COMMAND != 0 {
            return Some((at, flags & COMMAND != 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 20, message_bytes_max: 2 << 20 };

    fn message(bodies: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, body) in bodies.iter().enumerate() {
            push_frame(&mut out, i + 1 < bodies.len(), body);
        }
        out
    }

    #[test]
    fn finds_the_parts_of_a_message_however_it_trickles_in() {
        let bodies: [&[u8]; 6] = [b"\0", b"N1.CB", b"", &[7; 300], b"{}", b"tail"];
        let whole = message(&bodies);
        for step in 1..=whole.len() {
            let mut scan = Scan::default();
            let mut have = 0;
            let found = loop {
                have = (have + step).min(whole.len());
                match scan.next(&whole[..have], &BOUNDS).unwrap() {
                    Found::Need(n) => assert!(n > 0 && have + n <= whole.len(), "never asks beyond the message"),
                    Found::Message(found) => break found,
                    Found::Command { .. } => panic!("there is no command"),
                }
            };
            assert_eq!((found.len, found.frames), (whole.len(), 6));
            for (n, body) in bodies.iter().take(PARTS).enumerate() {
                assert_eq!(found.part(&whole, n), Some(*body));
            }
            assert_eq!(found.part(&whole, 5), None, "only the first five are kept");
        }
    }

    #[test]
    fn a_short_message_has_no_parts_of_the_last_one() {
        let mut scan = Scan::default();
        let long = message(&[b"a", b"b", b"c", b"d", b"e"]);
        assert!(matches!(scan.next(&long, &BOUNDS), Ok(Found::Message(_))));
        let short = message(&[b"x"]);
        let Ok(Found::Message(found)) = scan.next(&short, &BOUNDS) else { panic!() };
        assert_eq!(found.part(&short, 0), Some(&b"x"[..]));
        assert_eq!(found.part(&short, 1), None);
    }

    #[test]
    fn a_command_between_frames_does_not_disturb_the_walk() {
        let mut bytes = vec![MORE, 1, b'a'];
        bytes.extend_from_slice(&[COMMAND, 7, 4, b'P', b'I', b'N', b'G', 0, 0]);
        let mut scan = Scan::default();
        let Ok(Found::Command { at, head, body }) = scan.next(&bytes, &BOUNDS) else { panic!() };
        assert_eq!((at, head, body), (3, 2, 7));
        assert!(scan.inside_message());
        bytes.drain(at..at + head + body);
        bytes.extend_from_slice(&[0, 1, b'b']);
        let Ok(Found::Message(found)) = scan.next(&bytes, &BOUNDS) else { panic!() };
        assert_eq!(found.part(&bytes, 1), Some(&b"b"[..]));
    }

    #[test]
    fn announced_sizes_are_judged_before_the_bytes_are_there() {
        let cases: [(&[u8], Fault); 7] = [
            (&[2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Fault::FrameTooLarge),
            (&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Fault::FrameTooLarge),
            (&[2, 0, 0, 0, 0, 0, 0x10, 0, 1], Fault::FrameTooLarge),
            (&[6, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Fault::CommandTooLarge),
            (&[5, 1], Fault::Flags),
            (&[8], Fault::Flags),
            (&[0xf8, 2], Fault::Flags),
        ];
        for (bytes, fault) in cases {
            assert_eq!(Scan::default().next(bytes, &BOUNDS), Err(fault), "{bytes:?}");
        }
    }

    #[test]
    fn message_bytes_and_frames_are_bounded() {
        let bounds = Bounds { frame_bytes_max: 100, message_bytes_max: 150 };
        let bytes = message(&[&[0; 80], &[0; 80]]);
        assert_eq!(Scan::default().next(&bytes, &bounds), Err(Fault::MessageTooLarge));
        let many: Vec<&[u8]> = vec![b""; FRAMES_MAX as usize + 1];
        assert_eq!(Scan::default().next(&message(&many), &BOUNDS), Err(Fault::TooManyFrames));
        let just: Vec<&[u8]> = vec![b""; FRAMES_MAX as usize];
        assert!(matches!(Scan::default().next(&message(&just), &BOUNDS), Ok(Found::Message(_))));
    }

    #[test]
    fn a_run_ends_where_the_scan_would_see_anything_else() {
        let one = |receiver: &[u8], id: &[u8; 20], payload: &[u8]| message(&[b"\0", receiver, b"CA", id, payload]);
        let first = one(b"CB", &[1; 20], b"first");
        let Ok(Found::Message(found)) = Scan::default().next(&first, &BOUNDS) else { panic!() };
        let front = &first[..found.front().unwrap()];
        let second = one(b"CB", &[2; 20], &[7; 300]);
        let third = one(b"CB", &[3; 20], b"");
        let same = [second.clone(), third.clone()].concat();
        assert_eq!(run(front, 20, &same, &BOUNDS), (same.len(), 2));
        let command = b"\x04\x05\x04PONG".to_vec();
        let two_payloads = message(&[b"\0", b"CB", b"CA", &[4; 20], b"a", b"b"]);
        for other in
            [one(b"CC", &[4; 20], b"x"), command, two_payloads, vec![0xff], second[..second.len() - 1].to_vec()]
        {
            let mixed = [third.clone(), other].concat();
            assert_eq!(run(front, 20, &mixed, &BOUNDS), (third.len(), 1));
        }
        let tight = Bounds { frame_bytes_max: 299, message_bytes_max: 1 << 20 };
        assert_eq!(run(front, 20, &second, &tight), (0, 0));
        let tight = Bounds { frame_bytes_max: 1 << 20, message_bytes_max: second.len() as u64 - 1 };
        assert_eq!(run(front, 20, &second, &tight), (0, 0));
        assert_eq!(message(&[b"a", b"b", b"c", b"d"]).len(), 12);
        let Ok(Found::Message(four)) = Scan::default().next(&message(&[b"a", b"b", b"c", b"d"]), &BOUNDS) else {
            panic!()
        };
        assert_eq!(four.front(), None);
    }

    #[test]
    fn a_long_header_may_hold_a_small_size() {
        let bytes = [LONG, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'];
        let Ok(Found::Message(found)) = Scan::default().next(&bytes, &BOUNDS) else { panic!() };
        assert_eq!(found.part(&bytes, 0), Some(&b"hi"[..]));
    }

    #[test]
    fn whole_messages_are_found_before_any_number_of_bytes() {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for (a, b) in [(3usize, 400usize), (0, 0), (255, 256)] {
            starts.push(bytes.len());
            push_frame(&mut bytes, true, &vec![1; a]);
            push_frame(&mut bytes, false, &vec![2; b]);
            starts.push(bytes.len());
            bytes.extend_from_slice(b"\x04\x07\x04PING\x00\x00");
        }
        starts.push(bytes.len());
        for split in [0, 1, 7, 300, bytes.len()] {
            let unsent = [&bytes[..split], &bytes[split..]];
            for n in 0..=bytes.len() {
                let wanted = *starts.iter().rfind(|start| **start <= n).unwrap();
                assert_eq!(whole_before(unsent, 0, n), wanted, "{n} of {}", bytes.len());
            }
        }
    }
}
