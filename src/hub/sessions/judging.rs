//! Documents that come into a session, and the initialization that all are given: judged and made at once where they are small, and in slices
//! where they are not.
//!
//! Meanwhile the session is busy, as it is while a change is made durable: whatever else is asked of it waits in its line, and everything else
//! goes on. Each turn does one slice for one session. What a document comes to is decided in the session as it is when all of it has been judged.

use serde_json::json;

use crate::c2sim::code::Code;
use crate::c2sim::judging::{Begun, Document, Finding, Judging};
use crate::c2sim::kind::Kind;
use crate::c2sim::schema::Extent;
use crate::hub::call::{Refused, ReplyTo};
use crate::hub::keys::SessionKey;
use crate::hub::names::Names;
use crate::hub::peers::Peers;
use crate::leco::rpc::RECEIVER_OVERLOADED;
use crate::limits::C2SIM_SLICE_COST;

use super::Sessions;
use super::change::{Judged, Plan, Sliced, Work};
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
        let document = document.into();
        if document.len() > peers.config.document_bytes_max {
            let refused = refused(Code::C2simMsgSizeExceeded, "MAX_BYTES", peers.config.document_bytes_max);
            self.note_document(key, &author.system, (None, document.len()), Some(&refused));
            return Said::now(Err(count_refusal(peers, refused)));
        }
        match self.judge(peers, names, key, author, &document, reading) {
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
        let came = self.came(key, author);
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        debug_assert!(session.sliced.is_none(), "whoever comes meanwhile waits");
        let rules = self.schemas.of(session.info.schema);
        let rules = rules.map(|rules| (rules.clone(), Extent::of_body(reading.body_only)));
        let is_line_wanted = session.guests.streams() > 0;
        let judging = match Judging::begin(document, rules, is_line_wanted, C2SIM_SLICE_COST) {
            Begun::Judged(finding) => {
                let plan = self.plan_judged(peers, key, author, reading, (finding, document.len()))?;
                return Ok(self.go_ahead(peers, names, key, Plan { came, ..plan }));
            }
            Begun::Goes(judging) => judging,
        };
        let charged = judging.held_bytes();
        if charged > peers.pool.data_room() {
            return Err(self.no_room_to_judge(peers, key, document.len()));
        }
        let (reading, password) = reading.kept();
        let judged = Judged { judging, author: author.clone(), came, reading, password };
        Ok(self.begin_work(peers, key, Work::Judging(Box::new(judged)), charged))
    }

    /// Makes what a plan shares in slices, where it is large; or else at once. The plan is carried out then.
    pub(super) fn go_ahead(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, mut plan: Plan) -> Said {
        if let Some(sharing) = &mut plan.sharing {
            if sharing.is_large() {
                let charged = sharing.bytes();
                return self.begin_work(peers, key, Work::Sharing(Box::new(plan)), charged);
            }
            while !sharing.go_on(usize::MAX) {}
            plan.end_share();
        }
        self.decide(peers, names, key, plan)
    }

    /// `charged`: bytes that it holds.
    fn begin_work(&mut self, peers: &mut Peers, key: SessionKey, work: Work, charged: usize) -> Said {
        if let Some(session) = self.table.get_mut(key) {
            session.sliced = Some(Box::new(Sliced { work, reply_to: ReplyTo::Nobody, charged, waiter_bytes: 0 }));
        }
        self.account(peers, 0, charged);
        self.sliced.push_back(key);
        Said::Later(key)
    }

    fn no_room_to_judge(&self, peers: &Peers, key: SessionKey, bytes: usize) -> Refused {
        let name = self.table.get(key).map_or("", |session| session.name.as_str());
        let reason = "no memory is left to judge the document (memory_max)";
        let left = peers.pool.data_room();
        (RECEIVER_OVERLOADED, json!({"session": name, "reason": reason, "bytes": bytes, "bytes_left": left}))
    }

    /// Whether something is to be gone on with in slices.
    pub(in crate::hub) fn has_slices(&self) -> bool {
        !self.sliced.is_empty()
    }

    /// Does one slice for one session. Answers what came of it where that was the last one.
    pub(in crate::hub) fn do_slice(&mut self, peers: &mut Peers, names: &Names) -> Option<Settled> {
        let key = self.sliced.pop_front()?;
        let session = self.table.get_mut(key)?;
        let has_streams = session.guests.streams() > 0;
        let is_over = match &mut session.sliced.as_mut()?.work {
            Work::Judging(judged) => {
                if has_streams {
                    // One may have come meanwhile.
                    judged.judging.want_line();
                }
                judged.judging.go_on(C2SIM_SLICE_COST)
            }
            Work::Sharing(plan) => plan.sharing.as_mut().is_none_or(|sharing| sharing.go_on(C2SIM_SLICE_COST)),
        };
        if !is_over {
            self.sliced.push_back(key);
            return None;
        }
        if session.is_writing() {
            // It goes on when that is known to be durable, or not to be.
            return None;
        }
        let Sliced { work, reply_to, charged, waiter_bytes } = *session.sliced.take()?;
        self.account(peers, charged, 0);
        let said = match work {
            Work::Judging(judged) => {
                self.judged(peers, key, *judged).map(|plan| self.go_ahead(peers, names, key, plan))
            }
            Work::Sharing(mut plan) => self.is_there(key, plan.came, &plan.author).map(|()| {
                plan.end_share();
                self.decide(peers, names, key, *plan)
            }),
        };
        let said = said.unwrap_or_else(|refused| Said::now(Err(count_refusal(peers, refused))));
        match said {
            Said::Now(aftermath) => Some(Settled { reply_to, session: key, aftermath }),
            Said::Later(key) | Said::Busy(key) => {
                self.set_waiter(peers, key, reply_to, waiter_bytes);
                None
            }
        }
    }

    /// What a document comes to that has been judged.
    fn judged(&mut self, peers: &mut Peers, key: SessionKey, judged: Judged) -> Result<Plan, Refused> {
        let Judged { judging, author, came, reading, password } = judged;
        let reading = Reading { password: &password, ..reading };
        self.is_there(key, came, &author)?;
        let bytes = judging.text_bytes();
        let plan = judging.conclude(|finding| self.plan_judged(peers, key, &author, reading, (finding, bytes)))?;
        Ok(Plan { came, ..plan })
    }

    /// What a document comes to that was found to be this; it is counted.
    fn plan_judged(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        author: &Author,
        reading: Reading<'_>,
        (finding, bytes): (Finding<'_>, usize),
    ) -> Result<Plan, Refused> {
        let kind = finding.as_ref().ok().map(|(message, _)| message.kind);
        let planned = self.plan_document(peers, key, author, reading, finding);
        let author = planned.as_ref().map_or(author, |plan| &plan.author);
        self.note_document(key, &author.system, (kind, bytes), planned.as_ref().err());
        planned
    }

    fn note_document(
        &mut self,
        key: SessionKey,
        system: &str,
        (kind, bytes): (Option<Kind>, usize),
        refused: Option<&Refused>,
    ) {
        let session = self.table.get(key).map_or("", |session| session.name.as_str());
        self.documents.note((session, system), kind, bytes, refused);
    }

    /// Who was a member and is none any more changes nothing.
    fn is_there(&self, key: SessionKey, came: Option<u64>, author: &Author) -> Result<(), Refused> {
        if came.is_some() && self.came(key, author).is_none() {
            let name = self.table.get(key).map_or("", |session| session.name.as_str());
            return Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", name));
        }
        Ok(())
    }

    /// What is over may be waiting for what was being written of its session.
    pub(super) fn slices_go_on(&mut self, key: SessionKey) {
        let waits = self.table.get(key).is_some_and(|session| session.sliced.is_some() && !session.is_writing());
        if waits && !self.sliced.contains(&key) {
            self.sliced.push_back(key);
        }
    }
}
