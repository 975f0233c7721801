//! The command line. One file per sub-command; here is the choice among them.
//!
//! Belongs to the program, not to the library.

mod bench;
mod client;
mod credentials;
mod ctl;
mod demo;
mod failure;
mod framed;
mod key;
mod log;
mod logger;
mod memory;
mod place;
mod ports;
mod print;
mod rules;
mod serve;
mod table;
mod view;
mod visible;

use std::ffi::OsString;
use std::process::ExitCode;

use failure::Failure;
use print::{complain, say};

const HELP: &str = "\
instep keeps every participant of a distributed experiment or simulation in step.

Usage: instep [serve] [options]             run the Coordinator (see: instep serve --help)
       instep ctl [options] COMMAND ...     ask a running Coordinator or its Manager (see: instep ctl --help)
       instep view [options] [HOST:PORT]    watch a session as a viewer (see: instep view --help)
       instep log [options] FILE            say what a simulation log holds (see: instep log --help)
       instep bench KIND [options]          load a Coordinator and measure it (see: instep bench --help)
       instep key new FILE                  make a pair of keys for CURVE (see: instep key --help)
       instep token new USER                make a token for a user (see: instep token --help)
       instep may USER ACTION [TARGET]      say what a user may (see: instep may --help)
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
        "key" => key::run(rest()),
        "token" => rules::token(rest()),
        "may" => rules::may(rest()),
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
            if !failure.text.is_empty() {
                complain(&failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}
