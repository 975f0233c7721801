//! The routing chart as a pure verdict: given a message and what is known, where does it go?
//!
//! Decides only; the hub acts. The chart is the seed's flow chart in the order of the LECO specification's routing section: first
//! the sender, then the receiver.

use crate::store::name::same;

use super::name::{COORDINATOR, shown};
use super::rpc::{DUPLICATE_NAME, NAMESPACE_MISSING, NODE_UNKNOWN, NOT_SIGNED_IN, RECEIVER_UNKNOWN, RpcError};

/// What the names of sessions begin with. No component can sign in under such a name.
pub const SESSION_PREFIX: &[u8] = b"session:";

/// Whether a name without namespace is that of a session.
#[must_use]
pub fn is_session(name: &[u8]) -> bool {
    name.starts_with(SESSION_PREFIX)
}

/// The name, without namespace, under which the session called `text` is reached. No two sessions have the same.
#[must_use]
pub fn session_name(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(SESSION_PREFIX.len() + text.len());
    name.extend_from_slice(SESSION_PREFIX);
    for byte in text.bytes() {
        match byte {
            b'.' => name.extend_from_slice(b"%2E"),
            b'%' => name.extend_from_slice(b"%25"),
            _ => name.push(byte),
        }
    }
    name
}

/// Whose a sender's name is, as seen from the link on which its message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This link signed the name in.
    ThisLink,
    /// Another link did.
    OtherLink,
    /// Nobody did.
    Nobody,
}

/// What the chart asks. `C` is a component, `N` a node with a link to it.
pub trait Known {
    /// A local component.
    type Component;
    /// Another node to which messages can be sent.
    type Node;
    /// Whose the component name is.
    fn owner(&self, name: &[u8]) -> Owner;
    /// Whether this link is the signed-in Coordinator of `namespace`.
    fn is_coordinator_of(&self, namespace: &[u8]) -> bool;
    /// The local component called `name`.
    fn component(&self, name: &[u8]) -> Option<Self::Component>;
    /// Whether this node itself is asked under that name, which no component has.
    fn is_own(&self, name: &[u8]) -> bool;
    /// The node called `namespace`, if messages can be sent to it.
    fn node(&self, namespace: &[u8]) -> Option<Self::Node>;
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a, C, N> {
    /// To a component of this node.
    Deliver(C),
    /// To another node's Coordinator.
    Forward(N),
    /// To this Coordinator itself.
    Own,
    /// To a session of this node, by its name without namespace: one that begins with [`SESSION_PREFIX`]; or to another of its own names.
    Session(&'a [u8]),
    /// To this Coordinator, if it is one of the calls that need no name: [`Refusal::allows`]; else refused.
    Unnamed(Refusal),
    /// Nowhere; the sender is told.
    Refuse(Refusal),
}

/// Why a message goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A local sender's name is not signed in.
    NotSignedIn,
    /// Another node's Coordinator speaks on a link on which it has not signed in.
    NotACoordinator,
    /// A component of another node came over a link that is not its Coordinator's.
    NotOurs,
    /// A sender gave no namespace, so that an answer from another node would not find back to it.
    NoNamespace,
    /// The sender's name belongs to another link.
    NotYours,
    /// There is no link to the receiver's node.
    NodeUnknown,
    /// This node has no such component.
    ReceiverUnknown,
}

impl Refusal {
    /// The error that the sender gets.
    #[must_use]
    pub const fn error(self) -> RpcError {
        match self {
            Self::NotSignedIn | Self::NotACoordinator | Self::NotOurs => NOT_SIGNED_IN,
            Self::NoNamespace => NAMESPACE_MISSING,
            Self::NotYours => DUPLICATE_NAME,
            Self::NodeUnknown => NODE_UNKNOWN,
            Self::ReceiverUnknown => RECEIVER_UNKNOWN,
        }
    }

