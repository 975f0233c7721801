//! JSON-RPC 2.0 as LECO uses it: documents taken apart, errors, answers, and the table of the Coordinator's methods.
//!
//! serde_json stops at 128 levels of nesting, so a deep document is a parse error like any other.

use core::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::limits::{BATCH_MAX, RPC_BYTES_MAX};

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
/// No such method.
pub const METHOD_NOT_FOUND: RpcError = RpcError { code: -32601, message: "Method not found" };
/// Parameters that the method does not take.
pub const INVALID_PARAMS: RpcError = RpcError { code: -32602, message: "Invalid params" };
/// The method failed.
pub const INTERNAL_ERROR: RpcError = RpcError { code: -32603, message: "Internal error" };
/// The sender has not signed in.
pub const NOT_SIGNED_IN: RpcError = RpcError { code: -32090, message: "Component not signed in yet!" };
/// The name belongs to another link.
pub const DUPLICATE_NAME: RpcError = RpcError { code: -32091, message: "The name is already taken." };
/// No link to the receiver's node.
pub const NODE_UNKNOWN: RpcError = RpcError { code: -32092, message: "Node is unknown." };
/// The receiver's node has no such component.
pub const RECEIVER_UNKNOWN: RpcError = RpcError { code: -32093, message: "Receiver is not in addresses list." };
/// The receiver does not read its messages, or the process has no memory left for them.
pub const RECEIVER_OVERLOADED: RpcError =
    RpcError { code: -32094, message: "Receiver does not take its messages, this one was not delivered." };

/// The call is for this machine's own components only, unless the configuration says otherwise.
pub const NOT_PERMITTED: RpcError =
    RpcError { code: -32001, message: "Not permitted from another machine without remote_admin." };

/// A function of the Manager failed; the reason is in the data.
pub const MANAGER_FAILED: RpcError = RpcError { code: -32040, message: "The Manager could not do this." };

/// A session's flow control refused; the C2SIM code and its details are in the data.
pub const SESSION_REFUSED: RpcError = RpcError { code: -32030, message: "The session refused this." };

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
    /// [`PARSE_ERROR`] for anything that is not JSON, [`INVALID_REQUEST`] for oversized documents and for empty or oversized batches.
    pub fn parse(payload: &[u8]) -> Result<Self, RpcError> {
        if payload.len() > RPC_BYTES_MAX {
            return Err(INVALID_REQUEST);
        }
        let value: Value = serde_json::from_slice(payload).map_err(|_| PARSE_ERROR)?;
        if !value.is_array() {
            return Ok(Self::Single(item(value)));
        }
        let Value::Array(items) = value else { return Err(INVALID_REQUEST) };
        let items: Vec<Item> = items.into_iter().map(item).collect();
        // Answers cost nothing and must be known as such however many they are: no error is ever sent because of one.
        let asks = items.iter().any(|item| matches!(item, Item::Call(_) | Item::Invalid));
        if items.is_empty() || (asks && items.len() > BATCH_MAX) {
            return Err(INVALID_REQUEST);
        }
        Ok(Self::Batch(items))
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
        return Item::Error { code: error.get("code").and_then(Value::as_i64) };
    }
    match object.get("result") {
        Some(result) => Item::Result { is_null: result.is_null() },
        None => Item::Invalid,
    }
}

/// Whether nothing can come of a call of this method but its answer.
#[must_use]
pub fn is_question(method: &str) -> bool {
    const QUESTIONS: [&str; 10] = [
        "providers",
        "viewers",
        "sessions",
        "manager",
        "errors",
        "info",
        "members",
        "initialization",
        "events",
        "rpc.discover",
    ];
    method.starts_with("send_") || QUESTIONS.contains(&method)
}

/// Bytes that a value takes in memory, about.
fn weight(value: &Value) -> usize {
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
            Self::Call(Call { method, params, .. }) => {
                let params = match params {
                    Params::None => 0,
                    Params::Positions(items) => items.iter().map(weight).sum(),
                    Params::Names(names) => {
                        names.iter().map(|(name, value)| 64 + name.capacity() + weight(value)).sum()
                    }
                };
                method.capacity() + params
            }
            Self::Result { .. } | Self::Error { .. } | Self::Invalid => 0,
        };
        size_of::<Self>() + heap
    }
}

impl Params {
    /// The parameters in the order of `names`; `None` where one is absent.
    ///
    /// # Errors
    /// [`INVALID_PARAMS`] when there is one more or of another name than `names` has, and a sentence that says so.
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
        }
        Ok(taken)
    }
}

