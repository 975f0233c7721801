//! Overload: nothing is lost silently, nobody else suffers, no cap is exceeded. Virtual time but for the last tests; the
//! [`World`] checks the tables and the memory cap after every single call.
#![expect(clippy::disallowed_methods, reason = "two of these tests measure real time")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::driver;
use crate::common::live::{Live, Raw};
use crate::common::member::Member;
use crate::common::wire::{self, Dice, frame, leco};
use crate::common::world::{World, config};
use instep::config::Config;
use instep::control::client::{ControlRequest, decode_viewer, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::Function;
use instep::control::viewer::Bits;
use instep::hub::{Cause, Door, Hub, Start};
use instep::limits::{
    CONTROL_RESULT_BYTES_MAX, HANDSHAKES_MAX, OWN_PER_TURN, PROGRESS_BYTES_MIN, READ_BYTES_MAX, READ_BYTES_OF_ALL,
    READS_IN_A_ROW, RING_RESERVE_BYTES, VIEWER_WORDS_MAX,
};
use instep::net::{Server, Turn};
use instep::time::Tick;
use serde_json::{Value, json};

const OVERLOADED: i64 = -32094;

/// Small rings, so that little fills them, and no heartbeats, which are other tests' matter.
fn small() -> Config {
    Config { ring_bytes_max: 16 << 10, heartbeat_s: 0, expiration_s: 3600, ..config(1) }
}

/// Numbered messages of `bytes` each from CA to CB.
fn numbered(from: u64, count: u64, bytes: usize) -> Vec<u8> {
    (from..from + count).flat_map(|n| leco(b"CB", b"CA", n, &[&vec![7; bytes]])).collect()
}

fn number(frames: &[Vec<u8>]) -> u64 {
    u64::from_be_bytes(frames[3][8..16].try_into().unwrap())
}

fn numbers(messages: &[Vec<Vec<u8>>]) -> Vec<u64> {
    messages.iter().map(|frames| number(frames)).collect()
}

/// Asserts that every message is the error for overload; gives the numbers of the conversations.
fn refused(messages: &[Vec<Vec<u8>>]) -> Vec<u64> {
    for frames in messages {
        assert_eq!(wire::code(frames), Some(OVERLOADED), "{frames:?}");
        assert_eq!(wire::json(frames)["error"]["data"], "CB");
    }
    numbers(messages)
}

#[test]
fn a_full_ring_holds_its_sender_and_nobody_else() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let (cc, cd) = (world.component("CC"), world.component("CD"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 1000, 1000));
    assert!(world.unread(ca) > 0, "the sender's bytes stay in its socket");
    assert!(world.count("senders_held") >= 1);
    assert!(world.waits_for(cb) <= 16 << 10);
    for n in 0..100 {
        world.feed(cc, &leco(b"CD", b"CC", n, &[&[1; 1000]]));
        assert_eq!(numbers(&world.hear(cd)), [n]);
    }
    assert!(world.hear(ca).is_empty(), "nothing is refused yet");
}

#[test]
fn a_receiver_that_drains_gets_everything_in_order() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 2000, 700));
    let mut dice = Dice(1);
    let mut got = Vec::new();
    while got.len() < 2000 {
        world.drain(cb, 1 + dice.below(9000));
        got.extend(numbers(&world.hear(cb)));
        if dice.below(10) == 0 {
            world.wait(100);
        }
    }
    assert_eq!(got, (0..2000).collect::<Vec<_>>());
    assert!(world.hear(ca).is_empty(), "nothing was refused");
    assert_eq!(world.count("refused_overload"), 0);
}

#[test]
fn after_stall_ms_the_messages_are_refused_to_their_sender() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 100, 1000));
    world.wait(999);
    assert!(world.hear(ca).is_empty());
    world.wait(2);
    let refused = refused(&world.hear(ca));
    world.drain(cb, usize::MAX);
    let delivered = numbers(&world.hear(cb));
    assert!(delivered.len() >= 10 && !refused.is_empty());
    assert_eq!([delivered, refused].concat(), (0..100).collect::<Vec<_>>(), "each one is delivered or refused");
    assert!(world.count("refused_overload") > 0);
    world.feed(ca, &numbered(100, 5, 1000));
    assert_eq!(numbers(&world.hear(cb)), [100, 101, 102, 103, 104], "and it goes on");
}

#[test]
fn a_held_sender_goes_on_to_others_after_the_refusal() {
    let mut world = World::new(small());
    let (ca, cb, cc) = (world.component("CA"), world.component("CB"), world.component("CC"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 100, 1000));
    world.feed(ca, &leco(b"CC", b"CA", 1000, &[b"behind"]));
    assert!(world.hear(cc).is_empty());
    world.wait(1001);
    assert_eq!(numbers(&world.hear(cc)), [1000]);
}

