//! Connections that are being made.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, Waker};

use super::resolve::Resolver;
use super::target::Target;
use super::token::FIRST_DIAL;
use crate::hub::{Hub, is_near};
use crate::time::{Span, Tick};

/// How long one address may take to accept.
const PATIENCE: Span = Span(5000);

#[derive(Debug)]
struct Dial {
    target: Target,
    /// Addresses that have not been tried.
    left: VecDeque<SocketAddr>,
    stream: TcpStream,
    deadline: Tick,
}

/// All attempts, by the slot of their target.
#[derive(Debug)]
pub(super) struct Dials {
    slots: Vec<Option<Dial>>,
    resolver: Resolver,
}

impl Dials {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { slots: Vec::new(), resolver: Resolver::new(waker) }
    }

    /// When the next attempt has taken too long.
    pub(super) fn soonest(&self) -> Option<Tick> {
        self.slots.iter().flatten().map(|dial| dial.deadline).min()
    }

    /// Begins to connect.
    pub(super) fn begin(&mut self, target: Target, now: Tick, hub: &mut Hub, registry: &Registry) {
        let Some(text) = target.address(hub) else { return };
        match Resolver::in_place(&text) {
            Some(addresses) => self.connect(target, addresses.into(), "no address", now, hub, registry),
            None => self.resolver.ask(target, text),
        }
    }

    /// Takes the answers of the name service.
    pub(super) fn resolved(&mut self, hub: &mut Hub, now: Tick, registry: &Registry) {
        let answers: Vec<_> = self.resolver.answers().collect();
        for (target, found) in answers {
            if target.address(hub).is_none() {
                // It is gone, and its slot may be another's.
                continue;
            }
            match found {
                Ok(addresses) => self.connect(target, addresses.into(), "the name has no address", now, hub, registry),
                Err(reason) => {
                    let refused = target.report(now, hub, Err(&reason));
                    debug_assert!(refused.is_none(), "a failure makes no peer");
                }
            }
        }
    }

    /// Tries the next address; reports `reason` when none is left.
    fn connect(
        &mut self,
        target: Target,
        mut left: VecDeque<SocketAddr>,
        reason: &str,
        now: Tick,
        hub: &mut Hub,
        registry: &Registry,
    ) {
        let mut reason = reason.to_owned();
        let may_be_near = target.may_be_near(hub);
        while let Some(address) = left.pop_front() {
            if is_near(address.ip()) && !may_be_near {
                reason = format!("{} is this machine's, and another machine asks for it (dial_local)", address.ip());
                continue;
            }
            let token = Token(FIRST_DIAL + target.slot());
            let begun = TcpStream::connect(address).and_then(|mut stream| {
                registry.register(&mut stream, token, Interest::WRITABLE)?;
                Ok(stream)
            });
            match begun {
                Ok(stream) => {
                    if self.slots.len() <= target.slot() {
                        self.slots.resize_with(target.slot() + 1, || None);
                    }
                    if let Some(place) = self.slots.get_mut(target.slot()) {
                        *place = Some(Dial { target, left, stream, deadline: now + PATIENCE });
                    }
                    return;
                }
                Err(error) => reason = error.to_string(),
            }
        }
        let refused = target.report(now, hub, Err(&reason));
        debug_assert!(refused.is_none(), "a failure makes no peer");
    }

    /// An attempt's socket became writable: connected, or failed. Gives the connected stream, free of its registration.
    pub(super) fn connected(
        &mut self,
        slot: usize,
        now: Tick,
        hub: &mut Hub,
        registry: &Registry,
    ) -> Option<(Target, TcpStream)> {
        let place = self.slots.get_mut(slot)?;
        let dial = place.as_mut()?;
        let error = match (dial.stream.take_error(), dial.stream.peer_addr()) {
            (Ok(None), Ok(_)) => None,
            // Not there yet: a spurious event.
            (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => return None,
            (Ok(Some(error)) | Err(error), _) | (Ok(None), Err(error)) => Some(error),
        };
        let mut dial = place.take()?;
        let deregistered = registry.deregister(&mut dial.stream);
        match error.or_else(|| deregistered.err()) {
            None if is_self_connected(&dial.stream) => {
                self.connect(dial.target, dial.left, "nobody listens there", now, hub, registry);
                None
            }
            None => Some((dial.target, dial.stream)),
            Some(error) => {
                self.connect(dial.target, dial.left, &error.to_string(), now, hub, registry);
                None
            }
        }
    }

    /// Gives up attempts that have taken too long.
    pub(super) fn expire(&mut self, now: Tick, hub: &mut Hub, registry: &Registry) {
        for slot in 0..self.slots.len() {
            let late = self.slots.get_mut(slot).and_then(|place| place.take_if(|dial| dial.deadline <= now));
            if let Some(dial) = late {
                self.connect(dial.target, dial.left, "no answer", now, hub, registry);
            }
        }
    }
}

/// A loopback connection to a free port of the ephemeral range can meet itself (TCP simultaneous open).
fn is_self_connected(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(ours), Ok(theirs)) if ours == theirs)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Poll, Token};

    use super::*;
    use crate::config::Config;
    use crate::hub::{Output, Start};
    use crate::zmtp::SocketType;
    use crate::zmtp::frame::push_frame;
    use crate::zmtp::link::Link;

    /// A Coordinator at `remote` signs in and tells of a node at `told`; the node is dialled. Gives the dials that failed at once.
    fn told_by(remote: &str, told: SocketAddr, dial_local: bool) -> u64 {
        let now = Tick(1);
        let config = Config { namespace: "N1".to_owned(), host: "n1".to_owned(), dial_local, ..Config::default() };
        let mut hub = Hub::new(config, Start { seed: 1, now, unix_ms: 0 }).unwrap();
        let link = hub.open(now, remote.parse().unwrap()).unwrap();
        let (greeting, ready) = Link::new(SocketType::Dealer).opening();
        let mut bytes = [&greeting[..], ready.bytes()].concat();
        let nodes = format!(r#"{{"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{{"N3":"{told}"}}}}}}"#);
        for payload in [r#"{"jsonrpc":"2.0","id":1,"method":"coordinator_sign_in"}"#, &nodes] {
            let mut header = [0; 20];
            header[19] = 1;
            for part in [&[0][..], b"COORDINATOR", b"N2.COORDINATOR", &header] {
                push_frame(&mut bytes, true, part);
            }
            push_frame(&mut bytes, false, payload.as_bytes());
        }
        hub.handle_bytes(now, link, &bytes);
        hub.handle_timeout(now);
        let node = core::iter::from_fn(|| hub.poll_output(now))
            .find_map(|output| if let Output::Dial(node) = output { Some(node) } else { None })
            .expect("it is dialled");
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        Dials::new(waker).begin(Target::Node(node), now, &mut hub, poll.registry());
        hub.counters().dials_failed
    }

    #[test]
    fn nobody_elsewhere_has_us_knock_at_doors_of_this_machine() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(told_by("192.0.2.1:4000", here, false), 1);
        assert!(listener.accept().is_err(), "nobody came");
        for (remote, dial_local) in [("127.0.0.1:4000", false), ("192.0.2.1:4000", true)] {
            assert_eq!(told_by(remote, here, dial_local), 0);
            listener.set_nonblocking(false).unwrap();
            assert!(listener.accept().is_ok(), "{remote}");
        }
    }
}
