//! The connection to a simulation kernel, in either dialect: the first byte chooses it, the rest is what the kernel sends.

use instep::rcrs::kernel::{Dialect, KernelViewer, Poll};

use super::{Cut, same_however_cut};

/// Bytes of a frame, small, so that short inputs reach it.
const FRAME_BYTES_MAX: usize = 8 << 10;

pub(crate) fn run(bytes: &[u8]) {
    let Some((&choice, sent)) = bytes.split_first() else { return };
    let dialect = if choice & 1 == 0 { Dialect::Current } else { Dialect::Legacy };
    same_however_cut(sent, |bytes, cut| hear(dialect, bytes, cut));
}

/// All events, all frames to be sent, and the error at the end.
fn hear(dialect: Dialect, bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let mut viewer = KernelViewer::new(dialect, 7, "fuzz", FRAME_BYTES_MAX);
    let mut heard = vec![format!("{:?}", viewer.poll_frame())];
    let mut left = bytes;
    while !left.is_empty() {
        let (mut piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        while !piece.is_empty() {
            let taken = match viewer.handle_bytes(piece) {
                Ok(taken) => taken,
                Err(error) => {
                    heard.push(format!("{error:?}"));
                    return heard;
                }
            };
            assert!(taken > 0, "a machine that is idle takes something");
            piece = &piece[taken..];
            loop {
                match viewer.poll_event() {
                    Ok(Poll::Event(event)) => heard.push(format!("{event:?}")),
                    Ok(Poll::Working) => {}
                    Ok(Poll::Idle) => break,
                    Err(error) => {
                        assert_eq!(viewer.poll_event(), Err(error), "an error is for good");
                        heard.push(format!("{error:?}"));
                        return heard;
                    }
                }
            }
            heard.extend(viewer.poll_frame().map(|frame| format!("{frame:?}")));
        }
    }
    heard
}
