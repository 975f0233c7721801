//! The client: scripts of what its machine says and hears under a virtual clock, and the one that blocks against real servers.
#![allow(
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the client that blocks meets real servers in real time; what no test expects fails it"
)]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use instep::client::{
    Client, Conversation, Error, ErrorObject, Event, Loss, Machine, Message, Options, Output, Reply, Stage, Start,
    encode,
};
use instep::config::Config;
use instep::leco::message::{TYPE_C2SIM, TYPE_UNDEFINED};
use instep::limits::{CLIENT_EVENT_BYTES_MAX, CLIENT_MESSAGE_BYTES_MAX, CLIENT_QUESTIONS_MAX, CLIENT_UNSENT_BYTES_MAX};
use instep::net::{Server, Stopper};
use instep::time::{Span, Tick};
use serde_json::{Value, json};

use super::common::wire::{self, Heard, message};
use super::common::world::{World, config};
use crate::common::nobody::Nobody;

/// A machine, and a Coordinator that says what the script wants. Names of conversations are those of their order: `#1` is the first that
/// the machine began.
struct Script {
    machine: Machine,
    now: Tick,
    sent: Vec<u8>,
    greeted: bool,
    /// Headers of the messages that the machine sent, for answers.
    headers: Vec<Vec<u8>>,
    replies: Vec<Reply>,
}

fn machine(options: Options) -> Machine {
    Machine::new("CA", options, Start { seed: 1, now: Tick(1000), unix_ms: 1_700_000_000_000 }).unwrap()
}

impl Script {
    fn new(options: Options) -> Self {
        let machine = machine(options);
        Self { machine, now: Tick(1000), sent: Vec::new(), greeted: false, headers: Vec::new(), replies: Vec::new() }
    }

    /// A client that is signed in as `N1.CA`.
    fn signed_in(options: Options) -> Self {
        let mut stage = Self::new(options);
        stage.run("connect; > COORDINATOR CA sign_in; < N1.COORDINATOR = null; ! SignedIn N1.CA");
        stage
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.machine.handle_bytes(self.now, bytes);
    }

    /// The next thing that the machine sent, in words.
    fn next_sent(&mut self) -> String {
        self.sent.extend_from_slice(self.machine.unsent());
        let bytes = self.machine.unsent().len();
        self.machine.sent(bytes);
        if !self.greeted && self.sent.len() >= 64 {
            let greeting: Vec<u8> = self.sent.drain(..64).collect();
            assert_eq!((greeting[0], &greeting[9..]), (0xff, &wire::greeting(1)[9..]));
            self.greeted = true;
            assert_eq!(wire::take(&mut self.sent), Some(Heard::Command(wire::ready("DEALER", b"")[2..].to_vec())));
        }
        match wire::take(&mut self.sent) {
            None => "nothing".to_owned(),
            Some(Heard::Command(body)) => format!("{}", body[1..].escape_ascii()),
            Some(Heard::Message(frames)) => {
                self.headers.push(frames[3].clone());
                let text = |n: usize| String::from_utf8_lossy(&frames[n]).into_owned();
                let what = match serde_json::from_slice::<Value>(&frames[4]) {
                    Ok(document) => in_words(&document),
                    Err(_) => format!(
                        "type {} {}",
                        frames[3][19],
                        frames[4..].iter().map(|frame| frame.len().to_string()).collect::<Vec<_>>().join("+")
                    ),
                };
                format!("{} {} {what}", text(1), text(2))
            }
        }
    }

    fn next_event(&mut self) -> String {
        match self.machine.poll_event() {
            None => "nothing".to_owned(),
            Some(Event::SignedIn { full_name }) => format!("SignedIn {full_name}"),
            Some(Event::Answer { outcome, .. }) => match outcome.and_then(Message::into_result) {
                Ok(result) => format!("Answer {result}"),
                Err(error) => format!("Answer: {error}"),
            },
            Some(Event::Request(call, reply)) => {
                self.replies.push(reply);
                format!("Request {} {} {}", call.sender, call.method, call.params)
            }
            Some(Event::Notification(call)) => {
                format!("Notification {} {} {} +{}", call.sender, call.method, call.params, call.attached.len())
            }
            Some(Event::Message(message)) => {
                let frames: Vec<_> = message.payload.iter().map(|frame| String::from_utf8_lossy(frame)).collect();
                format!("Message {} {} {}", message.sender, message.content_type(), frames.join("+"))
            }
            Some(Event::Undelivered { by, error, .. }) => format!("Undelivered {by} {}", error.code),
            Some(Event::Lost { stage, loss }) => format!("Lost {stage:?}: {loss}"),
            Some(Event::Ended { stage, loss }) => format!("Ended {stage:?}: {loss}"),
            Some(other) => panic!("{other:?}"),
        }
    }

