//! The room compared with recorded verdicts of another C2SIM server, over its documents and edge cases.
//!
//! Runs only where `INSTEP_C2SIM_DATA` names the folder with `verdicts.jsonl` and the schemas in `xsd/`. Every verdict must come out as
//! recorded; where the record has a recommendation to do otherwise, or the flow-control rules differ on purpose, the exception and
//! its reason are spelled out here.

use std::fs;
use std::path::{Path, PathBuf};

use instep::c2sim::code::Code;
use instep::c2sim::kind::{Kind, Schema};
use instep::c2sim::message::Message;
use instep::c2sim::notice::minify;
use instep::c2sim::scan::{scan, scan_with};
use instep::c2sim::schema::Rules;
use instep::c2sim::state::{InitFacts, Options, PausedAllows, State, Verdict, admit};
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
fn answer(message: &Message<'_>, state: State, options: Options, facts: InitFacts) -> String {
    match admit(state, options, facts, message.kind) {
        Verdict::Transition { to } => format!("DISTRIBUTED -> {}", to.name()),
        Verdict::Stay { relay: true, .. } => "DISTRIBUTED".into(),
        Verdict::Stay { relay: false, .. } => "STORED".into(),
        Verdict::Refuse { code, .. } => code.name().into(),
    }
}

/// Files whose answer differs on purpose in every state, with the code we give and why.
const REFUSED_ON_PURPOSE: [(&str, Code, &str); 5] = [
    ("edge-2.0.0/doctype-empty.xml", Code::XsdValidationFailure, "recommended: any DOCTYPE is a malformed document"),
    ("edge-2.0.0/empty-fromsendingsystem.xml", Code::C2simInvalidHeader, "recommended: the sender must not be blank"),
    (
        "edge-2.0.0/header-nested-in-body.xml",
        Code::C2simInvalidHeader,
        "recommended: no header at /Message/C2SIMHeader is no header",
    ),
    (
        "edge-2.0.0/root-messagebody-no-header.xml",
        Code::C2simRootElementMustBeMessage,
        "recommended: the record's transport looks for a header first",
    ),
    (
        "tno-original/MessageWithOrder.xml",
        Code::C2simRootElementMustBeMessage,
        "as the file before: the root is MessageBody",
    ),
];

/// Where the flow-control rules differ on purpose, with the reason.
fn rule_on_purpose(kind: Kind, state: &str, recorded: &str) -> Option<(&'static str, &'static str)> {
    match (kind, state) {
        (Kind::InitializationComplete, "INITIALIZED") => {
            Some(("DISTRIBUTED", "InitializationComplete is welcome before and after the share"))
        }
        (Kind::OtherDomain, "UNINITIALIZED" | "INITIALIZING_noinit" | "INITIALIZING" | "INITIALIZED") => {
            Some(("C2SIM_MSG_NOT_ALLOWED_IN_STATE", "plans, requests and acknowledgements are admitted like reports"))
        }
        (Kind::C2simInitialization, _) if recorded == "C2SIM_INITIALIZATION_MSG_DECODE_FAILURE" => {
            Some(("STORED", "the server of the record cannot decode the older schema's initialization"))
        }
        _ => None,
    }
}

/// The rules of both schemas, of the files in `xsd/`.
fn rules(folder: &Path) -> Vec<Rules> {
    let files = fs::read_dir(folder.join("xsd")).expect("a folder xsd");
    let texts = files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"));
    let rules: Vec<_> = texts.map(|text| Rules::load(&text).expect("a schema in the understood subset")).collect();
    for schema in [Schema::V2_0_0, Schema::V1_0_2] {
        assert!(rules.iter().any(|rules| rules.schema() == Some(schema)), "{schema:?}");
    }
    rules
}

fn rules_of(rules: &[Rules], schema: Schema) -> Option<&Rules> {
    rules.iter().find(|rules| rules.schema() == Some(schema))
}

