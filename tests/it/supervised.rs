//! `instep serve` under a supervisor, which the tests play: what it is told by `sd_notify(3)`, and the sockets that it is passed.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::program::{PROGRAM, Said};
use crate::serve_cli::Running;

/// The supervisor's ear.
struct Ear(UnixDatagram);

impl Ear {
    fn at(path: &Path) -> Self {
        drop(fs::remove_file(path));
        Self::of(UnixDatagram::bind(path).unwrap())
    }

    fn of(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 1000];
        let n = self.0.recv(&mut bytes).expect("a word in time");
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    }

    /// All up to the next one that begins so.
    fn to(&self, wanted: &str) -> Vec<String> {
        let mut all = vec![self.next()];
        while !all.last().is_some_and(|words| words.starts_with(wanted)) {
            all.push(self.next());
        }
        all
    }
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("instep-{}-{name}", std::process::id()))
}

fn micros(words: &str) -> u64 {
    words.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap()
}

#[test]
fn a_supervisor_hears_of_the_start_of_reloads_of_life_and_of_the_end() {
    let path = place("notify");
    let ear = Ear::at(&path);
    let words = ["--control-bind", "127.0.0.1:0", "--http-bind", "off", "--viewer-bind", "off"];
    let environment = [("NOTIFY_SOCKET", path.as_path()), ("WATCHDOG_USEC", Path::new("200000"))];
    let mut server = Running::start_in(&words, &environment);
    assert_eq!(ear.next(), "READY=1");
    let line = server.line("controllers connect to ");
    let control = line.rsplit(' ').next().unwrap().to_owned();
    assert!(TcpStream::connect(control).is_ok(), "it is ready");
    let mut status = ear.to("STATUS=").pop().unwrap();
    assert!(status.ends_with("components, 1 sessions, 0 bytes wait"), "{status}");
    // Life goes on though nothing happens, and there is nothing new to be said of it.
    for _ in 0..3 {
        status = ear.next();
        assert_eq!(status, "WATCHDOG=1");
    }
    server.signal("-HUP");
    let first = micros(&ear.to("RELOADING=1").pop().unwrap());
    assert_eq!(ear.next(), "READY=1");
    server.signal("-HUP");
    assert!(micros(&ear.to("RELOADING=1").pop().unwrap()) > first);
    ear.to("READY=1");
    server.signal("-TERM");
    ear.to("STOPPING=1");
    assert_eq!(server.end(), Some(0));
    fs::remove_file(path).unwrap();
}

#[test]
fn a_watchdog_of_another_process_is_not_ours_and_an_abstract_name_is_as_good_as_a_path() {
    let name = format!("instep-{}", std::process::id());
    let ear = Ear::of(UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap());
    let place = format!("@{name}");
    let of_another = [("WATCHDOG_USEC", Path::new("20000")), ("WATCHDOG_PID", Path::new("1"))];
    let environment = [&[("NOTIFY_SOCKET", Path::new(&place))][..], &of_another].concat();
    let mut server = Running::start_in(&[], &environment);
    ear.to("STATUS=");
    server.signal("-HUP");
    server.line("were read anew");
    server.signal("-TERM");
    let all = ear.to("STOPPING=1");
    assert!(all.iter().all(|words| words != "WATCHDOG=1"), "{all:?}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn an_address_that_is_none_is_told_and_no_reason_not_to_start() {
    let mut server = Running::start_in(&[], &[("NOTIFY_SOCKET", Path::new("run/notify"))]);
    let said = server.line("NOTIFY_SOCKET");
    assert!(said.contains("neither a path nor an abstract name behind @"), "{said}");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_start_that_fails_tells_why_in_the_status() {
    let path = place("failed");
    let ear = Ear::at(&path);
    let ended = Command::new(PROGRAM).args(["--ring-bytes-max", "1"]).env("NOTIFY_SOCKET", &path).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ear.to("STATUS="), ["STATUS=ring_bytes_max: 1 is not between 4096 and 1073741824"]);
    fs::remove_file(path).unwrap();
}

/// The program, with these sockets as its descriptors 3 and 4.
fn passed(names: &str, sockets: [TcpListener; 2], words: &[&str]) -> Command {
    let [first, second] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket)));
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names).stdin(first).stdout(second);
    let script = "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
    shell.args(["-c", script, "sh", PROGRAM, "--namespace", "N1", "--viewer-bind", "off"]).args(words);
    shell
}

