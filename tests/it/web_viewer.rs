//! Viewers on a WebSocket over loopback: they are viewers like those at their port, and are sent the same bytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::common::guest::{self, Frame};
use crate::common::manager::{Controller, House, PATIENCE, Seen, Watcher, wait_until};
use crate::common::rcrs;
use crate::common::web::client_frame;
use crate::common::world::World;
use instep::control::client::encode_viewer;
use instep::control::function::Function;
use instep::control::viewer::Bits;
use instep::hub::Cause;
use instep::rcrs::entity::Change;
use instep::rcrs::message::{ChangeSet, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use serde_json::json;

const OPEN: u32 = Bits::OPEN.0;
const CLOSE: u32 = Bits::CLOSE.0;
const UPDATE: u32 = Bits::UPDATE.0;
const WORLD: u32 = Bits::WORLD.0;
const MAP: u32 = Bits::MAP.0;

/// A log of so many steps, in each of which a civilian moves among so many roads.
fn log(steps: i32, roads: i32) -> Vec<u8> {
    use PropertyKind as P;
    let mut initial: Vec<_> = (1000..1000 + roads)
        .map(|id| {
            rcrs::entity(id, EntityKind::Road, &[(P::X, id), (P::Y, -id)], &[(P::Edges, &[0, 0, 1000, 0, id + 1])])
        })
        .collect();
    initial.push(rcrs::entity(300, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0), (P::Hp, 10_000)], &[]));
    let mut records =
        vec![Record::Start, Record::Initial(initial), Record::Config(rcrs::config(&[("kernel.timesteps", "300")]))];
    for time in 1..=steps {
        let entity = rcrs::entity(300, EntityKind::Civilian, &[(P::X, time)], &[]);
        let moved = Change { entity, undefined: PropertySet::EMPTY };
        let changes = ChangeSet { changed: vec![moved], deleted: vec![], skipped: 0 };
        records.push(Record::Updates { time, changes });
    }
    records.push(Record::End);
    rcrs::binary_log(&records)
}

/// Opens a viewer, the newest of all; its id.
fn opened(controller: &mut Controller, viewer: &mut Watcher, bits: u32) -> i64 {
    assert_eq!(viewer.call(OPEN | bits, None).message, "no session");
    controller.viewers().into_iter().max().unwrap()
}

fn request(bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    encode_viewer(&mut out, Bits(bits), None);
    out
}

/// What comes until the connection ends.
fn rest(viewer: &mut Watcher) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Some(seen) = viewer.see_within(PATIENCE).unwrap() {
        all.push(seen);
    }
    all
}

fn code(viewer: &Watcher) -> Option<u16> {
    viewer.wire.socket.as_ref().unwrap().closed
}

#[test]
fn a_page_is_a_viewer_and_sees_the_bytes_that_the_others_see() {
    const STEPS: i64 = 20;
    let house = House::with(|config| config.play_speed_percent = 5000);
    house.directory.put("run.log", &log(20, 3000));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut all = Vec::new();
    for n in 0..4 {
        let mut viewer = if n % 2 == 0 { house.page() } else { house.viewer() };
        opened(&mut controller, &mut viewer, if n < 2 { 0 } else { WORLD | UPDATE });
        all.push(viewer);
    }
    let rows = controller.ask(Function::GetViewerInformation).data["viewerinfo"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 4, "{rows}");
    let page = all[0].wire.stream.local_addr().unwrap().port();
    assert_eq!(rows[0]["address"], json!({"host": "127.0.0.1", "port": page}));
    for viewer in controller.viewers() {
        controller.connect(provider, viewer);
    }
    let bodies: Vec<Vec<Seen>> = all.iter_mut().map(|viewer| viewer.see_until(STEPS)).collect();
    for pair in bodies.chunks(2) {
        // Whoever came later may have begun later.
        let same = |seen: &Seen| (seen.time, seen.record.clone(), seen.request, seen.message.clone());
        let [page, viewer] = pair else { panic!() };
        let steps = |all: &[Seen]| all.iter().filter(|seen| seen.time > 5).map(same).collect::<Vec<_>>();
        assert_eq!(steps(page), steps(viewer));
        assert!(steps(page).len() >= 15);
    }
    let server = house.stop();
    let counters = server.hub().counters();
    assert!(counters.results_encoded <= 2 * 20, "one encoding for each selection: {}", counters.results_encoded);
}

