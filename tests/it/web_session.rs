//! Clients of TNO's C2SIM server: REST for what they ask, a WebSocket for what they hear. c2sim-http, 3, 4, 8 and 9.

use instep::c2sim::kind::Schema;
use instep::config::{Config, Predefined};
use instep::hub::{Cause, Output};
use serde_json::{Value, json};

use crate::common::c2sim::{domain, initialization, system};
use crate::common::guest::{Frame, Guest, frames, open, take_answer};
use crate::common::ledger::Memory;
use crate::common::member::Member;
use crate::common::world::{World, config};

const ALL: [&str; 4] = ["SubmitInitialization", "ShareScenario", "StartScenario", "PauseScenario"];

fn with(change: impl FnOnce(&mut Config)) -> World {
    let mut config = config(1);
    change(&mut config);
    World::new(config)
}

/// The elements that decide what these documents are.
fn kinds(documents: &[String]) -> Vec<&'static str> {
    let bodies = ["C2SIMInitializationBody", "OrderBody", "ReportBody", "InitializationComplete", "StopScenario"];
    let all: Vec<&str> = ALL.into_iter().chain(bodies).collect();
    documents.iter().map(|document| *all.iter().find(|kind| document.contains(*kind)).expect(document)).collect()
}

/// Brings `default` to INITIALIZED.
fn share(world: &mut World, by: &Guest) {
    for document in [system("A", "SubmitInitialization"), initialization("A", &["A"]), system("A", "ShareScenario")] {
        let answer = by.send(world, &document);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

// ---- Requests ----

#[test]
fn whoever_does_not_say_who_it_is_is_refused_before_anything_else() {
    let mut world = World::plain();
    let mut guest = Guest::new(&mut world, "");
    for (method, path) in
        [("GET", "list"), ("GET", "none/info"), ("GET", "default/none"), ("PUT", "x/create"), ("POST", "default/send")]
    {
        assert_eq!(guest.ask(&mut world, method, path, &Value::Null).code(), "NO_CLIENT_ID", "{path}");
    }
    guest.id = "x".repeat(65);
    assert_eq!(guest.get(&mut world, "list").code(), "NO_CLIENT_ID");
    guest.id = "x".repeat(64);
    assert_eq!(guest.get(&mut world, "list").status, 200);
}

#[test]
fn sessions_are_listed_and_described_with_these_members_alone() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "abcde");
    let list = guest.get(&mut world, "list");
    assert_eq!(list.field("Content-Type"), Some("application/json"));
    let info = guest.get(&mut world, "default/info");
    assert_eq!(list.json(), json!([info.json()]));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&info.json()), ["createdAt", "info", "sessionName", "state"]);
    assert_eq!(keys(&info.json()["info"]), ["c2simSchemaVersion", "description", "displayName"]);
    assert_eq!((info.field("X-Instep-Seq"), info.field("X-Instep-Session-State")), (Some("0"), Some("UNINITIALIZED")));
    assert_eq!(guest.get(&mut world, "none/info").json()["details"]["ACTIVE_SESSIONS"], "default");
    assert_eq!(guest.get(&mut world, "DEFAULT/info").json()["sessionName"], "default", "by any spelling");
}

