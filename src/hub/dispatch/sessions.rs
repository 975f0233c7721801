//! Calls that are the sessions' to deal with, and what is still to be done when they have: provider and viewers added to what is told of a
//! session, requests let go on, events behind an answer.

use serde_json::Value;

use crate::auth::{Action, Target};
use crate::hub::Hub;
use crate::hub::call::{Caller, Refused, ReplyTo, plain_error};
use crate::hub::front::{Asked, Request};
use crate::hub::keys::{NodeKey, PeerKey, ProviderKey, RequestKey, SessionKey};
use crate::hub::manager::{Shown, Unfit};
use crate::hub::methods::{AtSessionCall, SessionsCall};
use crate::hub::peers::Outcome;
use crate::hub::sessions::{Aftermath, Asker, Said, Settled, Wish};
use crate::leco::json::Json;
use crate::leco::message::View;
use crate::leco::name::FullName;
use crate::leco::rpc::{Document, INVALID_PARAMS, Item, METHOD_NOT_FOUND, Params};
use crate::store::shared::SharedBytes;

impl Hub {
    /// What is done with sessions as a whole.
    pub(super) fn sessions_call(
        &mut self,
        caller: Caller<'_>,
        call: SessionsCall,
        params: Params,
        fresh: bool,
    ) -> Said {
        match call {
            SessionsCall::CreateSession => match Wish::read(params) {
                Ok(mut wish) => {
                    let target = Target::Session(&wish.name);
                    if let Err(refused) = self.peers.permit(caller.link, "create_session", Action::MakeSession, target)
                    {
                        return Said::now(Err(refused));
                    }
                    wish.asked_by = self.peers.asker(caller.link).share;
                    self.create_session(&wish, fresh)
                }
                Err(refused) => Said::now(Err(refused)),
            },
            SessionsCall::DeleteSession => {
                let is_admin = self.may_administer(caller);
                match self.sessions.to_delete(params, is_admin) {
                    Ok(deletion) => {
                        let name = self.sessions.get(deletion.session).map(|session| session.name.clone());
                        let target = Target::Session(name.as_deref().unwrap_or_default());
                        if let Err(refused) =
                            self.peers.permit(caller.link, "delete_session", Action::MakeSession, target)
                        {
                            return Said::now(Err(refused));
                        }
                        let is_used = self.manager.is_used(deletion.session);
                        self.sessions.delete(&mut self.peers, &self.names, deletion, is_used, fresh)
                    }
                    Err(refused) => Said::now(Err(refused)),
                }
            }
        }
    }

    /// A call of a session's method.
    pub(super) fn session_call(&mut self, request: &Request, call: AtSessionCall, name: &str, params: Params) -> Said {
        let Asked::Session(session) = &request.asked else { return Said::now(Err(plain_error(METHOD_NOT_FOUND))) };
        let full_name = self.names.full_name_of(&request.sender);
        let asker = Asker {
            session,
            full_name: &full_name,
            asked_behind: request.asked_behind,
            doer: self.peers.doer_from(request.link, request.web),
        };
        if request.web.is_some() {
            return self.session_call_over_web(request, asker, (call, name), params);
        }
        self.sessions.call(&mut self.peers, &self.names, asker, None, (call, name), params)
    }

    /// A document for a session.
    pub(super) fn session_document(&mut self, request: &Request, document: &SharedBytes) -> Said {
        let Asked::Session(session) = &request.asked else { return Said::now(Err(plain_error(METHOD_NOT_FOUND))) };
        let full_name = self.names.full_name_of(&request.sender);
        let asker = Asker {
            session,
            full_name: &full_name,
            asked_behind: request.asked_behind,
            doer: self.peers.doer_from(request.link, request.web),
        };
        self.sessions.document(&mut self.peers, &self.names, asker, document)
    }

    /// Somebody answers what a session has told.
    pub(super) fn notice_answered(&mut self, request: &Request) {
        let Asked::Session(session) = &request.asked else { return };
        let full_name = self.names.full_name_of(&request.sender);
        self.sessions.notice_answered(&self.names, session, &full_name, &request.header);
    }

    /// Somebody answers what a session has told with an error, which is about `member`. Answers whether it is the Coordinator of its node,
    /// which has not given it to that member.
    pub(super) fn notice_refused(&mut self, request: &Request, member: &str) -> bool {
        let Asked::Session(session) = &request.asked else { return false };
        let node = FullName::split(member.as_bytes()).namespace;
        let is_of_node = !node.is_empty() && FullName::split(&request.sender).namespace == node;
        if !is_of_node || !self.is_node(request.caller(&self.names.prefix)) {
            return false;
        }
        self.sessions.notice_refused(session, member.as_bytes(), &request.header);
        true
    }

    /// A message for a session on our DEALER to a node: an error about what the session has told, or nothing of its business.
    #[cold]
    pub(in crate::hub) fn session_error(&mut self, node: NodeKey, session: &[u8], view: &View<'_>) -> Outcome {
        self.peers.counters.messages_in += 1;
        let namespace = self.names.nodes.get(node).and_then(|node| node.namespace.as_deref());
        if let Some(Ok(Document::Single(Item::Error { data: Some(member), .. }))) = view.payload.map(Document::parse)
            && namespace == Some(FullName::split(member.as_bytes()).namespace)
        {
            self.sessions.notice_refused(session, member.as_bytes(), view.header);
        }
        Outcome::Done
    }

