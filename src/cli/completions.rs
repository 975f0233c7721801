//! `instep completions`: what completes words on the command line, from the tables of commands and settings.

use std::ffi::OsString;
use std::fmt::Write as _;

use instep::spelling::meant;

use super::ctl;
use super::entry::Entry;
use super::failure::Failure;
use super::flags::{Flag, flags_in};
use super::print::say;
use super::rules::plain_words;
use super::serve::topics;

pub(super) const HELP: &str = "\
instep completions prints a script by which a shell completes the words of instep.

Usage: instep completions bash    into share/bash-completion/completions/instep, or: source <(instep completions bash)
       instep completions zsh     into a directory of $fpath, as _instep
       instep completions fish    into share/fish/vendor_completions.d/instep.fish
";

/// What makes the script of a shell.
type Script = fn(&[Entry]) -> String;

const SHELLS: [(&str, Script); 3] = [("bash", bash), ("zsh", zsh), ("fish", fish)];

/// Prints the script of a shell.
pub(super) fn run(words: Vec<OsString>, all: &[Entry]) -> Result<(), Failure> {
    let Some(words) = plain_words(words, "completions", HELP)? else { return Ok(()) };
    let usage = "(usage: instep completions bash|zsh|fish)";
    let [shell] = words.as_slice() else {
        return Err(Failure::usage(format!("completions: bash, zsh or fish? {usage}")));
    };
    match SHELLS.iter().find(|(name, _)| name == shell) {
        Some((_, script)) => say(&script(all)),
        None => {
            let meant = meant(shell, SHELLS.map(|(name, _)| name));
            Err(Failure::usage(format!("completions: there is none for '{shell}'{meant} {usage}")))
        }
    }
}

/// The places in which words are completed: the words before, those that may come, and the flags.
fn places(all: &[Entry]) -> Vec<(&'static str, Vec<&'static str>, Vec<Flag>)> {
    let mut places = Vec::new();
    for command in all {
        let (words, help) = match command.name {
            "serve" => (Vec::new(), (command.help)() + &topics::all()),
            "ctl" => (ctl::names().collect(), (command.help)()),
            "bench" => (vec!["throughput", "latency", "session", "c2sim"], (command.help)()),
            "key" => (vec!["new", "show"], (command.help)()),
            "token" => (vec!["new"], (command.help)()),
            "completions" => (SHELLS.iter().map(|(name, _)| *name).collect(), (command.help)()),
            _ => (Vec::new(), (command.help)()),
        };
        places.push((command.name, words, flags_in(&help)));
    }
    places
}

/// Each flag as it is typed.
fn typed(flags: &[Flag]) -> String {
    let mut words = Vec::new();
    for flag in flags {
        words.extend(flag.short.map(|short| format!("-{short}")));
        words.push(format!("--{}", flag.long));
    }
    words.join(" ")
}

