//! The viewer's side of a kernel connection, against a kernel made of bytes.

use crate::common::rcrs::{actions, config, entity, frame, legacy, proto, small_run};
use instep::limits::{RCRS_FRAME_BYTES_MAX, RCRS_SLICE_BYTES_MAX};
use instep::rcrs::Error;
use instep::rcrs::entity::Entity;
use instep::rcrs::kernel::{Dialect, Event, KernelViewer, Poll};
use instep::rcrs::message::{ChangeSet, Command, Config, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind};

const BOTH: [Dialect; 2] = [Dialect::Current, Dialect::Legacy];
const REQUEST: i32 = 7;
const VIEWER: i32 = 42;

/// A kernel's words in either dialect, each as one frame.
#[derive(Clone, Copy)]
struct Kernel(Dialect);

impl Kernel {
    fn framed(self, current: Vec<u8>, legacy: Vec<u8>) -> Vec<u8> {
        match self.0 {
            Dialect::Current => frame(&current),
            Dialect::Legacy => frame(&legacy::messages(&[legacy])),
        }
    }

    fn connect_ok(self, request: i32, world: &[Entity], config: &Config) -> Vec<u8> {
        self.framed(
            proto::connect_ok(request, VIEWER, world, config),
            legacy::connect_ok(request, VIEWER, world, config),
        )
    }

    fn connect_error(self, request: i32, reason: &str) -> Vec<u8> {
        self.framed(proto::connect_error(request, reason), legacy::connect_error(request, reason))
    }

    fn timestep(self, viewer: i32, time: i32, commands: &[Command], changes: &ChangeSet) -> Vec<u8> {
        self.framed(proto::timestep(viewer, time, commands, changes), legacy::timestep(viewer, time, commands, changes))
    }

    fn step(self, time: i32) -> Vec<u8> {
        self.timestep(VIEWER, time, &[], &ChangeSet::default())
    }

    fn shutdown(self) -> Vec<u8> {
        self.framed(proto::shutdown(), legacy::shutdown())
    }

    fn viewer(self) -> KernelViewer {
        KernelViewer::new(self.0, REQUEST, "a viewer", RCRS_FRAME_BYTES_MAX)
    }

    /// A viewer that was taken and has acknowledged.
    fn connected_viewer(self) -> KernelViewer {
        let mut viewer = self.viewer();
        let events = feed(&mut viewer, &self.connect_ok(REQUEST, &[], &Config::default())).unwrap();
        assert_eq!(events.len(), 1);
        viewer.poll_frame().unwrap();
        viewer
    }
}

/// Hands bytes in as a loop would, and gives all events.
fn feed(viewer: &mut KernelViewer, mut bytes: &[u8]) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    loop {
        let taken = viewer.handle_bytes(bytes)?;
        bytes = &bytes[taken..];
        match viewer.poll_event()? {
            Poll::Event(event) => events.push(event),
            Poll::Working => {}
            Poll::Idle if bytes.is_empty() => return Ok(events),
            Poll::Idle => {}
        }
    }
}

fn world() -> Vec<Entity> {
    let Record::Initial(world) = small_run().swap_remove(1) else { panic!() };
    world
}

fn times(events: &[Event]) -> Vec<(i32, Option<i32>)> {
    let times = events.iter().map(|event| match event {
        Event::Timestep { time, missed_from, .. } => (*time, *missed_from),
        Event::Connected { .. } | Event::Refused { .. } | Event::Shutdown => panic!("{event:?}"),
    });
    times.collect()
}

fn whole_session(kernel: Kernel) -> (Vec<u8>, Vec<Event>) {
    let commands: Vec<_> = actions().into_iter().map(|action| Command { agent: 300, time: 1, action }).collect();
    let Record::Updates { changes, .. } = small_run().swap_remove(5) else { panic!() };
    let pairs = config(&[("kernel.timesteps", "2"), ("a", "b")]);
    let bytes = [
        kernel.connect_ok(REQUEST + 1, &[], &Config::default()),
        kernel.connect_ok(REQUEST, &world(), &pairs),
        kernel.timestep(VIEWER, 1, &commands, &changes),
        kernel.timestep(VIEWER + 1, 2, &commands, &changes),
        kernel.step(2),
        kernel.shutdown(),
        b"whatever follows".to_vec(),
    ];
    let step = |time, commands, changes| Event::Timestep { time, missed_from: None, commands, changes };
    let events = vec![
        Event::Connected { viewer: VIEWER, entities: world(), config: pairs },
        step(1, commands, changes),
        step(2, vec![], ChangeSet::default()),
        Event::Shutdown,
    ];
    (bytes.concat(), events)
}

