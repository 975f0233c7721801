//! `instep restore`: a state directory from a backup.

use std::ffi::OsString;
use std::path::Path;

#[cfg(feature = "ledger")]
use instep::net::restore_state;
use lexopt::prelude::{Long, Short, Value as Word};

use super::backup::{self, Kind};
use super::failure::{Failure, in_words};
use super::flags::no_flag;
use super::print::say;

pub(super) const HELP: &str = "\
instep restore makes a state directory from a backup (instep ctl backup FILE), for an instep that does not run.

Usage: instep restore FILE --state-dir DIR

      --state-dir DIR  where sessions are kept; made if it is missing
      --replace        take the place of a state that is there: that is laid aside as sessions.redb.before

Everything is judged before anything is written. The file that is made belongs to whoever the directory belongs to.

Exit codes: 0 it is there; 1 the backup, or the directory, is of no use; 2 the command line is wrong.
";

/// Makes a state directory from a backup.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let (mut files, mut directory, mut replace) = (Vec::new(), None, false);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return say(HELP),
            Long("state-dir") => directory = Some(utf8(parser.value()?)?),
            Long("replace") => replace = true,
            Word(word) => files.push(utf8(word)?),
            Short(letter) => return Err(no_flag("restore", &format!("-{letter}"), HELP)),
            Long(long) => return Err(no_flag("restore", &format!("--{long}"), HELP)),
        }
    }
    let usage = "(usage: instep restore FILE --state-dir DIR)";
    let [file] = files.as_slice() else { return Err(Failure::usage(format!("restore: which file? {usage}"))) };
    let directory = directory.ok_or_else(|| Failure::usage(format!("restore: --state-dir is missing {usage}")))?;
    let contents = backup::read(file)?;
    if contents.kind != Kind::Backup {
        let why = format!("{file} holds one session: instep ctl session import NAME {file}, where an instep runs");
        return Err(Failure::other(why));
    }
    let sessions = contents.entries.iter().filter(|(key, _)| key.starts_with("session/")).count();
    let entries = contents.entries.into_iter().map(|(key, value)| (key.into_bytes(), value.into_bytes())).collect();
    let aside =
        restore_state(Path::new(&directory), entries, replace).map_err(|error| Failure::other(in_words(&error)))?;
    let aside = aside.map_or_else(String::new, |aside| format!("; what was there is {} now", aside.display()));
    say(&format!("{directory} has the {sessions} sessions of {file}{aside}\n"))
}

/// Without the feature there is no such directory.
#[cfg(not(feature = "ledger"))]
fn restore_state(_: &Path, _: Vec<instep::hub::ledger::Entry>, _: bool) -> std::io::Result<Option<std::path::PathBuf>> {
    Err(std::io::Error::other("this program was built without the feature `ledger`"))
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}
