//! What a provider is from its opening on: when Open is answered, what waits, what ended for which reason, and what comes back.
#![expect(clippy::disallowed_methods, reason = "tests against real sockets read the clock")]

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::manager_kernel::{CIVILIAN, Dialect, greet};
use crate::common::manager::{Controller, Directory, FakeKernel, House, Watcher, read_frame, read_to_end, wait_until};
use crate::common::member::{Member, OPEN_WAIT_MS};
use crate::common::nobody::Nobody;
use crate::common::rcrs;
use crate::common::wire;
use crate::common::world::{World, config};
use instep::client::{Client, Options};
use instep::control::function::Function;
use instep::control::record::Property;
use instep::control::viewer::Bits;
use serde_json::{Value, json};

const OPEN: u32 = Bits::OPEN.0;

/// Longest that Open may take, and something for a machine that is busy.
const AT_MOST: Duration = Duration::from_millis(1000 + 500);

/// Opens a server at this port; the whole answer.
fn open_at(controller: &mut Controller, port: u16, keep: bool) -> crate::common::manager::Answer {
    controller.call(Function::Open, |request| {
        let request = request.address("127.0.0.1", port);
        if keep { request.keep() } else { request }
    })
}

/// A viewer that is open and in the session of the provider.
fn viewer_of(house: &House, controller: &mut Controller, provider: i64) -> Watcher {
    let mut viewer = house.viewer();
    assert_eq!(viewer.call(OPEN, None).message, "no session");
    let id = *controller.viewers().last().unwrap();
    controller.connect(provider, id);
    viewer
}

/// A kernel that begins to listen now.
fn listen(port: u16) -> TcpListener {
    let mut bound = None;
    wait_until("the port is free", || {
        bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        bound.is_some()
    });
    bound.unwrap()
}

/// The next viewer of a kernel, which has been sent the world.
fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        if greet(&mut stream, Dialect::Current).is_some() {
            return stream;
        }
    }
}

fn steps(stream: &mut TcpStream, times: core::ops::RangeInclusive<i32>) {
    for time in times {
        stream.write_all(&Dialect::Current.step(time)).unwrap();
    }
}

// ---- When Open is answered ----

#[test]
fn open_is_answered_when_the_world_is_there() {
    let kernel = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        steps(&mut stream, 1..=1);
        read_to_end(&mut stream);
    });
    let house = House::new();
    house.directory.put("run.log", &rcrs::binary_log(&rcrs::small_run()));
    let mut controller = house.controller();
    let answer = open_at(&mut controller, kernel.port, false);
    let info = &answer.data["providerinfo"][0];
    assert_eq!((answer.ok, &info["status"], &info["maxtime"]), (true, &json!("online"), &json!(50)), "{answer:?}");
    assert_eq!(info.get("message"), None);
    wait_until("a step is there", || controller.provider(1)["age_ms"].is_u64());
    let answer = controller.call(Function::Open, |request| request.logfilename("run.log"));
    let info = &answer.data["providerinfo"][0];
    assert!(answer.ok && info["maxtime"].as_i64().unwrap() > 0, "{answer:?}");
    assert_eq!((&info["age_ms"], info.get("message")), (&Value::Null, None), "no step of it has been shown");
}

#[test]
fn a_server_that_nobody_runs_waits_and_is_errored_after_its_time() {
    let house = House::with(|config| config.kernel_connect_s = 2);
    let mut controller = house.controller();
    let began = Instant::now();
    let nobody = Nobody::new();
    let answer = open_at(&mut controller, nobody.port(), false);
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    let info = &answer.data["providerinfo"][0];
    assert_eq!(
        (answer.ok, &info["status"], &info["message"], &info["age_ms"]),
        (true, &json!("online"), &json!("waiting"), &Value::Null),
        "{answer:?}"
    );
    let ended = controller.wait_for_status(1, "errored");
    assert!(ended["message"].as_str().unwrap().starts_with("no kernel answers: "), "{ended}");
}

/// Others are answered while one controller waits.
#[test]
fn a_controller_that_waits_for_its_provider_delays_nobody_and_is_answered_whatever_comes() {
    let silent = FakeKernel::new(|_, mut stream| read_to_end(&mut stream));
    let house = House::new();
    let (mut waiting, mut other) = (house.controller(), house.controller());
    waiting.send(Function::Open, |request| request.address("127.0.0.1", silent.port));
    waiting.send(Function::GetManagerInformation, |request| request);
    wait_until("it is opened", || other.provider(1)["id"] == 1);
    assert_eq!(other.provider(1)["message"], "waiting");
    assert!(other.call(Function::Close, |request| request.provider(&[1])).ok);
    let answer = waiting.answer().unwrap();
    assert_eq!((answer.id, answer.ok), (101, false));
    assert_eq!(answer.message(), "the provider was closed before it was open");
    assert_eq!(waiting.answer().unwrap().id, 4, "what it has asked behind is answered behind");
    // The end of the program is no reason to say nothing.
    waiting.send(Function::Open, |request| request.address("127.0.0.1", silent.port));
    wait_until("it is opened", || other.provider(2)["id"] == 2);
    assert!(other.ask(Function::Exit).ok);
    assert_eq!(waiting.answer().map(|answer| (answer.id, answer.ok)), Some((101, true)));
    house.join().hub().check_invariants().unwrap();
}

