//! Who did what, for whoever has to answer for it: a line for each entry, in the words of the Elastic Common Schema.
//!
//! Owns the lines until the event loop takes them, in a bounded number of bytes, how many there was no room for, and what is told once it is known
//! how it ends. It must not know where they are written. No line has what somebody has shown to be let in, nor what a call was given.

use core::net::IpAddr;

use serde_json::{Map, Value, json};

use super::journal::cut;
use crate::auth::UserId;
use crate::hub::keys::SessionKey;
use crate::limits::{AUDIT_BYTES_MAX, AUDIT_DENIALS_PER_SECOND};
use crate::store::sorted::Sorted;
use crate::time::Utc;

/// The version of the schema that the names of fields are from.
const ECS: &str = "8.11.0";

/// Whose doing it is: nobody's where a session, a moment or the process itself does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Doer {
    pub(in crate::hub) user: Option<UserId>,
    pub(in crate::hub) address: Option<IpAddr>,
}

/// Something that was done, or was not.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::hub) struct Deed<'a> {
    /// What: JOIN, RESIGN, a trigger, the name of a method.
    pub(in crate::hub) action: &'a str,
    /// `session`, `authentication`, `configuration`, `process`.
    pub(in crate::hub) category: &'static str,
    /// Why it was not done; `None`: it was.
    pub(in crate::hub) refused: Option<&'a str>,
    pub(in crate::hub) doer: Doer,
    /// By which name somebody is known here.
    pub(in crate::hub) client: &'a str,
    pub(in crate::hub) system: &'a str,
    pub(in crate::hub) session: &'a str,
    pub(in crate::hub) target: &'a str,
    /// The number of the event in its session.
    pub(in crate::hub) seq: Option<u64>,
}

/// A call of which there is to be a line.
#[derive(Debug, Default)]
pub(in crate::hub) struct Told {
    pub(in crate::hub) action: &'static str,
    pub(in crate::hub) doer: Doer,
    pub(in crate::hub) client: String,
    pub(in crate::hub) session: String,
    pub(in crate::hub) target: String,
}

/// Lines that nobody has taken yet.
#[derive(Debug, Default)]
pub(in crate::hub) struct Trail {
    /// The name of this node; none where nobody wants to know.
    node: Option<Box<str>>,
    lines: Vec<u8>,
    count: u64,
    /// Left out since a line was last put in, for want of room or because there were too many of their kind.
    left_out: u64,
    second: u64,
    denials: u32,
    /// What there is to tell of a call once the change of that session is durable.
    owed: Sorted<SessionKey, Told>,
}

impl Trail {
    /// From here on it is kept.
    pub(in crate::hub) fn begin(&mut self, node: &str) {
        self.node = Some(node.into());
    }

    pub(in crate::hub) const fn is_kept(&self) -> bool {
        self.node.is_some()
    }

    /// Keeps what there is to tell of a call until the change of that session is durable; there is one at a time.
    pub(in crate::hub) fn owe(&mut self, session: SessionKey, told: Told) {
        if self.is_kept() {
            self.owed.insert(session, told);
        }
    }

    /// What is to be told, now that it is.
    pub(in crate::hub) fn take_owed(&mut self, session: SessionKey) -> Option<Told> {
        self.owed.remove(&session)
    }

    /// Adds a deed of the user of this name; `false` where it is left out, which the next line says.
    pub(super) fn add(&mut self, unix_ms: u64, user: &str, deed: &Deed<'_>) -> bool {
        if !self.is_kept() {
            return true;
        }
        let is_refusal = deed.category == "authentication" || deed.refused.is_some();
        if is_refusal && !self.admits_denial(unix_ms / 1000) {
            self.left_out += 1;
            return false;
        }
        if self.lines.len() >= AUDIT_BYTES_MAX {
            self.left_out += 1;
            return false;
        }
        if self.left_out > 0 {
            let said = format!("{} lines were left out", core::mem::take(&mut self.left_out));
            self.write(
                unix_ms,
                "",
                &Deed { action: "AUDIT_GAP", category: "process", target: &said, ..Deed::default() },
            );
        }
        self.write(unix_ms, user, deed);
        true
    }

    /// Refusals that whoever likes can provoke do not fill a disk.
    fn admits_denial(&mut self, second: u64) -> bool {
        if self.second != second {
            (self.second, self.denials) = (second, 0);
        }
        self.denials = self.denials.saturating_add(1);
        self.denials <= AUDIT_DENIALS_PER_SECOND
    }

    /// Lines that were taken could not be written.
    pub(super) fn note_lost(&mut self, lines: u64) {
        self.left_out += lines;
    }

