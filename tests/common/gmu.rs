//! Clients of GMU's C2SIM server in the world of hubs: requests as their libraries in Java, C# and C++ make them, and what they hear.
#![allow(dead_code, reason = "each test file takes what it needs")]

use instep::c2sim::kind::Schema;
use instep::hub::Door;

use super::world::World;

/// Which library makes the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Java,
    CSharp,
    Cpp,
}

impl Library {
    pub(crate) const ALL: [Self; 3] = [Self::Java, Self::CSharp, Self::Cpp];

    const fn system(self) -> &'static str {
        match self {
            Self::Java => "GMUSYS",
            Self::CSharp => "CSSYS",
            Self::Cpp => "CPPSYS",
        }
    }
}

/// A client: each of its requests has a connection of its own, unless it is Java's.
#[derive(Debug)]
pub(crate) struct Poster {
    pub(crate) library: Library,
    pub(crate) name: String,
    pub(crate) kept: Option<usize>,
}

impl Poster {
    pub(crate) fn new(library: Library) -> Self {
        Self { library, name: library.system().to_owned(), kept: None }
    }

    /// What it sends for a command.
    fn command_request(&self, command: &str, words: [&str; 3]) -> Vec<Vec<u8>> {
        let [a, b, c] = words;
        let name = &self.name;
        match self.library {
            Library::Java => {
                let body = "<C2SIM_Statistics xmlns=\"http://www.sisostds.org/schemas/c2sim/1.0\"/>\n";
                let query =
                    format!("submitterID={name}&command={command}&parm1={a}&parm2={b}&parm3={c}&version=4.8.3.1");
                self.post("command", &query, body)
            }
            Library::CSharp => {
                let body = "<C2SIM_Statistics xmlns=\"http://www.sisostds.org/schemas/c2sim/1.0\"/>";
                let query =
                    format!("submitterID={name}&command={command}&parm1={a}&parm2={b}&parm3={c}&version=UNKNOWN");
                self.post("command", &query, body)
            }
            Library::Cpp => {
                let body = "<C2SIM_Statistics xmlns=\"http://www.sisostds.org/schemas/C2SIM/1.1\"/>";
                self.post("command", &format!("submitter={name}&command={command}&parm1={a}&parm2={b}"), body)
            }
        }
    }

    /// The segments of a request with a body.
    pub(crate) fn post(&self, path: &str, query: &str, body: &str) -> Vec<Vec<u8>> {
        let len = body.len();
        let head = match self.library {
            Library::Java => format!(
                "POST /C2SIMServer/{path}?{query} HTTP/1.1\r\nContent-Type: application/xml\r\nAccept: application/xml\r\n\
                 User-Agent: Java/17.0.15\r\nHost: server.example:7777\r\nConnection: keep-alive\r\nContent-Length: {len}\r\n\r\n"
            ),
            Library::CSharp => format!(
                "POST /C2SIMServer/{path}?{query} HTTP/1.1\r\nAccept: application/xml\r\n\
                 Content-Type: application/xml; charset=utf-8\r\nContent-Length: {len}\r\nHost: server.example:7777\r\n\r\n"
            ),
            Library::Cpp => format!(
                "POST /C2SIMServer/{path}?{query} HTTP/1.1\r\nContent-Type:application/xml\r\nAccept:application/xml\r\n\
                 Host:server.example:8080\r\nConnection:.keep-alive\r\nContent-Length:{len}\r\n\r\n"
            ),
        };
        match self.library {
            Library::Java | Library::CSharp => vec![head.into(), body.into()],
            // Line ends that nobody counts, and a break in the middle.
            Library::Cpp => {
                let all = format!("{head}{body}\r\n");
                let (front, rest) = all.split_at(all.len() - len / 2);
                vec![front.into(), rest.into()]
            }
        }
    }

    pub(crate) fn command(&mut self, world: &mut World, command: &str, words: [&str; 3]) -> String {
        let request = self.command_request(command, words);
        self.exchange(world, &request).1
    }

    pub(crate) fn submit(&mut self, world: &mut World, document: &str) -> String {
        let name = self.name.clone();
        let more = match self.library {
            Library::Cpp => "",
            Library::Java | Library::CSharp => {
                "&sender=S&receiver=http://server.example&conversationid=f443eae5-c5b2-4606-b9a6-5c4612fe69f9"
            }
        };
        let query = format!("submitterID={name}&protocol=SISO-STD-C2SIM&version=4.8.3.1{more}");
        let request = self.post("c2sim", &query, document);
        self.exchange(world, &request).1
    }

