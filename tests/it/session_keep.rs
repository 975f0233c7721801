//! Sessions that outlive their process: nothing is said before it is durable, nothing that was said is missing afterwards.

use std::collections::BTreeMap;

use crate::common::c2sim;
use crate::common::driver;
use crate::common::guest::take_answer;
use crate::common::ledger::Memory;
use crate::common::member::{Member, brief, code_of};
use crate::common::wire;
use crate::common::world::{World, config};
use instep::config::{Config, Predefined};
use instep::control::client::{ControlRequest, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::function::{Argument, Function};
use instep::control::viewer::Bits;
use instep::hub::ledger::Ticket;
use instep::hub::{Door, Hub, Output, PeerKey, Start};
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

/// A member that is on the disk.
fn joined(world: &mut World, ledger: &Memory, name: &str) -> Member {
    Member::kept(world, ledger, 0, name, "json")
}

/// The keys that are kept, but for those of members.
fn keys(ledger: &Memory) -> Vec<String> {
    ledger.keys().into_iter().filter(|key| !key.starts_with("member/")).collect()
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

/// Joins and resigns, without waiting for the answers: two events.
fn come_and_go(world: &mut World, member: &Member) {
    for method in ["join", "resign"] {
        member.send(world, "N1.session:default", method, &Value::Null);
    }
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
    let mut a = joined(&mut world, &ledger, "A");
    let mut b = joined(&mut world, &ledger, "B");
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
    let mut a = joined(&mut world, &ledger, "A");
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
    for _ in 0..3 {
        let at = a.send_document(&mut world, &c2sim::multiple("A", "2"));
        ledger.settle_all(&mut world, 0);
        assert_eq!(a.answer(&mut world, at, "N1.session:default")["result"]["state"], "RUNNING");
    }
    assert_eq!(ledger.commits(), before + 1, "only what changes anything");
}

#[test]
fn state_numbers_options_and_initialization_come_back() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
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
    let mut a = joined(&mut world, &ledger, "A");
    let back = info(&mut world, &mut a);
    assert_eq!((&back["state"], &back["kept"]), (&json!("INITIALIZING"), &json!(true)));
    assert!(back["seq"].as_u64().unwrap() > last, "no number is given twice");
    let refused = ask(&mut world, &ledger, &mut a, "start_scenario", &Value::Null);
    assert_eq!(code_of(&refused), "STATE_TRANSITION_NOT_ALLOWED");
    let shared = ask(&mut world, &ledger, &mut a, "share_scenario", &Value::Null);
    assert_eq!(shared["result"]["state"], "INITIALIZED", "the stored document was there: {shared}");
    let body = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null)["result"].clone();
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(a.ask(&mut world, "N1.session:default", "initialization", &Value::Null)["result"], body);
    let other = a.ask(&mut world, "N1.session:a%2Eb", "info", &Value::Null)["result"].clone();
    assert_eq!((&other["options"]["init_merge"], &other["info"]["description"]), (&json!("marshal"), &json!("d")));
    assert_eq!(
        keys(&ledger),
        ["session/a.b", "session/default", "shared/default"],
        "the documents went with the share"
    );
    ask(&mut world, &ledger, &mut a, "reset_scenario", &Value::Null);
    assert_eq!(keys(&ledger), ["session/a.b", "session/default"]);
    let gone = a.send(&mut world, "COORDINATOR", "delete_session", &json!({"name": "a.b"}));
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, gone, "COORDINATOR")["result"], Value::Null);
    assert_eq!(keys(&ledger), ["session/default"]);
}

#[test]
fn what_was_not_durable_has_not_happened() {
    let (mut world, ledger) = kept(config(1));
    let a = joined(&mut world, &ledger, "A");
    a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    assert_eq!(ledger.waiting(), 1);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(info(&mut world, &mut a)["state"], "UNINITIALIZED");
}

#[test]
fn a_disk_that_refuses_is_told_to_whoever_asked_and_nothing_changes() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let mut b = joined(&mut world, &ledger, "B");
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
    let looker = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
    let health = |world: &mut World| {
        world.feed(looker, b"GET /health HTTP/1.1\r\nHost: lab\r\n\r\n");
        take_answer(&mut world.clients[looker].read).unwrap()
    };
    let said = health(&mut world);
    let why = "what sessions are to keep could not be written (state_dir)";
    assert_eq!((said.status, &said.json()["status"], &said.json()["reason"]), (503, &json!("DOWN"), &json!(why)));
    a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    ledger.settle_all(&mut world, 0);
    let said = health(&mut world);
    assert_eq!((said.status, &said.json()["status"]), (200, &json!("UP")), "the next write was made");
}

