//! An HTTP connection: the bytes of a client, request after request, and all that is asked of a request before it is carried out.
//!
//! The first byte chooses how long a body may be; the rest is what the client sends.

use instep::http::answer::{self, Answer, Date, Transfer};
use instep::http::chunks::{self, pieces};
use instep::http::forwarded::{Network, Seen};
use instep::http::head::Head;
use instep::http::multipart::Form;
use instep::http::origin::{Access, Origins};
use instep::http::requests::{Phase, Requests, Step};
use instep::http::websocket::handshake::Accept;

use super::{Cut, same_however_cut};

pub(crate) fn run(bytes: &[u8]) {
    let Some((&choice, sent)) = bytes.split_first() else { return };
    let bytes_max = if choice & 1 == 0 { 1000 } else { 10 };
    same_however_cut(sent, |bytes, cut| hear(bytes, cut, bytes_max));
}

/// Everything that a connection says about `bytes`, which come in pieces. What is consumed is taken away as a caller does.
fn hear(bytes: &[u8], mut cut: Cut, bytes_max: u64) -> Vec<String> {
    let (mut requests, mut buffer, mut heard) = (Requests::new(), Vec::new(), Vec::new());
    let (mut body, mut media_type, mut left) = (Vec::new(), None, bytes);
    loop {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        loop {
            let step = match requests.next(&buffer) {
                Ok(step) => step,
                Err(refusal) => {
                    let mut out = Vec::new();
                    answer::refuse(&mut out, refusal, &Date::of(0));
                    assert!(out.starts_with(format!("HTTP/1.1 {} ", refusal.status()).as_bytes()));
                    heard.push(format!("{refusal:?}"));
                    return heard;
                }
            };
            let len = match step {
                Step::Need(n) => {
                    assert!(n > 0, "nothing is needed and nothing said");
                    break;
                }
                Step::Skip { len } => {
                    assert!(len > 0);
                    len
                }
                Step::Head { len, head } => {
                    heard.push(judge(&head, &buffer[..len]));
                    media_type = head.field("Content-Type").map(str::to_owned);
                    body.clear();
                    if let Err(refusal) = requests.admit(bytes_max) {
                        heard.push(format!("{refusal:?}, passing over"));
                        requests.pass_over(2 * bytes_max);
                        assert_eq!(requests.phase(), Phase::PassingOver);
                    }
                    len
                }
                Step::Body { len, at, is_last } => {
                    body.extend_from_slice(&buffer[at..len]);
                    assert!(body.len() as u64 <= bytes_max && (is_last || len > at));
                    if is_last {
                        heard.push(format!("body {body:?}"));
                        read_form(media_type.as_deref(), &body);
                        check_chunks(&body);
                    }
                    len
                }
                Step::Passed { .. } => {
                    heard.push("passed".to_owned());
                    return heard;
                }
            };
            buffer.drain(..len);
        }
        if left.is_empty() {
            heard.push(format!("{:?}", requests.phase()));
            return heard;
        }
    }
}

/// Asks a head for everything that a server asks it for.
fn judge(head: &Head<'_>, bytes: &[u8]) -> String {
    let again = Head::parse(bytes).expect("it was read before");
    assert_eq!(again.fields().count(), head.fields().count());
    assert!(head.fields().all(|(name, value)| head.all(name).any(|known| known == value)));
    let trusted = [Network::parse("127.0.0.0/8").unwrap()];
    let seen = Seen::of(head, ("127.0.0.1".parse().unwrap(), false), &trusted);
    let ours = Origins::default().judge(head, seen.host, false);
    if head.field("Origin").is_none() {
        assert_eq!(ours, Access::Plain);
    }
    let any = Origins::Any.judge(head, seen.host, true);
    assert_ne!(any, Access::Refused);
    let mut out = Vec::new();
    any.tell(head, Answer::begin(&mut out, 200, head.terms, &Date::of(0))).body("text/plain", Transfer::Fixed(0));
    let lines = String::from_utf8_lossy(&out).into_owned();
    assert!(
        !lines.split("\r\n").any(|line| line.contains(['\r', '\n', '\0'])),
        "an answer of more lines than were written"
    );
    let segments: Vec<_> = head.target.segments().collect();
    let pairs: Vec<_> = head.target.pairs().collect();
    format!("{head:?} {segments:?} {pairs:?} {seen:?} {} {ours:?} {:?}", seen.authority(), Accept::judge(head))
}

/// A form is the same however its body grows, and what is found in it stands there.
fn read_form(media_type: Option<&str>, body: &[u8]) {
    let Some(Ok(form)) = media_type.map(|media_type| Form::new(media_type, "file")) else { return };
    same_however_cut(body, |bytes, mut cut| {
        let (mut form, mut end) = (form, 0);
        while end < bytes.len() {
            end += cut.next(bytes.len() - end);
            form.read(&bytes[..end])?;
        }
        form.part().inspect(|part| assert!(bytes.get(part.clone()).is_some()))
    });
}

/// What we send in chunks is read as what it was.
fn check_chunks(body: &[u8]) {
    let mut sent = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (line, piece, end) in pieces(body) {
        sent.extend([line.bytes(), piece, end].concat());
    }
    sent.extend_from_slice(chunks::END);
    let (mut requests, mut read, mut at) = (Requests::new(), Vec::new(), 0);
    loop {
        match requests.next(&sent[at..]).expect("our own chunks are good") {
            Step::Head { len, .. } | Step::Skip { len } => at += len,
            Step::Body { len, at: from, is_last } => {
                read.extend_from_slice(&sent[at..][from..len]);
                at += len;
                if is_last {
                    break;
                }
            }
            step @ (Step::Need(_) | Step::Passed { .. }) => panic!("{step:?}"),
        }
    }
    assert_eq!((read.as_slice(), at), (body, sent.len()));
}
