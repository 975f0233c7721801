//! The table of methods against those who carry them out: a whole hub is asked for everything that the table has.

use serde_json::{Value, json};

use crate::config::Config;
use crate::control::client::{ControlRequest, decode_control};
use crate::control::envelope::Shape;
use crate::control::framing::{self, Frame};
use crate::control::function::Function;
use crate::hub::fixture::{FAR, NEAR, leco, messages, opening};
use crate::hub::methods::{At, Call, METHODS, Method, Right};
use crate::hub::{Channel, ChannelPorts, Door, Hub, Output, PeerKey, Start};
use crate::leco::rpc::{
    DUPLICATE_NAME, INVALID_PARAMS, INVALID_REQUEST, MANAGER_FAILED, METHOD_NOT_FOUND, NOT_PERMITTED,
};
use crate::limits::{CONTROL_RESULT_BYTES_MAX, FEED_PIECE_BYTES};
use crate::time::Tick;
use crate::zmtp::SocketType;

const NOW: Tick = Tick(1000);

/// A hub with the session `s`, which nobody has joined.
struct Fixture(Hub);

impl Fixture {
    fn new(remote_admin: bool) -> Self {
        let config = Config { namespace: "N1".to_owned(), host: "n1".to_owned(), remote_admin, ..Config::default() };
        let mut fixture = Self(Hub::new(config, Start { seed: 7, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap());
        let ports = ChannelPorts { publishers: 11_100, subscribers: 11_099, distributors: 11_101 };
        Channel::ALL.into_iter().for_each(|channel| fixture.0.set_channel(channel, ports));
        let maker = fixture.component(NEAR, "MAKER");
        let made = fixture.call(maker, "MAKER", "COORDINATOR", "create_session", &json!({"name": "s"}));
        assert_eq!(code(&made), None, "{made}");
        fixture
    }

    fn open(&mut self, door: Door, remote: &str) -> PeerKey {
        self.0.open_at(NOW, remote.parse().unwrap(), door).expect("there is room")
    }

    fn component(&mut self, remote: &str, name: &str) -> PeerKey {
        let key = self.open(Door::Leco, remote);
        self.0.handle_bytes(NOW, key, &opening(SocketType::Dealer));
        self.read(key);
        let answer = self.call(key, name, "COORDINATOR", "sign_in", &Value::Null);
        assert_eq!(answer["result"], Value::Null, "{answer}");
        key
    }

    /// Everything that is to be written to a peer.
    fn read(&mut self, key: PeerKey) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(output) = self.0.poll_output(NOW) {
            if let Output::Flush(peer) = output {
                let bytes = self.0.unsent(peer).concat();
                self.0.sent(NOW, peer, bytes.len());
                if peer == key {
                    read.extend(bytes);
                }
            }
        }
        read
    }

    /// The first answer to a call: what is told of it comes behind it.
    fn call(&mut self, key: PeerKey, sender: &str, receiver: &str, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        self.0.handle_bytes(NOW, key, &leco(receiver, sender, request.as_bytes()));
        let heard = messages(&self.read(key));
        let Some(answer) = heard.first() else { panic!("{method} is not answered") };
        serde_json::from_slice(&answer[4]).unwrap()
    }

    /// The answer to a method of the table, asked without parameters where it is asked for.
    fn ask(&mut self, key: PeerKey, method: &Method) -> Value {
        self.call(key, "CA", receiver(method.at), method.name, &Value::Null)
    }

    /// Whether a controller has had its way, and if not, why.
    fn control(&mut self, key: PeerKey, function: Function) -> Result<(), String> {
        let mut request = Vec::new();
        ControlRequest::begin(&mut request, Shape::Beside, function).finish();
        self.0.handle_bytes(NOW, key, &request);
        let answer = self.read(key);
        let Ok(Frame::Whole { header_len, body_len }) = framing::scan(&answer, CONTROL_RESULT_BYTES_MAX) else {
            panic!("{} is not answered", function.name());
        };
        let result = decode_control(&answer[header_len..header_len + body_len]).unwrap();
        if result.ok { Ok(()) } else { Err(format!("{:?}", result.data)) }
    }
}

const fn receiver(at: At) -> &'static str {
    match at {
        At::Coordinator => "COORDINATOR",
        At::Session => "session:s",
        At::Channel => "DATA_COORDINATOR",
    }
}

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["code"].as_i64()
}

