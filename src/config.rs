//! What a user may choose: one table of keys that the TOML file, the environment and the command line share.
//!
//! Owns [`Config`], its defaults, the table [`SETTINGS`] and the check of relations among values. Must not read files, the
//! environment or the command line itself: `main` hands the words in. Precedence is flags over environment over file over
//! defaults, simply by the order in which the sources are applied.

use core::fmt;

use crate::c2sim::kind::Schema;
use crate::c2sim::state::Options;
use crate::leco::DEFAULT_PORT;
use crate::limits;
use crate::time::Span;

/// Everything that can be chosen. [`Config::check`] says whether the values fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Namespace of this node; empty means the machine's name up to the first dot.
    pub namespace: String,
    /// Name or address under which other Coordinators reach this one; empty means the machine's name.
    pub host: String,
    /// Port to listen on, and the port in the address that other Coordinators are told.
    pub port: u16,
    /// Addresses to listen on, as `address:port`; empty means all addresses of the machine on `port`.
    pub bind: Vec<String>,
    /// Coordinators to join at start, as `host:port` (without port: 12300). They are redialled for ever.
    pub coordinators: Vec<String>,
    /// Name of this program in its log.
    pub name: String,
    /// Whether other machines may end this program, clean its directory, and delete sessions that have members.
    pub remote_admin: bool,
    /// Log level: error, warn, info, debug, trace or off.
    pub log_level: log::LevelFilter,
    /// File to log to instead of standard error; reopened at SIGHUP.
    pub log_file: String,
    /// Seconds of silence after which a component is asked whether it lives; three times that removes it.
    pub expiration_s: u64,
    /// Seconds between two cleanings of the directory, each followed by an update to all other Coordinators.
    pub cleaning_interval_s: u64,
    /// Milliseconds in which the silent owner of a name must answer when a newcomer claims the name.
    pub takeover_ms: u64,
    /// Seconds of silence after which a ZMTP 3.1 peer gets a PING; three times that closes its link. 0: never.
    pub heartbeat_s: u64,
    /// Seconds in which a new connection must finish its handshake.
    pub handshake_s: u64,
    /// Connections held at a time.
    pub connections_max: usize,
    /// Bytes of one frame.
    pub frame_bytes_max: usize,
    /// Bytes of one message, all its frames together.
    pub message_bytes_max: usize,
    /// Bytes that may wait for one receiver.
    pub ring_bytes_max: usize,
    /// Milliseconds for which the senders to a receiver without room are held back before their messages are refused.
    pub stall_ms: u64,
    /// Milliseconds without progress after which a receiver, or the sender of a half-sent message, is disconnected.
    pub slow_ms: u64,
    /// Bytes that may wait in the whole process.
    pub memory_max: usize,
    /// Addresses of the control port; empty means 127.0.0.1 on the LECO port + 10, `off` means none.
    pub control_bind: Vec<String>,
    /// Addresses of the viewer port; empty means all on the LECO port + 11, `off` means none.
    pub viewer_bind: Vec<String>,
    /// Directories below which logs may be opened; empty means no logs.
    pub log_dir: Vec<String>,
    /// Directory for recordings of every provider; empty means none are made.
    pub record: String,
    /// Directory in which shared sessions are kept beyond the end of the process; empty means they are not.
    pub state_dir: String,
    /// Whether kernels are first addressed in the old 1.x protocol.
    pub rcrs_legacy: bool,
    /// Seconds for which a kernel that does not answer is tried.
    pub kernel_connect_s: u64,
    /// Speed at which logs are played, in percent of their pace: the think-time of the kernel's settings in the log, otherwise a timestep
    /// per second.
    pub play_speed_percent: u64,
    /// Providers open at a time.
    pub providers_max: usize,
    /// Bytes of old timesteps kept for each live kernel.
    pub history_bytes_max: usize,
    /// Shared sessions that are there from the start, beside `default`.
    pub sessions: Vec<Predefined>,
    /// Bytes of one C2SIM document. It is read in one piece, at about 3 ms a mebibyte, while everybody else waits.
    pub document_bytes_max: usize,
    /// XSD files of C2SIM: documents in sessions of these schemas are checked against them. Empty means that content is not checked.
    pub c2sim_schema: Vec<String>,
    /// Bytes of past events kept for each session, for members that come back.
    pub session_history_bytes_max: usize,
}

