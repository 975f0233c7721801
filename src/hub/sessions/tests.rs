//! Sessions alone: the others are not there, what is said to them stands in the list of events.

mod documents;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Aftermath, Asker, Author, Said, Sessions, Settled, Wish};
use crate::c2sim::state::{State, Trigger};
use crate::hub::call::{Answer, ReplyTo, Written};
use crate::hub::doors::Door;
use crate::hub::events::Event;
use crate::hub::fixture::{Lent, NEAR, leco};
use crate::hub::keys::{PeerKey, ProviderKey, RequestKey, SessionKey};
use crate::hub::ledger::{Entry, Ledger, Ticket, Write};
use crate::hub::methods::{At, Call, Method};
use crate::hub::peers::{Doer, For};
use crate::leco::listing::Recent;
use crate::leco::nodes::Dealer;
use crate::leco::rpc::Params;
use crate::store::shared::SharedBytes;
use crate::time::Tick;

/// A ledger that only notes what it is to write.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<Commit>>>);

type Commit = (Ticket, Vec<Write>);

impl Ledger for Notes {
    fn commit(&mut self, ticket: Ticket, writes: Vec<Write>) {
        self.0.lock().unwrap().push((ticket, writes));
    }

    fn load(&mut self) -> Result<Vec<Entry>, String> {
        let notes = self.0.lock().unwrap();
        let writes = notes.iter().flat_map(|(_, writes)| writes);
        Ok(writes.filter_map(|write| Some((write.key.clone(), write.value.as_ref()?.as_ref().to_vec()))).collect())
    }
}

impl Notes {
    fn take(&self) -> Ticket {
        self.0.lock().unwrap().remove(0).0
    }
}

struct Fixture {
    lent: Lent,
    sessions: Sessions,
}

impl Fixture {
    fn new() -> Self {
        let (mut lent, mut sessions) = (Lent::new(), Sessions::new());
        sessions.add_predefined(&mut lent.peers, &lent.names, &[], super::DEFAULT);
        Self { lent, sessions }
    }

    /// Sessions with a ledger that has written all that there is to begin with.
    fn with_ledger() -> (Self, Notes) {
        let (mut fixture, notes) = (Self::new(), Notes::default());
        let Self { lent, sessions } = &mut fixture;
        sessions.set_ledger(&mut lent.peers, &lent.names, Box::new(notes.clone())).unwrap();
        assert!(fixture.settle(notes.take(), Ok(())).is_none(), "nobody waits for the first write");
        (fixture, notes)
    }

    /// What a component was sent since it was last asked for.
    fn heard(&mut self, key: PeerKey) -> String {
        String::from_utf8_lossy(&self.lent.read(key)).into_owned()
    }

    /// The same with all that waits elsewhere than in its ring, which comes as the ring drains.
    fn heard_all(&mut self, key: PeerKey) -> String {
        let mut all = String::new();
        loop {
            let more = self.heard(key);
            if more.is_empty() {
                return all;
            }
            all += &more;
            if self.lent.events().contains(&Event::Room { peer: key }) {
                self.sessions.notices_go_on(&mut self.lent.peers, key);
            }
        }
    }

    fn call(&mut self, session: &str, name: &str, method: &str, params: Value) -> Said {
        self.call_as(session, &format!("N1.{name}"), method, params)
    }

    fn call_as(&mut self, session: &str, full_name: &str, method: &str, params: Value) -> Said {
        let Some(Method { call: Call::AtSession(call), .. }) = Method::find(At::Session, method) else {
            panic!("{method} is a method of sessions");
        };
        let params = params.as_object().cloned().map_or(Params::None, Params::Names);
        let local = format!("session:{session}");
        let asker = Asker {
            session: local.as_bytes(),
            full_name: full_name.as_bytes(),
            asked_behind: u64::MAX,
            doer: Doer::default(),
        };
        self.sessions.call(&mut self.lent.peers, &self.lent.names, asker, None, (*call, method), params)
    }

    /// Whoever has left or come back is seen.
    fn see_comings(&mut self) {
        self.sessions.see_comings(&mut self.lent.peers, &self.lent.names);
    }

