//! The table of keys: how each is written, read and set, and a whole configuration as a document.

use core::fmt;

use super::channel::{ChannelPort, Drops};
use super::lines::line_of;
use super::node::NodeRule;
use super::predefined::Predefined;
use super::values::{Config, Invalid, as_u64, invalid};
use crate::auth::{Access, JwtRule, UserRule, Users};
use crate::spelling::meant;

/// One key: how it is written everywhere, what it means, how to read and to set it.
pub struct Setting {
    /// The key in the file; `INSTEP_` plus upper case in the environment; dashes for underscores as a flag.
    pub key: &'static str,
    /// Meaning and unit in one line.
    pub help: &'static str,
    /// Whether the flag stands alone and means `true`.
    pub is_switch: bool,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, &str) -> Result<(), String>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// A value as the file shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// Several strings.
    List(Vec<String>),
    /// A whole number.
    Number(u64),
    /// true or false.
    Switch(bool),
}

/// A number, in the unit of its key; one of bytes or of a time may have a unit of its own.
fn number<T: TryFrom<u64>>(key: &str, word: &str) -> Result<T, String> {
    let (units, like) = units_of(key);
    let letters = word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    let digits = word.strip_suffix(letters).unwrap_or(word).replace('_', "");
    let unit = units.iter().find(|(name, ..)| *name == letters).map(|(_, times, by)| (*times, *by));
    let unit = unit.or_else(|| letters.is_empty().then_some((1, 1)));
    let (Ok(plain), Some((times, by))) = (digits.parse::<u64>(), unit) else {
        // What has digits alone fits no number of ours.
        let is_large = letters.is_empty() && !digits.is_empty();
        return Err(if is_large { format!("{word} is too large") } else { format!("'{word}' is not {like}") });
    };
    let counted = plain.checked_mul(times).filter(|counted| counted.is_multiple_of(by)).map(|counted| counted / by);
    let counted = counted.ok_or_else(|| format!("{word} is too large, or no whole number of its unit"))?;
    T::try_from(counted).map_err(|_| format!("{word} is too large"))
}

/// A unit: how it is written, and by what a number of it is multiplied and divided.
type Unit = (&'static str, u64, u64);

const SIZES: &[Unit] = &[
    ("k", 1 << 10, 1),
    ("K", 1 << 10, 1),
    ("M", 1 << 20, 1),
    ("G", 1 << 30, 1),
    ("KiB", 1 << 10, 1),
    ("MiB", 1 << 20, 1),
    ("GiB", 1 << 30, 1),
];
const SECONDS: &[Unit] = &[("ms", 1, 1000), ("s", 1, 1), ("m", 60, 1), ("h", 3600, 1)];
const MILLISECONDS: &[Unit] = &[("ms", 1, 1), ("s", 1000, 1), ("m", 60_000, 1), ("h", 3_600_000, 1)];

/// The units that a key's number may have, and what is said where it is no number.
fn units_of(key: &str) -> (&'static [Unit], &'static str) {
    match key {
        _ if key.ends_with("bytes_max") || key == "memory_max" => (SIZES, "a number of bytes like 65536, 64k or 16M"),
        _ if key.ends_with("_ms") => (MILLISECONDS, "a time like 1500, 1500ms or 15s"),
        _ if key.ends_with("_s") => (SECONDS, "a time like 15, 15s or 2m"),
        _ if key.ends_with("_percent") => (&[("%", 1, 1)], "a number like 150 or 150%"),
        _ => (&[], "a whole number"),
    }
}

fn list(word: &str) -> Vec<String> {
    word.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn switch(word: &str) -> Result<bool, String> {
    match word {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("'{word}' is neither true nor false")),
    }
}

macro_rules! setting {
    (text $key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            help: $help,
            is_switch: false,
            get: |config| Value::Text(config.$key.clone()),
            set: |config, word| {
                config.$key = word.to_owned();
                Ok(())
            },
        }
    };
    (list $key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            help: $help,
            is_switch: false,
            get: |config| Value::List(config.$key.clone()),
            set: |config, word| {
                config.$key = list(word);
                Ok(())
            },
        }
    };
    (number $key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            help: $help,
            is_switch: false,
            get: |config| Value::Number(as_u64(config.$key)),
            set: |config, word| {
                config.$key = number(stringify!($key), word)?;
                Ok(())
            },
        }
    };
    (switch $key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            help: $help,
            is_switch: true,
            get: |config| Value::Switch(config.$key),
            set: |config, word| {
                config.$key = switch(word)?;
                Ok(())
            },
        }
    };
}

