//! TLS for HTTP, WebSocket and STOMP: certificates, and what stands between a socket and its peer.
//!
//! A port speaks both: whoever begins with a handshake of TLS is answered so; whoever does not is told to, unless he is on this machine. What is
//! said of bytes here is what the first of them shows, and no more.
//!
//! Little is kept of what comes and goes: what was opened stays in here until the hub takes it, at most one record of TLS and what came with it; and
//! what was sealed counts as sent when all of it has left, so that the hub keeps it until then.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mio::net::TcpStream;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::keys::{bounded, private_within};
use crate::config::Config;
use crate::hub::Door;
use crate::limits::{TLS_FILE_BYTES_MAX, TLS_UNSENT_BYTES_MAX};

/// The first byte of a handshake.
const HANDSHAKE: u8 = 0x16;
/// What clients of HTTP say that they speak (RFC 7301).
const HTTP: &[u8] = b"http/1.1";
/// What those are told who should speak TLS.
const SPEAK_TLS_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 45\r\nConnection: close\r\n\r\n\
    this port speaks TLS: https:// is wanted here";
const SPEAK_TLS_STOMP: &[u8] = b"ERROR\nmessage:this port speaks TLS\ncontent-type:text/plain\n\n\0\n";

/// What is shown to those who come, by each of the doors.
#[derive(Debug)]
struct Shown {
    http: Arc<ServerConfig>,
    stomp: Arc<ServerConfig>,
}

impl Shown {
    fn read(config: &Config) -> Result<Option<Arc<Self>>, String> {
        let (cert, key) = (&config.tls_cert, &config.tls_key);
        if cert.is_empty() {
            return Ok(None);
        }
        let wrong_cert = |why: &dyn core::fmt::Display| format!("tls_cert {cert}: {why}");
        let wrong_key = |why: &dyn core::fmt::Display| format!("tls_key {key}: {why}");
        let text = std::fs::File::open(cert).and_then(|file| bounded(file, TLS_FILE_BYTES_MAX));
        let text = text.map_err(|error| wrong_cert(&error))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let chain = chain.map_err(|error| wrong_cert(&error))?;
        if chain.is_empty() {
            return Err(wrong_cert(&"it holds no -----BEGIN CERTIFICATE-----"));
        }
        let text = private_within(Path::new(key), TLS_FILE_BYTES_MAX).map_err(|error| wrong_key(&error))?;
        let secret = PrivateKeyDer::from_pem_slice(text.as_bytes());
        crate::auth::wipe(text);
        let secret = secret.map_err(|error| wrong_key(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let made = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
        let stomp = made.map_err(|error| format!("tls_cert {cert}, tls_key {key}: {error}"))?;
        let mut http = stomp.clone();
        http.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Some(Arc::new(Self { http: Arc::new(http), stomp: Arc::new(stomp) })))
    }
}

/// The certificates that are shown now, and those that were read last.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    now: Arc<Mutex<Option<Arc<Shown>>>>,
    read: Option<Arc<Shown>>,
}

impl Certificates {
    /// Those that a configuration names, if it names any.
    ///
    /// # Errors
    /// What is wrong with a file, in one line that names it.
    pub(super) fn of(config: &Config) -> Result<Self, String> {
        let read = Shown::read(config)?;
        Ok(Self { now: Arc::new(Mutex::new(read.clone())), read })
    }

    /// Reads them anew. They are not shown yet.
    ///
    /// # Errors
    /// As for [`Certificates::of`].
    pub(super) fn read(&mut self, config: &Config) -> Result<(), String> {
        self.read = Shown::read(config)?;
        Ok(())
    }

    /// Shows what was read last to whoever comes from here on.
    pub(super) fn hold(&self) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = self.read.clone();
    }

    /// What stands between a socket and whoever has come by this door, if TLS is spoken there.
    pub(super) fn for_newcomer(&self, door: Door, remote: IpAddr) -> Option<Box<Secrecy>> {
        let shown = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (config, otherwise) = match door {
            Door::Http => (&shown.http, SPEAK_TLS_HTTP),
            Door::Stomp => (&shown.stomp, SPEAK_TLS_STOMP),
            Door::Leco
            | Door::Control
            | Door::Viewer
            | Door::Publisher(_)
            | Door::Subscriber(_)
            | Door::Distributor(_) => {
                return None;
            }
        };
        let is_near = remote.to_canonical().is_loopback();
        Some(Box::new(Secrecy::Unknown { config: Arc::clone(config), otherwise, is_near }))
    }
}

/// What stands between a socket and its peer.
#[derive(Debug)]
pub(super) enum Secrecy {
    /// It has said nothing yet.
    Unknown {
        config: Arc<ServerConfig>,
        /// What it is told if it does not speak TLS, unless it is on this machine.
        otherwise: &'static [u8],
        is_near: bool,
    },
    /// It speaks TLS. So many bytes of the hub's are sealed and have not all left.
    Tls(Box<ServerConnection>, usize),
}

