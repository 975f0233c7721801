//! CURVE and PLAIN as machines that are fed with bytes, against a client that is written by hand upon another crate's cryptography; and against
//! what libzmq says, where `INSTEP_CURVE_DATA` names the folder of its transcripts.
#![allow(clippy::cast_possible_truncation, reason = "the numbers are ours and small")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::common::curve::{DEALER, Manner, Talk, chance, frame, public, secret, unframe};
use instep::zmtp::mechanism::seal::{KeyPair, Secret};
use instep::zmtp::mechanism::session::{Heard, Opener, Sealed, Sealer, heard};
use instep::zmtp::mechanism::{Done, Handshake, Offer, Refusal, Shaken, Shown};
use instep::zmtp::{Fault, Mechanism, SocketType};

fn keys(name: &str) -> KeyPair {
    KeyPair::of(Secret::of(&mut secret(name)))
}

fn curve_only() -> Offer {
    Offer { null: false, plain: false, curve: Some(keys("server")) }
}

/// Where chance comes from.
type Bytes = Box<dyn FnMut(&mut [u8])>;

/// A listener that is fed with bytes, and all that came of it.
struct Listener {
    handshake: Handshake,
    buffer: Vec<u8>,
    said: Vec<u8>,
    shown: Option<Shown>,
    done: Option<Done>,
    chance: Bytes,
}

