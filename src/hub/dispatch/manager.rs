//! The Manager's functions as methods of the Coordinator, and what it takes several owners to do: a viewer's connection with a session that
//! is made for it, and the description of a session, of which each of two owners knows one half.

use core::net::SocketAddr;

use serde_json::{Value, json};

use crate::c2sim::state::State;
use crate::control::reply::{ManagerInfo, SessionInfo, Status};
use crate::control::request::Wanted;
use crate::leco::json::Json;
use crate::leco::rpc::{INVALID_PARAMS, MANAGER_FAILED, Params, SERVER_FULL};
use crate::limits::SESSIONS_MAX;
use crate::store::order;

use crate::hub::Hub;
use crate::hub::call::{Answer, Caller, Refused, none};
use crate::hub::keys::SessionKey;
use crate::hub::manager::{Chosen, Manager, NotOpened, ProviderRow, Shown, ViewerRow, is_chosen, these};
use crate::hub::methods::ManagerCall;
use crate::hub::push::Push;
use crate::hub::sessions::{DEFAULT, Session};
use crate::hub::shelf::Logs;

/// How many times its own speed a log may be played at.
const PLAY_SPEEDS: core::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// A session as it is shown.
pub(super) struct SessionRow {
    id: i64,
    provider: Option<i64>,
    viewers: Vec<i64>,
    status: Status,
    state: &'static str,
    seq: u64,
    name: String,
}

impl SessionRow {
    fn new(session: &Session, shown: Shown) -> Self {
        let Shown { provider, viewers, status } = shown;
        Self {
            id: session.id,
            provider,
            viewers,
            status,
            state: session.state().name(),
            seq: session.seq,
            name: session.name.clone(),
        }
    }

    pub(super) fn info(&self) -> SessionInfo<'_> {
        SessionInfo {
            id: self.id,
            provider: self.provider,
            viewers: &self.viewers,
            status: self.status,
            state: self.state,
            seq: self.seq,
            name: &self.name,
        }
    }

    fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.key("id").raw(&self.id.to_string());
            json.key("name").text(&self.name);
            json.key("provider").raw(&self.provider.unwrap_or(0).to_string());
            json.key("seq").number(self.seq);
            json.key("state").text(self.state);
            json.key("status").text(self.status.word());
            json.key("viewer").array(|json| self.viewers.iter().for_each(|id| json.raw(&id.to_string())));
        });
    }
}

impl Hub {
    // ---- With sessions ----

    /// Brings a viewer into the session of a provider, which is made if there is none; answers the session's id.
    pub(super) fn connect_viewer(&mut self, provider: i64, viewer: i64) -> Result<i64, String> {
        let pair = self.manager.pair(provider, viewer)?;
        let session = match self.manager.session_of(pair.0) {
            Some(session) => session,
            None => {
                let source = self.manager.source_of(pair.0);
                let made = self.sessions.make_for_provider(&mut self.peers, &self.names, provider, source);
                let session = made.ok_or_else(|| format!("{SESSIONS_MAX} sessions are open, more are not allowed"))?;
                let flow = self.sessions.get(session).map(|found| (found.flow.state, found.flow.multiple));
                self.manager.show(&mut self.peers, session, pair.0, flow.unwrap_or((State::Running, 1.0)));
                session
            }
        };
        self.manager.connect_viewer(&mut self.peers, pair, session);
        Ok(self.sessions.get(session).map_or(0, |session| session.id))
    }

    /// Sessions, by id.
    pub(super) fn session_rows(&self, which: &Chosen) -> Vec<SessionRow> {
        let chosen = self.sessions.iter().filter(|(_, session)| is_chosen(which, session.id));
        let mut rows: Vec<_> = chosen.map(|(key, session)| SessionRow::new(session, self.manager.shown(key))).collect();
        order::sort_by_key(&mut rows, |row| row.id);
        rows
    }

    /// The sessions that somebody has made or uses, by id: the one that always exists is not shown while it shows nothing.
    pub(super) fn listed_sessions(&self, which: &Chosen) -> Vec<SessionRow> {
        let mut rows = self.session_rows(which);
        rows.retain(|row| row.name != DEFAULT || row.provider.is_some() || !row.viewers.is_empty());
        rows
    }

