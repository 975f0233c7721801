//! A timestep in the making: applied to its provider's world and written down as viewers are sent it, a bounded piece at a time.
//!
//! Owns how far that has come. Between two pieces the world shows a part of the timestep, and is shown to nobody. Must not know who waits
//! for it, nor when the next piece is due.

use crate::control::reading::Reading;
use crate::control::section::{self, Growing, Section};
use crate::limits::{FEED_PIECE_BYTES, RECORD_ENTITIES_MAX, RECORD_VALUES_MAX, WORLD_PIECE};
use crate::rcrs::merge::{Merge, VALUES_OF_ONE};
use crate::rcrs::message::Command;
use crate::rcrs::world::{Difference, World};

use super::world::{
    Perceived, ProviderWorld, Raw, Timestep, WorldDraft, action, difference_entity, perceived, write_on,
};

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A timestep.
    Step,
    /// What tells how the world was put right, and is no timestep of its own.
    Correction,
    /// The world section alone.
    World,
}

/// What was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) kind: Kind,
    pub(super) step: Timestep,
    /// The section of the world behind it, where that was wanted.
    pub(super) world: Option<Vec<u8>>,
}

/// A timestep in the making.
#[derive(Debug)]
pub(super) struct Making {
    kind: Kind,
    step: Timestep,
    stage: Stage,
    commands: Vec<Command>,
    perceptions: Vec<Perceived>,
    /// What is left of a world in whose place another one has come.
    old: ProviderWorld,
}

/// What is being done.
#[derive(Debug)]
enum Stage {
    /// A kernel's changes go into its world.
    Merge(Merge),
    /// What that has changed is written down, so many of them by now.
    Changes(Difference, usize, Growing),
    /// What agents did.
    Commands(usize, Growing),
    /// What they saw and heard.
    Perceptions(usize),
    /// A record of a recording is read.
    Record(Box<Reading>),
    /// What has changed by it is applied: so many of the changes by now.
    Told(Box<Reading>, usize),
    /// The world is written down.
    World(WorldDraft),
    /// Nothing is left to do.
    Done,
}

impl Making {
    /// Begins with a timestep as it came.
    ///
    /// # Errors
    /// It cannot be applied, in words; nothing has changed then.
    pub(super) fn new(world: &ProviderWorld, raw: Raw) -> Result<Self, String> {
        let step = Timestep { time: raw.time(), ..Timestep::default() };
        let (stage, commands, perceptions) = match raw {
            Raw::Kernel { commands, perceptions, changes, .. } => {
                let ProviderWorld::Kernel(world) = world else {
                    return Err("a step came before the world".to_owned());
                };
                let merge = Merge::new(world, changes).map_err(|error| error.to_string())?;
                (Stage::Merge(merge), commands, perceptions)
            }
            Raw::Replay { bytes, .. } => (Stage::Record(Box::new(Reading::recorded(bytes))), Vec::new(), Vec::new()),
            Raw::Fed { record, .. } => (Stage::Told(record, 0), Vec::new(), Vec::new()),
        };
        Ok(Self { kind: Kind::Step, step, stage, commands, perceptions, old: ProviderWorld::Empty })
    }

    /// Begins with what is different since a world has taken the place of another.
    pub(super) fn corrected(time: i32, difference: Difference) -> Self {
        let mut step = Timestep { time, ..Timestep::default() };
        let list = Growing::new(&mut step.changes, Section::Changes);
        let stage = Stage::Changes(difference, 0, list);
        Self { kind: Kind::Correction, step, stage, ..Self::world() }
    }

    /// Begins with the section of a world.
    pub(super) fn world() -> Self {
        let (kind, step, stage) = (Kind::World, Timestep::default(), Stage::World(WorldDraft::default()));
        Self { kind, step, stage, commands: Vec::new(), perceptions: Vec::new(), old: ProviderWorld::Empty }
    }

    /// Goes on with the section of the world, behind what was made.
    pub(super) fn and_world(Made { kind, step, .. }: Made) -> Self {
        Self { kind, step, ..Self::world() }
    }

    /// Memory it takes, about: what has been written down, and what is read of a record.
    pub(super) fn bytes(&self) -> usize {
        let held = match &self.stage {
            Stage::World(draft) => draft.out.len(),
            Stage::Record(record) | Stage::Told(record, _) => record.held_bytes(),
            Stage::Merge(_) | Stage::Changes(..) | Stage::Commands(..) | Stage::Perceptions(_) | Stage::Done => 0,
        };
        self.step.bytes() + held
    }

    /// Worlds that it has: of a record that is read, and what is left of the one before. It is of no use any more.
    pub(super) fn into_worlds(self) -> [ProviderWorld; 2] {
        let told = match self.stage {
            Stage::Record(mut record) | Stage::Told(mut record, _) => ProviderWorld::Told(record.take_world()),
            Stage::Merge(_)
            | Stage::Changes(..)
            | Stage::Commands(..)
            | Stage::Perceptions(_)
            | Stage::World(_)
            | Stage::Done => ProviderWorld::Empty,
        };
        [told, self.old]
    }

