//! The HTTP port of a running server, as curl, browsers and Prometheus see it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use instep::config::Config;
use instep::hub::Door;
use instep::net::{Server, Turn};

use crate::common::c2sim::system;
use crate::common::guest::{Answer, Frame, frames, take_answer};
use crate::common::program::run;

/// A running server and its HTTP port.
struct Running {
    http: SocketAddr,
    stopper: instep::net::Stopper,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(config: Config) -> Self {
        let here = || vec!["127.0.0.1:0".to_owned()];
        let off = || vec!["off".to_owned()];
        let config = Config {
            namespace: "N1".into(),
            bind: here(),
            control_bind: off(),
            viewer_bind: off(),
            http_bind: here(),
            ..config
        };
        let mut server = Server::bind(config).unwrap();
        let http = server.addresses(Door::Http).next().unwrap();
        let stopper = server.stopper();
        let thread = std::thread::spawn(move || server.run().unwrap());
        Self { http, stopper, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends these bytes and reads until the server closes.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        String::from_utf8(said).unwrap()
    }

    fn get(&self, target: &str) -> String {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn it_says_that_it_is_well() {
    let server = Running::start(Config::default());
    let said = server.get("/health");
    assert!(
        said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("\r\nContent-Type: application/json\r\n"),
        "{said}"
    );
    let told: serde_json::Value = serde_json::from_str(body(&said)).unwrap();
    assert_eq!(told["status"], "UP");
    assert!(told["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn every_number_is_told_in_the_words_of_prometheus() {
    let server = Running::start(Config::default());
    server.get("/health");
    let said = server.get("/metrics");
    assert!(said.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{said}");
    let mut numbers = 0;
    let mut kinds = std::collections::BTreeMap::new();
    for line in body(&said).lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is told once");
        } else if !line.starts_with("# HELP ") {
            let (place, value) = line.rsplit_once(' ').unwrap();
            let name = place.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                name.strip_suffix(end).filter(|family| kinds.get(*family).is_some_and(|kind| kind == "histogram"))
            });
            let kind = kinds.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            numbers += 1;
        }
    }
    let value = |name: &str| {
        let lines = body(&said).lines();
        let found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).next();
        found.unwrap_or_else(|| panic!("no {name}")).parse::<f64>().unwrap()
    };
    assert!(value("process_start_time_seconds") > 1.7e9 && value("process_resident_memory_bytes") > 1e5);
    assert!(value("instep_turn_seconds_count") >= 1.0);
    assert_eq!(value("instep_turn_seconds_bucket{le=\"+Inf\"}"), value("instep_turn_seconds_count"));
    assert_eq!(value("instep_sessions_in_state{state=\"UNINITIALIZED\"}"), value("instep_sessions"));
    assert!(
        numbers > 50 && said.contains("\ninstep_connections 1\n") && said.contains("\ninstep_sessions 1\n"),
        "{said}"
    );
}

/// The value of a field in the head of an answer.
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name}: {head}"))
}

