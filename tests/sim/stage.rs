//! The Manager under chance: controllers, viewers and providers at one hub, with a virtual clock. Requests come in pieces, viewers
//! stop reading, logs are cut short or fail, kernels refuse, skip steps, stall and die.
//!
//! The slow twin is written from the two protocol documents alone: it keeps its own tables and knows for each request what the answer
//! must be, and for each viewer which timestep comes next. Harm done on purpose is noticed, see the last test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use instep::config::Config;
use instep::control::client::{ControlRequest, Value, decode_control, decode_viewer, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::{Argument, Function};
use instep::control::record::Property;
use instep::control::replay::{self, Record as Shown};
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::hub::shelf::{Advance, Content, FileId, Shelf};
use instep::hub::{Cause, Door, Hub, Output, PeerKey, ProviderKey, Start};
use instep::rcrs::entity::{Change, Entity};
use instep::rcrs::log::Ending;
use instep::rcrs::message::{ChangeSet, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use instep::time::Tick;

use crate::common::disk::Disk;
use crate::common::driver::{self, Outside};
use crate::common::rcrs;
use crate::rng::Rng;

const CIVILIAN: i32 = 300;
const STEPS: u32 = 600;
/// How long the answer to Open may take.
const OPEN_WAIT_MS: u64 = 1000;

/// The sessions that are there before any is made: `default`.
const SESSIONS_BEFORE: i64 = 1;
/// Providers that there may be.
const PROVIDERS_MAX: usize = 5;
/// The logs on the shelf: name, timesteps, how they end.
const LOGS: [(&str, i32, End); 4] =
    [("whole", 12, End::Whole), ("short", 5, End::Truncated), ("broken", 7, End::Failed), ("empty", 0, End::Whole)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Truncated,
    Failed,
}

/// The world at a time, which is where its civilian is.
fn world_at(time: i32) -> Vec<Entity> {
    use PropertyKind as P;
    vec![
        rcrs::entity(1, EntityKind::Road, &[(P::X, 5), (P::Y, 0)], &[(P::Edges, &[0, 0, 9, 0, 0])]),
        rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, time), (P::Y, 0), (P::Hp, 100)], &[]),
    ]
}

fn moved(time: i32) -> ChangeSet {
    let entity = rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(PropertyKind::X, time)], &[]);
    ChangeSet { changed: vec![Change { entity, undefined: PropertySet::EMPTY }], deleted: vec![], skipped: 0 }
}

// ---- The shelf ----

/// Logs that are read in pieces of chance.
#[derive(Debug)]
struct Logs {
    rng: Rng,
    open: BTreeMap<FileId, (usize, VecDeque<Record>)>,
    next: u32,
}

impl Logs {
    fn records(log: usize) -> VecDeque<Record> {
        let pairs = [("kernel.timesteps", "50"), ("kernel.agents.think-time", "100")];
        let mut records =
            VecDeque::from([Record::Start, Record::Initial(world_at(0)), Record::Config(rcrs::config(&pairs))]);
        for time in 1..=LOGS[log].1 {
            records.push_back(Record::Commands { time, commands: vec![] });
            records.push_back(Record::Updates { time, changes: moved(time) });
        }
        records
    }

    fn put(&mut self, log: usize) -> FileId {
        let id = FileId(self.next);
        self.next += 1;
        self.open.insert(id, (log, Self::records(log)));
        id
    }
}

impl Shelf for Logs {
    fn open(&mut self, name: &str) -> Result<(FileId, Content), String> {
        let log =
            LOGS.iter().position(|(known, ..)| *known == name).ok_or_else(|| format!("there is no log '{name}'"))?;
        Ok((self.put(log), Content::Kernel))
    }

    fn again(&mut self, id: FileId) -> Result<FileId, String> {
        let log = self.open.get(&id).ok_or("the file is closed")?.0;
        Ok(self.put(log))
    }

    fn advance(&mut self, id: FileId) -> Advance {
        let Some((log, records)) = self.open.get_mut(&id) else {
            return Advance::Failed("the file is closed".to_owned());
        };
        if self.rng.one_in(3) {
            return Advance::Working;
        }
        match (records.pop_front(), LOGS[*log].2) {
            (Some(record), _) => Advance::Record(record),
            (None, End::Whole) => Advance::Ended(Ending::Whole),
            (None, End::Truncated) => Advance::Ended(Ending::Truncated),
            (None, End::Failed) => Advance::Failed("a checksum does not fit".to_owned()),
        }
    }

    fn time_max(&self, _: FileId) -> Option<i32> {
        None
    }

    fn close(&mut self, id: FileId) {
        assert!(self.open.remove(&id).is_some(), "a file is closed once");
    }
}

// ---- People ----

