//! What is said about a document that breaks the rules.

use core::fmt;

/// One way in which a document is not as the schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, in words; names and values of the document may occur in it, shortened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: {}", self.line, self.text)
    }
}
