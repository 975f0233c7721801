//! A thread beside the loop that waits for a disk, so that the loop does not.
//!
//! Owns the thread, the queue to it, what is counted as waiting, and the outcomes on their way back. Must not know what is written, nor
//! the loop: it is given something to call when outcomes wait. How much may wait is for those to bound who put it into the queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::queue::{Receiver, Sender, channel};
use crate::hub::ledger::Ticket;

/// Bytes after which no further job is taken into the same batch.
const BATCH_BYTES: usize = 4 << 20;

/// What came of something that was to be written.
pub type Outcome = (Ticket, Result<(), String>);

/// What came of each job of a batch, in their order.
pub(super) type Results = Vec<Result<(), String>>;

/// Called, from any thread, when outcomes wait.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Where outcomes arrive.
#[derive(Debug)]
pub struct Outcomes(Receiver<Outcome>);

impl Outcomes {
    /// Those that are there; does not wait.
    pub fn take(&self) -> impl Iterator<Item = Outcome> {
        self.0.try_iter()
    }
}

/// Something to write.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) ticket: Ticket,
    pub(super) work: T,
    /// What it is counted as while it waits.
    pub(super) bytes: usize,
}

/// Jobs that wait, the ones in work included, and their bytes.
#[derive(Debug, Default)]
struct Waiting {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

/// The loop's end of the thread.
pub(super) struct Writer<T> {
    name: &'static str,
    queue: Option<Sender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
    /// Hangs up when the thread ends.
    life: Receiver<()>,
    waiting: Arc<Waiting>,
    /// For the outcomes of jobs that do not reach the thread.
    outcomes: Sender<Outcome>,
    wake: Wake,
}

impl<T> core::fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Writer<T> {
    /// Starts the thread. `write` is given the jobs that wait, in their order, and answers what came of each.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn start(
        name: &'static str,
        wake: Wake,
        mut write: impl FnMut(&[Job<T>]) -> Results + Send + 'static,
    ) -> io::Result<(Self, Outcomes)> {
        let (queue, jobs) = channel();
        let (outcomes, taken) = channel();
        let (living, life) = channel();
        let waiting = Arc::new(Waiting::default());
        let (answers, left, tell) = (outcomes.clone(), Arc::clone(&waiting), Arc::clone(&wake));
        let thread = Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(move || {
            let _living: Sender<()> = living;
            serve(&jobs, &answers, &left, &*tell, &mut write);
        })?;
        let writer = Self { name, queue: Some(queue), thread: Some(thread), life, waiting, outcomes, wake };
        Ok((writer, Outcomes(taken)))
    }

    /// Jobs and bytes that wait, those included that are being written. They can only be fewer by the time that it is known.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.waiting.jobs.load(Ordering::Acquire), self.waiting.bytes.load(Ordering::Acquire))
    }

    /// Queues a job; returns at once.
    pub(super) fn send(&self, job: Job<T>) {
        let (ticket, bytes) = (job.ticket, job.bytes);
        self.waiting.jobs.fetch_add(1, Ordering::AcqRel);
        self.waiting.bytes.fetch_add(bytes, Ordering::AcqRel);
        if self.queue.as_ref().is_none_or(|queue| queue.send(job).is_err()) {
            self.waiting.jobs.fetch_sub(1, Ordering::AcqRel);
            self.waiting.bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.refuse(ticket, "the thread that writes has ended".to_owned());
        }
    }

    /// Gives the ticket of a job that is not even queued its outcome.
    pub(super) fn refuse(&self, ticket: Ticket, reason: String) {
        // Where nobody takes outcomes any more, nobody waits for this one.
        if self.outcomes.send((ticket, Err(reason))).is_ok() {
            (self.wake)();
        }
    }

    /// Takes no more jobs, and waits until those that are there are written, or for `patience`; `false`: it was not long enough, and the
    /// thread is left to itself.
    pub(super) fn end(&mut self, patience: Option<Duration>) -> bool {
        // The thread ends when the queue is empty and has no other end.
        self.queue = None;
        let waited = patience.map(|patience| self.life.recv_timeout(patience));
        if waited == Some(Err(RecvTimeoutError::Timeout)) {
            return false;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread '{}' has failed", self.name);
        }
        true
    }
}

