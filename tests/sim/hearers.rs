//! Hearers under chance: clients of GMU's server hand documents in, others hear them over STOMP with selectors, stalls and cuts, beside a guest
//! on a WebSocket and a Component.
//!
//! Every accepted document has a number, which its author is told. All who hear must hear one sequence: each of them, of what is for it, everything
//! behind the moment at which it has subscribed, in the order of the numbers, up to the moment at which its connection is over.

use std::collections::BTreeMap;

use instep::config::Config;
use instep::hub::Door;

use crate::common::gmu::{Hearer, Library, Poster, document, take_answer, value};
use crate::common::guest::{Frame, Guest};
use crate::common::member::Member;
use crate::common::world::{World, config};
use crate::number;
use crate::rng::Rng;

const STEPS: u64 = 300;

/// What an ear wants: everything, orders, or all but orders.
const SELECTORS: [&str; 3] = ["", "message-type = 'C2SIM_Order'", "NOT (message-selector = 'C2SIM_Order')"];

/// A document that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    mark: u64,
    is_order: bool,
}

/// Whoever hands documents in.
struct Author {
    poster: Poster,
    requests: usize,
    waiting: Vec<Taken>,
}

/// A connection that subscribes, and what it has heard.
struct Ear {
    hearer: Hearer,
    selector: usize,
    /// The last number before it.
    from: u64,
    heard: Vec<(u64, u64)>,
}

impl Ear {
    fn wants(&self, taken: Taken) -> bool {
        match self.selector {
            0 => true,
            1 => taken.is_order,
            _ => !taken.is_order,
        }
    }
}

#[derive(Debug, Default)]
struct Sum {
    taken: u64,
    heard: u64,
    refused: u64,
    lost: u64,
}

struct Run {
    seed: u64,
    rng: Rng,
    world: World,
    authors: Vec<Author>,
    ears: Vec<Option<Ear>>,
    member: Member,
    of_member: Vec<u64>,
    guest: Guest,
    of_guest: Vec<u64>,
    taken: BTreeMap<u64, Taken>,
    marks: u64,
    ports: u16,
    sum: Sum,
}

