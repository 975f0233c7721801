//! `instep ctl`: questions and orders to a running Coordinator and to the components behind it, for people and for scripts.
//!
//! One table, [`COMMANDS`], holds every command: its arguments, its line of help, its function. A function looks at its
//! arguments first and connects by its first question, so that a wrong word is told without a Coordinator being there.
//! Those of the Manager are in [`manager`], those of shared sessions have a table of their own in [`session`]; how a command line is
//! read stands in [`words`].

mod access;
mod answer;
mod channel;
mod command;
mod connections;
mod context;
mod copies;
mod drive;
mod manager;
mod member;
mod record;
mod session;
mod watch;
mod words;

use std::ffi::OsString;

use instep::counters::Counters;
use instep::leco::rpc::InOrder;
use instep::store::order;
use serde_json::{Map, Value, json};

use super::client::{self, Trouble};
use super::failure::Failure;
use super::print::say;
use super::table::{Column, table, word};
use super::visible::visible;
use command::{Argument, Command, Commands, Connection, Family, Given, Report, Stop};

use Argument::{Many, May, Must, Number, Switch, Text};

const COMMANDS: &[Command] = &[
    Command {
        name: "nodes",
        arguments: &[],
        help: "namespace and address of every node, and how it is linked",
        run: all_nodes,
    },
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
        arguments: &[Must("NAME"), Must("METHOD"), Many("JSON|K=V")],
        help: "call a method, parameters as JSON or as KEY=VALUE; prints the result",
        run: call,
    },
    Command { name: "methods", arguments: &[May("NAME")], help: "what can be called", run: methods },
    Command {
        name: "counters",
        arguments: &[Switch { long: "all", help: "those that are zero, too" }],
        help: "what has happened since the Coordinator started",
        run: counters,
    },
    Command { name: "status", arguments: &[], help: "on one screen: whether all is well", run: connections::status },
    Command {
        name: "connections",
        arguments: &[
            May("PART"),
            Text { long: "by", word: "WHAT", help: "those first that have most of it (waiting_bytes)" },
            Number { short: 'n', long: "most", help: "so many of them (100)" },
        ],
        help: "who is connected, with PART in name or address, and how each fares",
        run: connections::connections,
    },
    Command {
        name: "top",
        arguments: &[
            Text {
                long: "by",
                word: "COLUMN",
                help: "those first that have most of it (waiting_bytes); keys change it",
            },
            Number { short: 'n', long: "rounds", help: "so many pictures, a second apart (until q)" },
        ],
        help: "the same live, with what goes through them each second",
        run: connections::top,
    },
    Command {
        name: "log-level",
        arguments: &[Must("LEVEL"), May("NAME")],
        help: "log from this level on: debug, info, warning, error or critical",
        run: log_level,
    },
    Command { name: "whoami", arguments: &[], help: "who you are there, and what you may", run: access::whoami },
    Command {
        name: "denials",
        arguments: &[],
        help: "the last refusals: who was not let do what",
        run: access::denials,
    },
    Command {
        name: "reload",
        arguments: &[],
        help: "have settings and users read anew, as SIGHUP does",
        run: access::reload,
    },
    Command {
        name: "backup",
        arguments: &[Must("FILE")],
        help: "write all sessions into a file here, see: instep restore",
        run: copies::backup,
    },
    Command { name: "shutdown", arguments: &[May("NAME")], help: "end a Coordinator or a component", run: shut_down },
    Command {
        name: "open",
        arguments: &[
            Must("FILE|HOST"),
            May("PORT"),
            Switch { long: "keep", help: "of a kernel: wait for it, and for its next run whenever one ends" },
        ],
        help: "a provider from a log below log_dir, or with a PORT from a kernel",
        run: manager::open,
    },
    Command {
        name: "logs",
        arguments: &[],
        help: "the files below log_dir; open says of one if it is no log",
        run: manager::logs,
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
        name: "play",
        arguments: &[
            Must("ID"),
            Text { long: "speed", word: "X", help: "at X times its own speed, from 0.01 to 1000" },
            Text { long: "seek", word: "T", help: "from timestep T on" },
        ],
        help: "have a log played at another speed, or from another timestep on",
        run: manager::play,
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
    Command {
        name: "data",
        arguments: &[LOG],
        help: "who publishes data and who subscribes, to what, and who goes without",
        run: channel::data,
    },
    Command {
        name: "publish",
        arguments: &[Must("TOPIC"), Must("JSON"), LOG],
        help: "publish one message on the data channel",
        run: channel::publish,
    },
    Command {
        name: "subscribe",
        arguments: &[Many("TOPIC"), LOG, MESSAGES],
        help: "print what is published under topics that begin so (all)",
        run: channel::subscribe,
    },
    Command {
        name: "log-watch",
        arguments: &[
            Many("NAME"),
            Text { long: "level", word: "LEVEL", help: "from this level on: debug, info, warning, error or critical" },
            MESSAGES,
        ],
        help: "print what Components log whose full names begin so (all)",
        run: channel::log_watch,
    },
    Command {
        name: "record",
        arguments: &[Must("FILE"), Many("TOPIC"), LOG, MESSAGES],
        help: "write what is published into a file, with its times",
        run: record::record,
    },
    Command {
        name: "replay",
        arguments: &[
            Must("FILE"),
            LOG,
            Text { long: "speed", word: "X", help: "at X times its own speed; 0: as fast as it goes (1)" },
            Text { long: "as", word: "FORM", help: "print it instead: json, a line for each message, or csv, a table" },
        ],
        help: "publish again what was recorded",
        run: record::replay,
    },
    Command { name: "exit", arguments: &[], help: "end the Manager, and the Coordinator with it", run: manager::exit },
];

