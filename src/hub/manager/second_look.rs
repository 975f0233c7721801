//! What is kept while a kernel is asked for its world once more, and how far the world that has come has got. When that is done, and what
//! follows, is decided by the Manager.

use std::collections::VecDeque;

use super::world::ProviderWorld;
use crate::hub::keys::PeerKey;
use crate::limits::{RCRS_VALUES_MAX, WORLD_PIECE};
use crate::rcrs::Error;
use crate::rcrs::entity::Entity;
use crate::rcrs::kernel::KernelViewer;
use crate::rcrs::merge::{Arrival, Exchange, Merge};
use crate::rcrs::message::ChangeSet;
use crate::rcrs::world::{Difference, World};

/// Values in the changes that are kept meanwhile: more than any timestep of a kernel that is well.
const VALUES_MAX: usize = RCRS_VALUES_MAX / 2;

/// A second look in the making.
#[derive(Debug, Default)]
pub(super) struct SecondLook {
    /// The connection, once it is there.
    pub(super) peer: Option<PeerKey>,
    pub(super) machine: Option<Box<KernelViewer>>,
    /// What timesteps have changed since it was asked for.
    changes: VecDeque<ChangeSet>,
    values: usize,
    /// Timesteps were lost after it was asked for: the world that comes may lack them, too.
    pub(super) is_late: bool,
    seen: Seen,
}

/// How far the world that is looked at has got.
#[derive(Debug, Default)]
enum Seen {
    /// It has not come.
    #[default]
    Nothing,
    /// Its entities are taken in.
    Arrival(Arrival),
    /// What has changed since then is merged into it.
    World(World, Option<Merge>),
    /// It is compared with ours.
    Exchange(Exchange),
}

impl SecondLook {
    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let seen = match &self.seen {
            Seen::Nothing => 0,
            Seen::Arrival(arrival) => arrival.bytes(),
            Seen::World(world, _) => world.bytes(),
            Seen::Exchange(exchange) => exchange.bytes(),
        };
        self.values * size_of::<i32>() + seen
    }

    /// Keeps what a timestep changes; answers whether there is room for it.
    pub(super) fn keep(&mut self, changes: &ChangeSet) -> bool {
        let values = changes.changed.iter().map(|change| change.entity.properties.values() + size_of::<Entity>());
        self.values += values.sum::<usize>() + changes.deleted.len();
        self.changes.push_back(changes.clone());
        self.values <= VALUES_MAX
    }

    /// The world has come.
    ///
    /// # Errors
    /// It has too many entities.
    pub(super) fn has_come(&mut self, entities: Vec<Entity>) -> Result<(), Error> {
        self.seen = Seen::Arrival(Arrival::new(entities)?);
        Ok(())
    }

    /// Whether it is being compared with ours, which must stay as it is until that is done.
    pub(super) const fn is_exchanging(&self) -> bool {
        matches!(self.seen, Seen::Exchange(_))
    }

    /// Goes on with the world that has come, unless ours must come first (`is_free`); answers whether it can take the place of ours.
    ///
    /// # Errors
    /// It is too large.
    pub(super) fn go_on(&mut self, ours: &World, is_free: bool) -> Result<bool, Error> {
        let Self { seen, changes, .. } = self;
        *seen = match core::mem::take(seen) {
            Seen::Nothing => Seen::Nothing,
            Seen::Arrival(mut arrival) => {
                if arrival.go_on(WORLD_PIECE)? {
                    Seen::World(arrival.into_world(), None)
                } else {
                    Seen::Arrival(arrival)
                }
            }
            Seen::World(mut world, Some(mut merge)) => {
                let is_merged = merge.go_on(&mut world, &mut { WORLD_PIECE })?;
                Seen::World(world, Some(merge).filter(|_| !is_merged))
            }
            Seen::World(world, None) => match changes.pop_front() {
                Some(next) => {
                    let merge = Merge::new(&world, next)?;
                    Seen::World(world, Some(merge))
                }
                None if is_free => Seen::Exchange(Exchange::new(world)),
                None => Seen::World(world, None),
            },
            Seen::Exchange(mut exchange) => {
                let is_compared = exchange.go_on(ours, WORLD_PIECE);
                *seen = Seen::Exchange(exchange);
                return Ok(is_compared);
            }
        };
        Ok(false)
    }

    /// The world takes the place of ours; says what is different, and gives the one that was ours.
    pub(super) fn take_place_of(self, ours: &mut World) -> (Difference, World) {
        match self.seen {
            Seen::Exchange(exchange) => exchange.finish(ours),
            Seen::Nothing | Seen::Arrival(_) | Seen::World(..) => Default::default(),
        }
    }

    /// The world, as far as it has come: it is of no use any more.
    pub(super) fn into_world(self) -> ProviderWorld {
        match self.seen {
            Seen::Nothing => ProviderWorld::Empty,
            Seen::Arrival(arrival) => ProviderWorld::Coming(Box::new(arrival)),
            Seen::World(world, _) => ProviderWorld::Kernel(world),
            Seen::Exchange(exchange) => ProviderWorld::Kernel(exchange.into_world()),
        }
    }
}
