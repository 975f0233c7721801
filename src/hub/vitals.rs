//! How the process fares, as far as only its surroundings know: what turns of the loop take, what the operating system counts.

use core::cell::Cell;

use crate::time::{Span, Tick};

/// Bounds of the steps by which turns are counted, in microseconds.
pub(crate) const TURN_STEPS_US: [u64; 8] = [100, 250, 500, 1000, 2500, 5000, 10_000, 100_000];

/// A turn that takes longer has kept everybody waiting: something is wrong with the machine, or with the program.
const OVERDUE_US: u64 = 1_000_000;
/// For so long that is told whoever asks how the process is.
const OVERDUE_TOLD: Span = Span(10_000);

/// How long turns have taken, by steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    /// Turns of each step, those above the last one behind them.
    pub(crate) counts: [u64; TURN_STEPS_US.len() + 1],
    /// All of them together, in microseconds.
    pub(crate) micros: u64,
    /// When the last one was over that took longer than [`OVERDUE_US`].
    overdue: Option<Tick>,
}

impl Turns {
    /// A turn has taken so long, and is over.
    #[inline]
    pub(crate) fn note(&mut self, micros: u64, now: Tick) {
        if micros > OVERDUE_US {
            self.overdue = Some(now);
        }
        let step = TURN_STEPS_US.iter().position(|bound| micros <= *bound).unwrap_or(TURN_STEPS_US.len());
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
        self.micros += micros;
    }

    /// Whether somebody has lately had to wait for the loop.
    pub(crate) fn is_overdue(&self, now: Tick) -> bool {
        self.overdue.is_some_and(|then| now.since(then) < OVERDUE_TOLD)
    }
}

/// What the operating system knows of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Bytes that are in memory.
    pub(crate) resident_bytes: u64,
    /// Time on a processor, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Open descriptors, where that can be told at once.
    pub(crate) descriptors: Option<u64>,
}

/// For so long what the operating system has said is taken to be true: to ask it takes longer than all else of an answer.
const FRESH: Span = Span(100);

/// Where the vitals come from.
#[derive(Debug)]
pub(crate) struct Source {
    read: fn() -> Option<Vitals>,
    last: Cell<Option<(Tick, Option<Vitals>)>>,
}

impl Source {
    pub(crate) const fn new(read: fn() -> Option<Vitals>) -> Self {
        Self { read, last: Cell::new(None) }
    }

    /// What they are now, or were a moment ago.
    pub(crate) fn at(&self, now: Tick) -> Option<Vitals> {
        match self.last.get() {
            Some((then, vitals)) if now.since(then) < FRESH => vitals,
            _ => {
                let vitals = (self.read)();
                self.last.set(Some((now, vitals)));
                vitals
            }
        }
    }
}

/// What the process is busy with.
#[cfg(feature = "daemon")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) components: usize,
    pub(crate) sessions: usize,
    /// Bytes that wait for receivers, and of half-sent messages.
    pub(crate) waiting: usize,
}

#[cfg(feature = "daemon")]
impl core::fmt::Display for Load {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} components, {} sessions, {} bytes wait", self.components, self.sessions, self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_counted_in_the_first_step_that_it_fits() {
        let mut turns = Turns::default();
        for micros in [0, 100, 101, 5000, 100_000, 100_001] {
            turns.note(micros, Tick(0));
        }
        assert_eq!(turns.counts, [2, 1, 0, 0, 0, 1, 0, 1, 1]);
        assert_eq!(turns.micros, 205_202);
    }

    #[test]
    fn the_system_is_asked_again_when_what_it_has_said_is_old() {
        thread_local!(static ASKED: Cell<u64> = const { Cell::new(0) });
        let source = Source::new(|| {
            ASKED.set(ASKED.get() + 1);
            Some(Vitals { cpu_ms: ASKED.get(), ..Vitals::default() })
        });
        let told = [0, FRESH.0 - 1, FRESH.0, 10 * FRESH.0].map(|now| source.at(Tick(now)).unwrap().cpu_ms);
        assert_eq!(told, [1, 1, 2, 3]);
    }

    #[test]
    fn a_turn_that_has_kept_everybody_waiting_is_told_of_for_a_while() {
        let mut turns = Turns::default();
        turns.note(OVERDUE_US, Tick(1000));
        assert!(!turns.is_overdue(Tick(1000)));
        turns.note(OVERDUE_US + 1, Tick(2000));
        turns.note(10, Tick(3000));
        assert_eq!([2000, 11_999, 12_000].map(|now| turns.is_overdue(Tick(now))), [true, true, false]);
    }
}
