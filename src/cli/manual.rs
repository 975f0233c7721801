//! `instep man`: the manual page in roff, from the tables of commands and settings.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::ctl;
use super::entry::Entry;
use super::failure::Failure;
use super::print::say;
use super::rules::plain_words;
use super::serve::topics::{FLAGS, TOPICS, default_of, letter};

pub(super) const HELP: &str = "\
instep man prints the manual page of instep.

Usage: instep man            for man: instep man | man -l -, or into share/man/man1/instep.1
";

/// Prints the page.
pub(super) fn run(words: Vec<OsString>, all: &[Entry]) -> Result<(), Failure> {
    let Some(words) = plain_words(words, "man", HELP)? else { return Ok(()) };
    match words.first() {
        None => say(&page(all)),
        Some(word) => Err(Failure::usage(format!("man: '{word}' is one word too many (usage: instep man)"))),
    }
}

/// A text as roff prints it: no line of it begins a request, no letter of it is one.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    let lines = text.lines().map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

/// The whole page.
fn page(all: &[Entry]) -> String {
    let mut out = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| {
        let written = out.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    let version = env!("CARGO_PKG_VERSION");
    put(format_args!(".TH INSTEP 1 \"\" \"instep {version}\" \"User Commands\"\n"));
    put(format_args!(".SH NAME\ninstep \\- LECO Coordinator, viewer Manager and C2SIM session server\n"));
    put(format_args!(".SH SYNOPSIS\n.B instep\n[\\fICOMMAND\\fR] [\\fIoptions\\fR]\n"));
    put(format_args!(
        ".SH DESCRIPTION\ninstep keeps every participant of a distributed experiment or simulation in step: Components of a\n\
         laboratory by name, viewers of a rescue simulation by session, members of a C2SIM federation by state.\n\
         Without a command it serves.\n"
    ));
    put(format_args!(".SH COMMANDS\n"));
    for command in all {
        put(format_args!(".TP\n.B {} \\fR{}\n{}\n", command.name, plain(command.words), plain(command.about)));
    }
    put(format_args!(".SH SETTINGS\nEach is a flag, a key of the file with _ for \\-, and a variable INSTEP_KEY.\n"));
    for (flag, about) in FLAGS {
        put(format_args!(".TP\n.B {}\n{}\n", plain(flag.trim()), plain(about)));
    }
    for topic in TOPICS {
        put(format_args!(".SS {}: {}\n", plain(topic.word), plain(topic.about)));
        for setting in topic.settings() {
            let short = letter(setting).map_or_else(String::new, |letter| format!("\\-{letter}, "));
            let value = if setting.is_switch { "" } else { " \\fIX\\fR" };
            let (flag, about) = (plain(&setting.flag()), plain(setting.help));
            put(format_args!(".TP\n.B {short}\\-\\-{flag}{value}\n{about}{}\n", plain(&default_of(setting))));
        }
    }
    put(format_args!(".SH CTL\n"));
    for (usage, about) in ctl::usages() {
        put(format_args!(".TP\n.B ctl {}\n{}\n", plain(&usage), plain(about)));
    }
    for command in all.iter().filter(|command| !["serve", "ctl"].contains(&command.name)) {
        put(format_args!(".SH {}\n.nf\n{}\n.fi\n", command.name.to_uppercase(), plain(&(command.help)())));
    }
    put(format_args!(
        ".SH FILES\n.TP\n.I /etc/instep.toml\nthe settings of the service, as a package installs it\n\
         .TP\n.I sessions.redb\nin state_dir: the sessions that outlive the process\n\
         .TP\n.I instep/contexts.toml\nbelow XDG_CONFIG_HOME, or ~/.config: the names of instep ctl context\n"
    ));
    put(format_args!(
        ".SH ENVIRONMENT\n.TP\n.B INSTEP_KEY\nof a setting's key, in upper case: the setting\n.TP\n.B INSTEP_CONFIG\nthe file\n\
         .TP\n.B INSTEP_ADDRESS\nthe Coordinator that ctl, view and bench ask\n\
         .TP\n.B INSTEP_CONTEXT\nthe same by a name of instep ctl context\n\
         .TP\n.B INSTEP_TOKEN_FILE\nthe file of the token that they show\n"
    ));
    put(format_args!(
        ".SH EXIT STATUS\n0 it worked, 1 it was refused or failed, 2 the command line or a setting is wrong, 3 nobody is there or answers in time.\n"
    ));
    out
}

#[cfg(test)]
mod tests {
    use instep::config::SETTINGS;

    use super::super::commands::COMMANDS;
    use super::*;

    #[test]
    fn the_page_has_every_command_and_setting_and_no_request_by_accident() {
        let page = page(COMMANDS);
        for setting in SETTINGS {
            assert!(page.contains(&format!("\\-\\-{}", plain(&setting.flag()))), "{}", setting.key);
        }
        assert!(COMMANDS.iter().all(|command| page.contains(&format!(".B {} ", command.name))));
        assert!(ctl::usages().all(|(usage, _)| page.contains(&format!(".B ctl {}\n", plain(&usage)))));
        let requests = [".TH", ".SH", ".SS", ".TP", ".B", ".I", ".nf", ".fi"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().unwrap_or_default();
            assert!(requests.contains(&request), "{line}");
        }
        assert_eq!(plain(".x\\y 'z'"), "\\&.x\\ey \\(aqz\\(aq");
    }
}
