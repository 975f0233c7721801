//! The command line of `instep ctl`: from words to a command of the table with its arguments, and from the table to the help texts.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use instep::leco::DEFAULT_PORT;
use instep::leco::address;
use instep::spelling::meant;
use lexopt::prelude::{Long, Short, Value as Word};

use super::super::credentials;
use super::super::failure::Failure;
use super::super::flags::{DASHES, flags_in, meant_flag};
use super::super::place;
use super::super::print::say;
use super::command::{Argument, Command, Commands, Family, Given};
use Argument::{Many, May, Must, Number, Switch, Text};

/// The command line, taken apart.
pub(super) struct Parsed {
    pub(super) command: &'static Command,
    pub(super) given: Given,
    /// Whom to ask; empty where the command asks nobody.
    pub(super) address: String,
    pub(super) control: Option<String>,
    pub(super) timeout: Duration,
    pub(super) json: bool,
}

/// What has been said of the command so far.
#[derive(Clone, Copy)]
enum Said {
    Nothing,
    /// The first of two words.
    Family(&'static Family),
    Command(&'static Command),
}

impl Said {
    /// What it is with one more word.
    fn and(self, word: &str, commands: Commands) -> Result<Self, Failure> {
        let family = match self {
            Self::Nothing => commands.families.iter().find(|family| family.word == word),
            Self::Family(_) | Self::Command(_) => None,
        };
        if let Some(family) = family {
            return Ok(Self::Family(family));
        }
        let (front, table) = match self {
            Self::Family(family) => (family.word, family.commands),
            Self::Nothing | Self::Command(_) => ("", commands.plain),
        };
        let name = format!("{front} {word}");
        let known = table.iter().find(|command| command.name == name.trim_start());
        known.map(Self::Command).ok_or_else(|| {
            let path = ["ctl", front].join(" ");
            let path = path.trim_end();
            let known = table.iter().filter_map(|command| command.name.split(' ').next_back());
            let families = commands.families.iter().filter(|_| front.is_empty());
            let of_family = families.clone().find(|family| family.has(word)).map(|family| family.word);
            let meant = match of_family {
                Some(family) => format!(", but instep ctl {family} {word}"),
                None if word.starts_with(DASHES) => ": that is no hyphen in front of it".to_owned(),
                None => meant(word, known.chain(families.map(|family| family.word))),
            };
            Failure::usage(format!("{path} has no command '{word}'{meant} (try: instep {path} --help)"))
        })
    }

    const fn command(self) -> Option<&'static Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Nothing | Self::Family(_) => None,
        }
    }
}

