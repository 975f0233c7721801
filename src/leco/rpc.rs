//! JSON-RPC 2.0 as LECO uses it: documents taken apart, errors, answers.
//!
//! serde_json stops at 128 levels of nesting, so a deep document is a parse error like any other.

use core::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::json::{self, Cut, Most, Strings};
use crate::limits::{
    BATCH_MAX, JSON_VALUES_MAX, JSON_VALUES_OF_NODE_MAX, JSON_WORK_MAX, LIST_AT_ONCE_BYTES, RPC_BYTES_MAX,
};
use crate::store::order;

/// An error of JSON-RPC or LECO; clients look at the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// The number on the wire.
    pub code: i32,
    /// The sentence beside it.
    pub message: &'static str,
}

/// Payload is no JSON.
pub const PARSE_ERROR: RpcError = RpcError { code: -32700, message: "Parse error" };
/// JSON, but no request.
pub const INVALID_REQUEST: RpcError = RpcError { code: -32600, message: "Invalid Request" };
/// A document that has too much in it to be read at once ([`RPC_BYTES_MAX`], [`JSON_VALUES_MAX`], [`JSON_WORK_MAX`], [`BATCH_MAX`]).
pub const TOO_MUCH: RpcError =
    RpcError { code: -32600, message: "Invalid Request: too much to be read at once. Send it in parts." };
/// No such method.
pub const METHOD_NOT_FOUND: RpcError = RpcError { code: -32601, message: "Method not found" };
/// Parameters that the method does not take.
pub const INVALID_PARAMS: RpcError = RpcError { code: -32602, message: "Invalid params" };
/// The method failed.
pub const INTERNAL_ERROR: RpcError = RpcError { code: -32603, message: "Internal error" };
/// The sender has not signed in.
pub const NOT_SIGNED_IN: RpcError = RpcError { code: -32090, message: "Component not signed in yet!" };
/// The sender gave its name without namespace, and another node could not answer it. The code makes clients sign in anew, which tells it.
pub const NAMESPACE_MISSING: RpcError =
    RpcError { code: -32090, message: "To reach another node a sender must give its namespace, as its full name." };
/// The name belongs to another link.
pub const DUPLICATE_NAME: RpcError = RpcError { code: -32091, message: "The name is already taken." };
/// No link to the receiver's node.
pub const NODE_UNKNOWN: RpcError = RpcError { code: -32092, message: "Node is unknown." };
/// The receiver's node has no such component.
pub const RECEIVER_UNKNOWN: RpcError = RpcError { code: -32093, message: "Receiver is not in addresses list." };
/// The receiver does not read its messages, or the process has no memory left for them.
pub const RECEIVER_OVERLOADED: RpcError =
    RpcError { code: -32094, message: "Receiver does not take its messages, this one was not delivered." };

/// The message is larger than this Coordinator takes; the data has the limit and the settings that it comes from.
pub const MESSAGE_TOO_LARGE: RpcError =
    RpcError { code: -32095, message: "Message is too large for this Coordinator, it was not delivered." };

/// One of the server's tables has no room left for what was asked, or the caller's machine has its share of it.
pub const SERVER_FULL: RpcError = RpcError { code: -32096, message: "The server has no room for this." };

/// Whoever was asked on somebody's behalf has not answered in time, or has left; the data says how long it was waited for.
pub const NO_ANSWER: RpcError = RpcError { code: -32097, message: "The receiver has not answered." };

/// A channel has been told to connect to a gatherer that it is connected to.
pub const ALREADY_CONNECTED: RpcError = RpcError { code: -32010, message: "Already connected to this Gatherer." };

/// A channel has been told to disconnect from a gatherer that it is not connected to.
pub const NOT_CONNECTED: RpcError = RpcError { code: -32011, message: "Not connected to this Gatherer." };

/// The call is for this machine's own components only, unless the configuration says otherwise.
pub const NOT_PERMITTED: RpcError =
    RpcError { code: -32001, message: "Not permitted from another machine without remote_admin." };

/// The user at the other end may not do this; the data says what he lacks.
pub const FORBIDDEN: RpcError = RpcError { code: -32001, message: "Not permitted." };

/// A function of the Manager failed; the reason is in the data.
pub const MANAGER_FAILED: RpcError = RpcError { code: -32040, message: "The Manager could not do this." };

/// A session's flow control refused; the C2SIM code and its details are in the data.
pub const SESSION_REFUSED: RpcError = RpcError { code: -32030, message: "The session refused this." };

