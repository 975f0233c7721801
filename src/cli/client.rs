//! A small blocking LECO client: one connection, one signed-in name, one question at a time, each with a deadline.
//!
//! Speaks through the crate's own codecs, as a DEALER. While it waits for an answer it is a good Component: it answers PINGs of the
//! link and `pong` calls, says "Method not found" to any other call, and passes over whatever belongs to another conversation. What a
//! session that it has joined tells it is kept until it is asked for.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use instep::leco::message::{self, HEADER_BYTES, TYPE_C2SIM, TYPE_JSON, VERSION, View};
use instep::leco::name::FullName;
use instep::leco::rpc::{DUPLICATE_NAME, METHOD_NOT_FOUND, NODE_UNKNOWN, RECEIVER_UNKNOWN, SESSION_REFUSED};
use instep::limits::CLIENT_MESSAGE_BYTES_MAX;
use instep::zmtp::command::{Built, Command};
use instep::zmtp::frame::{self, Bounds, push_frame};
use instep::zmtp::link::{Link, Step};
use instep::zmtp::mechanism::Mechanism;
use instep::zmtp::{Fault, SocketType};
use serde_json::{Value, json};

use super::failure::plain;

const BOUNDS: Bounds =
    Bounds { frame_bytes_max: CLIENT_MESSAGE_BYTES_MAX, message_bytes_max: CLIENT_MESSAGE_BYTES_MAX };
/// Longest wait for the answer to the goodbye.
const FAREWELL: Duration = Duration::from_millis(500);
/// Bytes of events that are kept while an answer is waited for.
const EVENT_BYTES_MAX: usize = 64 << 20;
/// Bytes that an event counts for beyond its document.
const EVENT_BYTES: usize = 1 << 10;
/// Names tried before sign-in is given up.
const NAMES_MAX: u32 = 8;

/// An error that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// Full name of who answered, as far as it was said.
    pub(super) by: String,
    /// Whom the call was for.
    pub(super) receiver: String,
    /// What was called.
    pub(super) method: String,
    /// The error's number.
    pub(super) code: i64,
    /// The error's sentence.
    pub(super) message: String,
    /// What the error says beside it; null if nothing.
    pub(super) data: Value,
}

impl Refusal {
    /// Why a session refuses, in its own words: the sentence, the code of the C2SIM interface, and the particulars.
    fn reason(&self) -> Option<String> {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let code = self.data.get("code").map(word)?;
        let sentence = self.data.get("reason").map_or_else(|| self.message.clone(), word);
        let details = self.data.get("details").and_then(Value::as_object).into_iter().flatten();
        let details: Vec<String> = details.map(|(key, value)| format!("{key} {}", word(value))).collect();
        let details = if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
        Some(format!("{} ({code}{details})", sentence.trim_end_matches('.')))
    }
}

/// A "no" of the Manager.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Denial {
    /// The Manager's sentence.
    pub(super) message: String,
    /// All that it answered: it may have done a part.
    pub(super) data: Value,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// Nobody is there, or nobody answered in time; says where.
    Nobody(String),
    /// An error was answered.
    Refused(Box<Refusal>),
    /// The Manager refused.
    Denied(Box<Denial>),
    /// What was answered makes no sense; says whose answer.
    Broken(String),
}

