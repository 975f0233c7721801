//! Who the members of a session are, in the ledger: there they outlive the process.
//!
//! A member is written when it joins and when it leaves for good, not when it comes and goes. Who joins is answered then; one write at a time
//! takes all that have changed meanwhile: a thousand that join at once are two writes. What is written is how things are by then.

use crate::hub::keys::SessionKey;
use crate::hub::ledger::Write;
use crate::hub::peers::Peers;
use crate::limits::MEMBER_BYTES;
use crate::time::Tick;

use super::Sessions;
use super::change::Purpose;
use super::record::{RestoredMember, member_key, member_value};
use super::session::Member;

impl Sessions {
    /// A member has joined, has changed, or is none any more.
    pub(super) fn note_member(&mut self, key: SessionKey, full_name: &[u8]) {
        if self.ledger.is_none() {
            return;
        }
        if let Some(session) = self.table.get_mut(key).filter(|session| session.durable.is_some()) {
            session.roster.changed.insert(full_name.into());
            self.rosters.insert(key, ());
        }
    }

    /// Writes the members that have changed, of each session that is not just writing some.
    pub(in crate::hub) fn write_members(&mut self, peers: &mut Peers) {
        let due = |sessions: &Self, key: &SessionKey| {
            sessions.table.get(*key).is_none_or(|session| {
                session.roster.writing.is_empty() && session.roster.retry_at.is_none_or(|at| at <= peers.now)
            })
        };
        let keys: Vec<SessionKey> = self.rosters.keys().filter(|key| due(self, key)).copied().collect();
        for key in keys {
            self.rosters.remove(&key);
            let Some(session) = self.table.get_mut(key) else { continue };
            session.roster.retry_at = None;
            session.roster.writing = core::mem::take(&mut session.roster.changed);
            let write = |name: &[u8]| Write {
                key: member_key(&session.name, name),
                value: session.members.get(name).map(|member| member_value(member).into()),
            };
            let writes: Vec<Write> = session.roster.writing.iter().map(|name| write(name)).collect();
            self.commit(peers, writes, Purpose::Members(key));
        }
    }

    /// Whether members wait to be written.
    pub(in crate::hub) fn has_members_to_write(&self) -> bool {
        !self.rosters.is_empty()
    }

    /// Members were written, or could not be.
    pub(super) fn members_written(&mut self, peers: &mut Peers, key: SessionKey, is_done: bool, retry_at: Tick) {
        let Some(session) = self.table.get_mut(key) else { return };
        let written = core::mem::take(&mut session.roster.writing);
        // Where it failed, the others would wait for long.
        let changed = &session.roster.changed;
        let is_settled = |name: &[u8]| !is_done || (written.contains(name) && !changed.contains(name));
        self.joiners.settle(peers, key, is_done, is_settled);
        if !is_done {
            session.roster.changed.extend(written);
            session.roster.retry_at = Some(retry_at);
        }
        if !session.roster.changed.is_empty() {
            self.rosters.insert(key, ());
        }
    }

    /// The process ends: what each member has acknowledged is the last that is written of it.
    pub(super) fn note_all_members(&mut self, key: SessionKey) {
        let Some(session) = self.table.get_mut(key) else { return };
        let names: Vec<Box<[u8]>> = session.members.keys().cloned().collect();
        for name in names {
            self.note_member(key, &name);
        }
    }

    /// Brings the members of a session back from the ledger. All are away.
    pub(super) fn restore_members(&mut self, peers: &mut Peers, key: SessionKey, members: Vec<RestoredMember>) {
        let count = members.len();
        for RestoredMember { full_name, system, voice, joined, acked } in members {
            let member = Member::away(system, voice, joined, acked, peers.now);
            let Some(session) = self.table.get_mut(key) else { return };
            session.members.insert(full_name.clone(), Box::new(member));
            self.enter_membership(&full_name, key);
        }
        self.account(peers, 0, count * MEMBER_BYTES);
        self.set_patience(peers, key);
    }
}
