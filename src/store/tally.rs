//! Counts by labels that others choose, bounded: what comes when there are enough of them is counted under labels that stand for all others.

use super::sorted::Sorted;

/// Parts the labels of a row. It comes in none: where it does it is left out.
const MARK: char = '\u{1f}';

/// Rows of counts. One that is there already is found without a copy.
#[derive(Debug)]
pub struct Tally<V> {
    /// Where among the counts that of each row is.
    rows: Sorted<Box<str>, usize>,
    counts: Vec<V>,
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
        Self { rows: Sorted::new(), counts: Vec::new(), rows_max, key: String::new(), spare: V::default() }
    }

    /// The row of these labels, or, where it would be one too many, that of `others`, which must be few.
    pub fn row(&mut self, labels: &[&str], others: &[&str]) -> &mut V {
        self.compose(labels);
        let mut found = self.rows.get(self.key.as_str()).copied();
        if found.is_none() && self.rows.len() >= self.rows_max {
            self.compose(others);
            found = self.rows.get(self.key.as_str()).copied();
        }
        let at = found.unwrap_or_else(|| {
            self.counts.push(V::default());
            self.rows.insert(self.key.as_str().into(), self.counts.len() - 1);
            self.counts.len() - 1
        });
        self.counts.get_mut(at).unwrap_or(&mut self.spare)
    }

    fn compose(&mut self, labels: &[&str]) {
        self.key.clear();
        for (n, label) in labels.iter().enumerate() {
            if n > 0 {
                self.key.push(MARK);
            }
            if label.as_bytes().contains(&(MARK as u8)) {
                label.split(MARK).for_each(|part| self.key.push_str(part));
            } else {
                self.key.push_str(label);
            }
        }
    }

    /// All rows by their labels, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<&str>, &V)> {
        self.rows.iter().filter_map(|(key, at)| Some((key.split(MARK).collect(), self.counts.get(*at)?)))
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
