//! What of calls is for the audit log, and how the event loop gets it.
//!
//! A line is written when it is known how a call has ended: where it has to become durable first, then. What it was given is nobody's business, but
//! for the name of a session. Every call of an administrator has one, by whichever door it comes:
//!
//! | what | door | lines |
//! |---|---|---|
//! | `shut_down`, `exit`, `reload`, `set_log_level`, `remove_expired_addresses`, `may`, `denials` | LECO, `POST /rpc` | the method's name |
//! | `add_nodes` | LECO, `POST /rpc`; not what nodes tell one another | `add_nodes` |
//! | `shut_down`, `set_log_level`, `connect_to_gatherer`, `disconnect_from_gatherer` of a channel | the same | the method's name, `message` says which channel |
//! | `send_copy`: a backup, an export | LECO | `send_copy`, one for each session |
//! | a session is made, or given other words | LECO, `POST /rpc`, control function 206, `PUT` of C2SIM's interface | `create_session`, and `CREATE_SESSION` of one that is new |
//! | a session is deleted | LECO, `POST /rpc`, `DELETE` of C2SIM's interface | `delete_session`, and `END_SESSION` |
//! | the program is told to end | control function 1 | `exit`, then `STOP_AUDIT` |
//! | a trigger | every door, GMU's commands and documents among them | the trigger's name; a wrong password `AUTH_FAILURE` |
//! | SIGHUP | the operating system | `reload` of client `SIGHUP` |
//! | SIGTERM, SIGINT | the operating system | `STOP_AUDIT` with no call before it |
//!
//! What controls the Manager (providers, viewers, play) is no administrator's and has none. Who is not let do something has `AUTH_FAILURE` where
//! users are asked who they are, and the call's own line with `failure` where it goes by the machine.

use core::net::SocketAddr;

use serde_json::Value;

use crate::hub::Hub;
use crate::hub::call::Answer;
use crate::hub::front::{Asked, Request};
use crate::hub::keys::PeerKey;
use crate::hub::methods::{AtSessionCall, Call, Method, Right};
use crate::hub::peers::{Deed, Told};
use crate::hub::sessions::{Said, Settled};
use crate::leco::name;
use crate::leco::rpc::{FORBIDDEN, Params};

impl Hub {
    /// From here on who did what is kept until it is taken.
    pub(crate) fn begin_audit(&mut self) {
        let node = name::shown(&self.names.full_name);
        self.peers.trail.begin(&node);
        self.peers.audit(&Deed { action: "START_AUDIT", category: "process", ..Deed::default() });
    }

    /// The process ends.
    pub(crate) fn end_audit(&mut self) {
        self.peers.audit(&Deed { action: "STOP_AUDIT", category: "process", ..Deed::default() });
    }

    /// All lines that there are, and how many.
    pub(crate) fn take_audit(&mut self) -> Option<(Vec<u8>, u64)> {
        self.peers.trail.take()
    }

    /// So many lines that were taken could not be written.
    pub(crate) fn note_audit_lost(&mut self, lines: u64) {
        self.peers.note_audit_lost(lines);
    }

    /// What there is to be told of a call that came in a document: of those of administrators, and what makes or ends a session.
    pub(super) fn told_of_call(&self, request: &Request, method: &Method, params: &Params) -> Option<Told> {
        let is_told = match method.right {
            Right::Admin | Right::AdminToForce | Right::MakeSession => true,
            Right::NodeOrAdmin => !self.is_node(request.caller(&self.names.prefix)),
            Right::Anybody
            | Right::Look
            | Right::SignIn
            | Right::BeNode
            | Right::Join
            | Right::Control
            | Right::Node
            | Right::Hear
            | Right::Follow
            | Right::Trigger => false,
        };
        // A backup asks for many pieces; the first is asked for without a stamp.
        let goes_on = method.call == Call::AtSession(AtSessionCall::Copy) && given(params, "stamp").is_some();
        if !self.peers.trail.is_kept() || !is_told || goes_on {
            return None;
        }
        let name = matches!(method.call, Call::Sessions(_)).then(|| given(params, "name").and_then(Value::as_str));
        let (session, target) = match &request.asked {
            Asked::Coordinator => (name.flatten().unwrap_or_default().to_owned(), String::new()),
            Asked::Session(name) => {
                let known = self.sessions.at(name).and_then(|key| self.sessions.get(key));
                (known.map_or_else(|| name::shown(name), |session| session.name.clone()), String::new())
            }
            Asked::Channel(channel) => (String::new(), channel.name().to_owned()),
        };
        let client =
            if request.web.is_some() { String::new() } else { name::shown(&self.names.full_name_of(&request.sender)) };
        let doer = self.peers.doer_from(request.link, request.web);
        Some(Told { action: method.name, doer, client, session, target })
    }

