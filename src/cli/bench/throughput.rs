//! `instep bench throughput`: how many messages per second go from N senders to N receivers.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::failure::Failure;
use super::super::print::say;
use super::client::{connect_pairs, load};
use super::figures::{count, grouped, real};
use super::generator::Generator;
use super::inbox::Inbox;
use super::options::Options;
use super::outbox::Outbox;
use super::progress::{PATIENCE, StatusLine, now};

/// How long messages that are on their way may take once nothing more is sent.
const DRAIN: Duration = Duration::from_secs(5);
/// The longest wait for events.
const WAIT: Duration = Duration::from_millis(100);

/// What a run came to.
#[derive(Debug)]
struct Outcome {
    messages: u64,
    time: Duration,
    wire: u64,
    errors: u64,
    first_error: Option<String>,
    lost: u64,
    interrupted: bool,
}

/// Messages of which it is known what became of them: received, or answered with an error.
fn settled(generator: &Generator, sender: usize) -> u64 {
    let errors = generator.ends.get(sender).map_or(0, |end| end.inbox.errors);
    generator.ends.get(sender + 1).map_or(0, |end| end.inbox.received + errors)
}

/// Lets a sender use its window again.
fn refill(generator: &mut Generator, sender: usize, window: u64) -> Result<(), Failure> {
    let allowed = settled(generator, sender).saturating_add(window);
    if let Some(end) = generator.ends.get_mut(sender) {
        end.outbox.allow(allowed);
    }
    generator.flush(sender)
}

fn received(generator: &Generator) -> u64 {
    generator.ends.iter().map(|end| end.inbox.received).sum()
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let pairs = connect_pairs(options, options.pairs)?;
    let mut wire = 0;
    let sessions = pairs.into_iter().flat_map(|(sender, receiver)| {
        let message = load(&receiver, &sender, options.payload);
        wire = count(message.len());
        let outbox = Outbox::new(&message, options.window);
        [(sender, Inbox::new(b""), outbox), (receiver, Inbox::new(&message), Outbox::new(b"", 0))]
    });
    let mut generator = Generator::new(options, sessions, now())?;
    let (messages, time) = measure(&mut generator, options)?;
    let lost = drain(&mut generator)?;
    generator.check_bytes()?;
    let (errors, first_error) = generator.errors();
    let first_error = first_error.map(str::to_owned);
    let interrupted = generator.interrupted;
    generator.leave(options);
    report(options, &Outcome { messages, time, wire, errors, first_error, lost, interrupted })
}

/// Keeps every window full; messages received after the warm-up, and the time they took.
fn measure(generator: &mut Generator, options: &Options) -> Result<(u64, Duration), Failure> {
    let begin = now();
    let mut progress = StatusLine::new(begin, options);
    let mut start: Option<(Instant, u64)> = None;
    let mut last_arrival = begin;
    for sender in (0..generator.ends.len()).step_by(2) {
        refill(generator, sender, options.window)?;
    }
    let (messages, time) = loop {
        let ready = generator.wait(WAIT)?;
        for _ in 0..ready {
            if let Some(n) = generator.read_next()? {
                refill(generator, n - n % 2, options.window)?;
            }
        }
        let now = now();
        generator.beat(now)?;
        if ready > 0 {
            last_arrival = now;
        } else if now - last_arrival > PATIENCE {
            let seconds = PATIENCE.as_secs();
            progress.clear();
            return Err(Failure::other(format!("{}: nothing has arrived for {seconds} s", options.address)));
        }
        match start {
            None if now - begin >= options.warm_up() => start = Some((now, received(generator))),
            None => {}
            Some((since, before)) => {
                let time = now - since;
                if time >= options.length || generator.interrupted {
                    break (received(generator) - before, time);
                }
                progress.show(now, || {
                    let rate = real(received(generator) - before) / time.as_secs_f64();
                    format!("{rate:.0} messages/s")
                });
            }
        }
        if generator.interrupted && start.is_none() {
            break (0, Duration::ZERO);
        }
    };
    progress.clear();
    Ok((messages, time))
}

/// Sends nothing more and waits for what is on its way; messages that never come.
fn drain(generator: &mut Generator) -> Result<u64, Failure> {
    let begin = now();
    for end in &mut generator.ends {
        end.outbox.stop();
    }
    loop {
        let senders = (0..generator.ends.len()).step_by(2);
        let missing: u64 = senders
            .map(|sender| {
                let sent = generator.ends.get(sender).map_or(0, |end| end.outbox.messages());
                sent.saturating_sub(settled(generator, sender))
            })
            .sum();
        if missing == 0 || now() - begin > DRAIN {
            return Ok(missing);
        }
        for _ in 0..generator.wait(WAIT)? {
            generator.read_next()?;
        }
    }
}

fn report(options: &Options, outcome: &Outcome) -> Result<(), Failure> {
    let seconds = outcome.time.as_secs_f64();
    let rate = if seconds > 0.0 { real(outcome.messages) / seconds } else { 0.0 };
    let megabytes = rate * real(count(options.payload)) / 1e6;
    if options.json {
        let object = json!({
            "benchmark": "throughput",
            "address": options.address,
            "relay": options.relay,
            "pairs": options.pairs,
            "payload_bytes": options.payload,
            "message_bytes": outcome.wire,
            "window": options.window,
            "seconds": seconds,
            "messages": outcome.messages,
            "messages_per_s": rate,
            "mb_per_s": megabytes,
            "errors": outcome.errors,
            "first_error": outcome.first_error,
            "lost": outcome.lost,
            "interrupted": outcome.interrupted,
        });
        say(&format!("{object}\n"))?;
    } else {
        let mut out = format!(
            "{} pair{} at {}{}, {} B payload ({} B on the wire), window {}, {seconds:.2} s\n\
             {:>14.0} messages/s\n{megabytes:>14.1} MB/s\n{:>14} messages\n{:>14} error replies\n",
            options.pairs,
            if options.pairs == 1 { "" } else { "s" },
            options.address,
            if options.relay { " (relay)" } else { "" },
            options.payload,
            outcome.wire,
            options.window,
            rate,
            grouped(outcome.messages),
            grouped(outcome.errors),
        );
        if let Some(error) = &outcome.first_error {
            let written = writeln!(out, "the first error: {error}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        say(&out)?;
    }
    if outcome.lost > 0 {
        return Err(Failure::other(format!("{} messages were lost without an error", outcome.lost)));
    }
    Ok(())
}
