//! PLAIN (RFC 24), as whoever dials.

use super::plain::{HELLO, INITIATE, READY, WELCOME};
use super::{Done, Shaken};
use crate::limits::{GREETING_BYTES, HANDSHAKE_COMMAND_BYTES_MAX};
use crate::zmtp::command::{Metadata, write_properties};
use crate::zmtp::frame::{self, COMMAND, LONG, push_command};
use crate::zmtp::{Fault, Mechanism, SocketType, greeting};

const ERROR: &[u8] = b"\x05ERROR";
/// As libzmq writes it.
const LIBZMQ_ERROR: &[u8] = b"\x5eRROR";

/// Whoever dials with a name and a password.
#[derive(Debug)]
pub struct Guest {
    ours: SocketType,
    /// The minor version to speak, once the listener has greeted.
    minor: Option<u8>,
    is_welcome: bool,
}

impl Guest {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new(ours: SocketType) -> Self {
        Self { ours, minor: None, is_welcome: false }
    }

    /// What to say before anything has come: a name and a password, of 255 bytes each at most, among it.
    pub fn open(&self, login: [&str; 2], out: &mut Vec<u8>) {
        out.extend_from_slice(&greeting::ours(Mechanism::Plain.name(), false));
        let mut hello = HELLO.to_vec();
        for word in login {
            let word = word.as_bytes().get(..255).unwrap_or(word.as_bytes());
            hello.push(u8::try_from(word.len()).unwrap_or(u8::MAX));
            hello.extend_from_slice(word);
        }
        push_command(out, &hello);
    }

    /// Deals with what `buffer`, the unconsumed bytes of the connection, begins with. What is to be said is put behind what is in `out`.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    pub fn next(&mut self, buffer: &[u8], out: &mut Vec<u8>) -> Result<Shaken, Fault> {
        let Some(minor) = self.minor else {
            let begin = buffer.get(..GREETING_BYTES).unwrap_or(buffer);
            self.minor = greeting::check(begin, Mechanism::Plain.name())?;
            let missing = GREETING_BYTES - begin.len();
            return Ok(if missing == 0 { Shaken::Went(GREETING_BYTES) } else { Shaken::Need(missing) });
        };
        if buffer.first().is_some_and(|flags| flags & !LONG != COMMAND) {
            return Err(Fault::PlainCommand);
        }
        let head = match frame::head(buffer) {
            Ok(head) if head.body > HANDSHAKE_COMMAND_BYTES_MAX as u64 => return Err(Fault::Metadata),
            Ok(head) => head,
            Err(missing) => return Ok(Shaken::Need(missing)),
        };
        let len = head.bytes + usize::try_from(head.body).unwrap_or(0);
        let Some(body) = buffer.get(head.bytes..len) else { return Ok(Shaken::Need(len - buffer.len())) };
        if let Some(reason) = [ERROR, LIBZMQ_ERROR].iter().find_map(|name| body.strip_prefix(*name)) {
            return Err(Fault::refused_by_peer(reason.get(1..).unwrap_or_default()));
        }
        if !self.is_welcome {
            if body != WELCOME {
                return Err(Fault::PlainCommand);
            }
            self.is_welcome = true;
            let mut initiate = INITIATE.to_vec();
            write_properties(&mut initiate, self.ours);
            push_command(out, &initiate);
            return Ok(Shaken::Went(len));
        }
        let properties = body.strip_prefix(READY).ok_or(Fault::PlainCommand)?;
        let metadata = Metadata::parse(properties)?.fits(self.ours)?;
        Ok(Shaken::Done(
            len,
            Done {
                minor,
                socket_type: metadata.socket_type,
                identity: metadata.identity.into(),
                instep_level: metadata.instep_level,
                session: None,
            },
        ))
    }
}