    /// The same of a function of a controller.
    pub(super) fn told_of_controller(&self, key: PeerKey, action: &'static str, session: &str) -> Told {
        let remote = self.peers.get(key).map(|peer| peer.remote.to_string()).unwrap_or_default();
        let client = format!("controller {remote}");
        Told { action, doer: self.peers.doer(key), client, session: session.to_owned(), target: String::new() }
    }

    /// The same of a client of C2SIM's interface, whose identity is nobody else's business.
    pub(super) fn told_of_guest(
        &self,
        (key, remote): (PeerKey, SocketAddr),
        action: &'static str,
        session: &str,
    ) -> Told {
        let doer = self.peers.doer_from(key, Some(remote));
        Told { action, doer, session: session.to_owned(), ..Told::default() }
    }

    /// What a call came to, or when that will be known.
    pub(super) fn audit_said(&mut self, told: Told, said: &Said) {
        match said {
            Said::Now(aftermath) => self.audit_answer(&told, &aftermath.answer),
            Said::Later(session) => self.peers.trail.owe(*session, told),
            // It is made again.
            Said::Busy(_) => {}
        }
    }

    /// What a call came to. One that somebody may not make is told already.
    pub(super) fn audit_answer(&mut self, told: &Told, answer: &Answer) {
        let refused = match answer {
            Err((error, _)) if *error == FORBIDDEN => return,
            Err((error, data)) => Some(match data.get("code").and_then(Value::as_str) {
                Some(code) => format!("{} ({code})", error.message),
                None => error.message.to_owned(),
            }),
            Ok(_) => None,
        };
        self.audit_told(told, refused.as_deref());
    }

    /// The same in words.
    pub(super) fn audit_told(&mut self, told: &Told, refused: Option<&str>) {
        self.peers.audit(&Deed {
            action: told.action,
            category: "configuration",
            refused,
            doer: told.doer,
            client: &told.client,
            session: &told.session,
            target: &told.target,
            ..Deed::default()
        });
    }

    /// The operating system has had the rules read anew.
    pub(in crate::hub) fn audit_hangup(&mut self, outcome: Result<(), &str>) {
        let told = Told { action: "reload", client: "SIGHUP".to_owned(), ..Told::default() };
        self.audit_told(&told, outcome.err());
    }

    /// A change of a session is durable, or is not to be.
    pub(in crate::hub) fn audit_committed(&mut self, settled: &Settled) {
        if let Some(told) = self.peers.trail.take_owed(settled.session) {
            self.audit_answer(&told, &settled.aftermath.answer);
        }
    }
}

