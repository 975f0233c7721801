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

const HELP: &str = "\
instep bench loads a LECO Coordinator and says what it carries.

Usage: instep bench throughput [ADDRESS] [options]   messages from N senders to N receivers
       instep bench latency [ADDRESS] [options]      round trips CA -> CB -> CA
       instep bench session [ADDRESS] [options]      how far apart members of a session learn of its state
       instep bench c2sim [ADDRESS] [options]        reports over HTTP, and who hears them on WebSockets

ADDRESS is host:port of a Coordinator [INSTEP_ADDRESS, or 127.0.0.1:12300]; for c2sim of its HTTP port [127.0.0.1:12312].

      --payload BYTES   bytes of the payload frame [64]
      --seconds S       how long to measure; a short warm-up comes first [5]
      --relay           ADDRESS is a byte relay that joins its 1st connection with its 2nd, its 3rd with its 4th, ...
      --json            print one JSON object
      --token-file FILE, --key FILE, --server-key KEY|FILE
                        what to show where that is asked (see: instep ctl --help)
  -h, --help            show this help

throughput:
      --pairs N         pairs of a sender and a receiver, each end with its own connection [1]
      --window W        messages that a sender may have on their way [256]

latency:
      --rate R          begin R round trips per second, however long each takes, and measure from the moment at which each
                        should have begun; without it the next one begins when the last has ended

session (takes of the options above --json only):
  -m, --members M       members that listen [100]
  -n, --triggers N      triggers to pull, one when all have heard of the last [1000]
      --session NAME    a session that is RUNNING or PAUSED, instead of one of its own

c2sim (takes of the options above --seconds, --payload [1700], --json):
      --connections N   clients that post reports, each when its last one is answered [8]
      --streams M       WebSockets on which every report is heard [0]
  -n, --triggers N      instead of reports: N triggers, one when all hearers know of the last, and how far apart they learn of it
      --topics K        with --triggers: subscriptions over STOMP that hear them, too [0]
      --stomp HOST:PORT where [127.0.0.1:61613]
      --blind           ADDRESS answers every request alike, without looking into it

MB/s counts payload bytes, in millions.

Exit codes: 0 it was measured, 1 messages were lost or it failed, 2 the command line is wrong, 3 nobody is there or answers in time.
";

/// Runs the sub-command.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(options) = options::parse(words)? else { return say(HELP) };
    match options.measure {
        Measure::Throughput => throughput::run(&options),
        Measure::Latency => latency::run(&options),
        Measure::Session => session::run(&options),
        Measure::C2sim => c2sim::run(&options),
    }
}
