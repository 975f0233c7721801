//! What one end sends: copies of one message, prepared once, and now and then something else between two of them.

use std::io::{self, Write};

use instep::net::ASKED_UNTIL_NOTHING;

use super::figures::count;

/// Bytes of copies that are prepared; a single message may be larger.
const BATCH_BYTES: usize = 256 << 10;

/// The sending side of an end.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Whole copies of the message, so that one write carries many.
    batch: Box<[u8]>,
    message: usize,
    /// Bytes of messages that have left, and up to where they may.
    sent: u64,
    limit: u64,
    /// Other bytes, which go out between two messages.
    extra: Vec<u8>,
    /// The socket took all that was written last time.
    pub(super) writable: bool,
}

impl Outbox {
    /// Will send `message`, of which at most `copies` are ever due at once.
    pub(super) fn new(message: &[u8], copies: u64) -> Self {
        let fit = BATCH_BYTES / message.len().max(1);
        let copies = fit.min(usize::try_from(copies).unwrap_or(usize::MAX)).max(1);
        Self {
            batch: message.repeat(copies).into_boxed_slice(),
            message: message.len(),
            sent: 0,
            limit: 0,
            extra: Vec::new(),
            writable: true,
        }
    }

    /// Lets messages go until so many have left in all.
    pub(super) fn allow(&mut self, messages: u64) {
        self.limit = self.limit.max(messages.saturating_mul(count(self.message)));
    }

    /// Stops after the message that is being sent.
    pub(super) fn stop(&mut self) {
        self.limit = self.messages() * count(self.message);
    }

    /// Messages of which at least the first byte has left.
    pub(super) fn messages(&self) -> u64 {
        self.sent.div_ceil(count(self.message).max(1))
    }

    /// Sends other bytes at the next boundary between messages.
    pub(super) fn interject(&mut self, bytes: &[u8]) {
        self.extra.extend_from_slice(bytes);
    }

    /// Writes until nothing is due or the socket is full.
    pub(super) fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while self.writable {
            let message = count(self.message).max(1);
            let within = self.sent % message;
            let interjecting = within == 0 && !self.extra.is_empty();
            let bytes = if interjecting {
                self.extra.as_slice()
            } else {
                // Extra bytes wait for the end of one message, not of the batch.
                let due = if self.extra.is_empty() { self.limit.saturating_sub(self.sent) } else { message - within };
                let ahead = usize::try_from(within).ok().and_then(|at| self.batch.get(at..)).unwrap_or_default();
                usize::try_from(due).ok().and_then(|due| ahead.get(..due)).unwrap_or(ahead)
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let wanted = bytes.len();
            match to.write(bytes) {
                Ok(n) => {
                    self.writable = n == wanted || ASKED_UNTIL_NOTHING;
                    if interjecting {
                        self.extra.drain(..n);
                    } else {
                        self.sent += count(n);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes, then is full once.
    struct Narrow {
        took: Vec<u8>,
        step: usize,
        full: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.full = !self.full;
            if self.full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = bytes.len().min(self.step);
            self.took.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whole_messages_leave_in_order_through_a_narrow_socket() {
        for step in 1..30 {
            let mut outbox = Outbox::new(b"0123456789", 3);
            let mut narrow = Narrow { took: Vec::new(), step, full: false };
            for allowed in [1, 4, 4, 20] {
                outbox.allow(allowed);
                for _ in 0..500 {
                    outbox.writable = true;
                    outbox.flush(&mut narrow).unwrap();
                }
                assert_eq!(outbox.messages(), allowed);
            }
            assert_eq!(narrow.took, b"0123456789".repeat(20));
        }
    }

    #[test]
    fn other_bytes_go_between_two_messages_only() {
        for step in 1..30 {
            let mut outbox = Outbox::new(b"0123456789", 100);
            let mut narrow = Narrow { took: Vec::new(), step, full: true };
            outbox.allow(9);
            outbox.flush(&mut narrow).unwrap();
            outbox.interject(b"PONG");
            for _ in 0..500 {
                outbox.writable = true;
                outbox.flush(&mut narrow).unwrap();
            }
            let text = String::from_utf8(narrow.took).unwrap();
            assert_eq!(text.replace("PONG", ""), "0123456789".repeat(9));
            assert_eq!(text.find("PONG").map(|at| at % 10), Some(0), "{text}");
        }
    }

    #[test]
    fn a_stop_ends_with_the_message_that_has_begun() {
        let mut outbox = Outbox::new(b"0123456789", 100);
        let mut narrow = Narrow { took: Vec::new(), step: 15, full: true };
        outbox.allow(9);
        outbox.flush(&mut narrow).unwrap();
        outbox.stop();
        for _ in 0..50 {
            outbox.writable = true;
            outbox.flush(&mut narrow).unwrap();
        }
        assert_eq!((narrow.took.len(), outbox.messages()), (20, 2));
    }
}
