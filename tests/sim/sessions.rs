//! Shared sessions under chance: members on several nodes that come, go, stall and trigger, a disk that takes its time, a Coordinator that
//! is killed and starts again from what it had written.
//!
//! The slow twin knows the protocol only: a table of legal changes of its own, and what members see. Whoever is in the session sees every
//! number once, in order, as an event or in its own answer, however often it, its node or the server was cut off or killed meanwhile, unless
//! it is told that there is a gap; one number is one event for all; what was told is still so after a crash, and no number is given twice.
//! Whoever was a member is one again within two seconds of being there. Some runs have a handful of members, others two hundred over three
//! nodes, to many of whom something happens at once; `SIM_RUNS=100 cargo test --release --test sim two_hundred` plays a hundred of those.

use std::collections::{BTreeMap, BTreeSet};

use instep::config::Config;
use instep::hub::Cause;
use serde_json::{Value, json};

use crate::common::c2sim;
use crate::common::ledger::Memory;
use crate::common::member::Member;
use crate::common::wire::{self, header};
use crate::common::world::{World, config};
use crate::rng::Rng;

const SESSION: &str = "N1.session:default";
const STEPS: u32 = 250;

/// Members of a large exercise, over three nodes.
const CROWD: usize = 200;
const CROWD_STEPS: u32 = 40;

/// Where each trigger leads, written down a second time.
const LEGAL: &[(&str, &str, &str)] = &[
    ("UNINITIALIZED", "SUBMIT_INITIALIZATION", "INITIALIZING"),
    ("INITIALIZING", "SHARE_SCENARIO", "INITIALIZED"),
    ("INITIALIZING", "RESET_SCENARIO", "UNINITIALIZED"),
    ("INITIALIZED", "RESET_SCENARIO", "UNINITIALIZED"),
    ("INITIALIZED", "START_SCENARIO", "RUNNING"),
    ("RUNNING", "PAUSE_SCENARIO", "PAUSED"),
    ("RUNNING", "STOP_SCENARIO", "INITIALIZED"),
    ("PAUSED", "RESUME_SCENARIO", "RUNNING"),
    ("PAUSED", "STOP_SCENARIO", "INITIALIZED"),
];

const TRIGGERS: [&str; 8] = [
    "submit_initialization",
    "initialization_complete",
    "share_scenario",
    "start_scenario",
    "pause_scenario",
    "resume_scenario",
    "stop_scenario",
    "reset_scenario",
];

/// What a request may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Join,
    Resign,
    /// A trigger or a document: an answer that is no error stands for an event, unless the document is only stored.
    Event,
    Question,
}

/// A component that may be a member, as the twin sees it.
struct Player {
    hub: usize,
    name: String,
    member: Member,
    /// The last number it knows; `None` while it is not in the session.
    at: Option<u64>,
    /// By when it hears that it is back.
    back_by: Option<u64>,
    /// What it has heard before the answer to its join, or before the word that it is back: its own doings without a word but their numbers.
    early: Vec<Value>,
    /// It was told that a crash would take its membership back.
    is_unkept: bool,
    asked: BTreeMap<u64, Asked>,
    /// What it asked before cables were cut: the answers may come or not.
    stale: BTreeMap<u64, Asked>,
}

impl Player {
    /// Its link is gone, and with it the answers that it waits for; so many of them stand for events.
    fn forget(&mut self) -> usize {
        if self.is_resigning() {
            // It may have resigned.
            (self.at, self.back_by) = (None, None);
        }
        let events = self.asked.values().filter(|asked| **asked == Asked::Event).count();
        self.asked.clear();
        self.stale.clear();
        self.early.clear();
        events
    }

    fn is_resigning(&self) -> bool {
        self.asked.values().chain(self.stale.values()).any(|asked| *asked == Asked::Resign)
    }

    fn is_joining(&self) -> bool {
        self.asked.values().chain(self.stale.values()).any(|asked| *asked == Asked::Join)
    }
}

/// Whether so many legal changes lead from one state to another.
fn reaches(from: &str, to: &str, steps: usize) -> bool {
    from == to
        || (steps > 0 && LEGAL.iter().any(|(start, _, next)| *start == from && reaches(next, to, steps.min(6) - 1)))
}

