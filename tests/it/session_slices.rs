//! Documents that are judged in slices: their session keeps its order, everybody else goes on, and whatever happens in the middle is answered.

use instep::control::client::encode_viewer;
use instep::control::viewer::Bits;
use instep::hub::{Cause, Door};
use instep::limits::C2SIM_AT_ONCE_BYTES;
use serde_json::{Value, json};

use crate::common::c2sim;
use crate::common::ledger::Memory;
use crate::common::member::{Member, brief, code_of};
use crate::common::wire::{self, header, message};
use crate::common::world::{World, config};

/// A document of many slices.
fn dense() -> String {
    c2sim::message(
        "A",
        &format!("<DomainMessageBody><ReportBody>{}</ReportBody></DomainMessageBody>", "<a/>".repeat(60_000)),
    )
}

impl World {
    /// Bytes that come to the hub, which has done nothing else yet.
    fn come(&mut self, member: &Member, bytes: &[u8]) {
        let (hub, key) = self.clients[member.client].side;
        let now = self.now;
        // No more at a time than is read.
        for piece in bytes.chunks(200_000) {
            self.hubs[hub].handle_bytes(now, key, piece);
        }
        self.hubs[hub].check_invariants().unwrap();
    }
}

fn document(member: &Member, conversation: u64, text: &str) -> Vec<u8> {
    message(&[&[0], b"N1.session:default", member.name.as_bytes(), &header(conversation, 128), text.as_bytes()])
}

fn call(member: &Member, receiver: &str, conversation: u64, method: &str) -> Vec<u8> {
    wire::leco(receiver.as_bytes(), member.name.as_bytes(), conversation, &[wire::request(9, method).as_bytes()])
}

/// The conversations of what a member has been answered, in order.
fn answered(world: &mut World, member: &Member) -> Vec<Vec<u8>> {
    let heard = world.hear(member.client);
    heard
        .iter()
        .filter(|frames| wire::json(frames).get("id").is_some())
        .map(|frames| frames[3][..16].to_vec())
        .collect()
}

fn conversation(n: u64) -> Vec<u8> {
    header(n, 1)[..16].to_vec()
}

/// A running session, its author and somebody who hears.
fn running() -> (World, Member, Member) {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    a.events(&mut world);
    b.events(&mut world);
    (world, a, b)
}

#[test]
fn what_is_asked_of_a_session_waits_behind_its_document_and_all_else_goes_on() {
    let (mut world, a, mut b) = running();
    let c = Member::new(&mut world, 0, "C");
    let text = dense();
    assert!(text.len() > C2SIM_AT_ONCE_BYTES);
    world.come(&a, &document(&a, 1, &text));
    world.come(&a, &call(&a, "N1.session:default", 2, "info"));
    world.come(&c, &call(&c, "N1.session:default", 3, "join"));
    world.come(&c, &call(&c, "COORDINATOR", 4, "pong"));
    world.come(&a, &document(&a, 5, &c2sim::domain("A", "ReportBody", 10)));
    let waiting = world.hub().unsent(world.clients[c.client].side.1).concat();
    let waits = |n: u64| waiting.windows(16).any(|bytes| bytes == conversation(n));
    assert!(waits(4) && !waits(3), "what the Coordinator is asked is not the session's business");
    assert!(world.hub().poll_timeout().is_some_and(|at| at <= world.now), "there is more to do at once");
    world.pump();
    assert_eq!(answered(&mut world, &a), [1, 2, 5].map(conversation));
    assert_eq!(answered(&mut world, &c), [4, 3].map(conversation));
    let events = b.events(&mut world);
    let words: Vec<_> = brief(&events).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["message REPORT RUNNING", "joined RUNNING", "message REPORT RUNNING"]);
    assert_eq!(events[0].1.as_deref(), Some(&*text));
}

