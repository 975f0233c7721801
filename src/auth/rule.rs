//! A user as the configuration describes it: a table `[[users]]`.

use serde_json::{Map, Value};

use super::key::{Key, KeyFile};
use super::pattern::Patterns;
use super::role::Role;
use super::token::{is_token, read_hash};
use super::user::{LOCAL, User};
use crate::http::forwarded::Network;
use crate::limits::{CREDENTIALS_MAX, NAME_BYTES_MAX};
use crate::spelling::meant;

/// A user: who it is, and what it may. Where a list is empty its default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRule {
    /// Its name, for the log, for lists, and beside a password.
    pub name: String,
    /// What it is here for.
    pub role: Role,
    /// Its public keys, each 40 letters of Z85.
    pub key: Vec<String>,
    /// Hashes of its tokens, as `sha256:` and 64 digits.
    pub token: Vec<String>,
    /// Addresses and networks from which nobody is asked who he is.
    pub address: Vec<String>,
    /// The names under which it may sign in, or of a node its namespaces. By default its own, and those of `instep ctl`: `ctl-*`.
    pub names: Vec<String>,
    /// Whom it may send to; everybody by default.
    pub to: Vec<String>,
    /// The sessions that it may take part in; all by default.
    pub sessions: Vec<String>,
    /// The kinds of documents that it may send, of [`UserRule::KINDS`]; all by default.
    pub send: Vec<String>,
    /// The topics of published data and log messages that it may publish; all by default.
    pub publish: Vec<String>,
    /// The topics of these that it may subscribe to, each with a star at its end; all by default.
    pub subscribe: Vec<String>,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The key that it is about; empty, if it is about none.
    pub(crate) key: String,
    /// In words.
    pub(crate) why: String,
}

impl Flaw {
    pub(super) fn of(key: &str, why: impl Into<String>) -> Self {
        Self { key: key.to_owned(), why: why.into() }
    }
}

/// The names under which commands sign in.
const VISITORS: &str = "ctl-*";

/// What of a rule somebody is known by.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) keys: Vec<Key>,
    pub(super) tokens: Vec<[u8; 32]>,
    pub(super) networks: Vec<Network>,
}

impl UserRule {
    /// The kinds of documents.
    pub const KINDS: [&str; 4] = ["initialization", "orders", "reports", "other"];

    /// The keys whose values are lists, or one word.
    pub(super) const LISTS: [&str; 9] =
        ["key", "token", "address", "names", "to", "sessions", "send", "publish", "subscribe"];

