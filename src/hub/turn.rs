//! The order of a turn: bytes walked through message by message, deadlines, events from below drained, what others left to do.

use std::collections::VecDeque;

use crate::zmtp::Fault;
use crate::zmtp::frame;
use crate::zmtp::link::Step;

use super::Hub;
use super::coordinator::large::{self, Begun};
use super::coordinator::relay::{self, Taken};
use super::coordinator::{Coordinator, multicast};
use super::doors::Output;
use super::events::Event;
use super::halt::Halt;
use super::keys::{NodeKey, PeerKey, ProviderKey};
use super::peers::{Due, FAREWELL, For, Outcome, Passed, ProcessTimer, Role};
use crate::leco::message::{Malformed, View};
use crate::leco::multicast::TYPE_MULTICAST;
use crate::leco::name::COORDINATOR;
use crate::leco::route::{Place, is_session};
use crate::store::tail::Tail;
use crate::time::Span;

/// How long messages that are on their way are still routed when the process is to end.
const LAST_TURNS: Span = Span(300);
/// How long, and how often, nodes are waited for that have not answered our goodbye by then.
const NODES_WAIT: Span = Span(50);
const NODES_WAITS: u64 = 10;
/// How soon the next of many silent guests are taken out.
const SILENT_PAUSE: Span = Span(20);

impl Hub {
    // ---- Output ----

    /// Whether an [`Output::Flush`] of this peer may wait a moment for more to be written with it, while there is other work: it is a stream on which
    /// events of a session are told, and asks nothing.
    #[must_use]
    pub fn may_gather(&self, key: PeerKey) -> bool {
        self.web.is_stream(key) && self.peers.results(key).is_none()
    }

    // ---- Input ----

    /// Walks through what waits in the peer's tail and then `input`.
    pub(super) fn feed(&mut self, key: PeerKey, input: &[u8]) {
        self.peers.take_in_hand(key);
        self.feed_on(key, input);
    }

    /// The same with another piece from the peer at hand: it has one share of the turn for all of them.
    pub(super) fn feed_on(&mut self, key: PeerKey, mut input: &[u8]) {
        if self.judging.is_some() && !self.is_judged_to_stay(key) {
            return;
        }
        loop {
            let Some(peer) = self.peers.get_mut(key) else { return };
            if !peer.is_open() {
                return;
            }
            if peer.is_guarded {
                return self.feed_guarded(key, input);
            }
            if peer.held.is_some() {
                return self.peers.buffer(key, input);
            }
            if let Role::Kernel(provider) = peer.role {
                return self.feed_kernel(key, provider, input);
            }
            if peer.tail.is_empty() {
                // Of HTTP a whole request may wait that is no bytes any more.
                if input.is_empty() && peer.role != Role::Web {
                    return;
                }
                let (used, halt) = self.walk(key, input);
                input = input.get(used..).unwrap_or_default();
                match halt {
                    Halt::Gone => return,
                    Halt::Held => {}
                    Halt::Need(_) => return self.peers.buffer(key, input),
                    Halt::Hole { at, len } => {
                        let (front, rest) = input.split_at_checked(at).unwrap_or((input, &[]));
                        self.peers.buffer(key, front);
                        input = rest.get(len..).unwrap_or_default();
                    }
                    Halt::Large { len, .. } | Halt::Document { len } => {
                        // It has no block of its own yet.
                        let (large, rest) = input.split_at_checked(len).unwrap_or((input, &[]));
                        self.peers.buffer(key, large);
                        input = rest;
                    }
                }
                continue;
            }
            let mut tail = core::mem::take(&mut peer.tail);
            let (used, halt) = self.walk(key, tail.bytes());
            tail.consume(used, &mut self.peers.pool);
            if let Halt::Hole { at, len } = halt {
                tail.cut(at, len, &mut self.peers.pool);
            }
            let mut document = None;
            if let Halt::Large { len, to, forwarded } = halt {
                self.hand_over(key, to, forwarded, &mut tail, len);
            }
            if let Halt::Document { len } = halt {
                document = self.take_out(key, &mut tail, len);
            }
            match self.peers.get_mut(key) {
                Some(peer) if halt != Halt::Gone => peer.tail = tail,
                _ => {
                    tail.clear(&mut self.peers.pool);
                    return;
                }
            }
            if let Some(message) = document {
                self.large_document(key, &message);
                self.drain_events();
            }
            if let Halt::Need(n) = halt {
                if input.is_empty() {
                    return;
                }
                if !self.peers.get(key).is_some_and(|peer| peer.tail.is_empty()) {
                    let (more, rest) = input.split_at(n.min(input.len()));
                    self.peers.buffer(key, more);
                    input = rest;
                }
            }
        }
    }

