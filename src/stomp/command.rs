//! What a client's frame asks for.

/// The commands of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begins a connection; `STOMP` is the same by another name.
    Connect,
    /// Ends it.
    Disconnect,
    /// Hands a message in.
    Send,
    /// Wants the messages of a destination.
    Subscribe,
    /// Does not want them any more.
    Unsubscribe,
    /// Has dealt with a message.
    Ack,
    /// Has not.
    Nack,
    /// Begins a transaction.
    Begin,
    /// Carries one out.
    Commit,
    /// Takes one back.
    Abort,
}

impl Command {
    /// The command of that name.
    #[must_use]
    pub const fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"CONNECT" | b"STOMP" => Self::Connect,
            b"DISCONNECT" => Self::Disconnect,
            b"SEND" => Self::Send,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UNSUBSCRIBE" => Self::Unsubscribe,
            b"ACK" => Self::Ack,
            b"NACK" => Self::Nack,
            b"BEGIN" => Self::Begin,
            b"COMMIT" => Self::Commit,
            b"ABORT" => Self::Abort,
            _ => return None,
        })
    }
}
