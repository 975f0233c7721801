//! JSON-RPC over HTTP: what this Coordinator, its sessions and any Component of the network are asked by clients that speak no ZMTP.

use instep::config::Config;
use instep::hub::{Channel, ChannelPorts, Door};
use serde_json::{Value, json};

use crate::common::guest::{Answer, take_answer};
use crate::common::ledger::Memory;
use crate::common::member::Member;
use crate::common::wire;
use crate::common::world::{World, config};

/// A client of HTTP.
struct Caller {
    client: usize,
}

impl Caller {
    fn from(world: &mut World, remote: &str) -> Self {
        Self { client: world.connect_at(0, Door::Http, remote).unwrap() }
    }

    fn new(world: &mut World) -> Self {
        Self::from(world, "127.0.0.1:5000")
    }

    fn post(&self, world: &mut World, path: &str, body: &str) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: lab:12312\r\nContent-Length: {}\r\n\r\n", body.len());
        world.feed(self.client, &[head.as_bytes(), body.as_bytes()].concat());
    }

    fn answer(&self, world: &mut World) -> Option<Answer> {
        take_answer(&mut world.clients[self.client].read)
    }

    /// Calls a method, and takes the answer that is there at once.
    fn call(&self, world: &mut World, path: &str, method: &str, params: &Value) -> Value {
        self.post(world, path, &request(method, params));
        let answer = self.answer(world).unwrap_or_else(|| panic!("{method} has no answer"));
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/json")), "{answer:?}");
        let answer = answer.json();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("a")), "{answer}");
        answer
    }
}

fn request(method: &str, params: &Value) -> String {
    let mut call = json!({"jsonrpc": "2.0", "id": "a", "method": method});
    if !params.is_null() {
        call["params"] = params.clone();
    }
    call.to_string()
}

/// The one message that has come to a Component.
fn heard(world: &mut World, component: usize) -> Vec<Vec<u8>> {
    let mut all = world.hear(component);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// What a Component answers to a message.
fn answer(world: &mut World, component: usize, asked: &[Vec<u8>], payload: &str) {
    let mut header = asked[3].clone();
    header[16..19].fill(0);
    let frames: [&[u8]; 5] = [&[0], &asked[2], &asked[1], &header, payload.as_bytes()];
    world.feed(component, &wire::message(&frames));
}

// ---- The Coordinator ----

#[test]
fn the_coordinator_is_asked_without_zmtp() {
    let mut world = World::plain();
    world.component("CA");
    let caller = Caller::new(&mut world);
    let names = caller.call(&mut world, "/rpc", "send_local_components", &Value::Null);
    assert_eq!(names["result"], json!(["CA"]));
    let nodes = caller.call(&mut world, "/rpc/COORDINATOR", "send_nodes", &Value::Null);
    assert_eq!(nodes["result"], json!({"N1": "n1:12300"}));
    assert_eq!(caller.call(&mut world, "/rpc/N1.COORDINATOR", "nothing", &Value::Null)["error"]["code"], -32601);
    let wrong = caller.call(&mut world, "/rpc", "pong", &json!([1]));
    assert_eq!(wrong["error"]["code"], -32602);
    for method in ["sign_in", "sign_out", "coordinator_sign_in", "record_components"] {
        let refused = caller.call(&mut world, "/rpc", method, &Value::Null);
        assert_eq!(refused["error"]["code"], -32600, "{refused}");
    }
}

#[test]
fn a_channel_is_asked_by_its_name_while_it_is_on() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    let off = caller.call(&mut world, "/rpc/DATA_COORDINATOR", "send_traffic", &Value::Null);
    assert_eq!((&off["error"]["code"], &off["error"]["data"]), (&json!(-32093), &json!("N1.DATA_COORDINATOR")));
    let ports = ChannelPorts { publishers: 11_100, subscribers: 11_099, distributors: 11_101 };
    world.hubs[0].set_channel(Channel::Data, ports);
    for name in ["DATA_COORDINATOR", "N1.DATA_COORDINATOR"] {
        let told = caller.call(&mut world, &format!("/rpc/{name}"), "send_traffic", &Value::Null);
        assert_eq!((&told["result"]["channel"], &told["result"]["publishers"]), (&json!("data"), &json!([])), "{told}");
    }
    let far = Caller::from(&mut world, "10.0.0.9:5000");
    let refused = far.call(&mut world, "/rpc/DATA_COORDINATOR", "shut_down", &Value::Null);
    assert_eq!(refused["error"]["code"], -32001, "{refused}");
    assert_eq!(caller.call(&mut world, "/rpc/DATA_COORDINATOR", "shut_down", &Value::Null)["result"], Value::Null);
    let off = caller.call(&mut world, "/rpc/DATA_COORDINATOR", "pong", &Value::Null);
    assert_eq!(off["error"]["code"], -32093);
}