#[test]
fn the_schema_verdicts_are_those_of_the_record() {
    let Some(folder) = folder() else { return };
    let rules = rules(&folder);
    let (mut valid, mut invalid) = (0, 0);
    for record in records(&folder) {
        let file = record["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(file)).expect(file);
        // What is no message at all is refused before its content counts.
        if scan(&bytes).is_err() {
            continue;
        }
        for schema in [Schema::V2_0_0, Schema::V1_0_2] {
            let recorded = record[format!("xsd_{}", schema.name())].as_str().unwrap();
            match scan_with(&bytes, rules_of(&rules, schema)) {
                Ok(_) => assert_eq!(recorded, "valid", "{file} by {schema:?}"),
                Err(refused) => {
                    assert!(recorded.starts_with("ERRORS"), "{file} by {schema:?}: {refused}");
                    let line = recorded.split(' ').find_map(|word| word.strip_prefix('L')).unwrap();
                    assert!(refused.to_string().starts_with(&format!("Line {line}:")), "{file}: {refused}, {recorded}");
                    invalid += 1;
                    continue;
                }
            }
            valid += 1;
        }
    }
    eprintln!("{valid} valid, {invalid} invalid as recorded, and in the recorded line");
    assert!(valid > 90 && invalid > 90);
}

#[test]
fn verdicts_are_those_of_the_record() {
    let Some(folder) = folder() else { return };
    let rules = rules(&folder);
    let options = Options { paused_allows: PausedAllows::All, ..Options::default() };
    let (mut same, mut on_purpose) = (0, Vec::new());
    for record in records(&folder) {
        let file = record["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(file)).expect(file);
        let schema = Schema::from_name(record["session_schema"].as_str().unwrap()).expect(file);
        let scanned = scan_with(&bytes, rules_of(&rules, schema));
        if let Ok(message) = &scanned {
            assert_eq!(message.kind.name(), record["kind"].as_str().unwrap(), "{file}");
            assert_eq!(message.category.name(), record["category"].as_str().unwrap(), "{file}");
            assert_eq!(message.check_schema(schema), Ok(()), "{file}: the schema has said so already");
        }
        for (state, recorded) in record["tno_publish"].as_object().unwrap() {
            let recorded = recorded.as_str().unwrap();
            let (answer, exception) = match &scanned {
                Err(refused) => {
                    let exception = REFUSED_ON_PURPOSE.iter().find(|(of, ..)| *of == file);
                    (refused.code().name().to_owned(), exception.map(|(_, code, why)| (code.name(), *why)))
                }
                Ok(message) => {
                    let stored = state != "INITIALIZING_noinit" && state != "UNINITIALIZED";
                    let name = state.strip_suffix("_noinit").unwrap_or(state);
                    let of = State::ALL.into_iter().find(|of| of.name() == name).expect(state);
                    let facts = InitFacts { stored, all_complete: false };
                    (answer(message, of, options, facts), rule_on_purpose(message.kind, state, recorded))
                }
            };
            let expected = exception.map_or(recorded, |(expected, _)| expected);
            assert_eq!(answer, expected, "{file} in {state}: {:?}", scanned.as_ref().err());
            if answer == recorded {
                same += 1;
            } else if let Some((_, why)) = exception {
                on_purpose.push(format!("{file} in {state}: {answer}, not {recorded}: {why}"));
            }
        }
    }
    on_purpose.iter().for_each(|line| eprintln!("{line}"));
    eprintln!("{same} verdicts as recorded, {} different on purpose", on_purpose.len());
    assert!(same > 600);
}

#[test]
fn without_a_schema_documents_are_admitted_that_only_a_schema_refuses() {
    let Some(folder) = folder() else { return };
    let rules = rules(&folder);
    let mut only_schema = Vec::new();
    for record in records(&folder) {
        let file = record["file"].as_str().unwrap();
        let bytes = fs::read(folder.join(file)).expect(file);
        let schema = Schema::from_name(record["session_schema"].as_str().unwrap()).expect(file);
        let admitted =
            scan(&bytes).is_ok_and(|message| message.check_schema(schema).is_ok() && message.kind != Kind::Unknown);
        if admitted && scan_with(&bytes, rules_of(&rules, schema)).is_err() {
            only_schema.push(file.to_owned());
        }
    }
    eprintln!("refused by a content check only: {only_schema:#?}");
    assert!(only_schema.iter().any(|file| file == "edge-2.0.0/latitude-91.xml"));
}

#[test]
fn orders_stop_in_paused_by_default() {
    let Some(folder) = folder() else { return };
    let bytes = fs::read(folder.join("tno-original/Order.xml")).unwrap();
    let message = scan(&bytes).unwrap();
    let facts = InitFacts { stored: true, all_complete: true };
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
