//! The house rules as a test: which room may know which, who may touch the outside, what has no place in the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, as path from the root and content.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(at: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(at) else { return };
        let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The files of the library and the program, without those that only tests have: whose `mod` stands behind `#[cfg(test)]`, and all below.
pub(crate) fn shipped() -> Vec<(String, String)> {
    let mut files = sources("src");
    let mut tests = Vec::new();
    for (path, text) in &files {
        let folder = ["mod.rs", "lib.rs", "main.rs"].iter().find_map(|name| path.strip_suffix(name));
        let folder = folder.map_or_else(|| format!("{}/", path.trim_end_matches(".rs")), str::to_owned);
        for declared in text.split("#[cfg(test)]\nmod ").skip(1) {
            let end = declared.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap();
            if declared[end..].starts_with(';') {
                tests.push(format!("{folder}{}", &declared[..end]));
            }
        }
    }
    let is_below =
        |path: &str, place: &str| path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
    files.retain(|(path, _)| !tests.iter().any(|place| is_below(path, place)));
    files
}

/// The room of a source file: its folder below `src`, or its own name.
fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(room, _)| room)
}

/// A file without comments, strings and its tests: what the compiler sees of the room itself.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut code = String::new();
    for line in text.lines() {
        let mut quoted = false;
        let mut before = ' ';
        for (at, letter) in line.char_indices() {
            // A lone quotation mark may be a character literal.
            if letter == '"' && before != '\\' && !(before == '\'' && line[at + 1..].starts_with('\'')) {
                quoted = !quoted;
            } else if !quoted && line[at..].starts_with("//") {
                break;
            }
            if !quoted {
                code.push(letter);
            }
            before = letter;
        }
        code.push('\n');
    }
    code
}

/// Whether `word` stands in `code` as a word of its own.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(is_name)
            && !code[at + word.len()..].chars().next().is_some_and(is_name)
    })
}

/// Rooms whose names stand behind `crate::` (or, in the program, `instep::`).
fn knows(code: &str) -> Vec<String> {
    let mut known = Vec::new();
    for prefix in ["crate::", "instep::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            if let Some(inside) = rest.strip_prefix('{') {
                let list = inside.split_once('}').map_or(inside, |(list, _)| list);
                known.extend(list.split(',').filter_map(|word| word.trim().split("::").next()).map(str::to_owned));
            } else {
                known.push(rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
            }
        }
    }
    known.retain(|word| !word.is_empty());
    known.sort();
    known.dedup();
    known
}

/// Who may know whom. `limits` and `time` know nobody; protocol rooms know only what lies below all of them, never each other.
///
/// Beyond the plain order: `config` checks a namespace with `leco`'s rule for names, so that there is one such rule, and has `leco`'s port
/// as its default. `net` asks `leco` whether the machine's name can be a namespace, opens files as the logs of `rcrs`, and has `c2sim`
/// say whether a file is a schema. The options of predefined sessions are those of `c2sim`; origins and networks of proxies are checked as `http`
/// reads them.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("limits", &[]),
    ("time", &[]),
    ("spelling", &[]),
    ("counters", &[]),
    // Networks of addresses are read as those of proxies are.
    ("auth", &["limits", "spelling", "store", "http"]),
    ("config", &["limits", "spelling", "time", "store", "auth", "leco", "c2sim", "http"]),
    ("store", &["limits", "time"]),
    ("zmtp", &["limits", "time", "store"]),
    ("leco", &["limits", "time", "store"]),
    ("control", &["limits", "time", "store"]),
    ("c2sim", &["limits", "time", "store"]),
    ("rcrs", &["limits", "time", "store"]),
    ("http", &["limits", "time"]),
    ("stomp", &["limits", "time"]),
    ("web", &[]),
    // Keys are read as those of users are.
    ("client", &["limits", "time", "store", "auth", "zmtp", "leco"]),
    (
        "hub",
        &[
            "limits", "time", "counters", "config", "auth", "store", "zmtp", "leco", "control", "c2sim", "rcrs",
            "http", "stomp", "web",
        ],
    ),
    ("net", &["limits", "time", "store", "config", "auth", "hub", "leco", "rcrs", "c2sim"]),
    ("main", &["cli"]),
];

