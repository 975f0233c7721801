//! What happens at a node as server-sent events: told in order, from where a client has left off, and never in silence where some is missing.

use instep::hub::{Door, Output};
use serde_json::{Value, json};

use crate::common::member::Member;
use crate::common::wire;
use crate::common::world::World;

/// A client that is told events.
struct Looker {
    client: usize,
}

/// An event: its number, its kind, its data.
#[derive(Debug)]
struct Told {
    number: u64,
    kind: String,
    data: Value,
}

impl Looker {
    fn new(world: &mut World, target: &str, more: &str) -> Self {
        let client = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
        world.feed(client, format!("GET {target} HTTP/1.1\r\nHost: lab:12312\r\n{more}\r\n").as_bytes());
        let read = &mut world.clients[client].read;
        let end = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(read.drain(..end).collect()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for field in ["Content-Type: text/event-stream", "Cache-Control: no-store", "Connection: close"] {
            assert!(head.contains(field), "{head}");
        }
        assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"), "{head}");
        Self { client }
    }

    /// What has come, taken apart as a browser does.
    fn told(&self, world: &mut World) -> Vec<Told> {
        let text = String::from_utf8(core::mem::take(&mut world.clients[self.client].read)).unwrap();
        let event = |block: &str| {
            let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let (number, kind) = (value("id: ")?.parse().unwrap(), value("event: ")?);
            Some(Told { number, kind, data: serde_json::from_str(&value("data: ")?).unwrap() })
        };
        assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
        text.split("\n\n").filter_map(event).collect()
    }
}

fn brief(told: &[Told]) -> Vec<(&str, &Value)> {
    told.iter().map(|told| (&*told.kind, &told.data["change"])).collect()
}

#[test]
fn a_client_is_greeted_and_told_what_happens() {
    let mut world = World::plain();
    let looker = Looker::new(&mut world, "/events", "");
    let hello = looker.told(&mut world);
    assert_eq!(hello.len(), 1, "{hello:?}");
    assert_eq!(
        hello[0].data,
        json!({"version": env!("CARGO_PKG_VERSION"), "full_name": "N1.COORDINATOR", "gap": false})
    );
    let component = world.component("CA");
    let mut member = Member::joined(&mut world, 0, "CB", "json");
    member.pull(&mut world, "submit_initialization");
    member.ask(&mut world, "N1.COORDINATOR", "create_session", &json!({"name": "s"}));
    member.ask(&mut world, "N1.COORDINATOR", "delete_session", &json!({"name": "s"}));
    member.ask(&mut world, "N1.COORDINATOR", "open_provider", &json!({"logfilename": "none"}));
    world.close(component);
    let told = looker.told(&mut world);
    let change = |word: &'static str| json!(word);
    assert_eq!(
        brief(&told),
        [
            ("directory", &change("came")),
            ("directory", &change("came")),
            ("sessions", &change("joined")),
            ("sessions", &change("state")),
            ("sessions", &change("created")),
            ("sessions", &change("deleted")),
            ("errors", &Value::Null),
            ("directory", &change("left")),
        ]
    );
    assert_eq!(told[0].data["name"], "N1.CA");
    assert_eq!((&told[3].data["state"], &told[3].data["by"]), (&json!("INITIALIZING"), &json!("N1.CB")));
    let numbers: Vec<_> = told.iter().map(|told| told.number).collect();
    assert_eq!(numbers, (hello[0].number + 1..).take(told.len()).collect::<Vec<_>>());
}

#[test]
fn who_comes_back_hears_what_it_has_missed_and_who_has_missed_more_than_is_kept_is_told_so() {
    let mut world = World::plain();
    let first = Looker::new(&mut world, "/events", "");
    let begin = first.told(&mut world)[0].number;
    for name in ["CA", "CB", "CC"] {
        world.component(name);
    }
    for (target, more) in [
        (format!("/events?since={}", begin + 1), String::new()),
        ("/events?since=1".to_owned(), format!("Last-Event-ID: {}\r\n", begin + 1)),
    ] {
        let back = Looker::new(&mut world, &target, &more);
        let told = back.told(&mut world);
        assert_eq!(told[0].data["gap"], false);
        let names: Vec<_> = told[1..].iter().map(|told| &told.data["name"]).collect();
        assert_eq!(names, ["N1.CB", "N1.CC"]);
    }
    // Of an older process, or of one whose clock was ahead.
    for since in [1, begin + 100] {
        let told = Looker::new(&mut world, &format!("/events?since={since}"), "").told(&mut world);
        assert_eq!(told[0].data["gap"], true);
        assert_eq!(told.last().unwrap().data["name"], "N1.CC");
    }
}

#[test]
fn who_does_not_read_holds_nobody_and_learns_of_the_gap() {
    let mut world = World::plain();
    let looker = Looker::new(&mut world, "/events", "");
    looker.told(&mut world);
    world.limit(looker.client, 0);
    let component = world.dealer();
    for n in 0..3000_u32 {
        let name = format!("{n:0>200}");
        for method in ["sign_in", "sign_out"] {
            world.send(component, "COORDINATOR", &name, &[wire::request(1, method).as_bytes()]);
        }
    }
    assert!(world.waits_for(looker.client) < 1 << 20);
    world.drain(looker.client, usize::MAX / 2);
    let told = looker.told(&mut world);
    let gaps: Vec<_> = told.iter().filter(|told| told.kind == "hello").map(|told| &told.data["gap"]).collect();
    assert_eq!(gaps, [&json!(true)]);
    let last = told.last().unwrap();
    assert_eq!((&last.data["change"], &last.data["name"]), (&json!("left"), &json!(format!("N1.{:0>200}", 2999))));
    let events = told.iter().filter(|told| told.kind != "hello");
    let numbers: Vec<_> = events.map(|told| told.number).collect();
    assert!(numbers.is_sorted() && numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count() <= 1);
}

#[test]
fn a_connection_shows_that_it_lives_and_its_client_may_leave() {
    let mut world = World::plain();
    let looker = Looker::new(&mut world, "/events", "");
    looker.told(&mut world);
    world.wait(31_000);
    assert_eq!(world.clients[looker.client].read, b":\n\n:\n\n");
    // What is sent behind the request means nothing.
    world.feed(looker.client, b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
    world.component("CA");
    world.clients[looker.client].read.drain(..6);
    assert_eq!(brief(&looker.told(&mut world)), [("directory", &json!("came"))]);
    world.close(looker.client);
    world.component("CB");
    world.wait(60_000);
    assert!(world.count("connections_closed") >= 1);
}

#[test]
fn so_many_are_told_and_no_more_and_nobody_is_woken_for_nothing() {
    let mut world = World::plain();
    let lookers: Vec<_> = (0..256).map(|_| Looker::new(&mut world, "/events", "")).collect();
    let refused = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
    world.feed(refused, b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    let read = String::from_utf8(world.clients[refused].read.clone()).unwrap();
    assert!(read.starts_with("HTTP/1.1 503 ") && read.contains("Retry-After"), "{read}");
    world.component("CA");
    for looker in &lookers {
        assert_eq!(brief(&looker.told(&mut world)).last(), Some(&("directory", &json!("came"))));
    }
    let now = world.now;
    let due = world.hubs[0].poll_timeout().unwrap();
    assert!(due > now, "nothing is left to be told");
    assert_eq!(crate::common::driver::wishes(&mut world.hubs[0], now), [] as [Output; 0]);
}
