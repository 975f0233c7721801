//! `instep bench c2sim`: clients of C2SIM over HTTP. Reports that each of several connections posts, one when the last is answered; or how
//! far apart in time the streams of a session learn that its state has changed.
//!
//! Answers and streams are read by one poll loop in the process that posts, so the figures hold the time that this takes.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use instep::c2sim::kind::Schema;
use instep::c2sim::notice::{IsoDateTime, Stamp, Uuid, write_trigger};
use instep::c2sim::state::Trigger;
use instep::net::ASKED_UNTIL_NOTHING;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use super::super::ending::Ending;
use super::super::failure::Failure;
use super::super::print::say;
use super::client::name_of_run;
use super::distribution;
use super::figures::{count, grouped, micros, real};
use super::histogram::Histogram;
use super::options::Options;
use super::progress::{PATIENCE, StatusLine, now};
use super::web::{Asking, Ear, Frames, answer_end, subscribed};

const SCRATCH_BYTES: usize = 256 << 10;
const WAIT: Duration = Duration::from_millis(100);
const ENDING: Token = Token(usize::MAX - 1);
/// What the system is called that posts.
const SYSTEM: &str = "BENCH";

/// Someone who posts, over and over.
struct Author {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    begun: Instant,
}

/// Someone who hears.
struct Hearer {
    stream: TcpStream,
    ear: Ear,
    heard: u64,
    heard_at: Instant,
}

/// Reports on their way.
struct Posting {
    /// Of those that were answered.
    times: Histogram,
    posted: u64,
    /// Authors who may post again.
    answered: Vec<usize>,
    progress: StatusLine,
}

/// All of them, and their poll.
struct Crowd<'a> {
    options: &'a Options,
    poll: Poll,
    events: Events,
    ending: Ending,
    authors: Vec<Author>,
    hearers: Vec<Hearer>,
    /// The requests that have the session pause and run again.
    pulls: [Vec<u8>; 2],
    scratch: Box<[u8]>,
    interrupted: bool,
}

fn stamp() -> Stamp {
    Stamp { message_id: Uuid(1), conversation_id: Uuid(2), sending_time: IsoDateTime(0) }
}

fn trigger(trigger: Trigger) -> Vec<u8> {
    let mut document = Vec::new();
    write_trigger(trigger, Schema::default(), SYSTEM, &stamp(), &mut document);
    document
}

/// A document of about so many bytes with this body around `filler` of them.
fn document(before: &str, after: &str, bytes: usize) -> Vec<u8> {
    let namespace = Schema::default().namespace();
    let front = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Message xmlns=\"{namespace}\"><C2SIMHeader>\
         <ConversationID>00000000-0000-4000-8000-000000000001</ConversationID><FromSendingSystem>{SYSTEM}</FromSendingSystem>\
         <MessageID>00000000-0000-4000-8000-000000000002</MessageID><Protocol>SISO-STD-C2SIM</Protocol>\
         <ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader><MessageBody>{before}"
    );
    let mut out = front.into_bytes();
    let end = format!("{after}</MessageBody></Message>");
    let mut n = 0;
    while out.len() + end.len() < bytes {
        n += 1;
        out.extend_from_slice(
            format!("<PositionReportContent><Latitude>{n}.5</Latitude></PositionReportContent>\n").as_bytes(),
        );
    }
    out.extend_from_slice(end.as_bytes());
    out
}

fn report_document(bytes: usize) -> Vec<u8> {
    document("<DomainMessageBody><ReportBody>", "</ReportBody></DomainMessageBody>", bytes)
}

fn initialization() -> Vec<u8> {
    let body = format!(
        "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting/><SystemEntityList>\
         <ActorReference>00000000-0000-4000-8000-000000000003</ActorReference><SystemName>{SYSTEM}</SystemName>\
         </SystemEntityList></C2SIMInitializationBody>"
    );
    document(&body, "", 0)
}

/// Runs it.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut name = String::new();
    let (mut authors, mut hearers) = (Vec::new(), Vec::new());
    if options.relay {
        for n in 0..options.streams {
            let stream = Asking::connect(&options.address, format!("{n}"))?.into_stream("blind")?;
            hearers.push((stream, Ear::Stream(Frames::default())));
        }
        for n in 0..authors_of(options) {
            authors.push(Asking::connect(&options.address, format!("author{n}"))?);
        }
    } else {
        name = name_of_run().to_owned();
        let mut driver = Asking::connect(&options.address, format!("driver-{name}"))?;
        (authors, hearers) = prepare(options, &name, &mut driver)?;
        let outcome = measure(options, &name, authors, hearers);
        // Whether it goes or not, the figures stand.
        drop(driver.ask("DELETE", &format!("{name}?force=true"), "text/plain", b""));
        return outcome;
    }
    measure(options, &name, authors, hearers)
}

