//! Coming in: from a host name to a signed-in component, or to one end of a relayed pair. Blocking and with a deadline; the
//! load itself runs in [`super::generator`].

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use instep::leco::message::{TYPE_JSON, TYPE_UNDEFINED, VERSION, View};
use instep::leco::name::{COORDINATOR, FullName};
use instep::leco::rpc;
use instep::zmtp::SocketType;
use instep::zmtp::frame::{Bounds, push_frame};
use instep::zmtp::link::{Link, Step};
use instep::zmtp::mechanism::Mechanism;
use serde_json::Value;

use super::super::failure::Failure;
use super::options::Options;
use super::progress::PATIENCE;

const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 24, message_bytes_max: 1 << 24 };
/// Bytes of strange talk that one waits through for an answer.
const TALK_BYTES_MAX: usize = 1 << 20;
/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// One connection that is ready for messages.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: TcpStream,
    pub(super) link: Link,
    /// Component name.
    pub(super) name: String,
    /// Namespace of the Coordinator; empty behind a relay.
    pub(super) namespace: Vec<u8>,
    /// Bytes that have been read and not looked at.
    pub(super) carry: Vec<u8>,
}

/// A LECO message on the wire: four frames, and the payload as the fifth.
pub(super) fn message(receiver: &[u8], sender: &[u8], content_type: u8, payload: &[u8]) -> Vec<u8> {
    // One conversation for all: nobody looks at it but to copy it into an answer.
    let mut header = *b"instep bench run\0\0\0\0";
    header[19] = content_type;
    let mut out = Vec::new();
    for frame in [VERSION, receiver, sender, &header] {
        push_frame(&mut out, true, frame);
    }
    push_frame(&mut out, false, payload);
    out
}

/// The message that a measurement sends from one component to another.
pub(super) fn load(receiver: &Session, sender: &Session, payload: usize) -> Vec<u8> {
    message(&receiver.full_name(), &sender.full_name(), TYPE_UNDEFINED, &vec![b'x'; payload])
}

/// Connects `pairs` pairs of a sender `bench-s0`, … and a receiver `bench-r0`, …: sender first.
pub(super) fn connect_pairs(options: &Options, pairs: usize) -> Result<Vec<(Session, Session)>, Failure> {
    let addresses = resolve(&options.address)?;
    (0..pairs)
        .map(|n| {
            let mut sender = Session::open(options, &addresses, format!("bench-s{n}"))?;
            if !options.relay {
                sender.come_in(options)?;
            }
            let mut receiver = Session::open(options, &addresses, format!("bench-r{n}"))?;
            // Through a relay the two ends answer each other, so both have spoken before one listens.
            if options.relay {
                sender.come_in(options)?;
            }
            receiver.come_in(options)?;
            Ok((sender, receiver))
        })
        .collect()
}

/// Connects members `bench-m0`, … and signs them in.
pub(super) fn connect_members(options: &Options, members: usize) -> Result<Vec<Session>, Failure> {
    let addresses = resolve(&options.address)?;
    (0..members)
        .map(|n| {
            let mut member = Session::open(options, &addresses, format!("bench-m{n}"))?;
            member.come_in(options)?;
            Ok(member)
        })
        .collect()
}

/// The addresses behind `host` or `host:port`.
fn resolve(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    let has_port = text.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let found = if has_port {
        text.to_socket_addrs()
    } else {
        (text.trim_matches(['[', ']']), instep::leco::DEFAULT_PORT).to_socket_addrs()
    };
    match found.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Failure::other(format!("{text} has no address"))),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(Failure::usage(format!("'{text}' is not an address like 127.0.0.1:12300")))
        }
        Err(error) => Err(Failure::other(format!("{text}: {error}"))),
    }
}

impl Session {
    /// Connects and sends the opening.
    fn open(options: &Options, addresses: &[SocketAddr], name: String) -> Result<Self, Failure> {
        let mut last = None;
        for address in addresses {
            match TcpStream::connect_timeout(address, PATIENCE) {
                // A free port of the ephemeral range can meet itself.
                Ok(stream) if stream.local_addr().ok() == Some(*address) => {
                    last = Some(io::ErrorKind::ConnectionRefused.into());
                }
                Ok(stream) => return Self::begin(stream, options, name),
                Err(error) => last = Some(error),
            }
        }
        let who = if options.relay { "relay" } else { "Coordinator" };
        let reason =
            last.map_or_else(String::new, |error: io::Error| format!(" ({})", crate::cli::failure::in_words(&error)));
        Err(Failure::nobody(format!("there is no {who} at {}{reason}", options.address)))
    }

