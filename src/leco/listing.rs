//! What one node has told of its Components: a list of names, which differences change and a digest sums up.
//!
//! The list is numbered: each difference takes it from one number to the next, so one that is missing or comes too late shows. The number
//! and the digest are those of the whole list as it was told, however much of it found room. A name that a difference both takes out and
//! adds has been away in between; beside a whole list is said which names have been so lately.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json::Strings;
use super::name::is_legal;
use crate::limits::NODE_NAME_BYTES;

/// What a name adds to the digest of a list, and takes from it: the digest is the exclusive or of all. FNV-1a with 64 bits, its bits mixed
/// once more (the last steps of MurmurHash3) so that the sums of similar names differ.
#[must_use]
pub fn digest_of(name: &[u8]) -> u64 {
    let fnv = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = name.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    state = (state ^ (state >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    state = (state ^ (state >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ (state >> 33)
}

/// What is told beside a whole list of what has led to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// All that has happened behind this number is in here.
    pub since: u64,
    /// Names that are there, and since which number without a break.
    pub came: BTreeMap<String, u64>,
    /// Names whose Components have signed out, and with which number.
    pub signed_out: BTreeMap<String, u64>,
}

/// Names, and what they come to.
#[derive(Debug, Default)]
struct Sheet {
    names: BTreeSet<Box<str>>,
    left_out: usize,
    bytes: usize,
    /// Where it has none, differences mean nothing to it.
    number: Option<u64>,
    digest: u64,
}

impl Sheet {
    const fn new(number: Option<u64>) -> Self {
        Self { names: BTreeSet::new(), left_out: 0, bytes: 0, number, digest: 0 }
    }

    fn add(&mut self, name: String, room: usize) {
        let bytes = self.bytes + name.len() + NODE_NAME_BYTES;
        let digest = digest_of(name.as_bytes());
        // Once something is left out, what comes later is too.
        if self.left_out > 0 || bytes > room {
            if self.names.contains(&*name) {
                return;
            }
            self.left_out += 1;
        } else if self.names.insert(name.into()) {
            self.bytes = bytes;
        } else {
            return;
        }
        self.digest ^= digest;
    }
}

/// The name that an item of a list is, if it is one.
#[must_use]
pub fn name_in(item: Value) -> Option<String> {
    let Value::String(name) = item else { return None };
    is_legal(name.as_bytes()).then_some(name)
}

/// A whole list that is being told.
#[derive(Debug)]
struct Coming {
    rest: Strings,
    sheet: Sheet,
    recent: Recent,
    room: usize,
    /// Names of the list before it that have been away in between.
    returned: Vec<Box<str>>,
}

/// A list of names. See the module's documentation.
#[derive(Debug, Default)]
pub struct Listing {
    sheet: Sheet,
    /// What will take its place.
    coming: Option<Box<Coming>>,
    /// Names of the list before, which are forgotten by and by.
    waste: BTreeSet<Box<str>>,
    /// Names that have gone and come since somebody took them from here.
    returned: Vec<Box<str>>,
    /// Names whose Components have signed out since somebody took them from here.
    signed_out: Vec<String>,
}

impl Listing {
    /// A list that nobody has told.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sheet: Sheet::new(None),
            coming: None,
            waste: BTreeSet::new(),
            returned: Vec::new(),
            signed_out: Vec::new(),
        }
    }

    /// The names for which there was room, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sheet.names.iter().map(|name| &**name)
    }

    /// Whether a name is among those.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        core::str::from_utf8(name).is_ok_and(|name| self.sheet.names.contains(name))
    }

    /// How many more names there are.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.sheet.left_out
    }

    /// Bytes that the names take here, about.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.sheet.bytes
    }

    /// Takes a whole list at once.
    #[cfg(test)]
    pub fn replace(&mut self, names: Vec<String>, number: Option<u64>, recent: Recent, room: usize) {
        self.begin(Strings::of(names.into_iter().map(Value::from).collect()), (number, recent), room);
        self.go_on(usize::MAX);
    }

    // ---- A whole list, in pieces ----

    /// A whole list begins to be told, of which as much is taken as fits into `room` bytes. Until its end the one before stays.
    pub fn begin(&mut self, names: Strings, (number, recent): (Option<u64>, Recent), room: usize) {
        let sheet = Sheet::new(number);
        self.coming = Some(Box::new(Coming { rest: names, sheet, recent, room, returned: Vec::new() }));
    }

    /// Names that are still to be taken or forgotten.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.coming.as_ref().map_or(0, |coming| coming.rest.len()) + self.waste.len()
    }

    /// Takes so many more names of it or, when all are taken, forgets so many of the list before. Answers whether it has become the list with that;
    /// `None`: one of them is no name, and the list before stays for good.
    pub fn go_on(&mut self, count: usize) -> Option<bool> {
        let Some(coming) = &mut self.coming else {
            for _ in 0..count {
                if self.waste.pop_first().is_none() {
                    break;
                }
            }
            return Some(false);
        };
        // Between two lists that have numbers it is seen who has gone and come. Who may have is treated as if it had.
        let before = self.sheet.number.filter(|_| coming.sheet.number.is_some());
        for _ in 0..count.min(coming.rest.len()) {
            let Some(name) = coming.rest.read().filter(|name| is_legal(name.as_bytes())) else {
                self.coming = None;
                return None;
            };
            if let Some(number) = before
                && self.sheet.names.contains(&*name)
                && (number < coming.recent.since || coming.recent.came.get(&name).is_some_and(|then| *then > number))
            {
                coming.returned.push(name.as_str().into());
            }
            coming.sheet.add(name, coming.room);
        }
        if !coming.rest.is_empty() {
            return Some(false);
        }
        self.end();
        if self.waste.len() <= count {
            // What few there are to forget need no piece of their own.
            self.waste.clear();
        }
        Some(true)
    }

    /// It is whole: from here on it is the list.
    fn end(&mut self) {
        let Some(coming) = self.coming.take() else { return };
        let Coming { sheet, recent, mut returned, .. } = *coming;
        let before = core::mem::replace(&mut self.sheet, sheet);
        if let (Some(number), Some(_)) = (before.number, self.sheet.number) {
            returned.retain(|name| self.sheet.names.contains(name));
            self.returned.append(&mut returned);
            let gone = recent.signed_out.into_iter().filter(|(_, then)| *then > number).map(|(name, _)| name);
            let gone = gone.filter(|name| before.names.contains(&**name) && !self.sheet.names.contains(&**name));
            self.signed_out.extend(gone);
        }
        self.waste = before.names;
    }

    // ---- Differences ----

    /// Takes the difference that leads to `number`, names as far as they fit into `room` bytes; `false` if it is not the next one for this
    /// list, which stays as it is.
    #[must_use]
    pub fn change(&mut self, number: u64, added: Vec<String>, removed: &[String], room: usize) -> bool {
        let sheet = &mut self.sheet;
        if sheet.number.is_none() || sheet.number != number.checked_sub(1) {
            return false;
        }
        sheet.number = Some(number);
        let mut gone = BTreeSet::new();
        for name in removed {
            sheet.digest ^= digest_of(name.as_bytes());
            if sheet.names.remove(&**name) {
                sheet.bytes -= name.len() + NODE_NAME_BYTES;
                gone.insert(&**name);
            } else {
                sheet.left_out = sheet.left_out.saturating_sub(1);
            }
        }
        for name in added {
            if gone.remove(&*name) {
                self.returned.push(name.as_str().into());
            }
            sheet.add(name, room);
        }
        true
    }

    /// The names that have gone and come since the last time.
    pub fn take_returned(&mut self) -> Vec<Box<str>> {
        core::mem::take(&mut self.returned)
    }

    /// Components of these names have gone and come although the list did not have them before.
    pub fn note_returned(&mut self, names: Vec<String>) {
        self.returned.extend(names.into_iter().map(String::into_boxed_str));
    }

    /// Components of these names are gone because they have signed out.
    pub fn note_signed_out(&mut self, names: Vec<String>) {
        self.signed_out.extend(names);
    }

    /// The names of those that have signed out since the last time.
    pub fn take_signed_out(&mut self) -> Vec<String> {
        core::mem::take(&mut self.signed_out)
    }

    /// Whether this is the list of that number, with that digest.
    #[must_use]
    pub fn is(&self, number: u64, digest: u64) -> bool {
        self.sheet.number == Some(number) && self.sheet.digest == digest
    }

    /// The digest of the whole list.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.sheet.digest
    }

    /// Whether names were left out and a good part of them would find room now.
    #[must_use]
    pub fn may_grow(&self, room: usize) -> bool {
        let more = self.left_out().min(1024) * 2 * NODE_NAME_BYTES;
        self.left_out() > 0 && self.bytes() + more <= room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn listed(listing: &Listing) -> Vec<&str> {
        listing.names().collect()
    }

    fn sum(names: &[&str]) -> u64 {
        names.iter().fold(0, |sum, name| sum ^ digest_of(name.as_bytes()))
    }

    #[test]
    fn differences_lead_from_one_number_to_the_next() {
        let mut listing = Listing::default();
        assert!(!listing.change(1, names(&["CA"]), &[], 1000), "there is no list yet");
        listing.replace(names(&["CB", "CA", "CB"]), Some(7), Recent::default(), 1000);
        assert_eq!((listed(&listing), listing.is(7, sum(&["CA", "CB"]))), (vec!["CA", "CB"], true));
        assert!(listing.change(8, names(&["CC"]), &names(&["CA"]), 1000));
        assert!(listing.is(8, sum(&["CB", "CC"])) && listing.has(b"CC") && !listing.has(b"CA"));
        for wrong in [0, 7, 8, 10, u64::MAX] {
            assert!(!listing.change(wrong, names(&["CD"]), &[], 1000), "{wrong}");
        }
        assert_eq!(listed(&listing), ["CB", "CC"]);
        assert_eq!(listing.bytes(), 2 * (2 + NODE_NAME_BYTES));
    }

    #[test]
    fn a_name_that_has_gone_and_come_is_listed_and_said_to_have_returned() {
        let mut listing = Listing::default();
        listing.replace(names(&["CA", "CB"]), Some(1), Recent::default(), 1000);
        assert!(listing.change(2, names(&["CB", "CC"]), &names(&["CB", "CX"]), 1000));
        listing.replace(names(&["CA", "CB", "CC"]), Some(3), Recent::default(), 1000);
        assert_eq!(listing.take_returned(), ["CB".into()], "a whole list does not take it back");
        assert!(listing.change(4, names(&["CD"]), &names(&["CA"]), 1000) && listing.take_returned().is_empty());
        assert_eq!(listed(&listing), ["CB", "CC", "CD"]);
    }

    #[test]
    fn a_whole_list_tells_who_was_away_between_it_and_the_one_before() {
        let listing = |before: Option<u64>| {
            let mut listing = Listing::default();
            listing.replace(names(&["CA", "CB", "CC", "CD"]), before, Recent::default(), 1000);
            listing
        };
        let map = |rows: &[(&str, u64)]| rows.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let recent = Recent {
            since: 5,
            came: map(&[("CA", 6), ("CB", 8), ("CX", 8)]),
            signed_out: map(&[("CD", 7), ("CZ", 8), ("CC", 6)]),
        };
        for (before, returned, signed_out) in [
            (Some(4), vec!["CA", "CB"], vec!["CC", "CD"]),
            (Some(5), vec!["CA", "CB"], vec!["CC", "CD"]),
            (Some(6), vec!["CB"], vec!["CD"]),
            (Some(8), vec![], vec![]),
            (None, vec![], vec![]),
        ] {
            let mut listing = listing(before);
            listing.replace(names(&["CA", "CB", "CX"]), Some(9), recent.clone(), 1000);
            let back: Vec<String> = listing.take_returned().iter().map(ToString::to_string).collect();
            assert_eq!((back, listing.take_signed_out()), (names(&returned), names(&signed_out)), "{before:?}");
        }
        let mut unknown = listing(Some(4));
        unknown.replace(names(&["CC", "CY"]), Some(9), Recent { since: 5, ..Recent::default() }, 1000);
        assert_eq!(unknown.take_returned(), ["CC".into()], "nobody knows that it was there all the time");
    }

    #[test]
    fn the_digest_is_that_of_the_whole_list_however_much_found_room() {
        let mut listing = Listing::default();
        let room = 2 * (2 + NODE_NAME_BYTES);
        listing.replace(names(&["CA", "CB", "CC", "CD"]), Some(1), Recent::default(), room);
        assert_eq!((listed(&listing), listing.left_out()), (vec!["CA", "CB"], 2));
        assert!(listing.change(2, names(&["CE"]), &names(&["CA", "CD"]), room));
        assert_eq!((listed(&listing), listing.left_out()), (vec!["CB"], 2));
        assert!(listing.is(2, sum(&["CB", "CC", "CE"])));
        assert!(!listing.may_grow(room) && listing.may_grow(10 * room));
        listing.replace(names(&["CB", "CC"]), None, Recent::default(), room);
        assert!(!listing.may_grow(10 * room) && !listing.is(2, sum(&["CB", "CC"])), "who gives no number has none");
    }

    #[test]
    fn names_that_are_alike_do_not_cancel_out() {
        let all: Vec<u64> = (0..1000).map(|n| digest_of(format!("C{n}").as_bytes())).collect();
        let pairs = (0..999).map(|n| all[n] ^ all[n + 1]);
        let mut pairs: Vec<u64> = pairs.collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 999);
    }
}
