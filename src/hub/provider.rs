//! Providers: where a session's data comes from, what is known of it, and how far it has been played.

use std::collections::VecDeque;

use crate::control::reply::{ProviderType, Status};
use crate::control::vlog::Player;
use crate::limits::STEP_PERCEPTION_BYTES_MAX;
use crate::rcrs::kernel::{Dialect, KernelViewer};
use crate::rcrs::message::{ChangeSet, Command, Perception};
use crate::time::{Span, Tick};

use super::audience::Initial;
use super::keys::{PeerKey, SessionKey};
use super::recorder::RecordingId;
use super::scene::{MapDraft, Perceived, Raw, Scene, Statics, Step};
use super::shelf::{Content, FileId};

/// Milliseconds of a timestep where the log does not say.
const STEP_MS: u64 = 1000;

/// A live kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) dialect: Dialect,
    pub(super) machine: Option<Box<KernelViewer>>,
    pub(super) peer: Option<PeerKey>,
    pub(super) pause: Span,
    /// Since when it is being tried to connect.
    pub(super) since: Tick,
    /// The kernel has answered on this connection.
    pub(super) answered: bool,
}

/// Reads a log or recording from its beginning on, one timestep at a time.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) file: FileId,
    pub(super) content: Content,
    pub(super) player: Player,
    /// Bytes of a recording that make no whole item yet.
    pub(super) held: Vec<u8>,
    /// The held bytes have been looked through: more must be read.
    pub(super) starved: bool,
    commands: Vec<Command>,
    perceptions: Vec<Perceived>,
    perceptions_bytes: usize,
    /// The next timestep, whole.
    pub(super) next: Option<Raw>,
    pub(super) ended: bool,
}

impl Track {
    pub(super) fn new(file: FileId, content: Content) -> Self {
        Self {
            file,
            content,
            player: Player::new(),
            held: Vec::new(),
            starved: true,
            commands: Vec::new(),
            perceptions: Vec::new(),
            perceptions_bytes: 0,
            next: None,
            ended: false,
        }
    }

    /// Gives back all that it holds; it is not read on.
    pub(super) fn forget(&mut self) {
        self.next = None;
        self.held = Vec::new();
        self.commands = Vec::new();
        self.perceptions = Vec::new();
        self.perceptions_bytes = 0;
        self.ended = true;
    }

    /// Memory it holds, about.
    fn bytes(&self) -> usize {
        let next = match &self.next {
            Some(Raw::Replay { bytes, .. }) => bytes.len(),
            Some(Raw::Kernel { .. }) | None => 0,
        };
        self.held.len() + self.perceptions_bytes + next
    }

    /// Whether it should be read on.
    pub(super) const fn is_hungry(&self) -> bool {
        self.next.is_none() && !self.ended
    }

    pub(super) fn add_commands(&mut self, commands: Vec<Command>) {
        self.commands = commands;
    }

    /// Keeps what an agent perceived until the timestep is whole.
    pub(super) fn add_perception(&mut self, perception: Perception) -> Result<(), String> {
        let perceived = Perceived::new(perception);
        self.perceptions_bytes += perceived.bytes();
        if self.perceptions_bytes > STEP_PERCEPTION_BYTES_MAX {
            return Err("too much is perceived in one timestep".to_owned());
        }
        self.perceptions.push(perceived);
        Ok(())
    }

    /// Updates end a timestep of a kernel's log.
    pub(super) fn end_step(&mut self, time: i32, changes: ChangeSet) {
        let commands = core::mem::take(&mut self.commands);
        let perceptions = core::mem::take(&mut self.perceptions);
        self.perceptions_bytes = 0;
        self.next = Some(Raw::Kernel { time, commands, perceptions, changes });
    }
}

/// A viewer's question for one old timestep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) viewer: PeerKey,
    pub(super) bits: crate::control::viewer::Bits,
    pub(super) echoed: crate::control::viewer::Bits,
    pub(super) time: i64,
}

/// A second reader of the same file, for old timesteps.
#[derive(Debug)]
pub(super) struct Seek {
    pub(super) track: Track,
    pub(super) scene: Scene,
    /// The timestep that the scene shows.
    pub(super) time: i32,
    pub(super) wanted: VecDeque<Wanted>,
}

/// A log that is played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) track: Track,
    pub(super) seek: Option<Box<Seek>>,
    /// When the next timestep is due; `None` while the clock stands.
    pub(super) due: Option<Tick>,
    /// How long it was still to the next timestep when the clock was stopped.
    pub(super) left: Option<Span>,
    pub(super) step: Span,
    /// A session that has ended has played some of it.
    pub(super) is_used: bool,
}

