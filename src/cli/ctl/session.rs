//! `instep ctl session`: shared sessions looked at, driven through their states, and joined.
//!
//! A session answers at its own LECO name, and for that one signs in. Triggers and documents for this node's sessions go to the Manager's control
//! port, so that nobody joins for a moment; where that is out of reach, and for sessions of other nodes, the program joins, does it and resigns.
//! What members hear while they watch is in [`super::watch`].

use std::io::Read as _;
use std::time::Duration;

use instep::c2sim::chart::Diagram;
use instep::c2sim::code::Code;
use instep::c2sim::notice::IsoDateTime;
use instep::c2sim::state::Trigger;
use instep::limits::C2SIM_MESSAGE_BYTES_MAX;
use instep::store::order;
use serde_json::{Map, Value, json};

use super::super::client::{Denial, Trouble, unix_ms};
use super::super::failure::{Failure, in_words};
use super::super::table::{Column, table, word};
use super::answer::{Cells, cell, part, table_of};
use super::command::Argument::{self, May, Must, Number, Switch, Text};
use super::command::{Command, Connection, Given, Report, Stop};
use super::copies;
use super::drive::{hand_in, pull_somehow};
use super::member::{SessionName, clock, coordinator_of};
use super::watch;

/// A moment may have passed for so long when it is given.
const LATE_MS: u64 = 1000;

const AT: Argument =
    Text { long: "at", word: "TIME", help: "at that moment: +5s, +500ms, +2m from now, 12:00 (UTC), or ms since 1970" };

/// A command that pulls a trigger.
const fn pulls(
    name: &'static str,
    help: &'static str,
    run: fn(&Given, &mut Connection) -> Result<Report, Stop>,
) -> Command {
    Command { name, arguments: &[Must("NAME"), AT], help, run }
}

pub(super) const COMMANDS: &[Command] = &[
    Command { name: "session list", arguments: &[May("NODE")], help: "the sessions of a node", run: list },
    Command {
        name: "session create",
        arguments: &[
            Must("NAME"),
            Text { long: "schema", word: "V", help: "schema version of its C2SIM documents: 2.0.0 or 1.0.2 [2.0.0]" },
            Text { long: "title", word: "TEXT", help: "its name for people" },
            Text { long: "about", word: "TEXT", help: "what it is for" },
            Text { long: "provider", word: "ID", help: "the provider whose data it shows, see: instep ctl providers" },
            Text { long: "paused-allows", word: "W", help: "domain messages while PAUSED: reports, nothing or all" },
            Text { long: "share-guard", word: "W", help: "what a share waits for: initialized, all_complete or none" },
            Text { long: "init-merge", word: "W", help: "several initializations: replace or marshal" },
            Text { long: "unknown-bodies", word: "W", help: "bodies that no schema defines: refuse or relay" },
        ],
        help: "make a session, or give one other words and options",
        run: create,
    },
    Command {
        name: "session delete",
        arguments: &[Must("NAME"), Switch { long: "force", help: "even with members, viewers or a provider" }],
        help: "end a session",
        run: delete,
    },
    Command { name: "session info", arguments: &[Must("NAME")], help: "all about a session", run: info },
    Command { name: "session members", arguments: &[Must("NAME")], help: "who has joined, and follows", run: members },
    Command {
        name: "session initialization",
        arguments: &[Must("NAME")],
        help: "the initialization that was shared, as XML",
        run: initialization,
    },
    Command {
        name: "session diagram",
        arguments: &[],
        help: "the states and triggers, as a Mermaid diagram",
        run: diagram,
    },
    pulls("session submit", "begin to collect initialization: INITIALIZING", |given, connection| {
        pull(given, connection, Trigger::SubmitInitialization)
    }),
    Command {
        name: "session complete",
        arguments: &[Must("NAME"), Text { long: "system", word: "NAME", help: "the C2SIM system that is done" }],
        help: "say that a system is done with initialization",
        run: complete,
    },
    pulls("session share", "hand the initialization to all: INITIALIZED", |given, connection| {
        pull(given, connection, Trigger::ShareScenario)
    }),
    pulls("session start", "let the scenario run: RUNNING", |given, connection| {
        pull(given, connection, Trigger::StartScenario)
    }),
    pulls("session pause", "PAUSED", |given, connection| pull(given, connection, Trigger::PauseScenario)),
    pulls("session resume", "RUNNING again", |given, connection| pull(given, connection, Trigger::ResumeScenario)),
    pulls("session stop", "back to INITIALIZED, ready to start anew", |given, connection| {
        pull(given, connection, Trigger::StopScenario)
    }),
    pulls("session reset", "discard the initialization: UNINITIALIZED", |given, connection| {
        pull(given, connection, Trigger::ResetScenario)
    }),
    Command {
        name: "session watch",
        arguments: &[
            Must("NAME"),
            Text { long: "after", word: "SEQ", help: "first what happened after that event, as far as it is kept" },
            Number { short: 'n', long: "events", help: "end after so many events" },
        ],
        help: "join, and print every event until Ctrl-C",
        run: watch::watch,
    },
    Command {
        name: "session export",
        arguments: &[Must("NAME"), Must("FILE")],
        help: "write a session into a file: its words, options, documents and events",
        run: copies::export,
    },
    Command {
        name: "session import",
        arguments: &[Must("NAME"), Must("FILE")],
        help: "make a session anew from such a file, with its initialization",
        run: copies::import,
    },
    Command {
        name: "session send",
        arguments: &[Must("NAME"), Must("FILE")],
        help: "hand in a C2SIM document (- for standard input)",
        run: send,
    },
];