#[test]
fn a_receiver_without_progress_is_closed_and_its_messages_come_back() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    // It takes two messages and a half.
    let len = numbered(0, 1, 1000).len();
    world.limit(cb, 2 * len + len / 2);
    world.feed(ca, &numbered(0, 12, 1000));
    world.wait(9_900);
    assert_eq!(world.clients[cb].closed, None);
    world.wait(200);
    assert_eq!(world.clients[cb].closed, Some(Cause::Slow));
    assert_eq!(numbers(&world.hear(cb)), [0, 1]);
    // Number 2 was half sent, and so never arrives.
    assert_eq!(refused(&world.hear(ca)), (2..12).collect::<Vec<_>>());
    assert_eq!((world.count("closed_slow"), world.count("returned_undelivered")), (1, 10));
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

#[test]
fn messages_that_wait_for_a_peer_that_leaves_come_back() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 5, 1000));
    // An answer is never answered with an error.
    world.feed(ca, &leco(b"CB", b"CA", 5, &[br#"{"jsonrpc":"2.0","id":1,"result":7}"#]));
    world.close(cb);
    assert_eq!(refused(&world.hear(ca)), [0, 1, 2, 3, 4]);
    world.feed(ca, &leco(b"CB", b"CA", 6, &[b"{}"]));
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093));
}

#[test]
fn progress_keeps_a_slow_receiver() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 15, 1000));
    for _ in 0..20 {
        world.wait(4_500);
        world.drain(cb, PROGRESS_BYTES_MIN / 2);
        world.feed(cb, &wire::command("PONG", b""));
        world.feed(ca, &wire::command("PONG", b""));
    }
    assert_eq!(world.clients[cb].closed, None);
}

/// The time without progress counts from the moment that bytes began to wait, not from an older one.
#[test]
fn a_receiver_that_was_idle_has_all_of_slow_ms() {
    let mut world = World::new(small());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 1, 1000));
    world.wait(1);
    world.drain(cb, usize::MAX);
    world.wait(9_990);
    world.limit(cb, 0);
    world.feed(ca, &numbered(1, 1, 1000));
    world.wait(5_000);
    assert_eq!(world.clients[cb].closed, None, "closed after five seconds of ten");
    world.drain(cb, usize::MAX);
    assert_eq!(numbers(&world.hear(cb)), [0, 1]);
}

/// One byte each few seconds is progress; what a member does to the session must not pile up behind it.
#[test]
fn a_viewer_that_trickles_keeps_the_newest_words_and_starts_anew() {
    let mut world = World::plain();
    let mut a = Member::new(&mut world, 0, "A");
    let viewer = viewer_of_a_session(&mut world, &mut a);
    let session = "N1.session:provider-1";
    a.ask(&mut world, session, "join", &Value::Null);
    world.limit(viewer, 0);
    let toggle = |method| json!({"jsonrpc": "2.0", "method": method});
    let toggles: Vec<Value> = (0..32).flat_map(|_| ["pause_scenario", "resume_scenario"].map(toggle)).collect();
    let toggles = Value::from(toggles).to_string();
    let before = world.hub().data_in_use();
    let mut held_most = 0;
    for _ in 0..20 {
        world.wait(5_000);
        world.drain(viewer, 1);
        for _ in 0..4 {
            world.send(a.client, session, &a.name, &[toggles.as_bytes()]);
            world.wait(1);
        }
        held_most = held_most.max(world.hub().data_in_use() - before);
    }
    a.ask(&mut world, session, "pause_scenario", &Value::Null);
    assert!(world.count("session_changes") > 5_000, "{}", world.count("session_changes"));
    assert_eq!(world.clients[viewer].closed, None, "it has made progress");
    // The session's own history is in there too.
    let kept = Config::default().history_bytes_max;
    assert!(held_most <= kept + VIEWER_WORDS_MAX * 256, "{held_most} bytes for one viewer");
    world.drain(viewer, usize::MAX);
    let words = words(&mut world, viewer);
    assert!(words.len() <= VIEWER_WORDS_MAX + 2, "{words:?}");
    let last_two: Vec<_> =
        words[words.len() - 2..].iter().map(|(word, state)| (word.as_str(), state.as_str())).collect();
    assert_eq!(last_two, [("the session is PAUSED", "PAUSED"), ("the provider has sent nothing yet", "PAUSED")]);
}

#[test]
fn viewers_and_controllers_that_ask_for_nothing_are_closed_and_no_others() {
    let mut world = World::plain();
    let far = "192.0.2.1:5000";
    let silent = [Door::Viewer, Door::Control].map(|door| world.connect_at(0, door, far).unwrap());
    let viewer = world.connect_at(0, Door::Viewer, far).unwrap();
    world.feed(viewer, &open());
    let controller = world.connect_at(0, Door::Control, far).unwrap();
    world.feed(controller, &manager_information());
    // The beginning of a request is none.
    world.feed(silent[0], &open()[..1]);
    world.wait(3_600_000);
    assert_eq!(silent.map(|client| world.clients[client].closed.is_some()), [true, true]);
    assert_eq!(world.clients[silent[1]].closed, Some(Cause::NoRequest));
    assert_eq!([viewer, controller].map(|client| world.clients[client].closed), [None, None]);
    assert_eq!(words(&mut world, viewer).len(), 1, "it was answered, and waits for a session");
    world.feed(controller, &manager_information());
    assert_eq!(world.count("control_requests"), 2);
}

