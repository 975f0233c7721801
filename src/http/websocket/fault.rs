//! Why a WebSocket connection ends, and the codes that say so (RFC 6455, 7.4).

use core::fmt;

/// All is done.
pub const NORMAL: u16 = 1000;
/// The client is not to come to this resource.
pub const UNSUPPORTED: u16 = 1003;
/// What came is not what the protocol upon the messages puts there.
pub const INVALID: u16 = 1007;
/// The client may not be here.
pub const POLICY: u16 = 1008;
/// More came than is taken.
pub const TOO_LONG: u16 = 1009;
/// We cannot go on, or the client does not keep up.
pub const INTERNAL: u16 = 1011;
/// The server begins anew: come back soon.
pub const RESTART: u16 = 1012;

/// What a client has done against the rules. [`Fault::code`] goes back in CLOSE, and the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reserved bits are set; no extension was agreed upon.
    Reserved,
    /// A kind of frame that is not defined.
    Opcode,
    /// A frame without a mask.
    Unmasked,
    /// A length in more bytes than it needs, or beyond 63 bits.
    Length,
    /// A control frame that is longer than 125 bytes or in several frames.
    Control,
    /// A frame that continues nothing, or begins a message within another.
    Continuation,
    /// A CLOSE of one byte, or with a code that must not be sent.
    CloseCode,
    /// Text, or the reason of a CLOSE, that is not UTF-8.
    Text,
    /// A message of more bytes than are taken.
    TooLarge,
    /// A message of more frames than are taken.
    TooManyFrames,
}

impl Fault {
    /// The code that the other end is told.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Text => INVALID,
            Self::TooLarge | Self::TooManyFrames => TOO_LONG,
            Self::Reserved
            | Self::Opcode
            | Self::Unmasked
            | Self::Length
            | Self::Control
            | Self::Continuation
            | Self::CloseCode => 1002,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "reserved bits are set",
            Self::Opcode => "unknown kind of frame",
            Self::Unmasked => "frame without a mask",
            Self::Length => "malformed frame length",
            Self::Control => "control frame too long or fragmented",
            Self::Continuation => "frames out of order",
            Self::CloseCode => "malformed close frame",
            Self::Text => "text is not UTF-8",
            Self::TooLarge => "message too large",
            Self::TooManyFrames => "message of too many frames",
        })
    }
}

impl core::error::Error for Fault {}
