//! What the corpus of each fuzz target is made of: one of everything that the field knows, by the twins of `tests/common` where there are any.

use crate::common::curve::{self, Manner};
use crate::common::rcrs::{
    self, Packing, archive, binary_log, entries, framed_log, gzip, killed_archive, legacy, lzma_alone, proto,
    small_run, xz,
};
use crate::common::{c2sim, web, wire};
use instep::control::client::{ControlRequest, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::framing;
use instep::control::function::{Argument, Function};
use instep::control::record::Entity;
use instep::control::section;
use instep::control::viewer::{self, Bits};
use instep::control::vlog::{self, Heading};
use instep::rcrs::message::Record;
use instep::zmtp::SocketType;
use instep::zmtp::link::Link;
use instep::zmtp::mechanism::seal::{KeyPair, Secret};
use instep::zmtp::mechanism::{Handshake, Offer, Shaken};

use super::bodies::c2sim::SCHEMA;
use super::bodies::channel::Op as ChannelOp;
use super::bodies::handshake::{SECRET, SERVER, chance, chosen};
use super::bodies::hub::Op;

/// Name and content of each file.
type Files = Vec<(String, Vec<u8>)>;

/// The files that are made for a target; its corpus may hold more, which were found.
pub(crate) fn of(target: &str) -> Files {
    let files = match target {
        "c2sim" => documents(),
        "channel" => channel(),
        "control" => control(),
        "handshake" => handshake(),
        "http" => http(),
        "hub" => hub(),
        "kernel" => kernel(),
        "link" => link(),
        "logs" => logs(),
        "rpc" => rpc(),
        "stomp" => stomp(),
        "websocket" => websocket(),
        other => panic!("no target {other}"),
    };
    files.into_iter().map(|(name, bytes)| (name.replace(", ", "-").replace(' ', "-"), bytes)).collect()
}

fn named<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn link() -> Files {
    let behind = |choice: u8, parts: &[&[u8]]| [&[choice][..], &parts.concat()].concat();
    let five = wire::leco(b"N1.CB", b"N1.CA", 1, &[b"x"]);
    let ping = wire::command("PING", b"\0\x14context");
    named([
        ("component", behind(2, &[&wire::opening(1), &five, &five])),
        ("old component", behind(2, &[&wire::opening(0), &five])),
        ("coordinator", behind(3, &[&wire::greeting(1), &wire::ready("ROUTER", b"N2"), &five])),
        ("request socket", behind(2, &[&wire::greeting(1), &wire::ready("REQ", b"")])),
        ("http", behind(2, &[b"GET / HTTP/1.1\r\n\r\n"])),
        ("run", behind(0, &[&five.repeat(4), &wire::leco(b"N1.CC", b"N1.CA", 1, &[&[7; 300]])])),
        ("commands", behind(0, &[b"\x01\x01a", &ping, &wire::command("PONG", b""), b"\x00\x01b", &ping])),
        ("error", behind(0, &[&wire::command("ERROR", b"\x03400"), &five])),
        ("many frames", behind(1, &[&wire::message(&[b"a", b"", b"b", b"c", b"d", b"e", b"f"]), &five])),
        ("too large", behind(0, &[&wire::frame(0, &[0; 701])])),
    ])
}

/// Clients that are let in, and some that are not; and servers that are dialled.
fn handshake() -> Files {
    let said_to = |choice: u8, parts: &[Vec<u8>]| {
        let (mut listener, mut chance, mut said) = (chosen(choice), chance(), Vec::new());
        let mut bytes = parts.concat();
        while let Ok(Shaken::Went(len)) = listener.next(&bytes, &mut chance, &mut said) {
            bytes.drain(..len);
        }
        said
    };
    let manner = Manner { server: curve::public(&SECRET), ..Manner::good([0; 32], "client") };
    let greeting = Manner::greeting().to_vec();
    let welcome = said_to(0, &[greeting.clone(), manner.hello()]);
    let (initiate, mut talk) = manner.initiate(&welcome[52..]);
    let opening = [greeting.clone(), manner.hello(), initiate].concat();
    let message = talk.message(&[b"\0", b"COORDINATOR", b"CA", &[1; 20], &[b'x'; 300]]);
    let ping = talk.seal(2, b"\x04PING\0\x14context");
    let again = talk.seal_as(talk.said, 0, b"\0again");
    let plain = |body: &[u8]| {
        let mut greeting = greeting.clone();
        greeting[12..17].copy_from_slice(b"PLAIN");
        [&greeting[..], body].concat()
    };
    let hello = b"\x04\x13\x05HELLO\x05admin\x06secret";
    let initiate = curve::frame(4, &[b"\x08INITIATE", curve::DEALER].concat());
    let mut server = Handshake::listening(
        SocketType::Router,
        Offer { null: false, plain: false, curve: Some(KeyPair::of(Secret::of(&mut SERVER.clone()))) },
    );
    let dialled = {
        let (mut dialler, mut ours, mut theirs) = (chosen(3), chance(), curve::chance(1));
        let (mut to_server, mut to_dialler, mut all) = (Vec::new(), Vec::new(), Vec::new());
        dialler.open(&mut to_server);
        server.open(&mut to_dialler);
        for _ in 0..6 {
            match server.next(&to_server, &mut theirs, &mut to_dialler) {
                Ok(Shaken::Went(len)) => drop(to_server.drain(..len)),
                Ok(Shaken::Who(len, _)) => {
                    to_server.drain(..len);
                    server.admit(&mut to_dialler).unwrap();
                }
                _ => {}
            }
            all.extend_from_slice(&to_dialler);
            if let Ok(Shaken::Went(len)) = dialler.next(&all[all.len() - to_dialler.len()..], &mut ours, &mut to_server)
            {
                to_dialler.drain(..len);
            }
            to_dialler.clear();
        }
        all
    };
    let with = |choice: u8, parts: &[&[u8]]| [&[choice][..], &parts.concat()].concat();
    named([
        ("curve", with(0, &[&opening, &message, &ping, &message])),
        ("again", with(0, &[&opening, &message, &ping, &again])),
        ("clear", with(0, &[&opening, &wire::leco(b"N1.CB", b"N1.CA", 1, &[b"x"])])),
        ("twice", with(1, &[&greeting, &manner.hello(), &manner.hello()])),
        ("other server", with(0, &[&greeting, &Manner::good([9; 32], "client").hello()])),
        ("null", with(1, &[&wire::opening(1), &wire::leco(b"N1.CB", b"N1.CA", 1, &[b"x"])])),
        ("null where that is none", with(0, &[&wire::opening(1)])),
        ("plain", with(2, &[&plain(&[&hello[..], &initiate].concat())])),
        ("plain broken", with(1, &[&plain(&hello[..12])])),
        ("dialled", with(3, &[&dialled])),
        ("dialled refused", with(3, &[&greeting, b"\x04\x0a\x05ERROR\x03400"])),
    ])
}

fn rpc() -> Files {
    named([
        ("sign in", wire::request(1, "sign_in").into_bytes()),
        ("text id", br#"{"jsonrpc":"2.0","id":"a","method":"pong","params":[]}"#.to_vec()),
        ("notification", br#"{"jsonrpc":"2.0","method":"set_log_level","params":{"level":"INFO"}}"#.to_vec()),
        (
            "update",
            br#"[{"id":5,"jsonrpc":"2.0","method":"add_nodes","params":{"nodes":{"N1":"a:12300","N2":"b:1"}}},
                {"id":6,"jsonrpc":"2.0","method":"record_components","params":{"components":["CA","CB"]}}]"#
                .to_vec(),
        ),
        ("result", br#"{"jsonrpc":"2.0","id":1,"result":null}"#.to_vec()),
        ("error", br#"[{"jsonrpc":"2.0","id":null,"error":{"code":-32090,"message":"m","data":[1.5e300]}}]"#.to_vec()),
        ("nested", format!("{}1{}", "[".repeat(40), "]".repeat(40)).into_bytes()),
        ("empty", b"[]".to_vec()),
        (
            "objects",
            br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":{"b":{"c":{"d":{}}}},"e":"\ud83d\ude00\u0000"}}"#
                .to_vec(),
        ),
    ])
}

/// What an HTTP client sends; the first byte lets its bodies be long.
fn http() -> Files {
    let behind = |parts: &[&str]| [b"\0", parts.concat().as_bytes()].concat();
    let part = "Content-Disposition: form-data; name=\"file\"; filename=\"a.xml\"\r\nContent-Type: application/xml\r\n\
                Content-Length: 10\r\n\r\n<Message/>";
    let form = format!("--b-1\r\n{part}\r\n--b-1--\r\n");
    let send = format!(
        "POST /api/c2sim/session/ex%20a/send HTTP/1.1\r\nclientId: aaaaa\r\nContent-Type: multipart/form-data; boundary=b-1\r\n\
         Content-Length: {}\r\nHost: h:7777\r\n\r\n{form}",
        form.len()
    );
    let cpp = "POST /C2SIMServer/command?submitter=A+B&command=STATUS&parm1= HTTP/1.1\r\nContent-Type:application/xml\r\nHost:h:8080\r\n\
               Connection:.keep-alive\r\nContent-Length:20\r\n\r\n<C2SIM_Statistics />\r\n";
    let get = "GET /api/c2sim/session/list HTTP/1.1\r\nHost: h:7777\r\nclientId: a\r\nConnection: Keep-Alive\r\n\r\n";
    let chunked = "POST /c HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n\
                   0A\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
    let upgrade = "GET /ws?clientId=a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nHost: h\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let proxied = "GET / HTTP/1.0\r\nX-Forwarded-For: 1.2.3.4, 127.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: o.example\r\n\
                   X-Forwarded-Port: 8443\r\nX-Forwarded-Prefix: /p/\r\n\r\n";
    let standard = "GET http://h:1/?a=%41&b HTTP/1.0\r\nForwarded: for=\"[2001:db8::1]:47\";proto=https;host=\"h:2\", for=127.0.0.3\r\n\r\n";
    let preflight = "OPTIONS * HTTP/1.1\r\nHost: h\r\nOrigin: https://ui.example\r\nAccess-Control-Request-Method: PUT\r\n\
                     Access-Control-Request-Headers: clientid\r\n\r\n";
    named([
        ("send", behind(&[&send])),
        ("pipelined", behind(&[get, cpp, &send, get])),
        ("chunked", behind(&[chunked, get])),
        ("too long", [b"\x01", chunked.as_bytes()].concat()),
        ("far too long", [b"\x01", send.as_bytes(), get.as_bytes()].concat()),
        ("upgrade", behind(&[upgrade])),
        ("proxied", behind(&[proxied, standard])),
        ("preflight", behind(&[preflight, "HEAD /%C3%A4 HTTP/1.1\nHost:\n\n"])),
        ("refused", behind(&["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"])),
        ("tls", behind(&["\x16\x03\x01\x02"])),
    ])
}

/// What a WebSocket client sends.
fn websocket() -> Files {
    let frames = |frames: &[(u8, &[u8])]| -> Vec<u8> {
        frames.iter().flat_map(|(first, payload)| web::client_frame(*first, payload)).collect()
    };
    named([
        ("beats", frames(&[(0x82, b""), (0x8a, b""), (0x89, b"context"), (0x82, b"")])),
        ("text", frames(&[(0x81, "h\u{e4}h \u{1d11e}".as_bytes())])),
        (
            "fragments",
            frames(&[(0x01, b"a\xe2"), (0x89, b"x"), (0x00, b"\x82"), (0x80, b"\xacz"), (0x88, b"\x03\xe8bye")]),
        ),
        ("long", frames(&[(0x82, &[7; 300]), (0x02, &[8; 126]), (0x80, &[9; 125])])),
        ("too long", frames(&[(0x82, &[7; 701])])),
        ("no text", frames(&[(0x81, b"\xff")])),
        ("unmasked", b"\x81\x02hi".to_vec()),
        ("closed", frames(&[(0x88, b""), (0x81, b"x")])),
        ("reserved", frames(&[(0xc1, b"x")])),
    ])
}

/// What a STOMP client sends.
fn stomp() -> Files {
    let subscribe = "SUBSCRIBE\nid:0\ndestination: /topic/C2SIM\nack:auto\n";
    named([
        ("java", format!("CONNECT\nlogin:\npasscode:\n\n\0{subscribe}\n\0DISCONNECT\n\n\0").into_bytes()),
        (
            "csharp",
            format!("CONNECT\nheart-beat: 0,4000\naccept-version: 1.2\nlogin:\n\n\0\n{subscribe}receipt:r\n\n\0\n\n").into_bytes(),
        ),
        ("cpp", b"CONNECT\n\n\0SUBSCRIBE\n\nack:auto\n\n\0".to_vec()),
        (
            "selector",
            format!("{subscribe}selector: (message-selector = 'C2SIM_Command') or NOT id IN ('1', '0''s') and x IS NULL\n\n\0").into_bytes(),
        ),
        ("wrong selector", format!("{subscribe}selector:id <> 0\n\n\0").into_bytes()),
        ("unequal", format!("{subscribe}selector:id <> '1' AND ack = 'auto' AND 'a' <> id\n\n\0").into_bytes()),
        ("send", b"SEND\r\ndestination:/topic/C2SIM\r\nno colon\r\ncontent-length:5\r\n\r\na\0b\0c\0\r\n\r\nACK\nid:1\n\n\0".to_vec()),
        ("escapes", b"STOMP\naccept-version:1.1,1.2\na:\\t\n\n\0SEND\na\\cb:c\\nd\\\\\\r\n\nbody\0".to_vec()),
        ("wrong escape", b"STOMP\naccept-version:1.1\n\n\0SEND\na:\\t\n\n\0".to_vec()),
        ("short length", b"SEND\ncontent-length:2\nb:true\n\nabcd\0".to_vec()),
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ])
}

/// A control request, with its length header.
fn asked(shape: Shape, function: Function, build: &dyn Fn(ControlRequest<'_>) -> usize) -> Vec<u8> {
    let mut out = Vec::new();
    let written = build(ControlRequest::begin(&mut out, shape, function));
    assert_eq!(written, out.len());
    out
}

/// What lies behind a length header.
fn body(framed: &[u8]) -> Vec<u8> {
    match framing::scan(framed, 1 << 16) {
        Ok(framing::Frame::Whole { header_len, body_len }) => framed[header_len..header_len + body_len].to_vec(),
        other => panic!("{other:?}"),
    }
}

fn control() -> Files {
    let mut files = Vec::new();
    for (shape, label) in
        [(Shape::Beside, "beside"), (Shape::Flat, "flat"), (Shape::Nested, "nested"), (Shape::Loose, "loose")]
    {
        let mut put = |name: &str, function, build: &dyn Fn(ControlRequest<'_>) -> usize| {
            files.push((format!("{name} {label}"), body(&asked(shape, function, build))));
        };
        put("open", Function::Open, &|begun| begun.address("kernel", 27931).finish());
        put("connect", Function::Connect, &|begun| begun.connection(1, 2).finish());
        put("close", Function::Close, &|begun| begun.provider(&[1, 300, -1]).finish());
        put("trigger", Function::Trigger, &|begun| {
            let begun = begun.text(Argument::Session, "default").text(Argument::Trigger, "start");
            begun.at(1_700_000_000_000).finish()
        });
        put("document", Function::SendDocument, &|begun| {
            begun.text(Argument::Session, "default").document(b"<Message/>").finish()
        });
        put("create", Function::CreateSession, &|begun| {
            let begun = begun.text(Argument::Name, "lab").text(Argument::Schema, "2.0.0").provider(&[1]);
            begun.text(Argument::Description, "why").text(Argument::OPTIONS[0], "none").finish()
        });
        put("exit", Function::Exit, &|begun| begun.finish());
    }
    let (mut framed, mut world, mut map, mut config) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    encode_viewer(&mut framed, Bits(3), Some(7));
    files.push(("viewer".to_owned(), body(&framed)));
    framed.extend(asked(Shape::Beside, Function::GetErrorList, &|begun| begun.finish()));
    files.push(("two framed".to_owned(), framed));

    let entity = Entity { id: 7, ..Entity::default() };
    section::world(&mut world, [entity.clone(), Entity { id: 8, ..entity }]);
    section::map(&mut map, [-5.0, 0.0], [95.0, 50.0], []);
    section::config(&mut config, [("key", "value")].into_iter());
    let mut result = Vec::new();
    let head = viewer::Head { request: Bits(1), message: "", result: true, time: 3 };
    viewer::write_result(&mut result, head, &[&world, &config]);
    files.push(("viewer result".to_owned(), body(&result)));
    let mut log = Vec::new();
    vlog::write_heading(&mut log, Heading { max_time_step: 3, map_name: "kobe", map: &map, config: &config });
    for time in 1..4 {
        vlog::write_prelude(&mut log, time, &[&world]);
        log.extend_from_slice(&world);
    }
    files.push(("recording".to_owned(), log));
    files
}

fn documents() -> Files {
    let unit = "<Entity><ActorEntity><Unit><Name>a &amp; b</Name><UUID>00000000-0000-4000-8000-000000000001</UUID></Unit></ActorEntity></Entity>";
    let report = "<DomainMessageBody><ReportBody><FromSender>A</FromSender><Report><Latitude>52.5</Latitude><Kind>LOSS</Kind></Report>\
                  <Report><Kind><![CDATA[POSITION]]></Kind></Report><!-- an aside --></ReportBody></DomainMessageBody>";
    named([
        ("start", c2sim::system("A", "StartScenario").into_bytes()),
        ("multiple", c2sim::multiple("A", "2.5").into_bytes()),
        ("report", c2sim::message("A", report).into_bytes()),
        (
            "not as the schema",
            c2sim::message("A", &report.replace("52.5", "152.5").replace("LOSS", "GAIN")).into_bytes(),
        ),
        ("order", c2sim::domain("A", "OrderBody", 10).into_bytes()),
        (
            "initialization",
            c2sim::initialization("A", &["A", "B"])
                .replace("<ObjectDefinitions/>", &format!("<ObjectDefinitions>{unit}{unit}</ObjectDefinitions>"))
                .into_bytes(),
        ),
        ("bare", c2sim::initialization("A", &[]).into_bytes()),
        (
            "prefixed",
            c2sim::system("A", "StopScenario")
                .replace('<', "<c:")
                .replace("<c:/", "</c:")
                .replace("<c:?", "<?")
                .replace("xmlns=", "xmlns:c=")
                .into_bytes(),
        ),
        ("byte order mark", ["\u{feff}", &c2sim::system("A\u{e9}&#233;", "PauseScenario")].concat().into_bytes()),
        ("schema", SCHEMA.chars().filter(|letter| *letter != '\n').take(4096).collect::<String>().into_bytes()),
        ("small schema", small_schema().into_bytes()),
    ])
}

/// A schema that fits an input.
fn small_schema() -> String {
    let head = SCHEMA.find("<xs:schema").unwrap();
    let first = SCHEMA[head..].find('\n').unwrap() + head;
    [
        &SCHEMA[head..first],
        "<xs:simpleType name=\"P\"><xs:restriction base=\"xs:string\"><xs:pattern value=\"(a|b{2,3})*[^c-e]?\"/></xs:restriction></xs:simpleType>",
        "<xs:element name=\"Message\" type=\"M\"/><xs:complexType name=\"M\"><xs:choice minOccurs=\"0\" maxOccurs=\"5\"><xs:element \
         ref=\"C2SIMHeader\"/><xs:sequence><xs:element ref=\"MessageBody\" minOccurs=\"2\" maxOccurs=\"3\"/></xs:sequence></xs:choice></xs:complexType>",
        "<xs:element name=\"C2SIMHeader\" type=\"P\"/><xs:element name=\"MessageBody\" type=\"xs:int\"/></xs:schema>",
    ]
    .concat()
}

fn logs() -> Files {
    let run = small_run();
    let (binary, framed) = (binary_log(&run), framed_log(&run));
    let (left, right) = binary.split_at(binary.len() / 3);
    let files = entries(&run);
    named([
        ("binary", binary.clone()),
        ("frames", framed.clone()),
        ("lzma", lzma_alone(&framed)),
        ("xz", xz(&[&framed], 1)),
        ("xz of two blocks", xz(&[left, right], 4)),
        ("gzip", gzip(&framed, false)),
        ("gzip, full header", gzip(&binary, true)),
        ("archive", archive(&files, Packing::Plain, false)),
        ("archive, lzma", archive(&files, Packing::Lzma, true)),
        ("archive, lzma2", archive(&files, Packing::Lzma2, false)),
        ("no directory", killed_archive(&run)),
        ("no front", vec![0; 40]),
    ])
}

fn kernel() -> Files {
    let run = small_run();
    let Some(entities) =
        run.iter().find_map(|record| if let Record::Initial(entities) = record { Some(entities) } else { None })
    else {
        panic!("a run has a beginning")
    };
    let config = rcrs::config(&[("kernel.timesteps", "3"), ("gis.map.dir", "maps/kobe")]);
    let changes = run
        .iter()
        .find_map(|record| if let Record::Updates { changes, .. } = record { Some(changes.clone()) } else { None });
    let changes = changes.unwrap();
    let frames = |choice: u8, frames: &[Vec<u8>]| {
        let mut bytes = vec![choice];
        frames.iter().for_each(|content| bytes.extend(rcrs::frame(content)));
        bytes
    };
    let old = |messages: &[Vec<u8>]| legacy::messages(messages);
    named([
        (
            "current",
            frames(
                0,
                &[
                    proto::connect_ok(7, 3, entities, &config),
                    proto::timestep(3, 1, &[], &changes),
                    proto::timestep(3, 3, &[], &changes),
                    proto::shutdown(),
                ],
            ),
        ),
        ("refused", frames(0, &[proto::connect_error(7, "full")])),
        (
            "legacy",
            frames(
                1,
                &[
                    old(&[legacy::connect_ok(7, 3, entities, &config)]),
                    old(&[legacy::timestep(3, 1, &[], &changes), legacy::timestep(3, 2, &[], &changes)]),
                    old(&[legacy::shutdown()]),
                ],
            ),
        ),
        ("legacy refused", frames(1, &[old(&[legacy::connect_error(7, "full")])])),
        ("too large", frames(0, &[vec![0; 1]]).into_iter().take(1).chain([0, 1, 0, 0]).collect()),
    ])
}

fn channel() -> Files {
    use ChannelOp::{Appetite, Cancel, Close, Come, Publish, Send, Subscribe, Time};
    let script = |flags: u8, ops: &[ChannelOp<'_>]| {
        let mut out = vec![flags];
        ops.iter().for_each(|op| op.put(&mut out));
        out
    };
    // A PUB, a SUB, an XSUB, and an XSUB of another node.
    let all = [Come(0), Come(7), Come(10), Come(11)];
    let asked = [Subscribe(1, b"N1."), Subscribe(128 + 2, b""), Subscribe(3, b"N1.a")];
    let sent = [Publish(0, b"N1.ab"), Publish(8, b"N2"), Publish(16, b"N1.a")];
    let slow = [Appetite(1), Publish(128, b"N1.a"), Time(20)];
    let many = [Publish(0x88, b"N1.a"); 12];
    named([
        (
            "both ways",
            script(0, &[&all[..], &asked, &sent, &[Cancel(1, b"N1."), Cancel(128 + 2, b"")], &sent].concat()),
        ),
        ("slow", script(0, &[&all[..], &asked, &slow, &many, &[Appetite(255)], &sent].concat())),
        ("slow and oldest go", script(1, &[&all[..], &asked, &slow, &many, &[Appetite(3)], &many, &sent].concat())),
        ("last values", script(2, &[&all[..], &sent, &many, &asked, &[Subscribe(1, b"N"), Close(2)], &sent].concat())),
        (
            "last values and slow",
            script(3, &[&all[..], &many, &[Appetite(2)], &asked, &slow, &[Cancel(1, b"N1.")]].concat()),
        ),
        (
            "ends",
            script(0, &[&all[..], &asked, &sent, &[Close(1), Close(0), Come(0), Come(12), Time(100)], &sent].concat()),
        ),
        (
            "wrong sockets",
            script(0, &[Come(6), Come(1), Come(2), Come(12), Come(3), Come(4), Come(5), Publish(1, b"x")]),
        ),
        (
            "upstream",
            script(
                0,
                &[&[Come(3), Come(10)][..], &[Send(1, b"\x01\x01a\x00\x01b"), Subscribe(1, b"x"), Publish(0, b"xy")]]
                    .concat(),
            ),
        ),
        (
            "broken",
            script(
                0,
                &[&all[..], &[Send(1, b"\x02\xff"), Send(0, b"\x01\x05"), Send(2, b"\x04\x01\x09")], &sent].concat(),
            ),
        ),
        (
            "too long",
            script(0, &[&all[..], &[Subscribe(1, &[b'x'; 255]), Subscribe(129, &[b'y'; 255])], &sent].concat()),
        ),
    ])
}

fn hub() -> Files {
    let script = |ops: &[Op<'_>]| {
        let mut out = Vec::new();
        ops.iter().for_each(|op| op.put(&mut out));
        out
    };
    let call =
        |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let (sign_in, join) = (call("sign_in", "[]"), call("join", "{}"));
    let trigger = call("submit", "{}");
    let coordinator = "COORDINATOR".as_bytes();
    let ask = |peer: u8, name: &'static str, payload: &'static str| {
        Op::Message(peer, [coordinator, name.as_bytes(), payload.as_bytes()])
    };
    // Peer 0 is the link to the other node, which is dialled at the start.
    let component = |peer: u8, name: &'static str| {
        [Op::Open(0), Op::Hello(peer), Op::Message(peer, [coordinator, name.as_bytes(), sign_in.as_bytes()])]
    };
    let two = [component(1, "CA"), component(2, "CB")].concat();
    let far_in = Op::Message(0, [b"N1.COORDINATOR", b"N2.COORDINATOR", br#"{"jsonrpc":"2.0","id":1,"result":null}"#]);
    let update = br#"[{"jsonrpc":"2.0","method":"add_nodes","params":{"nodes":{"N3":"n3:12300"}}},{"jsonrpc":"2.0","method":"record_components","params":{"components":["FA"]}}]"#;
    let control = |function, build: &dyn Fn(ControlRequest<'_>) -> usize| asked(Shape::Beside, function, build);
    let open = control(Function::Open, &|begun| begun.address("kernel", 27931).finish());
    let connect = control(Function::Connect, &|begun| begun.connection(1, 1).finish());
    let pull = control(Function::Trigger, &|begun| {
        begun.text(Argument::Session, "default").text(Argument::Trigger, "submit_initialization").finish()
    });
    let create = control(Function::CreateSession, &|begun| begun.text(Argument::Name, "lab").finish());
    let mut watch = Vec::new();
    encode_viewer(&mut watch, Bits(5), None);
    let (greeting, _) = Link::new(SocketType::Dealer).opening();
    let document = c2sim::system("A", "ShareScenario");
    let post =
        "POST /C2SIMServer/command?submitterID=A&command=INITIALIZE HTTP/1.1\r\nHost:h\r\nContent-Length:0\r\n\r\n";
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/C2SIM\nselector:message-type <> 'x'\n\n\0";
    named([
        (
            "hearer",
            script(&[
                Op::Open(192),
                Op::Send(1, b"CONNECT\naccept-version:1.2\nheart-beat:0,1\n\n\0"),
                Op::Send(1, subscribe.as_bytes()),
                Op::Open(128),
                Op::Send(2, post.as_bytes()),
                Op::Send(1, b"SEND\ndestination:/topic/C2SIM\nsubmitter:B\nreceipt:r\n\n<Message/>\0"),
                Op::Appetite(0),
                Op::Send(2, post.as_bytes()),
                Op::Time(200),
                Op::Stop,
            ]),
        ),
        (
            "two components",
            script(
                &[
                    &two[..],
                    &[
                        Op::Message(1, [b"N1.CB", b"N1.CA", b"x"]),
                        Op::Message(2, [b"CA", b"N1.CB", b"y"]),
                        Op::Close(1),
                    ],
                ]
                .concat(),
            ),
        ),
        (
            "other node",
            script(
                &[
                    &[
                        Op::Time(10),
                        Op::Hello(128),
                        far_in,
                        Op::Message(0, [b"N1.COORDINATOR", b"N2.COORDINATOR", update]),
                    ],
                    &two[..],
                    &[
                        Op::Message(1, [b"N2.FA", b"N1.CA", b"x"]),
                        Op::Message(0, [b"N1.CB", b"N2.FA", b"y"]),
                        Op::Time(200),
                        Op::Close(0),
                        Op::Time(255),
                    ],
                ]
                .concat(),
            ),
        ),
        (
            "slow reader",
            script(
                &[
                    &two[..],
                    &[Op::Appetite(0)],
                    &[Op::Message(1, [b"N1.CB", b"N1.CA", &[b'x'; 255]]); 20],
                    &[Op::Time(60), Op::Appetite(1), Op::Time(20), Op::Time(200)],
                ]
                .concat(),
            ),
        ),
        (
            "session",
            script(
                &[
                    &two[..],
                    &[
                        Op::Message(1, [b"session:default", b"N1.CA", join.as_bytes()]),
                        Op::Message(2, [b"session:default", b"N1.CB", join.as_bytes()]),
                        Op::Message(1, [b"session:default", b"N1.CA", trigger.as_bytes()]),
                        Op::Message(130, [b"session:default", b"N1.CB", document.as_bytes()]),
                        Op::Close(1),
                        Op::Time(100),
                    ],
                ]
                .concat(),
            ),
        ),
        (
            "guests",
            script(&[
                Op::Open(128),
                Op::Request(65, [b"default/join", br#"{"clientIdDisplayName":"a"}"#]),
                Op::Open(128),
                Op::Request(66, [b"default/join", br#"{"clientIdDisplayName":"b","systemName":"S"}"#]),
                Op::Open(128),
                Op::Request(3, [b"default/ws?clientId=g2", b""]),
                Op::Request(65, [b"default/send", b"0"]),
                Op::Request(65, [b"default/send", b"1"]),
                Op::Request(65, [b"default/send", b"2"]),
                Op::Request(65, [b"default/send", b"3"]),
                Op::Appetite(1),
                Op::Request(65, [b"default/send", b"4"]),
                Op::Request(1, [b"default/initialization", b""]),
                Op::Send(3, &[0x89, 0x80, 1, 2, 3, 4]),
                Op::Request(
                    129,
                    [b"x/create", br#"{"data":{"c2simSchemaVersion":"2.0.0","displayName":"","description":""}}"#],
                ),
                Op::Open(128),
                Op::Request(4, [b"default/ws?clientId=g2", b""]),
                Op::Time(130),
                Op::Request(193, [b"x?force=true", b""]),
                Op::Request(66, [b"default/resign", b"{}"]),
                Op::Close(1),
                Op::Time(255),
                Op::Stop,
            ]),
        ),
        (
            "manager",
            script(&[
                Op::Open(1),
                Op::Send(1, &open),
                Op::Open(2),
                Op::Send(2, &watch),
                Op::Send(1, &create),
                Op::Send(1, &connect),
                Op::Send(1, &pull),
                Op::Time(60),
                Op::Send(2, b"\0\0\0\x01"),
                Op::Close(2),
                Op::Time(120),
            ]),
        ),
        (
            "page",
            script(&[
                Op::Open(1),
                Op::Open(128),
                Op::Request(1, [b"/viewer", b""]),
                Op::Send(1, &web::client_frame(0x82, &watch)),
                Op::Send(0, &create),
                Op::Send(0, &connect),
                Op::Appetite(0),
                Op::Send(0, &pull),
                Op::Send(1, &web::client_frame(0x89, b"there?")),
                Op::Send(1, &web::client_frame(0x02, &watch[..3])),
                Op::Send(1, &web::client_frame(0x80, &watch[3..])),
                Op::Time(60),
                Op::Appetite(1),
                Op::Time(130),
                Op::Send(1, &web::client_frame(0x88, b"\x03\xe8")),
                Op::Open(128),
                Op::Request(1, [b"/viewer", b""]),
                Op::Send(1, &web::client_frame(0x82, b"\xc1")),
            ]),
        ),
        (
            "half a greeting",
            script(&[
                Op::Open(4),
                Op::Send(1, &greeting[..40]),
                Op::Open(0),
                Op::Send(2, b"\x7f"),
                Op::Time(255),
                Op::Clock(200),
                Op::Time(255),
            ]),
        ),
        ("stop", script(&[&two[..], &[Op::Stop, Op::Time(100), Op::Open(0)]].concat())),
        (
            "silence",
            script(
                &[&two[..], &[Op::Time(255), Op::Time(255), Op::Time(255), Op::Time(255)], &component(1, "CA")]
                    .concat(),
            ),
        ),
        (
            "takeover",
            script(
                &[
                    &two[..],
                    &component(3, "CA"),
                    &[
                        Op::Time(50),
                        ask(3, "CA", r#"{"jsonrpc":"2.0","id":2,"method":"sign_out"}"#),
                        ask(2, "CB", r#"{"jsonrpc":"2.0","id":2,"method":"send_counters"}"#),
                    ],
                ]
                .concat(),
            ),
        ),
    ])
}
