//! The Manager: providers, what they show, and the viewers that watch.
//!
//! Owns every provider, log, recording and viewer, and what each session shows. It must not know what a session, a component or a node
//! is: of a session it has the key, its state and its speed, which it is told ([`Manager::flow_changed`]), and what it has to say to a
//! session is an event. Nor must it know who calls its functions, and in which protocol.
//!
//! Work that does not fit one call is a job: the hub says that it is due at once, and each turn does one bounded piece of the job at the
//! front, so that no message waits behind a log.

mod answers;
mod feed;
mod functions;
mod jobs;
mod kernel;
mod look;
mod making;
mod memory;
mod past;
mod play;
mod provider;
mod recording;
mod recordings;
mod remains;
mod rows;
mod second_look;
mod second_reading;
mod seek;
mod show;
mod shows;
mod step;
mod steps;
#[cfg(test)]
mod tests;
mod track;
mod viewer;
mod viewers;
mod world;

use core::net::SocketAddr;

use crate::config::Config;
use crate::store::sorted::Sorted;
use crate::store::timers::Timers;
use crate::time::Tick;

use jobs::{Job, Jobs};
pub(in crate::hub) use provider::NotOpened;
use provider::Providers;
use recordings::Recordings;
use remains::Remains;
pub(in crate::hub) use rows::{Batch, Chosen, ProviderRow, ViewerRow, chosen, is_chosen, no_such, these};
use show::Show;
pub(in crate::hub) use show::{Shown, Unfit};
use viewer::Viewers;

use super::keys::SessionKey;
use super::peers::{Peers, Topic};
use super::recorder::Recorder;
use super::shelf::{NoShelf, Shelf};

/// Deadlines of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The next timestep of a log is due.
    Timestep,
    /// A kernel is to be dialled, or must have said something.
    Dial,
    /// Whoever had it opened has waited long enough.
    Answer,
    /// A kernel that was asked for its world once more must have sent it.
    Look,
}

impl Timer {
    const KINDS: usize = 4;

    const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Timestep,
            1 => Self::Dial,
            2 => Self::Answer,
            3 => Self::Look,
            _ => return None,
        })
    }
}

/// The Manager. See the module's documentation.
#[derive(Debug)]
pub(super) struct Manager {
    providers: Providers,
    timers: Timers<{ Timer::KINDS }>,
    /// Sessions that have a provider, or had.
    shows: Sorted<SessionKey, Show>,
    viewers: Viewers,
    jobs: Jobs,
    remains: Remains,
    shelf: Box<dyn Shelf>,
    recordings: Recordings,
    viewer_port: u16,
    control_addresses: Vec<SocketAddr>,
}

impl Manager {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            providers: Providers::new(config.providers_max),
            timers: Timers::default(),
            shows: Sorted::new(),
            viewers: Viewers::new(),
            jobs: Jobs::default(),
            remains: Remains::default(),
            shelf: Box::new(NoShelf),
            recordings: Recordings::new(config.memory_max),
            viewer_port: config.port.wrapping_add(11),
            control_addresses: Vec::new(),
        }
    }

    /// Gives it files: logs to play. Without, it has none.
    pub(super) fn set_shelf(&mut self, shelf: Box<dyn Shelf>) {
        self.shelf = shelf;
    }

    /// From here on logs are opened below these directories.
    pub(super) fn set_log_directories(&mut self, directories: &[String]) {
        self.shelf.set_directories(directories);
    }

    /// Has every provider recorded from now on. Without, none is.
    pub(super) fn set_recorder(&mut self, recorder: Box<dyn Recorder>) {
        self.recordings.set_recorder(recorder);
    }

    /// The port that viewers are told to connect to.
    pub(super) const fn set_viewer_port(&mut self, port: u16) {
        self.viewer_port = port;
    }

    /// The addresses on which controllers are heard.
    pub(super) fn set_control_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.control_addresses = addresses;
    }

    // ---- Deadlines and jobs ----

    /// Viewers that are connected.
    pub(super) fn viewers_connected(&self) -> usize {
        self.viewers.len()
    }

    /// Providers that are open.
    pub(super) fn providers_open(&self) -> usize {
        self.providers.len()
    }

    pub(super) fn soonest(&self) -> Option<Tick> {
        self.timers.soonest()
    }

    /// Plays and dials what is due.
    pub(super) fn expire(&mut self, peers: &mut Peers) {
        while let Some((slot, kind)) = self.timers.pop_due(peers.now) {
            let Some(key) = self.providers.key_at(slot) else { continue };
            match Timer::from_index(kind) {
                Some(Timer::Timestep) => self.play_due(peers, key),
                Some(Timer::Dial) => self.dial_kernel(peers, key),
                Some(Timer::Answer) => self.answer_opener(peers, key),
                Some(Timer::Look) => self.look_failed(peers, key, "the kernel does not send its world once more"),
                None => {}
            }
        }
    }

    /// Whether there is work that is due at once.
    pub(super) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Does one bounded piece of the job at the front.
    pub(super) fn do_one_job(&mut self, peers: &mut Peers) {
        let Some(job) = self.jobs.next() else { return };
        let (key, goes_on) = match job {
            Job::Play(key) => (key, self.play_piece(peers, key)),
            Job::Load(key) => (key, self.load_piece(peers, key)),
            Job::Step(key) => (key, self.step_piece(peers, key)),
            Job::Look(key) => (key, self.look_piece(peers, key)),
            Job::Seek(key) => (key, self.seek_piece(peers, key)),
            Job::Past(key) => (key, self.past_piece(peers, key)),
            Job::Kernel(link) => return peers.resume(link),
            Job::LetGo => {
                if self.remains.piece() {
                    self.jobs.add(job);
                }
                return;
            }
        };
        if goes_on {
            self.jobs.add(job);
        }
        self.account(peers, key);
    }
}

/// Tells whoever looks on what has become of a provider.
fn tell(peers: &mut Peers, id: i64, about: &str, change: &str) {
    peers.news.add(Topic::Providers, &serde_json::json!({"provider": id, "about": about, "change": change}));
}
