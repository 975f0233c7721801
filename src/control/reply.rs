//! Control results: `[function id, true or false]` and a data object, in the shape of the request.
//!
//! Owns the keys and types of every result, and the plain data they are made from. Must not know where that data is kept.
//!
//! What the documents leave open, as settled here: a failure has its text under `message`. Open gives `provider` as an integer and
//! `providerinfo` with that one provider; Refresh gives `provider` as a list. Connect gives `session` as an integer (a list, with each
//! session once, if the request held several connections) and `sessioninfo`; a failed one has `session` nil. Keys of a request that no
//! argument has are named in `message`, whether it succeeded or not. Manager information has the
//! number of viewers as `vieweres`, the document's spelling, and as `viewers`.

use core::fmt;

use super::envelope::Envelope;
use super::pack::Pack;
use super::request::ReplyTo;

/// How a provider, viewer, session or the Manager itself is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Online,
    /// Ended in good order.
    Closed,
    /// Ended by an error.
    Errored,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Closed => "closed",
            Self::Errored => "errored",
        }
    }

    /// Reads a word of any case; `ok`, which one example has, is `online`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let of = |status: Self| word.eq_ignore_ascii_case(status.word());
        let known = [Self::Online, Self::Closed, Self::Errored].into_iter().find(|status| of(*status));
        known.or_else(|| word.eq_ignore_ascii_case("ok").then_some(Self::Online))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The kinds of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderType {
    /// A running simulation kernel.
    Rcrs,
    /// A log that a kernel wrote.
    RcrsLog,
    /// A recording of what a viewer was sent.
    ViewerLog,
    /// A program that pushes its timesteps (our addition).
    Feed,
}

impl ProviderType {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rcrs => "RCRS",
            Self::RcrsLog => "RCRS-LOG",
            Self::ViewerLog => "VIEWER-LOG",
            Self::Feed => "FEED",
        }
    }

    /// Reads a word of any case.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Rcrs, Self::RcrsLog, Self::ViewerLog, Self::Feed];
        all.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.word()))
    }
}

/// What a controller is told of a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderInfo<'a> {
    /// Its id, from 1.
    pub id: i64,
    /// Its kind; the key is `type`.
    pub kind: ProviderType,
    /// `host/port` of a server, the file name as given for a file.
    pub ids: &'a str,
    /// How it is doing.
    pub status: Status,
    /// The last timestep received; 0 before the first.
    pub time: i64,
    /// The last timestep there will be; 0 while that is not known.
    pub maxtime: i64,
    /// How long ago that timestep came, in milliseconds (our addition); nil before the first.
    pub age_ms: Option<u64>,
    /// Why it is errored, `waiting` while nothing can be shown of the kernel that there is to be, and why it is not recorded, or not to
    /// its end (our addition); where all is well it is empty, and the key is left out.
    pub message: &'a str,
}

/// What a controller is told of a viewer.
#[derive(Clone, Copy, Debug)]
pub struct ViewerInfo<'a> {
    /// Its id, from 1.
    pub id: i64,
    /// Where it connects from: `host` of `address`.
    pub host: &'a str,
    /// Where it connects from: `port` of `address`.
    pub port: u16,
    /// How it is doing.
    pub status: Status,
}

/// What a controller is told of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionInfo<'a> {
    /// Its id, from 1.
    pub id: i64,
    /// Its provider. Without one an integer is still due, so 0 is written.
    pub provider: Option<i64>,
    /// Its viewers; the key is `viewer`.
    pub viewers: &'a [i64],
    /// How it is doing.
    pub status: Status,
    /// The flow state by its own name (our addition).
    pub state: &'a str,
    /// The number of its last change of state (our addition).
    pub seq: u64,
    /// Its name (our addition).
    pub name: &'a str,
}

/// What a controller is told of a connection (our addition).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo<'a> {
    /// The names of whoever is at the other end; empty where it has none.
    pub name: &'a str,
    /// What is spoken on it.
    pub dialect: &'a str,
    /// Where it comes from, or leads to.
    pub address: &'a str,
    /// Whether it is not read now.
    pub held: bool,
    /// How it fares in numbers: what they are called.
    pub columns: &'a [&'a str],
    /// The numbers, one for each of these.
    pub figures: &'a [u64],
}