    /// Does a piece of it; answers what was made once that is whole.
    ///
    /// # Errors
    /// It cannot be applied, in words.
    pub(super) fn go_on(&mut self, world: &mut ProviderWorld) -> Result<Option<Made>, String> {
        let mut left = WORLD_PIECE;
        while self.piece(world, &mut left)? {
            let section =
                if let Stage::World(draft) = &mut self.stage { Some(core::mem::take(&mut draft.out)) } else { None };
            if self.next_stage(world) {
                let step = core::mem::take(&mut self.step);
                return Ok(Some(Made { kind: self.kind, step, world: section }));
            }
        }
        Ok(None)
    }

    /// Goes on with what is being done; answers whether that is through.
    fn piece(&mut self, world: &mut ProviderWorld, left: &mut usize) -> Result<bool, String> {
        let Self { step, stage, commands, perceptions, old, .. } = self;
        if !old.let_go(left) {
            return Ok(false);
        }
        match (stage, world) {
            (Stage::Merge(merge), ProviderWorld::Kernel(world)) => {
                return merge.go_on(world, left).map_err(|error| error.to_string());
            }
            (Stage::Changes(difference, told, list), ProviderWorld::Kernel(world)) => {
                return Ok(tell_changes(world, difference, (told, list), &mut step.changes, left));
            }
            (Stage::Commands(told, list), _) => {
                return Ok(write_on(&mut step.commands, left, |out| {
                    let Some(command) = commands.get(*told) else { return false };
                    list.action(out, &action(command));
                    *told += 1;
                    true
                }));
            }
            (Stage::Perceptions(told), _) => {
                return Ok(write_on(&mut step.perceptions, left, |out| {
                    let Some(agent) = perceptions.get(*told) else { return false };
                    perceived(out, agent);
                    *told += 1;
                    true
                }));
            }
            (Stage::Record(record), _) => {
                if *left == 0 {
                    return Ok(false);
                }
                *left = 0;
                return record.go_on(FEED_PIECE_BYTES);
            }
            (Stage::Told(record, applied), ProviderWorld::Told(world)) => {
                while let Some(change) = record.changes().get(*applied) {
                    if *left == 0 {
                        return Ok(false);
                    }
                    world.apply(change);
                    if world.len() > RECORD_ENTITIES_MAX || world.values() > RECORD_VALUES_MAX {
                        return Err("its world has too many entities, or values in their lists".to_owned());
                    }
                    *applied += 1;
                    *left = left.saturating_sub(1 + change.list_values() / VALUES_OF_ONE);
                }
            }
            (Stage::World(draft), world) => return Ok(draft.go_on(world, left)),
            (Stage::Merge(_) | Stage::Changes(..) | Stage::Told(..), _) => {
                return Err("its world is there no more".to_owned());
            }
            (Stage::Done, _) => {}
        }
        Ok(true)
    }

    /// What was being done is through: goes over to what comes next; answers whether nothing does.
    fn next_stage(&mut self, world: &mut ProviderWorld) -> bool {
        let Self { kind, step, stage, commands, perceptions, old } = self;
        *stage = match (core::mem::replace(stage, Stage::Done), world) {
            (Stage::Merge(merge), _) => {
                let list = Growing::new(&mut step.changes, Section::Changes);
                Stage::Changes(merge.finish(), 0, list)
            }
            // With a correction nobody has done anything.
            (Stage::Changes(..), world) if *kind == Kind::Correction => {
                step.score = world.encode_score();
                Stage::Done
            }
            (Stage::Changes(..), _) => {
                let list = Growing::new(&mut step.commands, Section::Commands);
                Stage::Commands(0, list)
            }
            (Stage::Commands(..), _) if !perceptions.is_empty() => {
                commands.clear();
                section::perceptions_begin(&mut step.perceptions, perceptions.len());
                Stage::Perceptions(0)
            }
            (Stage::Commands(..) | Stage::Perceptions(_), world) => {
                step.score = world.encode_score();
                Stage::Done
            }
            (Stage::Record(mut record), world) => {
                // A record with a world has its changes in it already; applying them again changes nothing.
                if record.section(Section::World).is_some() || matches!(world, ProviderWorld::Empty) {
                    *old = core::mem::replace(world, ProviderWorld::Told(record.take_world()));
                }
                Stage::Told(record, 0)
            }
            (Stage::Told(record, _), world) => {
                *step = world.step_of(step.time, &record);
                Stage::Done
            }
            (Stage::World(_) | Stage::Done, _) => Stage::Done,
        };
        matches!(stage, Stage::Done)
    }
}

/// Writes down what is different, from the item on that comes next; answers whether that is all.
fn tell_changes(
    world: &World,
    difference: &Difference,
    (told, list): (&mut usize, &mut Growing),
    out: &mut Vec<u8>,
    left: &mut usize,
) -> bool {
    write_on(out, left, |out| {
        if *told >= difference.items() {
            return false;
        }
        if let Some(entity) = difference_entity(world, difference, *told) {
            list.entity(out, &entity);
        }
        *told += 1;
        true
    })
}
