//! A seeded simulation of several hubs, many components and everything that can go wrong between them, with a virtual clock.
//!
//! * `world` holds hubs, connections and the agenda, and does for each hub what the event loop would do.
//! * `people` are the components and their habits; `swarm` chooses what a run is like; `pipe` is one direction of a connection.
//! * `sessions` has shared sessions, their members and their ledger, in the world of `tests/common`.
//! * `guests` are clients over HTTP in a session with Components, and what each of them may hear.
//! * `hearers` are clients over STOMP in a session with others, each with what is for it.
//! * `mixed` has two of each dialect in one session, with all that can happen to any of their connections.
//! * `mesh` is a network of many nodes with many Components, with links that take their time: how soon all know everything, what it costs.
//! * `stage` has the Manager: controllers, viewers and providers, with a slow twin of their own.
//! * `channels` are publishers and subscribers in such a network, through cuts of it.
//! * `twin` is the slow model that knows how every message may end, written from the protocol alone.
//!
//! `MESH_NODES=100 MESH_COMPONENTS=1000 cargo test --release --test sim mesh` plays the network in full size.
//!
//! `SIM_SEED=7 cargo test --test sim` plays run 7 again; `SIM_RUNS=5000` plays that many, from `SIM_SEED` on; `SIM_EVENTS=500` shows
//! so many events of a run that fails.
//!
//! `MIXED_EVENTS=10000 SIM_RUNS=1 cargo test --release --test sim mixed` plays a whole exercise in the mixed session.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    reason = "a test that stumbles shall stop"
)]

mod channels;
#[path = "../common/mod.rs"]
mod common;
mod guests;
mod hearers;
mod mesh;
mod mixed;
mod people;
mod pipe;
mod rng;
mod sessions;
mod single;
mod stage;
mod swarm;
mod twin;
mod wire;
mod world;

use std::fmt;

use world::World;

/// Runs where nobody asks for more.
const RUNS: u64 = 40;

/// What the harness itself does wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    /// A delivered message is lost.
    Drop,
    /// A message arrives twice.
    Repeat,
    /// A bit of a message changes.
    Alter,
    /// A message reaches somebody else.
    Misdeliver,
    /// A message that was fine is refused.
    Refuse,
    /// A component is missing in the truth.
    Hide,
}

/// Why a run is not as it should be.
struct Failure {
    seed: u64,
    step: u64,
    reason: String,
    events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "{event}")?;
        }
        writeln!(f, "seed {}, step {}: {}", self.seed, self.step, self.reason)?;
        write!(f, "play it again with SIM_SEED={} cargo test --test sim", self.seed)
    }
}

/// What a run has seen: a simulation in which nothing happens proves nothing.
#[derive(Debug, Default)]
struct Summary {
    delivered: u64,
    refused: u64,
    excused: u64,
    runs: u64,
}

/// One life of a world: chaos, calm, roll call, end.
fn run(seed: u64, sabotage: Sabotage, sum: &mut Summary) -> Result<(), Failure> {
    let mut world = World::new(seed, sabotage);
    let chaos_ends = world.now + world.swarm.chaos_ms;
    world.play_until(chaos_ends);
    world.calm_down();
    let calm_ends = world.now + world.swarm.calm_ms();
    world.play_until(calm_ends);
    let roll = world.call_roll();
    // Not long enough for a hub to ask who has fallen silent.
    let answers_end = world.now + 1_900;
    world.play_until(answers_end);
    if world.failure.is_none()
        && let Err(reason) = world.check_roll(&roll)
    {
        world.fail(reason);
    }
    world.note_standstills();
    let end = world.moment();
    if world.failure.is_none() {
        world.failure = world.twin.judge(end).err();
    }
    for hub in 0..world.nodes.len() {
        if world.failure.is_none() {
            world.stop(hub);
        }
    }
    let stopped_by = world.now + 2_900;
    world.play_until(stopped_by);
    if !world.all_stopped() {
        world.fail("not every hub has stopped with all its connections closed".to_owned());
    }
    sum.delivered += world.twin.delivered;
    sum.refused += world.twin.refused;
    sum.excused += world.twin.excused;
    sum.runs += 1;
    world.into_failure().map_or(Ok(()), Err)
}

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().map(|word| word.parse().unwrap_or_else(|_| panic!("{key} is a number, not '{word}'")))
}

#[test]
fn every_message_has_an_end_that_the_twin_expects() {
    let seeds = match (number("SIM_SEED"), number("SIM_RUNS")) {
        (Some(seed), None) => seed..seed + 1,
        (Some(seed), Some(runs)) => seed..seed + runs,
        (None, runs) => 0..runs.unwrap_or(RUNS),
    };
    let mut sum = Summary::default();
    let mut failures = Vec::new();
    for seed in seeds.clone() {
        if let Err(failure) = run(seed, Sabotage::None, &mut sum) {
            eprintln!("{failure}\n");
            failures.push(failure.seed);
        }
    }
    eprintln!("{sum:?}");
    assert!(failures.is_empty(), "{} of {} runs failed: {failures:?}", failures.len(), sum.runs);
    assert!(sum.runs < 10 || sum.delivered > 10 * sum.runs, "next to nothing was delivered: {sum:?}");
}

/// The checker checks: each kind of harm, done once in an otherwise quiet run, is found.
#[test]
fn harm_done_on_purpose_is_noticed() {
    let kinds = [
        (Sabotage::Drop, "it was lost without a reason"),
        (Sabotage::Repeat, "after its end"),
        (Sabotage::Alter, "was changed on its way"),
        (Sabotage::Misdeliver, "came to"),
        (Sabotage::Refuse, ""),
        (Sabotage::Hide, "was told"),
    ];
    for (sabotage, wanted) in kinds {
        for seed in 0..2 {
            let Err(failure) = run(seed, sabotage, &mut Summary::default()) else {
                panic!("{sabotage:?} went unnoticed in run {seed}");
            };
            assert!(failure.reason.contains(wanted), "{sabotage:?}: {failure}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    let story = |seed| {
        let mut sum = Summary::default();
        let told = run(seed, Sabotage::Drop, &mut sum).err().map(|failure| failure.to_string());
        (told, sum.delivered)
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}