impl Trouble {
    /// Whether it comes to nobody being there: no Coordinator, no answer in time, or a Coordinator that knows no such receiver.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Nobody(_) => true,
            Self::Refused(refusal) => {
                [NODE_UNKNOWN, RECEIVER_UNKNOWN].iter().any(|e| i64::from(e.code) == refusal.code)
            }
            Self::Denied(_) | Self::Broken(_) => false,
        }
    }

    /// The code of the answered error, if there was one.
    fn code(&self) -> Option<i64> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Nobody(_) | Self::Denied(_) | Self::Broken(_) => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(text) | Self::Broken(text) => f.write_str(text),
            Self::Denied(denial) => f.write_str(&denial.message),
            Self::Refused(refusal) => {
                let Refusal { by, receiver, method, code, message, data } = &**refusal;
                let by = if by.is_empty() { "the Coordinator" } else { by };
                let message = message.trim_end_matches('.');
                let shown = if data.is_null() { String::new() } else { format!(", data {data}") };
                if *code == i64::from(NODE_UNKNOWN.code) {
                    write!(f, "{by} has no link to the node of {receiver} (error {code}: {message}{shown})")
                } else if *code == i64::from(RECEIVER_UNKNOWN.code) {
                    write!(f, "{by} knows no component {receiver} (error {code}: {message}{shown})")
                } else if let (true, Some(why)) = (*code == i64::from(SESSION_REFUSED.code), refusal.reason()) {
                    write!(f, "{by} refuses {method}: {why}")
                } else {
                    write!(f, "{by} answered {method} with error {code}: {message}{shown}")
                }
            }
        }
    }
}

/// Why nothing more is heard.
#[derive(Debug)]
enum Silence {
    Late,
    Ended(String),
    Fault(Fault),
}

/// A message from the Coordinator.
#[derive(Debug)]
struct Incoming {
    sender: String,
    header: [u8; HEADER_BYTES],
    document: Option<Value>,
    /// The second payload frame.
    attached: Option<Vec<u8>>,
}

/// What a session tells its members.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// The session's full name.
    pub(super) session: String,
    /// The parameters of the notification.
    pub(super) params: Value,
    /// The C2SIM document that it is about, if there is one.
    pub(super) document: Option<Vec<u8>>,
}

impl Event {
    /// A number among the parameters.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.params.get(key).and_then(Value::as_u64)
    }

    /// A word among the parameters; empty if it is not there.
    pub(super) fn word(&self, key: &str) -> &str {
        self.params.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        EVENT_BYTES + self.document.as_ref().map_or(0, Vec::len)
    }
}

/// What the bytes at the front of the buffer came to.
#[derive(Debug)]
enum Heard {
    Nothing,
    Ready,
    Ping(Built),
    Message(Option<Incoming>),
}

/// A signed-in Component. [`Client::leave`] says goodbye.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    /// The Coordinator's address, for messages to people.
    address: String,
    link: Link,
    /// Bytes received and not dealt with.
    buffer: Vec<u8>,
    timeout: Duration,
    name: String,
    namespace: String,
    asked: u64,
    /// What sessions have told and nobody has asked for yet.
    events: VecDeque<Event>,
    event_bytes: usize,
}

impl Client {
    /// Connects to the Coordinator at `address` (`host:port`) and signs in as `name` or, where that is taken, as a
    /// variation of it. Every step of it and every later question may take `timeout`.
    pub(super) fn connect(address: &str, name: &str, timeout: Duration) -> Result<Self, Trouble> {
        let stream = dial("Coordinator", address, timeout)?;
        let mut client = Self {
            stream,
            address: address.to_owned(),
            link: Link::new(SocketType::Dealer, Mechanism::Null),
            buffer: Vec::new(),
            timeout,
            name: name.to_owned(),
            namespace: String::new(),
            asked: 0,
            events: VecDeque::new(),
            event_bytes: 0,
        };
        client.shake_hands()?;
        client.sign_in(name)?;
        Ok(client)
    }

