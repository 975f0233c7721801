//! Writing MsgPack values at the end of a byte vector.
//!
//! Owns the few value kinds our messages are made of. Integers take the shortest form, as MsgPack asks of a writer; the length
//! header, which does not, is in `framing`.

use core::fmt::Debug;

use rmp::encode;

/// MsgPack values appended to a vector.
pub(super) trait Pack {
    fn nil(&mut self);
    fn bool(&mut self, value: bool);
    fn uint(&mut self, value: u64);
    fn int(&mut self, value: i64);
    fn double(&mut self, value: f64);
    fn text(&mut self, value: &str);
    fn bytes(&mut self, value: &[u8]);
    fn array(&mut self, len: usize);
    fn map(&mut self, pairs: usize);
    /// A list of 32-bit integers.
    fn ints(&mut self, values: &[i32]);
    /// A list of any length known only at its end: `items` appends them and says how many there were.
    fn counted(&mut self, items: impl FnOnce(&mut Self) -> usize);
}

impl Pack for Vec<u8> {
    fn nil(&mut self) {
        sure(encode::write_nil(self));
    }

    fn bool(&mut self, value: bool) {
        sure(encode::write_bool(self, value));
    }

    fn uint(&mut self, value: u64) {
        sure(encode::write_uint(self, value));
    }

    fn int(&mut self, value: i64) {
        sure(encode::write_sint(self, value));
    }

    fn double(&mut self, value: f64) {
        sure(encode::write_f64(self, value));
    }

    fn text(&mut self, value: &str) {
        sure(encode::write_str(self, value));
    }

    fn bytes(&mut self, value: &[u8]) {
        sure(encode::write_bin(self, value));
    }

    fn array(&mut self, len: usize) {
        sure(encode::write_array_len(self, len32(len)));
    }

    fn map(&mut self, pairs: usize) {
        sure(encode::write_map_len(self, len32(pairs)));
    }

    fn ints(&mut self, values: &[i32]) {
        self.array(values.len());
        for value in values {
            self.int(i64::from(*value));
        }
    }

    fn counted(&mut self, items: impl FnOnce(&mut Self) -> usize) {
        let mut list = Counted::new(self);
        list.items = items(self);
        list.put(self);
    }
}

/// A list whose length is filled in afterwards: the long form of its head has room for every count.
#[derive(Debug)]
pub(super) struct Counted {
    head: usize,
    items: usize,
}

impl Counted {
    /// Appends an empty list.
    pub(super) fn new(out: &mut Vec<u8>) -> Self {
        let head = out.len();
        out.extend_from_slice(&[0xdd, 0, 0, 0, 0]);
        Self { head, items: 0 }
    }

    /// One more item has been appended.
    pub(super) fn add(&mut self, out: &mut [u8]) {
        self.items += 1;
        self.put(out);
    }

    fn put(&self, out: &mut [u8]) {
        put(out, self.head + 1, &len32(self.items).to_be_bytes());
    }
}

/// Overwrites bytes that are already in `out`.
pub(super) fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..).and_then(|tail| tail.get_mut(..bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

/// Counts in MsgPack have 32 bits. What we write is made from data under far smaller bounds.
fn len32(len: usize) -> u32 {
    debug_assert!(u32::try_from(len).is_ok(), "a list longer than MsgPack can count");
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Appending to a vector cannot fail; the writer's signature is made for files and sockets.
fn sure<T, E: Debug>(written: Result<T, E>) {
    debug_assert!(written.is_ok(), "a vector refused bytes: {:?}", written.err());
}
