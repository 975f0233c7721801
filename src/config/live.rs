//! Which settings can change while the process runs, and which have.

use super::settings::SETTINGS;
use super::values::Config;

type Take = fn(&mut Config, &Config);

macro_rules! live {
    ($($key:ident)*) => { &[$((stringify!($key), |to, from| to.$key.clone_from(&from.$key))),*] };
}

/// Settings that are looked at whenever they are needed, each with what takes it over.
const LIVE: &[(&str, Take)] = live! {
    remote_admin dial_local log_level expiration_s cleaning_interval_s takeover_ms return_ms hint_s heartbeat_s handshake_s stall_ms
    slow_ms log_dir rcrs_legacy kernel_connect_s play_speed_percent history_bytes_max document_bytes_max session_history_bytes_max
    member_idle_s join_again gmu_version resend_init
};

/// Settings that are read with the users, and hold with them.
#[cfg(feature = "tls")]
const OF_USERS: &[(&str, Take)] = live! { auth keys_dir plain_remote tls_cert tls_key };
#[cfg(not(feature = "tls"))]
const OF_USERS: &[(&str, Take)] = live! { auth keys_dir plain_remote };

/// The same, where something else is made of them.
const WITH_THEM: &[&str] = &["sessions"];

impl Config {
    /// The keys of all settings that are others in `other`.
    pub(crate) fn changed<'c>(&'c self, other: &'c Self) -> impl Iterator<Item = &'static str> + 'c {
        let tables = [("nodes", self.nodes != other.nodes), ("sessions", self.sessions != other.sessions)];
        let is_other = move |key: &str, plainly: bool| {
            tables.iter().find(|(table, _)| *table == key).map_or(plainly, |(_, is_other)| *is_other)
        };
        let others = SETTINGS.iter().filter(move |one| is_other(one.key, one.value(self) != one.value(other)));
        others.map(|setting| setting.key)
    }

    /// Takes a setting of `from`; `false` where that needs a new start of the process.
    pub(crate) fn take(&mut self, key: &str, from: &Self) -> bool {
        if let Some((_, take)) = LIVE.iter().find(|(live, _)| *live == key) {
            take(self, from);
        }
        is_live(key)
    }

    /// Takes all of `from` that can change while the process runs, but for sessions.
    pub(crate) fn take_all(&mut self, from: &Self) {
        LIVE.iter().chain(OF_USERS).for_each(|(_, take)| take(self, from));
        self.users.clone_from(&from.users);
        self.jwt.clone_from(&from.jwt);
    }
}

/// Whether a setting can change while the process runs.
fn is_live(key: &str) -> bool {
    LIVE.iter().chain(OF_USERS).any(|(live, _)| *live == key) || WITH_THEM.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Predefined;

    #[test]
    fn what_has_changed_is_taken_or_needs_a_start() {
        let before = Config::default();
        let mut after = Config { port: 7, stall_ms: 1234, log_dir: vec!["/a,b".to_owned()], ..before.clone() };
        after.sessions = vec![Predefined { name: "drill".to_owned(), ..Predefined::default() }];
        assert_eq!(before.changed(&after).collect::<Vec<_>>(), ["port", "stall_ms", "log_dir", "sessions"]);
        assert_eq!(before.changed(&before).count(), 0);
        let mut now = before;
        let taken = ["port", "stall_ms", "log_dir", "sessions", "auth"].map(|key| now.take(key, &after));
        assert_eq!(taken, [false, true, true, true, true]);
        assert_eq!((now.port, now.stall_ms, now.log_dir), (12_300, 1234, vec!["/a,b".to_owned()]));
        let mut other = after.clone();
        other.sessions[0].about = "other words".to_owned();
        assert_eq!(after.changed(&other).collect::<Vec<_>>(), ["sessions"]);
    }

    #[test]
    fn every_live_setting_is_one() {
        let keys = LIVE.iter().chain(OF_USERS).map(|(key, _)| *key).chain(WITH_THEM.iter().copied());
        for key in keys {
            assert!(SETTINGS.iter().any(|setting| setting.key == key), "{key}");
        }
    }
}
