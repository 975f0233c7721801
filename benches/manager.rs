//! The Manager under load: many viewers of one session, the control port against a blind echo, a large log beside LECO traffic.
//!
//! `cargo bench --bench manager` makes its own logs in a temporary directory; `-- --quick` makes smaller ones, and
//! `-- --control` compares control round trips alone.
#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark that fails panics")]

#[path = "../tests/common/manager.rs"]
mod common;
#[path = "../tests/common/rcrs.rs"]
mod rcrs;
#[path = "../tests/common/web.rs"]
mod web;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{self, Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{House, wait_until};
use instep::config::Config;
use instep::control::client::{ControlRequest, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::Function;
use instep::control::viewer::Bits;
use instep::hub::Door;
use instep::limits::CONTROL_RESULT_BYTES_MAX;
use instep::net::{Server, Stopper, Turn};
use instep::rcrs::entity::{Change, Entity};
use instep::rcrs::message::{Action, ChangeSet, Command, Perception, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use instep::zmtp::{SocketType, link::Link};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--part") {
        return play_part(&words[at + 1..]);
    }
    let quick = words.iter().any(|word| word == "--quick");
    if words.iter().any(|word| word == "--control") {
        return round_trip(if quick { 5_000 } else { 50_000 });
    }
    many_viewers(if quick { 200 } else { 1000 });
    round_trip(if quick { 5_000 } else { 50_000 });
    large_log(if quick { 10 } else { 100 });
}

// ---- data ----

/// A city: so many areas and a tenth as many humans.
fn city(areas: i32) -> Vec<Entity> {
    use PropertyKind as P;
    let mut entities: Vec<Entity> = (1..=areas)
        .map(|id| {
            let (x, y) = (id % 100 * 10_000, id / 100 * 10_000);
            let edges = [x, y, x + 9000, y, id + 1, x + 9000, y, x + 9000, y + 9000, 0, x + 9000, y + 9000, x, y, 0];
            let kind = if id % 3 == 0 { EntityKind::Building } else { EntityKind::Road };
            rcrs::entity(id, kind, &[(P::X, x), (P::Y, y)], &[(P::Edges, &edges)])
        })
        .collect();
    entities.extend((0..areas / 10).map(|n| {
        let numbers = [(P::X, n), (P::Y, n), (P::Hp, 10_000), (P::Position, 1 + n), (P::Damage, 0)];
        rcrs::entity(100_000 + n, EntityKind::Civilian, &numbers, &[(P::PositionHistory, &[])])
    }));
    entities
}

/// What all humans of a city do in a step.
fn step(time: i32, areas: i32) -> [Record; 3] {
    use PropertyKind as P;
    let changed = (0..areas / 10).map(|n| {
        let history = [n, time, n + 1, time];
        let numbers = [(P::X, n + time), (P::Y, time), (P::Hp, 10_000 - time), (P::Position, 1 + (n + time) % areas)];
        let entity = rcrs::entity(100_000 + n, EntityKind::Civilian, &numbers, &[(P::PositionHistory, &history)]);
        Change { entity, undefined: PropertySet::EMPTY }
    });
    let changes = ChangeSet { changed: changed.collect(), deleted: vec![], skipped: 0 };
    let action = || Action::Move { path: (1..20).collect(), x: -1, y: -1 };
    let commands: Vec<Command> =
        (0..areas / 20).map(|n| Command { agent: 100_000 + n, time, action: action() }).collect();
    let perception = Perception { time, agent: 100_000, visible: changes.clone(), heard: vec![] };
    [Record::Perception(perception), Record::Commands { time, commands }, Record::Updates { time, changes }]
}

fn opening(areas: i32) -> Vec<u8> {
    let config = rcrs::config(&[("kernel.timesteps", "300"), ("kernel.agents.think-time", "1000")]);
    rcrs::binary_log(&[Record::Start, Record::Initial(city(areas)), Record::Config(config)])
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn percentile(sorted: &[u128], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    f64::from(u32::try_from(sorted[at]).unwrap_or(u32::MAX)) / 1000.0
}

// ---- many viewers ----

/// Ends a server when the script that drives it is over, or has failed.
struct Stops(Stopper);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn many_viewers(count: usize) {
    const STEPS: i32 = 20;
    const AREAS: i32 = 2000;
    let directory = common::Directory::new();
    let mut log = opening(AREAS);
    for time in 1..=STEPS {
        log.extend(rcrs::binary_log(&step(time, AREAS)));
    }
    log.extend(rcrs::binary_log(&[Record::End]));
    directory.put("run.log", &log);
    let config = Config {
        namespace: "N1".into(),
        bind: vec!["127.0.0.1:0".into()],
        control_bind: vec!["127.0.0.1:0".into()],
        viewer_bind: vec!["127.0.0.1:0".into()],
        log_dir: vec![directory.path().display().to_string()],
        play_speed_percent: 500,
        ..Config::default()
    };
    let mut server = Server::bind(config).unwrap();
    let control = server.addresses(Door::Control).next().unwrap();
    let viewers = server.addresses(Door::Viewer).next().unwrap();
    let stopper = server.stopper();
    let script = std::thread::spawn(move || {
        let _stops = Stops(stopper);
        let mut hello = Vec::new();
        encode_viewer(&mut hello, Bits::OPEN, None);
        let mut sockets = Vec::new();
        for _ in 0..count {
            let Ok(mut stream) = TcpStream::connect(viewers) else { break };
            stream.write_all(&hello).unwrap();
            stream.set_nonblocking(true).unwrap();
            sockets.push(stream);
        }
        let mut controller = House::controller_at(control);
        wait_until("all viewers are there", || controller.viewers().len() == sockets.len());
        let provider = controller.open_ready("run.log");
        for id in controller.viewers() {
            controller.connect(provider, id);
        }
        let mut scratch = vec![0; 1 << 18];
        let mut is_over = false;
        while !is_over {
            let status = controller.provider(provider)["status"].clone();
            assert_ne!(status, "errored", "the log is whole");
            is_over = status == "closed";
            for stream in &mut sockets {
                while stream.read(&mut scratch).is_ok_and(|n| n == scratch.len()) {}
            }
        }
        sockets.len()
    });
    // (microseconds, results) of each turn that sent timesteps.
    let mut turns = Vec::new();
    loop {
        let before = server.hub().counters().results_sent;
        let began = Instant::now();
        // Spinning, so that no waiting is counted.
        let turn = server.turn(Some(Duration::ZERO)).unwrap();
        let taken = began.elapsed().as_nanos();
        let sent = server.hub().counters().results_sent - before;
        if sent > 0 {
            turns.push((taken, sent));
        }
        if turn == Turn::Ended {
            break;
        }
    }
    let connected = script.join().unwrap();
    let whole: Vec<_> = turns.iter().filter(|(_, sent)| usize::try_from(*sent) == Ok(connected)).collect();
    let mut times: Vec<u128> = whole.iter().map(|(taken, _)| *taken).collect();
    times.sort_unstable();
    let counters = server.hub().counters();
    println!(
        "viewers: {connected} in one session, {STEPS} steps: {} encodings, {} results sent, {} times behind, initial results {} of {} encoded",
        counters.results_encoded,
        counters.results_sent,
        counters.viewers_behind,
        counters.initials_encoded,
        counters.initials,
    );
    if !times.is_empty() {
        println!(
            "viewers: {} of {} turns with steps served everybody: p50 {:.0} us, longest {:.0} us a turn",
            times.len(),
            turns.len(),
            percentile(&times, 50),
            percentile(&times, 100),
        );
    }
}

// ---- control round trips ----

/// Answers each read with the bytes it got, from one poll loop, as the server does.
fn echo(ready: impl FnOnce(SocketAddr)) {
    use mio::{Events, Interest, Poll, Token};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ready(listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut stream = mio::net::TcpStream::from_std(stream);
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut stream, Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(16);
    let mut buffer = vec![0; 1 << 16];
    loop {
        poll.poll(&mut events, None).unwrap();
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => stream.write_all(&buffer[..n]).unwrap(),
            Err(_) => {}
        }
    }
}

/// The same door for the Manager, in the thread that calls.
fn manager(ready: impl FnOnce(SocketAddr)) {
    let config = Config {
        namespace: "N1".into(),
        bind: vec!["127.0.0.1:0".into()],
        control_bind: vec!["127.0.0.1:0".into()],
        ..Config::default()
    };
    let mut server = Server::bind(config).unwrap();
    ready(server.addresses(Door::Control).next().unwrap());
    server.run().unwrap();
}

/// A process of this program that plays one part on one core; it is gone when this is.
struct Part(Child);

impl Part {
    fn start(core: Option<&str>, words: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match core {
            Some(core) => {
                let mut command = process::Command::new("taskset");
                command.args(["-c", core]).arg(program);
                command
            }
            None => process::Command::new(program),
        };
        Self(command.arg("--part").args(words).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Plays one part: `manager` and `echo` say their address, `client` measures two of these.
fn play_part(words: &[String]) {
    let say = |address: SocketAddr| println!("{address}");
    match words {
        [part] if part == "manager" => manager(say),
        [part] if part == "echo" => echo(say),
        [part, control, blind, trips] if part == "client" => {
            compare(control.parse().unwrap(), blind.parse().unwrap(), trips.parse().unwrap());
        }
        _ => panic!("no such part: {words:?}"),
    }
}

/// So many round trips in a row, each in nanoseconds. Every answer must be `expected`: with one byte read too few the
/// next trip would find it waiting and measure nothing.
fn trips(stream: &mut TcpStream, request: &[u8], expected: &[u8], count: usize) -> Vec<u128> {
    let mut answer = vec![0; expected.len()];
    let trip = |_| {
        let began = Instant::now();
        stream.write_all(request).unwrap();
        stream.read_exact(&mut answer).unwrap();
        let taken = began.elapsed().as_nanos();
        assert_eq!(answer, expected, "each answer is read whole");
        taken
    };
    let mut times: Vec<u128> = (0..count).map(trip).collect();
    times.sort_unstable();
    times
}

/// Short rounds in turns, so that both see the same machine: each round is one ratio of two medians.
fn compare(control: SocketAddr, blind: SocketAddr, count: usize) {
    const TRIPS_PER_ROUND: usize = 250;
    let connect = |address| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let (mut control, mut blind) = (connect(control), connect(blind));
    let mut request = Vec::new();
    ControlRequest::begin(&mut request, Shape::Beside, Function::GetManagerInformation).finish();
    control.write_all(&request).unwrap();
    let mut expected = Vec::new();
    let whole = |bytes: &[u8]| match framing::scan(bytes, CONTROL_RESULT_BYTES_MAX).unwrap() {
        Frame::Whole { header_len, body_len } => bytes.len() >= header_len + body_len,
        Frame::Need(_) => false,
    };
    while !whole(&expected) {
        let mut chunk = [0; 4096];
        let n = control.read(&mut chunk).unwrap();
        assert!(n > 0, "the server stays");
        expected.extend_from_slice(&chunk[..n]);
    }
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = (count / TRIPS_PER_ROUND).max(10);
    for round in 0..rounds {
        // Who goes first changes, so that neither is always the one with the cold cache.
        let mut a = Vec::new();
        if round % 2 == 0 {
            a = trips(&mut control, &request, &expected, TRIPS_PER_ROUND);
        }
        let b = trips(&mut blind, &request, &request, TRIPS_PER_ROUND);
        if a.is_empty() {
            a = trips(&mut control, &request, &expected, TRIPS_PER_ROUND);
        }
        if round >= rounds / 10 {
            ratios.push(percentile(&a, 50) / percentile(&b, 50));
            ours.extend(a);
            theirs.extend(b);
        }
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "GetManagerInformation p50 {:.1} us, p99 {:.1} us; \
         blind echo p50 {:.1} us, p99 {:.1} us; ratio {:.2} ({:.2} to {:.2} in {} rounds)",
        percentile(&ours, 50),
        percentile(&ours, 99),
        percentile(&theirs, 50),
        percentile(&theirs, 99),
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
        ratios.len(),
    );
}

/// The cores this process may use, as `taskset` numbers them.
fn cores() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let spans = list.trim().split(',').filter_map(|span| {
        let (first, last) = span.split_once('-').unwrap_or((span, span));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    spans.flatten().map(|core| core.to_string()).collect()
}

/// The same comparison with everybody in a fixed place: where a server runs decides more than what it does.
fn round_trip(count: usize) {
    let cores = cores();
    let pins = process::Command::new("taskset").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let places: Vec<(&str, Option<&str>, Option<&str>)> = match cores.as_slice() {
        _ if !pins => vec![("anywhere (no taskset)", None, None)],
        [one, two, ..] => {
            vec![
                ("on one core", Some(one), Some(one)),
                ("servers on one core, client on another", Some(two), Some(one)),
            ]
        }
        [one] => vec![("on one core", Some(one), Some(one))],
        [] => vec![("anywhere", None, None)],
    };
    for (place, servers, client) in places {
        let (mut manager, mut echo) = (Part::start(servers, &["manager"]), Part::start(servers, &["echo"]));
        let (control, blind) = (manager.line(), echo.line());
        let mut client = Part::start(client, &["client", &control, &blind, &count.to_string()]);
        println!("control, {place}: {}", client.line());
    }
}

// ---- a large log beside LECO ----

/// A component that sends to itself and counts what comes back, until `stop`; gives the round trips in nanoseconds.
fn component(address: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Vec<u128>> {
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let (greeting, ready) = Link::new(SocketType::Dealer).opening();
        let mut bytes = [&greeting[..], ready.bytes()].concat();
        bytes.extend(leco(b"COORDINATOR", br#"{"jsonrpc":"2.0","id":1,"method":"sign_in"}"#));
        stream.write_all(&bytes).unwrap();
        let mut scratch = vec![0; 1 << 16];
        let mut got = Vec::new();
        while !got.windows(6).any(|window| window == b"result") {
            let n = stream.read(&mut scratch).unwrap();
            got.extend_from_slice(&scratch[..n]);
        }
        let message = leco(b"CA", &[b'x'; 64]);
        let mut back = vec![0; message.len()];
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            stream.write_all(&message).unwrap();
            stream.read_exact(&mut back).unwrap();
            times.push(began.elapsed().as_nanos());
            assert_eq!(message, back, "the same message comes back");
        }
        times
    })
}

fn leco(receiver: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frames: [(u8, &[u8]); 5] =
        [(1, b"\0"), (1, receiver), (1, b"N1.CA"), (1, b"0123456789abcdef\0\0\0\x01"), (0, payload)];
    for (more, body) in frames {
        bytes.extend([more, u8::try_from(body.len()).unwrap()]);
        bytes.extend_from_slice(body);
    }
    bytes
}

fn large_log(mebibytes: usize) {
    const AREAS: i32 = 10_000;
    let house = House::with(|config| config.play_speed_percent = 1_000_000);
    let path = house.directory.path().join("large.log");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut written = 0;
    let mut put = |bytes: &[u8]| {
        file.write_all(bytes).unwrap();
        written += bytes.len();
        written
    };
    let mut total = put(&opening(AREAS));
    let mut time = 0;
    while total < mebibytes << 20 {
        time += 1;
        total = put(&rcrs::binary_log(&step(time, AREAS)));
    }
    put(&rcrs::binary_log(&[Record::End]));
    drop(file);
    let stop = Arc::new(AtomicBool::new(false));
    let alone = component(house.leco, Arc::clone(&stop));
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    let quiet = median_us(alone);

    let mut controller = house.controller();
    let mut viewer = house.viewer();
    viewer.call(Bits::OPEN.0, None);
    let stop = Arc::new(AtomicBool::new(false));
    let busy = component(house.leco, Arc::clone(&stop));
    let before = resident_kib();
    let began = Instant::now();
    let provider = controller.open("large.log");
    let id = controller.viewers()[0];
    controller.connect(provider, id);
    let mut seen = viewer.see();
    while !seen.message.is_empty() {
        seen = viewer.see();
    }
    let first_map = began.elapsed();
    let loaded = resident_kib();
    let mut steps = 0;
    let mut peak = loaded;
    while seen.time < i64::from(time) {
        seen = viewer.see();
        steps += 1;
        peak = peak.max(resident_kib());
    }
    let played = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let beside = median_us(busy);
    controller.wait_for_status(provider, "closed");
    let after = resident_kib();
    let (turns, longest_us) = house.stop().turns();
    println!(
        "log: {} MiB, {time} steps, {steps} results: first map after {first_map:?}, played in {played:?}",
        total >> 20
    );
    println!(
        "log: longest of {turns} turns {longest_us} us; LECO round trip p50 {quiet:.1} us alone, {beside:.1} us beside the log"
    );
    println!("log: resident {before} KiB before, {loaded} with the map, {peak} at most, {after} at the end");
}

fn median_us(thread: JoinHandle<Vec<u128>>) -> f64 {
    let mut times = thread.join().unwrap();
    times.sort_unstable();
    percentile(&times, 50)
}
