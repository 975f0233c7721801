//! `instep view`: a viewer for the terminal. Says OPEN, then prints one line for every result it is sent. What it is to see it may open and
//! connect itself.

mod source;
mod text;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use instep::control;
use instep::control::client::{ViewerResult, decode_viewer, encode_viewer};
use instep::control::viewer::Bits;
use instep::leco::address;
use instep::leco::name::of_visitor;
use lexopt::prelude::{Long, Short, Value as Word};

use super::client::{Client, Trouble, now, seconds};
use super::credentials;
use super::failure::Failure;
use super::flags::no_flag;
use super::framed::{Framed, Silence};
use super::place;
use super::ports;
use super::print::{complain, is_read, print, say};
use source::{Doing, Source, TIMEOUT, Way, failure};
pub(super) use text::kind_of;
use text::{Sections, as_json, as_text};

/// Pauses between two attempts to come back: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
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

pub(super) const HELP: &str = "\
instep view watches a session as a viewer does, one line a timestep.

Usage: instep view [options] FILE             opens a log and plays it
       instep view [options] --provider ID    what a provider shows that is open
       instep view [options] [HOST:PORT]      whatever a controller connects it to, at this viewer port [as the
                                              Coordinator says]

FILE is a name below log_dir, as in instep ctl logs. A word without a slash and without an end such as .log or .7z is a
HOST.

  -a, --address HOST:PORT  the Coordinator, or a context [INSTEP_ADDRESS, the one in use, 127.0.0.1:12300, or HOST]
  --context NAME           the Coordinator of that name (see: instep ctl context; also: INSTEP_CONTEXT)
  --provider ID   what this provider shows, which is open
  --changes       what changed of entities      }
  --commands      what agents did               } both, when nothing is chosen
  --world         all entities as they are
  --perceptions   what agents saw and heard (of kernel logs only)
  --map           the areas, once
  --config        the configuration of the run, once
  --time N        timestep N alone, then end
  --steps N       end after N results that have something to show
  --once          end when the Manager does, instead of trying again until it is back
  --json          every result as a JSON document in a line of its own
  --token-file FILE, --key FILE, --server-key KEY|FILE
                  what to show the Coordinator, where that is asked (see: instep ctl --help)

When the connection is lost it says so on standard error, connects again with pauses of up to 1 s, and says what it has
missed.

With FILE or --provider it ends when that does. Otherwise it sees nothing before a controller has connected it to a
provider:

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
    /// What it is to open and connect itself.
    source: Option<Source>,
    bits: Bits,
    time: Option<i64>,
    steps: Option<u32>,
    once: bool,
    json: bool,
}

/// How the watching goes on.
enum Seen {
    /// All has been seen that was wanted, or nobody reads it any more.
    All,
    /// The connection is lost, in words.
    Lost(String),
}

/// A viewer at work.
struct Watch {
    wishes: Wishes,
    /// The viewer port, as it was found last.
    address: String,
    line: Framed,
    /// The way to what it is to see, and whether it has been brought there on this connection.
    way: Option<Way>,
    is_attached: bool,
    /// Until when the first answer must come.
    deadline: Option<Instant>,
    /// The timestep of `--time` has been asked for.
    has_asked: bool,
    steps: u32,
    /// The last timestep that was shown.
    last: Option<i64>,
    /// It has lost its connection before.
    is_back: bool,
    /// It has a connection anew, and has seen no timestep on it.
    is_behind: bool,
    pause: Duration,
}

/// Watches until there is no more to see. What was a viewer once tries to be one again whenever its connection is lost.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(wishes) = parse(words)? else { return say(HELP) };
    let address = match &wishes.viewer {
        Some(address) => address.clone(),
        None => find(&wishes)?,
    };
    let line = connect(&address, &wishes).map_err(failure)?;
    let way = wishes.source.clone().map(|source| Way::new(source, wishes.coordinator.clone()));
    let mut watch = Watch {
        way,
        is_attached: false,
        wishes,
        address,
        line,
        deadline: Some(now() + TIMEOUT),
        has_asked: false,
        steps: 0,
        last: None,
        is_back: false,
        is_behind: false,
        pause: FIRST_PAUSE,
    };
    let outcome = watch.watch();
    if let Some(way) = &watch.way {
        way.close();
    }
    outcome
}

/// A connection on which all is asked for that is wanted.
fn connect(address: &str, wishes: &Wishes) -> Result<Framed, Trouble> {
    let mut line = Framed::connect(address, TIMEOUT)?;
    line.send(&request(Bits::OPEN | wishes.bits, None))?;
    Ok(line)
}

impl Watch {
    /// Watches to the end, whatever connections it takes.
    fn watch(&mut self) -> Result<(), Failure> {
        while let Seen::Lost(why) = self.look()? {
            if !self.come_back(&why)? {
                break;
            }
        }
        Ok(())
    }

