//! One message for several Components of a node, which their Coordinator spreads among them: an event of a session crosses the link between
//! two nodes once, however many members there are at the other end.
//!
//! Its frames are the version, the receivers' Coordinator, the sender, the header of the message with [`TYPE_MULTICAST`] for its type, a
//! list, and the content as each receiver gets it. The list begins with the type of the content, the last byte of the header that receivers
//! see; then comes each receiver's name without its namespace, behind a byte that says how long it is. What a receiver gets differs in no
//! byte from a message that was sent to it alone.
//!
//! Only Coordinators that say so understand it (ZMTP property `X-Instep-Node`); all others are sent a message for each receiver.

use crate::limits::{MULTICAST_LIST_BYTES_MAX, MULTICAST_SHORT_LIST_BYTES_MAX};

/// Header type: the first payload frame is a list of receivers, the content comes behind it.
pub const TYPE_MULTICAST: u8 = 129;

/// Bytes of a list that a Coordinator takes which understands so much of what instep's say to one another; `None` if it takes none, but a
/// message for each receiver.
#[must_use]
pub const fn list_bytes_max(instep_level: u8) -> Option<usize> {
    match instep_level {
        0 => None,
        1 => Some(MULTICAST_SHORT_LIST_BYTES_MAX),
        _ => Some(MULTICAST_LIST_BYTES_MAX),
    }
}

/// Bytes that a receiver takes in a list.
#[must_use]
pub const fn entry_bytes(name: &[u8]) -> usize {
    1 + name.len()
}

/// The list of receivers of a message with this type of content; `names` are legal and without their namespace.
#[must_use]
pub fn write_list<'a>(content_type: u8, names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = vec![content_type];
    for name in names {
        debug_assert!(crate::leco::name::is_legal(name), "members have names that can be signed in");
        list.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        list.extend_from_slice(name);
    }
    list
}

/// A checked list of receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// The type of the content.
    pub content_type: u8,
    names: &'a [u8],
}

impl<'a> List<'a> {
    /// Checks a frame: it must name at least one receiver, and end with one. `None` if it does not, or has more than
    /// [`MULTICAST_LIST_BYTES_MAX`] bytes.
    #[must_use]
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        if frame.len() > MULTICAST_LIST_BYTES_MAX {
            return None;
        }
        let (&content_type, names) = frame.split_first()?;
        let list = Self { content_type, names };
        let bytes: usize = list.names().map(entry_bytes).sum();
        (!names.is_empty() && bytes == names.len() && list.names().all(|name| !name.is_empty())).then_some(list)
    }

    /// The receivers' names.
    pub fn names(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.names;
        core::iter::from_fn(move || {
            let (&len, behind) = rest.split_first()?;
            let (name, behind) = behind.split_at_checked(usize::from(len))?;
            rest = behind;
            Some(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let names = [&b"CA"[..], b"session:x", &[b'n'; 255]];
        let frame = write_list(128, names.into_iter());
        assert_eq!(frame.len(), 1 + names.into_iter().map(entry_bytes).sum::<usize>());
        let list = List::parse(&frame).unwrap();
        assert_eq!((list.content_type, list.names().collect::<Vec<_>>()), (128, names.to_vec()));
    }

    #[test]
    fn a_list_that_is_cut_short_or_names_nobody_is_none() {
        let frame = write_list(1, [&b"CA"[..], b"CB"].into_iter());
        for n in 0..frame.len() {
            assert_eq!(List::parse(&frame[..n]).is_some(), n == 4, "cut at {n}");
        }
        assert_eq!(List::parse(&[1, 2, b'C', b'A', 0]), None, "an empty name");
        assert_eq!(List::parse(&[1, 0]), None);
        let long = write_list(1, core::iter::repeat_n(&[b'n'; 255][..], MULTICAST_LIST_BYTES_MAX / 256 + 1));
        assert_eq!(List::parse(&long), None, "too long");
    }
}
