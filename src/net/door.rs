//! Listeners: opening them, and saying who holds a port that is taken.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::host;
use crate::config::Config;
use crate::hub::Door;

const BACKLOG: i32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    door: Door,
    /// Connections may wait.
    pub(super) ready: bool,
}

impl Listener {
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

/// Opens every address of the configuration.
pub(super) fn open(config: &Config) -> io::Result<Vec<Listener>> {
    let mut listeners = open_leco(config)?;
    let port = listeners.first().map_or(config.port, |listener| listener.address.port());
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let everywhere = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    listeners.extend(open_beside(
        &config.control_bind,
        "control_bind",
        port.checked_add(10).map(local),
        Door::Control,
    )?);
    listeners.extend(open_beside(
        &config.viewer_bind,
        "viewer_bind",
        port.checked_add(11).map(everywhere),
        Door::Viewer,
    )?);
    Ok(listeners)
}

/// Opens a port of the Manager. One that nobody asked for by name may be missing: two servers with neighbouring ports are no
/// reason not to start.
fn open_beside(texts: &[String], key: &str, default: Option<SocketAddr>, door: Door) -> io::Result<Vec<Listener>> {
    if texts.iter().any(|text| text == "off") {
        return Ok(Vec::new());
    }
    if texts.is_empty() {
        let Some(address) = default else { return Ok(Vec::new()) };
        let opened = listen(address, door).or_else(|error| match address {
            SocketAddr::V6(_) if error.kind() != io::ErrorKind::AddrInUse => {
                listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())), door)
            }
            SocketAddr::V6(_) | SocketAddr::V4(_) => Err(error),
        });
        return Ok(match opened {
            Ok(listener) => vec![listener],
            Err(error) => {
                log::warn!("{}; choose another with {key}", explain(address, &error));
                Vec::new()
            }
        });
    }
    let port = default.map_or(0, |address| address.port());
    let mut listeners = Vec::new();
    for text in texts {
        let address = address(key, text, port)?;
        listeners.push(listen(address, door).map_err(|error| explain(address, &error))?);
    }
    Ok(listeners)
}

/// Without any address, all of the machine, IPv6 and IPv4.
fn open_leco(config: &Config) -> io::Result<Vec<Listener>> {
    if config.bind.is_empty() {
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, config.port));
        let listener = match listen(everywhere, Door::Leco) {
            // A machine without IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, config.port));
                listen(everywhere, Door::Leco).map_err(|error| explain(everywhere, &error))
            }
            other => other.map_err(|error| explain(everywhere, &error)),
        };
        return Ok(vec![listener?]);
    }
    let mut listeners = Vec::new();
    for text in &config.bind {
        let address = address("bind", text, config.port)?;
        listeners.push(listen(address, Door::Leco).map_err(|error| explain(address, &error))?);
    }
    Ok(listeners)
}

/// Whether every address of the configuration is one.
pub(super) fn check(config: &Config) -> io::Result<()> {
    let keys = [("bind", &config.bind), ("control_bind", &config.control_bind), ("viewer_bind", &config.viewer_bind)];
    for (key, texts) in keys {
        for text in texts.iter().filter(|text| key == "bind" || *text != "off") {
            address(key, text, config.port)?;
        }
    }
    Ok(())
}

/// An address to listen on: numeric, with or without port, `*` for all, or a name in the hosts file.
fn address(key: &str, text: &str, port: u16) -> io::Result<SocketAddr> {
    let wrong = || {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{key}: '{text}' is not an address like 127.0.0.1:12300"))
    };
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, number)) if !host.contains(':') || host.ends_with(']') => {
            (host, if number == "0" { 0 } else { number.parse().map_err(|_| wrong())? })
        }
        _ => (text, port),
    };
    if host == "*" {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    super::resolve::hosts_file(host).first().map(|ip| SocketAddr::new(*ip, port)).ok_or_else(wrong)
}

fn listen(address: SocketAddr, door: Door) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket.into());
    let address = socket.local_addr()?;
    Ok(Listener { socket, address, door, ready: false })
}

fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let text = if error.kind() == io::ErrorKind::AddrInUse {
        let holder = host::port_holder(address.port()).unwrap_or_default();
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
    fn addresses_to_listen_on() {
        let said =
            |text| address("bind", text, 12300).map(|address| address.to_string()).map_err(|error| error.to_string());
        assert_eq!(said("127.0.0.1:5"), Ok("127.0.0.1:5".to_owned()));
        assert_eq!(said("127.0.0.1"), Ok("127.0.0.1:12300".to_owned()));
        assert_eq!(said("*:7"), Ok("[::]:7".to_owned()));
        assert_eq!(said("[::1]:7"), Ok("[::1]:7".to_owned()));
        assert_eq!(said("::1"), Ok("[::1]:12300".to_owned()));
        assert!(said("no such host:7").unwrap_err().starts_with("bind: 'no such host:7'"));
        assert!(said("127.0.0.1:99999").is_err());
        let bind =
            |words: &[&str]| Config { bind: words.iter().map(|w| (*w).to_owned()).collect(), ..Config::default() };
        assert!(check(&bind(&["127.0.0.1", "*:0"])).is_ok() && check(&bind(&["127.0.0.1", "x:y"])).is_err());
    }
}
