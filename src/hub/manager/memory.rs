//! What providers hold is counted by the pool; one that brings more than there is memory for ends.

use std::collections::BTreeMap;

use crate::control::reply::Status;

use super::Manager;
use super::provider::{ProviderEntry, Source};
use crate::hub::cause::Cause;
use crate::hub::keys::ProviderKey;
use crate::hub::peers::{Peers, QueuedResult, Role};

impl Manager {
    /// Counts what a provider holds now. One that holds more than there is memory for ends.
    pub(super) fn account(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Self { providers, remains, jobs, .. } = self;
        let Some(entry) = providers.entry_mut(key) else { return };
        entry.provider.take_unused().for_each(|world| remains.add(jobs, world));
        let now = entry.bytes();
        let provider = &mut entry.provider;
        let before = provider.accounted;
        if now <= before {
            provider.accounted = now;
            peers.pool.refund(before - now);
        } else if peers.pool.charge(now - before) {
            provider.accounted = now;
        } else if (provider.loaded && provider.forget_past()) || self.forget_second(peers, key) {
            // What can be made again, or was only kept for questions, goes first.
            self.account(peers, key);
        } else {
            self.exhaust(peers, key);
        }
    }

    /// Gives back what a provider's source is read or asked for once more; answers whether there was such a thing.
    fn forget_second(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some(entry) = self.providers.entry_mut(key) else { return false };
        match &mut entry.source {
            Source::Kernel(kernel) if kernel.second_look.is_some() => {
                self.look_failed(peers, key, "no memory is left for its world once more (memory_max)");
                true
            }
            Source::Log(play) => {
                let Some(seek) = play.seek.take() else { return false };
                self.end_seek(peers, *seek, super::seek::NO_MEMORY);
                true
            }
            Source::Kernel(_) | Source::Feed => false,
        }
    }

    /// There is no memory for what a provider brings: it ends with what it had, and gives that back.
    pub(super) fn exhaust(&mut self, peers: &mut Peers, key: ProviderKey) {
        self.end_provider(peers, key, Status::Errored, "no memory is left for its data (memory_max)");
        self.timers.cancel_all(key.slot());
        let Some(ProviderEntry { provider, source, .. }) = self.providers.entry_mut(key) else { return };
        provider.give_back();
        let link = match source {
            Source::Kernel(kernel) => kernel.peer,
            Source::Log(play) => {
                play.track.forget();
                None
            }
            Source::Feed => None,
        };
        self.account(peers, key);
        if let Some(link) = link {
            peers.close(link, Cause::Provider);
        }
    }

    /// What is wrong with the books, if anything is.
    pub(in crate::hub) fn check(&self, peers: &Peers) -> Result<(), String> {
        for (key, entry) in self.providers.entries() {
            let provider = &entry.provider;
            let (noted, holds) = (provider.accounted, entry.bytes());
            if noted > 0 && noted != holds {
                return Err(format!("provider {} holds {holds} bytes, noted are {noted}", provider.id));
            }
            let is_its_own = |link| peers.get(link).is_some_and(|peer| peer.role == Role::Kernel(key));
            if self.kernel_links(key).any(|link| !is_its_own(link)) {
                return Err(format!("provider {} has a link that is not its kernel's", provider.id));
            }
            if provider.session.is_some_and(|session| self.provider_in(session) != Some(key)) {
                return Err(format!("provider {} is in a session that does not show it", provider.id));
            }
        }
        for (session, show) in self.shows.iter() {
            if show.viewers.iter().any(|key| self.viewers.get(*key).and_then(|viewer| viewer.session) != Some(*session))
            {
                return Err(format!("{session:?} counts a viewer that is not in it"));
            }
            let is_known = |key| self.providers.get(key).is_some_and(|provider| provider.session == Some(*session));
            if show.provider.is_some_and(|key| !is_known(key)) {
                return Err(format!("{session:?} has a provider that does not know it"));
            }
        }
        for (key, viewer) in self.viewers.iter() {
            if peers.results(key).is_none() {
                return Err(format!("viewer {} is listed and has left", viewer.id));
            }
            if viewer.session.is_some_and(|session| !self.viewers_in(session).contains(&key)) {
                return Err(format!("viewer {} is in a session that does not count it", viewer.id));
            }
        }
        self.viewers.check()?;
        self.recordings.check()
    }

    /// Bytes that the pool should count: of providers, and of results on their way, what viewers share once.
    pub(in crate::hub) fn bytes(&self, peers: &Peers) -> usize {
        let mut results = BTreeMap::new();
        for (_, peer) in peers.iter() {
            results.extend(peer.results().into_iter().flat_map(|results| results.iter()).map(QueuedResult::identity));
        }
        let providers: usize = self.providers.iter().map(|(_, provider)| provider.accounted).sum();
        providers + results.values().sum::<usize>()
    }
}
