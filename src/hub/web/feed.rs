//! What happens at this node as server-sent events (WHATWG HTML, 9.2): for pages, and for whoever reads lines.
//!
//! Owns how far each client has been told. What has happened is kept elsewhere; who does not follow is told that there is a gap.

use core::ops::Bound;
use std::collections::BTreeMap;

use serde_json::json;

use crate::hub::cause::Cause;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{News, PeerTimer, Peers};
use crate::limits::{FEED_BYTES_AT_ONCE, FEED_PAUSE_MS, FEED_WAITING_BYTES_MAX, FEEDS_BYTES_PER_TURN, FEEDS_MAX};
use crate::store::ring::NoRoom;
use crate::time::Span;

/// What a line begins with that means nothing but that the connection lives.
const COMMENT: &[u8] = b":\n\n";

/// One client.
#[derive(Debug)]
struct Feed {
    /// The number up to which it has been told.
    told: u64,
    /// It has to be told about itself and us first: with this word about what it has missed.
    greets: Option<bool>,
    /// There is no room for more now.
    waits: bool,
}

/// All clients that are told.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    feeds: BTreeMap<PeerKey, Box<Feed>>,
    /// All that do not wait have been told up to here.
    told: u64,
    /// Who was told last: the others come first.
    last: Option<PeerKey>,
    /// Our full name, as it is told.
    full_name: Box<str>,
}

impl Feeds {
    pub(super) fn new(full_name: &str) -> Self {
        Self { full_name: full_name.into(), ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Whether one more client can be told.
    pub(super) fn has_room(&self) -> bool {
        self.feeds.len() < FEEDS_MAX
    }

    /// Whether this connection is one on which events are told.
    pub(super) fn has(&self, key: PeerKey) -> bool {
        !self.feeds.is_empty() && self.feeds.contains_key(&key)
    }

    /// Events are told on a connection from now on, from the one behind `since` where it knows that one.
    pub(super) fn begin(&mut self, peers: &mut Peers, key: PeerKey, since: Option<u64>) {
        let (reach, last) = (peers.news.reach(), peers.news.last());
        let is_known = since.is_none_or(|since| (reach..=last).contains(&since));
        let told = if is_known { since.unwrap_or(last) } else { reach };
        self.feeds.insert(key, Box::new(Feed { told, greets: Some(!is_known), waits: false }));
        self.told = 0;
        peers.set_peer_timer(key, PeerTimer::Life, Span(FEED_PAUSE_MS));
    }

    pub(super) fn left(&mut self, key: PeerKey) {
        if !self.feeds.is_empty() {
            self.feeds.remove(&key);
        }
    }

    /// Whether somebody is to be told something.
    #[inline]
    pub(super) fn has_news(&self, news: &News) -> bool {
        !self.feeds.is_empty() && self.told != news.last()
    }

    /// Tells everybody what has happened, as far as there is room and a turn has time for.
    pub(super) fn tell(&mut self, peers: &mut Peers) {
        let mut left = FEEDS_BYTES_PER_TURN;
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let up_to = self.last.map_or(Bound::Unbounded, Bound::Included);
        let first: Vec<PeerKey> = self.feeds.range((behind, Bound::Unbounded)).map(|(key, _)| *key).collect();
        let then: Vec<PeerKey> = match self.last {
            Some(_) => self.feeds.range((Bound::Unbounded, up_to)).map(|(key, _)| *key).collect(),
            None => Vec::new(),
        };
        let mut is_all = true;
        for key in first.into_iter().chain(then) {
            let Some(feed) = self.feeds.get_mut(&key).filter(|feed| !feed.waits) else { continue };
            if left == 0 {
                is_all = false;
                break;
            }
            let written = feed.tell(peers, key, &self.full_name);
            if written > 0 {
                left = left.saturating_sub(written);
                self.last = Some(key);
            }
            is_all &= feed.waits || feed.told == peers.news.last();
        }
        if is_all {
            self.told = peers.news.last();
        }
    }

    /// There is room again in the ring of a peer.
    pub(super) fn has_room_again(&mut self, key: PeerKey) {
        if let Some(feed) = self.feeds.get_mut(&key) {
            feed.waits = false;
            self.told = 0;
        }
    }

    /// A client has been told nothing for a while, or may have been: it, and the proxies in between, are shown that the connection lives.
    pub(super) fn late(&self, peers: &mut Peers, key: PeerKey) {
        if peers.get(key).is_some_and(|peer| peer.waiting() == 0) {
            peers.send_plain(key, COMMENT);
        }
        peers.set_peer_timer(key, PeerTimer::Life, Span(FEED_PAUSE_MS));
    }
}

impl Feed {
    /// Tells it some of what it has not been told; answers how many bytes that was.
    fn tell(&mut self, peers: &mut Peers, key: PeerKey, full_name: &str) -> usize {
        if self.told < peers.news.reach() {
            self.told = peers.news.reach();
            self.greets = Some(true);
        }
        let mut text = String::new();
        if let Some(gap) = self.greets {
            let hello = json!({"version": env!("CARGO_PKG_VERSION"), "full_name": full_name, "gap": gap});
            text.push_str(&format!("retry: 1000\nid: {}\nevent: hello\ndata: {hello}\n\n", self.told));
        }
        let mut told = self.told;
        for item in peers.news.after(self.told) {
            text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", item.number, item.topic.word(), item.text));
            told = item.number;
            if text.len() >= FEED_BYTES_AT_ONCE {
                break;
            }
        }
        if text.is_empty() {
            return 0;
        }
        match peers.queue_parts(key, &[text.as_bytes()], FEED_WAITING_BYTES_MAX.min(peers.config.ring_bytes_max)) {
            Ok(()) => {
                self.told = told;
                self.greets = None;
                text.len()
            }
            Err(NoRoom::Full) => {
                self.waits = true;
                peers.tell_of_room(key);
                0
            }
            Err(NoRoom::Memory) => {
                self.waits = true;
                peers.close(key, Cause::Memory);
                0
            }
        }
    }
}
