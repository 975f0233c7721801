//! Containers that know no protocol: a capped [`table`] with aged keys, a name [`index`] over a table, a bounded byte
//! [`ring`] of what goes out, the [`tail`] of what came in, the block [`pool`] that feeds both, [`timers`] with one entry per
//! subject and kind, a [`name`] that lies in its entry, what an entry has [`beside`] it, bytes that
//! are [`shared`], a bounded [`tally`]; and a sort for all that stands in an [`order`] without haste.
//!
//! Nothing here reads bytes for their meaning, and nothing here is ordered by a hash.

pub mod beside;
pub mod index;
pub mod name;
pub mod order;
pub mod pool;
pub mod ring;
pub mod shared;
pub mod sorted;
pub mod table;
pub mod tail;
pub mod tally;
pub mod timers;

/// Wipes what must not be found where it lay, also where nobody reads that again. Byte by byte it would take as long as to make it.
#[inline(always)]
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}