#[test]
fn the_page_comes_in_files_that_a_browser_keeps() {
    let server = Running::start(Config::default());
    let index = server.get("/");
    assert!(index.starts_with("HTTP/1.1 200 OK\r\n") && body(&index).starts_with("<!doctype html>"), "{index}");
    assert!(field(&index, "Content-Security-Policy").starts_with("default-src 'self'"));
    let version = server.get("/page/version");
    assert!(body(&index).contains(&format!("<meta name=\"version\" content=\"{}\">", body(&version))));
    let mut files: Vec<&str> = body(&index).split('"').filter(|word| word.starts_with("page/")).collect();
    files.push("page/map.js");
    for file in files {
        let said = server.get(&format!("/{file}"));
        let kind = field(&said, "Content-Type");
        let wanted = match file.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert!(kind == wanted && !body(&said).is_empty(), "{file}: {kind}");
        let tag = field(&said, "ETag").to_owned();
        assert_eq!((field(&said, "Cache-Control"), field(&said, "Vary")), ("no-cache", "Accept-Encoding"));
        let ask = |more: &str| {
            server.say(format!("GET /{file} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}\r\n").as_bytes())
        };
        for known in [format!("\"x\", W/{tag}"), "*".to_owned()] {
            let same = ask(&format!("If-None-Match: {known}\r\n"));
            assert!(same.starts_with("HTTP/1.1 304 Not Modified\r\n") && body(&same).is_empty(), "{same}");
            assert_eq!(field(&same, "ETag"), tag);
        }
        assert!(ask("If-None-Match: \"x\"\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn the_page_is_found_below_a_path_with_and_without_its_slash() {
    let server = Running::start(Config { http_prefix: "/lab".into(), ..Config::default() });
    for place in ["/lab", "/lab/"] {
        let said = server.get(place);
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(body(&said).contains("src=\"/lab/page/main.js\"") && !body(&said).contains("\"page/"), "{said}");
    }
    assert!(body(&server.get("/lab/page/main.js")).contains("import"));
}

#[test]
fn a_file_of_the_page_is_packed_for_those_who_can_unpack_it() {
    let server = Running::start(Config::default());
    let plain = server.get("/page/map.js");
    let ask = |method: &str, codings: &str| {
        let mut stream = server.connect();
        let request = format!(
            "{method} /page/map.js HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccept-Encoding: {codings}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = said.split_off(end);
        (String::from_utf8(said).unwrap(), body)
    };
    let (head, packed) = ask("GET", "br, gzip;q=0.9");
    assert_eq!((field(&head, "Content-Encoding"), field(&head, "ETag")), ("gzip", field(&plain, "ETag")));
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < body(&plain).len() / 2);
    assert_eq!(field(&head, "Content-Length"), packed.len().to_string());
    let (head, nothing) = ask("HEAD", "gzip");
    assert!(nothing.is_empty() && field(&head, "Content-Length") == packed.len().to_string());
    let (head, same) = ask("GET", "gzip;q=0, br");
    assert!(!head.contains("Content-Encoding") && same == body(&plain).as_bytes());
    assert!(server.get("/page/none.js").starts_with("HTTP/1.1 404 "));
}

#[test]
fn several_requests_in_one_write_have_their_answers_in_order() {
    let server = Running::start(Config::default());
    let get = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    let all =
        [get("/health", ""), get("/none", ""), get("/metrics", "Connection: close\r\n"), get("/health", "")].concat();
    let said = server.say(all.as_bytes());
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
    assert!(place("\"UP\"") < place("404 Not Found") && place("404 Not Found") < place("# HELP"));
    assert_eq!(said.matches("HTTP/1.1 ").count(), 3, "nothing is answered behind the last");
}

#[test]
fn a_thousand_requests_on_one_connection_are_answered() {
    let server = Running::start(Config::default());
    let mut stream = server.connect();
    let request = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&request).unwrap());
    let mut said = Vec::new();
    while said.windows(4).filter(|four| four == b"\"UP\"").count() < 1000 {
        let mut piece = [0; 1 << 16];
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "it has closed");
        said.extend_from_slice(&piece[..n]);
    }
    writing.join().unwrap();
}

#[test]
fn what_is_no_http_is_refused_with_a_sentence() {
    let server = Running::start(Config::default());
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3];
    greeting.resize(64, 0);
    assert!(server.say(&greeting).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(server.get("/none").contains("There is no such page."));
}

#[test]
fn settings_of_the_port_are_judged_before_it_opens() {
    for (flag, word, wanted) in [
        ("--http-origins", "evil", "http_origins: 'evil' is no origin like https://host:port"),
        (
            "--trusted-proxies",
            "10.0.0.0/33",
            "trusted_proxies: '10.0.0.0/33' is no address and no network like 10.0.0.0/8",
        ),
        ("--http-prefix", "c2sim", "http_prefix: 'c2sim' is no path like /c2sim-server"),
        ("--http-bind", "x:y", "http_bind: 'x:y' is not an address like 127.0.0.1:12300"),
    ] {
        assert_eq!(run(&["--check", flag, word]).error(2), wanted);
    }
}

#[test]
fn one_flag_stands_in_for_the_reference_servers() {
    let printed =
        run(&["serve", "--c2sim", "--stomp-bind", "127.0.0.1", "--gmu-version", "CWIX2024", "--print-config"]);
    let printed = printed.good();
    for line in
        ["c2sim = true", "stomp_bind = [\"127.0.0.1\"]", "gmu_version = \"CWIX2024\"", "gmu_session = \"default\""]
    {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    let said = run(&["serve", "--gmu-session", "a b", "--check"]);
    assert!(said.error(2).contains("gmu_session: 'a b' is not a name for a session"));
}

#[test]
fn the_dashboard_asks_for_numbers_that_there_are() {
    let server = Running::start(Config::default());
    let said = server.get("/metrics");
    let dashboard = include_str!("../../docs/grafana.json");
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = dashboard.split(|letter| !is_letter(letter));
    let names: Vec<&str> = words.filter(|word| word.starts_with("instep_") || word.starts_with("process_")).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let family = name.trim_end_matches("_bucket");
        // What only newer kernels tell.
        let is_there = said.contains(&format!("\n# TYPE {family} ")) || family == "process_open_fds";
        assert!(is_there, "{name}");
    }
}

