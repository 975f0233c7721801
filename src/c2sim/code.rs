//! The refusal codes of the C2SIM server interface, spelled as clients compare them.

use core::fmt;

use crate::limits::C2SIM_VIOLATIONS_MAX;

/// The keys of `details` under which violations of a schema are listed.
pub(super) const XSD_ERRORS: [&str; C2SIM_VIOLATIONS_MAX] = [
    "XSD_ERROR_1",
    "XSD_ERROR_2",
    "XSD_ERROR_3",
    "XSD_ERROR_4",
    "XSD_ERROR_5",
    "XSD_ERROR_6",
    "XSD_ERROR_7",
    "XSD_ERROR_8",
    "XSD_ERROR_9",
    "XSD_ERROR_10",
    "XSD_ERROR_11",
    "XSD_ERROR_12",
    "XSD_ERROR_13",
    "XSD_ERROR_14",
    "XSD_ERROR_15",
    "XSD_ERROR_16",
    "XSD_ERROR_17",
    "XSD_ERROR_18",
    "XSD_ERROR_19",
    "XSD_ERROR_20",
];

/// Why the server refuses a request: the string in `code` of an error answer.
///
/// The room itself answers with a part of them; the others belong to joins, sessions and tokens and are listed so that every
/// transport spells them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A claim of the token forbids the request.
    AuthorizationFailure,
    /// The client joined this session before.
    C2simClientAlreadyJoined,
    /// The initialization body cannot be read with the session's schema.
    C2simInitializationMsgDecodeFailure,
    /// An initialization body came outside INITIALIZING.
    C2simInitializationMsgInvalidState,
    /// The document has no usable `/Message/C2SIMHeader`.
    C2simInvalidHeader,
    /// The message cannot be decoded.
    C2simMsgDecodingError,
    /// The session's state does not admit this kind of message.
    C2simMsgNotAllowedInState,
    /// The document is larger than the limit.
    C2simMsgSizeExceeded,
    /// The root element is not `Message`.
    C2simRootElementMustBeMessage,
    /// The server knows no such schema version.
    C2simSchemaNotSupported,
    /// The server knows no such client (kept for clients that know the string; never answered by the C2SIM servers in use).
    ClientIdNotExist,
    /// The client has not joined the session.
    ClientNotJoinedSharedSession,
    /// ShareScenario came before the initialization was complete.
    InitializationNotCompleted,
    /// Reading or writing failed.
    IoError,
    /// The session has no initialization to give.
    NoC2simInitializationBody,
    /// The request names no client.
    NoClientId,
    /// The server does not offer this operation.
    NotImplemented,
    /// The session exists already.
    SharedSessionAlreadyExist,
    /// The session still has members, so it cannot be removed.
    SharedSessionInUse,
    /// The server knows no such session.
    SharedSessionNotFound,
    /// The session exists with another schema version.
    SharedSessionSchemaVersionChanged,
    /// The session's state does not permit this trigger.
    StateTransitionNotAllowed,
    /// The session can take no further member.
    TooManyMembers,
    /// The server can hold no further session.
    TooManySharedSessions,
    /// The document is well-formed but not as the schema says.
    XsdValidationError,
    /// The document is not well-formed.
    XsdValidationFailure,
}

impl Code {
    /// The code of this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Every code.
    pub const ALL: [Self; 26] = [
        Self::AuthorizationFailure,
        Self::C2simClientAlreadyJoined,
        Self::C2simInitializationMsgDecodeFailure,
        Self::C2simInitializationMsgInvalidState,
        Self::C2simInvalidHeader,
        Self::C2simMsgDecodingError,
        Self::C2simMsgNotAllowedInState,
        Self::C2simMsgSizeExceeded,
        Self::C2simRootElementMustBeMessage,
        Self::C2simSchemaNotSupported,
        Self::ClientIdNotExist,
        Self::ClientNotJoinedSharedSession,
        Self::InitializationNotCompleted,
        Self::IoError,
        Self::NoC2simInitializationBody,
        Self::NoClientId,
        Self::NotImplemented,
        Self::SharedSessionAlreadyExist,
        Self::SharedSessionInUse,
        Self::SharedSessionNotFound,
        Self::SharedSessionSchemaVersionChanged,
        Self::StateTransitionNotAllowed,
        Self::TooManyMembers,
        Self::TooManySharedSessions,
        Self::XsdValidationError,
        Self::XsdValidationFailure,
    ];

