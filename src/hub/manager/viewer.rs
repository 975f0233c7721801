//! A viewer's side of its connection, and what stays of one that has left.

use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};

use crate::control::reply::Status;
use crate::control::viewer::Bits;
use crate::hub::cause::Cause;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::limits::DEPARTED_MAX;
use crate::store::sorted::Sorted;

/// A viewer's side of its connection.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) id: i64,
    pub(super) remote: SocketAddr,
    /// It has said OPEN and not yet CLOSE.
    pub(super) open: bool,
    /// What it wants with each timestep.
    pub(super) selection: Bits,
    /// What it wants in an initial result.
    pub(super) initial: Bits,
    pub(super) session: Option<SessionKey>,
    /// It has lost timesteps: an initial result is due when the queue is empty.
    pub(super) behind: bool,
    /// It waits for a fresh start of its session's provider, behind which the timesteps are that it is sent.
    pub(super) waits: bool,
}

/// A viewer that has left, as the information functions still show it.
#[derive(Clone, Debug)]
pub(super) struct Departed {
    pub(super) id: i64,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) status: Status,
}

/// Connected viewers, and the last of those that have left. Ids are never given twice.
#[derive(Debug)]
pub(super) struct Viewers {
    all: BTreeMap<PeerKey, Box<Viewer>>,
    ids: Sorted<i64, PeerKey>,
    departed: VecDeque<Departed>,
    next_id: i64,
}

impl Viewers {
    pub(super) const fn new() -> Self {
        Self { all: BTreeMap::new(), ids: Sorted::new(), departed: VecDeque::new(), next_id: 1 }
    }

    /// A viewer has come; answers its id.
    pub(super) fn add(&mut self, key: PeerKey, remote: SocketAddr) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let (selection, initial) = (Bits::NONE, Bits::NONE);
        let (open, session, behind, waits) = (false, None, false, false);
        self.all.insert(key, Box::new(Viewer { id, remote, open, selection, initial, session, behind, waits }));
        self.ids.insert(id, key);
        id
    }

    /// A viewer has left; answers its id.
    pub(super) fn remove(&mut self, key: PeerKey, cause: Cause) -> Option<i64> {
        let viewer = self.all.remove(&key)?;
        self.ids.remove(&viewer.id);
        let status = if cause.is_warning() { Status::Errored } else { Status::Closed };
        let host = viewer.remote.ip().to_string();
        self.departed.push_back(Departed { id: viewer.id, host, port: viewer.remote.port(), status });
        if self.departed.len() > DEPARTED_MAX {
            self.departed.pop_front();
        }
        Some(viewer.id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether a viewer of this id was here once.
    pub(super) const fn had(&self, id: i64) -> bool {
        id >= 1 && id < self.next_id
    }

    pub(super) fn key_of(&self, id: i64) -> Option<PeerKey> {
        self.ids.get(&id).copied()
    }

    pub(super) fn get(&self, key: PeerKey) -> Option<&Viewer> {
        self.all.get(&key).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Viewer> {
        self.all.get_mut(&key).map(Box::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &Viewer)> {
        self.all.iter().map(|(key, viewer)| (*key, &**viewer))
    }

    pub(super) fn departed(&self) -> impl Iterator<Item = &Departed> {
        self.departed.iter()
    }

    /// What is wrong with the books, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_right = self.ids.iter().all(|(id, key)| self.get(*key).is_some_and(|viewer| viewer.id == *id));
        if self.all.len() != self.ids.len() || !is_right {
            return Err("a viewer is listed that has left".to_owned());
        }
        Ok(())
    }
}
