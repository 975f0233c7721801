//! Worlds that nobody needs any more. To let go of one takes as long as to take it in, and is done a piece in a turn likewise.
//!
//! Owns them until nothing of them is left. Must not know whose they were; they are not counted as anybody's memory any more.

use std::collections::VecDeque;

use super::jobs::{Job, Jobs};
use super::world::ProviderWorld;
use crate::limits::WORLD_PIECE;

/// What is left of worlds that were let go of.
#[derive(Debug, Default)]
pub(super) struct Remains {
    worlds: VecDeque<ProviderWorld>,
}

impl Remains {
    /// Takes a world that nobody needs any more.
    pub(super) fn add(&mut self, jobs: &mut Jobs, mut world: ProviderWorld) {
        // A small one costs less than to come back to it.
        if !world.let_go(&mut { WORLD_PIECE / 2 }) {
            self.worlds.push_back(world);
            jobs.add(Job::LetGo);
        }
    }

    /// Lets go of a piece; answers whether there is more.
    pub(super) fn piece(&mut self) -> bool {
        let mut left = WORLD_PIECE;
        while let Some(world) = self.worlds.front_mut() {
            if !world.let_go(&mut left) {
                return true;
            }
            self.worlds.pop_front();
        }
        false
    }
}
