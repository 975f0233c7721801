//! The Directory: which component name belongs to which link.
//!
//! Generic over `L`, the key of a link, so that it needs not know what a link is. Freshness is a property of links and is
//! kept with them.

use crate::limits::COMPONENTS_MAX;
use crate::store::index::Index;
use crate::store::name::Name;
use crate::store::table::{Full, Key, Table};

/// A signed-in component.
#[derive(Debug)]
pub struct Component<L> {
    /// Component name, legal by [`crate::leco::name::is_legal`].
    pub name: Name,
    /// The link that signed it in.
    pub link: L,
}

/// Key of a component.
pub type ComponentKey<L> = Key<Component<L>>;

/// All components of this node.
#[derive(Debug)]
pub struct Directory<L> {
    table: Table<Component<L>>,
    index: Index,
}

impl<L: Copy + PartialEq> Directory<L> {
    /// An empty directory; `seed` keys the hash of names.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { table: Table::new(COMPONENTS_MAX), index: Index::new(seed) }
    }

    /// The component called `name`.
    #[must_use]
    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<ComponentKey<L>> {
        let slot = self.index.find(name, |slot| matches!(self.table.at(slot), Some(found) if found.name == *name))?;
        self.table.key_at(slot)
    }

    /// The component behind a key, unless it has left.
    #[must_use]
    #[inline]
    pub fn get(&self, key: ComponentKey<L>) -> Option<&Component<L>> {
        self.table.get(key)
    }

    /// Adds a component; its name must not be in the directory.
    ///
    /// # Errors
    /// [`Full`] when no more components fit.
    pub fn add(&mut self, name: &[u8], link: L) -> Result<ComponentKey<L>, Full> {
        debug_assert!(self.find(name).is_none(), "the caller has looked the name up");
        let key = self.table.insert(Component { name: name.into(), link })?;
        self.index.insert(name, key.slot());
        Ok(key)
    }

    /// Takes a component out.
    pub fn remove(&mut self, key: ComponentKey<L>) -> Option<Component<L>> {
        let component = self.table.remove(key)?;
        let removed = self.index.remove(&component.name, key.slot());
        debug_assert!(removed, "every component is in the index");
        Some(component)
    }

    /// Components signed in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody is signed in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All components in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (ComponentKey<L>, &Component<L>)> {
        self.table.iter()
    }

    /// A free variation of a taken name: the name with a number behind it, cut to the longest legal name.
    #[must_use]
    pub fn suggestion(&self, name: &[u8]) -> Option<Vec<u8>> {
        (2..=u32::try_from(COMPONENTS_MAX).unwrap_or(u32::MAX))
            .map(|n| numbered(name, n))
            .find(|name| self.find(name).is_none())
    }
}

fn numbered(name: &[u8], n: u32) -> Vec<u8> {
    let suffix = format!("_{n}");
    let room = crate::limits::NAME_BYTES_MAX - suffix.len();
    let mut varied = name.get(..room).unwrap_or(name).to_vec();
    varied.extend_from_slice(suffix.as_bytes());
    varied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_and_go() {
        let mut directory = Directory::new(1);
        let a = directory.add(b"CA", 1).unwrap();
        let b = directory.add(b"CB", 2).unwrap();
        assert_eq!(directory.find(b"CA"), Some(a));
        assert_eq!(directory.get(b).unwrap().link, 2);
        assert_eq!(directory.remove(a).unwrap().link, 1);
        assert_eq!(directory.find(b"CA"), None);
        assert!(directory.get(a).is_none());
        let again = directory.add(b"CA", 3).unwrap();
        assert_ne!(again, a);
        assert_eq!(directory.len(), 2);
    }

    #[test]
    fn suggestions_are_free_and_legal() {
        let mut directory = Directory::new(1);
        directory.add(b"CA", 1).unwrap();
        directory.add(b"CA_2", 1).unwrap();
        assert_eq!(directory.suggestion(b"CA"), Some(b"CA_3".to_vec()));
        let long = directory.suggestion(&[b'x'; 255]).unwrap();
        assert!(crate::leco::name::is_legal(&long));
    }
}
