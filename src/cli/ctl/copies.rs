//! Copies of what sessions are: a backup of all of them, one as a file, and one made anew from such a file. The file is written here, by whoever
//! runs the command, with what an administrator is told piece by piece; the server writes nothing for it.

use instep::c2sim::state::{Options, Trigger};
use instep::store::order;
use serde_json::{Map, Value, json};

use super::super::backup::{self, Contents, Kind, Writer};
use super::super::failure::Failure;
use super::super::table::word;
use super::command::{Connection, Given, Report, Stop};
use super::drive::{hand_in, pull_somehow};
use super::member::SessionName;

/// How often a session is begun with anew that changes while it is copied.
const ATTEMPTS: usize = 5;

/// An answer, and the document that has come behind it.
type Piece = (Value, Option<Vec<u8>>);

/// What was copied of a session.
#[derive(Debug, Default)]
struct Copied {
    entries: Vec<(String, String)>,
    events: Vec<Value>,
    members: usize,
}

/// All sessions of the node, into a file.
pub(super) fn backup(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let file = given.word(0);
    let namespace = connection.client()?.namespace().to_owned();
    let mut writer = Writer::create(file, Kind::Backup, &namespace)?;
    let copied = all(connection, &mut writer);
    let (sessions, members) = copied.inspect_err(|_| writer.give_up())?;
    let bytes = writer.end()?;
    let json = json!({"file": file, "sessions": sessions, "members": members, "bytes": bytes});
    Ok(Report { json, text: format!("{file} has {sessions} sessions with {members} members, {bytes} bytes\n") })
}

fn all(connection: &mut Connection, writer: &mut Writer) -> Result<(usize, usize), Stop> {
    let (mut sessions, mut members) = (0, 0);
    for name in names(connection, "COORDINATOR")? {
        let place = SessionName { node: None, name };
        let copied = match whole(connection, &place, false) {
            Ok(copied) => copied,
            // One that has ended meanwhile is in no backup.
            Err(_) if !names(connection, "COORDINATOR")?.contains(&place.name) => continue,
            Err(stop) => return Err(stop),
        };
        copied.entries.iter().try_for_each(|(key, value)| writer.entry(key, value))?;
        (sessions, members) = (sessions + 1, members + copied.members);
    }
    Ok((sessions, members))
}