    /// Makes a session, or gives one that there is other words, options or a provider.
    pub(super) fn create_session(&mut self, wish: &Wish, fresh: bool) -> Said {
        let said = self
            .chosen_provider(wish)
            .and_then(|provider| self.sessions.create(&mut self.peers, &self.names, wish, provider, fresh));
        said.unwrap_or_else(|refused| {
            self.peers.counters.session_refusals += 1;
            Said::now(Err(refused))
        })
    }

    /// The provider that is asked for, if the session may have it.
    fn chosen_provider(&self, wish: &Wish) -> Result<Option<ProviderKey>, Refused> {
        wish.check()?;
        let Some(id) = wish.provider else { return Ok(None) };
        let provider = self.manager.provider_for(self.sessions.named(&wish.name), id).map_err(|unfit| match unfit {
            Unfit::Unknown => format!("there is no provider {id}"),
            Unfit::InSession(other) => {
                let other = self.sessions.get(other).map_or("", |other| other.name.as_str());
                format!("provider {id} is in session {other} already")
            }
            Unfit::HasAnother => format!("session {} has another provider already", wish.name),
        });
        provider.map(Some).map_err(|why| (INVALID_PARAMS, Value::from(why)))
    }

    // ---- Showing ----

    /// Every shared session, as JSON.
    pub(super) fn sessions_text(&self) -> String {
        let mut json = Json::default();
        json.array(|json| {
            for (key, session) in self.sessions.by_id() {
                let Shown { provider, viewers, .. } = self.manager.shown(key);
                session.write(json, Some((provider.unwrap_or(0), &viewers)));
            }
        });
        json.into_text()
    }

    // ---- What comes of it ----

    /// Does what comes before an answer: what follows from it elsewhere, requests that have waited, the other half of a description. The
    /// session that has more to tell behind it is noted in `owes`. What is left is the answer and what comes with it.
    pub(super) fn conclude(&mut self, mut aftermath: Aftermath, owes: &mut Option<SessionKey>) -> Aftermath {
        self.drain_events_before_answer();
        self.go_on_without_session(core::mem::take(&mut aftermath.freed));
        aftermath.spell_out();
        if let (Ok(told), Some(session)) = (&mut aftermath.answer, aftermath.about.take()) {
            let inner = told.get("session").is_some();
            let info = if inner { told.get_mut("session") } else { Some(told) };
            if let Some(info) = info {
                self.complete_info(info, session);
            }
        }
        *owes = aftermath.owes.take().or(*owes);
        aftermath
    }

    /// Tells what was to come right behind an answer.
    pub(super) fn tell_owed(&mut self, session: SessionKey) {
        self.sessions.tell_owed(&mut self.peers, &self.names, session);
    }

    /// Requests that have waited for a session that is no more find that out.
    pub(in crate::hub) fn go_on_without_session(&mut self, freed: Vec<RequestKey>) {
        for waiting in freed {
            if let Some(request) = self.front.take(waiting) {
                self.run(request, false, None);
            }
        }
    }

    /// A change of a session is durable, or is not to be: whoever has waited for that is told, and the session goes on.
    pub(in crate::hub) fn settled(&mut self, settled: Settled) {
        let Settled { reply_to, session, aftermath } = settled;
        let mut owes = None;
        let aftermath = self.conclude(aftermath, &mut owes);
        match reply_to {
            ReplyTo::Nobody => {}
            ReplyTo::Request(waiting) => self.go_on(waiting, aftermath, owes),
            ReplyTo::Control { peer, envelope } => {
                self.answer_control(peer, envelope, session, aftermath.answer);
                self.peers.resume(peer);
            }
            ReplyTo::Web { peer } => self.go_on_over_web(peer, session, aftermath.answer),
            ReplyTo::Topic { peer } => self.go_on_on_topic(peer, owes, &aftermath.answer),
        }
        self.sessions.go_on(&mut self.peers, &self.names, session);
        self.sessions.end_if_it_must(&mut self.peers, session);
    }

    /// Whoever has joined is answered.
    pub(in crate::hub) fn join_settled(&mut self, joiner: u64) {
        if let Some(settled) = self.sessions.join_settled(&mut self.peers, joiner) {
            self.settled(settled);
        }
    }

    /// Deals with the request at the front of a session's line, and lets the next one come.
    pub(in crate::hub) fn line_piece(&mut self, session: SessionKey) {
        if let Some(waiting) = self.sessions.next_in_line(&mut self.peers, session)
            && let Some(request) = self.front.take(waiting)
        {
            self.peers.take_in_hand(request.link);
            self.run(request, false, None);
        }
        self.sessions.serve_line(&mut self.peers, session);
    }

    /// Goes on for a slice with a document that is judged, or an initialization that is shared.
    pub(in crate::hub) fn do_slice(&mut self) {
        if let Some(settled) = self.sessions.do_slice(&mut self.peers, &self.names) {
            self.settled(settled);
        }
        self.drain_events();
        self.see_off_when_answered();
    }

    /// The links of those who wait for a change to become durable, or for a document to be judged.
    pub(in crate::hub) fn who_waits(&self) -> Vec<PeerKey> {
        let link = |reply_to| match reply_to {
            ReplyTo::Request(waiting) => self.front.get(waiting).map(|request| request.link),
            ReplyTo::Control { peer, .. } | ReplyTo::Web { peer } | ReplyTo::Topic { peer } => Some(peer),
            ReplyTo::Nobody => None,
        };
        self.sessions.who_waits().filter_map(link).collect()
    }
}
