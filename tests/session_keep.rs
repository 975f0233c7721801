//! Sessions that outlive their process: nothing is said before it is durable, nothing that was said is missing afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod common;

use common::c2sim;
use common::ledger::Memory;
use common::member::{Member, brief, code_of};
use common::world::{World, config};
use instep::config::{Config, Predefined};
use instep::hub::{Hub, Start};
use instep::time::Tick;
use serde_json::{Value, json};

/// A world with a ledger in which everything is durable.
fn kept(config: Config) -> (World, Memory) {
    let mut world = World::new(config);
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    (world, ledger)
}

/// Asks, and lets the disk do its work.
fn ask(world: &mut World, ledger: &Memory, member: &mut Member, method: &str, params: &Value) -> Value {
    let conversation = member.send(world, "N1.session:default", method, params);
    ledger.settle_all(world, 0);
    member.answer(world, conversation, "N1.session:default")
}

fn info(world: &mut World, member: &mut Member) -> Value {
    member.ask(world, "N1.session:default", "info", &Value::Null)["result"].clone()
}

/// The process is killed and starts again.
fn restart(world: &mut World, ledger: &Memory, config: Config) {
    ledger.crash();
    world.kill(0);
    world.revive(0, config);
    ledger.give_to(world, 0);
    ledger.settle_all(world, 0);
}

#[test]
fn nothing_is_answered_or_told_before_it_is_durable() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.events(&mut world);
    let before = ledger.commits();
    let conversation = a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    assert!(a.events(&mut world).is_empty() && b.events(&mut world).is_empty());
    assert_eq!((ledger.waiting(), ledger.commits() - before), (1, 1));
    // Who asks meanwhile stands in line; other business goes on.
    let question = b.send(&mut world, "N1.session:default", "info", &Value::Null);
    assert!(b.events(&mut world).is_empty());
    assert_eq!(b.ask(&mut world, "COORDINATOR", "pong", &Value::Null)["result"], Value::Null);
    let listed = b.ask(&mut world, "COORDINATOR", "send_sessions", &Value::Null);
    assert_eq!(listed["result"][0]["state"], "UNINITIALIZED", "not yet");
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, conversation, "N1.session:default")["result"]["state"], "INITIALIZING");
    let answer = b.answer(&mut world, question, "N1.session:default");
    assert_eq!(answer["result"]["state"], "INITIALIZING", "whoever stood in line sees what was before it");
    assert_eq!(brief(&b.events(&mut world)), [("state SUBMIT_INITIALIZATION INITIALIZING".to_owned(), 3)]);
    assert_eq!(world.count("session_requests_queued"), 1);
}

#[test]
fn messages_are_never_written() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let document = c2sim::initialization("A", &["A"]);
    let at = a.send_document(&mut world, &document);
    ledger.settle_all(&mut world, 0);
    a.answer(&mut world, at, "N1.session:default");
    for method in ["share_scenario", "start_scenario"] {
        ask(&mut world, &ledger, &mut a, method, &Value::Null);
    }
    a.events(&mut world);
    let before = ledger.commits();
    for _ in 0..100 {
        assert_eq!(a.document(&mut world, &c2sim::domain("A", "ReportBody", 10))["result"]["kind"], "REPORT");
    }
    assert_eq!(ledger.commits(), before);
}

