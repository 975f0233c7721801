//! The library's client as the program uses it: one question at a time, troubles as one line for people, events of sessions kept until
//! they are asked for. A program that runs for a moment does not come back to a Coordinator that it has lost, and serves nobody.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use instep::auth::wanted;
use instep::client::{self, Error, ErrorObject, Loss, Options, blocking};
use instep::hub::Channel;
use instep::leco::message::{TYPE_C2SIM, TYPE_JSON};
use instep::leco::rpc::{
    DUPLICATE_NAME, FORBIDDEN, INVALID_PARAMS, MANAGER_FAILED, METHOD_NOT_FOUND, NODE_UNKNOWN, RECEIVER_UNKNOWN,
    SERVER_FULL, SESSION_REFUSED, in_order,
};
use instep::leco::{DEFAULT_PORT, address};
use instep::time::Span;
use serde_json::{Value, json};

use super::credentials;
use super::failure::in_words;

/// Longest wait for the answer to the goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

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
        let details = self.data.get("details").and_then(Value::as_object).map(in_order).into_iter().flatten();
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
    /// What was answered makes no sense, or is that we are not let in; says whose answer.
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

    /// Whether what was asked makes no sense there.
    pub(super) fn is_invalid(&self) -> bool {
        self.code() == Some(i64::from(INVALID_PARAMS.code))
    }

    /// Where it is the Manager that has refused, in its own words alone.
    pub(super) fn in_words_of_manager(self) -> Self {
        match self {
            Self::Refused(refusal)
                if [MANAGER_FAILED, SERVER_FULL].iter().any(|error| i64::from(error.code) == refusal.code)
                    && refusal.data.is_string() =>
            {
                let message = refusal.data.as_str().unwrap_or_default().to_owned();
                Self::Denied(Box::new(Denial { message, data: Value::Null }))
            }
            other @ (Self::Nobody(_) | Self::Refused(_) | Self::Denied(_) | Self::Broken(_)) => other,
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
                    write!(
                        f,
                        "{by} has no link to the node of {receiver} (error {code}: {message}{shown}; see: instep ctl nodes)"
                    )
                } else if let (true, Some((channel, key))) =
                    (*code == i64::from(RECEIVER_UNKNOWN.code), channel_of(receiver))
                {
                    write!(
                        f,
                        "the {channel} channel of {by} is off: by {key}, or as its log says (error {code}: {message}{shown})"
                    )
                } else if *code == i64::from(RECEIVER_UNKNOWN.code) {
                    write!(
                        f,
                        "{by} knows no component {receiver} (error {code}: {message}{shown}; see: instep ctl {})",
                        listing(receiver)
                    )
                } else if let (true, Some(needs)) =
                    (*code == i64::from(FORBIDDEN.code), data.get("needs").and_then(Value::as_str))
                {
                    let word = |key: &str| data.get(key).and_then(Value::as_str);
                    let (user, action) = (word("user").unwrap_or_default(), word("action").unwrap_or(method));
                    write!(f, "{by} does not let {user} {action}: {} (error {code})", wanted(needs))
                } else if let (true, Some(why)) = (*code == i64::from(SESSION_REFUSED.code), refusal.reason()) {
                    write!(f, "{by} refuses {method}: {why}")
                } else {
                    write!(f, "{by} answered {method} with error {code}: {message}{shown}")
                }
            }
        }
    }
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
}

/// A signed-in Component. [`Client::leave`] says goodbye.
#[derive(Debug)]
pub(super) struct Client {
    inner: client::Client,
    /// The Coordinator's address, for messages to people.
    address: String,
    timeout: Duration,
}

impl Client {
    /// Connects to the Coordinator at `address` (`host:port`) and signs in as `name` or, where that is taken, as a
    /// variation of it. Every step of it and every later question may take `timeout`.
    pub(super) fn connect(address: &str, name: &str, timeout: Duration) -> Result<Self, Trouble> {
        let options = Options::new().timeout(span(timeout)).reconnect(false).vary_name(true).serve(false).look_on(true);
        let options = credentials::shown(options).map_err(|failure| Trouble::Broken(failure.text))?;
        match client::Client::connect(address, name, options) {
            Ok(inner) => Ok(Self { inner, address: address.to_owned(), timeout }),
            Err(error) => Err(outside(address, name, timeout, error)),
        }
    }

    /// Our own name, as far as the Coordinator has told it.
    pub(super) fn full_name(&self) -> String {
        self.inner.full_name()
    }

    /// The node's namespace.
    pub(super) fn namespace(&self) -> &str {
        self.inner.namespace()
    }

