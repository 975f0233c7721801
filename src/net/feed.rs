//! Feeds: providers of the program around the server, whose timesteps it pushes from any thread.
//!
//! Owns what of them waits for the loop, which is bounded, and what came of it on its way back. Must not know what a record means.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mio::Waker;
use serde_json::Value;

use crate::hub::Hub;
use crate::hub::push::Push;
use crate::limits::{FEED_RECORD_BYTES_MAX, RECORDS_WAITING_BYTES_MAX, RECORDS_WAITING_MAX};
use crate::time::Tick;

/// A provider whose timesteps this program pushes: see [`super::Server::provider`].
///
/// A record is what viewers are sent of a timestep, as an object of JSON: `time` (a whole number from 0 on; where it is missing one more than
/// the last), `map`, `world`, `config`, `changes`, `commands`; `docs/protocol.md` has their members. A record with a `world` begins a run,
/// also where there was one before, and each other one is a timestep of it.
///
/// Nothing here waits for the server but [`Feed::wait`]. Records wait for it in order, 256 of them or 8 MiB at most, and each of them is
/// taken or counted in [`Fed::refused`]. Dropped, a feed ends its run once what waits has been taken; its last world can still be looked at.
#[derive(Debug)]
pub struct Feed {
    id: i64,
    line: Arc<Line>,
    bell: Bell,
}

/// What has become of the records of a [`Feed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fed {
    /// Records that were taken, and shown to whoever looks on.
    pub taken: u64,
    /// Records that were pushed and then not taken: they were behind the last one, began no run, or came when the feed had ended.
    pub refused: u64,
    /// Records that wait for the server.
    pub waiting: usize,
    /// The last timestep that was taken; `None` before the first.
    pub time: Option<i32>,
    /// How many viewers looked on when it was.
    pub viewers: usize,
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedError {
    /// As much waits for the server as may: push again after [`Feed::wait`], or leave this timestep out.
    Full,
    /// The server has not taken everything within the time that was given; what waits still does.
    Late,
    /// It is no record, or none that can come now, in words. Nothing has changed.
    Refused(String),
    /// The feed takes nothing any more, in words: somebody has closed it, or the server has ended.
    Ended(String),
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => {
                write!(f, "{RECORDS_WAITING_MAX} records or {} MiB wait already", RECORDS_WAITING_BYTES_MAX >> 20)
            }
            Self::Late => f.write_str("the server has not taken all of it in time"),
            Self::Refused(reason) | Self::Ended(reason) => f.write_str(reason),
        }
    }
}

impl Error for FeedError {}

impl Feed {
    /// The number of the provider, by which viewers are connected with it.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Pushes a record. Returns at once.
    ///
    /// # Errors
    /// [`FeedError::Refused`]: it is no record, names the member, or has more than 2 MiB. [`FeedError::Full`], [`FeedError::Ended`]: as
    /// they say. It does not wait then.
    pub fn push(&self, record: &Value) -> Result<(), FeedError> {
        self.push_packed(Hub::packed_record(record).map_err(FeedError::Refused)?)
    }

    /// The same for a record that is MsgPack already, as a recording or a viewer has it.
    ///
    /// # Errors
    /// Those of [`Feed::push`].
    pub fn push_packed(&self, record: Vec<u8>) -> Result<(), FeedError> {
        if record.len() > FEED_RECORD_BYTES_MAX {
            let most = FEED_RECORD_BYTES_MAX >> 20;
            return Err(FeedError::Refused(format!("a record has at most {most} MiB, this one {}", record.len())));
        }
        Hub::check_record(&record).map_err(FeedError::Refused)?;
        let mut state = self.line.lock();
        if let Some(reason) = &state.ended {
            return Err(FeedError::Ended(reason.clone()));
        }
        if state.items.len() >= RECORDS_WAITING_MAX || state.bytes + record.len() > RECORDS_WAITING_BYTES_MAX {
            return Err(FeedError::Full);
        }
        state.bytes += record.len();
        state.fed.waiting += 1;
        state.items.push_back(Item::Record(record));
        drop(state);
        self.bell.ring();
        Ok(())
    }

    /// The run is over: its recording ends, viewers are told, and its last world can still be looked at. The next record with a world begins
    /// another run. Returns at once.
    pub fn end_run(&self) {
        self.line.add_end();
        self.bell.ring();
    }

    /// What has become of the records so far.
    #[must_use]
    pub fn fed(&self) -> Fed {
        self.line.lock().fed
    }

    /// Waits until nothing waits for the server any more, for `limit` at most. Not to be called by the thread that the server runs in.
    ///
    /// # Errors
    /// [`FeedError::Refused`] with the reason where a record was not taken since this was called last; [`FeedError::Ended`];
    /// [`FeedError::Late`].
    pub fn wait(&self, limit: Duration) -> Result<Fed, FeedError> {
        let waits = |state: &mut State| !state.items.is_empty() || state.is_taking;
        let waited = self.line.moved.wait_timeout_while(self.line.lock(), limit, waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if waits(&mut state) {
            return Err(FeedError::Late);
        }
        match (state.reason.take(), &state.ended) {
            (_, Some(reason)) => Err(FeedError::Ended(reason.clone())),
            (Some(reason), None) => Err(FeedError::Refused(reason)),
            (None, None) => Ok(state.fed),
        }
    }

    /// Closes the provider once what waits has been taken: viewers lose it, and its place is free for another. Returns at once.
    pub fn close(self) {
        self.line.lock().is_to_close = true;
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.line.add_end();
        self.line.lock().is_let_go = true;
        self.bell.ring();
    }
}

/// Wakes the loop, once for all that comes until it looks.
#[derive(Clone, Debug)]
struct Bell {
    rung: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the server: {error}");
        }
    }
}

