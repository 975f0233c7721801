//! Members of sessions: Components that have joined, on this node or another, and how they leave.
//!
//! A member resigns, or its Component leaves the directory, or its node does. Somebody who has left is taken out of its sessions at the next
//! occasion, never in the middle of telling others something.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::c2sim::code::Code;
use crate::leco::name;
use crate::leco::rpc::RpcError;
use crate::limits::{MEMBER_BYTES, MEMBERS_MAX};
use crate::time::Tick;

use super::Hub;
use super::keys::{NodeKey, SessionKey};
use super::names::Home;
use super::publish::{Draft, What};
use super::session::refused;

/// How a member is told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// C2SIM documents, and nothing but them.
    Xml,
    /// JSON-RPC notifications.
    Json,
}

impl Format {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Json => "json",
        }
    }
}

/// A component that has joined.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) system: Box<str>,
    pub(super) format: Format,
    pub(super) home: Home,
    /// The number of the event by which it joined.
    pub(super) joined: u64,
    /// The last event that it says it has followed.
    pub(super) acked: u64,
    pub(super) since: Tick,
    /// Its node has told us of it; from then on its absence there means that it has left.
    pub(super) listed: bool,
}

/// A member that is to be taken out of its session.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) session: SessionKey,
    pub(super) member: Box<[u8]>,
    /// Even if its component is still signed in.
    pub(super) for_certain: bool,
}

impl Hub {
    /// Notes that `member` is in the session.
    pub(super) fn enter_membership(&mut self, member: &[u8], key: SessionKey) {
        self.memberships.entry(member.into()).or_default().push(key);
    }

    pub(super) fn forget_membership(&mut self, member: &[u8], key: SessionKey) {
        if let Some(sessions) = self.memberships.get_mut(member) {
            sessions.retain(|other| *other != key);
            if sessions.is_empty() {
                self.memberships.remove(member);
            }
        }
    }

    /// Whether the component of this name is in the session: itself, not one that had the name before.
    pub(super) fn is_member(&self, key: SessionKey, full_name: &[u8]) -> bool {
        let home = self.names.home_of(full_name);
        self.sessions
            .get(key)
            .and_then(|session| session.members.get(full_name))
            .is_some_and(|member| Some(member.home) == home)
    }

    /// Brings a component into a session; answers the number of that event.
    pub(super) fn add_member(
        &mut self,
        key: SessionKey,
        full_name: &[u8],
        system: &str,
        format: Format,
    ) -> Result<u64, (RpcError, Value)> {
        let home = self.names.home_of(full_name).ok_or_else(|| self.no_such_session())?;
        let now = self.peers.now;
        if let Some(session) = self.sessions.get(key)
            && let Some(member) = session.members.get(full_name)
        {
            if member.home == home {
                return Err(refused(Code::C2simClientAlreadyJoined, "SYSTEM_NAME", &*member.system));
            }
            // It has left and come back before anybody was told that it left.
            self.drop_member(key, full_name, What::Lost);
        }
        let Some(session) = self.sessions.get_mut(key) else { return Err(self.no_such_session()) };
        if session.members.len() >= MEMBERS_MAX {
            return Err(refused(Code::TooManyMembers, "ACTIVE_SESSION", session.name.as_str()));
        }
        if self.peers.pool.data_room() < MEMBER_BYTES {
            return Err(self.no_room(key));
        }
        let joined = session.seq + 1;
        let local = name::FullName::split(full_name).name;
        let listed = match home {
            Home::Here(_) => true,
            Home::There(node) => self
                .names
                .nodes
                .get(node)
                .is_some_and(|node| node.components.iter().any(|known| known.as_bytes() == local)),
        };
        let member = Member { system: system.into(), format, home, joined, acked: 0, since: now, listed };
        if let Home::There(node) = home {
            let front = [name::FullName::split(full_name).namespace, b"."].concat();
            self.abroad.insert(node, front.into());
        }
        session.members.insert(full_name.into(), member);
        self.account_session(0, MEMBER_BYTES);
        self.enter_membership(full_name, key);
        self.peers.counters.session_joins += 1;
        log::debug!("{} has joined", name::shown(full_name));
        let draft = Draft::new(What::Joined, name::shown(full_name).into());
        Ok(self.announce(key, draft, Some(full_name)))
    }