#[test]
fn a_session_is_made_or_told_anew_in_other_words_but_not_in_another_schema() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "abcde");
    let wish = |schema: &str, title: &str| json!({"data": {"c2simSchemaVersion": schema, "displayName": title, "description": ""}});
    let made = guest.ask(&mut world, "PUT", "ex%20a/create", &wish("2.0.0", "one")).json();
    assert_eq!((&made["creation"], &made["session"]["sessionName"]), (&json!("CREATED"), &json!("ex a")));
    let told = guest.ask(&mut world, "PUT", "EX%20A/create", &wish("2.0.0", "two")).json();
    assert_eq!((&told["creation"], &told["session"]["info"]["displayName"]), (&json!("UPDATED"), &json!("two")));
    let other = guest.ask(&mut world, "PUT", "ex%20a/create", &wish("1.0.2", "two"));
    assert_eq!(
        (other.code().as_str(), &other.json()["details"]["SCHEMA_VERSION"]),
        ("SHARED_SESSION_SCHEMA_VERSION_CHANGED", &json!("2.0.0"))
    );
    assert_eq!(guest.ask(&mut world, "PUT", "b/create", &wish("3", "")).code(), "C2SIM_SCHEMA_NOT_SUPPORTED");
    let bare = guest.ask(&mut world, "PUT", "b/create", &json!({"data": {"displayName": ""}}));
    assert_eq!((bare.code().as_str(), bare.body.contains("c2simSchemaVersion is missing")), ("IO_ERROR", true));
    assert_eq!(guest.ask(&mut world, "DELETE", "ex%20a", &Value::Null).body, r#"{"message":"session deleted"}"#);
    assert_eq!(guest.get(&mut world, "ex%20a/info").code(), "SHARED_SESSION_NOT_FOUND");
    assert_eq!(guest.ask(&mut world, "DELETE", "default", &Value::Null).code(), "NOT_IMPLEMENTED");
    let nowhere = guest.get(&mut world, "default/members");
    assert!(nowhere.status == 404 && nowhere.body.contains(r#"<a href="/">Home</a>"#), "{nowhere:?}");
}

#[test]
fn from_another_machine_a_session_is_not_deleted_unless_it_may_administer() {
    for (is_admin, code) in [(false, 400), (true, 200)] {
        let mut world = with(|config| config.remote_admin = is_admin);
        let mut guest = Guest::new(&mut world, "abcde");
        let wish = json!({"data": {"c2simSchemaVersion": "2.0.0", "displayName": "", "description": ""}});
        guest.ask(&mut world, "PUT", "x/create", &wish);
        guest.requests = world.connect_at(0, instep::hub::Door::Http, "192.0.2.1:5000").unwrap();
        assert_eq!(guest.ask(&mut world, "DELETE", "x", &Value::Null).status, code);
    }
}

#[test]
fn joining_again_is_no_error_for_the_same_system_unless_it_is_to_be_one() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "abcde");
    assert_eq!(guest.join(&mut world, "default", "S").json()["session"]["state"], "UNINITIALIZED");
    assert_eq!(guest.join(&mut world, "default", "S").status, 200);
    let other = guest.join(&mut world, "default", "T");
    assert_eq!(
        (other.code().as_str(), &other.json()["details"]["SYSTEM_NAME"]),
        ("C2SIM_CLIENT_ALREADY_JOINED", &json!("S"))
    );
    assert_eq!(world.count("session_joins"), 1);

    let mut world = with(|config| config.join_again = "error".to_owned());
    let guest = Guest::new(&mut world, "abcde");
    assert_eq!(guest.join(&mut world, "default", "S").status, 200);
    assert_eq!(guest.join(&mut world, "default", "S").code(), "C2SIM_CLIENT_ALREADY_JOINED");
}

#[test]
fn who_has_not_joined_sends_nothing_and_who_has_resigned_no_more() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "abcde");
    let submit = system("S", "SubmitInitialization");
    assert_eq!(guest.send(&mut world, &submit).code(), "CLIENT_NOT_JOINED_SHARED_SESSION");
    guest.join(&mut world, "default", "S");
    let sent = guest.send(&mut world, &submit);
    assert_eq!(sent.json()["trackingId"].as_str().map(str::len), Some(5));
    assert_eq!((sent.field("X-Instep-Seq"), sent.field("X-Instep-Session-State")), (Some("2"), Some("INITIALIZING")));
    let resigned = guest.ask(&mut world, "POST", "default/resign", &json!({"reason": "tired"})).json();
    assert!(resigned["msg"].as_str().unwrap().starts_with("Resigned client Id 'abcde' from shared session 'default'"));
    assert_eq!(guest.send(&mut world, &submit).code(), "CLIENT_NOT_JOINED_SHARED_SESSION");
    assert_eq!(guest.ask(&mut world, "POST", "default/resign", &json!({})).status, 200, "nobody resigns again");
}

#[test]
fn a_document_comes_as_the_body_or_in_a_form() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "abcde");
    guest.join(&mut world, "default", "S");
    let form = |name: &str, document: &str| {
        format!(
            "preamble\r\n--b1\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--b1\r\n\
             Content-Disposition: form-data; name=\"{name}\"; filename=\"m\"\r\nContent-Length: {}\r\n\r\n{document}\r\n--b1--\r\n",
            document.len()
        )
    };
    let mut send = |body: &str| {
        guest.post(&mut world, "POST", "default/send", ("multipart/form-data; boundary=\"b1\"", body.as_bytes()));
        guest.answer(&mut world).unwrap()
    };
    assert_eq!(send(&form("file", &system("S", "SubmitInitialization"))).status, 200);
    let wrong = send(&form("other", &system("S", "SubmitInitialization")));
    assert!(wrong.body.contains("lacks the part"), "{wrong:?}");
    assert_eq!(send("--b1\r\n").code(), "IO_ERROR");
}

