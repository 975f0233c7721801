//! Timesteps: each is applied, a piece in a turn where it is large, then shown, kept and followed by what has waited for it.

use crate::control::reply::Status;
use crate::control::viewer::Bits;

use super::Manager;
use super::jobs::Job;
use super::making::{Kind, Made, Making};
use super::world::{Raw, Timestep};
use crate::hub::keys::ProviderKey;
use crate::hub::peers::Peers;

impl Manager {
    /// Applies a timestep and sends it to the session's viewers: at once where it is small, otherwise in the turns that follow.
    pub(super) fn advance(&mut self, peers: &mut Peers, key: ProviderKey, raw: Raw) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        provider.forget_encoded();
        match Making::new(&provider.world, raw) {
            Ok(making) => provider.making = Some(Box::new(making)),
            Err(reason) => return self.fail(peers, key, &reason),
        }
        if self.step_piece(peers, key) {
            self.jobs.add(Job::Step(key));
        }
    }

    /// Does all that is left to do of what is being made: of a feed, whose timesteps are small, or at the end of the process.
    pub(super) fn finish_step(&mut self, peers: &mut Peers, key: ProviderKey) {
        while self.step_piece(peers, key) {}
    }

    /// Does a piece of the timestep in the making; answers whether there is more to do.
    pub(super) fn step_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        let Some(making) = &mut provider.making else { return self.rest(peers, key) };
        match making.go_on(&mut provider.world) {
            Ok(None) => {}
            Ok(Some(made)) => {
                provider.making = None;
                self.made(peers, key, made);
                self.wind_clock(peers, key);
            }
            Err(reason) => self.fail(peers, key, &reason),
        }
        self.account(peers, key);
        self.rest(peers, key)
    }

    /// Does what has waited until nothing is being made any more, also where that came to nothing; answers whether something is.
    fn rest(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get(key) else { return false };
        if provider.making.is_some() {
            return true;
        }
        if provider.ends_recording {
            self.end_recording(peers, key);
        }
        self.serve_latecomers(peers, key);
        false
    }

    /// Something was made. Where the world is large and somebody wants it beside a timestep, that is written down before.
    fn made(&mut self, peers: &mut Peers, key: ProviderKey, made: Made) {
        let is_awaited = made.world.is_none() && self.is_world_awaited(key);
        let Some(provider) = self.providers.get_mut(key) else { return };
        if is_awaited && provider.loaded && provider.world.is_large() {
            provider.making = Some(Box::new(Making::and_world(made)));
            return;
        }
        if let Some(world) = made.world {
            provider.encoded_world = Some(world);
        }
        match made.kind {
            Kind::Step => self.step_made(peers, key, made.step),
            Kind::Correction => {
                self.show_step(peers, key, &made.step);
                self.keep_world(peers, key);
                self.serve_latecomers(peers, key);
            }
            Kind::World => self.world_made(peers, key),
        }
    }

    /// Whether a viewer of a provider's session, which shows timesteps, wants the whole world with each of them.
    fn is_world_awaited(&self, key: ProviderKey) -> bool {
        if !self.runs(key) || self.skips(key) {
            return false;
        }
        let viewers = self.show_of(key).map_or(&[][..], |show| &show.viewers);
        let mut viewers = viewers.iter().filter_map(|viewer| self.viewers.get(*viewer));
        viewers.any(|viewer| viewer.open && viewer.selection.has(Bits::WORLD))
    }

    /// Has the section of a large world made, unless it is there or being made; answers whether that is still to be done.
    pub(super) fn must_make_world(&mut self, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        if provider.encoded_world.is_some() || !provider.world.is_large() {
            return false;
        }
        if provider.making.is_none() {
            provider.making = Some(Box::new(Making::world()));
            self.jobs.add(Job::Step(key));
        }
        true
    }

    /// The section of a large world is there: whoever was waiting for it goes on.
    fn world_made(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        if !provider.loaded {
            self.jobs.add(Job::Load(key));
            return;
        }
        self.keep_world(peers, key);
        self.serve_latecomers(peers, key);
    }

    /// A timestep has been applied.
    fn step_made(&mut self, peers: &mut Peers, key: ProviderKey, step: Timestep) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let time = step.time;
        provider.time = time;
        if !provider.loaded {
            // The world of a recording.
            self.jobs.add(Job::Play(key));
            self.jobs.add(Job::Load(key));
            return;
        }
        provider.stepped = Some(peers.now);
        provider.time_max = provider.time_max.max(time);
        peers.counters.timesteps += 1;
        self.show_step(peers, key, &step);
        // Of a log each timestep can be read again.
        if self.providers.log(key).is_none()
            && let Some(provider) = self.providers.get_mut(key)
        {
            provider.past.keep(step, peers.config.history_bytes_max);
            self.keep_world(peers, key);
        }
        self.serve_latecomers(peers, key);
        if self.providers.kernel_mut(key).is_some_and(|(_, kernel)| core::mem::take(&mut kernel.has_lost)) {
            self.look_again(peers, key);
        }
        self.log_stepped(peers, key, time);
    }

    /// Keeps the world as it is now for those who ask for it later, if it is time to; a large one once its section has been made.
    pub(super) fn keep_world(&mut self, peers: &Peers, key: ProviderKey) {
        let is_due = self.providers.get(key).is_some_and(|provider| provider.past.wants_world());
        if is_due
            && !self.must_make_world(key)
            && let Some(provider) = self.providers.get_mut(key)
        {
            provider.remember_world(peers.config.history_bytes_max);
        }
    }

    /// A provider has shown a timestep: if that is one of a log, it is read on.
    fn log_stepped(&mut self, peers: &mut Peers, key: ProviderKey, time: i32) {
        let Some((_, play)) = self.providers.log_mut(key) else { return };
        let ended = play.track.ended;
        if play.has_skipped_to(time) {
            self.begin_anew_for_all(peers, key);
        }
        if ended {
            self.end_log(peers, key);
        } else {
            self.jobs.add(Job::Play(key));
        }
    }

    /// What a provider has brought cannot be applied: it ends.
    pub(super) fn fail(&mut self, peers: &mut Peers, key: ProviderKey, reason: &str) {
        if let Some(provider) = self.providers.get_mut(key) {
            provider.give_up_making();
        }
        match self.kernel_link(key) {
            Some(link) => self.give_up_kernel(peers, link, key, Status::Errored, reason),
            None => self.end_provider(peers, key, Status::Errored, reason),
        }
        self.account(peers, key);
        self.serve_latecomers(peers, key);
    }
}
