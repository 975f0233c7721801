//! What one piece of work gives: to whoever unpacks, and to whoever puts records together.

use crate::rcrs::Error;
use crate::rcrs::message::RecordKind;

pub(super) const DAMAGED: Error = Error::Malformed("the packed data cannot be unpacked");
pub(super) const DICTIONARY: Error = Error::TooLarge("the dictionary of the packed data");

/// What one call to an unpacker did: bytes taken, bytes made, and whether there is no more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unpacked {
    pub(super) taken: usize,
    pub(super) made: usize,
    pub(super) ended: bool,
}

/// How a record is encoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Proto,
    Legacy(RecordKind),
}

/// What one piece of reading gave.
#[derive(Debug)]
pub(super) enum Fetched {
    Record { bytes: Vec<u8>, encoding: Encoding },
    Working { bytes: usize },
    Ended,
}
