//! Clients of GMU's C2SIM server over HTTP: their requests as their libraries make them, and the exact answers.

use instep::config::{Config, Predefined, Schema};
use instep::hub::Door;
use serde_json::json;

use crate::common::c2sim;
use crate::common::gmu::{Library, Poster, document, initialization, order, system, take_answer, value};
use crate::common::ledger::Memory;
use crate::common::member::{Member, brief, is_document_of};
use crate::common::world::{World, config};

const PASSWORD: &str = "v0lgenau";

fn with_password() -> Config {
    Config { gmu_password: PASSWORD.to_owned(), ..config(1) }
}

/// One unit, and with it so many routes.
fn entity(routes: usize) -> String {
    let route = "<Route><Name>r</Name></Route>".repeat(routes);
    format!("<Entity><PhysicalEntity><MapGraphic>{route}</MapGraphic></PhysicalEntity></Entity>")
}

#[test]
fn the_exercise_of_each_library_goes_through() {
    for library in Library::ALL {
        let mut world = World::new(with_password());
        let mut member = Member::joined(&mut world, 0, "L", "json");
        let mut client = Poster::new(library);
        let name = client.name.clone();
        let status = client.status(&mut world);
        assert_eq!(
            status,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n\t<status>OK</status>\n\t<serverInitialized>true</serverInitialized>\n\
             \t<sessionState>UNINITIALIZED</sessionState>\n\t<cyberActive>false</cyberActive>\n\t<unitDatabaseName>defaultDB</unitDatabaseName>\n\
             \t<unitDatabaseSize>0</unitDatabaseSize>\n\t<msgNumber>1</msgNumber>\n</result>"
        );
        let status = client.command(&mut world, "STATUS", [""; 3]);
        assert_eq!(
            status,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n\t<status>OK</status>\n\t<message>Server is stopped</message>\n\
             \t<serverInitialized>true</serverInitialized>\n\t<serverVersion>4.8.3.2</serverVersion>\n\t<sessionState>UNINITIALIZED</sessionState>\n\
             \t<unitDatabaseName>defaultDB</unitDatabaseName>\n\t<unitDatabaseSize>0</unitDatabaseSize>\n\t<msgNumber>0</msgNumber>\n\
             \t<time> 0.000</time>\n\t<collectResponseTime>F</collectResponseTime>\n</result>"
        );
        assert_eq!(status.len(), 426, "as long as the one that the libraries have read");
        let refused = client.submit(&mut world, &order(&name));
        assert_eq!(
            refused,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n\t<status>ERROR</status>\n\t<message>Error processing message</message>\n\
             \t<serverInitialized>true</serverInitialized>\n\t<serverVersion>4.8.3.2</serverVersion>\n\t<sessionState>UNINITIALIZED</sessionState>\n\
             \t<unitDatabaseSize>0</unitDatabaseSize>\n\t<msgNumber>2</msgNumber>\n\t<time>0.0</time>\n\
             \t<error>C2SIM message of type 'ORDER' is not allowed in state 'UNINITIALIZED' (C2SIM_MSG_NOT_ALLOWED_IN_STATE)</error>\n\
             \t<cause>CURRENT_STATE: UNINITIALIZED</cause>\n</result>"
        );
        let refused = client.command(&mut world, "INITIALIZE", [""; 3]);
        assert_eq!(
            (value(&refused, "message"), value(&refused, "error")),
            ("Error processing command", "Command requires password")
        );
        let refused = client.command(&mut world, "INITIALIZE", ["wrong", "", ""]);
        assert_eq!((value(&refused, "status"), value(&refused, "error")), ("ERROR", "Password is invalid"));
        let mut command = |world: &mut World, word: &str| client.command(world, word, [PASSWORD, "", ""]);
        assert_eq!(command(&mut world, "START"), {
            let refused = command(&mut world, "start");
            assert_eq!(value(&refused, "error"), "START not permitted in state UNINITIALIZED");
            refused
        });
        assert_eq!(command(&mut world, "INITIALIZE"), "INITIALIZE Command processed.  State set to INITIALIZING");
        let refused = command(&mut world, "SHARE");
        assert_eq!(value(&refused, "error"), "SHARE command entered but no initialization data is present");
        let pushed = client.submit(&mut world, &initialization(&name, "C2SIM", "SYSTEM_A", &(entity(0) + &entity(2))));
        assert_eq!(
            (value(&pushed, "message"), value(&pushed, "unitDatabaseSize")),
            ("Message processed successfully", "2")
        );
        let mut command = |world: &mut World, word: &str| client.command(world, word, [PASSWORD, "", ""]);
        assert_eq!(command(&mut world, "SHARE"), "SHARE command processed and published 2 Units  and 2 Routes");
        let refused = command(&mut world, "SHARE");
        assert_eq!(value(&refused, "error"), "SHARE not permitted in state INITIALIZED");
        assert_eq!(command(&mut world, "START"), "START Command processed.  State set to RUNNING");
        assert_eq!(value(&client.submit(&mut world, &order(&name)), "message"), "Message processed successfully");
        let mut command = |world: &mut World, word: &str| client.command(world, word, [PASSWORD, "", ""]);
        assert_eq!(value(&command(&mut world, "STATUS"), "message"), "Server is running");
        assert_eq!(command(&mut world, "PAUSE"), "PAUSE Command processed.  State set to PAUSED");
        assert_eq!(value(&command(&mut world, "STATUS"), "message"), "Server is paused");
        assert_eq!(command(&mut world, "RESUME"), "RESUME Command processed.  State set to RUNNING");
        command(&mut world, "PAUSE");
        assert_eq!(command(&mut world, "START"), "START Command processed.  State set to RUNNING", "it resumes");
        let shared = command(&mut world, "QUERYINIT");
        assert!(
            is_document_of(&shared, "C2SIMInitializationBody") && shared.contains("<SystemName>SYSTEM_A"),
            "{shared}"
        );
        assert_eq!(command(&mut world, "STOP"), "STOP command processed.  State set to INITIALIZED");
        assert_eq!(command(&mut world, "RESET"), "RESET command processed.  State set to UNINITIALIZED");
        let empty = command(&mut world, "QUERYINIT");
        assert!(empty.contains("<C2SIMInitializationBody><ObjectDefinitions/></C2SIMInitializationBody>"), "{empty}");

        let events = member.events(&mut world);
        assert_eq!(
            (&events[0].0["by"], &events[0].0["event"]),
            (&json!(format!("submitter {name}")), &json!("joined"))
        );
        let words: Vec<String> = brief(&events).into_iter().map(|(word, _)| word).collect();
        let wanted = [
            "joined UNINITIALIZED",
            "state SUBMIT_INITIALIZATION INITIALIZING",
            "state SHARE_SCENARIO INITIALIZED",
            "message C2SIM_INITIALIZATION INITIALIZED",
            "state START_SCENARIO RUNNING",
            "message ORDER RUNNING",
            "state PAUSE_SCENARIO PAUSED",
            "state RESUME_SCENARIO RUNNING",
            "state PAUSE_SCENARIO PAUSED",
            "state RESUME_SCENARIO RUNNING",
            "state STOP_SCENARIO INITIALIZED",
            "state RESET_SCENARIO UNINITIALIZED",
        ];
        assert_eq!(words, wanted, "{library:?}");
    }
}

