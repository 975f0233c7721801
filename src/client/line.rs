//! A connection's reading side: the link, and what comes before its messages where a token is shown.

use crate::zmtp::command::Metadata;
use crate::zmtp::frame::Bounds;
use crate::zmtp::link::{Link, Step};
use crate::zmtp::mechanism::Shaken;
use crate::zmtp::mechanism::guest::Guest;
use crate::zmtp::{Fault, SocketType};

/// Whose a client is, and the token that shows it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) token: String,
}

impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The reading side.
#[derive(Debug)]
pub(super) struct Line {
    link: Link,
    /// Until a token has been taken.
    guest: Option<Guest>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { link: Link::new(SocketType::Dealer), guest: None }
    }

    /// A new connection: what is said first is put behind what is in `out`.
    pub(super) fn open(login: Option<&Login>, out: &mut Vec<u8>) -> Self {
        let mut line = Self::new();
        match login {
            None => {
                let (greeting, ready) = line.link.opening();
                out.extend_from_slice(&greeting);
                out.extend_from_slice(ready.bytes());
            }
            Some(Login { user, token }) => {
                let guest = Guest::new(SocketType::Dealer);
                guest.open([user, token], out);
                line.guest = Some(guest);
            }
        }
        line
    }

    /// As [`Link::next`]; what is to be said to that is put behind what is in `out`.
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], bounds: &Bounds, out: &mut Vec<u8>) -> Result<Step<'b>, Fault> {
        let Some(guest) = &mut self.guest else { return self.link.next(buffer, bounds) };
        Ok(match guest.next(buffer, out)? {
            Shaken::Need(n) => Step::Need(n),
            Shaken::Went(len) => Step::Skip { len },
            Shaken::Done(len, done) => {
                self.link.shaken(&done);
                self.guest = None;
                let peer = Metadata { socket_type: done.socket_type, identity: b"", is_instep: done.is_instep };
                Step::Ready { len, peer }
            }
            // Nobody shows a client anything of himself.
            Shaken::Who(..) => return Err(Fault::Handshake),
        })
    }

    /// Hands out the link; what comes later is read from the beginning of a message.
    #[cfg(feature = "internals")]
    pub(super) fn release(&mut self) -> Link {
        let afresh = self.link.afresh();
        core::mem::replace(&mut self.link, afresh)
    }
}