    /// One step for each part of `script`, see [`Script::step`].
    fn run(&mut self, script: &str) {
        for line in script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            self.step(line);
        }
    }

    /// `> WORDS` the machine has sent this; `< SENDER = RESULT` an answer to what it sent last, `< SENDER e CODE` an error; `! WORDS`
    /// this event; `+ MS` time passes, and deadlines fire; `output WORD`; `connect` all of a connection up to the sign-in.
    fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            ">" => assert_eq!(self.next_sent(), rest, "{line}"),
            "!" => assert_eq!(self.next_event(), rest, "{line}"),
            "+" => {
                self.now = self.now + Span(rest.parse().unwrap());
                self.machine.handle_timeout(self.now);
                assert!(
                    self.machine.poll_timeout().is_none_or(|at| at > self.now),
                    "{line}: a deadline stays in the past"
                );
            }
            "output" => {
                let output = self.machine.poll_output();
                assert_eq!(output.map_or_else(|| "none".to_owned(), |output| format!("{output:?}")), rest, "{line}");
            }
            "connect" => {
                assert_eq!(self.machine.poll_output(), Some(Output::Connect));
                self.greeted = false;
                self.sent.clear();
                self.machine.handle_connected(self.now);
                assert_eq!(self.next_sent(), "nothing", "nothing is sent before the other side is ready");
                self.feed(&[wire::greeting(1), wire::ready("ROUTER", b"")].concat());
            }
            "closed" => self.machine.handle_closed(self.now, Loss::Closed),
            "<" => {
                let (sender, rest) = rest.split_once(' ').unwrap();
                let (kind, what) = rest.split_once(' ').unwrap();
                let document = match kind {
                    "=" => format!(r#"{{"jsonrpc":"2.0","id":1,"result":{what}}}"#),
                    "e" => json!({"jsonrpc": "2.0", "id": null, "error": {"code": what.parse::<i64>().unwrap(), "message": "No."}}).to_string(),
                    _ => rest.to_owned(),
                };
                let mut header = self.headers.last().unwrap().clone();
                header[19] = 1;
                self.feed(&message(&[&[0], b"N1.CA", sender.as_bytes(), &header, document.as_bytes()]));
            }
            "call" => {
                let (sender, document) = rest.split_once(' ').unwrap();
                self.feed(&wire::leco(b"N1.CA", sender.as_bytes(), 7, &[document.as_bytes()]));
            }
            _ => panic!("{line}"),
        }
    }

    fn ask(&mut self, receiver: &str, method: &str) -> Result<Conversation, Error> {
        self.machine.ask(self.now, receiver, method, &Value::Null, Span(3000))
    }
}

/// What a document says, without its id.
fn in_words(document: &Value) -> String {
    let word =
        |key: &str| document.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match (word("method"), word("params"), word("result"), document.get("error")) {
        (Some(method), Some(params), ..) => format!("{method} {params}"),
        (Some(method), ..) => method,
        (_, _, Some(result), _) => format!("= {result}"),
        (.., Some(error)) => format!("e {}", error["code"]),
        _ => document.to_string(),
    }
}

// ---- Coming in ----

#[test]
fn a_connection_that_nobody_takes_is_told_at_once() {
    // With this much patience the test would never end, were it waited for.
    let nobody = Nobody::new();
    for reconnects in [true, false] {
        let options = Options::new().timeout(Span::seconds(86_400)).reconnect(reconnects);
        assert!(matches!(Client::connect(&nobody.to_string(), "CA", options), Err(Error::Io(_))));
    }
}