    pub(crate) fn status(&mut self, world: &mut World) -> String {
        let head = match self.library {
            Library::Java | Library::CSharp => {
                "GET /C2SIMServer/status HTTP/1.1\r\nAccept: text/plain\r\nHost: server.example:7777\r\n\r\n"
            }
            Library::Cpp => {
                "GET /C2SIMServer/status HTTP/1.1\r\nAccept:text/plain\r\nHost:server.example:8080\r\nConnection:.keep-alive\r\n\r\n"
            }
        };
        self.exchange(world, &[head.into()]).1
    }

    /// Sends the segments of one request and reads its answer: head and body.
    pub(crate) fn exchange(&mut self, world: &mut World, segments: &[Vec<u8>]) -> (String, String) {
        let client = match self.kept {
            Some(client) => client,
            None => world.connect_at(0, Door::Http, "127.0.0.1:5000").unwrap(),
        };
        for segment in segments {
            world.feed(client, segment);
        }
        let (head, body) = take_answer(&mut world.clients[client].read).expect("an answer at once");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        if self.library == Library::Java {
            self.kept = Some(client);
        } else {
            world.close(client);
        }
        (head, body)
    }
}

/// Takes the first answer off what was read: its head, and its body without chunks.
pub(crate) fn take_answer(read: &mut Vec<u8>) -> Option<(String, String)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    if let Some(length) = field("Content-Length: ") {
        let length: usize = length.parse().unwrap();
        let body = read.get(end..end + length)?.to_vec();
        read.drain(..end + length);
        return Some((head, String::from_utf8(body).unwrap()));
    }
    assert_eq!(field("Transfer-Encoding: ").as_deref(), Some("chunked"));
    let (mut at, mut body) = (end, Vec::new());
    loop {
        let line = at + read[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(core::str::from_utf8(&read[at..line]).unwrap(), 16).unwrap();
        assert!(size <= 8192, "a piece of {size} bytes");
        body.extend_from_slice(read.get(line + 2..line + 2 + size)?);
        assert_eq!(&read[line + 2 + size..line + 4 + size], b"\r\n");
        at = line + 4 + size;
        if size == 0 {
            read.drain(..at);
            return Some((head, String::from_utf8(body).unwrap()));
        }
    }
}

/// The value of an element of a result; nothing if it has none.
pub(crate) fn value<'a>(result: &'a str, element: &str) -> &'a str {
    let (_, rest) = result.split_once(&format!("<{element}>")).unwrap_or_default();
    rest.split_once(&format!("</{element}>")).unwrap_or_default().0
}

/// A document as the libraries build it: namespace twice, text in SendingTime, an act that is in no list.
pub(crate) fn document(sender: &str, body: &str) -> String {
    let namespace = Schema::V1_0_2.namespace();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Message xmlns=\"{namespace}\"><C2SIMHeader>\
         <CommunicativeActTypeCode>ORDER</CommunicativeActTypeCode><ConversationID>f443eae5-c5b2-4606-b9a6-5c4612fe69f9</ConversationID>\
         <FromSendingSystem>{sender}</FromSendingSystem><MessageID>cd19fd83-3101-43f9-ae4e-f8f33a13b09b</MessageID>\
         <Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>CWIX2023v1.0.2</ProtocolVersion>\
         <SendingTime>2026-11-29 22:12:08,790</SendingTime><ToReceivingSystem>http://server.example</ToReceivingSystem>\
         </C2SIMHeader><MessageBody xmlns=\"{namespace}\">\n    {body}\n  </MessageBody></Message>\n"
    )
}

/// An order.
pub(crate) fn order(sender: &str) -> String {
    document(
        sender,
        "<DomainMessageBody>\n      <OrderBody>\n        <FromSender>00000000-0000-4000-8000-000000000003</FromSender>\n\
         <ToReceiver>00000000-0000-4000-8000-000000000004</ToReceiver>\n        <IssuedTime>\n          \
         <IsoDateTime>2026-06-26T10:00:00Z</IsoDateTime>\n        </IssuedTime>\n        \
         <OrderID>00000000-0000-4000-8000-000000000005</OrderID>\n      </OrderBody>\n    </DomainMessageBody>",
    )
}

