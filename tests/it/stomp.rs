//! Clients of GMU's C2SIM server on STOMP: what they subscribe to, what they hear, and how it ends.

use instep::config::{Config, Predefined, Schema};
use instep::hub::Door;
use instep::net::Server;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::common::c2sim;
use crate::common::gmu::{Hearer, Library, Poster, document, initialization, order, system, value};
use crate::common::ledger::Memory;
use crate::common::member::{Member, is_document_of};
use crate::common::world::{World, config};

fn brief(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(kind, number)| ((*kind).to_owned(), *number)).collect()
}

#[test]
fn the_exercise_of_each_library_is_heard_by_it() {
    for library in Library::ALL {
        let mut world = World::plain();
        let hearer = Hearer::of(&mut world, library, "127.0.0.1:5001");
        let mut client = Poster::new(library);
        let name = client.name.clone();
        client.status(&mut world);
        client.submit(&mut world, &order(&name));
        client.command(&mut world, "INITIALIZE", [""; 3]);
        client.submit(&mut world, &initialization(&name, "Object", "A", ""));
        client.submit(&mut world, &initialization(&name, "C2SIM", "B", ""));
        assert_eq!(
            hearer.heard(&mut world),
            brief(&[("C2SIM_Command", 3)]),
            "of parts nothing is heard before the share"
        );
        client.command(&mut world, "SHARE", [""; 3]);
        let shared = hearer.frames(&mut world);
        let kinds: Vec<_> = shared.iter().map(|frame| frame.brief()).collect();
        assert_eq!(kinds, [("C2SIM_Command", 5), ("C2SIM_Initialization", 6), ("C2SIM_Command", 6)]);
        for (frame, element) in
            shared.iter().zip(["ShareScenario", "C2SIMInitializationBody", "InitializationComplete"])
        {
            assert!(is_document_of(frame.body.trim_end(), element), "{element}: {frame:?}");
            assert_eq!((frame.header("source"), frame.header("session-state")), ("Generated", "INITIALIZED"));
        }
        assert!(shared[2].body.contains("<InitializationComplete>INITIALIZED</InitializationComplete>"));
        let ids: Vec<_> = shared.iter().map(|frame| frame.header("message-id")).collect();
        assert_eq!(ids, ["5-1", "6-1", "6-2"]);
        client.command(&mut world, "START", [""; 3]);
        let posted = client.submit(&mut world, &order(&name));
        let heard = hearer.frames(&mut world);
        assert_eq!(heard[1].header("message-number"), value(&posted, "msgNumber"), "its own order too");
        for command in ["PAUSE", "RESUME", "STOP", "RESET"] {
            client.command(&mut world, command, [""; 3]);
        }
        let commands: Vec<_> = (9..13).map(|number| ("C2SIM_Command", number)).collect();
        assert_eq!(hearer.heard(&mut world), brief(&commands));
        hearer.say(&mut world, "DISCONNECT\n\n\0");
        assert!(world.clients[hearer.client].closed.is_some());
    }
}

