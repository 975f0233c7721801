//! Validation of message content against a schema that the operator supplies as XSD text.
//!
//! Owns the tables made of an XSD ([`Rules`]) and what is said about a document that breaks them ([`Violation`]). The part of XML Schema
//! 1.0 that is understood is the one the C2SIM schemas are written in: global elements with a named type; named groups and complex types of
//! `sequence`, `choice`, `group ref` and `element ref` with occurrences; simple types by restriction with enumeration, pattern, minInclusive,
//! maxInclusive and minExclusive; annotations are skipped. Anything else is a [`LoadError`] with its line, so that no rule is dropped
//! in silence. A content model that is ambiguous in the sense of XML Schema is followed as the language it describes.
//!
//! The document is validated in the same pass as it is recognised ([`super::message::scan_with`]). Attributes: none but `xsi:type` with
//! the declared type or a restriction of it, and the two schema location hints, which are ignored; `xsi:nil` is refused, as nothing is nillable.
//! Where the root, or an element outside its model, has no declaration, what is in it is not looked at.

mod automaton;
mod check;
mod facets;
mod loader;
mod pattern;

use core::fmt;

use super::kind::Schema;
use automaton::Automaton;
pub(super) use check::Checker;
use facets::Simple;
pub use loader::LoadError;

/// One way in which a document is not as the schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, in words; names and values of the document may occur in it, shortened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: {}", self.line, self.text)
    }
}

/// A declared element.
#[derive(Debug)]
struct Element {
    name: Box<str>,
    /// The number of its type.
    of: usize,
}

/// What an element may hold.
#[derive(Debug)]
enum Type {
    /// A value.
    Simple(Simple),
    /// Elements, as the automaton over numbers of elements says.
    Complex(Automaton),
    /// Nothing at all.
    Empty,
}

/// The rules of one schema, ready to validate with.
#[derive(Debug)]
pub struct Rules {
    namespace: Box<str>,
    /// Sorted by name.
    elements: Box<[Element]>,
    types: Box<[Type]>,
    /// Sorted by name.
    type_names: Box<[(Box<str>, usize)]>,
}

impl Rules {
    /// Reads the text of an XSD. Takes a few milliseconds for the schemas of C2SIM.
    ///
    /// # Errors
    /// The text is no XSD, is outside the part of XML Schema that is understood, or exceeds the bounds in [`crate::limits`].
    pub fn load(xsd: &str) -> Result<Self, LoadError> {
        loader::load(xsd)
    }

    /// The target namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The schema version with that namespace; `None` if sessions know none such.
    #[must_use]
    pub fn schema(&self) -> Option<Schema> {
        Schema::from_namespace(&self.namespace)
    }

    /// How many elements and types it declares, for the log.
    #[must_use]
    pub const fn size(&self) -> (usize, usize) {
        (self.elements.len(), self.type_names.len())
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.elements.binary_search_by(|element| (*element.name).cmp(name)).ok()
    }

    fn name(&self, element: usize) -> &str {
        self.elements.get(element).map_or("", |element| &*element.name)
    }

    fn find_type(&self, name: &str) -> Option<usize> {
        let at = self.type_names.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.type_names.get(at).map(|&(_, number)| number)
    }
}
