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

// Room `c2sim`.

/// Bytes of one C2SIM message document, and of everything a session keeps for its initialization (the C2SIM servers in use say 10 MiB).
pub const C2SIM_MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Open elements inside one another; the deepest document seen in the field has 15.
pub const C2SIM_DEPTH_MAX: usize = 64;

/// Elements of one document.
pub const C2SIM_ELEMENTS_MAX: usize = 1_000_000;

/// Bytes of an element or attribute name, prefix included.
pub const C2SIM_NAME_BYTES_MAX: usize = 256;

/// Attributes of one element; the schemas define none, so only namespace declarations and `xsi:` hints occur.
pub const C2SIM_ATTRIBUTES_MAX: usize = 64;

/// Namespace declarations in force at one place of a document.
pub const C2SIM_NAMESPACES_MAX: usize = 64;

/// Bytes of one header field that is read (names, identifiers, times); credentials are skipped, not read.
pub const C2SIM_HEADER_FIELD_BYTES_MAX: usize = 1024;

/// System names a session's initialization may require, and completions it may record.
pub const C2SIM_SYSTEMS_MAX: usize = 4096;

/// Unbroken runs of like children in one initialization body; a valid one has a handful.
pub const C2SIM_RUNS_MAX: usize = 4096;

/// Documents kept for one session's merged initialization: two per sender at most.
pub const C2SIM_PARTS_MAX: usize = 1024;

const _: () = assert!(
    C2SIM_NAMESPACES_MAX >= C2SIM_ATTRIBUTES_MAX,
    "one tag full of declarations must fit an empty scope"
);
const _: () = assert!(
    C2SIM_HEADER_FIELD_BYTES_MAX >= FULL_NAME_BYTES_MAX,
    "a full name must fit FromSendingSystem"
);