    /// The same as JSON.
    pub(super) fn shown_sessions_text(&self, params: Params) -> Result<String, Refused> {
        let rows = self.listed_sessions(&optional_list(params, "session")?);
        let mut json = Json::default();
        json.object(|json| json.key("sessioninfo").array(|json| rows.iter().for_each(|row| row.write(json))));
        Ok(json.into_text())
    }

    /// Adds provider and viewers to what a session says of itself.
    pub(super) fn complete_info(&self, info: &mut Value, session: SessionKey) {
        let Shown { provider, viewers, .. } = self.manager.shown(session);
        if let Some(info) = info.as_object_mut() {
            info.insert("provider".to_owned(), Value::from(provider.unwrap_or(0)));
            info.insert("viewer".to_owned(), Value::from(viewers));
        }
    }

    pub(super) fn manager_info<'a>(&self, version: &'a str) -> ManagerInfo<'a> {
        self.manager.info(&self.peers, self.listed_sessions(&None).len(), version)
    }

    // ---- JSON-RPC ----

    /// The Manager's functions as methods of the Coordinator.
    pub(super) fn manager_call(&mut self, caller: Caller<'_>, call: ManagerCall, params: Params) -> Answer {
        let failed = |reason: String| (MANAGER_FAILED, Value::from(reason));
        let answer = match call {
            // Its answer waits for what becomes of it, see `rpc_open`.
            ManagerCall::OpenProvider => return self.rpc_open(caller, params).and_then(|id| self.opened(id)),
            ManagerCall::CloseProvider => one_list(params, "provider")
                .and_then(|ids| self.manager.close_providers(&mut self.peers, &ids).outcome().map_err(failed))
                .map(|()| Value::Null),
            ManagerCall::DisconnectViewer => one_list(params, "viewer")
                .and_then(|ids| self.manager.disconnect_viewers(&self.peers, &ids).outcome().map_err(failed))
                .map(|()| Value::Null),
            ManagerCall::RefreshProvider => optional_list(params, "provider").and_then(|which| {
                let batch = self.manager.refresh_providers(&mut self.peers, &which);
                batch.outcome().map_err(failed).map(|()| json!({"provider": batch.done}))
            }),
            ManagerCall::ConnectViewer => self.rpc_connect(params),
            ManagerCall::Providers => optional_list(params, "provider").map(|which| {
                json!({"providerinfo": self.manager.provider_rows(&self.peers, &which).iter().map(ProviderRow::json).collect::<Vec<_>>()})
            }),
            ManagerCall::Viewers => optional_list(params, "viewer").map(
                |which| json!({"viewerinfo": self.manager.viewer_rows(&which).iter().map(ViewerRow::json).collect::<Vec<_>>()}),
            ),
            ManagerCall::Manager => none(params).map(|()| {
                let version = Manager::version();
                let info = self.manager_info(&version);
                let control: Vec<_> = self.manager.control_addresses().iter().map(SocketAddr::to_string).collect();
                json!({"manager": {"port": info.port, "providers": info.providers, "vieweres": info.viewers,
                    "viewers": info.viewers, "sessions": info.sessions, "errors": info.errors,
                    "status": info.status.word(), "version": info.version, "control": control}})
            }),
            ManagerCall::Errors => none(params).map(|()| json!({"errors": self.peers.journal.errors().collect::<Vec<_>>()})),
            ManagerCall::Logs => none(params).map(|()| {
                let Logs { files, more } = self.manager.logs();
                let logs: Vec<_> = files.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect();
                json!({"logs": logs, "more": more})
            }),
            ManagerCall::Play => self.rpc_play(params),
            ManagerCall::OpenFeed => self.rpc_open_feed(caller, params),
            // Read in pieces where it is called by itself, see `timestep_part`.
            ManagerCall::PushTimestep => Self::push_of(params).and_then(|mut push| loop {
                if let Some(answer) = self.push_piece(&mut push).transpose() {
                    break answer;
                }
            }),
            ManagerCall::Exit => none(params).map(|()| {
                self.exit();
                Value::Null
            }),
        };
        self.note_failure(answer)
    }

    /// What fails here is on the error list too.
    fn note_failure<T>(&mut self, outcome: Result<T, Refused>) -> Result<T, Refused> {
        if let Err((MANAGER_FAILED | SERVER_FULL, Value::String(reason))) = &outcome {
            self.peers.note_error(reason);
        }
        outcome
    }

    /// Opens a provider, of which there is nothing to say yet; answers its id.
    pub(super) fn rpc_open(&mut self, caller: Caller<'_>, params: Params) -> Result<i64, Refused> {
        let outcome = self.open_as_asked(caller, params);
        self.note_failure(outcome)
    }

    fn open_as_asked(&mut self, caller: Caller<'_>, params: Params) -> Result<i64, Refused> {
        let [address, file, keep] = params.take(["address", "logfilename", "keep"])?;
        let wrong = || {
            let words =
                "address is {host, port} or [host, port], logfilename a string, keep (of an address) true or false";
            (INVALID_PARAMS, Value::from(words))
        };
        let keep = match &keep {
            None | Some(Value::Null) => false,
            Some(value) => value.as_bool().ok_or_else(wrong)?,
        };
        let address = match &address {
            None | Some(Value::Null) => None,
            Some(value) => {
                let host = value.get("host").or_else(|| value.get(0)).and_then(Value::as_str).ok_or_else(wrong)?;
                let port = value.get("port").or_else(|| value.get(1)).and_then(Value::as_u64).ok_or_else(wrong)?;
                let port = u16::try_from(port).ok().filter(|port| *port != 0).ok_or_else(wrong)?;
                let fits = !host.is_empty() && host.len() <= crate::limits::CONTROL_HOST_BYTES_MAX;
                Some((host, port)).filter(|_| fits)
            }
        };
        let file = match &file {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_str().ok_or_else(wrong)?),
        };
        let wanted = match (address, file) {
            (Some((host, port)), _) => Wanted::Address { host, port, keep },
            (None, Some(name)) if !keep => Wanted::File(name),
            (None, _) => return Err(wrong()),
        };
        let asked_by = self.peers.asker(caller.link);
        let opened = self.manager.open_provider(&mut self.peers, wanted, asked_by);
        opened.map_err(not_opened)
    }

    /// Opens a feed; answers its id.
    fn rpc_open_feed(&mut self, caller: Caller<'_>, params: Params) -> Answer {
        let [name] = params.take(["name"])?;
        let name = name.as_ref().and_then(Value::as_str);
        let name = name.ok_or_else(|| (INVALID_PARAMS, Value::from("name is a string")))?;
        let asked_by = self.peers.asker(caller.link);
        let opened = self.manager.open_feed(&mut self.peers, name, asked_by);
        opened.map_err(not_opened).and_then(|id| self.opened(id))
    }

    /// The timestep of a feed that a call brings.
    pub(super) fn push_of(params: Params) -> Result<Push, Refused> {
        let [provider, record, time, last] = params.take(["provider", "record", "time", "last"])?;
        let wrong = || {
            let words = "provider is an id, record an object or MsgPack in base64, time a timestep, last true or false";
            (INVALID_PARAMS, Value::from(words))
        };
        let given = |value: Option<Value>| value.filter(|value| !value.is_null());
        let id = provider.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let record = record.as_ref().and_then(crate::control::json::record).ok_or_else(wrong)?;
        let time = given(time).map(|time| time.as_i64().ok_or_else(wrong)).transpose()?;
        let is_last = given(last).map_or(Ok(false), |last| last.as_bool().ok_or_else(wrong))?;
        Ok(Push::new(id, record, time, is_last))
    }

    /// Does a piece of what there is to do for a timestep of a feed; `None`: there is more to do.
    pub(super) fn push_piece(&mut self, push: &mut Push) -> Result<Option<Value>, Refused> {
        let pushed = self.manager.push_timestep(&mut self.peers, push);
        let pushed = self.note_failure(pushed.map_err(|reason| (MANAGER_FAILED, Value::from(reason))))?;
        Ok(pushed.map(|(time, viewers)| json!({"time": time, "viewers": viewers})))
    }

    /// What there is to say of a provider that somebody has had opened.
    pub(super) fn opened(&self, id: i64) -> Answer {
        let rows = self.manager.provider_rows(&self.peers, &Some(vec![id]));
        opening_of(&rows).map_err(|reason| (MANAGER_FAILED, Value::from(format!("provider {id}: {reason}"))))?;
        Ok(json!({"provider": id, "providerinfo": rows.iter().map(ProviderRow::json).collect::<Vec<_>>()}))
    }

    fn rpc_play(&mut self, params: Params) -> Answer {
        let [provider, speed, time] = params.take(["provider", "speed", "time"])?;
        let wrong = || {
            let words = "provider is an id, speed a number from 0.01 to 1000, time that of a timestep";
            (INVALID_PARAMS, Value::from(words))
        };
        let id = provider.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let given = |value: Option<Value>| value.filter(|value| !value.is_null());
        let speed = match given(speed) {
            None => None,
            Some(value) => Some(value.as_f64().filter(|speed| PLAY_SPEEDS.contains(speed)).ok_or_else(wrong)?),
        };
        let time = match given(time) {
            None => None,
            Some(value) => {
                let time = value.as_i64().and_then(|time| i32::try_from(time).ok());
                Some(time.filter(|time| *time >= 0).ok_or_else(wrong)?)
            }
        };
        let played = self.manager.play(&mut self.peers, id, speed, time);
        played.map_err(|reason| (MANAGER_FAILED, Value::from(reason)))?;
        let rows = self.manager.provider_rows(&self.peers, &Some(vec![id]));
        Ok(json!({"providerinfo": rows.iter().map(ProviderRow::json).collect::<Vec<_>>()}))
    }

    fn rpc_connect(&mut self, params: Params) -> Answer {
        let [viewer, provider] = params.take(["viewer", "provider"])?;
        let wrong = || (INVALID_PARAMS, Value::from("viewer and provider are ids"));
        let viewer = viewer.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let provider = provider.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let id = self.connect_viewer(provider, viewer).map_err(|reason| (MANAGER_FAILED, Value::from(reason)))?;
        let mut json = Json::default();
        json.array(|json| self.session_rows(&Some(vec![id])).iter().for_each(|row| row.write(json)));
        Ok(json!({"session": id, "sessioninfo": json.into_value()}))
    }
}