/// Every error, and what whoever hears it should know beside its sentence.
pub const ERRORS: [(RpcError, &str); 21] = [
    (ALREADY_CONNECTED, "of DATA_COORDINATOR and LOG_COORDINATOR; data has the address"),
    (NOT_CONNECTED, "likewise"),
    (NOT_PERMITTED, "what ends, hides or takes something works over loopback alone; data names what was asked"),
    (
        FORBIDDEN,
        "users are asked who they are; data has user, action, and needs: the role, or the list that lacks the name",
    ),
    (SESSION_REFUSED, "data has the C2SIM code, its reason and details"),
    (MANAGER_FAILED, "data says why"),
    (NOT_SIGNED_IN, "sign in, and send it again"),
    (NAMESPACE_MISSING, "sign in, which tells the namespace, and send it again"),
    (DUPLICATE_NAME, "choose another name, or sign in with suggest; data has the name"),
    (NODE_UNKNOWN, "this Coordinator has no link to the node in data"),
    (RECEIVER_UNKNOWN, "nobody is signed in under the name in data"),
    (RECEIVER_OVERLOADED, "send it again, later; data has the receiver"),
    (MESSAGE_TOO_LARGE, "data has the limit and the settings that it comes from"),
    (SERVER_FULL, "data says of what: names, nodes, connections"),
    (NO_ANSWER, "over HTTP alone: data says how long whoever was asked was waited for"),
    (INVALID_REQUEST, "JSON, but no request of JSON-RPC 2.0"),
    (TOO_MUCH, "more than 2 MiB, 16,384 values, 1,024 calls, or dearer to read than as many calls of four parameters"),
    (METHOD_NOT_FOUND, "rpc.discover tells which there are"),
    (INVALID_PARAMS, "data says which"),
    (INTERNAL_ERROR, "data says why: the answer is too large, or is not JSON"),
    (PARSE_ERROR, "no JSON, or deeper than 128"),
];

/// The parameter that may be a long list.
pub const LISTED: &str = "components";

/// The id of a request, ready to be written back.
#[derive(Clone, Debug, PartialEq)]
pub struct Id(Value);

impl Id {
    /// The id of answers to something that had none.
    pub const NULL: Self = Self(Value::Null);
}

/// One request or notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `None`: a notification, which is never answered.
    pub id: Option<Id>,
    /// Name of the method.
    pub method: String,
    /// Its parameters, by position or by name.
    pub params: Params,
}

/// Parameters of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Params {
    /// None given.
    None,
    /// By position.
    Positions(Vec<Value>),
    /// By name.
    Names(Map<String, Value>),
    /// One of these, and a long list that is its [`LISTED`] or its first, in whose place there is an empty one: whoever wants it reads it by and by.
    Listing(Box<Self>, Strings),
}

/// One element of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A request or notification.
    Call(Call),
    /// Somebody's answer to a request of ours: a result (`true` if it is null) or an error with its code.
    Result {
        /// Whether the result is null, as that of most LECO methods.
        is_null: bool,
    },
    /// An error, with its code if that is a number.
    Error {
        /// The code.
        code: Option<i64>,
        /// What it says beside it, if that is a string: in those of routing the name that it is about.
        data: Option<Box<str>>,
    },
    /// None of these.
    Invalid,
}

/// A JSON-RPC document.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// A single element.
    Single(Item),
    /// A batch of at least one.
    Batch(Vec<Item>),
}

impl Document {
    /// Takes a payload frame apart.
    ///
    /// # Errors
    /// [`PARSE_ERROR`] for anything that is not JSON, [`INVALID_REQUEST`] for an empty batch, [`TOO_MUCH`] for what has more in it than one
    /// may have.
    pub fn parse(payload: &[u8]) -> Result<Self, RpcError> {
        if payload.len() > RPC_BYTES_MAX {
            return Err(TOO_MUCH);
        }
        // Each value takes a byte of its own and one that parts it from the next. What is shorter takes no more work than is granted, or little.
        let most = Most { values: JSON_VALUES_MAX, work: JSON_WORK_MAX };
        if payload.len() / 2 >= JSON_VALUES_MAX && json::has_more(payload, most) {
            return too_much(payload);
        }
        let value: Value = serde_json::from_slice(payload).map_err(|_| PARSE_ERROR)?;
        if !value.is_array() {
            return Ok(Self::Single(item(value)));
        }
        let Value::Array(items) = value else { return Err(INVALID_REQUEST) };
        let items: Vec<Item> = items.into_iter().map(item).collect();
        // Answers cost nothing and must be known as such however many they are: no error is ever sent because of one.
        let asks = items.iter().any(|item| matches!(item, Item::Call(_) | Item::Invalid));
        if items.is_empty() {
            return Err(INVALID_REQUEST);
        }
        if asks && items.len() > BATCH_MAX {
            return Err(TOO_MUCH);
        }
        Ok(Self::Batch(items))
    }

