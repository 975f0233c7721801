//! `instep bench`: a load generator in a process of its own. It speaks real ZMTP and LECO to any Coordinator, or lets its two
//! ends talk to each other through a blind byte relay, which is the floor that the machine sets.
//!
//! One thread, one poll loop, as the server: the two share the machine, so what the generator spends per message is kept
//! small. Messages are built once and written from a batch of copies; arriving ones are compared with the one expected.
//!
//! LECO has no acknowledgements. Both ends of every pair are in this process, so a sender's window is counted by what the
//! receiver of its pair has received.

mod client;
mod desk;
mod histogram;
mod inbox;
mod latency;
mod outbox;
mod session;
mod throughput;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr;
use std::time::{Duration, Instant};

use instep::limits::MEMBERS_MAX;
use lexopt::prelude::{Long, Short, Value as Word};

use super::{Failure, say};

/// Bytes of a payload at most: what the default bounds of a Coordinator allow.
const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Pairs at most; each has two connections.
const PAIRS_MAX: usize = 4096;
/// Messages in flight for each pair at most.
const WINDOW_MAX: u64 = 1 << 20;
/// Messages per second at most, with `--rate`.
const RATE_MAX: u64 = 1_000_000;
/// Triggers to pull at most.
const TRIGGERS_MAX: u64 = 10_000_000;
/// Seconds to measure, at least and at most.
const SECONDS: core::ops::RangeInclusive<f64> = 0.05..=86_400.0;
/// How long nothing may arrive before the run is given up.
const PATIENCE: Duration = Duration::from_secs(5);

const HELP: &str = "\
instep bench loads a LECO Coordinator and says what it carries.

Usage: instep bench throughput [ADDRESS] [options]   messages from N senders to N receivers
       instep bench latency [ADDRESS] [options]      round trips CA -> CB -> CA
       instep bench session [ADDRESS] [options]      how far apart members of a session learn of its state

ADDRESS is host:port of a Coordinator [127.0.0.1:12300].

      --payload BYTES   bytes of the payload frame [64]
      --seconds S       how long to measure; a short warm-up comes first [5]
      --relay           ADDRESS is a byte relay that joins its 1st connection with its 2nd, its 3rd with its 4th, ...
      --json            print one JSON object
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

MB/s counts payload bytes, in millions.

Exit codes: 0 it was measured, 1 messages were lost or it failed, 2 the command line is wrong, 3 nobody is there or answers in time.
";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Throughput,
    Latency,
    Session,
}

/// The command line.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    kind: Kind,
    address: String,
    relay: bool,
    json: bool,
    pairs: usize,
    payload: usize,
    window: u64,
    length: Duration,
    rate: Option<u64>,
    members: usize,
    triggers: u64,
    /// Empty for one of its own.
    session: String,
}

impl Options {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            address: String::new(),
            relay: false,
            json: false,
            pairs: 1,
            payload: 64,
            window: 256,
            length: Duration::from_secs(5),
            rate: None,
            members: 100,
            triggers: 1000,
            session: String::new(),
        }
    }

    /// Time at the beginning that does not count.
    fn warm_up(&self) -> Duration {
        (self.length / 5).min(Duration::from_millis(500))
    }
}

/// Runs the sub-command.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(options) = parse(words)? else { return say(HELP) };
    match options.kind {
        Kind::Throughput => throughput::run(&options),
        Kind::Latency => latency::run(&options),
        Kind::Session => session::run(&options),
    }
}

/// Takes the command line apart; `None` asks for help.
fn parse(words: Vec<OsString>) -> Result<Option<Options>, Failure> {
    let mut parser = lexopt::Parser::from_args(words);
    let kind = match parser.next()? {
        Some(Word(word)) if word == "throughput" => Kind::Throughput,
        Some(Word(word)) if word == "latency" => Kind::Latency,
        Some(Word(word)) if word == "session" => Kind::Session,
        Some(Word(word)) if word == "help" => return Ok(None),
        Some(Short('h') | Long("help")) => return Ok(None),
        Some(word) => return Err(Failure::usage(format!("bench: {}", word.unexpected()))),
        None => return Err(Failure::usage("bench: throughput, latency or session? (try: instep bench --help)")),
    };
    let mut options = Options::new(kind);
    while let Some(word) = parser.next()? {
        match (word, kind) {
            (Short('h') | Long("help"), _) => return Ok(None),
            (Long("relay"), Kind::Throughput | Kind::Latency) => options.relay = true,
            (Long("json"), _) => options.json = true,
            (Long("payload"), Kind::Throughput | Kind::Latency) => {
                options.payload = within(&mut parser, "payload", 0..=PAYLOAD_BYTES_MAX)?
            }
            (Long("seconds"), Kind::Throughput | Kind::Latency) => {
                options.length = Duration::from_secs_f64(within(&mut parser, "seconds", SECONDS)?);
            }
            (Long("pairs"), Kind::Throughput) => options.pairs = within(&mut parser, "pairs", 1..=PAIRS_MAX)?,
            (Long("window"), Kind::Throughput) => options.window = within(&mut parser, "window", 1..=WINDOW_MAX)?,
            (Long("rate"), Kind::Latency) => options.rate = Some(within(&mut parser, "rate", 1..=RATE_MAX)?),
            (Short('m') | Long("members"), Kind::Session) => {
                options.members = within(&mut parser, "members", 1..=MEMBERS_MAX - 1)?;
            }
            (Short('n') | Long("triggers"), Kind::Session) => {
                options.triggers = within(&mut parser, "triggers", 1..=TRIGGERS_MAX)?;
            }
            (Long("session"), Kind::Session) => options.session = parser.value()?.to_string_lossy().into_owned(),
            (Word(word), _) if options.address.is_empty() => {
                options.address = word
                    .into_string()
                    .ok()
                    .filter(|word| !word.is_empty())
                    .ok_or_else(|| Failure::usage("bench: the address is no text"))?;
            }
            (other, _) => {
                return Err(Failure::usage(format!("bench: {} (try: instep bench --help)", other.unexpected())));
            }
        }
    }
    if options.address.is_empty() {
        options.address = format!("127.0.0.1:{}", instep::config::DEFAULT_PORT);
    }
    Ok(Some(options))
}

