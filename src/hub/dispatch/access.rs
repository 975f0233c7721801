//! Users: who says who he is at the doors that speak neither ZMTP nor HTTP, and what is asked about users and their rights.

use serde_json::{Map, Value, json};

use crate::auth::{Action, Login, Origin, Target};
use crate::c2sim::state::Trigger;
use crate::http::target::encoded;
use crate::hub::Hub;
use crate::hub::call::{Answer, Caller, Refused};
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::peers::Peer;
use crate::hub::rights::judge;
use crate::hub::sessions::GuestId;
use crate::hub::web::{
    Action as Action_, Asked, Reply, Route, Standing, Task, not_permitted, unauthorized as not_authorized,
};
use crate::leco::name::COORDINATOR;
use crate::leco::route::{Place, is_session};
use crate::leco::rpc::{INVALID_PARAMS, Params};
use crate::store::order;

use super::guests::client_id;

/// What it takes to pull a trigger. Whoever is done with his own initialization says so for himself.
pub(super) const fn action_of_trigger(trigger: Trigger) -> Action {
    match trigger {
        Trigger::InitializationComplete => Action::Join,
        Trigger::SubmitInitialization
        | Trigger::ShareScenario
        | Trigger::StartScenario
        | Trigger::PauseScenario
        | Trigger::ResumeScenario
        | Trigger::StopScenario
        | Trigger::ResetScenario => Action::Trigger,
    }
}

impl Hub {
    /// Function 6: a controller says who it is. Where nobody is asked, it may say what it likes.
    pub(super) fn authenticate(&mut self, key: PeerKey, token: &str) -> Result<(), &'static str> {
        if self.peers.users.is_off() {
            return Ok(());
        }
        let Some(origin) = self.peers.get(key).map(Peer::origin) else { return Ok(()) };
        let login = self.login_by_token(key, None, token, origin)?;
        self.peers.log_in(key, Some(login), origin);
        Ok(())
    }

    /// Whose token this is, which has come from there; else why nobody is let in by it.
    pub(super) fn login_by_token(
        &mut self,
        key: PeerKey,
        name: Option<&str>,
        token: &str,
        origin: Origin,
    ) -> Result<Login, &'static str> {
        let login = self.peers.judge_token(name, token, origin);
        if let Err(why) = login {
            self.peers.note_stranger(key, "log in", why);
        }
        login
    }

    /// Who the caller is.
    pub(super) fn whoami(&self, caller: Caller<'_>) -> Value {
        let link = caller.link;
        let address = self.peers.get(link).map(Peer::address);
        let user = self.peers.user(link).and_then(|user| self.peers.users.get(user));
        if self.peers.users.is_off() {
            let role = if self.may_administer_on(link) { "admin" } else { "controller" };
            return json!({"user": null, "role": role, "auth": "off", "address": address});
        }
        let by = match self.peers.get(link).and_then(|peer| peer.shown.as_ref()).map(|shown| shown.by) {
            Some(by) => by.to_string(),
            None => "address".to_owned(),
        };
        let list = |list: &dyn ToString| list.to_string();
        let may_sign_in = match caller.sender {
            Place::Here(name) => {
                Some(self.peers.lacks(link, Action::SignIn, Target::Name(&self.names.named_here(name))).is_none())
            }
            Place::There { .. } => None,
        };
        json!({
            "user": user.map(|user| &*user.name),
            "role": user.map(|user| user.role.word()),
            "auth": "on",
            "address": address,
            "by": by,
            "names": user.map(|user| list(&user.names)),
            "to": user.map(|user| list(&user.to)),
            "sessions": user.map(|user| list(&user.sessions)),
            "send": user.map(|user| list(&user.send)),
            "publish": user.map(|user| list(&user.publish)),
            "subscribe": user.map(|user| list(&user.subscribe)),
            "may_sign_in": may_sign_in,
        })
    }

    /// Whether a user may do something, and why.
    pub(super) fn may_of(&self, params: Params) -> Answer {
        let [user, action, target] = params.take(["user", "action", "target"])?;
        let word = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let wrong = || (INVALID_PARAMS, Value::from("user and action are strings, and so is target, if it is given"));
        let (Some(user), Some(action)) = (word(&user), word(&action)) else { return Err(wrong()) };
        let target = word(&target).unwrap_or_default();
        let namespace = &self.peers.config.namespace;
        let ruling = judge(&self.peers.users, namespace, [&user, &action, &target]);
        let (may, line) = ruling.map_err(|why| (INVALID_PARAMS, Value::from(why)))?;
        Ok(json!({"may": may, "line": line}))
    }

    /// The last refusals.
    pub(super) fn denials(&self) -> Answer {
        Ok(json!({"denials": self.peers.denials.told(self.peers.now)}))
    }
}

