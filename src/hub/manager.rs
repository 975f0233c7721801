//! The Manager: what the control functions do, whoever calls them.
//!
//! Each function is one method on the tables, free of any protocol. The Coordinator's JSON-RPC methods, here, and the MsgPack ports, in
//! `ports`, are two thin coats over them.

use serde_json::{Value, json};

use crate::control::reply::{ManagerInfo, ProviderInfo, ProviderType, SessionInfo, Status, ViewerInfo};
use crate::control::request::{Source as Wanted, Which};
use crate::control::{PROTOCOL_VERSION, viewer};
use crate::leco::rpc::{INVALID_PARAMS, MANAGER_FAILED, Params, RpcError};
use crate::limits::{BATCH_REASONS_MAX, SESSIONS_MAX};
use crate::time::Span;

use super::Hub;
use super::call::{Answer, none};
use super::cause::Cause;
use super::keys::{PeerKey, ProviderKey, SessionKey};
use super::methods::ManagerCall;
use super::play::Job;
use super::provider::{Kernel, Play, Provider, Source};
use super::session::Session;
use super::shelf::Content;
use crate::counters::count;

/// What became of a function over several ids: what it did, and why it failed for others.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) done: Vec<i64>,
    failed: Vec<String>,
    /// Reasons beyond those that are kept.
    more: usize,
}

impl Batch {
    pub(super) fn fail(&mut self, reason: String) {
        if self.failed.len() < BATCH_REASONS_MAX {
            self.failed.push(reason);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn outcome(&self) -> Result<(), String> {
        match self.more {
            0 if self.failed.is_empty() => Ok(()),
            0 => Err(self.failed.join("; ")),
            more => Err(format!("{}; and {more} more", self.failed.join("; "))),
        }
    }
}

/// A provider as it is shown.
pub(super) struct ProviderRow {
    id: i64,
    kind: ProviderType,
    ids: String,
    status: Status,
    time: i64,
    time_max: i64,
    message: String,
}

impl ProviderRow {
    pub(super) fn info(&self) -> ProviderInfo<'_> {
        ProviderInfo {
            id: self.id,
            kind: self.kind,
            ids: &self.ids,
            status: self.status,
            time: self.time,
            maxtime: self.time_max,
            message: &self.message,
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({"id": self.id, "type": self.kind.word(), "ids": self.ids, "status": self.status.word(),
                              "time": self.time, "maxtime": self.time_max});
        if let Some(object) = json.as_object_mut().filter(|_| !self.message.is_empty()) {
            object.insert("message".to_owned(), Value::from(self.message.as_str()));
        }
        json
    }
}

/// A viewer as it is shown.
pub(super) struct ViewerRow {
    id: i64,
    host: String,
    port: u16,
    status: Status,
}

impl ViewerRow {
    pub(super) fn info(&self) -> ViewerInfo<'_> {
        ViewerInfo { id: self.id, host: &self.host, port: self.port, status: self.status }
    }

    fn json(&self) -> Value {
        json!({"id": self.id, "address": {"host": self.host, "port": self.port}, "status": self.status.word()})
    }
}

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

    fn json(&self) -> Value {
        json!({"id": self.id, "provider": self.provider.unwrap_or(0), "viewer": self.viewers, "status": self.status.word(),
               "state": self.state, "seq": self.seq, "name": self.name})
    }
}

/// Ids that a function is asked for, in order and each of them once; `None` is all.
pub(super) type Chosen = Option<Vec<i64>>;

pub(super) fn chosen(which: Which<'_>) -> Chosen {
    match which {
        Which::All => None,
        Which::These(ids) => these(ids.collect()),
    }
}

