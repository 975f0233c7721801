//! Commands: READY, ERROR, PING, PONG, and the ones that are only recognised to be ignored.
//!
//! Every length is read with a checked view: a command that is cut short is a [`Fault`], never a panic.

use super::{Fault, SocketType};
use crate::limits::{IDENTITY_BYTES_MAX, METADATA_BYTES_MAX, PING_CONTEXT_BYTES_MAX, PROPERTIES_MAX};

/// A command's body, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The peer is ready; holds its raw metadata.
    Ready(&'a [u8]),
    /// The peer gives up, with its reason.
    Error(&'a [u8]),
    /// The peer wants a sign of life within `ttl` tenths of a second (0: none asked).
    Ping {
        /// Tenths of a second after which the peer gives up on us.
        ttl: u16,
        /// At most 16 bytes to send back.
        context: &'a [u8],
    },
    /// The answer to our PING.
    Pong,
    /// SUBSCRIBE: the peer wants what begins with this topic.
    Subscribe(&'a [u8]),
    /// CANCEL: it does not any more.
    Cancel(&'a [u8]),
    /// JOIN, LEAVE or anything unknown: never shown to anybody.
    Ignored,
}

impl<'a> Command<'a> {
    /// Takes a command frame's body apart.
    ///
    /// # Errors
    /// [`Fault::Command`] when a command that we know is cut short.
    pub fn parse(body: &'a [u8]) -> Result<Self, Fault> {
        let Some((&name_len, rest)) = body.split_first() else { return Ok(Self::Ignored) };
        let Some((name, data)) = rest.split_at_checked(usize::from(name_len)) else { return Ok(Self::Ignored) };
        match name {
            b"READY" => Ok(Self::Ready(data)),
            b"ERROR" => match data.split_first() {
                Some((&len, rest)) => Ok(Self::Error(rest.get(..usize::from(len)).ok_or(Fault::Command)?)),
                None => Err(Fault::Command),
            },
            b"PING" => {
                let (ttl, context) = data.split_first_chunk::<2>().ok_or(Fault::Command)?;
                let context = context.get(..PING_CONTEXT_BYTES_MAX).unwrap_or(context);
                Ok(Self::Ping { ttl: u16::from_be_bytes(*ttl), context })
            }
            b"PONG" => Ok(Self::Pong),
            SUBSCRIBE => Ok(Self::Subscribe(data)),
            b"CANCEL" => Ok(Self::Cancel(data)),
            _ => Ok(Self::Ignored),
        }
    }
}

/// The name of the command by which a subscriber says what it wants.
pub(super) const SUBSCRIBE: &[u8] = b"SUBSCRIBE";

/// What we take from a READY command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The peer's socket type.
    pub socket_type: SocketType,
    /// The peer's identity; empty when it has none. Only a label for the log.
    pub identity: &'a [u8],
    /// How much it understands of what instep's Coordinators say to one another; 0: it is none of them.
    pub instep_level: u8,
}

/// The property by which a ROUTER of ours says that it is one. Names that begin with `X-` are the application's (RFC 37, "The NULL Security
/// Mechanism"): who does not know them passes them over.
const INSTEP: &[u8] = b"X-Instep-Node";
/// Its value: how much is understood. Later versions understand what earlier ones do.
const INSTEP_LEVEL: &[u8] = b"2";

/// How much says that it is understood who gives that property this value; what is no number means the least.
fn instep_level(value: &[u8]) -> u8 {
    let number = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    if value.is_empty() { 0 } else { number.unwrap_or(1) }
}

impl<'a> Metadata<'a> {
    /// The same, if a peer's socket of that type can talk to ours.
    ///
    /// # Errors
    /// [`Fault::SocketType`]: it cannot.
    pub fn fits(self, ours: SocketType) -> Result<Self, Fault> {
        if ours.talks_to(self.socket_type) { Ok(self) } else { Err(Fault::SocketType(self.socket_type)) }
    }

    /// Reads the properties of a READY command. Names are accepted in any case, the last of two equal ones counts.
    ///
    /// # Errors
    /// [`Fault::Metadata`] for trailing or missing bytes and exceeded bounds, [`Fault::Identity`] for an illegal identity.
    pub fn parse(mut data: &'a [u8]) -> Result<Self, Fault> {
        if data.len() > METADATA_BYTES_MAX {
            return Err(Fault::Metadata);
        }
        let mut metadata = Self { socket_type: SocketType::Other, identity: &[], instep_level: 0 };
        let mut properties = 0;
        while let Some((&name_len, rest)) = data.split_first() {
            properties += 1;
            if properties > PROPERTIES_MAX || name_len == 0 {
                return Err(Fault::Metadata);
            }
            let (name, rest) = rest.split_at_checked(usize::from(name_len)).ok_or(Fault::Metadata)?;
            let (len, rest) = rest.split_first_chunk::<4>().ok_or(Fault::Metadata)?;
            let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| Fault::Metadata)?;
            let (value, rest) = rest.split_at_checked(len).ok_or(Fault::Metadata)?;
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                metadata.socket_type = SocketType::from_name(value);
            } else if name.eq_ignore_ascii_case(b"Identity") {
                if value.len() > IDENTITY_BYTES_MAX || value.first() == Some(&0) {
                    return Err(Fault::Identity);
                }
                metadata.identity = value;
            } else if name.eq_ignore_ascii_case(INSTEP) {
                metadata.instep_level = instep_level(value);
            }
            data = rest;
        }
        Ok(metadata)
    }
}