#[test]
fn neither_a_byte_order_mark_nor_a_form_is_heard() {
    let mut world = World::plain();
    let guest = Guest::joined(&mut world, "abcde");
    let other = Guest::joined(&mut world, "fghij");
    let mut member = Member::joined(&mut world, 0, "CA", "xml");
    share(&mut world, &guest);
    assert_eq!(guest.send(&mut world, &system("A", "StartScenario")).status, 200);
    other.heard(&mut world);
    member.documents(&mut world);
    let before = "--b1\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    // With little around it, and with much.
    for text in [20, 4000] {
        let document = domain("A", "ReportBody", text);
        let marked = format!("\u{feff}{document}");
        let line = format!("{}\n", document.split_once('\n').unwrap().1);
        for (media_type, body) in [
            ("application/xml", marked.clone()),
            ("multipart/form-data; boundary=b1", format!("{before}{document}\r\n--b1--\r\n")),
            ("multipart/form-data; boundary=b1", format!("{before}{marked}\r\n--b1--\r\n")),
        ] {
            guest.post(&mut world, "POST", "default/send", (media_type, body.as_bytes()));
            assert_eq!(guest.answer(&mut world).unwrap().status, 200, "{body}");
            assert_eq!(member.documents(&mut world), [&*document]);
            assert_eq!(other.heard(&mut world), [&*line]);
        }
    }
}

#[test]
fn a_document_that_is_too_long_is_refused_in_words_that_its_client_reads() {
    let mut world = with(|config| config.document_bytes_max = 4096);
    let guest = Guest::new(&mut world, "abcde");
    guest.join(&mut world, "default", "S");
    // Its length says so, or it shows.
    guest.post(&mut world, "POST", "default/send", ("application/xml", &vec![b' '; 4097 + (64 << 10)]));
    let answer = guest.answer(&mut world).unwrap();
    assert_eq!((answer.code().as_str(), answer.field("Connection")), ("C2SIM_MSG_SIZE_EXCEEDED", Some("close")));
    let guest = Guest { requests: Guest::new(&mut world, "x").requests, ..guest };
    let answer = guest.send(&mut world, &domain("S", "ReportBody", 5000));
    assert_eq!(
        (answer.code().as_str(), &answer.json()["details"]["MAX_BYTES"]),
        ("C2SIM_MSG_SIZE_EXCEEDED", &json!("4096"))
    );
    let other = Guest::new(&mut world, "y");
    other.post(&mut world, "POST", "default/join", ("application/json", &vec![b' '; 65 << 10]));
    assert_eq!(other.answer(&mut world).unwrap().status, 413);
}

#[test]
fn a_stream_is_found_where_its_client_has_come_from() {
    let url = |change: fn(&mut Config), more: &str| {
        let mut world = with(change);
        let guest = Guest::new(&mut world, "a b");
        let request = format!(
            "GET /api/c2sim/session/Default/stream-endpoints HTTP/1.1\r\nHost: lab:80\r\nclientId: a b\r\n{more}\r\n"
        );
        world.feed(guest.requests, request.as_bytes());
        guest.answer(&mut world).unwrap().json()["websocket"]["url"].as_str().unwrap().to_owned()
    };
    let path = "/api/c2sim/session/Default/ws?clientId=a%20b";
    assert_eq!(url(|_| {}, ""), format!("ws://lab{path}"));
    assert_eq!(url(|config| config.http_external = "c2.example:99".into(), ""), format!("ws://c2.example:99{path}"));
    assert_eq!(url(|config| config.http_prefix = "/p/".into(), ""), format!("ws://lab/p{path}"));
    let proxy = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: far.example\r\nX-Forwarded-Port: 8443\r\n";
    assert_eq!(url(|_| {}, proxy), format!("ws://lab{path}"), "nobody is believed");
    assert_eq!(
        url(|config| config.trusted_proxies = vec!["127.0.0.1".into()], proxy),
        format!("wss://far.example:8443{path}")
    );
}

// ---- What is heard ----

#[test]
fn each_hears_what_the_others_have_sent_and_the_initialization_comes_to_all() {
    let mut world = World::plain();
    let a = Guest::joined(&mut world, "aaaaa");
    let b = Guest::joined(&mut world, "bbbbb");
    let mut member = Member::joined(&mut world, 0, "CA", "xml");
    share(&mut world, &a);
    a.send(&mut world, &system("A", "StartScenario"));
    b.send(&mut world, &domain("B", "OrderBody", 20));
    assert_eq!(kinds(&a.heard(&mut world)), ["C2SIMInitializationBody", "OrderBody"]);
    let heard = b.heard(&mut world);
    assert_eq!(kinds(&heard), ["SubmitInitialization", "ShareScenario", "C2SIMInitializationBody", "StartScenario"]);
    for document in &heard {
        assert!(document.ends_with(">\n") && document.matches('\n').count() == 1, "{document}");
    }
    assert!(heard[2].contains("<FromSendingSystem>C2SIM_SERVER</FromSendingSystem>"));
    // The Component hears the same, and its trigger is written out for those who read documents.
    assert_eq!(member.documents(&mut world).len(), 5);
    member.pull(&mut world, "pause_scenario");
    for guest in [&a, &b] {
        let heard = guest.heard(&mut world);
        assert_eq!(kinds(&heard), ["PauseScenario"]);
        assert!(heard[0].contains(Schema::V2_0_0.namespace()) && heard[0].contains("C2SIM_SERVER"), "{heard:?}");
    }
}

