//! A ledger in memory, whose commits become durable when a test says so, or never.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use instep::hub::ledger::{Entry, Ledger, Ticket, Write};

use super::world::World;

#[derive(Debug, Default)]
struct Store {
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    waiting: VecDeque<(Ticket, Vec<Write>)>,
    commits: u64,
    session_commits: u64,
}

/// What a hub writes to; every copy is the same ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Store>>);

impl Ledger for Memory {
    fn commit(&mut self, ticket: Ticket, writes: Vec<Write>) {
        let mut store = self.0.lock().unwrap();
        store.commits += 1;
        store.session_commits += u64::from(writes.iter().any(|write| write.key.starts_with(b"session/")));
        store.waiting.push_back((ticket, writes));
    }

    fn load(&mut self) -> Result<Vec<Entry>, String> {
        Ok(self.0.lock().unwrap().kept.clone().into_iter().collect())
    }
}

impl Memory {
    /// Gives a hub of the world this ledger.
    pub(crate) fn give_to(&self, world: &mut World, hub: usize) {
        world.hubs[hub].set_ledger(Box::new(self.clone())).unwrap();
        world.pump();
    }

    /// The oldest commit becomes durable; whether there was one.
    pub(crate) fn settle(&self, world: &mut World, hub: usize) -> bool {
        let Some((ticket, writes)) = self.0.lock().unwrap().waiting.pop_front() else { return false };
        for write in writes {
            let mut store = self.0.lock().unwrap();
            match write.value {
                Some(value) => drop(store.kept.insert(write.key, value.as_ref().to_vec())),
                None => drop(store.kept.remove(&write.key)),
            }
        }
        let now = world.now;
        world.hubs[hub].handle_committed(now, ticket, Ok(()));
        world.pump();
        true
    }

    /// All commits become durable, and those that follow from them.
    pub(crate) fn settle_all(&self, world: &mut World, hub: usize) {
        while self.settle(world, hub) {}
    }

    /// Commits of members become durable, up to the first of a session.
    pub(crate) fn settle_members(&self, world: &mut World, hub: usize) {
        let is_of_members = |writes: &[Write]| writes.iter().all(|write| write.key.starts_with(b"member/"));
        while self.0.lock().unwrap().waiting.front().is_some_and(|(_, writes)| is_of_members(writes)) {
            self.settle(world, hub);
        }
    }

    /// The oldest commit fails.
    pub(crate) fn fail(&self, world: &mut World, hub: usize, reason: &str) {
        let (ticket, _) = self.0.lock().unwrap().waiting.pop_front().unwrap();
        let now = world.now;
        world.hubs[hub].handle_committed(now, ticket, Err(reason.to_owned()));
        world.pump();
    }

    /// The process dies: what was not durable is gone.
    pub(crate) fn crash(&self) {
        self.0.lock().unwrap().waiting.clear();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// Commits ever begun.
    pub(crate) fn commits(&self) -> u64 {
        self.0.lock().unwrap().commits
    }

    /// Those of them that wrote a session, and not only members.
    pub(crate) fn session_commits(&self) -> u64 {
        self.0.lock().unwrap().session_commits
    }

    /// The keys that are kept.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().kept.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    /// The text that is kept under a key.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let store = self.0.lock().unwrap();
        store.kept.get(key.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Puts something into it that no hub has written.
    pub(crate) fn put(&self, key: &str, value: &str) {
        self.0.lock().unwrap().kept.insert(key.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
}