pub(super) const HELP: &str = "
NAME is a session of the Coordinator's node, or N2.NAME for one of the node N2. One with a dot in its own name is
written with its node in front. The session 'default' is always there.

Triggers and documents go to the Manager's control port, or where nobody listens there and for other nodes' sessions to
the session itself as a member. A moment (--at) is announced to all members at once and pulled by the server's clock;
the next trigger takes its place. For example:

  instep ctl session start default --at +5s
";

// ---- Looking and making ----

fn list(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let coordinator = coordinator_of(Some(given.word(0)).filter(|node| !node.is_empty()));
    let json = connection.ask(&coordinator, "send_sessions", &Value::Null)?;
    let columns = [
        (Column::Right("ID"), Cells::Key("id")),
        (Column::Left("NAME"), Cells::Key("sessionName")),
        (Column::Left("STATE"), Cells::Key("state")),
        (Column::Right("SEQ"), Cells::Key("seq")),
        (Column::Right("MEMBERS"), Cells::Key("members")),
        (Column::Left("VIEWERS"), Cells::Key("viewer")),
        (Column::Left("PROVIDER"), Cells::Made(&provider)),
        (Column::Left("SCHEDULED"), Cells::Made(&scheduled)),
    ];
    Ok(Report { text: table_of(&json, &columns), json })
}

fn provider(info: &Value) -> String {
    match info.get("provider").and_then(Value::as_i64) {
        None | Some(0) => "-".to_owned(),
        Some(id) => id.to_string(),
    }
}

/// What is scheduled, in words.
fn scheduled(info: &Value) -> String {
    let next = part(info, "scheduled");
    match (next.get("trigger").and_then(Value::as_str), next.get("at").and_then(Value::as_u64)) {
        (Some(trigger), Some(at)) => format!("{trigger} at {} UTC", clock(at)),
        _ => "-".to_owned(),
    }
}

