//! LECO at the hub: scripts of messages in and out, for every rule of the control protocol. See [`World::script`] for the language.

use std::collections::BTreeSet;

use crate::common::driver;
use crate::common::wire::{self, leco, message};
use crate::common::world::{World, config};
use instep::config::Config;
use instep::hub::{Cause, Hub, Output, Start};
use instep::limits::{ADD_NODES_MAX, NODES_MAX};
use instep::time::Tick;
use log::LevelFilter;
use serde_json::{Value, json};

fn run(script: &str) -> World {
    let mut world = World::plain();
    world.script(script);
    world
}

/// The answer to one payload of a signed-in component.
fn answer(payload: &[u8]) -> Option<Value> {
    let mut world = World::plain();
    let ca = world.component("CA");
    world.send(ca, "COORDINATOR", "N1.CA", &[payload]);
    world.hear(ca).first().map(|frames| wire::json(frames))
}

// ---- Signing in and out ----

#[test]
fn sign_in_is_answered_with_the_namespace_in_the_sender() {
    let world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        a -
    "#);
    assert_eq!(world.count("sign_ins"), 1);
}

#[test]
fn keys_come_in_any_order_and_the_sender_may_use_its_full_name() {
    run(r#"
        a > N1.COORDINATOR N1.CA {"method":"sign_in","id":"x","params":null,"jsonrpc":"2.0"}
        a < N1.CA N1.COORDINATOR = "x"
        b > COORDINATOR CB {"id":2,"params":{},"jsonrpc":"2.0","method":"sign_in"}
        b < N1.CB N1.COORDINATOR = 2
        c > COORDINATOR CC {"id":3,"params":[],"jsonrpc":"2.0","method":"sign_in"}
        c < N1.CC N1.COORDINATOR = 3
    "#);
}

#[test]
fn signing_in_again_from_the_same_link_is_fine() {
    let world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        a > COORDINATOR CA {"jsonrpc":"2.0","id":2,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 2
    "#);
    assert_eq!(world.count("sign_ins"), 1);
}

#[test]
fn a_taken_name_is_refused_to_its_name_as_given() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        b > COORDINATOR CA {"jsonrpc":"2.0","id":7,"method":"sign_in"}
        b < CA N1.COORDINATOR ! 7 -32091 "CA"
        // and the owner is still the owner
        a > CA CA {}
        a < CA CA {}
    "#);
}

#[test]
fn a_suggestion_is_given_to_those_who_ask_and_is_free() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in","params":{"suggest":true}}
        a < N1.CA N1.COORDINATOR = 1
        a > COORDINATOR CA_2 {"jsonrpc":"2.0","id":2,"method":"sign_in"}
        a < N1.CA_2 N1.COORDINATOR = 2
        b > COORDINATOR CA {"jsonrpc":"2.0","id":3,"method":"sign_in","params":{"suggest":true}}
        b < CA N1.COORDINATOR ! 3 -32091 {"name":"CA","suggestion":"CA_3"}
        b > COORDINATOR CA {"jsonrpc":"2.0","id":4,"method":"sign_in","params":{"suggest":false}}
        b < CA N1.COORDINATOR ! 4 -32091 "CA"
        b > COORDINATOR CA {"jsonrpc":"2.0","id":5,"method":"sign_in","params":{"suggest":3}}
        b < CA N1.COORDINATOR ! 5 -32602
        b > COORDINATOR CA_3 {"jsonrpc":"2.0","id":6,"method":"sign_in"}
        b < N1.CA_3 N1.COORDINATOR = 6
    "#);
}

#[test]
fn nobody_signs_in_as_the_coordinator_or_from_another_namespace_or_under_an_illegal_name() {
    let mut world = run(r#"
        a > COORDINATOR COORDINATOR {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < COORDINATOR N1.COORDINATOR ! 1 -32091
        a > COORDINATOR N2.CA {"jsonrpc":"2.0","id":2,"method":"sign_in"}
        a < N2.CA N1.COORDINATOR ! 2 -32602 "a name has no '.', or is of this node: N1.NAME"
        a > COORDINATOR N1.a.b {"jsonrpc":"2.0","id":3,"method":"sign_in"}
        a < N1.a.b N1.COORDINATOR ! 3 -32602
        a > COORDINATOR .CA {"jsonrpc":"2.0","id":3,"method":"sign_out"}
        a < .CA N1.COORDINATOR = 3
    "#);
    let a = world.link("a");
    for name in [&b"\x01"[..], b"\xff\xfe", b"tab\there", &[b'x'; 256], "ü".as_bytes()] {
        world.feed(a, &leco(b"COORDINATOR", name, 1, &[wire::request(1, "sign_in").as_bytes()]));
        let heard = world.hear(a);
        assert_eq!(wire::code(&heard[0]), Some(-32602), "{name:?}");
        assert_eq!(heard[0][1], name, "the answer goes to the name as given");
    }
    assert_eq!(world.count("sign_ins"), 0);
}

/// Not even such a name is left without an answer, and the log tells of it once.
#[test]
fn who_has_no_name_or_one_beyond_measure_is_answered() {
    let mut world = World::plain();
    let a = world.dealer();
    for len in [0, 512, 70_000] {
        let name = vec![b'x'; len];
        world.feed(a, &leco(b"COORDINATOR", &name, 1, &[wire::request(1, "sign_in").as_bytes()]));
        let heard = world.hear(a);
        let error =
            json!({"code": -32600, "message": "Invalid Request", "data": "receiver or sender is empty or too long"});
        assert_eq!((heard.len(), &wire::json(&heard[0])["error"]), (1, &error), "{len}");
        assert_eq!(heard[0][1], name[..len.min(511)], "no name is longer");
    }
    assert_eq!((world.count("messages_malformed"), world.count("log_lines_spared")), (3, 2));
}

#[test]
fn sign_out_frees_the_name() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        a > COORDINATOR N1.CA {"jsonrpc":"2.0","id":2,"method":"sign_out"}
        a < N1.CA N1.COORDINATOR = 2
        a > COORDINATOR N1.CA {"jsonrpc":"2.0","id":3,"method":"pong"}
        a < N1.CA N1.COORDINATOR ! null -32090 "N1.CA"
        b > COORDINATOR CA {"jsonrpc":"2.0","id":4,"method":"sign_in"}
        b < N1.CA N1.COORDINATOR = 4
    "#);
}

#[test]
fn signing_out_without_having_signed_in_is_no_error() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":2,"method":"sign_out"}
        a < CA N1.COORDINATOR = 2
    "#);
}

#[test]
fn nobody_signs_out_somebody_else() {
    let world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        b > COORDINATOR CA {"jsonrpc":"2.0","id":2,"method":"sign_out"}
        b < CA N1.COORDINATOR ! 2 -32091 "CA"
        b > COORDINATOR CB {"jsonrpc":"2.0","id":3,"method":"sign_in"}
        b < N1.CB N1.COORDINATOR = 3
        b > COORDINATOR N1.CA {"jsonrpc":"2.0","id":4,"method":"sign_out"}
        b < N1.CA N1.COORDINATOR ! 4 -32091
        b > CA CB {}
        a < CA CB {}
    "#);
    assert_eq!(world.count("sign_outs"), 0);
}

#[test]
fn several_names_may_live_on_one_link_and_leave_with_it() {
    let mut world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        a > COORDINATOR CB {"jsonrpc":"2.0","id":2,"method":"sign_in"}
        a < N1.CB N1.COORDINATOR = 2
        a > CB CA {"to":"b"}
        a < CB CA {"to":"b"}
        a > COORDINATOR CA {"jsonrpc":"2.0","id":3,"method":"sign_out"}
        a < CA N1.COORDINATOR = 3
        a > COORDINATOR CB {"jsonrpc":"2.0","id":4,"method":"send_local_components"}
        a < N1.CB N1.COORDINATOR {"jsonrpc":"2.0","id":4,"result":["CB"]}
    "#);
    let a = world.link("a");
    for n in 0..80 {
        world.send(a, "COORDINATOR", &format!("M{n}"), &[wire::request(n, "sign_in").as_bytes()]);
    }
    let codes: Vec<_> = world.hear(a).iter().filter_map(|frames| wire::code(frames)).collect();
    assert_eq!(codes, [-32096; 17], "63 more fit");
    world.close(a);
    assert_eq!(world.count("names_freed"), 64);
}

// ---- The routing chart ----

