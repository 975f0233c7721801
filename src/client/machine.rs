//! A Component's side of LECO without I/O: fed with bytes and time, it gives bytes to send, and events.
//!
//! Whoever owns the connection does what [`Machine::poll_output`] asks for, feeds what came with [`Machine::handle_bytes`], sends what
//! [`Machine::unsent`] shows, and calls [`Machine::handle_timeout`] at [`Machine::poll_timeout`]; what has come is fed first, so that a
//! loop which was held up does not take its own delay for the Coordinator's silence.

mod entrance;
mod life;
#[cfg(feature = "internals")]
mod released;

use core::fmt;
use std::collections::VecDeque;

use serde_json::Value;

use super::error::{Error, ErrorObject, Loss, Stage};
use super::event::{Event, Events};
use super::identity::Identity;
use super::ids::Ids;
use super::line::Line;
use super::message::{Call, Conversation, Message, Reply, call, encode};
use super::options::{Options, Start};
use super::outbox::Outbox;
use super::questions::{Asked, Questions};
use super::state::State;
use crate::leco::message::{HEADER_BYTES, TYPE_JSON, answer_header};
use crate::leco::name::is_legal;
use crate::leco::rpc::METHOD_NOT_FOUND;
use crate::limits::{CLIENT_MESSAGE_BYTES_MAX, SEALED_FRAME_BYTES_MAX};
use crate::time::{Span, Tick};
use crate::zmtp::command::{Built, Command};
use crate::zmtp::frame::Bounds;
use crate::zmtp::link::Step;

const BOUNDS: Bounds =
    Bounds { frame_bytes_max: CLIENT_MESSAGE_BYTES_MAX, message_bytes_max: CLIENT_MESSAGE_BYTES_MAX };
/// An empty buffer that is larger goes back to the system.
const KEPT_BYTES: usize = 1 << 20;

/// What the owner of the connection is to do: all of it, so that this is not `#[non_exhaustive]`, like the hub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to the Coordinator, and report through [`Machine::handle_connected`] or [`Machine::handle_closed`].
    Connect,
    /// Close the connection, which is of no use any more; nothing is reported.
    Close,
}

/// The machine. See the module's documentation.
pub struct Machine {
    options: Options,
    now: Tick,
    ids: Ids,
    identity: Identity,
    state: State,
    link: Line,
    /// Bytes received that do not yet make a whole message.
    buffer: Vec<u8>,
    outbox: Outbox,
    /// When a message was last sent, and a byte last received.
    spoke_at: Tick,
    heard_at: Tick,
    /// Our last sign of life, whose refusal interests nobody else.
    beat: Option<Conversation>,
    questions: Questions,
    outputs: VecDeque<Output>,
    events: Events,
    /// The last loss.
    loss: Option<(Stage, Loss)>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("identity", &self.identity).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Machine {
    /// A client that wants to be the Component `name`; its first output asks for a connection.
    ///
    /// # Errors
    /// [`Error::Name`] if no Component can have that name.
    pub fn new(name: &str, options: Options, start: Start) -> Result<Self, Error> {
        if !is_legal(name.as_bytes()) {
            return Err(Error::Name(name.to_owned()));
        }
        let identity = Identity::new(name, options.vary_name);
        let mut machine = Self {
            options,
            now: start.now,
            ids: Ids::new(start),
            identity,
            state: State::Resting(start.now),
            link: Line::new(),
            buffer: Vec::new(),
            outbox: Outbox::default(),
            spoke_at: start.now,
            heard_at: start.now,
            beat: None,
            questions: Questions::default(),
            outputs: VecDeque::new(),
            events: Events::default(),
            loss: None,
        };
        machine.state_due();
        Ok(machine)
    }

    // ---- What is known ----

    /// Our name: with the namespace as soon as the Coordinator has told it.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.identity.full_name()
    }

