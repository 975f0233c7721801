//! JSON Web Tokens (RFC 7519) of clients of C2SIM: signed with RS256 (RFC 7518, 3.3) by an identity provider whose public key is ours to name.
//!
//! What a token says of itself decides nothing: which algorithm it is signed by is fixed, and its JSON is read when its signature is known to be
//! right. Whoever is verified is a user of a role that our rules give, and may hand in what the token grants.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::pattern::Patterns;
use super::role::Role;
use super::rsa::PublicKey;
use super::token::{decoded, hash, is_same};
use super::user::{User, UserId};
use crate::limits::{JWT_BYTES_MAX, JWT_SYSTEM_BYTES_MAX, JWTS_MAX, PATTERNS_MAX};

/// What the users begin with who are known by such tokens.
pub(super) const PREFIX: &str = "jwt:";
/// What the token must be for.
const WORD: &str = "c2sim";
/// Seconds by which clocks may differ.
const SKEW: f64 = 30.0;

/// Whose JWTs are believed: the table `[jwt]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtRule {
    /// File of the public key that they are signed by: PEM, RSA of 2048 to 4096 bits. Empty: none are believed.
    pub public_key: String,
    /// What is in that file; a server reads it.
    pub pem: String,
    /// What those are here for who have one: `viewer`, `component` or `controller`.
    pub role: Role,
    /// The sessions that they may take part in; all by default.
    pub sessions: Vec<String>,
}

impl JwtRule {
    /// Reads the table of the file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn from_table(table: &Map<String, Value>) -> Result<Self, String> {
        let mut rule = Self::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("public_key", Value::String(path)) if !path.is_empty() => path.clone_into(&mut rule.public_key),
                ("role", Value::String(word)) => {
                    rule.role = Role::of_word(word).ok_or_else(|| format!("there is no role '{word}'"))?;
                }
                ("sessions", Value::String(word)) => rule.sessions = vec![word.clone()],
                ("sessions", Value::Array(items)) if !items.is_empty() => {
                    let words = items.iter().map(|item| item.as_str().map(str::to_owned));
                    rule.sessions = words.collect::<Option<_>>().ok_or("sessions is a list of strings")?;
                }
                ("public_key" | "role" | "sessions", _) => {
                    return Err(format!("{key} is a string that is not empty, or of sessions a list of them"));
                }
                _ => return Err(format!("there is no '{key}', but public_key, role and sessions")),
            }
        }
        if rule.public_key.is_empty() {
            return Err("public_key is missing: the file of the key that tokens are signed by".to_owned());
        }
        if !matches!(rule.role, Role::Viewer | Role::Component | Role::Controller) {
            return Err("role is viewer, component or controller".to_owned());
        }
        rule.patterns().map(|_| rule)
    }

    /// The table as the file has it.
    #[must_use]
    pub(crate) fn to_table(&self) -> String {
        let word = |word: &str| Value::from(word).to_string();
        let mut text = format!("\n[jwt]\npublic_key = {}\nrole = {}\n", word(&self.public_key), word(self.role.word()));
        if !self.sessions.is_empty() {
            let words: Vec<String> = self.sessions.iter().map(|session| word(session)).collect();
            text.push_str(&format!("sessions = [{}]\n", words.join(", ")));
        }
        text
    }

    fn patterns(&self) -> Result<Patterns, String> {
        if self.sessions.len() > PATTERNS_MAX {
            return Err(format!("sessions: there are more than {PATTERNS_MAX} words"));
        }
        if self.sessions.is_empty() { Ok(Patterns::all()) } else { Patterns::parse(&self.sessions) }
    }
}

/// What a token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    /// The system that its holder speaks for.
    system: Box<str>,
    /// Kinds of documents, in the words of users.
    send: Vec<String>,
    /// It may command the simulation.
    commands: bool,
}