    /// The string on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationFailure => "AUTHORIZATION_FAILURE",
            Self::C2simClientAlreadyJoined => "C2SIM_CLIENT_ALREADY_JOINED",
            Self::C2simInitializationMsgDecodeFailure => "C2SIM_INITIALIZATION_MSG_DECODE_FAILURE",
            Self::C2simInitializationMsgInvalidState => "C2SIM_INITIALIZATION_MSG_INVALID_STATE",
            Self::C2simInvalidHeader => "C2SIM_INVALID_HEADER",
            Self::C2simMsgDecodingError => "C2SIM_MSG_DECODING_ERROR",
            Self::C2simMsgNotAllowedInState => "C2SIM_MSG_NOT_ALLOWED_IN_STATE",
            Self::C2simMsgSizeExceeded => "C2SIM_MSG_SIZE_EXCEEDED",
            Self::C2simRootElementMustBeMessage => "C2SIM_ROOT_ELEMENT_MUST_BE_MESSAGE",
            Self::C2simSchemaNotSupported => "C2SIM_SCHEMA_NOT_SUPPORTED",
            Self::ClientIdNotExist => "CLIENT_ID_NOT_EXIST",
            Self::ClientNotJoinedSharedSession => "CLIENT_NOT_JOINED_SHARED_SESSION",
            Self::InitializationNotCompleted => "INITIALIZATION_NOT_COMPLETED",
            Self::IoError => "IO_ERROR",
            Self::NoC2simInitializationBody => "NO_C2SIM_INITIALIZATION_BODY",
            Self::NoClientId => "NO_CLIENT_ID",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::SharedSessionAlreadyExist => "SHARED_SESSION_ALREADY_EXIST",
            Self::SharedSessionInUse => "SHARED_SESSION_IN_USE",
            Self::SharedSessionNotFound => "SHARED_SESSION_NOT_FOUND",
            Self::SharedSessionSchemaVersionChanged => "SHARED_SESSION_SCHEMA_VERSION_CHANGED",
            Self::StateTransitionNotAllowed => "STATE_TRANSITION_NOT_ALLOWED",
            Self::TooManyMembers => "TOO_MANY_MEMBERS",
            Self::TooManySharedSessions => "TOO_MANY_SHARED_SESSIONS",
            Self::XsdValidationError => "XSD_VALIDATION_ERROR",
            Self::XsdValidationFailure => "XSD_VALIDATION_FAILURE",
        }
    }

    /// The keys that `details` of such an answer may hold; empty where the interface defines none.
    #[must_use]
    pub const fn detail_keys(self) -> &'static [&'static str] {
        match self {
            Self::C2simClientAlreadyJoined => &["SYSTEM_NAME"],
            Self::C2simInitializationMsgDecodeFailure => &["EXPECTED_LOX_NAMESPACE"],
            Self::C2simMsgNotAllowedInState => &["CURRENT_STATE"],
            Self::C2simSchemaNotSupported => &["SUPPORTED_SCHEMA_VERSIONS"],
            Self::ClientNotJoinedSharedSession | Self::SharedSessionInUse | Self::TooManyMembers => &["ACTIVE_SESSION"],
            Self::TooManySharedSessions => &["MAX_SESSIONS"],
            Self::InitializationNotCompleted => {
                &["REQUIRED_FEDERATES", "INIT_COMPLETED_FEDERATES", "DUPLICATE_ENTITIES", "MISSING_PARTS", "NAMESPACES"]
            }
            Self::SharedSessionNotFound => &["ACTIVE_SESSIONS"],
            Self::SharedSessionSchemaVersionChanged => &["SCHEMA_VERSION"],
            Self::StateTransitionNotAllowed => &["ACTIVE_SESSION", "ALLOWED_TRIGGERS"],
            Self::XsdValidationError => &XSD_ERRORS,
            Self::XsdValidationFailure => &["SCHEMA_VERSION", "XSD_ERROR_1"],
            Self::AuthorizationFailure
            | Self::C2simInitializationMsgInvalidState
            | Self::C2simInvalidHeader
            | Self::C2simMsgDecodingError
            | Self::C2simMsgSizeExceeded
            | Self::C2simRootElementMustBeMessage
            | Self::ClientIdNotExist
            | Self::IoError
            | Self::NoC2simInitializationBody
            | Self::NoClientId
            | Self::NotImplemented
            | Self::SharedSessionAlreadyExist => &[],
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthorizationFailure => "the token does not permit this request",
            Self::C2simClientAlreadyJoined => "the client has already joined this session",
            Self::C2simInitializationMsgDecodeFailure => "the initialization body does not fit the session's schema",
            Self::C2simInitializationMsgInvalidState => "an initialization body is accepted in INITIALIZING only",
            Self::C2simInvalidHeader => "the message has no valid C2SIMHeader",
            Self::C2simMsgDecodingError => "the message cannot be decoded",
            Self::C2simMsgNotAllowedInState => "this kind of message is not allowed in the session's state",
            Self::C2simMsgSizeExceeded => "the message is larger than the server accepts",
            Self::C2simRootElementMustBeMessage => "the root element must be Message",
            Self::C2simSchemaNotSupported => "the server does not support this schema version",
            Self::ClientIdNotExist => "the server knows no such client",
            Self::ClientNotJoinedSharedSession => "the client has not joined this session",
            Self::InitializationNotCompleted => "the initialization is not complete",
            Self::IoError => "reading or writing failed",
            Self::NoC2simInitializationBody => "the session has no shared initialization",
            Self::NoClientId => "the request names no client",
            Self::NotImplemented => "the server does not offer this operation",
            Self::SharedSessionAlreadyExist => "the session exists already",
            Self::SharedSessionInUse => "the session has members, viewers or a provider",
            Self::SharedSessionNotFound => "the server knows no such session",
            Self::SharedSessionSchemaVersionChanged => "the session exists with another schema version",
            Self::StateTransitionNotAllowed => "the session's state does not permit this trigger",
            Self::TooManyMembers => "the session can take no further member",
            Self::TooManySharedSessions => "the server can hold no further session",
            Self::XsdValidationError => "the message is not as the schema says",
            Self::XsdValidationFailure => "the message is not a well-formed document",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_string_and_a_sentence() {
        for code in Code::ALL {
            assert_eq!(Code::ALL.iter().filter(|other| other.name() == code.name()).count(), 1, "{code:?}");
            assert!(!code.to_string().ends_with('.') && code.to_string().len() > 10, "{code:?}");
        }
    }
}
