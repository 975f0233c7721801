//! What other nodes have been told last of our components and of the nodes, and how that has changed since.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use crate::hub::names::Names;
use crate::leco::directory::Change;
use crate::leco::methods;
use crate::leco::name;
use crate::leco::nodes::Dealer;
use crate::limits::DIRECTORY_RECENT_MAX;
use crate::store::sorted::Sorted;

/// What other nodes have been told last.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The number of our list of components, and its digest.
    number: u64,
    digest: u64,
    /// Names that have come or signed out, under the number of our list since which that is so, as far back as is remembered.
    recent: VecDeque<(u64, Box<[u8]>, Change)>,
    /// All of them behind this number are.
    recent_since: u64,
    /// Addresses of the nodes that could be reached.
    nodes: Sorted<Box<[u8]>, Box<str>>,
}

impl Published {
    /// The number of our list.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Takes our list to its next number, if it has changed: answers the call that tells the difference, unless it is too large for one.
    pub(super) fn advance(&mut self, names: &mut Names) -> Option<String> {
        if !names.directory.has_changes() {
            return None;
        }
        self.number += 1;
        self.digest = names.directory.digest();
        let changes = names.directory.take_changes();
        self.remember(changes.as_ref());
        let changes = changes?;
        let those = |has: fn(Change) -> bool| -> Value {
            let some = changes.iter().filter(|(_, change)| has(**change));
            some.map(|(name, _)| Value::from(name::shown(name))).collect()
        };
        let (added, removed) = (those(Change::adds), those(Change::removes));
        let mut params = json!({"number": self.number, "added": added, "removed": removed});
        if let Some(params) = params.as_object_mut()
            && changes.values().any(|change| *change == Change::SignedOut)
        {
            params.insert("signed_out".to_owned(), those(|change| change == Change::SignedOut));
        }
        if let Some(params) = params.as_object_mut()
            && changes.values().any(|change| *change == Change::CameAnew)
        {
            params.insert("anew".to_owned(), those(|change| change == Change::CameAnew));
        }
        Some(methods::notification("change_components", &params))
    }

    /// Remembers who has come and who has signed out; without `changes` it is not known.
    fn remember(&mut self, changes: Option<&BTreeMap<Box<[u8]>, Change>>) {
        let Some(changes) = changes else {
            self.recent.clear();
            self.recent_since = self.number;
            return;
        };
        let those = changes.iter().filter(|(_, change)| change.adds() || **change == Change::SignedOut);
        self.recent.extend(those.map(|(name, change)| (self.number, name.clone(), *change)));
        while let Some((number, ..)) = self.recent.front()
            && (self.recent.len() > DIRECTORY_RECENT_MAX || *number == self.recent_since)
        {
            self.recent_since = *number;
            self.recent.pop_front();
        }
    }

    /// What is told of that beside our whole list.
    pub(super) fn recent(&self, names: &Names) -> Value {
        let those = |is_there: bool| -> Map<String, Value> {
            let is_so = |name: &[u8], change: Change| {
                change.adds() == is_there && names.directory.find(name).is_some() == is_there
            };
            let some = self.recent.iter().filter(|(_, name, change)| is_so(name, *change));
            some.map(|(number, name, _)| (name::shown(name), Value::from(*number))).collect()
        };
        json!({"since": self.recent_since, "came": those(true), "signed_out": those(false)})
    }

    /// The nodes that have been reached since the last time, or have moved.
    pub(super) fn news(&mut self, names: &Names) -> Map<String, Value> {
        let mut reached = Sorted::new();
        for (_, node) in names.nodes.iter() {
            if let (Some(namespace), Some(address), Dealer::Up(_)) = (&node.namespace, &node.address, node.dealer) {
                reached.insert(namespace.clone(), address.clone());
            }
        }
        let news = reached.iter().filter(|(namespace, address)| self.nodes.get(*namespace) != Some(address));
        let news = news.map(|(namespace, address)| (name::shown(namespace), Value::from(&**address))).collect();
        self.nodes = reached;
        news
    }

    /// The call by which whoever has been told all of it sees that.
    pub(super) fn check(&self) -> String {
        let digest = format!("{:016x}", self.digest);
        methods::notification("compare_components", &json!({"number": self.number, "digest": digest}))
    }
}
