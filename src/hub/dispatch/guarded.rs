//! Links on which somebody is asked who he is, and links on which all is sealed: what comes in on them, up to messages as on any other.

use crate::auth::{Key, Origin};
use crate::hub::Hub;
use crate::hub::cause::Cause;
use crate::hub::keys::PeerKey;
use crate::hub::peers::sealed::{Opening, Sealed, frame_bytes_max, open_whole};
use crate::hub::peers::{For, Role};
use crate::limits::READ_BYTES_MAX;
use crate::store::tail::Tail;
use crate::zmtp::Fault;
use crate::zmtp::command::Metadata;
use crate::zmtp::mechanism::session::{Heard, heard};
use crate::zmtp::mechanism::{Done, Handshake, Refusal, Shaken, Shown};

/// Whether a handshake goes on with what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shaking {
    /// There may be more at the front.
    On,
    /// There is not, or nobody is there any more.
    Not,
}

impl Hub {
    /// Whether what this peer says next may be a password: whoever reads that wipes what it was read into, once it is handed in.
    #[must_use]
    pub fn may_say_secrets(&self, key: PeerKey) -> bool {
        self.peers.get(key).is_some_and(|peer| peer.guard.is_some())
    }

    /// Bytes have come from a peer with a guard, or on a sealed link; or there may be more to do with what came before.
    #[cold]
    pub(in crate::hub) fn feed_guarded(&mut self, key: PeerKey, input: &[u8]) {
        if self.peers.get(key).is_some_and(|peer| peer.guard.is_some()) {
            self.peers.buffer_secret(key, input);
            self.shake(key);
        } else {
            self.open_sealed(key, input);
        }
    }

    // ---- Handshakes ----

