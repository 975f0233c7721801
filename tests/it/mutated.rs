//! Handshakes and messages of which something is changed, at a whole hub: whoever is let in is the user whose key or token was shown, and
//! receivers get what was sealed, or nothing. Nothing panics, nobody else waits, and who does not come in is gone when its time is over.
//!
//! `INSTEP_MUTATIONS` asks for more of them than a test run has time for, `INSTEP_SEED` for others; what came of them is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::curve::{self, Component, Manner, NODE, Talk, frame, guarded, public, secret, unframe};
use crate::common::driver::{self, Outside};
use crate::common::wire::{self, Dice};
use crate::common::world::config;
use instep::auth::{hash_of, token_of};
use instep::hub::{Cause, Hub, PeerKey, Start};
use instep::time::Tick;

const NEAR: &str = "127.0.0.1:1";
/// Inputs at one hub.
const BATCH: usize = 64;
/// What a message says.
const CONTENT: &[u8] = b"what was said";

/// A hub with one component that is served all the time, and its peers.
struct Bed {
    hub: Hub,
    now: Tick,
    /// The number that the hub's chance begins with again.
    chance: Arc<AtomicU64>,
    witness: Component,
    read: BTreeMap<PeerKey, Vec<u8>>,
    closed: BTreeMap<PeerKey, Cause>,
}

impl Outside for Bed {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.hub, self.now)
    }

    fn flush(&mut self, key: PeerKey) {
        let bytes = driver::take(&mut self.hub, self.now, key, usize::MAX);
        self.read.entry(key).or_default().extend(bytes);
    }

    fn close(&mut self, key: PeerKey, cause: Cause) {
        self.closed.insert(key, cause);
    }
}

fn token(name: &str) -> String {
    token_of(&secret(name))
}

impl Bed {
    fn new() -> Self {
        let mut config = guarded(config(1), &["CA", "CB"]);
        for user in &mut config.users {
            user.token = vec![hash_of(&token(&user.name))];
        }
        let now = Tick(1000);
        let mut hub = Hub::new(config, Start { seed: 7, now, unix_ms: 1_700_000_000_000 }).unwrap();
        let chance = Arc::new(AtomicU64::new(0));
        let state = Arc::clone(&chance);
        let entropy = move |place: &mut [u8]| {
            let mut dice = Dice(state.load(Ordering::Relaxed));
            place.copy_from_slice(&dice.bytes(place.len()));
            state.store(dice.0, Ordering::Relaxed);
            true
        };
        hub.set_keys(curve::secrets(), Box::new(entropy)).unwrap();
        let witness = Component::come(&mut hub, now, "CB", NEAR);
        Self { hub, now, chance, witness, read: BTreeMap::new(), closed: BTreeMap::new() }
    }

    /// Somebody comes, and what it is told does not depend on who came before.
    fn open(&mut self) -> PeerKey {
        self.chance.store(0x5eed, Ordering::Relaxed);
        self.hub.open(self.now, NEAR.parse().unwrap()).expect("there is room")
    }

    /// What a peer is told about these bytes.
    fn say(&mut self, key: PeerKey, bytes: &[u8]) -> Vec<u8> {
        let mut rest = bytes;
        // Nothing more is read from who is held in the tarpit.
        while !rest.is_empty() && !self.closed.contains_key(&key) && self.hub.read_budget(key) > 0 {
            let (now, behind) = rest.split_at(self.hub.read_budget(key).min(rest.len()));
            self.hub.handle_bytes(self.now, key, now);
            self.hub.handle_timeout(self.now);
            driver::drive(self);
            rest = behind;
        }
        self.read.remove(&key).unwrap_or_default()
    }

    /// The frames of the messages that have come to the witness.
    fn heard(&mut self) -> Vec<Vec<Vec<u8>>> {
        let read = self.read.remove(&self.witness.key).unwrap_or_default();
        let frames = self.witness.talk.open(&read);
        let messages = frames.split_inclusive(|frame| frame[0] & 1 == 0);
        messages.map(|message| message.iter().map(|frame| frame[1..].to_vec()).collect()).collect()
    }