/// How many post.
const fn authors_of(options: &Options) -> usize {
    if options.triggers_only { 1 } else { options.connections }
}

type Prepared = (Vec<Asking>, Vec<(std::net::TcpStream, Ear)>);

/// Makes a session, brings everybody into it, and has it run.
fn prepare(options: &Options, name: &str, driver: &mut Asking) -> Result<Prepared, Failure> {
    let wish = json!({"data": {"c2simSchemaVersion": Schema::default().name(), "displayName": name,
                               "description": "made by instep bench c2sim"}});
    driver.ask("PUT", &format!("{name}/create"), "application/json", wish.to_string().as_bytes())?;
    let (join, send) = (format!("{name}/join"), format!("{name}/send"));
    let words = json!({"systemName": SYSTEM, "clientIdDisplayName": "bench"}).to_string();
    let mut hearers = Vec::new();
    for n in 0..options.streams {
        let mut asking = Asking::connect(&options.address, format!("{n}-{name}"))?;
        asking.ask("POST", &join, "application/json", words.as_bytes())?;
        hearers.push((asking.into_stream(name)?, Ear::Stream(Frames::default())));
    }
    for _ in 0..options.topics {
        hearers.push((subscribed(&options.stomp, name)?, Ear::Topic));
    }
    let mut authors = Vec::new();
    for n in 0..authors_of(options) {
        let mut asking = Asking::connect(&options.address, format!("author{n}-{name}"))?;
        asking.ask("POST", &join, "application/json", words.as_bytes())?;
        authors.push(asking);
    }
    if let Some(first) = authors.first_mut() {
        for document in [
            trigger(Trigger::SubmitInitialization),
            initialization(),
            trigger(Trigger::ShareScenario),
            trigger(Trigger::StartScenario),
        ] {
            first.ask("POST", &send, "application/xml", &document)?;
        }
    }
    Ok((authors, hearers))
}

fn measure(
    options: &Options,
    name: &str,
    authors: Vec<Asking>,
    hearers: Vec<(std::net::TcpStream, Ear)>,
) -> Result<(), Failure> {
    let mut crowd = Crowd::new(options, name, authors, hearers)?;
    if options.triggers_only { crowd.pull() } else { crowd.post() }
}

impl<'a> Crowd<'a> {
    fn new(
        options: &'a Options,
        name: &str,
        authors: Vec<Asking>,
        hearers: Vec<(std::net::TcpStream, Ear)>,
    ) -> Result<Self, Failure> {
        let poll = Poll::new().map_err(Failure::other)?;
        let ending = Ending::of(poll.registry(), ENDING).map_err(Failure::other)?;
        let mut crowd = Self {
            options,
            poll,
            events: Events::with_capacity(1024),
            ending,
            authors: Vec::new(),
            hearers: Vec::new(),
            pulls: [Vec::new(), Vec::new()],
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            interrupted: false,
        };
        let body = report_document(options.payload);
        for asking in authors {
            let request = asking.sending(name, &body);
            if crowd.options.triggers_only {
                crowd.pulls =
                    [Trigger::PauseScenario, Trigger::ResumeScenario].map(|kind| asking.sending(name, &trigger(kind)));
            }
            let stream = crowd.register(asking.stream, crowd.authors.len())?;
            crowd.authors.push(Author { stream, request, sent: 0, answer: Vec::new(), begun: now() });
        }
        for (stream, ear) in hearers {
            let stream = crowd.register(stream, crowd.authors.len() + crowd.hearers.len())?;
            crowd.hearers.push(Hearer { stream, ear, heard: 0, heard_at: now() });
        }
        Ok(crowd)
    }

