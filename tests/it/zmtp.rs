//! Raw peers over real sockets: everything that the ZMTP notes say a peer may do to us. After each, a good client is still
//! served at once and the event has been counted.
#![allow(clippy::cast_possible_truncation, reason = "the numbers are ours and small")]
#![expect(clippy::disallowed_methods, reason = "these tests measure real time")]

use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::common::live::{Live, Raw};
use crate::common::wire::{self, Dice, Heard, command, frame, greeting, message, opening, property, ready};
use crate::common::world::{World, config};
use instep::config::Config;
use instep::hub::Cause;

/// A peer that sends `bytes` is closed, `counter` says why, and a good client is served.
fn is_closed(config: Config, bytes: &[u8], counter: &str) -> Vec<u8> {
    let live = Live::start(config);
    let before = live.count(counter);
    let mut raw = Raw::connect(&live);
    raw.send(bytes);
    assert!(raw.ends(), "the server ends the connection");
    live.wait_for(counter, before + 1);
    assert_eq!(live.count(counter), before + 1, "{counter}");
    raw.read
}

/// A peer that sends `bytes` after a good handshake and then a `pong` call under its name is answered: `bytes` did no harm.
fn is_harmless(bytes: &[u8]) -> Live {
    let live = Live::plain();
    let mut raw = Raw::component(&live, "CA");
    assert!(raw.send(bytes));
    assert!(raw.call("CA", "pong").is_null());
    live.served();
    live
}

/// `bytes` after a good handshake and sign-in end the link for `counter`.
fn ends_the_link(config: Config, bytes: &[u8], counter: &str) {
    let live = Live::start(config);
    let mut raw = Raw::component(&live, "CA");
    let before = live.count(counter);
    raw.send(bytes);
    assert!(raw.ends(), "the server ends the connection");
    live.wait_for(counter, before + 1);
    live.wait_for("names_freed", 1);
}

fn defaults() -> Config {
    Config::default()
}

// ---- Greeting ----

#[test]
fn a_greeting_may_come_byte_by_byte() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    for byte in opening(1) {
        raw.send(&[byte]);
        std::thread::sleep(Duration::from_micros(300));
    }
    assert!(raw.call("CA", "sign_in").is_null());
    live.served();
}

#[test]
fn our_greeting_and_ready_come_before_the_peer_has_said_anything() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    while raw.read.len() < 64 + 62 {
        assert!(raw.read_some(), "all of it comes unasked");
    }
    assert_eq!(raw.read[..10], [0xff, 0, 0, 0, 0, 0, 0, 0, raw.read[8], 0x7f]);
    assert_eq!(raw.read[10..16], [3, 1, b'N', b'U', b'L', b'L']);
    let Some(Heard::Command(body)) = raw.next() else { panic!("READY comes first") };
    assert!(body.starts_with(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"));
    live.served();
}

#[test]
fn nothing_is_sent_between_our_ready_and_the_peers() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    raw.send(&greeting(1));
    raw.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    while raw.read_some() {}
    assert_eq!(raw.read.len(), 64 + 62, "greeting and READY, nothing else");
    live.served();
}

#[test]
fn greeting_ready_and_messages_may_come_in_one_piece() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    let sign_in = wire::leco(b"COORDINATOR", b"CA", 1, &[wire::request(1, "sign_in").as_bytes()]);
    raw.send(&[opening(1), sign_in].concat());
    assert!(wire::json(&raw.message().unwrap())["result"].is_null());
    live.served();
}

#[test]
fn version_3_0_and_versions_to_come_are_served() {
    let live = Live::plain();
    for (major, minor) in [(3, 0), (3, 7), (4, 0), (255, 255)] {
        let mut bytes = opening(minor);
        bytes[10] = major;
        let mut raw = Raw::connect(&live);
        raw.send(&bytes);
        assert!(raw.call(&format!("C{major}-{minor}"), "sign_in").is_null());
    }
    live.served();
}

