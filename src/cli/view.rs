//! `instep view`: a viewer for the terminal. Says OPEN, then prints one line for every result it is sent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use instep::control::client::{Value as Whole, ViewerResult, decode_viewer, encode_viewer};
use instep::control::replay::{self, Record};
use instep::control::section::Section;
use instep::control::value::Reader;
use instep::control::viewer::Bits;
use instep::control::{self, record::EntityType};
use instep::leco::name::of_visitor;
use instep::leco::{DEFAULT_PORT, address};
use lexopt::prelude::{Long, Short, Value as Word};
use serde_json::json;

use super::client::{Client, Trouble, now, seconds};
use super::failure::Failure;
use super::framed::{self, Framed, Silence};
use super::ports;
use super::print::{complain, print, say};
use super::visible::visible;

/// Longest wait for the connection and for the first answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What can be chosen.
const CHOICES: [(&str, Bits); 6] = [
    ("world", Bits::WORLD),
    ("changes", Bits::UPDATE),
    ("commands", Bits::ACTION),
    ("map", Bits::MAP),
    ("config", Bits::CONFIG),
    ("perceptions", Bits::PERCEPTION),
];
/// The choices of which every timestep has its own.
const EACH_STEP: Bits = Bits(Bits::ACTION.0 | Bits::UPDATE.0 | Bits::WORLD.0 | Bits::PERCEPTION.0);

const HELP: &str = "\
instep view watches a session as a viewer does, one line a timestep.

Usage: instep view [options] [HOST:PORT]      the viewer port [as the Coordinator says]

  -a, --address HOST:PORT  the Coordinator [127.0.0.1:12300, or that of HOST]
  --changes       what changed of entities      }
  --commands      what agents did               } both, when nothing is chosen
  --world         all entities as they are
  --perceptions   what agents saw and heard (of kernel logs only)
  --map           the areas, once
  --config        the configuration of the run, once
  --time N        timestep N alone, then end
  --steps N       end after N results that have something to show
  --json          every result as a JSON document in a line of its own

A viewer sees nothing before a controller has connected it to a provider:

  instep ctl open FILE; instep ctl viewers; instep ctl connect VIEWER PROVIDER

Exit codes: 0 it worked, 1 it was refused or failed, 2 the command line is wrong, 3 nobody is there or answers in time.
";

/// What is wanted.
#[derive(Debug)]
struct Wishes {
    /// The viewer port, where it was named.
    viewer: Option<String>,
    /// The Coordinator that knows it otherwise.
    coordinator: String,
    /// The Coordinator was named: it must be there.
    needs_coordinator: bool,
    bits: Bits,
    time: Option<i64>,
    steps: Option<u32>,
    json: bool,
}

/// Watches until there is no more to see.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(wishes) = parse(words)? else { return say(HELP) };
    let address = match &wishes.viewer {
        Some(address) => address.clone(),
        None => find(&wishes)?,
    };
    let mut line = Framed::connect(&address, TIMEOUT).map_err(failure)?;
    ask(&mut line, Bits::OPEN | wishes.bits, None)?;
    let mut deadline = Some(now() + TIMEOUT);
    let (mut steps, mut asked) = (0, false);
    loop {
        let body = match line.next(deadline) {
            Ok(body) => body,
            Err(Silence::Closed) if deadline.is_none() && wishes.time.is_none() => return Ok(()),
            Err(silence) => return Err(ended(&line, silence)),
        };
        let result = decode_viewer(&body).map_err(|error| stranger(&line, error))?;
        let sections = Sections::read(&result).map_err(|error| stranger(&line, error))?;
        if deadline.take().is_some() && result.result && !result.message.is_empty() {
            hint(&line, result.message);
        }
        if !result.result {
            let text = result.message;
            return Err(Failure::other(match wishes.time {
                Some(time) if asked => format!("timestep {time}: {text}"),
                Some(_) | None => format!("the Manager refused: {text}"),
            }));
        }
        if let Some(time) = wishes.time {
            if !asked && (result.message.is_empty() || sections.any()) {
                ask(&mut line, wishes.bits, Some(time))?;
                asked = true;
                continue;
            }
            if !asked || result.time != time {
                continue;
            }
        }
        let shown = if wishes.json { as_json(&result) } else { as_text(&result, &sections) };
        let shown = shown.map_err(|error| Failure::other(format!("the result of time {}: {error}", result.time)))?;
        if !print(&shown)? || wishes.time.is_some() {
            return Ok(());
        }
        let is_step = !result.request.has(Bits::OPEN) && result.request.0 & EACH_STEP.0 != 0;
        steps += u32::from(is_step || sections.any());
        if wishes.steps.is_some_and(|wanted| steps >= wanted) {
            return Ok(());
        }
    }
}

