//! Who may do what, asked at every door: LECO, control, viewers, HTTP, WebSocket, STOMP.

use instep::auth::{hash_of, token_of};
use instep::config::{Access, Config, Predefined, Role, UserRule};
use instep::control::client::{ControlRequest, decode_control, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame as Framed};
use instep::control::function::{Argument, Function};
use instep::control::viewer::Bits;
use instep::hub::{Cause, Door};
use instep::limits::{NODES_MAX, SESSIONS_MAX};
use instep::zmtp::SocketType;
use instep::zmtp::mechanism::guest::Guest;
use serde_json::{Value, json};

use crate::common::c2sim;
use crate::common::guest::{Answer, take_answer};
use crate::common::member::Member;
use crate::common::wire;
use crate::common::world::{World, config};

const FORBIDDEN: i64 = -32001;
/// Addresses of users.
const LASER: &str = "10.0.0.1:4000";
const CHIEF: &str = "10.0.0.2:4000";
const WALL: &str = "10.0.0.3:4000";
const NODE: &str = "10.0.0.4:4000";
const BOSS: &str = "10.0.0.5:4000";
/// Where nobody is.
const STRANGER: &str = "10.0.0.9:4000";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The token of a user.
fn token(user: &str) -> String {
    let mut chance = [0; 32];
    chance[..user.len()].copy_from_slice(user.as_bytes());
    token_of(&chance)
}

/// A user with an address and a token.
fn user(name: &str, role: Role, remote: &str) -> UserRule {
    let address = remote.split(':').next().unwrap();
    UserRule { address: words(&[address]), token: vec![hash_of(&token(name))], ..UserRule::of(name, role) }
}

fn users() -> Vec<UserRule> {
    vec![
        UserRule {
            names: words(&["laser", "laser_*"]),
            to: words(&["logger", "N2.*"]),
            sessions: words(&["default"]),
            send: words(&["reports"]),
            ..user("laser", Role::Component, LASER)
        },
        UserRule { sessions: words(&["default", "drill*"]), ..user("chief", Role::Controller, CHIEF) },
        user("wall", Role::Viewer, WALL),
        UserRule { names: words(&["N2"]), ..user("lab2", Role::Node, NODE) },
        user("boss", Role::Admin, BOSS),
    ]
}

/// A hub that asks everybody.
fn house(access: Access) -> World {
    let sessions = vec![Predefined { name: "war".to_owned(), ..Predefined::default() }];
    World::new(Config { auth: access, users: users(), sessions, ..config(1) })
}

/// A DEALER from there whose handshake is done.
fn dealer(world: &mut World, remote: &str) -> usize {
    let client = world.connect_from(0, remote).unwrap();
    world.feed(client, &wire::opening(1));
    client
}

/// The answer to a call of the Coordinator, by whoever calls itself so.
fn call(world: &mut World, client: usize, sender: &str, method: &str, params: &Value) -> Value {
    let mut call = json!({"jsonrpc": "2.0", "id": 1, "method": method});
    if !params.is_null() {
        call["params"] = params.clone();
    }
    world.send(client, "COORDINATOR", sender, &[call.to_string().as_bytes()]);
    wire::json(&world.hear(client).pop().unwrap())
}

fn sign_in(world: &mut World, client: usize, name: &str) -> Value {
    call(world, client, name, "sign_in", &Value::Null)
}

/// Somebody who is signed in from there.
fn component(world: &mut World, remote: &str, name: &str) -> Member {
    let client = dealer(world, remote);
    assert_eq!(sign_in(world, client, name).get("error"), None, "{name}");
    Member { client, name: format!("N1.{name}"), heard: Vec::new() }
}

/// What a refusal has to say.
fn refused(answer: &Value) -> [&str; 3] {
    assert_eq!(answer["error"]["code"], FORBIDDEN, "{answer}");
    ["action", "needs", "user"].map(|key| answer["error"]["data"][key].as_str().unwrap())
}

// ---- LECO ----

#[test]
fn whoever_is_nobody_is_not_let_in_and_others_only_under_their_names() {
    let mut world = house(Access::All);
    for remote in [STRANGER, "127.0.0.1:4000", "[::1]:4000"] {
        let stranger = dealer(&mut world, remote);
        assert_eq!(world.clients[stranger].closed, Some(Cause::Stranger), "{remote}");
    }
    assert_eq!((world.count("closed_stranger"), world.count("auth_unknown")), (3, 3));
    let laser = dealer(&mut world, LASER);
    assert_eq!(refused(&sign_in(&mut world, laser, "boss")), ["sign_in", "names", "laser"]);
    assert_eq!(sign_in(&mut world, laser, "laser_2").get("error"), None);
    let wall = dealer(&mut world, "[::ffff:10.0.0.3]:4000");
    assert_eq!(refused(&sign_in(&mut world, wall, "wall")), ["sign_in", "component", "wall"]);
    assert_eq!(world.count("auth_forbidden"), 2);
}

