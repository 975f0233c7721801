//! Control requests: the eleven functions of the document and those of our own, their arguments in every form seen or allowed, and what a missing one means.
//!
//! Owns the reading of a request body into a [`Call`]. Must not know what an id stands for.
//!
//! # Which form of "nothing" means what
//! An argument is *not given* when its key is absent, when it is nil, and when it is the default of its kind: empty text, an
//! address without host and without port, a bare 0 in place of a list. (Ids therefore start at 1.) The whole object may be absent, or nil.
//!
//! An empty list is given: it means none, whatever stands beside it. A list of information is empty, Refresh refreshes nothing, Close
//! closes nothing and succeeds. The one exception is the surviving old controller, which fills in every argument of the protocol with its
//! default, lists with `[]`, and means all. It is told by its loose shape, which no other has.
//!
//! What *not given* means lies with the function: all, for the three information functions and Refresh; a
//! [`Error::BadArgument`] that names the argument, for Open, Close, Connect and Disconnect.
//!
//! # Bare arguments
//! The document lists one argument for most functions and leaves open whether it lies under a key. In place of the map there may be
//! the argument itself: a list of ids or one id, a file, `[host, port]` or `{host, port}`, and for Connect `[viewer, provider]` or
//! `{viewer, provider}`.

use core::fmt;

use super::Error;
pub use super::arguments::UnknownKeys;
use super::arguments::{Address, Arguments, MISSING};
use super::envelope::Shape;
use super::function::{Argument, Function};
use super::ids::{Connections, Ids, MISSING_IDS};
use super::value::{Reader, Token};
#[cfg(doc)]
use crate::limits::{CONTROL_FILE_BYTES_MAX, CONTROL_HOST_BYTES_MAX};
use crate::limits::{CONTROL_FRONT_BYTES, CONTROL_PLAIN_VALUES_MAX};

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
    /// True unless the caller named another version than [`super::PROTOCOL_VERSION`] and its revisions, 1.0 and on; worth a line in
    /// the error list if not.
    #[must_use]
    pub fn is_ours(self) -> bool {
        match self {
            Self::Absent | Self::Text("") => true,
            Self::Text(text) => {
                let rest = text.strip_prefix(super::PROTOCOL_VERSION);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            Self::Int(number) => number == 1,
            Self::Float(number) => (1.0..2.0).contains(&number),
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
    /// Keys of its data object that no argument has: they change nothing, and whoever wrote them is told.
    pub unknown: UnknownKeys<'a>,
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
    /// Say who one is, by a token; one that stays away is empty.
    Authenticate {
        /// The token.
        token: &'a str,
    },
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
        /// The C2SIM system in whose name.
        system: Option<&'a str>,
    },
    /// Make a session, or change one.
    CreateSession(NewSession<'a>),
    /// Hand a document in to a session.
    SendDocument {
        /// The session.
        session: SessionRef<'a>,
        /// The document.
        document: &'a [u8],
        /// The C2SIM system in whose name.
        system: Option<&'a str>,
    },
    /// Describe connections.
    Connections,
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
            Self::Authenticate { .. } => Function::Authenticate,
            Self::Open(_) => Function::Open,
            Self::Close(_) => Function::Close,
            Self::Providers(_) => Function::GetProviderInformation,
            Self::Connect(_) => Function::Connect,
            Self::Disconnect(_) => Function::Disconnect,
            Self::Refresh(_) => Function::Refresh,
            Self::Sessions(_) => Function::GetSessionInformation,
            Self::Trigger { .. } => Function::Trigger,
            Self::CreateSession(_) => Function::CreateSession,
            Self::SendDocument { .. } => Function::SendDocument,
            Self::Connections => Function::GetConnectionInformation,
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
        /// However a run there ends, the next one is waited for (our addition).
        keep: bool,
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
        Ok(Opened { to, version, object }) => {
            let mut arguments = Arguments::new(to.shape);
            let request = request(to.id, object, &mut arguments);
            Call { to, version, request, unknown: arguments.unknown }
        }
        Err((shape, error)) => {
            let (to, version) = (ReplyTo { id: 0, shape }, Version::Absent);
            Call { to, version, request: Err(error), unknown: UnknownKeys::default() }
        }
    }
}

/// Whether the body that begins so is a call of the function that brings a document: only it may be longer than others. `None`: more of it is
/// needed to say.
#[must_use]
pub fn brings_document(front: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(front);
    let id = shape(&mut reader).and_then(|_| version(&mut reader)).and_then(|_| reader.int());
    match id {
        Ok(id) => Some(id == Some(Function::SendDocument.id())),
        Err(_) if front.len() < CONTROL_FRONT_BYTES => None,
        Err(_) => Some(false),
    }
}

/// Whether a body has so few values, besides the bytes of its texts, that it is read in no time however long it is.
#[must_use]
pub fn is_plain(body: &[u8]) -> bool {
    let mut reader = Reader::new(body);
    (0..CONTROL_PLAIN_VALUES_MAX).any(|_| reader.is_empty() || reader.pull().is_err()) || reader.is_empty()
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

fn request<'a>(id: i64, object: Option<Reader<'a>>, arguments: &mut Arguments<'a>) -> Result<Request<'a>, Error> {
    let function = Function::of_id(id).ok_or(Error::UnknownFunction(id))?;
    if let Some(object) = object {
        arguments.read(function, object)?;
    }
    let arguments = &*arguments;
    let which = |argument| Ok(arguments.ids(argument)?.map_or(Which::All, Which::These));
    let these = |argument: Argument| arguments.ids(argument)?.ok_or_else(|| MISSING_IDS.in_argument(argument.key()));
    Ok(match function {
        Function::Exit => Request::Exit,
        Function::GetErrorList => Request::Errors,
        Function::GetViewerInformation => Request::Viewers(which(Argument::Viewer)?),
        Function::GetManagerInformation => Request::Manager,
        Function::Authenticate => Request::Authenticate {
            token: arguments.text(Argument::Token)?.ok_or_else(|| MISSING.in_argument(Argument::Token.key()))?,
        },
        Function::Open => Request::Open(source(arguments)?),
        Function::Close => Request::Close(these(Argument::Provider)?),
        Function::GetProviderInformation => Request::Providers(which(Argument::Provider)?),
        Function::Connect => Request::Connect(arguments.connections()?),
        Function::Disconnect => Request::Disconnect(these(Argument::Viewer)?),
        Function::Refresh => Request::Refresh(which(Argument::Provider)?),
        Function::GetSessionInformation => Request::Sessions(which(Argument::Session)?),
        Function::Trigger => Request::Trigger {
            session: session(arguments)?,
            trigger: arguments.text(Argument::Trigger)?.ok_or_else(|| MISSING.in_argument(Argument::Trigger.key()))?,
            at: moment(arguments)?,
            system: arguments.text(Argument::System)?,
        },
        Function::CreateSession => Request::CreateSession(new_session(arguments)?),
        Function::GetConnectionInformation => Request::Connections,
        Function::SendDocument => Request::SendDocument {
            session: session(arguments)?,
            document: arguments
                .bytes(Argument::Document)?
                .ok_or_else(|| MISSING.in_argument(Argument::Document.key()))?,
            system: arguments.text(Argument::System)?,
        },
    })
}

/// One session, by its id (alone or as the only one of a list) or by its name.
fn session<'a>(arguments: &Arguments<'a>) -> Result<SessionRef<'a>, Error> {
    let key = Argument::Session.key();
    let value = arguments.value(Argument::Session).ok_or_else(|| MISSING.in_argument(key))?;
    if let Token::Text(_) = value.peek().map_err(|error| error.in_argument(key))? {
        let name = arguments.text(Argument::Session)?.ok_or_else(|| MISSING.in_argument(key))?;
        return Ok(SessionRef::Name(name));
    }
    let mut ids = arguments.ids(Argument::Session)?.into_iter().flatten();
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(SessionRef::Id(id)),
        (None, _) => Err(MISSING.in_argument(key)),
        (Some(_), Some(_)) => Err(Error::BadArgument { argument: key, problem: "names more than one session" }),
    }
}

