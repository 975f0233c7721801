//! What an operator's errands may take.

/// Bytes of a state file that `--check` looks into, for which it takes a copy into memory.
pub const STATE_LOOK_BYTES_MAX: u64 = 1 << 30;
