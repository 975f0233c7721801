//! The interface of commands in its own words (c2sim-http, 6): what GMU's server of C2SIM is asked, and the exact texts of its answers. Its
//! clients read no status but 200, take some answers for text and others for XML, and compare letters.

use core::fmt::Display;

use serde_json::{Map, Value};

use crate::c2sim::code::Code;
use crate::c2sim::kind::Kind;
use crate::c2sim::message::Census;
use crate::c2sim::state::{State, Trigger};
use crate::hub::call::Refused;
use crate::leco::rpc::{RECEIVER_OVERLOADED, SESSION_REFUSED};

use super::reply::Reply;
use super::session::{may_not, message};

/// The version of GMU's server whose answers these are.
const SERVER_VERSION: &str = "4.8.3.2";

/// Why nothing is done where there is no room for it.
pub(super) const BUSY: &str = "the server is busy";

/// What is asked for by a path of this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Task {
    /// To take a document.
    Document,
    /// To do what the query says.
    Command,
    /// How the session stands.
    Status,
    /// To take times that a client has measured.
    Statistics,
    /// To let an attack be played.
    Cyber,
    /// Whether there is a server.
    Probe,
}

impl Task {
    /// The path that leads to it.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Self::Document => "/C2SIMServer/c2sim",
            Self::Command => "/C2SIMServer/command",
            Self::Status => "/C2SIMServer/status",
            Self::Statistics => "/C2SIMServer/stats",
            Self::Cyber => "/C2SIMServer/cyber",
            Self::Probe => "/C2SIMServer",
        }
    }

    /// What a refusal of it begins with.
    pub(in crate::hub) const fn failure(self) -> &'static str {
        match self {
            Self::Command => "Error processing command",
            Self::Document | Self::Status | Self::Statistics | Self::Cyber | Self::Probe => "Error processing message",
        }
    }
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Command {
    /// To pull a trigger.
    Pull(Trigger),
    /// To say how the session stands.
    Status,
    /// To give the initialization.
    QueryInit,
    /// To say the realtime multiple.
    Multiple,
    /// To tell everybody a system message of this kind.
    Tell(Kind),
    /// A question about what this server does not do, with its answer.
    Idle(&'static str),
    /// What is known and not done.
    Unsupported,
}

/// The commands by their names.
#[rustfmt::skip]
const COMMANDS: [(&str, Command); 31] = [
    ("INITIALIZE", Command::Pull(Trigger::SubmitInitialization)),
    ("SHARE", Command::Pull(Trigger::ShareScenario)),
    ("START", Command::Pull(Trigger::StartScenario)),
    ("PAUSE", Command::Pull(Trigger::PauseScenario)),
    ("RESUME", Command::Pull(Trigger::ResumeScenario)),
    ("STOP", Command::Pull(Trigger::StopScenario)),
    ("RESET", Command::Pull(Trigger::ResetScenario)),
    ("INITCOMP", Command::Pull(Trigger::InitializationComplete)),
    ("STATUS", Command::Status),
    ("QUERYINIT", Command::QueryInit),
    ("MAGIC", Command::Tell(Kind::MagicMove)),
    ("GETSIMMULT", Command::Multiple),
    ("SETSIMMULT", Command::Tell(Kind::SetSimulationRealtimeMultiple)),
    ("CPSAVE", Command::Tell(Kind::CheckpointSave)),
    ("CPRESTORE", Command::Tell(Kind::CheckpointRestore)),
    ("STARTREC", Command::Tell(Kind::StartRecording)),
    ("STOPREC", Command::Tell(Kind::StopRecording)),
    ("PAUSEREC", Command::Tell(Kind::PauseRecording)),
    ("RESTARTREC", Command::Tell(Kind::ResumeRecording)),
    ("GETRECSTAT", Command::Idle("NOT_RECORDING")),
    ("STARTPLAY", Command::Tell(Kind::StartPlayback)),
    ("STOPPLAY", Command::Tell(Kind::StopPlayback)),
    ("PAUSEPLAY", Command::Tell(Kind::PausePlayback)),
    ("RESUMEPLAY", Command::Tell(Kind::ResumePlayback)),
    ("GETPLAYSTAT", Command::Idle("NO_PLAYBACK_IN_PROGRESS")),
    ("GETPLAYMULT", Command::Idle("NO_PLAYBACK_IN_PROGRESS")),
    ("SETPLAYMULT", Command::Tell(Kind::SetPlaybackRealtimeMultiple)),
    ("LOAD", Command::Unsupported),
    ("NEW", Command::Unsupported),
    ("SAVE", Command::Unsupported),
    ("SAVEAS", Command::Unsupported),
];

/// Others that are known and not done.
const UNSUPPORTED: [&str; 3] = ["DELETE", "QUERYUNIT", "RESTART"];

impl Command {
    /// The command of this name, in letters of any size.
    pub(in crate::hub) fn of(name: &str) -> Option<Self> {
        let found = COMMANDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let is_unsupported = UNSUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(name));
        found.map(|(_, command)| *command).or_else(|| is_unsupported.then_some(Self::Unsupported))
    }

    /// Whether it comes with a password, where one is asked for.
    pub(in crate::hub) const fn needs_password(self) -> bool {
        matches!(self, Self::Pull(trigger) if !matches!(trigger, Trigger::InitializationComplete))
    }

    /// Whether it only asks, and changes nothing.
    pub(in crate::hub) const fn is_question(self) -> bool {
        matches!(self, Self::Status | Self::QueryInit | Self::Multiple)
    }

    /// What stands in the element of a system message, by the words that come with the command.
    ///
    /// # Errors
    /// The words make no sense.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most system messages have nothing in them")]
    pub(in crate::hub) fn content(kind: Kind, words: [&str; 3]) -> Result<String, String> {
        let [first, second, third] = words;
        let number = |text: &str| match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("'{text}' is no number")),
        };
        let multiple = |element: &str| match number(first)? {
            above if above > 0.0 => Ok(format!("<{element}>{above}</{element}>")),
            _ => Err(format!("'{first}' is not above zero")),
        };
        Ok(match kind {
            Kind::SetSimulationRealtimeMultiple => multiple("SimulationRealtimeMultiple")?,
            Kind::SetPlaybackRealtimeMultiple => multiple("PlaybackRealtimeMultiple")?,
            Kind::CheckpointSave | Kind::CheckpointRestore | Kind::StartRecording | Kind::StartPlayback => {
                format!("<Name>{}</Name>", escaped(first))
            }
            Kind::MagicMove => format!(
                "<EntityReference>{}</EntityReference><Location><GeodeticCoordinate><Latitude>{}</Latitude><Longitude>{}</Longitude></GeodeticCoordinate></Location>",
                escaped(first),
                number(second)?,
                number(third)?
            ),
            _ => String::new(),
        })
    }

    /// The answer to a command that was carried out.
    pub(in crate::hub) fn done(self, name: &str, words: [&str; 3], standing: &Standing) -> Reply {
        let [first, second, third] = words;
        let (name, state) = (name.to_ascii_uppercase(), standing.state.map_or("", State::name));
        plain(match self {
            Self::Pull(Trigger::ShareScenario) => {
                let Census { units, routes } = standing.census;
                format!("SHARE command processed and published {units} Units  and {routes} Routes")
            }
            Self::Pull(Trigger::StopScenario | Trigger::ResetScenario) => {
                format!("{name} command processed.  State set to {state}")
            }
            Self::Pull(Trigger::InitializationComplete) => format!("{name} command processed.  State is {state}"),
            Self::Pull(_) => format!("{name} Command processed.  State set to {state}"),
            Self::Tell(Kind::MagicMove) => {
                format!("MagicMove directed for object:{first} to lat/lon:{second}/{third}")
            }
            Self::Tell(Kind::SetSimulationRealtimeMultiple) => {
                format!("SetSimulationRealtimeMultiple response: SimulationRealtimeMultipleReport: {}", first.trim())
            }
            Self::Tell(_) => format!("{name} command processed.  State is {state}"),
            Self::Idle(word) => word.to_owned(),
            Self::Unsupported | Self::Status | Self::QueryInit | Self::Multiple => {
                format!("{name} command is not supported")
            }
        })
    }
}

