//! The handshakes of PLAIN and CURVE, and sealed frames behind them.
//!
//! The first byte chooses what is listened for, or that we dial; the rest is what the peer sends. Our keys and our chance are always the same, so
//! that files of the corpus can go all the way. Whoever shows anything is let in.

use instep::zmtp::SocketType;
use instep::zmtp::mechanism::seal::{KeyPair, Secret};
use instep::zmtp::mechanism::session::{Heard, Opener, heard};
use instep::zmtp::mechanism::{Done, Handshake, Offer, Shaken, Shown};

use super::{Cut, same_however_cut};

/// Small, so that short inputs reach it.
const FRAME_BYTES_MAX: u64 = 700;

/// Our secret key.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// That of the server that we dial.
pub(crate) const SERVER: [u8; 32] = [9; 32];

fn pair(mut secret: [u8; 32]) -> KeyPair {
    KeyPair::of(Secret::of(&mut secret))
}

/// Chance that is the same each time.
pub(crate) fn chance() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |place: &mut [u8]| {
        for byte in place {
            next = next.wrapping_mul(5).wrapping_add(13);
            *byte = next;
        }
    }
}

/// The handshake that a choice is for.
pub(crate) fn chosen(choice: u8) -> Handshake {
    let curve = |is_there: bool| is_there.then(|| pair(SECRET));
    match choice % 4 {
        0 => Handshake::listening(SocketType::Router, Offer { null: false, plain: false, curve: curve(true) }),
        1 => Handshake::listening(SocketType::Router, Offer { null: true, plain: true, curve: curve(true) }),
        2 => Handshake::listening(SocketType::Router, Offer { null: false, plain: true, curve: curve(false) }),
        _ => Handshake::dialling(SocketType::Dealer, pair(SERVER).public, pair(SECRET)),
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((&choice, sent)) = bytes.split_first() else { return };
    same_however_cut(sent, |bytes, cut| hear(chosen(choice), bytes, cut));
}

/// Everything that is said and heard.
fn hear(mut handshake: Handshake, bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let (mut buffer, mut told, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let (mut chance, mut left) = (chance(), bytes);
    let mut opener: Option<Opener> = None;
    let mut is_clear = false;
    handshake.open(&mut said);
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        while !is_clear {
            let went = match &mut opener {
                Some(opener) => open(opener, &mut buffer, &mut told),
                None => shake(&mut handshake, &mut buffer, &mut chance, &mut said, &mut told),
            };
            match went {
                Went::On => {}
                Went::Needs => break,
                Went::Done(done) => {
                    is_clear = done.session.is_none();
                    opener = done.session.map(|session| session.opener);
                }
                Went::Over => {
                    told.push(format!("said {said:?}"));
                    return told;
                }
            }
        }
    }
    told.push(format!("said {said:?}"));
    told
}

/// How far it has gone.
enum Went {
    On,
    /// More bytes are needed.
    Needs,
    Done(Done),
    /// The link has ended.
    Over,
}

/// Opens one frame.
fn open(opener: &mut Opener, buffer: &mut Vec<u8>, told: &mut Vec<String>) -> Went {
    let (head, body) = match heard(buffer, FRAME_BYTES_MAX) {
        Ok(Heard::Whole { head, body }) => (head, body),
        Ok(Heard::Need(n)) => {
            assert!(n > 0, "nothing is needed and nothing said");
            return Went::Needs;
        }
        Err(fault) => {
            told.push(format!("{fault:?}"));
            return Went::Over;
        }
    };
    let mut place = [0; 1024];
    match opener.open(&buffer[head..head + body], &mut place) {
        Ok(len) => told.push(format!("frame {:?}", &place[..len.expect("a frame is no larger than the bound")])),
        Err(fault) => {
            told.push(format!("{fault:?}"));
            return Went::Over;
        }
    }
    buffer.drain(..head + body);
    Went::On
}

/// One step of a handshake.
fn shake(
    handshake: &mut Handshake,
    buffer: &mut Vec<u8>,
    chance: &mut impl FnMut(&mut [u8]),
    said: &mut Vec<u8>,
    told: &mut Vec<String>,
) -> Went {
    let (taken, done) = match handshake.next(buffer, chance, said) {
        Ok(Shaken::Need(n)) => {
            assert!(n > 0, "nothing is needed and nothing said");
            return Went::Needs;
        }
        Ok(Shaken::Went(len)) => (len, None),
        Ok(Shaken::Who(len, shown)) => {
            told.push(match shown {
                Shown::Key(key) => format!("key {key:?}"),
                Shown::Login { name, password } => format!("login {name:?} {password:?}"),
            });
            match handshake.admit(said) {
                Ok(done) => (len, done),
                Err(fault) => {
                    told.push(format!("{fault:?}"));
                    return Went::Over;
                }
            }
        }
        Ok(Shaken::Done(len, done)) => (len, Some(done)),
        Err(fault) => {
            told.push(format!("{fault:?}"));
            return Went::Over;
        }
    };
    assert!(taken > 0, "a step takes something");
    buffer.drain(..taken);
    let Some(done) = done else { return Went::On };
    told.push(format!("done {} {:?}", done.socket_type.name(), done.identity));
    Went::Done(done)
}
