//! RoboCup Rescue simulator (RCRS) data: live kernels and the logs they write.
//!
//! Owns the numbers and names of the simulator ([`urn`]), what its messages and log records carry ([`message`], [`entity`]),
//! the two encodings of them (protobuf of today's kernels, big-endian of the 1.x ones), the merged state ([`world`]), the
//! client machine for a running kernel ([`kernel`]), the reader of logs ([`log`]), a count of what one holds ([`summary`])
//! and how well a run goes ([`score`]).
//! Must not know sockets, clocks, paths, viewers or sessions: bytes come in, plain values go out.
//!
//! # Primer
//! A kernel steps a disaster simulation: agents (fire brigades, ambulance teams, police forces, civilians) move on a map of
//! roads and buildings. A *viewer* connects over TCP, gets the whole world once and then, each step, the commands that
//! were accepted and a *change set*: properties that have new values and entities that are gone. A log has the same
//! content as records, plus what each agent perceived. So both sources come down to one starting list of entities and one
//! change set a step, merged by [`world::World::apply`], which also says what *really* changed, since kernels repeat values.
//!
//! Everything a peer or a file announces is bounded in [`crate::limits`]; no memory is taken for an announced size before
//! the bytes are there; decoding runs in slices so that a big map cannot hold up a loop.

pub mod entity;
pub mod kernel;
mod legacy;
pub mod log;
pub mod merge;
pub mod message;
mod proto;
pub mod score;
pub mod summary;
pub mod urn;
pub mod world;

use core::fmt;

/// Why a kernel's bytes or a log cannot be used. After any of these the source gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes break the format; the text names the part.
    Malformed(&'static str),
    /// A size, count or depth is over its bound in [`crate::limits`]; the text names the part.
    TooLarge(&'static str),
    /// A known format in a variety that is not read; the text names it.
    Unsupported(&'static str),
    /// The file is empty, as the kernel's packed log is while a run starts.
    Empty,
    /// The file is no simulation log.
    Unrecognised,
    /// The source could not be read.
    Read(std::io::ErrorKind),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the simulator data is damaged: {what}"),
            Self::TooLarge(what) => write!(f, "the simulator data is larger than allowed: {what}"),
            Self::Unsupported(what) => write!(f, "this kind of log is not supported: {what}"),
            Self::Empty => f.write_str("the log is empty: its run may not have started yet"),
            Self::Unrecognised => f.write_str("the file is not a simulation log"),
            Self::Read(kind) => write!(f, "the log cannot be read: {kind}"),
        }
    }
}

impl core::error::Error for Error {}