    /// Our own name, as far as the Coordinator has told it.
    pub(super) fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}.{}", self.namespace, self.name) }
    }

    /// The node's namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Calls `method` of `receiver` and waits for its result. Null `params` are none.
    pub(super) fn ask(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Value, Trouble> {
        let answer = self.converse(receiver, method, params)?;
        result_of(answer, receiver, method)
    }

    /// Hands a C2SIM document to a session and waits for what it says to it.
    pub(super) fn hand_in(&mut self, receiver: &str, document: &[u8]) -> Result<Value, Trouble> {
        const WHAT: &str = "the document";
        let mut header = message::new_header(unix_ms(), random());
        header[HEADER_BYTES - 1] = TYPE_C2SIM;
        let answer = self.exchange(receiver, WHAT, &header, document)?;
        result_of(answer, receiver, WHAT)
    }

    /// Calls a method whose answer nobody waits for.
    pub(super) fn notify(&mut self, receiver: &str, method: &str, params: &Value) -> Result<(), Trouble> {
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string();
        let header = message::new_header(unix_ms(), random());
        self.send(receiver, &header, call.as_bytes()).map_err(|error| self.deaf(&error))
    }

    /// The next thing that a session tells; `None` when nothing comes before the deadline.
    pub(super) fn next_event(&mut self, deadline: Instant) -> Result<Option<Event>, Trouble> {
        loop {
            if let Some(event) = self.events.pop_front() {
                self.event_bytes -= event.bytes();
                return Ok(Some(event));
            }
            match self.attend(deadline) {
                Ok(_) => {}
                Err(Silence::Late) => return Ok(None),
                Err(Silence::Ended(why)) => return Err(Trouble::Nobody(format!("{}: {why}", self.address))),
                Err(Silence::Fault(fault)) => return Err(Trouble::Broken(format!("{}: {fault}", self.address))),
            }
        }
    }

    fn converse(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Incoming, Trouble> {
        self.asked += 1;
        let mut request = json!({"jsonrpc": "2.0", "id": self.asked, "method": method});
        if let (Some(request), false) = (request.as_object_mut(), params.is_null()) {
            request.insert("params".to_owned(), params.clone());
        }
        let header = message::new_header(unix_ms(), random());
        self.exchange(receiver, method, &header, request.to_string().as_bytes())
    }

    /// Sends a message and waits for the answer to it.
    fn exchange(
        &mut self,
        receiver: &str,
        method: &str,
        header: &[u8; HEADER_BYTES],
        payload: &[u8],
    ) -> Result<Incoming, Trouble> {
        self.send(receiver, header, payload).map_err(|error| self.deaf(&error))?;
        self.wait_for(header, now() + self.timeout).map_err(|silence| self.unanswered(silence, receiver, method))
    }

    /// Signs out and ends the connection. Whether the Coordinator answers makes no difference any more.
    pub(super) fn leave(mut self) {
        self.timeout = self.timeout.min(FAREWELL);
        drop(self.ask("COORDINATOR", "sign_out", &Value::Null));
    }

    // ---- Signing in ----

    fn shake_hands(&mut self) -> Result<(), Trouble> {
        let (greeting, ready) = self.link.opening();
        let mut opening = greeting.to_vec();
        if let Some(ready) = ready {
            opening.extend_from_slice(ready.bytes());
        }
        let deadline = now() + self.timeout;
        let address = self.address.clone();
        let no = |why: &str| Trouble::Nobody(format!("no Coordinator at {address}: {why}"));
        self.write(&opening).map_err(|error| no(&plain(&error)))?;
        loop {
            match self.hear(deadline) {
                Ok(Heard::Ready) => return Ok(()),
                Ok(Heard::Nothing | Heard::Ping(_) | Heard::Message(_)) => {}
                Err(Silence::Late) => {
                    return Err(no(&format!("whatever is there does not speak ZMTP within {}", seconds(self.timeout))));
                }
                Err(Silence::Ended(why)) => return Err(no(&format!("{why} during the handshake"))),
                Err(Silence::Fault(fault)) => return Err(no(&fault.to_string())),
            }
        }
    }

    fn sign_in(&mut self, wanted: &str) -> Result<(), Trouble> {
        let mut params = json!({"suggest": true});
        for n in 2..2 + NAMES_MAX {
            let answer = self.converse("COORDINATOR", "sign_in", &params)?;
            // The answer's sender is the Coordinator by its full name: that is how a Component learns its namespace.
            let namespace = String::from_utf8_lossy(FullName::split(answer.sender.as_bytes()).namespace).into_owned();
            let Err(trouble) = result_of(answer, "COORDINATOR", "sign_in") else {
                self.namespace = namespace;
                return Ok(());
            };
            match &trouble {
                Trouble::Refused(refusal) if refusal.code == i64::from(DUPLICATE_NAME.code) => {
                    let suggestion = refusal.data.get("suggestion").and_then(Value::as_str);
                    self.name = suggestion.map_or_else(|| format!("{wanted}_{n}"), str::to_owned);
                }
                // A Coordinator that makes no suggestions has a sign_in without parameters.
                Trouble::Refused(_) if !params.is_null() => params = Value::Null,
                Trouble::Refused(_) | Trouble::Nobody(_) | Trouble::Denied(_) | Trouble::Broken(_) => {
                    return Err(trouble);
                }
            }
        }
        Err(Trouble::Broken(format!("{}: no name like {wanted} is free", self.address)))
    }

    // ---- Messages ----

    fn send(&mut self, receiver: &str, header: &[u8; HEADER_BYTES], payload: &[u8]) -> io::Result<()> {
        let mut wire = Vec::new();
        push_frame(&mut wire, true, VERSION);
        push_frame(&mut wire, true, receiver.as_bytes());
        push_frame(&mut wire, true, self.full_name().as_bytes());
        push_frame(&mut wire, true, header);
        push_frame(&mut wire, false, payload);
        self.write(&wire)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.timeout))?;
        self.stream.write_all(bytes)
    }

    /// The answer in the conversation of `header`.
    fn wait_for(&mut self, header: &[u8; HEADER_BYTES], deadline: Instant) -> Result<Incoming, Silence> {
        loop {
            if let Some(incoming) = self.attend(deadline)?
                && incoming.header.get(..16) == header.get(..16)
            {
                return Ok(incoming);
            }
        }
    }

    /// Takes one thing from the stream and does what a good Component does; gives what may be an answer.
    fn attend(&mut self, deadline: Instant) -> Result<Option<Incoming>, Silence> {
        match self.hear(deadline)? {
            Heard::Nothing | Heard::Ready | Heard::Message(None) => Ok(None),
            Heard::Ping(pong) => self.write(pong.bytes()).map(|()| None).map_err(|error| Silence::Ended(plain(&error))),
            Heard::Message(Some(mut incoming)) => {
                let call = incoming.document.take_if(|document| document.get("method").is_some());
                let Some(mut call) = call else { return Ok(Some(incoming)) };
                let method = call.get("method").and_then(Value::as_str);
                if method == Some("session_event") && call.get("id").is_none() {
                    let params = call.get_mut("params").map(Value::take).unwrap_or_default();
                    let event = Event { session: incoming.sender, params, document: incoming.attached };
                    self.event_bytes += event.bytes();
                    self.events.push_back(event);
                    if self.event_bytes > EVENT_BYTES_MAX {
                        return Err(Silence::Ended("more events came than can be kept".to_owned()));
                    }
                    return Ok(None);
                }
                self.serve(&incoming, &call).map(|()| None).map_err(|error| Silence::Ended(plain(&error)))
            }
        }
    }

    /// Answers somebody's call, unless it is a notification.
    fn serve(&mut self, incoming: &Incoming, call: &Value) -> io::Result<()> {
        let Some(id) = call.get("id") else { return Ok(()) };
        let answer = if call.get("method").and_then(Value::as_str) == Some("pong") {
            json!({"jsonrpc": "2.0", "id": id, "result": null})
        } else {
            let error = json!({"code": METHOD_NOT_FOUND.code, "message": METHOD_NOT_FOUND.message});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.send(&incoming.sender, &message::answer_header(&incoming.header), answer.to_string().as_bytes())
    }

    /// Takes one thing from the front of the stream.
    fn hear(&mut self, deadline: Instant) -> Result<Heard, Silence> {
        loop {
            let (cut, heard): (Range<usize>, Heard) =
                match self.link.next(&self.buffer, &BOUNDS).map_err(Silence::Fault)? {
                    Step::Need(_) => {
                        self.receive(deadline)?;
                        continue;
                    }
                    Step::Skip { len } => (0..len, Heard::Nothing),
                    Step::Ready { len, peer: _ } => (0..len, Heard::Ready),
                    Step::Command { at, len, command } => {
                        let heard = match command {
                            Command::Ping { context, .. } => Heard::Ping(Built::pong(context)),
                            Command::Ready(_) | Command::Error(_) | Command::Pong | Command::Ignored => Heard::Nothing,
                        };
                        (at..at + len, heard)
                    }
                    Step::Message(message) => {
                        let part = |n| message.part(&self.buffer, n);
                        let view = View::new(part(0), part(1), part(2), part(3), part(4));
                        let attached = message.rest().and_then(|at| self.buffer.get(at..)).and_then(first_frame);
                        (0..message.len, Heard::Message(view.ok().map(|view| incoming(&view, attached))))
                    }
                };
            self.buffer.drain(cut);
            return Ok(heard);
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), Silence> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Err(Silence::Late);
        }
        let mut chunk = [0; 16 << 10];
        let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut chunk));
        match read {
            Ok(0) => Err(Silence::Ended("the connection was closed".to_owned())),
            Ok(n) => {
                self.buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
                Ok(())
            }
            // The system's name for "timed out" is WouldBlock here. The caller's loop finds the deadline passed.
            Err(error) if is_wait(&error) => Ok(()),
            Err(error) => Err(Silence::Ended(plain(&error))),
        }
    }

    fn deaf(&self, error: &io::Error) -> Trouble {
        Trouble::Nobody(format!("{} takes no more messages: {}", self.address, plain(error)))
    }

    fn unanswered(&self, silence: Silence, receiver: &str, method: &str) -> Trouble {
        match silence {
            Silence::Late => Trouble::Nobody(format!(
                "{receiver} did not answer {method} within {} (asked through {})",
                seconds(self.timeout),
                self.address
            )),
            Silence::Ended(why) => {
                Trouble::Nobody(format!("{}: {why} before {receiver} answered {method}", self.address))
            }
            Silence::Fault(fault) => Trouble::Broken(format!("{}: {fault}", self.address)),
        }
    }
}

