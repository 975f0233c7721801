//! `instep bench` as a program, against a server in this process and against a blind relay.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::nobody::Nobody;
use instep::client::{Client, Options};
use instep::config::Config;
use instep::hub::Door;
use instep::net::{Server, Stopper};
use serde_json::Value;

/// A Coordinator in a thread, for as long as it is held.
struct House {
    address: SocketAddr,
    http: SocketAddr,
    stomp: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<Server>>,
}

impl House {
    fn open() -> Self {
        Self::named("N1", &[])
    }

    /// With this namespace, and joined to these.
    fn named(namespace: &str, others: &[&Self]) -> Self {
        let coordinators = others.iter().map(|other| other.address.to_string()).collect();
        let here = || vec!["127.0.0.1:0".to_owned()];
        let config = Config {
            namespace: namespace.into(),
            coordinators,
            bind: here(),
            http_bind: here(),
            stomp_bind: here(),
            ..Config::default()
        };
        let mut server = Server::bind(config).unwrap();
        let address = server.local_addresses().next().unwrap();
        let http = server.addresses(Door::Http).next().unwrap();
        let stomp = server.addresses(Door::Stomp).next().unwrap();
        let stopper = server.stopper();
        let thread = thread::spawn(move || {
            server.run().unwrap();
            server
        });
        Self { address, http, stomp, stopper, thread: Some(thread) }
    }

