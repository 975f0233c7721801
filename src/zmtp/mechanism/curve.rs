//! CURVE (RFC 26), both roles: who connects shows that it has a key, who listens shows that it has the key that was expected, and from then
//! on nobody else reads what they say.
//!
//! Each role has one legal command in each state; whatever else comes ends the link. A server says nothing to whoever has not shown to know
//! its key, and reads nothing that is said of a client before somebody has said who that is.

use zeroize::Zeroizing;

use super::seal::{Chance, KEY_BYTES, KeyPair, MAC_BYTES, Public, Secret, Shared, chanced, counted, is_same};
use super::session::Session;
use crate::limits::CURVE_INITIATE_BYTES_MAX;
use crate::zmtp::Fault;
use crate::zmtp::frame::push_command;

/// Bytes of chance for a short-term key, for a long nonce, and for a cookie.
const NONCE_CHANCE: usize = 16;
const COOKIE_BYTES: usize = 96;

const COUNTER_BYTES: usize = 8;
const NOTHING_BYTES: usize = 64;
const VERSION: [u8; 2] = [1, 0];
const HELLO: &[u8] = b"\x05HELLO";
const WELCOME: &[u8] = b"\x07WELCOME";
const INITIATE: &[u8] = b"\x08INITIATE";
const READY: &[u8] = b"\x05READY";
const HELLO_BYTES: usize = HELLO.len() + 2 + 72 + KEY_BYTES + COUNTER_BYTES + NOTHING_BYTES + MAC_BYTES;
const WELCOME_BYTES: usize = WELCOME.len() + NONCE_CHANCE + KEY_BYTES + COOKIE_BYTES + MAC_BYTES;
const VOUCH_BYTES: usize = 2 * KEY_BYTES + MAC_BYTES;
/// Bytes of an INITIATE without properties.
const INITIATE_BYTES: usize =
    INITIATE.len() + COOKIE_BYTES + COUNTER_BYTES + MAC_BYTES + KEY_BYTES + NONCE_CHANCE + VOUCH_BYTES;
/// Bytes of a READY without properties.
const READY_BYTES: usize = READY.len() + COUNTER_BYTES + MAC_BYTES;

const HELLO_NONCE: &[u8; 16] = b"CurveZMQHELLO---";
const INITIATE_NONCE: &[u8; 16] = b"CurveZMQINITIATE";
const READY_NONCE: &[u8; 16] = b"CurveZMQREADY---";
const WELCOME_NONCE: &[u8; 8] = b"WELCOME-";
const VOUCH_NONCE: &[u8; 8] = b"VOUCH---";

const _: () = assert!(HELLO_BYTES == 200 && WELCOME_BYTES == 168 && INITIATE_BYTES == 257 && READY_BYTES == 30);
const _: () = assert!(CURVE_INITIATE_BYTES_MAX > INITIATE_BYTES, "an INITIATE has room for properties");

/// Takes `bytes` apart from the front.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(front)
    }

    fn is(&mut self, expected: &[u8]) -> Option<()> {
        (self.take(expected.len())? == expected).then_some(())
    }
}

/// Whoever listens.
#[derive(Debug)]
pub(super) struct Server {
    keys: KeyPair,
    state: ServerState,
}

#[derive(Debug)]
enum ServerState {
    Hello,
    Initiate {
        theirs: Public,
        ours: Secret,
        key: Shared,
        cookie: Box<[u8; COOKIE_BYTES]>,
        last: u64,
    },
    /// It is being asked who has this key.
    Asked {
        key: Shared,
        last: u64,
        properties: Zeroizing<Vec<u8>>,
    },
    Over,
}

impl Server {
    pub(super) const fn new(keys: KeyPair) -> Self {
        Self { keys, state: ServerState::Hello }
    }

    /// Whether a command of so many bytes can be the next one.
    pub(super) const fn judge_size(&self, body: u64) -> Result<(), Fault> {
        let fits = match self.state {
            ServerState::Hello => body == HELLO_BYTES as u64,
            ServerState::Initiate { .. } => body >= INITIATE_BYTES as u64 && body <= CURVE_INITIATE_BYTES_MAX as u64,
            ServerState::Asked { .. } | ServerState::Over => false,
        };
        if fits { Ok(()) } else { Err(Fault::CurveCommand) }
    }

    /// The next command. Answers with the client's key, once it has shown that it has that.
    pub(super) fn take(&mut self, body: &[u8], chance: Chance<'_>, out: &mut Vec<u8>) -> Result<Option<Public>, Fault> {
        match core::mem::replace(&mut self.state, ServerState::Over) {
            ServerState::Hello => {
                self.state = self.hello(body, chance, out)?;
                Ok(None)
            }
            ServerState::Initiate { theirs, ours, key, cookie, last } => {
                let (client, state) = self.initiate(body, &theirs, &ours, key, &cookie, last)?;
                self.state = state;
                Ok(Some(client))
            }
            ServerState::Asked { .. } | ServerState::Over => Err(Fault::CurveCommand),
        }
    }

