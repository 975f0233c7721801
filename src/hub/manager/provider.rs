//! Providers: where a session's data comes from, what is known of it, and how far it has been played.
//!
//! Owns the table of them, and of each of them only what it is: when something happens to it is decided by the Manager.

use std::sync::Weak;

use crate::control::replay;
use crate::control::reply::{ProviderType, Status};
use crate::control::section::{self, Section};
use crate::control::viewer::Bits;
use crate::rcrs::kernel::{Dialect, KernelViewer};
use crate::rcrs::message::Config;
use crate::store::table::Table;
use crate::time::{Span, Tick};

use super::making::Making;
use super::past::Past;
use super::second_look::SecondLook;
use super::second_reading::SecondReading;
use super::track::{Static, Track};
use super::world::{self, MapDraft, ProviderWorld, Statics};
use crate::hub::call::ReplyTo;
use crate::hub::keys::{OfProviders, PeerKey, ProviderKey, SessionKey};
use crate::hub::peers::Asker;
use crate::hub::recorder::RecordingId;
use crate::hub::shelf::{Content, FileId};

/// Milliseconds of a timestep where the log does not say.
const STEP_MS: u64 = 1000;
/// Kernel configuration: milliseconds that agents have to think in each step.
const THINK_TIME: &str = "kernel.agents.think-time";
/// Shortest and longest pause between attempts to reach a kernel.
const KERNEL_PAUSE: Span = Span(100);
const KERNEL_PAUSE_MAX: Span = Span(2000);

/// A live kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) dialect: Dialect,
    pub(super) machine: Option<Box<KernelViewer>>,
    pub(super) peer: Option<PeerKey>,
    pause: Span,
    /// Since when it is being tried to connect.
    pub(super) since: Tick,
    /// The kernel has answered on this connection.
    pub(super) answered: bool,
    /// The world of this connection is there. Until then an older one may be shown.
    pub(super) has_world: bool,
    /// However a run of it ends, the next one is waited for.
    pub(super) is_kept: bool,
    /// Its world, asked for once more because timesteps were lost; and how often that was done on this connection.
    pub(super) second_look: Option<Box<SecondLook>>,
    pub(super) looks: u32,
    /// Timesteps were lost before the one that is being applied.
    pub(super) has_lost: bool,
}

impl Kernel {
    pub(super) fn new(host: &str, port: u16, dialect: Dialect, is_kept: bool, now: Tick) -> Self {
        Self {
            host: host.to_owned(),
            port,
            dialect,
            machine: None,
            peer: None,
            pause: KERNEL_PAUSE,
            since: now,
            answered: false,
            has_world: false,
            is_kept,
            second_look: None,
            looks: 0,
            has_lost: false,
        }
    }

    /// Whether a connection is that of a second look.
    pub(super) fn is_look(&self, link: PeerKey) -> bool {
        self.second_look.as_ref().is_some_and(|look| look.peer == Some(link))
    }

    /// Whether its world, asked for once more, is being compared with ours.
    pub(super) fn is_exchanging(&self) -> bool {
        self.second_look.as_ref().is_some_and(|look| look.is_exchanging())
    }

    /// How long to wait until the next attempt; longer each time.
    pub(super) fn next_pause(&mut self) -> Span {
        let pause = self.pause;
        self.pause = pause.times(2).min(KERNEL_PAUSE_MAX);
        pause
    }

    /// Nothing comes by the present connection any more.
    pub(super) fn forget_link(&mut self) -> Option<PeerKey> {
        (self.machine, self.answered, self.has_world, self.has_lost) = (None, false, false, false);
        self.peer.take()
    }

    /// It has been reached: attempts to come begin with the shortest pause.
    pub(super) const fn was_reached(&mut self) {
        self.pause = KERNEL_PAUSE;
    }
}