#[test]
fn a_second_large_document_is_not_read_before_the_first_is_judged() {
    let (mut world, a, mut b) = running();
    let c = Member::joined(&mut world, 0, "C", "xml");
    let (one, two) = (dense(), dense().replace("<a/>", "<b/>"));
    b.events(&mut world);
    world.come(&a, &document(&a, 1, &one));
    world.come(&c, &document(&c, 2, &two));
    world.pump();
    assert_eq!(answered(&mut world, &a).first(), Some(&conversation(1)));
    let heard: Vec<_> = b.events(&mut world).into_iter().filter_map(|(_, document)| document).collect();
    assert_eq!(heard, [one, two]);
}

#[test]
fn who_has_left_the_session_meanwhile_changes_nothing_and_who_is_only_away_does() {
    let (mut world, a, mut b) = running();
    world.come(&a, &document(&a, 1, &dense()));
    world.come(&a, &call(&a, "COORDINATOR", 2, "sign_out"));
    world.pump();
    let words: Vec<_> = brief(&b.events(&mut world)).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["resigned RUNNING"]);

    let (mut world, a, mut b) = running();
    world.come(&a, &document(&a, 1, &dense()));
    let (hub, key) = world.clients[a.client].side;
    let now = world.now;
    world.hubs[hub].handle_closed(now, key, Cause::Peer);
    world.pump();
    let words: Vec<_> = brief(&b.events(&mut world)).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["away RUNNING", "message REPORT RUNNING"]);
}

#[test]
fn a_session_is_not_deleted_in_the_middle_of_a_document() {
    let mut world = World::plain();
    let a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::new(&mut world, 0, "B");
    b.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "s", "share_guard": "none"}));
    for (asked, params) in
        [("join", Value::Null), ("submit_initialization", Value::Null), ("share_scenario", Value::Null)]
    {
        b.ask(&mut world, "N1.session:s", asked, &params);
    }
    b.ask(&mut world, "N1.session:s", "start_scenario", &Value::Null);
    world.hear(b.client);
    let text = dense();
    let bytes = message(&[&[0], b"N1.session:s", b"N1.B", &header(1, 128), text.as_bytes()]);
    world.come(&b, &bytes);
    let delete = json!({"jsonrpc": "2.0", "id": 9, "method": "delete_session", "params": {"name": "s", "force": true}});
    let delete = wire::leco(b"COORDINATOR", a.name.as_bytes(), 2, &[delete.to_string().as_bytes()]);
    world.come(&a, &delete);
    assert!(answered(&mut world, &a).is_empty(), "it waits");
    world.pump();
    assert_eq!(answered(&mut world, &a), [conversation(2)]);
    assert_eq!(answered(&mut world, &b), [conversation(1)], "and the document was taken before");
}

#[test]
fn a_session_whose_provider_is_closed_in_the_middle_of_a_document_ends_behind_the_answer() {
    let mut world = World::plain();
    let viewer = world.connect_at(0, Door::Viewer, "192.0.2.1:5000").unwrap();
    let mut open = Vec::new();
    encode_viewer(&mut open, Bits::OPEN, None);
    world.feed(viewer, &open);
    let mut a = Member::new(&mut world, 0, "A");
    let b = Member::joined(&mut world, 0, "B", "json");
    a.open_silent_kernel(&mut world, 9);
    a.ask(&mut world, "COORDINATOR", "connect_viewer", &json!({"viewer": 1, "provider": 1}));
    let session = "N1.session:provider-1";
    assert!(a.ask(&mut world, session, "join", &Value::Null).get("result").is_some());
    world.come(&a, &message(&[&[0], session.as_bytes(), b"N1.A", &header(1, 128), dense().as_bytes()]));
    let close = json!({"jsonrpc": "2.0", "id": 9, "method": "close_provider", "params": {"provider": 1}}).to_string();
    world.come(&b, &wire::leco(b"COORDINATOR", b"N1.B", 2, &[close.as_bytes()]));
    world.come(&b, &call(&b, session, 3, "info"));
    world.pump();
    assert_eq!(answered(&mut world, &b), [2, 3].map(conversation), "the provider is closed at once");
    let heard = world.hear(a.client);
    let words: Vec<Value> = heard.iter().map(|frames| wire::json(frames)).collect();
    assert_eq!(words[0]["result"]["kind"], "REPORT", "what was begun is answered: {words:?}");
    assert_eq!(words[1]["params"]["event"], "lost", "{words:?}");
    assert_eq!(code_of(&a.ask(&mut world, session, "info", &Value::Null)), "SHARED_SESSION_NOT_FOUND");
}