    /// Whether the Coordinator answers `method` although the sender is refused: signing in and out, for components without a
    /// name and for Coordinators.
    #[must_use]
    pub fn allows(self, method: &str) -> bool {
        match self {
            Self::NotSignedIn | Self::NotYours => matches!(method, "sign_in" | "sign_out"),
            Self::NotACoordinator => matches!(method, "coordinator_sign_in" | "coordinator_sign_out"),
            // It is told what is wrong with its name.
            Self::NotOurs => method == "sign_in",
            Self::NoNamespace | Self::NodeUnknown | Self::ReceiverUnknown => false,
        }
    }
}

/// Where a name lies, seen from the node whose full-name prefix is `NS.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A component of this node.
    Here(&'a [u8]),
    /// A component of the node `namespace`.
    There {
        /// The foreign namespace.
        namespace: &'a [u8],
        /// The component name.
        name: &'a [u8],
    },
}

impl core::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Here(name) => f.write_str(&shown(name)),
            Self::There { namespace, name } => write!(f, "{}.{}", shown(namespace), shown(name)),
        }
    }
}

impl<'a> Place<'a> {
    /// Places `name`; `prefix` is our namespace with its dot.
    #[must_use]
    #[inline(always)]
    pub fn of(full_name: &'a [u8], prefix: &[u8]) -> Self {
        if let Some((begin, name)) = full_name.split_at_checked(prefix.len())
            && same(begin, prefix)
        {
            return Self::Here(name);
        }
        let super::name::FullName { namespace, name } = super::name::FullName::split(full_name);
        if namespace.is_empty() { Self::Here(name) } else { Self::There { namespace, name } }
    }
}

