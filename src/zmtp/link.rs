//! One connection's machine: greeting, handshake, then messages. Fed with a contiguous buffer, it says what the buffer begins with.
//!
//! The caller keeps the bytes. It calls [`Link::next`] with everything that has not been consumed, acts on the [`Step`], takes
//! the step's bytes away, and calls again until the step is [`Step::Need`].

use super::command::{Built, Command, Metadata};
use super::frame::{self, Bounds, COMMAND, Found, LONG, MORE, Message, Scan};
use super::mechanism::{Done, null};
use super::{Fault, Mechanism, SocketType, greeting};
use crate::limits::{GREETING_BYTES, HANDSHAKE_COMMAND_BYTES_MAX};

/// How far a link has come; it only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The peer's greeting is not complete.
    Greeting,
    /// The greeting is done, the peer's READY is not.
    Handshake,
    /// Messages flow.
    Ready,
    /// The same, but the rest of a message that is too large is passed over.
    PassingOver,
    /// The same, but a message of which all but the end of its last frame is judged goes on in pieces.
    PassingOn,
}

/// What the buffer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// At least this many more bytes are needed.
    Need(usize),
    /// `len` bytes of handshake are done with and mean nothing to the caller.
    Skip {
        /// Bytes to take away from the front.
        len: usize,
    },
    /// The handshake is over: messages may be sent from here on.
    Ready {
        /// Bytes to take away from the front.
        len: usize,
        /// What the peer said of itself.
        peer: Metadata<'a>,
    },
    /// A whole message at the front.
    Message(Message),
    /// The next so many bytes belong to a message that goes on in pieces; see [`Link::passed_on`].
    Piece(u64),
    /// A command, perhaps behind frames of an unfinished message: take away `at..at + len` and keep what lies before.
    Command {
        /// Offset of the command.
        at: usize,
        /// Bytes of the command.
        len: usize,
        /// The command.
        command: Command<'a>,
    },
}

/// The machine. `ours` is ROUTER on a listener, DEALER on a dialled link.
///
/// Its handshake is that of NULL. Where another mechanism is spoken a [`super::mechanism::Handshake`] comes before it, and it begins with the
/// first message: see [`Link::shaken`].
#[derive(Clone, Debug)]
pub struct Link {
    scan: Scan,
    ours: SocketType,
    phase: Phase,
    minor: u8,
    instep_level: u8,
    /// What is left to be passed over of a frame, or to be passed on of a message, and whether more frames of its message follow.
    over: (u64, bool),
}

impl Link {
    /// A link whose peer has sent nothing yet.
    #[must_use]
    pub fn new(ours: SocketType) -> Self {
        Self { scan: Scan::default(), ours, phase: Phase::Greeting, minor: 0, instep_level: 0, over: (0, false) }
    }

    /// What to send first: our greeting, and our READY. Nothing else may be sent before [`Step::Ready`].
    #[must_use]
    pub fn opening(&self) -> ([u8; GREETING_BYTES], Built) {
        (greeting::ours(Mechanism::Null.name(), false), Built::ready(self.ours))
    }

    /// Another handshake has come to its end: messages flow.
    pub const fn shaken(&mut self, done: &Done) {
        self.phase = Phase::Ready;
        self.minor = done.minor;
        self.instep_level = done.instep_level;
    }

    /// The peer has greeted, in another handshake.
    pub const fn greeted(&mut self) {
        self.phase = Phase::Handshake;
    }

