//! The vocabulary of C2SIM messages: kinds, categories, groups and the two schema versions.

/// What a message is, by the element that decides it (34 kinds that have a name on the wire, and three that share UNKNOWN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the element of the same name, which the C2SIM standard defines")]
pub enum Kind {
    C2simInitialization,
    ObjectInitialization,
    Order,
    Report,
    CheckpointRestore,
    CheckpointSave,
    InitializationComplete,
    MagicMove,
    PausePlayback,
    PauseRecording,
    PauseScenario,
    PlaybackRealtimeMultipleReport,
    PlaybackStatusReport,
    RecordingStatusReport,
    RefreshInit,
    RequestPlaybackRealtimeMultiple,
    RequestPlaybackStatus,
    RequestRecordingStatus,
    RequestSimulationRealtimeMultiple,
    ResetScenario,
    ResumePlayback,
    ResumeRecording,
    ResumeScenario,
    SetPlaybackRealtimeMultiple,
    SetSimulationRealtimeMultiple,
    ShareScenario,
    SimulationRealtimeMultipleReport,
    StartPlayback,
    StartRecording,
    StartScenario,
    StopPlayback,
    StopRecording,
    StopScenario,
    SubmitInitialization,
    /// A domain body that the standard defines and the servers in use have no name for: Acknowledgement, Plan, Request.
    OtherDomain,
    /// `SystemAcknowledgementBody`, which has no name of its own either.
    SystemAcknowledgement,
    /// A body that no schema defines.
    Unknown,
}

/// The second level of a message: which body it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// `C2SIMInitializationBody`.
    C2simInitialization,
    /// `DomainMessageBody`: orders, reports, plans, requests, acknowledgements.
    DomainMessage,
    /// `ObjectInitializationBody`.
    ObjectInitialization,
    /// `SystemAcknowledgementBody`.
    SystemAcknowledgement,
    /// `SystemMessageBody`.
    SystemMessage,
    /// None of them.
    Unknown,
}

impl Category {
    /// The name used in claims and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::C2simInitialization => "C2SIMInitialization",
            Self::DomainMessage => "DomainMessage",
            Self::ObjectInitialization => "ObjectInitialization",
            Self::SystemAcknowledgement => "SystemAcknowledgement",
            Self::SystemMessage => "SystemMessage",
            Self::Unknown => "Unknown",
        }
    }
}

/// The groups of simulation management messages; their union is what claims call SIMAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// The triggers and the initialization body.
    StateManagement,
    /// The simulation's realtime multiple.
    SimulationSpeed,
    /// Saving and restoring.
    Checkpoint,
    /// Recording.
    Recording,
    /// Playback of a recording.
    Playback,
    /// MagicMove and RefreshInit.
    Other,
}

/// One kind in words.
struct Word {
    kind: Kind,
    element: &'static str,
    name: &'static str,
    group: Option<Group>,
}

const fn word(kind: Kind, element: &'static str, name: &'static str, group: Option<Group>) -> Word {
    Word { kind, element, name, group }
}

const UNKNOWN: &str = "UNKNOWN";
const STATE: Option<Group> = Some(Group::StateManagement);
const SPEED: Option<Group> = Some(Group::SimulationSpeed);
const CHECKPOINT: Option<Group> = Some(Group::Checkpoint);
const RECORDING: Option<Group> = Some(Group::Recording);
const PLAYBACK: Option<Group> = Some(Group::Playback);
const OTHER: Option<Group> = Some(Group::Other);