#[test]
fn rooms_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let room = room(&path);
        if room == "cli" {
            continue; // the program may use all of the library
        }
        let allowed = MAY_KNOW.iter().find(|(name, _)| *name == room);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{path}: the room {room} is not in the table"));
            continue;
        };
        for known in knows(&code(&text)) {
            // What does not begin with a small letter is a macro's or the crate's own item, not a room.
            if known != room && !allowed.contains(&known.as_str()) {
                wrong.push(format!("{path} knows {known}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_net_and_the_blocking_client_touch_sockets_files_and_the_clock() {
    const OUTSIDE: &[&str] = &[
        "mio",
        "socket2",
        "std::net",
        "std::fs",
        "std::time",
        "Instant",
        "SystemTime",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
    ];
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let code = code(&text);
        for word in OUTSIDE {
            let may = match room(&path) {
                "net" => *word != "std::process",
                // The clients that block are machines with a socket and a clock; the rest of their room is pure.
                _ if ["src/client/blocking.rs", "src/client/channel.rs"].contains(&path.as_str()) => {
                    ["std::net", "std::time", "Instant", "SystemTime", "std::thread", "std::io"].contains(word)
                }
                // The program reads its command line and its file, writes its log, and has clients of its own.
                "cli" => true,
                "main" => *word == "std::process",
                // Readers and writers as traits are fine in a pure room.
                _ => *word == "std::io" && !has_word(&code, "stdout") && !has_word(&code, "stdin"),
            };
            if has_word(&code, word) && !may {
                wrong.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    const CRATES: &[(&str, &[&str])] = &[
        // config only names LevelFilter, a plain enum.
        ("log", &["hub", "net", "config", "cli"]),
        ("rmp", &["control"]),
        ("memchr", &["c2sim", "http", "leco"]),
        ("httparse", &["http"]),
        ("percent_encoding", &["http"]),
        ("sha1_smol", &["http"]),
        ("base64", &["http", "auth", "control"]),
        ("sha2", &["auth"]),
        ("dryoc", &["zmtp"]),
        ("subtle", &["zmtp"]),
        ("zeroize", &["zmtp", "auth", "store"]),
        ("getrandom", &["net", "client", "cli"]),
        ("lexopt", &["cli"]),
        ("signal_hook_mio", &["net", "cli"]),
        ("slab", &["store"]),
        ("basic_toml", &["config", "cli"]),
        ("miniz_oxide", &["rcrs", "web"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let code = code(&text);
        for (name, rooms) in CRATES {
            // As a path: the word alone may be a name of our own.
            let used = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                !code[..at].chars().next_back().is_some_and(|letter| letter.is_alphanumeric() || "_:".contains(letter))
            });
            if used && !rooms.contains(&room(&path)) {
                wrong.push(format!("{path} uses {name}"));
            }
            if used && *name == "log" && room(&path) == "config" {
                assert_eq!(code.matches("log::").count(), code.matches("log::LevelFilter").count(), "{path}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_printed_goes_through_the_filter() {
    // These write digits and letters of their own, over and over; the last asks how large the terminal is, and writes nothing.
    const OWN_WORDS: &[&str] = &["src/cli/bench/progress.rs", "src/cli/log/reading.rs", "src/cli/terminal.rs"];
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let code = code(&text).replace("stderr().is_terminal()", "");
        let prints = ["stdout()", "stderr()", "print!", "println!", "eprint!", "eprintln!"];
        let filters = path.starts_with("src/cli/") && has_word(&code, "visible");
        if prints.iter().any(|word| code.contains(word)) && !filters && !OWN_WORDS.contains(&path.as_str()) {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_half_done() {
    // Put together here, so that this file does not find itself.
    let marks = ["todo", "unimplemented"].map(|word| format!("{word}!")).into_iter();
    let marks: Vec<String> =
        marks.chain(["FIX", "XX", "TO"].iter().zip(["ME", "X", "DO"]).map(|(a, b)| format!("{a}{b}"))).collect();
    let mut wrong = Vec::new();
    for (path, text) in ["src", "tests", "benches"].iter().flat_map(|folder| sources(folder)) {
        for (n, line) in text.lines().enumerate() {
            for mark in &marks {
                if line.contains(mark.as_str()) {
                    wrong.push(format!("{path}, line {}: {}", n + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Text files that are part of the repository: sources, documents, scripts.
fn texts() -> Vec<(String, String)> {
    fn walk(at: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if matches!(name.as_str(), ".git" | "target" | "LICENSE-APACHE" | "Cargo.lock")
                || name.starts_with(".venv")
                || name == "__pycache__"
            {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    let texts = found.into_iter().filter_map(|path| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        Some((name, fs::read_to_string(path).ok()?))
    });
    texts.collect()
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let places = ["work/", "root/", "home/", "Users/"].map(|place| format!("/{place}"));
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (n, line) in text.lines().enumerate() {
            for place in &places {
                // A path begins where no name goes on before it: in the middle of a longer one it is another thing.
                let begins = line.match_indices(place.as_str()).any(|(at, _)| {
                    !line[..at]
                        .chars()
                        .next_back()
                        .is_some_and(|letter| letter.is_alphanumeric() || "._-~}/".contains(letter))
                });
                if begins {
                    wrong.push(format!("{path}, line {}: {}", n + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_root_holds_what_a_visitor_expects() {
    const EXPECTED: &[&str] = &[
        "src",
        "tests",
        "benches",
        "examples",
        "fuzz",
        "docs",
        "man",
        "packaging",
        "build.rs",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "target",
    ];
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        // Hidden entries are the tools'.
        if !name.starts_with('.') && !EXPECTED.contains(&name.as_str()) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "unexpected in the root: {wrong:?}");
}

#[test]
fn the_library_forbids_what_only_a_test_may_lift() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let program = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(library.contains("#![forbid(unsafe_code)]") && program.contains("#![deny(unsafe_code)]"));
    let uses = sources("src").into_iter().filter(|(_, text)| has_word(&code(text), "unsafe"));
    let known = ["src/cli/console.rs", "src/cli/memory.rs", "src/cli/serve/passed.rs"];
    assert_eq!(uses.map(|(path, _)| path).collect::<Vec<_>>(), known, "a few calls, and why they are needed");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "denied everywhere but where a test says why");
}

#[test]
fn the_reader_of_code_sees_through_comments_and_strings() {
    let text =
        "use crate::zmtp::x; // crate::net\nlet a = \"crate::hub\"; // \"\ncrate::{leco::name, time};\n'\"'; std::fs\n";
    assert_eq!(knows(&code(text)), ["leco", "time", "zmtp"]);
    assert!(has_word(&code(text), "std::fs"), "a quotation mark as a character ends nothing");
    assert!(!has_word("mio_x amio", "mio") && has_word("(mio)", "mio"));
    assert_eq!((room("src/zmtp/frame.rs"), room("src/time.rs")), ("zmtp", "time"));
}

#[test]
fn files_of_tests_are_not_shipped() {
    let shipped = shipped();
    let is_shipped = |path: &str| shipped.iter().any(|(shipped, _)| shipped == path);
    assert!(is_shipped("src/hub/peers/mod.rs") && is_shipped("src/hub/peers/waits.rs"));
    for path in ["src/hub/peers/tests/going.rs", "src/hub/peers/tests/waiting.rs", "src/hub/fixture.rs"] {
        assert!(!is_shipped(path) && sources("src").iter().any(|(found, _)| found == path), "{path}");
    }
}