#[test]
fn a_batch_goes_on_where_it_waited() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
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
    let mut a = joined(&mut world, &ledger, "A");
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
    let mut a = joined(&mut world, &ledger, "A");
    let b = Member::new(&mut world, 0, "B");
    let mut last = 0;
    for _ in 0..20_000 {
        come_and_go(&mut world, &b);
        ledger.settle_all(&mut world, 0);
        world.hear(b.client);
        for (event, _) in a.events(&mut world) {
            let seq = event["seq"].as_u64().unwrap();
            assert_eq!(seq, if last == 0 { seq } else { last + 1 });
            last = seq;
        }
    }
    assert!(last > 40_000 && ledger.session_commits() < 20, "{last} events");
    restart(&mut world, &ledger, config(1));
    let mut a = Member::new(&mut world, 0, "A");
    let joined = ask(&mut world, &ledger, &mut a, "join", &json!({"after": last}));
    assert!(joined["result"]["seq"].as_u64().unwrap() > last);
    assert_eq!(joined["result"]["events"]["complete"], false, "what happened meanwhile nobody knows");
}

#[test]
fn a_stop_in_order_gives_the_numbers_back_that_were_not_given() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.wait(3000);
    ledger.settle_all(&mut world, 0);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let seq = info(&mut world, &mut a)["seq"].as_u64().unwrap();
    assert!(seq < 10, "{seq}");
}

#[test]
fn a_schedule_outlives_the_process_and_is_kept_although_nobody_was_there_at_its_moment() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let start = 1_700_000_000_000 - 1000;
    let at = start + world.now.0 + 5000;
    let answer = ask(&mut world, &ledger, &mut a, "submit_initialization", &json!({"at": at}));
    assert_eq!(answer["result"]["effective_at"], at);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
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
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(info(&mut world, &mut a)["state"], "UNINITIALIZED");
}

#[test]
fn the_configuration_goes_over_what_was_kept() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let mut title = Predefined { name: "default".to_owned(), title: "Main".to_owned(), ..Predefined::default() };
    title.options.set("paused_allows", "all").unwrap();
    restart(&mut world, &ledger, Config { sessions: vec![title], ..config(1) });
    let mut a = joined(&mut world, &ledger, "A");
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
        ("session/x", "{\"version\": \"1\"}", "the ledger's session 'x' cannot be read: version is missing or wrong"),
        ("session/x", "{\"version\": 0}", "the ledger's session 'x' cannot be read: version is missing or wrong"),
    ] {
        let ledger = Memory::default();
        ledger.put(key, value);
        let mut hub = Hub::new(config(1), start).unwrap();
        let refused = hub.set_ledger(Box::new(ledger)).unwrap_err();
        assert!(refused.starts_with(wanted), "{refused}");
    }
}

#[test]
fn records_have_a_version_and_those_of_before_it_are_read_too() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    let before = info(&mut world, &mut a);
    let mut record: Value = serde_json::from_str(&ledger.get("session/default").unwrap()).unwrap();
    // As it was written before records had a version.
    assert_eq!(record.as_object_mut().unwrap().remove("version"), Some(json!(2)));
    assert_eq!(record.as_object_mut().unwrap().remove("id"), Some(json!(1)));
    ledger.put("session/default", &record.to_string());
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let back = info(&mut world, &mut a);
    assert_eq!((&back["state"], &back["info"]), (&before["state"], &before["info"]));
    let record: Value = serde_json::from_str(&ledger.get("session/default").unwrap()).unwrap();
    assert_eq!(record["version"], 2, "the next write is of today");
}

