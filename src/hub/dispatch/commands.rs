//! Clients of GMU's server of C2SIM (c2sim-http, 6): what they hand in and command, in the words of their interface.
//!
//! All of them use one session, unless they name another. Each is a member of it from the first thing that it asks for on, by the name of its
//! choosing.

use serde_json::Value;

use crate::auth::Target;
use crate::c2sim::code::Code;
use crate::c2sim::kind::Schema;
use crate::c2sim::notice::{write_empty_initialization, write_system};
use crate::c2sim::state::{State, Trigger};
use crate::hub::Hub;
use crate::hub::call::{Answer, Refused};
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::sessions::{GuestId, Reading, stamp};
use crate::hub::web::{Asked, Command, Reply, Standing, Task, duplicate, multiple_is, probe, unknown_command};
use crate::leco::address;
use crate::limits::CLIENT_ID_BYTES_MAX;

use super::access::action_of_trigger;
use super::web::Served;

/// Who these documents are from that the server writes for a command.
const SERVER: &str = "SERVER";

/// Who asks, by its own account.
fn submitter(asked: &Asked) -> Result<GuestId, String> {
    let word = |name| asked.value(name).filter(|word| !word.trim().is_empty());
    // The C++ library has a name of its own for it in commands.
    let word = word("submitterID").or_else(|| word("submitter")).ok_or("Error - Submitter not specified")?;
    let most = CLIENT_ID_BYTES_MAX;
    submitter_of(&word)
        .ok_or_else(|| format!("Error - Submitter has more than {most} bytes, or letters that cannot be shown"))
}

/// Who hands something in by this name, if it is one.
pub(super) fn submitter_of(word: &str) -> Option<GuestId> {
    let id = word.trim();
    let fits = !id.is_empty() && id.len() <= CLIENT_ID_BYTES_MAX && !id.chars().any(char::is_control);
    fits.then(|| GuestId::posting(id))
}

/// The words that come with a command.
fn words(asked: &Asked) -> [String; 3] {
    ["parm1", "parm2", "parm3"].map(|name| asked.value(name).unwrap_or_default())
}

/// The command of a request, in its client's letters.
fn command(asked: &Asked) -> String {
    asked.value("command").unwrap_or_default().trim().to_owned()
}

impl Hub {
    /// Something that is asked by a client of GMU's server.
    pub(super) fn serve_task(&mut self, key: PeerKey, asked: &Asked, task: Task) -> Served {
        if task == Task::Probe {
            return probe().into();
        }
        let failure = task.failure();
        let nowhere = Standing::NOWHERE;
        let Some(session) = self.session_of_task(asked) else {
            let name = Code::SharedSessionNotFound.name();
            return nowhere.failed(failure, name, "").into();
        };
        let standing = self.standing(session);
        if task == Task::Status {
            return standing.told().into();
        }
        if asked.is_too_long {
            let code = Code::C2simMsgSizeExceeded;
            let most = self.peers.config.document_bytes_max;
            return standing
                .failed(failure, &format!("{code} ({})", code.name()), &format!("MAX_BYTES: {most}"))
                .into();
        }
        let id = match submitter(asked) {
            Ok(id) => id,
            Err(why) => return standing.failed(failure, &why, "").into(),
        };
        match task {
            Task::Statistics => return standing.succeeded("Statistics Recorded").into(),
            Task::Cyber => return standing.failed(failure, "attacks are not offered", "").into(),
            Task::Document | Task::Command | Task::Status | Task::Probe => {}
        }
        if asked.value("forwarders").is_some_and(|forwarders| self.is_among(&forwarders)) {
            return duplicate().into();
        }
        let from = (asked.remote, self.peers.doer_from(key, Some(asked.remote)));
        match self.sessions.submitter_comes(&mut self.peers, &self.names, session, &id, from) {
            Ok(None) => {}
            Ok(Some(said)) => return self.said_over_web(key, asked, session, said),
            // Questions are never refused, where there is no place for one more member neither.
            Err(_) if task == Task::Command && Command::of(&command(asked)).is_some_and(Command::is_question) => {}
            Err(refused) => return self.task_refused(asked, (task, session), &refused).into(),
        }
        self.drain_events();
        if task == Task::Command {
            self.serve_command(key, asked, session, &id)
        } else {
            self.submit(key, asked, session, &id)
        }
    }

    /// The session that a client of GMU's server means.
    pub(super) fn session_of_task(&self, asked: &Asked) -> Option<SessionKey> {
        match asked.value("session") {
            Some(name) => self.session_meant(&name),
            None => self.session_meant(&self.peers.config.gmu_session),
        }
    }

    /// Whether this node is one of those that a document has gone through, as it says.
    fn is_among(&self, forwarders: &str) -> bool {
        let address = &self.names.address;
        let host = address::host_and_port(address).map_or(&**address, |(host, _)| host);
        forwarders.split(':').map(str::trim).any(|forwarder| {
            !forwarder.is_empty()
                && (forwarder.as_bytes() == self.names.namespace()
                    || forwarder.as_bytes() == &*self.names.full_name
                    || forwarder.eq_ignore_ascii_case(host))
        })
    }

    /// How a session stands.
    fn standing(&self, session: SessionKey) -> Standing {
        self.sessions.get(session).map_or(Standing::NOWHERE, |session| Standing {
            state: Some(session.state()),
            census: session.census(),
            number: session.seq,
        })
    }

    // ---- Documents ----