pub(super) fn these(mut ids: Vec<i64>) -> Chosen {
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

fn is_chosen(chosen: &Chosen, id: i64) -> bool {
    chosen.as_ref().is_none_or(|ids| ids.binary_search(&id).is_ok())
}

impl Hub {
    // ---- Functions ----

    pub(super) fn provider_key(&self, id: i64) -> Option<ProviderKey> {
        self.providers.iter().find(|(_, provider)| provider.id == id).map(|(key, _)| key)
    }

    fn viewer_key(&self, id: i64) -> Option<PeerKey> {
        self.viewer_ids.get(&id).copied()
    }

    /// Opens a provider; what cannot be seen at once (a kernel that does not answer) shows in its status later.
    pub(super) fn open_provider(&mut self, wanted: Wanted<'_>) -> Result<i64, String> {
        if self.providers.len() >= self.peers.config.providers_max {
            return Err(format!("{} providers are open, more are not allowed (providers_max)", self.providers.len()));
        }
        if self.peers.pool.data_room() == 0 {
            return Err("no memory is left for a provider (memory_max)".to_owned());
        }
        let id = self.next_provider;
        let provider = match wanted {
            Wanted::Address { host, port } => {
                let kernel = Kernel {
                    host: host.to_owned(),
                    port,
                    dialect: self.first_dialect(port),
                    machine: None,
                    peer: None,
                    pause: Span(100),
                    since: self.peers.now,
                    answered: false,
                };
                Provider::new(id, ProviderType::Rcrs, format!("{host}/{port}"), Source::Kernel(Box::new(kernel)))
            }
            Wanted::File(name) => {
                let (file, content) = self.shelf.open(name)?;
                let kind = match content {
                    Content::Kernel => ProviderType::RcrsLog,
                    Content::Viewer => ProviderType::ViewerLog,
                };
                Provider::new(id, kind, name.to_owned(), Source::Log(Box::new(Play::new(file, content))))
            }
        };
        let is_log = matches!(provider.source, Source::Log(_));
        log::info!("provider {id} opened: {} {}", provider.kind.word(), provider.ids);
        let key = self.providers.insert(provider).map_err(|_| "too many providers".to_owned())?;
        self.next_provider += 1;
        if is_log {
            self.add_job(Job::Play(key));
        } else {
            self.dial_kernel(key);
        }
        Ok(id)
    }

    pub(super) fn close_providers(&mut self, ids: &[i64]) -> Batch {
        let mut batch = Batch::default();
        for &id in ids {
            match self.provider_key(id) {
                Some(key) => {
                    self.close_provider(key);
                    batch.done.push(id);
                }
                None if id >= 1 && id < self.next_provider => batch.done.push(id),
                None => batch.fail(format!("there is no provider {id}")),
            }
        }
        batch
    }

    fn close_provider(&mut self, key: ProviderKey) {
        self.end_recording(key);
        let Some(provider) = self.providers.remove(key) else { return };
        self.peers.pool.refund(provider.accounted);
        self.provider_timers.cancel_all(key.slot());
        log::info!("provider {} closed: {}", provider.id, provider.ids);
        match provider.source {
            Source::Kernel(kernel) => {
                if let Some(peer) = kernel.peer {
                    self.peers.close(peer, Cause::Provider);
                }
            }
            Source::Log(play) => {
                self.shelf.close(play.track.file);
                if let Some(seek) = play.seek {
                    self.shelf.close(seek.track.file);
                    for wanted in seek.wanted {
                        self.answer_old_step(key, wanted, Err("the provider was closed"));
                    }
                }
            }
        }
        if let Some(key) = provider.session {
            self.provider_left(key);
        }
    }

    /// A session's provider was closed: a session that was made for it ends with it, another goes on without.
    fn provider_left(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.provider = None;
        if session.is_of_provider {
            self.end_session(key, "its provider was closed");
            return;
        }
        for viewer in session.viewers.clone() {
            if self.is_open_viewer(viewer) {
                let message = "the provider was closed";
                self.say(viewer, viewer::Head { request: viewer::Bits::NONE, message, result: true, time: 0 });
            }
        }
    }

    /// Brings a viewer into the session of a provider, which is made if there is none; answers the session's id.
    pub(super) fn connect_viewer(&mut self, provider: i64, viewer: i64) -> Result<i64, String> {
        let key = self.provider_key(provider).ok_or_else(|| self.no_such("provider", provider, self.next_provider))?;
        let peer = self.viewer_key(viewer).ok_or_else(|| self.no_such("viewer", viewer, self.next_viewer))?;
        let session = self.session_of(key)?;
        self.enter_session(peer, session);
        self.wind_clock(key);
        Ok(self.sessions.get(session).map_or(0, |session| session.id))
    }

    pub(super) fn no_such(&self, what: &str, id: i64, next: i64) -> String {
        if id >= 1 && id < next { format!("{what} {id} is closed") } else { format!("there is no {what} {id}") }
    }

    fn session_of(&mut self, provider: ProviderKey) -> Result<SessionKey, String> {
        let Some(found) = self.providers.get(provider) else { return Err("the provider is gone".to_owned()) };
        if let Some(session) = found.session {
            return Ok(session);
        }
        let id = found.id;
        let key = self
            .make_for_provider(id)
            .ok_or_else(|| format!("{SESSIONS_MAX} sessions are open, more are not allowed"))?;
        if let Some(session) = self.sessions.get_mut(key) {
            session.is_of_provider = true;
            session.provider = Some(provider);
        }
        if let Some(found) = self.providers.get_mut(provider) {
            found.session = Some(key);
        }
        self.begin_again(provider);
        Ok(key)
    }

    pub(super) fn disconnect_viewers(&mut self, ids: &[i64]) -> Batch {
        let mut batch = Batch::default();
        for &id in ids {
            match self.viewer_key(id) {
                Some(key) => {
                    self.leave_session(key);
                    batch.done.push(id);
                }
                None if id >= 1 && id < self.next_viewer => batch.done.push(id),
                None => batch.fail(format!("there is no viewer {id}")),
            }
        }
        batch
    }

    /// Connects live kernels anew. Logs have nothing to renew: passed over when all are meant, an error when named.
    pub(super) fn refresh_providers(&mut self, which: &Chosen) -> Batch {
        let mut batch = Batch::default();
        let ids: Vec<i64> = match which {
            Some(ids) => ids.clone(),
            None => self.providers.iter().map(|(_, provider)| provider.id).collect(),
        };
        for id in ids {
            let Some(key) = self.provider_key(id) else {
                batch.fail(self.no_such("provider", id, self.next_provider));
                continue;
            };
            let now = self.peers.now;
            let Some(provider) = self.providers.get_mut(key) else { continue };
            let old = match &mut provider.source {
                Source::Kernel(kernel) => {
                    kernel.since = now;
                    kernel.machine = None;
                    kernel.peer.take()
                }
                Source::Log(_) => {
                    if which.is_some() {
                        batch.fail(format!("provider {id} is a log and has no connection to renew"));
                    }
                    continue;
                }
            };
            provider.reset();
            // What follows begins with another world.
            self.account_provider(key);
            self.end_recording(key);
            if let Some(peer) = old {
                self.peers.close(peer, Cause::Provider);
            }
            self.provider_timers.cancel_all(key.slot());
            self.dial_kernel(key);
            batch.done.push(id);
        }
        batch
    }

    pub(super) fn provider_rows(&self, which: &Chosen) -> Vec<ProviderRow> {
        let row = |provider: &Provider| ProviderRow {
            id: provider.id,
            kind: provider.kind,
            ids: provider.ids.clone(),
            status: provider.status,
            time: i64::from(provider.time),
            time_max: i64::from(provider.time_max),
            message: provider.message.clone(),
        };
        let mut rows: Vec<_> = self
            .providers
            .iter()
            .filter(|(_, found)| is_chosen(which, found.id))
            .map(|(_, found)| row(found))
            .collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub(super) fn viewer_rows(&self, which: &Chosen) -> Vec<ViewerRow> {
        let living = self.viewers.values().map(|viewer| ViewerRow {
            id: viewer.id,
            host: viewer.remote.ip().to_canonical().to_string(),
            port: viewer.remote.port(),
            status: Status::Online,
        });
        let departed = self.departed.iter().map(|viewer| ViewerRow {
            id: viewer.id,
            host: viewer.host.clone(),
            port: viewer.port,
            status: viewer.status,
        });
        let mut rows: Vec<_> = departed.chain(living).filter(|row| is_chosen(which, row.id)).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub(super) fn session_rows(&self, which: &Chosen) -> Vec<SessionRow> {
        let row = |session: &Session| {
            let provider = session.provider.and_then(|key| self.providers.get(key));
            SessionRow {
                id: session.id,
                provider: provider.map(|provider| provider.id),
                viewers: self.viewer_ids(session),
                status: self.session_status(session),
                state: session.state().name(),
                seq: session.seq,
                name: session.name.clone(),
            }
        };
        let mut rows: Vec<_> =
            self.sessions.iter().filter(|(_, found)| is_chosen(which, found.id)).map(|(_, found)| row(found)).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub(super) fn manager_version() -> String {
        format!("{PROTOCOL_VERSION} (instep {})", env!("CARGO_PKG_VERSION"))
    }

    pub(super) fn manager_info<'a>(&self, version: &'a str) -> ManagerInfo<'a> {
        ManagerInfo {
            port: self.viewer_port,
            providers: count(self.providers.len()),
            viewers: count(self.viewers.len()),
            sessions: count(self.sessions.len()),
            errors: self.peers.counters.manager_errors,
            status: Status::Online,
            version,
        }
    }

    // ---- JSON-RPC ----

    /// The Manager's functions as methods of the Coordinator.
    pub(super) fn manager_call(&mut self, call: ManagerCall, params: Params) -> Answer {
        let failed = |reason: String| (MANAGER_FAILED, Value::from(reason));
        let answer = match call {
            ManagerCall::OpenProvider => self.rpc_open(params),
            ManagerCall::CloseProvider => one_list(params, "provider")
                .and_then(|ids| self.close_providers(&ids).outcome().map_err(failed))
                .map(|()| Value::Null),
            ManagerCall::DisconnectViewer => one_list(params, "viewer")
                .and_then(|ids| self.disconnect_viewers(&ids).outcome().map_err(failed))
                .map(|()| Value::Null),
            ManagerCall::RefreshProvider => optional_list(params, "provider").and_then(|which| {
                let batch = self.refresh_providers(&which);
                batch.outcome().map_err(failed).map(|()| json!({"provider": batch.done}))
            }),
            ManagerCall::ConnectViewer => self.rpc_connect(params),
            ManagerCall::Providers => optional_list(params, "provider").map(|which| {
                json!({"providerinfo": self.provider_rows(&which).iter().map(ProviderRow::json).collect::<Vec<_>>()})
            }),
            ManagerCall::Viewers => optional_list(params, "viewer").map(
                |which| json!({"viewerinfo": self.viewer_rows(&which).iter().map(ViewerRow::json).collect::<Vec<_>>()}),
            ),
            ManagerCall::Sessions => optional_list(params, "session").map(|which| {
                json!({"sessioninfo": self.session_rows(&which).iter().map(SessionRow::json).collect::<Vec<_>>()})
            }),
            ManagerCall::Manager => none(params).map(|()| {
                let version = Self::manager_version();
                let info = self.manager_info(&version);
                json!({"manager": {"port": info.port, "providers": info.providers, "vieweres": info.viewers,
                    "viewers": info.viewers, "sessions": info.sessions, "errors": info.errors,
                    "status": info.status.word(), "version": info.version}})
            }),
            ManagerCall::Errors => none(params).map(|()| json!({"errors": self.peers.journal.errors().collect::<Vec<_>>()})),
            ManagerCall::Exit => none(params).map(|()| {
                self.exit();
                Value::Null
            }),
        };
        if let Err((MANAGER_FAILED, Value::String(reason))) = &answer {
            let reason = reason.clone();
            self.peers.note_error(&reason);
        }
        answer
    }

    fn rpc_open(&mut self, params: Params) -> Answer {
        let [address, file] = params.take(["address", "logfilename"])?;
        let wrong = || (INVALID_PARAMS, Value::from("address is {host, port} or [host, port], logfilename a string"));
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
            (Some((host, port)), _) => Wanted::Address { host, port },
            (None, Some(name)) => Wanted::File(name),
            (None, None) => return Err(wrong()),
        };
        let id = self.open_provider(wanted).map_err(|reason| (MANAGER_FAILED, Value::from(reason)))?;
        let rows: Vec<Value> = self.provider_rows(&Some(vec![id])).iter().map(ProviderRow::json).collect();
        Ok(json!({"provider": id, "providerinfo": rows}))
    }

    fn rpc_connect(&mut self, params: Params) -> Answer {
        let [viewer, provider] = params.take(["viewer", "provider"])?;
        let wrong = || (INVALID_PARAMS, Value::from("viewer and provider are ids"));
        let viewer = viewer.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let provider = provider.as_ref().and_then(Value::as_i64).ok_or_else(wrong)?;
        let id = self.connect_viewer(provider, viewer).map_err(|reason| (MANAGER_FAILED, Value::from(reason)))?;
        let rows: Vec<Value> = self.session_rows(&Some(vec![id])).iter().map(SessionRow::json).collect();
        Ok(json!({"session": id, "sessioninfo": rows}))
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

fn optional_list(params: Params, name: &str) -> Result<Chosen, (RpcError, Value)> {
    let [value] = params.take([name])?;
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => ids(&value)
            .map(these)
            .ok_or_else(|| (INVALID_PARAMS, Value::from(format!("{name} is an id or a list of ids")))),
    }
}

fn one_list(params: Params, name: &str) -> Result<Vec<i64>, (RpcError, Value)> {
    optional_list(params, name)?
        .ok_or_else(|| (INVALID_PARAMS, Value::from(format!("{name} is an id or a list of ids"))))
}
