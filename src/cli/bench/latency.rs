//! `instep bench latency`: how long a message takes from CA to CB and its answer back to CA.
//!
//! With a rate the round trips begin on a schedule, and each is measured from the moment at which it should have begun: a
//! Coordinator that stands still for a while pays for every round trip that it held up, not for one alone.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::failure::Failure;
use super::super::print::say;
use super::client::{connect_pairs, load};
use super::distribution;
use super::figures::{count, grouped, micros};
use super::generator::Generator;
use super::histogram::Histogram;
use super::inbox::Inbox;
use super::options::Options;
use super::outbox::Outbox;
use super::progress::{PATIENCE, StatusLine, now};

/// Place of the end that begins, and of the one that answers.
const CA: usize = 0;
const CB: usize = 1;
/// Copies prepared for a burst of round trips that are late.
const BURST: u64 = 64;
/// The longest wait for events.
const WAIT: Duration = Duration::from_millis(100);
/// The poll counts in whole milliseconds: shorter waits for the schedule are spent looking.
const SPIN: Duration = Duration::from_millis(2);

/// When round trips begin.
#[derive(Clone, Copy, Debug)]
enum Schedule {
    /// When the last has ended; the current one began then.
    Closed(Instant),
    /// One every so many nanoseconds since then.
    Open(Instant, u64),
}

impl Schedule {
    /// When round trip `n` begins, or should begin.
    fn begin_of(self, n: u64) -> Instant {
        match self {
            Self::Closed(at) => at,
            Self::Open(start, step) => start + Duration::from_nanos(n.saturating_mul(step)),
        }
    }
}

/// One run.
struct Run<'a> {
    generator: Generator,
    options: &'a Options,
    schedule: Schedule,
    /// Round trips begun, and ended.
    begun: u64,
    ended: u64,
    /// From when on they count, and until when new ones begin.
    from: Instant,
    until: Instant,
    times: Histogram,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut pairs = connect_pairs(options, 1)?;
    let Some((ca, cb)) = pairs.pop() else { return Err(Failure::other("there is no pair")) };
    let there = load(&cb, &ca, options.payload);
    let back = load(&ca, &cb, options.payload);
    let sessions =
        [(ca, Inbox::new(&back), Outbox::new(&there, BURST)), (cb, Inbox::new(&there), Outbox::new(&back, BURST))];
    let start = now();
    let from = start + options.warm_up();
    let mut run = Run {
        generator: Generator::new(options, sessions, start)?,
        options,
        schedule: match options.rate {
            None => Schedule::Closed(start),
            Some(rate) => Schedule::Open(start, 1_000_000_000 / rate),
        },
        begun: 0,
        ended: 0,
        from,
        until: from + options.length,
        times: Histogram::new(),
    };
    run.measure()?;
    run.generator.check_bytes()?;
    run.report()?;
    let lost = run.begun.saturating_sub(run.settled());
    run.generator.leave(options);
    if lost > 0 {
        return Err(Failure::other(format!("{lost} round trips never ended")));
    }
    Ok(())
}