#[test]
fn whoever_hands_something_in_is_a_member_until_it_is_silent_for_too_long() {
    let mut world = World::new(Config { member_idle_s: 60, expiration_s: 3600, ..config(1) });
    let mut member = Member::joined(&mut world, 0, "L", "json");
    let mut client = Poster::new(Library::CSharp);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    let rows = |world: &mut World, member: &mut Member| {
        member.ask(world, "N1.session:default", "members", &json!(null))["result"]["members"].clone()
    };
    let row = |rows: &serde_json::Value| rows.as_array().unwrap().iter().find(|row| row["format"] == "post").cloned();
    let first = row(&rows(&mut world, &mut member)).unwrap();
    assert_eq!((&first["name"], &first["system"]), (&json!("submitter CSSYS"), &json!("CSSYS")));
    client.submit(&mut world, &initialization("VRF", "C2SIM", "VRF", ""));
    assert_eq!(row(&rows(&mut world, &mut member)).unwrap()["system"], "VRF", "that of its last document");
    let same = client.submit(&mut world, &initialization("VRF", "Object", "VRF", ""));
    assert_eq!(value(&same, "status"), "OK");
    assert_eq!(value(&client.command(&mut world, "INITCOMP", [""; 3]), "error"), "");
    world.wait(40_000);
    client.command(&mut world, "STATUS", [""; 3]);
    world.wait(40_000);
    assert!(row(&rows(&mut world, &mut member)).is_some());
    world.wait(80_000);
    assert_eq!(row(&rows(&mut world, &mut member)), None);
    let events = member.events(&mut world);
    assert_eq!(events.last().unwrap().0["event"], "lost");
}