    /// A call that is dealt with at once.
    fn done(&mut self, session: &str, name: &str, method: &str, params: Value) -> Aftermath {
        match self.call(session, name, method, params) {
            Said::Now(mut aftermath) => {
                aftermath.spell_out();
                let parsed = |text: &str| serde_json::from_str(text).unwrap();
                let written = aftermath.written.take();
                aftermath.answer = aftermath.answer.map(|answer| match written {
                    Some(Written::Result(result)) => parsed(&result),
                    Some(Written::Members(more)) => {
                        let members = answer.to_string();
                        parsed(&format!("{},{more}}}", members.strip_suffix('}').unwrap()))
                    }
                    None => answer,
                });
                aftermath
            }
            said @ (Said::Later(_) | Said::Busy(_)) => panic!("{said:?}"),
        }
    }

    fn join(&mut self, session: &str, name: &str, format: &str) -> PeerKey {
        let link = self.lent.component(name);
        match self.call(session, name, "join", json!({"format": format})) {
            Said::Now(aftermath) => assert!(aftermath.answer.is_ok(), "{:?}", aftermath.answer),
            // It is a member; nobody here waits to hear that this is kept.
            Said::Later(key) => self.sessions.set_waiter(&mut self.lent.peers, key, ReplyTo::Nobody, 0),
            Said::Busy(_) => panic!("{session} is busy"),
        }
        link
    }

    fn create(
        &mut self,
        name: &str,
        provider: Option<ProviderKey>,
    ) -> Result<Said, (crate::leco::rpc::RpcError, Value)> {
        let wish = Wish { name: name.to_owned(), ..Wish::default() };
        self.sessions.create(&mut self.lent.peers, &self.lent.names, &wish, provider, true)
    }

    fn make(&mut self, name: &str) -> SessionKey {
        self.create(name, None).map(drop).unwrap();
        self.sessions.named(name).unwrap()
    }

    fn settle(&mut self, ticket: Ticket, outcome: Result<(), String>) -> Option<Settled> {
        self.sessions.commit_done(&mut self.lent.peers, &self.lent.names, ticket, outcome)
    }

    fn state(&self, name: &str) -> State {
        self.sessions.get(self.sessions.named(name).unwrap()).unwrap().state()
    }
}

