//! The server over loopback, in a thread of this process, and a plain client of one thread: what a small program gets. For loads that
//! bring the server to its limits see `instep bench` and `benches/compare.sh`.
//!
//! cargo bench --bench wire [-- --quick]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use common::{median, message, nanos_each, now, opening, quick, request};
use instep::config::Config;
use instep::net::Server;
use instep::zmtp::SocketType;

/// Connects and signs in; returns when the answer is there.
fn component(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&[opening(SocketType::Dealer), request(name, "sign_in")].concat()).unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the server stays");
        heard.extend_from_slice(&buffer[..n]);
    }
    assert!(heard.windows(8).any(|window| window == b"\"result\""), "signed in");
    stream
}

fn main() {
    let (rounds, repeats) = if quick() { (3, 20_usize) } else { (9, 2000) };
    let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
    let mut server = Server::bind(config).unwrap();
    let address = server.local_addresses().next().unwrap();
    let stopper = server.stopper();
    let thread = thread::spawn(move || {
        server.run().unwrap();
        server
    });
    let mut ca = component(address, "CA");
    let mut cb = component(address, "CB");

    println!("{:<44}{:>12}{:>14}", "", "us each", "messages/s");
    for (payload, batch) in [(64, 1), (64, 16), (64, 256), (1000, 64), (65_536, 1), (65_536, 4)] {
        let wire = message("N1.CB", "N1.CA", 0, &vec![b'x'; payload]).repeat(batch);
        let mut back = vec![0; wire.len()];
        let repeats = if payload > 1000 { repeats.div_ceil(10) } else { repeats };
        let times = (0..rounds)
            .map(|_| {
                let begin = now();
                for _ in 0..repeats {
                    ca.write_all(&wire).unwrap();
                    cb.read_exact(&mut back).unwrap();
                }
                nanos_each(begin.elapsed(), repeats * batch)
            })
            .collect();
        assert_eq!(back, wire, "what arrives is what was sent");
        let each = median(times);
        println!("{:<44}{:>12.2}{:>14.0}", format!("{batch} x {payload} B, there"), each / 1e3, 1e9 / each);
    }

    let (there, back) = (message("N1.CB", "N1.CA", 0, &[b'x'; 64]), message("N1.CA", "N1.CB", 0, &[b'x'; 64]));
    let mut times = Vec::new();
    let (mut at_cb, mut at_ca) = (vec![0; there.len()], vec![0; back.len()]);
    for _ in 0..rounds * repeats {
        let begin = now();
        ca.write_all(&there).unwrap();
        cb.read_exact(&mut at_cb).unwrap();
        cb.write_all(&back).unwrap();
        ca.read_exact(&mut at_ca).unwrap();
        times.push(nanos_each(begin.elapsed(), 1));
    }
    let each = median(times);
    println!("{:<44}{:>12.2}{:>14.0}", "64 B, there and back, p50", each / 1e3, 1e9 / each);
    stopper.stop();
    let server = thread.join().unwrap();
    let (turns, longest_us) = server.turns();
    println!("{turns} turns of the loop, the longest {longest_us} us");
}