#[test]
fn batches_notifications_and_broken_documents_are_answered_as_json_rpc_has_them() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    let [one, two] = ["pong", "send_nodes"].map(|method| request(method, &Value::Null));
    caller.post(&mut world, "/rpc", &format!(r#"[{one},{{"jsonrpc":"2.0","method":"pong"}},{two},3]"#));
    let answers = caller.answer(&mut world).unwrap().json();
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(codes, [&Value::Null, &Value::Null, &json!(-32600)]);
    caller.post(&mut world, "/rpc", r#"{"jsonrpc":"2.0","method":"pong"}"#);
    assert_eq!(caller.answer(&mut world).map(|answer| (answer.status, answer.body)), Some((204, String::new())));
    for (text, code) in [("{", -32700), ("[]", -32600), ("", -32700), ("3", -32600)] {
        for path in ["/rpc", "/rpc/N1.CA"] {
            caller.post(&mut world, path, text);
            let answer = caller.answer(&mut world).unwrap().json();
            let is_for_nobody = path != "/rpc" && text == "3";
            assert_eq!(answer["error"]["code"], if is_for_nobody { -32093 } else { code }, "{path} {text}");
        }
    }
}

#[test]
fn a_long_batch_is_answered_over_several_turns_and_in_order() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    let calls: Vec<_> =
        (0..1000).map(|n| format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"send_counters"}}"#)).collect();
    caller.post(&mut world, "/rpc", &format!("[{}]", calls.join(",")));
    world.wait(10);
    let answers = caller.answer(&mut world).expect("all of it is answered").json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
}

#[test]
fn administration_is_for_this_machine() {
    let mut world = World::plain();
    let far = Caller::from(&mut world, "10.0.0.9:5000");
    let level = json!({"level": "INFO"});
    assert_eq!(far.call(&mut world, "/rpc", "set_log_level", &level)["error"]["code"], -32001);
    assert_eq!(far.call(&mut world, "/rpc/session:default", "start_scenario", &Value::Null)["error"]["code"], -32001);
    let near = Caller::new(&mut world);
    assert_eq!(near.call(&mut world, "/rpc", "set_log_level", &level)["result"], Value::Null);
}

#[test]
fn who_comes_from_afar_through_a_proxy_of_this_machine_is_far() {
    let mut world = World::new(Config { trusted_proxies: vec!["127.0.0.1".into()], ..config(1) });
    let caller = Caller::new(&mut world);
    let body = request("set_log_level", &json!(["INFO"]));
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: lab:12312\r\nX-Forwarded-For: 10.0.0.9\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    world.feed(caller.client, head.as_bytes());
    assert_eq!(caller.answer(&mut world).unwrap().json()["error"]["code"], -32001);
}

#[test]
fn what_can_be_called_is_described() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    world.feed(caller.client, b"GET /openrpc.json HTTP/1.1\r\nHost: lab\r\n\r\n");
    let told = caller.answer(&mut world).unwrap().json();
    let names: Vec<_> = told["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    assert!(names.contains(&&json!("open_provider")) && !names.contains(&&json!("sign_in")), "{names:?}");
    assert_eq!(told["servers"][0]["url"], "rpc");
    for name in names {
        let answer = caller.call(&mut world, "/rpc", name.as_str().unwrap(), &json!({"none": 1}));
        assert_ne!(answer["error"]["code"], -32601, "{name} is there");
    }
}

// ---- Sessions ----

#[test]
fn an_operator_controls_a_session_without_joining_it() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "CA", "json");
    let caller = Caller::new(&mut world);
    let path = "/rpc/session:default";
    for trigger in ["submit_initialization", "share_scenario"] {
        let refused = caller.call(&mut world, path, trigger, &Value::Null);
        assert_eq!(refused.get("error").is_some(), trigger == "share_scenario", "{refused}");
    }
    let info = caller.call(&mut world, "/rpc/N1.session:default", "info", &Value::Null);
    assert_eq!(info["result"]["state"], "INITIALIZING", "{info}");
    let told = member.events(&mut world);
    assert_eq!(told.last().unwrap().0["by"], "controller 127.0.0.1:5000");
    let events = caller.call(&mut world, path, "events", &json!({"after": 0}));
    assert_eq!(events["result"]["events"].as_array().map(Vec::len), Some(2), "{events}");
    assert_eq!(caller.call(&mut world, path, "join", &Value::Null)["error"]["code"], -32600);
    assert_eq!(caller.call(&mut world, path, "ack", &json!([1]))["error"]["code"], -32600);
    let none = caller.call(&mut world, "/rpc/session:none", "info", &Value::Null);
    assert_eq!(none["error"]["code"], -32093);
}

