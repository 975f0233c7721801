//! The client that blocks: a [`Machine`], a socket and a clock. Each call ends by its timeout, or, when it has to connect anew, at most
//! [`Options::timeout`] later.
//!
//! The only file of this room that touches the outside. It has no thread of its own: signs of life are given, and asked ones answered,
//! while a call lasts. A Component with nothing to do sits in [`Client::receive`]; one that computes for longer than the half minute
//! that a Coordinator waits should call it now and then, and if it was taken out meanwhile, its next call signs in anew.

use core::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::error::{Error, ErrorObject, Loss};
use super::event::Event;
use super::machine::{Machine, Output};
use super::message::{Conversation, Message, Reply, call};
use super::options::{Options, Start};
use crate::leco::address;
use crate::leco::message::TYPE_JSON;
use crate::time::{Span, Tick};

const SCRATCH_BYTES: usize = 64 << 10;

/// A signed-in Component.
pub struct Client {
    machine: Machine,
    /// The Coordinator's address as it was given, looked up anew for each connection.
    address: String,
    stream: Option<TcpStream>,
    /// Something became of it that nobody has looked at yet.
    has_lost: bool,
    scratch: Box<[u8]>,
    timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the Coordinator at `address`, a host name or address with or without a port (12300), and signs in as `name`.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Io`], [`Error::Handshake`], [`Error::Refused`], [`Error::TimedOut`], [`Error::Closed`] and
    /// [`Error::Nonsense`]: the first attempt decides, whatever [`Options::reconnect`] says.
    pub fn connect(address: &str, name: &str, options: Options) -> Result<Self, Error> {
        let timeout = Duration::from_millis(options.timeout.0);
        let machine = Machine::new(name, options, start())?;
        Self { machine, address: address.to_owned(), stream: None, has_lost: false, scratch: scratch(), timeout }
            .come_in()
    }

    /// Signs in as `name` on a connection that is there, which is to `address`.
    ///
    /// # Errors
    /// As for [`Client::connect`].
    pub fn connect_on(stream: TcpStream, address: &str, name: &str, options: Options) -> Result<Self, Error> {
        let timeout = Duration::from_millis(options.timeout.0);
        let mut machine = Machine::new(name, options, start())?;
        while machine.poll_output().is_some() {}
        machine.handle_connected(now());
        let client = Self::of_parts(stream, machine, address, timeout).map_err(|error| Error::Io(Arc::new(error)))?;
        client.come_in()
    }

    /// Goes on where [`Client::into_parts`] stopped.
    ///
    /// # Errors
    /// What the socket says to timeouts.
    pub fn from_parts(stream: TcpStream, machine: Machine, address: &str, timeout: Duration) -> io::Result<Self> {
        Self::of_parts(stream, machine, address, timeout)
    }

    fn of_parts(stream: TcpStream, machine: Machine, address: &str, timeout: Duration) -> io::Result<Self> {
        set_up(&stream, timeout)?;
        let stream = Some(stream);
        Ok(Self { machine, address: address.to_owned(), stream, has_lost: false, scratch: scratch(), timeout })
    }

    /// The socket and the machine, for an event loop of the caller's; its ticks are those of [`now`]. `None` if at the moment there is no
    /// connection.
    #[must_use]
    pub fn into_parts(self) -> Option<(TcpStream, Machine)> {
        Some((self.stream?, self.machine))
    }

    fn come_in(mut self) -> Result<Self, Error> {
        loop {
            match self.machine.poll_event() {
                Some(Event::SignedIn { .. }) => return Ok(self),
                Some(Event::Lost { stage, loss } | Event::Ended { stage, loss }) => {
                    return Err(Error::of_loss(stage, loss));
                }
                // Nobody can have had a reason to talk to us.
                Some(
                    Event::Answer { .. }
                    | Event::Request(..)
                    | Event::Notification(_)
                    | Event::Message(_)
                    | Event::Undelivered { .. },
                ) => {}
                None => self.turn(now() + span(self.timeout)),
            }
        }
    }

    /// Our name: namespace, dot, component name.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.machine.full_name()
    }

    /// The node's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.machine.namespace()
    }

    /// Calls `method` of `receiver`, a full name or the name of a Component of this node, and waits for its result. Null `params` are none.
    /// Where the client is about to sign in again, it waits for that first; what a Coordinator did not deliver because it did not know us
    /// any more is asked again.
    ///
    /// # Errors
    /// [`Error::Rpc`] for an error that was answered, [`Error::Nonsense`], [`Error::TimedOut`], [`Error::Closed`], [`Error::Full`], and
    /// [`Error::NotSignedIn`] if the whole time went by without a sign-in.
    pub fn ask(&mut self, receiver: &str, method: &str, params: &Value, timeout: Duration) -> Result<Value, Error> {
        let document = call(Some(1), method, params).to_string();
        self.exchange(receiver, TYPE_JSON, &[document.as_bytes()], timeout)?.into_result()
    }

    /// Sends a message of any content, such as a C2SIM document, and waits for the next one in its conversation, as [`Client::ask`] does.
    ///
    /// # Errors
    /// As for [`Client::ask`], but that an answered error is an answer.
    pub fn exchange(
        &mut self,
        receiver: &str,
        content_type: u8,
        payload: &[&[u8]],
        timeout: Duration,
    ) -> Result<Message, Error> {
        let until = now() + span(timeout);
        let first = self.attempt(receiver, content_type, payload, until)?;
        // A client that signs in anew does so because of this answer.
        let was_lost = !self.machine.is_signed_in() && self.machine.is_unknown_here(&first);
        if was_lost && !self.machine.has_ended() {
            return self.attempt(receiver, content_type, payload, until);
        }
        Ok(first)
    }

    fn attempt(&mut self, receiver: &str, content_type: u8, payload: &[&[u8]], until: Tick) -> Result<Message, Error> {
        self.wait_until_in(until)?;
        let at = now();
        let conversation = self.machine.exchange(at, receiver, content_type, payload, until.since(at))?;
        self.flush();
        loop {
            if let Some(outcome) = self.machine.poll_answer(conversation) {
                return outcome;
            }
            self.turn(until);
        }
    }

    /// Calls a method whose answer nobody waits for. Waits for a sign-in that is under way, at most the client's own timeout. Whether it
    /// was delivered may show in an [`Event::Undelivered`] later.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::Closed`] and [`Error::Full`].
    pub fn notify(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Conversation, Error> {
        let document = call(None, method, params).to_string();
        self.send(receiver, TYPE_JSON, &[document.as_bytes()])
    }

    /// Sends a message of any content type, in as many payload frames as there are, as [`Client::notify`] does.
    ///
    /// # Errors
    /// As for [`Client::notify`].
    pub fn send(&mut self, receiver: &str, content_type: u8, payload: &[&[u8]]) -> Result<Conversation, Error> {
        self.wait_until_in(now() + span(self.timeout))?;
        let conversation = self.machine.send(now(), receiver, content_type, payload)?;
        self.flush();
        self.sent_or_lost().map(|()| conversation)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// As for [`Client::notify`].
    pub fn answer(&mut self, reply: Reply, outcome: Result<&Value, &ErrorObject>) -> Result<(), Error> {
        self.wait_until_in(now() + span(self.timeout))?;
        self.machine.answer(now(), reply, outcome)?;
        self.flush();
        self.sent_or_lost()
    }

    /// Answers a message that is no JSON-RPC request: sends to its sender, in its conversation.
    ///
    /// # Errors
    /// As for [`Client::notify`].
    pub fn reply(&mut self, to: &Message, content_type: u8, payload: &[&[u8]]) -> Result<(), Error> {
        self.wait_until_in(now() + span(self.timeout))?;
        self.machine.reply(now(), to, content_type, payload)?;
        self.flush();
        self.sent_or_lost()
    }

    /// What happens next: a request, a notification, a message, a loss, a sign-in after it; `None` if nothing does within `timeout`.
    ///
    /// # Errors
    /// [`Error::Closed`] or whatever else ended the client; from then on each call gives it.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        let until = now() + span(timeout);
        loop {
            match self.machine.poll_event() {
                Some(Event::Ended { stage, loss }) => return Err(Error::of_loss(stage, loss)),
                Some(event) => return Ok(Some(event)),
                None if self.machine.has_ended() => return Err(self.lost()),
                None if until <= now() => return Ok(None),
                None => self.turn(until),
            }
        }
    }

    /// Frees the name and ends the connection. A client that is dropped ends its connection, too, by which most Coordinators see that its
    /// name is free.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`] if there was nothing to sign out from.
    pub fn sign_out(mut self, timeout: Duration) -> Result<(), Error> {
        if !self.machine.is_signed_in() {
            return Err(Error::NotSignedIn);
        }
        self.timeout = self.timeout.min(timeout);
        if let Some(Err(error)) = self.stream.as_ref().map(|stream| set_up(stream, self.timeout)) {
            return Err(Error::Closed(Loss::Writing(Arc::new(error))));
        }
        self.machine.sign_out(now(), span(timeout));
        while !self.machine.has_ended() {
            self.turn(now() + span(timeout));
        }
        Ok(())
    }

    // ---- The turn ----

    /// Waits for the sign-in that is under way.
    fn wait_until_in(&mut self, until: Tick) -> Result<(), Error> {
        loop {
            if self.machine.is_signed_in() {
                return Ok(());
            }
            if self.machine.has_ended() {
                return Err(self.lost());
            }
            if until <= now() {
                return Err(Error::NotSignedIn);
            }
            self.turn(until);
        }
    }

    /// Why the client is not signed in.
    fn lost(&self) -> Error {
        self.machine.last_loss().map_or(Error::NotSignedIn, |(stage, loss)| Error::of_loss(*stage, loss.clone()))
    }

    /// What has just been given to be sent has left, unless the connection is gone.
    fn sent_or_lost(&self) -> Result<(), Error> {
        if self.machine.is_signed_in() { Ok(()) } else { Err(self.lost()) }
    }

    /// Does what is to be done and waits until something comes or a deadline passes, at most `until`. What has come is looked at before
    /// deadlines are.
    fn turn(&mut self, until: Tick) {
        self.obey();
        self.flush();
        if core::mem::take(&mut self.has_lost) {
            // Whoever waits looks at that first.
            return;
        }
        let until = self.machine.poll_timeout().map_or(until, |at| at.min(until));
        match &mut self.stream {
            None => thread::sleep(left(until)),
            Some(stream) => {
                // A read without a wait is no read: it must look at what has come, however late it is.
                let wait = left(until).max(Duration::from_micros(1));
                match stream.set_read_timeout(Some(wait)).and_then(|()| stream.read(&mut self.scratch)) {
                    Ok(0) => self.closed(Loss::Closed),
                    Ok(n) => self.machine.handle_bytes(now(), self.scratch.get(..n).unwrap_or_default()),
                    Err(error) if is_wait(&error) => {}
                    Err(error) => self.closed(Loss::Reading(Arc::new(error))),
                }
            }
        }
        self.machine.handle_timeout(now());
        self.flush();
        if !self.machine.is_connected() {
            self.stream = None;
        }
    }

    /// Connects and closes as the machine wants it.
    fn obey(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            self.stream = None;
            if output == Output::Connect {
                match dial(&self.address, self.timeout)
                    .and_then(|stream| set_up(&stream, self.timeout).map(|()| stream))
                {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        self.machine.handle_connected(now());
                    }
                    Err(error) => self.closed(Loss::Unreachable(Arc::new(error))),
                }
            }
        }
    }

    fn flush(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let waiting = self.machine.unsent();
        if waiting.is_empty() {
            return;
        }
        let bytes = waiting.len();
        match stream.write_all(waiting) {
            Ok(()) => self.machine.sent(bytes),
            Err(error) => self.closed(Loss::Writing(Arc::new(error))),
        }
    }

    fn closed(&mut self, loss: Loss) {
        (self.stream, self.has_lost) = (None, true);
        self.machine.handle_closed(now(), loss);
    }
}

