//! What one end receives: mostly one and the same message, which is counted cheaply, and now and then something else, which is
//! taken apart by the crate's own codecs.

use instep::leco::rpc::{Document, Item};
use instep::zmtp::command::{Built, Command};
use instep::zmtp::frame::Bounds;
use instep::zmtp::link::{Link, Step};

use super::figures::count;

/// Bytes at the front of every expected message that are compared; of the first message, all are.
const COMPARED_BYTES: usize = 256;
const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 26, message_bytes_max: 1 << 26 };

/// The receiving side of an end.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The message that this end is sent; empty for one that only sends.
    expected: Box<[u8]>,
    /// How many of its bytes are compared each time.
    front: usize,
    /// Bytes of the current message that have been seen, beyond the front.
    at: usize,
    /// Expected messages that have come whole.
    pub(super) received: u64,
    /// Bytes of everything else.
    pub(super) strange_bytes: u64,
    /// JSON-RPC results that have come.
    pub(super) results: u64,
    /// JSON-RPC errors that have come, and the text of the first.
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl Inbox {
    pub(super) fn new(expected: &[u8]) -> Self {
        Self {
            expected: expected.into(),
            front: expected.len().min(COMPARED_BYTES),
            at: 0,
            received: 0,
            strange_bytes: 0,
            results: 0,
            errors: 0,
            first_error: None,
        }
    }

    /// Bytes of one expected message.
    pub(super) fn message_bytes(&self) -> u64 {
        count(self.expected.len())
    }

    /// Takes what came; says how many bytes at its end do not yet show what they are and must come again with the next. `answer`
    /// gets what is to be sent back.
    pub(super) fn take(&mut self, link: &mut Link, bytes: &[u8], answer: &mut Vec<u8>) -> Result<usize, String> {
        let mut rest = bytes;
        loop {
            if self.at > 0 {
                let missing = self.expected.len() - self.at;
                let (body, more) = rest.split_at(missing.min(rest.len()));
                if self.received == 0 && self.expected.get(self.at..self.at + body.len()) != Some(body) {
                    return Err("a message arrived with other bytes than were sent".to_owned());
                }
                if body.len() < missing {
                    self.at += body.len();
                    return Ok(0);
                }
                self.at = 0;
                self.received += 1;
                rest = more;
            }
            let front = self.expected.get(..self.front).unwrap_or_default();
            if !front.is_empty() {
                if self.front == self.expected.len() {
                    while let Some(more) = rest.strip_prefix(front) {
                        rest = more;
                        self.received += 1;
                    }
                } else if let Some(more) = rest.strip_prefix(front) {
                    self.at = self.front;
                    rest = more;
                    continue;
                }
            }
            if rest.is_empty() {
                return Ok(0);
            }
            if front.starts_with(rest) {
                return Ok(rest.len());
            }
            match link.next(rest, &BOUNDS).map_err(|fault| fault.to_string())? {
                Step::Need(_) | Step::Piece(_) => return Ok(rest.len()),
                Step::Message(message) => {
                    self.look_at(message.part(rest, 2), message.part(rest, 4));
                    rest = self.strange(rest, message.len);
                }
                Step::Command { at: 0, len, command } => {
                    if let Command::Ping { context, .. } = command {
                        answer.extend_from_slice(Built::pong(context).bytes());
                    }
                    rest = self.strange(rest, len);
                }
                Step::Command { .. } => return Err("a ZMTP command came inside a message".to_owned()),
                Step::Skip { len } | Step::Ready { len, .. } => rest = self.strange(rest, len),
            }
        }
    }

    fn strange<'a>(&mut self, rest: &'a [u8], len: usize) -> &'a [u8] {
        self.strange_bytes += count(len);
        rest.get(len..).unwrap_or_default()
    }

    /// Counts an answer by what it is. Requests and notifications are none, and nobody waits for an answer to them here.
    fn look_at(&mut self, sender: Option<&[u8]>, payload: Option<&[u8]>) {
        let Some(Ok(Document::Single(item))) = payload.map(Document::parse) else { return };
        match item {
            Item::Result { .. } => self.results += 1,
            Item::Error { .. } => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| {
                    let said = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                    format!("{}: {}", said(sender), said(payload))
                });
            }
            Item::Call(_) | Item::Invalid => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::client::message;
    use instep::zmtp::SocketType;

    /// A link beyond its handshake.
    fn ready_link() -> Link {
        let mut link = Link::new(SocketType::Router);
        let (greeting, ready) = Link::new(SocketType::Dealer).opening();
        assert!(matches!(link.next(&greeting, &BOUNDS), Ok(Step::Skip { .. })));
        assert!(matches!(link.next(ready.bytes(), &BOUNDS), Ok(Step::Ready { .. })));
        link
    }

    /// Feeds `stream` in pieces of `step` bytes.
    fn feed(expected: &[u8], stream: &[u8], step: usize) -> (Inbox, Vec<u8>) {
        let (mut inbox, mut link, mut answer) = (Inbox::new(expected), ready_link(), Vec::new());
        let mut carry = Vec::new();
        for piece in stream.chunks(step) {
            carry.extend_from_slice(piece);
            let left = inbox.take(&mut link, &carry, &mut answer).unwrap();
            carry.drain(..carry.len() - left);
        }
        assert!(carry.is_empty(), "nothing is left over");
        (inbox, answer)
    }

    #[test]
    fn expected_and_other_messages_are_told_apart_however_they_are_cut() {
        for payload in [0, 64, 700] {
            let expected = message(b"N1.bench-r0", b"N1.bench-s0", 0, &vec![b'x'; payload]);
            let error = message(b"N1.bench-r0", b"N1.COORDINATOR", 1, br#"{"id":null,"error":{"code":-32093}}"#);
            let result = message(b"N1.bench-r0", b"N1.COORDINATOR", 1, br#"{"id":1,"result":null}"#);
            let ask = message(b"N1.bench-r0", b"N1.COORDINATOR", 1, br#"{"id":1,"jsonrpc":"2.0","method":"pong"}"#);
            let stream = [
                &expected[..],
                &expected,
                &error,
                &expected,
                b"\x04\x09\x04PING\0\0ab",
                &ask,
                &error,
                &expected,
                &result,
            ]
            .concat();
            for step in [1, 2, 3, 7, 100, 256, stream.len()] {
                let (inbox, answer) = feed(&expected, &stream, step);
                assert_eq!((inbox.received, inbox.errors, inbox.results), (4, 2, 1), "{payload} {step}");
                assert_eq!(inbox.strange_bytes + 4 * inbox.message_bytes(), count(stream.len()));
                assert_eq!(answer, b"\x04\x07\x04PONGab");
                assert!(inbox.first_error.unwrap().starts_with("N1.COORDINATOR: {"));
            }
        }
    }

    #[test]
    fn the_first_message_is_compared_to_its_last_byte() {
        let expected = message(b"N1.bench-r0", b"N1.bench-s0", 0, &[b'x'; 5000]);
        let mut other = expected.clone();
        *other.last_mut().unwrap() = b'y';
        let (mut inbox, mut link) = (Inbox::new(&expected), ready_link());
        assert!(inbox.take(&mut link, &other, &mut Vec::new()).unwrap_err().contains("other bytes"));
    }

    #[test]
    fn one_that_expects_nothing_counts_answers() {
        let error = message(b"N1.a", b"N1.COORDINATOR", 1, br#"{"id":null,"error":{"code":-32094}}"#);
        let (inbox, _) = feed(b"", &[&error[..], &error].concat(), 10);
        assert_eq!((inbox.received, inbox.errors), (0, 2));
    }
}
