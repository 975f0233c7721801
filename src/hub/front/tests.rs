//! Requests alone: kept, put off, taken up again, their answers put together.

use serde_json::Value;

use super::{Asked, Front, Part, Request};
use crate::hub::keys::{PeerKey, RequestKey};
use crate::leco::message::{HEADER_BYTES, View};
use crate::leco::route::Place;
use crate::leco::rpc::{Call, Document, Item, Params, write_result};
use crate::limits::REQUESTS_MAX;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#;

fn from(sender: &str) -> Request {
    let view = View { receiver: b"COORDINATOR", sender: sender.as_bytes(), header: &[7; HEADER_BYTES], payload: None };
    Request::new(Asked::Coordinator, PeerKey::from_bits(1), &view)
}

fn request(text: &str) -> Request {
    let mut request = from("CA");
    request.fill(Document::parse(text.as_bytes()).unwrap());
    request
}

/// What there is after these answers.
fn answered(mut request: Request, answers: &[&str]) -> String {
    for answer in answers {
        request.begin_answer();
        request.text.push_str(answer);
    }
    request.end_answers();
    request.text
}

// ---- Waiting ----

#[test]
fn a_request_that_is_kept_is_there_until_it_goes_on() {
    let mut front = Front::new();
    let key = front.keep(from("CA")).unwrap();
    assert_eq!(front.get(key).map(|request| &*request.sender), Some(&b"CA"[..]));
    assert_eq!(front.take(key).map(|request| request.sender), Some(b"CA"[..].into()));
    assert!(front.get(key).is_none() && front.take(key).is_none());
}

#[test]
fn the_place_of_a_request_that_went_on_is_not_taken_for_another_one() {
    let mut front = Front::new();
    let old = front.keep(from("CA")).unwrap();
    front.take(old);
    let new = front.keep(from("CB")).unwrap();
    assert_eq!((old.slot(), front.get(old).is_some()), (new.slot(), false));
    assert!(front.take(old).is_none() && front.get(new).is_some());
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut front = Front::new();
    let keys: Vec<RequestKey> = (0..REQUESTS_MAX).map_while(|_| front.keep(from(""))).collect();
    assert_eq!((keys.len(), front.has_room(), front.keep(from("CA")).is_some()), (REQUESTS_MAX, false, false));
    front.take(keys[3]);
    assert!(front.has_room() && front.keep(from("CA")).is_some());
}

#[test]
fn what_was_put_off_goes_on_in_order_and_once() {
    let mut front = Front::new();
    assert!(!front.has_put_off());
    for sender in ["CA", "CB"] {
        front.put_off(from(sender));
    }
    assert!(front.has_put_off());
    assert_eq!(front.put_off_len(), 2);
    let senders: Vec<_> = core::iter::from_fn(|| front.take_put_off()).map(|request| request.sender).collect();
    assert_eq!(senders, [b"CA"[..].into(), b"CB"[..].into()]);
    assert!(!front.has_put_off() && front.take_put_off().is_none());
}

#[test]
fn what_is_put_off_takes_no_place_among_those_that_wait() {
    let mut front = Front::new();
    let key = front.keep(from("CA")).unwrap();
    front.put_off(from("CB"));
    front.take_put_off();
    assert_eq!(front.get(key).map(|request| &*request.sender), Some(&b"CA"[..]));
}

// ---- Parts ----

#[test]
fn a_request_has_the_parts_of_its_document_in_their_order() {
    let single = request(CALL);
    assert_eq!((single.parts.len(), single.is_batch), (1, false));
    let batch = request(r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"result":null},7]"#);
    let items: Vec<_> =
        batch.parts.iter().map(|part| if let Part::Item(item) = part { Some(item) } else { None }).collect();
    assert!(batch.is_batch);
    assert!(matches!(items[..], [Some(Item::Call(_)), Some(Item::Result { is_null: true }), Some(Item::Invalid)]));
}

#[test]
fn a_request_remembers_who_asked_whom_on_which_link() {
    let caller_of = |sender: &str| {
        let request = from(sender);
        let caller = request.caller(b"N1.");
        (caller.link == request.link, format!("{:?}", caller.sender))
    };
    let here = format!("{:?}", Place::Here(b"CA"));
    assert_eq!((caller_of("CA"), caller_of("N1.CA")), ((true, here.clone()), (true, here)));
    assert_eq!(caller_of("N2.CA").1, format!("{:?}", Place::There { namespace: b"N2", name: b"CA" }));
    assert_eq!(from("CA").header, [7; HEADER_BYTES]);
}

#[test]
fn a_new_request_has_nothing_done_for_it() {
    let fresh = from("CA");
    assert!(fresh.parts.is_empty() && fresh.text.is_empty() && fresh.refusal.is_none() && fresh.awaited.is_none());
    assert!(!fresh.is_batch && !fresh.holds && !fresh.signs_in);
}

#[test]
fn an_id_is_kept_as_it_was_given() {
    for id in ["7", "\"x\"", "null", "1.5"] {
        let mut asked = request(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"a"}}"#));
        let Some(Part::Item(Item::Call(Call { id: Some(kept), .. }))) = asked.parts.pop_front() else {
            panic!("a call")
        };
        write_result(&mut asked.text, &kept, &Value::Null);
        assert_eq!(asked.text, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":null}}"#));
    }
}

// ---- Answers ----

#[test]
fn the_answers_of_a_batch_are_one_document() {
    let batch = || request(&format!("[{CALL},{CALL}]"));
    assert_eq!(answered(batch(), &["1", "2"]), "[1,2]");
    assert_eq!(answered(batch(), &["1"]), "[1]", "notifications have none");
}

#[test]
fn the_answer_to_a_single_call_is_bare() {
    assert_eq!(answered(request(CALL), &["1"]), "1");
    assert_eq!(answered(request(CALL), &[]), "");
}

#[test]
fn a_batch_of_notifications_is_answered_by_nothing() {
    let mut batch = request(r#"[{"jsonrpc":"2.0","method":"a"}]"#);
    let part = batch.parts.pop_front();
    assert!(matches!(part, Some(Part::Item(Item::Call(Call { params: Params::None, id: None, .. })))), "{part:?}");
    assert_eq!(answered(batch, &[]), "");
}

// ---- Weight ----

#[test]
fn what_waits_is_weighed_with_its_documents_its_calls_and_its_answers() {
    let mut waiting = request(CALL);
    let mut grew = |change: &dyn Fn(&mut Request)| {
        let before = waiting.bytes();
        change(&mut waiting);
        waiting.bytes() - before
    };
    assert!(grew(&|request| request.parts.push_back(Part::Document(vec![0; 10_000].into()))) >= 10_000);
    assert!(grew(&|request| request.text.push_str(&"x".repeat(10_000))) == 10_000);
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":["{}"]}}"#, "x".repeat(10_000));
    assert!(grew(&|request| request.fill(Document::parse(long.as_bytes()).unwrap())) >= 10_000);
}
