//! The Manager's side of the program as a person or a script meets it: the control functions of `instep ctl`, `instep view` and
//! `instep log`, the built program against a server in a thread.
//!
//! The last tests read logs of real kernels, which are not part of this repository. Set INSTEP_RCRS_DATA to their folder to run them.

#![expect(clippy::disallowed_methods, reason = "a test of the real program waits in real time")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::nobody::Nobody;
use crate::common::program::{self, Said, run, until};
use crate::common::rcrs;
use instep::config::Config;
use instep::rcrs::urn::{CommandKind, EntityKind};
use serde_json::{Value, json};

/// What may help where no Manager takes a connection.
const IS_THAT: &str = " (is that its port? its log says which it has, and so does: instep ctl manager)";

/// A new folder, removed when it goes out of scope.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("instep-manager-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || thread::panicking());
    }
}

/// A node with the log `run.log` to open.
struct Node {
    server: program::Node,
    folder: Folder,
}

impl Node {
    fn new() -> Self {
        let folder = Folder::new();
        folder.file("run.log", &rcrs::framed_log(&rcrs::small_run()));
        let config = Config {
            log_dir: vec![folder.0.to_str().unwrap().to_owned()],
            record: folder.0.to_str().unwrap().to_owned(),
            play_speed_percent: 1000,
            ..Config::default()
        };
        Self { server: program::Node::start("N1", config), folder }
    }

    fn view(&self, words: &[&str]) -> Watching {
        let child = program::program()
            .args(["view", &self.viewer])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut watching = Watching { child, hint: String::new() };
        // The hint is written once the viewer is there.
        BufReader::new(watching.child.stderr.as_mut().unwrap()).read_line(&mut watching.hint).unwrap();
        watching
    }
}

impl std::ops::Deref for Node {
    type Target = program::Node;

    fn deref(&self) -> &program::Node {
        &self.server
    }
}

/// A running `instep view`.
struct Watching {
    child: Child,
    hint: String,
}

impl Watching {
    /// Waits until it ends by itself.
    fn end(mut self) -> Said {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                let mut said = String::new();
                self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("the viewer does not end: {said}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.wait_with_output().unwrap().into()
    }
}

#[test]
fn a_log_is_opened_shown_to_a_viewer_and_closed() {
    let node = Node::new();
    assert_eq!(node.ctl(&["open", "run.log"]).good(), "provider 1 is open\n");
    let said = node.ctl(&["providers"]);
    let lines: Vec<&str> = said.good().lines().collect();
    assert_eq!(lines[0], "ID  TYPE      STATUS  TIME  OF  AGE  SOURCE   MESSAGE");
    assert!(
        lines[1].starts_with(" 1  RCRS-LOG  online     0  ") && lines[1].ends_with("    -  run.log  -"),
        "{said:?}"
    );

    let watching = node.view(&["--json", "--steps", "2"]);
    let viewers = node.json(&["viewers"]);
    let port = viewers[0]["address"]["port"].to_string();
    assert_eq!((&viewers[0]["id"], &viewers[0]["status"]), (&json!(1), &json!("online")));
    assert!(watching.hint.contains(&format!("no session; this viewer is 127.0.0.1:{port} in:")), "{}", watching.hint);
    let table = format!("ID  STATUS  ADDRESS\n 1  online  127.0.0.1:{port}\n");
    assert_eq!(node.ctl(&["viewers", "1"]).good(), table);

    assert_eq!(node.ctl(&["connect", "1", "1"]).good(), "viewer 1 is in session 2 of provider 1\n");
    let sessions = node.json(&["sessions"]);
    assert_eq!((&sessions[0]["id"], &sessions[0]["provider"], &sessions[1]), (&json!(2), &json!(1), &Value::Null));
    assert!(node.ctl(&["sessions", "2"]).good().starts_with("ID  NAME        PROVIDER  STATUS  STATE    VIEWERS\n"));

    let seen = watching.end();
    let results: Vec<Value> = seen.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results[0]["message"], "no session");
    let step = &results[results.len() - 1];
    assert_eq!((&step["time"], &step["record"]["time"], &step["result"]), (&json!(2), &json!(2), &json!(true)));
    assert_eq!(step["record"]["commands"].as_array().unwrap().len(), rcrs::actions().len());
    let gone = json!([{"deleted": true, "id": 99, "type": "Blockade"}]);
    let changes = step["record"]["changes"].as_array().unwrap();
    assert!(changes.contains(&gone[0]), "{changes:?}");

