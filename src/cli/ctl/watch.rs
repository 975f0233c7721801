//! `instep ctl session watch`: a member that prints what it hears, as it comes. Where it loses its Coordinator it comes back under its name,
//! and prints what it has missed.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::client::{Event, Trouble, now};
use super::super::ending::Ending;
use super::super::failure::{Failure, in_words};
use super::super::print::print;
use super::super::visible::visible;
use super::command::{Connection, Given, Report, Stop};
use super::member::{SYSTEM, SessionName, clock, resign, span};

/// How long an end that is asked for may have to wait.
const TICK: Duration = Duration::from_millis(100);
/// Longest pause between two attempts to come back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How the watching stands.
struct Watch<'a> {
    connection: &'a mut Connection,
    receiver: String,
    /// Number of the last event that is known.
    last: u64,
    /// Events still to print.
    left: Option<u32>,
}

pub(super) fn watch(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let place = SessionName::of(given)?;
    let after = given.text("after").map(|text| {
        text.parse::<u64>().map_err(|_| Stop::Usage(format!("--after '{text}': the number of an event is wanted")))
    });
    let after = after.transpose()?;
    let left = given.number("events");
    let receiver = place.receiver(connection)?;
    let joined = connection.ask(&receiver, "join", &json!({"system": SYSTEM, "after": after}))?;
    // From here on Ctrl-C is a wish to resign.
    let mut ending = Ending::begin().map_err(|error| Stop::Failed(Failure::other(in_words(&error))))?;
    let seq = joined.get("seq").and_then(Value::as_u64).unwrap_or(0);
    if !connection.json {
        let state = joined.get("state").and_then(Value::as_str).unwrap_or_default();
        let own = connection.client()?.full_name();
        let line = format!("{} is {state}, seq {seq}; watching as {own}, times are UTC", place.name);
        if !print(&visible(&line)).map_err(Stop::Failed)? {
            return Err(Stop::Said);
        }
    }
    let mut watch = Watch { connection, receiver, last: after.unwrap_or(seq), left };
    let outcome = match joined.get("events") {
        Some(past) if after.is_some() => watch.catch_up(past.clone()),
        _ => Ok(()),
    };
    watch.last = watch.last.max(seq);
    let outcome = outcome.and_then(|()| watch.listen(&mut ending));
    resign(watch.connection, &watch.receiver);
    outcome.and(Err(Stop::Said))
}