/// The answer to the question for the realtime multiple.
pub(in crate::hub) fn multiple_is(multiple: f64) -> Reply {
    plain(format!("RequestSimulationRealtimeMultiple response: SimulationRealtimeMultipleReport: {multiple}"))
}

/// The answer to a command that nobody knows.
pub(in crate::hub) fn unknown_command(name: &str, submitter: &str) -> Reply {
    plain(format!("Command: {name} received from {submitter} not recognized"))
}

/// The answer to a document that has been here before.
pub(in crate::hub) fn duplicate() -> Reply {
    plain("Message discarded as a duplicate".to_owned())
}

/// The page that shows that there is a server.
pub(in crate::hub) fn probe() -> Reply {
    let text =
        "<!DOCTYPE html>\n<title>C2SIM server</title>\n<p>C2SIM server. <a href=\"C2SIMServer/status\">Status</a>\n";
    Reply::of(200, "text/html; charset=utf-8", text.into())
}

/// How a session stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Standing {
    /// None where there is no such session.
    pub(in crate::hub) state: Option<State>,
    pub(in crate::hub) census: Census,
    /// The number of an event.
    pub(in crate::hub) number: u64,
}

impl Standing {
    /// How a session stands that there is not.
    pub(in crate::hub) const NOWHERE: Self = Self { state: None, census: Census { units: 0, routes: 0 }, number: 0 };

