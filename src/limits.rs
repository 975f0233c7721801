//! Every hard bound on what a peer can make this process do, with the relations among them checked by the compiler.
//!
//! Longer than 600 lines because every bound stands here, in the order of the rooms.
//!
//! Owns the numbers that no configuration can exceed. What a user may choose lies in [`crate::config`] and is checked
//! against these. Worst case of memory: `memory_max` (rings and partial messages, both drawn from one pool; and, with a quarter of it at
//! most, the worlds of providers, results for viewers, what sessions keep) plus one record of a log being read for each provider, plus
//! what waits for the disk ([`RECORDINGS_WAITING_BYTES_MAX`] and [`COMMITS_WAITING_BYTES_MAX`] at most), plus
//! `connections_max` times the size of one peer's entries (under 1 KiB) plus the directories, which hold at most
//! [`COMPONENTS_MAX`] names here and [`COMPONENTS_PER_NODE_MAX`] for each of [`NODES_MAX`] nodes.

mod channel;
mod operating;
mod turn;

pub use channel::*;
pub use operating::*;
pub use turn::*;

// ---- ZMTP ----

/// Bytes of a ZMTP greeting, both minor versions (RFC 23 and 37).
pub const GREETING_BYTES: usize = 64;
/// Bytes of the body of a handshake command (READY, ERROR); CVE-2019-13132 shows why it needs a bound.
pub const HANDSHAKE_COMMAND_BYTES_MAX: usize = 4096;
/// The same for INITIATE of CURVE, which shows a key beside properties.
pub const CURVE_INITIATE_BYTES_MAX: usize = 4096;
/// Bytes of a frame on a sealed link: it is opened and sealed in one go, in some four milliseconds.
pub const SEALED_FRAME_BYTES_MAX: usize = (16 << 20) - 64;
/// Bytes that are sealed at a time for one link, but for a frame that is larger by itself: three messages of 64 KiB leave by one write, which
/// costs a tenth less than three.
pub const STAGED_BYTES: usize = 256 << 10;
/// Bytes of a frame from which on it is sealed straight from where it waits: to copy fewer costs less than to see to that.
pub const SEALED_LENT_BYTES_MIN: usize = 2048;
/// Bytes that are opened of one link before they are dealt with, and the rest of the message at the end of these: they lie in the nearest cache still.
pub const OPENED_BYTES: usize = 32 << 10;
/// Bytes that are sealed in one turn of the loop, but for the last frame: a millisecond.
pub const SEALED_BYTES_PER_TURN: usize = 4 << 20;
/// Commands of handshakes that are answered in one turn of the loop where that takes public-key cryptography: each a tenth of a millisecond at the most.
pub const HEAVY_SHAKES_PER_TURN: u32 = 4;
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
/// Nodes that one `add_nodes` may name: all that we can know, and as many again of which we know nothing yet.
pub const ADD_NODES_MAX: usize = 2 * NODES_MAX;
/// Component names recorded for one other node.
pub const COMPONENTS_PER_NODE_MAX: usize = 1 << 16;
/// Bytes of memory for the names of all other nodes' Components; one node has at most a quarter of it. In a hundred nodes of a thousand
/// Components each they take some 5 MB.
pub const NODE_NAMES_BYTES_MAX: usize = 32 << 20;
/// Bytes that a name takes beside its letters.
pub const NODE_NAME_BYTES: usize = 32;
/// Changes of our directory that are told as a difference; where there were more at once the whole list is told.
pub const DIRECTORY_CHANGES_MAX: usize = 2000;
/// Components that have come or signed out lately, which is said beside a whole list.
pub const DIRECTORY_RECENT_MAX: usize = 512;
/// Bytes of the list of receivers of one message for several of them: all members that a session may have, under names of 15 bytes. To more
/// goes another copy.
pub const MULTICAST_LIST_BYTES_MAX: usize = 1 << 16;
/// Bytes of such a list that earlier versions take: some hundred names.
pub const MULTICAST_SHORT_LIST_BYTES_MAX: usize = 4096;
/// Receivers of one such message that are dealt with in one turn of the loop: each may cost an error for the sender.
pub const MULTICAST_RECEIVERS_PER_TURN: usize = 1024;
/// Bytes of one such message that are copied in one turn of the loop, but for what the last copy has beyond: below half a millisecond.
pub const MULTICAST_BYTES_PER_TURN: usize = 1 << 20;
/// Bytes of an address `host:port` of another Coordinator.
pub const ADDRESS_BYTES_MAX: usize = 300;
/// Requests of one JSON-RPC batch.
pub const BATCH_MAX: usize = 1024;
/// Bytes of a JSON-RPC document for the Coordinator itself.
pub const RPC_BYTES_MAX: usize = 2 << 20;
/// Values of such a document, those in others counted too: each takes up to 800 bytes and a tenth of a microsecond.
pub const JSON_VALUES_MAX: usize = 1 << 14;
/// What reading such a document may take: each byte of a key or outside of strings 2, an escape in them 8, a value 32, a key 96 and an object
/// 160, by which it is a nanosecond or two each. As much as [`BATCH_MAX`] calls of four named parameters.
pub const JSON_WORK_MAX: usize = 3 << 19;
/// Bytes from which on the names in what another node's Coordinator says are not read with the rest, but piece by piece.
pub const LIST_AT_ONCE_BYTES: usize = 8 << 10;
/// Values in what such a one says, with those names.
pub const JSON_VALUES_OF_NODE_MAX: usize = COMPONENTS_PER_NODE_MAX + JSON_VALUES_MAX;

