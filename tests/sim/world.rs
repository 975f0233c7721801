//! The world: hubs, the connections between them and the components, the clock, and the agenda of what happens when.
//!
//! It does for each hub what the event loop does, with the same rules: a peer whose budget was zero is only read again when the hub
//! says so or more bytes come, a pipe that was full is written to again when it has room. On the way it holds every hub to its
//! contract: invariants after every call, one flush at a time, no word about a connection that is closed, deadlines that advance.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;

use instep::config::Config;
use instep::hub::{Cause, Hub, NodeKey, Output, PeerKey, ProviderKey, Start};
use instep::time::Tick;

use crate::common::driver::{self, Outside};
use crate::common::wire::disguise;
use crate::people::{Client, Speaker};
use crate::pipe::Pipe;
use crate::rng::Rng;
use crate::swarm::{Fault, Swarm};
use crate::twin::{Moment, STEPS, Twin, moment};
use crate::wire::{Reader, Unit};
use crate::{Failure, Sabotage};

/// What stands on the agenda.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Bytes, or the end, come out of a pipe.
    Deliver { cable: usize, pipe: usize },
    /// A pipe has room again.
    Writable { cable: usize, pipe: usize },
    /// One end hears that its connection broke.
    Notice { cable: usize, end: usize },
    /// A component does something.
    Act { client: usize },
    /// A hub's attempt to connect ends.
    Dialed { hub: usize, boot: u32, node: NodeKey },
    /// Something goes wrong.
    Fault,
    /// A dead hub starts again.
    Boot { hub: usize },
}

/// Who holds an end of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Hub {
        hub: usize,
        boot: u32,
        key: PeerKey,
    },
    Session(usize),
    /// Nobody that speaks LECO, or nobody any more.
    Nobody,
}

/// A connection. End 0 made it, end 1 accepted it; pipe 0 leads from end 0 to end 1, pipe 1 back.
#[derive(Debug)]
pub(crate) struct Cable {
    pub(crate) ends: [End; 2],
    pub(crate) pipes: [Pipe; 2],
    /// Broken: nothing comes through any more.
    pub(crate) cut: bool,
    /// Listens to what a DEALER hears.
    tap: Reader,
    /// Since when bytes have waited at the end that writes to this pipe without one leaving.
    waiting: [Option<Moment>; 2],
}

/// The event loop's side of one of a hub's peers.
#[derive(Debug)]
struct Wire {
    cable: usize,
    end: usize,
    /// A flush has been asked for and not been done.
    flushing: bool,
    writable: bool,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) hub: Hub,
    pub(crate) boot: u32,
    pub(crate) up: bool,
    pub(crate) stopping: bool,
    /// Pauses that its hub had counted when it was last looked at, while it ends.
    pub(crate) pauses: u64,
    stopped: bool,
    /// Nobody comes to look at its hub until then.
    frozen_until: u64,
    unsettled: bool,
    wires: BTreeMap<PeerKey, Wire>,
    /// Flushes that are done a little later.
    later: Vec<PeerKey>,
    /// Errors and answers that it could not send.
    dropped: (u64, u64),
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) swarm: Swarm,
    pub(crate) sabotage: Sabotage,
    pub(crate) now: u64,
    step: u64,
    steps_total: u64,
    agenda: BTreeMap<(u64, u64), Event>,
    order: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) cables: Vec<Cable>,
    pub(crate) clients: Vec<Client>,
    pub(crate) speakers: Vec<Speaker>,
    pub(crate) twin: Twin,
    pub(crate) calm: bool,
    /// Nobody says anything unasked.
    pub(crate) hush: bool,
    pub(crate) failure: Option<(Moment, String)>,
    events: VecDeque<(Moment, String)>,
    pub(crate) heard_messages: u64,
}

const EVENTS_KEPT: usize = 20_000;
const EVENTS_SHOWN: usize = 30;
const STEPS_MAX: u64 = 20_000_000;