#[test]
fn silent_viewers_of_one_address_are_few_and_the_oldest_of_all_go() {
    let mut world = World::plain();
    for n in 0..30 {
        // Those that are refused are held for a moment.
        world.connect_at(0, Door::Viewer, "192.0.2.1:5000").unwrap();
        assert_eq!(world.count("connections_refused") > 0, n >= 16);
    }
    // Every local program has the same address.
    let first = world.connect_at(0, Door::Viewer, "127.0.0.1:5000").unwrap();
    for _ in 0..HANDSHAKES_MAX {
        world.connect_at(0, Door::Viewer, "127.0.0.1:5000").unwrap();
    }
    assert_eq!(world.clients[first].closed, Some(Cause::HandshakePushedOut));
    assert_eq!(world.count("connections_refused"), 14);
}

#[test]
fn viewers_and_controllers_leave_connections_to_components() {
    let mut world = World::new(Config { connections_max: 64, ..config(1) });
    let mut fill = |door, request: &[u8], most: usize| {
        for _ in 0..64 {
            let client = world.connect_at(0, door, "127.0.0.1:5000").unwrap();
            world.feed(client, request);
        }
        world.wait(2_000);
        let held = world.count("connections_opened") - world.count("connections_closed");
        assert_eq!(held, most as u64, "{door:?}");
    };
    fill(Door::Viewer, &open(), 48);
    fill(Door::Control, &manager_information(), 56);
    for n in 0..8 {
        world.component(&format!("C{n}"));
    }
}

#[test]
fn a_controller_that_asks_for_much_gets_a_share_of_each_turn() {
    let mut hub = Hub::new(config(1), Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
    let now = Tick(1);
    let controller = hub.open_at(now, "127.0.0.1:5000".parse().unwrap(), Door::Control).unwrap();
    hub.handle_bytes(now, controller, &manager_information().repeat(10_000));
    let mut answered = 0;
    let mut turns = 0;
    loop {
        driver::drain(&mut hub, now, |_, _| {});
        let all = hub.counters().control_requests;
        assert!(all - answered <= u64::from(OWN_PER_TURN), "{} in one turn", all - answered);
        answered = all;
        turns += 1;
        hub.check_invariants().unwrap();
        if hub.poll_timeout().is_none_or(|at| at > now) {
            break;
        }
        assert_eq!(hub.read_budget(controller), 0, "it is not read meanwhile");
        hub.handle_timeout(now);
    }
    assert_eq!(answered, 10_000);
    assert!(turns >= 10_000 / OWN_PER_TURN);
}

fn open() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_viewer(&mut bytes, Bits::OPEN, None);
    bytes
}

fn manager_information() -> Vec<u8> {
    let mut bytes = Vec::new();
    ControlRequest::begin(&mut bytes, Shape::Beside, Function::GetManagerInformation).finish();
    bytes
}

/// A viewer in the session of a provider whose kernel does not answer; what it was told is read away.
fn viewer_of_a_session(world: &mut World, a: &mut Member) -> usize {
    let viewer = world.connect_at(0, Door::Viewer, "192.0.2.1:5000").unwrap();
    world.feed(viewer, &open());
    a.open_silent_kernel(world, 9);
    let answer = a.ask(world, "COORDINATOR", "connect_viewer", &json!({"viewer": 1, "provider": 1}));
    assert!(answer["result"]["session"].is_number(), "{answer}");
    assert_eq!(words(world, viewer).len(), 2);
    viewer
}

/// The messages and flow states of the results that have come to a viewer.
fn words(world: &mut World, viewer: usize) -> Vec<(String, String)> {
    let read = core::mem::take(&mut world.clients[viewer].read);
    let mut rest = &read[..];
    let mut words = Vec::new();
    while let Ok(Frame::Whole { header_len, body_len }) = framing::scan(rest, CONTROL_RESULT_BYTES_MAX)
        && let Some(body) = rest.get(header_len..header_len + body_len)
    {
        let found = decode_viewer(body).unwrap();
        words.push((found.message.to_owned(), found.state.to_owned()));
        rest = &rest[header_len + body_len..];
    }
    assert!(rest.is_empty(), "a result is cut");
    words
}

#[test]
fn a_message_larger_than_the_ring_passes_when_the_ring_is_empty() {
    let mut world = World::new(Config { ring_bytes_max: 4096, ..config(1) });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.feed(ca, &numbered(0, 3, 100_000));
    assert_eq!(numbers(&world.hear(cb)), [0, 1, 2]);
    world.limit(cb, 0);
    world.feed(ca, &numbered(3, 1, 100));
    world.feed(ca, &numbered(4, 1, 100_000));
    assert!(world.waits_for(cb) < 4096, "not while others wait");
    world.drain(cb, usize::MAX);
    assert_eq!(numbers(&world.hear(cb)), [3, 4]);
    assert!(world.hear(ca).is_empty());
}