#[test]
fn loopback_is_the_local_administrator_unless_everybody_is_asked_or_the_rules_say_otherwise() {
    let mut world = house(Access::Remote);
    let near = component(&mut world, "127.0.0.1:4000", "anybody").client;
    assert_eq!(call(&mut world, near, "anybody", "denials", &Value::Null)["result"]["denials"], json!([]));
    let local = UserRule::of("local", Role::Component);
    let mut world = World::new(Config { auth: Access::Remote, users: vec![local], ..config(1) });
    let near = component(&mut world, "127.0.0.1:4000", "anybody").client;
    let answer = call(&mut world, near, "anybody", "shut_down", &Value::Null);
    assert_eq!(refused(&answer), ["shut_down", "admin", "local"]);
    let told = call(&mut world, near, "anybody", "whoami", &Value::Null);
    assert_eq!((&told["result"]["user"], &told["result"]["role"]), (&json!("local"), &json!("component")));
}

#[test]
fn each_method_needs_the_role_that_it_says() {
    let mut world = house(Access::Remote);
    let laser = component(&mut world, LASER, "laser").client;
    let chief = component(&mut world, CHIEF, "chief").client;
    let boss = component(&mut world, BOSS, "boss").client;
    for (method, params, needs) in [
        ("send_counters", Value::Null, ["", "", ""]),
        ("open_provider", json!({"logfilename": "x"}), ["controller", "", ""]),
        ("create_session", json!({"name": "other"}), ["controller", "sessions", ""]),
        ("create_session", json!({"name": "drill"}), ["controller", "", ""]),
        ("delete_session", json!({"name": "war"}), ["controller", "sessions", ""]),
        ("add_nodes", json!({"nodes": {}}), ["admin", "admin", ""]),
        ("set_log_level", json!({"level": "INFO"}), ["admin", "admin", ""]),
        ("reload", Value::Null, ["admin", "admin", ""]),
        ("may", json!({"user": "laser", "action": "send"}), ["admin", "admin", ""]),
        ("denials", Value::Null, ["admin", "admin", ""]),
    ] {
        for ((client, name), needs) in [(laser, "laser"), (chief, "chief"), (boss, "boss")].into_iter().zip(needs) {
            let answer = call(&mut world, client, name, method, &params);
            if needs.is_empty() {
                assert_ne!(answer["error"]["code"], FORBIDDEN, "{method} {name}: {answer}");
            } else {
                assert_eq!(refused(&answer), [method, needs, name], "{params}");
            }
        }
    }
}

/// What is asked of somebody here under a name that is not signed in, in a document of its own.
fn ask_unnamed(world: &mut World, client: usize, receiver: &str, document: &Value) -> Value {
    world.send(client, receiver, "N1.ctl-7", &[document.to_string().as_bytes()]);
    wire::json(&world.hear(client).pop().unwrap())
}

#[test]
fn who_may_not_sign_in_looks_on_without_a_name_and_who_may_is_told_to_sign_in() {
    let mut world = house(Access::Remote);
    let one = |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method});
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    let wall = dealer(&mut world, WALL);
    assert_eq!(refused(&sign_in(&mut world, wall, "ctl-7")), ["sign_in", "component", "wall"]);
    for (receiver, method) in [
        ("COORDINATOR", "send_counters"),
        ("N1.COORDINATOR", "whoami"),
        ("COORDINATOR", "pong"),
        ("COORDINATOR", "sessions"),
        ("N1.session:war", "info"),
        ("session:war", "members"),
    ] {
        let answer = ask_unnamed(&mut world, wall, receiver, &one(method));
        assert!(answer.get("result").is_some(), "{method}: {answer}");
    }
    // What its role does not reach for is refused by that, and what needs a name because it has none.
    for (receiver, method, needs) in [
        ("COORDINATOR", "shut_down", "admin"),
        ("COORDINATOR", "open_provider", "controller"),
        ("N1.session:default", "start_scenario", "controller"),
        ("N1.session:default", "join", "component"),
    ] {
        let answer = ask_unnamed(&mut world, wall, receiver, &one(method));
        assert_eq!(refused(&answer)[..2], [method, needs], "{answer}");
    }
    for (receiver, method) in [("N1.session:default", "events"), ("COORDINATOR", "nonsense"), ("N1.x", "pong")] {
        let answer = ask_unnamed(&mut world, wall, receiver, &one(method));
        assert_eq!(code(&answer), Some(-32090), "{method}: {answer}");
    }
    // Each call of a batch is judged by itself.
    let batch = json!([one("send_nodes"), one("nonsense"), one("shut_down")]);
    let answers = ask_unnamed(&mut world, wall, "COORDINATOR", &batch);
    let codes: Vec<Option<i64>> = answers.as_array().unwrap().iter().map(code).collect();
    assert_eq!(codes, [None, Some(-32090), Some(FORBIDDEN)]);
    // An onlooker's sign of life is no fault; a document of its own is one.
    world.send(wall, "COORDINATOR", "N1.ctl-7", &[b""]);
    assert!(world.hear(wall).is_empty());
    let report = c2sim::domain("A", "ReportBody", 10);
    world.send(wall, "N1.session:war", "N1.ctl-7", &[report.as_bytes()]);
    assert_eq!(code(&wire::json(&world.hear(wall).pop().unwrap())), Some(-32090));
    // A Component that may have the name must learn that nobody knows it.
    let laser = dealer(&mut world, LASER);
    for (name, expected) in [("laser_9", Some(-32090)), ("boss", None)] {
        assert_eq!(code(&call(&mut world, laser, name, "send_counters", &Value::Null)), expected, "{name}");
    }
}