/// A log that is played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) track: Track,
    pub(super) seek: Option<Box<SecondReading>>,
    /// When the next timestep is due; `None` while the clock stands.
    pub(super) due: Option<Tick>,
    /// How long it was still to the next timestep when the clock was stopped.
    pub(super) left: Option<Span>,
    pub(super) step: Span,
    /// So many times its own speed it is played, whatever else its session says.
    pub(super) speed: f64,
    /// The timestep up to which it is played at once, and unseen.
    pub(super) skips_to: Option<i32>,
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
            speed: 1.0,
            skips_to: None,
            is_used: false,
        }
    }

    /// Stops the clock; the time to the next timestep is kept.
    pub(super) fn stop_clock(&mut self, now: Tick) {
        self.left = self.due.take().map(|due| due.since(now));
    }

    /// The speed has changed: the next timestep comes at the latest at the new pace.
    pub(super) fn hasten(&mut self, now: Tick, pace: Span) {
        self.due = self.due.map(|due| due.min(now + pace));
        self.left = self.left.map(|left| left.min(pace));
    }

    /// Whether the timestep up to which it is played unseen is this one, or lies before it; then it is not any more.
    pub(super) fn has_skipped_to(&mut self, time: i32) -> bool {
        let is_there = self.skips_to.take_if(|wanted| *wanted <= time).is_some();
        if is_there {
            // The next timestep comes at the usual pace.
            (self.due, self.left) = (None, None);
        }
        is_there
    }

    /// Time from one timestep to the next: that of the recording, by the configured speed, its own and the session's.
    pub(super) fn pace(&self, speed_percent: u64, multiple: f64) -> Span {
        let plain = self.step.0 * 100 / speed_percent.max(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a float that is too large for the integer becomes its largest"
        )]
        let pace = (plain as f64 / (multiple * self.speed)).clamp(0.0, 86_400_000.0) as u64;
        Span(pace)
    }
}

/// Where the data comes from.
#[derive(Debug)]
pub(super) enum Source {
    Kernel(Box<Kernel>),
    Log(Box<Play>),
    /// A program that pushes its timesteps.
    Feed,
}

/// An initial result that viewers may share while one of them still has to be sent it.
#[derive(Debug)]
pub(super) struct Initial {
    pub(super) echoed: Bits,
    pub(super) chosen: Bits,
    pub(super) behind: bool,
    pub(super) bytes: Weak<Vec<u8>>,
}

/// A viewer that waits for a fresh start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latecomer {
    pub(super) viewer: PeerKey,
    pub(super) wish: Wish,
}

/// Why a viewer gets a fresh start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It has asked for one, in these words.
    Asked(Bits),
    /// What it sees is another thing now; or it has lost timesteps, which it is told then.
    Unasked { behind: bool },
}

/// What is known of a provider, wherever its data comes from.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) id: i64,
    pub(super) kind: ProviderType,
    /// `host/port`, or the file name as given.
    pub(super) ids: String,
    pub(super) status: Status,
    /// Why it has ended, where that was an error; why it is waited for, where a kernel has said so.
    pub(super) reason: String,
    /// Last timestep received; 0 before the first.
    pub(super) time: i32,
    /// When that was; `None` before the first.
    pub(super) stepped: Option<Tick>,
    /// Last timestep there will be, as far as known; 0 before.
    pub(super) time_max: i32,
    pub(super) world: ProviderWorld,
    pub(super) statics: Statics,
    pub(super) map_draft: MapDraft,
    /// The timestep that is being applied to the world: until that is done the world is shown to nobody.
    pub(super) making: Option<Box<Making>>,
    /// Worlds that are of no use any more, until somebody lets go of them.
    unused: Vec<ProviderWorld>,
    /// Who waits for a fresh start until then.
    pub(super) latecomers: Vec<Latecomer>,
    /// World and map are there: viewers can be served.
    pub(super) loaded: bool,
    /// The world section of `time`, once somebody wanted it.
    pub(super) encoded_world: Option<Vec<u8>>,
    /// Initial results of `time` that are still on their way to a viewer.
    pub(super) initials: Vec<Initial>,
    /// Recent timesteps of a live kernel.
    pub(super) past: Past,
    pub(super) session: Option<SessionKey>,
    /// Timesteps of a live simulation went by while the session did not run.
    pub(super) unseen: bool,
    pub(super) recording: Option<RecordingId>,
    /// It ends with the timestep that is being applied.
    pub(super) ends_recording: bool,
    /// Why it is not recorded, or not to its end; empty where all is well.
    pub(super) unrecorded: String,
    /// Who has had it opened and is answered once it can be shown, or cannot.
    pub(super) opener: ReplyTo,
    /// Bytes that the pool counts for it.
    pub(super) accounted: usize,
}

