//! Runs and logs on the terminal: `instep view` that opens and connects by itself, what `instep log` tells of each timestep, `ctl play`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::common::manager::{Controller, Directory, House, Seen};
use crate::common::program::{self, Said, run, until};
use crate::common::rcrs;
use instep::config::Config;
use instep::control::record::Property;
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::rcrs::entity::Change;
use instep::rcrs::message::{Action, ChangeSet, Command, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind as P, PropertySet};
use serde_json::{Value, json};

/// A run of three timesteps: one of two civilians is hurt, then dies; a building burns and goes out; a blockade comes and goes.
fn burning() -> Vec<Record> {
    let number = |id, kind, numbers: &[(P, i32)]| rcrs::entity(id, kind, numbers, &[]);
    let civilian = |id, hp, buried| number(id, EntityKind::Civilian, &[(P::Hp, hp), (P::Buriedness, buried)]);
    let fiery = |fiery| number(1, EntityKind::Building, &[(P::Fieryness, fiery)]);
    let blockade = || number(9, EntityKind::Blockade, &[(P::RepairCost, 5)]);
    let initial = vec![
        number(1, EntityKind::Building, &[(P::Fieryness, 0), (P::Floors, 3)]),
        number(2, EntityKind::Refuge, &[(P::BedCapacity, 20)]),
        civilian(3, 10_000, 0),
        civilian(4, 10_000, 30),
        number(5, EntityKind::FireBrigade, &[(P::Hp, 10_000)]),
    ];
    let steps = [
        (vec![fiery(2), civilian(4, 5000, 30), blockade()], vec![]),
        (vec![fiery(4), civilian(4, 0, 30)], vec![]),
        (vec![number(5, EntityKind::FireBrigade, &[(P::Hp, 0)])], vec![9]),
    ];
    let config = rcrs::config(&[("kernel.timesteps", "3"), ("kernel.agents.think-time", "500")]);
    let mut records = vec![Record::Start, Record::Initial(initial), Record::Config(config)];
    for (time, (changed, deleted)) in (1..).zip(steps) {
        let changed = changed.into_iter().map(|entity| Change { entity, undefined: PropertySet::EMPTY }).collect();
        let commands = vec![Command { agent: 5, time, action: Action::Say { message: b"help".to_vec() } }];
        records.push(Record::Commands { time, commands });
        records.push(Record::Updates { time, changes: ChangeSet { changed, deleted, skipped: 0 } });
    }
    records.push(Record::End);
    records
}

struct Node {
    server: program::Node,
    _folder: Directory,
}

impl Node {
    fn new() -> Self {
        let folder = Directory::new();
        folder.put("run.log", &rcrs::framed_log(&burning()));
        folder.put("cut.log", &rcrs::framed_log(&burning())[..150]);
        let path = folder.path().to_str().unwrap().to_owned();
        let config = Config { log_dir: vec![path.clone()], play_speed_percent: 1000, ..Config::default() };
        Self { server: program::Node::start("N1", config), _folder: folder }
    }

    fn view(&self, words: &[&str]) -> Said {
        let address = self.server.address.to_string();
        run(&[&["view", "-a", &address], words].concat())
    }
}

#[test]
fn a_log_is_opened_watched_to_its_end_and_closed() {
    let node = Node::new();
    let said = node.view(&["run.log"]);
    let lines: Vec<&str> = said.good().lines().collect();
    let line = |start: &str| *lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{said:?}"));
    assert!(line("    1  ").contains("commands 1 (Voice 1)"), "{said:?}");
    assert!(line("    1  ").contains("changed 2, created 1, deleted 0 (Blockade 1, Building 1, Civilian 1)"));
    assert!(line("    1  ").ends_with("; score 0.573"), "{said:?}");
    assert!(lines.last().unwrap().ends_with("the log has ended"), "{said:?}");
    until("it is closed", || node.server.json(&["providers"]) == json!([]));
    // As JSON, and no more of it than wanted.
    let said = node.view(&["--json", "--steps", "3", "run.log"]);
    let results: Vec<Value> = said.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let spoken = results.iter().filter_map(|result| result["record"]["commands"][0]["message"].as_str());
    assert!(spoken.eq(["help"; 3]), "{said:?}");
    assert!(results.iter().any(|result| result["record"]["score"] == 2.0), "{said:?}");
    assert_eq!(node.server.json(&["providers"]), json!([]));
    let said = node.view(&["--time", "2", "--world", "run.log"]);
    assert!(said.good().contains("    2  world 6 "), "{said:?}");
}

