//! Messages of other nodes for several Components of this one: each of these gets a copy, as if the message had been for it alone.
//!
//! A receiver without room holds the link as it would for a message of its own, and a receiver that is not there, or does not take the
//! copy, costs an error of its own. How many receivers have been dealt with is kept with the link, so what is left goes on where it
//! stopped; and it stops, for the turn, when enough has been copied, or when enough have been dealt with.

use crate::leco::message::{HEADER_BYTES, VERSION, View};
use crate::leco::multicast::List;
use crate::leco::name;
use crate::leco::route::Refusal;
use crate::limits::{MULTICAST_BYTES_PER_TURN, MULTICAST_RECEIVERS_PER_TURN};
use crate::zmtp::frame::{self, Message};

use super::relay;
use crate::hub::keys::PeerKey;
use crate::hub::names::Names;
use crate::hub::peers::{For, Outcome, Peers, Work};

/// The longest head of a frame, and how much of it is used.
type Head = ([u8; 9], usize);

fn head(body: usize) -> Head {
    let mut head = [0; 9];
    let len = frame::write_head(&mut head, true, body);
    (head, len)
}

fn shown((head, len): &Head) -> &[u8] {
    head.get(..*len).unwrap_or_default()
}

/// Spreads a message that a node's Coordinator has sent on its link among its receivers.
#[cold]
pub(in crate::hub) fn spread(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    wire: &[u8],
    message: &Message,
    view: &View<'_>,
) -> Outcome {
    if !peers.may_serve(from, 0, usize::MAX) {
        return Outcome::Held;
    }
    let content = message.rest().and_then(|at| wire.get(at..));
    let (Some(list), Some(content)) = (view.payload.and_then(List::parse), content) else {
        peers.counters.messages_malformed += 1;
        if peers.may_log() {
            log::warn!(
                "{}: a message for several receivers was dropped: no list, or no content",
                name::shown(view.sender)
            );
        }
        return Outcome::Done;
    };
    let payload = frame::head(content).ok().and_then(|head| {
        let end = usize::try_from(head.body).ok()?.checked_add(head.bytes)?;
        content.get(head.bytes..end)
    });
    let mut header = *view.header;
    header[HEADER_BYTES - 1] = list.content_type;
    let view = View { header: &header, payload, ..*view };
    let begun = peers.get(from).map_or(0, |peer| peer.receivers_done as usize);
    let mut copies = Copies { peers, names, from, list, content, view: &view, copied: 0, done: begun };
    let outcome = copies.go_on();
    let Copies { copied, done, .. } = copies;
    peers.spend(Work::Notices(done - begun));
    peers.spend(Work::Copied(copied));
    let is_all = outcome != Outcome::Held;
    if let Some(peer) = peers.get_mut(from) {
        peer.receivers_done = if is_all { 0 } else { u32::try_from(done).unwrap_or(u32::MAX) };
    }
    peers.counters.multicasts_spread += u64::from(is_all);
    outcome
}

/// The copies of one message.
struct Copies<'a> {
    peers: &'a mut Peers,
    names: &'a Names,
    from: PeerKey,
    list: List<'a>,
    /// The frames behind the header, as they came.
    content: &'a [u8],
    /// What each receiver sees of it, but for its name.
    view: &'a View<'a>,
    /// Bytes of content that were copied.
    copied: usize,
    /// Receivers that have been dealt with.
    done: usize,
}

impl Copies<'_> {
    /// Deals with the receivers that are left, as far as it goes.
    fn go_on(&mut self) -> Outcome {
        let done_max = self.done + MULTICAST_RECEIVERS_PER_TURN;
        for name in self.list.names().skip(self.done) {
            if self.copied >= MULTICAST_BYTES_PER_TURN || self.done >= done_max {
                self.peers.wait(self.from, For::Turn);
                return Outcome::Held;
            }
            if self.deliver(name) == Outcome::Held {
                return Outcome::Held;
            }
            self.done += 1;
        }
        Outcome::Done
    }

    /// Gives one receiver its copy, or holds or answers the sender as for a message of its own.
    fn deliver(&mut self, name: &[u8]) -> Outcome {
        let Self { names, from, content, view: &View { sender, header, .. }, .. } = *self;
        // Only where something is wrong is the receiver's name put together.
        let full_name;
        let Some(link) = names.local_link(name) else {
            full_name = names.named_here(name);
            let view = View { receiver: &full_name, ..*self.view };
            return relay::refuse(self.peers, names, from, &view, Refusal::ReceiverUnknown);
        };
        let heads = [VERSION.len(), names.prefix.len() + name.len(), sender.len(), HEADER_BYTES].map(head);
        let [version, receiver, by, about] = heads.each_ref().map(shown);
        let parts = [version, VERSION, receiver, &names.prefix, name, by, sender, about, header, content];
        let bytes_max = self.peers.config.ring_bytes_max;
        match self.peers.queue_parts(link, &parts, bytes_max) {
            Ok(()) => {
                self.peers.counters.messages_delivered += 1;
                self.copied += content.len();
                Outcome::Done
            }
            Err(refused) => {
                full_name = names.named_here(name);
                let view = View { receiver: &full_name, ..*self.view };
                relay::hold_for_room(self.peers, names, from, link, refused, &view)
            }
        }
    }
}
