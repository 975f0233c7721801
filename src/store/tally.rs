//! Counts by labels that others choose, bounded: what comes when there are enough of them is counted under labels that stand for all others.

use std::collections::BTreeMap;

/// Parts the labels of a row. It comes in none: where it does it is left out.
const MARK: char = '\u{1f}';

/// Rows of counts. One that is there already is found without a copy.
#[derive(Debug)]
pub struct Tally<V> {
    rows: BTreeMap<Box<str>, V>,
    rows_max: usize,
    /// Scratch for the labels that are looked for.
    key: String,
    /// Stands in for a row that is not found, as none is.
    spare: V,
}

impl<V: Default> Tally<V> {
    /// A tally of at most so many rows, besides those of `others` that are asked for.
    #[must_use]
    pub fn new(rows_max: usize) -> Self {
        Self { rows: BTreeMap::new(), rows_max, key: String::new(), spare: V::default() }
    }

    /// The row of these labels, or, where it would be one too many, that of `others`, which must be few.
    pub fn row(&mut self, labels: &[&str], others: &[&str]) -> &mut V {
        self.compose(labels);
        if !self.rows.contains_key(self.key.as_str()) {
            if self.rows.len() >= self.rows_max {
                self.compose(others);
            }
            return self.rows.entry(self.key.as_str().into()).or_default();
        }
        self.rows.get_mut(self.key.as_str()).unwrap_or(&mut self.spare)
    }

    fn compose(&mut self, labels: &[&str]) {
        self.key.clear();
        for (n, label) in labels.iter().enumerate() {
            if n > 0 {
                self.key.push(MARK);
            }
            self.key.extend(label.chars().filter(|letter| *letter != MARK));
        }
    }

    /// All rows by their labels, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<&str>, &V)> {
        self.rows.iter().map(|(key, value)| (key.split(MARK).collect(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_when_there_are_enough_is_counted_together() {
        let mut tally: Tally<u64> = Tally::new(2);
        for (session, system) in [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("a", "y"), ("a\u{1f}", "x")] {
            *tally.row(&[session, system], &["other", "other"]) += 1;
        }
        let rows: Vec<_> = tally.iter().map(|(labels, count)| (labels.join("/"), *count)).collect();
        assert_eq!(rows, [("a/x".to_owned(), 2), ("a/y".to_owned(), 2), ("other/other".to_owned(), 2)]);
    }
}