    until("the log has ended", || node.json(&["providers", "1"])[0]["status"] == "closed");
    assert_eq!(node.ctl(&["close", "1"]).good(), "provider 1 is closed\n");
    assert_eq!(node.json(&["providers"]), json!([]));
    assert_eq!(node.json(&["providers", "1"]), json!([]));
    assert_eq!(node.ctl(&["close", "1"]).code, 0, "closing twice is no error");
}

#[test]
fn a_viewer_sees_what_it_chose_in_words() {
    let node = Node::new();
    node.ctl(&["open", "run.log"]).good();
    let watching =
        node.view(&["--world", "--changes", "--commands", "--map", "--config", "--perceptions", "--steps", "3"]);
    node.ctl(&["connect", "1", "1"]).good();
    let seen = watching.end();
    let lines: Vec<&str> = seen.good().lines().collect();
    let initial = lines.iter().find(|line| line.starts_with("    0  map ")).unwrap();
    assert!(initial.contains("; world 4 ("), "{initial}");
    assert!(initial.contains("2 areas (Building 1, Road 1)") && initial.contains("config 3 keys"), "{initial}");
    let first = lines.iter().find(|line| line.starts_with("    1  ")).unwrap();
    assert!(first.contains("world 5 (Blockade 1, Building 1, Civilian 1, Road 1, TacticsAmbulance 1)"), "{first}");
    assert!(first.contains("created 1, deleted 0 (Blockade 1") && first.contains("perceptions 1"), "{first}");
    let second = lines.iter().find(|line| line.starts_with("    2  ")).unwrap();
    assert!(second.contains("commands 13 (Clear 1, Extinguish 1, LClear 1, Load 1, Move 2,"), "{second}");
}

#[test]
fn one_timestep_can_be_asked_for() {
    let node = Node::new();
    node.ctl(&["open", "run.log"]).good();
    let watching = node.view(&["--world", "--time", "1"]);
    node.ctl(&["connect", "1", "1"]).good();
    assert_eq!(
        watching.end().good(),
        "    1  world 5 (Blockade 1, Building 1, Civilian 1, Road 1, TacticsAmbulance 1); score 1.000\n"
    );
    let watching = node.view(&["--time", "9"]);
    node.ctl(&["connect", "2", "1"]).good();
    let said = watching.end();
    assert_eq!(said.error(1), "timestep 9: the log ends before this timestep");
    assert_eq!(said.out, "");
}

#[test]
fn a_viewer_ends_when_the_server_does_if_it_is_told_to() {
    let node = Node::new();
    let watching = node.view(&["--once"]);
    drop(node);
    let said = watching.end();
    assert_eq!((said.code, said.out.as_str()), (0, "    0  no session\n"), "{said:?}");
}

#[test]
fn a_viewer_is_there_again_after_the_server_and_says_what_it_has_missed() {
    let node = Node::new();
    node.ctl(&["open", "run.log"]).good();
    let watching = node.view(&["--json", "--steps", "4"]);
    node.ctl(&["connect", "1", "1"]).good();
    until("the log has ended", || node.json(&["providers", "1"])[0]["status"] == "closed");
    let (address, folder) = (node.viewer.clone(), node.folder.0.clone());
    let Node { server, folder: _folder } = node;
    drop(server);
    let config = Config {
        log_dir: vec![folder.to_str().unwrap().to_owned()],
        viewer_bind: vec![address],
        play_speed_percent: 1000,
        ..Config::default()
    };
    let next = program::Node::start_at("N1", config);
    until("the viewer is there", || next.json(&["viewers"])[0]["status"] == "online");
    next.ctl(&["open", "run.log"]).good();
    next.ctl(&["connect", "1", "1"]).good();
    let said = watching.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.lines().filter(|line| line.contains("no session")).count(), 2, "{said:?}");
    for wanted in ["closed the connection; trying again", "again\n", "timestep 1 is shown, and 2 was before"] {
        assert!(said.err.contains(wanted), "{wanted}: {said:?}");
    }
}