#[test]
fn a_message_has_these_headers_in_this_order_and_one_line_of_body() {
    let mut world = World::plain();
    let hearer = Hearer::of(&mut world, Library::CSharp, "127.0.0.1:5001");
    let mut client = Poster::new(Library::Java);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    let started = hearer.frames(&mut world).remove(0);
    let names = [
        "subscription",
        "message-id",
        "destination",
        "protocol",
        "content-type",
        "content-length",
        "submitter",
        "source",
        "message-time",
        "forwarders",
        "message-selector",
        "message-type",
        "message-dialect",
        "c2sim-version",
        "message-number",
        "sender",
        "receiver",
        "communicativeActTypeCode",
        "conversationid",
        "session",
        "session-state",
    ];
    let found: Vec<_> = started.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, names);
    for (name, wanted) in [
        ("subscription", "134404639252606170"),
        ("destination", "/topic/C2SIM"),
        ("protocol", "SISO-STD-C2SIM"),
        ("content-type", "text/plain"),
        ("submitter", "GMUSYS"),
        ("source", "Generated"),
        ("message-time", "2023/11/14 22:13:20"),
        ("c2sim-version", "1.0.2"),
        ("sender", "SERVER"),
        ("receiver", "ALL"),
        ("communicativeActTypeCode", "Inform"),
        ("session", "default"),
        ("session-state", "INITIALIZING"),
    ] {
        assert_eq!(started.header(name), wanted, "{name}");
    }
    assert!(
        started.body.contains("xmlns=\"http://www.sisostds.org/schemas/C2SIM/1.1\""),
        "though the session is of 2.0.0"
    );
    assert!(started.body.contains(&format!("<ConversationID>{}<", started.header("conversationid"))));
    client.submit(&mut world, &initialization("S", "C2SIM", "S", ""));
    client.command(&mut world, "SHARE", [""; 3]);
    client.command(&mut world, "START", [""; 3]);
    hearer.frames(&mut world);
    let odd = document(
        "S\\1",
        "<DomainMessageBody><ReportBody><!-- c\n\nd --><Name\n>a\nb</Name></ReportBody></DomainMessageBody>",
    );
    client.submit(&mut world, &odd);
    let report = hearer.frames(&mut world).remove(0);
    for (name, wanted) in [
        ("message-type", "C2SIM_Report"),
        ("source", "Client"),
        ("c2sim-version", "CWIX2023v1.0.2"),
        ("sender", "S\\\\1"),
        ("receiver", "http://server.example"),
        ("communicativeActTypeCode", "ORDER"),
        ("conversationid", "f443eae5-c5b2-4606-b9a6-5c4612fe69f9"),
        ("session-state", "RUNNING"),
    ] {
        assert_eq!(report.header(name), wanted, "{name}");
    }
    assert!(
        report
            .body
            .ends_with("<ReportBody><Name>a&#10;b</Name></ReportBody></DomainMessageBody></MessageBody></Message>\n")
    );
    client.command(&mut world, "PAUSE", [""; 3]);
    assert_eq!(hearer.frames(&mut world)[0].header("c2sim-version"), "CWIX2023v1.0.2", "that of the last document");
    let mut world = World::new(Config { gmu_version: "CWIX2024".to_owned(), ..config(1) });
    let hearer = Hearer::of(&mut world, Library::Java, "127.0.0.1:5001");
    client = Poster::new(Library::Java);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    assert_eq!(hearer.frames(&mut world)[0].header("c2sim-version"), "CWIX2024");
}

#[test]
fn what_a_hearer_cannot_read_is_told_as_a_trigger_or_counted() {
    let mut world = World::plain();
    let hearer = Hearer::of(&mut world, Library::Cpp, "127.0.0.1:5001");
    let mut member = Member::joined(&mut world, 0, "A", "json");
    member.document(&mut world, &c2sim::system("A", "SubmitInitialization"));
    member.document(&mut world, &c2sim::initialization("A", &["A"]));
    member.pull(&mut world, "share_scenario");
    let heard = hearer.frames(&mut world);
    let elements = ["SubmitInitialization", "ShareScenario", "InitializationComplete"];
    assert_eq!(heard.len(), elements.len(), "not the body, which is of the other namespace");
    for (frame, element) in heard.iter().zip(elements) {
        assert!(
            is_document_of(frame.body.trim_end(), element) && frame.body.contains("C2SIM/1.1\""),
            "{element}: {frame:?}"
        );
        assert_eq!((frame.header("source"), frame.header("submitter")), ("Generated", "N1.A"));
    }
    member.pull(&mut world, "start_scenario");
    hearer.frames(&mut world);
    member.document(&mut world, &c2sim::domain("A", "ReportBody", 10));
    assert!(hearer.frames(&mut world).is_empty());
    assert_eq!(world.count("stomp_unreadable"), 1);
    let mut client = Poster::new(Library::Java);
    client.submit(&mut world, &order("B"));
    assert_eq!(hearer.heard(&mut world).len(), 1);
}

