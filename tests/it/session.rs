//! Shared sessions over LECO: joining, triggers, documents, notices, on one node and over several, under a virtual clock.

use crate::common::c2sim;
use crate::common::member::{Event, Member, brief, code_of, is_document_of};
use crate::common::wire;
use crate::common::world::{World, config};
use instep::c2sim::kind::Schema;
use instep::c2sim::state::{InitMerge, Options};
use instep::config::{Config, Predefined};
use instep::hub::Cause;
use serde_json::{Value, json};

#[test]
fn a_session_goes_through_its_states_and_everybody_sees_each_step() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    assert_eq!(
        brief(&a.events(&mut world)),
        [("joined UNINITIALIZED".to_owned(), 2), ("joined UNINITIALIZED".to_owned(), 3)]
    );
    b.events(&mut world);
    let answer = a.pull(&mut world, "submit_initialization");
    assert_eq!((&answer["result"]["state"], &answer["result"]["seq"]), (&json!("INITIALIZING"), &json!(4)));
    assert_eq!(answer["result"]["kind"], "SUBMIT_INITIALIZATION");
    assert_eq!(answer["result"]["trackingId"].as_str().unwrap().len(), 5);
    let stored = a.document(&mut world, &c2sim::initialization("A", &["A", "B"]));
    assert_eq!((&stored["id"], &stored["result"]["kind"]), (&Value::Null, &json!("C2SIM_INITIALIZATION")));
    assert_eq!(stored["result"]["seq"], 4, "stored, and told to nobody");
    assert_eq!(b.pull(&mut world, "initialization_complete")["result"]["seq"], 5);
    assert_eq!(a.pull(&mut world, "share_scenario")["result"]["seq"], 6);
    assert_eq!(b.pull(&mut world, "start_scenario")["result"]["state"], "RUNNING");
    let order = c2sim::domain("B", "OrderBody", 10);
    assert_eq!(b.document(&mut world, &order)["result"]["kind"], "ORDER");
    for (trigger, state) in [
        ("pause_scenario", "PAUSED"),
        ("resume_scenario", "RUNNING"),
        ("stop_scenario", "INITIALIZED"),
        ("reset_scenario", "UNINITIALIZED"),
    ] {
        assert_eq!(a.pull(&mut world, trigger)["result"]["state"], state);
    }
    let seen = a.events(&mut world);
    let wanted = [
        ("message INITIALIZATION_COMPLETE INITIALIZING", 5),
        ("message C2SIM_INITIALIZATION INITIALIZED", 7),
        ("state START_SCENARIO RUNNING", 8),
        ("message ORDER RUNNING", 9),
    ];
    assert_eq!(brief(&seen), wanted.map(|(word, seq)| (word.to_owned(), seq)));
    assert_eq!(seen[3].1.as_deref(), Some(order.as_str()), "the document as it came");
    assert_eq!((&seen[2].0["by"], &seen[2].0["session"]), (&json!("N1.B"), &json!("default")));
    assert!(seen[1].1.as_deref().is_some_and(|text| text.contains("C2SIM_SERVER")), "the shared one has our header");
    let wanted = [
        ("state SUBMIT_INITIALIZATION INITIALIZING", 4),
        ("state SHARE_SCENARIO INITIALIZED", 6),
        ("message C2SIM_INITIALIZATION INITIALIZED", 7),
        ("state PAUSE_SCENARIO PAUSED", 10),
        ("state RESUME_SCENARIO RUNNING", 11),
        ("state STOP_SCENARIO INITIALIZED", 12),
        ("state RESET_SCENARIO UNINITIALIZED", 13),
    ];
    assert_eq!(brief(&b.events(&mut world)), wanted.map(|(word, seq)| (word.to_owned(), seq)));
    let documents = x.documents(&mut world);
    let elements = [
        "SubmitInitialization",
        "InitializationComplete",
        "ShareScenario",
        "C2SIMInitializationBody",
        "StartScenario",
        "OrderBody",
        "PauseScenario",
        "ResumeScenario",
        "StopScenario",
        "ResetScenario",
    ];
    assert_eq!(documents.len(), elements.len());
    for (text, element) in documents.iter().zip(elements) {
        assert!(is_document_of(text, element), "{element}: {text}");
    }
    assert!(documents[4].contains("<FromSendingSystem>B</FromSendingSystem>"), "said for the system of its member");
}

#[test]
fn documents_pull_triggers_too_whatever_their_type_says() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "xml");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let submit = c2sim::system("A", "SubmitInitialization");
    let answer = a.document_of_type(&mut world, submit.as_bytes(), 0);
    assert_eq!(
        (&answer["result"]["kind"], &answer["result"]["state"]),
        (&json!("SUBMIT_INITIALIZATION"), &json!("INITIALIZING"))
    );
    let marked = [b"\xef\xbb\xbf \n", c2sim::system("A", "ResetScenario").trim_start().as_bytes()].concat();
    assert!(
        a.document_of_type(&mut world, &marked, 0)["error"].is_object(),
        "a declaration stands at the very beginning"
    );
    let marked = [b"\xef\xbb\xbf", c2sim::system("A", "ResetScenario").as_bytes()].concat();
    assert_eq!(a.document_of_type(&mut world, &marked, 0)["result"]["state"], "UNINITIALIZED");
    let events = b.events(&mut world);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].1.as_deref(), Some(submit.as_str()));
    assert!(events[1].1.as_deref().unwrap().starts_with("<?xml"), "without byte order mark");
    assert_eq!(world.count("session_documents"), 2);
}