#[test]
fn a_trigger_in_the_words_of_another_schema_is_written_in_those_of_the_session() {
    let mut world = World::plain();
    let [a, b] = ["aaaaa", "bbbbb"].map(|id| Guest::joined(&mut world, id));
    share(&mut world, &a);
    b.frames(&mut world);
    let old = |document: String| document.replace(Schema::V2_0_0.namespace(), Schema::V1_0_2.namespace());
    assert_eq!(a.send(&mut world, &old(system("A", "StartScenario"))).status, 200);
    assert_eq!(a.send(&mut world, &old(domain("A", "OrderBody", 3))).status, 200);
    let heard = b.heard(&mut world);
    assert_eq!(kinds(&heard), ["StartScenario", "OrderBody"]);
    assert!(heard[0].contains(Schema::V2_0_0.namespace()) && heard[1].contains(Schema::V1_0_2.namespace()));
}

#[test]
fn members_of_every_kind_stand_in_one_table_without_the_keys_to_their_streams() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "CA", "json");
    let guest = Guest::joined(&mut world, "secret");
    let key = Guest::new(&mut world, "hidden");
    key.ask(&mut world, "POST", "default/join", &json!({"systemName": "K", "clientIdDisplayName": "hidden"}));
    let told = member.ask(&mut world, "N1.session:default", "members", &Value::Null);
    let rows = told["result"]["members"].as_array().unwrap();
    let shown: Vec<_> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["format"].as_str().unwrap())).collect();
    assert_eq!(shown, [("N1.CA", "json"), ("client 2 hi...", "ws"), ("client 1 se...", "ws")]);
    assert_eq!(rows[1]["address"], "127.0.0.1:5000");
    let events = member.events(&mut world);
    let told: Vec<_> =
        events.iter().map(|(event, _)| (event["event"].as_str().unwrap(), event["by"].as_str().unwrap())).collect();
    assert_eq!(told, [("joined", "client 1 se..."), ("joined", "client 2 hi...")]);
    guest.ask(&mut world, "POST", "default/resign", &json!({}));
    assert_eq!(member.events(&mut world)[0].0["event"], "resigned");
    assert_eq!(guest.frames(&mut world), [Frame::Close(1000, "resigned".into())]);
}

#[test]
fn before_it_joins_a_stream_is_silent_and_what_it_has_not_heard_it_does_not_hear_later() {
    let mut world = World::plain();
    let a = Guest::joined(&mut world, "aaaaa");
    let mut b = Guest::new(&mut world, "bbbbb");
    b.open_stream(&mut world, "default");
    a.send(&mut world, &system("A", "SubmitInitialization"));
    assert_eq!(b.frames(&mut world), []);
    b.join(&mut world, "default", "B");
    a.send(&mut world, &initialization("A", &["A"]));
    a.send(&mut world, &system("A", "ShareScenario"));
    assert_eq!(kinds(&b.heard(&mut world)), ["ShareScenario", "C2SIMInitializationBody"]);
    assert!(b.get(&mut world, "default/initialization").body.contains("C2SIMInitializationBody"));
}

// ---- Streams ----

#[test]
fn a_stream_that_leads_nowhere_is_closed_with_a_reason_and_one_that_is_none_is_refused() {
    let mut world = World::plain();
    for (path, wanted) in [
        ("/api/c2sim/session/none/ws?clientId=a", "Shared session 'none' doesn't exist."),
        ("/api/c2sim/session/default/ws", "the query has no clientId"),
        ("/api/c2sim/session/default/ws?clientId=", "the query has no clientId"),
    ] {
        let stream = open(&mut world, 0, path);
        let read = &mut world.clients[stream].read;
        let end = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        read.drain(..end);
        assert_eq!(frames(read), [Frame::Close(1003, wanted.into())]);
        world.wait(5000);
        assert_eq!(world.clients[stream].closed, Some(Cause::Answered));
    }
    let guest = Guest::new(&mut world, "x");
    assert_eq!(guest.get(&mut world, "default/ws?clientId=a").status, 426);
}

#[test]
fn the_newest_stream_wins_and_no_document_is_lost_between_the_two() {
    let mut world = World::plain();
    let a = Guest::joined(&mut world, "aaaaa");
    let mut b = Guest::joined(&mut world, "bbbbb");
    a.send(&mut world, &system("A", "SubmitInitialization"));
    let old = b.stream.unwrap();
    b.open_stream(&mut world, "default");
    a.send(&mut world, &system("A", "InitializationComplete"));
    assert_eq!(kinds(&b.heard(&mut world)), ["InitializationComplete"]);
    let before = frames(&mut world.clients[old].read);
    assert!(matches!(&before[..], [Frame::Text(_), Frame::Close(1000, _)]), "{before:?}");
}