    fn close(mut self) -> Server {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

fn bench(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_instep")).env_clear().arg("bench").args(words).output().unwrap()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(complaint, "", "nothing is written to standard error when that is no terminal");
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_session_is_driven_until_all_its_members_have_heard_all() {
    let house = House::open();
    let address = house.address.to_string();
    let said = json(&bench(&["session", &address, "-m", "5", "-n", "20", "--json"]));
    assert_eq!(
        (said["members"].as_u64(), said["triggers"].as_u64(), said["notices"].as_u64()),
        (Some(5), Some(20), Some(100))
    );
    let micros = |what: &str, key: &str| said[what][key].as_f64().unwrap();
    assert!(micros("delay", "p50_us") > 0.0 && micros("delay", "max_us") >= micros("skew", "max_us"), "{said}");
    let refused = bench(&["session", &address, "--session", "default", "-m", "1"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("N1.session:default is UNINITIALIZED; one that is RUNNING or PAUSED is wanted"), "{why}");
    let server = house.close();
    let counters = server.hub().counters();
    // Five members, and the driver twice.
    assert_eq!((counters.sign_ins, counters.sign_outs, counters.messages_malformed), (7, 7, 0));
}

#[test]
fn members_of_a_session_sign_in_at_each_node_in_turn() {
    let first = House::open();
    let second = House::named("N2", &[&first]);
    let mut visitor = Client::connect(&second.address.to_string(), "visitor", Options::new()).unwrap();
    let mut hears_the_first = || {
        thread::sleep(Duration::from_millis(10));
        visitor.ask("N1.COORDINATOR", "pong", &Value::Null, Duration::from_secs(1)).is_ok()
    };
    assert!((0..1000).any(|_| hears_the_first()), "they know each other");
    let (address, other) = (first.address.to_string(), second.address.to_string());
    let nodes = format!("{address},{other}");
    let said = json(&bench(&["session", &address, "--nodes", &nodes, "-m", "5", "-n", "10", "--json"]));
    assert_eq!((&said["nodes"], &said["members"], &said["notices"]), (&2.into(), &5.into(), &50.into()));
    let said = json(&bench(&["session", &address, "--nodes", &nodes, "-m", "1", "-n", "1", "--json"]));
    assert_eq!(said["nodes"], 1, "nobody is at the second");
    let said =
        String::from_utf8(bench(&["session", &address, "--nodes", &other, "-m", "2", "-n", "1"]).stdout).unwrap();
    assert!(said.contains(", 2 members at 1 node, 1 triggers, 2 notices; "), "{said}");

    // What fails is said of the node where it did.
    let nobody = Nobody::new();
    let refused = bench(&["session", &address, "--nodes", &format!("{other},{nobody}"), "-m", "2"]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3), "{why}");
    assert!(why.contains(&format!("no Coordinator at {nobody}: connection refused")), "{why}");
    visitor.sign_out(Duration::from_secs(1)).unwrap();
    let sign_ins = [first, second].map(|house| house.close().hub().counters().sign_ins);
    // Members, and at the first the driver of each run, at the second the visitor.
    assert_eq!(sign_ins, [3 + 1 + 4, 2 + 2 + 1 + 1]);
}

#[test]
fn reports_over_http_are_heard_on_every_stream_and_the_session_is_gone_behind_them() {
    let house = House::open();
    let address = house.http.to_string();
    let words = ["c2sim", &address, "--connections", "2", "--streams", "3", "--seconds", "0.3", "--json"];
    let said = json(&bench(&words));
    let (reports, heard) = (said["reports"].as_u64().unwrap(), said["heard"].as_u64().unwrap());
    // Some were on their way when the count began or ended.
    assert!(reports > 0 && heard.abs_diff(3 * reports) <= 3 * 3, "{said}");
    let stomp = house.stomp.to_string();
    let words = ["c2sim", &address, "--streams", "4", "--topics", "3", "--stomp", &stomp, "-n", "10", "--json"];
    let said = json(&bench(&words));
    let counted = ["triggers", "streams", "topics"].map(|key| said[key].as_u64().unwrap());
    assert_eq!(counted, [10, 4, 3]);
    let refused = bench(&["c2sim", &address, "--topics", "3"]);
    assert_eq!(refused.status.code(), Some(2));
    let words = bench(&["c2sim", &address, "--streams", "2", "-n", "3"]);
    assert!(String::from_utf8_lossy(&words.stdout).starts_with("3 triggers at "), "{words:?}");
    let server = house.close();
    let counters = server.hub().counters();
    assert_eq!(counters.sessions_made, 4, "default, and one for each run");
    // Who hears on a topic is one as long as its connection is there.
    assert!(counters.session_members_lost <= 3, "{counters:?}");
}

#[test]
fn throughput_counts_every_message_and_signs_out() {
    let house = House::open();
    let address = house.address.to_string();
    for (payload, pairs) in [("64", "3"), ("100000", "1"), ("0", "1")] {
        let line = ["throughput", &address, "--pairs", pairs, "--payload", payload, "--seconds", "0.1", "--json"];
        let said = json(&bench(&line));
        assert_eq!(said["benchmark"], "throughput");
        assert_eq!(said["payload_bytes"].to_string(), payload);
        assert_eq!((said["errors"].as_u64(), said["lost"].as_u64()), (Some(0), Some(0)), "{said}");
        assert!(said["messages"].as_u64().unwrap() > 0 && said["messages_per_s"].as_f64().unwrap() > 0.0, "{said}");
    }
    let server = house.close();
    let counters = server.hub().counters();
    assert_eq!((counters.sign_ins, counters.sign_outs), (10, 10));
    assert_eq!(counters.messages_malformed, 0);
}

#[test]
fn latency_reports_rising_quantiles_with_and_without_a_rate() {
    let house = House::open();
    let address = house.address.to_string();
    for rate in [None, Some("2000")] {
        let mut line = vec!["latency", &address, "--seconds", "0.1", "--json"];
        line.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
        let said = json(&bench(&line));
        assert_eq!(said["rate"].as_u64(), rate.map(|rate| rate.parse().unwrap()));
        assert!(said["round_trips"].as_u64().unwrap() > 0, "{said}");
        let times = ["p50_us", "p99_us", "p999_us", "max_us"].map(|key| said[key].as_f64().unwrap());
        assert!(times[0] > 0.0 && times.is_sorted(), "{said}");
        assert_eq!((said["errors"].as_u64(), said["lost"].as_u64()), (Some(0), Some(0)), "{said}");
        if let Some(count) = rate.map(|_| said["round_trips"].as_u64().unwrap()) {
            assert_eq!(count, 200, "every round trip that should begin in a tenth of a second does: {said}");
        }
    }
    house.close();
}

/// Copies bytes until their end.
fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    drop(to.shutdown(Shutdown::Write));
}

/// A byte relay that joins connections in the order of their arrival.
fn relay() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let (Ok((first, _)), Ok((second, _))) = (listener.accept(), listener.accept()) {
            let (first_again, second_again) = (first.try_clone().unwrap(), second.try_clone().unwrap());
            thread::spawn(|| pump(first, second_again));
            thread::spawn(|| pump(second, first_again));
        }
    });
    address
}

