//! Two Components: one measures for whoever asks it, the other asks it and is told of what it has asked for.
//!
//! cargo run --example component [-- HOST[:PORT]]: at that Coordinator, or at one of its own
#![expect(clippy::print_stdout, reason = "an example tells what it does")]
#![expect(clippy::indexing_slicing, reason = "JSON without the wanted name gives null")]

use std::error::Error;
use std::thread;
use std::time::Duration;

use instep::client::{Client, ErrorObject, Event, Options};
use instep::config::Config;
use instep::net::Server;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);
const METHOD_NOT_FOUND: i64 = -32601;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(address) = std::env::args().nth(1) else {
        let config = Config { namespace: "LAB".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
        let config = Config { control_bind: vec!["off".into()], viewer_bind: vec!["off".into()], ..config };
        let mut server = Server::bind(config)?;
        let address = server.local_addresses().next().ok_or("nothing is listened on")?.to_string();
        let stopper = server.stopper();
        let thread = thread::spawn(move || server.run());
        run(&address)?;
        stopper.stop();
        thread.join().map_err(|_| "the server panicked")??;
        return Ok(());
    };
    run(&address)
}

fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let thermometer = Client::connect(address, "thermometer", Options::new())?;
    let name = thermometer.full_name();
    let measuring = thread::spawn(move || measure(thermometer).map_err(|error| error.to_string()));

    let mut observer = Client::connect(address, "observer", Options::new())?;
    let unit = observer.ask(&name, "unit", &Value::Null, SOON)?;
    let refused = observer.ask(&name, "humidity", &Value::Null, SOON);
    println!("{name} measures in {unit}; asked for its humidity it says: {}", refused.err().ok_or("it has one")?);
    observer.ask(&name, "measure", &json!({"times": 3}), SOON)?;
    let mut readings = Vec::new();
    while readings.len() < 3 {
        // Notifications come beside the answers, in the order in which they were sent.
        if let Some(Event::Notification(call)) = observer.receive(SOON)? {
            readings.push(call.params["value"].clone());
        }
    }
    println!("{} was told {}", observer.full_name(), Value::from(readings));
    observer.notify(&name, "end", &Value::Null)?;
    observer.sign_out(SOON)?;
    measuring.join().map_err(|_| "the thermometer panicked")??;
    Ok(())
}

/// Answers until it is told to end.
fn measure(mut client: Client) -> Result<(), Box<dyn Error>> {
    loop {
        match client.receive(SOON)? {
            Some(Event::Request(call, reply)) => match call.method.as_str() {
                "unit" => client.answer(reply, Ok(&json!("K")))?,
                "measure" => {
                    client.answer(reply, Ok(&Value::Null))?;
                    for n in 0..call.params["times"].as_u64().unwrap_or(1) {
                        client.notify(&call.sender, "reading", &json!({"value": 293 + n}))?;
                    }
                }
                _ => client.answer(reply, Err(&ErrorObject::new(METHOD_NOT_FOUND, "a thermometer cannot do this")))?,
            },
            Some(Event::Notification(call)) if call.method == "end" => break,
            Some(Event::Ended { .. }) | None => return Err("nobody asks any more".into()),
            Some(_) => {}
        }
    }
    client.sign_out(SOON)?;
    Ok(())
}
