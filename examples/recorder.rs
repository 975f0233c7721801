//! A recorder: joins a session, hears every event of it, and writes each on a line of a file, with the document it is about.
//!
//! cargo run --example recorder -- FILE [HOST[:PORT] [SESSION]]
//!
//! Without an address it has a Coordinator and a session of its own, and somebody who drives it from start to end.
#![expect(clippy::print_stdout, reason = "an example tells what it does")]
#![expect(clippy::indexing_slicing, reason = "JSON without the wanted name gives null")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::thread;
use std::time::Duration;

use instep::client::{Client, Event, Options};
use instep::config::Config;
use instep::net::Server;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);
/// A session that says nothing for so long is looked at no longer.
const PATIENCE: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let file = words.next().ok_or("usage: recorder FILE [HOST[:PORT] [SESSION]]")?;
    let (address, session) = (words.next(), words.next().unwrap_or_else(|| "default".to_owned()));
    let out = BufWriter::new(File::create(&file)?);
    let Some(address) = address else {
        let config = Config { namespace: "LAB".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
        let config = Config { control_bind: vec!["off".into()], viewer_bind: vec!["off".into()], ..config };
        let mut server = Server::bind(config)?;
        let address = server.local_addresses().next().ok_or("nothing is listened on")?.to_string();
        let stopper = server.stopper();
        let thread = thread::spawn(move || server.run());
        let recorder = join(&address, &session)?;
        let driven = thread::spawn(move || drive(&address).map_err(|error| error.to_string()));
        let count = record(recorder, &session, out)?;
        driven.join().map_err(|_| "the driver panicked")??;
        println!("{count} events in {file}");
        stopper.stop();
        thread.join().map_err(|_| "the server panicked")??;
        return Ok(());
    };
    let count = record(join(&address, &session)?, &session, out)?;
    println!("{count} events in {file}");
    Ok(())
}

/// A member of the session, which is told of all that happens from here on.
fn join(address: &str, session: &str) -> Result<Client, Box<dyn Error>> {
    let mut client = Client::connect(address, "recorder", Options::new())?;
    let joined = client.ask(&format!("session:{session}"), "join", &json!({"format": "json"}), SOON)?;
    println!("{session} is {}", joined["state"]);
    Ok(client)
}

/// Writes events until the session is reset; how many.
fn record(mut client: Client, session: &str, mut out: impl Write) -> Result<u32, Box<dyn Error>> {
    let mut count = 0;
    loop {
        match client.receive(PATIENCE)? {
            Some(Event::Notification(call)) if call.method == "session_event" => {
                let documents: Vec<_> = call.attached.iter().map(|frame| String::from_utf8_lossy(frame)).collect();
                writeln!(out, "{}", json!({"event": call.params, "documents": documents}))?;
                count += 1;
                if call.params["trigger"] == "RESET_SCENARIO" {
                    break;
                }
            }
            // The client comes back by itself, but has missed something: a recording with a hole in it is none.
            Some(Event::Lost { loss, .. } | Event::Ended { loss, .. }) => return Err(format!("{loss:?}").into()),
            Some(_) => {}
            None => return Err("nothing happens any more".into()),
        }
    }
    out.flush()?;
    client.ask(&format!("session:{session}"), "resign", &Value::Null, SOON)?;
    client.sign_out(SOON)?;
    Ok(count)
}

/// A member that takes the session through its states.
fn drive(address: &str) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect(address, "driver", Options::new())?;
    let session = "session:default";
    client.ask(session, "join", &json!({"system": "driver"}), SOON)?;
    for trigger in ["submit_initialization", "initialization_complete", "reset_scenario"] {
        let done = client.ask(session, trigger, &Value::Null, SOON)?;
        println!("{trigger}: {}", done["state"]);
    }
    client.sign_out(SOON)?;
    Ok(())
}