impl Watch<'_> {
    /// Shows what happened before.
    fn catch_up(&mut self, past: Value) -> Result<(), Stop> {
        let mut past = past;
        if past.get("complete") == Some(&Value::Bool(false)) {
            self.note("older events are not kept any more")?;
        }
        loop {
            let events = past.get_mut("events").map(Value::take).unwrap_or_default();
            for mut params in events.as_array().cloned().unwrap_or_default() {
                let document = params.as_object_mut().and_then(|params| params.remove("document"));
                let document = document.as_ref().and_then(Value::as_str).map(|text| text.as_bytes().to_vec());
                self.show(&Event { session: self.receiver.clone(), params, document })?;
            }
            if past.get("more") != Some(&Value::Bool(true)) {
                return Ok(());
            }
            past = self.connection.ask(&self.receiver, "events", &json!({"after": self.last}))?;
        }
    }

    /// Shows what happens, until somebody wants an end.
    fn listen(&mut self, ending: &mut Ending) -> Result<(), Stop> {
        while !ending.is_wanted() {
            let event = match self.connection.client()?.next_event(now() + TICK) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(Trouble::Nobody(why)) => {
                    self.note(&format!("{why}; coming back"))?;
                    if !self.come_back(ending)? {
                        return Ok(());
                    }
                    continue;
                }
                Err(trouble) => return Err(trouble.into()),
            };
            let seq = event.number("seq").unwrap_or(0);
            if event.session != self.receiver || seq <= self.last {
                continue;
            }
            if seq > self.last + 1 {
                self.note(&format!("events {} to {} did not come", self.last + 1, seq - 1))?;
            }
            self.show(&event)?;
            if event.word("event") == "lost" {
                let own = self.connection.client()?.full_name();
                if event.word("by") == self.receiver {
                    return Err(Stop::Failed(Failure::other(format!("the session {} has ended", self.receiver))));
                }
                if event.word("by") == own {
                    let why = format!("{} has taken {own} out: it did not keep up", self.receiver);
                    return Err(Stop::Failed(Failure::other(why)));
                }
            }
        }
        Ok(())
    }

    /// Connects and joins again, as soon as that goes; answers whether it did before somebody wanted an end.
    fn come_back(&mut self, ending: &mut Ending) -> Result<bool, Stop> {
        let mut pause = TICK;
        loop {
            self.connection.client = None;
            let params = json!({"system": SYSTEM, "after": self.last});
            match self.connection.ask(&self.receiver, "join", &params) {
                Ok(mut joined) => {
                    let seq = joined.get("seq").and_then(Value::as_u64).unwrap_or(0);
                    let state = joined.get("state").and_then(Value::as_str).unwrap_or_default();
                    self.note(&visible(&format!("back: the session is {state}, seq {seq}")))?;
                    let past = joined.get_mut("events").map(Value::take).unwrap_or_default();
                    self.catch_up(past)?;
                    self.last = self.last.max(seq);
                    return Ok(true);
                }
                // Nobody is there yet, or its nodes are not linked again.
                Err(trouble) if trouble.is_absence() => {}
                Err(trouble) => return Err(trouble.into()),
            }
            let end = now() + pause;
            while now() < end {
                if ending.is_wanted() {
                    return Ok(false);
                }
                std::thread::sleep(TICK);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Prints an event; says so to the session where it is one of the state.
    fn show(&mut self, event: &Event) -> Result<(), Stop> {
        let line = if self.connection.json { as_json(event) } else { visible(&as_text(event)).into_owned() };
        if !print(&line).map_err(Stop::Failed)? {
            return Err(Stop::Said);
        }
        let seq = event.number("seq").unwrap_or(0);
        self.last = self.last.max(seq);
        if event.word("event") == "state" {
            self.connection.client()?.notify(&self.receiver, "ack", &json!({"seq": seq}))?;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(Stop::Said);
            }
        }
        Ok(())
    }

    /// Something that people should know, beside the events.
    fn note(&self, text: &str) -> Result<(), Stop> {
        if !self.connection.json {
            print(&format!("({text})")).map_err(Stop::Failed)?;
        }
        Ok(())
    }
}

fn as_json(event: &Event) -> String {
    let mut line = event.params.clone();
    if let (Some(line), Some(document)) = (line.as_object_mut(), &event.document) {
        line.insert("document".to_owned(), Value::from(String::from_utf8_lossy(document)));
    }
    line.to_string()
}

fn as_text(event: &Event) -> String {
    let time = event.number("time").unwrap_or(0);
    let (by, state) = (event.word("by"), event.word("state"));
    let what = match event.word("event") {
        "state" => {
            let trigger = event.word("trigger");
            let mut text = match event.number("effective_at") {
                Some(at) if at > time => {
                    let (at, ahead) = (clock(at), span(at - time));
                    format!("{trigger} by {by} comes at {at}, in {ahead}; the session stays {state}")
                }
                Some(_) => format!("{trigger} by {by}, as scheduled: the session is {state}"),
                None => format!("{trigger} by {by}: the session is {state}"),
            };
            let cancelled = event.word("cancelled");
            if !cancelled.is_empty() {
                text.push_str(&format!(", the scheduled {cancelled} is cancelled"));
            }
            text
        }
        "message" => {
            let bytes = event.document.as_ref().map_or_else(String::new, |document| format!(", {} B", document.len()));
            format!("{} from {by}{bytes}", event.word("kind"))
        }
        "joined" => format!("{by} has joined"),
        "resigned" => format!("{by} has resigned"),
        "away" => format!("{by} is away"),
        "resumed" => format!("{by} is back"),
        "lost" => format!("{by} is lost"),
        other => format!("{other} by {by}"),
    };
    format!("{}  #{:<4} {what}", clock(time), event.number("seq").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(params: Value, document: Option<&[u8]>) -> String {
        let document = document.map(<[u8]>::to_vec);
        as_text(&Event { session: "N1.session:e".to_owned(), params, document })
    }

    #[test]
    fn every_event_is_a_line_that_says_who_and_what() {
        let of = |event: &str, extra: Value| {
            let mut params = json!({"event": event, "seq": 7, "time": 5_000, "by": "N1.CA", "state": "RUNNING"});
            params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            params
        };
        let start = json!({"trigger": "START_SCENARIO"});
        assert_eq!(
            text(of("state", start), None),
            "00:00:05.000  #7    START_SCENARIO by N1.CA: the session is RUNNING"
        );
        let soon = json!({"trigger": "STOP_SCENARIO", "effective_at": 7_500, "cancelled": "PAUSE_SCENARIO"});
        assert_eq!(
            text(of("state", soon), None),
            "00:00:05.000  #7    STOP_SCENARIO by N1.CA comes at 00:00:07.500, in 2.5 s; the session stays RUNNING, \
             the scheduled PAUSE_SCENARIO is cancelled"
        );
        let due = json!({"trigger": "START_SCENARIO", "effective_at": 5_000});
        assert_eq!(
            text(of("state", due), None),
            "00:00:05.000  #7    START_SCENARIO by N1.CA, as scheduled: the session is RUNNING"
        );
        let order = text(of("message", json!({"kind": "ORDER"})), Some(b"<Message/>"));
        assert_eq!(order, "00:00:05.000  #7    ORDER from N1.CA, 10 B");
        let said = |event: &str| text(of(event, json!({})), None)[20..].to_owned();
        assert_eq!(
            ["joined", "resigned", "away", "resumed", "lost", "other"].map(said),
            [
                "N1.CA has joined",
                "N1.CA has resigned",
                "N1.CA is away",
                "N1.CA is back",
                "N1.CA is lost",
                "other by N1.CA"
            ]
        );
    }

    #[test]
    fn a_line_of_json_is_the_event_with_its_document() {
        let event = Event { session: String::new(), params: json!({"seq": 1}), document: Some(b"<a\n/>".to_vec()) };
        assert_eq!(as_json(&event), r#"{"document":"<a\n/>","seq":1}"#);
    }
}