#[test]
fn refusals_say_why_and_change_nothing() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.events(&mut world);
    let refused = a.pull(&mut world, "start_scenario");
    assert_eq!(code_of(&refused), "STATE_TRANSITION_NOT_ALLOWED");
    assert_eq!(
        refused["error"]["data"]["details"],
        json!({"ACTIVE_SESSION": "default", "ALLOWED_TRIGGERS": "SUBMIT_INITIALIZATION"})
    );
    assert_eq!(code_of(&a.pull(&mut world, "share_scenario")), "INITIALIZATION_NOT_COMPLETED");
    let order = c2sim::domain("A", "OrderBody", 1);
    let refused = a.document(&mut world, &order);
    assert_eq!((code_of(&refused), &refused["id"]), ("C2SIM_MSG_NOT_ALLOWED_IN_STATE", &Value::Null));
    assert_eq!(refused["error"]["data"]["details"]["CURRENT_STATE"], "UNINITIALIZED");
    for (document, code) in [
        ("<Message", "C2SIM_INVALID_HEADER"),
        ("<!DOCTYPE a><Message/>", "XSD_VALIDATION_FAILURE"),
        ("<MessageBody/>", "C2SIM_ROOT_ELEMENT_MUST_BE_MESSAGE"),
    ] {
        let refused = a.document(&mut world, document);
        assert_eq!(code_of(&refused), code);
        let details = &refused["error"]["data"]["details"];
        let line = details.get("XSD_ERROR_1").or_else(|| details.get("REASON")).unwrap();
        assert!(line.as_str().unwrap().starts_with("Line 1: "), "{details}");
    }
    let info = a.ask(&mut world, "N1.session:default", "info", &Value::Null);
    assert_eq!((&info["result"]["state"], &info["result"]["seq"]), (&json!("UNINITIALIZED"), &json!(2)));
    assert!(b.events(&mut world).is_empty());
    assert_eq!(world.count("session_refusals"), 6);
}

#[test]
fn who_has_not_joined_relays_and_changes_nothing() {
    let mut world = World::plain();
    let mut member = Member::joined(&mut world, 0, "A", "json");
    let mut stranger = Member::new(&mut world, 0, "S");
    let refused = stranger.pull(&mut world, "submit_initialization");
    assert_eq!(code_of(&refused), "CLIENT_NOT_JOINED_SHARED_SESSION");
    assert_eq!(refused["error"]["data"]["details"]["ACTIVE_SESSION"], "default");
    let refused = stranger.document(&mut world, &c2sim::system("S", "SubmitInitialization"));
    assert_eq!(code_of(&refused), "CLIENT_NOT_JOINED_SHARED_SESSION");
    assert_eq!(
        code_of(&stranger.ask(&mut world, "N1.session:default", "ack", &json!({"seq": 1}))),
        "CLIENT_NOT_JOINED_SHARED_SESSION"
    );
    assert!(
        stranger.ask(&mut world, "N1.session:default", "info", &Value::Null)["result"].is_object(),
        "anybody may look"
    );
    assert!(stranger.ask(&mut world, "N1.session:default", "members", &Value::Null)["result"].is_object());
    assert!(member.events(&mut world).is_empty());
    let refused = stranger.ask(&mut world, "N1.session:nowhere", "join", &Value::Null);
    assert_eq!(code_of(&refused), "SHARED_SESSION_NOT_FOUND");
    assert_eq!(refused["error"]["data"]["details"]["ACTIVE_SESSIONS"], "default");
    // Who has not even signed in is told that.
    world.script(
        r#"z > N1.session:default Z {"jsonrpc":"2.0","id":1,"method":"join"}
        z < Z N1.COORDINATOR ! null -32090 "Z""#,
    );
}

#[test]
fn names_of_sessions_cannot_be_signed_in() {
    let mut world = World::plain();
    let client = world.dealer();
    world.send(client, "COORDINATOR", "session:default", &[wire::request(1, "sign_in").as_bytes()]);
    assert_eq!(wire::json(&world.hear(client)[0])["error"]["code"], -32091);
}

#[test]
fn joining_twice_is_refused_and_harmless() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let refused = a.ask(&mut world, "N1.session:default", "join", &json!({"system": "other"}));
    assert_eq!(code_of(&refused), "C2SIM_CLIENT_ALREADY_JOINED");
    assert_eq!(refused["error"]["data"]["details"]["SYSTEM_NAME"], "A");
    assert_eq!(a.pull(&mut world, "submit_initialization")["result"]["seq"], 2);
    assert_eq!(a.ask(&mut world, "N1.session:default", "resign", &Value::Null)["result"], Value::Null);
    assert_eq!(code_of(&a.pull(&mut world, "reset_scenario")), "CLIENT_NOT_JOINED_SHARED_SESSION");
    assert_eq!(a.ask(&mut world, "N1.session:default", "resign", &Value::Null)["result"], Value::Null, "and again");
    for params in
        [json!({"format": "yaml"}), json!({"system": ""}), json!({"system": 3}), json!({"after": -1}), json!({"x": 1})]
    {
        assert_eq!(a.ask(&mut world, "N1.session:default", "join", &params)["error"]["code"], -32602, "{params}");
    }
}

#[test]
fn a_late_joiner_gets_state_and_initialization_with_its_answer() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let before = a.ask(&mut world, "N1.session:default", "initialization", &Value::Null);
    assert_eq!(code_of(&before), "NO_C2SIM_INITIALIZATION_BODY");
    a.run(&mut world);
    let mut late = Member::new(&mut world, 0, "L");
    let answer = late.ask(&mut world, "N1.session:default", "join", &json!({"system": "L", "after": 0}));
    assert_eq!((&answer["result"]["state"], &answer["result"]["seq"]), (&json!("RUNNING"), &json!(6)));
    let body = answer["result"]["initialization"].as_str().unwrap();
    assert!(body.contains("<C2SIMInitializationBody"));
    assert_eq!(late.ask(&mut world, "N1.session:default", "initialization", &Value::Null)["result"], body);
    let past = &answer["result"]["events"];
    assert_eq!((&past["complete"], &past["more"]), (&json!(true), &json!(false)));
    let seqs: Vec<u64> =
        past["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5], "everything before its own joining");
}

