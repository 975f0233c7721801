//! The versions of STOMP, and how each escapes what stands in a header.

use std::borrow::Cow;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The first: no escapes, no signs of life, no version in CONNECT.
    #[default]
    V1_0,
    /// `\n`, `\c` and `\\` in headers.
    V1_1,
    /// `\r` as well.
    V1_2,
}

impl Version {
    /// The best one of a client's list (`1.0,1.1`). A client without a list knows the first version only.
    #[must_use]
    pub fn best(accepted: Option<&str>) -> Option<Self> {
        let Some(accepted) = accepted else { return Some(Self::V1_0) };
        accepted.split(',').filter_map(|name| Self::of(name.trim())).max()
    }

    fn of(name: &str) -> Option<Self> {
        [Self::V1_0, Self::V1_1, Self::V1_2].into_iter().find(|version| version.name() == name)
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// Whether a header line has no escapes but those of this version.
    #[must_use]
    pub(super) fn is_escaped_well(self, line: &str) -> bool {
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            if letter == '\\' && self > Self::V1_0 && letters.next().and_then(|letter| self.meant(letter)).is_none() {
                return false;
            }
        }
        true
    }

    /// What an escaped text means; it is copied only if there is an escape.
    #[must_use]
    pub(super) fn plain(self, text: &str) -> Cow<'_, str> {
        if self == Self::V1_0 || !text.contains('\\') {
            return Cow::Borrowed(text);
        }
        let mut letters = text.chars();
        let plain = core::iter::from_fn(|| match letters.next()? {
            '\\' => letters.next().and_then(|letter| self.meant(letter)),
            letter => Some(letter),
        });
        Cow::Owned(plain.collect())
    }

    fn meant(self, letter: char) -> Option<char> {
        match letter {
            'n' => Some('\n'),
            'c' => Some(':'),
            '\\' => Some('\\'),
            'r' if self == Self::V1_2 => Some('\r'),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_version_that_both_know_is_spoken() {
        for (accepted, version) in [
            (None, Some(Version::V1_0)),
            (Some("1.2"), Some(Version::V1_2)),
            (Some("1.0,1.1"), Some(Version::V1_1)),
            (Some(" 2.0 , 1.1, 1.0"), Some(Version::V1_1)),
            (Some("2.0"), None),
            (Some(""), None),
        ] {
            assert_eq!(Version::best(accepted), version, "{accepted:?}");
        }
    }

    #[test]
    fn each_version_has_its_escapes() {
        for (version, text, plain) in [
            (Version::V1_0, r"a\nb\x\", Some(r"a\nb\x\")),
            (Version::V1_1, r"a\nb\cc\\n", Some("a\nb:c\\n")),
            (Version::V1_1, r"a\r", None),
            (Version::V1_2, r"a\r\n", Some("a\r\n")),
            (Version::V1_2, r"a\t", None),
            (Version::V1_2, r"a\", None),
            (Version::V1_2, "plain", Some("plain")),
        ] {
            assert_eq!(version.is_escaped_well(text), plain.is_some(), "{text}");
            assert!(plain.is_none_or(|plain| version.plain(text) == plain), "{text}");
        }
    }
}
