//! Connections of HTTP alone: what is asked is found out, answered in order, and given up in time.

use super::{Came, Reply, Route, Web};
use crate::config::Config;
use crate::hub::cause::Cause;
use crate::hub::doors::{Door, Output};
use crate::hub::events::Event;
use crate::hub::fixture::{FAR, Lent, NEAR};
use crate::hub::keys::PeerKey;
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_MS, HTTP_DROP_MS, HTTP_HEAD_MS, HTTP_IDLE_MS, HTTP_STALL_MS};

const GET: &str = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";

struct At {
    lent: Lent,
    web: Web,
}

impl At {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let lent = Lent::with(change);
        let web = Web::new(&lent.peers.config);
        Self { lent, web }
    }

    fn open(&mut self, remote: &str) -> PeerKey {
        let key = self.lent.open(Door::Http, remote).expect("there is room");
        self.web.came(&self.lent.peers, key);
        key
    }

    /// Feeds bytes until a whole request is there, or nothing goes on; what is left of them.
    fn feed<'a>(&mut self, key: PeerKey, mut bytes: &'a [u8]) -> &'a [u8] {
        while self.web.whole(key).is_none() {
            match self.web.next(&mut self.lent.peers, key, bytes) {
                Came::Used(len) => bytes = &bytes[len..],
                Came::Need(_) | Came::Over => break,
            }
        }
        self.web.set_deadline(&mut self.lent.peers, key);
        bytes
    }

    fn read(&mut self, key: PeerKey) -> String {
        String::from_utf8(self.lent.read(key)).unwrap()
    }

    fn longest_idle(&self) -> Option<PeerKey> {
        self.web.longest_idle(&self.lent.peers, FAR.parse().unwrap())
    }

    fn answer(&mut self, key: PeerKey, text: &str) -> String {
        self.web.answer(&mut self.lent.peers, key, &Reply::text(200, text));
        self.read(key)
    }

    /// What a request for `target` is taken to ask for.
    fn route(&mut self, method: &str, target: &str) -> Route {
        let key = self.open(NEAR);
        self.feed(key, format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        self.web.asked(key).expect("the request is whole").route.clone()
    }

    /// Lets time pass, and deals with deadlines as the turn does.
    fn pass(&mut self, ms: u64) {
        self.lent.pass(ms);
        self.lent.peers.expire();
        loop {
            let events = self.lent.events();
            if events.is_empty() {
                return;
            }
            for event in events {
                if let Event::WebLate { peer } = event {
                    self.web.late(&mut self.lent.peers, peer);
                } else {
                    let Event::WebLeft { peer, .. } = event else { panic!("{event:?}") };
                    self.web.left(&mut self.lent.peers, peer);
                }
            }
        }
    }

    fn closed(&mut self, key: PeerKey) -> Option<Cause> {
        self.lent.outputs().into_iter().find_map(|output| {
            if let Output::Close(closed, cause) = output { (closed == key).then_some(cause) } else { None }
        })
    }
}

