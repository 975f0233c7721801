//! An answer before it is put into the words of HTTP.

use core::ops::Deref;

use crate::store::shared::SharedBytes;

/// An answer: its status, the type of its body, the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Reply {
    pub(in crate::hub) status: u16,
    pub(in crate::hub) media_type: &'static str,
    /// Fields of its head beyond those that every answer has.
    pub(in crate::hub) fields: Vec<(&'static str, String)>,
    pub(in crate::hub) body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Body {
    Own(Vec<u8>),
    /// Somebody keeps it: where it is large it is lent to the connection and not copied.
    Kept(SharedBytes),
}

impl Body {
    /// It, if somebody keeps it.
    pub(super) const fn kept(&self) -> Option<&SharedBytes> {
        match self {
            Self::Own(_) => None,
            Self::Kept(bytes) => Some(bytes),
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Kept(bytes) => bytes,
        }
    }
}

impl Reply {
    pub(in crate::hub) const fn of(status: u16, media_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, media_type, fields: Vec::new(), body: Body::Own(body) }
    }

    /// One with a body that somebody keeps.
    pub(in crate::hub) const fn kept(status: u16, media_type: &'static str, body: SharedBytes) -> Self {
        Self { status, media_type, fields: Vec::new(), body: Body::Kept(body) }
    }

    /// One without a body.
    pub(in crate::hub) const fn bare(status: u16) -> Self {
        Self::of(status, "", Vec::new())
    }

    pub(in crate::hub) fn text(status: u16, text: &str) -> Self {
        Self::of(status, "text/plain; charset=utf-8", format!("{text}\n").into())
    }

    pub(in crate::hub) fn json(status: u16, text: String) -> Self {
        Self::of(status, "application/json", text.into())
    }

    /// The same with one more field.
    #[must_use]
    pub(in crate::hub) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}