impl Provider {
    /// Whether it ended before anything of it could be shown, and nobody has it in a session.
    pub(super) fn is_a_failure(&self) -> bool {
        self.status == Status::Errored && !self.loaded && self.stepped.is_none() && self.session.is_none()
    }

    fn new(id: i64, kind: ProviderType, ids: String) -> Self {
        Self {
            id,
            kind,
            ids,
            status: Status::Online,
            reason: String::new(),
            time: 0,
            stepped: None,
            time_max: 0,
            world: ProviderWorld::Empty,
            statics: Statics::default(),
            map_draft: MapDraft::default(),
            making: None,
            unused: Vec::new(),
            latecomers: Vec::new(),
            loaded: false,
            encoded_world: None,
            initials: Vec::new(),
            past: Past::default(),
            session: None,
            unseen: false,
            recording: None,
            ends_recording: false,
            unrecorded: String::new(),
            opener: ReplyTo::Nobody,
            accounted: 0,
        }
    }

    /// Whether its world is not to be changed, nor shown, before something else has been done.
    pub(super) const fn is_busy(&self) -> bool {
        self.has_new_world() || self.making.is_some()
    }

    /// Whether there is a world that is yet to be made ready for viewers.
    pub(super) const fn has_new_world(&self) -> bool {
        !self.loaded && !matches!(self.world, ProviderWorld::Empty)
    }

    /// Lets go of the encoded world and of old timesteps; answers whether there were any.
    pub(super) fn forget_past(&mut self) -> bool {
        self.encoded_world.take().is_some() | self.past.forget()
    }

    /// The world is another: what was encoded of it is of no use any more.
    pub(super) fn forget_encoded(&mut self) {
        self.encoded_world = None;
        self.map_draft = MapDraft::default();
        self.initials.clear();
    }

    /// The world section of the present timestep, encoded when first wanted.
    pub(super) fn world_section(&mut self) -> &[u8] {
        if self.encoded_world.is_none() {
            self.encoded_world = Some(self.world.encode_world());
        }
        self.encoded_world.as_deref().unwrap_or_default()
    }

    /// Keeps the world as it is now, for those who ask for it later.
    pub(super) fn remember_world(&mut self, bytes_max: usize) {
        let world = self.encoded_world.take().unwrap_or_else(|| self.world.encode_world());
        self.past.keep_world(&world, bytes_max);
        self.encoded_world = Some(world);
    }

    /// Starts from nothing, for a connection made anew.
    pub(super) fn reset(&mut self) {
        self.time = 0;
        self.stepped = None;
        self.time_max = 0;
        self.unused.push(core::mem::take(&mut self.world));
        self.give_up_making();
        self.loaded = false;
        self.forget_encoded();
        self.past.forget();
        self.come_online();
    }

    /// What is being made is not wanted any more.
    pub(super) fn give_up_making(&mut self) {
        self.unused.extend(self.making.take().into_iter().flat_map(|making| making.into_worlds()));
    }

    /// Worlds that are of no use any more.
    pub(super) fn take_unused(&mut self) -> impl Iterator<Item = ProviderWorld> {
        self.unused.drain(..).chain(self.past.unused.drain(..))
    }

    /// It is alive again.
    pub(super) fn come_online(&mut self) {
        self.status = Status::Online;
        self.reason.clear();
        // They say what it was before.
        self.initials.clear();
    }