// ---- Manager ----

/// Sessions at a time.
pub const SESSIONS_MAX: usize = 1024;
/// Bytes of the name of a session: written as a LECO name, each may take three.
pub const SESSION_NAME_BYTES_MAX: usize = 64;
/// Bytes of the name of a feed.
pub const FEED_NAME_BYTES_MAX: usize = 255;
/// Bytes of a record that a program pushes: as many as a call may have.
pub const FEED_RECORD_BYTES_MAX: usize = 2 << 20;
/// Bytes of such a record that are read in one turn of the loop, and the rest of what begins in them: an entity of a few takes a microsecond.
pub const FEED_PIECE_BYTES: usize = 1 << 14;
/// Bytes of one entity, area or action in such a record.
pub const FEED_ITEM_BYTES_MAX: usize = 1 << 16;
/// Entities of a feed's world: those of a city of 10,000 areas. Where a world is encoded it is done in one turn.
pub const FEED_ENTITIES_MAX: usize = 1 << 14;
/// Entities that change in one timestep of a feed: they are applied in one turn.
pub const FEED_CHANGES_MAX: usize = 1 << 13;
/// Records of such a feed that wait for the server.
pub const RECORDS_WAITING_MAX: usize = 256;
/// The bytes of those.
pub const RECORDS_WAITING_BYTES_MAX: usize = 8 << 20;
/// Bytes of the display name of a session.
pub const SESSION_TITLE_BYTES_MAX: usize = 256;
/// Bytes of the description of a session.
pub const SESSION_TEXT_BYTES_MAX: usize = 4096;
/// Bytes of the name of the C2SIM system that a member speaks for.
pub const SESSION_SYSTEM_BYTES_MAX: usize = 256;
/// Members of one session.
pub const MEMBERS_MAX: usize = 4096;
/// Bytes that a member is counted as: its entry, and its name in two places.
pub const MEMBER_BYTES: usize = 1024;
/// Events of one session that are kept for members that come back, within the bytes that the configuration allows.
pub const HISTORY_EVENTS_MAX: usize = 1024;
/// Bytes of a document that stands in an answer as text; a longer one comes behind the answer in a frame of its own.
pub const ANSWER_DOCUMENT_BYTES_MAX: usize = 512 << 10;
/// Bytes of past events in one answer; more are asked for again.
pub const HISTORY_ANSWER_BYTES_MAX: usize = 256 << 10;
/// Requests that wait while a change of their session becomes durable.
pub const SESSION_QUEUE_MAX: usize = 256;
/// Bytes of these requests.
pub const SESSION_QUEUE_BYTES_MAX: usize = 4 << 20;
/// Who has joined a session and waits until that is durable, in all sessions together; others are answered before.
pub const JOINS_MAX: usize = MEMBERS_MAX;
/// Requests that wait, all together: a full line for each session, and one whose change is being written, those who have joined, and one for
/// each provider that is being opened.
pub const REQUESTS_MAX: usize = SESSIONS_MAX * (SESSION_QUEUE_MAX + 1) + JOINS_MAX + PROVIDERS_CEILING;
/// Bytes of a request that waits for what becomes of the provider that it has opened; a longer one is answered at once.
pub const OPENING_BYTES_MAX: usize = 2048;
/// Members of other nodes that were taken out of a session and still have to be told so.
pub const LOST_NOTICES_MAX: usize = 1024;
/// Numbers of events that a session reserves in its ledger at a time.
pub const SEQ_BLOCK: u64 = 1 << 15;
/// Providers that a configuration may allow.
pub const PROVIDERS_CEILING: usize = 1024;
/// Times that one connection to a kernel has its world asked for once more because timesteps were lost.
pub const KERNEL_LOOKS_MAX: u32 = 8;
/// Logs that are listed for whoever asks what can be opened.
pub const LOGS_LISTED_MAX: usize = 256;
/// Logs that are named to one who asks for another.
pub const LOGS_NAMED_MAX: usize = 16;
/// Lines of the error list; the oldest goes when one more comes.
pub const ERRORS_MAX: usize = 256;
/// Bytes of one such line, beside its time; what is beyond is cut off.
pub const ERROR_LINE_BYTES_MAX: usize = 1024;
/// Reasons that the answer of a function over several ids gives; more are counted.
pub const BATCH_REASONS_MAX: usize = 16;
/// Bytes of memory for what all agents perceived in one timestep of a log (a real one has some kilobytes).
pub const STEP_PERCEPTION_BYTES_MAX: usize = 64 << 20;
/// Words about its session that wait for one viewer, such as a new flow state.
pub const VIEWER_WORDS_MAX: usize = 16;
/// Viewers that have left and are still shown.
pub const DEPARTED_MAX: usize = 64;

