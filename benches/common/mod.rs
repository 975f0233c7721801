//! What the measurements share: the clock, the command line, counting of instructions, LECO messages as wire bytes, medians.
#![allow(dead_code, reason = "each measurement is a program of its own and uses what it needs")]
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use std::time::{Duration, Instant};

use instep::client::encode;
use instep::zmtp::SocketType;
use instep::zmtp::link::Link;

/// Whether `--quick` was asked for: a smoke run whose figures mean little.
pub(crate) fn quick() -> bool {
    std::env::args().any(|word| word == "--quick")
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whether `--count` was asked for: each case is done once, for `benches/count` to count its instructions. No time is taken.
pub(crate) fn counting() -> bool {
    std::env::args().any(|word| word == "--count")
}

/// Does `work`, which is `operations` operations of one case, where callgrind counts, and says so to `benches/count`.
///
/// The first round comes before: whatever is made once is made then.
pub(crate) fn count(case: &str, operations: usize, mut work: impl FnMut()) {
    work();
    counted(&mut work);
    println!("{case}\t{operations}");
}

/// The function that callgrind is told to count in, with all that it calls: `benches/count` knows it by its name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// A LECO message on the wire.
pub(crate) fn message(receiver: &str, sender: &str, content_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = [7; 20];
    header[19] = content_type;
    let mut out = Vec::new();
    encode(&mut out, receiver.as_bytes(), sender.as_bytes(), &header, &[payload]);
    out
}

/// A request to the Coordinator.
pub(crate) fn request(sender: &str, method: &str) -> Vec<u8> {
    let payload = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    message("COORDINATOR", sender, 1, payload.as_bytes())
}

/// Greeting and READY of one end.
pub(crate) fn opening(ours: SocketType) -> Vec<u8> {
    let (greeting, ready) = Link::new(ours).opening();
    [&greeting[..], ready.bytes()].concat()
}

/// Nanoseconds for each of `count` things that took `time` together.
pub(crate) fn nanos_each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count as f64
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A small repeatable sequence (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