/// Whether a provider that was to be opened is open, or waits; else why not. `rows` has it, unless it was closed.
pub(super) fn opening_of(rows: &[ProviderRow]) -> Result<(), &str> {
    match rows.first() {
        None => Err("the provider was closed before it was open"),
        Some(row) => row.failure().map_or(Ok(()), Err),
    }
}

/// One id or a list of ids.
fn ids(value: &Value) -> Option<Vec<i64>> {
    match value {
        Value::Array(items) if items.len() <= crate::limits::CONTROL_IDS_MAX => {
            items.iter().map(Value::as_i64).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            value.as_i64().map(|id| vec![id])
        }
    }
}

fn optional_list(params: Params, name: &str) -> Result<Chosen, Refused> {
    let [value] = params.take([name])?;
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => ids(&value)
            .map(these)
            .ok_or_else(|| (INVALID_PARAMS, Value::from(format!("{name} is an id or a list of ids")))),
    }
}

fn one_list(params: Params, name: &str) -> Result<Vec<i64>, Refused> {
    optional_list(params, name)?
        .ok_or_else(|| (INVALID_PARAMS, Value::from(format!("{name} is an id or a list of ids"))))
}

/// What is told of a provider that is not opened.
fn not_opened(why: NotOpened) -> Refused {
    match why {
        NotOpened::Full(reason) => (SERVER_FULL, Value::from(reason)),
        NotOpened::Failed(reason) => (MANAGER_FAILED, Value::from(reason)),
    }
}
