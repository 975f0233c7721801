//! The program killed at moments of chance while a member pulls triggers: nothing that was answered is missing after the next start,
//! nothing that was not is half there; and directories of other days. `KILLS=200 cargo test --test it state_cli` kills so often.
#![expect(clippy::disallowed_methods, reason = "a test of the real program reads the clock")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::wire::Heard;
use crate::common::{c2sim, wire};
use instep::hub::ledger::{Ledger as _, Ticket, Write};
use instep::net::ledger_thread::LedgerThread;
use serde_json::{Value, json};

const SESSION: &[u8] = b"N1.session:default";

/// The triggers of one round, and where each leads from the state before it.
const ROUND: [(&str, &str); 7] = [
    ("submit_initialization", "INITIALIZING"),
    ("", "INITIALIZING"), // The initialization itself.
    ("share_scenario", "INITIALIZED"),
    ("start_scenario", "RUNNING"),
    ("pause_scenario", "PAUSED"),
    ("stop_scenario", "INITIALIZED"),
    ("reset_scenario", "UNINITIALIZED"),
];

struct Program {
    child: Child,
    port: u16,
}

impl Program {
    /// Starts it, and learns its port from what it says.
    fn start(state: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_instep"))
            .env_clear()
            .args(["--namespace", "N1", "--bind", "127.0.0.1:0", "--control-bind", "off", "--viewer-bind", "off"])
            .args(["--state-dir", state])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it has ended");
            if let Some((_, address)) = line.trim().split_once("COORDINATOR on 127.0.0.1:") {
                break address.parse().unwrap();
            }
        };
        // What it says from now on must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, port }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Member {
    stream: TcpStream,
    read: Vec<u8>,
    conversation: u64,
}

