//! A server in a thread of its own, and the plainest controllers, viewers and kernels that can talk to it over loopback.
#![allow(dead_code, reason = "each test file takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic")]
#![allow(clippy::disallowed_methods, reason = "tests against real sockets read the clock")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::web;
use instep::config::Config;
use instep::control::client::{ControlRequest, Value as Whole, decode_control, decode_viewer, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::Function;
use instep::control::record::Entity;
use instep::control::replay::{self, Record};
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::hub::Door;
use instep::limits::CONTROL_RESULT_BYTES_MAX;
use instep::net::{Server, Stopper};
use serde_json::Value;

/// No answer may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `reached` says so.
pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

// ---- files ----

/// A directory that is gone after the test.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("instep-manager-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

// ---- the server ----

/// A running server. Its logs lie in `directory`.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) directory: Directory,
    pub(crate) leco: SocketAddr,
    control: SocketAddr,
    viewers: SocketAddr,
    pages: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<Server>>,
}

impl House {
    /// A server that plays logs as fast as it can.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::before(change, |_| ()).0
    }

    /// The same, with what was had of the server before it went to its thread.
    pub(crate) fn before<T>(change: impl FnOnce(&mut Config), have: impl FnOnce(&mut Server) -> T) -> (Self, T) {
        let directory = Directory::new();
        let mut config = Config {
            namespace: "N1".into(),
            bind: vec!["127.0.0.1:0".into()],
            control_bind: vec!["127.0.0.1:0".into()],
            viewer_bind: vec!["127.0.0.1:0".into()],
            http_bind: vec!["127.0.0.1:0".into()],
            log_dir: vec![directory.path().display().to_string()],
            play_speed_percent: 100_000,
            ..Config::default()
        };
        change(&mut config);
        let mut server = Server::bind(config).unwrap();
        let port = |door| server.addresses(door).next().unwrap();
        let (leco, control, viewers) = (port(Door::Leco), port(Door::Control), port(Door::Viewer));
        let pages = port(Door::Http);
        let stopper = server.stopper();
        let had = have(&mut server);
        let thread = std::thread::spawn(move || {
            server.run().unwrap();
            server
        });
        (Self { directory, leco, control, viewers, pages, stopper, thread: Some(thread) }, had)
    }

    pub(crate) fn controller(&self) -> Controller {
        Self::controller_at(self.control)
    }

    /// A controller of a server that runs elsewhere.
    pub(crate) fn controller_at(address: SocketAddr) -> Controller {
        Controller { wire: Wire::connect(address), shape: Shape::Beside }
    }

    pub(crate) fn viewer(&self) -> Watcher {
        Watcher { wire: Wire::connect(self.viewers), ends: 0 }
    }

    /// A viewer on a WebSocket.
    pub(crate) fn page(&self) -> Watcher {
        let (socket, stream) = web::Socket::open(self.pages, "/viewer");
        let wire = Wire { stream, held: Vec::new(), start: 0, socket: Some(socket) };
        Watcher { wire, ends: 0 }
    }

    /// The port of HTTP.
    pub(crate) const fn pages(&self) -> SocketAddr {
        self.pages
    }

    /// Has the server end, which may take a while yet.
    pub(crate) fn hang_up(&self) {
        self.stopper.stop();
    }

    /// Ends the server and gives it back to be looked at.
    pub(crate) fn stop(mut self) -> Server {
        self.stopper.stop();
        let server = self.thread.take().unwrap().join().unwrap();
        server.hub().check_invariants().unwrap();
        server
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn join(mut self) -> Server {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop();
            let server = thread.join();
            if !std::thread::panicking() {
                server.unwrap().hub().check_invariants().unwrap();
            }
        }
    }
}

// ---- both doors ----

/// A connection that carries bodies behind length headers.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    held: Vec<u8>,
    start: usize,
    /// The WebSocket that it is, if it is one.
    pub(crate) socket: Option<web::Socket>,
}