// ---- HTTP ----

impl Hub {
    /// What a client of HTTP is told instead of an answer, if it may not ask for this.
    pub(super) fn refused_over_web(&mut self, key: PeerKey, asked: &Asked) -> Option<Reply> {
        if self.peers.users.is_off() {
            return None;
        }
        let (what, action, target) = self.wanted_over_web(asked)?;
        if self.peers.user(key).is_none() && !self.follows_its_guest(key, asked) {
            self.peers.note_stranger(key, what, asked.denied.unwrap_or("a token is needed"));
            return Some(unauthorized(asked));
        }
        let target = match &target {
            Wanted::Nothing => Target::Nothing,
            Wanted::Receiver(name) => Target::Name(name),
            Wanted::Session(name) => Target::Session(name),
        };
        let permitted = self.peers.permit(key, what, action, target);
        permitted.and_then(|()| self.may_read(key, asked, target)).err().map(|refused| forbidden(asked, &refused))
    }

    /// Whoever has a JWT reads an initialization if it grants that kind of document.
    fn may_read(&mut self, key: PeerKey, asked: &Asked, target: Target<'_>) -> Result<(), Refused> {
        let user = self.peers.user(key).and_then(|user| self.peers.users.get(user));
        let lacks = user.is_some_and(|user| user.system.is_some() && user.send.find(b"initialization").is_none());
        if lacks && matches!(&asked.route, Route::Session(_, Action_::Initialization)) {
            return Err(self.peers.forbid(key, "read the initialization", "send", target));
        }
        Ok(())
    }

    /// What a request is for, in the words of rights. Some are everybody's.
    fn wanted_over_web(&self, asked: &Asked) -> Option<(&'static str, Action, Wanted)> {
        let session = |name: &str| {
            let known = self.session_meant(name).and_then(|session| self.sessions.get(session));
            Wanted::Session(known.map_or_else(|| encoded(name), |session| session.name.clone()))
        };
        Some(match &asked.route {
            Route::Home
            | Route::File(_)
            | Route::Health
            | Route::OpenApi
            | Route::Options
            | Route::Foreign
            | Route::Misled
            | Route::OnlyBy(_)
            | Route::Malformed
            | Route::Cleanup
            | Route::UnknownOfApi
            | Route::Unknown
            | Route::Task(Task::Probe) => return None,
            Route::Events => ("events", Action::Look, Wanted::Nothing),
            Route::Metrics => ("metrics", Action::Look, Wanted::Nothing),
            Route::OpenRpc => ("rpc.discover", Action::Look, Wanted::Nothing),
            // Each call is looked at by itself.
            Route::Rpc => ("call", Action::Look, Wanted::Nothing),
            Route::RpcAt(name) => {
                let full_name = self.names.full_name_of(name.as_bytes());
                let is_own = matches!(
                    Place::of(&full_name, &self.names.prefix),
                    Place::Here(name) if name == COORDINATOR || is_session(name) || self.own_channel(name).is_some()
                );
                if is_own {
                    ("call", Action::Look, Wanted::Nothing)
                } else {
                    ("send", Action::Send, Wanted::Receiver(full_name))
                }
            }
            Route::Sessions => ("list sessions", Action::Look, Wanted::Nothing),
            Route::Create(name) => ("create_session", Action::MakeSession, session(name)),
            Route::Session(name, Action_::Join | Action_::Resign) => ("join", Action::Join, session(name)),
            Route::Session(name, Action_::Send) => ("send a document", Action::Join, session(name)),
            Route::Session(name, Action_::Info | Action_::Endpoints | Action_::Initialization) => {
                ("info", Action::Look, session(name))
            }
            Route::Session(name, Action_::Delete) => ("delete_session", Action::MakeSession, session(name)),
            Route::Stream(name) => ("hear a session", Action::Look, session(name)),
            Route::Viewer => ("view", Action::Look, Wanted::Nothing),
            Route::Task(Task::Status | Task::Statistics) => ("status", Action::Look, self.session_wanted(asked)),
            Route::Task(Task::Document | Task::Command | Task::Cyber) => {
                ("send a document", Action::Join, self.session_wanted(asked))
            }
        })
    }

