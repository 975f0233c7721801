//! What is measured, and how: the command line of `instep bench`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use instep::limits::MEMBERS_MAX;
use instep::spelling::meant;
use instep::store::order;
use lexopt::prelude::{Long, Short, Value as Word};

use super::super::context;
use super::super::credentials;
use super::super::failure::Failure;
use super::super::flags::no_flag;
use super::super::place;

pub(in crate::cli) const HELP: &str = "\
instep bench loads a LECO Coordinator and says what it carries.

Usage: instep bench throughput [ADDRESS] [options]   messages from N senders to N receivers
       instep bench latency [ADDRESS] [options]      round trips CA -> CB -> CA
       instep bench session [ADDRESS] [options]      how far apart members of a session learn of its state
       instep bench c2sim [ADDRESS] [options]        reports over HTTP, and who hears them on WebSockets

ADDRESS is host:port of a Coordinator, or a context [INSTEP_ADDRESS, the context in use, or 127.0.0.1:12300]; for c2sim
that of its HTTP port [12 above, 127.0.0.1:12312].

  -a, --address HOST:PORT
                        the Coordinator, as ADDRESS is; for c2sim the one that the HTTP port belongs to
      --context NAME    the Coordinator of that name (see: instep ctl context; also: INSTEP_CONTEXT)
      --payload BYTES   bytes of the payload frame [64]
      --seconds S       how long to measure; a short warm-up comes first [5]
      --relay           ADDRESS is a byte relay that joins its 1st connection with its 2nd, its 3rd with its 4th, ...
      --json            print one JSON object
      --progress        show a line each second where standard error is no terminal, too
      --percentiles FILE
                        write percentiles of the times in us as HdrHistogram does, for its plotters: of round trips, of what
                        is between the first and the last who hear (session; c2sim --triggers), of answers (c2sim)
      --token-file FILE, --key FILE, --server-key KEY|FILE
                        what to show where that is asked (see: instep ctl --help)
  -h, --help            show this help

throughput:
      --pairs N         pairs of a sender and a receiver, each end with its own connection [1]
      --window W        messages that a sender may have on their way [256]

latency:
      --rate R          begin R round trips per second, however long each takes, and measure from the moment at which each
                        should have begun; without it the next one begins when the last has ended

session (takes of the options above --json, --progress, --percentiles, and those of what to show):
  -m, --members M       members that listen [100]
  -n, --triggers N      triggers to pull, one when all have heard of the last [1000]
      --nodes HOST:PORT,...
                        Coordinators at which the members sign in, in turn, instead of the one that has the session
      --session NAME    a session that is RUNNING or PAUSED, instead of one of its own

c2sim (takes of the options above --seconds, --payload [1700], --json, --progress, --percentiles):
      --connections N   clients that post reports, each when its last one is answered [8]
      --streams M       WebSockets on which every report is heard [0]
  -n, --triggers N      instead of reports: N triggers, one when all hearers know of the last, and how far apart they learn of it
      --topics K        with --triggers: subscriptions over STOMP that hear them, too [0]
      --stomp HOST:PORT where [127.0.0.1:61613]
      --blind           ADDRESS answers every request alike, without looking into it

MB/s counts payload bytes, in millions.

Exit codes: 0 it was measured, 1 messages were lost or it failed, 2 the command line is wrong, 3 nobody is there or answers in time.
";

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
/// What can be measured.
const KINDS: [&str; 4] = ["throughput", "latency", "session", "c2sim"];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Throughput,
    Latency,
    Session,
    C2sim,
}

/// The command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) measure: Measure,
    pub(super) address: String,
    pub(super) relay: bool,
    pub(super) json: bool,
    pub(super) progress: bool,
    /// The file of percentiles; empty for none.
    pub(super) percentiles: String,
    pub(super) pairs: usize,
    pub(super) payload: usize,
    pub(super) window: u64,
    pub(super) length: Duration,
    pub(super) rate: Option<u64>,
    pub(super) members: usize,
    pub(super) triggers: u64,
    /// Clients that post.
    pub(super) connections: usize,
    pub(super) streams: usize,
    /// Subscriptions over STOMP, and where.
    pub(super) topics: usize,
    pub(super) stomp: String,
    /// Triggers are pulled, and nothing is posted.
    pub(super) triggers_only: bool,
    /// Empty for one of its own.
    pub(super) session: String,
    /// Where the members sign in, if not where the session is.
    pub(super) nodes: Vec<String>,
}