impl Wire {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, held: Vec::new(), start: 0, socket: None }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self.socket {
            None => self.stream.write_all(bytes).unwrap(),
            Some(_) => self.stream.write_all(&web::client_frame(0x82, bytes)).unwrap(),
        }
    }

    /// Has come in: bodies behind headers, or messages of which each is one.
    fn take(&mut self, bytes: &[u8]) {
        let Some(socket) = &mut self.socket else { return self.held.extend_from_slice(bytes) };
        for message in socket.messages(bytes) {
            let found = framing::scan(&message, CONTROL_RESULT_BYTES_MAX).unwrap();
            let Frame::Whole { header_len, body_len } = found else { panic!("{found:?} in a message") };
            assert_eq!(message.len(), header_len + body_len, "each result is a message of its own");
            self.held.extend(message);
        }
    }

    /// The next body; `None` when the other end has closed.
    pub(crate) fn body(&mut self) -> Option<Vec<u8>> {
        self.body_within(PATIENCE).unwrap()
    }

    /// The same, or an error when nothing whole comes in time.
    pub(crate) fn body_within(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, ErrorKind> {
        let deadline = Instant::now() + patience;
        let mut chunk = vec![0; 1 << 18];
        loop {
            if let Frame::Whole { header_len, body_len } =
                framing::scan(&self.held[self.start..], CONTROL_RESULT_BYTES_MAX).unwrap()
                && let Some(whole) = self.held[self.start..].get(..header_len + body_len)
            {
                let body = whole[header_len..].to_vec();
                self.start += header_len + body_len;
                return Ok(Some(body));
            }
            self.held.drain(..core::mem::take(&mut self.start));
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    assert!(self.held.is_empty(), "closed within a result");
                    return Ok(None);
                }
                Ok(n) => self.take(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.kind()),
            }
        }
    }
}

/// What the Manager answered to a controller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: i64,
    pub(crate) ok: bool,
    pub(crate) data: Value,
}

impl Answer {
    pub(crate) fn message(&self) -> &str {
        self.data["message"].as_str().unwrap_or_default()
    }
}

#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) wire: Wire,
    pub(crate) shape: Shape,
}

impl Controller {
    pub(crate) fn send(
        &mut self,
        function: Function,
        fill: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) {
        let mut out = Vec::new();
        fill(ControlRequest::begin(&mut out, self.shape, function)).finish();
        self.wire.send(&out);
    }

    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let body = self.wire.body()?;
        let found = decode_control(&body).unwrap();
        Some(Answer { id: found.id, ok: found.ok, data: serde_json::from_str(&found.data.to_string()).unwrap() })
    }

    pub(crate) fn call(
        &mut self,
        function: Function,
        fill: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) -> Answer {
        self.send(function, fill);
        let answer = self.answer().unwrap();
        assert_eq!(answer.id, function.id());
        answer
    }

    pub(crate) fn ask(&mut self, function: Function) -> Answer {
        self.call(function, |request| request)
    }

    /// Opens a log and gives its provider's id, also of one that has failed at once.
    pub(crate) fn open(&mut self, name: &str) -> i64 {
        let answer = self.call(Function::Open, |request| request.logfilename(name));
        answer.data["provider"].as_i64().unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// The same, and waits until the log is being read.
    pub(crate) fn open_ready(&mut self, name: &str) -> i64 {
        let id = self.open(name);
        wait_until("the log is read", || self.provider(id)["maxtime"] != 0);
        id
    }

    pub(crate) fn open_kernel(&mut self, port: u16) -> i64 {
        let answer = self.call(Function::Open, |request| request.address("127.0.0.1", port));
        answer.data["provider"].as_i64().unwrap_or_else(|| panic!("{answer:?}"))
    }

    pub(crate) fn connect(&mut self, provider: i64, viewer: i64) -> i64 {
        let answer = self.call(Function::Connect, |request| request.connection(provider, viewer));
        assert!(answer.ok, "{answer:?}");
        answer.data["session"].as_i64().unwrap()
    }

    pub(crate) fn provider(&mut self, id: i64) -> Value {
        let answer = self.call(Function::GetProviderInformation, |request| request.provider(&[id]));
        answer.data["providerinfo"][0].clone()
    }

    pub(crate) fn wait_for_status(&mut self, id: i64, status: &str) -> Value {
        let mut last = Value::Null;
        wait_until(&format!("provider {id} is {status}"), || {
            last = self.provider(id);
            last["status"] == status
        });
        last
    }

    pub(crate) fn errors(&mut self) -> Vec<String> {
        let answer = self.ask(Function::GetErrorList);
        answer.data["errors"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// The ids of the viewers that are connected.
    pub(crate) fn viewers(&mut self) -> Vec<i64> {
        let answer = self.ask(Function::GetViewerInformation);
        let rows = answer.data["viewerinfo"].as_array().unwrap().clone();
        rows.iter().filter(|row| row["status"] == "online").map(|row| row["id"].as_i64().unwrap()).collect()
    }
}

/// A result as a viewer sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) request: Bits,
    pub(crate) message: String,
    pub(crate) result: bool,
    pub(crate) time: i64,
    /// The flow state, where the result says it.
    pub(crate) state: String,
    /// Its own id, where the result says it.
    pub(crate) viewer: Option<i64>,
    pub(crate) record: Vec<u8>,
}

impl Seen {
    pub(crate) fn section(&self, section: Section) -> Option<&[u8]> {
        let record = Record::read(&self.record).unwrap();
        assert_eq!(record.time, Some(self.time), "the two times of a result are one");
        record.section(section)
    }

    /// The keys of the record but `time`.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        Section::ALL.iter().filter(|section| self.section(**section).is_some()).map(|section| section.key()).collect()
    }

    pub(crate) fn world(&self) -> Vec<Entity<'static>> {
        replay::entities(self.section(Section::World).unwrap()).unwrap()
    }

    pub(crate) fn changes(&self) -> Vec<Entity<'static>> {
        self.section(Section::Changes).map(|value| replay::entities(value).unwrap()).unwrap_or_default()
    }
}

