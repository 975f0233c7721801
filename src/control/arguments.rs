//! The data object of a control request taken apart: a value for each argument, in whichever form it was given, and the keys that no
//! argument has.
//!
//! Owns the forms of arguments; which of them a function wants is the affair of [`super::request`]. Must not know what an id stands for.

use core::fmt;

use super::Error;
use super::envelope::Shape;
use super::function::{Argument, Function};
use super::ids::{Connections, Ids, MISSING_IDS};
use super::value::{Reader, Token};
use crate::limits::{CONTROL_FILE_BYTES_MAX, CONTROL_HOST_BYTES_MAX, CONTROL_KEYS_NAMED_MAX};

pub(super) const MISSING: Error = Error::Malformed("is missing");

/// Where errors lie in an address and in a connection.
const HOST: &str = "address.host";
const PORT: &str = "address.port";

/// Keys of a request that no argument has, to be told to whoever wrote them. Its `Display` is empty where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownKeys<'a> {
    /// Each with the argument in which it stands, if it is in one.
    keys: [Option<(&'static str, &'a [u8])>; CONTROL_KEYS_NAMED_MAX],
    more: usize,
}

impl<'a> UnknownKeys<'a> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.first().is_none_or(Option::is_none)
    }

    /// Looks into a map, or a list of maps, that has these keys.
    fn look(&mut self, inside: &'static str, mut value: Reader<'a>, known: &[&[u8]]) {
        let items = match value.peek() {
            Ok(Token::Map(_)) => 1,
            Ok(Token::Array(items)) if value.pull().is_ok() => items,
            _ => 0,
        };
        for _ in 0..items {
            let read = value.fields(|key, value| {
                if !known.contains(&key) {
                    self.add(inside, key);
                }
                value.skip()
            });
            if read.is_err() {
                break;
            }
        }
    }

    fn add(&mut self, inside: &'static str, key: &'a [u8]) {
        match self.keys.iter_mut().find(|slot| slot.is_none()) {
            Some(free) => *free = Some((inside, key)),
            None => self.more += 1,
        }
    }
}

impl fmt::Display for UnknownKeys<'_> {
    /// At most 32 characters of each of what a stranger sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (inside, key)) in self.keys.iter().flatten().enumerate() {
            write!(f, "{}{inside}", if n == 0 { "unknown keys: " } else { ", " })?;
            let text = String::from_utf8_lossy(key);
            text.chars().take(32).flat_map(char::escape_debug).try_for_each(|c| write!(f, "{c}"))?;
        }
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// The values of a data object, each at its own cursor; `None` when the key is absent.
pub(super) struct Arguments<'a> {
    values: [Option<Reader<'a>>; Argument::ALL.len()],
    /// An empty list stands for "not given": see the page of [`super::request`].
    filled_in: bool,
    /// The data object is no map but the argument itself.
    is_bare: bool,
    pub(super) unknown: UnknownKeys<'a>,
}

impl<'a> Arguments<'a> {
    pub(super) const fn new(shape: Shape) -> Self {
        let values = [None; Argument::ALL.len()];
        let unknown = UnknownKeys { keys: [None; CONTROL_KEYS_NAMED_MAX], more: 0 };
        Self { values, filled_in: matches!(shape, Shape::Loose), is_bare: false, unknown }
    }

    /// Takes the data object of a call of `function` apart.
    pub(super) fn read(&mut self, function: Function, mut object: Reader<'a>) -> Result<(), Error> {
        let whole = object;
        let head = object.peek()?;
        if !matches!(head, Token::Map(_) | Token::Nil) {
            return self.take_bare(function, whole, head);
        }
        let (values, unknown, mut is_address) = (&mut self.values, &mut self.unknown, false);
        object.fields(|key, value| {
            let known =
                Argument::ALL.into_iter().zip(&mut *values).find(|(argument, _)| argument.key().as_bytes() == key);
            match known {
                Some((argument, slot)) => {
                    *slot = Some(*value);
                    if argument == Argument::Address {
                        unknown.look("address.", *value, &[b"host", b"port"]);
                    } else if argument == Argument::Connection {
                        unknown.look("connection.", *value, &[b"provider", b"viewer"]);
                    }
                }
                // The address may be the data object itself.
                None if function == Function::Open && matches!(key, b"host" | b"port") => is_address = true,
                None => unknown.add("", key),
            }
            value.skip()
        })?;
        if is_address && self.value(Argument::Address).is_none() {
            self.put(Argument::Address, whole);
        }
        Ok(())
    }

