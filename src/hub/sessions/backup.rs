//! Sessions as the ledger has them, told to whoever keeps a copy: in pieces, each of which is a call of its own.
//!
//! What of a session belongs together, its record and its documents, has a stamp: while that is the same, so is what it is on. Sessions
//! know nothing of one another, so that each is told as it is at its own moment.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use crate::hub::call::Refused;
use crate::hub::keys::SessionKey;
use crate::leco::rpc::{INVALID_PARAMS, Params};
use crate::limits::{BACKUP_MEMBERS_PER_CALL, HISTORY_ANSWER_BYTES_MAX, SEQ_BLOCK};
use crate::store::shared::SharedBytes;

use super::Sessions;
use super::methods::whole;
use super::record;
use super::said::Aftermath;
use super::session::Session;

impl Sessions {
    /// A piece of a session as the ledger has it: its record; with its `stamp`, which says that it has not changed, members behind `member`, the
    /// document of this number (the shared one behind all others), or the events behind `event`.
    pub(super) fn copy(&self, key: SessionKey, params: Params) -> Result<Aftermath, Refused> {
        let [stamp, member, document, event] = params.take(["stamp", "member", "document", "event"])?;
        let text = |value: &Option<Value>, key: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err((INVALID_PARAMS, Value::from(format!("{key} is a string")))),
        };
        let plain = |value: Value| Ok(Aftermath::plain(Ok(value)));
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        let Some(told) = whole(stamp.as_ref(), "stamp")? else { return plain(head(session)) };
        if told != stamp_of(session) {
            return plain(json!({"changed": true}));
        }
        if let Some(after) = text(&member, "member")? {
            return plain(members(session, after.as_bytes()));
        }
        if let Some(after) = whole(event.as_ref(), "event")? {
            let (past, document) = session.history.after((after, session.seq), None, HISTORY_ANSWER_BYTES_MAX, true);
            return Ok(Aftermath { document, ..Aftermath::written(past) });
        }
        let number = whole(document.as_ref(), "document")?;
        let number = number.ok_or_else(|| (INVALID_PARAMS, Value::from("member, document or event is wanted")))?;
        let found = documents(session).nth(usize::try_from(number).unwrap_or(usize::MAX));
        let found = found.ok_or_else(|| (INVALID_PARAMS, Value::from(format!("there is no document {number}"))))?;
        let answer = json!({"bytes": found.len()});
        Ok(Aftermath { document: Some(found), ..Aftermath::plain(Ok(answer)) })
    }
}

/// The record of a session, with what else there is of it.
fn head(session: &Session) -> Value {
    let initialization = &session.flow.initialization;
    let count = initialization.documents().count();
    let papers: Vec<u64> = (0..count as u64).collect();
    // As behind a crash: no number is given twice, whatever has been told since.
    let reserved = session.seq + SEQ_BLOCK;
    json!({
        "session": session.name,
        "stamp": stamp_of(session),
        "record": record::record(session, &session.info, &session.flow, &papers, reserved),
        "documents": count,
        "shared": initialization.shared().is_some(),
        "members": session.members.len(),
        "seq": session.seq,
    })
}

/// The stored documents, and the shared one behind them.
fn documents(session: &Session) -> impl Iterator<Item = SharedBytes> {
    let initialization = &session.flow.initialization;
    initialization.documents_bytes().chain(initialization.shared_bytes())
}

/// Some members behind one, as the ledger has them; `next` is the last of them where there are more.
fn members(session: &Session, after: &[u8]) -> Value {
    let start = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after) };
    let mut all = session.members.range::<[u8], _>((start, Bound::Unbounded)).peekable();
    let (mut found, mut last) = (Map::new(), Value::Null);
    for (name, member) in all.by_ref().take(BACKUP_MEMBERS_PER_CALL) {
        let name = String::from_utf8_lossy(name).into_owned();
        let value = String::from_utf8_lossy(&record::member_value(member)).into_owned();
        last = Value::from(name.as_str());
        found.insert(name, Value::from(value));
    }
    let next = if all.peek().is_some() { last } else { Value::Null };
    json!({"members": found, "next": next})
}

/// A number that another one takes the place of when something of the session does that is told under it: a document in the same place is the
/// same document.
fn stamp_of(session: &Session) -> u64 {
    let initialization = &session.flow.initialization;
    let texts = initialization.documents().map(str::as_bytes).chain(initialization.shared());
    let parts = texts.flat_map(|text| [text.as_ptr().addr() as u64, text.len() as u64]);
    let parts =
        parts.chain([session.id.unsigned_abs(), session.state_seq, u64::from(session.flow.scheduled.is_some())]);
    let mixed = parts.fold(0xcbf2_9ce4_8422_2325_u64, |mixed, part| {
        (mixed ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    // One that fits the numbers of every reader of JSON.
    mixed >> 12
}