    /// The same link, about to read the beginning of a message.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { scan: Scan::default(), ..self.clone() }
    }

    /// How far the link has come.
    #[must_use]
    #[inline]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the peer has greeted.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.phase > Phase::Greeting
    }

    /// Whether the peer understands PING (ZMTP 3.1).
    #[must_use]
    pub fn pings(&self) -> bool {
        self.phase >= Phase::Ready && self.minor >= 1
    }

    /// How much the peer understands of what instep's Coordinators say to one another; 0: it is none of them.
    #[must_use]
    pub const fn instep_level(&self) -> u8 {
        self.instep_level
    }

    /// Whether the handshake is over.
    #[must_use]
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.phase >= Phase::Ready
    }

    /// After [`Fault::FrameTooLarge`] or [`Fault::MessageTooLarge`]: the frames before the one that is too large, which lie at the front
    /// of the buffer.
    #[must_use]
    pub fn front(&self) -> Message {
        self.scan.front()
    }

    /// After the same: passes the whole message over as it comes, however large it is, and stays ready for what follows. Says how many bytes at
    /// the front of `buffer` are to be taken away at once.
    pub fn pass_over(&mut self, buffer: &[u8]) -> usize {
        let at = self.scan.front().len;
        let Ok(head) = frame::head(buffer.get(at..).unwrap_or_default()) else { return 0 };
        self.scan = Scan::default();
        self.begin_over(head);
        at + head.bytes
    }

    /// After [`Step::Need`]: lets the message at the front of `buffer` go on in pieces, from its first byte, where its last frame has begun: from then
    /// on nothing is left to be judged, and no command comes in between. Says whether it does.
    pub fn pass_on(&mut self, buffer: &[u8]) -> bool {
        let at = self.scan.front().len;
        let Ok(head) = frame::head(buffer.get(at..).unwrap_or_default()) else { return false };
        if self.phase != Phase::Ready || head.flags & !LONG != 0 {
            return false;
        }
        self.scan = Scan::default();
        self.over = ((at + head.bytes) as u64 + head.body, false);
        self.phase = Phase::PassingOn;
        true
    }

    /// Whether a message goes on in pieces.
    #[must_use]
    pub fn is_passing_on(&self) -> bool {
        self.phase == Phase::PassingOn
    }

    /// So many bytes of the message that goes on in pieces have done so; answers whether they were its last.
    pub fn passed_on(&mut self, bytes: usize) -> bool {
        debug_assert!(self.phase == Phase::PassingOn && bytes as u64 <= self.over.0, "no more goes on than is left");
        self.over.0 = self.over.0.saturating_sub(bytes as u64);
        if self.over.0 == 0 {
            self.phase = Phase::Ready;
        }
        self.phase == Phase::Ready
    }

    /// What is left of a message that goes on in pieces is passed over instead.
    pub fn give_up(&mut self) {
        if self.phase == Phase::PassingOn {
            self.end_over();
        }
    }

    const fn begin_over(&mut self, head: frame::Head) {
        self.over = (head.body, head.flags & MORE != 0);
        self.end_over();
    }

    const fn end_over(&mut self) {
        self.phase = if self.over.0 == 0 && !self.over.1 { Phase::Ready } else { Phase::PassingOver };
    }

    /// Passes over what is there of a message that is too large.
    #[cold]
    fn over<'a>(&mut self, buffer: &'a [u8]) -> Result<Step<'a>, Fault> {
        if buffer.is_empty() {
            return Ok(Step::Need(1));
        }
        if self.over.0 > 0 {
            let len = usize::try_from(self.over.0).unwrap_or(usize::MAX).min(buffer.len());
            self.over.0 -= len as u64;
            self.end_over();
            return Ok(Step::Skip { len });
        }
        let head = match frame::head(buffer) {
            Ok(head) => head,
            Err(missing) => return Ok(Step::Need(missing)),
        };
        if head.flags & !(MORE | LONG) == 0 {
            self.begin_over(head);
            return Ok(Step::Skip { len: head.bytes });
        }
        // A command between the frames.
        match self.scan.next(buffer, &Bounds { frame_bytes_max: 0, message_bytes_max: 0 })? {
            Found::Command { head, body, .. } => command(buffer, 0, head, body),
            Found::Need(n) => Ok(Step::Need(n)),
            Found::Message(_) => Err(Fault::Flags),
        }
    }

    /// Judges what `buffer`, the unconsumed bytes of the connection, begins with.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    #[inline(always)]
    pub fn next<'a>(&mut self, buffer: &'a [u8], bounds: &Bounds) -> Result<Step<'a>, Fault> {
        match self.phase {
            Phase::Ready => {}
            Phase::PassingOver => return self.over(buffer),
            Phase::PassingOn if buffer.is_empty() => return Ok(Step::Need(1)),
            Phase::PassingOn => return Ok(Step::Piece(self.over.0)),
            Phase::Greeting | Phase::Handshake => return self.handshake(buffer),
        }
        match self.scan.next(buffer, bounds)? {
            Found::Message(message) => Ok(Step::Message(message)),
            Found::Need(n) => Ok(Step::Need(n)),
            Found::Command { at, head, body } => command(buffer, at, head, body),
        }
    }

    #[cold]
    fn handshake<'a>(&mut self, buffer: &'a [u8]) -> Result<Step<'a>, Fault> {
        if self.phase == Phase::Greeting {
            let begin = buffer.get(..GREETING_BYTES).unwrap_or(buffer);
            return match greeting::check(begin, Mechanism::Null.name())? {
                None => Ok(Step::Need(GREETING_BYTES - begin.len())),
                Some(minor) => {
                    self.minor = minor;
                    self.phase = Phase::Handshake;
                    Ok(Step::Skip { len: GREETING_BYTES })
                }
            };
        }
        if buffer.first().is_some_and(|flags| flags & !LONG != COMMAND) {
            return Err(Fault::Handshake);
        }
        let head = match frame::head(buffer) {
            Ok(head) => head,
            Err(missing) => return Ok(Step::Need(missing)),
        };
        let body = usize::try_from(head.body).map_err(|_| Fault::Metadata)?;
        if body > HANDSHAKE_COMMAND_BYTES_MAX {
            return Err(Fault::Metadata);
        }
        let len = head.bytes + body;
        let Some(body) = buffer.get(head.bytes..len) else { return Ok(Step::Need(len - buffer.len())) };
        let peer = null::on_command(Command::parse(body)?, self.ours)?;
        self.phase = Phase::Ready;
        self.instep_level = peer.instep_level;
        Ok(Step::Ready { len, peer })
    }
}

