//! The Coordinator's own methods, free of any protocol.

use std::borrow::Cow;

use log::LevelFilter;
use serde_json::{Map, Value};

use crate::counters::Reading;
use crate::leco::json::Json;
use crate::leco::name::{self, COORDINATOR};
use crate::leco::nodes::{Dealer, Node};
use crate::leco::route::{Owner, Place, is_session};
use crate::leco::rpc::{DUPLICATE_NAME, INVALID_PARAMS, INVALID_REQUEST, Params, SERVER_FULL};
use crate::limits::{COMPONENTS_MAX, COMPONENTS_PER_PEER_MAX};
use crate::time::Span;

use super::{Coordinator, news_of, tell};
use crate::hub::call::{Answer, Caller, Refused, plain_error};
use crate::hub::doors::Output;
use crate::hub::names::{Names, shown};
use crate::hub::peers::{About, For, Peers, ProcessTimer, share_of};

/// How long an answer may become, and what did not fit.
#[derive(Debug)]
struct Fitting {
    bytes_max: usize,
    left_out: usize,
}

impl Fitting {
    /// Writes as many names as fit.
    fn write<N: AsRef<str>>(&mut self, json: &mut Json, names: impl Iterator<Item = N>) {
        json.array(|json| {
            for name in names {
                let before = json.len();
                if self.left_out == 0 {
                    json.text(name.as_ref());
                }
                if self.left_out > 0 || json.len() > self.bytes_max {
                    json.cut(before);
                    self.left_out += 1;
                }
            }
        });
    }
}

impl Coordinator {
    // ---- Components ----

    /// Signs the caller in under its name.
    pub(in crate::hub) fn sign_in(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: Params,
    ) -> Answer {
        let [suggest] = params.take(["suggest"])?;
        let suggest = match suggest {
            None | Some(Value::Null) => false,
            Some(value) => value.as_bool().ok_or(plain_error(INVALID_PARAMS))?,
        };
        let Place::Here(name) = caller.sender else {
            if peers.may_log_of(caller.link, About::Name) {
                log::warn!("{} is no name to sign in under: it has a '.', and is not of this node", caller.sender);
            }
            let ours = name::shown(names.namespace());
            let why = format!("a name has no '.', or is of this node: {ours}.NAME");
            return Err((INVALID_PARAMS, Value::from(why)));
        };
        if !name::is_legal(name) {
            if peers.may_log_of(caller.link, About::Name) {
                log::warn!("'{}' is no name to sign in under", name::shown(name));
            }
            return Err((INVALID_PARAMS, Value::from("a name is 1 to 255 bytes of printable ASCII without '.'")));
        }
        if is_session(name) {
            return Err((DUPLICATE_NAME, shown(name)));
        }
        let owner = names.owner_of(name, caller.link);
        match owner {
            Owner::ThisLink => return Ok(Value::Null),
            Owner::Nobody if name != COORDINATOR => {}
            Owner::Nobody | Owner::OtherLink => {
                let data = match names.directory.suggestion(name) {
                    Some(free) if suggest => {
                        serde_json::json!({"name": name::shown(name), "suggestion": name::shown(&free)})
                    }
                    _ => shown(name),
                };
                return Err((DUPLICATE_NAME, data));
            }
        }
        let Some(peer) = peers.get(caller.link) else { return Ok(Value::Null) };
        if peer.names.len() >= COMPONENTS_PER_PEER_MAX {
            return Err((SERVER_FULL, Value::from("too many names on one connection")));
        }
        if peer.share.is_some_and(|share| peers.shares.names(share) >= share_of(COMPONENTS_MAX)) {
            return Err((SERVER_FULL, Value::from("too many components from one machine, or of one user")));
        }
        let remote = peer.remote;
        match names.directory.add(name, caller.link) {
            Ok(key) => peers.add_name(caller.link, key),
            Err(_) => return Err((SERVER_FULL, Value::from("too many components"))),
        }
        log::log!(news_of(name), "component {} signed in from {remote}", name::shown(name));
        tell(peers, names, name, "came");
        // Messages for it may have waited.
        peers.wake(For::Name);
        peers.counters.sign_ins += 1;
        self.is_changed = true;
        Ok(Value::Null)
    }

