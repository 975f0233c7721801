//! The security mechanisms: what is asked between greeting and messages, and by what messages are sealed afterwards.
//!
//! A link on which nobody is asked anything goes without any of this: greeting and READY leave at once, and [`null`] judges the peer's. All
//! other links begin with a [`Handshake`], which is fed with bytes, says what is to be said, and asks its owner who has the
//! credentials that were shown. After CURVE a [`Session`] seals and opens frames. Chance comes from whoever feeds it.
//!
//! A listener speaks several mechanisms at one port: libzmq's clients send their whole greeting once they have seen our first twelve bytes, so the
//! mechanism that is answered is the one that is asked for.

mod curve;
pub mod guest;
pub mod null;
mod plain;
mod poly;
mod salsa;
pub mod seal;
pub mod session;

use zeroize::Zeroizing;

use super::command::{Command, Metadata, write_properties};
use super::frame::{self, COMMAND, LONG, push_command};
use super::{Fault, Mechanism, SocketType, greeting};
use crate::limits::{GREETING_BYTES, HANDSHAKE_COMMAND_BYTES_MAX};
use seal::{Chance, KeyPair, Public};
use session::Session;

/// What a listener speaks with one client.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Who comes from there and shows nothing is somebody.
    pub null: bool,
    /// Names and passwords are taken from there.
    pub plain: bool,
    /// Our keys, if there are any.
    pub curve: Option<KeyPair>,
}

impl Offer {
    /// The best of them, which who asks for another one is told.
    fn best(&self) -> Mechanism {
        match (&self.curve, self.plain) {
            (Some(_), _) => Mechanism::Curve,
            (None, true) => Mechanism::Plain,
            (None, false) => Mechanism::Null,
        }
    }
}

/// What somebody has shown of itself.
#[derive(Debug)]
pub enum Shown {
    /// A name and a password.
    Login {
        /// The name.
        name: Zeroizing<Vec<u8>>,
        /// The password.
        password: Zeroizing<Vec<u8>>,
    },
    /// That it has the secret key of this one.
    Key(Public),
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It never will be, as it is: "400".
    Unknown,
    /// That is our fault, and somebody has to do something about it: "500".
    Broken,
}

/// What comes out of a handshake.
#[derive(Debug)]
pub struct Done {
    /// The minor version to speak: 0 for ZMTP 3.0, 1 for what is newer.
    pub minor: u8,
    /// The peer's socket type.
    pub socket_type: SocketType,
    /// The peer's identity: a label.
    pub identity: Box<[u8]>,
    /// How much it understands of what instep's Coordinators say to one another; 0: it is none of them.
    pub instep_level: u8,
    /// What messages are sealed and opened by, after CURVE.
    pub session: Option<Box<Session>>,
}

/// What has come of the bytes at hand.
#[derive(Debug)]
pub enum Shaken {
    /// At least so many bytes are missing.
    Need(usize),
    /// So many bytes are done with.
    Went(usize),
    /// So many bytes are done with, and it is to be said whose this is: by [`Handshake::admit`] or [`Handshake::refuse`].
    Who(usize, Shown),
    /// So many bytes are done with, and so is the handshake.
    Done(usize, Done),
}

/// One link before its messages.
#[derive(Debug)]
pub struct Handshake {
    ours: SocketType,
    state: State,
    minor: u8,
}

#[derive(Debug)]
enum State {
    /// A listener: the peer's greeting is to come. With the mechanism, once that has been answered.
    Greeting(Offer, Option<Mechanism>),
    /// Who dials: the same.
    Dialling(Box<curve::Client>),
    Null,
    Plain(plain::Server),
    Curve(Box<curve::Server>),
    Dialled(Box<curve::Client>),
    Over,
}

const fn wanted(theirs: Mechanism, ours: Mechanism) -> Fault {
    Fault::Wanted { theirs, ours }
}

impl Handshake {
    /// That of a listener.
    #[must_use]
    pub const fn listening(ours: SocketType, offer: Offer) -> Self {
        Self { ours, state: State::Greeting(offer, None), minor: 0 }
    }

    /// That of whoever dials one who has the key `server`.
    #[must_use]
    pub fn dialling(ours: SocketType, server: Public, keys: KeyPair) -> Self {
        Self { ours, state: State::Dialling(Box::new(curve::Client::new(server, keys))), minor: 0 }
    }

    /// What to say before anything has come.
    pub fn open(&self, out: &mut Vec<u8>) {
        if let State::Dialling(_) = self.state {
            out.extend_from_slice(&greeting::ours(Mechanism::Curve.name(), false));
        } else {
            out.extend_from_slice(greeting::ours("", false).get(..greeting::BEFORE_MECHANISM).unwrap_or_default());
        }
    }

