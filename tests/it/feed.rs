//! Feeds: a program that is no kernel pushes its timesteps, and they are shown, asked for later and recorded like any others.

use std::fs;
use std::time::Duration;

use crate::common::manager::{Directory, House, PATIENCE, wait_until};
use crate::common::program::run;
use instep::config::Config;
use instep::control::record::Property;
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::net::{Feed, FeedError, Server};
use serde_json::{Value, json};

const ALL: u32 = Bits::OPEN.0 | Bits::MAP.0 | Bits::WORLD.0 | Bits::UPDATE.0;

struct Feeder {
    house: House,
}

impl Feeder {
    fn call(&self, method: &str, params: &Value) -> Result<Value, String> {
        let address = self.house.leco.to_string();
        let said = run(&["ctl", "-a", &address, "--json", "call", "COORDINATOR", method, &params.to_string()]);
        if said.code == 0 { Ok(said.json()) } else { Err(format!("{}{}", said.out, said.err)) }
    }

    fn push(&self, record: &Value) -> Result<Value, String> {
        self.call("push_timestep", &json!({"provider": 1, "record": record}))
    }

    fn refused(&self, params: &Value, why: &str) {
        let said = self.call("push_timestep", params).unwrap_err();
        assert!(said.contains(why), "{params}: {said}");
    }
}

/// Two crossings and a bus.
fn begin() -> Value {
    let area = |id: i32, x: i32| {
        let corner = |x: i32, y: i32| json!({"x": x, "y": y});
        let edge = |from: Value, to: Value| json!({"start": from, "end": to, "adjacent": null});
        let edges = [
            edge(corner(x, 0), corner(x + 9, 0)),
            edge(corner(x + 9, 0), corner(x, 9)),
            edge(corner(x, 9), corner(x, 0)),
        ];
        json!({"id": id, "type": "Road", "x": x, "y": 0, "edges": edges, "neighbours": []})
    };
    json!({
        "time": 0,
        "map": {"x": 0.0, "y": 0.0, "width": 30.0, "height": 9.0, "entities": [area(1, 0), area(2, 20)]},
        "world": [{"id": 1, "type": "Road"}, {"id": 2, "type": "Road"}, {"id": 7, "type": "Civilian", "x": 3, "y": 1, "hp": 10_000}],
    })
}

fn step(x: i32) -> Value {
    json!({"changes": [{"id": 7, "x": x}]})
}

#[test]
fn what_a_program_pushes_is_seen_asked_for_and_recorded() {
    let recordings = Directory::new();
    let path = recordings.path().to_str().unwrap().to_owned();
    let house = House::with(|config| config.record.clone_from(&path));
    let feeder = Feeder { house };
    let opened = feeder.call("open_feed", &json!({"name": "traffic"})).unwrap();
    assert_eq!((&opened["provider"], &opened["providerinfo"][0]["type"]), (&json!(1), &json!("FEED")));
    assert!(feeder.push(&step(4)).unwrap_err().contains("a run begins with a record that has a world"));
    let mut viewer = feeder.house.viewer();
    viewer.call(ALL, None);
    let mut controller = feeder.house.controller();
    let id = controller.viewers()[0];
    controller.connect(1, id);
    assert_eq!(feeder.push(&begin()), Ok(json!({"time": 0, "viewers": 1})));
    let place = |world: &[instep::control::record::Entity<'_>]| {
        world.iter().find(|entity| entity.id == 7).and_then(|entity| entity.properties.get(Property::X))
    };
    let mut seen = viewer.see();
    while seen.section(Section::World).is_none() {
        seen = viewer.see();
    }
    assert_eq!((seen.time, place(&seen.world())), (0, Some(3)));
    assert!(seen.section(Section::Map).is_some());
    // Timesteps count on by themselves, or say where they are.
    assert_eq!(feeder.push(&step(4)), Ok(json!({"time": 1, "viewers": 1})));
    let mut far = step(9);
    far["time"] = json!(5);
    assert_eq!(feeder.push(&far), Ok(json!({"time": 5, "viewers": 1})));
    for (time, x) in [(1, 4), (5, 9)] {
        let seen = viewer.see();
        assert_eq!((seen.time, place(&seen.changes()), place(&seen.world())), (time, Some(x), Some(x)));
    }
    viewer.ask(Bits::WORLD.0, Some(1));
    let past = viewer.see();
    assert_eq!((past.time, place(&past.world())), (1, Some(4)));
    // Whoever comes later sees it as it is.
    let mut late = feeder.house.page();
    late.call(ALL, None);
    let late_id = controller.viewers().into_iter().find(|other| *other != id).unwrap();
    controller.connect(1, late_id);
    let mut seen = late.see();
    while seen.section(Section::World).is_none() {
        seen = late.see();
    }
    assert_eq!((seen.time, place(&seen.world())), (5, Some(9)));

    let last = json!({"provider": 1, "record": step(12), "last": true});
    assert_eq!(feeder.call("push_timestep", &last), Ok(json!({"time": 6, "viewers": 2})));
    assert_eq!(controller.provider(1)["status"], "closed");
    wait_until("it is recorded", || {
        let files = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "vlog")).any(|file| {
            let said = run(&["log", "--json", "-e", "7", file.to_str().unwrap()]);
            said.code == 0 && said.json()["history"]["7"].as_array().is_some_and(|steps| steps.len() == 4)
        })
    });
    // The next run has another world, and begins anew.
    assert!(feeder.push(&step(1)).unwrap_err().contains("a run begins"));
    assert_eq!(feeder.push(&begin()).map(|said| said["time"].clone()), Ok(json!(0)));
    assert_eq!(controller.provider(1)["status"], "online");
}

