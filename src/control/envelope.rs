//! How a control message lays out its data header and its data object.
//!
//! Owns the four shapes and the writing of a message in one of them. Must not know functions or arguments.
//!
//! The document draws the data header, a two-item array, beside the data object, and leaves open whether the two are one
//! MsgPack value. All these are read, and a result is written as its request was:
//!
//! | shape | bytes of the body |
//! |---|---|
//! | [`Shape::Beside`] | `[a, b]` `{..}` |
//! | [`Shape::Flat`] | `[a, b, {..}]` |
//! | [`Shape::Nested`] | `[[a, b], {..}]` |
//! | [`Shape::Loose`] | `a` `b` `{..}` |
//!
//! Requests have a = version, b = function id; results a = function id, b = true or false.

use super::framing;
use super::pack::{Pack, put};

/// How data header and data object lie in the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// An array of two, then the object: what the document draws, and what we send unasked.
    #[default]
    Beside,
    /// One array of three.
    Flat,
    /// One array of header and object.
    Nested,
    /// Three values with no array: the surviving old controller.
    Loose,
}

/// A control message being written at the end of a vector, length header included.
#[derive(Debug)]
#[must_use = "the length header is filled in by `finish`"]
pub(super) struct Envelope<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    object: usize,
    keys: u8,
}

impl<'o> Envelope<'o> {
    /// Opens a message whose data header is what `header` writes: two values.
    pub(super) fn begin(out: &'o mut Vec<u8>, shape: Shape, header: impl FnOnce(&mut Vec<u8>)) -> Self {
        let start = framing::begin(out);
        match shape {
            Shape::Beside => out.array(2),
            Shape::Flat => out.array(3),
            Shape::Nested => {
                out.array(2);
                out.array(2);
            }
            Shape::Loose => {}
        }
        header(out);
        let object = out.len();
        // No result or request has more than the fifteen keys that a one-byte map head counts, so it is filled in at the end.
        out.map(0);
        Self { out, start, object, keys: 0 }
    }

    /// Writes a key of the data object; the caller appends its one value.
    pub(super) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        debug_assert!(self.keys < 15, "a data object has at most fifteen keys");
        self.keys += 1;
        self.out.text(name);
        self.out
    }

    /// Closes the message and says how many bytes it takes.
    pub(super) fn finish(self) -> usize {
        put(self.out, self.object, &[0x80 | (self.keys & 0x0f)]);
        framing::end(self.out, self.start);
        self.out.len() - self.start
    }
}