#[test]
fn state_numbers_options_and_initialization_come_back() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let made = a.send(
        &mut world,
        "COORDINATOR",
        "create_session",
        &json!({"name": "a.b", "init_merge": "marshal", "description": "d"}),
    );
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, made, "COORDINATOR")["result"]["creation"], "CREATED");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let at = a.send_document(&mut world, &c2sim::initialization("A", &["A", "B"]));
    ledger.settle_all(&mut world, 0);
    a.answer(&mut world, at, "N1.session:default");
    ask(&mut world, &ledger, &mut a, "initialization_complete", &Value::Null);
    let last = info(&mut world, &mut a)["seq"].as_u64().unwrap();
    restart(&mut world, &ledger, config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let back = info(&mut world, &mut a);
    assert_eq!((&back["state"], &back["kept"]), (&json!("INITIALIZING"), &json!(true)));
    assert!(back["seq"].as_u64().unwrap() > last, "no number is given twice");
    let refused = ask(&mut world, &ledger, &mut a, "start_scenario", &Value::Null);
    assert_eq!(code_of(&refused), "STATE_TRANSITION_NOT_ALLOWED");
    let shared = ask(&mut world, &ledger, &mut a, "share_scenario", &Value::Null);
    assert_eq!(shared["result"]["state"], "INITIALIZED", "the stored document was there: {shared}");
    let body = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null)["result"].clone();
    restart(&mut world, &ledger, config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    assert_eq!(a.ask(&mut world, "N1.session:default", "initialization", &Value::Null)["result"], body);
    let other = a.ask(&mut world, "N1.session:a%2Eb", "info", &Value::Null)["result"].clone();
    assert_eq!((&other["options"]["init_merge"], &other["info"]["description"]), (&json!("marshal"), &json!("d")));
    assert_eq!(
        ledger.keys(),
        ["session/a.b", "session/default", "shared/default"],
        "the documents went with the share"
    );
    ask(&mut world, &ledger, &mut a, "reset_scenario", &Value::Null);
    assert_eq!(ledger.keys(), ["session/a.b", "session/default"]);
    let gone = a.send(&mut world, "COORDINATOR", "delete_session", &json!({"name": "a.b"}));
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, gone, "COORDINATOR")["result"], Value::Null);
    assert_eq!(ledger.keys(), ["session/default"]);
}

#[test]
fn what_was_not_durable_has_not_happened() {
    let (mut world, ledger) = kept(config(1));
    let a = Member::joined(&mut world, 0, "A", "json");
    a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    assert_eq!(ledger.waiting(), 1);
    restart(&mut world, &ledger, config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    assert_eq!(info(&mut world, &mut a)["state"], "UNINITIALIZED");
}

#[test]
fn a_disk_that_refuses_is_told_to_whoever_asked_and_nothing_changes() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.events(&mut world);
    let conversation = a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    ledger.fail(&mut world, 0, "no space left on device");
    let refused = a.answer(&mut world, conversation, "N1.session:default");
    assert_eq!(code_of(&refused), "IO_ERROR");
    assert_eq!(refused["error"]["data"]["details"]["REASON"], "no space left on device");
    assert!(b.events(&mut world).is_empty());
    assert_eq!(info(&mut world, &mut a)["state"], "UNINITIALIZED");
    let made = a.send(&mut world, "COORDINATOR", "create_session", &json!({"name": "x"}));
    ledger.fail(&mut world, 0, "no space left on device");
    assert_eq!(code_of(&a.answer(&mut world, made, "COORDINATOR")), "IO_ERROR");
    assert_eq!(code_of(&a.ask(&mut world, "N1.session:x", "info", &Value::Null)), "SHARED_SESSION_NOT_FOUND");
    assert_eq!(world.count("commits_failed"), 2);
}

#[test]
fn a_batch_goes_on_where_it_waited() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let call = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch = json!([call(1, "submit_initialization"), call(2, "info"), call(3, "reset_scenario"), call(4, "info")]);
    let conversation = world.send(a.client, "N1.session:default", "N1.A", &[batch.to_string().as_bytes()]);
    assert!(ledger.settle(&mut world, 0));
    assert_eq!(ledger.waiting(), 1, "the second change waits too");
    ledger.settle_all(&mut world, 0);
    let answer = a.answer(&mut world, conversation, "N1.session:default");
    let states: Vec<&str> = (0..4).map(|n| answer[n]["result"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["INITIALIZING", "INITIALIZING", "UNINITIALIZED", "UNINITIALIZED"]);
}

#[test]
fn too_many_who_wait_are_refused() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    let mut asked = Vec::new();
    for _ in 0..300 {
        asked.push(a.send(&mut world, "N1.session:default", "info", &Value::Null));
    }
    let last = a.answer(&mut world, asked[299], "N1.session:default");
    assert_eq!(last["error"]["code"], -32094, "{last}");
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, asked[0], "N1.session:default")["result"]["state"], "INITIALIZING");
}

