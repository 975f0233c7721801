//! Sessions that are made because somebody connects a viewer to a provider, and end with that provider.
//!
//! Such a session outlives the process like every other, though its provider does not: it stands until a provider of the same source is
//! connected, and goes on with that one.

use crate::c2sim::state::State;
use crate::hub::keys::{RequestKey, SessionKey};
use crate::hub::names::Names;
use crate::hub::peers::Peers;
use crate::limits::SESSIONS_MAX;

use super::change::{Durable, Purpose};
use super::entry::SessionInfo;
use super::record::gone;
use super::{Sessions, audit_made};

impl Sessions {
    /// The session of the provider of this id and source: one that has lost such a provider by a restart, or else a new one, which runs at
    /// once: a controller that knows nothing of flow control just sees data.
    pub(in crate::hub) fn make_for_provider(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        provider: i64,
        source: &str,
    ) -> Option<SessionKey> {
        let orphan = self.table.iter().find(|(_, found)| found.is_orphan && found.made_for.as_deref() == Some(source));
        if let Some((key, _)) = orphan {
            self.has_provider(key);
            return Some(key);
        }
        self.make_room_for_session(peers, names);
        let name = self.free_name(&format!("provider-{provider}"));
        let info = SessionInfo { created_ms: peers.unix_ms(), ..SessionInfo::default() };
        let key = self.add(peers, names, &name, info, State::Running)?;
        if let Some(session) = self.table.get_mut(key) {
            (session.seq, session.state_seq) = (1, 1);
            session.made_for = Some(source.into());
            session.durable = self.ledger.as_ref().map(|_| Durable::default());
        }
        audit_made(peers, &name, None);
        self.write_in_background(peers, key);
        Some(key)
    }

    /// A session has a provider now.
    pub(super) fn has_provider(&mut self, key: SessionKey) {
        if let Some(session) = self.table.get_mut(key) {
            session.is_orphan = false;
        }
    }

    /// Where there are as many sessions as there may be, the oldest goes that nobody is in and whose provider has not come back.
    fn make_room_for_session(&mut self, peers: &mut Peers, names: &Names) {
        if self.table.len() < SESSIONS_MAX {
            return;
        }
        let unused = self.table.iter().filter(|(_, session)| {
            session.is_orphan && session.members.is_empty() && session.queue.is_empty() && !session.is_held()
        });
        if let Some((key, _)) = unused.min_by_key(|(_, session)| session.id) {
            let freed = self.end_for_good(peers, names, key, "its provider has not come back");
            debug_assert!(freed.is_empty(), "nobody has waited for it");
        }
    }

    /// A name for a session that is made because of a provider.
    fn free_name(&self, wanted: &str) -> String {
        let free = |name: &String| self.named(name).is_none();
        let mut names = (2..).map(|n: u32| format!("{wanted}-{n}"));
        Some(wanted.to_owned()).into_iter().chain(names.by_ref().take(SESSIONS_MAX)).find(free).unwrap_or_default()
    }

    /// The provider of a session that was made for it is closed: the session ends, as soon as nothing is being written of it, nor judged.
    #[must_use]
    pub(in crate::hub) fn end_with_provider(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
    ) -> Vec<RequestKey> {
        let Some(session) = self.table.get_mut(key) else { return Vec::new() };
        session.must_end = session.is_held();
        if session.must_end {
            return Vec::new();
        }
        self.end_for_good(peers, names, key, "its provider was closed")
    }

    /// Ends a session here and in the ledger.
    fn end_for_good(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, why: &str) -> Vec<RequestKey> {
        let writes = self.table.get(key).filter(|session| session.durable.is_some()).map(gone);
        let freed = self.end(peers, names, key, why);
        if let Some(writes) = writes {
            self.commit(peers, writes, Purpose::Other);
        }
        freed
    }
}