/// Routes a message from `sender` to `receiver`; `prefix` is our namespace with its dot.
#[inline(always)]
pub fn route<'a, K: Known>(
    known: &K,
    prefix: &[u8],
    sender: &[u8],
    receiver: &'a [u8],
) -> Verdict<'a, K::Component, K::Node> {
    let receiver = Place::of(receiver, prefix);
    let origin = Place::of(sender, prefix);
    let refusal = match origin {
        Place::Here(name) => match known.owner(name) {
            Owner::ThisLink => None,
            Owner::OtherLink => Some(Refusal::NotYours),
            Owner::Nobody => Some(Refusal::NotSignedIn),
        },
        Place::There { namespace, .. } if known.is_coordinator_of(namespace) => None,
        Place::There { name: COORDINATOR, .. } => Some(Refusal::NotACoordinator),
        Place::There { .. } => Some(Refusal::NotOurs),
    };
    match (refusal, receiver) {
        (None, Place::Here(COORDINATOR)) => Verdict::Own,
        (Some(refusal), Place::Here(COORDINATOR)) => Verdict::Unnamed(refusal),
        (Some(refusal), Place::Here(_) | Place::There { .. }) => Verdict::Refuse(refusal),
        (None, Place::Here(name)) => match known.component(name) {
            Some(component) => Verdict::Deliver(component),
            None if is_session(name) || known.is_own(name) => Verdict::Session(name),
            None => Verdict::Refuse(Refusal::ReceiverUnknown),
        },
        // An answer from another node finds back by the full name only, so a sender must use it; signing in anew tells it.
        (None, Place::There { .. }) if matches!(origin, Place::Here(name) if name.len() == sender.len()) => {
            Verdict::Refuse(Refusal::NoNamespace)
        }
        (None, Place::There { namespace, .. }) => match known.node(namespace) {
            Some(node) => Verdict::Forward(node),
            None => Verdict::Refuse(Refusal::NodeUnknown),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node N1 with CA on this link and CB on another; this link is the Coordinator of N2 if `coordinator`; N2 and N3 are linked.
    struct Twin {
        coordinator: bool,
    }

    impl Known for Twin {
        type Component = &'static str;
        type Node = &'static str;
        fn owner(&self, name: &[u8]) -> Owner {
            match name {
                b"CA" => Owner::ThisLink,
                b"CB" => Owner::OtherLink,
                _ => Owner::Nobody,
            }
        }
        fn is_coordinator_of(&self, namespace: &[u8]) -> bool {
            self.coordinator && namespace == b"N2"
        }
        fn is_own(&self, name: &[u8]) -> bool {
            name == b"OWN"
        }
        fn component(&self, name: &[u8]) -> Option<&'static str> {
            match name {
                b"CA" => Some("CA"),
                b"CB" => Some("CB"),
                _ => None,
            }
        }
        fn node(&self, namespace: &[u8]) -> Option<&'static str> {
            match namespace {
                b"N2" => Some("N2"),
                b"N3" => Some("N3"),
                _ => None,
            }
        }
    }

    #[test]
    fn the_whole_chart() {
        use Refusal::*;
        use Verdict::*;
        type Row = (&'static str, &'static str, bool, Verdict<'static, &'static str, &'static str>);
        let rows: [Row; 26] = [
            ("N1.CA", "N1.session:x", false, Session(b"session:x")),
            ("N2.CX", "session:x", true, Session(b"session:x")),
            ("CX", "session:x", false, Refuse(NotSignedIn)),
            ("N1.CA", "N1.CB", false, Deliver("CB")),
            ("N1.CA", "CB", false, Deliver("CB")),
            ("CA", "CB", false, Deliver("CB")),
            ("CA", "CA", false, Deliver("CA")),
            ("CA", "N1.CX", false, Refuse(ReceiverUnknown)),
            ("N1.CA", "N2.CX", false, Forward("N2")),
            ("N1.CA", "N9.CX", false, Refuse(NodeUnknown)),
            ("CA", "N2.CX", false, Refuse(NoNamespace)),
            ("CA", "COORDINATOR", false, Own),
            ("CA", "N1.COORDINATOR", false, Own),
            ("N1.CA", "N2.COORDINATOR", false, Forward("N2")),
            ("CB", "CA", false, Refuse(NotYours)),
            ("CB", "COORDINATOR", false, Unnamed(NotYours)),
            ("CX", "CA", false, Refuse(NotSignedIn)),
            ("CX", "N1.COORDINATOR", false, Unnamed(NotSignedIn)),
            ("COORDINATOR", "CA", false, Refuse(NotSignedIn)),
            ("N2.CX", "N1.CA", false, Refuse(NotOurs)),
            ("N2.COORDINATOR", "COORDINATOR", false, Unnamed(NotACoordinator)),
            ("N2.CX", "N1.CA", true, Deliver("CA")),
            ("N2.COORDINATOR", "N1.COORDINATOR", true, Own),
            ("N3.CX", "N1.CA", true, Refuse(NotOurs)),
            ("N2.CX", "N3.CY", true, Forward("N3")),
            ("N2.CX", "COORDINATOR", false, Unnamed(NotOurs)),
        ];
        for (sender, receiver, coordinator, wanted) in rows {
            let verdict = route(&Twin { coordinator }, b"N1.", sender.as_bytes(), receiver.as_bytes());
            assert_eq!(verdict, wanted, "{sender} -> {receiver}");
        }
    }

    #[test]
    fn only_signing_in_and_out_needs_no_name() {
        assert!(Refusal::NotSignedIn.allows("sign_in") && Refusal::NotYours.allows("sign_out"));
        assert!(Refusal::NotACoordinator.allows("coordinator_sign_in"));
        assert!(!Refusal::NotSignedIn.allows("coordinator_sign_in") && !Refusal::NotACoordinator.allows("sign_in"));
        assert!(Refusal::NotOurs.allows("sign_in") && !Refusal::NotOurs.allows("coordinator_sign_in"));
        assert!(!Refusal::NotSignedIn.allows("pong") && !Refusal::ReceiverUnknown.allows("sign_in"));
    }
}