#[test]
fn a_restricted_user_sends_to_its_receivers_and_answers_whoever_asks() {
    let mut world = house(Access::Remote);
    let mut laser = component(&mut world, LASER, "laser");
    let logger = component(&mut world, "127.0.0.1:4000", "logger");
    let mut boss = component(&mut world, BOSS, "boss");
    laser.send(&mut world, "N1.logger", "log", &Value::Null);
    laser.send(&mut world, "logger", "log", &Value::Null);
    assert_eq!(world.hear(logger.client).len(), 2);
    // Who is not there looks the same as who may not be sent to.
    for receiver in ["N1.boss", "boss", "N1.nobody", "N3.x"] {
        let at = laser.send(&mut world, receiver, "log", &Value::Null);
        assert_eq!(refused(&laser.answer(&mut world, at, "COORDINATOR")), ["send", "to", "laser"], "{receiver}");
    }
    let unknown = laser.send(&mut world, "N2.x", "log", &Value::Null);
    assert_eq!(laser.answer(&mut world, unknown, "COORDINATOR")["error"]["code"], -32092);
    assert!(world.hear(boss.client).is_empty());
    // An answer passes, in its conversation, to whoever has asked, for a minute; what is no answer does not.
    let asked = boss.send(&mut world, "N1.laser", "power", &Value::Null);
    assert_eq!(world.hear(laser.client).len(), 1);
    let say = |world: &mut World, conversation: u64, text: &str| {
        let header = wire::header(conversation, 1);
        let bytes = wire::message(&[&[0], b"N1.boss", b"N1.laser", &header, text.as_bytes()]);
        world.feed(laser.client, &bytes);
    };
    let (result, request) = (r#"{"jsonrpc": "2.0", "id": 7, "result": 5}"#, &*wire::request(1, "stop"));
    say(&mut world, asked, request);
    say(&mut world, asked + 1000, result);
    assert!(world.hear(boss.client).is_empty());
    say(&mut world, asked, result);
    assert_eq!(boss.answer(&mut world, asked, "N1.laser")["result"], 5);
    say(&mut world, asked, request);
    assert!(world.hear(boss.client).is_empty(), "that it could answer is not remembered as more");
    world.wait(61_000);
    say(&mut world, asked, result);
    let is_of_laser = |frames: &Vec<Vec<u8>>| frames[2] == b"N1.laser";
    assert!(!world.hear(boss.client).iter().any(is_of_laser), "a minute is over");
}

#[test]
fn a_node_is_one_for_its_namespaces_and_nobody_else_is() {
    let mut world = house(Access::Remote);
    for (remote, sender, needs) in [
        (NODE, "N2.COORDINATOR", None),
        (NODE, "N3.COORDINATOR", Some(["coordinator_sign_in", "names", "lab2"])),
        (LASER, "N4.COORDINATOR", Some(["coordinator_sign_in", "node", "laser"])),
        (CHIEF, "N4.COORDINATOR", Some(["coordinator_sign_in", "node", "chief"])),
    ] {
        let client = dealer(&mut world, remote);
        let answer = call(&mut world, client, sender, "coordinator_sign_in", &Value::Null);
        match needs {
            None => assert_eq!(answer.get("error"), None, "{answer}"),
            Some(needs) => assert_eq!(refused(&answer), needs),
        }
    }
    let node = dealer(&mut world, NODE);
    assert_eq!(refused(&sign_in(&mut world, node, "spy")), ["sign_in", "component", "lab2"]);
}

#[test]
fn sessions_and_kinds_of_documents_are_a_users_own() {
    let mut world = house(Access::Remote);
    let mut laser = component(&mut world, LASER, "laser");
    let mut chief = component(&mut world, CHIEF, "chief");
    let joined = laser.ask(&mut world, "N1.session:war", "join", &Value::Null);
    assert_eq!(refused(&joined), ["join", "sessions", "laser"]);
    for member in [&mut laser, &mut chief] {
        let joined = member.ask(&mut world, "N1.session:default", "join", &Value::Null);
        assert_eq!(joined.get("error"), None, "{joined}");
    }
    let submit = laser.pull(&mut world, "submit_initialization");
    assert_eq!(refused(&submit), ["submit_initialization", "controller", "laser"]);
    assert_eq!(refused(&laser.document(&mut world, &c2sim::system("A", "SubmitInitialization")))[1], "controller");
    assert_eq!(chief.pull(&mut world, "submit_initialization").get("error"), None);
    assert_eq!(
        refused(&laser.document(&mut world, &c2sim::initialization("A", &["A"]))),
        ["send C2SIM_INITIALIZATION", "send", "laser"]
    );
    assert_eq!(chief.document(&mut world, &c2sim::initialization("B", &["B"])).get("error"), None);
    // Whoever is done with its own initialization says so.
    let done = laser.pull(&mut world, "initialization_complete");
    assert_ne!(done["error"]["code"], FORBIDDEN, "{done}");
    chief.pull(&mut world, "share_scenario");
    chief.pull(&mut world, "start_scenario");
    assert_eq!(refused(&laser.document(&mut world, &c2sim::domain("A", "OrderBody", 10)))[1], "send");
    let report = laser.document(&mut world, &c2sim::domain("A", "ReportBody", 10));
    assert_eq!(report.get("error"), None, "{report}");
}

// ---- Control and viewers ----

/// What a controller is answered: whether it was done, and the message.
fn control(world: &mut World, client: usize, write: impl FnOnce(&mut Vec<u8>) -> usize) -> (bool, String) {
    let mut out = Vec::new();
    assert_eq!(write(&mut out), out.len());
    world.feed(client, &out);
    let read = core::mem::take(&mut world.clients[client].read);
    let Ok(Framed::Whole { header_len, body_len }) = framing::scan(&read, 1 << 20) else { panic!("{read:?}") };
    let result = decode_control(&read[header_len..header_len + body_len]).unwrap();
    (result.ok, format!("{:?}", result.data))
}

fn function(function: Function) -> impl FnOnce(&mut Vec<u8>) -> usize {
    move |out| ControlRequest::begin(out, Shape::Beside, function).finish()
}

fn authenticate(token: &str) -> impl FnOnce(&mut Vec<u8>) -> usize {
    move |out| ControlRequest::begin(out, Shape::Beside, Function::Authenticate).text(Argument::Token, token).finish()
}

#[test]
fn a_controller_says_who_it_is_by_function_6() {
    let mut world = house(Access::All);
    let controller = world.connect_at(0, Door::Control, "127.0.0.1:5000").unwrap();
    let (done, message) = control(&mut world, controller, function(Function::GetManagerInformation));
    assert!(!done && message.contains("this address needs a token (function 6)"), "{message}");
    let (done, message) = control(&mut world, controller, authenticate(&token("chief")));
    assert!(done, "{message}");
    assert!(control(&mut world, controller, function(Function::GetManagerInformation)).0);
    let (done, message) = control(&mut world, controller, function(Function::Exit));
    assert!(!done && message.contains("Exit needs the role admin; this is chief"), "{message}");
    let trigger = |session: &'static str| {
        move |out: &mut Vec<u8>| {
            let begun = ControlRequest::begin(out, Shape::Beside, Function::Trigger).text(Argument::Session, session);
            begun.text(Argument::Trigger, "submit").finish()
        }
    };
    let (done, message) = control(&mut world, controller, trigger("war"));
    assert!(!done && message.contains("Trigger needs it in the list sessions; this is chief"), "{message}");
    assert!(control(&mut world, controller, trigger("default")).0);
    // A wrong token ends the connection, and one from elsewhere is not taken where it can be read.
    let wrong = world.connect_at(0, Door::Control, "127.0.0.1:5000").unwrap();
    let (done, message) = control(&mut world, wrong, authenticate(&token("nobody")));
    assert!(!done && message.contains("no user has this token"), "{message}");
    assert!(world.clients[wrong].closed.is_some());
    let far = world.connect_at(0, Door::Control, STRANGER).unwrap();
    let (done, message) = control(&mut world, far, authenticate(&token("chief")));
    assert!(!done && message.contains("plain_remote"), "{message}");
    // Who is known by its address needs none.
    let boss = world.connect_at(0, Door::Control, BOSS).unwrap();
    assert!(control(&mut world, boss, function(Function::GetErrorList)).0);
    let wall = world.connect_at(0, Door::Control, WALL).unwrap();
    let (done, message) = control(&mut world, wall, |out| {
        ControlRequest::begin(out, Shape::Beside, Function::Close).provider(&[1]).finish()
    });
    assert!(!done && message.contains("Close needs the role controller; this is wall"), "{message}");
}

