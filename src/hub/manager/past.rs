//! Old timesteps of a live kernel: what each of them changed, and now and then the whole world, from which any that is kept can be shown again.
//!
//! Owns them within their bounds, the questions that wait, and the world that is being led to the time of the first question. Must not know who
//! asks, nor what is answered.

use std::collections::VecDeque;

use crate::control::viewer::Bits;

use super::making::Making;
use super::world::{ProviderWorld, Raw, Timestep, WorldDraft};
use crate::hub::keys::PeerKey;
use crate::limits::WORLD_PIECE;

/// So many times the bytes of the last whole world are kept in changes before the next one is.
const CHANGES_PER_WORLD: usize = 2;
/// Of the bytes that timesteps may take, whole worlds take no more than this part beside them.
const WORLDS_SHARE: usize = 2;

/// A viewer's question for one old timestep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) viewer: PeerKey,
    pub(super) bits: Bits,
    pub(super) echoed: Bits,
    pub(super) time: i64,
}

/// A whole world, as it was behind the timestep of this number.
#[derive(Debug)]
struct Whole {
    number: u64,
    /// Its section.
    world: Vec<u8>,
}

/// A world on its way, which shows the timestep of this number.
#[derive(Debug)]
struct Rebuilt {
    number: u64,
    world: ProviderWorld,
    /// What is being applied to it: the whole world at first, then what each timestep has changed.
    making: Option<Box<Making>>,
    /// Its section.
    draft: WorldDraft,
}

impl Rebuilt {
    /// Memory it takes, about.
    fn bytes(&self) -> usize {
        self.world.bytes() + self.draft.out.len() + self.making.as_ref().map_or(0, |making| making.bytes())
    }

    /// Begins to apply a section.
    fn begin(&mut self, section: &[u8]) -> Result<(), String> {
        self.draft = WorldDraft::default();
        self.making = Some(Box::new(Making::new(&self.world, record(section))?));
        Ok(())
    }

    /// Goes on with what is being applied; answers whether that is done.
    fn go_on(&mut self) -> Result<bool, String> {
        if let Some(making) = &mut self.making
            && making.go_on(&mut self.world)?.is_some()
        {
            self.making = None;
        }
        Ok(self.making.is_none())
    }
}

/// How far the way to an old world has led.
#[derive(Debug)]
pub(super) enum Sought<'a> {
    /// There is more to do.
    NotYet,
    /// To the timestep; and its world section, unless nothing is kept from which that could be made.
    There(&'a Timestep, Vec<u8>),
    /// There is no such timestep.
    Nowhere,
}

/// The past of one provider.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Oldest first. They are numbered from the first that ever was.
    steps: VecDeque<Timestep>,
    /// The number of the first that is kept.
    first: u64,
    bytes: usize,
    worlds: VecDeque<Whole>,
    world_bytes: usize,
    /// Bytes of timesteps since the last whole world.
    since_world: usize,
    rebuilt: Option<Rebuilt>,
    /// Worlds that are of no use any more, until somebody lets go of them.
    pub(super) unused: Vec<ProviderWorld>,
    /// The world was put right: those that are kept do not lead to it.
    is_astray: bool,
    /// Who waits for an old world.
    pub(super) questions: VecDeque<Question>,
}