/// Whether a call was refused because of where its caller is.
fn is_not_permitted(answer: &Value) -> bool {
    let by_manager = code(answer) == Some(i64::from(MANAGER_FAILED.code))
        && answer["error"]["data"].as_str().is_some_and(|data| data.contains("is not permitted from another machine"));
    by_manager || code(answer) == Some(i64::from(NOT_PERMITTED.code))
}

// ---- JSON-RPC ----

#[test]
fn every_method_of_the_table_is_answered_where_it_is_asked() {
    for method in METHODS {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(NEAR, "CA");
        let answer = fixture.ask(key, method);
        assert_ne!(code(&answer), Some(i64::from(METHOD_NOT_FOUND.code)), "{}", method.name);
        assert!(answer.get("result").is_some() || code(&answer).is_some(), "{}: {answer}", method.name);
    }
}

#[test]
fn what_the_table_does_not_have_is_not_found() {
    let mut fixture = Fixture::new(false);
    let key = fixture.component(NEAR, "CA");
    for at in [At::Coordinator, At::Session, At::Channel] {
        let elsewhere =
            METHODS.iter().filter(|method| Method::find(at, method.name).is_none()).map(|method| method.name);
        for name in elsewhere.chain(["", "Pong", "rpc.", "no_such"]) {
            let answer = fixture.call(key, "CA", receiver(at), name, &Value::Null);
            assert_eq!(code(&answer), Some(i64::from(METHOD_NOT_FOUND.code)), "{at:?} {name}");
            assert_eq!(answer["error"]["data"], json!(name));
        }
    }
}

/// Whether one must have joined to have a right.
fn is_of_members(right: Right) -> bool {
    matches!(right, Right::Hear | Right::Follow | Right::Trigger)
}

