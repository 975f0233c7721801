//! Connections that speak STOMP: what each has agreed upon and subscribes to, and how it is answered.
//!
//! Owns the machine of each connection. Where its subscriptions lead, and what becomes of what it sends, is found out by others, who name
//! the connection by its peer's key. It must not know sessions, Components or any other owner.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::auth::is_token;
use crate::config::Config;
use crate::limits::{STOMP_CONNECTIONS_MAX, STOMP_SUBSCRIPTIONS_MAX};
use crate::stomp::command::Command;
use crate::stomp::connect::Agreed;
use crate::stomp::frame::{Frame, Step};
use crate::stomp::reply::{error, receipt};
use crate::stomp::selector::Selector;
use crate::stomp::version::Version;

use super::cause::Cause;
use super::events::Parting;
use super::keys::PeerKey;
use super::peers::{PeerTimer, Peers, Role, Share, is_loopback, share_of};

use connection::Connection;

/// What we are called in CONNECTED.
const SERVER: &str = concat!("instep/", env!("CARGO_PKG_VERSION"));

/// What a connection's bytes came to.
#[derive(Debug)]
pub(super) enum Came<'a> {
    /// At least so many more are needed.
    Need(usize),
    /// So many are dealt with.
    Used(usize),
    /// The connection is read no more.
    Over,
    /// So many are a frame that is for others to deal with.
    Frame { len: usize, wish: Wish<'a> },
}

/// What a frame asks for.
#[derive(Debug)]
pub(super) enum Wish<'a> {
    /// To hear of a destination from now on.
    Subscribe { subscription: Subscription, receipt: Option<Box<str>> },
    /// Not to hear any more by the subscription of this name.
    Unsubscribe { id: Box<str>, receipt: Option<Box<str>> },
    /// To hand something in.
    Send(Frame<'a>),
    /// To part in good order.
    Disconnect { receipt: Option<Box<str>> },
}

/// What is wanted of a destination.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: Box<str>,
    pub(super) destination: Box<str>,
    pub(super) selector: Option<Selector>,
    /// Bytes that it keeps, about.
    pub(super) bytes: usize,
    /// What the client speaks.
    pub(super) version: Version,
}

/// All connections of this kind. See the module's documentation.
#[derive(Debug)]
pub(super) struct Topic {
    connections: BTreeMap<PeerKey, Box<Connection>>,
    /// What a client that has a passcode must have for one; empty: anything.
    passcode: Box<str>,
    /// How many there have been.
    made: u64,
    /// Scratch for answers.
    out: Vec<u8>,
}

impl Topic {
    pub(super) fn new(config: &Config) -> Self {
        Self { connections: BTreeMap::new(), passcode: config.gmu_password.as_str().into(), made: 0, out: Vec::new() }
    }

    /// A connection came in. Where there are too many, in all or from its machine, it is told so and ends.
    pub(super) fn came(&mut self, peers: &mut Peers, key: PeerKey) {
        let crowd = self.crowd(peers, key);
        self.made += 1;
        self.connections.insert(key, Box::new(Connection::new(self.made)));
        if let Some(crowd) = crowd {
            peers.counters.connections_refused += 1;
            self.fail(peers, key, crowd, "", None);
        }
    }

