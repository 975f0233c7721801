//! Who is at the other end of a connection, and what he may.
//!
//! A connection has one user from its opening to its end: first the one of its address, then whoever it has shown to be. Where nobody is asked who he
//! is (`auth` is `off`) none of this is looked at.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde_json::json;

use crate::auth::{Action, Credential, Login, Origin, Target, UserId, Users, wanted};
use crate::hub::call::Refused;
use crate::hub::keys::PeerKey;
use crate::leco::name;
use crate::leco::rpc::FORBIDDEN;

use super::Peers;
use super::denials::Denial;
use super::peer::{Peer, Shown};
use super::shares::{Asker, Share};
use super::trail::{Deed, Doer};

impl Peer {
    /// Where it comes from, as far as the connection tells.
    pub(in crate::hub) fn origin(&self) -> Origin {
        Origin { address: self.address(), is_private: self.is_private }
    }
}

/// What the audit log calls it when somebody is not let in, or not let do something.
const AUTH_FAILURE: &str = "AUTH_FAILURE";
const AUTHENTICATION: &str = "authentication";

impl Peers {
    /// The user at the other end of a connection, if it is known who that is.
    pub(in crate::hub) fn user(&self, key: PeerKey) -> Option<UserId> {
        self.get(key).and_then(|peer| peer.user)
    }

    /// The name of that user; empty where nobody is asked, or it is not known.
    pub(in crate::hub) fn user_name(&self, key: PeerKey) -> &str {
        self.name_of_user(self.user(key))
    }

    /// The name of a user; empty where nobody is asked, or there is none.
    pub(in crate::hub) fn name_of_user(&self, user: Option<UserId>) -> &str {
        let user = user.filter(|_| !self.users.is_off()).and_then(|user| self.users.get(user));
        user.map_or("", |user| &user.name)
    }

    /// A connection has come: who that is as far as its address tells.
    pub(super) fn greet(&mut self, key: PeerKey) {
        let Some(peer) = self.table.get_mut(key) else { return };
        let address = peer.address();
        peer.user = self.users.by_address(address).map(|login| login.user);
        if peer.is_counted() {
            let share = share(&self.users, peer);
            peer.share = Some(share);
            self.shares.add_connection(share);
        }
    }

    /// Whose share a connection from there counts for, as long as nothing else is known of it.
    pub(super) fn share_of_newcomer(&self, remote: SocketAddr) -> Share {
        let address = remote.ip().to_canonical();
        share_of_user(&self.users, self.users.by_address(address).map(|login| login.user), address)
    }

    /// Whoever is at the other end has shown who he is, or comes from elsewhere than the connection. Nobody is nobody.
    pub(in crate::hub) fn log_in(&mut self, key: PeerKey, login: Option<Login>, origin: Origin) {
        let Some(peer) = self.table.get_mut(key) else { return };
        let user = login.map(|login| login.user);
        let is_plain = origin == peer.origin();
        let shown = login.filter(|login| !is_plain || login.by != Credential::Address);
        peer.shown = shown.map(|Login { by, .. }| Box::new(Shown { by, origin }));
        if peer.user != user {
            peer.user = user;
            self.share_anew(key);
        }
    }

    /// Seconds since 1970, by which JWTs end.
    fn seconds(&self) -> f64 {
        Duration::from_millis(self.unix_ms()).as_secs_f64()
    }