#[test]
fn who_does_not_read_its_own_messages_waits_for_itself() {
    let mut world = World::new(small());
    let ca = world.component("CA");
    let cb = world.component("CB");
    world.limit(ca, 0);
    let to_self: Vec<u8> = (0..100).flat_map(|n| leco(b"CA", b"CA", n, &[&[1; 1000]])).collect();
    world.feed(ca, &to_self);
    assert!(world.unread(ca) + world.waits_for(ca) > 0);
    world.wait(5_000);
    assert_eq!(world.clients[ca].closed, None);
    world.drain(ca, usize::MAX);
    assert_eq!(numbers(&world.hear(ca)), (0..100).collect::<Vec<_>>());
    world.limit(ca, 0);
    world.feed(ca, &to_self);
    world.wait(11_000);
    assert_eq!(world.clients[ca].closed, Some(Cause::Slow));
    world.feed(cb, &leco(b"CB", b"CB", 1, &[b"x"]));
    assert_eq!(world.hear(cb).len(), 1);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

#[test]
fn calls_of_a_client_that_reads_no_answers_wait() {
    let mut world = World::new(small());
    let ca = world.component("CA");
    world.limit(ca, 0);
    let call = wire::request(1, "rpc.discover");
    let calls: Vec<u8> = (0..500).flat_map(|n| leco(b"COORDINATOR", b"CA", n, &[call.as_bytes()])).collect();
    world.feed(ca, &calls);
    assert!(world.waits_for(ca) <= (16 << 10) + RING_RESERVE_BYTES);
    assert_eq!(world.count("answers_dropped"), 0);
    world.drain(ca, usize::MAX);
    assert_eq!(numbers(&world.hear(ca)), (0..500).collect::<Vec<_>>());
}

#[test]
fn pings_of_a_client_that_reads_no_pongs_take_no_memory() {
    let mut world = World::new(Config { ring_bytes_max: 4096, ..config(1) });
    let ca = world.dealer();
    world.limit(ca, 0);
    for _ in 0..1000 {
        world.feed(ca, &wire::command("PING", b"\0\x000123456789abcdef").repeat(100));
        world.wait(9);
        world.wait(991);
        if world.clients[ca].closed.is_some() {
            break;
        }
        assert!(world.waits_for(ca) <= 4096 + RING_RESERVE_BYTES);
    }
    assert_eq!(world.clients[ca].closed, Some(Cause::Slow));
}

/// Answers of our own may be larger than the bound for messages of peers; they wait in rings like any others.
#[test]
fn large_answers_in_the_ring_of_a_peer_that_leaves_hide_nothing() {
    let mut world = World::new(Config { frame_bytes_max: 256, message_bytes_max: 1024, ..config(1) });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.send(cb, "COORDINATOR", "CB", &[wire::request(1, "rpc.discover").as_bytes()]);
    world.feed(ca, &numbered(3, 4, 100));
    world.close(cb);
    assert_eq!(refused(&world.hear(ca)), [3, 4, 5, 6]);
}

// ---- Memory ----

/// As little memory as is legal for messages of 64 KiB.
fn tight() -> Config {
    let mut config = Config {
        frame_bytes_max: 64 << 10,
        message_bytes_max: 64 << 10,
        ring_bytes_max: 1 << 20,
        memory_max: 64 << 10,
        ..small()
    };
    while config.check().is_err() {
        config.memory_max += 64 << 10;
    }
    config
}

#[test]
fn the_largest_legal_message_passes_in_the_least_legal_memory() {
    for bytes_max in [1024usize, 64 << 10, 300 << 10, 1 << 20] {
        let mut config =
            Config { frame_bytes_max: bytes_max, message_bytes_max: bytes_max, memory_max: 1, ..config(1) };
        while config.check().is_err() {
            config.memory_max += 1024;
        }
        let mut world = World::new(config);
        let (ca, cb) = (world.component("CA"), world.component("CB"));
        let body = vec![9; bytes_max - 60];
        let whole = leco(b"CB", b"CA", 1, &[&body]);
        assert!(whole.len() <= bytes_max);
        for part in whole.chunks(READ_BYTES_MAX / 3) {
            world.feed(ca, part);
        }
        assert_eq!(numbers(&world.hear(cb)), [1], "{bytes_max} bytes");
        assert_eq!(world.count("closed_memory"), 0);
    }
}

#[test]
fn a_flood_of_half_messages_stays_under_the_cap_and_ends() {
    let mut world = World::new(tight());
    let good = world.component("CG");
    let whole = numbered(0, 1, 60_000);
    let mut flood = Vec::new();
    for _ in 0..200 {
        let client = world.dealer();
        world.feed(client, &whole[..50_000]);
        flood.push(client);
    }
    // Somebody had to go; the good client is served, if not at once.
    world.send(good, "COORDINATOR", "CG", &[wire::request(1, "pong").as_bytes()]);
    world.wait(3_000);
    assert_eq!(world.clients[good].closed, None);
    assert_eq!(world.hear(good).len(), 1, "served within three seconds");
    world.wait(40_000);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
    assert!(flood.iter().all(|client| world.clients[*client].closed.is_some()));
}

#[test]
fn half_messages_that_drip_on_do_not_starve_the_others() {
    let mut world = World::new(tight());
    let good = world.component("CG");
    let whole = numbered(0, 1, 60_000);
    let mut flood: Vec<usize> = (0..60).map(|_| world.dealer()).collect();
    for client in &flood {
        world.feed(*client, &whole[..30_000]);
    }
    let mut served = 0;
    for second in 0..60 {
        for client in &mut flood {
            if world.clients[*client].closed.is_some() {
                *client = world.dealer();
                world.feed(*client, &whole[..30_000]);
            } else {
                world.feed(*client, &[7]);
            }
        }
        world.send(good, "COORDINATOR", "CG", &[wire::request(second, "pong").as_bytes()]);
        world.wait(1_000);
        served += world.hear(good).len();
    }
    assert_eq!(world.clients[good].closed, None);
    assert!(served >= 50, "{served} of 60 calls were answered in time");
}

#[test]
fn rings_that_use_all_memory_are_returned_and_the_house_goes_on() {
    let mut world = World::new(tight());
    let ca = world.component("CA");
    let slow: Vec<usize> = (0..30).map(|n| world.component(&format!("S{n}"))).collect();
    for client in &slow {
        world.limit(*client, 0);
    }
    for round in 0..40u64 {
        for n in 0..30 {
            let receiver = format!("S{n}");
            world.post(ca, &leco(receiver.as_bytes(), b"CA", round * 100 + n, &[&[3; 5000]]));
        }
    }
    world.pump();
    world.wait(60_000);
    assert!(slow.iter().all(|client| world.clients[*client].closed.is_some()), "none of them reads");
    assert_eq!(world.unread(ca), 0, "the sender is read to its end");
    assert_eq!(world.clients[ca].closed, None);
    let errors = world.hear(ca);
    let lost = world.count("errors_dropped") + world.count("answers_dropped");
    assert_eq!(errors.len() as u64 + lost, 1200, "each message is answered or counted");
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
    let again = world.component("CB");
    world.feed(ca, &numbered(0, 1, 1000));
    assert_eq!(world.hear(again).len(), 1);
}

/// All memory waits for receivers that then leave: the errors to the senders need memory too, and must not wait for ever.
#[test]
fn returning_messages_needs_no_memory_that_only_the_return_sets_free() {
    let mut world = World::new(tight());
    let ca = world.component("CA");
    let mut slow = Vec::new();
    // Smaller and smaller messages to ever more receivers, until not the smallest block is left.
    let rings = |world: &World| world.hub().bytes_waiting().0;
    let cap = tight().memory_max;
    for size in [60_000usize, 60_000, 60_000, 30_000, 14_000, 7_000, 3_000, 1_500, 700, 300, 100, 100] {
        for _ in 0..8 {
            let name = format!("S{}", slow.len());
            if cap - rings(&world) < 4096 {
                break;
            }
            let client = world.component(&name);
            world.limit(client, 0);
            for n in 0..18 {
                if cap - rings(&world) < 1024 {
                    break;
                }
                world.feed(ca, &leco(name.as_bytes(), b"CA", n, &[&vec![1; size]]));
            }
            slow.push(client);
        }
    }
    for client in &slow {
        world.close(*client);
    }
    world.wait(15_000);
    assert_eq!(world.hub().bytes_waiting(), (0, 0), "nothing waits when everybody has left");
    let again = world.component("CB");
    world.hear(ca);
    world.feed(ca, &numbered(0, 1, 1000));
    assert_eq!(world.hear(again).len(), 1);
}

#[test]
fn nobody_without_a_half_message_is_closed_to_make_room() {
    let mut world = World::new(tight());
    let (ca, idle, last) = (world.component("CA"), world.component("CI"), world.component("CZ"));
    let slow: Vec<usize> = (0..20).map(|n| world.component(&format!("S{n}"))).collect();
    for client in &slow {
        world.limit(*client, 0);
    }
    for n in 0..600u64 {
        world.post(ca, &leco(format!("S{}", n % 20).as_bytes(), b"CA", n, &[&[3; 5000]]));
    }
    world.pump();
    world.send(last, "CI", "CZ", &[b"hello"]);
    world.wait(30_000);
    assert_eq!(world.clients[idle].closed, None, "it has done nothing");
    assert_eq!(world.clients[last].closed, None);
    assert_eq!(world.hear(idle).last().unwrap()[4], b"hello");
}

#[test]
fn no_patience_at_all_is_a_legal_choice() {
    let mut world = World::new(Config { stall_ms: 0, ..tight() });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 300, 5000));
    let whole = numbered(0, 1, 60_000);
    for _ in 0..60 {
        let client = world.dealer();
        world.feed(client, &whole[..50_000]);
    }
    world.wait(60_000);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
    assert_eq!(world.clients[ca].closed, None);
}