#[test]
fn a_change_is_answered_when_it_is_on_disk() {
    let mut world = World::new(config(1));
    let disk = Memory::default();
    disk.give_to(&mut world, 0);
    let caller = Caller::new(&mut world);
    caller.post(&mut world, "/rpc/session:default", &request("submit_initialization", &Value::Null));
    assert!(caller.answer(&mut world).is_none(), "it is not on disk yet");
    disk.settle_all(&mut world, 0);
    assert_eq!(caller.answer(&mut world).unwrap().json()["result"]["state"], "INITIALIZING");
}

// ---- Components ----

#[test]
fn the_reply_of_a_component_is_the_answer() {
    let mut world = World::plain();
    let component = world.component("CA");
    let caller = Caller::new(&mut world);
    for path in ["/rpc/CA", "/rpc/N1.CA"] {
        let body = request("get_parameters", &json!({"parameters": ["voltage"]}));
        caller.post(&mut world, path, &body);
        let asked = heard(&mut world, component);
        assert_eq!((&*asked[1], &*asked[2], &*asked[4]), (&b"N1.CA"[..], &b"N1.COORDINATOR"[..], body.as_bytes()));
        assert!(caller.answer(&mut world).is_none(), "it has not answered yet");
        let payload = r#"{"jsonrpc":"2.0","id":"a","result":{"voltage":3.5}}"#;
        answer(&mut world, component, &asked, payload);
        let told = caller.answer(&mut world).unwrap();
        assert_eq!((told.status, &*told.body), (200, payload));
        // What comes twice answers nothing.
        answer(&mut world, component, &asked, payload);
        assert!(caller.answer(&mut world).is_none());
    }
}

