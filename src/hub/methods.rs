//! The table of methods: every call that can be made of this process, whoever deals with it, in whatever protocol it comes.
//!
//! Owns the words of each call, who deals with it, and the right that it needs. Everything else is derived: what `rpc.discover` tells, what
//! the dispatchers do, which control function is the same, which notification is worth nothing.

use crate::auth::Action;
use crate::c2sim::state::Trigger;
use crate::control::function::Function;
use crate::leco::methods::{Described, discover};
use crate::leco::name;

/// Whose a method is: the Coordinator's own, or that of a session by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Asked of `COORDINATOR`.
    Coordinator,
    /// Asked of `session:NAME`.
    Session,
    /// Asked of `DATA_COORDINATOR` or `LOG_COORDINATOR`.
    Channel,
}

/// What a caller must be, beside signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Anybody.
    Anybody,
    /// Anybody; where users are asked who they are, whoever may look on.
    Look,
    /// The same, who may sign in under that name.
    SignIn,
    /// The same, who may be the Coordinator of that node.
    BeNode,
    /// The same, who may join the session.
    Join,
    /// The same, who may control the Manager.
    Control,
    /// The same, who may make that session.
    MakeSession,
    /// The Coordinator of another node, signed in on this link.
    Node,
    /// The same, or who may administer.
    NodeOrAdmin,
    /// A member of the session, who may look on.
    Hear,
    /// A member of the session, who may follow it.
    Follow,
    /// A member of the session, who may control it.
    Trigger,
    /// On this machine, unless the configuration says otherwise.
    Admin,
    /// The same, for a call with `force`.
    AdminToForce,
}

impl Right {
    /// What a user must be permitted, where users are asked who they are. Pinging and parting are nobody's right.
    pub(super) const fn action(self) -> Option<Action> {
        match self {
            Self::Anybody => None,
            Self::Look | Self::Hear => Some(Action::Look),
            Self::SignIn => Some(Action::SignIn),
            Self::BeNode | Self::Node => Some(Action::BeNode),
            Self::Join | Self::Follow => Some(Action::Join),
            Self::Trigger => Some(Action::Trigger),
            Self::Control => Some(Action::Control),
            Self::MakeSession | Self::AdminToForce => Some(Action::MakeSession),
            Self::Admin | Self::NodeOrAdmin => Some(Action::Administer),
        }
    }
}

/// The calls, as the dispatchers tell them apart: by who deals with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Own(OwnCall),
    /// A node tells its whole list, which is taken in pieces.
    Record,
    Listing(ListingCall),
    Manager(ManagerCall),
    Sessions(SessionsCall),
    AtSession(AtSessionCall),
    Channel(ChannelCall),
    ChannelListing(ChannelListing),
}

/// What the Coordinator tells of that there may be much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListingCall {
    Discover,
    LocalComponents,
    GlobalComponents,
    Connections,
    Counters,
    /// Every shared session.
    Sessions,
    /// Those that somebody has made or uses, as controllers are shown them.
    ShownSessions,
}

/// What the Coordinator does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnCall {
    Pong,
    SetLogLevel,
    ShutDown,
    SignIn,
    SignOut,
    CoordinatorSignIn,
    CoordinatorSignOut,
    AddNodes,
    SendNodes,
    ChangeComponents,
    CompareComponents,
    RepeatComponents,
    RemoveExpiredAddresses,
    SendLinks,
    WhoAmI,
    May,
    Denials,
    Reload,
}

/// What the Manager does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ManagerCall {
    OpenProvider,
    CloseProvider,
    RefreshProvider,
    ConnectViewer,
    DisconnectViewer,
    Providers,
    Viewers,
    Manager,
    Errors,
    Logs,
    Play,
    OpenFeed,
    PushTimestep,
    Exit,
}

/// What is done with sessions as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionsCall {
    CreateSession,
    DeleteSession,
}

/// What a session does that is asked by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtSessionCall {
    Pong,
    Discover,
    Join,
    Resign,
    Info,
    Initialization,
    Members,
    Events,
    Pull,
    Ack,
    Copy,
}

/// What a channel does that is asked by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelCall {
    Pong,
    SetLogLevel,
    ShutDown,
    Connect,
    Disconnect,
    Gatherers,
    Addresses,
}

/// What a channel tells of that there may be much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelListing {
    Discover,
    Traffic,
}

