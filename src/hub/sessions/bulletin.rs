//! What is told of an event on a topic: headers, by which hearers choose, and a document on one line.
//!
//! Hearers read one namespace. An event of which they cannot read the document is told as the trigger that it pulls, or not at all.

use crate::c2sim::kind::{Kind, Schema};
use crate::c2sim::notice::{PROTOCOL, write_system};
use crate::c2sim::plain_line::write_line;
use crate::c2sim::state::{State, Trigger};
use crate::hub::peers::Peers;
use crate::stomp::reply::{END, Reply};
use crate::stomp::version::Version;
use crate::store::shared::SharedBytes;
use crate::time::Utc;

use super::guest::submitter;
use super::heading::Heading;
use super::history::{Draft, What};
use super::voice::{Tail, stamp};

/// The namespace that hearers read.
const READ: Schema = Schema::V1_0_2;

/// Who says what the server writes for hearers.
const GENERATOR: &str = "SERVER";

/// Where and when an event has happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) session: &'a str,
    /// The state behind it.
    pub(super) state: State,
    pub(super) seq: u64,
    /// The version of what the server writes.
    pub(super) version: &'a str,
}

/// An event as hearers are told of it.
#[derive(Debug)]
pub(super) struct Bulletin {
    headers: Vec<(&'static str, String)>,
    /// The document on one line, and the end of its frame.
    line: SharedBytes,
    /// What all of those are given who speak the same; the first version is written otherwise than those behind it.
    tails: [Option<Tail>; 2],
}

/// What hearers are told of an event.
#[derive(Debug)]
pub(super) enum Told {
    /// This, and behind it that.
    Bulletins(Vec<Bulletin>),
    /// Nothing, as it is none of their business.
    Nothing,
    /// Nothing, as they could not read it.
    Unreadable,
}

impl Told {
    /// What they are told of `draft`.
    pub(super) fn of(peers: &mut Peers, scene: Scene<'_>, draft: &Draft) -> Self {
        let is_part = draft.name == Kind::ObjectInitialization.name();
        if is_part || !matches!(draft.what, What::State | What::Message) {
            return Self::Nothing;
        }
        let readable = draft.heading.as_ref().filter(|heading| heading.schema == Some(READ));
        let first = match (&draft.document, readable) {
            (Some(document), Some(heading)) => Bulletin::new(peers, scene, draft, heading, document),
            (Some(_), None) if draft.is_initialization() => None,
            (Some(_), None) => match trigger_of(draft) {
                Some(trigger) => Bulletin::written(peers, scene, draft, (trigger.kind(), "")),
                None => return Self::Unreadable,
            },
            (None, _) => match &draft.written {
                Some((trigger, _)) => Bulletin::written(peers, scene, draft, (trigger.kind(), "")),
                None => return Self::Nothing,
            },
        };
        if !draft.is_initialization() {
            return first.map_or(Self::Nothing, |first| Self::Bulletins(vec![first]));
        }
        // There is a library whose sign for the end of initialization this is.
        let last = Bulletin::written(peers, scene, draft, (Kind::InitializationComplete, State::Initialized.name()));
        Self::Bulletins(first.into_iter().chain(last).collect())
    }
}

/// The trigger that a document pulls.
fn trigger_of(draft: &Draft) -> Option<Trigger> {
    Trigger::ALL.into_iter().find(|trigger| trigger.kind().name() == draft.name)
}

impl Bulletin {
    fn new(peers: &Peers, scene: Scene<'_>, draft: &Draft, heading: &Heading, document: &[u8]) -> Option<Self> {
        let written = draft.line.as_ref().and_then(|line| line.and_behind(END));
        let line = match written {
            Some(written) => written,
            None => {
                let mut line = Vec::with_capacity(document.len() + END.len() + 1);
                // What was judged is well-formed.
                write_line(document, &mut line).ok()?;
                ended(line)
            }
        };
        let source = if heading.version.is_some() { "Client" } else { "Generated" };
        Some(Self::of(peers, scene, (draft, draft.name, source), heading, line))
    }

    /// A system message of our own.
    fn written(peers: &mut Peers, scene: Scene<'_>, draft: &Draft, message: (Kind, &str)) -> Option<Self> {
        let stamp = stamp(peers);
        let mut line = Vec::new();
        write_system(message, READ, GENERATOR, &stamp, &mut line);
        let heading = Heading::of_server(Some(READ), GENERATOR, &stamp);
        Some(Self::of(peers, scene, (draft, message.0.name(), "Generated"), &heading, ended(line)))
    }

    fn of(
        peers: &Peers,
        scene: Scene<'_>,
        (draft, name, source): (&Draft, &str, &str),
        heading: &Heading,
        line: SharedBytes,
    ) -> Self {
        let bytes = line.len() - END.len();
        let Utc { year, month, day, hour, minute, second, .. } = Utc::of(peers.unix_ms());
        let selector = selector_of(name);
        let headers = vec![
            ("protocol", PROTOCOL.to_owned()),
            ("content-type", "text/plain".to_owned()),
            ("content-length", bytes.to_string()),
            ("submitter", submitter(&draft.by).to_owned()),
            ("source", source.to_owned()),
            ("message-time", format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")),
            ("forwarders", String::new()),
            ("message-selector", selector.to_owned()),
            ("message-type", selector.to_owned()),
            ("message-dialect", PROTOCOL.to_owned()),
            ("c2sim-version", heading.version.as_deref().unwrap_or(scene.version).to_owned()),
            ("message-number", scene.seq.to_string()),
            ("sender", heading.sender.to_string()),
            ("receiver", heading.receiver.to_string()),
            ("communicativeActTypeCode", heading.act.to_string()),
            ("conversationid", heading.conversation.to_string()),
            ("session", scene.session.to_owned()),
            ("session-state", scene.state.name().to_owned()),
        ];
        Self { headers, line, tails: [None, None] }
    }

    /// A header, as a selector asks for it.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What stands behind the [head](Ear::head).
    pub(super) fn tail(&mut self, version: Version) -> Tail {
        let Self { headers, line, tails } = self;
        let [old, new] = tails;
        let tail = if version == Version::V1_0 { old } else { new };
        let written = tail.get_or_insert_with(|| {
            let mut front = Vec::with_capacity(1024);
            let all = headers.iter();
            let reply = all.fold(Reply::go_on(&mut front, version), |reply, (name, value)| reply.header(name, value));
            reply.body();
            Tail::headed(&front, line.clone())
        });
        written.clone()
    }
}

/// A line with its end and that of its frame.
fn ended(mut line: Vec<u8>) -> SharedBytes {
    line.push(b'\n');
    line.extend_from_slice(END);
    line.into()
}

/// By what hearers tell kinds of messages apart.
fn selector_of(name: &str) -> &'static str {
    match name {
        "ORDER" => "C2SIM_Order",
        "REPORT" => "C2SIM_Report",
        "C2SIM_INITIALIZATION" => "C2SIM_Initialization",
        "UNKNOWN" | "" => "C2SIM_Other",
        _ => "C2SIM_Command",
    }
}