/// What a controller is told of the Manager.
#[derive(Clone, Copy, Debug)]
pub struct ManagerInfo<'a> {
    /// The port viewers connect to.
    pub port: u16,
    /// How many providers are connected.
    pub providers: u64,
    /// How many viewers are connected.
    pub viewers: u64,
    /// How many sessions are open.
    pub sessions: u64,
    /// How many errors occurred.
    pub errors: u64,
    /// How it is doing.
    pub status: Status,
    /// The version of the protocol and the program.
    pub version: &'a str,
}

/// A result being written at the end of a vector. Each method adds one key; no key may be added twice.
#[derive(Debug)]
#[must_use = "a result is whole only after `finish`"]
pub struct Reply<'o> {
    envelope: Envelope<'o>,
}

impl<'o> Reply<'o> {
    /// Begins the result of a request that succeeded (`ok`) or failed.
    pub fn begin(out: &'o mut Vec<u8>, to: ReplyTo, ok: bool) -> Self {
        let header = |out: &mut Vec<u8>| {
            out.int(to.id);
            out.bool(ok);
        };
        Self { envelope: Envelope::begin(out, to.shape, header) }
    }

    /// Writes the whole result of a request that failed for `reason`, and says how many bytes it takes.
    pub fn failure(out: &'o mut Vec<u8>, to: ReplyTo, reason: &dyn fmt::Display) -> usize {
        Self::begin(out, to, false).message(&reason.to_string()).finish()
    }

    /// Begins the result of a request that succeeded or failed for a reason, with what there is to remark on it; both are its `message`.
    pub fn answer(out: &'o mut Vec<u8>, to: ReplyTo, outcome: Result<(), &str>, remark: &str) -> Self {
        let reply = Self::begin(out, to, outcome.is_ok());
        match (outcome.err().unwrap_or_default(), remark) {
            ("", "") => reply,
            ("", text) | (text, "") => reply.message(text),
            (reason, remark) => reply.message(&format!("{reason}; {remark}")),
        }
    }

    /// Adds what went wrong.
    pub fn message(mut self, text: &str) -> Self {
        self.envelope.key("message").text(text);
        self
    }

    /// Adds the id of the provider that was opened.
    pub fn provider(mut self, id: i64) -> Self {
        self.envelope.key("provider").int(id);
        self
    }

    /// Adds the ids of the providers that were refreshed.
    pub fn provider_list(mut self, ids: impl IntoIterator<Item = i64>) -> Self {
        self.envelope.key("provider").counted(|out| each(out, ids, |out, id| out.int(id)));
        self
    }

    /// Adds the id of the session a viewer was connected to; `None` when it was not.
    pub fn session(mut self, id: Option<i64>) -> Self {
        let out = self.envelope.key("session");
        match id {
            Some(id) => out.int(id),
            None => out.nil(),
        }
        self
    }

    /// Adds the ids of the sessions that several viewers were connected to.
    pub fn session_list(mut self, ids: impl IntoIterator<Item = i64>) -> Self {
        self.envelope.key("session").counted(|out| each(out, ids, |out, id| out.int(id)));
        self
    }

    /// Adds the flow state of the session that was triggered, and the number of that event.
    pub fn state(mut self, state: &str, seq: u64) -> Self {
        self.envelope.key("state").text(state);
        self.envelope.key("seq").uint(seq);
        self
    }

    /// Adds the moment, in milliseconds since 1970, at which what was asked for comes.
    pub fn effective_at(mut self, at: u64) -> Self {
        self.envelope.key("effective_at").uint(at);
        self
    }

    /// Adds what a document was found to be, and the letters by which it is found in a log.
    pub fn document(mut self, kind: &str, tracking: &str) -> Self {
        self.envelope.key("kind").text(kind);
        self.envelope.key("trackingId").text(tracking);
        self
    }

    /// Adds the C2SIM code of a refusal.
    pub fn code(mut self, code: &str) -> Self {
        self.envelope.key("code").text(code);
        self
    }

