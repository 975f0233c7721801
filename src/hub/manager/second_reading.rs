//! A second reader of a log, for timesteps that have gone by.
//!
//! Owns how far that has been read, and who waits for what. Must not know when it is read on, nor what is answered.

use std::collections::VecDeque;

use super::making::Making;
use super::past::Question;
use super::track::Track;
use super::world::ProviderWorld;
use crate::hub::shelf::{Content, FileId};

/// A second reader of the same file, for old timesteps.
#[derive(Debug)]
pub(super) struct SecondReading {
    pub(super) track: Track,
    pub(super) world: ProviderWorld,
    /// The timestep that is being applied to the world.
    pub(super) making: Option<Box<Making>>,
    /// The timestep that the world shows.
    pub(super) time: i32,
    pub(super) questions: VecDeque<Question>,
}

impl SecondReading {
    /// Begins at the beginning of a file.
    pub(super) fn new(file: FileId, content: Content, questions: VecDeque<Question>) -> Self {
        Self { track: Track::new(file, content), world: ProviderWorld::Empty, making: None, time: 0, questions }
    }

    /// The worlds that it has led on: it is of no use any more.
    pub(super) fn into_worlds(self) -> impl Iterator<Item = ProviderWorld> {
        [self.world].into_iter().chain(self.making.into_iter().flat_map(|making| making.into_worlds()))
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.world.bytes() + self.track.bytes() + self.making.as_ref().map_or(0, |making| making.bytes())
    }
}
