//! The poll loop of the generator: all ends, their sockets, and what is ready.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use instep::client::Machine;
use instep::leco::message::TYPE_JSON;
use instep::leco::name::COORDINATOR;
use instep::net::ASKED_UNTIL_NOTHING;
use instep::zmtp::link::Link;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::super::ending::Ending;
use super::super::failure::Failure;
use super::client::{Connection, Far, HEARTBEAT, message, sign_out};
use super::figures::count;
use super::inbox::Inbox;
use super::options::Options;
use super::outbox::Outbox;
use super::sealed::Sealed;

const SCRATCH_BYTES: usize = 256 << 10;
const ENDING: Token = Token(usize::MAX - 1);
/// One connection under load.
#[derive(Debug)]
pub(super) struct End {
    stream: TcpStream,
    /// Who it is to the Coordinator; `None` at a relay.
    machine: Option<Box<Machine>>,
    /// What reads for it, see [`Inbox::take`].
    link: Link,
    name: String,
    carry: Vec<u8>,
    read_bytes: u64,
    queued: bool,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// What of that is sealed, where all is.
    sealed: Sealed,
}

/// The poll loop. See the module's documentation.
pub(super) struct Generator {
    poll: Poll,
    events: Events,
    ending: Ending,
    /// Ends by their place: the caller knows which is which.
    pub(super) ends: Vec<End>,
    ready: VecDeque<usize>,
    scratch: Box<[u8]>,
    /// What was opened of it.
    opened: Vec<u8>,
    heartbeat: Option<Instant>,
    address: String,
    /// Somebody asked for an early end.
    pub(super) interrupted: bool,
}

impl Generator {
    /// Takes connections over, each with what it expects and what it sends.
    pub(super) fn new(
        options: &Options,
        connections: impl IntoIterator<Item = (Connection, Inbox, Outbox)>,
        now: Instant,
    ) -> Result<Self, Failure> {
        let poll = Poll::new().map_err(Failure::other)?;
        let ending = Ending::of(poll.registry(), ENDING).map_err(Failure::other)?;
        let mut ends = Vec::new();
        for (connection, inbox, outbox) in connections {
            let Connection { stream, name, far } = connection;
            stream.set_nonblocking(true).map_err(Failure::other)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(ends.len()), Interest::READABLE | Interest::WRITABLE)
                .map_err(Failure::other)?;
            let (machine, (link, carry)) = match far {
                Far::Coordinator(mut machine) => {
                    let reading = machine.release();
                    (Some(machine), reading)
                }
                Far::End(link, carry) => (None, (link, carry)),
            };
            ends.push(End {
                stream,
                machine,
                link,
                name,
                read_bytes: count(carry.len()),
                carry,
                queued: false,
                inbox,
                outbox,
                sealed: Sealed::default(),
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            ending,
            ends,
            ready: VecDeque::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            opened: Vec::new(),
            heartbeat: (!options.relay).then(|| now + HEARTBEAT),
            address: options.address.clone(),
            interrupted: false,
        })
    }

    /// Waits until an end can be read, for at most `wait`; writes what was held back where there is room again. Returns how
    /// many ends wait to be read, see [`Generator::read_next`].
    pub(super) fn wait(&mut self, wait: Duration) -> Result<usize, Failure> {
        let wait = if self.ready.is_empty() { wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(Failure::other(error)),
            _ => {}
        }
        let mut unblocked = Vec::new();
        for event in &self.events {
            if event.token() == ENDING {
                self.interrupted |= self.ending.is_wanted();
                continue;
            }
            let Some(end) = self.ends.get_mut(event.token().0) else { continue };
            if (event.is_readable() || event.is_read_closed() || event.is_error()) && !end.queued {
                end.queued = true;
                self.ready.push_back(event.token().0);
            }
            if event.is_writable() && !end.outbox.writable {
                end.outbox.writable = true;
                unblocked.push(event.token().0);
            }
        }
        for n in unblocked {
            self.flush(n)?;
        }
        Ok(self.ready.len())
    }

