//! Members of sessions: Components that have joined, on this node or another, and how they leave.
//!
//! A member resigns, or its Component leaves the directory, or its node does. Somebody who has left is taken out of its sessions at the next
//! occasion, never in the middle of telling others something.

use crate::c2sim::code::Code;
use crate::hub::call::Refused;
use crate::hub::keys::{NodeKey, SessionKey};
use crate::hub::names::{Home, Names};
use crate::hub::peers::Peers;
use crate::leco::name;
use crate::limits::{MEMBER_BYTES, MEMBERS_MAX};

use super::Sessions;
use super::entry::refused;
use super::history::{Draft, What};
use super::session::{Leaver, Member};
use super::voice::Voice;

impl Sessions {
    /// Notes that `member` is in the session.
    fn enter_membership(&mut self, member: &[u8], key: SessionKey) {
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
    pub(super) fn is_member(&self, names: &Names, key: SessionKey, full_name: &[u8]) -> bool {
        let home = names.home_of(full_name);
        self.table
            .get(key)
            .and_then(|session| session.members.get(full_name))
            .is_some_and(|member| Some(member.home) == home)
    }

    /// Brings a component into a session; answers the number of that event.
    pub(super) fn add_member(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        full_name: &[u8],
        system: &str,
        voice: Voice,
    ) -> Result<u64, Refused> {
        let home = names.home_of(full_name).ok_or_else(|| self.no_such())?;
        let now = peers.now;
        if let Some(session) = self.table.get(key)
            && let Some(member) = session.members.get(full_name)
        {
            if member.home == home {
                return Err(refused(Code::C2simClientAlreadyJoined, "SYSTEM_NAME", &*member.system));
            }
            // It has left and come back before anybody was told that it left.
            self.drop_member(peers, names, key, full_name, What::Lost);
        }
        let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
        if session.members.len() >= MEMBERS_MAX {
            return Err(refused(Code::TooManyMembers, "ACTIVE_SESSION", session.name.as_str()));
        }
        if peers.pool.data_room() < MEMBER_BYTES {
            return Err(self.no_room(key));
        }
        let joined = session.seq + 1;
        let local = name::FullName::split(full_name).name;
        let listed = match home {
            Home::Here(_) => true,
            Home::There(node) => names.nodes.get(node).is_some_and(|node| node.listing.has(local)),
        };
        let member = Member { system: system.into(), voice, home, joined, acked: 0, since: now, listed };
        if let Home::There(node) = home {
            let front = [name::FullName::split(full_name).namespace, b"."].concat();
            self.abroad.insert(node, front.into());
        }
        session.members.insert(full_name.into(), member);
        self.account(peers, 0, MEMBER_BYTES);
        self.enter_membership(full_name, key);
        peers.counters.session_joins += 1;
        log::debug!("{} has joined", name::shown(full_name));
        let draft = Draft::new(What::Joined, name::shown(full_name).into());
        Ok(self.announce(peers, names, key, draft, Some(full_name)))
    }

    /// Takes a member out and tells the others; answers whether it was one.
    pub(super) fn drop_member(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        full_name: &[u8],
        what: What,
    ) -> bool {
        let Some(session) = self.table.get_mut(key) else { return false };
        if session.members.remove(full_name).is_none() {
            return false;
        }
        self.account(peers, MEMBER_BYTES, 0);
        self.forget_membership(full_name, key);
        if what == What::Lost {
            peers.counters.session_members_lost += 1;
        }
        self.announce(peers, names, key, Draft::new(what, name::shown(full_name).into()), None);
        true
    }

    /// A component of this node has left the directory: it leaves its sessions at the next occasion.
    pub(in crate::hub) fn component_left(&mut self, names: &Names, name: &[u8]) {
        if self.memberships.is_empty() {
            return;
        }
        let full_name = names.named_here(name);
        for key in self.memberships.get(&*full_name).into_iter().flatten() {
            self.leavers.push_back(Leaver { session: *key, member: full_name.as_slice().into(), for_certain: false });
        }
    }

    /// A component has signed out: it leaves its sessions now.
    pub(in crate::hub) fn component_signed_out(&mut self, peers: &mut Peers, names: &Names, name: &[u8]) {
        let full_name = names.named_here(name);
        for key in self.memberships.get(&*full_name).cloned().unwrap_or_default() {
            self.drop_member(peers, names, key, &full_name, What::Resigned);
        }
    }

    /// Whether somebody has left and is still in its sessions.
    pub(in crate::hub) fn has_left_members(&self) -> bool {
        !self.leavers.is_empty()
    }

    /// Tells the sessions of those who have left.
    pub(in crate::hub) fn drop_left_members(&mut self, peers: &mut Peers, names: &Names) {
        while let Some(Leaver { session, member, for_certain }) = self.leavers.pop_front() {
            // It may have come back and joined anew meanwhile.
            if for_certain || !self.is_member(names, session, &member) {
                self.drop_member(peers, names, session, &member, What::Lost);
            }
        }
    }

    /// A node has told its components: members among those that it no longer has leave.
    pub(in crate::hub) fn node_listed(&mut self, peers: &Peers, names: &Names, node: NodeKey) {
        if self.memberships.is_empty() {
            return;
        }
        let Some(front) = self.abroad.get(&node).cloned() else { return };
        let patience = peers.config.expiration().times(3);
        let Some(found) = names.nodes.get(node) else { return };
        if found.listing.left_out() > 0 {
            // Who is not in the list may be there all the same.
            return;
        }
        let mut gone: Vec<Box<[u8]>> = Vec::new();
        for (name, sessions) in self.memberships.range(front.clone()..) {
            let Some(local) = name.strip_prefix(&*front) else { break };
            let is_listed = found.listing.has(local);
            for key in sessions {
                let Some(member) = self.table.get_mut(*key).and_then(|session| session.members.get_mut(name)) else {
                    continue;
                };
                let waited = peers.now.since(member.since) >= patience;
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
    pub(in crate::hub) fn node_unlinked(&mut self, node: NodeKey) {
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
}
