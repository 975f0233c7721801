//! Who is connected and how each fares, as `send_connections` tells it, and as `instep ctl` shows it.

use instep::config::Config;
use instep::hub::Door;
use serde_json::{Value, json};

use crate::common::live::{Live, Raw};
use crate::common::member::Member;
use crate::common::program::run;
use crate::common::world::{World, config};

/// What is told, asked by a Component of its own.
fn told(world: &mut World, asker: &mut Member, params: &Value) -> Value {
    let answer = asker.ask(world, "N1.COORDINATOR", "send_connections", params);
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// The row of a name or address.
fn row<'a>(told: &'a Value, name: &str) -> &'a Value {
    let rows = told["connections"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

#[test]
fn what_goes_through_a_connection_is_counted_each_way() {
    let mut world = World::plain();
    let [from, to] = ["CA", "CB"].map(|name| world.component(name));
    let mut asker = Member::new(&mut world, 0, "ASKER");
    let before = told(&mut world, &mut asker, &Value::Null);
    for _ in 0..10 {
        world.send(from, "N1.CB", "N1.CA", &[b"x"]);
    }
    world.hear(to);
    let after = told(&mut world, &mut asker, &Value::Null);
    let more = |name: &str, column: &str| {
        row(&after, name)[column].as_u64().unwrap() - row(&before, name)[column].as_u64().unwrap()
    };
    assert_eq!((more("N1.CA", "messages_in"), more("N1.CA", "messages_out")), (10, 0));
    assert_eq!((more("N1.CB", "messages_in"), more("N1.CB", "messages_out")), (0, 10));
    assert_eq!(more("N1.CA", "bytes_in"), more("N1.CB", "bytes_out"));
    assert!(more("N1.CA", "bytes_in") > 10 * 30);
    assert_eq!(row(&after, "N1.CB")["dialect"], "leco");
    assert_eq!((&row(&after, "N1.CB")["waiting_bytes"], &row(&after, "N1.CB")["drops"]), (&json!(0), &json!(0)));
}

#[test]
fn many_messages_in_one_read_are_counted_each() {
    let mut world = World::plain();
    let [from, to] = ["CA", "CB"].map(|name| world.component(name));
    let mut asker = Member::new(&mut world, 0, "ASKER");
    let before = told(&mut world, &mut asker, &Value::Null);
    let one = crate::common::wire::leco(b"N1.CB", b"N1.CA", 1, &[b"x"]);
    world.feed(from, &one.repeat(100));
    assert_eq!(world.hear(to).len(), 100);
    let after = told(&mut world, &mut asker, &Value::Null);
    for (name, column) in [("N1.CA", "messages_in"), ("N1.CB", "messages_out")] {
        let [before, after] = [&before, &after].map(|told| row(told, name)[column].as_u64().unwrap());
        assert_eq!(after - before, 100, "{name} {column}");
    }
}

#[test]
fn who_is_slow_comes_first_and_who_it_holds_is_told() {
    let mut world = World::new(Config { stall_ms: 1000, slow_ms: 60_000, ring_bytes_max: 64 << 10, ..config(1) });
    let [from, slow] = ["CA", "SLOW"].map(|name| world.component(name));
    let mut asker = Member::new(&mut world, 0, "ASKER");
    world.limit(slow, 0);
    for _ in 0..80 {
        world.send(from, "N1.SLOW", "N1.CA", &[&[7; 1000]]);
    }
    world.wait(500);
    let now = told(&mut world, &mut asker, &json!({"most": 1}));
    assert_eq!(now["connections"][0]["name"], "N1.SLOW");
    assert!(now["connections"][0]["waiting_bytes"].as_u64().unwrap() > 60_000, "{now}");
    assert!(now["total"].as_u64().unwrap() >= 3 && now["connections"].as_array().unwrap().len() == 1);
    let held = told(&mut world, &mut asker, &json!({"by": "held_ms"}));
    let first = &held["connections"][0];
    assert_eq!((&first["name"], &first["held"], &first["held_ms"]), (&json!("N1.CA"), &json!(true), &json!(500)));
    world.wait(10_000);
    let later = told(&mut world, &mut asker, &json!({"by": "drops"}));
    assert_eq!(later["connections"][0]["name"], "N1.SLOW");
    assert!(later["connections"][0]["drops"].as_u64().unwrap() > 5, "{later}");
    assert!(row(&later, "N1.CA")["held_ms"].as_u64().unwrap() >= 1000);
}

#[test]
fn every_kind_of_connection_has_a_name_of_its_own_kind() {
    let mut world = World::new(config(1));
    world.add_hub(Config { coordinators: vec!["n1".into()], ..config(2) });
    world.wait(1000);
    for door in [Door::Control, Door::Viewer, Door::Http, Door::Stomp] {
        world.connect_at(0, door, "10.0.0.5:5000").unwrap();
    }
    let mut asker = Member::new(&mut world, 0, "ASKER");
    let all = told(&mut world, &mut asker, &json!({"by": "age_s"}));
    let mut dialects: Vec<_> = all["connections"].as_array().unwrap().iter().map(|row| &row["dialect"]).collect();
    dialects.sort_by_key(|word| word.to_string());
    assert_eq!(dialects, ["control", "http", "leco", "node", "node", "stomp", "viewer"]);
    assert!(row(&all, "N2.COORDINATOR")["messages_in"].as_u64().is_some());
    let some = told(&mut world, &mut asker, &json!({"name": "10.0.0.5"}));
    assert_eq!(some["total"], 4);
    assert_eq!(told(&mut world, &mut asker, &json!({"name": "N2."}))["total"], 2);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let mut world = World::plain();
    let mut asker = Member::new(&mut world, 0, "ASKER");
    for (params, part) in [
        (json!({"by": "size"}), "waiting_bytes"),
        (json!({"most": 0}), "1 to 1000"),
        (json!({"most": 1001}), "1 to 1000"),
        (json!({"most": "x"}), "1 to 1000"),
        (json!({"name": 3}), "part of a name"),
    ] {
        let answer = asker.ask(&mut world, "N1.COORDINATOR", "send_connections", &params);
        assert_eq!(answer["error"]["code"], -32602);
        assert!(answer["error"]["data"].as_str().unwrap().contains(part), "{answer}");
    }
}

#[test]
fn the_command_line_shows_connections_once_and_live_and_whether_all_is_well() {
    let live = Live::plain();
    let _component = Raw::component(&live, "supply");
    let address = live.address.to_string();
    let ctl = |words: &[&str]| {
        let words = [&["ctl", "-a", &address], words].concat();
        let done = run(&words);
        assert_eq!(done.code, 0, "{words:?}: {done:?}");
        done.out
    };
    let table = ctl(&["connections", "--by", "heard"]);
    assert!(table.starts_with("NAME") && table.contains("N1.supply") && table.contains("127.0.0.1:"), "{table}");
    let json: Value = serde_json::from_str(&ctl(&["--json", "connections", "supply"])).unwrap();
    assert_eq!((&json["total"], &json["connections"][0]["dialect"]), (&json!(1), &json!("leco")));
    let top = ctl(&["top", "-n", "2"]);
    assert_eq!(top.matches(" connections, ").count(), 2, "{top}");
    assert!(top.lines().all(|line| line.chars().count() <= 80) && !top.contains('\x1b'), "{top}");
    let status = ctl(&["status"]);
    assert!(
        status.starts_with("N1.COORDINATOR at ") && status.contains("session     default UNINITIALIZED"),
        "{status}"
    );
    assert!(status.contains("\nprocess     up ") && status.contains("B in memory"), "{status}");
    let wrong = run(&["ctl", "-a", &address, "connections", "--by", "size"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("waiting_bytes"), "{wrong:?}");
}
