//! Validation of message content against a schema that the operator supplies as XSD text.
//!
//! Owns the tables made of an XSD ([`Rules`]) and what is said about a document that breaks them ([`Violation`]). The part of XML Schema
//! 1.0 that is understood is the one the C2SIM schemas are written in: global elements with a named type; named groups and complex types of
//! `sequence`, `choice`, `group ref` and `element ref` with occurrences; simple types by restriction with enumeration, pattern, minInclusive,
//! maxInclusive and minExclusive; annotations are skipped. Anything else is a [`LoadError`] with its line, so that no rule is dropped
//! in silence. A content model that is ambiguous in the sense of XML Schema is followed as the language it describes.
//!
//! The document is validated in the same pass as it is recognised ([`super::scan::scan_with`]). Attributes: none but `xsi:type` with
//! the declared type or a restriction of it, and the two schema location hints, which are ignored; `xsi:nil` is refused, as nothing is nillable.
//! Where only the body of messages is judged ([`Extent::Body`]), nothing in front of it is looked at.
//! Where the root, or an element outside its model, has no declaration, what is in it is not looked at.

mod automaton;
mod check;
mod facets;
mod loader;
mod pattern;
mod rules;
mod schemas;
mod violation;

pub(super) use check::Checker;
pub use check::Extent;
pub(super) use facets::Quoted;
pub use loader::LoadError;
pub use rules::Rules;
pub use schemas::Schemas;
pub use violation::Violation;