#[test]
fn a_name_that_was_made_ours_is_refused_from_this_machine() {
    let server = Running::start(Config { http_external: "sim.example:80".into(), ..Config::default() });
    let ask = |host: &str| {
        server.say(format!("GET /openrpc.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    };
    for host in ["127.0.0.1:1", "localhost", "h", "sim.example"] {
        assert!(ask(host).starts_with("HTTP/1.1 200 "), "{host}");
    }
    let said = ask("evil.example:12312");
    assert!(said.starts_with("HTTP/1.1 403 ") && said.contains("http_external"), "{said}");
    let said = server.say(b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 "), "who only looks whether it is well may: {said}");
    let proxied = Running::start(Config { trusted_proxies: vec!["127.0.0.1".into()], ..Config::default() });
    let said = proxied.say(b"GET /openrpc.json HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

// ---- A server that is turned by hand ----

/// Reads until something can be taken off what has come.
fn read_until<T>(stream: &mut TcpStream, read: &mut Vec<u8>, mut take: impl FnMut(&mut Vec<u8>) -> Option<T>) -> T {
    let mut buffer = [0; 4096];
    loop {
        if let Some(taken) = take(read) {
            return taken;
        }
        let got = stream.read(&mut buffer).expect("it comes in time");
        assert_ne!(got, 0, "it stays open");
        read.extend_from_slice(&buffer[..got]);
    }
}

/// Turns until something has been written, and not once more; how many bytes that were.
fn turn_until_written(server: &mut Server) -> usize {
    let before = server.hub().counters().bytes_out;
    for _ in 0..10_000 {
        assert_eq!(server.turn(Some(Duration::from_millis(1))).unwrap(), Turn::Goes);
        let written = server.hub().counters().bytes_out - before;
        if written > 0 {
            return usize::try_from(written).unwrap();
        }
    }
    panic!("nothing is written");
}

/// Asks; answers what is answered, and whether nothing else was written in that turn.
fn ask(
    server: &mut Server,
    stream: &mut TcpStream,
    id: &str,
    path: &str,
    (kind, body): (&str, &str),
) -> (Answer, bool) {
    let (method, length) = (if body.is_empty() { "GET" } else { "POST" }, body.len());
    let text = format!(
        "{method} /api/c2sim/session/default/{path} HTTP/1.1\r\nHost: h\r\nclientId: {id}\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let written = turn_until_written(server);
    let answer = read_until(stream, &mut Vec::new(), take_answer);
    assert_eq!(answer.status, 200, "{answer:?}");
    let is_all = answer.head.len() + answer.body.len() == written;
    (answer, is_all)
}

#[test]
fn a_stream_waits_for_more_events_only_while_there_is_other_work() {
    let here = || vec!["127.0.0.1:0".to_owned()];
    let config = Config { namespace: "N1".into(), bind: here(), http_bind: here(), ..Config::default() };
    let mut server =
        Server::bind(Config { control_bind: vec!["off".into()], viewer_bind: vec!["off".into()], ..config }).unwrap();
    let http = server.addresses(Door::Http).next().unwrap();
    let connect = || {
        let stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let (mut author, mut stream) = (connect(), connect());
    let words = ("application/json", r#"{"systemName": "A", "clientIdDisplayName": "A"}"#);
    for id in ["author", "hearer"] {
        assert!(ask(&mut server, &mut author, id, "join", words).1);
    }
    let endpoints = ask(&mut server, &mut author, "hearer", "stream-endpoints", ("text/plain", "")).0.json();
    let path = endpoints["websocket"]["url"].as_str().unwrap().strip_prefix("ws://h").unwrap();
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).unwrap();
    turn_until_written(&mut server);
    let mut read = Vec::new();
    let upgraded = read_until(&mut stream, &mut read, take_answer);
    assert_eq!((upgraded.status, read.len()), (101, 0));

    let mut has_waited = false;
    for document in ["SubmitInitialization", "ResetScenario"].into_iter().cycle().take(200) {
        let sent = ("application/xml", &*system("A", document));
        let (_, waits) = ask(&mut server, &mut author, "author", "send", sent);
        if waits {
            // No timer is waited for: the next turn begins at once, and finds nothing else to do.
            assert_eq!(server.next_wake_up(), Some(Duration::ZERO));
            turn_until_written(&mut server);
        }
        assert_ne!(server.next_wake_up(), Some(Duration::ZERO), "nothing is left");
        let frame = read_until(&mut stream, &mut read, |read| frames(read).pop());
        assert!(matches!(&frame, Frame::Text(text) if text.contains(document)), "{frame:?}");
        has_waited |= waits;
        // A turn of a busy machine may have taken so long that nothing was to wait any more; not each of them.
        if has_waited && document == "ResetScenario" {
            break;
        }
    }
    assert!(has_waited, "what is told waits behind the answer");

    // Several that come in while it waits leave in their order, none of them twice.
    let both = ["SubmitInitialization", "ResetScenario"];
    for document in both {
        let body = system("A", document);
        let length = body.len();
        let text = format!(
            "POST /api/c2sim/session/default/send HTTP/1.1\r\nHost: h\r\nclientId: author\r\n\
             Content-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        author.write_all(text.as_bytes()).unwrap();
        turn_until_written(&mut server);
    }
    while server.next_wake_up() == Some(Duration::ZERO) {
        turn_until_written(&mut server);
    }
    let mut heard = Vec::new();
    read_until(&mut stream, &mut read, |read| {
        heard.append(&mut frames(read));
        (heard.len() >= both.len()).then_some(())
    });
    for (frame, document) in heard.iter().zip(both) {
        assert!(matches!(frame, Frame::Text(text) if text.contains(document)), "{heard:?}");
    }
    assert_eq!((heard.len(), read.len()), (both.len(), 0));
}
