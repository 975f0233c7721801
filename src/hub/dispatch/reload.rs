//! Other rules of users: read and judged as a whole first, then in force in one step. Everybody is judged again by them from there on.

use serde_json::Value;

use super::renew::Renewed;
use crate::hub::Hub;
use crate::hub::call::Answer;
use crate::hub::rulebook::Rulebook;
use crate::leco::rpc::INTERNAL_ERROR;

impl Hub {
    /// Gives the hub a place from which the rules of users are read anew. Without, they cannot be.
    pub(crate) fn set_rulebook(&mut self, rulebook: Box<dyn Rulebook>) {
        self.rulebook = Some(rulebook);
    }

    /// Reads the rules of users anew. Where they do not hold the old ones stay.
    pub(crate) fn reload(&mut self) -> Result<Renewed, String> {
        let Some(rulebook) = &mut self.rulebook else {
            return Err("this server was given nothing to read its rules from".to_owned());
        };
        let read = rulebook.read().and_then(|config| {
            let namespace = self.peers.config.namespace.clone();
            let config = crate::config::Config { namespace, ..config };
            let users = config.judge_users(Some(&self.peers.users)).map_err(|why| format!("users: {why}"))?;
            Ok((config, users))
        });
        let (config, users) = match read {
            Ok(read) => read,
            Err(why) => {
                self.peers.counters.reloads_failed += 1;
                log::error!("the rules of users, and all settings, stay as they were: {why}");
                return Err(why);
            }
        };
        let (renewed, runs) = self.renew(&config);
        let ours = &mut self.peers.config;
        (ours.auth, ours.plain_remote, ours.users, ours.keys_dir, ours.jwt) =
            (config.auth, config.plain_remote, config.users, config.keys_dir, config.jwt);
        if let Some(rulebook) = &mut self.rulebook {
            rulebook.hold(runs);
        }
        self.peers.set_users(users);
        let count = self.peers.users.iter().count();
        self.peers.counters.reloads += 1;
        log::info!("the rules of users were read anew: {count} users");
        self.begin_judging();
        Ok(renewed)
    }

