//! How the address of a node came to us.

use core::net::IpAddr;

/// How an address came to us.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::hub) struct Origin<'a> {
    /// The namespace that is said to be there.
    pub(in crate::hub) hint: Option<&'a [u8]>,
    /// The other machine that said so.
    pub(in crate::hub) told_by: Option<IpAddr>,
    /// It was a Component that said so, for whoever runs this network.
    pub(in crate::hub) is_by_hand: bool,
    /// The configuration names it.
    pub(in crate::hub) is_permanent: bool,
}
