//! What a session may choose about its flow control, and the words for it in configuration and requests.

/// The words of an option, both ways.
macro_rules! words {
    ($option:ident: $($choice:ident = $word:literal),+) => {
        impl $option {
            /// Every choice; the first is the default.
            pub const ALL: &'static [Self] = &[$(Self::$choice),+];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$choice => $word),+
                }
            }

            /// The choice of that word.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.word() == word)
            }
        }
    };
}

words!(PausedAllows: Reports = "reports", Nothing = "nothing", All = "all");
words!(ShareGuard: Initialized = "initialized", AllComplete = "all_complete", None = "none");
words!(InitMerge: Replace = "replace", Marshal = "marshal");
words!(UnknownBodies: Refuse = "refuse", Relay = "relay");

/// Which domain messages PAUSED lets through. System messages are not its business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PausedAllows {
    /// Reports (and plans, requests, acknowledgements), but no orders.
    #[default]
    Reports,
    /// Neither orders nor reports.
    Nothing,
    /// Orders too.
    All,
}

/// When ShareScenario is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShareGuard {
    /// As soon as initialization is stored.
    #[default]
    Initialized,
    /// And every system it names has reported InitializationComplete.
    AllComplete,
    /// At once; without stored initialization nothing is handed out.
    None,
}

/// What becomes of several initializations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InitMerge {
    /// The last C2SIMInitializationBody counts; ObjectInitializationBody is relayed and not kept.
    #[default]
    Replace,
    /// All parts of all senders are put together at the share.
    Marshal,
}

/// What becomes of a body that no schema defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownBodies {
    /// Refused in every state, as a schema check would.
    #[default]
    Refuse,
    /// Relayed in RUNNING and PAUSED.
    Relay,
}

/// What a session may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Domain messages in PAUSED.
    pub paused_allows: PausedAllows,
    /// The guard of ShareScenario.
    pub share_guard: ShareGuard,
    /// Several initializations.
    pub init_merge: InitMerge,
    /// Bodies that no schema defines.
    pub unknown_bodies: UnknownBodies,
}