#[test]
fn padding_filler_and_the_as_server_flag_are_not_judged() {
    let live = Live::plain();
    let mut bytes = opening(1);
    bytes[1..9].copy_from_slice(&[9; 8]);
    bytes[32] = 1;
    bytes[33..64].fill(0xaa);
    let mut raw = Raw::connect(&live);
    raw.send(&bytes);
    assert!(raw.call("CA", "sign_in").is_null());
    live.served();
}

#[test]
fn other_protocols_are_refused() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"[..],
        b"POST / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00",
        b"\x80\x80\x80",
        b"EHLO mail\r\n",
    ] {
        is_closed(defaults(), bytes, "closed_not_zmtp");
    }
}

#[test]
fn one_telling_byte_is_enough_to_refuse() {
    for byte in [b'G', 0x16, b'S', 0x01, 0x05] {
        is_closed(defaults(), &[byte], "closed_not_zmtp");
    }
}

#[test]
fn zmtp_1_with_a_short_header_is_refused() {
    is_closed(defaults(), b"\x01\x00", "closed_not_zmtp");
    is_closed(defaults(), b"\x04\x00abc", "closed_not_zmtp");
}

#[test]
fn zmtp_1_with_a_long_header_is_refused_at_its_tenth_byte() {
    is_closed(defaults(), b"\xff\0\0\0\0\0\0\0\x01\x00", "closed_not_zmtp");
}

#[test]
fn zmtp_2_is_refused() {
    for revision in [0, 1, 2] {
        let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f".to_vec();
        bytes.extend_from_slice(&[revision, 5, 0, 0]);
        is_closed(defaults(), &bytes, "closed_not_zmtp");
    }
}

#[test]
fn another_mechanism_is_refused_in_any_spelling() {
    for name in [&b"PLAIN"[..], b"CURVE", b"GSSAPI", b"null", b"NULL\0X", b"NUL", b"NULLL", b""] {
        let mut bytes = greeting(1);
        bytes[12..32].fill(0);
        bytes[12..12 + name.len()].copy_from_slice(name);
        is_closed(defaults(), &bytes, "closed_mechanism");
    }
}

// ---- READY ----

#[test]
fn property_names_count_in_any_case() {
    let live = Live::plain();
    for name in ["socket-type", "SOCKET-TYPE", "sOcKeT-tYpE"] {
        let mut raw = Raw::connect(&live);
        raw.send(&[greeting(1), command("READY", &property(name, b"DEALER"))].concat());
        assert!(raw.call(name, "sign_in").is_null());
    }
    live.served();
}

#[test]
fn unknown_properties_are_ignored_and_the_last_of_two_counts() {
    let live = Live::plain();
    let properties = [
        property("X-Lab", &[0xff; 200]),
        property("Socket-Type", b"PUB"),
        property("Resource", b"/a"),
        property("Socket-Type", b"DEALER"),
    ]
    .concat();
    let mut raw = Raw::connect(&live);
    raw.send(&[greeting(1), command("READY", &properties)].concat());
    assert!(raw.call("CA", "sign_in").is_null());
    live.served();
}

#[test]
fn a_ready_without_socket_type_or_with_an_odd_one_is_refused() {
    for data in [
        Vec::new(),
        property("Identity", b"x"),
        property("Socket-Type", b""),
        property("Socket-Type", b"dealer"),
        property("Socket-Type", b"DEALER\0"),
        property("Socket-Type", &[0xff; 300]),
    ] {
        is_closed(defaults(), &[greeting(1), command("READY", &data)].concat(), "closed_socket_type");
    }
}

#[test]
fn a_req_is_told_in_an_error_command_why_it_is_refused() {
    let heard = is_closed(defaults(), &[greeting(1), ready("REQ", b"")].concat(), "closed_socket_type");
    let mut rest = heard[64..].to_vec();
    assert!(matches!(wire::take(&mut rest), Some(Heard::Command(body)) if body.starts_with(b"\x05READY")));
    let Some(Heard::Command(body)) = wire::take(&mut rest) else { panic!("an ERROR command follows") };
    assert_eq!(&body[..6], b"\x05ERROR");
    assert_eq!(usize::from(body[6]), body.len() - 7, "one length byte and the reason");
    assert!(body[7..].windows(3).any(|word| word == b"REQ"), "{body:?}");
    assert!(rest.is_empty());
}