impl Listener {
    fn new(offer: Offer) -> Self {
        let handshake = Handshake::listening(SocketType::Router, offer);
        let mut said = Vec::new();
        handshake.open(&mut said);
        assert_eq!(said, b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01");
        Self { handshake, buffer: Vec::new(), said, shown: None, done: None, chance: Box::new(chance(3)) }
    }

    /// What it says to these bytes.
    fn hear(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        self.buffer.extend_from_slice(bytes);
        loop {
            let used = match self.handshake.next(&self.buffer, &mut self.chance, &mut self.said)? {
                Shaken::Need(n) => {
                    assert!(n > 0);
                    return Ok(std::mem::take(&mut self.said));
                }
                Shaken::Went(len) => len,
                Shaken::Who(len, shown) => {
                    self.shown = Some(shown);
                    self.buffer.drain(..len);
                    return Ok(std::mem::take(&mut self.said));
                }
                Shaken::Done(len, done) => {
                    self.done = Some(done);
                    self.buffer.drain(..len);
                    return Ok(std::mem::take(&mut self.said));
                }
            };
            self.buffer.drain(..used);
        }
    }

    fn admit(&mut self) -> Result<Vec<u8>, Fault> {
        if let Some(done) = self.handshake.admit(&mut self.said)? {
            self.done = Some(done);
        }
        Ok(std::mem::take(&mut self.said))
    }

    /// Goes so far that a client has been greeted.
    fn greeted(offer: Offer) -> Self {
        let mut listener = Self::new(offer);
        let greeting = listener.hear(&Manner::greeting()).unwrap();
        assert_eq!(greeting.len(), 64);
        assert_eq!(&greeting[12..18], b"CURVE\0");
        assert_eq!(greeting[32], 1, "we are the server");
        listener
    }

    fn session(&mut self) -> (Sealer, Opener) {
        let session = *self.done.take().unwrap().session.unwrap();
        (session.sealer, session.opener)
    }
}

/// What comes of a client of this manner: its key, or why not.
fn shake(manner: &Manner) -> Result<(Listener, Talk), Fault> {
    let mut listener = Listener::greeted(curve_only());
    let welcome = listener.hear(&manner.hello())?;
    let (initiate, mut talk) = manner.initiate(&welcome);
    assert!(listener.hear(&initiate)?.is_empty(), "nothing is said before somebody has said who it is");
    let Some(Shown::Key(key)) = listener.shown.take() else { panic!("its key is shown") };
    assert_eq!(key, public(&manner.secret));
    let ready = listener.admit()?;
    let properties = talk.ready(&ready);
    assert!(properties.starts_with(b"\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0"));
    Ok((listener, talk))
}

fn good() -> Manner {
    Manner::good(public(&secret("server")), "client")
}

fn fault(manner: &Manner) -> Fault {
    shake(manner).map(|_| ()).expect_err("it is not let in")
}

/// Opens all frames, as a caller does.
fn open_all(opener: &mut Opener, mut raw: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    while !raw.is_empty() {
        let Heard::Whole { head, body } = heard(raw, 1 << 20)? else { panic!("whole frames") };
        let mut place = vec![0xaa; body + 16];
        let len = opener.open(&raw[head..head + body], &mut place)?.expect("there is room");
        out.extend_from_slice(&place[..len]);
        raw = &raw[head + body..];
    }
    Ok(out)
}

fn seal_all(sealer: &mut Sealer, mut clear: &[u8]) -> Vec<u8> {
    let (mut out, mut filled) = (vec![0; 1 << 20], 0);
    while !clear.is_empty() {
        let Sealed::Frame { clear: taken, sealed } = sealer.seal([clear, &[]], &mut out[filled..]) else { panic!() };
        clear = &clear[taken..];
        filled += sealed;
    }
    out.truncate(filled);
    out
}

// ---- Handshakes ----

#[test]
fn a_client_that_does_all_as_it_should_is_let_in_and_talks() {
    let (mut listener, mut talk) = shake(&good()).unwrap();
    let done = listener.done.as_ref().unwrap();
    assert_eq!((done.minor, done.socket_type, &*done.identity), (1, SocketType::Dealer, &b"me"[..]));
    let (mut sealer, mut opener) = listener.session();
    let long = vec![7; 70_000];
    let sealed = talk.message(&[b"", b"COORDINATOR", b"driver1", &[5; 20], &long]);
    let expected =
        [&b"\x01\0\x01\x0bCOORDINATOR\x01\x07driver1\x01\x14"[..], &[5; 20], b"\x02\0\0\0\0\0\x01\x11\x70", &long]
            .concat();
    assert_eq!(open_all(&mut opener, &sealed).unwrap(), expected);
    let ping = talk.seal(2, b"\x04PING\0\x14");
    assert_eq!(open_all(&mut opener, &ping).unwrap(), b"\x04\x07\x04PING\0\x14");
    let said = seal_all(&mut sealer, &[&expected[..], b"\x04\x05\x04PONG"].concat());
    let frames = talk.open(&said);
    assert_eq!(frames.len(), 6);
    assert_eq!(frames[1], b"\x01COORDINATOR");
    assert_eq!(frames[4], [&[0][..], &long].concat());
    assert_eq!(frames[5], b"\x02\x04PONG");
}

#[test]
fn every_size_of_a_frame_comes_through_as_another_crate_has_it() {
    let (mut listener, mut talk) = shake(&good()).unwrap();
    let (mut sealer, mut opener) = listener.session();
    for size in (0..700).chain([4095, 4096, 65_535, 65_536]) {
        let body: Vec<u8> = (0..size).map(|n| (n * 7 + size) as u8).collect();
        let clear = frame(1, &body);
        let sealed = talk.seal(1, &body);
        assert_eq!(open_all(&mut opener, &sealed).unwrap(), clear, "{size}");
        // The same in two pieces, however they are cut.
        let cut = size % (clear.len() + 1);
        let mut out = vec![0; clear.len() + 64];
        let Sealed::Frame { clear: taken, sealed } = sealer.seal([&clear[..cut], &clear[cut..]], &mut out) else {
            panic!("{size}")
        };
        assert_eq!(taken, clear.len());
        assert_eq!(talk.open(&out[..sealed]), [[&[1][..], &body].concat()], "{size} cut at {cut}");
        assert_eq!(out[0], if sealed > 257 { 2 } else { 0 }, "outer flags say nothing but the size");
        // And lent: in one piece, with another frame behind it, and cut.
        let mut lent = [&clear[..], b"\0\x01z"].concat();
        for cut in [lent.len(), clear.len(), cut] {
            let (first, second) = lent.split_at_mut(cut);
            let done = sealer.seal_lent([first, second], &mut out);
            assert_eq!(done, Sealed::Frame { clear: clear.len(), sealed }, "{size} cut at {cut}");
            assert_eq!(talk.open(&out[..sealed]), [[&[1][..], &body].concat()], "{size} cut at {cut}");
            assert_eq!(lent, [&clear[..], b"\0\x01z"].concat(), "it is as it was");
        }
        assert_eq!(sealer.seal_lent([&mut lent, &mut []], &mut out[..sealed - 1]), Sealed::NoRoom(sealed));
        let (part, _) = lent.split_at_mut(clear.len() - 1);
        assert_eq!(sealer.seal_lent([part, &mut []], &mut out), Sealed::NoRoom(0), "{size} is not whole");
    }
}

/// Blocks of a keystream are made ahead; which ones depends on what came before.
#[test]
fn sizes_in_any_order_come_through_as_another_crate_has_them() {
    let (mut listener, mut talk) = shake(&good()).unwrap();
    let (mut sealer, mut opener) = listener.session();
    let mut dice = [0; 3];
    let mut chance = chance(9);
    for n in 0..4000 {
        chance(&mut dice);
        let [kind, high, low] = dice.map(usize::from);
        let size = [low % 32, low % 32, 64, low, low * 2, high * 256 + low][kind % 6] % 1000;
        let body: Vec<u8> = (0..size).map(|at| (at * 7 + n) as u8).collect();
        let clear = frame(1, &body);
        assert_eq!(open_all(&mut opener, &talk.seal(1, &body)).unwrap(), clear, "{size} at {n}");
        assert_eq!(talk.open(&seal_all(&mut sealer, &clear)), [[&[1][..], &body].concat()], "{size} at {n}");
    }
}

#[test]
fn large_frames_open_where_they_lie() {
    let (mut listener, mut talk) = shake(&good()).unwrap();
    let (_, mut opener) = listener.session();
    for size in [0, 1, 222, 223, 255, 256, 300_000] {
        let body = vec![3; size];
        let mut raw = talk.seal(0, &body);
        let Ok(Heard::Whole { head, .. }) = heard(&raw, 1 << 20) else { panic!() };
        let place = opener.open_in_place(&mut raw, head).unwrap();
        assert_eq!(raw[place], frame(0, &body), "{size}");
    }
    let mut raw = talk.seal(0, b"changed");
    *raw.last_mut().unwrap() ^= 1;
    assert_eq!(opener.open_in_place(&mut raw, 2), Err(Fault::Seal));
}

#[test]
fn bytes_may_come_one_by_one() {
    let manner = good();
    let mut listener = Listener::new(curve_only());
    let mut said = Vec::new();
    let slowly = |listener: &mut Listener, bytes: &[u8]| {
        let mut said = Vec::new();
        for byte in bytes {
            said.extend(listener.hear(&[*byte]).unwrap());
        }
        said
    };
    said.extend(slowly(&mut listener, &Manner::greeting()[..31]));
    assert_eq!(said.len(), 12, "the mechanism is not named yet");
    said.extend(slowly(&mut listener, &Manner::greeting()[31..32]));
    assert_eq!(said.len(), 64, "it is, and is answered at once");
    slowly(&mut listener, &Manner::greeting()[32..]);
    let welcome = slowly(&mut listener, &manner.hello());
    let (initiate, mut talk) = manner.initiate(&welcome);
    slowly(&mut listener, &initiate);
    talk.ready(&listener.admit().unwrap());
}

#[test]
fn hellos_that_are_not_as_they_should_be() {
    for (what, manner, expected) in [
        ("wrong server key", Manner { server: public(&secret("other")), ..good() }, Fault::CurveHello),
        ("version 2.0", Manner { version: [2, 0], ..good() }, Fault::CurveCommand),
        ("version 1.1", Manner { version: [1, 1], ..good() }, Fault::CurveCommand),
        ("one byte more", Manner { hello_end: vec![0], ..good() }, Fault::CurveCommand),
        ("padding", Manner { padding: 1, ..good() }, Fault::CurveCommand),
        ("box not of zeros", Manner { nothing: 1, ..good() }, Fault::CurveHello),
        ("no command", Manner { hello_flags: 0, ..good() }, Fault::CurveCommand),
        ("more to come", Manner { hello_flags: 5, ..good() }, Fault::CurveCommand),
        ("a key of low order", Manner { shown_short: Some([0; 32]), ..good() }, Fault::CurveHello),
        ("another key", Manner { shown_short: Some(public(&secret("x"))), ..good() }, Fault::CurveHello),
    ] {
        let mut listener = Listener::greeted(curve_only());
        assert_eq!(listener.hear(&manner.hello()), Err(expected), "{what}");
        assert!(listener.said.is_empty(), "{what}: nobody is told anything");
    }
}

#[test]
fn initiates_that_are_not_as_they_should_be() {
    let mut low = [0; 32];
    low[0] = 1;
    for (what, manner, expected) in [
        ("vouch for another server", Manner { vouched_server: Some([1; 32]), ..good() }, Fault::CurveVouch),
        ("vouch for another C'", Manner { vouched_short: Some([1; 32]), ..good() }, Fault::CurveVouch),
        ("somebody else's key", Manner { shown: Some(public(&secret("boss"))), ..good() }, Fault::CurveVouch),
        ("a key of low order", Manner { shown: Some(low), ..good() }, Fault::CurveVouch),
        ("no key at all", Manner { shown: Some([0; 32]), ..good() }, Fault::CurveVouch),
        ("another cookie", Manner { cookie: Some(vec![1; 96]), ..good() }, Fault::CurveCookie),
        ("the number of HELLO", Manner { initiate_number: 1, ..good() }, Fault::CurveNumber),
        ("number nought", Manner { initiate_number: 0, ..good() }, Fault::CurveNumber),
        ("32 KiB of properties", Manner { properties: vec![0; 32_768], ..good() }, Fault::CurveCommand),
        ("3 KiB of properties", Manner { properties: b"\x01a\0\0\x0c\0".to_vec(), ..good() }, Fault::Metadata),
        ("17 properties", Manner { properties: b"\x01a\0\0\0\0".repeat(17), ..good() }, Fault::Metadata),
        ("truncated properties", Manner { properties: DEALER[..20].to_vec(), ..good() }, Fault::Metadata),
        ("no properties", Manner { properties: Vec::new(), ..good() }, Fault::SocketType(SocketType::Other)),
        (
            "a socket of another type",
            Manner { properties: b"\x0bSocket-Type\0\0\0\x03PUB".to_vec(), ..good() },
            Fault::SocketType(SocketType::Pub),
        ),
    ] {
        assert_eq!(fault(&manner), expected, "{what}");
    }
}

#[test]
fn each_state_has_one_legal_command() {
    let manner = good();
    let hello = manner.hello();
    let mut listener = Listener::greeted(curve_only());
    assert_eq!(listener.hear(&[&hello[..], &hello].concat()), Err(Fault::CurveCommand), "HELLO twice");

    let mut listener = Listener::greeted(curve_only());
    let welcome = listener.hear(&hello).unwrap();
    let (initiate, _) = manner.initiate(&welcome);
    let mut early = Listener::greeted(curve_only());
    assert_eq!(early.hear(&initiate), Err(Fault::CurveCommand), "INITIATE first");

    listener.hear(&[&initiate[..], &initiate].concat()).unwrap();
    listener.admit().unwrap();
    let (_, mut opener) = listener.session();
    assert_eq!(open_all(&mut opener, &initiate), Err(Fault::NotSealed), "INITIATE twice");

    let mut other = Listener::greeted(curve_only());
    other.chance = Box::new(chance(4));
    other.hear(&hello).unwrap();
    assert_eq!(other.hear(&initiate), Err(Fault::CurveCookie), "what was recorded elsewhere");
}

#[test]
fn who_is_refused_is_told_a_code_of_three_digits() {
    for (refusal, expected) in
        [(Refusal::Unknown, b"\x04\x0a\x05ERROR\x03400"), (Refusal::Broken, b"\x04\x0a\x05ERROR\x03500")]
    {
        let mut listener = Listener::greeted(curve_only());
        let welcome = listener.hear(&good().hello()).unwrap();
        let (initiate, _) = good().initiate(&welcome);
        listener.hear(&initiate).unwrap();
        let mut out = Vec::new();
        listener.handshake.refuse(refusal, &mut out);
        assert_eq!(out, expected);
        assert_eq!(listener.hear(&initiate), Err(Fault::Handshake), "and nothing more is heard");
    }
}

// ---- Messages ----

#[test]
fn messages_that_are_not_as_they_should_be() {
    let sealed = |change: &dyn Fn(&mut Talk) -> Vec<u8>| {
        let (mut listener, mut talk) = shake(&good()).unwrap();
        let (_, mut opener) = listener.session();
        let first = talk.seal(0, b"a");
        assert_eq!(open_all(&mut opener, &first).unwrap(), b"\0\x01a");
        let bytes = change(&mut talk);
        let judged = open_all(&mut opener, &bytes);
        let after = talk.seal_as(4, 0, b"\0b");
        if judged.is_err() {
            assert_eq!(
                open_all(&mut opener, &after),
                Ok(b"\0\x01b".to_vec()),
                "a number counts once its box has opened"
            );
        }
        judged
    };
    for (what, n) in
        [("reused", 3), ("falling", 2), ("nought", 0), ("a gap", 5), ("a thousand", 1000), ("max", u64::MAX)]
    {
        assert_eq!(sealed(&|talk| talk.seal_as(n, 0, b"\0b")), Err(Fault::SealNumber), "number: {what}");
    }
    for outer in [1, 4, 8, 0x80, 5] {
        assert_eq!(sealed(&|talk| talk.seal_as(4, outer, b"\0b")), Err(Fault::NotSealed), "outer flags {outer}");
    }
    for cut in [8, 16, 20, 32, 33] {
        let changed = |talk: &mut Talk| {
            let mut bytes = talk.seal_as(4, 0, b"\0b");
            bytes[2 + cut] ^= 0x10;
            bytes
        };
        let expected = if cut < 16 { Fault::SealNumber } else { Fault::Seal };
        assert_eq!(sealed(&changed), Err(expected), "changed at {cut}");
    }
    assert_eq!(sealed(&|_| frame(0, b"clear text that goes on and on and on")), Err(Fault::NotSealed));
    assert_eq!(sealed(&|_| frame(4, b"\x04PING\0\0")), Err(Fault::NotSealed));
    assert_eq!(sealed(&|_| frame(4, b"\x05ERROR\x03400")), Err(Fault::NotSealed));
    assert_eq!(sealed(&|talk| talk.seal_as(4, 0, b"")), Err(Fault::NotSealed), "nothing, not even flags");
}

#[test]
fn flags_in_a_box_are_those_of_a_frame() {
    for flags in [3, 4, 8, 0xfc, 0xff] {
        let (mut listener, mut talk) = shake(&good()).unwrap();
        let (_, mut opener) = listener.session();
        let sealed = talk.seal(flags, b"a");
        assert_eq!(open_all(&mut opener, &sealed), Err(Fault::InnerFlags), "{flags}");
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    assert_eq!(heard(b"\x02\0\0\0\0\0\x10\0\x21", 1 << 20), Ok(Heard::Need((1 << 20) + 33)));
    assert_eq!(heard(b"\x02\0\0\0\0\0\x10\0\x22", 1 << 20), Err(Fault::FrameTooLarge));
    assert_eq!(heard(b"\x02\xff\xff\xff\xff\xff\xff\xff\xff", 1 << 20), Err(Fault::FrameTooLarge));
    assert_eq!(heard(b"\x00\x20", 1 << 20), Err(Fault::NotSealed), "no room for flags");
    assert_eq!(heard(b"\x00\x21\x07MESS", 1 << 20), Ok(Heard::Need(28)));
    assert_eq!(heard(b"\x00\x21\x07MASS", 1 << 20), Err(Fault::NotSealed));
    for (bytes, missing) in [(&b""[..], 2), (b"\0", 1), (b"\x02", 8), (b"\x02\0\0", 6)] {
        assert_eq!(heard(bytes, 1 << 20), Ok(Heard::Need(missing)));
    }
}

// ---- Who dials ----

/// Both ends of ours, with what is in between.
fn both(server: [u8; 32], change: impl Fn(&mut Vec<u8>)) -> Result<(Done, Done), Fault> {
    let mut listener = Listener::new(curve_only());
    let mut dialler = Handshake::dialling(SocketType::Dealer, server, keys("node"));
    let mut chance = chance(8);
    let mut to_listener = Vec::new();
    dialler.open(&mut to_listener);
    let mut to_dialler = std::mem::take(&mut listener.said);
    let mut dialled = None;
    for _ in 0..8 {
        to_dialler.extend(listener.hear(&std::mem::take(&mut to_listener))?);
        if listener.shown.take().is_some() {
            to_dialler.extend(listener.admit()?);
        }
        change(&mut to_dialler);
        while dialled.is_none() {
            let used = match dialler.next(&to_dialler, &mut chance, &mut to_listener)? {
                Shaken::Need(_) => break,
                Shaken::Went(len) => len,
                Shaken::Who(..) => panic!("who dials asks nobody"),
                Shaken::Done(len, done) => {
                    dialled = Some(done);
                    len
                }
            };
            to_dialler.drain(..used);
        }
    }
    Ok((listener.done.unwrap(), dialled.unwrap()))
}

#[test]
fn both_ends_of_ours_understand_each_other() {
    let (listened, dialled) = both(public(&secret("server")), |_| {}).unwrap();
    assert_eq!((listened.socket_type, dialled.socket_type), (SocketType::Dealer, SocketType::Router));
    assert!(dialled.instep_level > 0 && listened.instep_level == 0);
    let (mut here, mut there) = (*listened.session.unwrap(), *dialled.session.unwrap());
    for n in 0..300 {
        let clear = frame(0, &vec![n as u8; n]);
        assert_eq!(open_all(&mut there.opener, &seal_all(&mut here.sealer, &clear)).unwrap(), clear);
        assert_eq!(open_all(&mut here.opener, &seal_all(&mut there.sealer, &clear)).unwrap(), clear);
    }
}

#[test]
fn who_dials_believes_nobody_but_the_server_with_the_key() {
    let spoiled = |at: &[u8], instead: &[u8]| {
        let (at, instead) = (at.to_vec(), instead.to_vec());
        both(public(&secret("server")), move |bytes| {
            if let Some(place) = bytes.windows(at.len()).position(|window| *window == *at) {
                bytes.truncate(place);
                bytes.extend_from_slice(&instead);
            }
        })
        .map(|_| ())
    };
    let mut listener = Listener::greeted(curve_only());
    let mut changed = listener.hear(&good().hello()).unwrap();
    changed[100] ^= 1;
    assert_eq!(spoiled(b"\x04\xa8\x07WELCOME", &changed), Err(Fault::CurveWelcome));
    for (code, expected) in [(&b"400"[..], Fault::RefusedByPeer(400)), (b"500", Fault::RefusedByPeer(500))] {
        let error = frame(4, &[&b"\x05ERROR\x03"[..], code].concat());
        assert_eq!(spoiled(b"\x04\xa8\x07WELCOME", &error), Err(expected));
    }
    assert_eq!(spoiled(b"\x04\xa8\x07WELCOME", &frame(4, b"\x05ERROR\x04nope")), Err(Fault::PeerError));
    assert_eq!(spoiled(b"\x04\xa8\x07WELCOME", &frame(0, b"\x07WELCOME")), Err(Fault::CurveCommand));
    assert_eq!(spoiled(b"\x04\xa8\x07WELCOME", &frame(4, &[0; 169])), Err(Fault::CurveCommand));
    assert_eq!(both(public(&secret("other")), |_| {}).map(|_| ()), Err(Fault::CurveHello), "as the server sees it");
    let null = both(public(&secret("server")), |bytes| {
        if bytes.starts_with(b"\xff") && bytes.len() == 64 {
            bytes[12..17].copy_from_slice(b"NULL\0");
        }
    });
    assert_eq!(
        null.map(|_| ()),
        Err(Fault::Wanted { theirs: Mechanism::Null, ours: Mechanism::Curve }),
        "no downgrade"
    );
}

// ---- PLAIN, NULL, and which of them ----

fn greeting(mechanism: &str) -> [u8; 64] {
    let mut greeting = Manner::greeting();
    greeting[12..17].fill(0);
    greeting[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    greeting
}

#[test]
fn a_listener_speaks_what_it_is_asked_for() {
    let all = Offer { null: true, plain: true, curve: Some(keys("server")) };
    for (mechanism, as_server, more) in [("NULL", 0, 64), ("PLAIN", 1, 0), ("CURVE", 1, 0)] {
        let mut listener = Listener::new(all.clone());
        let said = listener.hear(&greeting(mechanism)).unwrap();
        assert_eq!(said[12..32], greeting(mechanism)[12..32], "{mechanism}");
        assert_eq!(said[32], as_server, "{mechanism}");
        assert_eq!(said.len() > 64, more > 0, "{mechanism}: only NULL's READY follows at once");
    }
}

#[test]
fn who_speaks_another_mechanism_is_told_which_one_it_should_have_been() {
    use Mechanism::{Curve, Null, Plain};
    let curve = Some(keys("server"));
    for (null, plain, curve, asked, theirs, ours) in [
        (false, true, curve.clone(), "NULL", Null, Curve),
        (true, false, curve, "PLAIN", Plain, Curve),
        (false, true, None, "CURVE", Curve, Plain),
        (false, true, None, "NULL", Null, Plain),
        (true, false, None, "CURVE", Curve, Null),
    ] {
        let mut listener = Listener::new(Offer { null, plain, curve });
        assert_eq!(listener.hear(&greeting(asked)), Err(Fault::Wanted { theirs, ours }), "{asked}");
        assert_eq!(listener.said[12..32], greeting(ours.name())[12..32], "{asked}");
    }
    let mut listener = Listener::new(curve_only());
    assert_eq!(listener.hear(&greeting("GSS")), Err(Fault::Mechanism));
    let mut listener = Listener::new(curve_only());
    assert_eq!(listener.hear(b"GET / HTTP/1.1"), Err(Fault::Http));
}

#[test]
fn null_shakes_hands_as_ever() {
    let mut listener = Listener::new(Offer { null: true, ..curve_only() });
    let said = listener.hear(&greeting("NULL")).unwrap();
    assert_eq!(unframe(&said[64..]).unwrap().0, 4);
    let ready = frame(4, &[b"\x05READY", DEALER].concat());
    listener.hear(&ready).unwrap();
    let done = listener.done.unwrap();
    assert!(done.session.is_none() && &*done.identity == b"me");
}

#[test]
fn plain_is_spoken_as_libzmq_speaks_it() {
    let plain = || {
        let mut listener = Listener::new(Offer { null: false, plain: true, curve: None });
        listener.hear(&greeting("PLAIN")).unwrap();
        listener
    };
    let hello = b"\x04\x13\x05HELLO\x05admin\x06secret";
    let initiate = frame(4, &[b"\x08INITIATE", DEALER].concat());
    let mut listener = plain();
    assert!(listener.hear(hello).unwrap().is_empty());
    let Some(Shown::Login { name, password }) = listener.shown.take() else { panic!() };
    assert_eq!((&name[..], &password[..]), (&b"admin"[..], &b"secret"[..]));
    assert_eq!(listener.admit().unwrap(), b"\x04\x08\x07WELCOME");
    let ready = listener.hear(&initiate).unwrap();
    let (flags, body, _) = unframe(&ready).unwrap();
    assert!(flags == 4 && body.starts_with(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"));
    assert!(listener.done.unwrap().session.is_none());

    // INITIATE need not wait.
    let mut listener = plain();
    listener.hear(&[&hello[..], &initiate].concat()).unwrap();
    listener.admit().unwrap();
    assert!(listener.hear(&[]).unwrap().starts_with(&[4]));

    let mut listener = plain();
    listener.hear(hello).unwrap();
    let mut out = Vec::new();
    listener.handshake.refuse(Refusal::Unknown, &mut out);
    assert_eq!(out, b"\x04\x09\x5eRROR\x03400", "the name's length is wrong, as libzmq has it");

    let mut listener = plain();
    listener.hear(b"\x04\x08\x05HELLO\0\0").unwrap();
    assert!(listener.shown.is_some(), "an empty name with an empty password is one");
    for wrong in [
        &b"\x04\x14\x05HELLO\x05admin\x06secret\0"[..],
        b"\x04\x12\x05HELLO\x05admin\x06secre",
        b"\x04\x06\x05HELLO",
        b"\x04\x08\x07WELCOME",
        b"\0\x08\x05HELLO\0\0",
        &initiate,
    ] {
        assert_eq!(plain().hear(wrong).map(drop), Err(Fault::PlainCommand), "{wrong:?}");
    }
}

// ---- Whatever comes ----

/// Handshakes and messages with a few bytes changed, left out or doubled: nothing panics, nobody else is let in, and nothing comes out that was
/// not sealed.
#[test]
fn whatever_is_changed_nothing_comes_out_that_was_not_sealed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut dice = {
        let mut chance = chance(number("INSTEP_SEED").unwrap_or(20_261_201));
        move |sides: usize| {
            let mut bytes = [0; 8];
            chance(&mut bytes);
            (u64::from_le_bytes(bytes) % sides.max(1) as u64) as usize
        }
    };
    let rounds = number("INSTEP_MUTATIONS").unwrap_or(300);
    let (mut let_in, mut heard_all) = (0, 0);
    // Listeners here have the same chance, so that what a client says to one fits all: it is computed once.
    let manner = good();
    let greeting = Manner::greeting().to_vec();
    let hello = manner.hello();
    let offer = curve_only();
    let mut listener = Listener::greeted(offer.clone());
    let (initiate, mut talk) = manner.initiate(&listener.hear(&hello).unwrap());
    assert!(listener.hear(&initiate).unwrap().is_empty());
    talk.ready(&listener.admit().unwrap());
    let message = talk.message(&[b"a", b"", b"bcd"]);
    for _ in 0..rounds {
        let mut listener = Listener::new(offer.clone());
        let stage = dice(4);
        let mut spoil = |bytes: Vec<u8>, at: usize| {
            if stage != at {
                return bytes;
            }
            let mut bytes = bytes;
            for _ in 0..=dice(2) {
                let place = dice(bytes.len());
                match dice(5) {
                    0 => bytes[place] ^= 1 << dice(8),
                    1 => drop(bytes.remove(place)),
                    2 => bytes.insert(place, dice(256) as u8),
                    3 => bytes.truncate(place + 1),
                    _ => bytes.extend_from_within(place..),
                }
            }
            bytes
        };
        let Ok(said) = listener.hear(&spoil(greeting.clone(), 0)) else { continue };
        if said.len() != 64 {
            continue;
        }
        let Ok(welcome) = listener.hear(&spoil(hello.clone(), 1)) else { continue };
        if welcome.len() != 170 {
            continue;
        }
        if listener.hear(&spoil(initiate.clone(), 2)).is_err() {
            continue;
        }
        let Some(Shown::Key(key)) = listener.shown.take() else { continue };
        assert_eq!(key, public(&manner.secret), "nobody else");
        if listener.admit().is_err() {
            continue;
        }
        let_in += 1;
        let (_, mut opener) = listener.session();
        let clear = [&b"\x01\x01a"[..], b"\x01\0", b"\0\x03bcd"].concat();
        let raw = spoil(message.clone(), 3);
        let (mut rest, mut out) = (&raw[..], Vec::new());
        while let Ok(Heard::Whole { head, body }) = heard(rest, 1000) {
            let mut place = [0; 1200];
            let Ok(Some(len)) = opener.open(&rest[head..head + body], &mut place) else { break };
            out.extend_from_slice(&place[..len]);
            rest = &rest[head + body..];
        }
        assert!(clear.starts_with(&out), "what comes out is what was sealed, from the beginning on");
        heard_all += u64::from(out == clear);
    }
    assert!(let_in > rounds / 6 && heard_all > rounds / 30, "{let_in} let in, {heard_all} heard whole");
}

// ---- What libzmq says ----

/// Name, values, and what was said: by the client or not.
type Transcript = (String, BTreeMap<String, Vec<u8>>, Vec<(bool, Vec<u8>)>);

/// The transcripts of libzmq, by their names; the lines `name = hex` of each.
fn transcripts() -> Vec<Transcript> {
    let Some(folder) = std::env::var_os("INSTEP_CURVE_DATA").map(PathBuf::from) else {
        eprintln!("SKIPPED: INSTEP_CURVE_DATA names no folder with transcripts of libzmq");
        return Vec::new();
    };
    let hex = |text: &str| -> Option<Vec<u8>> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    };
    ["curve-libzmq-4.3.4.txt", "curve-libzmq-4.3.5.txt"]
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            let values = text.lines().filter_map(|line| {
                let (name, value) = line.split_once(" = ")?;
                let name = name.split(' ').next()?;
                Some((name.trim().to_owned(), hex(value)?))
            });
            let values = values.collect();
            let said = text.lines().filter_map(|line| match line.split_once(' ')? {
                ("C>S", rest) => Some((true, hex(rest)?)),
                ("S>C", rest) => Some((false, hex(rest)?)),
                _ => None,
            });
            (name.to_owned(), values, said.collect())
        })
        .into()
}

/// All that one side says, in order.
fn said_by(client: bool, said: &[(bool, Vec<u8>)]) -> Vec<u8> {
    said.iter().filter(|(by, _)| *by == client).flat_map(|(_, bytes)| bytes.clone()).collect()
}

/// The commands and messages behind a greeting.
fn frames_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut frames) = (&bytes[64..], Vec::new());
    while let Some((_, _, next)) = unframe(rest) {
        frames.push(rest[..rest.len() - next.len()].to_vec());
        rest = next;
    }
    assert!(rest.is_empty());
    frames
}

