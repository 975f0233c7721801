//! What the Manager's functions take and give, free of any protocol: ids that are chosen, what became of each, rows that are shown.

use serde_json::{Value, json};

use crate::control::reply::{ProviderInfo, ProviderType, Status, ViewerInfo};
use crate::control::request::Which;
use crate::limits::BATCH_REASONS_MAX;
use crate::store::order;
use crate::time::Tick;

use super::provider::ProviderEntry;
use super::viewer::{Departed, Viewer};

/// What became of a function over several ids: what it did, and why it failed for others.
#[derive(Debug, Default)]
pub(in crate::hub) struct Batch {
    pub(in crate::hub) done: Vec<i64>,
    failed: Vec<String>,
    /// Reasons beyond those that are kept.
    more: usize,
}

impl Batch {
    pub(in crate::hub) fn fail(&mut self, reason: String) {
        if self.failed.len() < BATCH_REASONS_MAX {
            self.failed.push(reason);
        } else {
            self.more += 1;
        }
    }

    pub(in crate::hub) fn outcome(&self) -> Result<(), String> {
        match self.more {
            0 if self.failed.is_empty() => Ok(()),
            0 => Err(self.failed.join("; ")),
            more => Err(format!("{}; and {more} more", self.failed.join("; "))),
        }
    }
}

/// A provider as it is shown.
pub(in crate::hub) struct ProviderRow {
    id: i64,
    kind: ProviderType,
    ids: String,
    status: Status,
    time: i64,
    time_max: i64,
    age_ms: Option<u64>,
    message: String,
}

impl ProviderRow {
    pub(super) const fn id(&self) -> i64 {
        self.id
    }

    pub(super) fn new(entry: &ProviderEntry, now: Tick) -> Self {
        let provider = &entry.provider;
        let waiting = if entry.waits() { "waiting" } else { "" };
        let parts = [waiting, &provider.reason, &provider.unrecorded].into_iter().filter(|part| !part.is_empty());
        Self {
            id: provider.id,
            kind: provider.kind,
            ids: provider.ids.clone(),
            status: provider.status,
            time: i64::from(provider.time),
            time_max: i64::from(provider.time_max),
            age_ms: provider.stepped.map(|at| now.since(at).0),
            message: parts.collect::<Vec<_>>().join("; "),
        }
    }

    /// Why it could not be opened.
    pub(in crate::hub) fn failure(&self) -> Option<&str> {
        (self.status == Status::Errored).then_some(self.message.as_str())
    }

    pub(in crate::hub) fn info(&self) -> ProviderInfo<'_> {
        ProviderInfo {
            id: self.id,
            kind: self.kind,
            ids: &self.ids,
            status: self.status,
            time: self.time,
            maxtime: self.time_max,
            age_ms: self.age_ms,
            message: &self.message,
        }
    }

    pub(in crate::hub) fn json(&self) -> Value {
        let mut json = json!({"id": self.id, "type": self.kind.word(), "ids": self.ids, "status": self.status.word(),
                              "time": self.time, "maxtime": self.time_max, "age_ms": self.age_ms});
        if let Some(object) = json.as_object_mut().filter(|_| !self.message.is_empty()) {
            object.insert("message".to_owned(), Value::from(self.message.as_str()));
        }
        json
    }
}

/// A viewer as it is shown.
pub(in crate::hub) struct ViewerRow {
    id: i64,
    host: String,
    port: u16,
    status: Status,
}

impl ViewerRow {
    pub(super) const fn id(&self) -> i64 {
        self.id
    }

    pub(super) fn new(viewer: &Viewer) -> Self {
        let host = viewer.remote.ip().to_string();
        Self { id: viewer.id, host, port: viewer.remote.port(), status: Status::Online }
    }

    pub(super) fn of_departed(viewer: &Departed) -> Self {
        Self { id: viewer.id, host: viewer.host.clone(), port: viewer.port, status: viewer.status }
    }

    pub(in crate::hub) fn info(&self) -> ViewerInfo<'_> {
        ViewerInfo { id: self.id, host: &self.host, port: self.port, status: self.status }
    }

    pub(in crate::hub) fn json(&self) -> Value {
        json!({"id": self.id, "address": {"host": self.host, "port": self.port}, "status": self.status.word()})
    }
}

/// Ids that a function is asked for, in order and each of them once; `None` is all.
pub(in crate::hub) type Chosen = Option<Vec<i64>>;

pub(in crate::hub) fn chosen(which: Which<'_>) -> Chosen {
    match which {
        Which::All => None,
        Which::These(ids) => these(ids.collect()),
    }
}

pub(in crate::hub) fn these(mut ids: Vec<i64>) -> Chosen {
    order::sort(&mut ids);
    ids.dedup();
    Some(ids)
}

/// Whether this id is one of them.
pub(in crate::hub) fn is_chosen(chosen: &Chosen, id: i64) -> bool {
    chosen.as_ref().is_none_or(|ids| ids.binary_search(&id).is_ok())
}

/// Why something of this id is not to be had.
pub(in crate::hub) fn no_such(what: &str, id: i64, was_there: bool) -> String {
    if was_there { format!("{what} {id} is closed") } else { format!("there is no {what} {id}") }
}
