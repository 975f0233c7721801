//! Members that are cut off, started anew, or whose nodes are: they stay members, and hear what they have missed.

use crate::common::c2sim;
use crate::common::ledger::Memory;
use crate::common::member::{Event, Member, code_of, is_document_of};
use crate::common::wire;
use crate::common::world::{World, config};
use instep::config::Config;
use instep::hub::{Cause, Hub, Start};
use instep::limits::DIRECTORY_CHANGES_MAX;
use instep::time::Tick;
use serde_json::{Value, json};

const SESSION: &str = "N1.session:default";

/// What an event is, and who has caused it.
fn who(events: &[Event]) -> Vec<(String, String)> {
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events.iter().map(|(event, _)| (word(event, "event"), word(event, "by"))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(event, by)| (event.to_owned(), by.to_owned())).to_vec()
}

/// The numbers of the events that a member hears with the word that it is back.
fn missed(back: &Value) -> Vec<u64> {
    assert_eq!(back["event"], "resumed", "{back}");
    back["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

/// The row of a member, if it is one.
fn row(world: &mut World, asker: &mut Member, name: &str) -> Option<Value> {
    let members = asker.ask(world, SESSION, "members", &Value::Null)["result"]["members"].clone();
    members.as_array().unwrap().iter().find(|row| row["name"] == name).cloned()
}

fn two_nodes(first: Config) -> World {
    let mut world = World::new(first);
    world.add_hub(Config { coordinators: vec!["n1:12300".to_owned()], ..config(2) });
    world.wait(1000);
    world
}

#[test]
fn whoever_comes_back_is_a_member_and_hears_what_it_has_missed() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    let heard = b.events(&mut world).last().unwrap().0["seq"].as_u64().unwrap();
    b.ask(&mut world, SESSION, "ack", &json!({"seq": heard}));
    a.events(&mut world);
    world.close(b.client);
    let report = c2sim::domain("A", "ReportBody", 10);
    a.document(&mut world, &report);
    a.pull(&mut world, "pause_scenario");
    world.wait(5000);
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap()["away_s"], 5);
    let mut b = Member::new(&mut world, 0, "B");
    let back = b.events(&mut world);
    assert_eq!(back.len(), 1);
    let back = &back[0].0;
    assert_eq!((&back["by"], &back["state"], &back["session"]), (&json!("N1.B"), &json!("PAUSED"), &json!("default")));
    assert_eq!((&back["after"], &back["gap"], &back["more"]), (&json!(heard), &json!(false), &json!(false)));
    let seq = back["seq"].as_u64().unwrap();
    assert_eq!(missed(back), (heard + 1..seq).collect::<Vec<_>>());
    assert_eq!(back["events"][1]["document"], json!(report));
    assert_eq!(who(&a.events(&mut world)), pairs([("away", "N1.B"), ("resumed", "N1.B")]));
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap().get("away_s"), None);
    // It is a member as it was, without a word.
    assert_eq!(b.pull(&mut world, "resume_scenario")["result"]["seq"], seq + 1);
    assert_eq!(a.events(&mut world)[0].0["seq"], seq + 1);
}

#[test]
fn a_program_that_does_not_know_that_it_is_a_member_may_join_once_more() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    world.close(b.client);
    let mut b = Member::new(&mut world, 0, "B");
    let seq = b.events(&mut world)[0].0["seq"].clone();
    let joined = b.ask(&mut world, SESSION, "join", &json!({"system": "NEW", "format": "xml", "after": 1}));
    assert_eq!((&joined["result"]["seq"], &joined["result"]["resumed"]), (&seq, &json!(true)), "{joined}");
    let of_past = joined["result"]["events"]["events"].as_array().unwrap().len();
    assert_eq!(of_past, 3, "its joining, its absence and its return");
    let again = b.ask(&mut world, SESSION, "join", &json!({"system": "OTHER"}));
    assert_eq!(code_of(&again), "C2SIM_CLIENT_ALREADY_JOINED");
    let row = row(&mut world, &mut a, "N1.B").unwrap();
    assert_eq!((&row["system"], &row["format"], &row["joined"]), (&json!("NEW"), &json!("xml"), &json!(2)));
    assert_eq!(
        who(&a.events(&mut world)),
        pairs([("joined", "N1.B"), ("away", "N1.B"), ("resumed", "N1.B")]),
        "nobody hears of it twice"
    );
}

