//! ZMTP 3.0 and 3.1 (RFC 23 and 37), as a machine that is fed with bytes.
//!
//! Owns the 64-byte [`greeting`], the [`frame`] layer with its resumable scan, [`command`]s, [`subscription`]s, the security [`mechanism`]s and one
//! connection's [`link`]. Must not know sockets, clocks, peers or what the frames mean.
//!
//! A ZMTP connection opens with a greeting from each side, then each side sends a READY command with its socket type,
//! then multipart messages flow: frames of `flags, size, body`, all but the last with the MORE flag. Either side
//! may send our side nothing but greeting and READY before it has seen our READY, and we hold to the same: libzmq drops a
//! link on which data arrives early, and a libzmq DEALER never comes back from that.

pub mod command;
pub mod frame;
pub mod greeting;
pub mod link;
pub mod mechanism;
pub mod subscription;

use core::fmt;

use crate::limits::TOPIC_BYTES_MAX;

/// What a peer's socket says it is. The patterns that a ROUTER or DEALER cannot talk to are only named to refuse them clearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketType {
    /// Request: the only client type that puts an empty delimiter frame before each message.
    Req,
    /// Asynchronous client: what a LECO Component uses.
    Dealer,
    /// Addressing server: what a Coordinator binds.
    Router,
    /// Publisher that is told what is wanted and keeps that to itself.
    Pub,
    /// Subscriber.
    Sub,
    /// Publisher that shows its owner what is wanted: the end of a channel at which its subscribers come in.
    Xpub,
    /// Subscriber whose owner says what is wanted: the end of a channel at which its publishers come in.
    Xsub,
    /// Any other type of the RFCs, or none.
    Other,
}

impl SocketType {
    /// The type behind a `Socket-Type` property.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"REQ" => Self::Req,
            b"DEALER" => Self::Dealer,
            b"ROUTER" => Self::Router,
            b"PUB" => Self::Pub,
            b"SUB" => Self::Sub,
            b"XPUB" => Self::Xpub,
            b"XSUB" => Self::Xsub,
            _ => Self::Other,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Req => "REQ",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Xpub => "XPUB",
            Self::Xsub => "XSUB",
            Self::Other => "another type",
        }
    }

    /// Whether a peer's socket of that type can talk to one of this.
    #[must_use]
    pub(crate) const fn talks_to(self, theirs: Self) -> bool {
        match self {
            Self::Router => matches!(theirs, Self::Dealer | Self::Router),
            Self::Dealer => matches!(theirs, Self::Router),
            Self::Xpub => matches!(theirs, Self::Sub | Self::Xsub),
            Self::Xsub => matches!(theirs, Self::Pub | Self::Xpub),
            Self::Sub => matches!(theirs, Self::Pub | Self::Xpub),
            Self::Pub => matches!(theirs, Self::Sub | Self::Xsub),
            Self::Req | Self::Other => false,
        }
    }
}

/// The mechanisms that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// No security (RFC 23): both sides send READY at once.
    #[default]
    Null,
    /// A name and a password that can be read (RFC 24).
    Plain,
    /// Keys on both sides, and nobody else reads what is said (RFC 26).
    Curve,
}

impl Mechanism {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Null, Self::Plain, Self::Curve];

    /// The name in the greeting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Plain => "PLAIN",
            Self::Curve => "CURVE",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a link cannot go on. Each variant closes it; [`Fault::helps`] tells whether the peer is told so in an ERROR command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// First byte of an HTTP request.
    Http,
    /// First bytes of a TLS client hello.
    Tls,
    /// First bytes of an SSH banner.
    Ssh,
    /// ZMTP 1.0 (libzmq 2).
    Version1,
    /// ZMTP 2.0 (libzmq 3).
    Version2,
    /// Not the first byte of any protocol we can name.
    NotZmtp,
    /// The greeting names a security mechanism that we do not know.
    Mechanism,
    /// The peer speaks another security mechanism than it has to here.
    Wanted {
        /// What it speaks.
        theirs: Mechanism,
        /// What it should speak.
        ours: Mechanism,
    },
    /// Something else than the next command of PLAIN, or that is broken.
    PlainCommand,
    /// Something else than the next command of CURVE, or that is broken.
    CurveCommand,
    /// The client knows another key of this server than it has.
    CurveHello,
    /// What a client says of itself cannot be opened.
    CurveInitiate,
    /// A handshake that was not made for this connection.
    CurveCookie,
    /// A number of the handshake that has been there already.
    CurveNumber,
    /// Whoever connects does not have the key that it shows, or shows it to somebody else.
    CurveVouch,
    /// The server does not have the key that was expected.
    CurveWelcome,
    /// There is no chance to make keys from.
    NoChance,
    /// Who listens does not let us in; its code.
    RefusedByPeer(u16),
    /// After the handshake something came that is not sealed, or not like a message.
    NotSealed,
    /// A sealed message that is not the next one: one is missing, or came before.
    SealNumber,
    /// What is sealed has been changed, or was not sealed for us.
    Seal,
    /// What was sealed has flags that it cannot have.
    InnerFlags,
    /// The handshake holds something that it must not hold at this place.
    Handshake,
    /// The handshake's metadata is broken or exceeds its bounds.
    Metadata,
    /// The peer's socket type cannot talk to ours.
    SocketType(SocketType),
    /// The same, and what it wants is at this port.
    Port {
        /// The peer's socket type.
        theirs: SocketType,
        /// Where that is spoken to.
        port: u16,
    },
    /// A topic longer than any that is matched.
    Topic,
    /// More subscriptions than there is room for.
    Subscriptions,
    /// The peer's identity is longer than 255 bytes or starts with a zero byte.
    Identity,
    /// Flags of a frame are reserved ones, or a command with MORE: the stream has lost its step.
    Flags,
    /// A frame larger than the configured bound.
    FrameTooLarge,
    /// A multipart message larger than the configured bound.
    MessageTooLarge,
    /// A multipart message of more frames than the bound.
    TooManyFrames,
    /// A command larger than any we know.
    CommandTooLarge,
    /// A command whose content is cut short.
    Command,
    /// More commands within a second than the bound.
    CommandRate,
    /// The peer sent an ERROR command.
    PeerError,
}

