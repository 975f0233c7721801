//! The clock on the wall is set, forward and back, while things are going on: what was ordered for a moment comes at that moment, what
//! takes a while takes as long as it does.

use std::collections::VecDeque;

use crate::common::member::Member;
use crate::common::rcrs;
use crate::common::wire;
use crate::common::world::{World, config};
use instep::config::Config;
use instep::control::client::encode_viewer;
use instep::control::section;
use instep::control::viewer::Bits;
use instep::control::vlog;
use instep::hub::Door;
use instep::hub::shelf::{Advance, Content, FileId, Shelf};
use instep::rcrs::log::Ending;
use instep::rcrs::urn::{EntityKind, PropertyKind};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A world whose first hub looks at a clock that may be wrong.
struct Wall {
    world: World,
    ahead_ms: i64,
}

impl Wall {
    fn new(config: Config) -> Self {
        Self { world: World::new(config), ahead_ms: 0 }
    }

    fn time(&self) -> u64 {
        let passed = 1_700_000_000_000 + self.world.now.0 - 1000;
        passed.checked_add_signed(self.ahead_ms).unwrap()
    }

    /// Somebody sets the clock.
    fn step(&mut self, ms: i64) {
        self.ahead_ms += ms;
        let (now, time) = (self.world.now, self.time());
        self.world.hubs[0].handle_clock(now, time);
        self.world.pump();
    }

    fn wait(&mut self, ms: u64) {
        self.world.wait(ms);
    }
}

#[test]
fn a_pause_of_the_process_is_nobodys_silence() {
    let mut world = World::new(Config { expiration_s: 5, heartbeat_s: 5, ..config(1) });
    let quiet = world.component("CA");
    world.now.0 += 60_000;
    world.pump();
    assert_eq!((world.count("pauses"), world.count("names_expired"), world.count("closed_silent")), (1, 0, 0));
    world.send(quiet, "COORDINATOR", "N1.CA", &[wire::request(1, "pong").as_bytes()]);
    let heard = world.hear(quiet);
    assert_eq!(wire::json(heard.last().unwrap())["result"], Value::Null, "it is who it was");
}

/// The state of the session, as a member is told.
fn state(wall: &mut Wall, member: &mut Member) -> Value {
    member.ask(&mut wall.world, "N1.session:default", "info", &Value::Null)["result"]["state"].clone()
}

fn trigger_at(wall: &mut Wall, member: &mut Member, trigger: &str, at: u64) {
    let answer = member.ask(&mut wall.world, "N1.session:default", trigger, &json!({"at": at}));
    assert!(answer.get("error").is_none(), "{answer}");
}

#[test]
fn what_is_ordered_for_a_moment_comes_when_the_clock_says_so_and_once() {
    let mut wall = Wall::new(config(1));
    let mut a = Member::joined(&mut wall.world, 0, "A", "json");
    let mut b = Member::joined(&mut wall.world, 0, "B", "json");
    a.run(&mut wall.world);

    // Set back, the moment is further away.
    let at = wall.time() + 10_000;
    trigger_at(&mut wall, &mut a, "pause_scenario", at);
    wall.step(-4000);
    wall.wait(13_900);
    assert_eq!(state(&mut wall, &mut a), "RUNNING");
    wall.wait(200);
    assert_eq!(state(&mut wall, &mut a), "PAUSED");

    // Set forward beyond it, the moment has come.
    let at = wall.time() + 5000;
    trigger_at(&mut wall, &mut a, "resume_scenario", at);
    b.events(&mut wall.world);
    b.pull(&mut wall.world, "pong");
    wall.step(2 * HOUR);
    wall.wait(1);
    assert_eq!(state(&mut wall, &mut a), "RUNNING");
    // Set back before it, it does not come again.
    wall.step(-2 * HOUR);
    wall.wait(10_000);
    let resumed = b.events(&mut wall.world).into_iter().filter(|(event, _)| event["event"] == "state").count();
    assert_eq!((state(&mut wall, &mut a), resumed), (json!("RUNNING"), 1));

    // Forward and back before it comes: as if nothing had been.
    let at = wall.time() + 5000;
    trigger_at(&mut wall, &mut a, "pause_scenario", at);
    wall.step(3000);
    wall.step(-3000);
    wall.wait(4900);
    assert_eq!(state(&mut wall, &mut a), "RUNNING");
    wall.wait(200);
    assert_eq!(state(&mut wall, &mut a), "PAUSED");
}

#[test]
fn a_component_is_silent_for_as_long_as_it_is_silent() {
    let mut wall = Wall::new(Config { heartbeat_s: 0, ..config(1) });
    let _quiet = wall.world.component("quiet");
    let mut here = Member::new(&mut wall.world, 0, "here");
    let expiration = Config::default().expiration_s * 1000;
    let mut waited = 0;
    // All the while the clock jumps about.
    for step in [DAY, -2 * DAY, HOUR, DAY, -HOUR, 365 * DAY, -365 * DAY].into_iter().cycle() {
        wall.step(step);
        wall.wait(1000);
        waited += 1000;
        here.ask(&mut wall.world, "COORDINATOR", "pong", &Value::Null);
        let expired = wall.world.count("names_expired");
        if waited < 3 * expiration {
            assert_eq!(expired, 0, "after {waited} ms");
        } else if expired > 0 {
            break;
        }
        assert!(waited < 4 * expiration, "it is never removed");
    }
    assert_eq!(wall.world.count("names_expired"), 1, "who says something stays");
}

