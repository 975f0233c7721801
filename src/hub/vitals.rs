//! How the process fares, as far as only its surroundings know: what turns of the loop take, what the operating system counts.

/// Bounds of the steps by which turns are counted, in microseconds.
pub(crate) const TURN_STEPS_US: [u64; 8] = [100, 250, 500, 1000, 2500, 5000, 10_000, 100_000];

/// How long turns have taken, by steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    /// Turns of each step, those above the last one behind them.
    pub(crate) counts: [u64; TURN_STEPS_US.len() + 1],
    /// All of them together, in microseconds.
    pub(crate) micros: u64,
}

impl Turns {
    /// A turn has taken so long.
    #[inline]
    pub(crate) fn note(&mut self, micros: u64) {
        let step = TURN_STEPS_US.iter().position(|bound| micros <= *bound).unwrap_or(TURN_STEPS_US.len());
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
        self.micros += micros;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_counted_in_the_first_step_that_it_fits() {
        let mut turns = Turns::default();
        for micros in [0, 100, 101, 5000, 100_000, 100_001] {
            turns.note(micros);
        }
        assert_eq!(turns.counts, [2, 1, 0, 0, 0, 1, 0, 1, 1]);
        assert_eq!(turns.micros, 205_202);
    }
}
