//! The real ledger: commits from the heart, made durable by a thread of their own.
//!
//! Owns the thread, the bounded queue to it and the outcomes on their way back. Must not know what is kept, nor the loop: it is given
//! something to call when outcomes wait. The thread lives as long as its [`Vault`]; when that is dropped, everything that waits is
//! written before the drop returns. One write to the disk serves all the commits that wait for it together.
//!
//! ```
//! use instep::hub::ledger::{Change, Ledger as _, Ticket};
//! use instep::net::vault::Vault;
//!
//! let directory = std::env::temp_dir().join(format!("instep-vault-{}", std::process::id()));
//! let (wake, woken) = std::sync::mpsc::channel();
//! let (mut vault, outcomes) = Vault::open(&directory, move || wake.send(()).unwrap_or_default())?;
//! vault.commit(Ticket(1), vec![Change { key: b"a".to_vec(), value: Some(b"1".to_vec()) }]);
//! woken.recv().expect("the thread tells");
//! assert_eq!(outcomes.take().collect::<Vec<_>>(), [(Ticket(1), Ok(()))]);
//! drop(vault);
//!
//! let (mut vault, _outcomes) = Vault::open(&directory, || {})?;
//! assert_eq!(vault.load(), Ok(vec![(b"a".to_vec(), b"1".to_vec())]));
//! # drop(vault);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::book::Book;
use crate::hub::ledger::{Change, Entry, Ledger, Ticket};
use crate::limits::{COMMIT_BYTES_MAX, COMMITS_WAITING_BYTES_MAX, COMMITS_WAITING_MAX};

/// Bytes of commits after which no further one is taken into the same write.
const BATCH_BYTES: usize = 4 << 20;

/// What came of a commit.
pub type Outcome = (Ticket, Result<(), String>);

#[derive(Debug)]
struct Commit {
    ticket: Ticket,
    changes: Vec<Change>,
    bytes: usize,
}

/// Where outcomes arrive.
#[derive(Debug)]
pub struct Outcomes(Receiver<Outcome>);

impl Outcomes {
    /// Those that are there; does not wait.
    pub fn take(&self) -> impl Iterator<Item = Outcome> {
        self.0.try_iter()
    }
}

/// Keeps keys and values in the file of a directory. See the module's documentation.
pub struct Vault {
    kept: Vec<Entry>,
    queue: Option<SyncSender<Commit>>,
    thread: Option<JoinHandle<()>>,
    /// Bytes of the commits that wait.
    waiting: Arc<AtomicUsize>,
    /// For the outcomes of commits that are refused.
    outcomes: Sender<Outcome>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl core::fmt::Debug for Vault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Vault").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens what is kept in `directory`, which is made if it is missing, and starts the thread. `wake` is called, from any
    /// thread, when outcomes wait.
    ///
    /// # Errors
    /// In a sentence: the directory cannot be made or written, another process has it, the file is damaged, or there is no thread.
    pub fn open(directory: &Path, wake: impl Fn() + Send + Sync + 'static) -> io::Result<(Self, Outcomes)> {
        let mut book = Book::open(directory)?;
        let kept = book.everything().map_err(io::Error::other)?;
        let (queue, commits) = sync_channel(COMMITS_WAITING_MAX);
        let (outcomes, taken) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let (answers, left, tell) = (outcomes.clone(), Arc::clone(&waiting), Arc::clone(&wake));
        let thread = Builder::new().name("vault".to_owned()).stack_size(256 << 10);
        let thread = thread.spawn(move || serve(&mut book, &commits, &answers, &left, &*tell))?;
        let vault = Self { kept, queue: Some(queue), thread: Some(thread), waiting, outcomes, wake };
        Ok((vault, Outcomes(taken)))
    }

    /// Queues a commit, or says why not.
    fn queue(&self, commit: Commit) -> Result<(), String> {
        let bytes = commit.bytes;
        if bytes > COMMIT_BYTES_MAX {
            return Err(format!("{bytes} bytes in one commit, more than {COMMIT_BYTES_MAX}"));
        }
        let crowded = || "too much waits for the disk already".to_owned();
        // Only this side adds, so what is seen can only be too much.
        if self.waiting.load(Ordering::Acquire) + bytes > COMMITS_WAITING_BYTES_MAX {
            return Err(crowded());
        }
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
        let queue = self.queue.as_ref().ok_or_else(|| "the vault is closed".to_owned())?;
        queue.try_send(commit).map_err(|error| {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            match error {
                TrySendError::Full(_) => crowded(),
                TrySendError::Disconnected(_) => "the thread that writes has ended".to_owned(),
            }
        })
    }
}

impl Ledger for Vault {
    fn commit(&mut self, ticket: Ticket, changes: Vec<Change>) {
        let bytes = changes.iter().map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len)).sum();
        if let Err(reason) = self.queue(Commit { ticket, changes, bytes }) {
            // Nobody takes outcomes any more: then nobody waits for this one.
            if self.outcomes.send((ticket, Err(reason))).is_ok() {
                (self.wake)();
            }
        }
    }

    fn load(&mut self) -> Result<Vec<Entry>, String> {
        Ok(core::mem::take(&mut self.kept))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // The thread ends when the queue is empty and has no other end.
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that keeps sessions has failed");
        }
    }
}

/// Life of the thread: take what waits, write it, tell.
fn serve(
    book: &mut Book,
    commits: &Receiver<Commit>,
    outcomes: &Sender<Outcome>,
    waiting: &AtomicUsize,
    wake: &dyn Fn(),
) {
    while let Ok(first) = commits.recv() {
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        while bytes < BATCH_BYTES
            && let Ok(next) = commits.try_recv()
        {
            bytes += next.bytes;
            batch.push(next);
        }
        let written = book.append(batch.iter().flat_map(|commit| &commit.changes));
        waiting.fetch_sub(bytes, Ordering::AcqRel);
        let mut is_heard = false;
        for commit in batch {
            is_heard |= outcomes.send((commit.ticket, written.clone())).is_ok();
        }
        if is_heard {
            wake();
        }
    }
}
