//! A mixed session under chance: two clients of TNO's server, two of GMU's and two Components, one of them at another node. All hand reports in, all pull
//! triggers, all hear; and every connection stalls, breaks and is replaced.
//!
//! What is taken has a number. Every hearer must hear one sequence: from the moment at which it can hear to that at which it knows that it does not,
//! everything that is for it, in the order of the numbers. Who has not been told that something is missing has missed nothing. Beside them a Component
//! that nothing happens to writes down what the sequence is: an answer may be lost with its connection.

use std::collections::BTreeMap;

use instep::c2sim::kind::Schema;
use instep::config::{Config, Predefined};
use instep::hub::Door;
use serde_json::{Value, json};

use crate::common::gmu::{self, Hearer, Library, Poster};
use crate::common::guest::{Frame, Guest};
use crate::common::member::Member;
use crate::common::wire::{self, header, message};
use crate::common::world::{World, config};
use crate::number;
use crate::rng::Rng;

const SESSION: &str = "N1.session:default";
const TRIGGERS: [(&str, &str, &str); 2] =
    [("PauseScenario", "PAUSE_SCENARIO", "pause_scenario"), ("ResumeScenario", "RESUME_SCENARIO", "resume_scenario")];

/// What was handed in: a report by its mark, or a trigger by its place among [`TRIGGERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Report(u64),
    Trigger(usize),
}

impl Item {
    /// What a document says; `None` where it is none of these.
    fn of(document: &str) -> Option<Self> {
        if let Some((_, rest)) = document.split_once("<Mark>") {
            return Some(Self::Report(rest.split_once("</Mark>")?.0.parse().ok()?));
        }
        TRIGGERS.iter().position(|(element, _, _)| document.contains(&format!("<{element}"))).map(Self::Trigger)
    }

    /// What an event says, with the document that came with it.
    fn of_event(event: &Value, document: Option<&str>) -> Option<Self> {
        let trigger = event["trigger"].as_str();
        document
            .and_then(Self::of)
            .or_else(|| TRIGGERS.iter().position(|(_, word, _)| trigger == Some(word)).map(Self::Trigger))
    }

    fn body(self, padding: usize) -> String {
        let text = "x".repeat(padding);
        match self {
            Self::Report(mark) => format!(
                "<DomainMessageBody><ReportBody><Mark>{mark}</Mark>\n<Text>{text}</Text></ReportBody></DomainMessageBody>"
            ),
            Self::Trigger(n) => format!("<SystemMessageBody><{}/></SystemMessageBody>", TRIGGERS[n].0),
        }
    }
}

/// What was heard between two moments.
#[derive(Debug, Default)]
struct Stretch {
    /// The last number before it.
    from: u64,
    items: Vec<Item>,
    /// The numbers of these, where they are told.
    numbers: Vec<u64>,
    /// Nothing is missing at its end.
    is_whole: bool,
}

/// Who takes part, in its own dialect.
enum Dialect {
    Tno(Guest),
    Gmu { poster: Poster, requests: usize, ear: Option<Hearer> },
    Leco(Component),
}

struct Component {
    member: Member,
    hub: usize,
    /// The last number that it has.
    at: u64,
    /// It was gone, and has not been told that it is back.
    is_returning: bool,
    /// What it has heard before that word.
    early: Vec<(u64, Option<Item>)>,
    asked: BTreeMap<u64, Item>,
}

struct Player {
    dialect: Dialect,
    /// What has not been answered, in order.
    waiting: Vec<Item>,
    /// What it hears now.
    now: Option<Stretch>,
    past: Vec<Stretch>,
}

#[derive(Debug, Default)]
struct Sum {
    taken: u64,
    refused: u64,
    unanswered: u64,
    lost: u64,
    returned: u64,
    gaps: u64,
    heard: u64,
}

struct Run {
    seed: u64,
    rng: Rng,
    world: World,
    /// A Component that hears all, and hands nothing in.
    scribe: Member,
    players: Vec<Player>,
    /// By number: what was taken, and of whom, where that is known.
    taken: BTreeMap<u64, (Item, Option<usize>)>,
    /// Whose report it is, by mark.
    authors: Vec<usize>,
    ports: u16,
    sum: Sum,
}

