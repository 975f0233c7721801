//! The Manager's MsgPack protocols: control requests and results, viewer requests and results, viewer recordings.
//!
//! Owns the bytes on the wire and in the file, both ways. Must not know sockets, files, clocks, the table of sessions or
//! where simulation data comes from: the hub hands plain data in and gets plain data out.
//!
//! # The protocols in short
//! Every message in both directions is a *length header*, one MsgPack integer that counts the bytes after it, and a body
//! ([`framing`]). There are two doors:
//!
//! * **Control** ([`function`], [`request`], [`reply`]). The body is a *data header* `[version, function id]` and a *data object*, a map of
//!   arguments; the result has `[function id, true or false]` and a map of results. Whether the two lie side by side or in one
//!   array is left open by the document, so [`envelope`] knows four shapes and a result takes the shape of its request.
//! * **Viewer** ([`viewer`]). The body is one map, with no data header: `{request: bits, time}` one way and `{request, message,
//!   result, time, record}` the other. A viewer sends one request and then gets a result for each timestep, unasked.
//!
//! A `record` is a map of *sections* ([`section`]): map, world, commands, changes, config, perceptions. Its data are entities,
//! actions and areas ([`record`]); [`replay`] reads them back, [`reading`] piece by piece into a [`told`] world, and [`vlog`] keeps records in a file.
//! [`client`] is the other end of both doors, for the command line.
//!
//! # Reading and trust
//! [`value`] reads MsgPack without allocating, with a bound on depth. Every length a peer announces is compared with the bytes
//! that are there; nothing is reserved from it. Text may come as MsgPack `str` or `bin`, map keys in any order, unknown keys are
//! skipped, and of a key given twice the last one counts.

use core::fmt;

mod arguments;
pub mod client;
pub mod envelope;
pub mod framing;
pub mod function;
pub mod ids;
pub mod json;
mod pack;
pub mod reading;
pub mod record;
pub mod replay;
pub mod reply;
pub mod request;
pub mod section;
pub mod told;
pub mod value;
pub mod viewer;
pub mod vlog;

/// The version of the control protocol we speak: the `version` of `ManagerInfo`, and the one the surviving controller sends.
pub const PROTOCOL_VERSION: &str = "1";

/// Why bytes from a peer or a file were not taken. Each variant asks for one reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The length header is not a MsgPack integer of zero or more: the stream cannot be followed. Answer, then close.
    BadLength,
    /// The length header announces more than the cap: answer, then close.
    TooLong {
        /// Bytes announced.
        announced: u64,
        /// Bytes allowed.
        cap: usize,
    },
    /// The body is not what the protocol puts there, and why as the end of a sentence: answer with id 0, then close.
    Malformed(&'static str),
    /// The body is a control request for a function we do not have: answer with the same id, go on.
    UnknownFunction(i64),
    /// One argument of a request cannot be used: answer with the name of it, go on.
    BadArgument {
        /// The key of the argument as the protocol spells it.
        argument: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One field of a result or a recording cannot be used: drop that record or end the playback.
    BadField {
        /// The key of the field as the protocol spells it.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A timestep of a recording stands behind a later one, without a world to begin anew with: what it changes is not known. End the playback.
    Disordered {
        /// The timestep.
        time: i64,
        /// The later one.
        behind: i64,
    },
}

impl Error {
    /// True when the peer's stream cannot be trusted after this: answer and close.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        match self {
            Self::BadLength | Self::TooLong { .. } | Self::Malformed(_) => true,
            Self::UnknownFunction(_) | Self::BadArgument { .. } | Self::BadField { .. } | Self::Disordered { .. } => {
                false
            }
        }
    }

    /// This error with the name of the argument it was met in.
    pub(crate) const fn in_argument(self, argument: &'static str) -> Self {
        match self {
            Self::Malformed(problem) => Self::BadArgument { argument, problem },
            Self::BadLength | Self::TooLong { .. } | Self::UnknownFunction(_) => self,
            Self::BadArgument { .. } | Self::BadField { .. } | Self::Disordered { .. } => self,
        }
    }

    /// This error with the name of the field it was met in.
    pub(crate) const fn in_field(self, field: &'static str) -> Self {
        match self {
            Self::Malformed(problem) => Self::BadField { field, problem },
            Self::BadLength | Self::TooLong { .. } | Self::UnknownFunction(_) => self,
            Self::BadArgument { .. } | Self::BadField { .. } | Self::Disordered { .. } => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength => write!(f, "the length header is not a whole number of bytes"),
            Self::TooLong { announced, cap } => write!(f, "a message of {announced} bytes is over the limit of {cap}"),
            Self::Malformed(problem) => write!(f, "the message {problem}"),
            Self::UnknownFunction(id) => write!(f, "there is no function {id}"),
            Self::BadArgument { argument, problem } => write!(f, "argument {argument} {problem}"),
            Self::BadField { field, problem } => write!(f, "field {field} {problem}"),
            Self::Disordered { time, behind } => {
                write!(f, "timestep {time} stands behind timestep {behind}: its timesteps are out of order")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
pub(crate) mod testing {
    /// Bytes of a hexadecimal constant; spaces are there to help the eye.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_a_plain_sentence_and_says_whether_to_close() {
        let cases = [
            (Error::BadLength, true, "the length header is not a whole number of bytes"),
            (Error::TooLong { announced: 9, cap: 8 }, true, "a message of 9 bytes is over the limit of 8"),
            (Error::Malformed("ends early"), true, "the message ends early"),
            (Error::UnknownFunction(-7), false, "there is no function -7"),
            (Error::BadArgument { argument: "viewer", problem: "is missing" }, false, "argument viewer is missing"),
            (Error::BadField { field: "time", problem: "is missing" }, false, "field time is missing"),
            (
                Error::Disordered { time: 2, behind: 10 },
                false,
                "timestep 2 stands behind timestep 10: its timesteps are out of order",
            ),
        ];
        for (error, fatal, text) in cases {
            assert_eq!((error.is_fatal(), error.to_string().as_str()), (fatal, text));
        }
    }

    #[test]
    fn a_name_is_given_once_and_only_to_a_malformed_value() {
        let named = Error::Malformed("is no map").in_argument("address");
        assert_eq!(named, Error::BadArgument { argument: "address", problem: "is no map" });
        assert_eq!(named.in_argument("other").in_field("other"), named);
        assert_eq!(Error::Malformed("x").in_field("id"), Error::BadField { field: "id", problem: "x" });
        assert_eq!(Error::BadLength.in_field("id"), Error::BadLength);
    }
}
