//! The fuzz targets of `tests/fuzz` as plain tests: over their corpus, and over changes of it that a seed makes. `INSTEP_FUZZ_ROUNDS` asks for
//! more changes than a test run has time for; what fails is printed, to be kept as a file of the corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::common::wire::Dice;

#[path = "../fuzz/bodies/mod.rs"]
pub(crate) mod bodies;
mod seeds;

/// Bytes of an input.
const INPUT_BYTES_MAX: usize = 8 << 10;

/// Numbers that lengths and counts are often wrong at.
const NUMBERS: [u8; 10] = [0, 1, 2, 4, 0x20, 0x7f, 0x80, 0xc1, 0xfe, 0xff];

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Changes an input in one of the ways in which peers and disks do.
fn change(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8]) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below((input.len() - at).min(64) + 1);
    match dice.below(10) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => input.splice(at..at, dice.bytes(1 + end % 5)).for_each(drop),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again).for_each(drop);
        }
        4 => {
            let from = dice.below(other.len() + 1);
            let to = from + dice.below((other.len() - from).min(256) + 1);
            input.splice(at..end, other[from..to].iter().copied()).for_each(drop);
        }
        5 => {
            input.truncate(at);
            input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        6 => {
            let number = NUMBERS[dice.below(NUMBERS.len())];
            input[at..end.min(at + 8)].fill(number);
        }
        kind => {
            if let Some(byte) = input.get_mut(at) {
                *byte = match kind {
                    7 => *byte ^ 1 << dice.below(8),
                    8 => NUMBERS[dice.below(NUMBERS.len())],
                    _ => byte.wrapping_add(1),
                };
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Runs a target over its corpus, and over `rounds` changes of it.
fn run(name: &str, rounds: usize) {
    let (_, target) = bodies::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let files = corpus(name);
    assert!(files.len() >= 4, "the corpus of {name} has {} files", files.len());
    for (file, bytes) in &files {
        assert!(catch_unwind(|| target(bytes)).is_ok(), "{name}: the file {file} of the corpus");
    }
    let asked = std::env::var("INSTEP_FUZZ_ROUNDS").ok().map(|rounds| rounds.parse().unwrap());
    let mut dice = Dice(0x1257);
    for round in 0..asked.unwrap_or(rounds) {
        let (file, bytes) = &files[dice.below(files.len())];
        let mut input = bytes.clone();
        for _ in 0..=dice.below(4) {
            let other = &files[dice.below(files.len())].1;
            change(&mut dice, &mut input, other);
        }
        let ran = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(
            ran.is_ok(),
            "{name}: round {round}, made of {file}: {:?}",
            String::from_utf8_lossy(&input).into_owned() + &hex(&input)
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_link_is_the_same_however_it_is_cut() {
    run("link", 3000);
}

#[test]
fn a_handshake_is_the_same_however_it_is_cut() {
    run("handshake", 300);
}

#[test]
fn control_requests_and_results_are_stable() {
    run("control", 3000);
}

#[test]
fn the_channels_give_everybody_what_it_has_asked_for_and_nothing_twice() {
    run("channel", 1000);
}

#[test]
fn documents_are_judged_alike_with_and_without_a_schema() {
    run("c2sim", 2000);
}

#[test]
fn logs_are_the_same_however_they_are_read() {
    run("logs", 2000);
}

#[test]
fn a_kernel_is_the_same_however_it_is_cut() {
    run("kernel", 2000);
}

#[test]
fn json_rpc_documents_are_stable() {
    run("rpc", 5000);
}

#[test]
fn http_requests_are_the_same_however_they_are_cut() {
    run("http", 3000);
}

#[test]
fn websocket_messages_are_the_same_however_they_are_cut() {
    run("websocket", 3000);
}

#[test]
fn stomp_frames_are_the_same_however_they_are_cut() {
    run("stomp", 3000);
}

#[test]
fn the_tables_of_a_hub_agree_whatever_happens_to_it() {
    run("hub", 1000);
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let manifest = fs::read_to_string(folder("../Cargo.toml")).unwrap();
    for (name, _) in bodies::TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
        assert!(folder("../targets").join(format!("{name}.rs")).exists(), "{name}");
        let made = seeds::of(name);
        for (file, bytes) in made {
            assert_eq!(
                fs::read(folder(name).join(&file)).ok(),
                Some(bytes),
                "{name}/{file}: {}",
                "write_the_corpus makes it"
            );
        }
    }
}

#[test]
#[ignore = "writes into tests/fuzz/corpus: cargo test --test it write_the_corpus -- --ignored, after a change of seeds.rs"]
fn write_the_corpus() {
    for (name, _) in bodies::TARGETS {
        fs::create_dir_all(folder(name)).unwrap();
        for (file, bytes) in seeds::of(name) {
            assert!(bytes.len() <= INPUT_BYTES_MAX, "{name}/{file} has {} bytes", bytes.len());
            fs::write(folder(name).join(file), bytes).unwrap();
        }
    }
}
