//! The values, their defaults, and how they must fit together.

use core::fmt;

use super::channel::{ChannelPort, Drops};
use super::node::NodeRule;
use super::predefined::Predefined;
use crate::auth::{Access, JwtRule, Key, UserRule, Users};
use crate::http::forwarded::Network;
use crate::http::origin::Origins;
use crate::leco::{DEFAULT_PORT, address};
use crate::limits;
use crate::store::order;
use crate::time::Span;

/// Everything that can be chosen. [`Config::check`] says whether the values fit together, and each key's range.
///
/// There will be more fields. Write `Config { namespace: "N1".into(), ..Config::default() }`, which a new field does not break; it is why
/// this is not `#[non_exhaustive]`, which would forbid that form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Namespace of this node, a name as LECO has them: 1 to 255 printable ASCII characters without a dot. Empty means the machine's name up to
    /// its first dot.
    pub namespace: String,
    /// Name or address under which other Coordinators reach this one, up to 292 bytes, with a port where it is not `port`; empty means the
    /// machine's name.
    pub host: String,
    /// Port to listen on, and the port in the address that other Coordinators are told; 0: one that is free.
    pub port: u16,
    /// Addresses to listen on, as `address:port`; empty means all addresses of the machine on `port`.
    pub bind: Vec<String>,
    /// Coordinators to join at start, as `host:port` (without port: 12300). They are redialled for ever.
    pub coordinators: Vec<String>,
    /// Name of this program in its log.
    pub name: String,
    /// Whether other machines may end this program, clean its directory, and delete sessions that have members.
    pub remote_admin: bool,
    /// Who is asked who he is. Where nobody is, rights go by the machine that somebody is on, see `remote_admin`; elsewhere by his role.
    pub auth: Access,
    /// Users, beside the one that is there where `auth` is `remote`: `local`, who comes over loopback and is asked nothing.
    pub users: Vec<UserRule>,
    /// More users: who has a JWT that is signed by this key. A server reads the key's file; a hub by itself does not.
    pub jwt: Option<JwtRule>,
    /// Directory of files with a public key each, whose name says who may sign in with it: more users, of the role component. A server reads it;
    /// a hub by itself does not.
    pub keys_dir: String,
    /// File of this node's secret key of CURVE. A server reads it; a hub by itself does not.
    pub server_key: String,
    /// File of the secret key that other nodes are shown; where there is none it is that of `server_key`.
    pub client_key: String,
    /// File of a certificate, and of those that it is signed by: HTTP and STOMP are spoken over TLS. Empty: they are not. Only with the feature `tls`.
    pub tls_cert: String,
    /// File of the secret key that belongs to it.
    pub tls_key: String,
    /// The public key of other nodes of which `nodes` does not say one, in letters. Where there is none it is our own, if users are asked who they are.
    pub nodes_key: String,
    /// Other nodes: those to join, and by which keys they are known.
    pub nodes: Vec<NodeRule>,
    /// Whether tokens are taken from other machines over connections that can be read on their way.
    pub plain_remote: bool,
    /// Whether other machines may have loopback and link-local addresses connected to, by telling of a node or opening a provider there.
    pub dial_local: bool,
    /// Log level: error, warn, info, debug, trace or off.
    pub log_level: log::LevelFilter,
    /// File to log to instead of standard error; reopened at SIGHUP.
    pub log_file: String,
    /// File for lines of who did what, in JSON; reopened at SIGHUP. Empty: none are kept. A server writes it; a hub by itself does not.
    pub audit_log: String,
    /// Seconds of silence after which a component is asked whether it lives; three times that removes it. 1 to 86,400.
    pub expiration_s: u64,
    /// Seconds between two cleanings of the directory, each followed by an update to all other Coordinators.
    /// 1 to 86,400.
    pub cleaning_interval_s: u64,
    /// Milliseconds in which the silent owner of a name must answer when a newcomer claims the name. 1 to 60,000.
    pub takeover_ms: u64,
    /// Milliseconds, 0 to 60,000, that a message waits for a name of this node that nobody has, but that was lost with its link just now, or
    /// may not have come back yet as the process has just started. 0: it is refused at once.
    pub return_ms: u64,
    /// Seconds, 0 to 86,400, after the start or after we have closed a link, in which a newcomer that says nothing is told that it has not
    /// signed in: it may not know that it lost its Coordinator. 0: never.
    pub hint_s: u64,
    /// Seconds of silence after which a ZMTP 3.1 peer gets a PING; three times that closes its link. Up to 86,400; 0:
    /// never.
    pub heartbeat_s: u64,
    /// Seconds in which a new connection must finish its handshake. 1 to 3,600.
    pub handshake_s: u64,
    /// Connections held at a time, 1 to 1,048,576.
    pub connections_max: usize,
    /// Bytes of one frame, 64 to 1 GiB.
    pub frame_bytes_max: usize,
    /// Bytes of one message, all its frames together, 1,024 to 1 GiB.
    pub message_bytes_max: usize,
    /// Bytes that may wait for one receiver, 4,096 to 1 GiB.
    pub ring_bytes_max: usize,
    /// Milliseconds for which the senders to a receiver without room are held back before their messages are refused. Up to
    /// `slow_ms`.
    pub stall_ms: u64,
    /// Milliseconds without progress after which a receiver, or the sender of a half-sent message, is disconnected. 1 to
    /// 3,600,000.
    pub slow_ms: u64,
    /// Bytes that may wait in the whole process: at least three times the power of two into which `message_bytes_max` and one read of
    /// 256 KiB go.
    pub memory_max: usize,
    /// Addresses of the control port; empty means loopback on the LECO port + 10 or, if that is taken, a free one; `off` means none.
    pub control_bind: Vec<String>,
    /// Addresses of the viewer port; empty means those of `bind`, or all, on the LECO port + 11 or, if that is taken, a free one; `off` means none.
    pub viewer_bind: Vec<String>,
    /// Addresses of the HTTP port; empty means loopback on the LECO port + 12 or, if that is taken, a free one; `off` means none.
    pub http_bind: Vec<String>,
    /// Addresses of the STOMP port; empty, or `off`, means none.
    pub stomp_bind: Vec<String>,
    /// Port at which publishers of data come in; subscribers do at the one below it, other nodes at the one above. They are on the hosts of `bind`.
    pub data_port: ChannelPort,
    /// Port at which publishers of log messages come in; subscribers do at the one below it, other nodes at the one below that.
    pub log_channel_port: ChannelPort,
    /// What a subscriber of a channel goes without that does not keep up: the newest messages, or the oldest that wait for it.
    pub channel_drops: Drops,
    /// Whether a new subscriber of data is given the last message of every topic that it subscribes to. Publishers of this node then send all that they
    /// have, whether anybody has subscribed to it or not.
    pub last_values: bool,
    /// Whether the ports of the reference servers of C2SIM are opened too, on all addresses: HTTP on 7777 and 8080, STOMP on 61613.
    pub c2sim: bool,
    /// Path below which the HTTP port is to be found too, `/a/b`; empty: at its root only.
    pub http_prefix: String,
    /// `HOST:PORT` by which clients of the HTTP port come back, as URLs in answers have it; empty: as they came.
    pub http_external: String,
    /// Web pages of other servers, as `https://host:port`, that may use the HTTP port; `*` means all. Empty: none may do more than look, and none
    /// may read what it sees.
    pub http_origins: Vec<String>,
    /// Proxies, as addresses or networks such as `10.0.0.0/8`, that are believed where they say who asks.
    pub trusted_proxies: Vec<String>,
    /// Directories below which logs may be opened; empty means no logs.
    pub log_dir: Vec<String>,
    /// Directory for recordings of every provider; empty means none are made.
    pub record: String,
    /// Directory in which shared sessions are kept beyond the end of the process; empty means they are not.
    pub state_dir: String,
    /// Whether kernels are first addressed in the old 1.x protocol.
    pub rcrs_legacy: bool,
    /// Seconds for which a kernel that does not answer is tried. 1 to 86,400.
    pub kernel_connect_s: u64,
    /// Speed at which logs are played, in percent of their pace: the think-time of the kernel's settings in the log, otherwise a timestep
    /// per second. 1 to 1,000,000.
    pub play_speed_percent: u64,
    /// Providers open at a time, 1 to 1,024.
    pub providers_max: usize,
    /// Bytes of old timesteps kept for each live kernel, up to 1 GiB.
    pub history_bytes_max: usize,
    /// Shared sessions that are there from the start, beside `default`; fewer than 1,024, each with a name of its own.
    pub sessions: Vec<Predefined>,
    /// Bytes of one C2SIM document, 1 KiB to 10 MiB. It is judged in slices of less than a millisecond, while everybody else goes on.
    pub document_bytes_max: usize,
    /// XSD files of C2SIM: documents in sessions of these schemas are checked against them. Empty means that content is not checked.
    pub c2sim_schema: Vec<String>,
    /// Bytes of past events kept for each session, for members that come back, up to 1 GiB.
    pub session_history_bytes_max: usize,
    /// Seconds, 1 to 86,400, for which a member of a session stays one while its component is gone without a word, over a restart of either
    /// of them too; a guest that has no stream, while it asks for nothing.
    pub member_idle_s: u64,
    /// What a client of C2SIM hears that joins a session again as the same system: `ok`, or `error` as in TNO's server.
    pub join_again: String,
    /// The session of the clients of GMU's C2SIM server.
    pub gmu_session: String,
    /// The password that commands of those clients must have; empty: none is asked for.
    pub gmu_password: String,
    /// The version that is told with what the server writes for clients of STOMP; empty: that of the last document of their session.
    pub gmu_version: String,
    /// Whether a member whose stream comes back is told the shared initialization that it has missed.
    pub resend_init: bool,
}

