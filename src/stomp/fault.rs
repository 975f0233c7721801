//! Why a STOMP connection ends.

use core::fmt;

/// What a client has sent that cannot be read. It is told so in ERROR, and the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame that does not begin with a command of a client: perhaps another protocol.
    Command,
    /// A zero byte before the empty line.
    Unfinished,
    /// More bytes before the body than [`crate::limits::STOMP_HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// More header lines than [`crate::limits::STOMP_HEADERS_MAX`].
    TooManyHeaders,
    /// Headers that are not UTF-8.
    Text,
    /// A backslash before a letter that has no meaning behind one, in the version that is spoken.
    Escape,
    /// A `content-length` that is no number.
    Length,
    /// A body longer than may be.
    BodyTooLong,
    /// A `heart-beat` that is not two numbers.
    HeartBeat,
    /// No version in `accept-version` that is spoken here.
    Version,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "unknown command",
            Self::Unfinished => "the frame ends before its headers do",
            Self::HeadTooLarge => "more than 8 KiB of headers",
            Self::TooManyHeaders => "more than 64 headers",
            Self::Text => "headers are not UTF-8",
            Self::Escape => "undefined escape in a header",
            Self::Length => "malformed content-length",
            Self::BodyTooLong => "body too long",
            Self::HeartBeat => "malformed heart-beat",
            Self::Version => "STOMP 1.0, 1.1 and 1.2 are spoken here",
        })
    }
}

impl core::error::Error for Fault {}