impl Past {
    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.world_bytes + self.rebuilt.as_ref().map_or(0, Rebuilt::bytes)
    }

    /// Forgets everything but who waits, who is to be told so; answers whether there was anything.
    pub(super) fn forget(&mut self) -> bool {
        let had = !self.steps.is_empty() || !self.worlds.is_empty();
        self.rest();
        let (questions, unused) = (core::mem::take(&mut self.questions), core::mem::take(&mut self.unused));
        *self = Self { questions, unused, ..Self::default() };
        had
    }

    /// Keeps a timestep, within `bytes_max`.
    pub(super) fn keep(&mut self, step: Timestep, bytes_max: usize) {
        self.bytes += held(&step);
        self.since_world += step.bytes();
        self.steps.push_back(step);
        while self.bytes > bytes_max {
            let Some(oldest) = self.steps.pop_front() else { break };
            self.bytes -= held(&oldest);
            self.first += 1;
        }
        // From one before these no way leads on.
        while self.worlds.front().is_some_and(|whole| whole.number + 1 < self.first) {
            self.drop_oldest_world();
        }
        if self.rebuilt.as_ref().is_some_and(|rebuilt| rebuilt.number + 1 < self.first) {
            self.rest();
        }
    }

    fn drop_oldest_world(&mut self) {
        self.world_bytes -= self.worlds.pop_front().map_or(0, |whole| whole.world.len());
    }

    /// Whether it is time to keep a whole world.
    pub(super) fn wants_world(&self) -> bool {
        let last = self.worlds.back().map(|whole| whole.world.len());
        !self.steps.is_empty()
            && (self.is_astray || last.is_none_or(|last| self.since_world >= last * CHANGES_PER_WORLD))
    }

    /// The world was put right by another way than a timestep: it is to be kept as it is now.
    pub(super) fn distrust(&mut self) {
        self.is_astray = true;
        self.rest();
    }

    /// Keeps the whole world behind the last timestep, if there is one that is kept, within its part of `bytes_max`.
    pub(super) fn keep_world(&mut self, world: &[u8], bytes_max: usize) {
        let Some(newer) = u64::try_from(self.steps.len()).ok().and_then(|len| len.checked_sub(1)) else { return };
        let number = self.first + newer;
        if self.worlds.back().is_some_and(|last| last.number == number) {
            self.world_bytes -= self.worlds.pop_back().map_or(0, |whole| whole.world.len());
        }
        // What was made of another one is not what the timesteps to come change.
        self.rest();
        self.since_world = 0;
        self.is_astray = false;
        self.world_bytes += world.len();
        self.worlds.push_back(Whole { number, world: world.to_vec() });
        while self.world_bytes > bytes_max / WORLDS_SHARE {
            self.drop_oldest_world();
        }
    }

    /// The timestep of a time, if it is kept.
    pub(super) fn step(&self, time: i64) -> Option<&Timestep> {
        self.steps.iter().find(|step| i64::from(step.time) == time)
    }

    /// Nobody asks any more: the world that was being led to somebody's time is of no use.
    pub(super) fn rest(&mut self) {
        if let Some(Rebuilt { world, making, .. }) = self.rebuilt.take() {
            self.unused.push(world);
            self.unused.extend(making.into_iter().flat_map(|making| making.into_worlds()));
        }
    }

    /// Does one bounded piece of the way to the world of a time.
    pub(super) fn lead_to(&mut self, time: i64) -> Sought<'_> {
        let Some(at) = self.steps.iter().position(|step| i64::from(step.time) == time) else { return Sought::Nowhere };
        let outcome = self.lead_on(self.first + at as u64);
        if outcome.is_err() {
            self.rest();
        }
        let Some(step) = self.steps.get(at) else { return Sought::Nowhere };
        match (outcome, &mut self.rebuilt) {
            (Ok(false), _) => Sought::NotYet,
            (Ok(true), Some(Rebuilt { world, draft, .. })) => {
                if !draft.go_on(world, &mut { WORLD_PIECE }) {
                    return Sought::NotYet;
                }
                Sought::There(step, core::mem::take(draft).out)
            }
            (Ok(true), None) | (Err(_), _) => Sought::There(step, Vec::new()),
        }
    }

    /// The same to the timestep of this number; answers whether the world is there.
    fn lead_on(&mut self, wanted: u64) -> Result<bool, String> {
        let start = self.worlds.iter().rev().find(|whole| whole.number <= wanted);
        let least = start.map_or(0, |whole| whole.number);
        let is_on_its_way = |rebuilt: &&mut Rebuilt| (least..=wanted).contains(&rebuilt.number);
        if let Some(rebuilt) = self.rebuilt.as_mut().filter(is_on_its_way) {
            if !rebuilt.go_on()? {
                return Ok(false);
            }
            if rebuilt.number == wanted {
                return Ok(true);
            }
            rebuilt.number += 1;
            let next = usize::try_from(rebuilt.number - self.first).unwrap_or(usize::MAX);
            let changes = self.steps.get(next).map_or(&[][..], |step| &step.changes);
            return rebuilt.begin(changes).map(|()| false);
        }
        let Some(whole) = start else { return Err("no world is kept that leads there".to_owned()) };
        let (number, world, draft) = (whole.number, ProviderWorld::Empty, WorldDraft::default());
        let mut rebuilt = Rebuilt { number, world, making: None, draft };
        rebuilt.begin(&whole.world)?;
        self.rest();
        self.rebuilt = Some(rebuilt);
        Ok(false)
    }
}