/// The command in a frame at `at`.
fn command(buffer: &[u8], at: usize, head: usize, body: usize) -> Result<Step<'_>, Fault> {
    let len = head + body;
    let command = Command::parse(buffer.get(at + head..at + len).unwrap_or_default())?;
    if matches!(command, Command::Error(_)) {
        return Err(Fault::PeerError);
    }
    Ok(Step::Command { at, len, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 16, message_bytes_max: 1 << 16 };

    /// Everything a link said about `bytes`, fed `step` bytes at a time, with consumed bytes taken away as a caller does.
    fn hear(ours: SocketType, bytes: &[u8], step: usize) -> Vec<String> {
        let mut link = Link::new(ours);
        let mut buffer: Vec<u8> = Vec::new();
        let mut heard = Vec::new();
        for chunk in bytes.chunks(step) {
            buffer.extend_from_slice(chunk);
            loop {
                let cut = match link.next(&buffer, &BOUNDS) {
                    Err(fault) => {
                        heard.push(format!("{fault:?}"));
                        return heard;
                    }
                    Ok(Step::Need(n)) => {
                        assert!(n > 0);
                        break;
                    }
                    Ok(Step::Skip { len }) => 0..len,
                    Ok(Step::Ready { len, peer }) => {
                        heard.push(format!("ready {}", peer.socket_type.name()));
                        0..len
                    }
                    Ok(Step::Message(message)) => {
                        heard.push(format!("message {:?}", message.part(&buffer, 0)));
                        0..message.len
                    }
                    Ok(Step::Piece(_)) => panic!("nobody has asked for pieces"),
                    Ok(Step::Command { at, len, command }) => {
                        heard.push(format!("{command:?}"));
                        at..at + len
                    }
                };
                buffer.drain(cut);
            }
        }
        heard
    }

    fn client(kind: SocketType) -> Vec<u8> {
        let link = Link::new(kind);
        let (greeting, ready) = link.opening();
        [&greeting[..], ready.bytes()].concat()
    }

    #[test]
    fn the_same_is_heard_however_the_bytes_are_cut() {
        let mut bytes = client(SocketType::Dealer);
        bytes.extend_from_slice(b"\x00\x02hi\x04\x07\x04PING\x00\x14\x01\x01a\x04\x05\x04PONG\x00\x01b");
        let whole = hear(SocketType::Router, &bytes, bytes.len());
        assert_eq!(
            whole,
            ["ready DEALER", "message Some([104, 105])", "Ping { ttl: 20, context: [] }", "Pong", "message Some([97])"]
        );
        for step in 1..bytes.len() {
            assert_eq!(hear(SocketType::Router, &bytes, step), whole, "{step} bytes at a time");
        }
    }

    #[test]
    fn only_fitting_socket_types_come_through() {
        for (ours, theirs, good) in [
            (SocketType::Router, SocketType::Dealer, true),
            (SocketType::Router, SocketType::Router, true),
            (SocketType::Router, SocketType::Req, false),
            (SocketType::Router, SocketType::Other, false),
            (SocketType::Dealer, SocketType::Router, true),
            (SocketType::Dealer, SocketType::Dealer, false),
        ] {
            let heard = hear(ours, &client(theirs), 1000);
            assert_eq!(heard[0].starts_with("ready"), good, "{ours:?} {theirs:?}: {heard:?}");
            assert!(good || Fault::SocketType(theirs).helps());
        }
    }

    #[test]
    fn nothing_but_ready_ends_the_handshake() {
        let greeting = greeting::ours("NULL", false);
        for (tail, fault) in [
            (&b"\x00\x02hi"[..], "Handshake"),
            (b"\x04\x07\x04PING\x00\x14", "Handshake"),
            (b"\x04\x0a\x05ERROR\x03400", "PeerError"),
            (b"\x06\x00\x00\x00\x00\x00\x01\x00\x00", "Metadata"),
            (b"\x04\x07\x05READY\x00", "Metadata"),
            (b"\x00", "Handshake"),
        ] {
            let bytes = [&greeting[..], tail].concat();
            assert_eq!(hear(SocketType::Router, &bytes, 7), [fault], "{tail:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_passed_over_however_it_comes() {
        let large =
            [&[MORE, 1, b'a'][..], &[MORE | LONG, 0, 0, 0, 0, 0, 1, 0, 1], &[7; 65_537], b"\x04\x05\x04PONG"].concat();
        let after = b"\x01\x00\x00\x03end\x00\x04next";
        let bytes = [&client(SocketType::Dealer)[..], &large, after].concat();
        for step in [1, 7, 1000, bytes.len()] {
            let (mut link, mut buffer) = (Link::new(SocketType::Router), Vec::new());
            let mut heard = Vec::new();
            for chunk in bytes.chunks(step) {
                buffer.extend_from_slice(chunk);
                loop {
                    let cut = match link.next(&buffer, &BOUNDS) {
                        Err(fault) => {
                            assert_eq!((fault, link.front().part(&buffer, 0)), (Fault::FrameTooLarge, Some(&b"a"[..])));
                            0..link.pass_over(&buffer)
                        }
                        Ok(Step::Need(n)) => {
                            assert!(n > 0 && buffer.len() < 100, "nothing of it is kept");
                            break;
                        }
                        Ok(Step::Skip { len } | Step::Ready { len, .. }) => 0..len,
                        Ok(Step::Message(message)) => {
                            heard.push(buffer[..message.len].to_vec());
                            0..message.len
                        }
                        Ok(Step::Piece(_)) => panic!("nobody has asked for pieces"),
                        Ok(Step::Command { at, len, command }) => {
                            assert_eq!(command, Command::Pong);
                            at..at + len
                        }
                    };
                    buffer.drain(cut);
                }
            }
            assert_eq!(heard, [b"\x00\x04next"], "{step} bytes at a time");
            assert!(link.is_ready() && link.phase() == Phase::Ready);
        }
    }

    #[test]
    fn an_error_after_the_handshake_ends_the_link() {
        let bytes = [&client(SocketType::Dealer)[..], b"\x04\x0a\x05ERROR\x03400"].concat();
        assert_eq!(hear(SocketType::Router, &bytes, 5), ["ready DEALER", "PeerError"]);
    }
}