    /// The data object is no map: the one argument that the prose of the document gives the function.
    fn take_bare(&mut self, function: Function, object: Reader<'a>, head: Token<'_>) -> Result<(), Error> {
        let argument = match (function, head) {
            (Function::Open, Token::Text(_)) => Argument::LogFileName,
            (Function::Open, _) => Argument::Address,
            (Function::Connect, _) => Argument::Connection,
            (Function::GetViewerInformation | Function::Disconnect, _) => Argument::Viewer,
            (Function::Close | Function::GetProviderInformation | Function::Refresh, _) => Argument::Provider,
            (Function::GetSessionInformation, _) => Argument::Session,
            // Some languages have one empty container, which comes out as an array.
            (_, Token::Array(0)) => return Ok(()),
            _ => return Err(Error::Malformed("is not a map").in_argument("object")),
        };
        self.put(argument, object);
        self.is_bare = true;
        Ok(())
    }

    fn put(&mut self, wanted: Argument, value: Reader<'a>) {
        if let Some((_, slot)) =
            Argument::ALL.into_iter().zip(&mut self.values).find(|(argument, _)| *argument == wanted)
        {
            *slot = Some(value);
        }
    }

    /// The cursor at an argument that is there and not nil.
    pub(super) fn value(&self, wanted: Argument) -> Option<Reader<'a>> {
        let found = Argument::ALL.into_iter().zip(self.values).find(|(argument, _)| *argument == wanted)?;
        found.1.filter(|value| value.peek() != Ok(Token::Nil))
    }

    /// A list of ids; `None` when it is not given.
    pub(super) fn ids(&self, argument: Argument) -> Result<Option<Ids<'a>>, Error> {
        let Some(mut value) = self.value(argument) else {
            return Ok(None);
        };
        let ids = Ids::read(&mut value).map_err(|error| error.in_argument(argument.key()))?;
        Ok(ids.filter(|ids| ids.len() > 0 || !self.filled_in))
    }

    /// A text; `None` when it is not given or empty.
    pub(super) fn text(&self, argument: Argument) -> Result<Option<&'a str>, Error> {
        let Some(mut value) = self.value(argument) else { return Ok(None) };
        let text = value.text().map_err(|error| error.in_argument(argument.key()))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Bytes, whatever they are; `None` when they are not given.
    pub(super) fn bytes(&self, argument: Argument) -> Result<Option<&'a [u8]>, Error> {
        let Some(mut value) = self.value(argument) else { return Ok(None) };
        match value.pull().map_err(|error| error.in_argument(argument.key()))? {
            Token::Text(bytes) => Ok(Some(bytes)),
            Token::Nil
            | Token::Bool(_)
            | Token::Int(_)
            | Token::Huge(_)
            | Token::Float(_)
            | Token::Array(_)
            | Token::Map(_)
            | Token::Ext(_) => Err(Error::Malformed("is no text").in_argument(argument.key())),
        }
    }

    /// A whole number; `None` when it is not given or 0.
    pub(super) fn number(&self, argument: Argument) -> Result<Option<i64>, Error> {
        let Some(mut value) = self.value(argument) else { return Ok(None) };
        let number = value.int().map_err(|error| error.in_argument(argument.key()))?;
        Ok(number.filter(|number| *number != 0))
    }

    /// True or false, which 1 and 0 are too; false when it is not given.
    pub(super) fn flag(&self, argument: Argument) -> Result<bool, Error> {
        let Some(mut value) = self.value(argument) else { return Ok(false) };
        match value.peek() {
            Ok(Token::Int(0)) => Ok(false),
            Ok(Token::Int(1)) => Ok(true),
            _ => Ok(value.bool().map_err(|error| error.in_argument(argument.key()))?.unwrap_or(false)),
        }
    }

    /// The server to open.
    ///
    /// # Errors
    /// It can be read as none.
    pub(super) fn address(&self) -> Result<Address<'a>, Error> {
        let Some(value) = self.value(Argument::Address) else { return Ok(Address::Nothing) };
        let (host, port) = host_and_port(value).map_err(|error| error.in_argument(Argument::Address.key()))?;
        Ok(match (host, port) {
            ("", None) => Address::Nothing,
            ("", Some(_)) => Address::Half(MISSING.in_argument(HOST)),
            (_, None) => Address::Half(Error::Malformed("is missing: 1 to 65535").in_argument(PORT)),
            (host, Some(port)) => Address::Whole { host, port },
        })
    }

    /// The name of a file; empty when it is not given.
    pub(super) fn file(&self) -> Result<&'a str, Error> {
        let text = self.text(Argument::LogFileName)?.unwrap_or_default();
        bounded(text, CONTROL_FILE_BYTES_MAX).map_err(|error| error.in_argument(Argument::LogFileName.key()))
    }

    pub(super) fn connections(&self) -> Result<Connections<'a>, Error> {
        let key = Argument::Connection.key();
        let given = self.value(Argument::Connection);
        let read = |value| if self.is_bare { Connections::read_bare(value) } else { Connections::read(value) };
        if let Some(connections) = given.map(read).transpose().map_err(|error| error.in_argument(key))?.flatten() {
            return Ok(connections);
        }
        // "{ViewerID, ProviderID} as Object" may also be read as the data object itself.
        let part = |argument| Ok::<_, Error>(self.ids(argument)?.filter(|ids| ids.len() > 0));
        match (part(Argument::Provider)?, part(Argument::Viewer)?) {
            (Some(providers), Some(viewers)) => {
                Connections::of(providers, viewers).map_err(|error| error.in_argument(key))
            }
            (Some(_), None) => Err(MISSING_IDS.in_argument(Argument::Viewer.key())),
            (None, Some(_)) => Err(MISSING_IDS.in_argument(Argument::Provider.key())),
            (None, None) => Err(Error::Malformed("is missing: {provider, viewer}").in_argument(key)),
        }
    }
}