/// Life of the thread: take what waits, write it, tell.
fn serve<T>(
    jobs: &Receiver<Job<T>>,
    outcomes: &Sender<Outcome>,
    waiting: &Waiting,
    wake: &dyn Fn(),
    write: &mut dyn FnMut(&[Job<T>]) -> Results,
) {
    while let Ok(first) = jobs.recv() {
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        while bytes < BATCH_BYTES
            && let Ok(next) = jobs.try_recv()
        {
            bytes += next.bytes;
            batch.push(next);
        }
        let written = write(&batch);
        debug_assert_eq!(written.len(), batch.len(), "each job has its outcome");
        waiting.jobs.fetch_sub(batch.len(), Ordering::AcqRel);
        waiting.bytes.fetch_sub(bytes, Ordering::AcqRel);
        let mut is_heard = false;
        for (job, outcome) in batch.into_iter().zip(written) {
            is_heard |= outcomes.send((job.ticket, outcome)).is_ok();
        }
        if is_heard {
            wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{SyncSender, sync_channel};

    /// A writer of numbers that waits for leave before each batch, and fails at odd ones.
    fn writer() -> (Writer<u64>, Outcomes, SyncSender<()>, Receiver<()>) {
        let (leave, granted) = sync_channel(100);
        let (wake, woken) = channel();
        let write = move |jobs: &[Job<u64>]| {
            granted.recv().unwrap_or_default();
            jobs.iter().map(|job| if job.work % 2 == 0 { Ok(()) } else { Err(job.work.to_string()) }).collect()
        };
        let wake = Arc::new(move || wake.send(()).unwrap_or_default());
        let (writer, outcomes) = Writer::start("test", wake, write).unwrap();
        (writer, outcomes, leave, woken)
    }

    fn job(n: u64) -> Job<u64> {
        Job { ticket: Ticket(n), work: n, bytes: 10 }
    }

    fn numbers(outcomes: &Outcomes) -> Vec<(u64, bool)> {
        outcomes.take().map(|(ticket, outcome)| (ticket.0, outcome.is_ok())).collect()
    }

    #[test]
    fn each_job_has_its_outcome_in_the_order_of_the_calls() {
        let (mut writer, outcomes, leave, woken) = writer();
        for n in 0..5 {
            writer.send(job(n));
        }
        assert_eq!((writer.waiting(), numbers(&outcomes)), ((5, 50), vec![]));
        for _ in 0..5 {
            leave.send(()).unwrap();
        }
        assert!(writer.end(None));
        assert_eq!(numbers(&outcomes), [(0, true), (1, false), (2, true), (3, false), (4, true)]);
        assert_eq!((writer.waiting(), woken.try_iter().count() > 0), ((0, 0), true));
    }

    #[test]
    fn the_end_waits_no_longer_than_it_may_and_the_thread_goes_on() {
        let (mut writer, outcomes, leave, woken) = writer();
        writer.send(job(2));
        assert!(!writer.end(Some(Duration::from_millis(1))), "no leave was given");
        assert_eq!(writer.waiting(), (1, 10));
        leave.send(()).unwrap();
        woken.recv().unwrap();
        assert_eq!((numbers(&outcomes), writer.waiting()), (vec![(2, true)], (0, 0)));
    }

    #[test]
    fn what_comes_behind_the_end_or_is_refused_has_an_outcome_too() {
        let (mut writer, outcomes, _leave, woken) = writer();
        writer.refuse(Ticket(7), "too much".to_owned());
        assert!(writer.end(Some(Duration::from_secs(60))));
        writer.send(job(8));
        assert_eq!((numbers(&outcomes), writer.waiting()), (vec![(7, false), (8, false)], (0, 0)));
        assert_eq!(woken.try_iter().count(), 2);
    }
}