#[test]
fn nobody_writes_into_the_list_of_errors() {
    let mut world = house(Access::All);
    let stranger = world.connect_at(0, Door::Control, STRANGER).unwrap();
    // An argument is missing, and the bytes behind are no request at all.
    let (done, message) = control(&mut world, stranger, function(Function::Trigger));
    assert!(!done && message.contains("this address needs a token (function 6)"), "{message}");
    world.feed(stranger, &[0xc1; 9]);
    assert!(world.clients[stranger].closed.is_some());
    let boss = world.connect_at(0, Door::Control, BOSS).unwrap();
    let errors = |world: &mut World| control(world, boss, function(Function::GetErrorList)).1;
    let said = errors(&mut world);
    assert!(!said.contains("controller"), "{said}");
    let (done, message) = control(&mut world, boss, function(Function::Trigger));
    assert!(!done && message.contains("is missing"), "{message}");
    let said = errors(&mut world);
    assert!(said.contains("a controller's request was refused"), "{said}");
}

#[test]
fn where_nobody_is_asked_function_6_is_answered_and_means_nothing() {
    let mut world = World::plain();
    let controller = world.connect_at(0, Door::Control, STRANGER).unwrap();
    assert!(control(&mut world, controller, authenticate("anything")).0);
    assert!(!control(&mut world, controller, function(Function::Exit)).0, "it is not on this machine");
}