// ---- Loop ----

/// Connections that a configuration may allow.
pub const CONNECTIONS_CEILING: usize = 1 << 20;
/// One connection in so many is kept free of viewers, and half of these of controllers too: Components always find room.
pub const PLAIN_RESERVE_SHARE: usize = 4;
/// Connections still in their ZMTP handshake, or before their first request to the Manager; one more pushes the oldest of them out, so
/// that a flood of idle connections never keeps a client that speaks from coming in.
pub const HANDSHAKES_MAX: usize = 1024;
/// The same from one remote address; loopback is exempt, as every local program shares it.
pub const HANDSHAKES_PER_ADDRESS_MAX: u32 = 16;
/// One other machine may have one in so many of the connections, names, nodes, providers and sessions.
pub const ADDRESS_SHARE: usize = 4;
/// Refused connections that are held for a moment before they are closed, so that their clients reconnect less often.
pub const TARPIT_MAX: usize = 64;
/// Milliseconds that a newcomer may say nothing before it is told, within `hint_s`, that it has not signed in.
pub const HINT_AFTER_MS: u64 = 500;
/// Addresses whose links we have closed lately, that are remembered for that.
pub const CUT_ADDRESSES_MAX: usize = 64;
/// Milliseconds after the start in which a message for a name that nobody has may be held.
pub const RETURN_WINDOW_MS: u64 = 5000;
/// Names that were lost with their links lately, and may come back.
pub const LOST_NAMES_MAX: usize = 1024;
/// Closed sockets that are kept open until their peers have read what was written to them; one more ends the oldest.
pub const LINGERS_MAX: usize = 1024;
/// Milliseconds that such a socket is kept at the most, and while the process ends.
pub const LINGER_MS: u64 = 30_000;
/// The same at the end of the process.
pub const LAST_LINGER_MS: u64 = 1000;
/// Bytes that a receiver takes, at the least, when it is said to make progress, unless that is all there is: a hundred a second by the usual
/// `slow_ms`. A link that carries less is of no use to those who send.
pub const PROGRESS_BYTES_MIN: usize = 1024;
/// Room in every ring beyond its configured size for our own answers, commands and notices.
pub const RING_RESERVE_BYTES: usize = 64 << 10;
/// Bytes of a piece in which what is lent to a link leaves, and how many of these leave in a turn: one of them is copied in some ten microseconds.
pub const LENT_PIECE_BYTES: usize = 128 << 10;
/// See [`LENT_PIECE_BYTES`].
pub const LENT_PIECES_PER_TURN: usize = 8;
/// Bytes of a message from which on it goes to its receiver in pieces, where ends are such that it may. What is smaller comes with one read.
pub const PASSAGE_BYTES_MIN: usize = READ_BYTES_MAX;
/// Bytes of such a message that have come in and wait for their receiver.
pub const PASSAGE_WAITING_BYTES_MAX: usize = 1 << 20;
/// Bytes of the frame behind the header that are kept for the error about such a message.
pub const PASSAGE_FRONT_BYTES_MAX: usize = 16 << 10;
/// Peers that each send a large message to the next one while it comes in pieces; who would be one more has its message kept whole.
pub const PASSAGE_CHAIN_MAX: usize = 16;
/// Smallest block of the pool.
pub const BLOCK_BYTES_MIN: usize = 512;
/// Log lines about one kind of misbehaviour within one second; more are counted and summed up.
pub const LOG_LINES_PER_SECOND: u32 = 20;
/// Machines of which the log tells within one minute, where one line tells of one of them and once.
pub const LOG_MACHINES_PER_MINUTE: usize = 256;

