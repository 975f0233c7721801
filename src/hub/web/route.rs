//! What a request asks for, by its method and its path.

use std::borrow::Cow;

use crate::http::method::Method;
use crate::http::target::{BadEscape, Target};
use crate::limits::{HTTP_BODY_BYTES_MAX, RPC_BYTES_MAX};
use crate::web::File;

use super::command::Task;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Route {
    /// What happens at this node, as it happens.
    Events,
    /// The page.
    Home,
    /// A file of it.
    File(&'static File),
    /// Whether the process is well.
    Health,
    /// Every number, for Prometheus.
    Metrics,
    /// The description of the interface of sessions.
    OpenApi,
    /// The description of the methods that [`Route::Rpc`] has.
    OpenRpc,
    /// A call of this Coordinator.
    Rpc,
    /// A call of the Component, or the session, of this name.
    RpcAt(Box<str>),
    /// What other servers of C2SIM tidy up when asked, and this one by itself.
    Cleanup,
    /// All sessions.
    Sessions,
    /// To make a session of this name, or to give one other words.
    Create(Box<str>),
    /// Something of the session of this name.
    Session(Box<str>, Action),
    /// The stream of a session.
    Stream(Box<str>),
    /// The protocol of viewers.
    Viewer,
    /// Something of the interface of commands.
    Task(Task),
    /// Something that the interface of sessions does not have.
    UnknownOfApi,
    /// Before a page's request: whether it may.
    Options,
    /// A page of another server asks, and may not.
    Foreign,
    /// A client of this machine names a host that is not ours.
    Misled,
    /// What there is only for these other methods.
    OnlyBy(&'static str),
    /// An escape in the path that is none, or a name of a session that cannot be one.
    Malformed,
    /// Nothing that there is.
    Unknown,
}

/// What is asked for of a session (c2sim-http, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Action {
    Join,
    Resign,
    Info,
    Endpoints,
    Initialization,
    Send,
    Delete,
}

impl Action {
    /// The paths that lead to it, as one.
    const fn pattern(self) -> &'static str {
        match self {
            Self::Join => "/api/c2sim/session/{sharedSessionName}/join",
            Self::Resign => "/api/c2sim/session/{sharedSessionName}/resign",
            Self::Info => "/api/c2sim/session/{sharedSessionName}/info",
            Self::Endpoints => "/api/c2sim/session/{sharedSessionName}/stream-endpoints",
            Self::Initialization => "/api/c2sim/session/{sharedSessionName}/initialization",
            Self::Send => "/api/c2sim/session/{sharedSessionName}/send",
            Self::Delete => "/api/c2sim/session/{sharedSessionName}",
        }
    }

    const fn of(method: Method, word: Option<&str>) -> Option<Self> {
        Some(match (method, word) {
            (Method::Delete, None) => Self::Delete,
            (_, None) => return None,
            (method, Some(word)) => match (method, word.as_bytes()) {
                (Method::Post, b"join") => Self::Join,
                (Method::Post, b"resign") => Self::Resign,
                (Method::Post, b"send") => Self::Send,
                (Method::Get | Method::Head, b"info") => Self::Info,
                (Method::Get | Method::Head, b"stream-endpoints") => Self::Endpoints,
                (Method::Get | Method::Head, b"initialization") => Self::Initialization,
                _ => return None,
            },
        })
    }
}

/// What is asked for by a path of the interface of commands, without its first segment.
fn task(is_read: bool, method: Method, rest: &[&str]) -> Option<Task> {
    Some(match rest {
        [] if is_read => Task::Probe,
        ["status"] if is_read => Task::Status,
        [word] if method == Method::Post => match word.as_bytes() {
            b"c2sim" => Task::Document,
            b"command" => Task::Command,
            b"stats" => Task::Statistics,
            b"cyber" => Task::Cyber,
            _ => return None,
        },
        _ => return None,
    })
}

/// No path here has more segments than one less.
const SEGMENTS_MAX: usize = 7;