#[test]
fn it_connects_shakes_hands_and_signs_in_under_its_bare_name() {
    let mut stage = Script::new(Options::new());
    assert!(!stage.machine.is_signed_in());
    assert!(matches!(stage.ask("CB", "m"), Err(Error::NotSignedIn)));
    stage.run("connect; > COORDINATOR CA sign_in; > nothing; ! nothing; < N1.COORDINATOR = null; ! SignedIn N1.CA; output none");
    assert_eq!((stage.machine.full_name().as_str(), stage.machine.namespace()), ("N1.CA", "N1"));
    // A Coordinator without a namespace is none of ours to judge.
    let mut stage = Script::new(Options::new());
    stage.run("connect; > COORDINATOR CA sign_in; < COORDINATOR = null; ! SignedIn CA");
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut stage = Script::new(Options::new());
    assert_eq!(stage.machine.poll_output(), Some(Output::Connect));
    stage.machine.handle_connected(stage.now);
    for byte in [wire::greeting(0), wire::ready("ROUTER", b"")].concat() {
        stage.feed(&[byte]);
    }
    stage.step("> COORDINATOR CA sign_in");
    let header = stage.headers[0].clone();
    let answer = message(&[&[0], b"CA", b"N1.COORDINATOR", &header, br#"{"id":1,"jsonrpc":"2.0","result":null}"#]);
    for byte in answer {
        stage.feed(&[byte]);
    }
    stage.step("! SignedIn N1.CA");
}

#[test]
fn only_a_components_name_is_taken() {
    for name in ["", "a.b", "\n", &"x".repeat(256)] {
        let start = Start { seed: 1, now: Tick(0), unix_ms: 0 };
        assert!(matches!(Machine::new(name, Options::new(), start), Err(Error::Name(wanted)) if wanted == name));
    }
}

#[test]
fn a_taken_name_ends_it_or_is_varied_where_that_is_wished() {
    let mut stage = Script::new(Options::new());
    stage.run(
        "connect; > COORDINATOR CA sign_in; < N1.COORDINATOR e -32091
         ! Ended SigningIn: N1.COORDINATOR refuses the sign-in with error -32091: No.
         output Close; output none; + 60000; output none; ! nothing",
    );
    assert!(stage.machine.has_ended() && stage.machine.poll_timeout().is_none());
    let mut stage = Script::new(Options::new().vary_name(true));
    stage.run(
        r#"connect; > COORDINATOR CA sign_in {"suggest":true}
        < N1.COORDINATOR {"id": 1, "jsonrpc": "2.0", "error": {"code": -32091, "message": "", "data": {"suggestion": "CA_7"}}}
        > COORDINATOR CA_7 sign_in {"suggest":true}; < N1.COORDINATOR e -32091
        > COORDINATOR CA_3 sign_in {"suggest":true}; < N1.COORDINATOR e -32602
        > COORDINATOR CA_3 sign_in; < N1.COORDINATOR = null; ! SignedIn N1.CA_3"#,
    );
}

#[test]
fn variations_are_not_tried_for_ever() {
    let mut stage = Script::new(Options::new().vary_name(true));
    stage.step("connect");
    for n in 1..=8 {
        let name = if n == 1 { "CA".to_owned() } else { format!("CA_{n}") };
        stage.step(&format!("> COORDINATOR {name} sign_in {{\"suggest\":true}}"));
        stage.step("< N1.COORDINATOR e -32091");
    }
    stage.run("! Ended SigningIn: N1.COORDINATOR refuses the sign-in with error -32091: No.; > nothing");
}

#[test]
fn what_is_no_coordinator_is_told_by_how_far_it_came() {
    let ended = |bytes: &[&[u8]]| {
        let mut stage = Script::new(Options::new().reconnect(false));
        assert_eq!(stage.machine.poll_output(), Some(Output::Connect));
        stage.machine.handle_connected(stage.now);
        stage.feed(&bytes.concat());
        stage.step("+ 5000");
        stage.step("output Close");
        stage.next_event()
    };
    assert_eq!(ended(&[b"SSH-2.0-x\r\n"]), "Ended Handshake: not ZMTP: looks like an SSH banner");
    assert_eq!(ended(&[]), "Ended Handshake: the Coordinator is silent");
    let dealer = ended(&[&wire::opening(1)]);
    assert_eq!(dealer, "Ended Handshake: socket type DEALER cannot talk to this end");
    let (greeting, ready) = (wire::greeting(1), wire::ready("ROUTER", b""));
    assert_eq!(ended(&[&greeting, &ready]), "Ended SigningIn: the Coordinator is silent");
    assert_eq!(
        ended(&[&greeting, &ready, b"\xff"]),
        "Ended SigningIn: reserved frame flags: the stream has lost its step"
    );
    let huge = [&[2][..], &(CLIENT_MESSAGE_BYTES_MAX + 1).to_be_bytes()].concat();
    assert_eq!(ended(&[&greeting, &ready, &huge]), "Ended SigningIn: frame larger than frame_bytes_max");

    let mut stage = Script::new(Options::new().reconnect(false));
    stage.run("output Connect; closed; ! Ended Connecting: the connection was closed; output none");
    let mut stage = Script::new(Options::new().reconnect(false));
    stage.run("connect; > COORDINATOR CA sign_in; < N1.COORDINATOR [1, 2]");
    stage.step("! Ended SigningIn: N1.COORDINATOR answered the sign-in with something that is no JSON-RPC");
}

// ---- Asking and being asked ----

#[test]
fn answers_are_told_from_other_talk_by_their_conversation() {
    let mut stage = Script::signed_in(Options::new());
    let first = stage.ask("N1.CB", "one").unwrap();
    stage.step("> N1.CB N1.CA one");
    let of_first = stage.headers.last().unwrap().clone();
    let second = stage.ask("CB", "two").unwrap();
    assert_ne!(first, second);
    stage.run("> CB N1.CA two; < N1.CB = [2]; call N1.CB {\"result\":\"nobody asked\"}");
    let answer =
        message(&[&[0], b"N1.CA", b"N1.CB", &of_first, br#"{"error":{"code":-5,"message":"It failed","data":[1]}}"#]);
    stage.feed(&answer);
    // One may be taken out of its turn.
    let Some(Err(Error::Rpc { by, error })) =
        stage.machine.poll_answer(first).map(|one| one.and_then(Message::into_result))
    else {
        panic!()
    };
    assert_eq!(
        (by.as_str(), error),
        ("N1.CB", ErrorObject { code: -5, message: "It failed".to_owned(), data: json!([1]) })
    );
    assert!(stage.machine.poll_answer(first).is_none());
    stage.run("! Answer [2]; ! nothing");
    // What comes too late for its question is dropped, as is one that comes twice.
    stage.feed(&answer);
    stage.step("! Undelivered N1.CB -5");
}

#[test]
fn a_question_without_an_answer_is_closed_in_time() {
    let mut stage = Script::signed_in(Options::new());
    stage.ask("CB", "silent").unwrap();
    assert_eq!(stage.machine.poll_timeout(), Some(stage.now + Span(3000)));
    stage.run("> CB N1.CA silent; + 2999; ! nothing; + 1; ! Answer: no answer in time; < N1.CB = 1; ! nothing");
}

#[test]
fn requests_come_with_where_to_answer_and_pong_is_answered_by_itself() {
    let mut stage = Script::signed_in(Options::new());
    stage.run(r#"call N1.CB {"jsonrpc":"2.0","id":5,"method":"add","params":[1,2]}; ! Request N1.CB add [1,2]"#);
    let reply = stage.replies.pop().unwrap();
    stage.machine.answer(stage.now, reply, Ok(&json!(3))).unwrap();
    stage.step("> N1.CB N1.CA = 3");
    assert_eq!(stage.headers.last().unwrap()[..16], wire::header(7, 1)[..16], "in the caller's conversation");
    stage.run(r#"call N2.CB {"jsonrpc":"2.0","id":5,"method":"fail"}; ! Request N2.CB fail null"#);
    let reply = stage.replies.pop().unwrap();
    stage.machine.answer(stage.now, reply, Err(&ErrorObject::new(-7, "It failed."))).unwrap();
    stage.run(
        r#"> N2.CB N1.CA e -7
        call N1.CB {"jsonrpc":"2.0","id":6,"method":"pong"}; > N1.CB N1.CA = null; ! nothing
        call N1.CB {"jsonrpc":"2.0","method":"pong"}; > nothing; ! nothing
        call N1.CB {"jsonrpc":"2.0","id":6,"method":[1]}; > N1.CB N1.CA e -32601; ! nothing
        call N1.session:a {"jsonrpc":"2.0","method":"session_event","params":{"seq":1}}
        ! Notification N1.session:a session_event {"seq":1} +0; > nothing"#,
    );
    // Who serves nothing says so, but is told all the same.
    let mut stage = Script::signed_in(Options::new().serve(false));
    stage.run(
        r#"call N1.CB {"jsonrpc":"2.0","id":5,"method":"add"}; > N1.CB N1.CA e -32601; ! nothing
        call N1.CB {"jsonrpc":"2.0","method":"told"}; ! Notification N1.CB told null +0"#,
    );
}

#[test]
fn a_ping_of_the_link_is_answered_even_inside_a_message() {
    let mut stage = Script::signed_in(Options::new());
    let note = wire::leco(b"N1.CA", b"N1.CB", 7, &[br#"{"jsonrpc":"2.0","method":"n"}"#]);
    let first_frame = 3;
    let ping = wire::command("PING", b"\0\x14abc");
    stage.feed(&[&note[..first_frame], &ping, &note[first_frame..], &ping].concat());
    let pongs = [stage.next_sent(), stage.next_sent(), stage.next_sent()];
    assert_eq!(pongs, ["PONGabc", "PONGabc", "nothing"]);
    stage.step("! Notification N1.CB n null +0");
}

#[test]
fn documents_and_binary_data_go_both_ways() {
    let mut stage = Script::signed_in(Options::new());
    let frames: [&[u8]; 3] = [b"<Message/>", &[0xff; 300], b""];
    stage.machine.exchange(stage.now, "N1.session:a", TYPE_C2SIM, &frames, Span(1000)).unwrap();
    stage.run("> N1.session:a N1.CA type 128 10+300+0; < N1.session:a = 4; ! Answer 4");
    stage.machine.send(stage.now, "CB", 200, &[b""]).unwrap();
    stage.step("> CB N1.CA type 200 0");
    let header = wire::header(9, 200);
    stage.feed(&message(&[&[0], b"N1.CA", b"N1.CB", &header, b"one", b"two"]));
    let Some(Event::Message(heard)) = stage.machine.poll_event() else { panic!() };
    assert_eq!((heard.content_type(), heard.payload.concat().as_slice()), (200, &b"onetwo"[..]));
    assert_eq!(heard.document, None);
    stage.machine.reply(stage.now, &heard, 201, &[b"three"]).unwrap();
    stage.step("> N1.CB N1.CA type 201 5");
    assert_eq!(stage.headers.last().unwrap()[..16], header[..16]);
    // A message without a payload, one that is cut short, and a batch.
    stage.feed(&message(&[&[0], b"N1.CA", b"N1.CB", &header]));
    stage.feed(&message(&[&[0], b"N1.CA", b"N1.CB"]));
    assert_eq!(stage.next_event(), "Message N1.CB 200 ");
    stage.run("call N1.CB [1]; ! Message N1.CB 1 [1]; ! nothing");
    stage.feed(&wire::leco(b"N1.CA", b"N1.session:a", 8, &[br#"{"jsonrpc":"2.0","method":"e"}"#, b"<doc/>"]));
    let Some(Event::Notification(call)) = stage.machine.poll_event() else { panic!() };
    assert_eq!(call.attached, [b"<doc/>".to_vec()]);
}

#[test]
fn a_message_that_nobody_took_is_told() {
    let mut stage = Script::signed_in(Options::new());
    let told = stage.machine.notify(stage.now, "N1.CX", "m", &json!({})).unwrap();
    stage.run("> N1.CX N1.CA m {}; < N1.COORDINATOR e -32093");
    let Some(Event::Undelivered { conversation, by, error }) = stage.machine.poll_event() else { panic!() };
    assert_eq!((conversation, by.as_str(), error.code), (told, "N1.COORDINATOR", -32093));
}

// ---- Signs of life ----

#[test]
fn an_idle_client_beats_and_asks_a_silent_coordinator() {
    let mut stage = Script::signed_in(Options::new());
    stage.run("+ 9999; > nothing; + 1; > COORDINATOR N1.CA pong; < N1.COORDINATOR = null; ! nothing");
    // It hears of others, but says nothing itself.
    stage.run(
        r#"+ 5000; call N1.CB {"jsonrpc":"2.0","method":"n"}; ! Notification N1.CB n null +0
        + 4999; > nothing; + 1; > COORDINATOR N1.CA type 0 0; + 4999; > nothing; + 1; > COORDINATOR N1.CA pong"#,
    );
    // No answer, but a sign of life all the same, and a new question when it is silent again.
    stage.run(
        r#"+ 9000; call N1.CB {"jsonrpc":"2.0","method":"n"}; ! Notification N1.CB n null +0
        + 1000; > COORDINATOR N1.CA type 0 0; + 9000; > nothing; + 1000; > COORDINATOR N1.CA pong; > nothing"#,
    );
}

#[test]
fn a_coordinator_that_gives_no_sign_of_life_is_lost() {
    let mut stage = Script::signed_in(Options::new().heartbeat(Span(1000)));
    stage.run("+ 1000; > COORDINATOR N1.CA pong; + 1000; > COORDINATOR N1.CA type 0 0; + 999; ! nothing");
    stage.run("+ 1; ! Lost SignedIn: the Coordinator is silent; output Close; output none");
}

// ---- Losing and coming back ----

#[test]
fn a_lost_connection_is_made_anew_after_growing_pauses() {
    let mut stage = Script::signed_in(Options::new());
    stage.ask("CB", "slow").unwrap();
    stage.run("closed; ! Answer: the connection was closed; ! Lost SignedIn: the connection was closed; output none; > nothing");
    assert!(matches!(stage.ask("CB", "m"), Err(Error::NotSignedIn)));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let at = stage.machine.poll_timeout().unwrap();
        pauses.push(at.since(stage.now).0);
        stage.now = at;
        stage.run("+ 0; output Connect");
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        stage.machine.handle_closed(stage.now, Loss::Unreachable(Arc::new(error)));
    }
    let wanted = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
    for (pause, least) in pauses.iter().zip(wanted) {
        assert!((least..=least + least / 4).contains(pause), "{pauses:?}");
    }
    // Of all these failures the last is told.
    stage.run("! Lost Connecting: connection refused; ! nothing; + 12500; connect; > COORDINATOR CA sign_in");
    // The Coordinator has got another name meanwhile.
    stage.run("< N2.COORDINATOR = null; ! SignedIn N2.CA; closed");
    assert!(stage.machine.poll_timeout().unwrap().since(stage.now) <= Span(125), "pauses are short again");
}

#[test]
fn who_is_not_known_any_more_signs_in_anew_on_the_same_connection() {
    let mut stage = Script::signed_in(Options::new());
    stage.ask("CB", "m").unwrap();
    stage.run("> CB N1.CA m; < N1.COORDINATOR e -32090; > COORDINATOR CA sign_in");
    stage.run("! Answer: N1.COORDINATOR answered with error -32090: No.; < N1.COORDINATOR = null; ! SignedIn N1.CA");
    // The refusal of a sign of life is nobody else's business. Our name may still be our own lost connection's.
    stage.run("+ 10000; > COORDINATOR N1.CA pong; < N1.COORDINATOR = null; + 10000; > COORDINATOR N1.CA pong; < N1.COORDINATOR e -32090");
    stage.run(
        "> COORDINATOR CA sign_in; < N1.COORDINATOR e -32091; ! nothing; > nothing; + 125; > COORDINATOR CA sign_in",
    );
    stage.run("< N1.COORDINATOR e -32091; + 250; > COORDINATOR CA sign_in; < N1.COORDINATOR = null; ! SignedIn N1.CA; output none");
    // Another node's Coordinator has no say in it.
    stage.ask("N2.CB", "m").unwrap();
    stage.run("> N2.CB N1.CA m; < N2.COORDINATOR e -32090; ! Answer: N2.COORDINATOR answered with error -32090: No.; > nothing");
    // Nor does one that is not to come back sign in anew.
    let mut stage = Script::signed_in(Options::new().reconnect(false));
    stage.ask("CB", "m").unwrap();
    stage.run(
        "> CB N1.CA m; < N1.COORDINATOR e -32090; ! Answer: N1.COORDINATOR answered with error -32090: No.; > nothing",
    );
}

#[test]
fn signing_out_is_the_end_whether_it_is_answered_or_not() {
    for last in ["< N1.COORDINATOR = null", "closed", "+ 500"] {
        let mut stage = Script::signed_in(Options::new());
        stage.ask("CB", "m").unwrap();
        stage.machine.sign_out(stage.now, Span(500));
        stage.run("> CB N1.CA m; > COORDINATOR N1.CA sign_out; ! nothing");
        assert!(matches!(stage.ask("CB", "m"), Err(Error::NotSignedIn)));
        stage.step(last);
        stage.run("! Answer: we signed out; ! Ended SignedIn: we signed out; + 60000; ! nothing");
    }
    let mut stage = Script::new(Options::new());
    stage.machine.sign_out(stage.now, Span(500));
    stage.run("! Ended Connecting: we signed out; output none");
    stage.machine.handle_connected(stage.now);
    stage.run("output Close; output none; > nothing");
}

// ---- Bounds ----

#[test]
fn an_owner_who_does_not_listen_loses_the_connection_for_good() {
    let mut stage = Script::signed_in(Options::new());
    let document = vec![b'x'; 8 << 20];
    let header = wire::header(9, 200);
    let wire = message(&[&[0], b"N1.CA", b"N1.CB", &header, &document]);
    for _ in 0..CLIENT_EVENT_BYTES_MAX / document.len() {
        stage.feed(&wire);
    }
    assert!(stage.machine.has_ended());
    stage.step("output Close");
    let mut last = String::new();
    let mut messages = 0;
    loop {
        match stage.next_event() {
            event if event == "nothing" => break,
            event if event.starts_with("Message") => messages += 1,
            event => last = event,
        }
    }
    assert_eq!((messages, last.as_str()), (8, "Ended SignedIn: more came than is kept"));
}

#[test]
fn what_waits_to_be_sent_or_answered_is_bounded() {
    let mut stage = Script::signed_in(Options::new());
    for _ in 0..CLIENT_QUESTIONS_MAX {
        stage.ask("CB", "m").unwrap();
    }
    assert!(matches!(stage.ask("CB", "m"), Err(Error::Full)));
    let waiting = stage.machine.unsent().len();
    stage.machine.sent(waiting / 2);
    assert_eq!(stage.machine.unsent().len(), waiting - waiting / 2);
    let large = vec![0; CLIENT_UNSENT_BYTES_MAX];
    assert!(matches!(stage.machine.send(stage.now, "CB", 0, &[&large]), Err(Error::Full)));
    stage.machine.send(stage.now, "CB", 0, &[&large[waiting..]]).unwrap();
    stage.ask("CB", "m").unwrap_err();
    // Pings without end, which it cannot answer.
    let ping = wire::command("PING", b"\0\x14abc").repeat(1 << 16);
    stage.feed(&ping);
    assert!(matches!(stage.machine.last_loss(), Some((Stage::SignedIn, Loss::Overrun))));
}

#[test]
fn no_bytes_make_it_panic_and_each_deadline_lies_ahead() {
    let mut dice = wire::Dice(5);
    let mut good = Script::signed_in(Options::new());
    good.ask("CB", "m").unwrap();
    for _ in 0..400 {
        let mut machine = machine(Options::new());
        machine.poll_output();
        let mut now = Tick(1000);
        machine.handle_connected(now);
        let mut bytes = [wire::greeting(1), wire::ready("ROUTER", b"")].concat();
        for n in 0..4 {
            let document = dice.bytes(20);
            encode(&mut bytes, b"N1.CA", b"N1.COORDINATOR", &wire::header(n, dice.bytes(1)[0]), &[&document, b"x"]);
        }
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        let cut = dice.below(bytes.len());
        machine.handle_bytes(now, &bytes[..cut]);
        machine.handle_bytes(now, &bytes[cut..]);
        for _ in 0..3 {
            while machine.poll_event().is_some() || machine.poll_output().is_some() {}
            if let Some(at) = machine.poll_timeout() {
                assert!(at >= now);
                now = at;
                machine.handle_timeout(now);
                assert!(machine.poll_timeout().is_none_or(|next| next > now));
            }
        }
    }
}

// ---- At a hub ----

/// A machine and a world of hubs under one virtual clock; the machine connects to the first hub.
struct Shore {
    world: World,
    machine: Machine,
    /// Its connection in the world.
    client: Option<usize>,
    /// Nothing comes through, and neither side learns of it.
    is_cut: bool,
    told: Vec<String>,
}

impl Shore {
    fn new() -> Self {
        let world = World::plain();
        let machine = machine(Options::new());
        let mut shore = Self { world, machine, client: None, is_cut: false, told: Vec::new() };
        shore.pump();
        assert_eq!(shore.tell(), ["in as N1.CA"]);
        shore
    }

    /// What an event loop does, until nothing moves any more.
    fn pump(&mut self) {
        loop {
            let now = self.world.now;
            while let Some(output) = self.machine.poll_output() {
                if let Some(client) = self.client.take().filter(|_| !self.is_cut) {
                    self.world.close(client);
                }
                if output == Output::Connect {
                    self.is_cut = false;
                    if self.world.dark.contains(&0) {
                        self.machine.handle_closed(now, Loss::Closed);
                    } else {
                        self.client = Some(self.world.connect(0));
                        self.machine.handle_connected(now);
                    }
                }
            }
            let Some(client) = self.client.filter(|_| !self.is_cut) else { break };
            let sent = self.machine.unsent().to_vec();
            self.machine.sent(sent.len());
            self.world.feed(client, &sent);
            let heard = core::mem::take(&mut self.world.clients[client].read);
            self.machine.handle_bytes(now, &heard);
            if self.world.clients[client].closed.is_some() {
                self.client = None;
                self.machine.handle_closed(now, Loss::Closed);
            } else if sent.is_empty() && heard.is_empty() {
                break;
            }
        }
        while let Some(event) = self.machine.poll_event() {
            self.told.push(match event {
                Event::SignedIn { full_name } => format!("in as {full_name}"),
                Event::Lost { stage, loss } => format!("lost {stage:?}: {loss}"),
                other => format!("{other:?}"),
            });
        }
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.world.wait(100);
            self.pump();
            self.machine.handle_timeout(self.world.now);
            self.pump();
        }
    }

    fn tell(&mut self) -> Vec<String> {
        core::mem::take(&mut self.told)
    }
}

#[test]
fn an_idle_machine_stays_signed_in_at_a_hub() {
    let mut shore = Shore::new();
    shore.wait(600);
    assert_eq!(shore.tell(), [""; 0]);
    assert_eq!((shore.world.count("sign_ins"), shore.world.count("messages_malformed")), (1, 0));
    assert!(shore.machine.is_signed_in());
}

#[test]
fn a_machine_comes_back_to_a_hub_that_was_started_anew() {
    let mut shore = Shore::new();
    shore.world.kill(0);
    shore.wait(60);
    let told = ["lost SignedIn: the Coordinator is silent", "lost Connecting: the connection was closed"];
    assert_eq!(shore.tell()[..2], told);
    shore.world.revive(0, config(1));
    shore.wait(13);
    assert_eq!(shore.tell(), ["in as N1.CA"]);
}

#[test]
fn a_machine_whose_cable_was_cut_takes_its_name_back_from_its_own_old_connection() {
    let mut shore = Shore::new();
    shore.wait(7);
    shore.is_cut = true;
    shore.wait(40);
    assert_eq!(shore.tell(), ["lost SignedIn: the Coordinator is silent", "in as N1.CA"]);
    assert_eq!(shore.world.count("closed_takeover"), 1);
}

// ---- The one that blocks ----

/// A server that can be stopped and started again at the same address.
struct House {
    address: String,
    stopper: Stopper,
    thread: thread::JoinHandle<std::io::Result<()>>,
}

impl House {
    fn open(bind: &str, config: Config) -> Self {
        let config = Config { namespace: "N1".into(), host: "n1".into(), bind: vec![bind.into()], ..config };
        let until = Instant::now() + Duration::from_secs(10);
        let mut server = loop {
            match Server::bind(config.clone()) {
                Ok(server) => break server,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        };
        let address = server.local_addresses().next().unwrap().to_string();
        let stopper = server.stopper();
        Self { address, stopper, thread: thread::spawn(move || server.run()) }
    }

    fn close(self) {
        self.stopper.stop();
        self.thread.join().unwrap().unwrap();
    }
}

const SOON: Duration = Duration::from_secs(10);

/// The Components of the node, in the order of their names.
fn local_components(client: &mut Client) -> Result<Vec<String>, Error> {
    let names = client.ask("COORDINATOR", "send_local_components", &Value::Null, SOON)?;
    let mut names: Vec<String> =
        names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    Ok(names)
}

#[test]
fn a_client_comes_back_when_its_server_is_started_again() {
    let house = House::open("127.0.0.1:0", Config::default());
    let address = house.address.clone();
    let mut ca = Client::connect(&address, "CA", Options::new()).unwrap();
    let mut cb = Client::connect(&address, "CB", Options::new()).unwrap();
    assert_eq!(
        ca.ask("CB", "pong", &Value::Null, Duration::from_millis(1)).err().map(|error| error.to_string()).as_deref(),
        Some("no answer in time")
    );
    house.close();
    let lost = cb.receive(SOON).unwrap();
    assert!(matches!(lost, Some(Event::Lost { stage: Stage::SignedIn, .. })), "{lost:?}");
    let asked = cb.ask("CA", "pong", &Value::Null, Duration::from_millis(20));
    assert!(matches!(asked, Err(Error::NotSignedIn)), "{asked:?}");
    let house = House::open(&address, Config::default());
    // One sits and waits, the other asks at once.
    let waiting = thread::spawn(move || {
        loop {
            match cb.receive(SOON).unwrap() {
                Some(Event::SignedIn { full_name }) => break (cb, full_name),
                Some(Event::Lost { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    loop {
        match local_components(&mut ca) {
            Ok(names) if names == ["CA", "CB"] => break,
            Ok(_) | Err(Error::Closed(_)) => thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
    }
    let (cb, full_name) = waiting.join().unwrap();
    assert_eq!(full_name, "N1.CB");
    cb.sign_out(SOON).unwrap();
    ca.sign_out(SOON).unwrap();
    house.close();
}

#[test]
fn who_was_taken_out_is_let_in_again_by_the_next_question() {
    let house = House::open("127.0.0.1:0", Config { expiration_s: 1, cleaning_interval_s: 1, ..Config::default() });
    let mut idle = Client::connect(&house.address, "idle", Options::new()).unwrap();
    let mut other = Client::connect(&house.address, "other", Options::new().heartbeat(Span(300))).unwrap();
    // The other one sits in its calls, and so stays known; the idle one does not.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < until, "the idle client was never taken out");
        assert!(other.receive(Duration::from_millis(200)).unwrap().is_none(), "it is never lost");
        if local_components(&mut other).unwrap() == ["other"] {
            break;
        }
    }
    assert_eq!(local_components(&mut idle).unwrap(), ["idle", "other"]);
    let again = idle.receive(SOON).unwrap();
    assert!(matches!(again, Some(Event::SignedIn { .. })), "{again:?}");
    house.close();
}

#[test]
fn a_connection_can_go_to_another_loop_and_come_back() {
    let house = House::open("127.0.0.1:0", Config::default());
    let stream = instep::client::blocking::dial(&house.address, SOON).unwrap();
    let client = Client::connect_on(stream, &house.address, "CA", Options::new()).unwrap();
    let (stream, mut machine) = client.into_parts().unwrap();
    let (link, rest) = machine.release();
    assert!(rest.is_empty());
    assert_eq!(link.phase(), instep::zmtp::link::Phase::Ready);
    let mut client = Client::from_parts(stream, machine, &house.address, SOON).unwrap();
    assert_eq!(client.ask("COORDINATOR", "pong", &Value::Null, SOON).unwrap(), Value::Null);
    let error = Client::connect(&house.address, "CA", Options::new()).unwrap_err();
    assert!(
        matches!(&error, Error::Refused { by, .. } if by == "N1.COORDINATOR") && error.code() == Some(-32091),
        "{error}"
    );
    let varied = Client::connect(&house.address, "CA", Options::new().vary_name(true)).unwrap();
    assert_eq!(varied.full_name(), "N1.CA_2");
    client.sign_out(SOON).unwrap();
    house.close();
}

#[test]
fn binary_messages_travel_between_two_that_block() {
    let house = House::open("127.0.0.1:0", Config::default());
    let mut ca = Client::connect(&house.address, "CA", Options::new()).unwrap();
    let mut cb = Client::connect(&house.address, "CB", Options::new()).unwrap();
    let large = vec![7; 3 << 20];
    let asked = thread::spawn(move || {
        let Some(Event::Message(heard)) = cb.receive(SOON).unwrap() else { panic!() };
        let sum: usize = heard.payload.iter().map(Vec::len).sum();
        cb.reply(&heard, TYPE_UNDEFINED, &[sum.to_string().as_bytes(), b"bytes"]).unwrap();
        cb.sign_out(SOON)
    });
    let answer = ca.exchange("CB", 200, &[&large, b"", b"end"], SOON).unwrap();
    assert_eq!((answer.sender.as_str(), answer.payload.concat().as_slice()), ("N1.CB", &b"3145731bytes"[..]));
    asked.join().unwrap().unwrap();
    ca.notify("N1.nobody", "m", &Value::Null).unwrap();
    let told = ca.receive(SOON).unwrap();
    assert!(matches!(&told, Some(Event::Undelivered { error, .. }) if error.code == -32093), "{told:?}");
    house.close();
}

#[test]
fn nobody_at_the_address_is_told_at_once() {
    let nobody = Nobody::new();
    let error = Client::connect(&nobody.to_string(), "CA", Options::new()).unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused), "{error}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let error = Client::connect(&silent, "CA", Options::new().timeout(Span(50))).unwrap_err();
    assert!(matches!(error, Error::Handshake(Loss::Late)), "{error}");
}
