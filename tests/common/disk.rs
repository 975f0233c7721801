//! A disk for recordings, in memory, that takes what is handed to it when a test says so, or never.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use instep::control::vlog::{Item, Player, Progress};
use instep::hub::Hub;
use instep::hub::ledger::Ticket;
use instep::hub::recorder::{Deed, Recorder, RecordingId};
use instep::time::Tick;

/// A recording as the disk has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    /// What was written of it.
    pub(crate) bytes: Vec<u8>,
    /// Something of it could not be written.
    pub(crate) failed: bool,
    /// It is closed.
    pub(crate) ended: bool,
    /// The hub has handed over its end.
    ends: bool,
}

#[derive(Debug, Default)]
struct Store {
    waiting: VecDeque<(Ticket, RecordingId, Deed)>,
    files: BTreeMap<RecordingId, File>,
}

/// What a hub records on; every copy is the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Store>>);

impl Recorder for Disk {
    fn hand_over(&mut self, ticket: Ticket, recording: RecordingId, deed: Deed) {
        let mut store = self.0.lock().unwrap();
        if let Deed::Begin { .. } = deed {
            assert!(store.files.insert(recording, File::default()).is_none(), "{recording:?} begins twice");
        }
        let file = store.files.get_mut(&recording).expect("it begins first");
        assert!(!file.ends, "{deed:?} after the end of {recording:?}");
        file.ends = deed == Deed::End;
        store.waiting.push_back((ticket, recording, deed));
    }
}

impl Disk {
    /// Takes the oldest of what waits, or fails at it; whether there was anything.
    pub(crate) fn settle(&self, hub: &mut Hub, now: Tick, outcome: Result<(), &str>) -> bool {
        let (ticket, outcome) = {
            let mut store = self.0.lock().unwrap();
            let Some((ticket, recording, deed)) = store.waiting.pop_front() else { return false };
            let file = store.files.get_mut(&recording).unwrap();
            let outcome = if file.failed { Err("the file is closed") } else { outcome };
            file.failed |= outcome.is_err();
            match deed {
                Deed::Append(bytes) if outcome.is_ok() => file.bytes.extend(bytes),
                Deed::End => file.ended = true,
                Deed::Begin { .. } | Deed::Append(_) => {}
            }
            (ticket, outcome.map_err(str::to_owned))
        };
        hub.handle_committed(now, ticket, outcome);
        true
    }

    /// Takes all that waits.
    pub(crate) fn settle_all(&self, hub: &mut Hub, now: Tick) {
        while self.settle(hub, now, Ok(())) {}
    }

    /// What waits, in pieces.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// All recordings, in their order.
    pub(crate) fn files(&self) -> Vec<File> {
        self.0.lock().unwrap().files.values().cloned().collect()
    }
}

impl File {
    /// The timesteps in it, that of its world first; it must be whole.
    pub(crate) fn times(&self) -> Vec<i64> {
        let (mut player, mut used, mut times) = (Player::new(), 0, Vec::new());
        while let Progress::Took(n, item) = player.step(&self.bytes[used..]).unwrap() {
            used += n;
            if let Item::Record { time, .. } = item {
                times.push(time);
            }
        }
        assert!(player.may_end(self.bytes.len() - used), "{} bytes are left over", self.bytes.len() - used);
        times
    }
}
