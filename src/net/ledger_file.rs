//! Keys and values in one file that a crash cannot tear: a table of `redb`, whose every commit is durable whole or not at all.
//!
//! Owns the directory and the file in it; must not know who keeps what, nor any thread. `redb` locks the file against a second process,
//! checks its own sums, and puts itself in order after a crash when it is opened.

use core::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition};

use super::modes::{self, STATE_FILE};
use crate::hub::ledger::{Entry, Write};

/// Bytes that `redb` may keep of the file in memory.
const CACHE_BYTES: usize = 1 << 20;
/// Bytes of the mark by which `redb` knows its files.
const MARK_BYTES: usize = 9;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kept");

/// Bytes at the beginning of a file of `redb`, and where in them it has the numbers of its last two changes.
const HEAD_BYTES: usize = 320;
const CHANGES_AT: [usize; 2] = [64 + 104, 192 + 104];

/// Where the head has its flags, and the one of a file that is open, or was not closed.
const FLAGS_AT: usize = MARK_BYTES;
const NOT_CLOSED: u8 = 2;

/// What was not as it should be when a file was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Whoever had it open has not closed it: a crash or a power cut.
    NotClosed,
    /// Its newest change is damaged, and what was before it counts.
    RolledBack,
    /// It was there, and nothing is in it.
    Empty,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotClosed => "it was not closed in order; it has been checked, and every change in it is whole",
            Self::RolledBack => {
                "its newest change is damaged and is given up: what was answered last may be undone, so see that the sessions are as they should be"
            }
            Self::Empty => "it was there, and there is nothing in it: if there have been sessions, they are lost",
        })
    }
}

/// A file, open unless it has failed.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// `redb` takes nothing more after an error of the disk; then it is closed, to be opened anew for the next write.
    database: Option<Database>,
}

impl LedgerFile {
    /// Opens the file in `directory`; both are made if they are missing. Says, and answers, what is not as it should be.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Option<Trouble>)> {
        let path = directory.join(STATE_FILE);
        if directory.exists() && !directory.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, format!("{}: not a directory", directory.display())));
        }
        modes::make_directory(directory)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
        let was_there = path.exists();
        let (database, mut trouble) = open(&path)?;
        let mut file = Self { database: Some(database), path };
        file.append(core::iter::empty()).map_err(|why| io::Error::other(format!("{}: {why}", file.path.display())))?;
        if was_there && trouble.is_none() && file.everything().is_ok_and(|entries| entries.is_empty()) {
            trouble = Some(Trouble::Empty);
        }
        if let Some(trouble) = trouble {
            log::warn!("{}: {trouble}", file.path.display());
        }
        Ok((file, trouble))
    }

    /// Everything that is kept, in the order of the keys.
    pub(super) fn everything(&self) -> Result<Vec<Entry>, String> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        read(database).map_err(|error| error.to_string())
    }

    /// Makes `writes` durable, all or none.
    pub(super) fn append<'a>(&mut self, writes: impl Iterator<Item = &'a Write>) -> Result<(), String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path).map_err(|error| error.to_string())?.0,
        };
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for one in writes {
                    match &one.value {
                        Some(value) => drop(table.insert(one.key.as_slice(), value.as_ref())?),
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

/// Everything that a database holds, in the order of the keys.
pub(super) fn read(database: &Database) -> Result<Vec<Entry>, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        entries.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(entries)
}

/// Whether a file that begins so was closed in order.
#[cfg(feature = "daemon")]
pub(super) fn is_closed(head: &[u8]) -> bool {
    head.get(FLAGS_AT).is_some_and(|flags| flags & NOT_CLOSED == 0)
}

/// Opens the file. One whose first making was cut short, by a kill or a power cut, is laid aside: nothing has ever been kept in it.
fn open(path: &Path) -> io::Result<(Database, Option<Trouble>)> {
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

fn open_as_it_is(path: &Path) -> io::Result<(Database, Option<Trouble>)> {
    let told = |kind: ErrorKind, why: &str| io::Error::new(kind, format!("{}: {why}", path.display()));
    modes::of_state()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| told(error.kind(), &error.to_string()))?;
    let rolled_back = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&rolled_back);
    let mut builder = Database::builder();
    // Every sum is checked: a file that is trusted could be damaged so that `redb` panics. What it says of how far it is has one step more
    // where it gives up the newest change.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).set_repair_callback(move |session| {
        if (0.1..0.5).contains(&session.progress()) {
            seen.store(true, Ordering::Relaxed);
        }
    });
    // A damaged file is no reason to panic on, in whatever way it is damaged.
    let wrong = |error: DatabaseError| {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
            return told(ErrorKind::AddrInUse, "another process has it open");
        }
        if let DatabaseError::Storage(StorageError::Io(error)) = &error
            && !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
        {
            return told(error.kind(), &error.to_string());
        }
        told(ErrorKind::InvalidData, &format!("it is damaged, or no store of sessions: {error}"))
    };
    let before = head(path);
    let database = builder.create(path).map_err(wrong)?;
    let is_older = before.zip(head(path)).is_some_and(|(before, now)| newest_change(&now) < newest_change(&before));
    let trouble = if is_older || rolled_back.load(Ordering::Relaxed) {
        Some(Trouble::RolledBack)
    } else {
        before
            .filter(|head| head.get(FLAGS_AT).is_some_and(|flags| flags & NOT_CLOSED != 0))
            .map(|_| Trouble::NotClosed)
    };
    Ok((database, trouble))
}

