//! Clients of STOMP (c2sim-http, 7): where their subscriptions lead, and what becomes of what they send.

use crate::auth::{Action, Target, UserId};
use crate::hub::Hub;
use crate::hub::call::{Answer, Refused, ReplyTo};
use crate::hub::halt::Halt;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::peers::{For, Peer, Work};
use crate::hub::sessions::{Ear, GuestId, Reading, Said};
use crate::hub::topic::{Came, Subscription, Wish};
use crate::stomp::frame::Frame;

use super::commands::submitter_of;

/// The destinations that mean the session of these clients.
const DESTINATIONS: [&str; 2] = ["/topic/C2SIM", "/topic/BML"];
/// What those of other sessions begin with, before their names.
const DESTINATION_OF: &str = "/topic/C2SIM.";

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heeded {
    /// It is dealt with.
    Done,
    /// It is dealt with, and the next one has to wait.
    Waits,
    /// It has to wait itself.
    Held,
}

impl Hub {
    /// Deals with the frames at the front of `buffer`.
    pub(in crate::hub) fn walk_topic(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        loop {
            if !self.peers.get(key).is_some_and(Peer::is_open) {
                return (used, Halt::Gone);
            }
            match self.topic.next(&mut self.peers, key, buffer.get(used..).unwrap_or_default()) {
                Came::Need(n) => return (used, Halt::Need(n)),
                Came::Used(len) => used += len,
                Came::Over => return (used, Halt::Gone),
                Came::Frame { len, wish } => {
                    if !self.peers.may_serve(key, len, self.peers.config.ring_bytes_max / 2) {
                        return (used, Halt::Held);
                    }
                    self.peers.spend(Work::Call);
                    match self.heed(key, wish) {
                        Heeded::Done => used += len,
                        Heeded::Waits => return (used + len, Halt::Held),
                        Heeded::Held => return (used, Halt::Held),
                    }
                }
            }
        }
    }

    fn heed(&mut self, key: PeerKey, wish: Wish<'_>) -> Heeded {
        match wish {
            Wish::Subscribe { subscription, receipt } => self.subscribe(key, subscription, receipt.as_deref()),
            Wish::Unsubscribe { id, receipt } => {
                self.sessions.hearer_unsubscribes(&mut self.peers, &self.names, key, &id);
                self.topic.unsubscribed(key, &id);
                self.topic.receipt(&mut self.peers, key, receipt.as_deref());
                self.drain_events();
                Heeded::Done
            }
            Wish::Send(frame) => self.take_sent(key, &frame),
            Wish::Disconnect { receipt } => {
                self.sessions.hearer_leaves(&mut self.peers, &self.names, key);
                self.topic.part(&mut self.peers, key, receipt.as_deref());
                self.drain_events();
                Heeded::Done
            }
        }
    }

    /// The session that a destination leads to.
    fn session_at(&self, destination: &str) -> Option<SessionKey> {
        if DESTINATIONS.contains(&destination) {
            return self.session_meant(&self.peers.config.gmu_session);
        }
        self.session_meant(destination.strip_prefix(DESTINATION_OF)?)
    }

    fn subscribe(&mut self, key: PeerKey, subscription: Subscription, receipt: Option<&str>) -> Heeded {
        let Subscription { id, destination, selector, bytes, version } = subscription;
        let remote = self.peers.get(key).map(|peer| peer.remote);
        let (Some(session), Some(remote)) = (self.session_at(&destination), remote) else {
            let text = "there are /topic/C2SIM, and /topic/C2SIM.NAME for every session";
            self.topic.fail(&mut self.peers, key, "there is no such destination", text, receipt);
            return Heeded::Done;
        };
        if let Err((_, data)) = self.permit_topic(key, "hear a session", Action::Look, session) {
            self.topic.fail(&mut self.peers, key, "not permitted", &data.to_string(), receipt);
            return Heeded::Done;
        }
        let ear = Ear { id: id.clone(), destination, selector, version, bytes };
        let came = self.sessions.hearer_subscribes(&mut self.peers, &self.names, session, (key, remote), ear);
        match came {
            Ok(None) => {
                self.topic.subscribed(key, id);
                self.topic.receipt(&mut self.peers, key, receipt);
            }
            Ok(Some(Said::Busy(session) | Said::Later(session))) => {
                self.peers.wait(key, For::Session(session));
                return Heeded::Held;
            }
            Ok(Some(Said::Now(aftermath))) => {
                let why = aftermath.answer.err().map_or("", |(error, _)| error.message);
                self.topic.fail(&mut self.peers, key, why, "", receipt);
            }
            Err((error, data)) => {
                self.topic.fail(&mut self.peers, key, error.message, &data.to_string(), receipt);
            }
        }
        self.drain_events();
        Heeded::Done
    }

