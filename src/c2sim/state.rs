//! The flow-control state machine: one table, and everything that follows from it.
//!
//! Owns the states, the triggers and what each state admits. The constant `TABLE` is the only place where a rule stands; the verdict, the
//! permitted triggers of a refusal, the effects, the diagram and the reference table are read from it, so they cannot disagree.
//!
//! Two functions, in this order: [`admit`] says what a message means for a session, without changing anything; [`effects`] says
//! what the caller then has to relay and to keep. A refusal changes nothing. Where the sources of C2SIM disagree the table follows
//! the flow-control document first, then its diagram: orders stop in PAUSED, PAUSED is left by resume or stop only, a running scenario
//! is stopped before it is reset, stop leads to INITIALIZED and keeps the initialization, and InitializationComplete is welcome both
//! before and after the share.

use core::fmt;

use super::code::Code;
use super::kind::Kind;
pub use super::options::{InitMerge, Options, PausedAllows, ShareGuard, UnknownBodies};

/// The state of one shared session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing is initialized yet, or a reset discarded it. Joins and questions are answered.
    #[default]
    Uninitialized,
    /// Initialization is being collected.
    Initializing,
    /// Initialization was shared; waiting for the systems.
    Initialized,
    /// The scenario is running.
    Running,
    /// The scenario is paused: no orders, but reports.
    Paused,
}

impl State {
    /// Every state, in the order of the table's columns.
    pub const ALL: [Self; 5] =
        [Self::Uninitialized, Self::Initializing, Self::Initialized, Self::Running, Self::Paused];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uninitialized => "UNINITIALIZED",
            Self::Initializing => "INITIALIZING",
            Self::Initialized => "INITIALIZED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
        }
    }

    /// Whether the initialization was shared, so that a late joiner may have it.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Initialized | Self::Running | Self::Paused)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The eight messages of flow control, as JSON-RPC methods name them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Start collecting initialization.
    SubmitInitialization,
    /// One system is done with its initialization; changes no state.
    InitializationComplete,
    /// Share the collected initialization with everyone.
    ShareScenario,
    /// Run.
    StartScenario,
    /// Pause.
    PauseScenario,
    /// Run on.
    ResumeScenario,
    /// Stop, keeping the initialization.
    StopScenario,
    /// Discard the initialization.
    ResetScenario,
}

impl Trigger {
    /// Every trigger, in the order of the flow-control document.
    pub const ALL: [Self; 8] = [
        Self::SubmitInitialization,
        Self::InitializationComplete,
        Self::ShareScenario,
        Self::StartScenario,
        Self::PauseScenario,
        Self::ResumeScenario,
        Self::StopScenario,
        Self::ResetScenario,
    ];

    /// The kind of the message that pulls it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::SubmitInitialization => Kind::SubmitInitialization,
            Self::InitializationComplete => Kind::InitializationComplete,
            Self::ShareScenario => Kind::ShareScenario,
            Self::StartScenario => Kind::StartScenario,
            Self::PauseScenario => Kind::PauseScenario,
            Self::ResumeScenario => Kind::ResumeScenario,
            Self::StopScenario => Kind::StopScenario,
            Self::ResetScenario => Kind::ResetScenario,
        }
    }

    /// Whether a server with a password asks for it where the trigger comes as a document: GMU's does for all but those of the share.
    #[must_use]
    pub const fn needs_password(self) -> bool {
        !matches!(self, Self::InitializationComplete | Self::ShareScenario)
    }

    /// The JSON-RPC method that pulls it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::SubmitInitialization => "submit_initialization",
            Self::InitializationComplete => "initialization_complete",
            Self::ShareScenario => "share_scenario",
            Self::StartScenario => "start_scenario",
            Self::PauseScenario => "pause_scenario",
            Self::ResumeScenario => "resume_scenario",
            Self::StopScenario => "stop_scenario",
            Self::ResetScenario => "reset_scenario",
        }
    }

    /// The trigger of that JSON-RPC method.
    #[must_use]
    pub fn from_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.method() == method)
    }

    /// The verb alone, as people type it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SubmitInitialization => "submit",
            Self::InitializationComplete => "complete",
            Self::ShareScenario => "share",
            Self::StartScenario => "start",
            Self::PauseScenario => "pause",
            Self::ResumeScenario => "resume",
            Self::StopScenario => "stop",
            Self::ResetScenario => "reset",
        }
    }

    /// The trigger that people and scripts mean by `word`: the element, the method or the verb alone, in any case of letters.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| {
            let names = [trigger.kind().element(), trigger.method(), trigger.word()];
            names.iter().any(|name| name.eq_ignore_ascii_case(word))
        })
    }

    /// The trigger a message of that kind pulls.
    #[must_use]
    pub fn from_kind(kind: Kind) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.kind() == kind)
    }
}

