//! The end of the event loop, as another thread asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

/// What a turn of the loop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// There will be more.
    Goes,
    /// The server has stopped; all sockets are closed.
    Ended,
}

/// Ends a running server from another thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    asked: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { asked: Arc::new(AtomicBool::new(false)), waker }
    }

    /// Whether somebody has asked since this was asked last.
    pub(super) fn take(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }

    /// Asks the server to say goodbye and end. Returns at once; [`super::Server::run`] returns within about two seconds.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the server: {error}");
        }
    }
}