#[test]
fn a_viewer_whose_output_nobody_reads_does_not_wait_for_the_server() {
    let node = Node::new();
    let mut watching = node.view(&[]);
    drop(watching.child.stdout.take());
    drop(node);
    let said = watching.end();
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_refusal_is_the_managers_own_sentence() {
    let node = Node::new();
    let said = node.ctl(&["open", "none.log"]);
    let wanted = "there is no log 'none.log' below the directories of logs (log_dir); there are: run.log";
    assert_eq!(said.error(1), wanted);
    assert_eq!(node.ctl(&["logs"]).good().lines().next(), Some("NAME     BYTES"));
    assert_eq!(node.json(&["logs"])["logs"][0]["name"], "run.log");
    assert_eq!(node.json(&["close", "7"]), json!({"error": {"message": "there is no provider 7", "data": {}}}));
    assert_eq!(node.ctl(&["disconnect", "4"]).error(1), "there is no viewer 4");
    assert_eq!(node.ctl(&["connect", "4", "5"]).error(1), "there is no provider 5");
    node.ctl(&["open", "run.log"]).good();
    assert_eq!(node.ctl(&["refresh", "1"]).error(1), "provider 1 is a log and has no connection to renew");
    assert_eq!(node.ctl(&["refresh"]).good(), "there is no connection to renew\n");

    let errors = node.ctl(&["errors"]);
    assert_eq!(errors.good().lines().filter(|line| line.ends_with(wanted)).count(), 1);
    assert!(node.json(&["errors"]).as_array().unwrap().len() >= 4);
    let manager = node.json(&["manager"]);
    assert_eq!((&manager["providers"], &manager["viewers"], &manager["sessions"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(manager["port"].to_string(), node.viewer.rsplit_once(':').unwrap().1);
    assert!(node.ctl(&["manager"]).good().contains("\nproviders  1\n"));
}

#[test]
fn kernels_are_opened_by_host_and_port_and_connected_anew() {
    let node = Node::new();
    // Listening and silent: a kernel that does not answer.
    let kernel = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = kernel.local_addr().unwrap().port().to_string();
    assert_eq!(node.json(&["open", "127.0.0.1", &port])["provider"], 1);
    assert_eq!(node.json(&["providers"])[0]["ids"], format!("127.0.0.1/{port}"));
    let (_first, _) = kernel.accept().unwrap();
    assert_eq!(node.ctl(&["refresh"]).good(), "provider 1 connects anew\n");
    let (_second, _) = kernel.accept().unwrap();
    assert_eq!(node.json(&["refresh", "1"]), json!({"provider": [1]}));
    assert_eq!(node.ctl(&["errors"]).good(), "there are no errors\n");
}

#[test]
fn what_cannot_be_opened_is_told_at_once_and_what_waits_is_told_too() {
    let node = Node::new();
    let nobody = Nobody::new();
    let refused = nobody.port().to_string();
    let opened = node.ctl(&["open", "127.0.0.1", &refused, "--keep"]);
    assert_eq!(opened.good(), format!("provider 1 is open, waiting for 127.0.0.1 {refused}\n"));
    let said = node.ctl(&["providers"]);
    let row = said.good().lines().nth(1).unwrap();
    assert!(row.contains("online") && row.ends_with("  waiting"), "{said:?}");
    // No kernel: it talks like a web server.
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        drop(std::io::Read::read(&mut stream, &mut [0; 64]));
    });
    let failed = node.ctl(&["open", "127.0.0.1", &port]);
    let why = failed.error(1).strip_prefix("provider 2: ").expect("it stays listed under that id").to_owned();
    server.join().unwrap();
    let row = node.json(&["providers", "2"])[0].clone();
    assert_eq!((&row["status"], &row["message"]), (&json!("errored"), &json!(why)));
    assert_eq!(node.ctl(&["open", "run.log", "--keep"]).error(2), "open: --keep is for a kernel, HOST PORT");
}

#[test]
fn a_viewer_that_is_disconnected_is_in_no_session() {
    let node = Node::new();
    node.ctl(&["open", "run.log"]).good();
    let mut watching = node.view(&[]);
    node.ctl(&["connect", "1", "1"]).good();
    assert_eq!(node.json(&["sessions"])[0]["viewer"], json!([1]));
    assert_eq!(node.json(&["disconnect", "1"]), json!({"viewer": [1]}));
    assert_eq!(node.json(&["sessions"])[0]["viewer"], json!([]));
    watching.child.kill().unwrap();
    watching.child.wait().unwrap();
}

#[test]
fn exit_ends_the_manager() {
    let mut node = Node::new();
    assert_eq!(node.ctl(&["exit"]).good(), "the Manager ends\n");
    let thread = node.server.hand_over();
    assert!(thread.join().is_ok(), "the server has ended");
    assert_eq!(node.ctl(&["exit"]).error(3), format!("no Manager at {}: connection refused{IS_THAT}", node.control));
    let said = run(&["view", &node.viewer]);
    assert_eq!(said.error(3), format!("no Manager at {}: connection refused{IS_THAT}", node.viewer));
}

#[test]
fn what_does_not_speak_the_protocol_is_told_so() {
    // What a ZMTP peer greets with is no length.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let greeter = thread::spawn(move || {
        let greeted = [(); 2].map(|()| {
            let (mut stream, _) = other.accept().unwrap();
            stream.write_all(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]).unwrap();
            stream
        });
        // Both stay open until the second is closed from the other side.
        let [_first, mut second] = greeted;
        second.read_to_end(&mut Vec::new()).map(|_| ())
    });
    let said = run(&["ctl", "--control", &address, "manager", "-t", "2"]);
    let problem = "the length header is not a whole number of bytes";
    assert_eq!(said.error(1), format!("{address} is no Manager's control port: {problem}"));
    let said = run(&["view", &address]);
    assert_eq!(said.error(1), format!("{address} is no Manager's viewer port: {problem}"));
    drop(greeter);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let said = run(&["ctl", "--control", &address, "errors", "-t", "0.2"]);
    assert_eq!(said.error(3), format!("the Manager at {address} did not answer within 0.2 s: GetErrorList"));
}

