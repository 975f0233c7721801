//! The patterns of simple types: the part of XML Schema's regular expressions that names characters outright.
//!
//! Supported are characters, escaped characters, `.`, classes with ranges and negation, groups, alternatives and the quantifiers `?`, `*`, `+`,
//! `{n}`, `{n,}`, `{n,m}`. Refused are categories (`\d`, `\w`, `\p{..}`) and subtraction of classes.

use core::iter::Peekable;
use core::str::Chars;

use super::automaton::{Automaton, Budget, Expr, TooInvolved};
use crate::limits::C2SIM_SCHEMA_NESTING_MAX;
use crate::store::order;

/// The state from which no match can come.
const DEAD: u16 = u16::MAX;

/// States times characters that the tables of one pattern may have.
const CELLS_MAX: usize = 1 << 18;

/// A set of characters, as ranges with both ends in.
type Set = Vec<(u32, u32)>;

/// A pattern ready to match.
#[derive(Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    /// Where each class of characters begins; a class is what the pattern never tells apart.
    classes: Box<[u32]>,
    ascii: Box<[u16]>,
    /// The next state by state and class.
    table: Box<[u16]>,
    accepting: Box<[bool]>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<Self, &'static str> {
        let mut parser = Parser { letters: text.chars().peekable(), sets: Vec::new(), depth: 0 };
        let mut expr = parser.alternatives()?;
        if parser.letters.next().is_some() {
            return Err("the pattern has a parenthesis too many");
        }
        let sets = parser.sets;
        let mut classes: Vec<u32> = sets.iter().flatten().flat_map(|&(start, end)| [start, end + 1]).collect();
        classes.push(0);
        order::sort(&mut classes);
        classes.dedup();
        let too_involved = |TooInvolved| "the pattern is too involved";
        budget.spend(classes.len().saturating_mul(sets.len())).map_err(too_involved)?;
        let symbols: Vec<Vec<u16>> = sets.iter().map(|set| classes_of(set, &classes)).collect();
        substitute(&mut expr, &symbols);
        let automaton = Automaton::build(&expr, budget).map_err(too_involved)?;
        let states = automaton.states();
        let cells = states.saturating_mul(classes.len());
        if cells > CELLS_MAX {
            return Err("the pattern is too involved");
        }
        budget.spend(cells).map_err(too_involved)?;
        let mut table = vec![DEAD; cells];
        let numbers = 0..u16::try_from(states).unwrap_or(DEAD);
        for state in numbers.clone() {
            for &(symbol, next) in automaton.edges(state) {
                if let Some(cell) = table.get_mut(usize::from(state) * classes.len() + usize::from(symbol)) {
                    *cell = next;
                }
            }
        }
        Ok(Self {
            text: text.into(),
            ascii: (0..128).map(|code| class_of(code, &classes)).collect(),
            accepting: numbers.map(|state| automaton.accepts(state)).collect(),
            classes: classes.into(),
            table: table.into(),
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `value` matches. Takes one step per character.
    pub(super) fn matches(&self, value: &str) -> bool {
        let mut state = 0;
        for letter in value.chars() {
            let code = u32::from(letter);
            let ascii = usize::try_from(code).ok().and_then(|code| self.ascii.get(code));
            let class = ascii.copied().unwrap_or_else(|| class_of(code, &self.classes));
            let cell = usize::from(state) * self.classes.len() + usize::from(class);
            state = self.table.get(cell).copied().unwrap_or(DEAD);
            if state == DEAD {
                return false;
            }
        }
        self.accepting.get(usize::from(state)).copied().unwrap_or(false)
    }
}

fn class_of(code: u32, classes: &[u32]) -> u16 {
    let class = classes.partition_point(|&start| start <= code).saturating_sub(1);
    u16::try_from(class).unwrap_or(DEAD)
}

fn classes_of(set: &Set, classes: &[u32]) -> Vec<u16> {
    let inside = |code: u32| set.iter().any(|&(start, end)| start <= code && code <= end);
    let all = classes.iter().zip(0_u16..);
    all.filter(|(start, _)| inside(**start)).map(|(_, class)| class).collect()
}

/// Puts the classes of its set in the place of each set's number.
fn substitute(expr: &mut Expr, symbols: &[Vec<u16>]) {
    match expr {
        Expr::Symbols(set) => {
            let number = set.first().copied().map_or(0, usize::from);
            *set = symbols.get(number).cloned().unwrap_or_default();
        }
        Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter_mut().for_each(|part| substitute(part, symbols)),
        Expr::Repeat(part, ..) => substitute(part, symbols),
    }
}

struct Parser<'a> {
    letters: Peekable<Chars<'a>>,
    sets: Vec<Set>,
    depth: usize,
}