#[test]
fn a_newer_ledger_is_refused_with_its_version_and_stays_as_it_is() {
    let (_, ledger) = kept(config(1));
    let old: Value = serde_json::from_str(&ledger.get("session/default").unwrap()).unwrap();
    let mut newer = old.clone();
    newer["version"] = json!(3);
    ledger.put("session/newer", &newer.to_string());
    // Nor does it help to have what nobody of this version knows.
    ledger.put("archive/default", "");
    let commits = ledger.commits();
    let mut hub = Hub::new(config(1), Start { seed: 1, now: Tick(0), unix_ms: 1 }).unwrap();
    let refused = hub.set_ledger(Box::new(ledger.clone())).unwrap_err();
    let wanted = "the ledger's session 'newer' cannot be read: it has version 3, and this program knows versions up to 2: start a newer \
                  instep, or use another state_dir";
    assert_eq!(refused, wanted);
    assert_eq!((ledger.commits(), ledger.get("session/newer").unwrap()), (commits, newer.to_string()));
}

#[test]
fn what_was_answered_counts_while_the_configuration_stays_as_it_is() {
    let drill = Predefined { name: "drill".to_owned(), ..Predefined::default() };
    let configured = || Config { sessions: vec![drill.clone()], ..config(1) };
    let (mut world, ledger) = kept(configured());
    let mut a = Member::new(&mut world, 0, "A");
    let wish = json!({"name": "drill", "paused_allows": "all", "display_name": "Mine"});
    let at = a.send(&mut world, "COORDINATOR", "create_session", &wish);
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, at, "COORDINATOR")["result"]["creation"], "UPDATED");
    restart(&mut world, &ledger, configured());
    let mut a = Member::new(&mut world, 0, "A");
    let back = a.ask(&mut world, "N1.session:drill", "info", &Value::Null)["result"].clone();
    assert_eq!((&back["options"]["paused_allows"], &back["info"]["displayName"]), (&json!("all"), &json!("Mine")));
}

#[test]
fn changes_that_stand_in_line_are_made_one_after_the_other() {
    let (mut world, ledger) = kept(config(1));
    let mut members: Vec<Member> = (0..4).map(|n| Member::new(&mut world, 0, &format!("M{n}"))).collect();
    let wish = |n: usize| json!({"name": "default", "description": n.to_string()});
    let asked: Vec<u64> =
        (0..4).map(|n| members[n].send(&mut world, "COORDINATOR", "create_session", &wish(n))).collect();
    let gone = members[0].send(&mut world, "COORDINATOR", "delete_session", &json!({"name": "default"}));
    for n in 0..4 {
        assert_eq!(ledger.waiting(), 1, "one at a time");
        ledger.settle(&mut world, 0);
        world.wait(1);
        let answer = members[n].answer(&mut world, asked[n], "COORDINATOR");
        assert_eq!(answer["result"]["session"]["info"]["description"], n.to_string());
    }
    assert_eq!(code_of(&members[0].answer(&mut world, gone, "COORDINATOR")), "NOT_IMPLEMENTED");
    assert_eq!(world.count("session_requests_queued"), 3);
}

/// An initialization is stored, and its share is scheduled and due, when the disk refuses.
fn a_share_that_could_not_be_written() -> (World, Memory, Member) {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
    hand_in(&mut world, &ledger, &mut a, &c2sim::initialization("A", &["SA"]));
    let at = 1_700_000_000_000 - 1000 + world.now.0 + 5000;
    ask(&mut world, &ledger, &mut a, "share_scenario", &json!({"at": at}));
    world.wait(5100);
    assert_eq!(info(&mut world, &mut a)["state"], "INITIALIZED", "the schedule was durable");
    ledger.fail(&mut world, 0, "no space left on device");
    (world, ledger, a)
}

fn hand_in(world: &mut World, ledger: &Memory, member: &mut Member, text: &str) -> Value {
    let at = member.send_document(world, text);
    ledger.settle_all(world, 0);
    member.answer(world, at, "N1.session:default")
}

#[test]
fn a_write_that_failed_is_made_good_by_the_next_one() {
    let (mut world, ledger, mut a) = a_share_that_could_not_be_written();
    ask(&mut world, &ledger, &mut a, "start_scenario", &Value::Null);
    assert_eq!(keys(&ledger), ["session/default", "shared/default"]);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(info(&mut world, &mut a)["state"], "RUNNING");
    let body = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null);
    assert!(body["result"].as_str().unwrap().contains("<SystemName>SA</SystemName>"), "{body}");
}