/// Memory that a timestep takes which is kept, about.
fn held(step: &Timestep) -> usize {
    size_of::<Timestep>() + step.bytes()
}

/// One section as the record of a recording has it.
fn record(section: &[u8]) -> Raw {
    let mut bytes = vec![0x80 | u8::from(!section.is_empty())];
    bytes.extend_from_slice(section);
    Raw::Replay { time: 0, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::record::{Entity, EntityType, Property};
    use crate::control::section;

    const BYTES_MAX: usize = 4000;

    fn civilian(x: i32) -> Entity<'static> {
        let mut entity = Entity { id: 7, kind: Some(EntityType::Civilian), ..Entity::default() };
        entity.properties.set(Property::X, Some(x));
        entity
    }

    fn world(x: i32) -> Vec<u8> {
        let mut out = Vec::new();
        section::world(&mut out, [civilian(x)]);
        out
    }

    fn step(time: i32) -> Timestep {
        let mut step = Timestep { time, ..Timestep::default() };
        section::changes(&mut step.changes, [civilian(time)]);
        step
    }

    /// A past in which a civilian moves one millimetre a step.
    fn past(steps: i32) -> Past {
        let mut past = Past::default();
        for time in 1..=steps {
            past.keep(step(time), BYTES_MAX);
            if past.wants_world() {
                past.keep_world(&world(time), BYTES_MAX);
            }
            assert!(past.bytes <= BYTES_MAX && past.world_bytes <= BYTES_MAX / WORLDS_SHARE);
        }
        past
    }

    fn found(past: &mut Past, time: i64) -> Option<Vec<u8>> {
        for _ in 0..1000 {
            match past.lead_to(time) {
                Sought::NotYet => {}
                Sought::There(step, world) => {
                    assert_eq!(i64::from(step.time), time);
                    return Some(world);
                }
                Sought::Nowhere => return None,
            }
        }
        panic!("no end of the way to {time}");
    }

    #[test]
    fn every_world_that_is_kept_is_found_in_any_order() {
        let mut past = past(200);
        let oldest = past.steps[0].time;
        assert!(oldest > 1 && past.worlds.len() > 2);
        let first_whole = past.steps[usize::try_from(past.worlds[0].number - past.first).unwrap()].time;
        for time in (first_whole..=200).rev().step_by(7).chain(first_whole..=200) {
            assert_eq!(found(&mut past, time.into()), Some(world(time)), "{time}");
        }
        assert_eq!((found(&mut past, i64::from(oldest) - 1), found(&mut past, 201)), (None, None));
        past.keep(step(201), BYTES_MAX);
        assert_eq!(found(&mut past, 201), Some(world(201)));
    }

    #[test]
    fn a_step_before_every_whole_world_is_there_without_its_own() {
        let mut past = Past::default();
        past.keep(step(1), BYTES_MAX);
        past.keep(step(2), BYTES_MAX);
        past.keep_world(&world(2), BYTES_MAX);
        assert_eq!((found(&mut past, 1), found(&mut past, 2)), (Some(Vec::new()), Some(world(2))));
    }

    #[test]
    fn a_world_that_was_put_right_takes_the_place_of_the_one_before() {
        let mut past = past(1);
        assert_eq!(found(&mut past, 1), Some(world(1)));
        past.keep_world(&world(99), BYTES_MAX);
        assert_eq!((past.worlds.len(), found(&mut past, 1)), (1, Some(world(99))));
    }

    #[test]
    fn timesteps_in_which_nothing_happens_are_counted_too() {
        let mut past = Past::default();
        for time in 1..1000 {
            past.keep(Timestep { time, ..Timestep::default() }, BYTES_MAX);
        }
        assert!(past.steps.len() > 1 && past.steps.len() * size_of::<Timestep>() <= BYTES_MAX, "{}", past.steps.len());
    }

    #[test]
    fn what_is_forgotten_is_nowhere_and_who_waits_still_does() {
        let mut past = past(5);
        assert!(past.forget() && !past.forget());
        assert_eq!((past.bytes(), found(&mut past, 5)), (0, None));
        past.keep_world(&world(5), BYTES_MAX);
        assert_eq!(past.bytes(), 0, "there is no step that it belongs to");
    }
}
