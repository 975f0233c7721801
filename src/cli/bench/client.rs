//! Coming in and leaving: from a host name to a signed-in Component, or to one end of a relayed pair. Blocking and with a deadline.
//!
//! Components come in and leave by the library's client. Under load [`super::generator`] reads what comes by the same link in a leaner way: it
//! knows each byte of nearly every message beforehand, and to take these apart, as the client's machine does, would cost more than the
//! Coordinator spends on them.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use instep::client::{self, Client, Error, Loss, Machine, blocking, encode};
use instep::leco::message::TYPE_UNDEFINED;
use instep::time::Span;
use instep::zmtp::SocketType;
use instep::zmtp::frame::Bounds;
use instep::zmtp::link::{Link, Step};
use mio::Poll;

use super::super::client::step;
use super::super::credentials;
use super::super::failure::{Failure, in_words};
use super::options::Options;
use super::progress::PATIENCE;

const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 24, message_bytes_max: 1 << 24 };
/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Time between two signs of life of a Component that only listens.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// One connection that is ready for messages.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Component name.
    pub(super) name: String,
    pub(super) far: Far,
}

/// A Component that has signed in, and where.
#[derive(Debug)]
pub(super) struct SignedIn<'a> {
    pub(super) stream: TcpStream,
    pub(super) machine: Box<Machine>,
    /// Component name.
    pub(super) name: String,
    /// Its Coordinator, as it was named.
    pub(super) address: &'a str,
}

/// Who is at the other end.
#[derive(Debug)]
pub(super) enum Far {
    /// A Coordinator, and who we are to it.
    Coordinator(Box<Machine>),
    /// The other end of a relayed pair: our link to it, and what it has sent.
    End(Link, Vec<u8>),
}

/// A LECO message on the wire, with one payload frame.
pub(super) fn message(receiver: &[u8], sender: &[u8], content_type: u8, payload: &[u8]) -> Vec<u8> {
    // One conversation for all: nobody looks at it but to copy it into an answer.
    let mut header = *b"instep bench run\0\0\0\0";
    header[19] = content_type;
    let mut out = Vec::new();
    encode(&mut out, receiver, sender, &header, &[payload]);
    out
}

/// The message that a measurement sends from one component to another.
pub(super) fn load(receiver: &Connection, sender: &Connection, payload: usize) -> Vec<u8> {
    message(&receiver.full_name(), &sender.full_name(), TYPE_UNDEFINED, &vec![b'x'; payload])
}

/// Connects `pairs` pairs of a sender `bench-s0`, … and a receiver `bench-r0`, …: sender first.
pub(super) fn connect_pairs(options: &Options, pairs: usize) -> Result<Vec<(Connection, Connection)>, Failure> {
    let addresses = resolve(&options.address)?;
    (0..pairs)
        .map(|n| {
            let [sender, receiver] = ["s", "r"].map(|kind| format!("bench-{kind}{n}"));
            if options.relay {
                // The two ends answer each other, so both have spoken before one listens.
                let sender = open(options, &addresses, sender)?;
                let receiver = open(options, &addresses, receiver)?;
                return Ok((shake_hands(options, sender)?, shake_hands(options, receiver)?));
            }
            Ok((
                Connection::of(sign_in(&options.address, &addresses, sender)?),
                Connection::of(sign_in(&options.address, &addresses, receiver)?),
            ))
        })
        .collect()
}

/// Connects members and signs them in, at each node in turn.
pub(super) fn connect_members(options: &Options) -> Result<Vec<SignedIn<'_>>, Failure> {
    let addresses = options.places().iter().map(|node| resolve(node)).collect::<Result<Vec<_>, _>>()?;
    let nodes = options.places().iter().zip(&addresses).cycle();
    let name = |n| format!("{}-m{n}", name_of_run());
    (0..options.members).zip(nodes).map(|(n, (node, addresses))| sign_in(node, addresses, name(n))).collect()
}

/// A name for this run of the program: several may load the same Coordinators at once, and from machines and containers in which processes
/// have the same numbers.
pub(super) fn name_of_run() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    // The seed is another in each process, wherever it runs.
    NAME.get_or_init(|| format!("bench-{}-{:08x}", std::process::id(), blocking::start().seed >> 32))
}

/// The addresses behind `host` or `host:port`.
fn resolve(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    match blocking::resolve(text) {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Failure::other(format!("{text} has no address"))),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(Failure::usage(error)),
        Err(error) => Err(Failure::other(format!("{text}: {error}"))),
    }
}

impl Connection {
    fn of(SignedIn { stream, machine, name, .. }: SignedIn<'_>) -> Self {
        Self { stream, name, far: Far::Coordinator(machine) }
    }

    pub(super) fn full_name(&self) -> Vec<u8> {
        match &self.far {
            Far::Coordinator(machine) => machine.full_name().into_bytes(),
            Far::End(..) => self.name.as_bytes().to_vec(),
        }
    }
}

// ---- At a Coordinator ----

