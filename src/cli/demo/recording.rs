//! A small log as an RCRS kernel of the 1.x line would have written it: one person who walks along a street.
//!
//! A record is its type, its length and its content; all numbers have four bytes, high byte first, and texts their length in front.

use instep::rcrs::urn::{EntityKind, PropertyKind};

/// Milliseconds of one timestep.
pub(super) const STEP_MS: u32 = 200;

const PERSON: u32 = 300;
const START: u32 = 0xe542_d585;
const INITIAL: u32 = 1;
const COMMANDS: u32 = 3;
const UPDATES: u32 = 4;
const CONFIG: u32 = 5;
const END: u32 = 0;

/// The log of so many timesteps.
pub(super) fn recording(steps: u32) -> Vec<u8> {
    let mut log = Vec::new();
    record(&mut log, START, &[]);
    let person = [sized(kind().as_bytes()), int(PERSON), sized(&place(0))].concat();
    record(&mut log, INITIAL, &[int(1), person].concat());
    let pairs = [("kernel.timesteps", steps), ("kernel.agents.think-time", STEP_MS)];
    let pairs = pairs.map(|(key, value)| [sized(key.as_bytes()), sized(value.to_string().as_bytes())].concat());
    record(&mut log, CONFIG, &[int(2), pairs.concat()].concat());
    for step in 1..=steps {
        record(&mut log, COMMANDS, &[int(step), int(0)].concat());
        // Of the changed entities there is one, of the deleted none.
        let changes = [int(1), int(PERSON), sized(kind().as_bytes()), place(1000 * step), int(0)].concat();
        record(&mut log, UPDATES, &[int(step), changes].concat());
    }
    record(&mut log, END, &[]);
    log
}

fn record(log: &mut Vec<u8>, number: u32, content: &[u8]) {
    log.extend([int(number), sized(content)].concat());
}

fn kind() -> String {
    EntityKind::Civilian.urn()
}

/// Properties that say where somebody is, in millimetres.
fn place(x: u32) -> Vec<u8> {
    let property =
        |kind: PropertyKind, value: u32| [sized(kind.urn().as_bytes()), vec![1], sized(&int(value))].concat();
    [int(2), property(PropertyKind::X, x), property(PropertyKind::Y, 0)].concat()
}

fn int(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn sized(content: &[u8]) -> Vec<u8> {
    [int(u32::try_from(content.len()).unwrap_or(u32::MAX)), content.to_vec()].concat()
}