    /// Whether what comes next costs as much as a thousand messages, and is there.
    #[must_use]
    pub fn is_costly(&self, buffer: &[u8]) -> bool {
        let is_whole = frame::head(buffer).is_ok_and(|head| (buffer.len() - head.bytes) as u64 >= head.body);
        is_whole
            && match &self.state {
                State::Curve(_) => true,
                State::Dialled(client) => client.waits_for_welcome(),
                State::Greeting(..) | State::Dialling(_) | State::Null | State::Plain(_) | State::Over => false,
            }
    }

    /// Deals with what `buffer`, the unconsumed bytes of the connection, begins with. What is to be said is put behind what is in `out`, also
    /// where the link ends.
    ///
    /// # Errors
    /// The [`Fault`] that ends the link.
    pub fn next(&mut self, buffer: &[u8], chance: Chance<'_>, out: &mut Vec<u8>) -> Result<Shaken, Fault> {
        if matches!(self.state, State::Greeting(..) | State::Dialling(_)) {
            return self.greeting(buffer, chance, out);
        }
        let head = match self.head(buffer)? {
            Ok(head) => head,
            Err(missing) => return Ok(Shaken::Need(missing)),
        };
        let len = head.bytes + usize::try_from(head.body).unwrap_or(0);
        let Some(body) = buffer.get(head.bytes..len) else { return Ok(Shaken::Need(len - buffer.len())) };
        self.command(len, body, chance, out)
    }

    /// The header of the next command, if it can be one.
    fn head(&self, buffer: &[u8]) -> Result<Result<frame::Head, usize>, Fault> {
        let wrong = match self.state {
            State::Curve(_) | State::Dialled(_) => Fault::CurveCommand,
            State::Plain(_) => Fault::PlainCommand,
            State::Greeting(..) | State::Dialling(_) | State::Null | State::Over => Fault::Handshake,
        };
        if buffer.first().is_some_and(|flags| flags & !LONG != COMMAND) {
            return Err(wrong);
        }
        let head = match frame::head(buffer) {
            Ok(head) => head,
            Err(missing) => return Ok(Err(missing)),
        };
        match &self.state {
            State::Curve(server) => server.judge_size(head.body)?,
            State::Dialled(client) => client.judge_size(head.body)?,
            State::Over => return Err(wrong),
            State::Greeting(..) | State::Dialling(_) | State::Null | State::Plain(_) => {
                if head.body > HANDSHAKE_COMMAND_BYTES_MAX as u64 {
                    return Err(Fault::Metadata);
                }
            }
        }
        Ok(Ok(head))
    }

    fn greeting(&mut self, buffer: &[u8], chance: Chance<'_>, out: &mut Vec<u8>) -> Result<Shaken, Fault> {
        let begin = buffer.get(..GREETING_BYTES).unwrap_or(buffer);
        let minor = greeting::check_version(begin)?;
        if let Some(asked) = greeting::mechanism(begin) {
            self.choose(asked, out)?;
        }
        let Some(minor) = minor else { return Ok(Shaken::Need(GREETING_BYTES - begin.len())) };
        self.minor = minor;
        self.state = match core::mem::replace(&mut self.state, State::Over) {
            State::Greeting(_, Some(Mechanism::Null)) => {
                let properties = self.properties();
                plain::Server::ready(&properties, out);
                State::Null
            }
            State::Greeting(_, Some(Mechanism::Plain)) => State::Plain(plain::Server::Hello),
            State::Greeting(Offer { curve: Some(keys), .. }, Some(Mechanism::Curve)) => {
                State::Curve(Box::new(curve::Server::new(keys)))
            }
            State::Dialling(mut client) => {
                client.hello(chance, out)?;
                State::Dialled(client)
            }
            State::Greeting(..) | State::Null | State::Plain(_) | State::Curve(_) | State::Dialled(_) | State::Over => {
                return Err(Fault::Mechanism);
            }
        };
        Ok(Shaken::Went(GREETING_BYTES))
    }