#[test]
fn viewers_are_known_by_their_address() {
    let mut world = house(Access::All);
    for (remote, opens) in [(WALL, true), (LASER, true), (STRANGER, false), ("127.0.0.1:5000", false), (NODE, true)] {
        let viewer = world.connect_at(0, Door::Viewer, remote).unwrap();
        let mut out = Vec::new();
        encode_viewer(&mut out, Bits(Bits::OPEN.0), None);
        world.feed(viewer, &out);
        let read = String::from_utf8_lossy(&world.clients[viewer].read).into_owned();
        assert_eq!(read.contains("no session"), opens, "{remote}: {read}");
        assert_eq!(read.contains("may not view"), !opens, "{remote}: {read}");
        assert_eq!(world.clients[viewer].closed.is_none(), opens, "{remote}");
    }
}

// ---- HTTP ----

/// A request over a connection of its own, with these fields more.
fn http(world: &mut World, remote: &str, line: &str, fields: &str, body: &str) -> (usize, Answer) {
    let client = world.connect_at(0, Door::Http, remote).unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len());
    world.feed(client, request.as_bytes());
    let answer = take_answer(&mut world.clients[client].read).unwrap_or_else(|| panic!("{line} has no answer"));
    (client, answer)
}

fn bearer(user: &str) -> String {
    format!("Authorization: Bearer {}\r\n", token(user))
}

const NEAR: &str = "127.0.0.1:5000";

#[test]
fn http_is_401_for_whom_nobody_knows_and_403_for_what_he_may_not() {
    let mut world = house(Access::All);
    let mut ask = |remote: &str, line: &str, fields: &str, body: &str| http(&mut world, remote, line, fields, body).1;
    // What tells nothing is open: the page must be there to ask for a token.
    for line in ["GET /", "GET /health", "GET /openapi.yaml", "GET /page/main.js", "GET /nowhere"] {
        assert_ne!(ask(NEAR, line, "", "").status, 401, "{line}");
    }
    for line in ["GET /metrics", "GET /events", "GET /openrpc.json", "POST /rpc", "POST /rpc/CA"] {
        let answer = ask(NEAR, line, "", "");
        assert_eq!(answer.status, 401, "{line}");
        assert_eq!(answer.field("WWW-Authenticate"), Some("Bearer, Basic realm=\"instep\""));
    }
    let answer = ask(NEAR, "GET /api/c2sim/session/list", "clientId: a\r\n", "");
    let body =
        r#"{"code":"AUTHORIZATION_FAILURE","message":"this needs a token: Authorization: Bearer TOKEN","details":{}}"#;
    assert_eq!((answer.status, answer.body.as_str()), (401, body), "the members in this order");
    // Bearer, Basic with its name or ?, an address; what is wrong is not as good as nothing.
    assert_eq!(ask(NEAR, "GET /metrics", &bearer("wall"), "").status, 200);
    assert_eq!(ask(WALL, "GET /metrics", "", "").status, 200);
    assert_eq!(ask(WALL, "GET /metrics", &bearer("nobody"), "").status, 401);
    let whoami = json!({"jsonrpc": "2.0", "id": 1, "method": "whoami"}).to_string();
    let told = ask(NEAR, "POST /rpc", &bearer("chief"), &whoami).json();
    assert_eq!((&told["result"]["user"], &told["result"]["by"]), (&json!("chief"), &json!("token")));
    let answer = ask(NEAR, "POST /rpc/boss", &bearer("laser"), &whoami);
    assert_eq!((answer.status, answer.json()), (403, json!({"action": "send", "needs": "to", "user": "laser"})));
    let create = r#"{"data": {"c2simSchemaVersion": "1.0.2", "displayName": "a", "description": ""}}"#;
    let client = |user: &str| format!("clientId: a\r\n{}", bearer(user));
    let answer = ask(NEAR, "PUT /api/c2sim/session/other/create", &client("chief"), create);
    assert_eq!(
        answer.body,
        r#"{"code":"AUTHORIZATION_FAILURE","message":"chief may not create_session: it is not in the list sessions","details":{"action":"create_session","needs":"sessions","user":"chief"}}"#
    );
    let challenge = "Bearer realm=\"instep\", error=\"insufficient_scope\"";
    assert_eq!((answer.status, answer.field("WWW-Authenticate")), (401, Some(challenge)));
    assert_eq!(ask(NEAR, "PUT /api/c2sim/session/drill9/create", &client("chief"), create).status, 200);
    assert_eq!(ask(NEAR, "PUT /api/c2sim/session/drill9/create", &client("wall"), create).status, 401);
    assert_eq!(ask(NEAR, "DELETE /api/c2sim/session/drill9?force=true", &client("wall"), "").status, 401);
    let shut_down = json!({"jsonrpc": "2.0", "id": 1, "method": "shut_down"}).to_string();
    assert_eq!(refused(&ask(NEAR, "POST /rpc", &bearer("chief"), &shut_down).json()), ["shut_down", "admin", "chief"]);
}

