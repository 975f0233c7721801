//! A queue from many threads to one, behind one lock.
//!
//! Owns what waits and who is told. It has the face of `std::sync::mpsc`, which is made for far more than the few things a second that threads beside
//! the loop have to say, and takes six kilobytes of the program for each kind of thing.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    senders: usize,
    is_taken: bool,
}

impl<T> State<T> {
    /// Nothing is there, and something may come.
    fn has_to_wait(&self) -> bool {
        self.waiting.is_empty() && self.senders > 0
    }
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Told when something waits, and when nothing will any more.
    moved: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An end at which things are put in.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

/// The end at which they are taken, in the order in which they were put in.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Shared<T>>);

/// A queue, by its two ends.
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Mutex::new(State { waiting: VecDeque::new(), senders: 1, is_taken: true });
    let shared = Arc::new(Shared { state, moved: Condvar::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts something in; never waits.
    ///
    /// # Errors
    /// Nobody will take it: the other end is gone.
    pub fn send(&self, thing: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        if !state.is_taken {
            return Err(SendError(thing));
        }
        state.waiting.push_back(thing);
        drop(state);
        self.0.moved.notify_one();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.moved.notify_one();
    }
}

impl<T> Receiver<T> {
    /// What waits; does not wait for it.
    ///
    /// # Errors
    /// Nothing waits, or nothing will any more.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.0.lock();
        let nothing = if state.senders == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty };
        state.waiting.pop_front().ok_or(nothing)
    }

    /// Waits for the next.
    ///
    /// # Errors
    /// There is none, and there will be none.
    pub fn recv(&self) -> Result<T, RecvError> {
        let state = self.0.moved.wait_while(self.0.lock(), |state| state.has_to_wait());
        state.unwrap_or_else(PoisonError::into_inner).waiting.pop_front().ok_or(RecvError)
    }

    /// Waits for the next, so long at most.
    ///
    /// # Errors
    /// None has come in time, or there will be none.
    pub fn recv_timeout(&self, patience: Duration) -> Result<T, RecvTimeoutError> {
        let state = self.0.moved.wait_timeout_while(self.0.lock(), patience, |state| state.has_to_wait());
        let (mut state, waited) = state.unwrap_or_else(PoisonError::into_inner);
        let nothing = if waited.timed_out() { RecvTimeoutError::Timeout } else { RecvTimeoutError::Disconnected };
        state.waiting.pop_front().ok_or(nothing)
    }

    /// All that waits by now.
    pub fn try_iter(&self) -> impl Iterator<Item = T> {
        core::iter::from_fn(|| self.try_recv().ok())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_taken = false;
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        // Outside of the lock: what is let go of may itself hold an end.
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn things_come_in_order_from_all_threads_and_then_the_end() {
        let (sender, receiver) = channel();
        let threads: Vec<_> = (0..4)
            .map(|who| {
                let sender = sender.clone();
                thread::spawn(move || (0..1000).for_each(|n| sender.send((who, n)).unwrap()))
            })
            .collect();
        drop(sender);
        let mut next = [0; 4];
        while let Ok((who, n)) = receiver.recv() {
            assert_eq!(next[who], n);
            next[who] += 1;
        }
        assert_eq!(next, [1000; 4]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn who_waits_in_vain_is_told_and_what_nobody_takes_comes_back() {
        let (sender, receiver) = channel();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(1));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2]);
        drop(receiver);
        assert_eq!(sender.send(3), Err(SendError(3)));
    }

    #[test]
    fn who_waits_is_woken_by_a_thing_and_by_the_last_sender() {
        let (sender, receiver) = channel();
        let waits = thread::spawn(move || (receiver.recv(), receiver.recv()));
        sender.send(7).unwrap();
        drop(sender);
        assert_eq!(waits.join().unwrap(), (Ok(7), Err(RecvError)));
    }
}