    /// What the Coordinator answers the witness.
    fn ask(&mut self, method: &str) -> serde_json::Value {
        let question = wire::request(2, method);
        let bytes =
            self.witness.talk.message(&[b"\0", b"COORDINATOR", b"CB", &wire::header(2, 1), question.as_bytes()]);
        let key = self.witness.key;
        self.hub.handle_bytes(self.now, key, &bytes);
        driver::drive(self);
        let answers = self.heard();
        assert_eq!(answers.len(), 1, "it is served");
        wire::json(&answers[0])["result"].clone()
    }
}

/// All that a client says, in pieces: three of the handshake, and then messages.
struct Script {
    pieces: Vec<Vec<u8>>,
    /// What messages are opened by, where they are sealed, and the number that they come behind.
    talk: Option<(Talk, u64)>,
}

/// A name is asked for, who we are, and something is sent to the witness.
fn messages() -> [Vec<Vec<u8>>; 3] {
    let ask = |method: &str| wire::request(1, method).into_bytes();
    let message = |to: &[u8], kind: u8, content: Vec<u8>| {
        vec![vec![0], to.to_vec(), b"CA".to_vec(), wire::header(1, kind).to_vec(), content]
    };
    [
        message(b"COORDINATOR", 1, ask("sign_in")),
        message(b"COORDINATOR", 1, ask("whoami")),
        message(b"N1.CB", 0, CONTENT.to_vec()),
    ]
}

fn slices(frames: &[Vec<u8>]) -> Vec<&[u8]> {
    frames.iter().map(|frame| &frame[..]).collect()
}

impl Script {
    /// A client of CURVE, which has the key of CA. What it is answered is the same each time, so it is written down once.
    fn of_curve() -> Self {
        let mut bed = Bed::new();
        let manner = Manner::good(public(&secret(NODE)), "CA");
        let key = bed.open();
        bed.say(key, &Manner::greeting());
        let hello = manner.hello();
        let (initiate, mut talk) = manner.initiate(&bed.say(key, &hello));
        talk.ready(&bed.say(key, &initiate));
        let mut pieces = vec![Manner::greeting().to_vec(), hello, initiate];
        pieces.extend(messages().map(|frames| talk.message(&slices(&frames))));
        let begin = talk.heard;
        Self { pieces, talk: Some((talk, begin)) }
    }

    /// One of PLAIN, which has the token of CA.
    fn of_plain() -> Self {
        let mut greeting = Manner::greeting();
        greeting[12..17].copy_from_slice(b"PLAIN");
        let token = token("CA");
        let login = [&b"\x05HELLO\x02CA"[..], &[u8::try_from(token.len()).unwrap()], token.as_bytes()].concat();
        let initiate = [b"\x08INITIATE", curve::DEALER].concat();
        let mut pieces = vec![greeting.to_vec(), frame(4, &login), frame(4, &initiate)];
        pieces.extend(messages().map(|frames| wire::message(&slices(&frames))));
        Self { pieces, talk: None }
    }

    /// What was answered behind the handshake, as frames, flags first; nothing where that was not gone through.
    fn answers(&mut self, mut told: &[u8]) -> Option<Vec<Vec<u8>>> {
        told = told.get(64..)?;
        let ready = if self.talk.is_some() { &b"\x05READY"[..] } else { b"\x05READY\x0bSocket-Type" };
        loop {
            let (_, body, rest) = unframe(told)?;
            told = rest;
            if body.starts_with(ready) {
                break;
            }
        }
        let mut answers = Vec::new();
        if let Some((talk, begin)) = &mut self.talk {
            talk.heard = *begin;
            return Some(talk.open(told));
        }
        while let Some((flags, body, rest)) = unframe(told) {
            answers.push([&[flags], body].concat());
            told = rest;
        }
        Some(answers)
    }
}

