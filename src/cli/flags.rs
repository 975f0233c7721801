//! The flags of a command, as its help names them: what a person reads, the manual page and the completions cannot differ.

use instep::spelling::near;

use super::failure::Failure;

/// Dashes that a text has in the place of `-`, where it was copied from one.
pub(super) const DASHES: [char; 3] = ['\u{2013}', '\u{2014}', '\u{2212}'];

/// What is said behind the refusal of a flag: the one that was meant, where there is such a one. A letter alone is like no other.
pub(super) fn meant_flag<'a>(flag: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let word = flag.strip_prefix("--").unwrap_or_default();
    near(word, known).map_or_else(String::new, |one| format!(", did you mean --{one}?"))
}

/// A command has no such flag; its help has those that it has.
pub(super) fn no_flag(command: &str, flag: &str, help: &str) -> Failure {
    let known = flags_in(help);
    if known.iter().any(|one| flag.strip_prefix("--") == Some(one.long.as_str())) {
        return Failure::usage(format!(
            "{command}: {flag} does not go with what is to be done (try: instep {command} --help)"
        ));
    }
    let meant = meant_flag(flag, known.iter().map(|one| one.long.as_str()));
    Failure::usage(format!("{command}: there is no flag {flag}{meant} (try: instep {command} --help)"))
}

/// A flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) short: Option<char>,
    pub(super) long: String,
    /// It stands before a value.
    pub(super) takes_value: bool,
}

/// The flags in a help text: `-x, --flag VALUE` at the beginning of a line, two spaces before what it does.
pub(super) fn flags_in(help: &str) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for line in help.lines().filter(|line| line.starts_with(' ')) {
        let line = line.trim_start();
        let (short, rest) = match line.strip_prefix('-').map(|rest| rest.split_once(", --")) {
            Some(Some((short, rest))) if short.chars().count() == 1 => (short.chars().next(), rest),
            Some(_) => match line.strip_prefix("--") {
                Some(rest) => (None, rest),
                None => continue,
            },
            None => continue,
        };
        let words = rest.split("  ").next().unwrap_or_default();
        // Several may stand on a line.
        for (n, words) in words.split(", --").enumerate() {
            let (long, value) = words.split_once(' ').unwrap_or((words, ""));
            let value = value.split_whitespace().next().unwrap_or_default();
            let takes_value = value.chars().next().is_some_and(char::is_uppercase);
            if !flags.iter().any(|flag| flag.long == long) {
                flags.push(Flag { short: short.filter(|_| n == 0), long: long.to_owned(), takes_value });
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_help() {
        let flag = |short, long: &str, takes_value| Flag { short, long: long.to_owned(), takes_value };
        let help = "Usage: x --not\n\n  -a, --address HOST:PORT  where\n      --json   all\n  -q, --quiet                less\n  --time T all\n  --key FILE, --long\n  word --no\n";
        let wanted = [
            flag(Some('a'), "address", true),
            flag(None, "json", false),
            flag(Some('q'), "quiet", false),
            flag(None, "time", true),
            flag(None, "key", true),
            flag(None, "long", false),
        ];
        assert_eq!(flags_in(help), wanted);
    }
}