fn create(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let place = SessionName::of(given)?;
    let mut wish: Map<_, _> = order::filled([("name".to_owned(), Value::from(place.name.as_str()))]);
    for (flag, key) in [
        ("schema", "schema"),
        ("title", "display_name"),
        ("about", "description"),
        ("paused-allows", "paused_allows"),
        ("share-guard", "share_guard"),
        ("init-merge", "init_merge"),
        ("unknown-bodies", "unknown_bodies"),
    ] {
        if let Some(text) = given.text(flag) {
            wish.insert(key.to_owned(), Value::from(text));
        }
    }
    if let Some(text) = given.text("provider") {
        let id = text.parse().ok().filter(|id: &i64| *id > 0);
        let id = id.ok_or_else(|| Stop::Usage(format!("--provider '{text}': the id of a provider is wanted")))?;
        wish.insert("provider".to_owned(), Value::from(id));
    }
    let json = connection.ask(&place.coordinator(), "create_session", &Value::Object(wish))?;
    let info = part(&json, "session");
    let done = if cell(&json, "creation") == "UPDATED" { "was there and is as wished" } else { "is there" };
    let (id, state, next) = (cell(&info, "id"), cell(&info, "state"), cell(&info, "permitted").replace(',', ", "));
    let text = format!("{} {done}: id {id}, {state}, next {next}\n", place.name);
    Ok(Report { json, text })
}

fn delete(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let place = SessionName::of(given)?;
    let params = json!({"name": place.name, "force": given.switch("force")});
    connection.ask(&place.coordinator(), "delete_session", &params)?;
    Ok(Report { json: json!({"session": place.name}), text: format!("{} has ended\n", place.name) })
}

fn info(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let receiver = SessionName::of(given)?.receiver(connection)?;
    let json = connection.ask(&receiver, "info", &Value::Null)?;
    let mut lines: Vec<[String; 2]> = Vec::new();
    let mut line = |what: &str, value: String| lines.push([what.to_owned(), value]);
    line("name", cell(&json, "sessionName"));
    line("id", cell(&json, "id"));
    line("state", cell(&json, "state"));
    line("seq", cell(&json, "seq"));
    line("next", cell(&json, "permitted").replace(',', ", "));
    line("scheduled", scheduled(&json));
    line("members", cell(&json, "members"));
    line("provider", provider(&json));
    line("viewers", cell(&json, "viewer"));
    let about = part(&json, "info");
    line("title", cell(&about, "displayName"));
    line("about", cell(&about, "description"));
    line("schema", cell(&about, "c2simSchemaVersion"));
    for (key, value) in part(&json, "options").as_object().into_iter().flatten() {
        line(key, word(value));
    }
    line("multiple", cell(&json, "realtimeMultiple"));
    line("created", cell(&json, "createdAt"));
    for [_, value] in &mut lines {
        if value.is_empty() {
            "-".clone_into(value);
        }
    }
    Ok(Report { text: table([Column::Left("SESSION"), Column::Left("VALUE")], &lines), json })
}

fn members(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let receiver = SessionName::of(given)?.receiver(connection)?;
    let json = connection.ask(&receiver, "members", &Value::Null)?;
    let state_seq = json.get("state_seq").and_then(Value::as_u64).unwrap_or(0);
    // Who joined since then was told the state with the answer.
    let follows = |row: &Value| {
        if let Some(seconds) = row.get("away_s").and_then(Value::as_u64) {
            return format!("away {seconds} s");
        }
        let at_least = |key: &str| row.get(key).and_then(Value::as_u64).is_some_and(|seq| seq >= state_seq);
        let word = if at_least("acked") || at_least("joined") { "yes" } else { "not said" };
        word.to_owned()
    };
    let columns = [
        (Column::Left("NAME"), Cells::Key("name")),
        (Column::Left("SYSTEM"), Cells::Key("system")),
        (Column::Left("FORMAT"), Cells::Key("format")),
        (Column::Right("JOINED"), Cells::Key("joined")),
        (Column::Right("ACKED"), Cells::Key("acked")),
        (Column::Left("IN STEP"), Cells::Made(&follows)),
        (Column::Left("ADDRESS"), Cells::Key("address")),
    ];
    Ok(Report { text: table_of(&part(&json, "members"), &columns), json })
}

fn initialization(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let receiver = SessionName::of(given)?.receiver(connection)?;
    let (mut json, document) = connection.ask_for_document(&receiver, "initialization", &Value::Null)?;
    if let Some(document) = document {
        // A long one.
        json = Value::from(String::from_utf8_lossy(&document));
    }
    Ok(Report { text: format!("{}\n", word(&json).trim_end()), json })
}

