//! How a session is written in the ledger, and read from there.
//!
//! The ledger holds text: `session/NAME` is a JSON object, `document/NAME/N` a stored initialization document (the object says which, and in
//! which order), `shared/NAME` the one that was shared, `member/NAME/FULL_NAME` a member. A name has no `/` in it. The object has the version of all that belongs to its
//! session; those of before versions were written have none, and are read as they were.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::c2sim::initialization::Initialization;
use crate::c2sim::is_session_name;
use crate::c2sim::kind::Schema;
use crate::c2sim::scan;
use crate::c2sim::state::{Options, State, Trigger};
use crate::hub::ledger::{Bytes, Entry, Write};
use crate::hub::peers::Doer;
use crate::limits::MEMBERS_MAX;

use super::change::{Durable, Written};
use super::entry::{Author, Flow, Scheduled, SessionInfo};
use super::session::{Member, Session};
use super::voice::Voice;

/// How sessions are written today. What a program of this version could not read, or would read wrongly, takes the next number.
const VERSION: u64 = 2;

/// What the entries of a ledger are, by the names of the sessions.
#[derive(Debug, Default)]
pub(super) struct Entries {
    records: BTreeMap<String, String>,
    papers: BTreeMap<String, BTreeMap<u64, String>>,
    shared: BTreeMap<String, String>,
    members: BTreeMap<String, Vec<(String, String)>>,
}

impl Entries {
    /// Files what a ledger holds.
    pub(super) fn file(entries: Vec<Entry>) -> Result<Vec<Restored>, String> {
        let mut found = Self::default();
        let mut stranger = None;
        for (key, value) in entries {
            if let Err(strange) = found.add(&key, value) {
                stranger.get_or_insert(strange);
            }
        }
        let wrong = |name: &str, why: &str| format!("the ledger's session '{name}' cannot be read: {why}");
        // First of all, so that a newer ledger is called that, whatever else it has.
        let mut records = Vec::new();
        for (name, record) in core::mem::take(&mut found.records) {
            let record: Value = serde_json::from_str(&record).map_err(|error| wrong(&name, &error.to_string()))?;
            check_version(&record).map_err(|why| wrong(&name, &why))?;
            records.push((name, record));
        }
        if let Some(strange) = stranger {
            return Err(strange);
        }
        let read = |(name, record): (String, Value)| {
            let papers = found.papers.remove(&name).unwrap_or_default();
            let shared = found.shared.remove(&name);
            let members = found.members.remove(&name).unwrap_or_default();
            let restored = Restored::read(&name, &record, &papers, shared);
            restored
                .and_then(|restored| Ok(Restored { members: read_members(members)?, ..restored }))
                .map_err(|why| wrong(&name, &why))
        };
        records.into_iter().map(read).collect()
    }

    /// Files an entry under its session.
    fn add(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        let strange = || format!("the ledger has an entry '{}' that is none of ours", key.escape_ascii());
        let key = core::str::from_utf8(key).map_err(|_| strange())?;
        let value = String::from_utf8(value).map_err(|_| strange())?;
        match key.split_once('/').ok_or_else(strange)? {
            ("session", name) => drop(self.records.insert(name.to_owned(), value)),
            ("shared", name) => drop(self.shared.insert(name.to_owned(), value)),
            ("member", rest) => {
                let (name, full_name) = rest.split_once('/').ok_or_else(strange)?;
                self.members.entry(name.to_owned()).or_default().push((full_name.to_owned(), value));
            }
            ("document", rest) => {
                let (name, n) = rest.split_once('/').ok_or_else(strange)?;
                let n = n.parse().map_err(|_| strange())?;
                self.papers.entry(name.to_owned()).or_default().insert(n, value);
            }
            _ => return Err(strange()),
        }
        Ok(())
    }
}

