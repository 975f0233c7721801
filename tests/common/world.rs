//! Hubs, the links among them and clients on their links, all in memory under a virtual clock.
//!
//! A world does what the event loop does, and after every single call into a hub it asks the hub whether its tables agree and
//! whether the memory cap holds. Tests are written as scripts, see [`World::script`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use instep::config::Config;
use instep::hub::{Cause, Door, Hub, NodeKey, Output, PeerKey, Start};
use instep::limits::READ_BYTES_MAX;
use instep::time::Tick;
use serde_json::{Value, json};

use super::driver::{self, Outside};
use super::wire::{self, Heard};

/// One end of a connection that a hub sees: which hub, which peer.
type Side = (usize, PeerKey);

/// Who is at the other end of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Far {
    Client(usize),
    Hub(Side),
}

/// A raw client: bytes that came to it, and how many more it takes.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) side: Side,
    /// Bytes that it has read and nobody has looked at.
    pub(crate) read: Vec<u8>,
    /// Bytes that it still takes from its socket.
    appetite: usize,
    /// Why the hub closed it.
    pub(crate) closed: Option<Cause>,
    opened: bool,
    /// Commands that were found while looking for messages.
    pub(crate) commands: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) hubs: Vec<Hub>,
    pub(crate) clients: Vec<Client>,
    pub(crate) now: Tick,
    addresses: Vec<String>,
    /// Hubs that nobody can reach.
    pub(crate) dark: BTreeSet<usize>,
    /// Hubs that nobody takes for an instep: a Coordinator of somebody else's says nothing of itself.
    pub(crate) plain: BTreeSet<usize>,
    caps: Vec<usize>,
    far: BTreeMap<Side, Far>,
    /// Bytes on their way to a hub: what a socket's receive buffer holds.
    inbound: BTreeMap<Side, VecDeque<u8>>,
    ended: BTreeSet<Side>,
    names: BTreeMap<String, usize>,
    conversations: u64,
    /// Hubs that were started anew.
    boots: u64,
    /// Every output that a test may want to look at.
    pub(crate) outputs: Vec<(usize, Output)>,
    /// Addresses that were dialled, with the moment.
    pub(crate) dials: Vec<(Tick, String)>,
    /// Most bytes that ever waited in a hub.
    pub(crate) waited_most: usize,
}

/// A configuration for tests: node `N1` at `n1:12300`.
pub(crate) fn config(n: usize) -> Config {
    // Waiting for those who may come back is tried where it is the matter.
    Config { namespace: format!("N{n}"), host: format!("n{n}"), return_ms: 0, hint_s: 0, ..Config::default() }
}

impl World {
    /// One hub.
    pub(crate) fn new(config: Config) -> Self {
        let mut world = Self { now: Tick(1000), ..Self::default() };
        world.add_hub(config);
        world
    }

    /// The usual hub.
    pub(crate) fn plain() -> Self {
        Self::new(config(1))
    }

    pub(crate) fn add_hub(&mut self, config: Config) -> usize {
        config.check().expect("the test's configuration is legal");
        self.addresses.push(format!("{}:{}", config.host, config.port));
        self.caps.push(config.memory_max);
        let start = Start { seed: 7 + self.hubs.len() as u64, now: self.now, unix_ms: 1_700_000_000_000 };
        self.hubs.push(Hub::new(config, start).unwrap());
        let n = self.hubs.len() - 1;
        self.pump();
        n
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hubs[0]
    }