#[test]
fn one_burst_does_not_make_later_messages_take_large_blocks() {
    let mut world = World::plain();
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 900, 5000));
    assert!(world.hub().bytes_waiting().0 > 4 << 20);
    world.drain(cb, usize::MAX);
    for n in 0..30 {
        world.feed(ca, &numbered(1000 + n, 1, 10));
    }
    world.limit(cb, 0);
    world.feed(ca, &numbered(2000, 1, 10));
    let (rings, _) = world.hub().bytes_waiting();
    assert!(rings <= 4096, "{rings} bytes for one small message");
}

// ---- Held, and back ----

/// A peer that we did not read for long was not silent: it must not be given up before its bytes are looked at.
#[test]
fn a_long_hold_is_not_held_against_the_sender() {
    let config = Config { stall_ms: 10_000, heartbeat_s: 1, expiration_s: 1, cleaning_interval_s: 1, ..small() };
    let mut world = World::new(config);
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    // Ends with half a message, so that something of the sender waits in the hub.
    let mut bytes = numbered(0, 40, 1000);
    bytes.truncate(bytes.len() - 100);
    let rest = numbered(39, 1, 1000);
    world.feed(ca, &bytes);
    for _ in 0..60 {
        world.wait(500);
        world.drain(cb, 100);
        world.feed(cb, &wire::command("PONG", b""));
        assert_eq!(world.clients[ca].closed, None);
    }
    world.drain(cb, usize::MAX);
    assert_eq!(world.clients[ca].closed, None);
    world.wait(200);
    world.feed(ca, &rest[rest.len() - 100..]);
    world.drain(cb, usize::MAX);
    assert_eq!(world.clients[ca].closed, None);
    assert_eq!(world.count("names_expired"), 0);
    let got: Vec<u64> =
        world.hear(cb).iter().filter(|frames| frames[2] == b"CA").map(|frames| number(frames)).collect();
    assert_eq!(got, (0..40).collect::<Vec<_>>());
}