#[test]
fn a_member_that_comes_back_asks_for_what_it_has_missed() {
    let mut world = World::new(Config { session_history_bytes_max: 4000, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    world.close(b.client);
    let away = a.events(&mut world);
    assert_eq!((&away.last().unwrap().0["event"], &away.last().unwrap().0["by"]), (&json!("away"), &json!("N1.B")));
    let report = c2sim::domain("A", "ReportBody", 100);
    a.document(&mut world, &report);
    let mut again = Member::new(&mut world, 0, "B");
    let back = again.events(&mut world);
    assert_eq!((&back[0].0["event"], &back[0].0["seq"]), (&json!("resumed"), &json!(9)));
    let answer = again.ask(&mut world, "N1.session:default", "join", &json!({"system": "B", "after": 6}));
    let past = &answer["result"]["events"];
    assert_eq!(past["complete"], true, "{answer}");
    let events = past["events"].as_array().unwrap();
    assert_eq!(
        events.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(),
        ["away", "message", "resumed"]
    );
    assert_eq!(events[1]["document"], json!(report));
    for _ in 0..10 {
        a.document(&mut world, &report);
    }
    again.events(&mut world);
    let past = again.ask(&mut world, "N1.session:default", "events", &json!({"after": 6}));
    assert_eq!(past["result"]["complete"], false, "the oldest are not kept any more");
    let past = again.ask(&mut world, "N1.session:default", "events", &json!({"after": 18}));
    assert_eq!((&past["result"]["complete"], past["result"]["events"].as_array().unwrap().len()), (&json!(true), 1));
}

#[test]
fn whoever_leaves_is_resigned_or_away_and_then_lost() {
    let times = Config { expiration_s: 1, cleaning_interval_s: 1, heartbeat_s: 0, member_idle_s: 5, ..config(1) };
    let mut world = World::new(times);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let c = Member::joined(&mut world, 0, "C", "json");
    let d = Member::joined(&mut world, 0, "D", "json");
    a.events(&mut world);
    b.ask(&mut world, "COORDINATOR", "sign_out", &Value::Null);
    world.close(c.client);
    let seen: Vec<(String, String)> = a
        .events(&mut world)
        .iter()
        .map(|(event, _)| (event["event"].as_str().unwrap().to_owned(), event["by"].as_str().unwrap().to_owned()))
        .collect();
    let wanted = [("resigned", "N1.B"), ("away", "N1.C")].map(|(event, by)| (event.to_owned(), by.to_owned()));
    assert_eq!(seen, wanted);
    // D falls silent; A answers what it is asked.
    for _ in 0..20 {
        world.wait(500);
        a.ask(&mut world, "COORDINATOR", "pong", &Value::Null);
        a.heard.retain(|frames| wire::json(frames)["method"] != "pong");
    }
    let _ = d;
    let seen: Vec<(String, String)> = a
        .events(&mut world)
        .iter()
        .map(|(event, _)| (event["event"].as_str().unwrap().to_owned(), event["by"].as_str().unwrap().to_owned()))
        .collect();
    let wanted = [("away", "N1.D"), ("lost", "N1.C"), ("lost", "N1.D")];
    assert_eq!(seen, wanted.map(|(event, by)| (event.to_owned(), by.to_owned())));
    let members = a.ask(&mut world, "N1.session:default", "members", &Value::Null);
    assert_eq!(members["result"]["members"].as_array().unwrap().len(), 1);
    assert_eq!((world.count("session_members_lost"), world.count("session_absences")), (2, 2));
}

#[test]
fn members_show_who_has_followed() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    a.pull(&mut world, "submit_initialization");
    x.documents(&mut world);
    assert_eq!(x.ask(&mut world, "N1.session:default", "ack", &json!({"seq": 3}))["result"], Value::Null);
    assert_eq!(x.ask(&mut world, "N1.session:default", "ack", &json!([99]))["error"]["code"], -32602);
    let members = a.ask(&mut world, "N1.session:default", "members", &Value::Null);
    let wanted = json!({"seq": 3, "state_seq": 3, "members": [
        {"name": "N1.A", "system": "A", "format": "json", "joined": 1, "acked": 0},
        {"name": "N1.X", "system": "X", "format": "xml", "joined": 2, "acked": 3},
    ]});
    assert_eq!(members["result"], wanted);
}

#[test]
fn sessions_are_made_changed_and_deleted_by_anybody_who_has_signed_in() {
    let mut world = World::new(Config {
        sessions: vec![
            Predefined { name: "drill".to_owned(), title: "The drill".to_owned(), ..Predefined::default() },
            Predefined {
                name: "default".to_owned(),
                schema: Schema::V1_0_2,
                options: Options { init_merge: InitMerge::Marshal, ..Options::default() },
                ..Predefined::default()
            },
        ],
        ..config(1)
    });
    let mut a = Member::new(&mut world, 0, "A");
    let listed = a.ask(&mut world, "COORDINATOR", "send_sessions", &Value::Null);
    let first = &listed["result"][0];
    let (schema, merge) = (&first["info"]["c2simSchemaVersion"], &first["options"]["init_merge"]);
    assert_eq!(
        (schema, merge),
        (&json!("1.0.2"), &json!("marshal")),
        "the one that is always there can be described too"
    );
    let names: Vec<&str> =
        listed["result"].as_array().unwrap().iter().map(|s| s["sessionName"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "drill"]);
    assert_eq!(listed["result"][1]["info"]["displayName"], "The drill");
    let params = json!({"name": "a.b", "description": "d", "share_guard": "none", "schema": "1.0.2"});
    let made = a.ask(&mut world, "COORDINATOR", "create_session", &params);
    assert_eq!(made["result"]["creation"], "CREATED", "{made}");
    assert_eq!(made["result"]["session"]["options"]["share_guard"], "none");
    assert_eq!(made["result"]["session"]["info"]["c2simSchemaVersion"], "1.0.2");
    let changed = a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "a.b", "paused_allows": "all"}));
    assert_eq!(changed["result"]["creation"], "UPDATED");
    assert_eq!(changed["result"]["session"]["options"]["paused_allows"], "all");
    assert_eq!(changed["result"]["session"]["options"]["share_guard"], "none", "what is not named stays");
    let refused = a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "a.b", "schema": "2.0.0"}));
    assert_eq!(code_of(&refused), "SHARED_SESSION_SCHEMA_VERSION_CHANGED");
    let refused = a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "x", "schema": "9"}));
    assert_eq!(code_of(&refused), "C2SIM_SCHEMA_NOT_SUPPORTED");
    assert_eq!(refused["error"]["data"]["details"]["SUPPORTED_SCHEMA_VERSIONS"], "2.0.0;1.0.2");
    for params in [
        json!({"name": "a b"}),
        json!({"name": "x", "paused_allows": "some"}),
        json!({"name": "x", "provider": 9}),
        json!({}),
    ] {
        assert_eq!(a.ask(&mut world, "COORDINATOR", "create_session", &params)["error"]["code"], -32602, "{params}");
    }
    // A dot is written %2E in the LECO name.
    let joined = a.ask(&mut world, "N1.session:a%2Eb", "join", &Value::Null);
    assert_eq!((&joined["result"]["seq"], &joined["result"]["session"]["members"]), (&json!(1), &json!(1)));
    assert_eq!(
        code_of(&a.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "a.b"}))),
        "SHARED_SESSION_IN_USE"
    );
    assert_eq!(
        code_of(&a.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "default", "force": true}))),
        "NOT_IMPLEMENTED"
    );
    assert_eq!(
        code_of(&a.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "none"}))),
        "SHARED_SESSION_NOT_FOUND"
    );
    let gone = a.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "a.b", "force": true}));
    assert_eq!(gone["result"], Value::Null);
    let note = wire::json(&a.heard.pop().unwrap());
    assert_eq!((&note["params"]["event"], &note["params"]["by"]), (&json!("lost"), &json!("N1.session:a%2Eb")));
    assert_eq!(code_of(&a.ask(&mut world, "N1.session:a%2Eb", "info", &Value::Null)), "SHARED_SESSION_NOT_FOUND");
}

