//! Subscriptions judged by other rules than those by which they were made: what may not be heard any more is taken away, so many in a turn.
//!
//! Owns how far that has come. Who may hear what it asks those who know; a subscriber is not told, as its protocol has no word for it.

use core::ops::Bound;

use crate::auth::{Action, Target};
use crate::counters::count;
use crate::hub::keys::PeerKey;
use crate::hub::peers::Peers;

use super::instance::Instance;
use super::link::Judged;
use super::topics::TopicKey;

impl Instance {
    /// All subscriptions are to be judged, or none for now.
    pub(super) const fn judge_subscriptions(&mut self, from_here_on: bool) {
        self.judged = if from_here_on { Some(Judged { link: None, topic: None }) } else { None };
    }

    /// Takes away what the rules do not permit, of the next `left` subscriptions.
    pub(super) fn revoke(&mut self, peers: &mut Peers, left: &mut usize) {
        while *left > 0
            && let Some(judged) = self.judged
        {
            let from = match judged {
                Judged { link: Some(link), topic: Some(_) } => Bound::Included(link),
                Judged { link: Some(link), topic: None } => Bound::Excluded(link),
                Judged { link: None, .. } => Bound::Unbounded,
            };
            let Some((key, link)) = self.links.range((from, Bound::Unbounded)).next() else {
                self.judged = None;
                return;
            };
            let key = *key;
            let after = judged.topic.filter(|_| judged.link == Some(key));
            let piece = if peers.users.is_off() { Vec::new() } else { link.subscriptions.behind(after, *left) };
            // A piece that is not full was the last.
            let goes_on = piece.last().copied().filter(|_| piece.len() == *left);
            self.judged = Some(Judged { link: Some(key), topic: goes_on });
            *left = left.saturating_sub(piece.len().max(1));
            self.revoke_of(peers, key, &piece);
        }
    }

    fn revoke_of(&mut self, peers: &mut Peers, key: PeerKey, piece: &[TopicKey]) {
        let mut revoked = 0;
        for topic in piece {
            let Some(name) = self.topics.get(*topic).map(|topic| &*topic.name) else { continue };
            if peers.lacks(key, Action::Subscribe, Target::Topic(name)).is_some() {
                let name = Box::<[u8]>::from(name);
                self.cancel(peers, key, &name);
                revoked += 1;
            }
        }
        if revoked > 0 {
            peers.counters.subscriptions_revoked += count(revoked);
            if peers.may_log() {
                let at = peers.get(key).map(|peer| peer.remote.to_string()).unwrap_or_default();
                let user = peers.user_name(key);
                let channel = self.channel;
                log::warn!("{user} at {at} may not hear {revoked} topics of the {channel} channel any more");
            }
        }
    }
}