    /// The same for what another node's Coordinator says, which has the names of its Components in it: in one of some length they are left as
    /// text, as [`Params::Listing`], and with them there may be up to [`JSON_VALUES_OF_NODE_MAX`] values.
    ///
    /// # Errors
    /// As those of [`Document::parse`].
    pub fn parse_of_node(payload: &[u8]) -> Result<Self, RpcError> {
        if !(LIST_AT_ONCE_BYTES..=RPC_BYTES_MAX).contains(&payload.len()) {
            return Self::parse(payload);
        }
        let Some((rest, cuts)) = json::cut_lists(payload, LISTED, JSON_VALUES_OF_NODE_MAX) else {
            return too_much(payload);
        };
        let mut document = Self::parse(&rest)?;
        let items = match &mut document {
            Self::Single(item) => core::slice::from_mut(item),
            Self::Batch(items) => items,
        };
        for Cut { call, list } in cuts {
            if let Some(Item::Call(call)) = items.get_mut(call) {
                call.params.put_back(list);
            }
        }
        Ok(document)
    }

    /// The first element: what decides whether somebody without a name may speak.
    #[must_use]
    pub fn first(&self) -> Option<&Item> {
        match self {
            Self::Single(item) => Some(item),
            Self::Batch(items) => items.first(),
        }
    }
}

/// What becomes of a document that has too much in it. Somebody's long result is an answer still, and no error is ever sent because of one.
#[cold]
fn too_much(payload: &[u8]) -> Result<Document, RpcError> {
    let has = |key: &[u8]| memchr::memmem::find(payload, key).is_some();
    let is_answer = !has(b"\"method\"") && (has(b"\"result\"") || has(b"\"error\""));
    if is_answer { Ok(Document::Single(Item::Result { is_null: false })) } else { Err(TOO_MUCH) }
}

fn item(value: Value) -> Item {
    let Value::Object(mut object) = value else { return Item::Invalid };
    if let Some(method) = object.remove("method") {
        let id = match object.remove("id") {
            None => None,
            Some(id @ (Value::Null | Value::Number(_) | Value::String(_))) => Some(Id(id)),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Item::Invalid,
        };
        let params = match object.remove("params") {
            None | Some(Value::Null) => Params::None,
            Some(Value::Array(items)) => Params::Positions(items),
            Some(Value::Object(names)) => Params::Names(names),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => return Item::Invalid,
        };
        let (Value::String(method), Some("2.0")) = (method, object.get("jsonrpc").and_then(Value::as_str)) else {
            return Item::Invalid;
        };
        return Item::Call(Call { id, method, params });
    }
    if let Some(error) = object.get("error")
        && !error.is_null()
    {
        let data = error.get("data").and_then(Value::as_str).map(Into::into);
        return Item::Error { code: error.get("code").and_then(Value::as_i64), data };
    }
    match object.get("result") {
        Some(result) => Item::Result { is_null: result.is_null() },
        None => Item::Invalid,
    }
}

/// Bytes that a value takes in memory, about.
#[must_use]
pub fn weight(value: &Value) -> usize {
    /// A map has room for eleven entries in its smallest node.
    const NODE_BYTES: usize = 640;
    let heap = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(names) => {
            NODE_BYTES + names.iter().map(|(name, value)| 64 + name.capacity() + weight(value)).sum::<usize>()
        }
    };
    size_of::<Value>() + heap
}

impl Item {
    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let heap = match self {
            Self::Call(Call { method, params, .. }) => method.capacity() + params.weight(),
            Self::Error { data: Some(data), .. } => data.len(),
            Self::Result { .. } | Self::Error { .. } | Self::Invalid => 0,
        };
        size_of::<Self>() + heap
    }
}

