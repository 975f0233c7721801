//! What is said at the start, and by `--check`, of who may do what.

use std::net::SocketAddr;

use instep::auth::{Access, Users};
use instep::config::Config;
use instep::hub::{Channel, Door};
use instep::net::{Server, host, keys};

use super::super::failure::{Failure, in_words};

/// What of the settings says who is asked who he is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    access: Access,
    remote_admin: bool,
    plain_remote: bool,
}

impl Asked {
    pub(super) fn of(config: &Config) -> Self {
        Self { access: config.auth, remote_admin: config.remote_admin, plain_remote: config.plain_remote }
    }

    /// Whether anybody is asked.
    pub(super) fn is_any(self) -> bool {
        self.access != Access::Off
    }
}

/// What people call a door.
const fn shown(door: Door) -> &'static str {
    match door {
        Door::Leco => "Components",
        Door::Control => "controllers",
        Door::Viewer => "viewers",
        Door::Http => "HTTP",
        Door::Stomp => "STOMP",
        Door::Publisher(Channel::Log) => "publishers of logs",
        Door::Publisher(_) => "publishers",
        Door::Subscriber(Channel::Log) => "subscribers to logs",
        Door::Subscriber(_) => "subscribers",
        Door::Distributor(_) => "other nodes' subscribers",
        _ => "others",
    }
}

/// What whoever has chosen these settings should know, with the addresses that are open.
pub(super) fn warnings(asked: &Asked, open: impl Iterator<Item = (Door, SocketAddr)>) -> Vec<String> {
    let mut lines = Vec::new();
    if !asked.is_any() {
        let far: Vec<String> = open
            .filter(|(_, address)| !address.ip().to_canonical().is_loopback())
            .map(|(door, address)| format!("{address} ({})", shown(door)))
            .collect();
        if !far.is_empty() {
            lines.push(format!(
                "nobody is asked who he is (auth = off): whoever reaches {} may do nearly everything there; see auth and [[users]], or bind to loopback",
                far.join(", ")
            ));
        }
        return lines;
    }
    if asked.remote_admin {
        lines.push(
            "remote_admin means nothing where users are asked who they are (auth): their role decides".to_owned(),
        );
    }
    if asked.plain_remote {
        lines.push(
            "plain_remote: tokens from other machines can be read on their way, unless a proxy or a tunnel hides them"
                .to_owned(),
        );
    }
    lines
}

/// The users that a configuration describes, those of `keys_dir` included, and the namespace of the node.
pub(super) fn users(config: &Config) -> Result<(Users, String), Failure> {
    let mut config = keys::with_keys(config.clone()).map_err(Failure::usage)?;
    if config.namespace.is_empty() {
        config.namespace = host::default_namespace();
    }
    let users = Users::judge(config.auth, config.plain_remote, &config.namespace, &config.users, None);
    let mut users = users.map_err(|wrong| Failure::usage(format!("users: {wrong}")))?;
    if let Some(jwt) = &config.jwt {
        users.believe(jwt, None).map_err(|why| Failure::usage(format!("jwt: {why}")))?;
    }
    Ok((users, config.namespace))
}

/// What `--check` says: who may do what, and what is doubtful about it.
pub(super) fn told(config: &Config) -> Result<Vec<String>, Failure> {
    let (users, _) = users(config)?;
    let asked = Asked::of(config);
    let mut lines = Vec::new();
    if asked.is_any() {
        lines.push(format!("who is asked who he is (auth): {}", config.auth.word()));
        lines.extend(users.told());
    }
    // Nothing is open yet.
    let open = Server::planned_addresses(config).map_err(|error| Failure::usage(in_words(&error)))?;
    lines.extend(warnings(&asked, open.into_iter()));
    Ok(lines)
}

/// Who can look into this process's memory learns tokens and keys: other processes of its user cannot, and it leaves no picture of it behind when it fails.
pub(super) fn keep_to_oneself() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        log::warn!("other processes of this user can read its memory: {error}");
    }
}
