//! What a command needs to take part in a session: its name, the way in and out, and words for moments.

use instep::c2sim::is_session_name;
use instep::leco::route::session_name;
use instep::time::Utc;
use serde_json::Value;

use super::command::{Connection, Given, Stop};

/// The system that the program says it speaks for, where it joins.
pub(super) const SYSTEM: &str = "instep-ctl";

/// A session as the command line names it.
pub(super) struct SessionName {
    /// The node it is at; `None` for the Coordinator's own.
    pub(super) node: Option<String>,
    pub(super) name: String,
}

impl SessionName {
    pub(super) fn of(given: &Given) -> Result<Self, Stop> {
        let text = given.word(0);
        let (node, name) = match text.split_once('.') {
            Some((node, name)) => (Some(node.to_owned()), name),
            None => (None, text),
        };
        if node.as_deref() == Some("") || !is_session_name(name) {
            return Err(Stop::Usage(format!(
                "'{text}' is not a session: NAME or NODE.NAME, with 1 to 64 letters, digits, '.', '_', '~' or '-' in NAME"
            )));
        }
        Ok(Self { node, name: name.to_owned() })
    }

    /// The full LECO name of the session.
    pub(super) fn receiver(&self, connection: &mut Connection) -> Result<String, Stop> {
        let local = session_name(&self.name);
        let local = String::from_utf8_lossy(&local);
        Ok(match &self.node {
            Some(node) => format!("{node}.{local}"),
            None => format!("{}.{local}", connection.client()?.namespace()),
        })
    }

    /// The Coordinator of its node.
    pub(super) fn coordinator(&self) -> String {
        coordinator_of(self.node.as_deref())
    }
}

/// The Coordinator of a node, without one that of ours.
pub(super) fn coordinator_of(node: Option<&str>) -> String {
    node.map_or_else(|| "COORDINATOR".to_owned(), |node| format!("{node}.COORDINATOR"))
}

/// Leaves a session. Whoever does not take it sees the component leave a moment later.
pub(super) fn resign(connection: &mut Connection, receiver: &str) {
    drop(connection.ask(receiver, "resign", &Value::Null));
}

/// The time of day of a moment, UTC.
pub(super) fn clock(unix_ms: u64) -> String {
    let Utc { hour, minute, second, millisecond, .. } = Utc::of(unix_ms);
    format!("{hour:02}:{minute:02}:{second:02}.{millisecond:03}")
}

/// A length of time for people.
pub(super) fn span(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(clock(1_764_150_003_045), "09:40:03.045");
        assert_eq!((span(0), span(1951)), ("0.0 s".to_owned(), "2.0 s".to_owned()));
    }
}
