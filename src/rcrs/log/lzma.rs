//! What the packings of the LZMA family have in common: their dictionaries, and what their decoders say in our words.

use std::io::{self, ErrorKind};

use lzma_rust2::{Lzma2Stream, Status};

use super::pieces::{DAMAGED, DICTIONARY, Unpacked};
use crate::limits::RCRS_DICTIONARY_BYTES_MAX;
use crate::rcrs::Error;

/// What a decoder needs beyond its dictionary, in KiB: the largest literal tables LZMA allows.
const MODEL_KIB: usize = 8192;

/// The LZMA2 decoder alone, for the containers made of it.
pub(super) fn lzma2(dictionary: u32) -> Result<Lzma2Stream, Error> {
    check_dictionary(dictionary)?;
    Ok(Lzma2Stream::new_mem_limit(dictionary, memory_kib()))
}

/// The size a dictionary byte of LZMA2 stands for.
pub(super) fn lzma2_dictionary(code: u8) -> Result<u32, Error> {
    match code {
        0..40 => (2 | u32::from(code & 1)).checked_shl(u32::from(code / 2) + 11).ok_or(DAMAGED),
        40 => Ok(u32::MAX),
        _ => Err(DAMAGED),
    }
}

/// What the LZMA decoders say in our words.
pub(super) fn unpacked_by(result: io::Result<lzma_rust2::StreamResult>) -> Result<Unpacked, Error> {
    match result {
        Ok(result) => Ok(Unpacked {
            taken: result.bytes_consumed,
            made: result.bytes_produced,
            ended: result.status == Status::StreamEnd,
        }),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Err(DICTIONARY),
        Err(_) => Err(DAMAGED),
    }
}

/// Refuses a dictionary that is larger than we hold.
pub(super) fn check_dictionary(bytes: u32) -> Result<(), Error> {
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= RCRS_DICTIONARY_BYTES_MAX) { Ok(()) } else { Err(DICTIONARY) }
}

/// What a decoder may take.
pub(super) fn memory_kib() -> u32 {
    u32::try_from(RCRS_DICTIONARY_BYTES_MAX / 1024 + MODEL_KIB).unwrap_or(u32::MAX)
}