#[test]
fn open_fails_with_the_reason_when_the_first_record_does() {
    let refusing = FakeKernel::new(|_, mut stream| {
        read_frame(&mut stream);
        drop(stream.write_all(&Dialect::Current.refusal()));
        read_to_end(&mut stream);
    });
    let house = House::new();
    // The start of a run, and then a world of a length that no file has.
    let mut damaged = rcrs::binary_log(&rcrs::small_run());
    damaged.splice(8..16, [0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]);
    house.directory.put("damaged.log", &damaged);
    let mut controller = house.controller();
    let log = controller.call(Function::Open, |request| request.logfilename("damaged.log"));
    let kernel = open_at(&mut controller, refusing.port, false);
    assert!(kernel.message().contains("full up"), "{kernel:?}");
    for (name, answer) in [("damaged.log", log), ("kernel", kernel)] {
        let info = &answer.data["providerinfo"][0];
        assert_eq!((answer.ok, &info["status"]), (false, &json!("errored")), "{name}: {answer:?}");
        assert!(!answer.message().is_empty() && info["message"] == answer.message(), "{name}: {answer:?}");
        // It stays listed until it is closed, and a viewer is told what is wrong with it.
        let provider = answer.data["provider"].as_i64().unwrap();
        let mut viewer = viewer_of(&house, &mut controller, provider);
        let told = viewer.see();
        assert_eq!((told.result, &*told.message), (false, answer.message()), "{name}");
        let again = viewer.call(OPEN | Bits::MAP.0, None);
        assert_eq!((again.result, &*again.message), (false, answer.message()), "{name}");
    }
}

/// As a method of the Coordinator, Open waits in the same way, and nobody else does.
#[test]
fn open_provider_is_answered_when_the_world_is_there_or_with_the_reason() {
    let (silent, kernel, refusing) = (
        FakeKernel::new(|_, mut stream| read_to_end(&mut stream)),
        FakeKernel::new(|_, mut stream| {
            greet(&mut stream, Dialect::Current).unwrap();
            read_to_end(&mut stream);
        }),
        FakeKernel::new(|_, mut stream| {
            read_frame(&mut stream);
            drop(stream.write_all(&Dialect::Current.refusal()));
            read_to_end(&mut stream);
        }),
    );
    let house = House::new();
    let mut director = Client::connect(&house.leco.to_string(), "director", Options::new()).unwrap();
    let mut ask = |method: &str, params: Value| director.ask("COORDINATOR", method, &params, Duration::from_secs(5));
    let open = |port: u16| json!({"address": ["127.0.0.1", port]});
    let opened = ask("open_provider", open(kernel.port)).unwrap();
    let info = &opened["providerinfo"][0];
    assert_eq!((&opened["provider"], &info["maxtime"], info.get("message")), (&json!(1), &json!(50), None));
    let began = Instant::now();
    let opened = ask("open_provider", open(silent.port)).unwrap();
    assert_eq!(opened["providerinfo"][0]["message"], "waiting");
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    let refused = ask("open_provider", open(refusing.port)).unwrap_err().to_string();
    assert!(refused.contains("provider 3: ") && refused.contains("full up"), "{refused}");
}