#[test]
fn whoever_speaks_before_it_has_heard_that_it_is_back_hears_that_first() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    world.close(b.client);
    a.events(&mut world);
    let client = world.dealer();
    let call = |receiver: &str, n: u64, method: &str| {
        wire::leco(receiver.as_bytes(), b"B", n, &[wire::request(n, method).as_bytes()])
    };
    let all =
        [call("COORDINATOR", 91, "sign_in"), call(SESSION, 92, "submit_initialization"), call(SESSION, 93, "join")];
    world.feed(client, &all.concat());
    let heard: Vec<Value> = world.hear(client).iter().map(|frames| wire::json(frames)).collect();
    assert_eq!((&heard[0]["id"], &heard[1]["params"]["event"]), (&json!(91), &json!("resumed")), "{heard:?}");
    assert_eq!((&heard[2]["id"], &heard[2]["result"]["state"]), (&json!(92), &json!("INITIALIZING")));
    assert_eq!((&heard[3]["id"], &heard[3]["result"]["seq"], heard.len()), (&json!(93), &json!(5), 4));
    assert_eq!(a.events(&mut world).len(), 2);
}

#[test]
fn an_end_in_order_ends_a_membership_at_once() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    for (receiver, method) in [("COORDINATOR", "sign_out"), (SESSION, "resign")] {
        let mut b = Member::joined(&mut world, 0, "B", "json");
        b.ask(&mut world, receiver, method, &Value::Null);
        world.close(b.client);
        let mut b = Member::new(&mut world, 0, "B");
        assert!(b.events(&mut world).is_empty(), "{method}");
        assert_eq!(row(&mut world, &mut a, "N1.B"), None);
        world.close(b.client);
    }
    // One that is back may resign, too.
    let b = Member::joined(&mut world, 0, "B", "json");
    world.close(b.client);
    let mut b = Member::new(&mut world, 0, "B");
    b.events(&mut world);
    assert_eq!(b.ask(&mut world, SESSION, "resign", &Value::Null)["result"], Value::Null);
    assert_eq!(code_of(&b.pull(&mut world, "submit_initialization")), "CLIENT_NOT_JOINED_SHARED_SESSION");
}

