//! In which dialects guests are told what happens: for each of them the bytes of an event, made once for all who hear it.

use crate::c2sim::kind::Schema;
use crate::c2sim::notice::SERVER;
use crate::c2sim::plain_line::write_line;
use crate::http::websocket::frame::{Header, Kind};
use crate::hub::peers::Peers;
use crate::store::shared::SharedBytes;

use super::history::Draft;
use super::voice::{Tail, written};

/// What a guest speaks, and how it is told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum Dialect {
    /// It asks over HTTP, and hears C2SIM documents, each one line of text on a WebSocket.
    Stream,
    /// It hands documents and commands in over HTTP, and hears nothing but answers.
    Post,
    /// It hears C2SIM documents on a topic, each for every of its subscriptions that is for it.
    Topic,
}

impl Dialect {
    /// In the order in which tails are made.
    pub(super) const ALL: [Self; 3] = [Self::Stream, Self::Post, Self::Topic];

    /// Tells it from the others where an identity is kept.
    pub(super) const fn letter(self) -> &'static str {
        match self {
            Self::Stream => "0",
            Self::Post => "1",
            Self::Topic => "2",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stream => "ws",
            Self::Post => "post",
            Self::Topic => "stomp",
        }
    }

    /// What of an event is the same for all who are told in this dialect, if they are told of it.
    pub(super) fn tail(self, peers: &mut Peers, schema: Schema, draft: &Draft) -> Option<Tail> {
        match self {
            Self::Stream => line_for(peers, draft, schema),
            // Who hears on topics is told otherwise, see `hearers`.
            Self::Post | Self::Topic => None,
        }
    }
}

/// What is told of an event on a WebSocket: its document, or one of our own for a trigger that came without, or came in a document that the
/// session's other members do not read.
fn line_for(peers: &mut Peers, draft: &Draft, schema: Schema) -> Option<Tail> {
    if let Some(document) = draft.document.as_ref().filter(|_| draft.foreign.is_none()) {
        return match &draft.line {
            Some(written) => Some(message(written.clone())),
            None => line(document),
        };
    }
    let trigger = draft.foreign.or_else(|| draft.written.as_ref().map(|(trigger, _)| *trigger))?;
    line(&written(peers, trigger, schema, SERVER))
}

/// A document as a message of a WebSocket: one line, with its end.
pub(super) fn line(document: &[u8]) -> Option<Tail> {
    let mut line = Vec::with_capacity(document.len() + 1);
    // What was judged is well-formed.
    write_line(document, &mut line).ok()?;
    line.push(b'\n');
    Some(message(line.into()))
}

/// A line as a message of a WebSocket.
pub(super) fn message(line: SharedBytes) -> Tail {
    Tail::headed(Header::of(Kind::Text, line.len()).bytes(), line)
}
