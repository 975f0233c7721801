//! Every hard bound on what a peer can make this process do, with the relations among them checked by the compiler.
//!
//! Owns the numbers that no configuration can exceed. What a user may choose lies in `config` and is checked against these.

/// Bytes of a component name or a namespace (LECO gives none; ZMTP identities end here too).
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a full name: namespace, dot, component name.
pub const FULL_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

const _: () = assert!(FULL_NAME_BYTES_MAX > NAME_BYTES_MAX, "a full name holds two names and a dot");