    /// The answer to the question how it stands.
    pub(in crate::hub) fn told(&self) -> Reply {
        let mut result = Document::begin("OK");
        result.put("serverInitialized", "true").state(self.state).put("cyberActive", "false");
        result.put("unitDatabaseName", "defaultDB").put("unitDatabaseSize", self.census.units);
        result.put("msgNumber", self.number).end("text/plain")
    }

    /// Something was done.
    pub(in crate::hub) fn succeeded(&self, message: &str) -> Reply {
        let mut result = Document::begin("OK");
        result.put("message", message).server(self.state).put("unitDatabaseName", "defaultDB");
        result.put("unitDatabaseSize", self.census.units).put("msgNumber", self.number);
        result.put("time", " 0.000").put("collectResponseTime", "F").end("application/xml")
    }

    /// Something was not done: what, why, and what else there is to say, a line each.
    pub(in crate::hub) fn failed(&self, message: &str, error: &str, cause: &str) -> Reply {
        let mut result = Document::begin("ERROR");
        result.put("message", message).server(self.state).put("unitDatabaseSize", self.census.units);
        result.put("msgNumber", self.number).put("time", "0.0");
        result.put("error", error).put("cause", cause).end("application/xml")
    }

    /// The answer to the command for how it stands.
    pub(in crate::hub) fn of_server(self) -> Reply {
        let word = match self.state {
            Some(State::Running) => "running",
            Some(State::Paused) => "paused",
            _ => "stopped",
        };
        Self { number: 0, ..self }.succeeded(&format!("Server is {word}"))
    }

