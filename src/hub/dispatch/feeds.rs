//! Feeds of the program around the hub: it opens providers and pushes their timesteps without a connection.

use serde_json::Value;

use crate::hub::Hub;
use crate::hub::manager::{Manager, NotOpened};
use crate::hub::peers::Asker;
use crate::hub::push::Push;
use crate::time::Tick;

impl Hub {
    /// Opens a feed for the program around; answers its id.
    pub(crate) fn open_feed(&mut self, now: Tick, name: &str) -> Result<i64, String> {
        self.advance(now);
        let opened = self.manager.open_feed(&mut self.peers, name, Asker::default());
        self.drain_events();
        opened.map_err(NotOpened::reason)
    }

    /// The record that a value of JSON is, as [`Hub::push_timestep`] takes it.
    pub(crate) fn packed_record(value: &Value) -> Result<Vec<u8>, String> {
        Manager::packed(value)
    }

    /// Whether bytes are a record that can be read.
    pub(crate) fn check_record(bytes: &[u8]) -> Result<(), String> {
        Manager::readable(bytes)
    }

    /// Whether a feed is still there: it may have been closed by whoever may.
    pub(crate) fn has_feed(&self, id: i64) -> bool {
        self.manager.is_feed(id)
    }

    /// Whether a feed takes nothing for now: its world is being made ready for viewers, by work that is due at once.
    pub(crate) fn is_feed_busy(&self, id: i64) -> bool {
        self.manager.is_feed_busy(id)
    }

    /// Does a piece of what there is to do for a timestep of a feed; answers which it is, and how many viewers look on, or `None` where
    /// there is more to do.
    pub(crate) fn push_timestep(&mut self, now: Tick, push: &mut Push) -> Result<Option<(i32, usize)>, String> {
        self.advance(now);
        let pushed = self.manager.push_timestep(&mut self.peers, push);
        if let Err(reason) = &pushed {
            self.peers.note_error(reason);
        }
        self.drain_events();
        pushed
    }

    /// The run of a feed is over.
    pub(crate) fn end_feed_run(&mut self, now: Tick, id: i64) {
        self.advance(now);
        self.manager.end_feed(&mut self.peers, id);
        self.drain_events();
    }

    /// Closes a feed.
    pub(crate) fn close_feed(&mut self, now: Tick, id: i64) {
        self.advance(now);
        if self.manager.is_feed(id) {
            self.manager.close_providers(&mut self.peers, &[id]);
        }
        self.drain_events();
    }
}