/// An initialization, or a part of one (`Object`), that names a system and has this in its definitions.
pub(crate) fn initialization(sender: &str, kind: &str, system: &str, definitions: &str) -> String {
    document(
        sender,
        &format!(
            "<{kind}InitializationBody>\n<ObjectDefinitions>{definitions}</ObjectDefinitions>\n<ScenarioSetting><DateTime>\
             <IsoDateTime>2026-06-26T10:00:00Z</IsoDateTime></DateTime><Version>X</Version></ScenarioSetting>\
             <SystemEntityList><ActorReference>00000000-0000-4000-8000-000000000003</ActorReference>\
             <SystemName>{system}</SystemName></SystemEntityList>\n</{kind}InitializationBody>"
        ),
    )
}

/// A system message of that kind, with this in it.
pub(crate) fn system(sender: &str, element: &str, inside: &str) -> String {
    document(sender, &format!("<SystemMessageBody><{element}>{inside}</{element}></SystemMessageBody>"))
}

/// A frame that has come to a client of STOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) command: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Frame {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What kind of message it is, and of which event.
    pub(crate) fn brief(&self) -> (&str, u64) {
        assert_eq!(self.command, "MESSAGE", "{self:?}");
        (self.header("message-type"), self.header("message-number").parse().unwrap())
    }
}

/// A client of STOMP.
#[derive(Debug)]
pub(crate) struct Hearer {
    pub(crate) client: usize,
}

impl Hearer {
    pub(crate) fn new(world: &mut World, remote: &str) -> Self {
        Self { client: world.connect_at(0, Door::Stomp, remote).unwrap() }
    }

    /// One that has connected and subscribed as this library does.
    pub(crate) fn of(world: &mut World, library: Library, remote: &str) -> Self {
        let hearer = Self::new(world, remote);
        match library {
            Library::Java => {
                hearer.say(world, "CONNECT\nlogin:\npasscode:\n\n\0");
                hearer.say(world, "SUBSCRIBE\ndestination: /topic/C2SIM\nid: Sun Nov 29 22:12:02 UTC 2026\n\n\0");
            }
            // It does not wait for CONNECTED.
            Library::CSharp => hearer.say(
                world,
                "CONNECT\nheart-beat: 0,4000\naccept-version: 1.2\nlogin:\npasscode:\n\n\0\
                 SUBSCRIBE\ndestination:/topic/C2SIM\nid:134404639252606170\n\n\0",
            ),
            Library::Cpp => {
                hearer.say(world, "CONNECT\n\n\0");
                hearer.say(world, "SUBSCRIBE\n");
                hearer.say(world, "ack:auto\ndestination:/topic/C2SIM\nid:2026-11-29 22:12:08,788\n\n\0");
            }
        }
        let connected = hearer.frames(world);
        assert!(connected.len() == 1 && connected[0].command == "CONNECTED", "{connected:?}");
        hearer
    }

    pub(crate) fn say(&self, world: &mut World, text: &str) {
        world.feed(self.client, text.as_bytes());
    }

    /// The whole frames that have come, each with a line end behind it.
    pub(crate) fn frames(&self, world: &mut World) -> Vec<Frame> {
        let read = &mut world.clients[self.client].read;
        let mut all = Vec::new();
        while let Some(head) = read.windows(2).position(|two| two == b"\n\n") {
            let Some(zero) = read.iter().position(|byte| *byte == 0).filter(|zero| zero + 1 < read.len()) else {
                break;
            };
            let text = String::from_utf8(read[..head].to_vec()).unwrap();
            let (command, lines) = text.split_once('\n').unwrap_or((&text, ""));
            let pair = |line: &str| {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a line without a colon: {line}"));
                assert_ne!(value, "true", "a library takes it for the name of its selector");
                (name.to_owned(), value.to_owned())
            };
            let headers: Vec<_> = lines.lines().map(pair).collect();
            let body = String::from_utf8(read[head + 2..zero].to_vec()).unwrap();
            assert_eq!(read[zero + 1], b'\n', "one line end behind the zero byte");
            let frame = Frame { command: command.to_owned(), headers, body };
            if frame.command != "CONNECTED" && frame.command != "RECEIPT" {
                assert_eq!(frame.header("content-length"), frame.body.len().to_string());
                assert_eq!(frame.body.find('\n'), Some(frame.body.len() - 1), "one line: {}", frame.body);
            }
            all.push(frame);
            read.drain(..zero + 2);
        }
        all
    }

    /// The messages that have come, by kind and number.
    pub(crate) fn heard(&self, world: &mut World) -> Vec<(String, u64)> {
        let frames = self.frames(world);
        frames.iter().map(Frame::brief).map(|(kind, number)| (kind.to_owned(), number)).collect()
    }
}