    /// The value of a counter of the first hub.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.count_at(0, name)
    }

    pub(crate) fn count_at(&self, hub: usize, name: &str) -> u64 {
        let found = self.hubs[hub].counters().iter().find(|(key, _, _)| *key == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).2
    }

    fn check(&mut self, hub: usize) {
        if let Err(broken) = self.hubs[hub].check_invariants() {
            panic!("at {:?}: {broken}", self.now);
        }
        let (rings, partial) = self.hubs[hub].bytes_waiting();
        self.waited_most = self.waited_most.max(rings + partial);
        assert!(rings + partial <= self.caps[hub], "{rings} + {partial} bytes wait");
    }

    // ---- Links ----

    /// A connection from `remote`, nothing sent yet.
    pub(crate) fn connect_from(&mut self, hub: usize, remote: &str) -> Option<usize> {
        self.connect_at(hub, Door::Leco, remote)
    }

    /// The same at any door.
    pub(crate) fn connect_at(&mut self, hub: usize, door: Door, remote: &str) -> Option<usize> {
        let remote: SocketAddr = remote.parse().unwrap();
        let key = self.hubs[hub].open_at(self.now, remote, door)?;
        self.check(hub);
        let n = self.clients.len();
        self.clients.push(Client {
            side: (hub, key),
            read: Vec::new(),
            appetite: usize::MAX,
            closed: None,
            opened: false,
            commands: Vec::new(),
        });
        self.far.insert((hub, key), Far::Client(n));
        self.pump();
        Some(n)
    }

    pub(crate) fn connect(&mut self, hub: usize) -> usize {
        self.connect_from(hub, "127.0.0.1:4000").expect("there is room")
    }

    /// A DEALER of ZMTP 3.`minor` whose handshake is done.
    pub(crate) fn dealer_of(&mut self, hub: usize, minor: u8) -> usize {
        let client = self.connect(hub);
        self.feed(client, &wire::opening(minor));
        client
    }

    pub(crate) fn dealer(&mut self) -> usize {
        self.dealer_of(0, 1)
    }

    /// A DEALER that has signed in at a hub; its answer is read away.
    pub(crate) fn component_at(&mut self, hub: usize, name: &str) -> usize {
        self.component_that_hears(hub, name).0
    }

    /// The same, with what has come behind the answer.
    pub(crate) fn component_that_hears(&mut self, hub: usize, name: &str) -> (usize, Vec<Vec<Vec<u8>>>) {
        let client = self.dealer_of(hub, 1);
        self.send(client, "COORDINATOR", name, &[wire::request(1, "sign_in").as_bytes()]);
        let mut heard = self.hear(client);
        let answer = heard.remove(0);
        assert_eq!(wire::json(&answer)["result"], Value::Null, "{name} signs in: {answer:?}");
        assert!(wire::json(&answer).get("error").is_none(), "{name} signs in: {answer:?}");
        (client, heard)
    }

    pub(crate) fn component(&mut self, name: &str) -> usize {
        self.component_at(0, name)
    }

    /// Bytes from a client.
    pub(crate) fn feed(&mut self, client: usize, bytes: &[u8]) {
        self.post(client, bytes);
        self.pump();
    }

    /// Bytes from a client that lie in the socket until something else moves the world.
    pub(crate) fn post(&mut self, client: usize, bytes: &[u8]) {
        let side = self.clients[client].side;
        self.inbound.entry(side).or_default().extend(bytes);
    }

    /// Bytes of a client that the hub has not read.
    pub(crate) fn unread(&self, client: usize) -> usize {
        self.inbound.get(&self.clients[client].side).map_or(0, VecDeque::len)
    }

    /// A LECO message of a new conversation, whose number is returned.
    pub(crate) fn send(&mut self, client: usize, receiver: &str, sender: &str, payload: &[&[u8]]) -> u64 {
        self.conversations += 1;
        let n = self.conversations;
        self.feed(client, &wire::leco(receiver.as_bytes(), sender.as_bytes(), n, payload));
        n
    }

    /// The client ends its connection in order.
    pub(crate) fn close(&mut self, client: usize) {
        self.ended.insert(self.clients[client].side);
        self.pump();
    }

    /// A hub's process dies: the others see their links end, without a word.
    pub(crate) fn kill(&mut self, hub: usize) {
        self.dark.insert(hub);
        let sides: Vec<Side> = self.far.keys().filter(|side| side.0 == hub).copied().collect();
        for side in sides {
            if let Some(Far::Hub(other)) = self.far.remove(&side) {
                self.far.remove(&other);
                self.ended.insert(other);
            }
        }
        self.pump();
    }

    /// The cables between two hubs are cut: both see their links end, without a word.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        let is_between = |side: &Side, far: &Far| side.0 == one && matches!(far, Far::Hub((hub, _)) if *hub == other);
        let sides: Vec<Side> =
            self.far.iter().filter(|(side, far)| is_between(side, far)).map(|(side, _)| *side).collect();
        for side in sides {
            if let Some(Far::Hub(far)) = self.far.remove(&side) {
                self.far.remove(&far);
                self.inbound.remove(&side);
                self.inbound.remove(&far);
                self.ended.extend([side, far]);
            }
        }
        self.pump();
    }

    /// A hub that was killed starts again with nothing but its configuration. Clients that it had are of no use any more.
    pub(crate) fn revive(&mut self, hub: usize, config: Config) {
        self.far.retain(|side, far| side.0 != hub && !matches!(far, Far::Hub((other, _)) if *other == hub));
        self.inbound.retain(|side, _| side.0 != hub);
        self.ended.retain(|side| side.0 != hub);
        self.dark.remove(&hub);
        self.boots += 1;
        let start = Start { seed: 1000 + self.boots, now: self.now, unix_ms: 1_700_000_000_000 + self.now.0 - 1000 };
        self.hubs[hub] = Hub::new(config, start).unwrap();
    }

    /// From now on the client takes only `n` more bytes from its socket; what waits beyond stays in the hub.
    pub(crate) fn limit(&mut self, client: usize, n: usize) {
        self.clients[client].appetite = n;
    }

    /// The client takes `n` bytes more.
    pub(crate) fn drain(&mut self, client: usize, n: usize) {
        let appetite = &mut self.clients[client].appetite;
        *appetite = appetite.saturating_add(n);
        let side = self.clients[client].side;
        self.write(side);
        self.pump();
    }

    /// All messages that have come to a client since the last time.
    pub(crate) fn hear(&mut self, client: usize) -> Vec<Vec<Vec<u8>>> {
        let client = &mut self.clients[client];
        if !client.opened && client.read.len() >= 64 {
            assert_eq!((client.read[0], client.read[9], client.read[10]), (0xff, 0x7f, 3));
            client.read.drain(..64);
            client.opened = true;
        }
        let mut messages = Vec::new();
        while client.opened
            && let Some(heard) = wire::take(&mut client.read)
        {
            match heard {
                Heard::Command(body) => client.commands.push(body),
                Heard::Message(frames) => messages.push(frames),
            }
        }
        messages
    }

    /// Commands that have come to a client, READY not counted.
    pub(crate) fn commands(&mut self, client: usize) -> Vec<Vec<u8>> {
        assert!(self.hear(client).is_empty(), "messages came beside the commands");
        self.clients[client].commands.retain(|body| !body.starts_with(b"\x05READY"));
        core::mem::take(&mut self.clients[client].commands)
    }

    /// What waits in the hub for a client.
    pub(crate) fn waits_for(&self, client: usize) -> usize {
        let (hub, key) = self.clients[client].side;
        self.hubs[hub].unsent(key).concat().len()
    }

    // ---- The loop ----

    fn write(&mut self, side: Side) {
        let (hub, key) = side;
        let far = self.far.get(&side).copied();
        let most = match far {
            Some(Far::Client(client)) => self.clients[client].appetite,
            Some(Far::Hub(_)) => usize::MAX,
            None => 0,
        };
        let mut bytes = driver::take(&mut self.hubs[hub], self.now, key, most);
        if self.plain.contains(&hub) {
            wire::disguise(&mut bytes);
        }
        match far {
            Some(Far::Client(client)) => {
                let client = &mut self.clients[client];
                client.appetite -= bytes.len();
                client.read.extend(bytes);
            }
            Some(Far::Hub(other)) => self.inbound.entry(other).or_default().extend(bytes),
            None => {}
        }
        self.check(hub);
    }

    fn hang_up(&mut self, side: Side, cause: Cause) {
        self.inbound.remove(&side);
        self.ended.remove(&side);
        match self.far.remove(&side) {
            Some(Far::Client(client)) => self.clients[client].closed = Some(cause),
            Some(Far::Hub(other)) => {
                self.far.remove(&other);
                self.ended.insert(other);
            }
            None => {}
        }
    }

    fn dial(&mut self, hub: usize, node: NodeKey) {
        let address = self.hubs[hub].dial_address(node).expect("a dialled node has an address").to_owned();
        let there = self.addresses.iter().position(|known| *known == address);
        self.dials.push((self.now, address));
        let remote: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let Some((there, far)) = there.filter(|there| !self.dark.contains(there)).and_then(|there| {
            let far = self.hubs[there].open(self.now, remote)?;
            Some((there, far))
        }) else {
            assert_eq!(self.hubs[hub].handle_dialed(self.now, node, Err("nobody there")), None);
            self.check(hub);
            return;
        };
        match self.hubs[hub].handle_dialed(self.now, node, Ok(remote)) {
            Some(near) => {
                self.far.insert((hub, near), Far::Hub((there, far)));
                self.far.insert((there, far), Far::Hub((hub, near)));
            }
            None => self.hubs[there].handle_closed(self.now, far, Cause::Peer),
        }
        self.check(there);
        self.check(hub);
    }

    /// Runs until nothing moves without time.
    pub(crate) fn pump(&mut self) {
        for round in 0.. {
            assert!(round < 20_000, "the hub spins at {:?}: {:?}", self.now, self.outputs.last());
            let mut moved = false;
            let sides: Vec<Side> =
                self.inbound.keys().chain(&self.ended).copied().collect::<BTreeSet<_>>().into_iter().collect();
            for side in sides {
                let (hub, key) = side;
                let budget = self.hubs[hub].read_budget(key);
                self.check(hub);
                if budget == 0 {
                    continue;
                }
                let Some(waiting) = self.inbound.get_mut(&side).filter(|waiting| !waiting.is_empty()) else {
                    self.inbound.remove(&side);
                    if self.ended.remove(&side) {
                        self.hubs[hub].handle_closed(self.now, key, Cause::Peer);
                        self.check(hub);
                        moved = true;
                    }
                    continue;
                };
                let n = waiting.len().min(budget).min(READ_BYTES_MAX);
                let bytes: Vec<u8> = waiting.drain(..n).collect();
                self.hubs[hub].handle_bytes(self.now, key, &bytes);
                self.check(hub);
                moved = true;
            }
            for hub in 0..self.hubs.len() {
                if self.hubs[hub].poll_timeout().is_some_and(|at| at <= self.now) {
                    self.hubs[hub].handle_timeout(self.now);
                    self.check(hub);
                    moved = true;
                }
                // A spinning hub asks to read the same held peer for ever.
                moved |= driver::drive(&mut At { world: self, hub });
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets `ms` pass, stopping at every deadline on the way.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.pump();
        let end = Tick(self.now.0 + ms);
        loop {
            let soonest = self.hubs.iter().filter_map(Hub::poll_timeout).min();
            match soonest {
                Some(at) if at <= end => {
                    assert!(at >= self.now, "deadlines are fired before time goes on");
                    self.now = at;
                    self.pump();
                }
                _ => break,
            }
        }
        self.now = end;
        self.pump();
    }

    // ---- Scripts ----

    /// Runs a script, one line per event; a link is opened (ZMTP 3.1, loopback) when it is first named.
    ///
    /// ```text
    /// a: 3.0                        opens link a as ZMTP 3.0; a: far opens it from another machine, a: N2 at the second hub
    /// a > RECEIVER SENDER JSON      a sends a message; without JSON, one without payload; "" is an empty payload frame
    /// a < RECEIVER SENDER JSON      the next message that a has got; JSON is a document, or
    ///                                 = ID             a null result
    ///                                 ! ID CODE DATA   an error (DATA may be left out: any)
    ///                                 ?                anything
    /// a -                           a has got no further message
    /// a x                           a was closed by the hub
    /// close a                       a ends its connection
    /// wait MS                       time passes
    /// ```
    pub(crate) fn script(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            if let Some(name) = first.strip_suffix(':') {
                let client = match rest {
                    "3.0" => self.dealer_of(0, 0),
                    "far" => {
                        let client = self.connect_from(0, "192.0.2.1:4000").expect("there is room");
                        self.feed(client, &wire::opening(1));
                        client
                    }
                    node => self.dealer_of(node[1..].parse::<usize>().unwrap() - 1, 1),
                };
                self.names.insert(name.to_owned(), client);
                continue;
            }
            match first {
                "wait" => self.wait(rest.parse().unwrap()),
                "close" => {
                    let client = self.link(rest);
                    self.close(client);
                }
                name => {
                    let client = self.link(name);
                    self.event(client, rest, line);
                }
            }
        }
    }

    /// The client of a name in scripts.
    pub(crate) fn link(&mut self, name: &str) -> usize {
        if let Some(client) = self.names.get(name) {
            return *client;
        }
        let client = self.dealer();
        self.names.insert(name.to_owned(), client);
        client
    }

    fn event(&mut self, client: usize, event: &str, line: &str) {
        let mut words = event.splitn(4, ' ');
        let verb = words.next().unwrap();
        let mut word = || words.next().unwrap_or_default();
        match verb {
            ">" => {
                let (receiver, sender, payload) = (word(), word(), word());
                match payload {
                    "" => self.send(client, receiver, sender, &[]),
                    "\"\"" => self.send(client, receiver, sender, &[b""]),
                    json => self.send(client, receiver, sender, &[json.as_bytes()]),
                };
            }
            "<" => {
                let (receiver, sender, wanted) = (word(), word(), word());
                let frames = self.next_message(client).unwrap_or_else(|| panic!("nothing came: {line}"));
                let seen = |n: usize| String::from_utf8_lossy(&frames[n]).into_owned();
                assert_eq!((seen(1).as_str(), seen(2).as_str()), (receiver, sender), "{line}: {frames:?}");
                if wanted != "?" {
                    expect(&frames, wanted, line);
                }
            }
            "-" => assert_eq!(self.next_message(client), None, "{line}"),
            "x" => assert!(self.clients[client].closed.is_some(), "{line}"),
            _ => panic!("no such event: {line}"),
        }
    }

    /// The next message of a client, one at a time.
    fn next_message(&mut self, client: usize) -> Option<Vec<Vec<u8>>> {
        let mut all = self.hear(client);
        if all.is_empty() {
            return None;
        }
        let rest = all.split_off(1);
        // What was not asked for goes back in front of what will come.
        let mut bytes: Vec<u8> = rest
            .iter()
            .flat_map(|frames| wire::message(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()))
            .collect();
        bytes.append(&mut self.clients[client].read);
        self.clients[client].read = bytes;
        all.pop()
    }
}