// ---- Client ----

/// Bytes of one message that a client takes from a Coordinator.
pub const CLIENT_MESSAGE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of what a client sends and the connection has not taken yet, beyond one more answer or sign of life.
pub const CLIENT_UNSENT_BYTES_MAX: usize = 64 << 20;
/// Bytes of what has come and a client's owner has not asked for; a kibibyte for each event is counted, too.
pub const CLIENT_EVENT_BYTES_MAX: usize = 64 << 20;
/// Questions of a client that are open at a time, beside one for a sign of life.
pub const CLIENT_QUESTIONS_MAX: usize = 1024;
/// Sign-ins in a row that a client tries under variations of a name.
pub const CLIENT_SIGN_INS_MAX: u32 = 8;

// ---- Metrics ----

/// Sessions, systems and kinds of documents that are counted apart, of those that are taken, and as many of those that are refused. With what
/// follows all that is told has less than a thousand rows.
pub const TALLY_DOCUMENTS_MAX: usize = 96;
/// Endpoints, methods and answers of HTTP that are counted apart, each with seven rows.
pub const TALLY_REQUESTS_MAX: usize = 48;
/// Addresses that are counted apart of those from which somebody has asked whom nobody knows.
pub const TALLY_ADDRESSES_MAX: usize = 32;

const _: () = assert!(FULL_NAME_BYTES_MAX > 2 * NAME_BYTES_MAX, "a full name holds two names and a dot");
const _: () = assert!(
    NODE_NAMES_BYTES_MAX / ADDRESS_SHARE > RPC_BYTES_MAX + COMPONENTS_PER_NODE_MAX * NODE_NAME_BYTES,
    "whatever one node can tell fits the share of one node"
);
const _: () = assert!(HANDSHAKE_COMMAND_BYTES_MAX >= METADATA_BYTES_MAX, "legal metadata must fit its command");
const _: () = assert!(COMMAND_BYTES_MAX >= 7 + PING_CONTEXT_BYTES_MAX, "a PING with full context must fit");
const _: () = assert!(MESSAGE_BYTES_CEILING <= u32::MAX as u64, "offsets inside a message are u32");
const _: () = assert!(NAME_BYTES_MAX >= 8 + 3 * SESSION_NAME_BYTES_MAX, "every session has a LECO name");
const _: () =
    assert!(SEQ_BLOCK / 2 > 2 * MEMBERS_MAX as u64, "all members may be lost while numbers are being reserved");
const _: () = assert!(
    2 * DIRECTORY_CHANGES_MAX * (2 * NAME_BYTES_MAX + 3) < RPC_BYTES_MAX,
    "a difference fits a document, whatever letters its names have, and if all of them have gone and come"
);
const _: () = assert!(PROGRESS_BYTES_MIN <= u16::MAX as usize, "what is less is counted in 16 bits");
const _: () = assert!(MULTICAST_SHORT_LIST_BYTES_MAX > 2 * NAME_BYTES_MAX, "a list has room for more than one name");
const _: () = assert!(BLOCK_BYTES_MIN.is_power_of_two(), "size classes double from the smallest block");
const _: () = assert!(RING_RESERVE_BYTES >= 2 * (FULL_NAME_BYTES_MAX + 512), "an error answer always fits the reserve");