const OWN_CALLS: usize = OwnCall::Reload as usize + 1;
const LISTING_CALLS: usize = ListingCall::ShownSessions as usize + 1;
const MANAGER_CALLS: usize = ManagerCall::Exit as usize + 1;
const SESSIONS_CALLS: usize = SessionsCall::DeleteSession as usize + 1;
const AT_SESSION: usize = OWN_CALLS + LISTING_CALLS + MANAGER_CALLS + SESSIONS_CALLS;
const AT_CHANNEL: usize = AT_SESSION + AtSessionCall::Copy as usize + 1;
const CHANNEL_LISTING: usize = AT_CHANNEL + ChannelCall::Addresses as usize + 1;
const RECORD: usize = CHANNEL_LISTING + ChannelListing::Traffic as usize + 1;
const CALLS: usize = RECORD + 1;

impl Call {
    const fn number(self) -> usize {
        match self {
            Self::Own(call) => call as usize,
            Self::Listing(call) => OWN_CALLS + call as usize,
            Self::Manager(call) => OWN_CALLS + LISTING_CALLS + call as usize,
            Self::Sessions(call) => OWN_CALLS + LISTING_CALLS + MANAGER_CALLS + call as usize,
            Self::AtSession(call) => AT_SESSION + call as usize,
            Self::Channel(call) => AT_CHANNEL + call as usize,
            Self::ChannelListing(call) => CHANNEL_LISTING + call as usize,
            Self::Record => RECORD,
        }
    }
}

/// A method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) call: Call,
    /// Name on the wire.
    pub(super) name: &'static str,
    /// What it does, in one sentence.
    pub(super) summary: &'static str,
    pub(super) at: At,
    /// Parameters: name, JSON type, whether it must be given.
    pub(super) params: &'static [(&'static str, &'static str, bool)],
    /// JSON type of the result.
    pub(super) result: &'static str,
    pub(super) right: Right,
    /// Nothing can come of it but its answer.
    pub(super) is_question: bool,
    /// It is about the link or the name of whoever calls, so it makes sense over LECO alone.
    pub(super) is_about_caller: bool,
    /// The control function that does the same.
    pub(super) function: Option<Function>,
}

impl Method {
    /// The method of this name.
    pub(super) fn find(at: At, name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.at == at && method.name == name)
    }

    /// The method that does what a control function does.
    pub(super) fn of_function(function: Function) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.function == Some(function))
    }

    /// Those of the Coordinator that can be called over HTTP.
    pub(super) fn over_web() -> impl Iterator<Item = &'static Self> {
        Self::told(At::Coordinator).filter(|method| !method.is_about_caller)
    }

    /// Whether it is answered to who may look on and has no name: it asks something, and does not matter who does.
    pub(super) const fn is_for_onlookers(&self) -> bool {
        matches!(self.right, Right::Anybody | Right::Look) && !self.is_about_caller
    }

    /// Those that are told of to who asks: all but the one that tells.
    pub(super) fn told(at: At) -> impl Iterator<Item = &'static Self> {
        METHODS.iter().filter(move |method| {
            method.at == at
                && !matches!(
                    method.call,
                    Call::Listing(ListingCall::Discover)
                        | Call::AtSession(AtSessionCall::Discover)
                        | Call::ChannelListing(ChannelListing::Discover)
                )
        })
    }
}

/// What `rpc.discover` tells of the methods at one place.
pub(super) fn described(title: &[u8], at: At) -> String {
    discover(&name::shown(title), Method::told(at).map(row), None)
}

/// The same of those that can be called over HTTP.
pub(super) fn described_for_web(title: &[u8]) -> String {
    discover(&name::shown(title), Method::over_web().map(row), Some(("HTTP", "rpc")))
}

const fn row(method: &Method) -> Described {
    Described { name: method.name, summary: method.summary, params: method.params, result: method.result }
}

