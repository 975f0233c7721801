//! Feeds: providers whose timesteps a program pushes, in the form that viewers' records have.
//!
//! A record with a world begins a run, also where there was one before; each other one is a timestep of it. What cannot be read changes nothing.

use serde_json::Value;

use crate::control::json;
use crate::control::replay::{self, Record};
use crate::control::reply::{ProviderType, Status};
use crate::control::section::Section;
use crate::limits::FEED_NAME_BYTES_MAX;

use super::jobs::Job;
use super::provider::{NotOpened, Source};
use super::world::Raw;
use super::{Manager, tell};
use crate::hub::keys::ProviderKey;
use crate::hub::peers::{Asker, Peers};

impl Manager {
    /// Opens a feed for whoever asks; answers its id.
    ///
    /// # Errors
    /// Says why there is none.
    pub(in crate::hub) fn open_feed(
        &mut self,
        peers: &mut Peers,
        name: &str,
        asked_by: Asker,
    ) -> Result<i64, NotOpened> {
        if name.is_empty() || name.len() > FEED_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let why = format!("the name of a feed has 1 to {FEED_NAME_BYTES_MAX} bytes, all of which can be shown");
            return Err(why.into());
        }
        self.make_room(peers, asked_by)?;
        let (_, id) = self.providers.open(ProviderType::Feed, name.to_owned(), Source::Feed, asked_by)?;
        log::info!("provider {id} opened: {} {name}", ProviderType::Feed.word());
        tell(peers, id, name, "opened");
        Ok(id)
    }

    /// Takes a timestep of a feed: a record as viewers are sent it and recordings have it, a MsgPack map. `time` is that of the record where it does
    /// not say; with `is_last` the run is over. Answers which timestep it is, and how many viewers look on.
    ///
    /// # Errors
    /// It is none, or cannot be taken, in words. Nothing has changed then.
    pub(in crate::hub) fn push_timestep(
        &mut self,
        peers: &mut Peers,
        id: i64,
        bytes: &[u8],
        (time, is_last): (Option<i64>, bool),
    ) -> Result<(i32, usize), String> {
        let key = self.providers.key_of(id).ok_or_else(|| self.no_such_provider(id))?;
        let entry = self.providers.entry(key).filter(|entry| matches!(entry.source, Source::Feed));
        let provider = &entry.ok_or_else(|| format!("provider {id} is no feed"))?.provider;
        if provider.status == Status::Errored {
            return Err(format!("provider {id} has ended: {}", provider.reason));
        }
        let record = Record::read(bytes).map_err(|error| error.to_string())?;
        check(&record)?;
        let is_going = provider.status == Status::Online && (provider.loaded || provider.has_new_world());
        let begins = record.section(Section::World).is_some();
        if !begins && !is_going {
            return Err("a run begins with a record that has a world, and a map if there is to be one".to_owned());
        }
        if !begins && !provider.loaded {
            return Err("the world of this run is being made ready for viewers: push again in a moment".to_owned());
        }
        let next = if begins { 0 } else { i64::from(provider.time) + 1 };
        let time = time.or(record.time).unwrap_or(next);
        let time = i32::try_from(time).ok().filter(|time| *time >= 0).ok_or("time is a whole number from 0 on")?;
        if i64::from(time) < next {
            let last = provider.time;
            return Err(format!("timestep {time} comes behind {last}: a run goes on, and a world begins another"));
        }
        let raw = Raw::Replay { time, bytes: bytes.to_vec() };
        if begins {
            self.begin_run(peers, key, &record, raw)?;
        } else {
            self.advance(peers, key, raw);
        }
        if is_last {
            self.end_provider(peers, key, Status::Closed, "the feed has ended");
        }
        Ok((time, self.show_of(key).map_or(0, |show| show.viewers.len())))
    }

    /// The record that a value of JSON is.
    ///
    /// # Errors
    /// It is none, in words.
    pub(in crate::hub) fn packed(value: &Value) -> Result<Vec<u8>, String> {
        json::record(value).filter(|_| value.is_object()).ok_or_else(|| "a record is an object".to_owned())
    }

    /// Whether bytes are a record, and all of it can be read.
    ///
    /// # Errors
    /// They are none, in words.
    pub(in crate::hub) fn readable(bytes: &[u8]) -> Result<(), String> {
        Record::read(bytes).map_err(|error| error.to_string()).and_then(|record| check(&record))
    }

    /// Whether there is a feed of that number.
    pub(in crate::hub) fn is_feed(&self, id: i64) -> bool {
        let entry = self.providers.key_of(id).and_then(|key| self.providers.entry(key));
        entry.is_some_and(|entry| matches!(entry.source, Source::Feed))
    }

    /// Whether the world of a feed's run is still being made ready for viewers, so that it takes nothing for now.
    pub(in crate::hub) fn is_feed_busy(&self, id: i64) -> bool {
        let provider = self.providers.key_of(id).and_then(|key| self.providers.entry(key)).map(|entry| &entry.provider);
        provider.is_some_and(|provider| provider.status == Status::Online && provider.has_new_world())
    }

    /// The run of a feed is over, without another timestep.
    pub(in crate::hub) fn end_feed(&mut self, peers: &mut Peers, id: i64) {
        if let Some(key) = self.providers.key_of(id).filter(|_| self.is_feed(id)) {
            self.end_provider(peers, key, Status::Closed, "the feed has ended");
        }
    }

    /// A run begins: what was shown before is over, and the world is made ready for viewers.
    fn begin_run(&mut self, peers: &mut Peers, key: ProviderKey, record: &Record<'_>, raw: Raw) -> Result<(), String> {
        self.end_recording(peers, key);
        let Some(provider) = self.providers.get_mut(key) else { return Ok(()) };
        provider.reset();
        (provider.time, provider.time_max, provider.stepped) = (raw.time(), raw.time(), Some(peers.now));
        for section in [Section::Map, Section::Config] {
            if let Some(value) = record.section(section) {
                provider.file_section(section, value);
            }
        }
        provider.world.apply(raw)?;
        peers.counters.timesteps += 1;
        self.account(peers, key);
        self.jobs.add(Job::Load(key));
        Ok(())
    }
}

/// Whether all of a record can be read.
fn check(record: &Record<'_>) -> Result<(), String> {
    for section in Section::ALL {
        let Some(value) = record.section(section) else { continue };
        let read = match section {
            Section::World | Section::Changes => replay::entities(value).map(drop),
            Section::Commands => replay::actions(value).map(drop),
            Section::Map => replay::map(value).map(drop),
            Section::Config => replay::config(value).map(drop),
            Section::Perceptions => return Err("perceptions are not taken from a feed".to_owned()),
        };
        read.map_err(|error| format!("{}: {error}", section.key()))?;
    }
    Ok(())
}
