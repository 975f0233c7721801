//! What a log holds, in numbers.
//!
//! Owns [`Summary`], which is fed records and keeps the world and a line of counts for each step. Must not know files
//! nor how a summary is shown.

use std::collections::BTreeMap;

use super::Error;
use super::message::Record;
use super::urn::{CommandKind, EntityKind};
use super::world::World;

/// The counts of one step; step 0 is the world before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timestep {
    /// Entities of each kind once the step was merged.
    pub entities: BTreeMap<EntityKind, usize>,
    /// Commands of each kind.
    pub commands: BTreeMap<CommandKind, usize>,
    /// Entities the change set names as changed.
    pub changed: usize,
    /// Entities the change set names as gone.
    pub deleted: usize,
    /// Agents whose perception was recorded.
    pub perceptions: usize,
}

/// A log in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records read, of all kinds.
    pub records: usize,
    /// By time, 0 first.
    pub steps: BTreeMap<i32, Timestep>,
    /// Keys of the configuration.
    pub config_keys: usize,
    /// How many steps the run was planned to have.
    pub timesteps_planned: Option<i32>,
    /// Entities, properties and commands that were passed over as not known.
    pub skipped: usize,
    /// The highest time whose updates were seen.
    pub time_max: i32,
    world: World,
}

impl Summary {
    /// An empty summary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The world after the last updates.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Counts one record.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the world, or the number of steps, outgrows its bounds.
    pub fn add(&mut self, record: Record) -> Result<(), Error> {
        self.records += 1;
        match record {
            Record::Start | Record::End => {}
            Record::Initial(entities) => {
                self.world = World::new(entities)?;
                self.count_entities(0)?;
            }
            Record::Config(config) => {
                self.config_keys = config.len();
                self.timesteps_planned = config.timesteps();
            }
            Record::Perception(perception) => {
                self.skipped += perception.visible.skipped;
                self.step(perception.time)?.perceptions += 1;
            }
            Record::Commands { time, commands } => {
                let step = self.step(time)?;
                for command in commands {
                    *step.commands.entry(command.action.kind()).or_default() += 1;
                }
            }
            Record::Updates { time, changes } => {
                self.skipped += changes.skipped;
                let step = self.step(time)?;
                step.changed += changes.changed.len();
                step.deleted += changes.deleted.len();
                self.time_max = self.time_max.max(time);
                self.world.apply(changes)?;
                self.count_entities(time)?;
            }
        }
        Ok(())
    }

    fn count_entities(&mut self, time: i32) -> Result<(), Error> {
        let mut entities = BTreeMap::new();
        for entity in self.world.iter() {
            *entities.entry(entity.kind).or_default() += 1;
        }
        self.step(time)?.entities = entities;
        Ok(())
    }

    fn step(&mut self, time: i32) -> Result<&mut Timestep, Error> {
        if self.steps.len() >= crate::limits::RCRS_SUMMARY_STEPS_MAX && !self.steps.contains_key(&time) {
            return Err(Error::TooLarge("the number of steps in the log"));
        }
        Ok(self.steps.entry(time).or_default())
    }
}
