//! How many copies of an event leave this node: one for each member, but one for all who share a link to a node that spreads it among them
//! and are told in the same format.
//!
//! Members are walked in the order of their full names, so those of one node come one after the other.

use crate::hub::keys::PeerKey;
use crate::leco::multicast::entry_bytes;
use crate::leco::name::FullName;

use super::voice::{Tail, Voice};

/// Finds out who shares a copy with whom.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The last copy for several in each format: its link, and the bytes of its list.
    last: [Option<(PeerKey, usize)>; Voice::ALL.len()],
}

impl Sharing {
    /// Whether a member behind a link that takes copies for several, with lists of so many bytes, needs a new one: it is the first there, or
    /// the list of the last one is full.
    pub(super) fn begins(&mut self, (link, list_bytes_max): (PeerKey, usize), voice: Voice, member: &[u8]) -> bool {
        let entry = entry_bytes(FullName::split(member).name);
        let Some(last) = self.last.get_mut(voice as usize) else { return true };
        match last {
            Some((known, bytes)) if *known == link && *bytes + entry <= list_bytes_max => {
                *bytes += entry;
                false
            }
            _ => {
                // The type of the content comes first in a list.
                *last = Some((link, 1 + entry));
                true
            }
        }
    }
}

/// A copy for several members.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    pub(super) link: PeerKey,
    pub(super) members: Vec<&'a [u8]>,
    pub(super) tail: Tail,
}

/// The copies for several members of one event.
#[derive(Debug, Default)]
pub(super) struct Copies<'a> {
    sharing: Sharing,
    pub(super) all: Vec<Copy<'a>>,
}

impl<'a> Copies<'a> {
    /// Puts a member where it belongs.
    pub(super) fn add(&mut self, shares: (PeerKey, usize), voice: Voice, member: &'a [u8], tail: &Tail) {
        let (link, _) = shares;
        if self.sharing.begins(shares, voice, member) {
            self.all.push(Copy { link, members: vec![member], tail: tail.clone() });
        } else if let Some(last) = self.all.iter_mut().rev().find(|copy| copy.link == link && copy.tail.is(tail)) {
            last.members.push(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MULTICAST_LIST_BYTES_MAX, MULTICAST_SHORT_LIST_BYTES_MAX};

    #[test]
    fn those_behind_one_link_share_a_copy_in_their_format_until_its_list_is_full() {
        let [json, xml] = [b"j", b"x"].map(|bytes| Tail::of(bytes.to_vec()));
        let [a, b, c] = [1, 2, 3].map(PeerKey::from_bits);
        let many: Vec<Vec<u8>> = (0..900).map(|n| format!("N3.C{n:04}").into_bytes()).collect();
        let mut copies = Copies::default();
        for (link, voice, name) in
            [(a, Voice::Json, "N2.A"), (a, Voice::Xml, "N2.B"), (a, Voice::Json, "N2.C"), (a, Voice::Xml, "N2.D")]
        {
            copies.add(
                (link, MULTICAST_LIST_BYTES_MAX),
                voice,
                name.as_bytes(),
                if voice == Voice::Json { &json } else { &xml },
            );
        }
        for (link, list_bytes_max) in [(b, MULTICAST_SHORT_LIST_BYTES_MAX), (c, MULTICAST_LIST_BYTES_MAX)] {
            for name in &many {
                copies.add((link, list_bytes_max), Voice::Json, name, &json);
            }
        }
        let told: Vec<_> = copies.all.iter().map(|copy| (copy.link, copy.members.len())).collect();
        let full = (MULTICAST_SHORT_LIST_BYTES_MAX - 1) / 6;
        assert_eq!(told, [(a, 2), (a, 2), (b, full), (b, 900 - full), (c, 900)]);
        assert_eq!(copies.all[1].members, [b"N2.B", b"N2.D"]);
    }
}
