//! A program that embeds instep and is its provider too: it simulates four buses round a block, and whoever looks at a session of it sees them go.
//!
//! cargo run --example provider [TIMESTEPS]
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::thread;
use std::time::Duration;

use instep::config::Config;
use instep::net::{FeedError, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);
const BUSES: core::ops::Range<i32> = 101..105;

fn main() -> Result<(), Box<dyn Error>> {
    let steps = std::env::args().nth(1).map_or(Ok(5), |word| word.parse())?;
    let config = Config { namespace: "BUSES".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
    let config = Config { control_bind: vec!["off".into()], viewer_bind: vec!["127.0.0.1:0".into()], ..config };
    let mut server = Server::bind(config)?;
    // The feed is asked for here, and may go to whichever thread simulates.
    let feed = server.provider("buses round a block")?;
    let stopper = server.stopper();
    let thread = thread::spawn(move || server.run().map(|()| server));

    // A record with a world begins a run; each other one is a timestep.
    let roads = [
        (1, 0, 0, 100_000, 10_000),
        (2, 90_000, 10_000, 10_000, 80_000),
        (3, 0, 90_000, 100_000, 10_000),
        (4, 0, 10_000, 10_000, 80_000),
    ]
    .map(road);
    let world = [1, 2, 3, 4].map(|id| json!({"id": id, "type": "Road"})).into_iter().chain(BUSES.map(|id| bus(id, 0)));
    let map = json!({"x": 0, "y": 0, "width": 100_000, "height": 100_000, "entities": roads});
    feed.push(&json!({"map": map, "world": world.collect::<Vec<_>>()}))?;
    for step in 1..=steps {
        let changes = json!({"changes": BUSES.map(|id| bus(id, step)).collect::<Vec<_>>()});
        // A simulator that is faster than the server waits for it.
        while feed.push(&changes) == Err(FeedError::Full) {
            feed.wait(SOON)?;
        }
    }
    feed.end_run();
    let fed = feed.wait(SOON)?;
    println!("provider {} has shown {} records, the last is timestep {:?}", feed.id(), fed.taken, fed.time);

    stopper.stop();
    thread.join().map_err(|_| "the server panicked")??;
    println!(
        "afterwards: {}",
        feed.push(&json!({"changes": []})).map_or_else(|error| error.to_string(), |()| "?".into())
    );
    Ok(())
}

/// A rectangle, in millimetres.
fn road((id, x, y, width, height): (i32, i32, i32, i32, i32)) -> Value {
    let [a, b, c, d] =
        [(x, y), (x + width, y), (x + width, y + height), (x, y + height)].map(|(x, y)| json!({"x": x, "y": y}));
    let edges = [(&a, &b), (&b, &c), (&c, &d), (&d, &a)];
    let edges = edges.map(|(start, end)| json!({"start": start, "end": end, "adjacent": null}));
    json!({"id": id, "type": "Road", "x": x + width / 2, "y": y + height / 2, "edges": edges, "neighbours": []})
}

/// Where a bus is: on its way round the block, a metre a timestep.
fn bus(id: i32, step: i32) -> Value {
    let way = (step * 1000 + id * 100_000) % 400_000;
    let (x, y) = match (way / 100_000, way % 100_000) {
        (0, on) => (on, 5_000),
        (1, on) => (95_000, on),
        (2, on) => (100_000 - on, 95_000),
        (_, on) => (5_000, 100_000 - on),
    };
    json!({"id": id, "type": "TacticsAmbulance", "x": x, "y": y, "hp": 10_000})
}