#[test]
fn requests_come_in_any_messages_and_frames() {
    let house = House::new();
    let mut page = house.page();
    let whole = [request(OPEN), request(UPDATE), request(CLOSE)].concat();
    for size in [1, 2, 3, 7, whole.len()] {
        // Messages of so many bytes, in frames of one byte less, with control frames between them.
        for message in whole.chunks(size) {
            let (first, last) = message.split_at(message.len().saturating_sub(1));
            page.wire.stream.write_all(&client_frame(0x02, first)).unwrap();
            page.wire.stream.write_all(&client_frame(0x89, &[u8::try_from(size).unwrap()])).unwrap();
            page.wire.stream.write_all(&client_frame(0x80, last)).unwrap();
        }
        let answers: Vec<_> = (0..3).map(|_| page.see().request).collect();
        assert_eq!(answers, [OPEN, UPDATE, CLOSE].map(Bits), "{size}");
        assert_eq!(page.wire.socket.as_ref().unwrap().pongs.last(), Some(&vec![u8::try_from(size).unwrap()]));
    }
    for byte in client_frame(0x82, &whole) {
        page.wire.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!([(); 3].map(|()| page.see().request), [OPEN, UPDATE, CLOSE].map(Bits));
    // A request that is as long as may be, in one message.
    let mut long = vec![0x82, 0xa7];
    long.extend(b"request\x01\xa1x\xc6");
    long.extend(60_000_u32.to_be_bytes());
    long.resize(long.len() + 60_000, 0);
    let mut framed = Vec::new();
    instep::control::framing::write_header(&mut framed, long.len());
    framed.extend(long);
    page.wire.send(&framed);
    assert_eq!(page.see().request, Bits::OPEN);
}

#[test]
fn what_is_against_the_rules_is_answered_and_closed_with_a_code() {
    let house = House::new();
    let bad = [
        (client_frame(0x81, b"hello"), 1003, 0),
        (client_frame(0x81, b"\xff"), 1007, 0),
        (client_frame(0xc2, b""), 1002, 0),
        (client_frame(0x80, b""), 1002, 0),
        (client_frame(0x82, &[0; (128 << 10) + 1]), 1009, 0),
        // What the dialect of viewers does not know.
        (client_frame(0x82, b"\xc1"), 1007, 1),
        (client_frame(0x82, b"\x02\x81\xa7request\xa1x"), 1007, 1),
        (client_frame(0x82, b"\xce\x7f\xff\xff\xff"), 1009, 1),
        (client_frame(0x88, b"\x03\xe8"), 1000, 0),
    ];
    for (n, (bytes, wanted, words)) in bad.into_iter().enumerate() {
        let mut page = house.page();
        assert_eq!(page.call(OPEN, None).message, "no session");
        page.wire.stream.write_all(&bytes).unwrap();
        let answers = rest(&mut page);
        assert_eq!((code(&page), answers.len()), (Some(wanted), words), "{n}");
        assert!(answers.iter().all(|answer| !answer.result && !answer.message.is_empty()));
    }
    let mut controller = house.controller();
    wait_until("all have left", || controller.ask(Function::GetManagerInformation).data["manager"]["viewers"] == 0);
    // A value that is wrong in a request that is whole is refused, and no more.
    let mut odd = house.page();
    odd.wire.send(b"\x0b\x81\xa7request\xa1x");
    assert!(!odd.see().result);
    assert!(odd.call(CLOSE, None).result);
    let mut server = TcpStream::connect(house.pages()).unwrap();
    server.write_all(b"GET /viewer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    server.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 426 "), "{said}");
}