/// What we say of ourselves.
fn properties(socket_type: SocketType) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    let own: [(&[u8], &[u8]); 2] = [(b"Socket-Type", socket_type.name().as_bytes()), (b"Identity", b"")];
    own.into_iter().chain((socket_type == SocketType::Router).then_some((INSTEP, INSTEP_LEVEL)))
}

/// Appends what we say of ourselves, as it stands in READY and in its like.
pub fn write_properties(out: &mut Vec<u8>, socket_type: SocketType) {
    for (name, value) in properties(socket_type) {
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(name);
        out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(value);
    }
}

/// Longest command that [`Built`] holds: READY with an empty identity, or ERROR with a short reason.
const BUILT_BYTES_MAX: usize = 128;

/// A small command frame built in place, header included.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    bytes: [u8; BUILT_BYTES_MAX],
    len: usize,
}

impl Built {
    fn new(name: &[u8]) -> Self {
        let mut built = Self { bytes: [0; BUILT_BYTES_MAX], len: 0 };
        built.put(&[super::frame::COMMAND, 0]);
        built.put_short(name);
        built
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        debug_assert!(end <= BUILT_BYTES_MAX, "only short commands are built here");
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        }
        if let Some(size) = self.bytes.get_mut(1) {
            *size = u8::try_from(self.len - 2).unwrap_or(u8::MAX);
        }
    }

    fn put_short(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..100).unwrap_or(bytes);
        self.put(&[u8::try_from(bytes.len()).unwrap_or(u8::MAX)]);
        self.put(bytes);
    }

    /// READY with our socket type and an empty identity, spelled as libzmq wants them. A ROUTER is a Coordinator's, and says so.
    #[must_use]
    pub fn ready(socket_type: SocketType) -> Self {
        let mut built = Self::new(b"READY");
        for (name, value) in properties(socket_type) {
            built.put_short(name);
            built.put(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            built.put(value);
        }
        built
    }

    /// ERROR with a reason of at most 100 bytes.
    #[must_use]
    pub fn error(reason: &str) -> Self {
        let mut built = Self::new(b"ERROR");
        built.put_short(reason.as_bytes());
        built
    }

    /// PING without context; `ttl` in tenths of a second is cut to what libzmq survives.
    #[must_use]
    pub fn ping(ttl: u16) -> Self {
        let mut built = Self::new(b"PING");
        built.put(&ttl.min(crate::limits::PING_TTL_MAX).to_be_bytes());
        built
    }

    /// PONG for a PING's context.
    #[must_use]
    pub fn pong(context: &[u8]) -> Self {
        let mut built = Self::new(b"PONG");
        built.put(context.get(..PING_CONTEXT_BYTES_MAX).unwrap_or(context));
        built
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_spelled_as_libzmq_spells_it() {
        let mut wanted = vec![4, 0x29];
        wanted.extend_from_slice(b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0");
        assert_eq!(Built::ready(SocketType::Dealer).bytes(), wanted);
        let Ok(Command::Ready(data)) = Command::parse(&wanted[2..]) else { panic!() };
        let metadata = Metadata::parse(data).unwrap();
        assert_eq!(metadata, Metadata { socket_type: SocketType::Dealer, identity: b"", instep_level: 0 });
    }

    #[test]
    fn a_coordinator_says_what_it_is_in_a_property_of_the_application() {
        let mut wanted = vec![4, 0x3c];
        wanted.extend_from_slice(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0");
        wanted.extend_from_slice(b"\x0dX-Instep-Node\0\0\0\x012");
        assert_eq!(Built::ready(SocketType::Router).bytes(), wanted);
        let Ok(Command::Ready(data)) = Command::parse(&wanted[2..]) else { panic!() };
        assert_eq!(Metadata::parse(data).unwrap().instep_level, 2);
    }

    #[test]
    fn how_much_a_coordinator_understands_is_the_number_that_it_says() {
        let said: [(&[u8], u8); 6] = [(b"", 0), (b"1", 1), (b"2", 2), (b"7", 7), (b"1000", 1), (b"\xff", 1)];
        for (value, level) in said {
            let len = u8::try_from(value.len()).unwrap();
            let data = [b"\x0dX-Instep-Node\0\0\0".as_slice(), &[len], value].concat();
            assert_eq!(Metadata::parse(&data).unwrap().instep_level, level, "{value:?}");
        }
    }

    #[test]
    fn property_names_are_accepted_in_any_case_and_the_last_wins() {
        let data = b"\x0bsocket-TYPE\0\0\0\x06DEALER\x08identity\0\0\0\x01a\x08Identity\0\0\0\x01b\x03X-Y\0\0\0\0";
        assert_eq!(
            Metadata::parse(data),
            Ok(Metadata { socket_type: SocketType::Dealer, identity: b"b", instep_level: 0 })
        );
    }

    #[test]
    fn broken_metadata_is_refused_at_every_cut() {
        let whole = b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03abc";
        for n in 1..whole.len() {
            let judged = Metadata::parse(&whole[..n]);
            if n == 22 {
                assert!(judged.is_ok(), "a whole property");
            } else {
                assert_eq!(judged, Err(Fault::Metadata), "cut at {n}");
            }
        }
        assert_eq!(Metadata::parse(b"\x08Identity\0\0\0\x01\0"), Err(Fault::Identity));
        let mut long = b"\x08Identity\0\0\x01\0".to_vec();
        long.extend_from_slice(&[b'x'; 256]);
        assert_eq!(Metadata::parse(&long), Err(Fault::Identity));
        assert_eq!(Metadata::parse(&b"\x01a\0\0\0\0".repeat(PROPERTIES_MAX + 1)), Err(Fault::Metadata));
        assert_eq!(Metadata::parse(b"\x01a\xff\xff\xff\xff"), Err(Fault::Metadata));
    }

    #[test]
    fn pings_are_checked_and_their_context_is_cut() {
        assert_eq!(Command::parse(b"\x04PING"), Err(Fault::Command));
        assert_eq!(Command::parse(b"\x04PING\0"), Err(Fault::Command));
        assert_eq!(Command::parse(b"\x04PING\0\x14"), Ok(Command::Ping { ttl: 20, context: b"" }));
        let Ok(Command::Ping { context, .. }) = Command::parse(b"\x04PING\0\x140123456789abcdefXYZ") else { panic!() };
        assert_eq!(context, b"0123456789abcdef");
        assert_eq!(Built::pong(context).bytes(), b"\x04\x15\x04PONG0123456789abcdef");
        assert_eq!(Built::ping(u16::MAX).bytes(), b"\x04\x07\x04PING\x02\x8f");
    }

    #[test]
    fn unknown_and_empty_commands_are_ignored() {
        for body in [&b""[..], b"\0", b"\xffshort", b"\x04JOINg"] {
            assert_eq!(Command::parse(body), Ok(Command::Ignored), "{body:?}");
        }
        assert_eq!(Command::parse(b"\x09SUBSCRIBEtopic"), Ok(Command::Subscribe(b"topic")));
        assert_eq!(Command::parse(b"\x06CANCEL"), Ok(Command::Cancel(b"")));
        assert_eq!(Command::parse(b"\x05ERROR\x03abc"), Ok(Command::Error(b"abc")));
        assert_eq!(Command::parse(b"\x05ERROR\x09abc"), Err(Fault::Command));
    }
}
