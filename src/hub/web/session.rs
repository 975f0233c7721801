//! The interface of sessions in its own words (c2sim-http, 3): what its bodies say, and the exact members of its answers. Clients of it throw
//! over a member that they do not know, so what else there is to say stands in fields of the head and in the details of errors.

use core::fmt::Write as _;

use serde_json::{Map, Value};

use crate::auth::wanted;
use crate::c2sim::code::Code;
use crate::c2sim::notice::IsoDateTime;
use crate::http::target::unescaped;
use crate::hub::call::Refused;
use crate::hub::face::Face;
use crate::leco::rpc::{INVALID_PARAMS, NOT_PERMITTED, RECEIVER_OVERLOADED, SESSION_REFUSED};
use crate::store::order;

use super::reply::Reply;

/// A text as JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A session.
pub(in crate::hub) fn described(face: &Face<'_>) -> String {
    let Face { name, created_ms, schema, title, text, state } = *face;
    format!(
        r#"{{"sessionName":{},"createdAt":"{}","info":{{"c2simSchemaVersion":"{}","displayName":{},"description":{}}},"state":"{}"}}"#,
        quoted(&shown_name(name)),
        IsoDateTime(created_ms / 1000),
        schema.name(),
        quoted(title),
        quoted(text),
        state.name()
    )
}

/// The name of a session as this interface has it: without escapes, which other interfaces need.
pub(in crate::hub) fn shown_name(name: &str) -> String {
    unescaped(name).map_or_else(|_| name.to_owned(), Into::into)
}

// ---- Bodies ----

/// The members of a JSON object: these and no other, strings all. Those that are not given are empty only if they may be left out.
fn members<const N: usize>(object: Option<Value>, wanted: [(&str, bool); N]) -> Result<[Option<String>; N], String> {
    let Some(Value::Object(mut object)) = object else { return Err("a JSON object is wanted".to_owned()) };
    let mut values = [const { None }; N];
    for ((name, is_needed), place) in wanted.into_iter().zip(&mut values) {
        *place = match object.remove(name) {
            Some(Value::String(text)) => Some(text),
            None | Some(Value::Null) if !is_needed => None,
            None => return Err(format!("the member {name} is missing")),
            Some(_) => return Err(format!("the member {name} is a string")),
        };
    }
    match object.keys().next() {
        Some(other) => Err(format!("there is no member {}", other.escape_debug())),
        None => Ok(values),
    }
}

fn object(body: &[u8]) -> Result<Option<Value>, String> {
    serde_json::from_slice(body).map(Some).map_err(|error| format!("the body is no JSON: {error}"))
}

/// The words for a session that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Described {
    pub(in crate::hub) schema: String,
    pub(in crate::hub) title: String,
    pub(in crate::hub) text: String,
}

impl Described {
    /// The body of `create`.
    pub(in crate::hub) fn read(body: &[u8]) -> Result<Self, String> {
        let Some(Value::Object(mut outer)) = object(body)? else { return Err("a JSON object is wanted".to_owned()) };
        let data = outer.remove("data");
        if let Some(other) = outer.keys().next() {
            return Err(format!("there is no member {}", other.escape_debug()));
        }
        if data.is_none() {
            return Err("the member data is missing".to_owned());
        }
        let wanted = [("c2simSchemaVersion", true), ("displayName", true), ("description", true)];
        let [schema, title, text] = members(data, wanted)?.map(Option::unwrap_or_default);
        Ok(Self { schema, title, text })
    }
}

/// The body of `join`: the name of the client for people, and its system if it says one.
pub(in crate::hub) fn joining(body: &[u8]) -> Result<(String, Option<String>), String> {
    let [title, system] = members(object(body)?, [("clientIdDisplayName", true), ("systemName", false)])?;
    Ok((title.unwrap_or_default(), system))
}

/// The body of `resign`, which says why or nothing.
pub(in crate::hub) fn resigning(body: &[u8]) -> Result<Option<String>, String> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let [reason] = members(object(body)?, [("reason", false)])?;
    Ok(reason)
}

// ---- Refusals ----

fn error(code: Code, message: &str, details: &Map<String, Value>) -> Reply {
    with_status(400, code, message, details)
}