#[test]
fn a_result_is_of_the_kind_that_the_table_says() {
    let mut results = 0;
    for method in METHODS {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(NEAR, "CA");
        if is_of_members(method.right) {
            fixture.call(key, "CA", "session:s", "join", &Value::Null);
        }
        let answer = fixture.ask(key, method);
        let Some(result) = answer.get("result") else { continue };
        let kind = match result {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert_eq!(kind, method.result, "{}", method.name);
        results += 1;
    }
    assert!(results >= METHODS.len() / 2, "only {results} had a result");
}

#[test]
fn what_only_asks_is_answered_to_a_newcomer() {
    for method in METHODS.iter().filter(|method| method.is_question && method.right == Right::Anybody) {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(FAR, "CA");
        let answer = fixture.ask(key, method);
        // A session that has not shared its initialization has none to tell.
        let has_none = method.name == "initialization" && answer["error"]["data"]["code"].is_string();
        assert!(answer.get("result").is_some() || has_none, "{}: {answer}", method.name);
    }
}

#[test]
fn from_another_machine_nobody_administers_unless_the_configuration_says_so() {
    for method in METHODS {
        for (remote, remote_admin) in [(FAR, false), (FAR, true), (NEAR, false)] {
            let mut fixture = Fixture::new(remote_admin);
            let key = fixture.component(remote, "CA");
            let refused = is_not_permitted(&fixture.ask(key, method));
            let expected = method.right == Right::Admin && remote == FAR && !remote_admin;
            assert_eq!(refused, expected, "{} from {remote}, remote_admin {remote_admin}", method.name);
        }
    }
    let of = |right| METHODS.iter().filter(move |method| method.right == right).map(|method| method.name);
    let of_admin = ["set_log_level", "shut_down", "remove_expired_addresses", "exit", "may", "denials", "reload"];
    let of_channels = ["set_log_level", "shut_down", "connect_to_gatherer", "disconnect_from_gatherer"];
    assert!(of(Right::Admin).eq(of_admin.into_iter().chain(["send_copy"]).chain(of_channels)));
    assert!(of(Right::AdminToForce).eq(["delete_session"]));
}

#[test]
fn only_force_needs_an_administrator_where_the_table_says_so() {
    for method in METHODS.iter().filter(|method| method.right == Right::AdminToForce) {
        for (remote, force, expected) in [(FAR, true, true), (FAR, false, false), (NEAR, true, false)] {
            let mut fixture = Fixture::new(false);
            let key = fixture.component(remote, "CA");
            let params = json!({"name": "s", "force": force});
            let answer = fixture.call(key, "CA", receiver(method.at), method.name, &params);
            assert_eq!(is_not_permitted(&answer), expected, "{} from {remote}, force {force}", method.name);
        }
    }
}

#[test]
fn what_is_a_coordinators_is_refused_to_a_component() {
    let of = |right| METHODS.iter().filter(move |method| method.right == right);
    let rows = of(Right::Node).map(|method| (method, NEAR)).chain(of(Right::NodeOrAdmin).map(|method| (method, FAR)));
    for (method, remote) in rows {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(remote, "CA");
        let params = if method.params.is_empty() { Value::Null } else { json!([[]]) };
        let answer = fixture.call(key, "CA", receiver(method.at), method.name, &params);
        assert_eq!(code(&answer), Some(i64::from(INVALID_REQUEST.code)), "{}", method.name);
    }
}

#[test]
fn what_is_a_members_is_refused_to_others() {
    for method in METHODS.iter().filter(|method| is_of_members(method.right)) {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(NEAR, "CA");
        let params = if method.name == "ack" { json!([1]) } else { Value::Null };
        let answer = fixture.call(key, "CA", receiver(method.at), method.name, &params);
        assert!(answer["error"]["data"]["code"].is_string(), "{}: {answer}", method.name);
    }
}

#[test]
fn a_parameter_that_the_table_does_not_have_is_refused() {
    for method in METHODS {
        let mut fixture = Fixture::new(false);
        let key = fixture.component(NEAR, "CA");
        let answer = fixture.call(key, "CA", receiver(method.at), method.name, &json!({"no_such": 1}));
        assert!(code(&answer).is_some(), "{}: {answer}", method.name);
        let is_asked_of_others = method.right == Right::Node || is_of_members(method.right);
        if !is_asked_of_others && !matches!(method.call, Call::AtSession(_)) {
            assert_eq!(code(&answer), Some(i64::from(INVALID_PARAMS.code)), "{}: {answer}", method.name);
        }
    }
}

#[test]
fn a_parameter_that_the_table_has_is_known() {
    for method in METHODS {
        for (name, _, _) in method.params {
            let mut fixture = Fixture::new(false);
            let key = fixture.component(NEAR, "CA");
            let answer = fixture.call(key, "CA", receiver(method.at), method.name, &json!({*name: Value::Null}));
            let told = answer["error"]["data"].to_string();
            assert!(!told.contains("there is no parameter"), "{} {name}: {told}", method.name);
        }
    }
}

#[test]
fn rpc_discover_tells_the_table() {
    let mut fixture = Fixture::new(false);
    let key = fixture.component(NEAR, "CA");
    for at in [At::Coordinator, At::Session] {
        let told = fixture.call(key, "CA", receiver(at), "rpc.discover", &Value::Null);
        let told: Vec<Value> = told["result"]["methods"].as_array().unwrap().clone();
        let table: Vec<Value> = METHODS
            .iter()
            .filter(|method| method.at == at && method.name != "rpc.discover")
            .map(|method| {
                let params = method.params.iter();
                let params: Vec<Value> = params
                    .map(|(name, kind, required)| json!({"name": name, "required": required, "schema": {"type": kind}}))
                    .collect();
                let result = json!({"name": "result", "schema": {"type": method.result}});
                json!({"name": method.name, "summary": method.summary, "params": params, "result": result})
            })
            .collect();
        assert_eq!(told, table, "{at:?}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_whoever_asks() {
    let mut fixture = Fixture::new(true);
    fixture.component(NEAR, "CA");
    let key = fixture.open(Door::Leco, FAR);
    fixture.0.handle_bytes(NOW, key, &opening(SocketType::Dealer));
    fixture.read(key);
    let answer = fixture.call(key, "CA", "COORDINATOR", "sign_in", &Value::Null);
    assert_eq!(code(&answer), Some(i64::from(DUPLICATE_NAME.code)));
}

// ---- The control port ----

#[test]
fn every_control_function_of_the_table_is_answered_and_its_right_is_looked_at() {
    let functions = METHODS.iter().filter_map(|method| Some((method, method.function?)));
    for (method, function) in functions {
        for (remote, remote_admin) in [(FAR, false), (FAR, true), (NEAR, false)] {
            let mut fixture = Fixture::new(remote_admin);
            let key = fixture.open(Door::Control, remote);
            let outcome = fixture.control(key, function);
            let refused =
                outcome.as_ref().is_err_and(|reason| reason.contains("is not permitted from another machine"));
            let expected = method.right == Right::Admin && remote == FAR && !remote_admin;
            assert_eq!(
                refused,
                expected,
                "{} from {remote}, remote_admin {remote_admin}: {outcome:?}",
                function.name()
            );
        }
    }
}

#[test]
fn a_control_function_that_only_asks_succeeds_without_arguments() {
    for method in METHODS.iter().filter(|method| method.is_question) {
        let Some(function) = method.function else { continue };
        let mut fixture = Fixture::new(false);
        let key = fixture.open(Door::Control, FAR);
        assert_eq!(fixture.control(key, function), Ok(()), "{}", function.name());
    }
}

#[test]
fn a_large_timestep_is_taken_in_pieces_between_which_others_are_served() {
    let mut fixture = Fixture::new(false);
    let (feeder, other) = (fixture.component(NEAR, "FEEDER"), fixture.component(NEAR, "OTHER"));
    let opened = fixture.call(feeder, "FEEDER", "COORDINATOR", "open_feed", &json!({"name": "city"}));
    let provider = opened["result"]["provider"].as_i64().unwrap();
    let entity = |id: Value| json!({"id": id, "type": "Road", "repairCost": 70_000});
    // What is wrong at its end changes nothing, however much of it has been read.
    for (last, answer) in [(Value::Null, MANAGER_FAILED.code), (json!(0), 0)] {
        let entities: Vec<_> = (1..2400).map(|id| entity(json!(id))).chain([entity(last)]).collect();
        let record = json!({"world": entities});
        let mut packed = Vec::new();
        crate::control::json::write(&mut packed, &record);
        let pieces = packed.len() / FEED_PIECE_BYTES;
        assert!(pieces >= 4, "{pieces}");
        let params = json!({"provider": provider, "record": record});
        let call = json!({"jsonrpc": "2.0", "id": 9, "method": "push_timestep", "params": params}).to_string();
        fixture.0.handle_bytes(NOW, feeder, &leco("COORDINATOR", "FEEDER", call.as_bytes()));
        for _ in 0..pieces {
            assert_eq!(messages(&fixture.read(feeder)).len(), 0, "not all of it has been read");
            let served = fixture.call(other, "OTHER", "COORDINATOR", "pong", &Value::Null);
            assert_eq!(served["result"], Value::Null, "{served}");
            assert_eq!(fixture.0.poll_timeout(), Some(NOW), "the rest is due at once");
            fixture.0.handle_timeout(NOW);
        }
        fixture.0.handle_timeout(NOW);
        fixture.0.handle_timeout(NOW);
        let heard = messages(&fixture.read(feeder));
        let said: Value = serde_json::from_slice(&heard[0][4]).unwrap();
        assert_eq!(code(&said).unwrap_or(0), i64::from(answer), "{said}");
    }
    fixture.0.check_invariants().unwrap();
}