/// What has come of a look at the socket.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing is there.
    Nothing,
    /// Something was, and there may be more.
    More,
    /// A handshake goes on: that is for another turn.
    Later,
    /// So many bytes were opened.
    Bytes(usize),
    /// It speaks no TLS, and need not.
    Plain,
    /// It speaks TLS.
    Begins,
    /// It has ended its side.
    Ended,
    /// The connection has failed.
    Failed(io::Error),
    /// What it says will not do.
    Wrong(String),
}

impl Secrecy {
    /// Whether it has said nothing yet.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether it is in the middle of a handshake.
    pub(super) fn is_shaking(&self) -> bool {
        matches!(self, Self::Tls(connection, _) if connection.is_handshaking())
    }

    /// Whether something that was sealed has still to leave.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Tls(connection, _) if connection.wants_write())
    }

    /// Takes a look at the socket: puts what was opened into `buffer`. Handshakes go on only where they `may`.
    pub(super) fn take(&mut self, stream: &mut TcpStream, buffer: &mut [u8], may: bool) -> Came {
        let connection = match self {
            Self::Unknown { .. } => return self.begin(stream),
            Self::Tls(connection, _) => connection,
        };
        match connection.reader().read(buffer) {
            Ok(0) => return Came::Ended,
            Ok(n) => return Came::Bytes(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // It has not said goodbye.
            Err(_) => return Came::Ended,
        }
        if connection.is_handshaking() && !may {
            return Came::Later;
        }
        match connection.read_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Came::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Came::More,
            Err(error) => return Came::Failed(error),
        }
        let outcome = connection.process_new_packets();
        // The next step of a handshake, or why there is none.
        if let Err(error) = flush(connection, stream) {
            return Came::Failed(error);
        }
        match outcome {
            Ok(_) => Came::More,
            Err(error) => Came::Wrong(format!("TLS: {error}")),
        }
    }

    fn begin(&mut self, stream: &mut TcpStream) -> Came {
        let Self::Unknown { config, otherwise, is_near } = self else { return Came::Nothing };
        let mut first = [0];
        match stream.peek(&mut first) {
            Ok(0) => Came::Ended,
            Ok(_) if first == [HANDSHAKE] => match ServerConnection::new(Arc::clone(config)) {
                Ok(mut connection) => {
                    connection.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX));
                    *self = Self::Tls(Box::new(connection), 0);
                    Came::Begins
                }
                Err(error) => Came::Wrong(format!("TLS: {error}")),
            },
            Ok(_) if *is_near => Came::Plain,
            Ok(_) => match stream.write(otherwise) {
                Ok(_) | Err(_) => {
                    Came::Wrong("it does not speak TLS, as other machines must here (tls_cert)".to_owned())
                }
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Came::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Came::More,
            Err(error) => Came::Failed(error),
        }
    }

    /// Seals what waits and lets it leave; of how many bytes all has left, or nothing if the socket is full.
    pub(super) fn give(&mut self, stream: &mut TcpStream, waiting: [&[u8]; 2]) -> io::Result<Option<usize>> {
        let Self::Tls(connection, sealed) = self else { return Ok(Some(0)) };
        if *sealed == 0 {
            for part in waiting {
                let taken = connection.writer().write(part)?;
                *sealed += taken;
                if taken < part.len() {
                    break;
                }
            }
        }
        Ok(if flush(connection, stream)? { Some(core::mem::take(sealed)) } else { None })
    }

    /// Says goodbye, if there is room for that.
    pub(super) fn end(&mut self, stream: &mut TcpStream) {
        if let Self::Tls(connection, _) = self {
            connection.send_close_notify();
            if let Err(error) = flush(connection, stream) {
                log::debug!("the end of a connection over TLS: {error}");
            }
        }
    }
}

/// Lets leave what was sealed; answers whether all has.
fn flush(connection: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<bool> {
    while connection.wants_write() {
        match connection.write_tls(stream) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rustls::server::ResolvesServerCertUsingSni;

    use super::*;

    /// What comes of whoever begins so, from this machine or another one; and what he is told.
    fn begins(first: &[u8], is_near: bool) -> (Came, Vec<u8>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(first).unwrap();
        let accepted = listener.accept().unwrap().0;
        // Until it is there.
        assert!(accepted.peek(&mut [0]).unwrap() > 0);
        accepted.set_nonblocking(true).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let mut secrecy = Secrecy::Unknown { config: Arc::new(config), otherwise: SPEAK_TLS_HTTP, is_near };
        let mut stream = TcpStream::from_std(accepted);
        let came = secrecy.take(&mut stream, &mut [0; 64], true);
        drop((secrecy, stream.shutdown(std::net::Shutdown::Write)));
        let mut told = Vec::new();
        client.read_to_end(&mut told).unwrap();
        (came, told)
    }

    #[test]
    fn who_speaks_no_tls_is_told_to_unless_he_is_on_this_machine() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let (came, told) = begins(request, false);
        assert!(matches!(came, Came::Wrong(why) if why.contains("does not speak TLS")));
        let told = String::from_utf8(told).unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 400 ") && head.contains(&format!("Content-Length: {}", body.len())),
            "{told}"
        );
        assert!(body.contains("https://"));
        let (came, told) = begins(request, true);
        assert!(matches!(came, Came::Plain) && told.is_empty());
        assert!(matches!(begins(&[HANDSHAKE, 3, 1], false).0, Came::Begins));
    }
}