impl Options {
    const fn new(measure: Measure) -> Self {
        Self {
            measure,
            address: String::new(),
            relay: false,
            json: false,
            progress: false,
            percentiles: String::new(),
            pairs: 1,
            payload: if matches!(measure, Measure::C2sim) { 1700 } else { 64 },
            window: 256,
            length: Duration::from_secs(5),
            rate: None,
            members: 100,
            triggers: 1000,
            connections: 8,
            streams: 0,
            topics: 0,
            stomp: String::new(),
            triggers_only: false,
            session: String::new(),
            nodes: Vec::new(),
        }
    }

    /// Where the members of a session sign in, in turn.
    pub(super) fn places(&self) -> &[String] {
        if self.nodes.is_empty() { std::slice::from_ref(&self.address) } else { &self.nodes }
    }

    /// At how many Coordinators there are members.
    pub(super) fn nodes_used(&self) -> usize {
        order::filled::<BTreeSet<_>, _>(self.places().iter().take(self.members)).len()
    }

    /// Time at the beginning that does not count.
    pub(super) fn warm_up(&self) -> Duration {
        (self.length / 5).min(Duration::from_millis(500))
    }
}

/// What is to be measured; `None` asks for help.
fn kind(first: Option<lexopt::Arg<'_>>) -> Result<Option<Measure>, Failure> {
    Ok(Some(match first {
        Some(Word(word)) if word == "throughput" => Measure::Throughput,
        Some(Word(word)) if word == "latency" => Measure::Latency,
        Some(Word(word)) if word == "session" => Measure::Session,
        Some(Word(word)) if word == "c2sim" => Measure::C2sim,
        Some(Word(word)) if word == "help" => return Ok(None),
        Some(Short('h') | Long("help")) => return Ok(None),
        Some(Word(word)) => {
            let meant = meant(&word.to_string_lossy(), KINDS);
            let wrong = format!("bench: there is no '{}'{meant}", word.to_string_lossy());
            return Err(Failure::usage(format!("{wrong} ({}; try: instep bench --help)", KINDS.join(", "))));
        }
        Some(word) => {
            let wrong = word.unexpected();
            return Err(Failure::usage(format!("bench: {wrong} before its kind ({})", KINDS.join(", "))));
        }
        None => return Err(Failure::usage("bench: throughput, latency, session or c2sim? (try: instep bench --help)")),
    }))
}

/// Takes the command line apart; `None` asks for help.
pub(super) fn parse(words: Vec<OsString>) -> Result<Option<Options>, Failure> {
    let mut parser = lexopt::Parser::from_args(words);
    let Some(measure) = kind(parser.next()?)? else { return Ok(None) };
    let mut options = Options::new(measure);
    let mut named = None;
    while let Some(word) = parser.next()? {
        match (word, measure) {
            (Short('h') | Long("help"), _) => return Ok(None),
            (Long("relay"), Measure::Throughput | Measure::Latency) => options.relay = true,
            (Long("json"), _) => options.json = true,
            (Long("progress"), _) => options.progress = true,
            (Long("percentiles"), Measure::Latency | Measure::Session | Measure::C2sim) => {
                options.percentiles = parser.value()?.to_string_lossy().into_owned();
            }
            (Short('a') | Long("address"), _) => {
                named = Some(place::named("bench: --address", &parser.value()?.to_string_lossy())?);
            }
            (Long("context"), _) => {
                named = Some(place::of_context("bench: --context", &parser.value()?.to_string_lossy())?)
            }
            (Long(long @ ("token-file" | "key" | "server-key")), _) => {
                credentials::of_flag(long).take(parser.value()?)?
            }
            (Long("payload"), Measure::Throughput | Measure::Latency | Measure::C2sim) => {
                options.payload = within(&mut parser, "payload", 0..=PAYLOAD_BYTES_MAX)?
            }
            (Long("seconds"), Measure::Throughput | Measure::Latency | Measure::C2sim) => {
                options.length = Duration::from_secs_f64(within(&mut parser, "seconds", SECONDS)?);
            }
            (Long("pairs"), Measure::Throughput) => options.pairs = within(&mut parser, "pairs", 1..=PAIRS_MAX)?,
            (Long("window"), Measure::Throughput) => options.window = within(&mut parser, "window", 1..=WINDOW_MAX)?,
            (Long("rate"), Measure::Latency) => options.rate = Some(within(&mut parser, "rate", 1..=RATE_MAX)?),
            (Short('m') | Long("members"), Measure::Session) => {
                options.members = within(&mut parser, "members", 1..=MEMBERS_MAX - 1)?;
            }
            (Short('n') | Long("triggers"), Measure::Session) => {
                options.triggers = within(&mut parser, "triggers", 1..=TRIGGERS_MAX)?;
            }
            (Long("blind"), Measure::C2sim) => options.relay = true,
            (Long("connections"), Measure::C2sim) => {
                options.connections = within(&mut parser, "connections", 1..=PAIRS_MAX)?;
            }
            (Long("streams"), Measure::C2sim) => options.streams = within(&mut parser, "streams", 0..=MEMBERS_MAX - 1)?,
            (Long("topics"), Measure::C2sim) => options.topics = within(&mut parser, "topics", 0..=MEMBERS_MAX - 1)?,
            (Long("stomp"), Measure::C2sim) => options.stomp = parser.value()?.to_string_lossy().into_owned(),
            (Short('n') | Long("triggers"), Measure::C2sim) => {
                options.triggers = within(&mut parser, "triggers", 1..=TRIGGERS_MAX)?;
                options.triggers_only = true;
            }
            (Long("session"), Measure::Session) => options.session = parser.value()?.to_string_lossy().into_owned(),
            (Long("nodes"), Measure::Session) => {
                let nodes = parser.value()?.to_string_lossy().into_owned();
                options.nodes =
                    nodes.split(',').map(|node| place::address_of("bench: --nodes", node)).collect::<Result<_, _>>()?;
            }
            (Word(word), _) if options.address.is_empty() => {
                options.address = word
                    .into_string()
                    .ok()
                    .filter(|word| !word.is_empty())
                    .ok_or_else(|| Failure::usage("bench: the address is no text"))?;
            }
            (Long(long), _) => return Err(no_flag("bench", &format!("--{long}"), HELP)),
            (other, _) => {
                return Err(Failure::usage(format!("bench: {} (try: instep bench --help)", other.unexpected())));
            }
        }
    }
    judge(&mut options)?;
    options.address = address(measure, &options, named)?;
    credentials::check()?;
    Ok(Some(options))
}

