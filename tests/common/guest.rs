//! A client of C2SIM over HTTP in the world of hubs: one connection for its requests, one for its stream.
#![allow(dead_code, reason = "each test file takes what it needs")]

use instep::hub::Door;
use serde_json::{Value, json};

use super::web::client_frame;
use super::world::World;

/// What comes on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
}

/// An answer: its status, the fields of its head, its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.status, 400, "{self:?}");
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A client with an identity.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) id: String,
    pub(crate) requests: usize,
    pub(crate) stream: Option<usize>,
    pub(crate) hub: usize,
}

impl Guest {
    pub(crate) fn new(world: &mut World, id: &str) -> Self {
        Self::at(world, 0, id)
    }

    pub(crate) fn at(world: &mut World, hub: usize, id: &str) -> Self {
        let requests = world.connect_at(hub, Door::Http, "127.0.0.1:5000").unwrap();
        Self { id: id.to_owned(), requests, stream: None, hub }
    }

    /// One that has joined `default` and hears on a stream.
    pub(crate) fn joined(world: &mut World, id: &str) -> Self {
        let mut guest = Self::new(world, id);
        guest.open_stream(world, "default");
        let answer = guest.join(world, "default", id);
        assert_eq!(answer.status, 200, "{answer:?}");
        guest
    }

    /// Writes a request, and does not look for its answer.
    pub(crate) fn post(&self, world: &mut World, method: &str, path: &str, body: (&str, &[u8])) {
        let (media_type, body) = body;
        let head = format!(
            "{method} /api/c2sim/session/{path} HTTP/1.1\r\nHost: lab:7777\r\nclientId: {}\r\nContent-Type: {media_type}\r\n\
             Content-Length: {}\r\n\r\n",
            self.id,
            body.len()
        );
        world.feed(self.requests, &[head.as_bytes(), body].concat());
    }

    /// The next answer, if it has come.
    pub(crate) fn answer(&self, world: &mut World) -> Option<Answer> {
        take_answer(&mut world.clients[self.requests].read)
    }

    pub(crate) fn ask(&self, world: &mut World, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.post(world, method, path, ("application/json; charset=utf-8", body.as_bytes()));
        self.answer(world)
            .unwrap_or_else(|| panic!("{method} {path} has no answer, {:?}", world.clients[self.requests]))
    }

    pub(crate) fn get(&self, world: &mut World, path: &str) -> Answer {
        self.ask(world, "GET", path, &Value::Null)
    }

    pub(crate) fn join(&self, world: &mut World, session: &str, system: &str) -> Answer {
        let body = json!({"systemName": system, "clientIdDisplayName": format!("{} client", system)});
        self.ask(world, "POST", &format!("{session}/join"), &body)
    }

    /// Sends a document to `default`.
    pub(crate) fn send(&self, world: &mut World, document: &str) -> Answer {
        self.post(world, "POST", "default/send", ("application/xml", document.as_bytes()));
        self.answer(world).expect("a document is answered at once")
    }

    // ---- Streams ----

    /// Opens a stream, which takes the place of the one before.
    pub(crate) fn open_stream(&mut self, world: &mut World, session: &str) {
        let url = self.get(world, &format!("{session}/stream-endpoints")).json()["websocket"]["url"].clone();
        let path = url.as_str().unwrap().strip_prefix("ws://lab:7777").expect("as it was asked").to_owned();
        let stream = open(world, self.hub, &path);
        let read = &mut world.clients[stream].read;
        let end = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(read.drain(..end).collect()).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        self.stream = Some(stream);
    }

    /// What has come on its stream.
    pub(crate) fn frames(&self, world: &mut World) -> Vec<Frame> {
        frames(&mut world.clients[self.stream.unwrap()].read)
    }

    /// The documents that have come, and nothing else has.
    pub(crate) fn heard(&self, world: &mut World) -> Vec<String> {
        let text = |frame| if let Frame::Text(text) = frame { text } else { panic!("{frame:?}") };
        self.frames(world).into_iter().map(text).collect()
    }

    /// Says something on its stream.
    pub(crate) fn say(&self, world: &mut World, first: u8, payload: &[u8]) {
        world.feed(self.stream.unwrap(), &client_frame(first, payload));
    }
}

/// Asks for a WebSocket at a path.
pub(crate) fn open(world: &mut World, hub: usize, path: &str) -> usize {
    let stream = world.connect_at(hub, Door::Http, "127.0.0.1:5001").unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: lab:7777\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    world.feed(stream, request.as_bytes());
    stream
}

/// Takes the first answer off what was read.
pub(crate) fn take_answer(read: &mut Vec<u8>) -> Option<Answer> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0").parse::<usize>().unwrap();
    let body = read.get(end..end + length)?.to_vec();
    read.drain(..end + length);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head, body: String::from_utf8(body).unwrap() })
}

/// Takes all whole frames off what was read.
pub(crate) fn frames(read: &mut Vec<u8>) -> Vec<Frame> {
    let mut all = Vec::new();
    loop {
        let Some([first, short]) = read.first_chunk::<2>().copied() else { return all };
        assert_eq!(short & 0x80, 0, "a server does not mask");
        let (head, len) = match short {
            126 if read.len() >= 4 => (4, usize::from(u16::from_be_bytes([read[2], read[3]]))),
            127 if read.len() >= 10 => {
                (10, usize::try_from(u64::from_be_bytes(*read[2..].first_chunk().unwrap())).unwrap())
            }
            126 | 127 => return all,
            len => (2, usize::from(len)),
        };
        let Some(payload) = read.get(head..head + len).map(<[u8]>::to_vec) else { return all };
        read.drain(..head + len);
        all.push(match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => {
                let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                Frame::Close(code, String::from_utf8(payload[2.min(payload.len())..].to_vec()).unwrap())
            }
            0x89 => Frame::Ping,
            0x8a => Frame::Pong(payload),
            other => panic!("{other:#x}"),
        });
    }
}
