//! The programs in `examples`, built and run as a reader would, and what they print.

use std::process::Command;

use crate::common::manager::Directory;

/// The lines that an example prints. Cargo builds it first, unless that is done.
fn run(name: &str, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", name, "--"]).args(words);
    let ran = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn a_server_in_a_thread() {
    let said = run("embedded", &[]);
    assert_eq!(said, ["LAB.program hears of [\"program\"]", "the server has ended; sign-ins: 1"]);
}

#[test]
fn a_provider_of_the_programs_own() {
    let said = run("provider", &["300"]);
    let wanted =
        ["provider 1 has shown 301 records, the last is timestep Some(300)", "afterwards: the server has ended"];
    assert_eq!(said, wanted);
}

#[test]
fn a_server_in_the_programs_own_loop() {
    assert_eq!(run("own_loop", &[]), ["1 visitor heard: 1 signed in"]);
}

#[test]
fn components_that_ask_and_tell_each_other() {
    let said = run("component", &[]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("LAB.thermometer measures in \"K\"; asked for its humidity it says: "), "{said:?}");
    assert!(said[0].contains("a thermometer cannot do this"), "{said:?}");
    assert_eq!(said[1], "LAB.observer was told [293,294,295]");
}

#[test]
fn a_recorder_writes_what_it_hears() {
    let folder = Directory::new();
    let file = folder.path().join("session.jsonl");
    let said = run("recorder", &[file.to_str().unwrap()]);
    let wanted = [
        "default is \"UNINITIALIZED\"".to_owned(),
        "submit_initialization: \"INITIALIZING\"".to_owned(),
        "initialization_complete: \"INITIALIZING\"".to_owned(),
        "reset_scenario: \"UNINITIALIZED\"".to_owned(),
    ];
    assert_eq!(said[..4], wanted);
    let text = std::fs::read_to_string(&file).unwrap();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said[4], format!("{} events in {}", events.len(), file.display()));
    let brief: Vec<_> =
        events.iter().map(|event| (event["event"]["event"].clone(), event["event"]["by"].clone())).collect();
    assert!(brief.contains(&("joined".into(), "LAB.driver".into())), "{brief:?}");
    assert!(brief.iter().any(|(what, _)| what == "message"), "{brief:?}");
    assert_eq!(events.last().unwrap()["event"]["trigger"], "RESET_SCENARIO");
}
