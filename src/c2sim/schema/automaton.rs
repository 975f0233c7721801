//! Regular expressions over numbered symbols, turned into deterministic automata within a budget.
//!
//! Content models and patterns are both such expressions. An expression becomes positions and what may follow each (Glushkov), sets of positions
//! become states. Nothing backtracks, so matching takes one step per symbol whatever the expression; what would need too many
//! positions or states is refused when it is built.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{C2SIM_SCHEMA_POSITIONS_MAX, C2SIM_SCHEMA_STATES_MAX, C2SIM_SCHEMA_STEPS_MAX};
use crate::store::order;

/// A regular expression over symbols.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// Any one of these symbols.
    Symbols(Vec<u16>),
    /// All in order; the empty sequence is the empty word.
    Sequence(Vec<Self>),
    /// One of them; none of them matches nothing.
    Choice(Vec<Self>),
    /// At least and at most so many times; `None` is without end.
    Repeat(Box<Self>, u32, Option<u32>),
}

/// The expression needs more positions, states or steps than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooInvolved;

/// The steps that loading one schema may still take.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { left: C2SIM_SCHEMA_STEPS_MAX }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), TooInvolved> {
        self.left = self.left.checked_sub(steps).ok_or(TooInvolved)?;
        Ok(())
    }
}

/// What a part of the expression may begin and end with.
struct Part {
    nullable: bool,
    first: Vec<u16>,
    last: Vec<u16>,
}

impl Part {
    const EMPTY: Self = Self { nullable: true, first: Vec::new(), last: Vec::new() };
}

/// Positions are numbered from 1; 0 stands for the beginning.
struct Positions<'b> {
    symbols: Vec<Vec<u16>>,
    follow: Vec<Vec<u16>>,
    budget: &'b mut Budget,
}

impl Positions<'_> {
    fn part(&mut self, expr: &Expr) -> Result<Part, TooInvolved> {
        self.budget.spend(1)?;
        match expr {
            Expr::Symbols(symbols) => {
                let position = u16::try_from(self.symbols.len()).map_err(|_| TooInvolved)?;
                if self.symbols.len() > C2SIM_SCHEMA_POSITIONS_MAX {
                    return Err(TooInvolved);
                }
                self.budget.spend(symbols.len())?;
                self.symbols.push(symbols.clone());
                self.follow.push(Vec::new());
                Ok(Part { nullable: false, first: vec![position], last: vec![position] })
            }
            Expr::Sequence(parts) => {
                let mut whole = Part::EMPTY;
                for part in parts {
                    let next = self.part(part)?;
                    self.append(&mut whole, next)?;
                }
                Ok(whole)
            }
            Expr::Choice(parts) => {
                let mut whole = Part { nullable: false, ..Part::EMPTY };
                for part in parts {
                    let next = self.part(part)?;
                    self.budget.spend(next.first.len() + next.last.len())?;
                    whole.nullable |= next.nullable;
                    whole.first.extend(next.first);
                    whole.last.extend(next.last);
                }
                Ok(whole)
            }
            Expr::Repeat(part, min, max) => {
                let mut whole = Part::EMPTY;
                // The last of an endless repetition is the one that turns back.
                let straight = if max.is_none() { min.saturating_sub(1) } else { *min };
                for _ in 0..straight {
                    let next = self.part(part)?;
                    self.append(&mut whole, next)?;
                }
                let Some(max) = max else {
                    let mut next = self.part(part)?;
                    self.link(&next.last, &next.first)?;
                    next.nullable |= *min == 0;
                    self.append(&mut whole, next)?;
                    return Ok(whole);
                };
                for _ in straight..*max {
                    let mut next = self.part(part)?;
                    next.nullable = true;
                    self.append(&mut whole, next)?;
                }
                Ok(whole)
            }
        }
    }

    fn append(&mut self, whole: &mut Part, next: Part) -> Result<(), TooInvolved> {
        self.budget.spend(1 + next.first.len() + next.last.len())?;
        self.link(&whole.last, &next.first)?;
        if whole.nullable {
            whole.first.extend(next.first);
        }
        if next.nullable {
            whole.last.extend(next.last);
        } else {
            whole.last = next.last;
        }
        whole.nullable &= next.nullable;
        Ok(())
    }

    fn link(&mut self, from: &[u16], to: &[u16]) -> Result<(), TooInvolved> {
        self.budget.spend(from.len().saturating_mul(to.len()))?;
        for &position in from {
            if let Some(follow) = self.follow.get_mut(usize::from(position)) {
                follow.extend_from_slice(to);
            }
        }
        Ok(())
    }
}

/// A deterministic automaton; state 0 is its beginning.
#[derive(Debug)]
pub(super) struct Automaton {
    /// Where the edges of each state begin, and the end of the last.
    starts: Box<[usize]>,
    /// Symbol and next state, by symbol.
    edges: Box<[(u16, u16)]>,
    accepting: Box<[bool]>,
}