fn diagram(_: &Given, _: &mut Connection) -> Result<Report, Stop> {
    let text = Diagram.to_string();
    Ok(Report { json: Value::from(text.as_str()), text })
}

// ---- Triggers ----

/// Pulls a trigger: by the control port, or as a member.
fn pull(given: &Given, connection: &mut Connection, trigger: Trigger) -> Result<Report, Stop> {
    let place = SessionName::of(given)?;
    let at = given.text("at").map(|text| moment(text, unix_ms())).transpose().map_err(Stop::Usage)?;
    pull_as(&place, connection, None, trigger, at)
}

/// The same in the name of a system.
fn pull_as(
    place: &SessionName,
    connection: &mut Connection,
    system: Option<&str>,
    trigger: Trigger,
    at: Option<u64>,
) -> Result<Report, Stop> {
    let done = pull_somehow(place, connection, system, trigger, at);
    done.map_err(|stop| with_way_on(stop, place, connection))
}

/// Message and data of a refusal with this code, by whichever way it has come.
fn refused_for<'a>(stop: &'a Stop, code: &str) -> Option<(&'a str, &'a Value)> {
    let (message, data) = match stop {
        Stop::Trouble(Trouble::Denied(denial)) => (denial.message.as_str(), &denial.data),
        Stop::Trouble(Trouble::Refused(refusal)) => ("", &refusal.data),
        Stop::Trouble(_) | Stop::Said | Stop::Failed(_) | Stop::Usage(_) => return None,
    };
    (message.contains(code) || data.get("code").and_then(Value::as_str) == Some(code)).then_some((message, data))
}

fn denied(message: String, data: &Value) -> Stop {
    Stop::Trouble(Trouble::Denied(Box::new(Denial { message, data: data.clone() })))
}

/// What is to be done where a session is to be shared that has no initialization.
fn with_initialization(stop: &Stop, place: &SessionName) -> Option<Stop> {
    const CODE: &str = Code::InitializationNotCompleted.name();
    let (message, data) = refused_for(stop, CODE)?;
    // Who has to say that its part is complete is named by an initialization.
    let of_data = data.get("details").and_then(|details| details.get("REQUIRED_FEDERATES"));
    let is_missing = message.ends_with("REQUIRED_FEDERATES )") || of_data.is_some_and(|required| required == "");
    let name = &place.name;
    let message = format!("{name} has no initialization yet: instep ctl session send {name} FILE ({CODE})");
    is_missing.then(|| denied(message, data))
}

/// A refusal by the state of a session says what that is, and what is possible in it.
fn with_way_on(stop: Stop, place: &SessionName, connection: &mut Connection) -> Stop {
    const CODE: &str = Code::StateTransitionNotAllowed.name();
    // A script has the answer as it came.
    if connection.json {
        return stop;
    }
    if let Some(stop) = with_initialization(&stop, place) {
        return stop;
    }
    let Some((_, data)) = refused_for(&stop, CODE) else { return stop };
    let info = place.receiver(connection).and_then(|receiver| Ok(connection.ask(&receiver, "info", &Value::Null)?));
    let Ok(info) = info else { return stop };
    let triggers = info.get("permitted").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let words = triggers.filter_map(|name| Trigger::ALL.into_iter().find(|trigger| trigger.kind().name() == name));
    // As the commands are called.
    let words = words.filter_map(|trigger| {
        let is_complete = trigger == Trigger::InitializationComplete;
        if is_complete { Some("complete") } else { trigger.method().split('_').next() }
    });
    let words: Vec<&str> = words.collect();
    let message = format!("{} is {}. Possible now: {} ({CODE})", place.name, cell(&info, "state"), words.join(", "));
    denied(message, data)
}

fn complete(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    pull_as(&SessionName::of(given)?, connection, given.text("system"), Trigger::InitializationComplete, None)
}

