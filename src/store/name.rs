//! Short byte strings that lie where their owner lies: comparing one costs no visit elsewhere.

use core::ops::Deref;

/// Bytes that need no place of their own: with them, an entry of the directory fills a line of the caches.
const INLINE_BYTES: usize = 46;

/// A byte string that seldom exceeds some dozens of bytes.
#[derive(Debug)]
pub struct Name(Held);

impl PartialEq<[u8]> for Name {
    #[inline(always)]
    fn eq(&self, other: &[u8]) -> bool {
        match &self.0 {
            Held::Here { len, bytes } => matches!(bytes.get(..usize::from(*len)), Some(here) if here == other),
            Held::Elsewhere(bytes) => **bytes == *other,
        }
    }
}

#[derive(Debug)]
enum Held {
    Here { len: u8, bytes: [u8; INLINE_BYTES] },
    Elsewhere(Box<[u8]>),
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        Self(match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(name);
                Held::Here { len, bytes }
            }
            _ => Held::Elsewhere(name.into()),
        })
    }
}

impl Deref for Name {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Here { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Held::Elsewhere(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_is_what_it_was_made_of() {
        for len in [0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 255, 256, 1000] {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let name = Name::from(&bytes[..]);
            assert_eq!(*name, *bytes);
            assert!(name == bytes[..] && name != [&bytes[..], b"x"].concat()[..]);
            assert!(len == 0 || name != bytes[1..]);
            assert_eq!(matches!(name.0, Held::Here { .. }), len <= INLINE_BYTES);
        }
        assert_eq!(size_of::<Name>(), 48);
    }
}
