//! What instep takes: sizes of its types, of the program, of an idle process and an idle connection, and how fast it starts.
//!
//! Starts the program itself and looks at it from outside, in /proc; elsewhere than on Linux only the sizes of types are shown.
//!
//! cargo bench --bench footprint [-- --quick]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{median, now, opening, quick, request};
use instep::hub::{Hub, Output, Peer};
use instep::store::pool::Pool;
use instep::store::ring::Ring;
use instep::zmtp::SocketType;
use instep::zmtp::link::Link;

const PROGRAM: &str = env!("CARGO_BIN_EXE_instep");

/// A running server; it ends with this.
struct Running {
    child: Child,
    address: SocketAddr,
    /// From the start of the process to the first accepted connection.
    took: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        assert!(ended.is_ok(), "the server can be ended");
    }
}

impl Running {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begin = now();
        let child = Command::new(PROGRAM)
            .args(["--bind", &address.to_string(), "--namespace", "N1", "--log-level", "error"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "the server listens");
            sleep(Duration::from_micros(100));
        }
        Self { child, address, took: begin.elapsed() }
    }

    /// A number of /proc/PID/status; `None` where there is none.
    fn status(&self, key: &str) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Resident KiB.
    fn resident(&self) -> Option<u64> {
        self.status("VmRSS")
    }
}

fn line(label: &str, value: impl core::fmt::Display) {
    println!("{label:<52}{value:>14}");
}

/// A connection whose handshake is done, signed in where there is a name.
fn connect(address: SocketAddr, name: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut bytes = opening(SocketType::Dealer);
    if let Some(name) = name {
        bytes.extend(request(name, "sign_in"));
    }
    stream.write_all(&bytes).unwrap();
    let mut heard = Vec::new();
    let done = |heard: &[u8]| match name {
        Some(_) => heard.ends_with(b"}"),
        None => heard.len() >= opening(SocketType::Router).len(),
    };
    while !done(&heard) {
        let mut buffer = [0; 1024];
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the server stays");
        heard.extend_from_slice(&buffer[..n]);
    }
    stream
}

fn sizes_of_types() {
    println!("-- bytes of types");
    line("Peer (hub::Peer)", size_of::<Peer>());
    line("Link (zmtp::link::Link)", size_of::<Link>());
    line("Ring (store::ring::Ring), empty", size_of::<Ring>());
    line("Output (hub::Output)", size_of::<Output>());
    line("Pool (store::pool::Pool)", size_of::<Pool>());
    line("Hub (hub::Hub)", size_of::<Hub>());
}

/// Bytes of the program without symbols, where `strip` is there to take them away.
fn program_bytes() -> (u64, &'static str) {
    let whole = std::fs::metadata(PROGRAM).unwrap().len();
    let stripped = format!("{PROGRAM}.stripped");
    let made = Command::new("strip").args(["-o", &stripped, PROGRAM]).status().is_ok_and(|status| status.success());
    match std::fs::metadata(&stripped) {
        Ok(data) if made => {
            std::fs::remove_file(&stripped).unwrap();
            (data.len(), "program, stripped")
        }
        _ => (whole, "program, with symbols"),
    }
}

/// Resident bytes that each of `count` connections costs.
fn per_connection(count: usize, signed_in: bool) -> Option<f64> {
    let server = Running::start();
    // What the first connections set up once does not count.
    let mut open: Vec<TcpStream> = (0..64).map(|n| connect(server.address, Some(&format!("first{n}")))).collect();
    let before = server.resident()?;
    for n in 0..count {
        let name = format!("component{n}");
        open.push(connect(server.address, signed_in.then_some(name.as_str())));
    }
    let after = server.resident()?;
    Some((after - before) as f64 * 1024.0 / count as f64)
}

fn wake_ups(server: &Running, seconds: u64) -> Option<(u64, u64)> {
    let read = || Some((server.status("voluntary_ctxt_switches")?, server.status("nonvoluntary_ctxt_switches")?));
    let before = read()?;
    sleep(Duration::from_secs(seconds));
    let after = read()?;
    Some((after.0 - before.0, after.1 - before.1))
}

fn main() {
    let begin: Instant = now();
    sizes_of_types();

    println!("-- the program");
    let (bytes, label) = program_bytes();
    line(&format!("bytes, {label}"), bytes);
    let starts = if quick() { 3 } else { 20 };
    let times = (0..starts).map(|_| Running::start().took.as_secs_f64() * 1e3).collect();
    line("ms from start to the open port, median", format!("{:.2}", median(times)));

    let server = Running::start();
    sleep(Duration::from_millis(300));
    let Some(resident) = server.resident() else {
        println!("there is no /proc: the rest is not known");
        return;
    };
    println!("-- idle");
    line("resident KiB", resident);
    line("of these, KiB of its own (anonymous)", server.status("RssAnon").unwrap_or(0));
    let seconds = if quick() { 2 } else { 12 };
    if let Some((voluntary, other)) = wake_ups(&server, seconds) {
        line(&format!("wake-ups in {seconds} s, nobody connected"), voluntary);
        line("times the kernel took the core away meanwhile", other);
    }
    let component = connect(server.address, Some("idle"));
    if let Some((voluntary, _)) = wake_ups(&server, seconds) {
        line(&format!("wake-ups in {seconds} s, one silent component"), voluntary);
    }
    drop(component);
    drop(server);

    println!("-- an idle connection");
    let count = if quick() { 500 } else { 4000 };
    for (signed_in, label) in [(false, "handshake done"), (true, "signed in")] {
        if let Some(bytes) = per_connection(count, signed_in) {
            line(&format!("resident bytes for each of {count}, {label}"), format!("{bytes:.0}"));
        }
    }
    line("s for all this", format!("{:.1}", begin.elapsed().as_secs_f64()));
}
