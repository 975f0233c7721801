//! Those who take part in the demonstration beside the planner: a component and a viewer, each listening in a thread of its own, and
//! the controller's few orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use instep::c2sim::state::Trigger;
use instep::control::client::{ControlRequest, decode_control, decode_viewer, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::function::Function;
use instep::control::viewer::Bits;
use instep::net::queue::Sender;
use serde_json::{Value, json};

use super::super::client::{Client, Event, Trouble, now};
use super::super::failure::Failure;
use super::super::framed::{self, Framed, Silence};
use super::patience::{PATIENCE, TICK, missed};

/// What somebody hears.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) who: &'static str,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The simulator has joined; the session's state.
    Joined(String),
    /// An event in words, and the state if it is one of the state.
    Event(String, Option<String>),
    /// The simulator has what it needs.
    Ready,
    /// The viewer was told the state.
    Told(String),
    /// The viewer saw that timestep.
    Step(i64),
    /// Somebody has lost the server.
    Gone(String),
}

/// The listening threads.
pub(super) struct Cast {
    told: Sender<Heard>,
    ends: Arc<AtomicBool>,
    last_step: Arc<AtomicI64>,
    threads: Vec<JoinHandle<()>>,
}

impl Cast {
    pub(super) fn new(told: Sender<Heard>) -> Self {
        Self { told, ends: Arc::default(), last_step: Arc::default(), threads: Vec::new() }
    }

    /// The last timestep that the viewer saw.
    pub(super) fn last_step(&self) -> i64 {
        self.last_step.load(Ordering::Relaxed)
    }

    /// Lets the simulator come in and join.
    pub(super) fn simulator(&mut self, coordinator: &str, session: &str) -> Result<(), Failure> {
        let client = Client::connect(coordinator, "simulator", PATIENCE).map_err(Failure::other)?;
        let (told, ends, session) = (self.told.clone(), Arc::clone(&self.ends), session.to_owned());
        let mut simulator = Simulator { client, session, told, last: 0, own: Vec::new() };
        let play = move || {
            if let Err(why) = simulator.run(&ends) {
                simulator.tell(What::Gone(why));
            }
            simulator.client.leave();
        };
        self.threads.push(thread::Builder::new().spawn(play).map_err(Failure::other)?);
        Ok(())
    }

    /// Lets the viewer come in; says where it comes from.
    pub(super) fn viewer(&mut self, address: &str) -> Result<String, Failure> {
        let mut line = Framed::connect(address, PATIENCE).map_err(Failure::other)?;
        let mut request = Vec::new();
        encode_viewer(&mut request, Bits::OPEN | Bits::UPDATE, None);
        line.send(&request).map_err(Failure::other)?;
        let own = line.own_address();
        let (told, ends, last_step) = (self.told.clone(), Arc::clone(&self.ends), Arc::clone(&self.last_step));
        let look_on = move || {
            if let Err(why) = watch(&mut line, &told, &ends, &last_step) {
                // Nobody listens any more once the demonstration has ended.
                drop(told.send(Heard { at: now(), who: "viewer", what: What::Gone(why) }));
            }
        };
        self.threads.push(thread::Builder::new().spawn(look_on).map_err(Failure::other)?);
        Ok(own)
    }

    /// Everybody leaves.
    pub(super) fn leave(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic in there has been printed.
            drop(thread.join());
        }
    }
}

// ---- The simulator ----

struct Simulator {
    client: Client,
    session: String,
    told: Sender<Heard>,
    /// Number of the last event it knows.
    last: u64,
    /// Numbers of those it caused itself, of which it is not told.
    own: Vec<u64>,
}

impl Simulator {
    fn run(&mut self, ends: &AtomicBool) -> Result<(), String> {
        let said = |trouble: Trouble| trouble.to_string();
        let joined = self.client.ask(&self.session, "join", &json!({"system": "SIMULATOR"})).map_err(said)?;
        self.last = joined.get("seq").and_then(Value::as_u64).unwrap_or(0);
        let state = joined.get("state").and_then(Value::as_str).unwrap_or_default();
        self.tell(What::Joined(state.to_owned()));
        while !ends.load(Ordering::Relaxed) {
            let Some(event) = self.client.next_event(now() + TICK).map_err(said)? else { continue };
            let is_initialization = event.word("kind") == "C2SIM_INITIALIZATION";
            self.check_order(&event)?;
            let state = (event.word("event") == "state").then(|| event.word("state").to_owned());
            self.tell(What::Event(in_words(&event), state.clone()));
            if state.is_some() {
                let seq = json!({"seq": self.last});
                self.client.notify(&self.session, "ack", &seq).map_err(said)?;
            }
            if is_initialization {
                let ready = self.client.ask(&self.session, "initialization_complete", &Value::Null).map_err(said)?;
                self.own.extend(ready.get("seq").and_then(Value::as_u64));
                self.tell(What::Ready);
            }
        }
        Ok(())
    }

    /// Holds the session to its promise: one number after the other.
    fn check_order(&mut self, event: &Event) -> Result<(), String> {
        let seq = event.number("seq").unwrap_or(0);
        while self.own.contains(&(self.last + 1)) {
            self.last += 1;
        }
        if seq != self.last + 1 {
            return Err(format!("event {seq} came behind event {}", self.last));
        }
        self.last = seq;
        Ok(())
    }