#[test]
fn whoever_stays_away_too_long_is_lost_and_begins_anew() {
    let mut world = World::new(Config { member_idle_s: 20, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    a.events(&mut world);
    world.close(b.client);
    world.wait(19_900);
    a.heard.extend(world.hear(a.client));
    a.heard.retain(|frames| wire::json(frames)["method"] == "session_event");
    assert_eq!(who(&a.events(&mut world)), pairs([("away", "N1.B")]));
    world.wait(200);
    a.heard.extend(world.hear(a.client));
    a.heard.retain(|frames| wire::json(frames)["method"] == "session_event");
    assert_eq!(who(&a.events(&mut world)), pairs([("lost", "N1.B")]));
    assert!(Member::new(&mut world, 0, "B").heard.is_empty());
}

#[test]
fn what_is_not_kept_any_more_is_a_gap() {
    let mut world = World::new(Config { session_history_bytes_max: 1500, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    world.close(b.client);
    for _ in 0..10 {
        a.document(&mut world, &c2sim::domain("A", "ReportBody", 200));
    }
    let mut b = Member::new(&mut world, 0, "B");
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!((&back["gap"], &back["more"]), (&json!(true), &json!(false)), "{back}");
    let (seqs, seq) = (missed(&back), back["seq"].as_u64().unwrap());
    assert_eq!(seqs.last(), Some(&(seq - 1)));
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn what_is_too_much_for_one_word_can_be_asked_for() {
    let mut world = World::new(Config { session_history_bytes_max: 4 << 20, ..config(1) });
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    world.close(b.client);
    for _ in 0..5 {
        a.document(&mut world, &c2sim::domain("A", "ReportBody", 100_000));
    }
    let mut b = Member::new(&mut world, 0, "B");
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!((&back["gap"], &back["more"]), (&json!(true), &json!(true)));
    let last = *missed(&back).last().unwrap();
    let rest = b.ask(&mut world, SESSION, "events", &json!({"after": last}))["result"].clone();
    assert_eq!((&rest["complete"], &rest["events"][0]["seq"]), (&json!(true), &json!(last + 1)));
}

#[test]
fn who_hears_documents_gets_those_that_it_was_not_given_and_none_twice() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut x = Member::joined(&mut world, 0, "X", "xml");
    a.run(&mut world);
    assert_eq!(x.documents(&mut world).len(), 4);
    world.close(x.client);
    a.pull(&mut world, "pause_scenario");
    let report = c2sim::domain("A", "ReportBody", 10);
    a.document(&mut world, &report);
    let mut x = Member::new(&mut world, 0, "X");
    let back = wire::json(&x.heard.remove(0))["params"].clone();
    assert_eq!((&back["event"], &back["documents"]), (&json!("resumed"), &json!(2)), "{back}");
    assert_eq!(back["gap"], true, "who knows what it has read of the last of them");
    let documents = x.documents(&mut world);
    assert!(is_document_of(&documents[0], "PauseScenario") && documents[1] == report && documents.len() == 2);
    a.pull(&mut world, "stop_scenario");
    assert_eq!(x.documents(&mut world).len(), 1);
}

#[test]
fn the_answer_to_an_event_is_its_acknowledgement() {
    let mut world = World::plain();
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    let x = Member::joined(&mut world, 0, "X", "xml");
    a.pull(&mut world, "submit_initialization");
    a.pull(&mut world, "reset_scenario");
    let answer = |world: &mut World, member: &Member, told: &[Vec<u8>], payload: &[&[u8]]| {
        let mut header = told[3].clone();
        header[19] = 1;
        let frames = [&[&[0_u8][..], &told[2], member.name.as_bytes(), &header], payload].concat();
        world.feed(member.client, &wire::message(&frames));
    };
    let told = world.hear(b.client);
    let seqs: Vec<u64> = told.iter().map(|told| wire::json(told)["params"]["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [3, 4, 5]);
    let result: [&[u8]; 1] = [br#"{"jsonrpc":"2.0","id":null,"result":null}"#];
    answer(&mut world, &b, &told[1], &result);
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap()["acked"], 4);
    answer(&mut world, &b, &told[0], &result);
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap()["acked"], 4, "it only grows");
    let error: [&[u8]; 1] = [br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}"#];
    answer(&mut world, &b, &told[2], &error);
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap()["acked"], 4, "who does not know the method has not followed");
    answer(&mut world, &b, &told[2], &[]);
    assert_eq!(row(&mut world, &mut a, "N1.B").unwrap()["acked"], 5, "an answer without content is one");
    let documents = world.hear(x.client);
    answer(&mut world, &x, &documents[0], &[]);
    assert_eq!(row(&mut world, &mut a, "N1.X").unwrap()["acked"], 4, "that of a document too");
    assert!(b.events(&mut world).is_empty(), "nobody answers an answer");
}

#[test]
fn a_member_that_was_cut_off_for_want_of_room_hears_it_all_when_it_is_back() {
    let lean = Config { ring_bytes_max: 64 << 10, slow_ms: 2000, session_history_bytes_max: 1 << 20, ..config(1) };
    let mut world = World::new(lean);
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 0, "B", "json");
    a.run(&mut world);
    let last = b.events(&mut world).last().unwrap().0["seq"].as_u64().unwrap();
    world.limit(b.client, 0);
    a.document(&mut world, &c2sim::domain("A", "ReportBody", 5000));
    world.wait(2100);
    assert_eq!(world.clients[b.client].closed, Some(Cause::Slow));
    let mut b = Member::new(&mut world, 0, "B");
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!(back["gap"], false);
    assert!(missed(&back).contains(&(last + 1)), "{back}");
}

// ---- Other nodes ----

#[test]
fn a_member_of_another_node_is_back_when_its_node_tells_of_it_again() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 1, "B", "json");
    a.events(&mut world);
    world.close(b.client);
    world.wait(500);
    a.pull(&mut world, "submit_initialization");
    let mut b = Member::new(&mut world, 1, "B");
    world.wait(100);
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!((&back["gap"], missed(&back)), (&json!(false), vec![3, 4]));
    assert_eq!(who(&a.events(&mut world)), pairs([("away", "N2.B"), ("resumed", "N2.B")]));
}

#[test]
fn a_member_of_another_node_that_has_gone_and_come_between_two_words_of_it_is_told_that_it_is_back() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 1, "B", "json");
    // So large a directory is told of with pauses.
    let others: Vec<usize> = (0..64 * 5).map(|n| world.component_at(1, &format!("X{n}"))).collect();
    world.wait(1000);
    a.events(&mut world);
    // One word has just been said: the next comes after a pause, in which B goes and comes.
    world.close(others[0]);
    world.close(b.client);
    let mut b = Member::new(&mut world, 1, "B");
    world.wait(500);
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!((&back["event"], &back["by"]), (&json!("resumed"), &json!("N2.B")));
    assert_eq!(who(&a.events(&mut world)), pairs([("away", "N2.B"), ("resumed", "N2.B")]));
}

