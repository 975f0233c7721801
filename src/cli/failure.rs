//! Why the program ends with an error, and its exit codes.

use std::fmt;

/// Exit code for a wrong flag, key or value.
pub(in crate::cli) const USAGE: u8 = 2;
/// Exit code when nobody is there, or nobody answers in time.
pub(in crate::cli) const NOBODY: u8 = 3;

/// Why the program ends with an error: one line for people, one number for scripts.
#[derive(Debug)]
pub(in crate::cli) struct Failure {
    pub(in crate::cli) code: u8,
    pub(in crate::cli) text: String,
    /// What is to be typed stands in the help of the command, and that is not said yet.
    pub(in crate::cli) is_in_help: bool,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub(in crate::cli) fn usage(text: impl fmt::Display) -> Self {
        Self { code: USAGE, text: text.to_string(), is_in_help: false }
    }

    /// Something else went wrong.
    pub(in crate::cli) fn other(text: impl fmt::Display) -> Self {
        Self { code: 1, text: text.to_string(), is_in_help: false }
    }

    /// All is said already.
    pub(in crate::cli) const fn silent(code: u8) -> Self {
        Self { code, text: String::new(), is_in_help: false }
    }

    /// Nobody is there, or nobody answers in time.
    pub(in crate::cli) fn nobody(text: impl fmt::Display) -> Self {
        Self { code: NOBODY, text: text.to_string(), is_in_help: false }
    }
}

/// An error of the operating system as it stands in a sentence: small letters, no number.
pub(in crate::cli) fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    match text.split_at_checked(1) {
        Some((first, rest)) if !rest.starts_with(char::is_uppercase) => first.to_lowercase() + rest,
        _ => text.to_owned(),
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        let text = if let lexopt::Error::MissingValue { option: Some(option) } = &error {
            format!("{option}: a value is wanted behind it")
        } else if let lexopt::Error::UnexpectedValue { option, value } = &error {
            format!("{option}: no value is wanted, and there is '{}'", value.display())
        } else {
            error.to_string()
        };
        Self { is_in_help: true, ..Self::usage(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_fit_into_a_sentence() {
        let said = |text: &str| in_words(&std::io::Error::other(text));
        assert_eq!(said("Connection refused (os error 111)"), "connection refused");
        assert_eq!(said("EOF came early"), "EOF came early");
        assert_eq!(said(""), "");
        assert_eq!(said("Ärger"), "Ärger");
    }
}