#[test]
fn a_session_that_is_only_kept_in_step_needs_no_initialization() {
    let mut world = World::plain();
    let mut a = Member::new(&mut world, 0, "A");
    a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "s", "share_guard": "none"}));
    a.ask(&mut world, "N1.session:s", "join", &Value::Null);
    for (trigger, state) in
        [("submit_initialization", "INITIALIZING"), ("share_scenario", "INITIALIZED"), ("start_scenario", "RUNNING")]
    {
        assert_eq!(a.ask(&mut world, "N1.session:s", trigger, &Value::Null)["result"]["state"], state);
    }
    assert!(a.heard.is_empty(), "nothing was handed out");
}

#[test]
fn a_batch_is_answered_in_order_and_its_events_keep_theirs() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.pull(&mut world, "submit_initialization");
    a.document(&mut world, &c2sim::initialization("A", &["A"]));
    a.events(&mut world);
    b.events(&mut world);
    let call = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch =
        json!([call(1, "share_scenario"), call(2, "start_scenario"), call(3, "start_scenario"), call(4, "info")]);
    let conversation = world.send(a.client, "N1.session:default", "N1.A", &[batch.to_string().as_bytes()]);
    let answer = a.answer(&mut world, conversation, "N1.session:default");
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((&answers[0]["result"]["seq"], &answers[1]["result"]["seq"]), (&json!(4), &json!(6)));
    assert_eq!(code_of(&answers[2]), "STATE_TRANSITION_NOT_ALLOWED");
    assert_eq!(answers[3]["result"]["state"], "RUNNING");
    let numbers = |events: &[Event]| events.iter().map(|(event, _)| event["seq"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(&b.events(&mut world)), [4, 5, 6]);
    assert_eq!(numbers(&a.events(&mut world)), [5], "the rest it knows from the answers");
}

// ---- Over several nodes ----

/// Two nodes that know each other, and a member of `default` of node 1 on each.
fn two_nodes() -> (World, Member, Member) {
    let mut world = World::plain();
    world.add_hub(Config { coordinators: vec!["n1:12300".to_owned()], ..config(2) });
    world.wait(1000);
    let a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 1, "B", "json");
    (world, a, b)
}

#[test]
fn members_of_other_nodes_trigger_and_hear_alike() {
    let (mut world, mut a, mut b) = two_nodes();
    assert_eq!(a.events(&mut world)[0].0["by"], "N2.B");
    assert_eq!(b.pull(&mut world, "submit_initialization")["result"]["state"], "INITIALIZING");
    assert_eq!(a.pull(&mut world, "reset_scenario")["result"]["seq"], 4);
    assert_eq!(brief(&a.events(&mut world)), [("state SUBMIT_INITIALIZATION INITIALIZING".to_owned(), 3)]);
    assert_eq!(brief(&b.events(&mut world)), [("state RESET_SCENARIO UNINITIALIZED".to_owned(), 4)]);
    b.ask(&mut world, "N1.session:default", "resign", &Value::Null);
    assert_eq!(a.events(&mut world)[0].0["event"], "resigned");
}