    /// The session that a client of GMU's server means.
    fn session_wanted(&self, asked: &Asked) -> Wanted {
        let session = self.session_of_task(asked).and_then(|session| self.sessions.get(session));
        session.map_or(Wanted::Nothing, |session| Wanted::Session(session.name.clone()))
    }

    /// A stream carries no token: it is that of whoever has joined with one, from there and under this identity. From here on the connection
    /// is its user's.
    fn follows_its_guest(&mut self, key: PeerKey, asked: &Asked) -> bool {
        let Route::Stream(name) = &asked.route else { return false };
        if asked.denied.is_some() {
            return false;
        }
        let id = client_id(asked.value("clientId").as_deref());
        let known =
            id.zip(self.session_meant(name)).and_then(|(id, session)| self.sessions.user_of_guest(session, &id));
        let here = asked.remote.ip().to_canonical();
        let Some((user, _)) = known.filter(|(_, address)| *address == here) else { return false };
        self.peers.lend_user(key, user);
        true
    }

    /// Whether the guest of this identity is another user's; he is told so.
    pub(super) fn is_others_guest(
        &mut self,
        key: PeerKey,
        asked: &Asked,
        session: SessionKey,
        id: &GuestId,
    ) -> Option<Reply> {
        if self.peers.users.is_off() {
            return None;
        }
        let (user, _) = self.sessions.user_of_guest(session, id)?;
        if self.peers.user(key) == Some(user) {
            return None;
        }
        let refused = self.peers.forbid(key, "be this client", "a clientId of its own", Target::Nothing);
        Some(forbidden(asked, &refused))
    }
}

impl Hub {
    /// The answer to who joins for another system than its JWT is of.
    pub(super) fn foreign_system(&mut self, key: PeerKey, system: &str) -> Reply {
        self.peers.forbid(key, "join", "a JWT of that system (fromSendingSystem)", Target::Session(system));
        let why = format!("The token is not of system '{system}'");
        let details = order::filled([("systemName".to_owned(), Value::from(system))]);
        not_authorized(400, &why, &details)
    }
}

/// With what something is to be done over HTTP.
enum Wanted {
    Nothing,
    /// A full name.
    Receiver(Vec<u8>),
    Session(String),
}

/// The answer to whom nobody knows.
fn unauthorized(asked: &Asked) -> Reply {
    let why = asked.denied.unwrap_or("this needs a token: Authorization: Bearer TOKEN");
    let reply = if let Route::Task(task) = &asked.route {
        // Its clients take any other status than 200 for a line that is down, and show nobody why.
        Standing::NOWHERE.failed(task.failure(), why, "")
    } else if is_of_sessions(&asked.route) {
        not_authorized(401, why, &Map::new())
    } else {
        Reply::text(401, why)
    };
    reply.with("WWW-Authenticate", "Bearer, Basic realm=\"instep\"")
}

/// The answer to who may not do this, as the clients of this path take it.
fn forbidden(asked: &Asked, refused: &Refused) -> Reply {
    if let Route::Task(task) = &asked.route {
        Standing::NOWHERE.refused(*task, "", refused, "")
    } else if is_of_sessions(&asked.route) {
        not_permitted(&refused.1)
    } else {
        Reply::json(403, refused.1.to_string())
    }
}

/// Whether it belongs to the interface of sessions, whose clients know bodies of one form.
const fn is_of_sessions(route: &Route) -> bool {
    matches!(route, Route::Sessions | Route::Create(_) | Route::Session(..))
}