/// What the state machine must know of the initialization collected so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InitFacts {
    /// Initialization is stored.
    pub stored: bool,
    /// Every system the stored initialization names has reported InitializationComplete.
    pub all_complete: bool,
}

impl InitFacts {
    /// Whether ShareScenario is due.
    #[must_use]
    pub const fn share_ready(self, options: Options) -> bool {
        match options.share_guard {
            ShareGuard::Initialized => self.stored,
            ShareGuard::AllComplete => self.stored && self.all_complete,
            ShareGuard::None => true,
        }
    }
}

/// What a message means for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The session moves; everyone learns it.
    Transition {
        /// The new state.
        to: State,
    },
    /// The session stays.
    Stay {
        /// The other members get a copy.
        relay: bool,
        /// Something of it is kept, see [`Effects::keep`].
        store: bool,
    },
    /// The message is refused and nothing changes.
    Refuse {
        /// Why, for programs.
        code: Code,
        /// Why, in particulars.
        details: Details,
    },
}

/// What the details of a refusal are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// The code says it all.
    None,
    /// The session's state.
    CurrentState(State),
    /// What would be permitted instead.
    Allowed(Permitted),
    /// Who must still report InitializationComplete.
    Completion,
}

/// What the caller knows about a session, for the details of a refusal.
#[derive(Clone, Copy, Debug)]
pub struct RefusalContext<'a> {
    /// The session's name.
    pub session: &'a str,
    /// The systems its initialization names.
    pub required: Joined<'a>,
    /// The systems that reported InitializationComplete.
    pub completed: Joined<'a>,
}

/// A list of names; its text is the names joined by commas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joined<'a>(pub &'a [String]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl Details {
    /// Gives every key and value of the `details` object to `put`.
    pub fn write(&self, about: RefusalContext<'_>, mut put: impl FnMut(&'static str, &dyn fmt::Display)) {
        match self {
            Self::None => {}
            Self::CurrentState(state) => put("CURRENT_STATE", state),
            Self::Allowed(permitted) => {
                put("ACTIVE_SESSION", &about.session);
                put("ALLOWED_TRIGGERS", permitted);
            }
            Self::Completion => {
                put("REQUIRED_FEDERATES", &about.required);
                put("INIT_COMPLETED_FEDERATES", &about.completed);
            }
        }
    }
}

/// Who gets something when a message was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Nobody.
    Nobody,
    /// Every member but the sender gets the message; the sender has the answer to its own request.
    Others,
    /// The same, and in the same batch right behind it every member, the sender too, gets the shared initialization if there is one.
    OthersThenInitialization,
}

/// What of an admitted message outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// It is the initialization, or a part of it.
    Initialization,
    /// Its sender is done with initialization.
    Completion,
    /// Its realtime multiple is the session's.
    RealtimeMultiple,
    /// All that was kept is discarded.
    Discard,
}

/// What an admitted message makes the caller do, beside changing the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Who gets a copy.
    pub relay: Relay,
    /// What is kept.
    pub keep: Keep,
}

/// What one state does with one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Refused, as the row says.
    No,
    /// The session moves.
    Go(State),
    /// The session moves if the share is due.
    Share(State),
    /// Admitted.
    Stay,
    /// Admitted unless PAUSED allows nothing.
    UnlessNothing,
    /// Admitted only if PAUSED allows all.
    OnlyAll,
    /// Admitted only if bodies that no schema defines are relayed.
    OnlyRelayed,
}

/// How a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// STATE_TRANSITION_NOT_ALLOWED with what is permitted.
    Transition,
    /// INITIALIZATION_NOT_COMPLETED while the share is not due in a state that knows it, or nothing is stored; else as a transition.
    Share,
    /// C2SIM_MSG_NOT_ALLOWED_IN_STATE with the state.
    Message,
    /// The same without details.
    Completion,
    /// C2SIM_INITIALIZATION_MSG_INVALID_STATE.
    Initialization,
    /// XSD_VALIDATION_ERROR, or as a message where such bodies are relayed at all.
    Unknown,
}

/// One row: the same rule for a set of kinds.
pub(super) struct Row {
    pub(super) kinds: &'static [Kind],
    /// The name in lists of permitted triggers; empty for what is no trigger.
    pub(super) trigger: &'static str,
    /// One per [`State::ALL`].
    cells: [Cell; 5],
    refusal: Refusal,
    relay: Relay,
    keep: Keep,
}