#[test]
fn selectors_choose_and_every_subscription_has_its_copy() {
    let mut world = World::plain();
    let hearer = Hearer::new(&mut world, "127.0.0.1:5001");
    hearer.say(&mut world, "STOMP\naccept-version:1.1\n\n\0");
    let subscribe = |id: &str, selector: &str| {
        format!("SUBSCRIBE\ndestination:/topic/C2SIM\nid:{id}\nselector:{selector}\nack:client\nreceipt:r-{id}\n\n\0")
    };
    hearer.say(
        &mut world,
        &subscribe("one", "(message-selector = 'C2SIM_Command') or (message-selector = 'C2SIM_Order')"),
    );
    hearer.say(&mut world, &subscribe("two", "message-type <> 'C2SIM_Command' AND sender = 'B'"));
    hearer.say(&mut world, &subscribe("two", "no-such-header = 'x'"));
    hearer.say(&mut world, "SUBSCRIBE\ndestination:/topic/BML\nid:bml\n\n\0ACK\nid:1\nreceipt:a\n\n\0");
    let said: Vec<_> =
        hearer.frames(&mut world).into_iter().skip(1).map(|frame| frame.header("receipt-id").to_owned()).collect();
    assert_eq!(said, ["r-one", "r-two", "r-two", "a"]);
    let mut client = Poster::new(Library::Cpp);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    client.submit(&mut world, &initialization("B", "C2SIM", "B", ""));
    client.command(&mut world, "SHARE", [""; 3]);
    client.command(&mut world, "START", [""; 3]);
    hearer.frames(&mut world);
    client.submit(&mut world, &order("A"));
    client.submit(&mut world, &order("B"));
    let told = |world: &mut World| -> Vec<String> {
        hearer
            .frames(world)
            .iter()
            .map(|frame| format!("{} {}", frame.header("subscription"), frame.header("destination")))
            .collect()
    };
    let wanted = ["one /topic/C2SIM", "bml /topic/BML", "one /topic/C2SIM", "two /topic/C2SIM", "bml /topic/BML"];
    assert_eq!(told(&mut world), wanted);
    hearer.say(&mut world, "UNSUBSCRIBE\nid:one\nreceipt:u\n\n\0UNSUBSCRIBE\nid:bml\n\n\0");
    hearer.frames(&mut world);
    client.submit(&mut world, &order("B"));
    assert_eq!(told(&mut world), ["two /topic/C2SIM"]);
}

#[test]
fn a_hearer_is_a_member_as_long_as_it_subscribes() {
    let mut world = World::new(Config {
        sessions: vec![Predefined { name: "a b".replace(' ', "%20"), schema: Schema::V1_0_2, ..Predefined::default() }],
        ..config(1)
    });
    let mut member = Member::joined(&mut world, 0, "L", "json");
    let hearer = Hearer::of(&mut world, Library::Java, "10.0.0.7:5001");
    let row = member.ask(&mut world, "N1.session:default", "members", &json!(null))["result"]["members"][1].clone();
    assert_eq!(
        (&row["name"], &row["format"], &row["address"]),
        (&json!("hearer 10.0.0.7:5001"), &json!("stomp"), &json!("10.0.0.7:5001"))
    );
    hearer.say(&mut world, "SUBSCRIBE\ndestination:/topic/C2SIM.a b\nid:2\n\n\0");
    hearer.say(&mut world, "UNSUBSCRIBE\nid:Sun Nov 29 22:12:02 UTC 2026\n\n\0");
    let words = |member: &mut Member, world: &mut World| -> Vec<String> {
        member.events(world).iter().map(|(event, _)| event["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words(&mut member, &mut world), ["joined", "resigned"]);
    let mut client = Poster::new(Library::Java);
    let request = client.post("command", "submitterID=A&command=INITIALIZE&session=a%20b", "");
    client.exchange(&mut world, &request);
    assert_eq!(hearer.frames(&mut world)[0].header("destination"), "/topic/C2SIM.a b");
    let other = Hearer::of(&mut world, Library::Cpp, "127.0.0.1:5002");
    world.close(other.client);
    let third = Hearer::of(&mut world, Library::CSharp, "127.0.0.1:5003");
    third.say(&mut world, "DISCONNECT\nreceipt:bye\n\n\0");
    assert_eq!(third.frames(&mut world)[0].header("receipt-id"), "bye");
    assert_eq!(words(&mut member, &mut world), ["joined", "lost", "joined", "resigned"]);
    member.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "a%20b", "force": true}));
    let told = hearer.frames(&mut world);
    assert_eq!(told[0].header("message"), "the session was deleted");
    assert!(world.clients[hearer.client].closed.is_some());
}