    /// Whether a client may do this in a session.
    fn permit_topic(&mut self, key: PeerKey, what: &str, action: Action, session: SessionKey) -> Result<(), Refused> {
        let name = self.sessions.get(session).map_or_else(String::new, |session| session.name.clone());
        self.peers.permit(key, what, action, Target::Session(&name))
    }

    // ---- Sending ----

    fn take_sent(&mut self, key: PeerKey, frame: &Frame<'_>) -> Heeded {
        self.peers.counters.stomp_sends += 1;
        let receipt = frame.header("receipt");
        let session = frame.header("destination").and_then(|destination| self.session_at(&destination));
        let Some(session) = session else {
            self.topic.fail(&mut self.peers, key, "there is no such destination", "", receipt.as_deref());
            return Heeded::Done;
        };
        if let Err(refused) = self.permit_topic(key, "send a document", Action::Join, session) {
            self.refuse_sent(key, &refused, receipt.as_deref());
            return Heeded::Done;
        }
        let id = frame.header("submitter").and_then(|word| submitter_of(&word));
        let remote = self.peers.get(key).map(|peer| peer.remote);
        let (Some(id), Some(remote)) = (id, remote) else {
            self.not_taken(key, "Submitter not specified", "", receipt.as_deref());
            return Heeded::Done;
        };
        match self.who_blocks(key, session, frame.body.len()) {
            None => {}
            Some(Ok(())) => return Heeded::Held,
            Some(Err(refused)) => {
                self.refuse_sent(key, &refused, receipt.as_deref());
                return Heeded::Done;
            }
        }
        let from = (remote, self.peers.doer(key));
        let said = match self.sessions.submitter_comes(&mut self.peers, &self.names, session, &id, from) {
            Ok(None) => self.submit_sent(self.peers.user(key), session, &id, frame.body),
            Ok(Some(said)) => said,
            Err(refused) => Said::now(Err(refused)),
        };
        match said {
            Said::Now(aftermath) => {
                let mut owes = None;
                let answer = self.conclude(aftermath, &mut owes).answer;
                self.answer_sent(key, &answer, receipt.as_deref());
                if let Some(session) = owes {
                    self.tell_owed(session);
                }
                Heeded::Done
            }
            Said::Later(session) => {
                self.sessions.set_waiter(&mut self.peers, session, ReplyTo::Topic { peer: key }, 0);
                self.topic.waits(key, receipt.as_deref());
                self.peers.wait(key, For::Answer);
                Heeded::Waits
            }
            Said::Busy(session) => {
                self.peers.wait(key, For::Session(session));
                Heeded::Held
            }
        }
    }

    fn submit_sent(&mut self, user: Option<UserId>, session: SessionKey, id: &GuestId, document: &[u8]) -> Said {
        if self.sessions.get(session).is_some_and(|session| session.is_busy(false)) {
            return Said::Busy(session);
        }
        let password = self.peers.config.gmu_password.clone();
        let reading =
            Reading { any_namespace: true, body_only: true, speaks_for_sender: true, password: &password, user };
        self.sessions.guest_document(&mut self.peers, &self.names, session, id, document.into(), reading)
    }

    /// What was sent was taken, or not.
    fn answer_sent(&mut self, key: PeerKey, answer: &Answer, receipt: Option<&str>) {
        match answer {
            Ok(_) => self.topic.receipt(&mut self.peers, key, receipt),
            Err(refused) => self.refuse_sent(key, refused, receipt),
        }
    }

    fn refuse_sent(&mut self, key: PeerKey, (error, data): &Refused, receipt: Option<&str>) {
        let reason = data.get("reason").and_then(serde_json::Value::as_str).unwrap_or(error.message);
        self.not_taken(key, reason, &data.to_string(), receipt);
    }

    /// Whoever wants no receipt is told nothing, as it would end its hearing too.
    fn not_taken(&mut self, key: PeerKey, why: &str, text: &str, receipt: Option<&str>) {
        self.peers.counters.stomp_sends_refused += 1;
        if receipt.is_some() {
            self.topic.fail(&mut self.peers, key, why, text, receipt);
        } else if self.peers.may_log() {
            log::debug!("what was sent over STOMP was not taken: {why}");
        }
    }

    /// The change that something sent has waited for is durable, or is not to be.
    pub(super) fn go_on_on_topic(&mut self, key: PeerKey, owes: Option<SessionKey>, answer: &Answer) {
        let receipt = self.topic.waited(key);
        self.answer_sent(key, answer, receipt.as_deref());
        if let Some(session) = owes {
            self.tell_owed(session);
        }
        self.peers.resume(key);
    }
}