    /// What there are too many of for one more.
    fn crowd(&self, peers: &Peers, key: PeerKey) -> Option<&'static str> {
        if self.connections.len() >= STOMP_CONNECTIONS_MAX {
            return Some("there are too many connections of STOMP");
        }
        let share = |key: PeerKey| peers.get(key).and_then(|peer| peer.share);
        let ours = share(key)?;
        let is_shared = !matches!(ours, Share::Nobody) && !peers.get(key).is_some_and(|peer| is_loopback(peer.remote));
        let of_it = self.connections.keys().filter(|other| share(**other) == Some(ours));
        (is_shared && of_it.count() >= share_of(STOMP_CONNECTIONS_MAX))
            .then_some("this machine has its share of the connections of STOMP")
    }

    /// It is gone.
    pub(super) fn left(&mut self, key: PeerKey) {
        self.connections.remove(&key);
    }

    // ---- In ----

    /// Looks at what `buffer`, the connection's bytes that are not dealt with yet, begins with. A frame that is for others begins it again
    /// until its bytes are taken away.
    pub(super) fn next<'a>(&mut self, peers: &mut Peers, key: PeerKey, buffer: &'a [u8]) -> Came<'a> {
        let Some(connection) = self.connections.get_mut(&key) else { return Came::Over };
        match connection.frames.next(buffer, peers.config.document_bytes_max) {
            Ok(Step::Need(n)) => Came::Need(n),
            Ok(Step::Skip { len }) => Came::Used(len),
            Ok(Step::Frame { len, frame }) => self.frame(peers, key, len, frame),
            Err(fault) => {
                self.fail(peers, key, &fault.to_string(), "", None);
                Came::Over
            }
        }
    }

    fn frame<'a>(&mut self, peers: &mut Peers, key: PeerKey, len: usize, frame: Frame<'a>) -> Came<'a> {
        let Some(connection) = self.connections.get(&key) else { return Came::Over };
        let wanted: Option<Box<str>> = frame.header("receipt").map(|receipt| (&*receipt).into());
        let wrong = match (frame.command, connection.agreed) {
            (Command::Connect, None) => return self.connect(peers, key, len, &frame),
            (Command::Connect, Some(_)) => "the connection has begun already",
            (_, None) => "CONNECT comes first",
            (Command::Begin | Command::Commit | Command::Abort, Some(_)) => "transactions are not supported",
            (Command::Send, Some(_)) => return Came::Frame { len, wish: Wish::Send(frame) },
            (Command::Disconnect, Some(_)) => return Came::Frame { len, wish: Wish::Disconnect { receipt: wanted } },
            (Command::Unsubscribe, Some(_)) => match frame.header("id").or_else(|| frame.header("destination")) {
                Some(id) => {
                    return Came::Frame { len, wish: Wish::Unsubscribe { id: (&*id).into(), receipt: wanted } };
                }
                None => "UNSUBSCRIBE has an id",
            },
            (Command::Ack | Command::Nack, Some(_)) => {
                // Nothing is ever given twice.
                self.receipt(peers, key, wanted.as_deref());
                return Came::Used(len);
            }
            (Command::Subscribe, Some(agreed)) => match subscription(&frame, agreed.version) {
                Ok(_) if connection.subscriptions.len() >= STOMP_SUBSCRIPTIONS_MAX => "too many subscriptions",
                Ok(subscription) => {
                    return Came::Frame { len, wish: Wish::Subscribe { subscription, receipt: wanted } };
                }
                Err(why) => {
                    self.fail(peers, key, &why, "", wanted.as_deref());
                    return Came::Over;
                }
            },
        };
        self.fail(peers, key, wrong, "", wanted.as_deref());
        Came::Over
    }

    fn connect<'a>(&mut self, peers: &mut Peers, key: PeerKey, len: usize, frame: &Frame<'_>) -> Came<'a> {
        let passcode = frame.header("passcode").unwrap_or_default();
        if let Err(why) = log_in(peers, key, frame.header("login").as_deref(), &passcode) {
            peers.note_stranger(key, "log in", why);
            self.fail(peers, key, why, "login is a user or ?, passcode its token", None);
            return Came::Over;
        }
        if peers.users.is_off() && !self.passcode.is_empty() && !passcode.is_empty() && *passcode != *self.passcode {
            self.fail(peers, key, "the passcode is wrong", "", None);
            return Came::Over;
        }
        let agreed = match Agreed::upon(frame) {
            Ok(agreed) => agreed,
            Err(fault) => {
                self.fail(peers, key, &fault.to_string(), "", None);
                return Came::Over;
            }
        };
        let Some(connection) = self.connections.get_mut(&key) else { return Came::Over };
        connection.agreed = Some(agreed);
        connection.frames.speak(agreed.version);
        self.out.clear();
        agreed.answer(&mut self.out, SERVER, &format!("s-{}", connection.number));
        peers.first_request(key);
        peers.send_plain(key, &self.out);
        if let Some(beat) = agreed.beat {
            peers.set_peer_timer(key, PeerTimer::Life, beat);
        }
        Came::Used(len)
    }

    // ---- What others have found out ----

    /// A subscription leads somewhere.
    pub(super) fn subscribed(&mut self, key: PeerKey, id: Box<str>) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.subscriptions.push(id);
        }
    }

    /// One ends, or several of the same name.
    pub(super) fn unsubscribed(&mut self, key: PeerKey, id: &str) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.subscriptions.retain(|known| **known != *id);
        }
    }

    /// What was sent waits until what it changes is durable, and is answered then, if it wants a receipt.
    pub(super) fn waits(&mut self, key: PeerKey, receipt: Option<&str>) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.receipt = receipt.map(Box::from);
        }
    }

    /// The receipt that is wanted for what has waited.
    pub(super) fn waited(&mut self, key: PeerKey) -> Option<Box<str>> {
        self.connections.get_mut(&key)?.receipt.take()
    }

    // ---- Out ----

    fn version(&self, key: PeerKey) -> Version {
        let agreed = self.connections.get(&key).and_then(|connection| connection.agreed);
        agreed.map_or(Version::V1_0, |agreed| agreed.version)
    }

    /// Says that a frame was dealt with, if that is wanted.
    pub(super) fn receipt(&mut self, peers: &mut Peers, key: PeerKey, id: Option<&str>) {
        let Some(id) = id else { return };
        let version = self.version(key);
        self.out.clear();
        receipt(&mut self.out, version, id);
        peers.send_plain(key, &self.out);
    }

    /// Says what is wrong, and ends the connection.
    pub(super) fn fail(&mut self, peers: &mut Peers, key: PeerKey, message: &str, text: &str, receipt: Option<&str>) {
        peers.counters.stomp_errors += 1;
        if peers.may_log()
            && let Some(peer) = peers.get(key)
        {
            log::debug!("{}: {message}", peer.remote);
        }
        self.say_error(peers, key, message, text, receipt);
        peers.finish(key, Cause::Answered);
    }

    fn say_error(&mut self, peers: &mut Peers, key: PeerKey, message: &str, text: &str, receipt: Option<&str>) {
        let version = self.version(key);
        self.out.clear();
        error(&mut self.out, version, message, text, receipt);
        peers.send_plain(key, &self.out);
    }

    /// Its client parts in good order.
    pub(super) fn part(&mut self, peers: &mut Peers, key: PeerKey, receipt: Option<&str>) {
        self.receipt(peers, key, receipt);
        peers.finish(key, Cause::Answered);
    }

    /// Its client is told nothing more of a session.
    pub(super) fn stream_over(&mut self, peers: &mut Peers, key: PeerKey, why: Parting) {
        if !self.connections.contains_key(&key) {
            return;
        }
        let message = match why {
            Parting::Slow => "too slow: the session has more for this client than there is room for",
            Parting::Deleted => "the session was deleted",
            Parting::Forbidden => "not permitted",
            Parting::Resigned | Parting::Replaced | Parting::Silent => return,
        };
        self.say_error(peers, key, message, "", None);
        // What one that is too slow has not taken it never will.
        peers.finish(key, if why == Parting::Slow { Cause::Notice } else { Cause::Answered });
    }

    /// The process ends.
    pub(super) fn say_restart(&mut self, peers: &mut Peers) {
        let connected = self.connections.iter().filter(|(_, connection)| connection.agreed.is_some());
        for key in connected.map(|(key, _)| *key).collect::<Vec<_>>() {
            if peers.is_open(key) {
                self.say_error(peers, key, "the server stops", "", None);
            }
        }
    }

    /// It is time for a sign of life.
    pub(super) fn late(&self, peers: &mut Peers, key: PeerKey) {
        let agreed = self.connections.get(&key).and_then(|connection| connection.agreed);
        let Some((agreed, beat)) = agreed.and_then(|agreed| Some((agreed, agreed.beat?))) else { return };
        // Who has bytes to take that it does not take hears no more for that.
        if peers.get(key).is_some_and(|peer| peer.waiting() == 0) {
            peers.send_plain(key, agreed.beat_bytes());
        }
        peers.set_peer_timer(key, PeerTimer::Life, beat);
    }

    // ---- Audit ----

    /// What must be true between any two calls: each connection is one of ours, and each of ours that is open is known here.
    pub(super) fn check(&self, peers: &Peers) -> Result<(), String> {
        let is_ours = |key: &PeerKey| peers.get(*key).is_some_and(|peer| peer.role == Role::Topic);
        if let Some(key) = self.connections.keys().find(|key| !is_ours(key)) {
            return Err(format!("{key:?} is remembered as a connection of STOMP and is none"));
        }
        let mut open = peers.iter().filter(|(_, peer)| peer.role == Role::Topic && peer.is_open());
        match open.find(|(key, _)| !self.connections.contains_key(key)) {
            Some((key, _)) => Err(format!("{key:?} speaks STOMP and nobody remembers what")),
            None => Ok(()),
        }
    }
}

