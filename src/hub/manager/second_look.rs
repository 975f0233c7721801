//! What is kept while a kernel is asked for its world once more. When that is done, and what follows, is decided by the Manager.

use crate::hub::keys::PeerKey;
use crate::limits::RCRS_VALUES_MAX;
use crate::rcrs::entity::Entity;
use crate::rcrs::kernel::KernelViewer;
use crate::rcrs::message::ChangeSet;

/// Values in the changes that are kept meanwhile: more than any timestep of a kernel that is well.
const VALUES_MAX: usize = RCRS_VALUES_MAX / 8;

/// A second look in the making.
#[derive(Debug, Default)]
pub(super) struct SecondLook {
    /// The connection, once it is there.
    pub(super) peer: Option<PeerKey>,
    pub(super) machine: Option<Box<KernelViewer>>,
    /// What timesteps have changed since it was asked for.
    pub(super) changes: Vec<ChangeSet>,
    values: usize,
    /// Timesteps were lost after it was asked for: the world that comes may lack them, too.
    pub(super) is_late: bool,
}

impl SecondLook {
    /// Memory it takes, about.
    pub(super) const fn bytes(&self) -> usize {
        self.values * size_of::<i32>()
    }

    /// Keeps what a timestep changes; answers whether there is room for it.
    pub(super) fn keep(&mut self, changes: &ChangeSet) -> bool {
        let values = changes.changed.iter().map(|change| change.entity.properties.values() + size_of::<Entity>());
        self.values += values.sum::<usize>() + changes.deleted.len();
        self.changes.push(changes.clone());
        self.values <= VALUES_MAX
    }
}
