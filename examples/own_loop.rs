//! instep inside another program's event loop: one thread, one wait for the server and for everything else.
//!
//! The program here has a socket of its own: whoever connects to it is told how many Components there are.
//!
//! cargo run --example own_loop
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::Duration;

use instep::client::{Client, Options};
use instep::config::Config;
use instep::net::{Server, Turn};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

const SERVER: Token = Token(0);
const STATUS: Token = Token(1);

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config { namespace: "LAB".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
    let config = Config { control_bind: vec!["off".into()], viewer_bind: vec!["off".into()], ..config };
    let mut server = Server::bind(config)?;
    let address = server.local_addresses().next().ok_or("nothing is listened on")?;
    let stopper = server.stopper();

    // The server's own poll is one source among ours: readable when a turn is due.
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&server.as_raw_fd()), SERVER, Interest::READABLE)?;
    let mut status = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry().register(&mut status, STATUS, Interest::READABLE)?;

    let status_address = status.local_addr()?;
    let visitor = thread::spawn(move || visit(address, status_address).map_err(|error| error.to_string()));

    let mut events = Events::with_capacity(16);
    let mut visitors = 0;
    loop {
        // Not longer than the server may sleep; a program with deadlines of its own would take the sooner.
        match poll.poll(&mut events, server.next_wake_up()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            waited => waited?,
        }
        // A turn without waiting is cheap, and bounded: whoever else has events is not kept from them.
        if server.turn(Some(Duration::ZERO))? == Turn::Ended {
            break;
        }
        if events.iter().any(|event| event.token() == STATUS) {
            // Until there is none left: events tell of changes only.
            while let Ok((mut stream, _)) = status.accept() {
                visitors += 1;
                let signed_in = server.hub().counters().sign_ins - server.hub().counters().sign_outs;
                stream.write_all(format!("{signed_in} signed in\n").as_bytes())?;
                stopper.stop();
            }
        }
    }
    let heard = visitor.join().map_err(|_| "the visitor panicked")??;
    println!("{visitors} visitor heard: {}", heard.trim_end());
    Ok(())
}

/// Somebody elsewhere: signs in at the server, then asks the program.
fn visit(server: SocketAddr, status: SocketAddr) -> Result<String, Box<dyn Error>> {
    let client = Client::connect(&server.to_string(), "visitor", Options::new())?;
    let mut heard = String::new();
    TcpStream::connect(status)?.read_to_string(&mut heard)?;
    drop(client);
    Ok(heard)
}
