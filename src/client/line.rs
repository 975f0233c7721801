//! A connection's reading side: the link, what comes before its messages where a token or keys are shown, and what opens them after that.

use super::keys::Keys;
use crate::limits::CLIENT_MESSAGE_BYTES_MAX;
use crate::zmtp::command::Metadata;
use crate::zmtp::frame::{Bounds, LONG_HEAD};
use crate::zmtp::link::{Link, Step};
use crate::zmtp::mechanism::guest::Guest;
use crate::zmtp::mechanism::session::{Heard, Opener, Sealer, Session, heard};
use crate::zmtp::mechanism::{Handshake, Shaken};
use crate::zmtp::{Fault, SocketType};

/// What shows whose a client is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// A user's name, or `?`, and a token of his.
    Token { user: String, token: String },
    /// Keys.
    Keys(Keys),
}

impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Token { user, .. } => f.debug_struct("Token").field("user", user).finish_non_exhaustive(),
            Self::Keys(keys) => keys.fmt(f),
        }
    }
}

/// What comes before messages.
#[derive(Debug)]
enum Before {
    Token(Guest),
    Keys(Box<Handshake>),
}

/// The reading side.
#[derive(Debug)]
pub(super) struct Line {
    link: Link,
    /// Until whoever listens has let us in.
    before: Option<Before>,
    /// What seals and opens messages, until each has gone to its side.
    session: Option<Box<Session>>,
    opener: Option<Opener>,
    /// The beginning of a sealed frame.
    raw: Vec<u8>,
}

/// Chance of the operating system; answers whether there was some.
fn chance(place: &mut [u8], is_dry: &mut bool) {
    *is_dry |= getrandom::fill(place).is_err();
}

impl Line {
    pub(super) fn new() -> Self {
        Self::of(SocketType::Dealer)
    }

    fn of(ours: SocketType) -> Self {
        Self { link: Link::new(ours), before: None, session: None, opener: None, raw: Vec::new() }
    }

    /// A new connection: what is said first is put behind what is in `out`.
    pub(super) fn open(login: Option<&Login>, out: &mut Vec<u8>) -> Self {
        Self::open_as(SocketType::Dealer, login, out)
    }

    /// The same of a socket of that type.
    pub(super) fn open_as(ours: SocketType, login: Option<&Login>, out: &mut Vec<u8>) -> Self {
        let mut line = Self::of(ours);
        match login {
            None => {
                let (greeting, ready) = line.link.opening();
                out.extend_from_slice(&greeting);
                out.extend_from_slice(ready.bytes());
            }
            Some(Login::Token { user, token }) => {
                let guest = Guest::new(ours);
                guest.open([user, token], out);
                line.before = Some(Before::Token(guest));
            }
            Some(Login::Keys(keys)) => {
                let handshake = Box::new(keys.handshake(ours));
                handshake.open(out);
                line.before = Some(Before::Keys(handshake));
            }
        }
        line
    }

    /// As [`Link::next`]; what is to be said to that is put behind what is in `out`. Behind [`Step::Ready`] all may be sealed: see
    /// [`Line::take_sealer`].
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], bounds: &Bounds, out: &mut Vec<u8>) -> Result<Step<'b>, Fault> {
        let shaken = match &mut self.before {
            None => return self.link.next(buffer, bounds),
            Some(Before::Token(guest)) => guest.next(buffer, out)?,
            Some(Before::Keys(handshake)) => {
                let mut is_dry = false;
                let shaken = handshake.next(buffer, &mut |place: &mut [u8]| chance(place, &mut is_dry), out);
                if is_dry {
                    return Err(Fault::NoChance);
                }
                shaken?
            }
        };
        Ok(match shaken {
            Shaken::Need(n) => Step::Need(n),
            Shaken::Went(len) => Step::Skip { len },
            Shaken::Done(len, mut done) => {
                self.link.shaken(&done);
                self.before = None;
                self.session = done.session.take();
                let peer = Metadata { socket_type: done.socket_type, identity: b"", instep_level: done.instep_level };
                Step::Ready { len, peer }
            }
            // Nobody shows a client anything of himself.
            Shaken::Who(..) => return Err(Fault::Handshake),
        })
    }

    /// What seals from here on, once after a handshake that asks for it; what comes is opened from here on.
    pub(super) fn take_sealer(&mut self) -> Option<Sealer> {
        let Session { sealer, opener } = *self.session.take()?;
        self.opener = Some(opener);
        Some(sealer)
    }

    /// Whether all on it is sealed.
    pub(super) const fn is_sealed(&self) -> bool {
        self.opener.is_some()
    }

    /// Puts what is in sealed frames behind what is in `out`, as far as these have come whole; where nothing is sealed, what has come.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(opener) = &mut self.opener else {
            out.extend_from_slice(bytes);
            return Ok(());
        };
        self.raw.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = self.raw.get(at..).unwrap_or_default();
            let Heard::Whole { head, body } = heard(rest, CLIENT_MESSAGE_BYTES_MAX)? else { break };
            let filled = out.len();
            // A frame is no longer than the one that it was sealed in, but for its header.
            out.resize(filled + body + LONG_HEAD, 0);
            let sealed = rest.get(head..head + body).unwrap_or_default();
            let opened = opener.open(sealed, out.get_mut(filled..).unwrap_or_default());
            out.truncate(filled + opened.as_ref().ok().copied().flatten().unwrap_or(0));
            opened?;
            at += head + body;
        }
        self.raw.drain(..at);
        Ok(())
    }

    /// Hands out the link; what comes later is read from the beginning of a message.
    #[cfg(feature = "internals")]
    pub(super) fn release(&mut self) -> Link {
        let afresh = self.link.afresh();
        core::mem::replace(&mut self.link, afresh)
    }
}