    /// What a session has refused: a command of this name, or a document.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most codes are said as other interfaces say them")]
    pub(in crate::hub) fn refused(&self, task: Task, command: &str, (reason, data): &Refused, session: &str) -> Reply {
        if reason.code == RECEIVER_OVERLOADED.code {
            return self.failed(task.failure(), BUSY, "");
        }
        let code = data.get("code").and_then(Value::as_str).and_then(Code::from_name);
        let Some(code) = code.filter(|_| reason.code == SESSION_REFUSED.code) else {
            let cause = may_not(data).map(|_| lines(data.as_object()));
            let error = may_not(data).unwrap_or_else(|| data.as_str().unwrap_or(reason.message).to_owned());
            return self.failed(task.failure(), &error, &cause.unwrap_or_default());
        };
        let none = Map::new();
        let details = data.get("details").and_then(Value::as_object).unwrap_or(&none);
        let is_of_state = matches!(code, Code::StateTransitionNotAllowed | Code::C2simMsgNotAllowedInState)
            || (code == Code::InitializationNotCompleted && self.state != Some(State::Initializing));
        let error = match code {
            _ if task == Task::Command && is_of_state => not_permitted(command, self.state),
            Code::AuthorizationFailure => details.get("REASON").map(word).unwrap_or_default(),
            Code::C2simRootElementMustBeMessage => "Protocol is C2SIM but XML root element is not <Message>".to_owned(),
            _ => {
                let reason = data.get("reason").and_then(Value::as_str).unwrap_or_default();
                format!("{} ({})", message(code, reason, details, session), code.name())
            }
        };
        let is_said = code == Code::AuthorizationFailure || (task == Task::Command && is_of_state);
        let cause = if is_said { String::new() } else { lines(Some(details)) };
        self.failed(task.failure(), &error, &cause)
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Particulars, a line each.
fn lines(details: Option<&Map<String, Value>>) -> String {
    let lines = details.into_iter().flatten().map(|(key, value)| format!("{key}: {}", word(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A command that the state does not permit. There are tools that look for these words.
fn not_permitted(command: &str, state: Option<State>) -> String {
    format!("{} not permitted in state {}", command.to_ascii_uppercase(), state.map_or("", State::name))
}

/// An answer that is text, though it is said to be XML.
fn plain(text: String) -> Reply {
    Reply::of(200, "application/xml", text.into())
}

/// A result while it is being written.
struct Document(String);

impl Document {
    fn begin(status: &str) -> Self {
        let mut document = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n".to_owned());
        document.put("status", status);
        document
    }

    fn put(&mut self, element: &str, value: impl Display) -> &mut Self {
        let value = escaped(&value.to_string());
        self.0.push_str(&format!("\t<{element}>{value}</{element}>\n"));
        self
    }

    fn state(&mut self, state: Option<State>) -> &mut Self {
        match state {
            Some(state) => self.put("sessionState", state.name()),
            None => self,
        }
    }

    fn server(&mut self, state: Option<State>) -> &mut Self {
        self.put("serverInitialized", "true").put("serverVersion", SERVER_VERSION).state(state)
    }

    fn end(&mut self, media_type: &'static str) -> Reply {
        self.0.push_str("</result>");
        Reply::of(200, media_type, core::mem::take(&mut self.0).into())
    }
}

/// Text as XML has it, without what it cannot have.
pub(in crate::hub) fn escaped(text: &str) -> String {
    let is_allowed = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
    let text: String =
        text.chars().filter(is_allowed).filter(|letter| !matches!(letter, '\u{fffe}' | '\u{ffff}')).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(reply: &Reply) -> String {
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    const STANDING: Standing =
        Standing { state: Some(State::Paused), census: Census { units: 3, routes: 1 }, number: 7 };

    #[test]
    fn commands_are_known_in_letters_of_any_size() {
        assert_eq!(Command::of("start"), Some(Command::Pull(Trigger::StartScenario)));
        assert_eq!(Command::of("Share"), Some(Command::Pull(Trigger::ShareScenario)));
        assert_eq!((Command::of("queryunit"), Command::of("")), (Some(Command::Unsupported), None));
        let asked = COMMANDS.iter().filter(|(_, command)| command.needs_password()).count();
        assert_eq!(asked, 7, "of flow control all but the completion");
    }

    #[test]
    fn what_is_told_is_written_as_the_schemas_say() {
        let content = |kind, words| Command::content(kind, words).unwrap();
        assert_eq!(content(Kind::StartRecording, ["a<b", "", ""]), "<Name>a&lt;b</Name>");
        assert_eq!(content(Kind::StopRecording, ["x", "", ""]), "");
        assert_eq!(
            content(Kind::SetPlaybackRealtimeMultiple, ["0.5", "", ""]),
            "<PlaybackRealtimeMultiple>0.5</PlaybackRealtimeMultiple>"
        );
        assert!(Command::content(Kind::MagicMove, ["u", "north", "1"]).is_err());
        assert!(Command::content(Kind::SetSimulationRealtimeMultiple, ["-1", "", ""]).is_err());
    }

    #[test]
    fn a_refusal_of_the_state_has_the_words_that_tools_look_for() {
        let refusal = |code: Code, details: Value| {
            (SESSION_REFUSED, json!({"code": code.name(), "reason": code.to_string(), "details": details}))
        };
        let of_state = refusal(Code::StateTransitionNotAllowed, json!({"ALLOWED_TRIGGERS": "STOP_SCENARIO"}));
        let said = body(&STANDING.refused(Task::Command, "start", &of_state, "s"));
        assert!(
            said.contains("<error>START not permitted in state PAUSED</error>\n\t<cause></cause>\n</result>"),
            "{said}"
        );
        let said = body(&STANDING.refused(Task::Document, "", &of_state, "s"));
        assert!(
            said.contains("(permitted triggers 'STOP_SCENARIO'). (STATE_TRANSITION_NOT_ALLOWED)</error>"),
            "{said}"
        );
        assert!(said.contains("<cause>ALLOWED_TRIGGERS: STOP_SCENARIO</cause>"), "{said}");
        let busy = (RECEIVER_OVERLOADED, Value::Null);
        assert!(body(&STANDING.refused(Task::Document, "", &busy, "s")).contains("<error>the server is busy</error>"));
        let odd = STANDING.failed("m", "a & b\u{1}", "<c>\nd");
        assert!(body(&odd).contains("<error>a &amp; b</error>\n\t<cause>&lt;c&gt;\nd</cause>"));
    }

    #[test]
    fn a_session_that_there_is_not_has_no_state() {
        let said = body(&Standing::NOWHERE.failed("m", "e", ""));
        assert!(!said.contains("sessionState") && said.contains("<msgNumber>0</msgNumber>"));
        assert_eq!(STANDING.told().media_type, "text/plain");
    }
}
