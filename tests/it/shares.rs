//! What one other machine may have of the server, and what it may not have the server reach.

use serde_json::{Value, json};

use crate::common::member::OPEN_WAIT_MS;
use crate::common::wire;
use crate::common::world::{World, config};
use instep::config::Config;
use instep::hub::Door;
use instep::limits::{NODES_MAX, SESSIONS_MAX};

const NEAR: &str = "127.0.0.1:4000";
const FAR: &str = "192.0.2.1:4000";
const ELSEWHERE: &str = "192.0.2.22:4000";

/// A DEALER from an address, its handshake over.
fn dealer(world: &mut World, remote: &str) -> usize {
    let client = world.connect_from(0, remote).expect("there is room");
    world.feed(client, &wire::opening(1));
    client
}

/// The answer to a call.
fn call(world: &mut World, client: usize, sender: &str, method: &str, params: &Value) -> Value {
    world.hear(client);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    world.send(client, "COORDINATOR", sender, &[call.to_string().as_bytes()]);
    if method == "open_provider" {
        world.wait(OPEN_WAIT_MS);
    }
    wire::json(world.hear(client).last().unwrap_or_else(|| panic!("no answer to {method}")))
}

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["code"].as_i64()
}

#[test]
fn one_other_machine_has_a_quarter_of_the_connections() {
    let mut world = World::new(Config { connections_max: 16, ..config(1) });
    let far: Vec<usize> = (0..4).map(|_| dealer(&mut world, FAR)).collect();
    for door in [Door::Leco, Door::Control, Door::Viewer] {
        assert!(world.connect_at(0, door, FAR).is_some(), "held for a moment");
    }
    assert_eq!((world.count("connections_refused"), world.count("connections_held")), (3, 3));
    for remote in [ELSEWHERE, NEAR, NEAR, NEAR, NEAR, NEAR] {
        dealer(&mut world, remote);
    }
    assert_eq!(world.count("connections_refused"), 3);
    world.close(far[0]);
    dealer(&mut world, FAR);
    assert_eq!(world.count("connections_refused"), 3, "one has left");
}

#[test]
fn one_other_machine_is_a_quarter_of_the_nodes() {
    let mut world = World::plain();
    let sign_in = |world: &mut World, remote: &str, n: usize| {
        let link = dealer(world, remote);
        call(world, link, &format!("M{n}.COORDINATOR"), "coordinator_sign_in", &Value::Null)
    };
    for n in 0..NODES_MAX / 4 {
        assert_eq!(code(&sign_in(&mut world, FAR, n)), None);
    }
    let refused = sign_in(&mut world, FAR, 1000);
    let error = json!({"code": -32096, "message": "The server has no room for this.", "data": "too many nodes from one machine, or of one user"});
    assert_eq!(refused["error"], error);
    for remote in [ELSEWHERE, NEAR] {
        assert_eq!(code(&sign_in(&mut world, remote, 1000 + remote.len())), None, "{remote}");
    }
}

#[test]
fn one_other_machine_tells_of_a_quarter_of_the_nodes() {
    let mut world = World::plain();
    let nodes: serde_json::Map<_, _> = (0..NODES_MAX).map(|n| (format!("M{n}"), format!("m{n}:1").into())).collect();
    for (remote, namespace, dialled) in [(FAR, "F", 64), (NEAR, "G", 254)] {
        let link = dealer(&mut world, remote);
        let sender = format!("{namespace}.COORDINATOR");
        assert_eq!(code(&call(&mut world, link, &sender, "coordinator_sign_in", &Value::Null)), None);
        let told = json!({"jsonrpc": "2.0", "method": "add_nodes", "params": {"nodes": nodes}});
        world.send(link, "COORDINATOR", &sender, &[told.to_string().as_bytes()]);
        assert_eq!(world.count("dials"), dialled);
    }
}

