//! Control requests: the eleven functions of the document and two of our own, their arguments in every form seen or allowed, and what a missing one means.
//!
//! Owns the reading of a request body into a [`Call`]. Must not know what an id stands for.
//!
//! # Which form of "nothing" means what
//! An argument is *not given* when its key is absent, when it is nil, and when it is the default of its kind: empty text, an
//! address without host or without port, a bare 0 in place of a list. (Ids therefore start at 1.) The whole object may be absent,
//! nil or an empty array. One case is left, the empty list, on which the two sources differ:
//!
//! * A caller who writes `{"provider": []}` and nothing else means what it says: none. A list of information is empty, Refresh
//!   refreshes nothing, Close closes nothing and succeeds.
//! * The surviving old controller fills in every argument of the protocol with its default, lists with `[]`. There the empty list
//!   must mean the same as absent. Such a request is told by its loose shape, or by carrying an argument that its function
//!   does not take.
//!
//! What *not given* means lies with the function: all, for the three information functions and Refresh; a
//! [`Error::BadArgument`] that names the argument, for Open, Close, Connect and Disconnect.

use core::fmt;

use super::Error;
use super::envelope::Shape;
use super::function::{Argument, Function};
use super::ids::{Connections, Ids};
use super::value::{Reader, Token};
use crate::limits::{CONTROL_FILE_BYTES_MAX, CONTROL_HOST_BYTES_MAX};

/// The MsgVersion a request came with. The document gives it no value, so any is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version<'a> {
    /// Nil, or none could be read.
    Absent,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Bytes that are not UTF-8, or an integer out of range.
    Other,
}

impl Version<'_> {
    /// True unless the caller named another version than [`super::PROTOCOL_VERSION`]; worth a line in the error list if not.
    #[must_use]
    pub fn is_ours(self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text == super::PROTOCOL_VERSION,
            Self::Int(number) => number == 1,
            Self::Float(number) => (number - 1.0).abs() < f64::EPSILON,
            Self::Other => false,
        }
    }
}

impl fmt::Display for Version<'_> {
    /// The version for a line of the error list: at most 32 characters of what a stranger sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "none"),
            Self::Text(text) => text.chars().take(32).flat_map(char::escape_debug).try_for_each(|c| write!(f, "{c}")),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Other => write!(f, "not readable"),
        }
    }
}

/// What a result needs to know of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyTo {
    /// The CallMsgID to echo; 0 when none could be read.
    pub id: i64,
    /// The shape to answer in.
    pub shape: Shape,
}

/// A request body that has been read.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Where the answer goes, whether the request could be used or not.
    pub to: ReplyTo,
    /// The version the caller named.
    pub version: Version<'a>,
    /// What is asked, or why it cannot be done. After an error that [`Error::is_fatal`], answer and close.
    pub request: Result<Request<'a>, Error>,
}

