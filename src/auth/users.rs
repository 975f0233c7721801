//! All users, and who somebody is.

use core::fmt;
use core::net::IpAddr;

use super::jwt::{Issuer, JwtRule, Place, is_jwt};
use super::key::Key;
use super::may::{Action, Target, lacks};
use super::pattern::Patterns;
use super::role::Role;
use super::rule::{Credentials, Flaw, UserRule};
use super::token::{hash, is_same, is_token};
use super::user::{LOCAL, User, UserId};
use crate::http::forwarded::Network;
use crate::limits::{JWT_USERS_MAX, USERS_MAX};
use crate::store::order;
use crate::store::sorted::Sorted;

/// Where a password stands for its user's name.
const ANYBODY: &str = "?";

/// Who is asked who he is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nobody.
    #[default]
    Off,
    /// Everybody, but on this machine.
    Remote,
    /// Everybody.
    All,
}

impl Access {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Remote, Self::All];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Remote => "remote",
            Self::All => "all",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.word() == word)
    }
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// By where it comes from.
    Address,
    /// By a key of CURVE that it has shown to have.
    Key(Key),
    /// By a token of this hash.
    Token([u8; 32]),
    /// By a JWT of this hash.
    Jwt([u8; 32]),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Token(_) => f.write_str("token"),
            Self::Jwt(_) => f.write_str("JWT"),
        }
    }
}

/// Who somebody is, and by what that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: UserId,
    /// By what.
    pub by: Credential,
}

/// Where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its machine.
    pub address: IpAddr,
    /// What it says cannot be read on its way.
    pub is_private: bool,
}

impl Origin {
    /// Over a connection that anybody on its way can read.
    #[must_use]
    pub const fn open(address: IpAddr) -> Self {
        Self { address, is_private: false }
    }
}

/// Why rules do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The place of the rule in the list.
    pub rule: usize,
    /// The key in it that is wrong; empty, if it is none in particular.
    pub key: String,
    /// The name in it, and what is wrong.
    pub reason: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// All of them. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Users {
    access: Access,
    plain_remote: bool,
    /// By number; the first is `local`.
    all: Vec<User>,
    keys: Sorted<Key, UserId>,
    tokens: Vec<([u8; 32], UserId)>,
    /// The narrowest first.
    networks: Vec<(Network, UserId)>,
    /// Somebody may not send to everybody.
    is_restricting: bool,
    /// Whose JWTs are believed.
    issuer: Option<Issuer>,
}

impl Users {
    /// The number of whoever comes over loopback without credentials, and of everybody where nobody is asked.
    pub const LOCAL: UserId = UserId(0);

    /// Judges all rules of the node `namespace` together; users that were there `before` keep their numbers.
    ///
    /// # Errors
    /// The first rule that does not hold, and why.
    pub fn judge(
        access: Access,
        plain_remote: bool,
        namespace: &str,
        rules: &[UserRule],
        before: Option<&Self>,
    ) -> Result<Self, Wrong> {
        let local = User {
            name: LOCAL.into(),
            role: Role::Admin,
            names: Patterns::all(),
            to: Patterns::all(),
            sessions: Patterns::all(),
            send: Patterns::all(),
            system: None,
            publish: Patterns::all(),
            subscribe: Patterns::all(),
            is_there: true,
        };
        let mut all = before.map_or_else(Vec::new, |before| before.all.clone());
        for gone in &mut all {
            gone.is_there = false;
        }
        match all.first_mut() {
            Some(first) => *first = local,
            None => all.push(local),
        }
        let mut users = Self {
            access,
            plain_remote,
            all,
            keys: Sorted::new(),
            tokens: Vec::new(),
            networks: Vec::new(),
            is_restricting: false,
            issuer: None,
        };
        if rules.len() > USERS_MAX {
            let reason = format!("there are more than {USERS_MAX} users");
            return Err(Wrong { rule: USERS_MAX, key: String::new(), reason });
        }
        for (rule, one) in rules.iter().enumerate() {
            users.add(one, namespace, rules.get(..rule).unwrap_or_default()).map_err(|Flaw { key, why }| {
                let whose = if one.name.is_empty() { "a user" } else { &one.name };
                Wrong { rule, key, reason: format!("{whose}: {why}") }
            })?;
        }
        order::sort_by_key(&mut users.networks, |(network, _)| core::cmp::Reverse(network.bits()));
        let restricts = |user: &User| user.is_there && user.role != Role::Admin && !user.to.is_all();
        users.is_restricting = access != Access::Off && users.all.iter().any(restricts);
        Ok(users)
    }

    /// Lets those in who have a JWT by this rule; those that were let in `before` stay, if they are signed by the same key.
    ///
    /// # Errors
    /// The rule does not hold, and why.
    pub fn believe(&mut self, rule: &JwtRule, before: Option<&Self>) -> Result<(), String> {
        let issuer = Issuer::of(rule, before.and_then(|before| before.issuer.as_ref()))?;
        for (id, user) in issuer.users() {
            if let Some(place) = usize::try_from(id.0).ok().and_then(|place| self.all.get_mut(place)) {
                *place = user;
            }
        }
        self.issuer = Some(issuer);
        Ok(())
    }