impl Play {
    pub(super) fn new(file: FileId, content: Content) -> Self {
        Self {
            track: Track::new(file, content),
            seek: None,
            due: None,
            left: None,
            step: Span(STEP_MS),
            is_used: false,
        }
    }
}

/// Where the data comes from.
#[derive(Debug)]
pub(super) enum Source {
    Kernel(Box<Kernel>),
    Log(Box<Play>),
}

/// A provider. Opaque outside the hub.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) id: i64,
    pub(super) kind: ProviderType,
    /// `host/port`, or the file name as given.
    pub(super) ids: String,
    pub(super) status: Status,
    /// Last timestep received; 0 before the first.
    pub(super) time: i32,
    /// Last timestep there will be, as far as known; 0 before.
    pub(super) time_max: i32,
    pub(super) source: Source,
    pub(super) scene: Scene,
    pub(super) statics: Statics,
    pub(super) map_draft: MapDraft,
    /// World and map are there: viewers can be served.
    pub(super) loaded: bool,
    /// The world section of `time`, once somebody wanted it.
    pub(super) world: Option<Vec<u8>>,
    /// Initial results of `time` that are still on their way to a viewer.
    pub(super) initials: Vec<Initial>,
    /// Recent timesteps of a live kernel, oldest first.
    pub(super) history: VecDeque<Step>,
    pub(super) history_bytes: usize,
    pub(super) session: Option<SessionKey>,
    /// Timesteps of a live simulation went by while the session did not run.
    pub(super) unseen: bool,
    pub(super) recording: Option<RecordingId>,
    /// Why it is not recorded, or not to its end; empty where all is well.
    pub(super) message: String,
    /// Bytes that the pool counts for it.
    pub(super) accounted: usize,
}

impl Provider {
    pub(super) fn new(id: i64, kind: ProviderType, ids: String, source: Source) -> Self {
        Self {
            id,
            kind,
            ids,
            status: Status::Online,
            time: 0,
            time_max: 0,
            source,
            scene: Scene::Empty,
            statics: Statics::default(),
            map_draft: MapDraft::default(),
            loaded: false,
            world: None,
            initials: Vec::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            session: None,
            unseen: false,
            recording: None,
            message: String::new(),
            accounted: 0,
        }
    }

    /// Memory it holds, about: worlds, what is encoded of them, old timesteps, what has been read ahead.
    pub(super) fn bytes(&self) -> usize {
        let encoded = self.statics.map.len()
            + self.statics.config.len()
            + self.map_draft.out.len()
            + self.world.as_ref().map_or(0, Vec::len);
        let log = match &self.source {
            Source::Kernel(_) => 0,
            Source::Log(play) => {
                play.track.bytes() + play.seek.as_ref().map_or(0, |seek| seek.scene.bytes() + seek.track.bytes())
            }
        };
        self.scene.bytes() + encoded + self.history_bytes + log
    }

    /// Lets go of the encoded world and of old timesteps; answers whether there were any.
    pub(super) fn forget_past(&mut self) -> bool {
        let had = self.world.take().is_some() | !self.history.is_empty();
        self.history.clear();
        self.history_bytes = 0;
        had
    }

    /// The world is another: what was encoded of it is of no use any more.
    pub(super) fn forget_encoded(&mut self) {
        self.world = None;
        self.map_draft = MapDraft::default();
        self.initials.clear();
    }

    /// The world section of the present timestep, encoded when first wanted.
    pub(super) fn world_section(&mut self) -> &[u8] {
        if self.world.is_none() {
            self.world = Some(self.scene.encode_world());
        }
        self.world.as_deref().unwrap_or_default()
    }

    /// Keeps a timestep for those who ask for it later, within `bytes_max`.
    pub(super) fn remember(&mut self, step: Step, bytes_max: usize) {
        self.history_bytes += step.bytes();
        self.history.push_back(step);
        while self.history_bytes > bytes_max {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= oldest.bytes();
        }
    }

    /// Starts from nothing, for a connection made anew.
    pub(super) fn reset(&mut self) {
        self.time = 0;
        self.time_max = 0;
        self.scene = Scene::Empty;
        self.loaded = false;
        self.forget_encoded();
        self.history.clear();
        self.history_bytes = 0;
        self.status = Status::Online;
    }
}
