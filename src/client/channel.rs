//! A subscriber of a channel, or a publisher, that waits: one connection, whole messages in or out.
//!
//! Owns the connection and what has come on it. It does not come back by itself, and must not know what messages mean.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::blocking::{is_wait, now};
use super::line::Line;
use super::options::Options;
use super::outbox::Outbox;
use crate::limits::{CLIENT_MESSAGE_BYTES_MAX, READ_BYTES_MAX};
use crate::time::{Span, Tick};
use crate::zmtp::SocketType;
use crate::zmtp::command::{Built, Command};
use crate::zmtp::frame::{self, Bounds, push_frame};
use crate::zmtp::link::Step;
use crate::zmtp::subscription::Subscription;

const BOUNDS: Bounds =
    Bounds { frame_bytes_max: CLIENT_MESSAGE_BYTES_MAX, message_bytes_max: CLIENT_MESSAGE_BYTES_MAX };

/// One end of a channel.
#[derive(Debug)]
pub struct Plug {
    stream: TcpStream,
    line: Line,
    outbox: Outbox,
    buffer: Vec<u8>,
    /// So many bytes at the front of it are dealt with.
    used: usize,
    chunk: Box<[u8]>,
}

impl Plug {
    /// A subscriber, or with `publishes` a publisher, on a connection that is made, whose handshake is over within `timeout`. Of `options` what they show
    /// counts.
    ///
    /// # Errors
    /// The connection ends or the handshake fails; [`io::ErrorKind::InvalidData`] says by which fault.
    pub fn open(stream: TcpStream, publishes: bool, options: &Options, timeout: Duration) -> io::Result<Self> {
        let ours = if publishes { SocketType::Pub } else { SocketType::Sub };
        let mut opening = Vec::new();
        let line = Line::open_as(ours, options.login.as_ref(), &mut opening);
        let chunk = vec![0; READ_BYTES_MAX].into_boxed_slice();
        let mut plug = Self { stream, line, outbox: Outbox::default(), buffer: Vec::new(), used: 0, chunk };
        plug.stream.set_write_timeout(Some(timeout))?;
        plug.stream.write_all(&opening)?;
        let deadline = now() + Span(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        loop {
            let (is_ready, goes_on) = plug.step(&mut |_| ())?;
            if is_ready {
                break;
            }
            if !goes_on && !plug.read(Some(deadline))? {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(plug)
    }

    /// Wants all messages that begin with this topic.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn subscribe(&mut self, topic: &[u8]) -> io::Result<()> {
        Subscription { is_wanted: true, topic }.write(self.outbox.end());
        self.send()
    }

    /// Publishes a message, unless a publisher was not meant.
    ///
    /// # Errors
    /// The connection has ended, or takes nothing.
    pub fn publish(&mut self, frames: &[&[u8]]) -> io::Result<()> {
        let last = frames.len().saturating_sub(1);
        for (n, body) in frames.iter().enumerate() {
            push_frame(self.outbox.end(), n < last, body);
        }
        self.send()
    }

    /// The same of one that is on the wire already.
    ///
    /// # Errors
    /// The same.
    pub fn publish_wire(&mut self, wire: &[u8]) -> io::Result<()> {
        self.outbox.end().extend_from_slice(wire);
        self.send()
    }

    /// Hands whole messages, as they are on the wire, to `take`, until the deadline or until it wants no more. Answers whether it wants more.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn hear(&mut self, deadline: Option<Tick>, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<bool> {
        let mut wants_more = true;
        loop {
            while wants_more {
                let mut took = false;
                let (_, goes_on) = self.step(&mut |wire| {
                    took = true;
                    wants_more = take(wire);
                })?;
                if !took && !goes_on {
                    break;
                }
            }
            if !wants_more || !self.read(deadline)? {
                return Ok(wants_more);
            }
        }
    }

    /// Says that nothing more comes, and waits until the other end has taken all of it; what that has still to say is passed over. A connection that
    /// is dropped with some of that unread is broken off, and what was on its way is lost.
    ///
    /// # Errors
    /// The connection has ended before, or not within `timeout`.
    pub fn finish(mut self, timeout: Duration) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let deadline = now() + Span(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        loop {
            let left = Duration::from_millis(deadline.since(now()).0);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.outbox.seal().map_err(broken)?;
        self.stream.write_all(self.outbox.unsent())?;
        let sent = self.outbox.unsent().len();
        self.outbox.sent(sent);
        Ok(())
    }

    /// Reads once; false at the deadline, where what is there already is taken and kept for the next time.
    fn read(&mut self, deadline: Option<Tick>) -> io::Result<bool> {
        let left = deadline.map(|deadline| Duration::from_millis(deadline.since(now()).0));
        let is_over = left.is_some_and(|left| left.is_zero());
        if !is_over {
            self.stream.set_read_timeout(left)?;
        }
        self.buffer.drain(..core::mem::take(&mut self.used));
        if is_over {
            self.stream.set_nonblocking(true)?;
        }
        let read = self.stream.read(&mut self.chunk);
        if is_over {
            self.stream.set_nonblocking(false)?;
        }
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.line.take(self.chunk.get(..n).unwrap_or_default(), &mut self.buffer).map_err(broken)?;
                Ok(!is_over)
            }
            // Whoever asked finds out whether the deadline has passed.
            Err(error) if is_wait(&error) => Ok(!is_over),
            Err(error) => Err(error),
        }
    }

    /// Deals with what lies at the front; answers whether the handshake is over with it, and whether there may be more.
    fn step(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<(bool, bool)> {
        let mut said = Vec::new();
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        let step = self.line.next(rest, &BOUNDS, &mut said).map_err(broken)?;
        let (mut is_ready, mut goes_on) = (false, true);
        match step {
            Step::Need(_) | Step::Piece(_) => goes_on = false,
            Step::Skip { len } => self.used += len,
            Step::Ready { len, .. } => {
                is_ready = true;
                self.used += len;
            }
            Step::Message(message) => {
                take(rest.get(..message.len).unwrap_or_default());
                self.used += message.len;
            }
            Step::Command { at, len, command } => {
                if let Command::Ping { context, .. } = command {
                    self.outbox.end().extend_from_slice(Built::pong(context).bytes());
                }
                if at == 0 {
                    self.used += len;
                } else {
                    // It stands between the frames of a message.
                    self.buffer.drain(self.used + at..self.used + at + len);
                }
            }
        }
        self.stream.write_all(&said)?;
        if is_ready && let Some(sealer) = self.line.take_sealer() {
            self.outbox.seal_by(sealer);
            let behind = core::mem::take(&mut self.buffer);
            let behind = behind.get(core::mem::take(&mut self.used)..).unwrap_or_default();
            self.line.take(behind, &mut self.buffer).map_err(broken)?;
        }
        if !self.outbox.end().is_empty() {
            self.send()?;
        }
        Ok((is_ready, goes_on))
    }
}

/// The bodies of the frames of a message.
#[must_use]
pub fn bodies(wire: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut bodies) = (wire, Vec::new());
    while let Ok(head) = frame::head(rest)
        && let Some(body) = usize::try_from(head.body).ok().and_then(|body| rest.get(head.bytes..head.bytes + body))
    {
        bodies.push(body);
        rest = rest.get(head.bytes + body.len()..).unwrap_or_default();
    }
    bodies
}

fn broken(fault: crate::zmtp::Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault.to_string())
}