#[test]
fn parts_of_several_systems_are_put_together_unless_the_configuration_says_otherwise() {
    let push = |config: Config| {
        let mut world = World::new(config);
        let (mut a, mut b) = (Poster::new(Library::Java), Poster::new(Library::Cpp));
        a.command(&mut world, "INITIALIZE", [""; 3]);
        for (client, name) in [(&mut a, "A"), (&mut b, "B")] {
            let pushed = client.submit(&mut world, &initialization(name, "Object", name, &entity(1)));
            assert_eq!(value(&pushed, "status"), "OK", "{pushed}");
        }
        a.command(&mut world, "SHARE", [""; 3])
    };
    assert_eq!(push(config(1)), "SHARE command processed and published 2 Units  and 2 Routes");
    let described = Predefined { name: "default".to_owned(), ..Predefined::default() };
    let refused = push(Config { sessions: vec![described], ..config(1) });
    assert_eq!(value(&refused, "error"), "SHARE command entered but no initialization data is present");
}

#[test]
fn parts_of_two_schemas_are_refused_by_both_their_names() {
    let mut world = World::plain();
    let mut client = Poster::new(Library::Java);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    let old = initialization("A", "Object", "A", &entity(1));
    let new =
        initialization("B", "Object", "B", &entity(2)).replace(Schema::V1_0_2.namespace(), Schema::V2_0_0.namespace());
    for part in [old, new] {
        assert_eq!(value(&client.submit(&mut world, &part), "status"), "OK");
    }
    let refused = client.command(&mut world, "SHARE", [""; 3]);
    assert!(value(&refused, "error").ends_with("(INITIALIZATION_NOT_COMPLETED)"), "{refused}");
    let [old, new] = [Schema::V1_0_2, Schema::V2_0_0].map(Schema::namespace);
    assert_eq!(value(&refused, "cause"), format!("NAMESPACES: {old},{new}"));
}

#[test]
fn commands_beside_those_of_flow_have_their_texts() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "L", "xml");
    let mut client = Poster::new(Library::Java);
    let refused = client.command(&mut world, "MAGIC", ["u", "1.5", "2"]);
    assert_eq!(value(&refused, "error"), "MAGIC not permitted in state UNINITIALIZED");
    for (command, words, wanted) in [
        ("GETSIMMULT", [""; 3], "RequestSimulationRealtimeMultiple response: SimulationRealtimeMultipleReport: 1"),
        ("GETRECSTAT", [""; 3], "NOT_RECORDING"),
        ("GETPLAYSTAT", [""; 3], "NO_PLAYBACK_IN_PROGRESS"),
        ("NEW", [""; 3], "NEW command is not supported"),
        ("load", ["f", "", ""], "LOAD command is not supported"),
        ("Frobnicate", [""; 3], "Command: Frobnicate received from GMUSYS not recognized"),
        ("INITIALIZE", [""; 3], "INITIALIZE Command processed.  State set to INITIALIZING"),
        ("INITCOMP", [""; 3], "INITCOMP command processed.  State is INITIALIZING"),
    ] {
        assert_eq!(client.command(&mut world, command, words), wanted, "{command}");
    }
    client.submit(&mut world, &initialization("A", "C2SIM", "A", ""));
    client.command(&mut world, "SHARE", [""; 3]);
    client.command(&mut world, "START", [""; 3]);
    world.hear(member.client);
    for (command, words, wanted) in [
        ("MAGIC", ["u-1", "1.5", "-2"], "MagicMove directed for object:u-1 to lat/lon:1.5/-2"),
        (
            "SETSIMMULT",
            ["2.5", "", ""],
            "SetSimulationRealtimeMultiple response: SimulationRealtimeMultipleReport: 2.5",
        ),
        ("GETSIMMULT", [""; 3], "RequestSimulationRealtimeMultiple response: SimulationRealtimeMultipleReport: 2.5"),
        ("STARTREC", ["a.rec", "", ""], "STARTREC command processed.  State is RUNNING"),
        ("CPSAVE", ["one", "", ""], "CPSAVE command processed.  State is RUNNING"),
    ] {
        assert_eq!(client.command(&mut world, command, words), wanted, "{command}");
    }
    for (word, why) in [("x", "'x' is no number"), ("0", "'0' is not above zero"), ("inf", "'inf' is no number")] {
        assert_eq!(value(&client.command(&mut world, "SETSIMMULT", [word, "", ""]), "error"), why);
    }
    let documents = member.documents(&mut world);
    for (text, element) in
        documents.iter().zip(["MagicMove", "SetSimulationRealtimeMultiple", "StartRecording", "CheckpointSave"])
    {
        assert!(is_document_of(text, element) && text.contains("<FromSendingSystem>SERVER<"), "{element}: {text}");
    }
    assert!(documents[0].contains("<Latitude>1.5</Latitude><Longitude>-2</Longitude>"), "{}", documents[0]);
    assert_eq!(documents.len(), 4);
}

