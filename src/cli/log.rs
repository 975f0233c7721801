//! `instep log`: what a simulation log or a viewer's recording holds, in numbers.
//!
//! Both kinds of file come down to one [`Digest`](digest::Digest), which is shown as text or as JSON; [`reading`] makes it.

mod census;
mod digest;
mod reading;

use std::ffi::OsString;
use std::fmt::Write as _;

use instep::store::order;
use lexopt::prelude::{Long, Short, Value as Word};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::flags::no_flag;
use super::print::say;
use super::table::{Column, grid, word};
use super::visible::visible;
use census::{Census, Wanted};
use digest::{Counts, Digest, Timestep};

pub(super) const HELP: &str = "\
instep log says what a simulation log holds.

Usage: instep log [options] FILE

  -e, --entity ID   also the properties of this entity after the last timestep, and in each what changes of them; may be
                    repeated
      --scores      the score after each timestep (that of the league since 2021), and what makes it: who lives, is dead
                    or buried, what burns, how many blockades there are
      --time T      timestep T alone; with -e and --scores as it is then
      --json        one JSON document instead of text

FILE is a log of a kernel (.log, .xz, .7z, also packed with gzip or xz) or a viewer's recording (.vlog).

Exit codes: 0 it was read, if truncated up to its last whole record; 1 it is damaged or no such file; 2 the command line
is wrong.
";

/// Reads a log and says what it holds.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let mut path: Option<OsString> = None;
    let (mut wants_json, mut wanted) = (false, Wanted::default());
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return say(HELP),
            Long("json") => wants_json = true,
            Short('e') | Long("entity") => {
                let text = parser.value()?.to_string_lossy().into_owned();
                let id = text.parse().map_err(|_| Failure::usage(format!("--entity '{text}': an id is wanted")))?;
                wanted.entities.push(id);
            }
            Long("scores") => wanted.scores = true,
            Long("time") => {
                let text = parser.value()?.to_string_lossy().into_owned();
                let time = text.parse().ok().filter(|time: &i64| *time >= 0);
                let wrong = || Failure::usage(format!("--time '{text}': the number of a timestep is wanted"));
                wanted.time = Some(time.ok_or_else(wrong)?);
            }
            Word(word) if path.is_none() => path = Some(word),
            Word(word) => {
                let text = format!("log: '{}' is one word too many (try: instep log --help)", word.to_string_lossy());
                return Err(Failure::usage(text));
            }
            Short(letter) => return Err(no_flag("log", &format!("-{letter}"), HELP)),
            Long(long) => return Err(no_flag("log", &format!("--{long}"), HELP)),
        }
    }
    let path = path.ok_or_else(|| Failure::usage("log: FILE is missing (usage: instep log [options] FILE)"))?;
    let name = visible(&path.to_string_lossy()).into_owned();
    let time = wanted.time;
    let mut digest = reading::read(&path, wanted).map_err(|text| Failure::other(format!("{name}: {text}")))?;
    if let Some(time) = time {
        digest.keep_alone(time).map_err(|text| Failure::other(format!("{name}: {text}")))?;
    }
    say(&if wants_json { format!("{}\n", as_json(&digest)) } else { as_text(&name, &digest) })
}

fn total(counts: &Counts) -> usize {
    counts.iter().map(|(_, count)| count).sum()
}

