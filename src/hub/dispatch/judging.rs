//! Everybody is judged by other rules, so many in a piece of work: however many there are, nobody waits for it.
//!
//! The rules themselves are in force before the first piece, for everything that is asked: who has not been judged yet is judged when it next
//! says something. What is done in pieces is to take away what somebody has from before: connections, names, nodes, places in sessions. What he has
//! subscribed to in the channels is taken away by these, in pieces of theirs.

use core::ops::Range;

use crate::auth::{Action, Target};
use crate::hub::Hub;
use crate::hub::cause::Cause;
use crate::hub::events::Parting;
use crate::hub::keys::{ComponentKey, PeerKey};
use crate::hub::peers::{About, Doer, Peer, Role, Work};
use crate::hub::rulebook::Judging;
use crate::hub::web::Farewell;
use crate::leco::name;
use crate::leco::route::Place;
use crate::limits::JUDGED_PER_PIECE;

impl Hub {
    /// Other rules are in force: everybody is judged by them from here on, from the first one on.
    pub(super) fn begin_judging(&mut self) {
        self.channels.judge_subscriptions(false);
        self.judging = Some(Judging::Links(0));
    }

    /// Judges some of those who have not been yet.
    pub(in crate::hub) fn judge_piece(&mut self) {
        let Some(judging) = self.judging.take() else { return };
        // What is done for them may be more than a piece: the rest is done in the next.
        self.judging = match judging {
            Judging::Links(from) => Some(self.judge_links(from)),
            Judging::Names(from) => Some(self.judge_names(from)),
            Judging::Nodes => Some(self.judge_nodes()),
            Judging::Members(after) => Some(self.judge_members(&after)),
            Judging::Guests(from) => Some(self.judge_guests(from)),
            Judging::Streams(from) => self.judge_streams(from),
        };
        self.drain_events();
    }

    /// Whether whoever says something may be here still, as the rule of its turn has not come yet: before that nobody has rights from before.
    #[cold]
    pub(in crate::hub) fn is_judged_to_stay(&mut self, key: PeerKey) -> bool {
        !matches!(self.judging, Some(Judging::Links(_))) || self.judge_link(key)
    }

    /// Whether this connection may stay by the rules that hold now; one that may not ends.
    fn judge_link(&mut self, key: PeerKey) -> bool {
        let is_gone = self.peers.judge_again(key);
        if is_gone {
            self.see_out(key);
        }
        !is_gone
    }

    /// Ends the connection of whoever may not be here any more; on a WebSocket with a word.
    fn see_out(&mut self, key: PeerKey) {
        self.web.end_stream(&mut self.peers, key, Farewell::FORBIDDEN);
        self.peers.finish(key, Cause::Stranger);
    }

    fn judge_links(&mut self, from: usize) -> Judging {
        let (slots, next) = self.piece_of_links(from);
        for slot in slots {
            if let Some(key) = self.peers.key_at(slot) {
                self.judge_link(key);
            }
        }
        match next {
            Some(next) => Judging::Links(next),
            None => {
                // It is known who everybody is.
                self.channels.judge_subscriptions(true);
                Judging::Names(0)
            }
        }
    }

    /// Slots of connections for one piece, and where the next begins, if there is one.
    fn piece_of_links(&self, from: usize) -> (Range<usize>, Option<usize>) {
        let end = self.peers.slots_end();
        let until = end.min(from + JUDGED_PER_PIECE);
        (from..until, (until < end).then_some(until))
    }

