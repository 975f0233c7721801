//! The table of control functions: numbers, names, and which arguments each looks at.
//!
//! Owns the table alone; a new function is a variant and a row. Must not know how arguments are read.

/// The functions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// End the Manager.
    Exit,
    /// List the errors that occurred.
    GetErrorList,
    /// Describe viewers.
    GetViewerInformation,
    /// Describe the Manager.
    GetManagerInformation,
    /// Say who one is (our addition).
    Authenticate,
    /// Open a provider.
    Open,
    /// Close providers.
    Close,
    /// Describe providers.
    GetProviderInformation,
    /// Bring viewers into the session of a provider.
    Connect,
    /// Take viewers out of their sessions.
    Disconnect,
    /// Renew the connections of providers.
    Refresh,
    /// Describe sessions.
    GetSessionInformation,
    /// Pull a trigger of a session's flow control (our addition).
    Trigger,
    /// Make a session, or change one (our addition).
    CreateSession,
    /// Hand a C2SIM document in to a session (our addition).
    SendDocument,
    /// Describe connections, those first for which most waits (our addition).
    GetConnectionInformation,
}

/// The arguments of the protocol, by the keys of the data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Host and port to open.
    Address,
    /// File to open.
    LogFileName,
    /// Provider ids.
    Provider,
    /// Session ids.
    Session,
    /// Viewer ids.
    Viewer,
    /// A provider and the viewers to connect to it.
    Connection,
    /// A trigger of flow control, in words.
    Trigger,
    /// A moment, in milliseconds since 1970.
    At,
    /// The name of a session.
    Name,
    /// The schema version of a session's documents.
    Schema,
    /// A session's name for people.
    DisplayName,
    /// What a session is for.
    Description,
    /// An option of a session.
    PausedAllows,
    /// An option of a session.
    ShareGuard,
    /// An option of a session.
    InitMerge,
    /// An option of a session.
    UnknownBodies,
    /// Whether the next run of a kernel is waited for.
    Keep,
    /// A C2SIM document, whatever its bytes.
    Document,
    /// The C2SIM system that a controller speaks for.
    System,
    /// The token of a user.
    Token,
}

impl Argument {
    /// Every argument, in the order of the document's mixed list, then those of our own.
    pub const ALL: [Self; 20] = [
        Self::Address,
        Self::LogFileName,
        Self::Provider,
        Self::Session,
        Self::Viewer,
        Self::Connection,
        Self::Trigger,
        Self::At,
        Self::Name,
        Self::Schema,
        Self::DisplayName,
        Self::Description,
        Self::PausedAllows,
        Self::ShareGuard,
        Self::InitMerge,
        Self::UnknownBodies,
        Self::Keep,
        Self::Document,
        Self::System,
        Self::Token,
    ];

    /// The options of a session, by their keys the same in every protocol.
    pub const OPTIONS: [Self; 4] = [Self::PausedAllows, Self::ShareGuard, Self::InitMerge, Self::UnknownBodies];

    /// The key in the data object.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::LogFileName => "logfilename",
            Self::Provider => "provider",
            Self::Session => "session",
            Self::Viewer => "viewer",
            Self::Connection => "connection",
            Self::Trigger => "trigger",
            Self::At => "at",
            Self::Name => "name",
            Self::Schema => "schema",
            Self::DisplayName => "display_name",
            Self::Description => "description",
            Self::PausedAllows => "paused_allows",
            Self::ShareGuard => "share_guard",
            Self::InitMerge => "init_merge",
            Self::UnknownBodies => "unknown_bodies",
            Self::Keep => "keep",
            Self::Document => "document",
            Self::System => "system",
            Self::Token => "token",
        }
    }
}

/// One line of the table of functions.
struct Row {
    function: Function,
    id: i64,
    name: &'static str,
    takes: &'static [Argument],
}

/// The table of functions. The numbers rule; the document spells some names in two ways.
const FUNCTIONS: [Row; 16] = [
    Row { function: Function::Exit, id: 1, name: "Exit", takes: &[] },
    Row { function: Function::GetErrorList, id: 2, name: "GetErrorList", takes: &[] },
    Row { function: Function::GetViewerInformation, id: 3, name: "GetViewerInformation", takes: &[Argument::Viewer] },
    Row { function: Function::GetManagerInformation, id: 4, name: "GetManagerInformation", takes: &[] },
    Row { function: Function::Authenticate, id: 6, name: "Authenticate", takes: &[Argument::Token] },
    Row {
        function: Function::Open,
        id: 101,
        name: "Open",
        takes: &[Argument::Address, Argument::LogFileName, Argument::Keep],
    },
    Row { function: Function::Close, id: 102, name: "Close", takes: &[Argument::Provider] },
    Row {
        function: Function::GetProviderInformation,
        id: 103,
        name: "GetProviderInformation",
        takes: &[Argument::Provider],
    },
    Row {
        function: Function::Connect,
        id: 201,
        name: "Connect",
        takes: &[Argument::Connection, Argument::Provider, Argument::Viewer],
    },
    Row { function: Function::Disconnect, id: 202, name: "Disconnect", takes: &[Argument::Viewer] },
    Row { function: Function::Refresh, id: 203, name: "Refresh", takes: &[Argument::Provider] },
    Row {
        function: Function::GetSessionInformation,
        id: 204,
        name: "GetSessionInformation",
        takes: &[Argument::Session],
    },
    Row {
        function: Function::Trigger,
        id: 205,
        name: "Trigger",
        takes: &[Argument::Session, Argument::Trigger, Argument::At, Argument::System],
    },
    Row {
        function: Function::CreateSession,
        id: 206,
        name: "CreateSession",
        takes: &[
            Argument::Name,
            Argument::Schema,
            Argument::DisplayName,
            Argument::Description,
            Argument::Provider,
            Argument::PausedAllows,
            Argument::ShareGuard,
            Argument::InitMerge,
            Argument::UnknownBodies,
        ],
    },
    Row {
        function: Function::SendDocument,
        id: 207,
        name: "SendDocument",
        takes: &[Argument::Session, Argument::Document, Argument::System],
    },
    Row { function: Function::GetConnectionInformation, id: 208, name: "GetConnectionInformation", takes: &[] },
];

impl Function {
    /// The arguments it looks at.
    #[must_use]
    pub fn takes(self) -> &'static [Argument] {
        self.row().map_or(&[], |row| row.takes)
    }

    /// The function with this CallMsgID.
    #[must_use]
    pub fn of_id(id: i64) -> Option<Self> {
        FUNCTIONS.iter().find(|row| row.id == id).map(|row| row.function)
    }

    /// The CallMsgID.
    #[must_use]
    pub fn id(self) -> i64 {
        self.row().map_or(0, |row| row.id)
    }

    /// The name the document's list of functions has.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    fn row(self) -> Option<&'static Row> {
        FUNCTIONS.iter().find(|row| row.function == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_document_and_lead_back_to_their_function() {
        let ids = FUNCTIONS.iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids, [1, 2, 3, 4, 6, 101, 102, 103, 201, 202, 203, 204, 205, 206, 207, 208]);
        for row in &FUNCTIONS {
            assert_eq!((Function::of_id(row.id), row.function.id()), (Some(row.function), row.id));
            assert_eq!(row.function.name(), format!("{:?}", row.function));
        }
        assert_eq!([0, 5, 100, 104, 209, -1].map(Function::of_id), [None; 6]);
    }
}