impl Grant {
    /// What a payload grants: to whom, until when.
    fn read(payload: &Map<String, Value>, now: f64) -> Result<(Self, f64), &'static str> {
        // One word, some with blanks in between, or a list.
        let words = |key: &str| -> Vec<&str> {
            match payload.get(key) {
                Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
                Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            }
        };
        let until = payload.get("exp").and_then(Value::as_f64).ok_or("the JWT has no time at which it ends (exp)")?;
        if until + SKEW <= now {
            return Err("the JWT has expired (exp)");
        }
        if let Some(from) = payload.get("nbf")
            && from.as_f64().is_none_or(|from| from - SKEW > now)
        {
            return Err("the JWT does not hold yet (nbf)");
        }
        if !words("aud").contains(&WORD) || !words("scope").contains(&WORD) {
            return Err("the JWT is not for c2sim (aud, scope)");
        }
        let system = payload.get("fromSendingSystem").and_then(Value::as_str).unwrap_or_default();
        let is_letter = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if system.is_empty() || system.len() > JWT_SYSTEM_BYTES_MAX || !system.bytes().all(is_letter) {
            return Err("the JWT does not say whose it is (fromSendingSystem)");
        }
        let (categories, groups) = (words("messageType"), words("systemMessageType"));
        let has = |category: &str| categories.contains(&category);
        let mut send = Vec::new();
        for (granted, kinds) in [
            (has("C2SIMInitialization") || has("ObjectInitialization"), &["initialization"][..]),
            (has("DomainMessage"), &["orders", "reports"]),
            (has("DomainMessage") || has("SystemMessage") || has("SystemAcknowledgement"), &["other"]),
        ] {
            send.extend(kinds.iter().filter(|_| granted).map(|kind| (*kind).to_owned()));
        }
        let commands = has("SystemMessage") && groups.contains(&"SIMAN");
        Ok((Self { system: system.into(), send, commands }, until))
    }
}

/// A token that was verified.
#[derive(Clone, Debug)]
struct Verified {
    hash: [u8; 32],
    until: f64,
    grant: Grant,
    user: UserId,
}

/// Whoever signs them, and those that were verified.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    key: PublicKey,
    rule: JwtRule,
    sessions: Patterns,
    verified: Vec<Verified>,
}

impl Issuer {
    /// The one that a rule describes. What `before` has verified is so still, if it is the same one.
    pub(super) fn of(rule: &JwtRule, before: Option<&Self>) -> Result<Self, String> {
        let key = PublicKey::of_pem(&rule.pem).map_err(|why| format!("public_key {}: {why}", rule.public_key))?;
        let same = before.filter(|before| before.key == key);
        let verified = same.map_or_else(Vec::new, |before| before.verified.clone());
        Ok(Self { key, rule: rule.clone(), sessions: rule.patterns()?, verified })
    }

    /// In one line, for people.
    pub(super) fn told(&self) -> String {
        let (role, file) = (self.rule.role, &self.rule.public_key);
        format!("{PREFIX}* ({role}) sessions {}; known by a JWT of the key in {file}", self.sessions)
    }

    /// Those that were verified, as users.
    pub(super) fn users(&self) -> impl Iterator<Item = (UserId, User)> {
        self.verified.iter().map(|one| (one.user, self.user(&one.grant)))
    }

    /// Whose token has this hash, if it was verified and holds.
    pub(super) fn known(&self, hash: &[u8; 32], now: f64) -> Option<UserId> {
        let known = self.verified.iter().find(|one| is_same(&one.hash, hash));
        known.filter(|one| now < one.until + SKEW).map(|one| one.user)
    }