#[test]
fn sockets_of_other_patterns_are_refused() {
    for kind in ["PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR", "REP", "STREAM", "CLIENT"] {
        is_closed(defaults(), &[greeting(1), ready(kind, b"")].concat(), "closed_socket_type");
    }
}

#[test]
fn a_router_may_come_too() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    raw.send(&[greeting(1), ready("ROUTER", b"")].concat());
    assert!(raw.call("CA", "sign_in").is_null());
    live.served();
}

#[test]
fn identities_up_to_255_bytes_are_taken_and_longer_ones_refused() {
    let live = Live::plain();
    let mut raw = Raw::connect(&live);
    raw.send(&[greeting(1), ready("DEALER", &[b'i'; 255])].concat());
    assert!(raw.call("CA", "sign_in").is_null());
    live.served();
    is_closed(defaults(), &[greeting(1), ready("DEALER", &[b'i'; 256])].concat(), "closed_handshake");
}

#[test]
fn an_identity_with_a_leading_zero_is_refused() {
    is_closed(defaults(), &[greeting(1), ready("DEALER", b"\0abc")].concat(), "closed_handshake");
}

#[test]
fn two_peers_of_one_identity_are_both_served() {
    let live = Live::plain();
    let bytes = [greeting(1), ready("DEALER", b"twin")].concat();
    let (mut a, mut b) = (Raw::connect(&live), Raw::connect(&live));
    a.send(&bytes);
    b.send(&bytes);
    assert!(a.call("CA", "sign_in").is_null() && b.call("CB", "sign_in").is_null());
    assert!(a.send(&wire::leco(b"CB", b"CA", 1, &[b"to the twin"])));
    assert_eq!(b.message().unwrap()[4], b"to the twin");
    assert!(b.send(&wire::leco(b"CA", b"CB", 1, &[b"and back"])));
    assert_eq!(a.message().unwrap()[4], b"and back");
    live.served();
}

#[test]
fn broken_metadata_is_refused() {
    let good = [property("Socket-Type", b"DEALER"), property("Identity", b"abc")].concat();
    for cut in 1..good.len() {
        if cut == 22 {
            continue; // exactly the first property
        }
        is_closed(defaults(), &[greeting(1), command("READY", &good[..cut])].concat(), "closed_handshake");
    }
    for data in [
        b"\x0bSocket-Type\xff\xff\xff\xffDEALER".to_vec(),
        b"\x0bSocket-Type\x7f\xff\xff\xffDEALER".to_vec(),
        b"\0\0\0\0\0".to_vec(),
        [&good[..], b"x"].concat(),
        property("X", b"").repeat(17),
        property("X", &[0; 2100]),
    ] {
        is_closed(defaults(), &[greeting(1), command("READY", &data)].concat(), "closed_handshake");
    }
}

#[test]
fn an_oversized_ready_is_refused_before_its_body_comes() {
    for size in [4097u64, 1 << 31, 1 << 62, u64::MAX] {
        let head = [&[6][..], &size.to_be_bytes()].concat();
        is_closed(defaults(), &[greeting(1), head].concat(), "closed_handshake");
    }
}

#[test]
fn a_message_before_ready_is_refused() {
    is_closed(defaults(), &[greeting(1), message(&[b"hi"]), ready("DEALER", b"")].concat(), "closed_handshake");
}

#[test]
fn a_ready_in_a_message_frame_is_refused() {
    let mut bytes = ready("DEALER", b"");
    bytes[0] = 0;
    is_closed(defaults(), &[greeting(1), bytes].concat(), "closed_handshake");
}

#[test]
fn a_ping_or_any_other_command_before_ready_is_refused() {
    for early in [command("PING", &[0, 0]), command("SUBSCRIBE", b"x"), command("HELLO", b""), frame(4, b"")] {
        is_closed(defaults(), &[greeting(1), early, ready("DEALER", b"")].concat(), "closed_handshake");
    }
}

#[test]
fn an_error_instead_of_ready_ends_the_link() {
    is_closed(defaults(), &[greeting(1), command("ERROR", b"\x03400")].concat(), "closed_by_error");
}

