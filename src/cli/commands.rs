//! The sub-commands of the program: one table, from which the overview, the manual page and the completions are printed.

use std::ffi::OsString;

use instep::spelling::meant;

use super::entry::Entry;
use super::failure::Failure;
use super::flags::{DASHES, flags_in};
use super::print::say;
use super::serve::topics::{self, Topic};
use super::{bench, completions, ctl, demo, key, log, manual, restore, rules, serve, view};

/// Every sub-command.
pub(super) const COMMANDS: &[Entry] = &[
    Entry {
        name: "serve",
        words: "[options]",
        about: "run the Coordinator; so does instep alone",
        help: topics::help,
        run: serve::run,
    },
    Entry {
        name: "demo",
        words: "[--page]",
        about: "see in ten seconds, or in a browser, what shared sessions are",
        help: || demo::HELP.to_owned(),
        run: demo::run,
    },
    Entry {
        name: "ctl",
        words: "COMMAND ...",
        about: "ask a running Coordinator, its Manager and sessions",
        help: ctl::help,
        run: ctl::run,
    },
    Entry {
        name: "view",
        words: "[options] [FILE]",
        about: "watch a session as a viewer",
        help: || view::HELP.to_owned(),
        run: view::run,
    },
    Entry {
        name: "log",
        words: "[options] FILE",
        about: "say what a simulation log holds",
        help: || log::HELP.to_owned(),
        run: log::run,
    },
    Entry {
        name: "record",
        words: "FILE [TOPIC ...]",
        about: "write published data into a file",
        help: || ctl::help_of("record"),
        run: |words| ctl::run_as("record", words),
    },
    Entry {
        name: "replay",
        words: "FILE [--speed X]",
        about: "publish it again, or print it",
        help: || ctl::help_of("replay"),
        run: |words| ctl::run_as("replay", words),
    },
    Entry {
        name: "restore",
        words: "FILE --state-dir DIR",
        about: "make a state directory from a backup",
        help: || restore::HELP.to_owned(),
        run: restore::run,
    },
    Entry {
        name: "bench",
        words: "KIND [options]",
        about: "load a Coordinator and measure it",
        help: || bench::HELP.to_owned(),
        run: bench::run,
    },
    Entry {
        name: "key",
        words: "new FILE",
        about: "make a pair of keys for CURVE",
        help: || key::HELP.to_owned(),
        run: key::run,
    },
    Entry {
        name: "token",
        words: "new USER",
        about: "make a token for a user",
        help: || rules::TOKEN_HELP.to_owned(),
        run: rules::token,
    },
    Entry {
        name: "may",
        words: "USER ACTION [TARGET]",
        about: "say what a user may",
        help: || rules::MAY_HELP.to_owned(),
        run: rules::may,
    },
    Entry {
        name: "man",
        words: "",
        about: "print the manual page: instep man | man -l -",
        help: || manual::HELP.to_owned(),
        run: |words| manual::run(words, COMMANDS),
    },
    Entry {
        name: "completions",
        words: "SHELL",
        about: "print what completes words in bash, zsh or fish",
        help: || completions::HELP.to_owned(),
        run: |words| completions::run(words, COMMANDS),
    },
];

/// The sub-command of this name.
pub(super) fn find(word: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|command| command.name == word)
}

/// What the program is, in a screen.
pub(super) fn overview() -> String {
    let mut text = String::from(
        "instep keeps every participant of a distributed experiment or simulation in step.\n\n\
         Usage: instep [COMMAND] [options]\n\n",
    );
    for command in COMMANDS {
        let usage = format!("{} {}", command.name, command.words);
        text.push_str(&format!("  {usage:<26} {}\n", command.about));
    }
    text.push_str(
        "\n  -h, --help      show this help\n  -V, --version   show the version\n\n\
         instep alone listens on port 12300 and says what to type next. More of each: instep help COMMAND; of the settings,\n\
         which are flags (-p, --port X), keys of a file (--config, --print-config) and variables (INSTEP_PORT):\n\
         instep help settings, or one of\n\n",
    );
    text + &topics::words()
}

/// `instep help`, and what stands behind it.
pub(super) fn help(words: &[OsString]) -> Result<(), Failure> {
    let [word, rest @ ..] = words else { return say(&overview()) };
    let word = word.to_string_lossy();
    if let Some(command) = find(&word) {
        if rest.is_empty() {
            return say(&(command.help)());
        }
        return (command.run)([rest, &["--help".into()]].concat());
    }
    match Topic::find(&word) {
        Some(topic) => say(&topic.help()),
        None if word == "settings" => say(&topics::all()),
        None => {
            let known = COMMANDS.iter().map(|command| command.name);
            let meant = meant(&word, known.chain(topics::TOPICS.iter().map(|topic| topic.word)).chain(["settings"]));
            Err(Failure::usage(format!("help: there is nothing about '{word}'{meant} (try: instep --help)")))
        }
    }
}

/// What people type who mean another word: that one, as it is typed.
const OTHERS: [(&[&str], &str); 4] = [
    (&["start", "run", "up", "daemon"], "instep serve"),
    (&["stop", "kill", "quit", "down"], "instep ctl shutdown"),
    (&["version", "-version"], "instep --version"),
    (&["-help", "-?", "/?", "usage"], "instep --help"),
];
/// Whether a first word is a flag, or none at all, and what is meant is to serve. One that begins with one dash and is written like a
/// flag that has two is none.
pub(super) fn is_flag(word: &str) -> bool {
    let is_long = |rest: &str| flags_in(&topics::all()).iter().any(|flag| flag.long.len() > 1 && flag.long == rest);
    let is_other = OTHERS.iter().any(|(words, _)| words.contains(&word));
    word.is_empty() || (!is_other && word.strip_prefix('-').is_some_and(|rest| !is_long(rest)))
}

/// The word is no command.
pub(super) fn unknown(word: &str) -> Failure {
    let meant = meant(word, COMMANDS.iter().map(|command| command.name).chain(["help"]));
    let lower = word.to_lowercase();
    let other = OTHERS.iter().find(|(words, _)| words.contains(&lower.as_str()));
    // Those of the family are what one looks for first.
    let wanted = if let Some((_, other)) = other {
        format!(", did you mean: {other}?")
    } else if let Some(rest) = word.strip_prefix(DASHES) {
        format!(": that is no hyphen in front of it, did you mean --{}?", rest.trim_start_matches(DASHES))
    } else if let Some(rest) = word.strip_prefix('-') {
        format!(", did you mean --{rest}?")
    } else if !meant.is_empty() {
        meant
    } else if ctl::names().any(|name| name == word) {
        format!(", but instep ctl {word}")
    } else if word.bytes().all(|byte| byte.is_ascii_digit()) {
        format!(", did you mean: instep --port {word}?")
    } else if word.ends_with(".toml") {
        format!(", did you mean: instep --config {word}?")
    } else if [".log", ".vlog", ".7z", ".xz", ".gz"].iter().any(|end| word.ends_with(end)) {
        format!(", did you mean: instep log {word}?")
    } else if word.contains(':') {
        format!(", did you mean: instep ctl -a {word} status?")
    } else {
        String::new()
    };
    Failure::usage(format!("there is no command '{word}'{wanted} (try: instep --help)"))
}