#[test]
fn every_refusal_of_the_chart_has_its_code_and_data() {
    let world = run(r#"
        a > CB CA {"jsonrpc":"2.0","id":1,"method":"m"}
        a < CA N1.COORDINATOR ! null -32090 "CA"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        b > CA N1.CA {"jsonrpc":"2.0","id":1,"method":"m"}
        b < N1.CA N1.COORDINATOR ! null -32091 "N1.CA"
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"pong"}
        b < CA N1.COORDINATOR ! null -32091 "CA"
        a > N1.CX CA {"jsonrpc":"2.0","id":1,"method":"m"}
        a < CA N1.COORDINATOR ! null -32093 "N1.CX"
        a > N9.CX N1.CA {"jsonrpc":"2.0","id":1,"method":"m"}
        a < N1.CA N1.COORDINATOR ! null -32092 "N9"
        a > N9.CX CA {"jsonrpc":"2.0","id":1,"method":"m"}
        a < CA N1.COORDINATOR ! null -32090 "CA"
        a > CA N9.CX {"jsonrpc":"2.0","id":1,"method":"m"}
        a < N9.CX N1.COORDINATOR ! null -32090 "N9.CX"
        a -
        b -
    "#);
    for (counter, count) in [
        ("refused_not_signed_in", 3),
        ("refused_not_yours", 2),
        ("refused_node_unknown", 1),
        ("refused_receiver_unknown", 1),
    ] {
        assert_eq!(world.count(counter), count, "{counter}");
    }
}

#[test]
fn the_method_is_parsed_and_never_searched_for() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"pong","params":["\"method\": \"sign_in\""]}
        a < CA N1.COORDINATOR ! null -32090
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in_x"}
        a < CA N1.COORDINATOR ! null -32090
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"\u0073ign_in"}
        a < N1.CA N1.COORDINATOR = 1
    "#);
}

/// Signing in or out is exempt from the rule that a sender must be signed in; what comes behind it in a batch is not.
#[test]
fn a_batch_does_not_smuggle_calls_past_the_sign_in() {
    let mut world = World::plain();
    let a = world.dealer();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"sign_out"},{"jsonrpc":"2.0","id":2,"method":"shut_down"},
        {"jsonrpc":"2.0","id":3,"method":"add_nodes","params":{"nodes":{"N7":"evil:1"}}}]"#;
    world.send(a, "COORDINATOR", "CA", &[batch.as_bytes()]);
    let heard = world.hear(a);
    let codes: Vec<_> =
        wire::json(&heard[0]).as_array().unwrap().iter().map(|item| item["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(null), json!(-32090), json!(-32090)]);
    world.wait(5_000);
    assert!(world.dials.is_empty() && !world.outputs.iter().any(|(_, output)| *output == Output::Stop));
    // With a sign-in that succeeds the rest is a component's.
    let batch =
        r#"[{"jsonrpc":"2.0","id":1,"method":"sign_in"},{"jsonrpc":"2.0","id":2,"method":"send_local_components"}]"#;
    world.send(a, "COORDINATOR", "CA", &[batch.as_bytes()]);
    let heard = world.hear(a);
    assert_eq!(wire::json(&heard[0])[1]["result"], json!(["CA"]));
    // Somebody else's name does not help either.
    let b = world.dealer();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"sign_in"},{"jsonrpc":"2.0","id":2,"method":"send_nodes"}]"#;
    world.send(b, "COORDINATOR", "CA", &[batch.as_bytes()]);
    let heard = world.hear(b);
    let answers = wire::json(&heard[0]);
    assert_eq!((&answers[0]["error"]["code"], &answers[1]["error"]["code"]), (&json!(-32091), &json!(-32091)));
}

#[test]
fn messages_are_forwarded_byte_for_byte() {
    let mut world = World::plain();
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    assert!(world.commands(cb).is_empty(), "everything that came is read away");
    let payloads: [&[&[u8]]; 6] =
        [&[], &[b""], &[b"", b"", b""], &[&[0xff; 70_000], b"x"], &[b"not json", b"\0\x01\x02"], &[&b"{}"[..]; 100]];
    for kind in [0, 1, 7, 255] {
        for receiver in [&b"CB"[..], b"N1.CB"] {
            for sender in [&b"CA"[..], b"N1.CA"] {
                for payload in payloads {
                    let header = wire::header(u64::MAX - 5, kind);
                    let fixed: [&[u8]; 4] = [&[0], receiver, sender, &header];
                    let bytes = message(&[&fixed[..], payload].concat());
                    world.feed(ca, &bytes);
                    assert_eq!(world.clients[cb].read, bytes);
                    world.clients[cb].read.clear();
                }
            }
        }
    }
    assert!(world.hear(ca).is_empty());
}

#[test]
fn answers_keep_the_conversation_of_the_request() {
    let mut world = World::plain();
    let ca = world.component("CA");
    for (receiver, payload) in [
        ("COORDINATOR", wire::request(1, "pong")),
        ("COORDINATOR", wire::request(1, "no_such_method")),
        ("COORDINATOR", "{".to_owned()),
        ("CX", wire::request(1, "m")),
        ("N9.CX", wire::request(1, "m")),
    ] {
        let n = world.send(ca, receiver, "CA", &[payload.as_bytes()]);
        let heard = world.hear(ca);
        assert_eq!(heard[0][3][..16], wire::header(n, 0)[..16], "{payload}");
        assert_eq!((heard[0][3][19], heard[0].len()), (1, 5), "JSON, in one frame");
    }
}

#[test]
fn an_error_or_a_result_is_never_answered_with_an_error() {
    let mut world = World::plain();
    let (ca, stranger) = (world.component("CA"), world.dealer());
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"result":null}"#; 2000].join(","));
    for payload in [
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32090,"message":"m"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":null},{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":""}}]"#,
        &many,
    ] {
        for receiver in ["CX", "N9.CX", "COORDINATOR"] {
            world.send(ca, receiver, "CA", &[payload.as_bytes()]);
            world.send(stranger, receiver, "CQ", &[payload.as_bytes()]);
            world.send(stranger, receiver, "CA", &[payload.as_bytes()]);
        }
        assert!(world.hear(ca).is_empty() && world.hear(stranger).is_empty(), "{}", &payload[..60.min(payload.len())]);
    }
    // A request among results is a request.
    let mixed = r#"[{"jsonrpc":"2.0","id":1,"result":null},{"jsonrpc":"2.0","id":2,"method":"m"}]"#;
    world.send(ca, "CX", "CA", &[mixed.as_bytes()]);
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093));
}

// ---- JSON-RPC ----

#[test]
fn calls_with_any_id_are_answered_with_it() {
    for id in ["1", "0", "-5", "\"text\"", "null", "1.5", "\"\\u0000\\\"\"", "18446744073709551615"] {
        let answer = answer(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"pong"}}"#).as_bytes()).unwrap();
        assert_eq!(answer, json!({"jsonrpc":"2.0","id":serde_json::from_str::<Value>(id).unwrap(),"result":null}));
    }
}

