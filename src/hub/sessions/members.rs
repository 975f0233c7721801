//! Members of sessions: Components that have joined, on this node or another, and how they leave for good.
//!
//! A member resigns, or its Component signs out. Where its Component is gone without a word, or its node is, it is away, see `away`: it has
//! left at the next occasion, never in the middle of telling others something.

use core::ops::Bound;

use crate::c2sim::code::Code;
use crate::hub::call::Refused;
use crate::hub::keys::{NodeKey, SessionKey};
use crate::hub::names::{Home, Names};
use crate::hub::peers::{Doer, Peers};
use crate::leco::name;
use crate::limits::{MEMBER_BYTES, MEMBERS_MAX};

use super::Sessions;
use super::entry::refused;
use super::history::{Draft, What};
use super::session::{Leaver, Member};
use super::voice::Voice;

/// A member's full name, and the sessions that it is in with their names.
pub(in crate::hub) type Membership = (Box<[u8]>, Vec<(SessionKey, String)>);

impl Sessions {
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

    /// A member of a session, there or away.
    pub(super) fn member(&self, key: SessionKey, full_name: &[u8]) -> Option<&Member> {
        self.table.get(key)?.members.get(full_name).map(Box::as_ref)
    }

    pub(super) fn member_mut(&mut self, key: SessionKey, full_name: &[u8]) -> Option<&mut Member> {
        self.table.get_mut(key)?.members.get_mut(full_name).map(Box::as_mut)
    }

    /// Whether the component of this name is in the session: itself, not one that had the name before.
    pub(super) fn is_member(&self, names: &Names, key: SessionKey, full_name: &[u8]) -> bool {
        let home = names.home_of(full_name);
        home.is_some() && self.member(key, full_name).is_some_and(|member| member.home == home)
    }

    /// Brings a component into a session; answers the number of that event. One that is a member already, and has not asked since it came
    /// back, is one from now on as it says now; nothing happens by that, so the answer is the number of the last event.
    pub(super) fn add_member(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        full_name: &[u8],
        system: &str,
        (voice, doer): (Voice, Doer),
    ) -> Result<u64, Refused> {
        let home = names.home_of(full_name).ok_or_else(|| self.no_such())?;
        let now = peers.now;
        if self.member(key, full_name).is_some() {
            self.welcome(peers, names, key, full_name);
            return self.join_anew(key, full_name, home, system, voice);
        }
        self.make_room(peers, names, key);
        let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
        if session.members.len() + session.guests.len() >= MEMBERS_MAX {
            return Err(refused(Code::TooManyMembers, "ACTIVE_SESSION", session.name.as_str()));
        }
        if peers.pool.data_room() < MEMBER_BYTES {
            return Err(self.no_room(key));
        }
        let joined = session.seq + 1;
        let mut member = Member::away(system.into(), voice, joined, 0, now);
        member.home = Some(home);
        member.listed = is_listed(names, home, full_name);
        member.has_joined = true;
        session.members.insert(full_name.into(), Box::new(member));
        self.note_home(names, home, full_name);
        self.account(peers, 0, MEMBER_BYTES);
        self.enter_membership(full_name, key);
        self.note_member(key, full_name);
        peers.counters.session_joins += 1;
        log::debug!("{} has joined", name::shown(full_name));
        let draft = Draft::of(What::Joined, name::shown(full_name).into(), doer);
        Ok(self.announce(peers, names, key, draft, Some(full_name)))
    }

    /// A member joins that is one: whoever does not know that it is, as it was started anew.
    fn join_anew(
        &mut self,
        key: SessionKey,
        full_name: &[u8],
        home: Home,
        system: &str,
        voice: Voice,
    ) -> Result<u64, Refused> {
        let seq = self.table.get(key).map_or(0, |session| session.seq);
        let Some(member) = self.member_mut(key, full_name) else { return Err(self.no_such()) };
        if member.home != Some(home) {
            return Err(self.no_room(key));
        }
        if core::mem::replace(&mut member.has_joined, true) {
            return Err(refused(Code::C2simClientAlreadyJoined, "SYSTEM_NAME", &*member.system));
        }
        (member.system, member.voice) = (system.into(), voice);
        self.note_member(key, full_name);
        Ok(seq)
    }

    /// Where a session is full, or memory short, the member that has been away longest has been away for too long.
    fn make_room(&mut self, peers: &mut Peers, names: &Names, key: SessionKey) {
        let Some(session) = self.table.get(key) else { return };
        if session.members.len() + session.guests.len() < MEMBERS_MAX && peers.pool.data_room() >= MEMBER_BYTES {
            return;
        }
        let away = session.members.iter().filter(|(_, member)| member.home.is_none());
        if let Some((name, _)) = away.min_by_key(|(_, member)| member.since) {
            let name = name.clone();
            self.drop_member(peers, names, key, &name, (What::Lost, Doer::default()));
        }
    }

    /// Notes at which node a member of another one is.
    pub(super) fn note_home(&mut self, names: &Names, home: Home, full_name: &[u8]) {
        if let Home::There(node) = home
            && names.nodes.get(node).is_some()
        {
            let front = [name::FullName::split(full_name).namespace, b"."].concat();
            self.abroad.insert(node, front.into());
        }
    }

    /// Takes a member out and tells the others whose doing it is; answers whether it was one.
    pub(super) fn drop_member(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        full_name: &[u8],
        (what, doer): (What, Doer),
    ) -> bool {
        let Some(session) = self.table.get_mut(key) else { return false };
        if session.members.remove(full_name).is_none() {
            return false;
        }
        self.account(peers, MEMBER_BYTES, 0);
        self.forget_membership(full_name, key);
        self.note_member(key, full_name);
        if what == What::Lost {
            peers.counters.session_members_lost += 1;
        }
        self.announce(peers, names, key, Draft::of(what, name::shown(full_name).into(), doer), None);
        true
    }