#[test]
fn a_batch_that_opens_waits_for_its_answers_and_who_wants_none_for_nothing() {
    let mut world = World::new(config(1));
    let mut a = Member::new(&mut world, 0, "A");
    let open = json!({"jsonrpc": "2.0", "id": 1, "method": "open_provider", "params": {"address": ["127.0.0.1", 9]}});
    let pong = json!({"jsonrpc": "2.0", "id": 2, "method": "pong"});
    let mut quiet = open.clone();
    quiet.as_object_mut().unwrap().remove("id");
    world.send(a.client, "COORDINATOR", &a.name, &[json!([quiet, open, pong]).to_string().as_bytes()]);
    world.wait(OPEN_WAIT_MS - 1);
    assert!(world.hear(a.client).is_empty(), "the second of them waits");
    assert_eq!(a.ask(&mut world, "COORDINATOR", "pong", &Value::Null)["result"], Value::Null, "nobody else does");
    world.wait(1);
    let heard = world.hear(a.client);
    let answers = wire::json(&heard[0]);
    assert_eq!((&answers[0]["result"]["provider"], &answers[1]["id"]), (&json!(2), &json!(2)), "{answers}");
    // The link of one who waits ends: nobody is answered, and what it has opened stays.
    a.send(&mut world, "COORDINATOR", "open_provider", &open["params"]);
    world.close(a.client);
    world.wait(OPEN_WAIT_MS);
    let mut b = Member::new(&mut world, 0, "B");
    let rows = b.ask(&mut world, "COORDINATOR", "providers", &Value::Null)["result"]["providerinfo"].clone();
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows}");
}

// ---- Viewers of what has ended ----

#[test]
fn a_viewer_of_an_errored_provider_is_told_so_also_when_it_comes_later() {
    let kernel = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        steps(&mut stream, 1..=3);
        // Half a frame, then the end.
        stream.write_all(&Dialect::Current.step(4)[..9]).unwrap();
    });
    let house = House::new();
    let mut controller = house.controller();
    open_at(&mut controller, kernel.port, false);
    let ended = controller.wait_for_status(1, "errored");
    let reason = ended["message"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("the connection was lost at time 3"), "{ended}");
    assert!(ended["age_ms"].is_u64());
    let mut viewer = viewer_of(&house, &mut controller, 1);
    let told = viewer.see();
    assert_eq!((told.result, &*told.message, told.time), (false, &*reason, 3));
    assert_eq!(told.keys(), ["map", "world", "config"], "what it has shown last can be looked at");
    let again = viewer.call(OPEN, None);
    assert_eq!((again.result, &*again.message), (false, &*reason));
}

// ---- Refresh ----

#[test]
fn refresh_of_all_leaves_what_has_ended_and_shows_the_old_world_until_there_is_a_new_one() {
    let ended = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        steps(&mut stream, 1..=2);
        stream.write_all(&Dialect::Current.shutdown()).unwrap();
        read_to_end(&mut stream);
    });
    let late = FakeKernel::new(|number, mut stream| {
        if number > 0 {
            // It takes the connection; its world takes a while.
            read_frame(&mut stream);
            std::thread::sleep(Duration::from_millis(700));
            drop(stream.write_all(&Dialect::Current.connect_ok()));
        } else {
            greet(&mut stream, Dialect::Current).unwrap();
            steps(&mut stream, 1..=5);
        }
        read_to_end(&mut stream);
    });
    let house = House::new();
    let mut controller = house.controller();
    open_at(&mut controller, ended.port, false);
    controller.wait_for_status(1, "closed");
    open_at(&mut controller, late.port, false);
    wait_until("time is 5", || controller.provider(2)["time"] == 5);
    assert_eq!(controller.ask(Function::Refresh).data["provider"], json!([2]), "the other one has ended");
    assert_eq!(controller.provider(1)["status"], "closed");
    let info = controller.provider(2);
    assert_eq!(
        (&info["status"], &info["message"], &info["time"], &info["maxtime"]),
        (&json!("online"), &json!("waiting"), &json!(5), &json!(50))
    );
    let mut viewer = viewer_of(&house, &mut controller, 2);
    let old = viewer.see();
    assert_eq!((old.result, old.time), (true, 5));
    assert_eq!(old.world().iter().find(|entity| entity.id == CIVILIAN).unwrap().properties.get(Property::X), Some(5));
    let new = viewer.see();
    assert_eq!((new.time, new.keys()), (0, vec!["map", "world", "config"]));
    assert_eq!(controller.provider(2).get("message"), None);
    let refreshed = controller.call(Function::Refresh, |request| request.provider(&[1]));
    assert_eq!(refreshed.data["provider"], json!([1]), "by name");
    wait_until("it runs once more", || controller.provider(1)["status"] == "closed");
}

// ---- A kernel that is waited for ----