/// What a controller asks.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// End the Manager, after the answer has left.
    Exit,
    /// List the errors that occurred.
    Errors,
    /// Describe viewers.
    Viewers(Which<'a>),
    /// Describe the Manager.
    Manager,
    /// Open a provider.
    Open(Wanted<'a>),
    /// Close these providers.
    Close(Ids<'a>),
    /// Describe providers.
    Providers(Which<'a>),
    /// Bring viewers into sessions.
    Connect(Connections<'a>),
    /// Take these viewers out of their sessions.
    Disconnect(Ids<'a>),
    /// Renew connections of providers.
    Refresh(Which<'a>),
    /// Describe sessions.
    Sessions(Which<'a>),
    /// Pull a trigger of a session.
    Trigger {
        /// The session.
        session: SessionRef<'a>,
        /// The trigger, as the caller spells it.
        trigger: &'a str,
        /// When, in milliseconds since 1970; `None`: now.
        at: Option<u64>,
    },
    /// Make a session, or change one.
    CreateSession(NewSession<'a>),
}

impl Request<'_> {
    /// The function that is called.
    #[must_use]
    pub const fn function(&self) -> Function {
        match self {
            Self::Exit => Function::Exit,
            Self::Errors => Function::GetErrorList,
            Self::Viewers(_) => Function::GetViewerInformation,
            Self::Manager => Function::GetManagerInformation,
            Self::Open(_) => Function::Open,
            Self::Close(_) => Function::Close,
            Self::Providers(_) => Function::GetProviderInformation,
            Self::Connect(_) => Function::Connect,
            Self::Disconnect(_) => Function::Disconnect,
            Self::Refresh(_) => Function::Refresh,
            Self::Sessions(_) => Function::GetSessionInformation,
            Self::Trigger { .. } => Function::Trigger,
            Self::CreateSession(_) => Function::CreateSession,
        }
    }
}

/// A session as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRef<'a> {
    /// By its id.
    Id(i64),
    /// By its name.
    Name(&'a str),
}

/// What is asked of a session that is to be made; `None` where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewSession<'a> {
    /// Its name, not empty.
    pub name: &'a str,
    /// The schema version of its documents.
    pub schema: Option<&'a str>,
    /// Its name for people.
    pub display_name: Option<&'a str>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// The provider that it gets.
    pub provider: Option<i64>,
    /// The words of [`Argument::OPTIONS`].
    pub options: [Option<&'a str>; Argument::OPTIONS.len()],
}

/// Where a provider's data comes from. When a request names both, the address wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A simulation server.
    Address {
        /// Host name or address; 1 to [`CONTROL_HOST_BYTES_MAX`] bytes.
        host: &'a str,
        /// TCP port, never 0.
        port: u16,
    },
    /// A log file; 1 to [`CONTROL_FILE_BYTES_MAX`] bytes.
    File(&'a str),
}

/// All of a kind, or those with these ids.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All there are.
    All,
    /// Exactly these; an empty list is none.
    These(Ids<'a>),
}

/// Reads the body of a control request.
#[must_use]
pub fn decode(body: &[u8]) -> Call<'_> {
    match envelope(body) {
        Ok(Opened { to, version, object }) => Call { to, version, request: request(to, object) },
        Err((shape, error)) => Call { to: ReplyTo { id: 0, shape }, version: Version::Absent, request: Err(error) },
    }
}

/// A body taken apart into its header and its data object, the latter not yet looked into.
struct Opened<'a> {
    to: ReplyTo,
    version: Version<'a>,
    object: Option<Reader<'a>>,
}

/// Finds shape, version, id and data object. Every byte is checked to be MsgPack, so what follows can only meet wrong types.
fn envelope(body: &[u8]) -> Result<Opened<'_>, (Shape, Error)> {
    let mut whole = Reader::new(body);
    while !whole.is_empty() {
        whole.skip().map_err(|error| (Shape::default(), error))?;
    }
    let mut reader = Reader::new(body);
    let (shape, has_object) = shape(&mut reader).map_err(|error| (Shape::default(), error))?;
    let mut rest = || -> Result<Opened<'_>, Error> {
        let version = version(&mut reader)?;
        let Ok(Some(id)) = reader.int() else {
            return Err(Error::Malformed("has no whole number for a function id"));
        };
        let object = if has_object.unwrap_or(!reader.is_empty()) {
            let object = reader;
            reader.skip()?;
            Some(object)
        } else {
            None
        };
        if !reader.is_empty() {
            return Err(Error::Malformed("has bytes behind the data object"));
        }
        Ok(Opened { to: ReplyTo { id, shape }, version, object })
    };
    rest().map_err(|error| (shape, error))
}

/// Moves to the version, and says the shape and whether a data object follows the header (unknown: if anything is left then).
fn shape(reader: &mut Reader<'_>) -> Result<(Shape, Option<bool>), Error> {
    match reader.peek()? {
        Token::Array(items) => {
            reader.pull()?;
            match (items, reader.peek()) {
                (1 | 2, Ok(Token::Array(2))) => {
                    reader.pull()?;
                    Ok((Shape::Nested, Some(items == 2)))
                }
                (2, Ok(_)) => Ok((Shape::Beside, None)),
                (3, Ok(_)) => Ok((Shape::Flat, Some(true))),
                _ => Err(Error::Malformed("has no data header [version, id]")),
            }
        }
        Token::Nil | Token::Text(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => Ok((Shape::Loose, None)),
        Token::Map(_) => Err(Error::Malformed("has no data header; a viewer's request goes to the viewer port")),
        Token::Bool(_) | Token::Ext(_) => Err(Error::Malformed("has no data header [version, id]")),
    }
}

fn version<'a>(reader: &mut Reader<'a>) -> Result<Version<'a>, Error> {
    match reader.pull()? {
        Token::Nil => Ok(Version::Absent),
        Token::Text(bytes) => Ok(core::str::from_utf8(bytes).map_or(Version::Other, Version::Text)),
        Token::Int(number) => Ok(Version::Int(number)),
        Token::Float(number) => Ok(Version::Float(number)),
        Token::Huge(_) => Ok(Version::Other),
        Token::Bool(_) | Token::Array(_) | Token::Map(_) | Token::Ext(_) => {
            Err(Error::Malformed("has a version that is neither text nor a number"))
        }
    }
}

fn request(to: ReplyTo, object: Option<Reader<'_>>) -> Result<Request<'_>, Error> {
    let function = Function::of_id(to.id).ok_or(Error::UnknownFunction(to.id))?;
    let arguments = Arguments::read(function, to.shape, object)?;
    let of = |argument: Argument| arguments.ids(argument).map_err(|error| error.in_argument(argument.key()));
    let which = |argument| Ok(of(argument)?.map_or(Which::All, Which::These));
    let these = |argument: Argument| of(argument)?.ok_or_else(|| MISSING.in_argument(argument.key()));
    Ok(match function {
        Function::Exit => Request::Exit,
        Function::GetErrorList => Request::Errors,
        Function::GetViewerInformation => Request::Viewers(which(Argument::Viewer)?),
        Function::GetManagerInformation => Request::Manager,
        Function::Open => Request::Open(arguments.source()?),
        Function::Close => Request::Close(these(Argument::Provider)?),
        Function::GetProviderInformation => Request::Providers(which(Argument::Provider)?),
        Function::Connect => {
            Request::Connect(arguments.connections().map_err(|e| e.in_argument(Argument::Connection.key()))?)
        }
        Function::Disconnect => Request::Disconnect(these(Argument::Viewer)?),
        Function::Refresh => Request::Refresh(which(Argument::Provider)?),
        Function::GetSessionInformation => Request::Sessions(which(Argument::Session)?),
        Function::Trigger => Request::Trigger {
            session: arguments.session()?,
            trigger: arguments.text(Argument::Trigger)?.ok_or_else(|| MISSING.in_argument(Argument::Trigger.key()))?,
            at: arguments.moment()?,
        },
        Function::CreateSession => Request::CreateSession(arguments.new_session()?),
    })
}

const MISSING: Error = Error::Malformed("is missing");

/// The values of a data object, each at its own cursor; `None` when the key is absent.
struct Arguments<'a> {
    values: [Option<Reader<'a>>; Argument::ALL.len()],
    /// An empty list stands for "not given": see the module's page.
    filled_in: bool,
}

impl<'a> Arguments<'a> {
    fn read(function: Function, shape: Shape, object: Option<Reader<'a>>) -> Result<Self, Error> {
        let mut arguments = Self { values: [None; Argument::ALL.len()], filled_in: shape == Shape::Loose };
        let Some(mut object) = object else {
            return Ok(arguments);
        };
        // Some languages have one empty container, which comes out as an array.
        if object.peek()? == Token::Array(0) {
            return Ok(arguments);
        }
        object
            .fields(|key, value| {
                let known = Argument::ALL
                    .into_iter()
                    .zip(&mut arguments.values)
                    .find(|(argument, _)| argument.key().as_bytes() == key);
                if let Some((argument, slot)) = known {
                    *slot = Some(*value);
                    arguments.filled_in |= !function.takes().contains(&argument);
                }
                value.skip()
            })
            .map_err(|error| error.in_argument("object"))?;
        Ok(arguments)
    }

    /// The cursor at an argument that is there and not nil.
    fn value(&self, wanted: Argument) -> Option<Reader<'a>> {
        let found = Argument::ALL.into_iter().zip(self.values).find(|(argument, _)| *argument == wanted)?;
        found.1.filter(|value| value.peek() != Ok(Token::Nil))
    }

    /// A list of ids; `None` when it is not given.
    fn ids(&self, argument: Argument) -> Result<Option<Ids<'a>>, Error> {
        let Some(mut value) = self.value(argument) else {
            return Ok(None);
        };
        Ok(Ids::read(&mut value)?.filter(|ids| ids.len() > 0 || !self.filled_in))
    }

    /// A text; `None` when it is not given or empty.
    fn text(&self, argument: Argument) -> Result<Option<&'a str>, Error> {
        let Some(mut value) = self.value(argument) else { return Ok(None) };
        let text = value.text().map_err(|error| error.in_argument(argument.key()))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// One session, by its id (alone or as the only one of a list) or by its name.
    fn session(&self) -> Result<SessionRef<'a>, Error> {
        let key = Argument::Session.key();
        let value = self.value(Argument::Session).ok_or_else(|| MISSING.in_argument(key))?;
        if let Token::Text(_) = value.peek().map_err(|error| error.in_argument(key))? {
            let name = self.text(Argument::Session)?.ok_or_else(|| MISSING.in_argument(key))?;
            return Ok(SessionRef::Name(name));
        }
        let mut ids = self.ids(Argument::Session).map_err(|error| error.in_argument(key))?.into_iter().flatten();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Ok(SessionRef::Id(id)),
            (None, _) => Err(MISSING.in_argument(key)),
            (Some(_), Some(_)) => Err(Error::BadArgument { argument: key, problem: "names more than one session" }),
        }
    }

    fn moment(&self) -> Result<Option<u64>, Error> {
        let key = Argument::At.key();
        let Some(mut value) = self.value(Argument::At) else { return Ok(None) };
        let at = value.int().map_err(|error| error.in_argument(key))?.unwrap_or(0);
        let at = u64::try_from(at).map_err(|_| Error::BadArgument { argument: key, problem: "lies before 1970" })?;
        Ok(Some(at).filter(|at| *at > 0))
    }

    fn new_session(&self) -> Result<NewSession<'a>, Error> {
        let key = Argument::Provider.key();
        let mut providers = self.ids(Argument::Provider).map_err(|error| error.in_argument(key))?.into_iter().flatten();
        let provider = providers.next();
        if providers.next().is_some() {
            return Err(Error::BadArgument { argument: key, problem: "names more than one provider" });
        }
        let mut options = [None; Argument::OPTIONS.len()];
        for (option, argument) in options.iter_mut().zip(Argument::OPTIONS) {
            *option = self.text(argument)?;
        }
        Ok(NewSession {
            name: self.text(Argument::Name)?.ok_or_else(|| MISSING.in_argument(Argument::Name.key()))?,
            schema: self.text(Argument::Schema)?,
            display_name: self.text(Argument::DisplayName)?,
            description: self.text(Argument::Description)?,
            provider,
            options,
        })
    }

    fn source(&self) -> Result<Wanted<'a>, Error> {
        let address = self.value(Argument::Address).map(address).transpose();
        let (host, port) = address.map_err(|error| error.in_argument(Argument::Address.key()))?.unwrap_or_default();
        if let (false, Some(port)) = (host.is_empty(), port) {
            return Ok(Wanted::Address { host, port });
        }
        let file = match self.value(Argument::LogFileName) {
            Some(mut name) => name.text().and_then(|text| bounded(text.unwrap_or(""), CONTROL_FILE_BYTES_MAX)),
            None => Ok(""),
        };
        let file = file.map_err(|error| error.in_argument(Argument::LogFileName.key()))?;
        if !file.is_empty() {
            return Ok(Wanted::File(file));
        }
        let problem = match (host.is_empty(), port) {
            (true, None) => "is missing, and logfilename too",
            (true, Some(_)) => "has no host",
            (false, _) => "has no port",
        };
        Err(Error::BadArgument { argument: Argument::Address.key(), problem })
    }

    fn connections(&self) -> Result<Connections<'a>, Error> {
        if let Some(connections) = self.value(Argument::Connection).map(Connections::read).transpose()?.flatten() {
            return Ok(connections);
        }
        // "{ViewerID, ProviderID} as Object" may also be read as the data object itself.
        let part = |argument| Ok::<_, Error>(self.ids(argument)?.filter(|ids| ids.len() > 0));
        Connections::of(part(Argument::Provider)?, part(Argument::Viewer)?)?.ok_or(MISSING)
    }
}

/// Reads an address as a map or as a pair; host empty or port `None` where they are not given.
fn address(mut value: Reader<'_>) -> Result<(&str, Option<u16>), Error> {
    let (mut host, mut port) = ("", None);
    let head = value.peek()?;
    if head == Token::Array(2) {
        value.pull()?;
        host = value.text()?.unwrap_or("");
        port = value.int()?;
    } else if !matches!(head, Token::Int(0) | Token::Array(0) | Token::Text(b"")) {
        value.fields(|key, value| match key {
            b"host" => value.text().map(|text| host = text.unwrap_or("")),
            b"port" => value.int().map(|number| port = number),
            _ => value.skip(),
        })?;
    }
    let port = match port.unwrap_or(0) {
        0 => None,
        port => Some(u16::try_from(port).map_err(|_| Error::Malformed("has a port that is not between 1 and 65535"))?),
    };
    Ok((bounded(host, CONTROL_HOST_BYTES_MAX)?, port))
}

fn bounded(text: &str, max: usize) -> Result<&str, Error> {
    if text.len() <= max { Ok(text) } else { Err(Error::Malformed("is too long")) }
}
