//! `instep serve` under a supervisor, which the tests play: what it is told by `sd_notify(3)`.

#![cfg(target_os = "linux")]

use std::fs;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    server.line("users, ");
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
