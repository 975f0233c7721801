//! Keys and values in one file that a crash cannot tear: a table of `redb`, whose every commit is durable whole or not at all.
//!
//! Owns the directory and the file in it; must not know who keeps what, nor any thread. `redb` locks the file against a second process,
//! checks its own sums, and puts itself in order after a crash when it is opened.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition};

use crate::hub::ledger::{Entry, Write};

/// The file in the directory.
const NAME: &str = "sessions.redb";
/// Bytes that `redb` may keep of the file in memory.
const CACHE_BYTES: usize = 1 << 20;
/// Bytes of the mark by which `redb` knows its files.
const MARK_BYTES: usize = 9;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kept");

/// A file, open unless it has failed.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// `redb` takes nothing more after an error of the disk; then it is closed, to be opened anew for the next write.
    database: Option<Database>,
}

impl LedgerFile {
    /// Opens the file in `directory`; both are made if they are missing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        if directory.exists() && !directory.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, format!("{}: not a directory", directory.display())));
        }
        std::fs::create_dir_all(directory)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
        let mut file = Self { database: Some(open(&path)?), path };
        file.append(core::iter::empty()).map_err(|why| io::Error::other(format!("{}: {why}", file.path.display())))?;
        Ok(file)
    }

    /// Everything that is kept, in the order of the keys.
    pub(super) fn everything(&self) -> Result<Vec<Entry>, String> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let read = || -> Result<Vec<Entry>, redb::Error> {
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut entries = Vec::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                entries.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(entries)
        };
        read().map_err(|error| error.to_string())
    }

    /// Makes `writes` durable, all or none.
    pub(super) fn append<'a>(&mut self, writes: impl Iterator<Item = &'a Write>) -> Result<(), String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path).map_err(|error| error.to_string())?,
        };
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for one in writes {
                    match &one.value {
                        Some(value) => drop(table.insert(one.key.as_slice(), value.as_slice())?),
                        None => drop(table.remove(one.key.as_slice())?),
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| error.to_string())?;
        self.database = Some(database);
        Ok(())
    }
}

/// Opens the file. One whose first making was cut short, by a kill or a power cut, is laid aside: nothing has ever been kept in it.
fn open(path: &Path) -> io::Result<Database> {
    match open_as_it_is(path) {
        Err(error) if error.kind() == ErrorKind::InvalidData && is_unfinished(path) => {
            let aside = path.with_extension("unfinished");
            std::fs::rename(path, &aside)?;
            log::warn!("{} was never finished: it is {} now, and a new one begins", path.display(), aside.display());
            open_as_it_is(path)
        }
        outcome => outcome,
    }
}

/// Whether the first thing that is missing is what `redb` writes last when it makes a file: the mark at its beginning.
fn is_unfinished(path: &Path) -> bool {
    let mut mark = [1; MARK_BYTES];
    let read = std::fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut mark));
    read.is_ok() && mark == [0; MARK_BYTES]
}

fn open_as_it_is(path: &Path) -> io::Result<Database> {
    let told = |kind: ErrorKind, why: &str| io::Error::new(kind, format!("{}: {why}", path.display()));
    // A damaged file is no reason to panic on, in whatever way it is damaged.
    Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
            return told(ErrorKind::AddrInUse, "another process has it open");
        }
        if let DatabaseError::Storage(StorageError::Io(error)) = &error
            && error.kind() != ErrorKind::InvalidData
        {
            return told(error.kind(), &error.to_string());
        }
        told(ErrorKind::InvalidData, &format!("it is damaged, or no store of sessions: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory that is gone after the test.
    struct TemporaryDirectory(PathBuf);

    impl TemporaryDirectory {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            Self(std::env::temp_dir().join(format!("instep-ledger-file-{}-{number}", std::process::id())))
        }
    }

    impl Drop for TemporaryDirectory {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn put(key: &str, value: &str) -> Write {
        Write { key: key.as_bytes().to_vec(), value: Some(value.as_bytes().to_vec()) }
    }

    fn all(file: &LedgerFile) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        file.everything().unwrap().into_iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn what_was_written_is_there_again_in_the_order_of_its_keys() {
        let directory = TemporaryDirectory::new();
        let mut file = LedgerFile::open(&directory.0.join("deeper")).unwrap();
        assert_eq!(all(&file), []);
        file.append([put("b", "1"), put("a", "2"), put("c", "3")].iter()).unwrap();
        file.append([Write { key: b"b".to_vec(), value: None }, put("a", "4")].iter()).unwrap();
        drop(file);
        let file = LedgerFile::open(&directory.0.join("deeper")).unwrap();
        assert_eq!(all(&file), [("a".to_owned(), "4".to_owned()), ("c".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn who_comes_second_or_to_something_else_is_told_in_a_sentence() {
        let directory = TemporaryDirectory::new();
        let file = LedgerFile::open(&directory.0).unwrap();
        let second = LedgerFile::open(&directory.0).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        assert!(second.to_string().ends_with("sessions.redb: another process has it open"), "{second}");
        drop(file);
        std::fs::write(directory.0.join(NAME), "this is no store of anything, but long enough to be looked at")
            .unwrap();
        let damaged = LedgerFile::open(&directory.0).unwrap_err();
        assert!(damaged.to_string().contains("it is damaged, or no store of sessions"), "{damaged}");
        let file = LedgerFile::open(&directory.0.join(NAME)).unwrap_err();
        assert!(file.to_string().contains("sessions.redb"), "{file}");
    }

    #[test]
    fn a_file_that_has_failed_is_opened_anew() {
        let directory = TemporaryDirectory::new();
        let mut file = LedgerFile::open(&directory.0).unwrap();
        file.append([put("a", "1")].iter()).unwrap();
        file.database = None;
        // Nobody else may have it meanwhile.
        let other = LedgerFile::open(&directory.0).unwrap();
        assert!(file.append([put("b", "2")].iter()).unwrap_err().ends_with("another process has it open"));
        drop(other);
        file.append([put("b", "2")].iter()).unwrap();
        assert_eq!(all(&file), [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn a_file_whose_making_was_cut_short_is_laid_aside_and_one_that_lacks_more_is_not() {
        let directory = TemporaryDirectory::new();
        drop(LedgerFile::open(&directory.0).unwrap());
        let path = directory.0.join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..MARK_BYTES].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        let mut file = LedgerFile::open(&directory.0).unwrap();
        file.append([put("a", "1")].iter()).unwrap();
        drop(file);
        assert_eq!(std::fs::read(path.with_extension("unfinished")).unwrap(), bytes);
        assert_eq!(all(&LedgerFile::open(&directory.0).unwrap()), [("a".to_owned(), "1".to_owned())]);
        bytes[0] = b'r';
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(LedgerFile::open(&directory.0).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused_or_whole() {
        let directory = TemporaryDirectory::new();
        let mut file = LedgerFile::open(&directory.0).unwrap();
        for n in 0..20 {
            file.append([put("key", &"x".repeat(n * 100)), put("other", &n.to_string())].iter()).unwrap();
        }
        drop(file);
        let path = directory.0.join(NAME);
        let whole = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            // An empty file is a new one.
            match LedgerFile::open(&directory.0) {
                Ok(file) => assert!(cut == 0 || all(&file).len() == 2, "cut at {cut}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 0);
    }
}