    /// Brings it to what it is to see, unless it is there; answers whether it was not.
    fn attach(&mut self, viewer: Option<i64>) -> Result<bool, Failure> {
        let Some(way) = self.way.as_mut().filter(|_| !self.is_attached) else { return Ok(false) };
        way.attach(viewer)?;
        self.is_attached = true;
        Ok(true)
    }

    /// Whether what it has connected itself to has ended; a word that comes unasked may be the sign of it.
    fn is_over(&self, result: &ViewerResult<'_>) -> Result<bool, Failure> {
        let Some(way) = self.way.as_ref().filter(|_| result.request == Bits::NONE) else { return Ok(false) };
        match way.doing()? {
            Doing::Well => Ok(false),
            Doing::Over => Ok(true),
            Doing::Failed(why) => Err(Failure::other(why)),
        }
    }

    /// Shows what comes, for as long as it comes.
    fn look(&mut self) -> Result<Seen, Failure> {
        loop {
            let body = match self.line.next(self.deadline) {
                Ok(body) => body,
                Err(silence) => return self.lose(silence),
            };
            let result = decode_viewer(&body).map_err(|error| stranger(&self.line, error))?;
            let sections = Sections::read(&result).map_err(|error| stranger(&self.line, error))?;
            if self.deadline.take().is_some() {
                self.pause = FIRST_PAUSE;
                if self.attach(result.viewer)? {
                    continue;
                }
                if result.result && !result.message.is_empty() {
                    hint(&self.line, result.message);
                }
            }
            if !result.result {
                let text = result.message;
                return Err(Failure::other(match self.wishes.time {
                    Some(time) if self.has_asked => format!("timestep {time}: {text}"),
                    Some(_) | None => format!("the Manager refused: {text}"),
                }));
            }
            if let Some(time) = self.wishes.time {
                if !self.has_asked && (result.message.is_empty() || sections.any()) {
                    self.line.send(&request(self.wishes.bits, Some(time))).map_err(failure)?;
                    self.has_asked = true;
                    continue;
                }
                if !self.has_asked || result.time != time {
                    continue;
                }
            }
            if !self.show(&result, &sections)? || self.is_over(&result)? {
                return Ok(Seen::All);
            }
        }
    }

    /// Prints a result; answers whether more is wanted.
    fn show(&mut self, result: &ViewerResult<'_>, sections: &Sections<'_>) -> Result<bool, Failure> {
        let is_step = !result.request.has(Bits::OPEN) && result.request.0 & EACH_STEP.0 != 0 || sections.any();
        if is_step && core::mem::take(&mut self.is_behind) {
            self.tell_missed(result.time);
        }
        let shown = if self.wishes.json { as_json(result) } else { as_text(result, sections) };
        let shown = shown.map_err(|error| Failure::other(format!("the result of time {}: {error}", result.time)))?;
        if !print(&shown)? || self.wishes.time.is_some() {
            return Ok(false);
        }
        if is_step {
            self.steps += 1;
            self.last = Some(result.time);
        }
        Ok(self.wishes.steps.is_none_or(|wanted| self.steps < wanted))
    }

    /// Says what has passed unseen, as far as the number of a timestep tells.
    fn tell_missed(&self, time: i64) {
        match self.last {
            Some(last) if time > last + 1 => {
                complain(&format!("what came between timestep {last} and timestep {time} is missed"));
            }
            Some(last) if time < last => {
                complain(&format!("timestep {time} is shown, and {last} was before: it has begun again meanwhile"));
            }
            Some(_) | None => {}
        }
    }

    /// The connection is lost: whether that is an end, in order or not, or it is worth another try.
    fn lose(&self, silence: Silence) -> Result<Seen, Failure> {
        let has_been_seen = self.deadline.is_none();
        let is_an_end = has_been_seen && matches!(silence, Silence::Closed);
        let is_strange = matches!(silence, Silence::Broken(_));
        // One timestep is there or is not, and who has never been a Manager has not been lost.
        if is_strange || self.wishes.time.is_some() || !has_been_seen && !self.is_back {
            return Err(ended(&self.line, silence));
        }
        match (is_an_end, self.wishes.once) {
            (true, true) => Ok(Seen::All),
            (false, true) => Err(ended(&self.line, silence)),
            (true, false) => Ok(Seen::Lost(format!("the Manager at {} closed the connection", self.line.address()))),
            (false, false) => Ok(Seen::Lost(ended(&self.line, silence).text)),
        }
    }