/// What members of another node hear, byte for byte, and how often an event crossed the link for several of them.
fn heard_behind_one_link(is_plain: bool) -> (Vec<Vec<Vec<Vec<u8>>>>, u64, u64) {
    let mut world = World::plain();
    world.plain.extend(is_plain.then_some(1));
    world.add_hub(Config { coordinators: vec!["n1:12300".into()], ..config(2) });
    world.wait(1000);
    let mut author = Member::joined(&mut world, 0, "A", "json");
    let formats = ["json", "xml", "json", "xml", "json"];
    let members: Vec<Member> = formats
        .into_iter()
        .enumerate()
        .map(|(n, format)| Member::joined(&mut world, 1, &format!("B{n}"), format))
        .collect();
    author.run(&mut world);
    author.document(&mut world, &c2sim::domain("A", "OrderBody", 3000));
    let heard = members.iter().map(|member| world.hear(member.client)).collect();
    (heard, world.count("multicasts_sent"), world.count("session_notices"))
}

#[test]
fn members_behind_one_link_share_a_copy_there_and_hear_what_each_would_alone() {
    let (alone, none, notices) = heard_behind_one_link(true);
    let (shared, copies, same) = heard_behind_one_link(false);
    assert_eq!((none, notices), (0, same));
    assert!(copies >= 8, "{copies}");
    assert!(alone.iter().all(|heard| heard.len() >= 5));
    assert_eq!(alone, shared);
}

#[test]
fn a_member_that_takes_nothing_does_not_keep_a_copy_from_those_beside_it() {
    let mut world = World::plain();
    let small = Config { ring_bytes_max: 64 << 10, ..config(2) };
    world.add_hub(Config { coordinators: vec!["n1:12300".into()], ..small });
    world.wait(1000);
    let mut author = Member::joined(&mut world, 0, "A", "json");
    let mut members = ["B", "C", "D"].map(|name| Member::joined(&mut world, 1, name, "json"));
    author.run(&mut world);
    for member in &mut members {
        member.events(&mut world);
    }
    world.limit(members[1].client, 0);
    for _ in 0..3 {
        author.document(&mut world, &c2sim::domain("A", "OrderBody", 30_000));
    }
    // Its ring is full: the link waits for it, then its copy is refused and the next one gets his.
    assert_eq!(members.each_mut().map(|member| member.events(&mut world).len()), [3, 0, 2]);
    world.wait(1500);
    let heard = members[2].events(&mut world);
    assert!(heard[0].0["kind"] == "ORDER" && world.count_at(1, "refused_overload") > 0);
    world.drain(members[1].client, usize::MAX);
    let first = members[1].events(&mut world);
    assert!(first.len() >= 2);
    world.wait(20_000);
    members[1].heard.extend(world.hear(members[1].client));
    members[1].heard.retain(|frames| wire::json(frames)["method"] == "session_event");
    let heard = members[1].events(&mut world);
    let mut all = first.iter().chain(&heard);
    assert!(all.any(|(event, _)| event["event"] == "resumed"), "it hears the one that it was not given");
}

#[test]
fn a_member_that_leaves_its_own_node_is_away() {
    let (mut world, mut a, b) = two_nodes();
    a.events(&mut world);
    world.close(b.client);
    world.wait(100);
    let events = a.events(&mut world);
    assert_eq!((&events[0].0["event"], &events[0].0["by"]), (&json!("away"), &json!("N2.B")));
}

#[test]
fn the_members_of_a_node_that_dies_are_away() {
    let (mut world, mut a, _) = two_nodes();
    a.events(&mut world);
    world.kill(1);
    world.wait(100);
    let events = a.events(&mut world);
    assert_eq!((&events[0].0["event"], &events[0].0["by"]), (&json!("away"), &json!("N2.B")));
}

// ---- Members that do not keep up ----

