//! What fits into one turn of the loop. Where there is time left the hub is given another piece of work, so what is said of its own work
//! holds for a piece.

/// Bytes taken from a peer's socket by one read.
pub const READ_BYTES_MAX: usize = 256 << 10;
/// Reads from one peer in a row, while each brings as much as it may. What a peer has sent costs half as much when it goes through before
/// anybody else's has taken its place in the caches.
pub const READS_IN_A_ROW: usize = 4;
/// Bytes read from all peers in one turn of the loop, but for what the last of them brings beyond. What is to be written lies in the caches still.
pub const READ_BYTES_OF_ALL: usize = 512 << 10;
/// Messages to the Coordinator itself, or requests of a controller, that one peer gets answered in one turn of the loop: they cost far more than routed ones.
pub const OWN_PER_TURN: u32 = 32;
/// Peers that have waited and go on in one turn of the loop, or one piece of it: each looks at its next message again.
pub const RESUMES_PER_TURN: u32 = 256;
/// Messages that are returned to their senders in one turn, as their receiver has left: some two milliseconds.
pub const RETURNS_PER_TURN: u32 = 2048;
/// Microseconds of our own work, as it is estimated, that one peer has done for it in one turn of the loop, or one piece of it.
pub const OWN_MICROS_OF_PEER: u64 = 100;
/// The same for all peers together: calls, controllers, documents, events told to members.
pub const OWN_MICROS_OF_ALL: u64 = 500;
/// What is kept on top for those who have asked for little lately, so that a question is not answered behind a thousand large ones.
pub const OWN_MICROS_OF_LIGHT: u64 = 500;
/// Who has had no more than so many microseconds of our work within the last [`LIGHT_WINDOW_MS`] has asked for little.
pub const LIGHT_MICROS: u64 = 200;
/// Milliseconds for which that is counted.
pub const LIGHT_WINDOW_MS: u64 = 100;
/// Microseconds of a call to the Coordinator, besides its answer: reading, finding, writing.
pub const CALL_MICROS: u64 = 4;
/// Bytes of a document or request that are read in a microsecond: a C2SIM document of a mebibyte takes about three milliseconds.
pub const DOCUMENT_BYTES_PER_MICRO: usize = 256;
/// Bytes of an answer that are put together in a microsecond.
pub const ANSWER_BYTES_PER_MICRO: usize = 200;
/// Bytes that are copied from one ring into others in a microsecond.
pub const COPIED_BYTES_PER_MICRO: usize = 4096;
/// Names of a node's list that are taken, or forgotten, in one piece of work: below half a millisecond.
pub const LISTED_PER_PIECE: usize = 1024;
/// Such names that are taken in a microsecond.
pub const LISTED_PER_MICRO: usize = 3;
/// Connections, names or members that are judged by other rules of users in one piece of work.
pub const JUDGED_PER_PIECE: usize = 512;
/// Members of a session that are told of an event in a microsecond.
pub const NOTICES_PER_MICRO: usize = 4;
/// Microseconds after which a turn of the loop begins no more work and puts off what is still to be written, whatever it is estimated to take:
/// a turn is to be over within 5 ms.
pub const TURN_MICROS: u64 = 2500;
/// The same for another piece of our own work where nobody is known to wait: whoever has sent something meanwhile waits no longer.
pub const TURN_MICROS_OF_MORE: u64 = 500;
/// The same for reading, which is begun before that.
pub const TURN_MICROS_OF_READS: u64 = 1500;
/// The same for accepting.
pub const TURN_MICROS_OF_ACCEPTS: u64 = 800;
/// The same for writing to sockets that have become writable.
pub const TURN_MICROS_OF_WAKING: u64 = 500;
/// Connections accepted from one listener in one turn of the loop.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Microseconds for which what a stream of a session is told may wait for more, while there is other work: several events then leave by one write.
/// It is twice as long at the most, where whoever asks for something takes the time.
pub const GATHER_MICROS: u64 = 1000;
/// The same in bytes read from all peers: a stream's ring is to stay small.
pub const GATHER_BYTES: usize = 64 << 10;

/// Entities, changes or commands that are worked on in one turn for a provider, of a microsecond or so each; less of those with many values.
pub const WORLD_PIECE: usize = 1000;