// ---- rcrs: kernel connections and simulation logs ----

/// Bytes of one kernel frame unless the caller wants less (the first frame of a city map is some MiB).
pub const RCRS_FRAME_BYTES_MAX: usize = 64 << 20;

/// Bytes of one log record once unpacked.
pub const RCRS_RECORD_BYTES_MAX: usize = 64 << 20;

/// Bytes of one entity, one change, one command or one configuration pair: what is decoded in one go.
pub const RCRS_UNIT_BYTES_MAX: usize = 1 << 20;

/// Entities of one world, and entities, changes or deletions of one record (city maps have about 10,000).
pub const RCRS_ENTITIES_MAX: usize = 1 << 16;

/// 32-bit values in one world or one record (a city of 10,000 areas has some 400,000).
pub const RCRS_VALUES_MAX: usize = 1 << 21;

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

// --- control: the Manager's MsgPack protocols ---

/// How deep MsgPack arrays and maps may lie in one another. The deepest message we know (a path inside a heard action
/// inside a recording) needs nine.
pub const MSGPACK_DEPTH_MAX: usize = 32;

/// Bytes of one control or viewer request, without its length header.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the one control request that brings a C2SIM document.
pub const CONTROL_DOCUMENT_BYTES_MAX: usize = C2SIM_MESSAGE_BYTES_MAX + CONTROL_REQUEST_BYTES_MAX;

/// Bytes by which it is told from all others.
pub const CONTROL_FRONT_BYTES: usize = 512;

/// Values of such a request.
pub const CONTROL_PLAIN_VALUES_MAX: usize = 256;

/// Bytes of one result or one recorded step that a client or a player of recordings will hold. Maps run to megabytes.
pub const CONTROL_RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Ids in one list of a control request, and connections in one Connect.
pub const CONTROL_IDS_MAX: usize = 4096;

/// Bytes of a host name in an Open request (a DNS name ends here too).
pub const CONTROL_HOST_BYTES_MAX: usize = 255;

/// Bytes of a file name in an Open request.
pub const CONTROL_FILE_BYTES_MAX: usize = 4096;

/// Keys of a control request that no argument has which are named to whoever sent them.
pub const CONTROL_KEYS_NAMED_MAX: usize = 8;

/// Entities, actions, areas, edges and config entries together in one record that is decoded into owned data.
/// An entity is the largest of them at about 200 bytes, so a hostile record costs about 110 MB at most.
pub const RECORD_ITEMS_MAX: usize = 512 * 1024;

/// Entities of the world of a recording, and changes of one of its records: as many as a kernel's world and records have.
pub const RECORD_ENTITIES_MAX: usize = RCRS_ENTITIES_MAX;
/// 32-bit values in the lists of such a world, or of one that a feed tells of: as many as in a kernel's world.
pub const RECORD_VALUES_MAX: usize = RCRS_VALUES_MAX;

/// Bytes of one entity, action, area or perception in a record of a recording: what is decoded in one go.
pub const RECORD_ITEM_BYTES_MAX: usize = 1 << 20;

/// Values in one result that is decoded for printing, at 32 bytes each and their text.
pub const PRINTED_VALUES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(CONTROL_REQUEST_BYTES_MAX >= CONTROL_IDS_MAX * 9, "a full list of the widest ids fits a request");
const _: () = assert!(CONTROL_REQUEST_BYTES_MAX <= CONTROL_RESULT_BYTES_MAX, "whoever reads results can read requests");

// Room `c2sim`.

/// Bytes of one C2SIM message document, and of everything a session keeps for its initialization (the C2SIM servers in use say 10 MiB).
pub const C2SIM_MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Open elements inside one another; the deepest document seen in the field has 15.
pub const C2SIM_DEPTH_MAX: usize = 64;

/// Elements of one document.
pub const C2SIM_ELEMENTS_MAX: usize = 1_000_000;

/// Bytes of a document that is judged at once where it lies, unless it costs more than a slice; others are judged in slices.
pub const C2SIM_AT_ONCE_BYTES: usize = 64 * 1024;

/// What is done of a document in one slice, counted in short tokens: about half a millisecond.
pub const C2SIM_SLICE_COST: usize = 6000;