/// What a controller must be answered.
#[derive(Clone, Debug)]
struct Expected {
    function: i64,
    ok: bool,
    /// A key of the answer and its value.
    data: Option<(&'static str, Value)>,
    /// When it must have come, where that is not at once; then it may be false too.
    by: Option<u64>,
}

#[derive(Debug, Default)]
struct Controller {
    key: Option<PeerKey>,
    /// Bytes that still have to be sent, and what they will be answered when the last of them is there.
    sending: Vec<u8>,
    request: Option<Wish>,
    expected: VecDeque<Expected>,
    heard: Vec<u8>,
}

/// What a controller wants; the twin judges it at the moment at which it is whole at the hub.
#[derive(Clone, Debug)]
enum Wish {
    Manager,
    Open(&'static str),
    /// A kernel; whether its next run is waited for.
    OpenKernel(bool),
    Close(i64),
    Connect(i64, i64),
    Disconnect(i64),
    Providers(i64),
    Sessions,
    Refresh(i64),
    Unknown,
    Nonsense,
}

#[derive(Debug, Default)]
struct Viewer {
    key: Option<PeerKey>,
    id: i64,
    heard: Vec<u8>,
    reads: bool,
    /// It has said OPEN, as far as the hub knows.
    open: bool,
    /// Answers to OPEN, CLOSE and selections that must come, in order.
    answers: VecDeque<u32>,
    /// Whether results may come unasked, as far as it knows.
    watching: bool,
    /// The last timestep that it has seen; `None` before an initial result.
    time: Option<i64>,
    session: Option<i64>,
    /// Requests since it had last read everything, and those for old timesteps ever: together they stay below what the hub takes
    /// from a viewer that does not read, so that each is dealt with at once.
    unread: u32,
    old: u32,
    results: u64,
}

/// A provider as the twin knows it.
#[derive(Clone, Debug)]
struct Provider {
    is_log: bool,
    is_kept: bool,
    session: Option<i64>,
    /// The last status that was seen; it never goes back.
    ended: bool,
}

/// A connection to a kernel. Each provider has a kernel of its own, whose run begins with the first of its connections.
#[derive(Debug)]
struct Kernel {
    key: PeerKey,
    provider: ProviderKey,
    /// It has sent its world.
    greeted: bool,
    time: i32,
    /// The time that has been sent as a whole.
    sent: i32,
    heard: usize,
    sending: Vec<u8>,
}

struct Stage {
    seed: u64,
    rng: Rng,
    hub: Hub,
    disk: Disk,
    now: u64,
    controllers: Vec<Controller>,
    viewers: Vec<Viewer>,
    kernels: Vec<Kernel>,
    closed: BTreeSet<PeerKey>,
    dials: Vec<ProviderKey>,
    providers: BTreeMap<i64, Provider>,
    sessions: BTreeMap<i64, i64>,
    next_provider: i64,
    next_session: i64,
    next_viewer: i64,
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    answers: u64,
    results: u64,
    steps: u64,
    behind: u64,
    kernels: u64,
    /// Worlds of kernels in the middle of their runs, which were asked for once more.
    looks: u64,
    /// Providers that could not be opened, and that were seen to wait for a kernel.
    unopened: u64,
    waiting: u64,
    /// Recordings that are whole, and that the disk has cut short.
    whole: u64,
    torn: u64,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5747_4147);
        let config = Config {
            namespace: "N1".into(),
            host: "sim".into(),
            providers_max: PROVIDERS_MAX,
            slow_ms: 3_600_000,
            kernel_connect_s: 2,
            play_speed_percent: rng.pick(&[50, 100, 1000]),
            ..Config::default()
        };
        let mut hub = Hub::new(config, Start { seed, now: Tick(1000), unix_ms: 1_700_000_000_000 }).unwrap();
        hub.set_shelf(Box::new(Logs { rng: Rng::new(seed + 1), open: BTreeMap::new(), next: 0 }));
        let disk = Disk::default();
        hub.set_recorder(Box::new(disk.clone()));
        let mut stage = Self {
            seed,
            rng,
            hub,
            disk,
            now: 1000,
            controllers: Vec::new(),
            viewers: Vec::new(),
            kernels: Vec::new(),
            closed: BTreeSet::new(),
            dials: Vec::new(),
            providers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_provider: 1,
            next_session: SESSIONS_BEFORE + 1,
            next_viewer: 1,
            sum: Sum::default(),
        };
        for _ in 0..stage.rng.between(1, 3) {
            stage.controllers.push(Controller::default());
        }
        for _ in 0..stage.rng.between(1, 5) {
            stage.viewers.push(Viewer::default());
        }
        stage
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.settle();
        }
        // Calm: everybody reads, everything that was begun is ended, and logs run to their ends.
        for n in 0..self.viewers.len() {
            self.reads(n, true);
        }
        for n in 0..self.controllers.len() {
            self.deliver(n, usize::MAX);
        }
        for _ in 0..300 {
            self.pass(100);
        }
        self.judge_recordings();
        for (n, controller) in self.controllers.iter().enumerate() {
            assert!(
                controller.expected.is_empty(),
                "seed {}: controller {n} waits for {:?}",
                self.seed,
                controller.expected
            );
        }
        for (n, viewer) in self.viewers.iter().enumerate() {
            assert!(viewer.answers.is_empty(), "seed {}: viewer {n} waits for {:?}", self.seed, viewer.answers);
        }
    }

    fn step(&mut self) {
        match self.rng.below(17) {
            0..=3 => {
                let n = self.rng.index(self.controllers.len());
                let waits = self.controllers[n].expected.iter().any(|expected| expected.by.is_some());
                if self.controllers[n].sending.is_empty() && !waits {
                    self.wish(n);
                }
            }
            4..=6 => {
                let n = self.rng.index(self.controllers.len());
                let bytes = self.rng.between(1, 60) as usize;
                self.deliver(n, bytes);
            }
            7..=9 => {
                let n = self.rng.index(self.viewers.len());
                self.act(n);
            }
            10 => {
                let n = self.rng.index(self.viewers.len());
                let reads = self.rng.one_in(2);
                self.reads(n, reads);
            }
            11 | 12 => self.dialled(),
            13 => self.kernel_acts(),
            14 => self.disk_acts(),
            15 if self.rng.one_in(8) => {
                // Nothing that people see of the Manager goes by the clock on the wall.
                let unix_ms = 1_700_000_000_000_u64.checked_add_signed(self.rng.step_ms()).unwrap();
                self.hub.handle_clock(Tick(self.now), unix_ms);
                self.check();
            }
            _ => {
                let ms = self.rng.between(1, 300);
                self.pass(ms);
            }
        }
    }

    /// The disk takes some of what it was handed, and now and then fails.
    fn disk_acts(&mut self) {
        for _ in 0..self.rng.between(1, 20) {
            let outcome = if self.rng.one_in(60) { Err("a write failed") } else { Ok(()) };
            self.disk.settle(&mut self.hub, Tick(self.now), outcome);
            self.check();
        }
    }

    /// The disk has taken everything: what is in its files is whole as far as it goes, and each that has ended is counted once.
    fn judge_recordings(&mut self) {
        self.disk.settle_all(&mut self.hub, Tick(self.now));
        self.check();
        let files = self.disk.files();
        for file in files.iter().filter(|file| !file.bytes.is_empty()) {
            // A world that was put right is told at its time once more.
            assert!(file.times().is_sorted(), "seed {}: {:?}", self.seed, file.times());
        }
        let count = |ended: bool, failed: bool| {
            files.iter().filter(|file| (file.ended, file.failed) == (ended, failed)).count() as u64
        };
        let counters = self.hub.counters();
        assert_eq!(count(false, true), 0, "seed {}: one that has failed is closed", self.seed);
        assert_eq!(
            (counters.recordings, counters.recordings_whole, counters.recordings_failed),
            (files.len() as u64, count(true, false), count(true, true)),
            "seed {}",
            self.seed
        );
        self.sum.whole += count(true, false);
        self.sum.torn += count(true, true);
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.hub.poll_timeout().filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            self.hub.handle_timeout(Tick(self.now));
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn tick(&self) -> Tick {
        Tick(self.now)
    }

    // ---- The loop ----

    fn check(&self) {
        if let Err(broken) = self.hub.check_invariants() {
            panic!("seed {} at {}: {broken}", self.seed, self.now);
        }
    }

    /// Does what the hub wants until it wants no more.
    fn settle(&mut self) {
        self.check();
        driver::drive(self);
    }

    /// A viewer reads from now on, or does not: its socket has room again, or fills up.
    fn reads(&mut self, n: usize, reads: bool) {
        self.viewers[n].reads = reads;
        while let Some(key) = self.viewers[n].key.filter(|_| reads)
            && self.hub.unsent(key).iter().any(|part| !part.is_empty())
        {
            self.write(key);
            self.settle();
        }
    }

    fn write(&mut self, key: PeerKey) {
        let waiting = self.hub.unsent(key).map(<[u8]>::len).iter().sum::<usize>();
        let viewer = self.viewers.iter().position(|viewer| viewer.key == Some(key));
        let takes = match viewer {
            Some(n) if !self.viewers[n].reads => 0,
            Some(_) => self.rng.between(1, waiting.max(1) as u64) as usize,
            None => waiting,
        };
        let now = self.tick();
        let taken = driver::take(&mut self.hub, now, key, takes);
        self.check();
        if let Some(n) = viewer {
            self.viewers[n].heard.extend(taken);
        } else if let Some(controller) = self.controllers.iter_mut().find(|controller| controller.key == Some(key)) {
            controller.heard.extend(taken);
        } else if let Some(kernel) = self.kernels.iter_mut().find(|kernel| kernel.key == key) {
            kernel.heard += taken.len();
        }
        self.listen(key);
    }

    /// Looks at what has come to a controller or viewer.
    fn listen(&mut self, key: PeerKey) {
        if let Some(n) = self.controllers.iter().position(|controller| controller.key == Some(key)) {
            while let Some(body) = body(&mut self.controllers[n].heard) {
                self.answered(n, &body);
            }
        }
        if let Some(n) = self.viewers.iter().position(|viewer| viewer.key == Some(key)) {
            while let Some(body) = body(&mut self.viewers[n].heard) {
                self.shown(n, &body);
            }
        }
    }

    // ---- Controllers ----

    /// Some id: mostly of something there is or was.
    fn some_id(&mut self, next: i64) -> i64 {
        if self.rng.one_in(12) { 99 } else { 1 + self.rng.below(next.max(2) as u64 - 1) as i64 }
    }

    fn wish(&mut self, n: usize) {
        let (mut provider, mut viewer) = (self.some_id(self.next_provider), self.some_id(self.next_viewer));
        // Mostly what is there.
        if !self.rng.one_in(4) {
            let (open, here): (Vec<i64>, Vec<i64>) = (
                self.providers.keys().copied().collect(),
                self.viewers.iter().filter(|one| one.key.is_some()).map(|one| one.id).collect(),
            );
            provider = if open.is_empty() { provider } else { self.rng.pick(&open) };
            viewer = if here.is_empty() { viewer } else { self.rng.pick(&here) };
        }
        // A kernel that refused is pushed out by whoever opens one more than there may be: which one that is nobody here knows, so nobody does.
        let may_push_out = self.providers.len() + self.controllers.len() >= PROVIDERS_MAX
            && self.providers.values().any(|one| !one.is_log && !one.is_kept);
        let wish = match self.rng.below(20) {
            0 => Wish::Manager,
            1..=4 if may_push_out => Wish::Manager,
            _ if self.providers.is_empty() => Wish::Open("whole"),
            1..=3 => Wish::Open(self.rng.pick(&["whole", "short", "broken", "empty", "nowhere"])),
            4 => Wish::OpenKernel(self.rng.one_in(2)),
            5 if self.rng.one_in(2) => Wish::Close(provider),
            5..=11 => Wish::Connect(provider, viewer),
            12 => Wish::Disconnect(viewer),
            13 | 14 => Wish::Providers(provider),
            15 => Wish::Sessions,
            16 | 17 => Wish::Refresh(provider),
            18 => Wish::Unknown,
            _ if self.rng.one_in(4) => Wish::Nonsense,
            _ => Wish::Manager,
        };
        let shape = self.rng.pick(&[Shape::Beside, Shape::Flat, Shape::Nested]);
        let mut out = Vec::new();
        let begin = |out, function| ControlRequest::begin(out, shape, function);
        match &wish {
            Wish::Manager => begin(&mut out, Function::GetManagerInformation).finish(),
            Wish::Open(name) => begin(&mut out, Function::Open).logfilename(name).finish(),
            Wish::OpenKernel(keep) => {
                let request = begin(&mut out, Function::Open).address("kernel", 27931);
                if *keep { request.keep().finish() } else { request.finish() }
            }
            Wish::Close(id) => begin(&mut out, Function::Close).provider(&[*id]).finish(),
            Wish::Connect(provider, viewer) => {
                begin(&mut out, Function::Connect).connection(*provider, *viewer).finish()
            }
            Wish::Disconnect(id) => begin(&mut out, Function::Disconnect).viewer(&[*id]).finish(),
            Wish::Providers(id) => begin(&mut out, Function::GetProviderInformation).provider(&[*id]).finish(),
            Wish::Sessions => begin(&mut out, Function::GetSessionInformation).finish(),
            Wish::Refresh(id) => begin(&mut out, Function::Refresh).provider(&[*id]).finish(),
            Wish::Unknown => begin(&mut out, Function::Trigger).text(Argument::Session, "nowhere").finish(),
            Wish::Nonsense => {
                out = self
                    .rng
                    .pick(&[&b"\xcd\x00\x02\x81\xc1"[..], b"\xff", b"\xcd\x00\x01\xc1", b"\xce\xff\xff\xff\xff"])
                    .to_vec();
                0
            }
        };
        if self.controllers[n].key.is_none() {
            let address = "127.0.0.1:7000".parse().unwrap();
            self.controllers[n].key = self.hub.open_at(self.tick(), address, Door::Control);
            assert!(self.controllers[n].key.is_some());
        }
        (self.controllers[n].sending, self.controllers[n].request) = (out, Some(wish));
    }

    /// The next bytes of a controller's request arrive.
    fn deliver(&mut self, n: usize, bytes: usize) {
        let controller = &mut self.controllers[n];
        let (Some(key), false) = (controller.key, controller.sending.is_empty()) else { return };
        let taken: Vec<u8> = controller.sending.drain(..bytes.min(controller.sending.len())).collect();
        if controller.sending.is_empty()
            && let Some(wish) = controller.request.take()
        {
            let expected = self.judge(&wish);
            self.controllers[n].expected.push_back(expected);
        }
        self.hub.handle_bytes(self.tick(), key, &taken);
        self.settle();
    }

    /// What the documents say to a request; the twin's tables follow it.
    fn judge(&mut self, wish: &Wish) -> Expected {
        let expected = |function: Function, ok, data| Expected { function: function.id(), ok, data, by: None };
        match *wish {
            Wish::Manager => expected(Function::GetManagerInformation, true, None),
            Wish::Open("nowhere") => expected(Function::Open, false, None),
            Wish::Open(_) | Wish::OpenKernel(_) => {
                if self.providers.len() >= PROVIDERS_MAX {
                    return expected(Function::Open, false, None);
                }
                let id = self.next_provider;
                self.next_provider += 1;
                let is_log = matches!(wish, Wish::Open(_));
                let is_kept = matches!(wish, Wish::OpenKernel(true));
                self.providers.insert(id, Provider { is_log, is_kept, session: None, ended: false });
                // Whether its first record can be read shows later.
                let by = Some(self.now + OPEN_WAIT_MS);
                Expected { by, ..expected(Function::Open, true, Some(("provider", Value::Int(id)))) }
            }
            Wish::Close(id) => {
                if let Some(provider) = self.providers.remove(&id)
                    && let Some(session) = provider.session
                {
                    self.sessions.remove(&session);
                    for viewer in self.viewers.iter_mut().filter(|viewer| viewer.session == Some(session)) {
                        viewer.session = None;
                    }
                }
                expected(Function::Close, id < self.next_provider, None)
            }
            Wish::Connect(provider, viewer) => {
                let (next_session, viewer_at) =
                    (self.next_session, self.viewers.iter().position(|one| one.key.is_some() && one.id == viewer));
                let (Some(provider_found), Some(at)) = (self.providers.get_mut(&provider), viewer_at) else {
                    return expected(Function::Connect, false, Some(("session", Value::Nil)));
                };
                let session = *provider_found.session.get_or_insert(next_session);
                if session == next_session {
                    self.next_session += 1;
                    self.sessions.insert(session, provider);
                }
                self.viewers[at].session = Some(session);
                expected(Function::Connect, true, Some(("session", Value::Int(session))))
            }
            Wish::Disconnect(id) => {
                if let Some(viewer) = self.viewers.iter_mut().find(|viewer| viewer.key.is_some() && viewer.id == id) {
                    viewer.session = None;
                }
                expected(Function::Disconnect, id < self.next_viewer, None)
            }
            Wish::Providers(_) => expected(Function::GetProviderInformation, true, None),
            Wish::Sessions => expected(Function::GetSessionInformation, true, None),
            Wish::Refresh(id) => {
                let is_kernel = self.providers.get(&id).is_some_and(|provider| !provider.is_log);
                if let Some(provider) = self.providers.get_mut(&id).filter(|_| is_kernel) {
                    provider.ended = false;
                }
                expected(Function::Refresh, is_kernel, None)
            }
            Wish::Unknown => expected(Function::Trigger, false, None),
            Wish::Nonsense => Expected { function: 0, ok: false, data: None, by: None },
        }
    }

    fn answered(&mut self, n: usize, body: &[u8]) {
        let result = decode_control(body).unwrap();
        let seed = self.seed;
        let expected = self.controllers[n]
            .expected
            .pop_front()
            .unwrap_or_else(|| panic!("seed {seed}: nobody asked for {result:?}"));
        // A provider that could not be opened stays listed, unless it has been closed meanwhile.
        let may_fail = expected.by.is_some();
        let ok = if may_fail { result.ok } else { expected.ok };
        assert_eq!((result.id, result.ok), (expected.function, ok), "seed {seed}: {result:?}");
        assert!(expected.by.is_none_or(|by| self.now <= by), "seed {seed}: {result:?} comes late");
        self.sum.unopened += u64::from(may_fail && !result.ok);
        self.sum.answers += 1;
        let get = |value: &Value, key: &str| {
            let Value::Map(pairs) = value else { return None };
            pairs.iter().find(|(known, _)| *known == Value::Text(key.to_owned())).map(|(_, value)| value.clone())
        };
        if !result.ok {
            assert!(get(&result.data, "message").is_some(), "seed {seed}: a failure has no reason: {result:?}");
        }
        if let Some((key, value)) = expected.data {
            assert_eq!(get(&result.data, key), Some(value), "seed {seed}: {result:?}");
        }
        let number = |value: Option<Value>| match value {
            Some(Value::Int(number)) => number,
            other => panic!("seed {seed}: {other:?} is no number"),
        };
        if let Some(manager) = get(&result.data, "manager") {
            assert_eq!(number(get(&manager, "providers")), self.providers.len() as i64, "seed {seed}");
            assert_eq!(number(get(&manager, "sessions")), self.sessions.len() as i64, "seed {seed}");
            assert_eq!(
                number(get(&manager, "vieweres")),
                self.viewers.iter().filter(|one| one.key.is_some()).count() as i64
            );
        }
        if let Some(Value::Array(rows)) = get(&result.data, "sessioninfo").filter(|_| result.id == 204) {
            let seen: BTreeMap<i64, i64> =
                rows.iter().map(|row| (number(get(row, "id")), number(get(row, "provider")))).collect();
            assert_eq!(seen, self.sessions, "seed {seed}");
            for row in &rows {
                let Some(Value::Array(ids)) = get(row, "viewer") else { panic!("seed {seed}: no viewers in {row:?}") };
                let ids: BTreeSet<i64> = ids.into_iter().map(|id| number(Some(id))).collect();
                let session = number(get(row, "id"));
                let wanted = self.viewers.iter().filter(|one| one.session == Some(session)).map(|one| one.id).collect();
                assert_eq!(ids, wanted, "seed {seed}: session {session}");
            }
        }
        if let Some(Value::Array(rows)) = get(&result.data, "providerinfo").filter(|_| result.id == 103) {
            for row in &rows {
                let id = number(get(row, "id"));
                let ends = get(row, "status") != Some(Value::Text("online".to_owned()));
                let Some(provider) = self.providers.get_mut(&id) else {
                    panic!("seed {seed}: provider {id} is closed")
                };
                assert!(ends || !provider.ended, "seed {seed}: provider {id} came back to life");
                assert!(!ends || !provider.is_kept, "seed {seed}: provider {id} does not wait: {row:?}");
                let Some(message) = get(row, "message") else { continue };
                self.sum.waiting += u64::from(matches!(message, Value::Text(text) if text.starts_with("waiting")));
                provider.ended = ends;
            }
        }
    }

    // ---- Viewers ----

    fn act(&mut self, n: usize) {
        if self.viewers[n].key.is_none() {
            let address = "127.0.0.1:8000".parse().unwrap();
            let key = self.hub.open_at(self.tick(), address, Door::Viewer);
            let id = self.next_viewer;
            self.next_viewer += 1;
            self.viewers[n] = Viewer { key, id, reads: true, ..Viewer::default() };
        } else if self.rng.one_in(20) {
            // It goes, and comes back as somebody else.
            let key = self.viewers[n].key.take().unwrap();
            self.viewers[n] = Viewer::default();
            self.hub.handle_closed(self.tick(), key, Cause::Io);
            self.settle();
            return;
        }
        let drained = self.viewers[n].key.is_some_and(|key| self.hub.unsent(key).concat().is_empty());
        self.viewers[n].unread = if drained { 0 } else { self.viewers[n].unread + 1 };
        if self.viewers[n].unread > 8 {
            return; // Whoever does not read is not read.
        }
        let each = self.rng.pick(&[Bits::NONE, Bits::ACTION | Bits::UPDATE, Bits::UPDATE | Bits::WORLD, Bits::UPDATE]);
        let (bits, time) = match self.rng.below(8) {
            0..=4 => (Bits::OPEN | each, None),
            5 if self.rng.one_in(2) => (Bits::CLOSE, None),
            5 => (Bits::UPDATE, None),
            _ if self.viewers[n].old < 6 => (Bits::UPDATE, Some(1 + self.rng.below(14) as i64)),
            _ => (Bits::UPDATE, None),
        };
        self.viewers[n].old += u32::from(time.is_some());
        let mut out = Vec::new();
        encode_viewer(&mut out, bits, time);
        let viewer = &mut self.viewers[n];
        if bits.has(Bits::OPEN) {
            viewer.open = true;
        } else if bits.has(Bits::CLOSE) {
            (viewer.open, viewer.session) = (false, None);
        }
        // Only these two cannot be taken for what comes unasked.
        if bits.has(Bits::OPEN) || bits.has(Bits::CLOSE) {
            viewer.answers.push_back(bits.0);
        }
        let key = viewer.key.unwrap();
        let cut = self.rng.index(out.len() + 1);
        for piece in [&out[..cut], &out[cut..]] {
            self.hub.handle_bytes(self.tick(), key, piece);
            self.settle();
        }
    }

    fn shown(&mut self, n: usize, body: &[u8]) {
        let seed = self.seed;
        let result = decode_viewer(body).unwrap();
        let viewer = &mut self.viewers[n];
        viewer.results += 1;
        self.sum.results += 1;
        let record = (!result.record.is_empty()).then(|| Shown::read(result.record).unwrap());
        let section = |wanted| record.as_ref().and_then(|record| record.section(wanted));
        let x_in = |entities: Option<&[u8]>| {
            let entities = replay::entities(entities?).unwrap();
            entities.iter().find(|entity| entity.id == CIVILIAN)?.properties.get(Property::X)
        };
        // Whatever it is, what it shows is of its time.
        for shown in [x_in(section(Section::World)), x_in(section(Section::Changes))].into_iter().flatten() {
            assert_eq!(i64::from(shown), result.time, "seed {seed}: viewer {n} sees {result:?}");
        }
        let is_answer = result.request.has(Bits::OPEN) || result.request.has(Bits::CLOSE);
        if is_answer {
            let first = viewer.answers.pop_front();
            assert_eq!(first, Some(result.request.0), "seed {seed}: viewer {n} is answered out of order: {result:?}");
            if result.request.has(Bits::CLOSE) {
                (viewer.watching, viewer.time) = (false, None);
            } else if result.request.has(Bits::OPEN) {
                viewer.watching = true;
                // A fresh start, or the word that there is nothing yet.
                viewer.time =
                    section(Section::Map).or_else(|| section(Section::World)).map(|_| result.time).or(viewer.time);
                if section(Section::Map).is_none() && section(Section::World).is_none() && result.message.is_empty() {
                    viewer.time = Some(result.time);
                }
            }
            return;
        }
        if section(Section::Changes).is_some() && Some(result.time) != viewer.time.map(|time| time + 1) {
            // An old timestep that was asked for, or a gap that must have been told: by a kernel that skips steps.
            return;
        }
        if section(Section::Changes).is_some() {
            assert!(viewer.watching, "seed {seed}: viewer {n} has closed, and sees {result:?}");
            viewer.time = Some(result.time);
            self.sum.steps += 1;
            return;
        }
        if result.message.starts_with("timesteps were left out") {
            self.sum.behind += 1;
        }
        if section(Section::World).is_some()
            || section(Section::Map).is_some()
            || result.message.starts_with("timesteps")
        {
            viewer.time = Some(result.time);
        }
    }

    // ---- Kernels ----

    /// An attempt to reach a kernel ends.
    fn dialled(&mut self) {
        if self.dials.is_empty() {
            return;
        }
        let at = self.rng.index(self.dials.len());
        let provider = self.dials.swap_remove(at);
        let outcome =
            if self.rng.one_in(3) { Err("connection refused") } else { Ok("127.0.0.1:27931".parse().unwrap()) };
        if let Some(key) = self.hub.handle_kernel_dialed(self.tick(), provider, outcome) {
            self.kernels.push(Kernel {
                key,
                provider,
                greeted: false,
                time: 0,
                sent: 0,
                heard: 0,
                sending: Vec::new(),
            });
            self.sum.kernels += 1;
        }
        self.settle();
    }

    fn kernel_acts(&mut self) {
        if self.kernels.is_empty() {
            return;
        }
        let n = self.rng.index(self.kernels.len());
        let act = self.rng.below(30);
        let present = self.present(n);
        let kernel = &mut self.kernels[n];
        let key = kernel.key;
        if act == 0 {
            self.kernels.remove(n);
            self.hub.handle_closed(self.tick(), key, Cause::Peer);
            self.settle();
            return;
        }
        if kernel.sending.is_empty() && kernel.heard > 0 {
            let config = rcrs::config(&[("kernel.timesteps", "50")]);
            let content = if !kernel.greeted && act < 6 {
                rcrs::proto::connect_error(1, "full up")
            } else if !kernel.greeted {
                kernel.greeted = true;
                (kernel.time, kernel.sent) = (present, present);
                self.sum.looks += u64::from(present > 0);
                rcrs::proto::connect_ok(1, 4, &world_at(present), &config)
            } else if act == 2 {
                rcrs::proto::shutdown()
            } else {
                kernel.time += if act == 3 { 2 } else { 1 };
                rcrs::proto::timestep(4, kernel.time, &[], &moved(kernel.time))
            };
            kernel.sending = rcrs::frame(&content);
        }
        let most = kernel.sending.len();
        let bytes = if self.rng.one_in(3) { self.rng.index(most + 1) } else { most };
        let taken: Vec<u8> = self.kernels[n].sending.drain(..bytes).collect();
        if self.hub.read_budget(key) >= taken.len() && !taken.is_empty() {
            self.hub.handle_bytes(self.tick(), key, &taken);
        } else {
            // It is not read now.
            self.kernels[n].sending.splice(0..0, taken);
        }
        if let Some(kernel) = self.kernels.iter_mut().find(|kernel| kernel.key == key && kernel.sending.is_empty()) {
            kernel.sent = kernel.time;
        }
        self.settle();
    }

    /// The time at which a connection finds its kernel: whoever connects to a run that goes on is given the world that the first to connect has by now.
    fn present(&self, n: usize) -> i32 {
        let provider = self.kernels[n].provider;
        let first = self.kernels.iter().find(|kernel| kernel.provider == provider);
        first.map_or(0, |kernel| kernel.sent)
    }
}

