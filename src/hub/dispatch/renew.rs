//! Settings beside users that are read anew: what can change while the process runs does so in one step, and of the rest it is said that
//! it needs a new start.

use serde_json::{Value, json};

use crate::config::{Config, Predefined};
use crate::hub::Hub;
use crate::hub::doors::Output;

/// What came of settings that were read anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Renewed {
    /// Keys whose new values hold.
    taken: Vec<&'static str>,
    /// Keys that have new values, which hold when the process is begun anew; a session of the file with its name.
    restart: Vec<String>,
    /// Sessions that were made, those that the file has no more and that stay, and those for which there was no room.
    made: Vec<String>,
    left: Vec<String>,
    refused: Vec<String>,
}

impl Hub {
    /// Takes of settings that were judged what can change now; answers what runs then, beside what came of it.
    pub(super) fn renew(&mut self, config: &Config) -> (Renewed, Config) {
        let mut renewed = Renewed::default();
        let held = self.rulebook.as_ref().and_then(|rulebook| rulebook.held()).cloned();
        let Some(mut held) = held else { return (renewed, config.clone()) };
        for key in held.changed(config) {
            if self.peers.config.take(key, config) {
                renewed.taken.push(key);
            } else {
                renewed.restart.push(key.to_owned());
            }
        }
        if renewed.taken.contains(&"log_level") {
            self.peers.outputs.push_back(Output::LogLevel(config.log_level));
        }
        if renewed.taken.contains(&"log_dir") {
            self.manager.set_log_directories(&config.log_dir);
        }
        held.sessions = self.renew_sessions(&held, config, &mut renewed);
        if renewed.made.is_empty() {
            renewed.taken.retain(|key| *key != "sessions");
        }
        held.take_all(config);
        renewed.tell();
        (renewed, held)
    }

    /// Makes sessions that the file has and nobody has made yet. None ends by what the file says. Answers those that are of a file, as they were
    /// described when they were made.
    fn renew_sessions(&mut self, held: &Config, config: &Config, renewed: &mut Renewed) -> Vec<Predefined> {
        let before = |name: &str| held.sessions.iter().find(|one| one.name == name);
        let mut run = Vec::new();
        for one in &config.sessions {
            let before = before(&one.name);
            if self.sessions.named(&one.name).is_some() {
                if before != Some(one) {
                    renewed.restart.push(format!("sessions.{}", one.name));
                }
                run.extend(before.cloned());
            } else if before.is_some() {
                // Somebody has ended it since.
                run.push(one.clone());
            } else if self.sessions.add_described(&mut self.peers, &self.names, one) {
                renewed.made.push(one.name.clone());
                run.push(one.clone());
            } else {
                renewed.refused.push(one.name.clone());
            }
        }
        let is_gone = |one: &&Predefined| config.sessions.iter().all(|other| other.name != one.name);
        let left = held.sessions.iter().filter(is_gone).filter(|one| self.sessions.named(&one.name).is_some());
        for one in left {
            renewed.left.push(one.name.clone());
            run.push(one.clone());
        }
        run
    }
}

impl Renewed {
    /// Each matter with what is said of it, as far as there is anything.
    fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let lines = [
            ("settings taken", self.taken.join(", ")),
            ("a new start is needed for", self.restart.join(", ")),
            ("sessions made", self.made.join(", ")),
            ("sessions that the settings have no more, and that stay", self.left.join(", ")),
            ("there is no room for sessions", self.refused.join(", ")),
        ];
        lines.into_iter().filter(|(_, what)| !what.is_empty())
    }

    /// Says it in the log.
    fn tell(&self) {
        for (matter, what) in self.lines() {
            log::info!("{matter}: {what}");
        }
    }

    /// What whoever asked for it hears.
    pub(super) fn answer(&self, users: usize) -> Value {
        json!({
            "users": users,
            "taken": self.taken,
            "restart": self.restart,
            "sessions_made": self.made,
            "sessions_left": self.left,
            "sessions_refused": self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Start;
    use crate::hub::rulebook::Rulebook;
    use crate::time::Tick;

    const NOW: Tick = Tick(1000);

    /// A file that is read anew once.
    #[derive(Debug)]
    struct Book {
        held: Config,
        next: Vec<Config>,
    }

    impl Rulebook for Book {
        fn read(&mut self) -> Result<Config, String> {
            Ok(self.next.remove(0))
        }

        fn held(&self) -> Option<&Config> {
            Some(&self.held)
        }

        fn hold(&mut self, runs: Config) {
            self.held = runs;
        }
    }

    fn session(name: &str, about: &str) -> Predefined {
        Predefined { name: name.to_owned(), about: about.to_owned(), ..Predefined::default() }
    }

    #[test]
    fn what_can_change_changes_and_the_rest_is_said() {
        let before = Config {
            namespace: "N1".to_owned(),
            host: "n1".to_owned(),
            sessions: vec![session("a", ""), session("b", "")],
            ..Config::default()
        };
        let mut hub = Hub::new(before.clone(), Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        let level = log::LevelFilter::Debug;
        let after = Config {
            port: 7,
            stall_ms: 1234,
            log_level: level,
            sessions: vec![session("b", "other words"), session("c", "")],
            ..before.clone()
        };
        let back = Config { stall_ms: 1234, log_level: level, ..before.clone() };
        let next = vec![after.clone(), after, back.clone(), back];
        hub.set_rulebook(Box::new(Book { held: before, next }));
        let renewed = hub.reload().unwrap();
        assert_eq!(renewed.taken, ["log_level", "stall_ms", "sessions"]);
        assert_eq!(renewed.restart, ["port", "sessions.b"]);
        assert_eq!((&renewed.made[..], &renewed.left[..]), (&["c".to_owned()][..], &["a".to_owned()][..]));
        assert_eq!((hub.peers.config.stall_ms, hub.peers.config.port), (1234, 12_300));
        assert!(["a", "b", "c"].iter().all(|name| hub.sessions.named(name).is_some()));
        let outputs: Vec<Output> = core::iter::from_fn(|| hub.poll_output(NOW)).collect();
        assert!(outputs.contains(&Output::LogLevel(level)), "{outputs:?}");
        // The second time nothing is taken, and what runs is still another thing than what the file says.
        let renewed = hub.reload().unwrap();
        assert!(renewed.taken.is_empty() && renewed.made.is_empty(), "{renewed:?}");
        assert_eq!(renewed.restart, ["port", "sessions.b"]);
        assert_eq!(renewed.left, ["a"]);
        // As it was at the start: nothing needs a new one.
        let renewed = hub.reload().unwrap();
        assert!(renewed.restart.is_empty() && renewed.taken.is_empty(), "{renewed:?}");
        assert_eq!(renewed.left, ["c"]);
        let ended = hub.sessions.named("c").unwrap();
        let freed = hub.sessions.end(&mut hub.peers, &hub.names, ended, "it was deleted");
        assert!(freed.is_empty());
        hub.drain_events();
        assert_eq!(hub.reload(), Ok(Renewed::default()));
        assert_eq!(hub.check_invariants(), Ok(()));
    }
}
