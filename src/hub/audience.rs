//! Sessions and viewers: who watches what, and what each of them is sent.
//!
//! A result is built once for each distinct selection and shared by all viewers that want it: a viewer's queue holds references, not
//! copies. A viewer that does not keep up loses the timesteps that wait for it, and old words of what became of its session, is told so,
//! and starts again from a fresh initial result; the others notice nothing. Answers to its own requests it never loses: a viewer that asks on without
//! reading is not read either.

use core::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::control::viewer::{self, Bits, Head, ViewerRequest};
use crate::limits::VIEWER_WORDS_MAX;

use super::Hub;
use super::cause::Cause;
use super::keys::{PeerKey, ProviderKey, SessionKey};
use super::peers::{Kind, Results, Waiting};
use super::provider::{Source, Wanted};
use super::scene::Step;
use super::session::Session;
use crate::limits::DEPARTED_MAX;

/// Timesteps that may wait for one viewer before it counts as slow.
const RESULTS_MAX: usize = 4;
/// Answers that may wait for one viewer before it is not read any more.
const ANSWERS_MAX: usize = 16;
/// Initial results that are remembered for each provider so that viewers can share them.
const INITIALS_MAX: usize = 16;
/// Old timesteps that may be asked for at a time in one log.
const WANTED_MAX: usize = 64;

/// Results up to this size are sent even when memory is short: words, not data. Others leave room for the worlds of providers, which
/// must not end because viewers do not read.
const SMALL_BYTES: usize = 4096;

/// What is sent once and to whoever asks: map and config.
const STATIC: Bits = Bits(Bits::MAP.0 | Bits::CONFIG.0);
/// What an initial result may hold.
const INITIAL: Bits = Bits(STATIC.0 | Bits::WORLD.0);
/// What comes with each timestep.
const EACH_STEP: Bits = Bits(Bits::ACTION.0 | Bits::UPDATE.0 | Bits::WORLD.0 | Bits::PERCEPTION.0);

/// What a viewer is told instead of data that there is no memory for.
const fn no_memory(request: Bits) -> Head<'static> {
    Head { request, message: "no memory is left for this (memory_max)", result: false, time: 0 }
}

const fn both(a: Bits, b: Bits) -> Bits {
    Bits(a.0 & b.0)
}

/// A viewer's side of its connection.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) id: i64,
    pub(super) remote: SocketAddr,
    /// It has said OPEN and not yet CLOSE.
    pub(super) open: bool,
    /// What it wants with each timestep.
    pub(super) selection: Bits,
    /// What it wants in an initial result.
    pub(super) initial: Bits,
    pub(super) session: Option<SessionKey>,
    /// It has lost timesteps: an initial result is due when the queue is empty.
    pub(super) behind: bool,
}

/// An initial result that viewers may share while one of them still has to be sent it.
#[derive(Debug)]
pub(super) struct Initial {
    echoed: Bits,
    chosen: Bits,
    behind: bool,
    bytes: Weak<Vec<u8>>,
}

impl Viewer {
    pub(super) const fn new(id: i64, remote: SocketAddr) -> Self {
        Self { id, remote, open: false, selection: Bits::NONE, initial: Bits::NONE, session: None, behind: false }
    }
}

/// Whether a viewer's next request must wait until it has read answers to those before.
pub(super) fn is_behind_with_answers(results: &Results) -> bool {
    results.count(Kind::Answer) + results.promised >= ANSWERS_MAX
}

/// A viewer that has left, as the information functions still show it.
#[derive(Clone, Debug)]
pub(super) struct Departed {
    pub(super) id: i64,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) status: Status,
}

impl Hub {
    /// A viewer has connected.
    pub(super) fn viewer_came(&mut self, key: PeerKey, remote: SocketAddr) {
        // Who was refused is held for a moment, but is no viewer.
        if self.peers.results(key).is_none() {
            return;
        }
        let id = self.next_viewer;
        self.next_viewer += 1;
        log::info!("viewer {id} connected from {remote}");
        self.viewers.insert(key, Viewer::new(id, remote));
        self.viewer_ids.insert(id, key);
    }

