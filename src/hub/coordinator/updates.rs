//! What is told of our directory, and what other nodes tell of theirs: whole lists, differences, and a check whether anything is missing.
//!
//! Our list has a number, which every difference raises by one. A node that is instep's gets the whole list when we have signed in there,
//! then differences; and with each cleaning the number and the digest of the list, some bytes by which it sees whether it has missed
//! anything. Then it asks for the whole list. A node that could not be told a difference, as its ring had no room, gets the whole list with
//! the next change or cleaning. Beside a whole list it is said who has come and who has signed out lately, so that whoever was away between
//! two lists is seen to have been. Other Coordinators get the whole list, and that alone, at every change and with every cleaning.
//!
//! Nodes are told of in the same way: all of them with a whole list, with a difference those that have been reached since the last one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::leco::json::Strings;
use crate::leco::listing::{Recent, name_in};
use crate::leco::methods;
use crate::leco::name::{self, COORDINATOR};
use crate::leco::rpc::{self, INVALID_PARAMS, INVALID_REQUEST, SERVER_FULL};
use crate::limits::{COMPONENTS_PER_NODE_MAX, DIRECTORY_CHANGES_MAX, DIRECTORY_RECENT_MAX, LISTED_PER_PIECE};
use crate::store::order;
use crate::time::Span;

use super::{Coordinator, tell_of_node};
use crate::counters::count;
use crate::hub::call::{Answer, Caller, Refused};
use crate::hub::events::Event;
use crate::hub::keys::{NodeKey, PeerKey};
use crate::hub::names::{Names, new_header};
use crate::hub::peers::{Peer, Peers, ProcessTimer, Work};
use crate::store::ring::NoRoom;

/// Components for which one millisecond must pass between two directory updates. A small directory is told at every change and a large one,
/// whose changes come in bursts and are all named to Coordinators that take no differences, a few times in a second.
const COMPONENTS_PER_PAUSE_MS: usize = 64;
/// A node is asked for its whole list no more often than that.
const ASK_PAUSE: Span = Span(1000);
/// Nor is it told ours more often than that because it asks; then the next change or cleaning brings it.
const REPEAT_PAUSE: Span = Span(ASK_PAUSE.0 / 2);

impl Coordinator {
    // ---- Telling ----

    /// The directory has changed: publish it, unless that has just been done.
    pub(in crate::hub) fn send_directory_soon(&mut self, peers: &mut Peers, names: &mut Names) {
        let since = peers.now.since(self.sent_at);
        let pause = count(names.directory.len() / COMPONENTS_PER_PAUSE_MS);
        if since.0 >= pause {
            self.send_directory(peers, names, false);
        } else {
            peers.set_timer(ProcessTimer::SendDirectory, Span(pause - since.0));
        }
    }

    /// Tells every other Coordinator what has changed of our components and of the nodes, or all of it. With `is_check` those who know all
    /// of it get what they need to see that they do.
    pub(in crate::hub) fn send_directory(&mut self, peers: &mut Peers, names: &mut Names, is_check: bool) {
        self.is_changed = false;
        self.sent_at = peers.now;
        peers.cancel_timer(ProcessTimer::SendDirectory);
        let before = self.published.number();
        let difference = self.published.advance(names);
        let news = self.published.news(names);
        let has_step = difference.is_some() || self.published.number() == before;
        let nodes = (!news.is_empty()).then(|| methods::notification("add_nodes", &json!({"nodes": news})));
        let calls: Vec<String> = nodes.into_iter().chain(difference).collect();
        let step = match &calls[..] {
            [] => is_check.then(|| self.published.check()),
            calls => Some(format!("[{}]", calls.join(","))),
        };
        let (mut plain, mut whole) = (None, None);
        for key in names.nodes.keys() {
            let Some((link, told)) = Self::way_to(names, key) else { continue };
            let is_instep = peers.get(link).is_some_and(Peer::is_instep);
            let text = if !is_instep {
                plain.get_or_insert_with(|| {
                    methods::directory_update(&Self::nodes_as_json(names), &Self::local_components(names), true)
                })
            } else if has_step && told == Some(before) {
                let Some(step) = &step else { continue };
                step
            } else {
                whole.get_or_insert_with(|| self.whole(names))
            };
            let is_told = Self::tell_node(peers, names, key, link, text).is_ok();
            self.note_told(names, key, is_told);
            if !is_told {
                // The link is choked; the next cleaning tells it the newest state.
                peers.counters.answers_dropped += 1;
            }
        }
    }

    /// Our link to a node on which messages can be sent, and the number of our list that it was told last.
    fn way_to(names: &Names, key: NodeKey) -> Option<(PeerKey, Option<u64>)> {
        let node = names.nodes.get(key)?;
        node.namespace.as_ref()?;
        Some((names.link_to(key)?, node.told))
    }