fn listening() -> (TcpListener, u16) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn sockets_that_are_passed_take_the_place_of_those_of_their_settings() {
    let ([leco, http], [port, http_port]) = {
        let [(a, a_port), (b, b_port)] = [listening(), listening()];
        ([a, b], [a_port, b_port])
    };
    // Who comes before the program is there waits, and is served.
    let mut early = TcpStream::connect(("127.0.0.1", http_port)).unwrap();
    early.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let path = place("passed");
    let ear = Ear::at(&path);
    let words = ["--control-bind", "off", "--data-port", "off", "--log-channel-port", "off"];
    let mut program = passed("bind:http_bind", [leco, http], &words);
    let mut child = program.env("NOTIFY_SOCKET", &path).stderr(Stdio::piped()).spawn().unwrap();
    drop(program);
    ear.to("READY=1");
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let said = crate::common::program::run(&["ctl", "-a", &port.to_string(), "ping"]);
    assert!(said.good().starts_with("N1.COORDINATOR answered"), "{said:?}");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let lines = [format!("on 127.0.0.1:{port}"), format!("http://127.0.0.1:{http_port}/")];
    assert!(lines.iter().all(|line| log.contains(line)), "{log}");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_socket_that_no_setting_has_the_name_of_is_one_clear_error() {
    for (names, why) in [
        ("bind:web", "the socket 'web' that was passed: no setting has this name (FileDescriptorName= is one of bind,"),
        ("bind", "the socket 'unknown' that was passed: no setting has this name"),
    ] {
        let said: Said = passed(names, [listening().0, listening().0], &[]).output().unwrap().into();
        assert!(said.error(2).starts_with(why), "{said:?}");
    }
    let of_another: Said = crate::common::program::program()
        .args(["--bind", "127.0.0.1:0", "--check"])
        .envs([("LISTEN_PID", "1"), ("LISTEN_FDS", "1")])
        .output()
        .unwrap()
        .into();
    assert_eq!(of_another.code, 0, "{of_another:?}");
}

#[test]
fn a_reload_takes_what_can_change_and_says_what_cannot() {
    let path = place("reload.toml");
    fs::write(&path, "stall_ms = 1000\n").unwrap();
    let mut server = Running::start_in(&["--config", path.to_str().unwrap()], &[]);
    let address = server.line(" is N1.COORDINATOR on ");
    let address = address.rsplit(' ').next().unwrap().to_owned();
    fs::write(&path, "stall_ms = 2000\nslow_ms = 1\n").unwrap();
    server.signal("-HUP");
    let said = server.line("stay as they were");
    assert!(said.contains("stall_ms"), "what is wrong changes nothing: {said}");
    let text = "stall_ms = 2000\nlog_level = \"debug\"\nring_bytes_max = 100000\n[[sessions]]\nname = \"drill\"\n";
    fs::write(&path, text).unwrap();
    server.signal("-HUP");
    for line in [
        "settings taken: log_level, stall_ms, sessions",
        "a new start is needed for: ring_bytes_max",
        "sessions made: drill",
    ] {
        server.line(line);
    }
    let reload = || crate::common::program::run(&["ctl", "-a", &address, "reload"]);
    fs::write(&path, "stall_ms = 2000\nring_bytes_max = 100000\n").unwrap();
    for taken in [true, false] {
        let said = reload();
        for line in ["have no more, and that stay: drill\n", "start is needed for: ring_bytes_max\n"] {
            assert!(said.good().contains(line), "it is said as long as it is so: {said:?}");
        }
        assert_eq!(said.good().contains("settings taken: log_level\n"), taken, "{said:?}");
    }
    fs::write(&path, "stall_ms = 2000\n").unwrap();
    let said = reload();
    assert!(!said.good().contains("a new start is needed"), "the file says what runs: {said:?}");
    let sessions = crate::common::program::run(&["ctl", "-a", &address, "session", "list"]);
    assert!(sessions.good().contains("drill"), "{sessions:?}");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    fs::remove_file(path).unwrap();
}