    /// A viewer has left: it is shown for a while.
    pub(super) fn viewer_gone(&mut self, key: PeerKey, cause: Cause) {
        self.leave_session(key);
        let Some(viewer) = self.viewers.remove(&key) else { return };
        self.viewer_ids.remove(&viewer.id);
        let status = if cause.is_warning() { Status::Errored } else { Status::Closed };
        log::info!("viewer {} has left: {cause}", viewer.id);
        let host = viewer.remote.ip().to_canonical().to_string();
        self.departed.push_back(Departed { id: viewer.id, host, port: viewer.remote.port(), status });
        if self.departed.len() > DEPARTED_MAX {
            self.departed.pop_front();
        }
    }

    fn viewer(&self, key: PeerKey) -> Option<&Viewer> {
        self.viewers.get(&key)
    }

    fn viewer_mut(&mut self, key: PeerKey) -> Option<&mut Viewer> {
        self.viewers.get_mut(&key)
    }

    /// A viewer's request.
    pub(super) fn viewer_request(&mut self, key: PeerKey, request: ViewerRequest) {
        let bits = request.request;
        if bits.has(Bits::CLOSE) {
            self.leave_session(key);
            if let Some(viewer) = self.viewer_mut(key) {
                viewer.open = false;
                viewer.behind = false;
            }
            self.tell(key, Head { request: bits, message: "", result: true, time: 0 }, &[]);
            return;
        }
        let wishes = bits.without(Bits::OPEN);
        if bits.has(Bits::OPEN) {
            let Some(viewer) = self.viewer_mut(key) else { return };
            viewer.open = true;
            (viewer.initial, viewer.selection) = match wishes {
                Bits::NONE => (INITIAL, Bits::ACTION | Bits::UPDATE),
                _ => (both(wishes, INITIAL), both(wishes, EACH_STEP)),
            };
            viewer.behind = false;
            self.answer_initial(key, bits);
        } else if !self.viewer(key).is_some_and(|viewer| viewer.open) {
            self.tell(
                key,
                Head { request: bits, message: "say OPEN first", result: false, time: request.time.unwrap_or(0) },
                &[],
            );
            return;
        } else if request.time.is_none() {
            if let Some(viewer) = self.viewer_mut(key) {
                viewer.selection = both(wishes, EACH_STEP);
                // Who chooses anew what comes with each step has not said what a fresh start should lack.
                if both(wishes, INITIAL) != Bits::NONE {
                    viewer.initial = both(wishes, INITIAL);
                }
            }
            self.send_statics(key, bits);
        }
        if let Some(time) = request.time {
            self.want_old_step(key, bits, time);
        }
    }

    fn provider_of(&self, key: PeerKey) -> Option<ProviderKey> {
        self.sessions.get(self.viewer(key)?.session?)?.provider
    }

