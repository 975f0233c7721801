//! What a session shows: who provides it, who watches, and what follows for them from what the session says.

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::control::viewer::Head;

use super::answers::{say, say_in_state, word};
use super::show::{Show, Shown, Unfit};
use super::{Manager, Timer};
use crate::hub::events::Event;
use crate::hub::keys::{PeerKey, ProviderKey, SessionKey};
use crate::hub::peers::Peers;

impl Manager {
    // ---- Looking ----

    pub(super) fn provider_in(&self, session: SessionKey) -> Option<ProviderKey> {
        self.shows.get(&session)?.provider
    }

    pub(super) fn viewers_in(&self, session: SessionKey) -> &[PeerKey] {
        self.shows.get(&session).map_or(&[], |show| &show.viewers)
    }

    /// What the session that a provider is in shows.
    pub(super) fn show_of(&self, key: ProviderKey) -> Option<&Show> {
        self.shows.get(&self.providers.get(key)?.session?)
    }

    /// The sessions that show anything, or did, with state and speed as they are known here.
    pub(in crate::hub) fn sessions(&self) -> impl Iterator<Item = (SessionKey, State, f64)> {
        self.shows.iter().map(|(session, show)| (*session, show.state, show.multiple))
    }

    /// The provider of this id, if the session (`None`: one that is to be made) may have it.
    ///
    /// # Errors
    /// Why it may not.
    pub(in crate::hub) fn provider_for(&self, session: Option<SessionKey>, id: i64) -> Result<ProviderKey, Unfit> {
        let (key, provider) = self.providers.iter().find(|(_, provider)| provider.id == id).ok_or(Unfit::Unknown)?;
        if let Some(other) = provider.session.filter(|other| Some(*other) != session) {
            return Err(Unfit::InSession(other));
        }
        match session.and_then(|session| self.provider_in(session)).filter(|own| *own != key) {
            Some(_) => Err(Unfit::HasAnother),
            None => Ok(key),
        }
    }

    /// Whether a session has a provider or viewers.
    pub(in crate::hub) fn is_used(&self, session: SessionKey) -> bool {
        self.shows.get(&session).is_some_and(|show| show.provider.is_some() || !show.viewers.is_empty())
    }

    /// What there is to say of a session.
    pub(in crate::hub) fn shown(&self, session: SessionKey) -> Shown {
        let provider = self.provider_in(session).and_then(|key| self.providers.get(key));
        let viewers = self.viewers_in(session).iter().filter_map(|key| self.viewers.get(*key));
        Shown {
            provider: provider.map(|provider| provider.id),
            viewers: viewers.map(|viewer| viewer.id).collect(),
            status: provider.map_or(Status::Online, |provider| provider.status),
        }
    }

    // ---- Providers ----