/// Connects and signs in.
fn sign_in<'a>(address: &'a str, addresses: &[SocketAddr], name: String) -> Result<SignedIn<'a>, Failure> {
    let stream = dial(address, addresses, false)?;
    let wishes =
        client::Options::new().timeout(span(PATIENCE)).heartbeat(span(HEARTBEAT)).reconnect(false).serve(false);
    let wishes = credentials::shown(wishes)?;
    let come = Client::connect_on(stream, address, &name, wishes).map(Client::into_parts);
    match come {
        Ok(Some((stream, machine))) => Ok(SignedIn { stream, machine: Box::new(machine), name, address }),
        Ok(None) => Err(outside(address, &name, Error::Closed(Loss::Closed))),
        Err(error) => Err(outside(address, &name, error)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors may grow")]
fn outside(address: &str, name: &str, error: Error) -> Failure {
    match error {
        Error::Refused { error, .. } => {
            let reason = if error.message.is_empty() { "without a reason" } else { &error.message };
            Failure::other(format!(
                "{address} refused the name '{name}': {} {reason} (does another bench run there?)",
                error.code
            ))
        }
        Error::TimedOut | Error::Handshake(Loss::Late) => silent(address, false),
        Error::Closed(Loss::Closed) | Error::Handshake(Loss::Closed) => {
            Failure::other(format!("{address} closed the connection of '{name}'"))
        }
        Error::Closed(loss) | Error::Handshake(loss) => Failure::other(format!("{address}: {loss}")),
        error => Failure::other(format!("{address}: {error}")),
    }
}

/// Frees the name. A Coordinator that does not see connections end would keep it for a while.
pub(super) fn sign_out(address: &str, poll: &Poll, mut stream: mio::net::TcpStream, machine: Machine) {
    let blocking = poll
        .registry()
        .deregister(&mut stream)
        .map(|()| TcpStream::from(stream))
        .and_then(|stream| stream.set_nonblocking(false).map(|()| stream))
        .and_then(|stream| Client::from_parts(stream, machine, address, FAREWELL));
    // The measurement is over: whoever does not hear the goodbye sees the connection end.
    drop(blocking.map(|client| client.sign_out(FAREWELL)));
}

/// A length of time in whole milliseconds.
fn span(time: Duration) -> Span {
    Span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

// ---- Through a relay ----

/// Connects and sends the opening.
fn open(options: &Options, addresses: &[SocketAddr], name: String) -> Result<(TcpStream, String), Failure> {
    let (greeting, ready) = Link::new(SocketType::Dealer).opening();
    let ready = ready.bytes();
    let mut stream = dial(&options.address, addresses, true)?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.write_all(&[&greeting[..], ready].concat()))
        .map_err(|error| Failure::other(format!("{}: {error}", options.address)))?;
    Ok((stream, name))
}

/// Finishes the handshake.
fn shake_hands(options: &Options, (mut stream, name): (TcpStream, String)) -> Result<Connection, Failure> {
    // Both ends are DEALERs, which only a ROUTER's judgement lets pass.
    let mut link = Link::new(SocketType::Router);
    let mut carry = Vec::new();
    loop {
        let len = match link.next(&carry, &BOUNDS) {
            Ok(Step::Ready { len, .. }) => {
                carry.drain(..len);
                return Ok(Connection { stream, name, far: Far::End(link, carry) });
            }
            Ok(Step::Need(_) | Step::Piece(_)) => {
                read_more(options, &mut stream, &name, &mut carry)?;
                continue;
            }
            Ok(Step::Skip { len } | Step::Command { len, .. }) => len,
            Ok(Step::Message(message)) => message.len,
            Err(fault) => return Err(Failure::other(format!("{}: {fault}", options.address))),
        };
        carry.drain(..len);
    }
}

fn read_more(options: &Options, stream: &mut TcpStream, name: &str, carry: &mut Vec<u8>) -> Result<(), Failure> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err(Failure::other(format!("{} closed the connection of '{name}'", options.address))),
        Ok(n) => {
            carry.extend_from_slice(buffer.get(..n).unwrap_or_default());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) if blocking::is_wait(&error) => Err(silent(&options.address, true)),
        Err(error) => Err(Failure::other(format!("{}: {error}", options.address))),
    }
}

// ---- Both ----

fn dial(address: &str, addresses: &[SocketAddr], relay: bool) -> Result<TcpStream, Failure> {
    blocking::dial_any(addresses.iter().copied(), PATIENCE).map_err(|error| {
        let who = if relay { "relay" } else { "Coordinator" };
        let step = if relay { "start it first".to_owned() } else { step(who, address, &error) };
        Failure::nobody(format!("no {who} at {address}: {} ({step})", in_words(&error)))
    })
}

fn silent(address: &str, relay: bool) -> Failure {
    let who = if relay { "nobody at the other end" } else { "no Coordinator" };
    Failure::nobody(format!("{address} does not answer: there is {who}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_the_port_out() {
        let port = |text: &str| resolve(text).map(|found| found[0].port()).map_err(|failure| failure.code);
        assert_eq!(port("127.0.0.1"), Ok(12300));
        assert_eq!(port("tcp://127.0.0.1:7"), Ok(7));
        assert_eq!(port("[::1]:8"), Ok(8));
        assert_eq!(port("::1"), Ok(12300));
        assert_eq!(port("127.0.0.1:x"), Err(2));
    }
}