/// A shelf with one file, which is in these pieces.
#[derive(Debug)]
struct OneFile(Content, VecDeque<Advance>);

impl OneFile {
    /// A recording of a kernel with four timesteps a second.
    fn recording() -> Self {
        let (mut config, mut whole) = (Vec::new(), Vec::new());
        section::config(&mut config, [("kernel.agents.think-time", "250")].into_iter());
        vlog::write_heading(&mut whole, vlog::Heading { max_time_step: 300, map_name: "", map: &[], config: &config });
        for time in 0..=300 {
            let (mut world, mut changes) = (Vec::new(), Vec::new());
            section::world(&mut world, []);
            section::changes(&mut changes, []);
            let section = if time == 0 { &world } else { &changes };
            vlog::write_prelude(&mut whole, time, &[section]);
            whole.extend_from_slice(section);
        }
        Self(Content::Viewer, [Advance::Bytes(whole)].into())
    }

    /// A log of a kernel with one.
    fn log() -> Self {
        let walker = rcrs::entity(1, EntityKind::Civilian, &[(PropertyKind::X, 0), (PropertyKind::Y, 0)], &[]);
        let settings = rcrs::config(&[("kernel.timesteps", "300"), ("kernel.agents.think-time", "1000")]);
        let records = rcrs::walk(vec![walker], settings, 1, 300);
        Self(Content::Kernel, records.into_iter().map(Advance::Record).collect())
    }
}

impl Shelf for OneFile {
    fn open(&mut self, name: &str) -> Result<(FileId, Content), String> {
        if name == "walk" { Ok((FileId(1), self.0)) } else { Err("there is no such file".to_owned()) }
    }

    fn again(&mut self, _: FileId) -> Result<FileId, String> {
        Err("once is enough".to_owned())
    }

    fn advance(&mut self, _: FileId) -> Advance {
        self.1.pop_front().unwrap_or(Advance::Ended(Ending::Whole))
    }

    fn time_max(&self, _: FileId) -> Option<i32> {
        None
    }

    fn close(&mut self, _: FileId) {}
}

/// A file that is played to a viewer.
struct Playing {
    wall: Wall,
    asker: Member,
}

impl Playing {
    fn start(file: OneFile) -> Self {
        let mut wall = Wall::new(config(1));
        wall.world.hubs[0].set_shelf(Box::new(file));
        let asker = Member::new(&mut wall.world, 0, "A");
        let mut playing = Self { wall, asker };
        let provider = playing.call("open_provider", json!({"logfilename": "walk"}))["provider"].clone();
        let world = &mut playing.wall.world;
        let viewer = world.connect_at(0, Door::Viewer, "127.0.0.1:5000").unwrap();
        let mut open = Vec::new();
        encode_viewer(&mut open, Bits::OPEN, None);
        world.feed(viewer, &open);
        playing.wall.wait(10);
        playing.call("connect_viewer", json!({"viewer": 1, "provider": provider}));
        playing
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.asker.ask(&mut self.wall.world, "COORDINATOR", method, &params)["result"].clone()
    }

    /// The timestep that is shown a second from now.
    fn in_a_second(&mut self) -> Value {
        self.wall.wait(1000);
        self.call("providers", Value::Null)["providerinfo"][0]["time"].clone()
    }
}

#[test]
fn a_recording_is_played_at_the_pace_of_its_kernel() {
    let mut playing = Playing::start(OneFile::recording());
    playing.wall.wait(125);
    for second in 1..4 {
        assert_eq!(playing.in_a_second(), 4 * second);
    }
}

#[test]
fn a_log_is_played_at_its_pace_whatever_the_clock_says() {
    let mut playing = Playing::start(OneFile::log());
    playing.wall.wait(500);
    for (second, step) in (1..).zip([DAY, -DAY, -DAY, 365 * DAY, -HOUR, 0, 3000, -3000]) {
        playing.wall.step(step);
        assert_eq!(playing.in_a_second(), second, "after a step of {step} ms");
    }
}

#[test]
fn what_is_written_down_has_the_time_of_the_clock() {
    let mut wall = Wall::new(config(1));
    let mut a = Member::new(&mut wall.world, 0, "A");
    for (step, wanted) in
        [(0, "2023-11-14 22:13:20 UTC"), (2 * HOUR, "2023-11-15 00:13:20 UTC"), (-3 * HOUR, "2023-11-14 21:13:20 UTC")]
    {
        wall.step(step);
        a.ask(&mut wall.world, "COORDINATOR", "open_provider", &json!({"logfilename": "nothing"}));
        let errors = a.ask(&mut wall.world, "COORDINATOR", "errors", &Value::Null)["result"]["errors"].clone();
        let last = errors.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
        assert!(last.starts_with(wanted), "{last}");
    }
}
