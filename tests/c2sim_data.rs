//! The room compared with recorded verdicts of another C2SIM server, over its documents and edge cases.
//!
//! Runs only where `INSTEP_C2SIM_DATA` names the folder with `verdicts.jsonl`. Where the record has a recommendation to do otherwise, or
//! the flow-control rules differ on purpose, the difference is spelled out here; documents that only a full schema check refuses are
//! counted and listed.

#![expect(clippy::expect_used, reason = "helpers of tests fail by panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::path::{Path, PathBuf};

use instep::c2sim::code::Code;
use instep::c2sim::kind::{Kind, Schema};
use instep::c2sim::message::{Message, scan};
use instep::c2sim::notice::minify;
use instep::c2sim::state::{Facts, Options, PausedAllows, State, Verdict, admit};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("INSTEP_C2SIM_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: INSTEP_C2SIM_DATA names no folder with C2SIM documents and verdicts");
    }
    folder
}

fn records(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("verdicts.jsonl")).expect("verdicts.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// The answer in the words of the record.
fn answer(message: &Message<'_>, state: State, options: Options, facts: Facts) -> String {
    match admit(state, options, facts, message.kind) {
        Verdict::Transition { to } => format!("DISTRIBUTED -> {}", to.name()),
        Verdict::Stay { relay: true, .. } => "DISTRIBUTED".into(),
        Verdict::Stay { relay: false, .. } => "STORED".into(),
        Verdict::Refuse { code, .. } => code.name().into(),
    }
}

/// What we answer on purpose where the record says otherwise: the code for documents that are refused in every state.
fn refused_on_purpose(file: &str) -> Option<Code> {
    match file {
        "edge-2.0.0/doctype-empty.xml" | "edge-2.0.0/billion-laughs.xml" => Some(Code::XsdValidationFailure),
        "edge-2.0.0/empty-fromsendingsystem.xml" | "edge-2.0.0/header-nested-in-body.xml" => {
            Some(Code::C2simInvalidHeader)
        }
        // The root is judged as soon as it is read, whatever is wrong behind it.
        "edge-2.0.0/root-messagebody-no-header.xml"
        | "tno-original/MessageWithOrder.xml"
        | "tno-docs-1.0.2/magic-move-teleport.xml" => Some(Code::C2simRootElementMustBeMessage),
        "edge-2.0.0/no-namespace.xml" | "edge-2.0.0/order-and-system-body.xml" => Some(Code::XsdValidationError),
        // The record counts an unknown reference inside the header as behind it.
        "edge-2.0.0/undeclared-entity.xml" => Some(Code::C2simInvalidHeader),
        _ => None,
    }
}

/// Where the flow-control rules differ on purpose.
fn rule_on_purpose(kind: Kind, state: &str, recorded: &str) -> Option<&'static str> {
    match (kind, state) {
        (Kind::InitializationComplete, "INITIALIZED") => Some("DISTRIBUTED"),
        (Kind::OtherDomain, "UNINITIALIZED" | "INITIALIZING_noinit" | "INITIALIZING" | "INITIALIZED") => {
            Some("C2SIM_MSG_NOT_ALLOWED_IN_STATE")
        }
        // The other server cannot read the older schema's initialization at all.
        (Kind::C2simInitialization, _) if recorded == "C2SIM_INITIALIZATION_MSG_DECODE_FAILURE" => Some("STORED"),
        _ => None,
    }
}

