//! What a message costs between two links on which all is sealed (CURVE): it is opened, routed, and sealed again.
//!
//! cargo bench --bench curve [-- --quick]; `benches/count` counts the instructions of the same. Whoever sends has sealed before.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;
#[path = "../tests/common/curve.rs"]
#[allow(dead_code, reason = "a measurement needs a part of it")]
mod curve;
#[path = "../tests/common/driver.rs"]
mod driver;
#[path = "../tests/common/wire.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "a measurement needs a part of it")]
mod wire;

use common::{count, counting, nanos_each, now, quick};
use curve::Component;
use instep::config::Config;
use instep::hub::{Hub, Start};
use instep::time::Tick;

/// A hub with two components.
struct House {
    hub: Hub,
    now: Tick,
    from: Component,
}

impl House {
    fn new() -> Self {
        let names = ["CA", "CB"];
        let plain = Config { namespace: "N1".into(), host: "n1".into(), return_ms: 0, hint_s: 0, ..Config::default() };
        let now = Tick(1000);
        let start = Start { seed: 7, now, unix_ms: 1_700_000_000_000 };
        let mut hub = Hub::new(curve::guarded(plain, &names), start).expect("a legal configuration");
        curve::give_keys(&mut hub);
        let [from, _] = names.map(|name| Component::come(&mut hub, now, name, "127.0.0.1:1"));
        Self { hub, now, from }
    }

    /// So many reads, of so many messages each.
    fn reads(&mut self, payload: usize, reads: usize, messages: usize) -> Vec<Vec<u8>> {
        let content = vec![b'x'; payload];
        let mut read = || {
            (0..messages)
                .flat_map(|_| self.from.talk.message(&[b"\0", b"N1.CB", b"N1.CA", &[7; 20], &content]))
                .collect()
        };
        (0..reads).map(|_| read()).collect()
    }

    fn feed(&mut self, bytes: &[u8]) {
        assert!(self.hub.read_budget(self.from.key) >= bytes.len(), "it is not held");
        self.hub.handle_bytes(self.now, self.from.key, bytes);
        driver::drain(&mut self.hub, self.now, |_, _| {});
    }
}

fn main() {
    let rounds = if quick() || counting() { 2 } else { 20 };
    if !counting() {
        println!("{:<44}{:>12}", "", "ns each");
    }
    for (payload, reads, messages) in [(64, 256, 1), (64, 16, 64), (1000, 256, 1), (1000, 16, 64), (65_536, 64, 1)] {
        let label = format!("sealed, {payload} B payload, {messages} in a read");
        let mut house = House::new();
        let mut sealed: Vec<Vec<Vec<u8>>> = (0..rounds).map(|_| house.reads(payload, reads, messages)).collect();
        sealed.reverse();
        let mut work = || sealed.pop().expect("a round for each").iter().for_each(|read| house.feed(read));
        if counting() {
            count(&label, reads * messages, work);
            continue;
        }
        let times = (0..rounds).map(|_| {
            let begin = now();
            work();
            nanos_each(begin.elapsed(), reads * messages)
        });
        println!("{label:<44}{:>12.1}", times.fold(f64::INFINITY, f64::min));
        let delivered = house.hub.counters().messages_delivered;
        assert_eq!(delivered as usize, rounds * reads * messages, "all have come through");
    }
}