    /// [`Hub::reload`] as a method.
    pub(super) fn reload_by_call(&mut self) -> Answer {
        match self.reload() {
            Ok(renewed) => Ok(renewed.answer(self.peers.users.iter().count())),
            Err(why) => Err((INTERNAL_ERROR, Value::from(why))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Action, Target};
    use crate::config::{Access, Config, Role, UserRule};
    use crate::hub::keys::PeerKey;
    use crate::hub::{Door, Output, Start};
    use crate::limits::JUDGED_PER_PIECE;
    use crate::time::Tick;

    const NOW: Tick = Tick(1000);

    /// What is read, one after the other.
    #[derive(Debug)]
    struct Book(Vec<Result<Config, String>>);

    impl Rulebook for Book {
        fn read(&mut self) -> Result<Config, String> {
            self.0.remove(0)
        }

        fn hold(&mut self, _: Config) {}
    }

    fn config(users: &[(&str, Role, &str)]) -> Config {
        let rule = |(name, role, address): &(&str, Role, &str)| UserRule {
            address: vec![(*address).to_owned()],
            ..UserRule::of(name, *role)
        };
        let users = users.iter().map(rule).collect();
        Config { namespace: "N1".to_owned(), host: "n1".to_owned(), auth: Access::All, users, ..Config::default() }
    }

    /// What waits for a peer, which takes it.
    fn take(hub: &mut Hub, key: PeerKey) -> Vec<u8> {
        while hub.poll_output(NOW).is_some_and(|output| output != Output::Stop) {}
        let waits = hub.unsent(key).concat();
        hub.sent(NOW, key, waits.len());
        waits
    }

    /// A viewer on a WebSocket, from there.
    fn viewer(hub: &mut Hub, remote: &str) -> PeerKey {
        let key = hub.open_at(NOW, remote.parse().unwrap(), Door::Http).unwrap();
        let request = b"GET /viewer HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        hub.handle_bytes(NOW, key, request);
        assert!(take(hub, key).starts_with(b"HTTP/1.1 101 "));
        key
    }

    #[test]
    fn whoever_is_nobody_any_more_is_seen_out_and_wrong_rules_change_nothing() {
        let before = [("wall", Role::Viewer, "10.0.0.1"), ("other", Role::Viewer, "10.0.0.2")];
        let mut hub = Hub::new(config(&before), Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        let [wall, other] = ["10.0.0.1:5000", "10.0.0.2:5000"].map(|remote| viewer(&mut hub, remote));
        let wrong = config(&[("x", Role::Viewer, "10.0.0.1"), ("x", Role::Viewer, "10.0.0.2")]);
        let after = config(&[("third", Role::Admin, "10.0.0.3"), ("other", Role::Viewer, "10.0.0.2")]);
        hub.set_rulebook(Box::new(Book(vec![Err("no such file".to_owned()), Ok(wrong), Ok(after)])));
        assert_eq!(hub.reload().err().as_deref(), Some("no such file"));
        assert_eq!(hub.reload().err().as_deref(), Some("users: x: two users have this name"));
        for key in [wall, other] {
            assert!(take(&mut hub, key).is_empty() && hub.peers.is_open(key));
        }
        hub.handle_reload(NOW);
        while hub.judging.is_some() {
            hub.handle_timeout(NOW);
        }
        // CLOSE with the code of a policy.
        let said = take(&mut hub, wall);
        assert_eq!((said.first(), said.get(2..4)), (Some(&0x88), Some(&1008_u16.to_be_bytes()[..])));
        assert!(!hub.peers.is_open(wall) && hub.peers.is_open(other));
        assert_eq!((hub.counters().reloads, hub.counters().reloads_failed), (1, 2));
        assert_eq!(hub.check_invariants(), Ok(()));
    }

    #[test]
    fn many_are_judged_in_pieces_and_the_rules_are_in_force_before() {
        let before = config(&[("wall", Role::Viewer, "10.0.0.0/8")]);
        let after = config(&[("other", Role::Viewer, "10.0.0.1")]);
        let mut hub = Hub::new(before, Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        let walls: Vec<PeerKey> = (0..2 * JUDGED_PER_PIECE)
            .map(|n| viewer(&mut hub, &format!("10.0.{}.{}:5000", n / 250, n % 250)))
            .collect();
        hub.set_rulebook(Box::new(Book(vec![Ok(after)])));
        hub.handle_reload(NOW);
        assert!(walls.iter().all(|key| hub.peers.is_open(*key)));
        assert!(walls.iter().all(|key| hub.peers.lacks(*key, Action::Look, Target::Nothing).is_some()));
        hub.handle_timeout(NOW);
        let open = |hub: &Hub| walls.iter().filter(|key| hub.peers.is_open(**key)).count();
        assert!((walls.len() / 2..walls.len()).contains(&open(&hub)), "{}", open(&hub));
        while hub.judging.is_some() {
            assert_eq!(hub.poll_timeout(), Some(NOW), "what is left to do is due");
            hub.handle_timeout(NOW);
        }
        assert_eq!(open(&hub), 1, "the one that is another user now");
        assert_eq!(hub.check_invariants(), Ok(()));
    }

    #[test]
    fn whoever_speaks_before_its_turn_has_no_rights_from_before() {
        // Where nobody is asked everybody is the one who may everything, as far as it is near.
        let open = Config { auth: Access::Off, ..config(&[]) };
        let mut hub = Hub::new(open, Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
        let doors = [Door::Leco, Door::Control, Door::Viewer];
        let keys = doors.map(|door| hub.open_at(NOW, "10.0.0.9:5000".parse().unwrap(), door).unwrap());
        let known = hub.open_at(NOW, "10.0.0.2:5000".parse().unwrap(), Door::Leco).unwrap();
        hub.set_rulebook(Box::new(Book(vec![Ok(config(&[("other", Role::Viewer, "10.0.0.2")]))])));
        hub.handle_reload(NOW);
        for key in keys.into_iter().chain([known]) {
            hub.handle_bytes(NOW, key, &[0xff]);
            assert!(hub.peers.lacks(key, Action::Administer, Target::Nothing).is_some(), "{key:?}");
        }
        assert!(keys.iter().all(|key| !hub.peers.is_open(*key)));
        assert!(hub.peers.is_open(known) && hub.peers.lacks(known, Action::Look, Target::Nothing).is_none());
    }

    #[test]
    fn without_a_place_to_read_from_nothing_is_read() {
        let start = Start { seed: 1, now: NOW, unix_ms: 1_700_000_000_000 };
        let mut hub = Hub::new(config(&[]), start).unwrap();
        assert!(hub.reload().is_err());
        assert_eq!(hub.counters().reloads_failed, 0);
    }
}
