//! Every hard bound on what a peer can make this process do, with the relations among them checked by the compiler.
//!
//! Owns the numbers that no configuration can exceed. What a user may choose lies in [`crate::config`] and is checked
//! against these. Worst case of memory: `memory_max` (rings and partial messages, both drawn from one pool) plus
//! `connections_max` times the size of one peer's entries (under 1 KiB) plus the directories, which hold at most
//! [`COMPONENTS_MAX`] names here and [`COMPONENTS_PER_NODE_MAX`] for each of [`NODES_MAX`] nodes.

// ---- ZMTP ----

/// Bytes of a ZMTP greeting, both minor versions (RFC 23 and 37).
pub const GREETING_BYTES: usize = 64;
/// Bytes of the body of a handshake command (READY, ERROR); CVE-2019-13132 shows why it needs a bound.
pub const HANDSHAKE_COMMAND_BYTES_MAX: usize = 4096;
/// Properties in one READY command.
pub const PROPERTIES_MAX: usize = 16;
/// Bytes of all property names and values of one READY command.
pub const METADATA_BYTES_MAX: usize = 2048;
/// Bytes of a ZMTP identity (RFC 37); the first byte may not be zero.
pub const IDENTITY_BYTES_MAX: usize = 255;
/// Bytes of a command body after the handshake (PING is the largest we understand).
pub const COMMAND_BYTES_MAX: usize = 512;
/// Command frames accepted from one peer within one second.
pub const COMMANDS_PER_SECOND_MAX: u32 = 128;
/// Bytes of the context of a PING, which its PONG echoes.
pub const PING_CONTEXT_BYTES_MAX: usize = 16;
/// Frames of one multipart message.
pub const FRAMES_MAX: u32 = 4096;
/// Bytes that a configuration may allow for one frame or message: offsets inside a message fit 32 bits.
pub const MESSAGE_BYTES_CEILING: u64 = 1 << 30;
/// Highest TTL of a PING we send, in tenths of a second: libzmq wraps above (its issue 4226).
pub const PING_TTL_MAX: u16 = 655;

// ---- LECO ----

/// Bytes of a component name or a namespace.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a full name: namespace, dot, component name.
pub const FULL_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;
/// Components signed in at this Coordinator.
pub const COMPONENTS_MAX: usize = 1 << 16;
/// Names that one connection may sign in.
pub const COMPONENTS_PER_PEER_MAX: usize = 64;
/// Other Coordinators known at a time, connected or being dialled.
pub const NODES_MAX: usize = 256;
/// Component names recorded for one other node.
pub const COMPONENTS_PER_NODE_MAX: usize = 1 << 16;
/// Bytes of an address `host:port` of another Coordinator.
pub const ADDRESS_BYTES_MAX: usize = 300;
/// Requests of one JSON-RPC batch.
pub const BATCH_MAX: usize = 1024;
/// Bytes of a JSON-RPC document for the Coordinator itself.
pub const RPC_BYTES_MAX: usize = 8 << 20;

// ---- Loop ----

/// Connections that a configuration may allow.
pub const CONNECTIONS_CEILING: usize = 1 << 20;
/// Bytes read from one peer in one turn of the loop.
pub const READ_BYTES_PER_TURN: usize = 256 << 10;
/// Messages to the Coordinator itself that one peer gets answered in one turn of the loop: they cost far more than routed ones.
pub const OWN_PER_TURN: u32 = 32;
/// Connections accepted from one listener in one turn of the loop.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Connections still in their ZMTP handshake; one more pushes the oldest of them out, so that a flood of idle connections
/// never keeps a client that speaks from coming in.
pub const HANDSHAKES_MAX: usize = 1024;
/// The same from one remote address; loopback is exempt, as every local program shares it.
pub const HANDSHAKES_PER_ADDRESS_MAX: u32 = 16;
/// Refused connections that are held for a moment before they are closed, so that their clients reconnect less often.
pub const TARPIT_MAX: usize = 64;
/// Room in every ring beyond its configured size for our own answers, commands and notices.
pub const RING_RESERVE_BYTES: usize = 64 << 10;
/// Smallest block of the pool.
pub const BLOCK_BYTES_MIN: usize = 512;
/// Log lines about one kind of misbehaviour within one second; more are counted and summed up.
pub const LOG_LINES_PER_SECOND: u32 = 20;

// ---- Command line ----

/// Bytes of one message that the program's own client takes from a Coordinator.
pub const CLIENT_MESSAGE_BYTES_MAX: u64 = 64 << 20;

const _: () = assert!(FULL_NAME_BYTES_MAX > 2 * NAME_BYTES_MAX, "a full name holds two names and a dot");
const _: () = assert!(HANDSHAKE_COMMAND_BYTES_MAX >= METADATA_BYTES_MAX, "legal metadata must fit its command");
const _: () = assert!(COMMAND_BYTES_MAX >= 7 + PING_CONTEXT_BYTES_MAX, "a PING with full context must fit");
const _: () = assert!(MESSAGE_BYTES_CEILING <= u32::MAX as u64, "offsets inside a message are u32");
const _: () = assert!(BLOCK_BYTES_MIN.is_power_of_two(), "size classes double from the smallest block");
const _: () = assert!(RING_RESERVE_BYTES >= 2 * (FULL_NAME_BYTES_MAX + 512), "an error answer always fits the reserve");
