//! What the simulation has found, told in a few steps each, so that it stays found.

use std::net::SocketAddr;

use instep::config::Config;
use instep::hub::{Hub, Output, PeerKey, Start};
use instep::time::Tick;

use crate::common::driver;
use crate::wire::{encode, header, opening};

const NOW: Tick = Tick(10);

fn hub(namespace: &str, change: impl FnOnce(&mut Config)) -> Hub {
    let mut config =
        Config { namespace: namespace.into(), host: "sim".into(), return_ms: 0, hint_s: 0, ..Config::default() };
    change(&mut config);
    config.check().expect("a legal configuration");
    Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 0 }).unwrap()
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

fn call(receiver: &str, sender: &str, text: &str) -> Vec<u8> {
    encode(&[vec![0], receiver.into(), sender.into(), header(1, 1), text.into()])
}

const SIGN_IN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"sign_in"}"#;

/// A component's connection behind its handshake.
fn connect(hub: &mut Hub) -> PeerKey {
    let key = hub.open(NOW, address()).expect("there is room");
    hub.handle_bytes(NOW, key, &opening(1));
    key
}

fn outputs(hub: &mut Hub) -> Vec<Output> {
    driver::wishes(hub, NOW)
}

/// Takes what waits for a peer.
fn take(hub: &mut Hub, key: PeerKey) -> Vec<u8> {
    driver::take(hub, NOW, key, usize::MAX)
}

#[test]
fn a_sender_without_namespace_does_not_cost_the_link_to_another_node() {
    let mut near = hub("N1", |config| config.coordinators = vec!["sim:9".into()]);
    let mut far = hub("N2", |_| {});
    near.handle_timeout(NOW);
    let dialled = outputs(&mut near).into_iter().find_map(|output| {
        let Output::Dial(node) = output else { return None };
        Some(node)
    });
    let dealer = near.handle_dialed(NOW, dialled.expect("it dials"), Ok(address())).expect("it wants the link");
    let router = far.open(NOW, address()).expect("there is room");
    let mut exchange = |near: &mut Hub| {
        for _ in 0..6 {
            far.handle_bytes(NOW, router, &take(near, dealer));
            near.handle_bytes(NOW, dealer, &take(&mut far, router));
            outputs(&mut far);
        }
    };
    exchange(&mut near);
    assert_eq!(near.counters().nodes_joined, 1);

    let component = connect(&mut near);
    near.handle_bytes(NOW, component, &call("COORDINATOR", "CA", SIGN_IN));
    near.handle_bytes(NOW, component, &call("N2.CB", "CA", r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#));
    exchange(&mut near);
    let closed = outputs(&mut near).into_iter().any(|output| matches!(output, Output::Close(..)));
    assert!(!closed, "CA is refused, but N2 has not forgotten N1");
    let heard = take(&mut near, component);
    assert!(heard.windows(6).any(|bytes| bytes == b"-32090"), "and the component is told");
}

#[test]
fn a_write_before_the_flush_is_taken_does_not_ask_for_a_second_one() {
    let mut hub = hub("N1", |_| {});
    let key = connect(&mut hub);
    // The socket became writable in the same turn, before the outputs were taken.
    hub.sent(NOW, key, 0);
    hub.handle_bytes(NOW, key, &call("COORDINATOR", "CA", SIGN_IN));
    assert_eq!(outputs(&mut hub), [Output::Flush(key)]);
    hub.sent(NOW, key, 0);
    hub.handle_bytes(NOW, key, b"\x04\x07\x04PING\x00\x00");
    assert_eq!(outputs(&mut hub), [Output::Flush(key)]);
}

#[test]
fn the_least_memory_takes_the_largest_message_in_pieces() {
    let (largest, least) = (64 << 10, 3 * (512 << 10));
    let mut hub = hub("N1", |config| {
        (config.message_bytes_max, config.frame_bytes_max, config.memory_max) = (largest, largest, least);
    });
    let mut too_little = Config { message_bytes_max: largest, frame_bytes_max: largest, ..Config::default() };
    too_little.memory_max = least - 1;
    assert_eq!(too_little.check().map_err(|invalid| invalid.key), Err("memory_max".to_owned()));

    let key = connect(&mut hub);
    hub.handle_bytes(NOW, key, &call("COORDINATOR", "CA", SIGN_IN));
    let bytes = encode(&[vec![0], b"CA".to_vec(), b"CA".to_vec(), header(2, 0), vec![7; largest - 100]]);
    for piece in bytes.chunks(1000) {
        assert!(hub.read_budget(key) > 0, "nobody else needs memory");
        hub.handle_bytes(NOW, key, piece);
    }
    assert_eq!(hub.counters().messages_delivered, 1);
}