/// Every method.
pub(super) const METHODS: &[Method] = &[
    own(OwnCall::Pong, "pong", "Answers, so that the caller knows that the link works.", &[], "null"),
    own(OwnCall::SetLogLevel, "set_log_level", "Sets the level of the log: DEBUG, INFO, WARNING, ERROR or CRITICAL.", &[("level", "string", true)], "null").needs(Right::Admin),
    own(OwnCall::ShutDown, "shut_down", "Signs out from all Coordinators and ends the program.", &[], "null").needs(Right::Admin),
    own(OwnCall::SignIn, "sign_in", "Signs the sender in under its component name; with suggest, a taken name is answered with a free variation.", &[("suggest", "boolean", false)], "null").about_caller().needs(Right::SignIn),
    own(OwnCall::SignOut, "sign_out", "Signs the sender out.", &[], "null").about_caller(),
    own(OwnCall::CoordinatorSignIn, "coordinator_sign_in", "Signs the sending Coordinator in.", &[], "null").about_caller().needs(Right::BeNode),
    own(OwnCall::CoordinatorSignOut, "coordinator_sign_out", "Signs the sending Coordinator out.", &[], "null").about_caller(),
    own(OwnCall::AddNodes, "add_nodes", "Signs in at every node that is not known yet; maps namespace to host:port.", &[("nodes", "object", true)], "null").needs(Right::NodeOrAdmin),
    own(OwnCall::SendNodes, "send_nodes", "Namespace and address of every known node.", &[], "object").question().needs(Right::Look),
    own(OwnCall::SendLinks, "send_links", "Every other node that is known, linked or not: state is both, out, in or down, since_s says for how long, rtt_ms how long the last sign of life took (null: none yet).", &[], "array").question().needs(Right::Look),
    method(Call::Record, At::Coordinator, ["record_components", "Stores the component names of the sending Coordinator's node; with number differences may follow; recent says who has come and signed out lately.", "null"], &[("components", "array", true), ("number", "integer", false), ("recent", "object", false)]).needs(Right::Node).about_caller(),
    own(OwnCall::ChangeComponents, "change_components", "Changes the stored names to the list of this number, which must be the next one.", &[("number", "integer", true), ("added", "array", true), ("removed", "array", true), ("signed_out", "array", false), ("anew", "array", false)], "null").needs(Right::Node).about_caller(),
    own(OwnCall::CompareComponents, "compare_components", "Compares the stored names with the list of this number by its digest, and asks for it where they differ.", &[("number", "integer", true), ("digest", "string", true)], "null").needs(Right::Node).about_caller(),
    own(OwnCall::RepeatComponents, "repeat_components", "Has this node's names and nodes sent to the sending Coordinator again.", &[], "null").needs(Right::Node).about_caller(),
    listing(ListingCall::LocalComponents, "send_local_components", "Names of the components of this node.", &[], "array").question().needs(Right::Look),
    listing(ListingCall::GlobalComponents, "send_global_components", "Namespace and component names of every known node; an entry without namespace says what was left out.", &[], "object").question().needs(Right::Look),
    own(OwnCall::RemoveExpiredAddresses, "remove_expired_addresses", "Cleans the directory: asks components silent for expiration_time (s), removes those silent three times as long.", &[("expiration_time", "number", true)], "null").needs(Right::Admin),
    of_manager(ManagerCall::OpenProvider, "open_provider", "Opens a live kernel by address or a log file below log_dir as a provider; a kernel with keep is waited for, however often it ends.", &[("address", "object", false), ("logfilename", "string", false), ("keep", "boolean", false)], "object").is_function(Function::Open).needs(Right::Control),
    of_manager(ManagerCall::CloseProvider, "close_provider", "Closes providers, and the sessions that Connect made for them; a named session stays, without a provider.", &[("provider", "array", true)], "null").is_function(Function::Close).needs(Right::Control),
    of_manager(ManagerCall::RefreshProvider, "refresh_provider", "Connects live kernels anew; all of them without a list.", &[("provider", "array", false)], "object").is_function(Function::Refresh).needs(Right::Control),
    of_manager(ManagerCall::ConnectViewer, "connect_viewer", "Brings a viewer into the session of a provider.", &[("viewer", "integer", true), ("provider", "integer", true)], "object").is_function(Function::Connect).needs(Right::Control),
    of_manager(ManagerCall::DisconnectViewer, "disconnect_viewer", "Takes viewers out of their sessions.", &[("viewer", "array", true)], "null").is_function(Function::Disconnect).needs(Right::Control),
    of_manager(ManagerCall::Providers, "providers", "Describes providers.", &[("provider", "array", false)], "object").question().is_function(Function::GetProviderInformation).needs(Right::Look),
    of_manager(ManagerCall::Viewers, "viewers", "Describes viewers.", &[("viewer", "array", false)], "object").question().is_function(Function::GetViewerInformation).needs(Right::Look),
    listing(ListingCall::ShownSessions, "sessions", "Describes sessions.", &[("session", "array", false)], "object").question().is_function(Function::GetSessionInformation).needs(Right::Look),
    of_manager(ManagerCall::Manager, "manager", "Describes the Manager.", &[], "object").question().is_function(Function::GetManagerInformation).needs(Right::Look),
    of_manager(ManagerCall::Errors, "errors", "The Manager's error list.", &[], "object").question().is_function(Function::GetErrorList).needs(Right::Look),
    of_manager(ManagerCall::Logs, "logs", "The files below log_dir by the names that open_provider takes, with their sizes in bytes; open_provider says of one if it is no log. more says that there are others.", &[], "object").question().needs(Right::Look),
    of_manager(ManagerCall::Play, "play", "Has a log played at so many times its own speed, or from the timestep of a time on.", &[("provider", "integer", true), ("speed", "number", false), ("time", "integer", false)], "object").needs(Right::Control),
    of_manager(ManagerCall::OpenFeed, "open_feed", "Opens a provider whose timesteps the caller pushes; it is played, recorded and shown like any other.", &[("name", "string", true)], "object").needs(Right::Control),
    of_manager(ManagerCall::PushTimestep, "push_timestep", "Shows a timestep of a feed: record is what viewers are sent (time, world, map, config, changes, commands), as JSON or as MsgPack in base64. A record with a world begins a run, last ends it. Answers the timestep and how many look on.", &[("provider", "integer", true), ("record", "object", true), ("time", "integer", false), ("last", "boolean", false)], "object").needs(Right::Control),
    of_manager(ManagerCall::Exit, "exit", "Ends the program, as shut_down does.", &[], "null").needs(Right::Admin).is_function(Function::Exit),
    of_sessions(SessionsCall::CreateSession, "create_session", "Makes a shared session, or gives one other words, options or a provider.", &[
            ("name", "string", true),
            ("schema", "string", false),
            ("display_name", "string", false),
            ("description", "string", false),
            ("provider", "integer", false),
            ("paused_allows", "string", false),
            ("share_guard", "string", false),
            ("init_merge", "string", false),
            ("unknown_bodies", "string", false),
        ], "object").needs(Right::MakeSession).is_function(Function::CreateSession),
    of_sessions(SessionsCall::DeleteSession, "delete_session", "Ends a shared session; with force even if it is in use.", &[("name", "string", true), ("force", "boolean", false)], "null").needs(Right::AdminToForce),
    listing(ListingCall::Sessions, "send_sessions", "Describes every shared session.", &[], "array").question().needs(Right::Look),
    listing(ListingCall::Counters, "send_counters", "Every counter of this process: connections, messages, refusals and their reasons.", &[], "object").question().needs(Right::Look),
    listing(ListingCall::Connections, "send_connections", "The connections of this process that have most of what by names (waiting_bytes, held_ms, drops, messages_in, messages_out, bytes_in, bytes_out, heard_ms, age_s, key), at the most so many; name is a part of a name or address.", &[("by", "string", false), ("most", "integer", false), ("name", "string", false)], "object").question().is_function(Function::GetConnectionInformation).needs(Right::Look),
    own(OwnCall::WhoAmI, "whoami", "Who the caller is, and what it may, where users are asked who they are (auth); may_sign_in: whether it may have the name that it asks by.", &[], "object"),
    own(OwnCall::May, "may", "Whether a user may do this, and the line of the rules that decides; user is a name or a public key, action the name of a method, or send, orders, reports, initialization or other.", &[("user", "string", true), ("action", "string", true), ("target", "string", false)], "object").needs(Right::Admin),
    own(OwnCall::Denials, "denials", "The last refusals: who was not let do what, and how often.", &[], "object").needs(Right::Admin),
    own(OwnCall::Reload, "reload", "Reads settings and users anew, as SIGHUP does; answers what was taken and what needs a new start. Where anything is wrong all stays as it was.", &[], "object").needs(Right::Admin),
    listing(ListingCall::Discover, "rpc.discover", "Describes the methods.", &[], "object").question().needs(Right::Look),
    of_session(AtSessionCall::Join, "join", "Joins the session for a C2SIM system; format is xml or json; with after, the events since then come along.", &[("system", "string", false), ("format", "string", false), ("after", "integer", false)], "object").about_caller().needs(Right::Join),
    of_session(AtSessionCall::Resign, "resign", "Leaves the session.", &[], "null").about_caller().needs(Right::Join),
    of_session(AtSessionCall::Info, "info", "State, options and size of the session.", &[], "object").question().needs(Right::Look),
    of_session(AtSessionCall::Initialization, "initialization", "The initialization that was shared, as a C2SIM document.", &[], "string").question().needs(Right::Look),
    of_session(AtSessionCall::Members, "members", "Who has joined, and who has followed.", &[], "object").question().needs(Right::Look),
    of_session(AtSessionCall::Ack, "ack", "Says that the sender has followed the event of this number.", &[("seq", "integer", true)], "null").needs(Right::Follow).about_caller(),
    of_session(AtSessionCall::Events, "events", "The events behind this number, as far as they are kept.", &[("after", "integer", false)], "object").needs(Right::Hear).question(),
    of_session(AtSessionCall::Copy, "send_copy", "A piece of the session as it is kept: its record; with the stamp of that members behind member, the document of this number in a frame of its own, or the events behind event. changed: begin anew.", &[("stamp", "integer", false), ("member", "string", false), ("document", "integer", false), ("event", "integer", false)], "object").needs(Right::Admin).about_caller(),
    trigger("submit_initialization", "Begins to collect initialization: to INITIALIZING."),
    trigger("initialization_complete", "Says that the sender's system is done with initialization.").needs(Right::Follow),
    trigger("share_scenario", "Shares the initialization with all members: to INITIALIZED."),
    trigger("start_scenario", "Starts: to RUNNING."),
    trigger("pause_scenario", "Pauses: to PAUSED."),
    trigger("resume_scenario", "Goes on after a pause: to RUNNING."),
    trigger("stop_scenario", "Stops, keeping the initialization: to INITIALIZED."),
    trigger("reset_scenario", "Discards the initialization: to UNINITIALIZED."),
    of_session(AtSessionCall::Pong, "pong", "Answers, so that the caller knows that the link works.", &[], "null"),
    of_session(AtSessionCall::Discover, "rpc.discover", "Describes the methods.", &[], "object").question().needs(Right::Look),
    of_channel(Call::Channel(ChannelCall::Pong), "pong", "Answers, so that the caller knows that the link works.", &[], "null"),
    of_channel(Call::Channel(ChannelCall::SetLogLevel), "set_log_level", "Sets the level of the log: DEBUG, INFO, WARNING, ERROR or CRITICAL.", &[("level", "string", true)], "null").needs(Right::Admin),
    of_channel(Call::Channel(ChannelCall::ShutDown), "shut_down", "Switches the channel off until the program starts again.", &[], "null").needs(Right::Admin),
    of_channel(Call::Channel(ChannelCall::Connect), "connect_to_gatherer", "Connects to the gatherer of another node, host:port, and stays connected.", &[("address", "string", true)], "null").needs(Right::Admin),
    of_channel(Call::Channel(ChannelCall::Disconnect), "disconnect_from_gatherer", "Disconnects from a gatherer.", &[("address", "string", true)], "null").needs(Right::Admin),
    of_channel(Call::Channel(ChannelCall::Gatherers), "list_gatherers", "The gatherers of other nodes that the channel is connected to, or tries to be.", &[], "array").question().needs(Right::Look),
    of_channel(Call::Channel(ChannelCall::Addresses), "send_data_addresses", "The ports of the channel: of publishers, of other nodes, of subscribers. Who says under which topic it means to publish, or what it means to subscribe to, is told -32001 if it may not.", &[("publish", "string", false), ("subscribe", "string", false)], "object").question().needs(Right::Look),
    of_channel(Call::ChannelListing(ChannelListing::Traffic), "send_traffic", "Who publishes and who subscribes, to which topics, with numbers of messages and of drops.", &[], "object").question().needs(Right::Look),
    of_channel(Call::ChannelListing(ChannelListing::Discover), "rpc.discover", "Describes the methods.", &[], "object").question().needs(Right::Look),
];