/// Bytes of one tag with its attributes, or of one reference.
pub const C2SIM_TAG_BYTES_MAX: usize = 64 * 1024;

/// Bytes of text, of a comment and the like that are looked at in one go.
pub const C2SIM_PIECE_BYTES: usize = 16 * 1024;

/// Bytes of a value that a schema restricts: it is checked in one go. Other text may be as long as the document.
pub const C2SIM_VALUE_BYTES_MAX: usize = 16 * 1024;

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

/// Bytes of one schema file; those of C2SIM have 260 KiB.
pub const C2SIM_SCHEMA_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Elements of one schema file besides annotations; those of C2SIM have 3000.
pub const C2SIM_SCHEMA_NODES_MAX: usize = 32 * 1024;

/// Groups inside one another, restrictions of restrictions, and parentheses of a pattern inside one another.
pub const C2SIM_SCHEMA_NESTING_MAX: usize = 32;

/// Places for an element in one content model, or for a character in one pattern, each counted as often as it may be repeated.
pub const C2SIM_SCHEMA_POSITIONS_MAX: usize = 4096;

/// States of one automaton made of a content model or a pattern.
pub const C2SIM_SCHEMA_STATES_MAX: usize = 4096;

/// Steps that making all automata of one schema may take, each well below a microsecond; those of C2SIM take 20,000. It bounds
/// their memory too.
pub const C2SIM_SCHEMA_STEPS_MAX: usize = 2_000_000;

/// Violations of the schema that one answer lists.
pub const C2SIM_VIOLATIONS_MAX: usize = 20;

const _: () =
    assert!(C2SIM_SCHEMA_STATES_MAX < 0xffff && C2SIM_SCHEMA_POSITIONS_MAX < 0xffff, "they are numbered by u16");
const _: () =
    assert!(C2SIM_NAMESPACES_MAX >= C2SIM_ATTRIBUTES_MAX, "one tag full of declarations must fit an empty scope");
const _: () = assert!(C2SIM_HEADER_FIELD_BYTES_MAX >= FULL_NAME_BYTES_MAX, "a full name must fit FromSendingSystem");

// What is kept beyond the process.

/// Bytes of the changes in one commit, keys and values together; room for everything one session keeps, twice.
pub const COMMIT_BYTES_MAX: usize = 32 << 20;

/// Commits that may wait for the disk.
pub const COMMITS_WAITING_MAX: usize = 1024;

/// Bytes of the commits that may wait for the disk, all together; a commit beyond that fails at once.
pub const COMMITS_WAITING_BYTES_MAX: usize = 64 << 20;

/// Bytes of one recording that may wait for the disk: 10 s of a city at ten timesteps a second. A piece that waits alone may have more.
pub const RECORDING_WAITING_BYTES_MAX: usize = 16 << 20;

/// Bytes of all recordings that may wait for the disk, and never more than a quarter of `memory_max`.
pub const RECORDINGS_WAITING_BYTES_MAX: usize = 64 << 20;

/// Pieces of all recordings that may wait for the disk; to end a recording takes none.
pub const RECORDINGS_WAITING_MAX: usize = 4096;

/// Seconds that the end of the server waits for the disk of the recordings.
pub const RECORDINGS_PATIENCE_S: u64 = 10;

const _: () =
    assert!(RECORDINGS_WAITING_BYTES_MAX >= RECORDING_WAITING_BYTES_MAX, "one recording leaves room for others");
const _: () = assert!(RECORDINGS_WAITING_MAX >= 2 * PROVIDERS_CEILING, "every provider can begin a recording");
const _: () = assert!(COMMIT_BYTES_MAX >= 2 * C2SIM_MESSAGE_BYTES_MAX, "a session's whole initialization is one value");
const _: () = assert!(COMMITS_WAITING_BYTES_MAX >= COMMIT_BYTES_MAX, "the largest legal commit may wait");

// Room `http`. What a request says about itself bounds nothing: these do.

/// Bytes of the head of a request, its empty line included.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes of a name and a token together.
pub const HTTP_CREDENTIALS_BYTES_MAX: usize = 1024;

/// Fields of the head of a request.
pub const HTTP_FIELDS_MAX: usize = 64;

