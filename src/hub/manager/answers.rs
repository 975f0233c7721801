//! How one viewer is answered, and told what it has not asked for.

use std::sync::Arc;

use crate::control::viewer::{self, Beside, Bits, Head};
use crate::limits::VIEWER_WORDS_MAX;

use super::viewer::Viewer;
use super::world::{Statics, Timestep};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peers, QueuedResult, ResultKind, Results};

/// Answers that may wait for one viewer before it is not read any more.
const ANSWERS_MAX: usize = 16;

/// Results up to this size are sent even when memory is short: words, not data. Others leave room for the worlds of providers, which
/// must not end because viewers do not read.
const SMALL_BYTES: usize = 4096;

/// What a viewer is told instead of data that there is no memory for.
const NO_MEMORY: &str = "no memory is left for this (memory_max)";

/// A result that says so, of no timestep.
pub(super) const fn no_memory(request: Bits) -> Head<'static> {
    Head { request, message: NO_MEMORY, result: false, time: 0 }
}

/// Word that comes with no data, unasked.
pub(super) const fn word(message: &str, time: i64) -> Head<'_> {
    Head { request: Bits::NONE, message, result: true, time }
}

/// Whether a viewer's next request must wait until it has read answers to those before.
pub(super) fn is_behind_with_answers(results: &Results) -> bool {
    results.count(ResultKind::Answer) + results.promised >= ANSWERS_MAX
}

/// One answer that was promised is on its way.
pub(super) fn keep_promise(peers: &mut Peers, viewer: PeerKey) {
    if let Some(results) = peers.results_mut(viewer) {
        results.promised = results.promised.saturating_sub(1);
    }
}

/// Counts the bytes of a result, unless there is no memory for them.
pub(super) fn charge(peers: &mut Peers, bytes: usize) -> bool {
    // Small words always find room; data may not.
    if bytes <= SMALL_BYTES {
        peers.pool.charge_small(bytes);
        return true;
    }
    peers.pool.charge_leaving_room(bytes)
}

/// The sections of a timestep that are wanted, the others being empty: score, map, config, commands, changes, perceptions.
pub(super) fn chosen_sections<'a>(bits: Bits, statics: &'a Statics, step: &'a Timestep) -> [&'a [u8]; 6] {
    [
        (Bits::NONE, &step.score),
        (Bits::MAP, &statics.map),
        (Bits::CONFIG, &statics.config),
        (Bits::ACTION, &step.commands),
        (Bits::UPDATE, &step.changes),
        (Bits::PERCEPTION, &step.perceptions),
    ]
    .map(|(bit, section)| if bits.has(bit) { &section[..] } else { &[] })
}

/// Answers one viewer. Where there is no memory for the sections, it is told so.
pub(super) fn answer(peers: &mut Peers, key: PeerKey, head: Head<'_>, sections: &[&[u8]]) {
    let mut out = Vec::new();
    viewer::write_result(&mut out, head, sections);
    if !charge(peers, out.len()) {
        peers.counters.results_without_memory += 1;
        out.clear();
        viewer::write_result(&mut out, Head { message: NO_MEMORY, result: false, ..head }, &[]);
        peers.pool.charge_small(out.len());
    }
    peers.queue_result(key, QueuedResult { bytes: Arc::new(out), kind: ResultKind::Answer });
}

/// Says something to one viewer that it has not asked for.
pub(super) fn say(peers: &mut Peers, viewer: &mut Viewer, key: PeerKey, head: Head<'_>) {
    let mut out = Vec::new();
    viewer::write_result(&mut out, head, &[]);
    send_word(peers, viewer, key, out);
}

/// The same, with the flow state of its session.
pub(super) fn say_in_state(peers: &mut Peers, viewer: &mut Viewer, key: PeerKey, head: Head<'_>, state: &str) {
    let mut out = Vec::new();
    viewer::write_result_in(&mut out, head, Beside { state, viewer: None }, &[]);
    send_word(peers, viewer, key, out);
}

/// A viewer that takes nothing keeps the newest words; since it has lost others it starts anew.
fn send_word(peers: &mut Peers, viewer: &mut Viewer, key: PeerKey, bytes: Vec<u8>) {
    let Some(words) = peers.results(key).map(|results| results.count(ResultKind::Word)) else { return };
    if words >= VIEWER_WORDS_MAX {
        peers.drop_oldest_word(key);
        let was_behind = core::mem::replace(&mut viewer.behind, true);
        peers.counters.viewers_behind += u64::from(!was_behind);
        peers.note_drops(key, 1);
    }
    peers.pool.charge_small(bytes.len());
    peers.queue_result(key, QueuedResult { bytes: Arc::new(bytes), kind: ResultKind::Word });
}