/// The code of a refusal.
fn code(answer: &Answer) -> &str {
    answer.as_ref().err().and_then(|(_, data)| data.get("code")).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn whoever_joins_is_told_where_things_stand_and_the_others_hear_of_it() {
    let mut at = Fixture::new();
    let first = at.join("default", "CA", "json");
    let link = at.lent.component("CB");
    let aftermath = at.done("default", "CB", "join", json!({"system": "SIM"}));
    let answer = aftermath.answer.unwrap();
    assert_eq!((&answer["seq"], &answer["state"]), (&json!(2), &json!("UNINITIALIZED")));
    assert_eq!(answer["session"]["members"], 2);
    assert_eq!(aftermath.about, at.sessions.named("default"), "provider and viewers are added by others");
    let heard = at.heard(first);
    assert!(heard.contains(r#""event":"joined""#) && heard.contains("N1.CB"), "{heard}");
    assert_eq!(at.heard(link), "", "who joins has its answer");
    let again = at.done("default", "CB", "join", json!({})).answer;
    assert_eq!(code(&again), "C2SIM_CLIENT_ALREADY_JOINED");
    at.sessions.check().unwrap();
}

#[test]
fn a_trigger_is_told_to_all_but_its_author_each_in_its_own_format() {
    let mut at = Fixture::new();
    let [author, json, xml] =
        [("CA", "json"), ("CB", "json"), ("CC", "xml")].map(|(name, format)| at.join("default", name, format));
    for key in [author, json, xml] {
        at.heard(key);
    }
    let answer = at.done("default", "CA", "submit_initialization", Value::Null).answer.unwrap();
    assert_eq!((&answer["state"], &answer["seq"]), (&json!("INITIALIZING"), &json!(4)));
    assert_eq!(at.heard(author), "");
    let (heard, document) = (at.heard(json), at.heard(xml));
    assert!(heard.contains(r#""trigger":"SUBMIT_INITIALIZATION""#) && !heard.contains("<?xml"), "{heard}");
    assert!(document.contains("<SubmitInitialization") && !document.contains("jsonrpc"), "{document}");
}

#[test]
fn what_follows_from_a_change_of_state_is_said_and_not_done() {
    let mut at = Fixture::new();
    at.join("default", "CA", "json");
    let session = at.sessions.named("default").unwrap();
    assert_eq!(at.lent.events(), [], "joining is nobody else's matter");
    drop(at.done("default", "CA", "submit_initialization", Value::Null));
    let (was, now) = (State::Uninitialized, State::Initializing);
    assert_eq!(at.lent.events(), [Event::FlowChanged { session, was, now, multiple: 1.0 }]);
}

#[test]
fn a_refused_trigger_changes_nothing() {
    let mut at = Fixture::new();
    let link = at.join("default", "CA", "json");
    at.heard(link);
    let answer = at.done("default", "CA", "start_scenario", Value::Null).answer;
    assert_eq!(code(&answer), "STATE_TRANSITION_NOT_ALLOWED");
    assert_eq!((at.state("default"), at.lent.events(), at.heard(link)), (State::Uninitialized, vec![], String::new()));
    assert_eq!(at.lent.peers.counters.session_refusals, 1);
    let answer = at.done("default", "CX", "start_scenario", Value::Null).answer;
    assert_eq!(code(&answer), "CLIENT_NOT_JOINED_SHARED_SESSION");
}

#[test]
fn a_scheduled_trigger_is_pulled_at_its_moment_and_told_to_its_author_too() {
    let mut at = Fixture::new();
    let link = at.join("default", "CA", "json");
    let moment = at.lent.peers.unix_ms() + 400;
    drop(at.done("default", "CA", "submit_initialization", json!({"at": moment})));
    at.heard(link);
    assert_eq!((at.state("default"), at.lent.events()), (State::Uninitialized, vec![]));
    assert_eq!(at.sessions.soonest(), Some(Tick(1400)));
    at.lent.peers.advance(Tick(1400));
    let due = at.sessions.next_due(at.lent.peers.now).unwrap();
    at.sessions.schedule_due(&mut at.lent.peers, &at.lent.names, due);
    assert_eq!(at.state("default"), State::Initializing);
    assert!(at.heard(link).contains(&format!(r#""effective_at":{moment}"#)));
    assert_eq!((at.lent.events().len(), at.sessions.soonest()), (1, None));
}

#[test]
fn a_schedule_that_is_cancelled_leaves_no_deadline() {
    let mut at = Fixture::new();
    at.join("default", "CA", "json");
    let moment = at.lent.peers.unix_ms() + 400;
    drop(at.done("default", "CA", "submit_initialization", json!({"at": moment})));
    assert!(at.sessions.soonest().is_some());
    let answer = at.done("default", "CA", "submit_initialization", json!({})).answer;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!((at.state("default"), at.sessions.soonest()), (State::Initializing, None));
}

#[test]
fn a_member_of_another_node_that_has_missed_something_hears_it_once_its_node_takes_messages() {
    let mut at = Fixture::new();
    let (node, _, dealer) = at.lent.node("N2");
    at.lent.names.nodes.get_mut(node).unwrap().listing.replace(vec!["CB".to_owned()], None, Recent::default(), 1000);
    assert!(matches!(at.call_as("default", "N2.CB", "join", json!({})), Said::Now(Aftermath { answer: Ok(_), .. })));
    let session = at.sessions.named("default").unwrap();
    // Our DEALER to it is gone for a moment, its link to us is not.
    at.lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Waiting;
    let draft = super::Draft { name: "REPORT", ..super::Draft::new(super::What::Message, "x".into()) };
    at.sessions.announce(&mut at.lent.peers, &at.lent.names, session, draft, None);
    at.see_comings();
    assert_eq!(at.lent.peers.counters.session_absences, 1);
    at.lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Up(dealer);
    assert_eq!(at.heard(dealer), "");
    at.sessions.node_listed(&at.lent.peers, &at.lent.names, node);
    at.see_comings();
    let heard = at.heard(dealer);
    assert!(heard.contains("N2.CB") && heard.contains(r#""event":"resumed""#), "{heard}");
    assert!(heard.contains(r#""after":1,"gap":false,"more":false,"events":[{"#), "{heard}");
    assert!(heard.contains(r#""kind":"REPORT""#) && heard.contains(r#""event":"away""#), "{heard}");
    at.see_comings();
    assert_eq!((at.heard(dealer).as_str(), at.lent.peers.counters.session_returns), ("", 1), "once");
    at.sessions.check().unwrap();
}

#[test]
fn what_is_owed_comes_behind_the_answer_or_before_the_next_event() {
    let mut at = Fixture::new();
    let link = at.join("default", "CA", "json");
    let session = at.sessions.named("default").unwrap();
    for and_then in ["tell_owed", "resume"] {
        at.heard(link);
        let draft = super::Draft { to_all: true, ..super::Draft::new(super::What::Message, "N1.CA".into()) };
        at.sessions.table.get_mut(session).unwrap().owed.push(draft);
        assert!(at.sessions.check().is_err(), "it must not be forgotten");
        if and_then == "tell_owed" {
            at.sessions.tell_owed(&mut at.lent.peers, &at.lent.names, session);
        } else {
            at.join("default", "CB", "json");
        }
        let heard = at.heard(link);
        let place = heard.find(r#""event":"message""#).unwrap();
        assert!(heard.find(r#""event":"joined""#).is_none_or(|joined| place < joined), "{heard}");
        at.sessions.check().unwrap();
    }
}

#[test]
fn a_member_at_another_node_that_was_given_up_hears_so_when_its_node_takes_messages_again() {
    let mut at = Fixture::new();
    let (node, _, dealer) = at.lent.node("N2");
    at.lent.names.nodes.get_mut(node).unwrap().listing.replace(vec!["CB".to_owned()], None, Recent::default(), 1000);
    drop(at.call_as("default", "N2.CB", "join", json!({})));
    at.lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Waiting;
    at.join("default", "CA", "json");
    at.see_comings();
    let due = at.lent.peers.now + at.lent.peers.config.member_idle();
    at.lent.peers.advance(due);
    let session = at.sessions.next_impatient(due).unwrap();
    at.sessions.give_up(&mut at.lent.peers, &at.lent.names, session);
    assert_eq!(at.lent.peers.counters.session_members_lost, 1);
    at.sessions.send_lost_notices(&mut at.lent.peers, &at.lent.names);
    assert_eq!(at.heard(dealer), "", "there is no way to it");
    at.lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Up(dealer);
    for told in [true, false] {
        at.sessions.send_lost_notices(&mut at.lent.peers, &at.lent.names);
        let heard = at.heard(dealer);
        assert_eq!(heard.contains("N2.CB") && heard.contains(r#""event":"lost""#), told, "{heard}");
    }
}

#[test]
fn a_component_that_has_left_is_away_at_the_next_occasion_and_lost_when_it_does_not_come_back() {
    let mut at = Fixture::new();
    let other = at.join("default", "CA", "json");
    at.join("default", "CB", "json");
    at.heard(other);
    let component = at.lent.names.directory.find(b"CB").unwrap();
    at.lent.names.directory.remove(component);
    at.sessions.component_left(&at.lent.names, b"CB");
    assert!(at.sessions.has_comings() && at.heard(other).is_empty());
    at.see_comings();
    assert!(at.heard(other).contains(r#""event":"away""#));
    let due = Tick(1000) + at.lent.peers.config.member_idle();
    assert_eq!(at.sessions.soonest(), Some(due));
    at.lent.peers.advance(due);
    let session = at.sessions.next_impatient(due).unwrap();
    at.sessions.give_up(&mut at.lent.peers, &at.lent.names, session);
    assert!(at.heard(other).contains(r#""event":"lost""#));
    assert_eq!((at.lent.peers.counters.session_members_lost, at.sessions.soonest()), (1, None));
    at.sessions.check().unwrap();
}

#[test]
fn what_a_member_takes_no_more_waits_for_it_in_order_and_the_others_hear_at_once() {
    let mut at = Fixture::new();
    let [slow, quick] = ["CA", "CB"].map(|name| at.join("default", name, "json"));
    let session = at.sessions.named("default").unwrap();
    let document = SharedBytes::from(vec![b' '; at.lent.peers.config.ring_bytes_max / 2]);
    for _ in 0..3 {
        let draft =
            super::Draft { document: Some(document.clone()), ..super::Draft::new(super::What::Message, "x".into()) };
        at.sessions.announce(&mut at.lent.peers, &at.lent.names, session, draft, None);
        assert!(at.heard_all(quick).len() > document.len());
    }
    assert!(at.lent.peers.is_open(slow) && at.lent.events().is_empty());
    let who = at.sessions.who_has_no_room(&at.lent.peers, &at.lent.names, b"session:default", quick, 1);
    assert_eq!(who, Some((slow, &b"N1.CA"[..])));
    // It reads: what waited comes, and nothing is left.
    let all = at.heard_all(slow);
    let seqs: Vec<usize> = (1..=6).filter_map(|seq| all.find(&format!(r#""seq":{seq},"#))).collect();
    assert!(seqs.len() >= 3 && seqs.is_sorted());
    assert_eq!(at.sessions.who_has_no_room(&at.lent.peers, &at.lent.names, b"session:default", quick, 1), None);
    assert_eq!(at.sessions.bytes(), at.lent.peers.pool.data_in_use());
}

#[test]
fn a_link_that_takes_one_copy_for_several_needs_room_for_one_and_its_list() {
    let mut at = Fixture::new();
    let author = at.join("default", "CA", "json");
    let (_, _, dealer) = at.lent.node("N2");
    let (_, _, plain) = at.lent.plain_node("N3");
    for name in ["N2.CB", "N2.CC", "N2.CD"] {
        drop(at.call_as("default", name, "join", json!({})));
    }
    let half = at.lent.peers.config.ring_bytes_max / 2;
    let who = |at: &Fixture| {
        let found =
            at.sessions.who_has_no_room(&at.lent.peers, &at.lent.names, b"session:default", author, half - 4096);
        found.map(|(link, _)| link)
    };
    let fill = |at: &mut Fixture, link| {
        at.heard(link);
        at.lent.peers.queue_parts(link, &[&leco("CX", "N1.CY", &vec![b' '; half - 4096])], usize::MAX).unwrap();
    };
    fill(&mut at, dealer);
    assert_eq!(who(&at), None);
    for name in ["N3.CB", "N3.CC"] {
        drop(at.call_as("default", name, "join", json!({})));
    }
    fill(&mut at, plain);
    assert_eq!(who(&at), Some(plain));
    at.heard(plain);
    drop(at.call_as("default", "N2.CX", "join", json!({"format": "xml"})));
    fill(&mut at, dealer);
    assert_eq!(who(&at), Some(dealer), "who is told in another format needs a copy of its own");
}

#[test]
fn a_copy_that_waited_for_several_is_missed_by_each_of_them() {
    let mut at = Fixture::new();
    let (_, _, dealer) = at.lent.node("N2");
    for name in ["N2.CB", "N2.CC"] {
        drop(at.call_as("default", name, "join", json!({})));
    }
    let session = at.sessions.named("default").unwrap();
    at.lent.choke(dealer);
    let draft = super::Draft {
        document: Some(vec![b' '; 100_000].into()),
        ..super::Draft::new(super::What::Message, "x".into())
    };
    at.sessions.announce(&mut at.lent.peers, &at.lent.names, session, draft, None);
    assert_eq!(at.lent.peers.counters.multicasts_sent, 0);
    assert_eq!(at.sessions.bytes(), at.lent.peers.pool.data_in_use(), "kept once");
    at.sessions.link_ended(&mut at.lent.peers, dealer);
    at.see_comings();
    assert_eq!(at.lent.peers.counters.session_absences, 2);
    at.sessions.check().unwrap();
}

#[test]
fn who_ends_with_notices_waiting_has_missed_them() {
    let mut at = Fixture::new();
    let [slow, other] = ["CA", "CB"].map(|name| at.join("default", name, "json"));
    let session = at.sessions.named("default").unwrap();
    let document = SharedBytes::from(vec![b' '; at.lent.peers.config.ring_bytes_max]);
    for _ in 0..2 {
        let draft =
            super::Draft { document: Some(document.clone()), ..super::Draft::new(super::What::Message, "x".into()) };
        at.sessions.announce(&mut at.lent.peers, &at.lent.names, session, draft, None);
        at.heard_all(other);
    }
    at.lent.peers.close(slow, crate::hub::cause::Cause::Slow);
    assert!(at.lent.events().contains(&Event::LinkEnded { peer: slow }));
    at.sessions.link_ended(&mut at.lent.peers, slow);
    at.see_comings();
    assert!(at.heard(other).contains(r#""event":"away""#));
    at.sessions.check().unwrap();
}

#[test]
fn a_made_session_asks_for_its_provider_and_one_for_a_provider_runs() {
    let mut at = Fixture::new();
    let provider = ProviderKey::from_bits(1);
    let Ok(Said::Now(aftermath)) = at.create("a", Some(provider)) else { panic!("no ledger, no waiting") };
    let session = at.sessions.named("a").unwrap();
    assert_eq!(aftermath.answer.unwrap()["creation"], "CREATED");
    assert_eq!(aftermath.about, Some(session));
    assert_eq!(at.lent.events(), [Event::ProviderChosen { session, provider }]);
    at.make("provider-7");
    let made = at.sessions.make_for_provider(&mut at.lent.peers, &at.lent.names, 7, "run.log").unwrap();
    let made = at.sessions.get(made).unwrap();
    assert_eq!((made.name.as_str(), made.state(), made.seq), ("provider-7-2", State::Running, 1));
}

#[test]
fn a_session_in_use_is_deleted_by_force_only_and_its_members_hear_it() {
    let mut at = Fixture::new();
    let session = at.make("a");
    let link = at.join("a", "CA", "json");
    at.heard(link);
    let delete = |at: &mut Fixture, params: Value, is_used| {
        let Value::Object(params) = params else { panic!("named parameters") };
        let deletion = at.sessions.to_delete(Params::Names(params), true).unwrap();
        match at.sessions.delete(&mut at.lent.peers, &at.lent.names, deletion, is_used, true) {
            Said::Now(aftermath) => aftermath.answer,
            said @ (Said::Later(_) | Said::Busy(_)) => panic!("{said:?}"),
        }
    };
    assert_eq!(code(&delete(&mut at, json!({"name": "a"}), false)), "SHARED_SESSION_IN_USE", "it has a member");
    drop(at.done("a", "CA", "resign", Value::Null));
    assert_eq!(code(&delete(&mut at, json!({"name": "a"}), true)), "SHARED_SESSION_IN_USE", "others use it");
    drop(at.done("a", "CA", "join", json!({})));
    assert!(delete(&mut at, json!({"name": "a", "force": true}), true).is_ok());
    assert!(at.heard(link).contains(r#""event":"lost""#));
    assert_eq!(at.lent.events(), [Event::SessionEnded { session, was: State::Uninitialized }]);
    assert!(at.sessions.get(session).is_none() && at.sessions.named("a").is_none());
    at.sessions.check().unwrap();
}

#[test]
fn a_change_is_told_once_it_is_durable_and_everything_else_waits() {
    let (mut at, notes) = Fixture::with_ledger();
    let link = at.join("default", "CA", "json");
    at.heard(link);
    let Said::Later(session) = at.call("default", "CA", "submit_initialization", Value::Null) else { panic!("later") };
    let waiting = RequestKey::from_bits(1);
    at.sessions.set_waiter(&mut at.lent.peers, session, ReplyTo::Request(waiting), 100);
    assert_eq!((at.state("default"), at.heard(link), at.lent.events()), (State::Uninitialized, String::new(), vec![]));
    assert_eq!(at.sessions.busy(b"session:default", false), Some(session));
    at.sessions.check().unwrap();
    let settled = at.settle(notes.take(), Ok(())).unwrap();
    assert_eq!((settled.reply_to, settled.session), (ReplyTo::Request(waiting), session));
    assert_eq!(settled.aftermath.tracked.unwrap().into_value()["state"], "INITIALIZING");
    assert_eq!((at.state("default"), at.lent.events().len()), (State::Initializing, 1));
    assert_eq!(at.sessions.busy(b"session:default", false), None);
    at.sessions.check().unwrap();
}

#[test]
fn a_session_that_cannot_be_kept_is_not_made_and_whoever_waited_for_it_goes_on() {
    let (mut at, notes) = Fixture::with_ledger();
    let session = at.make("a");
    let waiting = RequestKey::from_bits(5);
    at.sessions.enter_line(&mut at.lent.peers, session, waiting, 100);
    let settled = at.settle(notes.take(), Err("the disk is full".to_owned())).unwrap();
    assert_eq!(code(&settled.aftermath.answer), "IO_ERROR");
    assert_eq!(settled.aftermath.freed, [waiting]);
    assert_eq!((at.sessions.named("a"), at.sessions.bytes()), (None, 0));
    assert_eq!(at.lent.events(), [Event::SessionEnded { session, was: State::Uninitialized }]);
}

#[test]
fn the_line_and_the_controllers_take_turns() {
    let (mut at, notes) = Fixture::with_ledger();
    let session = at.make("a");
    let controller = at.lent.open(Door::Control, NEAR).unwrap();
    let requests = [1, 2].map(RequestKey::from_bits);
    for request in requests {
        assert!(at.sessions.has_room_in_line(&at.lent.peers, session, 10));
        at.sessions.enter_line(&mut at.lent.peers, session, request, 10);
    }
    at.lent.peers.wait(controller, For::Session(session));
    assert!(!at.sessions.has_lines(), "the session is being written");
    drop(at.settle(notes.take(), Ok(())));
    at.sessions.go_on(&mut at.lent.peers, &at.lent.names, session);
    assert_eq!((at.lent.peers.waits.next(), at.sessions.next_line()), (None, Some(session)), "the line came first");
    assert_eq!(at.sessions.next_in_line(&mut at.lent.peers, session), Some(requests[0]));
    at.sessions.serve_line(&mut at.lent.peers, session);
    assert_eq!(at.lent.peers.waits.next(), Some(controller), "the controller's turn");
    assert_eq!(at.sessions.next_line(), Some(session));
    assert_eq!(at.sessions.next_in_line(&mut at.lent.peers, session), Some(requests[1]));
    assert_eq!((at.sessions.next_in_line(&mut at.lent.peers, session), at.sessions.bytes()), (None, 0));
}

#[test]
fn what_was_written_is_there_again_with_numbers_that_were_never_given() {
    let (mut at, notes) = Fixture::with_ledger();
    at.join("default", "CA", "json");
    let author = Author { by: "N1.CA".into(), system: "SIM".into(), doer: Doer::default() };
    let session = at.sessions.named("default").unwrap();
    let said =
        at.sessions.pull(&mut at.lent.peers, &at.lent.names, session, &author, Trigger::SubmitInitialization, None);
    assert!(matches!(said, Said::Later(_)), "{said:?}");
    let written = Notes(Arc::new(Mutex::new(notes.0.lock().unwrap().clone())));
    drop(at.settle(notes.take(), Ok(())));
    let seq = at.sessions.get(session).unwrap().seq;
    let mut again = Fixture::new();
    again.sessions.set_ledger(&mut again.lent.peers, &again.lent.names, Box::new(written)).unwrap();
    assert_eq!(again.state("default"), State::Initializing);
    assert!(again.sessions.get(again.sessions.named("default").unwrap()).unwrap().seq > seq);
    again.sessions.check().unwrap();
}