#[test]
fn what_a_client_says_on_its_stream_is_judged() {
    for (first, payload, wanted) in [
        (0x81, &b"hello"[..], Some(1000)),
        (0x82, b"", None),
        (0x8a, b"", None),
        (0x81, b"\xff", Some(1007)),
        (0xc1, b"", Some(1002)),
        (0x80, b"", Some(1002)),
        (0x09, b"", Some(1002)),
        (0x82, &[0; (64 << 10) + 1], Some(1009)),
        (0x88, b"\x03\xe8", Some(1000)),
    ] {
        let mut world = World::plain();
        let guest = Guest::joined(&mut world, "aaaaa");
        guest.say(&mut world, first, payload);
        let codes: Vec<_> = guest
            .frames(&mut world)
            .into_iter()
            .map(|frame| if let Frame::Close(code, _) = frame { code } else { panic!("{frame:?}") })
            .collect();
        assert_eq!(codes, wanted.into_iter().collect::<Vec<_>>(), "{first:#x}");
    }
    let mut world = World::plain();
    let guest = Guest::joined(&mut world, "aaaaa");
    guest.say(&mut world, 0x89, b"are you there");
    assert_eq!(guest.frames(&mut world), [Frame::Pong(b"are you there".to_vec())]);
}

#[test]
fn a_silent_stream_is_asked_and_then_given_up_and_its_guest_is_lost_when_nothing_comes_of_it() {
    let mut world = with(|config| config.expiration_s = 3600);
    let mut member = Member::joined(&mut world, 0, "CA", "json");
    let guest = Guest::joined(&mut world, "aaaaa");
    world.wait(15_000);
    assert_eq!(guest.frames(&mut world), [Frame::Ping]);
    guest.say(&mut world, 0x8a, b"");
    world.wait(44_000);
    assert_eq!(world.clients[guest.stream.unwrap()].closed, None);
    world.wait(20_000);
    assert_eq!(world.clients[guest.stream.unwrap()].closed, Some(Cause::Silent));
    member.events(&mut world);
    world.wait(150_000);
    assert_eq!(member.events(&mut world).len(), 0, "it may come back");
    for _ in 0..4 {
        world.wait(20_000);
    }
    let told = member.events(&mut world);
    assert_eq!((told.len(), &told[0].0["event"]), (1, &json!("lost")), "{told:?}");
    assert_eq!(guest.send(&mut world, &system("A", "SubmitInitialization")).code(), "CLIENT_NOT_JOINED_SHARED_SESSION");
}

#[test]
fn a_member_whose_stream_comes_back_is_given_the_initialization_that_it_has_missed_and_only_that() {
    for is_wanted in [true, false] {
        let mut world = with(|config| config.resend_init = is_wanted);
        let a = Guest::joined(&mut world, "aaaaa");
        let mut b = Guest::joined(&mut world, "bbbbb");
        world.close(b.stream.unwrap());
        share(&mut world, &a);
        b.open_stream(&mut world, "default");
        let wanted: &[&str] = if is_wanted { &["C2SIMInitializationBody"] } else { &[] };
        assert_eq!(kinds(&b.heard(&mut world)), wanted);
        // Whether that has arrived shows when it speaks.
        b.open_stream(&mut world, "default");
        assert_eq!(kinds(&b.heard(&mut world)), wanted);
        world.wait(10);
        b.say(&mut world, 0x8a, b"");
        b.open_stream(&mut world, "default");
        assert_eq!(b.heard(&mut world), Vec::<String>::new());
    }
}

#[test]
fn a_stream_that_does_not_read_costs_the_others_nothing_and_is_cut_off_with_a_word_to_them() {
    let mut world = with(|config| (config.ring_bytes_max, config.stall_ms, config.slow_ms) = (64 << 10, 100, 10_000));
    let mut member = Member::joined(&mut world, 0, "CA", "json");
    let [a, b, c] = ["aaaaa", "bbbbb", "ccccc"].map(|id| Guest::joined(&mut world, id));
    share(&mut world, &a);
    a.send(&mut world, &system("A", "StartScenario"));
    for guest in [&b, &c] {
        guest.frames(&mut world);
    }
    world.limit(b.stream.unwrap(), 0);
    let report = domain("A", "ReportBody", 8000);
    for _ in 0..40 {
        assert_eq!(a.send(&mut world, &report).status, 200, "nobody waits for a guest");
    }
    assert_eq!(c.heard(&mut world).len(), 40);
    world.drain(b.stream.unwrap(), usize::MAX);
    let heard = b.frames(&mut world);
    let (last, before) = heard.split_last().unwrap();
    assert!(matches!(last, Frame::Close(1011, _)), "{last:?}");
    assert!((10..20).contains(&before.len()), "{}", before.len());
    world.wait(3000);
    assert_eq!(world.clients[b.stream.unwrap()].closed, Some(Cause::Notice));
    let lost: Vec<_> = member.events(&mut world).into_iter().filter(|(event, _)| event["event"] == "lost").collect();
    assert_eq!((lost.len(), &lost[0].0["by"]), (1, &json!("client 2 bb...")));
}