    /// The peer has named a mechanism: if it is one of ours we speak that.
    fn choose(&mut self, asked: &[u8; greeting::MECHANISM_BYTES], out: &mut Vec<u8>) -> Result<(), Fault> {
        let named = |mechanism: &Mechanism| greeting::padded(mechanism.name()) == *asked;
        let theirs = Mechanism::ALL.into_iter().find(named);
        let State::Greeting(offer, chosen) = &mut self.state else {
            // Who dials has said what it speaks, and speaks nothing else.
            let other = |theirs| wanted(theirs, Mechanism::Curve);
            let is_it = theirs == Some(Mechanism::Curve);
            return if is_it { Ok(()) } else { Err(theirs.map_or(Fault::Mechanism, other)) };
        };
        if chosen.is_some() {
            return Ok(());
        }
        let is_ours = theirs.filter(|theirs| match theirs {
            Mechanism::Null => offer.null,
            Mechanism::Plain => offer.plain,
            Mechanism::Curve => offer.curve.is_some(),
        });
        let answered = is_ours.unwrap_or_else(|| offer.best());
        let whole = greeting::ours(answered.name(), answered != Mechanism::Null);
        out.extend_from_slice(whole.get(greeting::BEFORE_MECHANISM..).unwrap_or_default());
        *chosen = is_ours;
        match (is_ours, theirs) {
            (Some(_), _) => Ok(()),
            (None, Some(theirs)) => Err(wanted(theirs, answered)),
            (None, None) => Err(Fault::Mechanism),
        }
    }

    /// What we say of ourselves.
    fn properties(&self) -> Vec<u8> {
        let mut properties = Vec::new();
        write_properties(&mut properties, self.ours);
        properties
    }

    fn command(&mut self, len: usize, body: &[u8], chance: Chance<'_>, out: &mut Vec<u8>) -> Result<Shaken, Fault> {
        let properties = self.properties();
        match &mut self.state {
            State::Null => {
                let metadata = null::on_command(Command::parse(body)?, self.ours)?;
                let done = self.done(&metadata, None);
                Ok(Shaken::Done(len, done))
            }
            State::Plain(server) => match server.take(body)? {
                plain::Said::Login((name, password)) => Ok(Shaken::Who(len, Shown::Login { name, password })),
                plain::Said::Properties(theirs) => {
                    let metadata = Metadata::parse(theirs)?.fits(self.ours)?;
                    plain::Server::ready(&properties, out);
                    let done = self.done(&metadata, None);
                    Ok(Shaken::Done(len, done))
                }
            },
            State::Curve(server) => Ok(match server.take(body, chance, out)? {
                None => Shaken::Went(len),
                Some(client) => Shaken::Who(len, Shown::Key(client)),
            }),
            State::Dialled(client) => {
                if let Ok(Command::Error(reason)) = Command::parse(body) {
                    return Err(Fault::refused_by_peer(reason));
                }
                let Some((theirs, session)) = client.take(body, &properties, chance, out)? else {
                    return Ok(Shaken::Went(len));
                };
                let metadata = Metadata::parse(&theirs)?.fits(self.ours)?;
                let done = self.done(&metadata, Some(Box::new(session)));
                Ok(Shaken::Done(len, done))
            }
            State::Greeting(..) | State::Dialling(_) | State::Over => Err(Fault::Handshake),
        }
    }

    fn done(&mut self, metadata: &Metadata<'_>, session: Option<Box<Session>>) -> Done {
        self.state = State::Over;
        Done {
            minor: self.minor,
            socket_type: metadata.socket_type,
            identity: metadata.identity.into(),
            instep_level: metadata.instep_level,
            session,
        }
    }

    /// After [`Shaken::Who`]: it is somebody. Ends the handshake, where nothing more is to come of it.
    ///
    /// # Errors
    /// What it says of itself will not do.
    pub fn admit(&mut self, out: &mut Vec<u8>) -> Result<Option<Done>, Fault> {
        let properties = self.properties();
        match &mut self.state {
            State::Plain(server) => {
                server.welcome(out);
                Ok(None)
            }
            State::Curve(server) => {
                let theirs = Zeroizing::new(server.properties().unwrap_or_default().to_vec());
                let metadata = Metadata::parse(&theirs)?.fits(self.ours)?;
                let session = server.ready(&properties, out).map(Box::new);
                Ok(Some(self.done(&metadata, session)))
            }
            State::Greeting(..) | State::Dialling(_) | State::Null | State::Dialled(_) | State::Over => {
                Err(Fault::Handshake)
            }
        }
    }

    /// After the same: it is nobody, and is told so. Nothing more is to be read from it.
    pub fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        let code: &[u8] = match refusal {
            Refusal::Unknown => b"400",
            Refusal::Broken => b"500",
        };
        // libzmq has the length of the name wrong in PLAIN, and only there: its clients understand nothing else.
        let is_plain = matches!(self.state, State::Plain(_));
        let name: &[u8] = if is_plain { b"\x5eRROR" } else { b"\x05ERROR" };
        push_command(out, &[name, b"\x03", code].concat());
        self.state = State::Over;
    }
}