#[test]
fn a_token_is_not_taken_where_it_could_be_read_on_its_way() {
    let ask = |config: Config, remote: &str, fields: &str| {
        let mut world = World::new(config);
        let fields = format!("{}{fields}", bearer("chief"));
        http(&mut world, remote, "GET /metrics", &fields, "").1.status
    };
    let house = || Config { auth: Access::Remote, users: users(), ..config(1) };
    let behind = || Config { trusted_proxies: words(&["127.0.0.1"]), ..house() };
    assert_eq!(ask(house(), STRANGER, ""), 401);
    assert_eq!(ask(Config { plain_remote: true, ..house() }, STRANGER, ""), 200);
    let forwarded = "X-Forwarded-For: 203.0.113.7\r\n";
    assert_eq!(ask(behind(), NEAR, forwarded), 401);
    assert_eq!(ask(behind(), NEAR, &format!("{forwarded}X-Forwarded-Proto: https\r\n")), 200);
    // Who comes through a proxy is not local.
    let mut world = World::new(behind());
    assert_eq!(http(&mut world, NEAR, "GET /metrics", forwarded, "").1.status, 401);
    assert_eq!(http(&mut world, NEAR, "GET /metrics", "", "").1.status, 200);
    // Nor is he who comes through one that nobody has named, and nobody is asked there for what this machine alone may.
    let mut world = World::new(house());
    assert_eq!(http(&mut world, NEAR, "GET /metrics", forwarded, "").1.status, 401);
    let mut world = World::new(config(1));
    let shut_down = json!({"jsonrpc": "2.0", "id": 1, "method": "shut_down"}).to_string();
    let answer = http(&mut world, NEAR, "POST /rpc", forwarded, &shut_down).1.json();
    assert!(answer.get("error").is_some(), "{answer}");
}

