//! The ports of the data and the log channel.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use super::door::{self, EVERYWHERE, Listener, Places, open_any};
use super::host;
use super::passed::Passed;
use crate::config::{ChannelPort, Config};
use crate::hub::{Channel, ChannelPorts, Door};
use crate::leco::DEFAULT_PORT;
use crate::store::order;

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

/// Opens the ports of those channels that are not off, where Components are listened for. A channel whose ports are not to be had is off; a sentence
/// for each says why.
pub(super) fn open(
    config: &Config,
    of_components: &[Listener],
    passed: &mut Passed,
) -> io::Result<(Vec<Listener>, Vec<String>)> {
    let leco = || of_components.iter().filter(|one| one.door() == Door::Leco);
    let is_passed = leco().find(|one| one.is_passed());
    let asked = is_passed.map_or_else(|| door::asked_port(config), |one| Ok(one.address().port()))?;
    let hosts = door::hosts(&leco().map(Listener::address).collect::<Vec<_>>());
    let is_chosen = !config.bind.is_empty() || is_passed.is_some();
    let places: Places<'_> = if is_chosen { [&hosts, &hosts] } else { EVERYWHERE };
    open_at(config, asked, places, passed, None)
}

/// What would be opened of them beside Components, without opening anything.
pub(super) fn planned(config: &Config) -> io::Result<Vec<(Door, SocketAddr)>> {
    let asked = door::asked_port(config)?;
    let hosts = door::hosts(&door::chosen(config)?);
    let hosts = if config.bind.is_empty() { EVERYWHERE[0] } else { &hosts };
    let mut all = Vec::new();
    for usual in &USUAL {
        let Some((port, _)) = usual.port(config, asked) else { continue };
        let doors = [(0, Door::Publisher(usual.channel)), (usual.subscribers, Door::Subscriber(usual.channel))];
        for (distance, door) in doors.into_iter().chain([(usual.distributors, Door::Distributor(usual.channel))]) {
            let port = u16::try_from(port + distance).unwrap_or(0);
            all.extend(hosts.iter().map(|ip| (door, SocketAddr::new(*ip, port))));
        }
    }
    Ok(all)
}

/// Of a server that cannot start because somebody has the port of Components: a sentence for each channel that would be off if that one were gone.
pub(super) fn off_besides(config: &Config) -> io::Result<Vec<String>> {
    let asked = door::asked_port(config)?;
    let chosen = door::chosen(config)?;
    let mut ports = core::iter::once(asked).chain(chosen.iter().map(SocketAddr::port));
    // Whoever cannot be seen may be the one that is to be begun anew, with all its ports.
    let Some((_, pid)) = ports.find_map(host::port_holder) else { return Ok(Vec::new()) };
    let hosts = door::hosts(&chosen);
    let places: Places<'_> = if config.bind.is_empty() { EVERYWHERE } else { [&hosts, &hosts] };
    Ok(open_at(config, asked, places, &mut Passed::default(), Some(pid))?.1)
}

