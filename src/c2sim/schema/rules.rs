//! The tables made of an XSD. The loader fills them, the check reads them.

use super::super::kind::Schema;
use super::automaton::Automaton;
use super::facets::Simple;

/// A declared element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Box<str>,
    /// The number of its type.
    pub(super) of: usize,
}

/// What an element may hold.
#[derive(Debug)]
pub(super) enum Type {
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
    pub(super) namespace: Box<str>,
    /// Sorted by name.
    pub(super) elements: Box<[Element]>,
    pub(super) types: Box<[Type]>,
    /// Sorted by name.
    pub(super) type_names: Box<[(Box<str>, usize)]>,
}

impl Rules {
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

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.elements.binary_search_by(|element| (*element.name).cmp(name)).ok()
    }

    pub(super) fn name(&self, element: usize) -> &str {
        self.elements.get(element).map_or("", |element| &*element.name)
    }

    /// The content model of a type that has one.
    pub(super) fn automaton(&self, of: usize) -> Option<&Automaton> {
        if let Some(Type::Complex(model)) = self.types.get(of) { Some(model) } else { None }
    }

    pub(super) fn find_type(&self, name: &str) -> Option<usize> {
        let at = self.type_names.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.type_names.get(at).map(|&(_, number)| number)
    }
}