#[test]
fn a_second_ready_is_ignored() {
    is_harmless(&ready("PUB", b"\0bad"));
}

// ---- Commands ----

#[test]
fn a_ping_is_answered_with_its_context() {
    let live = Live::plain();
    let mut raw = Raw::dealer(&live);
    let before = live.count("pongs_sent");
    for context in [&b""[..], b"a", b"0123456789abcdef"] {
        raw.send(&command("PING", &[&[0, 20], context].concat()));
        assert_eq!(raw.command().unwrap(), [b"\x04PONG", context].concat());
    }
    raw.send(&command("PING", &[&[0xff; 2], &b"0123456789abcdefXYZ"[..]].concat()));
    assert_eq!(raw.command().unwrap(), b"\x04PONG0123456789abcdef", "cut to 16 bytes");
    assert_eq!(live.count("pongs_sent"), before + 4);
}

#[test]
fn commands_between_the_frames_of_a_message_do_not_disturb_it() {
    let live = Live::plain();
    let mut a = Raw::component(&live, "CA");
    let mut b = Raw::component(&live, "CB");
    let head = wire::header(5, 1);
    let frames: [&[u8]; 6] = [&[0], b"CB", b"CA", &head, &[7; 300], b"tail"];
    let mut bytes = Vec::new();
    for (n, body) in frames.iter().enumerate() {
        bytes.extend(command("PING", &[0, 0, n as u8]));
        bytes.extend(command("SUBSCRIBE", b"noise"));
        bytes.extend(frame(u8::from(n < 5), body));
    }
    // Whole, and in pieces that cut frames and commands anywhere.
    for chunk in [bytes.len(), 1, 3, 17] {
        for part in bytes.chunks(chunk) {
            a.send(part);
        }
        assert_eq!(b.message().unwrap(), frames.map(<[u8]>::to_vec), "in pieces of {chunk}");
        for n in 0..6 {
            assert_eq!(a.command().unwrap(), [&b"\x04PONG"[..], &[n]].concat());
        }
        std::thread::sleep(Duration::from_millis(1100)); // the rate of commands is bounded
    }
    live.served();
}

#[test]
fn a_ping_cut_short_ends_the_link() {
    for data in [&b""[..], b"\0"] {
        ends_the_link(defaults(), &command("PING", data), "closed_frame");
    }
}

#[test]
fn commands_of_other_patterns_and_unknown_ones_reach_nobody() {
    let noise = [
        command("SUBSCRIBE", b"topic"),
        command("CANCEL", b"topic"),
        command("JOIN", b"group"),
        command("LEAVE", b"group"),
        command("NOSUCH", &[0xff; 100]),
        command("PONG", b"unasked"),
        frame(4, b""),
        frame(4, b"\0"),
        frame(4, b"\xffshort"),
    ];
    let live = is_harmless(&noise.concat());
    assert_eq!(live.count("messages_malformed"), 0);
}

#[test]
fn a_long_header_may_carry_a_small_command() {
    let body = b"\x04PING\0\0x";
    let live = Live::plain();
    let mut raw = Raw::dealer(&live);
    raw.send(&[&[6, 0, 0, 0, 0, 0, 0, 0, body.len() as u8][..], body].concat());
    assert_eq!(raw.command().unwrap(), b"\x04PONGx");
    live.served();
}

#[test]
fn a_flood_of_commands_ends_the_link() {
    ends_the_link(defaults(), &command("PING", &[0, 0]).repeat(300), "closed_commands");
    ends_the_link(defaults(), &command("NOSUCH", b"").repeat(300), "closed_commands");
}

