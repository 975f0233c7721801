//! NULL (RFC 23 and 37): each side says READY, and what it is.

use crate::zmtp::command::{Command, Metadata};
use crate::zmtp::{Fault, SocketType};

/// Judges a handshake command; `Ok` ends the handshake with the peer's metadata.
///
/// # Errors
/// The [`Fault`] that ends the link.
pub fn on_command(command: Command<'_>, ours: SocketType) -> Result<Metadata<'_>, Fault> {
    match command {
        Command::Ready(data) => Metadata::parse(data)?.fits(ours),
        Command::Error(_) => Err(Fault::PeerError),
        Command::Ping { .. } | Command::Pong | Command::Subscribe(_) | Command::Cancel(_) | Command::Ignored => {
            Err(Fault::Handshake)
        }
    }
}