    /// The members behind this full name, at most so many: their names, and the sessions that each is in.
    pub(in crate::hub) fn members_after(&self, after: &[u8], most: usize) -> Vec<Membership> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let named = |key: &SessionKey| Some((*key, self.table.get(*key)?.name.clone()));
        let each = self.memberships.range::<[u8], _>(behind).take(most);
        each.map(|(name, sessions)| (name.clone(), sessions.iter().filter_map(named).collect())).collect()
    }

    /// A member may not be one any more.
    pub(in crate::hub) fn put_out(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, full_name: &[u8]) {
        self.drop_member(peers, names, key, full_name, (What::Lost, Doer::default()));
    }

    /// A component of this node has left the directory: it leaves its sessions at the next occasion.
    pub(in crate::hub) fn component_left(&mut self, names: &Names, name: &[u8]) {
        if !self.memberships.is_empty() {
            self.leave_all(&names.named_here(name), false, |home| matches!(home, Home::Here(_)));
        }
    }

    /// A component has signed out, or was: it leaves its sessions now, and for good.
    pub(in crate::hub) fn component_signed_out(&mut self, peers: &mut Peers, names: &Names, name: &[u8], doer: Doer) {
        let full_name = names.named_here(name);
        for key in self.memberships.get(&*full_name).cloned().unwrap_or_default() {
            self.drop_member(peers, names, key, &full_name, (What::Resigned, doer));
        }
    }

    /// These components of a node have signed out there: they leave their sessions at the next occasion, and for good.
    pub(in crate::hub) fn components_signed_out(&mut self, names: &Names, node: NodeKey, signed_out: &[String]) {
        let namespace = names.nodes.get(node).and_then(|node| node.namespace.as_deref());
        let Some(namespace) = namespace.filter(|_| !self.memberships.is_empty()) else { return };
        for name in signed_out {
            self.leave_all(&[namespace, b".", name.as_bytes()].concat(), true, |home| home == Home::There(node));
        }
    }

    /// These components of a node have gone and come between two words of it: what was on its way to them meanwhile may not have come.
    pub(in crate::hub) fn components_returned(&mut self, names: &Names, node: NodeKey, returned: &[Box<str>]) {
        if self.memberships.is_empty() {
            return;
        }
        let Some(namespace) = names.nodes.get(node).and_then(|found| found.namespace.as_ref()) else { return };
        for name in returned {
            let full_name = [namespace, &b"."[..], name.as_bytes()].concat();
            self.leave_all(&full_name, false, |home| home == Home::There(node));
        }
    }

    /// A node has told its components: members among those that it no longer has leave, those that it has again come back.
    pub(in crate::hub) fn node_listed(&mut self, peers: &Peers, names: &Names, node: NodeKey) {
        if self.memberships.is_empty() {
            return;
        }
        let Some((found, namespace)) = names.nodes.get(node).and_then(|found| Some((found, found.namespace.as_ref()?)))
        else {
            return;
        };
        let front: Box<[u8]> = [namespace, &b"."[..]].concat().into();
        let patience = peers.config.expiration().times(3);
        for (name, sessions) in self.memberships.range(front.clone()..) {
            let Some(local) = name.strip_prefix(&*front) else { break };
            let is_listed = found.listing.has(local);
            for key in sessions {
                let Some(member) = self.table.get_mut(*key).and_then(|session| session.members.get_mut(name)) else {
                    continue;
                };
                let waited = peers.now.since(member.since) >= patience;
                match member.home {
                    None if is_listed => self.returners.push_back((*key, name.clone())),
                    Some(_) if is_listed => {
                        member.listed = true;
                        if member.leaves {
                            self.returners.push_back((*key, name.clone()));
                        }
                    }
                    // Who is not in a list that was cut short may be there all the same.
                    Some(home) if found.listing.left_out() == 0 && (member.listed || waited) => {
                        member.leaves = true;
                        self.leavers.push_back(Leaver { session: *key, member: name.clone(), home, for_good: false });
                    }
                    Some(_) | None => {}
                }
            }
        }
    }

    /// Nobody is to be reached at a node any more, or what was on its way there may not have come: its members leave. Those who are there
    /// all the same come back as soon as they can be told.
    pub(in crate::hub) fn node_unlinked(&mut self, node: NodeKey) {
        let Some(front) = self.abroad.remove(&node) else { return };
        let members = self.memberships.range(front.clone()..).map(|(name, _)| name.clone());
        let gone: Vec<Box<[u8]>> = members.take_while(|name| name.starts_with(&front)).collect();
        for member in gone {
            self.leave_all(&member, false, |home| home == Home::There(node));
        }
    }

    /// A member leaves all of those of its sessions at the next occasion for which it is where `from` says.
    fn leave_all(&mut self, member: &[u8], for_good: bool, from: impl Fn(Home) -> bool) {
        for key in self.memberships.get(member).into_iter().flatten() {
            let Some(found) = self.table.get_mut(*key).and_then(|session| session.members.get_mut(member)) else {
                continue;
            };
            if let Some(home) = found.home.filter(|home| from(*home)) {
                found.leaves = true;
                self.leavers.push_back(Leaver { session: *key, member: member.into(), home, for_good });
            }
        }
    }
}

/// Whether whoever is at home there is known to be.
pub(super) fn is_listed(names: &Names, home: Home, full_name: &[u8]) -> bool {
    let local = name::FullName::split(full_name).name;
    match home {
        Home::Here(_) => true,
        Home::There(node) => names.nodes.get(node).is_some_and(|node| node.listing.has(local)),
    }
}
