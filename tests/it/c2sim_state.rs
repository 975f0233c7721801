//! The flow-control rules, written out a second time by hand and compared with the table for every state, kind and option.

use instep::c2sim::chart::{Diagram, Reference};
use instep::c2sim::code::Code;
use instep::c2sim::kind::Kind;
use instep::c2sim::state::{
    Details, Effects, InitFacts, InitMerge, Joined, Keep, Options, PausedAllows, RefusalContext, Relay, ShareGuard,
    State, Trigger, UnknownBodies, Verdict, admit, effects, permitted,
};

/// UNINITIALIZED, INITIALIZING, INITIALIZED, RUNNING, PAUSED with default options and a stored initialization.
/// `>STATE` moves, `relay` and `store` and `both` stay, the letters refuse: T transition, I initialization, M message with the
/// state, m message without details, G not completed, X schema.
const RULES: [(&str, [&str; 5]); 37] = [
    ("SubmitInitialization", [">INITIALIZING", "T", "T", "T", "T"]),
    ("C2simInitialization", ["I", "store", "I", "I", "I"]),
    ("ObjectInitialization", ["M", "relay", "M", "M", "M"]),
    ("InitializationComplete", ["m", "both", "both", "m", "m"]),
    ("ShareScenario", ["T", ">INITIALIZED", "T", "T", "T"]),
    ("StartScenario", ["T", "T", ">RUNNING", "T", "T"]),
    ("PauseScenario", ["T", "T", "T", ">PAUSED", "T"]),
    ("ResumeScenario", ["T", "T", "T", "T", ">RUNNING"]),
    ("StopScenario", ["T", "T", "T", ">INITIALIZED", ">INITIALIZED"]),
    ("ResetScenario", ["T", ">UNINITIALIZED", ">UNINITIALIZED", "T", "T"]),
    ("Order", ["M", "M", "M", "relay", "M"]),
    ("Report", ["M", "M", "M", "relay", "relay"]),
    ("OtherDomain", ["M", "M", "M", "relay", "relay"]),
    ("SetSimulationRealtimeMultiple", ["M", "M", "M", "both", "both"]),
    ("RequestSimulationRealtimeMultiple", ["M", "M", "M", "relay", "relay"]),
    ("SimulationRealtimeMultipleReport", ["M", "M", "M", "relay", "relay"]),
    ("MagicMove", ["M", "M", "M", "relay", "relay"]),
    ("CheckpointSave", ["M", "M", "M", "relay", "relay"]),
    ("CheckpointRestore", ["M", "M", "M", "relay", "relay"]),
    ("StartRecording", ["M", "M", "M", "relay", "relay"]),
    ("PauseRecording", ["M", "M", "M", "relay", "relay"]),
    ("ResumeRecording", ["M", "M", "M", "relay", "relay"]),
    ("StopRecording", ["M", "M", "M", "relay", "relay"]),
    ("RequestRecordingStatus", ["M", "M", "M", "relay", "relay"]),
    ("RecordingStatusReport", ["M", "M", "M", "relay", "relay"]),
    ("StartPlayback", ["M", "M", "M", "relay", "relay"]),
    ("PausePlayback", ["M", "M", "M", "relay", "relay"]),
    ("ResumePlayback", ["M", "M", "M", "relay", "relay"]),
    ("StopPlayback", ["M", "M", "M", "relay", "relay"]),
    ("RequestPlaybackStatus", ["M", "M", "M", "relay", "relay"]),
    ("PlaybackStatusReport", ["M", "M", "M", "relay", "relay"]),
    ("SetPlaybackRealtimeMultiple", ["M", "M", "M", "relay", "relay"]),
    ("RequestPlaybackRealtimeMultiple", ["M", "M", "M", "relay", "relay"]),
    ("PlaybackRealtimeMultipleReport", ["M", "M", "M", "relay", "relay"]),
    ("RefreshInit", ["relay", "relay", "relay", "relay", "relay"]),
    ("SystemAcknowledgement", ["relay", "relay", "relay", "relay", "relay"]),
    ("Unknown", ["X", "X", "X", "X", "X"]),
];

