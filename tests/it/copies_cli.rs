//! Copies of sessions, as an operator makes them of a server that runs: a backup, a state directory from it, a session in a file and made anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::c2sim;
use crate::common::program::{Said, run};
use crate::serve_cli::Running;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("instep-copies-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The program with a state directory.
struct Server {
    running: Running,
    address: String,
    control: String,
}

impl Server {
    fn start(state: &str) -> Self {
        let here =
            ["--state-dir", state, "--control-bind", "127.0.0.1:0", "--http-bind", "off", "--viewer-bind", "off"];
        let running = Running::start(&here);
        let last = |line: String| line.rsplit(' ').next().unwrap().to_owned();
        let address = last(running.line("COORDINATOR on"));
        let control = last(running.line("controllers connect to"));
        Self { running, address, control }
    }

    fn ctl(&self, words: &[&str]) -> Said {
        run(&[&["ctl", "-a", &self.address, "--control", &self.control], words].concat())
    }

    fn info(&self, session: &str) -> Value {
        self.ctl(&["session", "info", session, "--json"]).json()
    }

    fn end(mut self) {
        self.running.signal("-TERM");
        assert_eq!(self.running.end(), Some(0));
    }
}

/// A session that was shared and runs, and one that collects a long and a short document.
fn fill(server: &Server, folder: &Folder) {
    let file = folder.at("document.xml");
    let send = |session: &str, document: String| {
        fs::write(&file, document).unwrap();
        server.ctl(&["session", "send", session, &file]).good().to_owned()
    };
    server.ctl(&["session", "create", "drill", "--title", "A drill", "--share-guard", "initialized"]).good();
    server.ctl(&["session", "submit", "drill"]).good();
    send("drill", c2sim::initialization("CA", &["CA", "CB"]));
    server.ctl(&["session", "share", "drill"]).good();
    server.ctl(&["session", "start", "drill"]).good();
    server.ctl(&["session", "create", "parts", "--init-merge", "marshal", "--about", "zwei Teile, ü"]).good();
    server.ctl(&["session", "submit", "parts"]).good();
    let padded = format!("<ObjectDefinitions><Name>{}</Name></ObjectDefinitions>", "x".repeat(700_000));
    send("parts", c2sim::initialization("CA", &["CA"]).replace("<ObjectDefinitions/>", &padded));
    send("parts", c2sim::initialization("CB", &["CB"]));
}

#[test]
fn a_backup_of_a_server_that_runs_is_a_state_directory_again() {
    let folder = Folder::new("backup");
    let server = Server::start(&folder.at("state"));
    fill(&server, &folder);
    let backup = folder.at("all.backup");
    let said = server.ctl(&["backup", &backup]);
    assert!(said.good().contains(" has 3 sessions with 0 members, "), "{said:?}");
    let said = server.ctl(&["backup", &backup]);
    assert!(said.error(1).ends_with("is there already: nothing is written over"), "{said:?}");
    let left = fs::read_dir(Path::new(&backup).parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".partial")), "nothing half done stays");
    let before = ["drill", "parts", "default"].map(|name| server.info(name));
    let shared = server.ctl(&["session", "initialization", "drill"]);
    let restore = |words: &[&str]| run(&[&["restore", &backup, "--state-dir"], words].concat());
    let said = restore(&[&folder.at("state")]);
    assert!(said.error(1).ends_with("another process has it open: end that first"), "{said:?}");
    server.ctl(&["session", "delete", "parts", "--force"]).good();
    server.end();
    let said = restore(&[&folder.at("state")]);
    assert!(said.error(1).ends_with("there is a state already (--replace lays it aside)"), "{said:?}");
    restore(&[&folder.at("state"), "--replace"]).good();
    assert!(folder.0.join("state/sessions.redb.before").exists() && !folder.0.join("state/restoring").exists());
    assert!(restore(&[&folder.at("state"), "--replace"]).error(1).contains("is there from another time"));
    assert!(restore(&[&folder.at("other")]).good().contains("has the 3 sessions of"));
    for state in ["state", "other"] {
        let server = Server::start(&folder.at(state));
        for (name, before) in ["drill", "parts", "default"].iter().zip(&before) {
            let now = server.info(name);
            for key in ["id", "sessionName", "displayName", "description", "state", "created", "schemaVersion"] {
                assert_eq!(now.get(key), before.get(key), "{name}: {key}");
            }
            assert!(now["seq"].as_u64() > before["seq"].as_u64(), "no number is given twice");
        }
        assert_eq!(server.ctl(&["session", "initialization", "drill"]).good(), shared.good());
        assert!(server.ctl(&["session", "share", "parts"]).good().contains("INITIALIZED"));
        server.end();
    }
}