fn key_of(values: &BTreeMap<String, Vec<u8>>, name: &str) -> [u8; 32] {
    values[name].clone().try_into().unwrap()
}

/// Chance that is these bytes, one after the other.
fn given(parts: Vec<Vec<u8>>) -> Bytes {
    let mut parts = parts.into_iter();
    Box::new(move |out: &mut [u8]| out.copy_from_slice(&parts.next().expect("no more chance is asked for")))
}

#[test]
fn as_a_server_we_say_what_libzmq_says_byte_for_byte() {
    for (name, values, said) in transcripts() {
        let (client, server) = (said_by(true, &said), said_by(false, &said));
        let (from_client, from_server) = (frames_of(&client), frames_of(&server));
        let pair = KeyPair::of(Secret::of(&mut key_of(&values, "server_secret_s")));
        assert_eq!(pair.public[..], values["server_public_S"], "{name}");
        let mut listener = Listener::new(Offer { null: false, plain: false, curve: Some(pair) });
        let (_, initiate, _) = unframe(&from_client[1]).unwrap();
        let parts = vec![
            values["server_shortterm_secret_s'"].clone(),
            values["welcome_nonce16"].clone(),
            initiate[9..105].to_vec(),
        ];
        listener.chance = given(parts);
        listener.hear(&client[..64]).unwrap();
        assert_eq!(listener.hear(&from_client[0]).unwrap(), from_server[0], "{name}: WELCOME");
        listener.hear(&from_client[1]).unwrap();
        let Some(Shown::Key(key)) = listener.shown.take() else { panic!() };
        assert_eq!(key[..], values["client_public_C"], "{name}");
        listener.admit().unwrap();
        let (mut sealer, mut opener) = listener.session();
        let clear = open_all(&mut opener, &from_client[2..].concat()).unwrap();
        let text = String::from_utf8_lossy(&clear).into_owned();
        assert!(text.contains("COORDINATOR") && text.contains("PING"), "{name}: {text}");
        // Our READY says more than libzmq's; from there on the numbers are the same again.
        let told = open_of_server(&values, &from_server[2..]);
        assert_eq!(seal_all(&mut sealer, &told), from_server[2..].concat(), "{name}: messages");
    }
}