/// Letters of a method; more are none of HTTP.
pub const HTTP_METHOD_BYTES_MAX: usize = 16;

/// Empty lines before a request; real clients send one.
pub const HTTP_EMPTY_LINES_MAX: usize = 8;

/// Bytes of a body where its target allows no more.
pub const HTTP_BODY_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a line with the length of a chunk, extensions included, and of a line behind the last chunk.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Bytes of all extensions and trailers of one body in chunks; they mean nothing to us.
pub const HTTP_ASIDE_BYTES_MAX: usize = 16 << 10;

/// Bytes of a chunk that we send: one client of the field reads no more at a time.
pub const HTTP_CHUNK_BYTES_MAX: usize = 8 << 10;

/// Letters of the boundary between the parts of a form (RFC 2046).
pub const HTTP_BOUNDARY_BYTES_MAX: usize = 70;

/// Bytes of the fields before one part of a form.
pub const HTTP_PART_HEAD_BYTES_MAX: usize = 4096;

/// Parts of one form.
pub const HTTP_PARTS_MAX: usize = 64;

/// Milliseconds that a connection may say nothing between two requests: longer than clients keep one they do not use.
pub const HTTP_IDLE_MS: u64 = 330_000;

/// Milliseconds from the first byte of a head to its last.
pub const HTTP_HEAD_MS: u64 = 10_000;

/// Milliseconds in which nothing of a body comes.
pub const HTTP_STALL_MS: u64 = 30_000;

/// Milliseconds from the end of a head to the last byte of its body, and one more for each byte that has come: whoever sends less than a thousand
/// bytes in a second for longer than a minute holds our memory, or means to.
pub const HTTP_BODY_MS: u64 = 60_000;

/// Milliseconds for which a body that is too long is read and dropped, so that its sender comes to reading the answer.
pub const HTTP_DROP_MS: u64 = 5000;

const _: () =
    assert!(HTTP_ASIDE_BYTES_MAX >= HTTP_CHUNK_LINE_BYTES_MAX, "one line of any legal length may be put aside");
const _: () =
    assert!(HTTP_METHOD_BYTES_MAX < HTTP_HEAD_BYTES_MAX, "a wrong method is found before its head is too large");

/// Pieces of what one connection of HTTP has sent, frames and chunks, that are looked at in a turn.
pub const WEB_STEPS_PER_TURN: usize = 512;

/// Connections that are told of at once.
pub const CONNECTIONS_TOLD_MAX: usize = 1000;

/// Events of this node that are kept for those who look on and come back.
pub const NEWS_MAX: usize = 1024;

/// Bytes of these.
pub const NEWS_BYTES_MAX: usize = 256 << 10;

/// Clients that are told events of this node.
pub const FEEDS_MAX: usize = 256;

/// Bytes of events that are told to one client at once, about.
pub const FEED_BYTES_AT_ONCE: usize = 16 << 10;

/// Bytes of events that may wait for one client. Who does not follow is told that there is a gap.
pub const FEED_WAITING_BYTES_MAX: usize = 64 << 10;

/// Bytes of events that are told to all clients in a turn, about.
pub const FEEDS_BYTES_PER_TURN: usize = 512 << 10;

/// How often a client that is told events is shown that the connection lives, in milliseconds.
pub const FEED_PAUSE_MS: u64 = 15_000;

/// How long the answer of a Component is waited for on behalf of a client of HTTP that does not say, in milliseconds.
pub const RPC_WAIT_MS: u64 = 10_000;

/// The same for one that says more than this.
pub const RPC_WAIT_MS_MAX: u64 = 600_000;

/// Bytes that the answer of a Component may have for a client of HTTP.
pub const HTTP_ANSWER_BYTES_MAX: usize = 4 << 20;

/// Guests that are taken out at once because nothing was heard of them; the others follow in the next moments.
pub const SILENT_GUESTS_AT_ONCE: usize = 100;

/// Milliseconds between two questions for a sign of life on a WebSocket.
pub const WEBSOCKET_PING_MS: u64 = 15_000;

/// Milliseconds without a byte after which a WebSocket is given up.
pub const WEBSOCKET_SILENT_MS: u64 = 45_000;

/// Milliseconds for which the answer to our CLOSE is waited for.
pub const WEBSOCKET_CLOSE_MS: u64 = 5000;

