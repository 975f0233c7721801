//! Viewers: what each of them asks for, and the fresh starts that they are sent.
//!
//! A result is built once for each distinct selection and shared by all viewers that want it: a viewer's queue holds references, not
//! copies. A viewer that does not keep up loses the timesteps that wait for it, and old words of what became of its session, is told so,
//! and starts again from a fresh initial result; the others notice nothing. Answers to its own requests it never loses: a viewer that
//! asks on without reading is not read either.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::control::viewer::{self, Beside, Bits, Head, ViewerRequest};

use super::Manager;
use super::answers::{self, answer, keep_promise, no_memory, say};
use super::provider::{Initial, Latecomer, Wish};
use crate::hub::cause::Cause;
use crate::hub::keys::{PeerKey, ProviderKey};
use crate::hub::peers::{Peer, Peers, QueuedResult, ResultKind};

/// Initial results that are remembered for each provider so that viewers can share them.
const INITIALS_MAX: usize = 16;

/// What is sent once and to whoever asks: map and config.
const STATIC: Bits = Bits(Bits::MAP.0 | Bits::CONFIG.0);
/// What an initial result may hold.
const INITIAL: Bits = Bits(STATIC.0 | Bits::WORLD.0);
/// What comes with each timestep.
const EACH_STEP: Bits = Bits(Bits::ACTION.0 | Bits::UPDATE.0 | Bits::WORLD.0 | Bits::PERCEPTION.0);

const fn both(a: Bits, b: Bits) -> Bits {
    Bits(a.0 & b.0)
}

impl Manager {
    // ---- Coming and going ----

    /// A viewer has connected.
    pub(in crate::hub) fn viewer_came(&mut self, peers: &Peers, key: PeerKey, remote: SocketAddr) {
        // Who was refused is held for a moment, but is no viewer.
        if peers.results(key).is_none() {
            return;
        }
        let id = self.viewers.add(key, remote);
        log::info!("viewer {id} connected from {remote}");
    }

    /// A viewer has left: it is shown for a while.
    pub(in crate::hub) fn viewer_left(&mut self, peers: &Peers, key: PeerKey, cause: Cause) {
        self.leave_session(peers, key);
        if let Some(id) = self.viewers.remove(key, cause) {
            log::info!("viewer {id} has left: {cause}");
        }
    }

    /// A viewer's queue is empty: if it has lost timesteps it starts anew.
    pub(in crate::hub) fn viewer_drained(&mut self, peers: &mut Peers, key: PeerKey) {
        if self.viewers.get_mut(key).is_some_and(|viewer| core::mem::take(&mut viewer.behind)) {
            self.send_initial(peers, key, true);
        }
    }

    // ---- Requests ----

    /// Whether a viewer's next request must wait until it has read answers to those before.
    pub(in crate::hub) fn is_behind_with_answers(peer: &Peer) -> bool {
        peer.results().is_some_and(answers::is_behind_with_answers)
    }

    /// A viewer's request could not be read.
    pub(in crate::hub) fn refuse_request(peers: &mut Peers, key: PeerKey, reason: &str) {
        answer(peers, key, Head { request: Bits::NONE, message: reason, result: false, time: 0 }, &[]);
    }

    /// A viewer's request.
    pub(in crate::hub) fn viewer_request(&mut self, peers: &mut Peers, key: PeerKey, request: ViewerRequest) {
        let bits = request.request;
        if bits.has(Bits::CLOSE) {
            self.leave_session(peers, key);
            if let Some(viewer) = self.viewers.get_mut(key) {
                viewer.open = false;
                viewer.behind = false;
            }
            answer(peers, key, Head { request: bits, message: "", result: true, time: 0 }, &[]);
            return;
        }
        let wishes = bits.without(Bits::OPEN);
        if bits.has(Bits::OPEN) {
            let Some(viewer) = self.viewers.get_mut(key) else { return };
            viewer.open = true;
            (viewer.initial, viewer.selection) = match wishes {
                Bits::NONE => (INITIAL, Bits::ACTION | Bits::UPDATE),
                _ => (both(wishes, INITIAL), both(wishes, EACH_STEP)),
            };
            viewer.behind = false;
            self.answer_initial(peers, key, bits);
        } else if !self.is_open(key) {
            let time = request.time.unwrap_or(0);
            answer(peers, key, Head { request: bits, message: "say OPEN first", result: false, time }, &[]);
            return;
        } else if request.time.is_none() {
            if let Some(viewer) = self.viewers.get_mut(key) {
                viewer.selection = both(wishes, EACH_STEP);
                // Who chooses anew what comes with each step has not said what a fresh start should lack.
                if both(wishes, INITIAL) != Bits::NONE {
                    viewer.initial = both(wishes, INITIAL);
                }
            }
            self.answer_statics(peers, key, bits);
        }
        if let Some(time) = request.time {
            self.want_old_step(peers, key, bits, time);
        }
    }