/// Whether a record of a session is of a version that can be read.
fn check_version(record: &Value) -> Result<(), String> {
    let Some(version) = record.get("version") else { return Ok(()) };
    match version.as_u64() {
        Some(1..=VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(format!(
            "it has version {newer}, and this program knows versions up to {VERSION}: start a newer instep, or use another state_dir"
        )),
        Some(_) | None => Err("version is missing or wrong".to_owned()),
    }
}

/// A session as the ledger holds it.
#[derive(Debug)]
pub(super) struct Restored {
    /// `None` where it was written before ids were.
    pub(super) id: Option<i64>,
    pub(super) name: String,
    /// The source of the provider that it was made for, if it was.
    pub(super) made_for: Option<Box<str>>,
    pub(super) info: SessionInfo,
    /// How the configuration described it when it was written.
    pub(super) configured: Option<String>,
    pub(super) flow: Flow,
    /// The last number that one of its events may have.
    pub(super) seq: u64,
    /// The documents of its initialization, and all that there are.
    pub(super) papers: Vec<u64>,
    pub(super) found: Vec<u64>,
    pub(super) members: Vec<RestoredMember>,
}

/// A member as the ledger holds it.
#[derive(Debug)]
pub(super) struct RestoredMember {
    pub(super) full_name: Box<[u8]>,
    pub(super) system: Box<str>,
    pub(super) voice: Voice,
    pub(super) joined: u64,
    pub(super) acked: u64,
}

impl Restored {
    fn read(
        name: &str,
        record: &Value,
        papers: &BTreeMap<u64, String>,
        shared: Option<String>,
    ) -> Result<Self, String> {
        if !is_session_name(name) {
            return Err("its name is not legal".to_owned());
        }
        let info = info(record)?;
        let state = word(record, "state")?;
        let state = State::ALL.into_iter().find(|known| known.name() == state).ok_or_else(|| missing("state"))?;
        let order = record.get("documents").and_then(Value::as_array).ok_or_else(|| missing("documents"))?;
        let order: Vec<u64> = order.iter().filter_map(Value::as_u64).collect();
        let initialization = initialization(record, &order, papers, shared)?;
        let scheduled = scheduled(record)?;
        let multiple = record.get("multiple").and_then(Value::as_f64).unwrap_or(1.0);
        Ok(Self {
            id: id(record)?,
            name: name.to_owned(),
            made_for: record.get("made_for").and_then(Value::as_str).map(Box::from),
            info,
            configured: record.get("configured").and_then(Value::as_str).map(str::to_owned),
            flow: Flow { state, initialization, multiple, scheduled },
            seq: number(record, "reserved")?,
            papers: order,
            found: papers.keys().copied().collect(),
            members: Vec::new(),
        })
    }
}

fn missing(key: &str) -> String {
    format!("{key} is missing or wrong")
}

fn word<'a>(record: &'a Value, key: &str) -> Result<&'a str, String> {
    record.get(key).and_then(Value::as_str).ok_or_else(|| missing(key))
}

fn number(record: &Value, key: &str) -> Result<u64, String> {
    record.get(key).and_then(Value::as_u64).ok_or_else(|| missing(key))
}

fn id(record: &Value) -> Result<Option<i64>, String> {
    let Some(id) = record.get("id") else { return Ok(None) };
    let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
    id.map(|id| Some(i64::from(id))).ok_or_else(|| missing("id"))
}