    fn add(&mut self, rule: &UserRule, namespace: &str, earlier: &[UserRule]) -> Result<(), Flaw> {
        let (user, credentials) = rule.judge(namespace)?;
        if earlier.iter().any(|other| other.name == rule.name) {
            return Err(Flaw::of("name", "two users have this name"));
        }
        let id = match self.all.iter().position(|known| known.name == user.name) {
            Some(place) => {
                if let Some(known) = self.all.get_mut(place) {
                    *known = user;
                }
                place
            }
            None => {
                self.all.push(user);
                self.all.len() - 1
            }
        };
        let id = UserId(u32::try_from(id).map_err(|_| Flaw::of("", "there have been too many users"))?);
        let Credentials { keys, tokens, networks } = credentials;
        let taken = |other: UserId, key: &str, shown: &str, cure: &str| match self.get(other) {
            _ if other == id => Flaw::of(key, format!("{key}{shown}: it stands there twice: once is enough")),
            Some(other) => Flaw::of(key, format!("{key}{shown}: {} has it too: {cure}", other.name)),
            None => Flaw::of(key, ""),
        };
        for key in &keys {
            if let Some(other) = self.keys.get(key) {
                return Err(taken(*other, "key", &format!(" {key}"), "make one of them another pair (instep key new)"));
            }
        }
        for hash in &tokens {
            if let Some((_, other)) = self.tokens.iter().find(|(known, _)| known == hash) {
                return Err(taken(*other, "token", "", "make one of them another (instep token new)"));
            }
        }
        for (network, word) in networks.iter().zip(&rule.address) {
            if let Some((_, other)) = self.networks.iter().find(|(known, _)| known == network) {
                return Err(taken(*other, "address", &format!(" {word}"), "let one of them have it"));
            }
        }
        self.keys.extend(keys.into_iter().map(|key| (key, id)));
        self.tokens.extend(tokens.into_iter().map(|hash| (hash, id)));
        self.networks.extend(networks.into_iter().map(|network| (network, id)));
        Ok(())
    }

    // ---- Who is who ----

