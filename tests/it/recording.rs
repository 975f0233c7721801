//! Recordings at a hub whose disk takes what it is handed when the test says so: whatever the disk does, the provider goes on.

use crate::common::disk::Disk;
use crate::common::driver;
use crate::manager_kernel::Dialect;
use instep::config::Config;
use instep::control::client::{ControlRequest, decode_control};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::Function;
use instep::hub::{Door, Hub, Output, PeerKey, Start};
use instep::limits::RECORDINGS_WAITING_MAX;
use instep::time::Tick;
use serde_json::{Value, json};

/// A hub with a controller and a live kernel, whose world is there.
struct House {
    hub: Hub,
    now: Tick,
    disk: Disk,
    controller: PeerKey,
    kernel: PeerKey,
    time: i32,
}

impl House {
    fn new() -> Self {
        let config = Config { namespace: "N1".into(), host: "n1".into(), ..Default::default() };
        let mut hub = Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
        let disk = Disk::default();
        hub.set_recorder(Box::new(disk.clone()));
        let now = Tick(1);
        let controller = hub.open_at(now, "127.0.0.1:5000".parse().unwrap(), Door::Control).unwrap();
        let mut house = Self { hub, now, disk, controller, kernel: controller, time: 0 };
        // Open is answered when the world is there.
        house.send(Function::Open, |request| request.address("kernel.example", 27931));
        house.connect();
        house.answer();
        house
    }

    /// The kernel answers with its world.
    fn connect(&mut self) {
        let mut provider = None;
        for output in driver::wishes(&mut self.hub, self.now) {
            if let Output::DialKernel(dialled) = output {
                provider = Some(dialled);
            }
        }
        let remote = "127.0.0.1:27931".parse().unwrap();
        self.kernel = self.hub.handle_kernel_dialed(self.now, provider.unwrap(), Ok(remote)).unwrap();
        self.hear(&Dialect::Current.connect_ok());
        self.time = 0;
    }

    /// The kernel says something.
    fn hear(&mut self, bytes: &[u8]) {
        self.hub.handle_bytes(self.now, self.kernel, bytes);
        while self.hub.poll_timeout().is_some_and(|at| at <= self.now) {
            self.hub.handle_timeout(self.now);
        }
        driver::take(&mut self.hub, self.now, self.kernel, usize::MAX);
    }

    fn steps(&mut self, count: i32) {
        for _ in 0..count {
            self.time += 1;
            self.hear(&Dialect::Current.step(self.time));
        }
        self.hub.check_invariants().unwrap();
    }

    fn settle(&mut self, outcome: Result<(), &str>) {
        assert!(self.disk.settle(&mut self.hub, self.now, outcome), "nothing waits");
        self.hub.check_invariants().unwrap();
    }

    fn settle_all(&mut self) {
        self.disk.settle_all(&mut self.hub, self.now);
        self.hub.check_invariants().unwrap();
    }

    /// What a controller is answered.
    fn ask(
        &mut self,
        function: Function,
        fill: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) -> Value {
        self.send(function, fill);
        self.answer()
    }

    fn send(&mut self, function: Function, fill: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>) {
        let mut bytes = Vec::new();
        fill(ControlRequest::begin(&mut bytes, Shape::Beside, function)).finish();
        self.hub.handle_bytes(self.now, self.controller, &bytes);
    }

    fn answer(&mut self) -> Value {
        let answer = driver::take(&mut self.hub, self.now, self.controller, usize::MAX);
        let Frame::Whole { header_len, .. } = framing::scan(&answer, 1 << 24).unwrap() else { panic!("no answer") };
        let answer = decode_control(&answer[header_len..]).unwrap();
        assert!(answer.ok, "{answer:?}");
        serde_json::from_str(&answer.data.to_string()).unwrap()
    }

    fn provider(&mut self) -> Value {
        self.ask(Function::GetProviderInformation, |request| request)["providerinfo"][0].clone()
    }

    /// Recordings that were begun, are whole, and have failed.
    fn counts(&self) -> (u64, u64, u64) {
        let counters = self.hub.counters();
        (counters.recordings, counters.recordings_whole, counters.recordings_failed)
    }
}

#[test]
fn what_was_taken_in_time_is_whole() {
    let mut house = House::new();
    house.steps(20);
    assert_eq!(house.disk.waiting(), 22, "a beginning, a heading, twenty timesteps");
    house.settle_all();
    house.steps(10);
    house.ask(Function::Close, |request| request.provider(&[1]));
    assert_eq!((house.disk.waiting(), house.counts()), (12, (1, 0, 0)), "with its end");
    house.settle_all();
    assert_eq!(house.counts(), (1, 1, 0));
    let file = house.disk.files().remove(0);
    assert_eq!((file.times(), file.ended), ((0..=30).collect(), true));
}

