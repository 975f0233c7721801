//! The components: they connect, sign in, send what they like to whom they like, and misbehave where the run wants it.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::Sabotage;
use crate::swarm::{Habit, MESSAGE_BYTES_MAX};
use crate::twin::{Expect, Heard, To, shown};
use crate::wire::{self, Reader, Unit};
use crate::world::{End, Event, World};

/// A component: it keeps its name and its hub, and comes back on a new connection when the old one ended.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Vec<u8>,
    pub(crate) hub: usize,
    pub(crate) session: Option<usize>,
    /// The hub has forgotten it: come back.
    forgotten: bool,
}

/// A component's side of one connection. Its number is the twin's number of the session.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) client: usize,
    pub(crate) cable: usize,
    reader: Reader,
    /// Bytes that the pipe had no room for.
    out: VecDeque<u8>,
    /// Whether it knows PING.
    minor: u8,
    /// It says nothing more.
    mute: bool,
    ready: bool,
    ended: bool,
    /// When it last asked to be signed in.
    asked_at: u64,
}

const CALLS: &[(&str, Expect)] = &[
    (r#"{"jsonrpc":"2.0","id":1,"method":"pong"}"#, Expect::Null),
    (r#"{"method":"send_nodes","id":"a","jsonrpc":"2.0"}"#, Expect::Anything),
    (r#"{"id":null,"method":"send_local_components","jsonrpc":"2.0"}"#, Expect::Anything),
    (
        r#"[{"jsonrpc":"2.0","id":1,"method":"pong"},{"jsonrpc":"2.0","id":2,"method":"send_global_components"}]"#,
        Expect::Batch(2),
    ),
];

const BAD_CALLS: &[(&str, Expect)] = &[
    ("{", Expect::Code(-32700)),
    ("\u{fc}", Expect::Code(-32700)),
    ("[]", Expect::Code(-32600)),
    (r#"{"jsonrpc":"2.0","id":1}"#, Expect::Code(-32600)),
    (r#"{"jsonrpc":"1.0","id":1,"method":"pong"}"#, Expect::Code(-32600)),
    (r#"{"jsonrpc":"2.0","id":1,"method":"sign in"}"#, Expect::Code(-32601)),
    (r#"{"jsonrpc":"2.0","id":1,"method":"pong","params":[1]}"#, Expect::Code(-32602)),
    (r#"{"jsonrpc":"2.0","id":1,"method":"record_components"}"#, Expect::Code(-32600)),
    (r#"{"jsonrpc":"2.0","id":1,"method":"open_provider","params":{"address":["",0]}}"#, Expect::Code(-32602)),
    (r#"[1,{"jsonrpc":"2.0","method":"pong"},{"jsonrpc":"2.0","method":"no","id":4}]"#, Expect::Batch(2)),
    (r#"{"jsonrpc":"2.0","method":"pong"}"#, Expect::Silence),
    (r#"[{"jsonrpc":"2.0","method":"nothing"}]"#, Expect::Silence),
];

impl World {
    pub(crate) fn people_arrive(&mut self) {
        for n in 0..self.swarm.clients {
            // Those beyond the number of names share both name and hub with an earlier one.
            let which = n % self.swarm.names;
            let hub = which % self.swarm.hubs;
            let name = format!("C{which}").into_bytes();
            self.clients.push(Client { name, hub, session: None, forgotten: false });
            let pause = self.rng.below(300);
            self.plan(pause, Event::Act { client: n });
        }
    }

    // ---- What a component does ----

    pub(crate) fn act(&mut self, client: usize) {
        let pause = if self.calm {
            (self.swarm.config.expiration_s * 1000 / 3).min(3000)
        } else {
            self.rng.between(1, self.swarm.pause_ms)
        };
        self.plan(pause, Event::Act { client });
        if self.hush {
            return;
        }
        let Some(session) = self.clients[client].session else { return self.come(client) };
        let own = &self.speakers[session];
        let tired = self.now > own.asked_at + 8000 && (self.twin.signing(session) || !own.ready);
        // In the calm even those come back who never heard that their connection broke.
        let lost = self.calm && (own.mute || self.twin.sessions[session].garbled || self.cables[own.cable].cut);
        if tired || lost || self.clients[client].forgotten {
            self.clients[client].forgotten = false;
            self.leave(session);
            return self.come(client);
        }
        if own.mute {
            return;
        }
        if self.calm {
            if self.twin.signed_in(session) {
                self.send_coordinator(session, None, &[], Expect::Silence, false);
            } else if !self.twin.signing(session) && self.speakers[session].ready {
                self.sign(session, true);
            }
            return;
        }
        if !self.twin.signed_in(session) && !self.twin.signing(session) && self.rng.one_in(2) {
            return self.sign(session, true);
        }
        self.do_something(session);
    }

    fn do_something(&mut self, session: usize) {
        let deed = self.rng.below(100);
        let habit = match deed {
            0..3 => Some(Habit::Churn),
            3..5 => Some(Habit::Reconnect),
            5..10 => Some(Habit::WrongSender),
            10..15 => Some(Habit::UnknownReceiver),
            15..22 => Some(Habit::BadCalls),
            22..24 => Some(Habit::Big),
            24 => Some(Habit::Oversize),
            25 => Some(Habit::Burst),
            26 => Some(Habit::HalfMessage),
            _ => None,
        };
        let habit = habit.filter(|habit| self.swarm.has(*habit));
        match habit {
            Some(Habit::Churn) => {
                self.sign(session, false);
                if self.rng.one_in(2) {
                    self.sign(session, true);
                }
            }
            Some(Habit::Reconnect) => {
                let client = self.speakers[session].client;
                self.leave(session);
                self.come(client);
            }
            Some(Habit::WrongSender) => self.send_under_wrong_name(session),
            Some(Habit::UnknownReceiver) => {
                let own = self.twin.sessions[session].hub;
                let far = self.rng.index(self.nodes.len());
                let (receiver, hub) = match self.rng.below(4) {
                    0 => ("N77.C0".to_owned(), None),
                    1 => ("N77.COORDINATOR".to_owned(), None),
                    2 => ("Nobody".to_owned(), Some(own)),
                    _ => (format!("N{far}.Nobody"), Some(far)),
                };
                let name = wire::split(receiver.as_bytes()).1.to_vec();
                let payload = self.payload();
                self.send(session, receiver.into_bytes(), None, payload, To::Component { hub, name });
            }
            Some(Habit::BadCalls) => {
                let (text, expect) = &BAD_CALLS[self.rng.index(BAD_CALLS.len())];
                let hub = self.rng.one_in(3).then(|| self.rng.index(self.nodes.len()));
                self.send_coordinator(session, hub, text.as_bytes(), expect.clone(), false);
            }
            Some(Habit::Big) => {
                let to = self.somebody();
                let payload = if self.rng.one_in(2) {
                    let n = self.rng.between(3000, MESSAGE_BYTES_MAX as u64 - 3000) as usize;
                    vec![self.rng.bytes(n)]
                } else {
                    (0..self.rng.between(10, 300)).map(|n| vec![n as u8; n as usize % 7]).collect()
                };
                self.send_to(session, to, (0, payload));
            }
            Some(Habit::Oversize) => {
                let to = self.somebody();
                // What is too large is refused, what has too many frames ends the link.
                let is_large = self.rng.one_in(2);
                let payload = if is_large { vec![vec![7; MESSAGE_BYTES_MAX + 1]] } else { vec![Vec::new(); 5000] };
                if !is_large {
                    self.twin.trouble(self.speakers[session].cable, self.moment());
                }
                self.say(|| format!("session {session} sends a message beyond all bounds"));
                self.send_to(session, to, (0, payload));
            }
            Some(Habit::Burst) => {
                let to = self.somebody();
                for _ in 0..self.rng.between(20, 100) {
                    let n = self.rng.between(0, 400) as usize;
                    let payload = (0, vec![self.rng.bytes(n)]);
                    self.send_to(session, to, payload);
                }
            }
            Some(Habit::HalfMessage) => {
                let frames = [vec![0], b"COORDINATOR".to_vec(), b"half".to_vec(), vec![0; 20], vec![1; 300]];
                let bytes = wire::encode(&frames);
                self.mute(session);
                self.put(session, &bytes[..bytes.len() / 2]);
            }
            None if deed < 60 => {
                let (to, payload) = (self.somebody(), self.payload());
                self.send_to(session, to, payload);
            }
            None if deed < 70 => {
                let (text, expect) = &CALLS[self.rng.index(CALLS.len())];
                let hub = self.rng.one_in(2).then(|| self.rng.index(self.nodes.len()));
                self.send_coordinator(session, hub, text.as_bytes(), expect.clone(), false);
            }
            None => {
                self.send_coordinator(session, None, &[], Expect::Silence, false);
            }
        }
    }

    fn send_under_wrong_name(&mut self, session: usize) {
        let near = self.twin.sessions[session].hub;
        let name = match self.rng.below(4) {
            0 => b"Ghost".to_vec(),
            1 => format!("N{}.C1", near + 1).into_bytes(),
            2 => b"N9.COORDINATOR".to_vec(),
            _ => {
                let other = self.somebody();
                self.clients[other].name.clone()
            }
        };
        if self.rng.one_in(3) {
            let expect = Expect::Null;
            let frames = self.frames(b"COORDINATOR".to_vec(), name, (1, vec![CALLS[0].0.into()]));
            self.speak(session, frames, To::Coordinator { hub: near, expect }, false);
            return;
        }
        let to = self.somebody();
        let (receiver, to) = self.addressed(session, to);
        let payload = self.payload();
        self.send(session, receiver, Some(name), payload, to);
    }

    fn somebody(&mut self) -> usize {
        self.rng.index(self.clients.len())
    }

    /// Type and frames of what one component tells another.
    fn payload(&mut self) -> (u8, Vec<Vec<u8>>) {
        match self.rng.below(10) {
            0 => (1, vec![br#"{"jsonrpc":"2.0","id":5,"result":7}"#.to_vec()]),
            1 => (1, vec![br#"{"jsonrpc":"2.0","id":5,"method":"get_parameters"}"#.to_vec(), vec![0, 1]]),
            _ => {
                let frames = self.rng.below(4);
                let frame = |world: &mut Self| {
                    let n = world.rng.pick(&[0, 1, 20, 254, 255, 256, 700]);
                    world.rng.bytes(n)
                };
                (0, (0..frames).map(|_| frame(self)).collect())
            }
        }
    }

    /// How a session addresses a component.
    fn addressed(&mut self, session: usize, to: usize) -> (Vec<u8>, To) {
        let Client { name, hub, .. } = &self.clients[to];
        let to = To::Component { hub: Some(*hub), name: name.clone() };
        let plain = self.twin.sessions[session].hub == *hub && self.rng.one_in(2);
        let receiver = if plain { name.clone() } else { [&self.twin.namespaces[*hub], &b"."[..], name].concat() };
        (receiver, to)
    }

    pub(crate) fn send_to(&mut self, session: usize, to: usize, payload: (u8, Vec<Vec<u8>>)) -> u64 {
        let (receiver, to) = self.addressed(session, to);
        self.send(session, receiver, None, payload, to)
    }

    fn send(
        &mut self,
        session: usize,
        receiver: Vec<u8>,
        sender: Option<Vec<u8>>,
        payload: (u8, Vec<Vec<u8>>),
        to: To,
    ) -> u64 {
        // Who writes to another node gives the full name, most of the time.
        let far = wire::split(&receiver).0.is_some() && !self.rng.one_in(20);
        let sender = sender.unwrap_or_else(|| if far { self.full_name(session) } else { self.sender(session) });
        let is_answer = payload.0 == 1 && payload.1[0].ends_with(br#""result":7}"#);
        let frames = self.frames(receiver, sender, payload);
        self.speak(session, frames, to, is_answer)
    }

    pub(crate) fn send_coordinator(
        &mut self,
        session: usize,
        hub: Option<usize>,
        text: &[u8],
        expect: Expect,
        is_answer: bool,
    ) -> u64 {
        let near = self.twin.sessions[session].hub;
        let receiver = match hub {
            Some(hub) => [&self.twin.namespaces[hub], &b".COORDINATOR"[..]].concat(),
            None => b"COORDINATOR".to_vec(),
        };
        let sender = if hub.is_some() { self.full_name(session) } else { self.sender(session) };
        let frames = self.frames(receiver, sender, (u8::from(!text.is_empty()), vec![text.to_vec()]));
        self.speak(session, frames, To::Coordinator { hub: hub.unwrap_or(near), expect }, is_answer)
    }

    fn sign(&mut self, session: usize, sign_in: bool) {
        let text: &[u8] = if sign_in {
            br#"{"jsonrpc":"2.0","id":1,"method":"sign_in"}"#
        } else {
            br#"{"jsonrpc":"2.0","id":2,"method":"sign_out"}"#
        };
        let sender = self.sender(session);
        let frames = self.frames(b"COORDINATOR".to_vec(), sender, (1, vec![text.to_vec()]));
        self.speakers[session].asked_at = self.now;
        self.speak(session, frames, To::Sign { sign_in }, false);
        self.say(|| format!("session {session} signs {}", if sign_in { "in" } else { "out" }));
    }

    /// The session's own name, sometimes in full.
    fn sender(&mut self, session: usize) -> Vec<u8> {
        if self.rng.one_in(2) { self.twin.sessions[session].name.clone() } else { self.full_name(session) }
    }

    fn full_name(&self, session: usize) -> Vec<u8> {
        let own = &self.twin.sessions[session];
        [&self.twin.namespaces[own.hub], &b"."[..], &own.name].concat()
    }

    fn frames(&self, receiver: Vec<u8>, sender: Vec<u8>, (kind, payload): (u8, Vec<Vec<u8>>)) -> Vec<Vec<u8>> {
        let mut frames = vec![vec![0], receiver, sender, wire::header(self.twin.next_number(), kind)];
        frames.extend(payload);
        frames
    }

    fn speak(&mut self, session: usize, frames: Vec<Vec<u8>>, to: To, is_answer: bool) -> u64 {
        let bytes = wire::encode(&frames);
        if matches!(to, To::Component { .. }) {
            let (receiver, sender) = (shown(&frames[1]), shown(&frames[2]));
            let number = self.twin.next_number();
            self.say(|| format!("session {session} sends message {number} from {sender} to {receiver}"));
        }
        let number = self.twin.sent(session, frames, to, is_answer, self.moment());
        self.put(session, &bytes);
        number
    }

    fn put(&mut self, session: usize, bytes: &[u8]) {
        self.speakers[session].out.extend(bytes);
        self.pump(session);
    }

    /// Writes what waits, as far as the pipe has room.
    pub(crate) fn pump(&mut self, session: usize) {
        let speaker = &mut self.speakers[session];
        let cable = speaker.cable;
        if speaker.ended || self.cables[cable].cut {
            return;
        }
        let pipe = &mut self.cables[cable].pipes[0];
        let n = speaker.out.len().min(pipe.room());
        pipe.bytes.extend(speaker.out.drain(..n));
        pipe.choked = !speaker.out.is_empty();
        if n > 0 {
            self.schedule(cable, 0);
        }
    }

    // ---- Coming and going ----

    fn come(&mut self, client: usize) {
        let hub = self.clients[client].hub;
        let Some(door) = self.knock(hub) else { return };
        let session = self.speakers.len();
        let cable = self.connect([End::Session(session), door], None);
        let name = self.clients[client].name.clone();
        self.twin.session(&name, hub, cable);
        let minor = self.rng.below(2) as u8;
        self.speakers.push(Speaker {
            client,
            cable,
            reader: Reader::default(),
            out: VecDeque::new(),
            minor,
            mute: false,
            ready: false,
            ended: false,
            asked_at: self.now,
        });
        self.clients[client].session = Some(session);
        self.say(|| format!("session {session}: {} connects to hub {hub} by cable {cable}", shown(&name)));
        self.put(session, &wire::opening(minor));
        if self.rng.one_in(2) {
            self.sign(session, true);
        }
    }

    /// Closes a session's connection: in order, broken, or so that the hub hears of it late or never.
    fn leave(&mut self, session: usize) {
        let cable = self.speakers[session].cable;
        let way = if self.calm { 0 } else { self.rng.below(4) };
        self.say(|| format!("session {session} leaves in way {way}"));
        self.session_ends(session);
        match way {
            0 | 1 => {}
            2 => self.cut(cable, [None, Some(0)]),
            _ => {
                let notice = self.rng.one_in(2).then(|| self.rng.below(5000));
                self.cut(cable, [None, notice]);
            }
        }
    }

    /// The connection is no more, as far as the component knows.
    pub(crate) fn session_ends(&mut self, session: usize) {
        let speaker = &mut self.speakers[session];
        if speaker.ended {
            return;
        }
        speaker.ended = true;
        let (client, cable) = (speaker.client, speaker.cable);
        if self.clients[client].session == Some(session) {
            self.clients[client].session = None;
        }
        self.hang_up(cable, 0);
    }

    pub(crate) fn is_speaking(&self, session: usize) -> bool {
        !self.speakers[session].ended && self.is_whole(self.speakers[session].cable)
    }

    pub(crate) fn mute(&mut self, session: usize) {
        self.say(|| format!("session {session} falls silent"));
        self.speakers[session].mute = true;
        self.twin.trouble(self.speakers[session].cable, self.moment());
    }

    /// Bytes that nobody sent appear in the session's stream.
    pub(crate) fn garble(&mut self, session: usize, garbage: &[u8]) {
        self.say(|| format!("session {session} is garbled"));
        self.twin.sessions[session].garbled = true;
        self.twin.trouble(self.speakers[session].cable, self.moment());
        self.put(session, garbage);
    }

    // ---- What a component hears ----

    pub(crate) fn session_hears(&mut self, session: usize, bytes: &[u8]) {
        for unit in self.speakers[session].reader.feed(bytes) {
            match unit {
                Unit::Command(body) => self.hears_command(session, &body),
                Unit::Message(frames) => self.hears_message(session, frames),
            }
        }
    }

    fn hears_command(&mut self, session: usize, body: &[u8]) {
        if body.starts_with(b"\x05READY") {
            self.speakers[session].ready = true;
            if !self.twin.signing(session) {
                self.sign(session, true);
            }
        } else if let Some(context) = body.strip_prefix(b"\x04PING") {
            if self.speakers[session].minor == 0 {
                return self.fail(format!("session {session} speaks ZMTP 3.0 and was asked with PING"));
            }
            let context = context.get(2..).unwrap_or_default();
            let mut pong = vec![4, 5 + context.len() as u8];
            pong.extend_from_slice(b"\x04PONG");
            pong.extend_from_slice(context);
            if !self.speakers[session].mute {
                self.put(session, &pong);
            }
        }
    }

    fn hears_message(&mut self, session: usize, mut frames: Vec<Vec<u8>>) {
        let between_components = frames.get(2).is_some_and(|sender| !sender.ends_with(b"COORDINATOR"));
        let (mut listener, mut times) = (session, 1);
        if between_components {
            self.heard_messages += 1;
            if self.heard_messages == 20 {
                match self.sabotage {
                    Sabotage::Drop => times = 0,
                    Sabotage::Repeat => times = 2,
                    Sabotage::Alter => {
                        if let Some(header) = frames.get_mut(3) {
                            header[17] ^= 1;
                        }
                    }
                    Sabotage::Misdeliver => listener = if session == 0 { 1 } else { 0 },
                    Sabotage::None | Sabotage::Refuse | Sabotage::Hide => {}
                }
            }
        }
        if self.sabotage == Sabotage::Refuse && self.heard_messages >= 20 && between_components {
            // The twin is told that a message which arrived was refused.
            self.sabotage = Sabotage::None;
            let number = wire::number(&frames[3]).unwrap_or_default();
            listener = self.twin.session_of(number);
            frames[2] = b"N0.COORDINATOR".to_vec();
            frames.truncate(4);
            frames.push(br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32090}}"#.to_vec());
        }
        for _ in 0..times {
            match self.twin.hears(listener, &frames, self.moment()) {
                Ok(Heard::Noted) => {}
                Ok(Heard::Refused { code: -32090 | -32091, under_own_name: true }) => {
                    // The hub has forgotten it, or given its name away.
                    if self.twin.signed_in(session) {
                        let client = self.speakers[session].client;
                        self.clients[client].forgotten |= self.clients[client].session == Some(session);
                    }
                }
                Ok(Heard::Refused { .. }) => {}
                Ok(Heard::Pong { sender, header }) => self.answer_pong(session, sender, &header),
                Err(reason) => return self.fail(reason),
            }
        }
    }

    fn answer_pong(&mut self, session: usize, receiver: Vec<u8>, header: &[u8]) {
        if self.speakers[session].mute || self.speakers[session].ended {
            return;
        }
        let mut header = header.to_vec();
        header[19] = 1;
        let sender = self.sender(session);
        let frames = vec![vec![0], receiver, sender, header, br#"{"jsonrpc":"2.0","id":0,"result":null}"#.to_vec()];
        self.put(session, &wire::encode(&frames));
    }

    // ---- The roll call ----

    /// Once everything is calm, every signed-in component asks for all directories and sends to every other one, then says nothing
    /// more: no later byte may be needed to bring these on their way. Answers what
    /// must be looked at by [`World::check_roll`].
    pub(crate) fn call_roll(&mut self) -> Roll {
        self.hush = true;
        let mut roll = Roll { calls: Vec::new(), messages: Vec::new(), present: Vec::new() };
        for client in 0..self.clients.len() {
            if let Some(session) = self.clients[client].session.filter(|session| self.twin.signed_in(*session)) {
                roll.present.push((client, session));
            }
        }
        for &(_, session) in &roll.present {
            let call = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            let numbers = ["send_local_components", "send_global_components", "send_nodes"]
                .map(|method| self.send_coordinator(session, None, call(method).as_bytes(), Expect::Anything, false));
            roll.calls.push((session, numbers));
        }
        for &(_, from) in &roll.present {
            for &(to, _) in &roll.present {
                // Enough of them that small rings fill and senders are held back.
                for _ in 0..8 {
                    let (receiver, meant) = self.addressed(from, to);
                    let sender = Some(self.full_name(from));
                    let number = self.send(from, receiver, sender, (0, vec![vec![b'.'; 150]]), meant);
                    roll.messages.push((from, to, number));
                }
            }
        }
        roll
    }

    /// All names are held, all directories are true and equal, the mesh is full, everything arrives.
    pub(crate) fn check_roll(&self, roll: &Roll) -> Result<(), String> {
        let mut truth: Vec<Vec<String>> = vec![Vec::new(); self.nodes.len()];
        for (client, _) in &roll.present {
            truth[self.clients[*client].hub].push(shown(&self.clients[*client].name));
        }
        for (n, client) in self.clients.iter().enumerate() {
            let name = shown(&client.name);
            if !truth[client.hub].contains(&name) {
                return Err(format!("component {n}, {name} of hub {}, could not sign in", client.hub));
            }
        }
        if self.sabotage == Sabotage::Hide {
            truth[0].pop();
        }
        let nodes: Value =
            (0..self.nodes.len()).map(|n| (format!("N{n}"), json!(format!("sim:{}", 12_300 + n)))).collect();
        for list in &mut truth {
            list.sort_unstable();
        }
        for (session, [local, global, known]) in &roll.calls {
            let hub = self.twin.sessions[*session].hub;
            let result = |number: &u64| self.twin.answer(*number).map(|value| value["result"].clone());
            let said = format!("session {session} at hub {hub}");
            if result(local).as_ref().map(names) != Some(truth[hub].clone()) {
                return Err(format!("{said} was told the local components {:?}, not {:?}", result(local), truth[hub]));
            }
            for (n, truth) in truth.iter().enumerate() {
                let list = result(global).map(|all| names(&all[format!("N{n}")]));
                if list.as_ref() != Some(truth) {
                    return Err(format!("{said} was told {list:?} of hub {n}, not {truth:?}"));
                }
            }
            if result(known).as_ref() != Some(&nodes) {
                return Err(format!("{said} was told the nodes {:?}, not {nodes}", result(known)));
            }
        }
        for (from, to, number) in &roll.messages {
            let answer = self.twin.answer(*number);
            // Everybody sends at once: where senders are held back for a moment only, a small ring may refuse. The twin judges that.
            let overloaded = answer.is_some_and(|answer| answer["error"]["code"] == -32094);
            if !self.twin.is_delivered(*number) && !overloaded {
                let name = shown(&self.clients[*to].name);
                return Err(format!("in the calm, message {number} of session {from} to {name} ended with {answer:?}"));
            }
        }
        Ok(())
    }
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    let mut names: Vec<String> = items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    names.sort_unstable();
    names
}

/// What was asked and sent in the roll call.
pub(crate) struct Roll {
    /// Components that are signed in, with their sessions.
    present: Vec<(usize, usize)>,
    calls: Vec<(usize, [u64; 3])>,
    /// Session, client and number.
    messages: Vec<(usize, usize, u64)>,
}