    /// Signs out whoever may not have its name any more.
    fn judge_names(&mut self, from: usize) -> Judging {
        let piece: Vec<(ComponentKey, PeerKey, Vec<u8>)> = self
            .names
            .directory
            .iter_from(from)
            .take(JUDGED_PER_PIECE)
            .map(|(key, component)| (key, component.link, self.names.named_here(&component.name)))
            .collect();
        let mut next = None;
        for (key, link, full_name) in &piece {
            next = Some(key.slot() + 1);
            if self.peers.lacks(*link, Action::SignIn, Target::Name(full_name)).is_none() {
                continue;
            }
            let refused = self.peers.forbid(*link, "sign_in", "names", Target::Name(full_name));
            let Some(name) = self.coordinator.take_name(&mut self.peers, &mut self.names, *key) else { continue };
            self.sessions.component_signed_out(&mut self.peers, &self.names, &name, Doer::default());
            self.fail_calls(Some(&name), "it may not have its name any more");
            self.names.tell_refused(&mut self.peers, *link, full_name, &refused);
            self.peers.spend(Work::Call);
            self.drain_events();
            if !self.peers.has_time() {
                break;
            }
        }
        next.map_or(Judging::Nodes, Judging::Names)
    }

    /// Parts from nodes that may not be such any more.
    fn judge_nodes(&mut self) -> Judging {
        let mut nodes = Vec::new();
        for (_, node) in self.names.nodes.iter() {
            if let (Some(link), Some(namespace)) = (node.inbound, node.namespace.as_deref())
                && self.peers.lacks(link, Action::BeNode, Target::Namespace(namespace)).is_some()
            {
                nodes.push((link, name::shown(namespace)));
            }
        }
        for (link, namespace) in nodes {
            if self.peers.may_log_of(link, About::Namesake) {
                log::warn!("node {namespace} may not be one any more");
            }
            self.peers.close(link, Cause::Stranger);
        }
        Judging::Members(Box::default())
    }

    /// Takes members out of sessions that they may not be in any more.
    fn judge_members(&mut self, after: &[u8]) -> Judging {
        let piece = self.sessions.members_after(after, JUDGED_PER_PIECE);
        let mut judged = None;
        for (full_name, sessions) in piece {
            let link = self.names.home_of(&full_name).and_then(|home| self.names.link_of(home));
            let is_here = matches!(Place::of(&full_name, &self.names.prefix), Place::Here(_));
            for (session, name) in sessions {
                let lacks = link
                    .filter(|_| is_here)
                    .and_then(|link| self.peers.lacks(link, Action::Join, Target::Session(&name)));
                if lacks.is_some() {
                    self.sessions.put_out(&mut self.peers, &self.names, session, &full_name);
                }
            }
            judged = Some(full_name);
            if !self.peers.has_time() {
                break;
            }
        }
        judged.map_or(Judging::Guests(0), Judging::Members)
    }

    /// The same of guests, those of one session in a piece.
    fn judge_guests(&mut self, from: usize) -> Judging {
        if self.peers.users.is_off() {
            return Judging::Streams(0);
        }
        let users = &self.peers.users;
        let may = |user, name: &str| users.lacks(Some(user), Action::Join, Target::Session(name)).is_none();
        let Some((session, guests)) = self.sessions.guests_who_may_not(from, JUDGED_PER_PIECE, may) else {
            return Judging::Streams(0);
        };
        let is_rest = guests.len() == JUDGED_PER_PIECE;
        for id in guests {
            self.sessions.guest_leaves(&mut self.peers, &self.names, session, &id, Parting::Forbidden);
            if !self.peers.has_time() {
                return Judging::Guests(session.slot());
            }
        }
        Judging::Guests(session.slot() + usize::from(!is_rest))
    }

    /// Who looks on and may not is told when it next asks; what is told by itself ends.
    fn judge_streams(&mut self, from: usize) -> Option<Judging> {
        let (slots, next) = self.piece_of_links(from);
        for slot in slots {
            let is_told = |peer: &Peer| peer.role == Role::Viewer || peer.role == Role::Web && peer.results().is_some();
            if let Some(key) = self.peers.key_at(slot)
                && self.peers.get(key).is_some_and(is_told)
                && self.peers.lacks(key, Action::Look, Target::Nothing).is_some()
            {
                self.see_out(key);
            }
        }
        next.map(Judging::Streams)
    }
}
