//! A STOMP connection: the frames of a client. What CONNECT agrees upon is spoken from there on.

use instep::stomp::command::Command;
use instep::stomp::connect::Agreed;
use instep::stomp::frame::{Frame, Frames, Step};
use instep::stomp::reply::{self, Reply};
use instep::stomp::selector::Selector;
use instep::stomp::version::Version;

use super::{Cut, same_however_cut};

/// Small, so that short inputs reach it.
const BODY_BYTES_MAX: usize = 700;

pub(crate) fn run(bytes: &[u8]) {
    same_however_cut(bytes, hear);
}

/// Everything that a connection says about `bytes`, which come in pieces.
fn hear(bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let (mut frames, mut version, mut buffer, mut heard) =
        (Frames::default(), Version::default(), Vec::new(), Vec::new());
    let mut left = bytes;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        loop {
            let step = match frames.next(&buffer, BODY_BYTES_MAX) {
                Ok(step) => step,
                Err(fault) => {
                    let mut out = Vec::new();
                    reply::error(&mut out, version, &fault.to_string(), "", None);
                    heard.push(format!("{fault:?} {out:?}"));
                    return heard;
                }
            };
            let len = match step {
                Step::Need(n) => {
                    assert!(n > 0, "nothing is needed and nothing said");
                    break;
                }
                Step::Skip { len } => len,
                Step::Frame { len, frame } => {
                    let headers: Vec<_> = frame.headers().collect();
                    heard.push(format!("{:?} {headers:?} {:?}", frame.command, frame.body));
                    assert!(frame.body.len() <= BODY_BYTES_MAX);
                    if frame.command == Command::Connect {
                        let agreed = Agreed::upon(&frame);
                        heard.push(format!("{agreed:?}"));
                        version = agreed.unwrap_or_default().version;
                        frames.speak(version);
                    } else {
                        heard.push(select(&frame));
                        check(&frame, version);
                    }
                    len
                }
            };
            assert!(len > 0, "a step takes something");
            buffer.drain(..len);
        }
    }
    heard
}

/// Reads the selector of a frame, and asks it about the frame itself.
fn select(frame: &Frame<'_>) -> String {
    let Some(text) = frame.header("selector") else { return String::new() };
    let headers: Vec<_> = frame.headers().collect();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    match Selector::parse(&text) {
        Ok(selector) => {
            let wanted = selector.wants(header);
            let opposite = Selector::parse(&format!("NOT ({text})"));
            assert!(!opposite.is_ok_and(|opposite| wanted && opposite.wants(header)), "both it and its opposite");
            format!("wanted: {wanted}")
        }
        Err(error) => {
            assert!((1..=text.len() + 1).contains(&error.at), "{error}");
            error.to_string()
        }
    }
}

/// A frame of ours with the same values is read as what it was, but for what no value of ours has.
fn check(frame: &Frame<'_>, version: Version) {
    let mut out = Vec::new();
    let mut reply = Reply::begin(&mut out, "SEND", version);
    for (_, value) in frame.headers() {
        reply = reply.header("a", &value);
    }
    reply.content_length(frame.body.len()).body();
    out.extend_from_slice(frame.body);
    out.extend_from_slice(reply::END);
    let mut frames = Frames::default();
    frames.speak(version);
    let again = match frames.next(&out, BODY_BYTES_MAX) {
        Ok(Step::Frame { len, frame: again }) => {
            assert_eq!(len, out.len() - 1);
            again
        }
        // One more line, or a longer one, may be one too many.
        _ => return,
    };
    assert_eq!((again.command, again.body), (Command::Send, frame.body));
    for ((_, value), (_, read)) in frame.headers().zip(again.headers()) {
        let plain = value.replace(['\r', '\n', '\0'], "");
        let kept = if value == "true" { "true ".to_owned() } else { plain };
        assert_eq!(read, kept.strip_prefix(' ').unwrap_or(&kept));
    }
}