    /// Whether a viewer has said OPEN.
    fn is_open(&self, key: PeerKey) -> bool {
        self.viewers.get(key).is_some_and(|viewer| viewer.open)
    }

    /// The provider of the session that a viewer is in.
    pub(super) fn provider_of(&self, key: PeerKey) -> Option<ProviderKey> {
        self.provider_in(self.viewers.get(key)?.session?)
    }

    /// What a viewer without data is told, and whether all is well nevertheless.
    pub(super) fn reason_for_nothing(&self, key: PeerKey) -> (&str, bool) {
        let provider = self.provider_of(key).and_then(|key| self.providers.get(key));
        match (self.viewers.get(key).and_then(|viewer| viewer.session), provider) {
            (None, _) => ("no session", true),
            (Some(_), None) => ("the session has no provider", true),
            (Some(_), Some(provider)) if provider.status == Status::Errored => (&provider.reason, false),
            (Some(_), Some(_)) => ("the provider has sent nothing yet", true),
        }
    }

    /// The answer to a new selection: map and config, if it asks for them.
    fn answer_statics(&self, peers: &mut Peers, key: PeerKey, bits: Bits) {
        let loaded = self.provider_of(key).and_then(|key| self.providers.get(key)).filter(|found| found.loaded);
        let Some(provider) = loaded else {
            let (message, result) = self.reason_for_nothing(key);
            answer(peers, key, Head { request: bits, message, result, time: 0 }, &[]);
            return;
        };
        let choose = |bit, section| if bits.has(bit) { section } else { &[][..] };
        let map = choose(Bits::MAP, &provider.statics.map);
        let config = choose(Bits::CONFIG, &provider.statics.config);
        let head = Head { request: bits, message: "", result: true, time: i64::from(provider.time) };
        answer(peers, key, head, &[map, config]);
    }

    // ---- Fresh starts ----

    /// Sends a fresh start unasked: map, config and world as the viewer chose them.
    pub(super) fn send_initial(&mut self, peers: &mut Peers, key: PeerKey, behind: bool) {
        let Some(viewer) = self.viewers.get(key).filter(|viewer| viewer.open) else { return };
        let echoed = viewer.initial;
        if self.comes_late(peers, key, Wish::Unasked { behind }) {
            return;
        }
        match self.initial(peers, key, echoed, behind) {
            Some(bytes) => peers.queue_result(key, QueuedResult { bytes, kind: ResultKind::Step }),
            None => {
                if let Some(viewer) = self.viewers.get_mut(key) {
                    say(peers, viewer, key, no_memory(echoed));
                }
            }
        }
    }

    /// Answers OPEN with a fresh start.
    fn answer_initial(&mut self, peers: &mut Peers, key: PeerKey, echoed: Bits) {
        if self.comes_late(peers, key, Wish::Asked(echoed)) {
            return;
        }
        match self.initial(peers, key, echoed, false) {
            Some(bytes) => peers.queue_result(key, QueuedResult { bytes, kind: ResultKind::Answer }),
            None => answer(peers, key, no_memory(echoed), &[]),
        }
    }

    /// Whether a fresh start must wait until a timestep has been applied; then it is given by [`Self::serve_latecomers`].
    fn comes_late(&mut self, peers: &mut Peers, key: PeerKey, wish: Wish) -> bool {
        let wants_world = self.viewers.get(key).is_some_and(|viewer| viewer.initial.has(Bits::WORLD));
        let Some(provider) = self.provider_of(key) else { return false };
        if !self.providers.get(provider).is_some_and(|found| found.loaded) {
            return false;
        }
        if wants_world {
            self.must_make_world(provider);
        }
        let found = self.providers.get_mut(provider);
        let Some(provider) = found.filter(|found| found.making.is_some()) else { return false };
        let latecomer = Latecomer { viewer: key, wish };
        if let Some(viewer) = self.viewers.get_mut(key) {
            viewer.waits = true;
        }
        match wish {
            Wish::Asked(_) => {
                if let Some(results) = peers.results_mut(key) {
                    results.promised += 1;
                }
            }
            Wish::Unasked { .. } if provider.latecomers.contains(&latecomer) => return true,
            Wish::Unasked { .. } => {}
        }
        provider.latecomers.push(latecomer);
        true
    }

