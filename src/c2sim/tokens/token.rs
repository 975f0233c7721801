//! The pieces that a document is read as.

use super::super::attributes::Attributes;

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Tag<'a> {
    /// The qualified name.
    pub(in super::super) name: &'a str,
    /// The part of the name before the colon; empty without one.
    pub(in super::super) prefix: &'a str,
    /// The part of the name after the colon.
    pub(in super::super) local: &'a str,
    /// The attributes, raw and checked.
    pub(in super::super) attributes: &'a str,
    /// `<name/>`; the end token follows all the same.
    pub(in super::super) empty: bool,
}

impl<'a> Tag<'a> {
    pub(in super::super) const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes)
    }
}

/// One piece of a document.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Token<'a> {
    Start(Tag<'a>),
    /// The end of the element that was opened last.
    End,
    /// Text as it stands in the document, or a piece of it.
    Text(&'a str),
    /// The content of a CDATA section, or a piece of it.
    CData(&'a str),
    /// What a reference stands for.
    Character(char),
    /// A comment, a processing instruction, a piece of either, or the XML declaration.
    Aside,
    /// The document was well-formed to its end.
    EndOfDocument,
}