/// What is in the messages of the server, as frames of a link without security.
fn open_of_server(values: &BTreeMap<String, Vec<u8>>, frames: &[Vec<u8>]) -> Vec<u8> {
    use crate::common::curve::{Boxes, nonce};
    let boxes =
        Boxes::new(&key_of(values, "server_shortterm_public_S'"), &key_of(values, "client_shortterm_secret_c'"));
    let open = |whole: &Vec<u8>| {
        let (_, body, _) = unframe(whole).unwrap();
        let text = boxes.open(nonce(&[b"CurveZMQMESSAGES", &body[8..16]]), &body[16..]).unwrap();
        frame(if text[0] == 2 { 4 } else { text[0] }, &text[1..])
    };
    frames.iter().flat_map(open).collect()
}

#[test]
fn as_a_client_we_say_what_libzmq_says_byte_for_byte() {
    for (name, values, said) in transcripts() {
        let (from_client, server) = (frames_of(&said_by(true, &said)), said_by(false, &said));
        let from_server = frames_of(&server);
        let pair = KeyPair::of(Secret::of(&mut key_of(&values, "client_secret_c")));
        let mut dialler = Handshake::dialling(SocketType::Dealer, key_of(&values, "server_public_S"), pair);
        let mut chance = given(vec![values["client_shortterm_secret_c'"].clone(), values["vouch_nonce16"].clone()]);
        let mut out = Vec::new();
        let Ok(Shaken::Went(64)) = dialler.next(&server[..64], &mut chance, &mut out) else { panic!("{name}") };
        assert_eq!(out, from_client[0], "{name}: HELLO");
        out.clear();
        let Ok(Shaken::Went(_)) = dialler.next(&from_server[0], &mut chance, &mut out) else { panic!("{name}") };
        // libzmq said "me" of itself, we have no identity: the boxes are the same but for that.
        let (_, ours, _) = unframe(&out).unwrap();
        let (_, theirs, _) = unframe(&from_client[1]).unwrap();
        assert_eq!(ours[..113], theirs[..113], "{name}: INITIATE up to its box");
        let Ok(Shaken::Done(_, done)) = dialler.next(&from_server[1], &mut chance, &mut out) else { panic!("{name}") };
        assert_eq!(done.socket_type, SocketType::Router, "{name}");
        let mut session = *done.session.unwrap();
        let told = open_all(&mut session.opener, &from_server[2..].concat()).unwrap();
        assert_eq!(told, open_of_server(&values, &from_server[2..]), "{name}");
        let clear = {
            use crate::common::curve::{Boxes, nonce};
            let theirs = key_of(&values, "server_shortterm_public_S'");
            let boxes = Boxes::new(&theirs, &key_of(&values, "client_shortterm_secret_c'"));
            let open = |whole: &Vec<u8>| {
                let (_, body, _) = unframe(whole).unwrap();
                let text = boxes.open(nonce(&[b"CurveZMQMESSAGEC", &body[8..16]]), &body[16..]).unwrap();
                frame(if text[0] == 2 { 4 } else { text[0] }, &text[1..])
            };
            from_client[2..].iter().flat_map(open).collect::<Vec<u8>>()
        };
        assert_eq!(seal_all(&mut session.sealer, &clear), from_client[2..].concat(), "{name}: messages");
    }
}
