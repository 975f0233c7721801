//! Listeners: opening them, and saying who holds a port that is taken.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::host;
use super::passed::Passed;
use crate::config::Config;
use crate::hub::Door;
use crate::leco::address;
use crate::store::order;
use crate::time::Span;

const BACKLOG: i32 = 1024;
/// Pause of accepting when the process has no file descriptors left, or the system no memory.
pub(super) const ACCEPT_PAUSE: Span = Span(100);

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    door: Door,
    /// Connections may wait.
    pub(super) ready: bool,
    is_passed: bool,
}

impl Listener {
    /// One that somebody has opened for us: connections may wait there already.
    pub(super) const fn passed(socket: TcpListener, address: SocketAddr, door: Door) -> Self {
        Self { socket, address, door, ready: true, is_passed: true }
    }

    pub(super) const fn is_passed(&self) -> bool {
        self.is_passed
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn door(&self) -> Door {
        self.door
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(super) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.accept()
    }
}

/// Opens every address of the configuration; what somebody has opened for us takes the place of those of its setting. With a sentence for each port beside
/// that of Components that is another one than usual.
pub(super) fn open(config: &Config, passed: &mut Passed) -> io::Result<(Vec<Listener>, Vec<String>)> {
    let mut listeners = taken(passed, "bind", Door::Leco);
    let is_chosen = !config.bind.is_empty() || !listeners.is_empty();
    if listeners.is_empty() {
        listeners = open_leco(config)?;
    }
    let port = listeners.first().map_or(config.port, |listener| listener.address.port());
    let chosen: Vec<SocketAddr> = listeners.iter().map(Listener::address).collect();
    let (near, hosts) = (near(if is_chosen { &chosen } else { &[] }), hosts(&chosen));
    let mut elsewhere = Vec::new();
    for (beside, texts) in Beside::all(config, is_chosen, &near, &hosts) {
        let port = port.checked_add(beside.offset);
        let passed = taken(passed, beside.key, beside.door);
        if !passed.is_empty() {
            listeners.extend(passed);
        } else if texts.is_empty() {
            listeners.extend(beside.open(port, &mut elsewhere));
        } else if !texts.iter().any(|text| text == "off") {
            listeners.extend(open_each(texts, beside.key, port.unwrap_or(0), beside.door)?);
        }
    }
    let passed = taken(passed, "stomp_bind", Door::Stomp);
    if !passed.is_empty() {
        listeners.extend(passed);
    } else if !config.stomp_bind.iter().any(|text| text == "off") {
        listeners.extend(open_each(&config.stomp_bind, "stomp_bind", STOMP_PORT, Door::Stomp)?);
    }
    if config.c2sim {
        for (port, door) in REFERENCE {
            if !listeners.iter().any(|listener| listener.is_passed && listener.address.port() == port) {
                listeners.extend(open_any(EVERYWHERE, port, door)?);
            }
        }
    }
    Ok((listeners, elsewhere))
}

/// What would be opened where nobody has opened anything for us, without opening it: a port that is left to the system is 0.
pub(super) fn planned(config: &Config) -> io::Result<Vec<(Door, SocketAddr)>> {
    let is_chosen = !config.bind.is_empty();
    let at = |ips: &[IpAddr], port| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect::<Vec<_>>();
    let each = |texts: &[String], key, port| -> io::Result<Vec<SocketAddr>> {
        let is_off = texts.iter().any(|text| text == "off");
        texts.iter().filter(|_| !is_off).map(|text| address(key, text, port)).collect()
    };
    let components = if is_chosen { chosen(config)? } else { at(EVERYWHERE[0], config.port) };
    let port = components.first().map_or(config.port, SocketAddr::port);
    let (near, hosts) = (near(if is_chosen { &components } else { &[] }), hosts(&components));
    let mut all = vec![(Door::Leco, components)];
    for (beside, texts) in Beside::all(config, is_chosen, &near, &hosts) {
        let port = if port == 0 { 0 } else { port.saturating_add(beside.offset) };
        let usual = texts.is_empty().then(|| at(beside.places[0], port));
        all.push((beside.door, usual.map_or_else(|| each(texts, beside.key, port), Ok)?));
    }
    all.push((Door::Stomp, each(&config.stomp_bind, "stomp_bind", STOMP_PORT)?));
    if config.c2sim {
        all.extend(REFERENCE.map(|(port, door)| (door, at(EVERYWHERE[0], port))));
    }
    Ok(all.into_iter().flat_map(|(door, addresses)| addresses.into_iter().map(move |one| (door, one))).collect())
}

/// What was opened for a setting by whoever has started us.
fn taken(passed: &mut Passed, key: &str, door: Door) -> Vec<Listener> {
    passed.take(key).map(|(socket, address)| Listener::passed(socket, address, door)).collect()
}

/// The port that somebody has chosen for Components; 0 if that is left to the system.
pub(super) fn asked_port(config: &Config) -> io::Result<u16> {
    config.bind.first().map_or(Ok(config.port), |text| Ok(address("bind", text, config.port)?.port()))
}

/// The addresses that somebody has chosen for Components.
pub(super) fn chosen(config: &Config) -> io::Result<Vec<SocketAddr>> {
    config.bind.iter().map(|text| address("bind", text, config.port)).collect()
}

/// The port of STOMP.
const STOMP_PORT: u16 = 61613;
/// The ports at which clients of C2SIM look for the reference servers: TNO's, and GMU's with its broker.
const REFERENCE: [(u16, Door); 3] = [(7777, Door::Http), (8080, Door::Http), (STOMP_PORT, Door::Stomp)];

/// Addresses to listen on, all of them; and those instead, where the machine has none of the first.
pub(super) type Places<'a> = [&'a [IpAddr]; 2];