#[test]
fn an_oversized_command_ends_the_link() {
    ends_the_link(defaults(), &command("SUBSCRIBE", &[b'x'; 2000]), "closed_frame");
    ends_the_link(defaults(), &[6, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "closed_frame");
}

#[test]
fn a_command_with_more_ends_the_link() {
    ends_the_link(defaults(), &frame(5, b"\x04PING\0\0"), "closed_frame");
    ends_the_link(defaults(), &[7, 0, 0, 0, 0, 0, 0, 0, 1, 0], "closed_frame");
}

#[test]
fn an_error_command_ends_the_link() {
    ends_the_link(defaults(), &command("ERROR", b"\x03400"), "closed_by_error");
    ends_the_link(defaults(), &command("ERROR", b"\x09400"), "closed_frame");
    ends_the_link(defaults(), &command("ERROR", b""), "closed_frame");
}

// ---- Frames ----

#[test]
fn reserved_flags_end_the_link() {
    for flags in [0x08, 0x10, 0x20, 0x40, 0x80, 0xf8, 0xff] {
        ends_the_link(defaults(), &[flags], "closed_frame");
    }
}

#[test]
fn sizes_beyond_all_memory_end_the_link_at_once() {
    for size in [(1u64 << 63) - 1, 1 << 63, u64::MAX, u64::MAX - 8, 1 << 40, (64 << 20) + 1] {
        for flags in [2, 3] {
            let bytes = [&[flags][..], &size.to_be_bytes()].concat();
            ends_the_link(defaults(), &bytes, "closed_too_large");
        }
    }
}

#[test]
fn a_frame_over_the_limit_ends_the_link_and_one_at_the_limit_passes() {
    let small = Config { frame_bytes_max: 1000, message_bytes_max: 10_000, ..defaults() };
    ends_the_link(small.clone(), &frame(1, &[0; 1001]), "closed_too_large");
    let live = Live::start(small);
    let mut raw = Raw::component(&live, "CA");
    raw.send(&wire::leco(b"CA", b"CA", 1, &[&[5; 1000]]));
    assert_eq!(raw.message().unwrap()[4], [5; 1000]);
    live.served();
}

#[test]
fn a_message_over_the_limit_ends_the_link_though_its_frames_are_small() {
    let small = Config { frame_bytes_max: 1000, message_bytes_max: 10_000, ..defaults() };
    ends_the_link(small, &frame(1, &[0; 900]).repeat(12), "closed_too_large");
}

#[test]
fn ten_thousand_frames_end_the_link_and_four_thousand_pass() {
    ends_the_link(defaults(), &frame(1, b"").repeat(10_000), "closed_too_large");
    let live = Live::plain();
    let mut raw = Raw::component(&live, "CA");
    let payload: Vec<&[u8]> = vec![b"x"; 4000];
    raw.send(&wire::leco(b"CA", b"CA", 1, &payload));
    assert_eq!(raw.message().unwrap().len(), 4004);
    live.served();
}

#[test]
fn a_long_header_may_carry_a_small_frame() {
    let live = Live::plain();
    let mut raw = Raw::component(&live, "CA");
    let head = wire::header(1, 0);
    let mut bytes = Vec::new();
    for (flags, body) in [(3u8, &b"\0"[..]), (3, b"CA"), (3, b"CA"), (3, &head), (2, b"hi")] {
        bytes.extend_from_slice(&[flags, 0, 0, 0, 0, 0, 0, 0, body.len() as u8]);
        bytes.extend_from_slice(body);
    }
    raw.send(&bytes);
    // Verbatim: the receiver sees the long headers, which its ZMTP accepts; our own reader is stricter.
    let mut seen = Vec::new();
    while seen.len() < bytes.len() {
        assert!(!raw.read.is_empty() || raw.read_some());
        seen.append(&mut raw.read);
    }
    assert_eq!(seen, bytes);
    live.served();
}

#[test]
fn an_empty_message_and_other_nonsense_frames_do_no_harm() {
    let live = is_harmless(&[message(&[b""]), message(&[b"hi"]), message(&[b"", b"", b"", b""])].concat());
    assert_eq!(live.count("messages_malformed"), 3);
}

// ---- Ends and silences ----

#[test]
fn half_a_message_and_then_silence_ends_the_link() {
    let impatient = Config { slow_ms: 300, stall_ms: 100, ..defaults() };
    let whole = wire::leco(b"CA", b"CA", 1, &[&[0; 5000]]);
    for n in [1, 2, 10, whole.len() - 1] {
        ends_the_link(impatient.clone(), &whole[..n], "closed_half_message");
    }
}

#[test]
fn an_end_in_the_middle_of_a_message_delivers_nothing() {
    let live = Live::plain();
    let mut b = Raw::component(&live, "CB");
    let whole = wire::leco(b"CB", b"CA", 1, &[b"payload", b"more"]);
    for cut in [1, 5, 20, whole.len() - 1] {
        let mut a = Raw::component(&live, "CA");
        a.send(&whole[..cut]);
        a.stream.shutdown(Shutdown::Write).unwrap();
        assert!(a.ends());
        drop(a);
        live.served();
    }
    let mut a = Raw::component(&live, "CA");
    a.send(&wire::leco(b"CB", b"CA", 2, &[b"whole"]));
    assert_eq!(b.message().unwrap()[4], b"whole", "the first thing that comes is the whole message");
    assert_eq!(live.count("messages_delivered"), 1);
}

#[test]
fn whole_messages_right_before_the_end_are_delivered() {
    let live = Live::plain();
    let mut b = Raw::component(&live, "CB");
    let mut a = Raw::component(&live, "CA");
    a.send(&wire::leco(b"CB", b"CA", 1, &[b"last words"]).repeat(100));
    drop(a);
    for _ in 0..100 {
        assert_eq!(b.message().unwrap()[4], b"last words");
    }
    live.served();
}

#[test]
fn a_reset_touches_nobody_else() {
    let live = Live::plain();
    for n in 0..50 {
        let raw = Raw::component(&live, &format!("CA{n}"));
        socket2::SockRef::from(&raw.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(raw);
    }
    live.wait_for("names_freed", 50);
    let counters = live.served();
    assert!(counters["components_now"].as_u64().unwrap() <= 2, "{counters}");
}

#[test]
fn the_handshake_deadline_is_absolute() {
    let live = Live::start(Config { handshake_s: 1, ..defaults() });
    let begun = Instant::now();
    let mut silent = Raw::connect(&live);
    let mut dripping = Raw::connect(&live);
    let mut greeted = Raw::connect(&live);
    greeted.send(&greeting(1));
    let bytes = opening(1);
    for byte in &bytes[..30] {
        if !dripping.send(&[*byte]) {
            break;
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    assert!(silent.ends() && dripping.ends() && greeted.ends());
    assert!(begun.elapsed() < Duration::from_secs(4), "dripping bytes do not put the end off");
    assert_eq!(live.count("closed_handshake_time"), 3);
}

#[test]
fn ten_thousand_half_open_handshakes_do_not_shut_anybody_out() {
    let live = Live::plain();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let files: usize = files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024);
    let count = 10_000.min(files.saturating_sub(3000));
    if count < 10_000 {
        eprintln!("only {count} half-open connections: the limit of open files is {files}");
    }
    let mut held = Vec::new();
    let mut slowest = Duration::ZERO;
    for n in 0..count {
        let mut stream = TcpStream::connect(live.address).unwrap();
        if n % 3 == 1 {
            std::io::Write::write_all(&mut stream, &greeting(1)[..10]).ok();
        } else if n % 3 == 2 {
            std::io::Write::write_all(&mut stream, &greeting(1)).ok();
        }
        held.push(stream);
        if n % 1000 == 999 {
            let begun = Instant::now();
            live.served();
            slowest = slowest.max(begun.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(2), "a good client waited for {slowest:?}");
    let counters = live.served();
    let now = |key: &str| counters[key].as_u64().unwrap();
    assert!(now("connections_now") <= 1100, "{counters}");
    assert!(now("ring_bytes_now") + now("partial_bytes_now") < 2 << 20, "{counters}");
    assert!(now("closed_handshake_time") as usize >= count - 1100, "{counters}");
}

#[test]
fn connections_beyond_the_limit_are_refused_and_the_others_go_on() {
    let live = Live::start(Config { connections_max: 10, ..defaults() });
    let mut good = Raw::component(&live, "CA");
    let held: Vec<Raw> = (0..9).map(|n| Raw::component(&live, &format!("C{n}"))).collect();
    let mut beyond: Vec<Raw> = (0..20).map(|_| Raw::dealer(&live)).collect();
    assert!(good.call("CA", "pong").is_null());
    for raw in &mut beyond {
        assert!(raw.ends(), "refused after a moment");
    }
    let counters = good.call("CA", "send_counters");
    assert_eq!(counters["connections_refused"], 20);
    drop(held);
    std::thread::sleep(Duration::from_millis(100));
    live.served();
}

#[test]
fn a_silent_peer_of_3_1_gets_pings_and_one_of_3_0_none() {
    let mut world = World::new(Config { heartbeat_s: 10, ..config(1) });
    let new = world.dealer_of(0, 1);
    let old = world.dealer_of(0, 0);
    world.wait(16_000);
    let pings = world.commands(new);
    assert!(!pings.is_empty() && pings.iter().all(|body| body == b"\x04PING\0\0"), "{pings:?}");
    assert_eq!(world.count("pings_sent"), pings.len() as u64);
    assert!(world.commands(old).is_empty());
    // An answer keeps the link; silence ends it.
    for _ in 0..10 {
        world.wait(10_000);
        world.feed(new, &command("PONG", b""));
    }
    assert_eq!(world.clients[new].closed, None);
    world.wait(60_000);
    assert_eq!(world.clients[new].closed, Some(Cause::Silent));
    assert_eq!(world.clients[old].closed, None, "nothing can be asked of it");
    world.commands(new);
    assert!(world.commands(old).is_empty());
}

#[test]
fn heartbeats_can_be_turned_off() {
    let mut world = World::new(Config { heartbeat_s: 0, ..config(1) });
    let new = world.dealer();
    world.wait(600_000);
    assert!(world.commands(new).is_empty() && world.clients[new].closed.is_none());
}

// ---- Noise ----

#[test]
fn random_bytes_end_nothing_but_their_own_link() {
    let live = Live::plain();
    let mut bystander = Raw::component(&live, "CA");
    for seed in 0..400u64 {
        let mut dice = Dice(seed);
        let mut bytes = match seed % 4 {
            0 => Vec::new(),
            1 => greeting(1),
            _ => opening(1),
        };
        let n = 1 + dice.below(600);
        let mut noise = dice.bytes(n);
        if seed % 4 == 3 {
            // Nearly legal: small flags and sizes, names that exist.
            for byte in &mut noise {
                *byte &= 7;
            }
            bytes.extend(wire::leco(b"COORDINATOR", b"CA", seed, &[&noise]));
        }
        bytes.extend(noise);
        let mut raw = Raw::connect(&live);
        raw.send(&bytes);
        raw.stream.shutdown(Shutdown::Write).ok();
        assert!(raw.ends(), "seed {seed}");
        if seed % 50 == 0 {
            assert!(bystander.call("CA", "pong").is_null(), "seed {seed}");
        }
    }
    let counters = live.served();
    assert!(counters["connections_now"].as_u64().unwrap() <= 3, "{counters}");
    assert_eq!(counters["partial_bytes_now"], 0, "nothing is left of them: {counters}");
}

#[test]
fn a_legal_conversation_with_flipped_bytes_ends_nothing_but_its_own_link() {
    let live = Live::plain();
    let sign_in = wire::leco(b"COORDINATOR", b"CX", 1, &[wire::request(1, "sign_in").as_bytes()]);
    let to_self = wire::leco(b"N1.CX", b"N1.CX", 2, &[b"{}", b"tail"]);
    let good = [opening(1), sign_in, to_self.clone(), command("PING", &[0, 0]), to_self].concat();
    for seed in 0..300u64 {
        let mut dice = Dice(seed ^ 0xf11b);
        let mut bytes = good.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            bytes[at] = dice.roll() as u8;
        }
        let mut raw = Raw::connect(&live);
        raw.send(&bytes);
        raw.stream.shutdown(Shutdown::Write).ok();
        assert!(raw.ends(), "seed {seed}");
    }
    let counters = live.served();
    assert!(counters["connections_now"].as_u64().unwrap() <= 2, "{counters}");
}
