//! Ports and addresses as a person meets them: neighbours that want the same ports, machines with IPv6 alone, and programs that are told
//! where to go.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread;

use super::serve_cli::Running;
use crate::common::program::{self, Said, run, until};
use instep::config::Config;
use instep::hub::Door;
use instep::net::{Server, Stopper};
use serde_json::json;

/// A server in a thread whose Manager has the ports that it takes by itself.
struct Plain {
    leco: SocketAddr,
    control: SocketAddr,
    viewer: SocketAddr,
    stopper: Stopper,
    thread: Option<thread::JoinHandle<()>>,
}

impl Plain {
    fn start(config: Config) -> Self {
        let mut server = Server::bind(config).unwrap();
        let address = |door| server.addresses(door).next().unwrap();
        let (leco, control, viewer) = (address(Door::Leco), address(Door::Control), address(Door::Viewer));
        let stopper = server.stopper();
        let thread = Some(thread::spawn(move || server.run().unwrap()));
        Self { leco, control, viewer, stopper, thread }
    }

    fn ctl(&self, words: &[&str]) -> Said {
        run(&[&["ctl", "-a", &self.leco.to_string()], words].concat())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

fn config(name: &str, bind: &str) -> Config {
    Config { namespace: name.into(), host: "127.0.0.1".into(), bind: vec![bind.into()], ..Config::default() }
}

/// A port of LECO that is free, where those of the Manager beside it are somebody else's.
fn crowded() -> (u16, Vec<TcpListener>) {
    for _ in 0..100 {
        let control = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = control.local_addr().unwrap().port() - 10;
        let viewer = TcpListener::bind(("0.0.0.0", port + 11));
        if let (Ok(viewer), Ok(_)) = (viewer, TcpListener::bind(("127.0.0.1", port))) {
            return (port, vec![control, viewer]);
        }
    }
    panic!("no two ports are free");
}

#[test]
fn ports_that_a_neighbour_has_are_others_and_everybody_finds_them() {
    let (port, _neighbours) = crowded();
    let server = Plain::start(config("N1", &format!("127.0.0.1:{port}")));
    assert_eq!(server.leco.port(), port);
    assert_ne!((server.control.port(), server.viewer.port()), (port + 10, port + 11));

    assert_eq!(server.ctl(&["errors"]).good(), "there are no errors\n");
    let told = server.ctl(&["call", "COORDINATOR", "manager", "--json"]).json()["manager"].clone();
    assert_eq!((&told["port"], &told["control"]), (&json!(server.viewer.port()), &json!([server.control.to_string()])));
    // A trigger goes to the control port, too, where there is one.
    let said = server.ctl(&["session", "submit", "default", "--json"]).json();
    assert_eq!(said["as"], "control", "{said}");

    let mut view = program::program()
        .args(["view", "-a", &server.leco.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(view.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("instep: no session; this viewer is 127.0.0.1:"), "{line}");
    view.kill().unwrap();
    view.wait().unwrap();
}

#[test]
fn one_warning_says_where_they_are() {
    let (port, _neighbours) = crowded();
    let server = Running::start(&["--bind", &format!("127.0.0.1:{port}")]);
    let line = server.line("[WARN] controllers connect to 127.0.0.1:");
    for wanted in [
        format!(": cannot listen on port {}: it is in use", port + 10),
        format!(": cannot listen on port {}: it is in use", port + 11),
        "(control_bind chooses); viewers connect to 127.0.0.1:".to_owned(),
        "(viewer_bind chooses)".to_owned(),
    ] {
        assert!(line.contains(&wanted), "{wanted}: {line}");
    }
    let line = server.line("of the Manager, controllers connect to 127.0.0.1:");
    assert!(!line.contains(&format!("127.0.0.1:{},", port + 10)), "{line}");
}

/// A port of LECO at which, and at the next one, all is free that goes with them, and 20 farther too.
fn roomy() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let of_one = |port: u16| [0, 10, 11, 12].map(|more| port + more).into_iter().chain(port - 1204..=port - 1199);
    // Below those from which the system picks.
    let some = u16::try_from(std::process::id() % 150).unwrap();
    for n in 0..100 {
        let port = 22_000 + (some + n) % 150 * 60;
        if [0, 1, 20, 21].into_iter().all(|more| of_one(port + more).all(is_free)) {
            return port;
        }
    }
    panic!("no such port is free");
}

#[test]
fn coordinators_with_neighbouring_ports_are_told_how_both_have_their_channels() {
    let port = roomy();
    let first = Running::start(&["--bind", &format!("127.0.0.1:{port}")]);
    first.line(&format!("127.0.0.1:{port}"));
    let second = Running::start(&["--bind", &format!("127.0.0.1:{}", port + 1)]);
    let cure = format!("Coordinators of one machine want ports 20 apart: at port {} all that go with it", port + 21);
    for channel in ["data", "log"] {
        let line = second.line(&format!("[WARN] the {channel} channel is off: cannot listen on port "));
        assert!(line.contains(&cure), "{line}");
    }
    let third = Running::start(&["--bind", &format!("127.0.0.1:{}", port + 21)]);
    third.line(&format!("127.0.0.1:{}", port + 21));
    for at in [port, port + 21] {
        let address = format!("127.0.0.1:{at}");
        let told = run(&["ctl", "-a", &address, "call", "DATA_COORDINATOR", "send_data_addresses"]);
        assert!(told.good().contains(&format!(":{}\"", at - 1200)), "{told:?}");
    }
}

#[test]
fn a_port_that_was_chosen_is_that_or_none() {
    let (port, _neighbours) = crowded();
    let taken = format!("127.0.0.1:{}", port + 10);
    for key in ["--control-bind", "--viewer-bind"] {
        let said = run(&["--bind", "127.0.0.1:0", "-q", key, &taken]);
        let wanted = format!("cannot listen on port {}: it is in use", port + 10);
        assert!(said.error(1).starts_with(&wanted), "{said:?}");
    }
}

#[test]
fn a_manager_without_a_control_port_says_so() {
    let config = Config { control_bind: vec!["off".into()], ..config("N1", "127.0.0.1:0") };
    let mut server = Server::bind(config).unwrap();
    let address = server.local_addresses().next().unwrap().to_string();
    let stopper = server.stopper();
    let thread = thread::spawn(move || server.run().unwrap());
    let said = run(&["ctl", "-a", &address, "providers"]);
    assert_eq!(said.error(3), format!("the Manager at {address} has no control port (control_bind)"));
    stopper.stop();
    thread.join().unwrap();
}

/// Whether this machine has IPv6.
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn who_listens_on_ipv6_alone_is_reached_there() {
    if !has_ipv6() {
        return;
    }
    let server = Plain::start(config("N1", "[::1]:0"));
    assert_eq!(server.control.ip(), Ipv6Addr::LOCALHOST);
    assert!(server.viewer.is_ipv6());
    assert_eq!(server.ctl(&["errors"]).good(), "there are no errors\n");

    // All addresses, IPv4 too: both of loopback.
    let everywhere = Server::bind(config("N1", "[::]:0")).unwrap();
    let control: Vec<String> = everywhere.addresses(Door::Control).map(|address| address.ip().to_string()).collect();
    assert_eq!(control, ["127.0.0.1", "::1"]);
}

#[test]
fn nodes_join_by_ipv6_addresses() {
    if !has_ipv6() {
        return;
    }
    let at =
        |name: &str, joins: Vec<String>| Config { host: "::1".into(), coordinators: joins, ..config(name, "[::1]:0") };
    let first = Plain::start(at("N1", vec![]));
    let second = Plain::start(at("N2", vec![first.leco.to_string()]));
    let nodes = json!({"N1": first.leco.to_string(), "N2": second.leco.to_string()}).to_string();
    until("both know both", || [&first, &second].iter().all(|node| node.ctl(&["nodes", "--json"]).out.trim() == nodes));
}

#[test]
fn the_address_that_others_are_told_is_an_address() {
    for (host, told) in
        [("::1", "[::1]:{}"), ("[2001:db8::1]", "[2001:db8::1]:{}"), ("lab", "lab:{}"), ("lab:7", "lab:7")]
    {
        let server = Running::start(&["--bind", "0.0.0.0:0", "-r", host]);
        let line = server.line("elsewhere with host=");
        let port = line.split("connects with port=").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let told = told.replace("{}", &port);
        let (name, port) = told.rsplit_once(':').unwrap();
        assert!(line.ends_with(&format!("elsewhere with host=\"{name}\", port={port}")), "{line}");
        let line = server.line("another Coordinator joins with");
        assert!(line.ends_with(&format!("instep -c {told}")), "{line}");
    }
    for (host, reason) in [
        ("fe80::1%eth0", "what stands behind % holds on this machine only"),
        ("[fe80::1%eth0]:5", "what stands behind % holds on this machine only"),
    ] {
        assert_eq!(run(&["-r", host]).error(2), format!("host: '{host}': {reason}"));
    }
    for host in ["0.0.0.0", "::", "[::]:5"] {
        let reason = "means each machine's own: others are told where they reach this one (bind says where it listens)";
        assert_eq!(run(&["-r", host]).error(2), format!("host: '{host}' {reason}"));
    }
    for host in ["fe80::1", "[fe80::1]:5"] {
        let reason = "is reached with a scope only, which is another on each machine";
        assert_eq!(run(&["-r", host]).error(2), format!("host: '{host}' {reason}"));
    }
    for host in ["[::1", "a b", "lab:0", "lab:x", "::1]:5", "a/b"] {
        let wanted = format!("host: '{host}' is not a host name or address, with or without a port");
        assert_eq!(run(&["-r", host]).error(2), wanted);
    }
}