    /// Reads once from the next end that is ready; says which. One that may have more goes to the end of the line.
    pub(super) fn read_next(&mut self) -> Result<Option<usize>, Failure> {
        let Some(n) = self.ready.pop_front() else { return Ok(None) };
        let Some(end) = self.ends.get_mut(n) else { return Ok(None) };
        end.queued = false;
        let kept = end.carry.len();
        let (front, rest) = self.scratch.split_at_mut(kept.min(SCRATCH_BYTES / 2));
        if front.len() < kept {
            return Err(failed(&self.address, &end.name, "a strange message is too long"));
        }
        front.copy_from_slice(&end.carry);
        let got = match end.stream.read(rest) {
            Ok(0) => return Err(failed(&self.address, &end.name, "the connection was closed")),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(failed(&self.address, &end.name, &error.to_string())),
        };
        if got == rest.len() || got == 0 || ASKED_UNTIL_NOTHING {
            end.queued = true;
            self.ready.push_back(n);
        }
        let mut bytes = self.scratch.get(..kept + got).unwrap_or_default();
        let mut opened = got;
        if let Some(machine) = end.machine.as_mut().filter(|machine| machine.is_sealed()) {
            self.opened.clear();
            self.opened.extend_from_slice(bytes.get(..kept).unwrap_or_default());
            let sealed = bytes.get(kept..).unwrap_or_default();
            let outcome = machine.open(sealed, &mut self.opened);
            outcome.map_err(|fault| failed(&self.address, &end.name, &fault.to_string()))?;
            bytes = &self.opened;
            opened = bytes.len() - kept;
        }
        end.read_bytes += count(opened);
        let mut answer = Vec::new();
        let left = end
            .inbox
            .take(&mut end.link, bytes, &mut answer)
            .map_err(|reason| failed(&self.address, &end.name, &reason))?;
        end.carry.clear();
        end.carry.extend_from_slice(bytes.get(bytes.len() - left..).unwrap_or_default());
        if !answer.is_empty() {
            end.outbox.interject(&answer);
            self.flush(n)?;
        }
        Ok(Some(n))
    }

    /// Writes what an end may send.
    pub(super) fn flush(&mut self, n: usize) -> Result<(), Failure> {
        let Some(end) = self.ends.get_mut(n) else { return Ok(()) };
        let flushed = match &mut end.machine {
            Some(machine) if machine.is_sealed() => end.sealed.flush(&mut end.outbox, machine, &mut end.stream),
            _ => end.outbox.flush(&mut end.stream),
        };
        flushed.map_err(|error| failed(&self.address, &end.name, &error.to_string()))
    }

    /// Gives a sign of life for every end, now and then.
    pub(super) fn beat(&mut self, now: Instant) -> Result<(), Failure> {
        if self.heartbeat.is_none_or(|at| now < at) {
            return Ok(());
        }
        self.heartbeat = Some(now + HEARTBEAT);
        for n in 0..self.ends.len() {
            if let Some(end) = self.ends.get_mut(n) {
                let name = end.machine.as_ref().map(|machine| machine.full_name()).unwrap_or_default();
                end.outbox.interject(&message(COORDINATOR, name.as_bytes(), TYPE_JSON, b""));
            }
            self.flush(n)?;
        }
        Ok(())
    }

    /// Whether every byte that came belongs to a counted message.
    pub(super) fn check_bytes(&self) -> Result<(), Failure> {
        for end in &self.ends {
            let inbox = &end.inbox;
            let counted = inbox.received * inbox.message_bytes() + inbox.strange_bytes + count(end.carry.len());
            if counted != end.read_bytes {
                let reason = format!("{} bytes came, but the messages make {counted}", end.read_bytes);
                return Err(failed(&self.address, &end.name, &reason));
            }
        }
        Ok(())
    }

    /// JSON-RPC errors that came to any end, and the first of them in words.
    pub(super) fn errors(&self) -> (u64, Option<&str>) {
        let count = self.ends.iter().map(|end| end.inbox.errors).sum();
        (count, self.ends.iter().find_map(|end| end.inbox.first_error.as_deref()))
    }

    /// Signs everybody out.
    pub(super) fn leave(mut self, options: &Options) {
        for End { stream, machine, carry, .. } in self.ends.drain(..) {
            let Some(mut machine) = machine else { continue };
            machine.take_back(&carry);
            sign_out(&options.address, &self.poll, stream, *machine);
        }
    }
}

fn failed(address: &str, name: &str, reason: &str) -> Failure {
    Failure::other(format!("{address}: '{name}': {reason}"))
}
