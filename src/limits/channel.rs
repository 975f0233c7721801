//! What the data and the log channel can be made to hold and to do.

/// Bytes of a topic that somebody subscribes to.
pub const TOPIC_BYTES_MAX: usize = 256;
/// Topics that one subscriber may have.
pub const SUBSCRIPTIONS_PER_PEER_MAX: usize = 1 << 14;
/// Subscriptions of all subscribers of a channel together.
pub const SUBSCRIPTIONS_MAX: usize = 1 << 17;
/// Bytes that a subscription is counted as, beside those of its topic.
pub const SUBSCRIPTION_BYTES: usize = 192;
/// Changes of what is wanted that wait for publishers; one that is more of them behind is cut off, and told all when it comes back.
pub const WANTED_CHANGES_MAX: usize = 1 << 15;
/// Bytes of what is wanted that wait for one publisher; the rest follows as it reads.
pub const WANTED_BYTES_WAITING_MAX: usize = 64 << 10;
/// Changes of what is wanted that are told to publishers, or made because a subscriber has left, in one turn of the loop, or one piece of it: some
/// hundred microseconds.
pub const WANTED_PER_TURN: usize = 1024;
/// Bytes of published messages that are copied to subscribers in one turn of the loop, or one piece of it: some quarter of a millisecond, and as much to write them.
pub const FANOUT_BYTES_PER_TURN: usize = 1 << 20;
/// The same for one run of messages that goes to more than [`MANY_SUBSCRIBERS`]: what is written to each of them at a time is worth its system call.
pub const FANOUT_BYTES_TO_MANY: usize = 2 << 20;
/// See [`FANOUT_BYTES_TO_MANY`].
pub const MANY_SUBSCRIBERS: usize = 32;
/// Bytes that a copy for one subscriber is counted as beside its own.
pub const FANOUT_BYTES: usize = 256;
/// Bytes that looking at one connection is counted as, where all are looked at for a subscriber's own word.
pub const LOOK_BYTES: usize = 32;
/// The share of `memory_max` that may wait for subscribers of both channels: where rings have more, messages are dropped, so that Components always
/// find room.
pub const CHANNEL_MEMORY_SHARE: usize = 2;
/// Gatherers of other nodes that a channel is connected to.
pub const GATHERERS_MAX: usize = 256;
/// Milliseconds before a gatherer that is not reached is tried again, at first and at the most.
pub const GATHERER_PAUSE_MS: [u64; 2] = [100, 10_000];
/// Bytes of an answer with addresses of another node's channel.
pub const GATHERER_ANSWER_BYTES_MAX: usize = 4096;
/// Bytes that are moved in one turn of the loop to take older messages out from behind one that has begun to leave; where that is not enough, the newest are
/// dropped.
pub const MOVED_BYTES_PER_TURN: usize = 4 << 20;
/// Topics of a channel of which the last message is kept, where that is asked for.
pub const LAST_VALUES_MAX: usize = 1 << 14;
/// Bytes that these messages are counted as together; they are counted in `memory_max` too.
pub const LAST_VALUES_BYTES_MAX: usize = 16 << 20;
/// Bytes that one of them is counted as, with its topic; of a larger one none is kept.
pub const LAST_VALUE_BYTES_MAX: usize = 1 << 20;
/// Bytes that one is counted as beside its own and those of its topic.
pub const LAST_VALUE_BYTES: usize = 192;
