//! Timesteps of feeds on their way in: read piece by piece, while the request that brought them waits.

use crate::control::reading::Reading;
use crate::limits::FEED_PIECE_BYTES;

/// A timestep of a feed on its way in.
#[derive(Debug)]
pub(crate) struct Push {
    pub(in crate::hub) provider: i64,
    /// That of the record where it does not say.
    pub(in crate::hub) time: Option<i64>,
    /// The run is over with it.
    pub(in crate::hub) is_last: bool,
    pub(in crate::hub) record: Box<Reading>,
    is_read: bool,
}

impl Push {
    /// Of a record as viewers are sent it and recordings have it, a MsgPack map.
    pub(crate) fn new(provider: i64, record: Vec<u8>, time: Option<i64>, is_last: bool) -> Self {
        Self { provider, time, is_last, record: Box::new(Reading::new(record)), is_read: false }
    }

    /// Memory it takes, about.
    pub(in crate::hub) fn bytes(&self) -> usize {
        size_of::<Self>() + self.record.held_bytes()
    }

    /// Bytes that will be read next.
    pub(in crate::hub) fn next_bytes(&self) -> usize {
        if self.is_read { 0 } else { self.record.record_bytes().min(FEED_PIECE_BYTES) }
    }

    /// Reads a piece; answers whether all has been read, and the rest can be done in this turn.
    ///
    /// # Errors
    /// It is no record, in words.
    pub(in crate::hub) fn go_on(&mut self) -> Result<bool, String> {
        if self.is_read {
            return Ok(true);
        }
        self.is_read = self.record.go_on(FEED_PIECE_BYTES)?;
        Ok(self.is_read && self.record.record_bytes() <= FEED_PIECE_BYTES)
    }

    /// The record, once.
    pub(in crate::hub) fn take_record(&mut self) -> Box<Reading> {
        core::mem::replace(&mut self.record, Box::new(Reading::new(Vec::new())))
    }
}