    /// Whether nobody is asked who he is, and rights go by where somebody comes from.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.access == Access::Off
    }

    /// Whether somebody may not send to everybody.
    #[must_use]
    pub const fn is_restricting(&self) -> bool {
        self.is_restricting
    }

    /// A user that has not been taken out.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.all.get(usize::try_from(id.0).ok()?).filter(|user| user.is_there)
    }

    /// All of them, `local` first where anybody is that.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        let has_local = self.access == Access::Remote;
        self.all.iter().filter(move |user| user.is_there && (has_local || *user.name != *LOCAL))
    }

    /// The user of this name, and its number.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(UserId, &User)> {
        let place = self.all.iter().position(|user| user.is_there && *user.name == *name)?;
        Some((UserId(u32::try_from(place).ok()?), self.all.get(place)?))
    }

    /// Who comes from there and says nothing about himself.
    #[must_use]
    pub fn by_address(&self, address: IpAddr) -> Option<Login> {
        let address = address.to_canonical();
        let by_rule = || self.networks.iter().find(|(network, _)| network.contains(address)).map(|(_, user)| *user);
        let is_local = || self.access == Access::Remote && address.is_loopback();
        let user = match self.access {
            Access::Off => Some(Self::LOCAL),
            Access::Remote | Access::All => by_rule().or_else(|| is_local().then_some(Self::LOCAL)),
        };
        user.map(|user| Login { user, by: Credential::Address })
    }

    /// Whose key this is.
    #[must_use]
    pub fn by_key(&self, key: &[u8; 32]) -> Option<Login> {
        let key = Key(*key);
        self.keys.get(&key).map(|user| Login { user: *user, by: Credential::Key(key) })
    }

    /// Whose token this is. With a name it must be that user's; `?` is anybody's.
    #[must_use]
    pub fn by_token(&self, name: Option<&str>, token: &str) -> Option<Login> {
        if !is_token(token) {
            return None;
        }
        let login = self.by_hash(&hash(token))?;
        let is_named = |name: &str| self.goes_by(login.user, name);
        name.is_none_or(is_named).then_some(login)
    }

    /// Why a token lets nobody in who has come with it, and with this name.
    #[must_use]
    pub fn stranger(name: Option<&str>) -> &'static str {
        if name.is_none_or(|name| name == ANYBODY) {
            "no user has this token"
        } else {
            "no user of that name has this token"
        }
    }

    /// Whose JWT this is, at this second since 1970.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub fn by_jwt(&mut self, token: &str, now: f64) -> Result<Login, &'static str> {
        let issuer = self.issuer.as_ref().ok_or("no user has this token")?;
        let hash = hash(token);
        let login = |user| Login { user, by: Credential::Jwt(hash) };
        if let Some(user) = issuer.known(&hash, now) {
            return Ok(login(user));
        }
        let (user, place) = issuer.judge(token, now)?;
        self.holds_jwt(user, place, now).map(login)
    }

    /// The number of a user whose JWT was verified, which is remembered.
    pub(super) fn holds_jwt(&mut self, user: User, place: Place, now: f64) -> Result<UserId, &'static str> {
        // Who is known by another token that grants the same is the same one.
        let is_it = |one: &User| one.system.is_some() && one.name == user.name && one.send == user.send;
        let found = self.all.iter().position(|one| is_it(one) && one.role == user.role);
        let n = match found {
            Some(n) => n,
            None if self.all.iter().filter(|one| one.system.is_some()).count() >= JWT_USERS_MAX => {
                return Err("too many systems have come with a JWT");
            }
            None => self.all.len(),
        };
        let id = UserId(u32::try_from(n).map_err(|_| "there have been too many users")?);
        match self.all.get_mut(n) {
            Some(place) => *place = user,
            None => self.all.push(user),
        }
        if let Some(issuer) = &mut self.issuer {
            issuer.remember(place, id, now);
        }
        Ok(id)
    }

    #[cfg(test)]
    pub(super) const fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Whether a user may show what it is known by under this name: its own, or `?` for whoever it is.
    #[must_use]
    pub fn goes_by(&self, id: UserId, name: &str) -> bool {
        name == ANYBODY || self.get(id).is_some_and(|user| user.is(name))
    }

    /// Whether a word is to be judged as a JWT and not as a token.
    #[must_use]
    pub fn takes_jwt(&self, word: &str) -> bool {
        self.issuer.is_some() && is_jwt(word)
    }

    /// Every hash is looked at, so that the time tells nothing.
    fn by_hash(&self, hash: &[u8; 32]) -> Option<Login> {
        let mut found = None;
        for (known, user) in &self.tokens {
            if is_same(known, hash) {
                found = Some(Login { user: *user, by: Credential::Token(*known) });
            }
        }
        found
    }

    /// Whether a token or a password may be used from there: nobody on its way should read it.
    #[must_use]
    pub fn takes_tokens_from(&self, origin: Origin) -> bool {
        self.plain_remote || origin.is_private || origin.address.to_canonical().is_loopback()
    }

    /// Who somebody is now that was known as `login` by earlier rules.
    #[must_use]
    pub fn again(&self, login: Login, origin: Origin, now: f64) -> Option<Login> {
        match login.by {
            _ if self.is_off() => Some(Login { user: Self::LOCAL, ..login }),
            Credential::Address => self.by_address(origin.address),
            Credential::Key(key) => self.by_key(&key.0),
            Credential::Token(hash) if self.takes_tokens_from(origin) => self.by_hash(&hash),
            Credential::Jwt(hash) if self.takes_tokens_from(origin) => {
                let user = self.issuer.as_ref().and_then(|issuer| issuer.known(&hash, now));
                user.map(|user| Login { user, ..login })
            }
            Credential::Token(_) | Credential::Jwt(_) => None,
        }
    }

    /// What a user lacks for an action: a role, or a list that has its target. Nothing, if it may.
    #[must_use]
    pub fn lacks(&self, id: Option<UserId>, action: Action, target: Target<'_>) -> Option<&'static str> {
        match id.and_then(|id| self.get(id)) {
            Some(user) => lacks(user, action, target),
            None => Some(action.needs().word()),
        }
    }

    /// A line for each user: who, what, and by what it is known.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let credentials = |id: UserId| {
            let mut words: Vec<String> =
                self.keys.iter().filter(|(_, user)| **user == id).map(|(key, _)| format!("key {key}")).collect();
            words.extend(self.tokens.iter().filter(|(_, user)| *user == id).map(|_| "a token".to_owned()));
            words.extend(
                self.networks.iter().filter(|(_, user)| *user == id).map(|(network, _)| format!("address {network}")),
            );
            if id == Self::LOCAL && self.access == Access::Remote {
                words.push("loopback".to_owned());
            }
            if words.is_empty() { "nothing: nobody can be this user".to_owned() } else { words.join(", ") }
        };
        let line = |user: &User| {
            let id = self.named(&user.name).map_or(Self::LOCAL, |(id, _)| id);
            let User { name, role, names, to, sessions, send, .. } = user;
            let what = match role {
                Role::Admin => "may everything".to_owned(),
                Role::Viewer => format!("looks at sessions {sessions}"),
                Role::Node => format!("is node {names}, sessions {sessions}, sends {send}"),
                Role::Provider => "is dialled".to_owned(),
                Role::Component | Role::Controller => {
                    format!("signs in as {names}, to {to}, sessions {sessions}, sends {send}")
                }
            };
            format!("{name} ({role}) {what}; known by {}", credentials(id))
        };
        let of_rules = self.iter().filter(|user| user.system.is_none()).map(line);
        let unasked: Vec<String> = self.networks.iter().map(|(network, _)| network.to_string()).collect();
        let unasked = (!unasked.is_empty()).then(|| {
            let unasked = unasked.join(", ");
            format!("from {unasked} nobody is asked for a key or a token (address): NULL is spoken with whoever sits there, with auth = all too")
        });
        of_rules.chain(self.issuer.as_ref().map(Issuer::told)).chain(unasked).collect()
    }
}