#[test]
fn a_disk_that_takes_nothing_ends_the_recording_where_no_more_can_wait() {
    let mut house = House::new();
    let count = i32::try_from(RECORDINGS_WAITING_MAX).unwrap();
    house.steps(count - 2);
    assert_eq!((house.disk.waiting(), house.counts()), (RECORDINGS_WAITING_MAX, (1, 0, 0)));
    assert_eq!(house.provider().get("message"), None);
    house.steps(100);
    assert_eq!((house.disk.waiting(), house.counts()), (RECORDINGS_WAITING_MAX + 1, (1, 0, 1)), "to end takes no room");
    let shown = house.provider();
    assert_eq!((&shown["status"], &shown["time"]), (&json!("online"), &json!(count + 98)));
    let message = shown["message"].as_str().unwrap();
    let wanted = format!("kernel.example/27931: the recording has ended before time {}: the disk does not", count - 1);
    assert!(message.starts_with(&wanted), "{message}");
    let errors = house.ask(Function::GetErrorList, |request| request);
    assert!(errors.to_string().contains(message), "{errors}");
    // It takes all that waited, and the recording is whole as far as it goes.
    house.settle_all();
    assert_eq!(house.counts(), (1, 0, 1));
    let file = house.disk.files().remove(0);
    assert_eq!((file.times(), file.ended), ((0..=i64::from(count) - 2).collect(), true));
}

#[test]
fn a_disk_that_fails_ends_the_recording_and_not_the_provider() {
    let mut house = House::new();
    house.steps(5);
    for _ in 0..4 {
        house.settle(Ok(()));
    }
    house.settle(Err("a.vlog: no space left"));
    assert_eq!(house.counts(), (1, 0, 1));
    house.steps(5);
    house.settle_all();
    assert_eq!((house.counts(), house.disk.waiting()), ((1, 0, 1), 0), "told once, and nothing more is handed over");
    let shown = house.provider();
    assert_eq!((&shown["status"], &shown["time"]), (&json!("online"), &json!(10)));
    assert_eq!(shown["message"], "the recording has ended: a.vlog: no space left");
    let file = house.disk.files().remove(0);
    assert_eq!((file.times(), file.ended), (vec![0, 1, 2], true));
    // A connection made anew is recorded anew.
    house.ask(Function::Refresh, |request| request.provider(&[1]));
    house.connect();
    house.steps(3);
    assert_eq!(house.provider().get("message"), None);
    house.ask(Function::Close, |request| request.provider(&[1]));
    house.settle_all();
    assert_eq!((house.counts(), house.disk.files()[1].times()), ((2, 1, 1), vec![0, 1, 2, 3]));
}

#[test]
fn a_recording_that_cannot_be_made_is_told_as_that() {
    let mut house = House::new();
    house.settle(Err("/nowhere: no such directory"));
    house.steps(3);
    house.settle_all();
    assert_eq!(house.provider()["message"], "no recording: /nowhere: no such directory");
    assert_eq!((house.counts(), house.disk.files()[0].ended), ((1, 0, 1), true));
}

#[test]
fn what_fails_behind_the_end_of_a_provider_is_told_too() {
    let mut house = House::new();
    house.steps(3);
    house.ask(Function::Close, |request| request.provider(&[1]));
    house.settle(Ok(()));
    house.settle(Err("a.vlog: no space left"));
    house.settle_all();
    assert_eq!(house.counts(), (1, 0, 1));
    let errors = house.ask(Function::GetErrorList, |request| request);
    assert!(errors.to_string().contains("the recording has ended: a.vlog: no space left"), "{errors}");
}

#[test]
fn a_recording_that_has_begun_anew_is_not_blamed_for_the_one_before() {
    let mut house = House::new();
    house.steps(2);
    house.ask(Function::Refresh, |request| request.provider(&[1]));
    house.connect();
    house.steps(2);
    house.settle(Err("a.vlog: no space left"));
    assert_eq!((house.provider().get("message"), house.counts()), (None, (2, 0, 1)));
    house.steps(2);
    house.ask(Function::Close, |request| request.provider(&[1]));
    house.settle_all();
    let files = house.disk.files();
    assert!(files.iter().all(|file| file.ended));
    assert_eq!((house.counts(), files[1].times()), ((2, 1, 1), (0..=4).collect()));
}