    /// Gives back all that it has shown, but not how far it had come.
    pub(super) fn give_back(&mut self) {
        let (status, time, time_max) = (self.status, self.time, self.time_max);
        let (reason, stepped) = (core::mem::take(&mut self.reason), self.stepped);
        self.reset();
        self.statics = Statics::default();
        (self.status, self.time, self.time_max) = (status, time, time_max);
        (self.reason, self.stepped) = (reason, stepped);
    }

    /// Files the configuration of a kernel.
    pub(super) fn file_config(&mut self, config: &Config) {
        if let Some(steps) = config.timesteps()
            && self.time_max == 0
        {
            self.time_max = steps;
        }
        config.map_name().unwrap_or_default().clone_into(&mut self.statics.map_name);
        self.statics.config = world::encode_config(config);
    }

    /// Files the map, or the configuration, as a record has it.
    pub(super) fn file_section(&mut self, section: Section, value: &[u8]) {
        let mut out = Vec::new();
        section::raw(&mut out, section, value);
        match section {
            Section::Map => self.statics.map = out,
            Section::Config => self.statics.config = out,
            Section::World | Section::Commands | Section::Changes | Section::Perceptions => {}
        }
    }

    /// Files a static part of a log; answers whether the provider can be shown from here on.
    pub(super) fn file_static(&mut self, play: &mut Play, item: Static) -> bool {
        match item {
            Static::Config(config) => {
                if let Some(step) = config.get(THINK_TIME).and_then(step_of) {
                    play.step = step;
                }
                self.file_config(&config);
                return self.has_new_world();
            }
            Static::Section(section, value) => {
                let config = if section == Section::Config { replay::config(&value).ok() } else { None };
                let think = config.and_then(|all| all.into_iter().find(|(key, _)| key == THINK_TIME));
                if let Some(step) = think.and_then(|(_, text)| step_of(&text)) {
                    play.step = step;
                }
                self.file_section(section, &value);
            }
            Static::TimeMax(time) => self.time_max = i32::try_from(time).unwrap_or(0),
            Static::MapName(name) => self.statics.map_name = name,
        }
        false
    }
}

/// How long a timestep takes, by the time that agents had to think.
fn step_of(think: &str) -> Option<Span> {
    think.trim().parse::<u64>().ok().map(|think| Span(think.clamp(1, 3_600_000)))
}

/// A provider and where its data comes from.
#[derive(Debug)]
pub(super) struct ProviderEntry {
    pub(super) provider: Provider,
    pub(super) source: Source,
    /// The other machine that had it opened.
    pub(super) asked_by: Asker,
}

impl ProviderEntry {
    /// Whether there is nothing to show yet, or nothing newer than what an earlier connection has brought.
    pub(super) fn waits(&self) -> bool {
        let has_world = match &self.source {
            Source::Kernel(kernel) => kernel.has_world,
            Source::Log(_) | Source::Feed => true,
        };
        self.provider.status == Status::Online && !(has_world && self.provider.loaded)
    }

    /// Memory it holds, about: worlds, what is encoded of them, old timesteps, what has been read ahead.
    pub(super) fn bytes(&self) -> usize {
        let Self { provider, source, .. } = self;
        let encoded = provider.statics.map.len()
            + provider.statics.config.len()
            + provider.map_draft.out.len()
            + provider.encoded_world.as_ref().map_or(0, Vec::len)
            + provider.making.as_ref().map_or(0, |making| making.bytes());
        let log = match source {
            Source::Kernel(kernel) => kernel.second_look.as_ref().map_or(0, |look| look.bytes()),
            Source::Log(play) => play.track.bytes() + play.seek.as_ref().map_or(0, |seek| seek.bytes()),
            Source::Feed => 0,
        };
        provider.world.bytes() + encoded + provider.past.bytes() + log
    }
}

/// Every provider that is open. Ids are never given twice.
#[derive(Debug)]
pub(super) struct Providers {
    table: Table<ProviderEntry, OfProviders>,
    next_id: i64,
}