    fn hello(&self, body: &[u8], chance: Chance<'_>, out: &mut Vec<u8>) -> Result<ServerState, Fault> {
        let mut cut = Cut(body);
        let parts = (|| {
            cut.is(HELLO)?;
            cut.is(&VERSION)?;
            cut.is(&[0; 72])?;
            Some((cut.array::<KEY_BYTES>()?, cut.array::<COUNTER_BYTES>()?))
        })();
        let (theirs, counter) = parts.filter(|_| body.len() == HELLO_BYTES).ok_or(Fault::CurveCommand)?;
        let shared = self.keys.secret.shared(theirs).ok_or(Fault::CurveHello)?;
        let text = shared.open(&counted(HELLO_NONCE, *counter), cut.0).ok_or(Fault::CurveHello)?;
        if text.iter().any(|byte| *byte != 0) {
            return Err(Fault::CurveHello);
        }
        let mut secret = [0; KEY_BYTES];
        let (mut nonce, mut cookie) = ([0; NONCE_CHANCE], Box::new([0; COOKIE_BYTES]));
        chance(&mut secret);
        chance(&mut nonce);
        // Only we read it again, and we keep what it would hold: so it holds nothing.
        chance(&mut *cookie);
        let ours = Secret::of(&mut secret);
        let key = ours.shared(theirs).ok_or(Fault::CurveHello)?;
        let mut welcome = Vec::with_capacity(WELCOME_BYTES);
        welcome.extend_from_slice(WELCOME);
        welcome.extend_from_slice(&nonce);
        let text = [&ours.public()[..], &cookie[..]].concat();
        shared.seal(&chanced(WELCOME_NONCE, &nonce), &text, &mut welcome);
        push_command(out, &welcome);
        Ok(ServerState::Initiate { theirs: *theirs, ours, key, cookie, last: u64::from_be_bytes(*counter) })
    }

    fn initiate(
        &self,
        body: &[u8],
        theirs: &Public,
        ours: &Secret,
        key: Shared,
        cookie: &[u8; COOKIE_BYTES],
        last: u64,
    ) -> Result<(Public, ServerState), Fault> {
        let mut cut = Cut(body);
        let parts = (|| {
            cut.is(INITIATE)?;
            Some((cut.array::<COOKIE_BYTES>()?, cut.array::<COUNTER_BYTES>()?))
        })();
        let (echo, counter) = parts.ok_or(Fault::CurveCommand)?;
        let n = u64::from_be_bytes(*counter);
        if n <= last {
            return Err(Fault::CurveNumber);
        }
        if !is_same(echo, cookie) {
            return Err(Fault::CurveCookie);
        }
        let text = key.open(&counted(INITIATE_NONCE, *counter), cut.0).ok_or(Fault::CurveInitiate)?;
        let mut cut = Cut(&text);
        let parts = (|| Some((cut.array::<KEY_BYTES>()?, cut.array::<NONCE_CHANCE>()?, cut.take(VOUCH_BYTES)?)))();
        let (client, nonce, vouch) = parts.ok_or(Fault::CurveInitiate)?;
        let shared = ours.shared(client).ok_or(Fault::CurveVouch)?;
        let vouched = shared.open(&chanced(VOUCH_NONCE, nonce), vouch).ok_or(Fault::CurveVouch)?;
        if !is_same(&vouched, &[&theirs[..], &self.keys.public[..]].concat()) {
            return Err(Fault::CurveVouch);
        }
        let properties = Zeroizing::new(cut.0.to_vec());
        Ok((*client, ServerState::Asked { key, last: n, properties }))
    }

    /// What the client says of itself, now that it is known who that is.
    pub(super) fn properties(&self) -> Option<&[u8]> {
        match &self.state {
            ServerState::Asked { properties, .. } => Some(properties),
            ServerState::Hello | ServerState::Initiate { .. } | ServerState::Over => None,
        }
    }

    /// Says READY, with what is to be said of us.
    pub(super) fn ready(&mut self, properties: &[u8], out: &mut Vec<u8>) -> Option<Session> {
        let ServerState::Asked { key, last, .. } = core::mem::replace(&mut self.state, ServerState::Over) else {
            return None;
        };
        let n = 1_u64;
        let mut ready = Vec::with_capacity(READY_BYTES + properties.len());
        ready.extend_from_slice(READY);
        ready.extend_from_slice(&n.to_be_bytes());
        key.seal(&counted(READY_NONCE, n.to_be_bytes()), properties, &mut ready);
        push_command(out, &ready);
        Some(Session::of_server(&key, n, last))
    }
}

/// What a server says of itself, and what messages go by.
pub(super) type Welcomed = (Zeroizing<Vec<u8>>, Session);

/// Whoever connects.
#[derive(Debug)]
pub(super) struct Client {
    server: Public,
    keys: KeyPair,
    state: ClientState,
}