    fn shake(&mut self, key: PeerKey) {
        loop {
            let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.is_open() && peer.held.is_none()) else {
                return;
            };
            let Some(mut guard) = peer.guard.take() else { return };
            let mut tail = core::mem::take(&mut peer.tail);
            let goes_on = self.shake_once(key, &mut guard, &mut tail);
            let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.is_open()) else {
                tail.clear_secret(&mut self.peers.pool);
                return;
            };
            let is_ready = peer.is_ready();
            match peer.sealed_mut() {
                Some(sealed) => sealed.raw = tail,
                None => peer.tail = tail,
            }
            if is_ready {
                // What came behind it.
                return self.feed_on(key, &[]);
            }
            peer.guard = Some(guard);
            if goes_on == Shaking::Not {
                return;
            }
        }
    }

    fn shake_once(&mut self, key: PeerKey, guard: &mut Handshake, tail: &mut Tail) -> Shaking {
        if guard.is_costly(tail.bytes()) && !self.peers.may_shake() {
            self.peers.wait(key, For::Turn);
            return Shaking::Not;
        }
        let mut said = Vec::new();
        let shaken = guard.next(tail.bytes(), &mut self.peers.keyring.chance(), &mut said);
        if self.peers.keyring.is_dry() {
            self.broken(key, Fault::NoChance, true);
            return Shaking::Not;
        }
        self.peers.say_raw(key, &said);
        match shaken {
            Ok(Shaken::Need(_)) => Shaking::Not,
            Ok(Shaken::Went(len)) => {
                tail.consume(len, &mut self.peers.pool);
                if let Some(link) = self.peers.link_mut(key) {
                    link.greeted();
                }
                Shaking::On
            }
            Ok(Shaken::Who(len, shown)) => {
                // A password lies there.
                tail.consume_secret(len, &mut self.peers.pool);
                self.who(key, guard, &shown)
            }
            Ok(Shaken::Done(len, done)) => {
                tail.consume(len, &mut self.peers.pool);
                self.shaken(key, done);
                Shaking::On
            }
            Err(fault) => {
                self.broken(key, fault, said.is_empty());
                Shaking::Not
            }
        }
    }

    /// A handshake is broken. What has been said last is still sent, where it says what should have been spoken.
    fn broken(&mut self, key: PeerKey, fault: Fault, is_silent: bool) {
        let is_accepted = self.peers.get(key).is_some_and(|peer| peer.role.is_accepted());
        self.note_refused_for_good(key, fault);
        if let (Fault::Wanted { .. }, true) = (fault, is_accepted) {
            // Who shows nothing, or what is not taken from there, is nobody.
            self.peers.note_stranger(key, "connect", &format!("{fault} (auth)"));
            self.peers.finish(key, Cause::Stranger);
        } else if is_silent {
            self.peers.tar(key, Cause::Zmtp(fault));
        } else {
            self.peers.finish(key, Cause::Zmtp(fault));
        }
        self.drain_events();
    }

    /// A node that we have dialled will not have us as we are: until that is mended it need not be asked often.
    pub(super) fn note_refused_for_good(&mut self, key: PeerKey, fault: Fault) {
        let is_final =
            matches!(fault, Fault::RefusedByPeer(_) | Fault::CurveWelcome | Fault::Wanted { .. } | Fault::Mechanism);
        if let Some(Role::Dialled(node)) = self.peers.get(key).map(|peer| peer.role)
            && let Some(node) = self.names.nodes.get_mut(node).filter(|_| is_final)
        {
            node.note_refusal();
        }
    }

    /// Somebody has shown credentials: he is let in, or told that he is not.
    fn who(&mut self, key: PeerKey, guard: &mut Handshake, shown: &Shown) -> Shaking {
        let Some(address) = self.peers.get(key).map(|peer| peer.address()) else { return Shaking::Not };
        let (login, origin) = match shown {
            Shown::Key(public) => {
                let login = self.peers.users.by_key(public);
                (
                    login.ok_or_else(|| format!("no user has the key {}", Key(*public))),
                    Origin { address, is_private: true },
                )
            }
            Shown::Login { name, password } => {
                let origin = Origin::open(address);
                let words = core::str::from_utf8(name).ok().zip(core::str::from_utf8(password).ok());
                let login = words.map(|(name, token)| self.login_by_token(key, Some(name), token, origin));
                (login.unwrap_or(Err("the token is no text")).map_err(str::to_owned), origin)
            }
        };
        let mut said = Vec::new();
        match login {
            Ok(login) => {
                self.peers.log_in(key, Some(login), origin);
                let done = guard.admit(&mut said);
                self.peers.say_raw(key, &said);
                match done {
                    Ok(Some(done)) => self.shaken(key, done),
                    Ok(None) => {}
                    Err(fault) => {
                        self.broken(key, fault, true);
                        return Shaking::Not;
                    }
                }
                Shaking::On
            }
            Err(why) => {
                if let Shown::Key(_) = shown {
                    self.peers.note_stranger(key, "connect", &why);
                }
                guard.refuse(Refusal::Unknown, &mut said);
                self.peers.say_raw(key, &said);
                self.peers.finish(key, Cause::Stranger);
                self.drain_events();
                Shaking::Not
            }
        }
    }

    /// A handshake is over: from here on there are messages.
    fn shaken(&mut self, key: PeerKey, done: Done) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if let Some(link) = &mut peer.link {
            link.shaken(&done);
        }
        peer.is_guarded = done.session.is_some();
        let Done { socket_type, identity, instep_level, session, .. } = done;
        if let Some(session) = session {
            peer.begin_seal(Sealed::new(*session, Tail::default()));
        }
        let metadata = Metadata { socket_type, identity: &identity, instep_level };
        self.ready(key, &metadata);
        self.drain_events();
    }

    // ---- Sealed frames ----

    /// Opens what has come on a sealed link, and deals with what was in it as on any other.
    fn open_sealed(&mut self, key: PeerKey, mut input: &[u8]) {
        let mut clear = core::mem::take(&mut self.clear);
        if clear.is_empty() {
            clear = vec![0; READ_BYTES_MAX].into_boxed_slice();
        }
        // What was opened is dealt with as on any other link.
        self.guards(key, false);
        self.feed_on(key, &[]);
        loop {
            let bounds = self.peers.bounds;
            let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.is_open()) else { break };
            let Some(sealed) = peer.sealed_mut() else { break };
            if !sealed.raw.is_empty() {
                if !self.open_kept(key, &mut input) {
                    break;
                }
                continue;
            }
            if input.is_empty() {
                break;
            }
            match open_whole(&mut sealed.opener, input, &bounds, &mut clear) {
                Ok(Opening::Some { used, opened }) => {
                    input = input.get(used..).unwrap_or_default();
                    self.feed_on(key, clear.get(..opened).unwrap_or_default());
                }
                Ok(Opening::Need(_)) => {
                    self.keep_sealed(key, input);
                    break;
                }
                Err((opened, fault)) => {
                    self.feed_on(key, clear.get(..opened).unwrap_or_default());
                    self.fault(key, fault);
                    break;
                }
            }
        }
        self.clear = clear;
        self.guards(key, true);
    }

    fn guards(&mut self, key: PeerKey, is_guarded: bool) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.is_guarded = is_guarded;
        }
    }

    /// Goes on with the frame of which a part is kept; answers whether there may be more at the front of `input`.
    fn open_kept(&mut self, key: PeerKey, input: &mut &[u8]) -> bool {
        let bounds = self.peers.bounds;
        let Some(sealed) = self.peers.get_mut(key).and_then(|peer| peer.sealed_mut()) else { return false };
        let (head, body) = match heard(sealed.raw.bytes(), frame_bytes_max(&bounds)) {
            Ok(Heard::Whole { head, body }) => (head, body),
            Ok(Heard::Need(n)) => {
                if input.is_empty() {
                    return false;
                }
                let (more, rest) = input.split_at(n.min(input.len()));
                *input = rest;
                self.keep_sealed(key, more);
                return true;
            }
            Err(fault) => {
                self.fault(key, fault);
                return false;
            }
        };
        let mut raw = core::mem::take(&mut sealed.raw);
        let frame = raw.bytes_mut().get_mut(..head + body).unwrap_or_default();
        match sealed.opener.open_in_place(frame, head) {
            Ok(place) => self.feed_on(key, raw.bytes().get(place).unwrap_or_default()),
            Err(fault) => self.fault(key, fault),
        }
        raw.consume(head + body, &mut self.peers.pool);
        match self.peers.get_mut(key).filter(|peer| peer.is_open()).and_then(|peer| peer.sealed_mut()) {
            Some(sealed) => sealed.raw = raw,
            None => raw.clear(&mut self.peers.pool),
        }
        true
    }

    /// Keeps a part of a sealed frame.
    fn keep_sealed(&mut self, key: PeerKey, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(sealed) = peer.sealed_mut() else { return };
        let mut raw = core::mem::take(&mut sealed.raw);
        let is_kept = raw.append(bytes, &mut self.peers.pool);
        match self.peers.get_mut(key).and_then(|peer| peer.sealed_mut()) {
            Some(sealed) => sealed.raw = raw,
            None => raw.clear(&mut self.peers.pool),
        }
        if !is_kept {
            self.peers.close(key, Cause::Memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::auth::hash_of;
    use crate::config::{Access, Config, UserRule};
    use crate::hub::fixture::NEAR;
    use crate::hub::{Cause, Hub, Start};
    use crate::limits::BLOCK_BYTES_MIN;
    use crate::store::pool::Use;
    use crate::time::Tick;
    use crate::zmtp::greeting;

    const NOW: Tick = Tick(1000);
    const PASSWORD: &[u8] = b"a password that nobody else must read";

    /// A hub at which somebody comes with that password by PLAIN, in these pieces, and goes.
    fn asked(pieces: &[&[u8]], is_judged: bool) -> Hub {
        let user = UserRule { name: "CA".to_owned(), token: vec![hash_of("another one")], ..UserRule::default() };
        let (namespace, host) = ("N1".to_owned(), "n1".to_owned());
        let config = Config { auth: Access::All, users: vec![user], namespace, host, ..Config::default() };
        let mut hub = Hub::new(config, Start { seed: 7, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        let key = hub.open(NOW, NEAR.parse().unwrap()).unwrap();
        for bytes in pieces {
            assert!(hub.may_say_secrets(key));
            hub.handle_bytes(NOW, key, bytes);
        }
        assert_eq!(hub.may_say_secrets(key), !is_judged, "it is nobody");
        hub.handle_closed(NOW, key, Cause::Peer);
        assert_eq!(hub.peers.pool.in_use().1, 0);
        hub
    }

    /// No part of the password is left in blocks of so many bytes that were given back.
    fn look_for_it(hub: &mut Hub, bytes: usize) {
        // What we have said lay in others.
        let blocks: Vec<Box<[u8]>> = (0..4).map(|_| hub.peers.pool.take(bytes, Use::Partial).unwrap()).collect();
        let has_part = |part: &[u8]| blocks.iter().any(|block| block.windows(part.len()).any(|bytes| bytes == part));
        assert!(!PASSWORD.windows(4).any(has_part), "{bytes}");
    }

    #[test]
    fn a_password_stays_in_no_block() {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let login = [b"\x05HELLO\x02CA", &[length(PASSWORD)][..], PASSWORD].concat();
        let said = [&greeting::ours("PLAIN", false), &[4, length(&login)][..], &login].concat();
        for len in [said.len(), said.len() - 1, said.len() - 5] {
            for piece in [1, 7, 90, 1000] {
                let pieces: Vec<&[u8]> = said.get(..len).unwrap().chunks(piece).collect();
                let mut hub = asked(&pieces, len == said.len());
                look_for_it(&mut hub, BLOCK_BYTES_MIN);
            }
        }
        // With the end of it so much comes that another block is needed.
        let (front, end) = said.split_at(said.len() - 9);
        let mut hub = asked(&[front, &[end, &[0; 2 * BLOCK_BYTES_MIN]].concat()], true);
        look_for_it(&mut hub, BLOCK_BYTES_MIN);
        look_for_it(&mut hub, 4 * BLOCK_BYTES_MIN);
        // What is no HELLO ends the link, and is wiped.
        let hello = [b"\x05HALLO", PASSWORD].concat();
        let wrong = [&[4, length(&hello)][..], &hello].concat();
        let mut hub = asked(&[&greeting::ours("PLAIN", false), &wrong], true);
        look_for_it(&mut hub, BLOCK_BYTES_MIN);
    }
}