/// Entities by id, each with its fields. What is said to be nothing (nil, an empty list) is not there.
pub(crate) type Fields = BTreeMap<i64, serde_json::Map<String, Value>>;

fn rows(section: &[u8]) -> Vec<serde_json::Map<String, Value>> {
    let list = Whole::decode(section).unwrap().to_string();
    serde_json::from_str(&list).unwrap()
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The score of a world, as the league counts.
#[expect(clippy::disallowed_methods, reason = "the program has to come to the same by its own exp")]
fn score_of(world: &Fields) -> f64 {
    let is_civilian = |entity: &&serde_json::Map<String, Value>| entity["type"] == "Civilian";
    let healths: Vec<f64> =
        world.values().filter(is_civilian).filter_map(|civilian| civilian.get("hp")?.as_f64()).collect();
    let (living, all) = (healths.iter().filter(|hp| **hp > 0.0).count(), healths.len());
    if all == 0 {
        return 0.0;
    }
    f64::from(u32::try_from(living).unwrap())
        * (-5.0 * (1.0 - healths.iter().sum::<f64>() / (10_000.0 * f64::from(u32::try_from(all).unwrap())))).exp()
}

/// The world of a result, if it has one.
pub(crate) fn fields_of_world(seen: &Seen) -> Option<Fields> {
    let rows = rows(seen.section(Section::World)?);
    let world = rows.into_iter().map(|mut entity| {
        assert!(entity.values().all(|value| !value.is_null()), "a world has no nil: {entity:?}");
        entity.retain(|_, value| !is_nothing(value));
        (entity["id"].as_i64().unwrap(), entity)
    });
    Some(world.collect())
}

/// What a viewer that lives on changes makes of them, with no help of ours: it knows keys, nil and lists, and no property.
pub(crate) fn merge(world: &mut Fields, seen: &Seen) {
    for mut change in seen.section(Section::Changes).map(rows).unwrap_or_default() {
        let id = change["id"].as_i64().unwrap();
        let (created, deleted) = (change.remove("created").is_some(), change.remove("deleted").is_some());
        if deleted {
            assert!(world.remove(&id).is_some(), "only what was there is deleted: {id} at {}", seen.time);
            continue;
        }
        assert_eq!(created, !world.contains_key(&id), "created is said once, of {id} at {}", seen.time);
        let entity = world.entry(id).or_default();
        for (key, value) in change {
            if is_nothing(&value) {
                entity.remove(&key);
            } else {
                entity.insert(key, value);
            }
        }
    }
}

/// Merges the changes of every result that has data, beginning with the world of the first, and sees that each leads to the world of its
/// result. Gives the worlds by time.
pub(crate) fn merged_worlds(results: &[Seen]) -> BTreeMap<i64, Fields> {
    let mut worlds = BTreeMap::new();
    let mut merged: Option<Fields> = None;
    for seen in results {
        let Some(world) = fields_of_world(seen) else { continue };
        let score = Record::read(&seen.record).unwrap().score.unwrap();
        assert!((score - score_of(&world)).abs() < 1e-9, "{score} at {}", seen.time);
        match &mut merged {
            None => merged = Some(world.clone()),
            // A fresh start.
            Some(merged) if seen.section(Section::Changes).is_none() => merged.clone_from(&world),
            Some(merged) => {
                merge(merged, seen);
                for (id, entity) in &world {
                    assert_eq!(merged.get(id), Some(entity), "by its changes, at {}", seen.time);
                }
                assert_eq!(merged.len(), world.len(), "at {}", seen.time);
            }
        }
        worlds.insert(seen.time, world);
    }
    worlds
}

#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) wire: Wire,
    /// Times it was told that its provider has ended.
    pub(crate) ends: u32,
}