#[test]
fn each_request_on_a_connection_is_its_own_users() {
    let mut world = house(Access::All);
    let whoami = json!({"jsonrpc": "2.0", "id": 1, "method": "whoami"}).to_string();
    let client = world.connect_at(0, Door::Http, NEAR).unwrap();
    for user in ["chief", "wall", "", "boss"] {
        let fields = if user.is_empty() { String::new() } else { bearer(user) };
        let head = format!("POST /rpc HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n", whoami.len());
        world.feed(client, &[head.as_bytes(), whoami.as_bytes()].concat());
        let answer = take_answer(&mut world.clients[client].read).unwrap();
        if user.is_empty() {
            assert_eq!(answer.status, 401);
        } else {
            assert_eq!(answer.json()["result"]["user"], user);
        }
    }
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n";

#[test]
fn a_websocket_is_refused_before_it_is_one() {
    let mut world = house(Access::All);
    assert_eq!(http(&mut world, NEAR, "GET /viewer", UPGRADE, "").1.status, 401);
    // A page has no other way to say who it is.
    let fields = format!("{UPGRADE}Sec-WebSocket-Protocol: instep, instep.token.{}\r\n", token("wall"));
    let (_, answer) = http(&mut world, NEAR, "GET /viewer", &fields, "");
    assert_eq!((answer.status, answer.field("Sec-WebSocket-Protocol")), (101, Some("instep")), "{answer:?}");
    let fields = format!("{UPGRADE}Sec-WebSocket-Protocol: instep, instep.token.{}\r\n", token("nobody"));
    assert_eq!(http(&mut world, NEAR, "GET /viewer", &fields, "").1.status, 401);
}

#[test]
fn a_stream_without_a_token_is_its_guests_from_there_and_nobody_takes_a_guest_over() {
    let mut world = house(Access::All);
    let client = |user: &str| format!("clientId: mine\r\n{}", bearer(user));
    let body = r#"{"clientIdDisplayName": "a"}"#;
    let stream = "GET /api/c2sim/session/default/ws?clientId=mine";
    assert_eq!(http(&mut world, NEAR, stream, UPGRADE, "").1.status, 401, "nobody has joined as that");
    let joined = http(&mut world, NEAR, "POST /api/c2sim/session/default/join", &client("laser"), body).1;
    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(http(&mut world, STRANGER, stream, UPGRADE, "").1.status, 401, "it has joined elsewhere");
    assert_eq!(http(&mut world, NEAR, stream, UPGRADE, "").1.status, 101);
    for line in ["POST /api/c2sim/session/default/resign", "POST /api/c2sim/session/default/join"] {
        assert_eq!(http(&mut world, NEAR, line, &client("chief"), body).1.status, 401, "{line}");
    }
    let fields = format!("{UPGRADE}{}", bearer("chief"));
    assert_eq!(http(&mut world, NEAR, stream, &fields, "").1.status, 403);
    let sent = http(
        &mut world,
        NEAR,
        "POST /api/c2sim/session/default/send",
        &client("laser"),
        &c2sim::domain("A", "OrderBody", 5),
    );
    assert_eq!((sent.1.status, &sent.1.json()["details"]["needs"]), (401, &json!("send")));
    let war = http(&mut world, NEAR, "POST /api/c2sim/session/war/join", &client("laser"), body).1;
    assert_eq!((war.status, &war.json()["details"]["needs"]), (401, &json!("sessions")));
}

#[test]
fn clients_of_gmus_interface_are_users_too() {
    let mut world = house(Access::All);
    let mut ask = |user: &str, line: &str| {
        let answer = http(&mut world, NEAR, line, &bearer(user), "").1;
        assert_eq!(answer.status, 200, "its clients read nothing of any other: {answer:?}");
        let word = |element: &str| {
            let begun = answer.body.split_once(&format!("<{element}>")).map(|(_, rest)| rest);
            begun.and_then(|rest| rest.split_once("</")).map_or("", |(text, _)| text).to_owned()
        };
        (word("status"), word("error"), answer.field("WWW-Authenticate").is_some())
    };
    let initialize = "POST /C2SIMServer/command?submitterID=x&command=INITIALIZE";
    let document = "POST /C2SIMServer/c2sim?submitterID=x&protocol=SISO-STD-C2SIM";
    let refusal = |why: &str| ("ERROR".to_owned(), why.to_owned(), false);
    let why = "laser may not submit_initialization: it needs controller";
    assert_eq!(ask("laser", initialize), refusal(why));
    assert_eq!(ask("wall", initialize), refusal("wall may not send a document: it needs component"));
    assert_eq!(ask("wall", document), refusal("wall may not send a document: it needs component"));
    let stranger = ("ERROR".to_owned(), "no user has this token".to_owned(), true);
    for line in ["GET /C2SIMServer/status", "POST /C2SIMServer/stats", initialize, document] {
        assert_eq!(ask("nobody", line), stranger, "{line}");
    }
    assert_eq!(ask("chief", initialize).1, "");
    assert_eq!(ask("chief", "GET /C2SIMServer/status").0, "OK");
}

// ---- STOMP ----

#[test]
fn a_client_of_stomp_has_a_login_and_a_token() {
    let mut world = house(Access::All);
    let connect = |world: &mut World, remote: &str, login: &str, passcode: &str| {
        let client = world.connect_at(0, Door::Stomp, remote).unwrap();
        let text = format!("CONNECT\naccept-version:1.2\nhost:h\nlogin:{login}\npasscode:{passcode}\n\n\0");
        world.feed(client, text.as_bytes());
        let said = String::from_utf8(core::mem::take(&mut world.clients[client].read)).unwrap();
        (client, said)
    };
    for (remote, login, passcode, enters) in [
        (NEAR, "chief", token("chief"), true),
        (NEAR, "?", token("chief"), true),
        (NEAR, "", token("chief"), true),
        (NEAR, "wall", token("chief"), false),
        (NEAR, "chief", token("nobody"), false),
        (NEAR, "guest", "guest".to_owned(), false),
        (CHIEF, "guest", "guest".to_owned(), true),
        (STRANGER, "chief", token("chief"), false),
    ] {
        let (client, said) = connect(&mut world, remote, login, &passcode);
        assert_eq!(said.starts_with("CONNECTED"), enters, "{remote} {login}: {said}");
        assert_eq!(world.clients[client].closed.is_none(), enters);
        assert!(!said.contains(&passcode), "{said}");
    }
    let (wall, _) = connect(&mut world, NEAR, "wall", &token("wall"));
    world.feed(wall, b"SUBSCRIBE\nid:1\ndestination:/topic/C2SIM\nreceipt:r\n\n\0");
    let said = String::from_utf8(core::mem::take(&mut world.clients[wall].read)).unwrap();
    assert!(said.starts_with("RECEIPT"), "{said}");
    world.feed(wall, b"SEND\ndestination:/topic/C2SIM\nsubmitter:x\nreceipt:s\n\nx\0");
    let said = String::from_utf8(core::mem::take(&mut world.clients[wall].read)).unwrap();
    assert!(said.starts_with("ERROR") && said.contains(r#""needs":"component""#), "{said}");
}

// ---- Attacks ----

#[test]
fn a_flood_of_wrong_tokens_ends_its_connections_and_is_told_of_in_few_lines() {
    let mut world = house(Access::Remote);
    for n in 0..300_u32 {
        let mut chance = [0; 32];
        chance[..4].copy_from_slice(&n.to_be_bytes());
        let controller = world.connect_at(0, Door::Control, NEAR).unwrap();
        control(&mut world, controller, authenticate(&token_of(&chance)));
        assert!(world.clients[controller].closed.is_some());
    }
    assert_eq!(world.count("auth_unknown"), 300);
    assert!(world.count("log_lines_spared") > 200);
    let boss = component(&mut world, BOSS, "boss").client;
    let told = call(&mut world, boss, "boss", "denials", &Value::Null);
    let rows = told["result"]["denials"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["count"], &rows[0]["address"]), (1, &json!(300), &json!("127.0.0.1")));
    assert!(!told.to_string().contains("it_"), "no token is told");
}

#[test]
fn one_user_takes_a_quarter_of_the_names_wherever_it_is() {
    let users = vec![UserRule {
        names: words(&["*"]),
        address: words(&["10.0.0.0/8"]),
        ..UserRule::of("crowd", Role::Component)
    }];
    let mut world = World::new(Config { auth: Access::Remote, users, connections_max: 40, ..config(1) });
    let mut open = 0;
    for n in 0..40 {
        let client = world.connect_from(0, &format!("10.0.{n}.1:4000")).unwrap();
        world.feed(client, &wire::opening(1));
        world.hear(client);
        let answer = world.send(client, "COORDINATOR", &format!("c{n}"), &[wire::request(1, "sign_in").as_bytes()]);
        open += usize::from(answer > 0 && !world.hear(client).is_empty());
    }
    assert_eq!(open, 10, "a quarter of all connections, of however many machines");
    let near = component(&mut world, "127.0.0.1:4000", "near");
    assert!(world.clients[near.client].closed.is_none());
}

#[test]
fn one_user_makes_a_quarter_of_the_sessions_and_nodes_wherever_it_is() {
    let maker = |name: &str, role, network: &str| UserRule {
        names: words(&["*"]),
        address: words(&[network]),
        ..UserRule::of(name, role)
    };
    let users = vec![
        maker("maker", Role::Controller, "10.1.0.0/16"),
        maker("other", Role::Controller, "10.2.0.0/16"),
        maker("labs", Role::Node, "10.3.0.0/16"),
    ];
    let mut world = World::new(Config { auth: Access::All, users, ..config(1) });
    let makers =
        ["10.1.0.1:4000", "10.1.0.2:4000"].map(|remote| component(&mut world, remote, &remote.replace('.', "_")));
    let other = component(&mut world, "10.2.0.1:4000", "other");
    let make = |world: &mut World, member: &Member, n: usize| {
        call(world, member.client, &member.name, "create_session", &json!({"name": format!("s{n}")}))
    };
    // Two machines of one user, in turn.
    let quarter = SESSIONS_MAX / 4;
    for n in 0..quarter {
        assert_eq!(make(&mut world, &makers[n % 2], n).get("error"), None, "{n}");
    }
    assert_eq!(make(&mut world, &makers[0], quarter)["error"]["data"]["code"], "TOO_MANY_SHARED_SESSIONS");
    assert_eq!(make(&mut world, &other, quarter).get("error"), None);
    for n in 0..=NODES_MAX / 4 {
        let client = dealer(&mut world, &format!("10.3.{n}.1:4000"));
        let answer = call(&mut world, client, &format!("L{n}.COORDINATOR"), "coordinator_sign_in", &Value::Null);
        assert_eq!(answer.get("error").is_some(), n == NODES_MAX / 4, "{n}: {answer}");
    }
}

/// A DEALER on this machine that has shown a user's token.
fn dealer_with_token(world: &mut World, user: &str) -> usize {
    let client = world.connect_from(0, "127.0.0.1:4000").unwrap();
    let mut said = Vec::new();
    Guest::new(SocketType::Dealer).open([user, &token(user)], &mut said);
    world.feed(client, &said);
    let properties = b"\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER";
    world.feed(client, &[&[4, u8::try_from(properties.len()).unwrap()][..], properties].concat());
    assert!(world.hear(client).is_empty() && world.clients[client].closed.is_none(), "{user} is let in");
    client
}

#[test]
fn a_silent_name_is_taken_over_by_its_own_user_and_by_nobody_else_on_that_machine() {
    let rule = |name: &str| UserRule {
        names: words(&["laser"]),
        token: vec![hash_of(&token(name))],
        ..UserRule::of(name, Role::Component)
    };
    let mut world = World::new(Config { auth: Access::All, users: vec![rule("laser"), rule("thief")], ..config(1) });
    let owner = dealer_with_token(&mut world, "laser");
    assert_eq!(sign_in(&mut world, owner, "laser").get("error"), None);
    world.wait(10_000);
    let thief = dealer_with_token(&mut world, "thief");
    assert_eq!(sign_in(&mut world, thief, "laser")["error"]["code"], -32091, "at once, and nobody is asked");
    assert_eq!((world.count("probes"), world.clients[owner].closed), (0, None));
    // The same program, come back.
    let again = dealer_with_token(&mut world, "laser");
    world.send(again, "COORDINATOR", "laser", &[wire::request(1, "sign_in").as_bytes()]);
    assert_eq!((world.count("probes"), world.hear(again).len()), (1, 0), "its owner is asked");
    world.wait(1000);
    assert_eq!(world.clients[owner].closed, Some(Cause::Takeover));
    assert_eq!(wire::json(&world.hear(again).pop().unwrap()).get("error"), None);
}