impl Member {
    fn join(program: &Program) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut member = Self { stream, read: Vec::new(), conversation: 0 };
        member.stream.write_all(&wire::opening(1)).unwrap();
        member.fill(64).unwrap();
        member.read.drain(..64);
        assert_eq!(member.call(b"COORDINATOR", "sign_in").unwrap()["result"], Value::Null);
        assert!(member.call(SESSION, "join").unwrap()["result"].is_object());
        member
    }

    fn fill(&mut self, least: usize) -> Option<()> {
        let mut chunk = [0; 4096];
        while self.read.len() < least {
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.read.extend_from_slice(&chunk[..n]),
            }
        }
        Some(())
    }

    /// Calls; `None` when the program died before it answered.
    fn call(&mut self, receiver: &[u8], method: &str) -> Option<Value> {
        self.say(receiver, wire::request(1, method).as_bytes(), 1)
    }

    fn say(&mut self, receiver: &[u8], payload: &[u8], kind: u8) -> Option<Value> {
        self.conversation += 1;
        let header = wire::header(self.conversation, kind);
        self.stream.write_all(&wire::message(&[&[0], receiver, b"CA", &header, payload])).ok()?;
        loop {
            if let Some(heard) = wire::take(&mut self.read) {
                if let Heard::Message(frames) = heard
                    && frames[3][..16] == header[..16]
                {
                    return Some(wire::json(&frames));
                }
                continue;
            }
            self.fill(self.read.len() + 1)?;
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_answered() {
    let kills: u32 = std::env::var("KILLS").ok().map_or(15, |word| word.parse().unwrap());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("state-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    let state = folder.to_str().unwrap();
    let mut chance = 88_172_645_463_325_252_u64;
    let (mut at, mut last_seq, mut answered) = (0, 0, 0_u32);
    for kill in 0..kills {
        let program = Program::start(state);
        let mut member = Member::join(&program);
        let info = member.call(SESSION, "info").unwrap()["result"].clone();
        let found = info["state"].as_str().unwrap().to_owned();
        let seq = info["seq"].as_u64().unwrap();
        assert!(seq > last_seq, "kill {kill}: number {seq} after {last_seq}");
        // Where it stands: behind what was answered last, or behind the one that was not.
        let before = |at: usize| if at == 0 { "UNINITIALIZED" } else { ROUND[at - 1].1 };
        let next = ROUND[at].1;
        assert!(found == before(at) || found == next, "kill {kill}: {found} after {} was answered", before(at));
        if found != before(at) {
            at = (at + 1) % ROUND.len();
        }
        if found == "INITIALIZING" {
            // Whether the document came through cannot be seen; it may be sent again.
            at = 1;
        }
        let shared = member.call(SESSION, "initialization").unwrap();
        let has = shared.get("error").is_none();
        assert_eq!(
            has,
            matches!(found.as_str(), "INITIALIZED" | "RUNNING" | "PAUSED"),
            "kill {kill}: {found}, {shared}"
        );
        // The moment of death: some time within the next dozen triggers.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let (mut program, wait) = (Some(program), Duration::from_micros(chance % 25_000));
        let pid = program.as_ref().unwrap().child.id();
        let killer = std::thread::spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < wait {
                std::hint::spin_loop();
            }
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        });
        loop {
            let answer = match ROUND[at].0 {
                "" => member.say(SESSION, c2sim::initialization("CA", &["CA"]).as_bytes(), 128),
                trigger => member.call(SESSION, trigger),
            };
            let Some(answer) = answer else { break };
            assert_eq!(answer["result"]["state"], json!(ROUND[at].1), "kill {kill}: {answer}");
            last_seq = answer["result"]["seq"].as_u64().unwrap();
            answered += 1;
            at = (at + 1) % ROUND.len();
        }
        killer.join().unwrap();
        program.take().unwrap().kill();
    }
    eprintln!("{kills} kills, {answered} changes answered");
    assert!(answered > kills, "hardly anything was answered: {answered}");
    drop(std::fs::remove_dir_all(&folder));
}

/// Makes a state directory with these entries.
fn directory(name: &str, entries: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("state-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    let (mut ledger, outcomes) = LedgerThread::open(&folder, || {}).unwrap();
    let change =
        |(key, value): &(&str, &str)| Write { key: (*key).into(), value: Some(value.as_bytes().to_vec().into()) };
    ledger.commit(Ticket(1), entries.iter().map(change).collect());
    drop(ledger);
    assert_eq!(outcomes.take().collect::<Vec<_>>(), [(Ticket(1), Ok(()))]);
    folder
}

/// A session as it was written before records had a version.
fn unversioned() -> Value {
    json!({
        "paused_allows": "all", "share_guard": "initialized", "init_merge": "replace", "unknown_bodies": "refuse",
        "display_name": "Drill", "description": "of long ago", "schema": "2.0.0",
        "configured": null, "created_ms": 1_700_000_000_000_u64, "state": "INITIALIZING", "reserved": 32_768,
        "documents": [3], "multiple": 1.0, "required": [], "completed": [], "scheduled": null
    })
}

#[test]
fn a_state_directory_of_before_versions_opens() {
    let record = unversioned().to_string();
    let document = c2sim::initialization("CA", &["CA"]);
    let entries = [("document/default/00000000000000000003", document.as_str()), ("session/default", &record)];
    let folder = directory("unversioned", &entries);
    let program = Program::start(folder.to_str().unwrap());
    let mut member = Member::join(&program);
    let info = member.call(SESSION, "info").unwrap()["result"].clone();
    assert_eq!((&info["state"], &info["options"]["paused_allows"]), (&json!("INITIALIZING"), &json!("all")));
    assert_eq!(info["info"]["description"], "of long ago");
    assert_eq!(member.call(SESSION, "share_scenario").unwrap()["result"]["state"], "INITIALIZED");
    program.kill();
    // What it wrote has a version, and opens again.
    let (mut ledger, _) = LedgerThread::open(&folder, || {}).unwrap();
    let kept = ledger.load().unwrap();
    drop(ledger);
    let (_, record) = kept.iter().find(|(key, _)| key == b"session/default").unwrap();
    let record: Value = serde_json::from_slice(record).unwrap();
    assert_eq!((&record["version"], &record["state"]), (&json!(2), &json!("INITIALIZED")));
    let program = Program::start(folder.to_str().unwrap());
    let info = Member::join(&program).call(SESSION, "info").unwrap()["result"].clone();
    assert_eq!(info["state"], "INITIALIZED");
    program.kill();
    drop(std::fs::remove_dir_all(&folder));
}

#[test]
fn a_newer_state_directory_is_refused_and_stays_as_it_is() {
    let mut record = unversioned();
    record["version"] = json!(3);
    let folder = directory("newer", &[("session/drill", &record.to_string()), ("thing/of/tomorrow", "?")]);
    let (code, said) = refused(&folder);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("the ledger's session 'drill' cannot be read: it has version 3, and this program"), "{said}");
    assert!(said.trim_end().ends_with("start a newer instep, or use another state_dir"), "{said}");
    let (mut ledger, _) = LedgerThread::open(&folder, || {}).unwrap();
    let kept = ledger.load().unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0], (b"session/drill".to_vec(), record.to_string().into_bytes()));
    drop(ledger);
    drop(std::fs::remove_dir_all(&folder));
}

/// Starts the program with a state directory that keeps it from starting: its code and what it says.
fn refused(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_instep"))
        .env_clear()
        .args(["--bind", "127.0.0.1:0", "--control-bind", "off", "--viewer-bind", "off"])
        .args(["--state-dir", folder.to_str().unwrap()])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("state-bad-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("sessions.redb"), "no store").unwrap();
    let (code, said) = refused(&folder);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("state_dir: ") && said.contains("it is damaged, or no store of sessions"), "{said}");
    drop(std::fs::remove_dir_all(&folder));
}
