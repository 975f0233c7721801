//! `instep demo`: a server, two components and a viewer in one process, taken through the states of a shared session, for somebody who
//! has no client yet.
//!
//! Everything is real: sockets on 127.0.0.1, the program's own clients, a log from a temporary directory. The two listeners run in
//! threads of their own and say what they hear through one channel; the main thread is the planner, prints, and holds everybody to what
//! should happen. What does not happen in time ends the demonstration with a sentence.

mod cast;
mod patience;
mod recording;
mod town;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instep::c2sim::kind::Schema;
use instep::c2sim::state::Trigger;
use instep::config::Config;
use instep::hub::Door;
use instep::leco::route::session_name;
use instep::net::queue::{Receiver, channel};
use instep::net::{Server, Stopper};
use lexopt::prelude::{Long, Short};
use serde_json::{Value, json};

use super::client::{Client, now, unix_ms};
use super::ending::Ending;
use super::failure::{Failure, in_words};
use super::print::say;
use cast::{Cast, Controller, Heard, What};
use patience::{PATIENCE, TICK, missed};

pub(super) const HELP: &str = "\
instep demo shows what shared sessions are, in about ten seconds.

Usage: instep demo [--page]

It starts a server of its own on free ports of this machine, lets two components and a viewer come in, and takes them through
the states of a scenario. Nothing else is needed, and nothing is left behind. The exit code is 1 when something did not happen.

With --page it shows a town after an earthquake in a browser, says where, and goes on until Ctrl-C.
";

const STORY_OF_PAGE: &str = "\
instep shows what it does on a page for browsers. Here a rescue simulation runs, a recording of a town after an earthquake, and a
session that rules it: what you trigger on the page, the simulator below hears.

";

const STORY: &str = "\
instep keeps the programs of an experiment or simulation in step. They share a session; the session has a state; whoever
changes the state, everybody is told, in the same order. You will see

  planner     a program that prepares a scenario and drives it
  simulator   a program that follows
  viewer      a window on data; here the data is a recording of a person who walks along a street
  controller  what an operator uses to open recordings and to connect viewers

Each line is: seconds since the start, who, and what happened to them.
";

/// The session that they share.
const SESSION: &str = "exercise";
/// Timesteps of the recording.
const STEPS: u32 = 100;
/// Timesteps of the town: five minutes.
const TOWN_STEPS: u32 = 600;
/// Where the page is, if nobody else is there: where `instep serve` has it.
const PAGE: &str = "127.0.0.1:12312";
/// How often it is looked whether the town has come to its end.
const LOOK: Duration = Duration::from_secs(1);
/// How long one may read before the next act.
const BREATH: Duration = Duration::from_millis(500);
/// How far ahead the start is scheduled, in milliseconds.
const AHEAD_MS: u64 = 1500;

/// Runs the sub-command.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut has_page = false;
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return say(HELP),
            Long("page") => has_page = true,
            Short(_) | Long(_) | lexopt::Arg::Value(_) => {
                return Err(Failure::usage(format!("demo: {} (try: instep demo --help)", word.unexpected())));
            }
        }
    }
    if has_page {
        let farewell = "The server has ended, its files are gone. To go on: instep serve --log-dir DIR";
        return perform(STORY_OF_PAGE, &TOWN, Demonstration::run_town, farewell);
    }
    let farewell = "That was all: the server has ended, its files are gone. To go on: instep serve, and: instep ctl session --help";
    perform(STORY, &WALK, Demonstration::play, farewell)
}

/// A demonstration with a server of its own, from its first words to its last.
fn perform(
    story: &str,
    scene: &'static Scene,
    acts: fn(&mut Demonstration, &TemporaryServer) -> Result<(), Failure>,
    farewell: &str,
) -> Result<(), Failure> {
    say(story)?;
    let server = TemporaryServer::open(scene)?;
    let mut demonstration = Demonstration::new(&server)?;
    let outcome = acts(&mut demonstration, &server);
    demonstration.cast.leave();
    drop(server);
    outcome?;
    say(&format!("\n{farewell}\n"))
}

/// What a demonstration is about: its log, made for so many timesteps.
struct Scene {
    file: &'static str,
    steps: u32,
    make: fn(u32) -> Vec<u8>,
    title: &'static str,
    has_page: bool,
}