type Parameters = &'static [(&'static str, &'static str, bool)];

const fn method(call: Call, at: At, texts: [&'static str; 3], params: Parameters) -> Method {
    let [name, summary, result] = texts;
    Method {
        call,
        name,
        summary,
        at,
        params,
        result,
        right: Right::Anybody,
        is_question: false,
        is_about_caller: false,
        function: None,
    }
}

const fn listing(
    call: ListingCall,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(Call::Listing(call), At::Coordinator, [name, summary, result], params)
}

const fn own(
    call: OwnCall,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(Call::Own(call), At::Coordinator, [name, summary, result], params)
}

const fn of_manager(
    call: ManagerCall,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(Call::Manager(call), At::Coordinator, [name, summary, result], params)
}

const fn of_sessions(
    call: SessionsCall,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(Call::Sessions(call), At::Coordinator, [name, summary, result], params)
}

const fn of_session(
    call: AtSessionCall,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(Call::AtSession(call), At::Session, [name, summary, result], params)
}

const fn of_channel(
    call: Call,
    name: &'static str,
    summary: &'static str,
    params: Parameters,
    result: &'static str,
) -> Method {
    method(call, At::Channel, [name, summary, result], params)
}

/// The triggers are those of the C2SIM flow control document.
const fn trigger(name: &'static str, summary: &'static str) -> Method {
    of_session(AtSessionCall::Pull, name, summary, &[("at", "integer", false)], "object")
        .needs(Right::Trigger)
        .is_function(Function::Trigger)
}

impl Method {
    const fn needs(mut self, right: Right) -> Self {
        self.right = right;
        self
    }

    const fn about_caller(mut self) -> Self {
        self.is_about_caller = true;
        self
    }

    const fn question(mut self) -> Self {
        self.is_question = true;
        self
    }

    const fn is_function(mut self, function: Function) -> Self {
        self.function = Some(function);
        self
    }
}

#[expect(clippy::indexing_slicing, reason = "a mistake in the table does not compile")]
const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut n = 0;
    while n < a.len() {
        if a[n] != b[n] {
            return false;
        }
        n += 1;
    }
    true
}