impl Run<'_> {
    fn measure(&mut self) -> Result<(), Failure> {
        let mut progress = StatusLine::new(now(), self.options);
        let mut last_arrival = now();
        loop {
            let now = now();
            if !self.generator.interrupted {
                self.begin_due(now)?;
            }
            let sending = now < self.until && !self.generator.interrupted;
            if !sending && self.settled() >= self.begun {
                break;
            }
            self.generator.beat(now)?;
            let ready = self.generator.wait(self.pause(now, sending))?;
            for _ in 0..ready {
                match self.generator.read_next()? {
                    Some(CB) => self.answer()?,
                    Some(_) => self.end_trips(),
                    None => {}
                }
            }
            if ready > 0 || self.settled() >= self.begun {
                last_arrival = now;
            } else if now.saturating_duration_since(last_arrival) > PATIENCE {
                break;
            }
            progress.show(now, || {
                let p50 = micros(self.times.quantile(500));
                format!("{} round trips, p50 {p50:.1} us", grouped(self.times.count()))
            });
        }
        progress.clear();
        Ok(())
    }

    /// Round trips of which it is known what became of them: ended, or refused with an error.
    fn settled(&self) -> u64 {
        self.ended + self.generator.errors().0
    }

    /// Begins the round trips that are due.
    fn begin_due(&mut self, now: Instant) -> Result<(), Failure> {
        let before = self.begun;
        match &mut self.schedule {
            Schedule::Closed(at) => {
                if now < self.until && self.ended + self.generator.errors().0 >= self.begun {
                    *at = now;
                    self.begun += 1;
                }
            }
            schedule @ Schedule::Open(..) => {
                // However late we are: what should have begun before the end does begin.
                while schedule.begin_of(self.begun) <= now && schedule.begin_of(self.begun) < self.until {
                    self.begun += 1;
                }
            }
        }
        if self.begun > before {
            if let Some(end) = self.generator.ends.get_mut(CA) {
                end.outbox.allow(self.begun);
            }
            self.generator.flush(CA)?;
        }
        Ok(())
    }

    /// How long to wait for events.
    fn pause(&self, now: Instant, sending: bool) -> Duration {
        match self.schedule {
            Schedule::Open(..) if sending => {
                self.schedule.begin_of(self.begun).saturating_duration_since(now).saturating_sub(SPIN).min(WAIT)
            }
            Schedule::Open(..) | Schedule::Closed(_) => WAIT,
        }
    }

    /// Sends back as many as have come.
    fn answer(&mut self) -> Result<(), Failure> {
        if let Some(end) = self.generator.ends.get_mut(CB) {
            end.outbox.allow(end.inbox.received);
        }
        self.generator.flush(CB)
    }

    /// Records the round trips that have just come back.
    fn end_trips(&mut self) {
        let now = now();
        let back = self.generator.ends.get(CA).map_or(0, |end| end.inbox.received);
        while self.ended < back {
            let begin = self.schedule.begin_of(self.ended);
            if begin >= self.from {
                let took = now.saturating_duration_since(begin).as_nanos();
                self.times.record(u64::try_from(took).unwrap_or(u64::MAX));
            }
            self.ended += 1;
        }
    }

    fn report(&self) -> Result<(), Failure> {
        let (errors, first_error) = self.generator.errors();
        let times = &self.times;
        let lost = self.begun.saturating_sub(self.settled());
        distribution::write(self.options, times)?;
        if self.options.json {
            let object = json!({
                "benchmark": "latency",
                "address": self.options.address,
                "relay": self.options.relay,
                "payload_bytes": self.options.payload,
                "rate": self.options.rate,
                "seconds": self.options.length.as_secs_f64(),
                "round_trips": times.count(),
                "mean_us": micros(times.mean()),
                "p50_us": micros(times.quantile(500)),
                "p99_us": micros(times.quantile(990)),
                "p999_us": micros(times.quantile(999)),
                "max_us": micros(times.max()),
                "errors": errors,
                "first_error": first_error,
                "lost": lost,
                "interrupted": self.generator.interrupted,
            });
            return say(&format!("{object}\n"));
        }
        let pace = self.options.rate.map_or_else(|| "one at a time".to_owned(), |rate| format!("{rate} per second"));
        let first_error = first_error.map_or_else(String::new, |error| format!("the first error: {error}\n"));
        say(&format!(
            "round trips at {}{}, {} B payload, {pace}\n\
             {:>14} round trips\n{:>14.1} us p50\n{:>14.1} us p99\n{:>14.1} us p99.9\n{:>14.1} us max\n\
             {:>14} error replies\n{first_error}{}",
            self.options.address,
            if self.options.relay { " (relay)" } else { "" },
            count(self.options.payload),
            grouped(times.count()),
            micros(times.quantile(500)),
            micros(times.quantile(990)),
            micros(times.quantile(999)),
            micros(times.max()),
            grouped(errors),
            distribution::bars(times),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_schedule_never_moves_with_what_happens() {
        let start = now();
        let schedule = Schedule::Open(start, 1_000_000_000 / 8000);
        assert_eq!(schedule.begin_of(0), start);
        assert_eq!(schedule.begin_of(8000), start + Duration::from_secs(1));
        assert_eq!(Schedule::Closed(start).begin_of(7), start);
    }
}
