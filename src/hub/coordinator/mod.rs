//! The Coordinator: messages between Components, the network of nodes, the directory.
//!
//! Owns when the directory is sent to the other nodes and when each of them is dialled; it changes [`Names`], which everybody reads. It must
//! not know sessions, providers or viewers: who must hear of a name or a node that left is told by an event.

mod inbound;
pub(super) mod large;
mod mesh;
mod methods;
pub(super) mod multicast;
mod origin;
mod permits;
mod published;
pub(super) mod relay;
mod updates;

pub(super) use origin::Origin;

use published::Published;

use crate::leco::name::is_visitor;
use crate::store::name::Name;
use crate::store::timers::Timers;
use crate::time::{Span, Tick};

use super::cause::Cause;
use super::events::{Event, Left};
use super::keys::{ComponentKey, NodeKey};
use super::names::Names;
use super::peers::{Peers, Topic};

/// The Coordinator. See the module's documentation.
#[derive(Debug)]
pub(super) struct Coordinator {
    /// When each node is dialled.
    timers: Timers<1>,
    /// The directory or the nodes changed since the last update to other Coordinators.
    pub(super) is_changed: bool,
    /// When they were last told, and what.
    sent_at: Tick,
    published: Published,
}

impl Coordinator {
    pub(super) fn new(now: Tick) -> Self {
        Self { timers: Timers::default(), is_changed: false, sent_at: now, published: Published::default() }
    }

    pub(super) fn soonest(&self) -> Option<Tick> {
        self.timers.soonest()
    }

    /// Dials every node whose pause is over.
    pub(super) fn expire(&mut self, peers: &mut Peers, names: &mut Names) {
        while let Some((slot, _)) = self.timers.pop_due(peers.now) {
            if let Some(key) = names.nodes.key_at(slot) {
                Self::dial(peers, names, key);
            }
        }
    }

    fn dial_at(&mut self, key: NodeKey, at: Tick) {
        self.timers.set(key.slot(), 0, at);
    }

    /// A component's link has ended, or it was silent too long: its name is free. Answers the name.
    pub(super) fn name_left(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        key: ComponentKey,
        why: Left,
    ) -> Option<Name> {
        let component = names.directory.remove(key)?;
        self.is_changed = true;
        tell(peers, names, &component.name, "left");
        let name = crate::leco::name::shown(&component.name);
        match why {
            Left::Link(cause) => {
                peers.counters.names_freed += 1;
                // Who ends in order is not about to come back.
                if cause != Cause::Peer && cause != Cause::Takeover {
                    names.note_lost(peers.now, Span(peers.config.return_ms), &component.name);
                }
                log::log!(news_of(&component.name), "component {name} is gone: {cause}");
            }
            Left::Silent => {
                peers.counters.names_expired += 1;
                log::warn!("component {name} removed: silent too long");
            }
        }
        Some(component.name)
    }

    /// A component may not have its name any more: it is free. Answers the name.
    pub(super) fn take_name(&mut self, peers: &mut Peers, names: &mut Names, key: ComponentKey) -> Option<Name> {
        let component = names.directory.sign_out(key)?;
        peers.drop_name(component.link, key);
        tell(peers, names, &component.name, "left");
        log::warn!("component {} may not have its name any more", crate::leco::name::shown(&component.name));
        peers.counters.sign_outs += 1;
        self.is_changed = true;
        Some(component.name)
    }

    /// Asks components that have been silent for `expiration`, removes those silent three times as long.
    pub(super) fn clean_directory(peers: &mut Peers, names: &Names, expiration: Span) {
        let silent: Vec<_> = names
            .directory
            .iter()
            .filter_map(|(key, component)| {
                let peer = peers.get(component.link)?;
                let idle = peers.now.since(peer.last_heard);
                (idle >= expiration && peer.held.is_none()).then_some((key, component.link, idle))
            })
            .collect();
        for (key, link, idle) in silent {
            if idle >= expiration.times(3) {
                peers.drop_name(link, key);
                peers.events.push_back(Event::NameLeft { component: key, why: Left::Silent });
            } else if let Some(component) = names.directory.get(key) {
                let name = names.named_here(&component.name);
                names.ask_pong(peers, link, &name);
            }
        }
    }
}

/// How loud a component's coming and going is told: who only asks something comes and goes all the time.
fn news_of(name: &[u8]) -> log::Level {
    if is_visitor(name) { log::Level::Debug } else { log::Level::Info }
}

/// Tells whoever looks on that a component has come or left, unless it only asks something.
fn tell(peers: &mut Peers, names: &Names, name: &[u8], change: &str) {
    if !is_visitor(name) {
        let full_name = crate::leco::name::shown(&names.named_here(name));
        peers.news.add(Topic::Directory, &serde_json::json!({"name": full_name, "change": change}));
    }
}

/// Tells whoever looks on what has become of a node.
fn tell_of_node(peers: &mut Peers, namespace: &str, change: &str) {
    peers.news.add(Topic::Nodes, &serde_json::json!({"namespace": namespace, "change": change}));
}

#[cfg(test)]
mod tests;
