//! `instep bench session`: how far apart in time the members of a shared session learn that its state has changed.
//!
//! One driver pulls pause and resume in turn, each once everybody has heard of the last; all members are read by one poll loop, so the
//! figures hold the time that this program takes to read them one after the other. It takes as little of it as it can: between a trigger
//! and the last member's notice it does not sleep, for to wake it would be the server's work, and it puts off looking into what it has
//! read. Every member checks that it is told every event, one number after the other, and of a state the very one that is due.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use instep::c2sim::state::{State, Trigger};
use instep::client::{self, Event, Machine, blocking};
use instep::leco::route::session_name;
use instep::net::ASKED_UNTIL_NOTHING;
use instep::time::Span;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use super::super::client::{Client, Trouble};
use super::super::ending::Ending;
use super::super::failure::Failure;
use super::super::print::say;
use super::client::{HEARTBEAT, SignedIn, connect_members, name_of_run, sign_out};
use super::distribution;
use super::figures::{count, grouped};
use super::histogram::Histogram;
use super::options::Options;
use super::progress::{PATIENCE, StatusLine, now};

const SCRATCH_BYTES: usize = 64 << 10;
/// The longest wait for events.
const WAIT: Duration = Duration::from_millis(100);
/// How long a member may wait to be let in.
const JOIN: Span = Span::seconds(PATIENCE.as_secs());
/// Triggers at the beginning that do not count, at most.
const WARM_UP: u64 = 50;
const ENDING: Token = Token(usize::MAX - 1);

/// One member's connection.
struct Member<'a> {
    stream: TcpStream,
    machine: Box<Machine>,
    name: String,
    /// Its Coordinator, as it was named.
    address: &'a str,
    /// What it has been sent and has not looked into.
    carry: Vec<u8>,
    /// When the last of it was read.
    read_at: Instant,
    /// Number of the last event that it knows; 0 before it has joined.
    last: u64,
    /// When it last heard of a state, and which number that had.
    heard: (Instant, u64),
}

impl Member<'_> {
    /// Asks to be let into the session.
    fn join(&mut self, session: &str) -> Result<(), String> {
        let params = json!({"system": "BENCH"});
        let asked = self.machine.ask(blocking::now(), session, "join", &params, JOIN);
        asked.map_err(|error| error.to_string())?;
        self.flush()
    }

    /// Looks into what has come; `state` is the one that is due, if any.
    fn take(&mut self, state: &str) -> Result<(), String> {
        self.machine.handle_bytes(blocking::now(), &self.carry);
        self.carry.clear();
        while let Some(event) = self.machine.poll_event() {
            self.see(event, state)?;
        }
        self.flush()
    }

    /// Gives a sign of life if one is due.
    fn beat(&mut self) -> Result<(), String> {
        self.machine.handle_timeout(blocking::now());
        self.flush()
    }

    /// Sends what the machine wants to say.
    fn flush(&mut self) -> Result<(), String> {
        let bytes = self.machine.unsent().len();
        if bytes > 0 {
            let sent = self.stream.write_all(self.machine.unsent());
            sent.map_err(|_| "it takes no more messages".to_owned())?;
            self.machine.sent(bytes);
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's events may grow")]
    fn see(&mut self, event: Event, state: &str) -> Result<(), String> {
        match event {
            Event::Notification(call) if call.method == "session_event" => self.hear(&call.params, state),
            Event::Answer { outcome, .. } => self.joined(outcome.and_then(client::Message::into_result)),
            Event::Undelivered { error, .. } => Err(format!("it was refused: {error}")),
            Event::Ended { loss, .. } => Err(loss.to_string()),
            _ => Ok(()),
        }
    }

    fn joined(&mut self, outcome: Result<Value, client::Error>) -> Result<(), String> {
        let result = outcome.map_err(|error| format!("it was refused: {error}"))?;
        self.last = number(&result).unwrap_or(0);
        Ok(())
    }

    fn hear(&mut self, params: &Value, state: &str) -> Result<(), String> {
        let seq = number(params).unwrap_or(0);
        if self.last > 0 && seq != self.last + 1 {
            return Err(format!("event {seq} came behind event {}", self.last));
        }
        self.last = seq;
        if params.get("event").and_then(Value::as_str) == Some("state") {
            if params.get("state").and_then(Value::as_str) != Some(state) {
                return Err(format!("event {seq} is of another state than {state}"));
            }
            self.heard = (self.read_at, seq);
        }
        Ok(())
    }
}

/// The number of an event.
fn number(place: &Value) -> Option<u64> {
    place.get("seq").and_then(Value::as_u64)
}

/// All members and their poll.
struct Crowd<'a> {
    poll: Poll,
    events: Events,
    ending: Ending,
    members: Vec<Member<'a>>,
    scratch: Box<[u8]>,
    heartbeat: Instant,
    interrupted: bool,
}

