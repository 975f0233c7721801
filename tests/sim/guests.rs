//! Guests under chance: clients over HTTP and Components in one session, with requests cut anywhere, streams that stall, break and are replaced.
//!
//! Every accepted document has a number, which its author is told. The twin writes down which document is which number; every hearer must
//! hear, between the moment at which it can hear and the moment at which its stream is known to be over, exactly the documents of the
//! others, in the order of their numbers.

use std::collections::BTreeMap;

use instep::config::Config;
use serde_json::json;

use crate::common::c2sim;
use crate::common::guest::{Answer, Frame, Guest};
use crate::common::member::Member;
use crate::common::world::{World, config};
use crate::number;
use crate::rng::Rng;

const STEPS: u64 = 300;

/// A client, and what the twin knows of it.
struct Player {
    guest: Guest,
    joined: bool,
    /// The last number before it could hear, while it can.
    hears_from: Option<u64>,
    /// What it has heard since then, by the numbers that the documents bear.
    heard: Vec<u64>,
    /// Documents whose answers have not come, by their marks.
    waiting: Vec<u64>,
}

/// A Component that is a member.
struct Listener {
    member: Member,
    heard: Vec<u64>,
}

struct Run {
    seed: u64,
    rng: Rng,
    world: World,
    players: Vec<Player>,
    listeners: Vec<Listener>,
    /// The author of each document and its mark, by number.
    accepted: BTreeMap<u64, (usize, u64)>,
    marks: u64,
    refused: u64,
    lost_streams: u64,
}

/// What all runs have seen.
#[derive(Debug, Default)]
struct Sum {
    accepted: u64,
    heard: u64,
    refused: u64,
    lost_streams: u64,
}

