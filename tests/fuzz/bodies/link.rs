//! The ZMTP link: bytes of a peer, from its greeting on or behind a good handshake.
//!
//! The first byte chooses our socket type and whether a good greeting and READY come first; the rest is what the peer sends.

use instep::zmtp::SocketType;
use instep::zmtp::frame::{self, Bounds, Found, Message, PARTS, Scan, push_frame};
use instep::zmtp::link::{Link, Phase, Step};

use super::{Cut, same_however_cut};

/// Small, so that short inputs reach them.
const BOUNDS: Bounds = Bounds { frame_bytes_max: 700, message_bytes_max: 1000 };

pub(crate) fn run(bytes: &[u8]) {
    let Some((&choice, sent)) = bytes.split_first() else { return };
    let (ours, theirs) = match choice & 1 {
        0 => (SocketType::Router, SocketType::Dealer),
        _ => (SocketType::Dealer, SocketType::Router),
    };
    let mut stream = Vec::new();
    if choice & 2 == 0 {
        let (greeting, ready) = Link::new(theirs).opening();
        stream.extend_from_slice(&greeting);
        stream.extend_from_slice(ready.bytes());
    }
    stream.extend_from_slice(sent);
    same_however_cut(&stream, |bytes, cut| hear(ours, bytes, cut));
}

/// Everything that a link says about `bytes`, which come in pieces. What is consumed is taken away as a caller does.
fn hear(ours: SocketType, bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let mut link = Link::new(ours);
    let mut phase = link.phase();
    let (mut buffer, mut heard) = (Vec::new(), Vec::new());
    let mut left = bytes;
    // Bytes that must come before anything can be said.
    let mut due = 0_usize;
    // What has gone on of a message in pieces.
    let mut passed = Vec::new();
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        due = due.saturating_sub(piece.len());
        loop {
            let before = link.clone();
            let step = match link.next(&buffer, &BOUNDS) {
                Ok(step) => step,
                Err(fault) => {
                    heard.push(format!("{fault:?}"));
                    return heard;
                }
            };
            assert!(link.phase() >= phase || phase > Phase::Ready, "a link only ever moves forward");
            phase = link.phase();
            let taken = match step {
                Step::Need(n) => {
                    assert!(n > 0, "nothing is needed and nothing said");
                    assert!(n >= due, "what was needed is not enough");
                    due = n;
                    // Every other message that has come so far goes on in pieces: what is heard of it is the same.
                    if heard.len() % 2 == 0 && link.pass_on(&buffer) {
                        due = 0;
                        continue;
                    }
                    break;
                }
                Step::Piece(left) => {
                    let n = buffer.len().min(usize::try_from(left).expect("a message is bounded"));
                    passed.extend(buffer.drain(..n));
                    if link.passed_on(n) {
                        heard.push(format!("message {:?}", &passed[..]));
                        passed.clear();
                    }
                    continue;
                }
                Step::Skip { len } => 0..len,
                Step::Ready { len, peer } => {
                    assert_eq!(phase, Phase::Ready);
                    heard.push(format!("ready {} {:?}", peer.socket_type.name(), peer.identity));
                    0..len
                }
                Step::Message(message) => {
                    heard.push(format!("message {:?}", &buffer[..message.len]));
                    check_message(&message, &buffer);
                    0..message.len
                }
                Step::Command { at, len, command } => {
                    heard.push(format!("{command:?}"));
                    at..at + len
                }
            };
            assert_eq!(due, 0, "said before what it needs has come; before: {before:?}");
            assert!(!taken.is_empty(), "a step takes something");
            buffer.drain(taken);
        }
    }
    heard
}

/// The parts of a message make the same message again, and a run of its like is as long as the scan finds it.
fn check_message(message: &Message, buffer: &[u8]) {
    let parts: Vec<&[u8]> = (0..PARTS).map_while(|n| message.part(buffer, n)).collect();
    assert_eq!(parts.len(), PARTS.min(message.frames as usize));
    assert_eq!(message.rest().is_some(), message.frames as usize > PARTS);
    if message.rest().is_none() {
        let mut again = Vec::new();
        parts.iter().enumerate().for_each(|(n, part)| push_frame(&mut again, n + 1 < parts.len(), part));
        let bounds = Bounds { frame_bytes_max: 1 << 16, message_bytes_max: 1 << 16 };
        let Ok(Found::Message(found)) = Scan::default().next(&again, &bounds) else { panic!("a whole message") };
        assert_eq!((found.len, found.frames), (again.len(), message.frames));
        parts.iter().enumerate().for_each(|(n, part)| assert_eq!(found.part(&again, n), Some(*part)));
    }
    let Some(front) = message.front() else { return };
    let middle = parts[3].len();
    let (len, count) = frame::run(&buffer[..front], middle, buffer, &BOUNDS);
    assert!(count >= 1, "a message is the first of its own run");
    let (mut scan, mut walked) = (Scan::default(), 0);
    for _ in 0..count {
        let Ok(Found::Message(one)) = scan.next(&buffer[walked..], &BOUNDS) else {
            panic!("a run is of whole messages")
        };
        assert_eq!(one.frames, 5);
        assert_eq!(one.part(&buffer[walked..], 1), Some(parts[1]), "they go to the same receiver");
        walked += one.len;
    }
    assert_eq!(walked, len);
}
