//! What whoever joins a session is answered, and when.
//!
//! It is a member at once and hears what happens; only the answer waits, so that nobody relies on a membership that a crash would take back
//! without a word. Where the ledger fails the answer says so, and the member is written later.

use serde_json::{Value, json};

use crate::c2sim::code::Code;
use crate::hub::call::{Refused, Written};
use crate::hub::keys::SessionKey;
use crate::hub::peers::Peers;
use crate::limits::HISTORY_ANSWER_BYTES_MAX;

use super::Sessions;
use super::entry::refused;
use super::history::shown;
use super::joiners::{Joined, Joiner};
use super::said::{Aftermath, Said, Settled};

impl Sessions {
    /// What there is to say to a new member: now, or once the ledger has it.
    pub(super) fn answer_join(
        &mut self,
        key: SessionKey,
        full_name: &[u8],
        mut joined: Joined,
    ) -> Result<Said, Refused> {
        let roster = self.table.get(key).map(|session| &session.roster);
        joined.is_unkept = roster.is_some_and(|roster| roster.names().any(|name| name == full_name));
        let is_stuck = roster.is_some_and(|roster| roster.retry_at.is_some());
        if !joined.is_unkept || is_stuck || !self.joiners.has_room() {
            return self.joined(key, &joined).map(Said::Now);
        }
        self.joiners.begin(key, full_name, joined);
        Ok(Said::Later(key))
    }

    /// There is something to say to somebody who has joined.
    pub(in crate::hub) fn join_settled(&mut self, peers: &mut Peers, joiner: u64) -> Option<Settled> {
        let Joiner { session, member, joined, reply_to, bytes } = self.joiners.take(joiner)?;
        self.account(peers, bytes, 0);
        // It may have left again meanwhile.
        let is_member = self.member(session, &member).is_some_and(|member| member.joined == joined.by);
        let answer = match self.table.get(session) {
            Some(found) if !is_member => {
                Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", found.name.as_str()))
            }
            _ => self.joined(session, &joined),
        };
        let aftermath = answer.unwrap_or_else(|refused| Aftermath::plain(Err(refused)));
        Some(Settled { reply_to, session, aftermath })
    }

    /// The answer to a member that has joined.
    fn joined(&self, key: SessionKey, joined: &Joined) -> Result<Aftermath, Refused> {
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        let mut answer = json!({"state": session.flow.state.name(), "seq": joined.seq, "session": session.json()});
        let (mut document, mut written) = (None, None);
        if let Some(answer) = answer.as_object_mut() {
            if joined.was_member {
                answer.insert("resumed".to_owned(), Value::from(true));
            }
            if joined.is_unkept {
                answer.insert("kept".to_owned(), Value::from(false));
            }
            if let Some(shared) = session.flow.initialization.shared_bytes() {
                let (name, value, long) = shown("initialization", &shared);
                answer.insert(name, value);
                document = long;
            }
            if let Some([after, before]) = joined.past {
                let is_alone = document.is_none();
                // Its own joining it knows from this very answer.
                let own = (!joined.was_member).then_some(joined.seq);
                let (past, long) = session.history.after((after, before), own, HISTORY_ANSWER_BYTES_MAX, is_alone);
                document = document.or(long);
                written = Some(Written::Members(format!("\"events\":{past}")));
            }
        }
        Ok(Aftermath { document, written, ..Aftermath::about(Ok(answer), key) })
    }
}
