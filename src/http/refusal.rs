//! Why a request is refused before anybody has looked at what it wants.

use core::fmt;

/// Why a request cannot be read. It is answered with [`Refusal::status`] and the reason, and the connection closed behind that: where the
/// next request begins is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The first line is none of a request: 400.
    RequestLine,
    /// Not HTTP/1.1 or HTTP/1.0: 505.
    Version,
    /// A method that is not known here: 501.
    Method,
    /// A target that is neither a path nor an URL with one: 400.
    Target,
    /// A field that is none, goes over several lines, or has a blank before its colon: 400.
    Field,
    /// More bytes before the empty line than [`crate::limits::HTTP_HEAD_BYTES_MAX`]: 431.
    HeadTooLarge,
    /// More fields than [`crate::limits::HTTP_FIELDS_MAX`]: 431.
    TooManyFields,
    /// No field `Host` in HTTP/1.1, or more than one: 400.
    Host,
    /// A `Content-Length` that is no number, or two that differ: 400.
    Length,
    /// `Content-Length` beside `Transfer-Encoding`, or the latter in HTTP/1.0: 400.
    LengthAndCoding,
    /// A `Transfer-Encoding` other than `chunked`: 501.
    TransferEncoding,
    /// A `Content-Encoding` other than `identity`: 415.
    ContentEncoding,
    /// A chunk that does not begin or end as one, or that says more about itself than it may: 400.
    Chunk,
    /// A body longer than may be at this target: 413.
    BodyTooLong,
    /// It does not come in the time that it has: 408. Whoever has the clock says so.
    TooSlow,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLine
            | Self::Target
            | Self::Field
            | Self::Host
            | Self::Length
            | Self::LengthAndCoding
            | Self::Chunk => 400,
            Self::TooSlow => 408,
            Self::BodyTooLong => 413,
            Self::ContentEncoding => 415,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::Method | Self::TransferEncoding => 501,
            Self::Version => 505,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLine => "malformed request line",
            Self::Version => "only HTTP/1.1 and HTTP/1.0 are spoken here",
            Self::Method => "unknown method",
            Self::Target => "malformed target",
            Self::Field => "malformed header field",
            Self::HeadTooLarge => "more than 16 KiB of header fields",
            Self::TooManyFields => "more than 64 header fields",
            Self::Host => "one Host field is needed",
            Self::Length => "malformed or contradictory Content-Length",
            Self::LengthAndCoding => {
                "Content-Length and Transfer-Encoding exclude one another, and HTTP/1.0 has no chunks"
            }
            Self::TransferEncoding => "unknown Transfer-Encoding",
            Self::ContentEncoding => "compressed bodies are not taken",
            Self::Chunk => "malformed chunk",
            Self::BodyTooLong => "body too long",
            Self::TooSlow => "the request did not come in time",
        })
    }
}

impl core::error::Error for Refusal {}