#[test]
fn wrong_words_are_told_before_anybody_is_asked() {
    for (words, wanted) in [
        (&["close"][..], "close: ID is missing (usage: instep ctl close ID [ID...])"),
        (&["close", "x"], "'x' is not an id, which is a whole number"),
        (&["connect", "1"], "connect: PROVIDER is missing (usage: instep ctl connect VIEWER PROVIDER)"),
        (&["open", "h", "0"], "open: '0' is not a port from 1 to 65535"),
        (&["open", "h", "1", "2"], "open: '2' is one word too many (usage: instep ctl open FILE|HOST [PORT] [--keep])"),
        (&["--control", "h:x", "errors"], "--control 'h:x': a host and port like 127.0.0.1:12310 is wanted"),
    ] {
        let said = run(&[&["ctl"], words].concat());
        assert_eq!((said.error(2), said.out.as_str()), (wanted, ""));
    }
    // The Coordinator is asked for the control port.
    let nobody = Nobody::new();
    let said = run(&["ctl", "-a", &nobody.to_string(), "errors"]);
    assert!(
        said.error(3).starts_with(&format!("no Coordinator at {nobody}: connection refused (start one: instep -p "))
    );
}

// ---- Logs ----

fn log(words: &[&str]) -> Said {
    run(&[&["log"], words].concat())
}