pub(super) fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The body of the frame that `bytes` begin with.
fn first_frame(bytes: &[u8]) -> Option<&[u8]> {
    let head = frame::head(bytes).ok()?;
    bytes.get(head.bytes..)?.get(..usize::try_from(head.body).ok()?)
}

fn incoming(view: &View<'_>, attached: Option<&[u8]>) -> Incoming {
    let document = view.payload.filter(|_| view.content_type() == TYPE_JSON);
    Incoming {
        sender: String::from_utf8_lossy(view.sender).into_owned(),
        header: *view.header,
        document: document.and_then(|payload| serde_json::from_slice(payload).ok()),
        attached: attached.map(<[u8]>::to_vec),
    }
}

/// The result in an answer, or the error.
fn result_of(incoming: Incoming, receiver: &str, method: &str) -> Result<Value, Trouble> {
    let by = incoming.sender;
    let broken = || Trouble::Broken(format!("{by} answered {method} with something that is no JSON-RPC"));
    let Some(Value::Object(mut answer)) = incoming.document else { return Err(broken()) };
    match answer.remove("error") {
        None | Some(Value::Null) => answer.remove("result").ok_or_else(broken),
        Some(error) => {
            let code = error.get("code").and_then(Value::as_i64).ok_or_else(broken)?;
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
            let data = error.get("data").cloned().unwrap_or(Value::Null);
            let (receiver, method) = (receiver.to_owned(), method.to_owned());
            Err(Trouble::Refused(Box::new(Refusal { by, receiver, method, code, message, data })))
        }
    }
}