    /// A user without credentials, and with every list at its default.
    #[must_use]
    pub fn of(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, ..Self::default() }
    }

    /// The user of a file in a directory of keys.
    #[must_use]
    pub(crate) fn of_file(file: KeyFile) -> Self {
        Self { names: vec![file.name.clone()], name: file.name, key: vec![file.key], ..Self::default() }
    }

    fn list(&self, key: &str) -> &Vec<String> {
        match key {
            "key" => &self.key,
            "token" => &self.token,
            "address" => &self.address,
            "names" => &self.names,
            "to" => &self.to,
            "sessions" => &self.sessions,
            "publish" => &self.publish,
            "subscribe" => &self.subscribe,
            _ => &self.send,
        }
    }

    fn list_mut(&mut self, key: &str) -> &mut Vec<String> {
        match key {
            "key" => &mut self.key,
            "token" => &mut self.token,
            "address" => &mut self.address,
            "names" => &mut self.names,
            "to" => &mut self.to,
            "sessions" => &mut self.sessions,
            "publish" => &mut self.publish,
            "subscribe" => &mut self.subscribe,
            _ => &mut self.send,
        }
    }

    /// Reads one table of the file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn from_table(table: &Map<String, Value>) -> Result<Self, Flaw> {
        let mut one = Self::default();
        if !table.contains_key("role") {
            return Err(Flaw::of("", format!("role is missing: {}", Role::ALL.map(Role::word).join(", "))));
        }
        for (key, value) in table {
            match (key.as_str(), value) {
                ("name", Value::String(name)) => name.clone_into(&mut one.name),
                ("role", Value::String(word)) => {
                    one.role = Role::of_word(word).ok_or_else(|| {
                        let meant = meant(word, Role::ALL.map(Role::word));
                        let all = Role::ALL.map(Role::word).join(", ");
                        Flaw::of(key, format!("there is no role '{word}'{meant} ({all})"))
                    })?;
                }
                ("name" | "role", _) => return Err(Flaw::of(key, format!("{key} is a string"))),
                (key, value) if Self::LISTS.contains(&key) => {
                    let words = match value {
                        Value::String(word) => Some(vec![word.clone()]),
                        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
                    };
                    let words =
                        words.ok_or_else(|| Flaw::of(key, format!("{key} is a string, or a list of strings")))?;
                    if words.is_empty() {
                        return Err(Flaw::of(key, format!("{key} is empty: leave it out for its default")));
                    }
                    *one.list_mut(key) = words;
                }
                (key, _) => {
                    let meant = meant(key, ["name", "role"].into_iter().chain(Self::LISTS));
                    let before = "; a setting stands in front of the first [[users]]";
                    let meant = if meant.is_empty() { before } else { &meant };
                    return Err(Flaw::of(key, format!("a user has no '{key}'{meant}")));
                }
            }
        }
        Ok(one)
    }

    /// The table as the file has it.
    #[must_use]
    pub(crate) fn to_table(&self) -> String {
        let word = |word: &str| Value::from(word).to_string();
        let mut text = format!("\n[[users]]\nname = {}\nrole = {}\n", word(&self.name), word(self.role.word()));
        for key in Self::LISTS {
            let words: Vec<String> = self.list(key).iter().map(|item| word(item)).collect();
            match words.as_slice() {
                [] => {}
                [one] => text.push_str(&format!("{key} = {one}\n")),
                several => text.push_str(&format!("{key} = [{}]\n", several.join(", "))),
            }
        }
        text
    }

    /// The user that is meant, at the node `namespace`, and what it is known by.
    pub(super) fn judge(&self, namespace: &str) -> Result<(User, Credentials), Flaw> {
        let is_letter = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        if self.name.is_empty() || self.name.len() > 2 * NAME_BYTES_MAX + 1 || !self.name.bytes().all(is_letter) {
            return Err(Flaw::of("name", "a name has letters, digits and marks, and no blanks"));
        }
        if self.name == "?" {
            return Err(Flaw::of("name", "the name ? stands for whoever has the password"));
        }
        if self.name.starts_with(super::jwt::PREFIX) {
            return Err(Flaw::of("name", "names with jwt: are of those who have a JWT"));
        }
        let is_local = self.name == LOCAL;
        if let Some(key) = ["key", "token", "address"].into_iter().find(|key| is_local && !self.list(key).is_empty()) {
            let why = "local is whoever comes over loopback without a key or a token: it has none";
            return Err(Flaw::of(key, why));
        }
        let told = |key: &'static str| move |why: String| Flaw::of(key, format!("{key}: {why}"));
        // Beside its own name, those of our own commands, which are nobody's for long.
        let own = [self.name.clone(), VISITORS.to_owned()];
        let names = match (self.names.as_slice(), self.role) {
            ([], Role::Node) => Patterns::parse(own.get(..1).unwrap_or_default()),
            (given, Role::Node) => Patterns::parse(given),
            ([], _) if is_local => Ok(Patterns::all()),
            (given, _) => Patterns::parse_full(if given.is_empty() { &own } else { given }, namespace),
        };
        let or_all = |given: &[String], read: Result<Patterns, String>| {
            if given.is_empty() { Ok(Patterns::all()) } else { read }
        };
        if let Some(other) = self.send.iter().find(|word| !Self::KINDS.contains(&word.as_str())) {
            return Err(Flaw::of("send", format!("send: there is no kind '{other}', but {}", Self::KINDS.join(", "))));
        }
        if let Some(whole) = self.subscribe.iter().find(|word| !word.ends_with('*')) {
            return Err(Flaw::of(
                "subscribe",
                format!("subscribe: '{whole}' has no star at its end: whoever subscribes gets all that begins so"),
            ));
        }
        let user = User {
            name: self.name.as_str().into(),
            role: self.role,
            names: names.map_err(told("names"))?,
            to: or_all(&self.to, Patterns::parse_full(&self.to, namespace)).map_err(told("to"))?,
            sessions: or_all(&self.sessions, Patterns::parse(&self.sessions)).map_err(told("sessions"))?,
            send: or_all(&self.send, Patterns::parse(&self.send)).map_err(told("send"))?,
            system: None,
            publish: or_all(&self.publish, Patterns::parse(&self.publish)).map_err(told("publish"))?,
            subscribe: or_all(&self.subscribe, Patterns::parse(&self.subscribe)).map_err(told("subscribe"))?,
            is_there: true,
        };
        Ok((user, self.credentials()?))
    }

    fn credentials(&self) -> Result<Credentials, Flaw> {
        for key in ["key", "token", "address"] {
            if self.list(key).len() > CREDENTIALS_MAX {
                return Err(Flaw::of(key, format!("{key}: there are more than {CREDENTIALS_MAX}")));
            }
        }
        let key = |word: &String| {
            let why = || Flaw::of("key", format!("key: '{word}' is no public key: 40 letters of Z85 are one"));
            Key::parse(word).ok_or_else(why)
        };
        let token = |word: &String| {
            read_hash(word).ok_or_else(|| {
                // A token is not repeated anywhere.
                let what =
                    if is_token(word) { "is a token itself, which nobody else should see" } else { "is no hash" };
                let why = format!("token: what stands there {what}: write sha256: and 64 digits (instep token new)");
                Flaw::of("token", why)
            })
        };
        let network = |word: &String| {
            let why = || Flaw::of("address", format!("address: '{word}' is no address and no network like 10.0.0.0/8"));
            Network::parse(word).ok_or_else(why)
        };
        Ok(Credentials {
            keys: self.key.iter().map(key).collect::<Result<_, _>>()?,
            tokens: self.token.iter().map(token).collect::<Result<_, _>>()?,
            networks: self.address.iter().map(network).collect::<Result<_, _>>()?,
        })
    }
}