impl Watcher {
    pub(crate) fn ask(&mut self, bits: u32, time: Option<i64>) {
        let mut out = Vec::new();
        encode_viewer(&mut out, Bits(bits), time);
        self.wire.send(&out);
    }

    /// The next result, but for the word that nothing has come yet, which depends on who was quicker.
    pub(crate) fn see(&mut self) -> Seen {
        loop {
            let seen = self.see_within(PATIENCE).unwrap().unwrap();
            if seen.message != "the provider has sent nothing yet" {
                return seen;
            }
        }
    }

    /// The next result. That the provider has ended is told at a moment of its own, and counted instead of given.
    pub(crate) fn see_within(&mut self, patience: Duration) -> Result<Option<Seen>, ErrorKind> {
        loop {
            let Some(body) = self.wire.body_within(patience)? else { return Ok(None) };
            let found = decode_viewer(&body).unwrap();
            let goes_on = found.message.ends_with("the next run is waited for");
            let begins = ["the connection was lost", "cut at ", "the log is cut short"];
            let tells_of_the_end = !goes_on
                && (found.message.ends_with("has ended")
                    || begins.iter().any(|begin| found.message.starts_with(begin)));
            if found.request == Bits::NONE && tells_of_the_end {
                self.ends += 1;
                continue;
            }
            return Ok(Some(Seen {
                request: found.request,
                message: found.message.to_owned(),
                result: found.result,
                time: found.time,
                state: found.state.to_owned(),
                viewer: found.viewer,
                record: found.record.to_vec(),
            }));
        }
    }

    /// Asks and takes the answer.
    pub(crate) fn call(&mut self, bits: u32, time: Option<i64>) -> Seen {
        self.ask(bits, time);
        self.see()
    }

    /// Results until the step of `time` has come, that one included.
    pub(crate) fn see_until(&mut self, time: i64) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.see());
            if seen.last().unwrap().time >= time {
                return seen;
            }
        }
    }
}

// ---- kernels ----

/// A kernel that does to each connection, which are numbered from 0, what its script says.
#[derive(Debug)]
pub(crate) struct FakeKernel {
    pub(crate) port: u16,
}

impl FakeKernel {
    pub(crate) fn new(script: impl Fn(usize, TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ends with the process.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                script(number, stream);
            }
        });
        Self { port }
    }
}

/// One frame from a viewer; `None` at the end of the stream.
pub(crate) fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut content = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut content).ok()?;
    Some(content)
}

/// Waits until the other end has closed.
pub(crate) fn read_to_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
}
