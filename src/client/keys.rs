//! The keys of CURVE, as a client has them.

use core::fmt;

use super::error::Error;
use crate::auth::{Key, public_key, secret_key};
use crate::zmtp::SocketType;
use crate::zmtp::mechanism::Handshake;
use crate::zmtp::mechanism::seal::{KEY_BYTES, KeyPair, Public, Secret, is_same};

/// A client's own pair of keys, and the public key of the server that it talks to. With these all is encrypted, and the server knows the
/// client by its key ([RFC 26](https://rfc.zeromq.org/spec/26/)).
///
/// Each connection has short-term keys of its own, made from the operating system's chance.
#[derive(Clone)]
pub struct Keys {
    server: Public,
    pair: KeyPair,
}

impl Keys {
    /// Keys from texts as they stand in files: 40 letters of Z85 ([RFC 32](https://rfc.zeromq.org/spec/32/)), or a certificate of pyzmq or
    /// CZMQ. `server` has the server's public key, `secret` the client's own secret one.
    ///
    /// # Errors
    /// [`Error::Key`] where one of them is not there, or does not belong to the other one of its certificate.
    pub fn read(server: &str, secret: &str) -> Result<Self, Error> {
        let server = public_key(server).map_err(|why| Error::Key(format!("the server's public key: {why}")))?;
        let wrong = |why: String| Error::Key(format!("the client's secret key: {why}"));
        let (mut secret, public) = secret_key(secret).map_err(wrong)?;
        let keys = Self { server: server.0, pair: KeyPair::of(Secret::of(&mut secret)) };
        if public.is_some_and(|public| public.0 != keys.pair.public) {
            return Err(wrong("the public key beside it is another one's".to_owned()));
        }
        Ok(keys)
    }

    /// Keys of 32 bytes each: the server's public one, and the client's own secret one, which is wiped where it was.
    #[must_use]
    pub fn new(server: [u8; KEY_BYTES], secret: &mut [u8; KEY_BYTES]) -> Self {
        Self { server, pair: KeyPair::of(Secret::of(secret)) }
    }

    /// The client's public key in 40 letters: what a server must know of it.
    #[must_use]
    pub fn public(&self) -> String {
        Key(self.pair.public).to_string()
    }

    /// The key that the server must have, likewise.
    #[must_use]
    pub fn server(&self) -> String {
        Key(self.server).to_string()
    }

    /// What is spoken with them.
    pub(super) fn handshake(&self, ours: SocketType) -> Handshake {
        Handshake::dialling(ours, self.server, self.pair.clone())
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.server, &other.server) && is_same(&self.pair.public, &other.pair.public)
    }
}

impl Eq for Keys {}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("server", &self.server()).field("public", &self.public()).finish_non_exhaustive()
    }
}