    fn tell_node(peers: &mut Peers, names: &Names, key: NodeKey, link: PeerKey, text: &str) -> Result<(), NoRoom> {
        let namespace = names.nodes.get(key).and_then(|node| node.namespace.as_deref()).unwrap_or_default();
        let receiver = [namespace, b".", COORDINATOR].concat();
        let header = new_header(peers);
        names.say(peers, link, &receiver, &header, text.as_bytes())?;
        peers.counters.updates_published += 1;
        Ok(())
    }

    fn note_told(&self, names: &mut Names, key: NodeKey, is_told: bool) {
        if let Some(node) = names.nodes.get_mut(key) {
            node.told = is_told.then_some(self.published.number());
        }
    }

    /// All nodes and our whole list, with its number.
    fn whole(&self, names: &Names) -> String {
        let nodes = methods::notification("add_nodes", &json!({"nodes": Self::nodes_as_json(names)}));
        let (number, recent) = (self.published.number(), self.published.recent(names));
        let components = Self::local_components(names);
        let params = format_args!(r#"{{"components":{components},"number":{number},"recent":{recent}}}"#);
        format!("[{nodes},{}]", methods::notification("record_components", &params))
    }

    /// Tells one node everything: we have just signed in there, or it has asked.
    pub(super) fn tell_all(&mut self, peers: &mut Peers, names: &mut Names, key: NodeKey) -> Result<(), NoRoom> {
        if let Some(node) = names.nodes.get_mut(key) {
            node.told = None;
        }
        let Some((link, _)) = Self::way_to(names, key) else { return Ok(()) };
        if !peers.get(link).is_some_and(Peer::is_instep) {
            let update = methods::directory_update(&Self::nodes_as_json(names), &Self::local_components(names), false);
            return Self::tell_node(peers, names, key, link, &update);
        }
        if names.directory.has_changes() {
            // What it is told must be what the others have been told.
            self.send_directory(peers, names, false);
            return Ok(());
        }
        let text = self.whole(names);
        peers.spend(Work::Answer(text.len()));
        Self::tell_node(peers, names, key, link, &text)?;
        self.note_told(names, key, true);
        Ok(())
    }

    /// A node has missed something and wants the whole list.
    pub(in crate::hub) fn repeat_components(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
    ) -> Answer {
        let key = node_of(peers, caller)?;
        let now = peers.now;
        if let Some(node) = names.nodes.get_mut(key) {
            if node.repeated.is_some_and(|repeated| now.since(repeated) < REPEAT_PAUSE) {
                node.told = None;
                return Ok(Value::Null);
            }
            node.repeated = Some(now);
        }
        peers.counters.directories_repeated += 1;
        if self.tell_all(peers, names, key).is_err() {
            peers.counters.answers_dropped += 1;
        }
        Ok(Value::Null)
    }

    // ---- Hearing ----

    /// A node tells its whole list. A piece of it is taken; where that is not all, nothing is answered and the rest is for the next time, without
    /// parameters. Until all of it has been read the list before stays.
    pub(in crate::hub) fn record_components(
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: rpc::Params,
    ) -> Option<Answer> {
        Self::record_piece(peers, names, caller, params).transpose()
    }

    fn record_piece(
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: rpc::Params,
    ) -> Result<Option<Value>, Refused> {
        let key = node_of(peers, caller)?;
        let room = names.nodes.names_room(key);
        let Some(node) = names.nodes.get_mut(key) else { return Ok(Some(Value::Null)) };
        if params != rpc::Params::None || node.listing.pending() == 0 {
            let (params, list) = params.take_list();
            let [listed, number, recent] = params.take([rpc::LISTED, "number", "recent"])?;
            let recent = recent.map_or_else(|| Ok(Recent::default()), read_recent)?;
            let number = number.map(|number| read_number(Some(number))).transpose()?;
            let listed = match list {
                Some(list) if list.len() > COMPONENTS_PER_NODE_MAX => return Err(too_many()),
                Some(list) => list,
                None => Strings::of(read_list(listed, COMPONENTS_PER_NODE_MAX)?),
            };
            node.listing.begin(listed, (number, recent), room);
        }
        peers.spend(Work::Listed(node.listing.pending().min(LISTED_PER_PIECE)));
        if node.listing.go_on(LISTED_PER_PIECE).ok_or_else(no_names)? {
            node.asked = None;
            if let Some(namespace) = node.namespace.as_deref() {
                tell_of_node(peers, &name::shown(namespace), "listed");
            }
            peers.events.push_back(Event::NodeListed { node: key });
        }
        if node.listing.pending() > 0 {
            return Ok(None);
        }
        let (taken, left_out) = (node.listing.names().len(), node.listing.left_out());
        if left_out == 0 {
            return Ok(Some(Value::Null));
        }
        let all = taken + left_out;
        let why = format!("{left_out} of {all} components are left out: the names of other nodes have had their room");
        Err((SERVER_FULL, Value::from(why)))
    }

    /// A node tells how its list has changed.
    pub(in crate::hub) fn change_components(
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: rpc::Params,
    ) -> Answer {
        let [number, added, removed, signed_out, anew] =
            params.take(["number", "added", "removed", "signed_out", "anew"])?;
        let (number, added, removed) = (read_number(number)?, read_names(added)?, read_names(removed)?);
        let [signed_out, anew] =
            [signed_out, anew].map(|names| names.map_or(Ok(Vec::new()), |it| read_names(Some(it))));
        let (signed_out, anew) = (signed_out?, anew?);
        let key = node_of(peers, caller)?;
        let room = names.nodes.names_room(key);
        let Some(node) = names.nodes.get_mut(key) else { return Ok(Value::Null) };
        if node.listing.change(number, added, &removed, room) {
            node.listing.note_signed_out(signed_out);
            node.listing.note_returned(anew);
            peers.events.push_back(Event::NodeListed { node: key });
        } else {
            Self::ask_for_all(peers, names, key);
        }
        Ok(Value::Null)
    }

    /// A node tells the number and the digest of its list: what we have of it is compared.
    pub(in crate::hub) fn compare_components(
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: rpc::Params,
    ) -> Answer {
        let [number, digest] = params.take(["number", "digest"])?;
        let number = read_number(number)?;
        let digest = digest.as_ref().and_then(Value::as_str).and_then(|text| u64::from_str_radix(text, 16).ok());
        let digest = digest
            .ok_or_else(|| (INVALID_PARAMS, Value::from("digest is a number of 64 bits in hexadecimal digits")))?;
        let key = node_of(peers, caller)?;
        let room = names.nodes.names_room(key);
        let Some(node) = names.nodes.get(key) else { return Ok(Value::Null) };
        if !node.listing.is(number, digest) || node.listing.may_grow(room) {
            Self::ask_for_all(peers, names, key);
        }
        Ok(Value::Null)
    }

    /// What we have of a node's list is not what it has: asks for all of it, unless that has just been done.
    fn ask_for_all(peers: &mut Peers, names: &mut Names, key: NodeKey) {
        let now = peers.now;
        let Some(link) = names.link_to(key) else { return };
        let Some(node) = names.nodes.get_mut(key) else { return };
        if node.asked.is_some_and(|asked| now.since(asked) < ASK_PAUSE) {
            return;
        }
        node.asked = Some(now);
        log::debug!("node {} has components that we have not heard of", node.label());
        let text = methods::notification("repeat_components", &json!({}));
        let receiver = [node.namespace.as_deref().unwrap_or_default(), b".", COORDINATOR].concat();
        let header = new_header(peers);
        // Without room for it the next check asks again.
        if names.say(peers, link, &receiver, &header, text.as_bytes()).is_ok() {
            peers.counters.directories_asked += 1;
        }
    }
}

/// The node whose Coordinator calls.
fn node_of(peers: &Peers, caller: Caller<'_>) -> Result<NodeKey, Refused> {
    let node = peers.get(caller.link).and_then(|peer| peer.node);
    node.ok_or_else(|| (INVALID_REQUEST, Value::from("only a Coordinator records components")))
}

fn read_number(number: Option<Value>) -> Result<u64, Refused> {
    let number = number.as_ref().and_then(Value::as_u64);
    number.ok_or_else(|| (INVALID_PARAMS, Value::from("number is that of a list, a whole one from 0 on")))
}

/// What a node tells of what has led to its list.
fn read_recent(told: Value) -> Result<Recent, Refused> {
    let wrong = || (INVALID_PARAMS, Value::from("recent is {since, came, signed_out}, two of them numbers by name"));
    let numbers = |told: Option<&Value>| -> Option<BTreeMap<String, u64>> {
        let rows = told?.as_object().filter(|rows| rows.len() <= DIRECTORY_RECENT_MAX)?;
        let row = |(name, number): (&String, &Value)| {
            Some((name.clone(), number.as_u64().filter(|_| name::is_legal(name.as_bytes()))?))
        };
        Some(order::filled(rows.iter().map(row).collect::<Option<Vec<_>>>()?))
    };
    let [since, came, signed_out] = ["since", "came", "signed_out"].map(|key| told.get(key));
    let read = || {
        let since = since?.as_u64()?;
        Some(Recent { since, came: numbers(came)?, signed_out: numbers(signed_out)? })
    };
    read().ok_or_else(wrong)
}

fn no_names() -> Refused {
    (INVALID_PARAMS, Value::from("components is a list of names"))
}

fn too_many() -> Refused {
    (INVALID_PARAMS, Value::from("too many components"))
}

/// A list of up to so many items.
fn read_list(listed: Option<Value>, items_max: usize) -> Result<Vec<Value>, Refused> {
    match listed {
        Some(Value::Array(items)) if items.len() <= items_max => Ok(items),
        Some(Value::Array(_)) => Err(too_many()),
        _ => Err(no_names()),
    }
}

/// The names of a difference, all of them legal.
fn read_names(listed: Option<Value>) -> Result<Vec<String>, Refused> {
    let items = read_list(listed, DIRECTORY_CHANGES_MAX)?;
    items.into_iter().map(|item| name_in(item).ok_or_else(no_names)).collect()
}