    fn register(&self, stream: std::net::TcpStream, token: usize) -> Result<TcpStream, Failure> {
        stream.set_nonblocking(true).map_err(Failure::other)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(token), interest).map_err(Failure::other)?;
        Ok(stream)
    }

    /// Waits for events, and reads and writes what there is. Answers which authors have their answer.
    fn turn(&mut self, wait: Duration, answered: &mut Vec<usize>) -> Result<(), Failure> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(Failure::other(error)),
            _ => {}
        }
        let authors = self.authors.len();
        for event in &self.events {
            let token = event.token();
            if token == ENDING {
                self.interrupted |= self.ending.is_wanted();
            } else if let Some(author) = self.authors.get_mut(token.0) {
                if author.go_on(&mut self.scratch).map_err(Failure::other)? {
                    answered.push(token.0);
                }
            } else if let Some(hearer) = self.hearers.get_mut(token.0 - authors) {
                hearer.read(&mut self.scratch).map_err(Failure::other)?;
            }
        }
        Ok(())
    }

    /// Posts reports for as long as it is to be measured. What is heard is counted when all has been that was posted, so that reports and
    /// documents are of one another but for those that were on their way at the end.
    fn post(&mut self) -> Result<(), Failure> {
        let start = now();
        let mut posting = Posting {
            times: Histogram::new(),
            posted: 0,
            answered: (0..self.authors.len()).collect(),
            progress: StatusLine::new(start, self.options),
        };
        self.post_until(start + self.options.warm_up(), &mut posting)?;
        self.settle(&mut posting.answered)?;
        posting.times = Histogram::new();
        let (from, heard_before) = (now(), self.heard());
        self.post_until(from + self.options.length, &mut posting)?;
        posting.progress.clear();
        let seconds = now().saturating_duration_since(from).as_secs_f64();
        self.settle(&mut posting.answered)?;
        self.tell(&posting.times, seconds, self.heard() - heard_before)
    }

    /// Posts one report after the other on each connection.
    fn post_until(&mut self, until: Instant, posting: &mut Posting) -> Result<(), Failure> {
        let (mut last, mut is_first) = (now(), true);
        loop {
            let at = now();
            if at >= until || self.interrupted {
                return Ok(());
            }
            for n in core::mem::take(&mut posting.answered) {
                let Some(author) = self.authors.get_mut(n) else { continue };
                // Who has waited for this moment was answered before.
                if !is_first {
                    posting.times.record(u64::try_from((at - author.begun).as_nanos()).unwrap_or(u64::MAX));
                }
                posting.posted += 1;
                last = at;
                if author.begin(at, &mut self.scratch).map_err(Failure::other)? {
                    posting.answered.push(n);
                }
            }
            is_first = false;
            if at - last > PATIENCE {
                return Err(Failure::nobody(format!("{}: no answer in time", self.options.address)));
            }
            let posted = posting.posted;
            posting.progress.show(at, || format!("{} reports", grouped(posted)));
            let wait = if posting.answered.is_empty() { WAIT } else { Duration::ZERO };
            self.turn(wait, &mut posting.answered)?;
        }
    }

    fn heard(&self) -> u64 {
        self.hearers.iter().map(|hearer| hearer.heard).sum()
    }

    fn tell(&self, times: &Histogram, seconds: f64, heard: u64) -> Result<(), Failure> {
        let options = self.options;
        let rate = real(times.count()) / seconds;
        distribution::write(options, times)?;
        if options.json {
            let object = json!({
                "benchmark": "c2sim",
                "address": options.address,
                "blind": options.relay,
                "connections": options.connections,
                "streams": options.streams,
                "payload_bytes": options.payload,
                "seconds": seconds,
                "reports": times.count(),
                "reports_per_s": rate,
                "heard": heard,
                "p50_us": micros(times.quantile(500)),
                "p99_us": micros(times.quantile(990)),
                "max_us": micros(times.max()),
                "interrupted": self.interrupted,
            });
            return say(&format!("{object}\n"));
        }
        say(&format!(
            "reports of {} B to {}{}, {} connections, each heard by {} streams\n{:>14.0} reports per second\n\
             {:>14} documents heard\n{:>14.1} us p50\n{:>14.1} us p99\n{:>14.1} us max\n{}",
            options.payload,
            options.address,
            if options.relay { " (blind)" } else { "" },
            options.connections,
            options.streams,
            rate,
            grouped(heard),
            micros(times.quantile(500)),
            micros(times.quantile(990)),
            micros(times.max()),
            distribution::bars(times),
        ))
    }

    /// Has the session pause and run in turn, each once every stream has told of the last.
    fn pull(&mut self) -> Result<(), Failure> {
        let (mut skew, mut delay) = (Histogram::new(), Histogram::new());
        let mut progress = StatusLine::new(now(), self.options);
        let mut answered = Vec::new();
        // What came before the first of them is none of theirs.
        self.settle(&mut answered)?;
        for n in 0..self.options.triggers {
            if self.interrupted {
                break;
            }
            let wanted: Vec<u64> = self.hearers.iter().map(|hearer| hearer.heard + 1).collect();
            let begin = now();
            if let Some(author) = self.authors.first_mut() {
                let [pause, resume] = &self.pulls;
                author.request.clone_from(if n.is_multiple_of(2) { pause } else { resume });
                if author.begin(begin, &mut self.scratch).map_err(Failure::other)? {
                    answered.push(0);
                }
            }
            while self.hearers.iter().zip(&wanted).any(|(hearer, wanted)| hearer.heard < *wanted) {
                self.turn(WAIT, &mut answered)?;
                if self.interrupted {
                    break;
                }
                if now() - begin > PATIENCE {
                    let address = &self.options.address;
                    return Err(Failure::nobody(format!("{address}: an event has not come in time")));
                }
            }
            while answered.is_empty() && !self.interrupted {
                self.turn(WAIT, &mut answered)?;
            }
            answered.clear();
            let times = || self.hearers.iter().map(|hearer| hearer.heard_at);
            let (first, last) = (times().min().unwrap_or(begin), times().max().unwrap_or(begin));
            let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            skew.record(nanos(last - first));
            delay.record(nanos(last - begin));
            progress.show(last, || format!("{} triggers", grouped(n)));
        }
        progress.clear();
        self.tell_of_events(&skew, &delay)
    }

    /// Reads until nothing comes any more.
    fn settle(&mut self, answered: &mut Vec<usize>) -> Result<(), Failure> {
        loop {
            let before = self.heard();
            self.turn(WAIT, answered)?;
            self.turn(WAIT, answered)?;
            if self.heard() == before {
                return Ok(());
            }
        }
    }

    fn tell_of_events(&self, skew: &Histogram, delay: &Histogram) -> Result<(), Failure> {
        let options = self.options;
        distribution::write(options, skew)?;
        if options.json {
            let object = json!({
                "benchmark": "c2sim",
                "address": options.address,
                "blind": options.relay,
                "streams": options.streams,
                "topics": options.topics,
                "triggers": skew.count(),
                "skew": skew.spread(),
                "delay": delay.spread(),
                "interrupted": self.interrupted,
            });
            return say(&format!("{object}\n"));
        }
        say(&format!(
            "{} triggers at {}, told on {} streams and {} topics\n{}{}{}",
            grouped(skew.count()),
            options.address,
            grouped(count(options.streams)),
            grouped(count(options.topics)),
            delay.spread_line("from the trigger to the last hearer"),
            skew.spread_line("from the first hearer of a trigger to the last"),
            distribution::bars(skew),
        ))
    }
}