fn every_option() -> Vec<Options> {
    let mut all = Vec::new();
    for paused_allows in [PausedAllows::Reports, PausedAllows::Nothing, PausedAllows::All] {
        for share_guard in [ShareGuard::Initialized, ShareGuard::AllComplete, ShareGuard::None] {
            for init_merge in [InitMerge::Replace, InitMerge::Marshal] {
                for unknown_bodies in [UnknownBodies::Refuse, UnknownBodies::Relay] {
                    all.push(Options { paused_allows, share_guard, init_merge, unknown_bodies });
                }
            }
        }
    }
    all
}

fn every_fact() -> [InitFacts; 3] {
    [(false, false), (true, false), (true, true)].map(|(stored, all_complete)| InitFacts { stored, all_complete })
}

/// What the options and facts make of a rule.
fn adapt(rule: &'static str, kind: &str, state: State, options: Options, facts: InitFacts) -> &'static str {
    let paused = state == State::Paused;
    let executing = paused || state == State::Running;
    match kind {
        "ShareScenario" if options.share_guard == ShareGuard::None => rule,
        "ShareScenario" => {
            let complete = options.share_guard == ShareGuard::Initialized || facts.all_complete;
            match (facts.stored, state) {
                (false, _) => "G",
                (true, State::Initializing) if !complete => "G",
                (true, _) => rule,
            }
        }
        "Order" if paused && options.paused_allows == PausedAllows::All => "relay",
        "Report" | "OtherDomain" if paused && options.paused_allows == PausedAllows::Nothing => "M",
        "ObjectInitialization" if rule == "relay" && options.init_merge == InitMerge::Marshal => "both",
        "Unknown" if options.unknown_bodies == UnknownBodies::Relay => {
            if executing {
                "relay"
            } else {
                "M"
            }
        }
        _ => rule,
    }
}

fn spell(verdict: Verdict, state: State, allowed: Details) -> String {
    match verdict {
        Verdict::Transition { to } => format!(">{}", to.name()),
        Verdict::Stay { relay: true, store: false } => "relay".into(),
        Verdict::Stay { relay: false, store: true } => "store".into(),
        Verdict::Stay { relay: true, store: true } => "both".into(),
        Verdict::Stay { relay: false, store: false } => "nothing".into(),
        Verdict::Refuse { code, details } => match (code, details) {
            (Code::StateTransitionNotAllowed, details) if details == allowed => "T".into(),
            (Code::C2simInitializationMsgInvalidState, Details::None) => "I".into(),
            (Code::C2simMsgNotAllowedInState, Details::CurrentState(of)) if of == state => "M".into(),
            (Code::C2simMsgNotAllowedInState, Details::None) => "m".into(),
            (Code::InitializationNotCompleted, Details::Completion) => "G".into(),
            (Code::XsdValidationError, Details::None) => "X".into(),
            other => format!("{other:?}"),
        },
    }
}

#[test]
fn every_state_kind_option_and_fact_follows_the_rules() {
    let mut checked = 0;
    assert_eq!(RULES.len(), Kind::COUNT);
    for kind in Kind::all() {
        let name = format!("{kind:?}");
        let (_, cells) = RULES.iter().find(|(rule, _)| *rule == name).expect("a rule");
        for (state, rule) in State::ALL.into_iter().zip(cells) {
            for options in every_option() {
                for facts in every_fact() {
                    let expected = adapt(rule, &name, state, options, facts);
                    let allowed = Details::Allowed(permitted(state, options, facts));
                    let verdict = spell(admit(state, options, facts, kind), state, allowed);
                    assert_eq!(verdict, expected, "{name} in {state}, {options:?}, {facts:?}");
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 37 * 5 * 36 * 3);
}

#[test]
fn permitted_triggers_are_listed_by_the_names_and_in_the_order_of_the_interface() {
    let list =
        |state, options, stored| permitted(state, options, InitFacts { stored, all_complete: false }).to_string();
    let plain = Options::default();
    assert_eq!(list(State::Uninitialized, plain, false), "SUBMIT_INITIALIZATION");
    assert_eq!(
        list(State::Initializing, plain, false),
        "C2SIM_INITIALIZATION_BODY;OBJECT_INITIALIZATION;RESET_SCENARIO;INITIALIZATION_COMPLETE"
    );
    assert_eq!(
        list(State::Initializing, plain, true),
        "C2SIM_INITIALIZATION_BODY;OBJECT_INITIALIZATION;SHARE_SCENARIO;RESET_SCENARIO;INITIALIZATION_COMPLETE"
    );
    assert_eq!(list(State::Initialized, plain, true), "RESET_SCENARIO;START_SCENARIO;INITIALIZATION_COMPLETE");
    assert_eq!(list(State::Running, plain, true), "PAUSE_SCENARIO;STOP_SCENARIO");
    assert_eq!(list(State::Paused, plain, true), "STOP_SCENARIO;RESUME_SCENARIO");
    let guarded = Options { share_guard: ShareGuard::AllComplete, ..plain };
    assert!(!list(State::Initializing, guarded, true).contains("SHARE_SCENARIO"));
    let unguarded = Options { share_guard: ShareGuard::None, ..plain };
    assert!(list(State::Initializing, unguarded, false).contains("SHARE_SCENARIO"));
}

#[test]
fn details_carry_the_keys_of_their_code() {
    let (required, completed) = (["A".to_owned(), "B".to_owned()], ["B".to_owned()]);
    let about = RefusalContext { session: "s1", required: Joined(&required), completed: Joined(&completed) };
    let facts = InitFacts { stored: true, all_complete: false };
    let guarded = Options { share_guard: ShareGuard::AllComplete, ..Options::default() };
    for (kind, state, expected) in [
        (Kind::StartScenario, State::Running, "ACTIVE_SESSION=s1 ALLOWED_TRIGGERS=PAUSE_SCENARIO;STOP_SCENARIO "),
        (Kind::Order, State::Paused, "CURRENT_STATE=PAUSED "),
        (Kind::InitializationComplete, State::Running, ""),
        (Kind::C2simInitialization, State::Running, ""),
        (Kind::ShareScenario, State::Initializing, "REQUIRED_FEDERATES=A,B INIT_COMPLETED_FEDERATES=B "),
    ] {
        let Verdict::Refuse { code, details } = admit(state, guarded, facts, kind) else {
            panic!("{kind:?} in {state} is refused");
        };
        let mut written = String::new();
        details.write(about, |key, value| {
            assert!(code.detail_keys().contains(&key), "{key} of {code:?}");
            written += &format!("{key}={value} ");
        });
        assert_eq!(written, expected);
    }
}

#[test]
fn effects_say_who_gets_what_and_what_is_kept() {
    let replace = Options::default();
    let marshal = Options { init_merge: InitMerge::Marshal, ..replace };
    let of = |relay, keep| Effects { relay, keep };
    assert_eq!(effects(replace, Kind::C2simInitialization), of(Relay::Nobody, Keep::Initialization));
    assert_eq!(effects(replace, Kind::ObjectInitialization), of(Relay::Others, Keep::Nothing));
    assert_eq!(effects(marshal, Kind::ObjectInitialization), of(Relay::Others, Keep::Initialization));
    assert_eq!(effects(replace, Kind::ShareScenario), of(Relay::OthersThenInitialization, Keep::Nothing));
    assert_eq!(effects(replace, Kind::InitializationComplete), of(Relay::Others, Keep::Completion));
    assert_eq!(effects(replace, Kind::ResetScenario), of(Relay::Others, Keep::Discard));
    assert_eq!(effects(replace, Kind::SetSimulationRealtimeMultiple), of(Relay::Others, Keep::RealtimeMultiple));
    assert_eq!(effects(replace, Kind::StopScenario), of(Relay::Others, Keep::Nothing));
}

#[test]
fn triggers_have_json_rpc_methods() {
    let methods: Vec<_> = Trigger::ALL.iter().map(|trigger| trigger.method()).collect();
    assert_eq!(
        methods,
        [
            "submit_initialization",
            "initialization_complete",
            "share_scenario",
            "start_scenario",
            "pause_scenario",
            "resume_scenario",
            "stop_scenario",
            "reset_scenario"
        ]
    );
    for trigger in Trigger::ALL {
        assert_eq!(Trigger::from_method(trigger.method()), Some(trigger));
        assert_eq!(Trigger::from_kind(trigger.kind()), Some(trigger));
        assert_eq!(trigger.kind().name().to_lowercase(), trigger.method());
    }
    assert_eq!(Trigger::from_method("Start_Scenario"), None);
    assert_eq!(Trigger::from_kind(Kind::Order), None);
}

#[test]
fn a_trigger_is_known_by_its_element_its_method_and_its_verb_in_any_case() {
    for trigger in Trigger::ALL {
        for name in [trigger.kind().element(), trigger.kind().name(), trigger.method(), trigger.word()] {
            for word in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(Trigger::from_word(&word), Some(trigger), "{word}");
            }
        }
    }
    let verbs: Vec<_> = Trigger::ALL.iter().map(|trigger| trigger.word()).collect();
    assert_eq!(verbs, ["submit", "complete", "share", "start", "pause", "resume", "stop", "reset"]);
    for word in ["", "begin", "start ", "start-scenario", "Order", "starts"] {
        assert_eq!(Trigger::from_word(word), None, "{word}");
    }
}

#[test]
fn options_have_words_both_ways() {
    macro_rules! check {
        ($option:ident, $words:expr) => {
            assert_eq!($option::ALL.iter().map(|choice| choice.word()).collect::<Vec<_>>(), $words);
            assert_eq!($option::ALL.first(), Some(&$option::default()));
            assert!($option::ALL.iter().all(|choice| $option::of_word(choice.word()) == Some(*choice)));
            assert_eq!($option::of_word(""), None);
        };
    }
    check!(PausedAllows, ["reports", "nothing", "all"]);
    check!(ShareGuard, ["initialized", "all_complete", "none"]);
    check!(InitMerge, ["replace", "marshal"]);
    check!(UnknownBodies, ["refuse", "relay"]);
}

#[test]
fn the_diagram_shows_the_moves_and_no_other() {
    let diagram = Diagram.to_string();
    let mut moves: Vec<&str> = diagram
        .lines()
        .map(str::trim)
        .filter(|line| line.split_once(" --> ").is_some_and(|(from, to)| !to.starts_with(&format!("{from}:"))))
        .collect();
    moves.sort_unstable();
    assert_eq!(
        moves,
        [
            "INITIALIZED --> RUNNING: StartScenario",
            "INITIALIZED --> UNINITIALIZED: ResetScenario",
            "INITIALIZING --> INITIALIZED: ShareScenario [share_guard holds]",
            "INITIALIZING --> UNINITIALIZED: ResetScenario",
            "PAUSED --> INITIALIZED: StopScenario",
            "PAUSED --> RUNNING: ResumeScenario",
            "RUNNING --> INITIALIZED: StopScenario",
            "RUNNING --> PAUSED: PauseScenario",
            "UNINITIALIZED --> INITIALIZING: SubmitInitialization",
            "[*] --> UNINITIALIZED",
        ]
    );
    assert!(diagram.starts_with("stateDiagram-v2\n"));
    assert!(diagram.contains("    INITIALIZING --> INITIALIZING: C2SIMInitializationBody\n"));
}

#[test]
fn the_reference_has_a_row_for_every_kind() {
    let reference = Reference.to_string();
    for kind in Kind::all() {
        assert!(reference.contains(kind.element()), "{kind:?}");
    }
    assert!(reference.contains("| OrderBody | no | no | no | yes | if paused_allows is all |\n"));
    assert!(reference.lines().all(|line| line.matches('|').count() == 7), "{reference}");
}