#[test]
fn a_write_that_failed_leaves_nothing_behind() {
    let (mut world, ledger, mut a) = a_share_that_could_not_be_written();
    for trigger in ["stop_scenario", "reset_scenario", "submit_initialization"] {
        ask(&mut world, &ledger, &mut a, trigger, &Value::Null);
    }
    assert_eq!(keys(&ledger), ["session/default"]);
    hand_in(&mut world, &ledger, &mut a, &c2sim::initialization("B", &["SB"]));
    ask(&mut world, &ledger, &mut a, "share_scenario", &Value::Null);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let body = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null);
    let body = body["result"].as_str().unwrap();
    assert!(body.contains("SB") && !body.contains("SA"), "{body}");
}

#[test]
fn what_could_not_be_written_is_tried_again_with_a_later_event() {
    let (mut world, ledger, mut a) = a_share_that_could_not_be_written();
    a.ask(&mut world, "N1.session:default", "resign", &Value::Null);
    ledger.settle_members(&mut world, 0);
    assert_eq!(ledger.waiting(), 0, "not at once");
    world.wait(11_000);
    let mut b = Member::new(&mut world, 0, "B");
    b.send(&mut world, "N1.session:default", "join", &Value::Null);
    assert_eq!(ledger.waiting(), 2, "the session, and its member");
    ledger.settle_all(&mut world, 0);
    assert_eq!(keys(&ledger), ["session/default", "shared/default"]);
    assert_eq!(info(&mut world, &mut b)["state"], "INITIALIZED");
}

#[test]
fn documents_come_back_in_their_order_whatever_the_options_say_now() {
    let mut shared = Vec::new();
    for restarted in [false, true] {
        let (mut world, ledger) = kept(config(1));
        let mut a = joined(&mut world, &ledger, "A");
        let merge = |world: &mut World, a: &mut Member, word: &str| {
            let wish = json!({"name": "default", "init_merge": word});
            let at = a.send(world, "COORDINATOR", "create_session", &wish);
            ledger.settle_all(world, 0);
            assert_eq!(a.answer(world, at, "COORDINATOR")["result"]["creation"], "UPDATED");
        };
        merge(&mut world, &mut a, "marshal");
        ask(&mut world, &ledger, &mut a, "submit_initialization", &Value::Null);
        // The third takes the place of the first, in front of the second.
        for (sender, system) in [("A", "SA"), ("B", "SB"), ("A", "SA")] {
            hand_in(&mut world, &ledger, &mut a, &c2sim::initialization(sender, &[system]));
        }
        merge(&mut world, &mut a, "replace");
        if restarted {
            restart(&mut world, &ledger, config(1));
            a = joined(&mut world, &ledger, "A");
            // A change after the restart must not mix the documents up either.
            ask(&mut world, &ledger, &mut a, "initialization_complete", &Value::Null);
            restart(&mut world, &ledger, config(1));
            a = joined(&mut world, &ledger, "A");
        }
        let answer = ask(&mut world, &ledger, &mut a, "share_scenario", &Value::Null);
        assert_eq!(answer["result"]["state"], "INITIALIZED", "{answer}");
        let body = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null);
        let body = body["result"].as_str().unwrap();
        shared.push(body[body.find("<MessageBody>").unwrap()..].to_owned());
    }
    assert_eq!(shared[0], shared[1]);
    assert!(shared[0].find("SA").unwrap() < shared[0].find("SB").unwrap());
}

#[test]
fn numbers_are_not_given_twice_although_the_disk_hangs() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let b = Member::new(&mut world, 0, "B");
    let mut last = 0;
    for _ in 0..20_000 {
        come_and_go(&mut world, &b);
        world.hear(b.client);
        for (event, _) in a.events(&mut world) {
            last = event["seq"].as_u64().unwrap();
        }
    }
    assert!(world.count("session_requests_queued") > 0, "at last somebody had to wait");
    restart(&mut world, &ledger, config(1));
    let mut a = Member::new(&mut world, 0, "A");
    let joined = ask(&mut world, &ledger, &mut a, "join", &json!({"after": last}));
    assert!(joined["result"]["seq"].as_u64().unwrap() > last, "{last}: {joined}");
}