/// What fits a block of 64 MiB with one read behind it: an image of 2048 by 2048 doubles, and as much again.
const LARGE_MESSAGE: usize = (64 << 20) - limits::READ_BYTES_MAX;

impl Config {
    /// The defaults for a machine with so many bytes of memory: a quarter of them for what waits, at most 1 GiB, and messages as large as
    /// that allows.
    #[must_use]
    pub fn for_machine(memory_bytes: u64) -> Self {
        let quarter = usize::try_from(memory_bytes / 4).unwrap_or(usize::MAX);
        let mut config = Self { memory_max: quarter.clamp(48 << 20, 1 << 30), ..Self::default() };
        config.fit_messages();
        config
    }

    /// Lets messages and frames be as large as `memory_max` allows: a whole one may have a third of it, in a block of a power of two, with
    /// one read behind it.
    pub fn fit_messages(&mut self) {
        let block: usize = 1 << (self.memory_max / 3).max(1).ilog2();
        let most = block.saturating_sub(limits::READ_BYTES_MAX).max(1024);
        (self.frame_bytes_max, self.message_bytes_max) = (most, most);
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
            auth: Access::Off,
            users: Vec::new(),
            jwt: None,
            keys_dir: String::new(),
            server_key: String::new(),
            client_key: String::new(),
            tls_cert: String::new(),
            tls_key: String::new(),
            nodes_key: String::new(),
            nodes: Vec::new(),
            plain_remote: false,
            dial_local: false,
            log_level: log::LevelFilter::Info,
            log_file: String::new(),
            audit_log: String::new(),
            expiration_s: 15,
            cleaning_interval_s: 5,
            takeover_ms: 500,
            return_ms: 1000,
            hint_s: 60,
            heartbeat_s: 10,
            handshake_s: 10,
            connections_max: 16_384,
            frame_bytes_max: LARGE_MESSAGE,
            message_bytes_max: LARGE_MESSAGE,
            ring_bytes_max: 8 << 20,
            stall_ms: 1000,
            slow_ms: 10_000,
            memory_max: 256 << 20,
            control_bind: Vec::new(),
            viewer_bind: Vec::new(),
            http_bind: Vec::new(),
            stomp_bind: Vec::new(),
            data_port: ChannelPort::Usual,
            log_channel_port: ChannelPort::Usual,
            channel_drops: Drops::Newest,
            last_values: false,
            c2sim: false,
            http_prefix: String::new(),
            http_external: String::new(),
            http_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            log_dir: Vec::new(),
            record: String::new(),
            state_dir: String::new(),
            rcrs_legacy: false,
            kernel_connect_s: 30,
            play_speed_percent: 100,
            providers_max: 64,
            history_bytes_max: 8 << 20,
            sessions: Vec::new(),
            document_bytes_max: limits::C2SIM_MESSAGE_BYTES_MAX,
            c2sim_schema: Vec::new(),
            session_history_bytes_max: 256 << 10,
            member_idle_s: 180,
            join_again: "ok".to_owned(),
            gmu_session: "default".to_owned(),
            gmu_password: String::new(),
            gmu_version: String::new(),
            resend_init: true,
        }
    }
}