impl Node {
    /// When its deadlines are looked at next.
    fn wakes_at(&self) -> Option<u64> {
        let at = self.hub.poll_timeout().filter(|_| self.up)?;
        Some(at.0.max(self.frozen_until))
    }
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut rng = Rng::new(seed);
        let mut swarm = Swarm::new(&mut rng);
        if sabotage != Sabotage::None {
            swarm.make_quiet();
        }
        let namespaces = (0..swarm.hubs).map(|n| format!("N{n}").into_bytes()).collect();
        let mut world = Self {
            seed,
            rng,
            sabotage,
            now: 1000,
            step: 0,
            steps_total: 0,
            agenda: BTreeMap::new(),
            order: 0,
            nodes: Vec::new(),
            cables: Vec::new(),
            clients: Vec::new(),
            speakers: Vec::new(),
            twin: Twin::new(namespaces, swarm.config.stall_ms),
            calm: false,
            hush: false,
            failure: None,
            events: VecDeque::new(),
            heard_messages: 0,
            swarm,
        };
        for hub in 0..world.swarm.hubs {
            let hub = Hub::new(world.config_of(hub), world.start()).unwrap();
            world.nodes.push(Node {
                hub,
                boot: 0,
                up: true,
                stopping: false,
                pauses: 0,
                stopped: false,
                frozen_until: 0,
                unsettled: false,
                wires: BTreeMap::new(),
                later: Vec::new(),
                dropped: (0, 0),
            });
        }
        world.people_arrive();
        if !world.swarm.faults.is_empty() {
            world.plan(world.swarm.fault_ms, Event::Fault);
        }
        world
    }

    fn config_of(&self, hub: usize) -> Config {
        let mut config = self.swarm.config.clone();
        config.namespace = format!("N{hub}");
        config.port = 12_300 + hub as u16;
        if hub > 0 {
            config.coordinators = vec!["sim:12300".to_owned()];
        }
        config
    }

    fn start(&mut self) -> Start {
        Start { seed: self.rng.next(), now: Tick(self.now), unix_ms: 1_700_000_000_000 + self.now }
    }

    // ---- Time ----

    pub(crate) fn moment(&self) -> Moment {
        moment(self.now, self.step)
    }

    pub(crate) fn plan(&mut self, in_ms: u64, event: Event) {
        self.order += 1;
        self.agenda.insert((self.now + in_ms, self.order), event);
    }

    /// Lets the world go on until `end`.
    pub(crate) fn play_until(&mut self, end: u64) {
        while self.failure.is_none() {
            let deadline = self.nodes.iter().filter_map(Node::wakes_at).min();
            let event = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let next = [deadline, event].into_iter().flatten().min().unwrap_or(u64::MAX);
            self.step += 1;
            self.steps_total += 1;
            if self.step >= 1 << STEPS.min(20) || self.steps_total > STEPS_MAX {
                return self.fail("the world turns without end".to_owned());
            }
            if next > self.now {
                // Before time goes on, everybody has done what there was to do.
                if let Some(hub) = self.nodes.iter().position(|node| node.unsettled) {
                    self.settle(hub);
                    continue;
                }
                if next > end {
                    // A jump may have gone beyond the end already.
                    if end > self.now {
                        self.now = end;
                        self.step = 0;
                    }
                    return;
                }
                self.now = next;
                self.step = 0;
            }
            let due = event.is_some_and(|at| at <= self.now);
            let fired = deadline.is_some_and(|at| at <= self.now);
            if due && (!fired || self.rng.one_in(2)) {
                if let Some((_, event)) = self.agenda.pop_first() {
                    self.happen(event);
                }
            } else {
                self.fire();
            }
        }
    }

    /// Every hub whose deadline has come deals with it.
    fn fire(&mut self) {
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            if node.wakes_at().is_none_or(|at| at > self.now) {
                continue;
            }
            node.hub.handle_timeout(Tick(self.now));
            if node.hub.poll_timeout().is_some_and(|at| at.0 <= self.now) {
                self.fail(format!("hub {n}: its next deadline does not lie in the future"));
            }
            self.after_call(n);
        }
    }

    /// The hub that an event of a cable, or the outcome of its own dialling, would be told to.
    fn listener(&self, event: Event) -> Option<usize> {
        let end = match event {
            Event::Deliver { cable, pipe } => self.cables[cable].ends[1 - pipe],
            Event::Writable { cable, pipe } => self.cables[cable].ends[pipe],
            Event::Notice { cable, end } => self.cables[cable].ends[end],
            Event::Dialed { hub, .. } => return Some(hub),
            Event::Act { .. } | Event::Fault | Event::Boot { .. } => return None,
        };
        if let End::Hub { hub, .. } = end { Some(hub) } else { None }
    }

    fn happen(&mut self, event: Event) {
        if let Some(hub) = self.listener(event)
            && self.nodes[hub].frozen_until > self.now
        {
            let wait = self.nodes[hub].frozen_until - self.now;
            return self.plan(wait, event);
        }
        match event {
            Event::Deliver { cable, pipe } => self.deliver(cable, pipe),
            Event::Writable { cable, pipe } => self.writable(cable, pipe),
            Event::Notice { cable, end } => {
                self.cables[cable].pipes[1 - end].broken = true;
                self.schedule(cable, 1 - end);
            }
            Event::Act { client } => self.act(client),
            Event::Dialed { hub, boot, node } => self.dialed(hub, boot, node),
            Event::Fault => {
                if !self.calm {
                    self.fault();
                    let pause = self.rng.between(1, 2 * self.swarm.fault_ms);
                    self.plan(pause, Event::Fault);
                }
            }
            Event::Boot { hub } => self.boot(hub),
        }
    }

    // ---- Hubs ----

    /// What must hold after every call into a hub; sometimes what it wants is done at once.
    fn after_call(&mut self, n: usize) {
        self.check_hub(n);
        if self.rng.one_in(3) {
            self.settle(n);
        }
    }

    fn check_hub(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.unsettled = true;
        let counters = node.hub.counters();
        let dropped = (counters.errors_dropped, counters.answers_dropped);
        let before = std::mem::replace(&mut node.dropped, dropped);
        if dropped != before {
            self.say(|| format!("hub {n} has dropped {} errors and {} answers", dropped.0, dropped.1));
        }
        let node = &self.nodes[n];
        let (rings, partial) = node.hub.bytes_waiting();
        let memory_max = self.swarm.config.memory_max;
        if let Err(reason) = node.hub.check_invariants() {
            self.fail(format!("hub {n}: {reason}"));
        } else if rings + partial > memory_max {
            self.fail(format!("hub {n}: {rings} and {partial} bytes wait"));
        }
        if memory_max < rings + partial + 4 * self.swarm.config.ring_bytes_max.min(128 << 10) + (256 << 10) {
            self.twin.short_of_memory(n, self.moment());
        }
    }

    /// Does what a hub wants done, like the event loop at the end of its turn.
    fn settle(&mut self, n: usize) {
        driver::drive(&mut At { world: self, n });
        self.nodes[n].unsettled = self.failure.is_some();
    }

    /// Writes what waits for a peer at once or after everything else.
    fn flush(&mut self, n: usize, key: PeerKey) {
        let Some(wire) = self.nodes[n].wires.get_mut(&key) else {
            return self.fail(format!("hub {n} wants closed {key:?} flushed"));
        };
        if wire.flushing {
            return self.fail(format!("hub {n} wants {key:?} flushed twice"));
        }
        wire.flushing = true;
        if self.rng.one_in(4) {
            self.nodes[n].later.push(key);
        } else {
            self.write(n, key);
        }
    }

    /// Writes what waits for a peer, once, as much as the pipe takes.
    fn write(&mut self, n: usize, key: PeerKey) {
        let now = Tick(self.now);
        let at = self.moment();
        let node = &mut self.nodes[n];
        let Some(wire) = node.wires.get_mut(&key) else { return };
        wire.flushing = false;
        let (number, end) = (wire.cable, wire.end);
        let cable = &mut self.cables[number];
        let [first, second] = node.hub.unsent(key);
        let waiting = first.len() + second.len();
        if waiting > 0 && cable.waiting[end].is_none() {
            cable.waiting[end] = Some(at);
        }
        if !wire.writable || waiting == 0 {
            node.hub.sent(now, key, 0);
            return self.after_call(n);
        }
        if cable.cut && cable.pipes[1 - end].broken {
            node.hub.handle_closed(now, key, Cause::Io);
            return self.after_call(n);
        }
        let pipe = &mut cable.pipes[end];
        let mut room = pipe.room();
        if room > 1 && self.rng.one_in(8) {
            room = self.rng.between(1, room as u64) as usize;
        }
        let taken = waiting.min(room);
        let heard = !cable.cut && cable.ends[1 - end] != End::Nobody;
        let mut bytes: Vec<u8> = first.iter().chain(second).take(taken).copied().collect();
        // One hub in three is not taken for an instep by the others.
        if (self.seed + n as u64).is_multiple_of(3) && bytes.first() == Some(&0xff) {
            disguise(&mut bytes);
        }
        if heard {
            pipe.bytes.extend(bytes);
        } else if cable.cut {
            // Nobody takes it, but the system's buffer still has room.
            pipe.bytes.extend(bytes);
        }
        wire.writable = taken == waiting;
        pipe.choked = taken < waiting;
        let choked_for_nothing = pipe.choked && pipe.room() > 0;
        if taken > 0 {
            let since = cable.waiting[end].replace(at).unwrap_or(at);
            self.twin.stood_still(number, end, since, at);
        }
        if taken == waiting {
            self.cables[number].waiting[end] = None;
        }
        self.nodes[n].hub.sent(now, key, taken);
        if heard && taken > 0 {
            self.schedule(number, end);
        }
        if choked_for_nothing {
            self.plan(0, Event::Writable { cable: number, pipe: end });
        }
        self.after_call(n);
    }

    // ---- Cables ----

    pub(crate) fn connect(&mut self, ends: [End; 2], mesh: Option<(usize, usize)>) -> usize {
        let pipes = [Pipe::new(&mut self.rng, &self.swarm), Pipe::new(&mut self.rng, &self.swarm)];
        self.cables.push(Cable { ends, pipes, cut: false, tap: Reader::default(), waiting: [None, None] });
        let cable = self.twin.cable(mesh);
        for (n, end) in ends.into_iter().enumerate() {
            self.adopt(cable, n, end);
        }
        cable
    }

    /// Puts a wire beside a hub's peer.
    fn adopt(&mut self, cable: usize, n: usize, end: End) {
        self.cables[cable].ends[n] = end;
        if let End::Hub { hub, key, .. } = end {
            let wire = Wire { cable, end: n, flushing: false, writable: true };
            if self.nodes[hub].wires.insert(key, wire).is_some() {
                self.fail(format!("hub {hub} gives {key:?} out twice"));
            }
        }
    }

    /// A hub's door: `None` when it lets nobody in.
    pub(crate) fn knock(&mut self, hub: usize) -> Option<End> {
        // Of one that is frozen the callers give up.
        if !self.nodes[hub].up || self.nodes[hub].frozen_until > self.now {
            return None;
        }
        let host = if self.rng.one_in(2) { 1 } else { 127 };
        let remote = SocketAddr::from(([host, 0, 0, 1], 9));
        let key = self.nodes[hub].hub.open(Tick(self.now), remote);
        // Nothing is done yet: first the caller has to put a wire beside the peer.
        self.check_hub(hub);
        key.map(|key| End::Hub { hub, boot: self.nodes[hub].boot, key })
    }

    fn dialed(&mut self, hub: usize, boot: u32, node: NodeKey) {
        if !self.nodes[hub].up || self.nodes[hub].boot != boot {
            return;
        }
        let now = Tick(self.now);
        let port =
            self.nodes[hub].hub.dial_address(node).and_then(|address| address.strip_prefix("sim:123")?.parse().ok());
        let door = match port {
            Some(far) if far < self.nodes.len() => self.knock(far).map(|end| (far, end)),
            _ => None,
        };
        let Some((far, acceptor)) = door else {
            let key = self.nodes[hub].hub.handle_dialed(now, node, Err("nobody answers"));
            assert!(key.is_none(), "there is no connection to make a peer of");
            return self.after_call(hub);
        };
        let key = self.nodes[hub].hub.handle_dialed(now, node, Ok(SocketAddr::from(([1, 0, 0, 1], 9))));
        let dialler = key.map_or(End::Nobody, |key| End::Hub { hub, boot, key });
        let cable = self.connect([dialler, acceptor], Some((hub, far)));
        self.say(|| format!("cable {cable}: hub {hub} has reached hub {far}"));
        if dialler == End::Nobody {
            self.hang_up(cable, 0);
        }
        self.after_call(hub);
    }

    pub(crate) fn schedule(&mut self, cable: usize, pipe: usize) {
        let place = &mut self.cables[cable].pipes[pipe];
        if !place.scheduled {
            place.scheduled = true;
            let delay = place.delay(&mut self.rng);
            self.plan(delay, Event::Deliver { cable, pipe });
        }
    }

    fn deliver(&mut self, number: usize, pipe: usize) {
        let cable = &mut self.cables[number];
        let reader = cable.ends[1 - pipe];
        let place = &mut cable.pipes[pipe];
        place.scheduled = false;
        if reader == End::Nobody {
            place.bytes.clear();
            return;
        }
        if place.stalled_until > self.now && !place.broken {
            let wait = place.stalled_until - self.now;
            place.scheduled = true;
            return self.plan(wait, Event::Deliver { cable: number, pipe });
        }
        let over = place.broken || (place.ended && place.bytes.is_empty() && !cable.cut);
        if !over && (cable.cut || place.bytes.is_empty()) {
            return;
        }
        let piece = match reader {
            End::Hub { hub, boot, key } => {
                if self.nodes[hub].boot != boot || !self.nodes[hub].wires.contains_key(&key) {
                    return;
                }
                let budget = self.nodes[hub].hub.read_budget(key);
                if budget == 0 {
                    // Only the hub, or more bytes, can bring us back here.
                    return self.after_call(hub);
                }
                if over {
                    let cause = if self.cables[number].pipes[pipe].broken { Cause::Io } else { Cause::Peer };
                    self.say(|| format!("hub {hub} hears the end of cable {number}"));
                    self.twin.trouble(number, self.moment());
                    self.nodes[hub].hub.handle_closed(Tick(self.now), key, cause);
                    return self.after_call(hub);
                }
                let piece = self.cables[number].pipes[pipe].piece(&mut self.rng, budget);
                self.nodes[hub].hub.handle_bytes(Tick(self.now), key, &piece);
                if pipe == 1 {
                    self.tap(number, &piece);
                }
                self.after_call(hub);
                piece
            }
            End::Session(session) => {
                if over {
                    return self.session_ends(session);
                }
                let piece = self.cables[number].pipes[pipe].piece(&mut self.rng, usize::MAX);
                self.session_hears(session, &piece);
                piece
            }
            End::Nobody => return,
        };
        let place = &mut self.cables[number].pipes[pipe];
        if place.choked && !piece.is_empty() {
            place.choked = false;
            self.plan(0, Event::Writable { cable: number, pipe });
        }
        let place = &self.cables[number].pipes[pipe];
        if !place.bytes.is_empty() || place.ended {
            self.schedule(number, pipe);
        }
    }

    fn writable(&mut self, cable: usize, pipe: usize) {
        match self.cables[cable].ends[pipe] {
            End::Hub { hub, boot, key } => {
                if self.nodes[hub].boot == boot
                    && let Some(wire) = self.nodes[hub].wires.get_mut(&key)
                {
                    wire.writable = true;
                    self.write(hub, key);
                }
            }
            End::Session(session) => self.pump(session),
            End::Nobody => {}
        }
    }

    /// Listens to what a hub's DEALER hears: when its sign-in is answered, and that no component's message comes this way.
    fn tap(&mut self, number: usize, piece: &[u8]) {
        for unit in self.cables[number].tap.feed(piece) {
            let Unit::Message(frames) = unit else { continue };
            if !frames.get(2).is_some_and(|sender| sender.ends_with(b".COORDINATOR")) {
                return self.fail(format!("cable {number}: a component's message came back from a ROUTER: {frames:?}"));
            }
            let text = frames.get(4).map_or(&[][..], Vec::as_slice);
            if serde_json::from_slice::<serde_json::Value>(text)
                .is_ok_and(|value| value["result"].is_null() && value.get("result").is_some())
            {
                self.say(|| format!("cable {number} is signed in"));
                self.twin.mesh_up(number, self.moment() + 1);
            }
        }
    }

    /// One end closes the connection in order.
    pub(crate) fn hang_up(&mut self, number: usize, end: usize) {
        self.twin.trouble(number, self.moment());
        let cable = &mut self.cables[number];
        cable.ends[end] = End::Nobody;
        cable.pipes[1 - end].bytes.clear();
        cable.pipes[end].ended = true;
        if cable.pipes[1 - end].choked {
            cable.pipes[1 - end].choked = false;
            self.plan(0, Event::Writable { cable: number, pipe: 1 - end });
        }
        self.schedule(number, end);
    }

    fn closed_by_hub(&mut self, number: usize, end: usize, cause: Cause) {
        let at = self.moment();
        self.hang_up(number, end);
        // With these, what waits is still written: the hub has given the peer up some time before.
        if matches!(cause, Cause::SignedOut | Cause::Stopping | Cause::Zmtp(_)) {
            self.twin.given_up_before(number, at);
        }
        self.twin.gone(number, at);
    }

    /// The connection breaks; `notice` says when each end hears of it, if ever.
    pub(crate) fn cut(&mut self, number: usize, notice: [Option<u64>; 2]) {
        let at = self.moment();
        self.twin.trouble(number, at);
        let cable = &mut self.cables[number];
        if !cable.cut {
            cable.cut = true;
            cable.pipes[0].bytes.clear();
            cable.pipes[1].bytes.clear();
        }
        for (end, wait) in notice.into_iter().enumerate() {
            if let Some(wait) = wait {
                self.plan(wait, Event::Notice { cable: number, end });
            }
        }
    }

    /// Whether both ends still believe in the connection.
    pub(crate) fn is_whole(&self, number: usize) -> bool {
        let cable = &self.cables[number];
        let held = |end: &End| match end {
            End::Hub { hub, boot, key } => {
                let node = &self.nodes[*hub];
                node.boot == *boot && node.wires.contains_key(key)
            }
            End::Session(_) => true,
            End::Nobody => false,
        };
        !cable.cut && cable.ends.iter().all(held)
    }

    // ---- Faults ----

    fn fault(&mut self) {
        let fault = self.rng.pick(&self.swarm.faults.clone());
        let whole: Vec<usize> = (0..self.cables.len()).filter(|cable| self.is_whole(*cable)).collect();
        let patience = self.swarm.config.expiration_s * 1000;
        let sessions: Vec<usize> = (0..self.speakers.len()).filter(|n| self.is_speaking(*n)).collect();
        match fault {
            Fault::Stall if !whole.is_empty() => {
                let (cable, pipe) = (self.rng.pick(&whole), self.rng.index(2));
                // Never so long that somebody is taken for dead who is not.
                let longest = self.rng.pick(&[100, 1000, 2 * patience]).min(12_000);
                let span = self.rng.between(1, longest);
                self.cables[cable].pipes[pipe].stalled_until = self.now + span;
                self.say(|| format!("cable {cable}: pipe {pipe} stands still for {span} ms"));
                if 2 * span + self.swarm.pause_ms >= patience {
                    self.twin.trouble(cable, self.moment());
                }
            }
            Fault::Cut if !whole.is_empty() => {
                let cable = self.rng.pick(&whole);
                let notice = [Some(self.rng.below(2000)), Some(self.rng.below(2000))];
                self.say(|| format!("cable {cable} breaks, noticed after {notice:?} ms"));
                self.cut(cable, notice);
            }
            Fault::HalfOpen if !whole.is_empty() => {
                let cable = self.rng.pick(&whole);
                let soon = Some(self.rng.below(100));
                let notice = if self.rng.one_in(2) { [soon, None] } else { [None, soon] };
                self.say(|| format!("cable {cable} breaks, noticed after {notice:?} ms"));
                self.cut(cable, notice);
            }
            Fault::Garbage if !sessions.is_empty() && self.rng.one_in(2) => {
                let session = self.rng.pick(&sessions);
                let garbage = self.garbage();
                self.garble(session, &garbage);
            }
            Fault::Garbage => {
                let hub = self.rng.index(self.nodes.len());
                if let Some(door) = self.knock(hub) {
                    let cable = self.connect([End::Nobody, door], None);
                    let mut garbage = if self.rng.one_in(2) { crate::wire::opening(1) } else { Vec::new() };
                    garbage.extend(self.garbage());
                    self.say(|| format!("cable {cable}: a stranger at hub {hub}"));
                    self.cables[cable].pipes[0].bytes.extend(garbage);
                    self.cables[cable].pipes[0].ended = self.rng.one_in(2);
                    self.schedule(cable, 0);
                }
            }
            Fault::Mute if !sessions.is_empty() => {
                let session = self.rng.pick(&sessions);
                self.mute(session);
            }
            Fault::Restart | Fault::Stop => {
                let hub = self.rng.index(self.nodes.len());
                if self.nodes[hub].up && !self.nodes[hub].stopping {
                    if fault == Fault::Stop { self.stop(hub) } else { self.crash(hub) }
                }
            }
            Fault::Jump => {
                let span = self.rng.pick(&[50, 500, 3000, 2 * patience, 4 * patience]);
                self.say(|| format!("the clock jumps {span} ms"));
                self.twin.jumps(self.moment(), span);
                self.now += span;
                self.step = 0;
                if 2 * span >= patience {
                    // Everybody has been silent for so long that anything may be forgotten.
                    for cable in 0..self.cables.len() {
                        self.twin.trouble(cable, self.moment());
                    }
                }
            }
            Fault::Freeze => {
                let hub = self.rng.index(self.nodes.len());
                // Never so long that somebody is taken for dead who is not.
                let longest = self.rng.pick(&[100, 2000, 2 * patience]).min(12_000);
                let span = self.rng.between(1, longest);
                if self.nodes[hub].up && !self.nodes[hub].stopping {
                    self.freeze(hub, span);
                }
            }
            Fault::Clock => {
                let hub = self.rng.index(self.nodes.len());
                if self.nodes[hub].up && self.nodes[hub].frozen_until <= self.now {
                    let unix_ms = self.rng.below(4_000_000_000_000);
                    self.say(|| format!("hub {hub}: it is {unix_ms} by the clock on the wall"));
                    self.nodes[hub].hub.handle_clock(Tick(self.now), unix_ms);
                    self.after_call(hub);
                }
            }
            Fault::Stall | Fault::Cut | Fault::HalfOpen | Fault::Mute => {}
        }
    }

    /// A hub's process is stopped, and goes on after `span` ms as if nothing had been.
    fn freeze(&mut self, hub: usize, span: u64) {
        self.say(|| format!("hub {hub} is frozen for {span} ms"));
        self.settle(hub);
        self.nodes[hub].frozen_until = self.now + span;
        // While its process stands still nothing leaves it, and its own time does: to others it is a standstill.
        self.twin.jumps(self.moment(), span);
        if 2 * span + self.swarm.pause_ms >= self.swarm.config.expiration_s * 1000 {
            for cable in 0..self.cables.len() {
                if self.cables[cable].ends.iter().any(|end| matches!(end, End::Hub { hub: of, .. } if *of == hub)) {
                    self.twin.trouble(cable, self.moment());
                }
            }
        }
    }

    fn garbage(&mut self) -> Vec<u8> {
        match self.rng.below(4) {
            0 => b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n".to_vec(),
            1 => vec![2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            2 => vec![0, 3, 1, 2, 3, 4, 5, 4, b'P', b'I', b'N', b'G', 0xf0],
            _ => {
                let n = self.rng.between(1, 300) as usize;
                self.rng.bytes(n)
            }
        }
    }

    /// The hub ends; its connections break and its neighbours hear of it sooner or later.
    fn crash(&mut self, hub: usize) {
        self.nodes[hub].frozen_until = 0;
        self.say(|| format!("hub {hub} dies"));
        self.end_of(hub);
        let pause = self.rng.between(1, 3000);
        self.plan(pause, Event::Boot { hub });
    }

    fn end_of(&mut self, hub: usize) {
        let wires = std::mem::take(&mut self.nodes[hub].wires);
        for wire in wires.values() {
            let at = self.moment();
            let soon = Some(self.rng.below(500));
            self.twin.gone(wire.cable, at);
            self.cables[wire.cable].ends[wire.end] = End::Nobody;
            let notice = if wire.end == 0 { [None, soon] } else { [soon, None] };
            self.cut(wire.cable, notice);
        }
        let node = &mut self.nodes[hub];
        node.up = false;
        node.unsettled = false;
        node.later.clear();
        node.boot += 1;
    }

    /// Stops a hub in order and waits for its end.
    pub(crate) fn stop(&mut self, hub: usize) {
        self.nodes[hub].frozen_until = 0;
        self.say(|| format!("hub {hub} is stopped"));
        for n in 0..self.cables.len() {
            if self.cables[n].ends.iter().any(|end| matches!(end, End::Hub { hub: of, .. } if *of == hub)) {
                self.twin.trouble(n, self.moment());
            }
        }
        self.nodes[hub].stopping = true;
        self.nodes[hub].pauses = self.nodes[hub].hub.counters().pauses;
        self.nodes[hub].hub.handle_stop(Tick(self.now));
        self.after_call(hub);
        self.plan(3000, Event::Boot { hub });
    }

    fn boot(&mut self, hub: usize) {
        if self.nodes[hub].stopping {
            self.settle(hub);
            let pauses = self.nodes[hub].hub.counters().pauses;
            if !self.nodes[hub].stopped && core::mem::replace(&mut self.nodes[hub].pauses, pauses) != pauses {
                // The clock has jumped while it was ending: all of its last words may lie before it still, and what a pause spares.
                return self.plan(4000, Event::Boot { hub });
            }
            if !self.nodes[hub].stopped && self.nodes[hub].hub.poll_timeout().is_some_and(|at| at.0 <= self.now) {
                // The clock has jumped to both moments at once.
                return self.plan(1, Event::Boot { hub });
            }
            if !self.nodes[hub].stopped {
                return self.fail(format!("hub {hub} was stopped and still has not ended"));
            }
            self.end_of(hub);
        }
        self.say(|| format!("hub {hub} starts"));
        let config = self.config_of(hub);
        let start = self.start();
        let node = &mut self.nodes[hub];
        node.hub = Hub::new(config, start).unwrap();
        node.up = true;
        node.stopping = false;
        node.stopped = false;
        self.after_call(hub);
    }

    // ---- The end ----

    /// Faults stop.
    pub(crate) fn calm_down(&mut self) {
        self.say(|| "faults stop".to_owned());
        self.calm = true;
        for node in &mut self.nodes {
            node.frozen_until = 0;
        }
        for cable in &mut self.cables {
            for pipe in &mut cable.pipes {
                pipe.stalled_until = 0;
            }
        }
        for cable in 0..self.cables.len() {
            for pipe in 0..2 {
                // A stalled delivery stands on the agenda for later: one more does no harm.
                self.plan(0, Event::Deliver { cable, pipe });
            }
        }
    }

    /// Notes how long bytes have waited at every end that is waiting still.
    pub(crate) fn note_standstills(&mut self) {
        let at = self.moment();
        for (n, cable) in self.cables.iter().enumerate() {
            for (end, since) in cable.waiting.iter().enumerate() {
                if let Some(since) = since {
                    self.twin.stood_still(n, end, *since, at);
                }
            }
        }
    }

    pub(crate) fn all_stopped(&self) -> bool {
        self.nodes.iter().all(|node| node.stopped && node.wires.is_empty())
    }

    pub(crate) fn fail(&mut self, reason: String) {
        let at = self.moment();
        self.failure.get_or_insert((at, reason));
    }

    pub(crate) fn say(&mut self, event: impl FnOnce() -> String) {
        if self.events.len() >= EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back((self.moment(), event()));
    }

    /// The last events before `at`.
    fn last_events(&self, at: Moment, count: usize) -> Vec<String> {
        let before: Vec<_> = self.events.iter().filter(|(when, _)| *when <= at).collect();
        let skipped = before.len().saturating_sub(count);
        let line =
            |(at, event): &&(Moment, String)| format!("{:>7}.{:<4} {event}", at >> STEPS, at & ((1 << STEPS) - 1));
        before.iter().skip(skipped).map(line).collect()
    }

    pub(crate) fn into_failure(mut self) -> Option<Failure> {
        let (at, reason) = self.failure.take()?;
        for (n, node) in self.nodes.iter().enumerate() {
            let counts = node.hub.counters();
            let counts: Vec<String> =
                counts.iter().filter(|count| count.2 > 0).map(|(name, _, n)| format!("{name} {n}")).collect();
            self.events.push_back((self.moment(), format!("hub {n} counted {}", counts.join(", "))));
        }
        // A lost message needs to be followed from its beginning: SIM_EVENTS=n shows n events, to the end of the run.
        let wanted = crate::number("SIM_EVENTS");
        let until = if wanted.is_some() { Moment::MAX } else { moment((at >> STEPS) + 1, 0) };
        let events = self.last_events(until, wanted.map_or(EVENTS_SHOWN, |n| n as usize));
        Some(Failure { seed: self.seed, step: self.steps_total, reason, events })
    }
}