#[test]
fn who_cannot_have_a_number_is_refused_where_the_disk_fails() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let b = Member::new(&mut world, 0, "B");
    while ledger.waiting() == 0 {
        come_and_go(&mut world, &b);
        ledger.settle_members(&mut world, 0);
        world.hear(b.client);
        a.events(&mut world);
    }
    while world.count("session_requests_queued") == 0 {
        come_and_go(&mut world, &b);
        a.events(&mut world);
    }
    ledger.fail(&mut world, 0, "no space left on device");
    world.wait(10);
    let c = Member::new(&mut world, 0, "C");
    let mut c = c;
    let answer = c.ask(&mut world, "N1.session:default", "join", &Value::Null);
    assert_eq!(code_of(&answer), "IO_ERROR", "{answer}");
    assert_eq!(a.ask(&mut world, "N1.session:default", "resign", &Value::Null)["result"], Value::Null);
}

#[test]
fn what_is_being_written_counts_as_memory_in_use() {
    let lean = Config { message_bytes_max: 2 << 20, memory_max: 16 << 20, ring_bytes_max: 2 << 20, ..config(1) };
    let (mut world, ledger) = kept(lean);
    let a = joined(&mut world, &ledger, "A");
    let text = c2sim::message(
        "A",
        &format!(
            "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>{}</Name></ScenarioSetting>\
             </C2SIMInitializationBody>",
            "x".repeat(900_000)
        ),
    );
    for n in 0..12 {
        for (receiver, method, params) in [
            ("COORDINATOR".to_owned(), "create_session", json!({"name": format!("s{n}")})),
            (format!("N1.session:s{n}"), "join", Value::Null),
            (format!("N1.session:s{n}"), "submit_initialization", Value::Null),
        ] {
            a.send(&mut world, &receiver, method, &params);
            ledger.settle_all(&mut world, 0);
        }
    }
    world.hear(a.client);
    for n in 0..12_u64 {
        let receiver = format!("N1.session:s{n}");
        let head = wire::header(5000 + n, 128);
        world.feed(a.client, &wire::message(&[&[0], receiver.as_bytes(), b"N1.A", &head, text.as_bytes()]));
        world.wait(1);
    }
    let waiting = ledger.waiting();
    assert!((1..12).contains(&waiting), "{waiting} are taken, the others are refused");
    while ledger.settle(&mut world, 0) {
        assert!(world.hub().data_in_use() <= 4 << 20, "a quarter of memory_max");
    }
    let refused = world.hear(a.client).iter().filter(|frames| wire::json(frames)["error"]["code"] == -32094).count();
    assert_eq!(refused, 12 - waiting);
}

#[test]
fn requests_in_line_are_counted_with_all_that_they_hold() {
    let (mut world, ledger) = kept(config(1));
    let a = joined(&mut world, &ledger, "A");
    let b = Member::new(&mut world, 0, "B");
    a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    // As many as a call may have of the values that take the most.
    let objects = vec![r#"{"a":0}"#; 4600].join(",");
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"info","params":[{objects}]}}"#);
    for _ in 0..8 {
        world.send(b.client, "N1.session:default", "N1.B", &[call.as_bytes()]);
        world.wait(1);
    }
    let queued = world.count("session_requests_queued");
    assert!(queued < 8, "{queued}: each holds almost two megabytes");
    ledger.settle_all(&mut world, 0);
    world.wait(1);
    let codes: Vec<Value> =
        world.hear(b.client).iter().map(|frames| wire::json(frames)["error"]["code"].clone()).collect();
    assert_eq!(codes.iter().filter(|code| **code == -32602).count(), usize::try_from(queued).unwrap(), "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == -32094).count(), usize::try_from(8 - queued).unwrap(), "{codes:?}");
}

#[test]
fn a_provider_is_given_only_with_a_change_that_is_durable() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    a.open_silent_kernel(&mut world, 9);
    let wish = json!({"name": "default", "provider": 1});
    let at = a.send(&mut world, "COORDINATOR", "create_session", &wish);
    ledger.fail(&mut world, 0, "no space left on device");
    assert_eq!(code_of(&a.answer(&mut world, at, "COORDINATOR")), "IO_ERROR");
    assert_eq!(info(&mut world, &mut a)["provider"], 0);
    let at = a.send(&mut world, "COORDINATOR", "create_session", &wish);
    assert_eq!(ledger.waiting(), 1);
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, at, "COORDINATOR")["result"]["session"]["provider"], 1);
}

// ---- Ids, and sessions of providers ----

fn of_session(world: &mut World, member: &mut Member, name: &str) -> Value {
    member.ask(world, &format!("N1.session:{name}"), "info", &Value::Null)["result"].clone()
}