#[test]
fn a_member_that_goes_and_comes_before_its_node_has_told_of_it_is_told_that_it_is_back() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let others: Vec<usize> = (0..64 * 5).map(|n| world.component_at(1, &format!("X{n}"))).collect();
    world.wait(1000);
    // One word has just been said: the next comes after a pause, in which B comes, joins, goes and comes.
    world.close(others[0]);
    let b = Member::joined(&mut world, 1, "B", "json");
    world.close(b.client);
    let mut b = Member::new(&mut world, 1, "B");
    world.wait(500);
    let back = b.events(&mut world)[0].0.clone();
    assert_eq!((&back["event"], &back["by"]), (&json!("resumed"), &json!("N2.B")));
    assert_eq!(who(&a.events(&mut world)), pairs([("joined", "N2.B"), ("away", "N2.B"), ("resumed", "N2.B")]));
}

#[test]
fn a_whole_list_hides_nobody_that_has_gone_and_come_since_the_one_before() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 1, "B", "json");
    a.events(&mut world);
    // So much happens at once that no difference tells it, and B goes and comes in the middle of that.
    let mut back = None;
    let links: Vec<usize> = (0..=DIRECTORY_CHANGES_MAX / 64).map(|_| world.dealer_of(1, 1)).collect();
    for (link, client) in links.into_iter().enumerate() {
        let sign_in = |n: usize| {
            wire::leco(b"COORDINATOR", format!("X{link}-{n}").as_bytes(), 1, &[wire::request(1, "sign_in").as_bytes()])
        };
        world.feed(client, &(0..64).map(sign_in).collect::<Vec<_>>().concat());
        if link == 4 {
            world.close(b.client);
            back = Some(Member::new(&mut world, 1, "B"));
        }
    }
    world.wait(1000);
    let known = world.hubs[0].known_components().find(|(name, ..)| *name == b"N2").map(|(_, count, _)| count);
    assert!(known > Some(DIRECTORY_CHANGES_MAX), "{known:?}");
    let back = back.unwrap().events(&mut world)[0].0.clone();
    assert_eq!((&back["event"], &back["by"]), (&json!("resumed"), &json!("N2.B")));
    assert_eq!(who(&a.events(&mut world)), pairs([("away", "N2.B"), ("resumed", "N2.B")]));
}