macro_rules! channel_port {
    ($key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            help: $help,
            is_switch: false,
            get: |config| Value::Text(config.$key.to_string()),
            set: |config, word| {
                config.$key = ChannelPort::of_word(word)?;
                Ok(())
            },
        }
    };
}

/// Every key, in the order in which help and `--print-config` show them.
pub const SETTINGS: &[Setting] = &[
    setting!(text namespace, "namespace of this node (default: the machine's name up to the first dot)"),
    setting!(text host, "name or address that others are told, also with a port (default: the machine's name)"),
    setting!(number port, "port to listen on"),
    setting!(list bind, "addresses to listen on, address:port, comma separated (default: all on port)"),
    setting!(list coordinators, "Coordinators to join, host:port, comma separated"),
    setting!(text name, "name of this program in its log"),
    setting!(switch remote_admin, "let other machines use exit, shut_down, set_log_level, remove_expired_addresses and force"),
    Setting {
        key: "auth",
        help: "who is asked who he is: off (nobody), remote (all but loopback), all; see [[users]]",
        is_switch: false,
        get: |config| Value::Text(config.auth.word().to_owned()),
        set: |config, word| {
            config.auth = Access::of_word(word).ok_or_else(|| format!("'{word}' is neither off nor remote nor all"))?;
            Ok(())
        },
    },
    setting!(text keys_dir, "directory of public keys, one Component each, pyleco's authorized_keys_dir"),
    setting!(text server_key, "file of this node's secret key, by which CURVE is spoken (default: none, it is not)"),
    setting!(text tls_cert, "file of a certificate: HTTP and STOMP are spoken over TLS (default: none, they are not)"),
    setting!(text tls_key, "file of the secret key of tls_cert"),
    setting!(text client_key, "file of the secret key that other nodes are shown (default: that of server_key)"),
    setting!(text nodes_key, "public key that other nodes have which [[nodes]] does not name (default: this node's own)"),
    Setting {
        key: "nodes",
        help: "other nodes to join, host:port; the file has tables [[nodes]] for them, with their keys",
        is_switch: false,
        get: |config| Value::List(config.nodes.iter().map(|one| one.address.clone()).collect()),
        set: |config, word| {
            let node = |address| NodeRule { address, ..NodeRule::default() };
            config.nodes = list(word).into_iter().map(node).collect();
            config.nodes.iter().try_for_each(NodeRule::check)
        },
    },
    setting!(switch plain_remote, "take tokens from other machines where they can be read on their way"),
    setting!(switch dial_local, "let other machines have kernels and nodes at loopback or link-local addresses dialled"),
    Setting {
        key: "log_level",
        help: "off, error, warn, info, debug or trace",
        is_switch: false,
        get: |config| Value::Text(config.log_level.to_string().to_lowercase()),
        set: |config, word| {
            config.log_level = word
                .parse()
                .map_err(|_| format!("'{word}' is not a log level: off, error, warn, info, debug or trace"))?;
            Ok(())
        },
    },
    setting!(text log_file, "log to this file instead of standard error; SIGHUP reopens it"),
    setting!(text audit_log, "who did what, as lines of JSON (ECS), to this file; SIGHUP reopens it (default: none)"),
    setting!(number expiration_s, "silence (s) before a component is asked if it lives; three times that removes it"),
    setting!(number cleaning_interval_s, "time (s) between two cleanings of the directory"),
    setting!(number takeover_ms, "time (ms) for a silent owner to answer when its name is claimed"),
    setting!(number return_ms, "milliseconds that a message waits for a name that may come back"),
    setting!(number hint_s, "seconds in which silent newcomers are told to sign in"),
    setting!(number heartbeat_s, "silence (s) before a ZMTP 3.1 peer gets a PING; three times that closes it; 0: never"),
    setting!(number handshake_s, "time (s) for a new connection to finish its handshake"),
    setting!(number connections_max, "connections held at a time"),
    setting!(number frame_bytes_max, "bytes of one frame; goes with message_bytes_max and memory_max"),
    setting!(number message_bytes_max, "bytes of one message; goes with frame_bytes_max and memory_max"),
    setting!(number ring_bytes_max, "bytes that may wait for one receiver"),
    setting!(number stall_ms, "time (ms) senders wait for room at a receiver before their messages are refused"),
    setting!(number slow_ms, "time (ms) without progress before a receiver or a half-sent message is cut off"),
    setting!(number memory_max, "bytes that wait in the whole process; worlds and sessions may have a quarter"),
    setting!(list control_bind, "addresses of the control port (default: loopback on port + 10 or a free one; 'off': none)"),
    setting!(list viewer_bind, "addresses of the viewer port (default: those of bind, port + 11 or free; 'off': none)"),
    setting!(list http_bind, "addresses of the HTTP port (default: loopback on port + 12 or a free one; 'off': none)"),
    setting!(list stomp_bind, "addresses of the STOMP port, such as 127.0.0.1:61613 (default: none)"),
    channel_port!(data_port, "publishers of data connect there, subscribers to - 1, nodes + 1 (default: 11100; 'off')"),
    channel_port!(
        log_channel_port,
        "the same of log messages, nodes to - 2 (default: 11098; both move with port; 'off')"
    ),
    Setting {
        key: "channel_drops",
        help: "what a subscriber goes without that does not keep up: newest or oldest messages",
        is_switch: false,
        get: |config| Value::Text(config.channel_drops.to_string()),
        set: |config, word| {
            config.channel_drops = Drops::of_word(word)?;
            Ok(())
        },
    },
    setting!(switch last_values, "give new subscribers of data the last message of every topic that they subscribe to"),
    setting!(switch c2sim, "stand in for both servers of C2SIM: HTTP on 7777 and 8080, STOMP on 61613, all addresses"),
    setting!(text http_prefix, "path below which the HTTP port is found too (default: its root only)"),
    setting!(text http_external, "host:port by which clients of the HTTP port come back (default: as they came)"),
    setting!(list http_origins, "web pages of other servers that may use the HTTP port, '*': all (default: none)"),
    setting!(list trusted_proxies, "addresses or networks of proxies that say who asks (default: none)"),
    setting!(list log_dir, "directories below which logs may be opened, comma separated (default: none)"),
    setting!(text record, "directory for recordings of every provider (default: none are made)"),
    setting!(text state_dir, "directory in which shared sessions outlive the process (default: they do not)"),
    setting!(switch rcrs_legacy, "address kernels in the old 1.x protocol first"),
    setting!(number kernel_connect_s, "time (s) for which a kernel that does not answer is tried"),
    setting!(number play_speed_percent, "speed at which logs are played, in percent of their own"),
    setting!(number providers_max, "providers open at a time"),
    setting!(number history_bytes_max, "bytes of old timesteps kept for each live kernel"),
    setting!(number document_bytes_max, "bytes of one C2SIM document, up to 10 MiB"),
    setting!(list c2sim_schema, "XSD files that C2SIM documents are checked against, comma separated (default: none)"),
    setting!(number session_history_bytes_max, "bytes of past events kept for each session"),
    setting!(number member_idle_s, "time (s) for which a member of a session stays one while nothing is heard of it"),
    setting!(text join_again, "what a client of C2SIM that joins twice as the same system hears: ok or error"),
    setting!(text gmu_session, "session of the clients of GMU's C2SIM server, made with init_merge marshal"),
    setting!(text gmu_password, "password that commands of those clients must have (default: none is asked for)"),
    setting!(text gmu_version, "c2sim-version of what we write for STOMP (default: that of the last document)"),
    Setting {
        key: "resend_init",
        help: "tell the shared initialization on a stream that comes back without it: true or false",
        is_switch: false,
        get: |config| Value::Switch(config.resend_init),
        set: |config, word| {
            config.resend_init = switch(word)?;
            Ok(())
        },
    },
    Setting {
        key: "sessions",
        help: "sessions that are there from the start; the file has tables [[sessions]] for them",
        is_switch: false,
        get: |config| Value::List(config.sessions.iter().map(|one| one.name.clone()).collect()),
        set: |config, word| {
            config.sessions = list(word).into_iter().map(|name| Predefined { name, ..Predefined::default() }).collect();
            config.sessions.iter().try_for_each(Predefined::check)
        },
    },
];