/// Counts in a sentence; nothing where there are none.
fn listed(counts: &[(&str, usize)]) -> String {
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

/// The commands of all timesteps together.
fn commands(digest: &Digest) -> Counts {
    let mut all: Counts = Vec::new();
    for (kind, count) in digest.steps.values().flat_map(|step| &step.commands) {
        match all.iter_mut().find(|(known, _)| known == kind) {
            Some((_, sum)) => *sum += count,
            None => all.push((kind, *count)),
        }
    }
    order::sort(&mut all);
    all
}

fn as_json(digest: &Digest) -> Value {
    let object = |counts: &Counts| -> Map<String, Value> {
        order::filled(counts.iter().map(|(kind, count)| ((*kind).to_owned(), Value::from(*count))))
    };
    let steps: Vec<Value> = digest
        .steps
        .iter()
        .map(|(time, step)| {
            let mut about = json!({"time": time, "entities": object(&step.entities),
                   "entities_total": total(&step.entities), "commands": object(&step.commands),
                   "changed": step.changed, "deleted": step.deleted, "perceptions": step.perceptions,
                   "whole": !step.is_cut()});
            if let (Some(census), Some(about)) = (digest.scores.get(time), about.as_object_mut()) {
                about.extend(standing(census).map(|(key, value)| (key.to_owned(), value)));
            }
            about
        })
        .collect();
    let entity = |(id, found): &(i32, Option<Map<String, Value>>)| {
        (id.to_string(), found.clone().map_or(Value::Null, Value::Object))
    };
    let entities: Map<String, Value> = order::filled(digest.entities.iter().map(entity));
    let history: Map<String, Value> = order::filled(digest.history.iter().map(|(id, changes)| {
        let change = |(time, properties): &(i64, Map<String, Value>)| json!({"time": time, "changed": properties});
        (id.to_string(), changes.iter().map(change).collect())
    }));
    json!({
        "history": history,
        "kind": digest.kind, "whole": digest.whole, "bytes": digest.bytes, "unpacked_bytes": digest.unpacked,
        "records": object(&digest.records), "records_total": total(&digest.records),
        "time_max": digest.time_max, "timesteps_planned": digest.timesteps_planned,
        "config_keys": digest.config_keys, "map_name": digest.map_name, "areas": digest.areas, "bounds": digest.bounds,
        "commands": object(&commands(digest)), "moves_without_point": digest.moves_without_point,
        "undefined": object(&digest.undefined), "skipped": digest.skipped,
        "steps": steps, "entities": entities,
    })
}

fn as_text(name: &str, digest: &Digest) -> String {
    let ending = if digest.whole { "whole" } else { "truncated: it stops within a record or before its last one" };
    let mut text = format!("{name}: {}, {ending}\n", digest.kind);
    let mut line = |key: &str, value: &str| {
        let written = writeln!(text, "  {key:<15} {value}");
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    match digest.unpacked.filter(|unpacked| *unpacked != digest.bytes) {
        Some(unpacked) => line("size", &format!("{} bytes, unpacked {unpacked}", digest.bytes)),
        None => line("size", &format!("{} bytes", digest.bytes)),
    }
    line("records", &format!("{}: {}", total(&digest.records), listed(&digest.records)));
    line(
        "timesteps",
        &match digest.timesteps_planned {
            Some(planned) => format!("{} of {planned} planned", digest.time_max),
            None => digest.time_max.to_string(),
        },
    );
    line("config keys", &digest.config_keys.to_string());
    let map_name = digest.map_name.as_deref().map_or_else(String::new, |name| format!("{}, ", visible(name)));
    let bounds = digest
        .bounds
        .map_or_else(String::new, |[west, south, east, north]| format!(", from {west},{south} to {east},{north} mm"));
    line("map", &format!("{map_name}{} areas{bounds}", digest.areas));
    let commands = commands(digest);
    line("commands", &format!("{}: {}", total(&commands), listed(&commands)));
    if digest.moves_without_point > 0 {
        line("", &format!("{} moves name no point", digest.moves_without_point));
    }
    if !digest.undefined.is_empty() {
        line("made undefined", &listed(&digest.undefined));
    }
    if digest.skipped > 0 {
        line("passed over", &format!("{} entities, properties and commands that are not known", digest.skipped));
    }
    let (constant, varying) = kinds(digest);
    if !constant.is_empty() {
        line("at all times", &listed(&constant));
    }
    let absent = if digest.is_of_one_time { "is not there then" } else { "is not there at the end" };
    for (id, found) in &digest.entities {
        line(&format!("entity {id}"), &found.as_ref().map_or_else(|| absent.to_owned(), properties));
    }
    for (id, changes) in &digest.history {
        let rows: Vec<_> = changes.iter().map(|(time, changed)| vec![time.to_string(), properties(changed)]).collect();
        text.push_str(&format!("\nentity {id}\n{}", grid(&[Column::Right("TIME"), Column::Left("CHANGED")], &rows)));
    }
    if !digest.scores.is_empty() {
        text.push('\n');
        text.push_str(&scores(digest));
    }
    text.push('\n');
    text.push_str(&steps(digest, &varying));
    text
}

/// How the run stood after a timestep, number by number.
fn standing(census: &Census) -> [(&'static str, Value); 8] {
    let Census { score, buried, agents_dead, burning, blockades } = *census;
    [
        ("score", score.value().into()),
        ("living", score.living.into()),
        ("dead", (score.civilians - score.living).into()),
        ("health", score.health.into()),
        ("buried", buried.into()),
        ("agents_dead", agents_dead.into()),
        ("burning", burning.into()),
        ("blockades", blockades.into()),
    ]
}

/// The scores, a line for each timestep.
fn scores(digest: &Digest) -> String {
    let heads = ["TIME", "SCORE", "LIVING", "DEAD", "HEALTH", "BURIED", "AGENTS DEAD", "BURNING", "BLOCKADES"]
        .map(Column::Right);
    let cell = |value: Value| match value.as_f64().filter(|_| value.is_f64()) {
        Some(score) => format!("{score:.3}"),
        None => word(&value),
    };
    let row = |(time, census): (&i64, &Census)| {
        [time.to_string()].into_iter().chain(standing(census).map(|(_, value)| cell(value))).collect::<Vec<_>>()
    };
    grid(&heads, &digest.scores.iter().map(|(time, census)| row((time, census))).collect::<Vec<_>>())
}

fn properties(found: &Map<String, Value>) -> String {
    found.iter().map(|(key, value)| format!("{key} {}", word(value))).collect::<Vec<_>>().join(", ")
}

/// The kinds of entities: those of which there are as many at all times, with their number, and the others.
fn kinds(digest: &Digest) -> (Counts, Vec<&'static str>) {
    let (mut constant, mut varying): (Counts, Vec<&'static str>) = (Vec::new(), Vec::new());
    let count =
        |step: &Timestep, kind: &str| step.entities.iter().find(|(known, _)| *known == kind).map_or(0, |(_, n)| *n);
    let merged: Vec<&Timestep> = digest.steps.values().map(Box::as_ref).filter(|step| !step.is_cut()).collect();
    for (kind, first) in merged.iter().flat_map(|step| &step.entities) {
        if constant.iter().any(|(known, _)| known == kind) || varying.contains(kind) {
            continue;
        }
        if merged.iter().all(|step| count(step, kind) == *first) {
            constant.push((kind, *first));
        } else {
            varying.push(kind);
        }
    }
    (constant, varying)
}

/// A line for each timestep.
fn steps(digest: &Digest, varying: &[&'static str]) -> String {
    let mut columns = vec![Column::Right("TIME"), Column::Right("ENTITIES")];
    columns.extend(varying.iter().map(|kind| Column::Right(kind)));
    columns.extend(["CHANGED", "DELETED", "PERCEPTIONS"].map(Column::Right));
    columns.push(Column::Left("COMMANDS"));
    let row = |(time, step): (&i64, &Timestep)| {
        let count = |kind: &&str| step.entities.iter().find(|(known, _)| known == kind).map_or(0, |(_, n)| *n);
        let of_world = |n: usize| if step.is_cut() { "-".to_owned() } else { n.to_string() };
        let mut row = vec![time.to_string(), of_world(total(&step.entities))];
        row.extend(varying.iter().map(|kind| of_world(count(kind))));
        row.extend([of_world(step.changed), of_world(step.deleted), step.perceptions.to_string()]);
        row.push(listed(&step.commands));
        row
    };
    grid(&columns, &digest.steps.iter().map(|(time, step)| row((time, step))).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn kinds_that_do_not_vary_are_told_once() {
        let step = |entities: &[(&'static str, usize)]| Timestep { entities: entities.to_vec(), ..Timestep::default() };
        let digest = Digest {
            steps: BTreeMap::from([
                (0, Box::new(step(&[("road", 2)]))),
                (1, Box::new(step(&[("road", 2), ("blockade", 1)]))),
                (2, Box::new(step(&[]))),
            ]),
            ..Digest::default()
        };
        assert_eq!(kinds(&digest), (vec![("road", 2)], vec!["blockade"]));
        let table = steps(&digest, &["blockade"]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "TIME  ENTITIES  blockade  CHANGED  DELETED  PERCEPTIONS  COMMANDS");
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["1", "3", "1", "0", "0", "0"]);
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["2", "-", "-", "-", "-", "0"],
            "the log was cut off in it"
        );
    }

    #[test]
    fn wrong_words_are_named() {
        let said = |words: &[&str]| run(words.iter().map(OsString::from).collect()).unwrap_err();
        for (words, wanted) in [
            (&[][..], "log: FILE is missing"),
            (&["a", "b"], "log: 'b' is one word too many"),
            (&["-x"], "log: there is no flag -x"),
            (&["--all"], "log: there is no flag --all"),
            (&["-e", "x"], "--entity 'x': an id is wanted"),
            (&["--time", "-1"], "--time '-1': the number of a timestep is wanted"),
        ] {
            let failure = said(words);
            assert!(failure.code == 2 && failure.text.starts_with(wanted), "{words:?}: {failure:?}");
        }
    }
}