    fn begin(mut stream: TcpStream, options: &Options, name: String) -> Result<Self, Failure> {
        let (greeting, ready) = Link::new(SocketType::Dealer, Mechanism::Null).opening();
        let ready = ready.as_ref().map(instep::zmtp::command::Built::bytes).unwrap_or_default();
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| stream.write_all(&[&greeting[..], ready].concat()))
            .map_err(|error| Failure::other(format!("{}: {error}", options.address)))?;
        // Both ends of a relayed pair are DEALERs, which only a ROUTER's judgement lets pass.
        let ours = if options.relay { SocketType::Router } else { SocketType::Dealer };
        let link = Link::new(ours, Mechanism::Null);
        Ok(Self { stream, link, name, namespace: Vec::new(), carry: Vec::new() })
    }

    pub(super) fn full_name(&self) -> Vec<u8> {
        if self.namespace.is_empty() {
            return self.name.as_bytes().to_vec();
        }
        [&self.namespace, &b"."[..], self.name.as_bytes()].concat()
    }

    /// Finishes the handshake, and signs in where there is a Coordinator.
    fn come_in(&mut self, options: &Options) -> Result<(), Failure> {
        self.shake_hands(options)?;
        if options.relay { Ok(()) } else { self.sign_in(options) }
    }

    fn shake_hands(&mut self, options: &Options) -> Result<(), Failure> {
        loop {
            let len = match self.link.next(&self.carry, &BOUNDS) {
                Ok(Step::Ready { len, .. }) => {
                    self.carry.drain(..len);
                    return Ok(());
                }
                Ok(Step::Need(_)) => {
                    self.read_more(options)?;
                    continue;
                }
                Ok(Step::Skip { len } | Step::Command { len, .. }) => len,
                Ok(Step::Message(message)) => message.len,
                Err(fault) => return Err(Failure::other(format!("{}: {fault}", options.address))),
            };
            self.carry.drain(..len);
        }
    }

    fn sign_in(&mut self, options: &Options) -> Result<(), Failure> {
        let request = rpc::request(1, "sign_in", &Value::Null);
        let wire = message(COORDINATOR, self.name.as_bytes(), TYPE_JSON, request.as_bytes());
        self.stream.write_all(&wire).map_err(|error| Failure::other(format!("{}: {error}", options.address)))?;
        let (namespace, refusal) = self.answer(options)?;
        if let Some(reason) = refusal {
            return Err(Failure::other(format!(
                "{} refused the name '{}': {reason} (does another bench run there?)",
                options.address, self.name
            )));
        }
        self.namespace = namespace;
        Ok(())
    }

    /// Waits for a JSON-RPC answer: the namespace of who gave it, and the reason if it is an error.
    fn answer(&mut self, options: &Options) -> Result<(Vec<u8>, Option<String>), Failure> {
        loop {
            let (len, answer) = match self.link.next(&self.carry, &BOUNDS) {
                Ok(Step::Need(_)) if self.carry.len() < TALK_BYTES_MAX => {
                    self.read_more(options)?;
                    continue;
                }
                Ok(Step::Need(_)) => return Err(Failure::other(format!("{} talks without end", options.address))),
                Ok(Step::Message(message)) => {
                    let part = |n| message.part(&self.carry, n);
                    let view = View::new(part(0), part(1), part(2), part(3), part(4));
                    (message.len, view.ok().and_then(|view| judge(&view)))
                }
                Ok(Step::Skip { len } | Step::Ready { len, .. } | Step::Command { len, .. }) => (len, None),
                Err(fault) => return Err(Failure::other(format!("{}: {fault}", options.address))),
            };
            self.carry.drain(..len);
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    fn read_more(&mut self, options: &Options) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) if self.carry.is_empty() => {
                Err(Failure::other(format!("{} closed the connection of '{}'", options.address, self.name)))
            }
            Ok(0) => Err(Failure::other(format!("{} closed the connection in the middle", options.address))),
            Ok(n) => {
                self.carry.extend_from_slice(buffer.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let who = if options.relay { "nobody at the other end" } else { "no Coordinator" };
                Err(Failure::nobody(format!("{} does not answer: there is {who}", options.address)))
            }
            Err(error) => Err(Failure::other(format!("{}: {error}", options.address))),
        }
    }

    /// Frees the name. A Coordinator that does not see connections end would keep it for a while.
    pub(super) fn sign_out(mut self, options: &Options) {
        let request = rpc::request(2, "sign_out", &Value::Null);
        let wire = message(COORDINATOR, &self.full_name(), TYPE_JSON, request.as_bytes());
        let asked = self
            .stream
            .set_read_timeout(Some(FAREWELL))
            .and_then(|()| self.stream.set_write_timeout(Some(FAREWELL)))
            .and_then(|()| self.stream.write_all(&wire));
        // The measurement is over: whoever does not hear the goodbye sees the connection end.
        drop(asked.map(|()| self.answer(options)));
    }
}

/// What a message answers: namespace of its sender, and the reason if it is an error; `None` if it is no answer.
fn judge(view: &View<'_>) -> Option<(Vec<u8>, Option<String>)> {
    let document: Value = serde_json::from_slice(view.payload?).ok()?;
    let namespace = FullName::split(view.sender).namespace.to_vec();
    match (document.get("error").filter(|error| !error.is_null()), document.get("result")) {
        (Some(error), _) => {
            let text = error.get("message").and_then(Value::as_str).unwrap_or("without a reason");
            let code = error.get("code").map_or_else(String::new, |code| format!("{code} "));
            Some((namespace, Some(format!("{code}{text}"))))
        }
        (None, Some(_)) => Some((namespace, None)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_other_talk() {
        let judged = |payload: &[u8]| {
            let header = [0; 20];
            let view = View::new(Some(VERSION), Some(b"a"), Some(b"N1.COORDINATOR"), Some(&header), Some(payload));
            judge(&view.unwrap())
        };
        assert_eq!(judged(br#"{"id":1,"result":null}"#), Some((b"N1".to_vec(), None)));
        assert_eq!(
            judged(br#"{"id":1,"error":{"code":-32091,"message":"taken"}}"#),
            Some((b"N1".to_vec(), Some("-32091 taken".to_owned())))
        );
        assert_eq!(judged(br#"{"id":1,"method":"pong"}"#), None);
        assert_eq!(judged(b"x"), None);
    }

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