struct Run {
    seed: u64,
    steps: u32,
    is_crowd: bool,
    rng: Rng,
    world: World,
    ledger: Memory,
    /// How far the clock on the wall is ahead of where it began.
    ahead_ms: i64,
    players: Vec<Player>,
    /// What happened under each number.
    events: BTreeMap<u64, Value>,
    /// The last state that anybody was told, and under which number.
    told: (String, u64),
    /// Triggers whose answers nobody heard since then.
    unheard: usize,
    answered: u64,
    restarts: u64,
    returns: u64,
    gaps: u64,
}

/// What all runs have seen: runs in which nothing happens prove nothing.
#[derive(Debug, Default)]
struct Sum {
    events: u64,
    answered: u64,
    restarts: u64,
    returns: u64,
    gaps: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (hubs, players) = (rng.between(1, 3) as usize, rng.between(2, 6) as usize);
        Self::of(seed, rng, hubs, players, false)
    }

    /// Many members over three nodes, all of them in the session.
    fn crowd(seed: u64) -> Self {
        let mut run = Self::of(seed, Rng::new(seed), 3, CROWD, true);
        for who in 0..CROWD {
            run.ask(who, "join", &json!({"system": "S"}), Asked::Join);
        }
        run.ledger.settle_all(&mut run.world, 0);
        run.listen();
        run
    }

    fn of(seed: u64, mut rng: Rng, hubs: usize, players: usize, is_crowd: bool) -> Self {
        let mut world = World::new(Self::config(0, is_crowd));
        for hub in 1..hubs {
            if rng.one_in(3) {
                world.plain.insert(hub);
            }
            world.add_hub(Self::config(hub, is_crowd));
        }
        world.wait(1000);
        let ledger = Memory::default();
        ledger.give_to(&mut world, 0);
        ledger.settle_all(&mut world, 0);
        let players = (0..players)
            .map(|n| {
                let hub = rng.index(hubs);
                let name = format!("P{n}");
                let member = Member::new(&mut world, hub, &name);
                Player {
                    hub,
                    name,
                    member,
                    at: None,
                    back_by: None,
                    early: Vec::new(),
                    is_unkept: false,
                    asked: BTreeMap::new(),
                    stale: BTreeMap::new(),
                }
            })
            .collect();
        let told = ("UNINITIALIZED".to_owned(), 0);
        Self {
            seed,
            steps: if is_crowd { CROWD_STEPS } else { STEPS },
            is_crowd,
            rng,
            world,
            ledger,
            ahead_ms: 0,
            players,
            events: BTreeMap::new(),
            told,
            unheard: 0,
            answered: 0,
            restarts: 0,
            returns: 0,
            gaps: 0,
        }
    }

    /// Where there are many members, rings are as they come: what many have missed at once must fit into that of one link.
    fn config(hub: usize, is_crowd: bool) -> Config {
        let coordinators = if hub == 0 { vec![] } else { vec!["n1:12300".to_owned()] };
        let config = Config { coordinators, heartbeat_s: 0, expiration_s: 3600, ..config(hub + 1) };
        if is_crowd { config } else { Config { ring_bytes_max: 32 << 10, ..config } }
    }

    fn play(&mut self) {
        for _ in 0..self.steps {
            if self.is_crowd && self.rng.one_in(2) {
                self.accident()
            } else {
                self.step()
            }
            self.listen();
        }
        // Calm: everybody reads, the disk works, and whoever asked has been answered.
        for player in 0..self.players.len() {
            let client = self.players[player].member.client;
            self.world.drain(client, usize::MAX);
        }
        self.ledger.settle_all(&mut self.world, 0);
        self.world.wait(3000);
        self.ledger.settle_all(&mut self.world, 0);
        self.listen();
        self.check_who_is_back(u64::MAX);
        for player in &self.players {
            let alive = self.world.clients[player.member.client].closed.is_none();
            assert!(
                !alive || player.asked.is_empty(),
                "seed {}: {} waits for {:?}",
                self.seed,
                player.name,
                player.asked
            );
        }
        self.check_state();
    }

    fn step(&mut self) {
        let who = self.rng.index(self.players.len());
        match self.rng.below(40) {
            0..=9 => {
                let trigger = self.rng.pick(&TRIGGERS);
                let at = self.rng.one_in(6).then(|| self.unix_ms() + self.rng.below(4000));
                let params = at.map_or(Value::Null, |at| json!({"at": at}));
                self.ask(who, trigger, &params, Asked::Event);
            }
            10..=14 => self.ask(who, "join", &json!({"system": "S", "after": 0}), Asked::Join),
            15 => self.ask(who, "resign", &Value::Null, Asked::Resign),
            16..=18 => {
                let name = self.players[who].name.clone();
                let document = match self.rng.below(4) {
                    0 | 1 => c2sim::initialization(&name, &["S"]),
                    2 => c2sim::domain(&name, "ReportBody", self.rng.index(6000)),
                    _ => c2sim::domain(&name, "OrderBody", 10),
                };
                self.say(who, document.as_bytes(), 128, Asked::Event);
            }
            19 => self.ask(who, "info", &Value::Null, Asked::Question),
            20 => self.ask(who, "events", &json!({"after": 0}), Asked::Question),
            21..=28 => drop(self.ledger.settle(&mut self.world, 0)),
            29 if self.ledger.waiting() > 0 && self.rng.one_in(4) => self.ledger.fail(&mut self.world, 0, "disk full"),
            30 => self.leave(who),
            31 => {
                let client = self.players[who].member.client;
                self.world.limit(client, 0);
                self.players[who].back_by = None;
            }
            32..=34 => {
                let client = self.players[who].member.client;
                self.world.drain(client, usize::MAX);
            }
            35 if self.rng.one_in(4) => self.restart(),
            37 if self.world.hubs.len() > 1 && self.rng.one_in(3) => {
                let hub = self.rng.between(1, self.world.hubs.len() as u64 - 1) as usize;
                if self.rng.one_in(2) { self.cut(hub) } else { self.restart_node(hub) }
            }
            36 if self.rng.one_in(4) => {
                self.ahead_ms += self.rng.step_ms();
                self.set_clock();
            }
            _ => {
                let ms = self.rng.between(1, 800);
                self.world.wait(ms);
            }
        }
    }

    /// What happens to many at once.
    fn accident(&mut self) {
        let hub = self.rng.index(2) + 1;
        match self.rng.below(8) {
            0 => self.restart(),
            1 => self.cut(hub),
            2 => self.restart_node(hub),
            _ => {
                for _ in 0..self.rng.between(1, 40) {
                    let who = self.rng.index(self.players.len());
                    self.leave(who);
                }
            }
        }
    }

    fn unix_ms(&self) -> u64 {
        (1_700_000_000_000 + self.world.now.0 - 1000).checked_add_signed(self.ahead_ms).unwrap()
    }

    /// The node of the session looks at the clock.
    fn set_clock(&mut self) {
        let (now, unix_ms) = (self.world.now, self.unix_ms());
        self.world.hubs[0].handle_clock(now, unix_ms);
        self.world.pump();
    }

    fn ask(&mut self, who: usize, method: &str, params: &Value, asked: Asked) {
        let mut call = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        if !params.is_null() {
            call["params"] = params.clone();
        }
        self.say(who, call.to_string().as_bytes(), 1, asked);
    }

    fn say(&mut self, who: usize, payload: &[u8], kind: u8, asked: Asked) {
        if self.world.clients[self.players[who].member.client].closed.is_some() {
            self.come_back(who);
        }
        let conversation = 5_000_000 + self.rng.below(1 << 40);
        let player = &mut self.players[who];
        let head = header(conversation, kind);
        let bytes = wire::message(&[&[0], SESSION.as_bytes(), player.member.name.as_bytes(), &head, payload]);
        player.asked.insert(conversation, asked);
        let client = player.member.client;
        self.world.feed(client, &bytes);
    }

    /// A component ends its connection, and is there again at once. What was on its way to it may be lost.
    fn leave(&mut self, who: usize) {
        let client = self.players[who].member.client;
        if self.rng.one_in(2) {
            self.listen();
        }
        if self.world.clients[client].closed.is_none() {
            self.world.close(client);
        }
        self.world.clients[client].read.clear();
        self.come_back(who);
    }

    fn come_back(&mut self, who: usize) {
        self.listen();
        let (hub, name) = (self.players[who].hub, self.players[who].name.clone());
        self.unheard += self.players[who].forget();
        let member = Member::new(&mut self.world, hub, &name);
        let by = self.world.now.0 + 2000;
        let player = &mut self.players[who];
        player.member = member;
        player.back_by = player.at.map(|_| by);
        let heard = core::mem::take(&mut player.member.heard);
        for frames in heard {
            self.hear(who, &frames);
        }
    }

    /// Those of a node that wait to hear that they are back hear it later, or not on this link.
    fn put_off(&mut self, hub: usize, ms: Option<u64>) {
        let by = ms.map(|ms| self.world.now.0 + ms);
        for player in self.players.iter_mut().filter(|player| player.hub == hub) {
            player.back_by = player.back_by.and(by);
        }
    }

    /// The members of a node expect to hear that they are back.
    fn expect(&mut self, hub: usize) {
        let by = self.world.now.0 + 2000;
        for player in self.players.iter_mut().filter(|player| player.hub == hub) {
            let client = player.member.client;
            self.world.drain(client, usize::MAX);
            player.back_by = player.at.map(|_| by);
        }
    }

    /// Whoever was a member is one again by its moment.
    fn check_who_is_back(&self, now: u64) {
        for player in &self.players {
            let late = player.back_by.is_some_and(|by| by < now);
            let alive = self.world.clients[player.member.client].closed.is_none();
            assert!(!late || !alive, "seed {}: {} is not back", self.seed, player.name);
        }
    }

    /// The cables between a node and that of the session are cut for a moment.
    fn cut(&mut self, hub: usize) {
        self.listen();
        for who in 0..self.players.len() {
            if self.players[who].hub == hub {
                let stale = self.players[who].asked.clone();
                self.unheard += self.players[who].forget();
                self.players[who].stale = stale;
            }
        }
        self.put_off(hub, Some(3000 + 2000));
        self.world.cut(0, hub);
        self.world.wait(3000);
        for who in 0..self.players.len() {
            let client = self.players[who].member.client;
            self.world.drain(client, usize::MAX);
        }
        self.listen();
    }

    /// Another node is killed and starts again.
    fn restart_node(&mut self, hub: usize) {
        self.listen();
        self.put_off(hub, None);
        self.world.kill(hub);
        self.world.revive(hub, Self::config(hub, self.is_crowd));
        self.world.wait(3000);
        for who in 0..self.players.len() {
            if self.players[who].hub == hub {
                self.come_back(who);
            }
        }
    }

    /// The first Coordinator is killed and starts again from its ledger.
    fn restart(&mut self) {
        self.listen();
        self.restarts += 1;
        self.ledger.crash();
        let kept: BTreeSet<String> = self.ledger.keys().into_iter().collect();
        for player in &mut self.players {
            if !kept.contains(&format!("member/default/{}", player.member.name)) {
                let (seed, name) = (self.seed, &player.name);
                let may_be_none = player.is_unkept || player.is_resigning();
                assert!(player.at.is_none() || may_be_none, "seed {seed}: {name} was told that it has joined");
                (player.at, player.back_by) = (None, None);
            }
        }
        self.put_off(0, None);
        self.world.kill(0);
        self.world.revive(0, Self::config(0, self.is_crowd));
        self.set_clock();
        self.ledger.give_to(&mut self.world, 0);
        self.ledger.settle_all(&mut self.world, 0);
        for hub in 1..self.world.hubs.len() {
            self.expect(hub);
        }
        self.world.wait(11_000);
        self.ledger.settle_all(&mut self.world, 0);
        for who in 0..self.players.len() {
            if self.players[who].hub == 0 {
                self.come_back(who);
            } else {
                // Other nodes' components keep their links.
                let stale = self.players[who].asked.clone();
                self.unheard += self.players[who].forget();
                self.players[who].stale = stale;
            }
        }
        self.listen();
        self.check_who_is_back(u64::MAX);
        self.check_state();
    }

    /// The state is the one that was told last, unless a schedule has come due meanwhile.
    fn check_state(&mut self) {
        let mut stranger = Member::new(&mut self.world, 0, &format!("S{}", self.rng.next()));
        let info = stranger.ask(&mut self.world, SESSION, "info", &Value::Null)["result"].clone();
        let client = stranger.client;
        self.world.close(client);
        let seq = info["seq"].as_u64().unwrap();
        assert!(seq >= self.told.1, "seed {}: number {seq} after {}", self.seed, self.told.1);
        let now = info["state"].as_str().unwrap().to_owned();
        // A schedule may have come due while nobody was there, and who triggered may have left before it was durable.
        let moved = reaches(&self.told.0, &now, 1 + self.unheard);
        assert!(now == self.told.0 || moved, "seed {}: {} was told, {now} is so", self.seed, self.told.0);
        if now != self.told.0 {
            self.told = (now, seq);
        }
    }

    /// Everybody looks at what has come.
    fn listen(&mut self) {
        for who in 0..self.players.len() {
            let client = self.players[who].member.client;
            for frames in self.world.hear(client) {
                self.hear(who, &frames);
            }
            if self.world.clients[client].closed.is_some() {
                let cause = self.world.clients[client].closed;
                assert!(
                    matches!(cause, Some(Cause::Notice | Cause::Slow | Cause::Peer)),
                    "seed {}: closed by {cause:?}",
                    self.seed
                );
                self.unheard += self.players[who].forget();
            }
        }
        self.check_who_is_back(self.world.now.0);
    }

    fn hear(&mut self, who: usize, frames: &[Vec<u8>]) {
        let said = wire::json(frames);
        if said["method"] == "session_event" {
            self.take_event(who, &said["params"]);
            return;
        }
        if said.get("method").is_some() {
            return; // A pong that is asked for.
        }
        let conversation = u64::from_be_bytes(frames[3][8..16].try_into().unwrap());
        let player = &mut self.players[who];
        let (asked, stale) = (player.asked.remove(&conversation), player.stale.remove(&conversation));
        let is_stale = asked.is_none();
        let Some(asked) = asked.or(stale) else {
            // The answer to a question that it put before a restart.
            return;
        };
        self.answered += 1;
        let result = &said["result"];
        match asked {
            Asked::Join if result.is_object() => {
                let seq = result["seq"].as_u64().unwrap();
                if result["resumed"] == true {
                    // It was told so before.
                    let at = *player.at.get_or_insert(seq);
                    player.is_unkept = result["kept"] == false;
                    // Unless its node has not said yet that it was away: then it is still to be told.
                    assert!(at >= seq || player.back_by.is_some(), "seed {}: {}", self.seed, player.name);
                    return;
                }
                // It may have been away since, and back.
                let at = player.at.map_or(seq, |at| at.max(seq));
                (player.at, player.is_unkept) = (Some(at), result["kept"] == false);
                let (by, early) = (player.member.name.clone(), core::mem::take(&mut player.early));
                self.see(seq, &json!({"event": "joined", "by": by}));
                self.take_early(who, &early);
            }
            Asked::Resign if said.get("error").is_none() => player.at = None,
            Asked::Event if result.is_object() && result["kind"] != "C2SIM_INITIALIZATION" => {
                let (seq, kind) = (result["seq"].as_u64().unwrap(), result["kind"].clone());
                let state = result["state"].clone();
                // Whoever was away meanwhile has heard of it as of any other event.
                if self.players[who].at.is_none() && self.players[who].is_joining() {
                    self.players[who].early.push(json!({"seq": seq}));
                } else if !is_stale || self.players[who].at.is_some_and(|at| at < seq) {
                    self.follow(who, seq);
                }
                let by = self.players[who].member.name.clone();
                let key = if self.events.get(&seq).is_some_and(|known| known.get("kind").is_some()) {
                    "kind"
                } else {
                    "trigger"
                };
                let is_state =
                    TRIGGERS.iter().any(|trigger| kind == trigger.to_uppercase()) && kind != "INITIALIZATION_COMPLETE";
                if is_state {
                    self.see(seq, &json!({"event": "state", "by": by, "state": state, "trigger": kind}));
                    self.tell(&state, seq);
                } else {
                    self.see(seq, &json!({"by": by, key: kind}));
                }
            }
            Asked::Join | Asked::Resign | Asked::Event | Asked::Question => {}
        }
    }

    fn take_event(&mut self, who: usize, event: &Value) {
        let seq = event["seq"].as_u64().unwrap();
        let own = event["by"] == self.players[who].member.name.as_str();
        if event["event"] == "lost" && own {
            panic!("seed {}: {} was lost", self.seed, self.players[who].name);
        }
        if event["event"] == "resumed" && own {
            self.catch_up(who, event);
            return;
        }
        if self.players[who].at.is_none() {
            if self.players[who].is_joining() {
                self.players[who].early.push(event.clone());
            }
            return; // Its answer to a join was lost with a link, or the session has forgotten it.
        }
        let player = &mut self.players[who];
        if player.back_by.is_some() && player.at.is_some_and(|at| seq > at + 1) {
            // Its node has not said yet that it was away: what it has missed it hears with the word that it is back.
            player.early.push(event.clone());
            return;
        }
        self.follow(who, seq);
        self.see(seq, event);
        if event["event"] == "state" {
            self.tell(&event["state"], seq);
        }
    }

    /// A member is back, and hears what it has missed.
    fn catch_up(&mut self, who: usize, back: &Value) {
        let (seq, gap) = (back["seq"].as_u64().unwrap(), back["gap"] == true);
        self.returns += 1;
        self.gaps += u64::from(gap);
        self.players[who].back_by = None;
        // A link has ended before its join was answered.
        self.players[who].is_unkept |= self.players[who].at.is_none();
        for event in back["events"].as_array().unwrap() {
            let number = event["seq"].as_u64().unwrap();
            let at = self.players[who].at;
            if at.is_some_and(|at| number <= at) {
                continue; // It knows that one.
            }
            assert!(gap || at.is_none_or(|at| number == at + 1), "seed {}: {number} after {at:?}: {back}", self.seed);
            self.players[who].at = at.map(|_| number);
            let mut event = event.clone();
            event.as_object_mut().unwrap().remove("document");
            self.see(number, &event);
            if event["event"] == "state" {
                self.tell(&event["state"], number);
            }
        }
        let at = self.players[who].at;
        assert!(gap || at.is_none_or(|at| seq == at + 1), "seed {}: {seq} after {at:?}: {back}", self.seed);
        self.players[who].at = Some(seq);
        let by = self.players[who].member.name.clone();
        self.see(seq, &json!({"event": "resumed", "by": by}));
        let early = core::mem::take(&mut self.players[who].early);
        self.take_early(who, &early);
    }

    /// What a player has heard too early for it is looked at now, as far as it is new.
    fn take_early(&mut self, who: usize, early: &[Value]) {
        for event in early {
            let seq = event["seq"].as_u64().unwrap();
            if self.players[who].at.is_some_and(|at| seq <= at) {
                continue;
            }
            match event.get("event") {
                Some(_) => self.take_event(who, event),
                None => self.follow(who, seq),
            }
        }
    }

    /// A member has every number once, in order.
    fn follow(&mut self, who: usize, seq: u64) {
        let player = &mut self.players[who];
        let Some(at) = player.at else { return };
        assert_eq!(seq, at + 1, "seed {}: {} has {at}", self.seed, player.member.name);
        player.at = Some(seq);
    }

    /// One number is one event for everybody.
    fn see(&mut self, seq: u64, event: &Value) {
        let known = self.events.entry(seq).or_insert_with(|| json!({}));
        for (key, value) in event.as_object().unwrap() {
            match known.get(key) {
                Some(other) => assert_eq!(other, value, "seed {}: {key} of {seq}", self.seed),
                None => known[key] = value.clone(),
            }
        }
    }

    fn tell(&mut self, state: &Value, seq: u64) {
        let state = state.as_str().unwrap();
        if seq <= self.told.1 {
            return;
        }
        let trigger = self.events[&seq]["trigger"].as_str().unwrap_or_default().to_owned();
        let stays = *state == self.told.0;
        let legal = LEGAL.iter().any(|(from, by, to)| (*from, *by, *to) == (self.told.0.as_str(), &trigger, state));
        // Between two numbers that anybody heard there may be others that nobody was there for.
        let gap = (self.told.1 + 1..seq).any(|between| !self.events.contains_key(&between));
        assert!(stays || legal || gap, "seed {}: {trigger} from {} to {state}", self.seed, self.told.0);
        self.told = (state.to_owned(), seq);
        self.unheard = 0;
    }
}

