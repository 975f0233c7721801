//! An initialization of many mebibytes: it is made in slices, in its place among all that is asked, and reaches whoever hears lines, documents or
//! notifications, comes late, or comes back.

use instep::c2sim::notice::minify;
use instep::config::Config;
use instep::hub::Door;
use serde_json::{Value, json};

use crate::common::c2sim;
use crate::common::guest::Guest;
use crate::common::ledger::Memory;
use crate::common::member::{Member, brief, code_of};
use crate::common::wire;
use crate::common::world::{World, config};

const BYTES: usize = 3 << 20;

/// An initialization of about so many bytes, in many lines.
fn large(bytes: usize) -> String {
    let file = "<InitializationDataFile>\n  <Name>x</Name>\n</InitializationDataFile>\n";
    let text = c2sim::initialization("A", &["A"]);
    text.replace("<ObjectDefinitions/>", &format!("{}<ObjectDefinitions/>", file.repeat(bytes / file.len())))
}

fn line(document: &str) -> String {
    let mut line = Vec::new();
    minify(document.as_bytes(), &mut line).unwrap();
    line.push(b'\n');
    String::from_utf8(line).unwrap()
}

fn roomy_config() -> Config {
    Config { ring_bytes_max: 1 << 20, frame_bytes_max: 12 << 20, message_bytes_max: 13 << 20, ..config(1) }
}

fn roomy() -> World {
    World::new(roomy_config())
}

/// A session with the initialization of A stored.
fn stored(world: &mut World, a: &mut Member) -> String {
    let text = large(BYTES);
    a.pull(world, "submit_initialization");
    let answer = a.document(world, &text);
    assert_eq!(answer["result"]["kind"], "C2SIM_INITIALIZATION", "{answer}");
    text
}

#[test]
fn a_large_initialization_reaches_all_in_the_same_bytes() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    let mut guests = ["g1", "g2", "g3"].map(|id| Guest::joined(&mut world, id));
    stored(&mut world, &mut a);
    x.documents(&mut world);
    guests.iter().for_each(|guest| assert!(guest.heard(&mut world).len() < 2));
    a.events(&mut world);
    // Whoever asks meanwhile waits, in order.
    let share = a.send(&mut world, "N1.session:default", "share_scenario", &Value::Null);
    let start = a.send(&mut world, "N1.session:default", "start_scenario", &Value::Null);
    assert_eq!(a.answer(&mut world, share, "N1.session:default")["result"]["state"], "INITIALIZED");
    assert_eq!(a.answer(&mut world, start, "N1.session:default")["result"]["state"], "RUNNING");
    let told = a.events(&mut world);
    assert_eq!(brief(&told), [("message C2SIM_INITIALIZATION INITIALIZED".to_owned(), 8)], "its own");
    let shared = told[0].1.clone().unwrap();
    assert!(shared.len() > BYTES - 100);
    assert_eq!(x.documents(&mut world)[1], shared);
    let wanted = line(&shared);
    for guest in &mut guests {
        let heard = guest.heard(&mut world);
        assert!(heard.len() == 3 && heard[1] == wanted && heard[2].contains("StartScenario"), "{}", heard.len());
    }
    // One whose stream comes back has it again.
    guests[0].open_stream(&mut world, "default");
    assert!(guests[0].heard(&mut world) == [wanted.clone()], "it may not have taken it");
    let late = Guest::new(&mut world, "late");
    late.join(&mut world, "default", "L");
    assert_eq!(late.get(&mut world, "default/initialization").body, shared);
    let mut stranger = Guest::new(&mut world, "g4");
    stranger.join(&mut world, "default", "S");
    stranger.open_stream(&mut world, "default");
    assert!(stranger.heard(&mut world) == [wanted]);
}

#[test]
fn it_comes_behind_the_answer_too_where_joining_is_written_first() {
    let mut world = World::new(Config { session_history_bytes_max: 16 << 20, ..roomy_config() });
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let mut a = Member::kept(&mut world, &ledger, 0, "A", "json");
    let settled = |world: &mut World, a: &mut Member, asked| {
        ledger.settle_all(world, 0);
        a.answer(world, asked, "N1.session:default")["result"].clone()
    };
    let asked = a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    settled(&mut world, &mut a, asked);
    let asked = a.send_document(&mut world, &large(BYTES));
    settled(&mut world, &mut a, asked);
    let asked = a.send(&mut world, "N1.session:default", "share_scenario", &Value::Null);
    assert_eq!(settled(&mut world, &mut a, asked)["state"], "INITIALIZED");
    let late = Member::new(&mut world, 0, "L");
    late.send(&mut world, "N1.session:default", "join", &json!({"after": 0}));
    ledger.settle_all(&mut world, 0);
    let frames = world.hear(late.client).remove(0);
    let answer = wire::json(&frames)["result"].clone();
    assert_eq!(answer["initialization_bytes"], json!(frames[5].len()), "{answer}");
    assert_eq!(answer["events"]["events"][0]["event"], "joined", "{answer}");
}

