//! Lists of names, some of them only begun: `laser`, `laser_*`, `*`.

use core::fmt;

use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_MAX};

/// A name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// It stands for every name that begins so.
    is_begun: bool,
}

impl Pattern {
    /// Reads one; a star stands at the end or nowhere.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (front, is_begun) = text.strip_suffix('*').map_or((text, false), |front| (front, true));
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(format!("'{text}' is no name of 1 to {PATTERN_BYTES_MAX} letters"));
        }
        if front.contains('*') {
            return Err(format!("'{text}': a star stands only at the end"));
        }
        Ok(Self { text: front.into(), is_begun })
    }

    /// The same where names of our own node need not have its namespace.
    fn parse_full(text: &str, namespace: &str) -> Result<Self, String> {
        let one = Self::parse(text)?;
        if one.text.contains('.') || text == "*" {
            return Ok(one);
        }
        Ok(Self { text: format!("{namespace}.{}", one.text).into(), ..one })
    }

    /// Whether a name is one of these.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.is_begun { name.starts_with(self.text.as_bytes()) } else { name == self.text.as_bytes() }
    }

    const fn is_all(&self) -> bool {
        self.is_begun && self.text.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_begun { "*" } else { "" })
    }
}

/// Several of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Every name.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Pattern { text: Box::default(), is_begun: true }])
    }

    /// Reads a list.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        Self::read(words, Pattern::parse)
    }

    /// Reads a list of full names; those without a dot are of the node `namespace`.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn parse_full(words: &[String], namespace: &str) -> Result<Self, String> {
        Self::read(words, |word| Pattern::parse_full(word, namespace))
    }

    fn read(words: &[String], parse: impl Fn(&str) -> Result<Pattern, String>) -> Result<Self, String> {
        if words.len() > PATTERNS_MAX {
            return Err(format!("there are more than {PATTERNS_MAX} words"));
        }
        words.iter().map(|word| parse(word)).collect::<Result<_, _>>().map(Self)
    }

    /// Which of them a name is one of.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Pattern> {
        self.0.iter().find(|pattern| pattern.matches(name))
    }

    /// Whether every name is one of these.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().any(Pattern::is_all)
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, pattern) in self.0.iter().enumerate() {
            write!(f, "{}{pattern}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_at_the_end_and_means_every_end() {
        let words = ["laser", "x_*", "N2.log*"].map(str::to_owned);
        let patterns = Patterns::parse_full(&words, "N1").unwrap();
        for (name, found) in [
            ("N1.laser", Some("N1.laser")),
            ("N1.laser2", None),
            ("N1.x_", Some("N1.x_*")),
            ("N1.x_1", Some("N1.x_*")),
            ("N2.logger", Some("N2.log*")),
            ("N2.lo", None),
            ("laser", None),
        ] {
            assert_eq!(patterns.find(name.as_bytes()).map(Pattern::to_string).as_deref(), found, "{name}");
        }
        assert!(!patterns.is_all() && Patterns::all().is_all());
        assert!(Patterns::parse_full(&["*".to_owned()], "N1").unwrap().is_all());
        assert_eq!(patterns.to_string(), "N1.laser, N1.x_*, N2.log*");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "a*b", "*a", "**"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(Patterns::parse(&vec!["a".to_owned(); PATTERNS_MAX + 1]).is_err());
    }
}
