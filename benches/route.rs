//! What the hub alone spends on a routed message of 64 bytes of payload: no sockets, no system calls.
//!
//! Eight senders; receivers in random order, so that none is the last one's again. Each message comes in a read of its own and is
//! flushed on its own, which is the dearest way; then again in reads of 64.
//!
//! cargo bench --bench route [-- --quick]; `benches/count` counts the instructions of the same.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;
#[path = "../tests/common/driver.rs"]
mod driver;

use common::{Random, count, counting, message, nanos_each, now, opening, quick, request};
use instep::config::Config;
use instep::hub::{Hub, NodeKey, Output, PeerKey, Start};
use instep::time::Tick;
use instep::zmtp::SocketType;

const SENDERS: usize = 8;
const PAYLOAD: [u8; 64] = [b'x'; 64];
const NOW: Tick = Tick(1);
/// Messages prepared for one sender.
const PREPARED: usize = 8192;

/// A hub with its peers.
struct House {
    hub: Hub,
    peers: Vec<PeerKey>,
}

impl House {
    fn new(components: usize) -> Self {
        let config = Config {
            namespace: "N1".into(),
            host: "lab".into(),
            coordinators: vec!["far:12300".into()],
            expiration_s: 86_400,
            ..Config::default()
        };
        let mut hub = Hub::new(config, Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        hub.handle_timeout(NOW);
        let mut house = Self { hub, peers: Vec::new() };
        let dialled = house.carry_out().expect("the other node is dialled");
        let link = house.hub.handle_dialed(NOW, dialled, Ok("127.0.0.1:12301".parse().unwrap()));
        let accepted = message("N1.COORDINATOR", "N2.COORDINATOR", 1, br#"{"id":1,"result":null}"#);
        house.feed(link.expect("the node is wanted"), &[opening(SocketType::Router), accepted].concat());
        for n in 0..components {
            let remote = "127.0.0.1:5000".parse().unwrap();
            let key = house.hub.open(NOW, remote).expect("there is room");
            house.feed(key, &[opening(SocketType::Dealer), request(&format!("component{n}"), "sign_in")].concat());
            house.peers.push(key);
        }
        assert_eq!(house.hub.counters().sign_ins, components as u64);
        house
    }

    /// What the event loop does around one read.
    #[inline]
    fn feed(&mut self, key: PeerKey, bytes: &[u8]) {
        assert!(self.hub.read_budget(key) >= bytes.len());
        self.hub.handle_bytes(NOW, key, bytes);
        self.carry_out();
    }

    /// Takes whatever waits for anybody; answers who is to be dialled.
    #[inline]
    fn carry_out(&mut self) -> Option<NodeKey> {
        let mut dial = None;
        driver::drain(&mut self.hub, NOW, |output, _| {
            if let Output::Dial(node) = output {
                dial = Some(node);
            }
        });
        dial
    }

    /// The reads of each sender that make [`PREPARED`] messages together, `per_read` in one read.
    fn prepare(&self, per_read: usize, random: &mut Random, to: Receivers) -> Vec<(PeerKey, Vec<Vec<u8>>)> {
        (0..SENDERS)
            .map(|sender| {
                let reads = (0..PREPARED / SENDERS / per_read).map(|_| {
                    let mut bytes = Vec::new();
                    for _ in 0..per_read {
                        let receiver = match to {
                            Receivers::Any => format!("N1.component{}", random.below(self.peers.len())),
                            // Spread over the whole directory, and the same number of them however large it is.
                            Receivers::Eight => {
                                format!("N1.component{}", random.below(8) * (self.peers.len() / 8).max(1))
                            }
                            Receivers::Far => "N2.CB".to_owned(),
                        };
                        bytes.extend(message(&receiver, &format!("N1.component{sender}"), 0, &PAYLOAD));
                    }
                    bytes
                });
                (self.peers[sender], reads.collect())
            })
            .collect()
    }

    /// Routes all that is prepared, by turns from all senders.
    #[inline]
    fn route(&mut self, prepared: &[(PeerKey, Vec<Vec<u8>>)]) {
        for read in 0..prepared[0].1.len() {
            for (sender, reads) in prepared {
                self.feed(*sender, &reads[read]);
            }
        }
    }

    /// Routes `count` messages from all senders, `per_read` in one read. Nanoseconds for each.
    fn time(&mut self, count: usize, per_read: usize, random: &mut Random, to: Receivers) -> f64 {
        let prepared = self.prepare(per_read, random, to);
        let rounds = count.div_ceil(PREPARED);
        let begin = now();
        for _ in 0..rounds {
            self.route(&prepared);
        }
        nanos_each(begin.elapsed(), rounds * PREPARED)
    }

    /// Panics unless each message went its way at once.
    fn check(&self) {
        assert_eq!(self.hub.counters().senders_held, 0, "nobody waited");
        assert_eq!(self.hub.counters().refused_receiver_unknown, 0);
    }
}

/// Who is sent to.
#[derive(Clone, Copy)]
enum Receivers {
    /// Eight components, whose entries stay in the caches.
    Eight,
    /// Any component: the entries of thousands do not fit the caches, and that is what grows.
    Any,
    /// One component of another node.
    Far,
}

/// One line for each case of `benches/count`, each in a house of its own.
fn count_all() {
    for components in [10, 1000] {
        for (label, to, per_read) in [
            ("eight, 1 in a read", Receivers::Eight, 1),
            ("eight, 64 in a read", Receivers::Eight, 64),
            ("any, 1 in a read", Receivers::Any, 1),
            ("far, 1 in a read", Receivers::Far, 1),
            ("far, 64 in a read", Receivers::Far, 64),
        ] {
            let mut house = House::new(components);
            let prepared = house.prepare(per_read, &mut Random(7), to);
            count(&format!("route, {components} components, to {label}"), PREPARED, || house.route(&prepared));
            house.check();
        }
    }
}

fn main() {
    if counting() {
        return count_all();
    }
    let (count, rounds) = if quick() { (PREPARED, 3) } else { (40 * PREPARED, 9) };
    let sizes = [10, 100, 1000, 10_000];
    let mut houses = sizes.map(House::new);
    let mut random = Random(7);
    let ways = [(Receivers::Eight, 1), (Receivers::Eight, 64), (Receivers::Any, 1), (Receivers::Any, 64)];
    println!("ns for each routed message, the least disturbed of {rounds} rounds");
    println!("{:>12}{:>28}{:>28}", "", "to 8 receivers", "to any receiver");
    println!(
        "{:>12}{:>14}{:>14}{:>14}{:>14}",
        "components", "1 in a read", "64 in a read", "1 in a read", "64 in a read"
    );
    // Interleaved, so that whatever else the machine does falls on all sizes alike.
    let mut best = [[f64::INFINITY; 4]; 4];
    for _ in 0..rounds {
        for (house, best) in houses.iter_mut().zip(&mut best) {
            for (best, (to, per_read)) in best.iter_mut().zip(ways) {
                *best = best.min(house.time(count, per_read, &mut random, to));
            }
        }
    }
    let line = |label: &str, cells: &[String]| {
        print!("{label:>12}");
        cells.iter().for_each(|cell| print!("{cell:>14}"));
        println!();
    };
    for (size, best) in sizes.iter().zip(best) {
        line(&size.to_string(), &best.map(|nanos| format!("{nanos:.1}")));
    }
    line("10000 / 10", &[0, 1, 2, 3].map(|way| format!("{:.2}", best[3][way] / best[0][way])));

    let house = &mut houses[0];
    let before = house.hub.counters().messages_forwarded;
    let far = [1, 64].map(|per_read| {
        let times = (0..rounds).map(|_| house.time(count, per_read, &mut random, Receivers::Far));
        format!("{:.1}", times.fold(f64::INFINITY, f64::min))
    });
    line("to a node", &far);
    assert!(house.hub.counters().messages_forwarded > before, "the messages went to the node");
    houses.iter().for_each(House::check);
}