#[test]
fn errors_have_the_standard_codes_and_the_id_where_it_is_known() {
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"pong","params":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (payload, id, code) in [
        ("{", json!(null), -32700),
        ("\u{feff}{}", json!(null), -32700),
        ("nonsense", json!(null), -32700),
        (&deep, json!(null), -32700),
        ("[", json!(null), -32700),
        ("[]", json!(null), -32600),
        ("{}", json!(null), -32600),
        ("3", json!(null), -32600),
        ("null", json!(null), -32600),
        ("\"sign_in\"", json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"pong"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":4,"method":"pong","params":7}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":4,"method":"nope"}"#, json!(4), -32601),
        (r#"{"jsonrpc":"2.0","id":"m","method":""}"#, json!("m"), -32601),
        (r#"{"jsonrpc":"2.0","id":4,"method":"pong","params":[1]}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"pong","params":{"x":1}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"set_log_level","params":{"level":"LOUD"}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"set_log_level"}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"add_nodes","params":{"nodes":[]}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"add_nodes","params":{"nodes":{"N2":5}}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"add_nodes","params":{"nodes":{"N2":"h:99999"}}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"add_nodes","params":{"nodes":{"a.b":"h"}}}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"record_components","params":{"components":["CA"]}}"#, json!(4), -32600),
        (r#"{"jsonrpc":"2.0","id":4,"method":"remove_expired_addresses"}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"remove_expired_addresses","params":[-1]}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"remove_expired_addresses","params":[1e300]}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"remove_expired_addresses","params":["1"]}"#, json!(4), -32602),
        (r#"{"jsonrpc":"2.0","id":4,"method":"coordinator_sign_in"}"#, json!(4), -32600),
    ] {
        let answer = answer(payload.as_bytes()).unwrap_or_else(|| panic!("no answer to {payload}"));
        let shown = &payload[..payload.len().min(90)];
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&id, Some(code)), "{shown}: {answer}");
    }
}

#[test]
fn payload_that_is_not_utf8_is_a_parse_error() {
    assert_eq!(answer(b"\xff\xfe{}").unwrap()["error"]["code"], -32700);
    assert_eq!(answer(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc3\x28\"}").unwrap()["error"]["code"], -32700);
}

#[test]
fn batches_answer_in_order_and_notifications_not_at_all() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"pong"},{"jsonrpc":"2.0","method":"pong"},5,
        {"jsonrpc":"2.0","id":2,"method":"nope"},{"jsonrpc":"2.0","id":9,"result":1},{"jsonrpc":"2.0","id":3,"method":"send_local_components"}]"#;
    let answers = answer(batch.as_bytes()).unwrap();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[0], json!({"jsonrpc":"2.0","id":1,"result":null}));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(null), &json!(-32600)));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&json!(2), &json!(-32601)));
    assert_eq!(answers[3], json!({"jsonrpc":"2.0","id":3,"result":["CA"]}));
    for quiet in [
        r#"{"jsonrpc":"2.0","method":"pong"}"#,
        r#"{"jsonrpc":"2.0","method":"nope\nnot a new line"}"#,
        r#"[{"jsonrpc":"2.0","method":"pong"},{"jsonrpc":"2.0","method":"nope"}]"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":null}]"#,
    ] {
        assert_eq!(answer(quiet.as_bytes()), None, "{quiet}");
    }
    assert_eq!(answer(br#"[{"jsonrpc":"2.0","id":1,"method":"pong"}]"#).unwrap().as_array().unwrap().len(), 1);
}

#[test]
fn a_small_batch_cannot_ask_for_an_endless_answer() {
    let mut world = World::plain();
    let peer = world.dealer();
    world.send(peer, "COORDINATOR", "N2.COORDINATOR", &[wire::request(1, "coordinator_sign_in").as_bytes()]);
    let names: Vec<String> = (0..5_000).map(|n| format!("{n:0>250}")).collect();
    let record = json!({"jsonrpc":"2.0","id":2,"method":"record_components","params":{"components":names}}).to_string();
    world.send(peer, "N1.COORDINATOR", "N2.COORDINATOR", &[record.as_bytes()]);
    let ca = world.component("CA");
    let call = wire::request(1, "send_global_components");
    let batch = format!("[{}]", vec![call; 40].join(","));
    world.send(ca, "COORDINATOR", "CA", &[batch.as_bytes()]);
    let answer = world.hear(ca).pop().expect("an answer");
    assert!(answer[4].len() < 6 << 20, "{} bytes of answer to {} of question", answer[4].len(), batch.len());
    let answers = wire::json(&answer);
    assert_eq!(answers.as_array().unwrap().len(), 40, "each call is answered");
    assert_eq!(answers[39]["error"]["code"], -32603);
}

#[test]
fn discover_describes_every_method() {
    let answer = answer(wire::request(1, "rpc.discover").as_bytes()).unwrap();
    let document = &answer["result"];
    assert!(document["openrpc"].is_string() && document["info"]["title"] == "N1.COORDINATOR");
    let names: BTreeSet<_> =
        document["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    for name in [
        "pong",
        "sign_in",
        "sign_out",
        "coordinator_sign_in",
        "coordinator_sign_out",
        "add_nodes",
        "send_nodes",
        "record_components",
        "send_local_components",
        "send_global_components",
        "remove_expired_addresses",
        "shut_down",
        "set_log_level",
    ] {
        assert!(names.contains(name), "{name}");
    }
    for method in document["methods"].as_array().unwrap() {
        assert!(method["params"].is_array() && method["result"]["schema"].is_object(), "{method}");
    }
}

#[test]
fn what_the_coordinator_knows_can_be_asked_for() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        a > COORDINATOR CA {"jsonrpc":"2.0","id":2,"method":"send_local_components"}
        a < N1.CA N1.COORDINATOR {"jsonrpc":"2.0","id":2,"result":["CA"]}
        a > COORDINATOR CA {"jsonrpc":"2.0","id":3,"method":"send_global_components"}
        a < N1.CA N1.COORDINATOR {"jsonrpc":"2.0","id":3,"result":{"N1":["CA"]}}
        a > COORDINATOR CA {"jsonrpc":"2.0","id":4,"method":"send_nodes"}
        a < N1.CA N1.COORDINATOR {"jsonrpc":"2.0","id":4,"result":{"N1":"n1:12300"}}
    "#);
}

// ---- Administration ----

#[test]
fn the_log_level_goes_out_as_an_output() {
    let mut world = World::plain();
    let ca = world.component("CA");
    for (level, wanted) in [
        ("DEBUG", LevelFilter::Debug),
        ("INFO", LevelFilter::Info),
        ("WARNING", LevelFilter::Warn),
        ("ERROR", LevelFilter::Error),
        ("CRITICAL", LevelFilter::Error),
    ] {
        let call = json!({"jsonrpc":"2.0","id":1,"method":"set_log_level","params":{"level":level}}).to_string();
        world.send(ca, "COORDINATOR", "CA", &[call.as_bytes()]);
        assert!(world.outputs.contains(&(0, Output::LogLevel(wanted))), "{level}");
        assert_eq!(wire::json(&world.hear(ca)[0])["result"], Value::Null);
    }
}

#[test]
fn shut_down_is_for_this_machine_alone() {
    for (link, remote_admin, stops) in [("near", false, true), ("far", false, false), ("far", true, true)] {
        let mut world = World::new(Config { remote_admin, ..config(1) });
        if link == "far" {
            world.script("far: far");
        }
        let client = world.link(link);
        world.send(client, "COORDINATOR", "CA", &[wire::request(1, "sign_in").as_bytes()]);
        world.send(client, "COORDINATOR", "CA", &[wire::request(2, "shut_down").as_bytes()]);
        let heard = world.hear(client);
        assert_eq!(wire::code(&heard[1]).is_none(), stops, "{link} {remote_admin}: the answer comes before the end");
        world.wait(2_500);
        let stopped = world.outputs.iter().any(|(_, output)| *output == Output::Stop);
        assert_eq!((stopped, world.clients[client].closed.is_some()), (stops, stops), "{link} {remote_admin}");
        if stops {
            assert_eq!(world.connect_from(0, "127.0.0.1:1"), None, "nobody comes in any more");
        } else {
            let call = r#"{"jsonrpc":"2.0","id":3,"method":"remove_expired_addresses","params":[0]}"#;
            world.send(client, "COORDINATOR", "CA", &[call.as_bytes()]);
            assert!(wire::code(&world.hear(client)[0]).is_some(), "nor may it clean the directory");
        }
    }
}