/// Takes the command line apart; `None` when it asked for help and got it.
pub(super) fn parse(words: Vec<OsString>, commands: Commands) -> Result<Option<Parsed>, Failure> {
    let mut said = Said::Nothing;
    let mut given = Given::default();
    let mut address = None;
    let mut control = None;
    let mut timeout = Duration::from_secs(5);
    let mut json = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => {
                return say(&match said {
                    Said::Command(command) => help_of("instep ctl", command),
                    Said::Family(family) => family_help(family),
                    Said::Nothing => help(commands),
                })
                .map(|()| None);
            }
            Short('a') | Long("address") => {
                let text = utf8(parser.value()?)?;
                address = Some(place::named("--address", &text)?);
            }
            Long("context") => address = Some(place::of_context("--context", &utf8(parser.value()?)?)?),
            Long("control") => {
                let text = utf8(parser.value()?)?;
                control = Some(address::with_port_or(&text, DEFAULT_PORT + 10).ok_or_else(|| {
                    Failure::usage(format!("--control '{text}': a host and port like 127.0.0.1:12310 is wanted"))
                })?);
            }
            Short('t') | Long("timeout") => {
                let text = utf8(parser.value()?)?;
                let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
                timeout = Duration::from_secs_f64(seconds.ok_or_else(|| {
                    Failure::usage(format!("--timeout '{text}': a number of seconds from 0.001 to 86400 is wanted"))
                })?);
            }
            Long(long @ ("token-file" | "key" | "server-key")) => credentials::of_flag(long).take(parser.value()?)?,
            Long("json") => json = true,
            Word(word) => {
                let word = utf8(word)?;
                if said.command().is_some() {
                    given.words.push(word);
                } else {
                    said = said.and(&word, commands)?;
                }
            }
            Short(letter) => flag(said.command(), &mut given, &format!("-{letter}"), &mut parser)?,
            Long(long) => {
                let long = format!("--{long}");
                flag(said.command(), &mut given, &long, &mut parser)?;
            }
        }
    }
    let command = match said {
        Said::Command(command) => command,
        Said::Family(family) => return say(&family_help(family)).map(|()| None),
        Said::Nothing => return say(&help(commands)).map(|()| None),
    };
    let names: Vec<(&str, bool)> = command.arguments.iter().filter_map(Argument::word).collect();
    let wrong = match (names.get(given.words.len()), given.words.get(names.len())) {
        (Some((name, true)), _) => Some(format!("{name} is missing")),
        (_, Some(word)) if !command.arguments.iter().any(|argument| matches!(argument, Many(_))) => {
            Some(format!("'{word}' is one word too many"))
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        return Err(Failure::usage(format!("{}: {wrong} (usage: instep ctl {})", command.name, usage(command))));
    }
    let is_asked = !commands
        .families
        .iter()
        .any(|family| !family.asks && family.commands.iter().any(|one| core::ptr::eq(one, command)));
    let address = match address {
        None if is_asked => place::usual()?,
        named => named.unwrap_or_default(),
    };
    credentials::check()?;
    Ok(Some(Parsed { command, given, address, control, timeout, json }))
}

/// Takes a flag of the command's own.
fn flag(
    command: Option<&'static Command>,
    given: &mut Given,
    flag: &str,
    parser: &mut lexopt::Parser,
) -> Result<(), Failure> {
    for argument in command.map_or(&[][..], |command| command.arguments) {
        match *argument {
            Switch { long, .. } if flag.strip_prefix("--") == Some(long) => {
                given.switches.push(long);
                return Ok(());
            }
            Number { short, long, .. } if flag.strip_prefix("--") == Some(long) || *flag == *format!("-{short}") => {
                let text = utf8(parser.value()?)?;
                let number = text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                    Failure::usage(format!("{flag} '{text}': a whole number of at least 1 is wanted"))
                })?;
                given.numbers.push((long, number));
                return Ok(());
            }
            Text { long, .. } if flag.strip_prefix("--") == Some(long) => {
                given.texts.push((long, utf8(parser.value()?)?));
                return Ok(());
            }
            Must(_) | May(_) | Many(_) | Switch { .. } | Number { .. } | Text { .. } => {}
        }
    }
    let common = flags_in(OPTIONS);
    let own = command.map_or(&[][..], |command| command.arguments).iter().filter_map(|argument| match argument {
        Switch { long, .. } | Number { long, .. } | Text { long, .. } => Some(*long),
        Must(_) | May(_) | Many(_) => None,
    });
    let meant = meant_flag(flag, common.iter().map(|flag| flag.long.as_str()).chain(own));
    Err(Failure::usage(match command {
        Some(command) => format!("{}: there is no flag {flag}{meant} (try: instep ctl {0} --help)", command.name),
        None => format!("ctl: there is no flag {flag}{meant} before a command (try: instep ctl --help)"),
    }))
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}