#[test]
fn verdicts_are_those_of_the_record() {
    let Some(folder) = folder() else { return };
    let options = Options { paused_allows: PausedAllows::All, ..Options::default() };
    let (mut same, mut on_purpose, mut only_schema) = (0, 0, Vec::new());
    for record in records(&folder) {
        let file = record["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(file)).expect(file);
        let schema = Schema::from_name(record["session_schema"].as_str().unwrap()).expect(file);
        let recorded_kind = record["kind"].as_str().unwrap();
        let scanned = scan(&bytes).and_then(|message| {
            assert_eq!(message.kind.name(), recorded_kind, "{file}");
            assert_eq!(message.category.name(), record["category"].as_str().unwrap(), "{file}");
            message.check_schema(schema).map(|()| message)
        });
        let valid = record[format!("xsd_{}", schema.name())] == "valid";
        for (state, recorded) in record["tno_publish"].as_object().unwrap() {
            let recorded = recorded.as_str().unwrap();
            let expected = refused_on_purpose(file).map(Code::name);
            match &scanned {
                Err(reject) => {
                    let code = reject.code().name();
                    assert_eq!(code, expected.unwrap_or(recorded), "{file} in {state}: {reject}");
                    on_purpose += usize::from(code != recorded);
                    same += usize::from(code == recorded);
                }
                Ok(message) => {
                    assert_eq!(expected, None, "{file} is accepted");
                    let stored = state != "INITIALIZING_noinit" && state != "UNINITIALIZED";
                    let name = state.strip_suffix("_noinit").unwrap_or(state);
                    let of = State::ALL.into_iter().find(|of| of.name() == name).expect(state);
                    let facts = Facts { stored, all_complete: false };
                    let answer = answer(message, of, options, facts);
                    if !valid && answer != recorded {
                        // Only the schema's content check tells this document from a valid one.
                        assert_eq!(recorded, "XSD_VALIDATION_ERROR", "{file} in {state}");
                        if only_schema.last().map(String::as_str) != Some(file) {
                            only_schema.push(file.to_owned());
                        }
                        continue;
                    }
                    let different = rule_on_purpose(message.kind, state, recorded);
                    assert_eq!(answer, different.unwrap_or(recorded), "{file} in {state}");
                    on_purpose += usize::from(answer != recorded);
                    same += usize::from(answer == recorded);
                }
            }
        }
    }
    eprintln!("{same} verdicts as recorded, {on_purpose} different on purpose");
    eprintln!("refused by a content check only: {only_schema:#?}");
    assert!(same > 600);
}

#[test]
fn orders_stop_in_paused_by_default() {
    let Some(folder) = folder() else { return };
    let bytes = fs::read(folder.join("tno-original/Order.xml")).unwrap();
    let message = scan(&bytes).unwrap();
    let facts = Facts { stored: true, all_complete: true };
    let paused = answer(&message, State::Paused, Options::default(), facts);
    assert_eq!(paused, "C2SIM_MSG_NOT_ALLOWED_IN_STATE");
    assert_eq!(answer(&message, State::Running, Options::default(), facts), "DISTRIBUTED");
}

#[test]
fn every_accepted_document_keeps_its_meaning_on_one_line() {
    let Some(folder) = folder() else { return };
    let (mut line, mut again) = (Vec::new(), Vec::new());
    for record in records(&folder) {
        let file = record["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(file)).expect(file);
        let Ok(before) = scan(&bytes) else { continue };
        line.clear();
        minify(&bytes, &mut line).expect(file);
        assert!(!line.contains(&b'\n') && line.len() <= bytes.len() + 8, "{file}");
        let after = scan(&line).unwrap_or_else(|reject| panic!("{file}: {reject}"));
        assert_eq!((before.kind, before.category), (after.kind, after.category), "{file}");
        assert_eq!(before.header.sender(), after.header.sender(), "{file}");
        assert_eq!(before.header.message_id(), after.header.message_id(), "{file}");
        again.clear();
        minify(&line, &mut again).expect(file);
        assert_eq!(line, again, "{file}");
    }
}

#[test]
fn the_initialization_with_entities_is_understood() {
    let Some(folder) = folder() else { return };
    let bytes = fs::read(folder.join("tno-original/MessageWithC2SimInit.xml")).unwrap();
    let message = scan(&bytes).unwrap();
    assert_eq!(message.layout.unwrap().systems.len(), 6);
}

#[test]
fn a_document_cut_off_anywhere_is_refused() {
    let Some(folder) = folder() else { return };
    for file in ["tno-original/c2simheader-auth.xml", "tno-docs-1.0.2/position-report.xml"] {
        let bytes = fs::read(folder.join(file)).unwrap();
        let end = bytes.iter().rposition(|&byte| byte == b'>').unwrap();
        for cut in 0..end {
            assert!(scan(&bytes[..cut]).is_err(), "{file} cut at {cut}");
        }
    }
}
