//! The ports of the data and the log channel.

use std::io;

use super::door::{self, EVERYWHERE, Listener, Places, open_any};
use crate::config::{ChannelPort, Config};
use crate::hub::{Channel, ChannelPorts, Door};
use crate::leco::DEFAULT_PORT;

/// A channel with its ports: that of publishers, and how far above it the others are.
struct Usual {
    channel: Channel,
    key: &'static str,
    publishers: u16,
    subscribers: i32,
    distributors: i32,
}

const USUAL: [Usual; 2] = [
    Usual { channel: Channel::Data, key: "data_port", publishers: 11_100, subscribers: -1, distributors: 1 },
    Usual { channel: Channel::Log, key: "log_channel_port", publishers: 11_098, subscribers: -1, distributors: -2 },
];

/// Opens the ports of those channels that are not off, where Components are listened for. A channel whose ports are not to be had is off, which the log
/// says.
pub(super) fn open(config: &Config, of_components: &[Listener]) -> io::Result<Vec<Listener>> {
    let asked = door::asked_port(config)?;
    let leco: Vec<_> = of_components.iter().filter(|one| one.door() == Door::Leco).map(Listener::address).collect();
    let hosts = door::hosts(&leco);
    let places: Places<'_> = if config.bind.is_empty() { EVERYWHERE } else { [&hosts, &hosts] };
    let mut all = Vec::new();
    let mut cure = None;
    for usual in &USUAL {
        let chosen = match usual.channel {
            Channel::Data => config.data_port,
            Channel::Log => config.log_channel_port,
        };
        let port = match chosen {
            ChannelPort::Off => continue,
            ChannelPort::Usual if asked == 0 => continue,
            ChannelPort::Usual => i32::from(usual.publishers) + i32::from(asked) - i32::from(DEFAULT_PORT),
            ChannelPort::At(port) => i32::from(port),
        };
        match usual.open(port, places) {
            Ok(listeners) => all.extend(listeners),
            Err(error) => {
                let (channel, key) = (usual.channel, usual.key);
                let is_moved = chosen == ChannelPort::Usual && error.kind() == io::ErrorKind::AddrInUse;
                let cure = if is_moved { cure.get_or_insert_with(|| free_neighbour(asked, places)) } else { "" };
                log::warn!("the {channel} channel is off: {error} ({cure}{key} chooses another port, or off)");
            }
        }
    }
    Ok(all)
}

/// So far apart Coordinators of one machine have all their ports for themselves.
const APART: u16 = 20;
/// How many such ports are tried for one to name.
const TRIES: u16 = 10;

/// Where a Coordinator would have all its ports, as an advice: the first port so far away at which nobody has any of them.
fn free_neighbour(asked: u16, places: Places<'_>) -> String {
    let distances = [0, 10, 11, 12].into_iter().chain(USUAL.iter().flat_map(|usual| {
        let publishers = i32::from(usual.publishers) - i32::from(DEFAULT_PORT);
        [publishers, publishers + usual.subscribers, publishers + usual.distributors]
    }));
    let is_free = |port: u16| {
        distances.clone().all(|distance| {
            u16::try_from(i32::from(port) + distance).is_ok_and(|at| open_any(places, at, Door::Leco).is_ok())
        })
    };
    let found = (1..=TRIES).filter_map(|n| asked.checked_add(n * APART)).find(|port| is_free(*port));
    found.map_or_else(String::new, |port| {
        format!(
            "Coordinators of one machine want ports {APART} apart: at port {port} all that go with it are free; or "
        )
    })
}

impl Usual {
    fn open(&self, port: i32, places: Places<'_>) -> io::Result<Vec<Listener>> {
        let doors = [
            (Door::Publisher(self.channel), 0),
            (Door::Subscriber(self.channel), self.subscribers),
            (Door::Distributor(self.channel), self.distributors),
        ];
        let mut listeners = Vec::new();
        for (door, distance) in doors {
            // Where any port will do, any will for each.
            let at = if port == 0 { 0 } else { port + distance };
            let none = || io::Error::new(io::ErrorKind::AddrInUse, format!("there is no port {at}"));
            let at = u16::try_from(at).ok().filter(|at| *at > 0 || port == 0).ok_or_else(none)?;
            listeners.extend(open_any(places, at, door)?);
        }
        Ok(listeners)
    }
}

/// The ports of a channel, if these listeners have them all.
pub(super) fn ports(listeners: &[Listener], channel: Channel) -> Option<ChannelPorts> {
    let port = |door| listeners.iter().find(|one| one.door() == door).map(|one| one.address().port());
    Some(ChannelPorts {
        publishers: port(Door::Publisher(channel))?,
        subscribers: port(Door::Subscriber(channel))?,
        distributors: port(Door::Distributor(channel))?,
    })
}