impl Run {
    fn new(seed: u64) -> Self {
        let rng = Rng::new(seed);
        let with = |n: usize| {
            let coordinators = if n == 1 { vec![] } else { vec!["n1:12300".to_owned()] };
            // What all of them can read.
            let default = Predefined { name: "default".to_owned(), schema: Schema::V1_0_2, ..Predefined::default() };
            let config =
                Config { coordinators, sessions: vec![default], expiration_s: 3600, heartbeat_s: 0, ..config(n) };
            Config { member_idle_s: 3600, ring_bytes_max: 96 << 10, stall_ms: 200, slow_ms: 5000, ..config }
        };
        let mut world = World::new(with(1));
        world.add_hub(with(2));
        world.wait(1000);
        let mut driver = Member::joined(&mut world, 0, "D", "json");
        driver.pull(&mut world, "submit_initialization");
        driver.document(&mut world, &gmu::initialization("D", "C2SIM", "D", ""));
        driver.pull(&mut world, "share_scenario");
        assert_eq!(driver.pull(&mut world, "start_scenario")["result"]["state"], "RUNNING");
        driver.events(&mut world);
        let mut run = Self {
            seed,
            rng,
            world,
            scribe: driver,
            players: Vec::new(),
            taken: BTreeMap::new(),
            authors: Vec::new(),
            ports: 6000,
            sum: Sum::default(),
        };
        for n in 0..2 {
            let guest = Guest::new(&mut run.world, &format!("guest{n}"));
            run.add(Dialect::Tno(guest));
            let poster = Poster { name: format!("GMU{n}"), ..Poster::new(Library::Java) };
            let requests = run.connect_requests();
            run.add(Dialect::Gmu { poster, requests, ear: None });
            let mut member = Member::new(&mut run.world, n, &format!("L{n}"));
            let answer = member.ask(&mut run.world, SESSION, "join", &json!({"system": "L", "format": "json"}));
            let at = answer["result"]["seq"].as_u64().expect("it joins");
            let (early, asked) = (Vec::new(), BTreeMap::new());
            run.add(Dialect::Leco(Component { member, hub: n, at, is_returning: false, early, asked }));
        }
        for who in 0..run.players.len() {
            run.hear_again(who);
        }
        run
    }

    fn add(&mut self, dialect: Dialect) {
        self.players.push(Player { dialect, waiting: Vec::new(), now: None, past: Vec::new() });
    }

    fn connect_requests(&mut self) -> usize {
        self.world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap()
    }

    // ---- What happens ----

    /// Until so many have been taken.
    fn play(&mut self, events: usize) {
        while self.taken.len() < events {
            let who = self.rng.index(self.players.len());
            match self.rng.below(40) {
                0..22 => self.hand_in(who),
                22..25 => self.stall(who),
                37 => self.acknowledge(),
                25..31 => self.drain(who),
                31 => self.cut(who),
                32 => self.cut_requests(who),
                33 if self.rng.one_in(4) => self.cut_nodes(),
                33..37 => self.hear_again(who),
                _ => {
                    let ms = self.rng.pick(&[1, 20, 300, 2000, 6000]);
                    self.world.wait(ms);
                }
            }
            self.look();
        }
        for who in 0..self.players.len() {
            self.drain(who);
        }
        self.world.wait(3000);
        self.look();
        for who in 0..self.players.len() {
            self.hear_again(who);
        }
        self.world.wait(3000);
        self.look();
    }

    fn hand_in(&mut self, who: usize) {
        if self.players[who].waiting.len() > 2 {
            return;
        }
        // Whose trigger it is must be known to judge who is to hear it.
        let item = if self.rng.one_in(25) && self.players[who].waiting.is_empty() {
            Item::Trigger(self.rng.index(TRIGGERS.len()))
        } else {
            self.authors.push(who);
            Item::Report(self.authors.len() as u64 - 1)
        };
        let body = item.body(self.rng.pick(&[10, 10, 10, 10, 200, 200, 2000, 20_000]));
        let document = gmu::document("S", &body);
        let (client, request) = match &mut self.players[who].dialect {
            Dialect::Tno(guest) => {
                let head = format!(
                    "POST /api/c2sim/session/default/send HTTP/1.1\r\nHost:h\r\nclientId:{}\r\nContent-Length:{}\r\n\r\n",
                    guest.id,
                    document.len()
                );
                (guest.requests, [head.as_bytes(), document.as_bytes()].concat())
            }
            Dialect::Gmu { poster, requests, .. } => {
                let query = format!("submitterID={}&protocol=SISO-STD-C2SIM", poster.name);
                (*requests, poster.post("c2sim", &query, &document).concat())
            }
            Dialect::Leco(component) => {
                let conversation = 5_000_000 + self.rng.below(1 << 40);
                component.asked.insert(conversation, item);
                let call = |n: usize| wire::request(9, TRIGGERS[n].2).into_bytes();
                let (kind, payload) = match item {
                    Item::Trigger(n) if self.rng.one_in(2) => (1, call(n)),
                    Item::Trigger(_) | Item::Report(_) => (128, document.into_bytes()),
                };
                let name = component.member.name.as_bytes();
                let bytes = message(&[&[0], SESSION.as_bytes(), name, &header(conversation, kind), &payload]);
                (component.member.client, bytes)
            }
        };
        self.players[who].waiting.push(item);
        let mut rest = &request[..];
        while !rest.is_empty() {
            let cut = if self.rng.one_in(2) { rest.len() } else { self.rng.between(1, rest.len() as u64) as usize };
            let (piece, more) = rest.split_at(cut);
            self.world.feed(client, piece);
            rest = more;
        }
    }

