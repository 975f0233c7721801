//! What reaches a terminal, a file and the journal: nothing that a stranger could have put there to be obeyed, times of one width, and
//! news only of what is news.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;

use super::serve_cli::Running;
use crate::common::live::Raw;
use crate::common::program::{self, Node, run, until};
use serde_json::json;

/// Letters that a terminal obeys, and letters that turn the text around them.
const WILD: &str = "a\u{1b}[31m\u{9b}0m\u{7f}\u{202e}b\u{2066}\u{200f}\u{61c}c";

/// Whether a text holds one of those, or another like them.
fn is_wild(text: &str) -> bool {
    text.chars().any(|letter| {
        (letter.is_control() && letter != '\n')
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[test]
fn what_strangers_say_is_shown_and_not_obeyed() {
    assert!(is_wild(WILD));
    let node = Node::new("N1", &[]);
    let made = json!({"name": "wild", "display_name": WILD, "description": WILD});
    node.ctl(&["call", "COORDINATOR", "create_session", &made.to_string()]).good();
    // A kernel that is never found is on the lists of providers and of errors, with the name that it was given.
    node.ctl(&["open", WILD, "1"]).good();
    node.ctl(&["open", WILD]);
    for words in [
        &["session", "info", "wild"][..],
        &["call", "COORDINATOR", "send_sessions"],
        &["providers"],
        &["errors"],
        &["open", WILD],
        &["call", "N1.nobody\u{9b}\u{202e}", "pong"],
        &["call", "COORDINATOR", WILD],
        &["ping", WILD],
        &[WILD],
        &["--address", WILD, "nodes"],
        &["session", WILD],
    ] {
        let text = node.ctl(words);
        assert!(!is_wild(&text.out) && !is_wild(&text.err), "{words:?}: {text:?}");
        let script = node.ctl(&[words, &["--json"]].concat());
        assert!(!is_wild(&script.out) && !is_wild(&script.err), "{words:?}: {script:?}");
    }
    // In JSON it is the same text.
    let sessions = node.json(&["call", "COORDINATOR", "send_sessions"]);
    assert_eq!(sessions[1]["info"]["displayName"], WILD, "{sessions}");
    assert_eq!(node.json(&["providers"])[0]["ids"], format!("{WILD}/1"));

    for words in
        [&["view", WILD][..], &["log", WILD], &["bench", WILD], &["demo", WILD], &["--port", WILD], &["-c", WILD]]
    {
        let said = run(words);
        assert!(!is_wild(&said.out) && !is_wild(&said.err) && !said.err.is_empty(), "{words:?}: {said:?}");
    }
}

/// The address on which a server says that it listens.
fn address_of(server: &Running) -> String {
    server.line("is N1.COORDINATOR on ").rsplit_once(' ').unwrap().1.to_owned()
}

#[test]
fn what_strangers_say_is_logged_in_one_line() {
    let server = Running::start(&[]);
    let address = address_of(&server);
    let name = format!("{WILD}\n[ERROR] all is lost");
    assert_eq!(run(&["ctl", "-a", &address, "open", &name, "1"]).code, 0);
    let line = server.line("provider 1 opened");
    assert!(
        line.ends_with("RCRS a\\u001b[31m\\u009b0m\\u007f\\u202eb\\u2066\\u200f\\u061cc\\n[ERROR] all is lost/1"),
        "{line}"
    );
}

#[test]
fn who_only_asks_is_no_news() {
    for (flags, is_told) in [(&[][..], false), (&["-v"], true)] {
        let server = Running::start(flags);
        let address = address_of(&server);
        assert_eq!(run(&["ctl", "-a", &address, "components"]).code, 0);
        let mut component = Raw::component_at(address.parse().unwrap(), "CA");
        component.call("CA", "sign_out");
        let lines: Vec<String> = server.lines_to("component CA signed out");
        let of_ctl: Vec<&String> = lines.iter().filter(|line| line.contains("component ctl-")).collect();
        assert_eq!(of_ctl.len(), if is_told { 2 } else { 0 }, "{lines:?}");
        assert!(of_ctl.iter().all(|line| line.contains("[DEBUG] ")));
        assert!(lines.iter().any(|line| line.contains("[INFO] component CA signed in from 127.0.0.1:")), "{lines:?}");
    }
}

#[test]
fn who_comes_by_ipv4_is_shown_so() {
    let server = Running::start(&["-v", "--bind", "[::]:0"]);
    let line = server.line("is N1.COORDINATOR on [::]:");
    let port = line.split("on [::]:").nth(1).unwrap().split(',').next().unwrap();
    assert_eq!(run(&["ctl", "-a", &format!("127.0.0.1:{port}"), "components"]).code, 0);
    let lines = server.lines_to("signed out");
    assert!(lines.iter().any(|line| line.contains("connection from 127.0.0.1:")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("ffff")), "{lines:?}");
}

/// Whether the tests run as root, who may do everything.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap_or_default();
    line.split_ascii_whitespace().nth(2) == Some("0")
}

#[test]
fn root_is_told_that_it_is_not_needed() {
    let server = Running::start(&[]);
    let mut lines = server.lines_to("of the Manager");
    server.signal("-TERM");
    lines.extend(server.lines_to("has ended"));
    let warned = lines.iter().filter(|line| line.contains("[WARN] it runs as root")).count();
    assert_eq!(warned, usize::from(is_root()), "{lines:?}");
}

/// What a server logs to a file as its standard error, until it listens.
fn logged(folder: &str, journal: impl FnOnce(&File) -> Option<String>) -> String {
    let path =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("output-{}-{folder}", std::process::id()));
    let file = File::create(&path).unwrap();
    let mut program = program::program();
    program.env_clear().args(["--bind", "127.0.0.1:0", "--namespace", "N1"]).stdin(Stdio::null());
    if let Some(stream) = journal(&file) {
        program.env("JOURNAL_STREAM", stream);
    }
    let mut child = program.stderr(file).spawn().unwrap();
    let mut text = String::new();
    until("it listens", || {
        text.clear();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        text.contains("a pyleco program connects with")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(&path).unwrap();
    text
}

#[cfg(target_os = "linux")]
#[test]
fn the_journal_has_times_of_its_own() {
    use std::os::linux::fs::MetadataExt as _;
    let is_stamped = |line: &str| {
        let (time, rest) = line.split_at_checked(24).unwrap_or_default();
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00:00:00.000Z" && rest.starts_with(" [")
    };
    let text = logged("file", |_| None);
    assert!(text.lines().all(is_stamped), "{text}");
    // Somebody else's journal.
    let text = logged("other", |_| Some("1:2".to_owned()));
    assert!(text.lines().all(is_stamped), "{text}");
    let text = logged("journal", |file| {
        let file = file.metadata().unwrap();
        Some(format!("{}:{}", file.st_dev(), file.st_ino()))
    });
    assert!(text.lines().all(|line| line.starts_with("<6>[INFO] ") || line.starts_with("<4>[WARN] ")), "{text}");
    assert!(text.contains("<6>[INFO] instep "), "{text}");
}