#[test]
fn the_first_frames_are_those_of_a_real_viewer() {
    let mut viewer = KernelViewer::new(Dialect::Current, 1, "v", RCRS_FRAME_BYTES_MAX);
    let connect = b"\0\0\0\x1f\x08\x8d\x02\x12\x07\x08\x81\x04\x12\x02\x48\x01\x12\x07\x08\x83\x04\x12\x02\x48\x01\
        \x12\x08\x08\x84\x04\x12\x03\x62\x01v";
    assert_eq!(viewer.poll_frame().unwrap(), connect);
    assert_eq!(viewer.poll_frame(), None);
    feed(&mut viewer, &frame(&proto::connect_ok(1, 8, &[], &Config::default()))).unwrap();
    let acknowledge = b"\0\0\0\x15\x08\x8e\x02\x12\x07\x08\x81\x04\x12\x02\x48\x01\x12\x07\x08\x8c\x04\x12\x02\x48\x08";
    assert_eq!(viewer.poll_frame().unwrap(), acknowledge);

    let mut viewer = KernelViewer::new(Dialect::Legacy, 1, "v", RCRS_FRAME_BYTES_MAX);
    let connect = viewer.poll_frame().unwrap();
    let content = [legacy::int(1), legacy::int(1), legacy::sized(b"v")].concat();
    let message = legacy::message("urn:rescuecore2:messages.control:vk_connect", &content);
    assert_eq!(connect, frame(&legacy::messages(&[message])));
}

#[test]
fn a_session_is_the_same_however_its_bytes_are_split() {
    for dialect in BOTH {
        let (bytes, expected) = whole_session(Kernel(dialect));
        assert_eq!(feed(&mut Kernel(dialect).viewer(), &bytes).unwrap(), expected);
        for split in 0..bytes.len() {
            let mut viewer = Kernel(dialect).viewer();
            let mut events = feed(&mut viewer, &bytes[..split]).unwrap();
            events.extend(feed(&mut viewer, &bytes[split..]).unwrap());
            assert!(events == expected, "{dialect:?} split at {split}");
        }
        let mut viewer = Kernel(dialect).viewer();
        let events: Vec<_> = bytes.iter().flat_map(|&byte| feed(&mut viewer, &[byte]).unwrap()).collect();
        assert!(events == expected, "{dialect:?} byte by byte");
    }
}

#[test]
fn the_acknowledgement_waits_as_soon_as_the_viewer_is_taken() {
    for dialect in BOTH {
        let mut viewer = Kernel(dialect).viewer();
        assert!(viewer.poll_frame().is_some());
        assert_eq!(viewer.poll_event(), Ok(Poll::Idle));
        assert!(viewer.poll_frame().is_none());
        feed(&mut viewer, &Kernel(dialect).connect_ok(REQUEST, &[], &Config::default())).unwrap();
        assert!(viewer.poll_frame().is_some());
        assert!(viewer.poll_frame().is_none());
        // A second welcome is out of place.
        let again = Kernel(dialect).connect_ok(REQUEST, &[], &Config::default());
        assert_eq!(feed(&mut viewer, &again), Ok(vec![]));
    }
}

#[test]
fn a_viewer_that_came_late_is_told_so() {
    for dialect in BOTH {
        let kernel = Kernel(dialect);
        let mut viewer = kernel.connected_viewer();
        assert_eq!(viewer.time(), 0);
        let bytes = [13, 14, 17, 17, 3].map(|time| kernel.step(time)).concat();
        let events = feed(&mut viewer, &bytes).unwrap();
        let expected = [(13, Some(1)), (14, None), (17, Some(15)), (17, Some(18)), (3, Some(18))];
        assert_eq!(times(&events), expected);
        assert_eq!(viewer.time(), 3);
    }
}

#[test]
fn extreme_times_do_no_harm() {
    for dialect in BOTH {
        let kernel = Kernel(dialect);
        let bytes = [i32::MAX, i32::MAX, i32::MIN, 0].map(|time| kernel.step(time)).concat();
        let events = feed(&mut kernel.connected_viewer(), &bytes).unwrap();
        let expected = [(i32::MAX, Some(1)), (i32::MAX, None), (i32::MIN, Some(i32::MAX)), (0, Some(i32::MIN + 1))];
        assert_eq!(times(&events), expected);
    }
}

#[test]
fn a_step_before_the_welcome_means_nothing() {
    for dialect in BOTH {
        let kernel = Kernel(dialect);
        assert_eq!(feed(&mut kernel.viewer(), &kernel.step(1)), Ok(vec![]));
    }
}

#[test]
fn a_refusal_has_its_reason() {
    for dialect in BOTH {
        let kernel = Kernel(dialect);
        let mut viewer = kernel.viewer();
        assert_eq!(feed(&mut viewer, &kernel.connect_error(REQUEST + 1, "not you")), Ok(vec![]));
        let reason = "no room".to_owned();
        assert_eq!(feed(&mut viewer, &kernel.connect_error(REQUEST, "no room")), Ok(vec![Event::Refused { reason }]));
        assert_eq!(feed(&mut viewer, &kernel.step(1)), Ok(vec![]));

        let events = feed(&mut kernel.viewer(), &kernel.connect_error(REQUEST, &"x".repeat(100_000))).unwrap();
        let [Event::Refused { reason }] = &events[..] else { panic!() };
        assert!(reason.len() < 2_000, "a reason is a line");
    }
}