    /// The Components say how far they have followed, as those do that do not want to hear it all once more.
    fn acknowledge(&mut self) {
        for player in &self.players {
            if let Dialect::Leco(component) = &player.dialect {
                component.member.send(&mut self.world, SESSION, "ack", &json!({"seq": component.at}));
            }
        }
    }

    /// Where it hears.
    fn stream(&self, who: usize) -> Option<usize> {
        match &self.players[who].dialect {
            Dialect::Tno(guest) => guest.stream,
            Dialect::Gmu { ear, .. } => ear.as_ref().map(|ear| ear.client),
            Dialect::Leco(component) => Some(component.member.client),
        }
    }

    fn stall(&mut self, who: usize) {
        if let Some(stream) = self.stream(who) {
            let bytes = self.rng.pick(&[0, 1, 300, 20_000]);
            self.world.limit(stream, bytes);
        }
    }

    fn drain(&mut self, who: usize) {
        if let Some(stream) = self.stream(who) {
            self.world.drain(stream, usize::MAX);
        }
    }

    /// The cable on which it hears is cut; what was on its way is lost.
    fn cut(&mut self, who: usize) {
        let Some(stream) = self.stream(who) else { return };
        self.world.close(stream);
        self.world.clients[stream].read.clear();
        self.end(who);
    }

    /// That on which it asks; a Component has but one.
    fn cut_requests(&mut self, who: usize) {
        let requests = match &self.players[who].dialect {
            Dialect::Tno(guest) => guest.requests,
            Dialect::Gmu { requests, .. } => *requests,
            Dialect::Leco(_) => return,
        };
        self.world.close(requests);
        let new = self.connect_requests();
        self.sum.unanswered += self.players[who].waiting.len() as u64;
        self.players[who].waiting.clear();
        match &mut self.players[who].dialect {
            Dialect::Tno(guest) => guest.requests = new,
            Dialect::Gmu { requests, .. } => *requests = new,
            Dialect::Leco(_) => {}
        }
    }

    /// The cable between the nodes: the Component of the other one is away, and hears later what it has missed.
    fn cut_nodes(&mut self) {
        // What has been read of the node's link has been heard.
        for who in 0..self.players.len() {
            if matches!(self.players[who].dialect, Dialect::Leco(_)) {
                self.drain(who);
            }
        }
        self.look();
        self.world.cut(0, 1);
        for player in &mut self.players {
            if let Dialect::Leco(component) = &mut player.dialect
                && component.hub == 1
            {
                component.is_returning = true;
                self.sum.unanswered += player.waiting.len() as u64;
                player.waiting.clear();
            }
        }
    }

    /// It knows that it hears nothing any more.
    fn end(&mut self, who: usize) {
        self.sum.lost += 1;
        let player = &mut self.players[who];
        match &mut player.dialect {
            Dialect::Tno(guest) => guest.stream = None,
            Dialect::Gmu { ear, .. } => *ear = None,
            Dialect::Leco(_) => {
                self.sum.unanswered += player.waiting.len() as u64;
                player.waiting.clear();
                return self.sign_in_again(who);
            }
        }
        player.past.extend(player.now.take());
    }

    fn sign_in_again(&mut self, who: usize) {
        let Dialect::Leco(component) = &mut self.players[who].dialect else { return };
        let (hub, local) = (component.hub, component.member.name.split_once('.').unwrap().1.to_owned());
        let member = Member::new(&mut self.world, hub, &local);
        component.member = member;
        component.is_returning = true;
        component.asked.clear();
        component.early.clear();
    }