const LOG: Argument = Switch { long: "log", help: "on the log channel" };
const MESSAGES: Argument = Number { short: 'n', long: "messages", help: "so many of them, then end" };

const FAMILIES: &[Family] = &[
    Family {
        word: "session",
        about: "shared sessions under flow control",
        sentence: "looks at shared sessions, drives them through their states, and takes part in them.",
        commands: session::COMMANDS,
        help: session::HELP,
        asks: true,
    },
    Family {
        word: "context",
        about: "Coordinators under names of your own",
        sentence: "keeps Coordinators under names of your own, for ctl, view, bench, record, replay and may.",
        commands: context::COMMANDS,
        help: context::HELP,
        asks: false,
    },
];

const ALL: Commands = Commands { plain: COMMANDS, families: FAMILIES };

/// The whole help.
pub(super) fn help() -> String {
    words::help(ALL)
}

/// Help of one command, which is a sub-command of the program too.
pub(super) fn help_of(name: &str) -> String {
    let command = COMMANDS.iter().find(|command| command.name == name);
    command.map_or_else(help, |command| words::help_of("instep", command))
}

/// The same, run.
pub(super) fn run_as(name: &str, words: Vec<OsString>) -> Result<(), Failure> {
    run([vec![name.into()], words].concat())
}

/// The names of all commands, those of families among them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name).chain(FAMILIES.iter().map(|family| family.word))
}

/// The families, and the names of their commands.
pub(super) fn families() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    FAMILIES.iter().map(|family| {
        let names = family.commands.iter().filter_map(|command| command.name.split(' ').next_back());
        (family.word, names.collect())
    })
}

/// How each command is written, and what it does.
pub(super) fn usages() -> impl Iterator<Item = (String, &'static str)> {
    let of_families = FAMILIES.iter().flat_map(|family| family.commands);
    COMMANDS.iter().chain(of_families).map(|command| (words::usage(command), command.help))
}