#[test]
fn what_is_no_backup_changes_nothing() {
    let folder = Folder::new("wrong");
    let server = Server::start(&folder.at("state"));
    let backup = folder.at("all.backup");
    server.ctl(&["backup", &backup]).good();
    server.end();
    let text = fs::read_to_string(&backup).unwrap();
    let newer = r#"{"instep":"backup","version":9}"#;
    for (name, content, why) in [
        ("cut", &text[..text.len() - 30], "it is damaged, or not whole: take another copy of it"),
        ("none", "hello", "it is no backup, and no exported session"),
        (
            "newer",
            &format!("{newer}\n"),
            "it has version 9, and this program knows versions up to 1: read it with a newer instep",
        ),
    ] {
        let (file, state) = (folder.at(name), folder.at("new"));
        fs::write(&file, content).unwrap();
        let said = run(&["restore", &file, "--state-dir", &state]);
        assert!(said.error(1).ends_with(why), "{said:?}");
        assert!(!Path::new(&state).exists());
    }
    assert!(run(&["restore", &backup]).error(2).starts_with("restore: --state-dir is missing"));
    assert!(run(&["restore"]).error(2).starts_with("restore: which file?"));
}

#[test]
fn a_session_in_a_file_is_made_anew_under_another_name() {
    let folder = Folder::new("export");
    let server = Server::start(&folder.at("state"));
    fill(&server, &folder);
    let (drill, parts) = (folder.at("drill.jsonl"), folder.at("parts.jsonl"));
    assert!(server.ctl(&["session", "export", "drill", &drill]).good().contains("1 documents, "));
    server.ctl(&["session", "export", "parts", &parts]).good();
    let lines: Vec<Value> =
        fs::read_to_string(&drill).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["event"]["event"].as_str()).collect();
    assert!(!kinds.is_empty(), "what has happened is there to be read: {lines:?}");
    let said = server.ctl(&["session", "import", "drill", &drill]);
    assert!(said.error(1).contains("session drill is there already"), "{said:?}");
    let said = server.ctl(&["session", "import", "again", &drill]);
    assert_eq!(said.good(), "again is INITIALIZED, with 1 documents; it was RUNNING when it was copied\n");
    assert_eq!(server.info("again")["displayName"], server.info("drill")["displayName"]);
    let said = server.ctl(&["session", "import", "parts2", &parts]);
    assert_eq!(said.good(), "parts2 is INITIALIZING, with 2 documents; it was INITIALIZING when it was copied\n");
    assert!(server.ctl(&["session", "share", "parts2"]).good().contains("INITIALIZED"));
    // What does not hold leaves no half of a session behind.
    let text = fs::read_to_string(&drill).unwrap();
    let broken = folder.at("broken.jsonl");
    fs::write(&broken, &text[..text.len() / 2]).unwrap();
    assert!(server.ctl(&["session", "import", "broken", &broken]).error(1).contains("it is damaged"));
    let backup = folder.at("all.backup");
    server.ctl(&["backup", &backup]).good();
    assert!(server.ctl(&["session", "import", "x", &backup]).error(1).contains("it is a backup of all sessions"));
    assert!(run(&["restore", &drill, "--state-dir", &folder.at("new")]).error(1).contains("session import NAME"));
    let said = server.ctl(&["session", "list"]);
    assert!(!said.good().contains("broken") && !said.good().contains(" x "), "{said:?}");
    server.end();
}