/// All of the machine; the other one is for a machine without IPv6.
pub(super) const EVERYWHERE: Places<'_> = [&[IpAddr::V6(Ipv6Addr::UNSPECIFIED)], &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)]];
/// Loopback.
const NEAR: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The loopback addresses of those kinds that Components use, where somebody has chosen those.
fn near(chosen: &[SocketAddr]) -> Vec<IpAddr> {
    let ips = || chosen.iter().map(SocketAddr::ip);
    let takes_v4 = chosen.is_empty() || ips().any(|ip| ip.is_ipv4() || ip.is_unspecified());
    let takes_v6 = ips().any(|ip| ip.is_ipv6());
    NEAR.into_iter().filter(|ip| if ip.is_ipv4() { takes_v4 } else { takes_v6 }).collect()
}

/// The hosts of these addresses, each once.
pub(super) fn hosts(addresses: &[SocketAddr]) -> Vec<IpAddr> {
    let mut hosts: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    order::sort(&mut hosts);
    hosts.dedup();
    hosts
}

/// A port beside that of LECO.
struct Beside<'a> {
    door: Door,
    /// The setting that chooses its addresses.
    key: &'static str,
    who: &'static str,
    places: Places<'a>,
    /// It is so much higher than that of LECO.
    offset: u16,
}

impl<'a> Beside<'a> {
    /// All of them, each with the addresses that somebody has chosen for it. `hosts` are those of Components, and those on loopback that are `near`.
    fn all(config: &'a Config, is_chosen: bool, near: &'a [IpAddr], hosts: &'a [IpAddr]) -> [(Self, &'a [String]); 3] {
        let near = [near, &NEAR[1..]];
        // Whoever keeps Components to some addresses means viewers too.
        let viewers = if is_chosen { [hosts, hosts] } else { EVERYWHERE };
        let one = |door, key, who, places, offset| Self { door, key, who, places, offset };
        [
            (one(Door::Control, "control_bind", "controllers", near, 10), &config.control_bind),
            (one(Door::Viewer, "viewer_bind", "viewers", viewers, 11), &config.viewer_bind),
            (one(Door::Http, "http_bind", "clients of HTTP", near, 12), &config.http_bind),
        ]
    }

    /// Opens it where nobody has chosen an address. Two servers with neighbouring ports are no reason not to start: if the port is taken,
    /// any other will do, since clients are told. What people must know of it goes into `elsewhere`.
    fn open(&self, port: Option<u16>, elsewhere: &mut Vec<String>) -> Vec<Listener> {
        let (who, key) = (self.who, self.key);
        let beyond = || io::Error::new(io::ErrorKind::AddrInUse, "there is no port so high");
        let error = match port.map_or_else(|| Err(beyond()), |port| open_any(self.places, port, self.door)) {
            Ok(listeners) => return listeners,
            Err(error) => error,
        };
        let other = (error.kind() == io::ErrorKind::AddrInUse).then(|| open_any(self.places, 0, self.door));
        let Some(Ok(listeners)) = other else {
            elsewhere.push(format!("{who} cannot connect: {error} ({key} chooses another address)"));
            return Vec::new();
        };
        let addresses: Vec<String> = listeners.iter().map(|listener| listener.address.to_string()).collect();
        elsewhere.push(format!("{who} connect to {}: {error} ({key} chooses)", addresses.join(", ")));
        listeners
    }
}