/// Runs the command that `words` name.
pub(super) fn run(mut words: Vec<OsString>) -> Result<(), Failure> {
    if words.first().is_some_and(|word| word == "help") {
        words.remove(0);
        words.push("--help".into());
    }
    let Some(parsed) = words::parse(words, ALL)? else { return Ok(()) };
    let mut connection = Connection {
        address: parsed.address,
        control: parsed.control,
        timeout: parsed.timeout,
        json: parsed.json,
        client: None,
    };
    let outcome = (parsed.command.run)(&parsed.given, &mut connection);
    if let Some(client) = connection.client {
        client.leave();
    }
    match outcome {
        Ok(report) if parsed.json => say(&format!("{}\n", report.json)),
        Ok(report) => say(&report.text),
        Err(Stop::Said) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
        Err(Stop::Usage(text)) => Err(Failure::usage(text)),
        Err(Stop::Trouble(trouble)) => {
            if parsed.json {
                say(&format!("{}\n", InOrder(&as_json(&trouble))))?;
            }
            let text = trouble.to_string();
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

// ---- The commands ----

fn all_nodes(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "send_nodes", &Value::Null)?;
    let text = match connection.ask("COORDINATOR", "send_links", &Value::Null) {
        Ok(links) => linked_nodes(&json, &links),
        // A Coordinator of another make does not tell.
        Err(trouble) if client::is_method_unknown(&trouble) => {
            let nodes = json.as_object().into_iter().flatten();
            let rows: Vec<[String; 2]> = nodes.map(|(namespace, address)| [namespace.clone(), word(address)]).collect();
            table([Column::Left("NAMESPACE"), Column::Left("ADDRESS")], &rows)
        }
        Err(trouble) => return Err(trouble.into()),
    };
    Ok(Report { text, json })
}

/// The nodes of a network as one of them sees it: itself, and how it is linked with each of the others.
fn linked_nodes(nodes: &Value, links: &Value) -> String {
    let of =
        |link: &Value, key: &str| link.get(key).filter(|value| !value.is_null()).map_or_else(|| "-".to_owned(), word);
    let links = links.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_other = |namespace: &str| links.iter().any(|link| of(link, "namespace") == namespace);
    let own = nodes.as_object().into_iter().flatten().filter(|(namespace, _)| !is_other(namespace));
    let mut rows: Vec<[String; 5]> = own
        .map(|(namespace, address)| {
            [namespace.clone(), word(address), "this node".to_owned(), String::new(), String::new()]
        })
        .collect();
    rows.extend(links.iter().map(|link| {
        let state = match of(link, "state").as_str() {
            "both" => "both ways".to_owned(),
            "out" => "only to it".to_owned(),
            "in" => "only from it".to_owned(),
            state => state.to_owned(),
        };
        let round_trip = match link.get("rtt_ms").and_then(Value::as_u64) {
            None => "-".to_owned(),
            Some(0) => "below 1 ms".to_owned(),
            Some(ms) => format!("{ms} ms"),
        };
        [of(link, "namespace"), of(link, "address"), state, format!("{} s", of(link, "since_s")), round_trip]
    }));
    order::sort(&mut rows);
    let columns = ["NAMESPACE", "ADDRESS", "LINK"].map(Column::Left);
    let [namespace, address, link] = columns;
    table([namespace, address, link, Column::Right("SINCE"), Column::Right("ROUND TRIP")], &rows)
}

fn components(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let mut all: Map<_, _> = if given.switch("local") {
        let names = connection.ask("COORDINATOR", "send_local_components", &Value::Null)?;
        order::filled([(connection.client()?.namespace().to_owned(), names)])
    } else {
        let all = connection.ask("COORDINATOR", "send_global_components", &Value::Null)?;
        all.as_object().cloned().unwrap_or_default()
    };
    // Who asks is a component, too, but not one that anybody asks for.
    let own = connection.client()?.full_name();
    let mut rows = Vec::new();
    for (namespace, names) in &mut all {
        let Some(names) = names.as_array_mut() else { continue };
        names.retain(|name| format!("{namespace}.{}", word(name)) != own);
        order::sort_by_key(names, word);
        rows.extend(names.iter().map(|name| [namespace.clone(), word(name)]));
    }
    Ok(Report { text: table([Column::Left("NAMESPACE"), Column::Left("NAME")], &rows), json: Value::Object(all) })
}

fn ping(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let name = connection.full(given.name(0))?;
    let count = given.number("count").unwrap_or(1);
    let shown = visible(&name);
    let mut times = Vec::new();
    let mut text = String::new();
    for _ in 0..count {
        let start = client::now();
        match connection.ask(&name, "pong", &Value::Null) {
            // A component without that method has answered all the same.
            Err(trouble) if !client::is_method_unknown(&trouble) => return Err(trouble.into()),
            Ok(_) | Err(_) => {}
        }
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        times.push(ms);
        text.push_str(&format!("{shown} answered in {ms:.3} ms\n"));
    }
    let rounded: Vec<f64> = times.iter().map(|ms| (ms * 1000.0).round() / 1000.0).collect();
    order::sort_by(&mut times, f64::total_cmp);
    if let ([least, .., most], Some(median)) = (&times[..], times.get(times.len() / 2)) {
        text.push_str(&format!("least {least:.3} ms, median {median:.3} ms, most {most:.3} ms\n"));
    }
    Ok(Report { json: json!({"name": name, "ms": rounded}), text })
}

fn call(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let params = parameters(given.words.get(2..).unwrap_or_default()).map_err(Stop::Usage)?;
    let json = connection.ask(given.word(0), given.word(1), &params)?;
    Ok(Report { text: format!("{json:#}\n"), json })
}

/// Parameters as they are typed: a JSON document, or pairs, whose values are JSON where they can be, else text.
fn parameters(words: &[String]) -> Result<Value, String> {
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').filter(|(key, _)| !key.is_empty() && !key.contains(['{', '[', '"']))?;
        Some((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
    };
    let [first, rest @ ..] = words else { return Ok(Value::Null) };
    if let Some(pairs) = words.iter().map(pair).collect::<Option<Vec<_>>>() {
        return Ok(Value::Object(order::filled(pairs)));
    }
    if let Some(word) = rest.first() {
        return Err(format!("call: '{word}' is one word too many: one JSON document, or pairs like level=1.5"));
    }
    let document = serde_json::from_str(first).ok().filter(|params: &Value| params.is_array() || params.is_object());
    document
        .ok_or_else(|| format!("call: '{first}' is neither a JSON array nor a JSON object, nor a pair like level=1.5"))
}

fn methods(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask(given.name(0), "rpc.discover", &Value::Null)?;
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
    visible(&format!("{}({params}){result}", name(method))).into_owned()
}

fn counters(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "send_counters", &Value::Null)?;
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

fn log_level(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
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
    let name = connection.full(given.name(1))?;
    connection.ask(&name, "set_log_level", &json!({"level": level}))?;
    Ok(Report {
        text: format!("{} logs from {level} on\n", visible(&name)),
        json: json!({"name": name, "level": level}),
    })
}

fn shut_down(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let name = connection.full(given.name(0))?;
    connection.ask(&name, "shut_down", &Value::Null)?;
    Ok(Report { text: format!("{} shuts down\n", visible(&name)), json: json!({"name": name}) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_typed_as_json_or_as_pairs() {
        let read = |words: &[&str]| parameters(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Ok(Value::Null));
        assert_eq!(read(&["[1, \"a=b\"]"]), Ok(json!([1, "a=b"])));
        assert_eq!(read(&["{\"a\": \"b=c\"}"]), Ok(json!({"a": "b=c"})));
        let pairs = read(&["level=1.5", "name=lab", "on=true", "list=[1]", "empty="]);
        assert_eq!(pairs, Ok(json!({"level": 1.5, "name": "lab", "on": true, "list": [1], "empty": ""})));
        for words in [&["3"][..], &["{"], &["a=1", "b"], &["[1]", "[2]"], &["=1"]] {
            assert!(read(words).is_err(), "{words:?}");
        }
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