#[test]
fn what_is_too_long_for_an_answer_comes_behind_it_in_a_frame_of_its_own() {
    let mut world = World::new(Config { session_history_bytes_max: 16 << 20, ..roomy_config() });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    stored(&mut world, &mut a);
    a.pull(&mut world, "share_scenario");
    a.pull(&mut world, "start_scenario");
    let report = c2sim::domain("A", "ReportBody", BYTES);
    a.document(&mut world, &report);
    let shared = a.events(&mut world).into_iter().find_map(|(_, document)| document).unwrap();
    let mut late = Member::new(&mut world, 0, "L");
    let ask = |world: &mut World, late: &Member, method: &str, params: Value| {
        late.send(world, "N1.session:default", method, &params);
        let frames = world.hear(late.client).remove(0);
        let beside = frames.get(5).map(|frame| String::from_utf8_lossy(frame).into_owned());
        (wire::json(&frames)["result"].clone(), beside)
    };
    let (answer, beside) = ask(&mut world, &late, "join", json!({"after": 0}));
    assert_eq!((&answer["state"], &answer["initialization_bytes"]), (&json!("RUNNING"), &json!(shared.len())));
    assert!(answer.get("initialization").is_none() && beside.as_ref() == Some(&shared), "{answer}");
    let past = &answer["events"]["events"];
    let last = past.as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
    assert_eq!((&answer["events"]["more"], last), (&json!(true), 3), "up to what has a document as long: {past}");
    assert_eq!(
        ask(&mut world, &late, "initialization", Value::Null),
        (json!({"initialization_bytes": shared.len()}), Some(shared.clone()))
    );
    // One that long at a time, and each is the last.
    let mut heard = Vec::new();
    let mut after = last;
    loop {
        let (answer, beside) = ask(&mut world, &late, "events", json!({ "after": after }));
        let events = answer["events"].as_array().unwrap().clone();
        let with = |event: &&Value| event.get("document_bytes").is_some();
        assert_eq!(events.iter().filter(with).count(), usize::from(beside.is_some()));
        assert!(beside.is_none() || with(&events.last().unwrap()));
        heard.extend(beside);
        after = events.last().unwrap()["seq"].as_u64().unwrap();
        if answer["more"] == json!(false) {
            break;
        }
    }
    assert!(heard == [shared, report], "{:?}", heard.iter().map(String::len).collect::<Vec<_>>());
    assert!(late.events(&mut world).is_empty());
}

#[test]
fn a_stream_that_breaks_before_all_of_it_has_left_is_given_it_again() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let (mut broken, mut replaced) = (Guest::joined(&mut world, "g1"), Guest::joined(&mut world, "g2"));
    stored(&mut world, &mut a);
    for guest in [&broken, &replaced] {
        world.limit(guest.stream.unwrap(), 100_000);
    }
    a.pull(&mut world, "share_scenario");
    let shared = a.events(&mut world).into_iter().find_map(|(_, document)| document).unwrap();
    world.wait(10);
    // Both are alive, which says nothing of what they have.
    for guest in [&mut broken, &mut replaced] {
        guest.get(&mut world, "default/info");
    }
    world.close(broken.stream.unwrap());
    for guest in [&mut broken, &mut replaced] {
        guest.open_stream(&mut world, "default");
        assert!(guest.heard(&mut world) == [line(&shared)], "{}", guest.id);
    }
}

