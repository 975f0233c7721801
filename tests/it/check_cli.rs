//! `instep --check` before a start: the state directory, the ports, what may be read and written. Nothing is changed by it.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::channel;

use instep::hub::ledger::{Ledger as _, Ticket, Write};
use instep::net::ledger_thread::LedgerThread;

use crate::common::program::{Said, program};
use crate::serve_cli::Running;

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("instep-check-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    path
}

fn check(words: &[&str]) -> Said {
    let here = ["--check", "--namespace", "N1", "--bind", "127.0.0.1:0", "--control-bind", "off", "--http-bind", "off"];
    program().args([&here, words].concat()).output().unwrap().into()
}

#[test]
fn a_check_looks_into_the_state_and_leaves_it_as_it_is() {
    let directory = directory("state");
    let state = directory.to_str().unwrap();
    assert!(check(&["--state-dir", state]).good().ends_with("the configuration is in order\n"));
    assert!(!directory.exists(), "a check makes nothing");
    let mut server = Running::start(&["--state-dir", state]);
    server.line("COORDINATOR on");
    let said = check(&["--state-dir", state]);
    assert!(said.good().contains("another process has it open, so it was not looked into"), "{said:?}");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    let path = directory.join("sessions.redb");
    let before = fs::read(&path).unwrap();
    let said = check(&["--state-dir", state]);
    assert!(said.good().contains(": 1 sessions, those of the settings included\n"), "{said:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let (wake, woken) = channel();
    let (mut ledger, _outcomes) = LedgerThread::open(&directory, move || wake.send(()).unwrap_or_default()).unwrap();
    let record = r#"{"version": 99}"#.as_bytes().to_vec();
    ledger.commit(Ticket(1), vec![Write { key: b"session/x".to_vec(), value: Some(record.into()) }]);
    woken.recv().unwrap();
    drop(ledger);
    let said = check(&["--state-dir", state]);
    assert!(said.error(2).contains("it has version 99") && said.error(2).contains("start a newer instep"), "{said:?}");
    fs::write(&path, vec![7; 5000]).unwrap();
    let said = check(&["--state-dir", state]);
    assert!(said.error(2).contains("it is damaged, or no store of sessions"), "{said:?}");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_check_says_which_port_is_in_use_and_refuses_an_address_that_is_not_ours() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let said = check(&["--bind", &address.to_string()]);
    assert!(said.good().contains(&format!("cannot listen on port {}: it is in use", address.port())), "{said:?}");
    let said = check(&["--bind", "192.0.2.1:0"]);
    assert!(said.error(2).starts_with("cannot listen on 192.0.2.1:0: "), "{said:?}");
}

#[cfg(unix)]
#[test]
fn a_check_says_what_this_user_may_not_use() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory("rights");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o500)).unwrap();
    let said = check(&["--state-dir", directory.to_str().unwrap()]);
    // Whoever runs the tests as root may do everything.
    let is_root = fs::write(directory.join("x"), "").is_ok();
    assert_eq!(said.code, if is_root { 0 } else { 2 }, "{said:?}");
    assert!(is_root || said.err.contains("it cannot be written to"), "{said:?}");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_check_says_which_channel_would_be_off() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let port_text = port.to_string();
    let said = check(&["--data-port", &port_text]);
    assert!(
        said.good().contains("the data channel is off: ") && said.good().contains("data_port chooses another port"),
        "{said:?}"
    );
    assert!(said.good().contains(&port_text) && !said.good().contains("log channel"), "{said:?}");
    let said = check(&["--log-channel-port", &port_text, "--data-port", "off"]);
    assert!(said.good().contains("the log channel is off: ") && !said.good().contains("data channel"), "{said:?}");
}

#[test]
fn a_check_and_a_start_tell_every_door_that_is_open_to_other_machines() {
    let open = ["--viewer-bind", "0.0.0.0:0", "--http-bind", "*:0", "--stomp-bind", "0.0.0.0:61999"];
    let line = |text: &str| text.lines().find(|line| line.contains("nobody is asked who he is")).unwrap().to_owned();
    let said = program().args([&["--check", "--bind", "127.0.0.1:0"][..], &open].concat()).output().unwrap();
    let told = line(Said::from(said).good());
    assert!(told.contains("reaches 0.0.0.0:0 (viewers), [::]:0 (HTTP), 0.0.0.0:61999 (STOMP) may do"), "{told}");
    let said = check(&["--c2sim", "--http-bind", "off"]);
    let told = line(&said.out);
    assert!(told.contains("[::]:7777 (HTTP), [::]:8080 (HTTP), [::]:61613 (STOMP) may do"), "{told}");
    let said = check(&["--bind", "*:41", "--viewer-bind", "off", "--data-port", "42", "--log-channel-port", "off"]);
    let all = ["(Components)", "[::]:42 (publishers)", "[::]:41 (subscribers)", "[::]:43 (other nodes' subscribers)"];
    assert!(all.iter().all(|one| said.out.contains(one)), "{said:?}");
    assert!(!check(&[]).good().contains("nobody is asked"), "this machine alone");
    let mut server = Running::start(&["--viewer-bind", "0.0.0.0:0", "--http-bind", "127.0.0.1:0,0.0.0.0:0"]);
    let told = server.line("nobody is asked who he is");
    assert!(told.contains("(viewers), 0.0.0.0:") && told.contains("(HTTP) may do"), "{told}");
    assert!(!told.contains("127.0.0.1") && !told.contains("(Components)"), "{told}");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
}

/// Only Linux tells who has a port.
#[cfg(target_os = "linux")]
#[test]
fn a_check_beside_a_server_says_which_channel_somebody_else_keeps_off() {
    let mut server = Running::start(&[]);
    let words = server.line("COORDINATOR on");
    let address = words.split("COORDINATOR on ").nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let said = check(&["--bind", &address, "--data-port", &port]);
    assert!(said.good().contains(": it is in use by instep (pid "), "{said:?}");
    assert!(said.good().contains(&format!("the data channel is off: cannot listen on port {port}: ")), "{said:?}");
    let of_server = address.rsplit(':').next().unwrap();
    let said = check(&["--bind", &address, "--data-port", of_server, "--log-channel-port", "off"]);
    assert!(!said.good().contains("channel is off"), "its own will be free when it is begun anew: {said:?}");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_check_says_which_directory_is_not_there() {
    let directory = directory("missing");
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    for (flag, key) in [("--log-file", "log_file"), ("--audit-log", "audit_log")] {
        let file = path("no/where.log");
        let said = check(&[flag, &file]);
        assert_eq!(said.error(2), format!("{key} {file}: there is no directory {}", path("no")), "{said:?}");
        let said = check(&[flag, std::env::temp_dir().to_str().unwrap()]);
        assert!(said.error(2).ends_with(": it is a directory"), "{said:?}");
    }
    let said = check(&["--log-dir", &path("no")]);
    assert_eq!(said.error(2), format!("log_dir {}: no such directory", path("no")), "{said:?}");
    assert!(check(&["--state-dir", &path("a/b")]).good().ends_with("the configuration is in order\n"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(path("file"), "").unwrap();
    let said = check(&["--state-dir", &path("file/state")]);
    assert_eq!(
        said.error(2),
        format!("state_dir {}: {} is not a directory", path("file/state"), path("file")),
        "{said:?}"
    );
    fs::remove_dir_all(&directory).unwrap();
}
