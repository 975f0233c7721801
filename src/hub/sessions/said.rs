//! What is asked of sessions and what it comes to: who asks, the answer, and what is still to be done for it by whoever speaks the
//! protocol of whoever asked.

use serde_json::{Value, json};

use crate::auth::UserId;
use crate::c2sim::kind::Kind;
use crate::c2sim::state::State;
use crate::hub::call::{Answer, Refused, ReplyTo, Written};
use crate::hub::keys::{RequestKey, SessionKey};
use crate::hub::peers::{Doer, Peers};
use crate::store::shared::SharedBytes;

/// Who asks which session.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Asker<'a> {
    /// The LECO name of the session, without namespace; whether there is one shows when it is asked.
    pub(in crate::hub) session: &'a [u8],
    /// The full name of whoever asks.
    pub(in crate::hub) full_name: &'a [u8],
    /// How many events there had been in all sessions when it asked.
    pub(in crate::hub) asked_behind: u64,
    /// The user on whose link it asks, where users are asked who they are, and where that is.
    pub(in crate::hub) doer: Doer,
}

/// How a document is read: by default as one from a member that speaks LECO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Reading<'a> {
    /// It may be in the namespace of either schema; that of the session judges only its own.
    pub(in crate::hub) any_namespace: bool,
    /// The rules of a schema judge the MessageBody and nothing in front of it.
    pub(in crate::hub) body_only: bool,
    /// Whoever hands it in speaks for the system that it names as its sender.
    pub(in crate::hub) speaks_for_sender: bool,
    /// The password that a trigger must come with; empty where it need not have one.
    pub(in crate::hub) password: &'a str,
    /// The user who hands it in, where users are asked who they are.
    pub(in crate::hub) user: Option<UserId>,
}

impl Reading<'_> {
    /// The same for longer: without the password, and that.
    pub(super) fn kept(self) -> (Reading<'static>, Box<str>) {
        (Reading { password: "", ..self }, self.password.into())
    }
}

/// A session that is to be deleted.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Deletion {
    pub(in crate::hub) session: SessionKey,
    /// Even if it is in use.
    pub(super) force: bool,
}

/// A trigger or a message that was taken, and how whoever sent it finds it again.
#[derive(Debug)]
pub(in crate::hub) struct Tracked {
    pub(in crate::hub) tracking_id: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    /// The number of its event, or of the last one before it if it has none.
    pub(in crate::hub) seq: u64,
    pub(super) effective_at: Option<u64>,
}

impl Tracked {
    /// The same as an object.
    pub(super) fn into_value(self) -> Value {
        let Self { tracking_id, kind, state, seq, effective_at } = self;
        let mut answer = json!({"trackingId": tracking_id, "kind": kind.name(), "state": state.name(), "seq": seq});
        if let (Some(at), Some(answer)) = (effective_at, answer.as_object_mut()) {
            answer.insert("effective_at".to_owned(), Value::from(at));
        }
        answer
    }
}

/// What is left to do once something is done. The events that it led to come before the answer.
#[derive(Debug)]
#[must_use = "it is the answer, and what comes before and behind it"]
pub(in crate::hub) struct Aftermath {
    pub(in crate::hub) answer: Answer,
    /// What was taken, where that is the answer. Not everybody wants it as an object.
    pub(in crate::hub) tracked: Option<Tracked>,
    /// What of its result is written already.
    pub(in crate::hub) written: Option<Written>,
    /// What comes with the answer in a frame of its own, as it is too long to stand in it.
    pub(in crate::hub) document: Option<SharedBytes>,
    /// The session that the answer describes, itself or as its `session`: provider and viewers are still to be added.
    pub(in crate::hub) about: Option<SessionKey>,
    /// The session that has more to tell right behind the answer.
    pub(in crate::hub) owes: Option<SessionKey>,
    /// Requests that have waited for a session that is no more: they go on before the answer.
    pub(in crate::hub) freed: Vec<RequestKey>,
}

impl Aftermath {
    /// An answer and nothing else.
    pub(in crate::hub) const fn plain(answer: Answer) -> Self {
        Self { answer, tracked: None, written: None, document: None, about: None, owes: None, freed: Vec::new() }
    }

    /// A result that is written already.
    pub(in crate::hub) fn written(result: String) -> Self {
        Self { written: Some(Written::Result(result)), ..Self::plain(Ok(Value::Null)) }
    }

    /// A trigger or a message was taken.
    pub(super) fn tracked(tracked: Tracked) -> Self {
        Self { tracked: Some(tracked), ..Self::plain(Ok(Value::Null)) }
    }

    /// Puts what was taken into the answer, as an object.
    pub(in crate::hub) fn spell_out(&mut self) {
        if let Some(tracked) = self.tracked.take() {
            self.answer = Ok(tracked.into_value());
        }
    }

    /// An answer that describes a session.
    pub(super) fn about(answer: Answer, session: SessionKey) -> Self {
        Self { about: Some(session), ..Self::plain(answer) }
    }
}

/// What a request to a session came to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(in crate::hub) enum Said {
    /// It is dealt with.
    Now(Aftermath),
    /// The answer comes once the session's change is durable.
    Later(SessionKey),
    /// It must wait behind others.
    Busy(SessionKey),
}

impl Said {
    /// An answer and nothing else.
    pub(in crate::hub) const fn now(answer: Answer) -> Self {
        Self::Now(Aftermath::plain(answer))
    }

    /// A result that is written already, or an error.
    pub(in crate::hub) fn written(result: Result<String, Refused>) -> Self {
        Self::Now(result.map_or_else(|refused| Aftermath::plain(Err(refused)), Aftermath::written))
    }
}

/// The change that somebody has waited for is durable, or is not to be.
#[derive(Debug)]
pub(in crate::hub) struct Settled {
    pub(in crate::hub) reply_to: ReplyTo,
    pub(in crate::hub) session: SessionKey,
    pub(in crate::hub) aftermath: Aftermath,
}

/// Five letters by which a message can be found in the log of its sender.
pub(in crate::hub) fn tracking_id(peers: &mut Peers) -> String {
    let mut random = peers.random();
    let mut letter = || {
        let at = u8::try_from(random % 26).unwrap_or(0);
        random /= 26;
        char::from(b'a' + at)
    };
    (0..5).map(|_| letter()).collect()
}