/// A moment as the command line gives it, in milliseconds since 1970.
fn moment(text: &str, now: u64) -> Result<u64, String> {
    let wrong = || {
        format!(
            "--at '{text}': a moment like +5s, +2m, 12:00 (UTC, the next one) or 1764158400000 (ms since 1970) is wanted"
        )
    };
    let Some(ahead) = text.strip_prefix('+') else {
        if let Some(at) = next_clock(text, now) {
            return Ok(at);
        }
        let at = text.parse().map_err(|_| wrong())?;
        if now.saturating_sub(LATE_MS) > at {
            let then = IsoDateTime(at / 1000);
            return Err(format!("--at '{text}': that moment, {then}, has passed; milliseconds since 1970 are wanted"));
        }
        return Ok(at);
    };
    let unit = ahead.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = ahead.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let ahead =
        Duration::try_from_secs_f64(number * scale).ok().and_then(|ahead| u64::try_from(ahead.as_millis()).ok());
    ahead.and_then(|ahead| now.checked_add(ahead)).ok_or_else(wrong)
}

/// When a clock in UTC shows this next: hours and minutes, and seconds where they are given.
fn next_clock(text: &str, now: u64) -> Option<u64> {
    const DAY_MS: u64 = 86_400_000;
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match *parts.as_slice() {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let of_day = (hours * 3600 + minutes * 60 + seconds) * 1000;
    let today = now - now % DAY_MS + of_day;
    Some(if today < now { today + DAY_MS } else { today })
}

// ---- Documents ----

fn send(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let place = SessionName::of(given)?;
    let document = read(given.word(1))?;
    let json = hand_in(&place, connection, &document)?;
    let [kind, state, seq, tracking] = ["kind", "state", "seq", "trackingId"].map(|key| cell(&json, key));
    let text = format!("{} took {kind} and is {state} (seq {seq}, tracking id {tracking})\n", place.name);
    Ok(Report { json, text })
}

/// The document in a file, or on standard input.
fn read(file: &str) -> Result<Vec<u8>, Stop> {
    let failed = |why: String| Stop::Failed(Failure::other(format!("{file}: {why}")));
    let most = u64::try_from(C2SIM_MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut document = Vec::new();
    let read = if file == "-" {
        std::io::stdin().take(most + 1).read_to_end(&mut document)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut document))
    };
    read.map_err(|error| failed(in_words(&error)))?;
    if document.is_empty() {
        // To a session a message without a payload is a sign of life, which has no answer.
        return Err(failed("it is empty".to_owned()));
    }
    if document.len() > C2SIM_MESSAGE_BYTES_MAX {
        return Err(failed(format!("a C2SIM document has at most {most} bytes")));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_from_now_or_since_1970() {
        const NOW: u64 = 1_764_150_000_000;
        let at = |text: &str| moment(text, NOW).map(|at| at - NOW);
        assert_eq!(["+5s", "+500ms", "+1.5s", "+2m", "+0s"].map(at), [Ok(5000), Ok(500), Ok(1500), Ok(120_000), Ok(0)]);
        assert_eq!(moment("1764150000001", NOW), Ok(NOW + 1));
        // It is 09:40 there.
        let clock = ["09:40", "09:40:01", "10:40", "09:39:59", "+1h"].map(at);
        assert_eq!(clock, [Ok(0), Ok(1000), Ok(3_600_000), Ok(86_399_000), Ok(3_600_000)]);
        for wrong in [
            "",
            "+",
            "5s",
            "+5",
            "+5y",
            "25:00",
            "12:60",
            "1:2:3:4",
            "+s",
            "+-5s",
            "+1.2.3s",
            "-5",
            "soon",
            "+99999999999999999999s",
        ] {
            let said = moment(wrong, NOW).unwrap_err();
            assert!(said.starts_with(&format!("--at '{wrong}': a moment like +5s")), "{said}");
        }
        let said = moment("1764150000", NOW).unwrap_err();
        assert!(said.contains("1970-01-21T10:02:30Z, has passed; milliseconds"), "{said}");
    }
}
