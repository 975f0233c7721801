//! Every hard bound on what a peer can make this process do, with the relations among them checked by the compiler.
//!
//! Owns the numbers that no configuration can exceed. What a user may choose lies in `config` and is checked against these.

/// Bytes of a component name or a namespace (LECO gives none; ZMTP identities end here too).
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a full name: namespace, dot, component name.
pub const FULL_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

const _: () = assert!(FULL_NAME_BYTES_MAX > NAME_BYTES_MAX, "a full name holds two names and a dot");

// ---- rcrs: kernel connections and simulation logs ----

/// Bytes of one kernel frame unless the caller wants less (the first frame of a city map is some MiB).
pub const RCRS_FRAME_BYTES_MAX: usize = 64 << 20;

/// Bytes of one log record once unpacked.
pub const RCRS_RECORD_BYTES_MAX: usize = 64 << 20;

/// Bytes of one entity, one change, one command or one configuration pair: what is decoded in one go.
pub const RCRS_UNIT_BYTES_MAX: usize = 1 << 20;

/// Entities of one world, and entities, changes or deletions of one record (city maps have about 10,000).
pub const RCRS_ENTITIES_MAX: usize = 1 << 17;

/// 32-bit values in one world or one record.
pub const RCRS_VALUES_MAX: usize = 1 << 23;

/// Values of one list: apexes, edges (five each), a path, ids.
pub const RCRS_LIST_VALUES_MAX: usize = 1 << 16;

/// Commands of one step.
pub const RCRS_COMMANDS_MAX: usize = 1 << 16;

/// Keys of one kernel configuration (a real one has about 330).
pub const RCRS_CONFIG_KEYS_MAX: usize = 1 << 14;

/// Bytes decoded by one call: about a millisecond of work for the slowest packing.
pub const RCRS_SLICE_BYTES_MAX: usize = 16 << 10;

/// Bytes of a packed log's dictionary (the kernel's own is 16 MiB, `xz -9` uses 64 MiB).
pub const RCRS_DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// Bytes a whole log may unpack to.
pub const RCRS_UNPACKED_BYTES_MAX: u64 = 64 << 30;

/// Packed bytes a log may spend beyond what it unpacks to, so that a file of empty blocks ends.
pub const RCRS_PACKING_BYTES_MAX: u64 = 1 << 20;

/// Records of an archived log: a thousand steps of some hundred agents.
pub const RCRS_ARCHIVE_ENTRIES_MAX: usize = 1 << 19;

/// Bytes of an archive's directory, about a hundred an entry.
pub const RCRS_ARCHIVE_HEADER_BYTES_MAX: usize = 64 << 20;

/// Steps a summary keeps a line for (runs have some hundred).
pub const RCRS_SUMMARY_STEPS_MAX: usize = 1 << 16;

const _: () = assert!(RCRS_UNIT_BYTES_MAX <= RCRS_RECORD_BYTES_MAX, "a record holds at least one unit");
const _: () = assert!(RCRS_LIST_VALUES_MAX <= RCRS_VALUES_MAX, "a record holds at least one list");
const _: () =
    assert!(RCRS_ARCHIVE_HEADER_BYTES_MAX / RCRS_ARCHIVE_ENTRIES_MAX >= 100, "a full directory fits its bound");