const BAD_QUANTIFIER: &str = "the pattern has a quantifier that is none";

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Expr, &'static str> {
        let mut branches = vec![self.branch()?];
        while self.letters.next_if_eq(&'|').is_some() {
            branches.push(self.branch()?);
        }
        Ok(Expr::Choice(branches))
    }

    fn branch(&mut self) -> Result<Expr, &'static str> {
        let mut pieces = Vec::new();
        while let Some(&letter) = self.letters.peek() {
            if matches!(letter, '|' | ')') {
                break;
            }
            let atom = self.atom()?;
            pieces.push(self.quantified(atom)?);
        }
        Ok(Expr::Sequence(pieces))
    }

    fn atom(&mut self) -> Result<Expr, &'static str> {
        let set = match self.letters.next() {
            Some('(') => {
                self.depth += 1;
                if self.depth > C2SIM_SCHEMA_NESTING_MAX {
                    return Err("the pattern has too many groups inside one another");
                }
                let inner = self.alternatives()?;
                self.depth -= 1;
                return if self.letters.next() == Some(')') { Ok(inner) } else { Err("the pattern has an open group") };
            }
            Some('[') => self.class()?,
            Some('.') => inverted(&mut vec![(0x0a, 0x0a), (0x0d, 0x0d)]),
            Some('\\') => single(self.escaped()?),
            Some('?' | '*' | '+' | '{' | '}' | ']') | None => return Err("the pattern has a stray special character"),
            Some(letter) => single(letter),
        };
        self.sets.push(set);
        let number = u16::try_from(self.sets.len() - 1).map_err(|_| "the pattern is too long")?;
        Ok(Expr::Symbols(vec![number]))
    }

    fn escaped(&mut self) -> Result<char, &'static str> {
        match self.letters.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(letter) if "\\|.-^?*+{}()[]".contains(letter) => Ok(letter),
            _ => Err("the pattern has an escape outside the supported ones"),
        }
    }

    fn class(&mut self) -> Result<Set, &'static str> {
        let negated = self.letters.next_if_eq(&'^').is_some();
        let mut set = Set::new();
        loop {
            let start = match self.letters.next() {
                Some(']') if !set.is_empty() => break,
                Some('[' | ']') => return Err("the pattern has a class outside the supported ones"),
                Some('\\') => self.escaped()?,
                Some(letter) => letter,
                None => return Err("the pattern has an open class"),
            };
            let mut ahead = self.letters.clone();
            let range = ahead.next() == Some('-') && ahead.next() != Some(']');
            let mut end = start;
            if range {
                self.letters.next();
                end = match self.letters.next() {
                    Some('\\') => self.escaped()?,
                    Some('[' | ']') | None => return Err("the pattern has a class outside the supported ones"),
                    Some(letter) => letter,
                };
            }
            if end < start {
                return Err("the pattern has a range whose end comes before its start");
            }
            set.push((start.into(), end.into()));
        }
        Ok(if negated { inverted(&mut set) } else { set })
    }

    fn quantified(&mut self, atom: Expr) -> Result<Expr, &'static str> {
        let (min, max) = match self.letters.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.letters.next();
                let min = self.number().ok_or(BAD_QUANTIFIER)?;
                let max = if self.letters.next_if_eq(&',').is_some() { self.number() } else { Some(min) };
                if self.letters.peek() != Some(&'}') || max.is_some_and(|max| max < min) {
                    return Err(BAD_QUANTIFIER);
                }
                (min, max)
            }
            _ => return Ok(atom),
        };
        self.letters.next();
        Ok(Expr::Repeat(Box::new(atom), min, max))
    }

    /// Digits; a number too large to build is as good as any other such number.
    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.letters.peek().and_then(|letter| letter.to_digit(10)) {
            self.letters.next();
            number = Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
        }
        number
    }
}

fn single(letter: char) -> Set {
    vec![(letter.into(), letter.into())]
}

/// All characters that are not in the set.
fn inverted(set: &mut Set) -> Set {
    order::sort(set);
    let (mut start, mut rest) = (0, Set::new());
    for &(from, to) in set.iter() {
        if from > start {
            rest.push((start, from - 1));
        }
        start = start.max(to + 1);
    }
    if start <= u32::from(char::MAX) {
        rest.push((start, u32::from(char::MAX)));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::parse(pattern, &mut Budget::new()).expect(pattern).matches(value)
    }

    #[test]
    fn patterns_match_whole_values() {
        for (pattern, yes, no) in [
            ("[0-9a-f]{2}\\-[A-C]{1,2}", &["0f-A", "99-CB"][..], &["0f-", "0f-ABC", "0F-A", " 0f-A", "0f-D"][..]),
            ("(a|bc)*d?", &["", "abc", "bcbcd", "d"], &["b", "dd", "cb"]),
            ("[^a-c]+", &["d", "x\u{e9}\u{1f600}"], &["", "a", "da"]),
            ("a.b", &["axb", "a\u{20ac}b"], &["a\nb", "ab"]),
            ("[+-]?[0-9]{2,}", &["12", "-123"], &["1", "+-12"]),
            ("[a\\-\\]]{2}|", &["", "a-", "]a"], &["a"]),
            ("", &[""], &["a"]),
        ] {
            for value in yes {
                assert!(matches(pattern, value), "{pattern} {value:?}");
            }
            for value in no {
                assert!(!matches(pattern, value), "{pattern} {value:?}");
            }
        }
    }

    #[test]
    fn patterns_outside_the_subset_or_too_involved_are_refused() {
        let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
        let long = "[a-z0-9]".repeat(70_000);
        for pattern in [
            "(",
            ")",
            "[",
            "[]",
            "[a",
            "a{",
            "a{2",
            "a{3,2}",
            "a**",
            "*",
            "\\d",
            "\\p{L}",
            "[a-z-[b]]",
            "[z-a]",
            "{2}",
            "\\",
            "((((a{99}){99}){99}){99})",
            "(a|b)*a(a|b){20}",
            "a{4000000000}",
            "(a*)*{5",
            &deep,
            &long,
        ] {
            assert!(Pattern::parse(pattern, &mut Budget::new()).is_err(), "{}", pattern.get(..20).unwrap_or(pattern));
        }
    }
}
