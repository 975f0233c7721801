//! Short byte strings that lie where their owner lies: comparing one costs no visit elsewhere.

use core::ops::Deref;

/// Bytes that need no place of their own: with them, an entry of the directory fills a line of the caches.
const INLINE_BYTES: usize = 46;

/// Whether two names are equal, in a few instructions for the lengths that names have: a call to compare them costs twice as many.
#[inline(always)]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // The first and the last eight bytes overlap, or meet; and so do fewer of fewer.
    match (ends::<8>(a), ends::<8>(b)) {
        (Some(a_ends), Some(b_ends)) => a_ends == b_ends && (a.len() <= 16 || same_long(a, b)),
        _ => match (ends::<4>(a), ends::<4>(b)) {
            (Some(a_ends), Some(b_ends)) => a_ends == b_ends,
            _ => match (ends::<2>(a), ends::<2>(b)) {
                (Some(a_ends), Some(b_ends)) => a_ends == b_ends,
                _ => a.first() == b.first(),
            },
        },
    }
}

/// The same for those of more than sixteen bytes.
fn same_long(a: &[u8], b: &[u8]) -> bool {
    match (ends::<16>(a), ends::<16>(b)) {
        (Some(a_ends), Some(b_ends)) if a.len() <= 32 => a_ends == b_ends,
        _ => a == b,
    }
}

/// The first `N` bytes, and the last. What is split off needs no second look at whether it is there.
#[inline(always)]
fn ends<const N: usize>(bytes: &[u8]) -> Option<([u8; N], [u8; N])> {
    let (first, _) = bytes.split_first_chunk()?;
    let (_, last) = bytes.split_last_chunk()?;
    Some((*first, *last))
}

/// A byte string that seldom exceeds some dozens of bytes.
#[derive(Debug)]
pub struct Name(Held);

impl PartialEq<[u8]> for Name {
    #[inline(always)]
    fn eq(&self, other: &[u8]) -> bool {
        match &self.0 {
            Held::Here { len, bytes } => matches!(bytes.get(..usize::from(*len)), Some(here) if same(here, other)),
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
    fn names_are_the_same_where_every_byte_is() {
        for len in 0..=40 {
            let name: Vec<u8> = (0..len).collect();
            assert!(same(&name, &name.clone()));
            for at in 0..name.len() {
                let mut other = name.clone();
                other[at] ^= 0x80;
                assert!(!same(&name, &other), "{len} bytes, of which number {at} differs");
            }
            assert!(!same(&name, &[&name[..], b"x"].concat()));
        }
    }

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