const WALK: Scene =
    Scene { file: "walk.log", steps: STEPS, make: recording::recording, title: "A walk", has_page: false };
const TOWN: Scene =
    Scene { file: "town.vlog", steps: TOWN_STEPS, make: town::recording, title: "A town", has_page: true };

/// The server in its thread, and the directory of the recording. Both end with it.
struct TemporaryServer {
    stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    folder: PathBuf,
    coordinator: String,
    control: String,
    viewer: String,
    page: String,
    scene: &'static Scene,
}

impl TemporaryServer {
    fn open(scene: &'static Scene) -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let failed =
            |error: &std::io::Error| Failure::other(format!("the demonstration's server: {}", in_words(error)));
        let name = format!("instep-demo-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let made = std::fs::create_dir(&folder);
        let made = made.and_then(|()| std::fs::write(folder.join(scene.file), (scene.make)(scene.steps)));
        let made = made.map_err(|error| {
            let folder = folder.display();
            std::io::Error::other(format!("{folder}: {}; TMPDIR names another place", in_words(&error)))
        });
        let here = || vec!["127.0.0.1:0".to_owned()];
        let config = Config {
            namespace: "DEMO".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            bind: here(),
            control_bind: here(),
            viewer_bind: here(),
            http_bind: here(),
            log_dir: vec![folder.to_string_lossy().into_owned()],
            ..Config::default()
        };
        let usual = Config { http_bind: vec![PAGE.to_owned()], ..config.clone() };
        let usual = scene.has_page.then(|| Server::bind(usual).ok()).flatten();
        let bound = made.and_then(|()| usual.map_or_else(|| Server::bind(config), Ok));
        let abandoned = |error: std::io::Error| {
            drop(std::fs::remove_dir_all(&folder));
            failed(&error)
        };
        let mut server = bound.map_err(abandoned)?;
        let address = |door| server.addresses(door).next().map_or_else(String::new, |address| address.to_string());
        let (coordinator, control, viewer) = (address(Door::Leco), address(Door::Control), address(Door::Viewer));
        let page = format!("http://{}/", address(Door::Http));
        let stopper = server.stopper();
        let thread = std::thread::Builder::new().spawn(move || server.run()).map_err(abandoned)?;
        let thread = Some(thread);
        Ok(Self { stopper, thread, folder, coordinator, control, viewer, page, scene })
    }
}

impl Drop for TemporaryServer {
    fn drop(&mut self) {
        self.stopper.stop();
        drop(self.thread.take().map(JoinHandle::join));
        // A directory for temporary files is cleaned by others, should this fail.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Who takes part, and how far it has come.
struct Demonstration {
    start: Instant,
    ending: Ending,
    planner: Client,
    session: String,
    cast: Cast,
    heard: Receiver<Heard>,
    /// First and last timestep that the viewer saw and nobody was told of.
    steps: Option<(Instant, i64, i64)>,
    /// The state that the viewer shows.
    shown: String,
    /// Events that the simulator was told.
    events: u64,
    /// The simulator has read the initialization. It may say so before the viewer shows that there is one.
    ready: bool,
}

impl Demonstration {
    fn new(server: &TemporaryServer) -> Result<Self, Failure> {
        let start = now();
        let ending = Ending::begin().map_err(|error| Failure::other(in_words(&error)))?;
        let planner = Client::connect(&server.coordinator, "planner", PATIENCE).map_err(Failure::other)?;
        let session = format!("DEMO.{}", String::from_utf8_lossy(&session_name(SESSION)));
        let (told, heard) = channel();
        let cast = Cast::new(told);
        Ok(Self {
            start,
            ending,
            planner,
            session,
            cast,
            heard,
            steps: None,
            shown: String::new(),
            events: 0,
            ready: false,
        })
    }

    fn play(&mut self, server: &TemporaryServer) -> Result<(), Failure> {
        self.come_in(server)?;
        self.prepare()?;
        self.run_and_pause()?;
        self.start_together()?;
        self.end()
    }

    /// The town, in a session that runs; from its beginning again whenever it has ended.
    fn run_town(&mut self, server: &TemporaryServer) -> Result<(), Failure> {
        self.come_in(server)?;
        self.prepare()?;
        self.pull(Trigger::StartScenario, "RUNNING")?;
        let page = &server.page;
        say(&format!(
            "\n  Open {page}#map/1/live in a browser: the town, and {page}#sessions/{SESSION}\n  Ctrl-C ends it.\n\n"
        ))?;
        let mut look = now() + LOOK;
        loop {
            if self.ending.is_wanted() {
                return Ok(());
            }
            match self.heard.recv_timeout(TICK) {
                Ok(Heard { what: What::Step(_), .. }) | Err(RecvTimeoutError::Timeout) => {}
                Ok(heard) => self.show(&heard)?,
                Err(RecvTimeoutError::Disconnected) => return Err(missed("anybody listens")),
            }
            if now() > look {
                look = now() + LOOK;
                self.begin_again()?;
            }
        }
    }

    /// Plays the town once more if it has ended while the session runs.
    fn begin_again(&mut self) -> Result<(), Failure> {
        let providers = self.planner.ask("COORDINATOR", "providers", &Value::Null).map_err(Failure::other)?;
        let info = providers.get("providerinfo").and_then(|all| all.get(0));
        let has_ended = info.is_some_and(|info| word(info, "status") == "closed");
        if has_ended && word(&self.ask("info", &Value::Null)?, "state") == "RUNNING" {
            self.ask(Trigger::StopScenario.method(), &Value::Null)?;
            self.ask(Trigger::StartScenario.method(), &Value::Null)?;
        }
        Ok(())
    }

    // ---- The acts ----

    fn come_in(&mut self, server: &TemporaryServer) -> Result<(), Failure> {
        self.title("Everybody comes in, and the planner makes a session with the recording for its data.")?;
        let TemporaryServer { coordinator, control, viewer, scene, .. } = server;
        self.tell("server", &format!("listens: components {coordinator}, controllers {control}, viewers {viewer}"))?;
        let mut controller = Controller::connect(control)?;
        let Scene { file, steps, title, .. } = scene;
        let provider = controller.open(file)?;
        self.tell("controller", &format!("opened the recording {file}, {steps} timesteps: provider {provider}"))?;
        let wish = json!({"name": SESSION, "display_name": title, "provider": provider});
        self.planner.ask("COORDINATOR", "create_session", &wish).map_err(Failure::other)?;
        let answer = self.ask("join", &json!({"system": "PLANNER"}))?;
        self.tell("planner", &format!("made the session '{SESSION}' and joined it; it is {}", word(&answer, "state")))?;
        self.cast.simulator(coordinator, &self.session)?;
        self.wait("the simulator joins", |heard| matches!(heard.what, What::Joined(_)))?;
        let address = self.cast.viewer(viewer)?;
        let id = controller.viewer_at(&address)?;
        controller.connect_viewer(provider, id)?;
        self.tell("controller", &format!("connected viewer {id} with provider {provider}, and so with the session"))?;
        self.wait("the viewer learns the state", |heard| is_told(heard, "UNINITIALIZED"))
    }

    fn prepare(&mut self) -> Result<(), Failure> {
        self.title("The scenario is prepared: the planner collects an initialization and shares it with all.")?;
        self.pull(Trigger::SubmitInitialization, "INITIALIZING")?;
        let document = initialization();
        self.planner.hand_in(&self.session, document.as_bytes()).map_err(Failure::other)?;
        self.tell("planner", &format!("hands in an initialization, a C2SIM document of {} bytes", document.len()))?;
        self.pull(Trigger::ShareScenario, "INITIALIZED")?;
        if self.ready {
            return Ok(());
        }
        self.wait("the simulator gets the initialization and is ready", |heard| matches!(heard.what, What::Ready))
    }

    fn run_and_pause(&mut self) -> Result<(), Failure> {
        self.title("The scenario runs. The state rules the data: the recording plays while the session is RUNNING.")?;
        self.pull(Trigger::StartScenario, "RUNNING")?;
        self.wait_for_step("the person walks", 5)?;
        self.title("A pause: the simulator and the recording stand still, for one second.")?;
        self.pull(Trigger::PauseScenario, "PAUSED")?;
        let seen = self.stand_still(Duration::from_secs(1))?;
        self.title("And on: the recording continues where it stood.")?;
        self.pull(Trigger::ResumeScenario, "RUNNING")?;
        self.wait_for_step("the person walks on", seen + 4)?;
        self.title("A stop rewinds the recording and keeps the initialization, so that all is ready for another run.")?;
        self.pull(Trigger::StopScenario, "INITIALIZED")
    }

    fn start_together(&mut self) -> Result<(), Failure> {
        self.title(
            "A start for later: everybody is told the moment beforehand, and is called again when it has come.",
        )?;
        let at = unix_ms() + AHEAD_MS;
        let began = now();
        let due = began + Duration::from_millis(AHEAD_MS);
        let answer = self.ask(Trigger::StartScenario.method(), &json!({"at": at}))?;
        let seconds = Duration::from_millis(AHEAD_MS).as_secs_f64();
        self.say_at(began, "planner", &format!("wants StartScenario in {seconds} s (#{})", number(&answer, "seq")))?;
        self.wait("the simulator learns of the start to come", |heard| is_event(heard, "INITIALIZED"))?;
        let simulator = self.wait_when("the simulator is called", |heard| is_event(heard, "RUNNING"))?;
        self.planner_is_called()?;
        let late = simulator.saturating_duration_since(due).as_secs_f64() * 1000.0;
        self.note(&format!("the simulator was called {late:.1} ms after the moment that was agreed"))?;
        self.wait_for_step("the person walks from the start again", 3)
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.title("The end: stop, and reset, which discards the initialization.")?;
        self.pull(Trigger::StopScenario, "INITIALIZED")?;
        self.pull(Trigger::ResetScenario, "UNINITIALIZED")?;
        self.flush_steps()?;
        let members = self.ask("members", &Value::Null)?;
        let seq = number(&members, "seq");
        self.note(&format!(
            "the session has counted {seq} events (#); the simulator was told {} of them, in order and without a gap,\n\
             {:13}and the others were its own",
            self.events, ""
        ))
    }

    // ---- What the planner does ----

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        self.planner.ask(&self.session, method, params).map_err(Failure::other)
    }

    /// The planner pulls a trigger, and both others learn the state.
    fn pull(&mut self, trigger: Trigger, state: &'static str) -> Result<(), Failure> {
        self.flush_steps()?;
        let at = now();
        let answer = self.ask(trigger.method(), &Value::Null)?;
        let text = format!("pulls {}: the session is {state} (#{})", trigger.kind().element(), number(&answer, "seq"));
        self.say_at(at, "planner", &text)?;
        let (mut simulator, mut viewer) = (false, false);
        self.wait(&format!("everybody learns that the session is {state}"), |heard| {
            simulator |= is_event(heard, state);
            viewer |= is_told(heard, state);
            simulator && viewer
        })
    }

    /// What the session has told the planner itself, whom it tells only what others did: the scheduled start among it.
    fn planner_is_called(&mut self) -> Result<(), Failure> {
        let deadline = now() + PATIENCE;
        loop {
            let next = self.planner.next_event(deadline).map_err(Failure::other)?;
            let Some(event) = next else { return Err(missed("the planner is called")) };
            if event.word("event") == "state" && event.word("state") == "RUNNING" {
                return self.tell("planner", "hears StartScenario, as agreed: the session is RUNNING");
            }
        }
    }

    // ---- Waiting ----

    fn wait(&mut self, what: &str, is_it: impl FnMut(&Heard) -> bool) -> Result<(), Failure> {
        self.wait_when(what, is_it).map(|_| ())
    }

    /// Prints what the others hear until it is what is waited for; says when that was.
    fn wait_when(&mut self, what: &str, mut is_it: impl FnMut(&Heard) -> bool) -> Result<Instant, Failure> {
        let deadline = now() + PATIENCE;
        loop {
            match self.next(deadline)? {
                Some(heard) => {
                    self.show(&heard)?;
                    if is_it(&heard) {
                        return Ok(heard.at);
                    }
                }
                None => return Err(missed(what)),
            }
        }
    }

    fn wait_for_step(&mut self, what: &str, step: i64) -> Result<(), Failure> {
        self.wait(what, |heard| matches!(heard.what, What::Step(time) if time >= step))
    }

    /// Nothing may move for a while; says the last timestep that was seen.
    fn stand_still(&mut self, length: Duration) -> Result<i64, Failure> {
        let last = self.cast.last_step();
        let until = now() + length;
        while let Some(heard) = self.next(until)? {
            if let What::Step(time) = heard.what {
                return Err(Failure::other(format!("timestep {time} came while the session was PAUSED")));
            }
            self.show(&heard)?;
        }
        self.note("nothing moved")?;
        Ok(last)
    }

    /// The next thing that somebody hears; `None` after the deadline.
    fn next(&mut self, deadline: Instant) -> Result<Option<Heard>, Failure> {
        loop {
            if self.ending.is_wanted() {
                return Err(Failure::other("the demonstration was interrupted"));
            }
            let left = deadline.saturating_duration_since(now());
            match self.heard.recv_timeout(left.min(TICK)) {
                Ok(Heard { who, what: What::Gone(why), .. }) => {
                    return Err(Failure::other(format!("the {who} has lost the server: {why}")));
                }
                Ok(heard) => return Ok(Some(heard)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(missed("anybody listens")),
            }
        }
    }

    // ---- Printing ----

    /// Begins an act, after a moment to read the last one.
    fn title(&mut self, text: &str) -> Result<(), Failure> {
        let until = now() + BREATH;
        while let Some(heard) = self.next(until)? {
            self.show(&heard)?;
        }
        self.flush_steps()?;
        say(&format!("\n{text}\n"))
    }

    fn note(&mut self, text: &str) -> Result<(), Failure> {
        self.flush_steps()?;
        say(&format!("            ({text})\n"))
    }

    fn tell(&mut self, who: &str, text: &str) -> Result<(), Failure> {
        self.flush_steps()?;
        self.say_at(now(), who, text)
    }

    fn say_at(&self, at: Instant, who: &str, text: &str) -> Result<(), Failure> {
        let since = at.saturating_duration_since(self.start).as_secs_f64();
        say(&format!("{since:>7.3} s  {who:<10}  {text}\n"))
    }

    /// Prints what somebody heard. Timesteps are summed up.
    fn show(&mut self, heard: &Heard) -> Result<(), Failure> {
        let text = match &heard.what {
            What::Step(time) => {
                self.steps = match self.steps {
                    Some((_, first, last)) if last + 1 == *time => Some((heard.at, first, *time)),
                    Some(_) | None => {
                        self.flush_steps()?;
                        Some((heard.at, *time, *time))
                    }
                };
                return Ok(());
            }
            What::Event(text, _) => {
                self.events += 1;
                text.clone()
            }
            What::Joined(state) => format!("joined the session; it is {state}"),
            What::Ready => {
                self.ready = true;
                "has read the initialization and says InitializationComplete".to_owned()
            }
            What::Told(state) if *state == self.shown => return Ok(()),
            What::Told(state) => {
                self.shown.clone_from(state);
                format!("shows: the session is {state}")
            }
            What::Gone(_) => return Ok(()),
        };
        self.flush_steps()?;
        self.say_at(heard.at, heard.who, &text)
    }

    fn flush_steps(&mut self) -> Result<(), Failure> {
        match self.steps.take() {
            Some((at, first, last)) if first == last => self.say_at(at, "viewer", &format!("shows timestep {first}")),
            Some((at, first, last)) => {
                let metres = last + 1 - first;
                self.say_at(
                    at,
                    "viewer",
                    &format!("shows timesteps {first} to {last}, in which the person walks {metres} m"),
                )
            }
            None => Ok(()),
        }
    }
}

fn is_event(heard: &Heard, state: &str) -> bool {
    matches!(&heard.what, What::Event(_, Some(is)) if is == state)
}

fn is_told(heard: &Heard, state: &str) -> bool {
    matches!(&heard.what, What::Told(is) if is == state)
}

fn word<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(answer: &Value, key: &str) -> u64 {
    answer.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// An initialization that names the two systems.
fn initialization() -> String {
    let system = |name: &str| {
        format!(
            "<SystemEntityList><ActorReference>00000000-0000-4000-8000-000000000001</ActorReference>\
             <SystemName>{name}</SystemName></SystemEntityList>"
        )
    };
    format!(
        "<Message xmlns=\"{}\"><C2SIMHeader><ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>\
         <FromSendingSystem>PLANNER</FromSendingSystem><MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID>\
         <Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader><MessageBody>\
         <C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>A walk</Name></ScenarioSetting>{}{}\
         </C2SIMInitializationBody></MessageBody></Message>",
        Schema::V2_0_0.namespace(),
        system("PLANNER"),
        system("SIMULATOR")
    )
}
