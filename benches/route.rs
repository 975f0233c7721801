//! What the hub alone spends on a routed message of 64 bytes of payload: no sockets, no system calls.
//!
//! Eight senders, random receivers, so that neither the last receiver nor a cache helps more than it would in life. Each message comes in
//! a read of its own and is flushed on its own, which is the dearest way; then again in reads of 64.
//!
//! cargo bench --bench route [-- --quick]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement prints, and fails where it stands"
)]

mod common;

use common::{Random, median, message, nanos_each, now, opening, quick, request};
use instep::config::Config;
use instep::hub::{Hub, Output, PeerKey, Start};
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
    node: Option<PeerKey>,
}

impl House {
    fn new(components: usize) -> Self {
        let config = Config {
            namespace: "N1".into(),
            host: "lab".into(),
            coordinators: vec!["far:12300".into()],
            expiration_s: 1_000_000,
            ..Config::default()
        };
        let mut hub = Hub::new(config, Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 });
        let mut node = None;
        hub.handle_timeout(NOW);
        while let Some(output) = hub.poll_output(NOW) {
            if let Output::Dial(key) = output {
                node = hub.handle_dialed(NOW, key, Ok("127.0.0.1:12301".parse().unwrap()));
            }
        }
        let mut house = Self { hub, peers: Vec::new(), node };
        if let Some(link) = node {
            let accepted = message("N1.COORDINATOR", "N2.COORDINATOR", 1, br#"{"id":1,"result":null}"#);
            house.feed(link, &[opening(SocketType::Router), accepted].concat());
        }
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
        while let Some(output) = self.hub.poll_output(NOW) {
            if let Output::Flush(key) = output {
                let [first, second] = self.hub.unsent(key);
                let waiting = first.len() + second.len();
                self.hub.sent(NOW, key, waiting);
            }
        }
    }

    /// Routes `count` messages from all senders, `per_read` in one read. Nanoseconds for each.
    fn route(&mut self, count: usize, per_read: usize, random: &mut Random, receiver: &str) -> f64 {
        let prepared: Vec<(PeerKey, Vec<Vec<u8>>)> = (0..SENDERS)
            .map(|sender| {
                let reads = (0..PREPARED / SENDERS / per_read).map(|_| {
                    let mut bytes = Vec::new();
                    for _ in 0..per_read {
                        let to = match receiver {
                            "" => format!("N1.component{}", random.below(self.peers.len())),
                            there => there.to_owned(),
                        };
                        bytes.extend(message(&to, &format!("N1.component{sender}"), 0, &PAYLOAD));
                    }
                    bytes
                });
                (self.peers[sender], reads.collect())
            })
            .collect();
        let rounds = count.div_ceil(PREPARED);
        let begin = now();
        for _ in 0..rounds {
            for read in 0..PREPARED / SENDERS / per_read {
                for (sender, reads) in &prepared {
                    self.feed(*sender, &reads[read]);
                }
            }
        }
        nanos_each(begin.elapsed(), rounds * PREPARED)
    }
}

fn main() {
    let (count, rounds) = if quick() { (PREPARED, 3) } else { (40 * PREPARED, 9) };
    let sizes = [10, 100, 1000, 10_000];
    let mut houses = sizes.map(House::new);
    let mut random = Random(7);
    println!("{:>12}{:>22}{:>22}", "components", "ns, alone in a read", "ns, 64 in a read");
    // Interleaved, so that whatever else the machine does falls on all sizes alike.
    let mut times = sizes.map(|_| [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (house, times) in houses.iter_mut().zip(&mut times) {
            for (times, per_read) in times.iter_mut().zip([1, 64]) {
                times.push(house.route(count, per_read, &mut random, ""));
            }
        }
    }
    let medians = times.map(|[alone, many]| [median(alone), median(many)]);
    for (size, [alone, many]) in sizes.iter().zip(medians) {
        println!("{size:>12}{alone:>22.1}{many:>22.1}");
    }
    let ratio = |way: usize| medians[3][way] / medians[0][way];
    println!("{:>12}{:>22.2}{:>22.2}", "10000 / 10", ratio(0), ratio(1));

    let house = &mut houses[0];
    assert!(house.node.is_some(), "the node was dialled");
    let before = house.hub.counters().messages_forwarded;
    let far: Vec<f64> = (0..rounds).map(|_| house.route(count, 1, &mut random, "N2.CB")).collect();
    let far_many: Vec<f64> = (0..rounds).map(|_| house.route(count, 64, &mut random, "N2.CB")).collect();
    println!("{:>12}{:>22.1}{:>22.1}", "to a node", median(far), median(far_many));
    assert!(house.hub.counters().messages_forwarded > before, "the messages went to the node");
    for house in &houses {
        assert_eq!(house.hub.counters().rpc_errors, 0);
        assert_eq!(house.hub.counters().refused_receiver_unknown, 0);
    }
}