/// How much of an address is given.
pub(super) enum Address<'a> {
    Whole {
        host: &'a str,
        port: u16,
    },
    /// What is missing.
    Half(Error),
    Nothing,
}

/// Reads an address as a map or as a pair; host empty or port `None` where they are not given.
fn host_and_port(mut value: Reader<'_>) -> Result<(&str, Option<u16>), Error> {
    let (mut host_found, mut port_found) = ("", None);
    let head = value.peek()?;
    if head == Token::Array(2) {
        value.pull()?;
        host_found = host(&mut value)?;
        port_found = port(&mut value)?;
    } else if matches!(head, Token::Map(_)) {
        value.fields(|key, value| match key {
            b"host" => host(value).map(|found| host_found = found),
            b"port" => port(value).map(|found| port_found = found),
            _ => value.skip(),
        })?;
    } else if !matches!(head, Token::Int(0) | Token::Array(0) | Token::Text(b"")) {
        return Err(Error::Malformed("is neither {host, port} nor [host, port]"));
    }
    Ok((host_found, port_found))
}

fn host<'a>(value: &mut Reader<'a>) -> Result<&'a str, Error> {
    let text = value.text().and_then(|text| bounded(text.unwrap_or(""), CONTROL_HOST_BYTES_MAX));
    text.map_err(|error| error.in_argument(HOST))
}

/// A port, which may be given in digits; `None` where it is 0 or not given.
fn port(value: &mut Reader<'_>) -> Result<Option<u16>, Error> {
    let number = match value.pull()? {
        Token::Nil | Token::Text(b"") => Some(0),
        Token::Int(number) => u16::try_from(number).ok(),
        Token::Text(digits) => {
            let digits =
                core::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok())
        }
        Token::Bool(_) | Token::Huge(_) | Token::Float(_) | Token::Array(_) | Token::Map(_) | Token::Ext(_) => None,
    };
    let number = number.ok_or(Error::BadArgument { argument: PORT, problem: "is not a port from 1 to 65535" })?;
    Ok(Some(number).filter(|number| *number > 0))
}

fn bounded(text: &str, max: usize) -> Result<&str, Error> {
    if text.len() <= max { Ok(text) } else { Err(Error::Malformed("is too long")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_named_and_no_more_than_so_many_of_them() {
        let mut unknown = UnknownKeys::default();
        assert!(unknown.is_empty() && unknown.to_string().is_empty());
        unknown.add("", b"verbose");
        unknown.add("address.", b"pr\not");
        assert_eq!(unknown.to_string(), "unknown keys: verbose, address.pr\\not");
        for _ in 0..CONTROL_KEYS_NAMED_MAX {
            unknown.add("", &[b'k'; 1000]);
        }
        let text = unknown.to_string();
        assert!(text.ends_with("k and 2 more") && text.len() < CONTROL_KEYS_NAMED_MAX * 40, "{text}");
        assert!(!unknown.is_empty());
    }
}