#[test]
fn triggers_come_as_documents_too_and_passwords_go_no_further() {
    let mut world = World::new(with_password());
    let mut json_member = Member::joined(&mut world, 0, "J", "json");
    let mut xml_member = Member::joined(&mut world, 0, "X", "xml");
    let mut client = Poster::new(Library::CSharp);
    let refused = client.submit(&mut world, &system("S", "SubmitInitialization", ""));
    assert_eq!(
        (value(&refused, "message"), value(&refused, "error")),
        ("Error processing message", "Command requires password")
    );
    let refused = client.submit(&mut world, &system("S", "SubmitInitialization", "<ServerPassword>x</ServerPassword>"));
    assert_eq!(value(&refused, "error"), "Password is invalid");
    let with = format!("<ServerPassword> {PASSWORD} </ServerPassword>");
    json_member.events(&mut world);
    let done = client.submit(&mut world, &system("S", "SubmitInitialization", &with));
    assert_eq!((value(&done, "status"), value(&done, "sessionState")), ("OK", "INITIALIZING"));
    client.submit(&mut world, &initialization("S", "C2SIM", "S", ""));
    let done = client.submit(&mut world, &system("S", "ShareScenario", ""));
    assert_eq!(value(&done, "sessionState"), "INITIALIZED", "no password is asked for at the share");
    client.submit(&mut world, &system("S", "StartScenario", &with));
    let told = format!("<SimulationRealtimeMultiple>2</SimulationRealtimeMultiple>{with}");
    assert_eq!(value(&client.submit(&mut world, &system("S", "SetSimulationRealtimeMultiple", &told)), "status"), "OK");
    let events = json_member.events(&mut world);
    assert_eq!(events[0].1, None, "a trigger with a password comes without its document");
    assert!(events.iter().all(|(_, document)| document.as_ref().is_none_or(|text| !text.contains("ServerPassword"))));
    let documents = xml_member.documents(&mut world);
    let elements = [
        "SubmitInitialization",
        "ShareScenario",
        "C2SIMInitializationBody",
        "StartScenario",
        "SetSimulationRealtimeMultiple",
    ];
    assert_eq!(documents.len(), elements.len());
    for (text, element) in documents.iter().zip(elements) {
        assert!(is_document_of(text, element) && !text.contains(PASSWORD), "{element}: {text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_status_200() {
    let mut world = World::new(Config { document_bytes_max: 4096, ..config(1) });
    let mut client = Poster::new(Library::CSharp);
    let mut ask = |world: &mut World, path: &str, query: &str, body: &str| {
        let request = client.post(path, query, body);
        client.exchange(world, &request).1
    };
    let ok = "submitterID=A&protocol=SISO-STD-C2SIM";
    let bare = order("A").replace("Message ", "Bare ").replace("</Message>", "</Bare>");
    for (path, query, body, error) in [
        ("c2sim", "protocol=SISO-STD-C2SIM", order("A"), "Error - Submitter not specified"),
        ("command", "command=STATUS&submitterID=%20", String::new(), "Error - Submitter not specified"),
        (
            "c2sim",
            "submitterID=A&protocol=BML",
            order("A"),
            "Protocol BML is not translated, only SISO-STD-C2SIM is taken",
        ),
        ("c2sim", ok, bare, "Protocol is C2SIM but XML root element is not &lt;Message&gt;"),
        ("cyber", "submitterID=A", String::new(), "attacks are not offered"),
        ("command", "command=STATUS&submitterID=A&session=none", String::new(), "SHARED_SESSION_NOT_FOUND"),
    ] {
        let result = ask(&mut world, path, query, &body);
        assert_eq!((value(&result, "status"), value(&result, "error")), ("ERROR", error), "{result}");
    }
    let broken = ask(&mut world, "c2sim", ok, order("A").trim_end().trim_end_matches("</Message>"));
    assert!(
        value(&broken, "error").ends_with("(XSD_VALIDATION_FAILURE)") && value(&broken, "cause").contains("Line 1"),
        "{broken}"
    );
    let recorded = ask(&mut world, "stats", "submitterID=A", "<C2SIM_Statistics/>");
    assert_eq!((value(&recorded, "status"), value(&recorded, "message")), ("OK", "Statistics Recorded"));
    let again = ask(&mut world, "c2sim", &format!("{ok}&forwarders=other:N1"), &order("A"));
    assert_eq!(again, "Message discarded as a duplicate");
    let mut page = Poster::new(Library::Java);
    let (head, _) = page.exchange(&mut world, &[b"GET /C2SIMServer/ HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()]);
    assert!(head.contains("Content-Type: text/html"), "{head}");

    // One that is too long is answered, read for a while, and then its connection ends.
    for chunked in [false, true] {
        let key = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
        let long = "x".repeat((64 << 10) + 4097);
        let length =
            if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", long.len()) };
        let head = format!("POST /C2SIMServer/c2sim?{ok} HTTP/1.1\r\nHost: h\r\n{length}\r\n\r\n");
        world.feed(key, head.as_bytes());
        let chunk = if chunked { format!("{:x}\r\n", long.len()) } else { String::new() };
        world.feed(key, format!("{chunk}{}", &long[..1000]).as_bytes());
        let (head, result) = take_answer(&mut world.clients[key].read).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(value(&result, "error").ends_with("(C2SIM_MSG_SIZE_EXCEEDED)"), "{result}");
        let end = if chunked { "\r\n0\r\n\r\n" } else { "" };
        world.feed(key, format!("{}{end}", &long[1000..]).as_bytes());
        world.wait(6000);
        assert!(world.clients[key].closed.is_some(), "chunked: {chunked}");
        assert!(world.clients[key].read.is_empty());
    }
}

#[test]
fn a_blank_in_a_name_breaks_the_request_and_nothing_else() {
    let mut world = World::plain();
    let key = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
    world.feed(
        key,
        b"POST /C2SIMServer/command?submitterID=A B&command=STATUS HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(world.clients[key].read.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    let mut client = Poster::new(Library::Cpp);
    client.name = "A%20B".to_owned();
    assert_eq!(client.command(&mut world, "x", [""; 3]), "Command: x received from A B not recognized");
}

#[test]
fn a_long_answer_comes_in_pieces_and_a_short_one_whole() {
    let mut world = World::plain();
    let mut client = Poster::new(Library::Cpp);
    client.command(&mut world, "INITIALIZE", [""; 3]);
    let long = initialization("A", "C2SIM", &"é".repeat(30_000 / 60), &entity(1000));
    let pushed = client.submit(&mut world, &long);
    assert_eq!(value(&pushed, "status"), "OK", "{pushed}");
    client.command(&mut world, "SHARE", [""; 3]);
    let shared = client.command(&mut world, "QUERYINIT", [""; 3]);
    assert!(shared.len() > 20_000 && shared.ends_with("</Message>\n"), "{}", shared.len());
}

#[test]
fn a_session_beside_the_usual_one_can_be_named() {
    let exercise = Predefined { name: "exercise".to_owned(), schema: Schema::V1_0_2, ..Predefined::default() };
    let mut world = World::new(Config { gmu_session: "gmu".to_owned(), sessions: vec![exercise], ..config(1) });
    let mut client = Poster::new(Library::Java);
    let request = client.post("command", "submitterID=A&command=INITIALIZE&session=exercise", "");
    assert_eq!(client.exchange(&mut world, &request).1, "INITIALIZE Command processed.  State set to INITIALIZING");
    assert_eq!(value(&client.status(&mut world), "sessionState"), "UNINITIALIZED");
    let mut member = Member::new(&mut world, 0, "L");
    let options = |answer: &serde_json::Value| answer["result"]["options"]["init_merge"].clone();
    for (session, merge) in [("gmu", "marshal"), ("exercise", "replace"), ("default", "replace")] {
        let answer = member.ask(&mut world, &format!("N1.session:{session}"), "info", &json!(null));
        assert_eq!(options(&answer), merge, "{session}");
    }
}

#[test]
fn documents_of_both_namespaces_meet_in_one_session() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "L", "json");
    let mut client = Poster::new(Library::Java);
    member.run(&mut world);
    let mut other = Member::joined(&mut world, 0, "M", "json");
    assert_eq!(value(&client.submit(&mut world, &order("S")), "status"), "OK");
    assert_eq!(value(&client.submit(&mut world, &c2sim::domain("S", "ReportBody", 10)), "status"), "OK");
    let heard = other.events(&mut world);
    assert_eq!(heard[1].1.as_deref(), Some(order("S").as_str()), "as it came");
    assert_eq!(heard[2].0["kind"], "REPORT");
    assert!(document("S", "").contains("/1.1"));
}

#[test]
fn an_answer_waits_until_what_it_says_is_durable() {
    let mut world = World::new(config(1));
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let key = world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap();
    let command = |command: &str| {
        format!(
            "POST /C2SIMServer/command?submitterID=A&command={command} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
        )
    };
    world.feed(key, [command("INITIALIZE"), command("STATUS")].concat().as_bytes());
    assert!(take_answer(&mut world.clients[key].read).is_none(), "nothing is said yet");
    ledger.settle_all(&mut world, 0);
    world.pump();
    let read = &mut world.clients[key].read;
    assert_eq!(take_answer(read).unwrap().1, "INITIALIZE Command processed.  State set to INITIALIZING");
    assert_eq!(value(&take_answer(read).unwrap().1, "sessionState"), "INITIALIZING");
    world.feed(key, command("RESET").as_bytes());
    ledger.fail(&mut world, 0, "disk full");
    world.pump();
    let (_, failed) = take_answer(&mut world.clients[key].read).unwrap();
    assert!(
        value(&failed, "error").contains("(IO_ERROR)") && value(&failed, "cause").contains("disk full"),
        "{failed}"
    );
}

#[test]
fn questions_are_answered_where_there_is_no_place_for_one_more_member() {
    let mut world = World::plain();
    // The Java library keeps its connection; this one is from another machine, which may have a share of the places.
    let mut client = Poster::new(Library::Java);
    client.kept = Some(world.connect_at(0, Door::Http, "192.0.2.1:5000").unwrap());
    let mut asked = |world: &mut World, name: String, command: &str| {
        client.name = name;
        client.command(world, command, [""; 3])
    };
    let refused = (0..instep::limits::MEMBERS_MAX)
        .find(|n| value(&asked(&mut world, format!("S{n}"), "INITCOMP"), "error").contains("TOO_MANY_MEMBERS"));
    assert!(refused.is_some(), "all of them have found a place");
    let status = asked(&mut world, "late".to_owned(), "STATUS");
    assert_eq!(value(&status, "message"), "Server is stopped");
    let empty = asked(&mut world, "late".to_owned(), "QUERYINIT");
    assert!(empty.contains("<ObjectDefinitions/>"), "{empty}");
}