#[test]
fn paths_are_found_with_and_without_the_prefix() {
    let mut at = At::with(|config| config.http_prefix = "/c2sim-server/".to_owned());
    for (target, wanted) in [
        ("/", Route::Home),
        ("/status", Route::Home),
        ("/health", Route::Health),
        ("/health/", Route::Health),
        ("/c2sim-server/metrics?x=1", Route::Metrics),
        ("/c2sim-server", Route::Home),
        ("http://other/metrics", Route::Metrics),
        ("/Health", Route::Unknown),
        ("/health/x", Route::Unknown),
        ("/he%61lth", Route::Health),
        ("/%zz", Route::Malformed),
        ("/a%2Fb", Route::Malformed),
    ] {
        assert_eq!(at.route("GET", target), wanted, "{target}");
    }
    assert_eq!(at.route("HEAD", "/health"), Route::Health);
    assert_eq!((at.route("POST", "/health"), at.route("OPTIONS", "/health")), (Route::Unknown, Route::Options));
    for (method, target, wanted) in [
        ("GET", "/rpc", "POST"),
        ("PUT", "/rpc/N1.CA", "POST"),
        ("HEAD", "/events", "GET"),
        ("POST", "/viewer", "GET, HEAD"),
        ("DELETE", "/openrpc.json", "GET, HEAD"),
        ("POST", "/page/none.js", "GET, HEAD"),
    ] {
        assert_eq!(at.route(method, target), Route::OnlyBy(wanted), "{method} {target}");
    }
    assert_eq!(at.route("GET", "/page/none.js"), Route::Unknown);
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let mut at = At::new();
    let key = at.open(NEAR);
    let both = [GET, &GET.replace("health", "metrics")].concat();
    let rest = at.feed(key, both.as_bytes());
    assert_eq!((at.web.asked(key).unwrap().route.clone(), rest.len()), (Route::Health, GET.len() + 1));
    assert!(at.answer(key, "one").ends_with("\r\n\r\none\n"));
    assert!(at.feed(key, rest).is_empty());
    assert_eq!(at.web.asked(key).unwrap().route, Route::Metrics);
    assert!(at.answer(key, "two").starts_with("HTTP/1.1 200 OK\r\nDate: "));
    assert_eq!(at.web.whole(key), None);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_the_same_request() {
    let mut at = At::new();
    let key = at.open(NEAR);
    let request = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let mut waiting = Vec::new();
    for byte in request.bytes() {
        assert_eq!(at.web.whole(key), None);
        waiting.push(byte);
        let left = at.feed(key, &waiting.clone()).len();
        waiting.drain(..waiting.len() - left);
    }
    let asked = at.web.asked(key).unwrap();
    assert_eq!((asked.route.clone(), &asked.body[..]), (Route::Unknown, &b"hello"[..]));
    assert_eq!((at.web.bytes(), at.lent.peers.pool.data_in_use()), (5, 5));
    at.answer(key, "");
    assert_eq!((at.web.bytes(), at.lent.peers.pool.data_in_use()), (0, 0));
}

#[test]
fn the_last_answer_closes_its_connection() {
    let mut at = At::new();
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"] {
        let key = at.open(NEAR);
        at.feed(key, request.as_bytes());
        assert!(at.answer(key, "bye").contains("\r\nConnection: close\r\n"));
        assert_eq!(at.closed(key), Some(Cause::Answered));
    }
}

#[test]
fn a_head_is_answered_without_the_body_that_it_tells_of() {
    let mut at = At::new();
    let key = at.open(NEAR);
    at.feed(key, GET.replace("GET", "HEAD").as_bytes());
    let said = at.answer(key, "0123456789");
    assert!(said.contains("\r\nContent-Length: 11\r\n") && said.ends_with("\r\n\r\n"), "{said}");
}

