//! Why a document is not taken where its content is checked, too.

use core::fmt;

use super::code::{Code, XSD_ERRORS};
use super::defect::Reject;
use super::schema::Violation;

/// Why a document is refused where its content is checked too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidDocument {
    /// It is no message.
    Rejected(Reject),
    /// It is a message, but not as the schema says; at least one violation, in the order of the document.
    Content(Vec<Violation>),
}

impl InvalidDocument {
    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Rejected(reject) => reject.code(),
            Self::Content(_) => Code::XsdValidationError,
        }
    }

    /// Gives every key and value of the `details` object to `put`.
    pub fn write(&self, mut put: impl FnMut(&'static str, &dyn fmt::Display)) {
        match self {
            Self::Rejected(reject) if self.code().detail_keys().contains(&"XSD_ERROR_1") => put("XSD_ERROR_1", reject),
            Self::Rejected(_) => {}
            Self::Content(violations) => {
                XSD_ERRORS.into_iter().zip(violations).for_each(|(key, violation)| put(key, violation));
            }
        }
    }
}

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reject) => reject.fmt(f),
            Self::Content(violations) => match violations.first() {
                Some(first) => first.fmt(f),
                None => self.code().fmt(f),
            },
        }
    }
}