/// The segments of a path, and how many there are; more than any path here has end in one that matches nothing.
fn segments<'a>(target: &Target<'a>) -> Result<([Cow<'a, str>; SEGMENTS_MAX], usize), BadEscape> {
    let (mut segments, mut count) = ([const { Cow::Borrowed("") }; SEGMENTS_MAX], 0);
    for (place, segment) in segments.iter_mut().zip(target.segments()) {
        *place = segment?;
        count += 1;
    }
    Ok((segments, count))
}

impl Route {
    /// By method and path. A path that other servers of C2SIM have, too, is with another method as unknown as one that there is not: so they take it.
    pub(super) fn of(method: Method, target: &Target<'_>) -> Self {
        if method == Method::Options {
            return Self::Options;
        }
        let Ok((segments, count)) = segments(target) else { return Self::Malformed };
        let mut words = [""; SEGMENTS_MAX];
        words.iter_mut().zip(&segments).for_each(|(word, segment)| *word = segment);
        let is_read = matches!(method, Method::Get | Method::Head);
        match *words.get(..count).unwrap_or_default() {
            ["api", "c2sim", "session", "list"] if is_read => Self::Sessions,
            ["api", "c2sim", "session", name, "create"] if method == Method::Put => Self::Create(name.into()),
            ["api", "c2sim", "session", name, "ws"] if is_read => Self::Stream(name.into()),
            ["api", "c2sim", "session", name, ref rest @ ..] if rest.len() < 2 => {
                match Action::of(method, rest.first().copied()) {
                    Some(action) => Self::Session(name.into(), action),
                    None => Self::UnknownOfApi,
                }
            }
            ["api", ..] => Self::UnknownOfApi,
            ["C2SIMServer", ref rest @ ..] => task(is_read, method, rest).map_or(Self::Unknown, Self::Task),
            // Where other servers of C2SIM have one of their own.
            [] | ["status"] if is_read => Self::Home,
            ["page", name] if is_read => File::find(name).map_or(Self::Unknown, Self::File),
            ["health"] if is_read => Self::Health,
            ["metrics"] if is_read => Self::Metrics,
            ["openapi.yaml"] if is_read => Self::OpenApi,
            ["openrpc.json"] if is_read => Self::OpenRpc,
            ["events"] if method == Method::Get => Self::Events,
            ["rpc"] if method == Method::Post => Self::Rpc,
            ["rpc", name] if method == Method::Post => Self::RpcAt(name.into()),
            ["cleanup"] if is_read => Self::Cleanup,
            ["viewer"] if is_read => Self::Viewer,
            ["rpc"] | ["rpc", _] => Self::OnlyBy("POST"),
            ["events"] => Self::OnlyBy("GET"),
            ["openrpc.json" | "viewer"] | ["page", _] => Self::OnlyBy("GET, HEAD"),
            _ => Self::Unknown,
        }
    }

    /// The paths that lead here, as one: names that clients choose are not in it.
    pub(super) const fn pattern(&self) -> &'static str {
        match self {
            Self::Events => "/events",
            Self::Home => "/",
            Self::File(_) => "/page/{file}",
            Self::Health => "/health",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.yaml",
            Self::OpenRpc => "/openrpc.json",
            Self::Rpc => "/rpc",
            Self::RpcAt(_) => "/rpc/{name}",
            Self::Cleanup => "/cleanup",
            Self::Sessions => "/api/c2sim/session/list",
            Self::Create(_) => "/api/c2sim/session/{sharedSessionName}/create",
            Self::Session(_, action) => action.pattern(),
            Self::Stream(_) => "/api/c2sim/session/{sharedSessionName}/ws",
            Self::Viewer => "/viewer",
            Self::Task(task) => task.pattern(),
            Self::UnknownOfApi => "/api/{unknown}",
            Self::Options | Self::Foreign | Self::Misled | Self::OnlyBy(_) | Self::Malformed | Self::Unknown => "other",
        }
    }

    /// Whether it is for a WebSocket alone.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Viewer)
    }

    /// Whether it is what our own page asks, or else needs to be on this machine: no page of another server is to be let in by a trick. Clients
    /// of C2SIM are no browsers, and may call their server what they like.
    pub(super) const fn is_for_pages(&self) -> bool {
        matches!(
            self,
            Self::Home
                | Self::File(_)
                | Self::Rpc
                | Self::RpcAt(_)
                | Self::OpenRpc
                | Self::Events
                | Self::Viewer
                | Self::Session(_, Action::Delete)
        )
    }

    /// The name of the session that it is about, if it is.
    pub(in crate::hub) fn session(&self) -> &str {
        if let Self::Create(name) | Self::Session(name, _) | Self::Stream(name) = self { name } else { "" }
    }

    /// Whether its body is a document, or a form with one.
    pub(super) const fn brings_document(&self) -> bool {
        matches!(self, Self::Session(_, Action::Send) | Self::Task(Task::Document))
    }

    /// Whether a long answer to it goes in pieces: there is a client that cannot read it otherwise.
    pub(super) const fn wants_pieces(&self) -> bool {
        matches!(self, Self::Task(_))
    }

    /// Whether it is answered as others are even if its body is too long.
    pub(super) const fn answers_too_long(&self) -> bool {
        matches!(self, Self::Task(_) | Self::Session(_, Action::Send))
    }

    /// Bytes that the body of such a request may have, where a document may have `document_bytes_max`.
    pub(super) const fn body_bytes_max(&self, document_bytes_max: u64) -> u64 {
        if self.brings_document() {
            document_bytes_max + HTTP_BODY_BYTES_MAX
        } else if matches!(self, Self::Rpc | Self::RpcAt(_)) {
            RPC_BYTES_MAX as u64
        } else {
            // Where nobody looks at it clients send one all the same.
            HTTP_BODY_BYTES_MAX
        }
    }
}