/// Has a viewer connected to a kernel at this port, which is provider 1; answers the id of the session.
fn connected(world: &mut World, ledger: &Memory, member: &mut Member, port: u16) -> Value {
    let viewer = world.connect_at(0, Door::Viewer, "192.0.2.1:5000").unwrap();
    let mut open = Vec::new();
    encode_viewer(&mut open, Bits::OPEN, None);
    world.feed(viewer, &open);
    member.open_silent_kernel(world, port);
    let answer = member.ask(world, "COORDINATOR", "connect_viewer", &json!({"viewer": 1, "provider": 1}));
    ledger.settle_all(world, 0);
    answer["result"]["session"].clone()
}

#[test]
fn sessions_keep_their_ids_and_those_of_the_configuration_get_out_of_their_way() {
    let (mut world, ledger) = kept(config(1));
    let a = joined(&mut world, &ledger, "A");
    for name in ["x", "y"] {
        a.send(&mut world, "COORDINATOR", "create_session", &json!({"name": name}));
        ledger.settle_all(&mut world, 0);
    }
    let one = |name: &str| Predefined { name: name.to_owned(), ..Predefined::default() };
    restart(&mut world, &ledger, Config { sessions: vec![one("z"), one("y"), one("w")], ..config(1) });
    let mut a = joined(&mut world, &ledger, "A");
    a.send(&mut world, "COORDINATOR", "create_session", &json!({"name": "last"}));
    ledger.settle_all(&mut world, 0);
    let ids = ["default", "x", "y", "z", "w", "last"].map(|name| of_session(&mut world, &mut a, name)["id"].clone());
    assert_eq!(ids, [1, 2, 3, 5, 4, 6].map(Value::from), "z has come second, where x was");
    let record: Value = serde_json::from_str(&ledger.get("session/x").unwrap()).unwrap();
    ledger.put("session/default", &record.to_string());
    let mut hub = Hub::new(config(1), Start { seed: 1, now: Tick(0), unix_ms: 1 }).unwrap();
    let refused = hub.set_ledger(Box::new(ledger)).unwrap_err();
    assert_eq!(refused, "the ledger has two sessions of id 2: 'default' and 'x'");
}

#[test]
fn a_session_of_a_provider_comes_back_without_it_and_goes_on_with_the_next_of_its_source() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(connected(&mut world, &ledger, &mut a, 9), 2);
    let session = "N1.session:provider-1";
    a.send(&mut world, session, "join", &Value::Null);
    a.send(&mut world, session, "pause_scenario", &Value::Null);
    ledger.settle_all(&mut world, 0);
    restart(&mut world, &ledger, config(1));
    let mut a = Member::new(&mut world, 0, "A");
    ledger.settle_all(&mut world, 0);
    let back = of_session(&mut world, &mut a, "provider-1");
    assert_eq!((&back["id"], &back["state"], &back["provider"]), (&json!(2), &json!("PAUSED"), &json!(0)));
    assert_eq!((&back["members"], &back["away"], &back["kept"]), (&json!(1), &json!(0), &json!(true)));

    assert_eq!(connected(&mut world, &ledger, &mut a, 9), 2, "the same kernel");
    let back = of_session(&mut world, &mut a, "provider-1");
    assert_eq!((&back["state"], &back["provider"], &back["viewer"]), (&json!("PAUSED"), &json!(1), &json!([1])));
    a.ask(&mut world, "COORDINATOR", "close_provider", &json!({"provider": 1}));
    ledger.settle_all(&mut world, 0);
    assert!(ledger.keys().iter().all(|key| !key.contains("provider-1")), "{:?}", ledger.keys());
    let gone = a.ask(&mut world, session, "info", &Value::Null);
    assert_eq!(code_of(&gone), "SHARED_SESSION_NOT_FOUND");
}

#[test]
fn another_provider_has_another_session_than_one_that_was_there_before_the_restart() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(connected(&mut world, &ledger, &mut a, 9), 2);
    restart(&mut world, &ledger, config(1));
    let mut a = joined(&mut world, &ledger, "A");
    assert_eq!(connected(&mut world, &ledger, &mut a, 10), 3);
    assert_eq!(of_session(&mut world, &mut a, "provider-1-2")["provider"], 1);
    assert_eq!(of_session(&mut world, &mut a, "provider-1")["provider"], 0);
    a.send(&mut world, "COORDINATOR", "delete_session", &json!({"name": "provider-1"}));
    ledger.settle_all(&mut world, 0);
    assert_eq!(keys(&ledger), ["session/default", "session/provider-1-2"]);
}