#[test]
fn both_ends_meet_through_a_blind_relay() {
    let address = relay().to_string();
    let said = json(&bench(&["throughput", &address, "--relay", "--pairs", "2", "--seconds", "0.1", "--json"]));
    assert!(said["messages"].as_u64().unwrap() > 0 && said["lost"] == 0, "{said}");
    let said = json(&bench(&["latency", &address, "--relay", "--seconds", "0.1", "--json"]));
    assert!(said["round_trips"].as_u64().unwrap() > 0 && said["lost"] == 0, "{said}");
}

#[test]
fn the_distribution_of_times_is_drawn_and_written() {
    let house = House::open();
    let folder = crate::common::manager::Directory::new();
    let file = folder.path().join("times.hgrm");
    let path = file.to_str().unwrap();
    let address = house.address.to_string();
    let said = bench(&["latency", &address, "--seconds", "1.2", "--progress", "--percentiles", path]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert!((2..=12).contains(&text.lines().filter(|line| line.contains(" us  #")).count()), "{text}");
    let progress = String::from_utf8(said.stderr).unwrap();
    assert!(
        progress.lines().count() >= 1 && progress.contains(" s  ") && progress.contains("round trips, p50"),
        "{progress}"
    );
    let trips: u64 = text.lines().nth(1).unwrap().replace(" round trips", "").replace(' ', "").parse().unwrap();
    let total = |text: &str| {
        let last = text.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let [_, part, count] = last.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{last}") };
        assert_eq!(part, "1.000000000000");
        count.parse::<u64>().unwrap()
    };
    assert_eq!(total(&std::fs::read_to_string(&file).unwrap()), trips);
    // It is written over, also where what is printed is for a script.
    let said = json(&bench(&["session", &address, "-m", "3", "-n", "20", "--json", "--percentiles", path]));
    assert_eq!((total(&std::fs::read_to_string(&file).unwrap()), &said["triggers"]), (20, &Value::from(20)));
    let words = ["c2sim", &house.http.to_string(), "--seconds", "0.2", "--json", "--percentiles", path];
    let said = json(&bench(&words));
    assert_eq!(said["reports"].as_u64(), Some(total(&std::fs::read_to_string(&file).unwrap())));
    let refused = bench(&["latency", &address, "--percentiles", "/nowhere/x"]);
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "instep: --percentiles /nowhere/x: no such file or directory\n"
    );
    assert_eq!(bench(&["throughput", &address, "--percentiles", path]).status.code(), Some(2));
    house.close();
}

#[test]
fn a_person_gets_words() {
    let house = House::open();
    let output = bench(&["latency", &house.address.to_string(), "--seconds", "0.05"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("us p99.9") && said.contains("one at a time"), "{said}");
    let output = bench(&["--help"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("--pairs"));
    house.close();
}

#[test]
fn what_is_wrong_is_said_with_an_exit_code() {
    let fails = |words: &[&str], code: i32, part: &str| {
        let output = bench(words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(part), "{complaint}");
        assert!(output.stdout.is_empty());
    };
    fails(&["throughput", "--pairs", "0"], 2, "--pairs");
    fails(&["latency", "127.0.0.1:notaport"], 2, "a host and port like 127.0.0.1:12300 is wanted");
    let nobody = Nobody::new();
    fails(&["latency", &nobody.to_string()], 3, "connection refused (start one: instep -p ");

    // Somebody else speaks there.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    fails(&["latency", &address], 1, "not ZMTP");
    drop(thread.join());
}

#[test]
fn a_taken_name_is_refused_in_words() {
    let house = House::open();
    let owner = Client::connect(&house.address.to_string(), "bench-s0", Options::new()).unwrap();
    let output = bench(&["throughput", &house.address.to_string(), "--seconds", "0.1"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("refused the name 'bench-s0': -32091"), "{complaint}");
    drop(owner);
    house.close();
}