#[test]
fn a_member_of_another_node_that_signs_out_there_leaves_for_good() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let mut b = Member::joined(&mut world, 1, "B", "json");
    a.events(&mut world);
    assert_eq!(b.ask(&mut world, "N2.COORDINATOR", "sign_out", &Value::Null)["result"], Value::Null);
    world.wait(1000);
    assert_eq!(who(&a.events(&mut world)), pairs([("resigned", "N2.B")]));
    assert_eq!(row(&mut world, &mut a, "N2.B"), None);
}

#[test]
fn the_members_of_a_node_that_was_started_anew_are_back_with_it() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let names = ["B", "C", "D"];
    for name in names {
        Member::joined(&mut world, 1, name, "json");
    }
    a.events(&mut world);
    world.kill(1);
    world.wait(1000);
    a.pull(&mut world, "submit_initialization");
    world.revive(1, Config { coordinators: vec!["n1:12300".to_owned()], ..config(2) });
    world.pump();
    let mut back: Vec<Member> = names.iter().map(|name| Member::new(&mut world, 1, name)).collect();
    world.wait(2000);
    for member in &mut back {
        let events = member.events(&mut world);
        assert_eq!(events[0].0["event"], "resumed", "{}", member.name);
        assert!(events[0].0["events"].to_string().contains("SUBMIT_INITIALIZATION"));
        let seqs: Vec<u64> = events.iter().map(|(event, _)| event["seq"].as_u64().unwrap()).collect();
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    }
    assert_eq!(row(&mut world, &mut a, "N2.C").unwrap().get("away_s"), None);
}

#[test]
fn a_node_that_has_no_such_component_says_so_and_the_member_hears_it_later() {
    let mut world = two_nodes(config(1));
    let mut a = Member::joined(&mut world, 0, "A", "json");
    let b = Member::joined(&mut world, 1, "B", "json");
    a.events(&mut world);
    // The node has not come to tell that it is gone when the next event is on its way.
    let (now, (_, old)) = (world.now, world.clients[b.client].side);
    world.hubs[1].handle_closed(now, old, Cause::Gone);
    a.pull(&mut world, "submit_initialization");
    world.wait(300);
    let mut b = Member::new(&mut world, 1, "B");
    world.wait(100);
    let back = b.events(&mut world)[0].0.clone();
    assert!(missed(&back).contains(&3), "{back}");
}

// ---- A server that is started anew ----

/// The process is killed and starts again.
fn restart(world: &mut World, ledger: &Memory) {
    ledger.crash();
    world.kill(0);
    world.revive(0, config(1));
    ledger.give_to(world, 0);
    ledger.settle_all(world, 0);
}

#[test]
fn members_outlive_the_server_and_hear_that_there_is_a_gap() {
    let mut world = two_nodes(config(1));
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let mut a = Member::kept(&mut world, &ledger, 0, "A", "json");
    Member::kept(&mut world, &ledger, 0, "B", "xml");
    let mut c = Member::kept(&mut world, &ledger, 1, "C", "json");
    a.ask(&mut world, SESSION, "resign", &Value::Null);
    ledger.settle_all(&mut world, 0);
    c.events(&mut world);
    assert_eq!(ledger.keys(), ["member/default/N1.B", "member/default/N2.C", "session/default"]);
    restart(&mut world, &ledger);
    world.wait(3000);
    // The one of the other node has not been gone at all.
    let back = c.events(&mut world)[0].0.clone();
    assert_eq!((&back["event"], &back["gap"], &back["events"]), (&json!("resumed"), &json!(true), &json!([])));
    let mut a = Member::new(&mut world, 0, "A");
    assert!(a.events(&mut world).is_empty(), "it had resigned");
    let away = row(&mut world, &mut a, "N1.B").unwrap();
    assert_eq!((&away["system"], &away["format"], &away["away_s"]), (&json!("B"), &json!("xml"), &json!(3)));
    let b = Member::new(&mut world, 0, "B");
    assert_eq!(wire::json(&b.heard[0])["params"]["event"], "resumed");
    assert_eq!(c.events(&mut world)[0].0["by"], "N1.B");
    // Whoever does not come is lost there, too.
    let mut b = b;
    b.heard.clear();
    world.close(b.client);
    for _ in 0..190 {
        world.wait(1000);
        c.ask(&mut world, "N2.COORDINATOR", "pong", &Value::Null);
    }
    ledger.settle_all(&mut world, 0);
    assert_eq!(ledger.keys(), ["member/default/N2.C", "session/default"]);
}