impl Params {
    /// Bytes that they take in memory besides their own, about.
    fn weight(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Positions(items) => items.iter().map(weight).sum(),
            Self::Names(names) => names.iter().map(|(name, value)| 64 + name.capacity() + weight(value)).sum(),
            Self::Listing(rest, list) => size_of::<Self>() + rest.weight() + list.bytes(),
        }
    }

    /// A list that has been cut out of their text belongs to them, unless there is something else in its place by now.
    fn put_back(&mut self, list: Strings) {
        let is_empty = |value: Option<&Value>| value.and_then(Value::as_array).is_some_and(Vec::is_empty);
        let is_cut = match self {
            Self::Listing(_, before) => {
                // A name that is there twice counts the second time.
                *before = list;
                return;
            }
            Self::Positions(items) => is_empty(items.first()),
            Self::Names(names) => is_empty(names.get(LISTED)),
            Self::None => false,
        };
        if is_cut {
            let rest = core::mem::replace(self, Self::None);
            *self = Self::Listing(Box::new(rest), list);
        }
    }

    /// Takes a long list out of them.
    #[must_use]
    pub fn take_list(self) -> (Self, Option<Strings>) {
        match self {
            Self::Listing(rest, list) => (*rest, Some(list)),
            Self::None | Self::Positions(_) | Self::Names(_) => (self, None),
        }
    }

    /// The parameters in the order of `names`; `None` where one is absent.
    ///
    /// # Errors
    /// [`INVALID_PARAMS`] when there is one more or of another name than `names` has, or a long list, and a sentence that says so.
    pub fn take<const N: usize>(self, names: [&str; N]) -> Result<[Option<Value>; N], (RpcError, Value)> {
        let known = || if N == 0 { "none".to_owned() } else { names.join(", ") };
        let mut taken = [const { None }; N];
        match self {
            Self::None => {}
            Self::Positions(items) => {
                if items.len() > N {
                    return Err((INVALID_PARAMS, Value::from(format!("too many parameters; there are: {}", known()))));
                }
                for (place, item) in taken.iter_mut().zip(items) {
                    *place = Some(item);
                }
            }
            Self::Names(mut object) => {
                for (place, name) in taken.iter_mut().zip(names) {
                    *place = object.remove(name);
                }
                if let Some(strange) = object.keys().next() {
                    let strange: String = strange.chars().take(64).collect();
                    let why = format!("there is no parameter '{strange}'; there are: {}", known());
                    return Err((INVALID_PARAMS, Value::from(why)));
                }
            }
            Self::Listing(..) => return Err((INVALID_PARAMS, Value::from("the list is too long"))),
        }
        Ok(taken)
    }
}

/// Writes a result to `out`.
pub fn write_result(out: &mut String, id: &Id, result: &impl fmt::Display) {
    let written = write!(out, r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, id.0, result);
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Writes an error to `out`; no `data` member when `data` is null.
pub fn write_error(out: &mut String, id: &Id, error: RpcError, data: &Value) {
    let RpcError { code, message } = error;
    let start =
        format_args!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":"{message}""#, id.0).to_string();
    out.push_str(&start);
    if !data.is_null() {
        let written = write!(out, r#","data":{}"#, InOrder(data));
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    out.push_str("}}");
}

/// The members of an object by their keys; those that differ only in the number at their end in the order of the numbers.
#[must_use]
pub fn in_order(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    fn place(key: &str) -> (&str, u64) {
        let word = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
        (word, key.get(word.len()..).and_then(|digits| digits.parse().ok()).unwrap_or(0))
    }
    let mut members: Vec<_> = object.iter().collect();
    order::sort_by(&mut members, |(one, _), (other, _)| place(one).cmp(&place(other)));
    members
}

/// A value as JSON, the members of its objects [`in_order`].
#[derive(Clone, Copy, Debug)]
pub struct InOrder<'a>(pub &'a Value);

impl fmt::Display for InOrder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value::Object(object) = self.0 else { return self.0.fmt(f) };
        f.write_str("{")?;
        for (n, (key, value)) in in_order(object).into_iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            write!(f, "{comma}{}:{}", Value::from(key.as_str()), InOrder(value))?;
        }
        f.write_str("}")
    }
}