impl<'a> Crowd<'a> {
    fn new(signed_in: Vec<SignedIn<'a>>) -> Result<Self, Failure> {
        let poll = Poll::new().map_err(Failure::other)?;
        let ending = Ending::of(poll.registry(), ENDING).map_err(Failure::other)?;
        let start = now();
        let mut members = Vec::new();
        for SignedIn { stream, machine, name, address } in signed_in {
            stream.set_nonblocking(true).map_err(Failure::other)?;
            let mut stream = TcpStream::from_std(stream);
            let token = Token(members.len());
            poll.registry().register(&mut stream, token, Interest::READABLE).map_err(Failure::other)?;
            members.push(Member {
                stream,
                machine,
                name,
                address,
                carry: Vec::new(),
                read_at: start,
                last: 0,
                heard: (start, 0),
            });
        }
        let scratch = vec![0; SCRATCH_BYTES].into_boxed_slice();
        let heartbeat = start + HEARTBEAT;
        let events = Events::with_capacity(1024);
        Ok(Self { poll, events, ending, members, scratch, heartbeat, interrupted: false })
    }

    /// Reads what comes within `wait`, and notes when. Members that had nothing unread before are counted.
    fn read(&mut self, wait: Duration) -> Result<usize, Failure> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(Failure::other(error)),
            _ => {}
        }
        let mut fresh = 0;
        for event in &self.events {
            if event.token() == ENDING {
                self.interrupted |= self.ending.is_wanted();
                continue;
            }
            let Some(member) = self.members.get_mut(event.token().0) else { continue };
            let had_none = member.carry.is_empty();
            let ended = loop {
                match member.stream.read(&mut self.scratch) {
                    Ok(0) => break Some("the connection was closed".to_owned()),
                    Ok(got) => {
                        member.read_at = now();
                        member.carry.extend_from_slice(self.scratch.get(..got).unwrap_or_default());
                        // A read that is not filled has emptied the socket; of more there will be another event.
                        if got < self.scratch.len() && !event.is_read_closed() && !ASKED_UNTIL_NOTHING {
                            break None;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break None,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Some(error.to_string()),
                }
            };
            fresh += usize::from(had_none && !member.carry.is_empty());
            if let Some(why) = ended {
                return Err(failed(member, &why));
            }
        }
        Ok(fresh)
    }

    /// Lets all members look into what was read for them, and gives signs of life when they are due.
    fn look(&mut self, state: &str) -> Result<(), Failure> {
        for n in 0..self.members.len() {
            let Some(member) = self.members.get_mut(n).filter(|member| !member.carry.is_empty()) else { continue };
            member.take(state).map_err(|why| failed(member, &why))?;
        }
        let now = now();
        if now >= self.heartbeat {
            self.heartbeat = now + HEARTBEAT;
            for member in &mut self.members {
                // A member that takes nothing shows in what it does not hear.
                drop(member.beat());
            }
        }
        Ok(())
    }

    /// Reads and looks until no member is `late`; the first that stays so is named.
    fn until<F>(&mut self, state: &str, what: &str, late: F) -> Result<(), Failure>
    where
        F: for<'m> Fn(&'m [Member<'a>]) -> Option<&'m Member<'a>>,
    {
        let deadline = now() + PATIENCE;
        while let Some(member) = late(&self.members) {
            if now() > deadline {
                return Err(failed(member, &format!("{what} within {} s", PATIENCE.as_secs())));
            }
            self.read(WAIT)?;
            self.look(state)?;
        }
        Ok(())
    }

    /// Reads without sleep and without a look until every member has been sent something, then goes on until everybody has heard of a
    /// state that comes behind event `last`.
    fn hear(&mut self, state: &str, last: u64) -> Result<(), Failure> {
        let begin = now();
        let mut fresh = 0;
        while fresh < self.members.len() && now().saturating_duration_since(begin) < WAIT {
            fresh += self.read(Duration::ZERO)?;
        }
        self.look(state)?;
        self.until(state, "it did not hear of a trigger", |all| all.iter().find(|member| member.heard.1 <= last))
    }

    /// Lets everybody join, one after the other: each hears of those behind it.
    /// The driver gives a sign of life meanwhile.
    fn join(&mut self, session: &str, driver: &mut Client) -> Result<(), Failure> {
        for n in 0..self.members.len() {
            if self.interrupted {
                return Err(Failure::other("interrupted while the members joined"));
            }
            if n % 64 == 0 {
                driver.ask("COORDINATOR", "pong", &Value::Null).map_err(failure)?;
            }
            if let Some(member) = self.members.get_mut(n) {
                member.join(session).map_err(|why| failed(member, &why))?;
            }
            self.until("", "it was not let in", |all| all.get(n).filter(|member| member.last == 0))?;
        }
        let last = self.members.iter().map(|member| member.last).max().unwrap_or(0);
        self.until("", "it did not hear of all others", |all| all.iter().find(|member| member.last < last))
    }

    fn leave(mut self) {
        for Member { stream, machine, address, .. } in self.members.drain(..) {
            sign_out(address, &self.poll, stream, *machine);
        }
    }
}

fn failed(member: &Member<'_>, why: &str) -> Failure {
    Failure::other(format!("{}: '{}': {why}", member.address, member.name))
}

/// What was measured, in nanoseconds.
struct Measured {
    skew: Histogram,
    delay: Histogram,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut driver = Client::connect(&options.address, name_of_run(), PATIENCE).map_err(failure)?;
    let own = options.session.is_empty().then(|| name_of_run().to_owned());
    let name = own.clone().unwrap_or_else(|| options.session.clone());
    let session = format!("{}.{}", driver.namespace(), String::from_utf8_lossy(&session_name(&name)));
    let outcome = measure(options, &mut driver, &session, own.as_deref());
    if let Some(own) = &own {
        // Should it fail, the members have gone all the same.
        drop(driver.ask("COORDINATOR", "delete_session", &json!({"name": own, "force": true})));
    }
    let left = outcome.map(|(measured, crowd)| {
        let interrupted = crowd.interrupted;
        crowd.leave();
        (measured, interrupted)
    });
    driver.leave();
    let (measured, interrupted) = left?;
    report(options, &name, &measured, interrupted)
}

fn failure(trouble: Trouble) -> Failure {
    if trouble.is_absence() { Failure::nobody(trouble) } else { Failure::other(trouble) }
}

fn measure<'a>(
    options: &'a Options,
    driver: &mut Client,
    session: &str,
    own: Option<&str>,
) -> Result<(Measured, Crowd<'a>), Failure> {
    if let Some(own) = own {
        let wish = json!({"name": own, "share_guard": "none", "description": "made by instep bench session"});
        driver.ask("COORDINATOR", "create_session", &wish).map_err(failure)?;
    }
    let joined = driver.ask(session, "join", &json!({"system": "BENCH"})).map_err(failure)?;
    let mut state = joined.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    if own.is_some() {
        for trigger in [Trigger::SubmitInitialization, Trigger::ShareScenario, Trigger::StartScenario] {
            driver.ask(session, trigger.method(), &Value::Null).map_err(failure)?;
        }
        State::Running.name().clone_into(&mut state);
    }
    let mut running = match state.as_str() {
        is if is == State::Running.name() => true,
        is if is == State::Paused.name() => false,
        other => {
            return Err(Failure::other(format!("{session} is {other}; one that is RUNNING or PAUSED is wanted")));
        }
    };
    let mut crowd = Crowd::new(connect_members(options)?)?;
    crowd.join(session, driver)?;
    let mut measured = Measured { skew: Histogram::new(), delay: Histogram::new() };
    let warm_up = (options.triggers / 10).min(WARM_UP);
    let mut progress = StatusLine::new(now(), options);
    let mut last = crowd.members.iter().map(|member| member.last).max().unwrap_or(0);
    for n in 0..warm_up + options.triggers {
        if crowd.interrupted {
            break;
        }
        let (trigger, to) =
            if running { (Trigger::PauseScenario, State::Paused) } else { (Trigger::ResumeScenario, State::Running) };
        running = !running;
        let begin = now();
        driver.notify(session, trigger.method(), &json!({})).map_err(failure)?;
        crowd.hear(to.name(), last)?;
        let times = || crowd.members.iter().map(|member| member.heard.0);
        let (first, end) = (times().min().unwrap_or(begin), times().max().unwrap_or(begin));
        let numbers = || crowd.members.iter().map(|member| member.heard.1);
        last = numbers().max().unwrap_or(last);
        if numbers().any(|number| number != last) {
            return Err(Failure::other(format!("{session}: one change of state came under several numbers")));
        }
        if n >= warm_up {
            let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            measured.skew.record(nanos(end.saturating_duration_since(first)));
            measured.delay.record(nanos(end.saturating_duration_since(begin)));
        }
        progress.show(end, || format!("{} triggers", grouped(n)));
    }
    progress.clear();
    Ok((measured, crowd))
}