/// The viewer port of the Coordinator's Manager.
fn find(wishes: &Wishes) -> Result<String, Failure> {
    let coordinator = &wishes.coordinator;
    let client = Client::connect(coordinator, &of_visitor(std::process::id()), TIMEOUT);
    let told = client.and_then(|mut client| {
        let told = ports::ask(&mut client);
        client.leave();
        told
    });
    let told = match told {
        Err(trouble) if wishes.needs_coordinator => return Err(failure(trouble)),
        told => told.ok().flatten(),
    };
    let nowhere = || Failure::usage(format!("view: --address '{coordinator}': name the viewer port as HOST:PORT"));
    ports::viewer(coordinator, told.as_ref()).ok_or_else(nowhere)
}

fn ask(line: &mut Framed, bits: Bits, time: Option<i64>) -> Result<(), Failure> {
    let mut request = Vec::new();
    encode_viewer(&mut request, bits, time);
    line.send(&request).map_err(failure)
}

/// Says on standard error how a viewer that sees nothing comes to see something.
fn hint(line: &Framed, message: &str) {
    complain(&format!(
        "{message}; this viewer is {} in: instep ctl viewers, and sees data after: instep ctl connect VIEWER PROVIDER",
        line.own_address()
    ));
}

fn failure(trouble: Trouble) -> Failure {
    let text = trouble.to_string();
    if trouble.is_absence() { Failure::nobody(text) } else { Failure::other(text) }
}

fn stranger(line: &Framed, error: control::Error) -> Failure {
    Failure::other(format!("{} is no Manager's viewer port: {error}", line.address()))
}

fn ended(line: &Framed, silence: Silence) -> Failure {
    let address = line.address();
    match silence {
        Silence::Late => {
            Failure::nobody(format!("the Manager at {address} did not answer within {}", seconds(TIMEOUT)))
        }
        Silence::Closed => {
            Failure::nobody(format!("the Manager at {address} closed the connection before it answered"))
        }
        Silence::Torn => Failure::other(format!("the Manager at {address} closed the connection within a result")),
        Silence::Failed(why) => Failure::other(format!("{address}: {why}")),
        Silence::Broken(error) => stranger(line, error),
    }
}

fn parse(words: Vec<OsString>) -> Result<Option<Wishes>, Failure> {
    let mut wishes = Wishes {
        viewer: None,
        coordinator: format!("127.0.0.1:{DEFAULT_PORT}"),
        needs_coordinator: false,
        bits: Bits::NONE,
        time: None,
        steps: None,
        json: false,
    };
    let mut has_host = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return Ok(None),
            Short('a') | Long("address") => {
                let text = parser.value()?.to_string_lossy().into_owned();
                let wrong =
                    || format!("view: --address '{text}': a host and port like 127.0.0.1:{DEFAULT_PORT} is wanted");
                wishes.coordinator = address::with_port(&text).ok_or_else(|| Failure::usage(wrong()))?;
                wishes.needs_coordinator = true;
            }
            Long("json") => wishes.json = true,
            Long("time") => wishes.time = Some(number(&mut parser, "--time")?.into()),
            Long("steps") => wishes.steps = Some(number(&mut parser, "--steps")?),
            Long(long) => match CHOICES.iter().find(|(name, _)| *name == long) {
                Some((_, bit)) => wishes.bits = wishes.bits | *bit,
                None => {
                    return Err(Failure::usage(format!("view: there is no flag --{long} (try: instep view --help)")));
                }
            },
            Short(letter) => {
                return Err(Failure::usage(format!("view: there is no flag -{letter} (try: instep view --help)")));
            }
            Word(word) => {
                let text = word.to_string_lossy();
                if core::mem::replace(&mut has_host, true) {
                    return Err(Failure::usage(format!(
                        "view: '{text}' is one word too many (try: instep view --help)"
                    )));
                }
                let wrong = || format!("view: '{text}': a host and port like 127.0.0.1:12311 is wanted");
                let known = address::with_port(&text).ok_or_else(|| Failure::usage(wrong()))?;
                match address::split(&text) {
                    Some((_, Some(_))) => wishes.viewer = Some(known),
                    _ => wishes.coordinator = known,
                }
            }
        }
    }
    if wishes.time.is_some() && wishes.bits.0 & (Bits::MAP | Bits::CONFIG).0 != 0 {
        return Err(Failure::usage("view: --time shows a timestep, which has neither --map nor --config"));
    }
    if has_host && wishes.needs_coordinator {
        return Err(Failure::usage("view: --address names the Coordinator, HOST:PORT the viewer port; one is enough"));
    }
    if wishes.bits == Bits::NONE {
        wishes.bits = Bits::ACTION | Bits::UPDATE;
    }
    Ok(Some(wishes))
}

fn number(parser: &mut lexopt::Parser, flag: &str) -> Result<u32, Failure> {
    let text = parser.value()?.to_string_lossy().into_owned();
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Failure::usage(format!("{flag} '{text}': a whole number of at least 1 is wanted")))
}

/// The sections of a result that are there.
struct Sections<'a>(Option<Record<'a>>);

impl<'a> Sections<'a> {
    fn read(result: &ViewerResult<'a>) -> Result<Self, control::Error> {
        if result.record.is_empty() {
            Ok(Self(None))
        } else {
            Record::read(result.record).map(|record| Self(Some(record)))
        }
    }

