//! Which known word an unknown one was meant to be.
//!
//! Owns how like two words are. Must not know what any word is for.

/// Letters that are looked at of a word: nobody mistypes more.
const LETTERS_MAX: usize = 64;

/// How many letters were left out, put in, taken for another or changed places between two words (optimal string alignment), a case
/// and `-` for `_` counting nothing.
fn distance(a: &str, b: &str) -> usize {
    let letters = |word: &str| -> Vec<char> {
        let plain = word.chars().take(LETTERS_MAX).map(|letter| if letter == '_' { '-' } else { letter });
        plain.flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (row, letter) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let of = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut least = of(&last, column) + usize::from(letter != other);
            least = least.min(of(&last, column + 1) + 1).min(of(&next, column) + 1);
            let changed_places =
                row > 0 && column > 0 && a.get(row - 1) == Some(other) && b.get(column - 1) == Some(letter);
            if changed_places {
                least = least.min(of(&before, column - 1) + 1);
            }
            next.push(least);
        }
        before = core::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

/// The known word that `word` is most like, if it is like one: a third of its letters may be wrong, or it is how a longer one begins.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let may_be_wrong = (length / 3).max(1);
    let begins = |one: &str| length >= 2 && one.starts_with(word);
    let judged = known.into_iter().map(|one| (if begins(one) { 0 } else { distance(word, one) }, one));
    let best = judged.min_by_key(|(wrong, one)| (*wrong, one.len()))?;
    (length > 0 && best.0 <= may_be_wrong && best.0 < best.1.chars().count()).then_some(best.1)
}

/// What is said behind the refusal of a word: the one that was meant, where there is such a one; else nothing.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    near(word, known).map_or_else(String::new, |one| format!(", did you mean {one}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_no_other() {
        let known = ["nodes", "components", "ping", "connections", "connect", "session", "shutdown", "ring_bytes_max"];
        for (word, wanted) in [
            ("node", Some("nodes")),
            ("ndoes", Some("nodes")),
            ("Nodes", Some("nodes")),
            ("componets", Some("components")),
            ("pign", Some("ping")),
            ("con", Some("connect")),
            ("shut-down", Some("shutdown")),
            ("ring-bytes-max", Some("ring_bytes_max")),
            ("ring-byte-max", Some("ring_bytes_max")),
            ("dance", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(near(word, known), wanted, "{word}");
        }
        assert_eq!(meant("pin", known), ", did you mean ping?");
        assert_eq!(meant("dance", known), "");
    }

    #[test]
    fn letters_that_changed_places_are_one_mistake() {
        for (a, b, wanted) in
            [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("abc", "axc", 1), ("port", "prot", 1), ("abcd", "dcba", 3)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (wanted, wanted), "{a} {b}");
        }
    }
}
