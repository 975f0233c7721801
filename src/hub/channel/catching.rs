//! Last values for those who subscribe later: who is still to be given which, and when it has room for them.

use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peers, Side};
use crate::limits::FANOUT_BYTES;

use super::instance::Instance;
use super::topics::TopicKey;

impl Instance {
    /// A subscriber has newly subscribed to a topic: it is to be given what there is.
    pub(super) fn catch_from(&mut self, key: PeerKey, made: TopicKey, topic: &[u8]) {
        let Some(lasts) = self.lasts.as_ref().filter(|lasts| lasts.next(topic, None).is_some()) else { return };
        // Another node keeps what it wants itself.
        let Some(link) = self.links.get_mut(&key).filter(|link| link.side == Side::Subscriber) else { return };
        let catch = link.catch.get_or_insert_default();
        catch.waiting.insert(made, lasts.number());
        if catch.goes_on() {
            self.catching.push_back(key);
        }
    }

    /// Gives subscribers last values, as far as they have room and there is time in this turn.
    pub(super) fn catch_up(&mut self, peers: &mut Peers) {
        while peers.fanout_left() > 0
            && let Some(key) = self.catching.pop_front()
        {
            if self.catch_up_one(peers, key) {
                self.catching.push_back(key);
            }
        }
    }

    /// The same of one; answers whether it goes on in the next turn.
    fn catch_up_one(&mut self, peers: &mut Peers, key: PeerKey) -> bool {
        let mut drops = 0;
        let Self { links, topics, lasts: Some(lasts), .. } = self else { return false };
        let Some(link) = links.get_mut(&key) else { return false };
        let is_over = loop {
            let Some(catch) = &mut link.catch else { break true };
            if peers.fanout_left() == 0 {
                break false;
            }
            if peers.get(key).is_none_or(|peer| peer.waiting() > peers.config.ring_bytes_max / 2) {
                catch.is_queued = false;
                peers.tell_of_room(key);
                break true;
            }
            let first = catch.begun.or_else(|| catch.waiting.keys().next().copied());
            let Some((wanted, upto)) = first.and_then(|key| Some((key, *catch.waiting.get(&key)?))) else {
                link.catch = None;
                break true;
            };
            let after = catch.begun.is_some().then_some(&*catch.after);
            let next = topics.get(wanted).and_then(|topic| lasts.next(&topic.name, after));
            let Some((topic, wire, number)) = next else {
                catch.end(wanted);
                continue;
            };
            catch.after.clear();
            catch.after.extend_from_slice(topic);
            catch.begun = Some(wanted);
            peers.spend_fanout(FANOUT_BYTES);
            if number > upto {
                continue;
            }
            match peers.offer(key, wire, 1) {
                Ok(()) => peers.counters.published_copies += 1,
                Err(_) => drops += 1,
            }
        };
        if drops > 0 {
            self.count_drops(peers, key, drops);
        }
        !is_over
    }
}