#[test]
fn many_who_join_at_once_are_two_writes_and_coming_and_going_is_none() {
    let mut world = World::plain();
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let before = ledger.commits();
    let members: Vec<Member> = (0..100).map(|n| Member::new(&mut world, 0, &format!("M{n}"))).collect();
    for member in &members {
        member.send(&mut world, SESSION, "join", &Value::Null);
        assert!(world.hear(member.client).iter().all(|frames| wire::json(frames).get("result").is_none()));
    }
    ledger.settle_all(&mut world, 0);
    for member in &members {
        let heard = world.hear(member.client);
        assert!(heard.iter().any(|frames| wire::json(frames)["result"]["seq"].is_u64()), "{heard:?}");
    }
    assert_eq!((ledger.commits() - before, ledger.keys().len()), (2, 101));
    for member in &members {
        world.close(member.client);
    }
    for n in 0..100 {
        Member::new(&mut world, 0, &format!("M{n}"));
    }
    assert_eq!(ledger.commits() - before, 2);
}

#[test]
fn members_that_a_disk_did_not_take_are_written_later() {
    let mut world = World::plain();
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let mut a = Member::new(&mut world, 0, "A");
    let at = a.send(&mut world, SESSION, "join", &Value::Null);
    ledger.fail(&mut world, 0, "disk full");
    assert_eq!(a.answer(&mut world, at, SESSION)["result"]["kept"], false, "a crash would take it back");
    assert_eq!((ledger.waiting(), ledger.keys().len()), (0, 1));
    world.wait(10_000);
    a.ask(&mut world, "COORDINATOR", "pong", &Value::Null);
    ledger.settle_all(&mut world, 0);
    assert!(ledger.keys().contains(&"member/default/N1.A".to_owned()));
}

#[test]
fn a_stop_in_order_leaves_no_gap_for_those_who_have_said_what_they_heard() {
    let mut world = World::plain();
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    let mut a = Member::kept(&mut world, &ledger, 0, "A", "json");
    Member::kept(&mut world, &ledger, 0, "B", "json");
    let seq = a.events(&mut world)[0].0["seq"].clone();
    a.ask(&mut world, SESSION, "ack", &json!({"seq": seq}));
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.wait(3000);
    ledger.settle_all(&mut world, 0);
    let told: Value = serde_json::from_str(&ledger.get("member/default/N1.A").unwrap()).unwrap();
    assert_eq!((&told["acked"], &told["joined"]), (&json!(2), &json!(1)));
    restart(&mut world, &ledger);
    for (name, after) in [("A", 2), ("B", 2)] {
        let back = Member::new(&mut world, 0, name).events(&mut world)[0].0.clone();
        assert_eq!((&back["gap"], &back["after"]), (&json!(false), &json!(after)), "{back}");
    }
}

#[test]
fn a_member_that_cannot_be_read_is_named() {
    let start = Start { seed: 1, now: Tick(0), unix_ms: 1 };
    let mut world = World::plain();
    let ledger = Memory::default();
    ledger.give_to(&mut world, 0);
    ledger.settle_all(&mut world, 0);
    for (value, wanted) in [
        ("{", "EOF while"),
        (r#"{"format": "json", "joined": 1, "acked": 0}"#, "system is missing or wrong"),
        (r#"{"system": "S", "format": "yaml", "joined": 1, "acked": 0}"#, "format is missing or wrong"),
    ] {
        ledger.put("member/default/N1.A/x", value);
        let mut hub = Hub::new(config(1), start).unwrap();
        let refused = hub.set_ledger(Box::new(ledger.clone())).unwrap_err();
        let front = format!("the ledger's session 'default' cannot be read: its member 'N1.A/x': {wanted}");
        assert!(refused.starts_with(&front), "{refused}");
    }
}
