//! Documents that come into a session: judged at once where they are small, and in slices where they are not.
//!
//! While a document is being judged its session is busy, as it is while a change is made durable: whatever else is asked of it waits in its
//! line, and everything else goes on. Each turn does one slice for one session. What the document comes to is decided in the session as it is when
//! all of it has been judged.

use serde_json::json;

use crate::c2sim::code::Code;
use crate::c2sim::judging::{Begun, Document, Judging};
use crate::c2sim::schema::Extent;
use crate::hub::call::{Refused, ReplyTo};
use crate::hub::keys::SessionKey;
use crate::hub::names::Names;
use crate::hub::peers::Peers;
use crate::leco::rpc::RECEIVER_OVERLOADED;
use crate::limits::C2SIM_SLICE_COST;

use super::Sessions;
use super::change::{Judged, Plan};
use super::entry::{Author, refused};
use super::flow::count_refusal;
use super::said::{Reading, Said, Settled};

impl Sessions {
    /// Takes a C2SIM document of this author, who may hand one in.
    pub(super) fn take_document<'d>(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        author: &Author,
        document: impl Into<Document<'d>>,
        reading: Reading<'_>,
    ) -> Said {
        match self.judge(peers, names, key, author, &document.into(), reading) {
            Ok(said) => said,
            Err(refused) => Said::now(Err(count_refusal(peers, refused))),
        }
    }

    fn judge(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        author: &Author,
        document: &Document<'_>,
        reading: Reading<'_>,
    ) -> Result<Said, Refused> {
        if document.len() > peers.config.document_bytes_max {
            return Err(refused(Code::C2simMsgSizeExceeded, "MAX_BYTES", peers.config.document_bytes_max));
        }
        let came = self.came(key, author);
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        debug_assert!(session.judged.is_none(), "whoever comes meanwhile waits");
        let rules = self.schemas.of(session.info.schema);
        let rules = rules.map(|rules| (rules.clone(), Extent::of_body(reading.body_only)));
        let is_line_wanted = session.guests.streams() > 0;
        let judging = match Judging::begin(document, rules, is_line_wanted, C2SIM_SLICE_COST) {
            Begun::Judged(finding) => {
                let plan = self.plan_document(peers, key, author, reading, finding)?;
                return Ok(self.decide(peers, names, key, Plan { came, ..plan }));
            }
            Begun::Goes(judging) => judging,
        };
        let charged = judging.held_bytes();
        if charged > peers.pool.data_room() {
            return Err(self.no_room_to_judge(peers, key, document.len()));
        }
        let (reply_to, author) = (ReplyTo::Nobody, author.clone());
        let (reading, password) = reading.kept();
        let judged = Judged { judging, author, came, reading, password, reply_to, charged, waiter_bytes: 0 };
        if let Some(session) = self.table.get_mut(key) {
            session.judged = Some(Box::new(judged));
        }
        self.account(peers, 0, charged);
        self.judged.push_back(key);
        Ok(Said::Later(key))
    }

    fn no_room_to_judge(&self, peers: &Peers, key: SessionKey, bytes: usize) -> Refused {
        let name = self.table.get(key).map_or("", |session| session.name.as_str());
        let reason = "no memory is left to judge the document (memory_max)";
        let left = peers.pool.data_room();
        (RECEIVER_OVERLOADED, json!({"session": name, "reason": reason, "bytes": bytes, "bytes_left": left}))
    }

    /// Whether a document is to be judged on.
    pub(in crate::hub) fn has_documents(&self) -> bool {
        !self.judged.is_empty()
    }

    /// Judges on for one slice. Answers what a document came to of which that was the last one.
    pub(in crate::hub) fn judge_slice(&mut self, peers: &mut Peers, names: &Names) -> Option<Settled> {
        let key = self.judged.pop_front()?;
        let session = self.table.get_mut(key)?;
        let is_over = session.judged.as_mut()?.judging.go_on(C2SIM_SLICE_COST);
        if !is_over {
            self.judged.push_back(key);
            return None;
        }
        if session.is_writing() {
            // It goes on when that is known to be durable, or not to be.
            return None;
        }
        let Judged { judging, author, came, reading, password, reply_to, charged, waiter_bytes } =
            *session.judged.take()?;
        let reading = Reading { password: &password, ..reading };
        self.account(peers, charged, 0);
        // Who was a member and is none any more changes nothing.
        let said = if came.is_some() && self.came(key, &author).is_none() {
            let name = self.table.get(key).map_or("", |session| session.name.as_str());
            Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", name))
        } else {
            judging
                .conclude(|finding| self.plan_document(peers, key, &author, reading, finding))
                .map(|plan| self.decide(peers, names, key, Plan { came, ..plan }))
        };
        let said = said.unwrap_or_else(|refused| Said::now(Err(count_refusal(peers, refused))));
        self.end_if_it_must(peers, key);
        match said {
            Said::Now(aftermath) => Some(Settled { reply_to, session: key, aftermath }),
            Said::Later(key) | Said::Busy(key) => {
                self.set_waiter(peers, key, reply_to, waiter_bytes);
                None
            }
        }
    }

    /// A document that is judged may be waiting for what was being written of its session.
    pub(super) fn judge_on(&mut self, key: SessionKey) {
        let waits = self.table.get(key).is_some_and(|session| session.judged.is_some() && !session.is_writing());
        if waits && !self.judged.contains(&key) {
            self.judged.push_back(key);
        }
    }
}