    /// Who hears nothing begins to hear.
    fn hear_again(&mut self, who: usize) {
        if self.players[who].now.is_some() || !self.players[who].waiting.is_empty() {
            return;
        }
        let world = &mut self.world;
        let from = match &mut self.players[who].dialect {
            Dialect::Tno(guest) => {
                let seq = guest.get(world, "default/info").field("X-Instep-Seq").unwrap().parse().unwrap();
                guest.open_stream(world, "default");
                let answer = guest.join(world, "default", &format!("T{who}"));
                assert_eq!(answer.status, 200, "seed {}: {answer:?}", self.seed);
                seq
            }
            Dialect::Gmu { ear, .. } => {
                self.ports += 1;
                let remote = format!("127.0.0.1:{}", 6000 + self.ports % 50_000);
                let library = if self.ports.is_multiple_of(2) { Library::Java } else { Library::Cpp };
                *ear = Some(Hearer::of(world, library, &remote));
                gmu::value(&Poster::new(Library::CSharp).status(world), "msgNumber").parse().unwrap()
            }
            Dialect::Leco(component) => component.at,
        };
        self.players[who].now = Some(Stretch { from, ..Stretch::default() });
    }

    // ---- What is seen ----

    fn look(&mut self) {
        for (event, document) in self.scribe.events(&mut self.world) {
            if let Some(item) = Item::of_event(&event, document.as_deref()) {
                self.note(event["seq"].as_u64().unwrap(), item, None);
            }
        }
        for who in 0..self.players.len() {
            match &self.players[who].dialect {
                Dialect::Tno(_) => self.look_at_guest(who),
                Dialect::Gmu { .. } => self.look_at_gmu(who),
                Dialect::Leco(_) => self.look_at_component(who),
            }
        }
    }

    fn note(&mut self, number: u64, item: Item, author: Option<usize>) {
        let author = author.or_else(|| match item {
            Item::Report(mark) => Some(self.authors[mark as usize]),
            Item::Trigger(_) => None,
        });
        let known = self.taken.entry(number).or_insert((item, author));
        assert_eq!(known.0, item, "seed {}: two events of number {number}", self.seed);
        known.1 = known.1.or(author);
    }

    fn heard(&mut self, who: usize, item: Item, number: Option<u64>) {
        let now = self.players[who].now.as_mut();
        let now = now.unwrap_or_else(|| panic!("seed {}: {who} hears {item:?}, and has not joined", self.seed));
        now.items.push(item);
        now.numbers.extend(number);
        if let Some(number) = number {
            self.note(number, item, None);
        }
    }

    fn look_at_guest(&mut self, who: usize) {
        let Dialect::Tno(guest) = &self.players[who].dialect else { return };
        let guest = guest.clone();
        while let Some(answer) = guest.answer(&mut self.world) {
            let item = self.players[who].waiting.remove(0);
            match answer.status {
                200 => {
                    let number = answer.field("X-Instep-Seq").unwrap().parse().unwrap();
                    self.note(number, item, Some(who));
                }
                503 => self.sum.refused += 1,
                _ => {
                    // It may be a member no more, where its stream has ended.
                    let codes = ["STATE_TRANSITION_NOT_ALLOWED", "CLIENT_NOT_JOINED_SHARED_SESSION"];
                    assert!(codes.contains(&&*answer.code()), "seed {}: {answer:?}", self.seed);
                    self.sum.refused += 1;
                }
            }
        }
        let Some(stream) = guest.stream else { return };
        let mut is_over = false;
        for frame in guest.frames(&mut self.world) {
            match frame {
                // Who is slow to join is given the initialization once more.
                Frame::Text(text) if text.contains("<C2SIMInitializationBody") => {}
                Frame::Text(text) => {
                    let item = Item::of(&text).unwrap_or_else(|| panic!("seed {}: {text}", self.seed));
                    self.heard(who, item, None);
                }
                Frame::Ping => guest.say(&mut self.world, 0x8a, b""),
                Frame::Pong(_) => {}
                Frame::Close(..) => is_over = true,
            }
        }
        if is_over || self.world.clients[stream].closed.is_some() {
            self.end(who);
        }
    }