    /// Who has a token that is not known, and a place to remember that.
    ///
    /// # Errors
    /// Why nobody has.
    pub(super) fn judge(&self, token: &str, now: f64) -> Result<(User, Place), &'static str> {
        let (grant, until) = verify(&self.key, token, now)?;
        Ok((self.user(&grant), Place { hash: hash(token), until, grant }))
    }

    /// Remembers whom a token has turned out to be of: the one that ends first is forgotten for it, where there are too many.
    pub(super) fn remember(&mut self, place: Place, user: UserId, now: f64) {
        self.verified.retain(|one| now < one.until + SKEW);
        if self.verified.len() >= JWTS_MAX {
            let first = self.verified.iter().enumerate().min_by(|(_, a), (_, b)| a.until.total_cmp(&b.until));
            if let Some(n) = first.map(|(n, _)| n) {
                self.verified.swap_remove(n);
            }
        }
        let Place { hash, until, grant } = place;
        self.verified.push(Verified { hash, until, grant, user });
    }

    fn user(&self, grant: &Grant) -> User {
        let role = match self.rule.role {
            Role::Controller if !grant.commands => Role::Component,
            Role::Controller => Role::Controller,
            role @ (Role::Viewer | Role::Component | Role::Node | Role::Provider | Role::Admin) => role,
        };
        let none = || Patterns::parse(&[]).unwrap_or_else(|_| Patterns::all());
        User {
            name: format!("{PREFIX}{}", grant.system).into(),
            role,
            names: none(),
            publish: none(),
            subscribe: none(),
            to: Patterns::all(),
            sessions: self.sessions.clone(),
            send: Patterns::parse(&grant.send).unwrap_or_else(|_| Patterns::all()),
            system: Some(grant.system.clone()),
            is_there: true,
        }
    }
}

/// What is to be remembered of a token.
#[derive(Debug)]
pub(super) struct Place {
    hash: [u8; 32],
    until: f64,
    grant: Grant,
}

