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
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum InitMerge {
    /// The last C2SIMInitializationBody counts; ObjectInitializationBody is relayed and not kept.
    #[default]
    Replace,
    /// All parts of all senders are put together at the share.
    Marshal,
}

/// What becomes of a body that no schema defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

impl Options {
    /// The options by their keys, as every protocol and the configuration spell them.
    pub const KEYS: [&'static str; 4] = ["paused_allows", "share_guard", "init_merge", "unknown_bodies"];

    /// The word of the option `key`; empty for other keys.
    #[must_use]
    pub fn word(&self, key: &str) -> &'static str {
        match key {
            "paused_allows" => self.paused_allows.word(),
            "share_guard" => self.share_guard.word(),
            "init_merge" => self.init_merge.word(),
            "unknown_bodies" => self.unknown_bodies.word(),
            _ => "",
        }
    }

    /// Sets the option `key` to what `word` says.
    ///
    /// # Errors
    /// There is no such option, or it has no such word; says which words it has.
    pub fn set(&mut self, key: &str, word: &str) -> Result<(), String> {
        let known = match key {
            "paused_allows" => PausedAllows::of_word(word).map(|chosen| self.paused_allows = chosen),
            "share_guard" => ShareGuard::of_word(word).map(|chosen| self.share_guard = chosen),
            "init_merge" => InitMerge::of_word(word).map(|chosen| self.init_merge = chosen),
            "unknown_bodies" => UnknownBodies::of_word(word).map(|chosen| self.unknown_bodies = chosen),
            _ => return Err(format!("{key}: a session has no such option")),
        };
        known.ok_or_else(|| format!("{key}: '{word}' is none of {}", Self::words(key)))
    }

    /// The words that the option `key` has, for people; empty for other keys.
    #[must_use]
    pub fn words(key: &str) -> &'static str {
        match key {
            "paused_allows" => "reports, nothing or all",
            "share_guard" => "initialized, all_complete or none",
            "init_merge" => "replace or marshal",
            "unknown_bodies" => "refuse or relay",
            _ => "",
        }
    }
}
