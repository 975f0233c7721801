//! Logs of the simulation kernel: every way of packing.

use std::io::{Cursor, Read, Seek, SeekFrom};

use instep::limits::{RCRS_SLICE_BYTES_MAX, RCRS_UNPACKED_BYTES_MAX};
use instep::rcrs::Error;
use instep::rcrs::log::{Ending, Progress, Reader};
use instep::rcrs::message::Record;
use instep::rcrs::summary::Summary;

use super::Cut;

/// Pieces of work after which a reader of a small file is left alone: packed zeros may go on for gibibytes.
const TURNS_MAX: usize = 400;

/// A file whose reads give pieces.
#[derive(Debug)]
struct Pieces<'a>(Cursor<&'a [u8]>, Cut);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.next(to.len());
        self.0.read(&mut to[..n])
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let whole = read(bytes, Cut::Whole, RCRS_SLICE_BYTES_MAX);
    for (cut, budget) in Cut::ways(bytes).into_iter().flat_map(|cut| [(cut.clone(), RCRS_SLICE_BYTES_MAX), (cut, 64)]) {
        let label = format!("{cut:?}, {budget} bytes in a slice");
        let other = read(bytes, cut, budget);
        if let ((_, Some(Ok(_))), (_, Some(Ok(_)))) = (&whole, &other) {
            assert_eq!(other, whole, "{label}");
        }
        // Damage behind a record may be seen before that record is decoded, and small slices come less far.
        let both = other.0.len().min(whole.0.len());
        assert_eq!(other.0[..both], whole.0[..both], "{label}");
    }
    // A log that is cut off gives the same records, as far as it goes.
    let (part, _) = read(&bytes[..bytes.len() - bytes.len() / 3], Cut::Whole, RCRS_SLICE_BYTES_MAX);
    let both = part.len().min(whole.0.len());
    assert_eq!(part[..both], whole.0[..both], "cut off");
    assert!(
        part.len() == both || matches!(whole.1, Some(Err(_))),
        "a log that ends well has all records of its beginning"
    );
    let mut summary = Summary::new();
    let added = whole.0.into_iter().try_for_each(|record| summary.add(record));
    assert!(added.is_ok() || !format!("{added:?}").is_empty());
}

/// The records of a log and how it ended, if it did within the turns.
fn read(bytes: &[u8], cut: Cut, budget: usize) -> (Vec<Record>, Option<Result<Ending, Error>>) {
    let mut records = Vec::new();
    let mut reader = match Reader::open(Pieces(Cursor::new(bytes), cut)) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(Err(error))),
    };
    for _ in 0..TURNS_MAX {
        let before = reader.unpacked_bytes();
        let progress = reader.advance(budget);
        let unpacked = reader.unpacked_bytes() - before;
        assert!(unpacked <= 4 * RCRS_SLICE_BYTES_MAX as u64, "{unpacked} bytes in one slice");
        assert!(reader.unpacked_bytes() <= RCRS_UNPACKED_BYTES_MAX);
        let outcome = match progress {
            Ok(Progress::Record(record)) => {
                records.push(record);
                continue;
            }
            Ok(Progress::Working) => continue,
            Ok(Progress::Ended(ending)) => Ok(ending),
            Err(error) => Err(error),
        };
        assert_eq!(reader.advance(budget), outcome.map(Progress::Ended), "an end is for good");
        return (records, Some(outcome));
    }
    (records, None)
}
