//! `instep bench`: a load generator in a process of its own. It speaks real ZMTP and LECO to any Coordinator, or lets its two
//! ends talk to each other through a blind byte relay, which is the floor that the machine sets.
//!
//! One thread, one poll loop, as the server: the two share the machine, so what the generator spends per message is kept
//! small. Messages are built once and written from a batch of copies; arriving ones are compared with the one expected.
//!
//! LECO has no acknowledgements. Both ends of every pair are in this process, so a sender's window is counted by what the
//! receiver of its pair has received.

mod c2sim;
mod client;
mod distribution;
mod figures;
mod generator;
mod histogram;
mod inbox;
mod latency;
mod options;
mod outbox;
mod progress;
mod sealed;
mod session;
mod throughput;
mod web;

use std::ffi::OsString;

use super::failure::Failure;
use super::print::say;
use options::Measure;

pub(super) use options::HELP;

/// Runs the sub-command.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(options) = options::parse(words)? else { return say(HELP) };
    distribution::check(&options)?;
    match options.measure {
        Measure::Throughput => throughput::run(&options),
        Measure::Latency => latency::run(&options),
        Measure::Session => session::run(&options),
        Measure::C2sim => c2sim::run(&options),
    }
}