/// What belongs together, and what follows from what was said.
fn judge(options: &mut Options) -> Result<(), Failure> {
    if options.topics > 0 && !options.triggers_only {
        return Err(Failure::usage(
            "bench: --topics hear triggers (--triggers N): reports are in the words of another schema",
        ));
    }
    if options.stomp.is_empty() && options.measure == Measure::C2sim {
        options.stomp = "127.0.0.1:61613".to_owned();
    }
    Ok(())
}

/// Where what is measured is; `named` by a context.
fn address(measure: Measure, options: &Options, named: Option<String>) -> Result<String, Failure> {
    let text = options.address.as_str();
    if named.is_some() && !text.is_empty() {
        return Err(Failure::usage(format!("bench: '{text}' and --address or --context name one each: one is enough")));
    }
    match (measure, named) {
        (Measure::C2sim, Some(named)) => place::page(&named),
        (Measure::C2sim, None) if text.is_empty() => place::page(&place::usual()?),
        (_, Some(named)) => Ok(named),
        (_, None) if text.is_empty() => place::usual(),
        // A relay, and a server of HTTP, have ports of their own.
        (Measure::C2sim, None) if context::is_name(text) => place::page(&place::named("bench:", text)?),
        (Measure::C2sim, None) => Ok(text.to_owned()),
        (_, None) if options.relay => Ok(text.to_owned()),
        (_, None) => place::named("bench:", text),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>, String> {
        parse(line.split_whitespace().map(OsString::from).collect()).map_err(|failure| {
            assert_eq!(failure.code, super::super::super::failure::USAGE, "{line}");
            failure.text
        })
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let options = parsed("throughput").unwrap().unwrap();
        assert_eq!(options, Options { address: "127.0.0.1:12300".to_owned(), ..Options::new(Measure::Throughput) },);
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
                measure: Measure::Throughput,
                address: "lab:7".to_owned(),
                relay: true,
                json: true,
                pairs: 8,
                payload: 65536,
                window: 16,
                length: Duration::from_millis(250),
                rate: None,
                ..Options::new(Measure::Throughput)
            }
        );
        let options = parsed("session lab:7 -m 3 -n 20 --session drill --json --nodes a:1,b:2").unwrap().unwrap();
        assert_eq!(options.nodes, ["a:1", "b:2"]);
        let used = |line: &str| parsed(line).unwrap().unwrap().nodes_used();
        assert_eq!(used("session -m 1 --nodes a:1,b:2"), 1, "one member is at one of them");
        assert_eq!((used("session --nodes a:1,b:2,a:1"), used("session")), (2, 1));
        assert_eq!((options.members, options.triggers, options.session.as_str()), (3, 20, "drill"));
        assert_eq!(parsed("latency --rate 1000").unwrap().unwrap().rate, Some(1000));
        assert_eq!(parsed("latency --help"), Ok(None));
        assert_eq!(parsed("-h"), Ok(None));
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, part) in [
            ("", "throughput, latency, session or c2sim"),
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
}
