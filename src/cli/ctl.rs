//! `instep ctl`: questions and orders to a running Coordinator and to the components behind it, for people and for scripts.
//!
//! One table, [`COMMANDS`], holds every command: its arguments, its line of help, its function. A function looks at its
//! arguments first and connects by its first question, so that a wrong word is told without a Coordinator being there.
//! Those of the Manager are in [`manager`].

mod manager;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use instep::config::DEFAULT_PORT;
use instep::counters::Counters;
use instep::leco::nodes;
use lexopt::prelude::{Long, Short, Value as Word};
use serde_json::{Map, Value, json};

use super::client::{self, Client, Trouble};
use super::table::{Column, table, visible};
use super::{Failure, say};

/// One command: all that there is to know about it.
struct Command {
    name: &'static str,
    arguments: &'static [Argument],
    help: &'static str,
    run: fn(&Given, &mut Session) -> Result<Report, Stop>,
}

/// What may stand behind a command's name.
#[derive(Clone, Copy)]
enum Argument {
    /// A word that must be given.
    Must(&'static str),
    /// A word that may be left out; stands behind all that must be given.
    May(&'static str),
    /// Any number of words, none included; the last of the words.
    Many(&'static str),
    /// A flag without value.
    Switch { long: &'static str, help: &'static str },
    /// A flag with a number of at least one.
    Number { short: char, long: &'static str, help: &'static str },
}

use Argument::{Many, May, Must, Number, Switch};

impl Argument {
    /// The name of a word, and whether it must be given.
    const fn word(&self) -> Option<(&'static str, bool)> {
        match self {
            Must(name) => Some((name, true)),
            May(name) => Some((name, false)),
            Many(_) | Switch { .. } | Number { .. } => None,
        }
    }
}

const COMMANDS: &[Command] = &[
    Command { name: "nodes", arguments: &[], help: "namespace and address of every node", run: all_nodes },
    Command {
        name: "components",
        arguments: &[Switch { long: "local", help: "only those of the Coordinator's own node" }],
        help: "namespace and name of every component",
        run: components,
    },
    Command {
        name: "ping",
        arguments: &[May("NAME"), Number { short: 'n', long: "count", help: "so many times, one after the other" }],
        help: "time for a question to a component, or to a Coordinator, and back",
        run: ping,
    },
    Command {
        name: "call",
        arguments: &[Must("NAME"), Must("METHOD"), May("JSON")],
        help: "call a method, parameters as JSON array or object; prints the result",
        run: call,
    },
    Command { name: "methods", arguments: &[May("NAME")], help: "what can be called", run: methods },
    Command {
        name: "counters",
        arguments: &[Switch { long: "all", help: "those that are zero, too" }],
        help: "what has happened since the Coordinator started",
        run: counters,
    },
    Command {
        name: "log-level",
        arguments: &[Must("LEVEL"), May("NAME")],
        help: "log from this level on: debug, info, warning, error or critical",
        run: log_level,
    },
    Command { name: "shutdown", arguments: &[May("NAME")], help: "end a Coordinator or a component", run: shut_down },
    Command {
        name: "open",
        arguments: &[Must("FILE|HOST"), May("PORT")],
        help: "open a log below the server's log_dir, or with a PORT a running kernel, as a provider",
        run: manager::open,
    },
    Command { name: "close", arguments: &[Must("ID"), Many("ID")], help: "close providers", run: manager::close },
    Command { name: "providers", arguments: &[Many("ID")], help: "where data comes from", run: manager::providers },
    Command { name: "viewers", arguments: &[Many("ID")], help: "who looks on", run: manager::viewers },
    Command { name: "sessions", arguments: &[Many("ID")], help: "who looks at what", run: manager::sessions },
    Command {
        name: "connect",
        arguments: &[Must("VIEWER"), Must("PROVIDER")],
        help: "show the data of a provider to a viewer",
        run: manager::connect,
    },
    Command {
        name: "disconnect",
        arguments: &[Must("VIEWER"), Many("VIEWER")],
        help: "take viewers out of their sessions",
        run: manager::disconnect,
    },
    Command {
        name: "refresh",
        arguments: &[Many("ID")],
        help: "connect to the kernels of providers anew",
        run: manager::refresh,
    },
    Command { name: "errors", arguments: &[], help: "the Manager's list of errors", run: manager::errors },
    Command { name: "manager", arguments: &[], help: "the Manager's ports, counts and version", run: manager::manager },
    Command { name: "exit", arguments: &[], help: "end the Manager, and the Coordinator with it", run: manager::exit },
];

/// The arguments of one run of a command, checked against its row of the table.
#[derive(Debug, Default)]
struct Given {
    words: Vec<String>,
    switches: Vec<&'static str>,
    numbers: Vec<(&'static str, u32)>,
}

impl Given {
    /// Word `n` behind the command; empty if it was left out.
    fn word(&self, n: usize) -> &str {
        self.words.get(n).map_or("", String::as_str)
    }

    /// Word `n` as a name; without it, the Coordinator.
    fn name(&self, n: usize) -> &str {
        self.words.get(n).map_or("COORDINATOR", String::as_str)
    }

    fn switch(&self, long: &str) -> bool {
        self.switches.contains(&long)
    }

    fn number(&self, long: &str) -> Option<u32> {
        self.numbers.iter().rev().find(|(flag, _)| *flag == long).map(|(_, number)| *number)
    }
}

/// The same answer twice: for a script, and for a person.
#[derive(Debug)]
struct Report {
    json: Value,
    text: String,
}

/// Why a command came to nothing.
#[derive(Debug)]
enum Stop {
    /// An argument makes no sense.
    Usage(String),
    /// The Coordinator, or whoever was asked, gave no result.
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// The connection, made at the first question.
#[derive(Debug)]
struct Session {
    address: String,
    /// The control port, where it is not found by the Coordinator's address.
    control: Option<String>,
    timeout: Duration,
    client: Option<Client>,
}

impl Session {
    fn client(&mut self) -> Result<&mut Client, Trouble> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.address, &format!("ctl-{}", std::process::id()), self.timeout)?,
        };
        Ok(self.client.insert(client))
    }

    fn ask(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Value, Trouble> {
        self.client()?.ask(receiver, method, params)
    }

    /// `name` with the node's namespace where it has none.
    fn full(&mut self, name: &str) -> Result<String, Trouble> {
        let client = self.client()?;
        Ok(if name.contains('.') { name.to_owned() } else { format!("{}.{name}", client.namespace()) })
    }
}

/// Runs the command that `words` name.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(parsed) = parse(words)? else { return Ok(()) };
    let mut session =
        Session { address: parsed.address, control: parsed.control, timeout: parsed.timeout, client: None };
    let outcome = (parsed.command.run)(&parsed.given, &mut session);
    if let Some(client) = session.client {
        client.leave();
    }
    match outcome {
        Ok(report) if parsed.json => say(&format!("{}\n", report.json)),
        Ok(report) => say(&report.text),
        Err(Stop::Usage(text)) => Err(Failure::usage(text)),
        Err(Stop::Trouble(trouble)) => {
            if parsed.json {
                say(&format!("{}\n", as_json(&trouble)))?;
            }
            let text = visible(&trouble.to_string());
            Err(if trouble.is_absence() { Failure::nobody(text) } else { Failure::other(text) })
        }
    }
}

fn as_json(trouble: &Trouble) -> Value {
    match trouble {
        Trouble::Nobody(text) | Trouble::Broken(text) => json!({"error": {"message": text}}),
        Trouble::Denied(denial) => json!({"error": {"message": denial.message, "data": denial.data}}),
        Trouble::Refused(refusal) => json!({"error": {
            "by": refusal.by, "code": refusal.code, "message": refusal.message, "data": refusal.data,
        }}),
    }
}

// ---- The command line ----

/// The command line, taken apart.
struct Parsed {
    command: &'static Command,
    given: Given,
    address: String,
    control: Option<String>,
    timeout: Duration,
    json: bool,
}

/// Takes the command line apart; `None` when it asked for help and got it.
fn parse(words: Vec<OsString>) -> Result<Option<Parsed>, Failure> {
    let mut command: Option<&'static Command> = None;
    let mut given = Given::default();
    let mut address = format!("127.0.0.1:{DEFAULT_PORT}");
    let mut control = None;
    let mut timeout = Duration::from_secs(5);
    let mut json = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => {
                return match command {
                    Some(command) => say(&help_of(command)),
                    None => say(&help()),
                }
                .map(|()| None);
            }
            Short('a') | Long("address") => {
                let text = utf8(parser.value()?)?;
                address = nodes::address(&text).ok_or_else(|| {
                    Failure::usage(format!("--address '{text}': a host and port like 127.0.0.1:12300 is wanted"))
                })?;
            }
            Long("control") => {
                let text = utf8(parser.value()?)?;
                control = Some(nodes::address_or(&text, DEFAULT_PORT + 10).ok_or_else(|| {
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
            Long("json") => json = true,
            Word(word) => {
                let word = utf8(word)?;
                if command.is_some() {
                    given.words.push(word);
                } else {
                    let known = COMMANDS.iter().find(|command| command.name == word);
                    command = Some(known.ok_or_else(|| {
                        Failure::usage(format!("ctl has no command '{word}' (try: instep ctl --help)"))
                    })?);
                }
            }
            Short(letter) => flag(command, &mut given, &format!("-{letter}"), &mut parser)?,
            Long(long) => {
                let long = format!("--{long}");
                flag(command, &mut given, &long, &mut parser)?;
            }
        }
    }
    let Some(command) = command else {
        return Err(Failure::usage("ctl wants a command (try: instep ctl --help)"));
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
            Must(_) | May(_) | Many(_) | Switch { .. } | Number { .. } => {}
        }
    }
    Err(Failure::usage(match command {
        Some(command) => format!("{}: there is no flag {flag} (try: instep ctl {0} --help)", command.name),
        None => format!("ctl: there is no flag {flag} before a command (try: instep ctl --help)"),
    }))
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}

/// The command's name and arguments as one types them.
fn usage(command: &Command) -> String {
    let mut text = command.name.to_owned();
    for argument in command.arguments {
        let written = match argument {
            Must(name) => write!(text, " {name}"),
            May(name) => write!(text, " [{name}]"),
            Many(name) => write!(text, " [{name}...]"),
            Switch { long, .. } => write!(text, " [--{long}]"),
            Number { short, .. } => write!(text, " [-{short} N]"),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text
}

/// The options that every command has.
const OPTIONS: &str = "  -a, --address HOST:PORT    the Coordinator [127.0.0.1:12300]
      --control HOST:PORT    the Manager's control port [that of the Coordinator + 10]
  -t, --timeout SECONDS      longest wait for an answer [5]
      --json                 one JSON document instead of text; {\"error\": ...} when there is no result
";

fn help() -> String {
    let mut text = "instep ctl asks a running Coordinator, and the components behind it.\n\n\
                    Usage: instep ctl [options] COMMAND ...\n\n"
        .to_owned();
    for command in COMMANDS {
        let written = writeln!(text, "  {:<29} {}", usage(command), command.help);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text.push_str(
        "\nFrom open on, the commands go to the Manager's control port, which listens on 127.0.0.1 unless it is told otherwise\n\
         (control_bind). ID is a number that the Manager gave; without one, all are meant.\n",
    );
    text.push_str(
        "\nNAME is the name of a component of the Coordinator's node, or a full name like N1.CA; N1.COORDINATOR is the\n\
         Coordinator of the node N1. Without NAME, the Coordinator itself is meant. For example:\n\n\
         \x20 instep ctl call N1.CA get_parameters '{\"parameters\": [\"voltage\"]}'\n\n",
    );
    text.push_str(OPTIONS);
    text.push_str(
        "\nExit codes: 0 it worked, 1 it was refused or failed, 2 the command line is wrong, 3 nobody is there or answers in time.\n",
    );
    text
}

fn help_of(command: &Command) -> String {
    let mut text = format!("instep ctl {}: {}\n\n", usage(command), command.help);
    for argument in command.arguments {
        let written = match argument {
            Switch { long, help } => writeln!(text, "      --{long:<20} {help}"),
            Number { short, long, help } => writeln!(text, "  -{short}, --{:<20} {help}", format!("{long} N")),
            Must(_) | May(_) | Many(_) => Ok(()),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text.push_str(OPTIONS);
    text
}

// ---- The commands ----

fn all_nodes(_: &Given, session: &mut Session) -> Result<Report, Stop> {
    let json = session.ask("COORDINATOR", "send_nodes", &Value::Null)?;
    let rows: Vec<[String; 2]> =
        json.as_object().into_iter().flatten().map(|(namespace, address)| [namespace.clone(), word(address)]).collect();
    Ok(Report { text: table([Column::Left("NAMESPACE"), Column::Left("ADDRESS")], &rows), json })
}

fn components(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let mut all = if given.switch("local") {
        let names = session.ask("COORDINATOR", "send_local_components", &Value::Null)?;
        Map::from_iter([(session.client()?.namespace().to_owned(), names)])
    } else {
        let all = session.ask("COORDINATOR", "send_global_components", &Value::Null)?;
        all.as_object().cloned().unwrap_or_default()
    };
    // Who asks is a component, too, but not one that anybody asks for.
    let own = session.client()?.full_name();
    let mut rows = Vec::new();
    for (namespace, names) in &mut all {
        let Some(names) = names.as_array_mut() else { continue };
        names.retain(|name| format!("{namespace}.{}", word(name)) != own);
        names.sort_by_key(word);
        rows.extend(names.iter().map(|name| [namespace.clone(), word(name)]));
    }
    Ok(Report { text: table([Column::Left("NAMESPACE"), Column::Left("NAME")], &rows), json: Value::Object(all) })
}

fn ping(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let name = session.full(given.name(0))?;
    let count = given.number("count").unwrap_or(1);
    let shown = visible(&name);
    let mut times = Vec::new();
    let mut text = String::new();
    for _ in 0..count {
        let start = client::now();
        match session.ask(&name, "pong", &Value::Null) {
            // A component without that method has answered all the same.
            Err(trouble) if !client::is_method_unknown(&trouble) => return Err(trouble.into()),
            Ok(_) | Err(_) => {}
        }
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        times.push(ms);
        text.push_str(&format!("{shown} answered in {ms:.3} ms\n"));
    }
    let rounded: Vec<f64> = times.iter().map(|ms| (ms * 1000.0).round() / 1000.0).collect();
    times.sort_by(f64::total_cmp);
    if let ([least, .., most], Some(median)) = (&times[..], times.get(times.len() / 2)) {
        text.push_str(&format!("least {least:.3} ms, median {median:.3} ms, most {most:.3} ms\n"));
    }
    Ok(Report { json: json!({"name": name, "ms": rounded}), text })
}

fn call(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let params = match given.word(2) {
        "" => Value::Null,
        text => serde_json::from_str(text)
            .ok()
            .filter(|params: &Value| params.is_array() || params.is_object())
            .ok_or_else(|| Stop::Usage(format!("call: '{text}' is neither a JSON array nor a JSON object")))?,
    };
    let json = session.ask(given.word(0), given.word(1), &params)?;
    Ok(Report { text: format!("{json:#}\n"), json })
}

fn methods(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let json = session.ask(given.name(0), "rpc.discover", &Value::Null)?;
    let mut text = String::new();
    for method in json.get("methods").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&signature(method));
        text.push('\n');
        let about = ["summary", "description"].iter().find_map(|key| method.get(key)).map(word).unwrap_or_default();
        if let Some(line) = about.lines().map(str::trim).find(|line| !line.is_empty()) {
            text.push_str(&format!("    {}\n", visible(line)));
        }
    }
    Ok(Report { json, text })
}

/// A method of an OpenRPC document as one line.
fn signature(method: &Value) -> String {
    let kind = |place: &Value| match place.get("schema").and_then(|schema| schema.get("type")) {
        Some(Value::Array(kinds)) => kinds.iter().map(word).collect::<Vec<_>>().join("|"),
        Some(kind) => word(kind),
        None => "any".to_owned(),
    };
    let name = |place: &Value| place.get("name").map(word).unwrap_or_default();
    let param = |param: &Value| {
        let text = format!("{}: {}", name(param), kind(param));
        if param.get("required") == Some(&Value::Bool(true)) { text } else { format!("[{text}]") }
    };
    // A document that is silent about parameters does not say that there are none.
    let params = method
        .get("params")
        .and_then(Value::as_array)
        .map_or_else(|| "...".to_owned(), |params| params.iter().map(param).collect::<Vec<_>>().join(", "));
    let result = method.get("result").map_or_else(String::new, |result| format!(" -> {}", kind(result)));
    visible(&format!("{}({params}){result}", name(method)))
}

fn counters(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let json = session.ask("COORDINATOR", "send_counters", &Value::Null)?;
    let ours = Counters::default();
    let meaning = |name: &str| ours.iter().find(|(ours, _, _)| *ours == name).map_or("", |(_, help, _)| help);
    let rows: Vec<[String; 3]> = json
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| given.switch("all") || value.as_u64() != Some(0))
        .map(|(name, value)| [name.clone(), word(value), meaning(name).to_owned()])
        .collect();
    let columns = [Column::Left("COUNTER"), Column::Right("VALUE"), Column::Left("MEANING")];
    Ok(Report { text: table(columns, &rows), json })
}

fn log_level(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let level = match given.word(0).to_ascii_uppercase().as_str() {
        "WARN" => "WARNING",
        "DEBUG" => "DEBUG",
        "INFO" => "INFO",
        "WARNING" => "WARNING",
        "ERROR" => "ERROR",
        "CRITICAL" => "CRITICAL",
        _ => {
            let text = format!("log-level: '{}' is none of debug, info, warning, error, critical", given.word(0));
            return Err(Stop::Usage(text));
        }
    };
    let name = session.full(given.name(1))?;
    session.ask(&name, "set_log_level", &json!({"level": level}))?;
    Ok(Report {
        text: format!("{} logs from {level} on\n", visible(&name)),
        json: json!({"name": name, "level": level}),
    })
}

fn shut_down(given: &Given, session: &mut Session) -> Result<Report, Stop> {
    let name = session.full(given.name(0))?;
    session.ask(&name, "shut_down", &Value::Null)?;
    Ok(Report { text: format!("{} shuts down\n", visible(&name)), json: json!({"name": name}) })
}

/// A value as a word: text without its quotes.
pub(super) fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Parsed, String> {
        match parse(words.split_whitespace().map(OsString::from).collect()) {
            Ok(parsed) => Ok(parsed.expect("no help was asked for")),
            Err(failure) => {
                assert_eq!(failure.code, super::super::USAGE);
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
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, wanted) in [
            ("", "ctl wants a command"),
            ("node", "ctl has no command 'node'"),
            ("nodes x", "nodes: 'x' is one word too many (usage: instep ctl nodes)"),
            ("call CA", "call: METHOD is missing (usage: instep ctl call NAME METHOD [JSON])"),
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
        let all = help();
        for command in COMMANDS {
            assert!(all.contains(&usage(command)) && all.contains(command.help), "{}", command.name);
            assert!(help_of(command).starts_with(&format!("instep ctl {}", command.name)));
            let words: Vec<bool> = command.arguments.iter().filter_map(Argument::word).map(|(_, must)| !must).collect();
            assert!(words.is_sorted(), "{}: a word that must be given stands behind one that may", command.name);
        }
        assert!(all.lines().all(|line| line.len() <= 120));
    }

    #[test]
    fn signatures_are_made_of_what_a_discovery_document_has() {
        let document = json!({"name": "m", "result": {"schema": {"type": "null"}}, "params": [
            {"name": "a", "required": true, "schema": {"type": "number"}},
            {"name": "b", "schema": {"type": ["string", "null"]}},
            {"name": "c"},
        ]});
        assert_eq!(signature(&document), "m(a: number, [b: string|null], [c: any]) -> null");
        assert_eq!(signature(&json!({"name": "x"})), "x(...)");
    }
}