/// The sessions of a node.
fn names(connection: &mut Connection, coordinator: &str) -> Result<Vec<String>, Stop> {
    let sessions = connection.ask(coordinator, "send_sessions", &Value::Null)?;
    let names = sessions.as_array().into_iter().flatten().filter_map(|one| one.get("sessionName")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

/// A session as it is at one moment.
fn whole(connection: &mut Connection, place: &SessionName, with_events: bool) -> Result<Copied, Stop> {
    let receiver = place.receiver(connection)?;
    for _ in 0..ATTEMPTS {
        if let Some(copied) = pieces(connection, &receiver, &place.name, with_events)? {
            return Ok(copied);
        }
    }
    let name = &place.name;
    Err(Stop::Failed(Failure::other(format!("session {name} changes faster than it can be copied: try again later"))))
}

/// Its pieces; `None` where it has changed between two of them.
fn pieces(connection: &mut Connection, receiver: &str, name: &str, with_events: bool) -> Result<Option<Copied>, Stop> {
    let head = connection.ask(receiver, "send_copy", &Value::Null)?;
    let stamp = head.get("stamp").cloned().unwrap_or_default();
    let mut ask = |key: &str, value: Value| -> Result<Option<Piece>, Stop> {
        let params = json!({"stamp": stamp, (key): value});
        let answer = connection.ask_for_document(receiver, "send_copy", &params)?;
        Ok(Some(answer).filter(|(answer, _)| answer.get("changed").is_none()))
    };
    let mut copied = Copied::default();
    let record = head.get("record").map(Value::to_string).unwrap_or_default();
    copied.entries.push((format!("session/{name}"), record));
    let count = head.get("documents").and_then(Value::as_u64).unwrap_or(0);
    let has_shared = head.get("shared").and_then(Value::as_bool).unwrap_or(false);
    for n in 0..count + u64::from(has_shared) {
        let Some((_, document)) = ask("document", Value::from(n))? else { return Ok(None) };
        let key = if n < count { format!("document/{name}/{n:020}") } else { format!("shared/{name}") };
        let text = document.and_then(|document| String::from_utf8(document).ok());
        let text = text.ok_or_else(|| Failure::other(format!("document {n} of session {name} has not come")))?;
        copied.entries.push((key, text));
    }
    let mut after = Value::from("");
    while !after.is_null() {
        let Some((answer, _)) = ask("member", after)? else { return Ok(None) };
        for (member, value) in answer.get("members").and_then(Value::as_object).into_iter().flatten() {
            copied.entries.push((format!("member/{name}/{member}"), word(value)));
            copied.members += 1;
        }
        after = answer.get("next").cloned().unwrap_or_default();
    }
    let mut seq = if with_events { Some(0) } else { None };
    while let Some(after) = seq {
        let Some((answer, document)) = ask("event", Value::from(after))? else { return Ok(None) };
        let mut events = answer.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        if let (Some(Value::Object(last)), Some(document)) = (events.last_mut(), document) {
            last.insert("document".to_owned(), Value::from(String::from_utf8_lossy(&document)));
        }
        let last = events.last().and_then(|event| event.get("seq")).and_then(Value::as_u64);
        seq = last.filter(|_| answer.get("more") == Some(&Value::Bool(true)));
        copied.events.append(&mut events);
    }
    Ok(Some(copied))
}

/// A session, into a file.
pub(super) fn export(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let (place, file) = (SessionName::of(given)?, given.word(1));
    let copied = whole(connection, &place, true)?;
    let namespace = connection.client()?.namespace().to_owned();
    let mut writer = Writer::create(file, Kind::Session, &namespace)?;
    let members = |key: &str| key.starts_with("member/");
    let kept: Vec<_> = copied.entries.iter().filter(|(key, _)| !members(key)).collect();
    let written = kept.iter().try_for_each(|(key, value)| writer.entry(key, value));
    let written =
        written.and_then(|()| copied.events.iter().try_for_each(|event| writer.put(&json!({"event": event}))));
    written.inspect_err(|_| writer.give_up())?;
    let bytes = writer.end()?;
    let (documents, events) = (kept.len() - 1, copied.events.len());
    let json = json!({"session": place.name, "file": file, "documents": documents, "events": events, "bytes": bytes});
    let text = format!("{file} has session {}: {documents} documents, {events} events, {bytes} bytes\n", place.name);
    Ok(Report { json, text })
}

/// A session made anew from a file: with its words, options and schema, and the initialization, which is shared where it was.
pub(super) fn import(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let (place, file) = (SessionName::of(given)?, given.word(1));
    let contents = backup::read(file)?;
    let wanted = Wanted::of(&contents).map_err(|why| Failure::other(format!("{file}: {why}")))?;
    if names(connection, &place.coordinator())?.contains(&place.name) {
        let why = format!("session {} is there already: choose another name, or delete it first", place.name);
        return Err(Stop::Failed(Failure::other(why)));
    }
    let mut wish = wanted.wish.clone();
    wish.insert("name".to_owned(), Value::from(place.name.as_str()));
    connection.ask(&place.coordinator(), "create_session", &Value::Object(wish))?;
    match wanted.fill(&place, connection) {
        Ok(state) => {
            let (name, documents) = (&place.name, wanted.documents.len());
            let json = json!({"session": name, "state": state, "documents": documents, "was": wanted.state});
            let text =
                format!("{name} is {state}, with {documents} documents; it was {} when it was copied\n", wanted.state);
            Ok(Report { json, text })
        }
        Err(stop) => {
            // What is half made is no session that anybody has wished for.
            let params = json!({"name": place.name, "force": false});
            drop(connection.ask(&place.coordinator(), "delete_session", &params));
            Err(stop)
        }
    }
}

/// A session as a file describes it.
#[derive(Debug)]
struct Wanted<'c> {
    wish: Map<String, Value>,
    /// Its state then.
    state: String,
    documents: Vec<&'c str>,
    is_shared: bool,
    /// Systems that a share may wait for.
    systems: Vec<String>,
}

impl<'c> Wanted<'c> {
    fn of(contents: &'c Contents) -> Result<Self, String> {
        let record = contents.entries.iter().find(|(key, _)| key.starts_with("session/"));
        let Some((_, record)) = record.filter(|_| contents.kind == Kind::Session) else {
            return Err(
                "it is a backup of all sessions, and one is wanted (instep ctl session export; instep restore)"
                    .to_owned(),
            );
        };
        let record: Value =
            serde_json::from_str(record).map_err(|error| format!("its session cannot be read: {error}"))?;
        let keys = ["display_name", "description", "schema"].into_iter().chain(Options::KEYS);
        let wish = order::filled(keys.filter_map(|key| Some((key.to_owned(), record.get(key)?.clone()))));
        let of_kind = |kind: &'static str| {
            contents.entries.iter().filter(move |(key, _)| key.starts_with(kind)).map(|(_, text)| text.as_str())
        };
        let shared: Vec<&str> = of_kind("shared/").collect();
        let is_shared = !shared.is_empty();
        let documents = if is_shared { shared } else { of_kind("document/").collect() };
        let names = record.get("required").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            wish,
            state: record.get("state").map(word).unwrap_or_default(),
            documents,
            is_shared,
            systems: names.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// Brings a new session there, as far as its documents go; answers its state.
    fn fill(&self, place: &SessionName, connection: &mut Connection) -> Result<String, Stop> {
        if self.state == "UNINITIALIZED" {
            return Ok(self.state.clone());
        }
        let pulled = |report: &Report| report.json.get("state").map(word).unwrap_or_default();
        let mut state = pulled(&pull_somehow(place, connection, None, Trigger::SubmitInitialization, None)?);
        for document in &self.documents {
            hand_in(place, connection, document.as_bytes())?;
        }
        if self.is_shared {
            if self.wish.get("share_guard").and_then(Value::as_str) == Some("all_complete") {
                for system in &self.systems {
                    pull_somehow(place, connection, Some(system), Trigger::InitializationComplete, None)?;
                }
            }
            state = pulled(&pull_somehow(place, connection, None, Trigger::ShareScenario, None)?);
        }
        Ok(state)
    }
}