// Every call has a row, no two methods at one place have the same name, and every trigger is one.
#[expect(clippy::indexing_slicing, reason = "a mistake in the table does not compile")]
const _: () = {
    let mut has_row = [false; CALLS];
    let mut n = 0;
    while n < METHODS.len() {
        has_row[METHODS[n].call.number()] = true;
        let mut other = n + 1;
        while other < METHODS.len() {
            let is_twice =
                METHODS[n].at as u8 == METHODS[other].at as u8 && is_same(METHODS[n].name, METHODS[other].name);
            assert!(!is_twice, "a name is one method's");
            other += 1;
        }
        n += 1;
    }
    let mut call = 0;
    while call < CALLS {
        assert!(has_row[call], "every call has a row");
        call += 1;
    }
    let mut trigger = 0;
    while trigger < Trigger::ALL.len() {
        let (mut row, mut found) = (0, false);
        while row < METHODS.len() {
            found |= METHODS[row].call.number() == Call::AtSession(AtSessionCall::Pull).number()
                && is_same(METHODS[row].name, Trigger::ALL[trigger].method());
            row += 1;
        }
        assert!(found, "every trigger is a method");
        trigger += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_function_is_a_method() {
        for id in (1..=4).chain(101..=103).chain(201..=208).filter(|id| *id != 207) {
            let function = Function::of_id(id).unwrap();
            assert!(Method::of_function(function).is_some(), "{}", function.name());
        }
    }

    #[test]
    fn what_only_asks_answers_something_and_what_needs_a_right_does_more_than_ask() {
        for method in METHODS {
            if method.is_question {
                assert_ne!(method.result, "null", "{}", method.name);
                assert!(matches!(method.right, Right::Look | Right::Hear), "{}", method.name);
            }
        }
    }

    #[test]
    fn a_method_is_found_where_it_is_asked_and_only_there() {
        assert_eq!(Method::find(At::Coordinator, "pong").map(|method| method.call), Some(Call::Own(OwnCall::Pong)));
        let start = Method::find(At::Session, "start_scenario").map(|method| method.call);
        assert_eq!(start, Some(Call::AtSession(AtSessionCall::Pull)));
        assert!(Method::find(At::Session, "shut_down").is_none() && Method::find(At::Coordinator, "join").is_none());
        assert!(Method::told(At::Coordinator).all(|method| method.name != "rpc.discover"));
    }
}
