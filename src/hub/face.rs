//! What a session shows of itself to those who know no more of sessions than the C2SIM interface says.

use crate::c2sim::kind::Schema;
use crate::c2sim::state::State;

/// A session as others see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face<'a> {
    pub(super) name: &'a str,
    /// Milliseconds since 1970.
    pub(super) created_ms: u64,
    pub(super) schema: Schema,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) state: State,
}