impl Providers {
    pub(super) fn new(most: usize) -> Self {
        Self { table: Table::new(most), next_id: 1 }
    }

    /// Opens a provider; nothing changes where there are too many.
    pub(super) fn open(
        &mut self,
        kind: ProviderType,
        ids: String,
        source: Source,
        asked_by: Asker,
    ) -> Result<(ProviderKey, i64), NotOpened> {
        let id = self.next_id;
        let entry = ProviderEntry { provider: Provider::new(id, kind, ids), source, asked_by };
        let key = self.table.insert(entry).map_err(|_| NotOpened::Full("too many providers".to_owned()))?;
        self.next_id += 1;
        Ok((key, id))
    }

    pub(super) fn remove(&mut self, key: ProviderKey) -> Option<ProviderEntry> {
        self.table.remove(key)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether a provider of this id was open once.
    pub(super) const fn had(&self, id: i64) -> bool {
        id >= 1 && id < self.next_id
    }

    pub(super) fn key_of(&self, id: i64) -> Option<ProviderKey> {
        self.iter().find(|(_, provider)| provider.id == id).map(|(key, _)| key)
    }

    pub(super) fn key_at(&self, slot: usize) -> Option<ProviderKey> {
        self.table.key_at(slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ProviderKey, &Provider)> {
        self.entries().map(|(key, entry)| (key, &entry.provider))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (ProviderKey, &ProviderEntry)> {
        self.table.iter()
    }

    pub(super) fn get(&self, key: ProviderKey) -> Option<&Provider> {
        Some(&self.table.get(key)?.provider)
    }

    pub(super) fn get_mut(&mut self, key: ProviderKey) -> Option<&mut Provider> {
        Some(&mut self.entry_mut(key)?.provider)
    }

    pub(super) fn entry(&self, key: ProviderKey) -> Option<&ProviderEntry> {
        self.table.get(key)
    }

    pub(super) fn entry_mut(&mut self, key: ProviderKey) -> Option<&mut ProviderEntry> {
        self.table.get_mut(key)
    }

    /// The provider, if its data comes from a log.
    pub(super) fn log(&self, key: ProviderKey) -> Option<(&Provider, &Play)> {
        match self.table.get(key)? {
            ProviderEntry { provider, source: Source::Log(play), .. } => Some((provider, play)),
            ProviderEntry { source: Source::Kernel(_) | Source::Feed, .. } => None,
        }
    }

    /// The same, to change it.
    pub(super) fn log_mut(&mut self, key: ProviderKey) -> Option<(&mut Provider, &mut Play)> {
        match self.table.get_mut(key)? {
            ProviderEntry { provider, source: Source::Log(play), .. } => Some((provider, play)),
            ProviderEntry { source: Source::Kernel(_) | Source::Feed, .. } => None,
        }
    }

    /// The provider, if its data comes from a kernel.
    pub(super) fn kernel(&self, key: ProviderKey) -> Option<(&Provider, &Kernel)> {
        match self.table.get(key)? {
            ProviderEntry { provider, source: Source::Kernel(kernel), .. } => Some((provider, kernel)),
            ProviderEntry { source: Source::Log(_) | Source::Feed, .. } => None,
        }
    }

    /// The same, to change it.
    pub(super) fn kernel_mut(&mut self, key: ProviderKey) -> Option<(&mut Provider, &mut Kernel)> {
        match self.table.get_mut(key)? {
            ProviderEntry { provider, source: Source::Kernel(kernel), .. } => Some((provider, kernel)),
            ProviderEntry { source: Source::Log(_) | Source::Feed, .. } => None,
        }
    }
}

/// Why a provider is not opened.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) enum NotOpened {
    /// As many are open as may be, of all or of somebody's, or memory is short.
    Full(String),
    /// It, or what is asked, is to blame.
    Failed(String),
}

impl NotOpened {
    pub(in crate::hub) fn reason(self) -> String {
        match self {
            Self::Full(reason) | Self::Failed(reason) => reason,
        }
    }
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}
