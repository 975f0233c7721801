//! What an operator's errands may take.

/// Bytes of a state file that `--check` looks into, for which it takes a copy into memory.
pub const STATE_LOOK_BYTES_MAX: u64 = 1 << 30;
/// Members of a session that one call of a backup tells: some 30 KiB.
pub const BACKUP_MEMBERS_PER_CALL: usize = 256;
/// Bytes of a line in the file of a backup: a document of the longest in JSON, whose letters are written with two at worst, but for those that
/// no XML has.
pub const BACKUP_LINE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the audit log that wait for the event loop, and as many for the disk: those of all members of a large session who leave at once.
pub const AUDIT_BYTES_MAX: usize = 2 << 20;
/// Lines of it about refusals within a second: whoever likes can provoke those.
pub const AUDIT_DENIALS_PER_SECOND: u32 = 100;
/// Bytes of such a file.
pub const BACKUP_BYTES_MAX: u64 = 2 << 30;