/// Finds out who connects: whose token the passcode is, if it is one, or who comes from there.
fn log_in(peers: &mut Peers, key: PeerKey, login: Option<&str>, passcode: &str) -> Result<(), &'static str> {
    if peers.users.is_off() {
        return Ok(());
    }
    let Some(origin) = peers.get(key).map(|peer| peer.origin()) else { return Ok(()) };
    if !is_token(passcode) && !peers.users.takes_jwt(passcode) {
        return if peers.user(key).is_some() { Ok(()) } else { Err("this address needs a token") };
    }
    let user = peers.judge_token(login.filter(|login| !login.is_empty()), passcode, origin)?;
    peers.log_in(key, Some(user), origin);
    Ok(())
}

/// What SUBSCRIBE wants.
fn subscription(frame: &Frame<'_>, version: Version) -> Result<Subscription, String> {
    let destination = frame.header("destination").ok_or("SUBSCRIBE has a destination")?;
    // Before version 1.1 there need not be one.
    let id = frame.header("id").unwrap_or_else(|| destination.clone());
    if let Some(ack) = frame.header("ack").filter(|ack| !["auto", "client", "client-individual"].contains(&&**ack)) {
        return Err(format!("there is no ack {ack}"));
    }
    let text = frame.header("selector").filter(|text| !text.trim().is_empty());
    let selector = text.as_deref().map(Selector::parse).transpose().map_err(|unreadable| unreadable.to_string())?;
    // A comparison takes more than its letters.
    let bytes = id.len() + destination.len() + 16 * text.map_or(0, |text| text.len());
    Ok(Subscription { id: (&*id).into(), destination: (&*destination).into(), selector, bytes, version })
}
