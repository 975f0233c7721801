//! Who is connected, and how each fares: what one looks at to find who is slow.

use serde_json::Value;

use crate::control::reply::ConnectionInfo;
use crate::hub::Hub;
use crate::hub::call::Refused;
use crate::hub::coordinator::Coordinator;
use crate::hub::doors::Channel;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Life, Peer, Role};
use crate::leco::json::Json;
use crate::leco::name::shown;
use crate::leco::rpc::{INVALID_PARAMS, Params};
use crate::limits::CONNECTIONS_TOLD_MAX;
use crate::store::order;

/// By what connections are put in order: the most of it comes first.
const COLUMNS: [&str; 10] = [
    "waiting_bytes",
    "held_ms",
    "drops",
    "messages_in",
    "messages_out",
    "bytes_in",
    "bytes_out",
    "heard_ms",
    "age_s",
    "key",
];

/// How many are told of to whoever does not say.
const MOST: usize = 100;

/// A connection as it is shown.
pub(super) struct ConnectionRow {
    name: String,
    dialect: &'static str,
    address: String,
    is_held: bool,
    /// In the order of [`COLUMNS`].
    figures: [u64; COLUMNS.len()],
}

impl ConnectionRow {
    pub(super) fn info(&self) -> ConnectionInfo<'_> {
        let Self { name, dialect, address, is_held, figures } = self;
        ConnectionInfo { name, dialect, address, held: *is_held, columns: &COLUMNS, figures }
    }

    fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.key("address").text(&self.address);
            json.key("dialect").text(self.dialect);
            json.key("held").truth(self.is_held);
            json.key("name").text(&self.name);
            for (column, figure) in COLUMNS.iter().zip(self.figures) {
                json.key(column).number(figure);
            }
        });
    }
}

impl Hub {
    /// The connections that have most of something, and how many there are of all, as JSON.
    pub(super) fn connections(&self, params: Params) -> Result<String, Refused> {
        let [by, most, name] = params.take(["by", "most", "name"])?;
        let wrong = |why: String| (INVALID_PARAMS, Value::from(why));
        let by = match &by {
            None | Some(Value::Null) => 0,
            Some(word) => COLUMNS
                .iter()
                .position(|column| Some(*column) == word.as_str())
                .ok_or_else(|| wrong(format!("by is one of {}", COLUMNS.join(", "))))?,
        };
        let most = match &most {
            None | Some(Value::Null) => Some(MOST),
            Some(value) => value.as_u64().and_then(|most| usize::try_from(most).ok()),
        };
        let most = most.filter(|most| (1..=CONNECTIONS_TOLD_MAX).contains(most));
        let most = most.ok_or_else(|| wrong(format!("most is a number from 1 to {CONNECTIONS_TOLD_MAX}")))?;
        let name = match &name {
            None | Some(Value::Null) => "",
            Some(text) => text.as_str().ok_or_else(|| wrong("name is a part of a name or of an address".to_owned()))?,
        };
        let (total, keys) = self.those_with_most(by, most, name);
        let mut json = Json::default();
        json.object(|json| {
            json.key("connections").array(|json| {
                keys.into_iter().filter_map(|key| self.row(key)).for_each(|row| row.write(json));
            });
            json.key("total").number(crate::counters::count(total));
        });
        Ok(json.into_text())
    }

    /// Those that a controller is shown: the first of all by what waits for them.
    pub(super) fn connection_rows(&self) -> Vec<ConnectionRow> {
        let (_, keys) = self.those_with_most(0, MOST, "");
        keys.into_iter().filter_map(|key| self.row(key)).collect()
    }