/// Why a word from a file, the environment or the command line was not taken. Displays as one line that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

pub(crate) fn invalid(key: &str, reason: impl Into<String>) -> Invalid {
    Invalid { key: key.to_owned(), reason: reason.into() }
}

/// A number as the file has it.
pub(super) fn as_u64(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}

impl Config {
    /// Whether the values fit together and their bounds. An empty namespace or host passes: a server takes the machine's name.
    ///
    /// # Errors
    /// [`Invalid`] naming the first key that does not fit, with the reason.
    pub fn check(&self) -> Result<(), Invalid> {
        if !self.namespace.is_empty() && !crate::leco::name::is_legal(self.namespace.as_bytes()) {
            return Err(invalid("namespace", "printable ASCII without '.', 1 to 255 bytes, is wanted"));
        }
        self.check_host()?;
        self.check_http()?;
        self.judge_users(None).map_err(|reason| invalid("users", reason))?;
        if !self.nodes_key.is_empty() && Key::parse(&self.nodes_key).is_none() {
            return Err(invalid("nodes_key", "40 letters of Z85 are wanted"));
        }
        self.nodes.iter().try_for_each(NodeRule::check).map_err(|reason| invalid("nodes", reason))?;
        let tls = [("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key)];
        if let Some((key, _)) = tls.iter().find(|(_, file)| !file.is_empty()) {
            if !cfg!(feature = "tls") {
                return Err(invalid(
                    key,
                    "this program was built without TLS: build it with --features tls, or let a proxy speak it",
                ));
            }
            if let Some((missing, _)) = tls.iter().find(|(_, file)| file.is_empty()) {
                return Err(invalid(key, format!("{missing} is wanted beside it")));
            }
        }
        if !self.has_keys() && self.knows_keys_of_nodes() {
            return Err(invalid("nodes", "keys of other nodes need one of our own: client_key or server_key"));
        }
        if let Some(wrong) = self.coordinators.iter().find(|text| address::with_port(text).is_none()) {
            return Err(invalid("coordinators", format!("'{wrong}' is not an address like host:12300")));
        }
        // Found here, and not as whatever the operating system makes of it.
        if self.state_dir.contains('\0') || (!self.state_dir.is_empty() && self.state_dir.trim().is_empty()) {
            return Err(invalid("state_dir", format!("'{}' is not a directory", self.state_dir.escape_default())));
        }
        let names: std::collections::BTreeSet<&str> = order::filled(self.sessions.iter().map(|one| one.name.as_str()));
        if names.len() < self.sessions.len() || names.len() >= limits::SESSIONS_MAX {
            return Err(invalid(
                "sessions",
                format!("each has a name of its own, and there are fewer than {}", limits::SESSIONS_MAX),
            ));
        }
        let counted: [(&str, u64, u64, u64); 20] = [
            ("document_bytes_max", as_u64(self.document_bytes_max), 1024, as_u64(limits::C2SIM_MESSAGE_BYTES_MAX)),
            ("session_history_bytes_max", as_u64(self.session_history_bytes_max), 0, limits::MESSAGE_BYTES_CEILING),
            ("member_idle_s", self.member_idle_s, 1, 86_400),
            ("kernel_connect_s", self.kernel_connect_s, 1, 86_400),
            ("play_speed_percent", self.play_speed_percent, 1, 1_000_000),
            ("providers_max", as_u64(self.providers_max), 1, as_u64(limits::PROVIDERS_CEILING)),
            ("history_bytes_max", as_u64(self.history_bytes_max), 0, limits::MESSAGE_BYTES_CEILING),
            ("expiration_s", self.expiration_s, 1, 86_400),
            ("cleaning_interval_s", self.cleaning_interval_s, 1, 86_400),
            ("takeover_ms", self.takeover_ms, 1, 60_000),
            ("return_ms", self.return_ms, 0, 60_000),
            ("hint_s", self.hint_s, 0, 86_400),
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
        let least = 3 * ((self.message_bytes_max + limits::READ_BYTES_MAX).next_power_of_two());
        if self.memory_max < least {
            return Err(invalid("memory_max", format!("at least {least} is needed for message_bytes_max")));
        }
        if self.stall_ms > self.slow_ms {
            return Err(invalid("stall_ms", "must not be larger than slow_ms"));
        }
        Ok(())
    }

    /// Whether secrets are read from files: keys of CURVE or of TLS.
    #[must_use]
    pub const fn has_secrets(&self) -> bool {
        self.has_keys() || !self.tls_key.is_empty()
    }

    /// Whether this node has a key of its own, so that it speaks CURVE: with those who come, or with those whom it dials.
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        !self.server_key.is_empty() || !self.client_key.is_empty()
    }

    fn knows_keys_of_nodes(&self) -> bool {
        !self.nodes_key.is_empty() || self.nodes.iter().any(|node| !node.key.is_empty())
    }

    /// The users that it describes; those that were there `before` keep their numbers.
    pub(crate) fn judge_users(&self, before: Option<&Users>) -> Result<Users, String> {
        let users = Users::judge(self.auth, self.plain_remote, &self.namespace, &self.users, before);
        let mut users = users.map_err(|wrong| wrong.to_string())?;
        // Before its key has been read, nobody is known by it.
        if let Some(jwt) = self.jwt.as_ref().filter(|jwt| !jwt.pem.is_empty()) {
            users.believe(jwt, before).map_err(|why| format!("jwt: {why}"))?;
        }
        Ok(users)
    }

    /// As [`Config::check`]; but nothing is left here for the machine's name to stand in for.
    pub(crate) fn check_named(&self) -> Result<(), Invalid> {
        for (key, word) in [("namespace", &self.namespace), ("host", &self.host)] {
            if word.is_empty() {
                return Err(invalid(key, "is empty, and a hub by itself does not know the machine's name"));
            }
        }
        self.check()
    }

    /// Whether `host` is something that other machines can use.
    fn check_http(&self) -> Result<(), Invalid> {
        if let Err(word) = Origins::of(self.http_origins.iter().map(String::as_str)) {
            return Err(invalid("http_origins", format!("'{word}' is no origin like https://host:port")));
        }
        if !self.http_external.is_empty()
            && (address::with_port(&self.http_external).is_none() || self.http_external.contains(['/', ',', ' ']))
        {
            return Err(invalid("http_external", format!("'{}' is no HOST:PORT", self.http_external)));
        }
        if !["ok", "error"].contains(&self.join_again.as_str()) {
            return Err(invalid("join_again", format!("'{}' is neither ok nor error", self.join_again)));
        }
        if !crate::c2sim::is_session_name(&self.gmu_session) {
            return Err(invalid("gmu_session", format!("'{}' is not a name for a session", self.gmu_session)));
        }
        if let Some(word) = self.trusted_proxies.iter().find(|word| Network::parse(word).is_none()) {
            return Err(invalid("trusted_proxies", format!("'{word}' is no address and no network like 10.0.0.0/8")));
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let prefix = self.http_prefix.as_str();
        let is_path = prefix.is_empty() || (prefix.starts_with('/') && !prefix.contains("//"));
        if is_path && prefix.bytes().all(is_letter) {
            return Ok(());
        }
        Err(invalid("http_prefix", format!("'{prefix}' is no path like /c2sim-server")))
    }

    fn check_host(&self) -> Result<(), Invalid> {
        let host = &self.host;
        let is_address = host.len() <= limits::ADDRESS_BYTES_MAX - 8 && address::with_port(host).is_some();
        if !host.is_empty() && (!is_address || host.contains(['/', ','])) {
            return Err(invalid("host", format!("'{host}' is not a host name or address, with or without a port")));
        }
        if address::has_scope(host) {
            return Err(invalid("host", format!("'{host}': what stands behind % holds on this machine only")));
        }
        if address::is_everywhere(host) {
            let why = format!(
                "'{host}' means each machine's own: others are told where they reach this one (bind says where it listens)"
            );
            return Err(invalid("host", why));
        }
        if address::wants_scope(host) {
            return Err(invalid(
                "host",
                format!("'{host}' is reached with a scope only, which is another on each machine"),
            ));
        }
        Ok(())
    }

    /// `expiration_s` as a span.
    #[must_use]
    pub const fn expiration(&self) -> Span {
        Span::seconds(self.expiration_s)
    }

    /// `member_idle_s` as a span.
    #[must_use]
    pub const fn member_idle(&self) -> Span {
        Span::seconds(self.member_idle_s)
    }

    /// Whether joining a session again as the same system is no error.
    pub(crate) fn join_again_is_ok(&self) -> bool {
        self.join_again == "ok"
    }

    /// `cleaning_interval_s` as a span.
    #[must_use]
    pub const fn cleaning_interval(&self) -> Span {
        Span::seconds(self.cleaning_interval_s)
    }
}
