//! Shared sessions and the Manager: controllers that make and trigger them, viewers that are told, logs that stand and run with them.
#![expect(clippy::disallowed_methods, reason = "tests against real sockets read the clock")]

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::common::manager::{Controller, House, Seen, Watcher, wait_until};
use crate::common::{c2sim, rcrs};
use instep::control::function::{Argument, Function};
use instep::control::viewer::Bits;
use instep::rcrs::urn::{EntityKind, PropertyKind};
use instep::zmtp::{SocketType, link::Link};
use serde_json::{Value, json};

const CIVILIAN: i32 = 300;

/// A log of so many steps, one every `step_ms`.
fn log(steps: i32, step_ms: u32) -> Vec<u8> {
    use PropertyKind as P;
    let initial = vec![rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0), (P::Hp, 10_000)], &[])];
    let think = step_ms.to_string();
    let pairs = [("kernel.timesteps", "300"), ("kernel.agents.think-time", think.as_str())];
    rcrs::binary_log(&rcrs::walk(initial, rcrs::config(&pairs), CIVILIAN, steps))
}

/// A house with a log as the provider of session `drill`, which needs no initialization, and a viewer of it.
fn drill(steps: i32, step_ms: u32) -> (House, Controller, Watcher) {
    let house = House::with(|config| config.play_speed_percent = 100);
    house.directory.put("run.log", &log(steps, step_ms));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let made = controller.call(Function::CreateSession, |request| {
        request
            .text(Argument::Name, "drill")
            .text(Argument::DisplayName, "The drill")
            .text(Argument::ShareGuard, "none")
            .provider(&[provider])
    });
    assert!(made.ok, "{made:?}");
    assert_eq!((&made.data["session"], &made.data["state"]), (&json!(2), &json!("UNINITIALIZED")));
    assert_eq!(made.data["sessioninfo"][0]["provider"], provider);
    let mut viewer = house.viewer();
    viewer.ask(Bits::OPEN.0, None);
    assert_eq!(viewer.see().message, "no session");
    let id = controller.viewers()[0];
    assert_eq!(controller.connect(provider, id), 2, "a provider has one session");
    let initial = wait_for_world(&mut viewer);
    assert_eq!((initial.message.as_str(), initial.state.as_str()), ("the session is UNINITIALIZED", "UNINITIALIZED"));
    (house, controller, viewer)
}

/// The next result with a world.
fn wait_for_world(viewer: &mut Watcher) -> Seen {
    loop {
        let seen = viewer.see();
        if !seen.record.is_empty() && seen.keys().contains(&"world") {
            return seen;
        }
    }
}

fn pull(controller: &mut Controller, trigger: &str) -> Value {
    let answer = controller
        .call(Function::Trigger, |request| request.text(Argument::Session, "drill").text(Argument::Trigger, trigger));
    assert!(answer.ok, "{trigger}: {answer:?}");
    answer.data["state"].clone()
}

fn start(controller: &mut Controller, viewer: &mut Watcher) {
    for (trigger, state) in
        [("submit", "INITIALIZING"), ("ShareScenario", "INITIALIZED"), ("START_SCENARIO", "RUNNING")]
    {
        assert_eq!(pull(controller, trigger), state);
        let told = viewer.see();
        assert_eq!((told.message, told.state.as_str()), (format!("the session is {state}"), state));
    }
}

#[test]
fn a_log_stands_runs_and_is_rewound_with_its_session() {
    let (_house, mut controller, mut viewer) = drill(200, 20);
    assert!(viewer.see_within(Duration::from_millis(100)).is_err(), "nothing moves before the start");
    start(&mut controller, &mut viewer);
    assert_eq!(viewer.see_until(5).last().unwrap().time, 5);
    assert_eq!(pull(&mut controller, "pause"), "PAUSED");
    let before = std::iter::from_fn(|| Some(viewer.see())).take_while(|seen| seen.state.is_empty()).last();
    let stood = before.map_or(5, |seen| seen.time);
    assert!(viewer.see_within(Duration::from_millis(150)).is_err(), "nothing comes while it is paused");
    assert_eq!(pull(&mut controller, "resume_scenario"), "RUNNING");
    assert_eq!(viewer.see().state, "RUNNING");
    assert_eq!(viewer.see().time, stood + 1, "it goes on where it stood");
    assert_eq!(pull(&mut controller, "stop"), "INITIALIZED");
    let initial = wait_for_world(&mut viewer);
    assert_eq!((initial.time, initial.message.as_str()), (0, "the session is INITIALIZED"), "from the beginning");
    assert_eq!(pull(&mut controller, "start"), "RUNNING");
    assert_eq!(viewer.see().state, "RUNNING");
    assert_eq!(viewer.see().time, 1);
}

#[test]
fn a_log_that_has_ended_can_be_started_anew() {
    let (_house, mut controller, mut viewer) = drill(3, 10);
    start(&mut controller, &mut viewer);
    viewer.see_until(3);
    controller.wait_for_status(1, "closed");
    pull(&mut controller, "stop");
    assert_eq!(wait_for_world(&mut viewer).time, 0);
    assert_eq!(controller.provider(1)["status"], "online");
    pull(&mut controller, "start");
    viewer.see_until(3);
    controller.wait_for_status(1, "closed");
}