impl Author {
    /// Sends its request once more; whether the answer is there already.
    fn begin(&mut self, at: Instant, scratch: &mut [u8]) -> Result<bool, String> {
        (self.begun, self.sent) = (at, 0);
        self.answer.clear();
        self.go_on(scratch)
    }

    /// Writes and reads as far as it goes; whether the answer is whole.
    fn go_on(&mut self, scratch: &mut [u8]) -> Result<bool, String> {
        while let Some(rest) = self.request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.to_string()),
            }
        }
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("the connection was closed".to_owned()),
                Ok(got) => self.answer.extend_from_slice(scratch.get(..got).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.to_string()),
            }
            match answer_end(&self.answer)? {
                None => {}
                Some((_, 200)) => return Ok(true),
                Some(_) => {
                    let text = String::from_utf8_lossy(&self.answer);
                    return Err(format!(
                        "a report was refused: {}",
                        text.split("\r\n\r\n").nth(1).unwrap_or(&text).trim()
                    ));
                }
            }
        }
    }
}

impl Hearer {
    fn read(&mut self, scratch: &mut [u8]) -> Result<(), String> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("a stream was closed".to_owned()),
                Ok(got) => {
                    let texts = self.ear.documents(scratch.get(..got).unwrap_or_default())?;
                    if texts > 0 {
                        self.heard += texts;
                        self.heard_at = now();
                    }
                    if got < scratch.len() && !ASKED_UNTIL_NOTHING {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