    /// Calls `method` of `receiver` and waits for its result. Null `params` are none.
    pub(super) fn ask(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Value, Trouble> {
        let answer = self.inner.ask(receiver, method, params, self.timeout);
        answer.map_err(|error| unanswered(&self.address, self.timeout, receiver, method, error))
    }

    /// Calls a method whose answer may come with a document in a frame of its own.
    pub(super) fn ask_for_document(
        &mut self,
        receiver: &str,
        method: &str,
        params: &Value,
    ) -> Result<(Value, Option<Vec<u8>>), Trouble> {
        let call = if params.is_null() {
            json!({"jsonrpc": "2.0", "id": 1, "method": method})
        } else {
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        };
        let call = call.to_string();
        let answer = self.inner.exchange(receiver, TYPE_JSON, &[call.as_bytes()], self.timeout);
        let answer = answer.and_then(|mut message| {
            let document = (message.payload.len() > 1).then(|| message.payload.swap_remove(1));
            message.into_result().map(|result| (result, document))
        });
        answer.map_err(|error| unanswered(&self.address, self.timeout, receiver, method, error))
    }

    /// Hands a C2SIM document to a session and waits for what it says to it.
    pub(super) fn hand_in(&mut self, receiver: &str, document: &[u8]) -> Result<Value, Trouble> {
        let answer = self.inner.exchange(receiver, TYPE_C2SIM, &[document], self.timeout);
        let answer = answer.and_then(client::Message::into_result);
        answer.map_err(|error| unanswered(&self.address, self.timeout, receiver, "the document", error))
    }

    /// Calls a method whose answer nobody waits for.
    pub(super) fn notify(&mut self, receiver: &str, method: &str, params: &Value) -> Result<(), Trouble> {
        let sent = self.inner.notify(receiver, method, params);
        sent.map(|_| ()).map_err(|error| unanswered(&self.address, self.timeout, receiver, method, error))
    }

    /// The next thing that a session tells; `None` when nothing comes before the deadline.
    pub(super) fn next_event(&mut self, deadline: Instant) -> Result<Option<Event>, Trouble> {
        loop {
            match self.inner.receive(deadline.saturating_duration_since(now())) {
                Ok(Some(client::Event::Notification(call))) if call.method == "session_event" => {
                    let document = call.attached.into_iter().next();
                    return Ok(Some(Event { session: call.sender, params: call.params, document }));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(Error::Closed(loss)) => return Err(ended(&self.address, &loss, "")),
                Err(error) => return Err(Trouble::Nobody(format!("{}: {error}", self.address))),
            }
        }
    }

    /// Signs out and ends the connection. Whether the Coordinator answers makes no difference any more.
    pub(super) fn leave(self) {
        drop(self.inner.sign_out(self.timeout.min(FAREWELL)));
    }
}

// ---- Troubles in words ----

/// What lists those that are like a receiver.
fn listing(receiver: &str) -> &'static str {
    let name = name_of(receiver);
    if name.starts_with("session:") { "session list" } else { "components" }
}

/// A full name's second half.
fn name_of(receiver: &str) -> &str {
    receiver.split_once('.').map_or(receiver, |(_, name)| name)
}

/// The channel that has this name, and its setting.
fn channel_of(receiver: &str) -> Option<(Channel, &'static str)> {
    let channel = Channel::ALL.into_iter().find(|channel| channel.name() == name_of(receiver))?;
    let key = match channel {
        Channel::Data => "data_port",
        Channel::Log => "log_channel_port",
    };
    Some((channel, key))
}

/// Why nobody was let in.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors may grow")]
fn outside(address: &str, name: &str, timeout: Duration, error: Error) -> Trouble {
    match error {
        Error::Io(error) => unreachable("Coordinator", address, timeout, &error),
        Error::Handshake(loss) => {
            let why = match &loss {
                Loss::Late => format!("whatever is there does not speak ZMTP within {}", seconds(timeout)),
                Loss::Fault(fault) => fault.to_string(),
                loss => format!("{} during the handshake", reason(loss)),
            };
            match credentials::cure(&loss) {
                // Somebody is there, and says no, or hangs up on what we have shown.
                Some(cure) => Trouble::Broken(format!("{address}: {why}: {cure}")),
                None => Trouble::Nobody(format!("no Coordinator at {address}: {why} (is that its port? -a HOST:PORT)")),
            }
        }
        Error::Refused { error, .. } if error.code == i64::from(DUPLICATE_NAME.code) => {
            Trouble::Broken(format!("{address}: no name like {name} is free"))
        }
        Error::Refused { by, error } => refused(by, "COORDINATOR", "sign_in", error),
        error => unanswered(address, timeout, "COORDINATOR", "sign_in", error),
    }
}

/// Why there is no answer, or none that helps.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors may grow")]
fn unanswered(address: &str, timeout: Duration, receiver: &str, method: &str, error: Error) -> Trouble {
    match error {
        Error::Rpc { by, error } => refused(by, receiver, method, error),
        Error::Nonsense { by } => Trouble::Broken(format!("{by} answered {method} with something that is no JSON-RPC")),
        Error::TimedOut => Trouble::Nobody(format!(
            "{receiver} did not answer {method} within {} (asked through {address}; to wait longer: -t SECONDS)",
            seconds(timeout)
        )),
        Error::Closed(loss) => ended(address, &loss, &format!(" before {receiver} answered {method}")),
        error => Trouble::Nobody(format!("{address}: {error}")),
    }
}

/// How the connection ended; `before` says before what.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors may grow")]
fn ended(address: &str, loss: &Loss, before: &str) -> Trouble {
    match loss {
        Loss::Fault(fault) => Trouble::Broken(format!("{address}: {fault}")),
        Loss::Writing(error) => Trouble::Nobody(format!("{address} takes no more messages: {}", in_words(error))),
        loss => Trouble::Nobody(format!("{address}: {}{before}", reason(loss))),
    }
}

/// A loss as it stands in a sentence.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors may grow")]
fn reason(loss: &Loss) -> String {
    match loss {
        Loss::Reading(error) | Loss::Writing(error) | Loss::Unreachable(error) => in_words(error),
        Loss::Overrun => "more events came than can be kept".to_owned(),
        loss => loss.to_string(),
    }
}

fn refused(by: String, receiver: &str, method: &str, error: ErrorObject) -> Trouble {
    let ErrorObject { code, message, data, .. } = error;
    let (receiver, method) = (receiver.to_owned(), method.to_owned());
    Trouble::Refused(Box::new(Refusal { by, receiver, method, code, message, data }))
}

fn unreachable(whom: &str, address: &str, timeout: Duration, error: &io::Error) -> Trouble {
    let why = if is_wait(error) { format!("no connection within {}", seconds(timeout)) } else { in_words(error) };
    Trouble::Nobody(format!("no {whom} at {address}: {why} ({})", step(whom, address, error)))
}

/// What may help where nobody takes a connection.
pub(super) fn step(whom: &str, address: &str, error: &io::Error) -> String {
    let (host, port) = address::host_and_port(address).unwrap_or((address, DEFAULT_PORT));
    if error.to_string().contains("lookup") {
        return format!("is {host} the right name? -a takes its address, too");
    }
    if whom != "Coordinator" {
        return "is that its port? its log says which it has, and so does: instep ctl manager".to_owned();
    }
    let is_here = address::is_loopback(host);
    let flag = if port == DEFAULT_PORT { String::new() } else { format!(" -p {port}") };
    if is_here {
        format!("start one: instep{flag}; or say where it is: -a HOST:PORT")
    } else {
        "does it run there, and do its bind and the firewall let you in? or say where it is: -a HOST:PORT".to_owned()
    }
}

/// Whether a trouble is the receiver's own word that it has no such method: the receiver lives.
pub(super) fn is_method_unknown(trouble: &Trouble) -> bool {
    trouble.code() == Some(i64::from(METHOD_NOT_FOUND.code))
}

/// Connects to the first address behind a name that takes the connection; `whom` is for the message when none does.
pub(super) fn dial(whom: &str, address: &str, timeout: Duration) -> Result<TcpStream, Trouble> {
    let stream = blocking::dial(address, timeout);
    // A question is one small write; it must not wait for the answer to an earlier one.
    let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    stream.map_err(|error| unreachable(whom, address, timeout, &error))
}

pub(super) use blocking::is_wait;

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

/// A length of time in whole milliseconds, at least one.
pub(super) fn span(time: Duration) -> Span {
    Span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(by: &str, code: i64, data: Value) -> Trouble {
        let [by, receiver, method, message] = [by, "N1.CB", "m", "A sentence."].map(str::to_owned);
        Trouble::Refused(Box::new(Refusal { by, receiver, method, code, message, data }))
    }

    #[test]
    fn troubles_are_one_line_that_names_who() {
        let said = |code, data| refusal("N1.COORDINATOR", code, data).to_string();
        assert_eq!(said(-3, Value::Null), "N1.COORDINATOR answered m with error -3: A sentence");
        assert_eq!(said(-3, json!([1])), "N1.COORDINATOR answered m with error -3: A sentence, data [1]");
        let unknown = "N1.COORDINATOR knows no component N1.CB (error -32093: A sentence; see: instep ctl components)";
        assert_eq!(said(-32093, Value::Null), unknown);
        let unlinked = r#"N1.COORDINATOR has no link to the node of N1.CB (error -32092: A sentence, data "N1"; see: instep ctl nodes)"#;
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
