//! Which messages a subscriber wants: an expression over their headers, as brokers take it from the header `selector`.
//!
//! ```text
//! any       = all { OR all }
//! all       = one { AND one }
//! one       = NOT one | "(" any ")" | operand test
//! test      = "=" operand | "<>" operand | [NOT] IN "(" text { "," text } ")" | [NOT] LIKE text [ ESCAPE text ] | IS [NOT] NULL
//! operand   = name | text
//! ```
//! A text is in quotes, with two of them for one within; a name has letters, digits, `_`, `-`, `.` and `$`. Words are in any case.
//!
//! There are three answers, as in SQL: what compares with a header that is not there is neither true nor false, and so is its opposite.
//! A message is wanted where the whole is true.

use core::fmt;
use core::ops::Range;

use crate::limits::{STOMP_SELECTOR_BYTES_MAX, STOMP_SELECTOR_DEPTH_MAX, STOMP_TERMS_MAX};

/// Why an expression cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The byte of it at which that shows, from 1 on.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "selector, at byte {}: expected {}", self.at, self.expected)
    }
}

impl core::error::Error for Unreadable {}

/// One side of a comparison, by its place among the letters.
#[derive(Clone, Debug)]
enum Operand {
    Name(Range<usize>),
    Text(Range<usize>),
}

/// A letter of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// `%`: any letters, or none.
    Some,
    /// `_`: any one letter.
    One,
    Letter(char),
}

/// One step of the work: what it needs lies on a stack, and what it finds goes there.
#[derive(Clone, Debug)]
enum Op {
    IsEqual(Operand, Operand),
    IsLike(Operand, Box<[Sign]>),
    IsMissing(Operand),
    Not,
    And,
    Or,
}

/// A selector that has been read.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Names and texts, one behind the other.
    letters: String,
    /// The expression, operands first.
    ops: Vec<Op>,
}

impl Selector {
    /// Reads an expression of at most [`STOMP_SELECTOR_BYTES_MAX`] bytes and [`STOMP_TERMS_MAX`] comparisons, which may lie
    /// [`STOMP_SELECTOR_DEPTH_MAX`] deep in one another.
    ///
    /// # Errors
    /// Where it is wrong, and what would be right there.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.len() > STOMP_SELECTOR_BYTES_MAX {
            return Err(Unreadable { at: STOMP_SELECTOR_BYTES_MAX + 1, expected: "no more than 4096 bytes" });
        }
        let mut parser = Parser { text, at: 0, terms: 0, made: Self { letters: String::new(), ops: Vec::new() } };
        parser.any(0)?;
        match parser.peek() {
            None => Ok(parser.made),
            Some(_) => Err(parser.expected("AND, OR or the end")),
        }
    }

    /// Whether a message is wanted, whose headers `header` tells by their names.
    pub fn wants<'h>(&self, header: impl Fn(&str) -> Option<&'h str>) -> bool {
        let mut stack = [None; STOMP_TERMS_MAX];
        let mut height: usize = 0;
        for op in &self.ops {
            let top = |below: usize| height.checked_sub(below).and_then(|at| stack.get(at).copied()).flatten();
            let (taken, found) = match op {
                Op::IsEqual(left, right) => {
                    let both = self.value(left, &header).zip(self.value(right, &header));
                    (0, both.map(|(left, right)| left == right))
                }
                Op::IsLike(operand, pattern) => (0, self.value(operand, &header).map(|text| is_like(text, pattern))),
                Op::IsMissing(operand) => (0, Some(self.value(operand, &header).is_none())),
                Op::Not => (1, top(1).map(|found: bool| !found)),
                Op::And => (2, and(top(2), top(1))),
                Op::Or => (2, and(top(2).map(|found| !found), top(1).map(|found| !found)).map(|found| !found)),
            };
            height = height.saturating_sub(taken);
            if let Some(place) = stack.get_mut(height) {
                *place = found;
            }
            height += 1;
        }
        debug_assert_eq!(height, 1, "an expression leaves one answer");
        stack.first().copied().flatten() == Some(true)
    }

    fn value<'v, 'h: 'v>(&'v self, operand: &Operand, header: impl Fn(&str) -> Option<&'h str>) -> Option<&'v str> {
        match operand {
            Operand::Name(name) => self.letters.get(name.clone()).and_then(header),
            Operand::Text(text) => self.letters.get(text.clone()),
        }
    }
}