impl Outside for Stage {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        let now = self.tick();
        (&mut self.hub, now)
    }

    fn look(&mut self, output: Output) -> bool {
        self.check();
        assert!(
            !matches!(output, Output::Dial(_) | Output::LogLevel(_) | Output::Stop),
            "seed {}: nobody asked for {output:?}",
            self.seed
        );
        true
    }

    fn flush(&mut self, key: PeerKey) {
        self.write(key);
    }

    fn close(&mut self, key: PeerKey, cause: Cause) {
        self.closed.insert(key);
        self.kernels.retain(|kernel| kernel.key != key);
        if let Some(controller) = self.controllers.iter_mut().find(|controller| controller.key == Some(key)) {
            assert!(
                matches!(cause, Cause::Undecodable | Cause::Peer),
                "seed {}: a controller was closed: {cause}",
                self.seed
            );
            *controller = Controller::default();
        }
        assert!(
            !self.viewers.iter().any(|viewer| viewer.key == Some(key)),
            "seed {}: a viewer was closed: {cause}",
            self.seed
        );
    }

    fn dial_kernel(&mut self, provider: ProviderKey) {
        self.dials.push(provider);
    }

    fn spins(&mut self, last: Output) {
        panic!("seed {}: the hub spins at {last:?}", self.seed);
    }
}