fn scratch() -> Box<[u8]> {
    vec![0; SCRATCH_BYTES].into_boxed_slice()
}

/// A message is one small write; it must not wait for the answer to an earlier one, nor for ever.
fn set_up(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(timeout.max(Duration::from_millis(1))))
}

/// Connects to the first address behind `address`, a host name or address with or without a port (12300), that takes the connection.
///
/// # Errors
/// What the look-up or the last attempt came to; [`io::ErrorKind::TimedOut`] after `timeout`.
pub fn dial(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    dial_any(resolve(address)?, timeout)
}

/// The addresses behind `address` (`host:port`; without port: 12300).
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for what is no address; whatever the name service says.
pub fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let wrong =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("'{address}' is not an address like 127.0.0.1:12300"));
    let whole = address::with_port(address).ok_or_else(wrong)?;
    Ok(address::host_and_port(&whole).ok_or_else(wrong)?.to_socket_addrs()?.collect())
}

/// Connects to the first of these addresses that takes the connection.
///
/// # Errors
/// What the last attempt came to; [`io::ErrorKind::TimedOut`] after `timeout`.
pub fn dial_any(all: impl IntoIterator<Item = SocketAddr>, timeout: Duration) -> io::Result<TcpStream> {
    let until = now() + span(timeout);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for one in all {
        match TcpStream::connect_timeout(&one, left(until).max(Duration::from_millis(1))) {
            // A free port of the ephemeral range can meet itself.
            Ok(stream) if stream.local_addr().is_ok_and(|own| own == one) => {
                last = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether a read or a write only waited for too long. The system's name for that is `WouldBlock` on some sockets.
#[must_use]
pub fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The moment: milliseconds since this function was first called in this process.
#[must_use]
pub fn now() -> Tick {
    Tick(u64::try_from(since_start().as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the one place of the client that reads the clock")]
fn since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// What a [`Machine`] of this process begins with.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "conversation ids hold the time of day")]
pub fn start() -> Start {
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Start {
        seed: RandomState::new().build_hasher().finish(),
        now: now(),
        unix_ms: u64::try_from(unix_ms).unwrap_or(u64::MAX),
    }
}

/// How long until `at`, so that it has passed when the wait is over.
fn left(at: Tick) -> Duration {
    let left = Duration::from_millis(at.0).saturating_sub(since_start());
    if left.is_zero() { left } else { left + Duration::from_micros(999) }
}

/// A length of time in whole milliseconds, rounded up.
fn span(time: Duration) -> Span {
    Span(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