/// The members come in this order.
fn with_status(status: u16, code: Code, message: &str, details: &Map<String, Value>) -> Reply {
    let mut text = format!(r#"{{"code":"{}","message":{},"details":{{"#, code.name(), quoted(message));
    for (n, (key, value)) in details.iter().enumerate() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let comma = if n == 0 { "" } else { "," };
        let written = write!(text, "{comma}{}:{}", quoted(key), quoted(&value));
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text.push_str("}}");
    Reply::json(status, text)
}

/// Whoever asks is nobody, or none who may.
pub(in crate::hub) fn unauthorized(status: u16, message: &str, details: &Map<String, Value>) -> Reply {
    with_status(status, Code::AuthorizationFailure, message, details)
}

/// What a user may not do, and what that takes, in words; nothing if this is no such refusal.
pub(super) fn may_not(data: &Value) -> Option<String> {
    let word = |key: &str| data.get(key).and_then(Value::as_str);
    let user = word("user").filter(|user| !user.is_empty()).unwrap_or("whoever this is");
    Some(format!("{user} may not {}: {}", word("action")?, wanted(word("needs")?)))
}

/// The answer to a known user who may not do what was asked for. A page need not ask who he is because of it.
pub(in crate::hub) fn not_permitted(data: &Value) -> Reply {
    let none = Map::new();
    let reply = unauthorized(401, &may_not(data).unwrap_or_default(), data.as_object().unwrap_or(&none));
    reply.with("WWW-Authenticate", "Bearer realm=\"instep\", error=\"insufficient_scope\"")
}

/// The request does not say who asks.
pub(in crate::hub) fn no_client_id() -> Reply {
    error(Code::NoClientId, "Rest header 'clientId' is mandatory (used to track the client).", &Map::new())
}

/// A body that cannot be read.
pub(in crate::hub) fn unreadable(reason: &str) -> Reply {
    error(Code::IoError, reason, &Map::new())
}

/// A document that is longer than may be.
pub(in crate::hub) fn too_long(bytes_max: usize) -> Reply {
    let details = order::filled([("MAX_BYTES".to_owned(), Value::from(bytes_max))]);
    error(Code::C2simMsgSizeExceeded, &Code::C2simMsgSizeExceeded.to_string(), &details)
}

/// What was asked of the session `name` and refused.
pub(in crate::hub) fn refused((reason, data): &Refused, name: &str) -> Reply {
    let plain = |data: &Value| data.as_str().map_or_else(|| reason.message.to_string(), str::to_owned);
    match reason.code {
        code if code == SESSION_REFUSED.code => {
            let known = data.get("code").and_then(Value::as_str).and_then(Code::from_name);
            let Some(code) = known else { return Reply::text(500, "a refusal without a code") };
            let none = Map::new();
            let details = data.get("details").and_then(Value::as_object).unwrap_or(&none);
            let reason = data.get("reason").and_then(Value::as_str).unwrap_or_default();
            error(code, &message(code, reason, details, name), details)
        }
        code if code == RECEIVER_OVERLOADED.code => {
            let why = data.get("reason").and_then(Value::as_str).unwrap_or("the server is busy");
            Reply::text(503, why).with("Retry-After", "1")
        }
        code if code == INVALID_PARAMS.code => unreadable(&plain(data)),
        code if code == NOT_PERMITTED.code && data.is_object() => not_permitted(data),
        code if code == NOT_PERMITTED.code => {
            error(Code::NotImplemented, &Code::NotImplemented.to_string(), &Map::new())
        }
        _ => Reply::text(500, &plain(data)),
    }
}

/// The words of a refusal as the clients of this interface know them; our own, where they do not matter to anybody.
#[expect(clippy::wildcard_enum_match_arm, reason = "most codes have words of their own")]
pub(super) fn message(code: Code, reason: &str, details: &Map<String, Value>, name: &str) -> String {
    let detail = |key: &str| details.get(key).and_then(Value::as_str).unwrap_or_default();
    match code {
        Code::SharedSessionNotFound => format!("Shared session '{name}' doesn't exist."),
        Code::C2simClientAlreadyJoined => {
            format!("Already joined in shared session '{name}' as system '{}'.", detail("SYSTEM_NAME"))
        }
        Code::ClientNotJoinedSharedSession => format!("The client has not joined shared session '{name}'."),
        Code::SharedSessionSchemaVersionChanged => {
            format!("Not allowed to change schema version in shared session (it is '{}').", detail("SCHEMA_VERSION"))
        }
        Code::StateTransitionNotAllowed if !detail("ALLOWED_TRIGGERS").is_empty() => {
            format!("{reason} (permitted triggers '{}').", detail("ALLOWED_TRIGGERS"))
        }
        Code::InitializationNotCompleted => {
            format!("Trigger 'SHARE_SCENARIO' not granted, shared session '{name}' is not initialized (yet).")
        }
        Code::NoC2simInitializationBody => format!("There is no C2SIMInitialization in shared session '{name}'."),
        _ => match details.iter().find(|(key, _)| matches!(key.as_str(), "REASON" | "XSD_ERROR_1")) {
            Some((_, why)) => format!("{reason}: {}", why.as_str().unwrap_or_default()),
            None => reason.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c2sim::kind::Schema;
    use crate::c2sim::state::State;
    use serde_json::json;

    fn body(reply: &Reply) -> String {
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    #[test]
    fn a_session_has_these_members_in_this_order_and_no_other() {
        let face = Face {
            name: "ex%20a",
            created_ms: 1_764_454_901_285,
            schema: Schema::V1_0_2,
            title: "a \"title\"",
            text: "",
            state: State::Paused,
        };
        let wanted = r#"{"sessionName":"ex a","createdAt":"2025-11-29T22:21:41Z","info":{"c2simSchemaVersion":"1.0.2","displayName":"a \"title\"","description":""},"state":"PAUSED"}"#;
        assert_eq!(described(&face), wanted);
    }

    #[test]
    fn bodies_have_the_members_that_they_must_have_and_no_other() {
        let good = br#"{"data":{"c2simSchemaVersion":"2.0.0","displayName":"d","description":""}}"#;
        let wanted = Described { schema: "2.0.0".into(), title: "d".into(), text: String::new() };
        assert_eq!(Described::read(good), Ok(wanted));
        for (bad, why) in [
            ("", "the body is no JSON"),
            ("[]", "a JSON object is wanted"),
            ("{}", "the member data is missing"),
            (r#"{"data":{},"more":1}"#, "there is no member more"),
            (r#"{"data":{"c2simSchemaVersion":"2.0.0","displayName":"d"}}"#, "the member description is missing"),
            (
                r#"{"data":{"c2simSchemaVersion":2,"displayName":"d","description":""}}"#,
                "the member c2simSchemaVersion is a string",
            ),
            (
                r#"{"data":{"c2simSchemaVersion":"2.0.0","displayName":"d","description":"","x":1}}"#,
                "there is no member x",
            ),
        ] {
            let said = Described::read(bad.as_bytes()).unwrap_err();
            assert!(said.starts_with(why), "{bad}: {said}");
        }
        assert_eq!(joining(br#"{"clientIdDisplayName":"a","systemName":null}"#), Ok(("a".into(), None)));
        assert_eq!(joining(br#"{"clientIdDisplayName":"a","systemName":"S"}"#), Ok(("a".into(), Some("S".into()))));
        assert!(joining(br#"{"systemName":"S"}"#).is_err());
        assert_eq!(resigning(b"{}"), Ok(None));
        assert_eq!(resigning(b" "), Ok(None));
        assert_eq!(resigning(br#"{"reason":"tired"}"#), Ok(Some("tired".into())));
        assert!(resigning(br#"{"why":"tired"}"#).is_err());
    }

    #[test]
    fn errors_have_three_members_and_details_of_strings() {
        let data = json!({"code": "C2SIM_MSG_SIZE_EXCEEDED", "reason": "too long", "details": {"MAX_BYTES": 7}});
        let reply = refused(&(SESSION_REFUSED, data), "s");
        assert_eq!(reply.status, 400);
        assert_eq!(
            body(&reply),
            r#"{"code":"C2SIM_MSG_SIZE_EXCEEDED","message":"too long","details":{"MAX_BYTES":"7"}}"#
        );
        let wanted = r#"{"code":"NO_CLIENT_ID","message":"Rest header 'clientId' is mandatory (used to track the client).","details":{}}"#;
        assert_eq!(body(&no_client_id()), wanted);
    }

    #[test]
    fn overload_is_said_in_a_way_that_lets_clients_try_again() {
        let reply = refused(&(RECEIVER_OVERLOADED, json!({"reason": "full"})), "s");
        assert_eq!((reply.status, body(&reply).as_str()), (503, "full\n"));
        assert_eq!(reply.fields, [("Retry-After", "1".to_owned())]);
        let wrong = refused(&(INVALID_PARAMS, Value::from("name is wrong")), "s");
        assert!(body(&wrong).starts_with(r#"{"code":"IO_ERROR","message":"name is wrong""#));
    }
}