/// Writes a result to `out`.
pub fn write_result(out: &mut String, id: &Id, result: &Value) {
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
        let written = write!(out, r#","data":{data}"#);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    out.push_str("}}");
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

/// The batch that tells another Coordinator our nodes and components; with ids it asks for answers, without it does not.
#[must_use]
pub fn directory_update(nodes: &Value, components: &Value, answered: bool) -> String {
    let (a, b) = if answered { (r#""id":5,"#, r#""id":6,"#) } else { ("", "") };
    format!(
        r#"[{{{a}"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{nodes}}}}},{{{b}"jsonrpc":"2.0","method":"record_components","params":{{"components":{components}}}}}]"#
    )
}

/// A method of the Coordinator, as `rpc.discover` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Name on the wire.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters: name, JSON type, whether it must be given.
    pub params: &'static [(&'static str, &'static str, bool)],
    /// JSON type of the result.
    pub result: &'static str,
}

/// Every method of the Coordinator.
pub const METHODS: &[Method] = &[
    Method {
        name: "pong",
        summary: "Answers, so that the caller knows that the link works.",
        params: &[],
        result: "null",
    },
    Method {
        name: "set_log_level",
        summary: "Sets the level of the log: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        params: &[("level", "string", true)],
        result: "null",
    },
    Method {
        name: "shut_down",
        summary: "Signs out from all Coordinators and ends the program.",
        params: &[],
        result: "null",
    },
    Method {
        name: "sign_in",
        summary: "Signs the sender in under its component name; with suggest, a taken name is answered with a free variation.",
        params: &[("suggest", "boolean", false)],
        result: "null",
    },
    Method { name: "sign_out", summary: "Signs the sender out.", params: &[], result: "null" },
    Method { name: "coordinator_sign_in", summary: "Signs the sending Coordinator in.", params: &[], result: "null" },
    Method { name: "coordinator_sign_out", summary: "Signs the sending Coordinator out.", params: &[], result: "null" },
    Method {
        name: "add_nodes",
        summary: "Signs in at every node that is not known yet; maps namespace to host:port.",
        params: &[("nodes", "object", true)],
        result: "null",
    },
    Method { name: "send_nodes", summary: "Namespace and address of every known node.", params: &[], result: "object" },
    Method {
        name: "record_components",
        summary: "Stores the component names of the sending Coordinator's node.",
        params: &[("components", "array", true)],
        result: "null",
    },
    Method {
        name: "send_local_components",
        summary: "Names of the components of this node.",
        params: &[],
        result: "array",
    },
    Method {
        name: "send_global_components",
        summary: "Namespace and component names of every known node.",
        params: &[],
        result: "object",
    },
    Method {
        name: "remove_expired_addresses",
        summary: "Cleans the directory: asks components silent for expiration_time (s), removes those silent three times as long.",
        params: &[("expiration_time", "number", true)],
        result: "null",
    },
    Method {
        name: "open_provider",
        summary: "Opens a live kernel by address or a log file below log_dir as a provider.",
        params: &[("address", "object", false), ("logfilename", "string", false)],
        result: "object",
    },
    Method {
        name: "close_provider",
        summary: "Closes providers, and the sessions that Connect made for them; a named session stays, without a provider.",
        params: &[("provider", "array", true)],
        result: "null",
    },
    Method {
        name: "refresh_provider",
        summary: "Connects live kernels anew; all of them without a list.",
        params: &[("provider", "array", false)],
        result: "object",
    },
    Method {
        name: "connect_viewer",
        summary: "Brings a viewer into the session of a provider.",
        params: &[("viewer", "integer", true), ("provider", "integer", true)],
        result: "object",
    },
    Method {
        name: "disconnect_viewer",
        summary: "Takes viewers out of their sessions.",
        params: &[("viewer", "array", true)],
        result: "null",
    },
    Method {
        name: "providers",
        summary: "Describes providers.",
        params: &[("provider", "array", false)],
        result: "object",
    },
    Method { name: "viewers", summary: "Describes viewers.", params: &[("viewer", "array", false)], result: "object" },
    Method {
        name: "sessions",
        summary: "Describes sessions.",
        params: &[("session", "array", false)],
        result: "object",
    },
    Method { name: "manager", summary: "Describes the Manager.", params: &[], result: "object" },
    Method { name: "errors", summary: "The Manager's error list.", params: &[], result: "object" },
    Method { name: "exit", summary: "Ends the program, as shut_down does.", params: &[], result: "null" },
    Method {
        name: "create_session",
        summary: "Makes a shared session, or gives one other words, options or a provider.",
        params: &[
            ("name", "string", true),
            ("schema", "string", false),
            ("display_name", "string", false),
            ("description", "string", false),
            ("provider", "integer", false),
            ("paused_allows", "string", false),
            ("share_guard", "string", false),
            ("init_merge", "string", false),
            ("unknown_bodies", "string", false),
        ],
        result: "object",
    },
    Method {
        name: "delete_session",
        summary: "Ends a shared session; with force even if it is in use.",
        params: &[("name", "string", true), ("force", "boolean", false)],
        result: "null",
    },
    Method { name: "send_sessions", summary: "Describes every shared session.", params: &[], result: "array" },
    Method {
        name: "send_counters",
        summary: "Every counter of this process: connections, messages, refusals and their reasons.",
        params: &[],
        result: "object",
    },
];

/// Every method of a session. The triggers are those of the C2SIM flow control document.
pub const SESSION_METHODS: &[Method] = &[
    Method {
        name: "join",
        summary: "Joins the session for a C2SIM system; format is xml or json; with after, the events since then come along.",
        params: &[("system", "string", false), ("format", "string", false), ("after", "integer", false)],
        result: "object",
    },
    Method { name: "resign", summary: "Leaves the session.", params: &[], result: "null" },
    Method { name: "info", summary: "State, options and size of the session.", params: &[], result: "object" },
    Method {
        name: "initialization",
        summary: "The initialization that was shared, as a C2SIM document.",
        params: &[],
        result: "string",
    },
    Method { name: "members", summary: "Who has joined, and who has followed.", params: &[], result: "object" },
    Method {
        name: "ack",
        summary: "Says that the sender has followed the event of this number.",
        params: &[("seq", "integer", true)],
        result: "null",
    },
    Method {
        name: "events",
        summary: "The events behind this number, as far as they are kept.",
        params: &[("after", "integer", false)],
        result: "object",
    },
    trigger("submit_initialization", "Begins to collect initialization: to INITIALIZING."),
    trigger("initialization_complete", "Says that the sender's system is done with initialization."),
    trigger("share_scenario", "Shares the initialization with all members: to INITIALIZED."),
    trigger("start_scenario", "Starts: to RUNNING."),
    trigger("pause_scenario", "Pauses: to PAUSED."),
    trigger("resume_scenario", "Goes on after a pause: to RUNNING."),
    trigger("stop_scenario", "Stops, keeping the initialization: to INITIALIZED."),
    trigger("reset_scenario", "Discards the initialization: to UNINITIALIZED."),
    Method {
        name: "pong",
        summary: "Answers, so that the caller knows that the link works.",
        params: &[],
        result: "null",
    },
];

const fn trigger(name: &'static str, summary: &'static str) -> Method {
    Method { name, summary, params: &[("at", "integer", false)], result: "object" }
}

/// The OpenRPC document about these methods.
#[must_use]
pub fn discover(title: &str, methods: &[Method]) -> Value {
    let schema = |kind: &str| json!({"schema": {"type": kind}});
    let methods: Vec<Value> = methods
        .iter()
        .map(|method| {
            let params: Vec<Value> = method
                .params
                .iter()
                .map(|(name, kind, required)| json!({"name": name, "required": required, "schema": {"type": kind}}))
                .collect();
            let mut result = schema(method.result);
            if let Some(object) = result.as_object_mut() {
                object.insert("name".to_owned(), Value::from("result"));
            }
            json!({"name": method.name, "summary": method.summary, "params": params, "result": result})
        })
        .collect();
    json!({
        "openrpc": "1.2.6",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "methods": methods,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(single(r#"{"id":1,"error":{"code":-32090}}"#), Item::Error { code: Some(-32090) });
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
        assert_eq!(Document::parse("[".repeat(100_000).as_bytes()), Err(PARSE_ERROR));
        assert_eq!(Document::parse(b"[]"), Err(INVALID_REQUEST));
        let many = format!("[{}1]", "1,".repeat(BATCH_MAX));
        assert_eq!(Document::parse(many.as_bytes()), Err(INVALID_REQUEST));
        assert!(matches!(Document::parse(b"[1]"), Ok(Document::Batch(items)) if items == [Item::Invalid]));
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
        let update = directory_update(&json!({"N1":"h:1"}), &json!(["CA"]), true);
        let Document::Batch(items) = Document::parse(update.as_bytes()).unwrap() else { panic!() };
        assert!(items.iter().all(|item| matches!(item, Item::Call(Call { id: Some(_), .. }))));
        let update = directory_update(&json!({}), &json!([]), false);
        let Document::Batch(items) = Document::parse(update.as_bytes()).unwrap() else { panic!() };
        assert!(items.iter().all(|item| matches!(item, Item::Call(Call { id: None, .. }))));
        assert_eq!(discover("N1.COORDINATOR", METHODS)["methods"].as_array().unwrap().len(), METHODS.len());
    }
}