fn mark_of(document: &str) -> Option<u64> {
    let (_, rest) = document.split_once("<Mark>")?;
    rest.split_once("</Mark>")?.0.parse().ok()
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut config = Config { expiration_s: 3600, heartbeat_s: 0, member_idle_s: 3600, ..config(1) };
        (config.ring_bytes_max, config.stall_ms, config.slow_ms) = (96 << 10, 200, 5000);
        let mut world = World::new(config);
        let mut member = Member::joined(&mut world, 0, "L", "json");
        member.run(&mut world);
        let guest = Guest::joined(&mut world, "guest");
        member.events(&mut world);
        guest.heard(&mut world);
        let authors = (0..rng.between(1, 3)).map(|n| {
            let mut poster = Poster::new(Library::Java);
            poster.name = format!("AUTHOR{n}");
            let requests = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
            Author { poster, requests, waiting: Vec::new() }
        });
        let authors = authors.collect();
        let ears = (0..rng.between(2, 5)).map(|_| None).collect();
        let (of_member, of_guest, taken) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (marks, ports, sum) = (0, 6000, Sum::default());
        Self { seed, rng, world, authors, ears, member, of_member, guest, of_guest, taken, marks, ports, sum }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            let who = self.rng.index(self.ears.len());
            match self.rng.below(20) {
                0..9 => self.hand_in(),
                9 | 10 => self.subscribe(who),
                11 => self.part(who),
                12 | 13 => self.stall(who),
                14..17 => self.drain(who),
                _ => {
                    let ms = self.rng.pick(&[1, 20, 300, 2000, 6000]);
                    self.world.wait(ms);
                }
            }
            self.look();
        }
        for who in 0..self.ears.len() {
            self.drain(who);
        }
        self.world.wait(1000);
        self.look();
        for who in 0..self.ears.len() {
            self.judge(who, true);
        }
        let all: Vec<u64> = self.taken.values().map(|taken| taken.mark).collect();
        assert_eq!(self.of_member, all, "seed {}: the Component hears all", self.seed);
        assert_eq!(self.of_guest, all, "seed {}: the guest hears all", self.seed);
        self.sum.taken = all.len() as u64;
    }

    fn hand_in(&mut self) {
        let who = self.rng.index(self.authors.len());
        if self.authors[who].waiting.len() > 2 {
            return;
        }
        self.marks += 1;
        let (mark, is_order) = (self.marks, self.rng.one_in(2));
        let element = if is_order { "OrderBody" } else { "ReportBody" };
        let padding = "x".repeat(self.rng.pick(&[10, 200, 8000, 20_000]));
        let body = format!(
            "<DomainMessageBody><{element}><Mark>{mark}</Mark>\n<Text>{padding}</Text></{element}></DomainMessageBody>"
        );
        let author = &mut self.authors[who];
        author.waiting.push(Taken { mark, is_order });
        let query = format!("submitterID={}&protocol=SISO-STD-C2SIM", author.poster.name);
        let requests = author.requests;
        for mut rest in author.poster.post("c2sim", &query, &document("S", &body)).iter().map(Vec::as_slice) {
            while !rest.is_empty() {
                let cut = if self.rng.one_in(2) { rest.len() } else { self.rng.between(1, rest.len() as u64) as usize };
                let (piece, more) = rest.split_at(cut);
                self.world.feed(requests, piece);
                rest = more;
            }
        }
    }

    fn subscribe(&mut self, who: usize) {
        if self.ears[who].is_some() {
            return;
        }
        self.ports += 1;
        let selector = self.rng.index(SELECTORS.len());
        let version = self.rng.pick(&["", "accept-version:1.1\n", "accept-version:1.2\n"]);
        let hearer = Hearer::new(&mut self.world, &format!("127.0.0.1:{}", self.ports));
        let header = if selector == 0 { String::new() } else { format!("selector:{}\n", SELECTORS[selector]) };
        let text = format!("CONNECT\n{version}\n\0SUBSCRIBE\ndestination:/topic/C2SIM\nid:{who}\n{header}\n\0");
        let (front, rest) = text.split_at(self.rng.index(text.len()));
        hearer.say(&mut self.world, front);
        hearer.say(&mut self.world, rest);
        assert_eq!(hearer.frames(&mut self.world)[0].command, "CONNECTED", "seed {}", self.seed);
        let status = Poster::new(Library::CSharp).status(&mut self.world);
        let from = value(&status, "msgNumber").parse().unwrap();
        self.ears[who] = Some(Ear { hearer, selector, from, heard: Vec::new() });
    }

    /// An ear goes, in good order or not.
    fn part(&mut self, who: usize) {
        self.judge(who, false);
        let Some(ear) = self.ears[who].take() else { return };
        if self.rng.one_in(2) {
            ear.hearer.say(&mut self.world, "DISCONNECT\n\n\0");
        } else {
            self.world.close(ear.hearer.client);
        }
        self.sum.heard += ear.heard.len() as u64;
    }

    fn stall(&mut self, who: usize) {
        if let Some(ear) = &self.ears[who] {
            let bytes = self.rng.pick(&[0, 1, 300, 20_000]);
            self.world.limit(ear.hearer.client, bytes);
        }
    }

    fn drain(&mut self, who: usize) {
        if let Some(ear) = &self.ears[who] {
            self.world.drain(ear.hearer.client, usize::MAX);
        }
    }

    fn look(&mut self) {
        for author in &mut self.authors {
            while !author.waiting.is_empty()
                && let Some((_, result)) = take_answer(&mut self.world.clients[author.requests].read)
            {
                let taken = author.waiting.remove(0);
                if value(&result, "status") == "OK" {
                    let number = value(&result, "msgNumber").parse().unwrap();
                    assert_eq!(self.taken.insert(number, taken), None, "seed {}: {number} is given twice", self.seed);
                } else {
                    assert_eq!(value(&result, "error"), "the server is busy", "seed {}: {result}", self.seed);
                    self.sum.refused += 1;
                }
            }
        }
        let documents = self.member.events(&mut self.world).into_iter().filter_map(|(_, document)| document);
        self.of_member.extend(documents.filter_map(|document| mark_of(&document)));
        for frame in self.guest.frames(&mut self.world) {
            match frame {
                Frame::Text(text) => self.of_guest.extend(mark_of(&text)),
                Frame::Ping => self.guest.say(&mut self.world, 0x8a, b""),
                Frame::Pong(_) | Frame::Close(..) => panic!("seed {}: {frame:?}", self.seed),
            }
        }
        for who in 0..self.ears.len() {
            self.listen(who);
        }
    }

    fn listen(&mut self, who: usize) {
        let Some(ear) = &mut self.ears[who] else { return };
        for frame in ear.hearer.frames(&mut self.world) {
            if frame.command == "MESSAGE" {
                let number = frame.header("message-number").parse().unwrap();
                ear.heard.push((number, mark_of(&frame.body).expect("all bear one")));
            } else {
                assert!(frame.header("message").starts_with("too slow"), "seed {}: {frame:?}", self.seed);
            }
        }
        if self.world.clients[ear.hearer.client].closed.is_some() {
            self.sum.lost += 1;
            self.judge(who, false);
            self.ears[who] = None;
        }
    }

    /// What an ear has heard is the beginning of what is for it; `whole`: all of it.
    fn judge(&self, who: usize, whole: bool) {
        let Some(ear) = &self.ears[who] else { return };
        let due = self.taken.range(ear.from + 1..).filter(|(_, taken)| ear.wants(**taken));
        let due: Vec<(u64, u64)> = due.map(|(number, taken)| (*number, taken.mark)).collect();
        let is_good = if whole { due == ear.heard } else { due.starts_with(&ear.heard) };
        assert!(is_good, "seed {}: ear {who} heard {:?} of {due:?}", self.seed, ear.heard);
    }
}

#[test]
fn every_hearer_hears_what_is_for_it_of_one_sequence() {
    let (first, runs) = (number("SIM_SEED").unwrap_or(0), number("SIM_RUNS").unwrap_or(40));
    let mut sum = Sum::default();
    for seed in first..first + runs {
        let mut run = Run::new(seed);
        run.play();
        sum.taken += run.sum.taken;
        sum.refused += run.sum.refused;
        sum.lost += run.sum.lost;
        sum.heard += run.sum.heard;
    }
    eprintln!("{sum:?}");
    assert!(sum.taken > 30 * runs && sum.heard > 0, "next to nothing has happened: {sum:?}");
    assert!(runs < 20 || sum.lost > 5, "no faults have happened: {sum:?}");
}

/// The checker checks: a document that a hearer has lost is noticed.
#[test]
fn a_gap_in_what_a_hearer_hears_is_noticed() {
    let harm = |is_done: bool| {
        let mut run = Run::new(1);
        while run.ears[0].as_ref().is_none_or(|ear| ear.selector != 0) {
            run.ears[0] = None;
            run.subscribe(0);
        }
        for _ in 0..3 {
            run.hand_in();
            run.look();
        }
        let ear = run.ears[0].as_mut().unwrap();
        if is_done {
            ear.heard.remove(1);
        }
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| run.judge(0, true))).is_err()
    };
    assert_eq!([harm(false), harm(true)], [false, true]);
}
