//! A recorded conversation gives the same outputs however its bytes are cut.

use crate::common::wire::{self, Dice, command, frame, leco};
use crate::common::world::World;
use instep::counters::Counters;
use instep::hub::Cause;

/// One side of a conversation with everything in it: handshake, calls, batches, commands between frames, long frames, errors.
fn recorded() -> Vec<u8> {
    let call = |id, method: &str| wire::request(id, method).into_bytes();
    let header = wire::header(9, 1);
    let mut split = Vec::new();
    for (n, body) in (0u8..).zip([&b"\0"[..], b"N1.CB", b"CA", &header, b"{}", &[3; 300], b""]) {
        split.extend(command("PING", &[0, 0, b'a' + n]));
        split.extend(frame(u8::from(n < 6), body));
    }
    [
        wire::opening(1),
        leco(b"COORDINATOR", b"CA", 1, &[&call(1, "sign_in")]),
        command("PING", b"\0\0context"),
        leco(b"CB", b"CA", 2, &[b"to b", &[7; 400], b""]),
        split,
        command("SUBSCRIBE", b"ignored"),
        leco(b"CX", b"CA", 3, &[&call(2, "m")]),
        wire::message(&[b"no", b"LECO"]),
        leco(b"N7.CX", b"CA", 4, &[&call(3, "m")]),
        leco(
            b"COORDINATOR",
            b"CA",
            5,
            &[br#"[{"jsonrpc":"2.0","id":4,"method":"pong"},{"jsonrpc":"2.0","id":5,"method":"nope"}]"#],
        ),
        leco(b"CA", b"CA", 6, &[b"to myself"]),
        leco(b"COORDINATOR", b"CA", 7, &[b""]),
        leco(b"COORDINATOR", b"CA", 8, &[b"{"]),
        leco(b"COORDINATOR", b"CA", 9, &[&call(6, "sign_out")]),
    ]
    .concat()
}

/// What came of a conversation: what CA got, what CB got, how CA's link ended if it did, the counters.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    to_ca: Vec<u8>,
    to_cb: Vec<u8>,
    end: Option<Cause>,
    counters: Counters,
}

/// Feeds a conversation in pieces.
fn outcome<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut world = World::plain();
    let cb = world.component("CB");
    let ca = world.connect(0);
    for piece in pieces {
        world.feed(ca, piece);
    }
    assert_eq!(world.hub().bytes_waiting(), (0, 0), "nothing is left over");
    Outcome {
        to_ca: core::mem::take(&mut world.clients[ca].read),
        to_cb: core::mem::take(&mut world.clients[cb].read),
        end: world.clients[ca].closed,
        counters: world.hub().counters().clone(),
    }
}

#[test]
fn cut_in_two_at_every_byte() {
    let bytes = recorded();
    let whole = outcome([&bytes[..]].into_iter());
    assert!(whole.to_ca.len() > 700 && whole.to_cb.len() > 700 && whole.end.is_none(), "it is a real conversation");
    for at in 0..=bytes.len() {
        let (a, b) = bytes.split_at(at);
        assert!(outcome([a, b].into_iter()) == whole, "cut at {at}");
    }
}

#[test]
fn cut_in_pieces_of_every_small_size() {
    let bytes = recorded();
    let whole = outcome([&bytes[..]].into_iter());
    for size in 1..40 {
        assert!(outcome(bytes.chunks(size)) == whole, "pieces of {size}");
    }
}

#[test]
fn cut_at_random() {
    let bytes = recorded();
    let whole = outcome([&bytes[..]].into_iter());
    for seed in 0..150u64 {
        let mut dice = Dice(seed);
        let most = 1 + dice.below(400);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + dice.below(most)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        assert!(outcome(pieces.into_iter()) == whole, "seed {seed}");
    }
}

/// Answers that wait when a peer breaks the rules may be lost with its link; what others got, and the reason, are the same.
#[test]
fn a_broken_end_is_the_same_end_wherever_it_is_cut() {
    for broken in
        [&[0x80, 0, 0][..], &[5, 1, 0], &[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7, 7], b"\x04\x05\x04PING"]
    {
        let bytes = [&recorded()[..], broken].concat();
        let whole = outcome([&bytes[..]].into_iter());
        assert!(whole.end.is_some());
        for at in bytes.len() - 60..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            let cut = outcome([a, b].into_iter());
            assert!(cut.end == whole.end && cut.to_cb == whole.to_cb, "cut at {at}");
        }
    }
}

#[test]
fn two_conversations_at_once_do_not_mix() {
    let bytes = recorded();
    let whole = outcome([&bytes[..]].into_iter());
    // A second peer with other names, cut against the first byte by byte.
    let other: Vec<u8> = [
        wire::opening(0),
        leco(b"COORDINATOR", b"CZ", 1, &[wire::request(1, "sign_in").as_bytes()]),
        leco(b"CZ", b"CZ", 2, &[&[1; 500][..]; 3]),
    ]
    .concat();
    let mut world = World::plain();
    let cb = world.component("CB");
    let (ca, cz) = (world.connect(0), world.connect(0));
    for n in 0..bytes.len().max(other.len()) {
        world.feed(ca, bytes.get(n..=n).unwrap_or_default());
        world.feed(cz, other.get(n..=n).unwrap_or_default());
    }
    assert!(world.clients[ca].read == whole.to_ca && world.clients[cb].read == whole.to_cb);
    assert_eq!(world.hear(cz).len(), 2);
}