    fn look_at_gmu(&mut self, who: usize) {
        let Dialect::Gmu { requests, ear, .. } = &self.players[who].dialect else { return };
        let (requests, stream) = (*requests, ear.as_ref().map(|ear| ear.client));
        let frames = ear.as_ref().map(|ear| ear.frames(&mut self.world)).unwrap_or_default();
        while let Some((_, result)) = gmu::take_answer(&mut self.world.clients[requests].read) {
            let item = self.players[who].waiting.remove(0);
            if gmu::value(&result, "status") == "OK" {
                let number = gmu::value(&result, "msgNumber").parse().unwrap();
                self.note(number, item, Some(who));
            } else {
                assert!(!gmu::value(&result, "error").is_empty(), "seed {}: {result}", self.seed);
                self.sum.refused += 1;
            }
        }
        for frame in frames {
            if frame.command == "MESSAGE" {
                let number = frame.header("message-number").parse().unwrap();
                self.heard(who, Item::of(&frame.body).expect("it is known"), Some(number));
            } else {
                assert!(frame.header("message").starts_with("too slow"), "seed {}: {frame:?}", self.seed);
            }
        }
        if stream.is_some_and(|stream| self.world.clients[stream].closed.is_some()) {
            self.end(who);
        }
    }

    fn look_at_component(&mut self, who: usize) {
        let Dialect::Leco(component) = &mut self.players[who].dialect else { return };
        let client = component.member.client;
        component.member.heard.extend(self.world.hear(client));
        for frames in core::mem::take(&mut component.member.heard) {
            let said = wire::json(&frames);
            if said["method"] == "session_event" {
                let document = frames.get(5).map(|frame| String::from_utf8_lossy(frame).into_owned());
                self.take_event(who, &said["params"], document.as_deref());
            } else if said.get("method").is_none() {
                let conversation = u64::from_be_bytes(frames[3][8..16].try_into().unwrap());
                self.take_answer(who, conversation, &said);
            }
        }
        if self.world.clients[client].closed.is_some() {
            self.end(who);
        }
    }

    fn take_answer(&mut self, who: usize, conversation: u64, said: &Value) {
        let Dialect::Leco(component) = &mut self.players[who].dialect else { return };
        let Some(item) = component.asked.remove(&conversation) else { return };
        let waiting = &mut self.players[who].waiting;
        if let Some(at) = waiting.iter().position(|other| *other == item) {
            waiting.remove(at);
        }
        let Some(number) = said["result"]["seq"].as_u64() else {
            assert!(said["error"]["code"].is_i64(), "seed {}: {said}", self.seed);
            self.sum.refused += 1;
            return;
        };
        self.note(number, item, Some(who));
        self.follow(who, number, None);
    }

    fn take_event(&mut self, who: usize, event: &Value, document: Option<&str>) {
        let number = event["seq"].as_u64().unwrap();
        let Dialect::Leco(component) = &mut self.players[who].dialect else { return };
        if event["event"] != "resumed" || event["by"] != component.member.name.as_str() {
            return self.follow(who, number, Item::of_event(event, document));
        }
        (self.sum.returned, component.is_returning) = (self.sum.returned + 1, false);
        let early = core::mem::take(&mut component.early);
        let is_gap = event["gap"] == true;
        self.sum.gaps += u64::from(is_gap);
        let missed = event["events"].as_array().unwrap();
        let missed = missed.iter().map(|missed| (missed, missed["document"].as_str()));
        for (event, document) in missed.chain([(event, None)]) {
            let (number, item) = (event["seq"].as_u64().unwrap(), Item::of_event(event, document));
            if is_gap && let Dialect::Leco(component) = &mut self.players[who].dialect {
                // It is told that something is missing, and goes on behind it.
                component.at = component.at.max(number - 1);
            }
            self.follow(who, number, item);
        }
        for (number, item) in early {
            self.follow(who, number, item);
        }
    }

    /// A Component has every number once, in order: of what it did itself in the answer, of all else in an event.
    fn follow(&mut self, who: usize, number: u64, item: Option<Item>) {
        let Dialect::Leco(component) = &mut self.players[who].dialect else { return };
        if number <= component.at {
            // It is told once more what nobody can know that it has read.
            return;
        }
        // What its node cannot give one of another node is known only when that has said so; then it is told that it was away.
        if (component.is_returning || component.hub != 0) && number > component.at + 1 {
            component.early.push((number, item));
            return;
        }
        assert_eq!(number, component.at + 1, "seed {}: {who} misses something and was not told", self.seed);
        component.at = number;
        if let Some(item) = item {
            self.heard(who, item, Some(number));
        }
    }