fn number(key: &str, plain: u64) -> u64 {
    std::env::var(key).ok().and_then(|word| word.parse().ok()).unwrap_or(plain)
}

/// Plays so many runs, of these or as many as are asked for.
fn play_all(make: fn(u64) -> Run, plain: u64) -> (Sum, u64) {
    let (first, runs) = (number("SIM_SEED", 0), number("SIM_RUNS", plain));
    let mut sum = Sum::default();
    for seed in first..first + runs {
        let mut run = make(seed);
        run.play();
        sum.events += run.events.len() as u64;
        sum.answered += run.answered;
        sum.restarts += run.restarts;
        sum.returns += run.returns;
        sum.gaps += run.gaps;
    }
    eprintln!("{sum:?}");
    (sum, runs)
}

#[test]
fn two_hundred_members_over_three_nodes_are_members_again_after_every_accident() {
    let (sum, runs) = play_all(Run::crowd, 1);
    assert!(sum.events > 200 * runs && sum.returns > 200 * runs, "next to nothing has happened: {sum:?}");
    assert!(runs < 20 || (sum.restarts > runs && sum.gaps > 0), "no faults have happened: {sum:?}");
}

#[test]
fn every_member_of_a_session_sees_the_same_sequence() {
    let (sum, runs) = play_all(Run::new, 60);
    assert!(sum.events > 20 * runs && sum.answered > 50 * runs, "next to nothing has happened: {sum:?}");
    assert!(
        runs < 20 || (sum.restarts > 10 && sum.gaps > 10 && sum.returns > sum.gaps + 100),
        "no faults have happened: {sum:?}"
    );
}