/// Whether a trouble is the receiver's own word that it has no such method: the receiver lives.
pub(super) fn is_method_unknown(trouble: &Trouble) -> bool {
    trouble.code() == Some(i64::from(METHOD_NOT_FOUND.code))
}

/// Connects to the first address behind a name that takes the connection; `whom` is for the message when none does.
pub(super) fn dial(whom: &str, address: &str, timeout: Duration) -> Result<TcpStream, Trouble> {
    let deadline = now() + timeout;
    let no = |why: String| Trouble::Nobody(format!("no {whom} at {address}: {why}"));
    let all = address.to_socket_addrs().map_err(|error| no(plain(&error)))?;
    let mut why = "the name has no address".to_owned();
    for one in all {
        let left = deadline.saturating_duration_since(now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&one, left) {
            Ok(stream) => {
                // A question is one small write; it must not wait for the answer to an earlier one.
                stream.set_nodelay(true).map_err(|error| no(plain(&error)))?;
                return Ok(stream);
            }
            Err(error) if is_wait(&error) => why = format!("no connection within {}", seconds(timeout)),
            Err(error) => why = plain(&error),
        }
    }
    Err(no(why))
}

/// A length of time as people write it.
pub(super) fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "deadlines of a blocking program")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The time of day, in milliseconds since 1970 (UTC).
#[expect(clippy::disallowed_methods, reason = "conversation ids hold the time, and so do orders for later")]
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Random bits from what the standard library seeds its hash tables with.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    (half() << 64) | half()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(by: &str, code: i64, data: Value) -> Trouble {
        let [by, receiver, method, message] = [by, "N1.CB", "m", "A sentence."].map(str::to_owned);
        Trouble::Refused(Box::new(Refusal { by, receiver, method, code, message, data }))
    }

    fn answer(document: &Value) -> Result<Value, Trouble> {
        let incoming =
            Incoming { sender: "N1.CB".to_owned(), header: [0; 20], document: Some(document.clone()), attached: None };
        result_of(incoming, "N1.CB", "m")
    }

    #[test]
    fn an_answer_is_a_result_an_error_or_nonsense() {
        assert_eq!(answer(&json!({"id": 1, "result": [1]})), Ok(json!([1])));
        assert_eq!(answer(&json!({"id": 1, "result": null, "error": null})), Ok(Value::Null));
        let error = json!({"id": 1, "error": {"code": -3, "message": "A sentence.", "data": "x"}});
        assert_eq!(answer(&error), Err(refusal("N1.CB", -3, json!("x"))));
        for nonsense in [json!({"id": 1}), json!([]), json!({"error": "text"})] {
            let said = answer(&nonsense).unwrap_err().to_string();
            assert_eq!(said, "N1.CB answered m with something that is no JSON-RPC", "{nonsense}");
        }
    }

    #[test]
    fn troubles_are_one_line_that_names_who() {
        let said = |code, data| refusal("N1.COORDINATOR", code, data).to_string();
        assert_eq!(said(-3, Value::Null), "N1.COORDINATOR answered m with error -3: A sentence");
        assert_eq!(said(-3, json!([1])), "N1.COORDINATOR answered m with error -3: A sentence, data [1]");
        let unknown = "N1.COORDINATOR knows no component N1.CB (error -32093: A sentence)";
        assert_eq!(said(-32093, Value::Null), unknown);
        let unlinked = r#"N1.COORDINATOR has no link to the node of N1.CB (error -32092: A sentence, data "N1")"#;
        assert_eq!(said(-32092, json!("N1")), unlinked);
        let no = json!({"code": "NOT_IMPLEMENTED", "reason": "it is not.", "details": {"A": "x;y", "B": 2}});
        assert_eq!(said(-32030, no), "N1.COORDINATOR refuses m: it is not (NOT_IMPLEMENTED: A x;y, B 2)");
        assert_eq!(said(-32030, json!({"code": "C"})), "N1.COORDINATOR refuses m: A sentence (C)");
        assert_eq!(said(-32030, Value::Null), "N1.COORDINATOR answered m with error -32030: A sentence");
        assert!(refusal("", -3, Value::Null).to_string().starts_with("the Coordinator answered m"));
        assert!(refusal("N1.COORDINATOR", -32093, Value::Null).is_absence());
        assert!(!refusal("N1.COORDINATOR", -32601, Value::Null).is_absence());
        assert!(is_method_unknown(&refusal("N1.CB", -32601, Value::Null)));
    }
}
