//! Reads a log or a recording from its beginning on, in pieces, up to the next whole timestep.
//!
//! Owns what has been read and makes no whole timestep yet. Must not know files, which a [`Shelf`] has, nor when a timestep is shown.

use crate::control::section::Section;
use crate::control::vlog::{self, Player};
use crate::limits::STEP_PERCEPTION_BYTES_MAX;
use crate::rcrs::log::Ending;
use crate::rcrs::message::{ChangeSet, Command, Config, Perception, Record};

use super::world::{Perceived, ProviderWorld, Raw};
use crate::hub::shelf::{Advance, Content, FileId, Shelf};

/// What one piece of reading brought.
pub(super) enum Found {
    /// More can be read.
    More,
    /// The next timestep is whole.
    Timestep,
    /// No more will come.
    Ended(Result<Ending, String>),
}

/// What does not change while a provider runs, as it comes.
pub(super) enum Static {
    Config(Config),
    Section(Section, Vec<u8>),
    TimeMax(i64),
    MapName(String),
}

/// Reads a log or recording from its beginning on, one timestep at a time.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) file: FileId,
    pub(super) content: Content,
    player: Player,
    /// Bytes of a recording that make no whole item yet.
    held: Vec<u8>,
    /// The held bytes have been looked through: more must be read.
    starved: bool,
    commands: Vec<Command>,
    perceptions: Vec<Perceived>,
    perceptions_bytes: usize,
    /// The next timestep, whole.
    pub(super) next: Option<Raw>,
    pub(super) ended: bool,
    /// It has ended before its end.
    pub(super) is_cut: bool,
    /// A timestep was found.
    has_stepped: bool,
    /// How it has ended, where its first world is shown before that is said.
    over: Option<Ending>,
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
            is_cut: false,
            has_stepped: false,
            over: None,
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
    pub(super) fn bytes(&self) -> usize {
        let next = match &self.next {
            Some(Raw::Replay { bytes, .. }) => bytes.len(),
            Some(Raw::Kernel { .. } | Raw::Fed { .. }) | None => 0,
        };
        self.held.len() + self.perceptions_bytes + next
    }

    /// Whether it should be read on.
    pub(super) const fn is_hungry(&self) -> bool {
        self.next.is_none() && !self.ended
    }

    /// Reads one bounded piece, a kernel's first world going to `world`: what it brought, and what does not change that came with it.
    pub(super) fn read_piece(
        &mut self,
        shelf: &mut dyn Shelf,
        world: &mut ProviderWorld,
    ) -> (Result<Found, String>, Vec<Static>) {
        let mut statics = Vec::new();
        if let Some(ending) = self.over.take() {
            return (Ok(Found::Ended(Ok(ending))), statics);
        }
        let read = match self.next_piece(shelf) {
            Advance::Working => Ok(Found::More),
            Advance::Ended(ending) if !self.player.lacks_end() && self.may_end() => Ok(Found::Ended(Ok(ending))),
            Advance::Ended(_) => Ok(Found::Ended(Ok(Ending::Truncated))),
            Advance::Failed(reason) => Ok(Found::Ended(Err(reason))),
            Advance::Record(record) => self.take_record(world, record, &mut statics),
            Advance::Bytes(bytes) => {
                self.held.extend_from_slice(&bytes);
                self.take_items(&mut statics)
            }
        };
        let read = match read {
            Ok(Found::Ended(Ok(ending)))
                if !self.has_stepped && matches!(world, ProviderWorld::Coming(_) | ProviderWorld::Kernel(_)) =>
            {
                // It ends before its first timestep: there is its first world to be seen, in which nothing changes.
                self.over = Some(ending);
                self.end_timestep(0, ChangeSet::default());
                Ok(Found::Timestep)
            }
            read => read,
        };
        self.has_stepped |= matches!(read, Ok(Found::Timestep));
        // A piece of a recording may hold several timesteps: what is left of it comes first next time.
        (read, statics)
    }

    /// Whether nothing is torn where it ends.
    fn may_end(&self) -> bool {
        self.held.is_empty() || self.player.may_end(self.held.len())
    }

    /// Reads on, unless what has been read already can hold the next timestep.
    fn next_piece(&self, shelf: &mut dyn Shelf) -> Advance {
        if self.content == Content::Viewer && !self.starved && !self.held.is_empty() {
            return Advance::Bytes(Vec::new());
        }
        shelf.advance(self.file)
    }

    fn take_record(
        &mut self,
        world: &mut ProviderWorld,
        record: Record,
        statics: &mut Vec<Static>,
    ) -> Result<Found, String> {
        match record {
            Record::Start => Ok(Found::More),
            Record::Initial(entities) => {
                *world = ProviderWorld::coming(entities)?;
                Ok(Found::More)
            }
            Record::Config(config) => {
                statics.push(Static::Config(config));
                Ok(Found::More)
            }
            Record::Perception(perception) => {
                self.add_perception(perception)?;
                Ok(Found::More)
            }
            Record::Commands { commands, .. } => {
                self.commands = commands;
                Ok(Found::More)
            }
            Record::Updates { time, changes } => {
                self.end_timestep(time, changes);
                Ok(Found::Timestep)
            }
            Record::End => Ok(Found::Ended(Ok(Ending::Whole))),
        }
    }

    /// Keeps what an agent perceived until the timestep is whole.
    fn add_perception(&mut self, perception: Perception) -> Result<(), String> {
        let perceived = Perceived::new(perception);
        self.perceptions_bytes += perceived.bytes();
        if self.perceptions_bytes > STEP_PERCEPTION_BYTES_MAX {
            return Err("too much is perceived in one timestep".to_owned());
        }
        self.perceptions.push(perceived);
        Ok(())
    }

    /// Updates end a timestep of a kernel's log.
    fn end_timestep(&mut self, time: i32, changes: ChangeSet) {
        let commands = core::mem::take(&mut self.commands);
        let perceptions = core::mem::take(&mut self.perceptions);
        self.perceptions_bytes = 0;
        self.next = Some(Raw::Kernel { time, commands, perceptions, changes });
    }

    /// Takes whole items out of the bytes of a recording, up to the next timestep.
    fn take_items(&mut self, statics: &mut Vec<Static>) -> Result<Found, String> {
        let mut used = 0;
        let mut record = None;
        loop {
            let rest = self.held.get(used..).unwrap_or_default();
            match self.player.step(rest).map_err(|error| error.to_string())? {
                vlog::Progress::More => break,
                vlog::Progress::Took(n, item) => {
                    used += n;
                    match item {
                        vlog::Item::MaxTimeStep(time) => statics.push(Static::TimeMax(time)),
                        vlog::Item::MapName(name) => statics.push(Static::MapName(name.to_owned())),
                        vlog::Item::Static(section, value) => statics.push(Static::Section(section, value.to_vec())),
                        vlog::Item::Record { time, bytes } => {
                            let time = i32::try_from(time).map_err(|_| "a timestep is out of range".to_owned())?;
                            record = Some((time, bytes.len()));
                            break;
                        }
                        vlog::Item::Nothing => {}
                    }
                }
            }
        }
        self.starved = record.is_none();
        let Some((time, len)) = record else {
            self.held.drain(..used);
            return Ok(Found::More);
        };
        // A record may be large, and what stands around it is not: it is not copied.
        let behind = self.held.split_off(used);
        let mut bytes = core::mem::replace(&mut self.held, behind);
        bytes.drain(..used - len);
        self.next = Some(Raw::Replay { time, bytes });
        Ok(Found::Timestep)
    }
}