    fn get(&self, section: Section) -> Option<&'a [u8]> {
        self.0?.section(section)
    }

    fn any(&self) -> bool {
        Section::ALL.into_iter().any(|section| self.get(section).is_some())
    }
}

fn as_json(result: &ViewerResult<'_>) -> Result<String, control::Error> {
    let record = if result.record.is_empty() { Whole::Nil } else { Whole::decode(result.record)? };
    let document = json!({
        "request": result.request.0, "message": result.message, "result": result.result, "time": result.time,
        "record": framed::json(&record),
    });
    Ok(document.to_string())
}

/// A result as a line: its time and what each section comes to.
fn as_text(result: &ViewerResult<'_>, sections: &Sections<'_>) -> Result<String, control::Error> {
    let mut parts = Vec::new();
    for section in Section::ALL {
        let Some(value) = sections.get(section) else { continue };
        parts.push(match section {
            Section::Map => {
                let map = replay::map(value)?;
                let (areas, width, height) = (map.areas.len(), map.width / 1000.0, map.height / 1000.0);
                format!(
                    "map {width:.1} m x {height:.1} m, {areas} areas{}",
                    by_type(map.areas.iter().map(|area| area.kind.word()))
                )
            }
            Section::World => {
                let world = replay::entities(value)?;
                format!("world {}{}", world.len(), by_type(world.iter().map(|entity| kind_of(entity.kind))))
            }
            Section::Commands => {
                let actions = replay::actions(value)?;
                format!("commands {}{}", actions.len(), by_type(actions.iter().map(|action| action.kind.word())))
            }
            Section::Changes => {
                let changes = replay::entities(value)?;
                let created = changes.iter().filter(|change| change.created).count();
                let deleted = changes.iter().filter(|change| change.deleted).count();
                let changed = changes.iter().filter(|change| !change.created && !change.deleted).count();
                let kinds = by_type(changes.iter().map(|change| kind_of(change.kind)));
                format!("changed {changed}, created {created}, deleted {deleted}{kinds}")
            }
            Section::Config => format!("config {} keys", replay::config(value)?.len()),
            Section::Perceptions => format!("perceptions {}", Reader::new(value).map()?.unwrap_or(0)),
        });
    }
    if !result.message.is_empty() {
        parts.push(visible(result.message).into_owned());
    }
    let text = if parts.is_empty() { "nothing to show".to_owned() } else { parts.join("; ") };
    Ok(format!("{:>5}  {text}", result.time))
}

/// The word of an entity's type, which an old recording may not tell.
pub(super) fn kind_of(kind: Option<EntityType>) -> &'static str {
    kind.unwrap_or(EntityType::Unknown).word()
}

/// How many of each type, in brackets; nothing where there are none.
fn by_type(words: impl Iterator<Item = &'static str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Wishes, String> {
        let words = words.split_whitespace().map(OsString::from).collect();
        parse(words).map(|wishes| wishes.expect("no help was asked for")).map_err(|failure| failure.text)
    }

    #[test]
    fn without_a_choice_changes_and_commands_are_chosen() {
        let wishes = parsed("").unwrap();
        assert_eq!((wishes.viewer, wishes.coordinator.as_str(), wishes.bits), (None, "127.0.0.1:12300", Bits(12)));
        assert_eq!((wishes.time, wishes.steps, wishes.json), (None, None, false));
        let wishes = parsed("--world lab --perceptions --time 3 --steps 2 --json").unwrap();
        assert_eq!((wishes.viewer, wishes.coordinator.as_str()), (None, "lab:12300"));
        assert_eq!(wishes.bits, Bits::WORLD | Bits::PERCEPTION);
        assert_eq!((wishes.time, wishes.steps, wishes.json), (Some(3), Some(2), true));
        assert_eq!(parsed("lab:5").unwrap().viewer.as_deref(), Some("lab:5"));
        let wishes = parsed("-a [::1]:7").unwrap();
        assert_eq!((wishes.viewer, wishes.coordinator.as_str()), (None, "[::1]:7"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, wanted) in [
            ("--sound", "view: there is no flag --sound"),
            ("-x", "view: there is no flag -x"),
            ("a b", "view: 'b' is one word too many"),
            ("h:x", "view: 'h:x': a host and port"),
            ("-a h:x", "view: --address 'h:x': a host and port"),
            ("-a h i", "view: --address names the Coordinator"),
            ("--time 0", "--time '0': a whole number"),
            ("--time 1 --map", "view: --time shows a timestep, which has neither"),
            ("--steps x", "--steps 'x': a whole number"),
        ] {
            let said = parsed(words).map(|_| ()).unwrap_err();
            assert!(said.starts_with(wanted), "{words}: {said}");
        }
    }

    #[test]
    fn every_choice_is_in_the_help() {
        assert!(CHOICES.iter().all(|(name, _)| HELP.contains(&format!("--{name}"))));
        assert!(HELP.lines().all(|line| line.len() <= 120));
    }
}
