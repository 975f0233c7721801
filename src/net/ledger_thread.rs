//! The real ledger: commits from the heart, made durable by a thread of their own.
//!
//! Owns how much may wait for the disk, and that one write to it serves all the commits that wait together. Must not know what is kept,
//! nor the loop: it is given something to call when outcomes wait. The thread lives as long as its [`LedgerThread`]; when that is dropped,
//! everything that waits is written before the drop returns.
//!
//! ```
//! use instep::hub::ledger::{Ledger as _, Ticket, Write};
//! use instep::net::ledger_thread::LedgerThread;
//!
//! let directory = std::env::temp_dir().join(format!("instep-ledger-{}", std::process::id()));
//! let (wake, woken) = std::sync::mpsc::channel();
//! let (mut ledger, outcomes) = LedgerThread::open(&directory, move || wake.send(()).unwrap_or_default())?;
//! ledger.commit(Ticket(1), vec![Write { key: b"a".to_vec(), value: Some(b"1".to_vec().into()) }]);
//! woken.recv().expect("the thread tells");
//! assert_eq!(outcomes.take().collect::<Vec<_>>(), [(Ticket(1), Ok(()))]);
//! drop(ledger);
//!
//! let (mut ledger, _outcomes) = LedgerThread::open(&directory, || {})?;
//! assert_eq!(ledger.load(), Ok(vec![(b"a".to_vec(), b"1".to_vec())]));
//! # drop(ledger);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::ledger_file::LedgerFile;
use super::writer::{Job, Outcomes, Writer};
use crate::hub::ledger::{Entry, Ledger, Ticket, Write};
use crate::limits::{COMMIT_BYTES_MAX, COMMITS_WAITING_BYTES_MAX, COMMITS_WAITING_MAX};

/// Keeps keys and values in the file of a directory. See the module's documentation.
#[derive(Debug)]
pub struct LedgerThread {
    kept: Vec<Entry>,
    writer: Writer<Vec<Write>>,
}

impl LedgerThread {
    /// Opens what is kept in `directory`, which is made if it is missing, and starts the thread. `wake` is called, from any
    /// thread, when outcomes wait.
    ///
    /// # Errors
    /// In a sentence: the directory cannot be made or written, another process has it, the file is damaged, or there is no thread.
    pub fn open(directory: &Path, wake: impl Fn() + Send + Sync + 'static) -> io::Result<(Self, Outcomes)> {
        let (mut file, _) = LedgerFile::open(directory)?;
        let kept = file.everything().map_err(io::Error::other)?;
        let (writer, outcomes) = Writer::start("ledger", Arc::new(wake), move |commits| {
            let written = file.append(commits.iter().flat_map(|commit: &Job<Vec<Write>>| &commit.work));
            vec![written; commits.len()]
        })?;
        Ok((Self { kept, writer }, outcomes))
    }
}

impl Ledger for LedgerThread {
    fn commit(&mut self, ticket: Ticket, writes: Vec<Write>) {
        let bytes = writes
            .iter()
            .map(|write| write.key.len() + write.value.as_ref().map_or(0, |value| value.as_ref().len()))
            .sum();
        if bytes > COMMIT_BYTES_MAX {
            self.writer.refuse(ticket, format!("{bytes} bytes in one commit, more than {COMMIT_BYTES_MAX}"));
            return;
        }
        // Only this side adds, so what is seen can only be too much.
        let (commits, waiting) = self.writer.waiting();
        if commits >= COMMITS_WAITING_MAX || waiting + bytes > COMMITS_WAITING_BYTES_MAX {
            self.writer.refuse(ticket, "too much waits for the disk already".to_owned());
            return;
        }
        self.writer.send(Job { ticket, work: writes, bytes });
    }

    fn load(&mut self) -> Result<Vec<Entry>, String> {
        Ok(core::mem::take(&mut self.kept))
    }
}

impl Drop for LedgerThread {
    fn drop(&mut self) {
        self.writer.end(None);
    }
}