#[test]
fn an_author_is_slowed_to_its_slowest_reader_and_nobody_who_reads_is_cut() {
    let mut world = World::new(Config { ring_bytes_max: 64 << 10, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let mut slow = Member::joined(&mut world, 0, "D", "json");
    a.run(&mut world);
    b.events(&mut world);
    slow.events(&mut world);
    let report = c2sim::domain("A", "ReportBody", 10_000);
    a.events(&mut world);
    world.limit(slow.client, 0);
    for n in 0..20 {
        let (held, at) = (world.count("senders_held"), a.send_document(&mut world, &report));
        // It takes a little at a time, never too late.
        for _ in 0..if world.count("senders_held") > held { 4 } else { 0 } {
            world.wait(500);
            world.drain(slow.client, 10_000);
        }
        assert_eq!(a.answer(&mut world, at, "N1.session:default")["result"]["kind"], "REPORT", "{n}");
    }
    assert!(world.count("senders_held") > 3, "the author was slowed");
    world.drain(slow.client, usize::MAX);
    assert_eq!((b.events(&mut world).len(), slow.events(&mut world).len()), (20, 20));
    assert_eq!((world.count("closed_notice"), world.count("closed_slow")), (0, 0));
}

#[test]
fn a_member_that_takes_nothing_is_named_to_the_author_and_closed_as_slow() {
    let mut world = World::new(Config { ring_bytes_max: 64 << 10, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let deaf = Member::joined(&mut world, 0, "D", "json");
    a.run(&mut world);
    world.limit(deaf.client, 0);
    a.events(&mut world);
    b.events(&mut world);
    let report = c2sim::domain("A", "ReportBody", 10_000);
    let (mut taken, mut refused) = (0, 0);
    while refused == 0 {
        let (held, at) = (world.count("senders_held"), a.send_document(&mut world, &report));
        if world.count("senders_held") > held {
            world.wait(1001);
        }
        let answer = a.answer(&mut world, at, "N1.session:default");
        taken += usize::from(answer.get("result").is_some());
        if answer["error"]["code"] == -32094 {
            refused += 1;
            assert_eq!(answer["error"]["data"]["member"], "N1.D");
        }
        assert!(taken < 20, "the ring has room for a few of them");
    }
    assert_eq!((world.clients[deaf.client].closed, b.events(&mut world).len()), (None, taken));
    // A trigger has room that documents do not have.
    assert_eq!(a.pull(&mut world, "pause_scenario")["result"]["state"], "PAUSED");
    assert_eq!(a.pull(&mut world, "resume_scenario")["result"]["state"], "RUNNING");
    world.wait(10_000);
    assert_eq!(world.clients[deaf.client].closed, Some(Cause::Slow));
    assert_eq!(a.document(&mut world, &report)["result"]["kind"], "REPORT");
    let events = b.events(&mut world);
    let seqs: Vec<u64> = events.iter().map(|(event, _)| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert_eq!(events.len(), 4, "two triggers, the word that one is away, and a report");
    assert_eq!(world.count("closed_notice"), 0);
}

#[test]
fn what_is_too_much_for_a_ring_goes_out_as_it_drains() {
    let mut world = World::new(Config { ring_bytes_max: 64 << 10, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "xml");
    let mut slow = Member::joined(&mut world, 0, "D", "xml");
    a.pull(&mut world, "submit_initialization");
    let large = c2sim::initialization("A", &["A"])
        .replace("</ScenarioSetting>", &format!("</ScenarioSetting><!--{}-->", "x".repeat(40_000)));
    a.document(&mut world, &large);
    world.limit(slow.client, 0);
    // The shared document, a trigger each way, again and again: more than a ring holds.
    for trigger in ["share_scenario", "start_scenario", "stop_scenario", "start_scenario"] {
        assert!(a.pull(&mut world, trigger).get("result").is_some(), "{trigger}");
    }
    world.drain(slow.client, usize::MAX);
    let heard = slow.documents(&mut world);
    assert!(heard.iter().any(|text| text.len() > 40_000) && heard.len() >= 4, "{}", heard.len());
    assert_eq!(world.count("closed_notice"), 0);
}

#[test]
fn a_member_behind_a_node_that_takes_nothing_is_away_until_it_can_be_told() {
    let mut world = World::new(Config { ring_bytes_max: 64 << 10, slow_ms: 3_600_000, ..config(1) });
    let other = world.dealer();
    // A Coordinator made by hand: it signs in, tells its components, and its ROUTER takes nothing for a while.
    world.send(other, "COORDINATOR", "N2.COORDINATOR", &[wire::request(1, "coordinator_sign_in").as_bytes()]);
    world.hear(other);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let join = json!({"jsonrpc": "2.0", "id": 1, "method": "join"}).to_string();
    world.send(other, "N1.session:default", "N2.B", &[join.as_bytes()]);
    // There is no DEALER to it: it cannot even hear that it has joined.
    let events: Vec<Value> = a.events(&mut world).into_iter().map(|(event, _)| event).collect();
    assert_eq!((&events[0]["event"], &events[0]["by"]), (&json!("joined"), &json!("N2.B")));
    assert_eq!((&events[1]["event"], &events[1]["by"]), (&json!("away"), &json!("N2.B")));
}

#[test]
fn what_is_larger_than_documents_may_be_is_refused() {
    let mut world = World::new(Config { document_bytes_max: 5000, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    a.run(&mut world);
    let refused = a.document(&mut world, &c2sim::domain("A", "ReportBody", 5000));
    assert_eq!(code_of(&refused), "C2SIM_MSG_SIZE_EXCEEDED");
    assert_eq!(refused["error"]["data"]["details"]["MAX_BYTES"], 5000);
}

// ---- Scheduled triggers ----

const START_MS: u64 = 1_700_000_000_000;

#[test]
fn a_scheduled_trigger_is_announced_at_once_and_pulled_at_its_moment() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    a.run(&mut world);
    a.pull(&mut world, "pause_scenario");
    a.events(&mut world);
    b.events(&mut world);
    x.documents(&mut world);
    let at = START_MS + (world.now.0 - 1000) + 2500;
    let answer = a.ask(&mut world, "N1.session:default", "resume_scenario", &json!({"at": at}));
    assert_eq!((&answer["result"]["state"], &answer["result"]["effective_at"]), (&json!("PAUSED"), &json!(at)));
    let (announced, _) = &b.events(&mut world)[0];
    assert_eq!((&announced["event"], &announced["trigger"]), (&json!("state"), &json!("RESUME_SCENARIO")));
    assert_eq!((&announced["state"], &announced["effective_at"]), (&json!("PAUSED"), &json!(at)));
    assert!(x.documents(&mut world).is_empty(), "a document would mean now");
    let info = b.ask(&mut world, "N1.session:default", "info", &Value::Null);
    assert_eq!(info["result"]["scheduled"], json!({"trigger": "RESUME_SCENARIO", "at": at, "by": "N1.A"}));
    world.wait(2490);
    assert!(b.events(&mut world).is_empty());
    world.wait(20);
    for member in [&mut a, &mut b] {
        let (event, _) = &member.events(&mut world)[0];
        assert_eq!(
            (&event["state"], &event["effective_at"], &event["by"]),
            (&json!("RUNNING"), &json!(at), &json!("N1.A"))
        );
    }
    assert!(is_document_of(&x.documents(&mut world)[0], "ResumeScenario"));
}

#[test]
fn a_later_trigger_takes_the_place_of_a_scheduled_one() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    b.events(&mut world);
    let at = START_MS + (world.now.0 - 1000) + 5000;
    a.ask(&mut world, "N1.session:default", "pause_scenario", &json!({"at": at}));
    assert_eq!(a.pull(&mut world, "stop_scenario")["result"]["state"], "INITIALIZED");
    assert_eq!(b.events(&mut world)[1].0["cancelled"], "PAUSE_SCENARIO");
    world.wait(6000);
    assert!(b.events(&mut world).is_empty(), "nothing comes of it");
    let at = START_MS + (world.now.0 - 1000) + 5000;
    a.ask(&mut world, "N1.session:default", "start_scenario", &json!({"at": at}));
    // What would undo the scheduled one cancels it, although it is not legal by itself.
    let answer = b.pull(&mut world, "stop_scenario");
    assert_eq!(answer["result"]["state"], "INITIALIZED", "{answer}");
    world.wait(6000);
    let info = b.ask(&mut world, "N1.session:default", "info", &Value::Null);
    assert_eq!((&info["result"]["state"], &info["result"]["scheduled"]), (&json!("INITIALIZED"), &Value::Null));
    assert_eq!(code_of(&b.pull(&mut world, "stop_scenario")), "STATE_TRANSITION_NOT_ALLOWED");
}

#[test]
fn a_clock_that_is_set_moves_scheduled_triggers_along() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    a.run(&mut world);
    let state = |world: &mut World, a: &mut Member| {
        a.ask(world, "N1.session:default", "info", &Value::Null)["result"]["state"].clone()
    };
    let at = START_MS + 3_600_000;
    a.ask(&mut world, "N1.session:default", "pause_scenario", &json!({"at": at}));
    let now = world.now;
    world.hubs[0].handle_clock(now, at - 1500);
    world.wait(1000);
    assert_eq!(state(&mut world, &mut a), "RUNNING");
    world.wait(600);
    assert_eq!(state(&mut world, &mut a), "PAUSED");
}

#[test]
fn the_realtime_multiple_is_relayed_and_kept_until_a_reset() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    b.events(&mut world);
    assert_eq!(
        a.document(&mut world, &c2sim::multiple("A", "2.5"))["result"]["kind"],
        "SET_SIMULATION_REALTIME_MULTIPLE"
    );
    assert_eq!(b.events(&mut world).len(), 1);
    let multiple = |world: &mut World, a: &mut Member| {
        a.ask(world, "N1.session:default", "info", &Value::Null)["result"]["realtimeMultiple"].clone()
    };
    assert_eq!(multiple(&mut world, &mut a), json!(2.5));
    assert_eq!(code_of(&a.document(&mut world, &c2sim::multiple("A", "0"))), "XSD_VALIDATION_ERROR");
    a.pull(&mut world, "stop_scenario");
    assert_eq!(multiple(&mut world, &mut a), json!(2.5));
    a.pull(&mut world, "reset_scenario");
    assert_eq!(multiple(&mut world, &mut a), json!(1.0));
}

#[test]
fn an_initialization_too_large_to_be_shared_is_not_stored() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "xml");
    a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "default", "init_merge": "marshal"}));
    a.pull(&mut world, "submit_initialization");
    let mut stored = 0;
    let refused = loop {
        let file = format!("<InitializationDataFile><Name>{}</Name></InitializationDataFile>", "x".repeat(1_000_000));
        let text = c2sim::initialization(&format!("S{stored}"), &[&format!("S{stored}")]);
        let text = text
            .replace("<ObjectDefinitions/>", &format!("{file}<ObjectDefinitions/>"))
            .replace(&format!("<ScenarioSetting><Name>S{stored}"), "<ScenarioSetting><Name>S");
        let answer = a.document(&mut world, &text);
        if answer.get("error").is_some() {
            break answer;
        }
        stored += 1;
        assert!(stored < 11, "all documents together have ten mebibytes");
    };
    assert_eq!((code_of(&refused), stored), ("C2SIM_MSG_SIZE_EXCEEDED", 10), "{refused}");
    assert_eq!(a.pull(&mut world, "share_scenario")["result"]["state"], "INITIALIZED", "what fitted is shared");
    // More than a ring may hold, and all of it comes.
    let heard = world.hear(b.client);
    assert!(heard.iter().any(|frames| frames[4].len() > 10_000_000), "the shared document");
    assert!(world.clients[a.client].closed.is_none() && world.clients[b.client].closed.is_none());
}