/// Opens them beside the port `asked` of Components; what the process `before` has is as good as free.
fn open_at(
    config: &Config,
    asked: u16,
    places: Places<'_>,
    passed: &mut Passed,
    before: Option<u32>,
) -> io::Result<(Vec<Listener>, Vec<String>)> {
    let (mut all, mut off) = (Vec::new(), Vec::new());
    let mut cure = None;
    for usual in &USUAL {
        let theirs = usual.passed(passed)?;
        if !theirs.is_empty() {
            all.extend(theirs);
            continue;
        }
        let Some((port, is_usual)) = usual.port(config, asked) else { continue };
        match usual.open(port, places) {
            Ok(listeners) => all.extend(listeners),
            Err(_) if before.is_some() && usual.holders(port).next().map(|(_, pid)| pid) == before => {}
            Err(error) => {
                let (channel, key) = (usual.channel, usual.key);
                let is_moved = is_usual && error.kind() == io::ErrorKind::AddrInUse;
                let mut advice = || usual.end_proxy(port).unwrap_or_else(|| free_neighbour(asked, places));
                let cure = if is_moved { cure.get_or_insert_with(&mut advice) } else { "" };
                off.push(format!("the {channel} channel is off: {error} ({cure}{key} chooses another port, or off)"));
            }
        }
    }
    Ok((all, off))
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
    /// The port of publishers beside the port `asked` of Components, and whether nobody has chosen it. Nothing, if the channel is off.
    fn port(&self, config: &Config, asked: u16) -> Option<(i32, bool)> {
        let chosen = match self.channel {
            Channel::Data => config.data_port,
            Channel::Log => config.log_channel_port,
        };
        match chosen {
            ChannelPort::Off => None,
            ChannelPort::Usual if asked == 0 => None,
            ChannelPort::Usual => Some((i32::from(self.publishers) + i32::from(asked) - i32::from(DEFAULT_PORT), true)),
            ChannelPort::At(port) => Some((i32::from(port), false)),
        }
    }

    /// What its three ports are for, the lowest first.
    fn doors(&self) -> [Door; 3] {
        let mut doors = [
            (0, Door::Publisher(self.channel)),
            (self.subscribers, Door::Subscriber(self.channel)),
            (self.distributors, Door::Distributor(self.channel)),
        ];
        doors.sort_by_key(|(distance, _)| *distance);
        doors.map(|(_, door)| door)
    }

    /// Who has its ports, as far as they are taken and that can be seen.
    fn holders(&self, port: i32) -> impl Iterator<Item = (String, u32)> {
        let ports = [0, self.subscribers, self.distributors].map(|distance| port + distance);
        ports.into_iter().filter_map(|port| host::port_holder(u16::try_from(port).ok()?))
    }

    /// As an advice: to end the program of another kind that has one of the ports, which is mostly pyleco's `proxy_server`.
    fn end_proxy(&self, port: i32) -> Option<String> {
        let own = std::env::current_exe().ok()?;
        let (name, _) = self.holders(port).find(|(name, _)| own.file_name().is_none_or(|own| *own != **name))?;
        Some(format!("end {name}, whose place this process takes; or "))
    }

    /// Its listeners, where whoever has started us has opened them.
    fn passed(&self, passed: &mut Passed) -> io::Result<Vec<Listener>> {
        let sockets: Vec<_> = passed.take(self.key).collect();
        let ports: BTreeSet<u16> = order::filled(sockets.iter().map(|(_, address)| address.port()));
        let doors = self.doors();
        if ports.len() != doors.len() && !ports.is_empty() {
            let (key, count) = (self.key, ports.len());
            let text = format!("the sockets '{key}' that were passed: a channel has three ports, not {count}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let door = |port| ports.iter().zip(doors).find(|(other, _)| **other == port).map(|(_, door)| door);
        let listener = |(socket, at): (_, SocketAddr)| Some(Listener::passed(socket, at, door(at.port())?));
        Ok(sockets.into_iter().filter_map(listener).collect())
    }

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

#[cfg(all(feature = "daemon", unix))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn passed(key: &str, count: usize) -> Passed {
        let socket = || (key.to_owned(), TcpListener::bind("127.0.0.1:0").unwrap().into());
        Passed::new((0..count).map(|_| socket())).unwrap()
    }

    #[test]
    fn sockets_that_are_passed_are_those_of_a_channel_in_the_order_of_their_ports() {
        for usual in &USUAL {
            let mut listeners = usual.passed(&mut passed(usual.key, 3)).unwrap();
            listeners.sort_by_key(|one| one.address().port());
            assert_eq!(listeners.iter().map(Listener::door).collect::<Vec<_>>(), usual.doors());
            assert!(listeners.iter().all(|one| one.is_passed() && one.ready));
            assert_eq!(usual.passed(&mut Passed::default()).unwrap().len(), 0);
            let said = usual.passed(&mut passed(usual.key, 1)).unwrap_err().to_string();
            assert!(said.ends_with("a channel has three ports, not 1"), "{said}");
        }
        let [data, log] = USUAL.map(|usual| usual.doors());
        assert_eq!((data[1], log[2]), (Door::Publisher(Channel::Data), Door::Publisher(Channel::Log)));
    }
}