    /// A provider was chosen for a session, whose state and speed rule it from here on; either may have found another one meanwhile.
    pub(in crate::hub) fn provider_chosen(
        &mut self,
        peers: &mut Peers,
        session: SessionKey,
        key: ProviderKey,
        (state, multiple): (State, f64),
    ) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let own = self.shows.get(&session).and_then(|show| show.provider);
        if provider.session.is_some_and(|other| other != session) || own.is_some_and(|own| own != key) {
            return;
        }
        let show = self.shows.or_insert_with(session, || Show::new(state, multiple));
        show.provider = Some(key);
        if provider.session.replace(session) != Some(session) {
            self.begin_anew_for_all(peers, key);
        }
        self.wind_clock(peers, key);
    }

    /// A session is that of a provider and ends with it, whose state and speed rule it from here on.
    pub(in crate::hub) fn show(
        &mut self,
        peers: &mut Peers,
        session: SessionKey,
        key: ProviderKey,
        (state, multiple): (State, f64),
    ) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        provider.session = Some(session);
        let (provider, is_of_provider, runs_unseen) = (Some(key), true, false);
        let show = Show { provider, is_of_provider, runs_unseen, ..Show::new(state, multiple) };
        self.shows.insert(session, show);
        self.begin_again(peers, key);
    }

    /// A session's provider was closed: a session that was made for it ends with it, another goes on without.
    pub(super) fn provider_left(&mut self, peers: &mut Peers, session: SessionKey) {
        let Some(show) = self.shows.get_mut(&session) else { return };
        show.provider = None;
        if show.is_of_provider {
            peers.events.push_back(Event::ProviderClosed { session });
            return;
        }
        self.tell_viewers(peers, session, word("the provider was closed", 0));
    }

    /// The session of a provider has ended in `state`: a log stands, until another session takes it.
    fn leave_provider(&mut self, key: ProviderKey, state: State) {
        self.timers.cancel(key.slot(), Timer::Timestep as usize);
        let Some(provider) = self.providers.get_mut(key) else { return };
        provider.session = None;
        // They say what state that session was in.
        provider.initials.clear();
        if let Some((_, play)) = self.providers.log_mut(key) {
            play.due = None;
            play.is_used |= matches!(state, State::Running | State::Paused);
        }
    }

    // ---- Viewers ----

    /// Takes a viewer out of its session, if it is in one. Without viewers, a log stands whose session nobody has told to run.
    pub(super) fn leave_session(&mut self, peers: &Peers, key: PeerKey) {
        let Some(viewer) = self.viewers.get_mut(key) else { return };
        let Some(session) = viewer.session.take() else { return };
        (viewer.behind, viewer.waits) = (false, false);
        let Some(show) = self.shows.get_mut(&session) else { return };
        show.viewers.retain(|viewer| *viewer != key);
        if show.viewers.is_empty()
            && !show.runs_unseen
            && let Some(provider) = show.provider
        {
            self.stop_clock(peers, provider);
        }
    }

    /// Brings a viewer into a session; it sees a fresh initial result if it is open.
    pub(super) fn enter_session(&mut self, peers: &mut Peers, key: PeerKey, session: SessionKey) {
        self.leave_session(peers, key);
        let (Some(viewer), Some(show)) = (self.viewers.get_mut(key), self.shows.get_mut(&session)) else { return };
        show.viewers.push(key);
        viewer.session = Some(session);
        viewer.behind = false;
        peers.drop_steps(key, false);
        self.send_initial(peers, key, false);
    }

    /// All viewers of a provider's session see it from its beginning, or as it is now.
    pub(super) fn begin_anew_for_all(&mut self, peers: &mut Peers, key: ProviderKey) {
        let viewers = self.show_of(key).map_or_else(Vec::new, |show| show.viewers.clone());
        for viewer in viewers {
            self.send_initial(peers, viewer, false);
        }
    }

    /// Tells all viewers of a provider's session something that comes with no data.
    pub(super) fn tell_viewers_of(&mut self, peers: &mut Peers, key: ProviderKey, message: &str) {
        let Some(provider) = self.providers.get(key) else { return };
        let (session, time) = (provider.session, i64::from(provider.time));
        let result = provider.status != Status::Errored;
        if let Some(session) = session {
            self.tell_viewers(peers, session, Head { result, ..word(message, time) });
        }
    }

    fn tell_viewers(&mut self, peers: &mut Peers, session: SessionKey, head: Head<'_>) {
        let Some(show) = self.shows.get(&session) else { return };
        for &key in &show.viewers {
            if let Some(viewer) = self.viewers.get_mut(key).filter(|viewer| viewer.open) {
                say(peers, viewer, key, head);
            }
        }
    }

    // ---- What sessions say ----

    /// State or speed of a session are others: its log stands, runs or is rewound, and its viewers are told.
    pub(in crate::hub) fn flow_changed(
        &mut self,
        peers: &mut Peers,
        session: SessionKey,
        [was, now]: [State; 2],
        multiple: f64,
    ) {
        let Some(show) = self.shows.get_mut(&session) else { return };
        let is_new_speed = show.multiple.total_cmp(&multiple).is_ne();
        (show.state, show.multiple) = (now, multiple);
        show.runs_unseen |= was != now && now == State::Running;
        let provider = show.provider;
        if was != now {
            self.follow_state(peers, session, was, now);
        }
        if let Some(provider) = provider.filter(|_| is_new_speed) {
            self.follow_multiple(peers, provider);
        }
    }

    fn follow_state(&mut self, peers: &mut Peers, session: SessionKey, was: State, now: State) {
        let Some(show) = self.shows.get(&session) else { return };
        let provider = show.provider;
        if let Some(key) = provider {
            if let Some(found) = self.providers.get_mut(key) {
                // A shared initial result says what state it was made in.
                found.initials.clear();
            }
            match (was, now) {
                (_, State::Running) => self.wind_clock(peers, key),
                (State::Running, State::Paused) => self.stop_clock(peers, key),
                (State::Running | State::Paused, _) => {
                    self.stop_clock(peers, key);
                    self.rewind(peers, key);
                }
                _ => {}
            }
        }
        self.tell_state(peers, session, now);
        let Some(key) = provider.filter(|_| now == State::Running) else { return };
        // Timesteps of a live simulation went by unseen.
        if self.providers.get_mut(key).is_some_and(|found| core::mem::take(&mut found.unseen)) {
            self.begin_anew_for_all(peers, key);
        }
    }

    /// Tells the viewers of a session its state.
    fn tell_state(&mut self, peers: &mut Peers, session: SessionKey, state: State) {
        let Some(show) = self.shows.get(&session) else { return };
        let provider = show.provider.and_then(|key| self.providers.get(key));
        let (message, time) = (format!("the session is {state}"), provider.map_or(0, |found| i64::from(found.time)));
        for &key in &show.viewers {
            if let Some(viewer) = self.viewers.get_mut(key).filter(|viewer| viewer.open) {
                say_in_state(peers, viewer, key, word(&message, time), state.name());
            }
        }
    }

    /// A session has ended in the state `was`: its provider is free, its viewers are told.
    pub(in crate::hub) fn session_ended(&mut self, peers: &mut Peers, session: SessionKey, was: State) {
        let Some(show) = self.shows.remove(&session) else { return };
        if let Some(provider) = show.provider {
            self.leave_provider(provider, was);
        }
        for key in show.viewers {
            let Some(viewer) = self.viewers.get_mut(key) else { continue };
            (viewer.session, viewer.behind, viewer.waits) = (None, false, false);
            if viewer.open {
                say(peers, viewer, key, word("the session was closed", 0));
            }
        }
    }
}