#[test]
fn numbers_never_run_out_and_never_come_twice() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::new(&mut world, 0, "B");
    let mut last = 0;
    for _ in 0..20_000 {
        b.send(&mut world, "N1.session:default", "join", &Value::Null);
        b.send(&mut world, "N1.session:default", "resign", &Value::Null);
        ledger.settle_all(&mut world, 0);
        world.hear(b.client);
        for (event, _) in a.events(&mut world) {
            let seq = event["seq"].as_u64().unwrap();
            assert_eq!(seq, if last == 0 { seq } else { last + 1 });
            last = seq;
        }
    }
    assert!(last > 40_000 && ledger.commits() < 20, "{last} events, {} commits", ledger.commits());
    restart(&mut world, &ledger, config(1));
    let mut a = Member::new(&mut world, 0, "A");
    let joined = a.ask(&mut world, "N1.session:default", "join", &json!({"after": last}));
    assert!(joined["result"]["seq"].as_u64().unwrap() > last);
    assert_eq!(joined["result"]["events"]["complete"], false, "what happened meanwhile nobody knows");
}

#[test]
fn a_stop_in_order_gives_the_numbers_back_that_were_not_given() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.wait(3000);
    ledger.settle_all(&mut world, 0);
    restart(&mut world, &ledger, config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let seq = info(&mut world, &mut a)["seq"].as_u64().unwrap();
    assert!(seq < 10, "{seq}");
}

#[test]
fn a_schedule_outlives_the_process_and_is_kept_although_nobody_was_there_at_its_moment() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let start = 1_700_000_000_000 - 1000;
    let at = start + world.now.0 + 5000;
    let answer = ask(&mut world, &ledger, &mut a, "submit_initialization", &json!({"at": at}));
    assert_eq!(answer["result"]["effective_at"], at);
    restart(&mut world, &ledger, config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    assert_eq!(info(&mut world, &mut a)["scheduled"]["at"], at);
    world.wait(5100);
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.events(&mut world).last().unwrap().0["state"], "INITIALIZING");
    let at = start + world.now.0 + 5000;
    ask(&mut world, &ledger, &mut a, "reset_scenario", &json!({"at": at}));
    ledger.crash();
    world.kill(0);
    world.wait(60_000);
    restart(&mut world, &ledger, config(1));
    world.wait(10);
    ledger.settle_all(&mut world, 0);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    assert_eq!(info(&mut world, &mut a)["state"], "UNINITIALIZED");
}

#[test]
fn the_configuration_goes_over_what_was_kept() {
    let (mut world, ledger) = kept(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let mut title = Predefined { name: "default".to_owned(), title: "Main".to_owned(), ..Predefined::default() };
    title.options.set("paused_allows", "all").unwrap();
    restart(&mut world, &ledger, Config { sessions: vec![title], ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let back = info(&mut world, &mut a);
    assert_eq!((&back["state"], &back["options"]["paused_allows"]), (&json!("INITIALIZING"), &json!("all")));
    assert_eq!(back["info"]["displayName"], "Main");
}

#[test]
fn a_ledger_that_no_hub_has_written_is_refused_with_a_reason() {
    let start = Start { seed: 1, now: Tick(0), unix_ms: 1 };
    for (key, value, wanted) in [
        ("nonsense", "", "the ledger has an entry 'nonsense' that is none of ours"),
        ("session/x", "{", "the ledger's session 'x' cannot be read: EOF"),
        ("session/x", "{}", "the ledger's session 'x' cannot be read: paused_allows is missing or wrong"),
        ("session/a b", "{}", "the ledger's session 'a b' cannot be read: its name is not legal"),
        ("document/x/y", "", "the ledger has an entry 'document/x/y' that is none of ours"),
    ] {
        let ledger = Memory::default();
        ledger.put(key, value);
        let mut hub = Hub::new(config(1), start);
        let refused = hub.set_ledger(Box::new(ledger)).unwrap_err();
        assert!(refused.starts_with(wanted), "{refused}");
    }
}
