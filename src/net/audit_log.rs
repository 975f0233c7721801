//! The audit log: lines of the hub, appended to a file by a thread of their own, so that a disk that fails or stalls keeps nobody waiting.
//!
//! Owns the file, how much may wait for it, and how many lines were lost on the way. Must not know what is in a line.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::modes;
use super::writer::{Job, Results, Writer};
use crate::hub::Hub;
use crate::hub::ledger::Ticket;
use crate::limits::{AUDIT_BYTES_MAX, RECORDINGS_PATIENCE_S};

/// What the thread is to do.
#[derive(Debug)]
enum Work {
    /// Append these lines, so many.
    Append(Vec<u8>, u64),
    /// Open the file anew, as it may have been moved away.
    Reopen,
}

/// Hands lines to the thread. When it is dropped, what waits is written first, if that takes no longer than [`RECORDINGS_PATIENCE_S`].
#[derive(Debug)]
pub(super) struct AuditLog {
    writer: Writer<Work>,
    /// Lines that could not be written.
    lost: Arc<AtomicU64>,
}

impl AuditLog {
    /// Opens the file of this name to append to it; it is made if it is missing.
    ///
    /// # Errors
    /// It cannot be opened, or there is no thread.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("audit_log {path}: {error}"));
        let path = PathBuf::from(path);
        let mut sheet = Sheet { file: Some(open(&path).map_err(told)?), path, is_torn: false, has_failed: false };
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        // Nobody waits for what comes of a line.
        let (writer, _) = Writer::start("audit", Arc::new(|| {}), move |jobs: &[Job<Work>]| -> Results {
            for job in jobs {
                match &job.work {
                    Work::Reopen => sheet.file = None,
                    Work::Append(lines, count) => {
                        if !sheet.append(lines) {
                            counted.fetch_add(*count, Ordering::AcqRel);
                        }
                    }
                }
            }
            vec![Ok(()); jobs.len()]
        })?;
        Ok(Self { writer, lost })
    }

    /// Takes from the hub what it has, and tells it what was lost.
    pub(super) fn append_of(&self, hub: &mut Hub) {
        let lost = self.lost.swap(0, Ordering::AcqRel);
        if lost > 0 {
            hub.note_audit_lost(lost);
        }
        if let Some((lines, count)) = hub.take_audit() {
            self.append(lines, count);
        }
    }

    /// Hands lines over; where too much waits already they are lost.
    fn append(&self, lines: Vec<u8>, count: u64) {
        let (_, waiting) = self.writer.waiting();
        let bytes = lines.len();
        if waiting > 0 && waiting + bytes > AUDIT_BYTES_MAX {
            self.lost.fetch_add(count, Ordering::AcqRel);
            return;
        }
        self.writer.send(Job { ticket: Ticket(0), work: Work::Append(lines, count), bytes });
    }

    /// Has the file opened anew before the next line.
    pub(super) fn reopen(&self) {
        self.writer.send(Job { ticket: Ticket(0), work: Work::Reopen, bytes: 0 });
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if !self.writer.end(Some(Duration::from_secs(RECORDINGS_PATIENCE_S))) {
            let (_, bytes) = self.writer.waiting();
            log::error!(
                "the audit log is not whole: the disk has not taken {bytes} bytes in {RECORDINGS_PATIENCE_S} s"
            );
        }
    }
}

/// The file, in the thread.
#[derive(Debug)]
struct Sheet {
    path: PathBuf,
    file: Option<File>,
    /// Its last line may not be whole.
    is_torn: bool,
    has_failed: bool,
}

impl Sheet {
    /// Whether they are written.
    fn append(&mut self, lines: &[u8]) -> bool {
        let written = self.try_append(lines);
        let failed = written.is_err();
        if let Err(error) = written {
            (self.file, self.is_torn) = (None, true);
            if !self.has_failed {
                log::error!("audit_log {}: {error}: lines are lost until it can be written", self.path.display());
            }
        }
        self.has_failed = failed;
        !failed
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        if self.is_torn {
            file.write_all(b"\n")?;
            self.is_torn = false;
        }
        file.write_all(lines)
    }
}

fn open(path: &Path) -> io::Result<File> {
    modes::of_audit().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_the_file_is_opened_anew_and_what_fails_is_counted() {
        let folder = std::env::temp_dir().join(format!("instep-audit-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("audit.json");
        let log = AuditLog::open(path.to_str().unwrap()).unwrap();
        log.append(b"a\n".to_vec(), 1);
        while log.writer.waiting().0 > 0 {
            std::thread::yield_now();
        }
        let moved = folder.join("moved.json");
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.append(b"b\nc\n".to_vec(), 2);
        drop(log);
        assert_eq!(std::fs::read(&moved).unwrap(), b"a\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"b\nc\n");
        let log = AuditLog::open(path.to_str().unwrap()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        // Nothing can be opened there.
        std::fs::create_dir(&path).unwrap();
        log.reopen();
        log.append(b"d\n".to_vec(), 3);
        while log.writer.waiting().0 > 0 {
            std::thread::yield_now();
        }
        assert_eq!(log.lost.load(Ordering::Acquire), 3);
        std::fs::remove_dir(&path).unwrap();
        log.append(b"e\n".to_vec(), 1);
        drop(log);
        assert_eq!(std::fs::read(&path).unwrap(), b"\ne\n", "what may be torn is ended first");
        assert!(AuditLog::open(folder.to_str().unwrap()).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