#[test]
fn one_other_machine_opens_a_quarter_of_the_providers() {
    let mut world = World::new(Config { providers_max: 8, ..config(1) });
    let open = |world: &mut World, remote: &str, name: &str| {
        let client = dealer(world, remote);
        assert_eq!(code(&call(world, client, name, "sign_in", &Value::Null)), None);
        let params = json!({"address": {"host": "kernel", "port": 27931}});
        call(world, client, name, "open_provider", &params)["error"].clone()
    };
    for n in 0..2 {
        assert_eq!(open(&mut world, FAR, &format!("F{n}")), Value::Null);
    }
    let refused = open(&mut world, FAR, "F2");
    assert_eq!(refused["code"], -32096);
    assert_eq!(
        refused["data"],
        "2 providers of one machine or user are open, more are not allowed (a quarter of providers_max)"
    );
    for (n, remote) in [ELSEWHERE, ELSEWHERE, NEAR, NEAR, NEAR, NEAR].into_iter().enumerate() {
        assert_eq!(open(&mut world, remote, &format!("E{n}")), Value::Null);
    }
}

#[test]
fn one_other_machine_makes_a_quarter_of_the_sessions() {
    let mut world = World::plain();
    let clients = [(FAR, "CA"), (ELSEWHERE, "CB"), (NEAR, "CC")].map(|(remote, name)| {
        let client = dealer(&mut world, remote);
        assert_eq!(code(&call(&mut world, client, name, "sign_in", &Value::Null)), None);
        (client, name)
    });
    let mut make = |n: usize, at: usize| {
        let (client, name) = clients[at];
        call(&mut world, client, name, "create_session", &json!({"name": format!("s{n}")}))
    };
    for n in 0..SESSIONS_MAX / 4 {
        assert_eq!(code(&make(n, 0)), None);
    }
    let refused = make(1000, 0);
    let data = &refused["error"]["data"];
    assert_eq!((code(&refused), &data["details"]["MAX_SESSIONS"]), (Some(-32030), &json!(SESSIONS_MAX / 4)), "{data}");
    assert_eq!(code(&make(3, 0)), None, "one that is there can be given other words");
    for at in [1, 2] {
        assert_eq!(code(&make(1000 + at, at)), None);
    }
}

#[test]
fn a_kernel_on_this_machine_is_for_those_on_this_machine() {
    for (remote, dial_local, is_let) in [(NEAR, false, true), (FAR, false, false), (FAR, true, true)] {
        let addresses = ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1"];
        let names = ["localhost", "LOCALHOST", "localhost.", "kernel.localhost"];
        let numbers = ["127.1", "0", "127.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "0x7F000001", "169.16689662"];
        for host in addresses.into_iter().chain(names).chain(numbers) {
            let mut world = World::new(Config { dial_local, ..config(1) });
            let client = dealer(&mut world, remote);
            assert_eq!(code(&call(&mut world, client, "CA", "sign_in", &Value::Null)), None);
            let params = json!({"address": {"host": host, "port": 27931}});
            let answer = call(&mut world, client, "CA", "open_provider", &params);
            let why = format!("{host} is not connected to for another machine (dial_local)");
            let expected = if is_let { Value::Null } else { why.into() };
            assert_eq!(answer["error"]["data"], expected, "{remote} {dial_local} {host}");
        }
    }
}

#[test]
fn what_only_looks_like_this_machine_is_looked_up() {
    for host in
        ["128.1", "127.0.0.1.1", "127.0.0.256", "0x7g.1", "127..1", "0xffffffffff", "localhost.example", "1.2.3.4"]
    {
        let mut world = World::new(config(1));
        let client = dealer(&mut world, FAR);
        assert_eq!(code(&call(&mut world, client, "CA", "sign_in", &Value::Null)), None);
        let params = json!({"address": {"host": host, "port": 27931}});
        let answer = call(&mut world, client, "CA", "open_provider", &params);
        assert_eq!(answer["error"], Value::Null, "{host}");
    }
}