#[test]
fn logs_of_every_packing_come_to_the_same_numbers() {
    let folder = Folder::new();
    let records = rcrs::small_run();
    let plain = rcrs::framed_log(&records);
    let archive = rcrs::archive(&rcrs::entries(&records), rcrs::Packing::Lzma2, false);
    for (name, content, kind) in [
        ("plain.log", plain.clone(), "plain frames"),
        ("binary.log", rcrs::binary_log(&records), "binary records"),
        ("packed.xz", rcrs::lzma_alone(&plain), "frames in LZMA"),
        ("packed.gz", rcrs::gzip(&plain, true), "log packed with gzip"),
        ("packed.7z", archive, "7z archive"),
    ] {
        let path = folder.file(name, &content);
        let said = log(&[&path, "--json", "-e", "2", "--entity", "99"]).json();
        assert_eq!(
            (&said["kind"], &said["whole"], &said["bytes"]),
            (&json!(kind), &json!(true), &json!(content.len()))
        );
        let kinds =
            json!({"start": 1, "initial": 1, "config": 1, "perceptions": 2, "commands": 2, "updates": 2, "end": 1});
        assert_eq!((&said["records"], &said["records_total"]), (&kinds, &json!(10)), "{name}");
        assert_eq!((&said["time_max"], &said["timesteps_planned"]), (&json!(2), &json!(2)));
        assert_eq!(
            (&said["config_keys"], &said["map_name"], &said["areas"]),
            (&json!(3), &json!("maps/tést"), &json!(2))
        );
        assert_eq!((&said["commands"]["move"], &said["moves_without_point"]), (&json!(2), &json!(1)));
        assert_eq!(said["undefined"], json!({"x": 1, "positionhistory": 1}));
        let step = json!({"time": 1, "entities": {"road": 1, "building": 1, "civilian": 1, "ambulanceteam": 1, "blockade": 1},
                          "entities_total": 5, "commands": {}, "changed": 2, "deleted": 0, "perceptions": 1, "whole": true});
        assert_eq!(said["steps"][1], step, "{name}");
        assert_eq!((&said["entities"]["2"]["ignition"], &said["entities"]["99"]), (&json!(1), &Value::Null));
        let said = log(&[&path, "-e", "99"]);
        let first = format!("{path}: {kind}, whole\n  size            {} bytes", content.len());
        assert!(said.good().starts_with(&first), "{said:?}");
        assert!(said.out.contains("\n  at all times    road 1, building 1, civilian 1, ambulanceteam 1\n"), "{said:?}");
        assert!(said.out.contains("\n  entity 99       is not there at the end\n"), "{said:?}");
        assert_eq!(said.out.lines().last().map(|line| line.contains("rest 1, move 2, load 1")), Some(true), "{said:?}");
    }
}

#[test]
fn a_log_that_is_cut_short_is_read_as_far_as_it_goes() {
    let folder = Folder::new();
    let plain = rcrs::framed_log(&rcrs::small_run());
    let path = folder.file("cut.log", &plain[..plain.len() - 20]);
    let said = log(&[&path]);
    assert!(said.good().contains(": plain frames, truncated"), "{said:?}");
    let last: Vec<_> = said.out.lines().last().unwrap_or_default().split_whitespace().take(6).collect();
    assert_eq!(
        last,
        ["2", "-", "-", "-", "-", "1"],
        "of a timestep that was not read to its end there is no world: {said:?}"
    );
    let said = log(&[&path, "--json"]).json();
    assert_eq!(said["steps"][2]["whole"], false);
    assert_eq!((&said["whole"], &said["time_max"], &said["timesteps_planned"]), (&json!(false), &json!(1), &json!(2)));
}

#[test]
fn what_is_no_log_is_told_in_a_sentence() {
    let folder = Folder::new();
    let text = folder.file("odd.txt", b"hello there, this is no log of any kind");
    assert_eq!(log(&[&text]).error(1), format!("{text}: the file is not a simulation log"));
    let empty = folder.file("empty.log", b"");
    assert_eq!(log(&[&empty]).error(1), format!("{empty}: the log is empty: its run may not have started yet"));
    let none = folder.0.join("none.log").to_str().unwrap().to_owned();
    assert_eq!(log(&[&none]).error(1), format!("{none}: no such file or directory"));
    let here = folder.0.to_str().unwrap();
    assert_eq!(log(&[here]).error(1), format!("{here}: is not a file"));
    let mut content = rcrs::framed_log(&rcrs::small_run());
    let last = content.len() - 6;
    content.splice(last..last, [0, 0, 0, 2, 0xff, 0xff]);
    let broken = folder.file("broken.log", &content);
    let said = log(&[&broken, "--json"]);
    assert!(said.error(1).ends_with("(behind 9 good records, up to timestep 2)"), "{said:?}");
    let recording = folder.file("broken.vlog", &[0x81, 0xc1]);
    assert!(log(&[&recording]).error(1).starts_with(&format!("{recording}: the recording is damaged: ")));
}