#[test]
fn a_flood_of_tiny_frames_is_looked_at_some_in_a_turn_and_all_in_the_end() {
    let mut world = World::plain();
    let guest = Guest::joined(&mut world, "aaaaa");
    let flood = ping().repeat(3000);
    world.feed(guest.stream.unwrap(), &flood);
    world.wait(1);
    assert_eq!(guest.frames(&mut world).len(), 3000);
}

fn ping() -> Vec<u8> {
    crate::common::web::client_frame(0x89, b"")
}

#[test]
fn a_session_that_is_deleted_ends_its_streams_and_a_server_that_stops_says_so() {
    let mut world = World::plain();
    let mut guest = Guest::new(&mut world, "aaaaa");
    let wish = json!({"data": {"c2simSchemaVersion": "2.0.0", "displayName": "", "description": ""}});
    guest.ask(&mut world, "PUT", "x/create", &wish);
    guest.open_stream(&mut world, "x");
    guest.join(&mut world, "x", "S");
    assert_eq!(guest.ask(&mut world, "DELETE", "x", &Value::Null).code(), "SHARED_SESSION_IN_USE");
    assert_eq!(guest.ask(&mut world, "DELETE", "x?force=true", &Value::Null).status, 200);
    assert!(matches!(guest.frames(&mut world)[..], [Frame::Close(1000, _)]));

    let mut guest = Guest::joined(&mut world, "bbbbb");
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    assert!(matches!(guest.frames(&mut world)[..], [Frame::Close(1012, _)]));
    guest.stream = None;
}

// ---- What is kept ----

