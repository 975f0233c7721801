//! Every hard bound on what a peer can make this process do, with the relations among them checked by the compiler.
//!
//! Owns the numbers that no configuration can exceed. What a user may choose lies in `config` and is checked against these.

/// Bytes of a component name or a namespace (LECO gives none; ZMTP identities end here too).
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a full name: namespace, dot, component name.
pub const FULL_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

const _: () = assert!(
    FULL_NAME_BYTES_MAX > NAME_BYTES_MAX,
    "a full name holds two names and a dot"
);

// --- control: the Manager's MsgPack protocols ---

/// How deep MsgPack arrays and maps may lie in one another. The deepest message we know (a path inside a heard action
/// inside a recording) needs nine.
pub const MSGPACK_DEPTH_MAX: usize = 32;

/// Bytes of one control or viewer request, without its length header.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one result or one recorded step that a client or a player of recordings will hold. Maps run to megabytes.
pub const CONTROL_RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Ids in one list of a control request, and connections in one Connect.
pub const CONTROL_IDS_MAX: usize = 4096;

/// Bytes of a host name in an Open request (a DNS name ends here too).
pub const CONTROL_HOST_BYTES_MAX: usize = 255;

/// Bytes of a file name in an Open request.
pub const CONTROL_FILE_BYTES_MAX: usize = 4096;

/// Entities, actions, areas, edges and config entries together in one record that is decoded into owned data.
/// An entity is the largest of them at about 200 bytes, so a hostile record costs about 110 MB at most.
pub const RECORD_ITEMS_MAX: usize = 512 * 1024;

/// Values in one result that is decoded for printing, at 32 bytes each and their text.
pub const PRINTED_VALUES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(
    CONTROL_REQUEST_BYTES_MAX >= CONTROL_IDS_MAX * 9,
    "a full list of the widest ids fits a request"
);
const _: () = assert!(
    CONTROL_REQUEST_BYTES_MAX <= CONTROL_RESULT_BYTES_MAX,
    "whoever reads results can read requests"
);