fn names(record: &Value, key: &str) -> Vec<String> {
    let list = record.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn info(record: &Value) -> Result<SessionInfo, String> {
    let mut options = Options::default();
    for key in Options::KEYS {
        options.set(key, word(record, key)?)?;
    }
    Ok(SessionInfo {
        title: word(record, "display_name")?.to_owned(),
        text: word(record, "description")?.to_owned(),
        schema: Schema::from_name(word(record, "schema")?).ok_or_else(|| missing("schema"))?,
        options,
        created_ms: number(record, "created_ms")?,
    })
}

fn initialization(
    record: &Value,
    order: &[u64],
    papers: &BTreeMap<u64, String>,
    shared: Option<String>,
) -> Result<Initialization, String> {
    let mut initialization = Initialization::new();
    for n in order {
        let text = papers.get(n).ok_or_else(|| format!("document {n} is missing"))?;
        let scanned = scan::scan(text.as_bytes()).map_err(|reject| format!("document {n}: {reject}"))?;
        initialization.restore(&scanned).map_err(|reason| format!("document {n}: {reason}"))?;
    }
    if let Some(shared) = shared {
        initialization
            .restore_shared(shared.into_bytes(), names(record, "required"))
            .map_err(|reason| reason.to_string())?;
    }
    for system in names(record, "completed") {
        initialization.complete(&system).map_err(|reason| reason.to_string())?;
    }
    Ok(initialization)
}

fn scheduled(record: &Value) -> Result<Option<Scheduled>, String> {
    let next = match record.get("scheduled") {
        None | Some(Value::Null) => return Ok(None),
        Some(next) => next,
    };
    let wrong = || missing("scheduled");
    let part = |key: &str| next.get(key).and_then(Value::as_str).ok_or_else(wrong);
    Ok(Some(Scheduled {
        trigger: Trigger::from_method(part("trigger")?).ok_or_else(wrong)?,
        at_ms: next.get("at").and_then(Value::as_u64).ok_or_else(wrong)?,
        author: Author { by: part("by")?.into(), system: part("system")?.into(), doer: Doer::default() },
    }))
}

/// The members of a session.
fn read_members(members: Vec<(String, String)>) -> Result<Vec<RestoredMember>, String> {
    let read = |(full_name, value): (String, String)| {
        let wrong = |why: String| format!("its member '{}': {why}", full_name.escape_default());
        let record: Value = serde_json::from_str(&value).map_err(|error| wrong(error.to_string()))?;
        let voice = word(&record, "format").map_err(wrong)?;
        Ok(RestoredMember {
            system: word(&record, "system").map_err(wrong)?.into(),
            voice: Voice::from_word(voice).ok_or_else(|| wrong(missing("format")))?,
            joined: number(&record, "joined").map_err(wrong)?,
            acked: number(&record, "acked").map_err(wrong)?,
            full_name: full_name.as_bytes().into(),
        })
    };
    if members.len() > MEMBERS_MAX {
        return Err(format!("it has {} members, and may have {MEMBERS_MAX}", members.len()));
    }
    members.into_iter().map(read).collect()
}

/// The key of a member. There is no `/` in the name of a session, though there may be in that of a component.
pub(super) fn member_key(session: &str, full_name: &[u8]) -> Vec<u8> {
    [b"member/", session.as_bytes(), b"/", full_name].concat()
}

pub(super) fn member_value(member: &Member) -> Vec<u8> {
    let Member { system, voice, joined, acked, .. } = member;
    json!({"system": system, "format": voice.word(), "joined": joined, "acked": acked}).to_string().into_bytes()
}

fn paper_key(name: &str, n: u64) -> Vec<u8> {
    format!("document/{name}/{n:020}").into_bytes()
}

/// What must be written so that the ledger holds a session with this flow, and what it knows then.
pub(super) fn entries(
    session: &Session,
    durable: &Durable,
    info: &SessionInfo,
    flow: &Flow,
    reserved: u64,
) -> (Vec<Write>, Written) {
    let name = &session.name;
    let mut entries = Vec::new();
    let mut next_paper = durable.known.next_paper;
    // Documents are shared between a flow and the one that follows it: the same place in memory is the same document.
    let known: Vec<(*const u8, u64)> = match durable.doubt {
        Some(_) => Vec::new(),
        None => {
            let numbers = durable.known.papers.iter().copied();
            session.flow.initialization.documents().map(str::as_ptr).zip(numbers).collect()
        }
    };
    let mut papers = Vec::new();
    for document in flow.initialization.documents_bytes() {
        let old = known.iter().find(|(at, _)| core::ptr::eq(*at, document.as_ptr())).map(|(_, n)| *n);
        papers.push(old.unwrap_or_else(|| {
            let n = next_paper;
            next_paper += 1;
            entries.push(Write { key: paper_key(name, n), value: Some(Bytes::of(document)) });
            n
        }));
    }
    for n in durable.papers().filter(|n| !papers.contains(n)) {
        entries.push(Write { key: paper_key(name, n), value: None });
    }
    let shared = |flow: &Flow| flow.initialization.shared().map(<[u8]>::as_ptr);
    if durable.doubt.is_some() || shared(flow) != shared(&session.flow) {
        let value = flow.initialization.shared_bytes().map(Bytes::of);
        entries.push(Write { key: format!("shared/{name}").into_bytes(), value });
    }
    entries.push(Write {
        key: format!("session/{name}").into_bytes(),
        value: Some(record(session, info, flow, &papers, reserved).to_string().into_bytes().into()),
    });
    (entries, Written { reserved, papers, next_paper })
}

/// What must go so that the ledger does not hold a session any more.
pub(super) fn gone(session: &Session) -> Vec<Write> {
    let name = &session.name;
    let papers = session.durable.iter().flat_map(Durable::papers);
    let mut keys: Vec<Vec<u8>> = papers.map(|n| paper_key(name, n)).collect();
    keys.extend([format!("shared/{name}").into_bytes(), format!("session/{name}").into_bytes()]);
    keys.extend(session.members.keys().map(|member| member_key(name, member)));
    keys.extend(session.roster.names().map(|member| member_key(name, member)));
    keys.into_iter().map(|key| Write { key, value: None }).collect()
}

pub(super) fn record(session: &Session, info: &SessionInfo, flow: &Flow, papers: &[u64], reserved: u64) -> Value {
    let initialization = &flow.initialization;
    let scheduled = flow.scheduled.as_ref().map_or(Value::Null, |next| {
        let Author { by, system, .. } = &next.author;
        json!({"trigger": next.trigger.method(), "at": next.at_ms, "by": by, "system": system})
    });
    let mut record = Map::new();
    for key in Options::KEYS {
        record.insert(key.to_owned(), Value::from(info.options.word(key)));
    }
    for (key, value) in [
        ("version", Value::from(VERSION)),
        ("id", Value::from(session.id)),
        ("made_for", Value::from(session.made_for.as_deref())),
        ("display_name", Value::from(info.title.as_str())),
        ("description", Value::from(info.text.as_str())),
        ("schema", Value::from(info.schema.name())),
        ("configured", Value::from(session.configured.as_deref())),
        ("created_ms", Value::from(info.created_ms)),
        ("state", Value::from(flow.state.name())),
        ("reserved", Value::from(reserved)),
        ("documents", Value::from(papers)),
        ("multiple", Value::from(flow.multiple)),
        ("required", Value::from(initialization.required_names())),
        ("completed", Value::from(initialization.completed_names())),
        ("scheduled", scheduled),
    ] {
        record.insert(key.to_owned(), value);
    }
    Value::Object(record)
}