/// Whoever is woken by each bit of progress and finds no room waits again, and stands in no line twice.
#[test]
fn a_receiver_that_goes_on_in_little_bits_does_not_gather_waiters() {
    let mut world = World::new(Config { stall_ms: 1, ..small() });
    let cb = world.component("CB");
    let senders: Vec<usize> = (0..3).map(|n| world.component(&format!("C{n}"))).collect();
    world.limit(cb, 0);
    world.feed(senders[0], &numbered(0, 1, 100)); // refused: the name is another's
    for n in 0..400u64 {
        for (at, sender) in senders.iter().enumerate() {
            world.post(*sender, &leco(b"CB", format!("C{at}").as_bytes(), n, &[&[1; 900]]));
        }
        world.pump();
        world.wait(2);
        world.drain(cb, PROGRESS_BYTES_MIN);
    }
    assert_eq!(world.clients[cb].closed, None);
    assert!(world.count("senders_held") > 300);
}

/// A byte now and then holds the senders for `stall_ms` once, and the link for `slow_ms`.
#[test]
fn a_receiver_that_trickles_does_not_hold_its_senders() {
    let mut world = World::new(Config { stall_ms: 1000, slow_ms: 10_000, ..small() });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &numbered(0, 40, 1000));
    assert_eq!(world.count("senders_held"), 1);
    for _ in 0..3 {
        world.wait(500);
        world.drain(cb, 1);
    }
    let refused = |world: &mut World| world.hear(ca).iter().filter(|frames| frames[4].ends_with(b"}")).count();
    let of_the_first = refused(&mut world);
    assert!(of_the_first > 20, "{of_the_first}");
    world.feed(ca, &numbered(40, 1, 1000));
    assert_eq!((refused(&mut world), world.count("senders_held")), (1, 1), "at once: nobody is held any more");
    for _ in 0..20 {
        world.wait(500);
        world.drain(cb, 1);
    }
    assert_eq!((world.count("closed_slow"), world.clients[ca].closed), (1, None));
}