fn report(options: &Options, name: &str, measured: &Measured, interrupted: bool) -> Result<(), Failure> {
    let Measured { skew, delay } = measured;
    let notices = skew.count().saturating_mul(count(options.members));
    distribution::write(options, skew)?;
    if options.json {
        let object = json!({
            "benchmark": "session",
            "address": options.address,
            "session": name,
            "members": options.members,
            "nodes": options.nodes_used(),
            "triggers": skew.count(),
            "notices": notices,
            "skew": skew.spread(),
            "delay": delay.spread(),
            "interrupted": interrupted,
        });
        return say(&format!("{object}\n"));
    }
    let nodes = match options.nodes_used() {
        _ if options.nodes.is_empty() => String::new(),
        1 => " at 1 node".to_owned(),
        nodes => format!(" at {nodes} nodes"),
    };
    say(&format!(
        "session {name} at {}, {} members{nodes}, {} triggers{}, {} notices; everybody heard all, in one order\n{}{}{}",
        options.address,
        grouped(count(options.members)),
        grouped(skew.count()),
        if interrupted { " before it was interrupted" } else { "" },
        grouped(notices),
        delay.spread_line("from the trigger to the last member"),
        skew.spread_line("from the first member to hear of a trigger to the last"),
        distribution::bars(skew),
    ))
}