#[test]
fn a_document_without_memory_to_judge_it_is_refused_with_the_reason() {
    let bytes = 1_200_000;
    let small = Config { frame_bytes_max: bytes, message_bytes_max: bytes, memory_max: 6 << 20, ..config(1) };
    let mut world = World::new(small);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let other = Member::joined(&mut world, 0, "M", "json");
    let padded = format!(
        "<SystemMessageBody><SubmitInitialization><!--{}--></SubmitInitialization></SystemMessageBody>",
        "x".repeat(1_000_000)
    );
    world.hear(a.client);
    let refused = a.document(&mut world, &c2sim::message("A", &padded));
    assert_eq!(refused["error"]["code"], -32094, "{refused}");
    let data = &refused["error"]["data"];
    assert!(data["bytes"].as_u64().unwrap() > 1_000_000 && data["bytes_left"].is_u64(), "{refused}");
    assert!(data["reason"].as_str().unwrap().contains("memory_max"), "{refused}");
    assert!(world.clients[other.client].closed.is_none());
    assert_eq!(a.pull(&mut world, "submit_initialization")["result"]["state"], "INITIALIZING", "the session goes on");
}

#[test]
fn who_hears_documents_hears_of_a_schedule_that_is_no_more_and_of_the_end() {
    let mut world = World::plain();
    let mut a = Member::new(&mut world, 0, "A");
    a.ask(&mut world, "COORDINATOR", "create_session", &json!({"name": "s", "share_guard": "none"}));
    let mut x = Member::new(&mut world, 0, "X");
    a.ask(&mut world, "N1.session:s", "join", &Value::Null);
    x.ask(&mut world, "N1.session:s", "join", &json!({"format": "xml"}));
    a.ask(&mut world, "N1.session:s", "submit_initialization", &Value::Null);
    a.ask(&mut world, "N1.session:s", "share_scenario", &Value::Null);
    let at = START_MS + world.now.0 + 5000;
    a.ask(&mut world, "N1.session:s", "start_scenario", &json!({"at": at}));
    let info = a.ask(&mut world, "N1.session:s", "info", &Value::Null);
    let permitted = info["result"]["permitted"].as_array().unwrap().clone();
    assert!(permitted.contains(&json!("STOP_SCENARIO")) && permitted.contains(&json!("START_SCENARIO")), "{info}");
    world.hear(x.client);
    assert_eq!(a.ask(&mut world, "N1.session:s", "stop_scenario", &Value::Null)["result"]["state"], "INITIALIZED");
    let heard: Vec<Value> = world.hear(x.client).iter().map(|frames| wire::json(frames)["params"].clone()).collect();
    assert_eq!((heard.len(), &heard[0]["cancelled"]), (1, &json!("START_SCENARIO")));
    a.ask(&mut world, "COORDINATOR", "delete_session", &json!({"name": "s", "force": true}));
    let heard: Vec<Value> = world.hear(x.client).iter().map(|frames| wire::json(frames)["params"].clone()).collect();
    assert_eq!((heard.len(), &heard[0]["event"], &heard[0]["by"]), (1, &json!("lost"), &json!("N1.session:s")));
}

