//! The line of those who wait for a session: requests, by key, in order; and the controllers, with whom they take turns.

use crate::hub::call::ReplyTo;
use crate::hub::keys::{RequestKey, SessionKey};
use crate::hub::names::Names;
use crate::hub::peers::{For, Peers};
use crate::limits::{SESSION_QUEUE_BYTES_MAX, SESSION_QUEUE_MAX};

use super::Sessions;

impl Sessions {
    /// The session with this LECO name, if a request must stand in its line. `fresh`: it has just come.
    pub(in crate::hub) fn busy(&self, local_name: &[u8], fresh: bool) -> Option<SessionKey> {
        let key = self.at(local_name)?;
        self.table.get(key)?.is_busy(fresh).then_some(key)
    }

    /// Bytes that a request which waits for its change may hold.
    pub(in crate::hub) fn line_room(peers: &Peers) -> usize {
        SESSION_QUEUE_BYTES_MAX.min(peers.pool.data_room())
    }

    /// Whether one more request may stand in the line of a session.
    pub(in crate::hub) fn has_room_in_line(&self, peers: &Peers, key: SessionKey, bytes: usize) -> bool {
        self.table.get(key).is_some_and(|session| {
            session.queue.len() < SESSION_QUEUE_MAX
                && session.queue_bytes + bytes <= SESSION_QUEUE_BYTES_MAX
                && bytes <= peers.pool.data_room()
        })
    }

    /// Puts a request at the end of the line of a session.
    pub(in crate::hub) fn enter_line(&mut self, peers: &mut Peers, key: SessionKey, waiting: RequestKey, bytes: usize) {
        if let Some(session) = self.table.get_mut(key) {
            session.queue_bytes += bytes;
            session.queue.push_back((waiting, bytes));
            self.account(peers, 0, bytes);
        }
    }

    /// Notes who waits for the change of a session, or for its joining to be kept, or for its document to be judged, and the bytes that the wait holds.
    pub(in crate::hub) fn set_waiter(&mut self, peers: &mut Peers, key: SessionKey, reply_to: ReplyTo, bytes: usize) {
        if self.joiners.set_waiter(reply_to, bytes) {
            return self.account(peers, 0, bytes);
        }
        let Some(session) = self.table.get_mut(key) else { return };
        if let Some(sliced) = &mut session.sliced {
            sliced.charged += bytes;
            (sliced.reply_to, sliced.waiter_bytes) = (reply_to, bytes);
        } else if let Some(pending) = &mut session.pending {
            pending.charged += bytes;
            pending.reply_to = reply_to;
        } else {
            return;
        }
        self.account(peers, 0, bytes);
    }

    /// Those who wait for something to become durable, or for a document to be judged.
    pub(in crate::hub) fn who_waits(&self) -> impl Iterator<Item = ReplyTo> {
        let of_sessions = self.table.iter().filter_map(|(_, session)| {
            let sliced = session.sliced.as_ref().map(|sliced| sliced.reply_to);
            sliced.or_else(|| Some(session.pending.as_ref()?.reply_to))
        });
        of_sessions.chain(self.joiners.who_waits())
    }

    /// What was settled has been answered: the rest is told, and whoever waits for the session goes on.
    pub(in crate::hub) fn go_on(&mut self, peers: &mut Peers, names: &Names, key: SessionKey) {
        self.tell_owed(peers, names, key);
        self.set_schedule(peers, key);
        self.serve_line(peers, key);
    }

    /// Lets those go on who wait for a session that is not held any more: the line of requests and the controllers in turns.
    pub(in crate::hub) fn serve_line(&mut self, peers: &mut Peers, key: SessionKey) {
        self.slices_go_on(key);
        let Some(session) = self.table.get_mut(key) else { return };
        if session.is_held() {
            return;
        }
        let is_line = !session.queue.is_empty();
        let go_on = !is_line || session.controllers_first;
        session.controllers_first = !(go_on && peers.waits.has(For::Session(key)));
        if go_on {
            peers.wake(For::Session(key));
        }
        if is_line && !self.lines.contains(&key) {
            self.lines.push_back(key);
        }
    }

    /// Whether some line goes on.
    pub(in crate::hub) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The session whose line goes on next.
    pub(in crate::hub) fn next_line(&mut self) -> Option<SessionKey> {
        self.lines.pop_front()
    }

    /// The request at the front of a session's line, unless the session is held.
    pub(in crate::hub) fn next_in_line(&mut self, peers: &mut Peers, key: SessionKey) -> Option<RequestKey> {
        let session = self.table.get_mut(key).filter(|session| !session.is_held())?;
        let (waiting, bytes) = session.queue.pop_front()?;
        session.queue_bytes -= bytes;
        self.account(peers, bytes, 0);
        Some(waiting)
    }
}
