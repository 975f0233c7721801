//! Listening sockets that whoever started the process has opened for it, each for the setting whose name it has.
//!
//! Owns the sockets until they are listened on, and which of them are of no use. Must not know how they came: the program takes them from
//! its environment.

#[cfg(all(feature = "daemon", unix))]
use std::io;
use std::net::SocketAddr;
#[cfg(all(feature = "daemon", unix))]
use std::os::fd::OwnedFd;

use mio::net::TcpListener;
#[cfg(all(feature = "daemon", unix))]
use socket2::{Domain, Socket, Type};

/// The settings that sockets can stand for.
#[cfg(all(feature = "daemon", unix))]
const KEYS: [&str; 7] =
    ["bind", "control_bind", "viewer_bind", "http_bind", "stomp_bind", "data_port", "log_channel_port"];

/// Sockets, each with the setting that it stands for.
#[derive(Debug, Default)]
pub struct Passed(Vec<(String, TcpListener, SocketAddr)>);

impl Passed {
    /// Takes sockets over, each with the name of the setting that it stands for: `bind`, `control_bind`, `viewer_bind`, `http_bind`,
    /// `stomp_bind`, or `data_port` and `log_channel_port`, of which there are three with neighbouring ports.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`], naming the first that no setting has the name of, or that is no listening TCP socket.
    #[cfg(all(feature = "daemon", unix))]
    pub fn new(sockets: impl IntoIterator<Item = (String, OwnedFd)>) -> io::Result<Self> {
        let mut all = Vec::new();
        for (name, socket) in sockets {
            let told = |why: &str| {
                let text = format!("the socket '{name}' that was passed: {why}");
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            if !KEYS.contains(&name.as_str()) {
                let why = format!("no setting has this name (FileDescriptorName= is one of {})", KEYS.join(", "));
                return Err(told(&why));
            }
            let socket = Socket::from(socket);
            let is_tcp = socket.r#type().is_ok_and(|kind| kind == Type::STREAM)
                && socket.local_addr().is_ok_and(|at| [Domain::IPV4, Domain::IPV6].contains(&at.domain()));
            if !is_tcp || !listens(&socket) {
                return Err(told("it is no TCP socket that listens (ListenStream=, Accept=no)"));
            }
            socket.set_cloexec(true)?;
            socket.set_nonblocking(true)?;
            let socket = TcpListener::from_std(socket.into());
            let address = socket.local_addr()?;
            all.push((name, socket, address));
        }
        Ok(Self(all))
    }

    /// Those of a setting, with their addresses.
    pub(super) fn take(&mut self, key: &str) -> impl Iterator<Item = (TcpListener, SocketAddr)> {
        self.0.extract_if(.., move |(name, ..)| name == key).map(|(_, socket, address)| (socket, address))
    }
}

#[cfg(all(feature = "daemon", unix, not(target_vendor = "apple")))]
fn listens(socket: &Socket) -> bool {
    socket.is_listener().unwrap_or(false)
}

/// These systems do not say: what does not listen is told when nobody can be let in.
#[cfg(all(feature = "daemon", target_vendor = "apple"))]
const fn listens(_: &Socket) -> bool {
    true
}

#[cfg(all(feature = "daemon", unix))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener as Plain, TcpStream, UdpSocket};

    fn listening() -> (OwnedFd, u16) {
        let socket = Plain::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket.into(), port)
    }

    fn why(name: &str, socket: impl Into<OwnedFd>) -> String {
        Passed::new([(name.to_owned(), socket.into())]).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_listening_socket_of_a_setting_is_refused_by_name() {
        assert!(
            why("instep.socket", listening().0).starts_with("the socket 'instep.socket' that was passed: no setting")
        );
        let (socket, port) = listening();
        let connected = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let none = [
            why("bind", connected),
            why("bind", datagrams),
            why("bind", std::os::unix::net::UnixDatagram::unbound().unwrap()),
            why("bind", std::fs::File::open("/dev/null").unwrap()),
        ];
        let no_listener = "the socket 'bind' that was passed: it is no TCP socket that listens";
        assert!(none.iter().all(|said| said.starts_with(no_listener)), "{none:?}");
        drop(socket);
    }

    #[test]
    fn each_is_for_its_setting_and_taken_once() {
        let ((leco, port), (http, _)) = (listening(), listening());
        let sockets = [("bind".to_owned(), leco), ("http_bind".to_owned(), http)];
        let mut passed = Passed::new(sockets).unwrap();
        let ports = |passed: &mut Passed| passed.take("bind").map(|(_, address)| address.port()).collect::<Vec<_>>();
        assert_eq!((ports(&mut passed), ports(&mut passed)), (vec![port], vec![]));
        assert_eq!((passed.take("stomp_bind").count(), passed.take("http_bind").count()), (0, 1));
    }
}