/// The mark in a document.
fn mark_of(document: &str) -> u64 {
    let (_, rest) = document.split_once("<Mark>").expect("every document bears one");
    rest.split_once("</Mark>").unwrap().0.parse().unwrap()
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut config = Config { expiration_s: 3600, heartbeat_s: 0, member_idle_s: 30, ..config(1) };
        (config.ring_bytes_max, config.stall_ms, config.slow_ms) = (96 << 10, 200, 5000);
        let mut world = World::new(config);
        let listeners = (0..rng.between(1, 2))
            .map(|n| {
                let member = Member::joined(&mut world, 0, &format!("L{n}"), "json");
                Listener { member, heard: Vec::new() }
            })
            .collect();
        let players: Vec<Player> = (0..rng.between(2, 5))
            .map(|n| {
                let guest = Guest::new(&mut world, &format!("guest{n}"));
                // Whoever asks for nothing is sent away.
                guest.get(&mut world, "list");
                Player { guest, joined: false, hears_from: None, heard: Vec::new(), waiting: Vec::new() }
            })
            .collect();
        let mut run = Self {
            seed,
            rng,
            world,
            players,
            listeners,
            accepted: BTreeMap::new(),
            marks: 0,
            refused: 0,
            lost_streams: 0,
        };
        run.begin();
        run
    }

    /// Has the session run, so that reports may be sent.
    fn begin(&mut self) {
        let driver = Guest::new(&mut self.world, "driver");
        driver.join(&mut self.world, "default", "D");
        for document in [
            c2sim::system("D", "SubmitInitialization"),
            c2sim::initialization("D", &["D"]),
            c2sim::system("D", "ShareScenario"),
            c2sim::system("D", "StartScenario"),
        ] {
            assert_eq!(driver.send(&mut self.world, &document).status, 200);
        }
        driver.ask(&mut self.world, "POST", "default/resign", &json!({}));
        for listener in &mut self.listeners {
            listener.member.events(&mut self.world);
        }
    }

    fn seq(&mut self, who: usize) -> u64 {
        let answer = self.players[who].guest.get(&mut self.world, "default/info");
        answer.field("X-Instep-Seq").unwrap().parse().unwrap()
    }

    // ---- What happens ----

    fn play(&mut self) {
        for _ in 0..STEPS {
            let who = self.rng.index(self.players.len());
            match self.rng.below(20) {
                0..9 => self.send(who),
                9 | 10 => self.join_or_open(who),
                11 => self.resign(who),
                12 => self.cut(who),
                13 | 14 => self.stall(who),
                15 | 16 => self.drain(who),
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
        self.world.wait(1000);
        self.look();
        for who in 0..self.players.len() {
            self.judge(who);
        }
        self.judge_listeners();
    }

    fn send(&mut self, who: usize) {
        if !self.players[who].joined || self.players[who].waiting.len() > 2 {
            return;
        }
        self.marks += 1;
        let mark = self.marks;
        let padding = self.rng.pick(&[10, 200, 8000, 20_000]);
        let body = format!(
            "<DomainMessageBody><ReportBody><Mark>{mark}</Mark>\n<Text>{}</Text></ReportBody></DomainMessageBody>",
            "x".repeat(padding)
        );
        let document = c2sim::message("S", &body);
        let head = format!(
            "POST /api/c2sim/session/default/send HTTP/1.1\r\nHost:h\r\nclientId:{}\r\nContent-Length:{}\r\n\r\n",
            self.players[who].guest.id,
            document.len()
        );
        let request = [head.as_bytes(), document.as_bytes(), b"\r\n"].concat();
        self.players[who].waiting.push(mark);
        let mut rest = &request[..];
        while !rest.is_empty() {
            let cut = if self.rng.one_in(2) { rest.len() } else { self.rng.between(1, rest.len() as u64) as usize };
            let (piece, more) = rest.split_at(cut);
            self.world.feed(self.players[who].guest.requests, piece);
            rest = more;
        }
    }

    fn join_or_open(&mut self, who: usize) {
        if !self.players[who].waiting.is_empty() {
            return;
        }
        if self.players[who].joined && self.rng.one_in(2) {
            // A new stream; the old one, if there is one, is heard to its end.
            self.look();
            self.judge(who);
            let mut guest = self.players[who].guest.clone();
            let old = guest.stream;
            let before = self.seq(who);
            guest.open_stream(&mut self.world, "default");
            // As clients do that come back: it may be a member no more.
            assert_eq!(guest.join(&mut self.world, "default", &format!("S{who}")).status, 200);
            if let Some(old) = old {
                self.world.drain(old, usize::MAX);
            }
            let player = &mut self.players[who];
            player.guest = guest;
            (player.hears_from, player.heard) = (Some(before), Vec::new());
            return;
        }
        let answer = self.players[who].guest.join(&mut self.world, "default", &format!("S{who}"));
        assert_eq!(answer.status, 200, "seed {}: {answer:?}", self.seed);
        if !self.players[who].joined {
            self.players[who].joined = true;
            let now = answer.field("X-Instep-Seq").unwrap().parse().unwrap();
            let player = &mut self.players[who];
            player.heard.clear();
            player.hears_from = player.guest.stream.map(|_| now);
        }
    }

    fn resign(&mut self, who: usize) {
        if self.rng.one_in(3) && self.players[who].joined && self.players[who].waiting.is_empty() {
            self.judge(who);
            self.players[who].guest.ask(&mut self.world, "POST", "default/resign", &json!({}));
            self.look();
            self.end_stream(who);
            self.players[who].joined = false;
        }
    }

    /// The cable of its stream is cut.
    fn cut(&mut self, who: usize) {
        if let Some(stream) = self.players[who].guest.stream {
            self.judge(who);
            self.world.close(stream);
            self.end_stream(who);
        }
    }

    fn end_stream(&mut self, who: usize) {
        let player = &mut self.players[who];
        (player.guest.stream, player.hears_from) = (None, None);
        player.heard.clear();
    }

    fn stall(&mut self, who: usize) {
        if let Some(stream) = self.players[who].guest.stream {
            let bytes = self.rng.pick(&[0, 1, 300, 20_000]);
            self.world.limit(stream, bytes);
        }
    }

    fn drain(&mut self, who: usize) {
        if let Some(stream) = self.players[who].guest.stream {
            self.world.drain(stream, usize::MAX);
        }
    }

    // ---- What is seen ----

    fn look(&mut self) {
        for who in 0..self.players.len() {
            while !self.players[who].waiting.is_empty()
                && let Some(answer) = self.players[who].guest.answer(&mut self.world)
            {
                let mark = self.players[who].waiting.remove(0);
                self.take(who, mark, &answer);
            }
            if self.players[who].guest.stream.is_some() {
                self.listen(who);
            }
        }
        for n in 0..self.listeners.len() {
            let events = self.listeners[n].member.events(&mut self.world);
            let reports = events.into_iter().filter_map(|(event, document)| Some((event, document?)));
            for (event, document) in reports {
                self.note(event["seq"].as_u64().unwrap(), mark_of(&document));
                self.listeners[n].heard.push(mark_of(&document));
            }
        }
    }

    fn take(&mut self, who: usize, mark: u64, answer: &Answer) {
        match answer.status {
            200 => {
                let seq = answer.field("X-Instep-Seq").unwrap().parse().unwrap();
                self.note(seq, mark);
                self.accepted.insert(seq, (who, mark));
            }
            503 => self.refused += 1,
            400 => {
                // It was lost, and is told so at its next word.
                assert_eq!(answer.code(), "CLIENT_NOT_JOINED_SHARED_SESSION", "seed {}: {answer:?}", self.seed);
                self.players[who].joined = false;
            }
            other => panic!("seed {}: {other}: {answer:?}", self.seed),
        }
    }

    /// One number is one document for all.
    fn note(&self, seq: u64, mark: u64) {
        if let Some((_, known)) = self.accepted.get(&seq) {
            assert_eq!(*known, mark, "seed {}: two documents of number {seq}", self.seed);
        }
    }

    fn listen(&mut self, who: usize) {
        let frames = self.players[who].guest.frames(&mut self.world);
        let (is_member, mut is_over) = (self.players[who].hears_from.is_some(), false);
        for frame in frames {
            match frame {
                Frame::Text(text) => {
                    assert!(is_member, "seed {}: who has not joined hears nothing", self.seed);
                    if text.contains("<Mark>") {
                        self.players[who].heard.push(mark_of(&text));
                    }
                }
                Frame::Ping => {
                    let guest = self.players[who].guest.clone();
                    guest.say(&mut self.world, 0x8a, b"");
                }
                Frame::Pong(_) => {}
                Frame::Close(code, why) => {
                    assert!([1000, 1011].contains(&code), "seed {}: {code} {why}", self.seed);
                    is_over = true;
                }
            }
        }
        let stream = self.players[who].guest.stream.unwrap();
        if is_over || self.world.clients[stream].closed.is_some() {
            self.lost_streams += 1;
            // It may have been cut off in the middle: what it has heard must be right as far as it goes.
            self.judge_front(who);
            let player = &mut self.players[who];
            (player.guest.stream, player.hears_from) = (None, None);
            player.heard.clear();
        }
    }

    /// The marks of what the others have sent since a player could hear.
    fn due(&self, who: usize) -> Vec<u64> {
        let Some(from) = self.players[who].hears_from else { return Vec::new() };
        self.accepted.range(from + 1..).filter(|(_, (author, _))| *author != who).map(|(_, (_, mark))| *mark).collect()
    }

    /// What was heard is the beginning of what is due.
    fn judge_front(&self, who: usize) {
        let (due, heard) = (self.due(who), &self.players[who].heard);
        assert!(due.starts_with(heard), "seed {}: guest{who} heard {heard:?} of {due:?}", self.seed);
    }

    /// The same; and what is missing can only be still on its way.
    fn judge(&self, who: usize) {
        self.judge_front(who);
        let Some(stream) = self.players[who].guest.stream else { return };
        let is_all = self.world.waits_for(stream) == 0 && self.players[who].hears_from.is_some();
        if is_all {
            assert_eq!(self.players[who].heard, self.due(who), "seed {}: guest{who} has missed something", self.seed);
        }
    }

    fn judge_listeners(&self) {
        let all: Vec<u64> = self.accepted.values().map(|(_, mark)| *mark).collect();
        for listener in &self.listeners {
            assert_eq!(listener.heard, all, "seed {}: {} hears all", self.seed, listener.member.name);
        }
    }
}

#[test]
fn every_guest_hears_a_part_of_one_sequence_without_a_gap() {
    let (first, runs) = (number("SIM_SEED").unwrap_or(0), number("SIM_RUNS").unwrap_or(40));
    let mut sum = Sum::default();
    for seed in first..first + runs {
        let mut run = Run::new(seed);
        run.play();
        sum.accepted += run.accepted.len() as u64;
        sum.heard += run.listeners.iter().map(|listener| listener.heard.len() as u64).sum::<u64>();
        sum.refused += run.refused;
        sum.lost_streams += run.lost_streams;
    }
    eprintln!("{sum:?}");
    assert!(sum.accepted > 30 * runs && sum.heard >= sum.accepted, "next to nothing has happened: {sum:?}");
    assert!(runs < 20 || sum.lost_streams > 10, "no faults have happened: {sum:?}");
}

/// The checker checks: a document that a stream has lost is noticed.
#[test]
fn a_gap_in_what_a_guest_hears_is_noticed() {
    let harm = |is_done: bool| {
        let mut run = Run::new(1);
        for who in 0..2 {
            run.players[who].guest.open_stream(&mut run.world, "default");
            let answer = run.players[who].guest.join(&mut run.world, "default", "S");
            let now: u64 = answer.field("X-Instep-Seq").unwrap().parse().unwrap();
            (run.players[who].joined, run.players[who].hears_from) = (true, Some(now));
        }
        for _ in 0..3 {
            run.send(0);
            run.look();
        }
        if is_done {
            run.players[1].heard.remove(1);
        }
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| run.judge(1))).is_err()
    };
    assert_eq!([harm(false), harm(true)], [false, true]);
}