    /// Adds descriptions of providers.
    pub fn providerinfo<'i>(mut self, infos: impl IntoIterator<Item = ProviderInfo<'i>>) -> Self {
        self.envelope.key("providerinfo").counted(|out| each(out, infos, provider));
        self
    }

    /// Adds descriptions of viewers.
    pub fn viewerinfo<'i>(mut self, infos: impl IntoIterator<Item = ViewerInfo<'i>>) -> Self {
        self.envelope.key("viewerinfo").counted(|out| each(out, infos, viewer));
        self
    }

    /// Adds descriptions of sessions.
    pub fn sessioninfo<'i>(mut self, infos: impl IntoIterator<Item = SessionInfo<'i>>) -> Self {
        self.envelope.key("sessioninfo").counted(|out| each(out, infos, session));
        self
    }

    /// Adds descriptions of connections.
    pub fn connectioninfo<'i>(mut self, infos: impl IntoIterator<Item = ConnectionInfo<'i>>) -> Self {
        self.envelope.key("connectioninfo").counted(|out| each(out, infos, connection));
        self
    }

    /// Adds the lines of the error list, oldest first.
    pub fn errors<'i>(mut self, lines: impl IntoIterator<Item = &'i str>) -> Self {
        self.envelope.key("errors").counted(|out| each(out, lines, |out, line| out.text(line)));
        self
    }

    /// Adds the description of the Manager.
    pub fn manager(mut self, info: ManagerInfo<'_>) -> Self {
        let out = self.envelope.key("manager");
        out.map(8);
        number(out, "port", u64::from(info.port));
        number(out, "providers", info.providers);
        number(out, "vieweres", info.viewers);
        number(out, "viewers", info.viewers);
        number(out, "sessions", info.sessions);
        number(out, "errors", info.errors);
        word(out, "status", info.status.word());
        word(out, "version", info.version);
        self
    }

    /// Ends the result and says how many bytes it takes, length header included.
    pub fn finish(self) -> usize {
        self.envelope.finish()
    }
}

fn each<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) -> usize {
    items.into_iter().map(|item| write(out, item)).count()
}

fn provider(out: &mut Vec<u8>, info: ProviderInfo<'_>) {
    let has_message = !info.message.is_empty();
    out.map(if has_message { 8 } else { 7 });
    integer(out, "id", info.id);
    word(out, "type", info.kind.word());
    word(out, "ids", info.ids);
    word(out, "status", info.status.word());
    integer(out, "time", info.time);
    integer(out, "maxtime", info.maxtime);
    out.text("age_ms");
    match info.age_ms {
        Some(age) => out.uint(age),
        None => out.nil(),
    }
    if has_message {
        word(out, "message", info.message);
    }
}

fn viewer(out: &mut Vec<u8>, info: ViewerInfo<'_>) {
    out.map(3);
    integer(out, "id", info.id);
    out.text("address");
    out.map(2);
    word(out, "host", info.host);
    number(out, "port", u64::from(info.port));
    word(out, "status", info.status.word());
}

fn session(out: &mut Vec<u8>, info: SessionInfo<'_>) {
    out.map(7);
    integer(out, "id", info.id);
    integer(out, "provider", info.provider.unwrap_or(0));
    out.text("viewer");
    out.array(info.viewers.len());
    for viewer in info.viewers {
        out.int(*viewer);
    }
    word(out, "status", info.status.word());
    word(out, "state", info.state);
    number(out, "seq", info.seq);
    word(out, "name", info.name);
}

fn connection(out: &mut Vec<u8>, info: ConnectionInfo<'_>) {
    debug_assert!(info.columns.len() == info.figures.len(), "each number has a name");
    out.map(4 + info.figures.len());
    word(out, "name", info.name);
    word(out, "dialect", info.dialect);
    word(out, "address", info.address);
    out.text("held");
    out.bool(info.held);
    for (column, figure) in info.columns.iter().zip(info.figures) {
        number(out, column, *figure);
    }
}

fn integer(out: &mut Vec<u8>, key: &str, value: i64) {
    out.text(key);
    out.int(value);
}

fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.text(key);
    out.uint(value);
}

fn word(out: &mut Vec<u8>, key: &str, value: &str) {
    out.text(key);
    out.text(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_type_words_are_read_in_any_case() {
        assert_eq!(
            ["online", "OK", "Closed", "ERRORED", "ok ", ""].map(Status::of_word),
            [Some(Status::Online), Some(Status::Online), Some(Status::Closed), Some(Status::Errored), None, None,]
        );
        assert_eq!(Status::Errored.to_string(), "errored");
        assert_eq!(
            ["rcrs", "Rcrs-Log", "viewer-log", "feed", "fake"].map(ProviderType::of_word),
            [
                Some(ProviderType::Rcrs),
                Some(ProviderType::RcrsLog),
                Some(ProviderType::ViewerLog),
                Some(ProviderType::Feed),
                None,
            ]
        );
    }
}
