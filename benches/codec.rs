//! What the codecs spend: the ZMTP scan over whole messages, and JSON-RPC documents.
//!
//! cargo bench --bench codec [-- --quick]; `benches/count` counts the instructions of the same.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;

use std::hint::black_box;

use common::{count, counting, message, nanos_each, now, opening, quick};
use instep::leco::rpc::Document;
use instep::zmtp::SocketType;
use instep::zmtp::frame::{Bounds, Found, Scan};
use instep::zmtp::link::{Link, Step};

const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 24, message_bytes_max: 1 << 24 };

/// Nanoseconds of one of the `steps` that `work` does, in the least disturbed round; or nothing but the work, to be counted.
fn measure(label: &str, rounds: usize, steps: usize, mut work: impl FnMut()) {
    if counting() {
        return count(label, steps, work);
    }
    let times = (0..rounds).map(|_| {
        let begin = now();
        work();
        nanos_each(begin.elapsed(), steps)
    });
    println!("{label:<44}{:>12.1}", times.fold(f64::INFINITY, f64::min));
}

fn main() {
    let (rounds, repeats) = match (counting(), quick()) {
        (true, _) => (1, 10),
        (false, true) => (3, 20),
        (false, false) => (15, 1000),
    };
    if !counting() {
        println!("{:<44}{:>12}", "", "ns each");
    }

    for (payload, copies) in [(0, 256), (64, 256), (1000, 64), (65_536, 4)] {
        let buffer = message("N1.bench-r0", "N1.bench-s0", 0, &vec![b'x'; payload]).repeat(copies);
        measure(&format!("scan, message with {payload} B payload"), rounds, copies * repeats, || {
            for _ in 0..repeats {
                let (mut scan, mut rest) = (Scan::default(), black_box(&buffer[..]));
                while let Ok(Found::Message(message)) = scan.next(rest, &BOUNDS) {
                    black_box(&message);
                    rest = &rest[message.len..];
                }
                assert!(rest.is_empty());
            }
        });
    }

    let mut link = Link::new(SocketType::Router);
    let mut hello = &opening(SocketType::Dealer)[..];
    while let Ok(Step::Skip { len } | Step::Ready { len, .. }) = link.next(hello, &BOUNDS) {
        hello = &hello[len..];
        if hello.is_empty() {
            break;
        }
    }
    let buffer = message("N1.bench-r0", "N1.bench-s0", 0, &[b'x'; 64]).repeat(256);
    measure("link, message with 64 B payload", rounds, 256 * repeats, || {
        for _ in 0..repeats {
            let mut rest = black_box(&buffer[..]);
            while let Ok(Step::Message(message)) = link.next(rest, &BOUNDS) {
                black_box(&message);
                rest = &rest[message.len..];
            }
            assert!(rest.is_empty());
        }
    });

    let names: Vec<String> = (0..100).map(|n| format!("\"component{n}\"")).collect();
    let batch = format!(
        r#"[{{"id":5,"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{{"N1":"lab:12300","N2":"far:12300"}}}}}},
            {{"id":6,"jsonrpc":"2.0","method":"record_components","params":{{"components":[{}]}}}}]"#,
        names.join(",")
    );
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    for (label, text) in [
        ("JSON-RPC, sign_in", r#"{"id":1,"jsonrpc":"2.0","method":"sign_in"}"#),
        ("JSON-RPC, result null", r#"{"id":1,"jsonrpc":"2.0","result":null}"#),
        ("JSON-RPC, directory update, 100 components", &batch),
        ("JSON-RPC, 120 brackets", &deep),
    ] {
        measure(label, rounds, 20 * repeats, || {
            for _ in 0..20 * repeats {
                let parsed = Document::parse(black_box(text.as_bytes()));
                assert!(parsed.is_ok());
                black_box(&parsed);
            }
        });
    }
}