fn commands(all: &[Entry]) -> String {
    all.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

/// The body of a case for each place, for shells that have POSIX's.
fn cases(all: &[Entry], put: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for (name, words, flags) in places(all) {
        let all = format!("{} {}", words.join(" "), typed(&flags));
        let written = writeln!(out, "    {name}) {} ;;", put(all.trim()));
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    out
}

/// The flags of the program without a command, which serves then.
fn serving(all: &[Entry]) -> Vec<Flag> {
    places(all).into_iter().find(|(name, ..)| *name == "serve").map_or_else(Vec::new, |(_, _, flags)| flags)
}

fn bash(all: &[Entry]) -> String {
    let serve = serving(all);
    let families: String = ctl::families()
        .map(|(word, names)| {
            format!(
                "  elif [ \"${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}\" = 'ctl {word}' ]; then words='{}'\n",
                names.join(" ")
            )
        })
        .collect();
    format!(
        "# bash completion for instep; printed by: instep completions bash\n\
         _instep() {{\n\
         \x20 local current=${{COMP_WORDS[COMP_CWORD]}} words=\n\
         \x20 if [ \"$COMP_CWORD\" = 1 ]; then words='{} help {}'\n\
         {families}\
         \x20 else case ${{COMP_WORDS[1]}} in\n{}\
         \x20   help) words='{}' ;;\n\
         \x20   -*) words='{}' ;;\n\
         \x20 esac; fi\n\
         \x20 COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n\
         \x20 [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$current\"))\n\
         }}\n\
         complete -o filenames -F _instep instep\n",
        commands(all),
        typed(&serve),
        cases(all, |words| format!("words='{words}'")),
        commands(all),
        typed(&serve),
    )
}

fn zsh(all: &[Entry]) -> String {
    let families: String = ctl::families()
        .map(|(word, names)| {
            format!(
                "  if [[ \"$words[2] $words[CURRENT-1]\" == 'ctl {word}' ]]; then compadd {}; return; fi\n",
                names.join(" ")
            )
        })
        .collect();
    let flags = typed(&serving(all));
    format!(
        "#compdef instep\n# printed by: instep completions zsh\n\
         _instep() {{\n\
         \x20 if (( CURRENT == 2 )); then compadd -- {} help {flags}; return; fi\n\
         {families}\
         \x20 case $words[2] in\n{}\
         \x20   help) compadd {} ;;\n\
         \x20   -*) compadd -- {flags} ;;\n\
         \x20 esac\n\
         \x20 _files\n\
         }}\n\
         _instep \"$@\"\n",
        commands(all),
        cases(all, |words| format!("compadd -- {words}")),
        commands(all),
    )
}

/// A flag as fish is told of it.
fn in_fish(flag: &Flag) -> String {
    let short = flag.short.map_or_else(String::new, |short| format!(" -s {short}"));
    let value = if flag.takes_value { " -r" } else { "" };
    format!("-l {}{short}{value}", flag.long)
}

fn fish(all: &[Entry]) -> String {
    let mut out = String::from("# fish completion for instep; printed by: instep completions fish\n");
    let mut put = |text: std::fmt::Arguments<'_>| {
        let written = out.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    for command in all {
        let about = command.about.replace('\'', "\\'");
        put(format_args!("complete -c instep -n __fish_use_subcommand -a {} -d '{about}'\n", command.name));
    }
    let seen = "__fish_seen_subcommand_from";
    let before = format!("-n 'not {seen} {}'", commands(all));
    for flag in serving(all) {
        put(format_args!("complete -c instep {before} {}\n", in_fish(&flag)));
    }
    for (name, words, flags) in places(all) {
        let words = words.join(" ");
        if !words.is_empty() {
            // One of them is enough, and no file is one.
            put(format_args!("complete -c instep -n '{seen} {name}; and not {seen} {words}' -f -a '{words}'\n"));
        }
        for flag in flags {
            put(format_args!("complete -c instep -n '{seen} {name}' {}\n", in_fish(&flag)));
        }
    }
    for (word, names) in ctl::families() {
        let names = names.join(" ");
        put(format_args!("complete -c instep -n '{seen} {word}; and not {seen} {names}' -f -a '{names}'\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use instep::config::SETTINGS;

    use super::super::commands::COMMANDS;
    use super::*;

    #[test]
    fn every_shell_knows_every_command_and_setting() {
        for (shell, script) in SHELLS {
            let script = script(COMMANDS);
            let of_families = ctl::families().flat_map(|(_, names)| names);
            for name in COMMANDS.iter().map(|command| command.name).chain(ctl::names()).chain(of_families) {
                assert!(script.contains(name), "{shell}: {name}");
            }
            for setting in SETTINGS {
                assert!(script.contains(&setting.flag()), "{shell}: {}", setting.key);
            }
            assert!(["--pairs", "-l pairs"].iter().any(|flag| script.contains(flag)), "{shell}");
        }
    }
}