/// The head of a file; `None` where there is none yet.
fn head(path: &Path) -> Option<[u8; HEAD_BYTES]> {
    let mut head = [0; HEAD_BYTES];
    std::fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut head)).ok()?;
    Some(head)
}

/// The number of the newest change in a file, as its head has it.
fn newest_change(head: &[u8; HEAD_BYTES]) -> Option<u64> {
    let number = |at: usize| head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    CHANGES_AT.into_iter().filter_map(number).max()
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

    fn opened(directory: &Path) -> LedgerFile {
        LedgerFile::open(directory).unwrap().0
    }

    fn put(key: &str, value: &str) -> Write {
        Write { key: key.as_bytes().to_vec(), value: Some(value.as_bytes().to_vec().into()) }
    }

    fn all(file: &LedgerFile) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        file.everything().unwrap().into_iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn what_was_written_is_there_again_in_the_order_of_its_keys() {
        let directory = TemporaryDirectory::new();
        let mut file = opened(&directory.0.join("deeper"));
        assert_eq!(all(&file), []);
        file.append([put("b", "1"), put("a", "2"), put("c", "3")].iter()).unwrap();
        file.append([Write { key: b"b".to_vec(), value: None }, put("a", "4")].iter()).unwrap();
        drop(file);
        let file = opened(&directory.0.join("deeper"));
        assert_eq!(all(&file), [("a".to_owned(), "4".to_owned()), ("c".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn who_comes_second_or_to_something_else_is_told_in_a_sentence() {
        let directory = TemporaryDirectory::new();
        let file = opened(&directory.0);
        let second = LedgerFile::open(&directory.0).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        assert!(second.to_string().ends_with("sessions.redb: another process has it open"), "{second}");
        drop(file);
        std::fs::write(directory.0.join(STATE_FILE), "this is no store of anything, but long enough to be looked at")
            .unwrap();
        let damaged = LedgerFile::open(&directory.0).unwrap_err();
        assert!(damaged.to_string().contains("it is damaged, or no store of sessions"), "{damaged}");
        let file = LedgerFile::open(&directory.0.join(STATE_FILE)).unwrap_err();
        assert!(file.to_string().contains("sessions.redb"), "{file}");
    }

    #[test]
    fn a_file_that_has_failed_is_opened_anew() {
        let directory = TemporaryDirectory::new();
        let mut file = opened(&directory.0);
        file.append([put("a", "1")].iter()).unwrap();
        file.database = None;
        // Nobody else may have it meanwhile.
        let other = opened(&directory.0);
        assert!(file.append([put("b", "2")].iter()).unwrap_err().ends_with("another process has it open"));
        drop(other);
        file.append([put("b", "2")].iter()).unwrap();
        assert_eq!(all(&file), [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn a_file_whose_making_was_cut_short_is_laid_aside_and_one_that_lacks_more_is_not() {
        let directory = TemporaryDirectory::new();
        drop(opened(&directory.0));
        let path = directory.0.join(STATE_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..MARK_BYTES].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        let mut file = opened(&directory.0);
        file.append([put("a", "1")].iter()).unwrap();
        drop(file);
        assert_eq!(std::fs::read(path.with_extension("unfinished")).unwrap(), bytes);
        assert_eq!(all(&opened(&directory.0)), [("a".to_owned(), "1".to_owned())]);
        bytes[0] = b'r';
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(LedgerFile::open(&directory.0).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused_or_whole() {
        let directory = TemporaryDirectory::new();
        let mut file = opened(&directory.0);
        for n in 0..20 {
            file.append([put("key", &"x".repeat(n * 100)), put("other", &n.to_string())].iter()).unwrap();
        }
        drop(file);
        let path = directory.0.join(STATE_FILE);
        let whole = std::fs::read(&path).unwrap();
        drop(std::fs::remove_file(&path));
        for bytes in [whole, crashed(&directory.0)] {
            let mut refused = 0;
            for cut in (0..bytes.len()).step_by(bytes.len() / 60) {
                std::fs::write(&path, &bytes[..cut]).unwrap();
                // An empty file is a new one.
                match LedgerFile::open(&directory.0) {
                    Ok((file, _)) => assert!(cut == 0 || all(&file).len() == 2, "cut at {cut}"),
                    Err(error) => {
                        assert!(error.to_string().contains("it is damaged"), "cut at {cut}: {error}");
                        refused += 1;
                    }
                }
            }
            assert!(refused > 0);
        }
    }

    /// A file as a crash leaves it, behind twenty changes, with the bytes of another day.
    fn crashed(directory: &Path) -> Vec<u8> {
        let mut file = opened(directory);
        for n in 1..=20 {
            file.append([put("n", &n.to_string()), put("text", &"x".repeat(n * 20))].iter()).unwrap();
        }
        std::fs::read(directory.join(STATE_FILE)).unwrap()
    }

    #[test]
    fn a_file_that_was_not_closed_is_told_and_one_that_was_is_not() {
        let directory = TemporaryDirectory::new();
        let bytes = crashed(&directory.0);
        assert_eq!(LedgerFile::open(&directory.0).unwrap().1, None);
        std::fs::write(directory.0.join(STATE_FILE), bytes).unwrap();
        assert_eq!(LedgerFile::open(&directory.0).unwrap().1, Some(Trouble::NotClosed));
        std::fs::write(directory.0.join(STATE_FILE), b"").unwrap();
        assert_eq!(LedgerFile::open(&directory.0).unwrap().1, Some(Trouble::Empty));
        drop(std::fs::remove_file(directory.0.join(STATE_FILE)));
        assert_eq!(LedgerFile::open(&directory.0).unwrap().1, None, "a new one");
    }

    #[test]
    fn a_damaged_file_is_never_silently_an_older_one() {
        let directory = TemporaryDirectory::new();
        let crashed = crashed(&directory.0);
        let closed = std::fs::read(directory.0.join(STATE_FILE)).unwrap();
        let (mut older, mut refused) = (0, 0);
        for bytes in [crashed, closed] {
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            // A third of the head, and a byte now and then of the rest.
            for at in (0..320).step_by(3).chain((320..used).step_by((used / 60).max(1))) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                std::fs::write(directory.0.join(STATE_FILE), damaged).unwrap();
                match std::panic::catch_unwind(|| LedgerFile::open(&directory.0)) {
                    Ok(Ok((file, trouble))) => {
                        let is_newest = file
                            .everything()
                            .is_ok_and(|all| all.iter().any(|(key, value)| key == b"n" && value == b"20"));
                        older += usize::from(!is_newest);
                        let is_told = matches!(trouble, Some(Trouble::RolledBack | Trouble::Empty));
                        assert!(is_newest || is_told, "byte {at}: {trouble:?}");
                    }
                    Ok(Err(_)) => refused += 1,
                    Err(_) => panic!("byte {at}: a panic"),
                }
            }
        }
        assert!(older > 0 && refused > 0, "{older} older, {refused} refused");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_what_is_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = TemporaryDirectory::new();
        drop(opened(&directory.0));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory.0), mode(&directory.0.join(STATE_FILE))), (0o700, 0o600));
    }
}