#[test]
fn what_is_sent_is_handed_in_for_its_submitter() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "L", "json");
    member.run(&mut world);
    let hearer = Hearer::of(&mut world, Library::Java, "127.0.0.1:5001");
    member.events(&mut world);
    let send = |submitter: &str, receipt: &str, body: &str| {
        format!(
            "SEND\ndestination:/topic/C2SIM\n{submitter}protocol:SISO-STD-C2SIMcontent-type:text/plain\n{receipt}\n{body}\0\n"
        )
    };
    let response = document("B", "<DomainMessageBody><AcknowledgementBody/></DomainMessageBody>");
    hearer.say(&mut world, &send("submitter:GUI\n", "", &response));
    let heard = hearer.frames(&mut world);
    assert_eq!((heard[0].header("message-type"), heard[0].header("submitter")), ("C2SIM_Other", "GUI"));
    let events = member.events(&mut world);
    assert_eq!((&events[0].0["by"], &events[1].0["by"]), (&json!("submitter GUI"), &json!("submitter GUI")));
    hearer.say(&mut world, &send("submitter:GUI\n", "receipt:r1\n", &response));
    let heard = hearer.frames(&mut world);
    assert_eq!((heard[0].command.as_str(), heard[1].header("receipt-id")), ("MESSAGE", "r1"));
    // One that is refused ends the connection only if its client would know otherwise.
    hearer.say(&mut world, &send("", "", &response));
    hearer.say(&mut world, &send("submitter:GUI\n", "", "<Message/>"));
    assert!(hearer.frames(&mut world).is_empty());
    assert_eq!((world.count("stomp_sends"), world.count("stomp_sends_refused")), (4, 2));
    hearer.say(&mut world, &send("submitter:GUI\n", "receipt:r2\n", &system("B", "StartScenario", "")));
    let told = hearer.frames(&mut world);
    assert_eq!((told[0].command.as_str(), told[0].header("receipt-id")), ("ERROR", "r2"));
    assert!(told[0].body.contains("STATE_TRANSITION_NOT_ALLOWED"), "{told:?}");
    assert!(world.clients[hearer.client].closed.is_some());
}

