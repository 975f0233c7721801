//! A WebSocket connection behind its handshake: what a client sends.

use instep::http::websocket::decoder::{Decoder, Step};
use instep::http::websocket::fault::Fault;
use instep::http::websocket::frame::{Control, Header, Kind};

use super::{Cut, same_however_cut};

/// Small, so that short inputs reach it.
const MESSAGE_BYTES_MAX: u64 = 700;

pub(crate) fn run(bytes: &[u8]) {
    same_however_cut(bytes, hear);
}

/// Everything that a connection says about `bytes`, which come in pieces, with whole messages.
fn hear(bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let (mut decoder, mut buffer, mut heard, mut message) = (Decoder::default(), Vec::new(), Vec::new(), Vec::new());
    let mut left = bytes;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        loop {
            let step = match decoder.next(&buffer, MESSAGE_BYTES_MAX, |piece| message.extend_from_slice(piece)) {
                Ok(step) => step,
                Err(fault) => {
                    assert!(
                        matches!(fault.code(), 1002 | 1007 | 1009) && (fault.code() == 1007) == (fault == Fault::Text)
                    );
                    heard.push(format!("{fault:?}"));
                    return heard;
                }
            };
            let len = match step {
                Step::Need(n) => {
                    assert!(n > 0, "nothing is needed and nothing said");
                    break;
                }
                Step::Skip { len } => len,
                Step::Message { len, kind, is_last } => {
                    assert!(message.len() as u64 <= MESSAGE_BYTES_MAX);
                    if is_last {
                        assert!(kind == Kind::Binary || core::str::from_utf8(&message).is_ok(), "text is text");
                        heard.push(format!("{kind:?} {message:?}"));
                        check(Header::of(kind, message.len()).bytes(), &message);
                        message.clear();
                    }
                    len
                }
                Step::Ping { len, payload } => {
                    heard.push(format!("ping {:?}", payload.bytes()));
                    check_control(&Control::pong(payload));
                    len
                }
                Step::Pong { len } => {
                    heard.push("pong".to_owned());
                    len
                }
                Step::Close { len, code, reason } => {
                    let words = core::str::from_utf8(reason.bytes()).expect("a reason is text");
                    heard.push(format!("close {code:?} {words}"));
                    check_control(&Control::close(code.unwrap_or(1000), words));
                    len
                }
            };
            assert!(len > 0, "a step takes something");
            buffer.drain(..len);
        }
    }
    heard
}

fn check_control(control: &Control) {
    let [head, payload] = control.parts();
    check(head, payload);
}

/// A frame of ours, masked as a client's, is read as one frame with the same payload.
fn check(head: &[u8], payload: &[u8]) {
    let mut sent = head.to_vec();
    sent[1] |= 0x80;
    sent.extend_from_slice(&[0; 4]);
    sent.extend_from_slice(payload);
    let mut read = Vec::new();
    let step = Decoder::default()
        .next(&sent, u64::MAX, |piece| read.extend_from_slice(piece))
        .expect("our own frames are good");
    match step {
        Step::Message { len, is_last: true, .. } => assert_eq!((len, read.as_slice()), (sent.len(), payload)),
        Step::Pong { len } => assert_eq!(len, sent.len()),
        Step::Close { len, code, reason } => {
            assert_eq!((len, reason.bytes()), (sent.len(), &payload[2..]));
            assert_eq!(code.map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice), payload.get(..2));
        }
        step @ (Step::Need(_) | Step::Skip { .. } | Step::Message { .. } | Step::Ping { .. }) => panic!("{step:?}"),
    }
}