/// Listens on one port of all these addresses that the machine has; one in use is an error.
pub(super) fn open_any([wanted, instead]: Places<'_>, port: u16, door: Door) -> io::Result<Vec<Listener>> {
    open_all(wanted, port, door).or_else(|error| {
        if error.kind() == io::ErrorKind::AddrInUse { Err(error) } else { open_all(instead, port, door) }
    })
}

fn open_all(ips: &[IpAddr], port: u16, door: Door) -> io::Result<Vec<Listener>> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut missing = None;
    for ip in ips {
        // Port 0 is any; the others take the same.
        let address = SocketAddr::new(*ip, listeners.first().map_or(port, |listener| listener.address.port()));
        match listen(address, door) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(explain(address, &error)),
            Err(error) => missing = Some(explain(address, &error)),
        }
    }
    missing.filter(|_| listeners.is_empty()).map_or(Ok(listeners), Err)
}

/// Opens addresses that somebody has chosen.
fn open_each(texts: &[String], key: &str, port: u16, door: Door) -> io::Result<Vec<Listener>> {
    let open = |text: &String| {
        let address = address(key, text, port)?;
        listen(address, door).map_err(|error| explain(address, &error))
    };
    texts.iter().map(open).collect()
}

/// Without any address, all of the machine, IPv6 and IPv4.
fn open_leco(config: &Config) -> io::Result<Vec<Listener>> {
    if config.bind.is_empty() {
        return open_any(EVERYWHERE, config.port, Door::Leco);
    }
    open_each(&config.bind, "bind", config.port, Door::Leco)
}

/// Whether every address of the configuration is one.
pub(super) fn check(config: &Config) -> io::Result<()> {
    let keys = [
        ("bind", &config.bind),
        ("control_bind", &config.control_bind),
        ("viewer_bind", &config.viewer_bind),
        ("http_bind", &config.http_bind),
        ("stomp_bind", &config.stomp_bind),
    ];
    for (key, texts) in keys {
        for text in texts.iter().filter(|text| key == "bind" || *text != "off") {
            match address(key, text, config.port) {
                // A network that is not there yet may come.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                known => drop(known?),
            }
        }
    }
    Ok(())
}

/// An address to listen on: numeric, with or without port or scope, `*` for all, or a name in the hosts file.
fn address(key: &str, text: &str, port: u16) -> io::Result<SocketAddr> {
    let wrong = || {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{key}: '{text}' is not an address like 127.0.0.1:12300"))
    };
    let (host, number) = address::split(text).ok_or_else(wrong)?;
    let port = number.map_or(Ok(port), |number| number.parse().map_err(|_| wrong()))?;
    if host == "*" {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    if let Ok(ip) = host.parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    if address::has_scope(host) {
        // The system knows its networks; no name service is asked for a number.
        let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
        let unknown = || format!("{key}: '{text}': this machine has no network of that name");
        return found.ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, unknown()));
    }
    super::resolve::hosts_file(host).first().map(|ip| SocketAddr::new(*ip, port)).ok_or_else(wrong)
}

fn listen(address: SocketAddr, door: Door) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Windows frees a port with its last connection, and would let another program take it from us.
    socket.set_reuse_address(cfg!(not(windows)))?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket.into());
    let address = socket.local_addr()?;
    Ok(Listener { socket, address, door, ready: false, is_passed: false })
}

fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let text = if error.kind() == io::ErrorKind::AddrInUse {
        let holder = host::port_holder(address.port());
        let holder = holder.map_or_else(String::new, |(name, pid)| format!(" by {name} (pid {pid})"));
        format!("cannot listen on port {}: it is in use{holder}", address.port())
    } else {
        format!("cannot listen on {address}: {error}")
    };
    io::Error::new(error.kind(), text)
}

/// What is to be done when accepting fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcceptFailure {
    /// Nobody waits; the next one is announced.
    Nobody,
    /// This one is gone, the next may wait behind it and is not announced again.
    Next,
    /// The system lacks file descriptors or memory, or something else that will not be better at once: others still wait.
    Pause,
}