    /// The node's namespace; empty before the first sign-in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.identity.namespace()
    }

    /// Whether messages can be sent at the moment.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.state == State::In
    }

    /// Whether the client has come to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The last loss, if there was one: why the client has ended, or is not signed in at the moment.
    #[must_use]
    pub const fn last_loss(&self) -> Option<&(Stage, Loss)> {
        self.loss.as_ref()
    }

    /// Whether the connection is of use.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.stage() != Stage::Connecting
    }

    // ---- Doors in ----

    /// The connection that was asked for is there.
    pub fn handle_connected(&mut self, now: Tick) {
        self.now = self.now.max(now);
        if self.state != State::Connecting {
            self.outputs.push_back(Output::Close);
            return;
        }
        self.link = Line::open(self.options.login.as_ref(), self.outbox.end());
        self.state = State::Shaking(self.now + self.options.timeout);
    }

    /// The connection has ended, or could not be made.
    pub fn handle_closed(&mut self, now: Tick, loss: Loss) {
        self.now = self.now.max(now);
        match self.state {
            State::Resting(_) | State::Ended => {}
            State::SigningOut(..) => self.lose(Loss::SignedOut),
            State::Connecting
            | State::Shaking(_)
            | State::LookingIn(..)
            | State::SigningIn(..)
            | State::Taken(_)
            | State::In => self.lose(loss),
        }
        // Who reports that it has ended does not need to be told to close it.
        self.outputs.retain(|output| *output != Output::Close);
    }

    /// Bytes have come.
    pub fn handle_bytes(&mut self, now: Tick, bytes: &[u8]) {
        self.now = self.now.max(now);
        if !self.is_connected() || bytes.is_empty() {
            return;
        }
        self.heard_at = self.now;
        let mut buffer = core::mem::take(&mut self.buffer);
        if let Err(fault) = self.link.take(bytes, &mut buffer) {
            return self.lose(Loss::Fault(fault));
        }
        let mut at = 0;
        while self.is_connected() {
            let rest = buffer.get(at..).unwrap_or_default();
            match self.link.next(rest, &BOUNDS, self.outbox.end()) {
                Err(fault) => return self.lose(Loss::Fault(fault)),
                Ok(Step::Need(_) | Step::Piece(_)) => {
                    buffer.drain(..at);
                    if !buffer.is_empty() || buffer.capacity() <= KEPT_BYTES {
                        self.buffer = buffer;
                    }
                    return;
                }
                Ok(Step::Skip { len }) => at += len,
                Ok(Step::Ready { len, peer: _ }) => {
                    at += len;
                    if let Some(sealer) = self.link.take_sealer() {
                        self.outbox.seal_by(sealer);
                        let sealed = buffer.split_off(at);
                        if let Err(fault) = self.link.take(&sealed, &mut buffer) {
                            return self.lose(Loss::Fault(fault));
                        }
                    }
                    self.enter();
                }
                Ok(Step::Command { at: within, len, command }) => {
                    let pong =
                        if let Command::Ping { context, .. } = command { Some(Built::pong(context)) } else { None };
                    if within == 0 {
                        at += len;
                    } else {
                        // Frames of an unfinished message lie before it.
                        buffer.drain(at + within..at + within + len);
                    }
                    if let Some(pong) = pong {
                        self.answer_ping(&pong);
                    }
                }
                Ok(Step::Message(found)) => {
                    let message = Message::read(&found, rest);
                    at += found.len;
                    // What is no LECO message is nobody's, and the stream is in order.
                    if let Ok(message) = message {
                        self.take(message);
                    }
                }
            }
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.now = self.now.max(now);
        while let Some((conversation, asked)) = self.questions.close_due(self.now) {
            match asked {
                Asked::ByOwner => self.tell(Event::Answer { conversation, outcome: Err(Error::TimedOut) }),
                // Whatever came in the meantime was a sign of life, too.
                Asked::ForLife if self.heard_at + self.options.heartbeat.times(2) <= self.now => {
                    return self.lose(Loss::Late);
                }
                Asked::ForLife => {}
            }
        }
        self.state_due();
    }

    /// Does what the state's deadline asks for, if that has passed.
    fn state_due(&mut self) {
        if self.state_deadline().is_none_or(|at| at > self.now) {
            return;
        }
        match self.state {
            State::Resting(_) => {
                self.state = State::Connecting;
                self.outputs.push_back(Output::Connect);
            }
            State::Shaking(_) | State::LookingIn(..) | State::SigningIn(..) => self.lose(Loss::Late),
            State::Taken(_) => self.sign_in(),
            State::SigningOut(..) => self.lose(Loss::SignedOut),
            State::In if self.life_due().is_some_and(|at| at <= self.now) => self.ask_for_life(),
            State::In => self.give_sign_of_life(),
            State::Connecting | State::Ended => {}
        }
    }

    fn state_deadline(&self) -> Option<Tick> {
        if self.state == State::In {
            return self.life_due().into_iter().chain([self.beat_due()]).min();
        }
        self.state.deadline()
    }

    // ---- Doors out ----

    /// What the owner of the connection is to do next. To be asked after every call of a door in.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has happened next. To be asked after every call of a door in: more than 64 MiB is not kept, the link is lost instead.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// What came of one question, ahead of all events that wait; `None` while it is open.
    pub fn poll_answer(&mut self, wanted: Conversation) -> Option<Result<Message, Error>> {
        self.events.take_answer(wanted)
    }

    /// When [`Machine::handle_timeout`] is due; a client that has ended has no deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.state_deadline().into_iter().chain(self.questions.next_due()).min()
    }

    /// The bytes that wait to be sent.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.outbox.unsent()
    }

    /// So many of them have left.
    pub fn sent(&mut self, bytes: usize) {
        self.outbox.sent(bytes);
    }

    // ---- What the owner says ----

    /// Calls `method` of `receiver`, a full name or the name of a Component of this node. Null `params` are none. The answer comes as
    /// [`Event::Answer`], within `timeout`.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`] and [`Error::Full`]; nothing was sent then, and no event comes.
    pub fn ask(
        &mut self,
        now: Tick,
        receiver: &str,
        method: &str,
        params: &Value,
        timeout: Span,
    ) -> Result<Conversation, Error> {
        let document = call(Some(1), method, params).to_string();
        self.exchange(now, receiver, TYPE_JSON, &[document.as_bytes()], timeout)
    }

    /// Sends a message of any content and waits for the next one in its conversation, as [`Machine::ask`] does.
    ///
    /// # Errors
    /// As for [`Machine::ask`].
    pub fn exchange(
        &mut self,
        now: Tick,
        receiver: &str,
        content_type: u8,
        payload: &[&[u8]],
        timeout: Span,
    ) -> Result<Conversation, Error> {
        if !self.questions.has_room() {
            return Err(Error::Full);
        }
        let conversation = self.send(now, receiver, content_type, payload)?;
        self.questions.open(conversation, self.now + timeout, Asked::ByOwner);
        Ok(conversation)
    }

    /// Calls a method whose answer nobody waits for.
    ///
    /// # Errors
    /// As for [`Machine::ask`].
    pub fn notify(&mut self, now: Tick, receiver: &str, method: &str, params: &Value) -> Result<Conversation, Error> {
        let document = call(None, method, params).to_string();
        self.send(now, receiver, TYPE_JSON, &[document.as_bytes()])
    }

    /// Sends a message of any content type, in as many payload frames as there are. An empty one to the Coordinator is a sign of life.
    ///
    /// # Errors
    /// As for [`Machine::ask`].
    pub fn send(
        &mut self,
        now: Tick,
        receiver: &str,
        content_type: u8,
        payload: &[&[u8]],
    ) -> Result<Conversation, Error> {
        self.now = self.now.max(now);
        let header = self.ids.header(self.now, content_type);
        self.post(receiver, &header, payload)?;
        Ok(Conversation::of(&header))
    }

    /// Answers a message that is no JSON-RPC request: sends to its sender, in its conversation.
    ///
    /// # Errors
    /// As for [`Machine::ask`].
    pub fn reply(&mut self, now: Tick, to: &Message, content_type: u8, payload: &[&[u8]]) -> Result<(), Error> {
        self.now = self.now.max(now);
        let mut header = answer_header(&to.header);
        header[HEADER_BYTES - 1] = content_type;
        self.post(&to.sender, &header, payload)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// As for [`Machine::ask`].
    pub fn answer(&mut self, now: Tick, reply: Reply, outcome: Result<&Value, &ErrorObject>) -> Result<(), Error> {
        self.now = self.now.max(now);
        self.post(&reply.to, &reply.header, &[reply.document(outcome).to_string().as_bytes()])
    }

    /// Signs out; [`Event::Ended`] comes as soon as the Coordinator has answered, at the latest after `timeout`. Questions that are open
    /// then are closed.
    pub fn sign_out(&mut self, now: Tick, timeout: Span) {
        self.now = self.now.max(now);
        if self.state == State::In {
            let header = self.ids.header(self.now, TYPE_JSON);
            let document = call(Some(1), "sign_out", &Value::Null).to_string();
            if self.post("COORDINATOR", &header, &[document.as_bytes()]).is_ok() {
                self.state = State::SigningOut(Conversation::of(&header), self.now + timeout);
                return;
            }
        }
        if !matches!(self.state, State::SigningOut(..) | State::Ended) {
            self.lose(Loss::SignedOut);
        }
    }

    // ---- Losing ----

    /// The connection is of no use any more, or there is none.
    fn lose(&mut self, loss: Loss) {
        let stage = self.state.stage();
        // One that was asked for and is not wanted any more is closed when it is reported.
        self.outputs.retain(|output| *output != Output::Connect);
        if self.is_connected() {
            self.outputs.push_back(Output::Close);
        }
        self.buffer = Vec::new();
        self.outbox.clear();
        self.loss = Some((stage, loss.clone()));
        let is_final = matches!(loss, Loss::Overrun | Loss::SignedOut)
            || (matches!(loss, Loss::Refused { .. }) && !self.identity.is_known())
            || !self.options.reconnect;
        self.state = if is_final { State::Ended } else { State::Resting(self.now + self.ids.pause()) };
        while let Some((conversation, asked)) = self.questions.close_first() {
            if asked == Asked::ByOwner {
                self.tell(Event::Answer { conversation, outcome: Err(Error::Closed(loss.clone())) });
            }
        }
        if is_final {
            return self.tell(Event::Ended { stage, loss });
        }
        self.tell(Event::Lost { stage, loss });
    }

    // ---- Messages ----

    fn take(&mut self, message: Message) {
        let message = match message.into_call() {
            Ok((call, reply)) => return self.take_call(call, reply),
            Err(message) => message,
        };
        let conversation = message.conversation();
        if self.state.is_signing_in(conversation) {
            self.signed_in(message);
        } else if self.state.is_looking_in(conversation) {
            self.looked_in(message);
        } else if self.state.is_signing_out(conversation) {
            self.lose(Loss::SignedOut);
        } else {
            self.take_answer(conversation, message);
        }
    }

    fn take_call(&mut self, call: Call, reply: Option<Reply>) {
        let Some(reply) = reply else {
            if !call.method.is_empty() && call.method != "pong" {
                self.tell(Event::Notification(call));
            }
            return;
        };
        if call.method == "pong" {
            self.put_answer(&reply, Ok(&Value::Null));
        } else if self.options.serve && !call.method.is_empty() {
            self.tell(Event::Request(call, reply));
        } else {
            let error = ErrorObject::new(METHOD_NOT_FOUND.code.into(), METHOD_NOT_FOUND.message);
            self.put_answer(&reply, Err(&error));
        }
    }

    fn take_answer(&mut self, conversation: Conversation, message: Message) {
        let is_unknown = self.options.reconnect && self.is_unknown_here(&message);
        match self.questions.close(conversation) {
            Some(Asked::ByOwner) => self.tell(Event::Answer { conversation, outcome: Ok(message) }),
            Some(Asked::ForLife) => {}
            None if self.beat == Some(conversation) => {}
            None => match message.error() {
                Some(error) => self.tell(Event::Undelivered { conversation, by: message.sender, error }),
                // Nobody waits for it any more.
                None if message.is_answer() => {}
                None => self.tell(Event::Message(message)),
            },
        }
        if is_unknown && self.state == State::In {
            self.sign_in();
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.push(event);
        if self.events.is_over() && self.is_connected() {
            self.lose(Loss::Overrun);
        }
    }

    // ---- Sending ----

    /// Queues a message of the owner.
    fn post(&mut self, receiver: &str, header: &[u8; HEADER_BYTES], payload: &[&[u8]]) -> Result<(), Error> {
        if self.state != State::In {
            return Err(Error::NotSignedIn);
        }
        let bytes: usize = payload.iter().map(|body| body.len()).sum();
        let is_too_large = self.outbox.is_sealed() && payload.iter().any(|body| body.len() > SEALED_FRAME_BYTES_MAX);
        if is_too_large || !self.outbox.has_room(bytes) {
            return Err(Error::Full);
        }
        self.put(receiver, header, payload);
        Ok(())
    }

    fn put_answer(&mut self, reply: &Reply, outcome: Result<&Value, &ErrorObject>) {
        if !self.outbox.has_room(0) {
            return self.lose(Loss::Overrun);
        }
        let document = reply.document(outcome).to_string();
        self.put(&reply.to, &reply.header, &[document.as_bytes()]);
    }

    fn put(&mut self, receiver: &str, header: &[u8; HEADER_BYTES], payload: &[&[u8]]) {
        let sender = self.full_name();
        encode(self.outbox.end(), receiver.as_bytes(), sender.as_bytes(), header, payload);
        self.spoke_at = self.now;
        self.seal();
    }

    /// Seals what was put into the outbox, where all is sealed.
    fn seal(&mut self) {
        if let Err(fault) = self.outbox.seal() {
            self.lose(Loss::Fault(fault));
        }
    }
}
