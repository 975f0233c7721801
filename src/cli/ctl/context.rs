//! `instep ctl context`: Coordinators under names of one's own.

use serde_json::{Value, json};

use super::super::context::{Context, Contexts, NONE, SHOWN, is_name};
use super::super::credentials;
use super::super::place;
use super::super::table::{Column, table};
use super::command::{Argument, Command, Connection, Given, Report, Stop};

use Argument::Must;

pub(super) const COMMANDS: &[Command] = &[
    Command { name: "context list", arguments: &[], help: "all of them, the one in use with a star", run: list },
    Command {
        name: "context add",
        arguments: &[Must("NAME"), Must("ADDRESS")],
        help: "a new one, with the files of --key, --server-key and --token-file",
        run: add,
    },
    Command {
        name: "context set",
        arguments: &[Must("NAME"), Must("ADDRESS")],
        help: "the same, in the place of one of that name",
        run: set,
    },
    Command {
        name: "context use",
        arguments: &[Must("NAME|none")],
        help: "the one that is asked where nothing else is said",
        run: choose,
    },
    Command { name: "context remove", arguments: &[Must("NAME")], help: "forget one", run: remove },
];

pub(super) const HELP: &str = "
What is chosen, the first of these that is there:
  -a ADDRESS, -a NAME or --context NAME; INSTEP_ADDRESS, which may be a NAME; INSTEP_CONTEXT; the context in use;
  127.0.0.1:12300.

A NAME has letters, digits, - and _, and not digits alone; a host that is called so, too, is asked by -a HOST:PORT. The
files of a context are shown at its address alone: the flags --key, --server-key and --token-file go before them, they
before INSTEP_KEY, INSTEP_SERVER_KEY and INSTEP_TOKEN_FILE. instep bench c2sim takes the HTTP port of a context, 12 over
its address; instep may asks a context that -a or --context names, and no other.

They stand in instep/contexts.toml below XDG_CONFIG_HOME (~/.config, on Windows %APPDATA%), where no secret is, but the
names of files.
";

fn list(_: &Given, _: &mut Connection) -> Result<Report, Stop> {
    let contexts = Contexts::load().map_err(Stop::Failed)?;
    let is_used = |name: &String| contexts.used.as_ref() == Some(name);
    let rows: Vec<[String; 3]> = contexts
        .all
        .iter()
        .map(|(name, context)| {
            let star = if is_used(name) { "* " } else { "  " };
            let shown = SHOWN.iter().filter_map(|(flag, key)| Some(format!("{flag} {}", context.shown.get(*key)?)));
            [format!("{star}{name}"), context.address.clone(), shown.collect::<Vec<_>>().join(" ")]
        })
        .collect();
    let all = contexts.all.iter().map(|(name, context)| {
        let mut row = json!({"name": name, "address": context.address, "used": is_used(name)});
        for (key, value) in &context.shown {
            row.as_object_mut().map(|row| row.insert(key.clone(), Value::from(value.as_str())));
        }
        row
    });
    let json = all.collect();
    let text = if rows.is_empty() {
        "there are none (make one: instep ctl context add NAME ADDRESS)\n".to_owned()
    } else {
        table([Column::Left("  NAME"), Column::Left("ADDRESS"), Column::Left("SHOWS")], &rows)
    };
    Ok(Report { json, text })
}

fn add(given: &Given, _: &mut Connection) -> Result<Report, Stop> {
    put(given, true)
}

fn set(given: &Given, _: &mut Connection) -> Result<Report, Stop> {
    put(given, false)
}

fn put(given: &Given, is_new: bool) -> Result<Report, Stop> {
    let (name, text) = (given.word(0), given.word(1));
    if !is_name(name) {
        return Err(Stop::Usage(format!(
            "context: '{name}' is no name: 1 to 64 letters, digits, - and _ are wanted, not digits alone, and not '{NONE}'"
        )));
    }
    let address = place::meant("context: ADDRESS", text).map_err(Stop::Failed)?;
    let mut contexts = Contexts::load().map_err(Stop::Failed)?;
    if is_new && contexts.all.contains_key(name) {
        return Err(Stop::Usage(format!(
            "context add: there is a context '{name}' (to change it: instep ctl context set {name} {text})"
        )));
    }
    let shown = credentials::flags().map_err(Stop::Failed)?;
    let json = json!({"name": name, "address": address});
    let said = format!(
        "{name} is {address} (ask it: instep ctl -a {name} status; or for good: instep ctl context use {name})\n"
    );
    contexts.all.insert(name.to_owned(), Context { address, shown });
    contexts.save().map_err(Stop::Failed)?;
    Ok(Report { json, text: said })
}

fn choose(given: &Given, _: &mut Connection) -> Result<Report, Stop> {
    let name = given.word(0);
    let mut contexts = Contexts::load().map_err(Stop::Failed)?;
    let (used, text) = if name == NONE {
        (None, format!("none is in use: {} is asked\n", place::here()))
    } else {
        let context = contexts.find("context use", name).map_err(Stop::Failed)?;
        (Some(name.to_owned()), format!("{name} is in use: {} is asked where nothing else is said\n", context.address))
    };
    let json = json!({"used": used});
    contexts.used = used;
    contexts.save().map_err(Stop::Failed)?;
    Ok(Report { json, text })
}

fn remove(given: &Given, _: &mut Connection) -> Result<Report, Stop> {
    let name = given.word(0);
    let mut contexts = Contexts::load().map_err(Stop::Failed)?;
    contexts.find("context remove", name).map_err(Stop::Failed)?;
    contexts.all.remove(name);
    let was_used = contexts.used.take_if(|used| used == name).is_some();
    contexts.save().map_err(Stop::Failed)?;
    let rest = if was_used { format!(": {} is asked from now on", place::here()) } else { String::new() };
    Ok(Report { json: json!({"name": name}), text: format!("{name} is forgotten{rest}\n") })
}
