//! The process-wide cap of memory and the Manager: worlds, results for viewers and sessions count, and whoever does not fit is told so
//! while the others go on.

use crate::common::manager::{Controller, House, Watcher, wait_until};
use crate::common::rcrs;
use instep::control::function::Function;
use instep::control::viewer::Bits;
use instep::rcrs::urn::{EntityKind, PropertyKind};

/// The least that a configuration may allow; data has a quarter of it, 393 kB.
const MEMORY_MAX: usize = 3 << 19;

fn house() -> House {
    House::with(|config| {
        config.message_bytes_max = 1024;
        config.frame_bytes_max = 1024;
        config.memory_max = MEMORY_MAX;
    })
}

/// A log over so many roads.
fn log(roads: i32, steps: i32) -> Vec<u8> {
    use PropertyKind as P;
    let initial = (1..=roads)
        .map(|id| {
            let edges = [0, 0, 1000, 0, id + 1, 1000, 0, 0, -1000, 0];
            rcrs::entity(id, EntityKind::Road, &[(P::X, id), (P::Y, -id)], &[(P::Edges, &edges)])
        })
        .chain([rcrs::entity(100_000, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0)], &[])])
        .collect();
    let config = rcrs::config(&[("kernel.timesteps", "9")]);
    rcrs::binary_log(&rcrs::walk(initial, config, 100_000, steps))
}

fn viewer(house: &House, controller: &mut Controller) -> (Watcher, i64) {
    let before = controller.viewers();
    let mut viewer = house.viewer();
    viewer.ask(Bits::OPEN.0, None);
    viewer.see();
    (viewer, controller.viewers().into_iter().find(|id| !before.contains(id)).unwrap())
}

#[test]
fn a_world_that_does_not_fit_ends_its_provider_and_no_other() {
    let house = house();
    house.directory.put("large.log", &log(4000, 3));
    house.directory.put("small.log", &log(20, 3));
    let mut controller = house.controller();
    let large = controller.open("large.log");
    controller.wait_for_status(large, "errored");
    let errors = controller.errors();
    assert!(
        errors.iter().any(|line| line.ends_with("large.log: no memory is left for its data (memory_max)")),
        "{errors:?}"
    );
    let small = controller.open_ready("small.log");
    let (mut watcher, id) = viewer(&house, &mut controller);
    controller.connect(small, id);
    watcher.see_until(3);
    controller.wait_for_status(small, "closed");
    assert!(controller.call(Function::Close, |request| request.provider(&[large, small])).ok);
    drop(watcher);
    wait_until("the viewer has left", || controller.viewers().is_empty());
    let hub = house.stop();
    assert!(hub.hub().data_in_use() < 4096, "what was held came back: {}", hub.hub().data_in_use());
}

#[test]
fn memory_that_is_given_back_serves_the_next() {
    let house = house();
    house.directory.put("half.log", &log(600, 3));
    let mut controller = house.controller();
    let first = controller.open("half.log");
    let (mut watcher, id) = viewer(&house, &mut controller);
    controller.connect(first, id);
    watcher.see_until(3);
    // A second one of its size has no room beside it, or has once the first is closed.
    let second = controller.open("half.log");
    let third = controller.open("half.log");
    wait_until("one of them has no room", || {
        [second, third].into_iter().any(|id| controller.provider(id)["status"] == "errored")
    });
    assert!(controller.call(Function::Close, |request| request.provider(&[first, second, third])).ok);
    let last = controller.open_ready("half.log");
    controller.connect(last, id);
    watcher.see_until(3);
}

#[test]
fn viewers_that_take_nothing_cost_no_more_than_the_cap() {
    let house = house();
    house.directory.put("run.log", &log(300, 3));
    let mut controller = house.controller();
    let provider = controller.open("run.log");
    let mut deaf: Vec<Watcher> = Vec::new();
    for n in 0..40 {
        let (watcher, id) = viewer(&house, &mut controller);
        controller.connect(provider, id);
        deaf.push(watcher);
        // Every one of them asks for a world of its own, again and again, and reads nothing.
        let choice = [Bits::WORLD, Bits::MAP, Bits::WORLD | Bits::MAP][n % 3];
        for _ in 0..20 {
            deaf[n].ask((Bits::OPEN | choice).0, None);
        }
    }
    let (mut watcher, id) = viewer(&house, &mut controller);
    controller.connect(provider, id);
    wait_until("the last one is told something", || {
        let seen = watcher.see();
        !seen.record.is_empty() || seen.message == "no memory is left for this (memory_max)"
    });
    drop(deaf);
    wait_until("the others have left", || controller.viewers().len() == 1);
    watcher.ask(Bits::OPEN.0, None);
    wait_until("there is memory again", || watcher.see().record.len() > 10_000);
}