#[test]
fn a_recording_comes_to_the_numbers_of_what_was_recorded() {
    let node = Node::new();
    node.ctl(&["open", "run.log"]).good();
    let watching = node.view(&["--steps", "2"]);
    node.ctl(&["connect", "1", "1"]).good();
    watching.end().good();
    until("the recording is whole", || node.json(&["counters"])["recordings_whole"] == 1);
    let recording = fs::read_dir(&node.folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "vlog"))
        .unwrap();
    let recording = recording.to_str().unwrap();
    // The box of the map, which does not begin at zero.
    let run = node.folder.0.join("run.log");
    for path in [run.to_str().unwrap(), recording] {
        assert_eq!(log(&[path, "--json"]).json()["bounds"], json!([0.0, -1000.0, 2000.0, 0.0]), "{path}");
        assert!(log(&[path]).good().contains("2 areas, from 0,-1000 to 2000,0 mm"), "{path}");
    }
    let said = log(&[recording, "--json", "-e", "300"]).json();
    assert_eq!(
        (&said["kind"], &said["whole"], &said["time_max"]),
        (&json!("viewer recording"), &json!(true), &json!(2))
    );
    assert_eq!((&said["areas"], &said["config_keys"], &said["timesteps_planned"]), (&json!(2), &json!(3), &json!(2)));
    let steps = said["steps"].as_array().unwrap();
    let last = &steps[steps.len() - 1];
    assert_eq!(last["entities"], json!({"Road": 1, "Building": 1, "Civilian": 1, "TacticsAmbulance": 1}));
    assert_eq!((&last["commands"]["Move"], &last["deleted"]), (&json!(2), &json!(1)));
    assert_eq!(said["entities"]["300"]["position"], 2_000_000_000);

    let bytes = fs::read(recording).unwrap();
    // The last four bytes are its end; without them it was cut between two timesteps.
    for (missing, time) in [(1, 2), (4, 2), (5, 1)] {
        let cut = node.folder.file("cut.vlog", &bytes[..bytes.len() - missing]);
        let said = log(&[&cut, "--json"]).json();
        assert_eq!((&said["whole"], &said["time_max"]), (&json!(false), &json!(time)), "{missing}");
    }
}

// ---- Logs of real kernels ----

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("INSTEP_RCRS_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: INSTEP_RCRS_DATA is not set");
    }
    folder
}

/// The summary of a log, all its timesteps compared with what the kernel's own reader printed, up to where the log ends.
fn checked(folder: &Path, name: &str, words: &[&str]) -> Value {
    let path = folder.join(name);
    let said = log(&[&[path.to_str().unwrap(), "--json"], words].concat()).json();
    let expected = fs::read_to_string(folder.join("rescue.expected.txt")).unwrap_or_default();
    let between = |line: &str, from: &str, to: &str| {
        let rest = line.split_once(from).unwrap().1;
        rest.split_once(to).map_or(rest, |(found, _)| found).to_owned()
    };
    let counted = |text: &str, word: &dyn Fn(i32) -> &'static str| {
        let pairs = text.split(", ").filter_map(|pair| pair.split_once('='));
        pairs.map(|(urn, n)| (word(urn.parse().unwrap()), n.parse().unwrap())).collect::<BTreeMap<_, usize>>()
    };
    for (line, step) in expected.lines().filter(|line| line.starts_with("t=")).zip(said["steps"].as_array().unwrap()) {
        let kinds = counted(&between(line, "types {", "}"), &|urn| EntityKind::from_number(urn).unwrap().word());
        assert_eq!(step["entities"], json!(kinds), "{line}");
        assert_eq!(step["time"].to_string(), between(line, "t=", " "));
        assert_eq!(step["perceptions"].to_string(), between(line, "perceptions ", " "));
        if line.contains("cmds {") {
            let kinds = counted(&between(line, "cmds {", "}"), &|urn| CommandKind::from_number(urn).unwrap().word());
            assert_eq!(step["commands"], json!(kinds), "{line}");
            let changes = format!("{}/{}", step["changed"], step["deleted"]);
            assert_eq!(changes, between(line, "changed/deleted ", " "), "{line}");
        }
    }
    said
}