/// Changes something in some bytes.
fn spoil(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.below(2) {
        let place = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes[place] ^= 1 << dice.below(8),
            1 => drop(bytes.remove(place)),
            2 => bytes.insert(place, dice.bytes(1)[0]),
            3 => bytes.truncate(place + 1),
            4 => bytes.extend_from_within(place..),
            _ => bytes[place] = dice.bytes(1)[0],
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[derive(Debug, Default)]
struct Sums {
    inputs: u64,
    /// Of these, in so many the handshake was gone through, and so many have brought their message to its receiver.
    let_in: u64,
    delivered: u64,
    /// So many were ended at once, for so many reasons, and so many when their time was over.
    ended: u64,
    causes: BTreeSet<String>,
    late: u64,
}

/// One input at a hub; who it was, and which piece of what it said was changed.
fn input(bed: &mut Bed, script: &mut Script, dice: &mut Dice, sums: &mut Sums) -> (PeerKey, usize) {
    let key = bed.open();
    let spoilt = dice.below(script.pieces.len());
    let mut told = Vec::new();
    let mut pieces = script.pieces.clone();
    spoil(dice, &mut pieces[spoilt]);
    // In its pieces, or all at once.
    if dice.below(2) == 0 {
        pieces = vec![pieces.concat()];
    }
    for piece in &pieces {
        told.extend(bed.say(key, piece));
    }
    // Whatever has been put off to a turn of its own has had it.
    bed.hub.handle_timeout(bed.now);
    driver::drive(bed);
    told.extend(bed.read.remove(&key).unwrap_or_default());
    bed.hub.check_invariants().unwrap();
    let answers = script.answers(&told);
    for answer in answers.iter().flatten() {
        let text = String::from_utf8_lossy(answer);
        assert!(!text.contains(r#""user":""#) || text.contains(r#""user":"CA""#), "another user: {text}");
    }
    let heard = bed.heard();
    // Who sends a message and then ends the link by what is behind it is told nothing.
    let is_let_in = answers.is_some() || !heard.is_empty();
    for message in &heard {
        // What is not sealed can be changed on its way, but for who sent it.
        assert!([&b"CA"[..], b"N1.CA"].contains(&&*message[2]), "another sender: {message:?}");
        let is_whole = script.talk.is_none() || message[4..] == [CONTENT];
        assert!(is_whole, "what was not sealed: {message:?}");
    }
    sums.inputs += 1;
    sums.let_in += u64::from(is_let_in);
    sums.delivered += u64::from(!heard.is_empty());
    if let Some(cause) = bed.closed.get(&key) {
        sums.ended += 1;
        sums.causes.insert(format!("{cause:?}"));
    } else if is_let_in {
        // The next one has the same name.
        bed.hub.handle_closed(bed.now, key, Cause::Peer);
        driver::drive(bed);
        bed.closed.insert(key, Cause::Peer);
    }
    (key, spoilt)
}

/// So many inputs at one hub, and the end of the time that a handshake may take.
fn batch(script: &mut Script, dice: &mut Dice, sums: &mut Sums) {
    let mut bed = Bed::new();
    let inputs: Vec<(PeerKey, usize)> = (0..BATCH).map(|_| input(&mut bed, script, dice, sums)).collect();
    let names = bed.ask("send_local_components").to_string();
    assert!([r#"["CB"]"#, r#"["CA","CB"]"#, r#"["CB","CA"]"#].contains(&&*names), "another name: {names}");
    let ended = bed.closed.len();
    // What a handshake may take, and what the tarpit may hold.
    for _ in 0..13 {
        bed.now = Tick(bed.now.0 + 1000);
        for _ in 0..BATCH {
            bed.hub.handle_timeout(bed.now);
            driver::drive(&mut bed);
        }
    }
    sums.late += (bed.closed.len() - ended) as u64;
    for (key, spoilt) in inputs {
        assert!(bed.closed.contains_key(&key), "piece {spoilt} was changed, and it is nobody, and still here");
    }
    bed.hub.check_invariants().unwrap();
}

#[test]
fn whatever_is_changed_nobody_is_another_user_and_nobody_else_waits() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let asked = number("INSTEP_MUTATIONS").unwrap_or(1024);
    let mut dice = Dice(number("INSTEP_SEED").unwrap_or(20_261_202));
    for (mechanism, mut script) in [("CURVE", Script::of_curve()), ("PLAIN", Script::of_plain())] {
        let mut sums = Sums::default();
        while sums.inputs < asked.div_ceil(2) {
            batch(&mut script, &mut dice, &mut sums);
        }
        println!("{mechanism}: {sums:?}");
        assert!(sums.let_in > sums.inputs / 6 && sums.delivered > sums.inputs / 100, "{mechanism}: {sums:?}");
        assert!(sums.ended > sums.inputs / 6 && sums.late > 0 && sums.causes.len() > 2, "{mechanism}: {sums:?}");
    }
}
