//! C2SIM flow control: which message a session admits, what it changes, and what the others get to see of it.
//!
//! Owns the state machine of a shared session ([`state`], drawn by [`chart`]), the recognition of C2SIM XML messages ([`message`]), the initialization a
//! session collects ([`initialization`]), the check of content against
//! a schema ([`schema`]) and the documents the server writes itself ([`notice`]). Must not know who is connected, how
//! a message arrived, what time it is, or where fresh identifiers come from: bytes and small values come in, verdicts go out.
//!
//! # The protocol in short
//! C2SIM systems (simulators, command posts) share a *session*. Each message is one XML document `Message` with a `C2SIMHeader` (who,
//! when, which conversation) and a `MessageBody` holding one body. System messages such as `StartScenario` are the *triggers* of the
//! session's state machine; a trigger that the state permits changes it and is relayed to the other members as the notification. Orders,
//! reports and the like are relayed in the states that admit them. Initialization is collected in INITIALIZING, frozen and handed to
//! everyone by `ShareScenario`, and kept for late joiners until `ResetScenario`.
//!
//! # One message, start to end
//! 1. [`scan::scan`] checks and recognises the document; a [`defect::Reject`] says line, reason and code.
//! 2. [`state::admit`] gives the verdict for the session's state; nothing has changed so far.
//! 3. For a share, [`initialization::Initialization::share`] makes the copy for everyone; it may still refuse.
//! 4. Only then the caller sets the new state, keeps and relays what [`state::effects`] names, in one turn.
//!
//! # What is validated, and what is not
//! Always: UTF-8, XML characters and well-formedness, namespaces, no DOCTYPE, no entities but the five, the bounds in
//! [`crate::limits`]; the frame `Message`, one complete `C2SIMHeader` with a sender, one `MessageBody` with one body of one namespace; the
//! value of `SimulationRealtimeMultiple`. With the [`schema::Rules`] of an XSD given to [`scan::scan_with`] also the content, header
//! and bodies: order and number of elements, code lists, patterns and ranges. Without, a document that only this would refuse is
//! admitted.

use crate::limits::SESSION_NAME_BYTES_MAX;

/// Whether a session may have this name: letters, digits, `.`, `_`, `~`, `-`, and `%` with two hexadecimal digits.
#[must_use]
pub fn is_session_name(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'~' | b'-' => behind,
            b'%' if behind.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() == 2 => {
                behind.get(2..).unwrap_or_default()
            }
            _ => return false,
        };
    }
    !text.is_empty() && text.len() <= SESSION_NAME_BYTES_MAX
}

mod attributes;
pub mod chart;
pub mod code;
pub mod defect;
pub mod field;
mod frame;
pub mod initialization;
pub mod invalid;
pub mod judging;
pub mod kind;
mod letters;
pub mod message;
pub mod notice;
mod options;
pub mod plain_line;
pub mod scan;
pub mod schema;
pub mod sharing;
mod span;
pub mod state;
mod tokens;
