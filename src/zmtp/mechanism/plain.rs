//! PLAIN (RFC 24), as a listener: a name and a password, which anybody on their way can read.

use zeroize::Zeroizing;

use crate::zmtp::Fault;
use crate::zmtp::frame::push_command;

pub(super) const HELLO: &[u8] = b"\x05HELLO";
pub(super) const WELCOME: &[u8] = b"\x07WELCOME";
pub(super) const INITIATE: &[u8] = b"\x08INITIATE";
pub(super) const READY: &[u8] = b"\x05READY";

/// Whoever listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// A name and a password are to come.
    Hello,
    /// It is being asked whose they are.
    Asked,
    /// What the client says of itself is to come.
    Initiate,
    /// Nothing is to come.
    Over,
}

/// A name and a password.
pub(super) type Login = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// What a client has said.
#[derive(Debug)]
pub(super) enum Said<'a> {
    Login(Login),
    /// What it says of itself.
    Properties(&'a [u8]),
}

/// A string with its length in front, and what is behind it.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn login(data: &[u8]) -> Option<Login> {
    let (name, rest) = short(data)?;
    let (password, rest) = short(rest)?;
    rest.is_empty().then(|| (Zeroizing::new(name.to_vec()), Zeroizing::new(password.to_vec())))
}

impl Server {
    /// The next command.
    pub(super) fn take<'a>(&mut self, body: &'a [u8]) -> Result<Said<'a>, Fault> {
        match core::mem::replace(self, Self::Over) {
            Self::Hello => {
                let login = body.strip_prefix(HELLO).and_then(login).ok_or(Fault::PlainCommand)?;
                *self = Self::Asked;
                Ok(Said::Login(login))
            }
            Self::Initiate => {
                let properties = body.strip_prefix(INITIATE).ok_or(Fault::PlainCommand)?;
                Ok(Said::Properties(properties))
            }
            Self::Asked | Self::Over => Err(Fault::PlainCommand),
        }
    }

    /// The client is somebody.
    pub(super) fn welcome(&mut self, out: &mut Vec<u8>) {
        debug_assert!(*self == Self::Asked, "only who has been asked about is welcome");
        *self = Self::Initiate;
        push_command(out, WELCOME);
    }

    pub(super) fn ready(properties: &[u8], out: &mut Vec<u8>) {
        push_command(out, &[READY, properties].concat());
    }
}