    // ---- What is judged ----

    /// What a stretch of a player's hearing had to be.
    fn due(&self, who: usize, stretch: &Stretch) -> Vec<(u64, Item)> {
        let is_tno = matches!(self.players[who].dialect, Dialect::Tno(_));
        let behind = self.taken.range(stretch.from + 1..);
        let others = behind.filter(|(_, (_, author))| !is_tno || *author != Some(who));
        others.map(|(number, (item, _))| (*number, *item)).collect()
    }

    fn judge(&mut self) {
        let last = *self.taken.last_key_value().unwrap().0;
        for who in 0..self.players.len() {
            if let Some(mut now) = self.players[who].now.take() {
                now.is_whole = true;
                self.players[who].past.push(now);
            }
            if let Dialect::Leco(component) = &self.players[who].dialect {
                assert!(component.at >= last, "seed {}: {who} has {} of {last}", self.seed, component.at);
                continue;
            }
            for stretch in &self.players[who].past {
                self.judge_stretch(who, stretch);
            }
        }
        self.sum.taken = self.taken.len() as u64;
        let past = self.players.iter().flat_map(|player| &player.past);
        self.sum.heard = past.map(|stretch| stretch.items.len() as u64).sum();
    }

    fn judge_stretch(&self, who: usize, stretch: &Stretch) {
        let due = self.due(who, stretch);
        let seed = self.seed;
        let differs = stretch.items.iter().zip(&due).position(|(heard, (_, item))| heard != item);
        if let Some(at) = differs {
            let near = at.saturating_sub(3)..at + 4;
            let heard = stretch.items.get(near.start..near.end.min(stretch.items.len()));
            let due = due.get(near.start..near.end.min(due.len()));
            panic!("seed {seed}: {who} behind {}: heard {heard:?} of {due:?}", stretch.from);
        }
        assert!(stretch.items.len() <= due.len(), "seed {seed}: {who} has heard what nobody has said");
        let numbers = stretch.numbers.iter().zip(&due).all(|(heard, (number, _))| heard == number);
        assert!(numbers, "seed {seed}: {who} behind {}: {:?} of {due:?}", stretch.from, stretch.numbers);
        let missing = due.len() - stretch.items.len();
        assert!(!stretch.is_whole || missing == 0, "seed {seed}: {who} misses {missing} and was not told");
    }
}

#[test]
fn members_of_three_dialects_hear_one_sequence_and_no_gap_that_they_are_not_told_of() {
    let (first, runs) = (number("SIM_SEED").unwrap_or(0), number("SIM_RUNS").unwrap_or(10));
    let events = number("MIXED_EVENTS").unwrap_or(250);
    let mut all = Sum::default();
    for seed in first..first + runs {
        let mut run = Run::new(seed);
        run.play(events as usize);
        run.judge();
        all.taken += run.sum.taken;
        all.refused += run.sum.refused;
        all.unanswered += run.sum.unanswered;
        all.lost += run.sum.lost;
        all.returned += run.sum.returned;
        all.gaps += run.sum.gaps;
        all.heard += run.sum.heard;
    }
    eprintln!("{all:?}");
    assert!(all.heard > 2 * all.taken && all.taken >= events * runs, "next to nothing has happened: {all:?}");
    assert!(runs < 5 || (all.lost > 50 && all.returned > all.gaps && all.unanswered > 10), "no faults: {all:?}");
}

/// The checker checks: what one of them has lost, has heard twice or has heard too early is noticed.
#[test]
fn a_gap_in_what_any_of_them_hears_is_noticed() {
    let harm = |who: usize, with: fn(&mut Vec<Item>)| {
        let mut run = Run::new(1);
        for author in [2, 2, 5, 2] {
            run.hand_in(author);
            run.look();
        }
        let now = run.players[who].now.as_mut().unwrap();
        assert!(now.items.len() >= 4, "{:?}", now.items);
        with(&mut now.items);
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| run.judge())).is_err()
    };
    let harms: [fn(&mut Vec<Item>); 4] = [
        |_| {},
        |items| items.retain(|item| *item != Item::Report(1)),
        |items| items.insert(1, items[0]),
        |items| items.swap(0, 2),
    ];
    for who in [0, 1] {
        assert_eq!(harms.map(|with| harm(who, with)), [false, true, true, true], "{who}");
    }
}