#[test]
fn a_sender_that_leaves_while_it_is_held_leaves_nothing_behind() {
    let mut world = World::new(small());
    let cb = world.component("CB");
    world.limit(cb, 0);
    for _ in 0..5 {
        let ca = world.component("CA");
        world.feed(ca, &numbered(0, 100, 1000));
        world.close(ca);
        world.wait(1_100);
        assert!(world.clients[ca].closed.is_some(), "its end is seen once its messages are dealt with");
    }
    world.drain(cb, usize::MAX);
    world.wait(1_000);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

// ---- Swarm ----

/// Random traffic with random appetites, pauses and ends. Every message is delivered, or answered, or counted as dropped.
#[test]
fn no_message_is_lost_silently_whatever_happens() {
    for seed in 0..25u64 {
        let mut dice = Dice(seed);
        let mut config = tight();
        config.ring_bytes_max = 4096 << dice.below(8);
        config.stall_ms = [0, 50, 1000][dice.below(3)];
        config.slow_ms = 5_000;
        let mut world = World::new(config);
        let clients: Vec<usize> = (0..8).map(|n| world.component(&format!("C{n}"))).collect();
        let mut sent: BTreeMap<u64, usize> = BTreeMap::new();
        let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
        let mut next = 1;
        for _ in 0..400 {
            let a = dice.below(8);
            match dice.below(12) {
                0..=6 => {
                    let b = dice.below(8);
                    if world.clients[clients[a]].closed.is_some() {
                        continue;
                    }
                    for _ in 0..1 + dice.below(8) {
                        let most = 1 << (2 + dice.below(13));
                        let body = vec![5; dice.below(most)];
                        let (to, from) = (format!("C{b}"), format!("C{a}"));
                        world.post(clients[a], &leco(to.as_bytes(), from.as_bytes(), next, &[&body]));
                        sent.insert(next, a);
                        next += 1;
                    }
                    world.pump();
                }
                7 => world.limit(clients[a], dice.below(3000)),
                8 | 9 => world.drain(clients[a], 1 << dice.below(18)),
                10 => world.wait(1 + dice.below(400) as u64),
                _ => {
                    if dice.below(12) == 0 {
                        world.close(clients[a]);
                    }
                }
            }
        }
        for client in &clients {
            world.drain(*client, usize::MAX);
        }
        world.wait(5_900);
        for client in &clients {
            world.drain(*client, usize::MAX);
            for frames in world.hear(*client) {
                if number(&frames) > 0 && number(&frames) < next {
                    *seen.entry(number(&frames)).or_default() += 1;
                }
            }
        }
        let closed = clients.iter().filter(|client| world.clients[**client].closed.is_some()).count() as u64;
        let dropped = world.count("errors_dropped") + world.count("answers_dropped");
        // A sender that has left cannot be told, and of each link that ended one message may have been half sent.
        let lost = sent
            .iter()
            .filter(|(n, from)| !seen.contains_key(n) && world.clients[clients[**from]].closed.is_none())
            .count() as u64;
        assert!(lost <= closed + dropped, "seed {seed}: {lost} lost, {closed} closed, {dropped} counted");
        assert!(seen.values().all(|times| *times == 1), "seed {seed}: something came twice");
        assert_eq!(world.hub().bytes_waiting(), (0, 0), "seed {seed}");
    }
}

// ---- Real sockets ----

#[test]
fn over_real_sockets_a_slow_receiver_holds_its_sender_and_loses_nothing() {
    let live = Live::start(Config { ring_bytes_max: 64 << 10, stall_ms: 10_000, ..Config::default() });
    let mut a = Raw::component(&live, "CA");
    let mut b = Raw::component(&live, "CB");
    let (mut c, mut d) = (Raw::component(&live, "CC"), Raw::component(&live, "CD"));
    let count = 3000u64;
    let mut stream = a.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        for n in 0..count {
            stream.write_all(&leco(b"CB", b"CA", n, &[&[7; 8000]])).unwrap();
        }
    });
    live.wait_for("senders_held", 1);
    for n in 0..50 {
        let begun = Instant::now();
        assert!(c.send(&leco(b"CD", b"CC", n, &[b"quick"])));
        assert_eq!(number(&d.message().unwrap()), n);
        assert!(begun.elapsed() < Duration::from_millis(500), "the others are as quick as ever");
    }
    for n in 0..count {
        assert_eq!(number(&b.message().unwrap()), n, "in order, none missing");
    }
    writer.join().unwrap();
    assert!(a.call("CA", "pong").is_null(), "nothing but the answer to its call came back to the sender");
    let counters = live.served();
    assert_eq!(counters["ring_bytes_now"].as_u64().map(|n| n <= 4096), Some(true), "{counters}");
}

#[test]
fn over_real_sockets_a_dead_receiver_is_closed_and_its_sender_is_told() {
    let live = Live::start(Config { ring_bytes_max: 64 << 10, stall_ms: 200, slow_ms: 600, ..Config::default() });
    let mut a = Raw::component(&live, "CA");
    let mut b = Raw::component(&live, "CB");
    // As much as fills the socket buffers of loopback and the ring.
    let mut stream = a.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        for n in 0..1500 {
            if stream.write_all(&leco(b"CB", b"CA", n, &[&[7; 16_000]])).is_err() {
                break;
            }
        }
    });
    let first = a.message().expect("an error comes");
    assert_eq!(wire::code(&first), Some(OVERLOADED));
    live.wait_for("closed_slow", 1);
    while a.read.len() < 100_000 && !writer.is_finished() {
        a.read_some();
    }
    writer.join().unwrap();
    assert!(b.ends(), "what it had not read is cut off");
    let counters = live.served();
    assert!(counters["returned_undelivered"].as_u64().unwrap() > 0, "{counters}");
}