    fn tell(&self, what: What) {
        // Nobody listens any more once the demonstration has ended.
        drop(self.told.send(Heard { at: now(), who: "simulator", what }));
    }
}

fn in_words(event: &Event) -> String {
    let by = author(event.word("by"));
    let seq = event.number("seq").unwrap_or(0);
    let state = event.word("state");
    let what = Trigger::from_word(event.word("trigger")).map_or("", |trigger| trigger.kind().element());
    match (event.word("event"), event.number("effective_at"), &event.document) {
        ("state", Some(at), _) => {
            let ahead = at.saturating_sub(event.number("time").unwrap_or(at));
            if ahead > 0 {
                let seconds = Duration::from_millis(ahead).as_secs_f64();
                return format!(
                    "hears {what} of {by} for later, in {seconds:.1} s; the session stays {state} (#{seq})"
                );
            }
            format!("hears {what} of {by}, as agreed: the session is {state} (#{seq})")
        }
        ("state", None, _) => format!("hears {what} of {by}: the session is {state} (#{seq})"),
        (_, _, Some(document)) => {
            format!("gets the shared initialization of {by}, {} bytes (#{seq})", document.len())
        }
        (other, ..) => format!("hears that {by} has {other} (#{seq})"),
    }
}

/// Who has caused an event: a Component by its name, whoever has none by its address.
fn author(by: &str) -> String {
    match by.rsplit_once('.') {
        Some((_, name)) if !by.contains(':') => format!("the {name}"),
        _ => format!("somebody at {}", by.rsplit(' ').next().unwrap_or(by)),
    }
}

// ---- The viewer ----

fn watch(line: &mut Framed, told: &Sender<Heard>, ends: &AtomicBool, last_step: &AtomicI64) -> Result<(), String> {
    while !ends.load(Ordering::Relaxed) {
        let body = match line.next(Some(now() + TICK)) {
            Ok(body) => body,
            Err(Silence::Late) => continue,
            Err(Silence::Closed | Silence::Torn) => return Err("the connection was closed".to_owned()),
            Err(Silence::Failed(why)) => return Err(why),
            Err(Silence::Broken(error)) => return Err(error.to_string()),
        };
        let result = decode_viewer(&body).map_err(|error| error.to_string())?;
        let what = if !result.state.is_empty() && !result.message.is_empty() {
            What::Told(result.state.to_owned())
        } else if result.record.is_empty() || !result.message.is_empty() || result.time == 0 {
            continue;
        } else {
            last_step.store(result.time, Ordering::Relaxed);
            What::Step(result.time)
        };
        // Nobody listens any more once the demonstration has ended.
        drop(told.send(Heard { at: now(), who: "viewer", what }));
    }
    Ok(())
}

// ---- The controller ----

/// A connection to the control port.
pub(super) struct Controller {
    line: Framed,
}

impl Controller {
    pub(super) fn connect(address: &str) -> Result<Self, Failure> {
        Framed::connect(address, PATIENCE).map(|line| Self { line }).map_err(Failure::other)
    }

    /// Opens a recording; says its provider, once it is ready.
    pub(super) fn open(&mut self, file: &str) -> Result<i64, Failure> {
        let opened = self.call(Function::Open, |request| request.logfilename(file))?;
        let provider = opened.get("provider").and_then(Value::as_i64).unwrap_or(0);
        self.ask_until("the recording is open", Function::GetProviderInformation, |answer| {
            let info = answer.get("providerinfo")?.get(0)?;
            (info.get("status")?.as_str()? == "online").then_some(provider)
        })
    }

    /// The id of the viewer that comes from that address.
    pub(super) fn viewer_at(&mut self, address: &str) -> Result<i64, Failure> {
        let port = address.rsplit(':').next().and_then(|port| port.parse::<u64>().ok());
        self.ask_until("the viewer comes in", Function::GetViewerInformation, |answer| {
            let viewers = answer.get("viewerinfo")?.as_array()?;
            let ours = viewers.iter().find(|viewer| {
                viewer.get("address").and_then(|address| address.get("port")).and_then(Value::as_u64) == port
            });
            ours?.get("id")?.as_i64()
        })
    }

    pub(super) fn connect_viewer(&mut self, provider: i64, viewer: i64) -> Result<(), Failure> {
        self.call(Function::Connect, |request| request.connection(provider, viewer)).map(|_| ())
    }

    fn ask_until(
        &mut self,
        what: &str,
        function: Function,
        found: impl Fn(&Value) -> Option<i64>,
    ) -> Result<i64, Failure> {
        let deadline = now() + PATIENCE;
        while now() < deadline {
            if let Some(id) = found(&self.call(function, |request| request)?) {
                return Ok(id);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(missed(what))
    }

    fn call(
        &mut self,
        function: Function,
        arguments: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) -> Result<Value, Failure> {
        let mut request = Vec::new();
        arguments(ControlRequest::begin(&mut request, Shape::Beside, function)).finish();
        self.line.send(&request).map_err(Failure::other)?;
        let name = function.name();
        let body = self.line.next(Some(now() + PATIENCE)).map_err(|_| missed(&format!("{name} is answered")))?;
        let result = decode_control(&body).map_err(|error| Failure::other(format!("{name}: {error}")))?;
        let data = framed::json(&result.data);
        if result.ok {
            return Ok(data);
        }
        let why = data.get("message").and_then(Value::as_str).unwrap_or_default();
        Err(Failure::other(format!("{name} was refused: {why}")))
    }
}
