//! Feeds: providers whose timesteps a program pushes, in the form that viewers' records have.
//!
//! A record with a world begins a run, also where there was one before; each other one is a timestep of it. It is read in pieces, a turn each,
//! and applied in one when all of it has been read: what cannot be read changes nothing.

use serde_json::Value;

use crate::control::json;
use crate::control::reading::Reading;
use crate::control::reply::{ProviderType, Status};
use crate::control::section::Section;
use crate::control::told::ToldWorld;
use crate::limits::{FEED_ENTITIES_MAX, FEED_NAME_BYTES_MAX, RECORD_VALUES_MAX};

use super::jobs::Job;
use super::making::Making;
use super::provider::{NotOpened, Provider, Source};
use super::world::{ProviderWorld, Raw};
use super::{Manager, tell};
use crate::hub::keys::ProviderKey;
use crate::hub::peers::{Asker, Peers, Work};
use crate::hub::push::Push;

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

    /// Reads on in a timestep of a feed and, where all of it has been read, takes it: answers which it is, and how many viewers look on.
    /// `None`: there is more to do, in another turn.
    ///
    /// # Errors
    /// It is none, or cannot be taken, in words. Nothing has changed then, but where there is no memory for it: the feed has ended with that.
    pub(in crate::hub) fn push_timestep(
        &mut self,
        peers: &mut Peers,
        push: &mut Push,
    ) -> Result<Option<(i32, usize)>, String> {
        self.feed(push.provider)?;
        peers.spend(Work::Document(push.next_bytes()));
        if !push.go_on()? {
            return Ok(None);
        }
        let (key, provider) = self.feed(push.provider)?;
        let Push { record, is_last, .. } = &*push;
        let is_going = provider.status == Status::Online && (provider.loaded || provider.has_new_world());
        let begins = record.section(Section::World).is_some();
        if !begins && !is_going {
            return Err("a run begins with a record that has a world, and a map if there is to be one".to_owned());
        }
        if !begins && !provider.loaded {
            return Err("the world of this run is being made ready for viewers: push again in a moment".to_owned());
        }
        let next = if begins { 0 } else { i64::from(provider.time) + 1 };
        let time = push.time.or_else(|| record.time()).unwrap_or(next);
        let time = i32::try_from(time).ok().filter(|time| *time >= 0).ok_or("time is a whole number from 0 on")?;
        if i64::from(time) < next {
            let last = provider.time;
            return Err(format!("timestep {time} comes behind {last}: a run goes on, and a world begins another"));
        }
        let world = if begins { Some(record.world()) } else { provider.world.told() };
        world.map_or(Ok(()), |world| room_for(world, record))?;
        let is_last = *is_last;
        let record = push.take_record();
        if begins {
            self.begin_run(peers, key, time, record)?;
        } else {
            self.finish_step(peers, key);
            self.advance(peers, key, Raw::Fed { time, record });
            self.finish_step(peers, key);
        }
        // Memory may have ended with it, and the feed with that.
        self.feed(push.provider)?;
        if is_last {
            self.end_provider(peers, key, Status::Closed, "the feed has ended");
        }
        Ok(Some((time, self.show_of(key).map_or(0, |show| show.viewers.len()))))
    }

    /// The feed of a number, unless it has ended by an error.
    fn feed(&self, id: i64) -> Result<(ProviderKey, &Provider), String> {
        let key = self.providers.key_of(id).ok_or_else(|| self.no_such_provider(id))?;
        let entry = self.providers.entry(key).filter(|entry| matches!(entry.source, Source::Feed));
        let provider = &entry.ok_or_else(|| format!("provider {id} is no feed"))?.provider;
        match provider.status {
            Status::Errored => Err(format!("provider {id} has ended: {}", provider.reason)),
            Status::Online | Status::Closed => Ok((key, provider)),
        }
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
        Reading::new(bytes.to_vec()).go_on(usize::MAX).map(drop)
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
    fn begin_run(
        &mut self,
        peers: &mut Peers,
        key: ProviderKey,
        time: i32,
        mut record: Box<Reading>,
    ) -> Result<(), String> {
        self.end_recording(peers, key);
        let Some(provider) = self.providers.get_mut(key) else { return Ok(()) };
        provider.reset();
        (provider.time, provider.time_max, provider.stepped) = (time, time, Some(peers.now));
        for section in [Section::Map, Section::Config] {
            if let Some(value) = record.section(section) {
                provider.file_section(section, value);
            }
        }
        provider.world = ProviderWorld::Told(record.take_world());
        let mut making = Making::new(&provider.world, Raw::Fed { time, record })?;
        while making.go_on(&mut provider.world)?.is_none() {}
        peers.counters.timesteps += 1;
        self.account(peers, key);
        self.jobs.add(Job::Load(key));
        Ok(())
    }
}

/// Whether the changes of a record leave a world small enough.
///
/// # Errors
/// They do not, in words.
fn room_for(world: &ToldWorld, record: &Reading) -> Result<(), String> {
    let news = record.changes().iter().filter(|change| !change.deleted && world.get(change.id).is_none());
    if world.len() + news.count() > FEED_ENTITIES_MAX {
        return Err(format!("the world of a feed has at most {FEED_ENTITIES_MAX} entities"));
    }
    if world.values() + record.change_values() > RECORD_VALUES_MAX {
        return Err(format!("the lists in the world of a feed have at most {RECORD_VALUES_MAX} values"));
    }
    Ok(())
}