/// A world at one of its hubs.
struct At<'a> {
    world: &'a mut World,
    hub: usize,
}

impl Outside for At<'_> {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.world.hubs[self.hub], self.world.now)
    }

    fn look(&mut self, output: Output) -> bool {
        self.world.outputs.push((self.hub, output));
        self.world.check(self.hub);
        true
    }

    fn flush(&mut self, key: PeerKey) {
        self.world.write((self.hub, key));
    }

    fn close(&mut self, key: PeerKey, cause: Cause) {
        self.world.hang_up((self.hub, key), cause);
    }

    fn dial(&mut self, node: NodeKey) {
        self.world.dial(self.hub, node);
    }
}

fn expect(frames: &[Vec<u8>], wanted: &str, line: &str) {
    if wanted.is_empty() {
        assert_eq!(frames.len(), 4, "{line}: no payload is wanted");
        return;
    }
    let got = wire::json(frames);
    let (kind, rest) = wanted.split_once(' ').unwrap_or((wanted, ""));
    match kind {
        "=" => {
            let id: Value = serde_json::from_str(rest).unwrap();
            assert_eq!(got, json!({"jsonrpc": "2.0", "id": id, "result": null}), "{line}");
        }
        "!" => {
            let mut words = rest.splitn(3, ' ');
            let id: Value = serde_json::from_str(words.next().unwrap()).unwrap();
            let code: i64 = words.next().unwrap().parse().unwrap();
            assert_eq!((&got["id"], got["error"]["code"].as_i64()), (&id, Some(code)), "{line}: {got}");
            assert!(got["error"]["message"].is_string() && got["jsonrpc"] == "2.0", "{line}: {got}");
            if let Some(data) = words.next() {
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(got["error"]["data"], data, "{line}");
            }
        }
        _ => {
            let wanted: Value = serde_json::from_str(wanted).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(got, wanted, "{line}");
        }
    }
}