#[test]
fn a_large_document_is_kept_once_for_all_who_hear_it() {
    let mut world = World::new(Config { memory_max: 256 << 20, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let format = |n: usize| if n.is_multiple_of(2) { "json" } else { "xml" };
    let others: Vec<_> = (0..150).map(|n| Member::joined(&mut world, 0, &format!("M{n}"), format(n))).collect();
    let padded = format!(
        "<SystemMessageBody><SubmitInitialization><!--{}--></SubmitInitialization></SystemMessageBody>",
        "x".repeat(1_000_000)
    );
    let document = c2sim::message("A", &padded);
    others.iter().for_each(|other| drop(world.hear(other.client)));
    let answer = a.document(&mut world, &document);
    assert_eq!(answer["result"]["state"], "INITIALIZING", "{answer}");
    for other in &others {
        let heard = world.hear(other.client);
        assert!(heard.iter().any(|frames| frames.last().is_some_and(|body| body == document.as_bytes())), "all of it");
        assert!(world.clients[other.client].closed.is_none());
    }
}

#[test]
fn a_long_batch_is_done_in_several_turns_and_answered_as_one() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::new(&mut world, 0, "B");
    let call = |n: u64, method: &str| json!({"jsonrpc": "2.0", "id": n, "method": method});
    let batch: Vec<Value> = (0..200).map(|n| call(n, if n % 2 == 0 { "join" } else { "resign" })).collect();
    let (hub, key) = world.clients[b.client].side;
    let batch = wire::leco(b"N1.session:default", b"N1.B", 70, &[Value::from(batch).to_string().as_bytes()]);
    let ping = wire::leco(b"COORDINATOR", b"N1.B", 71, &[wire::request(9, "pong").as_bytes()]);
    let (now, before) = (world.now, world.count("session_events"));
    world.hubs[hub].handle_bytes(now, key, &[batch, ping].concat());
    let told = world.count("session_events") - before;
    assert!((1..100).contains(&told), "{told} events in the turn in which it came");
    world.pump();
    assert_eq!(a.events(&mut world).len(), 200);
    let heard = world.hear(b.client);
    let conversations: Vec<&[u8]> = heard.iter().map(|frames| &frames[3][..16]).collect();
    assert_eq!(conversations, [&wire::header(70, 1)[..16], &wire::header(71, 1)[..16]], "one after the other");
    let ids: Vec<u64> = wire::json(&heard[0]).as_array().unwrap().iter().filter_map(|one| one["id"].as_u64()).collect();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}

#[test]
fn processing_instructions_are_not_relayed() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    a.run(&mut world);
    x.documents(&mut world);
    let report = c2sim::domain("A", "ReportBody", 10);
    let body = report.split_once("?>\n").unwrap().1;
    for text in [format!("<?xml-stylesheet href='a.xsl'?>{body}"), format!("{report}<?what ever?>")] {
        assert_eq!(a.document(&mut world, &text)["result"]["kind"], "REPORT", "{text}");
        let relayed = x.documents(&mut world);
        assert!(
            relayed[0].contains("ReportBody") && !relayed[0].contains("stylesheet") && !relayed[0].contains("what")
        );
    }
}

#[test]
fn a_member_without_memory_is_refused() {
    let lean = Config {
        message_bytes_max: 4096,
        frame_bytes_max: 4096,
        memory_max: 2 << 20,
        ring_bytes_max: 64 << 10,
        ..config(1)
    };
    let mut world = World::new(lean);
    let mut refused = None;
    for n in 0..600 {
        let mut member = Member::new(&mut world, 0, &format!("M{n}"));
        let answer = member.ask(&mut world, "N1.session:default", "join", &json!({"format": "xml"}));
        if answer["error"].is_object() {
            assert_eq!(answer["error"]["code"], -32094, "{answer}");
            refused = Some(n);
            break;
        }
    }
    assert!(refused.is_some_and(|n| (400..=512).contains(&n)), "{refused:?}: a quarter of it, a kibibyte each");
}

#[test]
fn a_body_that_no_schema_defines_is_named() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    for (text, body) in [
        (c2sim::system("A", "NoSuchThing"), "NoSuchThing"),
        (c2sim::message("A", "<SystemMessageBody></SystemMessageBody>"), "an empty one"),
    ] {
        let answer = a.document(&mut world, &text);
        assert_eq!(code_of(&answer), "XSD_VALIDATION_ERROR");
        let said = format!("no schema defines this body: {body}");
        assert_eq!(answer["error"]["data"]["details"]["XSD_ERROR_1"], said, "{answer}");
    }
}