fn moment(arguments: &Arguments<'_>) -> Result<Option<u64>, Error> {
    let before = |_| Error::BadArgument { argument: Argument::At.key(), problem: "lies before 1970" };
    arguments.number(Argument::At)?.map(u64::try_from).transpose().map_err(before)
}

fn new_session<'a>(arguments: &Arguments<'a>) -> Result<NewSession<'a>, Error> {
    let mut providers = arguments.ids(Argument::Provider)?.into_iter().flatten();
    let provider = providers.next();
    if providers.next().is_some() {
        let problem = "names more than one provider";
        return Err(Error::BadArgument { argument: Argument::Provider.key(), problem });
    }
    let mut options = [None; Argument::OPTIONS.len()];
    for (option, argument) in options.iter_mut().zip(Argument::OPTIONS) {
        *option = arguments.text(argument)?;
    }
    Ok(NewSession {
        name: arguments.text(Argument::Name)?.ok_or_else(|| MISSING.in_argument(Argument::Name.key()))?,
        schema: arguments.text(Argument::Schema)?,
        display_name: arguments.text(Argument::DisplayName)?,
        description: arguments.text(Argument::Description)?,
        provider,
        options,
    })
}

/// What is to be opened. Half an address is as good as none where a file is named.
fn source<'a>(arguments: &Arguments<'a>) -> Result<Wanted<'a>, Error> {
    let (address, keep) = (arguments.address()?, arguments.flag(Argument::Keep)?);
    if let Address::Whole { host, port } = address {
        return Ok(Wanted::Address { host, port, keep });
    }
    match (arguments.file()?, address) {
        ("", Address::Half(missing)) => Err(missing),
        ("", _) => {
            let problem = "is missing, and logfilename too: {host, port} or a file";
            Err(Error::BadArgument { argument: Argument::Address.key(), problem })
        }
        _ if keep => {
            let problem = "is for an address: a log is there once";
            Err(Error::BadArgument { argument: Argument::Keep.key(), problem })
        }
        (file, _) => Ok(Wanted::File(file)),
    }
}
