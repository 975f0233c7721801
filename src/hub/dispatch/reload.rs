//! Other rules of users: read and judged as a whole first, then in force in one step, and everybody is judged again by them.

use serde_json::{Value, json};

use crate::auth::{Action, Target};
use crate::hub::Hub;
use crate::hub::call::Answer;
use crate::hub::cause::Cause;
use crate::hub::keys::{ComponentKey, PeerKey};
use crate::hub::peers::{About, Role};
use crate::hub::rulebook::Rulebook;
use crate::leco::name;
use crate::leco::rpc::INTERNAL_ERROR;

impl Hub {
    /// Gives the hub a place from which the rules of users are read anew. Without, they cannot be.
    pub(crate) fn set_rulebook(&mut self, rulebook: Box<dyn Rulebook>) {
        self.rulebook = Some(rulebook);
    }

    /// Reads the rules of users anew. Where they do not hold the old ones stay.
    pub(crate) fn reload(&mut self) -> Result<(), String> {
        let Some(rulebook) = &mut self.rulebook else {
            return Err("this server was given nothing to read its rules from".to_owned());
        };
        let read = rulebook.read().and_then(|config| {
            // Of the rest nothing changes while the process runs.
            let namespace = self.peers.config.namespace.clone();
            let config = crate::config::Config { namespace, ..config };
            let users = config.judge_users(Some(&self.peers.users)).map_err(|why| format!("users: {why}"))?;
            Ok((config, users))
        });
        let (config, users) = match read {
            Ok(read) => read,
            Err(why) => {
                self.peers.counters.reloads_failed += 1;
                log::error!("the rules of users stay as they were: {why}");
                return Err(why);
            }
        };
        let ours = &mut self.peers.config;
        (ours.auth, ours.plain_remote, ours.users, ours.keys_dir) =
            (config.auth, config.plain_remote, config.users, config.keys_dir);
        let gone = self.peers.set_users(users);
        let count = self.peers.users.iter().count();
        self.peers.counters.reloads += 1;
        log::info!("the rules of users were read anew: {count} users, {} links without one are closed", gone.len());
        for key in gone {
            self.peers.finish(key, Cause::Stranger);
        }
        self.drain_events();
        self.judge_links();
        self.judge_sessions();
        Ok(())
    }

    /// Signs out whoever may not have its name any more, and parts from nodes that may not be such.
    fn judge_links(&mut self) {
        let mut names: Vec<(ComponentKey, PeerKey, Vec<u8>)> = Vec::new();
        for (key, component) in self.names.directory.iter() {
            let full_name = self.names.named_here(&component.name);
            if self.peers.lacks(component.link, Action::SignIn, Target::Name(&full_name)).is_some() {
                names.push((key, component.link, full_name));
            }
        }
        for (key, link, full_name) in names {
            let refused = self.peers.forbid(link, "sign_in", "names", Target::Name(&full_name));
            let Some(name) = self.coordinator.take_name(&mut self.peers, &mut self.names, key) else { continue };
            self.sessions.component_signed_out(&mut self.peers, &self.names, &name);
            self.fail_calls(Some(&name), "it may not have its name any more");
            self.names.tell_refused(&mut self.peers, link, &full_name, &refused);
        }
        let mut nodes = Vec::new();
        for (_, node) in self.names.nodes.iter() {
            if let (Some(link), Some(namespace)) = (node.inbound, node.namespace.as_deref())
                && self.peers.lacks(link, Action::BeNode, Target::Namespace(namespace)).is_some()
            {
                nodes.push((link, name::shown(namespace)));
            }
        }
        for (link, namespace) in nodes {
            if self.peers.may_log_of(link, About::Namesake) {
                log::warn!("node {namespace} may not be one any more");
            }
            self.peers.close(link, Cause::Stranger);
        }
        self.drain_events();
    }

    /// Takes members out of sessions that they may not be in any more.
    fn judge_sessions(&mut self) {
        for (session, name, full_name) in self.sessions.members_here(&self.names) {
            let link = self.names.home_of(&full_name).and_then(|home| self.names.link_of(home));
            let lacks = link.and_then(|link| self.peers.lacks(link, Action::Join, Target::Session(&name)));
            if lacks.is_some() {
                self.sessions.put_out(&mut self.peers, &self.names, session, &full_name);
            }
        }
        for (session, name, id, user) in self.sessions.guests_of_users() {
            if self.peers.users.is_off() {
                break;
            }
            if self.peers.users.lacks(Some(user), Action::Join, Target::Session(&name)).is_some() {
                let why = crate::hub::events::Parting::Forbidden;
                self.sessions.guest_leaves(&mut self.peers, &self.names, session, &id, why);
            }
        }
        // Who looks on and may not is told when it next asks; what is told by itself ends.
        let streams: Vec<PeerKey> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.role == Role::Viewer || peer.role == Role::Web && peer.results().is_some())
            .map(|(key, _)| key)
            .filter(|key| self.peers.lacks(*key, Action::Look, Target::Nothing).is_some())
            .collect();
        for key in streams {
            self.peers.finish(key, Cause::Stranger);
        }
        self.drain_events();
    }

    /// The same as a method.
    pub(super) fn reload_by_call(&mut self) -> Answer {
        match self.reload() {
            Ok(()) => Ok(json!({"users": self.peers.users.iter().count()})),
            Err(why) => Err((INTERNAL_ERROR, Value::from(why))),
        }
    }
}
