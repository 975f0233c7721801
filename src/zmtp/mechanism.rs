//! The security mechanism: what a listener or a dialled link asks of its peer between greeting and messages.
//!
//! One enum, so that a link costs no indirection. A further mechanism (PLAIN, CURVE) is a further variant here: its state lives
//! in the variant, its commands are judged in [`Mechanism::on_command`], and it says through
//! [`Mechanism::speaks_first`] that its READY may not be sent with the greeting.

use super::command::{Command, Metadata};
use super::{Fault, SocketType};

/// The mechanism of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// No security (RFC 23): both sides send READY at once.
    #[default]
    Null,
}

impl Mechanism {
    /// The name in the greeting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
        }
    }

    /// Whether our READY may follow our greeting without waiting for the peer.
    #[must_use]
    pub const fn speaks_first(self) -> bool {
        match self {
            Self::Null => true,
        }
    }

    /// Judges a handshake command; `Ok` ends the handshake with the peer's metadata.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    pub fn on_command<'a>(self, command: Command<'a>, ours: SocketType) -> Result<Metadata<'a>, Fault> {
        match self {
            Self::Null => {
                let data = match command {
                    Command::Ready(data) => data,
                    Command::Error(_) => return Err(Fault::PeerError),
                    Command::Ping { .. } | Command::Pong | Command::Ignored => return Err(Fault::Handshake),
                };
                let metadata = Metadata::parse(data)?;
                let fits = match ours {
                    SocketType::Router => matches!(metadata.socket_type, SocketType::Dealer | SocketType::Router),
                    SocketType::Dealer => matches!(metadata.socket_type, SocketType::Router),
                    SocketType::Req | SocketType::Other => false,
                };
                if fits { Ok(metadata) } else { Err(Fault::SocketType(metadata.socket_type)) }
            }
        }
    }
}