#[test]
fn at_the_end_whoever_waits_for_a_document_is_answered_first() {
    let (mut world, a, mut b) = running();
    world.come(&a, &document(&a, 1, &dense()));
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    assert_eq!(answered(&mut world, &a).first(), Some(&conversation(1)));
    assert!(world.clients[a.client].closed.is_none_or(|cause| cause != Cause::Memory));
    assert!(b.events(&mut world).iter().any(|(event, document)| event["kind"] == "REPORT" && document.is_some()));
}

#[test]
fn what_a_document_changes_is_durable_before_it_is_answered() {
    let (mut world, disk) = (World::plain(), Memory::default());
    disk.give_to(&mut world, 0);
    disk.settle_all(&mut world, 0);
    let mut a = Member::kept(&mut world, &disk, 0, "A", "json");
    let submit = a.send(&mut world, "N1.session:default", "submit_initialization", &Value::Null);
    disk.settle_all(&mut world, 0);
    a.answer(&mut world, submit, "N1.session:default");
    let text = c2sim::initialization("A", &["A"]);
    let file = "<InitializationDataFile><Name>x</Name></InitializationDataFile>".repeat(20_000);
    let text = text.replace("<ObjectDefinitions/>", &format!("{file}<ObjectDefinitions/>"));
    let conversation = a.send_document(&mut world, &text);
    let share = a.send(&mut world, "N1.session:default", "share_scenario", &Value::Null);
    assert!(world.hear(a.client).is_empty() && disk.waiting() > 0, "it is judged, and being written");
    disk.settle_all(&mut world, 0);
    assert_eq!(a.answer(&mut world, conversation, "N1.session:default")["result"]["kind"], "C2SIM_INITIALIZATION");
    assert_eq!(a.answer(&mut world, share, "N1.session:default")["result"]["state"], "INITIALIZED");
    assert!(disk.get("shared/default").is_some_and(|shared| shared.len() > 1_000_000));
}

#[test]
fn nothing_at_all_is_no_document() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let refused = a.document_of_type(&mut world, b"", 128);
    assert_eq!(code_of(&refused), "C2SIM_INVALID_HEADER", "{refused}");
    let reason = refused["error"]["data"]["details"]["REASON"].as_str().unwrap();
    assert_eq!(reason, "Line 1: the document is not well-formed");
}

#[test]
fn ten_mebibytes_reach_members_of_every_kind_and_of_another_node() {
    let mut world = World::new(instep::config::Config { memory_max: 512 << 20, ..config(1) });
    let coordinators = vec!["n1:12300".to_owned()];
    let second = world.add_hub(instep::config::Config { memory_max: 512 << 20, coordinators, ..config(2) });
    world.wait(2000);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    a.run(&mut world);
    let members: Vec<_> =
        [(0, "B", "json"), (0, "C", "xml"), (second, "D", "json"), (second, "E", "json"), (second, "F", "xml")]
            .map(|(hub, name, format)| Member::joined(&mut world, hub, name, format))
            .into_iter()
            .collect();
    members.iter().for_each(|member| drop(world.hear(member.client)));
    world.hear(a.client);
    a.heard.clear();
    let text = c2sim::domain("A", "ReportBody", 10_480_000);
    assert!((10_480_000..10 << 20).contains(&text.len()));
    for _ in 0..2 {
        let answer = a.document(&mut world, &text);
        assert_eq!(answer["result"]["kind"], "REPORT", "{answer}");
    }
    for member in &members {
        let heard = world.hear(member.client);
        let whole = heard.iter().filter(|frames| frames.last().is_some_and(|body| body == text.as_bytes())).count();
        assert_eq!(whole, 2, "{}", member.name);
    }
}