/// Bytes that come in behind the end of a link would have the system throw away what lies in the socket.
#[test]
fn over_real_sockets_who_is_cut_off_as_slow_and_speaks_then_still_reads_what_had_left_for_it() {
    const SENT: u64 = 1500;
    let live = Live::start(Config { ring_bytes_max: 64 << 10, stall_ms: 100, slow_ms: 600, ..Config::default() });
    let (mut a, mut b) = (Raw::component(&live, "CA"), Raw::component(&live, "CB"));
    let mut stream = a.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        (0..SENT).all(|n| stream.write_all(&leco(b"CB", b"CA", n, &[&[7; 16_000]])).is_ok())
    });
    let mut accounted = BTreeMap::new();
    let errors = |a: &mut Raw, accounted: &mut BTreeMap<u64, &str>| {
        while let Some(frames) = a.message() {
            assert!(accounted.insert(number(&frames), "answered").is_none(), "once");
            if accounted.len() as u64 == SENT {
                break;
            }
        }
    };
    live.wait_for("closed_slow", 1);
    assert!(b.send(&leco(b"COORDINATOR", b"CB", 1, &[wire::request(1, "pong").as_bytes()])));
    // The reset would come back at once.
    std::thread::sleep(Duration::from_millis(50));
    while let Some(frames) = b.message() {
        assert!(accounted.insert(number(&frames), "came").is_none(), "once");
    }
    assert!(!accounted.is_empty(), "something had left for it");
    errors(&mut a, &mut accounted);
    assert!(writer.join().unwrap());
    assert_eq!(accounted.len() as u64, SENT);
}

#[test]
fn over_real_sockets_partial_messages_are_bounded_by_the_memory_cap() {
    let live = Live::start(Config {
        frame_bytes_max: 1 << 20,
        message_bytes_max: 1 << 20,
        memory_max: 8 << 20,
        stall_ms: 50,
        slow_ms: 1_000,
        ..Config::default()
    });
    let half = frame(1, &vec![1; 1 << 20]);
    let mut held = Vec::new();
    for _ in 0..30 {
        let mut raw = Raw::dealer(&live);
        raw.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        raw.send(&half[..600_000]);
        held.push(raw);
        let counters = live.served();
        assert!(counters["partial_bytes_now"].as_u64().unwrap() <= 4 << 20, "{counters}");
    }
    for raw in &mut held {
        assert!(raw.ends());
    }
    let counters = live.served();
    assert_eq!(counters["partial_bytes_now"], 0, "{counters}");
}

#[test]
fn a_turn_reads_only_so_much_however_many_send_and_nobody_is_passed_over() {
    const CLIENTS: usize = 40;
    let mut server = Server::bind(Config { bind: vec!["127.0.0.1:0".into()], ..Config::default() }).unwrap();
    let address = server.local_addresses().next().unwrap();
    // The beginning of a message, so that the bytes stay where they are.
    let bytes = [wire::opening(1), frame(1, &vec![1; 1 << 20])[..1 << 20].to_vec()].concat();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            (stream, 0)
        })
        .collect();
    let most = READ_BYTES_OF_ALL - 1 + READS_IN_A_ROW * READ_BYTES_MAX;
    let began = Instant::now();
    let mut before = 0;
    while before < CLIENTS * bytes.len() {
        assert!(began.elapsed() < Duration::from_secs(30), "{before} bytes were read");
        for (stream, sent) in &mut clients {
            *sent += stream.write(&bytes[*sent..]).unwrap_or(0);
        }
        assert_eq!(server.turn(Some(Duration::from_millis(1))).unwrap(), Turn::Goes);
        let read = usize::try_from(server.hub().counters().bytes_in).unwrap();
        assert!(read - before <= most, "{} bytes in one turn", read - before);
        before = read;
    }
    assert_eq!(server.hub().counters().connections_closed, 0);
}

#[test]
fn a_message_above_the_limit_is_refused_and_costs_neither_link_nor_name() {
    let limit = 100_000;
    let mut world =
        World::new(Config { message_bytes_max: limit, frame_bytes_max: limit, memory_max: 8 << 20, ..small() });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    for size in [limit + 1, 20 * limit] {
        // It streams by in pieces, with an end behind it and the next message at its heels.
        let mut bytes = leco(b"CB", b"CA", 1, &[&vec![7; size], b"more"]);
        bytes.extend_from_slice(&leco(b"CB", b"CA", 2, &[b"next"]));
        for chunk in bytes.chunks(9_999) {
            world.feed(ca, chunk);
            assert_eq!(world.hub().bytes_waiting().1, 0, "nothing of it is kept");
        }
        let heard = world.hear(ca);
        assert_eq!((numbers(&heard), wire::code(&heard[0])), (vec![1], Some(-32095)));
        assert_eq!(wire::json(&heard[0])["error"]["data"]["bytes_max"], limit);
        assert_eq!(numbers(&world.hear(cb)), [2]);
    }
    assert_eq!((world.count("refused_too_large"), world.count("closed_too_large")), (2, 0));
}