    /// How many connections there are with `name` in name or address, and the first of them by a column.
    fn those_with_most(&self, by: usize, most: usize, name: &str) -> (usize, Vec<PeerKey>) {
        let wanted = |peer: &Peer| {
            peer.life != Life::Tarpit
                && (name.is_empty() || self.names_of(peer).contains(name) || peer.remote.to_string().contains(name))
        };
        let mut all: Vec<(u64, PeerKey)> = self
            .peers
            .iter()
            .filter(|(_, peer)| wanted(peer))
            .map(|(key, peer)| (self.figures(key, peer).get(by).copied().unwrap_or(0), key))
            .collect();
        let total = all.len();
        all.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        all.truncate(most);
        (total, all.into_iter().map(|(_, key)| key).collect())
    }

    /// What it is busy with.
    #[cfg(feature = "daemon")]
    pub(crate) fn load(&self) -> crate::hub::vitals::Load {
        let (waiting, half_sent) = self.peers.pool.in_use();
        let (components, sessions) = (self.names.directory.len(), self.sessions.len());
        crate::hub::vitals::Load { components, sessions, waiting: waiting + half_sent }
    }

    /// Every counter, what there is now, and how the process fares, as JSON, by their names.
    pub(super) fn counters_told(&self) -> String {
        let mut all = Coordinator::counters(&self.peers, &self.names);
        all.push(("uptime_s_now".into(), self.peers.now.since(self.peers.born).0 / 1000));
        if let Some(vitals) = self.vitals.at(self.peers.now) {
            all.extend([("memory_bytes_now".into(), vitals.resident_bytes), ("cpu_ms_now".into(), vitals.cpu_ms)]);
        }
        order::sort(&mut all);
        let mut json = Json::with_room(all.len() * 32);
        json.object(|json| all.iter().for_each(|(name, value)| json.key(name).number(*value)));
        json.into_text()
    }

    /// What there is to know of a connection in numbers, in the order of [`COLUMNS`].
    fn figures(&self, key: PeerKey, peer: &Peer) -> [u64; COLUMNS.len()] {
        let (now, traffic) = (self.peers.now, &peer.traffic);
        let held = if peer.held.is_some() { now.since(traffic.held_since).0 } else { 0 };
        let results = peer.results().map_or(0, |results| results.iter().map(|result| result.bytes.len()).sum());
        [
            crate::counters::count(peer.waiting() + results),
            traffic.held_ms + held,
            traffic.drops,
            traffic.messages_in,
            peer.messages_out + u64::from(peer.put_in),
            traffic.bytes_in,
            peer.bytes_out,
            now.since(peer.last_heard).0,
            now.since(traffic.opened).0 / 1000,
            crate::counters::count(key.slot()),
        ]
    }

    fn row(&self, key: PeerKey) -> Option<ConnectionRow> {
        let peer = self.peers.get(key)?;
        Some(ConnectionRow {
            name: self.names_of(peer),
            dialect: self.dialect(key, peer),
            address: peer.remote.to_string(),
            is_held: peer.held.is_some(),
            figures: self.figures(key, peer),
        })
    }

    /// The names of whoever is at the other end; nothing where it has none.
    fn names_of(&self, peer: &Peer) -> String {
        let node = if let Role::Dialled(node) = peer.role { Some(node) } else { peer.node };
        if let Some(namespace) = node.and_then(|node| self.names.nodes.get(node)?.namespace.as_deref()) {
            return format!("{}.COORDINATOR", shown(namespace));
        }
        let full = |key| Some(shown(&self.names.named_here(&self.names.directory.get(key)?.name)));
        peer.names.iter().filter_map(|key| full(*key)).collect::<Vec<_>>().join(",")
    }

    /// What is spoken on a connection.
    fn dialect(&self, key: PeerKey, peer: &Peer) -> &'static str {
        match peer.role {
            Role::Accepted if peer.node.is_some() => "node",
            Role::Accepted => "leco",
            Role::Dialled(_) => "node",
            Role::Controller => "control",
            Role::Viewer => "viewer",
            Role::Web => self.web.dialect(key),
            Role::Topic => "stomp",
            Role::Kernel(_) => "kernel",
            Role::Channel(Channel::Data, _) => "data",
            Role::Channel(Channel::Log, _) => "log",
        }
    }
}
