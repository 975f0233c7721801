//! Calls of clients of HTTP to Components, from the message that goes out to the answer that comes.
//!
//! Owns who waits for which conversation, and under which ids. It must not know what is asked, nor how the answer is sent.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::hub::keys::PeerKey;
use crate::leco::message::{Conversation, HEADER_BYTES, conversation};
use crate::leco::name::{COORDINATOR, FullName};
use crate::leco::rpc::{self, Id, RpcError};
use crate::store::sorted::Sorted;
use crate::time::Tick;

use super::requests::{begin_answer, end_answers};

/// A call that is not answered yet.
#[derive(Debug, PartialEq)]
pub(in crate::hub) struct Call {
    /// The full name of whoever is asked.
    pub(in crate::hub) receiver: Box<[u8]>,
    /// The ids of its parts that want an answer.
    pub(in crate::hub) ids: Vec<Id>,
    pub(in crate::hub) is_batch: bool,
    pub(in crate::hub) since: Tick,
}

impl Call {
    /// The same error for each of its parts.
    pub(in crate::hub) fn failed(&self, error: RpcError, data: &Value) -> String {
        let mut out = String::new();
        for id in &self.ids {
            begin_answer(&mut out, self.is_batch);
            rpc::write_error(&mut out, id, error, data);
        }
        end_answers(&mut out, self.is_batch);
        out
    }

    /// Whether a message of `sender` may be the answer: of whoever is asked, or of the Coordinator of its node, which says that there is nobody of
    /// that name. The sender's full name is given.
    fn is_answered_by(&self, sender: &[u8]) -> bool {
        let FullName { namespace, name } = FullName::split(sender);
        *sender == *self.receiver || (name == COORDINATOR && namespace == FullName::split(&self.receiver).namespace)
    }
}

/// Calls on their way; each connection has one at the most.
#[derive(Debug)]
pub(in crate::hub) struct Calls {
    by_peer: BTreeMap<PeerKey, Box<(Conversation, Call)>>,
    peers: Sorted<Conversation, PeerKey>,
}

impl Calls {
    pub(super) const fn new() -> Self {
        Self { by_peer: BTreeMap::new(), peers: Sorted::new() }
    }

    /// A call has gone out for the client at `peer`, under this header.
    pub(in crate::hub) fn add(&mut self, peer: PeerKey, header: &[u8; HEADER_BYTES], call: Call) {
        let conversation = conversation(header);
        drop(self.take(peer));
        self.peers.insert(conversation, peer);
        self.by_peer.insert(peer, Box::new((conversation, call)));
    }

    /// The call of a client, which waits no more.
    pub(in crate::hub) fn take(&mut self, peer: PeerKey) -> Option<Call> {
        let (conversation, call) = *self.by_peer.remove(&peer)?;
        self.peers.remove(&conversation);
        Some(call)
    }

    /// Who waits for a message with this header from the sender of this full name.
    #[inline]
    pub(in crate::hub) fn waiting(&self, header: &[u8; HEADER_BYTES], sender: &[u8]) -> Option<PeerKey> {
        if self.peers.is_empty() {
            return None;
        }
        let peer = self.peers.get(&conversation(header))?;
        let (_, call) = &**self.by_peer.get(peer)?;
        call.is_answered_by(sender).then_some(*peer)
    }

    /// Everybody who waits for an answer of `receiver`; of whomever, where there is none.
    pub(in crate::hub) fn waiting_for(&self, receiver: Option<&[u8]>) -> Vec<PeerKey> {
        let is_asked = |call: &Call| receiver.is_none_or(|receiver| *call.receiver == *receiver);
        self.by_peer.iter().filter(|(_, called)| is_asked(&called.1)).map(|(peer, _)| *peer).collect()
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leco::rpc::NO_ANSWER;

    fn header(n: u8) -> [u8; HEADER_BYTES] {
        [n; HEADER_BYTES]
    }

    fn call(receiver: &str, ids: usize, is_batch: bool) -> Call {
        Call { receiver: receiver.as_bytes().into(), ids: vec![Id::NULL; ids], is_batch, since: Tick(5) }
    }

    fn peer(n: u64) -> PeerKey {
        PeerKey::from_bits(n)
    }

    #[test]
    fn an_answer_is_one_by_its_conversation_and_by_who_gives_it() {
        let mut calls = Calls::new();
        calls.add(peer(1), &header(7), call("N2.CA", 1, false));
        assert_eq!(calls.waiting(&header(7), b"N2.CA"), Some(peer(1)));
        assert_eq!(calls.waiting(&header(7), b"N2.COORDINATOR"), Some(peer(1)));
        for (other, sender) in [(7, "N2.CB"), (7, "N3.COORDINATOR"), (7, "CA"), (8, "N2.CA")] {
            assert_eq!(calls.waiting(&header(other), sender.as_bytes()), None, "{sender}");
        }
    }

    #[test]
    fn who_waits_waits_once_and_is_found_by_whom_it_has_asked() {
        let mut calls = Calls::new();
        calls.add(peer(1), &header(1), call("N1.CA", 1, false));
        calls.add(peer(2), &header(2), call("N1.CB", 1, false));
        calls.add(peer(1), &header(3), call("N1.CB", 1, false));
        assert_eq!(calls.waiting(&header(1), b"N1.CA"), None);
        assert_eq!(calls.waiting_for(Some(b"N1.CB")), [peer(1), peer(2)]);
        assert_eq!(calls.waiting_for(Some(b"N1.CA")), []);
        assert!(calls.take(peer(1)).is_some() && calls.take(peer(1)).is_none());
        assert_eq!(calls.waiting_for(None), [peer(2)]);
        assert!(calls.take(peer(2)).is_some() && calls.is_empty());
        assert_eq!(calls.waiting(&header(2), b"N1.CB"), None);
    }

    #[test]
    fn a_failure_is_told_to_each_part_that_wants_an_answer() {
        let data = Value::from("why");
        let one = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32097,"message":"The receiver has not answered.","data":"why"}}"#;
        for (ids, is_batch, expected) in [
            (1, false, one.to_owned()),
            (1, true, format!("[{one}]")),
            (2, true, format!("[{one},{one}]")),
            (0, true, String::new()),
        ] {
            assert_eq!(call("N1.CA", ids, is_batch).failed(NO_ANSWER, &data), expected);
        }
    }
}