#[test]
fn a_kept_provider_follows_a_kernel_that_comes_late_ends_dies_and_comes_again() {
    let recordings = Directory::new();
    let house = House::with(|config| {
        config.record = recordings.path().display().to_string();
        config.kernel_connect_s = 1;
    });
    let mut controller = house.controller();
    let nobody = Nobody::new();
    let port = nobody.port();
    let opened = open_at(&mut controller, port, true);
    assert_eq!((opened.ok, &opened.data["providerinfo"][0]["message"]), (true, &json!("waiting")));
    let mut viewer = viewer_of(&house, &mut controller, 1);
    // Longer than one that is not kept is tried.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(controller.provider(1)["status"], "online");
    for (run, ends_well) in [true, false, true].into_iter().enumerate() {
        let listener = listen(port);
        let mut stream = accept(&listener);
        steps(&mut stream, 1..=3);
        let initial = viewer.see();
        assert_eq!((initial.time, initial.keys()), (0, vec!["map", "world", "config"]), "run {run}");
        let times: Vec<i64> = viewer.see_until(3).iter().map(|seen| seen.time).collect();
        assert_eq!(times, [1, 2, 3], "run {run}");
        assert_eq!(controller.provider(1).get("message"), None, "run {run}");
        if ends_well {
            stream.write_all(&Dialect::Current.shutdown()).unwrap();
        }
        drop((stream, listener));
        let word = viewer.see();
        assert!(word.result && word.message.ends_with("the next run is waited for"), "run {run}: {word:?}");
        assert_eq!(word.message.starts_with("the simulation has ended"), ends_well, "run {run}: {word:?}");
        wait_until("it waits", || controller.provider(1)["message"] == "waiting");
        let info = controller.provider(1);
        assert_eq!((&info["status"], &info["time"]), (&json!("online"), &json!(3)), "its last world is still there");
    }
    let lost = controller.errors().into_iter().filter(|line| line.contains("was lost at time 3")).count();
    assert_eq!(lost, 1, "{:?}", controller.errors());
    house.wait_for_recordings(3);
    assert_eq!(std::fs::read_dir(recordings.path()).unwrap().count(), 3, "each run has a recording of its own");
    assert!(controller.call(Function::Close, |request| request.provider(&[1])).ok);
}

#[test]
fn a_kept_provider_says_why_a_kernel_does_not_take_it() {
    let full = FakeKernel::new(|number, mut stream| {
        read_frame(&mut stream);
        let answer = if number < 2 { Dialect::Current.refusal() } else { Dialect::Current.connect_ok() };
        drop(stream.write_all(&answer));
        read_to_end(&mut stream);
    });
    let house = House::new();
    let mut controller = house.controller();
    let opened = open_at(&mut controller, full.port, true);
    let message = &opened.data["providerinfo"][0]["message"];
    assert_eq!((opened.ok, message), (true, &json!("waiting; the kernel refused: full up")));
    wait_until("there is room", || controller.provider(1).get("message").is_none());
    assert_eq!(controller.errors().len(), 1, "said once: {:?}", controller.errors());
    let refused = controller.call(Function::Open, |request| request.logfilename("run.log").keep());
    assert_eq!((refused.ok, refused.message()), (false, "argument keep is for an address: a log is there once"));
}

// ---- A log without viewers ----

#[test]
fn a_log_stands_without_viewers_unless_somebody_has_said_that_it_is_to_run() {
    let house = House::with(|config| config.play_speed_percent = 2000);
    let walk = rcrs::walk(rcrs_world(), rcrs::config(&[("kernel.timesteps", "400")]), CIVILIAN, 400);
    house.directory.put("long.log", &rcrs::binary_log(&walk));
    let mut controller = house.controller();
    controller.open_ready("long.log");
    let mut first = viewer_of(&house, &mut controller, 1);
    first.see_until(3);
    assert!(controller.call(Function::Disconnect, |request| request.viewer(&[1])).ok);
    let stands = controller.provider(1)["time"].clone();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(controller.provider(1)["time"], stands, "nobody looks on");
    // It goes on where it stood, also when its viewer just hangs up.
    let mut second = viewer_of(&house, &mut controller, 1);
    let initial = second.see();
    assert_eq!(json!(initial.time), stands);
    assert_eq!(second.see().time, initial.time + 1);
    drop(second);
    wait_until("it stands", || {
        let before = controller.provider(1)["time"].clone();
        std::thread::sleep(Duration::from_millis(150));
        controller.provider(1)["time"] == before
    });
    // Its session says that it runs.
    for trigger in ["pause", "resume"] {
        let pulled = controller.call(Function::Trigger, |request| {
            request.session(&[2]).text(instep::control::function::Argument::Trigger, trigger)
        });
        assert!(pulled.ok, "{pulled:?}");
    }
    let before = controller.provider(1)["time"].as_i64().unwrap();
    wait_until("it runs unseen", || controller.provider(1)["time"].as_i64().unwrap() > before + 2);
}

fn rcrs_world() -> Vec<instep::rcrs::entity::Entity> {
    use instep::rcrs::urn::{EntityKind, PropertyKind as P};
    vec![
        rcrs::entity(1, EntityKind::Road, &[(P::X, 500), (P::Y, 0)], &[]),
        rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0)], &[]),
    ]
}
