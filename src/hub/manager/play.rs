//! Playing: logs read ahead in bounded pieces, their clocks kept, each timestep applied and shown when it is due; and the end of it.

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::rcrs::log::Ending;
use crate::time::Span;

use super::jobs::Job;
use super::provider::Provider;
use super::track::{Found, Track};
use super::world::{ProviderWorld, Timestep};
use super::{Manager, Timer, tell};
use crate::hub::keys::ProviderKey;
use crate::hub::peers::{Peers, cut};

impl Manager {
    // ---- Reading ----

    /// Reads a piece of a log; answers whether there is more to read at once.
    pub(super) fn play_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some((provider, play)) = self.providers.log_mut(key) else { return false };
        if !play.track.is_hungry() {
            return false;
        }
        let (found, statics) = play.track.read_piece(self.shelf.as_mut(), &mut provider.world);
        if let Some(time_max) = self.shelf.time_max(play.track.file) {
            provider.time_max = time_max;
        }
        let mut can_be_shown = false;
        for item in statics {
            can_be_shown |= provider.file_static(play, item);
        }
        if can_be_shown {
            self.jobs.add(Job::Load(key));
        }
        match found.unwrap_or_else(|reason| Found::Ended(Err(reason))) {
            Found::More => return true,
            Found::Timestep => self.timestep_ready(peers, key),
            Found::Ended(ending) => self.log_read(peers, key, ending),
        }
        false
    }

    /// The world is there: encodes map and world, one in a turn as those of a city take milliseconds, then serves whoever waits in
    /// the session. Answers whether there is more to do.
    pub(super) fn load_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        // Where something is being made, that goes on from here when it is done.
        let is_ready = |provider: &&mut Provider| provider.has_new_world() && provider.making.is_none();
        let Some(provider) = self.providers.get_mut(key).filter(is_ready) else { return false };
        match provider.world.take_in() {
            Ok(true) => {}
            Ok(false) => return true,
            Err(reason) => {
                self.fail(peers, key, &reason);
                return false;
            }
        }
        if provider.statics.map.is_empty() && matches!(provider.world, ProviderWorld::Kernel(_)) {
            if provider.world.encode_map(&mut provider.map_draft) {
                provider.statics.map = core::mem::take(&mut provider.map_draft).out;
            }
            return true;
        }
        let (is_encoded, is_shown) = (provider.encoded_world.is_some(), provider.session.is_some());
        if !is_encoded && (is_shown || self.is_to_be_recorded(key)) {
            if self.must_make_world(key) {
                return false;
            }
            if let Some(provider) = self.providers.get_mut(key) {
                provider.world_section();
            }
            return true;
        }
        let Some(provider) = self.providers.get_mut(key) else { return false };
        provider.loaded = true;
        let time = provider.time;
        log::info!("provider {} ({}) has its world", provider.id, provider.ids);
        self.begin_recording(peers, key);
        self.answer_opener_of_what_is_there(peers, key);
        if let Some((_, play)) = self.providers.log_mut(key) {
            play.has_skipped_to(time);
        }
        if !self.skips(key) {
            self.begin_anew_for_all(peers, key);
        }
        self.wind_clock(peers, key);
        false
    }

    /// The next timestep is whole: it is due when the clock says so.
    fn timestep_ready(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        if matches!(provider.world, ProviderWorld::Empty)
            && let Some(first) = play.track.next.take()
        {
            // The first record of a recording is its world, not a step of it.
            return self.advance(peers, key, first);
        }
        if !provider.loaded {
            self.jobs.add(Job::Load(key));
        }
        self.wind_clock(peers, key);
    }

    /// A log has been read to its end.
    fn log_read(&mut self, peers: &mut Peers, key: ProviderKey, ending: Result<Ending, String>) {
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        play.track.ended = true;
        let waits = play.track.next.is_some();
        if let Some(time_max) = self.shelf.time_max(play.track.file) {
            provider.time_max = time_max;
        }
        match ending {
            Ok(Ending::Whole) => {}
            Ok(Ending::Truncated) => play.track.is_cut = true,
            Err(reason) => {
                let reason = if provider.loaded { format!("{reason} (behind time {})", provider.time) } else { reason };
                return self.end_provider(peers, key, Status::Errored, &reason);
            }
        }
        if !waits {
            self.end_log(peers, key);
        }
    }

    /// All of a log has been shown.
    pub(super) fn end_log(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some((_, play)) = self.providers.log_mut(key) else { return };
        if play.skips_to.take().is_some() {
            self.begin_anew_for_all(peers, key);
        }
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        if !play.track.is_cut {
            return self.end_provider(peers, key, Status::Closed, "the log has ended");
        }
        let reason = match provider.world {
            ProviderWorld::Empty => "the log is cut short before its first world".to_owned(),
            ProviderWorld::Coming(_) | ProviderWorld::Kernel(_) | ProviderWorld::Told(_) => {
                format!("cut at {}: the log is cut short, what is whole has been played", provider.time)
            }
        };
        self.end_provider(peers, key, Status::Errored, &reason);
    }

    /// Puts a log back to its beginning: its viewers see it load anew.
    pub(super) fn rewind(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        // What is whole of a cut log can be played again.
        if provider.status == Status::Errored && !play.track.is_cut {
            return;
        }
        let file = play.track.file;
        let again = match self.shelf.again(file) {
            Ok(again) => again,
            Err(reason) => return self.end_provider(peers, key, Status::Errored, &reason),
        };
        self.shelf.close(file);
        play.track = Track::new(again, play.track.content);
        (play.due, play.left, play.skips_to) = (None, None, None);
        provider.reset();
        self.end_recording(peers, key);
        self.account(peers, key);
        self.jobs.add(Job::Play(key));
    }

    /// A log that another session has played is put back to its beginning for the one that it is in now.
    pub(super) fn begin_again(&mut self, peers: &mut Peers, key: ProviderKey) {
        if let Some((provider, play)) = self.providers.log_mut(key)
            && provider.session.is_some()
            && core::mem::take(&mut play.is_used)
        {
            self.rewind(peers, key);
        }
    }

    // ---- The clock ----

    /// Sets the time of the next timestep of a log, if its session has it played.
    pub(super) fn wind_clock(&mut self, peers: &mut Peers, key: ProviderKey) {
        self.begin_again(peers, key);
        let (plays, skips, pace) = (self.plays(key), self.skips(key), self.pace(peers, key));
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        if !(plays || skips) || !provider.loaded || play.track.next.is_none() {
            return;
        }
        let pause = if skips { Span(0) } else { play.left.take().unwrap_or(pace) };
        let due = *play.due.get_or_insert(peers.now + pause);
        self.timers.set(key.slot(), Timer::Timestep as usize, due);
    }

    /// Stops the clock of a log; the time to its next timestep is kept.
    pub(super) fn stop_clock(&mut self, peers: &Peers, key: ProviderKey) {
        self.timers.cancel(key.slot(), Timer::Timestep as usize);
        if let Some((_, play)) = self.providers.log_mut(key) {
            play.stop_clock(peers.now);
        }
    }

    /// The speed has changed: the next timestep comes at the latest at the new pace.
    pub(super) fn follow_multiple(&mut self, peers: &mut Peers, key: ProviderKey) {
        let pace = self.pace(peers, key);
        if let Some((_, play)) = self.providers.log_mut(key) {
            play.hasten(peers.now, pace);
        }
        self.wind_clock(peers, key);
    }

    /// Whether the session that a provider is in runs.
    pub(super) fn runs(&self, key: ProviderKey) -> bool {
        self.show_of(key).is_some_and(|show| show.state == State::Running)
    }

    /// Whether a log goes on: its session runs, and somebody sees it or has said that it is to run.
    fn plays(&self, key: ProviderKey) -> bool {
        self.runs(key) && self.show_of(key).is_some_and(|show| show.runs_unseen || !show.viewers.is_empty())
    }

    /// Whether a log goes on to a timestep at which it is to be seen again.
    pub(super) fn skips(&self, key: ProviderKey) -> bool {
        self.providers.log(key).is_some_and(|(_, play)| play.skips_to.is_some())
    }

    /// Has a log played at so many times its own speed, or from the timestep of `time` on.
    ///
    /// # Errors
    /// Why it cannot be, in words; nothing has changed then.
    pub(in crate::hub) fn play(
        &mut self,
        peers: &mut Peers,
        id: i64,
        speed: Option<f64>,
        time: Option<i32>,
    ) -> Result<(), String> {
        let key = self.providers.key_of(id).ok_or_else(|| self.no_such_provider(id))?;
        let Some((provider, play)) = self.providers.log_mut(key) else {
            return Err(format!("provider {id} is a live simulation, which goes at its own pace"));
        };
        let has_failed = provider.status == Status::Errored && !play.track.is_cut;
        let is_behind_end = provider.status != Status::Online && time.is_some_and(|time| time > provider.time_max);
        if time.is_some() && (has_failed || is_behind_end) {
            let why = if has_failed { provider.reason.as_str() } else { "the log ends before this timestep" };
            return Err(format!("provider {id}: {why}"));
        }
        if let Some(speed) = speed {
            play.speed = speed;
            self.follow_multiple(peers, key);
        }
        if let Some(time) = time {
            self.skip_to(peers, key, time);
        }
        Ok(())
    }

    /// Goes on to a timestep, from the beginning where it has been passed.
    fn skip_to(&mut self, peers: &mut Peers, key: ProviderKey, time: i32) {
        let Some(provider) = self.providers.get(key) else { return };
        if time < provider.time || provider.status != Status::Online {
            self.rewind(peers, key);
        }
        let Some((provider, play)) = self.providers.log_mut(key) else { return };
        (play.due, play.left, play.skips_to) = (None, None, Some(time));
        let is_there = provider.loaded && play.has_skipped_to(provider.time);
        if is_there {
            self.begin_anew_for_all(peers, key);
        }
        self.wind_clock(peers, key);
    }

    /// Time from one timestep of a log to the next.
    fn pace(&self, peers: &Peers, key: ProviderKey) -> Span {
        let Some((_, play)) = self.providers.log(key) else { return Span(0) };
        let multiple = self.show_of(key).map_or(1.0, |show| show.multiple);
        play.pace(peers.config.play_speed_percent, multiple)
    }

    /// The clock of a log says that its next timestep is due.
    pub(super) fn play_due(&mut self, peers: &mut Peers, key: ProviderKey) {
        let skips = self.skips(key);
        if !(self.plays(key) || skips) {
            return;
        }
        let pace = if skips { Span(0) } else { self.pace(peers, key) };
        // The clock is wound again when what is being made is done.
        let Some((_, play)) = self.providers.log_mut(key).filter(|(provider, _)| provider.making.is_none()) else {
            return;
        };
        let Some(raw) = play.track.next.take() else { return };
        // The recorded pace is kept without drift, unless reading was slower than it.
        let due = play.due.unwrap_or(peers.now) + pace;
        play.due = Some(due.max(peers.now));
        self.advance(peers, key, raw);
    }

    // ---- Timesteps ----

    /// What has changed goes to the recording, and to the viewers if they see it now.
    pub(super) fn show_step(&mut self, peers: &mut Peers, key: ProviderKey, step: &Timestep) {
        self.record_step(peers, key, step);
        if self.skips(key) {
            return;
        }
        if self.runs(key) {
            self.broadcast_step(peers, key, step);
        } else if let Some(provider) = self.providers.get_mut(key) {
            provider.unseen = true;
        }
    }

    /// A provider has ended by itself: it stays listed until it is closed.
    pub(super) fn end_provider(&mut self, peers: &mut Peers, key: ProviderKey, status: Status, reason: &str) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        if provider.status != Status::Online {
            return;
        }
        let reason = &*cut(reason);
        provider.status = status;
        // They say that all is well.
        provider.initials.clear();
        provider.time_max = provider.time_max.max(provider.time);
        let line = format!("{}: {reason}", provider.ids);
        log::info!("provider {} {}: {line}", provider.id, status.word());
        tell(peers, provider.id, &line, if status == Status::Errored { "errored" } else { "ended" });
        if status == Status::Errored {
            reason.clone_into(&mut provider.reason);
            peers.note_error(&line);
        }
        self.end_recording(peers, key);
        self.end_look(peers, key);
        self.tell_viewers_of(peers, key, reason);
        self.answer_opener(peers, key);
    }
}