#[test]
fn the_packed_log_of_a_kernel_gives_every_number_of_its_description() {
    let Some(data) = data() else { return };
    let said = checked(&data.join("rich40-xz"), "rescue.log.xz", &["-e", "59932914", "-e", "934"]);
    let kinds =
        json!({"start": 1, "initial": 1, "config": 1, "perceptions": 760, "commands": 40, "updates": 40, "end": 1});
    assert_eq!((&said["records"], &said["records_total"]), (&kinds, &json!(844)));
    assert_eq!((&said["unpacked_bytes"], &said["whole"]), (&json!(1_530_201), &json!(true)));
    assert_eq!(
        (&said["time_max"], &said["timesteps_planned"], &said["config_keys"]),
        (&json!(40), &json!(40), &json!(330))
    );
    assert_eq!((&said["areas"], &said["bounds"]), (&json!(95), &json!([0.0, 0.0, 165_000.0, 141_000.0])));
    let commands = json!({"rest": 124, "move": 475, "load": 1, "say": 36, "tell": 36, "clear": 24, "clear_area": 22,
                          "subscribe": 9, "speak": 150});
    assert_eq!((&said["commands"], &said["moves_without_point"]), (&commands, &json!(451)));
    assert_eq!(said["undefined"], json!({"positionhistory": 277, "x": 1, "y": 1}));
    let totals = [0, 1, 40].map(|time| said["steps"][time]["entities_total"].clone());
    assert_eq!(totals, [111, 200, 183].map(Value::from));
    let blockades = [1, 10, 20, 40].map(|time| said["steps"][time]["entities"]["blockade"].clone());
    assert_eq!(blockades, [89, 86, 80, 72].map(Value::from));
    let civilian = &said["entities"]["59932914"];
    let values = ["x", "y", "position", "hp", "damage", "buriedness"].map(|key| civilian[key].clone());
    assert_eq!(values, [42421, 77033, 936, 9157, 26, 60].map(Value::from));
    let building = &said["entities"]["934"];
    let values = ["ignition", "fieryness", "temperature", "brokenness", "floors"].map(|key| building[key].clone());
    assert_eq!(values, [1, 1, 52, 0, 2].map(Value::from));
}

#[test]
fn other_logs_of_kernels_give_the_numbers_of_their_descriptions() {
    let Some(data) = data() else { return };
    let said = checked(&data.join("test25-7z"), "rescue.log.7z", &[]);
    assert_eq!((&said["records_total"], &said["kind"]), (&json!(254), &json!("7z archive")));
    assert_eq!(said["steps"][25]["entities_total"], 185);
    let same = data.join("same8-three-encodings");
    for (name, bytes) in [("rescue.log.xz", 17_760), ("rescue.log.7z", 73_302), ("rescue.log", 619_431)] {
        let said = checked(&same, name, &[]);
        assert_eq!((&said["records_total"], &said["bytes"]), (&json!(84), &json!(bytes)), "{name}");
    }
    let said = checked(&data.join("v1.5-20"), "rescue.log", &[]);
    assert_eq!((&said["records_total"], &said["steps"][20]["entities_total"]), (&json!(204), &json!(184)));
    assert_eq!(said["steps"][20]["entities"]["blockade"], 82);

    let killed = data.join("killed");
    let said = checked(&killed, "rescue.log.xz", &[]);
    assert_eq!((&said["records_total"], &said["time_max"], &said["whole"]), (&json!(294), &json!(13), &json!(false)));
    let said = checked(&killed, "rescue.log.7z", &[]);
    assert_eq!((&said["records_total"], &said["time_max"], &said["whole"]), (&json!(547), &json!(25), &json!(false)));
}