/// A request of ours; `params` null means none.
#[must_use]
pub fn request(id: u64, method: &str, params: &Value) -> String {
    if params.is_null() {
        format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"{method}"}}"#)
    } else {
        format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_numbered_is_written_in_the_order_of_the_numbers() {
        let details: Map<String, Value> = (1..=12).map(|n| (format!("E_{n}"), Value::from(n))).collect();
        let mut out = String::new();
        let data = json!({"code": "X", "details": details, "a": [1, {"b": "\""}]});
        write_error(&mut out, &Id::NULL, INTERNAL_ERROR, &data);
        let places: Vec<_> = (1..=12).filter_map(|n| out.find(&format!("\"E_{n}\":{n}"))).collect();
        assert!(places.len() == 12 && places.is_sorted(), "{out}");
        let read: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["error"]["data"], data);
    }

    fn single(text: &str) -> Item {
        match Document::parse(text.as_bytes()).unwrap() {
            Document::Single(item) => item,
            Document::Batch(_) => panic!("no batch"),
        }
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let Item::Call(call) = single(r#"{"params":[1],"method":"m","id":"x","jsonrpc":"2.0"}"#) else { panic!() };
        assert_eq!((call.method.as_str(), call.id), ("m", Some(Id(Value::from("x")))));
        let Item::Call(call) = single(r#"{"method":"m","jsonrpc":"2.0"}"#) else { panic!() };
        assert_eq!(call.id, None);
        let Item::Call(call) = single(r#"{"method":"m","id":null,"jsonrpc":"2.0"}"#) else { panic!() };
        assert_eq!(call.id, Some(Id::NULL));
        assert_eq!(single(r#"{"id":1,"jsonrpc":"2.0","result":null}"#), Item::Result { is_null: true });
        assert_eq!(single(r#"{"id":1,"result":3,"error":null}"#), Item::Result { is_null: false });
        assert_eq!(single(r#"{"id":1,"error":{"code":-32090}}"#), Item::Error { code: Some(-32090), data: None });
        for invalid in [
            "1",
            "{}",
            r#"{"method":1,"jsonrpc":"2.0"}"#,
            r#"{"method":"m"}"#,
            r#"{"method":"m","jsonrpc":"1.0"}"#,
            r#"{"method":"m","jsonrpc":"2.0","id":[]}"#,
            r#"{"method":"m","jsonrpc":"2.0","params":3}"#,
        ] {
            assert_eq!(single(invalid), Item::Invalid, "{invalid}");
        }
    }

    #[test]
    fn broken_documents_get_the_standard_errors() {
        assert_eq!(Document::parse(b"{"), Err(PARSE_ERROR));
        assert_eq!(Document::parse(b"\xff"), Err(PARSE_ERROR));
        assert_eq!(Document::parse("[".repeat(10_000).as_bytes()), Err(PARSE_ERROR));
        assert_eq!(Document::parse("[".repeat(100_000).as_bytes()), Err(TOO_MUCH));
        assert_eq!(Document::parse(b"[]"), Err(INVALID_REQUEST));
        let many = format!("[{}1]", "1,".repeat(BATCH_MAX));
        assert_eq!(Document::parse(many.as_bytes()), Err(TOO_MUCH));
        assert!(matches!(Document::parse(b"[1]"), Ok(Document::Batch(items)) if items == [Item::Invalid]));
    }

    #[test]
    fn documents_of_many_values_are_refused_unless_they_are_answers_or_a_nodes() {
        let list = |count| serde_json::to_string(&vec!["C\"1,2"; count]).unwrap();
        let call = |count| format!(r#"{{"jsonrpc":"2.0","method":"m","params":{}}}"#, list(count));
        let has_params = |read: Result<Document, RpcError>, count| match read {
            Ok(Document::Single(Item::Call(Call { params: Params::Positions(items), .. }))) => items.len() == count,
            _ => false,
        };
        // The document, two of its members and the list are values as well.
        let most = JSON_VALUES_MAX - 4;
        assert!(has_params(Document::parse(call(most).as_bytes()), most));
        assert_eq!(Document::parse(call(most + 1).as_bytes()), Err(TOO_MUCH));
        let listed = |read: Result<Document, RpcError>| match read {
            Ok(Document::Single(Item::Call(Call { params, .. }))) => params.take_list().1.map(|list| list.len()),
            _ => None,
        };
        let told = |count| format!(r#"{{"jsonrpc":"2.0","method":"m","params":[{}]}}"#, list(count));
        assert_eq!(listed(Document::parse_of_node(told(most + 1).as_bytes())), Some(most + 1));
        let most = JSON_VALUES_OF_NODE_MAX - 5;
        assert_eq!(listed(Document::parse_of_node(told(most).as_bytes())), Some(most));
        assert_eq!(Document::parse_of_node(told(most + 1).as_bytes()), Err(TOO_MUCH));
        assert_eq!(Document::parse_of_node(call(JSON_VALUES_MAX).as_bytes()), Err(TOO_MUCH), "no list in them");
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, list(most + 1));
        assert_eq!(Document::parse(answer.as_bytes()), Ok(Document::Single(Item::Result { is_null: false })));
        let long = format!(r#"{{"jsonrpc":"2.0","method":"m","params":["{}"]}}"#, ",[{".repeat(JSON_VALUES_MAX));
        assert!(has_params(Document::parse(long.as_bytes()), 1), "what is in a string is no value");
    }

    #[test]
    fn documents_that_take_long_to_read_are_refused_however_few_their_values_are() {
        let call = |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"m","params":{params}}}"#);
        let parse = |text: String| Document::parse(text.as_bytes());
        for (part, most) in [(r"\n", 8), (r"\u0041", 8), (r"\ud83d\ude00", 16)] {
            let escaped = |count| call(&format!("[\"{}\"]", part.repeat(count)));
            let most = JSON_WORK_MAX / most - 100;
            assert!(parse(escaped(most)).is_ok(), "{part}");
            assert_eq!(parse(escaped(most + 100)), Err(TOO_MUCH), "{part}");
        }
        let blanks = |count| call(&" ".repeat(count)) + "1]}";
        assert_eq!(parse(blanks(JSON_WORK_MAX / 2)), Err(TOO_MUCH));
        let digits = |count| call(&format!("[0.{}]", "1".repeat(count)));
        assert!(parse(digits(JSON_WORK_MAX / 2 - 400)).is_ok());
        assert_eq!(parse(digits(JSON_WORK_MAX / 2)), Err(TOO_MUCH));
        let named = |count| {
            let named = (0..count).map(|at| format!(r#""{at:06}":1"#)).collect::<Vec<_>>();
            call(&format!("{{{}}}", named.join(",")))
        };
        assert!(parse(named(10_000)).is_ok());
        assert_eq!(parse(named(13_000)), Err(TOO_MUCH));
        let long = |count| call(&format!("{{{}}}", vec![format!(r#""{}":1"#, "k".repeat(500)); count].join(",")));
        assert!(parse(long(1300)).is_ok(), "long keys are compared byte by byte");
        assert_eq!(parse(long(1500)), Err(TOO_MUCH));
        // All calls that a batch may have, of more parameters than any method of ours.
        let full = vec![r#"{"jsonrpc":"2.0","id":1024,"method":"m","params":{"a":1,"b":2,"c":3,"d":4}}"#; BATCH_MAX];
        assert!(
            matches!(parse(format!("[{}]", full.join(","))), Ok(Document::Batch(items)) if items.len() == BATCH_MAX)
        );
        // What a node tells has its lists counted by their values only.
        let list = vec![r#""CA""#; JSON_VALUES_OF_NODE_MAX - 5].join(",");
        assert!(Document::parse_of_node(call(&format!("[[{list}]]")).as_bytes()).is_ok());
        assert_eq!(Document::parse_of_node(blanks(JSON_WORK_MAX / 2).as_bytes()), Err(TOO_MUCH));
    }

    #[test]
    fn parameters_by_position_or_name() {
        let params = |text: &str| match single(&format!(r#"{{"jsonrpc":"2.0","method":"m","params":{text}}}"#)) {
            Item::Call(call) => call.params.take(["a", "b"]),
            Item::Result { .. } | Item::Error { .. } | Item::Invalid => panic!("no call"),
        };
        assert_eq!(params("[1]"), Ok([Some(Value::from(1)), None]));
        assert_eq!(params(r#"{"b":2}"#), Ok([None, Some(Value::from(2))]));
        let wrong = |why: &str| Err((INVALID_PARAMS, Value::from(why)));
        assert_eq!(params("[1,2,3]"), wrong("too many parameters; there are: a, b"));
        assert_eq!(params(r#"{"c":2}"#), wrong("there is no parameter 'c'; there are: a, b"));
        assert_eq!(params("null"), Ok([None, None]));
    }

    #[test]
    fn what_is_written_is_json_rpc() {
        let mut out = String::new();
        write_error(&mut out, &Id(Value::from("q\"")), DUPLICATE_NAME, &Value::from("CA"));
        let back: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            back,
            json!({"jsonrpc":"2.0","id":"q\"","error":{"code":-32091,"message":"The name is already taken.","data":"CA"}})
        );
    }
}
