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
use crate::hub::Hub;
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
        while let Some(address) = left.pop_front() {
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