    fn write(&mut self, unix_ms: u64, user: &str, deed: &Deed<'_>) {
        let node = self.node.as_deref().unwrap_or_default();
        let outcome = if deed.refused.is_some() { "failure" } else { "success" };
        let mut line = Map::new();
        for (key, value) in [
            ("@timestamp", moment(unix_ms)),
            ("ecs.version", ECS.to_owned()),
            ("event.kind", "event".to_owned()),
            ("event.category", deed.category.to_owned()),
            ("event.action", deed.action.to_owned()),
            ("event.outcome", outcome.to_owned()),
            ("event.reason", deed.refused.unwrap_or_default().to_owned()),
            ("service.name", "instep".to_owned()),
            ("service.node.name", node.to_owned()),
            ("user.name", user.to_owned()),
            ("source.ip", deed.doer.address.map_or_else(String::new, |address| address.to_string())),
            ("c2sim.sharedSession", deed.session.to_owned()),
            ("c2sim.systemName", deed.system.to_owned()),
            ("c2sim.clientId", deed.client.to_owned()),
            ("message", deed.target.to_owned()),
        ] {
            if !value.is_empty() {
                line.insert(key.to_owned(), Value::from(&*cut(&value)));
            }
        }
        if let Some(seq) = deed.seq {
            line.insert("event.sequence".to_owned(), json!(seq));
        }
        self.lines.extend_from_slice(Value::Object(line).to_string().as_bytes());
        self.lines.push(b'\n');
        self.count += 1;
    }

    /// All lines, and how many they are.
    pub(in crate::hub) fn take(&mut self) -> Option<(Vec<u8>, u64)> {
        let lines = core::mem::take(&mut self.lines);
        (!lines.is_empty()).then(|| (lines, core::mem::take(&mut self.count)))
    }
}

fn moment(unix_ms: u64) -> String {
    let Utc { year, month, day, hour, minute, second, millisecond } = Utc::of(unix_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(trail: &mut Trail) -> Vec<Value> {
        let (lines, count) = trail.take().unwrap_or_default();
        let read = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let read: Vec<Value> = read.map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(read.len() as u64, count);
        read
    }

    #[test]
    fn a_line_has_what_is_known_and_nothing_empty() {
        let mut trail = Trail::default();
        assert!(trail.add(0, "", &Deed { action: "JOIN", ..Deed::default() }) && trail.take().is_none());
        trail.begin("N1");
        let deed = Deed { action: "JOIN", category: "session", session: "drill\n", seq: Some(7), ..Deed::default() };
        assert!(trail.add(1_764_150_003_045, "chief", &deed));
        let line = lines(&mut trail).remove(0);
        assert_eq!(line["@timestamp"], "2025-11-26T09:40:03.045Z");
        assert_eq!((&line["event.action"], &line["event.outcome"]), (&json!("JOIN"), &json!("success")));
        assert_eq!((&line["c2sim.sharedSession"], &line["event.sequence"]), (&json!("drill\n"), &json!(7)));
        assert!(line["user.name"] == "chief" && line.get("source.ip").is_none() && line.get("event.reason").is_none());
    }

    #[test]
    fn what_is_left_out_is_said_and_a_flood_of_denials_leaves_room_for_others() {
        let mut trail = Trail::default();
        trail.begin("N1");
        let denial = Deed { action: "AUTH_FAILURE", category: "authentication", refused: Some("x"), ..Deed::default() };
        let admitted = (0..AUDIT_DENIALS_PER_SECOND + 5).filter(|_| trail.add(1000, "", &denial)).count();
        assert_eq!(admitted, AUDIT_DENIALS_PER_SECOND as usize);
        let refused = Deed { action: "shut_down", category: "configuration", refused: Some("x"), ..Deed::default() };
        assert!(!trail.add(1000, "", &refused), "whatever is refused");
        assert!(trail.add(1000, "", &Deed { action: "JOIN", category: "session", ..Deed::default() }));
        let all = lines(&mut trail);
        let [.., gap, join] = &all[..] else { panic!("{all:?}") };
        assert_eq!((&gap["event.action"], &gap["message"]), (&json!("AUDIT_GAP"), &json!("6 lines were left out")));
        assert_eq!(join["event.action"], "JOIN");
        let mut written = 0;
        while trail.add(5000, "", &Deed { action: "JOIN", category: "session", ..Deed::default() }) {
            written += 1;
        }
        assert!(written > 1000 && trail.lines.len() < AUDIT_BYTES_MAX + 1000);
    }
}