    /// Connects anew, as soon as that goes; answers whether it did before nobody read any more what is printed.
    fn come_back(&mut self, why: &str) -> Result<bool, Failure> {
        complain(&format!("{why}; trying again until it is back"));
        loop {
            if !is_read(self.pause) {
                return Ok(false);
            }
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            if self.wishes.viewer.is_none()
                && let Ok(address) = find(&self.wishes)
            {
                self.address = address;
            }
            match connect(&self.address, &self.wishes) {
                Ok(line) => {
                    complain(&format!("connected to the Manager at {} again", line.address()));
                    self.line = line;
                    self.deadline = Some(now() + TIMEOUT);
                    (self.is_back, self.is_behind, self.is_attached) = (true, true, false);
                    return Ok(true);
                }
                Err(trouble) if trouble.is_absence() => {}
                Err(trouble) => return Err(failure(trouble)),
            }
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

fn request(bits: Bits, time: Option<i64>) -> Vec<u8> {
    let mut request = Vec::new();
    encode_viewer(&mut request, bits, time);
    request
}

/// Says on standard error how a viewer that sees nothing comes to see something.
fn hint(line: &Framed, message: &str) {
    complain(&format!(
        "{message}; this viewer is {} in: instep ctl viewers, and sees data after: instep ctl connect VIEWER PROVIDER",
        line.own_address()
    ));
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
        coordinator: String::new(),
        needs_coordinator: false,
        source: None,
        bits: Bits::NONE,
        time: None,
        steps: None,
        once: false,
        json: false,
    };
    let mut has_host = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return Ok(None),
            Short('a') | Long("address") => {
                wishes.coordinator = place::named("view: --address", &parser.value()?.to_string_lossy())?;
                wishes.needs_coordinator = true;
            }
            Long("context") => {
                wishes.coordinator = place::of_context("view: --context", &parser.value()?.to_string_lossy())?;
                wishes.needs_coordinator = true;
            }
            Long(long @ ("token-file" | "key" | "server-key")) => credentials::of_flag(long).take(parser.value()?)?,
            Long("json") => wishes.json = true,
            Long("once") => wishes.once = true,
            Long("time") => wishes.time = Some(number(&mut parser, "--time")?.into()),
            Long("provider") => wishes.source = Some(Source::Provider(number(&mut parser, "--provider")?.into())),
            Long("steps") => wishes.steps = Some(number(&mut parser, "--steps")?),
            Long(long) => match CHOICES.iter().find(|(name, _)| *name == long) {
                Some((_, bit)) => wishes.bits = wishes.bits | *bit,
                None => {
                    return Err(no_flag("view", &format!("--{long}"), HELP));
                }
            },
            Short(letter) => {
                return Err(no_flag("view", &format!("-{letter}"), HELP));
            }
            Word(word) => {
                let text = word.to_string_lossy();
                let one_too_many =
                    || Failure::usage(format!("view: '{text}' is one word too many (try: instep view --help)"));
                if source::is_log(&text) {
                    if wishes.source.replace(Source::Log(text.clone().into_owned())).is_some() {
                        return Err(one_too_many());
                    }
                    continue;
                }
                if core::mem::replace(&mut has_host, true) {
                    return Err(one_too_many());
                }
                let wrong = || format!("view: '{text}': a host and port like 127.0.0.1:12311 is wanted");
                let known = address::with_port(&text).ok_or_else(|| Failure::usage(wrong()))?;
                match address::split(&text) {
                    Some((_, Some(_))) => wishes.viewer = Some(known),
                    _ => wishes.coordinator = place::named("view:", &text)?,
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
    if wishes.viewer.is_some() && wishes.source.is_some() {
        return Err(Failure::usage("view: HOST:PORT is a viewer port; what opens and connects is named by --address"));
    }
    if wishes.coordinator.is_empty() {
        wishes.coordinator = place::usual()?;
    }
    credentials::check()?;
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
        assert_eq!((wishes.time, wishes.steps, wishes.json, wishes.once), (None, None, false, false));
        let wishes = parsed("--world lab --perceptions --time 3 --steps 2 --json --once").unwrap();
        assert_eq!((wishes.viewer, wishes.coordinator.as_str()), (None, "lab:12300"));
        assert_eq!(wishes.bits, Bits::WORLD | Bits::PERCEPTION);
        assert_eq!((wishes.time, wishes.steps, wishes.json), (Some(3), Some(2), true));
        assert_eq!(parsed("lab:5").unwrap().viewer.as_deref(), Some("lab:5"));
        let wishes = parsed("-a [::1]:7").unwrap();
        assert_eq!((wishes.viewer, wishes.coordinator.as_str()), (None, "[::1]:7"));
        let wishes = parsed("-a lab a/run.7z").unwrap();
        assert_eq!((wishes.source, wishes.coordinator.as_str()), (Some(Source::Log("a/run.7z".into())), "lab:12300"));
        let wishes = parsed("--provider 3 lab").unwrap();
        assert_eq!((wishes.source, wishes.coordinator.as_str()), (Some(Source::Provider(3)), "lab:12300"));
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
            ("a.log b.log", "view: 'b.log' is one word too many"),
            ("--provider x", "--provider 'x': a whole number"),
            ("h:1 --provider 2", "view: HOST:PORT is a viewer port"),
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
