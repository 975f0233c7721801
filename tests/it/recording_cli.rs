//! Recordings of the built program on a disk that stalls and on one that is full. The disk is `disk.c`, which stands between the program
//! and the files that it writes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::program::{self, Said, run, until};
use crate::common::rcrs;
use crate::serve_cli::Running;

/// A server that records, and its disk.
struct Node {
    server: Running,
    leco: String,
    control: String,
    viewer: String,
    folder: PathBuf,
}

impl Node {
    fn start(name: &str) -> Self {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("recording-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let disk = folder.join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disk.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&disk).args([source, "-ldl"]).status();
        assert!(built.unwrap().success(), "the linker of Rust is a C compiler too");
        fs::write(folder.join("run.log"), rcrs::framed_log(&rcrs::small_run())).unwrap();
        let place = folder.to_str().unwrap();
        let server = Running::start_in(
            &[
                &["--control-bind", "127.0.0.1:0", "--viewer-bind", "127.0.0.1:0", "--play-speed-percent", "1000"][..],
                &["--log-dir", place, "--record", place],
            ]
            .concat(),
            &[
                ("LD_PRELOAD", &disk),
                ("DISK_STALLED", &folder.join("stalled")),
                ("DISK_WAITED", &folder.join("waited")),
                ("DISK_FULL", &folder.join("full")),
            ],
        );
        let line = server.line(" is N1.COORDINATOR on ");
        let leco = line.rsplit_once(' ').unwrap().1.to_owned();
        let line = server.line("controllers connect to ");
        let (controllers, viewer) = line.split_once(", viewers connect to ").unwrap();
        let control = controllers.rsplit_once(' ').unwrap().1.to_owned();
        Self { server, leco, control, viewer: viewer.to_owned(), folder }
    }

    fn ctl(&self, words: &[&str]) -> Said {
        run(&[&["ctl", "-a", &self.leco, "--control", &self.control], words].concat())
    }

    fn json(&self, words: &[&str]) -> Value {
        self.ctl(&[words, &["--json"]].concat()).json()
    }

    /// Puts the disk into a state, or out of it.
    fn disk(&self, state: &str, is_on: bool) {
        let path = self.folder.join(state);
        if is_on { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Opens the log and plays it to its end for a viewer, whether it is recorded or not.
    fn play(&self) -> i64 {
        let mut viewer = program::program()
            .args(["view", &self.viewer, "--steps", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The hint is written once the viewer is there.
        let mut hint = BufReader::new(viewer.stderr.take().unwrap());
        hint.read_line(&mut String::new()).unwrap();
        let provider = self.json(&["open", "run.log"])["provider"].as_i64().unwrap();
        let viewers = self.json(&["viewers"]);
        let online = viewers.as_array().unwrap().iter().find(|viewer| viewer["status"] == "online").unwrap();
        self.ctl(&["connect", &online["id"].to_string(), &provider.to_string()]).good();
        until("the log has ended", || self.provider(provider)["status"] == "closed");
        assert!(viewer.wait().unwrap().success());
        provider
    }

    fn provider(&self, id: i64) -> Value {
        self.json(&["providers", &id.to_string()])[0].clone()
    }

    /// The recordings that there are, in the order of their names.
    fn recordings(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = all.filter(|path| path.extension().is_some_and(|kind| kind == "vlog")).collect();
        all.sort();
        all
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whatever has happened, nobody waits for this disk any more.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What `instep log` says of a recording.
fn summary(path: &Path) -> (Value, Value) {
    let said = run(&["log", path.to_str().unwrap(), "--json"]).json();
    (said["whole"].clone(), said["time_max"].clone())
}

#[test]
fn a_disk_that_stalls_stops_nothing_and_what_it_takes_in_the_end_is_whole() {
    let node = Node::start("stalled");
    node.disk("stalled", true);
    let provider = node.play();
    until("a write waits", || node.folder.join("waited").exists());
    // All that goes through the loop was done without the disk, and is still.
    assert!(node.ctl(&["ping"]).good().contains("COORDINATOR"));
    assert!(node.provider(provider).get("message").is_none(), "all of it may still wait");
    let counters = node.json(&["counters"]);
    assert_eq!((&counters["recordings"], &counters["timesteps"]), (&json!(1), &json!(2)));
    assert_eq!((&counters["recordings_whole"], &counters["recordings_failed"]), (&json!(0), &json!(0)));
    node.disk("stalled", false);
    until("the recording is whole", || node.json(&["counters"])["recordings_whole"] == 1);
    assert_eq!(node.recordings().iter().map(|path| summary(path)).collect::<Vec<_>>(), [(json!(true), json!(2))]);
}

#[test]
fn the_end_of_the_server_waits_for_a_disk_that_stalls() {
    let mut node = Node::start("end");
    node.disk("stalled", true);
    node.play();
    until("a write waits", || node.folder.join("waited").exists());
    node.server.signal("-TERM");
    node.server.line("stopping");
    node.disk("stalled", false);
    assert_eq!(node.server.end(), Some(0));
    assert_eq!(node.recordings().iter().map(|path| summary(path)).collect::<Vec<_>>(), [(json!(true), json!(2))]);
}

#[test]
fn a_disk_that_is_full_ends_the_recording_with_a_reason_and_not_the_provider() {
    let node = Node::start("full");
    node.disk("full", true);
    let provider = node.play();
    until("the recording has ended", || node.json(&["counters"])["recordings_failed"] == 1);
    let line = node.server.line("the recording has ended: ");
    assert!(line.ends_with(".vlog: No space left on device (os error 28)"), "{line}");
    let shown = node.provider(provider);
    assert_eq!((&shown["status"], &shown["time"]), (&json!("closed"), &json!(2)));
    let message = shown["message"].as_str().unwrap();
    assert!(message.starts_with("the recording has ended: ") && line.ends_with(message), "{message}");
    assert!(node.ctl(&["errors"]).good().trim_end().ends_with(message));
    assert_eq!(node.recordings(), [] as [PathBuf; 0], "half a heading is no recording");
    // The next one finds room.
    node.disk("full", false);
    node.play();
    until("the recording is whole", || node.json(&["counters"])["recordings_whole"] == 1);
    assert_eq!(node.recordings().iter().map(|path| summary(path)).collect::<Vec<_>>(), [(json!(true), json!(2))]);
}
