//! Having a session do something: by the Manager's control port, so that nobody joins for a moment; where that is out of reach, and for sessions
//! of other nodes, the program joins, does it and resigns.

use instep::c2sim::state::Trigger;
use instep::control::client::ControlRequest;
use instep::control::function::{self, Function};
use serde_json::{Value, json};

use super::super::client::{Trouble, unix_ms};
use super::answer::{cell, part};
use super::command::{Connection, Report, Stop};
use super::member::{SYSTEM, SessionName, clock, resign, span};

/// Pulls a trigger, in the name of a system where there is one.
pub(super) fn pull_somehow(
    place: &SessionName,
    connection: &mut Connection,
    system: Option<&str>,
    trigger: Trigger,
    at: Option<u64>,
) -> Result<Report, Stop> {
    let answer = control(place, connection, Function::Trigger, |request| {
        let request = request.text(function::Argument::Session, &place.name);
        let request = request.text(function::Argument::Trigger, trigger.method());
        let request =
            system.into_iter().fold(request, |request, system| request.text(function::Argument::System, system));
        at.into_iter().fold(request, |request, at| request.at(at))
    })?;
    match answer {
        Some(answer) => Ok(pulled(place, trigger, at, &answer, "control")),
        None => as_member(place, connection, system.unwrap_or(SYSTEM), trigger, at),
    }
}

/// Has a session of this node's do something by the control port; `None` where nobody listens there, or it is another node's.
fn control(
    place: &SessionName,
    connection: &mut Connection,
    function: Function,
    arguments: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
) -> Result<Option<Value>, Stop> {
    if place.node.is_some() {
        return Ok(None);
    }
    match connection.control_line() {
        Ok(line) => connection.control_through(line, function, arguments).map(Some),
        Err(Stop::Usage(_) | Stop::Trouble(Trouble::Nobody(_))) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Joins, pulls and resigns.
fn as_member(
    place: &SessionName,
    connection: &mut Connection,
    system: &str,
    trigger: Trigger,
    at: Option<u64>,
) -> Result<Report, Stop> {
    let receiver = place.receiver(connection)?;
    connection.ask(&receiver, "join", &json!({"system": system}))?;
    let params = at.map_or(Value::Null, |at| json!({"at": at}));
    let answer = connection.ask(&receiver, trigger.method(), &params);
    resign(connection, &receiver);
    Ok(pulled(place, trigger, at, &answer?, "member"))
}

/// What a trigger came to, said alike whichever way it went.
fn pulled(place: &SessionName, trigger: Trigger, at: Option<u64>, answer: &Value, way: &str) -> Report {
    let (state, seq) = (cell(answer, "state"), part(answer, "seq"));
    let trigger = trigger.kind().name();
    let mut json = json!({"session": place.name, "trigger": trigger, "state": state, "seq": seq, "as": way});
    let now = unix_ms();
    let text = match at.filter(|at| *at > now) {
        Some(at) => {
            if let Some(json) = json.as_object_mut() {
                json.insert("effective_at".to_owned(), Value::from(at));
            }
            format!(
                "{} stays {state} until {trigger} at {} UTC, in {} (seq {seq})\n",
                place.name,
                clock(at),
                span(at - now)
            )
        }
        None => format!("{} is {state} (seq {seq})\n", place.name),
    };
    Report { json, text }
}

/// Hands a document to a session by the control port, or as a member; answers what it says to it.
pub(super) fn hand_in(place: &SessionName, connection: &mut Connection, document: &[u8]) -> Result<Value, Stop> {
    let answer = control(place, connection, Function::SendDocument, |request| {
        request.text(function::Argument::Session, &place.name).document(document)
    })?;
    Ok(match answer {
        Some(answer) => {
            let member = |key: &str| (key.to_owned(), part(&answer, key));
            Value::Object(["kind", "state", "seq", "trackingId"].into_iter().map(member).collect())
        }
        None => {
            let receiver = place.receiver(connection)?;
            connection.ask(&receiver, "join", &json!({"system": SYSTEM}))?;
            let answer = connection.client()?.hand_in(&receiver, document);
            resign(connection, &receiver);
            answer?
        }
    })
}
