//! The command line. One file per sub-command; the choice among them is made by the table in [`commands`].
//!
//! Belongs to the program, not to the library.

mod backup;
mod bench;
mod client;
mod commands;
mod completions;
#[cfg(windows)]
mod console;
mod context;
mod credentials;
mod ctl;
mod demo;
mod ending;
mod entry;
mod failure;
mod flags;
mod framed;
mod key;
mod log;
mod logger;
mod manual;
mod memory;
mod place;
mod ports;
mod print;
mod restore;
mod rules;
mod serve;
mod table;
mod terminal;
mod view;
mod visible;

use std::ffi::OsString;
use std::process::ExitCode;

use print::{complain, say};

/// Runs the sub-command that the command line names.
pub(crate) fn run() -> ExitCode {
    run_words(std::env::args_os().skip(1).collect())
}

fn run_words(words: Vec<OsString>) -> ExitCode {
    let first = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    let rest = || words.get(1..).unwrap_or_default().to_vec();
    let wants_json = words.iter().any(|word| word == "--json");
    let outcome = match (first, commands::find(first)) {
        (_, Some(command)) => (command.run)(rest()),
        ("help", _) => commands::help(&rest()),
        ("--help" | "-h", _) => say(&commands::overview()),
        ("--version" | "-V", _) => say(concat!("instep ", env!("CARGO_PKG_VERSION"), "\n")),
        (word, _) if commands::is_flag(word) => serve::run(words.clone()),
        (word, _) => Err(commands::unknown(word)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            if failure.is_in_help {
                let command = commands::find(first).map_or("serve", |command| command.name);
                failure.text.push_str(&format!(" (try: instep {command} --help)"));
            }
            if wants_json && failure.code == failure::USAGE && !failure.text.is_empty() {
                let said = serde_json::json!({"error": {"message": failure.text, "usage": true}});
                drop(say(&format!("{said}\n")));
            }
            if !failure.text.is_empty() {
                complain(&failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}