#[test]
fn an_answer_comes_once_the_change_is_kept_and_what_was_asked_behind_it_waits() {
    let mut world = World::plain();
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    let guest = Guest::new(&mut world, "aaaaa");
    guest.post(&mut world, "POST", "default/join", ("application/json", br#"{"clientIdDisplayName":"a"}"#));
    ledger.settle_all(&mut world, 0);
    let joined = guest.answer(&mut world).unwrap();
    assert_eq!(joined.status, 200, "{joined:?}");
    guest.post(&mut world, "POST", "default/send", ("application/xml", system("A", "SubmitInitialization").as_bytes()));
    guest.post(&mut world, "GET", "default/info", ("text/plain", b""));
    assert!(guest.answer(&mut world).is_none(), "nothing is kept yet");
    let other = Guest::new(&mut world, "bbbbb");
    assert_eq!(other.get(&mut world, "default/info").json()["state"], "UNINITIALIZED", "others go on");
    ledger.settle_all(&mut world, 0);
    assert_eq!(guest.answer(&mut world).unwrap().field("X-Instep-Session-State"), Some("INITIALIZING"));
    assert_eq!(guest.answer(&mut world).unwrap().json()["state"], "INITIALIZING");
    // Who ends while it waits leaves nothing behind.
    guest.post(&mut world, "POST", "default/send", ("application/xml", initialization("A", &["A"]).as_bytes()));
    world.close(guest.requests);
    ledger.settle_all(&mut world, 0);
    assert!(world.outputs.iter().all(|(_, output)| !matches!(output, Output::Stop)));
}

#[test]
fn after_a_restart_too_a_stream_that_comes_back_is_given_the_initialization_once() {
    let mut world = with(|_| ());
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    let post = |world: &mut World, guest: &Guest, path: &str, body: (&str, &[u8])| {
        guest.post(world, "POST", path, body);
        ledger.settle_all(world, 0);
        let answer = guest.answer(world).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let words = ("application/json", &br#"{"clientIdDisplayName":"a"}"#[..]);
    let a = Guest::new(&mut world, "aaaaa");
    post(&mut world, &a, "default/join", words);
    for document in [system("A", "SubmitInitialization"), initialization("A", &["A"]), system("A", "ShareScenario")] {
        post(&mut world, &a, "default/send", ("application/xml", document.as_bytes()));
    }
    ledger.crash();
    world.kill(0);
    world.revive(0, config(1));
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let mut b = Guest::new(&mut world, "bbbbb");
    post(&mut world, &b, "default/join", words);
    b.open_stream(&mut world, "default");
    assert_eq!(kinds(&b.heard(&mut world)), ["C2SIMInitializationBody"]);
    world.wait(10);
    b.say(&mut world, 0x8a, b"");
    b.open_stream(&mut world, "default");
    assert_eq!(b.heard(&mut world), Vec::<String>::new());
}

#[test]
fn requests_may_be_cut_anywhere() {
    let whole = |cut: usize| {
        let mut world = World::plain();
        let guest = Guest::new(&mut world, "aaaaa");
        guest.join(&mut world, "default", "S");
        let document = system("S", "SubmitInitialization");
        let request = format!(
            "POST /api/c2sim/session/default/send HTTP/1.1\r\nHost:lab\r\nclientid:aaaaa\r\nContent-Type: application/xml\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{document}\r\n0\r\n\r\n",
            document.len()
        );
        let cut = cut.min(request.len());
        world.feed(guest.requests, &request.as_bytes()[..cut]);
        world.feed(guest.requests, &request.as_bytes()[cut..]);
        let answer = take_answer(&mut world.clients[guest.requests].read);
        assert_eq!(answer.expect("it is whole").status, 200, "{cut}");
        request.len()
    };
    let len = whole(0);
    for cut in 1..len {
        whole(cut);
    }
}

#[test]
fn the_description_of_the_interface_names_every_operation() {
    let mut world = World::plain();
    let guest = Guest::new(&mut world, "x");
    world.feed(guest.requests, b"GET /openapi.yaml HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = guest.answer(&mut world).unwrap();
    assert_eq!(answer.field("Content-Type"), Some("application/yaml"));
    for operation in [
        "createSession",
        "joinSession",
        "resignFromSession",
        "deleteSession",
        "getSessionInfo",
        "getSessions",
        "getSessionInitialization",
        "send",
        "getStreamEndpoints",
    ] {
        assert!(answer.body.contains(&format!("operationId: {operation}\n")), "{operation}");
    }
    world.feed(guest.requests, b"GET /cleanup HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(guest.answer(&mut world).unwrap().status, 200);
}

#[test]
fn where_there_are_too_many_the_connection_that_was_idle_the_longest_makes_room() {
    let mut world = with(|config| config.connections_max = 8);
    let mut guests: Vec<Guest> = Vec::new();
    for n in 0..20 {
        let guest = Guest::new(&mut world, &format!("g{n}"));
        assert_eq!(guest.get(&mut world, "list").status, 200, "{n}");
        world.wait(10);
        guests.push(guest);
    }
    let open: Vec<usize> = (0..20).filter(|n| world.clients[guests[*n].requests].closed.is_none()).collect();
    assert!(open.len() >= 4 && open == (20 - open.len()..20).collect::<Vec<_>>(), "{open:?}");
    assert_eq!((world.clients[guests[0].requests].closed, world.count("connections_refused")), (Some(Cause::Idle), 0));
    // Streams do not go.
    guests[19].open_stream(&mut world, "default");
    for n in 0..20 {
        Guest::new(&mut world, &format!("h{n}")).get(&mut world, "list");
    }
    assert_eq!(world.clients[guests[19].stream.unwrap()].closed, None);
}

#[test]
fn one_other_machine_cannot_take_all_places_of_a_session() {
    let mut world = World::plain();
    let mut stranger = Guest::new(&mut world, "x");
    stranger.requests = world.connect_at(0, instep::hub::Door::Http, "192.0.2.1:5000").unwrap();
    let mut joined = 0;
    loop {
        stranger.id = format!("id{joined}");
        let answer = stranger.join(&mut world, "default", "S");
        if answer.status != 200 {
            assert_eq!(answer.code(), "TOO_MANY_MEMBERS");
            break;
        }
        joined += 1;
    }
    assert!(joined > 500 && joined < instep::limits::MEMBERS_MAX, "{joined}");
    let other = Guest::new(&mut world, "other");
    assert_eq!(other.join(&mut world, "default", "S").status, 200);
}

#[test]
fn one_other_machine_cannot_take_the_memory_of_all_sessions() {
    let sessions = (0..8).map(|n| Predefined { name: format!("s{n}"), ..Predefined::default() }).collect();
    let small =
        Config { memory_max: 6 << 20, message_bytes_max: 1_000_000, ring_bytes_max: 64 << 10, sessions, ..config(1) };
    let mut world = World::new(small);
    let mut stranger = Guest::new(&mut world, "x");
    stranger.requests = world.connect_at(0, instep::hub::Door::Http, "192.0.2.1:5000").unwrap();
    let (mut joined, mut refused) = (0, 0);
    for n in 0..2400 {
        stranger.id = format!("id{n}");
        let answer = stranger.join(&mut world, &format!("s{}", n % 8), "S");
        if answer.status == 200 {
            joined += 1;
        } else {
            assert_eq!(answer.code(), "TOO_MANY_MEMBERS");
            refused += 1;
        }
    }
    assert!(joined > 384 && refused > 384, "{joined} {refused}");
    let mut other = Guest::new(&mut world, "other");
    other.requests = world.connect_at(0, instep::hub::Door::Http, "192.0.2.2:5000").unwrap();
    assert_eq!(other.join(&mut world, "s0", "S").status, 200);
}

#[test]
fn a_client_that_asks_for_signs_of_life_and_reads_none_does_not_fill_its_ring() {
    let mut world = World::plain();
    let guest = Guest::joined(&mut world, "aaaaa");
    world.limit(guest.stream.unwrap(), 0);
    for _ in 0..5000 {
        guest.say(&mut world, 0x89, &[b'x'; 100]);
    }
    let waits = world.waits_for(guest.stream.unwrap());
    assert!((60_000..70_000).contains(&waits), "{waits}");
    world.drain(guest.stream.unwrap(), usize::MAX);
    guest.frames(&mut world);
    guest.say(&mut world, 0x89, b"again");
    assert_eq!(guest.frames(&mut world), [Frame::Pong(b"again".to_vec())]);
}

// ---- Numbers ----

/// What is told of all that has been counted.
fn metrics(world: &mut World) -> String {
    let client = world.connect_at(0, instep::hub::Door::Http, "127.0.0.1:5001").unwrap();
    world.feed(client, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = take_answer(&mut world.clients[client].read).unwrap();
    assert_eq!(answer.status, 200);
    answer.body
}

#[test]
fn documents_and_requests_are_counted_as_other_servers_of_c2sim_do() {
    let mut world = World::plain();
    let one = Guest::new(&mut world, "aaaaa");
    one.join(&mut world, "default", "the \"A\" \\ team");
    let [submit, order] = [system("A", "SubmitInitialization"), domain("A", "OrderBody", 100)];
    assert_eq!(one.send(&mut world, &submit).status, 200);
    for document in [&order, &order, "<x"] {
        assert_eq!(one.send(&mut world, document).status, 400);
    }
    let said = metrics(&mut world);
    let labels =
        "c2sim_app=\"c2sim-server\",c2sim_shared_session=\"default\",c2sim_system_name=\"the \\\"A\\\" \\\\ team\"";
    let api = "/api/c2sim/session/{sharedSessionName}";
    for wanted in [
        format!("c2sim_client_msg_valid_count_total{{{labels},c2sim_msg_kind=\"SUBMIT_INITIALIZATION\"}} 1"),
        format!(
            "c2sim_client_msg_bytes_sent_total{{{labels},c2sim_msg_kind=\"SUBMIT_INITIALIZATION\"}} {}",
            submit.len()
        ),
        format!(
            "c2sim_client_msg_invalid_count_total{{{labels},c2sim_msg_kind=\"ORDER\",c2sim_error_kind=\"C2SIM_MSG_NOT_ALLOWED_IN_STATE\"}} 2"
        ),
        format!(
            "c2sim_client_msg_invalid_count_total{{{labels},c2sim_msg_kind=\"UNREADABLE\",c2sim_error_kind=\"C2SIM_INVALID_HEADER\"}} 1"
        ),
        format!(
            "c2sim_request_duration_seconds_count{{c2sim_app=\"c2sim-server\",c2sim_request_endpoint=\"{api}/send\",\
             c2sim_request_method=\"POST\",c2sim_request_status=\"400\"}} 3"
        ),
        "c2sim_server_active_requests{c2sim_app=\"c2sim-server\"} 1".to_owned(),
    ] {
        assert!(said.lines().any(|line| line == wanted), "{wanted} in {said}");
    }
}

#[test]
fn whatever_names_clients_make_up_what_is_told_stays_short() {
    let mut world = World::plain();
    for n in 0..300 {
        let guest = Guest::new(&mut world, &format!("id{n}"));
        guest.join(&mut world, "default", &format!("system {n}"));
        guest.send(&mut world, &domain("A", "OrderBody", 100));
        guest.get(&mut world, &format!("none{n}/info"));
    }
    let said = metrics(&mut world);
    let rows = said.lines().filter(|line| !line.starts_with('#')).count();
    assert!(rows < 1000 && said.contains("c2sim_system_name=\"system 7\""), "{rows} rows: {said}");
    let others: u64 = said
        .lines()
        .filter(|line| line.starts_with("c2sim_client_msg_invalid_count_total") && line.contains("\"other\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    assert_eq!(others, 300 - instep::limits::TALLY_DOCUMENTS_MAX as u64);
}