/// The vocabulary in the order of [`Kind`].
#[rustfmt::skip]
const WORDS: [Word; Kind::COUNT] = [
    word(Kind::C2simInitialization, "C2SIMInitializationBody", "C2SIM_INITIALIZATION", STATE),
    word(Kind::ObjectInitialization, "ObjectInitializationBody", "OBJECT_INITIALIZATION", None),
    word(Kind::Order, "OrderBody", "ORDER", None),
    word(Kind::Report, "ReportBody", "REPORT", None),
    word(Kind::CheckpointRestore, "CheckpointRestore", "CHECKPOINT_RESTORE", CHECKPOINT),
    word(Kind::CheckpointSave, "CheckpointSave", "CHECKPOINT_SAVE", CHECKPOINT),
    word(Kind::InitializationComplete, "InitializationComplete", "INITIALIZATION_COMPLETE", STATE),
    word(Kind::MagicMove, "MagicMove", "MAGIC_MOVE", OTHER),
    word(Kind::PausePlayback, "PausePlayback", "PAUSE_PLAYBACK", PLAYBACK),
    word(Kind::PauseRecording, "PauseRecording", "PAUSE_RECORDING", RECORDING),
    word(Kind::PauseScenario, "PauseScenario", "PAUSE_SCENARIO", STATE),
    word(Kind::PlaybackRealtimeMultipleReport, "PlaybackRealtimeMultipleReport", "PLAYBACK_REALTIME_MULTIPLE_REPORT", PLAYBACK),
    word(Kind::PlaybackStatusReport, "PlaybackStatusReport", "PLAYBACK_STATUS_REPORT", PLAYBACK),
    word(Kind::RecordingStatusReport, "RecordingStatusReport", "RECORDING_STATUS_REPORT", RECORDING),
    word(Kind::RefreshInit, "RefreshInit", "REFRESH_INIT", OTHER),
    word(Kind::RequestPlaybackRealtimeMultiple, "RequestPlaybackRealtimeMultiple", "REQUEST_PLAYBACK_REALTIME_MULTIPLE", PLAYBACK),
    word(Kind::RequestPlaybackStatus, "RequestPlaybackStatus", "REQUEST_PLAYBACK_STATUS", PLAYBACK),
    word(Kind::RequestRecordingStatus, "RequestRecordingStatus", "REQUEST_RECORDING_STATUS", RECORDING),
    word(Kind::RequestSimulationRealtimeMultiple, "RequestSimulationRealtimeMultiple", "REQUEST_SIMULATION_REALTIME_MULTIPLE", SPEED),
    word(Kind::ResetScenario, "ResetScenario", "RESET_SCENARIO", STATE),
    word(Kind::ResumePlayback, "ResumePlayback", "RESUME_PLAYBACK", PLAYBACK),
    word(Kind::ResumeRecording, "ResumeRecording", "RESUME_RECORDING", RECORDING),
    word(Kind::ResumeScenario, "ResumeScenario", "RESUME_SCENARIO", STATE),
    word(Kind::SetPlaybackRealtimeMultiple, "SetPlaybackRealtimeMultiple", "SET_PLAYBACK_REALTIME_MULTIPLE", PLAYBACK),
    word(Kind::SetSimulationRealtimeMultiple, "SetSimulationRealtimeMultiple", "SET_SIMULATION_REALTIME_MULTIPLE", SPEED),
    word(Kind::ShareScenario, "ShareScenario", "SHARE_SCENARIO", STATE),
    word(Kind::SimulationRealtimeMultipleReport, "SimulationRealtimeMultipleReport", "SIMULATION_REALTIME_MULTIPLE_REPORT", SPEED),
    word(Kind::StartPlayback, "StartPlayback", "START_PLAYBACK", PLAYBACK),
    word(Kind::StartRecording, "StartRecording", "START_RECORDING", RECORDING),
    word(Kind::StartScenario, "StartScenario", "START_SCENARIO", STATE),
    word(Kind::StopPlayback, "StopPlayback", "STOP_PLAYBACK", PLAYBACK),
    word(Kind::StopRecording, "StopRecording", "STOP_RECORDING", RECORDING),
    word(Kind::StopScenario, "StopScenario", "STOP_SCENARIO", STATE),
    word(Kind::SubmitInitialization, "SubmitInitialization", "SUBMIT_INITIALIZATION", STATE),
    word(Kind::OtherDomain, "", UNKNOWN, None),
    word(Kind::SystemAcknowledgement, "SystemAcknowledgementBody", UNKNOWN, None),
    word(Kind::Unknown, "", UNKNOWN, None),
];

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const _: () = {
    let mut at = 0;
    while at < WORDS.len() {
        assert!(WORDS[at].kind as usize == at, "the vocabulary is in the order of Kind");
        at += 1;
    }
};

/// The domain bodies that are legal but have no kind of their own.
const OTHER_DOMAIN_ELEMENTS: [&str; 3] = ["AcknowledgementBody", "PlanBody", "RequestBody"];

