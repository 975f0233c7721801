//! What each other machine, or each user, has of that of which there is only so much: connections and names.
//!
//! Programs of this machine share one address and are not counted, nor are administrators.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::auth::UserId;
use crate::limits::ADDRESS_SHARE;

/// Whose share something counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum Share {
    /// Nobody's.
    Nobody,
    /// That of a machine.
    Machine(IpAddr),
    /// That of a user, wherever he is.
    User(UserId),
}

/// Who asks for something of which there is only so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Asker {
    /// The other machine that it comes from, if it is one.
    pub(in crate::hub) far: Option<IpAddr>,
    /// Whose share it counts for, if for anybody's.
    pub(in crate::hub) share: Option<Share>,
}

/// What one machine or user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    connections: usize,
    names: usize,
}

/// What each of them has. One without anything has no entry, so there are never more than connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Shares {
    of: BTreeMap<Share, Held>,
}

/// How many of `all` one other machine, or one user, may have.
pub(in crate::hub) const fn share_of(all: usize) -> usize {
    all.div_ceil(ADDRESS_SHARE)
}

impl Shares {
    /// Connections that count for it and are there still.
    pub(in crate::hub) fn connections(&self, share: Share) -> usize {
        self.of.get(&share).map_or(0, |held| held.connections)
    }

    /// Names that are signed in on them.
    pub(in crate::hub) fn names(&self, share: Share) -> usize {
        self.of.get(&share).map_or(0, |held| held.names)
    }

    pub(in crate::hub) fn add_connection(&mut self, share: Share) {
        self.change(share, |held| held.connections += 1);
    }

    pub(in crate::hub) fn take_connection(&mut self, share: Share) {
        self.change(share, |held| held.connections = held.connections.saturating_sub(1));
    }

    pub(in crate::hub) fn add_names(&mut self, share: Share, count: usize) {
        self.change(share, |held| held.names += count);
    }

    pub(in crate::hub) fn take_names(&mut self, share: Share, count: usize) {
        self.change(share, |held| held.names = held.names.saturating_sub(count));
    }

    fn change(&mut self, share: Share, change: impl FnOnce(&mut Held)) {
        match share {
            Share::Nobody => return,
            Share::Machine(address) if address.is_loopback() => return,
            Share::Machine(_) | Share::User(_) => {}
        }
        let held = self.of.entry(share).or_default();
        change(held);
        if *held == Held::default() {
            self.of.remove(&share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_other_machine_is_counted_for_itself_and_forgotten_when_it_has_nothing() {
        let [near, a, b] = ["127.0.0.1", "10.0.0.1", "10.0.0.2"].map(|text| Share::Machine(text.parse().unwrap()));
        let mut shares = Shares::default();
        for address in [near, a, a, b] {
            shares.add_connection(address);
            shares.add_names(address, 3);
        }
        let of = |shares: &Shares, address| (shares.connections(address), shares.names(address));
        assert_eq!([near, a, b].map(|address| of(&shares, address)), [(0, 0), (2, 6), (1, 3)]);
        for address in [near, a, a, b] {
            shares.take_names(address, 3);
            shares.take_connection(address);
        }
        assert_eq!(shares, Shares::default());
    }

    #[test]
    fn a_share_is_a_quarter_and_never_nothing() {
        assert_eq!([1, 4, 5, 16_384].map(share_of), [1, 1, 2, 4096]);
    }
}