#[test]
fn what_cannot_be_done_is_said_and_the_connection_ends() {
    let connect = "CONNECT\naccept-version:1.2\n\n\0";
    let subscribe = "SUBSCRIBE\ndestination:/topic/C2SIM\nid:1\n\n\0";
    for (text, message) in [
        ("SUBSCRIBE\ndestination:/topic/C2SIM\nid:1\n\n\0".to_owned(), "CONNECT comes first"),
        (connect.repeat(2), "the connection has begun already"),
        ("CONNECT\naccept-version:3.0\n\n\0".to_owned(), "STOMP 1.0, 1.1 and 1.2 are spoken here"),
        ("CONNECT\npasscode:wrong\n\n\0".to_owned(), "the passcode is wrong"),
        ("GET / HTTP/1.1\r\n".to_owned(), "unknown command"),
        (format!("{connect}BEGIN\ntransaction:1\n\n\0"), "transactions are not supported"),
        (format!("{connect}SUBSCRIBE\ndestination:/queue/C2SIM\nid:1\n\n\0"), "there is no such destination"),
        (format!("{connect}SUBSCRIBE\ndestination:/topic/C2SIM.none\nid:1\n\n\0"), "there is no such destination"),
        (format!("{connect}SUBSCRIBE\nid:1\n\n\0"), "SUBSCRIBE has a destination"),
        (format!("{connect}SUBSCRIBE\ndestination:/topic/C2SIM\nid:1\nack:never\n\n\0"), "there is no ack never"),
        (
            format!("{connect}SUBSCRIBE\ndestination:/topic/C2SIM\nid:1\nselector:a = \n\n\0"),
            "selector, at byte 5: expected a text in single quotes",
        ),
        (format!("{connect}UNSUBSCRIBE\n\n\0"), "UNSUBSCRIBE has an id"),
        (format!("{connect}{}", subscribe.repeat(9)), "too many subscriptions"),
        (format!("{connect}SEND\ndestination:/topic/x\n\nx\0"), "there is no such destination"),
        (format!("{connect}SEND\ncontent-length:2000000\n\n"), "body too long"),
    ] {
        let mut world =
            World::new(Config { gmu_password: "right".to_owned(), document_bytes_max: 1 << 20, ..config(1) });
        let hearer = Hearer::new(&mut world, "127.0.0.1:5001");
        hearer.say(&mut world, &text);
        let told = hearer.frames(&mut world);
        let last = told.last().unwrap_or_else(|| panic!("{text}"));
        assert_eq!((last.command.as_str(), last.header("message")), ("ERROR", message), "{text}");
        assert!(world.clients[hearer.client].closed.is_some(), "{text}");
    }
    let mut world = World::new(Config { gmu_password: "right".to_owned(), ..config(1) });
    for passcode in ["", "right"] {
        let hearer = Hearer::new(&mut world, "127.0.0.1:5001");
        hearer.say(&mut world, &format!("CONNECT\nlogin:x\npasscode:{passcode}\n\n\0"));
        assert_eq!(hearer.frames(&mut world)[0].command, "CONNECTED");
    }
}

#[test]
fn beats_come_in_pairs_to_those_who_asked_and_silence_does_not_end_anything() {
    let mut world = World::plain();
    let asked = Hearer::of(&mut world, Library::CSharp, "127.0.0.1:5001");
    let silent = Hearer::of(&mut world, Library::Java, "127.0.0.1:5002");
    world.wait(16_000);
    assert_eq!(world.clients[asked.client].read, b"\n\n\n\n\n\n", "every five seconds, though it asked for four");
    world.wait(600_000);
    assert!(world.clients[silent.client].read.is_empty());
    assert!(world.clients[silent.client].closed.is_none() && world.clients[asked.client].closed.is_none());
    // Who never connects is not waited for so long.
    let mute = Hearer::new(&mut world, "127.0.0.1:5003");
    world.wait(61_000);
    assert!(world.clients[mute.client].closed.is_some());
}

#[test]
fn one_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let mut world =
        World::new(Config { ring_bytes_max: 64 << 10, stall_ms: 0, slow_ms: 5000, expiration_s: 3600, ..config(1) });
    let mut member = Member::joined(&mut world, 0, "L", "json");
    member.run(&mut world);
    let (stuck, good) = (
        Hearer::of(&mut world, Library::Java, "127.0.0.1:5001"),
        Hearer::of(&mut world, Library::Cpp, "127.0.0.1:5002"),
    );
    world.limit(stuck.client, 0);
    let mut client = Poster::new(Library::CSharp);
    let (mut taken, mut heard) = (0, 0);
    for _ in 0..300 {
        taken += usize::from(value(&client.submit(&mut world, &order("S")), "status") == "OK");
        heard += good.frames(&mut world).len();
        world.wait(100);
    }
    assert_eq!(heard, taken, "whoever reads hears everything that was taken");
    assert!(taken > 100 && world.clients[stuck.client].closed.is_some(), "{taken}");
    let events = member.events(&mut world);
    let lost: Vec<_> = events.iter().filter(|(event, _)| event["event"] == "lost").collect();
    assert_eq!((lost.len(), &lost[0].0["by"]), (1, &json!("hearer 127.0.0.1:5001")));
}