/// Takes a whole body out of what has come.
fn body(heard: &mut Vec<u8>) -> Option<Vec<u8>> {
    let Frame::Whole { header_len, body_len } = framing::scan(heard, 1 << 24).unwrap() else { return None };
    if heard.len() < header_len + body_len {
        return None;
    }
    let whole: Vec<u8> = heard.drain(..header_len + body_len).collect();
    Some(whole[header_len..].to_vec())
}

fn number(key: &str, plain: u64) -> u64 {
    std::env::var(key).ok().and_then(|word| word.parse().ok()).unwrap_or(plain)
}

#[test]
fn controllers_viewers_and_providers_get_what_the_documents_say() {
    let (first, runs) = (number("SIM_SEED", 0), number("SIM_RUNS", 60));
    let mut sum = Sum::default();
    for seed in first..first + runs {
        let mut stage = Stage::new(seed);
        stage.play();
        sum.answers += stage.sum.answers;
        sum.results += stage.sum.results;
        sum.steps += stage.sum.steps;
        sum.behind += stage.sum.behind;
        sum.kernels += stage.sum.kernels;
        sum.looks += stage.sum.looks;
        sum.unopened += stage.sum.unopened;
        sum.waiting += stage.sum.waiting;
        sum.whole += stage.sum.whole;
        sum.torn += stage.sum.torn;
    }
    eprintln!("{sum:?}");
    assert!(
        sum.answers > 30 * runs && sum.results > 20 * runs && sum.steps > 5 * runs,
        "next to nothing has happened: {sum:?}"
    );
    assert!(runs < 60 || sum.looks > 0, "no kernel was asked for its world once more: {sum:?}");
    assert!(runs < 20 || (sum.unopened > 0 && sum.waiting > 3), "{sum:?}");
    assert!(runs < 20 || (sum.kernels > 5 && sum.behind > 0 && sum.whole > 5 && sum.torn > 0), "{sum:?}");
}