#[test]
fn answers_that_are_large_go_as_they_are_taken_and_in_their_order() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    stored(&mut world, &mut a);
    a.pull(&mut world, "share_scenario");
    let guest = Guest::new(&mut world, "g");
    let before = world.hub().data_in_use();
    world.limit(guest.requests, 10_000);
    for path in ["default/initialization", "default/info", "default/initialization", "list"] {
        guest.post(&mut world, "GET", path, ("text/plain", b""));
    }
    assert!(guest.answer(&mut world).is_none());
    while world.waits_for(guest.requests) > 0 {
        world.drain(guest.requests, 1_000_000);
    }
    let answers: Vec<_> = core::iter::from_fn(|| guest.answer(&mut world)).collect();
    let lengths: Vec<bool> = answers.iter().map(|answer| answer.body.len() > BYTES - 100).collect();
    assert_eq!(lengths, [true, false, true, false]);
    assert_eq!(answers[0].body, answers[2].body);
    assert_eq!(answers[1].json()["state"], "INITIALIZED");
    assert_eq!(world.hub().data_in_use(), before, "nothing of it is held any more");
    // One that ends in the middle gives back what it was lent.
    world.limit(guest.requests, 10_000);
    guest.post(&mut world, "GET", "default/initialization", ("text/plain", b""));
    assert!(world.hub().data_in_use() > before);
    world.close(guest.requests);
    world.wait(1);
    assert!(world.hub().data_in_use() <= before);
}

#[test]
fn clients_of_gmu_are_given_it_in_chunks_of_eight_kibibytes() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    stored(&mut world, &mut a);
    a.pull(&mut world, "share_scenario");
    let shared = a.events(&mut world).into_iter().find_map(|(_, document)| document).unwrap();
    let client = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
    world.limit(client, 100_000);
    let query = "POST /C2SIMServer/command?command=QUERYINIT&parm1=&submitterID=x&version=1.0.2 HTTP/1.1\r\nHost: lab\r\n\
                 Content-Length: 0\r\n\r\n";
    world.feed(client, [query, "GET /health HTTP/1.1\r\nHost: lab\r\n\r\n"].concat().as_bytes());
    while world.waits_for(client) > 0 {
        world.drain(client, 100_000);
    }
    let read = core::mem::take(&mut world.clients[client].read);
    let head = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut body) = (&read[head..], Vec::new());
    loop {
        let line = rest.iter().position(|byte| *byte == b'\r').unwrap();
        let size = usize::from_str_radix(core::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        assert!(size <= 8192 && &rest[line + 2 + size..line + 4 + size] == b"\r\n");
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
        if size == 0 {
            break;
        }
    }
    assert!(body == shared.as_bytes(), "{}", body.len());
    let next = String::from_utf8_lossy(rest);
    assert!(next.starts_with("HTTP/1.1 200 OK"), "the next answer comes behind it, {next:?}");
}

#[test]
fn a_scheduled_share_is_made_in_slices_too_and_nothing_changes_it_meanwhile() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut guest = Guest::joined(&mut world, "g");
    stored(&mut world, &mut a);
    guest.heard(&mut world);
    a.events(&mut world);
    let info = a.ask(&mut world, "N1.session:default", "info", &Value::Null);
    let created = info["result"]["seq"].clone();
    let at = 1_700_000_000_000_u64 + world.now.0 - 1000 + 5000;
    let answer = a.ask(&mut world, "N1.session:default", "share_scenario", &json!({ "at": at }));
    assert_eq!(answer["result"]["effective_at"], at, "{answer} behind {created}");
    world.wait(6000);
    let told = a.events(&mut world);
    let words: Vec<String> = brief(&told).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["state SHARE_SCENARIO INITIALIZED", "message C2SIM_INITIALIZATION INITIALIZED"]);
    let shared = told[1].1.clone().unwrap();
    assert!(guest.heard(&mut world).last() == Some(&line(&shared)));
    let info = a.ask(&mut world, "N1.session:default", "info", &Value::Null);
    assert_eq!(info["result"]["scheduled"], Value::Null);
    guest.open_stream(&mut world, "default");
}

#[test]
fn who_leaves_while_it_is_made_has_shared_nothing() {
    let mut world = roomy();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    stored(&mut world, &mut a);
    let share = wire::request(9, "share_scenario");
    let (hub, key) = world.clients[a.client].side;
    let call = wire::leco(b"N1.session:default", b"N1.A", 77, &[share.as_bytes()]);
    let out = wire::leco(b"COORDINATOR", b"N1.A", 78, &[wire::request(9, "sign_out").as_bytes()]);
    let now = world.now;
    world.hubs[hub].handle_bytes(now, key, &call);
    world.hubs[hub].handle_bytes(now, key, &out);
    world.pump();
    b.events(&mut world);
    let info = b.ask(&mut world, "N1.session:default", "info", &Value::Null);
    assert_eq!(info["result"]["state"], "INITIALIZING", "{info}");
    assert_eq!(b.pull(&mut world, "share_scenario")["result"]["state"], "INITIALIZED");
    assert_eq!(code_of(&b.pull(&mut world, "share_scenario")), "STATE_TRANSITION_NOT_ALLOWED");
}