#[derive(Debug)]
enum ClientState {
    Start,
    Welcome { ours: Secret },
    Ready { key: Shared },
    Over,
}

impl Client {
    pub(super) const fn new(server: Public, keys: KeyPair) -> Self {
        Self { server, keys, state: ClientState::Start }
    }

    /// Whether a command of so many bytes can be the next one; that is an ERROR always.
    pub(super) const fn judge_size(&self, body: u64) -> Result<(), Fault> {
        let fits = match self.state {
            ClientState::Start | ClientState::Over => false,
            ClientState::Welcome { .. } => body <= WELCOME_BYTES as u64,
            ClientState::Ready { .. } => body <= CURVE_INITIATE_BYTES_MAX as u64,
        };
        if fits { Ok(()) } else { Err(Fault::CurveCommand) }
    }

    /// Whether the next command is a WELCOME, whose answer costs as much as all the rest.
    pub(super) const fn waits_for_welcome(&self) -> bool {
        matches!(self.state, ClientState::Welcome { .. })
    }

    /// Says HELLO.
    pub(super) fn hello(&mut self, chance: Chance<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut secret = [0; KEY_BYTES];
        chance(&mut secret);
        let ours = Secret::of(&mut secret);
        let shared = ours.shared(&self.server).ok_or(Fault::CurveWelcome)?;
        let counter = 1_u64.to_be_bytes();
        let mut hello = Vec::with_capacity(HELLO_BYTES);
        hello.extend_from_slice(HELLO);
        hello.extend_from_slice(&VERSION);
        hello.extend_from_slice(&[0; 72]);
        hello.extend_from_slice(&ours.public());
        hello.extend_from_slice(&counter);
        shared.seal(&counted(HELLO_NONCE, counter), &[0; NOTHING_BYTES], &mut hello);
        push_command(out, &hello);
        self.state = ClientState::Welcome { ours };
        Ok(())
    }

    /// The next command, and what is to be said of us. Answers with what the server says of itself, and what messages go by, once it is ready.
    pub(super) fn take(
        &mut self,
        body: &[u8],
        properties: &[u8],
        chance: Chance<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Welcomed>, Fault> {
        match core::mem::replace(&mut self.state, ClientState::Over) {
            ClientState::Welcome { ours } => {
                self.state = self.welcome(body, &ours, properties, chance, out)?;
                Ok(None)
            }
            ClientState::Ready { key } => {
                let mut cut = Cut(body);
                let counter = cut.is(READY).and_then(|()| cut.array::<COUNTER_BYTES>());
                let counter = counter.ok_or(Fault::CurveCommand)?;
                let text = key.open(&counted(READY_NONCE, *counter), cut.0).ok_or(Fault::CurveWelcome)?;
                Ok(Some((text, Session::of_client(&key, 2, u64::from_be_bytes(*counter)))))
            }
            ClientState::Start | ClientState::Over => Err(Fault::CurveCommand),
        }
    }

    fn welcome(
        &self,
        body: &[u8],
        ours: &Secret,
        properties: &[u8],
        chance: Chance<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ClientState, Fault> {
        let mut cut = Cut(body);
        let nonce = cut.is(WELCOME).and_then(|()| cut.array::<NONCE_CHANCE>());
        let nonce = nonce.filter(|_| body.len() == WELCOME_BYTES).ok_or(Fault::CurveCommand)?;
        let shared = ours.shared(&self.server).ok_or(Fault::CurveWelcome)?;
        let text = shared.open(&chanced(WELCOME_NONCE, nonce), cut.0).ok_or(Fault::CurveWelcome)?;
        let (theirs, cookie) = text.split_first_chunk::<KEY_BYTES>().ok_or(Fault::CurveWelcome)?;
        let key = ours.shared(theirs).ok_or(Fault::CurveWelcome)?;
        let vouch_key = self.keys.secret.shared(theirs).ok_or(Fault::CurveWelcome)?;
        let mut nonce = [0; NONCE_CHANCE];
        chance(&mut nonce);
        let mut plain = Zeroizing::new(Vec::with_capacity(INITIATE_BYTES + properties.len()));
        plain.extend_from_slice(&self.keys.public);
        plain.extend_from_slice(&nonce);
        let vouch = [&ours.public()[..], &self.server[..]].concat();
        vouch_key.seal(&chanced(VOUCH_NONCE, &nonce), &vouch, &mut plain);
        plain.extend_from_slice(properties);
        let counter = 2_u64.to_be_bytes();
        let mut initiate = Vec::with_capacity(INITIATE_BYTES + properties.len());
        initiate.extend_from_slice(INITIATE);
        initiate.extend_from_slice(cookie);
        initiate.extend_from_slice(&counter);
        key.seal(&counted(INITIATE_NONCE, counter), &plain, &mut initiate);
        push_command(out, &initiate);
        Ok(ClientState::Ready { key })
    }
}
