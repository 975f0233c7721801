//! What can only be looked at from inside of the loop.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::auth::hash_of;
use crate::config::{Access, Config, UserRule};
use crate::zmtp::greeting;

use super::{Server, Turn};

#[test]
fn a_password_does_not_stay_in_the_buffer_that_it_was_read_into() {
    let user = UserRule { name: "CA".to_owned(), token: vec![hash_of("another one")], ..UserRule::default() };
    let (bind, namespace) = (vec!["127.0.0.1:0".to_owned()], "N1".to_owned());
    let config = Config { auth: Access::All, users: vec![user], bind, namespace, ..Config::default() };
    let mut server = Server::bind(config).unwrap();
    let address = server.local_addresses().next().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let read = |server: &mut Server, bytes: u64| {
        while server.hub().counters().bytes_in < bytes {
            assert_eq!(server.turn(Some(Duration::from_millis(10))).unwrap(), Turn::Goes);
        }
        server.scratch.to_vec()
    };
    let greeting = greeting::ours("PLAIN", false);
    client.write_all(&greeting).unwrap();
    read(&mut server, 64);
    // In two parts.
    for part in [&b"\x04\x1b\x05HELLO\x02CA\x11a pass"[..], b"word, whole"] {
        client.write_all(part).unwrap();
        let bytes = server.hub().counters().bytes_in + part.len() as u64;
        let scratch = read(&mut server, bytes);
        assert!(!scratch.windows(4).any(|bytes| part.ends_with(bytes)), "it lies where it was read into");
    }
    // It has been a whole one, and is nobody's.
    while server.hub().counters().closed_stranger == 0 {
        assert_eq!(server.turn(Some(Duration::from_millis(10))).unwrap(), Turn::Goes);
    }
}
