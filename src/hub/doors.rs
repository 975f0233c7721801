//! The contract with the event loop: what it must know to start a hub, by which door a connection came, and what the hub wants done.

use core::net::IpAddr;

use super::cause::Cause;
use super::keys::{GathererKey, NodeKey, PeerKey, ProviderKey};

/// Which listener a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Door {
    /// Components and Coordinators, over ZMTP.
    Leco,
    /// Controllers of the Manager.
    Control,
    /// Viewers.
    Viewer,
    /// Clients of HTTP.
    Http,
    /// Clients of STOMP.
    Stomp,
    /// Publishers of a channel, over ZMTP.
    Publisher(Channel),
    /// Subscribers of a channel, over ZMTP.
    Subscriber(Channel),
    /// Other nodes that subscribe to what is published at this one, over ZMTP.
    Distributor(Channel),
}

/// A channel beside the control protocol, by which what is published reaches whoever has subscribed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// What Components measure.
    Data,
    /// What they log.
    Log,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Data, Self::Log];

    /// The name under which it is asked, without namespace.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "DATA_COORDINATOR",
            Self::Log => "LOG_COORDINATOR",
        }
    }

    /// What it is called in the log.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Log => "log",
        }
    }

    /// The channel that is asked under this name.
    #[must_use]
    pub(crate) fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| *channel.name().as_bytes() == *name)
    }
}

impl core::fmt::Display for Channel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.word())
    }
}

/// The ports of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelPorts {
    /// Where publishers come in.
    pub publishers: u16,
    /// Where subscribers do.
    pub subscribers: u16,
    /// Where other nodes subscribe to what is published here.
    pub distributors: u16,
}

/// Whether an address is one of this very machine or of this very cable: loopback, link-local, or none in particular, which is this machine
/// to whoever connects to it. Services that listen there trust whoever can.
#[must_use]
pub const fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// What the hub cannot know by itself, and all of it: chance, a first moment and the time of day. What else it is to know, a configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Keys the hash of names and feeds conversation ids and jitter; should differ from process to process.
    pub seed: u64,
    /// The first moment.
    pub now: crate::time::Tick,
    /// Milliseconds since 1970 at `now`, for the time stamps in conversation ids.
    pub unix_ms: u64,
}

/// Where chance comes from that nobody can guess: fills what it is given, and answers whether it could.
pub type Entropy = Box<dyn FnMut(&mut [u8]) -> bool + Send>;

/// A secret key of CURVE.
pub struct SecretKey {
    /// Its bytes.
    pub secret: [u8; 32],
    /// Those of the other half, if something says what these should be.
    pub public: Option<[u8; 32]>,
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Secret keys of CURVE. They are wiped once they have been taken over.
#[derive(Default)]
pub struct Secrets {
    /// The one of this node, whose public half others know it by.
    pub server: Option<SecretKey>,
    /// The one that is shown to other nodes; where there is none it is the same.
    pub client: Option<SecretKey>,
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets")
    }
}

/// What the event loop is to do. Bytes never travel in here: they wait in rings, see [`super::Hub::unsent`].
///
/// Not `#[non_exhaustive]`: a loop has to do all of it, so a command that is new to it is better met when it is built than passed over
/// when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write what waits for this peer; comes at most once per peer until [`super::Hub::sent`] has been called.
    Flush(PeerKey),
    /// Read this peer again: it was held, and bytes may wait in the socket that no event will announce again.
    Read(PeerKey),
    /// Close this peer's socket; its key is stale from here on.
    Close(PeerKey, Cause),
    /// Connect to this node's address, see [`super::Hub::dial_address`], and report through [`super::Hub::handle_dialed`].
    Dial(NodeKey),
    /// Connect to this provider's kernel, see [`super::Hub::kernel_address`], and report through [`super::Hub::handle_kernel_dialed`].
    DialKernel(ProviderKey),
    /// Connect to this gatherer of another node, see [`super::Hub::gatherer_address`], and report through [`super::Hub::handle_gatherer_dialed`].
    DialGatherer(GathererKey),
    /// Log from this level on.
    LogLevel(log::LevelFilter),
    /// Everything is said; end the process.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_so_in_every_spelling() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("169.254.169.254", true),
            ("::ffff:169.254.1.1", true),
            ("fe80::1", true),
            ("10.0.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_near(text.parse().unwrap()), expected, "{text}");
        }
    }
}