    /// Whose token this is, or whose JWT. With a name it must be that user's; `?` is anybody's.
    ///
    /// # Errors
    /// Why nobody is let in by it.
    pub(in crate::hub) fn judge_token(
        &mut self,
        name: Option<&str>,
        token: &str,
        origin: Origin,
    ) -> Result<Login, &'static str> {
        if !self.users.takes_tokens_from(origin) {
            return Err("a token from another machine could be read on its way (plain_remote, or a proxy with TLS)");
        }
        if self.users.takes_jwt(token) {
            let now = self.seconds();
            let login = self.users.by_jwt(token, now)?;
            let is_named = |name: &str| self.users.goes_by(login.user, name);
            return if name.is_none_or(is_named) { Ok(login) } else { Err("the JWT is another system's") };
        }
        self.users.by_token(name, token).ok_or_else(|| Users::stranger(name))
    }

    /// Who asks on this connection for something of which there is only so much.
    pub(in crate::hub) fn asker(&self, key: PeerKey) -> Asker {
        self.get(key).map_or_else(Asker::default, |peer| self.asker_at(key, peer.address()))
    }

    /// The same of whoever is at this address behind a proxy.
    pub(in crate::hub) fn asker_at(&self, key: PeerKey, at: IpAddr) -> Asker {
        let far = Some(at).filter(|address| !address.is_loopback());
        let share = match share_of_user(&self.users, self.user(key), at) {
            Share::Nobody => None,
            Share::Machine(_) if far.is_none() => None,
            share @ (Share::Machine(_) | Share::User(_)) => Some(share),
        };
        Asker { far, share }
    }

    /// A connection belongs to what a user has begun on another one, from the same machine.
    pub(in crate::hub) fn lend_user(&mut self, key: PeerKey, user: UserId) {
        if let Some(peer) = self.table.get_mut(key) {
            peer.user = Some(user);
            self.share_anew(key);
        }
    }

    /// Counts a connection with what it has for its user.
    fn share_anew(&mut self, key: PeerKey) {
        let Some(peer) = self.table.get_mut(key) else { return };
        let Some(old) = peer.share else { return };
        let new = share(&self.users, peer);
        peer.share = Some(new);
        let names = peer.names.len();
        self.shares.take_names(old, names);
        self.shares.take_connection(old);
        self.shares.add_connection(new);
        self.shares.add_names(new, names);
    }

    // ---- What he may ----

    /// What whoever is at the other end lacks for an action: a role, or a list that has its target. Nothing, if he may, or nobody is asked.
    pub(in crate::hub) fn lacks(&self, key: PeerKey, action: Action, target: Target<'_>) -> Option<&'static str> {
        if self.users.is_off() { None } else { self.users.lacks(self.user(key), action, target) }
    }

    /// Whether whoever is at the other end may do this; `what` is the name of it. Who may not is noted.
    ///
    /// # Errors
    /// The answer that he gets.
    pub(in crate::hub) fn permit(
        &mut self,
        key: PeerKey,
        what: &str,
        action: Action,
        target: Target<'_>,
    ) -> Result<(), Refused> {
        match self.lacks(key, action, target) {
            None => Ok(()),
            Some(needs) => Err(self.forbid(key, what, needs, target)),
        }
    }

    /// Notes that somebody may not do something; answers what he is told.
    #[cold]
    pub(in crate::hub) fn forbid(
        &mut self,
        key: PeerKey,
        what: &str,
        needs: &'static str,
        target: Target<'_>,
    ) -> Refused {
        let address = self.get(key).map(Peer::seen_at);
        self.forbid_user(self.user(key), address, what, needs, target)
    }

    /// The same of a user, of whom it may not be known any more where he is.
    #[cold]
    pub(in crate::hub) fn forbid_user(
        &mut self,
        user: Option<UserId>,
        address: Option<IpAddr>,
        what: &str,
        needs: &'static str,
        target: Target<'_>,
    ) -> Refused {
        let doer = Doer { user, address };
        let user = self.name_of_user(user).to_owned();
        let data = json!({"action": what, "needs": needs, "user": user});
        let target = shown_target(target);
        self.counters.auth_forbidden += 1;
        let message = format!("{what} {target}").trim_end().to_owned();
        self.audit_failure(doer, &message, needs);
        if self.may_log() {
            let at = address.map_or_else(String::new, |address| format!(" at {address}"));
            log::warn!("{user}{at} may not {message}: {}", wanted(needs));
        }
        let denial = Denial { user, address, action: what.to_owned(), target, needs: needs.to_owned() };
        self.denials.note(denial, self.now);
        (FORBIDDEN, data)
    }

    /// Somebody is not let in: nobody knows who he is, for this reason.
    #[cold]
    pub(in crate::hub) fn note_stranger(&mut self, key: PeerKey, what: &str, why: &str) {
        self.counters.auth_unknown += 1;
        let Some(address) = self.get(key).map(Peer::seen_at) else { return };
        if self.may_log() {
            log::warn!("{address} may not {what}: {why}");
        }
        self.audit_failure(Doer { user: None, address: Some(address) }, what, why);
        let needs = why.to_owned();
        let denial = Denial {
            user: String::new(),
            address: Some(address),
            action: what.to_owned(),
            target: String::new(),
            needs,
        };
        self.denials.note(denial, self.now);
    }

    /// Somebody was not let do something, for want of a right, a token or a password: a line of the audit log.
    #[cold]
    pub(in crate::hub) fn audit_failure(&mut self, doer: Doer, what: &str, why: &str) {
        self.audit(&Deed {
            action: AUTH_FAILURE,
            category: AUTHENTICATION,
            refused: Some(why),
            doer,
            target: what,
            ..Deed::default()
        });
    }

    /// Whose doing it is what comes on a connection.
    pub(in crate::hub) fn doer(&self, key: PeerKey) -> Doer {
        self.get(key).map_or_else(Doer::default, |peer| Doer { user: peer.user, address: Some(peer.seen_at()) })
    }

    /// The same of what is asked over HTTP, by whom a proxy may say.
    pub(in crate::hub) fn doer_from(&self, key: PeerKey, remote: Option<SocketAddr>) -> Doer {
        let doer = self.doer(key);
        Doer { address: remote.map(|remote| remote.ip().to_canonical()).or(doer.address), ..doer }
    }

    /// Keeps a deed for the audit log, where there is one.
    pub(in crate::hub) fn audit(&mut self, deed: &Deed<'_>) {
        if !self.trail.is_kept() {
            return;
        }
        let now = self.unix_ms();
        let user = deed.doer.user.filter(|_| !self.users.is_off()).and_then(|user| self.users.get(user));
        if self.trail.add(now, user.map_or("", |user| &user.name), deed) {
            self.counters.audit_lines += 1;
        } else {
            self.counters.audit_dropped += 1;
        }
    }

    /// Lines of it were lost on their way to the disk.
    pub(in crate::hub) fn note_audit_lost(&mut self, lines: u64) {
        self.counters.audit_dropped += lines;
        self.trail.note_lost(lines);
    }

    // ---- Other rules ----

    /// Other rules hold from now on. Who everybody is has to be judged again, before anybody says anything.
    pub(in crate::hub) fn set_users(&mut self, users: Users) {
        self.users = users;
    }

    /// Finds out who is at the other end by the rules that hold now; nothing that was found permitted is so any more. Whether it was somebody
    /// and is nobody any more.
    pub(in crate::hub) fn judge_again(&mut self, key: PeerKey) -> bool {
        let now = self.seconds();
        let Some(peer) = self.table.get_mut(key) else { return false };
        peer.last_receiver = None;
        if !peer.is_counted() {
            return false;
        }
        let origin = peer.shown.as_ref().map_or_else(|| peer.origin(), |shown| shown.origin);
        let by = peer.shown.as_ref().map_or(Credential::Address, |shown| shown.by);
        let was = peer.user;
        let login = Login { user: was.unwrap_or(Users::LOCAL), by };
        peer.user = self.users.again(login, origin, now).map(|login| login.user);
        let is_gone = was.is_some() && peer.user.is_none() && peer.is_open();
        self.share_anew(key);
        is_gone
    }
}

/// Whose share a connection counts for: its user's, or its machine's where that is not known. Administrators are not counted.
fn share(users: &Users, peer: &Peer) -> Share {
    share_of_user(users, peer.user, peer.address())
}

fn share_of_user(users: &Users, user: Option<UserId>, address: IpAddr) -> Share {
    match user.filter(|_| !users.is_off()) {
        None => Share::Machine(address),
        Some(user) if users.lacks(Some(user), Action::Administer, Target::Nothing).is_none() => Share::Nobody,
        Some(user) => Share::User(user),
    }
}

/// A target as lists and the log have it.
fn shown_target(target: Target<'_>) -> String {
    match target {
        Target::Nothing => String::new(),
        Target::Name(name) | Target::Namespace(name) | Target::Topic(name) => name::shown(name),
        Target::Session(session) => session.to_owned(),
        Target::Document { session, kind } => format!("{session} ({kind})"),
    }
}
