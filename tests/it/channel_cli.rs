//! The channels on a terminal: publish, subscribe, watch the log, record and replay.

use std::process::{Child, Stdio};

use crate::common::manager::Directory;
use crate::common::program::{Node, Said, program, run, until};
use instep::config::{ChannelPort, Config};

/// A node with both channels.
fn node() -> Node {
    let port = ChannelPort::At(0);
    Node::start("N1", Config { data_port: port, log_channel_port: port, ..Config::default() })
}

#[test]
fn a_channel_that_is_off_is_said_to_be_off() {
    let node = Node::start("N1", Config { data_port: ChannelPort::Off, ..Config::default() });
    for words in [&["data"][..], &["subscribe"], &["publish", "N1.a", "1"], &["record", "never.rec"]] {
        let said = node.ctl(words);
        assert!(said.error(3).contains("the data channel of N1.COORDINATOR is off: by data_port"), "{said:?}");
    }
}

/// A command that goes on; it has subscribed when this returns.
fn begin(node: &Node, channel: &str, words: &[&str]) -> Child {
    let subscriptions = || node.json(&["call", channel, "send_traffic"])["subscriptions"].as_u64().unwrap();
    let before = subscriptions();
    let mut command = program();
    command.args(["ctl", "-a", &node.address.to_string()]).args(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("it has subscribed", || subscriptions() > before);
    child
}

fn end(child: Child) -> Said {
    child.wait_with_output().unwrap().into()
}

#[test]
fn what_is_published_is_heard_and_told() {
    let node = node();
    let plain = begin(&node, "DATA_COORDINATOR", &["subscribe", "N1.", "-n", "2"]);
    let json = begin(&node, "DATA_COORDINATOR", &["subscribe", "-n", "1", "--json"]);
    let told = node.ctl(&["data"]);
    assert!(told.good().contains("N1.") && told.good().contains("(all)"), "{told:?}");
    for (topic, content) in [("N1.a", r#"{"volt": 1.5}"#), ("N2.b", "2"), ("N1.c", "3")] {
        assert_eq!(node.ctl(&["publish", topic, content]).good(), format!("published under {topic}\n"));
    }
    assert_eq!(end(plain).good(), "N1.a {\"volt\": 1.5}\nN1.c 3\n");
    let heard = end(json).json();
    assert_eq!((&heard["topic"], &heard["data"]["volt"], &heard["type"]), (&"N1.a".into(), &1.5.into(), &1.into()));
    assert!(node.ctl(&["publish", "N1.a", "no"]).error(2).contains("'no' is not JSON"));
}

#[test]
fn what_comes_of_each_topic_is_told_with_how_much_that_is_in_a_second() {
    let node = node();
    let heard = begin(&node, "DATA_COORDINATOR", &["subscribe", "N1.", "N2", "-n", "3"]);
    for content in ["1", "2"] {
        node.ctl(&["publish", "N1.a", content]).good();
    }
    until("both have come", || node.json(&["counters"])["published"] == 2);
    let told = node.json(&["data"]);
    let topic =
        |name: &str| told["topics"].as_array().unwrap().iter().find(|row| row["topic"] == name).unwrap().clone();
    let numbers = |row: &serde_json::Value| ["messages", "messages_per_s", "bytes_per_s"].map(|key| row[key].as_u64());
    assert_eq!(numbers(&topic("N1.")), [Some(2), Some(0), Some(0)]);
    assert_eq!(numbers(&topic("N2")), [Some(0), Some(0), Some(0)]);
    assert!(topic("N1.")["bytes"].as_u64() > Some(2), "{told}");
    assert_eq!(told["subscribers"][0]["messages_per_s"], 0, "{told}");
    let said = node.ctl(&["data"]);
    let line = said.good().lines().find(|line| line.starts_with("N1. ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["N1.", "0", "0", "2", "1"], "{said:?}");
    node.ctl(&["publish", "N1.a", "3"]).good();
    end(heard).good();
}

#[test]
fn who_subscribes_later_is_given_last_values_where_that_is_set() {
    let config = Config { data_port: ChannelPort::At(0), last_values: true, ..Config::default() };
    let node = Node::start("N1", config);
    for (topic, content) in [("N1.a", "1"), ("N2.b", "2"), ("N1.a", "3")] {
        node.ctl(&["publish", topic, content]).good();
    }
    until("all have come", || node.json(&["counters"])["published"] == 3);
    assert!(node.ctl(&["data"]).good().contains("last values of 2 topics, "));
    for (topic, expected) in [("N1.", "N1.a 3\n"), ("N2", "N2.b 2\n")] {
        assert_eq!(node.ctl(&["subscribe", topic, "-n", "1"]).good(), expected);
    }
}

#[test]
fn the_log_is_watched_from_a_level_on() {
    let node = node();
    let child = begin(&node, "LOG_COORDINATOR", &["log-watch", "--level", "warning", "N1.", "-n", "1"]);
    for (topic, level, text) in
        [("N1.x", "INFO", "quiet"), ("N2.x", "ERROR", "elsewhere"), ("N1.x", "WARNING", "hot\\nhot")]
    {
        let entry = format!(r#"["2026-12-01 12:00:00", "{level}", "laser", "{text}"]"#);
        node.ctl(&["publish", "--log", topic, &entry]).good();
    }
    assert_eq!(end(child).good(), "2026-12-01 12:00:00 WARNING  N1.x laser: hot\n    hot\n");
    assert!(node.ctl(&["log-watch", "--level", "loud"]).error(2).contains("'loud': there are DEBUG, INFO"));
    let child = begin(&node, "LOG_COORDINATOR", &["log-watch", "-n", "1"]);
    node.ctl(&["publish", "--log", "N1.x", r#""no log message""#]).good();
    assert_eq!(end(child).good(), "N1.x \"no log message\"\n");
    let long = node.ctl(&["publish", "N1.x", &"7".repeat(1000)]);
    assert!(long.error(2).len() < 200 && long.error(2).contains("is not JSON"), "{long:?}");
}

#[test]
fn a_recording_is_read_whenever_its_recorder_ended_and_is_published_again() {
    let (node, folder) = (node(), Directory::new());
    let path = folder.path().join("probe.rec");
    let path = path.to_str().unwrap();
    let mut recorder = begin(&node, "DATA_COORDINATOR", &["record", path]);
    for content in [r#"{"volt": 1.5, "note": "a,b"}"#, r#"{"volt": 2}"#] {
        node.ctl(&["publish", "N1.p", content]).good();
    }
    let lines = || run(&["replay", path, "--as", "json"]).out.lines().count();
    until("both are in the file", || lines() == 2);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    // A part of another one.
    let whole = std::fs::read(path).unwrap();
    std::fs::write(path, [&whole[..], &whole[16..40]].concat()).unwrap();
    assert_eq!(lines(), 2);
    let table = run(&["replay", path, "--as", "csv"]);
    let rows: Vec<&str> = table.good().lines().map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(rows, ["N1.p.note,N1.p.volt", "\"a,b\",1.5", ",2"]);
    let child = begin(&node, "DATA_COORDINATOR", &["subscribe", "-n", "2"]);
    assert_eq!(node.ctl(&["replay", path, "--speed", "0"]).good(), format!("2 messages of {path} published\n"));
    assert_eq!(end(child).good().lines().last(), Some("N1.p {\"volt\": 2}"));
    let again = node.ctl(&["record", path]);
    assert!(again.error(1).contains("exist"), "{again:?}");
    std::fs::write(path, "something else, which is longer").unwrap();
    assert!(run(&["replay", path, "--as", "json"]).error(1).ends_with("not a recording of a channel"));
}

#[test]
#[cfg(unix)]
fn who_may_not_is_told_on_the_terminal_what_is_needed() {
    use instep::auth::{hash_of, token_of};
    use instep::config::{Access, Role, UserRule};
    use std::os::unix::fs::OpenOptionsExt as _;

    let token = token_of(&[7; 32]);
    let file = std::env::temp_dir().join(format!("instep-channel-token-{}", std::process::id()));
    let mut open = std::fs::OpenOptions::new();
    let mut written = open.write(true).create(true).truncate(true).mode(0o600).open(&file).unwrap();
    std::io::Write::write_all(&mut written, token.as_bytes()).unwrap();
    let laser = UserRule {
        token: vec![hash_of(&token)],
        publish: vec!["N1.laser*".into()],
        subscribe: vec!["N1.*".into()],
        ..UserRule::of("laser", Role::Component)
    };
    let node = Node::start(
        "N1",
        Config { auth: Access::All, users: vec![laser], data_port: ChannelPort::At(0), ..Config::default() },
    );
    let asked = |words: &[&str]| {
        let address = node.address.to_string();
        let shown = ["--token-file", file.to_str().unwrap()];
        run(&[&["ctl", "-a", &address], words, &shown].concat())
    };
    assert_eq!(asked(&["publish", "N1.laser_2", "1"]).good(), "published under N1.laser_2\n");
    for (words, needs) in [
        (&["publish", "N1.other", "1"][..], "publish"),
        (&["subscribe", "N1.a", "N2"], "subscribe"),
        (&["subscribe"], "subscribe"),
        (&["record", "never.rec"], "subscribe"),
    ] {
        let said = asked(words);
        let said = said.error(1);
        assert!(said.contains(&format!("does not let laser {needs}: it is not in the list {needs}")), "{said}");
    }
    assert!(!std::path::Path::new("never.rec").exists());
    std::fs::remove_file(file).unwrap();
}