#[test]
fn what_is_no_timestep_changes_nothing() {
    let house = House::with(|config| config.providers_max = 2);
    let feeder = Feeder { house };
    for name in ["", &"x".repeat(256), "a\u{7}b"] {
        assert!(feeder.call("open_feed", &json!({"name": name})).unwrap_err().contains("the name of a feed"), "{name}");
    }
    feeder.call("open_feed", &json!({"name": "traffic"})).unwrap();
    feeder.push(&begin()).unwrap();
    let mut controller = feeder.house.controller();
    wait_until("its world is ready", || feeder.push(&step(4)).is_ok());
    for (params, why) in [
        (json!({"provider": 1, "record": [1]}), "record an object"),
        (json!({"provider": 1, "record": "~"}), "record an object"),
        (json!({"provider": 1, "record": "gA=="}), ""),
        (json!({"provider": 1, "record": {"changes": [{"x": 3}]}}), "changes: field id is missing"),
        (json!({"provider": 1, "record": {"changes": {"id": 1}}}), "changes"),
        (json!({"provider": 1, "record": {"perceptions": []}}), "perceptions are not taken"),
        (json!({"provider": 1, "record": step(1), "time": 0}), "comes behind"),
        (json!({"provider": 1, "record": step(1), "time": -1}), "time"),
        (json!({"provider": 9, "record": step(1)}), "there is no provider 9"),
        (json!({"provider": "x", "record": step(1)}), "provider is an id"),
    ] {
        if why.is_empty() {
            // A record in which there is nothing is a timestep in which nothing happens.
            assert!(feeder.call("push_timestep", &params).is_ok());
        } else {
            feeder.refused(&params, why);
        }
    }
    assert_eq!(controller.provider(1)["status"], "online");
    assert!(run(&["ctl", "-a", &feeder.house.leco.to_string(), "play", "1", "--speed", "2"]).code == 1);
    feeder.call("open_feed", &json!({"name": "second"})).unwrap();
    assert!(feeder.call("open_feed", &json!({"name": "third"})).unwrap_err().contains("providers_max"));
}

/// Worlds may have 2 MiB.
fn with_little_memory(config: &mut Config) {
    config.memory_max = 8 << 20;
    (config.frame_bytes_max, config.message_bytes_max) = (1 << 20, 1 << 20);
}

#[test]
fn a_timestep_for_which_there_is_no_memory_is_not_said_to_be_shown() {
    let house = House::with(with_little_memory);
    let feeder = Feeder { house };
    feeder.call("open_feed", &json!({"name": "traffic"})).unwrap();
    feeder.push(&begin()).unwrap();
    wait_until("its world is ready", || feeder.push(&step(4)).is_ok());
    let mut controller = feeder.house.controller();
    let apexes = vec![json!({"x": 1, "y": 2}); 40];
    let more = |from: i32| {
        let blockade = |id: i32| json!({"id": id, "type": "Blockade", "apexes": apexes});
        json!({"changes": (from..from + 60).map(blockade).collect::<Vec<_>>()})
    };
    let refusal = (0..150).map(|n| feeder.push(&more(100 * (n + 1)))).find_map(|said| {
        let status = controller.provider(1)["status"].clone();
        assert_eq!(status, if said.is_ok() { "online" } else { "errored" }, "{said:?}");
        said.err()
    });
    assert!(refusal.is_some_and(|why| why.contains("provider 1 has ended: no memory is left")), "it has an end");
}