#[test]
fn an_answer_to_what_was_sent_waits_until_it_is_durable() {
    let mut world = World::new(config(1));
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let hearer = Hearer::of(&mut world, Library::Java, "127.0.0.1:5001");
    let submit = system("B", "SubmitInitialization", "");
    let send =
        format!("SEND\ndestination:/topic/C2SIM\nsubmitter:B\nreceipt:r\n\n{submit}\0ACK\nid:1\nreceipt:a\n\n\0");
    hearer.say(&mut world, &send);
    assert!(hearer.frames(&mut world).is_empty(), "nor is the next frame looked at");
    ledger.settle_all(&mut world, 0);
    world.pump();
    let told: Vec<_> = hearer.frames(&mut world).iter().map(|frame| frame.command.clone()).collect();
    assert_eq!(told, ["MESSAGE", "RECEIPT", "RECEIPT"]);
}

#[test]
fn frames_may_be_cut_anywhere() {
    let mut world = World::plain();
    let hearer = Hearer::new(&mut world, "127.0.0.1:5001");
    let mut client = Poster::new(Library::Java);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    let part = initialization("B", "Object", "B", "");
    let all = format!(
        "CONNECT\r\nlogin:\r\n\r\n\0\r\nSUBSCRIBE\ndestination:/topic/C2SIM\nid:1\n\n\0\n\n\
         SEND\ndestination:/topic/C2SIM\nsubmitter:B\nreceipt:r\n\n{part}\0DISCONNECT\nreceipt:d\n\n\0"
    );
    for byte in all.as_bytes() {
        world.feed(hearer.client, &[*byte]);
    }
    let told: Vec<_> = hearer.frames(&mut world).iter().map(|frame| frame.command.clone()).collect();
    assert_eq!(told, ["CONNECTED", "RECEIPT", "RECEIPT"]);
}

#[test]
fn the_end_of_the_server_is_told() {
    let mut world = World::plain();
    let hearer = Hearer::of(&mut world, Library::Java, "127.0.0.1:5001");
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    let told = hearer.frames(&mut world);
    assert_eq!((told[0].command.as_str(), told[0].header("message")), ("ERROR", "the server stops"));
    assert_eq!(world.connect_at(0, Door::Stomp, "127.0.0.1:5002"), None);
}

#[test]
fn a_running_server_speaks_it_where_it_is_told_to() {
    let [here, off] = ["127.0.0.1:0", "off"].map(|word| vec![word.to_owned()]);
    let config = Config {
        bind: here.clone(),
        stomp_bind: here,
        control_bind: off.clone(),
        viewer_bind: off.clone(),
        http_bind: off,
        ..config(1)
    };
    assert_eq!(Config::default().stomp_bind, [""; 0], "by default nowhere");
    let mut server = Server::bind(config).unwrap();
    let address = server.addresses(Door::Stomp).next().unwrap();
    let stopper = server.stopper();
    let thread = std::thread::spawn(move || server.run().unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"CONNECT\n\n\0").unwrap();
    // Its client looks one byte further than the frame.
    let mut said = Vec::new();
    while !said.ends_with(b"\0\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    assert!(said.starts_with(b"CONNECTED\nversion:1.0\nheart-beat:0,0\nserver:instep/"));
    stopper.stop();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("ERROR\nmessage:the server stops\n"), "{rest}");
    drop(stream);
    thread.join().unwrap();
}
