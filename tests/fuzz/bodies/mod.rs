//! What the fuzz targets check: for each a function that takes any bytes and panics when the crate does what it must not.
//!
//! Two programs run them: libFuzzer, by the files in `targets`, and `cargo test`, by `tests/it/fuzz.rs`, over the corpus and changes of it.
#![allow(dead_code, reason = "each libFuzzer target runs one of them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a panic is how a target says that it has found something"
)]

pub(crate) mod c2sim;
pub(crate) mod channel;
pub(crate) mod control;
pub(crate) mod handshake;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod kernel;
pub(crate) mod link;
pub(crate) mod logs;
pub(crate) mod played;
pub(crate) mod rpc;
pub(crate) mod stomp;
pub(crate) mod websocket;

/// A target: takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus too.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("c2sim", c2sim::run),
    ("channel", channel::run),
    ("control", control::run),
    ("handshake", handshake::run),
    ("http", http::run),
    ("hub", hub::run),
    ("kernel", kernel::run),
    ("link", link::run),
    ("logs", logs::run),
    ("rpc", rpc::run),
    ("stomp", stomp::run),
    ("websocket", websocket::run),
];

/// The ways in which each target cuts its bytes: the sizes of the pieces, one after another, for ever.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    /// All at once.
    Whole,
    /// One byte at a time.
    Single,
    /// Pieces of any size up to 64, made from this state.
    Uneven(u64),
}

impl Cut {
    /// One of each; the uneven one follows from the bytes themselves, so that the same bytes are always cut alike.
    pub(crate) fn ways(bytes: &[u8]) -> [Self; 3] {
        let seed = bytes.iter().fold(bytes.len() as u64, |seed, byte| seed.rotate_left(5) ^ u64::from(*byte));
        [Self::Whole, Self::Single, Self::Uneven(seed)]
    }

    /// The size of the next piece of what `left` bytes remain; 0 only when none do.
    pub(crate) fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Single => left.min(1),
            Self::Uneven(state) => {
                *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                left.min(1 + (*state >> 58) as usize)
            }
        }
    }
}

/// Asserts that every way of cutting `bytes` is heard as the same.
pub(crate) fn same_however_cut<T: PartialEq + core::fmt::Debug>(bytes: &[u8], hear: impl Fn(&[u8], Cut) -> T) {
    let [whole, others @ ..] = Cut::ways(bytes);
    let heard = hear(bytes, whole);
    for cut in others {
        let label = format!("{cut:?}");
        assert_eq!(hear(bytes, cut), heard, "{label}");
    }
}