impl Fault {
    /// What the reason of an ERROR command comes to.
    #[must_use]
    pub(super) fn refused_by_peer(reason: &[u8]) -> Self {
        let code = core::str::from_utf8(reason).ok().filter(|text| text.len() == 3).and_then(|text| text.parse().ok());
        code.map_or(Self::PeerError, Self::RefusedByPeer)
    }

    /// Whether an ERROR command would tell the peer's owner something: only for permanent misconfiguration, because a
    /// libzmq DEALER that receives one never reconnects.
    #[must_use]
    pub const fn helps(self) -> bool {
        matches!(self, Self::SocketType(_) | Self::Port { .. } | Self::Identity)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("not ZMTP: looks like an HTTP request"),
            Self::Tls => f.write_str("not ZMTP: looks like a TLS ClientHello"),
            Self::Ssh => f.write_str("not ZMTP: looks like an SSH banner"),
            Self::Version1 => f.write_str("ZMTP 1.0 (libzmq 2.x) is not supported"),
            Self::Version2 => f.write_str("ZMTP 2.0 (libzmq 3.x) is not supported"),
            Self::NotZmtp => f.write_str("not ZMTP: unknown first bytes"),
            Self::Mechanism => f.write_str("the peer asks for a security mechanism that is not spoken here"),
            Self::Wanted { theirs, ours } => write!(f, "the peer speaks {theirs}, and {ours} is to be spoken"),
            Self::PlainCommand => f.write_str("not the next command of PLAIN, or a broken one"),
            Self::CurveCommand => f.write_str("not the next command of CURVE, or a broken one"),
            Self::CurveHello => f.write_str("the client has another public key for this server than the server's own"),
            Self::CurveInitiate => f.write_str("the client's INITIATE cannot be opened"),
            Self::CurveCookie => f.write_str("a handshake of another connection: it was recorded, or mixed up"),
            Self::CurveNumber => f.write_str("a number of the handshake comes again"),
            Self::CurveVouch => f.write_str("the client cannot vouch for the key that it shows to this server"),
            Self::CurveWelcome => f.write_str("the server does not have the key that is set for it"),
            Self::NoChance => f.write_str("the operating system has no chance to make keys from"),
            Self::RefusedByPeer(code) => write!(f, "the server does not let us in (code {code})"),
            Self::NotSealed => f.write_str("something that is not sealed, on a link where all is"),
            Self::SealNumber => f.write_str("a sealed message comes again, or one is missing before it"),
            Self::Seal => f.write_str("a sealed message has been changed on its way"),
            Self::InnerFlags => f.write_str("unknown flags of a sealed message"),
            Self::Handshake => f.write_str("something other than READY during the handshake"),
            Self::Metadata => f.write_str("broken or oversized READY metadata"),
            Self::SocketType(SocketType::Other) => f.write_str("a socket of that type cannot talk to this end"),
            Self::SocketType(kind) => write!(f, "socket type {} cannot talk to this end", kind.name()),
            Self::Port { theirs, port } => {
                write!(f, "{} sockets connect to port {port}, not to this one", theirs.name())
            }
            Self::Topic => write!(f, "a topic of more than {TOPIC_BYTES_MAX} bytes"),
            Self::Subscriptions => f.write_str("more subscriptions than there is room for"),
            Self::Identity => f.write_str("identity longer than 255 bytes or starting with a zero byte"),
            Self::Flags => f.write_str("reserved frame flags: the stream has lost its step"),
            Self::FrameTooLarge => f.write_str("frame larger than frame_bytes_max"),
            Self::MessageTooLarge => f.write_str("message larger than message_bytes_max"),
            Self::TooManyFrames => f.write_str("message of too many frames"),
            Self::CommandTooLarge => f.write_str("oversized command"),
            Self::Command => f.write_str("broken command"),
            Self::CommandRate => f.write_str("too many commands within a second"),
            Self::PeerError => f.write_str("the peer sent an ERROR command"),
        }
    }
}