#[test]
fn a_session_made_by_connect_runs_at_once_and_can_be_paused() {
    let house = House::with(|config| config.play_speed_percent = 100);
    house.directory.put("run.log", &log(200, 20));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut viewer = house.viewer();
    viewer.ask(Bits::OPEN.0, None);
    viewer.see();
    let id = controller.viewers()[0];
    let session = controller.connect(provider, id);
    viewer.see_until(2);
    let answer =
        controller.call(Function::Trigger, |request| request.session(&[session]).text(Argument::Trigger, "pause"));
    assert_eq!((answer.ok, &answer.data["state"], &answer.data["session"]), (true, &json!("PAUSED"), &json!(session)));
    assert_eq!(answer.data["sessioninfo"][0]["state"], "PAUSED");
    wait_until("the viewer is told", || viewer.see().state == "PAUSED");
    assert!(viewer.see_within(Duration::from_millis(100)).is_err());
}

/// A Component deletes a session, whoever is in it; its link must stay until that is done.
fn delete_session(house: &House, name: &str) -> TcpStream {
    let (greeting, ready) = Link::new(SocketType::Dealer).opening();
    let mut bytes = [&greeting[..], ready.bytes()].concat();
    let params = format!(r#"{{"name":"{name}","force":true}}"#);
    for (method, params) in [("sign_in", "[]"), ("delete_session", &params)] {
        let payload = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        for (more, body) in [(1, &[0][..]), (1, b"COORDINATOR"), (1, b"CA"), (1, &[1; 20]), (0, payload.as_bytes())] {
            bytes.extend_from_slice(&[more, u8::try_from(body.len()).unwrap()]);
            bytes.extend_from_slice(body);
        }
    }
    let mut stream = TcpStream::connect(house.leco).unwrap();
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn a_log_stands_when_its_session_is_deleted_and_begins_again_in_the_next() {
    let (house, mut controller, mut viewer) = drill(200, 20);
    start(&mut controller, &mut viewer);
    viewer.see_until(3);
    let link = delete_session(&house, "drill");
    wait_until("the viewer is told", || viewer.see().message == "the session was closed");
    let stood = controller.provider(1)["time"].clone();
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(controller.provider(1)["time"], stood);
    let id = controller.viewers()[0];
    controller.connect(1, id);
    let initial = wait_for_world(&mut viewer);
    assert_eq!((initial.time, initial.message.as_str()), (0, ""), "the session of Connect runs");
    let seen = viewer.see_until(3);
    assert_eq!(seen.iter().map(|seen| seen.time).collect::<Vec<_>>(), [1, 2, 3], "at its pace, from the beginning");
    drop(link);
}

#[test]
fn a_log_that_has_ended_begins_again_in_another_session() {
    let (house, mut controller, mut viewer) = drill(3, 10);
    start(&mut controller, &mut viewer);
    viewer.see_until(3);
    controller.wait_for_status(1, "closed");
    let link = delete_session(&house, "drill");
    wait_until("the viewer is told", || viewer.see().message == "the session was closed");
    assert_eq!(controller.provider(1)["status"], "closed", "it stays what it is until somebody wants it");
    let made = controller.call(Function::CreateSession, |request| {
        request.text(Argument::Name, "drill").text(Argument::ShareGuard, "none").provider(&[1])
    });
    assert!(made.ok, "{made:?}");
    let id = controller.viewers()[0];
    controller.connect(1, id);
    assert_eq!(wait_for_world(&mut viewer).time, 0);
    start(&mut controller, &mut viewer);
    assert_eq!(viewer.see_until(3).iter().map(|seen| seen.time).collect::<Vec<_>>(), [1, 2, 3]);
    controller.wait_for_status(1, "closed");
    drop(link);
}

#[test]
fn what_a_controller_asks_in_vain_has_a_reason() {
    let (_house, mut controller, _viewer) = drill(3, 1000);
    let mut said = |session: &str, trigger: &str| {
        let answer = controller.call(Function::Trigger, |request| {
            request.text(Argument::Session, session).text(Argument::Trigger, trigger)
        });
        assert!(!answer.ok);
        (answer.message().to_owned(), answer.data["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(said("none", "start").0, "there is no session 'none'");
    assert_eq!(said("drill", "jump").0, "argument trigger: there is no trigger 'jump'");
    let (message, code) = said("drill", "start");
    assert_eq!(code, "STATE_TRANSITION_NOT_ALLOWED");
    assert_eq!(
        message,
        "the session's state does not permit this trigger (STATE_TRANSITION_NOT_ALLOWED: ACTIVE_SESSION drill, \
         ALLOWED_TRIGGERS SUBMIT_INITIALIZATION)"
    );
    let answer = controller.call(Function::Trigger, |request| request.session(&[99]).text(Argument::Trigger, "stop"));
    assert_eq!(answer.message(), "there is no session 99");
    for (name, provider, wanted) in [
        ("a b", 0, "name is 1 to 64 letters, digits, '.', '_', '~', '-' or %XX"),
        ("x", 9, "there is no provider 9"),
        ("x", 1, "provider 1 is in session drill already"),
    ] {
        let answer = controller
            .call(Function::CreateSession, |request| request.text(Argument::Name, name).provider(&[provider]));
        assert_eq!((answer.ok, answer.message()), (false, wanted));
    }
    assert_eq!(controller.errors().len(), 7);
}

#[test]
fn a_session_outlives_its_provider_and_may_get_another() {
    let (house, mut controller, mut viewer) = drill(200, 20);
    start(&mut controller, &mut viewer);
    assert!(controller.call(Function::Close, |request| request.provider(&[1])).ok);
    wait_until("the viewer is told", || viewer.see().message == "the provider was closed");
    let rows = controller.ask(Function::GetSessionInformation).data["sessioninfo"].clone();
    assert_eq!(
        (&rows[0]["name"], &rows[0]["provider"], &rows[0]["state"]),
        (&json!("drill"), &json!(0), &json!("RUNNING"))
    );
    house.directory.put("other.log", &log(200, 20));
    let other = controller.open_ready("other.log");
    let made =
        controller.call(Function::CreateSession, |request| request.text(Argument::Name, "drill").provider(&[other]));
    assert_eq!((made.ok, &made.data["sessioninfo"][0]["provider"]), (true, &json!(other)));
    assert!(wait_for_world(&mut viewer).state == "RUNNING");
    viewer.see_until(3);
}

#[test]
fn a_scheduled_start_comes_at_its_moment() {
    let (_house, mut controller, mut viewer) = drill(200, 20);
    pull(&mut controller, "submit");
    pull(&mut controller, "share");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = u64::try_from(now.as_millis()).unwrap() + 400;
    let answer = controller.call(Function::Trigger, |request| {
        request.text(Argument::Session, "drill").text(Argument::Trigger, "start").at(at)
    });
    assert_eq!((answer.ok, &answer.data["state"]), (true, &json!("INITIALIZED")));
    assert_eq!(answer.data["effective_at"], at, "an answer that comes before the moment says when that is");
    assert_eq!((viewer.see().state, viewer.see().state), ("INITIALIZING".to_owned(), "INITIALIZED".to_owned()));
    assert_eq!(viewer.see().state, "RUNNING");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(u64::try_from(now.as_millis()).unwrap() >= at, "never before its time");
    let answer = controller
        .call(Function::Trigger, |request| request.text(Argument::Session, "drill").text(Argument::Trigger, "pause"));
    assert_eq!((answer.ok, answer.data.get("effective_at")), (true, None), "{answer:?}");
}

#[test]
fn a_controller_hands_in_what_it_likes_but_only_a_document_may_be_long() {
    let house = House::with(|_| {});
    let mut controller = house.controller();
    let made = controller.call(Function::CreateSession, |request| {
        request.text(Argument::Name, "drill").text(Argument::ShareGuard, "none")
    });
    assert!(made.ok, "{made:?}");
    for trigger in ["submit", "share", "start"] {
        pull(&mut controller, trigger);
    }
    let long = c2sim::domain("A", "ReportBody", 10_400_000);
    let taken = controller.call(Function::SendDocument, |request| {
        request.text(Argument::Session, "drill").document(long.as_bytes()).text(Argument::System, "PLANNER")
    });
    assert!(taken.ok, "{taken:?}");
    assert_eq!((&taken.data["kind"], &taken.data["state"]), (&json!("REPORT"), &json!("RUNNING")));
    let refused = |controller: &mut Controller, session: &str, system: &str, document: &[u8]| {
        let answer = controller.call(Function::SendDocument, |request| {
            request.text(Argument::Session, session).document(document).text(Argument::System, system)
        });
        assert!(!answer.ok, "{answer:?}");
        answer.data["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&mut controller, "nope", "A", b"<a/>"), "there is no session 'nope'");
    assert!(refused(&mut controller, "drill", "A\n", b"<a/>").starts_with("argument system: "));
    let said = refused(&mut controller, "drill", "A", b"<Message");
    assert!(said.contains("not well-formed") && said.contains("C2SIM_INVALID_HEADER"), "{said}");
    let said = refused(&mut controller, "drill", "A", &vec![b' '; 10 << 20]);
    assert!(said.contains("C2SIM_INVALID_HEADER"), "{said}");
    assert_eq!(pull(&mut controller, "pause"), "PAUSED", "it is still there");

    // A long request of any other function ends the connection, and so does one of very many values.
    for (function, words) in [(Function::Trigger, 1), (Function::SendDocument, 100_000)] {
        let mut other = house.controller();
        let (text, many) = ("x".repeat(100_000), vec![1; words]);
        other.send(function, |request| request.text(Argument::Trigger, &text).viewer(&many));
        let answer = other.answer().unwrap();
        assert!(!answer.ok && answer.data["message"].as_str().unwrap().contains("is over the limit of"), "{answer:?}");
        assert!(other.answer().is_none(), "and that is all");
    }
}
