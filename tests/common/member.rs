//! Members of the session `default` of node 1, in the world of hubs and clients.

use serde_json::{Value, json};

use super::c2sim;
use super::ledger::Memory;
use super::wire::{self, header, message};
use super::world::World;

/// A member's end: its client, its full name, and what has come to it and was not looked at.
pub(crate) struct Member {
    pub(crate) client: usize,
    pub(crate) name: String,
    pub(crate) heard: Vec<Vec<Vec<u8>>>,
}

/// Whoever opens a provider waits so long at most.
pub(crate) const OPEN_WAIT_MS: u64 = 900;

/// An event as a JSON member hears it, with its document.
pub(crate) type Event = (Value, Option<String>);

impl Member {
    pub(crate) fn new(world: &mut World, hub: usize, name: &str) -> Self {
        let (client, heard) = world.component_that_hears(hub, name);
        Self { client, name: format!("N{}.{name}", hub + 1), heard }
    }

    /// A member of the session `default` of node 1.
    pub(crate) fn joined(world: &mut World, hub: usize, name: &str, format: &str) -> Self {
        let mut member = Self::new(world, hub, name);
        let answer = member.ask(world, "N1.session:default", "join", &json!({"system": name, "format": format}));
        assert_eq!(answer["result"]["session"]["sessionName"], "default", "{answer}");
        member
    }

    /// The same where members are kept: the answer comes once the ledger has this one.
    pub(crate) fn kept(world: &mut World, ledger: &Memory, hub: usize, name: &str, format: &str) -> Self {
        let mut member = Self::new(world, hub, name);
        let at = member.send(world, "N1.session:default", "join", &json!({"system": name, "format": format}));
        ledger.settle_all(world, 0);
        let answer = member.answer(world, at, "N1.session:default");
        assert_eq!(answer["result"]["session"]["sessionName"], "default", "{answer}");
        assert_eq!(answer["result"].get("kept"), None, "{answer}");
        member
    }

    pub(crate) fn send(&self, world: &mut World, receiver: &str, method: &str, params: &Value) -> u64 {
        let mut call = json!({"jsonrpc": "2.0", "id": 7, "method": method});
        if !params.is_null() {
            call["params"] = params.clone();
        }
        world.send(self.client, receiver, &self.name, &[call.to_string().as_bytes()])
    }

    pub(crate) fn ask(&mut self, world: &mut World, receiver: &str, method: &str, params: &Value) -> Value {
        let conversation = self.send(world, receiver, method, params);
        self.answer(world, conversation, receiver)
    }

    /// Has a provider opened for a kernel at a port that does not answer: the answer comes once that is waited for no longer.
    pub(crate) fn open_silent_kernel(&mut self, world: &mut World, port: u16) -> Value {
        let at = self.send(world, "COORDINATOR", "open_provider", &json!({"address": ["127.0.0.1", port]}));
        world.wait(OPEN_WAIT_MS);
        self.answer(world, at, "COORDINATOR")
    }

    /// The answer in a conversation; what else has come stays.
    pub(crate) fn answer(&mut self, world: &mut World, conversation: u64, by: &str) -> Value {
        self.heard.extend(world.hear(self.client));
        let wanted = header(conversation, 1);
        let at = self.heard.iter().position(|frames| frames[3][..16] == wanted[..16]);
        let at = at.unwrap_or_else(|| panic!("{} got no answer, but {:?}", self.name, self.heard));
        let frames = self.heard.remove(at);
        let by = if by == "COORDINATOR" { "N1.COORDINATOR".to_owned() } else { by.to_owned() };
        assert_eq!(String::from_utf8_lossy(&frames[2]), by, "an answer comes from whoever was asked");
        assert_eq!(String::from_utf8_lossy(&frames[1]), self.name);
        wire::json(&frames)
    }

    /// Pulls a trigger of `default`.
    pub(crate) fn pull(&mut self, world: &mut World, trigger: &str) -> Value {
        self.ask(world, "N1.session:default", trigger, &Value::Null)
    }

    /// Sends a document with the type of C2SIM documents.
    pub(crate) fn document(&mut self, world: &mut World, text: &str) -> Value {
        self.document_of_type(world, text.as_bytes(), 128)
    }

    /// The same, without waiting for the answer.
    pub(crate) fn send_document(&self, world: &mut World, text: &str) -> u64 {
        let conversation = 2_000_000;
        let head = header(conversation, 128);
        let bytes = message(&[&[0], b"N1.session:default", self.name.as_bytes(), &head, text.as_bytes()]);
        world.feed(self.client, &bytes);
        conversation
    }

    pub(crate) fn document_of_type(&mut self, world: &mut World, text: &[u8], kind: u8) -> Value {
        let conversation = 1_000_000 + u64::try_from(self.heard.len()).unwrap() + u64::from(kind);
        let head = header(conversation, kind);
        let bytes = message(&[&[0], b"N1.session:default", self.name.as_bytes(), &head, text]);
        world.feed(self.client, &bytes);
        self.answer(world, conversation, "N1.session:default")
    }

    /// The events that have come since the last time.
    pub(crate) fn events(&mut self, world: &mut World) -> Vec<Event> {
        self.heard.extend(world.hear(self.client));
        core::mem::take(&mut self.heard)
            .into_iter()
            .map(|frames| {
                let note = wire::json(&frames);
                assert_eq!((&note["method"], note.get("id")), (&json!("session_event"), None), "{note}");
                assert_eq!(String::from_utf8_lossy(&frames[2]), "N1.session:default");
                (note["params"].clone(), frames.get(5).map(|frame| String::from_utf8_lossy(frame).into_owned()))
            })
            .collect()
    }

    /// The documents that have come to an XML member.
    pub(crate) fn documents(&mut self, world: &mut World) -> Vec<String> {
        self.heard.extend(world.hear(self.client));
        core::mem::take(&mut self.heard)
            .into_iter()
            .map(|frames| {
                assert_eq!((frames.len(), frames[3][19]), (5, 128));
                String::from_utf8_lossy(&frames[4]).into_owned()
            })
            .collect()
    }

    /// From nothing to RUNNING.
    pub(crate) fn run(&mut self, world: &mut World) {
        self.pull(world, "submit_initialization");
        self.document(world, &c2sim::initialization("A", &["A"]));
        self.pull(world, "share_scenario");
        assert_eq!(self.pull(world, "start_scenario")["result"]["state"], "RUNNING");
    }
}

/// Which event it is, in a word, with its number.
pub(crate) fn brief(events: &[Event]) -> Vec<(String, u64)> {
    let word = |event: &Value| {
        let name = event.get("trigger").or_else(|| event.get("kind")).and_then(Value::as_str).unwrap_or_default();
        format!("{} {name} {}", event["event"].as_str().unwrap(), event["state"].as_str().unwrap()).replace("  ", " ")
    };
    events.iter().map(|(event, _)| (word(event), event["seq"].as_u64().unwrap())).collect()
}

pub(crate) fn code_of(answer: &Value) -> &str {
    assert_eq!(answer["error"]["code"], -32030, "{answer}");
    answer["error"]["data"]["code"].as_str().unwrap()
}

pub(crate) fn is_document_of(text: &str, element: &str) -> bool {
    text.contains(&format!("<{element}"))
}