impl Automaton {
    pub(super) fn build(expr: &Expr, budget: &mut Budget) -> Result<Self, TooInvolved> {
        let mut positions = Positions { symbols: vec![Vec::new()], follow: vec![Vec::new()], budget };
        let whole = positions.part(expr)?;
        positions.link(&[0], &whole.first)?;
        let Positions { symbols, follow, budget } = positions;
        let mut last: BTreeSet<u16> = order::filled(whole.last);
        if whole.nullable {
            last.insert(0);
        }
        let mut states: Vec<Vec<u16>> = vec![vec![0]];
        let mut numbers: BTreeMap<Vec<u16>, u16> = BTreeMap::from([(vec![0], 0)]);
        let (mut starts, mut edges, mut accepting) = (vec![0], Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(state) = states.get(at).cloned() {
            at += 1;
            accepting.push(state.iter().any(|position| last.contains(position)));
            let mut targets: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
            for &position in state.iter().filter_map(|&position| follow.get(usize::from(position))).flatten() {
                let of = symbols.get(usize::from(position)).map_or(&[][..], Vec::as_slice);
                budget.spend(1 + of.len())?;
                of.iter().for_each(|&symbol| {
                    targets.entry(symbol).or_default().insert(position);
                });
            }
            for (symbol, target) in targets {
                let target: Vec<u16> = target.into_iter().collect();
                budget.spend(target.len())?;
                let number = match numbers.get(&target) {
                    Some(&number) => number,
                    None => {
                        if states.len() >= C2SIM_SCHEMA_STATES_MAX {
                            return Err(TooInvolved);
                        }
                        let number = u16::try_from(states.len()).map_err(|_| TooInvolved)?;
                        numbers.insert(target.clone(), number);
                        states.push(target);
                        number
                    }
                };
                edges.push((symbol, number));
            }
            starts.push(edges.len());
        }
        Ok(Self { starts: starts.into(), edges: edges.into(), accepting: accepting.into() })
    }

    /// Symbol and next state of every way on from `state`.
    pub(super) fn edges(&self, state: u16) -> &[(u16, u16)] {
        let state = usize::from(state);
        let bounds = self.starts.get(state).zip(self.starts.get(state + 1));
        bounds.and_then(|(&start, &end)| self.edges.get(start..end)).unwrap_or_default()
    }

    /// Whether what was read up to `state` may be all.
    pub(super) fn accepts(&self, state: u16) -> bool {
        self.accepting.get(usize::from(state)).copied().unwrap_or(false)
    }

    pub(super) const fn states(&self) -> usize {
        self.accepting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rest of `word` that may be left behind a match of `expr` in front: the slow twin.
    fn rests<'w>(expr: &Expr, word: &'w [u16]) -> BTreeSet<&'w [u16]> {
        match expr {
            Expr::Symbols(symbols) => match word {
                [first, rest @ ..] if symbols.contains(first) => BTreeSet::from([rest]),
                _ => BTreeSet::new(),
            },
            Expr::Sequence(parts) => parts.iter().fold(BTreeSet::from([word]), |left, part| {
                left.into_iter().flat_map(|word| rests(part, word)).collect()
            }),
            Expr::Choice(parts) => parts.iter().flat_map(|part| rests(part, word)).collect(),
            Expr::Repeat(part, min, max) => {
                let (mut now, mut all) = (BTreeSet::from([word]), BTreeSet::new());
                // More turns than letters cannot bring a new rest, beyond the minimum.
                for turn in 0..=max.unwrap_or(min + 12).min(min + 12) {
                    if turn >= *min {
                        all.extend(now.iter().copied());
                    }
                    now = now.into_iter().flat_map(|word| rests(part, word)).collect();
                }
                all
            }
        }
    }

    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[expect(clippy::cast_possible_truncation, reason = "random numbers below a few")]
    fn random_expr(state: &mut u64, depth: u32) -> Expr {
        let parts = |state: &mut u64| (0..random(state, 4)).map(|_| random_expr(state, depth - 1)).collect();
        match if depth == 0 { 0 } else { random(state, 5) } {
            0 | 1 => Expr::Symbols((0..=random(state, 2)).map(|_| random(state, 3) as u16).collect()),
            2 => Expr::Sequence(parts(state)),
            3 => Expr::Choice(parts(state)),
            _ => {
                let min = random(state, 3) as u32;
                let max = (random(state, 2) == 0).then(|| min + random(state, 3) as u32);
                Expr::Repeat(Box::new(random_expr(state, depth - 1)), min, max)
            }
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "random numbers below a few")]
    fn an_automaton_accepts_what_backtracking_accepts() {
        let mut seed = 7;
        let (mut yes, mut no) = (0, 0);
        for _ in 0..1500 {
            let expr = random_expr(&mut seed, 4);
            let Ok(automaton) = Automaton::build(&expr, &mut Budget::new()) else { continue };
            for _ in 0..24 {
                let word: Vec<u16> = (0..random(&mut seed, 7)).map(|_| random(&mut seed, 3) as u16).collect();
                let expected = rests(&expr, &word).contains(&[][..]);
                let end = word.iter().try_fold(0, |state, &symbol| {
                    automaton.edges(state).iter().find(|(of, _)| *of == symbol).map(|&(_, next)| next)
                });
                assert_eq!(end.is_some_and(|state| automaton.accepts(state)), expected, "{expr:?} {word:?}");
                yes += usize::from(expected);
                no += usize::from(!expected);
            }
        }
        assert!(yes > 3000 && no > 3000, "{yes} {no}");
    }

    #[test]
    fn what_would_blow_up_is_refused() {
        let ab = Expr::Symbols(vec![0, 1]);
        let tail = Expr::Repeat(Box::new(ab.clone()), 16, Some(16));
        let star = Expr::Repeat(Box::new(ab.clone()), 0, None);
        let exponential = Expr::Sequence(vec![star, Expr::Symbols(vec![0]), tail]);
        assert_eq!(Automaton::build(&exponential, &mut Budget::new()).err(), Some(TooInvolved));
        let mut nested = ab;
        for _ in 0..12 {
            nested = Expr::Repeat(Box::new(nested), 0, Some(1000));
        }
        assert_eq!(Automaton::build(&nested, &mut Budget::new()).err(), Some(TooInvolved));
        let nothing = Expr::Repeat(Box::new(Expr::Sequence(Vec::new())), u32::MAX, Some(u32::MAX));
        assert_eq!(Automaton::build(&nothing, &mut Budget::new()).err(), Some(TooInvolved));
    }
}