    /// What a viewer without data is told.
    fn reason_for_nothing(&self, key: PeerKey) -> &'static str {
        match (self.viewer(key).and_then(|viewer| viewer.session), self.provider_of(key)) {
            (None, _) => "no session",
            (Some(_), None) => "the session has no provider",
            (Some(_), Some(_)) => "the provider has sent nothing yet",
        }
    }

    /// Sends a fresh start unasked: map, config and world as the viewer chose them.
    pub(super) fn send_initial(&mut self, key: PeerKey, behind: bool) {
        let Some(viewer) = self.viewer(key).filter(|viewer| viewer.open) else { return };
        let echoed = viewer.initial;
        match self.initial(key, echoed, behind) {
            Some(bytes) => self.peers.queue_result(key, Waiting { bytes, kind: Kind::Step }),
            None => self.say(key, no_memory(echoed)),
        }
    }

    /// Answers OPEN with a fresh start.
    fn answer_initial(&mut self, key: PeerKey, echoed: Bits) {
        match self.initial(key, echoed, false) {
            Some(bytes) => self.peers.queue_result(key, Waiting { bytes, kind: Kind::Answer }),
            None => self.tell(key, no_memory(echoed), &[]),
        }
    }

    /// A fresh start for this viewer, shared with others that want the same; `None` when there is no memory for it.
    fn initial(&mut self, key: PeerKey, echoed: Bits, behind: bool) -> Option<Arc<Vec<u8>>> {
        let chosen = self.viewer(key).map_or(Bits::NONE, |viewer| viewer.initial);
        let found = self.provider_of(key).and_then(|provider| self.providers.get_mut(provider));
        let Some(provider) = found.filter(|found| found.loaded) else {
            let reason = self.reason_for_nothing(key);
            let mut out = Vec::new();
            let session = self.viewer(key).and_then(|viewer| viewer.session);
            let state = session.and_then(|session| self.sessions.get(session)).map_or("", |found| found.state().name());
            viewer::write_result_in(
                &mut out,
                Head { request: echoed, message: reason, result: true, time: 0 },
                state,
                &[],
            );
            self.peers.pool.charge_small(out.len());
            return Some(Arc::new(out));
        };
        self.peers.counters.initials += 1;
        provider.initials.retain(|initial| initial.bytes.strong_count() > 0);
        let same = |initial: &&Initial| (initial.echoed, initial.chosen, initial.behind) == (echoed, chosen, behind);
        if let Some(bytes) = provider.initials.iter().find(same).and_then(|initial| initial.bytes.upgrade()) {
            return Some(bytes);
        }
        self.peers.counters.initials_encoded += 1;
        let state = provider.session.and_then(|session| self.sessions.get(session)).map(Session::state);
        let waits = match state {
            Some(State::Running) | None => String::new(),
            Some(state) => format!("the session is {state}"),
        };
        let message = if behind { "timesteps were left out: this viewer does not keep up" } else { waits.as_str() };
        let head = Head { request: echoed, message, result: true, time: i64::from(provider.time) };
        if chosen.has(Bits::WORLD) {
            provider.world_section();
        }
        let choose = |bit, section| if chosen.has(bit) { section } else { &[][..] };
        let map = choose(Bits::MAP, &provider.statics.map);
        let config = choose(Bits::CONFIG, &provider.statics.config);
        let world = choose(Bits::WORLD, provider.world.as_deref().unwrap_or_default());
        if !self.peers.pool.charge_leaving_room(512 + message.len() + map.len() + config.len() + world.len()) {
            self.peers.counters.results_without_memory += 1;
            return None;
        }
        self.peers.pool.refund(512 + message.len() + map.len() + config.len() + world.len());
        // Megabytes for a city: made in one piece, not grown into.
        let mut out = Vec::with_capacity(256 + message.len() + map.len() + config.len() + world.len());
        viewer::write_result_in(&mut out, head, state.map_or("", State::name), &[map, config, world]);
        self.peers.pool.charge_small(out.len());
        let bytes = Arc::new(out);
        if provider.initials.len() < INITIALS_MAX {
            provider.initials.push(Initial { echoed, chosen, behind, bytes: Arc::downgrade(&bytes) });
        }
        if let Some(provider) = self.provider_of(key) {
            self.account_provider(provider);
        }
        Some(bytes)
    }

    /// The answer to a new selection: map and config, if it asks for them.
    fn send_statics(&mut self, key: PeerKey, bits: Bits) {
        let loaded =
            self.provider_of(key).and_then(|provider| self.providers.get(provider)).filter(|found| found.loaded);
        let (time, map, config, message) = match loaded {
            Some(provider) => {
                let chosen = |bit, section: &Vec<u8>| if bits.has(bit) { section.clone() } else { Vec::new() };
                let (map, config) = (&provider.statics.map, &provider.statics.config);
                (i64::from(provider.time), chosen(Bits::MAP, map), chosen(Bits::CONFIG, config), "")
            }
            None => (0, Vec::new(), Vec::new(), self.reason_for_nothing(key)),
        };
        self.tell(key, Head { request: bits, message, result: true, time }, &[&map, &config]);
    }

    /// Answers one viewer.
    pub(super) fn tell(&mut self, key: PeerKey, head: Head<'_>, sections: &[&[u8]]) {
        let mut out = Vec::new();
        viewer::write_result(&mut out, head, sections);
        self.answer_viewer(key, out);
    }

    /// Sends one viewer word of its session's flow state.
    pub(super) fn tell_in_state(&mut self, key: PeerKey, request: Bits, message: &str, state: &str, time: i64) {
        let mut out = Vec::new();
        viewer::write_result_in(&mut out, Head { request, message, result: true, time }, state, &[]);
        self.send_word(key, out);
    }

    /// Says something to one viewer that it has not asked for.
    pub(super) fn say(&mut self, key: PeerKey, head: Head<'_>) {
        let mut out = Vec::new();
        viewer::write_result(&mut out, head, &[]);
        self.send_word(key, out);
    }

    /// A viewer that takes nothing keeps the newest words; since it has lost others it starts anew.
    fn send_word(&mut self, key: PeerKey, bytes: Vec<u8>) {
        let Some(words) = self.peers.results(key).map(|results| results.count(Kind::Word)) else { return };
        if words >= VIEWER_WORDS_MAX {
            self.peers.drop_oldest_word(key);
            let was_behind = self.viewer_mut(key).is_none_or(|viewer| core::mem::replace(&mut viewer.behind, true));
            self.peers.counters.viewers_behind += u64::from(!was_behind);
        }
        self.peers.pool.charge_small(bytes.len());
        self.peers.queue_result(key, Waiting { bytes: Arc::new(bytes), kind: Kind::Word });
    }

    /// Whether a viewer has said OPEN.
    pub(super) fn is_open_viewer(&self, key: PeerKey) -> bool {
        self.viewer(key).is_some_and(|viewer| viewer.open)
    }

    fn answer_viewer(&mut self, key: PeerKey, bytes: Vec<u8>) {
        // Small words always find room; an answer with data may not.
        if bytes.len() <= SMALL_BYTES {
            self.peers.pool.charge_small(bytes.len());
        } else if !self.peers.pool.charge_leaving_room(bytes.len()) {
            self.peers.counters.results_without_memory += 1;
            self.tell(key, no_memory(Bits::NONE), &[]);
            return;
        }
        self.peers.queue_result(key, Waiting { bytes: Arc::new(bytes), kind: Kind::Answer });
    }

    /// Sends a timestep to all viewers of its session: one encoding for each distinct selection.
    pub(super) fn publish_step(&mut self, provider: ProviderKey, step: &Step) {
        let Some(session) = self.providers.get(provider).and_then(|found| found.session) else { return };
        let Some(viewers) = self.sessions.get_mut(session).map(|found| core::mem::take(&mut found.viewers)) else {
            return;
        };
        let mut built: Vec<(Bits, Arc<Vec<u8>>)> = Vec::new();
        for &key in &viewers {
            let Some(viewer) = self.viewer_mut(key) else { continue };
            let selection = viewer.selection;
            if !viewer.open || viewer.behind || selection == Bits::NONE {
                continue;
            }
            if self.peers.results(key).is_some_and(|results| results.count(Kind::Step) >= RESULTS_MAX) {
                // One stays, so that there is a moment when everything has left.
                self.peers.drop_steps(key, true);
                if let Some(viewer) = self.viewer_mut(key) {
                    viewer.behind = true;
                }
                self.peers.counters.viewers_behind += 1;
                continue;
            }
            let bytes = match built.iter().find(|(bits, _)| *bits == selection) {
                Some((_, bytes)) => Arc::clone(bytes),
                None => {
                    let bytes = self.encode_step(provider, step, selection);
                    let fits = bytes.len() <= SMALL_BYTES || self.peers.pool.charge_leaving_room(bytes.len());
                    if bytes.len() <= SMALL_BYTES {
                        self.peers.pool.charge_small(bytes.len());
                    }
                    let bytes = Arc::new(if fits { bytes } else { Vec::new() });
                    built.push((selection, Arc::clone(&bytes)));
                    bytes
                }
            };
            if bytes.is_empty() {
                // No memory: it starts anew once what waits for it has left.
                self.peers.counters.results_without_memory += 1;
                if let Some(viewer) = self.viewer_mut(key) {
                    viewer.behind = true;
                }
                if self.peers.results(key).is_some_and(Results::is_empty) {
                    self.say(key, no_memory(Bits::NONE));
                }
                continue;
            }
            self.peers.counters.results_sent += 1;
            self.peers.queue_result(key, Waiting { bytes, kind: Kind::Step });
        }
        if let Some(found) = self.sessions.get_mut(session) {
            found.viewers = viewers;
        }
        // What was made for viewers that all fell behind.
        let unused: usize =
            built.iter().filter(|(_, bytes)| Arc::strong_count(bytes) == 1).map(|(_, bytes)| bytes.len()).sum();
        self.peers.pool.refund(unused);
        self.account_provider(provider);
    }

    fn encode_step(&mut self, provider: ProviderKey, step: &Step, bits: Bits) -> Vec<u8> {
        self.peers.counters.results_encoded += 1;
        let mut out = Vec::new();
        let Some(provider) = self.providers.get_mut(provider) else { return out };
        let world: &[u8] = if bits.has(Bits::WORLD) { provider.world_section() } else { &[] };
        let commands: &[u8] = if bits.has(Bits::ACTION) { &step.commands } else { &[] };
        let changes: &[u8] = if bits.has(Bits::UPDATE) { &step.changes } else { &[] };
        let perceptions: &[u8] = if bits.has(Bits::PERCEPTION) { &step.perceptions } else { &[] };
        let head = Head { request: bits, message: "", result: true, time: i64::from(step.time) };
        viewer::write_result(&mut out, head, &[world, commands, changes, perceptions]);
        out
    }

    /// Tells all viewers of a provider's session something that comes with no data.
    pub(super) fn tell_session(&mut self, provider: ProviderKey, message: &str) {
        let Some(found) = self.providers.get(provider) else { return };
        let time = i64::from(found.time);
        let viewers =
            found.session.and_then(|session| self.sessions.get(session)).map(|session| session.viewers.clone());
        for key in viewers.unwrap_or_default() {
            if self.viewer(key).is_some_and(|viewer| viewer.open) {
                self.say(key, Head { request: Bits::NONE, message, result: true, time });
            }
        }
    }

    /// A viewer's queue is empty: if it has lost timesteps it starts anew.
    pub(super) fn viewer_drained(&mut self, key: PeerKey) {
        let Some(viewer) = self.viewer_mut(key) else { return };
        if !core::mem::take(&mut viewer.behind) {
            return;
        }
        self.send_initial(key, true);
    }

    // ---- Old timesteps ----

    fn want_old_step(&mut self, key: PeerKey, echoed: Bits, time: i64) {
        let refuse = |message: &'static str| Head { request: echoed, message, result: false, time };
        let Some(provider) = self.provider_of(key) else {
            let head = refuse(self.reason_for_nothing(key));
            self.tell(key, head, &[]);
            return;
        };
        let asked = echoed.without(Bits::OPEN);
        let bits = match self.viewer(key) {
            Some(viewer) if asked == Bits::NONE => viewer.selection,
            _ => asked,
        };
        let wanted = Wanted { viewer: key, bits, echoed, time };
        let outcome = match self.providers.get(provider).map(|found| &found.source) {
            Some(Source::Log(_)) => self.seek(provider, wanted),
            Some(Source::Kernel(_)) => self.look_back(provider, wanted),
            None => Err("the session has no provider"),
        };
        if let Err(message) = outcome {
            self.tell(key, refuse(message), &[]);
        }
    }

    /// A live kernel's timestep is in the history, without its world, or is gone.
    fn look_back(&mut self, key: ProviderKey, wanted: Wanted) -> Result<(), &'static str> {
        let Some(provider) = self.providers.get(key) else { return Err("the session has no provider") };
        if wanted.time > i64::from(provider.time) {
            return Err("this timestep has not been reached");
        }
        let step = provider.history.iter().find(|step| i64::from(step.time) == wanted.time);
        let Some(step) = step.cloned() else { return Err("this timestep of a live simulation is not kept any more") };
        let bits = wanted.bits.without(Bits::WORLD);
        let mut out = Vec::new();
        let commands: &[u8] = if bits.has(Bits::ACTION) { &step.commands } else { &[] };
        let changes: &[u8] = if bits.has(Bits::UPDATE) { &step.changes } else { &[] };
        let message =
            if wanted.bits.has(Bits::WORLD) { "the world of an old timestep is kept of logs only" } else { "" };
        let head = Head { request: wanted.echoed, message, result: true, time: wanted.time };
        let choose = |bit, section| if bits.has(bit) { section } else { &[][..] };
        let map = choose(Bits::MAP, &provider.statics.map);
        let config = choose(Bits::CONFIG, &provider.statics.config);
        viewer::write_result(&mut out, head, &[map, config, commands, changes]);
        self.answer_viewer(wanted.viewer, out);
        Ok(())
    }

    fn seek(&mut self, key: ProviderKey, wanted: Wanted) -> Result<(), &'static str> {
        let Some(provider) = self.providers.get_mut(key) else { return Err("the session has no provider") };
        let ended = provider.status != Status::Online;
        if ended && wanted.time > i64::from(provider.time_max) {
            return Err("the log ends before this timestep");
        }
        let Source::Log(play) = &mut provider.source else { return Err("the session has no log") };
        if play.seek.as_ref().is_some_and(|seek| seek.wanted.len() >= WANTED_MAX) {
            return Err("too many old timesteps are asked for at a time");
        }
        let begins = play.seek.is_none();
        if begins && provider.scene.bytes() > self.peers.pool.data_room() {
            return Err("no memory is left for an old timestep (memory_max)");
        }
        self.begin_seek(key, wanted)?;
        if let Some(results) = self.peers.results_mut(wanted.viewer) {
            results.promised += 1;
        }
        Ok(())
    }

    /// Answers a question for an old timestep of a log.
    pub(super) fn answer_old_step(
        &mut self,
        provider: ProviderKey,
        wanted: Wanted,
        found: Result<(&Step, Vec<u8>), &str>,
    ) {
        if let Some(results) = self.peers.results_mut(wanted.viewer) {
            results.promised = results.promised.saturating_sub(1);
        }
        let mut out = Vec::new();
        let (request, time) = (wanted.echoed, wanted.time);
        match found {
            Ok((step, world)) => {
                let commands: &[u8] = if wanted.bits.has(Bits::ACTION) { &step.commands } else { &[] };
                let changes: &[u8] = if wanted.bits.has(Bits::UPDATE) { &step.changes } else { &[] };
                let perceptions: &[u8] = if wanted.bits.has(Bits::PERCEPTION) { &step.perceptions } else { &[] };
                let statics = self.providers.get(provider).map(|found| &found.statics);
                let map = statics.filter(|_| wanted.bits.has(Bits::MAP)).map_or(&[][..], |statics| &statics.map);
                let config =
                    statics.filter(|_| wanted.bits.has(Bits::CONFIG)).map_or(&[][..], |statics| &statics.config);
                let head = Head { request, message: "", result: true, time };
                viewer::write_result(&mut out, head, &[map, config, &world, commands, changes, perceptions]);
            }
            Err(message) => {
                viewer::write_result(&mut out, Head { request, message, result: false, time }, &[]);
            }
        }
        self.answer_viewer(wanted.viewer, out);
    }

    // ---- Membership ----

    /// Takes a viewer out of its session, if it is in one. Answers whether it was.
    pub(super) fn leave_session(&mut self, key: PeerKey) -> bool {
        let Some(session) = self.viewer_mut(key).and_then(|viewer| viewer.session.take()) else { return false };
        if let Some(found) = self.sessions.get_mut(session) {
            found.viewers.retain(|viewer| *viewer != key);
        }
        if let Some(viewer) = self.viewer_mut(key) {
            viewer.behind = false;
        }
        true
    }

    /// Brings a viewer into a session; it sees a fresh initial result if it is open.
    pub(super) fn enter_session(&mut self, key: PeerKey, session: SessionKey) {
        self.leave_session(key);
        if let Some(found) = self.sessions.get_mut(session) {
            found.viewers.push(key);
        }
        let Some(viewer) = self.viewer_mut(key) else { return };
        viewer.session = Some(session);
        viewer.behind = false;
        self.peers.drop_steps(key, false);
        self.send_initial(key, false);
    }
}
