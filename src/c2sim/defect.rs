//! What can be wrong with a document, in words for people and in codes for programs.

use core::fmt;

use super::code::Code;
use super::field::Field;

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// More bytes than [`crate::limits::C2SIM_MESSAGE_BYTES_MAX`].
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// The declaration names another encoding than UTF-8.
    WrongEncoding,
    /// A character that XML forbids.
    ForbiddenCharacter,
    /// Not well-formed in some other way.
    Malformed,
    /// Text, a reference or a second element outside the root element.
    OutsideRoot,
    /// A document type declaration.
    Doctype,
    /// A reference to something else than a character or one of the five entities.
    UnknownEntity,
    /// An attribute stands twice in one tag.
    DuplicateAttribute,
    /// A prefix that is not declared, or a declaration that is not allowed.
    UndeclaredPrefix,
    /// More open elements than [`crate::limits::C2SIM_DEPTH_MAX`].
    TooDeep,
    /// More elements than [`crate::limits::C2SIM_ELEMENTS_MAX`].
    TooManyElements,
    /// A tag longer than [`crate::limits::C2SIM_TAG_BYTES_MAX`].
    TagTooLong,
    /// A name longer than [`crate::limits::C2SIM_NAME_BYTES_MAX`].
    NameTooLong,
    /// More attributes than [`crate::limits::C2SIM_ATTRIBUTES_MAX`].
    TooManyAttributes,
    /// More declarations in force, or in an initialization's parts, than [`crate::limits::C2SIM_NAMESPACES_MAX`].
    TooManyNamespaces,
    /// The root element is not `Message`.
    WrongRoot,
    /// The root element has no namespace.
    NoNamespace,
    /// The namespace is not that of the session's schema.
    WrongNamespace,
    /// No `C2SIMHeader` in front of the body.
    NoHeader,
    /// A mandatory header field is missing.
    MissingField(Field),
    /// A header field stands twice.
    RepeatedField(Field),
    /// FromSendingSystem is blank.
    BlankSender,
    /// A header field or a system name is longer than [`crate::limits::C2SIM_HEADER_FIELD_BYTES_MAX`].
    ValueTooLong,
    /// An element or text that the frame of a message has no place for.
    OutOfPlace,
    /// No `MessageBody`, or nothing in it.
    NoBody,
    /// More than one body.
    SeveralBodies,
    /// SimulationRealtimeMultiple is not a decimal above zero.
    BadMultiple,
    /// More system names than [`crate::limits::C2SIM_SYSTEMS_MAX`].
    TooManySystems,
    /// The initialization is cut into more runs than [`crate::limits::C2SIM_RUNS_MAX`].
    TooManyRuns,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the document is too large",
            Self::NotUtf8 => "the document is not UTF-8",
            Self::WrongEncoding => "the document declares another encoding than UTF-8",
            Self::ForbiddenCharacter => "a character that XML does not allow",
            Self::Malformed => "the document is not well-formed",
            Self::OutsideRoot => "text or an element outside the root element",
            Self::Doctype => "a document type declaration is not allowed",
            Self::UnknownEntity => "a reference to an unknown entity or character",
            Self::DuplicateAttribute => "an attribute stands twice in one tag",
            Self::UndeclaredPrefix => "a namespace prefix is not declared",
            Self::TooDeep => "too many elements inside one another",
            Self::TooManyElements => "too many elements",
            Self::TagTooLong => "a tag is too long",
            Self::NameTooLong => "a name is too long",
            Self::TooManyAttributes => "too many attributes in one tag",
            Self::TooManyNamespaces => "too many namespace declarations",
            Self::WrongRoot => "the root element is not Message",
            Self::NoNamespace => "the root element has no namespace",
            Self::WrongNamespace => "the namespace is not the one of the session's schema",
            Self::NoHeader => "no C2SIMHeader in front of the body",
            Self::MissingField(field) => return write!(f, "the header has no {}", field.element()),
            Self::RepeatedField(field) => {
                return write!(f, "the header has {} twice", field.element());
            }
            Self::BlankSender => "FromSendingSystem is blank",
            Self::ValueTooLong => "a header field or a system name is too long",
            Self::OutOfPlace => "an element or text that has no place here",
            Self::NoBody => "the message has no body",
            Self::SeveralBodies => "the message has more than one body",
            Self::BadMultiple => "SimulationRealtimeMultiple is not a number above zero",
            Self::TooManySystems => "too many system names",
            Self::TooManyRuns => "the parts of the initialization are too scattered",
        })
    }
}

/// A document that is refused: what, where, and how far it was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What is wrong.
    pub defect: Defect,
    /// In which line, from 1.
    pub line: usize,
    /// Whether a whole header came before it; such a document is answered as broken, one without as lacking a header.
    pub header_seen: bool,
}

impl Reject {
    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self.defect {
            Defect::TooLarge => Code::C2simMsgSizeExceeded,
            // Neither keeps a header from being found.
            Defect::Doctype | Defect::UnknownEntity => Code::XsdValidationFailure,
            Defect::NotUtf8
            | Defect::WrongEncoding
            | Defect::ForbiddenCharacter
            | Defect::Malformed
            | Defect::OutsideRoot
            | Defect::DuplicateAttribute
            | Defect::UndeclaredPrefix
            | Defect::TooDeep
            | Defect::TooManyElements
            | Defect::TagTooLong
            | Defect::NameTooLong
            | Defect::TooManyAttributes
            | Defect::TooManyNamespaces => {
                if self.header_seen {
                    Code::XsdValidationFailure
                } else {
                    Code::C2simInvalidHeader
                }
            }
            Defect::WrongRoot => Code::C2simRootElementMustBeMessage,
            Defect::NoHeader | Defect::BlankSender | Defect::ValueTooLong => Code::C2simInvalidHeader,
            Defect::NoNamespace
            | Defect::WrongNamespace
            | Defect::MissingField(_)
            | Defect::RepeatedField(_)
            | Defect::OutOfPlace
            | Defect::NoBody
            | Defect::SeveralBodies
            | Defect::BadMultiple
            | Defect::TooManySystems
            | Defect::TooManyRuns => Code::XsdValidationError,
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: {}", self.line, self.defect)
    }
}