use Cell::{Go, No, OnlyAll, OnlyRelayed, Share, Stay, UnlessNothing};
use State::{Initialized, Initializing, Paused, Running, Uninitialized};

const fn row(kinds: &'static [Kind], trigger: &'static str, cells: [Cell; 5], refusal: Refusal) -> Row {
    Row { kinds, trigger, cells, refusal, relay: Relay::Others, keep: Keep::Nothing }
}

/// The rules. Columns are UNINITIALIZED, INITIALIZING, INITIALIZED, RUNNING, PAUSED; the triggers come in the order in which they are
/// listed to a refused client.
#[rustfmt::skip]
pub(super) const TABLE: [Row; 18] = [
    row(&[Kind::SubmitInitialization], "SUBMIT_INITIALIZATION", [Go(Initializing), No, No, No, No], Refusal::Transition),
    Row { relay: Relay::Nobody, keep: Keep::Initialization,
        ..row(&[Kind::C2simInitialization], "C2SIM_INITIALIZATION_BODY", [No, Stay, No, No, No], Refusal::Initialization) },
    Row { keep: Keep::Initialization,
        ..row(&[Kind::ObjectInitialization], "OBJECT_INITIALIZATION", [No, Stay, No, No, No], Refusal::Message) },
    Row { relay: Relay::OthersThenInitialization,
        ..row(&[Kind::ShareScenario], "SHARE_SCENARIO", [No, Share(Initialized), No, No, No], Refusal::Share) },
    Row { keep: Keep::Discard,
        ..row(&[Kind::ResetScenario], "RESET_SCENARIO", [No, Go(Uninitialized), Go(Uninitialized), No, No], Refusal::Transition) },
    row(&[Kind::StartScenario], "START_SCENARIO", [No, No, Go(Running), No, No], Refusal::Transition),
    row(&[Kind::PauseScenario], "PAUSE_SCENARIO", [No, No, No, Go(Paused), No], Refusal::Transition),
    row(&[Kind::StopScenario], "STOP_SCENARIO", [No, No, No, Go(Initialized), Go(Initialized)], Refusal::Transition),
    row(&[Kind::ResumeScenario], "RESUME_SCENARIO", [No, No, No, No, Go(Running)], Refusal::Transition),
    Row { keep: Keep::Completion,
        ..row(&[Kind::InitializationComplete], "INITIALIZATION_COMPLETE", [No, Stay, Stay, No, No], Refusal::Completion) },
    row(&[Kind::Order], "", [No, No, No, Stay, OnlyAll], Refusal::Message),
    row(&[Kind::Report, Kind::OtherDomain], "", [No, No, No, Stay, UnlessNothing], Refusal::Message),
    Row { keep: Keep::RealtimeMultiple,
        ..row(&[Kind::SetSimulationRealtimeMultiple], "", [No, No, No, Stay, Stay], Refusal::Message) },
    row(&[Kind::RequestSimulationRealtimeMultiple, Kind::SimulationRealtimeMultipleReport, Kind::MagicMove, Kind::CheckpointSave,
        Kind::CheckpointRestore], "", [No, No, No, Stay, Stay], Refusal::Message),
    row(&[Kind::StartRecording, Kind::PauseRecording, Kind::ResumeRecording, Kind::StopRecording, Kind::RequestRecordingStatus,
        Kind::RecordingStatusReport], "", [No, No, No, Stay, Stay], Refusal::Message),
    row(&[Kind::StartPlayback, Kind::PausePlayback, Kind::ResumePlayback, Kind::StopPlayback, Kind::RequestPlaybackStatus,
        Kind::PlaybackStatusReport, Kind::SetPlaybackRealtimeMultiple, Kind::RequestPlaybackRealtimeMultiple,
        Kind::PlaybackRealtimeMultipleReport], "", [No, No, No, Stay, Stay], Refusal::Message),
    row(&[Kind::RefreshInit, Kind::SystemAcknowledgement], "", [Stay, Stay, Stay, Stay, Stay], Refusal::Message),
    row(&[Kind::Unknown], "", [No, No, No, OnlyRelayed, OnlyRelayed], Refusal::Unknown),
];