/// The value of a flag, if it lies in a range.
fn within<T>(parser: &mut lexopt::Parser, flag: &str, range: core::ops::RangeInclusive<T>) -> Result<T, Failure>
where
    T: FromStr + PartialOrd + Display,
{
    let word = parser.value()?.to_string_lossy().replace('_', "");
    word.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
        Failure::usage(format!("--{flag}: '{word}' is not a number from {} to {}", range.start(), range.end()))
    })
}

#[expect(clippy::disallowed_methods, reason = "a load generator reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// A line on a terminal that is written over and over while the run goes on; nothing where standard error is no terminal.
#[derive(Debug)]
struct Progress {
    shown: bool,
    next: Instant,
}

impl Progress {
    fn new(start: Instant) -> Self {
        Self { shown: std::io::stderr().is_terminal(), next: start + Duration::from_millis(500) }
    }

    /// Shows a line twice a second.
    fn show(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.shown && now >= self.next {
            self.next = now + Duration::from_millis(500);
            // A terminal that does not take the line only misses it.
            self.shown = write!(std::io::stderr(), "\r\x1b[K{}", line()).is_ok();
        }
    }

    /// Takes the line away.
    fn clear(&self) {
        if self.shown {
            let cleared = write!(std::io::stderr(), "\r\x1b[K");
            debug_assert!(cleared.is_ok(), "the terminal took the line before");
        }
    }
}

/// A whole number with its thousands set apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A count as a real number. Exact up to 2^53, far above what any run reaches.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn real(n: u64) -> f64 {
    n as f64
}

/// A size as a count.
fn plain(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>, String> {
        parse(line.split_whitespace().map(OsString::from).collect()).map_err(|failure| {
            assert_eq!(failure.code, super::super::USAGE, "{line}");
            failure.text
        })
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let options = parsed("throughput").unwrap().unwrap();
        assert_eq!(options, Options { address: "127.0.0.1:12300".to_owned(), ..Options::new(Kind::Throughput) },);
        assert_eq!((options.pairs, options.payload, options.window), (1, 64, 256));
        assert_eq!(options.length, Duration::from_secs(5));
    }

    #[test]
    fn every_flag_lands_in_its_place() {
        let line = "throughput lab:7 --pairs 8 --payload=65_536 --window 16 --seconds 0.25 --json --relay";
        let options = parsed(line).unwrap().unwrap();
        assert_eq!(
            options,
            Options {
                kind: Kind::Throughput,
                address: "lab:7".to_owned(),
                relay: true,
                json: true,
                pairs: 8,
                payload: 65536,
                window: 16,
                length: Duration::from_millis(250),
                rate: None,
                ..Options::new(Kind::Throughput)
            }
        );
        let options = parsed("session lab:7 -m 3 -n 20 --session drill --json").unwrap().unwrap();
        assert_eq!((options.members, options.triggers, options.session.as_str()), (3, 20, "drill"));
        assert_eq!(parsed("latency --rate 1000").unwrap().unwrap().rate, Some(1000));
        assert_eq!(parsed("latency --help"), Ok(None));
        assert_eq!(parsed("-h"), Ok(None));
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, part) in [
            ("", "throughput, latency or session"),
            ("speed", "speed"),
            ("latency --pairs 2", "--pairs"),
            ("throughput --rate 2", "--rate"),
            ("session --pairs 2", "--pairs"),
            ("session --relay", "--relay"),
            ("session -m 0", "--members: '0' is not a number from 1 to 4095"),
            ("throughput --pairs 0", "--pairs: '0' is not a number from 1 to 4096"),
            ("throughput --pairs many", "'many'"),
            ("throughput --seconds NaN", "--seconds: 'NaN'"),
            ("throughput --seconds -1", "--seconds: '-1'"),
            ("throughput --payload 99999999", "--payload"),
            ("throughput a b", "b"),
            ("latency --json=1", "json"),
        ] {
            let said = parsed(line).unwrap_err();
            assert!(said.contains(part), "{line}: {said}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