#[test]
fn a_run_for_whose_world_there_is_no_memory_is_not_said_to_have_begun() {
    let (house, feed) = House::before(with_little_memory, own);
    let mut record = begin();
    record["world"] = (1..=16_000).map(|id| json!({"id": id, "type": "Civilian"})).collect();
    feed.push(&record).unwrap();
    let Err(FeedError::Refused(said)) = feed.wait(PATIENCE) else { panic!("it has begun") };
    assert!(said.contains("provider 1 has ended: no memory is left"), "{said}");
    assert_eq!((feed.fed().taken, feed.fed().refused), (0, 1));
    house.stop();
}

#[test]
fn the_world_of_a_feed_has_an_end_by_entities_and_by_what_is_in_their_lists() {
    let (house, feed) = House::before(|_| (), own);
    let taken = |record: &Value| {
        feed.push(record).unwrap();
        feed.wait(PATIENCE).map(drop)
    };
    let refused = |record: Value, why: &str| match taken(&record) {
        Err(FeedError::Refused(said)) => assert!(said.contains(why), "{said}"),
        other => panic!("{why}: {other:?}"),
    };
    let people = |ids: core::ops::RangeInclusive<i32>| -> Value { ids.map(|id| json!({"id": id})).collect() };
    // A run that could not go on does not begin.
    let why = "the world of a feed has at most 16384 entities";
    refused(json!({"world": people(1..=10_000), "changes": people(10_001..=16_385)}), why);
    taken(&json!({"world": people(1..=10_000), "changes": people(9_000..=16_384)})).unwrap();
    refused(json!({"changes": people(20_000..=20_000)}), why);

    let line = vec![7; 60_000];
    let lists = |ids: core::ops::Range<i32>| -> Value { ids.map(|id| json!({"id": id, "blockades": line})).collect() };
    taken(&json!({"world": lists(1..31)})).unwrap();
    refused(json!({"changes": lists(31..36)}), "the lists in the world of a feed have at most 2097152 values");
    wait_until("its world is ready", || taken(&json!({"changes": lists(31..33)})).is_ok());
    refused(json!({"changes": lists(33..36)}), "the lists in the world of a feed");
    let held = house.stop().hub().data_in_use();
    assert!(held > 4 * 32 * 60_000, "what is in lists is counted: {held}");
}

/// A feed of the program that the server runs in.
fn own(server: &mut Server) -> Feed {
    server.provider("traffic").unwrap()
}

#[test]
fn the_program_around_feeds_its_own_provider() {
    let recordings = Directory::new();
    let path = recordings.path().to_str().unwrap().to_owned();
    let (house, feed) = House::before(|config| config.record.clone_from(&path), own);
    let mut controller = house.controller();
    let row = controller.provider(1);
    assert_eq!((&row["type"], &row["ids"], feed.id()), (&json!("FEED"), &json!("traffic"), 1));
    let mut viewer = house.viewer();
    viewer.call(ALL, None);
    let id = controller.viewers()[0];
    controller.connect(1, id);
    // All at once: what cannot be taken while the world is made ready waits.
    feed.push(&begin()).unwrap();
    for x in 4..50 {
        feed.push(&step(x)).unwrap();
    }
    let fed = feed.wait(PATIENCE).unwrap();
    assert_eq!((fed.taken, fed.refused, fed.waiting, fed.time, fed.viewers), (47, 0, 0, Some(46), 1));
    let mut seen = viewer.see();
    while seen.time < 46 {
        seen = viewer.see();
    }
    assert!(seen.world().iter().any(|entity| entity.id == 7 && entity.properties.get(Property::X) == Some(49)));
    // From MsgPack, as a recording has it.
    let mut bytes = Vec::new();
    instep::control::json::write(&mut bytes, &step(60));
    feed.push_packed(bytes).unwrap();
    feed.end_run();
    assert_eq!(feed.wait(PATIENCE).unwrap().time, Some(47));
    assert_eq!(controller.provider(1)["status"], "closed");
    wait_until("it is recorded", || {
        let files = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "vlog")).any(|file| {
            let said = run(&["log", "--json", "-e", "7", file.to_str().unwrap()]);
            said.code == 0 && said.json()["history"]["7"].as_array().is_some_and(|steps| steps.len() == 48)
        })
    });
    // Closed, it is gone.
    feed.close();
    wait_until("it is closed", || {
        let said = run(&["ctl", "-a", &house.leco.to_string(), "--json", "providers"]);
        said.code == 0 && said.json() == json!([])
    });
    house.stop();
}

