//! What one run is like: sizes, deadlines, and which faults happen in it. Every run leaves some of them out, so that one
//! fault does not hide another, and some runs have none, so that nothing is excused in them.

use instep::config::Config;

use crate::rng::Rng;

/// What can go wrong with the network, the machines and the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A receiver takes no bytes for a while.
    Stall,
    /// A connection breaks; each end notices after a time of its own.
    Cut,
    /// A connection breaks and one end never notices by itself.
    HalfOpen,
    /// Bytes that nobody sent appear on a connection.
    Garbage,
    /// A component stops sending, even signs of life.
    Mute,
    /// A hub dies and starts again with nothing.
    Restart,
    /// A hub is stopped in order and started again.
    Stop,
    /// The clock jumps forward.
    Jump,
    /// A hub's process is stopped for a while: what comes waits, and so do its deadlines.
    Freeze,
    /// Somebody sets the clock on the wall of a hub's machine, forward or back.
    Clock,
}

/// What components do beside sending messages to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Sign out and in again.
    Churn,
    /// Close the connection and come back under the same name, at once.
    Reconnect,
    /// Use the name of somebody else.
    WrongSender,
    /// Send to components and nodes that do not exist.
    UnknownReceiver,
    /// Send the Coordinator what is not JSON, not JSON-RPC, or not a method.
    BadCalls,
    /// Send large messages and many frames.
    Big,
    /// Send messages beyond every bound.
    Oversize,
    /// Send a hundred messages at once, to one receiver.
    Burst,
    /// Break a message off in the middle and stop.
    HalfMessage,
}

/// Largest message that a hub takes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) hubs: usize,
    pub(crate) clients: usize,
    /// Components beyond this number share a name with another one.
    pub(crate) names: usize,
    pub(crate) chaos_ms: u64,
    /// Longest pause between two deeds of a component.
    pub(crate) pause_ms: u64,
    /// Mean time between two faults.
    pub(crate) fault_ms: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) habits: Vec<Habit>,
    /// Longest delay of a pipe.
    pub(crate) delay_ms: u64,
    /// One pipe in this many is handed on byte by byte.
    pub(crate) single_bytes_one_in: u64,
    pub(crate) config: Config,
}

impl Swarm {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let some = |rng: &mut Rng, n: u64| rng.below(n) > 0;
        let quiet = rng.one_in(5);
        let mut faults = Vec::new();
        let mut habits = Vec::new();
        for fault in [
            Fault::Stall,
            Fault::Cut,
            Fault::HalfOpen,
            Fault::Garbage,
            Fault::Mute,
            Fault::Restart,
            Fault::Stop,
            Fault::Jump,
            Fault::Freeze,
            Fault::Clock,
        ] {
            if !quiet && rng.one_in(2) {
                faults.push(fault);
            }
        }
        for habit in [
            Habit::Churn,
            Habit::Reconnect,
            Habit::WrongSender,
            Habit::UnknownReceiver,
            Habit::BadCalls,
            Habit::Big,
            Habit::Oversize,
            Habit::Burst,
            Habit::HalfMessage,
        ] {
            let breaks = matches!(habit, Habit::Oversize | Habit::HalfMessage | Habit::Reconnect);
            if rng.one_in(2) && !(quiet && breaks) {
                habits.push(habit);
            }
        }
        let clients = rng.between(3, 10) as usize;
        let stall_ms = rng.pick(&[50, 200, 1000]);
        let mut config = Config {
            expiration_s: rng.pick(&[2, 5, 15]),
            cleaning_interval_s: rng.pick(&[1, 2, 5]),
            takeover_ms: rng.pick(&[100, 500]),
            return_ms: 0,
            hint_s: 0,
            heartbeat_s: rng.pick(&[1, 5, 10]),
            handshake_s: rng.pick(&[2, 10]),
            frame_bytes_max: MESSAGE_BYTES_MAX,
            message_bytes_max: MESSAGE_BYTES_MAX,
            ring_bytes_max: rng.pick(&[4 << 10, 16 << 10, 64 << 10, 1 << 20]),
            stall_ms,
            slow_ms: stall_ms + rng.pick(&[200, 2000, 9000]),
            memory_max: rng.pick(&[2 << 20, 4 << 20, 64 << 20]),
            log_level: log::LevelFilter::Off,
            ..Config::default()
        };
        config.host = "sim".to_owned();
        config.check().expect("the simulator chooses legal settings");
        Self {
            hubs: rng.between(1, 4) as usize,
            clients,
            names: if quiet || some(rng, 3) { clients } else { rng.between(2, clients as u64) as usize },
            chaos_ms: rng.between(3_000, 12_000),
            pause_ms: rng.pick(&[50, 100, 400]),
            fault_ms: rng.pick(&[200, 1000, 3000]),
            faults,
            habits,
            delay_ms: rng.pick(&[0, 1, 10, 40]),
            single_bytes_one_in: rng.pick(&[20, 100, 1000]),
            config,
        }
    }

    /// No faults, nobody who breaks connections or signs out, no name shared: nothing can be excused.
    pub(crate) fn make_quiet(&mut self) {
        self.faults.clear();
        self.habits.retain(|habit| matches!(habit, Habit::Big | Habit::BadCalls | Habit::UnknownReceiver));
        self.names = self.clients;
        self.config.memory_max = 64 << 20;
    }

    pub(crate) fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    /// Time within which everything must be in order once faults have stopped: dead links and silent names are found after three
    /// times their patience, then a node is dialled again with its longest pause, twice, and tells the rest.
    pub(crate) fn calm_ms(&self) -> u64 {
        let patience = self.config.expiration_s.max(self.config.heartbeat_s) * 1000;
        4 * patience + 5 * self.config.cleaning_interval_s * 1000 + self.config.slow_ms + 40_000
    }
}