    /// Takes a member out and tells the others; answers whether it was one.
    pub(super) fn drop_member(&mut self, key: SessionKey, full_name: &[u8], what: What) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        if session.members.remove(full_name).is_none() {
            return false;
        }
        self.account_session(MEMBER_BYTES, 0);
        self.forget_membership(full_name, key);
        if what == What::Lost {
            self.peers.counters.session_members_lost += 1;
        }
        self.announce(key, Draft::new(what, name::shown(full_name).into()), None);
        true
    }

    /// A component of this node has left the directory: it leaves its sessions at the next occasion.
    pub(super) fn component_left(&mut self, name: &[u8]) {
        if self.memberships.is_empty() {
            return;
        }
        let full_name = self.names.named_here(name);
        for key in self.memberships.get(&*full_name).into_iter().flatten() {
            self.leavers.push_back(Leaver { session: *key, member: full_name.as_slice().into(), for_certain: false });
        }
    }

    /// A component has signed out: it leaves its sessions now.
    pub(super) fn component_signed_out(&mut self, name: &[u8]) {
        let full_name = self.names.named_here(name);
        for key in self.memberships.get(&*full_name).cloned().unwrap_or_default() {
            self.drop_member(key, &full_name, What::Resigned);
        }
    }

    /// Tells the sessions of those who have left.
    pub(super) fn see_leavers_off(&mut self) {
        while let Some(Leaver { session, member, for_certain }) = self.leavers.pop_front() {
            // It may have come back and joined anew meanwhile.
            if for_certain || !self.is_member(session, &member) {
                self.drop_member(session, &member, What::Lost);
            }
        }
    }

    /// A node has told its components: members among those that it no longer has leave.
    pub(super) fn node_listed(&mut self, node: NodeKey) {
        if self.memberships.is_empty() {
            return;
        }
        let Some(front) = self.abroad.get(&node).cloned() else { return };
        let patience = self.peers.config.expiration().times(3);
        let Some(found) = self.names.nodes.get(node) else { return };
        let listed: BTreeSet<&str> = found.components.iter().map(String::as_str).collect();
        let mut gone: Vec<Box<[u8]>> = Vec::new();
        for (name, sessions) in self.memberships.range(front.clone()..) {
            let Some(local) = name.strip_prefix(&*front) else { break };
            let is_listed = core::str::from_utf8(local).is_ok_and(|local| listed.contains(local));
            for key in sessions {
                let Some(member) = self.sessions.get_mut(*key).and_then(|session| session.members.get_mut(name)) else {
                    continue;
                };
                let waited = self.peers.now.since(member.since) >= patience;
                if is_listed {
                    member.listed = true;
                } else if (member.listed || waited) && gone.last() != Some(name) {
                    gone.push(name.clone());
                }
            }
        }
        for member in gone {
            self.leaves_all(&member);
        }
    }

    /// Nobody is to be reached at a node any more: its members leave.
    pub(super) fn node_unlinked(&mut self, node: NodeKey) {
        let Some(front) = self.abroad.remove(&node) else { return };
        let members = self.memberships.range(front.clone()..).map(|(name, _)| name.clone());
        let gone: Vec<Box<[u8]>> = members.take_while(|name| name.starts_with(&front)).collect();
        for member in gone {
            self.leaves_all(&member);
        }
    }

    /// A member leaves all of its sessions at the next occasion, whether its component is signed in or not.
    fn leaves_all(&mut self, member: &[u8]) {
        for key in self.memberships.get(member).into_iter().flatten() {
            self.leavers.push_back(Leaver { session: *key, member: member.into(), for_certain: true });
        }
    }

    /// The members of a session, and who of them has followed it.
    pub(super) fn members_json(&self, key: SessionKey) -> Value {
        let Some(session) = self.sessions.get(key) else { return Value::Null };
        let members: Vec<Value> = session
            .members
            .iter()
            .map(|(name, member)| {
                json!({"name": name::shown(name), "system": member.system, "format": member.format.word(),
                       "joined": member.joined, "acked": member.acked})
            })
            .collect();
        json!({"members": members, "seq": session.seq, "state_seq": session.state_seq})
    }
}