pub(super) fn accept_failure(error: &io::Error) -> AcceptFailure {
    if error.kind() == io::ErrorKind::WouldBlock {
        AcceptFailure::Nobody
    } else if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) {
        AcceptFailure::Next
    } else {
        AcceptFailure::Pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_behind_a_failed_accept_is_not_forgotten() {
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        const ENOBUFS: i32 = 105;
        let after = |kind: io::ErrorKind| accept_failure(&kind.into());
        assert_eq!(after(io::ErrorKind::WouldBlock), AcceptFailure::Nobody);
        assert_eq!(after(io::ErrorKind::Interrupted), AcceptFailure::Next);
        assert_eq!(after(io::ErrorKind::ConnectionAborted), AcceptFailure::Next);
        for code in [EMFILE, ENFILE, ENOBUFS] {
            assert_eq!(accept_failure(&io::Error::from_raw_os_error(code)), AcceptFailure::Pause);
        }
    }

    #[test]
    fn what_is_planned_is_what_is_opened() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let of = |bind: &[&str], stomp: &[&str]| Config {
            bind: words(bind),
            stomp_bind: words(stomp),
            port: 0,
            ..Config::default()
        };
        let off = Config { control_bind: words(&["off"]), ..of(&["127.0.0.1:0", "[::1]:0"], &["127.0.0.1:0"]) };
        let beside = Config {
            viewer_bind: words(&["127.0.0.1:0"]),
            http_bind: words(&["0.0.0.0:0", "off"]),
            ..of(&["127.0.0.1:0"], &["off"])
        };
        for config in [of(&[], &[]), of(&["127.0.0.1:0"], &["127.0.0.1:0"]), off, beside] {
            let without_port = |(door, address): (Door, SocketAddr)| (door, address.ip());
            let planned: Vec<_> = planned(&config).unwrap().into_iter().map(without_port).collect();
            let (opened, _) = open(&config, &mut Passed::default()).unwrap();
            let opened: Vec<_> = opened.iter().map(|one| without_port((one.door, one.address))).collect();
            // A machine without IPv6 has other addresses.
            if opened.iter().any(|(_, ip)| ip.is_ipv6()) || config.bind.iter().all(|text| text.starts_with("127")) {
                assert_eq!(planned, opened, "{:?}", config.bind);
            }
        }
        let all = Config { c2sim: true, ..Config::default() };
        let planned: Vec<String> =
            planned(&all).unwrap().iter().map(|(door, address)| format!("{door:?} {address}")).collect();
        let reference = ["Http [::]:7777", "Http [::]:8080", "Stomp [::]:61613"];
        assert!(reference.iter().all(|one| planned.iter().any(|other| other == one)), "{planned:?}");
        assert!(planned.iter().any(|one| one == "Http 127.0.0.1:12312"), "{planned:?}");
    }

    #[test]
    fn addresses_to_listen_on() {
        let said =
            |text| address("bind", text, 12300).map(|address| address.to_string()).map_err(|error| error.to_string());
        assert_eq!(said("127.0.0.1:5"), Ok("127.0.0.1:5".to_owned()));
        assert_eq!(said("127.0.0.1"), Ok("127.0.0.1:12300".to_owned()));
        assert_eq!(said("*:7"), Ok("[::]:7".to_owned()));
        assert_eq!(said("[::1]:7"), Ok("[::1]:7".to_owned()));
        assert_eq!(said("::1"), Ok("[::1]:12300".to_owned()));
        assert!(said("no such host:7").unwrap_err().starts_with("bind: 'no such host:7'"));
        assert_eq!(said("[::1]"), Ok("[::1]:12300".to_owned()));
        assert_eq!(said("tcp://[::1]:0"), Ok("[::1]:0".to_owned()));
        assert!(said("127.0.0.1:99999").is_err() && said("[::1").is_err() && said("[127.0.0.1]:5").is_err());
        let unknown = said("fe80::1%nonetwork").unwrap_err();
        assert_eq!(unknown, "bind: 'fe80::1%nonetwork': this machine has no network of that name");
        if let Ok(local) = said("[fe80::1%lo]:7") {
            assert!(local.starts_with("[fe80::1%") && local.ends_with("]:7"), "{local}");
        }
        let bind =
            |words: &[&str]| Config { bind: words.iter().map(|w| (*w).to_owned()).collect(), ..Config::default() };
        assert!(check(&bind(&["127.0.0.1", "*:0"])).is_ok() && check(&bind(&["127.0.0.1", "x:y"])).is_err());
    }
}