/// The checker checks: harm done on purpose is noticed.
#[test]
fn a_wrong_answer_or_result_is_noticed() {
    let noticed = |harm: fn(&mut Stage)| {
        let mut stage = Stage::new(1);
        stage.viewers.truncate(1);
        while stage.viewers[0].key.is_none() || !stage.viewers[0].open {
            stage.act(0);
        }
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| harm(&mut stage))).is_err()
    };
    fn answer(function: Function, ok: bool) -> Vec<u8> {
        [
            &[0x92][..],
            &[0xcd],
            &u16::try_from(function.id()).unwrap().to_be_bytes(),
            &[if ok { 0xc3 } else { 0xc2 }, 0x81, 0xa7],
            b"message",
            &[0xa1, b'x'],
        ]
        .concat()
    }
    fn result(time: u8, x: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let entity = [&[0x82, 0xa2][..], b"id", &[0xcd, 1, 44, 0xa1], b"x", &[x]].concat();
        let section = [&[0xa7][..], b"changes", &[0x91], &entity].concat();
        let head =
            instep::control::viewer::Head { request: Bits::UPDATE, message: "", result: true, time: i64::from(time) };
        instep::control::viewer::write_result(&mut out, head, &[&section]);
        body(&mut out).unwrap()
    }
    fn expect(stage: &mut Stage, wish: &Wish) {
        let expected = stage.judge(wish);
        stage.controllers[0].expected.push_back(expected);
    }
    assert!(
        !noticed(|stage| {
            expect(stage, &Wish::Close(99));
            stage.answered(0, &answer(Function::Close, false))
        }),
        "as it must be"
    );
    assert!(
        noticed(|stage| {
            expect(stage, &Wish::Close(99));
            stage.answered(0, &answer(Function::Close, true))
        }),
        "a wrong result"
    );
    assert!(
        noticed(|stage| {
            expect(stage, &Wish::Close(99));
            stage.answered(0, &answer(Function::Open, false))
        }),
        "another function"
    );
    assert!(noticed(|stage| stage.answered(0, &answer(Function::Close, false))), "nobody asked");
    assert!(
        noticed(|stage| {
            expect(stage, &Wish::Open("whole"));
            stage.answered(0, &answer(Function::Open, true))
        }),
        "no id"
    );
    assert!(!noticed(|stage| stage.shown(0, &result(4, 4))), "as it must be");
    assert!(noticed(|stage| stage.shown(0, &result(4, 3))), "the world of another time");
    assert!(
        noticed(|stage| {
            (stage.viewers[0].time, stage.viewers[0].watching) = (Some(3), false);
            stage.shown(0, &result(4, 4))
        }),
        "it has closed"
    );
}
