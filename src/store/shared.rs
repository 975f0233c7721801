//! Bytes that several hold and nobody changes: a document on its way to many, kept once.

use core::fmt;
use core::ops::{Deref, Range};
use std::sync::Arc;

/// The bytes. To clone them is to hold them once more.
#[derive(Clone)]
pub struct SharedBytes(Held);

#[derive(Clone)]
enum Held {
    /// A part of a block.
    Bytes(Arc<Vec<u8>>, Range<usize>),
    Text(Arc<String>),
}

impl SharedBytes {
    /// Those in a part of a block, without copying them. What lies behind them in the block is given back.
    #[must_use]
    pub fn of_block(block: Box<[u8]>, part: Range<usize>) -> Self {
        let mut block = Vec::from(block);
        block.truncate(part.end);
        block.shrink_to_fit();
        let start = part.start.min(block.len());
        let end = block.len();
        Self(Held::Bytes(Arc::new(block), start..end))
    }

    /// A part of them, which must lie in them.
    #[must_use]
    pub fn part(&self, part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(self.as_ptr().addr());
        match &self.0 {
            Held::Bytes(block, all) if start.checked_add(part.len()).is_some_and(|end| end <= self.len()) => {
                let start = all.start + start;
                Self(Held::Bytes(Arc::clone(block), start..start + part.len()))
            }
            Held::Bytes(..) | Held::Text(_) => part.into(),
        }
    }

    /// Bytes that are held for these, those in front of them in their block included.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.0 {
            Held::Bytes(block, _) => block.capacity(),
            Held::Text(text) => text.capacity(),
        }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Bytes(block, part) => block.get(part.clone()).unwrap_or_default(),
            Held::Text(text) => text.as_bytes(),
        }
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let all = 0..bytes.len();
        Self(Held::Bytes(Arc::new(bytes), all))
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<Arc<Vec<u8>>> for SharedBytes {
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        let all = 0..bytes.len();
        Self(Held::Bytes(bytes, all))
    }
}

impl From<Arc<String>> for SharedBytes {
    fn from(text: Arc<String>) -> Self {
        Self(Held::Text(text))
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_block_stays_where_it_is_and_what_is_behind_it_goes() {
        let block = vec![7; 4096].into_boxed_slice();
        let place = block.as_ptr();
        let shared = SharedBytes::of_block(block, 10..4000);
        assert_eq!((shared.len(), shared[0], shared.held_bytes()), (3990, 7, 4000));
        let part = shared.part(&shared[5..100]);
        assert_eq!((part.len(), part.as_ptr()), (95, shared[5..].as_ptr()));
        assert_eq!(&*shared.part(b"elsewhere"), b"elsewhere");
        let other = shared.clone();
        assert_eq!(other.as_ptr(), shared.as_ptr());
        assert!(
            place == shared.as_ptr().wrapping_sub(10) || shared.held_bytes() == 4000,
            "an allocator may move what shrinks"
        );
    }

    #[test]
    fn text_and_bytes_are_held_alike() {
        let text = Arc::new("abc".to_owned());
        assert_eq!(&*SharedBytes::from(Arc::clone(&text)), b"abc");
        assert_eq!(SharedBytes::from(Arc::clone(&text)).as_ptr(), text.as_ptr());
        assert_eq!(&*SharedBytes::from(&b"abc"[..]), &*SharedBytes::from(b"abc".to_vec()));
    }
}