/// Whether a text is as the pattern has it. Whatever follows the last run of any letters is tried at each place behind it.
fn is_like(text: &str, pattern: &[Sign]) -> bool {
    let (mut rest, mut signs) = (text.chars(), pattern);
    let mut run: Option<(core::str::Chars<'_>, &[Sign])> = None;
    loop {
        let before = rest.clone();
        match (signs.split_first(), rest.next()) {
            (Some((Sign::Some, behind)), _) => {
                (rest, signs) = (before.clone(), behind);
                run = Some((before, behind));
            }
            (Some((Sign::One, behind)), Some(_)) => signs = behind,
            (Some((Sign::Letter(wanted), behind)), Some(letter)) if *wanted == letter => signs = behind,
            (None, None) => return true,
            _ => {
                // The run takes one letter more.
                let Some((mut from, behind)) = run else { return false };
                if from.next().is_none() {
                    return false;
                }
                (rest, signs) = (from.clone(), behind);
                run = Some((from, behind));
            }
        }
    }
}

/// Both of two answers: one that is false decides, also over one that is unknown.
const fn and(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// What comes next in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name, or one of the words of the language.
    Word(&'a str),
    /// A quotation mark: a text begins.
    Quote,
    Equal,
    Unequal,
    Open,
    Close,
    Comma,
    /// None of these.
    Other,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
    made: Selector,
}

impl<'a> Parser<'a> {
    fn expected(&self, expected: &'static str) -> Unreadable {
        Unreadable { at: self.at + 1, expected }
    }

    /// The next token, which is not taken; blanks before it are.
    fn peek(&mut self) -> Option<Token<'a>> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_ascii_start();
        self.at += rest.len() - trimmed.len();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.$".contains(byte);
        let word = trimmed.bytes().take_while(|byte| is_name(byte)).count();
        Some(match trimmed.as_bytes() {
            [] => return None,
            [b'\'', ..] => Token::Quote,
            [b'=', ..] => Token::Equal,
            [b'<', b'>', ..] => Token::Unequal,
            [b'(', ..] => Token::Open,
            [b')', ..] => Token::Close,
            [b',', ..] => Token::Comma,
            [first, ..] if first.is_ascii_alphabetic() || b"_$".contains(first) => {
                Token::Word(trimmed.get(..word).unwrap_or_default())
            }
            _ => Token::Other,
        })
    }

    /// Takes the next token if it is this mark.
    fn takes(&mut self, mark: Token<'_>) -> bool {
        let is_it = self.peek() == Some(mark);
        if is_it {
            self.at += if mark == Token::Unequal { 2 } else { 1 };
        }
        is_it
    }

    /// Takes the next token if it is this word of the language.
    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(known)) if known.eq_ignore_ascii_case(word));
        if is_it {
            self.at += word.len();
        }
        is_it
    }

    fn any(&mut self, depth: usize) -> Result<(), Unreadable> {
        self.all(depth)?;
        while self.takes_word("OR") {
            self.all(depth)?;
            self.made.ops.push(Op::Or);
        }
        Ok(())
    }

    fn all(&mut self, depth: usize) -> Result<(), Unreadable> {
        self.one(depth)?;
        while self.takes_word("AND") {
            self.one(depth)?;
            self.made.ops.push(Op::And);
        }
        Ok(())
    }

    fn one(&mut self, depth: usize) -> Result<(), Unreadable> {
        let start = self.at;
        let is_not = self.takes_word("NOT");
        if is_not || self.takes(Token::Open) {
            if depth == STOMP_SELECTOR_DEPTH_MAX {
                self.at = start;
                return Err(self.expected("no more levels"));
            }
            if is_not {
                self.one(depth + 1)?;
                self.made.ops.push(Op::Not);
            } else {
                self.any(depth + 1)?;
                if !self.takes(Token::Close) {
                    return Err(self.expected("AND, OR or )"));
                }
            }
            return Ok(());
        }
        let left = self.operand()?;
        self.test(left)
    }

    fn test(&mut self, left: Operand) -> Result<(), Unreadable> {
        if self.takes(Token::Equal) {
            let right = self.operand()?;
            return self.compare(left, right, false);
        }
        if self.takes(Token::Unequal) {
            let right = self.operand()?;
            return self.compare(left, right, true);
        }
        if self.takes_word("IS") {
            let is_not = self.takes_word("NOT");
            if !self.takes_word("NULL") {
                return Err(self.expected("NULL"));
            }
            return self.push(Op::IsMissing(left), is_not);
        }
        let is_not = self.takes_word("NOT");
        if self.takes_word("LIKE") {
            let pattern = self.pattern()?;
            return self.push(Op::IsLike(left, pattern), is_not);
        }
        if !self.takes_word("IN") || !self.takes(Token::Open) {
            return Err(self.expected(if is_not { "IN ( or LIKE" } else { "=, <>, IN (, LIKE or IS" }));
        }
        let mut others = 0;
        loop {
            let right = self.quoted()?;
            self.compare(left.clone(), right, false)?;
            if others > 0 {
                self.made.ops.push(Op::Or);
            }
            others += 1;
            if self.takes(Token::Close) {
                break;
            }
            if !self.takes(Token::Comma) {
                return Err(self.expected(", or )"));
            }
        }
        if is_not {
            self.made.ops.push(Op::Not);
        }
        Ok(())
    }

    /// A pattern: `%` is any letters, `_` any one, and behind the letter that ESCAPE names each is itself.
    fn pattern(&mut self) -> Result<Box<[Sign]>, Unreadable> {
        let text = self.quoted_letters()?;
        let mut escape = None;
        if self.takes_word("ESCAPE") {
            let at = self.at;
            let mut letters = self.quoted_letters()?.chars().collect::<Vec<_>>().into_iter();
            escape = letters.next();
            if escape.is_none() || letters.next().is_some() {
                self.at = at;
                return Err(self.expected("one letter"));
            }
        }
        let (mut signs, mut letters) = (Vec::new(), text.chars());
        while let Some(letter) = letters.next() {
            signs.push(match letter {
                _ if Some(letter) == escape => match letters.next() {
                    Some(itself) => Sign::Letter(itself),
                    None => return Err(self.expected("a letter behind the one of ESCAPE, in the pattern")),
                },
                '%' => Sign::Some,
                '_' => Sign::One,
                _ => Sign::Letter(letter),
            });
        }
        Ok(signs.into())
    }

    /// A text in quotes, of which nothing is kept.
    fn quoted_letters(&mut self) -> Result<String, Unreadable> {
        let kept = self.made.letters.len();
        self.peek();
        self.quoted()?;
        Ok(self.made.letters.split_off(kept))
    }

    fn compare(&mut self, left: Operand, right: Operand, is_not: bool) -> Result<(), Unreadable> {
        self.push(Op::IsEqual(left, right), is_not)
    }

    fn push(&mut self, op: Op, is_not: bool) -> Result<(), Unreadable> {
        self.terms += 1;
        if self.terms > STOMP_TERMS_MAX {
            return Err(self.expected("no more than 64 comparisons"));
        }
        self.made.ops.push(op);
        if is_not {
            self.made.ops.push(Op::Not);
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<Operand, Unreadable> {
        let Some(Token::Word(name)) = self.peek() else { return self.quoted() };
        if ["AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ESCAPE"].iter().any(|word| word.eq_ignore_ascii_case(name))
        {
            return Err(self.expected("a name or a text"));
        }
        self.at += name.len();
        Ok(Operand::Name(self.keep(name)))
    }

    fn quoted(&mut self) -> Result<Operand, Unreadable> {
        if !self.takes(Token::Quote) {
            return Err(self.expected("a text in single quotes"));
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let start = self.made.letters.len();
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == '\'' && !rest.get(at + 1..).unwrap_or_default().starts_with('\'') {
                self.at += at + 1;
                return Ok(Operand::Text(start..self.made.letters.len()));
            }
            if letter == '\'' {
                letters.next();
            }
            self.made.letters.push(letter);
        }
        self.at = self.text.len();
        Err(self.expected("a closing quote"))
    }

    fn keep(&mut self, letters: &str) -> Range<usize> {
        let start = self.made.letters.len();
        self.made.letters.push_str(letters);
        start..self.made.letters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with the headers that the field selects by.
    fn header(name: &str) -> Option<&'static str> {
        match name {
            "message-selector" => Some("C2SIM_Command"),
            "sender" => Some("it's"),
            "receiver" => Some("ALL"),
            "empty" => Some(""),
            _ => None,
        }
    }

    #[test]
    fn messages_are_wanted_where_the_whole_is_true() {
        for (text, wanted) in [
            ("message-selector = 'C2SIM_Command'", true),
            ("(message-selector = 'C2SIM_Command') or (message-selector = 'C2SIM_Order')", true),
            ("message-selector='C2SIM_Order'", false),
            ("message-selector <> 'C2SIM_Order' AND receiver='ALL'", true),
            ("'ALL' = receiver and sender = 'it''s'", true),
            ("receiver = sender or sender = sender", true),
            ("'a' = 'a' AND NOT 'a' = 'b'", true),
            ("'a' = 'b' OR 'a' = 'a' AND 'a' = 'b'", false),
            ("NOT ('a' = 'b' OR receiver = 'x')", true),
            ("not not receiver = 'ALL'", true),
            ("receiver IN ('x', 'ALL')", true),
            ("receiver NOT IN ('x', 'ALL')", false),
            ("receiver not in ('x')", true),
            ("Receiver = 'ALL'", false),
            ("message-selector LIKE 'C2SIM!_%' ESCAPE '!'", true),
            ("message-selector not like 'C2SIM%'", false),
            ("receiver LIKE '_L_' and receiver LIKE '%' and receiver like '%A%L%'", true),
            ("receiver LIKE '__' or receiver LIKE '_L' or receiver LIKE '%_L__%' or receiver LIKE ''", false),
            ("sender LIKE '%''s' and empty LIKE '%' and empty LIKE ''", true),
            ("nothing LIKE '%'", false),
            ("nothing NOT LIKE '%'", false),
            ("empty = ''", true),
            // What is not there is neither equal nor unequal.
            ("nothing = 'x'", false),
            ("nothing <> 'x'", false),
            ("NOT nothing = 'x'", false),
            ("nothing = nothing", false),
            ("nothing NOT IN ('x')", false),
            ("nothing = 'x' OR receiver = 'ALL'", true),
            ("nothing = 'x' AND receiver = 'ALL'", false),
            ("NOT (nothing = 'x' AND receiver = 'x')", true),
            ("nothing IS NULL and receiver is not null", true),
            ("receiver IS NULL", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().wants(header), wanted, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_shown() {
        for (text, at, expected) in [
            ("", 1, "a text in single quotes"),
            ("a", 2, "=, <>, IN (, LIKE or IS"),
            ("a = ", 5, "a text in single quotes"),
            ("a = 5", 5, "a text in single quotes"),
            ("a = 'x", 7, "a closing quote"),
            ("a = 'x' b", 9, "AND, OR or the end"),
            ("(a = 'x'", 9, "AND, OR or )"),
            ("a = 'x')", 8, "AND, OR or the end"),
            ("a near 'x'", 3, "=, <>, IN (, LIKE or IS"),
            ("a LIKE b", 8, "a text in single quotes"),
            ("a LIKE 'x' ESCAPE 'ab'", 18, "one letter"),
            ("a LIKE 'x!' ESCAPE '!'", 23, "a letter behind the one of ESCAPE, in the pattern"),
            ("a IN ('x' 'y')", 11, ", or )"),
            ("a IN ()", 7, "a text in single quotes"),
            ("a NOT 'x'", 7, "IN ( or LIKE"),
            ("a IS 'x'", 6, "NULL"),
            ("and = 'x'", 1, "a name or a text"),
            ("a = 'x' OR", 11, "a text in single quotes"),
            ("a < 'x'", 3, "=, <>, IN (, LIKE or IS"),
        ] {
            let Unreadable { at: found, expected: words } = Selector::parse(text).unwrap_err();
            assert_eq!((found, words), (at, expected), "{text}");
        }
        assert_eq!(
            Selector::parse("a").unwrap_err().to_string(),
            "selector, at byte 2: expected =, <>, IN (, LIKE or IS"
        );
    }

    #[test]
    fn size_terms_and_depth_have_bounds() {
        let terms = |count: usize| vec!["a='x'"; count].join(" or ");
        let deep = |depth: usize| format!("{}a='x'{}", "(".repeat(depth), ")".repeat(depth));
        let nots = |depth: usize| format!("{}a='x'", "not ".repeat(depth));
        assert!(
            Selector::parse(&terms(STOMP_TERMS_MAX)).is_ok() && Selector::parse(&terms(STOMP_TERMS_MAX + 1)).is_err()
        );
        let right =
            format!("{}a='x'{}", "b<>'' and (".repeat(STOMP_SELECTOR_DEPTH_MAX), ")".repeat(STOMP_SELECTOR_DEPTH_MAX));
        assert!(Selector::parse(&right).is_ok_and(|selector| !selector.wants(header)));
        for make in [&deep as &dyn Fn(usize) -> String, &nots] {
            assert!(Selector::parse(&make(STOMP_SELECTOR_DEPTH_MAX)).is_ok());
            assert!(
                Selector::parse(&make(STOMP_SELECTOR_DEPTH_MAX + 1))
                    .is_err_and(|error| error.expected == "no more levels")
            );
        }
        let long = |bytes: usize| format!("a='{}'", "x".repeat(bytes - 4));
        assert!(Selector::parse(&long(STOMP_SELECTOR_BYTES_MAX)).is_ok());
        assert!(Selector::parse(&long(STOMP_SELECTOR_BYTES_MAX + 1)).is_err());
    }
}