#[test]
fn what_cannot_be_read_is_refused_and_ends_the_connection() {
    let mut at = At::new();
    for (request, status) in [
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n", 400),
    ] {
        let key = at.open(NEAR);
        at.feed(key, request.as_bytes());
        assert!(at.read(key).starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
        assert_eq!(at.closed(key), Some(Cause::Answered), "{request}");
    }
    assert_eq!(at.lent.peers.counters.http_refusals, 5);
}

#[test]
fn a_body_that_is_too_long_is_refused_at_its_head_and_read_for_a_while() {
    let mut at = At::new();
    let key = at.open(NEAR);
    let head = format!("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", HTTP_BODY_BYTES_MAX + 1);
    at.feed(key, head.as_bytes());
    assert!(at.read(key).starts_with("HTTP/1.1 413 "));
    assert_eq!((at.closed(key), at.web.whole(key)), (None, None));
    assert!(at.feed(key, &vec![b'x'; 1000]).is_empty(), "dropped");
    at.pass(HTTP_DROP_MS);
    assert_eq!(at.closed(key), Some(Cause::Answered));
}

#[test]
fn who_expects_to_be_told_to_continue_is() {
    let mut at = At::new();
    let key = at.open(NEAR);
    at.feed(key, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(at.read(key), "HTTP/1.1 100 Continue\r\n\r\n");
    at.feed(key, b"ab");
    assert_eq!(at.web.whole(key), Some(2));
}

#[test]
fn pages_of_other_servers_may_look_and_no_more_unless_they_are_let_in() {
    let ask = |method: &str| format!("{method} /health HTTP/1.1\r\nHost: h:1\r\nOrigin: https://evil.example\r\n\r\n");
    let mut at = At::new();
    let key = at.open(NEAR);
    at.feed(key, ask("POST").as_bytes());
    assert_eq!(at.web.asked(key).unwrap().route, Route::Foreign);
    let other = at.open(NEAR);
    at.feed(other, ask("GET").as_bytes());
    assert_eq!(at.web.asked(other).unwrap().route, Route::Health);
    assert!(!at.answer(other, "").contains("Access-Control"));

    let mut at = At::with(|config| config.http_origins = vec!["https://evil.example".to_owned()]);
    let key = at.open(NEAR);
    at.feed(key, ask("GET").as_bytes());
    assert!(at.answer(key, "").contains("\r\nAccess-Control-Allow-Origin: https://evil.example\r\nVary: Origin\r\n"));
    at.feed(key, ask("OPTIONS").replace("\r\n\r\n", "\r\nAccess-Control-Request-Method: PUT\r\n\r\n").as_bytes());
    at.web.answer(&mut at.lent.peers, key, &Reply::bare(200));
    let said = at.read(key);
    assert!(said.contains("\r\nAccess-Control-Allow-Methods: PUT\r\n") && said.contains("Content-Length: 0"), "{said}");
}

#[test]
fn each_part_of_a_request_has_its_time() {
    let late = |bytes: &str, ms: u64, said: &str, cause| {
        let mut at = At::new();
        let key = at.open(FAR);
        // Its first request is over.
        at.feed(key, GET.as_bytes());
        at.answer(key, "");
        at.web.set_deadline(&mut at.lent.peers, key);
        at.pass(HTTP_IDLE_MS - 1);
        assert_eq!(at.closed(key), None);
        at.feed(key, bytes.as_bytes());
        at.pass(ms - 1);
        assert_eq!((at.closed(key), at.read(key)), (None, String::new()), "{bytes}");
        at.pass(1);
        let heard = at.read(key);
        assert!(heard.starts_with(said), "{heard}");
        assert_eq!(at.closed(key), Some(cause), "{bytes}");
        assert_eq!(at.web.bytes(), 0);
    };
    late("GET /hea", HTTP_HEAD_MS, "HTTP/1.1 408 ", Cause::Answered);
    late("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab", HTTP_STALL_MS, "HTTP/1.1 408 ", Cause::Answered);
    late("", HTTP_IDLE_MS, "", Cause::Idle);
}

#[test]
fn a_body_that_comes_in_drops_is_not_waited_for_for_ever() {
    let mut at = At::new();
    let key = at.open(FAR);
    at.feed(key, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n");
    let (mut passed, mut said) = (0, String::new());
    while said.is_empty() {
        at.feed(key, b"x");
        at.pass(1000);
        passed += 1000;
        assert!(passed <= HTTP_BODY_MS + 1000, "it is waited for still");
        said = at.read(key);
    }
    assert!(passed >= HTTP_BODY_MS && said.starts_with("HTTP/1.1 408 "), "{passed}: {said}");
    assert_eq!((at.closed(key), at.web.bytes()), (Some(Cause::Answered), 0));
    // One that comes steadily, however slowly, is.
    let key = at.open(FAR);
    at.feed(key, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n");
    for _ in 0..64 {
        assert_eq!(at.closed(key), None);
        at.pass(1000);
        at.feed(key, &[b'x'; 1024]);
    }
    assert_eq!((at.closed(key), at.web.whole(key)), (None, Some(65_536)));
}

#[test]
fn a_request_that_we_are_slow_to_answer_has_no_deadline() {
    let mut at = At::new();
    let key = at.open(NEAR);
    at.feed(key, GET.as_bytes());
    at.pass(HTTP_IDLE_MS * 2);
    assert_eq!((at.closed(key), at.web.whole(key)), (None, Some(0)));
}

#[test]
fn whoever_has_been_idle_the_longest_makes_room() {
    let mut at = At::new();
    let [first, busy, last] = [(); 3].map(|()| {
        at.pass(10);
        at.open(NEAR)
    });
    at.feed(busy, b"GET /he");
    assert_eq!(at.longest_idle(), Some(first));
    at.web.left(&mut at.lent.peers, first);
    assert_eq!(at.longest_idle(), Some(last));
    at.feed(last, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(at.longest_idle(), None);
}