/// The command's name and arguments as one types them.
pub(super) fn usage(command: &Command) -> String {
    let mut text = command.name.to_owned();
    let is_text = |argument: &&Argument| matches!(argument, Text { .. });
    let many = command.arguments.iter().filter(is_text).count() > 2;
    for argument in command.arguments.iter().filter(|argument| !many || !is_text(argument)) {
        let written = match argument {
            Must(name) => write!(text, " {name}"),
            May(name) => write!(text, " [{name}]"),
            Many(name) => write!(text, " [{name}...]"),
            Switch { long, .. } => write!(text, " [--{long}]"),
            Number { short, .. } => write!(text, " [-{short} N]"),
            Text { long, word, .. } => write!(text, " [--{long} {word}]"),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    if many {
        text.push_str(" [options]");
    }
    text
}

/// The options that every command has.
const OPTIONS: &str =
    "  -a, --address HOST:PORT    the Coordinator, or a context [INSTEP_ADDRESS, the one in use, or 127.0.0.1:12300]
      --context NAME         the Coordinator of that name, with its keys (see: ctl context; also: INSTEP_CONTEXT)
      --control HOST:PORT    the Manager's control port [as the Coordinator says]
      --token-file FILE      the token to show, where that is asked (also: INSTEP_TOKEN_FILE)
      --key FILE             our secret key: what goes over LECO is encrypted (also: INSTEP_KEY)
      --server-key KEY|FILE  and the public key that the Coordinator must have (also: INSTEP_SERVER_KEY)
  -t, --timeout SECONDS      longest wait for an answer [5]
      --json                 one JSON document instead of text (watch: one a line); {\"error\": ...} when refused
";

/// A line for each command; of a family's, without the word of the family.
fn lines(commands: &[Command]) -> String {
    let mut usages = Vec::new();
    for command in commands {
        let usage = usage(command);
        let family = if command.name.contains(' ') { usage.split_once(' ') } else { None };
        usages.push(family.map_or_else(|| usage.clone(), |(_, rest)| rest.to_owned()));
    }
    let width = usages.iter().map(String::len).max().unwrap_or(0).max(29);
    let mut text = String::new();
    for (command, usage) in commands.iter().zip(usages) {
        let written = writeln!(text, "  {usage:<width$} {}", command.help);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text
}

fn family_help(family: &Family) -> String {
    let Family { word, sentence, .. } = family;
    let text = format!(
        "instep ctl {word} {sentence}\n\n\
         Usage: instep ctl [options] {word} COMMAND ...   (see: instep ctl {word} COMMAND --help)\n\n"
    );
    text + &lines(family.commands) + family.help + "\n" + OPTIONS + EXITS
}

/// What the program's end says.
const EXITS: &str = "\nExit codes: 0 it worked, 1 it was refused or failed, 2 the command line is wrong, 3 nobody is there or answers in time.\n";

pub(super) fn help(commands: Commands) -> String {
    let mut text = "instep ctl asks a running Coordinator, and the components behind it.\n\n\
                    Usage: instep ctl [options] COMMAND ...\n\n"
        .to_owned();
    text.push_str(&lines(commands.plain));
    for Family { word, about, .. } in commands.families {
        let usage = format!("{word} COMMAND ...");
        text.push_str(&format!("  {usage:<29} {about} (see: instep ctl {word} --help)\n"));
    }
    text.push_str(
        "\nFrom open to exit, the commands go to the Manager's control port, which listens on 127.0.0.1 unless it is told\n\
         otherwise (control_bind). ID is a number that the Manager gave; [ID...]: without one, all are meant.\n",
    );
    text.push_str(
        "\nNAME is the name of a component of the Coordinator's node, or a full name like N1.CA; N1.COORDINATOR is the\n\
         Coordinator of the node N1. Without NAME, the Coordinator itself is meant. For example:\n\n\
         \x20 instep ctl call N1.CA get_parameters '{\"parameters\": [\"voltage\"]}'\n\n",
    );
    text + OPTIONS + EXITS
}

/// Help of a command that is typed behind `program`.
pub(super) fn help_of(program: &str, command: &Command) -> String {
    let mut text = format!("{program} {}: {}\n\n", usage(command), command.help);
    for argument in command.arguments {
        let written = match argument {
            Switch { long, help } => writeln!(text, "      --{long:<20} {help}"),
            Number { short, long, help } => writeln!(text, "  -{short}, --{:<20} {help}", format!("{long} N")),
            Text { long, word, help } => writeln!(text, "      --{:<20} {help}", format!("{long} {word}")),
            Must(_) | May(_) | Many(_) => Ok(()),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text.push_str(OPTIONS);
    text
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    fn parsed(words: &str) -> Result<Parsed, String> {
        match parse(words.split_whitespace().map(OsString::from).collect(), ALL) {
            Ok(parsed) => Ok(parsed.expect("no help was asked for")),
            Err(failure) => {
                assert_eq!(failure.code, super::super::super::failure::USAGE);
                assert!(!failure.text.contains('\n'), "{}", failure.text);
                Err(failure.text)
            }
        }
    }

    #[test]
    fn options_stand_before_and_behind_the_command() {
        let all = parsed("-a h --json ping CA -n 3 -t 0.5").unwrap_or_else(|text| panic!("{text}"));
        assert_eq!((all.command.name, all.address.as_str(), all.json), ("ping", "h:12300", true));
        assert_eq!((all.given.name(0), all.given.number("count")), ("CA", Some(3)));
        assert_eq!(all.timeout, Duration::from_millis(500));
        let all = parsed("components --local").unwrap_or_else(|text| panic!("{text}"));
        assert!(all.given.switch("local") && !all.given.switch("all") && !all.json);
        assert_eq!(all.address, "127.0.0.1:12300");
        let all = parsed("session create a --schema 1.0.1 --title=T --json").unwrap_or_else(|text| panic!("{text}"));
        assert_eq!((all.command.name, all.given.word(0), all.json), ("session create", "a", true));
        assert_eq!(["schema", "title", "about"].map(|long| all.given.text(long)), [Some("1.0.1"), Some("T"), None]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, wanted) in [
            ("node", "ctl has no command 'node'"),
            ("session begin", "ctl session has no command 'begin' (try: instep ctl session --help)"),
            ("session info", "session info: NAME is missing (usage: instep ctl session info NAME)"),
            ("session complete a --at 5", "session complete: there is no flag --at"),
            ("nodes x", "nodes: 'x' is one word too many (usage: instep ctl nodes)"),
            ("call CA", "call: METHOD is missing (usage: instep ctl call NAME METHOD [JSON|K=V...])"),
            ("ping -n 0", "-n '0': a whole number"),
            ("ping --count x", "--count 'x': a whole number"),
            ("ping --all", "ping: there is no flag --all (try: instep ctl ping --help)"),
            ("--all counters", "ctl: there is no flag --all before a command"),
            ("-a x:y nodes", "--address 'x:y': a host and port"),
            ("-t 0 nodes", "--timeout '0': a number"),
            ("-t NaN nodes", "--timeout 'NaN': a number"),
        ] {
            let said = parsed(words).map(|_| ()).unwrap_err();
            assert!(said.starts_with(wanted), "{words}: {said}");
        }
    }

    #[test]
    fn every_command_can_be_read_about() {
        let all = help(ALL);
        let families: String = ALL.families.iter().map(family_help).collect();
        let of_families = ALL.families.iter().flat_map(|family| family.commands);
        for command in ALL.plain.iter().chain(of_families) {
            let all = if command.name.contains(' ') { &families } else { &all };
            let name = command.name.split(' ').next_back().unwrap_or_default();
            assert!(all.contains(&format!("\n  {name}")) && all.contains(command.help), "{}", command.name);
            assert!(help_of("instep ctl", command).starts_with(&format!("instep ctl {}", command.name)));
            let words: Vec<bool> = command.arguments.iter().filter_map(Argument::word).map(|(_, must)| !must).collect();
            assert!(words.is_sorted(), "{}: a word that must be given stands behind one that may", command.name);
        }
        assert!(all.lines().chain(families.lines()).all(|line| line.len() <= 120));
    }
}