#[test]
fn what_cannot_be_taken_from_the_program_around_is_said_or_counted() {
    let (house, (feed, other)) = House::before(|_| {}, |server| (own(server), server.provider("more").unwrap()));
    for (record, why) in [
        (json!([1]), "a record is an object"),
        (json!({"perceptions": []}), "perceptions are not taken"),
        (json!({"changes": [{"x": 3}]}), "changes: field id is missing"),
        (json!({"comment": "x".repeat(3 << 20)}), "at most 2 MiB"),
    ] {
        let Err(FeedError::Refused(said)) = feed.push(&record) else { panic!("{why}") };
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(feed.fed().waiting, 0);
    // What only the server can know comes later, and is counted.
    feed.push(&step(3)).unwrap();
    let Err(FeedError::Refused(said)) = feed.wait(PATIENCE) else { panic!("no run has begun") };
    assert!(said.contains("a run begins"), "{said}");
    assert_eq!((feed.fed().refused, feed.wait(PATIENCE).map(|fed| fed.taken)), (1, Ok(0)));
    // Another's hand closes it.
    let mut controller = house.controller();
    assert!(run(&["ctl", "-a", &house.leco.to_string(), "close", "1"]).code == 0);
    let said = feed.push(&begin()).and_then(|()| feed.wait(PATIENCE).map(drop));
    assert_eq!(said, Err(FeedError::Ended("provider 1 was closed".to_owned())));
    assert_eq!(feed.push(&begin()), Err(FeedError::Ended("provider 1 was closed".to_owned())));
    // Let go of, its last world stays to be looked at; and one that outlives the server is told.
    other.push(&begin()).unwrap();
    drop(other);
    wait_until("its run has ended", || controller.provider(2)["status"] == "closed");
    house.stop();
}

#[test]
fn as_much_waits_for_the_server_as_may() {
    let directory = Directory::new();
    let config = Config {
        namespace: "N1".into(),
        bind: vec!["127.0.0.1:0".into()],
        control_bind: vec!["off".into()],
        viewer_bind: vec!["off".into()],
        log_dir: vec![directory.path().display().to_string()],
        providers_max: 2,
        ..Config::default()
    };
    let mut server = Server::bind(config).unwrap();
    assert!(server.provider("").unwrap_err().to_string().contains("the name of a feed"));
    let (few, large) = (own(&mut server), own(&mut server));
    assert!(server.provider("third").unwrap_err().to_string().contains("providers_max"));
    few.push(&begin()).unwrap();
    let pushed = (0..1000).take_while(|n| few.push(&step(*n)).is_ok()).count();
    assert_eq!((pushed, few.push(&step(1))), (255, Err(FeedError::Full)));
    let long = json!({"world": [], "comment": "x".repeat(1 << 20)});
    assert_eq!((0..1000).take_while(|_| large.push(&long).is_ok()).count(), 7, "with what stands around them");
    assert_eq!(few.wait(Duration::ZERO), Err(FeedError::Late));
    // In a loop of one's own.
    while few.fed().waiting + large.fed().waiting > 0 {
        assert_eq!(server.turn(Some(Duration::from_millis(10))).unwrap(), instep::net::Turn::Goes);
    }
    assert_eq!((few.fed().taken, few.fed().time, large.fed().taken), (256, Some(255), 7));
    few.push(&step(1)).unwrap();
    server.hub().check_invariants().unwrap();
    drop(server);
    assert_eq!((few.fed().refused, few.fed().waiting), (1, 0));
    assert_eq!(few.push(&step(1)), Err(FeedError::Ended("the server has ended".to_owned())));
}
