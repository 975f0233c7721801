//! Where recordings go, and how the heart hands them over.
//!
//! Owns the words of the bargain: recordings, what can be done with one, and the promise that every ticket gets its outcome. It must not
//! know what the bytes mean, nor where they are kept: `net` keeps them in files, a test in memory.
//!
//! The heart never waits. It hands a piece over with a ticket, as it does with a commit of the [`super::ledger`], and goes on; the
//! outcome comes back later through [`super::Hub::handle_committed`]. How much may wait is the heart's to bound, by the outcomes that it has seen.

use core::fmt::Debug;

use super::ledger::Ticket;

/// A recording. The heart gives no number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordingId(pub u64);

/// What is to be done with a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Make its file, named after the map and the moment. Comes first and once.
    Begin {
        /// As the simulation calls it; may be empty.
        map_name: String,
        /// The moment, in milliseconds since 1970.
        unix_ms: u64,
    },
    /// Append these bytes, all or none: whole records, of which a reader can make use.
    Append(Vec<u8>),
    /// Close its file. Comes last and once, whatever the outcomes before it were.
    End,
}

/// A place where recordings are written.
pub trait Recorder: Send + Debug {
    /// Begins to do something with a recording; returns at once. The outcome comes through [`super::Hub::handle_committed`], once for
    /// each ticket; an error is a sentence that says which file it is about. Deeds of one recording are done in the order of the calls,
    /// and none but [`Deed::End`] succeeds after one of them has failed.
    fn hand_over(&mut self, ticket: Ticket, recording: RecordingId, deed: Deed);
}