#[test]
fn a_component_of_another_node_is_asked_by_its_full_name() {
    let mut world = World::new(config(1));
    world.add_hub(Config { coordinators: vec!["n1".into()], ..config(2) });
    world.wait(1000);
    let component = world.component_at(1, "CB");
    world.wait(1000);
    let caller = Caller::new(&mut world);
    caller.post(&mut world, "/rpc/N2.CB", &request("pong", &Value::Null));
    let asked = heard(&mut world, component);
    answer(&mut world, component, &asked, r#"{"jsonrpc":"2.0","id":"a","result":null}"#);
    assert_eq!(caller.answer(&mut world).unwrap().json()["result"], Value::Null);
    let none = caller.call(&mut world, "/rpc/N2.NONE", "pong", &Value::Null);
    assert_eq!((&none["error"]["code"], &none["error"]["data"]), (&json!(-32093), &json!("N2.NONE")));
    let none = caller.call(&mut world, "/rpc/N3.CB", "pong", &Value::Null);
    assert_eq!((&none["error"]["code"], &none["error"]["data"]), (&json!(-32092), &json!("N3")));
    let far = caller.call(&mut world, "/rpc/N2.session:default", "info", &Value::Null);
    assert_eq!(far["result"]["state"], "UNINITIALIZED", "{far}");
}

#[test]
fn who_does_not_answer_is_waited_for_so_long_and_no_longer() {
    let mut world = World::plain();
    let component = world.component("CA");
    let caller = Caller::new(&mut world);
    for (query, ms) in [("", 10_000), ("?timeout=0.25", 250), ("?timeout=1e9", 600_000)] {
        caller.post(&mut world, &format!("/rpc/CA{query}"), &request("slow", &Value::Null));
        let asked = heard(&mut world, component);
        // Meanwhile it shows now and then that it lives.
        for _ in 0..ms / 10_000 {
            world.wait(9999);
            world.send(component, "COORDINATOR", "N1.CA", &[]);
        }
        world.wait(ms - 1 - ms / 10_000 * 9999);
        world.hear(component);
        assert!(caller.answer(&mut world).is_none(), "{query}: it is not late yet");
        world.wait(1);
        let late = caller.answer(&mut world).unwrap_or_else(|| panic!("{query}: it is late")).json();
        assert_eq!(late["error"]["code"], -32097);
        assert_eq!(late["error"]["data"], json!({"receiver": "N1.CA", "waited_ms": ms}));
        answer(&mut world, component, &asked, r#"{"jsonrpc":"2.0","id":"a","result":1}"#);
        assert!(caller.answer(&mut world).is_none(), "too late is too late");
    }
    for query in ["?timeout=0", "?timeout=-1", "?timeout=x", "?timeout=nan"] {
        caller.post(&mut world, &format!("/rpc/CA{query}"), &request("slow", &Value::Null));
        assert_eq!(caller.answer(&mut world).unwrap().json()["error"]["code"], -32602, "{query}");
    }
}

#[test]
fn who_leaves_is_not_waited_for() {
    let mut world = World::plain();
    let component = world.component("CA");
    let callers = [(); 2].map(|()| Caller::new(&mut world));
    for caller in &callers {
        caller.post(&mut world, "/rpc/CA", &request("slow", &Value::Null));
    }
    world.close(component);
    for caller in &callers {
        let answer = caller.answer(&mut world).expect("nobody waits").json();
        assert_eq!(answer["error"]["data"]["reason"], "its link has ended");
    }
    assert_eq!(callers[0].call(&mut world, "/rpc/CA", "pong", &Value::Null)["error"]["code"], -32093);
}

#[test]
fn a_client_that_leaves_is_forgotten_with_what_it_has_asked() {
    let mut world = World::plain();
    let component = world.component("CA");
    let caller = Caller::new(&mut world);
    caller.post(&mut world, "/rpc/CA", &request("slow", &Value::Null));
    let asked = heard(&mut world, component);
    world.close(caller.client);
    answer(&mut world, component, &asked, "{}");
    let other = Caller::new(&mut world);
    assert_eq!(other.call(&mut world, "/rpc", "pong", &Value::Null)["result"], Value::Null);
}

#[test]
fn nobody_else_can_answer_for_a_component() {
    let mut world = World::plain();
    let [asked, other] = ["CA", "CB"].map(|name| world.component(name));
    let caller = Caller::new(&mut world);
    caller.post(&mut world, "/rpc/CA", &request("secret", &Value::Null));
    let question = heard(&mut world, asked);
    let mut false_question = question.clone();
    false_question[1] = b"N1.CB".to_vec();
    answer(&mut world, other, &false_question, r#"{"jsonrpc":"2.0","id":"a","result":"false"}"#);
    // Under the name of another, too, it is refused as always.
    answer(&mut world, other, &question, r#"{"jsonrpc":"2.0","id":"a","result":"false"}"#);
    assert!(caller.answer(&mut world).is_none());
    answer(&mut world, asked, &question, r#"{"jsonrpc":"2.0","id":"a","result":"true"}"#);
    assert_eq!(caller.answer(&mut world).unwrap().json()["result"], "true");
}

#[test]
fn what_a_component_answers_may_be_as_large_as_this_and_must_be_json() {
    let mut world = World::plain();
    let component = world.component("CA");
    let caller = Caller::new(&mut world);
    let mut ask = |payload: &str, kind: u8| {
        caller.post(&mut world, "/rpc/CA", &request("image", &Value::Null));
        let mut asked = heard(&mut world, component);
        asked[3][19] = kind;
        answer(&mut world, component, &asked, payload);
        world.wait(100);
        caller.answer(&mut world).expect("it is answered")
    };
    let large = format!(r#"{{"jsonrpc":"2.0","id":"a","result":"{}"}}"#, "x".repeat(4_000_000));
    assert_eq!(ask(&large, 1).body, large);
    let larger = format!(r#"{{"jsonrpc":"2.0","id":"a","result":"{}"}}"#, "x".repeat(5_000_000));
    assert_eq!(ask(&larger, 1).json()["error"]["code"], -32603);
    assert_eq!(ask("bytes", 0).json()["error"]["data"], "the answer is not in JSON");
}

#[test]
fn a_batch_for_a_component_fails_in_every_part() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","id":2,"method":"c"}]"#;
    caller.post(&mut world, "/rpc/NONE", batch);
    let answer = caller.answer(&mut world).unwrap().json();
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
    let component = world.component("CA");
    caller.post(&mut world, "/rpc/CA", r#"{"jsonrpc":"2.0","method":"do"}"#);
    assert_eq!(caller.answer(&mut world).unwrap().status, 204);
    assert_eq!(heard(&mut world, component)[4], br#"{"jsonrpc":"2.0","method":"do"}"#);
}

#[test]
fn names_that_nobody_can_have_are_refused() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    for name in ["%C3%A4", "N1.", "a.b.c"] {
        let answer = caller.call(&mut world, &format!("/rpc/{name}"), "pong", &Value::Null);
        assert_eq!(answer["error"]["code"], -32600, "{name}: {answer}");
    }
}

#[test]
fn pages_of_others_call_nothing() {
    let mut world = World::plain();
    let caller = Caller::new(&mut world);
    for path in ["/rpc", "/rpc/CA"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: lab:12312\r\nOrigin: http://evil\r\nContent-Length: 0\r\n\r\n");
        world.feed(caller.client, head.as_bytes());
        assert_eq!(caller.answer(&mut world).unwrap().status, 403);
    }
}
