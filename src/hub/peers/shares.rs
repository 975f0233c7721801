//! What each other machine has of that of which there is only so much: connections and names.
//!
//! Programs of this machine share one address and are not counted.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::limits::ADDRESS_SHARE;

/// What one machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    connections: usize,
    names: usize,
}

/// What every other machine has. One without anything has no entry, so there are never more than connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Shares {
    of: BTreeMap<IpAddr, Share>,
}

/// How many of `all` one other machine may have.
pub(in crate::hub) const fn share_of(all: usize) -> usize {
    all.div_ceil(ADDRESS_SHARE)
}

impl Shares {
    /// Connections that came from this address and are there still.
    pub(in crate::hub) fn connections(&self, address: IpAddr) -> usize {
        self.of.get(&address).map_or(0, |share| share.connections)
    }

    /// Names that are signed in on them.
    pub(in crate::hub) fn names(&self, address: IpAddr) -> usize {
        self.of.get(&address).map_or(0, |share| share.names)
    }

    pub(in crate::hub) fn add_connection(&mut self, address: IpAddr) {
        self.change(address, |share| share.connections += 1);
    }

    pub(in crate::hub) fn take_connection(&mut self, address: IpAddr) {
        self.change(address, |share| share.connections = share.connections.saturating_sub(1));
    }

    pub(in crate::hub) fn add_names(&mut self, address: IpAddr, count: usize) {
        self.change(address, |share| share.names += count);
    }

    pub(in crate::hub) fn take_names(&mut self, address: IpAddr, count: usize) {
        self.change(address, |share| share.names = share.names.saturating_sub(count));
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Share)) {
        if address.is_loopback() {
            return;
        }
        let share = self.of.entry(address).or_default();
        change(share);
        if *share == Share::default() {
            self.of.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_other_machine_is_counted_for_itself_and_forgotten_when_it_has_nothing() {
        let [near, a, b] = ["127.0.0.1", "10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
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