/// A shared session that is there from the start. In the file it is a table `[[sessions]]`; as a flag, only its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predefined {
    /// Its name; `default` describes the session that is always there.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// The schema of its C2SIM documents.
    pub schema: Schema,
    /// How flow control is to be in it.
    pub options: Options,
}

impl Predefined {
    /// Reads one table of the file.
    fn from_table(table: &serde_json::Map<String, serde_json::Value>) -> Result<Self, String> {
        let mut one = Self::default();
        for (key, value) in table {
            if !["name", "display_name", "description", "schema"].contains(&key.as_str())
                && !Options::KEYS.contains(&key.as_str())
            {
                let hint = if SETTINGS.iter().any(|setting| setting.key == key) {
                    "; a setting stands in front of the first [[sessions]]"
                } else {
                    ""
                };
                return Err(format!("a session has no '{key}'{hint}"));
            }
            let word = value.as_str().ok_or_else(|| format!("{key} of a session is a string"))?;
            match key.as_str() {
                "name" => word.clone_into(&mut one.name),
                "display_name" => word.clone_into(&mut one.title),
                "description" => word.clone_into(&mut one.about),
                "schema" => {
                    one.schema = Schema::from_name(word).ok_or_else(|| format!("'{word}' is not a schema version"))?;
                }
                _ => one.options.set(key, word)?,
            }
        }
        one.check().map(|()| one)
    }

    fn check(&self) -> Result<(), String> {
        if !crate::c2sim::is_session_name(&self.name) {
            return Err(format!("'{}' is not a name for a session", self.name));
        }
        if self.title.len() > limits::SESSION_TITLE_BYTES_MAX || self.about.len() > limits::SESSION_TEXT_BYTES_MAX {
            return Err(format!("display_name or description of session {} is too long", self.name));
        }
        Ok(())
    }

    /// The table as the file has it.
    fn to_table(&self) -> String {
        let mut text = "\n[[sessions]]\n".to_owned();
        let mut line = |key: &str, word: &str, words: &str| {
            let hint = if words.is_empty() { String::new() } else { format!(" # {words}") };
            text.push_str(&format!("{key} = {}{hint}\n", serde_json::Value::from(word)));
        };
        line("name", &self.name, "");
        line("display_name", &self.title, "");
        line("description", &self.about, "");
        let schemas: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
        line("schema", self.schema.name(), &schemas.join(" or "));
        for key in Options::KEYS {
            line(key, self.options.word(key), Options::words(key));
        }
        text
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            host: String::new(),
            port: DEFAULT_PORT,
            bind: Vec::new(),
            coordinators: Vec::new(),
            name: "instep".to_owned(),
            remote_admin: false,
            log_level: log::LevelFilter::Info,
            log_file: String::new(),
            expiration_s: 15,
            cleaning_interval_s: 5,
            takeover_ms: 500,
            heartbeat_s: 10,
            handshake_s: 10,
            connections_max: 16_384,
            frame_bytes_max: 32 << 20,
            message_bytes_max: 32 << 20,
            ring_bytes_max: 8 << 20,
            stall_ms: 1000,
            slow_ms: 10_000,
            memory_max: 256 << 20,
            control_bind: Vec::new(),
            viewer_bind: Vec::new(),
            log_dir: Vec::new(),
            record: String::new(),
            state_dir: String::new(),
            rcrs_legacy: false,
            kernel_connect_s: 30,
            play_speed_percent: 100,
            providers_max: 64,
            history_bytes_max: 8 << 20,
            sessions: Vec::new(),
            document_bytes_max: 1 << 20,
            c2sim_schema: Vec::new(),
            session_history_bytes_max: 256 << 10,
        }
    }
}

/// Why a word from a file, the environment or the command line was not taken. Displays as one line that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The key as written in the file.
    pub key: String,
    /// What is wrong, in words.
    pub reason: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl core::error::Error for Invalid {}

fn invalid(key: &str, reason: impl Into<String>) -> Invalid {
    Invalid { key: key.to_owned(), reason: reason.into() }
}

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

fn number<T: TryFrom<u64>>(word: &str) -> Result<T, String> {
    let plain: u64 = word.replace('_', "").parse().map_err(|_| format!("'{word}' is not a whole number"))?;
    T::try_from(plain).map_err(|_| format!("{word} is too large"))
}

