//! Containers that know no protocol: a capped [`table`] with aged keys, a name [`index`] over a table, a bounded byte
//! [`ring`], the block [`pool`] that feeds rings, and [`timers`] with one entry per subject and kind.
//!
//! Nothing here reads bytes for their meaning, and nothing here is ordered by a hash.

pub mod index;
pub mod pool;
pub mod ring;
pub mod table;
pub mod timers;