/// The next event of a player, changed on its way.
fn tampered(run: &mut Run, change: fn(&mut Value)) {
    let client = run.players[1].member.client;
    let frames = run.world.hear(client).pop().unwrap();
    let mut event = wire::json(&frames)["params"].clone();
    change(&mut event);
    run.take_event(1, &event);
}

/// The checker checks: harm done on purpose is noticed.
#[test]
fn a_sequence_that_is_not_the_same_is_noticed() {
    let harm = |harm: fn(&mut Run)| {
        let mut run = Run::new(3);
        for who in 0..run.players.len() {
            run.ask(who, "join", &Value::Null, Asked::Join);
            run.ledger.settle_all(&mut run.world, 0);
            run.listen();
        }
        run.ask(0, "submit_initialization", &Value::Null, Asked::Event);
        run.ledger.settle_all(&mut run.world, 0);
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            harm(&mut run);
            run.listen();
        }))
        .is_err()
    };
    assert!(!harm(|_| {}), "nothing was done");
    assert!(!harm(|run| tampered(run, |_| {})), "nothing was changed");
    assert!(harm(|run| tampered(run, |event| event["seq"] = json!(99))), "a number was left out");
    assert!(
        harm(|run| {
            tampered(run, |_| {});
            run.take_event(1, &json!({"seq": run.players[1].at, "event": "joined", "by": "x"}))
        }),
        "a number came twice"
    );
    assert!(
        harm(|run| {
            run.listen();
            let seq = run.told.1;
            run.see(seq, &json!({"state": "PAUSED"}))
        }),
        "two states of one number"
    );
    assert!(
        harm(|run| {
            run.listen();
            let seq = run.told.1 + 1;
            run.events.insert(seq, json!({"trigger": "START_SCENARIO"}));
            run.tell(&json!("RUNNING"), seq)
        }),
        "an illegal change"
    );
    assert!(
        harm(|run| {
            run.listen();
            run.told = ("RUNNING".to_owned(), run.told.1);
            run.check_state()
        }),
        "a change that is gone"
    );
}