    /// Gives a fresh start to those who have waited for it.
    pub(super) fn serve_latecomers(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        for latecomer in core::mem::take(&mut provider.latecomers) {
            self.serve_latecomer(peers, Some(key), latecomer);
        }
    }

    /// Gives a fresh start to one who has waited for that of a provider, of what it sees by now. Who sees another one was given a start already,
    /// and needs an answer only if it has asked.
    pub(super) fn serve_latecomer(&mut self, peers: &mut Peers, of: Option<ProviderKey>, latecomer: Latecomer) {
        let Latecomer { viewer, wish } = latecomer;
        let sees = self.provider_of(viewer);
        let Some(waiting) = self.viewers.get_mut(viewer) else { return };
        waiting.waits &= sees != of;
        match wish {
            Wish::Asked(echoed) => {
                keep_promise(peers, viewer);
                self.answer_initial(peers, viewer, echoed);
            }
            Wish::Unasked { behind } if of.is_some() && sees == of => self.send_initial(peers, viewer, behind),
            Wish::Unasked { .. } => {}
        }
    }

    /// A fresh start for this viewer, shared with others that want the same; `None` when there is no memory for it.
    fn initial(&mut self, peers: &mut Peers, key: PeerKey, echoed: Bits, behind: bool) -> Option<Arc<Vec<u8>>> {
        let viewer = self.viewers.get(key)?;
        let (chosen, show) = (viewer.initial, viewer.session.and_then(|session| self.shows.get(&session)));
        let state = show.map(|show| show.state);
        // Whoever is in no session needs its id to be brought into one.
        let id = show.is_none().then_some(viewer.id);
        let provider_key = show.and_then(|show| show.provider);
        let found = provider_key.and_then(|provider| self.providers.get_mut(provider));
        let Some(provider) = found.filter(|found| found.loaded) else {
            let mut out = Vec::new();
            let (message, result) = self.reason_for_nothing(key);
            let head = Head { request: echoed, message, result, time: 0 };
            viewer::write_result_in(&mut out, head, Beside { state: state.map_or("", State::name), viewer: id }, &[]);
            peers.pool.charge_small(out.len());
            return Some(Arc::new(out));
        };
        peers.counters.initials += 1;
        provider.initials.retain(|initial| initial.bytes.strong_count() > 0);
        let same = |initial: &&Initial| (initial.echoed, initial.chosen, initial.behind) == (echoed, chosen, behind);
        if let Some(bytes) = provider.initials.iter().find(same).and_then(|initial| initial.bytes.upgrade()) {
            return Some(bytes);
        }
        peers.counters.initials_encoded += 1;
        let waits = match state {
            Some(State::Running) | None => String::new(),
            Some(state) => format!("the session is {state}"),
        };
        if chosen.has(Bits::WORLD) {
            provider.world_section();
        }
        // What an errored provider has shown last can be looked at, but it is no success.
        let result = provider.status != Status::Errored;
        let message = match (result, behind) {
            (false, _) => provider.reason.as_str(),
            (true, true) => "timesteps were left out: this viewer does not keep up",
            (true, false) => waits.as_str(),
        };
        let head = Head { request: echoed, message, result, time: i64::from(provider.time) };
        let choose = |bit, section| if chosen.has(bit) { section } else { &[][..] };
        let map = choose(Bits::MAP, &provider.statics.map);
        let config = choose(Bits::CONFIG, &provider.statics.config);
        let world = choose(Bits::WORLD, provider.encoded_world.as_deref().unwrap_or_default());
        let score = provider.world.encode_score();
        let about = 512 + message.len() + map.len() + config.len() + world.len();
        if !peers.pool.charge_leaving_room(about) {
            peers.counters.results_without_memory += 1;
            return None;
        }
        peers.pool.refund(about);
        // Megabytes for a city: made in one piece, not grown into.
        let mut out = Vec::with_capacity(about);
        let beside = Beside { state: state.map_or("", State::name), viewer: None };
        viewer::write_result_in(&mut out, head, beside, &[&score, map, config, world]);
        peers.pool.charge_small(out.len());
        let bytes = Arc::new(out);
        if provider.initials.len() < INITIALS_MAX {
            provider.initials.push(Initial { echoed, chosen, behind, bytes: Arc::downgrade(&bytes) });
        }
        if let Some(provider) = provider_key {
            self.account(peers, provider);
        }
        Some(bytes)
    }
}