    /// Signs the caller's name out; answers it, so that its sessions hear of that.
    pub(in crate::hub) fn sign_out<'a>(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'a>,
    ) -> Result<Option<&'a [u8]>, Refused> {
        let Place::Here(name) = caller.sender else {
            return Err((INVALID_REQUEST, Value::from("a component of another node is not signed in here")));
        };
        let Some(key) = names.directory.find(name) else { return Ok(None) };
        if names.directory.get(key).is_some_and(|component| component.link != caller.link) {
            return Err((DUPLICATE_NAME, shown(name)));
        }
        names.directory.sign_out(key);
        peers.drop_name(caller.link, key);
        log::log!(news_of(name), "component {} signed out", name::shown(name));
        tell(peers, names, name, "left");
        peers.counters.sign_outs += 1;
        self.is_changed = true;
        Ok(Some(name))
    }

    /// The component names of this node, as JSON.
    pub(in crate::hub) fn local_components(names: &Names) -> String {
        let mut json = Json::default();
        json.array(|json| names.directory.iter().for_each(|(_, component)| json.text(&name::shown(&component.name))));
        json.into_text()
    }

    /// The component names of every node, ours first, as far as they fit the answer, as JSON. Where some are left out there is one more entry, under
    /// a name that no node has: the empty one. It says how many, and why.
    pub(in crate::hub) fn global_components(peers: &Peers, names: &Names) -> String {
        let mut fitting = Fitting { bytes_max: peers.config.ring_bytes_max / 2, left_out: 0 };
        let mut json = Json::default();
        json.object(|json| {
            let ours = names.directory.iter().map(|(_, component)| name::shown(&component.name));
            fitting.write(json.key(&name::shown(names.namespace())), ours);
            for (_, node) in names.nodes.iter().filter(|(_, node)| node.is_linked() && !node.is_leaving) {
                if let Some(namespace) = &node.namespace {
                    fitting.write(json.key(&name::shown(namespace)), node.listing.names());
                    fitting.left_out += node.listing.left_out();
                }
            }
            if fitting.left_out > 0 {
                let why = format!(
                    "{} components are left out: they do not fit (ring_bytes_max), or not the memory for names of other nodes",
                    fitting.left_out
                );
                json.key("").array(|json| json.text(&why));
            }
        });
        json.into_text()
    }

    /// Namespace and address of every node that messages can be sent to, this one included.
    pub(in crate::hub) fn nodes_as_json(names: &Names) -> Value {
        let mut all = Map::new();
        all.insert(name::shown(names.namespace()), Value::from(&*names.address));
        for (_, node) in names.nodes.iter() {
            if let (Some(namespace), Some(address), Dealer::Up(_)) = (&node.namespace, &node.address, node.dealer) {
                all.insert(name::shown(namespace), Value::from(&**address));
            }
        }
        Value::Object(all)
    }

    /// Every other node, linked or not: which links there are, and since when.
    pub(in crate::hub) fn links_as_json(peers: &Peers, names: &Names) -> Value {
        let link = |(_, node): (_, &Node<_>)| {
            let (linked, since) = node.linked;
            serde_json::json!({
                "namespace": node.namespace.as_deref().or(node.hint.as_deref()).map(name::shown),
                "address": node.address,
                "state": linked.word(),
                "since_s": peers.now.since(since).0 / 1000,
                "rtt_ms": node.round_trip.map(|span| span.0),
            })
        };
        names.nodes.iter().map(link).collect()
    }

    /// Every counter, and what there is now, by their names.
    pub(in crate::hub) fn counters(peers: &Peers, names: &Names) -> Vec<(Cow<'static, str>, u64)> {
        let counted = peers.counters.iter().map(|(name, _, value)| (name.into(), value));
        let told = |reading: Reading| (format!("{}_now", reading.name).into(), crate::counters::count(reading.value));
        counted.chain(Self::readings(peers, names).map(told)).collect()
    }

    /// What there is now: connections, components, bytes in rings, of partial messages, of data.
    pub(in crate::hub) fn readings(peers: &Peers, names: &Names) -> [Reading; 5] {
        let (rings, partial) = peers.pool.in_use();
        [
            Reading::new("connections", "connections open now", peers.len()),
            Reading::new("components", "Components signed in at this node", names.directory.len()),
            Reading::new("ring_bytes", "bytes that wait for receivers", rings),
            Reading::new("partial_bytes", "bytes of messages that have come in part", partial),
            Reading::new(
                "data_bytes",
                "bytes of worlds, results, sessions, channels and requests over HTTP",
                peers.pool.data_in_use(),
            ),
        ]
    }

    // ---- Administration ----

    pub(in crate::hub) fn set_log_level(peers: &mut Peers, caller: Caller<'_>, params: Params) -> Answer {
        let [level] = params.take(["level"])?;
        let filter = match level.as_ref().and_then(Value::as_str) {
            Some("DEBUG") => LevelFilter::Debug,
            Some("INFO") => LevelFilter::Info,
            Some("WARNING") => LevelFilter::Warn,
            Some("ERROR" | "CRITICAL") => LevelFilter::Error,
            _ => return Err((INVALID_PARAMS, Value::from("level is DEBUG, INFO, WARNING, ERROR or CRITICAL"))),
        };
        // Said before it is done: whoever reads the log learns why it goes silent.
        let remote = peers.get(caller.link).map(|peer| peer.remote.to_string()).unwrap_or_default();
        log::warn!("{} at {remote} sets the log level to {filter}", caller.sender);
        peers.outputs.push_back(Output::LogLevel(filter));
        Ok(Value::Null)
    }

    pub(in crate::hub) fn remove_expired_addresses(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        params: Params,
    ) -> Answer {
        let [time] = params.take(["expiration_time"])?;
        let wrong = || (INVALID_PARAMS, Value::from("expiration_time is a number of seconds, zero or more"));
        let seconds = time.as_ref().and_then(Value::as_f64).ok_or_else(wrong)?;
        if !(0.0..=1e9).contains(&seconds) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1e12 milliseconds, checked above"
        )]
        let expiration = Span((seconds * 1000.0) as u64);
        Self::clean_directory(peers, names, expiration);
        self.clean_nodes(peers, names, expiration);
        Ok(Value::Null)
    }

    pub(in crate::hub) fn shut_down(peers: &mut Peers) -> Answer {
        log::info!("shut_down was called");
        // The goodbye waits for the end of this turn, so that the answer is queued before it.
        peers.set_timer(ProcessTimer::Goodbye, Span(0));
        Ok(Value::Null)
    }
}