/// The row of each kind; building it proves that every kind has exactly one.
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const ROW_OF: [usize; Kind::COUNT] = {
    let mut rows = [usize::MAX; Kind::COUNT];
    let mut at = 0;
    while at < TABLE.len() {
        let mut n = 0;
        while n < TABLE[at].kinds.len() {
            let kind = TABLE[at].kinds[n] as usize;
            assert!(rows[kind] == usize::MAX, "a kind has one row");
            rows[kind] = at;
            n += 1;
        }
        at += 1;
    }
    let mut kind = 0;
    while kind < rows.len() {
        assert!(rows[kind] != usize::MAX, "a kind has a row");
        kind += 1;
    }
    rows
};

#[expect(
    clippy::indexing_slicing,
    reason = "ROW_OF has one entry per Kind and holds rows of TABLE, checked where it is built"
)]
const fn row_of(kind: Kind) -> &'static Row {
    &TABLE[ROW_OF[kind as usize]]
}

impl Row {
    #[expect(clippy::indexing_slicing, reason = "a row has one cell per State")]
    pub(super) const fn cell(&self, state: State) -> Cell {
        self.cells[state as usize]
    }

    /// Whether that state admits it; a move counts as admitted.
    const fn admits(&self, state: State, options: Options, facts: InitFacts) -> bool {
        match self.cell(state) {
            No => false,
            Go(_) | Stay => true,
            Share(_) => facts.share_ready(options),
            UnlessNothing => !matches!(options.paused_allows, PausedAllows::Nothing),
            OnlyAll => matches!(options.paused_allows, PausedAllows::All),
            OnlyRelayed => matches!(options.unknown_bodies, UnknownBodies::Relay),
        }
    }

    const fn effects(&self, options: Options) -> Effects {
        // A relayed part of the initialization is kept only for merging.
        let keep = match (self.keep, self.relay, options.init_merge) {
            (Keep::Initialization, Relay::Others, InitMerge::Replace) => Keep::Nothing,
            (keep, ..) => keep,
        };
        Effects { relay: self.relay, keep }
    }

    fn refuse(&self, state: State, options: Options, facts: InitFacts) -> Verdict {
        let (code, details) = match self.refusal {
            // Without a guard there is nothing to complete first.
            Refusal::Share
                if options.share_guard != ShareGuard::None
                    && (!facts.stored || matches!(self.cell(state), Share(_))) =>
            {
                (Code::InitializationNotCompleted, Details::Completion)
            }
            Refusal::Transition | Refusal::Share => {
                (Code::StateTransitionNotAllowed, Details::Allowed(permitted(state, options, facts)))
            }
            Refusal::Unknown if options.unknown_bodies == UnknownBodies::Refuse => {
                (Code::XsdValidationError, Details::None)
            }
            Refusal::Message | Refusal::Unknown => (Code::C2simMsgNotAllowedInState, Details::CurrentState(state)),
            Refusal::Completion => (Code::C2simMsgNotAllowedInState, Details::None),
            Refusal::Initialization => (Code::C2simInitializationMsgInvalidState, Details::None),
        };
        Verdict::Refuse { code, details }
    }
}

/// What a message of `kind` means for a session in `state`. Changes nothing.
pub fn admit(state: State, options: Options, facts: InitFacts, kind: Kind) -> Verdict {
    let row = row_of(kind);
    if !row.admits(state, options, facts) {
        return row.refuse(state, options, facts);
    }
    match row.cell(state) {
        Go(to) | Share(to) => Verdict::Transition { to },
        No | Stay | UnlessNothing | OnlyAll | OnlyRelayed => {
            let effects = row.effects(options);
            Verdict::Stay { relay: effects.relay != Relay::Nobody, store: effects.keep != Keep::Nothing }
        }
    }
}

/// What the caller does once [`admit`] did not refuse a message of `kind`: relay and keep.
#[must_use]
pub const fn effects(options: Options, kind: Kind) -> Effects {
    row_of(kind).effects(options)
}

/// What is permitted in `state`, for the details of a refusal and for members that ask.
#[must_use]
pub fn permitted(state: State, options: Options, facts: InitFacts) -> Permitted {
    let mut rows = 0;
    for (at, row) in TABLE.iter().enumerate() {
        if !row.trigger.is_empty() && row.admits(state, options, facts) {
            rows |= 1 << at;
        }
    }
    Permitted { rows }
}

/// A set of trigger names; its text is the names joined by semicolons.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permitted {
    /// One bit per row of the table.
    rows: u32,
}

const _: () = assert!(TABLE.len() <= 32, "the rows fit the set's bits");

impl Permitted {
    /// The names, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().enumerate().filter(move |(at, _)| self.rows & (1 << at) != 0).map(|(_, row)| row.trigger)
    }
}

impl fmt::Display for Permitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.names().enumerate() {
            if at > 0 {
                f.write_str(";")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permitted({self})")
    }
}