/// A parameter that is given by name, or as the first.
fn given<'a>(params: &'a Params, name: &str) -> Option<&'a Value> {
    match params {
        Params::None => None,
        Params::Positions(values) => values.first(),
        Params::Names(values) => values.get(name),
        Params::Listing(rest, _) => given(rest, name),
    }
    .filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::control::client::ControlRequest;
    use crate::control::envelope::Shape;
    use crate::control::function::{Argument, Function};
    use crate::hub::fixture::{FAR, NEAR, leco, opening};
    use crate::hub::ledger::{Entry, Ledger, Ticket, Write};
    use crate::hub::{Channel, ChannelPorts, Door, Start};
    use crate::time::Tick;
    use crate::zmtp::SocketType;

    const NOW: Tick = Tick(1000);

    /// A disk that says nothing by itself.
    #[derive(Clone, Debug, Default)]
    struct Disk(Arc<Mutex<Vec<Ticket>>>);

    impl Ledger for Disk {
        fn commit(&mut self, ticket: Ticket, _: Vec<Write>) {
            self.0.lock().unwrap().push(ticket);
        }

        fn load(&mut self) -> Result<Vec<Entry>, String> {
            Ok(Vec::new())
        }
    }

    struct Fixture {
        hub: Hub,
        disk: Disk,
    }

    impl Fixture {
        fn new() -> Self {
            let config = Config { namespace: "N1".to_owned(), host: "n1".to_owned(), ..Config::default() };
            let mut hub = Hub::new(config, Start { seed: 7, now: NOW, unix_ms: 1_700_000_000_000 }).unwrap();
            let disk = Disk::default();
            hub.set_ledger(Box::new(disk.clone())).unwrap();
            let ports = ChannelPorts { publishers: 11_100, subscribers: 11_099, distributors: 11_101 };
            hub.set_channel(Channel::Data, ports);
            hub.begin_audit();
            let mut fixture = Self { hub, disk };
            fixture.disk_says(Ok(()));
            assert_eq!(fixture.lines(), ["START_AUDIT success"]);
            fixture
        }

        /// All that was handed to the disk ends so.
        fn disk_says(&mut self, outcome: Result<(), &str>) {
            let tickets: Vec<Ticket> = self.disk.0.lock().unwrap().drain(..).collect();
            for ticket in tickets {
                self.hub.handle_committed(NOW, ticket, outcome.map_err(str::to_owned));
            }
        }

        fn component(&mut self, name: &str) -> PeerKey {
            let key = self.hub.open_at(NOW, NEAR.parse().unwrap(), Door::Leco).unwrap();
            self.hub.handle_bytes(NOW, key, &opening(SocketType::Dealer));
            self.call(key, name, "COORDINATOR", "sign_in", &Value::Null);
            key
        }

        fn call(&mut self, key: PeerKey, sender: &str, receiver: &str, method: &str, params: &Value) {
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
            self.hub.handle_bytes(NOW, key, &leco(receiver, sender, request.as_bytes()));
            while self.hub.poll_output(NOW).is_some() {}
        }

        fn control(&mut self, from: &str, function: Function, name: Option<&str>) {
            let key = self.hub.open_at(NOW, from.parse().unwrap(), Door::Control).unwrap();
            let mut request = Vec::new();
            let begun = ControlRequest::begin(&mut request, Shape::Beside, function);
            match name {
                Some(name) => drop(begun.text(Argument::Name, name).finish()),
                None => drop(begun.finish()),
            }
            self.hub.handle_bytes(NOW, key, &request);
        }

        /// The lines since they were asked for last.
        fn told(&mut self) -> Vec<Value> {
            let (lines, _) = self.hub.take_audit().unwrap_or_default();
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
        }

        /// The same in short: what, how it ended, of which session, and why.
        fn lines(&mut self) -> Vec<String> {
            let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let keys = ["event.action", "event.outcome", "c2sim.sharedSession", "event.reason"];
            let line = |line: &Value| keys.map(|key| word(line, key)).join(" ").trim_end().to_owned();
            self.told().iter().map(line).collect()
        }
    }

    #[test]
    fn what_must_be_kept_first_is_told_when_it_is_or_is_not() {
        let mut fixture = Fixture::new();
        let key = fixture.component("CA");
        fixture.call(key, "CA", "COORDINATOR", "create_session", &json!({"name": "drill"}));
        assert!(fixture.lines().is_empty(), "nobody knows yet");
        fixture.disk_says(Err("the disk is full"));
        let lines = fixture.lines();
        assert_eq!(lines[0], "CREATE_SESSION failure drill the disk is full");
        assert_eq!(lines[1], "END_SESSION success drill");
        let refused = "create_session failure drill ";
        assert!(lines[2].starts_with(refused) && lines[2].ends_with("(IO_ERROR)"), "{lines:?}");
        fixture.call(key, "CA", "COORDINATOR", "create_session", &json!(["drill"]));
        fixture.disk_says(Ok(()));
        assert_eq!(fixture.lines(), ["CREATE_SESSION success drill", "create_session success drill"]);
        fixture.call(key, "CA", "COORDINATOR", "delete_session", &json!({"name": "drill"}));
        assert!(fixture.lines().is_empty(), "nobody knows yet");
        fixture.disk_says(Err("the disk is full"));
        let lines = fixture.lines();
        assert!(lines.len() == 1 && lines[0].starts_with("delete_session failure drill "), "{lines:?}");
        fixture.call(key, "CA", "COORDINATOR", "delete_session", &json!({"name": "drill"}));
        fixture.disk_says(Ok(()));
        assert_eq!(fixture.lines(), ["END_SESSION success drill", "delete_session success drill"]);
        fixture.call(key, "CA", "COORDINATOR", "delete_session", &json!({"name": "drill"}));
        assert_eq!(fixture.lines().len(), 1, "one that there is not is told at once");
    }

    #[test]
    fn controllers_have_lines_and_a_hangup_has_one() {
        let mut fixture = Fixture::new();
        fixture.control(NEAR, Function::CreateSession, Some("drill"));
        assert!(fixture.lines().is_empty(), "nobody knows yet");
        fixture.disk_says(Ok(()));
        let lines = fixture.told();
        let made = lines.last().unwrap();
        assert_eq!((&made["event.action"], &made["c2sim.sharedSession"]), (&json!("create_session"), &json!("drill")));
        assert_eq!(
            (&made["c2sim.clientId"], &made["source.ip"]),
            (&json!("controller 127.0.0.1:4000"), &json!("127.0.0.1"))
        );
        fixture.control(FAR, Function::Exit, None);
        let lines = fixture.told();
        assert_eq!((&lines[0]["event.action"], &lines[0]["event.outcome"]), (&json!("exit"), &json!("failure")));
        assert_eq!(lines[0]["source.ip"], "10.0.0.1");
        fixture.hub.handle_reload(NOW);
        let lines = fixture.told();
        assert_eq!((&lines[0]["event.action"], &lines[0]["c2sim.clientId"]), (&json!("reload"), &json!("SIGHUP")));
        assert_eq!(lines[0]["event.outcome"], "failure", "there is nothing to read them from");
        fixture.control(NEAR, Function::Exit, None);
        assert_eq!(fixture.lines(), ["exit success"]);
    }

    #[test]
    fn comings_goings_and_triggers_say_from_where() {
        let mut fixture = Fixture::new();
        let key = fixture.component("CA");
        let session = "session:default";
        fixture.call(key, "CA", session, "join", &Value::Null);
        fixture.disk_says(Ok(()));
        fixture.call(key, "CA", session, "submit_initialization", &Value::Null);
        fixture.disk_says(Ok(()));
        fixture.call(key, "CA", "COORDINATOR", "sign_out", &Value::Null);
        let lines = fixture.told();
        let actions: Vec<&str> = lines.iter().filter_map(|line| line["event.action"].as_str()).collect();
        assert_eq!(actions, ["JOIN", "SUBMIT_INITIALIZATION", "RESIGN"]);
        assert!(
            lines.iter().all(|line| line["source.ip"] == "127.0.0.1" && line["c2sim.clientId"] == "N1.CA"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_backup_is_one_line_for_each_session_and_not_for_each_piece() {
        let mut fixture = Fixture::new();
        let key = fixture.component("CA");
        fixture.call(key, "CA", "session:default", "send_copy", &Value::Null);
        fixture.call(key, "CA", "session:default", "send_copy", &json!({"stamp": 1, "event": 0}));
        assert_eq!(fixture.lines(), ["send_copy success default"]);
        fixture.call(key, "CA", "DATA_COORDINATOR", "shut_down", &Value::Null);
        fixture.call(key, "CA", "COORDINATOR", "add_nodes", &json!({"nodes": {}}));
        let actions: Vec<String> =
            fixture.lines().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(actions, ["shut_down", "add_nodes"]);
    }
}
