//! Deadlines: at most one entry per subject and kind, the soonest on top.
//!
//! A binary heap whose entries know their place, so that setting an existing deadline moves it instead of adding a second
//! one. A subject is a slot number; the caller checks by its aged key whether the subject still lives.

use crate::time::Tick;

const NOWHERE: u32 = u32::MAX;

/// Deadlines of `KINDS` kinds per subject.
#[derive(Debug)]
pub struct Timers<const KINDS: usize> {
    heap: Vec<(Tick, u32)>,
    /// Place in the heap of entry `subject * KINDS + kind`.
    places: Vec<u32>,
}

impl<const KINDS: usize> Default for Timers<KINDS> {
    fn default() -> Self {
        Self { heap: Vec::new(), places: Vec::new() }
    }
}

impl<const KINDS: usize> Timers<KINDS> {
    fn id(subject: usize, kind: usize) -> Option<u32> {
        debug_assert!(kind < KINDS, "a kind is below the number of kinds");
        u32::try_from(subject.checked_mul(KINDS)?.checked_add(kind)?).ok()
    }

    /// The soonest deadline.
    #[must_use]
    pub fn soonest(&self) -> Option<Tick> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Sets the deadline of `subject` and `kind`, replacing the one it had.
    pub fn set(&mut self, subject: usize, kind: usize, at: Tick) {
        let Some(id) = Self::id(subject, kind) else { return };
        let index = id as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, NOWHERE);
        }
        match self.places.get(index).copied() {
            Some(NOWHERE) | None => {
                self.heap.push((at, id));
                let last = self.heap.len() - 1;
                self.note(last);
                self.rise(last);
            }
            Some(place) => {
                let place = place as usize;
                if let Some(entry) = self.heap.get_mut(place) {
                    entry.0 = at;
                }
                self.rise(place);
                self.sink(place);
            }
        }
    }

    /// Drops the deadline of `subject` and `kind`, if it has one.
    pub fn cancel(&mut self, subject: usize, kind: usize) {
        let Some(id) = Self::id(subject, kind) else { return };
        if let Some(&place) = self.places.get(id as usize)
            && place != NOWHERE
        {
            self.remove(place as usize);
        }
    }

    /// Drops all deadlines of `subject`.
    pub fn cancel_all(&mut self, subject: usize) {
        for kind in 0..KINDS {
            self.cancel(subject, kind);
        }
    }

    /// Whether `subject` has a deadline of `kind`.
    #[must_use]
    pub fn is_set(&self, subject: usize, kind: usize) -> bool {
        Self::id(subject, kind).and_then(|id| self.places.get(id as usize)).is_some_and(|place| *place != NOWHERE)
    }

    /// Takes out one entry that is due at `now`: its subject and kind.
    pub fn pop_due(&mut self, now: Tick) -> Option<(usize, usize)> {
        let &(at, id) = self.heap.first()?;
        if at > now {
            return None;
        }
        self.remove(0);
        Some((id as usize / KINDS, id as usize % KINDS))
    }

    fn remove(&mut self, place: usize) {
        let (_, id) = self.heap.swap_remove(place);
        if let Some(mark) = self.places.get_mut(id as usize) {
            *mark = NOWHERE;
        }
        if place < self.heap.len() {
            self.note(place);
            self.rise(place);
            self.sink(place);
        }
    }

    fn note(&mut self, place: usize) {
        if let Some(&(_, id)) = self.heap.get(place)
            && let Some(mark) = self.places.get_mut(id as usize)
            && let Ok(place) = u32::try_from(place)
        {
            *mark = place;
        }
    }

    fn before(&self, a: usize, b: usize) -> bool {
        match (self.heap.get(a), self.heap.get(b)) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.before(place, parent) {
                break;
            }
            self.heap.swap(place, parent);
            self.note(place);
            place = parent;
        }
        self.note(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            if self.before(left, least) {
                least = left;
            }
            if self.before(right, least) {
                least = right;
            }
            if least == place {
                break;
            }
            self.heap.swap(place, least);
            self.note(place);
            place = least;
        }
        self.note(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_slow_twin() {
        let mut timers = Timers::<3>::default();
        let mut twin: BTreeMap<(usize, usize), Tick> = BTreeMap::new();
        let mut state = 9u64;
        let mut now = 0;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (subject, kind) = ((state >> 33) as usize % 40, (state >> 50) as usize % 3);
            match (state >> 20) % 4 {
                0 | 1 => {
                    let at = Tick(now + (state >> 40) % 500);
                    timers.set(subject, kind, at);
                    twin.insert((subject, kind), at);
                }
                2 => {
                    timers.cancel(subject, kind);
                    twin.remove(&(subject, kind));
                }
                _ => {
                    now += 20;
                    while let Some(due) = timers.pop_due(Tick(now)) {
                        assert!(twin.remove(&due).unwrap() <= Tick(now));
                    }
                    assert!(twin.values().all(|at| *at > Tick(now)));
                }
            }
            assert_eq!(timers.soonest(), twin.values().min().copied());
            assert_eq!(timers.is_set(subject, kind), twin.contains_key(&(subject, kind)));
        }
    }

    #[test]
    fn a_subject_can_be_forgotten_whole() {
        let mut timers = Timers::<2>::default();
        timers.set(3, 0, Tick(1));
        timers.set(3, 1, Tick(2));
        timers.set(4, 1, Tick(3));
        timers.cancel_all(3);
        assert_eq!(timers.pop_due(Tick(9)), Some((4, 1)));
        assert_eq!(timers.pop_due(Tick(9)), None);
    }
}
