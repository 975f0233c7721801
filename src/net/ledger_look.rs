//! A look into a state directory that changes nothing there: whether its file is whole, and what it holds.
//!
//! Owns the copy in memory that is looked at: what `redb` puts in order when it opens a file, it puts in order there.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend as _};

use super::ledger_file::{self, Trouble};
use super::modes::STATE_FILE;
use crate::hub::ledger::{Entry, Ledger, Ticket, Write};
use crate::limits::STATE_LOOK_BYTES_MAX;

/// What there is to be seen.
#[derive(Debug)]
pub(super) enum Look {
    /// No file yet.
    Nothing,
    /// Another process has it open.
    Taken,
    /// It is so large that it is not looked into.
    TooLarge(u64),
    /// What it holds, and what is not as it should be.
    Kept(Vec<Entry>, Option<Trouble>),
}

/// Looks into the file in `directory`.
///
/// # Errors
/// It cannot be read, or is damaged, or no store of sessions; in a sentence.
pub(super) fn look(directory: &Path) -> io::Result<Look> {
    let path = directory.join(STATE_FILE);
    let told = |kind: ErrorKind, why: &str| io::Error::new(kind, format!("{}: {why}", path.display()));
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Look::Nothing),
        Err(error) => return Err(told(error.kind(), &error.to_string())),
    };
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Look::Taken),
        Err(TryLockError::Error(error)) => return Err(told(error.kind(), &error.to_string())),
    }
    let length = file.metadata()?.len();
    if length > STATE_LOOK_BYTES_MAX {
        return Ok(Look::TooLarge(length));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| told(error.kind(), &error.to_string()))?;
    if bytes.is_empty() {
        return Ok(Look::Kept(Vec::new(), Some(Trouble::Empty)));
    }
    let was_closed = ledger_file::is_closed(&bytes);
    let wrong =
        |error: redb::Error| told(ErrorKind::InvalidData, &format!("it is damaged, or no store of sessions: {error}"));
    let entries = entries(&bytes).map_err(wrong)?;
    Ok(Look::Kept(entries, (!was_closed).then_some(Trouble::NotClosed)))
}

/// What a file of these bytes holds.
fn entries(bytes: &[u8]) -> Result<Vec<Entry>, redb::Error> {
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64)?;
    copy.write(0, bytes)?;
    let database = Database::builder().set_check_integrity_on_open(true).create_with_backend(copy)?;
    ledger_file::read(&database)
}

/// A ledger that only says what it has.
#[derive(Debug)]
pub(super) struct Told(pub(super) Vec<Entry>);

impl Ledger for Told {
    fn commit(&mut self, _: Ticket, _: Vec<Write>) {}

    fn load(&mut self) -> Result<Vec<Entry>, String> {
        Ok(core::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ledger_file::LedgerFile;

    #[test]
    fn a_look_changes_nothing_and_says_what_is_there() {
        let directory = std::env::temp_dir().join(format!("instep-look-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&directory));
        assert!(matches!(look(&directory), Ok(Look::Nothing)));
        let (mut file, _) = LedgerFile::open(&directory).unwrap();
        let write = Write { key: b"session/a".to_vec(), value: Some(b"1".to_vec().into()) };
        file.append([&write].into_iter()).unwrap();
        assert!(matches!(look(&directory), Ok(Look::Taken)));
        let path = directory.join(STATE_FILE);
        let as_a_crash_leaves_it = std::fs::read(&path).unwrap();
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        let kept = |found| match found {
            Ok(Look::Kept(entries, trouble)) => (entries, trouble),
            other => panic!("{other:?}"),
        };
        let entry = (b"session/a".to_vec(), b"1".to_vec());
        assert_eq!(kept(look(&directory)), (vec![entry.clone()], None));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        std::fs::write(&path, &as_a_crash_leaves_it).unwrap();
        assert_eq!(kept(look(&directory)), (vec![entry], Some(Trouble::NotClosed)));
        assert_eq!(std::fs::read(&path).unwrap(), as_a_crash_leaves_it);
        std::fs::write(&path, "no store of anything, and long enough that somebody would look at it for a while")
            .unwrap();
        let said = look(&directory).unwrap_err().to_string();
        assert!(said.contains("it is damaged, or no store of sessions"), "{said}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