#[test]
fn the_seen_shutdown_frame_ends_the_session() {
    let mut viewer = Kernel(Dialect::Current).connected_viewer();
    assert_eq!(feed(&mut viewer, &[0, 0, 0, 3, 8, 0x97, 2]), Ok(vec![Event::Shutdown]));
    assert_eq!(viewer.handle_bytes(&[0xff; 10]), Ok(10), "nothing is heard any more");
}

#[test]
fn old_kernels_may_put_several_messages_in_a_frame() {
    let steps = [1, 2].map(|time| legacy::timestep(VIEWER, time, &[], &ChangeSet::default()));
    let odd = legacy::message("urn:somebody:else", &[1, 2, 3]);
    let known = legacy::message("urn:rescuecore2:messages.control:ks_update", &[9]);
    let [first, second] = steps;
    let bytes = frame(&legacy::messages(&[odd, first, known, second, legacy::shutdown()]));
    let events = feed(&mut Kernel(Dialect::Legacy).connected_viewer(), &bytes).unwrap();
    assert_eq!(times(&events[..2]), [(1, None), (2, None)]);
    assert_eq!(events[2..], [Event::Shutdown]);
}

#[test]
fn messages_of_no_known_number_are_passed_over() {
    let odd = [proto::int(1, 9_999), proto::component(526, &proto::int(9, 5)), proto::component(-1, &[8])].concat();
    let bytes = [frame(&odd), frame(&[]), frame(&proto::shutdown())].concat();
    assert_eq!(feed(&mut Kernel(Dialect::Current).connected_viewer(), &bytes), Ok(vec![Event::Shutdown]));
}

#[test]
fn a_frame_over_the_bound_is_refused_before_its_bytes() {
    for dialect in BOTH {
        for (max, length) in [(100, 101_u32), (usize::MAX, 0xffff_ffff), (usize::MAX, (64 << 20) + 1), (0, 1)] {
            let mut viewer = KernelViewer::new(dialect, REQUEST, "v", max);
            let refused = Err(Error::TooLarge("a frame of the kernel"));
            assert_eq!(viewer.handle_bytes(&length.to_be_bytes()), refused);
            assert_eq!(viewer.handle_bytes(&[]), refused, "an error is for good");
            assert!(viewer.poll_event().is_err());
        }
        let mut viewer = KernelViewer::new(dialect, REQUEST, "v", 100);
        assert_eq!(viewer.handle_bytes(&[0, 0, 0, 100]), Ok(4));
    }
}

#[test]
fn a_broken_frame_ends_the_machine() {
    let bad = frame(&[0x0a, 0x7f, 1]);
    let mut viewer = Kernel(Dialect::Current).connected_viewer();
    let error = Error::Malformed("a message ends too early");
    assert_eq!(feed(&mut viewer, &bad), Err(error));
    assert_eq!(viewer.handle_bytes(&bad), Err(error));
    assert_eq!(viewer.poll_event(), Err(error));
    // Without the empty name that closes it, an old frame is cut.
    let open = frame(&legacy::shutdown());
    let mut viewer = Kernel(Dialect::Legacy).viewer();
    assert_eq!(viewer.handle_bytes(&open), Ok(open.len()));
    while viewer.poll_event() == Ok(Poll::Working) {}
    let open = frame(&legacy::connect_error(REQUEST + 1, ""));
    assert_eq!(feed(&mut Kernel(Dialect::Legacy).viewer(), &open), Err(error));
}

#[test]
fn damage_anywhere_in_a_session_is_survived() {
    for dialect in BOTH {
        let (bytes, _) = whole_session(Kernel(dialect));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0xff;
            match feed(&mut Kernel(dialect).viewer(), &damaged) {
                Ok(events) => assert!(events.len() <= 4),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn a_big_world_is_decoded_in_slices_and_holds_back_what_follows() {
    for dialect in BOTH {
        let kernel = Kernel(dialect);
        let roads: Vec<_> = (0..20_000).map(|id| entity(id, EntityKind::Road, &[(PropertyKind::X, id)], &[])).collect();
        let welcome = kernel.connect_ok(REQUEST, &roads, &Config::default());
        let bytes = [welcome.clone(), kernel.step(1)].concat();
        let mut viewer = kernel.viewer();
        assert_eq!(viewer.handle_bytes(&bytes), Ok(welcome.len()));
        let mut slices = 0;
        let event = loop {
            match viewer.poll_event().unwrap() {
                Poll::Working => {
                    assert_eq!(viewer.handle_bytes(&bytes[welcome.len()..]), Ok(0), "not while it works");
                    slices += 1;
                }
                Poll::Event(event) => break event,
                Poll::Idle => panic!("it has a frame"),
            }
        };
        assert!(slices >= welcome.len() / RCRS_SLICE_BYTES_MAX - 1, "{slices} slices");
        let Event::Connected { entities, .. } = event else { panic!() };
        assert!(entities == roads);
        assert_eq!(times(&feed(&mut viewer, &bytes[welcome.len()..]).unwrap()), [(1, None)]);
    }
}