#[test]
fn a_session_whose_provider_is_closed_while_it_is_written_ends_behind_the_answer() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    connected(&mut world, &ledger, &mut a, 9);
    let session = "N1.session:provider-1";
    a.send(&mut world, session, "join", &Value::Null);
    ledger.settle_all(&mut world, 0);
    let at = a.send(&mut world, session, "pause_scenario", &Value::Null);
    a.ask(&mut world, "COORDINATOR", "close_provider", &json!({"provider": 1}));
    assert_eq!(keys(&ledger), ["session/default", "session/provider-1"]);
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, at, session)["result"]["state"], "PAUSED");
    assert_eq!(keys(&ledger), ["session/default"]);
    assert_eq!(code_of(&a.ask(&mut world, session, "info", &Value::Null)), "SHARED_SESSION_NOT_FOUND");
}

#[test]
fn a_stop_waits_for_those_whose_change_is_being_written() {
    let (mut world, ledger) = kept(config(1));
    let mut a = joined(&mut world, &ledger, "A");
    let b = joined(&mut world, &ledger, "B");
    let at = a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    // Both have just said something: there may be more of it on its way.
    world.wait(300);
    let stops = |world: &World| world.outputs.iter().filter(|(_, output)| matches!(output, Output::Stop)).count();
    assert!(world.clients[b.client].closed.is_some() && world.clients[a.client].closed.is_none());
    assert_eq!(stops(&world), 0);
    ledger.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, at, "N1.session:default")["result"]["state"], "INITIALIZING");
    world.wait(1);
    assert_eq!(stops(&world), 1);
}

#[test]
fn a_controller_comes_to_its_turn_although_the_line_never_ends() {
    let mut hub = Hub::new(config(1), Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
    hub.set_ledger(Box::new(Memory::default())).unwrap();
    let mut heard = BTreeMap::<PeerKey, usize>::new();
    let mut turn = |hub: &mut Hub, now: Tick| {
        for _ in 0..3 {
            hub.handle_timeout(now);
            driver::drain(hub, now, |output, bytes| {
                if let Output::Flush(key) = output {
                    *heard.entry(key).or_default() += bytes;
                }
            });
        }
        heard.clone()
    };
    let settle = |hub: &mut Hub, now: Tick, n: u64| hub.handle_committed(now, Ticket(n), Ok(()));
    settle(&mut hub, Tick(1), 1);
    let a = hub.open(Tick(1), "127.0.0.1:5000".parse().unwrap()).unwrap();
    hub.handle_bytes(Tick(1), a, &wire::opening(1));
    let ask = |hub: &mut Hub, now: Tick, receiver: &str, sender: &str, method: &str| {
        let call = wire::request(1, method);
        hub.handle_bytes(now, a, &wire::leco(receiver.as_bytes(), sender.as_bytes(), now.0, &[call.as_bytes()]));
    };
    ask(&mut hub, Tick(1), "COORDINATOR", "A", "sign_in");
    ask(&mut hub, Tick(1), "N1.session:default", "N1.A", "join");
    let words = ["submit_initialization", "reset_scenario"];
    for word in words {
        ask(&mut hub, Tick(1), "N1.session:default", "N1.A", word);
    }
    let controller = hub.open_at(Tick(1), "127.0.0.1:5000".parse().unwrap(), Door::Control).unwrap();
    let mut request = Vec::new();
    ControlRequest::begin(&mut request, Shape::Beside, Function::Trigger)
        .text(Argument::Session, "default")
        .text(Argument::Trigger, "pause")
        .finish();
    hub.handle_bytes(Tick(1), controller, &request);
    for n in 0..20 {
        let now = Tick(10 + n);
        ask(&mut hub, now, "N1.session:default", "N1.A", words[usize::try_from(n % 2).unwrap()]);
        settle(&mut hub, now, 2 + n);
        let heard = turn(&mut hub, now);
        if heard.get(&controller).is_some_and(|bytes| *bytes > 0) {
            assert!(hub.counters().session_requests_queued > n, "there was a line all the time");
            return;
        }
    }
    panic!("the controller has heard nothing");
}
