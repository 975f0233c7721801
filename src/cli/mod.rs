//! The command line. One file per sub-command; what they share is here: the choice of the sub-command, printing, exit codes.
//!
//! Belongs to the program, not to the library.

mod bench;
mod client;
mod ctl;
mod demo;
mod framed;
mod log;
mod logger;
mod serve;
mod table;
mod view;

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Exit code for a wrong flag, key or value.
pub(crate) const USAGE: u8 = 2;
/// Exit code when nobody is there, or nobody answers in time.
pub(crate) const NOBODY: u8 = 3;

/// Why the program ends with an error: one line for people, one number for scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self { code: USAGE, text: text.to_string() }
    }

    /// Something else went wrong.
    pub(crate) fn other(text: impl fmt::Display) -> Self {
        Self { code: 1, text: text.to_string() }
    }

    /// Nobody is there, or nobody answers in time.
    pub(crate) fn nobody(text: impl fmt::Display) -> Self {
        Self { code: NOBODY, text: text.to_string() }
    }
}

/// An error of the operating system as it stands in a sentence: small letters, no number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    match text.split_at_checked(1) {
        Some((first, rest)) if !rest.starts_with(char::is_uppercase) => first.to_lowercase() + rest,
        _ => text.to_owned(),
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error)
    }
}

const HELP: &str = "\
instep keeps every participant of a distributed experiment or simulation in step.

Usage: instep [serve] [options]             run the Coordinator (see: instep serve --help)
       instep ctl [options] COMMAND ...     ask a running Coordinator or its Manager (see: instep ctl --help)
       instep view [options] [HOST:PORT]    watch a session as a viewer (see: instep view --help)
       instep log [options] FILE            say what a simulation log holds (see: instep log --help)
       instep bench KIND [options]          load a Coordinator and measure it (see: instep bench --help)
       instep demo                          see in ten seconds what shared sessions are

  -h, --help      show this help
  -V, --version   show the version
";

/// Runs the sub-command that the command line names.
pub(crate) fn run() -> ExitCode {
    run_words(std::env::args_os().skip(1).collect())
}

fn run_words(words: Vec<OsString>) -> ExitCode {
    let first = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    let rest = || words.get(1..).unwrap_or_default().to_vec();
    let outcome = match first {
        "serve" => serve::run(rest()),
        "ctl" => ctl::run(rest()),
        "view" => view::run(rest()),
        "log" => log::run(rest()),
        "bench" => bench::run(rest()),
        "demo" => demo::run(rest()),
        "help" if rest().is_empty() => say(HELP),
        "help" => return run_words([rest(), vec!["--help".into()]].concat()),
        "--help" | "-h" => say(HELP).and_then(|()| say("\n")).and_then(|()| serve::help()),
        "--version" | "-V" => say(concat!("instep ", env!("CARGO_PKG_VERSION"), "\n")),
        word if word.starts_with('-') || word.is_empty() => serve::run(words),
        word => Err(Failure::usage(format!("there is no command '{word}' (try: instep --help)"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let written = writeln!(std::io::stderr(), "instep: {}", failure.text);
            debug_assert!(written.is_ok(), "standard error takes a line");
            ExitCode::from(failure.code)
        }
    }
}

/// Prints to standard output; a closed pipe is the reader's wish to stop.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::other(error)),
        _ => Ok(()),
    }
}

/// Prints a line, all at once; false when nobody reads any more.
pub(crate) fn print(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::other(plain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_fit_into_a_sentence() {
        let said = |text: &str| plain(&std::io::Error::other(text));
        assert_eq!(said("Connection refused (os error 111)"), "connection refused");
        assert_eq!(said("EOF came early"), "EOF came early");
        assert_eq!(said(""), "");
        assert_eq!(said("Ärger"), "Ärger");
    }
}