/// Bytes of a message from a client, where none of it means anything to us.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a message from a viewer, in which there may be several requests, or a part of one.
pub const WEBSOCKET_REQUESTS_BYTES_MAX: u64 = 128 << 10;

const _: () =
    assert!(WEBSOCKET_REQUESTS_BYTES_MAX > CONTROL_REQUEST_BYTES_MAX as u64 + 9, "any request fits one message");

/// Bytes of what a viewer sends over WebSocket that are looked at before more is unmasked.
pub const WEBSOCKET_PIECE_BYTES: usize = 4 << 10;

/// Letters of the identity of a client of C2SIM over HTTP.
pub const CLIENT_ID_BYTES_MAX: usize = 64;

/// Bytes of the name that a guest gives itself; more are not shown.
pub const GUEST_NAME_BYTES_MAX: usize = 64;

/// Frames of one WebSocket message: empty ones are told from a flood by their number alone.
pub const WEBSOCKET_FRAMES_MAX: u32 = 1024;

// Room `stomp`.

/// Letters of a command.
pub const STOMP_COMMAND_BYTES_MAX: usize = 16;

/// Bytes of command and headers, the empty line included.
pub const STOMP_HEAD_BYTES_MAX: usize = 8 << 10;

/// Header lines of a frame.
pub const STOMP_HEADERS_MAX: usize = 64;

/// Milliseconds between two signs of life that a client may ask for at the least.
pub const STOMP_BEAT_MS_MIN: u64 = 5000;

/// Bytes of a selector.
pub const STOMP_SELECTOR_BYTES_MAX: usize = 4096;

/// Comparisons in a selector.
pub const STOMP_TERMS_MAX: usize = 64;

/// Parentheses and negations in one another.
pub const STOMP_SELECTOR_DEPTH_MAX: usize = 32;

/// Subscriptions of one connection.
pub const STOMP_SUBSCRIPTIONS_MAX: usize = 8;

/// Connections that speak STOMP.
pub const STOMP_CONNECTIONS_MAX: usize = 1024;

const _: () = assert!(STOMP_SELECTOR_BYTES_MAX < STOMP_HEAD_BYTES_MAX, "a selector of any legal length fits its frame");

// Room `auth`.

/// Users, those of a directory of keys included.
pub const USERS_MAX: usize = 4096;

/// Credentials of one user, of each kind.
pub const CREDENTIALS_MAX: usize = 64;

/// Refusals that are kept for whoever asks for them.
pub const DENIALS_MAX: usize = 128;

/// Questions that are remembered for a Component that may not send to everybody, so that it may answer them.
pub const QUESTIONS_MAX: usize = 256;

/// Milliseconds in which it may.
pub const QUESTION_MS: u64 = 60_000;

/// Bytes of a file with a key.
pub const KEY_FILE_BYTES_MAX: usize = 4096;

/// Bytes of a file for TLS: a certificate with those that it is signed by, or a key.
pub const TLS_FILE_BYTES_MAX: usize = 64 << 10;

/// Connections that speak TLS: each takes some tens of kilobytes beyond what is counted.
pub const TLS_CONNECTIONS_MAX: usize = 1024;

/// Pieces of handshakes of TLS that are dealt with in one turn: one may take a millisecond.
pub const TLS_SHAKES_PER_TURN: u32 = 2;

/// Bytes that are sealed for TLS at once.
pub const TLS_UNSENT_BYTES_MAX: usize = 64 << 10;

/// Bytes that are sealed for one connection over TLS in one go.
pub const TLS_BYTES_IN_A_ROW: usize = 512 << 10;

/// Bytes of a JWT.
pub const JWT_BYTES_MAX: usize = 8 << 10;

/// JWTs that are remembered as verified.
pub const JWTS_MAX: usize = 1024;

/// Users that are known by a JWT, as long as the process runs.
pub const JWT_USERS_MAX: usize = 1024;

/// Bytes of the name of the system that a JWT is of.
pub const JWT_SYSTEM_BYTES_MAX: usize = 128;

/// Words of one list of names.
pub const PATTERNS_MAX: usize = 64;

/// Letters of one of them: as many as a full name has.
pub const PATTERN_BYTES_MAX: usize = FULL_NAME_BYTES_MAX;