impl Kind {
    /// How many kinds there are, the three UNKNOWN ones included.
    pub const COUNT: usize = Self::Unknown as usize + 1;

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.iter().map(|word| word.kind)
    }

    const fn word(self) -> &'static Word {
        #[expect(clippy::indexing_slicing, reason = "WORDS has one entry per Kind, asserted above")]
        &WORDS[self as usize]
    }

    /// The name on the wire; the three kinds without one answer `UNKNOWN`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.word().name
    }

    /// The local name of the deciding element; empty where several or none decide.
    #[must_use]
    pub const fn element(self) -> &'static str {
        self.word().element
    }

    /// The group of simulation management messages it belongs to; `None` for orders, reports, object initializations and unknowns.
    #[must_use]
    pub const fn group(self) -> Option<Group> {
        self.word().group
    }

    /// Whether claims count it as simulation management (SIMAN).
    #[must_use]
    pub const fn is_siman(self) -> bool {
        self.group().is_some()
    }

    /// Whether claims count it as a QUERY: the four requests and the report of the simulation's multiple.
    #[must_use]
    pub const fn is_query(self) -> bool {
        matches!(
            self,
            Self::RequestPlaybackRealtimeMultiple
                | Self::RequestPlaybackStatus
                | Self::RequestRecordingStatus
                | Self::RequestSimulationRealtimeMultiple
                | Self::SimulationRealtimeMultipleReport
        )
    }

    /// The category a message of this kind comes in.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::C2simInitialization => Category::C2simInitialization,
            Self::ObjectInitialization => Category::ObjectInitialization,
            Self::Order | Self::Report | Self::OtherDomain => Category::DomainMessage,
            Self::SystemAcknowledgement => Category::SystemAcknowledgement,
            Self::Unknown => Category::Unknown,
            Self::CheckpointRestore
            | Self::CheckpointSave
            | Self::InitializationComplete
            | Self::MagicMove
            | Self::PausePlayback
            | Self::PauseRecording
            | Self::PauseScenario
            | Self::PlaybackRealtimeMultipleReport
            | Self::PlaybackStatusReport
            | Self::RecordingStatusReport
            | Self::RefreshInit
            | Self::RequestPlaybackRealtimeMultiple
            | Self::RequestPlaybackStatus
            | Self::RequestRecordingStatus
            | Self::RequestSimulationRealtimeMultiple
            | Self::ResetScenario
            | Self::ResumePlayback
            | Self::ResumeRecording
            | Self::ResumeScenario
            | Self::SetPlaybackRealtimeMultiple
            | Self::SetSimulationRealtimeMultiple
            | Self::ShareScenario
            | Self::SimulationRealtimeMultipleReport
            | Self::StartPlayback
            | Self::StartRecording
            | Self::StartScenario
            | Self::StopPlayback
            | Self::StopRecording
            | Self::StopScenario
            | Self::SubmitInitialization => Category::SystemMessage,
        }
    }

    /// The kind of the element `local` inside a body of `category`; [`Kind::Unknown`] for any other element.
    #[must_use]
    pub fn of_element(category: Category, local: &str) -> Self {
        if category == Category::DomainMessage && OTHER_DOMAIN_ELEMENTS.contains(&local) {
            return Self::OtherDomain;
        }
        let known = WORDS.iter().find(|word| !word.element.is_empty() && word.element == local);
        known.map(|word| word.kind).filter(|kind| kind.category() == category).unwrap_or(Self::Unknown)
    }
}

/// The schema version of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Schema {
    /// `2.0.0`, namespace `.../C2SIM/2.0.0-cwix2026`.
    #[default]
    V2_0_0,
    /// `1.0.2` (also called `federates`), namespace `.../C2SIM/1.1`.
    V1_0_2,
}

impl Schema {
    /// Both, newest first.
    pub const ALL: [Self; 2] = [Self::V2_0_0, Self::V1_0_2];

    /// The name used when a session is created.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2_0_0 => "2.0.0",
            Self::V1_0_2 => "1.0.2",
        }
    }

    /// The target namespace of its documents.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V2_0_0 => "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026",
            Self::V1_0_2 => "http://www.sisostds.org/schemas/C2SIM/1.1",
        }
    }

    /// The schema of that session name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "2.0.0" => Some(Self::V2_0_0),
            "1.0.2" | "federates" => Some(Self::V1_0_2),
            _ => None,
        }
    }

    /// The schema with that target namespace.
    #[must_use]
    pub fn from_namespace(namespace: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schema| schema.namespace() == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_sizes_of_the_interface() {
        let size = |group| Kind::all().filter(|kind| kind.group() == Some(group)).count();
        assert_eq!(size(Group::StateManagement), 9);
        assert_eq!(size(Group::SimulationSpeed), 3);
        assert_eq!(size(Group::Checkpoint), 2);
        assert_eq!(size(Group::Recording), 6);
        assert_eq!(size(Group::Playback), 9);
        assert_eq!(size(Group::Other), 2);
        assert_eq!(Kind::all().filter(|kind| kind.is_query()).count(), 5);
        assert_eq!(Kind::all().filter(|kind| kind.is_siman()).count(), 31);
    }

    #[test]
    fn names_are_the_elements_in_upper_snake_case() {
        let snake = |element: &str| {
            let mut name = String::new();
            for letter in element.chars() {
                if letter.is_ascii_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            name
        };
        let system: Vec<Kind> = Kind::all().filter(|kind| kind.category() == Category::SystemMessage).collect();
        assert_eq!(system.len(), 30);
        for kind in system {
            assert_eq!(kind.name(), snake(kind.element()));
            assert_eq!(Kind::of_element(Category::SystemMessage, kind.element()), kind);
            assert_eq!(
                Kind::of_element(Category::DomainMessage, kind.element()),
                Kind::Unknown,
                "a kind counts in its own body only"
            );
        }
    }

    #[test]
    fn schemas_are_found_by_name_and_namespace() {
        for schema in Schema::ALL {
            assert_eq!(Schema::from_name(schema.name()), Some(schema));
            assert_eq!(Schema::from_namespace(schema.namespace()), Some(schema));
        }
        assert_eq!(Schema::from_name("federates"), Some(Schema::V1_0_2));
        assert_eq!(Schema::from_namespace(""), None);
    }
}
