//! Why a call has no result, and why a connection is gone.

use core::fmt;
use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::leco::name;
use crate::zmtp::Fault;

/// An error as JSON-RPC writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorObject {
    /// The number; JSON-RPC 2.0 (section 5.1) has -32700 and -32600 to -32603, LECO -32090 to -32093, and instep -32094 for a
    /// receiver that does not take its messages.
    pub code: i64,
    /// The sentence beside it.
    pub message: String,
    /// What it says beside that; null if nothing.
    pub data: Value,
}

impl ErrorObject {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: &str) -> Self {
        Self { code, message: message.to_owned(), data: Value::Null }
    }

    /// Takes it from an error member; `None` if that has no number.
    pub(super) fn read(error: &Value) -> Option<Self> {
        Some(Self {
            code: error.get("code").and_then(Value::as_i64)?,
            message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            data: error.get("data").cloned().unwrap_or_default(),
        })
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}", self.code, self.message)?;
        if self.data.is_null() { Ok(()) } else { write!(f, ", data {}", self.data) }
    }
}

/// How far a client had come when it lost its Coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// There was no connection yet.
    Connecting,
    /// The other side had not ended the ZMTP handshake.
    Handshake,
    /// The Coordinator had not answered the sign-in.
    SigningIn,
    /// The Component was signed in.
    SignedIn,
}

/// Why a connection is gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// No connection could be made.
    Unreachable(Arc<io::Error>),
    /// The other side has closed it.
    Closed,
    /// Reading from it failed.
    Reading(Arc<io::Error>),
    /// Writing to it failed, or took too long.
    Writing(Arc<io::Error>),
    /// The other side was silent for too long: in the handshake, at the sign-in, or while a sign of life was waited for.
    Late,
    /// What came is not ZMTP, or breaks its rules or the bounds.
    Fault(Fault),
    /// The Coordinator refused the sign-in.
    Refused {
        /// Its full name.
        by: String,
        /// What it said.
        error: ErrorObject,
    },
    /// The sign-in was answered with something that is no JSON-RPC.
    Nonsense {
        /// Full name of who answered.
        by: String,
    },
    /// More came than is kept for an owner who does not ask for it, 64 MiB.
    Overrun,
    /// We signed out.
    SignedOut,
}

impl Loss {
    /// The operating system's error behind it, if there is one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) | Self::Reading(error) | Self::Writing(error) => Some(error),
            Self::Closed
            | Self::Late
            | Self::Fault(_)
            | Self::Refused { .. }
            | Self::Nonsense { .. }
            | Self::Overrun
            | Self::SignedOut => None,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) | Self::Reading(error) | Self::Writing(error) => error.fmt(f),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Late => f.write_str("the Coordinator is silent"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Refused { by, error } => write!(f, "{by} refuses the sign-in with {error}"),
            Self::Nonsense { by } => write!(f, "{by} answered the sign-in with something that is no JSON-RPC"),
            Self::Overrun => f.write_str("more came than is kept"),
            Self::SignedOut => f.write_str("we signed out"),
        }
    }
}

/// Why there is no result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The wanted name cannot be a Component's: 1 to 255 bytes of printable ASCII without a dot are wanted.
    Name(String),
    /// A key for CURVE cannot be one; says which, and why.
    Key(String),
    /// No connection could be made: nobody listens there, or there is no such host.
    Io(Arc<io::Error>),
    /// There is a connection, but no ZMTP ROUTER behind it that speaks to us.
    Handshake(Loss),
    /// The Coordinator refused the sign-in: mostly because the name is taken (-32091).
    Refused {
        /// Its full name.
        by: String,
        /// What it said.
        error: ErrorObject,
    },
    /// Nobody answered in time. What was asked for may have been done all the same.
    TimedOut,
    /// The connection ended before an answer came. What was asked for may have been done all the same.
    Closed(Loss),
    /// An error was answered: by whoever was asked, or by a Coordinator that cannot reach them (-32092, -32093, -32094).
    Rpc {
        /// Full name of who answered.
        by: String,
        /// What was said.
        error: ErrorObject,
    },
    /// The answer is no JSON-RPC answer.
    Nonsense {
        /// Full name of who gave it.
        by: String,
    },
    /// At the moment the client is not signed in: nothing was sent.
    NotSignedIn,
    /// The message is larger than any that is sent, or too much waits to be sent or to be answered: nothing was sent.
    Full,
}

impl Error {
    /// The error of a call that cannot be made because of this loss.
    #[must_use]
    pub(super) fn of_loss(stage: Stage, loss: Loss) -> Self {
        match (stage, loss) {
            (_, Loss::Refused { by, error }) => Self::Refused { by, error },
            (_, Loss::Nonsense { by }) => Self::Nonsense { by },
            (_, Loss::Unreachable(error)) => Self::Io(error),
            (Stage::Handshake, loss) => Self::Handshake(loss),
            (Stage::SigningIn, Loss::Late) => Self::TimedOut,
            (_, loss) => Self::Closed(loss),
        }
    }

    /// The code of the answered error, if there was one.
    #[must_use]
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { error, .. } | Self::Rpc { error, .. } => Some(error.code),
            Self::Name(_)
            | Self::Key(_)
            | Self::Io(_)
            | Self::Handshake(_)
            | Self::TimedOut
            | Self::Closed(_)
            | Self::Nonsense { .. }
            | Self::NotSignedIn
            | Self::Full => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(wanted) => write!(f, "'{}' cannot be a Component's name", name::shown(wanted.as_bytes())),
            Self::Key(why) => f.write_str(why),
            Self::Io(error) => write!(f, "no connection: {error}"),
            Self::Handshake(loss) => write!(f, "no Coordinator: {loss}"),
            Self::Refused { by, error } => write!(f, "{by} refuses the sign-in with {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Closed(loss) => loss.fmt(f),
            Self::Rpc { by, error } => write!(f, "{by} answered with {error}"),
            Self::Nonsense { by } => write!(f, "{by} answered with something that is no JSON-RPC"),
            Self::NotSignedIn => f.write_str("not signed in at the moment"),
            Self::Full => f.write_str("too large, or too much is waiting"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(loss) | Self::Closed(loss) => loss.source(),
            Self::Name(_)
            | Self::Key(_)
            | Self::Refused { .. }
            | Self::TimedOut
            | Self::Rpc { .. }
            | Self::Nonsense { .. }
            | Self::NotSignedIn
            | Self::Full => None,
        }
    }
}