    /// Hands bytes to a kernel's machine: what was kept first. While it decodes it takes nothing more, and the kernel is not read.
    fn feed_kernel(&mut self, key: PeerKey, provider: ProviderKey, input: &[u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut tail = core::mem::take(&mut peer.tail);
        let (used, mut busy) = self.manager.take_kernel_bytes(&mut self.peers, key, provider, tail.bytes());
        tail.consume(used, &mut self.peers.pool);
        match self.peers.get_mut(key) {
            Some(peer) => peer.tail = tail,
            None => {
                tail.clear(&mut self.peers.pool);
                return;
            }
        }
        let mut rest = input;
        if !busy {
            let (used, works) = self.manager.take_kernel_bytes(&mut self.peers, key, provider, input);
            rest = input.get(used..).unwrap_or_default();
            busy = works;
        }
        self.peers.buffer(key, rest);
        if busy {
            self.peers.wait(key, For::Decoding);
        }
    }

    /// The same for a peer that does not speak LECO.
    fn walk_other(&mut self, key: PeerKey, role: Role, buffer: &[u8]) -> (usize, Halt) {
        match role {
            Role::Controller => self.walk_control(key, buffer),
            Role::Viewer => self.walk_viewer(key, buffer),
            Role::Web => self.walk_web(key, buffer),
            Role::Topic => self.walk_topic(key, buffer),
            Role::Channel(channel, side) => self.walk_channel(key, (channel, side), buffer),
            Role::Accepted | Role::Dialled(_) | Role::Kernel(_) => (0, Halt::Gone),
        }
    }

    /// Deals with everything whole at the front of `buffer`; says how many bytes that was and why it stopped.
    fn walk(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        match self.peers.get(key).map(|peer| peer.role) {
            Some(Role::Accepted | Role::Dialled(_)) => {}
            Some(role) => return self.walk_other(key, role, buffer),
            None => return (used, Halt::Gone),
        }
        loop {
            let (bounds, least) = (self.peers.bounds, self.peers.passage_bytes_min());
            let Some(link) = self.peers.open_link(key) else { return (used, Halt::Gone) };
            let rest = buffer.get(used..).unwrap_or_default();
            match link.next(rest, &bounds) {
                Ok(Step::Message(message)) => {
                    let wire = rest.get(..message.len).unwrap_or_default();
                    match self.take_message(key, wire, &message) {
                        Outcome::Done => {
                            used += message.len;
                            self.drain_events();
                            // What it asked for goes on in the next turn.
                            if self.peers.get(key).is_some_and(|peer| peer.held.is_some()) {
                                return (used, Halt::Held);
                            }
                        }
                        Outcome::Queued { to, forwarded } => {
                            used += message.len;
                            if let Some(front) = message.front().and_then(|front| wire.get(..front)) {
                                let rest = buffer.get(used..).unwrap_or_default();
                                used += relay::queue_run(&mut self.peers, to, forwarded, front, rest);
                            }
                            // The usual end of a read.
                            if used == buffer.len() {
                                return (used, Halt::Need(frame::SHORT_HEAD));
                            }
                        }
                        Outcome::Held => return (used, Halt::Held),
                        outcome @ (Outcome::Large { .. } | Outcome::Document) => {
                            return (used, Halt::set_apart(outcome, message.len));
                        }
                    }
                }
                Ok(Step::Need(n)) if rest.len() + n < least => return (used, Halt::Need(n)),
                Ok(Step::Need(n)) => match large::begin(&mut self.peers, &self.names, key, rest) {
                    Begun::Waits => return (used, Halt::Need(n)),
                    Begun::Held => return (used, Halt::Held),
                    Begun::Passes => {}
                    Begun::Refused => used += self.peers.link_mut(key).map_or(0, |link| link.pass_over(rest)),
                },
                Ok(Step::Piece(left)) => {
                    let (gone, passed) = self.peers.pass_on(key, rest, left);
                    used += gone;
                    match passed {
                        Passed::Last => {}
                        Passed::Some => return (used, Halt::Need(1)),
                        Passed::Held => return (used, Halt::Held),
                    }
                }
                Ok(Step::Skip { len }) => used += len,
                Ok(Step::Ready { len, peer: metadata }) => {
                    used += len;
                    self.ready(key, &metadata);
                }
                Ok(Step::Command { at, len, command }) => {
                    self.command(key, command);
                    if at > 0 {
                        return (used, Halt::Hole { at, len });
                    }
                    used += len;
                }
                Err(fault) => match self.faulty(key, rest, fault) {
                    Ok(over) => used += over,
                    Err(halt) => return (used, halt),
                },
            }
        }
    }

    /// Deals with a fault at the front of `rest`: a message that is too large is refused and passed over, so many bytes of it at once; anything
    /// else ends the link.
    #[cold]
    fn faulty(&mut self, key: PeerKey, rest: &[u8], fault: Fault) -> Result<usize, Halt> {
        let is_large = matches!(fault, Fault::FrameTooLarge | Fault::MessageTooLarge);
        let front = self.peers.link_mut(key).filter(|_| is_large).map(|link| link.front());
        let Some(view) = front.and_then(|front| large::beginning(rest, &front)) else {
            self.fault(key, fault);
            return Err(Halt::Gone);
        };
        if large::refuse_large(&mut self.peers, &self.names, key, &view) == Outcome::Held {
            return Err(Halt::Held);
        }
        Ok(self.peers.link_mut(key).map_or(0, |link| link.pass_over(rest)))
    }

    /// Hands the message at the front of `tail` over to a receiver; where there is no memory for what is behind it, the sender is held.
    #[cold]
    fn hand_over(&mut self, from: PeerKey, to: PeerKey, forwarded: bool, tail: &mut Tail, len: usize) {
        if let Err(refused) = self.peers.hand_over(to, tail, len) {
            self.peers.hold(from, to, refused, Span(0));
            return;
        }
        let counters = &mut self.peers.counters;
        counters.messages_in += 1;
        *(if forwarded { &mut counters.messages_forwarded } else { &mut counters.messages_delivered }) += 1;
    }

    /// Deals with one whole message from a peer, `wire` being its bytes as they came.
    #[inline(always)]
    fn take_message(&mut self, key: PeerKey, wire: &[u8], message: &frame::Message) -> Outcome {
        let Self { peers, names, .. } = self;
        let part = |n| message.part(wire, n);
        let fixed = message.first_four(wire).ok_or(Malformed::Frames);
        let view = match fixed.and_then(|fixed| View::of(fixed, part(4))) {
            Ok(view) => view,
            Err(malformed) => {
                return relay::malformed(peers, names, key, malformed, [part(1), part(2), part(3), part(4)]);
            }
        };
        let Some(peer) = peers.get(key) else { return Outcome::Done };
        if let Role::Dialled(node) = peer.role {
            return self.take_from_dialled(key, node, wire, &view);
        }
        let outcome = match relay::take(peers, names, key, wire, &view) {
            Taken::Routed(outcome) => outcome,
            Taken::Own(None) if view.content_type() == TYPE_MULTICAST && peers.is_node(key) => {
                multicast::spread(peers, names, key, wire, message, &view)
            }
            Taken::Own(refusal) => self.own_message(key, &view, refusal),
            Taken::Session(name) => self.session_message(key, name, &view),
            Taken::Onlooker(refusal) => self.onlooker_message(key, &view, refusal),
        };
        if !matches!(outcome, Outcome::Held | Outcome::Large { .. } | Outcome::Document) {
            self.peers.counters.messages_in += 1;
        }
        outcome
    }

    /// Deals with what another node's Coordinator says on our DEALER: answers, mostly.
    #[cold]
    fn take_from_dialled(&mut self, key: PeerKey, node: NodeKey, wire: &[u8], view: &View<'_>) -> Outcome {
        if let Place::Here(name) = Place::of(view.receiver, &self.names.prefix) {
            if is_session(name) {
                return self.session_error(node, name, view);
            }
            if name == COORDINATOR && self.answers_web(view) {
                self.peers.counters.messages_in += 1;
                self.peers.counters.messages_own += 1;
                return Outcome::Done;
            }
        }
        self.coordinator.take_from_dialled(&mut self.peers, &mut self.names, key, wire, view)
    }

    // ---- Deadlines ----

    pub(super) fn expire(&mut self) {
        // As many as there is time for; the others have theirs in the next turn.
        for _ in 0..self.peers.waits.on(For::Turn).count() {
            if !self.peers.resume_next_turn() {
                break;
            }
            self.feed_resumed();
        }
        self.go_on_with_batches();
        self.peers.take_nobody_in_hand();
        self.judge_piece();
        self.peers.expire();
        self.drain_events();
        self.coordinator.expire(&mut self.peers, &mut self.names);
        self.manager.expire(&mut self.peers);
        while let Some(session) = self.sessions.next_due(self.peers.now) {
            self.sessions.schedule_due(&mut self.peers, &self.names, session);
            self.drain_events();
        }
        while let Some(session) = self.sessions.next_impatient(self.peers.now) {
            self.sessions.give_up(&mut self.peers, &self.names, session);
            self.drain_events();
        }
        self.channels.expire(&mut self.peers);
        self.drain_events();
        self.sessions.look_again(self.peers.now);
        self.do_one_piece();
        while let Some(due) = self.peers.next_due() {
            match due {
                Due::Clean => self.clean_up(),
                Due::SendDirectory => self.coordinator.send_directory(&mut self.peers, &mut self.names, false),
                Due::Goodbye => self.stop(),
                Due::SeeOff => self.see_off_once_all_have_spoken(),
                Due::Stop => self.say_stop(),
            }
            self.drain_events();
        }
    }

    /// Does one bounded piece of the work that was left over, the Manager and the sessions taking turns.
    fn do_one_piece(&mut self) {
        if self.sessions.has_slices() {
            self.do_slice();
        }
        let is_for_sessions = self.sessions.has_lines() && (self.is_turn_of_sessions || !self.manager.has_jobs());
        self.is_turn_of_sessions = !is_for_sessions;
        if !is_for_sessions {
            self.manager.do_one_job(&mut self.peers);
        } else if let Some(session) = self.sessions.next_line() {
            // A controller whose turn it is comes before the line.
            self.feed_resumed();
            self.line_piece(session);
        }
    }

    /// The regular cleaning, and the update that goes with it.
    fn clean_up(&mut self) {
        let expiration = self.peers.config.expiration();
        self.peers.ping_silent();
        self.drain_events();
        Coordinator::clean_directory(&mut self.peers, &self.names, expiration);
        self.drain_events();
        self.coordinator.clean_nodes(&mut self.peers, &mut self.names, expiration);
        self.drain_events();
        self.sessions.send_lost_notices(&mut self.peers, &self.names);
        let more_are_silent = self.sessions.drop_silent_guests(&mut self.peers, &self.names);
        self.drain_events();
        self.peers.pool.age();
        if self.names.nodes.iter().any(|(key, _)| self.names.link_to(key).is_some()) {
            self.coordinator.send_directory(&mut self.peers, &mut self.names, true);
        }
        let has_nodes = self.names.nodes.iter().next().is_some();
        let is_waited_for = has_nodes || self.sessions.has_guests();
        if !self.peers.is_empty() || is_waited_for || self.peers.pool.keeps_any() {
            self.peers.ensure_cleaning();
        }
        if more_are_silent {
            self.peers.set_timer(ProcessTimer::Clean, SILENT_PAUSE);
        }
    }

    // ---- Events ----

    /// Deals with everything that was said from below.
    #[inline]
    pub(super) fn drain_events(&mut self) {
        if !self.peers.events.is_empty() || self.peers.stopping {
            self.drain();
        }
    }

    /// The same before an answer is given. Streams end behind it: who is lost with one is an event of its own, with a later number.
    pub(super) fn drain_events_before_answer(&mut self) {
        let is_later = |event: &Event| matches!(event, Event::StreamOver { .. });
        if !self.peers.events.iter().any(is_later) {
            return self.drain_events();
        }
        let (later, now): (VecDeque<Event>, VecDeque<Event>) =
            core::mem::take(&mut self.peers.events).into_iter().partition(is_later);
        self.peers.events = now;
        self.drain_events();
        self.peers.events.extend(later);
    }

    #[cold]
    fn drain(&mut self) {
        while let Some(event) = self.peers.events.pop_front() {
            let Self { peers, names, coordinator, sessions, manager, front, web, topic, channels, .. } = self;
            match event {
                Event::NameLeft { component, why } => {
                    if let Some(name) = coordinator.name_left(peers, names, component, why) {
                        sessions.component_left(names, &name);
                        self.fail_calls(Some(&name), "its link has ended");
                    }
                }
                Event::NodeListed { node } => {
                    let found = names.nodes.get_mut(node);
                    let taken = found.map(|node| (node.listing.take_returned(), node.listing.take_signed_out()));
                    let (returned, signed_out) = taken.unwrap_or_default();
                    sessions.components_signed_out(names, node, &signed_out);
                    sessions.components_returned(names, node, &returned);
                    sessions.node_listed(peers, names, node);
                    self.ask_for_gatherers(node);
                }
                Event::NodeUnlinked { node } => {
                    sessions.node_unlinked(node);
                    channels.node_left(peers, node);
                }
                Event::InboundLost { node, peer } => coordinator.inbound_lost(peers, names, node, peer),
                Event::DealerLost { node, peer } => {
                    // What was on its way to its components may not have come.
                    if coordinator.dealer_lost(peers, names, node, peer) {
                        sessions.node_unlinked(node);
                    }
                }
                Event::KernelLost { provider, peer, cause } => manager.kernel_gone(peers, provider, peer, cause),
                Event::ViewerLeft { peer, cause } => manager.viewer_left(peers, peer, cause),
                Event::WebLeft { peer, cause } => {
                    web.left(peers, peer);
                    drop(front.calls.take(peer));
                    sessions.stream_left(peers, names, peer, cause);
                }
                Event::TopicLeft { peer, cause } => {
                    topic.left(peer);
                    sessions.stream_left(peers, names, peer, cause);
                }
                Event::ChannelLeft { channel, peer } => channels.left(peers, channel, peer),
                Event::TopicLate { peer } => topic.late(peers, peer),
                Event::StreamOver { peer, why } => {
                    web.stream_over(peers, peer, why);
                    topic.stream_over(peers, peer, why);
                }
                Event::WebLate { peer } => {
                    if !self.call_is_late(peer) {
                        self.web.late(&mut self.peers, peer);
                    }
                }
                Event::Speechless { peer } => relay::hint(peers, names, peer),
                Event::Room { peer } => self.has_room(peer),
                Event::LinkEnded { peer } => sessions.link_ended(peers, peer),
                Event::Drained { peer } => manager.viewer_drained(peers, peer),
                Event::ProviderOpened { provider, opener } => self.answer_open(provider, opener),
                Event::JoinSettled { joiner } => self.join_settled(joiner),
                Event::ProviderClosed { session } => {
                    let freed = sessions.end_with_provider(peers, names, session);
                    self.go_on_without_session(freed);
                }
                Event::FlowChanged { session, was, now, multiple } => {
                    manager.flow_changed(peers, session, [was, now], multiple);
                }
                Event::ProviderChosen { session, provider } => {
                    if let Some(flow) = sessions.get(session).map(|found| &found.flow) {
                        manager.provider_chosen(peers, session, provider, (flow.state, flow.multiple));
                    }
                }
                Event::SessionEnded { session, was } => manager.session_ended(peers, session, was),
            }
        }
        if self.peers.stopping && self.peers.is_empty() {
            self.say_stop();
        }
    }

    // ---- What earlier calls left to do ----

    /// Looks at the waiting bytes of peers that are no longer held, returns undelivered messages, sends the directory.
    pub(super) fn work(&mut self) {
        self.peers.wake_where_memory_came_free();
        self.feed_resumed();
        if !self.peers.undelivered.is_empty() {
            relay::return_undelivered(&mut self.peers, &self.names);
        }
        if self.sessions.has_comings() {
            self.sessions.see_comings(&mut self.peers, &self.names);
            self.drain_events();
        }
        if self.sessions.has_members_to_write() {
            self.sessions.write_members(&mut self.peers);
        }
        if self.web.has_news(&self.peers) {
            self.web.tell_news(&mut self.peers);
            self.drain_events();
        }
        if self.coordinator.is_changed {
            self.coordinator.send_directory_soon(&mut self.peers, &mut self.names);
        }
    }

    /// Looks at the waiting bytes of peers that are no longer held.
    pub(super) fn feed_resumed(&mut self) {
        while let Some(key) = self.peers.next_resumed() {
            let before = self.peers.counters.messages_in;
            self.feed(key, &[]);
            self.peers.walked(key, before);
            self.drain_events();
            if self.peers.get(key).is_some_and(|peer| peer.is_open() && peer.held.is_none()) {
                self.peers.outputs.push_back(Output::Read(key));
            }
        }
    }

    // ---- The end ----

    /// Signs out everywhere, deals with what was taken in, flushes, ends.
    pub(super) fn stop(&mut self) {
        if self.peers.stopping {
            return;
        }
        self.manager.prepare_to_end(&mut self.peers);
        self.drain_events();
        self.peers.stopping = true;
        let is_busy = self.peers.are_busy() || self.names.nodes.iter().any(|(_, node)| node.is_linked());
        Coordinator::sign_out_everywhere(&mut self.peers, &mut self.names);
        // Nobody is held any more: what finds no room, or nobody of that name, is answered.
        self.peers.wake_for_the_end();
        if is_busy {
            self.peers.set_timer(ProcessTimer::SeeOff, LAST_TURNS);
            self.last_waits = NODES_WAITS;
            self.peers.set_timer(ProcessTimer::Stop, Span(LAST_TURNS.0 + NODES_WAIT.0 * NODES_WAITS + FAREWELL.0));
        } else {
            self.peers.set_timer(ProcessTimer::Stop, FAREWELL);
            self.see_off();
        }
    }

    /// A node that has not answered our goodbye yet may still be sending.
    fn see_off_once_all_have_spoken(&mut self) {
        let speaks = self.names.nodes.iter().any(|(_, node)| node.is_leaving && node.inbound.is_some());
        if speaks && self.last_waits > 0 {
            self.last_waits -= 1;
            self.peers.set_timer(ProcessTimer::SeeOff, NODES_WAIT);
        } else {
            self.see_off();
        }
    }

    /// Says goodbye to every peer that does not wait for a change to become durable: its answer comes first.
    pub(super) fn see_off(&mut self) {
        let waiting = self.who_waits();
        self.fail_calls(None, "the server stops");
        self.web.say_restart(&mut self.peers);
        self.topic.say_restart(&mut self.peers);
        self.peers.finish_all(|key| waiting.contains(&key));
        self.drain_events();
    }

    /// Nothing is left to be said: the last word to the ledger, then the end.
    fn say_stop(&mut self) {
        if !core::mem::replace(&mut self.has_said_stop, true) {
            self.sessions.write_last_numbers(&mut self.peers);
            self.peers.outputs.push_back(Output::Stop);
        }
    }
}
