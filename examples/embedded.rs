//! instep inside another program: a Coordinator in a thread of its own, which the program starts, uses and ends.
//!
//! cargo run --example embedded
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::thread;
use std::time::Duration;

use instep::client::{Client, Options};
use instep::config::Config;
use instep::net::Server;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    // Port 0 takes any free one. Without the two other listeners it is a Coordinator and nothing more.
    let config = Config {
        namespace: "LAB".into(),
        bind: vec!["127.0.0.1:0".into()],
        control_bind: vec!["off".into()],
        viewer_bind: vec!["off".into()],
        ..Config::default()
    };
    let mut server = Server::bind(config)?;
    let address = server.local_addresses().next().ok_or("nothing is listened on")?.to_string();
    let stopper = server.stopper();
    // The server comes back from its thread, to be looked at when it has ended.
    let thread = thread::spawn(move || server.run().map(|()| server));

    // The program is a Component of its own Coordinator; any other program could be one too.
    let mut client = Client::connect(&address, "program", Options::new())?;
    let names = client.ask("COORDINATOR", "send_local_components", &Value::Null, SOON)?;
    println!("{} hears of {names}", client.full_name());
    client.sign_out(SOON)?;

    stopper.stop();
    let server = thread.join().map_err(|_| "the server panicked")??;
    println!("the server has ended; sign-ins: {}", server.hub().counters().sign_ins);
    Ok(())
}