/// Whether a word has the shape of such a token.
#[must_use]
pub(super) fn is_jwt(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    word.len() <= JWT_BYTES_MAX && word.bytes().all(is_letter) && word.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What a token grants that is signed by `key`, and until when.
fn verify(key: &PublicKey, token: &str, now: f64) -> Result<(Grant, f64), &'static str> {
    let (text, signature) = token.rsplit_once('.').ok_or("that is no JWT")?;
    let (header, payload) = text.split_once('.').ok_or("that is no JWT")?;
    let read = |part: &str| decoded(&URL_SAFE_NO_PAD, part).ok_or("a part of the JWT is no base64url");
    let signature = read(signature)?;
    if !key.verifies(text.as_bytes(), &signature) {
        return Err("the JWT is not signed by the key in [jwt] with RS256");
    }
    let object = |part: &str| match serde_json::from_slice(&read(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err("a part of the JWT is no JSON object"),
    };
    let header: Map<String, Value> = object(header)?;
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err("the JWT says that it is signed with something else than RS256 (alg)");
    }
    if header.contains_key("crit") {
        return Err("the JWT asks for something that is not known here (crit)");
    }
    Grant::read(&object(payload)?, now)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use serde_json::json;

    use super::super::rsa::samples::{PUBLIC, sign};
    use super::super::{Access, Credential, Login, Origin, Users};
    use super::*;
    use crate::limits::JWT_USERS_MAX;

    const NOW: f64 = 1_800_000_000.0;

    fn payload() -> Value {
        json!({
            "aud": "c2sim", "scope": "openid c2sim", "exp": NOW + 100.0, "fromSendingSystem": "CWIX",
            "messageType": ["DomainMessage", "SystemMessage"], "systemMessageType": ["SIMAN", "QUERY"]
        })
    }

    fn token(header: &Value, payload: &Value) -> String {
        let letters = |bytes: &[u8]| {
            let mut letters = vec![0; 2 * bytes.len() + 4];
            let len = URL_SAFE_NO_PAD.encode_slice(bytes, &mut letters).unwrap();
            String::from_utf8(letters[..len].to_vec()).unwrap()
        };
        let part = |part: &Value| letters(part.to_string().as_bytes());
        let text = format!("{}.{}", part(header), part(payload));
        format!("{text}.{}", letters(&sign(&text)))
    }

    fn good(payload: &Value) -> String {
        token(&json!({"alg": "RS256", "typ": "JWT"}), payload)
    }

    fn with(key: &str, value: Value) -> Value {
        let mut payload = payload();
        payload[key] = value;
        payload
    }

    fn rule() -> JwtRule {
        JwtRule {
            public_key: "x.pem".into(),
            pem: PUBLIC.into(),
            role: Role::Controller,
            sessions: vec!["drill*".into()],
        }
    }

    fn users(rule: &JwtRule, before: Option<&Users>) -> Users {
        let mut users = Users::judge(Access::All, false, "N1", &[], before).unwrap();
        users.believe(rule, before).unwrap();
        users
    }

    fn who(users: &mut Users, token: &str) -> Result<(String, Role, String), &'static str> {
        let login = users.by_jwt(token, NOW)?;
        let user = users.get(login.user).unwrap();
        Ok((user.name.to_string(), user.role, user.send.to_string()))
    }

    #[test]
    fn a_token_is_of_its_system_and_grants_what_it_says() {
        let mut users = users(&rule(), None);
        let all = who(&mut users, &good(&payload())).unwrap();
        assert_eq!(all, ("jwt:CWIX".into(), Role::Controller, "orders, reports, other".into()));
        for (payload, role, send) in [
            (with("systemMessageType", json!("QUERY")), Role::Component, "orders, reports, other"),
            (with("messageType", json!("C2SIMInitialization")), Role::Component, "initialization"),
            (with("messageType", json!([])), Role::Component, ""),
            (with("messageType", json!("SystemMessage")), Role::Controller, "other"),
        ] {
            assert_eq!(who(&mut users, &good(&payload)), Ok(("jwt:CWIX".into(), role, send.into())), "{payload}");
        }
        let user = users.by_jwt(&good(&payload()), NOW).unwrap();
        let user = users.get(user.user).unwrap();
        assert!(user.sessions.find(b"drill7").is_some() && user.sessions.find(b"war").is_none());
        assert_eq!((user.system.as_deref(), user.names.find(b"N1.CWIX")), (Some("CWIX"), None));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_refused() {
        let mut users = users(&rule(), None);
        let mut said = |token: &str| who(&mut users, token).unwrap_err();
        for (payload, wanted) in [
            (with("exp", json!(NOW - 31.0)), "the JWT has expired (exp)"),
            (with("exp", json!("soon")), "the JWT has no time at which it ends (exp)"),
            (with("nbf", json!(NOW + 31.0)), "the JWT does not hold yet (nbf)"),
            (with("nbf", json!("x")), "the JWT does not hold yet (nbf)"),
            (with("aud", json!(["other"])), "the JWT is not for c2sim (aud, scope)"),
            (with("scope", json!("c2sim-other")), "the JWT is not for c2sim (aud, scope)"),
            (with("fromSendingSystem", json!("")), "the JWT does not say whose it is (fromSendingSystem)"),
            (
                with("fromSendingSystem", json!("x".repeat(JWT_SYSTEM_BYTES_MAX + 1))),
                "the JWT does not say whose it is (fromSendingSystem)",
            ),
            (json!([1]), "a part of the JWT is no JSON object"),
        ] {
            assert_eq!(said(&good(&payload)), wanted);
        }
        // What it says of its algorithm never decides.
        for alg in ["none", "None", "HS256", "RS512", "PS256"] {
            assert!(said(&token(&json!({"alg": alg}), &payload())).ends_with("(alg)"));
        }
        assert!(said(&token(&json!({"alg": "RS256", "crit": ["exp"]}), &payload())).ends_with("(crit)"));
        let whole = good(&payload());
        let (text, signature) = whole.rsplit_once('.').unwrap();
        let not_signed = "the JWT is not signed by the key in [jwt] with RS256";
        assert_eq!(said(&format!("{text}.")), not_signed);
        assert_eq!(said(&format!("{}x.{signature}", &text[..text.len() - 1])), not_signed);
        let padded = "a part of the JWT is no base64url";
        assert_eq!(said(&format!("{whole}==")), padded);
        assert_eq!(said(&format!("{text}.{}", signature.replace(['-', '_'], "+"))), padded);
        assert_eq!(said("x"), "that is no JWT");
        assert!(is_jwt(&whole) && !is_jwt(text) && !is_jwt(&format!("{whole}.x")));
        assert!(!is_jwt(&format!("{}{whole}", "x".repeat(JWT_BYTES_MAX))));
    }

    #[test]
    fn who_is_known_stays_so_until_the_token_ends_or_another_key_is_believed() {
        let mut first = users(&rule(), None);
        let known = good(&payload());
        let login = first.by_jwt(&known, NOW).unwrap();
        assert_eq!(first.by_jwt(&known, NOW + 129.0), Ok(login));
        assert_eq!(first.by_jwt(&known, NOW + 131.0), Err("the JWT has expired (exp)"));
        let other = good(&with("exp", json!(NOW + 500.0)));
        assert_eq!(first.by_jwt(&other, NOW).unwrap().user, login.user, "one system that may the same is one user");
        let origin = Origin { address: [127, 0, 0, 1].into(), is_private: false };
        let less = users(&JwtRule { role: Role::Viewer, ..rule() }, Some(&first));
        assert_eq!(less.again(login, origin, NOW), Some(login));
        assert_eq!(less.get(login.user).unwrap().role, Role::Viewer);
        assert_eq!(less.again(login, origin, NOW + 131.0), None, "it has ended");
        assert_eq!(less.again(login, Origin::open([10, 0, 0, 1].into()), NOW), None);
        let none = Users::judge(Access::All, false, "N1", &[], Some(&first)).unwrap();
        assert!(none.again(login, origin, NOW).is_none() && none.get(login.user).is_none());
        assert!(!none.takes_jwt(&known) && less.takes_jwt(&known));
        assert!(matches!(login, Login { by: Credential::Jwt(_), .. }));
        assert_eq!(less.told(), ["jwt:* (viewer) sessions drill*; known by a JWT of the key in x.pem"]);
    }

    #[test]
    fn neither_tokens_nor_users_are_kept_without_end() {
        let mut users = users(&rule(), None);
        let mut seen = 0;
        for n in 0..JWT_USERS_MAX + 2 {
            let payload = with("fromSendingSystem", json!(format!("S{n}")));
            let (grant, until) = Grant::read(payload.as_object().unwrap(), NOW).unwrap();
            let user = users.issuer().unwrap().user(&grant);
            match users.holds_jwt(user, Place { hash: hash(&n.to_string()), until, grant }, NOW) {
                Ok(_) => seen += 1,
                Err(why) => assert_eq!(why, "too many systems have come with a JWT"),
            }
        }
        assert_eq!(seen, JWT_USERS_MAX);
        assert_eq!(users.issuer().unwrap().verified.len(), JWTS_MAX);
    }

    #[test]
    fn a_table_is_read_and_written_alike() {
        let read = |table: Value| JwtRule::from_table(table.as_object().unwrap());
        let rule = read(json!({"public_key": "a.pem", "role": "controller", "sessions": ["x*", "y"]})).unwrap();
        assert_eq!(
            rule.to_table(),
            "\n[jwt]\npublic_key = \"a.pem\"\nrole = \"controller\"\nsessions = [\"x*\", \"y\"]\n"
        );
        for (table, wanted) in [
            (json!({"role": "viewer"}), "public_key is missing"),
            (json!({"public_key": "a", "role": "admin"}), "role is viewer, component or controller"),
            (json!({"public_key": "a", "role": "king"}), "there is no role 'king'"),
            (json!({"public_key": "a", "role": "viewer", "sessions": []}), "sessions is a string that is not empty"),
            (json!({"public_key": "a", "audience": "x"}), "there is no 'audience'"),
            (json!({"public_key": 7}), "public_key is a string"),
        ] {
            assert!(read(table.clone()).unwrap_err().starts_with(wanted), "{table}");
        }
        let none = JwtRule { pem: "x".into(), ..rule };
        let wrong = Users::judge(Access::All, false, "N1", &[], None).unwrap().believe(&none, None).unwrap_err();
        assert_eq!(wrong, "public_key a.pem: it holds no -----BEGIN PUBLIC KEY-----");
    }
}