    fn submit(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, id: &GuestId) -> Served {
        let protocol = asked.value("protocol").filter(|protocol| !protocol.is_empty());
        if let Some(other) = protocol.filter(|protocol| !protocol.eq_ignore_ascii_case("SISO-STD-C2SIM")) {
            let error = format!("Protocol {other} is not translated, only SISO-STD-C2SIM is taken");
            return self.standing(session).failed(Task::Document.failure(), &error, "").into();
        }
        let document = match asked.document() {
            Ok(document) => document,
            Err(malformed) => {
                let error = malformed.to_string();
                return self.standing(session).failed(Task::Document.failure(), &error, "").into();
            }
        };
        let password = self.peers.config.gmu_password.clone();
        let user = self.peers.user(key);
        let reading =
            Reading { any_namespace: true, body_only: true, speaks_for_sender: true, password: &password, user };
        self.hand_in(key, asked, session, (id, document.into(), reading))
    }

    // ---- Commands ----

    fn serve_command(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, id: &GuestId) -> Served {
        let (name, words) = (command(asked), words(asked));
        let words = words.each_ref().map(String::as_str);
        let Some(command) = Command::of(&name) else { return unknown_command(&name, id.id()).into() };
        let standing = self.standing(session);
        if command.needs_password() {
            let password = self.peers.config.gmu_password.as_str();
            let why = match words[0] {
                given if password.is_empty() || given == password => "",
                "" => "Command requires password",
                _ => "Password is invalid",
            };
            if !why.is_empty() {
                let doer = self.peers.doer_from(key, Some(asked.remote));
                self.peers.audit_failure(doer, &name, why);
                return standing.failed(Task::Command.failure(), why, "").into();
            }
        }
        match command {
            Command::Status => standing.of_server().into(),
            Command::QueryInit => self.initialization_for_task(session).into(),
            Command::Multiple => {
                multiple_is(self.sessions.get(session).map_or(1.0, |session| session.flow.multiple)).into()
            }
            Command::Idle(_) | Command::Unsupported => command.done(&name, words, &standing).into(),
            Command::Pull(trigger) => self.pull_for_task(key, asked, session, (id, trigger)),
            Command::Tell(kind) => match Command::content(kind, words) {
                Ok(content) => {
                    let mut document = Vec::new();
                    let stamp = stamp(&mut self.peers);
                    write_system((kind, &content), Schema::V1_0_2, SERVER, &stamp, &mut document);
                    let reading = Reading { any_namespace: true, user: self.peers.user(key), ..Reading::default() };
                    self.hand_in(key, asked, session, (id, document[..].into(), reading))
                }
                Err(why) => standing.failed(Task::Command.failure(), &why, "").into(),
            },
        }
    }

    fn pull_for_task(
        &mut self,
        key: PeerKey,
        asked: &Asked,
        session: SessionKey,
        (id, trigger): (&GuestId, Trigger),
    ) -> Served {
        let Some(found) = self.sessions.get(session) else { return Reply::bare(500).into() };
        let name = found.name.clone();
        if let Err(refused) =
            self.peers.permit(key, trigger.method(), action_of_trigger(trigger), Target::Session(&name))
        {
            return self.task_refused(asked, (Task::Command, session), &refused).into();
        }
        let Some(found) = self.sessions.get(session) else { return Reply::bare(500).into() };
        if found.is_busy(false) {
            return Served::Busy(session);
        }
        let trigger = match (trigger, found.state()) {
            // So it is in GMU's server, and in the standard; other interfaces have a word of its own for it.
            (Trigger::StartScenario, State::Paused) => Trigger::ResumeScenario,
            (Trigger::ShareScenario, State::Initializing) if !found.has_initialization() => {
                let why = "SHARE command entered but no initialization data is present";
                return self.standing(session).failed(Task::Command.failure(), why, "").into();
            }
            (trigger, _) => trigger,
        };
        let said = self.sessions.guest_pulls(&mut self.peers, &self.names, session, id, trigger);
        self.said_over_web(key, asked, session, said)
    }

    /// The shared initialization, or one in which there is nothing.
    fn initialization_for_task(&mut self, session: SessionKey) -> Reply {
        if let Ok(shared) = self.sessions.initialization(session) {
            return Reply::kept(200, "application/xml", shared);
        }
        let mut empty = Vec::new();
        let stamp = stamp(&mut self.peers);
        write_empty_initialization(Schema::V1_0_2, &stamp, &mut empty);
        Reply::of(200, "application/xml", empty)
    }

    // ---- Answers ----

    /// What came of a document or a command, in the words of this interface.
    pub(super) fn answer_of_task(&self, asked: &Asked, (task, session): (Task, SessionKey), answer: Answer) -> Reply {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) => return self.task_refused(asked, (task, session), &refused),
        };
        let standing = self.standing(session);
        let name = command(asked);
        match Command::of(&name).filter(|_| task == Task::Command) {
            Some(command) => command.done(&name, words(asked).each_ref().map(String::as_str), &standing),
            None => {
                let number = answer.get("seq").and_then(Value::as_u64).unwrap_or(standing.number);
                Standing { number, ..standing }.succeeded("Message processed successfully")
            }
        }
    }

    fn task_refused(&self, asked: &Asked, (task, session): (Task, SessionKey), refused: &Refused) -> Reply {
        let name = self.sessions.get(session).map_or("", |session| session.name.as_str());
        self.standing(session).refused(task, &command(asked), refused, name)
    }
}