#[test]
fn a_page_of_another_server_is_no_viewer() {
    let house = House::new();
    let mut stream = TcpStream::connect(house.pages()).unwrap();
    stream
        .write_all(
            b"GET /viewer HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    assert!(house.controller().viewers().is_empty());
}

#[test]
fn a_restart_is_told_behind_what_waits() {
    let house = House::with(|config| config.play_speed_percent = 1);
    house.directory.put("run.log", &log(2, 20_000));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut page = house.page();
    let id = opened(&mut controller, &mut page, MAP | WORLD);
    controller.connect(provider, id);
    page.see();
    page.wire.send(&request(MAP));
    // Its beginning has come, and the rest waits in the server.
    page.wire.stream.peek(&mut [0; 100]).unwrap();
    house.hang_up();
    let answers = rest(&mut page);
    assert_eq!(code(&page), Some(1012));
    assert_eq!(answers.first().map(|answer| (answer.request, answer.keys())), Some((Bits::MAP, vec!["map"])));
}

#[test]
fn a_page_that_does_not_keep_up_starts_anew_and_is_answered_between_results() {
    const STEPS: i32 = 60;
    let house = House::with(|config| config.play_speed_percent = 5000);
    house.directory.put("run.log", &log(STEPS, 20_000));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut slow = house.page();
    let slow_id = opened(&mut controller, &mut slow, WORLD | UPDATE);
    let mut fast = house.page();
    let fast_id = opened(&mut controller, &mut fast, UPDATE);
    controller.connect(provider, slow_id);
    controller.connect(provider, fast_id);
    assert_eq!(fast.see_until(i64::from(STEPS)).last().unwrap().time, i64::from(STEPS));
    controller.wait_for_status(provider, "closed");
    slow.wire.stream.write_all(&client_frame(0x89, b"mid")).unwrap();
    let mut seen = Vec::new();
    while let Ok(Some(result)) = slow.see_within(Duration::from_millis(500)) {
        seen.push(result);
    }
    seen.retain(|result| !result.message.contains("nothing yet"));
    let anew = seen.iter().position(|result| result.message.contains("does not keep up")).unwrap();
    assert_eq!((anew, seen[anew].time), (seen.len() - 1, i64::from(STEPS)));
    assert!(seen.len() < 30, "{} results waited for one page", seen.len());
    assert_eq!(slow.wire.socket.as_ref().unwrap().pongs, [b"mid"]);
    assert!(slow.call(CLOSE, None).result);
    assert_eq!(house.stop().hub().counters().viewers_behind, 1);
}

#[test]
fn a_page_that_asks_without_reading_is_not_read_either() {
    let house = House::with(|config| config.play_speed_percent = 1);
    house.directory.put("run.log", &log(2, 3000));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut page = house.page();
    let id = opened(&mut controller, &mut page, 0);
    controller.connect(provider, id);
    page.see();
    let many = client_frame(0x82, &request(MAP).repeat(2000));
    let mut stream = page.wire.stream.try_clone().unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    // The socket takes some megabytes of requests, whose maps would be gigabytes.
    let refused = loop {
        match stream.write_all(&many) {
            Ok(()) => sent += 2000,
            Err(error) => break error.kind(),
        }
        assert!(sent < 10_000_000);
    };
    assert!(matches!(refused, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{refused:?}");
    assert!(controller.ask(Function::GetManagerInformation).ok);
    for _ in 0..500 {
        assert!(page.wire.body().unwrap().len() > 100_000);
    }
    let server = house.stop();
    assert!(server.hub().data_in_use() < 64 << 20);
}

#[test]
fn a_silent_page_is_asked_for_a_sign_of_life_but_not_while_it_has_enough_to_take() {
    let mut world = World::plain();
    let page = guest::open(&mut world, 0, "/viewer");
    let end = world.clients[page].read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    world.clients[page].read.drain(..end);
    world.wait(15_000);
    assert_eq!(guest::frames(&mut world.clients[page].read), [Frame::Ping]);
    // From here on it takes its answer so slowly that it lasts.
    world.limit(page, 0);
    world.feed(page, &client_frame(0x82, &request(OPEN)));
    for _ in 0..60 {
        world.wait(2000);
        world.drain(page, 1);
    }
    assert_eq!(world.clients[page].closed, None);
    world.drain(page, usize::MAX);
    world.wait(16_000);
    world.clients[page].read.clear();
    world.wait(46_000);
    assert_eq!(world.clients[page].closed, Some(Cause::Silent));
    world.wait(1);
}
