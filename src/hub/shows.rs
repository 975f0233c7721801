//! What connects a session with its provider and its viewers: who belongs to whom, and what follows for them from what a session says.

use serde_json::Value;

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::control::viewer::{self, Bits};

use super::Hub;
use super::keys::{PeerKey, ProviderKey, SessionKey};
use super::provider::Source;
use super::session::Session;

/// Why a provider cannot be that of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// There is none of this id.
    Unknown,
    /// It is that of another session.
    InSession(SessionKey),
    /// The session has another one.
    HasAnother,
}

impl Hub {
    // ---- Provider ----

    /// The provider of this id, if the session (`None`: one that is to be made) may have it.
    pub(super) fn provider_for(&self, session: Option<SessionKey>, id: i64) -> Result<ProviderKey, Unfit> {
        let key = self.provider_key(id).ok_or(Unfit::Unknown)?;
        let other = self.providers.get(key).and_then(|provider| provider.session).filter(|ours| Some(*ours) != session);
        if let Some(other) = other {
            return Err(Unfit::InSession(other));
        }
        let own = session.and_then(|key| self.sessions.get(key)).and_then(|session| session.provider);
        match own.filter(|own| *own != key) {
            Some(_) => Err(Unfit::HasAnother),
            None => Ok(key),
        }
    }

    /// Whether a session has a provider or viewers.
    pub(super) fn is_used(&self, session: SessionKey) -> bool {
        self.sessions.get(session).is_some_and(|session| session.provider.is_some() || !session.viewers.is_empty())
    }

    /// A provider was chosen for a session; it may have been taken meanwhile.
    pub(super) fn provider_chosen(&mut self, key: SessionKey, provider: ProviderKey) {
        let (Some(found), Some(session)) = (self.providers.get(provider), self.sessions.get(key)) else { return };
        if found.session.is_none_or(|other| other == key) && session.provider.is_none_or(|other| other == provider) {
            self.attach_provider(key, provider);
        }
    }

    /// Makes a provider that of a session; the session's state rules it from here on.
    fn attach_provider(&mut self, key: SessionKey, provider: ProviderKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.provider = Some(provider);
        }
        let mut is_new = false;
        if let Some(found) = self.providers.get_mut(provider) {
            is_new = found.session.replace(key) != Some(key);
        }
        if is_new {
            let viewers = self.sessions.get(key).map(|session| session.viewers.clone());
            for viewer in viewers.unwrap_or_default() {
                self.send_initial(viewer, false);
            }
        }
        self.wind_clock(provider);
    }

    /// A session has ended in this state: its provider is free, its viewers are told.
    pub(super) fn session_ended(&mut self, key: SessionKey, was: State) {
        let of = |session| session == Some(key);
        let provider = self.providers.iter().find(|(_, found)| of(found.session)).map(|(provider, _)| provider);
        if let Some(provider) = provider {
            self.leave_provider(provider, was);
        }
        let viewers: Vec<PeerKey> =
            self.viewers.iter().filter(|(_, found)| of(found.session)).map(|(viewer, _)| *viewer).collect();
        for viewer in viewers {
            let Some(found) = self.viewers.get_mut(&viewer) else { continue };
            found.session = None;
            found.behind = false;
            if found.open {
                let message = "the session was closed";
                let head = viewer::Head { request: Bits::NONE, message, result: true, time: 0 };
                self.say(viewer, head);
            }
        }
    }

    // ---- Showing ----

    /// Adds provider and viewers to what a session says of itself.
    pub(super) fn complete_info(&self, info: &mut Value, key: SessionKey) {
        let (Some(session), Some(info)) = (self.sessions.get(key), info.as_object_mut()) else { return };
        let provider = session.provider.and_then(|key| self.providers.get(key)).map_or(0, |provider| provider.id);
        info.insert("provider".to_owned(), Value::from(provider));
        info.insert("viewer".to_owned(), Value::from(self.viewer_ids(session)));
    }

    /// The ids of a session's viewers.
    pub(super) fn viewer_ids(&self, session: &Session) -> Vec<i64> {
        session.viewers.iter().filter_map(|key| Some(self.viewers.get(key)?.id)).collect()
    }

    /// How a session is doing, in the words of the control protocol: as its provider does.
    pub(super) fn session_status(&self, session: &Session) -> Status {
        session.provider.and_then(|key| self.providers.get(key)).map_or(Status::Online, |provider| provider.status)
    }

    // ---- Provider and viewers ----

    /// The state of a session has changed, or, where it has not, its speed.
    pub(super) fn flow_changed(&mut self, key: SessionKey, was: State, now: State) {
        if was == now {
            self.follow_multiple(key);
        } else {
            self.follow_state(key, was, now);
        }
    }

    /// The state of a session has changed: its log stands, runs or is rewound, and its viewers are told.
    fn follow_state(&mut self, key: SessionKey, was: State, now: State) {
        let Some(session) = self.sessions.get(key) else { return };
        let viewers = session.viewers.clone();
        let provider = session.provider;
        if let Some(provider) = provider {
            if let Some(found) = self.providers.get_mut(provider) {
                // A shared initial result says what state it was made in.
                found.initials.clear();
            }
            match (was, now) {
                (_, State::Running) => self.wind_clock(provider),
                (State::Running, State::Paused) => self.stop_clock(provider),
                (State::Running | State::Paused, _) => {
                    self.stop_clock(provider);
                    self.rewind(provider);
                }
                _ => {}
            }
        }
        for viewer in &viewers {
            self.tell_state(*viewer, key);
        }
        let moved = provider.and_then(|provider| self.providers.get_mut(provider)).is_some_and(|found| {
            // Timesteps of a live simulation went by unseen.
            now == State::Running && core::mem::take(&mut found.unseen)
        });
        if moved {
            for viewer in viewers {
                self.send_initial(viewer, false);
            }
        }
    }

    /// Tells a viewer the state of its session.
    fn tell_state(&mut self, viewer: PeerKey, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let state = session.flow.state;
        let time = session.provider.and_then(|key| self.providers.get(key)).map_or(0, |found| i64::from(found.time));
        if self.is_open_viewer(viewer) {
            let message = format!("the session is {state}");
            self.tell_in_state(viewer, Bits::NONE, &message, state.name(), time);
        }
    }

    /// Stops the clock of a log; the time to its next timestep is kept.
    fn stop_clock(&mut self, key: ProviderKey) {
        let now = self.peers.now;
        self.provider_timers.cancel(key.slot(), 0);
        if let Some(Source::Log(play)) = self.providers.get_mut(key).map(|found| &mut found.source) {
            play.left = play.due.take().map(|due| due.since(now));
        }
    }

    /// The speed has changed: the next timestep comes at the latest at the new pace.
    fn follow_multiple(&mut self, key: SessionKey) {
        let Some(provider) = self.sessions.get(key).and_then(|session| session.provider) else { return };
        let pace = self.pace(provider);
        let now = self.peers.now;
        if let Some(Source::Log(play)) = self.providers.get_mut(provider).map(|found| &mut found.source) {
            play.due = play.due.map(|due| due.min(now + pace));
            play.left = play.left.map(|left| left.min(pace));
        }
        self.wind_clock(provider);
    }
}