#[test]
fn remove_expired_addresses_asks_and_removes() {
    let mut world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 1000
        b > COORDINATOR CB {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        b < N1.CB N1.COORDINATOR = 1
        b > COORDINATOR CB {"jsonrpc":"2.0","id":2,"method":"remove_expired_addresses","params":{"expiration_time":0.5}}
        b < N1.CB N1.COORDINATOR = 2
        a < N1.CA N1.COORDINATOR {"id":0,"jsonrpc":"2.0","method":"pong"}
        wait 1000
        b > COORDINATOR CB {"jsonrpc":"2.0","id":3,"method":"remove_expired_addresses","params":[0.5]}
        b < N1.CB N1.COORDINATOR = 3
        a -
        b > CA CB {}
        b < CB N1.COORDINATOR ! null -32093 "CA"
    "#);
    assert_eq!(world.count("names_expired"), 1);
    let a = world.link("a");
    assert_eq!(world.clients[a].closed, None, "the link may sign in again");
}

// ---- Heartbeat, expiry, takeover ----

#[test]
fn a_silent_component_is_asked_and_then_removed() {
    let mut world = run(r#"
        a: 3.0
        b: 3.0
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 14000
        a -
        wait 6000
        a < N1.CA N1.COORDINATOR {"id":0,"jsonrpc":"2.0","method":"pong"}
        wait 24000
    "#);
    let a = world.link("a");
    let asked = world.hear(a);
    assert!(asked.iter().all(|frames| wire::json(frames)["method"] == "pong"), "{asked:?}");
    let conversations: BTreeSet<_> = asked.iter().map(|frames| frames[3].clone()).collect();
    assert_eq!(conversations.len(), asked.len(), "each question is its own conversation");
    assert!(asked.iter().all(|frames| frames[3][6] >> 4 == 7 && frames[3][8] >> 6 == 2), "with a UUID of version 7");
    assert_eq!(world.count("names_expired"), 0);
    world.wait(6_000);
    assert_eq!((world.count("names_expired"), world.clients[a].closed), (1, None));
    world.script(
        r#"
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        b < N1.CA N1.COORDINATOR = 1
    "#,
    );
}

#[test]
fn any_bytes_are_a_heartbeat() {
    let mut world = World::plain();
    let (ca, cb, cc) = (world.component("CA"), world.component("CB"), world.component("CC"));
    let empty = leco(b"COORDINATOR", b"N1.CA", 1, &[b""]);
    let bare = leco(b"COORDINATOR", b"N1.CB", 1, &[]);
    for _ in 0..20 {
        world.feed(ca, &empty);
        world.feed(cb, &bare);
        world.feed(cc, &wire::command("PONG", b""));
        world.wait(10_000);
    }
    assert_eq!(world.count("names_expired"), 0);
    for client in [ca, cb, cc] {
        assert!(world.hear(client).is_empty(), "a heartbeat is neither an error nor answered");
    }
    assert_eq!(world.count("messages_own"), 43);
}

#[test]
fn a_heartbeat_of_somebody_unknown_is_refused() {
    run(r#"
        a > COORDINATOR CA ""
        a < CA N1.COORDINATOR ! null -32090 "CA"
    "#);
}

#[test]
fn a_name_is_free_as_soon_as_its_link_ends() {
    let world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        close a
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        b < N1.CA N1.COORDINATOR = 1
    "#);
    assert_eq!(world.count("probes"), 0);
}

#[test]
fn a_silent_owner_of_3_1_is_pinged_and_loses_its_name() {
    let mut world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        b -
        wait 499
        b -
        wait 2
        b < N1.CA N1.COORDINATOR = 1
        a x
    "#);
    let a = world.link("a");
    assert_eq!(world.clients[a].closed, Some(Cause::Takeover));
    assert!(world.commands(a).contains(&b"\x04PING\0\0".to_vec()));
    assert_eq!((world.count("probes"), world.count("names_taken_over")), (1, 1));
}

/// Who is on another machine cannot be the same program come back, and waits until the owner has expired.
#[test]
fn a_silent_name_is_not_taken_over_from_another_machine() {
    let world = run(r#"
        a: 3.0
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b: far
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        b < CA N1.COORDINATOR ! 1 -32091 "CA"
        a -
        wait 48000
        c: far
        c > COORDINATOR CA {"jsonrpc":"2.0","id":2,"method":"sign_in"}
        c < N1.CA N1.COORDINATOR = 2
    "#);
    assert_eq!((world.count("probes"), world.count("names_taken_over"), world.count("names_expired")), (0, 0, 1));
}

#[test]
fn a_silent_owner_of_3_0_is_asked_by_a_request() {
    let mut world = run(r#"
        a: 3.0
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR {"id":0,"jsonrpc":"2.0","method":"pong"}
        b -
        wait 501
        b < N1.CA N1.COORDINATOR = 1
    "#);
    let a = world.link("a");
    assert!(world.commands(a).is_empty());
    assert_eq!(world.clients[a].closed, Some(Cause::Takeover));
}

#[test]
fn an_owner_that_answers_keeps_its_name() {
    let mut world = run(r#"
        a: 3.0
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b > COORDINATOR CA {"jsonrpc":"2.0","id":7,"method":"sign_in"}
        c > COORDINATOR CA {"jsonrpc":"2.0","id":8,"method":"sign_in","params":{"suggest":true}}
        a < N1.CA N1.COORDINATOR {"id":0,"jsonrpc":"2.0","method":"pong"}
        wait 400
        a > COORDINATOR N1.CA {"jsonrpc":"2.0","id":0,"result":null}
        b < CA N1.COORDINATOR ! 7 -32091 "CA"
        c < CA N1.COORDINATOR ! 8 -32091 {"name":"CA","suggestion":"CA_2"}
        a -
    "#);
    // PONG does it for 3.1; a lively owner is not even asked.
    world.script(
        r#"
        d > COORDINATOR CD {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        d < N1.CD N1.COORDINATOR = 1
        b > COORDINATOR CD {"jsonrpc":"2.0","id":9,"method":"sign_in"}
        b < CD N1.COORDINATOR ! 9 -32091
        wait 2000
        b > COORDINATOR CD {"jsonrpc":"2.0","id":10,"method":"sign_in"}
        b -
    "#,
    );
    let d = world.link("d");
    world.feed(d, &wire::command("PONG", b""));
    world.script("b < CD N1.COORDINATOR ! 10 -32091");
    assert_eq!((world.count("probes"), world.count("names_taken_over")), (2, 0));
}

#[test]
fn an_owner_that_leaves_while_it_is_asked_frees_the_name() {
    run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b > COORDINATOR CA {"jsonrpc":"2.0","id":7,"method":"sign_in"}
        b -
        close a
        b < N1.CA N1.COORDINATOR = 7
    "#);
}

#[test]
fn a_newcomer_that_leaves_while_the_owner_is_asked_leaves_nothing_behind() {
    let mut world = run(r#"
        a > COORDINATOR CA {"jsonrpc":"2.0","id":1,"method":"sign_in"}
        a < N1.CA N1.COORDINATOR = 1
        wait 2000
        b > COORDINATOR CA {"jsonrpc":"2.0","id":7,"method":"sign_in"}
        close b
    "#);
    let a = world.link("a");
    world.feed(a, &wire::command("PONG", b""));
    world.wait(1_000);
    assert_eq!(world.clients[a].closed, None);
}

// ---- Hostile messages ----

#[test]
fn three_frames_get_an_error_and_the_link_goes_on() {
    let mut world = World::plain();
    let ca = world.component("CA");
    let header = wire::header(5, 1);
    for frames in [
        vec![&[0][..], b"COORDINATOR", b"CA"],
        vec![&[0][..], b"COORDINATOR", b"CA", &header[..19], b"{}"],
        vec![&[1][..], b"COORDINATOR", b"CA", &header, b"{}"],
        vec![&[][..], b"COORDINATOR", b"CA", &header, b"{}"],
        vec![&[0][..], b"", b"CA", &header, b"{}"],
    ] {
        world.feed(ca, &message(&frames));
        let heard = world.hear(ca);
        assert_eq!(heard.len(), 1, "{frames:?}");
        assert_eq!((heard[0][1].as_slice(), wire::code(&heard[0])), (&b"CA"[..], Some(-32600)), "{frames:?}");
    }
    // Nobody to tell; and an answer is never answered.
    for frames in [
        vec![&b"x"[..]],
        vec![&[0][..], b"CA"],
        vec![&[0][..], b"CA", b""],
        vec![&[0][..], b"CA", &[b'x'; 600]],
        vec![&[1][..], b"CA", b"CA", &header, br#"{"jsonrpc":"2.0","id":1,"result":null}"#],
    ] {
        world.feed(ca, &message(&frames));
        assert!(world.hear(ca).is_empty(), "{frames:?}");
    }
    assert_eq!(world.count("messages_malformed"), 10);
    world.send(ca, "CA", "CA", &[b"still here"]);
    assert_eq!(world.hear(ca).len(), 1);
}

#[test]
fn names_that_are_not_utf8_get_an_error_that_is_json() {
    let mut world = World::plain();
    let ca = world.component("CA");
    for (receiver, sender) in [
        (&b"\xff\xfe"[..], &b"CA"[..]),
        (b"\xff.\xfe", b"CA"),
        (b"CA", b"\xff\x80"),
        (b"CA", b"N1.\x00"),
        (b"CA", b"\xff.\xfe"),
        (b".", b"CA"),
        (b"..", b".."),
        (b"N1.", b"N1."),
        (b"COORDINATOR.COORDINATOR", b"CA"),
    ] {
        world.feed(ca, &leco(receiver, sender, 1, &[br#"{"jsonrpc":"2.0","id":1,"method":"m"}"#]));
        let heard = world.hear(ca);
        assert_eq!(heard.len(), 1, "{receiver:?} {sender:?}");
        assert!(matches!(wire::code(&heard[0]), Some(-32093..=-32090)), "{receiver:?} {sender:?}");
        assert_eq!(heard[0][1], sender, "to the name as given");
    }
}

#[test]
fn hostile_payloads_for_the_coordinator_stop_nothing() {
    let mut world = World::plain();
    let ca = world.component("CA");
    let deep = "[".repeat(200_000);
    let wide = format!("[{}0]", "0,".repeat(3000));
    let keys = format!("{{{}\"z\":0}}", (0..2000).map(|n| format!("\"k{n}\":[],")).collect::<String>());
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "m".repeat(1 << 20));
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"pong"}}"#, "i".repeat(1 << 20));
    for payload in [deep.as_str(), &wide, &keys, &long, &long_id, "1e999", "-", "\u{0}", "{\"a\":1,\"a\":2}"] {
        world.send(ca, "COORDINATOR", "CA", &[payload.as_bytes()]);
        assert_eq!(world.hear(ca).len(), 1, "{}", &payload[..payload.len().min(40)]);
    }
    // Type 1 with several frames, another type, no payload.
    world.send(ca, "COORDINATOR", "CA", &[wire::request(1, "pong").as_bytes(), b"\xff", b"more"]);
    assert_eq!(world.hear(ca).len(), 1);
    let header = wire::header(1, 0);
    world.feed(ca, &message(&[&[0], b"COORDINATOR", b"CA", &header, b"\xff\xff"]));
    assert!(world.hear(ca).is_empty());
    assert_eq!(world.count("messages_unanswerable"), 1);
}

// ---- Coordinators ----

const SIGN_IN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"coordinator_sign_in"}"#;
const SIGN_OUT: &str = r#"{"jsonrpc":"2.0","id":2,"method":"coordinator_sign_out"}"#;

/// `n` nodes, the first on its own, each other told of the first at start.
fn mesh(n: usize) -> World {
    let mut world = World::plain();
    for at in 2..=n {
        world.add_hub(Config { coordinators: vec!["n1".into()], ..config(at) });
    }
    world.wait(1_000);
    world
}

/// A Coordinator made by hand, signed in as N99.
fn teller(world: &mut World) -> usize {
    let link = world.dealer();
    world.send(link, "COORDINATOR", "N99.COORDINATOR", &[SIGN_IN.as_bytes()]);
    assert_eq!(wire::json(&world.hear(link)[0])["result"], Value::Null);
    link
}

/// It tells of nodes.
fn tell(world: &mut World, teller: usize, nodes: &Value) {
    let call = json!({"jsonrpc": "2.0", "method": "add_nodes", "params": {"nodes": nodes}});
    world.send(teller, "N1.COORDINATOR", "N99.COORDINATOR", &[call.to_string().as_bytes()]);
}

fn ask(world: &mut World, client: usize, name: &str, method: &str) -> Value {
    world.hear(client);
    world.send(client, "COORDINATOR", name, &[wire::request(1, method).as_bytes()]);
    let heard = world.hear(client);
    wire::json(heard.last().unwrap_or_else(|| panic!("no answer to {method}")))["result"].clone()
}

#[test]
fn a_coordinator_is_answered_on_its_own_link() {
    let mut world = World::plain();
    world.script(&format!(
        "c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c -"
    ));
    assert_eq!(world.count("nodes_joined"), 1);
}

#[test]
fn our_own_and_a_taken_namespace_are_refused() {
    let mut world = World::plain();
    world.script(&format!(
        "c > COORDINATOR N1.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR ! 1 -32091 \"N1\"
         c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         d > N1.COORDINATOR N2.COORDINATOR {SIGN_OUT}
         d < N2.COORDINATOR N1.COORDINATOR ! 2 -32091
         close c
         d > COORDINATOR N2.COORDINATOR {SIGN_IN}
         d < COORDINATOR N1.COORDINATOR = 1"
    ));
}

/// Nobody has let us in as N2 anywhere, so nobody is N2 for sure: the last one who says so is taken for it.
#[test]
fn a_namespace_that_nobody_has_confirmed_locks_nobody_out() {
    let mut world = World::plain();
    world.script(&format!(
        "a > COORDINATOR CA {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sign_in\"}}
         a < N1.CA N1.COORDINATOR = 1
         c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c > N1.COORDINATOR N2.COORDINATOR {{\"jsonrpc\":\"2.0\",\"method\":\"record_components\",\"params\":{{\"components\":[\"CX\"]}}}}
         d > COORDINATOR N2.COORDINATOR {SIGN_IN}
         d < COORDINATOR N1.COORDINATOR = 1
         c x
         a > COORDINATOR N1.CA {{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"send_global_components\"}}
         a < N1.CA N1.COORDINATOR {{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{\"N1\":[\"CA\"],\"N2\":[]}}}}"
    ));
    assert_eq!(world.count("nodes_displaced"), 1);
}

/// A stranger has taken the place of N2's link before N2 was there. N2 is asked on our own link to it, and a stranger does not hear that.
#[test]
fn a_stranger_gives_way_to_the_node_that_we_have_reached() {
    for reached_first in [false, true] {
        let mut world = World::new(Config { coordinators: vec!["n2".into()], ..config(1) });
        let stranger = world.dealer();
        world.send(stranger, "COORDINATOR", "N2.COORDINATOR", &[SIGN_IN.as_bytes()]);
        if !reached_first {
            world.wait(300);
        }
        world.add_hub(Config { coordinators: if reached_first { vec![] } else { vec!["n1".into()] }, ..config(2) });
        world.wait(3_000);
        let (ca, cb) = (world.component_at(0, "CA"), world.component_at(1, "CB"));
        world.wait(1_000);
        assert!(world.clients[stranger].closed.is_some(), "{reached_first}");
        world.send(ca, "N2.CB", "N1.CA", &[b"there"]);
        world.send(cb, "N1.CA", "N2.CB", &[b"back"]);
        assert_eq!((world.hear(cb)[0][4].as_slice(), world.hear(ca)[0][4].as_slice()), (&b"there"[..], &b"back"[..]));
    }
}

/// The other way round: the node answers on its own link, and the stranger is refused, again and again without a further question.
#[test]
fn a_stranger_does_not_get_the_place_of_a_linked_node() {
    let mut world = mesh(2);
    let stranger = world.dealer();
    for _ in 0..3 {
        world.send(stranger, "COORDINATOR", "N2.COORDINATOR", &[SIGN_IN.as_bytes()]);
        world.wait(600);
        let heard = world.hear(stranger);
        assert_eq!((heard.len(), wire::code(&heard[0])), (1, Some(-32091)));
    }
    assert_eq!((world.count("nodes_asked"), world.count("nodes_displaced"), world.count("nodes_left")), (1, 0, 0));
}

/// A Component of another node speaks on its Coordinator's link, and is not its Coordinator.
#[test]
fn only_a_coordinator_that_is_signed_in_tells_of_nodes_and_components() {
    let mut world = World::plain();
    world.script(&format!(
        "a: far
         a > COORDINATOR CA {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sign_in\"}}
         a < N1.CA N1.COORDINATOR = 1
         c: far
         c > COORDINATOR N99.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1"
    ));
    let (ca, link) = (world.link("a"), world.link("c"));
    for (client, sender) in [(ca, "N1.CA"), (link, "N99.CX")] {
        for (method, params) in
            [("add_nodes", json!({"nodes": {"N7": "dead:1"}})), ("record_components", json!({"components": ["CY"]}))]
        {
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            world.send(client, "COORDINATOR", sender, &[call.to_string().as_bytes()]);
        }
    }
    let errors: Vec<_> = world.hear(ca).iter().map(|heard| wire::json(heard)["error"].clone()).collect();
    let told = "only a Coordinator that is signed in on this link calls";
    let why = format!("{told} add_nodes, or a Component of this machine (remote_admin)");
    assert_eq!(errors[0], json!({"code": -32600, "message": "Invalid Request", "data": why}));
    assert_eq!(errors[1]["data"], json!(format!("{told} record_components")));
    world.wait(1_000);
    assert_eq!(world.dials, []);
    assert_eq!(ask(&mut world, ca, "CA", "send_global_components"), json!({"N1":["CA"],"N99":[]}));
}

/// Whoever runs the network may join nodes by hand, and cannot fill the table.
#[test]
fn components_of_this_machine_tell_of_a_quarter_of_the_nodes() {
    let mut world = World::plain();
    for name in ["CA", "CB"] {
        let client = world.component(name);
        let nodes: serde_json::Map<_, _> =
            (0..NODES_MAX).map(|n| (format!("{name}{n}"), format!("{name}{n}:1").into())).collect();
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "add_nodes", "params": {"nodes": nodes}});
        world.send(client, "COORDINATOR", name, &[call.to_string().as_bytes()]);
        assert_eq!(wire::json(&world.hear(client)[0])["result"], Value::Null);
        assert_eq!(world.count("dials"), NODES_MAX as u64 / 4, "all together");
    }
}

/// However many dead addresses somebody tells, a node that speaks finds a place.
#[test]
fn a_node_that_speaks_takes_the_place_of_one_that_was_only_heard_of() {
    let mut world = World::plain();
    let link = teller(&mut world);
    let nodes: serde_json::Map<_, _> = (0..NODES_MAX).map(|n| (format!("M{n}"), format!("m{n}:1").into())).collect();
    tell(&mut world, link, &nodes.into());
    world.script(&format!("c > COORDINATOR N2.COORDINATOR {SIGN_IN}\nc < COORDINATOR N1.COORDINATOR = 1"));
    world.add_hub(Config { coordinators: vec!["n1".into()], ..config(3) });
    world.wait(2_000);
    assert_eq!(world.count_at(1, "nodes_joined"), 2, "both ways");
}

#[test]
fn one_link_is_one_coordinator() {
    let mut world = World::plain();
    world.script(&format!(
        "c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c > COORDINATOR N3.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR ! 1 -32600
         close c
         d > COORDINATOR N3.COORDINATOR {SIGN_IN}
         d < COORDINATOR N1.COORDINATOR = 1"
    ));
}

#[test]
fn a_foreign_sender_needs_its_coordinators_link() {
    let mut world = World::plain();
    world.script(&format!(
        "a > COORDINATOR CA {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sign_in\"}}
         a < N1.CA N1.COORDINATOR = 1
         c > N1.CA N2.CX {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}}
         c < N2.CX N1.COORDINATOR ! null -32090 \"N2.CX\"
         c > COORDINATOR N2.CX {SIGN_IN}
         c < N2.CX N1.COORDINATOR ! null -32090
         c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c > N1.CA N2.CX {{\"x\":1}}
         a < N1.CA N2.CX {{\"x\":1}}
         d > N1.CA N2.CX {{\"x\":2}}
         d < N2.CX N1.COORDINATOR ! null -32090
         a -"
    ));
}

#[test]
fn two_nodes_mirror_their_links_and_share_components() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    let cb = world.component_at(1, "CB");
    world.wait(100);
    let nodes = json!({"N1":"n1:12300","N2":"n2:12300"});
    for (client, name) in [(ca, "CA"), (cb, "CB")] {
        assert_eq!(ask(&mut world, client, name, "send_nodes"), nodes);
        assert_eq!(ask(&mut world, client, name, "send_global_components"), json!({"N1":["CA"],"N2":["CB"]}));
    }
    assert_eq!((world.count_at(0, "nodes_joined"), world.count_at(1, "nodes_joined")), (2, 2), "one link each way");
    // And messages go, byte for byte.
    let bytes = leco(b"N2.CB", b"N1.CA", 77, &[b"one", b"", &[9; 3000]]);
    world.feed(ca, &bytes);
    assert_eq!(
        world.hear(cb),
        [vec![
            vec![0],
            b"N2.CB".to_vec(),
            b"N1.CA".to_vec(),
            wire::header(77, 1).to_vec(),
            b"one".to_vec(),
            vec![],
            vec![9; 3000]
        ]]
    );
    assert_eq!(world.count_at(0, "messages_forwarded"), 1);
    world.send(cb, "N1.CA", "N2.CB", &[b"back"]);
    assert_eq!(world.hear(ca)[0][4], b"back");
}

#[test]
fn one_known_address_builds_the_whole_mesh() {
    let mut world = mesh(5);
    let clients: Vec<usize> = (0..5).map(|n| world.component_at(n, &format!("C{}", n + 1))).collect();
    world.wait(6_000);
    let nodes: Value =
        (1..=5).map(|n| (format!("N{n}"), json!(format!("n{n}:12300")))).collect::<serde_json::Map<_, _>>().into();
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(ask(&mut world, *client, &format!("C{}", n + 1), "send_nodes"), nodes, "N{}", n + 1);
    }
    for from in 0..5 {
        for to in 0..5 {
            world.hear(clients[to]);
            world.send(
                clients[from],
                &format!("N{}.C{}", to + 1, to + 1),
                &format!("N{}.C{}", from + 1, from + 1),
                &[b"hi"],
            );
            assert_eq!(world.hear(clients[to]).len(), 1, "{from} -> {to}");
        }
    }
    let dials = world.dials.len();
    world.wait(60_000);
    assert_eq!(world.dials.len(), dials, "a whole mesh dials nobody");
    assert_eq!(dials, 20, "each pair once in each direction");
}

#[test]
fn the_first_words_on_our_dealer_are_notifications() {
    // A raw Coordinator that a hub has dialled hears what the hub says first.
    let mut world = World::plain();
    let link = teller(&mut world);
    tell(&mut world, link, &json!({"N2": "n2"}));
    assert_eq!(world.dials.last().unwrap().1, "n2:12300", "without a port it is 12300");
    assert_eq!(world.count("dials_failed"), 1);
    world.add_hub(config(2));
    world.wait(1_000);
    let joined = (world.count("nodes_joined") - 1, world.count_at(1, "nodes_joined"));
    assert_eq!(joined, (2, 2), "dialled again, and mirrored");
}

#[test]
fn every_node_tells_how_it_is_linked_with_the_others() {
    let mut world = World::new(Config { coordinators: vec!["n2".into(), "gone:1".into()], ..config(1) });
    world.add_hub(config(2));
    let ca = world.component("CA");
    let link = teller(&mut world);
    world.wait(3_000);
    let row = |namespace: &str, address: Value, state: &str, since: u64| json!({"namespace": namespace, "address": address, "state": state, "since_s": since, "rtt_ms": null});
    let mut gone = row("", json!("gone:1"), "down", 3);
    gone["namespace"] = Value::Null;
    let mut n2 = row("N2", json!("n2:12300"), "both", 2);
    let n99 = row("N99", Value::Null, "in", 3);
    n2["rtt_ms"] = json!(0);
    assert_eq!(ask(&mut world, ca, "CA", "send_links"), json!([n2, gone, n99]));
    world.kill(1);
    world.close(link);
    world.wait(2_000);
    let links = ask(&mut world, ca, "CA", "send_links");
    assert_eq!(
        (&links[0]["state"], &links[0]["since_s"], links.as_array().unwrap().len()),
        (&json!("down"), &json!(2), 2)
    );
    assert_eq!(ask(&mut world, ca, "CA", "send_nodes"), json!({"N1": "n1:12300"}), "as ever");
}

/// The answer is what a client expects that never heard of this: lists of names, by namespace. No node has the empty one.
#[test]
fn what_does_not_fit_the_global_directory_is_said_in_it() {
    let mut world = World::new(Config { ring_bytes_max: 4096, ..config(1) });
    let ca = world.component("CA");
    let link = teller(&mut world);
    let names: Vec<String> = (0..300).map(|n| format!("C{n:04}")).collect();
    let call = json!({"jsonrpc": "2.0", "method": "record_components", "params": {"components": names}}).to_string();
    world.send(link, "N1.COORDINATOR", "N99.COORDINATOR", &[call.as_bytes()]);
    let told = ask(&mut world, ca, "CA", "send_global_components");
    assert_eq!(told["N1"], json!(["CA"]));
    let listed = told["N99"].as_array().unwrap().len();
    let why = format!("{} components are left out: they do not fit (ring_bytes_max)", 300 - listed);
    assert!(listed > 200 && told[""][0].as_str().unwrap().starts_with(&why), "{listed}: {}", told[""]);
}

#[test]
fn a_node_that_tells_a_long_list_is_read_on_when_all_of_it_is_taken() {
    let mut world = World::plain();
    let ca = world.component("CA");
    let link = teller(&mut world);
    let names: Vec<String> = (0..5000).map(|n| format!("C{n:04}")).collect();
    let record = |names: &[String]| {
        json!({"jsonrpc": "2.0", "method": "record_components", "params": {"components": names}}).to_string()
    };
    // What comes behind it counts behind it.
    for (first, then) in [(&names[..], &names[..3]), (&names[..3], &names[..])] {
        for list in [first, then] {
            world.send(link, "N1.COORDINATOR", "N99.COORDINATOR", &[record(list).as_bytes()]);
        }
        world.wait(10);
        let told = ask(&mut world, ca, "CA", "send_global_components");
        assert_eq!(told["N99"].as_array().unwrap().len(), then.len());
    }
}

#[test]
fn who_leaves_in_the_handshake_is_counted() {
    let mut world = World::plain();
    for bytes in [&b""[..], b"\xff", &wire::greeting(1)] {
        let client = world.connect(0);
        world.feed(client, bytes);
        world.close(client);
    }
    let done = world.dealer();
    world.close(done);
    assert_eq!(
        (world.count("handshakes_left"), world.count("log_lines_spared")),
        (3, 1),
        "one line for two that spoke"
    );
}

#[test]
fn every_change_is_published_to_all_nodes() {
    let mut world = mesh(3);
    let watcher = world.component_at(2, "CW");
    for n in 0..20 {
        let client = world.component_at(n % 2, &format!("C{n}"));
        let seen = ask(&mut world, watcher, "CW", "send_global_components");
        let node = format!("N{}", n % 2 + 1);
        assert!(seen[&node].as_array().unwrap().contains(&json!(format!("C{n}"))), "{seen}");
        if n % 3 == 0 {
            world.close(client);
        } else if n % 3 == 1 {
            world.send(client, "COORDINATOR", &format!("C{n}"), &[wire::request(1, "sign_out").as_bytes()]);
        } else {
            continue;
        }
        let seen = ask(&mut world, watcher, "CW", "send_global_components");
        assert!(!seen[&node].as_array().unwrap().contains(&json!(format!("C{n}"))), "{seen}");
    }
}

#[test]
fn updates_are_also_sent_without_a_change_and_their_answers_are_swallowed() {
    let mut world = mesh(2);
    let before = world.count("updates_published");
    world.wait(30_000);
    assert!(world.count("updates_published") >= before + 5);
    assert_eq!(
        (world.count("rpc_errors"), world.count("errors_dropped"), world.count("messages_malformed")),
        (0, 0, 0)
    );
    assert_eq!(world.count_at(1, "rpc_errors"), 0);
}

#[test]
fn errors_find_their_way_to_senders_on_other_nodes() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    for (receiver, code, data) in [("N2.CX", -32093, "N2.CX"), ("N3.CX", -32092, "N3")] {
        let n = world.send(ca, receiver, "N1.CA", &[wire::request(1, "m").as_bytes()]);
        let heard = world.hear(ca);
        assert_eq!(heard.len(), 1, "{receiver}");
        assert_eq!((wire::code(&heard[0]), &wire::json(&heard[0])["error"]["data"]), (Some(code), &json!(data)));
        assert_eq!(heard[0][3][..16], wire::header(n, 0)[..16]);
    }
    // A result to somebody who has left goes nowhere, and nobody is told.
    world.send(ca, "N2.CX", "N1.CA", &[br#"{"jsonrpc":"2.0","id":1,"result":5}"#]);
    assert!(world.hear(ca).is_empty());
    // Calls for a remote Coordinator work the same way.
    world.send(ca, "N2.COORDINATOR", "N1.CA", &[wire::request(4, "send_local_components").as_bytes()]);
    assert_eq!(wire::json(&world.hear(ca)[0]), json!({"jsonrpc":"2.0","id":4,"result":[]}));
}

#[test]
fn a_sender_without_namespace_is_told_what_it_takes_to_reach_another_node() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    world.send(ca, "N2.COORDINATOR", "CA", &[wire::request(1, "pong").as_bytes()]);
    let message = "To reach another node a sender must give its namespace, as its full name.";
    assert_eq!(wire::json(&world.hear(ca)[0])["error"], json!({"code": -32090, "message": message, "data": "CA"}));
}

/// Another node cannot know whose a sender without namespace is. Its error is that sender's, and no sign that the node has forgotten us.
#[test]
fn a_sender_without_namespace_does_not_cost_the_link_to_the_other_node() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    let dials = world.dials.len();
    for _ in 0..5 {
        world.send(ca, "N2.CX", "CA", &[wire::request(1, "m").as_bytes()]);
        assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32090));
    }
    world.wait(1_000);
    assert_eq!((world.dials.len(), world.count("closed_by_us")), (dials, 0));
}

#[test]
fn a_node_that_stops_says_goodbye_to_all() {
    let mut world = mesh(3);
    let cw = world.component_at(2, "CW");
    let ca = world.component_at(0, "CA");
    world.send(ca, "COORDINATOR", "CA", &[wire::request(1, "shut_down").as_bytes()]);
    world.dark.insert(0);
    world.wait(2_500);
    assert!(world.outputs.contains(&(0, Output::Stop)));
    let nodes = ask(&mut world, cw, "CW", "send_nodes");
    assert_eq!(nodes, json!({"N2":"n2:12300","N3":"n3:12300"}));
    let global = ask(&mut world, cw, "CW", "send_global_components");
    assert_eq!(global, json!({"N2":[],"N3":["CW"]}));
}

#[test]
fn a_signed_out_coordinator_gets_the_same_back() {
    let mut world = mesh(2);
    let before = world.hubs[1].counters().nodes_left;
    world.hubs[1].handle_stop(world.now);
    world.dark.insert(1);
    world.pump();
    assert_eq!(world.count("nodes_left"), 1);
    world.wait(3_000);
    assert!(world.outputs.contains(&(1, Output::Stop)));
    assert!(world.hubs[1].counters().nodes_left >= before);
    world.hub().check_invariants().unwrap();
}

#[test]
fn a_run_of_messages_is_counted_message_by_message() {
    let mut world = mesh(2);
    let (ca, cb, cc) = (world.component_at(0, "CA"), world.component_at(0, "CB"), world.component_at(1, "CC"));
    world.wait(100);
    for (receiver, there) in [(&b"N1.CB"[..], cb), (b"N2.CC", cc)] {
        let before = ["messages_in", "messages_delivered", "messages_forwarded"].map(|name| world.count(name));
        let run: Vec<u8> = (0..7).flat_map(|n| leco(receiver, b"N1.CA", n, &[b"x"])).collect();
        world.feed(ca, &run);
        assert_eq!(world.hear(there).len(), 7);
        let after = ["messages_in", "messages_delivered", "messages_forwarded"].map(|name| world.count(name));
        let (delivered, forwarded) = if there == cb { (7, 0) } else { (0, 7) };
        assert_eq!(after, [before[0] + 7, before[1] + delivered, before[2] + forwarded]);
    }
}

/// A node that has been told goodbye may have sent something before it heard so: it is listened to until it answers.
#[test]
fn a_node_that_stops_takes_what_comes_before_the_answer_to_its_goodbye() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    let cb = world.component_at(1, "CB");
    world.wait(100);
    world.hear(ca);
    // The goodbye is on its way for a while.
    world.hubs[0].handle_stop(world.now);
    world.send(cb, "N1.CA", "N2.CB", &[b"late"]);
    world.wait(100);
    let heard = world.hear(ca);
    assert_eq!(heard.iter().filter(|message| message.get(4).is_some_and(|payload| payload == b"late")).count(), 1);
    assert_eq!((world.count_at(1, "nodes_left"), world.count("nodes_left")), (1, 1), "both have said goodbye");
    world.send(cb, "N1.CA", "N2.CB", &[b"later"]);
    assert_eq!(wire::json(world.hear(cb).last().unwrap())["error"]["code"], -32092);
    world.dark.insert(0);
    world.wait(2_500);
    assert!(world.outputs.contains(&(0, Output::Stop)));
}

#[test]
fn our_own_address_is_not_dialled() {
    let mut world = World::new(Config { coordinators: vec!["n1:12300".into(), "n1".into()], ..config(1) });
    let link = teller(&mut world);
    tell(&mut world, link, &json!({"N1": "n1:12300", "N5": "n1"}));
    world.wait(20_000);
    assert_eq!(world.dials, []);
}

#[test]
fn our_own_address_under_another_name_is_found_out() {
    let mut world = World::new(config(1));
    // The same hub under a second address: what the dialler meets there is itself.
    let (ca, link) = (world.component("CA"), teller(&mut world));
    tell(&mut world, link, &json!({"N5": "n5"}));
    world.add_hub(Config { host: "n5".into(), ..config(1) });
    world.wait(20_000);
    assert_eq!(
        ask(&mut world, ca, "CA", "send_nodes"),
        json!({"N1":"n1:12300"}),
        "one of our own namespace is no node"
    );
    world.hub().check_invariants().unwrap();
}

/// A node is dialled under a name of its own, signs in here and tells its address, and is dialled there too; both links are signing in.
#[test]
fn of_two_links_to_one_node_the_first_that_is_answered_stays() {
    let config = Config { coordinators: vec!["alias2:12300".into()], ..config(1) };
    let mut hub = Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
    let now = Tick(1);
    let here = "127.0.0.1:5000".parse().unwrap();
    let router = [wire::greeting(1), wire::ready("ROUTER", b"")].concat();
    let sign_in = |hub: &mut Hub| {
        let dialled = turn(hub, now)
            .into_iter()
            .find_map(|output| if let Output::Dial(node) = output { Some(node) } else { None });
        let link = hub.handle_dialed(now, dialled.expect("an address to dial"), Ok(here)).unwrap();
        hub.handle_bytes(now, link, &router);
        link
    };
    let alias = sign_in(&mut hub);
    let inbound = hub.open(now, here).unwrap();
    hub.handle_bytes(now, inbound, &wire::opening(1));
    let nodes = br#"{"jsonrpc":"2.0","id":2,"method":"add_nodes","params":{"nodes":{"N2":"n2:12300"}}}"#;
    for payload in [wire::request(1, "coordinator_sign_in").as_bytes(), nodes] {
        hub.handle_bytes(now, inbound, &leco(b"COORDINATOR", b"N2.COORDINATOR", 3, &[payload]));
    }
    let second = sign_in(&mut hub);
    let answer = br#"{"jsonrpc":"2.0","id":1,"result":null}"#;
    hub.handle_bytes(now, alias, &leco(b"N1.COORDINATOR", b"N2.COORDINATOR", 1, &[answer]));
    hub.check_invariants().unwrap();
    let closed: Vec<_> = turn(&mut hub, now).into_iter().filter(|one| matches!(one, Output::Close(..))).collect();
    assert_eq!(closed, [Output::Close(second, Cause::Superfluous)]);
}

/// Lets a hub do what is due, and writes all that waits; gives its outputs.
fn turn(hub: &mut Hub, now: Tick) -> Vec<Output> {
    let mut outputs = Vec::new();
    hub.handle_timeout(now);
    driver::drain(hub, now, |output, _| outputs.push(output));
    outputs
}

#[test]
fn more_nodes_than_can_be_known_are_left_out_and_far_more_are_refused() {
    let mut world = World::plain();
    let link = teller(&mut world);
    let mut told = |count: usize| {
        let nodes: serde_json::Map<_, _> = (0..count).map(|n| (format!("M{n}"), format!("m{n}:1").into())).collect();
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "add_nodes", "params": {"nodes": nodes}});
        world.send(link, "N1.COORDINATOR", "N99.COORDINATOR", &[call.to_string().as_bytes()]);
        (world.count("rpc_errors"), world.count("dials"), world.count("log_lines_spared"))
    };
    assert_eq!(told(ADD_NODES_MAX + 1), (1, 0, 0));
    let (errors, dialled, spared) = told(ADD_NODES_MAX);
    assert_eq!((errors, dialled), (1, NODES_MAX as u64 - 1));
    // One about each that is not reached, one about each that is not known.
    assert!(spared > ADD_NODES_MAX as u64 - 100, "lines would fill the log: {spared} were left out");
}

#[test]
fn lost_nodes_are_redialled_with_a_growing_pause() {
    let mut world = World::plain();
    let named = world.add_hub(Config { coordinators: vec!["gone".into()], ..config(2) });
    world.wait(60_000);
    let times: Vec<u64> = world.dials.iter().map(|(at, _)| at.0).collect();
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut wanted = 100u64;
    for pause in &pauses {
        assert!((wanted..=wanted + wanted / 4 + 1).contains(pause), "{pause} after {wanted}: {pauses:?}");
        wanted = (wanted * 2).min(10_000);
    }
    assert!(pauses.len() >= 9 && pauses.iter().any(|pause| pause % 100 != 0), "with jitter: {pauses:?}");
    // Named at start: for ever. It comes up, and is found.
    world.add_hub(Config { host: "gone".into(), ..config(3) });
    world.wait(13_000);
    assert_eq!(world.count_at(named, "nodes_joined"), 2);
}

#[test]
fn a_node_that_was_only_heard_of_is_given_up() {
    let mut world = World::plain();
    let link = teller(&mut world);
    tell(&mut world, link, &json!({"N9": "gone"}));
    for _ in 0..8 {
        world.wait(10_000);
        world.feed(link, &wire::command("PONG", b""));
    }
    let dials = world.dials.len();
    for _ in 0..10 {
        world.wait(10_000);
        world.feed(link, &wire::command("PONG", b""));
    }
    assert_eq!(world.dials.len(), dials);
}

#[test]
fn a_node_that_dies_and_comes_back_at_another_address_is_found() {
    let mut world = mesh(2);
    let ca = world.component_at(0, "CA");
    world.component_at(1, "CB");
    world.kill(1);
    world.wait(5_000);
    world.send(ca, "N2.CB", "N1.CA", &[wire::request(1, "m").as_bytes()]);
    assert_eq!(wire::code(world.hear(ca).last().unwrap()), Some(-32092));
    // A new process of that namespace, on another machine.
    world.add_hub(Config { coordinators: vec!["n1".into()], host: "n2b".into(), namespace: "N2".into(), ..config(2) });
    let cb = world.component_at(2, "CB");
    world.wait(2_000);
    world.send(ca, "N2.CB", "N1.CA", &[b"again"]);
    assert_eq!(world.hear(cb)[0][4], b"again");
}

#[test]
fn a_silent_coordinator_is_asked_and_then_removed_with_its_components() {
    let mut world = World::new(Config { heartbeat_s: 0, ..config(1) });
    world.script(&format!(
        "c: 3.0
         c > COORDINATOR N2.COORDINATOR {SIGN_IN}
         c < COORDINATOR N1.COORDINATOR = 1
         c > N1.COORDINATOR N2.COORDINATOR {{\"jsonrpc\":\"2.0\",\"method\":\"record_components\",\"params\":{{\"components\":[\"CX\"]}}}}
         c -"
    ));
    let ca = world.component("CA");
    assert_eq!(ask(&mut world, ca, "CA", "send_global_components"), json!({"N1":["CA"],"N2":["CX"]}));
    for _ in 0..11 {
        world.wait(5_000);
        world.feed(ca, &wire::command("PONG", b""));
    }
    assert_eq!(ask(&mut world, ca, "CA", "send_global_components"), json!({"N1":["CA"]}));
    assert_eq!(world.count("nodes_left"), 1);
}

#[test]
fn a_coordinator_records_only_legal_components_and_only_its_own() {
    let mut world = World::plain();
    world.script(&format!("c > COORDINATOR N2.COORDINATOR {SIGN_IN}"));
    let c = world.link("c");
    let ca = world.component("CA");
    for components in ["[\"a.b\"]", "[\"\"]", "[1]", "{}", "null", "[\"\\n\"]"] {
        let call =
            format!(r#"{{"jsonrpc":"2.0","method":"record_components","params":{{"components":{components}}}}}"#);
        world.send(c, "COORDINATOR", "N2.COORDINATOR", &[call.as_bytes()]);
        assert_eq!(ask(&mut world, ca, "CA", "send_global_components"), json!({"N1":["CA"],"N2":[]}), "{components}");
    }
}

#[test]
fn a_batch_that_ends_its_own_link_ends_with_it() {
    let mut world = World::plain();
    let call = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch =
        json!([call(1, "coordinator_sign_in"), call(2, "coordinator_sign_out"), call(3, "coordinator_sign_in")]);
    for n in 0..3 {
        let link = world.dealer();
        let name = format!("X{n}.COORDINATOR");
        world.send(link, "COORDINATOR", &name, &[batch.to_string().as_bytes()]);
        assert!(world.clients[link].closed.is_some());
    }
    assert_eq!((world.count("nodes_joined"), world.count("requests_abandoned")), (3, 3));
    let ca = world.component("CA");
    assert_eq!(ask(&mut world, ca, "CA", "send_global_components"), json!({"N1":["CA"]}));
}

// ---- After a restart ----

#[test]
fn a_newcomer_that_says_nothing_after_a_start_is_told_once_to_sign_in() {
    let mut world = World::new(Config { hint_s: 60, heartbeat_s: 0, ..config(1) });
    let (silent, ca) = (world.dealer(), world.component("CA"));
    world.wait(499);
    assert!(world.hear(silent).is_empty());
    world.wait(2);
    let heard = world.hear(silent);
    assert_eq!((heard.len(), wire::code(&heard[0]), &*heard[0][2]), (1, Some(-32090), &b"N1.COORDINATOR"[..]));
    world.wait(5000);
    assert!(world.hear(silent).is_empty() && world.hear(ca).is_empty());
    assert_eq!(world.count("hints"), 1);
    world.wait(60_000);
    let late = world.dealer();
    world.wait(2000);
    assert!(world.hear(late).is_empty(), "who comes later knows what it does");
}

#[test]
fn a_message_for_a_name_that_is_just_coming_back_waits_for_it() {
    let mut world = World::new(Config { return_ms: 1000, ..config(1) });
    let ca = world.component("CA");
    world.feed(ca, &leco(b"CB", b"CA", 1, &[b"early"]));
    world.wait(500);
    assert!(world.hear(ca).is_empty());
    world.component("CB");
    assert_eq!(world.count("messages_delivered"), 1);
    // Somebody who does not come: refused after a second in all, and from then on at once.
    world.feed(ca, &leco(b"CX", b"CA", 2, &[b"lost"]));
    world.wait(499);
    assert!(world.hear(ca).is_empty());
    world.wait(2);
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093));
    world.feed(ca, &leco(b"CX", b"CA", 3, &[b"lost"]));
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093));
}

#[test]
fn a_message_for_a_name_that_was_cut_off_just_now_waits_for_it_and_one_that_left_in_order_is_gone() {
    let mut world = World::new(Config { return_ms: 1000, ..config(1) });
    world.wait(10_000);
    let (ca, cb, cc) = (world.component("CA"), world.component("CB"), world.component("CC"));
    let (_, key) = world.clients[cb].side;
    let now = world.now;
    world.hubs[0].handle_closed(now, key, Cause::Gone);
    world.pump();
    world.close(cc);
    world.feed(ca, &leco(b"CC", b"CA", 1, &[b"x"]));
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093));
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"x"]));
    world.wait(900);
    assert!(world.hear(ca).is_empty());
    world.component("CB");
    assert_eq!(world.count("messages_delivered"), 1);
}

#[test]
fn who_waits_for_a_name_that_may_come_back_is_answered_before_an_end_in_order() {
    let mut world = World::new(Config { return_ms: 1000, ..config(1) });
    let ca = world.component("CA");
    world.feed(ca, &[leco(b"CX", b"CA", 1, &[b"lost"]), leco(b"CA", b"CA", 2, &[b"to itself"])].concat());
    assert!(world.hear(ca).is_empty());
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    let heard = world.hear(ca);
    assert_eq!((heard.len(), wire::code(&heard[0])), (2, Some(-32093)));
}