impl Setting {
    /// The key with dashes, as a flag without its leading `--`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The key's value in `config`.
    #[must_use]
    pub fn value(&self, config: &Config) -> Value {
        (self.get)(config)
    }
}

fn is_setting(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key == key)
}

impl Config {
    /// Sets `key` to what `word` says.
    ///
    /// # Errors
    /// [`Invalid`] for an unknown key or a word that is not of the key's kind.
    pub fn set(&mut self, key: &str, word: &str) -> Result<(), Invalid> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let meant = meant(key, SETTINGS.iter().map(|setting| setting.key));
            return Err(invalid(key, format!("there is no such setting{meant}")));
        };
        (setting.set)(self, word).map_err(|reason| invalid(key, reason))
    }

    /// Applies a TOML document of `key = value` lines.
    ///
    /// # Errors
    /// [`Invalid`] naming the key, or `config file` with the parser's words where the document is no TOML.
    pub fn apply_toml(&mut self, text: &str) -> Result<(), Invalid> {
        let document: serde_json::Map<String, serde_json::Value> =
            basic_toml::from_str(text).map_err(|error| invalid("config file", error.to_string()))?;
        for (key, value) in document {
            if key == "sessions"
                && let serde_json::Value::Array(items) = &value
                && items.iter().all(serde_json::Value::is_object)
            {
                let read = items
                    .iter()
                    .filter_map(serde_json::Value::as_object)
                    .map(|table| Predefined::from_table(table, is_setting));
                self.sessions = read.collect::<Result<_, _>>().map_err(|reason| invalid(&key, reason))?;
                continue;
            }
            if key == "nodes"
                && let serde_json::Value::Array(items) = &value
                && items.iter().all(serde_json::Value::is_object)
            {
                let read = items.iter().filter_map(serde_json::Value::as_object).map(NodeRule::from_table);
                self.nodes = read.collect::<Result<_, _>>().map_err(|reason| invalid(&key, reason))?;
                continue;
            }
            if key == "jwt" {
                let table = value.as_object().ok_or_else(|| invalid(&key, "it is a table [jwt]"))?;
                self.jwt = Some(JwtRule::from_table(table).map_err(|why| invalid(&key, why))?);
                continue;
            }
            if key == "users" {
                self.users = self.read_users(text, &value)?;
                continue;
            }
            let word = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(switch) => switch.to_string(),
                serde_json::Value::Array(items) => {
                    let words: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
                    words.ok_or_else(|| invalid(&key, "a list of strings is wanted"))?.join(",")
                }
                serde_json::Value::Null | serde_json::Value::Object(_) => {
                    return Err(invalid(&key, "there is no such section"));
                }
            };
            self.set(&key, &word)?;
        }
        Ok(())
    }

    /// Reads the tables `[[users]]`, and judges them together: here it is known on which lines they stand.
    fn read_users(&self, text: &str, value: &serde_json::Value) -> Result<Vec<UserRule>, Invalid> {
        let told = |rule: usize, key: &str, why: &str| {
            let line = line_of(text, "[[users]]", rule, key).map_or_else(String::new, |line| format!("line {line}: "));
            invalid("users", format!("{line}{why}"))
        };
        let tables = value.as_array().map(Vec::as_slice).filter(|items| items.iter().all(serde_json::Value::is_object));
        let tables = tables.ok_or_else(|| invalid("users", "each user is a table [[users]]"))?;
        let tables = tables.iter().filter_map(serde_json::Value::as_object).enumerate();
        let rules =
            tables.map(|(rule, table)| UserRule::from_table(table).map_err(|flaw| told(rule, &flaw.key, &flaw.why)));
        let rules: Vec<UserRule> = rules.collect::<Result<_, _>>()?;
        Users::judge(self.auth, self.plain_remote, &self.namespace, &rules, None)
            .map_err(|wrong| told(wrong.rule, &wrong.key, &wrong.reason))?;
        Ok(rules)
    }

    /// Applies one environment variable; those that do not begin with `INSTEP_` are left alone, as is `INSTEP_CONFIG`.
    ///
    /// # Errors
    /// [`Invalid`] naming the key.
    pub fn apply_env(&mut self, name: &str, word: &str) -> Result<(), Invalid> {
        match name.strip_prefix("INSTEP_") {
            Some(key) if SETTINGS.iter().any(|setting| setting.key.eq_ignore_ascii_case(key)) => {
                self.set(&key.to_lowercase(), word).map_err(|error| invalid(name, error.reason))
            }
            _ => Ok(()),
        }
    }

    /// The whole configuration as a TOML document with one comment per key.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS.iter().filter(|setting| !["sessions", "nodes"].contains(&setting.key)) {
            let quoted = |word: &str| serde_json::Value::from(word).to_string();
            let value = match setting.value(self) {
                Value::Text(word) => quoted(&word),
                Value::List(words) => {
                    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
                }
                Value::Number(n) => n.to_string(),
                Value::Switch(on) => on.to_string(),
            };
            text.push_str(&format!("# {}\n{} = {}\n\n", setting.help, setting.key, value));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text.push_str(
            "\n# Shared sessions that are there from the start, one such table each (without the number signs):\n",
        );
        let mut example = Predefined { name: "exercise".to_owned(), ..Predefined::default() }.to_table();
        if self.sessions.is_empty() {
            example = example.trim().replace('\n', "\n# ");
            text.push_str(&format!("# {example}\n"));
        }
        for one in &self.sessions {
            text.push_str(&one.to_table());
        }
        text.push_str("\n# Other nodes to join, one such table each (without the number signs):\n");
        if self.nodes.is_empty() {
            let (namespace, address) = ("N2".to_owned(), "n2.example:12300".to_owned());
            let example = NodeRule { namespace, address, ..NodeRule::default() }.to_table();
            text.push_str(&format!("# {}\n", example.trim().replace('\n', "\n# ")));
        }
        for one in &self.nodes {
            text.push_str(&one.to_table());
        }
        text.push_str("\n# Users, one such table each (without the number signs):\n");
        if self.users.is_empty() {
            let example = UserRule { name: "laser".to_owned(), ..UserRule::default() }.to_table();
            text.push_str(&format!("# {}\n", example.trim().replace('\n', "\n# ")));
        }
        for one in &self.users {
            text.push_str(&one.to_table());
        }
        text.push_str("\n# Whose JWTs are believed (without the number signs):\n");
        match &self.jwt {
            Some(jwt) => text.push_str(&jwt.to_table()),
            None => {
                let rule = JwtRule { public_key: "/etc/instep/issuer.pem".to_owned(), ..JwtRule::default() };
                text.push_str(&format!("# {}\n", rule.to_table().trim().replace('\n', "\n# ")));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c2sim::kind::Schema;

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let mut config = Config {
            namespace: "N \"1\"".to_owned(),
            bind: vec!["127.0.0.1:1".to_owned(), "[::1]:2".to_owned()],
            remote_admin: true,
            sessions: vec![Predefined {
                name: "a.b".to_owned(),
                about: "with, a comma and \"quotes\"".to_owned(),
                schema: Schema::V1_0_2,
                ..Predefined::default()
            }],
            ..Config::default()
        };
        config.log_level = log::LevelFilter::Debug;
        let mut back = Config::default();
        back.apply_toml(&config.to_toml()).unwrap();
        assert_eq!(back, config);
    }

    #[test]
    fn wrong_words_are_named() {
        let mut config = Config::default();
        let mut said = |text: &str| config.apply_toml(text).unwrap_err().to_string();
        assert_eq!(said("prot = 1"), "prot: there is no such setting, did you mean port?");
        assert_eq!(said("port = 70000"), "port: 70000 is too large");
        assert_eq!(said("port = -1"), "port: '-1' is not a whole number");
        assert_eq!(said("remote_admin = \"maybe\""), "remote_admin: 'maybe' is neither true nor false");
        assert_eq!(said("bind = [1]"), "bind: a list of strings is wanted");
        assert_eq!(said("[leco]\nport = 1"), "leco: there is no such section");
        assert!(said("port = ").starts_with("config file: "));
        assert_eq!(
            config.apply_env("INSTEP_PORT", "x").unwrap_err().to_string(),
            "INSTEP_PORT: 'x' is not a whole number"
        );
        assert_eq!(config.apply_env("INSTEP_BIN", "x"), Ok(()), "only our own keys are read");
        assert_eq!(config.apply_env("INSTEP_STALL_MS", "7"), Ok(()));
        assert_eq!(config.stall_ms, 7);
    }

    #[test]
    fn relations_are_checked() {
        assert_eq!(Config::default().check(), Ok(()));
        for (key, word) in [
            ("namespace", "a.b"),
            ("host", "a b"),
            ("coordinators", "h:1,a b:2"),
            ("expiration_s", "0"),
            ("connections_max", "0"),
            ("memory_max", "1000000"),
            ("stall_ms", "20000"),
            ("state_dir", " "),
            ("message_bytes_max", "2000000000"),
        ] {
            let mut config = Config::default();
            config.set(key, word).unwrap();
            assert_eq!(config.check().unwrap_err().key, key);
        }
    }
}