impl Drop for World {
    /// A hub that panics takes the world with it: at least it is told which one.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIM_SEED={}: panic at step {}", self.seed, self.steps_total);
            for line in self.last_events(Moment::MAX, EVENTS_SHOWN) {
                eprintln!("{line}");
            }
        }
    }
}

/// A world at one of its hubs.
struct At<'a> {
    world: &'a mut World,
    n: usize,
}

impl Outside for At<'_> {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.world.nodes[self.n].hub, Tick(self.world.now))
    }

    fn look(&mut self, output: Output) -> bool {
        let (world, n) = (&mut *self.world, self.n);
        if let Err(reason) = world.nodes[n].hub.check_invariants() {
            world.fail(format!("hub {n}, at {output:?}: {reason}"));
        }
        world.failure.is_none()
    }

    fn flush(&mut self, key: PeerKey) {
        self.world.flush(self.n, key);
    }

    fn read(&mut self, key: PeerKey) {
        let (world, n) = (&mut *self.world, self.n);
        let Some(wire) = world.nodes[n].wires.get(&key) else {
            return world.fail(format!("hub {n} wants closed {key:?} read"));
        };
        let (cable, end) = (wire.cable, wire.end);
        world.schedule(cable, 1 - end);
    }

    fn close(&mut self, key: PeerKey, cause: Cause) {
        let (world, n) = (&mut *self.world, self.n);
        let Some(wire) = world.nodes[n].wires.remove(&key) else {
            return world.fail(format!("hub {n} closes {key:?} a second time"));
        };
        world.say(|| format!("hub {n} closes cable {}: {cause}", wire.cable));
        world.closed_by_hub(wire.cable, wire.end, cause);
    }

    fn dial(&mut self, node: NodeKey) {
        let (world, n) = (&mut *self.world, self.n);
        // A node that has been forgotten in the meantime is not dialled.
        let Some(address) = world.nodes[n].hub.dial_address(node).map(ToOwned::to_owned) else { return };
        world.say(|| format!("hub {n} dials {address}"));
        let boot = world.nodes[n].boot;
        let delay = world.rng.below(world.swarm.delay_ms + 2);
        world.plan(delay, Event::Dialed { hub: n, boot, node });
    }

    fn dial_kernel(&mut self, provider: ProviderKey) {
        self.world.fail(format!("hub {} dials {provider:?}, which nobody opened", self.n));
    }

    fn stop(&mut self) {
        let (world, n) = (&mut *self.world, self.n);
        if !world.nodes[n].stopping {
            return world.fail(format!("hub {n} ends although nobody stopped it"));
        }
        world.nodes[n].stopped = true;
        world.say(|| format!("hub {n} has stopped"));
    }

    fn catch_up(&mut self) -> bool {
        if self.world.failure.is_some() {
            return false;
        }
        let Some(key) = self.world.nodes[self.n].later.pop() else { return false };
        self.world.write(self.n, key);
        true
    }

    fn spins(&mut self, last: Output) {
        self.world.fail(format!("hub {} always wants something done, {last:?} at last", self.n));
    }
}