#[test]
fn what_was_opened_is_closed_too_when_the_viewer_is_interrupted() {
    let folder = Directory::new();
    folder.put("run.log", &rcrs::framed_log(&burning()));
    let path = folder.path().to_str().unwrap().to_owned();
    // So slowly that it does not end by itself.
    let config = Config { log_dir: vec![path], play_speed_percent: 1, ..Config::default() };
    let server = program::Node::start("N1", config);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let address = server.address.to_string();
        let mut child = program::program()
            .args(["view", "-a", &address, "run.log"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Its first line is there when the log is.
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(server.json(&["providers"])[0]["ids"], "run.log", "{line}");
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(server.json(&["providers"]), json!([]));
    }
}

#[test]
fn a_provider_that_is_open_is_watched_and_left_open() {
    let node = Node::new();
    node.server.ctl(&["open", "run.log"]).good();
    let said = node.view(&["--provider", "1"]);
    assert!(said.good().contains("    3  "), "{said:?}");
    assert_eq!(node.server.json(&["providers"])[0]["status"], "closed");
    let said = node.view(&["--provider", "1", "--world", "--steps", "1"]);
    assert!(said.good().contains("world 5 "), "what is over can be looked at: {said:?}");
}

#[test]
fn what_cannot_be_opened_is_told_and_ends_it() {
    let node = Node::new();
    let said = node.view(&["none.log"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("none.log"), "{said:?}");
    let said = node.view(&["--provider", "7"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("provider 7"), "{said:?}");
    let said = node.view(&["cut.log"]);
    assert_eq!(said.error(1), "the Manager refused: cut at 0: the log is cut short, what is whole has been played");
    assert_eq!(node.server.json(&["providers"]), json!([]), "nobody looks at what has failed here");
}

// ---- Logs ----

#[test]
fn the_scores_of_a_run_are_told_timestep_by_timestep() {
    let folder = Directory::new();
    folder.put("run.log", &rcrs::framed_log(&burning()));
    let path = folder.path().join("run.log").to_str().unwrap().to_owned();
    let said = run(&["log", "--scores", &path]);
    let table: Vec<Vec<&str>> = said.good().lines().map(|line| line.split_whitespace().collect()).collect();
    let head = table.iter().position(|row| row.get(1) == Some(&"SCORE")).unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!(table[head + 1], ["0", "2.000", "2", "0", "20000", "1", "0", "0", "0"]);
    assert_eq!(table[head + 2], ["1", "0.573", "2", "0", "15000", "1", "0", "1", "1"]);
    assert_eq!(table[head + 4], ["3", "0.082", "1", "1", "10000", "0", "1", "0", "0"]);
    let said = run(&["log", "--scores", "--json", &path]).json();
    assert_eq!((&said["steps"][1]["living"], &said["steps"][2]["dead"]), (&json!(2), &json!(1)));
    assert_eq!(run(&["log", "--json", &path]).json()["steps"][1].get("score"), None);
}

#[test]
fn an_entity_is_followed_over_all_timesteps_or_looked_at_in_one() {
    let folder = Directory::new();
    folder.put("run.log", &rcrs::framed_log(&burning()));
    let path = folder.path().join("run.log").to_str().unwrap().to_owned();
    let said = run(&["log", "-e", "4", "-e", "9", "--json", &path]).json();
    let hurt = json!([{"time": 0, "changed": {"type": "civilian", "hp": 10_000, "buriedness": 30}},
                      {"time": 1, "changed": {"hp": 5000}}, {"time": 2, "changed": {"hp": 0}}]);
    assert_eq!(said["history"]["4"], hurt);
    assert_eq!(said["history"]["9"][1], json!({"time": 3, "changed": {"type": null, "repaircost": null}}));
    assert_eq!(said["entities"]["4"]["hp"], 0);
    let said = run(&["log", "-e", "4", &path]);
    assert!(said.good().contains("\nentity 4\nTIME  CHANGED\n"), "{said:?}");
    let said = run(&["log", "-e", "4", "-e", "9", "--time", "1", "--json", "--scores", &path]).json();
    assert_eq!((&said["entities"]["4"]["hp"], &said["entities"]["9"]["repaircost"]), (&json!(5000), &json!(5)));
    assert_eq!((said["steps"].as_array().unwrap().len(), &said["steps"][0]["burning"]), (1, &json!(1)));
    let said = run(&["log", "--time", "7", &path]);
    assert_eq!(said.error(1), format!("{path}: has no timestep 7: it has 0 to 3"));
}

#[test]
fn logs_of_the_leagues_own_viewer_are_refused_in_words() {
    let folder = Directory::new();
    folder.put("run.jlog", b"{\"time\":0}\n");
    folder.put("run.jlog.zip", b"PK\x03\x04\x14\0\0\0");
    for name in ["run.jlog", "run.jlog.zip"] {
        let path = folder.path().join(name).to_str().unwrap().to_owned();
        let said = run(&["log", &path]);
        assert!(said.error(1).contains("the league's own viewer"), "{said:?}");
    }
}

// ---- Playing ----

#[test]
fn a_log_is_played_from_another_timestep_and_at_another_speed() {
    // A hundredth of its speed: nothing comes by itself while a test runs.
    let house = House::with(|config| config.play_speed_percent = 1);
    let config = rcrs::config(&[("kernel.timesteps", "30")]);
    let initial = vec![rcrs::entity(300, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0), (P::Hp, 10_000)], &[])];
    house.directory.put("run.log", &rcrs::binary_log(&rcrs::walk(initial, config, 300, 30)));
    let ctl = |words: &[&str]| run(&[&["ctl", "-a", &house.leco.to_string()], words].concat());
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut viewer = house.viewer();
    viewer.call(Bits::OPEN.0 | Bits::WORLD.0 | Bits::UPDATE.0, None);
    controller.connect(provider, controller_viewer(&mut house.controller()));
    let place = |seen: &Seen| seen.world()[0].properties.get(Property::X);
    let first = viewer.see();
    assert_eq!((first.time, place(&first)), (0, Some(0)));
    for time in [12, 5, 0, 7, 7] {
        let said = ctl(&["play", "1", "--seek", &time.to_string()]);
        assert_eq!(said.good(), format!("provider 1 is played from timestep {time}\n"));
        let seen = viewer.see();
        let x = i32::try_from(time).ok();
        assert_eq!(
            (seen.time, place(&seen), seen.section(Section::Changes)),
            (time, x, None),
            "nothing between is shown"
        );
    }
    assert_eq!(ctl(&["play", "1", "--speed", "1000", "--json"]).json()["providerinfo"][0]["time"], 7);
    assert_eq!(viewer.see().time, 8, "the next timestep comes at the new pace");
    ctl(&["play", "1", "--speed", "0.01"]).good();
    let said = ctl(&["play", "1", "--seek", "99"]);
    assert_eq!(said.good(), "provider 1 is played from timestep 99, or to its end where that comes first\n");
    let last = viewer.see_until(30).pop().unwrap();
    assert_eq!((place(&last), controller.wait_for_status(provider, "closed")["time"].clone()), (Some(30), json!(30)));
    assert_eq!(ctl(&["play", "1", "--seek", "31"]).error(1), "provider 1: the log ends before this timestep");
    ctl(&["play", "1", "--seek", "3"]).good();
    assert_eq!(viewer.see_until(3).pop().map(|seen| place(&seen)), Some(Some(3)));
    assert_eq!(controller.provider(provider)["status"], "online");
    for (words, wanted) in [
        (&["play", "1"][..], "play: --speed or --seek is wanted"),
        (&["play", "1", "--seek", "x"], "play: --seek 'x': the number of a timestep is wanted"),
        (&["play", "x", "--seek", "1"], "'x' is not an id, which is a whole number"),
    ] {
        assert_eq!(ctl(words).error(2), wanted);
    }
    assert!(ctl(&["play", "1", "--speed", "0"]).error(1).contains("speed a number from 0.01 to 1000"));
    assert_eq!(ctl(&["play", "8", "--seek", "1"]).error(1), "there is no provider 8");
}

/// The only viewer there is.
fn controller_viewer(controller: &mut Controller) -> i64 {
    controller.viewers()[0]
}
