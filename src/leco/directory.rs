//! The Directory: which component name belongs to which link, and how that has changed since others were told.
//!
//! Generic over `L`, the key of a link, so that it needs not know what a link is. Freshness is a property of links and is
//! kept with them.

use std::collections::BTreeMap;

use super::listing::digest_of;
use crate::limits::{COMPONENTS_MAX, DIRECTORY_CHANGES_MAX};
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

/// What has become of a name since others were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, and was not.
    Came,
    /// It was there, and is not.
    Gone,
    /// The same, and by its own will: it has signed out.
    SignedOut,
    /// It was there and is, but not all the time: what was sent to it meanwhile it has not got.
    Returned,
    /// It was not there and is not, but has been meanwhile: some may have heard from it.
    Passed,
    /// It was not there and is, but not all the time since it has come.
    CameAnew,
}

impl Change {
    /// Whether others have a name to add.
    #[must_use]
    pub const fn adds(self) -> bool {
        matches!(self, Self::Came | Self::Returned | Self::CameAnew)
    }

    /// Whether others have a name to take out, before they add any.
    #[must_use]
    pub const fn removes(self) -> bool {
        matches!(self, Self::Gone | Self::SignedOut | Self::Returned)
    }
}

/// Key of a component.
pub type ComponentKey<L> = Key<Component<L>>;

/// All components of this node.
#[derive(Debug)]
pub struct Directory<L> {
    table: Table<Component<L>>,
    index: Index,
    digest: u64,
    /// Names that have come or gone since the last time that somebody took them.
    changes: BTreeMap<Box<[u8]>, Change>,
    /// There were more of them than are kept.
    has_many_changes: bool,
}

impl<L: Copy + PartialEq> Directory<L> {
    /// An empty directory; `seed` keys the hash of names.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            table: Table::new(COMPONENTS_MAX),
            index: Index::new(seed),
            digest: 0,
            changes: BTreeMap::new(),
            has_many_changes: false,
        }
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
        self.note(name, true);
        Ok(key)
    }

    /// Takes a component out.
    pub fn remove(&mut self, key: ComponentKey<L>) -> Option<Component<L>> {
        let component = self.table.remove(key)?;
        let removed = self.index.remove(&component.name, key.slot());
        debug_assert!(removed, "every component is in the index");
        self.note(&component.name, false);
        Some(component)
    }

    /// The same for one that has signed out.
    pub fn sign_out(&mut self, key: ComponentKey<L>) -> Option<Component<L>> {
        let component = self.remove(key)?;
        if let Some(change) = self.changes.get_mut(&*component.name).filter(|change| **change == Change::Gone) {
            *change = Change::SignedOut;
        }
        Some(component)
    }

    // ---- Changes ----

    fn note(&mut self, name: &[u8], is_there: bool) {
        self.digest ^= digest_of(name);
        if self.has_many_changes {
            return;
        }
        let change = match (self.changes.remove(name), is_there) {
            (Some(Change::Came | Change::CameAnew), _) => Change::Passed,
            (Some(Change::Passed), _) => Change::CameAnew,
            (Some(Change::Gone | Change::SignedOut), _) => Change::Returned,
            (None, true) => Change::Came,
            (Some(Change::Returned) | None, _) => Change::Gone,
        };
        self.changes.insert(name.into(), change);
        if self.changes.len() > DIRECTORY_CHANGES_MAX {
            self.changes.clear();
            self.has_many_changes = true;
        }
    }

    /// The digest of all names, see [`crate::leco::listing`].
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether names have come or gone since [`Directory::take_changes`].
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.has_many_changes || self.changes.values().any(|change| *change != Change::Passed)
    }

    /// The names that have come or gone since the last time; `None` if they are too many.
    pub fn take_changes(&mut self) -> Option<BTreeMap<Box<[u8]>, Change>> {
        let changes = core::mem::take(&mut self.changes);
        (!core::mem::take(&mut self.has_many_changes)).then_some(changes)
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

    /// The components in this slot and behind it, in the same order.
    pub fn iter_from(&self, slot: usize) -> impl Iterator<Item = (ComponentKey<L>, &Component<L>)> {
        self.table.iter_from(slot)
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
    fn what_has_changed_is_told_once_and_what_nobody_has_heard_of_is_not() {
        let mut directory = Directory::new(1);
        let a = directory.add(b"CA", 1).unwrap();
        let b = directory.add(b"CB", 1).unwrap();
        let names = |changes: Option<BTreeMap<Box<[u8]>, Change>>| -> Vec<(Vec<u8>, Change)> {
            changes.unwrap().into_iter().map(|(name, change)| (name.to_vec(), change)).collect()
        };
        let [ca, cb] = ["CA", "CB"].map(|name| name.as_bytes().to_vec());
        let came = [(ca.clone(), Change::Came), (cb.clone(), Change::Came)];
        assert_eq!(names(directory.take_changes()), came);
        assert!(!directory.has_changes());
        let digest = directory.digest();
        directory.remove(a);
        let passing = directory.add(b"CC", 1).unwrap();
        directory.remove(passing);
        let anew = directory.add(b"CD", 1).unwrap();
        directory.remove(anew);
        directory.add(b"CD", 1).unwrap();
        directory.remove(b);
        let b = directory.add(b"CB", 2).unwrap();
        assert_eq!(directory.digest(), digest ^ digest_of(b"CA") ^ digest_of(b"CD"));
        let expected = [Change::Gone, Change::Returned, Change::Passed, Change::CameAnew];
        let [cc, cd] = ["CC", "CD"].map(|name| name.as_bytes().to_vec());
        let told = [ca, cb.clone(), cc, cd].into_iter().zip(expected).collect::<Vec<_>>();
        assert_eq!(names(directory.take_changes()), told);
        let passing = directory.add(b"CC", 1).unwrap();
        directory.remove(passing);
        assert!(!directory.has_changes(), "nobody need be told of it");
        directory.take_changes();
        directory.remove(b);
        let b = directory.add(b"CB", 2).unwrap();
        directory.remove(b);
        assert_eq!(names(directory.take_changes()), [(cb.clone(), Change::Gone)], "it has returned, and gone again");
        let b = directory.add(b"CB", 2).unwrap();
        directory.take_changes();
        directory.sign_out(b);
        directory.add(b"CB", 2).unwrap();
        assert_eq!(
            names(directory.take_changes()),
            [(cb.clone(), Change::Returned)],
            "it is there, so it has not left"
        );
        let b = directory.find(b"CB").unwrap();
        directory.sign_out(b);
        assert_eq!(names(directory.take_changes()), [(cb, Change::SignedOut)]);
        for n in 0..=DIRECTORY_CHANGES_MAX {
            directory.add(format!("C{n}").as_bytes(), 1).unwrap();
        }
        assert!(directory.has_changes() && directory.take_changes().is_none() && !directory.has_changes());
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