#[derive(Debug)]
enum Item {
    Record(Vec<u8>),
    /// The run is over.
    End,
}

/// What waits for the loop, and what came of it.
#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The loop is at one that it has taken from there.
    is_taking: bool,
    bytes: usize,
    fed: Fed,
    /// Why a record was refused that had been pushed, until somebody asks.
    reason: Option<String>,
    /// Why nothing is taken any more.
    ended: Option<String>,
    /// The program has dropped its end.
    is_let_go: bool,
    /// It wants the provider to be closed.
    is_to_close: bool,
}

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    /// Told when nothing waits any more.
    moved: Condvar,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One end is enough, so that there is never more of them than records.
    fn add_end(&self) {
        let mut state = self.lock();
        if state.ended.is_none() && !matches!(state.items.back(), Some(Item::End)) {
            state.items.push_back(Item::End);
        }
    }

    /// Nothing is taken any more; what waits is refused.
    fn end(&self, why: &str) {
        let mut state = self.lock();
        let refused = state.items.drain(..).filter(|item| matches!(item, Item::Record(_))).count();
        if refused > 0 {
            log::warn!("{refused} timesteps of a feed were not taken: {why}");
        }
        state.fed.refused += refused as u64;
        // And what was being taken.
        state.fed.refused += u64::from(state.fed.waiting > refused);
        (state.fed.waiting, state.bytes, state.is_taking) = (0, 0, false);
        state.ended.get_or_insert_with(|| why.to_owned());
        drop(state);
        self.moved.notify_all();
    }

    /// An item has been taken, or refused.
    fn has_taken(&self, note: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        note(&mut state);
        state.is_taking = false;
        if state.items.is_empty() {
            self.moved.notify_all();
        }
    }
}

/// The loop's end of a feed.
#[derive(Debug)]
struct Open {
    id: i64,
    line: Arc<Line>,
    /// What is being taken, of so many bytes.
    push: Option<(Push, usize)>,
}

/// The loop's end of all feeds.
#[derive(Debug)]
pub(super) struct Feeds {
    open: Vec<Open>,
    bell: Bell,
    /// Something waits that there was no time for.
    is_left: bool,
}

impl Feeds {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { open: Vec::new(), bell: Bell { rung: Arc::default(), waker }, is_left: false }
    }

    /// A feed of that number.
    pub(super) fn add(&mut self, id: i64) -> Feed {
        let line = Arc::<Line>::default();
        self.open.push(Open { id, line: Arc::clone(&line), push: None });
        Feed { id, line, bell: self.bell.clone() }
    }

    /// Whether a turn is due.
    pub(super) const fn is_left(&self) -> bool {
        self.is_left
    }

    /// Gives the hub what waits, a record of each feed in its turn, while there is time.
    pub(super) fn turn(&mut self, now: Tick, hub: &mut Hub, is_time: impl Fn() -> bool) {
        if !self.bell.rung.swap(false, Ordering::AcqRel) && !self.is_left {
            return;
        }
        self.is_left = false;
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            self.open.retain_mut(|open| match open.step(now, hub) {
                Step::Took if is_time() => {
                    goes_on = true;
                    true
                }
                Step::Took | Step::Busy => {
                    self.is_left = true;
                    true
                }
                Step::Empty => true,
                Step::Over => false,
            });
            // Where there was no time for one of them, the others wait too.
            goes_on &= is_time();
        }
    }

    /// The server ends, and takes nothing more.
    pub(super) fn end(&mut self) {
        for open in self.open.drain(..) {
            open.line.end("the server has ended");
        }
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.end();
    }
}

/// What there was to do for one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Took,
    Busy,
    Empty,
    /// The program has let go of it, or it is closed.
    Over,
}

impl Open {
    /// Goes on with the record that is being taken, or takes the next.
    fn step(&mut self, now: Tick, hub: &mut Hub) -> Step {
        if !hub.has_feed(self.id) {
            self.line.end(&format!("provider {} was closed", self.id));
            return Step::Over;
        }
        if self.push.is_none() {
            let mut state = self.line.lock();
            if !state.items.is_empty() && hub.is_feed_busy(self.id) {
                return Step::Busy;
            }
            let Some(item) = state.items.pop_front() else {
                let (is_over, is_to_close) = (state.is_let_go, state.is_to_close);
                drop(state);
                if is_to_close {
                    hub.close_feed(now, self.id);
                }
                return if is_over { Step::Over } else { Step::Empty };
            };
            // The program may push on while the hub is at it.
            state.is_taking = true;
            drop(state);
            match item {
                Item::End => {
                    hub.end_feed_run(now, self.id);
                    self.line.has_taken(|_| {});
                    return Step::Took;
                }
                Item::Record(record) => {
                    let len = record.len();
                    self.push = Some((Push::new(self.id, record, None, false), len));
                }
            }
        }
        if let Some((push, len)) = &mut self.push
            && let Some(outcome) = hub.push_timestep(now, push).transpose()
        {
            self.line.has_taken(|state| {
                state.bytes -= *len;
                state.fed.waiting -= 1;
                match outcome {
                    Ok((time, viewers)) => {
                        state.fed.taken += 1;
                        (state.fed.time, state.fed.viewers) = (Some(time), viewers);
                    }
                    Err(reason) => {
                        log::warn!("a timestep of provider {} was not taken: {reason}", self.id);
                        state.fed.refused += 1;
                        state.reason = Some(reason);
                    }
                }
            });
            self.push = None;
        }
        Step::Took
    }
}