fn plain(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
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
            get: |config| Value::Number(plain(config.$key)),
            set: |config, word| {
                config.$key = number(word)?;
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

/// Every key, in the order in which help and `--print-config` show them.
pub const SETTINGS: &[Setting] = &[
    setting!(text namespace, "namespace of this node (default: the machine's name up to the first dot)"),
    setting!(text host, "name or address that other Coordinators are told (default: the machine's name)"),
    setting!(number port, "port to listen on"),
    setting!(list bind, "addresses to listen on, address:port, comma separated (default: all on port)"),
    setting!(list coordinators, "Coordinators to join, host:port, comma separated"),
    setting!(text name, "name of this program in its log"),
    setting!(switch remote_admin, "let other machines use shut_down, exit, remove_expired_addresses, delete_session by force"),
    Setting {
        key: "log_level",
        help: "off, error, warn, info, debug or trace",
        is_switch: false,
        get: |config| Value::Text(config.log_level.to_string().to_lowercase()),
        set: |config, word| {
            config.log_level = word.parse().map_err(|_| format!("'{word}' is not a log level"))?;
            Ok(())
        },
    },
    setting!(text log_file, "log to this file instead of standard error; SIGHUP reopens it"),
    setting!(number expiration_s, "silence (s) before a component is asked if it lives; three times that removes it"),
    setting!(number cleaning_interval_s, "time (s) between two cleanings of the directory"),
    setting!(number takeover_ms, "time (ms) for a silent owner to answer when its name is claimed"),
    setting!(number heartbeat_s, "silence (s) before a ZMTP 3.1 peer gets a PING; three times that closes it; 0: never"),
    setting!(number handshake_s, "time (s) for a new connection to finish its handshake"),
    setting!(number connections_max, "connections held at a time"),
    setting!(number frame_bytes_max, "bytes of one frame"),
    setting!(number message_bytes_max, "bytes of one message"),
    setting!(number ring_bytes_max, "bytes that may wait for one receiver"),
    setting!(number stall_ms, "time (ms) senders wait for room at a receiver before their messages are refused"),
    setting!(number slow_ms, "time (ms) without progress before a receiver or a half-sent message is cut off"),
    setting!(number memory_max, "bytes that wait in the whole process; worlds and sessions may have a quarter"),
    setting!(list control_bind, "addresses of the control port (default: 127.0.0.1 on port + 10; 'off': none)"),
    setting!(list viewer_bind, "addresses of the viewer port (default: all on port + 11; 'off': none)"),
    setting!(list log_dir, "directories below which logs may be opened, comma separated (default: none)"),
    setting!(text record, "directory for recordings of every provider (default: none are made)"),
    setting!(text state_dir, "directory in which shared sessions outlive the process (default: they do not)"),
    setting!(switch rcrs_legacy, "address kernels in the old 1.x protocol first"),
    setting!(number kernel_connect_s, "time (s) for which a kernel that does not answer is tried"),
    setting!(number play_speed_percent, "speed at which logs are played, in percent of their own"),
    setting!(number providers_max, "providers open at a time"),
    setting!(number history_bytes_max, "bytes of old timesteps kept for each live kernel"),
    setting!(number document_bytes_max, "bytes of one C2SIM document; a mebibyte takes 3 ms while everybody else waits"),
    setting!(list c2sim_schema, "XSD files that C2SIM documents are checked against, comma separated (default: none)"),
    setting!(number session_history_bytes_max, "bytes of past events kept for each session"),
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

impl Config {
    /// Sets `key` to what `word` says.
    ///
    /// # Errors
    /// [`Invalid`] for an unknown key or a word that is not of the key's kind.
    pub fn set(&mut self, key: &str, word: &str) -> Result<(), Invalid> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            return Err(invalid(key, "there is no such setting"));
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
                let read = items.iter().filter_map(serde_json::Value::as_object).map(Predefined::from_table);
                self.sessions = read.collect::<Result<_, _>>().map_err(|reason| invalid(&key, reason))?;
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

    /// Whether the values fit together and the bounds of [`crate::limits`].
    ///
    /// # Errors
    /// [`Invalid`] naming the first key that does not fit, with the reason.
    pub fn check(&self) -> Result<(), Invalid> {
        if !self.namespace.is_empty() && !crate::leco::name::is_legal(self.namespace.as_bytes()) {
            return Err(invalid("namespace", "printable ASCII without '.', 1 to 255 bytes, is wanted"));
        }
        if self.host.len() > limits::ADDRESS_BYTES_MAX - 6 || self.host.contains(['/', ' ', ',']) {
            return Err(invalid("host", format!("'{}' is not a host name or address", self.host)));
        }
        if let Some(wrong) = self.coordinators.iter().find(|text| crate::leco::nodes::address(text).is_none()) {
            return Err(invalid("coordinators", format!("'{wrong}' is not an address like host:12300")));
        }
        // Found here, and not as whatever the operating system makes of it.
        if self.state_dir.contains('\0') || (!self.state_dir.is_empty() && self.state_dir.trim().is_empty()) {
            return Err(invalid("state_dir", format!("'{}' is not a directory", self.state_dir.escape_default())));
        }
        let names: std::collections::BTreeSet<&str> = self.sessions.iter().map(|one| one.name.as_str()).collect();
        if names.len() < self.sessions.len() || names.len() >= limits::SESSIONS_MAX {
            return Err(invalid(
                "sessions",
                format!("each has a name of its own, and there are fewer than {}", limits::SESSIONS_MAX),
            ));
        }
        let counted: [(&str, u64, u64, u64); 17] = [
            ("document_bytes_max", plain(self.document_bytes_max), 1024, plain(limits::C2SIM_MESSAGE_BYTES_MAX)),
            ("session_history_bytes_max", plain(self.session_history_bytes_max), 0, limits::MESSAGE_BYTES_CEILING),
            ("kernel_connect_s", self.kernel_connect_s, 1, 86_400),
            ("play_speed_percent", self.play_speed_percent, 1, 1_000_000),
            ("providers_max", plain(self.providers_max), 1, plain(limits::PROVIDERS_CEILING)),
            ("history_bytes_max", plain(self.history_bytes_max), 0, limits::MESSAGE_BYTES_CEILING),
            ("expiration_s", self.expiration_s, 1, 86_400),
            ("cleaning_interval_s", self.cleaning_interval_s, 1, 86_400),
            ("takeover_ms", self.takeover_ms, 1, 60_000),
            ("heartbeat_s", self.heartbeat_s, 0, 86_400),
            ("handshake_s", self.handshake_s, 1, 3600),
            ("stall_ms", self.stall_ms, 0, 3_600_000),
            ("slow_ms", self.slow_ms, 1, 3_600_000),
            ("connections_max", self.connections_max as u64, 1, limits::CONNECTIONS_CEILING as u64),
            ("frame_bytes_max", self.frame_bytes_max as u64, 64, limits::MESSAGE_BYTES_CEILING),
            ("message_bytes_max", self.message_bytes_max as u64, 1024, limits::MESSAGE_BYTES_CEILING),
            ("ring_bytes_max", self.ring_bytes_max as u64, 4096, limits::MESSAGE_BYTES_CEILING),
        ];
        for (key, value, least, most) in counted {
            if !(least..=most).contains(&value) {
                return Err(invalid(key, format!("{value} is not between {least} and {most}")));
            }
        }
        // Partial input may use half of the memory, in blocks of a power of two: the largest legal message must fit with what
        // one read can bring behind it while the block that it outgrew, half as large, is still out.
        let least = 3 * ((self.message_bytes_max + limits::READ_BYTES_PER_TURN).next_power_of_two());
        if self.memory_max < least {
            return Err(invalid("memory_max", format!("at least {least} is needed for message_bytes_max")));
        }
        if self.stall_ms > self.slow_ms {
            return Err(invalid("stall_ms", "must not be larger than slow_ms"));
        }
        Ok(())
    }

    /// The whole configuration as a TOML document with one comment per key.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS.iter().filter(|setting| setting.key != "sessions") {
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
        text
    }

    /// `expiration_s` as a span.
    #[must_use]
    pub const fn expiration(&self) -> Span {
        Span::seconds(self.expiration_s)
    }

    /// `cleaning_interval_s` as a span.
    #[must_use]
    pub const fn cleaning_interval(&self) -> Span {
        Span::seconds(self.cleaning_interval_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(said("prot = 1"), "prot: there is no such setting");
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
